/* SPDX-License-Identifier: MIT */
/*
 * The state of all engines, written to memory for another process.
 */
#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "handover/handover.h"
#include "penstockd.h"

static int put(void *arg, const void *p, size_t n)
{
	struct handover_written *w = arg;
	const uint8_t *at = p;

	w->bytes += n;
	while (n) {
		ssize_t done = write(w->fd, at, n);

		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			return done ? -errno : -EIO;
		at += done;
		n -= (size_t)done;
	}
	return 0;
}

void handover_side(struct daemon *d, struct handover_side *s,
		   struct engine **engine)
{
	for (uint32_t i = 0; i < d->n; i++)
		engine[i] = d->unit[i].engine;
	*s = (struct handover_side){.engine = engine,
				    .n = d->n,
				    .wall_us = units_wall_offset(),
				    .file = faults_of_file(d)};
}

/* What the relay in the kernel holds goes to the legs. */
static void settle(struct daemon *d)
{
	const mono_t now = worker_clock();

	for (uint32_t i = 0; i < d->n; i++) {
		if (d->unit[i].splicer)
			splice_settle(d->unit[i].splicer, now);
	}
	units_kick(d);
}

int handover_write(struct daemon *d, struct handover_written *w)
{
	struct engine *engine[HANDOVER_WORKERS_MAX];
	struct handover_side s;

	settle(d);
	w->fd = memfd_create("penstock state", MFD_CLOEXEC);
	if (w->fd < 0)
		return -errno;
	handover_side(d, &s, engine);
	return handover_save(&s, put, w, worker_clock(), &w->flows);
}
