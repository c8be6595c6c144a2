/* SPDX-License-Identifier: MIT */
/* The state diagram (src/tcp/state.c): RFC 9293, 3.3.2, figure 5. */
#include "rig.h"

static struct rig r;

static void setup(void)
{
	rig_init(&r);
}

static void teardown(void)
{
	rig_fini(&r);
}

START_TEST(table_holds_each_transition_once)
{
	enum tcp_state f, t, f2, t2;
	enum tcp_event w, w2;
	uint32_t n = 0;

	for (uint32_t i = 0; tcp_transition_at(i, &f, &t, &w); i++, n++) {
		ck_assert(tcp_transition_legal(f, t, w));
		for (uint32_t k = 0; k < i; k++) {
			tcp_transition_at(k, &f2, &t2, &w2);
			ck_assert(f != f2 || t != t2 || w != w2);
		}
	}
	ck_assert_uint_gt(n, 30);
}
END_TEST

START_TEST(figure_5_is_in_the_table)
{
	static const uint8_t fig[][3] = {
		{TS_CLOSED, TS_LISTEN, TE_OPEN_PASSIVE},
		{TS_CLOSED, TS_SYN_SENT, TE_OPEN_ACTIVE},
		{TS_SYN_SENT, TS_SYN_RECEIVED, TE_RCV_SYN},
		{TS_SYN_SENT, TS_ESTABLISHED, TE_RCV_SYN_ACK},
		{TS_SYN_RECEIVED, TS_ESTABLISHED, TE_RCV_ACK},
		{TS_ESTABLISHED, TS_FIN_WAIT_1, TE_CLOSE},
		{TS_ESTABLISHED, TS_CLOSE_WAIT, TE_RCV_FIN},
		{TS_FIN_WAIT_1, TS_FIN_WAIT_2, TE_RCV_ACK},
		{TS_FIN_WAIT_1, TS_CLOSING, TE_RCV_FIN},
		{TS_FIN_WAIT_2, TS_TIME_WAIT, TE_RCV_FIN},
		{TS_CLOSING, TS_TIME_WAIT, TE_RCV_ACK},
		{TS_CLOSE_WAIT, TS_LAST_ACK, TE_CLOSE},
		{TS_LAST_ACK, TS_CLOSED, TE_RCV_ACK},
		{TS_TIME_WAIT, TS_CLOSED, TE_TIMEOUT},
	};

	for (size_t i = 0; i < ARRAY_LEN(fig); i++)
		ck_assert(
			tcp_transition_legal(fig[i][0], fig[i][1], fig[i][2]));
}
END_TEST

START_TEST(nothing_leads_back)
{
	for (uint32_t w = 0; w < TE_COUNT; w++) {
		ck_assert(
			!tcp_transition_legal(TS_TIME_WAIT, TS_ESTABLISHED, w));
		ck_assert(!tcp_transition_legal(TS_CLOSE_WAIT, TS_ESTABLISHED,
						w));
		ck_assert(!tcp_transition_legal(TS_CLOSED, TS_ESTABLISHED, w));
		ck_assert(!tcp_transition_legal(TS_CLOSED, TS_CLOSED, w));
	}
}
END_TEST

START_TEST(every_open_state_can_be_reset_and_timed_out)
{
	for (int s = TS_LISTEN; s < TS_COUNT; s++) {
		ck_assert(tcp_transition_legal(s, TS_CLOSED, TE_RCV_RST));
		ck_assert(tcp_transition_legal(s, TS_CLOSED, TE_ABORT));
		ck_assert(tcp_transition_legal(s, TS_CLOSED, TE_TIMEOUT));
	}
}
END_TEST

START_TEST(names_are_those_of_the_rfc)
{
	ck_assert_str_eq(tcp_state_name[TS_FIN_WAIT_2], "FIN_WAIT_2");
	ck_assert_str_eq(tcp_event_name[TE_RCV_SYN_ACK], "RCV_SYN_ACK");
	for (int i = 0; i < TCP_COUNTER_COUNT; i++)
		ck_assert_ptr_nonnull(tcp_counter_name[i]);
}
END_TEST

START_TEST(entered_states_are_counted)
{
	rig_goto(&r, TS_TIME_WAIT);
	ck_assert_uint_eq(r.stats.entered[TS_ESTABLISHED], 1);
	ck_assert_uint_eq(r.stats.entered[TS_FIN_WAIT_1], 1);
	ck_assert_uint_eq(r.stats.entered[TS_FIN_WAIT_2], 1);
	ck_assert_uint_eq(r.stats.entered[TS_TIME_WAIT], 1);
	ck_assert_uint_eq(r.stats.entered[TS_CLOSING], 0);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("state");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, table_holds_each_transition_once);
	tcase_add_test(tc, figure_5_is_in_the_table);
	tcase_add_test(tc, nothing_leads_back);
	tcase_add_test(tc, every_open_state_can_be_reset_and_timed_out);
	tcase_add_test(tc, names_are_those_of_the_rfc);
	tcase_add_test(tc, entered_states_are_counted);
	return rig_main("state", tc);
}
