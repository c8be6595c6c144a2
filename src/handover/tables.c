/* SPDX-License-Identifier: MIT */
/*
 * The tables of admission: half-open connections, TIME_WAIT, spent cookies,
 * validated sources; and which services are drained.
 *
 * Who waits for the answer to a SYN-ACK is loaded only if the timestamps of
 * that SYN-ACK can be continued, so not with another secret: the client then
 * begins again.  Cookies of another secret are not valid, so that they were
 * spent need not be remembered.
 *
 * With another number of workers, or on another host, it is not known which one
 * the kernel will choose for a client.  Then all of them get what is not found
 * otherwise: half-open connections and spent cookies.  TIME_WAIT entries are
 * found by shield/owners.c.
 */
#include <errno.h>

#include "internal.h"
#include "shield/commons.h"
#include "shield/spent.h"
#include "shield/synq.h"
#include "shield/timewait.h"
#include "shield/validated.h"

/* Of an entry of any table. */
enum entry_field {
	ENTRY_WORKER = 1,
	ENTRY_SERVICE = 2, /* name */
	ENTRY_TUPLE = 3,
	ENTRY_ITSELF = 4, /* the table's own record */
	ENTRY_TSVAL = 5,  /* of our SYN-ACK, had it been sent now */
	ENTRY_SECRET = 6,
	ENTRY_ADDRESS = 7,
	ENTRY_UNTIL = 8
};

/* TSvals of two processes on one host differ by rounding; a wall clock that was
 * set forward moves them. */
#define TSVAL_BACK_MS 10
#define TSVAL_AHEAD_MS 5000

/* --- saving --- */

struct saving_table {
	struct engine *e;
	uint32_t worker;
	struct record_writer *w;
	struct engine_tables t;
	table_saved saved;
	void *arg;
};

static size_t begin(const struct saving_table *s, enum state_field what,
		    uint32_t slot, const struct tuple *t)
{
	size_t mark = record_open(s->w, what);
	struct engine_slot of;

	engine_slot(s->e, slot, &of);
	record_number(s->w, ENTRY_WORKER, s->worker);
	record_bytes(s->w, ENTRY_SERVICE, of.name, strlen(of.name));
	record_tuple(s->w, ENTRY_TUPLE, t);
	return mark;
}

static void save_half_open(void *arg, const struct synq_entry *e)
{
	const struct saving_table *s = arg;
	struct synq_syn syn;
	size_t mark, entry;

	synq_describe(s->t.synq, e, &syn);
	mark = begin(s, STATE_HALF_OPEN, syn.service, &syn.t);
	record_number(s->w, ENTRY_TSVAL,
		      engine_tsval(s->e, syn.service, &syn.t, s->w->now));
	entry = record_open(s->w, ENTRY_ITSELF);
	synq_save(s->t.synq, e, s->w);
	record_close(s->w, entry);
	record_close(s->w, mark);
	s->saved(s->arg);
}

static void save_time_wait(void *arg, const struct tw_place *p)
{
	const struct saving_table *s = arg;
	size_t mark = begin(s, STATE_TIME_WAIT, p->service, &p->t), entry;

	entry = record_open(s->w, ENTRY_ITSELF);
	tw_save(p, s->w);
	record_close(s->w, entry);
	record_close(s->w, mark);
	s->saved(s->arg);
}

static void save_spent(const struct saving_table *s)
{
	uint32_t at = 0;
	bool more;

	do {
		size_t mark = record_open(s->w, STATE_SPENT), entry;

		record_number(s->w, ENTRY_WORKER, s->worker);
		record_number(s->w, ENTRY_SECRET, s->t.secret_id);
		entry = record_open(s->w, ENTRY_ITSELF);
		more = spent_save(s->t.spent, s->t.epoch, &at, s->w);
		record_close(s->w, entry);
		record_close(s->w, mark);
		s->saved(s->arg);
	} while (more);
}

static const struct record_member until[] = {
	{ENTRY_UNTIL, 0, RECORD_TIME},
};

static void save_validated(void *arg, const struct ipaddr *a, uint32_t id,
			   mono_t when)
{
	const struct saving_table *s = arg;
	const char *name = engine_service_name(s->e, id);
	size_t mark = record_open(s->w, STATE_VALIDATED);

	record_number(s->w, ENTRY_WORKER, s->worker);
	record_bytes(s->w, ENTRY_SERVICE, name, strlen(name));
	record_bytes(s->w, ENTRY_ADDRESS, a->b, sizeof(a->b));
	record_save(s->w, until, 1, &when);
	record_close(s->w, mark);
	s->saved(s->arg);
}

/* With tcp_syncookies = 1 they are looked at only while some are out. */
static void save_cookies(const struct saving_table *s)
{
	struct engine_slot of;

	for (uint32_t i = 0; engine_slot(s->e, i, &of); i++) {
		size_t mark;

		if (!mono_is_set(*of.cookies_until))
			continue;
		mark = record_open(s->w, STATE_COOKIES);
		record_number(s->w, ENTRY_WORKER, s->worker);
		record_bytes(s->w, ENTRY_SERVICE, of.name, strlen(of.name));
		record_save(s->w, until, 1, of.cookies_until);
		record_close(s->w, mark);
		s->saved(s->arg);
	}
}

static void save_drained(const struct saving_table *s)
{
	struct engine_slot of;

	for (uint32_t i = 0; engine_slot(s->e, i, &of); i++) {
		size_t mark;

		if (!of.in_use || !*of.draining)
			continue;
		mark = record_open(s->w, STATE_DRAINED);
		record_bytes(s->w, ENTRY_SERVICE, of.name, strlen(of.name));
		record_close(s->w, mark);
		s->saved(s->arg);
	}
}

void tables_save(struct engine *e, uint32_t worker, struct record_writer *w,
		 table_saved saved, void *arg)
{
	struct saving_table s = {.e = e,
				 .worker = worker,
				 .w = w,
				 .t = engine_tables(e, w->now),
				 .saved = saved,
				 .arg = arg};

	synq_walk(s.t.synq, save_half_open, &s);
	tw_walk(s.t.tw, save_time_wait, &s);
	save_spent(&s);
	save_cookies(&s);
	if (worker) /* all share the rest */
		return;
	validated_walk(s.t.validated, save_validated, &s, w->now);
	save_drained(&s);
}

/* --- loading --- */

struct saved_entry {
	uint32_t worker, tsval;
	uint64_t secret;
	char service[64];
	struct tuple t;
	struct ipaddr addr;
	struct record_reader in;
	mono_t until;
	bool has_tuple;
};

static bool take_apart(struct record_reader r, struct saved_entry *s)
{
	struct record_field f;
	int more;

	*s = (struct saved_entry){.in = {.now = r.now}};
	while ((more = record_next(&r, &f)) > 0) {
		switch (f.id) {
		case ENTRY_WORKER:
			s->worker = (uint32_t)f.number;
			break;
		case ENTRY_TSVAL:
			s->tsval = (uint32_t)f.number;
			break;
		case ENTRY_SECRET:
			s->secret = f.number;
			break;
		case ENTRY_SERVICE:
			if (record_left(&f.in) >= sizeof(s->service))
				return false;
			record_get(&f, s->service, record_left(&f.in));
			break;
		case ENTRY_TUPLE:
			s->has_tuple = record_get_tuple(&f, &s->t);
			break;
		case ENTRY_ADDRESS:
			if (!record_get(&f, s->addr.b, sizeof(s->addr.b)))
				return false;
			break;
		case ENTRY_ITSELF:
			s->in = f.in;
			break;
		default:
			record_load(&f, until, 1, &s->until, r.now);
			break;
		}
	}
	return !more;
}

static bool may_continue(struct engine *e, int slot,
			 const struct saved_entry *s)
{
	int32_t ahead =
		(int32_t)(engine_tsval(e, (uint32_t)slot, &s->t, s->in.now) -
			  s->tsval);

	return ahead >= -TSVAL_BACK_MS && ahead <= TSVAL_AHEAD_MS;
}

/* The number of the entry's service here; -1: it has none any more. */
static int slot_of(const struct engine *e, const struct saved_entry *s,
		   struct engine_slot *out)
{
	for (uint32_t i = 0; engine_slot(e, i, out); i++) {
		if (out->in_use && !strcmp(out->name, s->service))
			return (int)i;
	}
	return -1;
}

static int load_half_open(struct engine *e, const struct saved_entry *s)
{
	const struct engine_tables t = engine_tables(e, s->in.now);
	struct engine_slot of;
	int slot = slot_of(e, s, &of), err;

	if (slot < 0 || !s->has_tuple || !may_continue(e, slot, s))
		return -ENOENT;
	err = synq_load(t.synq, &s->t, (uint16_t)slot, s->in);
	if (!err)
		shared_add(of.half_open, 1);
	return err;
}

static int load_time_wait(struct engine *e, const struct saved_entry *s)
{
	const struct engine_tables t = engine_tables(e, s->in.now);
	struct engine_slot of;
	int slot = slot_of(e, s, &of);

	if (slot < 0 || !s->has_tuple)
		return -ENOENT;
	return tw_load(t.tw, &s->t, (uint16_t)slot, s->in);
}

static int load_spent(struct engine *e, const struct saved_entry *s)
{
	const struct engine_tables t = engine_tables(e, s->in.now);

	if (s->secret != t.secret_id)
		return 0;
	return spent_load(t.spent, s->in, t.epoch);
}

static int load_validated(struct engine *e, const struct saved_entry *s)
{
	const struct engine_tables t = engine_tables(e, s->in.now);
	struct engine_slot of;

	if (slot_of(e, s, &of) < 0)
		return -ENOENT;
	validated_add(t.validated, &s->addr, of.id, s->in.now,
		      mono_sub(s->until, s->in.now));
	return 0;
}

static int load_cookies(struct engine *e, const struct saved_entry *s)
{
	struct engine_slot of;

	if (slot_of(e, s, &of) < 0)
		return -ENOENT;
	if (mono_before(*of.cookies_until, s->until))
		*of.cookies_until = s->until;
	return 0;
}

static int load_drained(struct engine *e, const struct saved_entry *s)
{
	struct engine_slot of;

	if (slot_of(e, s, &of) < 0)
		return -ENOENT;
	*of.draining = true;
	return 0;
}

static int load_one(struct engine *e, enum state_field what,
		    const struct saved_entry *s)
{
	switch (what) {
	case STATE_HALF_OPEN:
		return load_half_open(e, s);
	case STATE_TIME_WAIT:
		return load_time_wait(e, s);
	case STATE_SPENT:
		return load_spent(e, s);
	case STATE_VALIDATED:
		return load_validated(e, s);
	case STATE_COOKIES:
		return load_cookies(e, s);
	case STATE_DRAINED:
		return load_drained(e, s);
	default:
		return 0;
	}
}

int table_load(const struct handover_side *to, bool anew, enum state_field what,
	       struct record_reader r)
{
	bool everywhere =
		what == STATE_DRAINED ||
		(anew && (what == STATE_HALF_OPEN || what == STATE_SPENT ||
			  what == STATE_COOKIES));
	struct saved_entry s;
	int err = 0;

	if (!take_apart(r, &s))
		return -EBADMSG;
	if (!everywhere)
		return load_one(to->engine[s.worker % to->n], what, &s);
	for (uint32_t i = 0; i < to->n; i++) {
		int one = load_one(to->engine[i], what, &s);

		err = err ? err : one;
	}
	return err;
}
