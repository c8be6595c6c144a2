/* SPDX-License-Identifier: MIT */
/*
 * The state of engines that other engines go on with: whole, damaged, and by
 * another number of workers.
 *
 * LINKS: all
 */
#include "unit/process.h"

START_TEST(loaded_state_is_saved_alike)
{
	struct handover_counts c;
	struct bytes again = {0};

	connect_by(40000);
	connect_by(40001);
	save(&old, &state);
	start(&new, 1, 100);
	ck_assert_int_eq(load(&new, &state, &c), 0);
	ck_assert_uint_eq(c.taken, 2);
	ck_assert_int_eq(nreset, 0);
	save(&new, &again);
	ck_assert_uint_eq(again.len, state.len);
	ck_assert_int_eq(memcmp(again.p, state.p, state.len), 0);
	free(again.p);
}
END_TEST

/* Who looks at a connection sees all that passed over it, and its whole age. */
START_TEST(loaded_connection_has_its_past)
{
	const struct flow *was, *is;
	struct handover_counts c;

	connect_by(40000);
	save(&old, &state);
	now = mono_add(now, 5 * USEC_PER_SEC);
	start(&new, 1, 64);
	ck_assert_int_eq(load(&new, &state, &c), 0);
	was = engine_flow_first(old.e[0]);
	is = engine_flow_first(new.e[0]);
	ck_assert_int_eq(is->opened.us, was->opened.us);
	for (int i = 0; i < 2; i++) {
		const struct leg_tally *a = &was->leg[i].tally;
		const struct leg_tally *b = &is->leg[i].tally;

		ck_assert_uint_gt(a->segs_in + a->segs_out, 0);
		ck_assert_uint_eq(b->segs_in, a->segs_in);
		ck_assert_uint_eq(b->segs_out, a->segs_out);
		ck_assert_uint_eq(b->acked, a->acked);
		ck_assert_uint_eq(b->received, a->received);
		ck_assert_uint_eq(b->resent, a->resent);
	}
}
END_TEST

/* What was not acknowledged is sent again in time. */
START_TEST(loaded_connection_retransmits)
{
	struct handover_counts c;
	uint32_t bytes = 0;

	connect_by(40000);
	save(&old, &state);
	start(&new, 1, 64);
	ck_assert_int_eq(load(&new, &state, &c), 0);
	now = mono_add(now, 2 * USEC_PER_SEC);
	engine_expire(new.e[0], now);
	nout = engine_pull(new.e[0], out, 8, now);
	for (int i = 0; i < nout; i++)
		bytes += out[i].payload;
	ck_assert_uint_ge(bytes, 1600);
}
END_TEST

START_TEST(no_room_resets_both_sides)
{
	struct handover_counts c;

	for (uint16_t i = 0; i < 5; i++)
		connect_by((uint16_t)(40000 + i));
	save(&old, &state);
	start(&new, 1, 2);
	ck_assert_int_eq(load(&new, &state, &c), 0);
	ck_assert_uint_eq(c.taken, 2);
	ck_assert_uint_eq(c.lost[HANDOVER_NO_ROOM], 3);
	ck_assert_int_eq(nreset, 6);
}
END_TEST

/* Another gateway's state: what is here goes on, and no peer is told. */
START_TEST(addresses_in_use_leave_the_connection)
{
	struct handover_counts c;

	connect_by(40000);
	connect_by(40001);
	save(&old, &state);
	ck_assert_int_eq(load(&old, &state, &c), 0);
	ck_assert_uint_eq(c.taken, 0);
	ck_assert_uint_eq(c.lost[HANDOVER_TAKEN], 2);
	ck_assert_int_eq(nreset, 0);
	ck_assert_ptr_nonnull(engine_flow_first(old.e[0]));

	start(&new, 1, 64);
	ck_assert_int_eq(load(&new, &state, &c), 0);
	ck_assert_uint_eq(c.taken, 2);
}
END_TEST

/* Other workers may have them. */
START_TEST(addresses_in_use_by_another_worker_are_found)
{
	struct handover_counts c;

	connect_by(40000);
	save(&old, &state);
	stop(&old);
	start(&old, 3, 64);
	ck_assert_int_eq(load(&old, &state, &c), 0);
	ck_assert_uint_eq(c.taken, 1);
	for (int i = 0; i < 3; i++) { /* the record says worker 0 */
		struct engine *first = old.e[0];

		old.e[0] = old.e[1];
		old.e[1] = old.e[2];
		old.e[2] = first;
		ck_assert_int_eq(load(&old, &state, &c), 0);
		ck_assert_uint_eq(c.lost[HANDOVER_TAKEN], 1);
	}
	ck_assert_int_eq(nreset, 0);
}
END_TEST

START_TEST(service_gone_resets_both_sides)
{
	struct handover_counts c;

	connect_by(40000);
	save(&old, &state);
	policy->service[0].listen.ep[0].port = 81;
	start(&new, 1, 64);
	ck_assert_int_eq(load(&new, &state, &c), 0);
	ck_assert_uint_eq(c.lost[HANDOVER_NO_SERVICE], 1);
	ck_assert_int_eq(nreset, 2);
	policy->service[0].listen.ep[0].port = 80;
}
END_TEST

/* The kernel spreads packets among more workers than there were. */
START_TEST(other_worker_gives_packets_to_the_owner)
{
	struct handover_counts c;

	connect_by(40000);
	save(&old, &state);
	start(&new, 3, 64);
	ck_assert_int_eq(load(&new, &state, &c), 0);
	ck_assert_uint_eq(c.taken, 1);
	for (uint32_t i = 1; i < 3; i++)
		ck_assert_int_eq(say(&new, i,
				     (struct say){to_server(40000), TCP_ACK,
						  1701, 1, 10}),
				 VERDICT_WORKER);
}
END_TEST

/* Once it has found others there, also the next process with as many. */
START_TEST(next_of_as_many_workers_gives_packets_to_the_owner_too)
{
	struct handover_counts c;
	struct process third = {0};
	struct bytes again;

	connect_by(40000);
	save(&old, &state);
	start(&new, 3, 64);
	ck_assert_int_eq(load(&new, &state, &c), 0);
	save(&new, &again);
	start(&third, 3, 64);
	ck_assert_int_eq(load(&third, &again, &c), 0);
	ck_assert_uint_eq(c.taken, 1);
	for (uint32_t i = 1; i < 3; i++)
		ck_assert_int_eq(say(&third, i,
				     (struct say){to_server(40000), TCP_ACK,
						  1701, 1, 10}),
				 VERDICT_WORKER);
	stop(&third);
	free(again.p);
}
END_TEST

START_TEST(cut_state_is_refused)
{
	struct handover_counts c;
	struct bytes cut;

	connect_by(40000);
	save(&old, &state);
	start(&new, 1, 64);
	cut = state;
	for (cut.len = 0; cut.len < state.len; cut.len++)
		ck_assert_int_eq(load(&new, &cut, &c), -EBADMSG);
}
END_TEST

START_TEST(damaged_state_is_survived)
{
	connect_by(40000);
	say(&old, 0, (struct say){to_server(40001), TCP_SYN, 1000, 0, 0});
	save(&old, &state);
	damage(state.len);
}
END_TEST

/* Another host's clocks: the timestamps of its connections go on. */
START_TEST(other_host_counts_from_now)
{
	const mono_t here = {77000000};
	struct handover_state h;

	connect_by(40000);
	save(&old, &state);
	ck_assert_int_eq(handover_open(&h, state.p, state.len, WALL_US, here),
			 0);
	ck_assert_int_eq(h.now.us, now.us);
	ck_assert(!h.elsewhere);
	handover_close(&h);
	/* started two seconds later, and much later */
	for (int64_t apart = 2; apart < 10000; apart *= 10) {
		ck_assert_int_eq(handover_open(&h, state.p, state.len,
					       WALL_US + apart * USEC_PER_SEC,
					       here),
				 0);
		ck_assert_int_eq(h.now.us, here.us);
		ck_assert(h.elsewhere);
		handover_close(&h);
	}
}
END_TEST

/* By all workers, also when there were fewer. */
START_TEST(drained_service_stays_drained)
{
	struct engine_service s;
	struct handover_counts c;

	ck_assert(engine_service(old.e[0], 0, &s));
	*s.draining = true;
	save(&old, &state);
	start(&new, 3, 64);
	ck_assert_int_eq(load(&new, &state, &c), 0);
	for (uint32_t i = 0; i < 3; i++) {
		ck_assert(engine_service(new.e[i], 0, &s));
		ck_assert(*s.draining);
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("handover");
	TCase *t = tcase_create("handover");
	SRunner *r;
	int failed;

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_set_timeout(t, 120);
	tcase_add_test(t, loaded_state_is_saved_alike);
	tcase_add_test(t, loaded_connection_has_its_past);
	tcase_add_test(t, loaded_connection_retransmits);
	tcase_add_test(t, no_room_resets_both_sides);
	tcase_add_test(t, addresses_in_use_leave_the_connection);
	tcase_add_test(t, addresses_in_use_by_another_worker_are_found);
	tcase_add_test(t, service_gone_resets_both_sides);
	tcase_add_test(t, other_worker_gives_packets_to_the_owner);
	tcase_add_test(t,
		       next_of_as_many_workers_gives_packets_to_the_owner_too);
	tcase_add_test(t, cut_state_is_refused);
	tcase_add_test(t, damaged_state_is_survived);
	tcase_add_test(t, other_host_counts_from_now);
	tcase_add_test(t, drained_service_stays_drained);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
