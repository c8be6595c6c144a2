/* SPDX-License-Identifier: MIT */
/*
 * The secret file and the token's file: reads them and checks their mode, or
 * makes them if they are missing.
 */
#include "config/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#define HEX_LEN TOKEN_LEN

static int random_fill(uint8_t out[SECRET_BYTES])
{
	/* getrandom() never returns less for up to 256 bytes */
	if (getrandom(out, SECRET_BYTES, 0) != SECRET_BYTES)
		return -errno;
	return 0;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* Exactly 64 digits, then nothing but one newline. */
static int hex_parse(const char *text, size_t len, uint8_t out[SECRET_BYTES])
{
	if (len == HEX_LEN + 1 && text[HEX_LEN] == '\n')
		len--;
	if (len != HEX_LEN)
		return -EINVAL;
	for (size_t i = 0; i < SECRET_BYTES; i++) {
		int hi = hex_digit(text[2 * i]),
		    lo = hex_digit(text[2 * i + 1]);

		if (hi < 0 || lo < 0)
			return -EINVAL;
		out[i] = (uint8_t)(hi << 4 | lo);
	}
	return 0;
}

/* @digits: as the file has them.
 * Return: 0, -ENOENT, -EPERM, -EINVAL, ... */
static int file_read(const char *path, uint8_t out[SECRET_BYTES],
		     char digits[HEX_LEN + 1])
{
	char text[HEX_LEN + 8];
	struct stat st;
	ssize_t n;
	int err = 0;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st))
		err = -errno;
	else if (!S_ISREG(st.st_mode))
		err = -EINVAL;
	else if (st.st_mode & (S_IRWXG | S_IRWXO))
		err = -EPERM;
	if (err)
		goto out;
	n = read(fd, text, sizeof(text));
	err = n < 0 ? -errno : hex_parse(text, (size_t)n, out);
	if (!err)
		snprintf(digits, HEX_LEN + 1, "%.*s", HEX_LEN, text);
out:
	close(fd);
	explicit_bzero(text, sizeof(text));
	return err;
}

static void hex_print(const uint8_t secret[SECRET_BYTES], char out[HEX_LEN + 1])
{
	for (size_t i = 0; i < SECRET_BYTES; i++)
		sprintf(out + 2 * i, "%02x", secret[i]);
}

static int write_flushed(int fd, const uint8_t secret[SECRET_BYTES])
{
	char text[HEX_LEN + 2];
	int err = 0;

	hex_print(secret, text);
	strcpy(text + HEX_LEN, "\n");
	errno = EIO;
	if (write(fd, text, HEX_LEN + 1) != HEX_LEN + 1 || fsync(fd))
		err = -errno;
	explicit_bzero(text, sizeof(text));
	return err;
}

/* link() does not replace a file: if two processes make it, the first wins
 * (-EEXIST). */
static int file_make(const char *path, const uint8_t secret[SECRET_BYTES])
{
	char tmp[PATH_MAX];
	int fd, err;

	if (snprintf(tmp, sizeof(tmp), "%s.XXXXXX", path) >= (int)sizeof(tmp))
		return -ENAMETOOLONG;
	fd = mkostemp(tmp, O_CLOEXEC); /* mode 0600 */
	if (fd < 0)
		return -errno;
	err = write_flushed(fd, secret);
	close(fd);
	if (!err && link(tmp, path))
		err = -errno;
	unlink(tmp);
	return err;
}

/**
 * struct secret_use - What a file is for
 * @key:  of [penstock], which names it
 * @lost: what ends with the process when the file cannot be made
 */
struct secret_use {
	const char *key, *lost;
};

static int fail(const struct secret_use *use, FILE *errors, const char *path,
		int err)
{
	if (err == -EPERM)
		fprintf(errors,
			"%s %s: found it open to group or others; "
			"allowed: mode 0600\n",
			use->key, path);
	else if (err == -EINVAL)
		fprintf(errors,
			"%s %s: found something else; allowed: a "
			"file of %d hexadecimal digits\n",
			use->key, path, HEX_LEN);
	else
		fprintf(errors, "%s %s: %s\n", use->key, path, strerror(-err));
	return err;
}

static int load(const struct secret_use *use, const char *path,
		uint8_t out[SECRET_BYTES], char digits[HEX_LEN + 1],
		FILE *errors)
{
	int err = -ENOENT;

	if (*path)
		err = file_read(path, out, digits);
	if (!err)
		return SECRET_READ;
	if (err != -ENOENT)
		return fail(use, errors, path, err);
	err = random_fill(out);
	if (err)
		return fail(use, errors, path, err);
	hex_print(out, digits);
	if (!*path)
		return SECRET_EPHEMERAL;
	err = file_make(path, out);
	if (!err)
		return SECRET_MADE;
	if (err == -EEXIST) {
		err = file_read(path, out, digits);
		return err ? fail(use, errors, path, err) : SECRET_READ;
	}
	fprintf(errors,
		"%s %s: cannot be made (%s): %s will not outlive this "
		"process\n",
		use->key, path, strerror(-err), use->lost);
	return SECRET_EPHEMERAL;
}

static const struct secret_use secret_use = {"secret_file", "cookies"};
static const struct secret_use token_use = {"http_token_file", "the token"};

int secret_load(const char *path, uint8_t out[SECRET_BYTES], FILE *errors)
{
	char digits[HEX_LEN + 1];
	int rc = load(&secret_use, path, out, digits, errors);

	explicit_bzero(digits, sizeof(digits));
	return rc;
}

int token_load(const char *path, char out[TOKEN_LEN + 1], FILE *errors)
{
	uint8_t secret[SECRET_BYTES] = {0};
	int rc = load(&token_use, path, secret, out, errors);

	explicit_bzero(secret, sizeof(secret));
	return rc;
}

static bool usable(const struct secret_use *use, const char *path, FILE *errors)
{
	char digits[HEX_LEN + 1];
	uint8_t secret[SECRET_BYTES];
	int err = *path ? file_read(path, secret, digits) : 0;

	explicit_bzero(digits, sizeof(digits));
	explicit_bzero(secret, sizeof(secret));
	if (err && err != -ENOENT && err != -EACCES)
		fail(use, errors, path, err);
	return !err || err == -ENOENT || err == -EACCES;
}

bool secrets_usable(const char *secret, const char *token, FILE *errors)
{
	bool fine = usable(&secret_use, secret, errors);

	return usable(&token_use, token, errors) && fine;
}
