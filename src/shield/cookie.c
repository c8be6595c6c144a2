/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation
 *
 * The initial sequence number of the SYN-ACK is the whole state of the
 * connection (RFC 4987, 3.6):
 *
 *	 31                              8 7     5 4        2  1    0
 *	| 24 bits of SipHash-2-4          | MSS   | wscale   |SACK|ECN|
 *
 * The MAC covers the 4-tuple, the client's initial sequence number and the low
 * eight bits; its key belongs to an epoch of the wall clock.  Keys are derived
 * from a secret that a fleet shares, so any gateway checks another's cookies
 * without talking to it.  A cookie is valid in the epoch that made it and the
 * one after: for one to two epochs.  In the last seconds of an epoch, cookies
 * of the next epoch are accepted too: the clock of this gateway may be behind.
 * A forged ACK succeeds with a chance of 2^-24 for each of the (at most three)
 * keys, and one that claims timestamps with 2^-40: its TSecr must be of the
 * key's epoch too.
 *
 * Three bits of window scale hold the usual shifts; others are rounded down,
 * which costs speed but never overruns the client.  With timestamps the wscale
 * field says so, and six low bits of our TSval carry the exact shift and two
 * more bits of the MSS.  They come back in TSecr.  These six bits are not
 * authenticated, but a client that changes them misleads only about itself.
 * That TSval is up to 63 ms old, never ahead of the clock, so that the flow's
 * later ones are newer.
 */
#include <assert.h>
#include <errno.h>

#include "shield/cookie.h"

#define DATA_BITS 8
#define MAC_MASK 0xffffff00u

#define DATA_ECN BIT(0)
#define DATA_SACK BIT(1)
#define DATA_WSCALE_SHIFT 2
#define DATA_MSS_SHIFT 5

#define WSCALE_CODES 6 /* codes 0..5 are shifts */
#define WSCALE_NONE 6  /* the SYN had none */
#define WSCALE_IN_TS 7 /* it is in the timestamp */

#define TS_WSCALE_NONE 15 /* 0..14 are shifts (RFC 7323, 2.3) */
#define TS_MSS_SHIFT 4

static const uint8_t wscale_code[WSCALE_CODES] = {0, 2, 4, 6, 7, 8};

/*
 * MSS by class (in the cookie) and step (in the TSval).  The first step of a
 * class is the value without a timestamp.  The table has the values of
 * Ethernet, PPPoE, tunnels, IPv6, jumbo frames and loopback; the smallest is
 * Linux's minimum.
 */
static const uint16_t mss_table[8][4] = {
	{48, 88, 128, 192},	  {256, 320, 400, 512},
	{536, 748, 966, 1160},	  {1220, 1240, 1280, 1300},
	{1360, 1380, 1400, 1412}, {1440, 1448, 1452, 1456},
	{1460, 1962, 4016, 8192}, {8940, 8960, 16344, 65475},
};

/* What the MAC covers.  No padding: hashed as bytes. */
struct mac_input {
	struct tuple t;
	uint32_t client_isn;
	uint32_t data;
};

static_assert(sizeof(struct mac_input) == 44, "mac_input has no padding");

void cookie_keys_init(struct cookie_keys *k, const uint8_t secret[32],
		      int64_t epoch_s)
{
	memcpy(k->secret, secret, sizeof(k->secret));
	k->epoch_s = epoch_s > 0 ? epoch_s : COOKIE_EPOCH_S;
	for (size_t i = 0; i < ARRAY_LEN(k->slot); i++)
		k->slot[i].epoch = INT64_MIN;
}

static const struct hash_key *epoch_key(struct cookie_keys *k, int64_t epoch)
{
	struct cookie_epoch *s = &k->slot[(uint64_t)epoch % 4];

	if (unlikely(s->epoch != epoch)) {
		hash_derive(&s->key, k->secret, "syn cookie", (uint64_t)epoch);
		s->epoch = epoch;
	}
	return &s->key;
}

static uint32_t cookie_mac(struct cookie_keys *k, int64_t epoch,
			   const struct mac_input *in)
{
	return (uint32_t)hash_bytes(epoch_key(k, epoch), in, sizeof(*in)) &
	       MAC_MASK;
}

static uint16_t syn_mss(const struct segment *syn)
{
	if (syn->opts.has & OPT_HAS_MSS)
		return syn->opts.mss;
	return syn->family == 6 ? 1220 : 536; /* RFC 9293, 3.7.1 */
}

/* Class and step of the greatest table entry that is not above @mss. */
static void mss_encode(uint16_t mss, uint32_t *class, uint32_t *step)
{
	uint32_t i = 31;

	while (i > 0 && mss_table[i / 4][i % 4] > mss)
		i--;
	*class = i / 4;
	*step = i % 4;
}

static uint32_t wscale_encode(const struct tcp_opts *o)
{
	uint32_t i = WSCALE_CODES - 1;

	if (!(o->has & OPT_HAS_WSCALE))
		return WSCALE_NONE;
	while (wscale_code[i] > o->wscale)
		i--;
	return i;
}

/* Put the six bits into *tsval.  It may become smaller, never larger. */
static void ts_encode(uint32_t *tsval, const struct tcp_opts *o, uint32_t step)
{
	uint32_t low = TS_WSCALE_NONE, ts;

	if (o->has & OPT_HAS_WSCALE)
		low = min_u32(o->wscale, 14);
	low |= step << TS_MSS_SHIFT;
	ts = (*tsval & ~(COOKIE_TS_STEP - 1)) | low;
	if ((int32_t)(ts - *tsval) > 0)
		ts -= COOKIE_TS_STEP;
	*tsval = ts;
}

seq_t cookie_make(struct cookie_keys *k, const struct segment *syn,
		  int64_t wall_s, bool ecn, uint8_t variant, uint32_t *tsval)
{
	struct mac_input in = {.t = syn->t, .client_isn = syn->seq.v};
	uint32_t class, step, data, wscale = wscale_encode(&syn->opts);

	mss_encode(syn_mss(syn), &class, &step);
	if (tsval && syn->opts.has & OPT_HAS_TS) {
		ts_encode(tsval, &syn->opts, step);
		wscale = WSCALE_IN_TS;
	}
	data = class << DATA_MSS_SHIFT | wscale << DATA_WSCALE_SHIFT;
	if (syn->opts.has & OPT_HAS_SACKOK)
		data |= DATA_SACK;
	if (ecn)
		data |= DATA_ECN;
	in.data = data | (uint32_t)variant << DATA_BITS;
	return SEQ(cookie_mac(k, cookie_epoch(k, wall_s), &in) | data);
}

static bool has_ts(uint32_t data)
{
	return (data >> DATA_WSCALE_SHIFT & 7) == WSCALE_IN_TS;
}

/* Is TSecr from @epoch?  The clocks of a fleet may differ by COOKIE_SKEW_S. */
static bool made_in(const struct cookie_keys *k, int64_t epoch,
		    const struct cookie_now *now, uint32_t tsecr)
{
	int64_t age_ms = (int32_t)(now->tsval - tsecr);
	int64_t made = now->wall_s - age_ms / 1000;

	return age_ms <= COOKIE_TS_AGE_S * 1000 &&
	       made >= epoch * k->epoch_s - COOKIE_SKEW_S &&
	       made < (epoch + 1) * k->epoch_s + COOKIE_SKEW_S;
}

/* 0, -ESTALE or -EBADMSG.  Takes the same time for every input. */
static int mac_check(struct cookie_keys *k, const struct segment *ack,
		     const struct cookie_now *now, const struct mac_input *in,
		     int64_t *epoch)
{
	int64_t e = cookie_epoch(k, now->wall_s);
	bool skew = k->epoch_s - now->wall_s % k->epoch_s <= COOKIE_SKEW_S;
	const int64_t of[3] = {e - 1, e, skew ? e + 1 : e - 2};
	const bool current[3] = {true, true, skew};
	int rc = -EBADMSG;

	for (int i = 0; i < 3; i++) {
		struct mac_input try = *in;
		uint32_t wrong;

		if (current[i])
			try.data |= (uint32_t)now->variant[i] << DATA_BITS;
		wrong = seq_sub(ack->ack, 1).v ^ cookie_mac(k, of[i], &try);
		wrong &= MAC_MASK;
		wrong |= has_ts(in->data) &
			 !made_in(k, of[i], now, ack->opts.tsecr);
		if (wrong)
			continue;
		*epoch = of[i];
		rc = current[i] ? 0 : -ESTALE;
	}
	return rc;
}

static void decode(struct cookie_syn *out, uint32_t data,
		   const struct tcp_opts *o)
{
	uint32_t wscale = data >> DATA_WSCALE_SHIFT & 7, step = 0;

	memset(out, 0, sizeof(*out));
	out->ecn = data & DATA_ECN;
	out->sack_ok = data & DATA_SACK;
	if (wscale < WSCALE_CODES) {
		out->wscale_ok = true;
		out->wscale = wscale_code[wscale];
	} else if (wscale == WSCALE_IN_TS) {
		out->ts_ok = true;
		out->wscale = o->tsecr & 15;
		out->wscale_ok = out->wscale != TS_WSCALE_NONE;
		if (!out->wscale_ok)
			out->wscale = 0;
		step = o->tsecr >> TS_MSS_SHIFT & 3;
	}
	out->mss = mss_table[data >> DATA_MSS_SHIFT][step];
}

int cookie_check(struct cookie_keys *k, const struct segment *ack,
		 const struct cookie_now *now, struct cookie_syn *out)
{
	uint32_t cookie = seq_sub(ack->ack, 1).v;
	struct mac_input in = {
		.t = ack->t,
		.client_isn = seq_sub(ack->seq, 1).v,
		.data = cookie & ~MAC_MASK,
	};
	int64_t epoch = 0;
	int rc = mac_check(k, ack, now, &in, &epoch);

	if (rc)
		return rc;
	decode(out, in.data, &ack->opts);
	out->epoch = epoch;
	/* timestamps were agreed on, so the segment must have one */
	if (out->ts_ok && !(ack->opts.has & OPT_HAS_TS))
		return -EBADMSG;
	return 0;
}

void cookie_opts(const struct cookie_syn *c, const struct segment *ack,
		 struct tcp_opts *o)
{
	memset(o, 0, sizeof(*o));
	o->has = OPT_HAS_MSS;
	o->mss = c->mss;
	if (c->wscale_ok) {
		o->has |= OPT_HAS_WSCALE;
		o->wscale = c->wscale;
	}
	if (c->sack_ok)
		o->has |= OPT_HAS_SACKOK;
	if (c->ts_ok) {
		o->has |= OPT_HAS_TS;
		o->tsval = ack->opts.tsval;
		o->tsecr = ack->opts.tsecr;
	}
}
