/* SPDX-License-Identifier: MIT */
/*
 * Bytes between the legs.
 *
 * A flow with a fault of streams has a queue between a leg's receive side and
 * the other leg's send queue; it is the leg's sink, so what it holds closes
 * the window like any other backlog.  Bytes enter with a mark (when they are
 * free to go) and leave by what the faults release, never out of order and
 * never changed.  FIN waits for the last byte; a reset lets all go at once,
 * since those bytes were acknowledged.
 */
#include "internal.h"

#define RETRY_US (10 * USEC_PER_MSEC)

void pipe_open(struct flow *f, int to)
{
	struct pipe *p = &impaired(f)->pipe[to];

	if (p->on)
		return;
	p->on = true;
	f->leg[to ^ 1].rcv.sink = &p->q;
}

static int stream_to(int to)
{
	return to == LEG_CLIENT ? FAULT_DOWNSTREAM : FAULT_UPSTREAM;
}

/* Bytes that arrived since the last look get their mark. */
static void mark_new(struct impair *im, struct flow *f, int to, mono_t now)
{
	struct pipe *p = &impaired(f)->pipe[to];
	uint64_t end = p->out + p->q.bytes;
	mono_t due;

	if (end == p->in)
		return;
	p->in = end;
	due = mono_add(now, fault_stream_latency(&im->set, impaired(f)->w,
						 stream_to(to), now));
	if (p->marks && mono_before(due, p->mark[p->marks - 1].due))
		due = p->mark[p->marks - 1].due;
	if (p->marks == PIPE_MARKS ||
	    (p->marks && p->mark[p->marks - 1].due.us == due.us))
		p->marks--; /* joined with the last one */
	p->mark[p->marks].end = end;
	p->mark[p->marks++].due = due;
}

/* Bytes that are free to go; *wake: when more are. */
static uint32_t unmark(struct pipe *p, mono_t now, mono_t *wake)
{
	uint32_t i = 0;
	uint64_t end = p->out;

	while (i < p->marks && p->mark[i].due.us <= now.us)
		end = p->mark[i++].end;
	if (i < p->marks)
		*wake = mono_earlier(*wake, p->mark[i].due);
	return end > p->out ? (uint32_t)(end - p->out) : 0;
}

static void drop_marks(struct pipe *p)
{
	uint32_t i = 0;

	while (i < p->marks && p->mark[i].end <= p->out)
		i++;
	p->marks -= i;
	memmove(p->mark, p->mark + i, p->marks * sizeof(p->mark[0]));
}

/* What came is thrown away; the end of the stream still passes. */
static uint32_t throw_away(struct impair *im, struct flow *f, int to)
{
	struct pipe *p = &impaired(f)->pipe[to];
	uint32_t n = p->q.bytes;
	mono_t wake = p->wake;
	bool fin = p->fin;

	pipe_purge(im, f, to);
	p->fin = fin;
	p->wake = wake;
	return n;
}

static uint32_t room_of(const struct leg *src, const struct leg *dst)
{
	uint32_t cap = src->rcv.cap + src->rcv.extra;

	return cap > dst->snd.q.bytes ? cap - dst->snd.q.bytes : 0;
}

/* The last @n bytes of the send queue came through the pipe: faults may change
 * them in place, since nobody else reads them yet. */
static void damage(struct impair *im, struct flow *f, int to, uint32_t n,
		   mono_t now)
{
	struct pipe *p = &impaired(f)->pipe[to];
	struct bufq *q = &f->leg[to].snd.q;
	struct iovec iov[16];
	uint32_t got;

	for (; n; n -= got) {
		int k = bufq_peek(q, q->bytes - n, n, iov, ARRAY_LEN(iov),
				  &got);

		const struct fault_portion part = {.off = p->out - n,
						   .end = p->out - n + got,
						   .iov = iov,
						   .n = k};

		fault_stream_damage(&im->set, impaired(f)->w, stream_to(to),
				    &part, now);
	}
}

/*
 * FIN for @to; one that has not begun yet gets it once it has.  Where a fault
 * ended the stream it is a FIN, whatever the service makes of a sender's.
 */
static void end_stream(struct flow *f, int to, mono_t now)
{
	struct leg *dst = &f->leg[to];
	bool early = to == LEG_SERVER ? !f->dialled : dst->state == TS_LISTEN;

	impaired(f)->pipe[to].owed = early;
	if (early)
		return;
	if (impaired(f)->pipe[to].discard)
		leg_shutdown(dst, now);
	else
		flow_relay_fin(f, dst, now);
}

bool pipe_pump(struct impair *im, struct flow *f, int to, mono_t now)
{
	struct pipe *p = &impaired(f)->pipe[to];
	struct leg *src = &f->leg[to ^ 1], *dst = &f->leg[to];
	uint32_t n, moved = 0;
	uint8_t ended;
	mono_t wake;

	if (!p->on)
		return false;
	if (p->owed)
		end_stream(f, to, now);
	if (p->discard) {
		moved = p->q.bytes;
		pipe_purge(im, f, to);
		if (moved)
			leg_sink_drained(src, src->rcv.extra, now);
		return false;
	}
	mark_new(im, f, to, now);
	p->wake = MONO_UNSET;
	while ((n = min_u32(unmark(p, now, &p->wake), room_of(src, dst)))) {
		n = fault_stream_release(&im->set, impaired(f)->w,
					 stream_to(to), n, now, &wake);
		p->wake = mono_earlier(p->wake, wake);
		if (!n)
			break;
		if (bufq_move(&dst->snd.q, &p->q, im->pool, n))
			p->wake =
				mono_earlier(p->wake, mono_add(now, RETRY_US));
		n = (uint32_t)(p->in - p->out) - p->q.bytes;
		p->out += n;
		damage(im, f, to, n, now);
		moved += n;
		drop_marks(p);
		if (!n)
			break;
	}
	if (p->q.bytes &&
	    fault_stream_discards(&im->set, impaired(f)->w, stream_to(to)))
		moved += throw_away(im, f, to);
	if (moved)
		leg_sink_drained(src, src->rcv.extra, now);
	ended = fault_stream_ended(&im->set, impaired(f)->w, stream_to(to));
	if (ended & FAULT_ACT_CLOSE) /* a limit of 0 waits for a byte, too */
		return p->in != 0;
	if (ended) {
		p->discard = true;
		end_stream(f, to, now);
		return pipe_pump(im, f, to, now);
	}
	if (!p->q.bytes && p->fin) {
		p->fin = false;
		end_stream(f, to, now);
	}
	return false;
}

void pipe_flush(struct impair *im, struct flow *f, int to)
{
	struct pipe *p = &impaired(f)->pipe[to];
	uint32_t before;

	if (!p->on || !p->q.bytes)
		return;
	before = p->q.bytes;
	bufq_move(&f->leg[to].snd.q, &p->q, im->pool, before);
	p->out += before - p->q.bytes;
	p->in = p->out + p->q.bytes;
	p->marks = 0;
}

void pipe_purge(struct impair *im, struct flow *f, int to)
{
	struct pipe *p = &impaired(f)->pipe[to];

	bufq_purge(&p->q, im->pool);
	p->in = p->out;
	p->marks = 0;
	p->fin = false;
	p->wake = MONO_UNSET;
}

bool pipe_holds(const struct flow *f, const struct fault_spec *spec)
{
	for (int to = 0; to < 2; to++) {
		if (impaired(f)->pipe[to].q.bytes &&
		    fault_spec_has_stream(spec, stream_to(to)))
			return true;
	}
	return false;
}

void pipe_discard(struct impair *im, struct flow *f, int to, mono_t now)
{
	pipe_open(f, to);
	impaired(f)->pipe[to].discard = true;
	pipe_pump(im, f, to, now);
}

void pipe_unmark(struct flow *f, int to, mono_t now)
{
	struct pipe *p = &impaired(f)->pipe[to];

	for (uint32_t i = 0; i < p->marks; i++)
		p->mark[i].due = now;
}
