/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCK_IO_COUNTERS_H
#define PENSTOCK_IO_COUNTERS_H

/*
 * What packet I/O counts.  One structure for each worker, written only by its
 * thread.  Read it through worker_call().
 */
#include "util/types.h"

/* clang-format off */
#define IO_COUNTERS(X)                                                        \
	X(rx_packets, "packets received from the queues")                     \
	X(syn_packets, "of those, by the queues for SYNs")                    \
	X(rx_bytes, "bytes of those packets")                                 \
	X(rx_batches, "recvmmsg calls that returned something")               \
	X(rx_truncated, "packets that came without their end")                \
	X(rx_malformed, "netlink messages that were no packet")               \
	X(rx_enobufs, "receive buffer overruns that the socket reported")     \
	X(rx_no_buffer, "batches shortened because buffers ran out")          \
	X(rx_over_limit, "packets dropped: buffer memory is at its limit")    \
	X(queue_dropped, "packets the kernel dropped: queue full")            \
	X(queue_user_dropped, "packets the kernel dropped: socket full")      \
	X(syn_dropped, "packets the kernel dropped: a queue for SYNs full")   \
	X(verdict_drop, "packets consumed")                                   \
	X(verdict_accept, "packets passed on unchanged")                      \
	X(verdict_reply, "packets answered in their own verdict")             \
	X(verdict_moved, "packets given to the worker that has their flow")   \
	X(verdict_sends, "sendmsg calls that carried verdicts")               \
	X(verdict_errors, "verdicts that the kernel refused")                 \
	X(tx_packets, "packets sent, answers in verdicts apart")              \
	X(tx_bytes, "bytes of those packets")                                 \
	X(tx_gso, "packets left to the kernel to segment")                    \
	X(tx_carried, "packets that rode in the verdict of a consumed one")   \
	X(tx_lost, "packets lost for want of kernel memory: TCP recovers")    \
	X(tx_errors, "packets that the kernel refused")                       \
	X(tun_discarded, "packets the kernel sent into the TUN")              \
	X(wakeups, "event loop turns that had something to do")               \
	X(timer_expiries, "timer expiries")
/* clang-format on */

/**
 * struct io_counters - Counters of one worker's packet I/O
 *
 * They never decrease.  The two queue_* counters and syn_dropped are the
 * kernel's, and are copied when they are read.
 */
struct io_counters {
#define IO_COUNTER_FIELD(name, help) uint64_t name;
	IO_COUNTERS(IO_COUNTER_FIELD)
#undef IO_COUNTER_FIELD
};

/**
 * io_counter_get() - Walk the counters
 * @c:    the counters
 * @i:    0, 1, 2, ...
 * @v:    out: the value
 * @help: out: one line of explanation; may be NULL
 *
 * Return: the counter's name, or NULL past the last one
 */
const char *io_counter_get(const struct io_counters *c, uint32_t i, uint64_t *v,
			   const char **help);

/* Add every counter of @from to @to. */
void io_counters_add(struct io_counters *to, const struct io_counters *from);

#endif
