/* SPDX-License-Identifier: MIT */
/*
 * The secret file, and that of the HTTP server's token.
 * LINKS: config/secret util/log
 */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/secret.h"

static char dir[] = "/tmp/test_secret.XXXXXX";
static char path[64];
static char *said;

static void setup(void)
{
	strcpy(dir + strlen(dir) - 6, "XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/secret", dir);
	said = NULL;
}

static void teardown(void)
{
	free(said);
	unlink(path);
	rmdir(dir);
}

/* What is written there is in said, once it is closed. */
static FILE *errors(void)
{
	static size_t len;

	free(said);
	return open_memstream(&said, &len);
}

static int secret(uint8_t out[SECRET_BYTES])
{
	FILE *errs = errors();
	int rc = secret_load(path, out, errs);

	fclose(errs);
	return rc;
}

START_TEST(secret_file_missing_is_made_then_read)
{
	uint8_t a[SECRET_BYTES] = {0}, b[SECRET_BYTES] = {0};
	struct stat st;

	ck_assert_int_eq(secret(a), SECRET_MADE);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0600);
	ck_assert_int_eq(st.st_size, 65);
	ck_assert_uint_eq(st.st_nlink, 1);
	ck_assert_int_eq(secret(b), SECRET_READ);
	ck_assert_mem_eq(a, b, sizeof(a));
	ck_assert_str_eq(said, "");
}
END_TEST

static void secret_write(const char *text, mode_t mode)
{
	FILE *f;

	unlink(path);
	f = fopen(path, "w");
	fputs(text, f);
	fclose(f);
	chmod(path, mode);
}

#define HEX16 "0123456789abcdef"

START_TEST(secret_file_bad_is_refused_and_kept)
{
	uint8_t a[SECRET_BYTES];
	static const char *const bad[] = {
		"",
		"\n",
		HEX16,
		HEX16 HEX16 HEX16 HEX16 "0\n",
		HEX16 HEX16 HEX16 "0123456789abcdeg\n",
		HEX16 HEX16 HEX16 HEX16 "\n\n",
	};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		secret_write(bad[i], 0600);
		ck_assert_int_eq(secret(a), -EINVAL);
		ck_assert_ptr_nonnull(strstr(said, path));
	}
	secret_write(HEX16 HEX16 HEX16 "0123456789ABCDEF\n", 0640);
	ck_assert_int_eq(secret(a), -EPERM);
	chmod(path, 0400);
	ck_assert_int_eq(secret(a), SECRET_READ);
	ck_assert_uint_eq(a[0], 0x01);
	ck_assert_uint_eq(a[31], 0xef);
}
END_TEST

static bool usable(const char *secret_path, const char *token_path)
{
	FILE *errs = errors();
	bool fine = secrets_usable(secret_path, token_path, errs);

	fclose(errs);
	return fine;
}

/* `penstockd -t' refuses what the daemon would refuse, and makes no file. */
START_TEST(secrets_are_checked_and_not_made)
{
	ck_assert(usable(path, path));
	ck_assert_int_eq(access(path, F_OK), -1);
	ck_assert(usable("", ""));
	secret_write(HEX16 HEX16 HEX16 HEX16 "\n", 0600);
	ck_assert(usable(path, path));
	ck_assert_str_eq(said, "");
	chmod(path, 0640);
	ck_assert(!usable(path, ""));
	ck_assert_msg(!strncmp(said, "secret_file ", 12), "%s", said);
	ck_assert(!usable("", path));
	ck_assert_msg(!strncmp(said, "http_token_file ", 16), "%s", said);
	secret_write(HEX16 "\n", 0600);
	ck_assert(!usable(path, path));
	ck_assert_ptr_nonnull(strchr(said, '\n'));
	ck_assert_ptr_nonnull(strstr(strchr(said, '\n'), "\nhttp_token_file"));
}
END_TEST

START_TEST(secret_without_directory_is_ephemeral_with_a_word)
{
	uint8_t a[SECRET_BYTES] = {0}, zero[SECRET_BYTES] = {0};

	strcat(path, "/no/secret");
	ck_assert_int_eq(secret(a), SECRET_EPHEMERAL);
	ck_assert_ptr_nonnull(strstr(said, "cannot be made"));
	ck_assert_mem_ne(a, zero, sizeof(a));
	path[0] = '\0';
	ck_assert_int_eq(secret(a), SECRET_EPHEMERAL);
	ck_assert_str_eq(said, "");
}
END_TEST

int main(void)
{
	Suite *s = suite_create("secret");
	TCase *t = tcase_create("file");
	SRunner *r = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(t, setup, teardown);
	suite_add_tcase(s, t);
	tcase_add_test(t, secret_file_missing_is_made_then_read);
	tcase_add_test(t, secret_file_bad_is_refused_and_kept);
	tcase_add_test(t, secrets_are_checked_and_not_made);
	tcase_add_test(t, secret_without_directory_is_ephemeral_with_a_word);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
