/* SPDX-License-Identifier: MIT */
/*
 * The verdicts of one batch, gathered and sent in one datagram.
 *
 * nfnetlink handles all messages of a datagram, so a batch costs one system
 * call, whatever its verdicts are.  A batch verdict covers every packet up to
 * its id that has no verdict yet.  So a run of consumed neighbours is one
 * message, and a packet whose message could not be read is dropped with the
 * next run.
 *
 * Verdicts are in the order of arrival.  The kernel searches its list of
 * packets from the oldest on, so each search ends at the first entry.
 *
 * A verdict can carry a packet.  The kernel lets the queued packet continue
 * with other bytes in it.  PREROUTING is before routing, so the new packet goes
 * where its own addresses say.  Stateless answers and most small packets are
 * sent in this way (see egress.c).
 *
 * If the verdicts of a batch carry much, they are sent in several datagrams:
 * the kernel needs contiguous memory for each.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_queue.h>
#include <linux/netlink.h>

#include "io/nfq.h"

#define NFQ_TYPE(msg) ((NFNL_SUBSYS_QUEUE << 8) | (msg))

struct verdict_msg {
	struct nlmsghdr nlh;
	struct nfgenmsg nfg;
	struct nlattr attr;
	struct nfqnl_msg_verdict_hdr hdr;
};

/* Begin a verdict message; the caller adds attributes to nlmsg_len. */
static struct verdict_msg *put_verdict(const struct nfq *q,
				       struct nfq_verdicts *v, uint16_t type,
				       uint32_t verdict, uint32_t id)
{
	struct verdict_msg *m = (void *)(v->buf + v->len);

	*m = (struct verdict_msg){
		.nlh =
			{
				.nlmsg_len = sizeof(*m),
				.nlmsg_type = NFQ_TYPE(type),
				.nlmsg_flags = NLM_F_REQUEST,
			},
		.nfg =
			{
				.nfgen_family = AF_UNSPEC,
				.version = NFNETLINK_V0,
				.res_id = htons(q->queue),
			},
		.attr =
			{
				.nla_len = sizeof(m->attr) + sizeof(m->hdr),
				.nla_type = NFQA_VERDICT_HDR,
			},
		.hdr = {.verdict = htonl(verdict), .id = htonl(id)},
	};
	v->len += sizeof(*m);
	return m;
}

static uint8_t *put_attr(struct nfq_verdicts *v, struct verdict_msg *m,
			 uint16_t type, size_t len)
{
	struct nlattr *a = (void *)(v->buf + v->len);
	size_t room = (sizeof(*a) + len + 3) & ~(size_t)3;

	a->nla_type = type;
	a->nla_len = (uint16_t)(sizeof(*a) + len);
	memset((uint8_t *)a + a->nla_len, 0, room - a->nla_len);
	m->nlh.nlmsg_len += (uint32_t)room;
	v->len += room;
	return (uint8_t *)(a + 1);
}

/**
 * struct address_at - Where the addresses of a packet are, and their length
 */
struct address_at {
	uint8_t src, dst, len;
};

static struct address_at address_at(uint8_t family)
{
	return family == 6 ? (struct address_at){8, 24, 16}
			   : (struct address_at){12, 16, 4};
}

void nfq_verdict_add(struct nfq_verdicts *v, const struct nfq_packet *p,
		     enum nfq_action action)
{
	struct nfq_slot *s = &v->slot[v->n++];

	s->id = p->id;
	s->action = (uint8_t)action;
	s->family = p->carrier ? p->pkt.data[0] >> 4 : 0;
	s->local = p->local;
	if (s->family && s->local) {
		struct address_at at = address_at(s->family);

		memcpy(s->data, p->pkt.data + at.src, at.len);
	}
}

void nfq_verdict_move(struct nfq_verdicts *v, const struct nfq_packet *p,
		      uint16_t queue)
{
	nfq_verdict_add(v, p, NFQ_MOVE);
	v->slot[v->n - 1].len = queue;
}

void nfq_verdict_reply(struct nfq_verdicts *v, const struct nfq_packet *p,
		       const struct tx *reply)
{
	nfq_verdict_add(v, p, NFQ_DROP);
	nfq_verdict_carry(&v->slot[v->n - 1], reply);
}

/* What has its route takes only what that route leads to: the sender is on this
 * host, as the packet came by lo. */
static bool leads_there(const struct nfq_slot *s, const struct tx *tx)
{
	struct address_at at = address_at(tx->family);

	return !s->local || !memcmp(s->data, tx->hdr + at.dst, at.len);
}

struct nfq_slot *nfq_verdict_carrier(struct nfq_verdicts *v,
				     const struct tx *tx)
{
	int *next = &v->next[tx->family == 6];
	struct nfq_slot *s;

	for (; *next < v->n; ++*next) {
		s = &v->slot[*next];
		if (s->action == NFQ_DROP && s->family == tx->family &&
		    leads_there(s, tx))
			return s;
	}
	return NULL;
}

void nfq_verdict_carry(struct nfq_slot *slot, const struct tx *tx)
{
	uint8_t *p = slot->data;
	int i;

	memcpy(p, tx->hdr, tx->hdr_len);
	p += tx->hdr_len;
	for (i = 0; i < tx->niov; i++) {
		memcpy(p, tx->iov[i].iov_base, tx->iov[i].iov_len);
		p += tx->iov[i].iov_len;
	}
	slot->action = NFQ_REPLACE;
	slot->len = (uint16_t)(p - slot->data);
}

static void put_replace(const struct nfq *q, struct nfq_verdicts *v,
			const struct nfq_slot *s)
{
	struct verdict_msg *m;
	uint32_t mark;

	m = put_verdict(q, v, NFQNL_MSG_VERDICT, NF_ACCEPT, s->id);
	memcpy(put_attr(v, m, NFQA_PAYLOAD, s->len), s->data, s->len);
	if (q->mark) {
		mark = htonl(q->mark);
		memcpy(put_attr(v, m, NFQA_MARK, 4), &mark, 4);
	}
}

/* A run of dropped neighbours is one message, with the id of the last one. */
static void put_slot(const struct nfq *q, struct nfq_verdicts *v, int i)
{
	const struct nfq_slot *s = &v->slot[i];

	if (s->action == NFQ_REPLACE)
		put_replace(q, v, s);
	else if (s->action == NFQ_ACCEPT)
		put_verdict(q, v, NFQNL_MSG_VERDICT, NF_ACCEPT, s->id);
	else if (s->action == NFQ_MOVE)
		put_verdict(q, v, NFQNL_MSG_VERDICT, NF_QUEUE_NR(s->len),
			    s->id);
	else if (i + 1 == v->n || s[1].action != NFQ_DROP)
		put_verdict(q, v, NFQNL_MSG_VERDICT_BATCH, NF_DROP, s->id);
}

static void send_datagram(struct nfq *q, struct nfq_verdicts *v,
			  struct io_counters *c)
{
	ssize_t n;

	do
		n = send(q->fd, v->buf, v->len, 0);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		c->verdict_errors++;
	c->verdict_sends++;
	v->len = 0;
}

void nfq_verdict_flush(struct nfq *q, struct nfq_verdicts *v,
		       struct io_counters *c)
{
	int i;

	for (i = 0; i < v->n; i++) {
		if (v->len + NFQ_VERDICT_ROOM > sizeof(v->buf))
			send_datagram(q, v, c);
		put_slot(q, v, i);
	}
	if (v->len)
		send_datagram(q, v, c);
	v->n = 0;
	v->next[0] = v->next[1] = 0;
}
