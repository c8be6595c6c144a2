/* SPDX-License-Identifier: MIT */
/*
 * The daemon's part in the XDP front.
 *
 * Once a second the daemon checks that what penstockctl pinned is there and
 * still the same, reads what the front has answered, decides what it answers
 * next, and tells it that the daemon is well (otherwise it answers nothing).
 * It is opened whenever it appears: at the start, or when `rules apply'
 * attaches it in an attack.
 *
 * With `auto' it answers a service while an engine would send cookies, with
 * `xdp' always.  The engines are told what it has sent before they are asked,
 * so that their pressure includes the flood that no longer reaches them.
 */
#include <errno.h>
#include <stdlib.h>

#include "front/front.h"
#include "penstockd.h"

/**
 * struct xdp - The front, and what it was told
 * @front:  NULL: not open now
 * @err:    the reason, as last logged; 0 at first
 * @sent:   for each service, the SYNs it had answered when the engines were
 *          last told
 * @on:     it answers this service
 */
struct xdp {
	struct front *front;
	int err;
	uint64_t sent[SERVICES_MAX];
	bool on[SERVICES_MAX];
};

static const char *xdp_hint(int err)
{
	switch (err) {
	case -ENOSYS:
		return "this kernel or this penstock has no BPF";
	case -ENOENT:
		return "`penstockctl rules apply' has attached none";
	case -EACCES:
	case -EPERM:
		return "what is pinned may not be opened by this user";
	default:
		return strerror(-err);
	}
}

/* Log a line for each transition. */
static void xdp_missing(struct daemon *d, int err)
{
	if (d->xdp->err == err)
		return;
	d->xdp->err = err;
	log_warn("front: no XDP program at %s: %s; every SYN comes to the "
		 "daemon",
		 d->cfg->daemon.bpf_dir, xdp_hint(err));
}

static void xdp_close(struct daemon *d)
{
	struct xdp *x = d->xdp;

	if (!x->front)
		return;
	front_end(x->front);
	units_set_known(d, NULL);
	front_close(x->front);
	x->front = NULL;
}

/* Give it the services and lists, at the start or after a reload. */
static int xdp_set_policy(struct daemon *d)
{
	const struct policy *p = d->cfg->policy;
	struct xdp *x = d->xdp;
	int err = front_set_policy(x->front, p);

	if (err) {
		log_warn("front: services or lists do not fit (%s): every SYN "
			 "comes to the daemon",
			 strerror(-err));
		xdp_close(d);
		return err;
	}
	memset(x->on, 0, sizeof(x->on));
	for (uint32_t i = 0; i < p->nservice; i++) {
		const char *why = front_why_not(&p->service[i]);

		x->sent[i] = front_cookies(x->front, i);
		if (why)
			log_info("front: SYNs of service %s stay with the "
				 "daemon: %s",
				 p->service[i].name, why);
	}
	return 0;
}

static void xdp_open(struct daemon *d)
{
	const struct daemon_cfg *c = &d->cfg->daemon;
	struct xdp *x = d->xdp;
	int err = front_open(&x->front, c->bpf_dir);

	if (err) {
		xdp_missing(d, err);
		return;
	}
	front_set_keys(x->front, d->secret, c->secret_rotate / USEC_PER_SEC);
	units_set_known(d, front_known(x->front));
	err = xdp_set_policy(d);
	x->err = err;
	if (!err)
		log_info("front: the XDP program at %s answers %s", c->bpf_dir,
			 c->front == FRONT_XDP ? "SYNs" : "SYNs under attack");
}

/* May it answer service @i, by the mode and the wish of the engines? */
static bool xdp_wanted(const struct daemon *d, uint32_t i, enum front_wish wish)
{
	const struct service *s = &d->cfg->policy->service[i];

	if (wish == WISH_LEAVE || front_why_not(s))
		return false;
	return wish == WISH_COOKIES || (d->cfg->daemon.front == FRONT_XDP &&
					s->handshake == HANDSHAKE_CLIENT_FIRST);
}

static void xdp_judge(struct daemon *d, uint32_t i)
{
	struct xdp *x = d->xdp;
	uint64_t now = front_cookies(x->front, i), sent = now - x->sent[i];
	bool on = xdp_wanted(d, i, units_front(d, i, sent, x->on[i]));
	struct synack_offer offer;

	units_synack_offer(d, i, &offer);
	on &= offer.mss4 != 0;
	front_offer(x->front, i, &offer);
	x->sent[i] = now;
	if (on && !x->on[i]) /* first the engines, which get the ACKs */
		units_front(d, i, 0, true);
	if (on != x->on[i])
		front_answer(x->front, i, on);
	x->on[i] = on;
}

void xdp_tick(struct daemon *d)
{
	const struct daemon_cfg *c = &d->cfg->daemon;
	struct xdp *x = d->xdp;

	if (!x || mono_is_set(d->stop_by) || d->leave)
		return;
	if (c->front == FRONT_OFF) {
		xdp_close(d);
		x->err = 0;
		return;
	}
	if (x->front && !front_is_current(x->front, c->bpf_dir))
		xdp_close(d);
	if (!x->front)
		xdp_open(d);
	if (!x->front)
		return;
	for (uint32_t i = 0; i < d->cfg->policy->nservice; i++)
		xdp_judge(d, i);
	front_renew(x->front, worker_clock(), units_wall_offset());
}

const struct known *xdp_known(const struct daemon *d)
{
	return d->xdp && d->xdp->front ? front_known(d->xdp->front) : NULL;
}

int xdp_start(struct daemon *d)
{
	d->xdp = calloc(1, sizeof(*d->xdp));
	if (!d->xdp)
		return -ENOMEM;
	if (d->cfg->daemon.front != FRONT_OFF)
		xdp_open(d);
	return 0;
}

void xdp_follow(struct daemon *d)
{
	if (d->xdp && d->xdp->front && !xdp_set_policy(d))
		xdp_tick(d);
}

void xdp_stop(struct daemon *d)
{
	if (d->xdp && d->xdp->front)
		front_end(d->xdp->front);
}

void xdp_free(struct daemon *d)
{
	explicit_bzero(d->secret, sizeof(d->secret));
	if (!d->xdp)
		return;
	front_close(d->xdp->front);
	free(d->xdp);
	d->xdp = NULL;
}

/* --- reports --- */

bool xdp_answers(const struct daemon *d, uint32_t i)
{
	return d->xdp && d->xdp->front && i < SERVICES_MAX && d->xdp->on[i];
}

const char *xdp_word(const struct daemon *d)
{
	if (!d->xdp || d->cfg->daemon.front == FRONT_OFF)
		return "off";
	if (!d->xdp->front)
		return "missing";
	for (uint32_t i = 0; i < d->cfg->policy->nservice; i++)
		if (d->xdp->on[i])
			return "answering";
	return "ready";
}

void xdp_attack_counts(struct daemon *d, struct attack_counts *c, uint32_t n)
{
	for (uint32_t i = 0; d->xdp && d->xdp->front && i < n; i++)
		front_attack_counts(d->xdp->front, i, &c[i]);
}

static int service_metrics(struct daemon *d, struct metrics *m, uint32_t i)
{
	struct control_metric one = {
		.worker = -1,
		.service = d->cfg->policy->service[i].name,
		.gauge = true,
		.name = "front_answering",
		.help = "SYNs of the service are answered by the front",
		.value = xdp_answers(d, i)};
	int err = metrics_add(m, &one);

	one.gauge = false;
	for (uint32_t n = 0; !err && d->xdp->front &&
			     front_counter(d->xdp->front, i, n, &one.name,
					   &one.help, &one.value);
	     n++)
		err = metrics_add(m, &one);
	return err;
}

/* Where no front is configured, nothing is said of it. */
int xdp_metrics(struct daemon *d, struct metrics *m)
{
	struct control_metric one = {
		.worker = -1,
		.gauge = true,
		.name = "front_ready",
		.help = "the program that front asks for is there"};
	int err;

	if (!d->xdp || d->cfg->daemon.front == FRONT_OFF)
		return 0;
	one.value = d->xdp->front != NULL;
	err = metrics_add(m, &one);
	for (uint32_t i = 0; i < d->cfg->policy->nservice && !err; i++)
		err = service_metrics(d, m, i);
	return err;
}
