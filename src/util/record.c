/* SPDX-License-Identifier: MIT */
/*
 * Records.  CBOR would do as well, but what is wanted of it here is this: a
 * writer that nests without knowing lengths beforehand, a reader that allocates
 * nothing, and tables that map members of structures to fields.
 */
#include <errno.h>
#include <stdlib.h>

#include "util/record.h"

#define LENGTH_BYTES 4u
#define VARINT_MAX 10u
#define ROOM_FIRST 4096u
#define NEVER UINT64_MAX

void record_free(struct record_writer *w)
{
	free(w->buf);
	*w = (struct record_writer){.now = w->now};
}

static bool reserve(struct record_writer *w, size_t n)
{
	size_t room = w->room ? w->room : ROOM_FIRST;
	uint8_t *p;

	if (w->failed)
		return false;
	if (w->room - w->len >= n)
		return true;
	while (room - w->len < n)
		room *= 2;
	p = realloc(w->buf, room);
	if (!p) {
		w->failed = true;
		return false;
	}
	w->buf = p;
	w->room = room;
	return true;
}

static void put_varint(struct record_writer *w, uint64_t v)
{
	while (v >= 0x80) {
		w->buf[w->len++] = (uint8_t)(v | 0x80);
		v >>= 7;
	}
	w->buf[w->len++] = (uint8_t)v;
}

void record_number(struct record_writer *w, uint32_t id, uint64_t v)
{
	if (!v || !reserve(w, 2 * VARINT_MAX))
		return;
	put_varint(w, 2 * (uint64_t)id);
	put_varint(w, v);
}

size_t record_open(struct record_writer *w, uint32_t id)
{
	if (!reserve(w, VARINT_MAX + LENGTH_BYTES))
		return 0;
	put_varint(w, 2 * (uint64_t)id + 1);
	w->len += LENGTH_BYTES;
	return w->len;
}

void record_close(struct record_writer *w, size_t mark)
{
	size_t n = w->len - mark;

	if (w->failed)
		return;
	if (n > UINT32_MAX) {
		w->failed = true;
		return;
	}
	for (size_t i = 0; i < LENGTH_BYTES; i++)
		w->buf[mark - LENGTH_BYTES + i] = (uint8_t)(n >> (8 * i));
}

void record_raw(struct record_writer *w, const void *p, size_t n)
{
	if (!n || !reserve(w, n))
		return;
	memcpy(w->buf + w->len, p, n);
	w->len += n;
}

void record_bytes(struct record_writer *w, uint32_t id, const void *p, size_t n)
{
	size_t mark = record_open(w, id);

	record_raw(w, p, n);
	record_close(w, mark);
}

/* --- reading --- */

static bool get_varint(struct record_reader *r, uint64_t *v)
{
	*v = 0;
	for (unsigned int shift = 0; r->p < r->end && shift < 64; shift += 7) {
		uint8_t b = *r->p++;

		*v |= (uint64_t)(b & 0x7f) << shift;
		if (!(b & 0x80))
			return true;
	}
	return false;
}

int record_next(struct record_reader *r, struct record_field *f)
{
	uint64_t key;
	size_t n = 0;

	if (r->p == r->end)
		return 0;
	*f = (struct record_field){.in = {.now = r->now}};
	if (!get_varint(r, &key) || key > UINT32_MAX)
		return -EBADMSG;
	f->id = (uint32_t)(key / 2);
	f->has_bytes = key & 1;
	if (!f->has_bytes)
		return get_varint(r, &f->number) ? 1 : -EBADMSG;
	if (record_left(r) < LENGTH_BYTES)
		return -EBADMSG;
	for (unsigned int i = 0; i < LENGTH_BYTES; i++)
		n |= (size_t)*r->p++ << (8 * i);
	if (n > record_left(r))
		return -EBADMSG;
	f->in.p = r->p;
	f->in.end = r->p += n;
	return 1;
}

bool record_get(const struct record_field *f, void *to, size_t n)
{
	if (!f->has_bytes || record_left(&f->in) != n)
		return false;
	memcpy(to, f->in.p, n);
	return true;
}

/* --- addresses --- */

#define TUPLE_BYTES 36u

void record_tuple(struct record_writer *w, uint32_t id, const struct tuple *t)
{
	uint8_t b[TUPLE_BYTES];

	memcpy(b, t->local.b, 16);
	memcpy(b + 16, t->remote.b, 16);
	put_be16(b + 32, t->lport);
	put_be16(b + 34, t->rport);
	record_bytes(w, id, b, sizeof(b));
}

bool record_get_tuple(const struct record_field *f, struct tuple *t)
{
	uint8_t b[TUPLE_BYTES];

	if (!record_get(f, b, sizeof(b)))
		return false;
	t->local = ipaddr_v6(b);
	t->remote = ipaddr_v6(b + 16);
	t->lport = get_be16(b + 32);
	t->rport = get_be16(b + 34);
	return ipaddr_is_v4(&t->local) == ipaddr_is_v4(&t->remote);
}

/* --- members --- */

/* A signed number as one that is small when its absolute value is, not 0. */
static uint64_t zigzag(int64_t v)
{
	uint64_t twice = (uint64_t)v << 1;

	return (v < 0 ? ~twice : twice) + 1;
}

static int64_t unzigzag(uint64_t v)
{
	v--;
	return (int64_t)(v >> 1) ^ -(int64_t)(v & 1);
}

/* The clock of a kind, 32 bits. */
static uint32_t clock_of(enum record_kind k, mono_t now)
{
	switch (k) {
	case RECORD_S:
		return (uint32_t)(now.us / USEC_PER_SEC);
	case RECORD_US:
		return (uint32_t)now.us;
	default:
		return (uint32_t)(now.us / USEC_PER_MSEC);
	}
}

static uint64_t time_out(mono_t t, mono_t now)
{
	if (!mono_is_set(t))
		return 0;
	return t.us == MONO_NEVER.us ? NEVER : zigzag(mono_sub(t, now));
}

static mono_t time_in(uint64_t v, mono_t now)
{
	int64_t us;

	if (!v)
		return MONO_UNSET;
	if (v == NEVER || __builtin_add_overflow(now.us, unzigzag(v), &us))
		return MONO_NEVER;
	return (mono_t){us ? us : 1};
}

static uint64_t member_out(const struct record_member *m, const void *at,
			   mono_t now)
{
	uint32_t v;

	switch (m->kind) {
	case RECORD_U8:
	case RECORD_BOOL:
		return *(const uint8_t *)at;
	case RECORD_U16:
		return *(const uint16_t *)at;
	case RECORD_U32:
		return *(const uint32_t *)at;
	case RECORD_U64:
		return *(const uint64_t *)at;
	case RECORD_TIME:
		return time_out(*(const mono_t *)at, now);
	case RECORD_TS_OFF:
		v = *(const uint32_t *)at + clock_of(m->kind, now);
		return (uint64_t)v + 1;
	default:
		v = *(const uint32_t *)at;
		if (m->kind == RECORD_MS && !v)
			return 0;
		return zigzag((int32_t)(v - clock_of(m->kind, now)));
	}
}

void record_save(struct record_writer *w, const struct record_member *m,
		 size_t n, const void *obj)
{
	if (!reserve(w, n * 2 * VARINT_MAX))
		return;
	for (; n; n--, m++) {
		uint64_t v =
			member_out(m, (const uint8_t *)obj + m->off, w->now);

		if (!v)
			continue;
		put_varint(w, 2 * (uint64_t)m->id);
		put_varint(w, v);
	}
}

static void member_in(enum record_kind kind, void *at, uint64_t v, mono_t now)
{
	uint32_t ago;

	switch (kind) {
	case RECORD_U8:
		*(uint8_t *)at = (uint8_t)v;
		break;
	case RECORD_BOOL:
		*(bool *)at = v != 0;
		break;
	case RECORD_U16:
		*(uint16_t *)at = (uint16_t)v;
		break;
	case RECORD_U32:
		*(uint32_t *)at = (uint32_t)v;
		break;
	case RECORD_U64:
		*(uint64_t *)at = v;
		break;
	case RECORD_TIME:
		*(mono_t *)at = time_in(v, now);
		break;
	case RECORD_TS_OFF:
		*(uint32_t *)at = v ? (uint32_t)v - 1 - clock_of(kind, now) : 0;
		break;
	default:
		ago = v ? (uint32_t)unzigzag(v) + clock_of(kind, now) : 0;
		*(uint32_t *)at = v && kind == RECORD_MS && !ago ? 1 : ago;
		break;
	}
}

void record_clear(const struct record_member *m, size_t n, void *obj)
{
	/* no clock: what is 0 in a structure is 0 */
	for (; n; n--, m++)
		member_in(m->kind, (uint8_t *)obj + m->off, 0, MONO_UNSET);
}

bool record_load(const struct record_field *f, const struct record_member *m,
		 size_t n, void *obj, mono_t now)
{
	const uint32_t at = f->id - m->id;

	if (f->has_bytes)
		return false;
	if (likely(at < n && m[at].id == f->id)) { /* numbered in a row */
		m += at;
		n = 1;
	}
	for (; n; n--, m++) {
		if (m->id != f->id)
			continue;
		member_in(m->kind, (uint8_t *)obj + m->off, f->number, now);
		return true;
	}
	return false;
}
