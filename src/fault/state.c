/* SPDX-License-Identifier: MIT */
/*
 * Faults as records.
 *
 * A fault is known by its name, since its slot may be another one next time.
 * The numbers of fields stay what they are for good.
 */
#include "fault/state.h"

#include "internal.h"

#define M RECORD_MEMBER

enum set_field {
	SET_SEED = 1,
	SET_SERIAL = 2,
	SET_REPORT = 3
};

enum fault_field {
	FAULT_LINE = 1, /* text */
	FAULT_OF_FILE = 2,
	FAULT_PEER = 3,	 /* FR_COUNT numbers, by their own ids plus 1 */
	FAULT_COUNT = 4, /* FC_COUNT of them, likewise */
	FAULT_ACTS = 5,	 /* a connection's: name */
	FAULT_STATE_0 = 32
};

static const struct record_member fault_members[] = {
	M(8, U64, fault, key),		M(9, U32, fault, conns),
	M(10, TIME, fault, added),	M(11, TIME, fault, lease_end),
	M(12, U64, fault, answered[0]), M(13, U64, fault, answered[1]),
	M(14, U64, fault, unwatched),
};

enum gone_field {
	GONE_NAME = 1,
	GONE_OP = 2,
};

static const struct record_member gone_members[] = {
	M(8, U8, fault_gone, expect.counter),
	M(9, U64, fault_gone, expect.n),
	M(10, U64, fault_gone, n),
};

enum flow_field {
	FLOW_ACTS = 1,	/* each fault that acts on it */
	FLOW_TRACK = 2, /* and the three after it: sides, directions */
	FLOW_PEER = 6,	/* and the one after it: sides */
};

static const struct record_member flow_members[] = {
	M(16, U64, fault_flow, serial), M(17, TIME, fault_flow, born),
	M(18, TIME, fault_flow, seen),	M(19, U32, fault_flow, isn),
	M(20, BOOL, fault_flow, old),	M(21, BOOL, fault_flow, crossed),
	M(22, TIME, fault_flow, ends),
};

static const struct record_member track_members[] = {
	M(1, BOOL, fault_track, known),
	M(2, U32, fault_track, base),
	M(3, U64, fault_track, at),
};

static const struct record_member peer_members[] = {
	M(1, TIME, fault_peer, heard_at),    M(2, TIME, fault_peer, told_at),
	M(3, U32, fault_peer, high),	     M(4, U32, fault_peer, ack),
	M(5, U32, fault_peer, told_ack),     M(6, U32, fault_peer, asked),
	M(7, U16, fault_peer, wnd),	     M(8, U16, fault_peer, told_wnd),
	M(9, BOOL, fault_peer, acked),	     M(10, BOOL, fault_peer, quiet),
	M(11, BOOL, fault_peer, alone),	     M(12, BOOL, fault_peer, asked_syn),
	M(13, TIME, fault_peer, asked_at),   M(14, U64, fault_peer, gap_us),
	M(15, U64, fault_peer, rtt_us),	     M(16, U32, fault_peer, again),
	M(17, U32, fault_peer, again_n),     M(18, U32, fault_peer, probe_n),
	M(19, TIME, fault_peer, again_at),   M(20, TIME, fault_peer, probe_at),
	M(21, TIME, fault_peer, unanswered),
};
#define PEER_ADDRESS 22

static const struct record_member conn_members[] = {
	M(16, U32, fault_conn, ordinal),  M(17, U32, fault_conn, event),
	M(18, U32, fault_conn, injected), M(19, BOOL, fault_conn, armed),
	M(20, BOOL, fault_conn, done),	  M(21, BOOL, fault_conn, drawn),
	M(22, TIME, fault_conn, first),	  M(23, U64, fault_conn, last),
	M(24, U64, fault_conn, at),	  M(25, U64, fault_conn, acted),
	M(26, U64, fault_conn, passed),
};

static_assert(sizeof(double) == sizeof(uint64_t), "fault_conn.last");

mono_t fault_load_time(mono_t t, mono_t now)
{
	if (!mono_is_set(t))
		return t;
	if (t.us > now.us + FAULT_TIME_MAX)
		t.us = now.us + FAULT_TIME_MAX;
	if (t.us < now.us - FAULT_TIME_MAX)
		t.us = now.us - FAULT_TIME_MAX;
	return t;
}

/* Read a record into members. */
static int load_part(struct record_reader r, const struct record_member *m,
		     size_t n, void *obj)
{
	struct record_field f;
	int more;

	while ((more = record_next(&r, &f)) > 0)
		record_load(&f, m, n, obj, r.now);
	for (; n; n--, m++) {
		mono_t *t = (void *)((uint8_t *)obj + m->off);

		if (m->kind == RECORD_TIME)
			*t = fault_load_time(*t, r.now);
	}
	return more;
}

#define LOAD(r, m, obj) load_part(r, m, ARRAY_LEN(m), obj)

/* --- the set --- */

void fault_set_save(const struct fault_set *s, struct record_writer *w)
{
	record_number(w, SET_SEED, s->seed);
	record_number(w, SET_SERIAL, s->serial);
	record_number(w, SET_REPORT, s->report);
}

void fault_set_load(struct fault_set *s, struct record_reader r)
{
	struct record_field f;

	while (record_next(&r, &f) > 0) {
		if (f.id == SET_SEED && (uint32_t)f.number)
			s->seed = (uint32_t)f.number;
		if (f.id == SET_SERIAL)
			s->serial = f.number;
		if (f.id == SET_REPORT)
			s->report = f.number;
	}
	if (s->totals && s->totals->serial < s->serial)
		s->totals->serial = s->serial;
}

/* Answers that nobody waits for any more. */
static uint64_t pending_of(const struct fault_set *s, int slot)
{
	uint64_t n = 0;

	for (const struct fault_flow *f = s->first; f; f = f->next) {
		for (uint32_t i = 0; i < f->watch.n; i++)
			n += f->watch.pending[i].slot == slot &&
			     f->watch.pending[i].key == s->fault[slot].key;
	}
	return n;
}

void fault_save(const struct fault_set *s, int slot, bool file,
		struct record_writer *w)
{
	struct fault f = s->fault[slot];
	char line[FAULT_LINE_MAX + 1];
	size_t mark;

	fault_print_line(&f.spec, line, sizeof(line));
	record_bytes(w, FAULT_LINE, line, strlen(line));
	record_number(w, FAULT_OF_FILE, file);
	f.unwatched += pending_of(s, slot);
	record_save(w, fault_members, ARRAY_LEN(fault_members), &f);
	mark = record_open(w, FAULT_PEER);
	for (uint32_t i = 0; i < FR_COUNT; i++)
		record_number(w, i + 1, f.peer[i]);
	record_close(w, mark);
	mark = record_open(w, FAULT_COUNT);
	for (uint32_t i = 0; i < FC_COUNT; i++)
		record_number(w, i + 1, f.count[i]);
	record_close(w, mark);
}

int fault_load_spec(struct record_reader r, struct fault_spec *spec, bool *file)
{
	char line[FAULT_LINE_MAX + 1] = "", err[1600];
	struct record_field f;
	size_t n;

	*file = false;
	while (record_next(&r, &f) > 0) {
		n = record_left(&f.in);
		if (f.id == FAULT_OF_FILE)
			*file = f.number;
		if (f.id != FAULT_LINE || n > FAULT_LINE_MAX)
			continue;
		memcpy(line, f.in.p, n);
		line[n] = '\0';
	}
	return fault_parse_line(line, spec, err, sizeof(err));
}

static void add_numbers(struct record_reader r, uint64_t *to, uint32_t n)
{
	struct record_field f;

	while (record_next(&r, &f) > 0) {
		if (f.id && f.id <= n)
			to[f.id - 1] += f.number;
	}
}

void fault_load_counts(struct fault_set *s, int slot, struct record_reader r)
{
	struct fault *to = &s->fault[slot], from = {.used = true};
	const struct record_reader all = r;
	struct record_field f;

	LOAD(all, fault_members, &from);
	while (record_next(&r, &f) > 0) {
		if (f.id == FAULT_PEER)
			add_numbers(f.in, to->peer, FR_COUNT);
		if (f.id == FAULT_COUNT)
			add_numbers(f.in, to->count, FC_COUNT);
	}
	to->key = from.key ? from.key : to->key;
	to->added = mono_is_set(from.added) ? from.added : to->added;
	to->conns += from.conns;
	if (s->totals)
		s->totals->conns[slot] += from.conns;
	to->answered[0] += from.answered[0];
	to->answered[1] += from.answered[1];
	to->unwatched += from.unwatched;
	if (!mono_is_set(from.lease_end) ||
	    mono_sub(from.lease_end, r.now) >= FAULT_TIME_MAX)
		from.lease_end = MONO_NEVER;
	fault_set_lease_until(s, slot, from.lease_end);
}

/* --- leases that have ended --- */

void fault_gone_save(const struct fault_set *s, uint32_t i,
		     struct record_writer *w)
{
	const struct fault_gone *g = &s->gone[i];

	record_bytes(w, GONE_NAME, g->name, strlen(g->name));
	record_bytes(w, GONE_OP, g->expect.op, strlen(g->expect.op));
	record_save(w, gone_members, ARRAY_LEN(gone_members), g);
}

static void take_text(const struct record_field *f, char *to, size_t size)
{
	size_t n = record_left(&f->in);

	if (n < size)
		memcpy(to, f->in.p, n);
}

/* With several sets, each has its own part of the number. */
void fault_gone_load(struct fault_set *s, struct record_reader r)
{
	struct fault_gone g = {.expect.set = true};
	const struct record_reader all = r;
	struct record_field f;

	LOAD(all, gone_members, &g);
	while (record_next(&r, &f) > 0) {
		if (f.id == GONE_NAME)
			take_text(&f, g.name, sizeof(g.name));
		if (f.id == GONE_OP)
			take_text(&f, g.expect.op, sizeof(g.expect.op));
	}
	if (g.expect.counter >= FC_COUNT || fault_set_find(s, g.name) >= 0)
		return;
	for (uint32_t i = 0; i < s->ngone; i++) {
		if (!strcmp(s->gone[i].name, g.name)) {
			s->gone[i].n += g.n;
			return;
		}
	}
	if (s->ngone < FAULT_MAX)
		s->gone[s->ngone++] = g;
}

/* --- connections --- */

/* What a type remembers: words of which some are times. */
static struct record_member word(const struct fault_spec *spec, uint16_t i)
{
	const struct fault_type_desc *t = fault_desc(spec);
	/* struct portion; struct asked of impair/behave.c */
	const uint8_t times = (uint8_t)(t->times | (t->portions ? 1 : 0) |
					(t->asked ? 3 : 0));

	return (struct record_member){
		(uint16_t)(FAULT_STATE_0 + i),
		(uint16_t)(offsetof(struct fault_conn, state) +
			   i * sizeof(uint64_t)),
		times & BIT(i) ? RECORD_TIME : RECORD_U64};
}

static void conn_save(const struct fault *f, const struct fault_conn *c,
		      struct record_writer *w)
{
	record_bytes(w, FAULT_ACTS, f->spec.name, strlen(f->spec.name));
	record_save(w, conn_members, ARRAY_LEN(conn_members), c);
	for (uint16_t i = 0; i < FAULT_STATE_WORDS; i++) {
		const struct record_member m = word(&f->spec, i);

		record_save(w, &m, 1, c);
	}
}

static void peer_save(const struct fault_peer *p, struct record_writer *w)
{
	record_save(w, peer_members, ARRAY_LEN(peer_members), p);
	record_bytes(w, PEER_ADDRESS, p->addr.b, sizeof(p->addr.b));
}

void fault_flow_save(const struct fault_set *s, const struct fault_flow *f,
		     struct record_writer *w)
{
	size_t mark;

	record_save(w, flow_members, ARRAY_LEN(flow_members), f);
	for (uint32_t i = 0; i < 4; i++) {
		mark = record_open(w, FLOW_TRACK + i);
		record_save(w, track_members, ARRAY_LEN(track_members),
			    &f->track[i / 2][i % 2]);
		record_close(w, mark);
	}
	for (uint32_t i = 0; i < 2; i++) {
		mark = record_open(w, FLOW_PEER + i);
		peer_save(&f->watch.peer[i], w);
		record_close(w, mark);
	}
	for (uint32_t i = 0; i < s->n; i++) {
		uint8_t slot = s->order[i];

		if (!(f->active & BIT(slot)))
			continue;
		mark = record_open(w, FLOW_ACTS);
		conn_save(&s->fault[slot], &f->c[slot], w);
		record_close(w, mark);
	}
}

/* The slot of the fault that the record names; -1: there is none. */
static int slot_of(const struct fault_set *s, struct record_reader r)
{
	char name[FAULT_NAME_MAX + 1] = "";
	struct record_field f;

	while (record_next(&r, &f) > 0) {
		if (f.id == FAULT_ACTS)
			take_text(&f, name, sizeof(name));
	}
	return fault_set_find(s, name);
}

static int conn_load(struct fault_set *s, struct fault_flow *w, int slot,
		     struct record_reader r)
{
	struct record_member m[FAULT_STATE_WORDS];
	struct fault_conn *c = &w->c[slot];
	int err;

	if (w->active & BIT(slot))
		return -EBADMSG;
	*c = (struct fault_conn){0};
	for (uint16_t i = 0; i < FAULT_STATE_WORDS; i++)
		m[i] = word(&s->fault[slot].spec, i);
	err = LOAD(r, conn_members, c);
	if (!err)
		err = LOAD(r, m, c);
	if (!(c->last > -1e9 && c->last < 1e9)) /* it is no number */
		c->last = 0;
	fault_flow_carry(s, w, slot);
	return err;
}

static int track_load(struct fault_track *t, struct record_reader r)
{
	int err = LOAD(r, track_members, t);

	return err || t->at > UINT64_MAX / 4 ? -EBADMSG : 0;
}

static int peer_load(struct fault_peer *p, struct record_reader r)
{
	const struct record_reader all = r;
	struct record_field f;

	while (record_next(&r, &f) > 0) {
		if (f.id == PEER_ADDRESS)
			record_get(&f, p->addr.b, sizeof(p->addr.b));
	}
	if (LOAD(all, peer_members, p))
		return -EBADMSG;
	return p->gap_us < 0 || p->gap_us > FAULT_TIME_MAX || p->rtt_us < 0 ||
			       p->rtt_us > FAULT_TIME_MAX
		       ? -EBADMSG
		       : 0;
}

int fault_flow_load(struct fault_set *s, struct fault_flow *w, uint32_t slots,
		    struct record_reader r, bool *lost)
{
	const struct record_reader all = r;
	struct record_field f;
	int err, slot;

	*lost = false;
	record_clear(flow_members, ARRAY_LEN(flow_members), w);
	err = LOAD(all, flow_members, w);
	while (!err && record_next(&r, &f) > 0) {
		uint32_t track = f.id - FLOW_TRACK, side = f.id - FLOW_PEER;

		if (f.id == FLOW_ACTS) {
			slot = slot_of(s, f.in);
			if (slot >= 0 && !(slots & BIT(slot)))
				slot = -1;
			*lost |= slot < 0;
			err = slot < 0 ? 0 : conn_load(s, w, slot, f.in);
		} else if (track < 4) {
			err = track_load(&w->track[track / 2][track % 2], f.in);
		} else if (side < 2) {
			err = peer_load(&w->watch.peer[side], f.in);
		}
	}
	return err;
}
