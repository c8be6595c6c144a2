/* SPDX-License-Identifier: MIT */
/*
 * Where programs and maps are pinned; see pins.h.
 */
#include "pins.h"

#include <errno.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

int pins_say(FILE *err, const char *who, int rc, const char *fmt, ...)
{
	va_list ap;

	fprintf(err, "%s: ", who);
	va_start(ap, fmt);
	vfprintf(err, fmt, ap);
	va_end(ap);
	fprintf(err, ": %s\n", strerror(-rc));
	return rc;
}

int pins_quiet(enum libbpf_print_level level, const char *fmt, va_list ap)
{
	(void)level;
	(void)fmt;
	(void)ap;
	return 0;
}

int pins_make_dir(const char *dir, const char *who, FILE *err)
{
	bool made = mkdir(dir, PINS_DIR_MODE) == 0;
	char path[PATH_MAX];
	struct statfs fs;

	if (!made && errno != EEXIST)
		return pins_say(err, who, -errno,
				"%s cannot be made (mount -t bpf bpf "
				"/sys/fs/bpf, or choose another bpf_dir)",
				dir);
	if (statfs(dir, &fs))
		return pins_say(err, who, -errno, "%s", dir);
	if ((unsigned long)fs.f_type != BPF_FS_MAGIC) {
		if (made)
			rmdir(dir);
		return pins_say(err, who, -ENOTDIR,
				"%s is on no BPF file system (mount -t bpf "
				"bpf /sys/fs/bpf)",
				dir);
	}
	snprintf(path, sizeof(path), "%s/%s", dir, who);
	if (mkdir(path, PINS_DIR_MODE) && errno != EEXIST)
		return pins_say(err, who, -errno, "%s", path);
	/* whatever the umask */
	if (chmod(dir, PINS_DIR_MODE) || chmod(path, PINS_DIR_MODE))
		return pins_say(err, who, -errno, "%s", path);
	return 0;
}
