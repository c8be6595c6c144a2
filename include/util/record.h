/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCK_UTIL_RECORD_H
#define PENSTOCK_UTIL_RECORD_H

/*
 * Records: numbers and byte strings, each with the number of its field, for
 * state that another version of the program may read.
 *
 *   record = field...
 *   field  = key number | key length byte...
 *   key    = 2 * field (number follows) or 2 * field + 1 (bytes follow)
 *
 * Key and number are varints: seven bits a byte, lowest first, the top bit set
 * in all bytes but the last.  A length has four bytes, lowest first, so that it
 * can be filled in when what it counts has been written.  Bytes may be a record
 * again.
 *
 * Rules for those who use it.  A field that is not there is 0, and 0 is not
 * written.  A reader skips fields that it does not know.  So a new field must
 * mean with 0 what was meant before it existed, and the number of a field that
 * is gone is not used again.
 *
 * Times are written relative to the time of writing, so that a clock with
 * another origin can continue them.
 */
#include <stddef.h>
#include "util/types.h"

/**
 * struct record_writer - Bytes written so far; grows
 * @buf:    @len bytes, room for @room; owned
 * @failed: there was no memory, and @buf is not complete
 * @now:    the time of writing
 */
struct record_writer {
	uint8_t *buf;
	size_t len, room;
	bool failed;
	mono_t now;
};

void record_free(struct record_writer *w);
/* 0 is not written. */
void record_number(struct record_writer *w, uint32_t id, uint64_t v);
void record_bytes(struct record_writer *w, uint32_t id, const void *p,
		  size_t n);

/**
 * record_open() - Bytes of field @id follow: raw ones, or a record
 * Return: a mark for record_close()
 */
size_t record_open(struct record_writer *w, uint32_t id);
void record_close(struct record_writer *w, size_t mark);
/* Raw bytes between the two. */
void record_raw(struct record_writer *w, const void *p, size_t n);

/**
 * struct record_reader - What is left to read
 * @now: continues the time of writing
 */
struct record_reader {
	const uint8_t *p, *end;
	mono_t now;
};

/**
 * struct record_field - A field that was read
 * @number: its number; 0 if it has bytes
 * @in:     its bytes; empty if it has a number
 */
struct record_field {
	uint32_t id;
	bool has_bytes;
	uint64_t number;
	struct record_reader in;
};

/* Read the next field.  Return: 1, 0 at the end, or -EBADMSG */
int record_next(struct record_reader *r, struct record_field *f);

static inline size_t record_left(const struct record_reader *r)
{
	return (size_t)(r->end - r->p);
}

/* Copy exactly @n bytes of a field to @to; false if it has not as many. */
bool record_get(const struct record_field *f, void *to, size_t n);

/* Addresses and ports, 36 bytes.  Both addresses are of one family. */
void record_tuple(struct record_writer *w, uint32_t id, const struct tuple *t);
bool record_get_tuple(const struct record_field *f, struct tuple *t);

/* What a member of a structure is. */
enum record_kind {
	RECORD_U8,
	RECORD_U16,
	RECORD_U32,
	RECORD_U64,
	RECORD_BOOL,
	RECORD_TIME,  /* mono_t; unset stays unset */
	RECORD_MS,    /* 32 bits of a clock, ms; 0: unset */
	RECORD_S,     /* 32 bits of a clock, s */
	RECORD_US,    /* 32 bits of a clock, us */
	RECORD_TS_OFF /* 32 bits, ms: what is added to the clock */
};

/**
 * struct record_member - A member of a structure, as a field
 * @id:  of the field; not 0
 * @off: of the member, bytes
 */
struct record_member {
	uint16_t id, off;
	enum record_kind kind;
};

/* Member @member of struct @s, of kind RECORD_@kind, as field @id. */
#define RECORD_MEMBER(id, kind, s, member)                    \
	{                                                     \
		id, offsetof(struct s, member), RECORD_##kind \
	}

/* Write @n members of @obj. */
void record_save(struct record_writer *w, const struct record_member *m,
		 size_t n, const void *obj);
/* Set members that no field will name. */
void record_clear(const struct record_member *m, size_t n, void *obj);
/* Set the member that @f names; false: none of them.  @now: of the reader */
bool record_load(const struct record_field *f, const struct record_member *m,
		 size_t n, void *obj, mono_t now);

#endif
