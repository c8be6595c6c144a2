/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCK_IO_SANDBOX_H
#define PENSTOCK_IO_SANDBOX_H

/*
 * Which system calls a thread may make from now on (seccomp).  Any other ends
 * the process: a thread that asks for it is no longer ours.
 *
 * Does nothing in builds with a sanitizer, which makes calls of its own, and
 * where the kernel has no seccomp, which is logged once.
 */

/* The calling thread is a worker: packets in and out, time, memory. */
void sandbox_worker(void);

/* The calling thread, and programs that it runs: the control plane, which also
 * reads files, and runs iptables to look after the rules. */
void sandbox_main(void);

#endif
