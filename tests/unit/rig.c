/* SPDX-License-Identifier: MIT */
/* The bench; see rig.h. */
#include "rig.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "util/pcapng.h"

#define RIG_TSVAL 777000u

static uint8_t flat[66 * 1024];
static uint8_t payload[66 * 1024];

uint8_t rig_byte_ours(uint32_t o)
{
	return (uint8_t)(o * 7 + (o >> 8) * 13 + 1);
}

uint8_t rig_byte_peer(uint32_t o)
{
	return (uint8_t)(o * 11 + (o >> 8) * 29 + 2);
}

/*
 * With RIG_PCAPNG=DIR in the environment the packets of each test are written
 * to DIR/PROGRAM.PID.pcapng: libcheck runs each test in a process of its own.
 */
static FILE *capture;

static void capture_begin(void)
{
	const char *dir = getenv("RIG_PCAPNG");
	char path[512];

	if (!dir || capture)
		return;
	snprintf(path, sizeof(path), "%s/%s.%d.pcapng", dir,
		 program_invocation_short_name, (int)getpid());
	capture = fopen(path, "w");
	if (!capture)
		ck_abort_msg("%s: %s", path, strerror(errno));
	pcapng_begin(capture, "penstock test bench");
	pcapng_interface(capture, "leg");
}

static void capture_put(const void *data, uint32_t len, enum pcapng_dir dir,
			mono_t now)
{
	const struct pcapng_packet p = {.us = now.us,
					.dir = dir,
					.data = data,
					.len = len,
					.full_len = len};

	pcapng_packet(capture, &p);
	/* a test that fails does not come back */
	if (fflush(capture))
		ck_abort_msg("the capture cannot be written");
}

static void capture_out(const void *data, uint32_t len, mono_t now)
{
	if (capture)
		capture_put(data, len, PCAPNG_OUT, now);
}

/* What the peer sends is a parsed segment; write it as it would have come. */
static void capture_in(const struct segment *s, mono_t now)
{
	static uint8_t bytes[70 * 1024];
	struct tuple back = {.local = s->t.remote,
			     .remote = s->t.local,
			     .lport = s->t.rport,
			     .rport = s->t.lport};
	struct hdr_spec h = {.t = &back,
			     .opts = &s->opts,
			     .seq = s->seq,
			     .ack = s->ack,
			     .flags = s->flags,
			     .wnd = s->wnd,
			     .urg = s->urg,
			     .tos = s->ecn,
			     .ttl = s->ttl,
			     .df = true};
	static struct tx tx;

	if (!capture)
		return;
	tx.iov[0].iov_base = (void *)(uintptr_t)s->data.p;
	tx.iov[0].iov_len = s->data.len;
	tx.niov = s->data.len != 0;
	tx.payload = s->data.len;
	tx.gso_size = 0;
	wire_build(&tx, &h, s->data.len);
	wire_csum_finish(&tx);
	memcpy(bytes, tx.hdr, tx.hdr_len);
	if (s->data.len)
		memcpy(bytes + tx.hdr_len, s->data.p, s->data.len);
	capture_put(bytes, tx.hdr_len + s->data.len, PCAPNG_IN, now);
}

/* As the engine: what may be taken shrinks as the pool fills. */
static uint64_t rig_share(struct leg *l, enum leg_share what)
{
	const struct buf_pool *p = l->env->pool;
	uint64_t left = p->limit > p->held ? p->limit - p->held : 0;

	if (what != LEG_SHARE_WINDOW)
		return UINT64_MAX;
	return left > p->limit / 2 ? left : 0;
}

void rig_init_side(struct rig *r, enum leg_side side)
{
	memset(r, 0, sizeof(*r));
	opt_defaults(tcp_options, &r->cfg);
	r->cfg.rmem[2] = 6291456; /* a window scale of 7 */
	r->now = (mono_t){SECS(1000)};
	capture_begin();
	ck_assert_int_eq(buf_pool_init(&r->pool, 64u << 20, 8), 0);
	ck_assert_int_eq(slab_init(&r->runs, sizeof(struct run), 2 * RUNS_MAX),
			 0);
	ck_assert_int_eq(slab_init(&r->ooo, sizeof(struct ooo), 4096), 0);
	ck_assert_int_eq(slab_init(&r->bbrs, sizeof(struct leg_bbr), 4), 0);
	wheel_init(&r->wheel, r->now);
	prng_seed(&r->rng, 1);
	bufq_init(&r->sink);
	r->env = (struct leg_env){.pool = &r->pool,
				  .runs = &r->runs,
				  .ooo = &r->ooo,
				  .bbrs = &r->bbrs,
				  .wheel = &r->wheel,
				  .rng = &r->rng,
				  .stats = &r->stats,
				  .share = rig_share};
	r->t.local = ipaddr_v4((const uint8_t[]){198, 51, 100, 80});
	r->t.remote = ipaddr_v4((const uint8_t[]){192, 0, 2, 7});
	r->t.lport = 443;
	r->t.rport = 40000;
	r->wnd = 60000;
	r->tsval = RIG_TSVAL;
	leg_init(&r->l, &r->env, &r->cfg, side, &r->t, &r->sink);
}

void rig_init(struct rig *r)
{
	rig_init_side(r, LEG_CLIENT);
}

void rig_fini(struct rig *r)
{
	leg_fini(&r->l);
	bufq_purge(&r->sink, &r->pool);
	ck_assert_uint_eq(r->runs.used, 0);
	ck_assert_uint_eq(r->ooo.used, 0);
	ck_assert_uint_eq(r->bbrs.used, 0);
	ck_assert_uint_eq(r->pool.held, 0);
	ck_assert_uint_eq(r->wheel.armed, 0);
	slab_fini(&r->runs);
	slab_fini(&r->bbrs);
	slab_fini(&r->ooo);
	buf_pool_fini(&r->pool);
}

/* Every payload byte is the one that belongs at its place. */
static void check_payload(const struct segment *s)
{
	uint32_t off = seq_span(s->seq, rig_ours(0));

	for (uint32_t i = 0; i < s->data.len; i++)
		rig_must(s->data.p[i] == rig_byte_ours(off + i),
			 "wrong byte sent at offset %u", off + i);
}

/* The right edge of the window never retreats (RFC 9293, 3.8.6), except that
 * the unscaled field of a repeated SYN-ACK cannot say what was rounded up. */
static void check_edge(struct rig *r, const struct segment *s)
{
	uint32_t scale = r->l.wscale_ok ? r->l.rcv.wscale : 0;
	uint32_t shift = s->flags & TCP_SYN ? 0 : scale;
	seq_t edge = seq_add(s->ack, (uint32_t)s->wnd << shift);

	if (!(s->flags & TCP_ACK) || s->flags & TCP_RST)
		return;
	if (s->flags & TCP_SYN && r->edge_valid &&
	    seq_span(r->edge, edge) < BIT(scale))
		return;
	rig_must(!r->edge_valid || seq_ge(edge, r->edge),
		 "window edge retreats by %d", seq_diff(r->edge, edge));
	rig_must(seq_le(edge, r->l.rcv.adv),
		 "%d bytes more are promised than the leg knows of",
		 seq_diff(edge, r->l.rcv.adv));
	r->edge = edge;
	r->edge_valid = true;
}

static void record(struct rig *r, const struct segment *s)
{
	struct rig_tx *t = &r->tx[r->ntx];

	rig_must(r->ntx < RIG_TX_MAX, "more than %d segments", RIG_TX_MAX);
	t->s = *s;
	t->s.data.p = NULL;
	t->off = seq_span(s->seq, rig_ours(0));
	t->end = t->off + s->data.len;
	t->at = r->now;
	if (s->opts.has & OPT_HAS_TS)
		r->tsecr = s->opts.tsval;
	r->ntx++;
}

/* Cut it up as the kernel does. */
static void record_gso(struct rig *r, const struct segment *whole,
		       uint32_t size)
{
	struct segment s = *whole;
	uint32_t left = whole->data.len;

	if (!size || left <= size) {
		record(r, whole);
		return;
	}
	while (left) {
		s.data.len = min_u32(left, size);
		left -= s.data.len;
		s.flags = whole->flags;
		if (left)
			s.flags &= (uint16_t) ~(TCP_FIN | TCP_PSH);
		record(r, &s);
		s.seq = seq_add(s.seq, s.data.len);
	}
}

static void take(struct rig *r, struct tx *tx)
{
	struct packet p = {.data = flat, .csum = PACKET_CSUM_VERIFY};
	uint32_t len = tx->hdr_len, got = 0;
	enum drop_reason why;
	struct segment s;
	struct icmp_error icmp;

	wire_csum_finish(tx);
	memcpy(flat, tx->hdr, len);
	for (uint32_t i = 0; i < tx->niov; i++) {
		memcpy(flat + len, tx->iov[i].iov_base, tx->iov[i].iov_len);
		len += (uint32_t)tx->iov[i].iov_len;
		got += (uint32_t)tx->iov[i].iov_len;
	}
	rig_must(got == tx->payload, "payload %u, slices %u", tx->payload, got);
	p.len = p.full_len = len;
	capture_out(flat, len, r->now);
	rig_must(wire_parse(&p, &s, &icmp, &why) == PARSE_SEGMENT,
		 "a packet that does not parse: %s", drop_reason_name[why]);
	rig_must(ipaddr_eq(&s.t.local, &r->t.remote) &&
			 ipaddr_eq(&s.t.remote, &r->t.local),
		 "wrong addresses");
	check_payload(&s);
	check_edge(r, &s);
	record_gso(r, &s, tx->gso_size);
}

static void check(struct rig *r)
{
	const char *err = leg_check(&r->l);

	rig_must(!err, "leg_check: %s", err ? err : "");
}

void rig_pump(struct rig *r)
{
	static struct tx tx;

	while (!r->mute && leg_output(&r->l, &tx, r->now))
		take(r, &tx);
	leg_arm(&r->l);
	check(r);
}

struct segment rig_syn(struct rig *r, uint8_t has)
{
	struct segment s = {.t = r->t,
			    .seq = SEQ(RIG_IRS),
			    .flags = TCP_SYN,
			    .wnd = r->wnd,
			    .family = 4,
			    .ttl = 64};

	s.opts.has = has;
	s.opts.mss = 1460;
	s.opts.wscale = RIG_WS;
	s.opts.tsval = (uint32_t)(r->now.us / USEC_PER_MSEC) + r->tsval;
	return s;
}

void rig_listen(struct rig *r, uint8_t has)
{
	struct segment s = rig_syn(r, has);

	leg_open_passive(&r->l, &s, SEQ(RIG_ISS), 12345, r->now);
	rig_pump(r);
}

void rig_syn_received(struct rig *r, uint8_t has)
{
	rig_listen(r, has);
	leg_accept(&r->l, r->now);
	rig_pump(r);
	ck_state(r, TS_SYN_RECEIVED);
}

void rig_syn_sent(struct rig *r)
{
	leg_open_active(&r->l, SEQ(RIG_ISS), 12345, NULL, r->now);
	rig_pump(r);
	ck_state(r, TS_SYN_SENT);
}

/* From SYN_RECEIVED on. */
static void complete(struct rig *r, int64_t rtt_us)
{
	rig_run(r, rtt_us);
	ck_drop(rig_ack(r, 0), DROP_NONE);
	ck_state(r, TS_ESTABLISHED);
	r->l.ev = 0;
	rig_clear(r);
}

void rig_establish_rtt(struct rig *r, uint8_t has, int64_t rtt_us)
{
	rig_syn_received(r, has);
	complete(r, rtt_us);
}

void rig_establish_ecn(struct rig *r, uint8_t has, int64_t rtt_us)
{
	struct segment s = rig_syn(r, has);

	s.flags |= TCP_ECE | TCP_CWR;
	leg_open_passive(&r->l, &s, SEQ(RIG_ISS), 1, r->now);
	leg_accept(&r->l, r->now);
	rig_pump(r);
	complete(r, rtt_us);
}

void rig_establish(struct rig *r, uint8_t has)
{
	rig_establish_rtt(r, has, MS(10));
}

struct segment rig_seg(struct rig *r, uint16_t flags, uint32_t len)
{
	struct segment s = {.t = r->t,
			    .seq = rig_peer(r->pnxt),
			    .ack = rig_ours(r->acked),
			    .flags = flags,
			    .wnd = r->wnd,
			    .family = 4,
			    .ttl = 64,
			    .ecn = r->ecn};

	s.data.len = len;
	if (r->l.ts_ok) {
		s.opts.has = OPT_HAS_TS;
		s.opts.tsval = (uint32_t)(r->now.us / USEC_PER_MSEC) + r->tsval;
		s.opts.tsecr = r->tsecr;
	}
	return s;
}

/* What the peer's stream has at the segment's place. */
static void fill(struct segment *s)
{
	uint32_t off = seq_span(s->seq, rig_peer(0)) + !!(s->flags & TCP_SYN);

	rig_must(s->data.len <= sizeof(payload), "payload too long");
	for (uint32_t i = 0; i < s->data.len; i++)
		payload[i] = rig_byte_peer(off + i);
	s->data.p = payload;
	s->data.buf = NULL;
}

enum drop_reason rig_in(struct rig *r, struct segment *s)
{
	enum drop_reason why;

	if (!s->data.p)
		fill(s);
	capture_in(s, r->now);
	why = leg_input(&r->l, s, r->now);
	check(r);
	rig_pump(r);
	return why;
}

enum drop_reason rig_sack(struct rig *r, uint32_t off, uint32_t n,
			  const uint32_t *blocks)
{
	struct segment s;

	r->acked = off;
	s = rig_seg(r, TCP_ACK, 0);
	for (uint32_t i = 0; i < n; i++) {
		s.opts.sack[i].start = rig_ours(blocks[2 * i]);
		s.opts.sack[i].end = rig_ours(blocks[2 * i + 1]);
	}
	s.opts.nsack = (uint8_t)n;
	return rig_in(r, &s);
}

enum drop_reason rig_ack(struct rig *r, uint32_t off)
{
	return rig_sack(r, off, 0, NULL);
}

enum drop_reason rig_data(struct rig *r, uint32_t off, uint32_t len)
{
	struct segment s = rig_seg(r, TCP_ACK | TCP_PSH, len);

	s.seq = rig_peer(off);
	if (off + len > r->pnxt)
		r->pnxt = off + len;
	return rig_in(r, &s);
}

void rig_write(struct rig *r, uint32_t len)
{
	uint8_t b[4000];

	while (len) {
		struct slice d = {.p = b, .len = min_u32(len, sizeof(b))};

		for (uint32_t i = 0; i < d.len; i++)
			b[i] = rig_byte_ours(r->written + i);
		ck_assert_int_eq(bufq_append(&r->l.snd.q, &r->pool, &d), 0);
		r->written += d.len;
		len -= d.len;
	}
	rig_pump(r);
}

void rig_close(struct rig *r)
{
	leg_shutdown(&r->l);
	rig_pump(r);
}

static void check_read(const struct rig *r, const uint8_t *p, uint32_t len)
{
	for (uint32_t k = 0; k < len && !r->wrong; k++)
		rig_must(p[k] == rig_byte_peer(r->read + k),
			 "wrong byte delivered at offset %u", r->read + k);
}

void rig_read(struct rig *r, uint32_t len)
{
	struct iovec v[64];
	uint32_t got;

	ck_assert_uint_le(len, r->sink.bytes);
	while (len) {
		int n = bufq_peek(&r->sink, 0, len, v, 64, &got);

		for (int i = 0; i < n; i++) {
			const uint8_t *p = v[i].iov_base;

			check_read(r, p, (uint32_t)v[i].iov_len);
			r->read += (uint32_t)v[i].iov_len;
		}
		bufq_consume(&r->sink, &r->pool, got);
		len -= got;
	}
	leg_sink_drained(&r->l, 0, r->now);
	rig_pump(r);
}

static void on_timer(struct wtimer *t, mono_t now, void *arg)
{
	struct rig *r = arg;

	ck_assert_ptr_eq(t, &r->l.tmr.timer);
	leg_timeout(&r->l, now);
}

void rig_run(struct rig *r, int64_t us)
{
	mono_t end = mono_add(r->now, us);

	for (;;) {
		mono_t d = wheel_deadline(&r->wheel);

		if (mono_before(end, d))
			break;
		if (mono_before(r->now, d))
			r->now = d;
		wheel_expire(&r->wheel, r->now, on_timer, r);
		rig_pump(r);
	}
	r->now = end;
}

static void fin_in(struct rig *r)
{
	struct segment s = rig_seg(r, TCP_ACK | TCP_FIN, 0);

	ck_drop(rig_in(r, &s), DROP_NONE);
	r->pnxt++;
}

void rig_goto(struct rig *r, enum tcp_state st)
{
	switch (st) {
	case TS_CLOSED:
		break;
	case TS_LISTEN:
		rig_listen(r, RIG_ALL);
		break;
	case TS_SYN_SENT:
		rig_syn_sent(r);
		break;
	case TS_SYN_RECEIVED:
		rig_syn_received(r, RIG_ALL);
		break;
	default:
		rig_establish(r, RIG_ALL);
		break;
	}
	if (st == TS_CLOSE_WAIT || st == TS_LAST_ACK)
		fin_in(r);
	if (st > TS_ESTABLISHED && st != TS_CLOSE_WAIT)
		rig_close(r);
	if (st == TS_CLOSING)
		fin_in(r);
	if (st == TS_FIN_WAIT_2 || st == TS_TIME_WAIT)
		ck_drop(rig_ack(r, 1), DROP_NONE);
	if (st == TS_TIME_WAIT)
		fin_in(r);
	ck_state(r, st);
	r->l.ev = 0;
	rig_clear(r);
}

int rig_main(const char *name, TCase *tc)
{
	Suite *s = suite_create(name);
	SRunner *sr;
	int failed;

	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
