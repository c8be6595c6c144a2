/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCK_CONFIG_SECRET_H
#define PENSTOCK_CONFIG_SECRET_H

/*
 * The 32 bytes that every key is derived from.
 */
#include <stdio.h>

#include "util/types.h"

#define SECRET_BYTES 32

enum secret_source {
	SECRET_READ,	  /* from the file */
	SECRET_MADE,	  /* fresh, and the file was made */
	SECRET_EPHEMERAL, /* fresh, kept nowhere: dies with the process */
};

/**
 * secret_load() - Read the secret file, or make it
 * @path:   64 hexadecimal digits and a newline; empty = ephemeral.  Its
 *          permissions must give nothing to group and others
 * @out:    out: the secret
 * @errors: one line when it fails, one when the secret is ephemeral although
 *          @path asks for a file
 *
 * A missing file is made with mode 0600: written beside its place, flushed to
 * disk and linked there, so that it is whole or absent, and of two processes
 * that start at once both get the same secret.  Where the directory is missing
 * or may not be written the daemon still serves, with an ephemeral secret:
 * only cookies given out before a restart, and those of the rest of a fleet,
 * are then refused.  A file that is there but unreadable, open to others or
 * malformed is an error, never replaced.
 *
 * Return: enum secret_source, -EINVAL (malformed), -EPERM (open to others),
 *         or -errno of reading the file
 */
int secret_load(const char *path, uint8_t out[SECRET_BYTES], FILE *errors);

#endif
