/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCK_TESTS_FAULT_CHAOS_H
#define PENSTOCK_TESTS_FAULT_CHAOS_H

/*
 * Faults that come and go at random while connections run.
 */
#include <stdbool.h>
#include <stdint.h>

/* What is allowed to happen to a connection. */
enum chaos_mode {
	CHAOS_OFF,
	CHAOS_MENDED, /* nothing that is left once the faults are gone */
	CHAOS_ROUGH,  /* anything: the engine itself has to survive */
};

/* The engine that is made next is played with so. */
void chaos_begin(enum chaos_mode mode, uint64_t seed);
/* What went wrong with the changes themselves, or NULL. */
const char *chaos_end(void);

/* Is this complaint of the judge one about the engine itself? */
bool chaos_matters(const char *why);

#endif
