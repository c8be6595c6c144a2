/* SPDX-License-Identifier: MIT */
/*
 * What the XDP front answers, drops and leaves to the daemon.
 *
 *   front_rules OBJECT CORPUS...
 *
 * Each case of the table runs over both families and both programs.  The
 * packets of the parser's fuzz corpus go through them too, as they are and with
 * bytes changed, most of them made to lead to the service: they may answer only
 * what the engine answers.
 */
#include <dirent.h>
#include <linux/if_ether.h>
#include <stdio.h>
#include <sys/utsname.h>

#include <bpf/bpf.h>

#include "bpf/front_rig.h"

#define MUTATIONS 2000

static struct rig rig;
static struct prng rng;
static uint32_t passed, failed;
static uint8_t out[RIG_OUT_MAX];
static uint32_t out_len;

static const uint8_t usual[20] = {2, 4, 5, 0xb4, 4, 2, 8, 10, 1, 2,
				  3, 4, 0, 0,	 0, 0, 1, 3,  3, 7};

static void verdict(const char *name, int family, bool good)
{
	if (!good)
		printf("not ok - %s, IPv%d, %s\n", name, family,
		       rig.skb ? "TC" : "XDP");
	if (good)
		passed++;
	else
		failed++;
}

static int ask(const struct raw *r)
{
	return rig_ask_front(&rig, r, out, &out_len);
}

static void set_client_port(struct raw *r, uint16_t port)
{
	put_be16(r->d + r->l4, port);
	raw_fix_l4(r, 6);
}

/* For each program from a client of its own: what the one has seen the other
 * shall not know. */
static void segment(struct raw *r, int family, uint32_t flags, const void *opts,
		    uint32_t optlen, uint32_t payload)
{
	raw_tcp(r, (uint32_t)family, flags, opts, optlen, payload);
	set_client_port(r, RAW_CPORT + rig.skb);
}

static void syn(struct raw *r, int family)
{
	segment(r, family, TCP_SYN, usual, sizeof(usual), 0);
}

/* The ACK that brings the cookie of the answer in @out back. */
static void ack_of_answer(struct raw *r, int family)
{
	const uint8_t *synack = out + ETH_HLEN + (family == 4 ? 20 : 40);
	uint32_t cookie = get_be32(synack + 4), tsval = get_be32(synack + 28);
	uint8_t opts[12] = {1, 1, 8, 10, 1, 2, 3, 5};

	put_be32(opts + 8, tsval);
	segment(r, family, TCP_ACK, opts, sizeof(opts), 0);
	put_be32(r->d + r->l4 + 4, 0x11223344 + 1);
	put_be32(r->d + r->l4 + 8, cookie + 1);
	raw_fix_l4(r, 6);
}

static struct tuple tuple_of(const struct raw *r)
{
	struct tuple t = {.lport = get_be16(r->d + r->l4 + 2),
			  .rport = get_be16(r->d + r->l4)};

	if (raw_is_v4(r)) {
		t.local = ipaddr_v4(r->d + 16);
		t.remote = ipaddr_v4(r->d + 12);
	} else {
		memcpy(t.local.b, r->d + 24, 16);
		memcpy(t.remote.b, r->d + 8, 16);
	}
	return t;
}

static uint64_t counter(uint32_t which)
{
	static uint64_t v[1024];
	uint64_t sum = 0;

	if (bpf_map_lookup_elem(rig_map(&rig, "counters"), &which, v))
		return 0;
	for (uint32_t i = 0; i < ARRAY_LEN(v); i++)
		sum += v[i];
	return sum;
}

/* --- cases: each leaves things as they were --- */

static bool plain_syn_is_answered(int family)
{
	uint64_t before = counter(FRONT_SYNACKS);
	static struct raw r;

	syn(&r, family);
	return ask(&r) == XDP_TX && counter(FRONT_SYNACKS) == before + 1;
}

static bool service_off_is_left(int family)
{
	static struct raw r;
	int act;

	syn(&r, family);
	rig.service[0].answer = 0;
	act = ask(&r);
	rig.service[0].answer = 1;
	return act == XDP_PASS;
}

/* A daemon that died or hangs takes nobody's packets away. */
static bool out_of_validity_all_is_left(int family)
{
	static struct raw r, stranger;
	int a, b;

	syn(&r, family);
	segment(&stranger, family, TCP_ACK, NULL, 0, 10);
	rig.service[0].strict = 1;
	rig.state->valid_until_us = (uint64_t)rig_clock().us - 1;
	a = ask(&r);
	b = ask(&stranger);
	rig.state->valid_until_us = UINT64_MAX;
	rig.service[0].strict = 0;
	return a == XDP_PASS && b == XDP_PASS;
}

static bool epoch_without_a_key_is_left(int family)
{
	int64_t e = rig_epoch(&rig);
	static struct raw r;
	int act;

	syn(&r, family);
	for (int64_t i = e; i <= e + 1; i++)
		rig.state->slot[i % FRONT_EPOCHS].epoch = 0;
	act = ask(&r);
	rig_keys_renew(&rig);
	return act == XDP_PASS;
}

static bool known_tuple_is_left(int family)
{
	static struct raw r;
	struct tuple t;
	int act;

	syn(&r, family);
	t = tuple_of(&r);
	known_add(&rig.known, &t);
	act = ask(&r);
	known_leave(&rig.known, &t);
	return act == XDP_PASS && ask(&r) == XDP_TX;
}

static bool tuple_that_spent_a_cookie_is_left(int family)
{
	static struct raw r;
	struct tuple t;

	syn(&r, family);
	set_client_port(&r, (uint16_t)(1000 + family + rig.skb));
	t = tuple_of(&r);
	if (ask(&r) != XDP_TX)
		return false;
	known_spend(&rig.known, &t, rig_epoch(&rig));
	return ask(&r) == XDP_PASS;
}

static bool other_port_is_left(int family)
{
	static struct raw r;

	syn(&r, family);
	put_be16(r.d + r.l4 + 2, RAW_SPORT + 1);
	raw_fix_l4(&r, 6);
	return ask(&r) == XDP_PASS;
}

/* Data, Fast Open, signatures, a broken list, an option twice. */
static bool odd_syn_is_left(int family)
{
	static const uint8_t odd[][12] = {
		{34, 2, 1, 1}, {34, 10, 1, 2, 3, 4, 5, 6, 7, 8, 1, 1},
		{29, 4, 1, 1}, {2, 4, 5, 0xb4, 2, 4, 5, 0xb4},
		{2, 60},       {30, 12, 0, 0x81},
	};
	uint64_t before = counter(FRONT_HARD);
	static struct raw r;
	bool good = true;

	for (size_t i = 0; i < ARRAY_LEN(odd); i++) {
		segment(&r, family, TCP_SYN, odd[i], 12, 0);
		good &= ask(&r) == XDP_PASS;
	}
	segment(&r, family, TCP_SYN, usual, sizeof(usual), 1);
	good &= ask(&r) == XDP_PASS;
	return good && counter(FRONT_HARD) == before + ARRAY_LEN(odd) + 1;
}

static bool vlan_fragment_and_more_headers_are_left(int family)
{
	static uint8_t frame[256];
	static struct raw r;
	bool good;

	syn(&r, family);
	memset(frame, 0, sizeof(frame));
	memcpy(frame, rig_mac, sizeof(rig_mac));
	put_be16(frame + 12, 0x8100);
	put_be16(frame + 14, 7);
	put_be16(frame + 16, family == 4 ? 0x0800 : 0x86dd);
	memcpy(frame + 18, r.d, r.len);
	good = rig_ask_frame(&rig, frame, 18 + r.len, out, &out_len) ==
	       XDP_PASS;
	if (family == 4)
		put_be16(r.d + 6, 0x2000); /* more fragments */
	else
		r.d[6] = 44; /* a fragment header */
	raw_fix_ip(&r);
	good &= ask(&r) == XDP_PASS;
	syn(&r, family);
	if (family == 4) { /* an option of IP */
		memmove(r.d + 24, r.d + 20, r.len - 20);
		memset(r.d + 20, 1, 4);
		r.d[0] = 0x46;
		r.len += 4;
		r.l4 += 4;
		put_be16(r.d + 2, (uint16_t)r.len);
	} else {
		r.d[6] = 0; /* hop by hop */
	}
	raw_fix_ip(&r);
	return good && ask(&r) == XDP_PASS;
}

/* The kernel drops it. */
static bool damaged_ip_header_is_left(int family)
{
	static struct raw r;

	if (family == 6)
		return true;
	syn(&r, family);
	r.d[8]--;
	return ask(&r) == XDP_PASS;
}

/* It is for another host on the wire.  To the XDP program each driver gives
 * what it lets through. */
static bool frame_for_another_host_is_left(int family)
{
	static uint8_t frame[256] = {2, 9, 9, 9, 9, 9};
	static struct raw r;

	syn(&r, family);
	put_be16(frame + 12, family == 4 ? 0x0800 : 0x86dd);
	memcpy(frame + ETH_HLEN, r.d, r.len);
	return !rig.skb || rig_ask_frame(&rig, frame, ETH_HLEN + r.len, out,
					 &out_len) == XDP_PASS;
}

/* Routing leads to this client by another interface. */
static bool other_way_back_is_left(int family)
{
	static const uint8_t behind_d2[4] = {203, 0, 113, 9};
	static struct raw r;

	if (family == 6)
		return true;
	syn(&r, family);
	memcpy(r.d + 12, behind_d2, 4);
	raw_fix_ip(&r);
	raw_fix_l4(&r, 6);
	return ask(&r) == XDP_PASS;
}

static bool kernel_is_before(int major, int minor)
{
	struct utsname u;
	int a = 0, b = 0;

	uname(&u);
	sscanf(u.release, "%d.%d", &a, &b);
	return a < major || (a == major && b < minor);
}

/* A flood from all addresses of the link shall not come to the daemon. */
static bool stranger_of_the_same_link_is_answered(int family)
{
	static const uint8_t on_link[4] = {10, 255, 0, 77};
	static struct raw r;

	if (kernel_is_before(6, 3))
		return true;
	syn(&r, family);
	if (family == 4) {
		memcpy(r.d + 12, on_link, 4);
	} else {
		memset(r.d + 8, 0, 16);
		put_be32(r.d + 8, 0xfd00ffff);
		r.d[23] = 77;
	}
	raw_fix_ip(&r);
	raw_fix_l4(&r, 6);
	return ask(&r) == XDP_TX;
}

static void list(const struct ipaddr *a, uint32_t len, uint32_t what)
{
	struct front_prefix k = {.prefixlen = 32 + len, .service = 0};
	int fd = rig_map(&rig, "prefixes");

	memcpy(k.addr, a->b, sizeof(k.addr));
	if (what)
		bpf_map_update_elem(fd, &k, &what, BPF_ANY);
	else
		bpf_map_delete_elem(fd, &k);
	rig.service[0].listed = what != 0;
}

static bool lists_deny_and_allow(int family)
{
	uint64_t before = counter(FRONT_DENIED);
	static struct raw r;
	struct tuple t;
	bool good;

	syn(&r, family);
	t = tuple_of(&r);
	list(&t.remote, family == 4 ? 120 : 64, FRONT_DENY);
	good = ask(&r) == XDP_DROP && counter(FRONT_DENIED) == before + 1;
	list(&t.remote, 128, FRONT_ALLOW); /* the longer prefix decides */
	good &= ask(&r) == XDP_TX;
	list(&t.remote, 128, 0);
	list(&t.remote, family == 4 ? 120 : 64, 0);
	rig.service[0].listed = rig.service[0].denied = 1; /* only who is in */
	good &= ask(&r) == XDP_DROP;
	rig.service[0].listed = rig.service[0].denied = 0;
	return good;
}

static bool strangers_are_left_unless_dropped(int family)
{
	static const uint32_t flags[] = {TCP_ACK, TCP_ACK | TCP_FIN, TCP_RST,
					 TCP_SYN | TCP_ACK, 0};
	static struct raw r;
	bool good = true;

	for (size_t i = 0; i < ARRAY_LEN(flags); i++) {
		segment(&r, family, flags[i], NULL, 0, 100);
		good &= ask(&r) == XDP_PASS;
		rig.service[0].strict = 1;
		good &= ask(&r) == XDP_DROP;
		rig.service[0].strict = 0;
	}
	return good;
}

/* What comes behind a cookie may overtake what the daemon makes of it. */
static bool cookie_and_what_follows_are_left(int family)
{
	static struct raw r;
	bool good;

	syn(&r, family);
	good = ask(&r) == XDP_TX;
	ack_of_answer(&r, family);
	rig.service[0].strict = 1;
	good &= ask(&r) == XDP_PASS;
	segment(&r, family, TCP_ACK, NULL, 0, 100);
	good &= ask(&r) == XDP_PASS;
	set_client_port(&r, 2);
	good &= ask(&r) == XDP_DROP;
	rig.service[0].strict = 0;
	return good;
}

/* The first data overtook the bare ACK, which is its elder by a moment. */
static bool data_before_the_ack_is_left(int family)
{
	static struct raw r, ack;
	bool good;

	syn(&r, family);
	set_client_port(&r, (uint16_t)(3000 + family + rig.skb));
	good = ask(&r) == XDP_TX;
	ack_of_answer(&ack, family);
	segment(&r, family, TCP_ACK, ack.d + ack.l4 + 20, 12, 500);
	memcpy(r.d + r.l4, ack.d + ack.l4, 12);
	set_client_port(&r, (uint16_t)(3000 + family + rig.skb));
	rig.service[0].strict = 1;
	good &= ask(&r) == XDP_PASS;
	rig.service[0].strict = 0;
	return good;
}

static bool engine_takes_the_fronts_cookie(int family)
{
	static struct raw r;
	struct engine_gauges was, is;
	uint8_t reply[256];
	enum verdict v;

	syn(&r, family);
	if (ask(&r) != XDP_TX)
		return false;
	ack_of_answer(&r, family);
	engine_gauges(rig.engine, &was);
	rig_ask_engine(&rig, &r, PACKET_CSUM_VERIFY, reply, &v);
	engine_gauges(rig.engine, &is);
	return v == VERDICT_CONSUMED && is.flows == was.flows + 1;
}

/* --- the fuzzers' corpora --- */

static uint32_t answers;

static bool sum_is_right(const uint8_t *ip, uint32_t len)
{
	static struct raw r;

	memcpy(r.d, ip, len);
	r.len = len;
	r.l4 = raw_is_v4(&r) ? 20 : 40;
	return raw_l4_sum(&r, 6) == 0xffff;
}

/*
 * The XDP program makes its answer a right checksum.  The other changes the one
 * that is there, so that a wrong one stays wrong.
 */
static bool equals(const struct raw *r, uint8_t *want, uint32_t len)
{
	uint8_t *got = out + ETH_HLEN;
	bool right = !rig.skb || sum_is_right(r->d, r->len);

	if (out_len != ETH_HLEN + len || sum_is_right(got, len) != right)
		return false;
	if (!right)
		memcpy(want + r->l4 + 16, got + r->l4 + 16, 2);
	return !memcmp(got, want, len);
}

/* Not answered, or as the engine answers it?  The checksum is not judged. */
static bool judge_any(const struct raw *r)
{
	uint8_t want[256];
	enum verdict v;
	uint32_t len;

	for (int i = 0; i < 3; i++) { /* the clock may step between them */
		len = rig_ask_engine(&rig, r, PACKET_CSUM_GOOD, want, &v);
		if (ask(r) != XDP_TX)
			return true;
		if (len && equals(r, want, len)) {
			answers++;
			return true;
		}
	}
	return false;
}

/* Lead it to the service, if it is TCP. */
static void aim(struct raw *r)
{
	r->l4 = raw_is_v4(r) ? 20 : 40;
	if (r->len < r->l4 + 20 || r->d[raw_is_v4(r) ? 9 : 6] != 6)
		return;
	if (raw_is_v4(r))
		memcpy(r->d + 16, raw_s4, sizeof(raw_s4));
	else
		memcpy(r->d + 24, raw_s6, sizeof(raw_s6));
	put_be16(r->d + r->l4 + 2, RAW_SPORT);
}

/* Mutation @i of @was; the first byte of such a file is no part of it. */
static void mutate(struct raw *r, const uint8_t *was, uint32_t n, uint32_t i)
{
	memcpy(r->d, was + 1, n - 1);
	r->len = n - 1;
	if (i % 16 == 9)
		r->len = (uint32_t)(prng_u64(&rng) % (n - 1)) + 1;
	if (i % 4)
		aim(r);
	for (uint32_t k = 0; k < i % 8; k++)
		r->d[prng_u64(&rng) % r->len] = (uint8_t)prng_u64(&rng);
	if (i % 3) {
		raw_fix_ip(r);
		raw_fix_l4(r, 6);
	}
}

static void one_file(const char *path)
{
	static uint8_t was[4096];
	static struct raw r;
	FILE *f = fopen(path, "r");
	uint32_t n, bad = 0;

	if (!f)
		return;
	n = (uint32_t)fread(was, 1, sizeof(was), f);
	fclose(f);
	for (uint32_t i = 0; n > 41 && i < MUTATIONS; i++) {
		if (i % 1024 == 0)
			rig_keys_renew(&rig);
		mutate(&r, was, n, i);
		bad += !judge_any(&r);
	}
	verdict(path, 0, !bad);
}

static void corpus(const char *dir)
{
	DIR *d = opendir(dir);
	struct dirent *e;
	char path[4096];

	while (d && (e = readdir(d))) {
		snprintf(path, sizeof(path), "%s/%s", dir, e->d_name);
		if (e->d_name[0] != '.')
			one_file(path);
	}
	if (d)
		closedir(d);
	else
		verdict(dir, 0, false);
}

static const struct {
	const char *name;
	bool (*fn)(int family);
} cases[] = {
#define CASE(x)       \
	{             \
#x, x \
	}
	CASE(plain_syn_is_answered),
	CASE(service_off_is_left),
	CASE(out_of_validity_all_is_left),
	CASE(epoch_without_a_key_is_left),
	CASE(known_tuple_is_left),
	CASE(tuple_that_spent_a_cookie_is_left),
	CASE(other_port_is_left),
	CASE(odd_syn_is_left),
	CASE(vlan_fragment_and_more_headers_are_left),
	CASE(damaged_ip_header_is_left),
	CASE(frame_for_another_host_is_left),
	CASE(other_way_back_is_left),
	CASE(stranger_of_the_same_link_is_answered),
	CASE(lists_deny_and_allow),
	CASE(strangers_are_left_unless_dropped),
	CASE(data_before_the_ack_is_left),
	CASE(cookie_and_what_follows_are_left),
	CASE(engine_takes_the_fronts_cookie),
};

static void cases_of(bool skb)
{
	rig.skb = skb;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		rig_keys_renew(&rig);
		verdict(cases[i].name, 4, cases[i].fn(4));
		verdict(cases[i].name, 6, cases[i].fn(6));
	}
}

int main(int argc, char **argv)
{
	prng_seed(&rng, 1);
	rig_make(&rig, argv[1]);
	cases_of(false);
	cases_of(true);
	for (int i = 2; i < 2 * argc - 2; i++) {
		rig.skb = i >= argc;
		answers = 0;
		corpus(argv[rig.skb ? i - argc + 2 : i]);

		verdict("corpus_has_SYNs_that_are_answered", 0, answers > 300);
	}
	printf("front_rules: %u passed, %u failed\n", passed, failed);
	return failed != 0;
}
