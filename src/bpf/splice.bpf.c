/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * The relay in the kernel: segments of an admitted connection are translated
 * from the numbers of one leg to those of the other, and forwarded.
 *
 * An entry is a connection, with both directions.  A constant is added to
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
 * All valid headers are translated, and the hosts judge them.  But only what a
 * host can accept changes an entry (RFC 9293, 3.10.7.4; RFC 5961, 5): sequence
 * numbers in the window of the one side, acknowledgments of what it was allowed
 * to send.  A host that has reset the connection is silent afterwards, but for
 * more RSTs.
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
#define TCP_CHECK 16	   /* offset of the checksum */
#define OLD_MAX (1u << 26) /* an older acknowledgment is invalid */
#define EDGE_ROOM 2	   /* beyond the window: a FIN and a probe */
#define HDR_NOP_NOP_TS 0x0101080a

char LICENSE[] SEC("license") = "Dual MIT/GPL";

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, SPLICE_FLOWS);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct splice_key);
	__type(value, struct splice_entry);
} flows SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, SPLICE_RING);
} ends SEC(".maps");

struct pkt {
	struct splice_key key;
	__u32 from; /* where its source is in @key */
	__u32 len;  /* of the segment, header included */
	bool late;  /* it came by way of the daemon */
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

static __always_inline void mapped(__u32 *to, __be32 a)
{
	to[0] = to[1] = 0;
	to[2] = bpf_htonl(0xffff);
	to[3] = a;
}

static __always_inline bool read4(struct pkt *p, void *at, void *end)
{
	struct iphdr *ip = at;

	if ((void *)(ip + 1) > end || ip->version != 4 || ip->ihl != 5 ||
	    ip->protocol != IPPROTO_TCP || ip->frag_off & bpf_htons(0x3fff))
		return false;
	mapped(p->key.addr[0], ip->saddr);
	mapped(p->key.addr[1], ip->daddr);
	p->len = bpf_ntohs(ip->tot_len) - sizeof(*ip);
	return true;
}

static __always_inline bool read6(struct pkt *p, void *at, void *end)
{
	struct ipv6hdr *ip = at;

	if ((void *)(ip + 1) > end || ip->version != 6 ||
	    ip->nexthdr != IPPROTO_TCP)
		return false;
	__builtin_memcpy(p->key.addr[0], &ip->saddr, 16);
	__builtin_memcpy(p->key.addr[1], &ip->daddr, 16);
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
					     struct splice_dir *d, bool valid,
					     __s64 diff)
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
	if (valid)
		note_ts(d, tsval);
	return bpf_csum_diff(was, 8, is, 8, (__u32)diff);
}

/* --- the translation --- */

static __always_inline __be32 new_window(__u32 word, const struct splice_dir *d)
{
	__u32 w = (word & 0xffff) << (d->shl & 15) >> (d->shr & 15);

	return bpf_htonl((word & 0xffff0000) | (w > 65535 ? 65535 : w));
}

/* Its FIN was passed on, and so was what acknowledges it. */
static __always_inline bool is_over(const struct splice_dir *d,
				    const struct splice_dir *back)
{
	return d->seen & SPLICE_FIN && back->acked == d->fin - d->dseq;
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
	e.client = d->from_client ? p->from : !p->from;
	e.serial = up->serial;
	if (!bpf_ringbuf_output(&ends, &e, sizeof(e), 0))
		up->told = 1;
	return 0;
}

/* Will the other side accept this RST?  It does at the number that it has
 * acknowledged (RFC 5961, 3.2), which is the one that a genuine sender uses.
 * Others may be forged. */
static __always_inline void note_rst(const struct pkt *p, struct splice_dir *d,
				     struct splice_dir *back, __u32 seq)
{
	if (seq != d->nxt && seq - d->dseq != back->acked)
		return;
	d->seen |= SPLICE_RST;
	tell(p, d, back);
}

/* Can the other side take what ends before @nxt, in the sender's numbers?  Its
 * window is looked up only where the one looked up last is too old to tell: its
 * direction may be at work on another CPU. */
static __always_inline bool in_window(struct splice_dir *d,
				      const struct splice_dir *back, __u32 nxt)
{
	if (nxt - d->lo <= d->hi - d->lo + EDGE_ROOM)
		return true;
	d->lo = back->acked;
	d->hi = back->edge;
	return nxt - d->lo <= d->hi - d->lo + EDGE_ROOM;
}

/* Does it acknowledge what the other side was allowed to send? */
static __always_inline bool ack_fits(const struct splice_dir *d, __u32 ack)
{
	return ack - d->acked <= d->edge - d->acked + EDGE_ROOM ||
	       d->acked - ack <= OLD_MAX;
}

static __always_inline void note_ack(struct splice_dir *d, __u32 ack, __u32 wnd)
{
	__u32 edge = ack + (wnd << (d->shr & 15));

	if ((__s32)(edge - d->edge) > 0)
		d->edge = edge;
	if ((__s32)(ack - d->acked) < 0)
		return;
	d->acked = ack;
	d->wnd = (__u16)wnd;
}

/* Note the numbers of @th, which is translated except for its options.  Return:
 * the other side can accept it */
static __always_inline bool note(const struct pkt *p, struct splice_dir *d,
				 struct splice_dir *back,
				 const struct tcphdr *th)
{
	__u32 seq = bpf_ntohl(th->seq), ack = bpf_ntohl(th->ack_seq), nxt;

	nxt = seq + p->len - th->doff * 4 + th->fin;
	d->packets++;
	d->bytes += p->len - th->doff * 4;
	if (th->rst) {
		note_rst(p, d, back, seq);
		return false;
	}
	if (!th->ack || !in_window(d, back, nxt - d->dseq) || !ack_fits(d, ack))
		return false;
	d->last_ns = bpf_ktime_get_coarse_ns();
	if ((__s32)(nxt - d->nxt) > 0)
		d->nxt = nxt;
	if (th->fin && !is_over(d, back)) {
		d->fin = nxt;
		d->seen |= SPLICE_FIN;
	}
	note_ack(d, ack, bpf_ntohs(th->window));
	/* who acknowledges last has sent its own */
	if (is_over(d, back) && is_over(back, d))
		tell(p, d, back);
	return true;
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
				     struct splice_dir *d,
				     struct splice_dir *back, __u32 l4)
{
	void *data = (void *)(long)skb->data,
	     *end = (void *)(long)skb->data_end;
	struct tcphdr *th = data + l4;
	struct walk w = {.dack = d->dack,
			 .dtsval = d->ts ? d->dtsval : 0,
			 .dtsecr = d->ts ? d->dtsecr : 0,
			 .late = p->late && d->ts,
			 .floor = d->newest_ts};
	bool valid;
	__u32 thl;
	__s64 diff;

	if ((void *)(th + 1) > end)
		return TC_ACT_OK;
	thl = th->doff * 4;
	if (thl < 20 || p->len < thl)
		return TC_ACT_SHOT;
	diff = move_numbers(th, d);
	valid = note(p, d, back, th);
	w.len = thl - 20;
	w.ack = th->ack;
	if (d->ts && only_timestamps(th, end, w.len))
		diff = move_timestamps(p, th, end, d, valid, diff);
	else if (w.len && !walk_options(skb, &w, l4 + 20, &diff))
		return TC_ACT_SHOT;
	if (d->ts && w.has_ts && valid)
		note_ts(d, w.tsval);
	if (bpf_l4_csum_replace(skb, l4 + TCP_CHECK, 0, (__u32)diff, 0))
		return TC_ACT_SHOT;
	skb->mark = (skb->mark & ~d->mask) | d->mark;
	return TC_ACT_OK;
}

/* It comes here once more, by a VLAN or a bridge above the interface. */
static __always_inline bool is_translated(const struct __sk_buff *skb,
					  const struct splice_dir *d)
{
	return d->mark && (skb->mark & d->mask) == d->mark;
}

/* @l2: bytes before the IP header. */
static __always_inline int splice(struct __sk_buff *skb, __u32 l2)
{
	struct splice_dir *d, *back;
	struct splice_entry *e;
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
	if (th->syn)
		return TC_ACT_OK;
	p.key.port[0] = th->source;
	p.key.port[1] = th->dest;
	p.from = splice_key_order(&p.key);
	e = bpf_map_lookup_elem(&flows, &p.key);
	if (!e)
		return TC_ACT_OK;
	d = &e->dir[p.from & 1];
	back = &e->dir[!p.from];
	if ((l2 && d->held) || is_translated(skb, d))
		return TC_ACT_OK;
	if (d->seen & SPLICE_RST && !th->rst)
		return TC_ACT_SHOT;
	p.late = !l2;
	if (p.late && d->held)
		d->held--;
	return translate(skb, &p, d, back, l4);
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
