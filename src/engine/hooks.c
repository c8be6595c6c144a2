/* SPDX-License-Identifier: MIT */
/*
 * The functions of the engine that a wing above it may use (engine/hooks.h).
 */
#include "engine/hooks.h"
#include "internal.h"

void engine_hook(struct engine *e, const struct engine_hooks *h, void *wing)
{
	e->hooks = h;
	e->wing = wing;
}

void *engine_wing(const struct engine *e)
{
	return e->wing;
}

void engine_hook_splice(struct engine *e, const struct splice_hooks *h,
			void *wing)
{
	e->splice = h;
	e->splicer = wing;
}

void engine_watch(struct engine *e, const struct engine_watch *w, void *arg)
{
	e->watch = w;
	e->watch_arg = arg;
}

const struct leg_env *engine_leg_env(const struct engine *e)
{
	return &e->env;
}

struct engine_tables engine_tables(struct engine *e, mono_t now)
{
	return (struct engine_tables){
		.synq = &e->synq,
		.tw = &e->tw,
		.spent = &e->spent,
		.validated = &e->access.validated,
		.strays = e->commons ? &e->strays : NULL,
		.secret_id = hash_bytes(&e->isn_key, "secret", 6),
		.epoch = cookie_epoch(&e->cookies, engine_wall_s(e, now))};
}

bool engine_slot(const struct engine *e, uint32_t i, struct engine_slot *out)
{
	struct svc_stats *s = &e->slots[i];

	*out = (struct engine_slot){s->name,	       s->id,
				    s->users,	       &s->half_open,
				    &s->cookies_until, &s->draining};
	return i < e->nslots;
}

uint64_t engine_seed(const struct engine *e)
{
	return e->seed;
}

uint32_t engine_max_flows(const struct engine *e)
{
	return e->flows.max;
}

void *engine_in_common(const struct engine *e, size_t size)
{
	return commons_wing(e->commons, size);
}

mono_t engine_now(const struct engine *e)
{
	return e->now;
}

void engine_drop(struct engine *e, enum drop_reason why)
{
	e->drop[why]++;
}

void engine_count(struct engine *e, enum engine_counter_id which)
{
	e->count[which]++;
}

void flow_count(const struct flow *f, enum shield_counter_id which)
{
	f->svc->stats->shield[which]++;
}

uint64_t engine_hash(const struct engine *e, const struct tuple *t)
{
	return hash_bytes(&e->table.key, t, sizeof(*t));
}

uint32_t engine_flow_index(const struct engine *e, const struct flow *f)
{
	return slab_index(&e->flows, f);
}

struct flow *engine_flow_first(const struct engine *e)
{
	return slab_list_last(&e->all);
}

struct flow *engine_flow_next(const struct engine *e, const struct flow *f)
{
	return slab_list_before(&e->all, f);
}

void hooks_free(struct engine *e)
{
	if (e->hooks)
		e->hooks->free(e->wing);
	if (e->splice)
		e->splice->free(e->splicer);
}
