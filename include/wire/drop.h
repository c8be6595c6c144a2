/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCK_WIRE_DROP_H
#define PENSTOCK_WIRE_DROP_H

/*
 * Every packet that is dropped has one of these reasons: tests assert it and
 * metrics count it.
 */
/* clang-format off */
#define DROP_REASONS(X)                                                        \
	X(NONE, "none")                                                        \
	/* wire: the packet is not a valid TCP segment */                      \
	X(TRUNCATED, "truncated") /* capture shorter than the packet */        \
	X(IP_VERSION, "ip_version")                                            \
	X(IP_HEADER, "ip_header") /* IHL, total length, hop-by-hop place */    \
	X(IP_CSUM, "ip_csum")                                                  \
	X(IP_EXTENSION, "ip_extension") /* chain too long or malformed */      \
	X(FRAGMENT, "fragment") /* of TCP; the host reassembles them */        \
	X(NOT_TCP, "not_tcp")                                                  \
	X(TCP_HEADER, "tcp_header") /* data offset < 5 or beyond packet */     \
	X(TCP_CSUM, "tcp_csum")                                                \
	X(SIGNED, "signed") /* TCP-AO, MD5, authentication header */           \
	X(ADDRESS, "address") /* LAND, multicast, broadcast, martian */        \
	X(PORT_ZERO, "port_zero")                                              \
	X(FLAGS, "flags") /* SYN+FIN, SYN+RST, null, ... */                    \
	X(ICMP_MALFORMED, "icmp_malformed")                                    \
	X(ICMP_NO_FLOW, "icmp_no_flow")                                        \
	X(ICMP_OUT_OF_WINDOW, "icmp_out_of_window") /* RFC 5927 */             \
	/* engine and shield: no leg takes it */                               \
	X(NO_FLOW, "no_flow")                                                  \
	X(SYN_LIMIT, "syn_limit")   /* flows, memory or backlog exhausted */   \
	X(SYN_DENIED, "syn_denied") /* allow / deny lists */                   \
	X(SYN_RATE, "syn_rate")                                                \
	X(SYN_DATA, "syn_data") /* data on SYN, not taken */                   \
	X(SYN_PENDING,                                                         \
	  "syn_pending") /* repeats while the server is dialled */             \
	X(COOKIE_BAD, "cookie_bad")                                            \
	X(COOKIE_STALE, "cookie_stale")                                        \
	X(TIME_WAIT, "time_wait") /* old segment met TIME_WAIT */              \
	X(STOPPING, "stopping")                                                \
	/* tcp: a leg refused it */                                            \
	X(SEQ_OLD, "seq_old")	    /* entirely left of the window */          \
	X(SEQ_WINDOW, "seq_window") /* right of the window */                  \
	X(PAWS, "paws")                                                        \
	X(RST_INEXACT, "rst_inexact") /* in window: challenge ACK */           \
	X(RST_WINDOW, "rst_window")                                            \
	X(SYN_IN_WINDOW, "syn_in_window")                                      \
	X(NO_ACK, "no_ack")   /* ACK bit missing */                            \
	X(ACK_OLD, "ack_old") /* older than max.window (RFC 5961, 5) */        \
	X(ACK_FUTURE, "ack_future")                                            \
	X(ACK_BAD, "ack_bad")	      /* unacceptable in SYN states */         \
	X(AFTER_FIN, "after_fin")     /* data past the peer's FIN */           \
	X(AFTER_CLOSE, "after_close") /* data when nobody reads any more */    \
	X(OOO_LIMIT, "ooo_limit")     /* out-of-order memory or count */       \
	X(BUFFER_LIMIT, "buffer_limit")                                        \
	X(WINDOW_ZERO, "window_zero")                                          \
	X(DUPLICATE, "duplicate") /* nothing new in it */                      \
	X(STATE, "state")	  /* not acceptable in this state */           \
	X(FAULT, "fault")	  /* an injected fault took it */
/* clang-format on */

enum drop_reason {
#define DROP_ENUM(id, name) DROP_##id,
	DROP_REASONS(DROP_ENUM)
#undef DROP_ENUM
	DROP_REASON_COUNT
};

extern const char *const drop_reason_name[DROP_REASON_COUNT];

#endif
