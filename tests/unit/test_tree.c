/* SPDX-License-Identifier: MIT */
/* LINKS: util/tree */
#include <check.h>
#include <stdlib.h>

#include "util/prng.h"
#include "util/tree.h"

struct item {
	struct tree_node node;
	uint32_t key;
	bool in;
};

#define ITEMS 16384u

static struct item item[ITEMS];

static struct item *item_of(struct tree_node *n)
{
	return n ? container_of(n, struct item, node) : NULL;
}

static void add(struct tree_node **any, struct item *it)
{
	struct tree_node *up = NULL, **link = NULL, *n;

	for (n = tree_root(*any); n; n = *link) {
		up = n;
		link = it->key < item_of(n)->key ? &n->left : &n->right;
	}
	tree_add(up, link, &it->node);
	it->in = true;
	*any = &it->node;
}

static uint32_t depth(const struct tree_node *n)
{
	uint32_t l, r;

	if (!n)
		return 0;
	ck_assert(!n->left || n->left->up == n);
	ck_assert(!n->right || n->right->up == n);
	l = depth(n->left);
	r = depth(n->right);
	return 1 + (l > r ? l : r);
}

/* From the left to the right, every item that is in. */
static void compare(struct tree_node *any, uint32_t n)
{
	struct tree_node *at = tree_root(any), *last = NULL;

	while (at && at->left)
		at = at->left;
	for (uint32_t i = 0; i < n; i++) {
		if (!item[i].in)
			continue;
		ck_assert_ptr_eq(item_of(at), &item[i]);
		last = at;
		at = tree_next(at);
	}
	ck_assert_ptr_null(at);
	ck_assert_ptr_eq(tree_last(any), last);
}

START_TEST(random_operations_keep_the_order)
{
	struct tree_node *any = NULL;
	struct prng p;

	prng_seed(&p, (uint64_t)_i + 1);
	for (uint32_t i = 0; i < 64; i++)
		item[i] = (struct item){.key = i};
	for (uint32_t k = 0; k < 1000; k++) {
		struct item *it = &item[prng_below(&p, 64)];

		if (!it->in) {
			add(&any, it);
		} else {
			struct tree_node *other = it->node.up ? it->node.up
							      : it->node.left;

			tree_del(&it->node);
			it->in = false;
			if (any == &it->node)
				any = other ? other : it->node.right;
		}
		compare(any, 64);
	}
}
END_TEST

START_TEST(neighbours_are_put_beside)
{
	struct tree_node *any = NULL;

	for (uint32_t i = 0; i < 1000; i++)
		item[i] = (struct item){.key = i};
	add(&any, &item[500]);
	for (uint32_t i = 1; i < 500; i++) {
		tree_add_after(&item[499 + i].node, &item[500 + i].node);
		tree_add_before(&item[501 - i].node, &item[500 - i].node);
		item[500 + i].in = item[500 - i].in = true;
	}
	compare(any, 1000);
	/* between two that have others below them */
	tree_del(&item[300].node);
	tree_add_after(&item[299].node, &item[300].node);
	tree_del(&item[700].node);
	tree_add_before(&item[701].node, &item[700].node);
	compare(any, 1000);
}
END_TEST

/* The average of such trees is 37 deep; one in 10^9 is deeper than 80. */
START_TEST(sorted_keys_make_no_list)
{
	struct tree_node *any = NULL;

	for (uint32_t i = 0; i < ITEMS; i++) {
		item[i] = (struct item){.key = i};
		add(&any, &item[i]);
	}
	ck_assert_uint_le(depth(tree_root(any)), 80);
	compare(any, ITEMS);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("tree");
	TCase *tc = tcase_create("tree");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, random_operations_keep_the_order, 0, 20);
	tcase_add_test(tc, neighbours_are_put_beside);
	tcase_add_test(tc, sorted_keys_make_no_list);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
