/* SPDX-License-Identifier: MIT */
/*
 * Opens the files that a configuration is read from.  Only regular files are
 * accepted: a FIFO would block its reader, and a device may never end.
 */
#include "config/textfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Why the file may not be opened: -errno, or 0.  For a directory, the error of
 * reading it. */
static int type_check(const struct stat *st)
{
	if (S_ISDIR(st->st_mode))
		return -EISDIR;
	return S_ISREG(st->st_mode) ? 0 : -EINVAL;
}

FILE *textfile_open(const char *path, int *err, const char **why)
{
	struct stat st;
	FILE *f = NULL;
	int fd = -1;

	/* checked before it is opened: opening alone may start a device */
	*err = stat(path, &st) ? -errno : type_check(&st);
	if (!*err) {
		fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
		*err = fd < 0 || fstat(fd, &st) ? -errno : type_check(&st);
	}
	if (!*err) {
		f = fdopen(fd, "r");
		*err = f ? 0 : -ENOMEM;
	}
	if (f)
		return f;
	if (fd >= 0)
		close(fd);
	*why = *err == -EINVAL ? "found a device, FIFO or socket; allowed: a "
				 "regular file"
			       : strerror(-*err);
	return NULL;
}

char *textfile_read(const char *path, size_t *len, const char **why)
{
	size_t room = 4096, n;
	char *text = NULL, *more;
	FILE *f;
	int err;

	*len = 0;
	f = textfile_open(path, &err, why);
	if (!f)
		return NULL;
	*why = NULL;
	do {
		room *= 2;
		more = room <= 2 * TEXTFILE_MAX ? realloc(text, room + 1)
						: NULL;
		if (!more) {
			*why = room > TEXTFILE_MAX
				       ? "found more than 64 MiB; allowed: less"
				       : strerror(ENOMEM);
			break;
		}
		text = more;
		n = fread(text + *len, 1, room - *len, f);
		*len += n;
	} while (*len == room);
	if (!*why && ferror(f))
		*why = strerror(EIO);
	fclose(f);
	if (*why || !text) {
		free(text);
		return NULL;
	}
	text[*len] = '\0';
	return text;
}
