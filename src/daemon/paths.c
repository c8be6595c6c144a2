/* SPDX-License-Identifier: MIT */
/*
 * The path memory, for `penstockctl paths'.
 */
#include <errno.h>

#include "penstockd.h"
#include "util/address.h"

/**
 * struct paths_call - What is asked of each worker
 * @engine: of the worker
 * @host:   of this host alone, NULL: of all
 * @forget: forget it; else list it
 * @forgotten: how many were
 */
struct paths_call {
	struct paths *paths;
	struct engine *engine;
	const struct ipaddr *host;
	json_t *list;
	mono_t now;
	uint32_t worker, forgotten;
	bool forget;
};

static void put(json_t *o, const char *key, uint32_t n)
{
	if (n)
		json_object_set_new(o, key, json_integer(n));
}

static void list_path(void *arg, const struct ipaddr *host,
		      const struct path_metrics *m)
{
	struct paths_call *c = arg;
	char addr[ADDRESS_TEXT_MAX];
	json_t *o;

	if (c->host && !ipaddr_eq(c->host, host))
		return;
	o = json_pack(
		"{s:s, s:i, s:I}", "address", address_print(host, addr),
		"worker", (int)c->worker, "age_s",
		(json_int_t)(mono_sub(c->now, m->saved_at) / USEC_PER_SEC));
	put(o, "rtt_us", m->rtt_us);
	put(o, "rttvar_us", m->var_us);
	put(o, "ssthresh", m->ssthresh);
	put(o, "cwnd", m->cwnd);
	put(o, "mtu", m->mtu);
	if (m->rate)
		json_object_set_new(o, "rate_bytes",
				    json_integer((json_int_t)m->rate));
	if (m->no_ecn)
		json_object_set_new(o, "no_ecn", json_true());
	json_array_append_new(c->list, o);
}

static void do_paths(void *arg, mono_t now)
{
	struct paths_call *c = arg;

	c->now = now;
	if (!c->forget) {
		paths_walk(c->paths, list_path, c, now);
		return;
	}
	c->forgotten += paths_forget(c->paths, c->host, now);
	/* as in the kernel, where both are in one memory */
	engine_forget_fastopen(c->engine, c->host);
}

int paths_command(struct daemon *d, const json_t *request, json_t **result,
		  FILE *errors)
{
	const char *word =
		json_string_value(json_object_get(request, "address"));
	struct paths_call c = {
		.forget = json_is_true(json_object_get(request, "forget")),
	};
	struct ipaddr host;

	if (word && !address_parse(word, &host)) {
		fprintf(errors, "\"%.64s\" is no address\n", word);
		return -EINVAL;
	}
	c.host = word ? &host : NULL;
	c.list = json_array();
	for (; c.worker < d->n && c.list; c.worker++) {
		c.paths = &d->unit[c.worker].paths;
		c.engine = d->unit[c.worker].engine;
		worker_call(d->unit[c.worker].worker, do_paths, &c);
	}
	*result = c.list;
	if (c.forget) {
		json_decref(c.list);
		*result = json_pack("{s:i}", "forgotten", (int)c.forgotten);
	}
	return *result ? 0 : -ENOMEM;
}
