/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * The XDP front: SYNs of a flood are answered before the kernel makes a packet
 * of them; or, where no driver runs XDP, before netfilter and routing.
 *
 * The answer is the one that the daemon would give, byte for byte: the same
 * cookie (shield/cookie.h), the same timestamp, the same options in the same
 * order.  So the daemon checks returned cookies as usual; it makes no
 * difference who sent them.  The front keeps no state about clients.
 *
 * These go on to the daemon: tuples that may have a connection, half-open or in
 * TIME_WAIT (shield/known.h); data, Fast Open and other options; fragments and
 * extension headers; a VLAN tag; SYNs whose answer would leave by another
 * interface.  So does everything once valid_until_us has passed.  The daemon
 * renews it each second, so a daemon that has died or hangs loses no packets
 * here.
 *
 * There are two programs.  penstock_front is for drivers that run XDP
 * themselves.  penstock_front_tc is for all else, at the ingress of traffic
 * control (TCX).  XDP's generic mode stands at the same place, but has each
 * packet copied that is not in one piece, and each SYN that has too little room
 * in front: on veth that cost a stream 40 % of its speed.  What the two do in
 * different ways says so by @skb, a constant.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/pkt_cls.h>
#include <linux/tcp.h>
#include <stdbool.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "front/layout.h"
#include "front/splice_layout.h"
#include "shield/known_layout.h"
#include "siphash.h"

#define AF_INET 2
#define AF_INET6 10
#define HEADERS (ETH_HLEN + 40 + 60) /* to be in one piece */
#define PACKET_HOST 0
#define EINVAL 22
#define FIB_SKIP_NEIGH 4 /* BPF_FIB_LOOKUP_SKIP_NEIGH, newer than Debian 12's */
#define TCP_MAX 60	 /* of a header with its options */
#define TCP_CHECK 16	 /* offset of the checksum */
#define OPT_STEPS 24	 /* most options, NOPs included */
#define MAC_MASK 0xffffff00u
#define SKEW_S 5 /* COOKIE_SKEW_S */
#define TS_STEP 64u
#define LEN_ISN (36ULL << 56)
#define LEN_COOKIE (44ULL << 56)

char LICENSE[] SEC("license") = "Dual MIT/GPL";

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct front_state);
} state SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, FRONT_LISTENS);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct front_listen);
	__type(value, __u32);
} listens SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, FRONT_SERVICES);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct front_service);
} services SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, FRONT_PREFIXES);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct front_prefix);
	__type(value, __u32);
} prefixes SEC(".maps");

/* Tuples that the daemon knows: struct known of shield/known.h. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, (1 << KNOWN_BITS) / KNOWN_LINE);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, __u8[KNOWN_LINE]);
} known SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1 << KNOWN_SPENT_BITS);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct known_spent);
} spent SEC(".maps");

/* Tuples whose cookie has just come back, with the seconds since boot: the next
 * segment may arrive before the daemon's entry in `known'. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, FRONT_FRESH);
	__type(key, __u64);
	__type(value, __u32);
} fresh SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, FRONT_SERVICES *FRONT_COUNTERS);
	__type(key, __u32);
	__type(value, __u64);
} counters SEC(".maps");

/* Connections that the kernel relays: the map of the splice translator, where
 * it is attached; otherwise one of our own, which is empty. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, SPLICE_FLOWS);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct splice_key);
	__type(value, struct splice_entry);
} flows SEC(".maps");

/* A segment, with addresses as in struct tuple. */
struct seg {
	__u64 local[2], remote[2];
	__u32 ports; /* low: ours, high: the client's; host order */
	__u32 seq, ack;
	__u32 service;
	__u32 ts_off; /* of its timestamps */
	__u16 flags;  /* of the TCP header, host order */
	__u8 v6, thl, data, l4;
};

struct opts {
	__u32 tsval;
	__u16 mss;
	__u8 wscale, has_mss, has_wscale, has_sack, has_ts, odd;
};

/* A TCP header and the way along its options. */
struct walk {
	union {
		__u8 b[TCP_MAX + 8];
		__u32 w[TCP_MAX / 4 + 2];
	};
	__u32 len, off;
	struct opts o;
};

static __always_inline void count(const struct seg *s, __u32 what)
{
	__u32 i = s->service * FRONT_COUNTERS + what;
	__u64 *v = bpf_map_lookup_elem(&counters, &i);

	if (v)
		(*v)++;
}

/* The same steps as in src/shield/cookie.c. */
static const __u16 mss_table[32] = {48,	  88,	128,   192,  256,  320,	 400,
				    512,  536,	748,   966,  1160, 1220, 1240,
				    1280, 1300, 1360,  1380, 1400, 1412, 1440,
				    1448, 1452, 1456,  1460, 1962, 4016, 8192,
				    8940, 8960, 16344, 65475};

static __always_inline __u32 mss_code(__u16 mss)
{
	__u32 lo = 0;

#pragma unroll
	for (int step = 16; step; step >>= 1)
		if (mss_table[(lo + step) & 31] <= mss)
			lo += step;
	return lo & 31;
}

static __always_inline __u32 wscale_code(const struct opts *o)
{
	__u8 w = o->wscale;

	if (!o->has_wscale)
		return 6;
	return w >= 8 ? 5 : w == 7 ? 4 : w == 6 ? 3 : w >= 4 ? 2 : w >= 2;
}

static __always_inline __u16 fold(__u64 s)
{
	s = (s & 0xffffffff) + (s >> 32);
	s = (s & 0xffffffff) + (s >> 32);
	s = (s & 0xffff) + (s >> 16);
	s = (s & 0xffff) + (s >> 16);
	return (__u16)((s & 0xffff) + (s >> 16));
}

/* --- reading --- */

static __always_inline __u64 mapped(__be32 a)
{
	return 0xffff0000ULL | (__u64)a << 32;
}

/* Never answered; the daemon counts the reason. */
static __always_inline bool martian4(__be32 a)
{
	__u32 first = bpf_ntohl(a) >> 24;

	return first == 0 || first == 127 || first >= 224;
}

static __always_inline bool martian6(const __u64 a[2])
{
	return (a[0] & 0xff) == 0xff || !a[0];
}

static __always_inline bool read_ip4(struct seg *s, void *at, void *end)
{
	struct iphdr *ip = at;
	const __u32 *w = at;

	if ((void *)(ip + 1) > end || ip->version != 4 || ip->ihl != 5 ||
	    ip->protocol != IPPROTO_TCP || ip->frag_off & bpf_htons(0x3fff) ||
	    martian4(ip->saddr) || ip->saddr == ip->daddr ||
	    fold((__u64)w[0] + w[1] + w[2] + w[3] + w[4]) != 0xffff)
		return false;
	s->local[0] = s->remote[0] = 0;
	s->local[1] = mapped(ip->daddr);
	s->remote[1] = mapped(ip->saddr);
	s->l4 = ETH_HLEN + sizeof(*ip);
	s->v6 = 0;
	return true;
}

static __always_inline bool read_ip6(struct seg *s, void *at, void *end)
{
	struct ipv6hdr *ip = at;

	if ((void *)(ip + 1) > end || ip->version != 6 ||
	    ip->nexthdr != IPPROTO_TCP)
		return false;
	__builtin_memcpy(s->local, &ip->daddr, 16);
	__builtin_memcpy(s->remote, &ip->saddr, 16);
	s->l4 = ETH_HLEN + sizeof(*ip);
	s->v6 = 1;
	return !martian6(s->remote) &&
	       (s->local[0] != s->remote[0] || s->local[1] != s->remote[1]);
}

static __always_inline __u32 l4_length(const struct seg *s, void *data,
				       void *end)
{
	struct ipv6hdr *ip6 = data + ETH_HLEN;
	struct iphdr *ip4 = data + ETH_HLEN;

	if (s->v6)
		return (void *)(ip6 + 1) > end ? 0
					       : bpf_ntohs(ip6->payload_len);
	if ((void *)(ip4 + 1) > end || bpf_ntohs(ip4->tot_len) < 20)
		return 0;
	return bpf_ntohs(ip4->tot_len) - 20;
}

static __always_inline bool read_tcp(struct seg *s, void *data, void *end)
{
	struct tcphdr *th;
	__u32 len = l4_length(s, data, end);

	if (s->v6)
		th = data + ETH_HLEN + sizeof(struct ipv6hdr);
	else
		th = data + ETH_HLEN + sizeof(struct iphdr);
	if ((void *)(th + 1) > end || th->doff < 5 || !th->source || !th->dest)
		return false;
	s->thl = th->doff * 4;
	if (len < s->thl)
		return false;
	s->data = len > s->thl;
	s->ports = bpf_ntohs(th->dest) | (__u32)bpf_ntohs(th->source) << 16;
	s->seq = bpf_ntohl(th->seq);
	s->ack = bpf_ntohl(th->ack_seq);
	s->flags = bpf_ntohs(*((__be16 *)th + 6)) & 0xfff;
	return true;
}

static __always_inline struct front_service *find_service(struct seg *s)
{
	struct front_listen k = {.prefixlen = 16 + 128,
				 .port = bpf_htons(s->ports & 0xffff)};
	__u32 *i;

	__builtin_memcpy(k.addr, s->local, 16);
	i = bpf_map_lookup_elem(&listens, &k);
	if (!i) {
		k.port = 0;
		i = bpf_map_lookup_elem(&listens, &k);
	}
	if (!i || *i >= FRONT_SERVICES)
		return NULL;
	s->service = *i;
	return bpf_map_lookup_elem(&services, i);
}

static __always_inline bool is_denied(const struct seg *s,
				      const struct front_service *v)
{
	struct front_prefix k = {.prefixlen = 32 + 128, .service = s->service};
	__u32 *what;

	if (!v->listed)
		return false;
	__builtin_memcpy(k.addr, s->remote, 16);
	what = bpf_map_lookup_elem(&prefixes, &k);
	return what ? *what == FRONT_DENY : v->denied;
}

static long one_option(__u32 i, void *arg)
{
	(void)i;
	struct walk *w = arg;
	__u32 off = w->off, len;
	__u8 *p;

	if (off >= w->len || off >= TCP_MAX)
		return 1;
	p = w->b + off;
	if (p[0] == 0) /* end of the list */
		return 1;
	if (p[0] == 1) {
		w->off = off + 1;
		return 0;
	}
	len = p[1];
	if (len < 2 || off + len > w->len) {
		w->o.odd = 1;
		return 1;
	}
	if (p[0] == 2 && len == 4 && !w->o.has_mss) {
		if (p[2] | p[3]) { /* an MSS of 0 is ignored */
			w->o.mss = p[2] << 8 | p[3];
			w->o.has_mss = 1;
		}
	} else if (p[0] == 3 && len == 3 && !w->o.has_wscale) {
		w->o.wscale = p[2];
		w->o.has_wscale = 1;
	} else if (p[0] == 4 && len == 2 && !w->o.has_sack) {
		w->o.has_sack = 1;
	} else if (p[0] == 8 && len == 10 && !w->o.has_ts) {
		w->o.tsval = (__u32)p[2] << 24 | (__u32)p[3] << 16 |
			     (__u32)p[4] << 8 | p[5];
		w->o.has_ts = 1;
	} else { /* Fast Open, signatures, repeated options: for the daemon */
		w->o.odd = 1;
		return 1;
	}
	w->off = off + len;
	return 0;
}

static __always_inline bool read_options(void *ctx, const bool skb,
					 const struct seg *s, struct walk *w)
{
	__u32 len = s->thl & 63;
	long bad;

	barrier_var(len); /* so that the verifier sees both bounds */
	if (len < 20)
		return false;
	w->len = len;
	w->off = 20;
	w->o.mss = s->v6 ? 1220 : 536;
	if (skb)
		bad = bpf_skb_load_bytes(ctx, s->l4, w->b, len);
	else
		bad = bpf_xdp_load_bytes(ctx, s->l4, w->b, len);
	if (bad)
		return false;
	bpf_loop(OPT_STEPS + 1, one_option, w, 0);
	/* not at the end yet: too many options */
	return !w->o.odd && (w->off >= w->len || !w->b[w->off & 63]);
}

/* --- cookies --- */

static __always_inline struct sip sip_tuple(const struct front_key *k,
					    const struct seg *s)
{
	struct sip h = sip_begin(k);

	sip_word(&h, s->local[0]);
	sip_word(&h, s->local[1]);
	sip_word(&h, s->remote[0]);
	sip_word(&h, s->remote[1]);
	return h;
}

static __always_inline __u64 tuple_hash(const struct front_state *st,
					const struct seg *s)
{
	struct sip h = sip_tuple(&st->isn, s);

	sip_word(&h, s->ports | LEN_ISN);
	return sip_end(&h);
}

/* The cookie for the SYN with @isn in @epoch; false: no key for this epoch. */
static __noinline int cookie_mac(struct front_state *st, struct seg *s,
				 __s64 epoch, __u64 isn_data, __u32 *mac)
{
	__u32 i = (__u64)epoch % FRONT_EPOCHS;
	struct sip h;

	if (!st || !s || !mac)
		return 0;
	if (st->slot[i].epoch != epoch)
		return 0;
	h = sip_tuple(&st->slot[i].key, s);
	sip_word(&h, s->ports | isn_data << 32);
	sip_word(&h, (isn_data >> 32) | LEN_COOKIE);
	*mac = (__u32)sip_end(&h) & MAC_MASK;
	return 1;
}

/* --- answering --- */

/* IP and TCP header of an answer: words in network order, and their count. */
struct answer {
	__u32 w[10 + 10];
	__u32 n;
};

static __always_inline void put(struct answer *a, __u32 host)
{
	if (a->n < 20)
		a->w[a->n++ & 31] = bpf_htonl(host);
}

static __always_inline __u64 sum_words(const struct answer *a, __u32 from)
{
	__u64 s = 0;

#pragma unroll
	for (__u32 i = 0; i < 20; i++)
		if (i >= from && i < a->n)
			s += a->w[i];
	return s;
}

struct synack {
	__u32 isn, tsval;
	bool ts, sack, wscale, ecn;
};

static __always_inline __u32 synack_len(const struct synack *y)
{
	return 24 + (y->ts ? 12 : y->sack ? 4 : 0) + (y->wscale ? 4 : 0);
}

static __always_inline void put_ip(struct answer *a, const struct seg *s,
				   const struct synack *y)
{
	__u32 label = (y->isn * 2654435761u) >> 12; /* wire_flow_label() */
	__u32 len = synack_len(y);

	a->n = 0;
	if (s->v6) {
		put(a, 6u << 28 | (label & 0xfffff));
		put(a, len << 16 | IPPROTO_TCP << 8 | 64);
		a->w[2] = (__u32)s->local[0];
		a->w[3] = (__u32)(s->local[0] >> 32);
		a->w[4] = (__u32)s->local[1];
		a->w[5] = (__u32)(s->local[1] >> 32);
		a->w[6] = (__u32)s->remote[0];
		a->w[7] = (__u32)(s->remote[0] >> 32);
		a->w[8] = (__u32)s->remote[1];
		a->w[9] = (__u32)(s->remote[1] >> 32);
		a->n = 10;
		return;
	}
	put(a, 0x45000000 | (20 + len));
	put(a, 0x4000);
	put(a, 64u << 24 | IPPROTO_TCP << 16);
	a->w[3] = (__u32)(s->local[1] >> 32);
	a->w[4] = (__u32)(s->remote[1] >> 32);
	a->n = 5;
	a->w[2] |= (__u32)(__u16)~fold(sum_words(a, 0)) << 16;
}

static __always_inline void put_tcp(struct answer *a, const struct seg *s,
				    const struct front_service *v,
				    const struct synack *y,
				    const struct opts *o)
{
	__u32 len = synack_len(y);

	put(a, (s->ports & 0xffff) << 16 | s->ports >> 16);
	put(a, y->isn);
	put(a, s->seq + 1);
	put(a, len / 4 << 28 | (0x12u | (y->ecn ? 0x40 : 0)) << 16 | v->wnd);
	put(a, 0);
	put(a, 0x02040000 | (s->v6 ? v->mss6 : v->mss4));
	if (y->ts) {
		put(a, y->sack ? 0x0402080a : 0x0101080a);
		put(a, y->tsval);
		put(a, o->tsval);
	} else if (y->sack) {
		put(a, 0x01010402);
	}
	if (y->wscale)
		put(a, 0x01030300 | v->wscale);
}

/* The TCP checksum of an answer, which has none yet. */
static __always_inline void seal(struct answer *a, const struct seg *s)
{
	__u32 first = s->v6 ? 10 : 5, len = (a->n - first) * 4;
	__u64 sum;

	sum = sum_words(a, first) + bpf_htonl(IPPROTO_TCP << 16 | len);
	sum += (__u32)s->local[1] + (s->local[1] >> 32);
	sum += (__u32)s->remote[1] + (s->remote[1] >> 32);
	if (s->v6) {
		sum += (__u32)s->local[0] + (s->local[0] >> 32);
		sum += (__u32)s->remote[0] + (s->remote[0] >> 32);
	} else { /* without the mapped prefix */
		sum -= 2 * 0xffff0000ULL;
	}
	if (s->v6)
		a->w[14] |= (__u32)(__u16)~fold(sum);
	else
		a->w[9] |= (__u32)(__u16)~fold(sum);
}

/* Make the cookie, and the part of the SYN's options that is in the
 * timestamp. */
static __always_inline bool make_cookie(struct front_state *st, struct seg *s,
					const struct front_service *v,
					const struct opts *o, __u64 now_us,
					struct synack *y)
{
	/* by the wall clock, as in svc_isn() */
	__u32 wall_ms = (__u32)((__u64)st->wall_off_us / 1000);
	__u64 wall = (now_us + (__u64)st->wall_off_us) / 1000000;
	__u32 code = mss_code(o->mss), data = code >> 2 << 5, low, cur, mac;

	y->ts = v->timestamps && o->has_ts;
	y->sack = v->sack && o->has_sack;
	y->wscale = v->window_scaling && o->has_wscale;
	y->ecn = v->ecn && (s->flags & 0xc0) == 0xc0;
	y->tsval = 0;
	if (y->ts) {
		low = o->has_wscale ? o->wscale : 15;
		low = o->has_wscale && low > 14 ? 14 : low;
		low |= (code & 3) << 4;
		cur = (__u32)(now_us / 1000) + wall_ms;
		if (v->timestamps != 2)
			cur += s->ts_off;
		y->tsval = (cur & ~(TS_STEP - 1)) | low;
		if ((__s32)(y->tsval - cur) > 0)
			y->tsval -= TS_STEP;
		data |= 7 << 2;
	} else {
		data |= wscale_code(o) << 2;
	}
	data |= (o->has_sack ? 2 : 0) | (y->ecn ? 1 : 0);
	if (!cookie_mac(st, s, (__s64)(wall / st->epoch_s),
			s->seq | (__u64)data << 32, &mac))
		return false;
	y->isn = mac | data;
	return true;
}

/*
 * Would routing send the answer by the interface of the SYN?  It goes to the
 * link address that sent the SYN, so nobody has to know the client's. (Before
 * Linux 6.3 the look-up wants to: a stranger of the same link is the daemon's.)
 */
static __always_inline bool way_back(void *ctx, __u32 ifindex,
				     const struct seg *s)
{
	struct bpf_fib_lookup f = {.family = s->v6 ? AF_INET6 : AF_INET,
				   .l4_protocol = IPPROTO_TCP,
				   .tot_len = 60,
				   .ifindex = ifindex};
	long rc;

	if (s->v6) {
		__builtin_memcpy(f.ipv6_src, s->local, 16);
		__builtin_memcpy(f.ipv6_dst, s->remote, 16);
	} else {
		f.ipv4_src = (__u32)(s->local[1] >> 32);
		f.ipv4_dst = (__u32)(s->remote[1] >> 32);
	}
	rc = bpf_fib_lookup(ctx, &f, sizeof(f), FIB_SKIP_NEIGH);
	if (rc == -EINVAL)
		rc = bpf_fib_lookup(ctx, &f, sizeof(f), 0);
	return rc == BPF_FIB_LKUP_RET_SUCCESS && f.ifindex == ifindex;
}

static __always_inline int transmit(struct xdp_md *ctx, const struct answer *a)
{
	void *data = (void *)(long)ctx->data,
	     *end = (void *)(long)ctx->data_end;
	__u32 len = a->n * 4, had = end - data;
	struct ethhdr *eth;
	__u8 mac[ETH_ALEN];
	int more;

	barrier_var(had); /* the verifier knows this difference, no other */
	more = (int)(ETH_HLEN + len - had);
	if (len > sizeof(a->w) || len < 44)
		return XDP_DROP;
	if (more && bpf_xdp_adjust_tail(ctx, more))
		return XDP_DROP;
	if (bpf_xdp_store_bytes(ctx, ETH_HLEN, (void *)a->w, len))
		return XDP_DROP;
	data = (void *)(long)ctx->data;
	end = (void *)(long)ctx->data_end;
	eth = data;
	if ((void *)(eth + 1) > end)
		return XDP_DROP;
	__builtin_memcpy(mac, eth->h_dest, ETH_ALEN);
	__builtin_memcpy(eth->h_dest, eth->h_source, ETH_ALEN);
	__builtin_memcpy(eth->h_source, mac, ETH_ALEN);
	return XDP_TX;
}

/*
 * The same in an skb.  What of its checksum is to be summed up yet is not known
 * here: the sum may be whole, or that of the pseudo-header alone.  So the SYN's
 * is changed by the difference.  One that was damaged on the way gets an answer
 * that is damaged, too.
 */
static __always_inline int transmit_skb(struct __sk_buff *skb,
					const struct seg *s, struct answer *a,
					const struct walk *syn)
{
	__u32 first = s->v6 ? 10 : 5, at = first + TCP_CHECK / 4;
	__u32 len = a->n * 4, check = s->l4 + TCP_CHECK;
	__u64 whole = 0, pseudo;
	__u8 mac[2 * ETH_ALEN];

	if (len > sizeof(a->w) || len < 44 || at >= 20)
		return XDP_DROP;
#pragma unroll
	for (__u32 i = 0; i < TCP_MAX / 4; i++)
		whole += (__u32) ~(i == TCP_CHECK / 4
					   ? syn->w[i] & bpf_htonl(0xffff)
					   : syn->w[i]);
	whole += sum_words(a, first);
	pseudo = (__u64)bpf_htonl(len - first * 4) + (__u32)~bpf_htonl(s->thl);
	a->w[at] = syn->w[TCP_CHECK / 4] & bpf_htonl(0xffff0000);
	if (bpf_skb_load_bytes(skb, 0, mac + ETH_ALEN, ETH_ALEN) ||
	    bpf_skb_load_bytes(skb, ETH_ALEN, mac, ETH_ALEN) ||
	    bpf_skb_change_tail(skb, ETH_HLEN + len, 0) ||
	    bpf_skb_store_bytes(skb, 0, mac, sizeof(mac), 0) ||
	    bpf_skb_store_bytes(skb, ETH_HLEN, (void *)a->w, len,
				BPF_F_RECOMPUTE_CSUM) ||
	    bpf_l4_csum_replace(skb, check, 0, fold(whole), 0) ||
	    bpf_l4_csum_replace(skb, check, 0, fold(pseudo), BPF_F_PSEUDO_HDR))
		return XDP_DROP;
	return (int)bpf_redirect(skb->ifindex, 0);
}

/* --- the programs --- */

/* Global, so that the verifier looks at it once, and not on each way that leads
 * here. */
__noinline int find_spliced(struct splice_key *k)
{
	if (!k)
		return 0;
	splice_key_order(k);
	return bpf_map_lookup_elem(&flows, k) != NULL;
}

/* The daemon does not know them any more, and will not see them. */
static __always_inline bool is_spliced(const struct seg *s,
				       const struct front_service *v)
{
	struct splice_key k = {.port = {bpf_htons(s->ports >> 16),
					bpf_htons(s->ports & 0xffff)}};

	if (!(v->flags & FRONT_SPLICED))
		return false;
	__builtin_memcpy(k.addr[0], s->remote, 16);
	__builtin_memcpy(k.addr[1], s->local, 16);
	return find_spliced(&k) != 0;
}

/* What the server lacks nobody is promised. */
static __always_inline void mask_options(const struct front_service *v,
					 struct opts *o)
{
	if (v->flags & FRONT_LACKS_TS)
		o->has_ts = 0;
	if (v->flags & FRONT_LACKS_SACK)
		o->has_sack = 0;
	if (v->flags & FRONT_LACKS_WSCALE)
		o->has_wscale = 0;
}

static __always_inline int on_syn(void *ctx, const bool skb,
				  struct front_state *st, struct seg *s,
				  const struct front_service *v, __u64 now_us)
{
	__u32 ifindex = skb ? ((struct __sk_buff *)ctx)->ifindex
			    : ((struct xdp_md *)ctx)->ingress_ifindex;
	struct walk w = {.len = 0};
	struct answer a = {.n = 0};
	struct synack y;

	if (!v->answer)
		return XDP_PASS;
	if (s->data || !read_options(ctx, skb, s, &w)) {
		count(s, FRONT_HARD);
		return XDP_PASS;
	}
	if (is_denied(s, v)) {
		count(s, FRONT_DENIED);
		return XDP_DROP;
	}
	mask_options(v, &w.o);
	if (!make_cookie(st, s, v, &w.o, now_us, &y) ||
	    !way_back(ctx, ifindex, s)) {
		count(s, FRONT_HARD);
		return XDP_PASS;
	}
	put_ip(&a, s, &y);
	put_tcp(&a, s, v, &y, &w.o);
	count(s, FRONT_SYNACKS);
	if (skb)
		return transmit_skb(ctx, s, &a, &w);
	seal(&a, s);
	return transmit(ctx, &a);
}

/* Is it an ACK with a valid cookie?  As cookie_check(). */
static __always_inline bool brings_cookie(struct front_state *st, struct seg *s,
					  __u64 now_us)
{
	__u64 wall = (now_us + (__u64)st->wall_off_us) / 1000000;
	__s64 epoch = (__s64)(wall / st->epoch_s);
	__u32 cookie = s->ack - 1, mac = 0;
	__u64 in = (__u32)(s->seq - 1) | (__u64)(cookie & ~MAC_MASK) << 32;

	if ((s->flags & 0x16) != 0x10) /* ACK, no SYN, no RST */
		return false;
	if (cookie_mac(st, s, epoch, in, &mac) && mac == (cookie & MAC_MASK))
		return true;
	if (cookie_mac(st, s, epoch - 1, in, &mac) &&
	    mac == (cookie & MAC_MASK))
		return true;
	return st->epoch_s - wall % st->epoch_s <= SKEW_S &&
	       cookie_mac(st, s, epoch + 1, in, &mac) &&
	       mac == (cookie & MAC_MASK);
}

/* May the daemon know the tuple? */
static __always_inline bool is_known(const struct front_state *st, __u64 now_us,
				     __u64 hash)
{
	__u64 wall = (now_us + (__u64)st->wall_off_us) / 1000000;
	__u32 place = known_place(hash), i = place / KNOWN_LINE;
	__u32 epoch = (__u32)(wall / st->epoch_s);
	const __u8 *line = bpf_map_lookup_elem(&known, &i);
	const struct known_spent *s;

	if (!line || line[place % KNOWN_LINE])
		return true;
	i = known_spent_place(hash);
	s = bpf_map_lookup_elem(&spent, &i);
	return !s || known_was_spent(s, epoch, hash);
}

#define FRESH_S 5

static __always_inline int on_stranger(struct front_state *st, struct seg *s,
				       const struct front_service *v,
				       __u64 now_us, __u64 hash)
{
	__u32 now_s = (__u32)(now_us / 1000000), *since;

	if (!v->strict)
		return XDP_PASS;
	if (brings_cookie(st, s, now_us)) {
		bpf_map_update_elem(&fresh, &hash, &now_s, BPF_ANY);
		count(s, FRONT_COOKIES);
		return XDP_PASS;
	}
	since = bpf_map_lookup_elem(&fresh, &hash);
	if (since && now_s - *since <= FRESH_S)
		return XDP_PASS;
	count(s, FRONT_UNKNOWN);
	return XDP_DROP;
}

static __always_inline int front(void *ctx, const bool skb, void *data,
				 void *end)
{
	struct ethhdr *eth = data;
	struct front_service *v;
	struct front_state *st;
	__u32 zero = 0;
	struct seg s = {};
	__u64 now_us, hash;

	if ((void *)(eth + 1) > end)
		return XDP_PASS;
	if (eth->h_proto == bpf_htons(ETH_P_IP)) {
		if (!read_ip4(&s, eth + 1, end))
			return XDP_PASS;
	} else if (eth->h_proto != bpf_htons(ETH_P_IPV6) ||
		   !read_ip6(&s, eth + 1, end)) {
		return XDP_PASS;
	}
	if (!read_tcp(&s, data, end))
		return XDP_PASS;
	v = find_service(&s);
	st = bpf_map_lookup_elem(&state, &zero);
	now_us = bpf_ktime_get_ns() / 1000;
	if (!v || !st || !st->epoch_s || now_us > st->valid_until_us)
		return XDP_PASS;
	hash = tuple_hash(st, &s);
	s.ts_off = (__u32)(hash >> 32);
	if (is_known(st, now_us, hash) || is_spliced(&s, v)) {
		count(&s, FRONT_KNOWN);
		return XDP_PASS;
	}
	if ((s.flags & 0x17) == 0x02) /* SYN; no ACK, RST, FIN */
		return on_syn(ctx, skb, st, &s, v, now_us);
	return on_stranger(st, &s, v, now_us, hash);
}

SEC("xdp")
int penstock_front(struct xdp_md *ctx)
{
	return front(ctx, false, (void *)(long)ctx->data,
		     (void *)(long)ctx->data_end);
}

/* An answer is a redirection; its return value is the verdict. */
SEC("tc")
int penstock_front_tc(struct __sk_buff *skb)
{
	__u32 want = skb->len < HEADERS ? skb->len : HEADERS;
	int act;

	if (skb->vlan_present || skb->pkt_type != PACKET_HOST)
		return TC_ACT_UNSPEC;
	if (skb->data_end - skb->data < want && bpf_skb_pull_data(skb, want))
		return TC_ACT_UNSPEC;
	act = front(skb, true, (void *)(long)skb->data,
		    (void *)(long)skb->data_end);
	return act == XDP_PASS	 ? TC_ACT_UNSPEC
	       : act == XDP_DROP ? TC_ACT_SHOT
				 : act;
}
