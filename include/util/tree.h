/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCK_UTIL_TREE_H
#define PENSTOCK_UTIL_TREE_H

/*
 * A balanced binary tree of nodes inside other structures (a treap).
 *
 * There is no object for the tree itself: whoever has one of its nodes finds
 * the root from there.  The caller keeps the first node, or any other, and
 * compares: a search is a loop from tree_root() to the left or to the right.
 * Every step up or down is one of O(log n) that are expected.
 */
#include "util/types.h"

/**
 * struct tree_node - A place in a tree
 * @up: NULL in the root
 */
struct tree_node {
	struct tree_node *up, *left, *right;
};

/**
 * tree_add() - Put a node where a search has ended
 * @up:   the node at which it ended; NULL: @n is the first of a new tree
 * @link: &up->left or &up->right, which is NULL
 */
void tree_add(struct tree_node *up, struct tree_node **link,
	      struct tree_node *n);

/* Put @n right behind @at, or right before it. */
void tree_add_after(struct tree_node *at, struct tree_node *n);
void tree_add_before(struct tree_node *at, struct tree_node *n);

/* Take @n out.  The rest remains a tree. */
void tree_del(struct tree_node *n);

/* @n is any node of the tree; NULL where there is no such node. */
struct tree_node *tree_root(struct tree_node *n);
struct tree_node *tree_last(struct tree_node *n);
struct tree_node *tree_next(struct tree_node *n);

#endif
