/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation
 *
 * A treap: in the order of the keys from left to right, and in the order of
 * ranks from the root down.  If the ranks are random, so is the tree, and a
 * random tree is about 4.3 ln(n) deep at most.  The rank of a node is a hash of
 * its address: that costs no memory, and no peer can know it.  Nothing but the
 * number of steps depends on it.
 */
#include "util/tree.h"

static uint64_t rank(const struct tree_node *n)
{
	uint64_t x = (uintptr_t)n;

	x = (x ^ x >> 32) * 0xd6e8feb86659fd93u;
	return (x ^ x >> 29) * 0x9e3779b97f4a7c15u;
}

/* @n takes @old's place below @up. */
static void replace(struct tree_node *up, const struct tree_node *old,
		    struct tree_node *n)
{
	if (n)
		n->up = up;
	if (up && up->left == old)
		up->left = n;
	else if (up)
		up->right = n;
}

/* @n and the node above it change places. */
static void lift(struct tree_node *n)
{
	struct tree_node *p = n->up, *inner;

	replace(p->up, p, n);
	if (p->left == n) {
		inner = p->left = n->right;
		n->right = p;
	} else {
		inner = p->right = n->left;
		n->left = p;
	}
	p->up = n;
	if (inner)
		inner->up = p;
}

void tree_add(struct tree_node *up, struct tree_node **link,
	      struct tree_node *n)
{
	n->up = up;
	n->left = n->right = NULL;
	if (!up)
		return;
	*link = n;
	while (n->up && rank(n) > rank(n->up))
		lift(n);
}

static struct tree_node *leftmost(struct tree_node *n)
{
	while (n->left)
		n = n->left;
	return n;
}

static struct tree_node *rightmost(struct tree_node *n)
{
	while (n->right)
		n = n->right;
	return n;
}

void tree_add_after(struct tree_node *at, struct tree_node *n)
{
	if (at->right) {
		at = leftmost(at->right);
		tree_add(at, &at->left, n);
	} else {
		tree_add(at, &at->right, n);
	}
}

void tree_add_before(struct tree_node *at, struct tree_node *n)
{
	if (at->left) {
		at = rightmost(at->left);
		tree_add(at, &at->right, n);
	} else {
		tree_add(at, &at->left, n);
	}
}

void tree_del(struct tree_node *n)
{
	while (n->left && n->right)
		lift(rank(n->left) > rank(n->right) ? n->left : n->right);
	replace(n->up, n, n->left ? n->left : n->right);
}

struct tree_node *tree_root(struct tree_node *n)
{
	while (n && n->up)
		n = n->up;
	return n;
}

struct tree_node *tree_last(struct tree_node *n)
{
	n = tree_root(n);
	return n ? rightmost(n) : NULL;
}

struct tree_node *tree_next(struct tree_node *n)
{
	if (n->right)
		return leftmost(n->right);
	while (n->up && n->up->right == n)
		n = n->up;
	return n->up;
}
