/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCK_TESTS_ENGINE_CHECK_H
#define PENSTOCK_TESTS_ENGINE_CHECK_H

#include "engine/engine.h"

/*
 * What must hold of an engine between any two of its verbs.
 *
 * una <= nxt <= max; a right window edge never retreats; what flows and sources
 * are charged is what they hold; accounted memory = held memory; every flow
 * owns a deadline or has a reason not to; both legs of a flow find each other;
 * table counts agree.  Costs a walk of all flows.
 * @err: out: the first violation, as text
 * Return: 0 or -EINVAL
 */
int engine_check(const struct engine *e, char *err, size_t errlen);

/* So many addresses the engine has told its filter (engine_set_known()): more
 * are there where several engines share it. */
uint64_t engine_known(const struct engine *e);

#endif
