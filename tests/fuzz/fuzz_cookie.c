/* SPDX-License-Identifier: MIT */
/*
 * SYN cookies and Fast Open cookies, both ways.
 *
 * What was made is accepted, by the one who asked, in its time; a changed bit
 * of what the cookie protects is not.  What it says of the SYN is never more
 * than the SYN said.  A Fast Open SYN is taken only with the cookie that these
 * keys give to this client.
 */
#include <assert.h>
#include <string.h>

#include "shield/cookie.h"
#include "shield/tfo.h"

struct input {
	const uint8_t *p, *end;
};

static uint8_t next8(struct input *in)
{
	return in->p < in->end ? *in->p++ : 0;
}

static uint32_t next32(struct input *in)
{
	uint32_t v = 0;

	for (int i = 0; i < 4; i++)
		v = v << 8 | next8(in);
	return v;
}

static void fill(struct input *in, void *out, size_t n)
{
	uint8_t *o = out;

	while (n--)
		*o++ = next8(in);
}

static void make_syn(struct input *in, struct segment *s)
{
	uint8_t how = next8(in);

	memset(s, 0, sizeof(*s));
	s->family = how & 1 ? 6 : 4;
	fill(in, &s->t.local, sizeof(s->t.local));
	fill(in, &s->t.remote, sizeof(s->t.remote));
	s->t.lport = (uint16_t)next32(in);
	s->t.rport = (uint16_t)next32(in);
	s->seq = SEQ(next32(in));
	s->flags = TCP_SYN;
	if (how & 2) {
		s->opts.has |= OPT_HAS_MSS;
		s->opts.mss = (uint16_t)next32(in);
	}
	if (how & 4) {
		s->opts.has |= OPT_HAS_WSCALE;
		s->opts.wscale = next8(in) % 15;
	}
	if (how & 8)
		s->opts.has |= OPT_HAS_SACKOK;
	if (how & 16) {
		s->opts.has |= OPT_HAS_TS;
		s->opts.tsval = next32(in);
	}
}

static void check_said(const struct segment *syn, const struct cookie_syn *c,
		       bool ecn, bool ts)
{
	uint16_t mss = syn->opts.has & OPT_HAS_MSS ? syn->opts.mss : 536;

	assert(c->mss <= (mss > 48 ? mss : 48) || syn->family == 6);
	assert(c->ecn == ecn);
	assert(c->sack_ok == !!(syn->opts.has & OPT_HAS_SACKOK));
	assert(c->wscale_ok == !!(syn->opts.has & OPT_HAS_WSCALE));
	assert(!c->wscale_ok || c->wscale <= syn->opts.wscale);
	assert(c->ts_ok == ts);
}

static void syn_cookie(struct input *in, struct cookie_keys *k)
{
	struct segment syn, ack;
	struct cookie_syn said;
	uint32_t tsval, bit, now_ts;
	int64_t wall, late;
	bool ecn, ts;
	seq_t iss;

	make_syn(in, &syn);
	ecn = next8(in) & 1;
	wall = 1000000 + next32(in) % 100000;
	now_ts = tsval = next32(in);
	ts = (syn.opts.has & OPT_HAS_TS) && next8(in) & 1;
	iss = cookie_make(k, &syn, wall, ecn, ts ? &tsval : NULL);
	assert(now_ts - tsval < 64);
	ack = syn;
	ack.flags = TCP_ACK;
	ack.seq = seq_add(syn.seq, 1);
	ack.ack = seq_add(iss, 1);
	ack.opts.has = ts ? OPT_HAS_TS : 0;
	ack.opts.tsecr = tsval;
	late = next8(in);
	if (late <= k->epoch_s) {
		assert(cookie_check(k, &ack, wall + late, &said) == 0);
		check_said(&syn, &said, ecn, ts);
	}
	assert(cookie_check(k, &ack, wall + 2 * k->epoch_s, &said) != 0);
	bit = next8(in) % 32;
	switch (next8(in) % 5) {
	case 0:
		ack.seq = SEQ(ack.seq.v ^ 1u << bit);
		break;
	case 1:
		iss = SEQ(iss.v ^ 1u << bit);
		ack.ack = seq_add(iss, 1);
		break;
	case 2:
		ack.t.rport ^= 1u << bit % 16;
		break;
	case 3:
		((uint8_t *)&ack.t.remote)[bit % 16] ^= 1;
		break;
	default:
		((uint8_t *)&ack.t.local)[bit % 16] ^= 1;
	}
	/* one chance in eight million of being wrong here by accident */
	assert(cookie_check(k, &ack, wall, &said) != 0);
}

static void fast_open(struct input *in, const struct tfo_keys *keys)
{
	uint8_t good[2][TFO_COOKIE_LEN];
	uint32_t flags = next32(in);
	struct tfo_answer a;
	struct segment syn;
	static const uint8_t payload[16];
	bool known = false, room;

	make_syn(in, &syn);
	for (uint32_t i = 0; i < 2; i++)
		tfo_cookie_make(&keys->key[i], &syn.t, good[i]);
	syn.opts.has |= OPT_HAS_TFO;
	syn.opts.tfo_len = next8(in) % (TFO_COOKIE_MAX + 1);
	fill(in, syn.opts.tfo, syn.opts.tfo_len);
	if (next8(in) & 1) {
		syn.opts.tfo_len = TFO_COOKIE_LEN;
		memcpy(syn.opts.tfo, good[next8(in) & 1], TFO_COOKIE_LEN);
		syn.opts.tfo[next8(in) % 8] ^= next8(in);
	}
	if (next8(in) & 1)
		syn.data = (struct slice){NULL, payload, sizeof(payload)};
	room = next8(in) & 1;
	for (uint32_t i = 0; i < keys->n; i++)
		known |= syn.opts.tfo_len == TFO_COOKIE_LEN &&
			 !memcmp(syn.opts.tfo, good[i], TFO_COOKIE_LEN);
	tfo_answer_syn(keys, &syn, flags, room, &a);
	if (a.action == TFO_ACCEPT)
		assert(room && flags & TFO_SERVER &&
		       (known || flags & TFO_SERVER_NO_COOKIE));
	if (a.action == TFO_OFFER)
		assert(!memcmp(a.cookie, good[0], TFO_COOKIE_LEN));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = {data, data + size};
	uint8_t secret[32];
	struct cookie_keys cookies;
	struct tfo_keys fast;
	char text[80], err[200];
	size_t n = size < sizeof(text) ? size : sizeof(text) - 1;

	memcpy(text, data, n);
	text[n] = 0;
	if (tfo_keys_parse(text, &fast, err, sizeof(err)) == 0)
		assert(fast.n <= 2);
	fill(&in, secret, 8);
	memset(secret + 8, 7, 24);
	cookie_keys_init(&cookies, secret, 1 + next8(&in));
	tfo_keys_derive(&fast, secret, next8(&in));
	while (in.p < in.end) {
		syn_cookie(&in, &cookies);
		fast_open(&in, &fast);
	}
	return 0;
}
