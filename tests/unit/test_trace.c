/* SPDX-License-Identifier: MIT */
/*
 * log_level = debug: a state change names its flow, and log_debug limits which
 * flows are reported.
 *
 * LINKS: all
 */
#include <check.h>
#include <stdlib.h>

#include "engine/engine.h"
#include "util/log.h"
#include "wire/build.h"
#include "wire/segment.h"

static struct engine *e;
static struct buf_pool pool;
static mono_t now;
static char said[2000];

static const uint8_t server[4] = {192, 0, 2, 1};
static const uint8_t client[4] = {198, 51, 100, 1};

static void keep(enum log_level lvl, const char *line)
{
	if (lvl == LOG_DEBUG)
		snprintf(said + strlen(said), sizeof(said) - strlen(said),
			 "%s\n", line);
}

static struct trace trace(const char *text)
{
	struct trace t;
	char err[200];

	ck_assert_msg(!trace_parse(text, &t, err, sizeof(err)), "%s", err);
	return t;
}

/* Two services that dial first, on ports 80 and 81. */
static struct policy *policy_make(const char *log_debug)
{
	static const char *const name[] = {"web", "mail"};
	struct policy *p = policy_new(2);

	for (uint16_t i = 0; i < 2; i++) {
		struct service *s = &p->service[i];

		opt_defaults(service_options, s);
		opt_defaults(tcp_options, &s->tcp);
		opt_defaults(shield_options, &s->shield);
		strcpy(s->name, name[i]);
		s->listen.n = 1;
		s->listen.ep[0] = (struct endpoint){ipaddr_v4(server), 128,
						    (uint16_t)(80 + i)};
		s->handshake = HANDSHAKE_SERVER_FIRST;
		s->syncookies = 0;
	}
	p->trace = trace(log_debug);
	return p;
}

static void setup(void)
{
	struct policy *p = policy_make("");
	struct engine_cfg cfg = {.policy = p,
				 .pool = &pool,
				 .max_flows = 64,
				 .max_tw = 64,
				 .seed = 5};

	log_set_sink(keep);
	log_set_level(LOG_DEBUG);
	said[0] = '\0';
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
	log_set_sink(NULL);
	log_set_level(LOG_INFO);
}

/* As a reload does. */
static void reload(const char *log_debug)
{
	struct policy *p = policy_make(log_debug);

	engine_set_policy(e, p);
	policy_put(p);
}

static void syn(uint16_t from, uint16_t to)
{
	const struct tuple t = {.local = ipaddr_v4(client),
				.remote = ipaddr_v4(server),
				.lport = from,
				.rport = to};
	const struct tcp_opts o = {.has = OPT_HAS_MSS, .mss = 1460};
	const struct hdr_spec h = {.t = &t,
				   .opts = &o,
				   .seq = SEQ(100),
				   .flags = TCP_SYN,
				   .wnd = 60000,
				   .ttl = 64};
	struct buf *b = buf_alloc_reserve(&pool);
	struct packet in = {.buf = b, .data = b->data};
	struct tx tx = {0}, reply;

	wire_build(&tx, &h, 0);
	wire_csum_finish(&tx);
	memcpy(b->data, tx.hdr, tx.hdr_len);
	in.len = in.full_len = tx.hdr_len;
	ck_assert_int_eq(engine_input(e, &in, now, &reply), VERDICT_CONSUMED);
	buf_put(b);
}

START_TEST(syn_at_debug_names_the_flow_of_both_legs)
{
	syn(40000, 80);
	ck_assert_str_eq(said,
			 "web serial=1 198.51.100.1:40000 -> 192.0.2.1:80: "
			 "client leg CLOSED -> LISTEN on OPEN_PASSIVE\n"
			 "web serial=1 198.51.100.1:40000 -> 192.0.2.1:80: "
			 "server leg CLOSED -> SYN_SENT on OPEN_ACTIVE\n");
}
END_TEST

START_TEST(syn_at_info_is_not_reported)
{
	log_set_level(LOG_INFO);
	syn(40000, 80);
	ck_assert_str_eq(said, "");
}
END_TEST

START_TEST(service_limits_what_is_reported)
{
	reload("mail");
	syn(40000, 80);
	ck_assert_str_eq(said, "");
	syn(40000, 81);
	ck_assert_ptr_nonnull(strstr(said, "mail serial=2"));
}
END_TEST

START_TEST(prefix_of_the_client_limits_what_is_reported)
{
	reload("198.51.100.2");
	syn(40000, 80);
	ck_assert_str_eq(said, "");
	reload("198.51.96.0/19");
	syn(40001, 80);
	ck_assert_ptr_nonnull(strstr(said, "198.51.100.1:40001"));
}
END_TEST

START_TEST(address_of_the_server_limits_what_is_reported)
{
	reload("192.0.2.1");
	syn(40000, 80);
	ck_assert_ptr_nonnull(strstr(said, "web serial=1"));
}
END_TEST

START_TEST(flow_that_lives_follows_a_reload)
{
	syn(40000, 80);
	reload("mail");
	said[0] = '\0';
	engine_reset_all(e, now);
	ck_assert_str_eq(said, "");
	syn(40001, 81);
	reload("");
	said[0] = '\0';
	engine_reset_all(e, now);
	ck_assert_ptr_nonnull(strstr(said, "CLOSED on ABORT"));
}
END_TEST

START_TEST(prefixes_cover_their_addresses_only)
{
	static const struct {
		const char *text;
		uint8_t addr[4];
		bool wants;
	} row[] = {
		{"", {10, 0, 0, 1}, true},
		{"10.0.0.1", {10, 0, 0, 1}, true},
		{"10.0.0.1", {10, 0, 0, 3}, false},
		{"10.0.0.0/30", {10, 0, 0, 3}, true},
		{"10.0.0.0/30", {10, 0, 0, 4}, false},
		{"2001:db8::/32", {10, 0, 0, 1}, false},
		{"::/1", {10, 0, 0, 1}, false},
		{"web", {10, 0, 0, 1}, true},
		{"webs", {10, 0, 0, 1}, false},
	};
	const struct ipaddr other = {.b = {0xfe, 0x80}};

	for (size_t i = 0; i < ARRAY_LEN(row); i++) {
		const struct trace t = trace(row[i].text);
		const struct ipaddr a = ipaddr_v4(row[i].addr);

		ck_assert_msg(trace_wants(&t, "web", &a, &other) ==
				      row[i].wants,
			      "client, row %zu", i);
		ck_assert_msg(trace_wants(&t, "web", &other, &a) ==
				      row[i].wants,
			      "server, row %zu", i);
	}
}
END_TEST

START_TEST(what_is_no_address_and_no_name_is_refused)
{
	static const char *const bad[] = {"10.0.0.1/33",
					  "10.0.0.1/8",
					  "10.0.0.1, 10.0.0.2",
					  "::/0",
					  "an_overlong_name_of_a_service_123",
					  "1:2"};
	struct trace t;
	char err[200];

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		err[0] = '\0';
		ck_assert_msg(trace_parse(bad[i], &t, err, sizeof(err)) != 0,
			      "%s", bad[i]);
		ck_assert_msg(strstr(err, "found") && strstr(err, "allowed"),
			      "%s: %s", bad[i], err);
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("trace");
	TCase *tc = tcase_create("trace");
	SRunner *sr;
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, syn_at_debug_names_the_flow_of_both_legs);
	tcase_add_test(tc, syn_at_info_is_not_reported);
	tcase_add_test(tc, service_limits_what_is_reported);
	tcase_add_test(tc, prefix_of_the_client_limits_what_is_reported);
	tcase_add_test(tc, address_of_the_server_limits_what_is_reported);
	tcase_add_test(tc, flow_that_lives_follows_a_reload);
	tcase_add_test(tc, prefixes_cover_their_addresses_only);
	tcase_add_test(tc, what_is_no_address_and_no_name_is_refused);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
