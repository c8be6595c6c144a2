/* SPDX-License-Identifier: MIT */
/*
 * Lines of the connection log as entries of the journal.
 */
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>
#include <systemd/sd-journal.h>

#include "journal.h"

#define FIELDS_MAX 16
#define FIELD_BYTES 128

static const char *text_of(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "-";
}

/* PENSTOCK_KEY=value */
static void print_field(const char *key, const json_t *v, char *out)
{
	int n = snprintf(out, FIELD_BYTES, "PENSTOCK_%.32s=", key);

	for (char *p = out; *p; p++)
		*p = (char)(*p >= 'a' && *p <= 'z' ? *p - 'a' + 'A' : *p);
	if (json_is_string(v))
		snprintf(out + n, (size_t)(FIELD_BYTES - n), "%s",
			 json_string_value(v));
	else
		snprintf(out + n, (size_t)(FIELD_BYTES - n),
			 json_is_real(v) ? "%.6f" : "%.0f",
			 json_number_value(v));
}

void journal_send(const char *json)
{
	char field[FIELDS_MAX][FIELD_BYTES];
	struct iovec iov[FIELDS_MAX];
	json_t *o = json_loads(json, 0, NULL), *v;
	const char *key;
	int n = 1;

	if (!o)
		return;
	snprintf(field[0], FIELD_BYTES, "MESSAGE=%s %s -> %s: %s by %s",
		 text_of(o, "service"), text_of(o, "client"),
		 text_of(o, "server"), text_of(o, "how"), text_of(o, "by"));
	json_object_foreach(o, key, v) {
		print_field(key, v, field[n]);
		if (++n == FIELDS_MAX)
			break;
	}
	for (int i = 0; i < n; i++)
		iov[i] = (struct iovec){field[i], strlen(field[i])};
	sd_journal_sendv(iov, n);
	json_decref(o);
}
