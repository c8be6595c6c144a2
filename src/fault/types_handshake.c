/* SPDX-License-Identifier: MIT */
/*
 * Types that act on the handshake.
 */
#include "internal.h"

static FAULT_HIT(hit_synack_delay)
{
	(void)ev;
	if (!fault_chance(x))
		return false;
	v->delay_us += x->f->spec.p[FP_TIME].i;
	return true;
}

/* A SYN is refused, before there is a flow. */
static FAULT_HIT(hit_refuse)
{
	static const uint8_t code[] = {0, 3, 1, 13};
	int64_t with = x->f->spec.p[FP_WITH].i;

	if (ev->state > TS_LISTEN || !fault_chance(x))
		return false;
	v->act = FAULT_ACT_ANSWER;
	v->answer = with ? FAULT_ANSWER_ICMP : FAULT_ANSWER_RST;
	v->icmp_code = code[with];
	return true;
}

/* Only the handshake succeeds. */
static FAULT_HIT(hit_pretend)
{
	uint64_t *irs = x->c->state;
	bool tarpit = x->f->spec.type == FT_TARPIT;

	if (ev->state > TS_LISTEN || ev->to_peer)
		return false;
	v->act = FAULT_ACT_ANSWER;
	if (ev->flags & TCP_SYN) {
		v->answer = FAULT_ANSWER_SYNACK;
		v->wnd = tarpit ? 0 : 65535;
		v->dice = fault_dice(x->f->key, x->c->ordinal, 0, 8);
		*irs = ev->seq.v;
		return true;
	}
	v->irs = (uint32_t)*irs;
	v->answer = ev->flags & TCP_RST ? FAULT_ANSWER_NOTHING
		    : !tarpit		? FAULT_ANSWER_RST
		    : ev->len || ev->flags & TCP_FIN || ev->seq.v != v->irs + 1
			    ? FAULT_ANSWER_ACK
			    : FAULT_ANSWER_NOTHING;
	return true;
}

/* If a SYN kept its options, its repetitions and its answer keep them, too.
 * Otherwise one end would use an option that the other does not know of. */
static bool strips_both(struct fault_ctx *x, const struct fault_event *ev)
{
	enum {
		UNSEEN,
		WHOLE,
		STRIPPED
	};
	uint64_t *syn = &x->c->state[ev->side];

	if (*syn == UNSEEN && !(ev->flags & TCP_ACK))
		*syn = !ev->again && fault_chance(x) ? STRIPPED : WHOLE;
	return *syn == STRIPPED;
}

static FAULT_HIT(hit_strip)
{
	const struct fault_spec *f = &x->f->spec;
	bool one = f->dir != FAULT_ANY_DIR || f->on.on == FAULT_ON_SYNACK;

	if (!(ev->flags & TCP_SYN))
		return false;
	if (one ? !fault_chance(x) : !strips_both(x, ev))
		return false;
	v->strip |= (uint8_t)x->f->spec.p[FP_LIST].i;
	if (v->strip & OPT_HAS_TFO)
		v->strip |= OPT_HAS_TFO_EXP;
	return true;
}

static FAULT_HIT(hit_mss)
{
	if (!(ev->flags & TCP_SYN) || !fault_chance(x))
		return false;
	v->mss = (uint16_t)x->f->spec.p[FP_VALUE].i;
	return true;
}

/* RFC 9293, 3.10.7.3: a peer in SYN_SENT answers with a RST and goes on. */
static FAULT_HIT(hit_wrong_synack)
{
	(void)ev;
	if (!fault_chance(x))
		return false;
	v->ack_add = 1u << 30;
	return true;
}

/* Drops SYNs of a connection that began with Fast Open: @count of them, or
 * one. */
static bool tfo_blackhole(struct fault_ctx *x, const struct fault_event *ev)
{
	uint64_t *began = x->c->state;
	uint32_t most = x->f->spec.count ? x->f->spec.count : 1;

	if (ev->tfo || ev->len)
		*began = 1;
	return *began && x->c->injected < most;
}

/* Middleboxes and servers that break Fast Open (RFC 7413, 7.1). */
static FAULT_HIT(hit_tfo)
{
	bool syn = (ev->flags & (TCP_SYN | TCP_ACK)) == TCP_SYN;
	bool synack = (ev->flags & (TCP_SYN | TCP_ACK)) == (TCP_SYN | TCP_ACK);
	bool cookie = ev->tfo > 1;
	int64_t mode = x->f->spec.p[FP_MODE].i;
	bool fits =
		(mode == FAULT_TFO_BLACKHOLE && syn && tfo_blackhole(x, ev)) ||
		(mode == FAULT_TFO_IGNORE_DATA && syn && ev->len) ||
		(mode == FAULT_TFO_REJECT_COOKIE && syn && cookie) ||
		(mode == FAULT_TFO_STALE_COOKIE && synack && cookie) ||
		(mode == FAULT_TFO_NO_COOKIE && synack && cookie);

	if (!fits || !fault_chance(x))
		return false;
	v->drop = mode == FAULT_TFO_BLACKHOLE;
	v->cut = mode == FAULT_TFO_IGNORE_DATA;
	if (mode == FAULT_TFO_IGNORE_DATA || mode == FAULT_TFO_NO_COOKIE)
		v->strip |= OPT_HAS_TFO | OPT_HAS_TFO_EXP;
	if (mode == FAULT_TFO_REJECT_COOKIE || mode == FAULT_TFO_STALE_COOKIE)
		v->spoil = true;
	return true;
}

/* RFC 9293, 3.5: our SYN crosses the client's. */
static FAULT_HIT(hit_simopen)
{
	if (ev->side != FAULT_CLIENT)
		return false;
	x->flow->crossed = true;
	return v->open = true;
}

FAULT_TYPE(SYN_ACK_DELAY) = {
	.example = "time=3s",
	.params = PARAMS_ROLL | PBIT(TIME),
	.needs = PBIT(TIME),
	.kind = FAULT_ON_SYNACK,
	.hit = hit_synack_delay,
};

FAULT_TYPE(REFUSE) = {
	.example = "with=icmp-admin",
	.params = PARAMS_ROLL | PBIT(WITH),
	.kind = FAULT_ON_SYN,
	.dir = FAULT_FROM_PEER,
	.hit = hit_refuse,
};

FAULT_TYPE(DELUDE) = {
	.dir = FAULT_FROM_PEER,
	.hit = hit_pretend,
};

FAULT_TYPE(TARPIT) = {
	.dir = FAULT_FROM_PEER,
	.hit = hit_pretend,
};

FAULT_TYPE(STRIP_OPTION) = {
	.example = "list=sack,ts,ws",
	.params = PARAMS_ROLL | PBIT(LIST),
	.needs = PBIT(LIST),
	.hit = hit_strip,
};

FAULT_TYPE(MSS_CLAMP) = {
	.example = "value=536 side=both",
	.params = PARAMS_ROLL | PBIT(VALUE),
	.needs = PBIT(VALUE),
	.hit = hit_mss,
};

FAULT_TYPE(WRONG_SYNACK) = {
	.example = "count=1",
	.params = PARAMS_ROLL,
	.kind = FAULT_ON_SYNACK,
	.hit = hit_wrong_synack,
};

FAULT_TYPE(TFO) = {
	.example = "mode=blackhole count=3",
	.modes = BIT(FAULT_MODE_COUNT) - BIT(FAULT_ECN_COUNT),
	.params = PARAMS_ROLL | PBIT(MODE),
	.needs = PBIT(MODE),
	.hit = hit_tfo,
};

FAULT_TYPE(SIMOPEN) = {
	.kind = FAULT_ON_SYNACK,
	.dir = FAULT_TO_PEER,
	.hit = hit_simopen,
};
