/* SPDX-License-Identifier: MIT */
/*
 * What counts as a peer's answer to a decision, what does not, how long is
 * waited, and that nothing is promised beyond the room there is.
 *
 * LINKS: fault/% util/record util/option util/region util/slab util/wheel
 * LINKS: util/word util/address
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "fault/told.h"
#include "wire/segment.h"

#define PEER 5000u /* the peer's first sequence number after its SYN */
#define OURS 9000u

static struct fault_set set;
static struct fault_flow *w;
static mono_t now;
static char lines[40][420];
static int nlines, slot;

static void on_line(void *arg, const char *json)
{
	(void)arg;
	snprintf(lines[nlines++ % 40], sizeof(lines[0]), "%s", json);
}

static void setup(void)
{
	now = (mono_t){1000000};
	nlines = 0;
	ck_assert_int_eq(fault_set_init(&set, 42, 10, now), 0);
	set.line = on_line;
}

static void teardown(void)
{
	if (w)
		fault_flow_free(&set, w);
	w = NULL;
	fault_set_fini(&set);
}

static void pass_ms(int64_t ms)
{
	now = mono_add(now, ms * USEC_PER_MSEC);
}

static void wire(bool to_peer, uint16_t flags, uint32_t seq, uint32_t len,
		 uint32_t ack)
{
	const struct ipaddr peer = {{0}};
	const struct fault_wire x = {.peer = &peer,
				     .now = now,
				     .seq = SEQ(seq),
				     .ack = SEQ(ack),
				     .len = len,
				     .flags = flags,
				     .wnd = 500,
				     .to_peer = to_peer};

	fault_wire_pass(&set, w, &x);
}

static void heard(uint32_t seq, uint32_t len, uint32_t ack)
{
	wire(false, TCP_ACK, seq, len, ack);
}

/* A segment is judged; what leaves and is not dropped is on the wire. */
static void judge(bool to_peer, uint32_t seq, uint32_t len)
{
	const struct fault_event ev = {.to_peer = to_peer,
				       .state = 4,
				       .flags = TCP_ACK,
				       .len = len,
				       .seq = SEQ(seq),
				       .ts = true,
				       .now = now};
	struct fault_verdict v;

	if (!to_peer)
		heard(seq, len, OURS);
	fault_judge(&set, w, &ev, &v);
	if (to_peer && !v.drop)
		wire(true, TCP_ACK, seq, len, PEER);
}

/* A connection whose handshake is over and both have said a byte. */
static void begin(const char *fault)
{
	const struct tuple t = {.lport = 80, .rport = 1000};
	struct fault_spec spec;
	char err[600] = "";

	ck_assert_msg(!fault_parse_line(fault, &spec, err, sizeof(err)), "%s",
		      err);
	slot = fault_set_add(&set, &spec, now);
	w = fault_flow_new(&set, "web", &t, now);
	w->owner = &set;
	wire(false, TCP_SYN, PEER - 1, 0, 0);
	wire(true, TCP_SYN | TCP_ACK, OURS - 1, 0, PEER);
	heard(PEER, 0, OURS);
}

/* The last line has this in it. */
static void said(const char *what)
{
	ck_assert_int_gt(nlines, 0);
	ck_assert_msg(strstr(lines[(nlines - 1) % 40], what), "%s: not %s",
		      lines[(nlines - 1) % 40], what);
}

START_TEST(lost_from_peer_answered_by_same_bytes_only)
{
	begin("a type=loss dir=from_peer count=1");
	judge(false, PEER, 100);
	ck_assert_int_eq(nlines, 1);
	pass_ms(1);
	heard(PEER + 100, 100, OURS); /* was under way */
	heard(PEER + 100, 100, OURS); /* again, but not what was lost */
	heard(PEER + 200, 0, OURS);
	ck_assert_int_eq(nlines, 1);
	pass_ms(229);
	heard(PEER, 100, OURS);
	ck_assert_int_eq(nlines, 2);
	said("\"re\":1,");
	said("\"peer\":\"retransmit\",\"after_us\":230000}");
	ck_assert_uint_eq(set.fault[slot].peer[FR_RETRANSMIT], 1);
}
END_TEST

START_TEST(lost_to_peer_answered_by_duplicate_ack)
{
	begin("a type=droplist index=2 dir=to_peer");
	judge(true, OURS, 100);
	judge(true, OURS + 100, 100);
	judge(true, OURS + 200, 100);
	pass_ms(10);
	heard(PEER, 0, OURS + 100); /* of the first: no answer */
	ck_assert_int_eq(nlines, 1);
	heard(PEER, 0, OURS + 100);
	said("\"re\":1,");
	said("\"peer\":\"dup-ack\",\"after_us\":10000");
}
END_TEST

START_TEST(lost_to_peer_repaired_is_acknowledged)
{
	begin("a type=droplist index=1 dir=to_peer");
	judge(true, OURS, 100);
	pass_ms(300);
	judge(true, OURS, 100);
	heard(PEER, 50, OURS + 100);
	said("\"peer\":\"ack\",\"after_us\":300000");
}
END_TEST

START_TEST(no_answer_becomes_silence_when_the_wait_is_over)
{
	begin("a type=droplist index=1 dir=to_peer");
	judge(true, OURS, 100);
	ck_assert_int_eq(fault_react_wake(w).us, now.us + USEC_PER_SEC);
	ck_assert_int_eq(w->timer.when.us, now.us + USEC_PER_SEC);
	pass_ms(999);
	fault_react_expire(&set, w, now);
	ck_assert_int_eq(nlines, 1);
	pass_ms(1);
	fault_react_expire(&set, w, now);
	said("\"peer\":\"silence\",\"after_us\":1000000");
	ck_assert(!mono_is_set(fault_react_wake(w)));
}
END_TEST

/* An unbound connection's timer is far away when a decision begins to wait. */
START_TEST(wait_ends_on_time_when_the_timer_was_later)
{
	begin("a type=droplist index=1 dir=to_peer");
	wheel_arm(&set.wheel, &w->timer, mono_add(now, 180 * USEC_PER_SEC));
	judge(true, OURS, 100);
	ck_assert_int_eq(w->timer.when.us, now.us + USEC_PER_SEC);
}
END_TEST

/* A peer that backs off gets longer than its last interval. */
START_TEST(peer_that_backs_off_is_waited_for)
{
	begin("a type=loss dir=from_peer");
	judge(false, PEER, 100);
	for (int ms = 200; ms <= 102400; ms *= 2) {
		pass_ms(ms);
		fault_react_expire(&set, w, now);
		judge(false, PEER, 100);
	}
	ck_assert_uint_eq(set.fault[slot].peer[FR_RETRANSMIT], 10);
	ck_assert_uint_eq(set.fault[slot].peer[FR_SILENCE], 0);
	pass_ms(149999); /* the most */
	fault_react_expire(&set, w, now);
	ck_assert_uint_eq(set.fault[slot].peer[FR_SILENCE], 0);
	pass_ms(1);
	fault_react_expire(&set, w, now);
	ck_assert_uint_eq(set.fault[slot].peer[FR_SILENCE], 1);
}
END_TEST

static const struct {
	const char *kind;
	bool repeats, resets; /* what the peer does */
	const char *said;
} forged[] = {
	{"rst-inwindow", true, false,
	 "\"peer\":\"challenge-ack\",\"after_us\":1000,\"kind\":\"rst-"
	 "inwindow\","
	 "\"expected\":\"challenge-ack\",\"ok\":true}"},
	{"rst-inwindow", false, true,
	 "\"peer\":\"rst\",\"after_us\":1000,\"kind\":\"rst-inwindow\","
	 "\"expected\":\"challenge-ack\","
	 "\"ok\":false}"},
	{"rst-inwindow", false, false,
	 "\"peer\":\"silence\",\"after_us\":1001000,\"kind\":\"rst-inwindow\","
	 "\"expected\":\"challenge-ack\",\"ok\":false}"},
	{"rst-exact", false, true, "\"expected\":\"rst\",\"ok\":true}"},
	{"rst-exact", true, false, "\"expected\":\"rst\",\"ok\":false}"},
	{"syn-inwindow", true, false, "\"ok\":true"},
	{"ack-old", true, false,
	 "\"expected\":\"challenge-ack|silence\",\"ok\":true"},
	{"ack-old", false, false, "\"ok\":true"},
	{"ack-future", true, false,
	 "\"peer\":\"ack\",\"after_us\":1000,\"kind\":\"ack-future\","
	 "\"expected\":\"ack\",\"ok\":true"},
	{"ack-future", false, false, "\"ok\":false"},
	{"data-oow", true, false, "\"ok\":true"},
	{"paws-old", true, false, "\"ok\":true"},
	{"badsum", false, false, "\"ok\":true"},
	{"badsum", true, false,
	 "\"peer\":\"dup-ack\",\"after_us\":1000,\"kind\":\"badsum\","
	 "\"expected\":\"silence\",\"ok\":false"},
	{"null", false, false, "\"expected\":\"silence\",\"ok\":true"},
};

START_TEST(forged_segment_answer_is_compared_with_declared)
{
	char line[80];

	snprintf(line, sizeof(line), "a type=inject kind=%s", forged[_i].kind);
	begin(line);
	w->watch.peer[0].rtt_us = 80 * USEC_PER_MSEC; /* a late handshake */
	judge(true, OURS, 0);
	pass_ms(1);
	heard(PEER, 70, OURS); /* its own data is no answer */
	if (forged[_i].repeats)
		heard(PEER + 70, 0, OURS);
	if (forged[_i].resets)
		wire(false, TCP_RST, PEER + 70, 0, 0);
	pass_ms(1000);
	fault_react_expire(&set, w, now);
	said(forged[_i].said);
	ck_assert_int_eq(nlines, 2);
	ck_assert_uint_eq(set.fault[slot].answered[1],
			  strstr(forged[_i].said, "ok\":true") ? 1 : 0);
	ck_assert_uint_eq(set.fault[slot].answered[0],
			  strstr(forged[_i].said, "ok\":true") ? 0 : 1);
}
END_TEST

/* Then it is no more than a copy of the connection's own. */
START_TEST(old_timestamp_without_timestamps_draws_nothing)
{
	const struct fault_event ev = {.to_peer = true,
				       .state = 4,
				       .flags = TCP_ACK,
				       .seq = SEQ(OURS),
				       .now = now};
	struct fault_verdict v;

	begin("a type=inject kind=paws-old");
	fault_judge(&set, w, &ev, &v);
	pass_ms(1000);
	fault_react_expire(&set, w, now);
	said("\"expected\":\"silence\",\"ok\":true}");
}
END_TEST

/* A byte that was not acknowledged comes again: no probe. */
START_TEST(single_byte_again_is_a_retransmission)
{
	begin("a type=loss dir=from_peer count=1");
	judge(false, PEER, 1);
	pass_ms(200);
	heard(PEER, 1, OURS);
	said("\"peer\":\"retransmit\"");
}
END_TEST

START_TEST(each_forged_segment_wants_an_answer_of_its_own)
{
	begin("a type=inject kind=data-oow count=2");
	judge(true, OURS, 0);
	judge(true, OURS, 0);
	pass_ms(1);
	heard(PEER, 0, OURS);
	ck_assert_uint_eq(set.fault[slot].answered[1], 1);
	heard(PEER, 0, OURS);
	ck_assert_uint_eq(set.fault[slot].answered[1], 2);
}
END_TEST

START_TEST(delayed_segment_is_not_answered_before_it_left)
{
	begin("a type=delay time=50ms dir=to_peer");
	judge(true, OURS, 100);
	pass_ms(40);
	heard(PEER, 0, OURS);
	ck_assert_int_eq(nlines, 1);
	pass_ms(20);
	heard(PEER, 0, OURS + 100);
	said("\"peer\":\"ack\",\"after_us\":10000");
}
END_TEST

/* What a loaded peer says within a round trip was under way already. */
START_TEST(what_comes_within_a_round_trip_is_no_answer)
{
	begin("a type=ack_drop");
	w->watch.peer[0].rtt_us = 80 * USEC_PER_MSEC;
	judge(true, OURS, 0);
	pass_ms(40);
	heard(PEER, 100, OURS);
	ck_assert_int_eq(nlines, 1);
	pass_ms(40);
	heard(PEER + 100, 100, OURS);
	said("\"peer\":\"data\",\"after_us\":80000");
}
END_TEST

START_TEST(round_trip_is_the_least_that_was_seen)
{
	begin("a type=observe");
	ck_assert_int_eq(w->watch.peer[0].rtt_us, 0);
	wire(true, TCP_SYN | TCP_ACK, OURS - 1, 0, PEER);
	pass_ms(70);
	heard(PEER, 0, OURS);
	ck_assert_int_eq(w->watch.peer[0].rtt_us, 70 * USEC_PER_MSEC);
	pass_ms(500);
	wire(true, TCP_ACK, OURS, 100, PEER);
	wire(true, TCP_ACK, OURS + 100, 100, PEER);
	pass_ms(50);
	heard(PEER, 0, OURS + 50); /* not of all that is timed */
	pass_ms(10);
	heard(PEER, 0, OURS + 100);
	ck_assert_int_eq(w->watch.peer[0].rtt_us, 60 * USEC_PER_MSEC);
	wire(true, TCP_ACK, OURS + 200, 100, PEER);
	pass_ms(100); /* delayed */
	heard(PEER, 0, OURS + 300);
	ck_assert_int_eq(w->watch.peer[0].rtt_us, 60 * USEC_PER_MSEC);
}
END_TEST

START_TEST(more_decisions_than_room_are_counted_unwatched)
{
	begin("a type=loss dir=to_peer");
	for (uint32_t i = 0; i < FAULT_PENDING_MAX + 3; i++)
		judge(true, OURS + i * 100, 100);
	ck_assert_uint_eq(set.fault[slot].unwatched, 3);
	ck_assert_uint_eq(w->watch.n, FAULT_PENDING_MAX);
	pass_ms(1000);
	fault_react_expire(&set, w, now);
	ck_assert_uint_eq(set.fault[slot].peer[FR_SILENCE], FAULT_PENDING_MAX);
}
END_TEST

START_TEST(forgotten_connection_ends_what_waits)
{
	begin("a type=loss dir=to_peer");
	judge(true, OURS, 100);
	pass_ms(5);
	heard(PEER, 10, OURS);
	fault_flow_free(&set, w);
	w = NULL;
	said("\"peer\":\"ended\",\"after_us\":5000}");
}
END_TEST

/* The slot may serve another fault by then: it gets no line and no count. */
START_TEST(removed_fault_and_its_successor_are_not_confused)
{
	struct fault_spec spec;
	char err[300];

	begin("a type=loss dir=to_peer");
	judge(true, OURS, 100);
	fault_set_del(&set, slot);
	fault_parse_line("b type=delay time=1", &spec, err, sizeof(err));
	ck_assert_int_eq(fault_set_add(&set, &spec, now), slot);
	pass_ms(1000);
	fault_react_expire(&set, w, now);
	ck_assert_int_eq(nlines, 1);
	ck_assert_uint_eq(set.fault[slot].peer[FR_SILENCE], 0);
}
END_TEST

START_TEST(list_tells_reactions)
{
	struct impair_fault f;
	char list[1500];

	begin("a type=inject kind=data-oow");
	judge(true, OURS, 0);
	pass_ms(1);
	heard(PEER, 0, OURS);
	f = (struct impair_fault){.spec = &set.fault[slot].spec};
	memcpy(f.peer, set.fault[slot].peer, sizeof(f.peer));
	memcpy(f.answered, set.fault[slot].answered, sizeof(f.answered));
	f.unwatched = set.fault[slot].unwatched;
	told_fault(&f, list, sizeof(list));
	ck_assert_msg(strstr(list, "\"peer\":{\"ack\":1},\"ok\":1,"
				   "\"wrong\":0,\"unwatched\":0}\n"),
		      "%s", list);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("fault_react");
	TCase *tc = tcase_create("react");
	SRunner *r;
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, lost_from_peer_answered_by_same_bytes_only);
	tcase_add_test(tc, lost_to_peer_answered_by_duplicate_ack);
	tcase_add_test(tc, lost_to_peer_repaired_is_acknowledged);
	tcase_add_test(tc, no_answer_becomes_silence_when_the_wait_is_over);
	tcase_add_test(tc, wait_ends_on_time_when_the_timer_was_later);
	tcase_add_test(tc, peer_that_backs_off_is_waited_for);
	tcase_add_loop_test(tc, forged_segment_answer_is_compared_with_declared,
			    0, ARRAY_LEN(forged));
	tcase_add_test(tc, old_timestamp_without_timestamps_draws_nothing);
	tcase_add_test(tc, single_byte_again_is_a_retransmission);
	tcase_add_test(tc, each_forged_segment_wants_an_answer_of_its_own);
	tcase_add_test(tc, delayed_segment_is_not_answered_before_it_left);
	tcase_add_test(tc, what_comes_within_a_round_trip_is_no_answer);
	tcase_add_test(tc, round_trip_is_the_least_that_was_seen);
	tcase_add_test(tc, more_decisions_than_room_are_counted_unwatched);
	tcase_add_test(tc, forgotten_connection_ends_what_waits);
	tcase_add_test(tc, removed_fault_and_its_successor_are_not_confused);
	tcase_add_test(tc, list_tells_reactions);
	suite_add_tcase(s, tc);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
