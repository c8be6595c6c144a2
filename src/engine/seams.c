/* SPDX-License-Identifier: MIT */
/*
 * Where faults meet flows.
 *
 * An engine without faults has no struct seams, and a flow without faults no
 * struct seam_flow: each seam is one branch on a NULL pointer then.
 *
 * Seam 1 (arrival): a segment of a flow with faults is cut into what was one
 * packet on the wire, and each piece is judged: passed on, dropped, held,
 * doubled.  A segment that no leg takes is judged on behalf of an embryo, made
 * at the first SYN, so a SYN can be lost before there is a flow and still keep
 * the connection's ordinal.  Seam 2 (departure): what a leg has to send is cut
 * likewise, and leaves by way of a queue (seam_hold.c).  Seam 4 is
 * seam_pipe.c.
 *
 * Nobody frees a flow here while its caller still uses it: a reset during a
 * pull only closes the legs, and engine_pull() does the rest.
 */
#include <stdlib.h>

#include "seams.h"

#define HELD_MAX 65536u
#define EMBRYOS_MAX 4096u

static int seams_open(struct engine *e, mono_t now)
{
	struct seams *s;

	if (e->seams)
		return 0;
	s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	s->heap_max = HELD_MAX;
	s->heap = calloc(HELD_MAX, sizeof(struct held *));
	s->of = calloc(e->flows.max, sizeof(struct seam_flow *));
	if (!s->heap || !s->of ||
	    fault_set_init(&s->set, e->seed, e->flows.max + EMBRYOS_MAX, now) ||
	    slab_init(&s->held, sizeof(struct held), HELD_MAX * 2) ||
	    slab_init(&s->flows, sizeof(struct seam_flow), e->flows.max)) {
		slab_fini(&s->held);
		fault_set_fini(&s->set);
		free(s->heap);
		free(s->of);
		free(s);
		return -ENOMEM;
	}
	e->seams = s;
	return 0;
}

void seams_free(struct engine *e)
{
	struct seams *s = e->seams;
	struct held *h;

	if (!s)
		return;
	held_forget(e);
	while ((h = s->out_head)) {
		s->out_head = h->next;
		held_free(e, h);
	}
	while (s->nheap)
		held_free(e, s->heap[--s->nheap]);
	fault_set_fini(&s->set);
	slab_fini(&s->flows);
	slab_fini(&s->held);
	free(s->heap);
	free(s->of);
	free(s);
	e->seams = NULL;
}

/* ---- a flow's faults ---- */

static void attach(struct engine *e, struct flow *f, struct fault_flow *w)
{
	struct seam_flow *sf = slab_alloc(&e->seams->flows);

	if (!sf) {
		fault_flow_free(&e->seams->set, w);
		return;
	}
	memset(sf, 0, sizeof(*sf));
	sf->behave = seams_behaviour;
	sf->e = e;
	sf->w = w;
	w->owner = f;
	e->seams->of[slab_index(&e->flows, f)] = sf;
	f->faulty = true;
	f->leg[0].behave = f->leg[1].behave = &sf->behave;
}

static void open_pipes(struct engine *e, struct flow *f)
{
	struct fault_set *set = &e->seams->set;

	if (fault_has_stream(set, seam_of(e, f)->w, FAULT_DOWNSTREAM))
		pipe_open(e, f, LEG_CLIENT);
	if (fault_has_stream(set, seam_of(e, f)->w, FAULT_UPSTREAM))
		pipe_open(e, f, LEG_SERVER);
}

void seams_arm(struct engine *e, struct flow *f)
{
	struct seam_flow *sf = seam_of(e, f);
	struct wheel *wheel = &e->seams->set.wheel;
	mono_t wake = fault_flow_wake(&e->seams->set, sf->w);

	wake = mono_earlier(wake, sf->again);
	wake = mono_earlier(wake, sf->pipe[0].wake);
	wake = mono_earlier(wake, sf->pipe[1].wake);
	if (mono_is_set(wake))
		wheel_arm(wheel, &sf->w->timer, wake);
	else
		wheel_cancel(wheel, &sf->w->timer);
}

void seams_bind(struct engine *e, struct flow *f)
{
	struct seams *s = e->seams;
	const struct tuple *t = &f->leg[LEG_CLIENT].t;
	struct fault_flow *w = fault_embryo_find(&s->set, t);

	if (w)
		fault_embryo_take(&s->set, w);
	else
		w = fault_flow_new(&s->set, f->svc->cfg->name, t, e->now);
	if (w && !w->active) {
		fault_flow_free(&s->set, w);
		w = NULL;
	}
	if (w)
		attach(e, f, w);
	if (!f->faulty)
		return;
	open_pipes(e, f);
	seams_arm(e, f);
}

void seams_unbind(struct engine *e, struct flow *f)
{
	struct seam_flow *sf = seam_of(e, f);

	pipe_purge(e, f, LEG_CLIENT);
	pipe_purge(e, f, LEG_SERVER);
	/* what a fault does to the peer may outlive the flow */
	wheel_cancel(&e->seams->set.wheel, &sf->w->timer);
	sf->w->owner = NULL;
	sf->w->old = true;
	if (fault_lingers(&e->seams->set, sf->w))
		fault_embryo_keep(&e->seams->set, sf->w, e->now);
	else
		fault_flow_free(&e->seams->set, sf->w);
	f->leg[0].behave = f->leg[1].behave = NULL;
	slab_free(&e->seams->flows, sf);
	f->faulty = false;
}

/* ---- acts upon a connection ---- */

static void bury(struct engine *e, struct flow *f, struct leg *l)
{
	if (l->state != TS_CLOSED)
		return;
	l->ev = 0;
	table_remove(e, l);
	bufq_purge(&l->sndq, e->pool);
	if (f->faulty)
		pipe_purge(e, f, l->side);
}

/* The peer of @side gets a RST; the other one an orderly end, or the same. */
static void act_reset(struct engine *e, struct flow *f, int side, uint8_t act,
		      mono_t now)
{
	struct leg *l = &f->leg[side], *o = &f->leg[side ^ 1];

	if (act & FAULT_ACT_VANISH) {
		leg_vanish(l);
		leg_vanish(o);
		bury(e, f, l);
		bury(e, f, o);
		flow_ready(e, f);
		return;
	}
	leg_abort(l, now);
	bury(e, f, l);
	if (act & FAULT_ACT_RESET_BOTH || o->state <= TS_SYN_RECEIVED) {
		leg_abort(o, now);
		bury(e, f, o);
	} else {
		pipe_flush(e, f, side ^ 1);
		leg_shutdown(o, now);
		pipe_discard(e, f, side, now);
	}
	flow_ready(e, f);
}

/* ---- seam 1: arrival ---- */

static struct fault_track *track_of(struct fault_flow *w, const struct leg *l,
				    bool to_peer)
{
	struct fault_track *t = &w->track[l->side][to_peer];

	if (!t->known) {
		t->known = true;
		t->base = seq_add(to_peer ? l->iss : l->irs, 1);
		t->at = 0;
	}
	return t;
}

static uint64_t track_peek(const struct fault_track *t, seq_t seq)
{
	int64_t d = (int64_t)t->at + seq_diff(seq, t->base);

	return d > 0 ? (uint64_t)d : 0;
}

static void describe_in(struct fault_event *ev, struct fault_flow *w,
			const struct leg *l, const struct segment *s,
			mono_t now)
{
	*ev = (struct fault_event){.side = l ? l->side : LEG_CLIENT,
				   .state = l ? l->state : TS_LISTEN,
				   .flags = s->flags,
				   .len = s->data.len,
				   .wire = s->data.len +
					   (s->family == 4 ? 52 : 72),
				   .seq = s->seq,
				   .now = now};
	if (!l && w->old)
		ev->state = TS_CLOSED;
	if (!l || s->flags & TCP_SYN || l->state < TS_SYN_RECEIVED)
		return;
	ev->off = fault_track_offset(track_of(w, l, false), s->seq, s->data.len,
				     &ev->fresh);
	if (s->flags & TCP_ACK)
		ev->acked = track_peek(track_of(w, l, true), s->ack);
}

/* Held, doubled or damaged: true when the original goes no further. */
static bool detain_in(struct engine *e, const struct segment *s,
		      const struct fault_verdict *v, mono_t now)
{
	int64_t at = v->delay_us;

	if (v->drop) {
		e->drop[DROP_FAULT]++;
		return true;
	}
	if (v->damage && !v->fix) { /* no receiver takes it */
		e->drop[v->damage == FAULT_WHERE_IP ? DROP_IP_CSUM
						    : DROP_TCP_CSUM]++;
		return true;
	}
	for (uint32_t i = 0; i < v->copies; i++) {
		struct held *h = held_in(e, s);

		at += v->spacing_us;
		if (h)
			h->slot = v->slot;
		/* at the same time is after the original */
		held_queue(e, h, mono_add(now, at ? at : 1), now);
	}
	if (!v->delay_us && !v->damage)
		return false;
	struct held *h = held_in(e, s);

	if (h && v->damage) {
		struct prng r = {v->dice};

		for (uint32_t i = 0; h->len && i < v->bits; i++)
			h->buf->data[prng_below(&r, h->len)] ^=
				(uint8_t)BIT(prng_below(&r, 8));
		h->seg.wnd ^= (uint16_t)(h->len ? 0 : 1);
	}
	if (h)
		h->slot = v->slot;
	held_queue(e, h, mono_add(now, v->delay_us), now);
	return true;
}

static void edit_in(struct segment *s, const struct fault_verdict *v)
{
	s->opts.has &= (uint8_t)~v->strip;
	if (v->mss && s->opts.mss > v->mss)
		s->opts.mss = v->mss;
}

static enum verdict input_piece(struct engine *e, struct leg *l,
				const struct segment *s, mono_t now,
				struct tx *reply)
{
	struct flow *f = leg_flow(l);
	struct fault_verdict v;
	struct fault_event ev;
	struct segment changed;

	describe_in(&ev, seam_of(e, f)->w, l, s, now);
	fault_judge(&e->seams->set, seam_of(e, f)->w, &ev, &v);
	if (v.act) {
		act_reset(e, f, l->side, v.act, now);
		flow_settle(e, f, now);
		return VERDICT_CONSUMED;
	}
	if (detain_in(e, s, &v, now))
		return VERDICT_CONSUMED;
	if (!v.strip && !v.mss)
		return flow_take(e, l, s, now, reply);
	changed = *s;
	edit_in(&changed, &v);
	return flow_take(e, l, &changed, now, reply);
}

enum verdict seams_input(struct engine *e, struct leg *l,
			 const struct segment *s, mono_t now, struct tx *reply)
{
	uint32_t most = leg_mss_offer(l->family) - (l->ts_ok ? 12u : 0);
	struct segment piece = *s;
	enum verdict v = VERDICT_CONSUMED;
	uint32_t left = s->data.len;

	if (left <= most)
		return input_piece(e, l, s, now, reply);
	while (left) {
		/* an earlier piece may have ended the flow */
		l = table_find(e, &s->t);
		if (!l || !leg_flow(l)->faulty)
			break;
		piece.data.len = min_u32(left, most);
		left -= piece.data.len;
		piece.flags = s->flags;
		if (left)
			piece.flags &= (uint16_t) ~(TCP_FIN | TCP_PSH);
		v = input_piece(e, l, &piece, now, reply);
		piece.data.p += piece.data.len;
		piece.seq = seq_add(piece.seq, piece.data.len);
	}
	return v;
}

/* ---- seam 2: departure ---- */

static void describe_out(struct fault_event *ev, struct fault_flow *w,
			 const struct leg *l, const struct held *h, mono_t now)
{
	const uint8_t *tcp = h->hdr + h->l4_off;

	*ev = (struct fault_event){.side = l ? l->side : LEG_CLIENT,
				   .to_peer = true,
				   .state = l ? l->state : TS_SYN_RECEIVED,
				   .flags = get_be16(tcp + 12) & 0x1ff,
				   .len = h->len,
				   .wire = h->hdr_len + h->len,
				   .seq = SEQ(get_be32(tcp + 4)),
				   .now = now};
	if (!l || ev->flags & TCP_SYN)
		return;
	ev->off = fault_track_offset(track_of(w, l, true), ev->seq, h->len,
				     &ev->fresh);
	if (ev->flags & TCP_ACK)
		ev->acked = track_peek(track_of(w, l, false),
				       SEQ(get_be32(tcp + 8)));
}

/* Takes @h. */
static void dispatch_out(struct engine *e, struct held *h,
			 const struct fault_verdict *v, mono_t now)
{
	int64_t at = v->delay_us;
	struct held *copy[8];
	uint32_t n = 0;

	h->slot = v->slot;
	if (v->drop) {
		e->drop[DROP_FAULT]++;
		held_free(e, h);
		return;
	}
	if (v->inject)
		held_queue(e, held_forge(e, h, v->inject - 1), now, now);
	held_edit(h, v);
	while (n < v->copies && n < ARRAY_LEN(copy))
		copy[n++] = held_clone(e, h);
	if (v->damage)
		held_damage(h, v);
	held_queue(e, h, mono_add(now, at), now);
	for (uint32_t i = 0; i < n; i++) {
		at += v->spacing_us;
		held_queue(e, copy[i], mono_add(now, at), now);
	}
}

/* Return: the connection goes on. */
static bool output_piece(struct engine *e, struct leg *l, struct held *h,
			 mono_t now)
{
	struct flow *f = leg_flow(l);
	struct fault_verdict v;
	struct fault_event ev;

	describe_out(&ev, seam_of(e, f)->w, l, h, now);
	fault_judge(&e->seams->set, seam_of(e, f)->w, &ev, &v);
	if (!v.act) {
		dispatch_out(e, h, &v, now);
		return true;
	}
	h->len = min_u32(h->len, v.keep);
	if (v.keep != UINT32_MAX)
		l->nxt = seq_add(ev.seq, h->len); /* the RST stands there */
	if (h->len && v.keep) {
		held_seal(h);
		held_queue(e, h, now, now);
	} else {
		held_free(e, h);
	}
	act_reset(e, f, l->side, v.act, now);
	return false;
}

static void output(struct engine *e, struct leg *l, const struct tx *tx,
		   mono_t now)
{
	uint32_t most = tx->gso_size ? tx->gso_size : tx->payload, off = 0, n;
	struct held *h;

	do {
		n = min_u32(tx->payload - off, most);
		h = held_out(e, tx, off, n, off == 0, off + n == tx->payload);
		off += n;
		if (h && !output_piece(e, l, h, now))
			return;
	} while (off < tx->payload);
}

int seams_flow_pull(struct engine *e, struct flow *f, struct tx *tx, int max,
		    mono_t now)
{
	int n = held_drain(e, tx, max);
	struct tx one;

	for (int i = 0; i < 2; i++) {
		while (n < max && leg_output(&f->leg[i], &one, now)) {
			output(e, &f->leg[i], &one, now);
			n += held_drain(e, tx + n, max - n);
		}
	}
	return n;
}

/* ---- before there is a flow ---- */

static struct fault_flow *embryo_for(struct engine *e, const struct segment *s,
				     mono_t now)
{
	struct fault_set *set = &e->seams->set;
	struct fault_flow *w = fault_embryo_find(set, &s->t);
	struct svc *svc;

	if ((s->flags & (TCP_SYN | TCP_ACK | TCP_RST)) != TCP_SYN)
		return w;
	if (w && w->old) { /* a new connection begins */
		fault_embryo_take(set, w);
		fault_flow_free(set, w);
		w = NULL;
	}
	if (w)
		return w;
	svc = svc_for_client(e, &s->t.local, s->t.lport);
	if (svc)
		w = fault_flow_new(set, svc->cfg->name, &s->t, now);
	if (w)
		fault_embryo_keep(set, w, now);
	return w;
}

/* The addresses of a packet that leaves, from our side. */
static void tx_tuple(const struct tx *tx, struct tuple *t)
{
	const uint8_t *ip = tx->hdr, *tcp = tx->hdr + tx->l4_off;

	t->local = tx->family == 4 ? ipaddr_v4(ip + 12) : ipaddr_v6(ip + 8);
	t->remote = tx->family == 4 ? ipaddr_v4(ip + 16) : ipaddr_v6(ip + 24);
	t->lport = get_be16(tcp);
	t->rport = get_be16(tcp + 2);
}

/* A packet of no flow leaves: true when the faults of @w took it. */
static bool depart(struct engine *e, struct fault_flow *w, const struct tx *tx,
		   mono_t now)
{
	struct fault_verdict v;
	struct fault_event ev;
	struct held *h;

	if (!w || !w->active)
		return false;
	h = held_out(e, tx, 0, 0, true, true);
	if (!h)
		return true;
	describe_out(&ev, w, NULL, h, now);
	fault_judge(&e->seams->set, w, &ev, &v);
	dispatch_out(e, h, &v, now);
	return true;
}

int seams_pull(struct engine *e, struct tx *tx, int n, int max, mono_t now)
{
	struct tuple t;
	int kept = 0;

	held_forget(e);
	for (int i = 0; i < n; i++) {
		tx_tuple(&tx[i], &t);
		if (depart(e, fault_embryo_find(&e->seams->set, &t), &tx[i],
			   now))
			continue;
		if (kept != i)
			tx[kept] = tx[i];
		kept++;
	}
	return kept + held_drain(e, tx + kept, max - kept);
}

static void answer_unreach(struct tx *reply, const struct segment *s,
			   uint8_t code)
{
	const struct tuple t = {.local = s->t.remote,
				.remote = s->t.local,
				.lport = s->t.rport,
				.rport = s->t.lport};
	const struct hdr_spec h = {
		.t = &t, .seq = s->seq, .flags = s->flags, .ttl = 64};
	struct tx quoted = {0};
	struct packet about = {.data = quoted.hdr};
	bool v4 = s->family == 4;

	wire_build(&quoted, &h, 0);
	about.len = about.full_len = quoted.hdr_len;
	if (!v4) /* RFC 4443, 3.1: port 4, address 3, prohibited 1 */
		code = code == 3 ? 4 : code == 1 ? 3 : 1;
	wire_build_icmp(reply, &about, &s->t.local, v4 ? 3 : 1, code, 0);
}

static enum verdict answer(struct tx *reply, const struct segment *s,
			   const struct fault_verdict *v)
{
	const struct tcp_opts none = {0};
	struct tcp_opts o = {.has = OPT_HAS_MSS,
			     .mss = leg_mss_offer(s->family)};

	switch (v->answer) {
	case FAULT_ANSWER_RST:
		answer_rst(reply, s);
		break;
	case FAULT_ANSWER_ICMP:
		answer_unreach(reply, s, v->icmp_code);
		break;
	case FAULT_ANSWER_SYNACK:
		answer_syn_ack(reply, s, SEQ(v->dice), v->wnd, false, &o);
		break;
	case FAULT_ANSWER_ACK:
		answer_ack(reply, s, s->ack, SEQ(v->irs + 1), 0, &none);
		break;
	default:
		return VERDICT_CONSUMED;
	}
	return VERDICT_REPLY;
}

/* What is left of a flow that ended, when its server speaks. */
static struct fault_flow *left_behind(struct engine *e, const struct segment *s)
{
	const struct tuple t = {.local = s->t.remote,
				.remote = s->t.local,
				.lport = s->t.rport,
				.rport = s->t.lport};
	struct fault_flow *w = fault_embryo_find(&e->seams->set, &t);

	return w && w->old ? w : NULL;
}

enum verdict seams_admit(struct engine *e, const struct segment *s, mono_t now,
			 struct tx *reply)
{
	struct fault_flow *w = embryo_for(e, s, now);
	struct fault_flow *left = w ? NULL : left_behind(e, s);
	struct fault_verdict v;
	struct fault_event ev;
	struct segment changed;
	enum verdict done;

	w = left ? left : w;
	if (!w || !w->active)
		return admit(e, s, now, reply);
	describe_in(&ev, w, NULL, s, now);
	ev.side = left ? LEG_SERVER : LEG_CLIENT;
	if (w->old) { /* it lives on as long as somebody speaks to it */
		fault_embryo_take(&e->seams->set, w);
		fault_embryo_keep(&e->seams->set, w, now);
	}
	fault_judge(&e->seams->set, w, &ev, &v);
	if (v.act & FAULT_ACT_ANSWER) {
		fault_embryo_take(&e->seams->set, w);
		fault_embryo_keep(&e->seams->set, w, now);
		return answer(reply, s, &v);
	}
	if (v.act || detain_in(e, s, &v, now))
		return VERDICT_CONSUMED;
	changed = *s;
	edit_in(&changed, &v);
	done = admit(e, &changed, now, reply);
	/* a cookie or a RST answers without state; else a flow took the
	 * embryo, and may be gone again */
	w = fault_embryo_find(&e->seams->set, &s->t);
	if (done == VERDICT_REPLY && depart(e, w, reply, now))
		return VERDICT_CONSUMED;
	return done;
}

/* ---- between the legs ---- */

/* A leg's events pass by: returns those that go on now. */
uint16_t seams_relay(struct engine *e, struct flow *f, struct leg *l,
		     uint16_t ev, mono_t now)
{
	int to = l->side ^ 1;
	struct pipe *p = &seam_of(e, f)->pipe[to];

	if (ev & (LEG_EV_RST | LEG_EV_TIMEOUT))
		pipe_flush(e, f, to);
	pipe_pump(e, f, to, now);
	if (ev & LEG_EV_FIN && p->on && p->q.bytes) {
		p->fin = true;
		ev &= (uint16_t)~LEG_EV_FIN;
	}
	if (ev & LEG_EV_ROOM)
		pipe_pump(e, f, l->side, now);
	seams_arm(e, f);
	return ev;
}

/* Bytes that have not reached @to's send queue yet. */
uint32_t seams_pending(const struct engine *e, const struct flow *f, int to)
{
	return seam_of(e, f)->pipe[to].q.bytes;
}

/* ---- time ---- */

/* What a fault held back may go now: the ACK, the window, the FIN. */
static void ask_legs_again(struct flow *f)
{
	for (int i = 0; i < 2; i++)
		if (f->leg[i].state >= TS_ESTABLISHED &&
		    f->leg[i].state != TS_TIME_WAIT)
			f->leg[i].ack = ACK_NOW;
}

static void wake_flow(struct engine *e, struct flow *f, mono_t now)
{
	struct seam_flow *sf = seam_of(e, f);
	uint8_t side = 0, act;

	if (mono_due(sf->again, now)) {
		sf->again = MONO_UNSET;
		ask_legs_again(f);
	}

	act = fault_flow_due(&e->seams->set, sf->w, now, &side);
	if (act)
		act_reset(e, f, side, act, now);
	pipe_pump(e, f, LEG_CLIENT, now);
	pipe_pump(e, f, LEG_SERVER, now);
	seams_arm(e, f);
	flow_settle(e, f, now);
}

static void on_wake(struct wtimer *t, mono_t now, void *arg)
{
	struct fault_flow *w = container_of(t, struct fault_flow, timer);
	struct engine *e = arg;

	if (w->owner) {
		wake_flow(e, w->owner, now);
		return;
	}
	fault_embryo_take(&e->seams->set, w);
	fault_flow_free(&e->seams->set, w);
}

mono_t seams_deadline(const struct engine *e)
{
	const struct seams *s = e->seams;
	mono_t t = wheel_deadline(&s->set.wheel);

	t = mono_earlier(t, fault_set_lease_end(&s->set));
	if (s->nheap)
		t = mono_earlier(t, s->heap[0]->due);
	return t;
}

static void remove_slot(struct engine *e, int slot, mono_t now);

void seams_expire(struct engine *e, mono_t now)
{
	struct seams *s = e->seams;
	int slot;

	while ((slot = fault_set_expired(&s->set, now)) >= 0)
		remove_slot(e, slot, now);
	wheel_expire(&s->set.wheel, now, on_wake, e);
	held_expire(e, now);
}

/* ---- the set ---- */

static void remove_slot(struct engine *e, int slot, mono_t now)
{
	struct seams *s = e->seams;
	const struct fault_spec *spec = &s->set.fault[slot].spec;
	uint8_t how = spec->on_remove;
	struct flow *f, *next;

	held_release(e, slot, how != FAULT_RELEASE, now);
	for (f = e->first; f; f = next) {
		next = f->next;
		if (!f->faulty || !(seam_of(e, f)->w->active & BIT(slot)))
			continue;
		seam_of(e, f)->w->active &= ~BIT(slot);
		/* bytes were acknowledged: to drop them is to reset */
		if (how == FAULT_RESET ||
		    (how == FAULT_DROP && (seam_of(e, f)->pipe[0].q.bytes ||
					   seam_of(e, f)->pipe[1].q.bytes)))
			act_reset(e, f, LEG_CLIENT, FAULT_ACT_RESET_BOTH, now);
		for (int to = 0; to < 2; to++) {
			pipe_unmark(e, f, to, now);
			pipe_pump(e, f, to, now);
		}
		seams_arm(e, f);
		flow_settle(e, f, now);
	}
	fault_set_del(&s->set, slot);
}

/* Living connections join a fault with scope=all. */
static void join_all(struct engine *e, int slot, mono_t now)
{
	struct fault_set *set = &e->seams->set;

	for (struct flow *f = e->first; f; f = f->next) {
		struct fault_flow *w = f->faulty ? seam_of(e, f)->w : NULL;

		if (!w)
			w = fault_flow_alloc(set, &f->leg[LEG_CLIENT].t, now);
		if (!w)
			return;
		if (!fault_flow_join(set, w, slot, f->svc->cfg->name)) {
			if (!f->faulty)
				fault_flow_free(set, w);
			continue;
		}
		if (!f->faulty)
			attach(e, f, w);
		if (!f->faulty)
			continue;
		open_pipes(e, f);
		seams_arm(e, f);
	}
}

int engine_fault_add(struct engine *e, const struct fault_spec *spec,
		     mono_t now, char *err, size_t errlen)
{
	int slot = seams_open(e, now);

	if (!slot)
		slot = fault_set_add(&e->seams->set, spec, now);
	if (slot < 0) {
		snprintf(err, errlen, "fault %s: %s", spec->name,
			 slot == -EEXIST   ? "there is one of this name"
			 : slot == -ENOSPC ? "too many faults"
					   : "no memory");
		return slot;
	}
	if (spec->scope == FAULT_ALL)
		join_all(e, slot, now);
	return 0;
}

static int slot_of(const struct engine *e, const char *name)
{
	int slot = e->seams ? fault_set_find(&e->seams->set, name) : -1;

	return slot < 0 ? -ENOENT : slot;
}

int engine_fault_del(struct engine *e, const char *name, mono_t now)
{
	int slot = slot_of(e, name);

	if (slot < 0)
		return slot;
	remove_slot(e, slot, now);
	return 0;
}

void engine_fault_reset(struct engine *e, mono_t now)
{
	while (e->seams && e->seams->set.n)
		remove_slot(e, e->seams->set.order[0], now);
}

int engine_fault_lease(struct engine *e, const char *name, int64_t lease_us,
		       mono_t now)
{
	int slot = slot_of(e, name);

	if (slot < 0)
		return slot;
	fault_set_lease(&e->seams->set, slot, lease_us, now);
	return 0;
}

uint32_t engine_fault_match(const struct engine *e,
			    const struct fault_spec *spec,
			    void (*fn)(void *arg, const struct tuple *t),
			    void *arg)
{
	uint32_t n = 0;

	for (const struct flow *f = e->first; f; f = f->next) {
		if (!fault_spec_selects(spec, f->svc->cfg->name,
					&f->leg[LEG_CLIENT].t))
			continue;
		n++;
		if (fn)
			fn(arg, &f->leg[LEG_CLIENT].t);
	}
	return n;
}

size_t engine_fault_list(const struct engine *e, char *out, size_t outlen)
{
	if (outlen)
		out[0] = '\0';
	return e->seams ? fault_set_list(&e->seams->set, out, outlen) : 0;
}

bool engine_fault_expect(const struct engine *e, char *err, size_t errlen)
{
	return !e->seams || fault_set_expect(&e->seams->set, err, errlen);
}

int engine_fault_sink(struct engine *e, void (*fn)(void *arg, const char *json),
		      void *arg, mono_t now)
{
	if (seams_open(e, now))
		return -ENOMEM;
	e->seams->set.line = fn;
	e->seams->set.line_arg = arg;
	return 0;
}
