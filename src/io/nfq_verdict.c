/* SPDX-License-Identifier: MIT */
/*
 * Verdicts of one batch, gathered and sent in one datagram
 *
 * nfnetlink walks all messages of a datagram, so a batch costs one system call
 * however mixed it is.  A batch verdict covers every packet up to its id that
 * has had none yet; a run of consumed neighbours is therefore one message, and
 * a packet whose message we could not read is dropped with the next run.
 *
 * The order is that of arrival: the kernel finds a packet by walking its list
 * from the oldest on, so each look-up ends at the first entry.
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

static void close_run(const struct nfq *q, struct nfq_verdicts *v)
{
	if (v->run)
		put_verdict(q, v, NFQNL_MSG_VERDICT_BATCH, NF_DROP, v->last);
	v->run = false;
}

void nfq_verdict_drop(struct nfq *q, struct nfq_verdicts *v, uint32_t id)
{
	(void)q;
	v->run = true;
	v->last = id;
}

void nfq_verdict_accept(struct nfq *q, struct nfq_verdicts *v, uint32_t id)
{
	close_run(q, v);
	put_verdict(q, v, NFQNL_MSG_VERDICT, NF_ACCEPT, id);
}

void nfq_verdict_reply(struct nfq *q, struct nfq_verdicts *v, uint32_t id,
		       const struct tx *reply)
{
	struct verdict_msg *m;
	uint32_t mark;

	close_run(q, v);
	m = put_verdict(q, v, NFQNL_MSG_VERDICT, NF_ACCEPT, id);
	memcpy(put_attr(v, m, NFQA_PAYLOAD, reply->hdr_len), reply->hdr,
	       reply->hdr_len);
	if (q->mark) {
		mark = htonl(q->mark);
		memcpy(put_attr(v, m, NFQA_MARK, 4), &mark, 4);
	}
}

void nfq_verdict_flush(struct nfq *q, struct nfq_verdicts *v,
		       struct io_counters *c)
{
	ssize_t n;

	close_run(q, v);
	if (!v->len)
		return;
	do
		n = send(q->fd, v->buf, v->len, 0);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		c->verdict_errors++;
	c->verdict_sends++;
	v->len = 0;
}
