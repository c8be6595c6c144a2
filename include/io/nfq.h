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
 * @taken:  a socket that another process has bound to @queue, with the packets
 *          that wait in it; 0 = none.  Belongs to the queue from now on
 */
struct nfq_cfg {
	uint16_t queue;
	uint32_t maxlen;
	uint32_t rcvbuf;
	uint32_t mark;
	int taken;
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

/* The kernel drops packets that still wait in the queue. */
void nfq_close(struct nfq *q);

/**
 * struct nfq_packet - A packet from the queue
 * @pkt: what the engine sees
 * @id:  id for the verdict
 * @carrier: its verdict may carry another packet.  Not possible for a
 *       super-segment, whose segmentation marks stay in the kernel, for a
 *       packet with IP options or extension headers, or after PREROUTING, when
 *       routing is done
 * @local: it came by lo, so it is routed already: to this host.  Its verdict
 *       may carry what goes to its own sender, and nothing else
 */
struct nfq_packet {
	struct packet pkt;
	uint32_t id;
	bool carrier, local;
};

enum nfq_msg {
	NFQ_MSG_PACKET, /* *out is valid */
	NFQ_MSG_ERROR,	/* the kernel refused a verdict */
	NFQ_MSG_OTHER,	/* ignore it */
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
 * struct nfq_ring - The buffers for the next batch
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
 * @max: most messages, 1..NFQ_BATCH
 * @c:   counters
 *
 * A buffer that the engine has kept since the last call is replaced by a new
 * one.  If there is none, fewer messages are received.
 * Return: messages received; 0 when there is none now; -ENOBUFS when there is
 * not one buffer to receive into; another -errno when the socket is broken
 */
int nfq_recv(struct nfq *q, struct nfq_ring *r, int max, struct io_counters *c);

enum nfq_action {
	NFQ_DROP,
	NFQ_ACCEPT,
	NFQ_REPLACE,
	NFQ_MOVE
};

#define NFQ_RIDE_MAX 1536u /* bytes of a packet that a verdict carries */
#define NFQ_VERDICT_ROOM (20 + 12 + 8 + 4 + NFQ_RIDE_MAX) /* netlink bytes */

/**
 * struct nfq_slot - The verdict of one packet
 * @id:     the packet
 * @action: enum nfq_action
 * @family: 4 or 6 when a packet of that family may be carried; 0 = none
 * @local:  struct nfq_packet has it
 * @len:    NFQ_REPLACE: bytes of @data.  NFQ_MOVE: the queue that it goes to
 * @data:   NFQ_REPLACE: the packet that goes out instead.  Until then, of a
 *          @local one: the address of its sender
 */
struct nfq_slot {
	uint32_t id;
	uint8_t action;
	uint8_t family;
	bool local;
	uint16_t len;
	uint8_t data[NFQ_RIDE_MAX];
};

#define NFQ_DATAGRAM (16u << 10) /* bytes of verdicts sent at once */

/**
 * struct nfq_verdicts - Verdicts of one batch, in arrival order
 * @n:    slots in use
 * @next: per family (4, 6): where to look for the next carrier
 * @len:  bytes of @buf in use
 * @buf:  netlink messages
 */
struct nfq_verdicts {
	int n;
	int next[2];
	struct nfq_slot slot[NFQ_BATCH];
	size_t len;
	uint8_t buf[NFQ_DATAGRAM];
};

/* Decide on a packet: NFQ_DROP or NFQ_ACCEPT.  Once each, in arrival order. */
void nfq_verdict_add(struct nfq_verdicts *v, const struct nfq_packet *p,
		     enum nfq_action action);

/* Or let it go on to another queue, where it arrives unchanged. */
void nfq_verdict_move(struct nfq_verdicts *v, const struct nfq_packet *p,
		      uint16_t queue);

/**
 * nfq_verdict_reply() - Send an answer in place of the packet
 * @p:     a packet with @carrier set
 * @reply: the answer; checksums complete, no payload
 *
 * Routing comes after PREROUTING, so the answer is routed by its own address.
 */
void nfq_verdict_reply(struct nfq_verdicts *v, const struct nfq_packet *p,
		       const struct tx *reply);

/**
 * nfq_verdict_carrier() - Find a dropped packet that can carry another
 * @tx: the other one
 * Return: its slot, for nfq_verdict_carry() at once, or NULL
 */
struct nfq_slot *nfq_verdict_carrier(struct nfq_verdicts *v,
				     const struct tx *tx);

/**
 * nfq_verdict_carry() - Send a packet in the place of a dropped one
 * @slot: from nfq_verdict_carrier()
 * @tx:   the packet, copied; checksums complete, at most NFQ_RIDE_MAX bytes
 *
 * It leaves with nfq_verdict_flush(), in the order of the slots.
 */
void nfq_verdict_carry(struct nfq_slot *slot, const struct tx *tx);

/* Send all verdicts, in one datagram unless they carry much, and begin
 * again. */
void nfq_verdict_flush(struct nfq *q, struct nfq_verdicts *v,
		       struct io_counters *c);

/**
 * struct nfq_stats - The kernel's numbers of a queue
 * @waiting:      packets without a verdict now
 * @dropped:      so far, because the queue was full
 * @user_dropped: so far, because the socket was full
 */
struct nfq_stats {
	uint32_t waiting;
	uint64_t dropped, user_dropped;
};

/* Read the kernel's numbers of this queue.  Return: 0 or -errno */
int nfq_kernel_stats(const struct nfq *q, struct nfq_stats *s);

#endif
