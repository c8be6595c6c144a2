/* SPDX-License-Identifier: MIT */
/*
 * Who may connect: lists of addresses, rates, and the counts of refused
 * sources.
 */
#include "internal.h"

#define UNPROVEN 0x80000000u /* buckets of addresses that are never proven */

/* Count a refused source.  Anybody may have sent a SYN; an address is proven
 * that has answered a SYN-ACK. */
static void refused(struct engine *e, const struct svc *s,
		    enum shield_counter_id which, const struct ipaddr *a,
		    bool proven, mono_t now)
{
	proven |= validated_has(&e->validated, a, s->index, now);
	s->stats->shield[which]++;
	offenders_note(&e->offenders[proven], a, s->index, now);
}

enum drop_reason limits_connect(struct engine *e, struct svc *s,
				const struct segment *seg, mono_t now)
{
	const struct shield_cfg *c = &s->cfg->shield;
	const struct ipaddr *a = &seg->t.remote;

	if (e->stopping)
		return DROP_STOPPING;
	if (!shield_access_ok(c, a)) {
		refused(e, s, SC_Denied, a, false, now);
		return DROP_SYN_DENIED;
	}
	/* the limit counts proven clients; the sender of a SYN is not proven */
	if (c->rate_limit.interval_ns &&
	    !validated_has(&e->validated, a, s->index, now) &&
	    !ratelimit_has(&e->ratelimit, &c->rate_limit, a, s->index, now)) {
		refused(e, s, SC_RateLimited, a, false, now);
		return DROP_SYN_RATE;
	}
	if (c->tw_recycle && seg->opts.has & OPT_HAS_TS &&
	    !recycle_proven(&e->recycle, a, seg->opts.tsval, now)) {
		s->stats->shield[SC_TcpExtPAWSPassive]++;
		return DROP_PAWS;
	}
	return DROP_NONE;
}

bool limits_proven(struct engine *e, const struct svc *s,
		   const struct ipaddr *client, mono_t now)
{
	const struct rate *r = &s->cfg->shield.rate_limit;

	if (!r->interval_ns ||
	    validated_has(&e->validated, client, s->index, now) ||
	    ratelimit_take(&e->ratelimit, r, client, s->index, now))
		return true;
	refused(e, s, SC_RateLimited, client, true, now);
	return false;
}

bool limits_unproven(struct engine *e, const struct svc *s,
		     const struct ipaddr *client, mono_t now)
{
	const struct rate *r = &s->cfg->shield.rate_limit;

	if (ratelimit_take(&e->ratelimit, r, client, s->index | UNPROVEN, now))
		return true;
	refused(e, s, SC_RateLimited, client, false, now);
	return false;
}
