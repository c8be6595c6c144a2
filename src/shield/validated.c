/* SPDX-License-Identifier: MIT */
/*
 * Addresses that returned a cookie.  For a while the limits do not apply to
 * them.
 */
#include "shield/validated.h"

struct entry {
	struct assoc_head head;
	mono_t until;
};

int validated_init(struct validated *v, uint32_t entries,
		   const uint8_t secret[32])
{
	return assoc_init(&v->table, sizeof(struct entry), entries, secret,
			  "validated");
}

void validated_fini(struct validated *v)
{
	assoc_fini(&v->table);
}

void validated_add(struct validated *v, const struct ipaddr *a,
		   uint32_t service, mono_t now, int64_t for_us)
{
	struct assoc_key k = {.addr = *a, .space = service};
	struct entry *e;
	bool fresh;

	if (for_us <= 0)
		return;
	assoc_enter(&v->table);
	e = assoc_use(&v->table, &k, now, &fresh);
	e->until = mono_add(now, for_us);
	assoc_leave(&v->table);
}

bool validated_has(const struct validated *v, const struct ipaddr *a,
		   uint32_t service, mono_t now)
{
	struct assoc_key k = {.addr = *a, .space = service};
	const struct entry *e;
	bool is;

	assoc_enter(&v->table);
	e = assoc_find(&v->table, &k);
	is = e && mono_before(now, e->until);
	assoc_leave(&v->table);
	return is;
}

void validated_walk(const struct validated *v, validated_fn fn, void *arg,
		    mono_t now)
{
	const struct assoc *a = &v->table;

	assoc_enter(a);
	for (uint32_t i = 0; i < assoc_room(a); i++) {
		const struct entry *e =
			(const void *)(a->mem + (size_t)i * a->size);

		if (e->head.used && mono_before(now, e->until))
			fn(arg, &e->head.key.addr, e->head.key.space, e->until);
	}
	assoc_leave(a);
}
