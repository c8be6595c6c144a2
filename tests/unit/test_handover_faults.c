/* SPDX-License-Identifier: MIT */
/*
 * Faults that another process goes on with.
 *
 * LINKS: all
 */
#include "unit/process.h"

/* What the engines of a process report, one after the other. */
struct told {
	char text[200000];
	size_t len;
};

static void on_report(void *arg, const char *json)
{
	struct told *t = arg;

	t->len += (size_t)snprintf(t->text + t->len, sizeof(t->text) - t->len,
				   "%s\n", json);
	ck_assert_uint_lt(t->len, sizeof(t->text));
}

/* Only the decisions: what waits for an answer is forgotten. */
static const char *decisions(struct told *t)
{
	char *to = t->text, *line, *rest = t->text;

	while ((line = strsep(&rest, "\n"))) {
		if (strncmp(line, "{\"id\"", 5) != 0)
			continue;
		memmove(to, line, strlen(line));
		to += strlen(line);
		*to++ = '\n';
	}
	*to = '\0';
	return t->text;
}

static void change(struct process *p, const char *line)
{
	char err[200];

	for (uint32_t i = 0; i < p->n; i++)
		ck_assert_msg(!told_change(p->e[i], &line, 1, now, err,
					   sizeof(err)),
			      "%s", err);
}

/* Segments of both peers at both ends of each connection. */
static void talk(struct process *p, uint32_t from, uint32_t n)
{
	for (uint32_t i = from; i < from + n; i++) {
		const struct flow *f = engine_flow_first(p->e[0]);

		for (; f; f = engine_flow_next(p->e[0], f)) {
			for (int k = 0; k < 2; k++) {
				const struct leg *l = &f->leg[k];
				const struct tuple t = tuple_flip(&l->t);

				say(p, 0,
				    (struct say){t, TCP_ACK,
						 l->rcv.nxt.v + i % 3,
						 l->snd.una.v, 1 + i % 7});
			}
		}
		now = mono_add(now, 3000);
		engine_expire(p->e[0], now);
		engine_pull(p->e[0], out, 8, now);
	}
}

static const char *const acting[] = {
	"add a type=loss model=gemodel p=20 r=30 side=both lease=1h",
	"add b type=loss percent=20 correlation=30 side=both skip=5 "
	"dir=from_peer",
	"add c type=duplicate percent=30 conn=every:2 side=both order=1 "
	"count=9",
	"add d type=ack_delay time=20ms side=both",
	"add e type=rate rate=20KB side=server",
	"add f type=slicer average_size=50 delay=7ms",
	"add g type=inject kind=ack-old percent=10 side=both",
	"add h type=drop_nth n=4 seed=7 side=both",
};

static void act(void)
{
	char line[200];

	for (size_t i = 0; i < ARRAY_LEN(acting); i++) {
		snprintf(line, sizeof(line), "%s scope=all", acting[i]);
		change(&old, line);
	}
}

/* The same segments make the same decisions in both processes. */
START_TEST(faults_go_on)
{
	static struct told a, b;
	struct handover_counts c;
	mono_t at;

	a.len = b.len = 0;
	connect_by(40000);
	connect_by(40001);
	connect_by(40002);
	act();
	talk(&old, 0, 40);
	save(&old, &state);
	start(&new, 1, 64);
	ck_assert_int_eq(load(&new, &state, &c), 0);
	ck_assert_uint_eq(c.taken, 3);
	ck_assert_uint_eq(c.faults, 0);
	for (size_t i = 0; i < ARRAY_LEN(acting); i++) {
		struct impair_fault x, y;

		ck_assert(impair_get(old.e[0], (uint32_t)i, now, &x));
		ck_assert(impair_get(new.e[0], (uint32_t)i, now, &y));
		ck_assert_str_eq(x.spec->name, y.spec->name);
		ck_assert_uint_eq(x.conns, y.conns);
		ck_assert_uint_eq(x.active, y.active);
		ck_assert_int_eq(x.lease_left_us, y.lease_left_us);
		ck_assert_mem_eq(x.count, y.count, sizeof(x.count));
		ck_assert_mem_eq(x.peer, y.peer, sizeof(x.peer));
		ck_assert_uint_gt(x.count[FC_MATCHED], 0);
	}
	ck_assert_int_eq(impair_sink(old.e[0], on_report, &a, now), 0);
	ck_assert_int_eq(impair_sink(new.e[0], on_report, &b, now), 0);
	at = now;
	talk(&old, 40, 60);
	now = at;
	talk(&new, 40, 60);
	ck_assert_uint_gt(a.len, 1000);
	ck_assert_str_eq(decisions(&a), decisions(&b));
}
END_TEST

static const struct impair_fault *fault_of(struct process *p, uint32_t worker,
					   const char *name)
{
	static struct impair_fault f;

	for (uint32_t i = 0; impair_get(p->e[worker], i, now, &f); i++) {
		if (!strcmp(f.spec->name, name))
			return &f;
	}
	return NULL;
}

static struct fault_spec spec_of(const char *line)
{
	struct fault_spec s;
	char err[1600];

	ck_assert(!fault_parse_line(line, &s, err, sizeof(err)));
	return s;
}

/* As at a reload: what came from the file goes with it, what was added by hand
 * stays, and the new file's words are the ones that count. */
START_TEST(faults_follow_the_new_file)
{
	const struct fault_spec was[] = {spec_of("same type=observe"),
					 spec_of("gone type=observe"),
					 spec_of("other type=loss percent=1")};
	const struct fault_file file = {was, ARRAY_LEN(was)};
	struct handover_counts c;

	old_file = &file;
	change(&old, "add same type=observe");
	change(&old, "add gone type=observe");
	change(&old, "add other type=loss percent=1");
	change(&old, "add by_hand type=observe");
	connect_by(40000);
	save(&old, &state);
	start(&new, 1, 64);
	change(&new, "add same type=observe");
	change(&new, "add other type=loss percent=2");
	change(&new, "add fresh type=observe scope=all");
	change(&new, "add later type=observe");
	ck_assert_int_eq(load(&new, &state, &c), 0);
	ck_assert_uint_eq(c.taken, 1);
	ck_assert_uint_eq(c.faults, 0);
	ck_assert_ptr_null(fault_of(&new, 0, "gone"));
	ck_assert_uint_gt(fault_of(&new, 0, "same")->count[FC_MATCHED], 0);
	ck_assert_uint_eq(fault_of(&new, 0, "same")->active, 1);
	ck_assert_uint_eq(fault_of(&new, 0, "by_hand")->active, 1);
	ck_assert_uint_eq(fault_of(&new, 0, "other")->conns, 0);
	ck_assert_uint_eq(fault_of(&new, 0, "other")->active, 0);
	ck_assert_uint_eq(fault_of(&new, 0, "fresh")->active, 1);
	ck_assert_uint_eq(fault_of(&new, 0, "later")->active, 0);
}
END_TEST

/* Three workers count as one did, and the next connection has the next
 * number. */
START_TEST(faults_of_other_workers)
{
	struct handover_counts c;
	uint32_t conns = 0;
	struct bytes again = {0};
	struct process third;

	change(&old, "add a type=observe conn=3,4 max_active=9");
	connect_by(40000);
	connect_by(40001);
	save(&old, &state);
	start(&new, 3, 64);
	ck_assert_int_eq(load(&new, &state, &c), 0);
	ck_assert_uint_eq(c.taken, 2);
	for (uint32_t i = 0; i < 3; i++)
		conns += fault_of(&new, i, "a")->conns;
	ck_assert_uint_eq(conns, 2);
	say(&new, 1, (struct say){to_server(40002), TCP_SYN, 1000, 0, 0});
	say(&new, 2, (struct say){to_server(40003), TCP_SYN, 1000, 0, 0});
	ck_assert_uint_eq(fault_of(&new, 0, "a")->active, 0);
	ck_assert_uint_eq(fault_of(&new, 1, "a")->active, 1);
	ck_assert_uint_eq(fault_of(&new, 2, "a")->active, 1);
	save(&new, &again);
	start(&third, 1, 64);
	ck_assert_int_eq(load(&third, &again, &c), 0);
	ck_assert_uint_eq(fault_of(&third, 0, "a")->conns, 4);
	ck_assert_uint_eq(fault_of(&third, 0, "a")->active, 2);
	stop(&third);
	free(again.p);
}
END_TEST

/* Bytes that a fault holds between the legs were acknowledged to the sender:
 * the other process has them. */
START_TEST(faults_hold_bytes)
{
	struct handover_counts c;
	uint32_t queued = 0;

	change(&old, "add a type=latency latency=1h stream=upstream");
	change(&old, "add b type=latency latency=1h stream=downstream");
	connect_by(40000);
	save(&old, &state);
	start(&new, 1, 64);
	ck_assert_int_eq(load(&new, &state, &c), 0);
	ck_assert_uint_eq(c.taken, 1);
	for (int i = 0; i < 2; i++)
		queued += engine_flow_first(new.e[0])->leg[i].snd.q.bytes;
	ck_assert_uint_eq(queued, 0);
	change(&new, "reset");
	for (int i = 0; i < 2; i++)
		queued += engine_flow_first(new.e[0])->leg[i].snd.q.bytes;
	ck_assert_uint_eq(queued, 700 + 900);
}
END_TEST

/* Packets, too: one that has arrived, and one that is to be sent. */
START_TEST(faults_hold_packets)
{
	const struct flow *f;
	struct handover_counts c;
	uint32_t next;

	connect_by(40000);
	change(&old, "add a type=delay time=1h side=both scope=all");
	f = engine_flow_first(old.e[0]);
	next = f->leg[LEG_CLIENT].rcv.nxt.v;
	say(&old, 0,
	    (struct say){to_server(40000), TCP_ACK, next,
			 f->leg[LEG_CLIENT].snd.una.v, 1000});
	now = mono_add(now, USEC_PER_SEC);
	engine_expire(old.e[0], now); /* what is sent again */
	nout = engine_pull(old.e[0], out, 8, now);
	ck_assert_int_eq(nout, 0);
	save(&old, &state);
	start(&new, 1, 64);
	ck_assert_int_eq(load(&new, &state, &c), 0);
	ck_assert_uint_eq(c.taken, 1);
	f = engine_flow_first(new.e[0]);
	nout = engine_pull(new.e[0], out, 8, now);
	ck_assert_int_eq(nout, 0);
	ck_assert_uint_eq(f->leg[LEG_CLIENT].rcv.nxt.v, next);
	change(&new, "del a");
	engine_expire(new.e[0], now);
	nout = engine_pull(new.e[0], out, 8, now);
	ck_assert_int_ge(nout, 2);
	ck_assert_uint_gt(f->leg[LEG_CLIENT].rcv.nxt.v, next);
}
END_TEST

/* Without the fault they go on. */
START_TEST(faults_gone_release_bytes)
{
	const struct fault_spec was =
		spec_of("a type=latency latency=1h stream=upstream");
	const struct fault_file file = {&was, 1};
	struct handover_counts c;

	old_file = &file;
	change(&old, "add a type=latency latency=1h stream=upstream");
	connect_by(40000);
	save(&old, &state);
	start(&new, 1, 64);
	ck_assert_int_eq(load(&new, &state, &c), 0);
	ck_assert_uint_eq(c.taken, 1);
	engine_expire(new.e[0], mono_add(now, 1));
	ck_assert_uint_eq(
		engine_flow_first(new.e[0])->leg[LEG_SERVER].snd.q.bytes, 700);
}
END_TEST

/* What is still judged at the end of a process is judged by the last one. */
START_TEST(faults_gone_are_judged)
{
	struct handover_counts c;
	char err[300];

	change(&old, "add a type=observe lease=1s expect=matched>=1");
	connect_by(40000);
	now = mono_add(now, 2 * USEC_PER_SEC);
	engine_expire(old.e[0], now);
	ck_assert(told_met(old.e[0], err, sizeof(err)));
	save(&old, &state);
	start(&new, 1, 64);
	change(&new, "add z type=observe");
	ck_assert_int_eq(load(&new, &state, &c), 0);
	ck_assert(told_met(new.e[0], err, sizeof(err)));
	ck_assert_ptr_nonnull(impair_gone(
		new.e[0], 0, &(struct fault_expect){0}, &(uint64_t){0}));
}
END_TEST

START_TEST(damaged_faults_are_survived)
{
	connect_by(40000);
	connect_by(40001);
	act();
	change(&old, "add z type=latency latency=1h stream=upstream scope=all");
	change(&old, "add x type=delay time=1h side=both scope=all");
	change(&old, "add w type=icmp kind=ptb mtu=1280 side=both scope=all");
	change(&old, "add y type=observe lease=1ms expect=matched>=0");
	talk(&old, 0, 10);
	say(&old, 0, (struct say){to_server(40009), TCP_SYN, 1000, 0, 0});
	save(&old, &state);
	damage(500);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("handover_faults");
	TCase *t = tcase_create("handover_faults");
	SRunner *r;
	int failed;

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_set_timeout(t, 120);
	tcase_add_test(t, faults_go_on);
	tcase_add_test(t, faults_follow_the_new_file);
	tcase_add_test(t, faults_of_other_workers);
	tcase_add_test(t, faults_hold_bytes);
	tcase_add_test(t, faults_hold_packets);
	tcase_add_test(t, faults_gone_release_bytes);
	tcase_add_test(t, faults_gone_are_judged);
	tcase_add_test(t, damaged_faults_are_survived);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
