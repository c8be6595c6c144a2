/* SPDX-License-Identifier: MIT */
/* LINKS: util/hash */
#include <check.h>
#include <stdlib.h>

#include "util/hash.h"

static struct hash_key sequence_key(void)
{
	struct hash_key k;

	for (uint8_t i = 0; i < 16; i++)
		k.k[i] = i;
	return k;
}

/* From the reference implementation's vectors: key 00..0f, text 00..n-1. */
START_TEST(siphash_vectors_match)
{
	static const struct {
		size_t len;
		uint64_t want;
	} v[] = {
		{0, 0x726fdb47dd0e0e31},
		{1, 0x74f839c593dc67fd},
		{8, 0x93f5f5799a932462},
		{15, 0xa129ca6149be45e5},
	};
	struct hash_key k = sequence_key();
	uint8_t text[16];

	for (uint8_t i = 0; i < 16; i++)
		text[i] = i;
	for (size_t i = 0; i < ARRAY_LEN(v); i++)
		ck_assert_uint_eq(hash_bytes(&k, text, v[i].len), v[i].want);
}
END_TEST

/* A fleet derives the same keys: the construction may never change. */
START_TEST(derived_key_matches_blake2b)
{
	static const uint8_t want[16] = {0x72, 0x53, 0xe1, 0x21, 0x64, 0xe7,
					 0x97, 0x7a, 0xdf, 0xdd, 0x9c, 0x03,
					 0x6e, 0xb6, 0xbd, 0x70};
	uint8_t secret[32];
	struct hash_key k;

	for (uint8_t i = 0; i < 32; i++)
		secret[i] = i;
	hash_derive(&k, secret, "cookie", 7);
	ck_assert_mem_eq(k.k, want, 16);
}
END_TEST

START_TEST(derived_key_depends_on_every_input)
{
	uint8_t secret[32] = {1};
	struct hash_key k[6];

	hash_derive(&k[0], secret, "cookie", 7);
	hash_derive(&k[1], secret, "cookie", 8);
	hash_derive(&k[2], secret, "cookie", UINT64_C(7) << 32);
	hash_derive(&k[3], secret, "cooki", 7);
	hash_derive(&k[4], secret, "isn", 7);
	secret[31] = 1;
	hash_derive(&k[5], secret, "cookie", 7);
	for (size_t i = 0; i < ARRAY_LEN(k); i++)
		for (size_t j = 0; j < i; j++)
			ck_assert_mem_ne(k[i].k, k[j].k, 16);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("hash");
	TCase *t = tcase_create("hash");
	SRunner *r;
	int failed;

	tcase_add_test(t, siphash_vectors_match);
	tcase_add_test(t, derived_key_matches_blake2b);
	tcase_add_test(t, derived_key_depends_on_every_input);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
