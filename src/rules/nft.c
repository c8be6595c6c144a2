/* SPDX-License-Identifier: MIT */
/*
 * Deletes an nftables table over netlink.  iptables makes tables when they are
 * first used, and has no command that deletes them.
 */
#include "rules/nft.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

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

struct nft_watch {
	struct mnl_socket *nl;
};

struct nft_watch *nft_watch_open(void)
{
	struct nft_watch *w = calloc(1, sizeof(*w));
	int group = NFNLGRP_NFTABLES;

	if (!w)
		return NULL;
	w->nl = mnl_socket_open2(NETLINK_NETFILTER,
				 SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (w->nl && mnl_socket_bind(w->nl, 0, MNL_SOCKET_AUTOPID) >= 0 &&
	    mnl_socket_setsockopt(w->nl, NETLINK_ADD_MEMBERSHIP, &group,
				  sizeof(group)) >= 0)
		return w;
	nft_watch_close(w);
	return NULL;
}

void nft_watch_close(struct nft_watch *w)
{
	if (!w)
		return;
	if (w->nl)
		mnl_socket_close(w->nl);
	free(w);
}

int nft_watch_fd(const struct nft_watch *w)
{
	return mnl_socket_get_fd(w->nl);
}

/* The attribute of the table's name is the same in all of these messages. */
static bool is_about(const struct nlmsghdr *nlh, const char *table)
{
	const struct nfgenmsg *nfg = mnl_nlmsg_get_payload(nlh);
	const char *end = mnl_nlmsg_get_payload_tail(nlh);
	const struct nlattr *a;

	switch (NFNL_MSG_TYPE(nlh->nlmsg_type)) {
	case NFT_MSG_NEWTABLE:
	case NFT_MSG_DELTABLE:
	case NFT_MSG_NEWCHAIN:
	case NFT_MSG_DELCHAIN:
	case NFT_MSG_NEWRULE:
	case NFT_MSG_DELRULE:
		break;
	default:
		return false;
	}
	if (nfg->nfgen_family != NFPROTO_IPV4 &&
	    nfg->nfgen_family != NFPROTO_IPV6)
		return false;
	for (a = mnl_nlmsg_get_payload_offset(nlh, sizeof(*nfg));
	     mnl_attr_ok(a, (int)(end - (const char *)a));
	     a = mnl_attr_next(a)) {
		if (mnl_attr_get_type(a) == NFTA_TABLE_NAME)
			return !strcmp(mnl_attr_get_str(a), table);
	}
	return false;
}

bool nft_watch_read(struct nft_watch *w, const char *table)
{
	char buf[16384];
	bool found = false;
	ssize_t n;

	for (;;) {
		const struct nlmsghdr *nlh = (const struct nlmsghdr *)buf;
		int left;

		n = mnl_socket_recvfrom(w->nl, buf, sizeof(buf));
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return found;
		found |= n <= 0;
		if (n <= 0 && errno != ENOBUFS)
			return found;
		for (left = n > 0 ? (int)n : 0; mnl_nlmsg_ok(nlh, left);
		     nlh = mnl_nlmsg_next(nlh, &left))
			found |= is_about(nlh, table);
	}
}
