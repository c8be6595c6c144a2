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
	return (struct handover_side){
		.engine = p->e, .n = p->n, .wall_us = WALL_US};
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

START_TEST(damaged_state_is_survived)
{
	struct prng r;

	connect_by(40000);
	say(&old, 0, (struct say){to_server(40001), TCP_SYN, 1000, 0, 0});
	save(&old, &state);
	prng_seed(&r, 1);
	for (size_t i = 0; i < state.len; i++) {
		uint8_t was = state.p[i];

		state.p[i] = (uint8_t)(was ^ (1u << prng_below(&r, 8)));
		survives(&state);
		state.p[i] = (uint8_t)prng_u64(&r);
		survives(&state);
		state.p[i] = was;
	}
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
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
