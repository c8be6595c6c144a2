/* SPDX-License-Identifier: MIT */
/*
 * Who may connect: lists of addresses, rates, and the counts of refused
 * sources.
 */
#include "shield/access.h"

#define UNPROVEN 0x80000000u /* buckets of addresses that are never proven */

int access_init(struct access *t, const uint8_t secret[32])
{
	int rc = ratelimit_init(&t->rates, RATELIMIT_ENTRIES, secret);

	if (!rc)
		rc = validated_init(&t->validated, VALIDATED_ENTRIES, secret);
	if (!rc)
		rc = recycle_init(&t->recycle, RECYCLE_ENTRIES, secret);
	return rc;
}

void access_fini(struct access *t)
{
	recycle_fini(&t->recycle);
	if (t->shared)
		return;
	validated_fini(&t->validated);
	ratelimit_fini(&t->rates);
}

void access_share(struct access *t, const struct ratelimit *rates,
		  const struct validated *validated)
{
	validated_fini(&t->validated);
	ratelimit_fini(&t->rates);
	t->rates = *rates;
	t->validated = *validated;
	t->shared = true;
}

/* Count a refused source.  Anybody may have sent a SYN; an address is proven
 * that has answered a SYN-ACK. */
static void refused(struct access *t, uint32_t service, const struct ipaddr *a,
		    bool proven, mono_t now)
{
	proven |= validated_has(&t->validated, a, service, now);
	offenders_note(&t->offenders[proven], a, service, now);
}

enum access_verdict access_syn(struct access *t, const struct shield_cfg *c,
			       uint32_t service, const struct segment *syn,
			       mono_t now)
{
	const struct ipaddr *a = &syn->t.remote;

	if (!shield_access_ok(c, a)) {
		refused(t, service, a, false, now);
		return ACCESS_DENIED;
	}
	/* the limit counts proven clients; the sender of a SYN is not proven */
	if (c->rate_limit.interval_ns &&
	    !validated_has(&t->validated, a, service, now) &&
	    !ratelimit_has(&t->rates, &c->rate_limit, a, service, now)) {
		refused(t, service, a, false, now);
		return ACCESS_RATE;
	}
	if (c->tw_recycle && syn->opts.has & OPT_HAS_TS &&
	    !recycle_proven(&t->recycle, a, syn->opts.tsval, now))
		return ACCESS_PAWS;
	return ACCESS_OK;
}

bool access_proven(struct access *t, const struct shield_cfg *c,
		   uint32_t service, const struct ipaddr *client, mono_t now)
{
	if (!c->rate_limit.interval_ns ||
	    validated_has(&t->validated, client, service, now) ||
	    ratelimit_take(&t->rates, &c->rate_limit, client, service, now))
		return true;
	refused(t, service, client, true, now);
	return false;
}

bool access_unproven(struct access *t, const struct shield_cfg *c,
		     uint32_t service, const struct ipaddr *client, mono_t now)
{
	if (ratelimit_take(&t->rates, &c->rate_limit, client,
			   service | UNPROVEN, now))
		return true;
	refused(t, service, client, false, now);
	return false;
}
