/* SPDX-License-Identifier: MIT */
/*
 * penstockctl ss: both legs of each connection in ss's own words and columns.
 */
#include <errno.h>
#include <getopt.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <arpa/inet.h>

#include "penstockctl.h"

#define END_MAX 80 /* an address and a port, as text */

/**
 * struct ss_args - The options of ss
 */
struct ss_args {
	bool info, timers, extended, numeric, bare;
};

/**
 * struct row - A leg
 * @info: its object, NULL for one that the kernel relays
 */
struct row {
	const json_t *flow, *leg, *info;
	const char *side, *state;
	json_int_t recv_q, send_q;
	char local[END_MAX], peer[END_MAX];
};

static const char *text_of(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "";
}

static json_int_t number_of(const json_t *o, const char *key)
{
	return json_integer_value(json_object_get(o, key));
}

static bool has(const json_t *o, const char *key)
{
	return json_object_get(o, key) != NULL;
}

/* ss's name of a state; NULL: such a leg is no socket that ss would show. */
static const char *ss_state(const char *state)
{
	static const char *const names[][2] = {
		{"ESTABLISHED", "ESTAB"},
		{"SYN_SENT", "SYN-SENT"},
		{"SYN_RECEIVED", "SYN-RECV"},
		{"FIN_WAIT_1", "FIN-WAIT-1"},
		{"FIN_WAIT_2", "FIN-WAIT-2"},
		{"TIME_WAIT", "TIME-WAIT"},
		{"CLOSE_WAIT", "CLOSE-WAIT"},
		{"LAST_ACK", "LAST-ACK"},
		{"LISTEN", "LISTEN"},
		{"CLOSING", "CLOSING"},
		{"open", "ESTAB"},
	};

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		if (!strcmp(state, names[i][0]))
			return names[i][1];
	}
	return NULL;
}

/* "192.0.2.1:80" as ss prints it: without -n a port has its name. */
static void print_end(const struct ss_args *s, const char *end,
		      char out[END_MAX])
{
	const char *colon = strrchr(end, ':');
	struct servent *name = NULL;

	if (colon && !s->numeric)
		/* cppcheck-suppress getservbyportCalled; one thread */
		name = getservbyport(
			htons((uint16_t)strtol(colon + 1, NULL, 10)), "tcp");
	if (name)
		snprintf(out, END_MAX, "%.*s:%.20s", (int)(colon - end), end,
			 name->s_name);
	else
		snprintf(out, END_MAX, "%.*s", END_MAX - 1, end);
}

/* False: the leg is not shown. */
static bool fill_row(const struct ss_args *s, const json_t *flow, int i,
		     struct row *r)
{
	static const char *const side[] = {"client", "server"};
	const json_t *spliced = json_object_get(flow, "spliced");
	const json_t *other = json_object_get(flow, side[i ^ 1]);

	*r = (struct row){.flow = flow, .side = side[i]};
	r->leg = json_object_get(flow, side[i]);
	r->info = json_object_get(r->leg, "info");
	r->state = ss_state(text_of(spliced ? spliced : r->leg, "state"));
	r->recv_q = number_of(r->info, "recv_q");
	r->send_q = number_of(r->info, "send_q");
	print_end(s,
		  text_of(r->info ? r->info : other,
			  r->info ? "local" : "address"),
		  r->local);
	print_end(s, text_of(r->leg, "address"), r->peer);
	return r->state != NULL;
}

/* As ss prints times: "200ms", "1.500ms" is not used, "12sec", "3min20sec". */
static void print_timer(const json_t *timer)
{
	json_int_t ms = number_of(timer, "ms");

	printf(" timer:(%s,", text_of(timer, "name"));
	if (ms >= 60000)
		printf("%lldmin", (long long)ms / 60000);
	if (ms >= 60000 && ms % 60000 >= 1000)
		printf("%lldsec", (long long)ms % 60000 / 1000);
	else if (ms >= 10000 && ms < 60000)
		printf("%lldsec", (long long)ms / 1000);
	else if (ms >= 1000 && ms < 10000)
		printf("%lld.%03lldsec", (long long)ms / 1000,
		       (long long)ms % 1000);
	else if (ms < 1000)
		printf("%lldms", (long long)ms);
	printf(",%lld)", (long long)number_of(timer, "retries"));
}

/* "NAME:VALUE", if there is one. */
static void put(const json_t *o, const char *key, const char *name)
{
	if (has(o, key))
		printf(" %s:%lld", name, (long long)number_of(o, key));
}

/* ss's way with milliseconds: %g of a float. */
static double ms_of(const json_t *o, const char *key)
{
	return (double)number_of(o, key) / 1000;
}

static void put_rates(const json_t *info)
{
	double rtt = (double)number_of(info, "rtt_us");

	if (rtt > 0)
		printf(" send %.0fbps", (double)number_of(info, "cwnd") *
						(double)number_of(info, "mss") *
						8e6 / rtt);
	put(info, "lastsnd_ms", "lastsnd");
	put(info, "lastrcv_ms", "lastrcv");
	put(info, "lastack_ms", "lastack");
	if (has(info, "pacing_rate"))
		printf(" pacing_rate %lldbps",
		       (long long)number_of(info, "pacing_rate"));
	if (has(info, "delivery_rate"))
		printf(" delivery_rate %lldbps",
		       (long long)number_of(info, "delivery_rate"));
	if (json_is_true(json_object_get(info, "app_limited")))
		printf(" app_limited");
}

/* A time, and its part of the time that the leg was busy. */
static void put_share(const json_t *info, const char *key, const char *name)
{
	json_int_t ms = number_of(info, key), busy = number_of(info, "busy_ms");

	if (ms && busy)
		printf(" %s:%lldms(%.1f%%)", name, (long long)ms,
		       100.0 * (double)ms / (double)busy);
}

static void put_loss(const json_t *info)
{
	if (has(info, "busy_ms"))
		printf(" busy:%lldms", (long long)number_of(info, "busy_ms"));
	put_share(info, "rwnd_limited_ms", "rwnd_limited");
	put_share(info, "sndbuf_limited_ms", "sndbuf_limited");
	put(info, "unacked", "unacked");
	if (has(info, "retrans"))
		printf(" retrans:%d/%lld", has(info, "lost") ? 1 : 0,
		       (long long)number_of(info, "retrans"));
	put(info, "lost", "lost");
	put(info, "sacked", "sacked");
}

/* ss tells them with -o, the window scale always. */
static void print_options(const json_t *options)
{
	json_t *option;
	size_t i;

	json_array_foreach(options, i, option) {
		if (strcmp(json_string_value(option), "wscale") != 0)
			printf(" %s", json_string_value(option));
	}
}

static void print_info(const struct ss_args *s, const json_t *leg,
		       const json_t *info)
{
	printf("\n\t");
	if (s->timers)
		print_options(json_object_get(info, "options"));
	printf(" %s", text_of(leg, "cc"));
	if (has(info, "snd_wscale"))
		printf(" wscale:%lld,%lld",
		       (long long)number_of(info, "snd_wscale"),
		       (long long)number_of(info, "rcv_wscale"));
	printf(" rto:%g", ms_of(info, "rto_us"));
	if (has(info, "rtt_us"))
		printf(" rtt:%g/%g", ms_of(info, "rtt_us"),
		       ms_of(info, "rttvar_us"));
	put(info, "mss", "mss");
	put(info, "pmtu", "pmtu");
	put(info, "rcvmss", "rcvmss");
	put(info, "advmss", "advmss");
	put(info, "cwnd", "cwnd");
	put(info, "ssthresh", "ssthresh");
	put(info, "bytes_sent", "bytes_sent");
	put(info, "bytes_retrans", "bytes_retrans");
	put(info, "bytes_acked", "bytes_acked");
	put(info, "bytes_received", "bytes_received");
	put(info, "segs_out", "segs_out");
	put(info, "segs_in", "segs_in");
	put_rates(info);
	put_loss(info);
	put(info, "rcv_ooopack", "rcv_ooopack");
	if (has(info, "minrtt_us"))
		printf(" minrtt:%g", ms_of(info, "minrtt_us"));
	put(info, "snd_wnd", "snd_wnd");
	put(info, "rcv_wnd", "rcv_wnd");
}

static void print_extended(const struct row *r)
{
	printf(" service:%s leg:%s", text_of(r->flow, "service"), r->side);
	if (has(r->flow, "serial"))
		printf(" serial:%lld", (long long)number_of(r->flow, "serial"));
	if (has(r->flow, "spliced"))
		printf(" spliced");
	if (has(r->flow, "age_ms"))
		printf(" age:%lldms idle:%lldms",
		       (long long)number_of(r->flow, "age_ms"),
		       (long long)number_of(r->flow, "idle_ms"));
	if (has(r->flow, "faults"))
		printf(" faults:(%s)", text_of(r->flow, "faults"));
	if (has(r->info, "dropped"))
		printf(" dropped:%s", text_of(r->info, "dropped"));
}

/**
 * struct widths - Of the columns that grow
 */
struct widths {
	int state, local, peer;
};

static void widen(struct widths *w, const struct row *r)
{
	int n = (int)strlen(r->local), m = (int)strlen(r->peer);
	int k = (int)strlen(r->state);

	w->local = n > w->local ? n : w->local;
	w->peer = m > w->peer ? m : w->peer;
	w->state = k > w->state ? k : w->state;
}

static void print_row(const struct ss_args *s, const struct widths *w,
		      const struct row *r)
{
	printf("%-*s %-6lld %-6lld %*s %*s", w->state, r->state,
	       (long long)r->recv_q, (long long)r->send_q, w->local, r->local,
	       w->peer, r->peer);
	if (s->timers && has(r->info, "timer"))
		print_timer(json_object_get(r->info, "timer"));
	if (s->extended)
		print_extended(r);
	if (s->info && r->info)
		print_info(s, r->leg, r->info);
	putchar('\n');
}

static void print_all(const struct ss_args *s, const json_t *list)
{
	struct widths w = {(int)strlen("State"),
			   (int)strlen("Local Address:Port"),
			   (int)strlen("Peer Address:Port")};
	struct row r;
	json_t *flow;
	size_t i;

	json_array_foreach(list, i, flow) {
		for (int k = 0; k < 2; k++) {
			if (fill_row(s, flow, k, &r))
				widen(&w, &r);
		}
	}
	if (!s->bare)
		printf("%-*s %-6s %-6s %*s %*s\n", w.state, "State", "Recv-Q",
		       "Send-Q", w.local, "Local Address:Port", w.peer,
		       "Peer Address:Port");
	json_array_foreach(list, i, flow) {
		for (int k = 0; k < 2; k++) {
			if (fill_row(s, flow, k, &r))
				print_row(s, &w, &r);
		}
	}
}

/* Return: -1 to continue, else the exit status. */
static int read_option(struct ss_args *s, struct args *a, int opt)
{
	switch (opt) {
	case 't': /* there is nothing else */
	case 'a':
		return -1;
	case 'i':
		s->info = true;
		return -1;
	case 'o':
		s->timers = true;
		return -1;
	case 'e':
		s->extended = true;
		return -1;
	case 'n':
		s->numeric = true;
		return -1;
	case 'H':
		s->bare = true;
		return -1;
	case 'j':
		a->json = true;
		return -1;
	default: /* getopt has printed the error */
		return usage("ss [-t -i -o -e -n -H] [FILTER]");
	}
}

int cmd_ss(const struct args *args, int argc, char **argv)
{
	static const struct option longs[] = {
		{"tcp", no_argument, NULL, 't'},
		{"all", no_argument, NULL, 'a'},
		{"info", no_argument, NULL, 'i'},
		{"options", no_argument, NULL, 'o'},
		{"extended", no_argument, NULL, 'e'},
		{"numeric", no_argument, NULL, 'n'},
		{"no-header", no_argument, NULL, 'H'},
		{"json", no_argument, NULL, 'j'},
		{0},
	};
	struct args a = *args;
	struct ss_args s = {.info = false};
	json_t *request, *answer, *result;
	int opt, rc;

	optind = 0;
	while ((opt = getopt_long(argc, argv, "taioenHj", longs, NULL)) != -1) {
		rc = read_option(&s, &a, opt);
		if (rc >= 0)
			return rc;
	}
	request = json_pack("{s:s, s:I, s:o}", "cmd", "flows", "max",
			    (json_int_t)(a.max ? a.max : INT32_MAX), "filter",
			    filter_words(argc - optind, argv + optind));
	result = ask(&a, request, &answer);
	if (result && a.json)
		print_json(result);
	else if (result)
		print_all(&s, result);
	json_decref(request);
	json_decref(answer);
	return result ? EXIT_GOOD : EXIT_USAGE;
}
