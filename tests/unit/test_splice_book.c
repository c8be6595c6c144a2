/* SPDX-License-Identifier: MIT */
/*
 * The book of spliced connections: who counts for whom, and until when.
 *
 * LINKS: util/% shield/hindex shield/share front/splice_book
 */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "../../src/front/splice_book.h"

#define MAX 64u

static const uint8_t secret[32] = "book";
static struct splice_book b;

static void setup(void)
{
	ck_assert_int_eq(book_init(&b, MAX, secret), 0);
}

static void teardown(void)
{
	book_fini(&b);
}

static struct ipaddr host(uint8_t n)
{
	const uint8_t a[4] = {198, 51, 100, n};

	return ipaddr_v4(a);
}

/* A connection of client @n. */
static struct tuple conn(uint8_t n, uint16_t port)
{
	return (struct tuple){.local = host(250),
			      .remote = host(n),
			      .lport = 80,
			      .rport = port};
}

static uint32_t add(struct tuple t, const char *service)
{
	uint32_t serial = 0;

	ck_assert_int_eq(book_add(&b, &t, service, &serial), 0);
	return serial;
}

static uint32_t count(const char *service, uint8_t n)
{
	const struct ipaddr a = host(n);
	uint32_t all;

	return book_count(&b, service, &a, &all);
}

static uint32_t all(void)
{
	const struct ipaddr a = host(0);
	uint32_t n;

	book_count(&b, "web", &a, &n);
	return n;
}

START_TEST(client_counts_by_service)
{
	add(conn(1, 1), "web");
	add(conn(1, 2), "web");
	add(conn(1, 3), "sql");
	add(conn(2, 1), "web");
	ck_assert_uint_eq(count("web", 1), 2);
	ck_assert_uint_eq(count("sql", 1), 1);
	ck_assert_uint_eq(count("web", 2), 1);
	ck_assert_uint_eq(count("web", 3), 0);
	ck_assert_uint_eq(all(), 4);
}
END_TEST

START_TEST(ended_one_does_not_count_but_stays)
{
	struct tuple t = conn(1, 1);
	uint32_t serial = add(t, "web");

	book_end(&b, &t, serial);
	book_end(&b, &t, serial);
	ck_assert_uint_eq(count("web", 1), 0);
	ck_assert_uint_eq(all(), 0);
	ck_assert_uint_eq(book_size(&b), 1);
	ck_assert(book_has(&b, &t));
	book_remove(&b, &t);
	ck_assert_uint_eq(book_size(&b), 0);
	ck_assert_uint_eq(all(), 0);
}
END_TEST

START_TEST(removed_without_an_end_no_longer_counts)
{
	struct tuple t = conn(1, 1);
	struct tuple server = {.local = t.remote,
			       .remote = t.local,
			       .lport = t.rport,
			       .rport = t.lport};

	add(t, "web");
	ck_assert(book_has(&b, &server));
	book_remove(&b, &server);
	ck_assert(!book_has(&b, &t));
	ck_assert_uint_eq(count("web", 1), 0);
}
END_TEST

/* The end of the last one is told late, when the port is in use again. */
START_TEST(end_of_an_earlier_one_does_not_end_the_next)
{
	struct tuple t = conn(1, 1);
	uint32_t first = add(t, "web"), second;

	book_remove(&b, &t);
	second = add(t, "web");
	ck_assert_uint_ne(first, second);
	book_end(&b, &t, first);
	ck_assert_uint_eq(count("web", 1), 1);
	book_end(&b, &t, second);
	ck_assert_uint_eq(count("web", 1), 0);
}
END_TEST

START_TEST(same_addresses_again_count_once)
{
	struct tuple t = conn(1, 1);

	add(t, "web");
	add(t, "web");
	ck_assert_uint_eq(count("web", 1), 1);
	ck_assert_uint_eq(book_size(&b), 1);
}
END_TEST

/* A daemon that was started anew gives no serial twice. */
START_TEST(serials_go_on_behind_those_found)
{
	struct tuple t = conn(1, 1);
	uint32_t serial = 700;

	ck_assert_int_eq(book_add(&b, &t, "web", &serial), 0);
	ck_assert_uint_eq(serial, 700);
	ck_assert_uint_eq(add(conn(1, 2), "web"), 701);
}
END_TEST

START_TEST(full_book_takes_no_more)
{
	struct tuple t = conn(9, 9);
	uint32_t serial = 0;

	for (uint32_t i = 0; i < MAX; i++)
		add(conn(1, (uint16_t)(i + 1)), "web");
	ck_assert_int_eq(book_add(&b, &t, "web", &serial), -E2BIG);
	ck_assert(!book_has(&b, &t));
	ck_assert_uint_eq(all(), MAX);
}
END_TEST

static void on_gone(void *arg, const struct tuple *t)
{
	ck_assert_uint_eq(t->rport, 1);
	++*(int *)arg;
}

/* The walk has read an old entry, and the port is in use again meanwhile. */
START_TEST(only_the_one_that_was_found_old_is_forgotten)
{
	struct tuple t = conn(1, 1);
	uint32_t first = add(t, "web"), second = add(t, "web");
	int gone = 0;

	book_forget(&b, &t, first, on_gone, &gone);
	ck_assert_int_eq(gone, 0);
	ck_assert(book_has(&b, &t));
	book_forget(&b, &t, second, on_gone, &gone);
	ck_assert_int_eq(gone, 1);
	ck_assert(!book_has(&b, &t));
	ck_assert_uint_eq(all(), 0);
}
END_TEST

START_TEST(those_of_a_client_are_found)
{
	const struct ipaddr a = host(1);
	struct tuple t = conn(1, 2), out[4];
	uint32_t serial;

	add(conn(1, 1), "web");
	serial = add(t, "web");
	add(conn(1, 3), "sql");
	add(conn(2, 3), "web");
	ck_assert_uint_eq(book_of(&b, &a, 0, out, 4), 3);
	ck_assert_uint_eq(book_of(&b, &a, 0, out, 2), 2);
	ck_assert_uint_eq(book_of(&b, &a, 3, out, 4), 1);
	ck_assert_uint_eq(out[0].rport, 3);
	book_end(&b, &t, serial);
	ck_assert_uint_eq(book_of(&b, &a, 0, out, 4), 2);
}
END_TEST

/* More names than there are numbers share the last. */
START_TEST(very_many_services_are_all_counted)
{
	char name[16];

	for (uint32_t i = 0; i < BOOK_SERVICES + 10; i++) {
		struct tuple t = conn(1, (uint16_t)(i + 1));

		snprintf(name, sizeof(name), "s%u", i);
		add(t, name);
		ck_assert_uint_ge(count(name, 1), 1);
		book_remove(&b, &t);
	}
	ck_assert_uint_eq(all(), 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("splice_book");
	TCase *t = tcase_create("book");
	SRunner *r;
	int failed;

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, client_counts_by_service);
	tcase_add_test(t, ended_one_does_not_count_but_stays);
	tcase_add_test(t, removed_without_an_end_no_longer_counts);
	tcase_add_test(t, end_of_an_earlier_one_does_not_end_the_next);
	tcase_add_test(t, same_addresses_again_count_once);
	tcase_add_test(t, serials_go_on_behind_those_found);
	tcase_add_test(t, full_book_takes_no_more);
	tcase_add_test(t, only_the_one_that_was_found_old_is_forgotten);
	tcase_add_test(t, those_of_a_client_are_found);
	tcase_add_test(t, very_many_services_are_all_counted);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
