/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCK_FRONT_SPLICE_BOOK_H
#define PENSTOCK_FRONT_SPLICE_BOOK_H

/*
 * The daemon's book of the connections that the kernel relays: which there are,
 * and how many each client has at each service.
 *
 * One book for all workers and the main thread: each function locks it.  It is
 * true without asking the kernel, since nobody but the daemon makes or removes
 * entries.  A connection counts until it has ended, and stays in the book until
 * its entries are gone.
 */
#include <pthread.h>

#include "policy/policy.h"
#include "shield/share.h"

#define BOOK_SERVICES 256

/**
 * struct splice_conn - A connection
 * @t:       the client leg's addresses: remote is the client
 * @next, @prev: in the order in which they are looked after
 * @serial:  tells it from an earlier one of the same addresses
 * @source:  who it counts for; SHARE_NONE: for nobody
 * @last:    when it was made, has ended, or was found to be alive
 */
struct splice_conn {
	struct tuple t;
	struct splice_conn *next, *prev;
	uint32_t serial, source;
	mono_t last;
	bool ended;
};

/**
 * struct splice_book - All of them
 * @open: how many count
 * @name: of the services that have had connections
 */
struct splice_book {
	pthread_mutex_t lock;
	struct slab conns;
	struct hindex index;
	struct hash_key key;
	struct shares sources;
	struct splice_conn *first, *last;
	uint32_t open, serial;
	uint32_t names;
	char name[BOOK_SERVICES][SERVICE_NAME_MAX + 1];
};

/* @max: connections.  0 or -ENOMEM */
int book_init(struct splice_book *b, uint32_t max, const uint8_t secret[32]);
void book_fini(struct splice_book *b);

/**
 * book_add() - A connection of @service begins
 * @t:      the client leg's addresses
 * @serial: in: that of one which was found in the kernel's map, or 0; out: its
 *          own
 * One of the same addresses is forgotten.  Return: 0 or -E2BIG
 */
int book_add(struct splice_book *b, const struct tuple *t, const char *service,
	     mono_t now, uint32_t *serial);
/* It has ended, and no longer counts; unless @serial is another's. */
void book_end(struct splice_book *b, const struct tuple *t, uint32_t serial,
	      mono_t now);
/* It was looked at: it was alive at @last. */
void book_touch(struct splice_book *b, const struct tuple *t, mono_t last);
/* Its entries are gone; by the tuple of either leg. */
void book_remove(struct splice_book *b, const struct tuple *t);
/* Is there one?  By the tuple of either leg. */
bool book_has(struct splice_book *b, const struct tuple *t);

/* Those that count: of @client at @service, and (*all) together. */
uint32_t book_count(struct splice_book *b, const char *service,
		    const struct ipaddr *client, uint32_t *all);

/* Those of @client that count, from @port (0: from any): at most @max in @t.
 * Return: how many */
uint32_t book_of(struct splice_book *b, const struct ipaddr *client,
		 uint16_t port, struct tuple *t, uint32_t max);

/* The one that has waited longest to be looked after, which then is the last.
 * False: there is none. */
bool book_next(struct splice_book *b, struct splice_conn *out);
/* How many there are, ended ones too. */
uint32_t book_size(struct splice_book *b);

#endif
