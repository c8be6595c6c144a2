/* SPDX-License-Identifier: MIT */
/*
 * Large regions of memory.
 */
#include <sys/mman.h>

#include "util/region.h"

#define HUGE_BYTES ((size_t)2 << 20)

void *region_new(size_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		return NULL;
	/* a kernel without huge pages refuses, and uses small ones */
	if (bytes >= HUGE_BYTES)
		madvise(p, bytes, MADV_HUGEPAGE);
	return p;
}

void region_free(void *p, size_t bytes)
{
	if (p)
		munmap(p, bytes);
}
