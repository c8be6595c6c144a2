/* SPDX-License-Identifier: MIT */
/*
 * Bytes in transit from one leg to the other.
 *
 * A flow with a stream fault has a queue between one leg's receive side and the
 * other leg's send queue.  The queue is the leg's sink, so what it holds closes
 * the window like any other backlog.  Bytes get a mark when they enter: when
 * they may go on.  They leave in order, as the faults release them.  A FIN
 * waits for the last byte.  A reset releases everything at once, since those
 * bytes were acknowledged.
 */
#include "internal.h"

#define RETRY_US (10 * USEC_PER_MSEC)

void transit_open(struct flow *f, int to)
{
	struct transit *p = &impaired(f)->transit[to];

	if (p->on)
		return;
	p->on = true;
	f->leg[to ^ 1].rcv.sink = &p->q;
}

static int stream_to(int to)
{
	return to == LEG_CLIENT ? FAULT_DOWNSTREAM : FAULT_UPSTREAM;
}

/* Mark the bytes that have arrived since the last call. */
static void mark_new(struct impair *im, struct flow *f, int to, mono_t now)
{
	struct transit *p = &impaired(f)->transit[to];
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
		p->marks--; /* join it with the last mark */
	p->mark[p->marks].end = end;
	p->mark[p->marks++].due = due;
}

/* Return: bytes that may go on; *wake: when more may. */
static uint32_t unmark(struct transit *p, mono_t now, mono_t *wake)
{
	uint32_t i = 0;
	uint64_t end = p->out;

	while (i < p->marks && p->mark[i].due.us <= now.us)
		end = p->mark[i++].end;
	if (i < p->marks)
		*wake = mono_earlier(*wake, p->mark[i].due);
	return end > p->out ? (uint32_t)(end - p->out) : 0;
}

static void drop_marks(struct transit *p)
{
	uint32_t i = 0;

	while (i < p->marks && p->mark[i].end <= p->out)
		i++;
	p->marks -= i;
	memmove(p->mark, p->mark + i, p->marks * sizeof(p->mark[0]));
}

/* Discard what has arrived.  The end of the stream is still passed on. */
static uint32_t throw_away(struct impair *im, struct flow *f, int to)
{
	struct transit *p = &impaired(f)->transit[to];
	uint32_t n = p->q.bytes;
	mono_t wake = p->wake;
	bool fin = p->fin;

	transit_purge(im, f, to);
	p->fin = fin;
	p->wake = wake;
	return n;
}

static uint32_t room_of(const struct leg *src, const struct leg *dst)
{
	uint32_t cap = src->rcv.cap + src->rcv.extra;

	return cap > dst->snd.q.bytes ? cap - dst->snd.q.bytes : 0;
}

/* The last @n bytes of the send queue were in transit.  Faults may change them
 * in place, since nobody else has read them yet. */
static void damage(struct impair *im, struct flow *f, int to, uint32_t n,
		   mono_t now)
{
	struct transit *p = &impaired(f)->transit[to];
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
 * Send a FIN to @to; if that leg is not open yet, do so later.  If a fault has
 * ended the stream it is a FIN even with close = rst.
 */
static void end_stream(struct flow *f, int to, mono_t now)
{
	struct leg *dst = &f->leg[to];
	bool early = to == LEG_SERVER ? !f->dialled : dst->state == TS_LISTEN;

	impaired(f)->transit[to].owed = early;
	if (early)
		return;
	if (impaired(f)->transit[to].discard)
		leg_shutdown(dst);
	else
		flow_relay_fin(f, dst, now);
}

bool transit_pump(struct impair *im, struct flow *f, int to, mono_t now)
{
	struct transit *p = &impaired(f)->transit[to];
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
		transit_purge(im, f, to);
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
	if (ended & FAULT_ACT_CLOSE) /* even a limit of 0 waits for a byte */
		return p->in != 0;
	if (ended) {
		p->discard = true;
		end_stream(f, to, now);
		return transit_pump(im, f, to, now);
	}
	if (!p->q.bytes && p->fin) {
		p->fin = false;
		end_stream(f, to, now);
	}
	return false;
}

void transit_flush(struct impair *im, struct flow *f, int to)
{
	struct transit *p = &impaired(f)->transit[to];
	uint32_t before;

	if (!p->on || !p->q.bytes)
		return;
	before = p->q.bytes;
	bufq_move(&f->leg[to].snd.q, &p->q, im->pool, before);
	p->out += before - p->q.bytes;
	p->in = p->out + p->q.bytes;
	p->marks = 0;
}

void transit_purge(struct impair *im, struct flow *f, int to)
{
	struct transit *p = &impaired(f)->transit[to];

	bufq_purge(&p->q, im->pool);
	p->in = p->out;
	p->marks = 0;
	p->fin = false;
	p->wake = MONO_UNSET;
}

bool transit_holds(const struct flow *f, const struct fault_spec *spec)
{
	for (int to = 0; to < 2; to++) {
		if (impaired(f)->transit[to].q.bytes &&
		    fault_spec_has_stream(spec, stream_to(to)))
			return true;
	}
	return false;
}

void transit_discard(struct impair *im, struct flow *f, int to, mono_t now)
{
	transit_open(f, to);
	impaired(f)->transit[to].discard = true;
	transit_pump(im, f, to, now);
}

void transit_unmark(struct flow *f, int to, mono_t now)
{
	struct transit *p = &impaired(f)->transit[to];

	for (uint32_t i = 0; i < p->marks; i++)
		p->mark[i].due = now;
}
