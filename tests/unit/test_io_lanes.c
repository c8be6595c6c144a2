/* SPDX-License-Identifier: MIT */
/* LINKS: io/nfq io/nfq_open io/nfq_verdict io/tun io/priv io/sandbox io/worker */
/* LINKS: io/egress io/counters util/buf util/region util/slab util/log */
/* LINKS: wire/build wire/csum */
/*
 * The lanes of a worker against the running kernel, each test in a network
 * namespace of its own; needs root and iptables.
 *
 * UDP port 9 stands for established connections, 100 + i for the SYNs of lane
 * i: iptables sends the former to NFQUEUE 7, the latter to 8 + i.
 */
#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "io/nfq.h"
#include "io/worker.h"
#include "util/log.h"

#define QUEUE 7
#define WAIT_MS 5000
#define SYN_QUEUES 4
#define SYN_PORT 100
#define SYN_LANE_LEN 2048 /* packets */
#define SYN_BUDGET 16

static struct buf_pool pool;
static struct worker *w;
static char last_log[1024];

/* What the worker has shown to the engine, in order. */
static struct {
	uint16_t port[20000];
	int n;
} seen;

static void keep_log(enum log_level lvl, const char *line)
{
	(void)lvl;
	snprintf(last_log, sizeof(last_log), "%s", line);
}

static void shell(const char *cmd)
{
	ck_assert_msg(system(cmd) == 0, "%s", cmd);
}

static void setup(void)
{
	ck_assert_int_eq(unshare(CLONE_NEWNET), 0);
	shell("ip link set lo up");
	log_set_sink(keep_log);
	ck_assert_int_eq(buf_pool_init(&pool, 32 << 20, WORKER_RX_RESERVE), 0);
}

static void send_udp(uint16_t port, int n)
{
	struct sockaddr_in to = {.sin_family = AF_INET,
				 .sin_port = htons(port)};
	int s = socket(AF_INET, SOCK_DGRAM, 0);

	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	while (n--)
		ck_assert_int_eq(sendto(s, "x", 1, 0, (void *)&to, sizeof(to)),
				 1);
	close(s);
}

static enum io_verdict note_port(void *engine, const struct packet *pkt,
				 mono_t now, struct tx *reply)
{
	(void)engine;
	(void)now;
	(void)reply;
	if (seen.n < (int)ARRAY_LEN(seen.port))
		seen.port[seen.n++] = get_be16(pkt->data + 22);
	return IO_CONSUMED;
}

static int nothing_to_send(void *engine, struct tx *tx, int max, mono_t now)
{
	(void)engine;
	(void)tx;
	(void)max;
	(void)now;
	return 0;
}

static mono_t no_deadline(const void *engine)
{
	(void)engine;
	return MONO_NEVER;
}

static void expect_nothing(const void *engine, const struct packet *const *pkt,
			   int n)
{
	(void)engine;
	(void)pkt;
	(void)n;
}

static const struct io_engine_ops ops = {
	.input = note_port,
	.expect = expect_nothing,
	.pull = nothing_to_send,
	.deadline = no_deadline,
};

static const struct worker_cfg lanes_cfg = {
	.queue = QUEUE,
	.syn_queue = QUEUE + 1,
	.syn_queues = SYN_QUEUES,
	.tun = "live0",
	.pool = &pool,
	.ops = &ops,
};

static void divert(int port, int queue)
{
	char cmd[128];

	snprintf(cmd, sizeof(cmd),
		 "iptables -w -t raw -A PREROUTING -p udp --dport %d -j "
		 "NFQUEUE --queue-num %d",
		 port, queue);
	shell(cmd);
}

static void lanes_start(void)
{
	ck_assert_int_eq(worker_new(&w, &lanes_cfg), 0);
	divert(9, QUEUE);
	for (int i = 0; i < SYN_QUEUES; i++)
		divert(SYN_PORT + i, QUEUE + 1 + i);
}

/* Until it has seen so many packets in all. */
static void wait_seen(uint64_t n)
{
	struct io_counters c = {0};

	for (int ms = 0; ms < WAIT_MS && c.rx_packets < n; ms++) {
		usleep(1000);
		worker_counters(w, &c, NULL);
	}
	ck_assert_uint_eq(c.rx_packets, n);
}

static void lanes_stop(void)
{
	worker_free(w);
	ck_assert_uint_eq(pool.held, 0);
	buf_pool_fini(&pool);
}

static int seen_of(uint16_t from, uint16_t to, int upto)
{
	int n = 0;

	for (int i = 0; i < upto; i++)
		n += seen.port[i] >= from && seen.port[i] <= to;
	return n;
}

/* The worker finds both lanes full: its own is served first, and nothing of it
 * is lost; the flood loses what its lane does not hold. */
START_TEST(lane_of_syns_overflows_alone_and_waits)
{
	struct worker_waiting waiting;
	struct io_counters c = {0};
	int last = 0;

	lanes_start();
	send_udp(SYN_PORT, SYN_LANE_LEN + 1000);
	send_udp(9, 1000);
	worker_counters(w, &c, &waiting);
	ck_assert_uint_eq(waiting.syn, SYN_LANE_LEN);
	ck_assert_uint_eq(waiting.other, 1000);
	ck_assert_uint_eq(c.syn_dropped, 1000);
	ck_assert_int_eq(worker_start(w), 0);
	wait_seen(SYN_LANE_LEN + 1000);
	worker_counters(w, &c, &waiting);
	ck_assert_uint_eq(c.queue_dropped, 0);
	ck_assert_uint_eq(c.queue_user_dropped, 0);
	ck_assert_uint_eq(c.syn_dropped, 1000);
	ck_assert_uint_eq(c.syn_packets, SYN_LANE_LEN);
	ck_assert_uint_eq(waiting.syn + waiting.other, 0);
	ck_assert_uint_eq(c.verdict_errors, 0);
	for (int i = 0; i < seen.n; i++)
		last = seen.port[i] == 9 ? i : last;
	ck_assert_int_eq(seen_of(9, 9, seen.n), 1000);
	ck_assert_int_le(seen_of(SYN_PORT, SYN_PORT, last),
			 (1000 / NFQ_BATCH + 1) * SYN_BUDGET);
	ck_assert_int_ge(seen_of(SYN_PORT, SYN_PORT, last), SYN_BUDGET);
	lanes_stop();
}
END_TEST

#define EACH 100 /* packets of a lane */

/* All lanes are full when the worker starts.  False when the clock's second
 * ended meanwhile. */
static bool lanes_serve_one_after_the_other(void)
{
	int64_t second = worker_clock().us / USEC_PER_SEC;
	struct io_counters c;
	int lane;

	seen.n = 0;
	worker_counters(w, &c, NULL);
	for (uint16_t i = 0; i < SYN_QUEUES; i++)
		send_udp((uint16_t)(SYN_PORT + i), EACH);
	ck_assert_int_eq(worker_start(w), 0);
	wait_seen(c.rx_packets + EACH * SYN_QUEUES);
	worker_stop(w);
	if (second != worker_clock().us / USEC_PER_SEC)
		return false;
	ck_assert_int_eq(seen.n, EACH * SYN_QUEUES);
	for (int i = 0; i < seen.n; i++) {
		lane = (int)((second + i / EACH) % SYN_QUEUES);
		ck_assert_int_eq(seen.port[i], SYN_PORT + lane);
	}
	return true;
}

/* In two seconds that follow each other another lane is the first. */
START_TEST(lanes_of_syns_take_turns)
{
	int64_t second;
	int turns = 0;

	lanes_start();
	for (int tries = 0; turns < 2 && tries < 20; tries++) {
		turns += lanes_serve_one_after_the_other();
		second = worker_clock().us / USEC_PER_SEC;
		while (second == worker_clock().us / USEC_PER_SEC)
			usleep(1000);
	}
	ck_assert_int_eq(turns, 2);
	lanes_stop();
}
END_TEST

#define DUE_US (50 * USEC_PER_MSEC)

/* A deadline, and what had come when it was over. */
static struct {
	mono_t due;
	int seen, expiries;
} timed;

static mono_t timed_deadline(const void *engine)
{
	(void)engine;
	return mono_is_set(timed.due) ? timed.due : MONO_NEVER;
}

static void timed_expire(void *engine, mono_t now)
{
	(void)engine;
	(void)now;
	timed.due = MONO_UNSET;
	timed.seen = seen.n;
	timed.expiries++;
}

static void timed_begin(void *arg, mono_t now)
{
	(void)arg;
	timed.due = mono_add(now, DUE_US);
}

/* What the stalled worker waits for. */
static enum {
	BEFORE,
	STALLED,
	TOO_LATE,
	SENT
} stall;

static int stall_is(void)
{
	return __atomic_load_n(&stall, __ATOMIC_ACQUIRE);
}

/* The scheduler keeps the worker waiting: a packet comes, and then it is time.
 * Not if it is time already.  In the thread, where few system calls are
 * allowed. */
static void timed_stall(void *arg, mono_t now)
{
	bool late = !mono_is_set(timed.due);

	(void)arg;
	(void)now;
	__atomic_store_n(&stall, late ? TOO_LATE : STALLED, __ATOMIC_RELEASE);
	if (late)
		return;
	while (stall_is() != SENT || !mono_due(timed.due, worker_clock()))
		;
}

/* The kernel has put a packet into the queue; a busy one does so later. */
static void wait_queued(void)
{
	char line[256];
	int queue = 0, port = 0, total = 0;

	for (int ms = 0; ms < WAIT_MS && !(queue == QUEUE && total); ms++) {
		FILE *f = fopen("/proc/net/netfilter/nfnetlink_queue", "r");

		ck_assert_ptr_nonnull(f);
		while (queue != QUEUE && fgets(line, sizeof(line), f))
			sscanf(line, "%d %d %d", &queue, &port, &total);
		fclose(f);
		if (!total) {
			queue = 0;
			usleep(1000);
		}
	}
	ck_assert_int_eq(total, 1);
}

static void *call_stall(void *arg)
{
	(void)arg;
	worker_call(w, timed_stall, NULL);
	return NULL;
}

/* False: the timer was faster than we. */
static bool stall_and_send(void)
{
	pthread_t th;

	stall = BEFORE;
	worker_call(w, timed_begin, NULL);
	ck_assert_int_eq(pthread_create(&th, NULL, call_stall, NULL), 0);
	while (stall_is() == BEFORE)
		usleep(100);
	if (stall_is() == STALLED) {
		send_udp(9, 1);
		wait_queued();
		__atomic_store_n(&stall, SENT, __ATOMIC_RELEASE);
	}
	pthread_join(th, NULL);
	return stall_is() == SENT;
}

START_TEST(packets_are_seen_before_a_timer_that_is_due)
{
	struct io_engine_ops with_timer = ops;
	struct worker_cfg cfg = lanes_cfg;
	int before = 0, tries = 0;

	with_timer.deadline = timed_deadline;
	with_timer.expire = timed_expire;
	cfg.ops = &with_timer;
	ck_assert_int_eq(worker_new(&w, &cfg), 0);
	divert(9, QUEUE);
	ck_assert_int_eq(worker_start(w), 0);
	do {
		before = timed.expiries;
	} while (!stall_and_send() && ++tries < 100);
	wait_seen(1);
	for (int ms = 0; ms < WAIT_MS && timed.expiries == before; ms++)
		usleep(1000);
	worker_stop(w);
	ck_assert_int_eq(timed.expiries, before + 1);
	ck_assert_int_eq(timed.seen, 1);
	lanes_stop();
}
END_TEST

START_TEST(worker_of_too_many_lanes_is_refused)
{
	struct worker_cfg cfg = lanes_cfg;

	cfg.syn_queues = WORKER_SYN_QUEUES_MAX + 1;
	ck_assert_int_eq(worker_new(&w, &cfg), -EINVAL);
	buf_pool_fini(&pool);
}
END_TEST

/* A queue among them that is another's: nothing stays bound. */
START_TEST(worker_whose_lane_is_taken_lets_go_of_all)
{
	const struct nfq_cfg other = {.queue = QUEUE + 2};
	struct nfq q;

	ck_assert_int_eq(nfq_open(&q, &other), 0);
	ck_assert_int_eq(worker_new(&w, &lanes_cfg), -EBUSY);
	ck_assert_ptr_nonnull(strstr(last_log, "queue 9: occupied"));
	nfq_close(&q);
	ck_assert_int_eq(worker_new(&w, &lanes_cfg), 0);
	lanes_stop();
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("io_lanes");
	TCase *t = tcase_create("lanes");

	tcase_add_checked_fixture(t, setup, NULL);
	tcase_set_timeout(t, 60);
	tcase_add_test(t, lane_of_syns_overflows_alone_and_waits);
	tcase_add_test(t, lanes_of_syns_take_turns);
	tcase_add_test(t, packets_are_seen_before_a_timer_that_is_due);
	tcase_add_test(t, worker_of_too_many_lanes_is_refused);
	tcase_add_test(t, worker_whose_lane_is_taken_lets_go_of_all);
	suite_add_tcase(s, t);
	return s;
}

int main(void)
{
	SRunner *sr = srunner_create(suite());
	int failed;

	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
