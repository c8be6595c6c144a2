/* SPDX-License-Identifier: MIT */
/*
 * Seam 2: a segment leaves.
 *
 * What a leg has to send is cut into single packets, each is judged, and what
 * remains of it goes by way of seam_hold.c, at once or later.
 */
#include "internal.h"

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
	if (ev->flags & TCP_SYN)
		ev->tfo = held_tfo(h);
	if (!l || ev->flags & TCP_SYN)
		return;
	ev->ts = l->ts_ok;
	ev->off = fault_track_offset(seam_track(w, l, true), ev->seq, h->len,
				     &ev->fresh);
	if (ev->flags & TCP_ACK)
		ev->acked = seam_offset(seam_track(w, l, false),
					SEQ(get_be32(tcp + 8)));
}

/* Takes @h. */
static void dispatch_out(struct engine *e, struct held *h,
			 const struct fault_verdict *v, mono_t now)
{
	int64_t at = v->delay_us;
	struct held *copy[COPIES_MAX];
	uint32_t n = 0;

	h->slot = v->slot;
	if (v->unack) /* the ACK comes even if the FIN is lost */
		held_queue(e, held_unack(e, h, v->ack_us),
			   mono_add(now, v->ack_us), now);
	if (v->drop) {
		e->drop[DROP_FAULT]++;
		held_free(e, h);
		return;
	}
	if (v->inject)
		held_queue(e, held_forge(e, h, v->inject - 1), now, now);
	if (v->early)
		held_queue(e, held_early(e, h, v), now, now);
	if (v->overlap)
		held_queue(e, held_overlap(e, h, v), mono_add(now, at), now);
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
	if (v.icmp)
		seam_icmp_leg(e, l, h, &v, now);
	if (!v.act) {
		v.shift = l->wscale_ok ? l->wscale_ours : 0;
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
	seam_reset(e, f, l->side, v.act, now);
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
bool seam_depart(struct engine *e, struct fault_flow *w, const struct tx *tx,
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

static int pull(struct engine *e, struct tx *tx, int n, int max, mono_t now)
{
	struct tuple t;
	int kept = 0;

	held_forget(e);
	for (int i = 0; i < n; i++) {
		tx_tuple(&tx[i], &t);
		if (seam_depart(e, fault_embryo_find(&e->seams->set, &t),
				&tx[i], now))
			continue;
		if (kept != i)
			tx[kept] = tx[i];
		kept++;
	}
	return kept + held_drain(e, tx + kept, max - kept);
}

int seams_pull(struct engine *e, struct tx *tx, int n, int max, mono_t now)
{
	const struct seams *s = e->seams;

	if (likely(!s->spent && !s->out_head && !s->set.embryos))
		return n; /* nothing that a fault has to do with */
	return pull(e, tx, n, max, now);
}
