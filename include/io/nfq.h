/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCK_IO_NFQ_H
#define PENSTOCK_IO_NFQ_H

/*
 * One NFQUEUE: packets in, verdicts out.
 */
#include <sys/socket.h>

#include "io/counters.h"
#include "util/buf.h"
#include "wire/packet.h"

#define NFQ_BATCH 64	      /* messages of one recvmmsg */
#define NFQ_COPY_RANGE 65531u /* bytes: what an nlattr's length can hold */

/**
 * struct nfq_cfg - How to open a queue
 * @queue:  queue number
 * @maxlen: packets the kernel keeps while they wait; 0 = NFQ_MAXLEN_DEFAULT
 * @rcvbuf: socket receive buffer, bytes; 0 = NFQ_RCVBUF_DEFAULT
 * @mark:   fwmark put on answers, 0 = none
 */
struct nfq_cfg {
	uint16_t queue;
	uint32_t maxlen;
	uint32_t rcvbuf;
	uint32_t mark;
};

#define NFQ_MAXLEN_DEFAULT 16384u
#define NFQ_RCVBUF_DEFAULT (64u << 20)

/**
 * struct nfq - An open queue
 * @fd:      netlink socket, non-blocking; poll it for reading
 * @proc_fd: the kernel's queue statistics, or -1
 * @queue:   queue number
 * @mark:    fwmark put on answers, 0 = none
 * @mnl:     owner of @fd
 */
struct nfq {
	int fd;
	int proc_fd;
	uint16_t queue;
	uint32_t mark;
	struct mnl_socket *mnl;
};

/**
 * nfq_open() - Bind a queue
 * @q:   out
 * @cfg: borrowed
 *
 * Sets F_GSO, copies whole packets, raises both kernel limits.  On failure one
 * line that says what to do has been logged.
 * Return: 0; -EPERM without CAP_NET_ADMIN; -EBUSY when another socket owns
 * the queue; another -errno
 */
int nfq_open(struct nfq *q, const struct nfq_cfg *cfg);

/* Packets that still wait in the kernel's queue are dropped by it. */
void nfq_close(struct nfq *q);

/**
 * struct nfq_packet - A packet out of the queue
 * @pkt: what the engine sees
 * @id:  what the verdict names
 * @gso: the kernel holds it as a super-segment, so its verdict must not carry
 *       a replaced payload
 */
struct nfq_packet {
	struct packet pkt;
	uint32_t id;
	bool gso;
};

enum nfq_msg {
	NFQ_MSG_PACKET, /* *out is valid */
	NFQ_MSG_ERROR,	/* the kernel refused a verdict */
	NFQ_MSG_OTHER,	/* to be ignored */
	NFQ_MSG_BAD,	/* malformed, without id or without payload */
};

/**
 * nfq_parse() - Decode one netlink message
 * @buf: buffer that holds the message; its @data is the message's first byte
 * @len: bytes received
 * @out: out, with NFQ_MSG_PACKET
 */
enum nfq_msg nfq_parse(struct buf *buf, size_t len, struct nfq_packet *out);

/**
 * struct nfq_ring - The buffers that the next batch goes into
 * @pool: where buffers come from; borrowed
 * @buf:  one per message; NULL where a buffer is missing
 */
struct nfq_ring {
	struct buf_pool *pool;
	struct buf *buf[NFQ_BATCH];
	struct iovec iov[NFQ_BATCH];
	struct mmsghdr msg[NFQ_BATCH];
};

void nfq_ring_init(struct nfq_ring *r, struct buf_pool *pool);
void nfq_ring_fini(struct nfq_ring *r);

/**
 * nfq_recv() - Receive a batch without blocking
 * @q:   the queue
 * @r:   the ring; message i is then r->buf[i], r->msg[i].msg_len bytes
 * @max: at most so many, 1..NFQ_BATCH
 * @c:   counters
 *
 * A buffer that the engine kept a reference to since the last call is let go
 * here and replaced by a fresh one; when none can be had, fewer are received.
 * Return: messages received; 0 when there is none now; -ENOBUFS when there is
 * not one buffer to receive into; another -errno when the socket is broken
 */
int nfq_recv(struct nfq *q, struct nfq_ring *r, int max, struct io_counters *c);

/**
 * struct nfq_verdicts - Verdicts of one batch, in arrival order
 * @len:  bytes of @buf in use
 * @run:  a run of consumed packets is open, up to and including @last
 * @last: id of the newest consumed packet
 *
 * Consumed neighbours share one batch verdict.  Room for every packet of a
 * batch to be answered singly.
 */
#define NFQ_REPLY_MAX TX_HDR_MAX
#define NFQ_VERDICT_ROOM (20 + 12 + 8 + 4 + NFQ_REPLY_MAX)

struct nfq_verdicts {
	size_t len;
	bool run;
	uint32_t last;
	uint8_t buf[NFQ_BATCH * 2 * NFQ_VERDICT_ROOM];
};

void nfq_verdict_drop(struct nfq *q, struct nfq_verdicts *v, uint32_t id);
void nfq_verdict_accept(struct nfq *q, struct nfq_verdicts *v, uint32_t id);

/**
 * nfq_verdict_reply() - Accept the packet with an answer in its place
 * @reply: the answer; checksums complete, no payload
 *
 * Routing comes after PREROUTING, so the answer finds its own way.
 */
void nfq_verdict_reply(struct nfq *q, struct nfq_verdicts *v, uint32_t id,
		       const struct tx *reply);

/* Send what has been gathered, in one datagram, and start anew. */
void nfq_verdict_flush(struct nfq *q, struct nfq_verdicts *v,
		       struct io_counters *c);

/**
 * nfq_kernel_stats() - Read the kernel's loss counters of this queue
 * @waiting: out: packets that wait for a verdict now; may be NULL
 * Return: 0 or -errno
 */
int nfq_kernel_stats(struct nfq *q, struct io_counters *c, uint32_t *waiting);

#endif
