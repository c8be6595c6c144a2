/* SPDX-License-Identifier: MIT */
/*
 * penstockctl top: rates of a flood, lanes, front, and the worst connections.
 *
 * The page is text of a given size, so that --batch, the terminal and a test
 * see the same.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "api/client.h"
#include "top.h"

#define FLOWS_ASKED 2000
#define HEAD_ROWS TOP_HEAD_ROWS

static const char *const sort_name[TOP_SORTS] = {"why", "retransmissions",
						 "round trip", "bytes"};

double top_clock(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* --- the daemon's answers --- */

static json_t *get(struct top *t, json_t *request)
{
	json_t *answer = NULL, *result = NULL;
	int err = client_ask(t->path, request, &answer);
	const char *error = json_string_value(json_object_get(answer, "error"));

	if (err)
		snprintf(t->note, sizeof(t->note), "no answer: %s",
			 strerror(-err));
	else if (!json_is_true(json_object_get(answer, "ok")))
		snprintf(t->note, sizeof(t->note), "%.*s",
			 (int)strcspn(error ? error : "error", "\n"),
			 error ? error : "error");
	else
		result = json_incref(json_object_get(answer, "result"));
	json_decref(answer);
	json_decref(request);
	return result;
}

/* The sums of all services, by name. */
static json_t *summed(const json_t *list)
{
	json_t *sum = json_object(), *o;
	const char *name;
	json_int_t n;
	size_t i;

	json_array_foreach(list, i, o) {
		if (json_unpack(o, "{s:s, s:I}", "name", &name, "value", &n))
			continue;
		n += json_integer_value(json_object_get(sum, name));
		json_object_set_new(sum, name, json_integer(n));
	}
	return sum;
}

static void replace(json_t **to, json_t *with)
{
	json_decref(*to);
	*to = with;
}

void top_ask(struct top *t)
{
	double now = top_clock();
	json_t *list;

	t->note[0] = '\0';
	replace(&t->status, get(t, json_pack("{s:s}", "cmd", "status")));
	if (!t->status)
		return;
	list = get(t, json_pack("{s:s}", "cmd", "counters"));
	replace(&t->before, t->counters);
	t->counters = summed(list);
	json_decref(list);
	t->seconds = now - t->at;
	t->at = now;
	list = get(t, json_pack("{s:s, s:i, s:s}", "cmd", "flows", "max",
				FLOWS_ASKED, "filter", t->filter));
	if (list || !*t->note)
		replace(&t->flows, list);
}

void top_forget(struct top *t)
{
	replace(&t->status, NULL);
	replace(&t->counters, NULL);
	replace(&t->before, NULL);
	replace(&t->flows, NULL);
}

/* --- the head --- */

static const char *text_of(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "-";
}

static long long number_of(const json_t *o, const char *key)
{
	return json_integer_value(json_object_get(o, key));
}

/* Of these counters together, a second. */
static double rate(const struct top *t, const char *const *names)
{
	long long n = 0;

	if (!t->before || t->seconds <= 0)
		return 0;
	for (; *names; names++)
		n += number_of(t->counters, *names) -
		     number_of(t->before, *names);
	return (double)n / t->seconds;
}
#define RATE(t, ...) rate(t, (const char *const[]){__VA_ARGS__, NULL})

/* 1234567 as "1.23M": at most five characters. */
static const char *short_number(double n, char out[16])
{
	static const char units[] = " kMGTPE";
	int u = 0;

	for (; n >= 999.5 && units[u + 1]; u++)
		n /= 1000;
	if (!u)
		snprintf(out, 16, "%.0f", n);
	else
		snprintf(out, 16, "%.*f%c", n < 9.995 ? 2 : n < 99.95, n,
			 units[u]);
	return out;
}
#define SHORT(n) short_number(n, (char[16]){""})

__attribute__((format(printf, 3, 4))) static void
put(struct top_page *p, int row, const char *fmt, ...)
{
	va_list ap;

	if (row >= p->rows)
		return;
	va_start(ap, fmt);
	vsnprintf(p->line[row], (size_t)p->cols + 1, fmt, ap);
	va_end(ap);
}

static const char *attacked(const struct top *t)
{
	const json_t *list = json_object_get(t->status, "attacks");

	return json_array_size(list)
		       ? text_of(json_array_get(list, 0), "service")
		       : "nobody";
}

static void write_head(const struct top *t, struct top_page *p)
{
	const json_t *s = t->status;
	long long up = number_of(s, "uptime_s");

	put(p, 0, "penstock %s, up %lld:%02lld:%02lld, rules %s, front %s",
	    text_of(s, "version"), up / 3600, up / 60 % 60, up % 60,
	    text_of(s, "rules"), text_of(s, "front"));
	put(p, 1,
	    "Flows: %lld, spliced %lld, half open %lld, timewait %lld, memory "
	    "%s of %s",
	    number_of(s, "flows"), number_of(s, "spliced"),
	    number_of(s, "half_open"), number_of(s, "time_wait"),
	    SHORT((double)number_of(s, "mem_held")),
	    SHORT((double)number_of(s, "mem_limit")));
	put(p, 2,
	    "Flood: cookies %s/s, proven %s/s, bad %s/s, refused %s/s, "
	    "attacked: %s",
	    SHORT(RATE(t, "TcpExtSyncookiesSent")),
	    SHORT(RATE(t, "TcpExtSyncookiesRecv")),
	    SHORT(RATE(t, "TcpExtSyncookiesFailed", "CookieReplays")),
	    SHORT(RATE(t, "RateLimited", "Denied", "TcpExtListenOverflows")),
	    attacked(t));
	put(p, 3,
	    "Lanes: SYN %s/s, waiting %lld, lost %s/s; other %s/s, waiting "
	    "%lld, lost %s/s",
	    SHORT(RATE(t, "syn_packets")), number_of(s, "syn_waiting"),
	    SHORT(RATE(t, "syn_dropped")),
	    SHORT(RATE(t, "rx_packets") - RATE(t, "syn_packets")),
	    number_of(s, "queue_waiting"),
	    SHORT(RATE(t, "queue_dropped", "queue_user_dropped")));
	put(p, 4, "Bytes: in %s/s, out %s/s; opened %s/s, resent %s/s",
	    SHORT(RATE(t, "rx_bytes")), SHORT(RATE(t, "tx_bytes")),
	    SHORT(RATE(t, "FlowsOpened")), SHORT(RATE(t, "TcpRetransSegs")));
	if (*t->note)
		put(p, 5, "%s", t->note);
	else
		put(p, 5, "Sort: %s  Filter: %s", sort_name[t->sort],
		    *t->filter ? t->filter : "none");
}

/* --- the connections --- */

/**
 * struct worst - A connection
 * @weight: by what it is sorted
 * @limit:  what holds it back, for @percent of the time that it was busy
 */
struct worst {
	const json_t *flow;
	double weight;
	const char *limit;
	int percent;
	long long rtt_us, retrans, bytes;
};

/* What holds a leg back; chrono's words. */
static int leg_limit(const json_t *leg, const char **limit)
{
	static const char *const names[] = {"rwnd", "cwnd", "pacing", "buffer"};
	long long most = 0, busy, n;
	char key[16];

	busy = number_of(leg, "app_ms");
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		snprintf(key, sizeof(key), "%s_ms", names[i]);
		n = number_of(leg, key);
		busy += n;
		if (n > most) {
			most = n;
			*limit = names[i];
		}
	}
	return busy ? (int)(100 * most / busy) : 0;
}

static void weigh(const struct top *t, const json_t *flow, struct worst *w)
{
	static const char *const side[] = {"client", "server"};

	*w = (struct worst){.flow = flow, .limit = "-"};
	for (int i = 0; i < 2; i++) {
		const json_t *leg = json_object_get(flow, side[i]);
		const json_t *info = json_object_get(leg, "info");
		const char *limit = "-";
		int percent = leg_limit(leg, &limit);

		if (percent > w->percent) {
			w->percent = percent;
			w->limit = limit;
		}
		if (number_of(info, "rtt_us") > w->rtt_us)
			w->rtt_us = number_of(info, "rtt_us");
		w->retrans += number_of(leg, "resent");
		w->bytes += number_of(info, "bytes_acked");
	}
	switch (t->sort) {
	case TOP_BY_RETRANS:
		w->weight = (double)w->retrans;
		break;
	case TOP_BY_RTT:
		w->weight = (double)w->rtt_us;
		break;
	case TOP_BY_BYTES:
		w->weight = (double)w->bytes;
		break;
	default:
		w->weight = w->percent;
	}
}

static int heavier(const void *pa, const void *pb)
{
	const struct worst *a = pa, *b = pb;

	if (a->weight != b->weight)
		return a->weight < b->weight ? 1 : -1;
	return a->bytes < b->bytes ? 1 : -(a->bytes > b->bytes);
}

/* How wide an address may be, for two of them or (a narrow page) one. */
static int address_cols(const struct top_page *p, bool narrow)
{
	int n = narrow ? p->cols - 20 : (p->cols - 40) / 2;

	return n < 8 ? 8 : n > 47 ? 47 : n;
}

static void write_row(struct top_page *p, int row, const struct worst *w)
{
	bool narrow = p->cols < 70;
	int n = address_cols(p, narrow);
	const char *client =
		text_of(json_object_get(w->flow, "client"), "address");
	const char *server =
		text_of(json_object_get(w->flow, "server"), "address");
	char rtt[24], limit[24];

	snprintf(rtt, sizeof(rtt), "%.1f", (double)w->rtt_us / 1000);
	snprintf(limit, sizeof(limit), "%s %d%%", w->limit, w->percent);
	if (narrow)
		put(p, row, "%-*.*s %7s %4s %6s", n, n, client, rtt,
		    SHORT((double)w->retrans), w->limit);
	else
		put(p, row, "%-*.*s %-*.*s %8s %6s %5s %-11s", n, n, client, n,
		    n, server, rtt, SHORT((double)w->retrans),
		    SHORT((double)w->bytes), limit);
}

static void write_titles(struct top_page *p)
{
	bool narrow = p->cols < 70;
	int n = address_cols(p, narrow);

	if (narrow)
		put(p, HEAD_ROWS - 1, "%-*s %7s %4s %6s", n, "CLIENT", "RTT",
		    "RETR", "LIMIT");
	else
		put(p, HEAD_ROWS - 1, "%-*s %-*s %8s %6s %5s %-11s", n,
		    "CLIENT", n, "SERVER", "RTT(ms)", "RETRANS", "BYTES",
		    "LIMIT");
}

void top_write(const struct top *t, struct top_page *p)
{
	size_t n = json_array_size(t->flows);
	struct worst *w = calloc(n + 1, sizeof(*w));

	memset(p->line, 0, sizeof(p->line));
	write_head(t, p);
	write_titles(p);
	for (size_t i = 0; w && i < n; i++)
		weigh(t, json_array_get(t->flows, i), &w[i]);
	if (w)
		qsort(w, n, sizeof(*w), heavier);
	for (size_t i = 0; w && i < n && (int)i + HEAD_ROWS < p->rows; i++)
		write_row(p, (int)i + HEAD_ROWS, &w[i]);
	free(w);
}
