/* SPDX-License-Identifier: MIT */
/*
 * Changes of faults: what is read at run time, and what one file makes of
 * another.
 *
 * LINKS: fault/% util/record util/option util/slab util/wheel
 * LINKS: util/word util/address util/region
 */
#include <check.h>
#include <errno.h>
#include <stdlib.h>

#include "fault/change.h"

static const char *const services[] = {"web", "mail", NULL};
static struct fault_change c[8];
static char *errors;

/* Read lines; what is wrong with them is in @errors. */
static int read_lines(const char *const *line, uint32_t n)
{
	size_t len;
	FILE *f;
	int rc;

	free(errors);
	f = open_memstream(&errors, &len);
	rc = fault_changes_read(line, n, services, c, f);
	fclose(f);
	return rc;
}

START_TEST(good_lines_are_read)
{
	static const char *const line[] = {"add a type=loss service=mail",
					   " \t", "del a", "lease b 5s",
					   "reset"};

	memset(c, 0xee, sizeof(c));
	ck_assert_int_eq(read_lines(line, 5), 0);
	ck_assert_str_eq(errors, "");
	ck_assert_int_eq(c[0].verb, FAULT_DO_ADD);
	ck_assert_str_eq(c[0].spec.name, "a");
	ck_assert_int_eq(c[1].verb, FAULT_DO_NOTHING);
	ck_assert_str_eq(c[1].spec.name, "");
	ck_assert_int_eq(c[2].verb, FAULT_DO_DEL);
	ck_assert_int_eq(c[3].verb, FAULT_DO_LEASE);
	ck_assert_int_eq(c[3].lease_us, 5000000);
	ck_assert_int_eq(c[4].verb, FAULT_DO_RESET);
}
END_TEST

START_TEST(each_wrong_line_is_told)
{
	static const char *const line[] = {"add a type=loss", "remove a", NULL,
					   "add b type=loss service=wob"};

	ck_assert_int_eq(read_lines(line, 4), -EINVAL);
	ck_assert_ptr_null(strstr(errors, "line 1:"));
	ck_assert_ptr_nonnull(strstr(errors, "line 2: found \"remove a\""));
	ck_assert_ptr_nonnull(strstr(errors, "line 3: found \"\""));
	ck_assert_ptr_nonnull(strstr(errors, "line 4: service: found \"wob\", "
					     "allowed: web, mail\n"));
}
END_TEST

START_TEST(only_line_has_no_number)
{
	static const char *const line[] = {"add b type=loss service=wob"};

	ck_assert_int_eq(read_lines(line, 1), -EINVAL);
	ck_assert_str_eq(errors,
			 "service: found \"wob\", allowed: web, mail\n");
}
END_TEST

/* A file with a fault for each line. */
static struct fault_file file(struct fault_spec *spec, const char *a,
			      const char *b)
{
	struct fault_file f = {.fault = spec};
	char err[600];

	if (a)
		ck_assert_int_eq(
			fault_parse_line(a, &spec[f.n++], err, sizeof(err)), 0);
	if (b)
		ck_assert_int_eq(
			fault_parse_line(b, &spec[f.n++], err, sizeof(err)), 0);
	return f;
}

/* What is at work is what @f says. */
static uint32_t live_of(const struct fault_file *f, struct fault_sum *live)
{
	for (uint32_t i = 0; i < f->n; i++)
		live[i] = (struct fault_sum){.spec = f->fault[i]};
	return f->n;
}

START_TEST(plan_changes_what_differs_and_no_more)
{
	struct fault_spec was[2], is[2];
	struct fault_file old = file(was, "same type=loss percent=1",
				     "other type=loss percent=2");
	struct fault_file new = file(is, "same type=loss percent=1",
				     "other type=loss percent=3");
	struct fault_sum live[3];
	uint32_t n = live_of(&old, live);

	ck_assert_uint_eq(fault_plan(&old, &new, live, n, c), 2);
	ck_assert_int_eq(c[0].verb, FAULT_DO_DEL);
	ck_assert_str_eq(c[0].spec.name, "other");
	ck_assert_int_eq(c[1].verb, FAULT_DO_ADD);
	ck_assert_str_eq(c[1].spec.name, "other");
	ck_assert_uint_eq(fault_plan(&old, &old, live, n, c), 0);
}
END_TEST

START_TEST(plan_leaves_what_is_of_no_file)
{
	struct fault_spec was[2], is[2], by_hand[2];
	struct fault_file old = file(was, "a type=loss", NULL);
	struct fault_file new = file(is, NULL, NULL);
	struct fault_file hand =
		file(by_hand, "b type=loss", "a type=loss percent=9");
	struct fault_sum live[3];
	uint32_t n;

	/* the file's, and one that somebody added */
	n = live_of(&old, live);
	n += live_of(&(struct fault_file){by_hand, 1}, live + n);
	ck_assert_uint_eq(fault_plan(&old, &new, live, n, c), 1);
	ck_assert_int_eq(c[0].verb, FAULT_DO_DEL);
	ck_assert_str_eq(c[0].spec.name, "a");
	/* it has the file's name, and is not the file's */
	n = live_of(&hand, live);
	ck_assert_uint_eq(fault_plan(&old, &new, live, n, c), 0);
}
END_TEST

START_TEST(plan_brings_back_what_is_missing)
{
	struct fault_spec is[2];
	struct fault_file new = file(is, "a type=loss", "b type=loss");
	struct fault_file none = {NULL, 0};

	ck_assert_uint_eq(fault_plan(&none, &new, NULL, 0, c), 2);
	ck_assert_int_eq(c[1].verb, FAULT_DO_ADD);
	ck_assert_str_eq(c[1].spec.name, "b");
	ck_assert_uint_eq(fault_plan(&new, &new, NULL, 0, c), 2);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("fault_change");
	TCase *t = tcase_create("fault_change");
	SRunner *r;
	int failed;

	tcase_add_test(t, good_lines_are_read);
	tcase_add_test(t, each_wrong_line_is_told);
	tcase_add_test(t, only_line_has_no_number);
	tcase_add_test(t, plan_changes_what_differs_and_no_more);
	tcase_add_test(t, plan_leaves_what_is_of_no_file);
	tcase_add_test(t, plan_brings_back_what_is_missing);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	free(errors);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
