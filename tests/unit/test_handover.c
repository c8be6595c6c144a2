/* SPDX-License-Identifier: MIT */
/*
 * The state of engines that other engines go on with: whole, damaged, and by
 * another number of workers.
 *
 * LINKS: all
 */
#include <check.h>
#include <errno.h>
#include <stdlib.h>

#include "engine/hooks.h"
#include "fault/told.h"
#include "handover/handover.h"
#include "shield/commons.h"
#include "util/prng.h"
#include "wire/build.h"
#include "wire/segment.h"

#define WORKERS 3
#define WALL_US (1700000000ll * 1000000)

/* A process: its engines. */
struct process {
	struct engine *e[WORKERS];
	struct buf_pool pool[WORKERS];
	struct commons commons;
	uint32_t n;
};

struct bytes {
	uint8_t *p;
	size_t len;
};

static struct process old, new;
static struct bytes state;
static struct policy *policy;
static const struct fault_file *old_file; /* what the old one was given */
static struct tx out[8];
static int nout, nreset;
static mono_t now;

static const uint8_t server[4] = {192, 0, 2, 1};
static const uint8_t client[4] = {198, 51, 100, 1};

static void start(struct process *p, uint32_t n, uint32_t max_flows)
{
	static const uint8_t secret[32] = "handover";

	*p = (struct process){.n = n};
	if (n > 1)
		ck_assert_int_eq(
			commons_init(&p->commons, n, max_flows, 64, secret), 0);
	for (uint32_t i = 0; i < n; i++) {
		struct engine_cfg cfg = {.policy = policy,
					 .pool = &p->pool[i],
					 .max_flows = max_flows,
					 .max_tw = 8,
					 .seed = i,
					 .worker = i,
					 .wall_offset_us = WALL_US,
					 .commons = n > 1 ? &p->commons : NULL};

		ck_assert_int_eq(buf_pool_init(&p->pool[i], 1 << 24, 4), 0);
		p->e[i] = engine_new(&cfg, now);
		ck_assert_ptr_nonnull(p->e[i]);
	}
}

static void stop(struct process *p)
{
	for (uint32_t i = 0; i < p->n; i++) {
		engine_free(p->e[i]);
		ck_assert(p->pool[i].held == 0);
		buf_pool_fini(&p->pool[i]);
	}
	if (p->n > 1)
		commons_fini(&p->commons);
	p->n = 0;
}

static void setup(void)
{
	struct service *s;

	policy = policy_new(1);
	s = &policy->service[0];
	opt_defaults(service_options, s);
	opt_defaults(tcp_options, &s->tcp);
	opt_defaults(shield_options, &s->shield);
	tcp_cc_follow(&s->tcp, "cubic");
	strcpy(s->name, "web");
	s->listen.n = 1;
	s->listen.ep[0] = (struct endpoint){ipaddr_v4(server), 128, 80};
	s->handshake = HANDSHAKE_SERVER_FIRST;
	s->syncookies = 0;
	now = (mono_t){1000000};
	nreset = 0;
	old_file = NULL;
	start(&old, 1, 64);
}

static void teardown(void)
{
	stop(&old);
	stop(&new);
	free(state.p);
	state = (struct bytes){0};
	policy_put(policy);
}

static enum verdict packet_in(struct process *p, uint32_t i, const void *data,
			      uint32_t len)
{
	struct buf *b = buf_alloc_reserve(&p->pool[i]);
	struct packet in = {
		.buf = b, .data = b->data, .len = len, .full_len = len};
	struct tx reply;
	enum verdict v;

	memcpy(b->data, data, len);
	v = engine_input(p->e[i], &in, now, &reply);
	buf_put(b);
	nout = engine_pull(p->e[i], out, 8, now);
	for (int k = 0; k < nout; k++)
		wire_csum_finish(&out[k]);
	return v;
}

struct say {
	struct tuple t;
	uint16_t flags;
	uint32_t seq, ack, len;
};

static enum verdict say(struct process *p, uint32_t i, struct say s)
{
	const struct tcp_opts o = {
		.has = s.flags & TCP_SYN ? OPT_HAS_MSS | OPT_HAS_SACKOK : 0,
		.mss = 1460};
	const struct hdr_spec h = {.t = &s.t,
				   .opts = &o,
				   .flags = s.flags,
				   .seq = SEQ(s.seq),
				   .ack = SEQ(s.ack),
				   .wnd = 60000,
				   .ttl = 64};
	uint8_t data[2000] = {0};
	struct tx tx = {0};

	tx.payload = s.len;
	tx.iov[0] = (struct iovec){data + 200, s.len};
	tx.niov = s.len ? 1 : 0;
	wire_build(&tx, &h, s.len);
	wire_csum_finish(&tx);
	memcpy(data, tx.hdr, tx.hdr_len);
	memmove(data + tx.hdr_len, data + 200, s.len);
	return packet_in(p, i, data, tx.hdr_len + s.len);
}

static struct tuple to_server(uint16_t port)
{
	return (struct tuple){ipaddr_v4(client), ipaddr_v4(server), port, 80};
}

static struct tuple to_client(uint16_t port)
{
	return (struct tuple){ipaddr_v4(server), ipaddr_v4(client), 80, port};
}

static uint32_t their_seq(int i)
{
	return get_be32(out[i].hdr + out[i].l4_off + 4);
}

/* A connection with bytes on their way in both directions, and a hole. */
static void connect_by(uint16_t port)
{
	uint32_t at_server, at_client;

	say(&old, 0, (struct say){to_server(port), TCP_SYN, 1000, 0, 0});
	ck_assert_int_eq(nout, 1);
	at_server = their_seq(0) + 1;
	say(&old, 0,
	    (struct say){to_client(port), TCP_SYN | TCP_ACK, 5000, at_server,
			 0});
	ck_assert_int_ge(nout, 1);
	at_client = their_seq(0) + 1;
	say(&old, 0,
	    (struct say){to_server(port), TCP_ACK, 1001, at_client, 0});
	say(&old, 0,
	    (struct say){to_server(port), TCP_ACK, 1001, at_client, 700});
	say(&old, 0,
	    (struct say){to_client(port), TCP_ACK, 5001, at_server, 900});
	say(&old, 0,
	    (struct say){to_server(port), TCP_ACK, 2701, at_client, 300});
}

static int put(void *arg, const void *p, size_t n)
{
	struct bytes *b = arg;

	b->p = realloc(b->p, b->len + n);
	memcpy(b->p + b->len, p, n);
	b->len += n;
	return 0;
}

static struct handover_side side_of(struct process *p)
{
	return (struct handover_side){.engine = p->e,
				      .n = p->n,
				      .wall_us = WALL_US,
				      .file = p == &old ? old_file : NULL};
}

static void save(struct process *p, struct bytes *b)
{
	const struct handover_side s = side_of(p);
	uint32_t flows;

	ck_assert_int_eq(handover_save(&s, put, b, now, &flows), 0);
}

static void count_reset(void *arg, struct tx *tx)
{
	(void)arg;
	nreset += !!(tx->hdr[tx->l4_off + 13] & TCP_RST);
}

static int load(struct process *p, const struct bytes *b,
		struct handover_counts *c)
{
	const struct handover_side s = side_of(p);
	struct handover_state h;
	int err = handover_open(&h, b->p, b->len, WALL_US, now);

	if (!err) {
		handover_load(&h, &s, c);
		handover_reset(&h, &s, count_reset, NULL);
	}
	handover_close(&h);
	return err;
}

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

/* Whatever a record says, it becomes a possible connection or none. */
static void survives(const struct bytes *b)
{
	struct handover_counts c;

	start(&new, 1, 8);
	if (!load(&new, b, &c)) {
		for (int i = 0; i < 20; i++) {
			now = mono_add(now, USEC_PER_SEC / 3);
			engine_expire(new.e[0], now);
			while (engine_pull(new.e[0], out, 8, now) == 8)
				;
		}
		now = mono_add(now, -20 * (USEC_PER_SEC / 3));
	}
	stop(&new);
}

/* All of it, or so many of its bytes. */
static void damage(size_t most)
{
	struct prng r;

	prng_seed(&r, 1);
	for (size_t i = 0; i < state.len;
	     i += most < state.len ? state.len / most : 1) {
		uint8_t was = state.p[i];

		state.p[i] = (uint8_t)(was ^ (1u << prng_below(&r, 8)));
		survives(&state);
		state.p[i] = (uint8_t)prng_u64(&r);
		survives(&state);
		state.p[i] = was;
	}
}

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
	ck_assert_int_eq(handover_open(&h, state.p, state.len,
				       WALL_US - 76000000, here),
			 0);
	ck_assert(h.now.us == now.us || h.now.us == here.us);
	handover_close(&h);
	ck_assert_int_eq(handover_open(&h, state.p, state.len,
				       WALL_US - 7600000000ll, here),
			 0);
	ck_assert(h.now.us == here.us);
	handover_close(&h);
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

/* --- faults --- */

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
	tcase_add_test(t, service_gone_resets_both_sides);
	tcase_add_test(t, other_worker_gives_packets_to_the_owner);
	tcase_add_test(t, other_version_is_refused);
	tcase_add_test(t, cut_state_is_refused);
	tcase_add_test(t, damaged_state_is_survived);
	tcase_add_test(t, other_host_counts_from_now);
	tcase_add_test(t, drained_service_stays_drained);
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
