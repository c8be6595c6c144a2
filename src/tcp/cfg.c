/* SPDX-License-Identifier: MIT */
/*
 * The keys of [tcp]: Linux's names, meanings and defaults (6.18,
 * Documentation/networking/ip-sysctl.rst).  Where a default differs, the help
 * text gives Linux's; test_config.c checks this.
 */
#include "tcp/cfg.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define SEC ((int64_t)USEC_PER_SEC)
#define MSEC ((int64_t)USEC_PER_MSEC)

#define MEM_LEAST 4096u
#define MEM_MOST (1u << 30) /* what a window scale of 14 can announce */

static const char mem_allowed[] =
	"three sizes in bytes, least default most, each 4096..1073741824 and "
	"not less than the one before";

/* Exactly three numbers, separated by white space. */
static bool mem_read(const char *p, uint32_t v[3])
{
	for (int i = 0; i < 3; i++) {
		unsigned long long n;
		char *end;

		p += strspn(p, " \t");
		if (*p < '0' || *p > '9')
			return false;
		n = strtoull(p, &end, 10);
		if (n > MEM_MOST || (*end && *end != ' ' && *end != '\t'))
			return false;
		v[i] = (uint32_t)n;
		p = end;
	}
	return !*p;
}

static int mem_parse(const char *text, void *field, char *err, size_t errlen)
{
	uint32_t v[3];

	if (mem_read(text, v) && v[0] >= MEM_LEAST && v[1] >= v[0] &&
	    v[2] >= v[1]) {
		memcpy(field, v, sizeof(v));
		return 0;
	}
	snprintf(err, errlen, "found \"%s\"; allowed: %s", text, mem_allowed);
	return -EINVAL;
}

static const char *const cc_names[] = {
	[CC_NEWRENO] = "newreno",
	[CC_CUBIC] = "cubic",
	[CC_BBR] = "bbr",
	[CC_HOST] = "host",
};

static_assert(ARRAY_LEN(cc_names) == CC_HOST + 1, "a name for each kind");

static const char cc_allowed[] =
	"newreno, cubic, bbr or host, or one for each leg: client:NAME "
	"server:NAME";

static int cc_by_name(const char *name)
{
	for (int i = 0; i <= CC_HOST; i++) {
		if (!strcmp(name, cc_names[i]))
			return i;
	}
	return -1;
}

const char *tcp_cc_name(enum tcp_cc_kind kind)
{
	return cc_names[kind];
}

void tcp_cc_follow(struct tcp_cfg *c, const char *host)
{
	int kind = host ? cc_by_name(host) : -1;

	if (host && !strcmp(host, "reno")) /* the kernel's name of it */
		kind = CC_NEWRENO;
	if (kind < 0 || kind == CC_HOST)
		kind = CC_CUBIC;
	for (int i = 0; i < 2; i++) {
		if (c->cc[i] == CC_HOST)
			c->cc[i] = (uint8_t)kind;
	}
}

/* One word of the value: NAME, client:NAME or server:NAME.  *set collects the
 * legs that were named. */
static int cc_word(const char *word, uint8_t cc[2], uint32_t *set)
{
	static const struct {
		const char *prefix;
		uint32_t legs;
	} sides[] = {{"client:", 1}, {"server:", 2}, {"", 3}};

	for (size_t i = 0; i < ARRAY_LEN(sides); i++) {
		size_t n = strlen(sides[i].prefix);
		int kind;

		if (strncmp(word, sides[i].prefix, n))
			continue;
		kind = cc_by_name(word + n);
		if (kind < 0 || (*set & sides[i].legs))
			return -EINVAL;
		*set |= sides[i].legs;
		if (sides[i].legs & 1)
			cc[0] = (uint8_t)kind;
		if (sides[i].legs & 2)
			cc[1] = (uint8_t)kind;
		return 0;
	}
	return -EINVAL;
}

static int cc_parse(const char *text, void *field, char *err, size_t errlen)
{
	char word[2][24], extra;
	uint8_t *out = field, cc[2] = {out[0], out[1]};
	uint32_t set = 0;
	int n = sscanf(text, "%23s %23s %c", word[0], word[1], &extra);

	if (n < 1 || n > 2)
		goto err_text;
	for (int i = 0; i < n; i++) {
		if (cc_word(word[i], cc, &set))
			goto err_text;
	}
	memcpy(out, cc, 2);
	return 0;

err_text:
	snprintf(err, errlen, "found \"%s\"; allowed: %s", text, cc_allowed);
	return -EINVAL;
}

#define CFG(field) .offset = offsetof(struct tcp_cfg, field)
#define INT(lo, hi) .type = OPT_INT, .min = (lo), .max = (hi)
#define TIME(u, lo, hi) .type = OPT_TIME, .unit = (u), .min = (lo), .max = (hi)

const struct opt_desc tcp_options[] = {
	{.name = "tcp_synack_retries",
	 CFG(synack_retries),
	 INT(0, 255),
	 .def = "5",
	 .help = "SYN-ACKs sent again to a client (5: 63 s)"},
	{.name = "tcp_syn_retries",
	 CFG(syn_retries),
	 INT(1, 127),
	 .def = "6",
	 .help = "SYNs sent again to a server (6: 127 s)"},
	{.name = "tcp_retries2",
	 CFG(retries2),
	 INT(0, 255),
	 .def = "15",
	 .help = "retransmissions before a connection is given up"},
	{.name = "tcp_orphan_retries",
	 CFG(orphan_retries),
	 INT(0, 255),
	 .def = "0",
	 .help = "the same once nobody waits for the data; 0 means 8"},
	{.name = "tcp_timestamps",
	 CFG(timestamps),
	 INT(0, 2),
	 .def = "1",
	 .help = "0 off, 1 with a random offset, 2 without an offset"},
	{.name = "tcp_window_scaling",
	 CFG(window_scaling),
	 INT(0, 1),
	 .def = "1",
	 .help = "offer windows above 64 KiB (RFC 7323)"},
	{.name = "tcp_sack",
	 CFG(sack),
	 INT(0, 1),
	 .def = "1",
	 .help = "offer selective acknowledgments (RFC 2018)"},
	{.name = "tcp_dsack",
	 CFG(dsack),
	 INT(0, 1),
	 .def = "1",
	 .help = "report duplicates by SACK (RFC 2883)"},
	{.name = "tcp_ecn",
	 CFG(ecn),
	 INT(0, 2),
	 .def = "2",
	 .help = "0 off, 1 ask for ECN and take it, 2 take it when asked"},
	{.name = "tcp_congestion_control",
	 CFG(cc),
	 .type = OPT_CUSTOM,
	 .def = "host",
	 .parse = cc_parse,
	 .allowed = cc_allowed,
	 .help = "congestion control of both legs or of each; host: the one "
		 "that the host's sysctl of this name says, where it is one of "
		 "ours, else cubic (Linux: cubic)"},
	{.name = "tcp_slow_start_after_idle",
	 CFG(slow_start_after_idle),
	 INT(0, 1),
	 .def = "1",
	 .help = "shrink the congestion window after an idle RTO"},
	{.name = "tcp_no_metrics_save",
	 CFG(no_metrics_save),
	 INT(0, 1),
	 .def = "0",
	 .help = "1: a connection leaves nothing in the path memory"},
	{.name = "tcp_no_ssthresh_metrics_save",
	 CFG(no_ssthresh_metrics_save),
	 INT(0, 1),
	 .def = "1",
	 .help = "1: ssthresh is not kept in it, and not taken from it"},
	{.name = "tcp_keepalive_time",
	 CFG(keepalive_time),
	 TIME(SEC, SEC, 32767 * SEC),
	 .def = "7200",
	 .help = "idle time before the first keepalive probe"},
	{.name = "tcp_keepalive_intvl",
	 CFG(keepalive_intvl),
	 TIME(SEC, SEC, 32767 * SEC),
	 .def = "75",
	 .help = "time between keepalive probes"},
	{.name = "tcp_keepalive_probes",
	 CFG(keepalive_probes),
	 INT(1, 127),
	 .def = "9",
	 .help = "unanswered probes that end a connection"},
	{.name = "tcp_fin_timeout",
	 CFG(fin_timeout),
	 TIME(SEC, 100 * MSEC, 3600 * SEC),
	 .def = "60",
	 .help = "time in FIN_WAIT_2 when nobody reads any more; after it "
		 "keepalive asks a half-closed peer"},
	{.name = "tcp_timewait_len",
	 CFG(timewait_len),
	 TIME(SEC, 100 * MSEC, 600 * SEC),
	 .def = "60",
	 .help = "time in TIME_WAIT, 2 MSL (the kernel's is fixed)"},
	{.name = "tcp_rfc1337",
	 CFG(rfc1337),
	 INT(0, 1),
	 .def = "0",
	 .help = "1 a RST does not end TIME_WAIT, 0 it does"},
	{.name = "tcp_invalid_ratelimit",
	 CFG(invalid_ratelimit),
	 TIME(MSEC, 0, 3600 * SEC),
	 .def = "500",
	 .help = "least time between answers to unacceptable segments"},
	{.name = "tcp_challenge_ack_limit",
	 CFG(challenge_ack_limit),
	 INT(0, INT32_MAX),
	 .def = "2147483647",
	 .help = "challenge ACKs a second of one leg (RFC 5961)"},
	{.name = "tcp_min_snd_mss",
	 CFG(min_snd_mss),
	 INT(48, 1460),
	 .def = "48",
	 .help = "least MSS that a peer can make us use"},
	{.name = "tcp_rmem",
	 CFG(rmem),
	 .type = OPT_CUSTOM,
	 .def = "4096 131072 33554432",
	 .parse = mem_parse,
	 .allowed = mem_allowed,
	 .help = "receive buffer of a leg: least, default, most"},
	{.name = "tcp_wmem",
	 CFG(wmem),
	 .type = OPT_CUSTOM,
	 .def = "4096 16384 33554432",
	 .parse = mem_parse,
	 .allowed = mem_allowed,
	 .help = "send buffer of a leg: least, default, most (Linux: "
		 "4096 16384 4194304)"},
	{.name = "tcp_notsent_lowat",
	 CFG(notsent_lowat),
	 INT(4096, UINT32_MAX),
	 .def = "4294967295",
	 .help = "bytes that may wait in penstock before they are first sent"},
	{.name = "tcp_user_timeout",
	 CFG(user_timeout),
	 TIME(MSEC, 0, INT32_MAX *MSEC),
	 .def = "0",
	 .help = "time data may stay unacknowledged; 0 by tcp_retries2"},
	{.name = NULL},
};
