/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCK_UTIL_ADDRESS_H
#define PENSTOCK_UTIL_ADDRESS_H

/*
 * Addresses as text.
 */
#include "util/types.h"

/* With brackets, prefix or port, and the NUL. */
#define ADDRESS_TEXT_MAX 64

/* "192.0.2.1", "2001:db8::1"; returns @out. */
const char *address_print(const struct ipaddr *a, char out[ADDRESS_TEXT_MAX]);

/* "192.0.2.1:80", "[2001:db8::1]:80"; returns @out. */
const char *address_print_port(const struct ipaddr *a, uint16_t port,
			       char out[ADDRESS_TEXT_MAX]);

/**
 * address_parse() - Read an address of either family, without brackets
 * Return: false, @out unchanged: it is none
 */
bool address_parse(const char *text, struct ipaddr *out);

#endif
