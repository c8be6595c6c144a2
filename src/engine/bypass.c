/* SPDX-License-Identifier: MIT */
/*
 * TCP that cannot be terminated here.
 *
 * Segments signed with MD5 (RFC 2385), TCP-AO (RFC 5925) or an authentication
 * header (RFC 4302): without the key we can neither answer nor change them.
 * Fragments: the host reassembles them before they arrive here, unless it is
 * configured not to.  TCP behind a routing header with segments left.
 *
 * If such a packet belongs to a service it is dropped, unless the keys `signed'
 * and `fragments' let it pass.  Lists and limits apply first, as for every
 * other client.  What passes never proves its address, so each SYN counts.
 */
#include "internal.h"

static bool policy_passes(const struct service *s, enum drop_reason why)
{
	if (why == DROP_SIGNED)
		return s->tcp_signed == SIGNED_PASS;
	return why == DROP_FRAGMENT && s->fragments == FRAGMENTS_PASS;
}

static enum drop_reason judge(struct engine *e, struct svc *s, bool from_client,
			      const struct segment *seg, enum drop_reason why,
			      mono_t now)
{
	/* A connection that is terminated here has no such packets. */
	if (!policy_passes(s->cfg, why) || table_find(e, &seg->t))
		return why;
	if (!from_client)
		return DROP_NONE;
	if ((seg->flags & (TCP_SYN | TCP_ACK)) == TCP_SYN) {
		why = limits_connect(e, s, seg, now);
		if (why == DROP_NONE &&
		    !limits_unproven(e, s, &seg->t.remote, now))
			why = DROP_SYN_RATE;
		return why;
	}
	return shield_access_ok(&s->cfg->shield, &seg->t.remote)
		       ? DROP_NONE
		       : DROP_SYN_DENIED;
}

enum verdict bypass(struct engine *e, const struct segment *seg,
		    enum drop_reason why, mono_t now)
{
	struct svc *s = svc_for_client(e, &seg->t.local, seg->t.lport);
	bool from_client = s;
	enum drop_reason drop;

	if (!s)
		s = svc_for_server(e, &seg->t.remote, seg->t.rport);
	drop = s ? judge(e, s, from_client, seg, why, now) : DROP_NONE;
	if (drop != DROP_NONE) {
		e->drop[drop]++;
		return VERDICT_CONSUMED;
	}
	e->count[why == DROP_SIGNED ? EC_PacketsSigned : EC_PacketsForeign]++;
	return VERDICT_PASS;
}
