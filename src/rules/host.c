/* SPDX-License-Identifier: MIT */
/*
 * Checks of a configuration that depend on this host: which addresses are its
 * own, and what cannot work here.
 */
#include "rules/host.h"

#include <errno.h>
#include <ifaddrs.h>
#include <netinet/in.h>

#include "util/address.h"

static bool is_addr(const struct sockaddr *sa, const struct ipaddr *a)
{
	struct ipaddr b;

	if (!sa)
		return false;
	if (sa->sa_family == AF_INET)
		b = ipaddr_v4((const uint8_t *)&((const struct sockaddr_in *)sa)
				      ->sin_addr);
	else if (sa->sa_family == AF_INET6)
		b = ipaddr_v6(
			(const uint8_t *)&((const struct sockaddr_in6 *)sa)
				->sin6_addr);
	else
		return false;
	return ipaddr_eq(&b, a);
}

static bool is_ours(const struct ifaddrs *all, const struct endpoint *ep)
{
	if (ep->prefix != 128)
		return false;
	for (; all; all = all->ifa_next) {
		if (is_addr(all->ifa_addr, &ep->addr))
			return true;
	}
	return false;
}

bool host_listens(const struct policy *p)
{
	struct ifaddrs *all;
	bool found = false;

	if (getifaddrs(&all))
		return false;
	for (uint32_t i = 0; i < p->nservice; i++) {
		const struct listen_set *l = &p->service[i].listen;

		for (uint32_t k = 0; k < l->n; k++)
			found |= is_ours(all, &l->ep[k]);
	}
	freeifaddrs(all);
	return found;
}

/* The first server of @s that is on this host, or NULL. */
static const struct endpoint *own_server(const struct ifaddrs *all,
					 const struct service *s)
{
	uint32_t n = s->connect.port ? 1 : s->listen.n;
	const struct endpoint *to = s->connect.port ? &s->connect
						    : s->listen.ep;

	for (uint32_t i = 0; i < n; i++) {
		if (is_ours(all, &to[i]))
			return &to[i];
	}
	return NULL;
}

int host_judge(const struct policy *p, const char *file, FILE *errors)
{
	struct ifaddrs *all;
	int err = 0;

	if (getifaddrs(&all))
		return 0;
	for (uint32_t i = 0; i < p->nservice; i++) {
		const struct service *s = &p->service[i];
		const struct endpoint *to = own_server(all, s);
		char text[ADDRESS_TEXT_MAX];

		if (!to || s->source.mode != SOURCE_CLIENT)
			continue;
		fprintf(errors,
			"%s: [service %s] %s: found %s, an address of this "
			"host, whose own answers never come to the daemon; "
			"allowed: a server on another host%s\n",
			file, s->name, s->connect.port ? "connect" : "listen",
			address_print(&to->addr, text),
			s->connect.port ? "" : ", named by connect");
		err = -EINVAL;
	}
	freeifaddrs(all);
	return err;
}

#define CC_SYSCTL "/proc/sys/net/ipv4/tcp_congestion_control"

void host_follow(struct policy *p)
{
	FILE *f = fopen(CC_SYSCTL, "re");
	char name[32] = "";

	if (f && fscanf(f, "%31s", name) != 1)
		name[0] = '\0';
	if (f)
		fclose(f);
	for (uint32_t i = 0; i < p->nservice; i++)
		tcp_cc_follow(&p->service[i].tcp, name);
}
