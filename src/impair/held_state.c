/* SPDX-License-Identifier: MIT */
/*
 * Packets that faults hold, as records, in the order in which they go on.
 */
#include <stdlib.h>

#include "fault/state.h"
#include "internal.h"

enum held_field {
	HELD_FAULT = 1,	  /* name */
	HELD_HEADERS = 2, /* of one that is sent */
	HELD_PAYLOAD = 3,
	HELD_TUPLE = 4, /* of one that has arrived, or that a notice is about */
	HELD_SACK = 5,
	HELD_TFO = 6,
	HELD_READY = 7 /* it is to be sent now */
};

#define NO_SLOT UINT8_MAX /* its fault is gone */

#define M(id, kind, member) RECORD_MEMBER(id, kind, held, member)

static const struct record_member members[] = {
	M(16, TIME, due),	 M(17, BOOL, crossed), M(18, BOOL, out),
	M(19, BOOL, notice),	 M(20, U8, family),    M(21, U8, l4_off),
	M(22, BOOL, false_word),
};

static const struct record_member segment_members[] = {
	M(32, U32, seg.seq),	     M(33, U32, seg.ack),
	M(34, U16, seg.flags),	     M(35, U16, seg.wnd),
	M(36, U16, seg.urg),	     M(37, U8, seg.family),
	M(38, U8, seg.ecn),	     M(39, U8, seg.ttl),
	M(40, U8, seg.tos),	     M(41, U8, seg.opts.has),
	M(42, U8, seg.opts.nsack),   M(43, U8, seg.opts.wscale),
	M(44, U8, seg.opts.tfo_len), M(45, U16, seg.opts.mss),
	M(46, U16, seg.opts.uto),    M(47, U32, seg.opts.tsval),
	M(48, U32, seg.opts.tsecr),
};

static const struct record_member notice_members[] = {
	M(64, U32, about.seq),	 M(65, U32, about.mtu), M(66, U32, about.kind),
	M(67, U8, about.family), M(68, U8, about.type), M(69, U8, about.code),
};

static_assert(sizeof(enum icmp_kind) == sizeof(uint32_t), "about.kind");
static_assert(sizeof(struct sack_block) == 8, "HELD_SACK");

/* --- saving --- */

static void save_segment(const struct segment *s, struct record_writer *w)
{
	record_tuple(w, HELD_TUPLE, &s->t);
	if (s->opts.nsack)
		record_bytes(w, HELD_SACK, s->opts.sack,
			     s->opts.nsack * sizeof(s->opts.sack[0]));
	if (s->opts.tfo_len)
		record_bytes(w, HELD_TFO, s->opts.tfo, s->opts.tfo_len);
}

static void save(const struct impair *im, const struct held *h, bool ready,
		 struct record_writer *w)
{
	const char *name = h->slot < FAULT_MAX && im->set.fault[h->slot].used
				   ? im->set.fault[h->slot].spec.name
				   : "";

	record_bytes(w, HELD_FAULT, name, strlen(name));
	record_number(w, HELD_READY, ready);
	record_save(w, members, ARRAY_LEN(members), h);
	if (h->out) {
		record_bytes(w, HELD_HEADERS, h->hdr, h->hdr_len);
	} else if (h->notice) {
		record_tuple(w, HELD_TUPLE, &h->about.t);
		record_save(w, notice_members, ARRAY_LEN(notice_members), h);
	} else {
		save_segment(&h->seg, w);
		record_save(w, segment_members, ARRAY_LEN(segment_members), h);
	}
	if (h->len)
		record_bytes(w, HELD_PAYLOAD, h->buf->data, h->len);
}

static int by_time(const void *a, const void *b)
{
	return delayq_before(*(struct held *const *)a, *(struct held *const *)b)
		       ? -1
		       : 1;
}

void held_save(const struct impair *im, uint32_t id, struct record_writer *w)
{
	struct held **all = calloc(im->nheap + 1u, sizeof(struct held *));
	size_t mark;

	for (const struct held *h = im->out_head; h; h = h->next) {
		mark = record_open(w, id);
		save(im, h, true, w);
		record_close(w, mark);
	}
	if (!all) {
		w->failed = true;
		return;
	}
	if (im->nheap)
		memcpy(all, im->heap, im->nheap * sizeof(struct held *));
	qsort(all, im->nheap, sizeof(struct held *), by_time);
	for (uint32_t i = 0; i < im->nheap; i++) {
		mark = record_open(w, id);
		save(im, all[i], false, w);
		record_close(w, mark);
	}
	free(all);
}

/* --- loading --- */

/**
 * struct saved - A packet's record, taken apart
 * @slot: of its fault
 * @bytes: by enum held_field; empty where it has none
 */
struct saved {
	int slot;
	bool ready;
	struct record_field bytes[HELD_READY];
};

static uint32_t length(const struct saved *s, enum held_field f)
{
	return (uint32_t)record_left(&s->bytes[f].in);
}

static void copy(const struct saved *s, enum held_field f, void *to)
{
	if (length(s, f))
		memcpy(to, s->bytes[f].in.p, length(s, f));
}

static bool take_apart(const struct impair *im, struct record_reader r,
		       struct saved *s)
{
	char name[FAULT_NAME_MAX + 1] = "";
	struct record_field f;
	int more;

	*s = (struct saved){.slot = -1};
	while ((more = record_next(&r, &f)) > 0) {
		if (f.id == HELD_READY)
			s->ready = f.number;
		else if (f.id && f.id < HELD_READY)
			s->bytes[f.id] = f;
	}
	if (length(s, HELD_FAULT) < sizeof(name))
		copy(s, HELD_FAULT, name);
	s->slot = fault_set_find(&im->set, name);
	if (s->slot >= 0 && !(im->carried & BIT(s->slot)))
		s->slot = -1;
	return !more &&
	       s->bytes[HELD_PAYLOAD].has_bytes == !!length(s, HELD_PAYLOAD);
}

static bool fill_out(struct held *h, const struct saved *s)
{
	const uint32_t n = length(s, HELD_HEADERS);
	const uint32_t ip = h->family == 4 ? 20 : 40;

	if (n > sizeof(h->hdr) || h->l4_off < ip ||
	    n < h->l4_off + (h->false_word ? 8u : TCP_HLEN) ||
	    (h->family != 4 && h->family != 6))
		return false;
	copy(s, HELD_HEADERS, h->hdr);
	h->hdr_len = (uint8_t)n;
	return true;
}

static bool fill_segment(struct held *h, const struct saved *s)
{
	struct segment *g = &h->seg;
	struct tcp_opts *o = &g->opts;

	if (o->nsack > SACK_BLOCKS_MAX || o->tfo_len > TFO_COOKIE_MAX ||
	    length(s, HELD_SACK) != o->nsack * sizeof(o->sack[0]) ||
	    length(s, HELD_TFO) != o->tfo_len || segment_senseless(g->flags) ||
	    g->family != (ipaddr_is_v4(&g->t.local) ? 4 : 6))
		return false;
	copy(s, HELD_SACK, o->sack);
	copy(s, HELD_TFO, o->tfo);
	g->data.len = h->len;
	g->data.buf = h->buf;
	g->data.p = h->buf ? h->buf->data : NULL;
	return true;
}

/* Members, after the kind of packet is known. */
static bool fill(struct held *h, const struct saved *s, struct record_reader r)
{
	struct tuple *t = h->notice ? &h->about.t : &h->seg.t;
	struct record_field f;

	if (h->buf)
		copy(s, HELD_PAYLOAD, h->buf->data);
	if (h->out)
		return fill_out(h, s);
	memset(&h->seg, 0, sizeof(h->seg));
	if (!record_get_tuple(&s->bytes[HELD_TUPLE], t))
		return false;
	while (record_next(&r, &f) > 0) {
		if (h->notice)
			record_load(&f, notice_members,
				    ARRAY_LEN(notice_members), h, r.now);
		else
			record_load(&f, segment_members,
				    ARRAY_LEN(segment_members), h, r.now);
	}
	return h->notice ? h->about.kind <= ICMP_K_OTHER : fill_segment(h, s);
}

void held_load(struct impair *im, struct record_reader r)
{
	struct record_reader all = r;
	struct record_field f;
	struct held *h = NULL;
	struct saved s;

	if (take_apart(im, r, &s))
		h = held_new(im, length(&s, HELD_PAYLOAD));
	if (!h)
		return;
	while (record_next(&all, &f) > 0)
		record_load(&f, members, ARRAY_LEN(members), h, r.now);
	h->due = fault_load_time(h->due, r.now);
	if (h->due.us <= 0 || s.slot < 0) /* damaged, or its fault is gone */
		h->due = r.now;
	h->slot = s.slot >= 0 ? (uint8_t)s.slot : NO_SLOT;
	if (!fill(h, &s, r))
		held_free(im, h);
	else if (s.ready && h->out)
		outq_push(im, h);
	else /* it goes on when time does */
		delayq_put(im, h, h->due, MONO_UNSET);
}
