/* SPDX-License-Identifier: MIT */
/*
 * The names of the drop reasons.
 */
#include "wire/drop.h"

const char *const drop_reason_name[DROP_REASON_COUNT] = {
#define DROP_NAME(id, name) [DROP_##id] = name,
	DROP_REASONS(DROP_NAME)
#undef DROP_NAME
};
