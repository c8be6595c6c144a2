/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCK_CONTROL_NFT_H
#define PENSTOCK_CONTROL_NFT_H

#include "util/types.h"

/**
 * nft_table_delete() - Delete an nftables table and everything in it
 * @v4:   family ip, else ip6
 * @name: the table
 *
 * iptables makes a table when it is first used and has no command that takes
 * it away.  Return: 0 or -errno (-ENOENT: there is none)
 */
int nft_table_delete(bool v4, const char *name);

#endif
