/* SPDX-License-Identifier: MIT */
/*
 * States of other versions of the program: an earlier one, as it wrote it, and
 * a later one, which has fields and records that this one does not know.
 *
 * state.v1 is what the first version that hands over wrote.  It stays as it
 * is: who changes the format so that it cannot be read changes
 * HANDOVER_VERSION.  It was written by this program:
 * STATE_OUT=FILE test_handover_versions.
 *
 * LINKS: all
 */
#include <stdio.h>

#include "unit/process.h"

#define GOLDEN "tests/unit/state.v1"
#define KINDS 16

/* The policy under which state.v1 was written: cookies when more than one
 * handshake waits. */
static void setup_cookies(void)
{
	struct service *s;

	setup();
	stop(&old);
	s = &policy->service[0];
	s->handshake = HANDSHAKE_CLIENT_FIRST;
	s->syncookies = 1;
	s->max_syn_backlog = 1;
	s->shield.validated_for = 3600 * (int64_t)USEC_PER_SEC;
	s->tcp.cc[LEG_CLIENT] = CC_BBR;
	start(&old, 1, 64);
}

/* A client, answered from the queue or by a cookie, and its server. */
static void connect_first(uint16_t port, bool bytes)
{
	uint32_t at_client, at_server;

	say(&old, 0, (struct say){to_server(port), TCP_SYN, 1000, 0, 0});
	ck_assert_int_eq(nout, 1);
	at_client = their_seq(0) + 1;
	say(&old, 0,
	    (struct say){to_server(port), TCP_ACK, 1001, at_client, 0});
	ck_assert_int_ge(nout, 1);
	at_server = their_seq(nout - 1) + 1;
	say(&old, 0,
	    (struct say){to_client(port), TCP_SYN | TCP_ACK, 5000, at_server,
			 0});
	if (!bytes)
		return;
	say(&old, 0,
	    (struct say){to_server(port), TCP_ACK, 1001, at_client, 700});
	say(&old, 0,
	    (struct say){to_client(port), TCP_ACK, 5001, at_server, 900});
	say(&old, 0,
	    (struct say){to_server(port), TCP_ACK, 2701, at_client, 300});
}

/* The newest connection ends: the client first, then the server. */
static void end_last(uint16_t port)
{
	const struct flow *f = engine_flow_first(old.e[0]);
	uint32_t to_them;

	say(&old, 0,
	    (struct say){to_server(port), TCP_FIN | TCP_ACK,
			 f->leg[LEG_CLIENT].rcv.nxt.v,
			 f->leg[LEG_CLIENT].snd.nxt.v, 0});
	to_them = f->leg[LEG_SERVER].snd.nxt.v;
	say(&old, 0,
	    (struct say){to_client(port), TCP_FIN | TCP_ACK,
			 f->leg[LEG_SERVER].rcv.nxt.v, to_them, 0});
	say(&old, 0,
	    (struct say){to_server(port), TCP_ACK, f->leg[LEG_CLIENT].rcv.nxt.v,
			 f->leg[LEG_CLIENT].snd.nxt.v, 0});
}

static void do_fault(const char *line)
{
	char err[200];

	ck_assert_msg(!told_change(old.e[0], &line, 1, now, err, sizeof(err)),
		      "%s", err);
}

/* All kinds of records. */
static void live(void)
{
	struct engine_service s;

	do_fault("add gone type=observe lease=1ms expect=matched==0");
	now = mono_add(now, 2 * USEC_PER_MSEC);
	engine_expire(old.e[0], now);
	say(&old, 0, (struct say){to_server(40009), TCP_SYN, 1000, 0, 0});
	connect_first(40000, true);
	connect_first(40001, true);
	connect_first(40002, false);
	end_last(40002);
	do_fault("add late type=latency latency=1h stream=upstream scope=all");
	do_fault("add held type=delay time=1h side=both scope=all");
	do_fault("add lost type=loss percent=50 dir=from_peer scope=all");
	for (uint32_t i = 0; i < 20; i++) {
		const struct flow *f = engine_flow_first(old.e[0]);

		say(&old, 0,
		    (struct say){tuple_flip(&f->leg[0].t), TCP_ACK,
				 f->leg[0].rcv.nxt.v + 100 * i,
				 f->leg[0].snd.una.v, 100});
	}
	ck_assert(engine_service(old.e[0], 0, &s));
	*s.draining = true;
}

/* Records of each kind (handover/internal.h). */
static void count(const struct bytes *b, uint32_t n[KINDS])
{
	struct record_reader r = {.p = b->p + 15, .end = b->p + b->len};
	struct record_field f;

	memset(n, 0, KINDS * sizeof(n[0]));
	while (record_next(&r, &f) > 0) {
		if (f.id < KINDS)
			n[f.id]++;
	}
}

static void write_golden(const char *path)
{
	FILE *f = fopen(path, "wb");

	save(&old, &state);
	ck_assert(f && fwrite(state.p, 1, state.len, f) == state.len &&
		  !fclose(f));
	free(state.p);
}

static void read_golden(void)
{
	FILE *f = fopen(GOLDEN, "rb");

	ck_assert_msg(f, "%s", GOLDEN);
	state.p = malloc(1 << 20);
	state.len = fread(state.p, 1, 1 << 20, f);
	fclose(f);
}

START_TEST(first_version_is_taken_over)
{
	uint32_t was[KINDS], is[KINDS], bytes = 0;
	struct handover_counts c;
	struct impair_fault f;
	struct engine_gauges g;
	struct bytes again = {0};

	live();
	if (getenv("STATE_OUT"))
		write_golden(getenv("STATE_OUT"));
	read_golden();
	count(&state, was);
	for (uint32_t i = 1; i <= 9; i++)
		ck_assert_uint_gt(was[i], 0);
	start(&new, 1, 64);
	ck_assert_int_eq(load(&new, &state, &c), 0);
	ck_assert_uint_eq(c.taken, 2);
	ck_assert_uint_eq(c.forgotten, 0);
	ck_assert_uint_eq(c.faults, 0);
	ck_assert_int_eq(nreset, 0);
	engine_gauges(new.e[0], &g);
	ck_assert_uint_eq(g.flows, 2);
	ck_assert_uint_eq(g.half_open, 1);
	ck_assert_uint_eq(g.time_wait, 1);
	ck_assert(impair_get(new.e[0], 2, now, &f));
	ck_assert_str_eq(f.spec->name, "lost");
	ck_assert_uint_eq(f.active, 2);
	ck_assert_uint_gt(f.count[FC_INJECTED], 0);
	for (int i = 0; i < 2; i++)
		bytes += engine_flow_first(new.e[0])->leg[i].snd.q.bytes;
	ck_assert_uint_eq(bytes, 700 + 900);
	save(&new, &again);
	count(&again, is);
	ck_assert_mem_eq(was, is, sizeof(was));
	free(again.p);
}
END_TEST

/* --- a later version --- */

static void add_unknown(struct record_writer *w)
{
	record_number(w, 1000, 12345678901);
	record_bytes(w, 1001, "later", 5);
}

/* Copy a record, with unknown fields in it and, where @nested says so, in the
 * records that it has. */
static void copy(struct record_writer *w, struct record_reader r,
		 uint32_t nested)
{
	struct record_field f;

	add_unknown(w);
	while (record_next(&r, &f) > 0) {
		size_t mark;

		if (!f.has_bytes) {
			record_number(w, f.id, f.number);
			continue;
		}
		mark = record_open(w, f.id);
		if (f.id < 32 && nested & BIT(f.id))
			copy(w, f.in, 0);
		else
			record_raw(w, f.in.p, record_left(&f.in));
		record_close(w, mark);
	}
	add_unknown(w);
}

/* Of each kind of record, the fields that are records again. */
static const uint32_t nested[KINDS] = {
	[2] = BIT(5) | BIT(6) | BIT(9), /* of a flow: legs, faults */
	[3] = BIT(4),			/* of an entry of a table: itself */
	[4] = BIT(4),
	[5] = BIT(4),
	[8] = BIT(2), /* of faults: the engine's */
};

static void make_later(struct record_writer *w)
{
	struct record_reader r = {.p = state.p + 15,
				  .end = state.p + state.len};
	struct record_field f;
	bool first = true;

	record_raw(w, state.p, 15);
	while (record_next(&r, &f) > 0) {
		size_t mark = record_open(w, f.id);

		copy(w, f.in, nested[f.id % KINDS]);
		record_close(w, mark);
		if (!first)
			continue;
		first = false;
		mark = record_open(w, 14);
		add_unknown(w);
		record_close(w, mark);
	}
}

START_TEST(unknown_fields_are_skipped)
{
	struct record_writer w = {0};
	struct handover_counts c;
	struct bytes later, again = {0};

	live();
	save(&old, &state);
	make_later(&w);
	ck_assert(!w.failed);
	later = (struct bytes){w.buf, w.len};
	start(&new, 1, 64);
	ck_assert_int_eq(load(&new, &later, &c), 0);
	ck_assert_uint_eq(c.taken, 2);
	ck_assert_uint_eq(c.forgotten, 0);
	save(&new, &again);
	ck_assert_uint_eq(again.len, state.len);
	ck_assert_mem_eq(again.p, state.p, state.len);
	free(again.p);
	record_free(&w);
}
END_TEST

START_TEST(other_version_is_refused)
{
	struct handover_counts c;

	save(&old, &state);
	start(&new, 1, 64);
	ck_assert_int_eq(load(&new, &state, &c), 0);
	/* after the mark: key and length of the header, key of the version */
	ck_assert_uint_eq(state.p[15 + 5], 2);
	state.p[15 + 6]++;
	ck_assert_int_eq(load(&new, &state, &c), -EPROTO);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("handover_versions");
	TCase *t = tcase_create("handover_versions");
	SRunner *r;
	int failed;

	tcase_add_checked_fixture(t, setup_cookies, teardown);
	tcase_add_test(t, first_version_is_taken_over);
	tcase_add_test(t, unknown_fields_are_skipped);
	tcase_add_test(t, other_version_is_refused);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
