/* SPDX-License-Identifier: MIT */
/*
 * Who an engine refused: sources that proved their address by a cookie are told
 * apart from those that anybody may have written into a SYN.
 *
 * LINKS: all
 */
#include <check.h>
#include <stdlib.h>

#include "engine/engine.h"
#include "wire/build.h"
#include "wire/segment.h"

static struct engine *e;
static struct buf_pool pool;
static mono_t now;

static const uint8_t server[4] = {192, 0, 2, 1};
static const uint8_t honest[4] = {198, 51, 100, 1}, other[4] = {10, 0, 0, 9};

/* A service that answers everybody by a cookie, but who is in @deny. */
static struct policy *policy_make(const char *deny)
{
	struct policy *p = policy_new(1);
	struct service *s = &p->service[0];
	char err[256];

	opt_defaults(service_options, s);
	opt_defaults(tcp_options, &s->tcp);
	opt_defaults(shield_options, &s->shield);
	strcpy(s->name, "web");
	s->listen.n = 1;
	s->listen.ep[0] = (struct endpoint){ipaddr_v4(server), 128, 80};
	s->handshake = HANDSHAKE_CLIENT_FIRST;
	s->syncookies = 2;
	s->shield.validated_for = 60 * (int64_t)USEC_PER_SEC;
	strcpy(s->shield.deny.text, deny);
	ck_assert_int_eq(shield_access_new(&s->shield, NULL, NULL,
					   &s->shield.access, err, sizeof(err)),
			 0);
	return p;
}

static void setup(void)
{
	struct policy *p = policy_make("10.0.0.0/8");
	struct engine_cfg cfg = {.policy = p,
				 .pool = &pool,
				 .max_flows = 64,
				 .max_tw = 64,
				 .seed = 5};

	now = (mono_t){1000000};
	ck_assert_int_eq(buf_pool_init(&pool, 1 << 24, 4), 0);
	e = engine_new(&cfg, now);
	ck_assert_ptr_nonnull(e);
	policy_put(p);
}

static void teardown(void)
{
	engine_free(e);
	buf_pool_fini(&pool);
}

static enum verdict segment_in(const uint8_t *from, uint16_t port,
			       struct hdr_spec h, struct tx *reply)
{
	const struct tuple t = {.local = ipaddr_v4(from),
				.remote = ipaddr_v4(server),
				.lport = port,
				.rport = 80};
	const struct tcp_opts o = {.has = h.flags & TCP_SYN ? OPT_HAS_MSS : 0,
				   .mss = 1460};
	struct buf *b = buf_alloc_reserve(&pool);
	struct packet in = {.buf = b, .data = b->data};
	struct tx tx = {0};
	enum verdict v;

	h.t = &t;
	h.opts = &o;
	h.wnd = 60000;
	h.ttl = 64;
	wire_build(&tx, &h, 0);
	wire_csum_finish(&tx);
	memcpy(b->data, tx.hdr, tx.hdr_len);
	in.len = in.full_len = tx.hdr_len;
	v = engine_input(e, &in, now, reply);
	buf_put(b);
	return v;
}

static enum verdict syn(const uint8_t *from, uint16_t port, struct tx *reply)
{
	return segment_in(from, port,
			  (struct hdr_spec){.seq = SEQ(100), .flags = TCP_SYN},
			  reply);
}

/* SYN, the cookie, and the ACK that returns it. */
static void prove(const uint8_t *from)
{
	struct tx reply = {0};
	uint32_t cookie;

	ck_assert_int_eq(syn(from, 1001, &reply), VERDICT_REPLY);
	cookie = get_be32((const uint8_t *)reply.hdr + 20 + 4);
	segment_in(from, 1001,
		   (struct hdr_spec){.seq = SEQ(101),
				     .ack = SEQ(cookie + 1),
				     .flags = TCP_ACK},
		   &reply);
}

static struct attack_counts counts(void)
{
	struct attack_counts c = {0};

	engine_attack_counts(e, 0, &c);
	return c;
}

START_TEST(syn_of_anybody_is_refused_but_proves_nothing)
{
	const struct offenders *o = engine_offenders(e, false);
	const struct ipaddr who = ipaddr_v4(other);
	struct tx reply;

	for (uint16_t i = 0; i < 50; i++)
		ck_assert_int_eq(syn(other, (uint16_t)(2000 + i), &reply),
				 VERDICT_CONSUMED);
	ck_assert_uint_eq(o->n, 1);
	ck_assert(ipaddr_eq(&o->who[0].addr, &who));
	ck_assert_uint_eq(o->who[0].count, 50);
	ck_assert_str_eq(engine_service_name(e, o->who[0].service), "web");
	ck_assert_uint_eq(engine_offenders(e, true)->n, 0);
	ck_assert_uint_eq(counts().limited, 50);
	ck_assert_uint_eq(counts().cookies, 0);
}
END_TEST

START_TEST(source_that_returned_a_cookie_is_proven)
{
	const struct offenders *o = engine_offenders(e, true);
	const struct ipaddr who = ipaddr_v4(honest);
	struct policy *p = policy_make("198.51.100.0/24");
	struct tx reply;

	prove(honest);
	ck_assert_uint_eq(counts().cookies, 1);
	ck_assert_uint_eq(counts().proven, 1);
	engine_set_policy(e, p);
	policy_put(p);
	ck_assert_int_eq(syn(honest, 1002, &reply), VERDICT_CONSUMED);
	ck_assert_uint_eq(o->n, 1);
	ck_assert(ipaddr_eq(&o->who[0].addr, &who));
	ck_assert_uint_eq(engine_offenders(e, false)->n, 0);
}
END_TEST

/* A drained service treats a SYN as it treats what is unknown; a client that
 * has a cookie may still come; and the mark survives a reload. */
START_TEST(drained_service_takes_no_syn_until_undone)
{
	static const struct {
		uint8_t unknown;
		enum verdict verdict;
	} rows[] = {
		{UNKNOWN_RESET, VERDICT_REPLY},
		{UNKNOWN_DROP, VERDICT_CONSUMED},
		{UNKNOWN_PASS, VERDICT_PASS},
	};
	struct tx reply = {0};
	struct engine_service s;
	uint32_t cookie;

	ck_assert(!engine_service(e, 1, &s));
	ck_assert(engine_service(e, 0, &s));
	ck_assert_int_eq(syn(honest, 1000, &reply), VERDICT_REPLY);
	cookie = get_be32((const uint8_t *)reply.hdr + 20 + 4);
	*s.draining = true;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct policy *p = policy_make("10.0.0.0/8");

		p->service[0].unknown = rows[i].unknown;
		engine_set_policy(e, p);
		policy_put(p);
		ck_assert(engine_service(e, 0, &s) && *s.draining);
		ck_assert_int_eq(syn(honest, (uint16_t)(2000 + i), &reply),
				 rows[i].verdict);
	}
	segment_in(honest, 1000,
		   (struct hdr_spec){.seq = SEQ(101),
				     .ack = SEQ(cookie + 1),
				     .flags = TCP_ACK},
		   &reply);
	ck_assert_uint_eq(counts().proven, 1);
	*s.draining = false;
	ck_assert_int_eq(syn(honest, 3000, &reply), VERDICT_REPLY);
	ck_assert_uint_eq(counts().cookies, 2);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("engine_refused");
	TCase *t = tcase_create("engine_refused");
	SRunner *r;
	int failed;

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, syn_of_anybody_is_refused_but_proves_nothing);
	tcase_add_test(t, source_that_returned_a_cookie_is_proven);
	tcase_add_test(t, drained_service_takes_no_syn_until_undone);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
