/* SPDX-License-Identifier: MIT */
/*
 * Services in use: a policy, with the counters and environments of its legs.  A
 * flow keeps the set that it began with.  Counters belong to a name and survive
 * reloads, as long as no name in use needs their slot.
 */
#include <stdlib.h>

#include "internal.h"

/* Reuse the slot of a name that is no longer configured. */
static struct svc_stats *slot_again(struct engine *e)
{
	for (uint32_t i = 0; i < STAT_SLOTS; i++) {
		struct svc_stats *s = &e->slots[i];

		if (!s->users && !s->half_open.here && !e->tw.held[i]) {
			commons_service_put(e->commons, s->id);
			memset(s, 0, sizeof(*s));
			return s;
		}
	}
	return NULL;
}

static struct svc_stats *stats_for(struct engine *e, const char *name)
{
	struct svc_stats *s;

	for (uint32_t i = 0; i < e->nslots; i++) {
		if (!strcmp(e->slots[i].name, name))
			return &e->slots[i];
	}
	s = e->nslots < STAT_SLOTS ? &e->slots[e->nslots++] : slot_again(e);
	if (!s) /* too many old names: the rest share the last slot */
		return &e->slots[STAT_SLOTS - 1];
	memcpy(s->name, name, sizeof(s->name));
	s->id = commons_service_get(e->commons, name, (uint32_t)(s - e->slots),
				    &s->half_open, &s->orphans);
	return s;
}

struct svc_set *svc_set_new(struct engine *e, struct policy *p)
{
	struct svc_set *set;

	set = calloc(1, sizeof(*set) + p->nservice * sizeof(set->svc[0]));
	if (!set)
		return NULL;
	set->refs = 1;
	set->policy = policy_get(p);
	set->n = p->nservice;
	for (uint32_t i = 0; i < set->n; i++) {
		struct svc *s = &set->svc[i];

		s->cfg = &p->service[i];
		e->strays |= e->commons && service_has_two_pairs(s->cfg);
		s->engine = e;
		s->set = set;
		s->stats = stats_for(e, s->cfg->name);
		s->stats->users++;
		s->index = (uint16_t)(s->stats - e->slots);
		s->env = e->env;
		s->env.stats = &s->stats->tcp;
	}
	return set;
}

void svc_isn(const struct svc *s, const struct tuple *t, mono_t now, seq_t *isn,
	     uint32_t *ts_off)
{
	isn_make(&s->engine->isn_key, t, now, isn, ts_off);
	if (s->cfg->tcp.timestamps == 2)
		*ts_off = 0;
	/* by the wall clock: another gateway may continue them */
	*ts_off += (uint32_t)(s->engine->wall_offset_us / USEC_PER_MSEC);
}

struct svc *svc_by_index(struct engine *e, uint16_t index)
{
	for (uint32_t i = 0; i < e->set->n; i++) {
		if (e->set->svc[i].index == index)
			return &e->set->svc[i];
	}
	return NULL;
}

struct svc *svc_if_taken(struct engine *e, uint16_t index,
			 const struct ipaddr *a, uint16_t port)
{
	struct svc *s = svc_for_client(e, a, port);

	return s && s->index == index ? s : NULL;
}

uint32_t engine_tsval(struct engine *e, uint32_t slot, const struct tuple *t,
		      mono_t now)
{
	const struct svc *s = svc_by_index(e, (uint16_t)slot);
	uint32_t off = 0;
	seq_t isn;

	if (s)
		svc_isn(s, t, now, &isn, &off);
	return (uint32_t)(now.us / USEC_PER_MSEC) + off;
}

void svc_set_put(struct svc_set *s)
{
	if (--s->refs)
		return;
	for (uint32_t i = 0; i < s->n; i++)
		s->svc[i].stats->users--;
	policy_put(s->policy);
	free(s);
}

struct svc *svc_for_client(struct engine *e, const struct ipaddr *a,
			   uint16_t port)
{
	for (uint32_t i = 0; i < e->set->n; i++) {
		struct svc *s = &e->set->svc[i];

		for (uint32_t k = 0; k < s->cfg->listen.n; k++) {
			if (endpoint_matches(&s->cfg->listen.ep[k], a, port))
				return s;
		}
	}
	return NULL;
}

struct svc *svc_for_server(struct engine *e, const struct ipaddr *a,
			   uint16_t port)
{
	for (uint32_t i = 0; i < e->set->n; i++) {
		struct svc *s = &e->set->svc[i];

		if (s->cfg->connect.port &&
		    endpoint_matches(&s->cfg->connect, a, port))
			return s;
	}
	return svc_for_client(e, a, port);
}

void svc_server_tuple(const struct svc *s, const struct tuple *t,
		      struct tuple *out)
{
	out->local = t->remote;
	out->lport = t->rport;
	out->remote = t->local;
	out->rport = t->lport;
	if (s->cfg->connect.port) {
		out->remote = s->cfg->connect.addr;
		out->rport = s->cfg->connect.port;
	}
}

const char *flow_service(const struct flow *f)
{
	return f->svc->cfg->name;
}

const char *engine_service_at(struct engine *e, const struct ipaddr *a,
			      uint16_t port)
{
	const struct svc *s = svc_for_client(e, a, port);

	return s ? s->cfg->name : NULL;
}
