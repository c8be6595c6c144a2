/* SPDX-License-Identifier: MIT */
/*
 * The faults of all workers, a record each, before the first flow: flows name
 * those that act on them.
 */
#include "impair/state.h"
#include "internal.h"

enum faults_field {
	FAULTS_WORKER = 1,
	FAULTS_ITSELF = 2
};

void faults_save(const struct handover_side *s, uint32_t worker,
		 struct record_writer *w)
{
	size_t mark, itself;

	if (!impair_has_state(s->engine[worker]))
		return;
	mark = record_open(w, STATE_FAULTS);
	record_number(w, FAULTS_WORKER, worker);
	itself = record_open(w, FAULTS_ITSELF);
	impair_save(s->engine[worker], s->file, w);
	record_close(w, itself);
	record_close(w, mark);
}

void faults_begin(const struct handover_side *s)
{
	for (uint32_t i = 0; i < s->n; i++)
		impair_receive(s->engine[i]);
}

uint32_t faults_load(const struct handover_side *s, struct record_reader r)
{
	struct record_reader itself = {.now = r.now};
	struct record_field f;
	uint32_t worker = 0, lost;

	while (record_next(&r, &f) > 0) {
		if (f.id == FAULTS_WORKER)
			worker = (uint32_t)f.number;
		if (f.id == FAULTS_ITSELF)
			itself = f.in;
	}
	lost = impair_load(s->engine, s->n, worker, itself);
	faults_begin(s); /* an engine may have its first fault */
	return lost;
}

void faults_end(const struct handover_side *s, mono_t now)
{
	for (uint32_t i = 0; i < s->n; i++)
		impair_received(s->engine[i], now);
}
