/* SPDX-License-Identifier: MIT */
/*
 * Attacks: detected once a second from the counts of admission, and reported in
 * the log, in the status and in the metrics.
 */
#include <errno.h>
#include <stdlib.h>

#include "penstockd.h"
#include "util/address.h"

#define SOURCES_MAX 10u /* in the status */

/**
 * struct watch - The services of a policy
 * @one: @n of them, in its order
 */
struct watch {
	uint32_t n;
	struct watched {
		char name[SERVICE_NAME_MAX + 1];
		struct attack attack;
	} one[];
};

static const struct attack *attack_of(const struct watch *w, const char *name)
{
	for (uint32_t i = 0; w && i < w->n; i++) {
		if (!strcmp(w->one[i].name, name))
			return &w->one[i].attack;
	}
	return NULL;
}

static bool watch_fits(const struct watch *w, const struct policy *p)
{
	if (!w || w->n != p->nservice)
		return false;
	for (uint32_t i = 0; i < w->n; i++) {
		if (strcmp(w->one[i].name, p->service[i].name) != 0)
			return false;
	}
	return true;
}

/* After a reload: services that remain keep their state. */
static void watch_follow(struct daemon *d)
{
	const struct policy *p = d->cfg->policy;
	struct watch *w;

	if (watch_fits(d->watch, p))
		return;
	w = calloc(1, sizeof(*w) + p->nservice * sizeof(w->one[0]));
	if (!w)
		return;
	w->n = p->nservice;
	for (uint32_t i = 0; i < w->n; i++) {
		const char *name = p->service[i].name;
		const struct attack *old = attack_of(d->watch, name);

		snprintf(w->one[i].name, sizeof(w->one[i].name), "%s", name);
		if (old)
			w->one[i].attack = *old;
	}
	free(d->watch);
	d->watch = w;
}

static void log_begin(const struct watched *s, bool xdp)
{
	struct attack_counts t;
	uint32_t proven;

	attack_total(&s->attack, &t);
	proven = attack_proven_permille(&t);
	log_warn(
		"attack on %s begins: %llu unproven packets a second%s; so far "
		"%llu cookies sent, %u.%u %% of them answered, %llu bad ones, "
		"%llu SYNs refused",
		s->name, (unsigned long long)s->attack.rate,
		xdp ? ", answered by XDP" : "", (unsigned long long)t.cookies,
		proven / 10, proven % 10, (unsigned long long)t.failed,
		(unsigned long long)t.limited);
}

static void log_end(const struct watched *s)
{
	struct attack_counts t;
	uint32_t proven;

	attack_total(&s->attack, &t);
	proven = attack_proven_permille(&t);
	log_warn("attack on %s is over after %lld s: at most %llu unproven "
		 "packets a second; %llu cookies sent, %u.%u %% of them "
		 "answered, %llu bad ones, %llu SYNs refused",
		 s->name,
		 (long long)(mono_sub(s->attack.calm, s->attack.begun) /
			     USEC_PER_SEC),
		 (unsigned long long)s->attack.peak,
		 (unsigned long long)t.cookies, proven / 10, proven % 10,
		 (unsigned long long)t.failed, (unsigned long long)t.limited);
}

void attacks_look(struct daemon *d)
{
	struct attack_counts *c;

	watch_follow(d);
	if (!watch_fits(d->watch, d->cfg->policy))
		return; /* no memory */
	c = calloc(d->watch->n + 1, sizeof(*c));
	if (!c)
		return;
	units_attack_counts(d, c, d->watch->n);
	xdp_attack_counts(d, c, d->watch->n);
	for (uint32_t i = 0; i < d->watch->n; i++) {
		struct watched *s = &d->watch->one[i];

		switch (attack_feed(&s->attack, &c[i], worker_clock())) {
		case ATTACK_BEGINS:
			log_begin(s, xdp_answers(d, i));
			break;
		case ATTACK_ENDS:
			log_end(s);
			break;
		default:
			break;
		}
	}
	free(c);
}

void attacks_free(struct daemon *d)
{
	free(d->watch);
	d->watch = NULL;
}

static json_t *attack_json(const struct watched *s)
{
	const struct attack *a = &s->attack;
	struct attack_counts t;

	attack_total(a, &t);
	return json_pack(
		"{s:s, s:I, s:I, s:I, s:I, s:f, s:I, s:I}", "service", s->name,
		"since_s",
		(json_int_t)(mono_sub(worker_clock(), a->begun) / USEC_PER_SEC),
		"rate", (json_int_t)a->rate, "peak", (json_int_t)a->peak,
		"cookies", (json_int_t)t.cookies, "proven_percent",
		attack_proven_permille(&t) / 10.0, "bad_cookies",
		(json_int_t)t.failed, "refused", (json_int_t)t.limited);
}

static json_t *source_json(const struct refused_source *r)
{
	const bool v4 = ipaddr_is_v4(&r->addr);
	char addr[ADDRESS_TEXT_MAX];

	return json_pack("{s:o, s:s, s:I, s:b}", "source",
			 json_sprintf("%s%s", address_print(&r->addr, addr),
				      v4 ? "" : "/64"),
			 "service", r->service, "refused", (json_int_t)r->count,
			 "proven", r->proven);
}

void attacks_status(struct daemon *d, json_t *status)
{
	struct refused_source r[SOURCES_MAX];
	json_t *attacks = json_array(), *sources = json_array();
	uint32_t n = units_refused(d, r, SOURCES_MAX);

	for (uint32_t i = 0; d->watch && i < d->watch->n; i++) {
		if (d->watch->one[i].attack.on)
			json_array_append_new(attacks,
					      attack_json(&d->watch->one[i]));
	}
	for (uint32_t i = 0; i < n; i++)
		json_array_append_new(sources, source_json(&r[i]));
	json_object_set_new(status, "attacks", attacks);
	json_object_set_new(status, "refused_sources", sources);
}

int attacks_metrics(struct daemon *d, struct metrics *m)
{
	int err = 0;

	for (uint32_t i = 0; d->watch && i < d->watch->n && !err; i++) {
		const struct watched *s = &d->watch->one[i];
		struct control_metric all[] = {
			GAUGE("under_attack", "1 while the service is attacked",
			      s->attack.on),
			GAUGE("unproven_rate",
			      "packets a second of clients that proved nothing",
			      s->attack.rate),
			{.name = "Attacks",
			 .worker = -1,
			 .help = "attacks so far",
			 .value = s->attack.seen},
		};

		for (size_t k = 0; k < ARRAY_LEN(all) && !err; k++) {
			all[k].service = s->name;
			err = metrics_add(m, &all[k]);
		}
	}
	return err;
}
