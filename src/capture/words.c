/* SPDX-License-Identifier: MIT */
/*
 * What the engine has decided about a packet, in words.
 *
 * The engine does not tell: its counters do.  Each packet that it drops counts
 * under one reason, and what else happens to one counts as well, so the
 * counters that a call has changed say what became of its packet.
 */
#include <stdarg.h>
#include <stdio.h>

#include "internal.h"

/* Counters of a service's admission, and what they say of a packet. */
static const struct {
	enum shield_counter_id id;
	const char *word;
} shield[WORDS_SHIELD] = {
	{SC_TcpExtSyncookiesSent, "answered with a SYN cookie"},
	{SC_TcpExtSyncookiesRecv, "cookie ok"},
	{SC_TcpExtTCPFastOpenPassive, "Fast Open"},
	{SC_CookieReplays, "cookie spent before"},
};

/* A counter by its place in the walk of engine_counter(). */
static uint64_t value(const struct engine *e, uint32_t i)
{
	struct engine_counter c;

	return engine_counter(e, i, &c) ? c.value : 0;
}

static uint64_t shield_value(const struct engine *e, int service,
			     enum shield_counter_id id)
{
	const uint32_t own = EC_COUNT + DROP_REASON_COUNT;
	const uint32_t tcp = TCP_COUNTER_COUNT + DROP_REASON_COUNT;

	if (service < 0)
		return 0;
	return value(e, own + (uint32_t)service * (tcp + SC_COUNT) + tcp + id);
}

void words_mark(struct marks *m, const struct engine *e,
		const struct tcp_stats *stats, int service)
{
	*m = (struct marks){.opened = value(e, EC_FlowsOpened)};
	for (uint32_t i = 0; i < DROP_REASON_COUNT; i++)
		m->drop[i] = value(e, EC_COUNT + i);
	for (int i = 0; i < WORDS_SHIELD; i++)
		m->shield[i] = shield_value(e, service, shield[i].id);
	if (!stats)
		return;
	memcpy(m->leg, stats->drop, sizeof(m->leg));
	m->ofo = stats->c[CNT_TcpExtTCPOFOQueue];
}

void words_add(char *text, const char *fmt, ...)
{
	size_t n = strlen(text);
	va_list ap;

	if (n && n + 2 < CAPTURE_COMMENT_MAX) {
		memcpy(text + n, ", ", 3);
		n += 2;
	}
	va_start(ap, fmt);
	vsnprintf(text + n, CAPTURE_COMMENT_MAX - n, fmt, ap);
	va_end(ap);
}

bool words_cookie_sent(const struct marks *before, const struct marks *after)
{
	return after->shield[0] != before->shield[0];
}

void words_input(char *text, const struct marks *before,
		 const struct marks *after, enum verdict v)
{
	bool said = *text;

	for (uint32_t i = 0; i < DROP_REASON_COUNT; i++) {
		if (after->drop[i] == before->drop[i] &&
		    after->leg[i] == before->leg[i])
			continue;
		if (i != DROP_FAULT || !said) /* the fault has a name */
			words_add(text, "drop %s", drop_reason_name[i]);
		said = true;
	}
	for (int i = 0; i < WORDS_SHIELD; i++) {
		if (after->shield[i] == before->shield[i])
			continue;
		words_add(text, "%s", shield[i].word);
		said = true;
	}
	if (after->opened != before->opened)
		words_add(text, "opens a connection");
	if (after->ofo != before->ofo)
		words_add(text, "out of order, kept");
	if (v == VERDICT_PASS)
		words_add(text, "passed on");
	else if (v >= VERDICT_WORKER)
		words_add(text, "to worker %d", (int)(v - VERDICT_WORKER));
	else if (!said && after->opened == before->opened &&
		 after->ofo == before->ofo)
		words_add(text, v == VERDICT_REPLY ? "answered" : "accepted");
}
