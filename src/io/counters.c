/* SPDX-License-Identifier: MIT */
/*
 * Names and descriptions of the counters of packet I/O.
 */
#include "io/counters.h"

static const struct {
	const char *name, *help;
	size_t offset;
} table[] = {
#define IO_COUNTER_ROW(n, h) {#n, h, offsetof(struct io_counters, n)},
	IO_COUNTERS(IO_COUNTER_ROW)
#undef IO_COUNTER_ROW
};

const char *io_counter_get(const struct io_counters *c, uint32_t i, uint64_t *v,
			   const char **help)
{
	if (i >= ARRAY_LEN(table))
		return NULL;

	memcpy(v, (const char *)c + table[i].offset, sizeof(*v));
	if (help)
		*help = table[i].help;
	return table[i].name;
}

void io_counters_add(struct io_counters *to, const struct io_counters *from)
{
#define IO_COUNTER_ADD(name, help) to->name += from->name;
	IO_COUNTERS(IO_COUNTER_ADD)
#undef IO_COUNTER_ADD
}
