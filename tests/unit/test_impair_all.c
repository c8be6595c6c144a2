/* SPDX-License-Identifier: MIT */
/*
 * Faults of several engines, and what the API says of them.
 *
 * LINKS: all
 */
#include <check.h>
#include <errno.h>
#include <stdlib.h>

#include "api/faults.h"
#include "impair/all.h"

#define ENGINES 2

static struct engine *engine[ENGINES];
static struct buf_pool pool;
static mono_t now;

static void on_line(void *arg, const char *json)
{
	(void)arg;
	(void)json;
}

static void *arg[ENGINES];
static const struct impair_all all = {
	.engine = engine, .line = on_line, .arg = arg, .n = ENGINES};

static void setup(void)
{
	struct policy *p = policy_new(1);
	struct engine_cfg cfg = {.policy = p,
				 .pool = &pool,
				 .max_flows = 64,
				 .max_tw = 64,
				 .seed = 5};

	now = (mono_t){1000000};
	opt_defaults(service_options, &p->service[0]);
	opt_defaults(tcp_options, &p->service[0].tcp);
	strcpy(p->service[0].name, "web");
	ck_assert_int_eq(buf_pool_init(&pool, 1 << 24, 4), 0);
	for (int i = 0; i < ENGINES; i++) {
		engine[i] = engine_new(&cfg, now);
		ck_assert_ptr_nonnull(engine[i]);
	}
	policy_put(p);
}

static void teardown(void)
{
	for (int i = 0; i < ENGINES; i++)
		engine_free(engine[i]);
	buf_pool_fini(&pool);
}

static struct fault_change change(const char *line)
{
	struct fault_change c;
	char err[600];

	ck_assert_int_eq(fault_change_parse(line, &c, err, sizeof(err)), 0);
	return c;
}

/* One change on all engines.  Return: why not, or NULL */
static const char *perform(const char *line)
{
	struct fault_change c = change(line);
	const char *why = NULL;
	uint32_t bad;

	if (impair_all_rehearse(&all, &c, 1, now, &bad, &why))
		return why;
	ck_assert(impair_all_perform(&all, &c, 1, now));
	return NULL;
}

static uint32_t list(struct fault_sum *f)
{
	return impair_all_list(&all, f, now);
}

START_TEST(change_comes_to_every_engine)
{
	struct fault_sum f[FAULT_MAX];
	struct impair_fault one;

	ck_assert_ptr_null(perform("add a type=loss percent=1"));
	for (int i = 0; i < ENGINES; i++)
		ck_assert(impair_get(engine[i], 0, now, &one));
	ck_assert_uint_eq(list(f), 1);
	ck_assert_str_eq(f[0].spec.name, "a");
	ck_assert_ptr_null(perform("del a"));
	ck_assert_uint_eq(list(f), 0);
}
END_TEST

/* One engine has a fault that the other has not: it cannot be added there. */
START_TEST(change_that_one_refuses_comes_to_none)
{
	struct fault_change c[] = {change("add b type=loss"),
				   change("add a type=loss")};
	const char *why = NULL;
	uint32_t bad = 9;
	char err[200];

	ck_assert_int_eq(
		impair_add(engine[1], &c[1].spec, now, err, sizeof(err)), 0);
	ck_assert_int_eq(impair_all_rehearse(&all, c, 2, now, &bad, &why),
			 -EINVAL);
	ck_assert_uint_eq(bad, 1);
	ck_assert_ptr_nonnull(why);
}
END_TEST

START_TEST(lease_that_ended_is_gone_everywhere)
{
	struct fault_sum f[FAULT_MAX];
	struct fault_expect e;
	uint64_t n = 99;

	ck_assert_ptr_null(
		perform("add a type=loss lease=5s expect=injected>=3"));
	ck_assert_ptr_null(impair_all_gone(&all, 0, &e, &n));
	ck_assert_uint_eq(list(f), 1);
	ck_assert_int_eq(f[0].lease_left_us, 5000000);
	now = mono_add(now, 5000001);
	ck_assert_uint_eq(list(f), 0);
	ck_assert_str_eq(impair_all_gone(&all, 0, &e, &n), "a");
	ck_assert_uint_eq(n, 0);
	ck_assert_uint_eq(e.n, 3);
	ck_assert_ptr_null(impair_all_gone(&all, 1, &e, &n));
}
END_TEST

static uint32_t hits;

static void on_hit(void *a, const char *fault, const struct tuple *t)
{
	(void)a;
	(void)fault;
	(void)t;
	hits++;
}

START_TEST(nobody_connected_nobody_hit)
{
	struct fault_change c = change("add a type=loss scope=all");
	uint32_t spared = 9;

	hits = 0;
	ck_assert_uint_eq(impair_all_match(&all, &c, 1, on_hit, NULL, &spared),
			  0);
	ck_assert_uint_eq(hits, 0);
	ck_assert_uint_eq(spared, 0);
}
END_TEST

START_TEST(json_has_what_the_sum_has)
{
	struct fault_sum f[FAULT_MAX];
	json_t *j, *o;

	ck_assert_ptr_null(perform("add a type=loss percent=1 lease=2s"));
	ck_assert_ptr_null(perform("add b type=loss"));
	ck_assert_uint_eq(list(f), 2);
	f[0].conns = 7;
	f[0].count[0] = 5;
	f[0].peer[FR_RST] = 3;
	f[0].answered[0] = 2;
	j = faults_json(f, 2);
	ck_assert_uint_eq(json_array_size(j), 2);
	o = json_array_get(j, 0);
	ck_assert_str_eq(json_string_value(json_object_get(o, "line")),
			 "a type=loss lease=2s percent=1");
	ck_assert_int_eq(json_integer_value(json_object_get(o, "conns")), 7);
	ck_assert_int_eq(
		json_integer_value(json_object_get(o, fault_counter_name[0])),
		5);
	ck_assert_int_eq(json_integer_value(json_object_get(
				 json_object_get(o, "peer"), "rst")),
			 3);
	ck_assert_int_eq(json_integer_value(json_object_get(o, "wrong")), 2);
	ck_assert_int_eq(
		json_integer_value(json_object_get(o, "lease_left_ms")), 2000);
	o = json_array_get(j, 1);
	ck_assert(json_is_null(json_object_get(o, "lease_left_ms")));
	ck_assert_str_eq(json_string_value(json_object_get(
				 json_object_get(o, "spec"), "side")),
			 "client");
	json_decref(j);
}
END_TEST

START_TEST(hit_names_both_ends)
{
	static const uint8_t server[4] = {192, 0, 2, 1},
			     client[4] = {198, 51, 100, 7};
	const struct tuple t = {.local = ipaddr_v4(server),
				.remote = ipaddr_v4(client),
				.lport = 80,
				.rport = 1234};
	json_t *o = fault_hit_json("a", &t);

	ck_assert_str_eq(json_string_value(json_object_get(o, "fault")), "a");
	ck_assert_str_eq(json_string_value(json_object_get(o, "client")),
			 "198.51.100.7:1234");
	ck_assert_str_eq(json_string_value(json_object_get(o, "server")),
			 "192.0.2.1:80");
	json_decref(o);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("impair_all");
	TCase *t = tcase_create("impair_all");
	SRunner *r;
	int failed;

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, change_comes_to_every_engine);
	tcase_add_test(t, change_that_one_refuses_comes_to_none);
	tcase_add_test(t, lease_that_ended_is_gone_everywhere);
	tcase_add_test(t, nobody_connected_nobody_hit);
	tcase_add_test(t, json_has_what_the_sum_has);
	tcase_add_test(t, hit_names_both_ends);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
