/* SPDX-License-Identifier: MIT */
/* LINKS: io/egress io/nfq_verdict io/tun io/priv io/counters */
/* LINKS: util/log wire/build wire/build_icmp wire/csum wire/parse_ip */
/*
 * What goes which way, and that a leg's packets keep their order.  Verdicts
 * and TUN writes end in the same socket here, so their order can be read.
 */
#include <check.h>
#include <linux/netfilter/nfnetlink_queue.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "io/egress.h"
#include "wire/build.h"
#include "wire/segment.h"

static struct nfq nfq;
static struct tun tun;
static struct io_counters c;
static struct egress e;
static int out;
static const uint8_t v4[40] = {0x45}, v6[60] = {0x60};
static uint32_t next_id;

static void setup(void)
{
	int fds[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_DGRAM, 0, fds), 0);
	nfq = (struct nfq){.fd = fds[0]};
	tun = (struct tun){.fd = fds[0]};
	out = fds[1];
	memset(&c, 0, sizeof(c));
	memset(&e, 0, sizeof(e));
	e.nfq = &nfq;
	e.tun = &tun;
	e.c = &c;
	next_id = 0;
}

/* A received packet, consumed; @family 0 cannot carry. */
static void consume(uint8_t family)
{
	struct nfq_packet p = {.id = ++next_id, .carrier = family != 0};

	p.pkt.data = family == 6 ? v6 : v4;
	egress_decide(&e, &p, NFQ_DROP);
}

/* A packet of leg @leg with serial number @n in its sequence number. */
static void make(struct tx *tx, uint16_t leg, uint32_t n, uint32_t payload)
{
	static const uint8_t a[4] = {192, 0, 2, 1}, b[4] = {192, 0, 2, 2};
	static uint8_t body[TX_PAYLOAD_MAX];
	struct tcp_opts opts = {0};
	struct tuple t = {.local = ipaddr_v4(a),
			  .remote = ipaddr_v4(b),
			  .lport = leg,
			  .rport = 80};
	struct hdr_spec h = {.t = &t, .opts = &opts, .flags = TCP_ACK};

	memset(tx, 0, sizeof(*tx));
	h.seq = SEQ(n);
	tx->gso_size = 1448;
	tx->payload = payload;
	tx->niov = payload ? 1 : 0;
	tx->iov[0] = (struct iovec){body, payload};
	wire_build(tx, &h, payload);
}

static void send_one(uint16_t leg, uint32_t n, uint32_t payload)
{
	struct tx tx;

	make(&tx, leg, n, payload);
	egress_send(&e, &tx);
}

/**
 * struct left - A packet as it left
 * @carried: in a verdict
 * @leg:     source port
 * @n:       serial number
 * @sum_ok:  its TCP checksum is complete and right
 */
struct left {
	bool carried;
	uint16_t leg;
	uint32_t n;
	bool sum_ok;
};

static void take(struct left *l, const uint8_t *ip, size_t len, bool carried)
{
	struct ipaddr s = ipaddr_v4(ip + 12), d = ipaddr_v4(ip + 16);
	uint64_t sum = csum_pseudo(&s, &d, 6, (uint32_t)len - 20);

	l->carried = carried;
	l->leg = get_be16(ip + 20);
	l->n = get_be32(ip + 24);
	l->sum_ok = csum_fold(csum_add(sum, ip + 20, len - 20)) == 0xffff;
}

static int take_verdicts(struct left *l, const uint8_t *m, size_t len)
{
	uint32_t mlen;
	uint16_t alen;
	size_t off;
	int n = 0;

	for (off = 0; off < len; off += mlen) {
		memcpy(&mlen, m + off, 4);
		if (mlen <= 32)
			continue;
		memcpy(&alen, m + off + 32, 2);
		take(&l[n++], m + off + 36, alen - 4u, true);
	}
	return n;
}

static int read_all(struct left *l)
{
	static uint8_t d[70000];
	const size_t vh = sizeof(struct virtio_net_hdr);
	ssize_t len;
	int n = 0;

	while ((len = recv(out, d, sizeof(d), MSG_DONTWAIT)) > 0) {
		if ((size_t)len > vh && d[vh] == 0x45)
			take(&l[n++], d + vh, (size_t)len - vh, false);
		else
			n += take_verdicts(l + n, d, (size_t)len);
	}
	return n;
}

START_TEST(small_packet_rides)
{
	struct left l[4];

	consume(4);
	send_one(1000, 1, 700);
	ck_assert_int_eq(read_all(l), 0);
	egress_flush(&e);
	ck_assert_int_eq(read_all(l), 1);
	ck_assert(l[0].carried);
	ck_assert(l[0].sum_ok);
	ck_assert_uint_eq(l[0].n, 1);
	ck_assert_uint_eq(c.tx_carried, 1);
	ck_assert_uint_eq(c.tx_packets, 1);
}
END_TEST

START_TEST(carriers_of_each_round_are_found)
{
	struct left l[4];
	int i;

	for (i = 0; i < 3; i++) {
		consume(4);
		send_one(1000, 1, 0);
		send_one(1001, 1, 0);
		egress_flush(&e);
		ck_assert_int_eq(read_all(l), 2);
	}
	ck_assert_uint_eq(c.tx_carried, 3);
}
END_TEST

START_TEST(packet_without_carrier_is_written)
{
	struct left l[4];

	consume(0);
	consume(6);
	send_one(1000, 1, 0);
	ck_assert_int_eq(read_all(l), 1);
	ck_assert(!l[0].carried);
	ck_assert_uint_eq(c.tx_carried, 0);
}
END_TEST

static const uint32_t large[] = {1449, 1600, TX_PAYLOAD_MAX};

START_TEST(large_packet_is_written)
{
	struct left l[4];

	consume(4);
	send_one(1000, 1, large[_i]);
	ck_assert_int_eq(read_all(l), 1);
	ck_assert(!l[0].carried);
}
END_TEST

/* The write waits for what rides: otherwise 2 would leave before 1. */
START_TEST(write_behind_rider_of_same_leg_keeps_order)
{
	struct left l[8];

	consume(4);
	consume(4);
	send_one(1000, 1, 0);
	send_one(1000, 2, 5000);
	send_one(1000, 3, 0);
	egress_flush(&e);
	ck_assert_int_eq(read_all(l), 3);
	ck_assert_uint_eq(l[0].n, 1);
	ck_assert_uint_eq(l[1].n, 2);
	ck_assert_uint_eq(l[2].n, 3);
	ck_assert(l[0].carried);
}
END_TEST

/* An ICMP error to a leg's peer is one of the leg's packets: an ACK that left
 * before it would make it void. */
START_TEST(write_behind_icmp_to_same_peer_keeps_order)
{
	const uint8_t us[4] = {192, 0, 2, 1}, peer[4] = {192, 0, 2, 2};
	const struct ipaddr from = ipaddr_v4(us);
	const struct tuple t = {.local = ipaddr_v4(peer),
				.remote = from,
				.lport = 80,
				.rport = 1000};
	const struct hdr_spec h = {.t = &t, .flags = TCP_ACK};
	struct tx about = {0}, icmp = {0};
	struct packet p = {.data = about.hdr};
	struct left l[8];

	wire_build(&about, &h, 0);
	p.len = p.full_len = about.hdr_len;
	ck_assert_int_eq(wire_build_icmp(&icmp, &p, &from, 3, 4, 1300), 0);
	consume(4);
	egress_send(&e, &icmp);
	send_one(1000, 2, 0);
	egress_flush(&e);
	ck_assert_int_eq(read_all(l), 2);
	ck_assert_uint_eq(l[0].leg, 0x0304);
	ck_assert(l[0].carried);
	ck_assert_uint_eq(l[1].n, 2);
}
END_TEST

/* What rode in an earlier round has left. */
START_TEST(write_behind_rider_that_left_costs_no_flush)
{
	struct left l[8];

	consume(4);
	send_one(1000, 1, 0);
	egress_flush(&e);
	consume(0);
	send_one(1000, 2, 5000);
	ck_assert_uint_eq(c.verdict_sends, 1);
	egress_flush(&e);
	ck_assert_int_eq(read_all(l), 2);
}
END_TEST

/* The other leg does not wait, and the batch stays one datagram. */
START_TEST(write_behind_rider_of_other_leg_costs_no_flush)
{
	struct left l[8];

	consume(4);
	consume(4);
	send_one(1000, 1, 0);
	send_one(1001, 2, 5000);
	send_one(1001, 3, 0);
	egress_flush(&e);
	ck_assert_int_eq(read_all(l), 3);
	ck_assert_uint_eq(l[0].n, 2);
	ck_assert_uint_eq(l[1].n, 1);
	ck_assert_uint_eq(l[2].n, 3);
	ck_assert_uint_eq(c.verdict_sends, 1);
}
END_TEST

/* Any mix of sizes and carriers over a few legs: each leg's order is kept,
 * nothing is lost, every checksum of a rider is right. */
START_TEST(random_mix_keeps_order_of_each_leg)
{
	static struct left l[8 * NFQ_BATCH];
	uint32_t sent[8] = {0}, seen[8] = {0}, leg;
	int round, i, n;

	srand((unsigned int)_i);
	for (round = 0; round < 20; round++) {
		for (i = rand() % 12; i > 0; i--)
			consume(rand() % 3 ? 4 : 0);
		for (i = rand() % 20; i > 0; i--) {
			leg = (uint32_t)rand() % 8;
			send_one((uint16_t)(leg + 1), ++sent[leg],
				 rand() % 3 ? (uint32_t)rand() % 1449 : 3000);
		}
		egress_flush(&e);
		n = read_all(l);
		for (i = 0; i < n; i++) {
			leg = l[i].leg - 1u;
			seen[leg]++;
			ck_assert_msg(l[i].n == seen[leg],
				      "seed %d: leg %u: %u instead of %u", _i,
				      leg, l[i].n, seen[leg]);
			ck_assert(!l[i].carried || l[i].sum_ok);
		}
	}
	for (i = 0; i < 8; i++)
		ck_assert_uint_eq(seen[i], sent[i]);
	ck_assert_uint_gt(c.tx_carried, 0);
	ck_assert_uint_lt(c.tx_carried, c.tx_packets);
}
END_TEST

START_TEST(reply_to_carrier_rides_to_other_is_written)
{
	struct nfq_packet p = {.id = 1, .carrier = true, .pkt.data = v4};
	struct left l[4];
	struct tx tx;

	make(&tx, 1000, 1, 0);
	egress_reply(&e, &p, &tx);
	ck_assert_int_eq(read_all(l), 0);
	p.carrier = false;
	make(&tx, 1000, 2, 0);
	egress_reply(&e, &p, &tx);
	ck_assert_int_eq(read_all(l), 1);
	ck_assert_uint_eq(l[0].n, 2);
	egress_flush(&e);
	ck_assert_int_eq(read_all(l), 1);
	ck_assert_uint_eq(l[0].n, 1);
	ck_assert(l[0].sum_ok);
	ck_assert_uint_eq(c.verdict_reply, 2);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("io_egress");
	TCase *t = tcase_create("egress");

	tcase_add_checked_fixture(t, setup, NULL);
	tcase_add_test(t, small_packet_rides);
	tcase_add_test(t, carriers_of_each_round_are_found);
	tcase_add_test(t, packet_without_carrier_is_written);
	tcase_add_loop_test(t, large_packet_is_written, 0, ARRAY_LEN(large));
	tcase_add_test(t, write_behind_rider_of_same_leg_keeps_order);
	tcase_add_test(t, write_behind_icmp_to_same_peer_keeps_order);
	tcase_add_test(t, write_behind_rider_that_left_costs_no_flush);
	tcase_add_test(t, write_behind_rider_of_other_leg_costs_no_flush);
	tcase_add_loop_test(t, random_mix_keeps_order_of_each_leg, 0, 50);
	tcase_add_test(t, reply_to_carrier_rides_to_other_is_written);
	suite_add_tcase(s, t);
	return s;
}

int main(void)
{
	SRunner *sr = srunner_create(suite());
	int failed;

	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
