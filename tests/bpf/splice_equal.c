/* SPDX-License-Identifier: MIT */
/*
 * The relay in the kernel changes a segment as it should, and nothing else.
 *
 *   splice_equal FILE N [SEED]
 *
 * N random segments go through the programs; each is translated here, too, byte
 * by byte and with a checksum made anew, and both have to be equal.
 *
 * The kernel's test run wants an Ethernet header and tells IPv4 from IPv6 by
 * it. The program of the TUN gets none: there the source address stands where
 * the type would be, and is chosen so that it reads as the right one.
 */
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <stdio.h>
#include <stdlib.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "front/splice_layout.h"
#include "unit/wire_pkt.h"
#include "util/prng.h"
#include "wire/segment.h"

static struct prng rng;

static uint32_t rnd(uint32_t n)
{
	return prng_below(&rng, n);
}

static void die(const char *what)
{
	fprintf(stderr, "splice_equal: %s: %s\n", what, strerror(errno));
	exit(2);
}

/* --- what is expected --- */

static void add32(uint8_t *p, uint32_t by)
{
	put_be32(p, get_be32(p) + by);
}

/* @late: by way of the daemon: no timestamp is older than the newest */
static void expect_tsval(uint8_t *p, const struct splice_dir *d, bool late)
{
	add32(p, d->dtsval);
	if (late && (int32_t)(d->newest_ts - get_be32(p)) > 0)
		put_be32(p, d->newest_ts);
}

/* Return: false where the option list cannot be walked */
static bool expect_options(uint8_t *o, uint32_t len, const struct splice_dir *d,
			   bool ack, bool late)
{
	for (uint32_t i = 0; i < len && o[i];) {
		uint32_t n = o[i] == 1 ? 1 : i + 1 < len ? o[i + 1] : 0;

		if (o[i] != 1 && (n < 2 || i + n > len))
			return false;
		if (o[i] == 8 && n == 10 && d->ts) {
			expect_tsval(o + i + 2, d, late);
			if (ack)
				add32(o + i + 6, d->dtsecr);
		}
		for (uint32_t k = 2; o[i] == 5 && k + 4 <= n; k += 4)
			add32(o + i + k, d->dack);
		i += n;
	}
	return true;
}

static bool expect(struct raw *r, const struct splice_dir *d, bool late)
{
	uint8_t *t = r->d + r->l4;
	uint32_t thl = (t[12] >> 4) * 4u, w = get_be16(t + 14);
	bool ack = t[13] & TCP_ACK;

	if (!late && d->held)
		return true;
	add32(t + 4, d->dseq);
	if (ack)
		add32(t + 8, d->dack);
	w = w << d->shl >> d->shr;
	put_be16(t + 14, (uint16_t)(w > 65535 ? 65535 : w));
	if (!expect_options(t + 20, thl - 20, d, ack, late))
		return false;
	raw_fix_l4(r, 6);
	return true;
}

/* --- segments --- */

static uint32_t put_option(uint8_t *o, uint32_t room)
{
	uint32_t kind = rnd(10), n = 0;

	if (kind < 4) {
		n = 10;
		o[0] = 8;
	} else if (kind < 7) {
		n = 2 + 8 * (1 + rnd(4));
		o[0] = 5;
	} else if (kind == 7) {
		n = 2 + rnd(6);
		o[0] = (uint8_t)(100 + rnd(100));
	}
	if (!n || n > room) {
		o[0] = rnd(30) ? 1 : (uint8_t)rnd(256);
		return 1;
	}
	o[1] = (uint8_t)n;
	for (uint32_t i = 2; i < n; i++)
		o[i] = (uint8_t)rnd(256);
	return n;
}

static void random_segment(struct raw *r)
{
	uint8_t opts[40] = {1, 1, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8};
	uint32_t len = 12, at = 0;

	if (rnd(2)) {
		memset(opts, 0, sizeof(opts));
		len = rnd(11) * 4;
		while (at < len)
			at += put_option(opts + at, len - at);
	}
	raw_tcp(r, rnd(2) ? 4 : 6, rnd(512) & ~(uint32_t)TCP_SYN, opts, len,
		rnd(3) ? 0 : rnd(3000));
	put_be32(r->d + r->l4 + 4, prng_u32(&rng));
	put_be32(r->d + r->l4 + 8, prng_u32(&rng));
	put_be16(r->d + r->l4 + 14, (uint16_t)rnd(65536));
	raw_fix_l4(r, 6);
}

/* Return: where the source is in the key */
static uint32_t key_of(const struct raw *r, struct splice_key *k)
{
	bool v4 = raw_is_v4(r);
	struct ipaddr s, d;

	memcpy(s.b, r->d + 8, 16);
	memcpy(d.b, r->d + 24, 16);
	if (v4) {
		s = ipaddr_v4(r->d + 12);
		d = ipaddr_v4(r->d + 16);
	}
	memcpy(k->addr[0], s.b, 16);
	memcpy(k->addr[1], d.b, 16);
	memcpy(&k->port[0], r->d + r->l4, 2);
	memcpy(&k->port[1], r->d + r->l4 + 2, 2);
	return splice_key_order(k);
}

static struct splice_dir random_dir(void)
{
	return (struct splice_dir){.dseq = prng_u32(&rng),
				   .dack = prng_u32(&rng),
				   .dtsval = prng_u32(&rng),
				   .dtsecr = prng_u32(&rng),
				   .newest_ts = prng_u32(&rng),
				   .shl = (uint8_t)rnd(15),
				   .shr = (uint8_t)rnd(15),
				   .ts = rnd(4) != 0,
				   .held = rnd(4) ? 0 : (uint8_t)(1 + rnd(2))};
}

static int flows, prog[2];
static uint64_t shot;

/* From the other end: the source is now the other one of the key. */
static void turn(struct raw *r)
{
	uint32_t at = raw_is_v4(r) ? 12 : 8, n = raw_is_v4(r) ? 4 : 16;
	uint8_t a[16];

	memcpy(a, r->d + at, n);
	memcpy(r->d + at, r->d + at + n, n);
	memcpy(r->d + at + n, a, n);
}

/* Return: the program does with a random segment what it should */
static bool one(uint64_t i)
{
	static uint8_t in[70000], out[70000];
	static struct raw r, want;
	struct splice_dir d = random_dir();
	struct splice_entry e = {0};
	struct splice_key k;
	bool late = rnd(2), passes, ok;
	uint32_t l2 = late ? 0 : ETH_HLEN, from;
	uint8_t held;

	LIBBPF_OPTS(bpf_test_run_opts, o, .data_in = in, .data_out = out,
		    .data_size_out = sizeof(out));
	random_segment(&r);
	if (rnd(2))
		turn(&r);
	in[12] = raw_is_v4(&r) ? 0x08 : 0x86;
	in[13] = raw_is_v4(&r) ? 0x00 : 0xdd;
	if (late) {
		memcpy(r.d + 12, in + 12, 2);
		raw_fix_l4(&r, 6);
	}
	from = key_of(&r, &k);
	e.dir[from] = d;
	if (bpf_map_update_elem(flows, &k, &e, BPF_ANY))
		die("flows");
	memcpy(in + l2, r.d, r.len);
	o.data_size_in = l2 + r.len;
	if (bpf_prog_test_run_opts(prog[late], &o))
		die("bpf_prog_test_run");
	want = r;
	passes = expect(&want, &d, late);
	shot += !passes;
	ok = passes ? o.retval == TC_ACT_OK &&
			      !memcmp(out + l2, want.d, want.len)
		    : o.retval == TC_ACT_SHOT;
	if (bpf_map_lookup_elem(flows, &k, &e))
		die("flows");
	held = e.dir[from].held;
	ok &= held == (late && d.held ? d.held - 1 : d.held);
	bpf_map_delete_elem(flows, &k);
	if (ok)
		return true;
	printf("not ok - segment %lu%s: verdict %u, held %u of %u\n",
	       (unsigned long)i, late ? ", late" : "", o.retval, held, d.held);
	for (uint32_t b = 0; b < want.len && b < 100; b++)
		if (out[l2 + b] != want.d[b])
			printf("# byte %u: %02x, not %02x\n", b, out[l2 + b],
			       want.d[b]);
	return false;
}

int main(int argc, char **argv)
{
	uint64_t n = argc > 2 ? strtoull(argv[2], NULL, 10) : 10000;
	uint64_t wrong = 0;
	struct bpf_object *obj = bpf_object__open_file(argv[1], NULL);

	prng_seed(&rng, argc > 3 ? strtoull(argv[3], NULL, 10) : 1);
	if (obj && bpf_object__load(obj) && (errno == EPERM || errno == ENOSYS))
		return 77; /* this kernel, or this user */
	if (!obj || bpf_object__find_map_fd_by_name(obj, "flows") < 0)
		die(argv[1]);
	prog[0] = bpf_program__fd(
		bpf_object__find_program_by_name(obj, "penstock_splice"));
	prog[1] = bpf_program__fd(
		bpf_object__find_program_by_name(obj, "penstock_splice_tun"));
	flows = bpf_object__find_map_fd_by_name(obj, "flows");
	for (uint64_t i = 0; i < n && wrong < 10; i++)
		wrong += !one(i);
	printf("# %lu with broken options, not passed on\n",
	       (unsigned long)shot);
	printf("splice: %lu passed, %lu failed\n", (unsigned long)(n - wrong),
	       (unsigned long)wrong);
	return wrong != 0;
}
