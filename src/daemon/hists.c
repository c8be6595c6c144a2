/* SPDX-License-Identifier: MIT */
/*
 * The histograms of all services, as metrics.
 */
#include <inttypes.h>

#include "penstockd.h"
#include "tcp/stats.h"

/**
 * struct hists_call - The histograms of a service, of all workers
 */
struct hists_call {
	struct engine *engine;
	uint32_t service;
	struct hist sum[TCP_HIST_COUNT];
};

static void do_hists(void *arg, mono_t now)
{
	struct hists_call *c = arg;
	struct engine_service s;

	(void)now;
	if (!engine_service(c->engine, c->service, &s))
		return;
	for (int i = 0; i < TCP_HIST_COUNT; i++)
		hist_merge(&c->sum[i], &s.hist[i]);
}

/* The ends of all buckets, as text. */
static const char *bucket_end(int which, uint32_t bucket)
{
	static char text[TCP_HIST_COUNT][HIST_BUCKETS][24];
	char *t = text[which][bucket];
	uint64_t us = hist_end_us(bucket, tcp_hist_shift[which]);

	if (bucket == HIST_BUCKETS - 1)
		return "+Inf";
	if (!*t)
		snprintf(t, sizeof(text[0][0]), "%" PRIu64 ".%06" PRIu64,
			 us / USEC_PER_SEC, us % USEC_PER_SEC);
	return t;
}

static int hist_append(struct metrics *m, const char *service, int which,
		       const struct hist *h)
{
	struct control_metric one = {.name = tcp_hist_name[which],
				     .help = tcp_hist_help[which],
				     .service = service,
				     .worker = -1,
				     .part = METRIC_BUCKET,
				     .label = "le"};
	int err = 0;

	for (uint32_t i = 0; i < HIST_BUCKETS && !err; i++) {
		one.value += h->n[i]; /* with all that is shorter */
		one.text = bucket_end(which, i);
		err = metrics_add(m, &one);
	}
	one.label = one.text = NULL;
	one.part = METRIC_COUNT;
	if (!err)
		err = metrics_add(m, &one);
	one.part = METRIC_SUM;
	one.value = h->sum_us;
	return err ? err : metrics_add(m, &one);
}

int hists_metrics(struct daemon *d, struct metrics *m)
{
	const struct policy *p = d->cfg->policy;
	int err = 0;

	for (uint32_t i = 0; i < p->nservice && !err; i++) {
		struct hists_call c = {.service = i};

		for (uint32_t k = 0; k < d->n; k++) {
			c.engine = d->unit[k].engine;
			worker_call(d->unit[k].worker, do_hists, &c);
		}
		for (int k = 0; k < TCP_HIST_COUNT && !err; k++)
			err = hist_append(m, p->service[i].name, k, &c.sum[k]);
	}
	return err;
}
