/* SPDX-License-Identifier: MIT */
/*
 * A segment of a flow with faults is sent.
 *
 * What a leg sends is cut into single packets, and each is judged.  Those that
 * are not dropped go to the queue of ready packets, at once or later.
 */
#include "internal.h"

void departure_leave(struct impair *im, struct held *h, mono_t now)
{
	watch_out(im, h, now);
	outq_push(im, h);
}

void departure_send(struct impair *im, struct held *h, mono_t due, mono_t now)
{
	h = delayq_put(im, h, due, now);
	if (h)
		departure_leave(im, h, now);
}

/* Takes @h. */
static void lose(struct impair *im, struct held *h, mono_t now)
{
	struct tx tx;

	engine_drop(im->e, DROP_FAULT);
	if (im->lost) {
		outq_tx(&tx, h);
		im->lost(im->lost_arg, &tx, now);
	}
	held_free(im, h);
}

/* Takes @h. */
static void dispatch_out(struct impair *im, struct held *h,
			 const struct fault_verdict *v, mono_t now)
{
	int64_t at = v->delay_us;
	struct held *copy[COPIES_MAX];
	uint32_t n = 0;

	h->slot = v->slot;
	if (v->unack) /* the ACK is sent even if the FIN is lost */
		departure_send(im, held_unack(im, h, v->ack_us),
			       mono_add(now, v->ack_us), now);
	if (v->drop) {
		lose(im, h, now);
		return;
	}
	if (v->inject)
		departure_send(im, held_forge(im, h, v->inject - 1), now, now);
	if (v->early)
		departure_send(im, held_early(im, h, v), now, now);
	if (v->overlap)
		departure_send(im, held_overlap(im, h, v), mono_add(now, at),
			       now);
	held_edit(h, v);
	while (n < v->copies && n < ARRAY_LEN(copy))
		copy[n++] = held_clone(im, h);
	if (v->damage)
		held_damage(h, v);
	departure_send(im, h, mono_add(now, at), now);
	for (uint32_t i = 0; i < n; i++) {
		at += v->spacing_us;
		departure_send(im, copy[i], mono_add(now, at), now);
	}
}

/* Return: true while the connection goes on. */
static bool output_piece(struct impair *im, struct leg *l, struct held *h,
			 mono_t now)
{
	struct flow *f = leg_flow(l);
	struct fault_verdict v;
	struct fault_event ev;

	describe_out(&ev, impaired(f)->w, l, h, now);
	fault_judge(&im->set, impaired(f)->w, &ev, &v);
	if (v.icmp)
		/* not now: the leg's output is being built */
		delayq_put(im, icmp_for_leg(im, l, h, &v), mono_add(now, 1),
			   now);
	if (!v.act) {
		v.shift = l->wscale_ok ? l->rcv.wscale : 0;
		dispatch_out(im, h, &v, now);
		return true;
	}
	h->len = min_u32(h->len, v.keep);
	if (v.keep != UINT32_MAX)
		l->snd.nxt = seq_add(ev.seq, h->len); /* place of the RST */
	if (h->len && v.keep) {
		held_seal(h);
		departure_send(im, h, now, now);
	} else {
		held_free(im, h);
	}
	close_reset(im, f, l->side, v.act, now);
	return false;
}

static void output(struct impair *im, struct leg *l, const struct tx *tx,
		   mono_t now)
{
	uint32_t most = tx->gso_size ? tx->gso_size : tx->payload, off = 0, n;
	struct held *h;

	do {
		n = min_u32(tx->payload - off, most);
		h = held_out(im, tx, off, n, off == 0, off + n == tx->payload);
		off += n;
		if (h && !output_piece(im, l, h, now))
			return;
	} while (off < tx->payload);
}

int departure_flow_pull(void *wing, struct flow *f, struct tx *tx, int max,
			mono_t now)
{
	struct impair *im = wing;
	int n = outq_drain(im, tx, max);
	struct tx one;

	for (int i = 0; i < 2; i++) {
		while (n < max && leg_output(&f->leg[i], &one, now)) {
			output(im, &f->leg[i], &one, now);
			n += outq_drain(im, tx + n, max - n);
		}
	}
	return n;
}

/* A packet of no flow is sent.  True: the faults of @w have taken it. */
bool departure_judge(struct impair *im, struct fault_flow *w,
		     const struct tx *tx, mono_t now)
{
	struct fault_verdict v;
	struct fault_event ev;
	struct held *h;

	if (!w || !w->active)
		return false;
	h = held_out(im, tx, 0, 0, true, true);
	if (!h)
		return true;
	describe_out(&ev, w, NULL, h, now);
	fault_judge(&im->set, w, &ev, &v);
	dispatch_out(im, h, &v, now);
	return true;
}

static int pull(struct impair *im, struct tx *tx, int n, int max, mono_t now)
{
	struct tuple t;
	int kept = 0;

	outq_forget(im);
	for (int i = 0; i < n; i++) {
		t = frame_tuple(tx[i].hdr, tx[i].family, tx[i].l4_off);
		if (departure_judge(im, fault_unbound_find(&im->set, &t),
				    &tx[i], now))
			continue;
		if (kept != i)
			tx[kept] = tx[i];
		kept++;
	}
	return kept + outq_drain(im, tx + kept, max - kept);
}

int departure_pull(void *wing, struct tx *tx, int n, int max, mono_t now)
{
	struct impair *im = wing;

	if (likely(!im->spent && !im->out_head && !im->set.nunbound))
		return n; /* no faults to apply */
	return pull(im, tx, n, max, now);
}
