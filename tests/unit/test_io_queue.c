/* SPDX-License-Identifier: MIT */
/* LINKS: io/nfq io/nfq_open io/nfq_verdict io/priv io/sandbox */
/* LINKS: io/counters util/buf util/region util/slab util/log */
/* LINKS: wire/build wire/csum */
/*
 * A queue of the running kernel: who may open it, and what it counts.
 */
#include <arpa/inet.h>
#include <cap-ng.h>
#include <errno.h>

#include "io/nfq.h"
#include "io/priv.h"
#include "live.h"

static int open_queue(struct nfq *q, uint16_t number, uint32_t maxlen,
		      uint32_t rcvbuf)
{
	const struct nfq_cfg cfg = {
		.queue = number,
		.maxlen = maxlen,
		.rcvbuf = rcvbuf,
	};

	return nfq_open(q, &cfg);
}

START_TEST(queue_owned_by_another_is_busy)
{
	struct nfq a, b, c;

	ck_assert_int_eq(open_queue(&a, QUEUE, 0, 0), 0);
	ck_assert_int_eq(open_queue(&b, QUEUE, 0, 0), -EBUSY);
	ck_assert_ptr_nonnull(strstr(last_log, "queue 7: occupied"));
	ck_assert_int_eq(open_queue(&c, QUEUE + 1, 0, 0), 0);
	nfq_close(&a);
	ck_assert_int_eq(open_queue(&b, QUEUE, 0, 0), 0);
	nfq_close(&b);
	nfq_close(&c);
}
END_TEST

START_TEST(queue_without_capability_is_refused)
{
	struct nfq q;

	capng_clear(CAPNG_SELECT_BOTH);
	ck_assert_int_eq(capng_apply(CAPNG_SELECT_CAPS), 0);
	ck_assert(!priv_has_net_admin());
	ck_assert_int_eq(open_queue(&q, QUEUE, 0, 0), -EPERM);
	ck_assert_ptr_nonnull(strstr(last_log, "CAP_NET_ADMIN is missing"));
}
END_TEST

START_TEST(privileges_dropped_still_serve)
{
	struct nfq q;

	ck_assert_int_eq(priv_drop(), 0);
	ck_assert(priv_has_net_admin());
	capng_get_caps_process();
	ck_assert(!capng_have_capability(CAPNG_PERMITTED, CAP_NET_RAW));
	ck_assert(!capng_have_capability(CAPNG_PERMITTED, CAP_SYS_ADMIN));
	ck_assert_int_eq(open_queue(&q, QUEUE, 0, 0), 0);
	nfq_close(&q);
}
END_TEST

START_TEST(queue_full_is_counted)
{
	struct nfq_stats s;
	struct nfq q;

	ck_assert_int_eq(open_queue(&q, QUEUE, 4, 0), 0);
	divert("-p udp");
	send_udp(10, 10);
	ck_assert_int_eq(nfq_kernel_stats(&q, &s), 0);
	ck_assert_uint_eq(s.waiting, 4);
	ck_assert_uint_eq(s.dropped, 6);
	ck_assert_uint_eq(s.user_dropped, 0);
	nfq_close(&q);
}
END_TEST

/* An overrun loses what does not fit, and nothing after that. */
START_TEST(socket_full_is_counted_and_survived)
{
	struct nfq_ring *r = calloc(1, sizeof(*r));
	struct io_counters c = {0};
	struct buf_pool pool;
	struct nfq_stats s;
	struct nfq q;
	int n, got = 0;

	ck_assert_int_eq(buf_pool_init(&pool, 16 << 20, NFQ_BATCH), 0);
	nfq_ring_init(r, &pool);
	ck_assert_int_eq(open_queue(&q, QUEUE, 0, 8192), 0);
	divert("-p udp");
	send_udp(60, 1400);
	ck_assert_int_eq(nfq_kernel_stats(&q, &s), 0);
	ck_assert_uint_gt(s.user_dropped, 0);
	while ((n = nfq_recv(&q, r, NFQ_BATCH, &c)) > 0)
		got += n;
	ck_assert_int_eq(n, 0);
	ck_assert_int_eq(got + (int)s.user_dropped, 60);
	send_udp(1, 10);
	ck_assert_int_eq(nfq_recv(&q, r, NFQ_BATCH, &c), 1);
	nfq_ring_fini(r);
	nfq_close(&q);
	buf_pool_fini(&pool);
	free(r);
}
END_TEST

int main(void)
{
	TCase *t = tcase_create("queue");

	tcase_add_checked_fixture(t, live_setup, NULL);
	tcase_add_test(t, queue_owned_by_another_is_busy);
	tcase_add_test(t, queue_without_capability_is_refused);
	tcase_add_test(t, privileges_dropped_still_serve);
	tcase_add_test(t, queue_full_is_counted);
	tcase_add_test(t, socket_full_is_counted_and_survived);
	return live_run("io_queue", t);
}
