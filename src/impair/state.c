/* SPDX-License-Identifier: MIT */
/*
 * The faults of an engine and of its flows as records.  The numbers of fields
 * stay what they are for good.
 */
#include "impair/state.h"

#include "fault/state.h"
#include "internal.h"

enum faults_field {
	FAULTS_SET = 1,
	FAULTS_ONE = 2, /* each, in their order */
	FAULTS_GONE = 3,
	FAULTS_UNBOUND = 4, /* each connection without a flow */
	FAULTS_HELD = 5	    /* each packet */
};

enum unbound_field {
	UNBOUND_TUPLE = 1,
	UNBOUND_ITSELF = 2
};

enum flow_field {
	FLOW_CONN = 1,
	FLOW_TRANSIT = 2 /* to the client; and the one after it */
};

#define M RECORD_MEMBER

static const struct record_member flow_members[] = {
	M(16, TIME, impair_flow, again),
	M(17, TIME, impair_flow, shut[0]),
	M(18, TIME, impair_flow, shut[1]),
	M(19, BOOL, impair_flow, closed),
};

enum transit_field {
	TRANSIT_BYTES = 1,
	TRANSIT_MARK_END = 2, /* and TRANSIT_MARK_DUE: a mark */
	TRANSIT_MARK_DUE = 3
};

static const struct record_member transit_members[] = {
	M(16, BOOL, transit, on),   M(17, BOOL, transit, fin),
	M(18, BOOL, transit, owed), M(19, BOOL, transit, discard),
	M(20, U64, transit, in),    M(21, U64, transit, out),
	M(22, TIME, transit, wake),
};

static const struct record_member due[] = {
	{TRANSIT_MARK_DUE, 0, RECORD_TIME},
};

/* --- saving --- */

bool impair_has_state(const struct engine *e)
{
	const struct impair *im = engine_wing(e);

	return im && (im->set.n || im->set.ngone);
}

/* Does @file have it, in these words? */
static bool is_of_file(const struct fault_spec *f,
		       const struct fault_file *file)
{
	const struct fault_spec *is = file ? fault_file_find(file, f->name)
					   : NULL;

	return is && fault_same(is, f);
}

static void save_unbound(const struct fault_set *s, const struct fault_flow *f,
			 struct record_writer *w)
{
	size_t mark = record_open(w, FAULTS_UNBOUND), itself;

	record_tuple(w, UNBOUND_TUPLE, &f->t);
	itself = record_open(w, UNBOUND_ITSELF);
	fault_flow_save(s, f, w);
	record_close(w, itself);
	record_close(w, mark);
}

void impair_save(const struct engine *e, const struct fault_file *file,
		 struct record_writer *w)
{
	const struct impair *im = engine_wing(e);
	const struct fault_set *s = &im->set;
	size_t mark = record_open(w, FAULTS_SET);

	fault_set_save(s, w);
	record_close(w, mark);
	for (uint32_t i = 0; i < s->n; i++) {
		int slot = s->order[i];

		mark = record_open(w, FAULTS_ONE);
		fault_save(s, slot, is_of_file(&s->fault[slot].spec, file), w);
		record_close(w, mark);
	}
	for (uint32_t i = 0; i < s->ngone; i++) {
		mark = record_open(w, FAULTS_GONE);
		fault_gone_save(s, i, w);
		record_close(w, mark);
	}
	/* those in use only; oldest first, as they are listed again */
	for (int old = 0; old < 2; old++) {
		for (const struct fault_flow *f = s->age[old].first; f;
		     f = f->newer) {
			if (f->active)
				save_unbound(s, f, w);
		}
	}
	held_save(im, FAULTS_HELD, w);
}

static void save_transit(const struct transit *p, struct record_writer *w)
{
	size_t mark;

	record_save(w, transit_members, ARRAY_LEN(transit_members), p);
	for (uint32_t i = 0; i < p->marks; i++) {
		record_number(w, TRANSIT_MARK_END, p->mark[i].end);
		record_save(w, due, 1, &p->mark[i].due);
	}
	if (!p->q.bytes)
		return;
	mark = record_open(w, TRANSIT_BYTES);
	for (const struct slice_node *n = p->q.head; n; n = n->next)
		record_raw(w, n->p, n->len);
	record_close(w, mark);
}

void impair_save_flow(const struct engine *e, const struct flow *f,
		      struct record_writer *w)
{
	const struct impair *im = engine_wing(e);
	const struct impair_flow *sf = impaired(f);
	size_t mark = record_open(w, FLOW_CONN);

	fault_flow_save(&im->set, sf->w, w);
	record_close(w, mark);
	for (int to = 0; to < 2; to++) {
		mark = record_open(w, FLOW_TRANSIT + (uint32_t)to);
		save_transit(&sf->transit[to], w);
		record_close(w, mark);
	}
	record_save(w, flow_members, ARRAY_LEN(flow_members), sf);
}

/* --- loading --- */

/* The slot of a fault that goes on here, which all engines then have; -1: it
 * is gone, -2: it should go on. */
static int load_slot(struct engine *const *e, uint32_t n,
		     struct record_reader r)
{
	struct fault_spec spec;
	struct impair *im;
	bool file;
	int slot;

	if (fault_load_spec(r, &spec, &file))
		return -2;
	im = engine_wing(e[0]);
	slot = im ? fault_set_find(&im->set, spec.name) : -1;
	if (slot >= 0)
		return fault_same(&spec, &im->set.fault[slot].spec) ? slot : -1;
	if (file)
		return -1;
	for (uint32_t i = 0; i < n; i++) {
		im = impair_open(e[i], r.now);
		slot = im ? fault_set_add(&im->set, &spec, r.now) : -ENOMEM;
		if (slot < 0)
			return -2;
	}
	return slot;
}

static void load_unbound(struct impair *im, struct record_reader r)
{
	struct record_reader itself = {.now = r.now};
	struct fault_flow *w = NULL;
	struct record_field f;
	struct tuple t;
	bool has_tuple = false, lost;
	mono_t ends;

	while (record_next(&r, &f) > 0) {
		if (f.id == UNBOUND_TUPLE)
			has_tuple = record_get_tuple(&f, &t);
		if (f.id == UNBOUND_ITSELF)
			itself = f.in;
	}
	if (has_tuple && !fault_unbound_find(&im->set, &t))
		w = fault_flow_alloc(&im->set, &t, r.now);
	if (!w)
		return;
	if (fault_flow_load(&im->set, w, im->carried, itself, &lost) ||
	    !w->active) {
		fault_flow_free(&im->set, w);
		return;
	}
	ends = w->ends;
	fault_unbound_keep(&im->set, w, r.now);
	fault_unbound_until(&im->set, w, ends);
}

/* Return: it should go on, and cannot */
static bool load_fault(struct engine *const *e, uint32_t n, uint32_t worker,
		       struct record_reader r)
{
	int slot = load_slot(e, n, r);
	struct impair *im;

	for (uint32_t i = 0; slot >= 0 && i < n; i++) {
		im = engine_wing(e[i]);
		im->carried |= BIT(slot);
		if (i == worker % n)
			fault_load_counts(&im->set, slot, r);
	}
	return slot == -2;
}

uint32_t impair_load(struct engine *const *e, uint32_t n, uint32_t worker,
		     struct record_reader r)
{
	struct record_reader all = r;
	struct record_field f;
	struct impair *im;
	uint32_t lost = 0;

	while (record_next(&all, &f) > 0) {
		if (f.id == FAULTS_ONE)
			lost += load_fault(e, n, worker, f.in);
	}
	im = engine_wing(e[worker % n]);
	while (im && record_next(&r, &f) > 0) {
		if (f.id == FAULTS_SET)
			fault_set_load(&im->set, f.in);
		else if (f.id == FAULTS_GONE)
			fault_gone_load(&im->set, f.in);
		else if (f.id == FAULTS_UNBOUND)
			load_unbound(im, f.in);
		else if (f.id == FAULTS_HELD)
			held_load(im, f.in);
	}
	return lost;
}

void impair_receive(struct engine *e)
{
	struct impair *im = engine_wing(e);

	if (im)
		im->receiving = true;
}

void impair_received(struct engine *e, mono_t now)
{
	struct impair *im = engine_wing(e);

	if (!im)
		return;
	im->receiving = false;
	for (uint32_t i = 0; i < im->set.n; i++) {
		uint8_t slot = im->set.order[i];

		if (!(im->carried & BIT(slot)) &&
		    im->set.fault[slot].spec.scope == FAULT_ALL)
			set_join(im, slot, now);
	}
	im->carried = 0;
}

/* --- a flow --- */

static bool add_mark(struct transit *p, uint64_t end, mono_t at)
{
	uint32_t n = p->marks;

	if (n == PIPE_MARKS || (n && (end <= p->mark[n - 1].end ||
				      mono_before(at, p->mark[n - 1].due))))
		return false;
	p->mark[n].end = end;
	p->mark[n].due = at;
	p->marks++;
	return true;
}

/* Bytes that have no mark yet get one; none has left, or is yet to come. */
static bool is_possible(const struct transit *p)
{
	const uint64_t first = p->marks ? p->mark[0].end : p->in;
	const uint64_t last = p->marks ? p->mark[p->marks - 1].end : p->in;

	return p->out <= UINT64_MAX / 4 && p->out <= p->in &&
	       p->in <= p->out + p->q.bytes && last <= p->in &&
	       (!p->marks || first > p->out) && (p->on || !p->q.bytes);
}

static int load_transit(struct impair *im, struct transit *p,
			struct record_reader r)
{
	struct record_field f;
	uint64_t end = 0;
	mono_t at;
	int more, err = 0;

	while (!err && (more = record_next(&r, &f))) {
		const struct slice s = {.p = f.in.p,
					.len = (uint32_t)record_left(&f.in)};

		if (more < 0)
			return more;
		if (f.id == TRANSIT_BYTES)
			err = p->q.bytes ? -EBADMSG
					 : bufq_append(&p->q, im->pool, &s);
		else if (f.id == TRANSIT_MARK_END)
			end = f.number;
		else if (record_load(&f, due, 1, &at, r.now))
			err = add_mark(p, end, fault_load_time(at, r.now))
				      ? 0
				      : -EBADMSG;
		else
			record_load(&f, transit_members,
				    ARRAY_LEN(transit_members), p, r.now);
	}
	p->wake = fault_load_time(p->wake, r.now);
	return err || is_possible(p) ? err : -EBADMSG;
}

static int load_parts(struct impair *im, struct flow *f, struct record_reader r)
{
	struct impair_flow *sf = impaired(f);
	struct record_field g;
	bool lost = false;
	int err = 0;

	while (!err && record_next(&r, &g) > 0) {
		uint32_t to = g.id - FLOW_TRANSIT;

		if (g.id == FLOW_CONN)
			err = fault_flow_load(&im->set, sf->w, im->carried,
					      g.in, &lost);
		else if (to < 2)
			err = load_transit(im, &sf->transit[to], g.in);
		else
			record_load(&g, flow_members, ARRAY_LEN(flow_members),
				    sf, r.now);
	}
	sf->again = fault_load_time(sf->again, r.now);
	for (int to = 0; to < 2; to++) {
		sf->shut[to] = fault_load_time(sf->shut[to], r.now);
		if (lost) { /* as if it had been removed now */
			transit_unmark(f, to, r.now);
			sf->again = r.now;
		}
	}
	return err;
}

int impair_load_flow(struct engine *e, struct flow *f, struct record_reader r)
{
	struct impair *im = impair_open(e, r.now);
	struct fault_flow *w;
	int err;

	if (!im || f->hooked)
		return -ENOBUFS;
	w = fault_flow_alloc(&im->set, &f->leg[LEG_CLIENT].t, r.now);
	if (w)
		attach_flow(im, f, w);
	if (!f->hooked)
		return -ENOBUFS;
	err = load_parts(im, f, r);
	for (int to = 0; to < 2; to++) {
		bool on = impaired(f)->transit[to].on;

		impaired(f)->transit[to].on = false;
		if (on)
			transit_open(f, to);
	}
	attach_transits(im, f);
	timer_arm(im, f);
	return err;
}
