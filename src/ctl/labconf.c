/* SPDX-License-Identifier: MIT */
/*
 * The configuration of a lab: the user's, but for what two daemons cannot share.
 */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>

#include "lab.h"

static const char default_text[] = "[service lab]\n"
				   "listen = 203.0.113.10:*\n"
				   "listen = [2001:db8::10]:*\n"
				   "handshake = server_first\n";

/* Keys of [penstock] that the lab sets itself. */
static bool is_ours(const char *line)
{
	static const char *const keys[] = {"control", "secret_file", "http",
					   "shutdown_grace"};
	size_t n;

	line += strspn(line, " \t");
	n = strcspn(line, " \t=");
	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		if (strlen(keys[i]) == n && !strncmp(line, keys[i], n))
			return true;
	}
	return false;
}

static void put_ours(const struct lab *l, FILE *f)
{
	fprintf(f,
		"[penstock]\n"
		"control = %s\n"
		"secret_file = %s/secret\n"
		"http =\n"
		"shutdown_grace = 0\n",
		l->socket, l->dir);
}

/* Copy the file, with our keys in its first [penstock]. */
static int copy(const struct lab *l, FILE *in, FILE *out)
{
	bool inside = false, done = false;
	char *line = NULL;
	size_t room = 0;

	while (getline(&line, &room, in) > 0) {
		const char *p = line + strspn(line, " \t");

		if (*p == '[') {
			inside = !strncmp(p, "[penstock]", 10);
			if (inside && !done) {
				put_ours(l, out);
				done = true;
				continue;
			}
		}
		if (!inside || !is_ours(line))
			fputs(line, out);
	}
	free(line);
	if (!done)
		put_ours(l, out);
	return ferror(in) ? -EIO : 0;
}

bool lab_config_make(const struct lab *l, const char *path, struct config **cfg)
{
	FILE *in = path ? fopen(path, "re") : NULL;
	FILE *out = fopen(l->conf, "we");
	int err = 0;

	*cfg = NULL;
	if (!out || (path && !in)) {
		fprintf(stderr, "penstockctl: %s: %s\n", out ? path : l->conf,
			strerror(errno));
		err = -errno;
	} else if (in) {
		err = copy(l, in, out);
	} else {
		put_ours(l, out);
		fputs(default_text, out);
	}
	if (in)
		fclose(in);
	if (out && fclose(out))
		err = -EIO;
	return !err && !config_load(l->conf, cfg, stderr);
}
