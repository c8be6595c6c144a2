/* SPDX-License-Identifier: MIT */
/*
 * A toxic and its fault.
 *
 * The attributes of toxiproxy's own types are integers, each in one unit.  They
 * are completed here (what was not given is 0) and written with their unit.
 * Every other key, and every attribute of penstock's own types, is a key of the
 * fault.  It is passed on unchanged, and the fault's parser checks it.
 *
 * A toxic ends connections as toxiproxy does, by closing both.  The keys
 * close=, from= and sides= below ask for that, unless the client has given
 * attributes of these names.
 */
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "toxi.h"

#define LINE_MAX_BYTES 1000 /* a fault's line is shorter than 1024 */

/* toxiproxy's attributes and their units.  Faults have the same names for
 * them. */
static const struct {
	const char *type, *attr, *unit;
} own_attrs[] = {
	{"latency", "latency", "ms"},	  {"latency", "jitter", "ms"},
	{"bandwidth", "rate", "KB"},	  {"slow_close", "delay", "ms"},
	{"timeout", "timeout", "ms"},	  {"slicer", "average_size", ""},
	{"slicer", "size_variation", ""}, {"slicer", "delay", "us"},
	{"limit_data", "bytes", ""},	  {"reset_peer", "timeout", "ms"},
};

static const char *const type_names[] = {
#define X(id, name) name,
	FAULT_TYPES(X)
#undef X
};

__attribute__((format(printf, 3, 4))) static void
explain(char *err, size_t errlen, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(err, errlen, fmt, ap);
	va_end(ap);
}

static bool type_known(const char *type)
{
	if (!strcmp(type, "noop"))
		return true;
	for (size_t i = 0; i < ARRAY_LEN(own_attrs); i++)
		if (!strcmp(type, own_attrs[i].type))
			return true;
	for (size_t i = FT_NONE + 1; i < ARRAY_LEN(type_names); i++)
		if (!strcmp(type, type_names[i]))
			return true;
	return false;
}

/* The unit of toxiproxy's own attribute, or NULL. */
static const char *own_unit(const char *type, const char *attr)
{
	for (size_t i = 0; i < ARRAY_LEN(own_attrs); i++)
		if (!strcmp(own_attrs[i].type, type) &&
		    !strcmp(own_attrs[i].attr, attr))
			return own_attrs[i].unit;
	return NULL;
}

/* Is it a reset that toxiproxy does not have, such as after=byte:N? */
static bool is_native_reset(const struct toxic *t)
{
	return !strcmp(t->type, "reset_peer") &&
	       (json_object_get(t->attributes, "after") ||
		json_object_get(t->attributes, "sides"));
}

/* --- reading --- */

/* A member that may be absent or null, else must be a string. */
static bool get_text(const json_t *body, const char *key, const char *none,
		     const char **out)
{
	const json_t *v = json_object_get(body, key);

	*out = !v || json_is_null(v) ? none : json_string_value(v);
	return *out != NULL;
}

static bool read_toxicity(struct toxic *t, const json_t *body)
{
	const json_t *v = json_object_get(body, "toxicity");

	if (!v || json_is_null(v))
		return true;
	if (!json_is_number(v))
		return false;
	t->toxicity = json_number_value(v);
	return t->toxicity >= 0 && t->toxicity <= 1;
}

static bool key_ok(const char *key)
{
	return *key && !key[strspn(key, "abcdefghijklmnopqrstuvwxyz0123456789"
					"_-")];
}

/* Keys that are set by the toxic itself. */
static bool key_reserved(const char *key)
{
	static const char *const keys[] = {"type", "service", "toxicity",
					   "stream"};

	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		if (!strcmp(key, keys[i]))
			return true;
	return false;
}

static bool read_attribute(struct toxic *t, const char *key, json_t *v,
			   char *err, size_t errlen)
{
	if (json_is_null(v))
		return true;
	if (own_unit(t->type, key)) {
		if (!json_is_integer(v)) {
			explain(err, errlen, "attribute %.64s: a whole number",
				key);
			return false;
		}
	} else if (!key_ok(key) || key_reserved(key)) {
		explain(err, errlen, "type %s has no attribute %.64s", t->type,
			key);
		return false;
	}
	return !json_object_set(t->attributes, key, v);
}

static bool read_attributes(struct toxic *t, const json_t *body, char *err,
			    size_t errlen)
{
	json_t *given = json_object_get(body, "attributes"), *v;
	const char *key;

	for (size_t i = 0; i < ARRAY_LEN(own_attrs); i++)
		if (!strcmp(own_attrs[i].type, t->type) &&
		    !json_object_get(t->attributes, own_attrs[i].attr))
			json_object_set_new(t->attributes, own_attrs[i].attr,
					    json_integer(0));
	if (!given || json_is_null(given))
		return true;
	if (!json_is_object(given)) {
		explain(err, errlen, "attributes: an object");
		return false;
	}
	json_object_foreach(given, key, v) {
		if (!read_attribute(t, key, v, err, errlen))
			return false;
	}
	return true;
}

void toxic_fault_name(const char *service, const char *name, char *out)
{
	uint64_t h = UINT64_C(14695981039346656037); /* FNV-1a */
	bool plain = strlen(service) + 1 + strlen(name) <= FAULT_NAME_MAX;

	for (const char *p = name; *p && plain; p++)
		plain = isalnum((unsigned char)*p) || strchr("_.-", *p);
	if (plain) {
		sprintf(out, "%s.%s", service, name);
		return;
	}
	for (const char *p = service; *p; p++)
		h = (h ^ (uint8_t)*p) * UINT64_C(1099511628211);
	h = (h ^ '/') * UINT64_C(1099511628211);
	for (const char *p = name; *p; p++)
		h = (h ^ (uint8_t)*p) * UINT64_C(1099511628211);
	sprintf(out, "toxic-%016llx", (unsigned long long)h);
}

static struct toxic *toxic_make(const char *service, const char *name,
				const char *type)
{
	struct toxic *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	snprintf(t->service, sizeof(t->service), "%s", service);
	t->name = strdup(name);
	t->type = strdup(type);
	t->attributes = json_object();
	t->toxicity = 1;
	if (t->name && t->type && t->attributes)
		return t;
	toxic_free(t);
	return NULL;
}

void toxic_free(struct toxic *t)
{
	if (!t)
		return;
	free(t->name);
	free(t->type);
	json_decref(t->attributes);
	free(t);
}

static struct toxic *toxic_read(struct toxic *t, const json_t *body, char *err,
				size_t errlen)
{
	if (!t) {
		explain(err, errlen, "out of memory");
		return NULL;
	}
	if (read_toxicity(t, body)) {
		if (read_attributes(t, body, err, errlen))
			return t;
	} else {
		explain(err, errlen, "toxicity: a number from 0 to 1");
	}
	toxic_free(t);
	return NULL;
}

struct toxic *toxic_new(const char *service, const json_t *body, char *err,
			size_t errlen)
{
	const char *name, *type, *stream;
	char made[TOXIC_NAME_MAX + 1];
	struct toxic *t;

	if (!get_text(body, "name", "", &name) ||
	    !get_text(body, "type", "", &type) ||
	    !get_text(body, "stream", "downstream", &stream)) {
		explain(err, errlen, "name, type, stream: strings");
		return NULL;
	}
	if (strcmp(stream, "upstream") != 0 &&
	    strcmp(stream, "downstream") != 0) {
		explain(err, errlen,
			"stream was invalid, can be either "
			"upstream or downstream");
		return NULL;
	}
	if (!type_known(type)) {
		explain(err, errlen, "invalid toxic type");
		return NULL;
	}
	if (strlen(name) > TOXIC_NAME_MAX || strchr(name, '/')) {
		explain(err, errlen, "name: at most %d bytes, no slash",
			TOXIC_NAME_MAX);
		return NULL;
	}
	snprintf(made, sizeof(made), "%s_%s", type, stream);
	t = toxic_make(service, *name ? name : made, type);
	if (t) {
		t->upstream = *stream == 'u';
		if (strcmp(type, "noop") != 0)
			toxic_fault_name(service, t->name, t->fault);
	}
	return toxic_read(t, body, err, errlen);
}

struct toxic *toxic_update(const struct toxic *old, const json_t *body,
			   char *err, size_t errlen)
{
	struct toxic *t = toxic_make(old->service, old->name, old->type);

	if (t) {
		json_object_update(t->attributes, old->attributes);
		t->upstream = old->upstream;
		t->toxicity = old->toxicity;
		memcpy(t->fault, old->fault, sizeof(t->fault));
	}
	return toxic_read(t, body, err, errlen);
}

/* --- writing --- */

static json_int_t number_of(const struct toxic *t, const char *attr)
{
	return json_integer_value(json_object_get(t->attributes, attr));
}

/* A key with a default, if the client has not given it: no key may be given
 * twice. */
static void put_default(const struct toxic *t, const char *key,
			const char *value, FILE *out)
{
	if (!json_object_get(t->attributes, key))
		fprintf(out, " %s=%s", key, value);
}

/* With sides=one, limit_data ends only one stream. */
static bool is_one_sided(const struct toxic *t)
{
	const char *sides =
		json_string_value(json_object_get(t->attributes, "sides"));

	return sides && !strcmp(sides, "one");
}

/*
 * Write the type of the fault.  A bandwidth of 0 lets nothing pass until it
 * changes. toxiproxy's reset_peer acts when data arrives, and discards it.
 * Return: true if the attributes must be written as well
 */
static bool put_type(const struct toxic *t, FILE *out)
{
	json_int_t ms = number_of(t, "timeout");

	if (!strcmp(t->type, "bandwidth") && !number_of(t, "rate")) {
		fputs(" type=timeout timeout=0", out);
		return false;
	}
	if (!strcmp(t->type, "reset_peer") && !is_native_reset(t)) {
		fprintf(out, " type=timeout close=rst from=data timeout=%lld%s",
			ms ? (long long)ms : 1, ms ? "ms" : "us");
		return false;
	}
	if (!strcmp(t->type, "limit_data")) {
		fprintf(out, " type=end action=%s after=byte:%lld",
			is_one_sided(t) ? "fin" : "close",
			(long long)number_of(t, "bytes"));
		return false;
	}
	if (is_native_reset(t)) {
		fputs(" type=end action=reset", out);
		return true;
	}
	fprintf(out, " type=%s", t->type);
	if (!strcmp(t->type, "timeout")) {
		put_default(t, "close", "fin", out);
		put_default(t, "from", "idle", out);
	}
	return true;
}

static bool put_text(const char *text, FILE *out)
{
	for (const char *p = text; *p; p++)
		if (!isgraph((unsigned char)*p))
			return false;
	fputs(text, out);
	return true;
}

static bool put_value(const json_t *v, FILE *out)
{
	if (json_is_integer(v))
		fprintf(out, "%lld", (long long)json_integer_value(v));
	else if (json_is_real(v))
		fprintf(out, "%.9g", json_real_value(v));
	else if (json_is_boolean(v))
		fputc(json_is_true(v) ? '1' : '0', out);
	else
		return json_is_string(v) && put_text(json_string_value(v), out);
	return true;
}

static bool put_attributes(const struct toxic *t, bool own, FILE *out,
			   char *err, size_t errlen)
{
	bool native = is_native_reset(t);
	bool limit = !strcmp(t->type, "limit_data");
	const char *key;
	json_t *v;

	json_object_foreach(t->attributes, key, v) {
		const char *unit = own_unit(t->type, key);

		if ((unit && (!own || native)) ||
		    (limit && !strcmp(key, "sides")))
			continue;
		fprintf(out, " %s=", key);
		if (!put_value(v, out)) {
			explain(err, errlen,
				"attribute %.64s: a number, or a word", key);
			return false;
		}
		fputs(unit ? unit : "", out);
	}
	return true;
}

char *toxic_line(const struct toxic *t, char *err, size_t errlen)
{
	char *line = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&line, &len);
	bool ok, own;

	explain(err, errlen, "out of memory");
	if (!out)
		return NULL;
	fprintf(out, "%s service=%s stream=%s toxicity=%.9g", t->fault,
		t->service, t->upstream ? "upstream" : "downstream",
		t->toxicity);
	put_default(t, "scope", "all", out);
	put_default(t, "side", t->upstream ? "server" : "client", out);
	own = put_type(t, out);
	ok = put_attributes(t, own, out, err, errlen);
	if (fclose(out))
		ok = false;
	if (ok && len > LINE_MAX_BYTES) {
		explain(err, errlen, "attributes: too long");
		ok = false;
	}
	if (ok)
		return line;
	free(line);
	return NULL;
}

json_t *toxic_json(const struct toxic *t)
{
	return json_pack("{s:O, s:s, s:s, s:s, s:f}", "attributes",
			 t->attributes, "name", t->name, "type", t->type,
			 "stream", t->upstream ? "upstream" : "downstream",
			 "toxicity", t->toxicity);
}
