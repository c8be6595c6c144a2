/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
#ifndef PENSTOCK_BPF_SIPHASH_H
#define PENSTOCK_BPF_SIPHASH_H

/*
 * SipHash-2-4 (Aumasson, Bernstein) over whole words; the last one has the
 * length in its top byte.  Equal to hash_bytes() of src/util/hash.c.
 */
struct sip {
	__u64 v0, v1, v2, v3;
};

static __always_inline __u64 sip_rotl(__u64 x, int b)
{
	return x << b | x >> (64 - b);
}

static __always_inline void sip_round(struct sip *s)
{
	s->v0 += s->v1;
	s->v1 = sip_rotl(s->v1, 13) ^ s->v0;
	s->v0 = sip_rotl(s->v0, 32);
	s->v2 += s->v3;
	s->v3 = sip_rotl(s->v3, 16) ^ s->v2;
	s->v0 += s->v3;
	s->v3 = sip_rotl(s->v3, 21) ^ s->v0;
	s->v2 += s->v1;
	s->v1 = sip_rotl(s->v1, 17) ^ s->v2;
	s->v2 = sip_rotl(s->v2, 32);
}

static __always_inline void sip_word(struct sip *s, __u64 m)
{
	s->v3 ^= m;
	sip_round(s);
	sip_round(s);
	s->v0 ^= m;
}

static __always_inline struct sip sip_begin(const struct front_key *k)
{
	struct sip s = {
		.v0 = 0x736f6d6570736575ULL ^ k->k0,
		.v1 = 0x646f72616e646f6dULL ^ k->k1,
		.v2 = 0x6c7967656e657261ULL ^ k->k0,
		.v3 = 0x7465646279746573ULL ^ k->k1,
	};

	return s;
}

static __always_inline __u64 sip_end(struct sip *s)
{
	s->v2 ^= 0xff;
	sip_round(s);
	sip_round(s);
	sip_round(s);
	sip_round(s);
	return s->v0 ^ s->v1 ^ s->v2 ^ s->v3;
}

#endif
