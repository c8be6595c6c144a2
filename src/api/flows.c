/* SPDX-License-Identifier: MIT */
/*
 * Flows as JSON objects, and their lines.
 */
#include "api/flows.h"
#include "util/address.h"

json_t *flow_address_json(const struct ipaddr *a, uint16_t port)
{
	char text[ADDRESS_TEXT_MAX];

	return json_string(address_print_port(a, port, text));
}

static const char *text_of(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "-";
}

/* " NAME(STATE KEY=N KEY=N cc=NAME)", with each key that is a number. */
static void print_part(const char *name, const json_t *part, FILE *out)
{
	const char *key;
	json_t *v;

	if (!json_object_get(part, "state"))
		return;
	fprintf(out, " %s(%s", name, text_of(part, "state"));
	json_object_foreach((json_t *)part, key, v) {
		if (json_is_integer(v))
			fprintf(out, " %s=%lld", key,
				(long long)json_integer_value(v));
	}
	if (json_object_get(part, "cc"))
		fprintf(out, " cc=%s", text_of(part, "cc"));
	fputc(')', out);
}

void flow_print(const json_t *flow, FILE *out)
{
	static const char *const parts[] = {"client", "server", "spliced"};
	const json_t *serial = json_object_get(flow, "serial");

	fprintf(out, "%s %s -> %s", text_of(flow, "service"),
		text_of(json_object_get(flow, "client"), "address"),
		text_of(json_object_get(flow, "server"), "address"));
	for (size_t i = 0; i < ARRAY_LEN(parts); i++)
		print_part(parts[i], json_object_get(flow, parts[i]), out);
	if (serial)
		fprintf(out, " serial=%lld",
			(long long)json_integer_value(serial));
}
