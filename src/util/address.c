/* SPDX-License-Identifier: MIT */
/*
 * Addresses as text, in one place for all who print or read them.
 */
#include "util/address.h"

#include <arpa/inet.h>
#include <stdio.h>

const char *address_print(const struct ipaddr *a, char out[ADDRESS_TEXT_MAX])
{
	bool v4 = ipaddr_is_v4(a);

	inet_ntop(v4 ? AF_INET : AF_INET6, a->b + (v4 ? 12 : 0), out,
		  ADDRESS_TEXT_MAX);
	return out;
}

const char *address_print_port(const struct ipaddr *a, uint16_t port,
			       char out[ADDRESS_TEXT_MAX])
{
	char text[ADDRESS_TEXT_MAX];

	snprintf(out, ADDRESS_TEXT_MAX,
		 ipaddr_is_v4(a) ? "%.45s:%u" : "[%.45s]:%u",
		 address_print(a, text), port);
	return out;
}

bool address_parse(const char *text, struct ipaddr *out)
{
	uint8_t raw[16];

	if (inet_pton(AF_INET, text, raw) == 1)
		*out = ipaddr_v4(raw);
	else if (inet_pton(AF_INET6, text, raw) == 1)
		*out = ipaddr_v6(raw);
	else
		return false;
	return true;
}
