/* SPDX-License-Identifier: MIT */
/*
 * LINKS: util/hash util/option shield/assoc shield/prefix shield/ratelimit
 * LINKS: util/address
 */
/* LINKS: shield/tfo shield/cfg util/word */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "shield/cfg.h"

static struct shield_cfg cfg;
static char err[256];

static void setup(void)
{
	memset(&cfg, 0, sizeof(cfg));
	opt_defaults(shield_options, &cfg);
}

static void teardown(void)
{
	prefix_map_free(cfg.access);
	cfg.access = NULL;
}

static int set(const char *key, const char *text)
{
	for (const struct opt_desc *d = shield_options; d->name; d++) {
		if (strcmp(d->name, key) == 0)
			return opt_parse(d, &cfg, text, err, sizeof(err));
	}
	ck_abort_msg("no key %s", key);
}

/* "\\0" in a file's text stands for a NUL byte. */
static char *read_file(const char *path, size_t *len, const char **why,
		       void *arg)
{
	const char *const *files = arg;

	for (; *files; files += 2) {
		char *text, *nul;

		if (strcmp(files[0], path) != 0)
			continue;
		text = strdup(files[1]);
		*len = strlen(text);
		nul = strstr(text, "\\0");
		if (nul)
			*nul = '\0';
		return text;
	}
	*why = "is missing";
	return NULL;
}

static int build(const char *const *files)
{
	teardown();
	return shield_access_new(&cfg, read_file, (void *)files, &cfg.access,
				 err, sizeof(err));
}

static bool ok(uint8_t a, uint8_t b, uint8_t c, uint8_t d)
{
	struct ipaddr addr = ipaddr_v4((const uint8_t[]){a, b, c, d});

	return shield_access_ok(&cfg, &addr);
}

START_TEST(defaults_are_the_documented_ones)
{
	ck_assert_uint_eq(cfg.syn_high, 75);
	ck_assert_uint_eq(cfg.syn_low, 25);
	ck_assert_int_eq(cfg.syn_hold, 30000000);
	ck_assert_int_eq(cfg.rate_limit.interval_ns, 0);
	ck_assert_int_eq(cfg.validated_for, 0);
	ck_assert_uint_eq(cfg.fastopen, 1);
	ck_assert_uint_eq(cfg.fastopen_key.n, 0);
	ck_assert_uint_eq(cfg.tw_reuse, 1);
	ck_assert_int_eq(cfg.tw_reuse_delay, 1000000);
	ck_assert_uint_eq(cfg.tw_recycle, 0);
	ck_assert_uint_eq(cfg.tw_overflow, TW_DESTROY);
	ck_assert_int_eq(cfg.defer_accept, 0);
	ck_assert_int_eq(build(NULL), 0);
	ck_assert_ptr_null(cfg.access);
	ck_assert(ok(192, 0, 2, 1));
}
END_TEST

START_TEST(keys_are_read)
{
	ck_assert_int_eq(set("tw_overflow", "evict_oldest"), 0);
	ck_assert_uint_eq(cfg.tw_overflow, TW_EVICT_OLDEST);
	ck_assert_int_eq(set("tcp_tw_reuse_delay", "250"), 0);
	ck_assert_int_eq(cfg.tw_reuse_delay, 250000);
	ck_assert_int_eq(set("tcp_fastopen", "0x203"), 0);
	ck_assert_uint_eq(cfg.fastopen,
			  TFO_CLIENT | TFO_SERVER | TFO_SERVER_NO_COOKIE);
	ck_assert_int_eq(set("tcp_fastopen_key", "1-2-3-4"), 0);
	ck_assert_uint_eq(cfg.fastopen_key.n, 1);
	ck_assert_int_eq(set("rate_limit", "5/s"), 0);
	ck_assert_uint_eq(cfg.rate_limit.burst, 5);
	ck_assert_int_eq(set("tcp_tw_reuse", "3"), -EINVAL);
	ck_assert_int_eq(set("rate_limit", "5"), -EINVAL);
}
END_TEST

START_TEST(marks_in_wrong_order_conflict)
{
	ck_assert_int_eq(shield_cfg_check(&cfg, err, sizeof(err)), 0);
	ck_assert_int_eq(set("syn_low", "80"), 0);
	ck_assert_int_eq(shield_cfg_check(&cfg, err, sizeof(err)), -EINVAL);
	ck_assert_ptr_nonnull(strstr(err, "syn_high"));
}
END_TEST

START_TEST(deny_alone_refuses_only_its_own)
{
	ck_assert_int_eq(set("deny", "10.0.0.0/8, 192.0.2.1"), 0);
	ck_assert_int_eq(build(NULL), 0);
	ck_assert(!ok(10, 1, 1, 1));
	ck_assert(!ok(192, 0, 2, 1));
	ck_assert(ok(192, 0, 2, 2));
}
END_TEST

START_TEST(allow_refuses_everybody_else)
{
	ck_assert_int_eq(set("allow", "10.0.0.0/8"), 0);
	ck_assert_int_eq(set("allow", "192.0.2.0/24"), 0); /* adds */
	ck_assert_int_eq(set("deny", "10.1.0.0/16 192.0.2.0/24"), 0);
	ck_assert_int_eq(build(NULL), 0);
	ck_assert(ok(10, 2, 0, 1));
	ck_assert(!ok(10, 1, 0, 1));	 /* the longer prefix decides */
	ck_assert(!ok(192, 0, 2, 7));	 /* deny of the same prefix */
	ck_assert(!ok(198, 51, 100, 1)); /* in neither */
}
END_TEST

START_TEST(lists_from_files_are_added)
{
	static const char *const files[] = {
		"/etc/bad",  "# spammers\n10.0.0.0/8\n\n192.0.2.1 ; one\n",
		"/etc/good", "10.5.0.0/16",
		NULL,
	};

	ck_assert_int_eq(set("deny", "@/etc/bad 198.51.100.1"), 0);
	ck_assert_int_eq(set("allow", "@/etc/good, 0.0.0.0/0"), 0);
	ck_assert_int_eq(build(files), 0);
	ck_assert(!ok(10, 1, 1, 1));
	ck_assert(ok(10, 5, 1, 1));
	ck_assert(!ok(192, 0, 2, 1));
	ck_assert(!ok(198, 51, 100, 1));
	ck_assert(ok(203, 0, 113, 1));
}
END_TEST

START_TEST(list_mistakes_name_file_and_line)
{
	static const char *const files[] = {"/l", "10.0.0.0/8\n10.0.0.0.0\n",
					    NULL};

	ck_assert_int_eq(set("deny", "@/l"), 0);
	ck_assert_int_eq(build(files), -EINVAL);
	ck_assert_ptr_nonnull(strstr(err, "/l:2: found \"10.0.0.0.0\""));
	ck_assert_ptr_null(cfg.access);
	ck_assert_int_eq(set("deny", "@/missing"), 0);
	cfg.deny = (struct shield_list){"@/missing"};
	ck_assert_int_eq(build(files), -EIO);
	ck_assert_ptr_nonnull(strstr(err, "/missing\": is missing"));
}
END_TEST

/* The file may be one that the reader of the error must not read. */
START_TEST(list_of_something_else_is_not_shown)
{
	static const struct {
		const char *text, *says;
	} rows[] = {
		{"root:$6$salt$hash:19000:0:::\n", "/l:1: found no address"},
		{"\n0123456789abcdef0123456789abcdef\n",
		 "/l:2: found no address"},
		{"10.0.0.0/8\npassword = 10.1.1.1\n", "/l:2: found no address"},
		{"10.0.0.0/8 # ok: word\n2001:db8::/12\n",
		 "/l:2: found \"2001:db8::/12\", allowed: no bits set"},
		{"10.0.0.0/8\n192.0.2.\\01\n", "/l:2: found a NUL byte"},
		{"\\0", "/l:1: found a NUL byte"},
	};

	ck_assert_int_eq(set("deny", "@/l"), 0);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const char *const files[] = {"/l", rows[i].text, NULL};

		ck_assert_int_eq(build((const char *const *)files), -EINVAL);
		ck_assert_msg(strstr(err, rows[i].says) != NULL, "%s", err);
		ck_assert_ptr_null(strstr(err, "hash"));
		ck_assert_ptr_null(strstr(err, "abcdef"));
		ck_assert_ptr_null(strstr(err, "password"));
	}
}
END_TEST

START_TEST(list_mistakes_inline_change_nothing)
{
	char lots[4000];

	ck_assert_int_eq(set("allow", "192.0.2.1"), 0);
	ck_assert_int_eq(set("allow", "192.0.2.2 bogus"), -EINVAL);
	ck_assert_int_eq(set("allow", "@"), -EINVAL);
	memset(lots, '1', sizeof(lots) - 1);
	lots[sizeof(lots) - 1] = '\0';
	ck_assert_int_eq(set("allow", lots), -EINVAL);
	ck_assert_str_eq(cfg.allow.text, "192.0.2.1");
}
END_TEST

int main(void)
{
	Suite *s = suite_create("shield_cfg");
	TCase *tc = tcase_create("shield_cfg");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, defaults_are_the_documented_ones);
	tcase_add_test(tc, keys_are_read);
	tcase_add_test(tc, marks_in_wrong_order_conflict);
	tcase_add_test(tc, deny_alone_refuses_only_its_own);
	tcase_add_test(tc, allow_refuses_everybody_else);
	tcase_add_test(tc, lists_from_files_are_added);
	tcase_add_test(tc, list_mistakes_name_file_and_line);
	tcase_add_test(tc, list_of_something_else_is_not_shown);
	tcase_add_test(tc, list_mistakes_inline_change_nothing);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
