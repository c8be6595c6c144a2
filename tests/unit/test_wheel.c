/* SPDX-License-Identifier: MIT */
/* LINKS: util/wheel */
#include <check.h>
#include <stdlib.h>

#include "util/prng.h"
#include "util/wheel.h"

#define TICK WHEEL_TICK_US
#define HORIZON_MS (INT64_C(1) << 32)

/* ck_assert() tells the parent each time: too slow for the inner loops. */
#define MUST(cond, ...)                            \
	do {                                       \
		if (!(cond))                       \
			ck_abort_msg(__VA_ARGS__); \
	} while (0)

static struct wheel w;

struct fired {
	struct wtimer *t[16];
	uint32_t n;
};

static void note(struct wtimer *t, mono_t now, void *arg)
{
	struct fired *f = arg;

	ck_assert(!wtimer_armed(t));
	ck_assert_int_le(t->when.us, now.us);
	ck_assert_uint_lt(f->n, ARRAY_LEN(f->t));
	f->t[f->n++] = t;
}

static uint32_t expire_at(int64_t us, struct fired *f)
{
	f->n = 0;
	wheel_expire(&w, (mono_t){us}, note, f);
	return f->n;
}

START_TEST(timer_fires_at_its_tick_never_before)
{
	static const int64_t after_us[] = {
		1,
		999,
		1000,
		1001,
		255000,
		256000,
		257000,
		65535000,
		65536000,
		65537000,
		16777215000,
		16777216000,
		16777217000,
		4278190079000,
		4278190080000,
		4278190081000,
		HORIZON_MS * TICK,
		HORIZON_MS * TICK + 1,
		3 * HORIZON_MS * TICK + 123456,
	};
	static const int64_t start_us[] = {0,
					   1,
					   999,
					   1000,
					   254999,
					   255000,
					   65535000,
					   16777215500,
					   HORIZON_MS * TICK - 1000,
					   HORIZON_MS * TICK - 1,
					   5 * HORIZON_MS * TICK + 77777};
	struct wtimer t = {0};
	struct fired f;
	int64_t when, tick;

	for (size_t s = 0; s < ARRAY_LEN(start_us); s++)
		for (size_t i = 0; i < ARRAY_LEN(after_us); i++) {
			wheel_init(&w, (mono_t){start_us[s]});
			when = start_us[s] + after_us[i];
			tick = (when + TICK - 1) / TICK * TICK;
			wheel_arm(&w, &t, (mono_t){when});
			ck_assert_uint_eq(w.armed, 1);
			ck_assert_int_le(wheel_deadline(&w).us, tick);
			ck_assert_uint_eq(expire_at(tick - 1, &f), 0);
			ck_assert(wtimer_armed(&t));
			ck_assert_uint_eq(expire_at(tick, &f), 1);
			ck_assert_uint_eq(w.armed, 0);
			ck_assert_int_eq(wheel_deadline(&w).us, MONO_NEVER.us);
		}
}
END_TEST

START_TEST(deadline_in_the_past_fires_at_next_expiry)
{
	struct wtimer a = {0}, b = {0}, c = {0};
	struct fired f;

	wheel_init(&w, (mono_t){5000500});
	wheel_arm(&w, &a, (mono_t){1});
	wheel_arm(&w, &b, (mono_t){5000000});
	wheel_arm(&w, &c, MONO_UNSET);
	ck_assert_int_le(wheel_deadline(&w).us, 5000500);
	ck_assert_uint_eq(expire_at(5000500, &f), 3);
}
END_TEST

START_TEST(never_deadline_never_fires)
{
	struct wtimer t = {0};
	struct fired f;
	int64_t now = 0;

	wheel_init(&w, MONO_UNSET);
	wheel_arm(&w, &t, MONO_NEVER);
	for (int i = 0; i < 50; i++) {
		now += 20 * 86400 * INT64_C(1000000);
		ck_assert_uint_eq(expire_at(now, &f), 0);
	}
	ck_assert(wtimer_armed(&t));
	wheel_cancel(&w, &t);
	ck_assert_int_eq(wheel_deadline(&w).us, MONO_NEVER.us);
}
END_TEST

START_TEST(cancelled_timer_does_not_fire)
{
	struct wtimer a = {0}, b = {0};
	struct fired f;

	wheel_init(&w, MONO_UNSET);
	wheel_arm(&w, &a, (mono_t){7000});
	wheel_arm(&w, &b, (mono_t){7000});
	wheel_cancel(&w, &a);
	wheel_cancel(&w, &a);
	ck_assert(!wtimer_armed(&a));
	ck_assert_uint_eq(w.armed, 1);
	ck_assert_uint_eq(expire_at(7000, &f), 1);
	ck_assert_ptr_eq(f.t[0], &b);
}
END_TEST

START_TEST(rearmed_timer_fires_once_at_the_new_time)
{
	struct wtimer t = {0};
	struct fired f;

	wheel_init(&w, MONO_UNSET);
	wheel_arm(&w, &t, (mono_t){3000});
	wheel_arm(&w, &t, (mono_t){900000});
	ck_assert_uint_eq(w.armed, 1);
	ck_assert_uint_eq(expire_at(899999, &f), 0);
	ck_assert_uint_eq(expire_at(900000, &f), 1);
	ck_assert_uint_eq(expire_at(2000000, &f), 0);
}
END_TEST

START_TEST(time_going_back_fires_nothing_new)
{
	struct wtimer t = {0};
	struct fired f;

	wheel_init(&w, (mono_t){1000000});
	wheel_arm(&w, &t, (mono_t){1002000});
	ck_assert_uint_eq(expire_at(400000, &f), 0);
	ck_assert_uint_eq(expire_at(600000, &f), 0);
	ck_assert_uint_eq(expire_at(1002000, &f), 1);
}
END_TEST

static void rearm_now(struct wtimer *t, mono_t now, void *arg)
{
	(*(uint32_t *)arg)++;
	wheel_arm(&w, t, now);
}

START_TEST(timer_rearmed_at_now_waits_for_the_next_call)
{
	struct wtimer t = {0};
	uint32_t n = 0;

	wheel_init(&w, MONO_UNSET);
	wheel_arm(&w, &t, (mono_t){2000});
	for (uint32_t i = 1; i < 10; i++) {
		wheel_expire(&w, (mono_t){4000}, rearm_now, &n);
		ck_assert_uint_eq(n, i);
		ck_assert_int_le(wheel_deadline(&w).us, 4000);
	}
}
END_TEST

/* --- against a list of armed timers --- */

#define TIMERS 64

struct model {
	struct wtimer t[TIMERS];
	bool armed[TIMERS], due[TIMERS];
	int64_t tick; /* the latest tick seen */
	struct prng r;
	uint64_t seed;
};

/* Tick at which timer @i has to fire. */
static int64_t model_tick(const struct model *m, uint32_t i)
{
	int64_t t = (m->t[i].when.us + TICK - 1) / TICK;

	return t < m->tick ? m->tick : t;
}

/* A span of any order of magnitude, up to twice the horizon. */
static int64_t random_span(struct prng *r)
{
	int64_t v = (int64_t)(prng_u64(r) & ((UINT64_C(1) << 43) - 1));

	return v >> prng_below(r, 44);
}

static void model_arm(struct model *m, uint32_t i)
{
	int64_t when = m->tick * TICK + random_span(&m->r);

	if (prng_below(&m->r, 8) == 0)
		when = m->tick * TICK - random_span(&m->r);
	if (prng_below(&m->r, 8) == 0)
		when = m->tick * TICK;
	if (when < 0)
		when = 0;
	wheel_arm(&w, &m->t[i], (mono_t){when});
	m->armed[i] = true;
	m->due[i] = false;
}

static void model_cancel(struct model *m, uint32_t i)
{
	wheel_cancel(&w, &m->t[i]);
	m->armed[i] = m->due[i] = false;
}

static void model_fire(struct wtimer *t, mono_t now, void *arg)
{
	struct model *m = arg;
	uint32_t i = (uint32_t)(t - m->t), k = prng_below(&m->r, TIMERS);

	MUST(m->due[i], "seed %lu: %u fired", m->seed, i);
	MUST(t->when.us <= now.us, "seed %lu: %u early", m->seed, i);
	MUST(!wtimer_armed(t), "seed %lu", m->seed);
	m->armed[i] = m->due[i] = false;
	switch (prng_below(&m->r, 6)) {
	case 0:
		model_cancel(m, k);
		break;
	case 1:
	case 2:
		model_arm(m, k);
		break;
	default:
		break;
	}
}

static void model_expire(struct model *m, int64_t now)
{
	if (now / TICK > m->tick)
		m->tick = now / TICK;
	for (uint32_t i = 0; i < TIMERS; i++)
		m->due[i] = m->armed[i] && model_tick(m, i) <= m->tick;
	wheel_expire(&w, (mono_t){now}, model_fire, m);
	for (uint32_t i = 0; i < TIMERS; i++)
		MUST(!m->due[i], "seed %lu: %u missed", m->seed, i);
}

static void model_check(const struct model *m)
{
	int64_t first = INT64_MAX;
	uint32_t n = 0;

	for (uint32_t i = 0; i < TIMERS; i++) {
		MUST(wtimer_armed(&m->t[i]) == m->armed[i], "seed %lu",
		     m->seed);
		if (!m->armed[i])
			continue;
		n++;
		if (model_tick(m, i) * TICK < first)
			first = model_tick(m, i) * TICK;
	}
	MUST(w.armed == n, "seed %lu", m->seed);
	MUST(wheel_deadline(&w).us <= first, "seed %lu", m->seed);
	MUST((wheel_deadline(&w).us == MONO_NEVER.us) == (n == 0), "seed %lu",
	     m->seed);
}

static void model_run(uint64_t seed)
{
	static struct model m;
	int64_t now;

	memset(&m, 0, sizeof(m));
	m.seed = seed;
	prng_seed(&m.r, seed);
	now = random_span(&m.r);
	if (seed % 4 == 0) /* just before the top level wraps */
		now = HORIZON_MS * TICK - random_span(&m.r) % 3000000;
	m.tick = now / TICK;
	wheel_init(&w, (mono_t){now});
	for (int step = 0; step < 400; step++) {
		switch (prng_below(&m.r, 8)) {
		case 0:
			model_cancel(&m, prng_below(&m.r, TIMERS));
			break;
		case 1:
			now += random_span(&m.r);
			model_expire(&m, now);
			break;
		case 2: /* as a caller does */
			if (wheel_deadline(&w).us == MONO_NEVER.us)
				break;
			if (wheel_deadline(&w).us > now)
				now = wheel_deadline(&w).us;
			model_expire(&m, now);
			break;
		default:
			model_arm(&m, prng_below(&m.r, TIMERS));
			break;
		}
		model_check(&m);
	}
}

START_TEST(random_operations_match_a_list)
{
	for (uint64_t seed = 1; seed <= 2000; seed++)
		model_run(seed);
}
END_TEST

/* Whoever sleeps until the deadline gets there in few steps. */
START_TEST(deadline_is_reached_in_few_cascades)
{
	struct wtimer t = {0};
	struct fired f = {0};
	struct prng r;
	int64_t now, d;
	int steps;

	prng_seed(&r, 3);
	for (int i = 0; i < 2000; i++) {
		now = random_span(&r);
		wheel_init(&w, (mono_t){now});
		wheel_arm(&w, &t, (mono_t){now + random_span(&r) / 4});
		for (steps = 0; wtimer_armed(&t); steps++) {
			d = wheel_deadline(&w).us;
			ck_assert_int_lt(steps, 2 * WHEEL_LEVELS);
			if (d > now)
				now = d;
			expire_at(now, &f);
		}
		ck_assert_int_lt(now - t.when.us, TICK);
	}
}
END_TEST

static void note_order(struct wtimer *t, mono_t now, void *arg)
{
	int64_t *last = arg;

	(void)now;
	ck_assert_int_le(*last, t->when.us / TICK);
	*last = t->when.us / TICK;
}

START_TEST(time_jump_fires_in_the_order_of_ticks)
{
	static struct wtimer t[500];
	int64_t last = 0;
	struct prng r;

	prng_seed(&r, 11);
	wheel_init(&w, MONO_UNSET);
	for (size_t i = 0; i < ARRAY_LEN(t); i++)
		wheel_arm(&w, &t[i],
			  (mono_t){random_span(&r) / TICK * TICK + TICK});
	wheel_expire(&w, (mono_t){INT64_C(1) << 44}, note_order, &last);
	ck_assert_uint_eq(w.armed, 0);
	ck_assert_int_gt(last, 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("wheel");
	TCase *t = tcase_create("wheel");
	SRunner *r;
	int failed;

	tcase_set_timeout(t, 120);
	tcase_add_test(t, timer_fires_at_its_tick_never_before);
	tcase_add_test(t, deadline_in_the_past_fires_at_next_expiry);
	tcase_add_test(t, never_deadline_never_fires);
	tcase_add_test(t, cancelled_timer_does_not_fire);
	tcase_add_test(t, rearmed_timer_fires_once_at_the_new_time);
	tcase_add_test(t, time_going_back_fires_nothing_new);
	tcase_add_test(t, timer_rearmed_at_now_waits_for_the_next_call);
	tcase_add_test(t, random_operations_match_a_list);
	tcase_add_test(t, deadline_is_reached_in_few_cascades);
	tcase_add_test(t, time_jump_fires_in_the_order_of_ticks);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
