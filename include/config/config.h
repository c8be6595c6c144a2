/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCK_CONFIG_CONFIG_H
#define PENSTOCK_CONFIG_CONFIG_H

/*
 * The configuration file, read once and whole.
 */
#include <stdio.h>

#include "policy/policy.h"
#include "fault/cfg.h"
#include "util/types.h"

enum rules_mode {
	RULES_WATCH,
	RULES_RESTORE,
	RULES_OFF
};

/*
 * Queues of each worker for SYNs alone.  They follow the workers' other queues:
 * queue .. queue + workers - 1, then SYN_QUEUES for the first worker, and so on.
 */
#define SYN_QUEUES 6u
#define DAEMON_QUEUES(d) ((d)->workers * (1 + SYN_QUEUES))

#define FRONT_INTERFACES_MAX 16

enum front_mode {
	FRONT_OFF,
	FRONT_AUTO, /* SYNs are answered by XDP while cookies are sent */
	FRONT_XDP,  /* at all times */
};

/**
 * struct front_ifs - Interfaces by which clients come
 * @name: @n of them
 */
struct front_ifs {
	char name[FRONT_INTERFACES_MAX][16];
	uint32_t n;
};

/**
 * struct daemon_cfg - [penstock], and what of [tcp] belongs to the process
 * @workers:    threads
 * @queue:      number of the first NFQUEUE; of DAEMON_QUEUES()
 * @mark:       firewall mark on what we emit
 * @mark_mask:  bits of the mark that are ours
 * @max_flows:  connections at once, all workers together
 * @max_tw:     TIME_WAIT entries at once, all workers together
 * @max_memory: bytes of buffers, all workers together
 * @secret_rotate:  microseconds that an epoch of cookie keys lasts
 * @shutdown_grace: microseconds that flows may take to end at a stop
 * @tun:        name of the TUN device
 * @secret_file: path of the fleet's secret; empty = a fresh one at each start
 * @control:    path of the control socket; empty = none
 * @http:       ADDRESS:PORT of the HTTP server; empty = none
 * @http_write: it may change faults
 * @http_names: host names that it answers to, besides addresses
 * @fault_log:  path of the file for decisions of faults; empty = none
 * @bpf_dir:    directory of a BPF file system for what is pinned
 * @bpf_interfaces: names of the interfaces that get programs, blanks between
 * @log_level:  enum log_level
 * @log_debug:  the connections that LOG_DEBUG reports
 * @rules:      enum rules_mode
 * @front:      enum front_mode
 * @front_ifs:  where the XDP front is attached
 */
struct daemon_cfg {
	uint32_t workers, queue;
	uint32_t mark, mark_mask;
	uint32_t max_flows, max_tw;
	uint64_t max_memory;
	int64_t shutdown_grace, secret_rotate;
	char tun[16];
	char secret_file[256];
	char control[108];
	char http[64];
	char http_names[256];
	char fault_log[256];
	char bpf_dir[108];
	char bpf_interfaces[256];
	struct trace log_debug;
	struct front_ifs front_ifs;
	uint8_t log_level, http_write, rules, front;
};

/* The number of worker @i's queue. */
uint16_t daemon_queue(const struct daemon_cfg *d, uint32_t i);
/* The first of worker @i's SYN_QUEUES.  The kernel finds a packet's place among
 * all queues of a kind by one hash, so both kinds stand in the workers' order. */
uint16_t daemon_syn_queue(const struct daemon_cfg *d, uint32_t i);

/**
 * struct config - A file that was read and found good
 * @daemon: the process
 * @policy: the services; this struct holds one reference
 * @fault:  @nfault of them, in the order of the file; owned
 */
struct config {
	struct daemon_cfg daemon;
	struct policy *policy;
	struct fault_spec *fault;
	uint32_t nfault;
};

/**
 * config_load() - Read and check a configuration file
 * @path:   the file
 * @out:    out: the configuration, owned by the caller; NULL on error
 * @errors: every error of the file goes here, one a line, by line number:
 *          FILE:LINE: [section] key: found "x"; allowed: ...
 *
 * Changes nothing but *out, so a bad file never leaves a half-made policy.
 * Return: 0, -EINVAL after the errors were printed, -ENOMEM, or the errno of
 *         opening or reading the file (printed too)
 */
int config_load(const char *path, struct config **out, FILE *errors);

/**
 * config_control() - The control socket that a file names
 * @room: of @out
 *
 * The rest of the file is not judged: who asks the daemon to reload a bad file
 * must reach it, so that the daemon's log has the errors, too.
 * Return: 0, -errno when the file cannot be read, -EINVAL when the path is none
 */
int config_control(const char *path, char *out, size_t room);

/* Also puts the policy's reference.  NULL is fine. */
void config_free(struct config *c);

#endif
