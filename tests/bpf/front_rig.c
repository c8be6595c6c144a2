/* SPDX-License-Identifier: MIT */
/*
 * The XDP front and an engine with the same secret, for the tests of the front.
 */
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <net/if.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/mman.h>
#include <time.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "bpf/front_rig.h"
#include "tcp/leg.h"
#include "wire/build.h"

#define EXIT_SKIPPED 77

const uint8_t rig_mac[6] = {2, 0, 0, 0, 0, 1};

static void die(int status, const char *what)
{
	fprintf(stderr, "# %s: %s\n", what, strerror(errno));
	exit(status);
}

mono_t rig_clock(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (mono_t){(int64_t)ts.tv_sec * USEC_PER_SEC + ts.tv_nsec / 1000};
}

static int64_t wall_offset(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (int64_t)ts.tv_sec * USEC_PER_SEC + ts.tv_nsec / 1000 -
	       rig_clock().us;
}

int64_t rig_epoch(const struct rig *r)
{
	return (rig_clock().us + r->cfg.wall_offset_us) / USEC_PER_SEC /
	       RIG_EPOCH_S;
}

int rig_map(const struct rig *r, const char *name)
{
	return bpf_object__find_map_fd_by_name(r->obj, name);
}

static void *map_memory(const struct rig *r, const char *name, size_t len)
{
	void *p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED,
		       rig_map(r, name), 0);

	if (p == MAP_FAILED)
		die(2, name);
	return p;
}

static struct front_key key_of(const struct rig *r, const char *purpose,
			       uint64_t n)
{
	struct hash_key k;
	struct front_key f;

	hash_derive(&k, r->cfg.secret, purpose, n);
	memcpy(&f, k.k, sizeof(f));
	return f;
}

void rig_keys_renew(struct rig *r)
{
	int64_t epoch = rig_epoch(r);

	for (int64_t e = epoch - 1; e <= epoch + 1; e++) {
		r->state->slot[e % FRONT_EPOCHS].key =
			key_of(r, "syn cookie", (uint64_t)e);
		r->state->slot[e % FRONT_EPOCHS].epoch = e;
	}
}

static void network_make(struct rig *r)
{
	static const char cmd[] =
		"exec 2>&1; set -e; ip link set lo up; for i in 0 2; do "
		"ip link add d$i address 02:00:00:00:00:01 type veth "
		"peer name e$i; "
		"ip link set d$i up; ip link set e$i up; "
		"ip addr add 10.255.$i.1/24 dev d$i; "
		"ip -6 addr add fd00:ffff:$i::1/64 dev d$i nodad; "
		"ip neigh add 10.255.$i.2 lladdr 02:00:00:00:00:02 dev d$i; "
		"ip -6 neigh add fd00:ffff:$i::2 lladdr 02:00:00:00:00:02 "
		"dev d$i; done; echo 1 >/proc/sys/net/ipv4/ip_forward; "
		"echo 1 >/proc/sys/net/ipv6/conf/all/forwarding; "
		"ip route add default via 10.255.0.2; "
		"ip route add 203.0.113.0/24 via 10.255.2.2; "
		"ip -6 route add default via fd00:ffff:0::2";

	if (unshare(CLONE_NEWNET))
		die(EXIT_SKIPPED, "no network namespace");
	if (system(cmd) != 0)
		die(2, "network namespace");
	r->ifindex = (int)if_nametoindex("d0");
}

static void listen_on(struct rig *r, const struct ipaddr *a)
{
	struct front_listen k = {.prefixlen = 16 + 128,
				 .port = __builtin_bswap16(RAW_SPORT)};
	uint32_t zero = 0;

	memcpy(k.addr, a->b, 16);
	if (bpf_map_update_elem(rig_map(r, "listens"), &k, &zero, BPF_ANY))
		die(2, "listens");
}

static void engine_make(struct rig *r)
{
	struct ipaddr s4 = ipaddr_v4(raw_s4), s6;

	memcpy(s6.b, raw_s6, 16);
	if (buf_pool_init(&r->pool, 16u << 20, 8))
		die(2, "pool");
	r->cfg = (struct engine_cfg){.policy = policy_new(1),
				     .pool = &r->pool,
				     .max_flows = 100,
				     .max_tw = 100,
				     .seed = 1,
				     .wall_offset_us = wall_offset(),
				     .cookie_epoch_s = RIG_EPOCH_S,
				     .secret = "front"};
	r->svc = &r->cfg.policy->service[0];
	opt_defaults(service_options, r->svc);
	opt_defaults(tcp_options, &r->svc->tcp);
	opt_defaults(shield_options, &r->svc->shield);
	strcpy(r->svc->name, "front");
	r->svc->handshake = HANDSHAKE_CLIENT_FIRST;
	r->svc->syncookies = 2;
	r->svc->tcp.ecn = 1;
	r->svc->listen.n = 2;
	r->svc->listen.ep[0] =
		(struct endpoint){.addr = s4, .prefix = 128, .port = RAW_SPORT};
	r->svc->listen.ep[1] =
		(struct endpoint){.addr = s6, .prefix = 128, .port = RAW_SPORT};
	r->svc->connect.prefix = 128;
	r->engine = engine_new(&r->cfg, rig_clock());
	if (!r->engine)
		die(2, "engine");
	listen_on(r, &s4);
	listen_on(r, &s6);
}

static int quiet(enum libbpf_print_level level, const char *fmt, va_list ap)
{
	return level == LIBBPF_WARN ? vfprintf(stderr, fmt, ap) : 0;
}

static void load(struct rig *r, const char *file)
{
	libbpf_set_print(quiet);
	r->obj = bpf_object__open_file(file, NULL);
	if (!r->obj)
		die(2, file);
	if (bpf_object__load(r->obj))
		die(errno == EPERM || errno == ENOSYS ? EXIT_SKIPPED : 2,
		    "the program cannot be loaded");
	r->prog[0] = bpf_program__fd(
		bpf_object__find_program_by_name(r->obj, "penstock_front"));
	r->prog[1] = bpf_program__fd(
		bpf_object__find_program_by_name(r->obj, "penstock_front_tc"));
}

void rig_make(struct rig *r, const char *file)
{
	memset(r, 0, sizeof(*r));
	network_make(r);
	load(r, file);
	r->state = map_memory(r, "state", sizeof(*r->state));
	r->service =
		map_memory(r, "services", FRONT_SERVICES * sizeof(*r->service));
	engine_make(r);
	known_init(&r->known, r->cfg.secret,
		   map_memory(r, "known", 1u << KNOWN_BITS),
		   map_memory(r, "spent",
			      sizeof(struct known_spent) << KNOWN_SPENT_BITS));
	r->service[0] = (struct front_service){
		.answer = 1,
		.timestamps = (uint8_t)r->svc->tcp.timestamps,
		.sack = 1,
		.window_scaling = 1,
		.ecn = 1,
		.mss4 = leg_mss_offer(4),
		.mss6 = leg_mss_offer(6),
		.wnd = (uint16_t)min_u32(r->svc->tcp.rmem[1] / 2, 65535),
		.wscale = leg_wscale_offer(&r->svc->tcp),
	};
	r->state->isn = key_of(r, "isn", 0);
	r->state->epoch_s = RIG_EPOCH_S;
	r->state->wall_off_us = r->cfg.wall_offset_us;
	r->state->valid_until_us = UINT64_MAX;
	rig_keys_renew(r);
}

/* --- both --- */

uint32_t rig_ask_engine(struct rig *r, const struct raw *p,
			enum packet_csum csum, uint8_t *out, enum verdict *v)
{
	struct packet pkt = {
		.data = p->d, .len = p->len, .full_len = p->len, .csum = csum};
	struct tx tx;

	*v = engine_input(r->engine, &pkt, rig_clock(), &tx);
	if (*v != VERDICT_REPLY)
		return 0;
	wire_csum_finish(&tx);
	memcpy(out, tx.hdr, tx.hdr_len);
	return tx.hdr_len;
}

static int as_xdp(uint32_t tc)
{
	switch ((int)tc) {
	case TC_ACT_UNSPEC:
		return XDP_PASS;
	case TC_ACT_SHOT:
		return XDP_DROP;
	case TC_ACT_REDIRECT:
		return XDP_TX;
	default:
		return XDP_ABORTED;
	}
}

int rig_ask_frame(struct rig *r, const void *frame, uint32_t n, uint8_t *out,
		  uint32_t *len)
{
	struct xdp_md ctx = {.ingress_ifindex = (uint32_t)r->ifindex,
			     .data_end = n};
	struct __sk_buff skb = {.ifindex = (uint32_t)r->ifindex};
	LIBBPF_OPTS(bpf_test_run_opts, o, .data_in = frame, .data_out = out,
		    .data_size_in = n, .data_size_out = 4096, .ctx_in = &ctx,
		    .ctx_size_in = sizeof(ctx));

	if (r->skb) {
		o.ctx_in = &skb;
		o.ctx_size_in = sizeof(skb);
	}
	if (bpf_prog_test_run_opts(r->prog[r->skb], &o))
		return -errno;
	*len = o.data_size_out;
	return r->skb ? as_xdp(o.retval) : (int)o.retval;
}

int rig_ask_front(struct rig *r, const struct raw *p, uint8_t *out,
		  uint32_t *len)
{
	static uint8_t in[ETH_HLEN + sizeof(p->d)];

	memset(in, 0, ETH_HLEN);
	memcpy(in, rig_mac, sizeof(rig_mac));
	in[12] = p->d[0] >> 4 == 4 ? 0x08 : 0x86;
	in[13] = p->d[0] >> 4 == 4 ? 0x00 : 0xdd;
	memcpy(in + ETH_HLEN, p->d, p->len);
	return rig_ask_frame(r, in, ETH_HLEN + p->len, out, len);
}
