/* SPDX-License-Identifier: MIT */
/*
 * Every segment in every state.
 *
 * For each of the 11 states, 64 flag sets, positions of the sequence number
 * and classes of the acknowledgment a fresh leg is brought into the state by
 * legal segments, the segment goes through wire's parser into the leg, and
 * what happened is printed as one line:
 *
 *	STATE seq RST SYN ack text FIN URG outcome
 *
 * PSH stands for text: a segment with PSH has 20 bytes, one without has none.
 * fold.py turns the lines into the table golden.txt.
 *
 * Before the segment the peer has sent 100 bytes and we 200, of which 100 are
 * acknowledged (in the states where that is possible), so below and inside,
 * old and valid differ from the borders.
 */
#include <stdio.h>
#include <stdlib.h>

#include "../unit/rig.h"

enum pos {
	POS_BELOW,
	POS_IRS,
	POS_REPEAT,
	POS_AT,
	POS_INSIDE,
	POS_ABOVE,
	POS_COUNT
};
enum ack {
	ACK_ABSENT,
	ACK_OLD,
	ACK_UNA,
	ACK_VALID,
	ACK_FUTURE,
	ACK_COUNT
};

static const char *const pos_name[POS_COUNT] = {"below", "irs",	   "repeat",
						"at",	 "inside", "above"};
static const char *const ack_name[ACK_COUNT] = {"none", "old", "una", "valid",
						"future"};

#define TEXT 20u

static struct rig r;
static FILE *out;
static const char *path;

/* What has to be the same for the segment to have had no effect. */
struct before {
	seq_t una, rcv_nxt;
	uint32_t sink, ooo;
	mono_t close;
	bool fin_known;
};

static void exchange(enum tcp_state st)
{
	if (st == TS_CLOSED || st == TS_LISTEN || st == TS_SYN_SENT ||
	    st == TS_SYN_RECEIVED) {
		rig_goto(&r, st);
		return;
	}
	rig_establish(&r, RIG_ALL);
	rig_data(&r, 0, 100);
	rig_read(&r, 100);
	rig_write(&r, 100);
	rig_ack(&r, 100);
	rig_write(&r, 100);
}

static void peer_fin(void)
{
	struct segment s = rig_seg(&r, TCP_ACK | TCP_FIN, 0);

	rig_in(&r, &s);
	r.pnxt++;
}

/* rig_goto() with bytes on the way in both directions. */
static void enter(enum tcp_state st)
{
	exchange(st);
	if (st == TS_CLOSE_WAIT || st == TS_LAST_ACK)
		peer_fin();
	if (st > TS_ESTABLISHED && st != TS_CLOSE_WAIT)
		rig_close(&r);
	if (st == TS_CLOSING)
		peer_fin();
	if (st == TS_FIN_WAIT_2 || st == TS_TIME_WAIT)
		rig_ack(&r, 201);
	if (st == TS_TIME_WAIT)
		peer_fin();
	ck_assert_int_eq(r.l.state, st);
	r.l.ev = 0;
	rig_clear(&r);
}

static seq_t seq_of(enum pos p, uint16_t flags)
{
	uint32_t len = (flags & TCP_PSH ? TEXT : 0) + !!(flags & TCP_SYN) +
		       !!(flags & TCP_FIN);

	switch (p) {
	case POS_BELOW:
		return seq_sub(r.l.rcv.nxt, 60);
	case POS_IRS:
		return r.l.rcv.irs;
	case POS_REPEAT:
		return seq_sub(r.l.rcv.nxt, max_u32(len, 1));
	case POS_INSIDE:
		return seq_add(r.l.rcv.nxt, 50);
	case POS_ABOVE:
		return seq_add(r.l.rcv.adv, 100);
	default:
		return r.l.rcv.nxt;
	}
}

static seq_t ack_of(enum ack a)
{
	switch (a) {
	case ACK_OLD:
		return seq_sub(r.l.snd.una, 50);
	case ACK_UNA:
		return r.l.snd.una;
	case ACK_VALID:
		return r.l.snd.nxt;
	case ACK_FUTURE:
		return seq_add(r.l.snd.nxt, 50);
	default:
		return SEQ(0);
	}
}

/* The segment as a packet, judged by wire.  False: wire refuses it. */
static bool on_the_wire(uint16_t flags, enum pos p, enum ack a,
			struct segment *s)
{
	static uint8_t flat[TX_HDR_MAX + TEXT];
	struct tuple t = {r.t.remote, r.t.local, r.t.rport, r.t.lport};
	struct segment model = rig_seg(&r, flags, 0);
	uint32_t len = flags & TCP_PSH ? TEXT : 0;
	struct hdr_spec h = {.t = &t,
			     .opts = &model.opts,
			     .seq = seq_of(p, flags),
			     .ack = ack_of(a),
			     .flags = flags,
			     .wnd = r.wnd,
			     .urg = flags & TCP_URG ? 5 : 0,
			     .ttl = 64};
	struct packet pkt = {.data = flat, .csum = PACKET_CSUM_GOOD};
	struct icmp_error icmp;
	enum drop_reason why;
	struct tx tx;

	if (flags & TCP_SYN)
		model.opts = rig_syn(&r, RIG_ALL).opts;
	wire_build(&tx, &h, len);
	memcpy(flat, tx.hdr, tx.hdr_len);
	pkt.len = pkt.full_len = tx.hdr_len + len;
	if (wire_parse(&pkt, s, &icmp, &why) != PARSE_SEGMENT) {
		ck_assert_int_eq(why, DROP_FLAGS);
		return false;
	}
	s->data.p = NULL; /* the bench fills in the peer's bytes */
	s->data.buf = NULL;
	return true;
}

static void print_sent(void)
{
	static const char *const name[] = {"FIN", "SYN", "RST", "", "ACK"};

	for (uint32_t i = 0; i < r.ntx; i++) {
		const struct rig_tx *t = &r.tx[i];
		const char *sep = "";

		fprintf(out, ", sends ");
		for (int b = 4; b >= 0; b--) {
			if (b == 3 || !(t->s.flags & BIT(b)))
				continue;
			fprintf(out, "%s%s", sep, name[b]);
			sep = "-";
		}
		if (t->s.data.len)
			fprintf(out, "(%u)", t->s.data.len);
	}
}

static void print_events(void)
{
	static const char *const name[] = {
		"established", "fin",	  "rst",    "refused",
		"timeout",     "unreach", "closed", "time_wait",
	};

	for (uint32_t b = 0; b < ARRAY_LEN(name); b++) {
		if (r.l.ev & BIT(b))
			fprintf(out, ", tells %s", name[b]);
	}
	if (r.l.ev & LEG_EV_URGENT)
		fprintf(out, ", urgent mark");
}

static void print_outcome(enum tcp_state st, const struct before *b,
			  enum drop_reason why)
{
	if (r.l.state == st)
		fprintf(out, "stay");
	else
		fprintf(out, "-> %s", tcp_state_name[r.l.state]);
	if (r.l.state != TS_CLOSED && seq_gt(r.l.snd.una, b->una))
		fprintf(out, ", una advances");
	if (r.sink.bytes > b->sink)
		fprintf(out, ", delivers %u", r.sink.bytes - b->sink);
	if (r.l.rcv.ooo_count > b->ooo)
		fprintf(out, ", holds text");
	if (r.l.rcv.fin_known && !b->fin_known && !r.l.end.fin_rcvd)
		fprintf(out, ", notes FIN");
	if (st == TS_TIME_WAIT && r.l.tmr.close.us > b->close.us)
		fprintf(out, ", 2 MSL anew");
	print_events();
	print_sent();
	if (why != DROP_NONE)
		fprintf(out, ", drop %s", drop_reason_name[why]);
	fprintf(out, "\n");
}

static void cell(enum tcp_state st, uint16_t flags, enum pos p, enum ack a)
{
	struct before b;
	struct segment s;
	enum drop_reason why;

	rig_init(&r);
	enter(st);
	b = (struct before){.una = r.l.snd.una,
			    .rcv_nxt = r.l.rcv.nxt,
			    .sink = r.sink.bytes,
			    .ooo = r.l.rcv.ooo_count,
			    .close = r.l.tmr.close,
			    .fin_known = r.l.rcv.fin_known};
	fprintf(out, "%s %s %d %d %s %d %d %d ", tcp_state_name[st],
		pos_name[p], !!(flags & TCP_RST), !!(flags & TCP_SYN),
		ack_name[a], !!(flags & TCP_PSH), !!(flags & TCP_FIN),
		!!(flags & TCP_URG));
	if (!on_the_wire(flags, p, a, &s)) {
		fprintf(out, "refused by wire\n");
	} else {
		rig_run(&r, MS(1)); /* TIME_WAIT's timer shows a restart */
		r.wrong = true;
		why = rig_in(&r, &s);
		print_outcome(st, &b, why);
	}
	rig_fini(&r);
}

/* The position of the SYN itself means something before ESTABLISHED only. */
static bool applies(enum tcp_state st, uint16_t flags, enum pos p)
{
	if (p == POS_IRS)
		return st == TS_LISTEN || st == TS_SYN_RECEIVED;
	if (p == POS_REPEAT) /* a RST without text has the FIN's number */
		return st >= TS_ESTABLISHED &&
		       flags & (TCP_PSH | TCP_SYN | TCP_FIN | TCP_RST);
	return true;
}

static void state(enum tcp_state st)
{
	for (uint16_t f = 0; f < 64; f++) {
		for (int p = 0; p < POS_COUNT; p++) {
			if (!applies(st, f, p))
				continue;
			if (!(f & TCP_ACK)) {
				cell(st, f, p, ACK_ABSENT);
				continue;
			}
			for (int a = ACK_OLD; a < ACK_COUNT; a++)
				cell(st, f, p, a);
		}
	}
}

/* libcheck's assertions, which the bench uses, want a test around them. */
START_TEST(every_cell_is_printed)
{
	out = fopen(path, "w");
	ck_assert_ptr_nonnull(out);
	for (int st = 0; st < TS_COUNT; st++)
		state(st);
	ck_assert_int_eq(fclose(out), 0);
}
END_TEST

int main(int argc, char **argv)
{
	TCase *tc = tcase_create("cells");

	if (argc != 2)
		return EXIT_FAILURE;
	path = argv[1];
	tcase_set_timeout(tc, 300);
	tcase_add_test(tc, every_cell_is_printed);
	return rig_main("cells", tc);
}
