/* SPDX-License-Identifier: MIT */
/*
 * The ring between a worker and the main thread, and a tap before an engine.
 * tests/e2e/capture.sh asks tshark what comes out in the end.
 *
 * LINKS: all
 */
#include <check.h>
#include <stdlib.h>

#include "capture/tap.h"
#include "check/engine_check.h"
#include "tcp/leg.h"
#include "util/prng.h"
#include "wire/build.h"
#include "wire/segment.h"

static uint8_t data[CAPTURE_SNAP_MAX], got[CAPTURE_SNAP_MAX];

/* --- the ring --- */

static bool put(struct capture_ring *r, uint32_t n, uint32_t len)
{
	struct capture_record rec = {.us = n,
				     .len = len,
				     .full_len = len + n % 7,
				     .side = n % 2,
				     .out = n % 3 == 0};
	const uint32_t first = len / 3;
	const struct iovec v[2] = {{data, first},
				   {data + first, CAPTURE_SNAP_MAX - first}};

	memset(data, (int)n, len);
	snprintf(rec.comment, sizeof(rec.comment), "number %u", n);
	return capture_ring_put(r, &rec, v, 2);
}

/* The next one must be number @n with @len bytes. */
static void take(struct capture_ring *r, uint32_t n, uint32_t len)
{
	struct capture_record rec;
	char want[32];
	int64_t us;

	ck_assert(capture_ring_next(r, &us));
	ck_assert_int_eq(us, n);
	ck_assert(capture_ring_take(r, &rec, got));
	ck_assert_int_eq(rec.us, n);
	ck_assert_uint_eq(rec.len, len);
	ck_assert_uint_eq(rec.full_len, len + n % 7);
	ck_assert_uint_eq(rec.side, n % 2);
	ck_assert_int_eq(rec.out, n % 3 == 0);
	snprintf(want, sizeof(want), "number %u", n);
	ck_assert_str_eq(rec.comment, want);
	memset(data, (int)n, len);
	ck_assert_mem_eq(got, data, len);
}

/* Against a list of lengths, until every place was the ring's end. */
START_TEST(ring_returns_what_was_put_in_its_order)
{
	struct capture_ring *r = capture_ring_new(4096);
	uint32_t len[200], in = 0, out = 0;
	struct prng rng;

	prng_seed(&rng, 1);
	while (out < 5000) {
		uint32_t n = (uint32_t)(prng_u64(&rng) % 300);

		if (prng_u64(&rng) % 2 && put(r, in, n)) {
			ck_assert_uint_lt(in - out, ARRAY_LEN(len));
			len[in++ % ARRAY_LEN(len)] = n;
		} else if (out < in) {
			take(r, out, len[out % ARRAY_LEN(len)]);
			out++;
		}
	}
	capture_ring_free(r);
}
END_TEST

START_TEST(full_ring_refuses_and_keeps_what_it_has)
{
	struct capture_ring *r = capture_ring_new(1024);
	struct capture_record rec;
	uint32_t n = 0;

	while (put(r, n, 100))
		n++;
	ck_assert_uint_ge(n, 6);
	ck_assert(!put(r, n, 5000));
	for (uint32_t i = 0; i < n; i++)
		take(r, i, 100);
	ck_assert(!capture_ring_take(r, &rec, got));
	ck_assert(put(r, n, 100));
	take(r, n, 100);
	capture_ring_free(r);
}
END_TEST

/* --- the tap --- */

static struct engine *e;
static struct buf_pool pool;
static struct capture_ring *ring;
static struct tap *tap;
static struct filter all;
static mono_t now;

static const uint8_t server[4] = {192, 0, 2, 1}, client[4] = {198, 51, 100, 1};

static void setup(void)
{
	struct policy *p = policy_new(1);
	struct service *s = &p->service[0];
	struct engine_cfg cfg = {.policy = p,
				 .pool = &pool,
				 .max_flows = 64,
				 .max_tw = 64,
				 .seed = 5};
	struct tap_cfg tc = {.policy = p,
			     .snaplen = 44,
			     .wall_offset_us = 7,
			     .filter = &all};

	now = (mono_t){1000000};
	opt_defaults(service_options, s);
	opt_defaults(tcp_options, &s->tcp);
	strcpy(s->name, "web");
	s->listen.n = 1;
	s->listen.ep[0] = (struct endpoint){ipaddr_v4(server), 128, 80};
	s->handshake = HANDSHAKE_CLIENT_FIRST;
	s->syncookies = 2;
	ck_assert_int_eq(buf_pool_init(&pool, 1 << 24, 4), 0);
	e = engine_new(&cfg, now);
	ring = capture_ring_new(1 << 16);
	tc.engine = e;
	tc.ring = ring;
	tap = tap_new(&tc);
	ck_assert_ptr_nonnull(tap);
	policy_put(p);
}

static void teardown(void)
{
	tap_free(tap);
	engine_free(e);
	ck_assert_uint_eq(pool.held, 0);
	buf_pool_fini(&pool);
	capture_ring_free(ring);
}

/* A segment of the client. */
static enum verdict in(uint16_t flags, uint32_t seq, uint32_t ack,
		       struct tx *reply)
{
	const struct tuple t = {.local = ipaddr_v4(client),
				.remote = ipaddr_v4(server),
				.lport = 5000,
				.rport = 80};
	const struct tcp_opts o = {.has = OPT_HAS_MSS, .mss = 1460};
	const struct hdr_spec h = {.t = &t,
				   .opts = &o,
				   .seq = SEQ(seq),
				   .ack = SEQ(ack),
				   .flags = flags,
				   .wnd = 60000,
				   .ttl = 64};
	struct buf *b = buf_alloc_reserve(&pool);
	struct packet pkt = {.buf = b, .data = b->data};
	struct tx tx = {0};
	enum verdict v;

	wire_build(&tx, &h, 0);
	wire_csum_finish(&tx);
	memcpy(b->data, tx.hdr, tx.hdr_len);
	pkt.len = pkt.full_len = tx.hdr_len;
	v = tap_input(tap, &pkt, now, reply);
	buf_put(b);
	return v;
}

/* The next record must be on @side, and say @comment. */
static void recorded(int side, bool out, const char *comment)
{
	struct capture_record rec;

	ck_assert_msg(capture_ring_take(ring, &rec, got), "no \"%s\"", comment);
	ck_assert_str_eq(rec.comment, comment);
	ck_assert_int_eq(rec.side, side);
	ck_assert_int_eq(rec.out, out);
	ck_assert_int_eq(rec.us, now.us + 7);
	ck_assert_uint_le(rec.len, 44);
	ck_assert_uint_ge(rec.full_len, rec.len);
	ck_assert_uint_eq(got[0] >> 4, 4);
}

/* Let the engine send: so many packets. */
static int pull(void)
{
	struct tx tx[4];
	int n = 0;

	while (tap_pull(tap, tx, 4, now))
		n++;
	return n;
}

START_TEST(handshake_by_cookie_is_told)
{
	struct tx reply;
	uint32_t cookie;

	ck_assert_int_eq(in(TCP_SYN, 100, 0, &reply), VERDICT_REPLY);
	recorded(LEG_CLIENT, false, "answered with a SYN cookie");
	recorded(LEG_CLIENT, true, "SYN cookie");
	cookie = get_be32(reply.hdr + reply.l4_off + 4);
	in(TCP_ACK, 101, cookie + 1, &reply);
	recorded(LEG_CLIENT, false, "cookie ok, opens a connection");
	ck_assert_int_ge(pull(), 1);
	recorded(LEG_SERVER, true, "dial");
	now = mono_add(now, 2 * USEC_PER_SEC);
	tap_expire(tap, now);
	ck_assert_int_ge(pull(), 1);
	recorded(LEG_SERVER, true, "retransmission");
	in(TCP_SYN | TCP_ACK, 7, 7, &reply);
	recorded(LEG_CLIENT, false, "drop seq_old");
}
END_TEST

/* An ACK of no connection; its RST is sent once its doubt is over. */
static void refused(const char *said)
{
	struct tx reply;

	in(TCP_ACK, 1, 55, &reply);
	recorded(LEG_CLIENT, false, "drop no_flow");
	now = mono_add(now, USEC_PER_SEC);
	tap_expire(tap, now);
	ck_assert_int_eq(pull(), 1);
	recorded(LEG_CLIENT, true, said);
}

START_TEST(what_is_refused_has_its_reason)
{
	refused("reset");
}
END_TEST

START_TEST(connections_that_the_filter_does_not_mean_pass)
{
	uint64_t wanted[2] = {0}, lost[2] = {0};
	struct capture_record rec;
	char why[200];
	struct tx reply;

	ck_assert_int_eq(filter_parse("dport = 81", &all, why, sizeof(why)), 0);
	ck_assert_int_eq(in(TCP_SYN, 100, 0, &reply), VERDICT_REPLY);
	ck_assert(!capture_ring_take(ring, &rec, got));
	all.n = 0;
	ck_assert_int_eq(in(TCP_SYN, 100, 0, &reply), VERDICT_REPLY);
	recorded(LEG_CLIENT, false, "answered with a SYN cookie");
	tap_counts(tap, wanted, lost);
	ck_assert_uint_eq(wanted[LEG_CLIENT], 2);
	ck_assert_uint_eq(lost[LEG_CLIENT], 0);
}
END_TEST

START_TEST(lost_packets_are_counted)
{
	uint64_t wanted[2] = {0}, lost[2] = {0};
	struct tx reply;

	for (int i = 0; i < 1000; i++)
		in(TCP_SYN, 100, 0, &reply);
	tap_counts(tap, wanted, lost);
	ck_assert_uint_eq(wanted[LEG_CLIENT], 2000);
	ck_assert_uint_gt(lost[LEG_CLIENT], 0);
	ck_assert_uint_lt(lost[LEG_CLIENT], 2000);
}
END_TEST

static const char report[] =
	"{\"id\":4,\"t\":1,\"fault\":\"lossy\",\"dir\":\"%s\",\"side\":"
	"\"client\",\"seq\":%u,\"action\":\"delay\"}";

/* A report about a segment that leaves waits for it; others do not get it. */
START_TEST(report_of_a_fault_finds_its_segment)
{
	char line[200];

	snprintf(line, sizeof(line), report, "to_peer", 54);
	tap_fault(tap, line);
	tap_fault(tap, "{\"re\":1,\"fault\":\"lossy\",\"peer\":\"rst\"}");
	refused("reset");
	snprintf(line, sizeof(line), report, "to_peer", 55);
	tap_fault(tap, line);
	refused("reset, fault lossy: delay #4");
	refused("reset");
}
END_TEST

int main(void)
{
	Suite *s = suite_create("capture");
	TCase *ringcase = tcase_create("ring"), *tc = tcase_create("tap");
	SRunner *sr;
	int failed;

	tcase_set_timeout(ringcase, 60);
	tcase_add_test(ringcase, ring_returns_what_was_put_in_its_order);
	tcase_add_test(ringcase, full_ring_refuses_and_keeps_what_it_has);
	suite_add_tcase(s, ringcase);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, handshake_by_cookie_is_told);
	tcase_add_test(tc, what_is_refused_has_its_reason);
	tcase_add_test(tc, connections_that_the_filter_does_not_mean_pass);
	tcase_add_test(tc, lost_packets_are_counted);
	tcase_add_test(tc, report_of_a_fault_finds_its_segment);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
