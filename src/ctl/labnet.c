/* SPDX-License-Identifier: MIT */
/*
 * The network of a lab: three namespaces and the addresses of the services.
 *
 *   client namespace          gateway namespace          server namespace
 *  +------------------+   +----------------------+   +-------------------+
 *  |  up 198.51.100.2 |---| cl 198.51.100.1      |   |                   |
 *  |     2001:db8:c::2|   |    2001:db8:c::1     |   |                   |
 *  |                  |   |       penstockd      |   |                   |
 *  |                  |   | sv 203.0.113.1       |---| up 203.0.113.10   |
 *  |                  |   |    2001:db8::1       |   |    2001:db8::10   |
 *  +------------------+   +----------------------+   +-------------------+
 *
 * The server also has the other addresses that the configuration names as its
 * own; those that clients connect to where the server has another one
 * (`connect') belong to the gateway.  Host names of the namespaces contain our
 * process number, so that any number of labs can exist.
 */
#include <stdlib.h>
#include <sys/wait.h>

#include "config/config.h"
#include "lab.h"
#include "util/address.h"

/* IPv6 is left out where the kernel has none. */
static const char make_script[] =
	"for n in $C $G $S; do\n"
	"	ip netns add $n\n"
	"	ip -n $n link set lo up\n"
	"	ip netns exec $n sysctl -qw net.ipv6.conf.all.accept_dad=0 \\\n"
	"		net.ipv6.conf.default.accept_dad=0 2>/dev/null || :\n"
	"done\n"
	"ip -n $G link add cl type veth peer name up netns $C\n"
	"ip -n $G link add sv type veth peer name up netns $S\n"
	"add() { ip -n $1 addr add $2 dev $3; }\n"
	"add6() { ip -n $1 addr add $2 dev $3 nodad 2>/dev/null || :; }\n"
	"add $C 198.51.100.2/24 up; add6 $C 2001:db8:c::2/64 up\n"
	"add $G 198.51.100.1/24 cl; add6 $G 2001:db8:c::1/64 cl\n"
	"add $G 203.0.113.1/24 sv; add6 $G 2001:db8::1/64 sv\n"
	"add $S 203.0.113.10/24 up; add6 $S 2001:db8::10/64 up\n"
	"ip -n $C link set dev up up; ip -n $S link set dev up up\n"
	"ip -n $G link set cl up; ip -n $G link set sv up\n"
	"ip -n $C route add default via 198.51.100.1\n"
	"ip -n $S route add default via 203.0.113.1\n"
	"ip -n $C -6 route add default via 2001:db8:c::1 2>/dev/null || :\n"
	"ip -n $S -6 route add default via 2001:db8::1 2>/dev/null || :\n";

/* Every process in them, however it got there, ends. */
static const char end_script[] =
	"for n in $C $S $G; do\n"
	"	[ -e /run/netns/$n ] || continue\n"
	"	pids=$(ip netns pids $n 2>/dev/null) || :\n"
	"	[ -z \"$pids\" ] || kill -KILL $pids 2>/dev/null || :\n"
	"	ip netns del $n || :\n"
	"done\n";

/* Run a script for this lab.  Return: its exit status, or -1 */
static int run_script(const struct lab *l, const char *text, const char *more)
{
	FILE *sh;
	int status;

	fflush(NULL);
	sh = popen("/bin/sh -e", "we");
	if (!sh)
		return -1;
	fprintf(sh, "C=%s G=%s S=%s\n", l->client, l->gateway, l->server);
	fputs(text, sh);
	fputs(more, sh);
	status = pclose(sh);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* The first host of a prefix. */
static struct ipaddr host_of(const struct endpoint *ep)
{
	struct ipaddr a = ep->addr;

	if (ep->prefix < 128)
		a.b[15] |= 1;
	return a;
}

/* @at: "up" of the server: it has the address, and the gateway a route.  "lo"
 * of the gateway: it is the gateway's. */
static void put_address(FILE *f, const struct endpoint *ep, bool server)
{
	const struct ipaddr a = host_of(ep);
	const bool v4 = ipaddr_is_v4(&a);
	char text[ADDRESS_TEXT_MAX];

	address_print(&a, text);
	fprintf(f, "ip -n %s addr replace %s/%d dev %s%s\n",
		server ? "$S" : "$G", text, v4 ? 32 : 128, server ? "up" : "lo",
		v4 ? "" : " nodad");
	if (server)
		fprintf(f, "ip -n $G %sroute replace %s dev sv\n",
			v4 ? "" : "-6 ", text);
}

static bool is_given(const struct endpoint *ep)
{
	static const char *const given[] = {"198.51.100.1", "2001:db8:c::1",
					    "203.0.113.1",  "2001:db8::1",
					    "203.0.113.10", "2001:db8::10"};
	const struct ipaddr a = host_of(ep);

	for (size_t i = 0; i < ARRAY_LEN(given); i++) {
		struct ipaddr b;

		if (address_parse(given[i], &b) && ipaddr_eq(&a, &b))
			return true;
	}
	return false;
}

/* Lines of script for the addresses of all services; owned. */
static char *addresses(const struct policy *p)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	if (!f)
		return NULL;
	for (uint32_t i = 0; i < p->nservice; i++) {
		const struct service *s = &p->service[i];
		const bool own = !s->connect.port;

		for (uint32_t k = 0; k < s->listen.n; k++) {
			if (!is_given(&s->listen.ep[k]))
				put_address(f, &s->listen.ep[k], own);
		}
		if (!own && !is_given(&s->connect))
			put_address(f, &s->connect, true);
	}
	return fclose(f) ? NULL : text;
}

bool lab_network_make(const struct lab *l, const struct policy *p)
{
	char *more = addresses(p);
	bool good = more && !run_script(l, make_script, more);

	free(more);
	return good;
}

bool lab_network_end(const struct lab *l)
{
	return !run_script(l, end_script, "");
}
