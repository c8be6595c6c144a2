/* SPDX-License-Identifier: MIT */
/*
 * Faults as JSON.
 */
#include "api/faults.h"
#include "util/address.h"

static json_t *endpoint_json(const struct ipaddr *a, uint16_t port)
{
	char text[ADDRESS_TEXT_MAX];

	return json_string(address_print_port(a, port, text));
}

json_t *fault_hit_json(const char *fault, const struct tuple *t)
{
	return json_pack("{s:s, s:o, s:o}", "fault", fault, "client",
			 endpoint_json(&t->remote, t->rport), "server",
			 endpoint_json(&t->local, t->lport));
}

static json_t *spec_json(const struct fault_spec *s)
{
	json_t *o = json_object();
	char value[FAULT_TEXT_MAX + 1];

	for (const struct opt_desc *d = fault_options; d->name; d++) {
		if (fault_spec_value(s, d, value, sizeof(value)))
			json_object_set_new(o, d->name, json_string(value));
	}
	return o;
}

static void set_count(json_t *o, const char *key, uint64_t n)
{
	json_object_set_new(o, key, json_integer((json_int_t)n));
}

/* What peers did then. */
static void peer_json(json_t *o, const struct fault_sum *f)
{
	json_t *peer = json_object();

	for (int i = 0; i < FR_COUNT; i++) {
		if (f->peer[i])
			set_count(peer, fault_reaction_name[i], f->peer[i]);
	}
	json_object_set_new(o, "peer", peer);
	set_count(o, "ok", f->answered[1]);
	set_count(o, "wrong", f->answered[0]);
	set_count(o, "unwatched", f->unwatched);
}

static json_t *sum_json(const struct fault_sum *f)
{
	char line[FAULT_LINE_MAX + 1];
	json_t *o;

	fault_print_line(&f->spec, line, sizeof(line));
	o = json_pack("{s:s, s:s, s:s, s:o, s:I, s:I}", "name", f->spec.name,
		      "type", fault_type_name[f->spec.type], "line", line,
		      "spec", spec_json(&f->spec), "conns",
		      (json_int_t)f->conns, "active", (json_int_t)f->active);
	for (int i = 0; i < FC_COUNT; i++)
		set_count(o, fault_counter_name[i], f->count[i]);
	peer_json(o, f);
	json_object_set_new(
		o, "lease_left_ms",
		f->lease_left_us < 0
			? json_null()
			: json_integer(f->lease_left_us / USEC_PER_MSEC));
	return o;
}

json_t *faults_json(const struct fault_sum *f, uint32_t n)
{
	json_t *all = json_array();

	for (uint32_t i = 0; i < n; i++)
		json_array_append_new(all, sum_json(&f[i]));
	return all;
}

/* --- types --- */

static json_t *key_json(const struct opt_desc *d, bool needed)
{
	char allowed[256];

	fault_key_allowed(d, allowed, sizeof(allowed));
	return json_pack("{s:s, s:s, s:s, s:b}", "name", d->name, "help",
			 d->help ? d->help : "", "allowed", allowed, "needed",
			 needed);
}

static json_t *type_json(enum fault_type t)
{
	json_t *own = json_array(), *common = json_array();
	bool needed;

	for (int p = 0; p < FP_COUNT; p++) {
		if (fault_type_takes(t, (enum fault_param)p, &needed))
			json_array_append_new(
				own,
				key_json(fault_param_desc((enum fault_param)p),
					 needed));
	}
	for (const struct opt_desc *d = fault_options;
	     d != fault_param_desc((enum fault_param)0); d++) {
		if (fault_type_takes_key(t, d->name))
			json_array_append_new(common, json_string(d->name));
	}
	return json_pack("{s:s, s:s, s:o, s:o}", "name", fault_type_name[t],
			 "example", fault_type_example(t), "keys", own,
			 "common", common);
}

json_t *fault_types_json(void)
{
	json_t *types = json_array(), *common = json_array();

	for (int t = 1; t < FT_COUNT; t++)
		json_array_append_new(types, type_json((enum fault_type)t));
	for (const struct opt_desc *d = fault_options;
	     d != fault_param_desc((enum fault_param)0); d++)
		json_array_append_new(common, key_json(d, false));
	return json_pack("{s:o, s:o}", "types", types, "common", common);
}
