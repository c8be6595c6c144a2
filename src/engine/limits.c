/* SPDX-License-Identifier: MIT */
/*
 * Who may connect: what shield/access.c says, and its counters.
 */
#include "internal.h"

enum drop_reason limits_connect(struct engine *e, struct svc *s,
				const struct segment *seg, mono_t now)
{
	uint64_t *c = s->stats->shield;

	if (e->stopping)
		return DROP_STOPPING;
	switch (access_syn(&e->access, &s->cfg->shield, s->stats->id, seg,
			   now)) {
	case ACCESS_DENIED:
		c[SC_Denied]++;
		return DROP_SYN_DENIED;
	case ACCESS_RATE:
		c[SC_RateLimited]++;
		return DROP_SYN_RATE;
	case ACCESS_PAWS:
		c[SC_TcpExtPAWSPassive]++;
		return DROP_PAWS;
	default:
		return DROP_NONE;
	}
}

static bool count(const struct svc *s, bool ok)
{
	s->stats->shield[SC_RateLimited] += !ok;
	return ok;
}

bool limits_proven(struct engine *e, const struct svc *s,
		   const struct ipaddr *client, mono_t now)
{
	return count(s, access_proven(&e->access, &s->cfg->shield, s->stats->id,
				      client, now));
}

bool limits_unproven(struct engine *e, const struct svc *s,
		     const struct ipaddr *client, mono_t now)
{
	return count(s, access_unproven(&e->access, &s->cfg->shield,
					s->stats->id, client, now));
}
