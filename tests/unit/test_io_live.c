/* SPDX-License-Identifier: MIT */
/* LINKS: io/nfq io/nfq_open io/nfq_verdict io/tun io/priv io/sandbox io/worker */
/* LINKS: io/egress io/counters util/buf util/region util/slab util/log */
/* LINKS: wire/build wire/csum */
/*
 * Packet I/O against the running kernel.  Each test has a network namespace of
 * its own, which ends with its process; needs root and iptables.
 *
 *   client socket - lo - raw PREROUTING - NFQUEUE 7 - worker - tun "live0"
 */
#include <arpa/inet.h>
#include <cap-ng.h>
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/nfq.h"
#include "io/priv.h"
#include "io/tun.h"
#include "io/worker.h"
#include "live.h"
#include "wire/build.h"
#include "wire/segment.h"

#define MARK 0x51000000u
#define PORT 4000
#define WAIT_MS 5000

/* --- TUN --- */

START_TEST(tun_queues_of_one_device_are_shared)
{
	struct tun a, b;

	ck_assert_int_eq(tun_open(&a, "live0"), 0);
	ck_assert_int_eq(tun_open(&b, "live0"), 0);
	ck_assert_str_eq(a.name, "live0");
	shell("ip link show live0 up | grep -q live0");
	tun_close(&a);
	tun_close(&b);
}
END_TEST

START_TEST(tun_of_another_kind_is_refused)
{
	struct tun t;

	shell("ip tuntap add dev live0 mode tun");
	ck_assert_int_eq(tun_open(&t, "live0"), -EINVAL);
	ck_assert_ptr_nonnull(strstr(last_log, "multi_queue"));
	shell("ip link del live0; ip tuntap add dev live0 mode tap");
	ck_assert_int_eq(tun_open(&t, "live0"), -EINVAL);
}
END_TEST

START_TEST(tun_device_node_missing_is_explained)
{
	struct tun t;

	ck_assert_int_eq(unshare(CLONE_NEWNS), 0);
	shell("mount --make-rprivate / && mount -t tmpfs none /dev/net");
	ck_assert_int_eq(tun_open(&t, "live0"), -ENOENT);
	ck_assert_ptr_nonnull(strstr(last_log, "modprobe tun"));
}
END_TEST

START_TEST(tun_without_capability_is_refused)
{
	struct tun t;

	capng_clear(CAPNG_SELECT_BOTH);
	ck_assert_int_eq(capng_apply(CAPNG_SELECT_CAPS), 0);
	ck_assert_int_eq(tun_open(&t, "live0"), -EPERM);
	ck_assert_ptr_nonnull(strstr(last_log, "CAP_NET_ADMIN"));
}
END_TEST

static const struct {
	uint8_t family;
	uint8_t flags;
	uint16_t gso_size;
	uint32_t payload;
	bool csum_done;
	uint8_t want_type;
	uint8_t want_flags;
} vnet[] = {
	{4, TCP_ACK, 0, 0, false, 0, 1},
	{4, TCP_ACK, 1448, 1448, false, 0, 1},
	{4, TCP_ACK, 1448, 1449, false, VIRTIO_NET_HDR_GSO_TCPV4, 1},
	{6, TCP_ACK, 1428, 60000, false, VIRTIO_NET_HDR_GSO_TCPV6, 1},
	{4, TCP_ACK | TCP_CWR, 1448, 60000, false,
	 VIRTIO_NET_HDR_GSO_TCPV4 | VIRTIO_NET_HDR_GSO_ECN, 1},
	{4, TCP_ACK | TCP_CWR, 1448, 100, false, 0, 1},
	{6, TCP_RST, 0, 0, true, 0, 0},
};

START_TEST(vnet_header_describes_packet)
{
	struct tx tx = {
		.family = vnet[_i].family,
		.l4_off = vnet[_i].family == 4 ? 20 : 40,
		.gso_size = vnet[_i].gso_size,
		.payload = vnet[_i].payload,
		.csum_done = vnet[_i].csum_done,
	};
	struct virtio_net_hdr vh;

	tx.hdr_len = (uint8_t)(tx.l4_off + 32);
	tx.hdr[tx.l4_off + 13] = vnet[_i].flags;
	tun_fill_vnet_hdr(&vh, &tx);
	ck_assert_uint_eq(vh.gso_type, vnet[_i].want_type);
	ck_assert_uint_eq(vh.flags, vnet[_i].want_flags);
	ck_assert_uint_eq(vh.hdr_len, tx.hdr_len);
	ck_assert_uint_eq(vh.gso_size, vh.gso_type ? tx.gso_size : 0);
	ck_assert_uint_eq(vh.csum_start, vh.flags ? tx.l4_off : 0);
	ck_assert_uint_eq(vh.csum_offset, vh.flags ? 16 : 0);
}
END_TEST

/* A header of ours with @payload bytes to follow. */
static void build(struct tx *tx, bool v6, uint32_t payload, uint16_t gso)
{
	static const uint8_t one[4] = {192, 0, 2, 1};
	static const uint8_t two[4] = {192, 0, 2, 2};
	static const uint8_t six[16] = {0x20, 1, 0xd, 0xb8};
	struct tcp_opts opts = {0};
	struct tuple t = {.local = v6 ? ipaddr_v6(six) : ipaddr_v4(one),
			  .remote = v6 ? ipaddr_v6(six) : ipaddr_v4(two),
			  .lport = 1,
			  .rport = 2};
	struct hdr_spec h = {.t = &t,
			     .opts = &opts,
			     .flags = TCP_ACK,
			     .ttl = 64,
			     .df = true};

	t.local.b[15] ^= v6;
	memset(tx, 0, sizeof(*tx));
	tx->gso_size = gso;
	tx->payload = payload;
	wire_build(tx, &h, payload);
}

/* Does the kernel take it, and see what we meant? */
static void send_and_sniff(bool v6, uint32_t payload, uint16_t gso)
{
	static uint8_t body[TX_PAYLOAD_MAX], seen[70000];
	struct sockaddr_ll ll = {.sll_family = AF_PACKET,
				 .sll_protocol = htons(ETH_P_ALL)};
	struct virtio_net_hdr vh;
	struct io_counters c = {0};
	struct pollfd pfd;
	struct tun t;
	struct tx tx;
	int s, one = 1;
	ssize_t n;

	ck_assert_int_eq(tun_open(&t, "live0"), 0);
	s = socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL));
	ll.sll_ifindex = (int)if_nametoindex("live0");
	ck_assert_int_eq(setsockopt(s, SOL_PACKET, PACKET_VNET_HDR, &one,
				    sizeof(one)),
			 0);
	ck_assert_int_eq(bind(s, (void *)&ll, sizeof(ll)), 0);
	build(&tx, v6, payload, gso);
	memset(body, 0x5a, sizeof(body));
	tx.niov = 2;
	tx.iov[0] = (struct iovec){body, payload / 3};
	tx.iov[1] = (struct iovec){body + payload / 3, payload - payload / 3};
	tun_send(&t, &tx, &c);
	ck_assert_uint_eq(c.tx_packets, 1);
	ck_assert_uint_eq(c.tx_bytes, tx.hdr_len + payload);
	do {
		pfd = (struct pollfd){.fd = s, .events = POLLIN};
		ck_assert_int_eq(poll(&pfd, 1, WAIT_MS), 1);
		n = recv(s, seen, sizeof(seen), 0);
	} while (n < (ssize_t)(sizeof(vh) + tx.hdr_len + payload));
	memcpy(&vh, seen, sizeof(vh));
	ck_assert_int_eq(n, (ssize_t)(sizeof(vh) + tx.hdr_len + payload));
	ck_assert_uint_eq(vh.gso_size, payload > gso ? gso : 0);
	ck_assert_mem_eq(seen + sizeof(vh), tx.hdr, tx.hdr_len);
	close(s);
	tun_close(&t);
}

START_TEST(tun_super_segment_reaches_the_kernel)
{
	send_and_sniff(_i & 1, TX_PAYLOAD_MAX, 1428);
}
END_TEST

START_TEST(tun_single_segment_reaches_the_kernel)
{
	send_and_sniff(_i & 1, 1428, 1428);
}
END_TEST

START_TEST(tun_down_counts_errors_and_logs_once)
{
	struct io_counters c = {0};
	struct tun t;
	struct tx tx;

	ck_assert_int_eq(tun_open(&t, "live0"), 0);
	shell("ip link set live0 down");
	build(&tx, false, 0, 0);
	tun_send(&t, &tx, &c);
	ck_assert_ptr_nonnull(strstr(last_log, "is the device up?"));
	last_log[0] = '\0';
	tun_send(&t, &tx, &c);
	ck_assert_str_eq(last_log, "");
	ck_assert_uint_eq(c.tx_errors, 2);
	ck_assert_uint_eq(c.tx_packets, 0);
	tun_close(&t);
}
END_TEST

/* --- worker --- */

/**
 * struct rig - A worker around an engine of counters
 * @what:  verdict of every packet
 * @reply: with IO_REPLY the answer; otherwise, unless NULL, what the engine
 *         then sends, by way of @out
 * @keep:  hold a reference to the buffers of packets
 * @due:   what deadline() says
 */
struct rig {
	struct buf_pool pool;
	struct worker *w;
	enum io_verdict what;
	void (*reply)(const struct packet *pkt, struct tx *tx);
	bool keep;
	struct buf *kept[1024];
	struct tx out[4];
	int nkept, nout, inputs, expiries;
	uint32_t longest;
	mono_t due;
	pthread_t seen_in;
};

static struct rig rig;

static enum io_verdict rig_input(void *engine, const struct packet *pkt,
				 mono_t now, struct tx *reply)
{
	struct rig *r = engine;

	(void)now;
	r->inputs++;
	r->longest = max_u32(r->longest, pkt->len);
	if (r->keep && r->nkept < (int)ARRAY_LEN(r->kept))
		r->kept[r->nkept++] = buf_get(pkt->buf);
	if (r->what == IO_REPLY)
		r->reply(pkt, reply);
	else if (r->reply && r->nout < (int)ARRAY_LEN(r->out))
		r->reply(pkt, &r->out[r->nout++]);
	return r->what;
}

static int rig_pull(void *engine, struct tx *tx, int max, mono_t now)
{
	struct rig *r = engine;
	int n = r->nout < max ? r->nout : max;

	(void)now;
	memcpy(tx, r->out, (size_t)n * sizeof(*tx));
	r->nout = 0;
	return n;
}

static mono_t rig_deadline(const void *engine)
{
	const struct rig *r = engine;

	return mono_is_set(r->due) ? r->due : MONO_NEVER;
}

static void rig_expire(void *engine, mono_t now)
{
	struct rig *r = engine;

	ck_assert(!mono_before(now, r->due));
	r->expiries++;
	r->due = MONO_UNSET;
}

static void expect_nothing(const void *engine, const struct packet *const *pkt,
			   int n)
{
	(void)engine;
	(void)pkt;
	(void)n;
}

static const struct io_engine_ops rig_ops = {
	.input = rig_input,
	.expect = expect_nothing,
	.pull = rig_pull,
	.deadline = rig_deadline,
	.expire = rig_expire,
};

static void rig_start(enum io_verdict what)
{
	const struct worker_cfg cfg = {
		.queue = QUEUE,
		.mark = MARK,
		.tun = "live0",
		.pool = &rig.pool,
		.ops = &rig_ops,
		.engine = &rig,
	};

	rig.what = what;
	ck_assert_int_eq(buf_pool_init(&rig.pool, 32 << 20, WORKER_RX_RESERVE),
			 0);
	ck_assert_int_eq(worker_new(&rig.w, &cfg), 0);
	ck_assert_int_eq(worker_start(rig.w), 0);
}

static void rig_stop(void)
{
	worker_free(rig.w);
	while (rig.nkept)
		buf_put(rig.kept[--rig.nkept]);
	ck_assert_uint_eq(rig.pool.held, 0);
	buf_pool_fini(&rig.pool);
}

/* Poll a condition that the worker's counters will meet. */
static void wait_counter(size_t offset, uint64_t least)
{
	struct io_counters c = {0};
	uint64_t v;
	int ms;

	for (ms = 0; ms < WAIT_MS; ms++) {
		worker_counters(rig.w, &c, NULL);
		memcpy(&v, (char *)&c + offset, sizeof(v));
		if (v >= least)
			return;
		usleep(1000);
	}
	ck_abort_msg("counter stays at %llu", (unsigned long long)v);
}

#define WAIT_FOR(field, n) wait_counter(offsetof(struct io_counters, field), n)

static int tcp_listen(void)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(PORT)};
	int s = socket(AF_INET, SOCK_STREAM, 0);

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	ck_assert_int_eq(bind(s, (void *)&a, sizeof(a)), 0);
	ck_assert_int_eq(listen(s, 8), 0);
	return s;
}

/* Return: 0 or the errno of connect(), -1 when it is still pending */
static int tcp_connect(int *out)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(PORT)};
	int err, s = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	struct pollfd pfd = {.fd = s, .events = POLLOUT};
	socklen_t len = sizeof(err);

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	*out = s;
	if (connect(s, (void *)&a, sizeof(a)) == 0)
		return 0;
	ck_assert_int_eq(errno, EINPROGRESS);
	if (poll(&pfd, 1, WAIT_MS) != 1)
		return -1;
	getsockopt(s, SOL_SOCKET, SO_ERROR, &err, &len);
	return err;
}

START_TEST(worker_pass_leaves_traffic_alone)
{
	struct io_counters c = {0};
	int l, s;

	divert("-p tcp");
	l = tcp_listen();
	rig_start(IO_PASS);
	ck_assert_int_eq(tcp_connect(&s), 0);
	WAIT_FOR(verdict_accept, 3);
	worker_counters(rig.w, &c, NULL);
	ck_assert_uint_eq(c.verdict_errors, 0);
	ck_assert_uint_eq(c.verdict_drop, 0);
	close(s);
	close(l);
	rig_stop();
}
END_TEST

START_TEST(worker_consumed_packets_are_gone)
{
	struct io_counters c = {0};
	struct worker_waiting waiting;

	divert("-p udp");
	rig_start(IO_CONSUMED);
	send_udp(200, 100);
	WAIT_FOR(rx_packets, 200);
	worker_counters(rig.w, &c, &waiting);
	ck_assert_uint_eq(c.rx_packets, 200);
	ck_assert_uint_eq(c.rx_bytes, 200 * 128);
	ck_assert_uint_eq(c.verdict_drop, 200);
	ck_assert_uint_eq(c.verdict_errors, 0);
	ck_assert_uint_le(c.verdict_sends, c.rx_batches);
	ck_assert_uint_eq(waiting.other, 0);
	rig_stop();
}
END_TEST

/* An answer: headers turned around, @flags set, acknowledging all of it. */
static void turn(const struct packet *pkt, struct tx *tx, uint8_t flags)
{
	struct segment seg;
	struct tcp_opts opts = {0};
	struct hdr_spec h = {.t = &seg.t, .opts = &opts, .ttl = 64};
	const uint8_t *th = pkt->data + 20;

	memset(&seg, 0, sizeof(seg));
	seg.t.remote = ipaddr_v4(pkt->data + 12);
	seg.t.local = ipaddr_v4(pkt->data + 16);
	seg.t.rport = get_be16(th);
	seg.t.lport = get_be16(th + 2);
	h.flags = flags;
	h.wnd = 65535;
	h.seq = SEQ(flags & TCP_SYN ? 1000 : get_be32(th + 8));
	h.ack = SEQ(get_be32(th + 4) + 1);
	memset(tx, 0, sizeof(*tx));
	wire_build(tx, &h, 0);
}

static void reply_synack(const struct packet *pkt, struct tx *tx)
{
	turn(pkt, tx, TCP_SYN | TCP_ACK);
}

static void reply_rst(const struct packet *pkt, struct tx *tx)
{
	turn(pkt, tx, TCP_RST | TCP_ACK);
}

/* The SYN becomes a SYN-ACK in its own verdict: nobody listens, yet the
 * client is connected.  The answer bears the mark. */
START_TEST(worker_reply_comes_in_the_verdict)
{
	struct io_counters c = {0};
	int s;

	divert("-p tcp --syn --dport 4000");
	shell("iptables -w -t raw -A PREROUTING -p tcp --dport 4000 -j DROP");
	shell("iptables -w -t mangle -A INPUT -p tcp --sport 4000 -m mark "
	      "--mark 0x51000000/0xff000000");
	rig.reply = reply_synack;
	rig_start(IO_REPLY);
	ck_assert_int_eq(tcp_connect(&s), 0);
	shell("iptables -w -t mangle -L INPUT -v -x | grep -q '^ *1 .*spt'");
	worker_counters(rig.w, &c, NULL);
	ck_assert_uint_eq(c.verdict_reply, 1);
	ck_assert_uint_eq(c.tx_packets, 0);
	close(s);
	rig_stop();
}
END_TEST

/* The same by way of the engine's output: it rides in the verdict. */
START_TEST(worker_output_rides_in_consumed_packet)
{
	struct io_counters c = {0};
	int s;

	divert("-p tcp --syn --dport 4000");
	shell("iptables -w -t raw -A PREROUTING -p tcp --dport 4000 -j DROP");
	rig.reply = reply_synack;
	rig_start(IO_CONSUMED);
	ck_assert_int_eq(tcp_connect(&s), 0);
	worker_counters(rig.w, &c, NULL);
	ck_assert_uint_eq(c.tx_carried, 1);
	ck_assert_uint_eq(c.tx_packets, 1);
	ck_assert_uint_eq(c.verdict_reply, 0);
	close(s);
	rig_stop();
}
END_TEST

static void syn_elsewhere(const struct packet *pkt, struct tx *tx)
{
	turn(pkt, tx, TCP_SYN);
	put_be32(tx->hdr + 16, 0xc0000202); /* 192.0.2.2 */
}

/* What came by lo would be delivered here, whoever it is addressed to. */
START_TEST(worker_output_to_another_host_goes_by_tun)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(PORT)};
	int s = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	struct io_counters c = {0};

	divert("-p tcp --syn --dport 4000");
	rig.reply = syn_elsewhere;
	rig_start(IO_CONSUMED);
	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	ck_assert_int_eq(connect(s, (void *)&a, sizeof(a)), -1);
	WAIT_FOR(tx_packets, 1);
	worker_counters(rig.w, &c, NULL);
	ck_assert_uint_eq(c.tx_carried, 0);
	close(s);
	rig_stop();
}
END_TEST

START_TEST(worker_reply_reset_refuses)
{
	int s;

	divert("-p tcp --dport 4000");
	rig.reply = reply_rst;
	rig_start(IO_REPLY);
	ck_assert_int_eq(tcp_connect(&s), ECONNREFUSED);
	close(s);
	rig_stop();
}
END_TEST

/* A super-segment cannot carry an answer: it goes by the TUN. */
START_TEST(worker_reply_to_super_segment_goes_by_tun)
{
	static const uint8_t body[60000];
	struct io_counters c = {0};
	int l, s;

	rig.reply = reply_rst;
	rig_start(IO_REPLY);
	shell("sysctl -qw net.ipv4.conf.all.rp_filter=0 "
	      "net.ipv4.conf.live0.rp_filter=0 "
	      "net.ipv4.conf.live0.accept_local=1 "
	      "net.ipv4.conf.live0.route_localnet=1");
	l = tcp_listen();
	ck_assert_int_eq(tcp_connect(&s), 0);
	shell("ip link set lo mtu 1500");
	divert("-p tcp --dport 4000 -m length --length 2000:65535");
	ck_assert_int_gt(send(s, body, sizeof(body), 0), 0);
	WAIT_FOR(verdict_reply, 1);
	worker_counters(rig.w, &c, NULL);
	ck_assert_uint_ge(c.tx_packets, 1);
	ck_assert_uint_eq(c.tx_errors, 0);
	close(s);
	close(l);
	rig_stop();
}
END_TEST

static void note_thread(void *arg, mono_t now)
{
	struct rig *r = arg;

	ck_assert(mono_is_set(now));
	r->seen_in = pthread_self();
}

START_TEST(call_runs_in_the_thread_then_in_the_caller)
{
	rig_start(IO_PASS);
	worker_call(rig.w, note_thread, &rig);
	ck_assert(!pthread_equal(rig.seen_in, pthread_self()));
	worker_stop(rig.w);
	worker_call(rig.w, note_thread, &rig);
	ck_assert(pthread_equal(rig.seen_in, pthread_self()));
	rig_stop();
}
END_TEST

static void count_up(void *arg, mono_t now)
{
	(void)now;
	++*(int *)arg;
}

static void *caller(void *arg)
{
	int i;

	for (i = 0; i < 1000; i++)
		worker_call(rig.w, count_up, arg);
	return NULL;
}

/* Unlocked increments: lost ones would show two callers at once. */
START_TEST(calls_of_several_threads_exclude_each_other)
{
	pthread_t t[4];
	int i, n = 0;

	rig_start(IO_PASS);
	for (i = 0; i < 4; i++)
		pthread_create(&t[i], NULL, caller, &n);
	for (i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
	ck_assert_int_eq(n, 4000);
	rig_stop();
}
END_TEST

static void set_deadline(void *arg, mono_t now)
{
	struct rig *r = arg;

	r->due = mono_add(now, 5 * USEC_PER_MSEC);
}

START_TEST(deadline_that_comes_calls_expire)
{
	rig_start(IO_PASS);
	worker_call(rig.w, set_deadline, &rig);
	WAIT_FOR(timer_expiries, 1);
	worker_call(rig.w, set_deadline, &rig);
	WAIT_FOR(timer_expiries, 2);
	rig_stop();
	ck_assert_int_eq(rig.expiries, 2);
}
END_TEST

static void take_to_limit(void *arg, mono_t now)
{
	struct rig *r = arg;
	struct buf *b;

	(void)now;
	while ((b = buf_alloc_reserve(&r->pool)))
		r->kept[r->nkept++] = b;
}

static void let_go(void *arg, mono_t now)
{
	struct rig *r = arg;

	(void)now;
	while (r->nkept > 400)
		buf_put(r->kept[--r->nkept]);
}

/* Without a buffer the worker pauses, and goes on when there is one again. */
START_TEST(worker_starved_of_buffers_recovers)
{
	struct io_counters c = {0};

	divert("-p udp");
	rig.keep = true;
	rig_start(IO_CONSUMED);
	worker_call(rig.w, take_to_limit, &rig);
	send_udp(2 * NFQ_BATCH, 100);
	WAIT_FOR(rx_no_buffer, 1);
	rig.keep = false;
	worker_call(rig.w, let_go, &rig);
	WAIT_FOR(rx_packets, 2 * NFQ_BATCH);
	worker_counters(rig.w, &c, NULL);
	ck_assert_uint_eq(c.verdict_errors, 0);
	rig_stop();
}
END_TEST

static void shrink_limit(void *arg, mono_t now)
{
	struct rig *r = arg;

	(void)now;
	r->pool.limit = r->pool.held - 1;
}

/* Past the limit the engine sees small packets only. */
START_TEST(worker_past_memory_limit_takes_only_small)
{
	static const uint8_t body[40000];
	struct io_counters c = {0};
	int l, s;

	l = tcp_listen();
	rig_start(IO_PASS);
	ck_assert_int_eq(tcp_connect(&s), 0);
	divert("-p tcp --dport 4000");
	send_udp(1, 10);
	divert("-p udp");
	send_udp(1, 10);
	WAIT_FOR(rx_packets, 1);
	worker_call(rig.w, shrink_limit, &rig);
	ck_assert_int_gt(send(s, body, sizeof(body), 0), 0);
	WAIT_FOR(rx_over_limit, 1);
	send_udp(1, 10);
	WAIT_FOR(verdict_accept, 2);
	worker_counters(rig.w, &c, NULL);
	ck_assert_uint_lt(rig.longest, BUF_COPY_MAX);
	close(s);
	close(l);
	rig_stop();
}
END_TEST

/* What the kernel routes into the device is read and forgotten. */
START_TEST(tun_stray_packets_are_discarded)
{
	rig_start(IO_PASS);
	shell("ip addr add 198.51.100.1/24 dev live0 && "
	      "ping -q -c 3 -i 0.01 -W 1 198.51.100.9 >/dev/null; true");
	WAIT_FOR(tun_discarded, 3);
	rig_stop();
}
END_TEST

int main(void)
{
	TCase *t = tcase_create("live");

	tcase_add_checked_fixture(t, live_setup, NULL);
	tcase_add_test(t, tun_queues_of_one_device_are_shared);
	tcase_add_test(t, tun_of_another_kind_is_refused);
	tcase_add_test(t, tun_device_node_missing_is_explained);
	tcase_add_test(t, tun_without_capability_is_refused);
	tcase_add_loop_test(t, vnet_header_describes_packet, 0,
			    ARRAY_LEN(vnet));
	tcase_add_loop_test(t, tun_super_segment_reaches_the_kernel, 0, 2);
	tcase_add_loop_test(t, tun_single_segment_reaches_the_kernel, 0, 2);
	tcase_add_test(t, tun_down_counts_errors_and_logs_once);
	tcase_add_test(t, worker_pass_leaves_traffic_alone);
	tcase_add_test(t, worker_consumed_packets_are_gone);
	tcase_add_test(t, worker_reply_comes_in_the_verdict);
	tcase_add_test(t, worker_output_rides_in_consumed_packet);
	tcase_add_test(t, worker_output_to_another_host_goes_by_tun);
	tcase_add_test(t, worker_reply_reset_refuses);
	tcase_add_test(t, worker_reply_to_super_segment_goes_by_tun);
	tcase_add_test(t, call_runs_in_the_thread_then_in_the_caller);
	tcase_add_test(t, calls_of_several_threads_exclude_each_other);
	tcase_add_test(t, deadline_that_comes_calls_expire);
	tcase_add_test(t, worker_starved_of_buffers_recovers);
	tcase_add_test(t, worker_past_memory_limit_takes_only_small);
	tcase_add_test(t, tun_stray_packets_are_discarded);
	return live_run("io_live", t);
}
