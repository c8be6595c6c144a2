/* SPDX-License-Identifier: MIT */
/* LINKS: io/nfq io/nfq_verdict io/counters util/buf util/region util/slab */
/*
 * Messages in and verdicts out, byte by byte; no socket but a socket pair.
 * The queue itself is tested in tests/tools/io_live.c.
 */
#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_queue.h>
#include <linux/netlink.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "io/nfq.h"

#define PACKET_TYPE ((NFNL_SUBSYS_QUEUE << 8) | NFQNL_MSG_PACKET)

static struct buf_pool pool;
static struct buf *b;
static size_t len;

static void setup(void)
{
	ck_assert_int_eq(buf_pool_init(&pool, 1 << 20, NFQ_BATCH), 0);
	b = buf_alloc(&pool, BUF_RX);
	ck_assert_ptr_nonnull(b);
	memset(b->data, 0, 256);
	len = 20;
}

static void teardown(void)
{
	buf_put(b);
	buf_pool_fini(&pool);
}

static void put_attr(uint16_t type, const void *p, size_t n)
{
	uint16_t h[2] = {(uint16_t)(4 + n), type};

	memcpy(b->data + len, h, 4);
	memcpy(b->data + len + 4, p, n);
	len += (4 + n + 3) & ~3u;
}

static void put_u32(uint16_t type, uint32_t v)
{
	uint32_t be = htonl(v);

	put_attr(type, &be, 4);
}

static void put_packet_hdr(uint32_t id)
{
	uint8_t h[7] = {0, 0, 0, 0, 8, 0, 0};

	put_be32(h, id);
	put_attr(NFQA_PACKET_HDR, h, sizeof(h));
}

static void finish(uint16_t type)
{
	struct nlmsghdr h = {.nlmsg_len = (uint32_t)len, .nlmsg_type = type};

	memcpy(b->data, &h, sizeof(h));
}

static const uint8_t ip[40] = {0x45, 0, 0, 40, 1, 2, 3, 4, 64, 6};

START_TEST(packet_plain_is_good_and_whole)
{
	struct nfq_packet p;

	put_packet_hdr(77);
	put_u32(NFQA_IFINDEX_INDEV, 3);
	put_attr(NFQA_PAYLOAD, ip, sizeof(ip));
	finish(PACKET_TYPE);
	ck_assert_int_eq(nfq_parse(b, len, &p), NFQ_MSG_PACKET);
	ck_assert_uint_eq(p.id, 77);
	ck_assert_ptr_eq(p.pkt.buf, b);
	ck_assert_uint_eq(p.pkt.len, sizeof(ip));
	ck_assert_uint_eq(p.pkt.full_len, sizeof(ip));
	ck_assert_mem_eq(p.pkt.data, ip, sizeof(ip));
	ck_assert_int_eq(p.pkt.csum, PACKET_CSUM_GOOD);
	ck_assert(p.carrier);
}
END_TEST

/* The number of lo is 1 in each network namespace. */
START_TEST(packet_tells_whether_it_came_by_loopback)
{
	struct nfq_packet p;

	put_packet_hdr(77);
	put_u32(NFQA_IFINDEX_INDEV, _i);
	put_attr(NFQA_PAYLOAD, ip, sizeof(ip));
	finish(PACKET_TYPE);
	ck_assert_int_eq(nfq_parse(b, len, &p), NFQ_MSG_PACKET);
	ck_assert_int_eq(p.local, _i == 1);
	ck_assert(p.carrier);
}
END_TEST

static const struct {
	uint32_t info;
	enum packet_csum csum;
	bool gso;
} infos[] = {
	{0, PACKET_CSUM_GOOD, false},
	{NFQA_SKB_CSUMNOTREADY, PACKET_CSUM_PARTIAL, false},
	{NFQA_SKB_CSUM_NOTVERIFIED, PACKET_CSUM_VERIFY, false},
	{NFQA_SKB_GSO, PACKET_CSUM_GOOD, true},
	{NFQA_SKB_GSO | NFQA_SKB_CSUMNOTREADY, PACKET_CSUM_PARTIAL, true},
	{NFQA_SKB_GSO | NFQA_SKB_CSUM_NOTVERIFIED, PACKET_CSUM_VERIFY, true},
};

START_TEST(packet_info_sets_csum_and_gso)
{
	struct nfq_packet p;

	put_packet_hdr(1);
	put_u32(NFQA_SKB_INFO, infos[_i].info);
	put_attr(NFQA_PAYLOAD, ip, sizeof(ip));
	finish(PACKET_TYPE);
	ck_assert_int_eq(nfq_parse(b, len, &p), NFQ_MSG_PACKET);
	ck_assert_int_eq(p.pkt.csum, infos[_i].csum);
	ck_assert_int_eq(p.carrier, !infos[_i].gso);
}
END_TEST

START_TEST(packet_cut_off_tells_its_full_length)
{
	struct nfq_packet p;

	put_packet_hdr(1);
	put_u32(NFQA_CAP_LEN, 66000);
	put_attr(NFQA_PAYLOAD, ip, sizeof(ip));
	finish(PACKET_TYPE);
	ck_assert_int_eq(nfq_parse(b, len, &p), NFQ_MSG_PACKET);
	ck_assert_uint_eq(p.pkt.len, sizeof(ip));
	ck_assert_uint_eq(p.pkt.full_len, 66000);
}
END_TEST

START_TEST(packet_id_zero_is_an_id)
{
	struct nfq_packet p;

	put_packet_hdr(0);
	put_attr(NFQA_PAYLOAD, ip, sizeof(ip));
	finish(PACKET_TYPE);
	ck_assert_int_eq(nfq_parse(b, len, &p), NFQ_MSG_PACKET);
}
END_TEST

static const struct {
	uint8_t hook;
	uint8_t ip[7];
	uint8_t len;
	bool carrier;
} carriers[] = {
	{NF_INET_PRE_ROUTING, {0x45}, 40, true},
	{NF_INET_PRE_ROUTING, {0x46}, 44, false},
	{NF_INET_PRE_ROUTING, {0x60, 0, 0, 0, 0, 20, 6}, 60, true},
	{NF_INET_PRE_ROUTING, {0x60, 0, 0, 0, 0, 20, 0}, 60, false},
	{NF_INET_PRE_ROUTING, {0x45}, 28, false},
	{NF_INET_FORWARD, {0x45}, 40, false},
	{NF_INET_LOCAL_IN, {0x45}, 40, false},
};

START_TEST(packet_carries_only_when_plain_and_unrouted)
{
	struct nfq_packet p;
	uint8_t bytes[64] = {0};

	put_packet_hdr(1);
	b->data[len - 2] = carriers[_i].hook;
	memcpy(bytes, carriers[_i].ip, 7);
	put_attr(NFQA_PAYLOAD, bytes, carriers[_i].len);
	finish(PACKET_TYPE);
	ck_assert_int_eq(nfq_parse(b, len, &p), NFQ_MSG_PACKET);
	ck_assert_int_eq(p.carrier, carriers[_i].carrier);
}
END_TEST

/* The kernel would put the answer in the place of a part. */
START_TEST(packet_cut_off_carries_nothing)
{
	struct nfq_packet p;
	uint8_t bytes[40] = {0x45};

	put_packet_hdr(1);
	put_u32(NFQA_CAP_LEN, 41);
	put_attr(NFQA_PAYLOAD, bytes, sizeof(bytes));
	finish(PACKET_TYPE);
	ck_assert_int_eq(nfq_parse(b, len, &p), NFQ_MSG_PACKET);
	ck_assert(!p.carrier);
}
END_TEST

START_TEST(packet_without_id_or_payload_is_bad)
{
	struct nfq_packet p;

	put_attr(NFQA_PAYLOAD, ip, sizeof(ip));
	finish(PACKET_TYPE);
	ck_assert_int_eq(nfq_parse(b, len, &p), NFQ_MSG_BAD);
	len = 20;
	put_packet_hdr(5);
	finish(PACKET_TYPE);
	ck_assert_int_eq(nfq_parse(b, len, &p), NFQ_MSG_BAD);
}
END_TEST

/* Cut the message at every byte: never a read past the end, never a packet
 * before its payload is complete. */
START_TEST(packet_cut_anywhere_is_bad)
{
	struct nfq_packet p;
	size_t n, whole;
	struct buf *cut = buf_alloc(&pool, BUF_RX);

	put_packet_hdr(5);
	put_attr(NFQA_PAYLOAD, ip, sizeof(ip));
	finish(PACKET_TYPE);
	whole = len;
	for (n = 0; n < whole; n++) {
		memset(cut->data, 0xff, 2 * whole);
		memcpy(cut->data, b->data, n);
		ck_assert_int_eq(nfq_parse(cut, n, &p), NFQ_MSG_BAD);
	}
	buf_put(cut);
}
END_TEST

START_TEST(message_kinds_are_told_apart)
{
	struct nfq_packet p;

	len = 36;
	finish(NLMSG_ERROR);
	ck_assert_int_eq(nfq_parse(b, len, &p), NFQ_MSG_ERROR);
	finish(NLMSG_NOOP);
	ck_assert_int_eq(nfq_parse(b, len, &p), NFQ_MSG_OTHER);
}
END_TEST

/* What the kernel would read: one entry per netlink message. */
struct seen {
	uint16_t type, queue;
	uint32_t verdict, id, mark;
	size_t payload_len;
	uint8_t payload[NFQ_RIDE_MAX];
};

static void read_attr(struct seen *s, const uint8_t *a)
{
	uint16_t alen, type;

	memcpy(&alen, a, 2);
	memcpy(&type, a + 2, 2);
	if (type == NFQA_VERDICT_HDR) {
		s->verdict = get_be32(a + 4);
		s->id = get_be32(a + 8);
	} else if (type == NFQA_MARK) {
		s->mark = get_be32(a + 4);
	} else if (type == NFQA_PAYLOAD) {
		s->payload_len = alen - 4u;
		memcpy(s->payload, a + 4, alen - 4u);
	} else {
		ck_abort_msg("attribute %u", type);
	}
}

static int read_datagram(int fd, struct seen *s, int max)
{
	uint8_t d[sizeof(struct nfq_verdicts)];
	ssize_t n = recv(fd, d, sizeof(d), MSG_DONTWAIT);
	size_t off, a;
	uint16_t alen;
	uint32_t mlen;
	int i = 0;

	for (off = 0; n > 0 && off < (size_t)n; off += mlen, i++) {
		ck_assert_int_lt(i, max);
		memset(&s[i], 0, sizeof(s[i]));
		memcpy(&mlen, d + off, 4);
		memcpy(&s[i].type, d + off + 4, 2);
		s[i].type &= 0xff;
		s[i].queue = get_be16(d + off + 18);
		for (a = off + 20; a < off + mlen; a += (alen + 3u) & ~3u) {
			memcpy(&alen, d + a, 2);
			read_attr(&s[i], d + a);
		}
		ck_assert_uint_eq(a, off + mlen);
	}
	return i;
}

static struct nfq q;
static struct nfq_verdicts v;
static struct io_counters c;
static int kernel;

static void setup_verdicts(void)
{
	int fds[2];

	setup();
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_DGRAM, 0, fds), 0);
	memset(&v, 0, sizeof(v));
	memset(&c, 0, sizeof(c));
	q = (struct nfq){.fd = fds[0], .proc_fd = -1, .queue = 258};
	kernel = fds[1];
}

static void teardown_verdicts(void)
{
	close(q.fd);
	close(kernel);
	teardown();
}

static const uint8_t first_byte[2] = {0x45, 0x60};

/* Packet @id: family 4 or 6 when it may carry another, else 0. */
static struct nfq_packet packet(uint32_t id, uint8_t family)
{
	struct nfq_packet p = {.id = id, .carrier = family != 0};

	p.pkt.data = &first_byte[family == 6];
	return p;
}

static void add(uint32_t id, uint8_t family, enum nfq_action action)
{
	struct nfq_packet p = packet(id, family);

	nfq_verdict_add(&v, &p, action);
}

START_TEST(verdicts_run_of_drops_is_one_batch)
{
	struct seen s[4];

	add(10, 4, NFQ_DROP);
	add(11, 4, NFQ_DROP);
	add(12, 4, NFQ_DROP);
	nfq_verdict_flush(&q, &v, &c);
	ck_assert_int_eq(read_datagram(kernel, s, 4), 1);
	ck_assert_uint_eq(s[0].type, NFQNL_MSG_VERDICT_BATCH);
	ck_assert_uint_eq(s[0].queue, 258);
	ck_assert_uint_eq(s[0].verdict, NF_DROP);
	ck_assert_uint_eq(s[0].id, 12);
	ck_assert_uint_eq(c.verdict_sends, 1);
}
END_TEST

/* A batch verdict after an accepted packet must not come before it. */
START_TEST(verdicts_mixed_keep_arrival_order)
{
	struct seen s[8];

	add(1, 4, NFQ_DROP);
	add(2, 4, NFQ_DROP);
	add(3, 4, NFQ_ACCEPT);
	add(4, 4, NFQ_ACCEPT);
	add(5, 4, NFQ_DROP);
	nfq_verdict_flush(&q, &v, &c);
	ck_assert_int_eq(read_datagram(kernel, s, 8), 4);
	ck_assert_uint_eq(s[0].id, 2);
	ck_assert_uint_eq(s[0].type, NFQNL_MSG_VERDICT_BATCH);
	ck_assert_uint_eq(s[1].id, 3);
	ck_assert_uint_eq(s[1].type, NFQNL_MSG_VERDICT);
	ck_assert_uint_eq(s[1].verdict, NF_ACCEPT);
	ck_assert_uint_eq(s[1].mark, 0);
	ck_assert_uint_eq(s[2].id, 4);
	ck_assert_uint_eq(s[3].id, 5);
	ck_assert_uint_eq(s[3].verdict, NF_DROP);
}
END_TEST

/* To another queue: NF_QUEUE with its number, and a batch before it ends. */
START_TEST(verdict_move_names_the_queue)
{
	struct nfq_packet p = packet(2, 4);
	struct seen s[8];

	add(1, 4, NFQ_DROP);
	nfq_verdict_move(&v, &p, 513);
	add(3, 4, NFQ_DROP);
	nfq_verdict_flush(&q, &v, &c);
	ck_assert_int_eq(read_datagram(kernel, s, 8), 3);
	ck_assert_uint_eq(s[1].type, NFQNL_MSG_VERDICT);
	ck_assert_uint_eq(s[1].id, 2);
	ck_assert_uint_eq(s[1].verdict, 513u << 16 | NF_QUEUE);
}
END_TEST

START_TEST(verdict_reply_carries_answer_and_mark)
{
	struct nfq_packet p = packet(9, 4);
	struct tx tx = {.hdr_len = 54};
	struct seen s[2];
	int i;

	for (i = 0; i < 54; i++)
		tx.hdr[i] = (uint8_t)(i + 1);
	q.mark = 0x51000000;
	nfq_verdict_reply(&v, &p, &tx);
	nfq_verdict_flush(&q, &v, &c);
	ck_assert_int_eq(read_datagram(kernel, s, 2), 1);
	ck_assert_uint_eq(s[0].verdict, NF_ACCEPT);
	ck_assert_uint_eq(s[0].id, 9);
	ck_assert_uint_eq(s[0].mark, 0x51000000);
	ck_assert_uint_eq(s[0].payload_len, 54);
	ck_assert_mem_eq(s[0].payload, tx.hdr, 54);
}
END_TEST

/* The worst batch: every packet replaced at full length.  It takes several
 * datagrams; order and bytes stay. */
START_TEST(verdicts_worst_batch_is_sent_in_parts)
{
	static struct seen s[NFQ_BATCH];
	static uint8_t body[NFQ_RIDE_MAX - 54];
	struct tx tx = {.hdr_len = 54, .payload = sizeof(body), .niov = 2};
	struct nfq_packet p;
	int n, got = 0;
	uint32_t i;

	memset(body, 0xee, sizeof(body));
	tx.iov[0] = (struct iovec){body, 100};
	tx.iov[1] = (struct iovec){body + 100, sizeof(body) - 100};
	q.mark = 1;
	for (i = 0; i < NFQ_BATCH; i++) {
		p = packet(i, 6);
		tx.hdr[0] = (uint8_t)i;
		nfq_verdict_reply(&v, &p, &tx);
	}
	nfq_verdict_flush(&q, &v, &c);
	while ((n = read_datagram(kernel, s + got, NFQ_BATCH - got)))
		got += n;
	ck_assert_int_eq(got, NFQ_BATCH);
	ck_assert_uint_gt(c.verdict_sends, 1);
	for (i = 0; i < NFQ_BATCH; i++) {
		ck_assert_uint_eq(s[i].id, i);
		ck_assert_uint_eq(s[i].payload_len, NFQ_RIDE_MAX);
		ck_assert_uint_eq(s[i].payload[0], i);
		ck_assert_uint_eq(s[i].payload[54], 0xee);
		ck_assert_uint_eq(s[i].payload[NFQ_RIDE_MAX - 1], 0xee);
	}
}
END_TEST

static bool carry(uint8_t family, uint8_t mark)
{
	struct tx tx = {.hdr_len = 40, .hdr = {mark}, .family = family};
	struct nfq_slot *slot = nfq_verdict_carrier(&v, &tx);

	if (slot)
		nfq_verdict_carry(slot, &tx);
	return slot;
}

/* Riders take dropped carriers of their own family, oldest first; the rest
 * stays dropped, each run in its place. */
START_TEST(verdicts_carry_in_dropped_of_same_family)
{
	struct seen s[8];

	add(1, 0, NFQ_DROP);
	add(2, 4, NFQ_ACCEPT);
	add(3, 6, NFQ_DROP);
	add(4, 4, NFQ_DROP);
	add(5, 4, NFQ_DROP);
	add(6, 4, NFQ_DROP);
	ck_assert(carry(4, 0xa));
	ck_assert(carry(4, 0xb));
	ck_assert(carry(6, 0xc));
	ck_assert(!carry(6, 0xd));
	nfq_verdict_flush(&q, &v, &c);
	ck_assert_int_eq(read_datagram(kernel, s, 8), 6);
	ck_assert_uint_eq(s[0].id, 1);
	ck_assert_uint_eq(s[0].verdict, NF_DROP);
	ck_assert_uint_eq(s[1].id, 2);
	ck_assert_uint_eq(s[1].payload_len, 0);
	ck_assert_uint_eq(s[2].id, 3);
	ck_assert_uint_eq(s[2].payload[0], 0xc);
	ck_assert_uint_eq(s[3].id, 4);
	ck_assert_uint_eq(s[3].payload[0], 0xa);
	ck_assert_uint_eq(s[4].id, 5);
	ck_assert_uint_eq(s[4].payload[0], 0xb);
	ck_assert_uint_eq(s[4].verdict, NF_ACCEPT);
	ck_assert_uint_eq(s[5].id, 6);
	ck_assert_uint_eq(s[5].verdict, NF_DROP);
	ck_assert(!carry(4, 0xe));
}
END_TEST

/* What came by lo has its route already, so it takes nothing but answers: its
 * sender is the only address that is known to be here. */
START_TEST(verdict_of_loopback_carries_to_its_sender_alone)
{
	static const struct {
		uint8_t family, src, dst, len;
	} at[] = {{4, 12, 16, 4}, {6, 8, 24, 16}};
	const uint8_t family = at[_i].family;
	uint8_t hdr[40] = {(uint8_t)(family << 4)};
	struct nfq_packet p = packet(1, family);
	struct tx tx = {.hdr_len = 40, .family = family};

	memset(hdr + at[_i].src, 7, at[_i].len);
	memset(tx.hdr + at[_i].dst, 7, at[_i].len);
	tx.hdr[at[_i].dst + at[_i].len - 1] = 8;
	p.pkt.data = hdr;
	p.local = true;
	nfq_verdict_add(&v, &p, NFQ_DROP);
	ck_assert_ptr_null(nfq_verdict_carrier(&v, &tx));
	nfq_verdict_add(&v, &p, NFQ_DROP);
	p.local = false;
	nfq_verdict_add(&v, &p, NFQ_DROP);
	ck_assert_ptr_eq(nfq_verdict_carrier(&v, &tx), &v.slot[2]);
	memset(&v, 0, sizeof(v));
	p.local = true;
	nfq_verdict_add(&v, &p, NFQ_DROP);
	tx.hdr[at[_i].dst + at[_i].len - 1] = 7;
	ck_assert_ptr_eq(nfq_verdict_carrier(&v, &tx), &v.slot[0]);
}
END_TEST

START_TEST(verdicts_none_sends_nothing)
{
	struct seen s[1];

	nfq_verdict_flush(&q, &v, &c);
	ck_assert_int_eq(read_datagram(kernel, s, 1), 0);
	ck_assert_uint_eq(c.verdict_sends, 0);
}
END_TEST

static void send_bytes(size_t n)
{
	static uint8_t junk[BUF_RX_SIZE];

	ck_assert_int_eq(send(kernel, junk, n, 0), (ssize_t)n);
}

START_TEST(ring_kept_buffer_is_replaced)
{
	struct nfq_ring *r = calloc(1, sizeof(*r));
	struct buf *kept, *other;

	nfq_ring_init(r, &pool);
	send_bytes(100);
	send_bytes(200);
	ck_assert_int_eq(nfq_recv(&q, r, 4, &c), 2);
	ck_assert_uint_eq(r->msg[1].msg_len, 200);
	kept = buf_get(r->buf[0]);
	other = r->buf[1];
	ck_assert_int_eq(nfq_recv(&q, r, 4, &c), 0);
	ck_assert_ptr_ne(r->buf[0], kept);
	ck_assert_ptr_eq(r->iov[0].iov_base, r->buf[0]->data);
	ck_assert_ptr_eq(r->buf[1], other);
	ck_assert_uint_eq(kept->refs, 1);
	buf_put(kept);
	nfq_ring_fini(r);
	free(r);
}
END_TEST

/* The pool's limit leaves room for some; the rest of the batch waits. */
START_TEST(ring_short_of_buffers_receives_fewer)
{
	struct nfq_ring *r = calloc(1, sizeof(*r));
	struct buf *held[256] = {NULL};
	int i, n = 0;

	nfq_ring_init(r, &pool);
	while (n < 256 && (held[n] = buf_alloc_reserve(&pool)))
		n++;
	ck_assert_int_lt(n, 256);
	ck_assert_int_eq(nfq_recv(&q, r, 8, &c), -ENOBUFS);
	buf_put(held[--n]);
	buf_put(held[--n]);
	for (i = 0; i < 3; i++)
		send_bytes(100);
	ck_assert_int_eq(nfq_recv(&q, r, 8, &c), 2);
	ck_assert_uint_eq(c.rx_no_buffer, 2);
	while (n)
		buf_put(held[--n]);
	ck_assert_int_eq(nfq_recv(&q, r, 8, &c), 1);
	nfq_ring_fini(r);
	free(r);
}
END_TEST

START_TEST(counters_walk_names_every_field)
{
	const size_t fields = sizeof(struct io_counters) / 8;
	const char *help;
	uint64_t value;
	uint32_t i;

	c.rx_packets = 7;
	c.timer_expiries = 9;
	for (i = 0; io_counter_get(&c, i, &value, &help); i++) {
		ck_assert_ptr_nonnull(help);
		if (i == 0)
			ck_assert_uint_eq(value, 7);
	}
	ck_assert_uint_eq(i, fields);
	ck_assert_uint_eq(value, 9);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("io_nfq");
	TCase *parse = tcase_create("parse");
	TCase *verdict = tcase_create("verdict");

	tcase_add_checked_fixture(parse, setup, teardown);
	tcase_add_test(parse, packet_plain_is_good_and_whole);
	tcase_add_loop_test(parse, packet_tells_whether_it_came_by_loopback, 1,
			    3);
	tcase_add_loop_test(parse, packet_info_sets_csum_and_gso, 0,
			    ARRAY_LEN(infos));
	tcase_add_test(parse, packet_cut_off_tells_its_full_length);
	tcase_add_test(parse, packet_id_zero_is_an_id);
	tcase_add_loop_test(parse, packet_carries_only_when_plain_and_unrouted,
			    0, ARRAY_LEN(carriers));
	tcase_add_test(parse, packet_cut_off_carries_nothing);
	tcase_add_test(parse, packet_without_id_or_payload_is_bad);
	tcase_add_test(parse, packet_cut_anywhere_is_bad);
	tcase_add_test(parse, message_kinds_are_told_apart);
	suite_add_tcase(s, parse);

	tcase_add_checked_fixture(verdict, setup_verdicts, teardown_verdicts);
	tcase_add_test(verdict, verdicts_run_of_drops_is_one_batch);
	tcase_add_test(verdict, verdicts_mixed_keep_arrival_order);
	tcase_add_test(verdict, verdict_move_names_the_queue);
	tcase_add_test(verdict, verdict_reply_carries_answer_and_mark);
	tcase_add_test(verdict, verdicts_worst_batch_is_sent_in_parts);
	tcase_add_test(verdict, verdicts_carry_in_dropped_of_same_family);
	tcase_add_loop_test(
		verdict, verdict_of_loopback_carries_to_its_sender_alone, 0, 2);
	tcase_add_test(verdict, verdicts_none_sends_nothing);
	tcase_add_test(verdict, ring_kept_buffer_is_replaced);
	tcase_add_test(verdict, ring_short_of_buffers_receives_fewer);
	tcase_add_test(verdict, counters_walk_names_every_field);
	suite_add_tcase(s, verdict);
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
