/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCK_FRONT_SPLICE_BOOK_H
#define PENSTOCK_FRONT_SPLICE_BOOK_H

/*
 * The daemon's book of the connections that the kernel relays: which ones
 * exist, and how many each client has at each service.
 *
 * All workers and the main thread share one book; each function locks it.  It
 * needs no question to the kernel, since only the daemon makes and removes
 * entries.  A connection counts until it has ended, and stays in the book until
 * its entry is gone.
 */
#include <pthread.h>

#include "policy/policy.h"
#include "shield/share.h"

#define BOOK_SERVICES 256

/**
 * struct splice_conn - A connection
 * @t:       the client leg's addresses: remote is the client
 * @next, @prev: of the list of all
 * @serial:  distinguishes it from an earlier one with the same addresses
 * @source:  the source that it counts for; SHARE_NONE: none
 */
struct splice_conn {
	struct tuple t;
	struct splice_conn *next, *prev;
	uint32_t serial, source;
	bool ended;
};

/**
 * struct splice_book - All spliced connections
 * @open: number of connections that count
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
 * @serial: in: the serial of a connection found in the kernel's map, or 0; out:
 *          its serial
 * Replaces one with the same addresses.
 * Return: 0 or -E2BIG
 */
int book_add(struct splice_book *b, const struct tuple *t, const char *service,
	     uint32_t *serial);
/* It has ended and no longer counts, unless @serial is another one's. */
void book_end(struct splice_book *b, const struct tuple *t, uint32_t serial);

/**
 * book_forget() - Remove a connection, unless @serial is another one's
 * @gone: removes its entry.  The book stays locked meanwhile, so that no worker
 *        makes a new entry of the same addresses, which would be removed
 */
void book_forget(struct splice_book *b, const struct tuple *t, uint32_t serial,
		 void (*gone)(void *arg, const struct tuple *t), void *arg);
/* Its entry is gone; by the tuple of either leg. */
void book_remove(struct splice_book *b, const struct tuple *t);
/* Is there one?  By the tuple of either leg. */
bool book_has(struct splice_book *b, const struct tuple *t);

/* The number that count: of @client at @service, and of all in *@all. */
uint32_t book_count(struct splice_book *b, const char *service,
		    const struct ipaddr *client, uint32_t *all);

/* Those of @client that count, from @port (0: from any): at most @max in @t.
 * Return: how many */
uint32_t book_of(struct splice_book *b, const struct ipaddr *client,
		 uint16_t port, struct tuple *t, uint32_t max);

/* How many there are, including ended ones. */
uint32_t book_size(struct splice_book *b);

#endif
