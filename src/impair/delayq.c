/* SPDX-License-Identifier: MIT */
/*
 * Delayed packets: a heap by deadline, and the queue of those that are ready to
 * be sent.
 *
 * They belong to no flow: as in a network, a delayed packet may arrive after
 * its sender is gone.  Packets that are due are returned to the caller.
 */
#include <stdlib.h>

#include "internal.h"

int delayq_init(struct impair *im, uint32_t max)
{
	im->heap_max = max;
	im->heap = calloc(max, sizeof(struct held *));
	return im->heap ? 0 : -ENOMEM;
}

void delayq_free(struct impair *im)
{
	struct held *h;

	outq_forget(im);
	while ((h = im->out_head)) {
		im->out_head = h->next;
		held_free(im, h);
	}
	while (im->nheap)
		held_free(im, im->heap[--im->nheap]);
	free(im->heap);
}

bool delayq_before(const struct held *a, const struct held *b)
{
	return a->due.us != b->due.us ? a->due.us < b->due.us
				      : a->serial < b->serial;
}

static void sift_up(struct impair *im, uint32_t i)
{
	while (i && delayq_before(im->heap[i], im->heap[(i - 1) / 2])) {
		struct held *t = im->heap[i];

		im->heap[i] = im->heap[(i - 1) / 2];
		im->heap[(i - 1) / 2] = t;
		i = (i - 1) / 2;
	}
}

static struct held *heap_pop(struct impair *im)
{
	struct held *top = im->heap[0], *last = im->heap[--im->nheap];
	uint32_t i = 0, c;

	while ((c = 2 * i + 1) < im->nheap) {
		if (c + 1 < im->nheap &&
		    delayq_before(im->heap[c + 1], im->heap[c]))
			c++;
		if (!delayq_before(im->heap[c], last))
			break;
		im->heap[i] = im->heap[c];
		i = c;
	}
	im->heap[i] = last;
	return top;
}

struct held *delayq_put(struct impair *im, struct held *h, mono_t due,
			mono_t now)
{
	if (!h)
		return NULL;
	h->due = due;
	h->serial = im->serial++;
	if (due.us <= now.us)
		return h;
	if (im->nheap == im->heap_max) {
		im->overflow++;
		held_free(im, h);
		return NULL;
	}
	im->heap[im->nheap] = h;
	sift_up(im, im->nheap++);
	return NULL;
}

struct held *delayq_due(struct impair *im, mono_t now)
{
	return im->nheap && im->heap[0]->due.us <= now.us ? heap_pop(im) : NULL;
}

mono_t delayq_deadline(const struct impair *im)
{
	return im->nheap ? im->heap[0]->due : MONO_UNSET;
}

void delayq_release(struct impair *im, int slot, bool drop, mono_t now)
{
	uint32_t n = im->nheap;

	im->nheap = 0;
	for (uint32_t i = 0; i < n; i++) {
		struct held *h = im->heap[i];

		if (h->slot == slot && drop) {
			held_free(im, h);
			continue;
		}
		if (h->slot == slot)
			h->due = now;
		im->heap[im->nheap] = h; /* at or after i */
		sift_up(im, im->nheap++);
	}
}

void outq_forget(struct impair *im)
{
	struct held *h;

	while ((h = im->spent)) {
		im->spent = h->next;
		held_free(im, h);
	}
}

void outq_tx(struct tx *t, const struct held *h)
{
	memcpy(t->hdr, h->hdr, h->hdr_len);
	t->hdr_len = h->hdr_len;
	t->l4_off = h->l4_off;
	t->family = h->family;
	t->csum_done = true;
	t->tun_only = t->in_place = false;
	t->gso_size = 0;
	t->payload = h->len;
	t->niov = h->len ? 1 : 0;
	if (h->len)
		t->iov[0] = (struct iovec){h->buf->data, h->len};
}

int outq_drain(struct impair *im, struct tx *tx, int max)
{
	struct held *h;
	int n = 0;

	while (n < max && (h = im->out_head)) {
		outq_tx(&tx[n++], h);
		im->out_head = h->next;
		h->next = im->spent;
		im->spent = h;
	}
	return n;
}

void outq_push(struct impair *im, struct held *h)
{
	h->next = NULL;
	if (im->out_head)
		im->out_tail->next = h;
	else
		im->out_head = h;
	im->out_tail = h;
}
