/* SPDX-License-Identifier: MIT */
/*
 * What the engine tells of itself: gauges and counters.
 */
#include "internal.h"

/* A name, and what it counts. */
struct described {
	const char *name, *help;
};

#define X(n, help) {#n, help},
static const struct described own[EC_COUNT] = {ENGINE_COUNTERS(X)};
static const struct described shield[SC_COUNT] = {SHIELD_COUNTERS(X)};
#undef X

#define X(id, name) "drop_" name,
static const char *const drop_name[DROP_REASON_COUNT] = {DROP_REASONS(X)};
#undef X
static const char drop_help[] = "packets that went no further, by the reason";

void engine_gauges(const struct engine *e, struct engine_gauges *g)
{
	memset(g, 0, sizeof(*g));
	g->flows = e->flows.used;
	g->flows_max = commons_part(e->commons, e->worker, e->flows.max);
	for (uint32_t i = 0; i < e->nslots; i++)
		g->half_open += e->slots[i].half_open.here;
	g->time_wait = tw_count(&e->tw);
	g->time_wait_max = tw_limit(&e->tw);
	g->mem_held = e->pool->held;
	g->mem_limit = e->pool->limit;
	g->nodes = e->ooo.used;
	g->nodes_max = e->ooo.max;
	g->sources = e->shares.slab.used;
	g->timers = e->wheel.armed;
}

bool engine_counter(const struct engine *e, uint32_t i,
		    struct engine_counter *c)
{
	const uint32_t mine = EC_COUNT + DROP_REASON_COUNT;
	const uint32_t per = TCP_COUNTER_COUNT + DROP_REASON_COUNT + SC_COUNT;
	const struct svc_stats *s;

	if (i < EC_COUNT) {
		*c = (struct engine_counter){own[i].name, own[i].help, -1,
					     e->count[i]};
		return true;
	}
	if (i < mine) {
		i -= EC_COUNT;
		*c = (struct engine_counter){drop_name[i], drop_help, -1,
					     e->drop[i]};
		return true;
	}
	i -= mine;
	if (i / per >= e->set->n)
		return false;
	c->service = (int)(i / per);
	s = e->set->svc[i / per].stats;
	i %= per;
	if (i < TCP_COUNTER_COUNT) {
		c->name = tcp_counter_name[i];
		c->help = tcp_counter_help[i];
		c->value = tcp_counter_value(&s->tcp, i);
	} else if (i < TCP_COUNTER_COUNT + DROP_REASON_COUNT) {
		i -= TCP_COUNTER_COUNT;
		c->name = drop_name[i];
		c->help = drop_help;
		c->value = s->tcp.drop[i];
	} else {
		i -= TCP_COUNTER_COUNT + DROP_REASON_COUNT;
		c->name = shield[i].name;
		c->help = shield[i].help;
		c->value = s->shield[i];
	}
	return true;
}

bool engine_service(struct engine *e, uint32_t i, struct engine_service *out)
{
	struct svc_stats *s = i < e->set->n ? e->set->svc[i].stats : NULL;

	if (s)
		*out = (struct engine_service){s->tcp.hist, &s->draining,
					       s->half_open.here};
	return s != NULL;
}

void engine_attack_counts(const struct engine *e, uint32_t i,
			  struct attack_counts *c)
{
	const uint64_t *n;

	if (i >= e->set->n)
		return;
	n = e->set->svc[i].stats->shield;
	c->cookies += n[SC_TcpExtSyncookiesSent];
	c->proven += n[SC_TcpExtSyncookiesRecv];
	c->failed += n[SC_TcpExtSyncookiesFailed] + n[SC_CookieReplays];
	c->limited +=
		n[SC_RateLimited] + n[SC_Denied] + n[SC_TcpExtListenOverflows];
}

const struct offenders *engine_offenders(const struct engine *e, bool proven)
{
	return &e->access.offenders[proven];
}

const char *engine_service_name(const struct engine *e, uint32_t id)
{
	for (uint32_t i = 0; i < e->nslots; i++) {
		if (e->slots[i].id == id)
			return e->slots[i].name;
	}
	return "";
}

uint64_t flow_serial(const struct engine *e, const struct flow *f)
{
	const uint64_t opened = e->count[EC_FlowsOpened];

	return opened - ((opened - f->serial) & FLOW_SERIAL_MASK);
}
