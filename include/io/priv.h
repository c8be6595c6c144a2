/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCK_IO_PRIV_H
#define PENSTOCK_IO_PRIV_H

/*
 * The privileges that packet I/O needs, and one clear line in the log for each
 * that is missing.
 */
#include "util/types.h"

/**
 * priv_has_net_admin() - May this process bind queues and attach a TUN?
 */
bool priv_has_net_admin(void);

/**
 * priv_drop() - Keep CAP_NET_ADMIN, which each verdict needs, and nothing else
 *
 * For the calling thread and those it starts later: call it before.  Also sets
 * no_new_privs.  Where the process has no capability at all nothing is done.
 * Return: 0 or -errno, with a line logged
 */
int priv_drop(void);

/**
 * priv_hide_memory() - What gcore(1) makes of this process holds no memory
 *
 * Memory holds keys and what connections carry.  root may undo it for a running
 * process: /proc/PID/coredump_filter, core(5).
 */
void priv_hide_memory(void);

/**
 * priv_no_core() - The kernel makes no core of this process
 *
 * Not even one without memory: registers hold what was copied last.  Call it
 * when all threads have their names; later a process that is not root cannot
 * set them any more.
 */
void priv_no_core(void);

/**
 * priv_lend() - Let programs that the calling thread starts have CAP_NET_ADMIN
 *
 * As an ambient capability, so that they need not run as root.  Failure is not
 * reported here: the program will report it.
 */
void priv_lend(void);

/**
 * priv_explain_queue() - Log why a queue could not be bound
 * @queue: queue number
 * @err:   -errno as the kernel gave it
 *
 * The kernel says EPERM for a missing capability as well as for a queue that
 * another socket owns; this tells them apart.
 * Return: -EPERM (no CAP_NET_ADMIN), -EBUSY (owned by another) or @err
 */
int priv_explain_queue(uint16_t queue, int err);

/**
 * priv_explain_tun() - Log why the TUN device could not be attached
 * @name: device
 * @step: what failed: "open", "attach", "up"
 * @err:  -errno as the kernel gave it
 *
 * Return: @err
 */
int priv_explain_tun(const char *name, const char *step, int err);

#endif
