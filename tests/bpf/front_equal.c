/* SPDX-License-Identifier: MIT */
/*
 * The XDP front and the engine answer the same SYN with the same bytes.
 *
 *   front_equal OBJECT N [SEED]
 *
 * N random SYNs to both; where the front answers, the engine must have given
 * the same SYN-ACK; where the engine drops or passes on, the front must not
 * answer.
 */
#include <linux/if_ether.h>
#include <stdio.h>

#include "bpf/front_rig.h"

static struct rig rig;
static struct prng rng;

/* --- SYNs --- */

static uint32_t rnd(uint32_t n)
{
	return (uint32_t)(prng_u64(&rng) % n);
}

static uint32_t put_option(uint8_t *o, uint32_t n)
{
	static const uint16_t some_mss[] = {0,	  1,	48,   536,  1220, 1360,
					    1440, 1448, 1460, 8960, 65535};
	uint32_t kind = rnd(100);
	uint16_t mss;

	if (kind < 25) {
		mss = rnd(4) ? some_mss[rnd(ARRAY_LEN(some_mss))]
			     : (uint16_t)rnd(65536);
		if (n < 4)
			return 0;
		memcpy(o, (uint8_t[]){2, 4, mss >> 8, mss & 255}, 4);
		return 4;
	}
	if (kind < 50 && n >= 3) {
		memcpy(o, (uint8_t[]){3, 3, (uint8_t)rnd(rnd(8) ? 15 : 256)},
		       3);
		return 3;
	}
	if (kind < 70 && n >= 2) {
		memcpy(o, (uint8_t[]){4, 2}, 2);
		return 2;
	}
	if (kind < 90 && n >= 10) {
		o[0] = 8;
		o[1] = 10;
		for (int i = 2; i < 10; i++)
			o[i] = (uint8_t)rnd(256);
		return 10;
	}
	if (kind < 97) {
		o[0] = 1;
		return 1;
	}
	o[0] = (uint8_t)rnd(256); /* anything */
	return 1;
}

static void random_syn(struct raw *r)
{
	static const uint8_t usual[20] = {2, 4, 5, 0xb4, 4, 2, 8, 10, 1, 2,
					  3, 4, 0, 0,	 0, 0, 1, 3,  3, 7};
	uint32_t family = rnd(2) ? 4 : 6, flags = TCP_SYN, len = 0, at = 0;
	uint8_t opts[40] = {0};

	if (rnd(3) == 0) {
		memcpy(opts, usual, sizeof(usual));
		len = sizeof(usual);
	} else {
		len = rnd(11) * 4;
		while (at < len) {
			uint32_t n = put_option(opts + at, len - at);

			at += n ? n : 1;
		}
	}
	if (rnd(8) == 0)
		flags |= TCP_ECE | TCP_CWR;
	if (rnd(20) == 0)
		flags = rnd(512);
	raw_tcp(r, family, flags, opts, len, rnd(30) ? 0 : rnd(100));
	if (family == 4) {
		for (int i = 0; i < 4; i++)
			r->d[12 + i] = (uint8_t)rnd(256);
		if (rnd(50) == 0)
			r->d[6] = (uint8_t)rnd(256);
	} else {
		for (int i = 2; i < 16; i++)
			r->d[8 + i] = (uint8_t)rnd(256);
	}
	put_be16(r->d + r->l4, (uint16_t)rnd(65536));
	put_be32(r->d + r->l4 + 4, (uint32_t)prng_u64(&rng));
	if (rnd(40) == 0)
		put_be16(r->d + r->l4 + 2, (uint16_t)rnd(65536));
	raw_fix_ip(r);
	raw_fix_l4(r, 6);
}

/* --- both --- */

static bool agree(const struct raw *r)
{
	static uint8_t want[256], got[RIG_OUT_MAX];
	uint32_t nwant, ngot;
	enum verdict v;
	int act;

	nwant = rig_ask_engine(&rig, r, PACKET_CSUM_VERIFY, want, &v);
	act = rig_ask_front(&rig, r, got, &ngot);
	if (act != XDP_TX)
		return act == XDP_PASS;
	return nwant && ngot == ETH_HLEN + nwant &&
	       !memcmp(got + ETH_HLEN, want, nwant);
}

static void show(const char *what, const uint8_t *p, uint32_t n)
{
	printf("# %s:", what);
	for (uint32_t i = 0; i < n; i++)
		printf(" %02x", p[i]);
	printf("\n");
}

static void report(const struct raw *r)
{
	uint8_t want[256];
	static uint8_t got[RIG_OUT_MAX];
	uint32_t nwant, ngot;
	enum verdict v;
	int act;

	nwant = rig_ask_engine(&rig, r, PACKET_CSUM_VERIFY, want, &v);
	act = rig_ask_front(&rig, r, got, &ngot);
	printf("not ok - the front (%s) says %d, the engine %d\n",
	       rig.skb ? "TC" : "XDP", act, v);
	show("segment", r->d, r->len);
	show("engine", want, nwant);
	show("front", got + ETH_HLEN, ngot - ETH_HLEN);
}

/* Other options of the service, for both, and the other program. */
static void vary_service(void)
{
	struct tcp_cfg *c = &rig.svc->tcp;
	struct front_service *v = &rig.service[0];

	v->timestamps = (uint8_t)(c->timestamps = rnd(4) ? 1 : rnd(3));
	v->sack = c->sack = rnd(4) != 0;
	v->window_scaling = c->window_scaling = rnd(4) != 0;
	v->ecn = (uint8_t)(c->ecn = rnd(4) != 0);
	rig.skb = !rig.skb;
}

int main(int argc, char **argv)
{
	uint64_t n = argc > 2 ? strtoull(argv[2], NULL, 10) : 10000;
	uint64_t wrong = 0, answered = 0, passed = 0;
	static uint8_t got[RIG_OUT_MAX];
	static struct raw r;
	uint32_t len;

	prng_seed(&rng, argc > 3 ? strtoull(argv[3], NULL, 10) : 1);
	rig_make(&rig, argv[1]);
	for (uint64_t i = 0; i < n && wrong < 10; i++) {
		bool ok = false;

		if (i % 1024 == 0) {
			rig_keys_renew(&rig);
			vary_service();
		}
		random_syn(&r);
		/* the clock may step between the two answers */
		for (int k = 0; k < 3 && !ok; k++)
			ok = agree(&r);
		if (!ok) {
			report(&r);
			wrong++;
		}
		if (rig_ask_front(&rig, &r, got, &len) == XDP_TX)
			answered++;
		else
			passed++;
	}
	printf("# SYNs: %lu answered by the front, %lu left to the engine\n",
	       (unsigned long)answered, (unsigned long)passed);
	printf("front_equal: %lu passed, %lu failed\n",
	       (unsigned long)(n - wrong), (unsigned long)wrong);
	return wrong || answered < n / 3;
}
