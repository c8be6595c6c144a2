/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * The relay in the kernel: segments of an admitted connection are translated
 * from the numbers of one leg to those of the other, and forwarded.
 *
 * Two entries make a connection, one a direction.  A constant is added to
 * sequence, acknowledgment and SACK numbers, and another one to timestamps.
 * The window is scaled again.  The bytes never come to userspace, and only the
 * two hosts retransmit them.
 *
 * It is attached to the ingress of the interfaces, before netfilter.
 * Translated packets get a mark, by which the rules let them pass, and go
 * through routing and FORWARD like any packet.  It is also attached to the
 * ingress of the TUN: there the daemon sends the packets that it held while the
 * entries were made.  A host's own packets are left to the daemon until the
 * held ones of their direction have passed.
 *
 * The daemon is told through a ring when a connection has ended.
 *
 * A SYN is never translated: the daemon decides about new connections.  The
 * checksum is corrected by adding the difference, which is right for complete
 * and partial checksums and for GSO packets.
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

#include "front/splice_layout.h"

#define OPTS_MAX 40
#define OPT_STEPS 40
#define TCP_CHECK 16	     /* offset of the checksum */
#define AHEAD_MAX (1u << 26) /* a segment further ahead is invalid */
#define HDR_NOP_NOP_TS 0x0101080a

char LICENSE[] SEC("license") = "Dual MIT/GPL";

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, SPLICE_FLOWS);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct splice_key);
	__type(value, struct splice_dir);
} flows SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, SPLICE_RING);
} ends SEC(".maps");

/* A packet, and the entry of its direction. */
struct pkt {
	struct splice_key key;
	__u32 len; /* of the segment, header included */
	bool late; /* it came by way of the daemon */
};

/* A walk over options that are not in Linux's layout. */
struct walk {
	__u8 b[OPTS_MAX + 8];
	__u32 len, off;
	__u32 dack, dtsval, dtsecr;
	__u32 floor; /* no older timestamp, if @late */
	__u32 tsval; /* out: after the translation */
	bool ack, bad, has_ts, late;
};

static __always_inline void mapped(__u8 *to, __be32 a)
{
	__builtin_memset(to, 0, 10);
	to[10] = to[11] = 0xff;
	__builtin_memcpy(to + 12, &a, 4);
}

static __always_inline bool read4(struct pkt *p, void *at, void *end)
{
	struct iphdr *ip = at;

	if ((void *)(ip + 1) > end || ip->version != 4 || ip->ihl != 5 ||
	    ip->protocol != IPPROTO_TCP || ip->frag_off & bpf_htons(0x3fff))
		return false;
	mapped(p->key.saddr, ip->saddr);
	mapped(p->key.daddr, ip->daddr);
	p->len = bpf_ntohs(ip->tot_len) - sizeof(*ip);
	return true;
}

static __always_inline bool read6(struct pkt *p, void *at, void *end)
{
	struct ipv6hdr *ip = at;

	if ((void *)(ip + 1) > end || ip->version != 6 ||
	    ip->nexthdr != IPPROTO_TCP)
		return false;
	__builtin_memcpy(p->key.saddr, &ip->saddr, 16);
	__builtin_memcpy(p->key.daddr, &ip->daddr, 16);
	p->len = bpf_ntohs(ip->payload_len);
	return true;
}

static __always_inline __be32 shifted(__be32 v, __u32 by)
{
	return bpf_htonl(bpf_ntohl(v) + by);
}

static __always_inline void note_ts(struct splice_dir *d, __u32 tsval)
{
	if ((__s32)(tsval - d->newest_ts) > 0)
		d->newest_ts = tsval;
}

/* --- options --- */

static __always_inline __u32 add_at(struct walk *w, __u32 off, __u32 by)
{
	__u32 v;

	if (off > OPTS_MAX - 4)
		return 0;
	v = (__u32)w->b[off] << 24 | (__u32)w->b[off + 1] << 16 |
	    (__u32)w->b[off + 2] << 8 | w->b[off + 3];
	v += by;
	w->b[off] = (__u8)(v >> 24);
	w->b[off + 1] = (__u8)(v >> 16);
	w->b[off + 2] = (__u8)(v >> 8);
	w->b[off + 3] = (__u8)v;
	return v;
}

static long one_option(__u32 i, void *arg)
{
	struct walk *w = arg;
	__u32 off = w->off, len;

	(void)i;
	if (off >= w->len || off >= OPTS_MAX || w->b[off] == 0)
		return 1;
	if (w->b[off] == 1) {
		w->off = off + 1;
		return 0;
	}
	len = w->b[off + 1];
	if (len < 2 || off + len > w->len) {
		w->bad = true;
		return 1;
	}
	if (w->b[off] == 8 && len == 10) {
		w->tsval = add_at(w, off + 2, w->dtsval);
		if (w->late && (__s32)(w->floor - w->tsval) > 0)
			w->tsval = add_at(w, off + 2, w->floor - w->tsval);
		w->has_ts = true;
		if (w->ack)
			add_at(w, off + 6, w->dtsecr);
	} else if (w->b[off] == 5) {
		for (int k = 0; k < 8; k++)
			if (2 + 4 * ((__u32)k + 1) <= len)
				add_at(w, off + 2 + 4 * k, w->dack);
	}
	w->off = off + len;
	return 0;
}

/* Handles any layout.  Return: false when the list is malformed: drop the
 * packet. */
static __noinline int walk_options(struct __sk_buff *skb, struct walk *w,
				   __u32 at, __s64 *diff)
{
	__u8 old[OPTS_MAX];
	__u32 len;

	if (!w || !diff)
		return 0;
	len = w->len;
	if (!len || len > OPTS_MAX)
		return 0;
	if (bpf_skb_load_bytes(skb, at, w->b, len))
		return 0;
	__builtin_memcpy(old, w->b, OPTS_MAX);
	bpf_loop(OPT_STEPS, one_option, w, 0);
	if (w->bad)
		return 0;
	*diff = bpf_csum_diff((void *)old, OPTS_MAX, (void *)w->b, OPTS_MAX,
			      (__u32)*diff);
	return bpf_skb_store_bytes(skb, at, w->b, len, 0) == 0;
}

/*
 * The timestamp of a packet that came by way of the daemon.  Others may have
 * overtaken it, and with an older timestamp than theirs it would be taken for
 * an old duplicate (RFC 7323, 5).  So it gets the newest that was passed on.
 * Its sender has used that one, so it understands the echo.
 */
static __always_inline __u32 not_older(__u32 tsval, const struct pkt *p,
				       const struct splice_dir *d)
{
	return p->late && (__s32)(d->newest_ts - tsval) > 0 ? d->newest_ts
							    : tsval;
}

/* Only timestamps, in Linux's layout, as in most segments? */
static __always_inline bool only_timestamps(const struct tcphdr *th, void *end,
					    __u32 len)
{
	const __be32 *p = (const __be32 *)(th + 1);

	return len == 12 && (void *)(p + 3) <= end &&
	       p[0] == bpf_htonl(HDR_NOP_NOP_TS);
}

static __always_inline __s64 move_timestamps(const struct pkt *p,
					     struct tcphdr *th, void *end,
					     struct splice_dir *d, __s64 diff)
{
	__be32 *o = (__be32 *)(th + 1), was[2], is[2];
	__u32 tsval;

	if ((void *)(o + 3) > end)
		return diff;
	was[0] = o[1];
	was[1] = o[2];
	tsval = not_older(bpf_ntohl(o[1]) + d->dtsval, p, d);
	is[0] = bpf_htonl(tsval);
	is[1] = th->ack ? shifted(o[2], d->dtsecr) : o[2];
	o[1] = is[0];
	o[2] = is[1];
	note_ts(d, tsval);
	return bpf_csum_diff(was, 8, is, 8, (__u32)diff);
}

/* --- the translation --- */

static __always_inline __be32 new_window(__u32 word, const struct splice_dir *d)
{
	__u32 w = (word & 0xffff) << (d->shl & 15) >> (d->shr & 15);

	return bpf_htonl((word & 0xffff0000) | (w > 65535 ? 65535 : w));
}

static __always_inline struct splice_dir *other_of(const struct pkt *p)
{
	struct splice_key k = {.sport = p->key.dport, .dport = p->key.sport};

	__builtin_memcpy(k.saddr, p->key.daddr, 16);
	__builtin_memcpy(k.daddr, p->key.saddr, 16);
	return bpf_map_lookup_elem(&flows, &k);
}

/* Its FIN was passed on, and so was what acknowledges it. */
static __always_inline bool is_over(const struct splice_dir *d,
				    const struct splice_dir *back)
{
	return d->seen & SPLICE_FIN && back->acked == d->nxt - d->dseq;
}

/* Should the ring be full, the daemon sees it when it looks through the map. */
static __noinline int tell(const struct pkt *p, struct splice_dir *d,
			   struct splice_dir *back)
{
	struct splice_end e = {};
	struct splice_dir *up;

	if (!p || !d || !back)
		return 0;
	up = d->from_client ? d : back;
	d->seen |= SPLICE_OVER;
	back->seen |= SPLICE_OVER;
	if (up->told)
		return 0;
	e.key = p->key;
	if (!d->from_client) {
		__builtin_memcpy(e.key.saddr, p->key.daddr, 16);
		__builtin_memcpy(e.key.daddr, p->key.saddr, 16);
		e.key.sport = p->key.dport;
		e.key.dport = p->key.sport;
	}
	e.serial = up->serial;
	if (!bpf_ringbuf_output(&ends, &e, sizeof(e), 0))
		up->told = 1;
	return 0;
}

/* Will the other side accept this RST?  It does at the number that it has
 * acknowledged (RFC 5961, 3.2), which is the one that a genuine sender uses.
 * Others may be forged. */
static __always_inline void note_rst(const struct pkt *p, struct splice_dir *d,
				     __u32 seq)
{
	struct splice_dir *back = other_of(p);

	if (seq != d->nxt && (!back || seq - d->dseq != back->acked))
		return;
	d->seen |= SPLICE_RST;
	if (back)
		tell(p, d, back);
}

/* Note the numbers of @th, which is translated except for its options. */
static __always_inline void note(const struct pkt *p, struct splice_dir *d,
				 const struct tcphdr *th)
{
	__u32 seq = bpf_ntohl(th->seq), nxt;
	struct splice_dir *back;

	nxt = seq + p->len - th->doff * 4 + th->fin;
	d->last_ns = bpf_ktime_get_coarse_ns();
	d->packets++;
	d->bytes += p->len - th->doff * 4;
	if (th->rst) {
		note_rst(p, d, seq);
		return;
	}
	if (nxt - d->nxt < AHEAD_MAX) {
		d->nxt = nxt;
		if (th->fin)
			d->seen |= SPLICE_FIN;
	}
	if (!th->ack)
		return;
	d->acked = bpf_ntohl(th->ack_seq);
	d->wnd = bpf_ntohs(th->window);
	if (!(d->seen &
	      SPLICE_FIN)) /* who acknowledges last has sent its own */
		return;
	back = other_of(p);
	if (back && is_over(d, back) && is_over(back, d))
		tell(p, d, back);
}

/* The first 16 bytes of the header: numbers, acknowledgment, window. */
static __always_inline __s64 move_numbers(struct tcphdr *th,
					  const struct splice_dir *d)
{
	__be32 *f = (__be32 *)th, was[3], is[3];

	was[0] = f[1];
	was[1] = f[2];
	was[2] = f[3];
	is[0] = shifted(f[1], d->dseq);
	is[1] = th->ack ? shifted(f[2], d->dack) : f[2];
	is[2] = new_window(bpf_ntohl(f[3]), d);
	f[1] = is[0];
	f[2] = is[1];
	f[3] = is[2];
	return bpf_csum_diff(was, 12, is, 12, 0);
}

static __always_inline int translate(struct __sk_buff *skb, const struct pkt *p,
				     struct splice_dir *d, __u32 l4)
{
	void *data = (void *)(long)skb->data,
	     *end = (void *)(long)skb->data_end;
	struct tcphdr *th = data + l4;
	struct walk w = {.dack = d->dack,
			 .dtsval = d->ts ? d->dtsval : 0,
			 .dtsecr = d->ts ? d->dtsecr : 0,
			 .late = p->late && d->ts,
			 .floor = d->newest_ts};
	__u32 thl;
	__s64 diff;

	if ((void *)(th + 1) > end)
		return TC_ACT_OK;
	thl = th->doff * 4;
	if (thl < 20 || p->len < thl)
		return TC_ACT_SHOT;
	diff = move_numbers(th, d);
	note(p, d, th);
	w.len = thl - 20;
	w.ack = th->ack;
	if (d->ts && only_timestamps(th, end, w.len))
		diff = move_timestamps(p, th, end, d, diff);
	else if (w.len && !walk_options(skb, &w, l4 + 20, &diff))
		return TC_ACT_SHOT;
	if (d->ts && w.has_ts)
		note_ts(d, w.tsval);
	if (bpf_l4_csum_replace(skb, l4 + TCP_CHECK, 0, (__u32)diff, 0))
		return TC_ACT_SHOT;
	skb->mark = (skb->mark & ~d->mask) | d->mark;
	return TC_ACT_OK;
}

/* @l2: bytes before the IP header. */
static __always_inline int splice(struct __sk_buff *skb, __u32 l2)
{
	struct splice_dir *d;
	struct tcphdr *th;
	void *data, *end;
	struct pkt p = {};
	bool v6 = skb->protocol == bpf_htons(ETH_P_IPV6);
	__u32 l4 = l2 + (v6 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr));

	if (!v6 && skb->protocol != bpf_htons(ETH_P_IP))
		return TC_ACT_OK;
	if (skb->data_end - skb->data < l4 + 20 &&
	    bpf_skb_pull_data(skb, l4 + 20))
		return TC_ACT_OK;
	data = (void *)(long)skb->data;
	end = (void *)(long)skb->data_end;
	if (v6 ? !read6(&p, data + l2, end) : !read4(&p, data + l2, end))
		return TC_ACT_OK;
	th = data + l4;
	if ((void *)(th + 1) > end)
		return TC_ACT_OK;
	p.key.sport = th->source;
	p.key.dport = th->dest;
	if (th->syn)
		return TC_ACT_OK;
	d = bpf_map_lookup_elem(&flows, &p.key);
	if (!d || (l2 && d->held))
		return TC_ACT_OK;
	p.late = !l2;
	if (p.late && d->held)
		d->held--;
	return translate(skb, &p, d, l4);
}

SEC("tc")
int penstock_splice(struct __sk_buff *skb)
{
	return splice(skb, ETH_HLEN);
}

/* The TUN has no link layer. */
SEC("tc")
int penstock_splice_tun(struct __sk_buff *skb)
{
	return splice(skb, 0);
}
