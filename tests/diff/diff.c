/* SPDX-License-Identifier: MIT */
/*
 * diff kernel|penstock SCRIPTS - play the scripts to one stack and print what
 * it answers, in a form that can be compared with the other's.
 *
 * A script (see scripts.txt) is a list of lines:
 *   script NAME [small]            a fresh listener, a new client port
 *   key NAME VALUE...              right after it: a key of penstock.conf, and
 *                                  the sysctl or socket option of that name
 *   show wnd                        print the windows, too: their size's power
 *                                  of two, unscaled
 *   show ts                        print whether timestamps have an offset
 *   nopush                         from here on PSH is not told
 *   connect                        the stack opens a connection to the script
 *   syn SEQ [OPTION...]            what the client's SYN offers: mss N, ws N,
 *                                  sack, ts; tfo ask|got|ask-exp|got-exp: a
 *                                  Fast Open cookie; flags as in `send`
 *   send FLAGS SEQ LEN ACK [OPTION...]
 *       FLAGS of "SAFRPUEW"; SEQ counted from the client's ISN, ACK from the
 *       stack's ("-": none; "s" the stack's nxt).  wnd N; sack A-B; ts N: the
 *       timestamp N ms from now; nots; urg N; reuse: without a timestamp's
 *       clock going on
 *   open                           syn with all options, and the ACK
 *   write N | shutdown | close | reset | read 0|1     the application
 *   wait MS                        let time pass; without it, 12 ms
 *
 * A line of the trace is "SCRIPT NUMBER: WHEN FLAGS SEQ+LEN ACK OPTIONS WND".
 * WHEN: how long after the line above, in classes wide enough for a machine
 * that does other things too.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "diff/backend.h"
#include "util/log.h"

#define SETTLE_US 12000

static const struct backend *be;
static char script[64];
static uint32_t line_no, port = 20000;
static uint32_t isn, their_isn, their_nxt, tsrecent;
static bool their_isn_known, ts_on, show_wnd, show_ts, no_push;
static bool pending, pending_small; /* not started yet */
static uint16_t their_port;
static int their_scale, our_scale;
static uint8_t cookie[16], cookie_len; /* that was heard last */
static int64_t clock_us;

static const char *when(int64_t us)
{
	static const struct {
		int64_t below;
		const char *name;
	} class[] = {{25000, "now"},	{130000, "40ms"}, {330000, "200ms"},
		     {700000, "400ms"}, {1400000, "1s"},  {2600000, "2s"}};

	for (size_t i = 0; i < sizeof(class) / sizeof(class[0]); i++)
		if (us < class[i].below)
			return class[i].name;
	return "later";
}

static void flags_text(uint16_t f, char *out)
{
	for (int i = 0; i < 8; i++)
		if (f & 1 << i)
			*out++ = "FSRPAUEW"[i];
	*out = 0;
}

static int hex_text(char *out, const uint8_t *v, uint32_t n)
{
	char *p = out;

	*p++ = '=';
	for (uint32_t i = 0; i < n; i++)
		p += sprintf(p, "%02x", v[i]);
	return (int)(p - out);
}

/* Kinds in order, and SACK blocks by the client's numbers. */
static void opts_text(const struct spkt *pkt, const struct sseg *s, char *out)
{
	static const char *const names[] = {"end",  "nop",  "mss",   "ws", "ok",
					    "SACK", "echo", "reply", "ts"};
	const uint8_t *o = pkt->data + 40, *end = o + s->optlen;
	char *p = out;

	*p = 0;
	while (o < end) {
		if (*o < sizeof(names) / sizeof(names[0]))
			p += sprintf(p, "%s%s", p > out ? "," : "", names[*o]);
		else
			p += sprintf(p, "%s%u", p > out ? "," : "", *o);
		if (*o == 2)
			p += sprintf(p, "=%u", s->mss);
		if (*o == 3)
			p += sprintf(p, "=%d", s->ws);
		if (*o == s->tfo_kind)
			p += hex_text(p, s->tfo, s->tfo_len);
		o += *o < 2 ? 1 : o[1];
	}
	for (int i = 0; i < s->nsack; i++)
		p += sprintf(p, " %d-%d", (int)(s->sack[i][0] - isn),
			     (int)(s->sack[i][1] - isn));
}

static void window_text(const struct sseg *s, char out[24])
{
	uint32_t wnd = s->wnd;

	if (!(s->flags & F_SYN) && our_scale >= 0 && their_scale > 0)
		wnd <<= their_scale;
	if (!show_wnd || !wnd)
		snprintf(out, 24, "%s", wnd ? "wnd" : "wnd0");
	else
		snprintf(out, 24, "wnd~2^%d", 31 - __builtin_clz(wnd));
}

static const char *ts_text(const struct sseg *s)
{
	uint32_t off = be->clock_ms() - s->tsval;

	return off + 500 < 1000 ? " clock" : " offset";
}

static void heard(const struct spkt *pkt, int64_t at)
{
	char flags[12], opts[200], ack[20] = "-", seq[20] = "?", wnd[24];
	struct sseg s;
	const char *why;

	if (spkt_parse(pkt, &s, &why) || s.dst.port != port)
		return;
	if (s.flags & F_SYN) {
		their_isn = s.seq;
		their_isn_known = true;
		their_port = s.src.port;
		their_scale = s.ws;
	}
	if (s.seq + s.len + !!(s.flags & (F_SYN | F_FIN)) - their_nxt <
	    1u << 31)
		their_nxt = s.seq + s.len + !!(s.flags & (F_SYN | F_FIN));
	if (s.has_ts)
		tsrecent = s.tsval;
	if (s.tfo_len) {
		memcpy(cookie, s.tfo, s.tfo_len);
		cookie_len = s.tfo_len;
	}
	flags_text(no_push ? s.flags & (uint16_t)~F_PSH : s.flags, flags);
	opts_text(pkt, &s, opts);
	if (s.flags & F_ACK)
		snprintf(ack, sizeof(ack), "%d", (int)(s.ack - isn));
	if (s.flags & F_RST && !s.seq)
		snprintf(seq, sizeof(seq), "zero");
	else if (their_isn_known)
		snprintf(seq, sizeof(seq), "%d", (int)(s.seq - their_isn));
	window_text(&s, wnd);
	if (getenv("DIFF_TIMES"))
		printf("%lld us: ", (long long)at);
	printf("%s %u: %s %s %s+%u %s %s %s%s\n", script, line_no, when(at),
	       flags, seq, s.len, ack, *opts ? opts : "-",
	       s.flags & F_RST ? "-" : wnd, show_ts ? ts_text(&s) : "");
}

static void pass(int64_t us)
{
	be->run(us, heard);
	clock_us += us;
}

static uint16_t parse_flags(const char *p)
{
	static const char all[] = "FSRPAUEW";
	uint16_t f = 0;

	for (; *p; p++)
		f |= strchr(all, *p) ? 1 << (strchr(all, *p) - all) : 0;
	return f;
}

static void parse_tfo(struct sseg *s, const char *how)
{
	s->tfo_kind = strstr(how, "exp") ? 254 : 34;
	if (strncmp(how, "got", 3) != 0)
		return;
	memcpy(s->tfo, cookie, cookie_len);
	s->tfo_len = cookie_len;
}

static void parse_option(struct sseg *s, const char *w, char **save)
{
	unsigned a, b;

	if (!strcmp(w, "mss")) {
		s->mss = (uint32_t)atoi(strtok_r(NULL, " \n", save));
	} else if (!strcmp(w, "ws")) {
		s->ws = atoi(strtok_r(NULL, " \n", save));
	} else if (!strcmp(w, "wnd")) {
		s->wnd = (uint16_t)atoi(strtok_r(NULL, " \n", save));
	} else if (!strcmp(w, "urg")) {
		s->urg = (uint16_t)atoi(strtok_r(NULL, " \n", save));
	} else if (!strcmp(w, "ts")) {
		s->has_ts = true;
		s->tsval += (uint32_t)atoi(strtok_r(NULL, " \n", save));
	} else if (!strcmp(w, "nots")) {
		s->has_ts = false;
	} else if (!strcmp(w, "sackok")) {
		s->sackok = true;
	} else if (!strcmp(w, "tfo")) {
		parse_tfo(s, strtok_r(NULL, " \n", save));
	} else if (!strcmp(w, "sack")) {
		w = strtok_r(NULL, " \n", save);
		if (w && sscanf(w, "%u-%u", &a, &b) == 2 && s->nsack < 4) {
			s->sack[s->nsack][0] = their_isn + a;
			s->sack[s->nsack++][1] = their_isn + b;
		}
	} else {
		fprintf(stderr, "%s %u: no such option: %s\n", script, line_no,
			w);
		exit(2);
	}
}

static void send_line(const char *flags, uint32_t seq, uint32_t len,
		      const char *ack, char **save)
{
	static const uint8_t zeros[65536];
	struct sseg s = {.family = 4,
			 .ws = -1,
			 .src = {DIFF_CLIENT, (uint16_t)port},
			 .dst = {DIFF_SERVER, their_port},
			 .wnd = 50000};
	struct spkt *pkt;
	const char *w;

	s.flags = parse_flags(flags);
	s.seq = isn + seq;
	s.len = len;
	if (!strcmp(ack, "s"))
		s.ack = their_nxt;
	else if (strcmp(ack, "-") != 0)
		s.ack = their_isn + (uint32_t)strtol(ack, NULL, 10);
	s.has_ts = ts_on;
	s.tsval = 1000000 + (uint32_t)(clock_us / 1000);
	s.tsecr = s.flags & F_ACK ? tsrecent : 0;
	while (save && (w = strtok_r(NULL, " \n", save)))
		parse_option(&s, w, save);
	if (s.flags & F_SYN && s.has_ts)
		ts_on = true;
	if (s.flags & F_SYN)
		our_scale = s.ws;
	pkt = spkt_build(&s, zeros);
	be->give(pkt);
	free(pkt);
}

static void open_line(void)
{
	char options[] = "mss 1460 ws 7 sackok ts 0", *save = options;

	send_line("S", 0, 0, "-", &save);
	pass(SETTLE_US);
	send_line("A", 1, 0, "1", NULL);
}

static void begin(const char *name, bool small)
{
	be->stop();
	snprintf(script, sizeof(script), "%s", name);
	line_no = 0;
	port++;
	isn = 0xfffff000u; /* wraps soon */
	their_isn_known = ts_on = false;
	their_nxt = tsrecent = 0;
	show_wnd = show_ts = false;
	their_port = DIFF_PORT;
	their_scale = our_scale = -1;
	pending = true;
	pending_small = small;
}

static void key_line(char **save)
{
	char *name = strtok_r(NULL, " \n", save), *value;

	value = strtok_r(NULL, "\n", save);
	if (!name || !value || !pending || !be->key(name, value)) {
		fprintf(stderr, "%s %u: key %s\n", script, line_no,
			name ? name : "");
		exit(2);
	}
}

static void start_pending(void)
{
	if (pending)
		be->start(pending_small);
	pending = false;
}

static bool app_line(const char *cmd, char **save)
{
	static const char *const names[] = {"write", "shutdown", "close",
					    "reset", "read",	 "connect"};
	const char *n;
	uint32_t v;

	for (int i = 0; i < 6; i++) {
		if (strcmp(cmd, names[i]) != 0)
			continue;
		n = strtok_r(NULL, " \n", save);
		v = n ? (uint32_t)atoi(n) : 0;
		be->app((enum app_do)i, i == APP_CONNECT ? port : v);
		return true;
	}
	return false;
}

static void one_line(char *text)
{
	char *save, *cmd = strtok_r(text, " \n", &save), *a[4];
	int64_t us = SETTLE_US;

	if (!cmd || *cmd == '#')
		return;
	line_no++;
	if (!strcmp(cmd, "script")) {
		a[0] = strtok_r(NULL, " \n", &save);
		a[1] = strtok_r(NULL, " \n", &save);
		begin(a[0], a[1] != NULL);
		return;
	}
	if (!strcmp(cmd, "key")) {
		key_line(&save);
		return;
	}
	if (!strcmp(cmd, "show")) {
		cmd = strtok_r(NULL, " \n", &save);
		*(cmd && *cmd == 't' ? &show_ts : &show_wnd) = true;
		return;
	}
	if (!strcmp(cmd, "nopush")) {
		no_push = true;
		return;
	}
	start_pending();
	if (!strcmp(cmd, "open")) {
		open_line();
	} else if (!strcmp(cmd, "syn")) {
		a[0] = strtok_r(NULL, " \n", &save);
		send_line("S", (uint32_t)atoi(a[0]), 0, "-", &save);
	} else if (!strcmp(cmd, "send")) {
		for (int i = 0; i < 4; i++)
			a[i] = strtok_r(NULL, " \n", &save);
		send_line(a[0], (uint32_t)strtol(a[1], NULL, 10),
			  (uint32_t)atoi(a[2]), a[3], &save);
	} else if (!strcmp(cmd, "wait")) {
		us = atoi(strtok_r(NULL, " \n", &save)) * 1000ll;
	} else if (!app_line(cmd, &save)) {
		fprintf(stderr, "no such line: %s\n", cmd);
		exit(2);
	}
	pass(us);
}

static void quiet(enum log_level lvl, const char *line)
{
	(void)lvl;
	(void)line;
}

int main(int argc, char **argv)
{
	char text[256];
	FILE *f;

	if (argc < 3 || !(f = fopen(argv[2], "r")))
		return 2;
	log_set_sink(quiet);
	be = strcmp(argv[1], "kernel") ? &backend_engine : &backend_kernel;
	be->start(false);
	while (fgets(text, sizeof(text), f))
		one_line(text);
	be->stop();
	fclose(f);
	return 0;
}
