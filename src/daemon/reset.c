/* SPDX-License-Identifier: MIT */
/*
 * {"cmd":"reset"}: end the connections of a client, those that the kernel
 * relays, too.
 */
#include <errno.h>

#include "engine/hooks.h"
#include "penstockd.h"
#include "util/address.h"

#define RELAYED_MAX 64u /* connections of one call of a worker */

/**
 * struct reset_call - Whose connections end
 * @client: address
 * @port:   of the client; 0: any
 * @unit:   whose engine resets
 * @t:      connections that the kernel relays: @n of them
 * @ended:  how many ended
 */
struct reset_call {
	struct ipaddr client;
	uint16_t port;
	struct unit *unit;
	struct tuple t[RELAYED_MAX];
	uint32_t n, ended;
};

static bool is_meant(const struct reset_call *c, const struct flow *f)
{
	const struct tuple *t = &f->leg[LEG_CLIENT].t;

	return ipaddr_eq(&t->remote, &c->client) &&
	       (!c->port || t->rport == c->port);
}

static void do_reset(void *arg, mono_t now)
{
	struct reset_call *c = arg;
	struct engine *e = c->unit->engine;
	struct flow *f, *next;

	for (f = engine_flow_first(e); f; f = next) {
		next = engine_flow_next(e, f);
		if (!is_meant(c, f))
			continue;
		for (int i = 0; i < 2; i++) {
			leg_abort(&f->leg[i]);
			f->leg[i].ev = 0;
		}
		flow_settle(e, f, now);
		c->ended++;
	}
}

static void do_reset_relayed(void *arg, mono_t now)
{
	struct reset_call *c = arg;

	(void)now;
	for (uint32_t i = 0; i < c->n; i++)
		c->ended += splice_reset(c->unit->splicer, &c->t[i]);
}

/* Any worker may send what is needed. */
static void reset_relayed(struct daemon *d, struct reset_call *c)
{
	c->unit = &d->unit[0];
	do {
		c->n = splice_map_of(d->splice, &c->client, c->port, c->t,
				     RELAYED_MAX);
		worker_call(c->unit->worker, do_reset_relayed, c);
	} while (c->n);
}

int reset_command(struct daemon *d, const json_t *request, json_t **result,
		  FILE *errors)
{
	struct reset_call c = {.port = 0};
	const char *client;
	json_int_t port = 0;

	if (json_unpack((json_t *)request, "{s:s, s?:I}", "client", &client,
			"port", &port) ||
	    !address_parse(client, &c.client) || port < 0 || port > 65535) {
		fputs("reset: wanted: \"client\": an address, and perhaps "
		      "\"port\": 1..65535\n",
		      errors);
		return -EINVAL;
	}
	c.port = (uint16_t)port;
	for (uint32_t i = 0; i < d->n; i++) {
		c.unit = &d->unit[i];
		worker_call(c.unit->worker, do_reset, &c);
	}
	if (d->splice)
		reset_relayed(d, &c);
	log_info("reset: %u connections of %s", c.ended, client);
	*result = json_pack("{s:i}", "reset", (int)c.ended);
	return *result ? 0 : -ENOMEM;
}
