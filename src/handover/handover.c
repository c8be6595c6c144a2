/* SPDX-License-Identifier: MIT */
/*
 * The state of all engines: a mark, then records (util/record.h).
 *
 *   "penstock state\n" | header | faults... | flow... | tables... | end
 *
 * The header has the version of the format and the two clocks.  The record at
 * the end says that the state is complete.  A reader looks at the whole frame
 * before it touches anything, so that what is damaged there is refused while
 * the writer can still go on.
 */
#include <errno.h>
#include <stdlib.h>

#include "internal.h"

#define PIECE (1u << 20) /* bytes given to put() at once, about */

static const char magic[15] = "penstock state\n";

const char *const handover_loss_name[HANDOVER_LOSSES] = {
	[HANDOVER_NO_SERVICE] = "no service has their address",
	[HANDOVER_DENIED] = "their client is denied",
	[HANDOVER_NO_ROOM] = "no room",
	[HANDOVER_UNREADABLE] = "unreadable",
	[HANDOVER_TAKEN] = "their addresses are in use here",
};

enum header_field {
	HEADER_VERSION = 1,
	HEADER_WORKERS = 2,
	HEADER_PROGRAM = 3,
	HEADER_NOW = 4,	 /* monotonic clock, us */
	HEADER_WALL = 5, /* wall clock, us */
};

enum end_field {
	END_FLOWS = 1
};

/* --- saving --- */

struct saving {
	const struct handover_side *side;
	struct record_writer w;
	handover_put put;
	void *arg;
	int err;
};

static void pass_on(struct saving *s, size_t least)
{
	if (s->w.failed && !s->err)
		s->err = -ENOMEM;
	if (s->err || s->w.len <= least)
		return;
	s->err = s->put(s->arg, s->w.buf, s->w.len);
	s->w.len = 0;
}

static void save_header(struct saving *s, mono_t now)
{
	struct record_writer *w = &s->w;
	size_t mark;

	record_raw(w, magic, sizeof(magic));
	mark = record_open(w, STATE_HEADER);
	record_number(w, HEADER_VERSION, HANDOVER_VERSION);
	record_number(w, HEADER_WORKERS, s->side->n);
	record_bytes(w, HEADER_PROGRAM, PENSTOCK_VERSION,
		     sizeof(PENSTOCK_VERSION) - 1);
	record_number(w, HEADER_NOW, (uint64_t)now.us);
	record_number(w, HEADER_WALL, (uint64_t)(now.us + s->side->wall_us));
	record_close(w, mark);
}

/* Oldest first, so that they are in the same order again.  The engine lists
 * them newest first. */
static uint32_t save_flows(struct saving *s, uint32_t worker)
{
	const struct engine *e = s->side->engine[worker];
	struct engine_gauges g;
	struct flow **list;
	uint32_t n = 0;

	engine_gauges(e, &g);
	list = calloc(g.flows + 1u, sizeof(void *));
	if (!list) {
		s->err = -ENOMEM;
		return 0;
	}
	for (struct flow *f = engine_flow_first(e); f && n < g.flows;
	     f = engine_flow_next(e, f))
		list[n++] = f;
	for (uint32_t i = n; i-- && !s->err;) {
		size_t mark = record_open(&s->w, STATE_FLOW);

		flow_save(e, list[i], worker, &s->w);
		record_close(&s->w, mark);
		pass_on(s, PIECE);
	}
	free(list);
	return n;
}

static void on_saved(void *arg)
{
	pass_on(arg, PIECE);
}

int handover_save(const struct handover_side *side, handover_put put, void *arg,
		  mono_t now, uint32_t *flows)
{
	struct saving s = {
		.side = side, .w = {.now = now}, .put = put, .arg = arg};
	size_t mark;

	*flows = 0;
	save_header(&s, now);
	for (uint32_t i = 0; i < side->n; i++)
		faults_save(side, i, &s.w);
	for (uint32_t i = 0; i < side->n; i++) {
		*flows += save_flows(&s, i);
		tables_save(side->engine[i], i, &s.w, on_saved, &s);
	}
	mark = record_open(&s.w, STATE_END);
	record_number(&s.w, END_FLOWS, *flows);
	record_close(&s.w, mark);
	pass_on(&s, 0);
	record_free(&s.w);
	return s.err;
}

/* --- loading --- */

static bool begin(const struct handover_state *h, struct record_reader *r)
{
	if (h->len < sizeof(magic) || memcmp(h->p, magic, sizeof(magic)) != 0)
		return false;
	*r = (struct record_reader){
		.p = h->p + sizeof(magic), .end = h->p + h->len, .now = h->now};
	return true;
}

/*
 * The clock of this host goes on: times count from the writer's.  Another
 * host's has another origin: they count from now on.  They are told apart by
 * the wall clock at that origin, so two hosts that were started in the same
 * second are taken for one, and times are wrong by that much.  After a step of
 * the wall clock one is taken for two, and times stand still during the pause.
 */
static void find_origin(struct handover_state *h, int64_t written_us,
			int64_t wall_us, int64_t my_wall_us, mono_t now)
{
	const int64_t apart = wall_us - written_us - my_wall_us;

	h->elsewhere = written_us > now.us || written_us <= 0 ||
		       apart >= USEC_PER_SEC || apart <= -USEC_PER_SEC;
	h->now = now;
	if (!h->elsewhere)
		h->now.us = written_us;
}

static int read_header(struct handover_state *h, struct record_reader r,
		       int64_t my_wall_us, mono_t now)
{
	uint64_t written_us = 0, wall_us = 0;
	struct record_field f;
	int more;

	while ((more = record_next(&r, &f)) > 0) {
		if (f.id == HEADER_VERSION)
			h->version = (uint32_t)f.number;
		else if (f.id == HEADER_WORKERS)
			h->workers = (uint32_t)f.number;
		else if (f.id == HEADER_NOW)
			written_us = f.number;
		else if (f.id == HEADER_WALL)
			wall_us = f.number;
		else if (f.id == HEADER_PROGRAM) {
			h->program = f.in.p;
			h->program_len = (uint32_t)record_left(&f.in);
		}
	}
	if (more || written_us > INT64_MAX / 2 || wall_us > INT64_MAX / 2)
		return -EBADMSG;
	find_origin(h, (int64_t)written_us, (int64_t)wall_us, my_wall_us, now);
	return h->version == HANDOVER_VERSION ? 0 : -EPROTO;
}

static uint32_t read_end(struct record_reader r)
{
	struct record_field f;
	uint32_t flows = 0;

	while (record_next(&r, &f) > 0) {
		if (f.id == END_FLOWS)
			flows = (uint32_t)f.number;
	}
	return flows;
}

/* The frame: every record is whole, and the last one is the end. */
static int look(struct handover_state *h, struct record_reader r,
		int64_t wall_us, mono_t now)
{
	struct record_field f = {0};
	bool head = false, end = false;
	int more, err;

	while ((more = record_next(&r, &f)) > 0) {
		if (!f.has_bytes || end || (f.id != STATE_HEADER && !head))
			return -EBADMSG;
		if (f.id == STATE_HEADER) {
			err = head ? -EBADMSG
				   : read_header(h, f.in, wall_us, now);
			if (err)
				return err;
			head = true;
		}
		h->flows += f.id == STATE_FLOW;
		end = f.id == STATE_END;
	}
	if (more || !end || read_end(f.in) != h->flows)
		return -EBADMSG;
	return 0;
}

int handover_open(struct handover_state *h, const void *p, size_t len,
		  int64_t wall_us, mono_t now)
{
	struct record_reader r;
	int err;

	*h = (struct handover_state){.p = p, .len = len};
	if (!begin(h, &r))
		return -EBADMSG;
	err = look(h, r, wall_us, now);
	if (err)
		return err;
	h->bad = calloc(h->flows / 8 + 1, 1);
	return h->bad ? 0 : -ENOMEM;
}

void handover_close(struct handover_state *h)
{
	free(h->bad);
	h->bad = NULL;
}

static void expect_strays(struct engine *e, mono_t now)
{
	const struct engine_tables t = engine_tables(e, now);

	if (t.strays)
		*t.strays = true;
}

void handover_load(struct handover_state *h, const struct handover_side *s,
		   struct handover_counts *c)
{
	const bool anew = h->elsewhere || h->workers != s->n;
	struct record_reader r;
	struct record_field f;
	uint32_t i = 0;

	*c = (struct handover_counts){0};
	if (!begin(h, &r))
		return;
	/* Another kernel spreads clients in another way, and so does this one
	 * among other workers.  The writer may have met that before, so with
	 * as many workers as here they need not be the right ones either. */
	for (uint32_t k = 0; k < s->n; k++)
		expect_strays(s->engine[k], h->now);
	faults_begin(s);
	while (record_next(&r, &f) > 0) {
		enum handover_loss loss;

		if (f.id == STATE_FAULTS) {
			c->faults += faults_load(s, f.in);
			continue;
		}
		if (f.id != STATE_FLOW) {
			c->forgotten += table_load(s, anew, f.id, f.in) != 0;
			continue;
		}
		loss = flow_load(s->engine, s->n, f.in);
		if (loss == HANDOVER_LOSSES) {
			c->taken++;
		} else {
			c->lost[loss]++;
			if (loss != HANDOVER_TAKEN)
				h->bad[i / 8] |= (uint8_t)BIT(i % 8);
		}
		i++;
	}
	faults_end(s, h->now);
}

void handover_reset(const struct handover_state *h,
		    const struct handover_side *s, handover_send send,
		    void *arg)
{
	struct record_reader r;
	struct record_field f;
	uint32_t i = 0;

	if (!begin(h, &r))
		return;
	while (record_next(&r, &f) > 0) {
		if (f.id != STATE_FLOW)
			continue;
		if (h->bad[i / 8] & BIT(i % 8))
			flow_tell(s->engine[0], f.in, send, arg, h->now);
		i++;
	}
}
