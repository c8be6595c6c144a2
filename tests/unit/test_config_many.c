/* SPDX-License-Identifier: MIT */
/*
 * Configuration files that are good in each line and too much as a whole.
 *
 * LINKS: util/log config/config config/keys config/diag config/inidoc
 * LINKS: config/secret policy/% tcp/cfg util/option shield/cfg
 * LINKS: shield/prefix shield/tfo shield/ratelimit shield/assoc util/hash
 * LINKS: fault/% util/record util/region util/slab util/wheel
 * LINKS: util/word config/textfile util/address
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "config/config.h"

static char path[64];
static char *said;
static struct config *cfg;
static FILE *file;

static void setup(void)
{
	int fd;

	strcpy(path, "/tmp/test_config_many.XXXXXX");
	fd = mkstemp(path);
	ck_assert_int_ge(fd, 0);
	file = fdopen(fd, "w");
	said = NULL;
	cfg = NULL;
}

static void teardown(void)
{
	config_free(cfg);
	free(said);
	unlink(path);
}

/* What was written to @file so far is the whole of it. */
static int load(void)
{
	size_t len;
	FILE *errs = open_memstream(&said, &len);
	int rc;

	fclose(file);
	rc = config_load(path, &cfg, errs);
	fclose(errs);
	return rc;
}

static void write_services(uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		fprintf(file, "[service s%u]\nlisten = 10.0.%u.%u:80\n", i,
			i / 100, 1 + i % 100);
}

START_TEST(services_as_many_as_allowed_are_taken)
{
	write_services(SERVICES_MAX);
	ck_assert_int_eq(load(), 0);
	ck_assert_uint_eq(cfg->policy->nservice, SERVICES_MAX);
}
END_TEST

START_TEST(services_one_more_is_refused)
{
	write_services(SERVICES_MAX + 1);
	ck_assert_int_ne(load(), 0);
	ck_assert_ptr_nonnull(strstr(said, "[service s256]: found one more "
					   "service; allowed: at most 256"));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("config_many");
	TCase *t = tcase_create("many");
	SRunner *sr;
	int failed;

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, services_as_many_as_allowed_are_taken);
	tcase_add_test(t, services_one_more_is_refused);
	suite_add_tcase(s, t);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
