/* SPDX-License-Identifier: MIT */
/*
 * Fast Open towards clients: keys, cookies, and how a SYN is answered.  All of
 * it is as in Linux (SipHash-2-4 over source and destination address; the
 * sysctl prints a key as four little-endian words).
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "shield/tfo.h"

#define RST_HOLD_US (60 * (int64_t)USEC_PER_SEC)

static void put_le32(uint8_t *p, uint32_t v)
{
	for (int i = 0; i < 4; i++)
		p[i] = (uint8_t)(v >> 8 * i);
}

/* One to eight hexadecimal digits. */
static bool take_word(const char **p, uint32_t *out)
{
	uint32_t v = 0;
	int n = 0;

	for (; n < 9; n++, (*p)++) {
		char c = **p;

		if (c >= '0' && c <= '9')
			v = v << 4 | (uint32_t)(c - '0');
		else if ((c | 32) >= 'a' && (c | 32) <= 'f')
			v = v << 4 | (uint32_t)((c | 32) - 'a' + 10);
		else
			break;
	}
	*out = v;
	return n >= 1 && n <= 8;
}

static bool take_key(const char **p, struct hash_key *k)
{
	for (int i = 0; i < 4; i++) {
		uint32_t v;

		if (i > 0 && *(*p)++ != '-')
			return false;
		if (!take_word(p, &v))
			return false;
		put_le32(k->k + 4 * i, v);
	}
	return true;
}

int tfo_keys_parse(const char *text, struct tfo_keys *out, char *err,
		   size_t errlen)
{
	struct tfo_keys k = {.n = 0};
	const char *p = text;
	bool ok = true;

	if (*p)
		ok = take_key(&p, &k.key[k.n++]);
	if (ok && *p == ',') {
		p++;
		ok = take_key(&p, &k.key[k.n++]);
	}
	if (!ok || *p) {
		/* a key is a secret: it is not repeated in the message */
		snprintf(err, errlen,
			 "allowed: x-x-x-x[,x-x-x-x], each x a hexadecimal "
			 "number of 32 bits");
		return -EINVAL;
	}
	*out = k;
	return 0;
}

void tfo_keys_derive(struct tfo_keys *out, const uint8_t secret[32],
		     int64_t period)
{
	hash_derive(&out->key[0], secret, "fast open", (uint64_t)period);
	hash_derive(&out->key[1], secret, "fast open", (uint64_t)(period - 1));
	out->n = 2;
}

void tfo_cookie_make(const struct hash_key *k, const struct tuple *t,
		     uint8_t cookie[TFO_COOKIE_LEN])
{
	bool v4 = ipaddr_is_v4(&t->remote);
	size_t len = v4 ? 4 : 16, skip = v4 ? 12 : 0;
	uint8_t path[32];
	uint64_t h;

	memcpy(path, t->remote.b + skip, len);
	memcpy(path + len, t->local.b + skip, len);
	h = hash_bytes(k, path, 2 * len);
	put_le32(cookie, (uint32_t)h);
	put_le32(cookie + 4, (uint32_t)(h >> 32));
}

/* Which key made the client's cookie?  -1: none.  In constant time. */
static int cookie_key(const struct tfo_keys *k, const struct segment *syn)
{
	int found = -1;

	if (syn->opts.tfo_len != TFO_COOKIE_LEN)
		return -1;
	for (uint32_t i = k->n; i-- > 0;) {
		uint8_t want[TFO_COOKIE_LEN], diff = 0;

		tfo_cookie_make(&k->key[i], &syn->t, want);
		for (int b = 0; b < TFO_COOKIE_LEN; b++)
			diff |= want[b] ^ syn->opts.tfo[b];
		if (diff == 0)
			found = (int)i;
	}
	return found;
}

/* The SYN has a cookie option; a cookie of ours makes it acceptable. */
static void judge_cookie(const struct tfo_keys *k, const struct segment *syn,
			 struct tfo_answer *out)
{
	int key = cookie_key(k, syn);

	tfo_cookie_make(&k->key[0], &syn->t, out->cookie);
	if (key < 0) {
		out->action = TFO_OFFER;
		out->failed = syn->opts.tfo_len > 0;
		return;
	}
	out->action = TFO_ACCEPT;
	out->proven = true;
	out->renew = key > 0;
}

void tfo_answer_syn(const struct tfo_keys *k, const struct segment *syn,
		    uint32_t flags, bool room, struct tfo_answer *out)
{
	bool option = syn->opts.has & (OPT_HAS_TFO | OPT_HAS_TFO_EXP);

	memset(out, 0, sizeof(*out));
	out->action = TFO_ORDINARY;
	out->asked = option && syn->opts.tfo_len == 0;
	out->experimental = !(syn->opts.has & OPT_HAS_TFO);
	if (!(flags & TFO_SERVER) || !room || k->n == 0)
		return;
	if (option)
		judge_cookie(k, syn, out);
	if (syn->data.len && flags & TFO_SERVER_NO_COOKIE) {
		out->action = TFO_ACCEPT;
		out->failed = false;
	}
}

/* --- pending --- */

bool tfo_pending_room(struct tfo_pending *p, uint32_t max, mono_t now)
{
	while (p->nreset && mono_sub(now, p->reset[p->first]) >= RST_HOLD_US) {
		p->first = (p->first + 1) % TFO_RST_RING;
		p->nreset--;
		p->count--;
	}
	return p->count < max;
}

void tfo_pending_begin(struct tfo_pending *p)
{
	p->count++;
}

void tfo_pending_end(struct tfo_pending *p, bool reset, mono_t now)
{
	if (!reset) {
		p->count--;
		return;
	}
	if (p->nreset == TFO_RST_RING) { /* forget the oldest */
		p->first = (p->first + 1) % TFO_RST_RING;
		p->nreset--;
		p->count--;
	}
	p->reset[(p->first + p->nreset++) % TFO_RST_RING] = now;
}
