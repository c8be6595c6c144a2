/* SPDX-License-Identifier: MIT */
/*
 * penstockctl scenario: finds and reads the files.
 */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "scenario/scenario.h"
#include "penstockctl.h"
#include "util/word.h"

#define FILE_MAX (1 << 20) /* bytes of a scenario */

/* --- files --- */

/* The file's text, for free(); NULL with a reason on @errors. */
static char *read_file(const char *path, FILE *errors)
{
	bool in = !strcmp(path, "-");
	FILE *f = in ? stdin : fopen(path, "re");
	char *text = f ? malloc(FILE_MAX + 1) : NULL;
	const char *why = NULL;
	size_t n;

	if (!text) {
		fprintf(errors, "%s: %s\n", path, strerror(errno));
		if (f && !in)
			fclose(f);
		return NULL;
	}
	n = fread(text, 1, FILE_MAX + 1, f);
	if (ferror(f))
		why = errno == EISDIR ? "a directory without *.scn"
				      : strerror(errno);
	else if (n > FILE_MAX)
		why = "longer than 1 MiB";
	else if (memchr(text, '\0', n))
		why = "no text: it has a byte 0";
	if (!in)
		fclose(f);
	if (!why) {
		text[n] = '\0';
		return text;
	}
	fprintf(errors, "%s: %s\n", path, why);
	free(text);
	return NULL;
}

/* Read a scenario; what is wrong with it is kept for the report. */
static void load(const struct args *a, struct scn_file *f)
{
	size_t len;
	FILE *errors = open_memstream(&f->errors, &len);
	char *text;

	if (!errors)
		return;
	text = read_file(f->path, errors);
	if (text && scenario_parse(text, f->path, a->set, a->nset, &f->s,
				   errors) == -ENOMEM)
		fprintf(errors, "%s: %s\n", f->path, strerror(ENOMEM));
	free(text);
	fclose(errors);
}

/* The scenarios of a call: @n files of room for @room. */
struct files {
	struct scn_file *f;
	uint32_t n, room;
};

static int files_add(struct files *all, char *path)
{
	struct scn_file *f = all->f;

	if (all->n == all->room) {
		all->room = all->room ? 2 * all->room : 16;
		f = reallocarray(f, all->room, sizeof(*f));
		if (f)
			all->f = f;
	}
	if (!f || !path) {
		free(path);
		return -ENOMEM;
	}
	all->f[all->n++] = (struct scn_file){.path = path};
	return 0;
}

static int is_scenario(const struct dirent *d)
{
	const char *dot = strrchr(d->d_name, '.');

	return d->d_name[0] != '.' && dot && !strcmp(dot, ".scn");
}

/* All *.scn of a directory, by name. */
static int files_add_directory(struct files *all, const char *dir)
{
	struct dirent **d;
	int n = scandir(dir, &d, is_scenario, alphasort), err = 0;

	for (int i = 0; i < n; i++) {
		char *path = NULL;

		if (asprintf(&path, "%s/%s", dir, d[i]->d_name) < 0)
			path = NULL;
		if (!err)
			err = files_add(all, path);
		else
			free(path);
		free(d[i]);
	}
	if (n >= 0)
		free(d);
	/* it is a case that cannot be read: silence would be a success */
	return n > 0 ? err : files_add(all, strdup(dir));
}

static int files_find(struct files *all, int n, char *const *word)
{
	struct stat st;
	int err = 0;

	for (int i = 0; i < n && !err; i++) {
		if (!stat(word[i], &st) && S_ISDIR(st.st_mode))
			err = files_add_directory(all, word[i]);
		else
			err = files_add(all, strdup(word[i]));
	}
	return err;
}

static void files_free(struct files *all)
{
	for (uint32_t i = 0; i < all->n; i++) {
		scenario_free(all->f[i].s);
		free(all->f[i].errors);
		free(all->f[i].path);
	}
	free(all->f);
}

/* --- the command --- */

/* A report in a form of its own, or several of them. */
static bool is_batch(const struct args *a, const struct files *all)
{
	return all->n != 1 || a->junit || a->tap;
}

static int check(const struct files *all)
{
	int rc = SCN_HELD;

	for (uint32_t i = 0; i < all->n; i++) {
		if (all->f[i].s)
			continue;
		fputs(all->f[i].errors ? all->f[i].errors : "out of memory\n",
		      stderr);
		rc = SCN_BAD_FILE;
	}
	return rc;
}

int cmd_scenario(const struct args *a, int argc, char **argv)
{
	static const char *const verbs[] = {"run", "check", NULL};
	struct files all = {0};
	int rc;

	if (argc > 1 && !word_is_one(argv[1], verbs))
		return unknown_word("scenario command", argv[1], verbs);
	if (argc < 3)
		return usage("scenario takes run or check, and files or "
			     "directories");
	if (a->tap && a->json)
		return usage("--tap and --json: one of them");
	rc = files_find(&all, argc - 2, argv + 2);
	for (uint32_t i = 0; i < all.n; i++)
		load(a, &all.f[i]);
	if (rc) {
		fprintf(stderr, "penstockctl: %s\n", strerror(-rc));
		rc = SCN_BAD_FILE;
	} else if (!strcmp(argv[1], "check")) {
		rc = check(&all);
	} else if (is_batch(a, &all)) {
		rc = scenario_batch(a, all.f, all.n);
	} else {
		rc = check(&all);
		if (!rc)
			rc = scenario_run_one(a, &all.f[0], stdout, a->json);
	}
	files_free(&all);
	return rc;
}
