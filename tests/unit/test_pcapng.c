/* SPDX-License-Identifier: MIT */
/* LINKS: util/pcapng */
/* Byte for byte against the draft's figures; tests/sim/capture_test.sh asks
 * tshark. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "util/pcapng.h"

static char *bytes;
static size_t size;
static FILE *f;

static void setup(void)
{
	f = open_memstream(&bytes, &size);
	ck_assert_ptr_nonnull(f);
}

static void teardown(void)
{
	fclose(f);
	free(bytes);
}

static uint32_t word(size_t at)
{
	uint32_t v;

	fflush(f);
	ck_assert_uint_le(at + 4, size);
	memcpy(&v, bytes + at, 4);
	return v;
}

/* 4.1: the magic tells the byte order; both lengths are the block's own. */
START_TEST(section_begins_with_its_magic)
{
	ck_assert_int_eq(pcapng_begin(f, "five!"), 0);
	ck_assert_uint_eq(word(0), 0x0a0d0d0a);
	ck_assert_uint_eq(word(8), 0x1a2b3c4d);
	ck_assert_uint_eq(word(4), size);
	ck_assert_uint_eq(word(size - 4), size);
	ck_assert_uint_eq(size % 4, 0);
	ck_assert_uint_eq(word(24), 4u | 5u << 16); /* shb_userappl, 5 bytes */
	ck_assert_mem_eq(bytes + 28, "five!\0\0\0", 8);
}
END_TEST

/* 4.2: link type 101 is a bare IP packet. */
START_TEST(interface_is_named_and_raw)
{
	ck_assert_int_eq(pcapng_interface(f, "engine"), 0);
	ck_assert_uint_eq(word(0), 1);
	ck_assert_uint_eq(word(4), size);
	ck_assert_uint_eq(word(8), 101);
	ck_assert_uint_eq(word(16), 2u | 6u << 16);
	ck_assert_mem_eq(bytes + 20, "engine\0\0", 8);
	ck_assert_uint_eq(word(28), 0);
	ck_assert_uint_eq(word(32), size);
}
END_TEST

/* 4.3: time in two halves, data padded, comment and direction after it. */
START_TEST(packet_has_time_data_comment_and_direction)
{
	const struct pcapng_packet p = {.interface = 2,
					.us = 0x123456789aLL,
					.dir = PCAPNG_OUT,
					.data = "abcde",
					.len = 5,
					.full_len = 60,
					.comment = "lost"};

	ck_assert_int_eq(pcapng_packet(f, &p), 0);
	ck_assert_uint_eq(word(0), 6);
	ck_assert_uint_eq(word(4), size);
	ck_assert_uint_eq(word(8), 2);
	ck_assert_uint_eq(word(12), 0x12);
	ck_assert_uint_eq(word(16), 0x3456789a);
	ck_assert_uint_eq(word(20), 5);
	ck_assert_uint_eq(word(24), 60);
	ck_assert_mem_eq(bytes + 28, "abcde\0\0\0", 8);
	ck_assert_uint_eq(word(36), 1u | 4u << 16);
	ck_assert_mem_eq(bytes + 40, "lost", 4);
	ck_assert_uint_eq(word(44), 2u | 4u << 16);
	ck_assert_uint_eq(word(48), 2); /* outbound */
	ck_assert_uint_eq(word(52), 0);
	ck_assert_uint_eq(word(56), size);
}
END_TEST

START_TEST(packet_without_comment_has_none)
{
	const struct pcapng_packet p = {.data = "abcd", .len = 4};

	ck_assert_int_eq(pcapng_packet(f, &p), 0);
	ck_assert_uint_eq(word(32), 2u | 4u << 16); /* straight to the flags */
}
END_TEST

/* 4.6: the interface, the time, what was received and what was lost. */
START_TEST(statistics_have_received_and_lost)
{
	ck_assert_int_eq(pcapng_statistics(f, 1, 0x123456789aLL, 7, 3), 0);
	ck_assert_uint_eq(word(0), 5);
	ck_assert_uint_eq(word(4), size);
	ck_assert_uint_eq(word(8), 1);
	ck_assert_uint_eq(word(12), 0x12);
	ck_assert_uint_eq(word(16), 0x3456789a);
	ck_assert_uint_eq(word(20), 4u | 8u << 16); /* isb_ifrecv */
	ck_assert_uint_eq(word(24), 7);
	ck_assert_uint_eq(word(32), 5u | 8u << 16); /* isb_ifdrop */
	ck_assert_uint_eq(word(36), 3);
	ck_assert_uint_eq(word(44), 0);
	ck_assert_uint_eq(word(48), size);
}
END_TEST

START_TEST(full_disk_is_an_error)
{
	FILE *full = fopen("/dev/full", "w");
	const struct pcapng_packet p = {.data = "abcd", .len = 4};
	int err = 0;

	ck_assert_ptr_nonnull(full);
	for (int i = 0; i < 10000 && !err; i++)
		err = pcapng_packet(full, &p);
	fclose(full);
	ck_assert_int_lt(err, 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("pcapng");
	TCase *tc = tcase_create("pcapng");
	SRunner *sr;
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, section_begins_with_its_magic);
	tcase_add_test(tc, interface_is_named_and_raw);
	tcase_add_test(tc, packet_has_time_data_comment_and_direction);
	tcase_add_test(tc, packet_without_comment_has_none);
	tcase_add_test(tc, statistics_have_received_and_lost);
	tcase_add_test(tc, full_disk_is_an_error);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
