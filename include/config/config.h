/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCK_CONFIG_CONFIG_H
#define PENSTOCK_CONFIG_CONFIG_H

/*
 * The configuration file.
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
 * Queues of each worker only for SYNs.  They follow the workers' other queues:
 * queue .. queue + workers - 1, then SYN_QUEUES for the first worker, and so
 * on.
 */
#define SYN_QUEUES 6u
#define DAEMON_QUEUES(d) ((d)->workers * (1 + SYN_QUEUES))

#define FRONT_INTERFACES_MAX 16

enum front_mode {
	FRONT_OFF,
	FRONT_AUTO, /* XDP answers SYNs while cookies are sent */
	FRONT_XDP,  /* at all times */
};

/**
 * struct front_ifs - Interfaces towards clients
 * @name: @n of them
 */
struct front_ifs {
	char name[FRONT_INTERFACES_MAX][16];
	uint32_t n;
};

/**
 * struct daemon_cfg - The keys of [penstock], and those of [tcp] that belong to
 * the process
 * @workers:    threads
 * @queue:      number of the first NFQUEUE; of DAEMON_QUEUES()
 * @mark:       firewall mark on packets that we send
 * @mark_mask:  bits of the mark that are ours
 * @max_flows:  connections at once, all workers together
 * @crash_probe_rate: segments a second that ask peers of a crashed process; 0:
 *              none
 * @max_tw:     TIME_WAIT entries at once, all workers together
 * @max_memory: bytes of buffers, all workers together
 * @secret_rotate:  microseconds that an epoch of cookie keys lasts
 * @shutdown_grace: microseconds that flows may take to end at a stop
 * @tun:        name of the TUN device
 * @secret_file: path of the fleet's secret; empty = a new one at each start
 * @control:    path of the control socket; empty = none
 * @http:       ADDRESS:PORT of the HTTP server; empty = none
 * @http_token_file: path of the token for it; empty = a new one at each start
 * @http_write: toxiproxy's clients may change faults without the token
 * @http_names: host names that it answers to, besides addresses
 * @fault_log:  path of the file for decisions of faults; empty = none
 * @connection_log: path of the connection log, or "journal"; empty = none
 * @bpf_dir:    directory on a BPF file system for pinned programs and maps
 * @bpf_interfaces: names of the interfaces that get programs, separated by
 *                  blanks
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
	uint32_t crash_probe_rate;
	uint64_t max_memory;
	int64_t shutdown_grace, secret_rotate;
	char tun[16];
	char secret_file[256];
	char control[108];
	char http[64];
	char http_token_file[256];
	char http_names[256];
	char fault_log[256];
	char connection_log[256];
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
 * struct config - A valid configuration
 * @daemon: the process
 * @policy: the services; the structure holds one reference
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
 * @errors: gets every error of the file, one a line, sorted by line: FILE:LINE:
 *          [section] key: found "x"; allowed: ...
 *
 * Changes only *out, so an invalid file has no effect.
 * Return: 0, -EINVAL after the errors were printed, -ENOMEM, or the errno of
 *         opening or reading the file (printed too)
 */
int config_load(const char *path, struct config **out, FILE *errors);

/**
 * config_control() - The control socket that a file names
 * @room: of @out
 *
 * The rest of the file is not checked: the request to reload an invalid file
 * must reach the daemon, so that its log has the errors as well.
 * Return: 0, -errno when the file cannot be read, -EINVAL when the path is none
 */
int config_control(const char *path, char *out, size_t room);

/* Also releases the reference to the policy.  @c may be NULL. */
void config_free(struct config *c);

#endif
