/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCK_RULES_NFT_H
#define PENSTOCK_RULES_NFT_H

#include "util/types.h"

/**
 * nft_table_delete() - Delete an nftables table and everything in it
 * @v4:   family ip, else ip6
 * @name: the table
 *
 * iptables makes a table when it is first used, and has no command to delete
 * it.  Return: 0 or -errno (-ENOENT: there is none)
 */
int nft_table_delete(bool v4, const char *name);

struct nft_watch;

/* Get a report of every change of nftables in this namespace; NULL: not
 * possible. */
struct nft_watch *nft_watch_open(void);
void nft_watch_close(struct nft_watch *w);
int nft_watch_fd(const struct nft_watch *w);

/**
 * nft_watch_read() - Read all reports
 * @table: its name
 * Return: true if one was about this table, its chains or rules, in family ip
 *         or ip6; or if one was lost
 */
bool nft_watch_read(struct nft_watch *w, const char *table);

#endif
