/* SPDX-License-Identifier: MIT */
/* Opening (src/tcp/handshake.c): what the options agree, SYN_SENT. */
#include "rig.h"

static struct rig r;

static void setup(void)
{
	rig_init(&r);
}

static void teardown(void)
{
	rig_fini(&r);
}

static struct segment syn_ack(uint8_t has)
{
	struct segment s = rig_syn(&r, has);

	s.flags = TCP_SYN | TCP_ACK;
	s.ack = rig_ours(0);
	s.opts.tsecr = r.tsecr;
	return s;
}

START_TEST(syn_sent_offers_what_the_policy_says)
{
	const struct tcp_opts *o;

	rig_syn_sent(&r);
	ck_assert_uint_eq(r.ntx, 1);
	ck_assert_uint_eq(r.tx[0].s.flags, TCP_SYN);
	ck_assert_uint_eq(r.tx[0].s.seq.v, RIG_ISS);
	o = &r.tx[0].s.opts;
	ck_assert_uint_eq(o->has, RIG_ALL);
	ck_assert_uint_eq(o->mss, 1460);
	ck_assert_uint_eq(o->wscale, 7);
	ck_assert_uint_eq(o->tsecr, 0);
}
END_TEST

START_TEST(syn_sent_does_not_offer_what_the_client_lacks)
{
	static const struct tcp_opts peer = {.has = OPT_HAS_MSS};

	leg_open_active(&r.l, SEQ(RIG_ISS), 1, &peer, r.now);
	rig_pump(&r);
	ck_assert_uint_eq(r.tx[0].s.opts.has, OPT_HAS_MSS);
}
END_TEST

START_TEST(syn_sent_syn_ack_establishes_and_is_acked)
{
	struct segment s;

	rig_syn_sent(&r);
	rig_run(&r, MS(30));
	s = syn_ack(RIG_ALL);
	ck_drop(rig_in(&r, &s), DROP_NONE);
	ck_state(&r, TS_ESTABLISHED);
	ck_assert_uint_eq(r.l.ev, LEG_EV_ESTABLISHED);
	ck_assert_uint_eq(r.ntx, 2);
	ck_assert_uint_eq(r.tx[1].s.flags, TCP_ACK);
	ck_assert_uint_eq(r.tx[1].s.seq.v, rig_ours(0).v);
	ck_assert_uint_eq(r.tx[1].s.ack.v, rig_peer(0).v);
	ck_assert_uint_eq(r.l.rtt.smoothed_us, MS(30));
	ck_assert_uint_eq(r.l.snd.mss, RIG_MSS);
	ck_assert_uint_eq(r.l.cc.cwnd, 10 * RIG_MSS);
	ck_assert_uint_eq(r.l.snd.wnd, 60000); /* a SYN's window is unscaled */
}
END_TEST

START_TEST(syn_sent_syn_ack_without_options_falls_back)
{
	struct segment s;

	rig_syn_sent(&r);
	s = syn_ack(0);
	rig_in(&r, &s);
	ck_state(&r, TS_ESTABLISHED);
	ck_assert(!r.l.ts_ok && !r.l.sack_ok && !r.l.wscale_ok);
	ck_assert_uint_eq(r.l.rcv.wscale, 0);
	ck_assert_uint_eq(r.l.snd.mss, 536); /* RFC 9293, 3.7.1 */
}
END_TEST

/* An MSS of 1 must not make us send 20-byte packets for ever. */
START_TEST(syn_sent_tiny_mss_is_raised_to_the_least)
{
	struct segment s;

	rig_syn_sent(&r);
	s = syn_ack(RIG_ALL);
	s.opts.mss = 1;
	rig_in(&r, &s);
	ck_assert_uint_eq(r.l.snd.mss, 48 - TS_OPT_BYTES);
}
END_TEST

START_TEST(syn_sent_huge_mss_is_limited_by_the_mtu)
{
	struct segment s;

	rig_syn_sent(&r);
	s = syn_ack(RIG_ALL);
	s.opts.mss = 65535;
	rig_in(&r, &s);
	ck_assert_uint_eq(r.l.snd.mss, RIG_MSS);
}
END_TEST

START_TEST(syn_sent_retransmission_gives_no_rtt_sample)
{
	struct segment s;

	rig_syn_sent(&r);
	rig_run(&r, MS(1500));
	s = syn_ack(RIG_ALL);
	rig_in(&r, &s);
	ck_state(&r, TS_ESTABLISHED);
	ck_assert_uint_eq(r.l.rtt.smoothed_us, 0);
	ck_assert_uint_eq(r.l.cc.cwnd, 10 * RIG_MSS);
}
END_TEST

/* RFC 6298, 5.7 and RFC 5681, 3.1: the SYN was lost more than once. */
START_TEST(syn_sent_two_retransmissions_start_with_one_segment)
{
	struct segment s;

	rig_syn_sent(&r);
	rig_run(&r, MS(3500));
	s = syn_ack(RIG_ALL);
	rig_in(&r, &s);
	ck_assert_uint_eq(r.l.cc.cwnd, RIG_MSS);
}
END_TEST

START_TEST(syn_sent_bad_ack_is_refused)
{
	struct segment s;

	rig_syn_sent(&r);
	s = syn_ack(RIG_ALL);
	s.ack = SEQ(RIG_ISS);
	ck_drop(rig_in(&r, &s), DROP_ACK_BAD);
	s.ack = rig_ours(1);
	ck_drop(rig_in(&r, &s), DROP_ACK_BAD);
	ck_state(&r, TS_SYN_SENT);
}
END_TEST

/* A server in somebody else's TIME_WAIT tells its numbers: the SYN goes again
 * at once, above them (RFC 6191), once. */
START_TEST(syn_sent_ack_of_an_old_connection_draws_a_syn_above_it)
{
	static const uint32_t acks[] = {0,
					12345,
					RIG_ISS,
					RIG_ISS - 70000,
					RIG_ISS + 5000,
					RIG_ISS + (1u << 31)};

	for (uint32_t i = 0; i < ARRAY_LEN(acks); i++) {
		struct segment s;
		uint32_t tsecr = i & 1 ? 12345 - 500 : 0x7ffffff0u;

		rig_syn_sent(&r);
		rig_clear(&r);
		rig_run(&r, MS(30));
		s = rig_seg(&r, TCP_ACK, 0);
		s.ack = SEQ(acks[i]);
		s.opts.has = OPT_HAS_TS;
		tsecr += (uint32_t)(r.now.us / USEC_PER_MSEC);
		s.opts.tsecr = tsecr;
		ck_drop(rig_in(&r, &s), DROP_ACK_BAD); /* draws a RST, too */
		ck_assert_uint_eq(r.ntx, 1);
		ck_assert_uint_eq(r.tx[0].s.flags, TCP_SYN);
		ck_assert(seq_gt(r.tx[0].s.seq, seq_add(s.ack, 65535)));
		ck_assert_int_gt((int32_t)(r.tx[0].s.opts.tsval - tsecr), 0);
		ck_drop(rig_in(&r, &s), DROP_ACK_BAD);
		ck_assert_uint_eq(r.ntx, 1);
		/* a RTT is taken of the second SYN alone */
		rig_run(&r, MS(20));
		s = rig_syn(&r, RIG_ALL);
		s.flags = TCP_SYN | TCP_ACK;
		s.ack = seq_add(r.tx[0].s.seq, 1);
		ck_drop(rig_in(&r, &s), DROP_NONE);
		ck_state(&r, TS_ESTABLISHED);
		ck_assert_uint_eq(r.l.rtt.smoothed_us, MS(20));
		rig_fini(&r);
		rig_init(&r);
	}
}
END_TEST

/* A forger cannot learn the number that it makes us choose. */
START_TEST(syn_sent_number_above_an_old_connection_stays_random)
{
	uint32_t seen[4];

	for (uint32_t i = 0; i < ARRAY_LEN(seen); i++) {
		struct segment s;

		leg_open_active(&r.l, SEQ(RIG_ISS + i * 0x01234567), 0, NULL,
				r.now);
		rig_pump(&r);
		s = rig_seg(&r, TCP_ACK, 0);
		s.ack = SEQ(99);
		s.opts.has = 0;
		rig_in(&r, &s);
		seen[i] = rig_last(&r)->s.seq.v;
		for (uint32_t k = 0; k < i; k++)
			ck_assert_uint_ne(seen[i], seen[k]);
		rig_fini(&r);
		rig_init(&r);
	}
}
END_TEST

START_TEST(syn_sent_rst_with_ack_refuses)
{
	struct segment s;

	rig_syn_sent(&r);
	s = rig_seg(&r, TCP_RST | TCP_ACK, 0);
	ck_drop(rig_in(&r, &s), DROP_NONE);
	ck_state(&r, TS_CLOSED);
	ck_assert_uint_eq(r.l.ev, LEG_EV_REFUSED);
}
END_TEST

START_TEST(syn_sent_blind_rst_is_ignored)
{
	struct segment s;

	rig_syn_sent(&r);
	s = rig_seg(&r, TCP_RST, 0);
	ck_drop(rig_in(&r, &s), DROP_RST_WINDOW);
	s = rig_seg(&r, TCP_RST | TCP_ACK, 0);
	s.ack = rig_ours(100);
	ck_drop(rig_in(&r, &s), DROP_ACK_BAD);
	ck_state(&r, TS_SYN_SENT);
}
END_TEST

START_TEST(syn_sent_syn_ack_with_data_delivers_it)
{
	struct segment s;

	rig_syn_sent(&r);
	s = syn_ack(RIG_ALL);
	s.data.len = 100;
	ck_drop(rig_in(&r, &s), DROP_NONE);
	ck_assert_uint_eq(r.sink.bytes, 100);
	ck_assert_uint_eq(rig_last(&r)->s.ack.v, rig_peer(100).v);
	r.pnxt = 100;
	rig_read(&r, 100);
}
END_TEST

/* RFC 9293, 3.5, figure 8. */
START_TEST(syn_sent_syn_simultaneous_open_establishes)
{
	struct segment s;

	rig_syn_sent(&r);
	s = rig_syn(&r, RIG_ALL);
	ck_drop(rig_in(&r, &s), DROP_NONE);
	ck_state(&r, TS_SYN_RECEIVED);
	ck_assert_uint_eq(r.ntx, 2);
	ck_assert_uint_eq(r.tx[1].s.flags, TCP_SYN | TCP_ACK);
	ck_assert_uint_eq(r.tx[1].s.seq.v, RIG_ISS);
	ck_assert_uint_eq(r.tx[1].s.ack.v, rig_peer(0).v);
	s = syn_ack(RIG_ALL);
	ck_drop(rig_in(&r, &s), DROP_NONE);
	ck_state(&r, TS_ESTABLISHED);
	ck_drop(rig_data(&r, 0, 100), DROP_NONE);
	rig_write(&r, 100);
	ck_drop(rig_ack(&r, 100), DROP_NONE);
	ck_assert_uint_eq(r.l.snd.q.bytes, 0);
}
END_TEST

START_TEST(syn_received_repeated_syn_is_answered_by_the_same_syn_ack)
{
	struct segment s;

	rig_syn_received(&r, RIG_ALL);
	rig_run(&r, MS(600));
	s = rig_syn(&r, RIG_ALL);
	ck_drop(rig_in(&r, &s), DROP_SYN_PENDING);
	ck_assert_uint_eq(r.ntx, 2);
	ck_assert_uint_eq(r.tx[1].s.seq.v, RIG_ISS);
	ck_assert_uint_eq(r.tx[1].s.flags, TCP_SYN | TCP_ACK);
	ck_state(&r, TS_SYN_RECEIVED);
}
END_TEST

START_TEST(syn_received_bad_ack_is_refused)
{
	rig_syn_received(&r, RIG_ALL);
	ck_drop(rig_ack(&r, 1), DROP_ACK_BAD);
	ck_drop(rig_ack(&r, (uint32_t)-1), DROP_ACK_BAD);
	ck_state(&r, TS_SYN_RECEIVED);
}
END_TEST

/* It ends at RCV.NXT and acknowledges something else: not a simultaneous open,
 * and no ACK that the engine would reset for. */
START_TEST(syn_received_stray_syn_ack_is_acked_only)
{
	static const uint32_t wrong[] = {0, 1, 0x7fffffff, (uint32_t)-1};

	rig_syn_received(&r, RIG_ALL);
	for (uint32_t i = 0; i < ARRAY_LEN(wrong); i++) {
		struct segment s = rig_syn(&r, RIG_ALL);

		s.flags = TCP_SYN | TCP_ACK;
		s.ack = seq_add(r.l.snd.iss, 1 + wrong[i] + !wrong[i]);
		rig_clear(&r);
		rig_run(&r, MS(600));
		rig_clear(&r);
		ck_drop(rig_in(&r, &s), DROP_SEQ_OLD);
		ck_assert_uint_eq(r.ntx, 1);
		ck_assert_uint_eq(r.tx[0].s.flags, TCP_ACK);
	}
	ck_state(&r, TS_SYN_RECEIVED);
}
END_TEST

/* RFC 7323, 2.2: only the window of a SYN is never scaled.  rig.h checks every
 * segment's window against what the leg knows it has promised. */
START_TEST(syn_received_ack_has_a_scaled_window)
{
	struct segment s;

	rig_syn_received(&r, RIG_ALL);
	ck_assert_uint_gt(r.l.rcv.wscale, 0);
	rig_clear(&r);
	s = rig_seg(&r, TCP_ACK, 10);
	s.seq = seq_sub(r.l.rcv.nxt, 5000);
	rig_in(&r, &s);
	ck_assert_uint_eq(r.ntx, 1);
	ck_assert_uint_le((uint32_t)r.tx[0].s.wnd << r.l.rcv.wscale,
			  65535 + BIT(r.l.rcv.wscale));
	ck_assert_uint_ge((uint32_t)r.tx[0].s.wnd << r.l.rcv.wscale, 65535);
}
END_TEST

/* RFC 7413, 4.2.2: with a valid cookie the answer need not wait for the ACK,
 * whether the SYN has data or not. */
START_TEST(syn_received_fast_open_answers_before_the_ack)
{
	for (uint32_t len = 0; len <= 100; len += 100) {
		struct segment s = rig_syn(&r, RIG_ALL);
		uint8_t d[100];

		for (uint32_t i = 0; i < len; i++)
			d[i] = rig_byte_peer(i);
		s.data = (struct slice){NULL, d, len};
		leg_open_passive(&r.l, &s, SEQ(RIG_ISS), 12345, r.now);
		ck_assert(leg_take_syn_data(&r.l, &s, r.now));
		leg_accept(&r.l, r.now);
		rig_pump(&r);
		ck_assert_uint_eq(rig_last(&r)->s.ack.v, rig_peer(len).v);
		rig_clear(&r);
		rig_write(&r, 500);
		ck_assert_uint_eq(r.ntx, 1);
		ck_assert_uint_eq(r.tx[0].end, 500);
		ck_assert_uint_eq(r.sink.bytes, len);
		rig_read(&r, len);
		rig_fini(&r);
		rig_init(&r);
	}
}
END_TEST

START_TEST(syn_received_ack_with_data_establishes_and_delivers)
{
	rig_syn_received(&r, RIG_ALL);
	ck_drop(rig_data(&r, 0, 500), DROP_NONE);
	ck_state(&r, TS_ESTABLISHED);
	ck_assert_uint_eq(r.sink.bytes, 500);
}
END_TEST

START_TEST(syn_received_rst_of_active_opener_is_a_refusal)
{
	struct segment s;

	rig_syn_sent(&r);
	s = rig_syn(&r, RIG_ALL);
	rig_in(&r, &s);
	s = rig_seg(&r, TCP_RST, 0);
	ck_drop(rig_in(&r, &s), DROP_NONE);
	ck_assert_uint_eq(r.l.ev, LEG_EV_REFUSED);
}
END_TEST

START_TEST(syn_received_rst_of_client_closes)
{
	struct segment s;

	rig_syn_received(&r, RIG_ALL);
	s = rig_seg(&r, TCP_RST, 0);
	ck_drop(rig_in(&r, &s), DROP_NONE);
	ck_state(&r, TS_CLOSED);
	ck_assert_uint_eq(r.l.ev, LEG_EV_RST);
}
END_TEST

START_TEST(listen_syn_is_held_until_accepted)
{
	rig_listen(&r, RIG_ALL);
	rig_run(&r, SECS(5));
	ck_assert_uint_eq(r.ntx, 0);
	leg_accept(&r.l, r.now);
	rig_pump(&r);
	ck_assert_uint_eq(r.ntx, 1);
	ck_assert_uint_eq(r.tx[0].s.flags, TCP_SYN | TCP_ACK);
	ck_assert_uint_eq(r.tx[0].s.ack.v, rig_peer(0).v);
	ck_assert_uint_eq(r.tx[0].s.opts.has, RIG_ALL);
}
END_TEST

START_TEST(listen_repeated_syn_is_pending_and_rst_ends_it)
{
	struct segment s;

	rig_listen(&r, RIG_ALL);
	s = rig_syn(&r, RIG_ALL);
	ck_drop(rig_in(&r, &s), DROP_SYN_PENDING);
	s = rig_seg(&r, TCP_RST, 0);
	s.seq = rig_peer(9);
	ck_drop(rig_in(&r, &s), DROP_RST_WINDOW);
	s.seq = rig_peer(0);
	ck_drop(rig_in(&r, &s), DROP_NONE);
	ck_state(&r, TS_CLOSED);
}
END_TEST

START_TEST(synack_options_answer_only_what_was_offered)
{
	struct tcp_opts syn = {.has = OPT_HAS_MSS | OPT_HAS_WSCALE}, out;

	leg_synack_opts(&r.cfg, &syn, 1460, 7, 8, &out);
	ck_assert_uint_eq(out.has, OPT_HAS_MSS | OPT_HAS_WSCALE);
	syn.has = RIG_ALL;
	leg_synack_opts(&r.cfg, &syn, 1460, 7, 8, &out);
	ck_assert_uint_eq(out.has, RIG_ALL);
	ck_assert_uint_eq(out.tsval, 7);
	ck_assert_uint_eq(out.tsecr, 8);
	r.cfg.sack = r.cfg.timestamps = r.cfg.window_scaling = 0;
	leg_synack_opts(&r.cfg, &syn, 1460, 7, 8, &out);
	ck_assert_uint_eq(out.has, OPT_HAS_MSS);
}
END_TEST

START_TEST(ecn_is_taken_when_asked_and_asked_for_by_policy)
{
	struct segment s;

	rig_syn_sent(&r); /* tcp_ecn = 2: only when asked */
	ck_assert_uint_eq(r.tx[0].s.flags, TCP_SYN);
	leg_vanish(&r.l);
	leg_init(&r.l, &r.env, &r.cfg, LEG_SERVER, &r.t, &r.sink);
	r.cfg.ecn = 1;
	rig_clear(&r);
	rig_syn_sent(&r);
	ck_assert_uint_eq(r.tx[0].s.flags, TCP_SYN | TCP_ECE | TCP_CWR);
	s = syn_ack(RIG_ALL);
	s.flags |= TCP_ECE;
	rig_in(&r, &s);
	ck_assert(r.l.ecn_ok);
}
END_TEST

/* A broken peer reflects both bits: that is no agreement (RFC 3168, 6.1.1). */
START_TEST(ecn_bits_reflected_are_no_agreement)
{
	struct segment s;

	r.cfg.ecn = 1;
	rig_syn_sent(&r);
	s = syn_ack(RIG_ALL);
	s.flags |= TCP_ECE | TCP_CWR;
	rig_in(&r, &s);
	ck_assert(!r.l.ecn_ok);
}
END_TEST

START_TEST(cookie_ack_establishes_with_the_options_it_carried)
{
	struct tcp_opts o = {.has = RIG_ALL, .mss = 1400, .wscale = 3};

	leg_open_cookie(&r.l,
			&(struct leg_resume){.peer = &o,
					     .irs = SEQ(RIG_IRS),
					     .iss = SEQ(RIG_ISS),
					     .ts_off = 1},
			r.now);
	rig_pump(&r);
	ck_assert_uint_eq(r.ntx, 0);
	ck_drop(rig_data(&r, 0, 100), DROP_NONE);
	ck_state(&r, TS_ESTABLISHED);
	ck_assert_uint_eq(r.l.snd.mss, 1388);
	ck_assert_uint_eq(r.l.snd.wnd, 60000u << 3);
	ck_assert_uint_eq(r.sink.bytes, 100);
	rig_read(&r, 100);
}
END_TEST

/* The SYN queue knows when it answered: without timestamps that is the only
 * round trip there is (RFC 6298, 2.2), and without that one the RTO is 3 s
 * where the SYN-ACK was sent again (5.7). */
START_TEST(queued_answer_gives_a_round_trip)
{
	struct tcp_opts o = {.has = RIG_NO_TS, .mss = 1400, .wscale = 3};
	struct leg_resume how = {.peer = &o,
				 .irs = SEQ(RIG_IRS),
				 .iss = SEQ(RIG_ISS),
				 .sent_again = _i ? 1 : 0,
				 .answered_at = _i ? MONO_UNSET : r.now};

	r.now = mono_add(r.now, MS(40));
	leg_open_cookie(&r.l, &how, r.now);
	rig_ack(&r, 0);
	ck_state(&r, TS_ESTABLISHED);
	ck_assert_uint_eq(r.l.rtt.smoothed_us, _i ? 0 : MS(40));
	ck_assert_uint_eq(r.l.rtt.rto_us, _i ? SECS(3) : MS(240));
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("handshake");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, syn_sent_offers_what_the_policy_says);
	tcase_add_test(tc, syn_sent_does_not_offer_what_the_client_lacks);
	tcase_add_test(tc, syn_sent_syn_ack_establishes_and_is_acked);
	tcase_add_test(tc, syn_sent_syn_ack_without_options_falls_back);
	tcase_add_test(tc, syn_sent_tiny_mss_is_raised_to_the_least);
	tcase_add_test(tc, syn_sent_huge_mss_is_limited_by_the_mtu);
	tcase_add_test(tc, syn_sent_retransmission_gives_no_rtt_sample);
	tcase_add_test(tc, syn_sent_two_retransmissions_start_with_one_segment);
	tcase_add_test(tc, syn_sent_bad_ack_is_refused);
	tcase_add_test(tc,
		       syn_sent_ack_of_an_old_connection_draws_a_syn_above_it);
	tcase_add_test(tc,
		       syn_sent_number_above_an_old_connection_stays_random);
	tcase_add_test(tc, syn_sent_rst_with_ack_refuses);
	tcase_add_test(tc, syn_sent_blind_rst_is_ignored);
	tcase_add_test(tc, syn_sent_syn_ack_with_data_delivers_it);
	tcase_add_test(tc, syn_sent_syn_simultaneous_open_establishes);
	tcase_add_test(
		tc, syn_received_repeated_syn_is_answered_by_the_same_syn_ack);
	tcase_add_test(tc, syn_received_bad_ack_is_refused);
	tcase_add_test(tc, syn_received_stray_syn_ack_is_acked_only);
	tcase_add_test(tc, syn_received_ack_has_a_scaled_window);
	tcase_add_test(tc, syn_received_fast_open_answers_before_the_ack);
	tcase_add_test(tc, syn_received_ack_with_data_establishes_and_delivers);
	tcase_add_test(tc, syn_received_rst_of_active_opener_is_a_refusal);
	tcase_add_test(tc, syn_received_rst_of_client_closes);
	tcase_add_test(tc, listen_syn_is_held_until_accepted);
	tcase_add_test(tc, listen_repeated_syn_is_pending_and_rst_ends_it);
	tcase_add_test(tc, synack_options_answer_only_what_was_offered);
	tcase_add_test(tc, ecn_is_taken_when_asked_and_asked_for_by_policy);
	tcase_add_test(tc, ecn_bits_reflected_are_no_agreement);
	tcase_add_test(tc, cookie_ack_establishes_with_the_options_it_carried);
	tcase_add_loop_test(tc, queued_answer_gives_a_round_trip, 0, 2);
	return rig_main("handshake", tc);
}
