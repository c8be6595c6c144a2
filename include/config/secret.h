/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCK_CONFIG_SECRET_H
#define PENSTOCK_CONFIG_SECRET_H

/*
 * The 32 bytes that every key is derived from, and the token of the HTTP
 * server.
 */
#include <stdio.h>

#include "util/types.h"

#define SECRET_BYTES 32
#define TOKEN_LEN (2 * SECRET_BYTES) /* characters */

enum secret_source {
	SECRET_READ,	  /* from the file */
	SECRET_MADE,	  /* new, and the file was made */
	SECRET_EPHEMERAL, /* new, and not stored: lost when the process ends */
};

/**
 * secret_load() - Read the secret file, or make it
 * @path:   64 hexadecimal digits and a newline; empty = ephemeral.  Group and
 *          others must have no permission
 * @out:    out: the secret
 * @errors: a line when it fails, or when the secret is ephemeral although @path
 *          names a file
 *
 * A missing file is made with mode 0600.  It is written to a temporary file,
 * flushed to disk and then linked to its name.  So it is complete or absent,
 * and two processes that start together get the same secret.  If the directory
 * is missing or not writable, the daemon starts with an ephemeral secret; then
 * only cookies from before a restart, and those of other gateways of a fleet,
 * are refused.  A file that is unreadable, open to others or malformed is an
 * error, and is never replaced.
 *
 * Return: enum secret_source, -EINVAL (malformed), -EPERM (open to others),
 *         or -errno of reading the file
 */
int secret_load(const char *path, uint8_t out[SECRET_BYTES], FILE *errors);

/**
 * token_load() - Read the file of the HTTP server's token, or make it
 * @out: out: the token: the digits of the file, in their case
 *
 * The file is one like that of the secret, and so is the rest.
 */
int token_load(const char *path, char out[TOKEN_LEN + 1], FILE *errors);

/**
 * secrets_usable() - Would the daemon start with these files?  Makes none
 * @secret: path of the secret file, or empty
 * @token:  path of the file of the HTTP server's token, or empty
 * @errors: a line for each that it would refuse
 *
 * A file that is missing is fine, and so is one that the caller may not read:
 * only the daemon's user has to.
 */
bool secrets_usable(const char *secret, const char *token, FILE *errors);

#endif
