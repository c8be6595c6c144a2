/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCK_FRONT_PINS_H
#define PENSTOCK_FRONT_PINS_H

/*
 * What the front and the relay share: their directories below bpf_dir, and the
 * form of their errors.
 */
#include <bpf/libbpf.h>
#include <stdio.h>

#define PINS_DIR_MODE 0750
#define PINS_MODE 0660 /* of a map: for root and its group */

/* "WHO: TEXT: the error @rc (-errno)" as a line of @err.  Return: @rc */
int pins_say(FILE *err, const char *who, int rc, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* For libbpf_set_print(): we report errors ourselves. */
int pins_quiet(enum libbpf_print_level level, const char *fmt, va_list ap);

/**
 * pins_make_dir() - DIR and DIR/WHO, where they are missing
 * @dir: on a BPF file system, or in one; else @err says what to do
 * Return: 0 or -errno
 */
int pins_make_dir(const char *dir, const char *who, FILE *err);

#endif
