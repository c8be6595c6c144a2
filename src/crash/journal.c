/* SPDX-License-Identifier: MIT */
/*
 * Writing and reading the journal.
 *
 * Memory is reserved for 512 flows at a time, when the first one of them is
 * noted, so that a full file system is an error here and no signal later.  A
 * worker's places are given out from the lowest on, so a journal is as large as
 * the most connections that there were at once.
 */
#include "crash/journal.h"

#include <assert.h>
#include <errno.h>

#define STEP 1024u /* records that are reserved together: 64 KiB */

static_assert(sizeof(struct journal_record) == 64, "a cache line");
static_assert(sizeof(struct journal_head) <= JOURNAL_HEAD, "the head fits");
static_assert(sizeof(JOURNAL_MAGIC) - 1 ==
		      sizeof(((struct journal_head *)0)->magic),
	      "the magic fits");

size_t journal_size(const struct journal_plan *p)
{
	size_t flows = (size_t)p->workers * p->flows + p->left;

	return JOURNAL_HEAD + 2 * flows * sizeof(struct journal_record);
}

void journal_init(void *at, const struct journal_plan *p, struct journal *out)
{
	struct journal_head *h = at;
	struct journal_record *rec = (void *)((uint8_t *)at + JOURNAL_HEAD);
	uint32_t first = 0;

	for (uint32_t i = 0; i <= p->workers; i++) {
		uint32_t n = 2 * (i < p->workers ? p->flows : p->left);

		h->part[i] = (struct journal_part){.first = first};
		out[i] = (struct journal){
			.rec = rec + first, .part = &h->part[i], .n = n};
		first += n;
	}
	h->version = JOURNAL_VERSION;
	h->record = sizeof(struct journal_record);
	h->parts = p->workers + 1;
	memcpy(h->magic, JOURNAL_MAGIC, sizeof(h->magic));
}

void journal_close(void *at, bool closed)
{
	struct journal_head *h = at;

	__atomic_store_n(&h->closed, closed, __ATOMIC_RELEASE);
}

/* Never 0: that is a record without a leg. */
static uint32_t sum_of(const struct journal_record *r)
{
	uint32_t w[sizeof(r->t) / 4], sum = 0x9e3779b9u ^ r->side;

	memcpy(w, &r->t, sizeof(w));
	for (size_t i = 0; i < ARRAY_LEN(w); i++)
		sum = (sum ^ w[i]) * 0x01000193u;
	return sum ? sum : 1;
}

static bool extend(struct journal *j, uint32_t i)
{
	uint32_t to = min_u32((i / STEP + 1) * STEP, j->n),
		 from = j->part->used;
	const size_t size = sizeof(*j->rec);

	if (i >= j->n ||
	    !j->reserve(j->arg, JOURNAL_HEAD + (j->part->first + from) * size,
			(to - from) * size))
		return false;
	j->part->used = to;
	return true;
}

void journal_write(struct journal *j, uint32_t i, const struct tuple *t)
{
	struct journal_record *r;

	if (unlikely(i >= j->part->used) && !extend(j, i)) {
		j->missed++;
		return;
	}
	r = &j->rec[i];
	r->side = i % 2;
	r->t = *t;
	__atomic_store_n(&r->sum, sum_of(r), __ATOMIC_RELEASE);
}

void journal_strike(struct journal *j, uint32_t i)
{
	if (i < j->part->used)
		__atomic_store_n(&j->rec[i].sum, 0, __ATOMIC_RELEASE);
}

/* --- reading --- */

static bool is_host(const struct ipaddr *a)
{
	static const uint8_t zero[16];
	uint8_t top = a->b[12];

	if (!ipaddr_is_v4(a))
		return a->b[0] != 0xff && memcmp(a->b, zero, 15) != 0;
	return top && top != 127 && top < 224;
}

/* Is it a leg that there may have been? */
static bool is_leg(const struct journal_record *r, uint32_t side)
{
	const struct tuple *t = &r->t;

	return r->sum && r->sum == sum_of(r) && r->side == side && t->lport &&
	       t->rport && is_host(&t->local) && is_host(&t->remote) &&
	       ipaddr_is_v4(&t->local) == ipaddr_is_v4(&t->remote);
}

static int check_head(const struct journal_head *h, size_t records)
{
	if (memcmp(h->magic, JOURNAL_MAGIC, sizeof(h->magic)) != 0)
		return -EBADMSG;
	if (h->version != JOURNAL_VERSION)
		return -EPROTO;
	if (h->record != sizeof(struct journal_record) || !h->parts ||
	    h->parts > JOURNAL_PARTS_MAX)
		return -EBADMSG;
	for (uint32_t i = 0; i < h->parts; i++) {
		if ((size_t)h->part[i].first + h->part[i].used > records)
			return -EBADMSG;
	}
	return 0;
}

int journal_read(const void *at, size_t len,
		 bool (*found)(void *arg, const struct journal_flow *f),
		 void *arg)
{
	const struct journal_head *h = at;
	const struct journal_record *r;
	int err;

	if (len < JOURNAL_HEAD)
		return -EBADMSG;
	r = (const void *)((const uint8_t *)at + JOURNAL_HEAD);
	err = check_head(h, (len - JOURNAL_HEAD) / sizeof(*r));
	/* closed: what workers have noted does not count */
	for (uint32_t p = !err && h->closed ? h->parts - 1 : 0;
	     !err && p < h->parts; p++) {
		const struct journal_part part = h->part[p];

		for (uint32_t i = 0; part.used - i >= 2; i += 2) {
			const struct journal_record *two = r + part.first + i;
			const struct journal_flow f = {
				.t = {two[0].t, two[1].t},
				.has = {is_leg(&two[0], 0), is_leg(&two[1], 1)},
			};

			if ((f.has[0] || f.has[1]) && !found(arg, &f))
				return 0;
		}
	}
	return err;
}
