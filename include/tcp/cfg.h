/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCK_TCP_CFG_H
#define PENSTOCK_TCP_CFG_H

/*
 * The configuration of one leg.  Keys have the names of Linux's sysctls.
 */
#include "util/option.h"
#include "util/types.h"

enum tcp_cc_kind {
	CC_NEWRENO,
	CC_CUBIC,
	CC_BBR,
	CC_KINDS,
	CC_HOST = CC_KINDS /* the host's, until tcp_cc_follow() */
};

/**
 * struct tcp_cfg - The keys of [tcp], which a [service] may override
 *
 * Times are microseconds, sizes bytes.  Not changed once a flow uses it.
 */
struct tcp_cfg {
	uint32_t synack_retries, syn_retries, retries2, orphan_retries;
	uint32_t timestamps, window_scaling, sack, dsack, ecn;
	uint32_t slow_start_after_idle;
	uint32_t no_metrics_save, no_ssthresh_metrics_save;
	uint32_t keepalive_probes;
	uint32_t min_snd_mss;
	uint32_t challenge_ack_limit;
	uint32_t rfc1337;
	uint32_t rmem[3], wmem[3];
	uint32_t notsent_lowat;
	uint8_t cc[2]; /* enum tcp_cc_kind: client leg, server leg */
	int64_t keepalive_time, keepalive_intvl;
	int64_t fin_timeout, timewait_len;
	int64_t invalid_ratelimit;
	int64_t user_timeout;
};

/* The name of a kind, as in tcp_congestion_control. */
const char *tcp_cc_name(enum tcp_cc_kind kind);

/**
 * tcp_cc_follow() - Replace CC_HOST by what the host uses
 * @host: its net.ipv4.tcp_congestion_control; one that we do not have, or
 *        NULL, stands for cubic
 */
void tcp_cc_follow(struct tcp_cfg *c, const char *host);

/* Ends with a NULL name. */
extern const struct opt_desc tcp_options[];

#endif
