/* SPDX-License-Identifier: MIT */
/*
 * One NFQUEUE: receive and parse.
 *
 * A batch of messages is received into counted buffers, so that payload that
 * the engine keeps is not copied: the engine keeps the buffer, and the ring
 * gets another one.  The ring's buffers come from the pool's reserve, and the
 * engine keeps no more when the pool is at its limit.  So there is always a
 * buffer for the acknowledgments that free the others.
 */
#include <errno.h>
#include <netinet/in.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_queue.h>
#include <linux/netlink.h>
#include <stdlib.h>
#include <unistd.h>

#include "io/nfq.h"

#define PACKET_TYPE ((NFNL_SUBSYS_QUEUE << 8) | NFQNL_MSG_PACKET)
#define ATTR_TYPE_MASK 0x3fffu /* NLA_TYPE_MASK, unsigned */
#define HOOK_OFF offsetof(struct nfqnl_msg_packet_hdr, hook)
#define STATS_TEXT (64u << 10) /* bytes: some 900 queues */
#define LOOPBACK_INDEX 1u      /* of lo, in each network namespace */
#define MSG_HDR_LEN (sizeof(struct nlmsghdr) + sizeof(struct nfgenmsg))

static enum packet_csum csum_state(uint32_t info)
{
	if (info & NFQA_SKB_CSUMNOTREADY)
		return PACKET_CSUM_PARTIAL;
	if (info & NFQA_SKB_CSUM_NOTVERIFIED)
		return PACKET_CSUM_VERIFY;
	return PACKET_CSUM_GOOD;
}

/* Read an attribute if it matters; @p is its payload of @n bytes.  Return: true
 * when it was the packet's id. */
static bool take_attr(struct nfq_packet *out, uint16_t type, const uint8_t *p,
		      size_t n)
{
	switch (type) {
	case NFQA_PACKET_HDR:
		if (n < sizeof(struct nfqnl_msg_packet_hdr))
			break;
		out->id = get_be32(p);
		out->carrier = p[HOOK_OFF] == NF_INET_PRE_ROUTING;
		return true;
	case NFQA_SKB_INFO:
		if (n < 4)
			break;
		out->pkt.csum = csum_state(get_be32(p));
		if (get_be32(p) & NFQA_SKB_GSO)
			out->carrier = false;
		break;
	case NFQA_IFINDEX_INDEV:
		out->local = n >= 4 && get_be32(p) == LOOPBACK_INDEX;
		break;
	case NFQA_CAP_LEN:
		if (n >= 4)
			out->pkt.full_len = get_be32(p);
		break;
	case NFQA_PAYLOAD:
		out->pkt.data = p;
		out->pkt.len = (uint32_t)n;
		break;
	default:
		break;
	}
	return false;
}

/* Is it a TCP/IP packet without options or extension headers?  Then it can be
 * replaced by another one. */
static bool is_plain(const struct packet *p)
{
	if (p->len != p->full_len || p->len < 40)
		return false;
	return p->data[0] == 0x45 ||
	       (p->data[0] >> 4 == 6 && p->data[6] == IPPROTO_TCP);
}

static enum nfq_msg msg_kind(const struct nlmsghdr *nlh, size_t len)
{
	if (len < MSG_HDR_LEN || nlh->nlmsg_len < MSG_HDR_LEN)
		return NFQ_MSG_BAD;
	if (nlh->nlmsg_type == NLMSG_ERROR)
		return NFQ_MSG_ERROR;
	return nlh->nlmsg_type == PACKET_TYPE ? NFQ_MSG_PACKET : NFQ_MSG_OTHER;
}

enum nfq_msg nfq_parse(struct buf *buf, size_t len, struct nfq_packet *out)
{
	const struct nlmsghdr *nlh = (const void *)buf->data;
	enum nfq_msg kind = msg_kind(nlh, len);
	const uint8_t *p;
	size_t left, step;
	bool has_id = false;
	struct nlattr a;

	*out = (struct nfq_packet){.pkt.buf = buf,
				   .pkt.csum = PACKET_CSUM_GOOD};
	if (kind != NFQ_MSG_PACKET)
		return kind;
	if (nlh->nlmsg_len < len)
		len = nlh->nlmsg_len;
	p = buf->data + MSG_HDR_LEN;
	for (left = len - MSG_HDR_LEN; left >= sizeof(a); left -= step) {
		memcpy(&a, p, sizeof(a));
		if (a.nla_len < sizeof(a) || a.nla_len > left)
			return NFQ_MSG_BAD;
		has_id |= take_attr(out, a.nla_type & ATTR_TYPE_MASK,
				    p + sizeof(a), a.nla_len - sizeof(a));
		/* the last attribute may have no padding */
		step = ((size_t)a.nla_len + 3) & ~(size_t)3;
		if (step > left)
			break;
		p += step;
	}
	if (!has_id || !out->pkt.len)
		return NFQ_MSG_BAD;
	/* the kernel gives the full length only if it has cut the packet */
	if (!out->pkt.full_len)
		out->pkt.full_len = out->pkt.len;
	out->carrier = out->carrier && is_plain(&out->pkt);
	return NFQ_MSG_PACKET;
}

void nfq_ring_init(struct nfq_ring *r, struct buf_pool *pool)
{
	int i;

	memset(r, 0, sizeof(*r));
	r->pool = pool;
	for (i = 0; i < NFQ_BATCH; i++) {
		r->iov[i].iov_len = BUF_RX_SIZE;
		r->msg[i].msg_hdr.msg_iov = &r->iov[i];
		r->msg[i].msg_hdr.msg_iovlen = 1;
	}
}

void nfq_ring_fini(struct nfq_ring *r)
{
	int i;

	for (i = 0; i < NFQ_BATCH; i++) {
		if (r->buf[i])
			buf_put(r->buf[i]);
		r->buf[i] = NULL;
	}
}

/* Fill the first @max slots.  Return: how many have a buffer. */
static int refill(struct nfq_ring *r, int max)
{
	struct buf *b;
	int i;

	for (i = 0; i < max; i++) {
		if (r->buf[i] && r->buf[i]->refs > 1) {
			buf_put(r->buf[i]);
			r->buf[i] = NULL;
		}
		if (r->buf[i])
			continue;
		b = buf_alloc_reserve(r->pool);
		if (!b)
			break;
		r->buf[i] = b;
		r->iov[i].iov_base = b->data;
	}
	return i;
}

int nfq_recv(struct nfq *q, struct nfq_ring *r, int max, struct io_counters *c)
{
	int room = refill(r, max);
	int n;

	if (room < max)
		c->rx_no_buffer++;
	if (!room)
		return -ENOBUFS;
	n = recvmmsg(q->fd, r->msg, (unsigned int)room, MSG_DONTWAIT, NULL);
	if (n > 0) {
		c->rx_batches++;
		return n;
	}
	if (errno == ENOBUFS) {
		c->rx_enobufs++;
		return 0;
	}
	if (errno == EAGAIN || errno == EINTR || errno == ENOMEM)
		return 0;
	return -errno;
}

/*
 * A line is: queue, portid, waiting, copy mode, copy range, queue_dropped,
 * user_dropped, last id, 1.
 */
static bool stats_line(const char *line, uint16_t queue, uint64_t v[7])
{
	char *end;
	int i;

	for (i = 0; i < 7; i++) {
		v[i] = strtoull(line, &end, 10);
		if (end == line)
			return false;
		line = end;
	}
	return v[0] == queue;
}

int nfq_kernel_stats(const struct nfq *q, struct nfq_stats *s)
{
	char text[STATS_TEXT];
	char *line, *next;
	uint64_t v[7];
	ssize_t n;

	if (q->proc_fd < 0)
		return -EBADF;
	n = pread(q->proc_fd, text, sizeof(text) - 1, 0);
	if (n < 0)
		return -errno;
	text[n] = '\0';
	for (line = text; line && *line; line = next) {
		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		if (!stats_line(line, q->queue, v))
			continue;
		*s = (struct nfq_stats){
			.waiting = (uint32_t)v[2],
			.dropped = v[5],
			.user_dropped = v[6],
		};
		return 0;
	}
	return -ENOENT;
}
