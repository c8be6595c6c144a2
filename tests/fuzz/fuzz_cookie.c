/* SPDX-License-Identifier: MIT */
/*
 * SYN cookies and Fast Open cookies, both ways.
 *
 * What was made is accepted, by the one who asked, in its time; a changed bit
 * of what the cookie protects is not.  A cookie is 32 bits, so a fuzzer soon
 * finds a change that some secret lets pass by chance; KEYS secrets at once do
 * so only where the change is not looked at.  What it says of the SYN is never
 * more than the SYN said.  A Fast Open SYN is taken only with the cookie that
 * these keys give to this client.
 */
#include <assert.h>
#include <string.h>

#include "shield/cookie.h"
#include "shield/tfo.h"

#define KEYS 4 /* chance: 2^-23 each */

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

/* A SYN, what is agreed, when, and what is changed of the ACK. */
struct attempt {
	struct segment syn;
	uint32_t ts_clock, bit;
	int64_t wall, late;
	bool ecn, ts;
	uint8_t change, variant;
};

static void make_attempt(struct input *in, struct attempt *a)
{
	make_syn(in, &a->syn);
	a->ecn = next8(in) & 1;
	a->wall = 1000000 + next32(in) % 100000;
	a->ts_clock = next32(in);
	a->ts = (a->syn.opts.has & OPT_HAS_TS) && next8(in) & 1;
	a->late = next8(in);
	a->bit = next8(in) % 32;
	a->variant = a->change = next8(in) % 5;
}

static void change_ack(const struct attempt *a, struct segment *ack)
{
	switch (a->change) {
	case 0:
		ack->seq = SEQ(ack->seq.v ^ 1u << a->bit);
		break;
	case 1:
		ack->ack =
			seq_add(SEQ(seq_sub(ack->ack, 1).v ^ 1u << a->bit), 1);
		break;
	case 2:
		ack->t.rport ^= 1u << a->bit % 16;
		break;
	case 3:
		((uint8_t *)&ack->t.remote)[a->bit % 16] ^= 1;
		break;
	default:
		((uint8_t *)&ack->t.local)[a->bit % 16] ^= 1;
	}
}

/* @late seconds after it was made. */
static int check(const struct attempt *a, struct cookie_keys *k,
		 const struct segment *ack, int64_t late,
		 struct cookie_syn *said)
{
	struct cookie_now now = {.wall_s = a->wall + late,
				 .tsval = a->ts_clock + (uint32_t)late * 1000,
				 .variant = {a->variant, a->variant,
					     a->variant}};

	return cookie_check(k, ack, &now, said);
}

/* Take the cookie in its time; true where a changed or an old one is taken. */
static void one_secret(const struct attempt *a, struct cookie_keys *k,
		       bool *forged, bool *old)
{
	uint32_t tsval = a->ts_clock;
	struct cookie_syn said;
	struct segment ack = a->syn;
	seq_t iss;

	iss = cookie_make(k, &a->syn, a->wall, a->ecn, a->variant,
			  a->ts ? &tsval : NULL);
	assert(a->ts_clock - tsval < 64);
	ack.flags = TCP_ACK;
	ack.seq = seq_add(a->syn.seq, 1);
	ack.ack = seq_add(iss, 1);
	ack.opts.has = a->ts ? OPT_HAS_TS : 0;
	ack.opts.tsecr = tsval;
	if (a->late <= k->epoch_s && a->late < COOKIE_TS_AGE_S) {
		assert(check(a, k, &ack, a->late, &said) == 0);
		check_said(&a->syn, &said, a->ecn, a->ts);
	}
	*old = check(a, k, &ack, 2 * k->epoch_s, &said) == 0;
	change_ack(a, &ack);
	*forged = check(a, k, &ack, 0, &said) == 0;
}

static void syn_cookie(struct input *in, struct cookie_keys *k)
{
	bool forged = true, old = true, f, o;
	struct attempt a;

	make_attempt(in, &a);
	for (uint32_t i = 0; i < KEYS && (forged || old); i++) {
		one_secret(&a, &k[i], &f, &o);
		forged &= f;
		old &= o;
	}
	assert(!forged);
	assert(!old);
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
	struct cookie_keys cookies[KEYS];
	struct tfo_keys fast;
	char text[80], err[200];
	uint32_t epoch_s;
	size_t n = size < sizeof(text) ? size : sizeof(text) - 1;

	memcpy(text, data, n);
	text[n] = 0;
	if (tfo_keys_parse(text, &fast, err, sizeof(err)) == 0)
		assert(fast.n <= 2);
	fill(&in, secret, 8);
	epoch_s = 1 + next8(&in);
	for (uint8_t i = 0; i < KEYS; i++) {
		memset(secret + 8, 7 + i, 24);
		cookie_keys_init(&cookies[i], secret, epoch_s);
	}
	tfo_keys_derive(&fast, secret, next8(&in));
	while (in.p < in.end) {
		syn_cookie(&in, cookies);
		fast_open(&in, &fast);
	}
	return 0;
}
