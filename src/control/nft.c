// SPDX-License-Identifier: MIT
#include "control/nft.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

static struct nlmsghdr *put_msg(struct mnl_nlmsg_batch *b, uint16_t type,
				uint8_t family, uint16_t res_id, uint32_t seq)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(mnl_nlmsg_batch_current(b));
	struct nfgenmsg *nfg;

	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = NLM_F_REQUEST;
	nlh->nlmsg_seq = seq;
	nfg = mnl_nlmsg_put_extra_header(nlh, sizeof(*nfg));
	nfg->nfgen_family = family;
	nfg->version = NFNETLINK_V0;
	nfg->res_id = htons(res_id);
	return nlh;
}

static size_t build(char *buf, size_t len, bool v4, const char *name)
{
	struct mnl_nlmsg_batch *b = mnl_nlmsg_batch_start(buf, len);
	struct nlmsghdr *nlh;
	size_t n;

	if (!b)
		return 0;
	put_msg(b, NFNL_MSG_BATCH_BEGIN, AF_UNSPEC, NFNL_SUBSYS_NFTABLES, 1);
	mnl_nlmsg_batch_next(b);
	nlh = put_msg(b, (NFNL_SUBSYS_NFTABLES << 8) | NFT_MSG_DELTABLE,
		      v4 ? NFPROTO_IPV4 : NFPROTO_IPV6, 0, 2);
	nlh->nlmsg_flags |= NLM_F_ACK;
	mnl_attr_put_strz(nlh, NFTA_TABLE_NAME, name);
	mnl_nlmsg_batch_next(b);
	put_msg(b, NFNL_MSG_BATCH_END, AF_UNSPEC, NFNL_SUBSYS_NFTABLES, 3);
	mnl_nlmsg_batch_next(b);
	n = mnl_nlmsg_batch_size(b);
	mnl_nlmsg_batch_stop(b);
	return n;
}

int nft_table_delete(bool v4, const char *name)
{
	char buf[4096];
	struct mnl_socket *nl = mnl_socket_open(NETLINK_NETFILTER);
	size_t len = build(buf, sizeof(buf) / 2, v4, name);
	ssize_t n;
	int err = 0;

	if (!nl || !len)
		return -errno;
	if (mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID) < 0 ||
	    mnl_socket_sendto(nl, buf, len) < 0)
		goto err_errno;
	n = mnl_socket_recvfrom(nl, buf, sizeof(buf));
	if (n < 0 || mnl_cb_run(buf, (size_t)n, 2, mnl_socket_get_portid(nl),
				NULL, NULL) < 0)
		goto err_errno;
	mnl_socket_close(nl);
	return 0;

err_errno:
	err = -errno;
	mnl_socket_close(nl);
	return err;
}
