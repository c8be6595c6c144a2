/* SPDX-License-Identifier: MIT */
/*
 * Fast Open towards servers: their cookies, and where not to try.
 *
 * There are two kinds of trouble.  After two SYNs in a row that had to be
 * repeated without data, a server gets no Fast Open for a while.  And after
 * connections that Fast Open began but that then made no progress, no server
 * does (tcp_fastopen_blackhole_timeout_sec, as in Linux).
 */
#include "shield/tfo.h"

#define LOST_UNIT_US (60 * (int64_t)USEC_PER_SEC)
#define LOST_LIMIT 2  /* losses in a row before a server is left alone */
#define BACKOFF_MAX 6 /* doublings */

struct server {
	struct assoc_head head;
	struct tfo_cookie cookie;
	uint8_t lost;
	mono_t last_lost;
};

int tfo_cache_init(struct tfo_cache *c, uint32_t entries,
		   const uint8_t secret[32])
{
	return assoc_init(&c->table, sizeof(struct server), entries, secret,
			  "fast open cache");
}

void tfo_cache_fini(struct tfo_cache *c)
{
	assoc_fini(&c->table);
}

static struct server *find(const struct tfo_cache *c, const struct ipaddr *a)
{
	struct assoc_key k = {.addr = *a};

	return assoc_find(&c->table, &k);
}

static struct server *use(struct tfo_cache *c, const struct ipaddr *a,
			  mono_t now)
{
	struct assoc_key k = {.addr = *a};
	bool fresh;

	return assoc_use(&c->table, &k, now, &fresh);
}

static bool left_alone(const struct server *s, mono_t now)
{
	uint32_t shift;

	if (s->lost < LOST_LIMIT)
		return false;
	shift = min_u32(s->lost - 1u, BACKOFF_MAX);
	return mono_sub(now, s->last_lost) < LOST_UNIT_US << shift;
}

enum tfo_use tfo_cache_plan(const struct tfo_cache *c,
			    const struct ipaddr *server, uint32_t flags,
			    mono_t now, struct tfo_cookie *out)
{
	const struct server *s = find(c, server);

	memset(out, 0, sizeof(*out));
	if (!(flags & TFO_CLIENT))
		return TFO_USE_NOT;
	if (s) {
		if (left_alone(s, now))
			return TFO_USE_NOT;
		*out = s->cookie;
	}
	if (out->len || flags & TFO_CLIENT_NO_COOKIE)
		return TFO_USE_DATA;
	return TFO_USE_ASK;
}

void tfo_cache_store(struct tfo_cache *c, const struct ipaddr *server,
		     const struct tfo_cookie *cookie, mono_t now)
{
	struct server *s = use(c, server, now);

	s->cookie = *cookie;
	s->lost = 0;
}

void tfo_cache_answered(struct tfo_cache *c, const struct ipaddr *server,
			mono_t now)
{
	struct server *s = use(c, server, now);

	s->lost = 0;
}

void tfo_cache_lost(struct tfo_cache *c, const struct ipaddr *server,
		    mono_t now)
{
	struct server *s = use(c, server, now);

	if (s->lost < UINT8_MAX)
		s->lost++;
	s->last_lost = now;
}

void tfo_cache_forget(struct tfo_cache *c, const struct ipaddr *server)
{
	struct server *s;

	if (!server) {
		assoc_clear(&c->table);
		return;
	}
	s = find(c, server);
	if (s)
		s->head.used = 0;
}

void tfo_blackhole_hit(struct tfo_blackhole *b, int64_t timeout_us, mono_t now)
{
	if (timeout_us == 0)
		return;
	if (b->times < UINT32_MAX)
		b->times++;
	b->since = now;
}

bool tfo_blackhole_active(const struct tfo_blackhole *b, int64_t timeout_us,
			  mono_t now)
{
	if (timeout_us == 0 || b->times == 0)
		return false;
	return mono_sub(now, b->since) <
	       timeout_us << min_u32(b->times - 1, BACKOFF_MAX);
}

void tfo_blackhole_clear(struct tfo_blackhole *b)
{
	b->times = 0;
}
