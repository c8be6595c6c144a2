/* SPDX-License-Identifier: MIT */
/*
 * {"cmd":"kill"}, {"cmd":"reset"}: end connections, those that the kernel
 * relays, too.  Both hosts get a RST.
 */
#include <errno.h>

#include "engine/hooks.h"
#include "penstockd.h"
#include "util/address.h"

#define RELAYED_MAX 64u /* connections of one call of a worker */

/**
 * struct kill_call - Whose connections end
 * @filter: those that it matches
 * @d:      for those that the kernel relays
 * @unit:   whose engine resets
 * @t:      client legs that the kernel relays: @n of them
 * @ended:  how many ended
 */
struct kill_call {
	const struct filter *filter;
	struct daemon *d;
	struct unit *unit;
	struct tuple t[RELAYED_MAX];
	uint32_t n, ended;
};

static void do_kill(void *arg, mono_t now)
{
	struct kill_call *c = arg;
	struct engine *e = c->unit->engine;
	struct flow *f, *next;

	for (f = engine_flow_first(e); f; f = next) {
		next = engine_flow_next(e, f);
		if (!flow_view_is_meant(e, f, c->filter))
			continue;
		for (int i = 0; i < 2; i++) {
			leg_abort(&f->leg[i]);
			f->leg[i].ev = 0;
		}
		flow_settle(e, f, now);
		c->ended++;
	}
}

static void do_kill_relayed(void *arg, mono_t now)
{
	struct kill_call *c = arg;

	(void)now;
	for (uint32_t i = 0; i < c->n; i++)
		c->ended += splice_reset(c->unit->splicer, &c->t[i]);
}

static void gather(void *arg, const struct splice_flow *f)
{
	struct kill_call *c = arg;

	if (c->n < RELAYED_MAX && !f->ended && relayed_is_meant(f, c->filter))
		c->t[c->n++] = (struct tuple){.local = f->server,
					      .remote = f->client,
					      .lport = f->server_port,
					      .rport = f->client_port};
}

/* Any worker may send what is needed. */
static void kill_relayed(struct kill_call *c)
{
	struct daemon *d = c->d;
	uint32_t before;

	c->unit = &d->unit[0];
	do {
		before = c->ended;
		c->n = 0;
		splice_map_list(d->splice, d->cfg->policy, worker_clock(),
				UINT32_MAX, gather, c);
		worker_call(c->unit->worker, do_kill_relayed, c);
	} while (c->ended != before);
}

static uint32_t kill_all(struct daemon *d, const struct filter *filter)
{
	struct kill_call c = {.filter = filter, .d = d};

	for (uint32_t i = 0; i < d->n; i++) {
		c.unit = &d->unit[i];
		worker_call(c.unit->worker, do_kill, &c);
	}
	if (d->splice)
		kill_relayed(&c);
	return c.ended;
}

int kill_command(struct daemon *d, const json_t *request, json_t **result,
		 FILE *errors)
{
	const char *text =
		json_string_value(json_object_get(request, "filter"));
	bool all = json_is_true(json_object_get(request, "all"));
	struct filter filter;
	uint32_t n;

	if (flows_filter(request, &filter, errors))
		return -EINVAL;
	if (!filter.n && !all) {
		fputs("kill: an empty filter would end every connection; say "
		      "so with --all\n",
		      errors);
		return -EINVAL;
	}
	n = kill_all(d, &filter);
	log_info("kill: %u connections of \"%.200s\"", n, filter.n ? text : "");
	*result = json_pack("{s:i}", "killed", (int)n);
	return *result ? 0 : -ENOMEM;
}

int reset_command(struct daemon *d, const json_t *request, json_t **result,
		  FILE *errors)
{
	struct filter filter;
	struct ipaddr addr;
	const char *client;
	char text[128], err[256];
	json_int_t port = 0;
	uint32_t n;

	if (json_unpack((json_t *)request, "{s:s, s?:I}", "client", &client,
			"port", &port) ||
	    !address_parse(client, &addr) || port < 0 || port > 65535) {
		fputs("reset: wanted: \"client\": an address, and perhaps "
		      "\"port\": 1..65535\n",
		      errors);
		return -EINVAL;
	}
	snprintf(text, sizeof(text), port ? "src %s sport %d" : "src %s",
		 client, (int)port);
	if (filter_parse(text, &filter, err, sizeof(err))) {
		fprintf(errors, "reset: %s\n", err);
		return -EINVAL;
	}
	n = kill_all(d, &filter);
	log_info("reset: %u connections of %s", n, client);
	*result = json_pack("{s:i}", "reset", (int)n);
	return *result ? 0 : -ENOMEM;
}
