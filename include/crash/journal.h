/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCK_CRASH_JOURNAL_H
#define PENSTOCK_CRASH_JOURNAL_H

/*
 * The journal: the addresses of all legs, in memory that outlives the process.
 *
 * A leg is noted when it enters the engine's table, and struck out when it
 * leaves it: one cache line each time, and nothing for its packets.  There are
 * only addresses and ports in it, no sequence number, no payload and no secret.
 * The next process reads what a crashed one has left (tell.h).
 *
 * It is a head and one array of records.  Each worker has a part of the array,
 * with two records for each place of a flow: client leg, server leg.  The last
 * part is what the process before has left, as long as not all of its peers
 * were told.  A record has a sum of what is in it, which is written last: what
 * a process was writing when it died does not count.
 */
#include "util/types.h"

#define JOURNAL_VERSION 1u
#define JOURNAL_WORKERS_MAX 64u
#define JOURNAL_PARTS_MAX (JOURNAL_WORKERS_MAX + 1)

/**
 * struct journal_record - A leg
 * @sum:  of the rest; 0: no leg
 * @side: 0: client leg, 1: server leg
 * @t:    its addresses, from our side
 */
struct journal_record {
	uint32_t sum;
	uint32_t side;
	struct tuple t;
	uint8_t spare[20];
};

/**
 * struct journal_part - Records of one worker
 * @first: index of its first record
 * @used:  records that may have been written, from the first one on
 */
struct journal_part {
	uint32_t first, used;
};

/**
 * struct journal_head - What a journal begins with
 * @magic:  JOURNAL_MAGIC
 * @version: JOURNAL_VERSION
 * @record: bytes of a record
 * @parts:  how many there are
 * @closed: the process has ended in order: its workers' parts do not count
 */
struct journal_head {
	char magic[8];
	uint32_t version, record;
	uint32_t parts, closed;
	struct journal_part part[JOURNAL_PARTS_MAX];
};

#define JOURNAL_MAGIC "penstkJ\n"
#define JOURNAL_HEAD 4096u /* bytes before the first record */

/**
 * struct journal - A part, for the one who writes it
 * @rec:     @n records
 * @part:    in the head
 * @reserve: see to it that there is memory for @len bytes at @offset of the
 *           journal; false: there is none
 * @arg:     first argument of @reserve
 * @missed:  legs that were not noted, as there was no memory
 */
struct journal {
	struct journal_record *rec;
	struct journal_part *part;
	uint32_t n;
	bool (*reserve)(void *arg, size_t offset, size_t len);
	void *arg;
	uint64_t missed;
};

/**
 * struct journal_plan - What a journal is made for
 * @workers: how many there are
 * @flows:   places of flows in each of them
 * @left:    flows of the process before
 */
struct journal_plan {
	uint32_t workers, flows, left;
};

/* Bytes of a journal; they cost memory once they are reserved. */
size_t journal_size(const struct journal_plan *p);

/**
 * journal_init() - Make a journal of memory that is all zero
 * @at:  journal_size() bytes, of which JOURNAL_HEAD are there
 * @out: @p->workers + 1 parts; the caller sets @reserve and @arg
 */
void journal_init(void *at, const struct journal_plan *p, struct journal *out);

/* The process ends in order, or (false) goes on after all. */
void journal_close(void *at, bool closed);

/* Write record @i: flow i / 2, side i % 2. */
void journal_write(struct journal *j, uint32_t i, const struct tuple *t);
void journal_strike(struct journal *j, uint32_t i);

/* The same, if there is a journal: @j may be NULL, or all zero. */
static inline void journal_note(struct journal *j, uint32_t i,
				const struct tuple *t)
{
	if (j && j->part)
		journal_write(j, i, t);
}

static inline void journal_leave(struct journal *j, uint32_t i)
{
	if (j && j->part)
		journal_strike(j, i);
}

/**
 * struct journal_flow - A connection that was read
 * @t:   addresses of client leg and server leg
 * @has: the leg was there
 */
struct journal_flow {
	struct tuple t[2];
	bool has[2];
};

/**
 * journal_read() - Read what a process has left
 * @at:    @len bytes of any content
 * @found: called for each connection; false: that is enough
 *
 * Of a closed one only the last part is read.
 * Return: 0; -EBADMSG: this is no journal, or a damaged one; -EPROTO: one of
 * another version
 */
int journal_read(const void *at, size_t len,
		 bool (*found)(void *arg, const struct journal_flow *f),
		 void *arg);

#endif
