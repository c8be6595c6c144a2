/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCK_SHIELD_TFO_H
#define PENSTOCK_SHIELD_TFO_H

/*
 * TCP Fast Open (RFC 7413), both roles.
 *
 * Towards clients the cookie is the Linux kernel's own: with the same
 * tcp_fastopen_key, kernels and gateways accept each other's cookies.  Towards
 * servers a cache keeps their cookies, and notes which servers do not receive
 * SYNs with data.
 */
#include "shield/assoc.h"
#include "util/hash.h"
#include "util/types.h"
#include "wire/segment.h"

/* Bits of tcp_fastopen, as in Linux. */
#define TFO_CLIENT BIT(0)	    /* use it towards servers */
#define TFO_SERVER BIT(1)	    /* offer it to clients */
#define TFO_CLIENT_NO_COOKIE BIT(2) /* send data in the SYN without a cookie */
#define TFO_SERVER_NO_COOKIE BIT(9) /* take data in a SYN without a cookie */
#define TFO_SERVER_ALL BIT(10)	    /* every listener; always so here */

#define TFO_COOKIE_LEN 8 /* of our cookies */

/**
 * struct tfo_keys - tcp_fastopen_key
 * @key: [0] primary: makes cookies; [1] backup: still accepted
 * @n:   keys in use: 0, 1 or 2
 */
struct tfo_keys {
	struct hash_key key[2];
	uint32_t n;
};

/**
 * tfo_keys_parse() - Read "x-x-x-x[,x-x-x-x]" as the sysctl does
 * Each x is a 32-bit hexadecimal number whose least significant byte is the
 * first of four bytes of the key.  An empty text is no key.
 * Return: 0, or -EINVAL with what is allowed in @err
 */
int tfo_keys_parse(const char *text, struct tfo_keys *out, char *err,
		   size_t errlen);

/**
 * tfo_keys_derive() - Keys from the fleet's secret
 * @period: the current period's number (wall clock over its length); the
 *          previous period's key is the backup
 */
void tfo_keys_derive(struct tfo_keys *out, const uint8_t secret[32],
		     int64_t period);

/* The cookie of a client (@t->remote) at a server (@t->local). */
void tfo_cookie_make(const struct hash_key *k, const struct tuple *t,
		     uint8_t cookie[TFO_COOKIE_LEN]);

/* --- client's side --- */

#define TFO_RST_RING 64

/**
 * struct tfo_pending - Bound on connections that Fast Open began (RFC 7413, 5.1)
 * @count: flows that accepted data from a SYN and whose handshake is not
 *         complete, and those that a RST has ended in the last 60 s.  So an
 *         attacker with stolen cookies gains nothing from resets
 * @reset: when those RSTs arrived, oldest at @first
 */
struct tfo_pending {
	uint32_t count;
	uint32_t first, nreset;
	mono_t reset[TFO_RST_RING];
};

/* Is there room for one more of @max?  Forgets RSTs older than 60 s. */
bool tfo_pending_room(struct tfo_pending *p, uint32_t max, mono_t now);
void tfo_pending_begin(struct tfo_pending *p);
/* The handshake is complete, or the flow has ended; @reset: by a RST. */
void tfo_pending_end(struct tfo_pending *p, bool reset, mono_t now);

enum tfo_action {
	TFO_ORDINARY, /* handshake without Fast Open */
	TFO_OFFER,    /* ordinary handshake, with @cookie in the SYN-ACK */
	TFO_ACCEPT,   /* accept the data; with @renew send @cookie */
};

/**
 * struct tfo_answer - How a SYN is answered
 * @renew:  the client's cookie was made with the backup key: send a new one
 * @proven: with TFO_ACCEPT: the cookie was valid, so the client's address is
 *          proven
 * @failed: it had a cookie that is not valid (count TCPFastOpenPassiveFail)
 * @asked:  it asked for a cookie (count TCPFastOpenCookieReqd)
 * @experimental: use option kind 254 in the answer
 * @cookie: to put in the SYN-ACK
 */
struct tfo_answer {
	enum tfo_action action;
	bool renew, proven, failed, asked, experimental;
	uint8_t cookie[TFO_COOKIE_LEN];
};

/**
 * tfo_answer_syn() - Decide how to answer a SYN, as Linux does
 * @flags: tcp_fastopen
 * @room:  tfo_pending_room() is true, and there is no flood
 */
void tfo_answer_syn(const struct tfo_keys *k, const struct segment *syn,
		    uint32_t flags, bool room, struct tfo_answer *out);

/* --- server's side --- */

#define TFO_CACHE_ENTRIES 4096 /* sensible size of a worker's cache */

/**
 * struct tfo_cookie - The cookie of a server
 * @len: 0: none yet, ask for one
 * @mss: the server's MSS, bytes, for the SYN's data (0: unknown)
 * @experimental: the server knows option kind 254 only
 */
struct tfo_cookie {
	uint8_t val[TFO_COOKIE_MAX];
	uint8_t len;
	bool experimental;
	uint16_t mss;
};

/**
 * struct tfo_cache - What is known about servers
 * @table: by address
 */
struct tfo_cache {
	struct assoc table;
};

/* 0 or -ENOMEM */
int tfo_cache_init(struct tfo_cache *c, uint32_t entries,
		   const uint8_t secret[32]);
void tfo_cache_fini(struct tfo_cache *c);

enum tfo_use {
	TFO_USE_NOT,  /* plain SYN */
	TFO_USE_ASK,  /* SYN with an empty cookie option, no data */
	TFO_USE_DATA, /* SYN with the cookie (if @len) and data */
};

/**
 * tfo_cache_plan() - How to open to a server
 * @flags: tcp_fastopen
 * @out:   out: the cookie
 *
 * After two lost SYNs with data in a row, a server gets plain SYNs for 2
 * minutes, then 4, ... at most 64 (RFC 7413, 4.1.3.1).
 */
enum tfo_use tfo_cache_plan(const struct tfo_cache *c,
			    const struct ipaddr *server, uint32_t flags,
			    mono_t now, struct tfo_cookie *out);

/* A SYN-ACK has brought a cookie. */
void tfo_cache_store(struct tfo_cache *c, const struct ipaddr *server,
		     const struct tfo_cookie *cookie, mono_t now);
/* A SYN with a cookie option was answered, or had to be repeated without it. */
void tfo_cache_answered(struct tfo_cache *c, const struct ipaddr *server,
			mono_t now);
void tfo_cache_lost(struct tfo_cache *c, const struct ipaddr *server,
		    mono_t now);

/* Know nothing of @server any more; NULL: of no server. */
void tfo_cache_forget(struct tfo_cache *c, const struct ipaddr *server);

/**
 * struct tfo_blackhole - tcp_fastopen_blackhole_timeout_sec
 * @times: detections in a row
 * @since: the last one
 */
struct tfo_blackhole {
	uint32_t times;
	mono_t since;
};

/**
 * tfo_blackhole_hit() - A connection begun by Fast Open made no progress
 * Linux detects this at the second timeout after SYN data, and when the first
 * segment from the server is a RST or FIN out of order.
 * @timeout_us: of the first detection; each doubles it, up to 64 times; 0: off
 */
void tfo_blackhole_hit(struct tfo_blackhole *b, int64_t timeout_us, mono_t now);
/* Is Fast Open towards servers off for now? */
bool tfo_blackhole_active(const struct tfo_blackhole *b, int64_t timeout_us,
			  mono_t now);
/* A connection begun by Fast Open has carried data both ways. */
void tfo_blackhole_clear(struct tfo_blackhole *b);

#endif
