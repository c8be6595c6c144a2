/* SPDX-License-Identifier: MIT */
/*
 * A flow as a record: whose it is, what it waits for, and its legs.
 */
#include <errno.h>

#include "impair/state.h"
#include "internal.h"
#include "tcp/leg_state.h"

enum flow_field {
	FLOW_WORKER = 1,
	FLOW_FLAGS = 2,
	FLOW_TUPLE = 3,	 /* of the client leg */
	FLOW_SERVER = 4, /* tuple of the server leg */
	FLOW_CLIENT_LEG = 5,
	FLOW_SERVER_LEG = 6,
	FLOW_WAIT = 7,
	FLOW_OPENED = 8,
	FLOW_FAULTS = 9
};

/* clang-format off */
/* Flags; their bits stay theirs for good. */
#define FLAGS(X) \
	X(0, dialled) X(1, counted) X(2, waiting) X(3, tfo_in) X(4, tfo_out) \
	X(5, orphan) X(6, proven)
/* clang-format on */
#define FLAG_SOURCE BIT(7) /* it has a source */

static const struct record_member members[] = {
	{FLOW_WAIT, offsetof(struct flow, wait_ms), RECORD_MS},
	{FLOW_OPENED, offsetof(struct flow, opened), RECORD_TIME},
};

void flow_save(const struct engine *e, const struct flow *f, uint32_t worker,
	       struct record_writer *w)
{
	uint64_t flags = f->charge.source ? FLAG_SOURCE : 0;
	size_t mark;

#define PUT(bit, member) flags |= (uint64_t)f->member << (bit);
	FLAGS(PUT)
#undef PUT
	record_number(w, FLOW_WORKER, worker);
	record_number(w, FLOW_FLAGS, flags);
	record_tuple(w, FLOW_TUPLE, &f->leg[LEG_CLIENT].t);
	record_tuple(w, FLOW_SERVER, &f->leg[LEG_SERVER].t);
	record_save(w, members, ARRAY_LEN(members), f);
	for (uint32_t i = 0; i < 2; i++) {
		mark = record_open(w, FLOW_CLIENT_LEG + i);
		leg_save(&f->leg[i], w);
		record_close(w, mark);
	}
	if (!f->hooked)
		return;
	mark = record_open(w, FLOW_FAULTS);
	impair_save_flow(e, f, w);
	record_close(w, mark);
}

/**
 * struct saved - A flow's record, taken apart
 * @in:  its legs' records
 * @faults: its faults' record
 * @has: a bit for each part
 */
struct saved {
	uint32_t worker;
	uint64_t flags;
	struct tuple t[2];
	struct record_reader in[2], faults;
	struct record_field wait, opened;
	uint32_t has;
};

#define HAS_ALL                                                      \
	(BIT(FLOW_TUPLE) | BIT(FLOW_SERVER) | BIT(FLOW_CLIENT_LEG) | \
	 BIT(FLOW_SERVER_LEG))

static bool take_apart(struct record_reader r, struct saved *s)
{
	struct record_field f;
	int more;

	*s = (struct saved){0};
	while ((more = record_next(&r, &f)) > 0) {
		switch (f.id) {
		case FLOW_WORKER:
			s->worker = (uint32_t)f.number;
			break;
		case FLOW_FLAGS:
			s->flags = f.number;
			break;
		case FLOW_TUPLE:
		case FLOW_SERVER:
			if (!record_get_tuple(&f, &s->t[f.id - FLOW_TUPLE]))
				return false;
			break;
		case FLOW_CLIENT_LEG:
		case FLOW_SERVER_LEG:
			s->in[f.id - FLOW_CLIENT_LEG] = f.in;
			break;
		case FLOW_FAULTS:
			s->faults = f.in;
			break;
		case FLOW_WAIT:
			s->wait = f;
			break;
		case FLOW_OPENED:
			s->opened = f;
			break;
		default: /* a later version's */
			continue;
		}
		s->has |= BIT(f.id);
	}
	return !more && (s->has & HAS_ALL) == HAS_ALL;
}

static int load_parts(struct engine *e, struct flow *f, const struct saved *s)
{
	int err = 0;

	f->leg[LEG_SERVER].t = s->t[LEG_SERVER];
	if (s->has & BIT(FLOW_FAULTS))
		err = impair_load_flow(e, f, s->faults);
	for (int i = 0; i < 2 && !err; i++)
		err = leg_load(&f->leg[i], s->in[i]);
	return err;
}

/* Has one of the engines a connection of this client already? */
static bool is_taken(struct engine *const *engines, uint32_t n,
		     const struct tuple *t)
{
	uint32_t i = 0;

	while (i < n && !table_find(engines[i], t))
		i++;
	return i < n;
}

enum handover_loss flow_load(struct engine *const *engines, uint32_t n,
			     struct record_reader r)
{
	enum flow_refusal why = FLOW_WELCOME;
	struct engine *e;
	struct saved s;
	struct flow *f;
	int err;

	if (!take_apart(r, &s))
		return HANDOVER_UNREADABLE;
	if (is_taken(engines, n, &s.t[LEG_CLIENT]))
		return HANDOVER_TAKEN;
	e = engines[s.worker % n];
	f = flow_receive(e, &s.t[LEG_CLIENT], &why);
	if (!f)
		return why == FLOW_NO_SERVICE ? HANDOVER_NO_SERVICE
		       : why == FLOW_DENIED   ? HANDOVER_DENIED
					      : HANDOVER_NO_ROOM;
	err = load_parts(e, f, &s);
#define GET(bit, member) f->member = s.flags >> (bit)&1;
	FLAGS(GET)
#undef GET
	if (s.has & BIT(FLOW_WAIT))
		record_load(&s.wait, members, ARRAY_LEN(members), f, r.now);
	if (s.has & BIT(FLOW_OPENED))
		record_load(&s.opened, members, ARRAY_LEN(members), f, r.now);
	if (!flow_received(e, f, s.flags & FLAG_SOURCE) && !err)
		err = -EEXIST;
	if (!err)
		return HANDOVER_LOSSES;
	flow_free(e, f);
	return err == -ENOBUFS	? HANDOVER_NO_ROOM
	       : err == -EEXIST ? HANDOVER_TAKEN
				: HANDOVER_UNREADABLE;
}

/* The legs live for this call only, and belong to no engine's tables. */
void flow_tell(struct engine *e, struct record_reader r, handover_send send,
	       void *arg, mono_t now)
{
	const struct leg_env *common = engine_leg_env(e);
	struct tcp_stats stats = {0};
	struct leg_env env = {.pool = common->pool,
			      .runs = common->runs,
			      .ooo = common->ooo,
			      .bbrs = common->bbrs,
			      .wheel = common->wheel,
			      .rng = common->rng,
			      .stats = &stats};
	const struct tcp_cfg cfg = {.rmem = {4096, 65536, 65536}};
	struct flow f = {0};
	struct saved s;
	struct tx tx;

	take_apart(r, &s);
	for (int i = 0; i < 2; i++) {
		struct leg *l = &f.leg[i];

		leg_init(l, &env, &cfg, i, &s.t[i], &f.leg[i ^ 1].snd.q);
		if (!(s.has & BIT(FLOW_TUPLE + i)) ||
		    !(s.has & BIT(FLOW_CLIENT_LEG + i)))
			continue;
		leg_load_numbers(l, s.in[i]);
		leg_abort(l);
		if (leg_output(l, &tx, now))
			send(arg, &tx);
	}
}
