/* SPDX-License-Identifier: MIT */
/*
 * Metrics as Prometheus and OpenMetrics want them: samples of one name
 * together, names in snake case below "penstock_", counters ending in "_total".
 * nstat's TcpActiveOpens becomes penstock_tcp_active_opens_total; drop_seq_old
 * becomes penstock_drops_total{reason="seq_old"}.
 */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>

#include "api/server.h"

#define NAME_MAX_LEN 96
#define DROP_PREFIX "drop_"

struct sample {
	char family[NAME_MAX_LEN];
	char service[64];
	char reason[48];
	const char *help, *label, *text;
	uint32_t order;
	int worker;
	bool gauge;
	uint8_t part;
	uint64_t value;
};

/* A capital begins a word after a small letter or a digit, or before a small
 * letter: TCPTimeouts -> tcp_timeouts. */
static bool begins_word(const char *p, const char *start)
{
	if (p == start || !isupper((unsigned char)*p) || p[-1] == '_')
		return false;
	return !isupper((unsigned char)p[-1]) || islower((unsigned char)p[1]);
}

static void name_to_snake(const char *in, char *out, size_t len)
{
	size_t n = 0;

	for (const char *p = in; *p && n + 2 < len; p++) {
		if (begins_word(p, in))
			out[n++] = '_';
		if (isalnum((unsigned char)*p))
			out[n++] = (char)tolower((unsigned char)*p);
		else
			out[n++] = '_';
	}
	out[n] = '\0';
}

static void sample_from(struct sample *s, const struct control_metric *m,
			uint32_t order)
{
	char snake[64];
	bool drop = !strncmp(m->name, DROP_PREFIX, strlen(DROP_PREFIX));

	*s = (struct sample){.help = m->help,
			     .label = m->label,
			     .text = m->text,
			     .order = order,
			     .worker = m->worker,
			     .gauge = m->gauge,
			     .part = m->part,
			     .value = m->value};
	if (drop)
		snprintf(s->reason, sizeof(s->reason), "%s",
			 m->name + strlen(DROP_PREFIX));
	name_to_snake(drop ? "drops" : m->name, snake, sizeof(snake));
	snprintf(s->family, sizeof(s->family), "penstock_%s", snake);
	snprintf(s->service, sizeof(s->service), "%s",
		 m->service ? m->service : "");
}

static int sample_cmp(const void *a, const void *b)
{
	const struct sample *x = a, *y = b;
	int c = strcmp(x->family, y->family);

	if (c)
		return c;
	return x->order < y->order ? -1 : 1;
}

/* Ask for every metric.  Return: how many, or -ENOMEM */
static int samples_gather(const struct control_ops *ops, struct sample **out)
{
	struct control_metric m = {.worker = -1};
	uint32_t n = 0, room = 0;
	struct sample *s = NULL;

	for (; ops->metric(ops->arg, n, &m); n++) {
		if (n == room) {
			struct sample *p;

			room = room ? room * 2 : 256;
			p = realloc(s, room * sizeof(*s));
			if (!p) {
				free(s);
				return -ENOMEM;
			}
			s = p;
		}
		sample_from(&s[n], &m, n);
		m = (struct control_metric){.worker = -1};
	}
	*out = s;
	return (int)n;
}

static void label_print(FILE *out, char *sep, const char *key,
			const char *value)
{
	fprintf(out, "%c%s=\"", *sep, key);
	for (; *value; value++) {
		if (*value == '\\' || *value == '"')
			fputc('\\', out);
		fputc(*value == '\n' ? ' ' : *value, out);
	}
	fputc('"', out);
	*sep = ',';
}

static const char *ending(const struct sample *s)
{
	static const char *const parts[] = {[METRIC_BUCKET] = "_bucket",
					    [METRIC_SUM] = "_sum",
					    [METRIC_COUNT] = "_count"};

	if (s->part != METRIC_NUMBER)
		return parts[s->part];
	return s->gauge ? "" : "_total";
}

static const char *type_of(const struct sample *s)
{
	if (s->part != METRIC_NUMBER)
		return "histogram";
	return s->gauge ? "gauge" : "counter";
}

static void sample_print(const struct sample *s, FILE *out)
{
	char sep = '{', worker[16];

	fprintf(out, "%s%s", s->family, ending(s));
	if (*s->service)
		label_print(out, &sep, "service", s->service);
	if (*s->reason)
		label_print(out, &sep, "reason", s->reason);
	if (s->worker >= 0) {
		snprintf(worker, sizeof(worker), "%d", s->worker);
		label_print(out, &sep, "worker", worker);
	}
	if (s->label)
		label_print(out, &sep, s->label, s->text);
	fputs(sep == ',' ? "} " : " ", out);
	if (s->part == METRIC_SUM)
		fprintf(out, "%llu.%06llu\n",
			(unsigned long long)s->value / USEC_PER_SEC,
			(unsigned long long)s->value % USEC_PER_SEC);
	else
		fprintf(out, "%llu\n", (unsigned long long)s->value);
}

/* The unit that a family's name ends with; NULL: it has none. */
static const char *unit_of(const char *family)
{
	static const char *const units[] = {"bytes", "seconds"};
	const char *last = strrchr(family, '_');

	for (size_t i = 0; last && i < ARRAY_LEN(units); i++) {
		if (!strcmp(last + 1, units[i]))
			return units[i];
	}
	return NULL;
}

/* OpenMetrics names the family; Prometheus names its samples. */
static void family_print(const struct sample *s, enum metrics_form form,
			 FILE *out)
{
	const char *end =
		form == METRICS_OPEN || s->gauge || s->part ? "" : "_total";
	const char *unit = unit_of(s->family);

	if (s->help)
		fprintf(out, "# HELP %s%s %s\n", s->family, end, s->help);
	fprintf(out, "# TYPE %s%s %s\n", s->family, end, type_of(s));
	if (form == METRICS_OPEN && unit)
		fprintf(out, "# UNIT %s %s\n", s->family, unit);
}

int control_metrics_text(const struct control_ops *ops, enum metrics_form form,
			 FILE *out)
{
	struct sample *s = NULL;
	const char *last = "";
	int n = samples_gather(ops, &s);

	if (n < 0)
		return n;
	if (n)
		qsort(s, (size_t)n, sizeof(*s), sample_cmp);
	for (int i = 0; i < n; i++) {
		if (strcmp(last, s[i].family))
			family_print(&s[i], form, out);
		sample_print(&s[i], out);
		last = s[i].family;
	}
	if (form == METRICS_OPEN)
		fputs("# EOF\n", out);
	free(s);
	return 0;
}

json_t *control_metrics_json(const struct control_ops *ops)
{
	struct control_metric m = {.worker = -1};
	json_t *list = json_array();

	for (uint32_t i = 0; list && ops->metric(ops->arg, i, &m); i++) {
		json_t *o;

		if (m.part != METRIC_NUMBER) /* /metrics has histograms */
			continue;
		o = json_pack("{s:s, s:s*, s:I}", "name", m.name, "service",
			      m.service, "value", (json_int_t)m.value);

		if (m.worker >= 0)
			json_object_set_new(o, "worker",
					    json_integer(m.worker));
		if (m.gauge)
			json_object_set_new(o, "gauge", json_true());
		json_array_append_new(list, o);
		m = (struct control_metric){.worker = -1};
	}
	return list;
}
