/* SPDX-License-Identifier: MIT */
/*
 * TIME_WAIT and the next incarnation of a connection, on both legs.
 *
 * A client may reuse a 4-tuple whose client leg is in TIME_WAIT if its sequence
 * number or timestamp is newer (RFC 6191).  The server leg, or the server
 * itself, may be in TIME_WAIT as well.  So our sequence number begins above the
 * old one, and the timestamp offset is constant for a 4-tuple: the server
 * accepts the first SYN as a newer incarnation.
 */
#include "internal.h"

static_assert(TW_SERVICES == STAT_SLOTS, "the table counts by service");

static void policy_of(const struct svc *s, struct tw_policy *p)
{
	const struct tcp_cfg *c = &s->cfg->tcp;

	*p = (struct tw_policy){.len_us = c->timewait_len,
				.ack_interval_us = c->invalid_ratelimit,
				.reuse_delay_us = s->cfg->shield.tw_reuse_delay,
				.reuse = s->cfg->shield.tw_reuse,
				.rfc1337 = c->rfc1337};
}

bool tw_admit(struct engine *e, const struct segment *s, mono_t now,
	      struct tx *reply, struct tw_next *next, enum verdict *v)
{
	struct tw_entry *entry = tw_find(&e->tw, &s->t);
	struct tw_policy p;
	struct tcp_opts o = {0};
	struct svc *svc;
	struct tw_reply r;

	next->renewed = false;
	if (!entry)
		return false;
	tw_describe(&e->tw, entry, &r);
	*v = VERDICT_CONSUMED;
	svc = svc_by_index(e, r.service);
	if (!svc) /* a reload renamed or removed it */
		svc = svc_for_client(e, &s->t.local, s->t.lport);
	if (!svc) {
		e->drop[DROP_TIME_WAIT]++;
		return true;
	}
	policy_of(svc, &p);
	switch (tw_input(&e->tw, entry, s, now, &p, &r)) {
	case TW_NEW:
		next->renewed = true;
		next->least_iss = r.seq;
		e->count[EC_TcpExtTWRecycled]++;
		return false;
	case TW_ACK:
		if (r.ts_ok) {
			o.has = OPT_HAS_TS;
			o.tsval = (uint32_t)(now.us / USEC_PER_MSEC) + r.ts_off;
			o.tsecr = r.ts_recent;
		}
		answer_ack(reply, s, r.seq, r.ack, r.wnd, &o);
		*v = VERDICT_REPLY;
		return true;
	case TW_DROP:
	case TW_KILL:
		break;
	}
	e->drop[r.paws ? DROP_PAWS : DROP_TIME_WAIT]++;
	return true;
}

bool tw_dial(struct engine *e, struct flow *f, mono_t now, seq_t *iss,
	     uint32_t *ts_off)
{
	struct tw_policy p;
	struct tw_reply r;

	policy_of(f->svc, &p);
	switch (tw_reuse(&e->tw, &f->leg[LEG_SERVER].t, now, &p, &r)) {
	case 0:
		if (seq_lt(*iss, r.seq))
			*iss = r.seq;
		*ts_off = r.ts_off;
		return true;
	case -ENOENT:
		return true;
	default:
		return false;
	}
}
