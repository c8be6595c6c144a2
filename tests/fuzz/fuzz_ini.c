/* SPDX-License-Identifier: MIT */
/*
 * config_load() on any text: it refuses with a reason or gives a configuration
 * that can be freed; never both, never neither.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "config/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct config *c = NULL;
	char path[64], *text = NULL;
	size_t textlen = 0;
	FILE *err;
	int fd, rc;

	fd = memfd_create("ini", MFD_CLOEXEC);
	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		abort();
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	err = open_memstream(&text, &textlen);
	rc = config_load(path, &c, err);
	fclose(err);
	assert((rc == 0) == (c != NULL));
	assert(rc == 0 || textlen > 0);
	if (c) {
		assert(c->policy);
		config_free(c);
	}
	free(text);
	close(fd);
	return 0;
}
