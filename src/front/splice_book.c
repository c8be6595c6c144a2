/* SPDX-License-Identifier: MIT */
/*
 * The book of spliced connections; see splice_book.h.
 */
#include <errno.h>
#include <stdio.h>

#include "splice_book.h"

static struct tuple turned(const struct tuple *t)
{
	return (struct tuple){.local = t->remote,
			      .remote = t->local,
			      .lport = t->rport,
			      .rport = t->lport};
}

static uint64_t tuple_hash(const struct splice_book *b, const struct tuple *t)
{
	return hash_bytes(&b->key, t, sizeof(*t));
}

static uint64_t conn_hash(const void *table, uint32_t i)
{
	const struct splice_book *b = table;
	const struct splice_conn *c = slab_at(&b->conns, i);

	return tuple_hash(b, &c->t);
}

int book_init(struct splice_book *b, uint32_t max, const uint8_t secret[32])
{
	int rc;

	memset(b, 0, sizeof(*b));
	pthread_mutex_init(&b->lock, NULL);
	hash_derive(&b->key, secret, "splice", 0);
	rc = slab_init(&b->conns, sizeof(struct splice_conn), max);
	if (!rc)
		rc = hindex_init(&b->index, max);
	if (!rc)
		rc = shares_init(&b->sources, max, secret);
	return rc;
}

void book_fini(struct splice_book *b)
{
	shares_fini(&b->sources);
	hindex_fini(&b->index);
	slab_fini(&b->conns);
	pthread_mutex_destroy(&b->lock);
}

static struct splice_conn *look_up(const struct splice_book *b,
				   const struct tuple *t,
				   struct hindex_probe *p)
{
	uint32_t i;

	*p = hindex_begin(&b->index, tuple_hash(b, t));
	while ((i = hindex_next(&b->index, p)) != HINDEX_NONE) {
		struct splice_conn *c = slab_at(&b->conns, i);

		if (tuple_eq(&c->t, t))
			return c;
	}
	return NULL;
}

/* Find a connection by the tuple of either leg. */
static struct splice_conn *find(const struct splice_book *b,
				const struct tuple *t, struct hindex_probe *p)
{
	const struct tuple r = turned(t);
	struct splice_conn *c = look_up(b, t, p);

	return c ? c : look_up(b, &r, p);
}

/* The number of a name.  If there are too many old names, the rest share the
 * last one. */
static uint32_t service_number(struct splice_book *b, const char *name)
{
	uint32_t i;

	for (i = 0; i < b->names; i++)
		if (!strcmp(b->name[i], name))
			return i;
	if (i == BOOK_SERVICES)
		return i - 1;
	snprintf(b->name[i], sizeof(b->name[i]), "%s", name);
	b->names++;
	return i;
}

/* --- the list --- */

static void append(struct splice_book *b, struct splice_conn *c)
{
	c->next = NULL;
	c->prev = b->last;
	if (b->last)
		b->last->next = c;
	else
		b->first = c;
	b->last = c;
}

static void unlink_conn(struct splice_book *b, struct splice_conn *c)
{
	if (c->prev)
		c->prev->next = c->next;
	else
		b->first = c->next;
	if (c->next)
		c->next->prev = c->prev;
	else
		b->last = c->prev;
}

/* --- entries --- */

static void end(struct splice_book *b, struct splice_conn *c)
{
	if (c->ended)
		return;
	c->ended = true;
	b->open--;
	share_leave(&b->sources, c->source);
}

static void forget(struct splice_book *b, struct splice_conn *c,
		   const struct hindex_probe *p)
{
	end(b, c);
	hindex_delete(&b->index, p, conn_hash, b);
	unlink_conn(b, c);
	slab_free(&b->conns, c);
}

static uint32_t next_serial(struct splice_book *b, uint32_t given)
{
	if (!given)
		return ++b->serial ? b->serial : ++b->serial;
	if (given > b->serial)
		b->serial = given;
	return given;
}

int book_add(struct splice_book *b, const struct tuple *t, const char *service,
	     uint32_t *serial)
{
	struct splice_conn *c;
	struct hindex_probe p;

	pthread_mutex_lock(&b->lock);
	c = look_up(b, t, &p);
	if (c)
		forget(b, c, &p);
	c = slab_alloc(&b->conns);
	if (c) {
		*serial = next_serial(b, *serial);
		*c = (struct splice_conn){.t = *t, .serial = *serial};
		c->source = share_join(&b->sources, &t->remote,
				       service_number(b, service));
		hindex_insert(&b->index, tuple_hash(b, t),
			      slab_index(&b->conns, c));
		append(b, c);
		b->open++;
	}
	pthread_mutex_unlock(&b->lock);
	return c ? 0 : -E2BIG;
}

void book_end(struct splice_book *b, const struct tuple *t, uint32_t serial)
{
	struct hindex_probe p;
	struct splice_conn *c;

	pthread_mutex_lock(&b->lock);
	c = look_up(b, t, &p);
	if (c && c->serial == serial)
		end(b, c);
	pthread_mutex_unlock(&b->lock);
}

void book_forget(struct splice_book *b, const struct tuple *t, uint32_t serial,
		 void (*gone)(void *arg, const struct tuple *t), void *arg)
{
	struct hindex_probe p;
	struct splice_conn *c;

	pthread_mutex_lock(&b->lock);
	c = look_up(b, t, &p);
	if (c && c->serial == serial) {
		gone(arg, t);
		forget(b, c, &p);
	}
	pthread_mutex_unlock(&b->lock);
}

void book_remove(struct splice_book *b, const struct tuple *t)
{
	struct hindex_probe p;
	struct splice_conn *c;

	pthread_mutex_lock(&b->lock);
	c = find(b, t, &p);
	if (c)
		forget(b, c, &p);
	pthread_mutex_unlock(&b->lock);
}

bool book_has(struct splice_book *b, const struct tuple *t)
{
	struct hindex_probe p;
	bool has;

	pthread_mutex_lock(&b->lock);
	has = find(b, t, &p) != NULL;
	pthread_mutex_unlock(&b->lock);
	return has;
}

uint32_t book_count(struct splice_book *b, const char *service,
		    const struct ipaddr *client, uint32_t *all)
{
	const struct share_source *s = NULL;

	pthread_mutex_lock(&b->lock);
	*all = b->open;
	if (b->open)
		s = share_find(&b->sources, client, service_number(b, service));
	pthread_mutex_unlock(&b->lock);
	return s ? s->flows : 0;
}

uint32_t book_of(struct splice_book *b, const struct ipaddr *client,
		 uint16_t port, struct tuple *t, uint32_t max)
{
	uint32_t n = 0;

	pthread_mutex_lock(&b->lock);
	for (const struct splice_conn *c = b->first; c && n < max; c = c->next)
		if (!c->ended && ipaddr_eq(&c->t.remote, client) &&
		    (!port || c->t.rport == port))
			t[n++] = c->t;
	pthread_mutex_unlock(&b->lock);
	return n;
}

uint32_t book_size(struct splice_book *b)
{
	uint32_t n;

	pthread_mutex_lock(&b->lock);
	n = b->conns.used;
	pthread_mutex_unlock(&b->lock);
	return n;
}
