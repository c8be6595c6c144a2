/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCK_RULES_RUN_H
#define PENSTOCK_RULES_RUN_H

/*
 * Run a program and wait for it.
 */
#include "util/types.h"

/**
 * run_cmd() - Run a program of the search path, without a shell
 * @argv:  the words, NULL at the end
 * @input: its standard input; NULL = nothing
 * @out:   out: its standard output, to be freed; NULL = not read, goes to
 *         /dev/null.  Valid when 0 or a positive number is returned
 * @quiet: its standard error goes to /dev/null, else to ours
 *
 * Return: 0, the exit status (128 + N for signal N), or -errno
 */
int run_cmd(const char *const argv[], const char *input, char **out,
	    bool quiet);

#endif
