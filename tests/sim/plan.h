/* SPDX-License-Identifier: MIT */
#ifndef SIM_PLAN_H
#define SIM_PLAN_H

/*
 * A scenario: plain numbers drawn from one seed.
 *
 * Each number has a name, so a failing scenario can be described, replayed with
 * single numbers changed ("77 nconn=1 c0.up=10"), and shrunk: every field
 * names its simplest value, towards which the shrinker moves it.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PLAN_CONNS 12

/* X(name, simplest value) */
#define PLAN_GLOBAL(X)                               \
	X(nconn, 1)                                  \
	X(family, 4)                                 \
	X(server_first, 0) /* enum handshake_mode */ \
	X(syncookies, 0)                             \
	X(unknown, 2) /* enum unknown_mode */        \
	X(on_no_server, 0)                           \
	X(close_rst, 0)                              \
	X(sack, 0)                                   \
	X(dsack, 0)                                  \
	X(ts, 0)                                     \
	X(ws, 0)                                     \
	X(ecn, 0)                                    \
	X(cc_client, 0)                              \
	X(cc_server, 0)                              \
	X(max_flows, 64)                             \
	X(max_tw, 64)                                \
	X(backlog, 64)                               \
	X(pool_kb, 65536)                            \
	X(rmem_kb, 6144)                             \
	X(wmem_kb, 4096)                             \
	X(lowat_kb, 0)                               \
	X(syn_retries, 6)                            \
	X(synack_retries, 5)                         \
	X(retries2, 15)                              \
	X(orphan_retries, 0)                         \
	X(fin_timeout_s, 60)                         \
	X(timewait_s, 60)                            \
	X(keepalive_s, 7200)                         \
	X(ss_after_idle, 1)                          \
	X(rfc1337, 1)                                \
	X(ratelimit_ms, 500)                         \
	X(alt_connect, 0)                            \
	X(heal_s, 0)                                 \
	X(batch_us, 0)                               \
	X(pull_max, 64)                              \
	X(late_us, 0)                                \
	X(whole_gso, 0)                              \
	X(csum_mix, 0)                               \
	X(trunc_pm, 0)                               \
	X(reset_all_ms, 0)                           \
	X(flood_pps, 0)                              \
	X(flood_ms, 0)                               \
	X(blind_pm, 0)                               \
	X(icmp_pm, 0)                                \
	X(uto_ms, 0)                                 \
	X(reload_ms, 0)                              \
	X(start_us, 1000000)                         \
	X(splice, 0) /* relay = splice */            \
	X(map_full_pc, 0)                            \
	X(renew_ms, 0) /* another engine goes on */  \
	X(renew_n, 1)                                \
	X(renew_flows, 64)                           \
	X(renew_secret, 0)

#define PLAN_LINK(X)      \
	X(loss_pm, 0)     \
	X(burst_pm, 0)    \
	X(burst_len, 0)   \
	X(delay_us, 1000) \
	X(jitter_us, 0)   \
	X(dup_pm, 0)      \
	X(corrupt_pm, 0)  \
	X(rate_kbs, 0)    \
	X(black_at_ms, 0) \
	X(black_ms, 0)    \
	X(hold_at_ms, 0)  \
	X(hold_ms, 0)     \
	X(ce_pm, 0)       \
	X(mtu, 0)         \
	X(mtu_at_ms, 0)   \
	X(mtu_icmp, 0)

#define PLAN_CONN(X)   \
	X(start_ms, 0) \
	X(host, 0)     \
	X(port, 0)     \
	X(up, 0)       \
	X(down, 0)     \
	X(server, 0) /* enum server_mode */

#define PLAN_SIDE(X)                      \
	X(close, 0) /* enum peer_close */ \
	X(abort_ms, 0)                    \
	X(abort_rx, 0)                    \
	X(die_ms, 0)                      \
	X(mss, 1460)                      \
	X(ws, -1)                         \
	X(sack, 0)                        \
	X(dsack, 0)                       \
	X(ts, 0)                          \
	X(rcvbuf, 65535)                  \
	X(cwnd, 64)                       \
	X(gso, 0)                         \
	X(seg_rand, 0)                    \
	X(wnd_floor, 0)                   \
	X(probe_old, 0)                   \
	X(delack_ms, 0)                   \
	X(read_chunk, 0)                  \
	X(read_gap_ms, 0)                 \
	X(stop_at, 0)                     \
	X(stop_ms, 0)                     \
	X(tx_chunk, 0)                    \
	X(tx_gap_ms, 0)                   \
	X(tx_thin, 0)                     \
	X(tx_first, 0)                    \
	X(tx_after_rx, 0)                 \
	X(timewait_s, 60)                 \
	X(keepalive_s, 120)               \
	X(oow_ms, 500)                    \
	X(iss_high, 0)                    \
	X(ecn, 0)                         \
	X(urg_at, 0)                      \
	X(renege_ms, 0)                   \
	X(cross, 0)                       \
	X(iss_random, 0)

enum server_mode {
	SERVER_ACCEPT,
	SERVER_REFUSE,
	SERVER_SILENT
};

#define PLAN_MEMBER(name, simple) int64_t name;

struct link_plan {
	PLAN_LINK(PLAN_MEMBER)
};

struct side_plan {
	PLAN_SIDE(PLAN_MEMBER)
};

struct conn_plan {
	PLAN_CONN(PLAN_MEMBER)
	struct side_plan client, server_side;
};

enum {
	L_CE,
	L_EC,
	L_SE,
	L_ES,
	LINKS
};

struct plan {
	uint64_t seed;
	PLAN_GLOBAL(PLAN_MEMBER)
	struct link_plan link[LINKS];
	struct conn_plan conn[PLAN_CONNS];
};

/* Every number at its simplest; the seed still rolls the dice. */
void plan_plain(struct plan *p, uint64_t seed);
void plan_from_seed(struct plan *p, uint64_t seed);

/* Walk the fields: NULL after the last.  The name is "nconn", "l0.loss_pm",
 * "c3.up", "c3.s.mss" and so on. */
int64_t *plan_field(struct plan *p, uint32_t i, char *name, size_t namelen,
		    int64_t *simple);
/* "name=value": 0 or -1. */
int plan_set(struct plan *p, const char *assignment);
/* Does the plan make tables or memory too small for what it asks? */
bool plan_is_tight(const struct plan *p);
/* Does either side abort or die on purpose? */
bool conn_is_troubled(const struct conn_plan *c);
/* Is the client always answered only when the server has? */
bool server_answers_first(const struct plan *p);
/* What is not at its simplest, as plan_set() reads it. */
void plan_describe(const struct plan *p, char *out, size_t outlen);

#endif
