/* SPDX-License-Identifier: MIT */
/*
 * The simulated network: four one-way links on virtual time.
 */
#include "sim/net.h"

#include <stdlib.h>
#include <string.h>

static bool before(const struct event *a, const struct event *b)
{
	return a->at != b->at ? a->at < b->at : a->serial < b->serial;
}

static void heap_push(struct net *n, struct event e)
{
	uint32_t i = n->n++, up;

	if (n->n > n->room) {
		n->room = n->room ? n->room * 2 : 256;
		n->heap = realloc(n->heap, n->room * sizeof(*n->heap));
		if (!n->heap)
			abort();
	}
	for (; i > 0; i = up) {
		up = (i - 1) / 2;
		if (!before(&e, &n->heap[up]))
			break;
		n->heap[i] = n->heap[up];
	}
	n->heap[i] = e;
}

static struct event heap_pop(struct net *n)
{
	struct event top = n->heap[0], e = n->heap[--n->n];
	uint32_t i = 0, k;

	while ((k = 2 * i + 1) < n->n) {
		if (k + 1 < n->n && before(&n->heap[k + 1], &n->heap[k]))
			k++;
		if (!before(&n->heap[k], &e))
			break;
		n->heap[i] = n->heap[k];
		i = k;
	}
	n->heap[i] = e;
	return top;
}

void net_init(struct net *n, const struct plan *p, int64_t epoch)
{
	memset(n, 0, sizeof(*n));
	n->epoch = epoch;
	n->heal_at = epoch + p->heal_s * 1000000;
	for (int i = 0; i < LINKS; i++) {
		n->link[i].plan = &p->link[i];
		prng_seed(&n->link[i].rng, p->seed * 31 + (uint64_t)i);
		prng_seed(&n->link[i].rng, prng_u64(&n->link[i].rng));
	}
}

void net_fini(struct net *n)
{
	for (uint32_t i = 0; i < n->n; i++)
		free(n->heap[i].pkt);
	free(n->heap);
}

static bool permille(struct prng *r, int64_t pm)
{
	return pm && prng_below(r, 1000) < pm;
}

static bool is_lost(struct net *n, struct link *l, int64_t now)
{
	const struct link_plan *p = l->plan;
	int64_t ms = (now - n->epoch) / 1000;

	if (p->black_ms && ms >= p->black_at_ms &&
	    ms < p->black_at_ms + p->black_ms)
		return true;
	if (l->burst) {
		l->burst--;
		return true;
	}
	if (permille(&l->rng, p->burst_pm)) {
		l->burst = (uint32_t)p->burst_len;
		return true;
	}
	return permille(&l->rng, p->loss_pm);
}

static void flip_bit(struct prng *r, struct spkt *pkt)
{
	uint32_t n = prng_below(r, 3) ? pkt->len : 60, bit;

	if (n > pkt->len)
		n = pkt->len;
	bit = prng_below(r, n * 8);
	spkt_finish_csum(pkt);
	/* IPv6 leaves the first four bytes and the hop limit unprotected */
	if (pkt->data[0] >> 4 == 6 && (bit < 32 || bit / 8 == 7))
		bit += 64;
	pkt->data[bit / 8] ^= (uint8_t)(1u << (bit & 7));
	pkt->corrupt = true;
}

static int64_t arrival(struct net *n, struct link *l, uint32_t len, int64_t now)
{
	const struct link_plan *p = l->plan;
	int64_t at = now, ms, hold_end;

	if (p->rate_kbs) {
		at = l->free_at > now ? l->free_at : now;
		at += (int64_t)len * 1000 / p->rate_kbs;
		if (at - now > 3000000 && now < n->heal_at)
			return -1; /* three seconds of queue are full */
		l->free_at = at;
	}
	at += p->delay_us;
	if (p->jitter_us && now < n->heal_at)
		at += prng_below(&l->rng, (uint32_t)p->jitter_us);
	ms = (at - n->epoch) / 1000;
	hold_end = n->epoch + (p->hold_at_ms + p->hold_ms) * 1000;
	if (p->hold_ms && ms >= p->hold_at_ms && at < hold_end)
		at = hold_end;
	return at;
}

enum net_fate net_send(struct net *n, int link, struct spkt *pkt, int64_t now)
{
	struct link *l = &n->link[link];
	enum net_fate fate = NET_SENT;
	bool ill = now < n->heal_at;
	struct event e = {.link = link, .pkt = pkt};

	e.at = arrival(n, l, pkt->len, now);
	if (e.at < 0 || (ill && is_lost(n, l, now))) {
		free(pkt);
		return NET_LOST;
	}
	if (ill && permille(&l->rng, l->plan->dup_pm)) {
		struct event d = {.link = link, .pkt = spkt_dup(pkt)};

		d.at = e.at + prng_below(&l->rng, 20000);
		d.serial = n->serial++;
		heap_push(n, d);
		fate = NET_DUPLICATED;
	}
	if (ill && permille(&l->rng, l->plan->corrupt_pm)) {
		flip_bit(&l->rng, pkt);
		fate = NET_CORRUPTED;
	}
	if (ill && !pkt->corrupt && permille(&l->rng, l->plan->ce_pm))
		spkt_mark_ce(pkt);
	e.serial = n->serial++;
	heap_push(n, e);
	return fate;
}

int64_t net_deadline(const struct net *n)
{
	return n->n ? n->heap[0].at : INT64_MAX;
}

struct spkt *net_receive(struct net *n, int *link)
{
	struct event e = heap_pop(n);

	*link = e.link;
	return e.pkt;
}
