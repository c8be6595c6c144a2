/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCK_FRONT_SPLICE_H
#define PENSTOCK_FRONT_SPLICE_H

/*
 * relay = splice in the kernel: src/bpf/splice.bpf.c translates the segments of
 * connections that the engine has handed over.
 *
 * `penstockctl rules apply' loads the programs, pins them and their map below a
 * directory of a BPF file system, and attaches them to the ingress of the
 * interfaces and of the TUN; `rules remove' removes all that.  The daemon opens
 * the map while it starts; through an open descriptor it needs no capability.
 * Connections in the map continue without a daemon, and belong to the next one.
 *
 * Built without libbpf, every function fails with -ENOSYS.
 */
#include <stdio.h>

#include "policy/policy.h"
#include "splice/splice.h"
#include "util/types.h"

#define SPLICE_INTERFACES_MAX 16

/**
 * struct splice_host - Where to attach the translator
 * @dir:    below a mounted BPF file system; made when missing
 * @tun:    the TUN device
 * @ifname: the first @n are names of interfaces
 */
struct splice_host {
	char dir[108];
	char tun[16];
	char ifname[SPLICE_INTERFACES_MAX][16];
	uint32_t n;
};

/**
 * splice_attach() - Load, pin and attach
 * @err: gets a line that says what failed and what to do An existing map is
 * used again, with its connections.
 * Return: 0, or -errno; then nothing is left attached
 */
int splice_attach(const struct splice_host *h, FILE *err);

/* Detach and unpin all below @dir: its connections end.  Return: 0, also when
 * there is nothing, or -errno */
int splice_detach(const char *dir, FILE *err);

/* A line on @out for each interface where it is not attached.
 * Return: how many */
int splice_check(const struct splice_host *h, FILE *out);

struct splice_map;

/**
 * splice_map_open() - Open the maps that are pinned below @dir
 * @mark:    firewall mark of translated packets, in the bits of @mask
 * @p:       the policy, to find the services of connections in the map
 * Return: 0, -ENOENT when nothing is pinned, or another -errno
 */
int splice_map_open(struct splice_map **out, const char *dir, uint32_t mark,
		    uint32_t mask, const struct policy *p);
void splice_map_close(struct splice_map *m);

/* For splice_open(); its context is the map.  Any thread. */
extern const struct splice_ops splice_map_ops;

/* Some connections have ended, when this descriptor is readable: they no longer
 * count.  One thread. */
int splice_map_ends_fd(const struct splice_map *m);
void splice_map_ends(struct splice_map *m);

/**
 * splice_map_walk() - Check some connections, and forget those that are over
 * @p:   says how long each service keeps an idle or ended connection
 * @now: CLOCK_MONOTONIC
 * Call it each second; it continues where it was.  Only from the thread that
 * calls splice_map_ends().
 */
void splice_map_walk(struct splice_map *m, const struct policy *p, mono_t now);

/**
 * splice_map_of() - Connections of a client that have not ended
 * @port: of the client; 0: any
 * @t:    out: at most @max addresses of client legs
 * Any thread.  Return: how many
 */
uint32_t splice_map_of(struct splice_map *m, const struct ipaddr *client,
		       uint16_t port, struct tuple *t, uint32_t max);

/* The number of connections that have not ended. */
uint32_t splice_map_count(struct splice_map *m);

/**
 * struct splice_flow - A connection that the kernel relays
 * @service: name; borrowed.  NULL: none takes it any more
 * @ended:   both FINs have been acknowledged, or it was reset
 */
struct splice_flow {
	const char *service;
	struct ipaddr client, server;
	uint16_t client_port, server_port;
	bool ended;
	uint64_t up_bytes, down_bytes, packets;
	int64_t idle_s;
};

typedef void (*splice_flow_fn)(void *arg, const struct splice_flow *f);

/* @fn gets each of them, @max at most. */
void splice_map_list(struct splice_map *m, const struct policy *p, mono_t now,
		     uint32_t max, splice_flow_fn fn, void *arg);

#endif
