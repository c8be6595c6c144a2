/* SPDX-License-Identifier: MIT */
/*
 * One NFQUEUE: bind and configure.
 *
 * The netlink socket owns the queue.  It is connected to the kernel, so no
 * other process can put a message into it.
 *
 * Loss.  There are two limits.  NFQA_CFG_QUEUE_MAXLEN bounds the packets that
 * wait for a verdict; 16384 holds the initial windows of 1,600 connections that
 * begin in the same instant, and is 50 ms of work at the rate at which SYNs are
 * answered: more would only add delay under a flood.  SO_RCVBUF bounds the
 * memory of what we have not read; 64 MiB (the kernel doubles it) holds some
 * 1,800 packets of 64 KiB, twenty maximal receive windows.
 *
 * NETLINK_NO_ENOBUFS is set: without it the first overrun marks the socket
 * congested, and the kernel then drops *every* packet until the socket has been
 * read empty.  With it only what does not fit is lost.  Either way the kernel
 * counts the loss in /proc/net/netfilter/nfnetlink_queue, which
 * nfq_kernel_stats() reads; nothing is lost silently.
 *
 * NFQA_CFG_F_FAIL_OPEN is never set: a packet let through when the queue is
 * full would carry one leg's sequence numbers to the other.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/netfilter/nfnetlink_queue.h>
#include <linux/netlink.h>
#include <unistd.h>

#include <libmnl/libmnl.h>

#include "io/nfq.h"
#include "io/priv.h"
#include "util/log.h"

#define PROC_QUEUE "/proc/net/netfilter/nfnetlink_queue"
#define CONFIG_TYPE ((NFNL_SUBSYS_QUEUE << 8) | NFQNL_MSG_CONFIG)

/* A buffer holds a whole message, with what the kernel adds to the payload. */
_Static_assert(BUF_RX_SIZE > NFQ_COPY_RANGE + 1024, "receive buffer too small");

static void set_socket_limits(const struct nfq *q, const struct nfq_cfg *cfg)
{
	int size = (int)(cfg->rcvbuf ? cfg->rcvbuf : NFQ_RCVBUF_DEFAULT);
	int one = 1;

	/* without the capability the bind below fails with a message */
	if (setsockopt(q->fd, SOL_SOCKET, SO_RCVBUFFORCE, &size,
		       sizeof(size)) &&
	    errno != EPERM)
		log_warn("queue %u: receive buffer stays small: %s", q->queue,
			 strerror(errno));
	if (setsockopt(q->fd, SOL_NETLINK, NETLINK_NO_ENOBUFS, &one,
		       sizeof(one)))
		log_warn("queue %u: NETLINK_NO_ENOBUFS: %s", q->queue,
			 strerror(errno));
}

/* Bind and set all parameters in one message, so that no packet arrives at a
 * queue that is bound but not yet configured.  A queue that is bound already
 * gets the parameters, and no answer is asked for: it would come behind the
 * packets that wait in the socket. */
static size_t build_config(uint8_t *buf, const struct nfq_cfg *cfg)
{
	const struct nfqnl_msg_config_cmd cmd = {
		.command = NFQNL_CFG_CMD_BIND,
	};
	const struct nfqnl_msg_config_params params = {
		.copy_range = htonl(NFQ_COPY_RANGE),
		.copy_mode = NFQNL_COPY_PACKET,
	};
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct nfgenmsg *nfg;

	nlh->nlmsg_type = CONFIG_TYPE;
	nlh->nlmsg_flags = NLM_F_REQUEST | (cfg->taken ? 0 : NLM_F_ACK);
	nfg = mnl_nlmsg_put_extra_header(nlh, sizeof(*nfg));
	nfg->nfgen_family = AF_UNSPEC;
	nfg->version = NFNETLINK_V0;
	nfg->res_id = htons(cfg->queue);
	if (!cfg->taken)
		mnl_attr_put(nlh, NFQA_CFG_CMD, sizeof(cmd), &cmd);
	mnl_attr_put(nlh, NFQA_CFG_PARAMS, sizeof(params), &params);
	mnl_attr_put_u32(nlh, NFQA_CFG_QUEUE_MAXLEN,
			 htonl(cfg->maxlen ? cfg->maxlen : NFQ_MAXLEN_DEFAULT));
	mnl_attr_put_u32(nlh, NFQA_CFG_MASK,
			 htonl(NFQA_CFG_F_GSO | NFQA_CFG_F_UID_GID |
			       NFQA_CFG_F_CONNTRACK | NFQA_CFG_F_FAIL_OPEN));
	mnl_attr_put_u32(nlh, NFQA_CFG_FLAGS, htonl(NFQA_CFG_F_GSO));
	return nlh->nlmsg_len;
}

/* Netlink answers within sendto(), but packets may arrive before the answer:
 * the first batch verdict drops them, and they are sent again. */
static int await_ack(const struct nfq *q)
{
	union {
		struct nlmsghdr nlh;
		uint8_t bytes[8192];
	} m;
	const void *body = m.bytes + sizeof(m.nlh);
	const struct nlmsgerr *e = body;
	ssize_t n;

	for (;;) {
		n = recv(q->fd, &m, sizeof(m), MSG_DONTWAIT);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? -EPROTO : -errno;
		if ((size_t)n >= sizeof(m.nlh) + sizeof(*e) &&
		    m.nlh.nlmsg_type == NLMSG_ERROR)
			return e->error;
	}
}

static int bind_queue(const struct nfq *q, const struct nfq_cfg *cfg)
{
	uint8_t buf[512] __attribute__((aligned(8))) = {0};
	size_t len = build_config(buf, cfg);

	if (mnl_socket_sendto(q->mnl, buf, len) < 0)
		return -errno;
	return cfg->taken ? 0 : await_ack(q);
}

static int open_socket(struct nfq *q, int taken)
{
	struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};

	if (taken) {
		q->mnl = mnl_socket_fdopen(taken);
		q->fd = taken;
		return q->mnl ? 0 : -errno;
	}

	q->mnl = mnl_socket_open2(NETLINK_NETFILTER,
				  SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (!q->mnl)
		return -errno;
	q->fd = mnl_socket_get_fd(q->mnl);
	if (mnl_socket_bind(q->mnl, 0, MNL_SOCKET_AUTOPID) < 0)
		return -errno;
	if (connect(q->fd, (struct sockaddr *)&kernel, sizeof(kernel)))
		return -errno;
	return 0;
}

int nfq_open(struct nfq *q, const struct nfq_cfg *cfg)
{
	int err;

	*q = (struct nfq){
		.fd = -1,
		.proc_fd = -1,
		.queue = cfg->queue,
		.mark = cfg->mark,
	};
	err = open_socket(q, cfg->taken);
	if (err)
		goto err_close;
	set_socket_limits(q, cfg);
	err = bind_queue(q, cfg);
	if (err)
		goto err_close;
	q->proc_fd = open(PROC_QUEUE, O_RDONLY | O_CLOEXEC);
	if (q->proc_fd < 0)
		log_warn("queue %u: %s: %s; loss in the kernel is not counted",
			 q->queue, PROC_QUEUE, strerror(errno));
	return 0;

err_close:
	err = priv_explain_queue(cfg->queue, err);
	nfq_close(q);
	return err;
}

void nfq_close(struct nfq *q)
{
	if (q->mnl)
		mnl_socket_close(q->mnl);
	if (q->proc_fd >= 0)
		close(q->proc_fd);
	q->mnl = NULL;
	q->fd = -1;
	q->proc_fd = -1;
}
