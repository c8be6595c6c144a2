/* SPDX-License-Identifier: MIT */
/* LINKS: wire/csum wire/build */
#include <check.h>
#include <stdlib.h>

#include "unit/wire_pkt.h"
#include "util/prng.h"
#include "wire/build.h"

/* RFC 1071, 3: the worked example. */
START_TEST(rfc1071_example_matches)
{
	static const uint8_t d[] = {0x00, 0x01, 0xf2, 0x03,
				    0xf4, 0xf5, 0xf6, 0xf7};

	ck_assert_uint_eq(csum_fold(csum_add(0, d, sizeof(d))), 0xddf2);
}
END_TEST

START_TEST(every_length_and_alignment_matches_naive_sum)
{
	uint8_t d[400];
	struct prng r;
	uint32_t bad = 0;

	prng_seed(&r, 1);
	for (int round = 0; round < 4; round++) {
		for (size_t i = 0; i < sizeof(d); i++)
			d[i] = round == 0   ? 0xff
			       : round == 1 ? 0
					    : (uint8_t)prng_u32(&r);
		for (uint32_t off = 0; off < 9; off++)
			for (uint32_t len = 0; len + off < sizeof(d); len++)
				bad += csum_fold(csum_add(0, d + off, len)) !=
				       naive_sum(d + off, len, 0);
	}
	ck_assert_uint_eq(bad, 0);
}
END_TEST

/* Carries everywhere: 64 KiB of ones, and words just below a carry. */
START_TEST(long_runs_of_carries_match_naive_sum)
{
	static uint8_t d[65536];

	memset(d, 0xff, sizeof(d));
	ck_assert_uint_eq(csum_fold(csum_add(0, d, sizeof(d))), 0xffff);
	for (size_t i = 0; i < sizeof(d); i += 8)
		d[i] = 0xfe;
	ck_assert_uint_eq(csum_fold(csum_add(0, d, sizeof(d))),
			  naive_sum(d, sizeof(d), 0));
	ck_assert_uint_eq(csum_fold(csum_add(0xfffffff0u, d, 1001)),
			  naive_sum(d, 1001, 0xfffffff0u));
}
END_TEST

START_TEST(pieces_of_even_length_add_up)
{
	uint8_t d[256];
	uint64_t sum;
	uint32_t cut;

	for (size_t i = 0; i < sizeof(d); i++)
		d[i] = (uint8_t)(i * 37 + 11);
	for (cut = 0; cut < 256; cut += 2) {
		sum = csum_add(0, d, cut);
		sum = csum_add(sum, d + cut, 255 - cut);
		ck_assert_uint_eq(csum_fold(sum), naive_sum(d, 255, 0));
	}
}
END_TEST

START_TEST(fold_of_any_sum_is_its_residue)
{
	static const uint64_t v[] = {0,		  1,
				     0xffff,	  0x10000,
				     0x1fffe,	  0xffffffff,
				     0x100000000, 0xffffffff00000001,
				     UINT64_MAX,  UINT64_MAX - 1};

	for (size_t i = 0; i < ARRAY_LEN(v); i++) {
		ck_assert_uint_eq(csum_fold(v[i]) % 0xffff, v[i] % 0xffff);
		ck_assert_int_eq(csum_fold(v[i]) == 0, v[i] == 0);
	}
}
END_TEST

START_TEST(pseudo_header_counts_addresses_protocol_and_length)
{
	struct ipaddr a = ipaddr_v4(raw_c4), b = ipaddr_v4(raw_s4);
	uint64_t want;

	want = naive_sum(raw_s4, 4, naive_sum(raw_c4, 4, 6 + 1480));
	ck_assert_uint_eq(csum_fold(csum_pseudo(&a, &b, 6, 1480)),
			  want % 0xffff);

	a = ipaddr_v6(raw_c6);
	b = ipaddr_v6(raw_s6);
	want = naive_sum(raw_s6, 16, naive_sum(raw_c6, 16, 58 + 70000));
	ck_assert_uint_eq(csum_fold(csum_pseudo(&a, &b, 58, 70000)),
			  want % 0xffff);
}
END_TEST

/* Partial sum plus finish = the sum over the whole packet, however the payload
 * is cut into slices. */
START_TEST(partial_and_finish_match_the_full_sum)
{
	struct tcp_opts o = {.has = OPT_HAS_TS, .tsval = 7, .tsecr = 9};
	static struct raw whole;
	static uint8_t pay[70000];
	struct hdr_spec h = {.opts = &o, .flags = TCP_ACK, .wnd = 5, .ttl = 64};
	struct tuple t = {.lport = 1, .rport = 2};
	uint32_t len, left, n, bad = 0;
	struct prng r;
	struct tx tx;

	prng_seed(&r, 5);
	for (size_t i = 0; i < sizeof(pay); i++)
		pay[i] = (uint8_t)prng_u32(&r);
	for (int round = 0; round < 2000; round++) {
		t.local = round % 2 ? ipaddr_v4(raw_s4) : ipaddr_v6(raw_s6);
		t.remote = round % 2 ? ipaddr_v4(raw_c4) : ipaddr_v6(raw_c6);
		h.t = &t;
		h.seq = SEQ(prng_u32(&r));
		len = prng_below(&r, round % 50 ? 300 : 65000);
		wire_build(&tx, &h, len);
		tx.payload = len;
		left = len;
		for (tx.niov = 0; left && tx.niov < TX_IOV_MAX; tx.niov++) {
			n = 1 + prng_below(&r, left);
			if (tx.niov == TX_IOV_MAX - 1)
				n = left;
			tx.iov[tx.niov].iov_base = pay + len - left;
			tx.iov[tx.niov].iov_len = n;
			left -= n;
		}
		wire_csum_finish(&tx);
		bad += !tx.csum_done;
		wire_csum_finish(&tx); /* a second time does nothing */
		memcpy(whole.d, tx.hdr, tx.hdr_len);
		memcpy(whole.d + tx.hdr_len, pay, len);
		whole.len = tx.hdr_len + len;
		whole.l4 = tx.l4_off;
		bad += raw_l4_sum(&whole, 6) != 0xffff;
	}
	ck_assert_uint_eq(bad, 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("csum");
	TCase *t = tcase_create("csum");
	SRunner *r;
	int failed;

	tcase_add_test(t, rfc1071_example_matches);
	tcase_add_test(t, every_length_and_alignment_matches_naive_sum);
	tcase_add_test(t, long_runs_of_carries_match_naive_sum);
	tcase_add_test(t, pieces_of_even_length_add_up);
	tcase_add_test(t, fold_of_any_sum_is_its_residue);
	tcase_add_test(t, pseudo_header_counts_addresses_protocol_and_length);
	tcase_add_test(t, partial_and_finish_match_the_full_sum);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
