/* SPDX-License-Identifier: MIT */
/*
 * The packet rules and settings that a configuration needs.
 *
 * They are in raw PREROUTING, before connection tracking, so that a flood makes
 * no conntrack entries, and in chains of our own, so that they can be removed
 * exactly.  Packets are taken by address and port in both directions, from any
 * interface but the TUN:
 *
 *   PREROUTING -> PENSTOCK
 *     from the TUN: ours.  Untracked, and not queued again
 *     with relay = splice, what bears our mark: translated.  The same
 *     to or from a service's address behind an authentication header,
 *                                  which hides the port -> PENSTOCK_Q
 *     to a listen address and port          -> PENSTOCK_Q
 *     from a server's address and port      -> PENSTOCK_Q, unless the packet
 *                                    is for this host: its own connections;
 *                                    of a service whose source is the
 *                                    gateway, those to its range of ports
 *     ICMP errors: queued without leaving conntrack, as the daemon passes on
 *     those that quote no flow of its own; and past the daemon when none runs
 *   PENSTOCK_Q: untracked, then the queue: a chain is not resumed after it
 *     without ACK                             -> PENSTOCK_SYN
 *     where a service has ports of its own, each worker has a part of them
 *     Several queues share all else by the address pair.  What so comes to a
 *     worker that does not have its connection, such as from the server of a
 *     service with connect, goes on to the queue of the one that has it
 *   PENSTOCK_SYN: SYNs, and what never belongs to a connection, shared by the
 *     address pair in the same way.  The kernel scales one hash of the pair to
 *     the number of queues, and each worker has as many for SYNs as any other,
 *     neighbours in number: so the SYN comes to the worker of the rest
 *   PENSTOCK_DEFRAG: nothing leads there.  A match of sockets anywhere has the
 *     kernel reassemble fragments before raw PREROUTING (nf_defrag)
 *   OUTPUT -> PENSTOCK_OUT: untracked what bears our mark; this host's own
 *     ICMP errors are queued like all others, as "does not fit" about what the
 *     TUN brings is made here and never enters by PREROUTING; IPv6 redirects
 *     are dropped, as there is no sysctl for them: an answer that leaves by the
 *     interface of its question looks like a detour
 *
 * An ICMP error about a packet of ours is sent to the client or to the server,
 * whose address we use, and comes from any router.  Its addresses do not tell
 * whether it is ours, so all ICMP errors are queued.
 *
 * Every line is in the form that iptables-save prints: so `rules check` can
 * compare plain text.
 */
#include <errno.h>
#include <stdlib.h>

#include "rules/host.h"
#include "rules/rules.h"
#include "util/address.h"

const char *const rules_chains[] = {"PENSTOCK",	       "PENSTOCK_Q",
				    "PENSTOCK_SYN",    "PENSTOCK_OUT",
				    "PENSTOCK_DEFRAG", NULL};

const struct rules_sysctl rules_sysctl_host[] = {
	{.glob = "net/ipv4/ip_forward", .to = "1"},
	/* sockets that a transparent proxy left in TIME_WAIT would claim our
	 * packets with the same addresses, and forwarding drops those */
	{.glob = "net/ipv4/ip_early_demux", .to = "0", .either = true},
	/* otherwise packets from outside with an address of this host are
	 * refused */
	{.family = RULES_V4,
	 .glob = "net/ipv4/conf/all/accept_local",
	 .to = "1",
	 .own_source = true},
	/* answers have source addresses whose route leads elsewhere: strict
	 * reverse path filters would drop them, loose ones do not */
	{.family = RULES_V4,
	 .glob = "net/ipv4/conf/*/rp_filter",
	 .from = "1",
	 .to = "2"},
	{.family = RULES_V4,
	 .glob = "net/ipv4/conf/*/send_redirects",
	 .from = "1",
	 .to = "0"},
	{.family = RULES_V6, .glob = "net/ipv6/conf/all/forwarding", .to = "1"},
	{.glob = NULL},
};

const struct rules_sysctl rules_sysctl_tun[] = {
	{.family = RULES_V4, .glob = "net/ipv4/conf/%s/forwarding", .to = "1"},
	{.family = RULES_V4,
	 .glob = "net/ipv4/conf/%s/rp_filter",
	 .from = "1",
	 .to = "2"},
	{.family = RULES_V4,
	 .glob = "net/ipv4/conf/%s/send_redirects",
	 .from = "1",
	 .to = "0"},
	{.family = RULES_V6, .glob = "net/ipv6/conf/%s/disable_ipv6", .to = "0"},
	{.family = RULES_V6, .glob = "net/ipv6/conf/%s/forwarding", .to = "1"},
	{.glob = NULL},
};

bool rules_sysctl_wanted(const struct rules_plan *p,
			 const struct rules_sysctl *s)
{
	bool used = p->text[s->family];

	if (s->either)
		used = p->text[RULES_V4] || p->text[RULES_V6];
	return used && (p->own_source || !s->own_source);
}

static bool text_has_line(const char *text, const char *line)
{
	for (const char *p = text; (p = strstr(p, line)); p++) {
		if (p == text || p[-1] == '\n')
			return true;
	}
	return false;
}

#define RULE_MAX 256

static void selector_print(char *buf, size_t len, char dir,
			   const struct endpoint *ep)
{
	bool v4 = ipaddr_is_v4(&ep->addr);
	uint32_t prefix = v4 ? ep->prefix - 96u : ep->prefix;
	char addr[ADDRESS_TEXT_MAX];

	buf[0] = '\0';
	if (!prefix)
		return;
	snprintf(buf, len, " -%c %s/%u", dir, address_print(&ep->addr, addr),
		 prefix);
}

/**
 * struct rules_out - Where rules are written to
 * @f:      the text's stream
 * @text:   its content, once it is flushed
 * @chain:  chain that the rules are added to
 * @target: target for packets that match
 */
struct rules_out {
	FILE *f;
	char **text;
	const char *chain, *target;
};

static void rule_add(const struct rules_out *o, const char *match)
{
	char line[RULE_MAX];

	snprintf(line, sizeof(line), "-A %s%s -j %s\n", o->chain, match,
		 o->target);
	fflush(o->f);
	if (!text_has_line(*o->text, line))
		fputs(line, o->f);
}

/* A rule for packets to the service. */
static void rule_to(const struct rules_out *o, const struct endpoint *ep)
{
	char addr[64], port[32] = "", match[160];

	selector_print(addr, sizeof(addr), 'd', ep);
	if (ep->port)
		snprintf(port, sizeof(port), " -m tcp --dport %u", ep->port);
	snprintf(match, sizeof(match), "%s -p tcp%s", addr, port);
	rule_add(o, match);
}

/* A rule for packets from a server to a client, but not to this host. */
static void rule_from(const struct rules_out *o, const struct endpoint *ep)
{
	char addr[64], port[32] = "", match[160];

	selector_print(addr, sizeof(addr), 's', ep);
	if (ep->port)
		snprintf(port, sizeof(port), " -m tcp --sport %u", ep->port);
	snprintf(match, sizeof(match),
		 "%s -p tcp%s -m addrtype ! --dst-type LOCAL", addr, port);
	rule_add(o, match);
}

/* A rule for packets from a server to an address of this host that stands for
 * clients.  Only the ports distinguish them from this host's own
 * connections. */
static void rule_from_own(const struct rules_out *o, const struct endpoint *ep,
			  const struct service *s,
			  const struct port_range *ports)
{
	struct endpoint own = {.addr = s->source.addr, .prefix = 128};
	char addr[64], dst[64] = "", sport[32] = "", match[224];
	bool v4 = ipaddr_is_v4(&ep->addr);

	selector_print(addr, sizeof(addr), 's', ep);
	if (s->source.mode == SOURCE_ADDRESS && ipaddr_is_v4(&own.addr) == v4)
		selector_print(dst, sizeof(dst), 'd', &own);
	if (ep->port)
		snprintf(sport, sizeof(sport), " --sport %u", ep->port);
	if (ports->min == ports->max)
		snprintf(match, sizeof(match),
			 "%s%s -p tcp -m tcp%s --dport %u", addr, dst, sport,
			 ports->min);
	else
		snprintf(match, sizeof(match),
			 "%s%s -p tcp -m tcp%s --dport %u:%u", addr, dst, sport,
			 ports->min, ports->max);
	rule_add(o, match);
}

/* Where what comes to its listen address number @i is sent on to. */
static const struct endpoint *server_of(const struct service *s, uint32_t i)
{
	return s->connect.port ? &s->connect : &s->listen.ep[i];
}

static void rules_service(const struct rules_out *o, const struct service *s,
			  bool v4)
{
	const struct port_range all = {s->port_min, s->port_max};

	for (uint32_t i = 0; i < s->listen.n; i++) {
		const struct endpoint *ep = &s->listen.ep[i];

		if (ipaddr_is_v4(&ep->addr) != v4)
			continue;
		rule_to(o, ep);
		if (s->source.mode == SOURCE_CLIENT)
			rule_from(o, server_of(s, i));
		else
			rule_from_own(o, server_of(s, i), s, &all);
	}
}

/* iptables finds no ports behind an authentication header: packets with one go
 * to the daemon, which does. */
static void rules_hidden(const struct rules_out *o, const struct service *s,
			 bool v4)
{
	static const char dir[] = {'d', 's'};
	const struct endpoint *ep;
	char addr[64], match[160];

	for (uint32_t i = 0; i < s->listen.n; i++) {
		if (ipaddr_is_v4(&s->listen.ep[i].addr) != v4)
			continue;
		for (size_t k = 0; k < ARRAY_LEN(dir); k++) {
			ep = &s->listen.ep[i];
			if (k && s->connect.port)
				ep = &s->connect;
			selector_print(addr, sizeof(addr), dir[k], ep);
			snprintf(match, sizeof(match), "%s%s", addr,
				 v4 ? " -p ah"
				    : " -m ipv6header --header ah --soft");
			rule_add(o, match);
		}
	}
}

static bool wants_reassembly(const struct policy *p)
{
	for (uint32_t i = 0; i < p->nservice; i++) {
		if (p->service[i].fragments == FRAGMENTS_REASSEMBLE)
			return true;
	}
	return false;
}

static void queues_print(char *buf, size_t len, uint32_t first, uint32_t n)
{
	if (n == 1)
		snprintf(buf, len, "NFQUEUE --queue-num %u", first);
	else
		snprintf(buf, len, "NFQUEUE --queue-balance %u:%u", first,
			 first + n - 1);
}

/* Several workers: each has the replies to the ports that it uses. */
static void rules_own_ports(const struct rules_out *chain,
			    const struct config *cfg, const struct service *s,
			    bool v4)
{
	const struct daemon_cfg *d = &cfg->daemon;
	struct rules_out o = *chain;
	struct port_range ports;
	char target[64];

	o.target = target;
	for (uint32_t i = 0; d->workers > 1 && i < d->workers; i++) {
		if (!service_ports_of(s, i, d->workers, &ports))
			continue;
		queues_print(target, sizeof(target), d->queue + i, 1);
		for (uint32_t k = 0; k < s->listen.n; k++) {
			const struct endpoint *ep = server_of(s, k);

			if (ipaddr_is_v4(&ep->addr) == v4)
				rule_from_own(&o, ep, s, &ports);
		}
	}
}

static void rules_queues(const struct rules_out *chain,
			 const struct config *cfg, bool v4)
{
	const struct daemon_cfg *d = &cfg->daemon;
	char queues[64];

	for (uint32_t i = 0; i < cfg->policy->nservice; i++) {
		const struct service *s = &cfg->policy->service[i];

		if (s->source.mode != SOURCE_CLIENT)
			rules_own_ports(chain, cfg, s, v4);
	}
	queues_print(queues, sizeof(queues), daemon_queue(d, 0), d->workers);
	fprintf(chain->f, "-A PENSTOCK_Q -j %s\n", queues);
	queues_print(queues, sizeof(queues), daemon_syn_queue(d, 0),
		     d->workers * SYN_QUEUES);
	fprintf(chain->f, "-A PENSTOCK_SYN -j %s\n", queues);
}

/*
 * Destination unreachable and time exceeded; packet too big.  What this host
 * itself says of our packets, that they do not fit or find no way, passes
 * OUTPUT only.
 */
static void rules_icmp(FILE *f, const char *chain, const char *queue, bool v4)
{
	static const uint8_t types4[] = {3, 11}, types6[] = {1, 2, 3};
	const uint8_t *types = v4 ? types4 : types6;
	size_t n = v4 ? ARRAY_LEN(types4) : ARRAY_LEN(types6);

	for (size_t i = 0; i < n; i++)
		fprintf(f, "-A %s -p %s %u -j %s --queue-bypass\n", chain,
			v4 ? "icmp -m icmp --icmp-type"
			   : "ipv6-icmp -m icmp6 --icmpv6-type",
			types[i], queue);
}

static void mark_print(char *buf, size_t len, const struct daemon_cfg *d)
{
	if (d->mark_mask == UINT32_MAX)
		snprintf(buf, len, "0x%x", d->mark);
	else
		snprintf(buf, len, "0x%x/0x%x", d->mark, d->mark_mask);
}

static bool family_is_used(const struct policy *p, bool v4)
{
	for (uint32_t i = 0; i < p->nservice; i++) {
		for (uint32_t j = 0; j < p->service[i].listen.n; j++) {
			if (ipaddr_is_v4(&p->service[i].listen.ep[j].addr) ==
			    v4)
				return true;
		}
	}
	return false;
}

static bool wants_splice(const struct policy *p)
{
	for (uint32_t i = 0; i < p->nservice; i++) {
		if (p->service[i].relay == RELAY_SPLICE)
			return true;
	}
	return false;
}

static void plan_splice(struct rules_plan *p, const struct daemon_cfg *d)
{
	const char *at = d->bpf_interfaces;
	struct splice_host *h = &p->splice;
	size_t n;

	snprintf(h->dir, sizeof(h->dir), "%s", d->bpf_dir);
	memcpy(h->tun, d->tun, sizeof(h->tun));
	for (; *at && h->n < SPLICE_INTERFACES_MAX; at += n) {
		at += strspn(at, " \t,");
		n = strcspn(at, " \t,");
		if (n)
			snprintf(h->ifname[h->n++], sizeof(h->ifname[0]),
				 "%.*s", (int)n, at);
	}
}

static int family_print(char **text, const struct config *cfg, bool v4)
{
	struct rules_out o = {
		.text = text, .chain = "PENSTOCK", .target = "PENSTOCK_Q"};
	const struct daemon_cfg *d = &cfg->daemon;
	char queue[64], mark[32];
	size_t len;
	FILE *f = open_memstream(text, &len);

	if (!f)
		return -ENOMEM;
	o.f = f;
	queues_print(queue, sizeof(queue), d->queue, d->workers);
	mark_print(mark, sizeof(mark), d);
	fprintf(f,
		"-A PENSTOCK -i %s -j CT --notrack\n"
		"-A PENSTOCK -i %s -j RETURN\n",
		d->tun, d->tun);
	if (wants_splice(cfg->policy))
		fprintf(f,
			"-A PENSTOCK -m mark --mark %s -j CT --notrack\n"
			"-A PENSTOCK -m mark --mark %s -j RETURN\n",
			mark, mark);
	for (uint32_t i = 0; i < cfg->policy->nservice; i++)
		rules_service(&o, &cfg->policy->service[i], v4);
	for (uint32_t i = 0; i < cfg->policy->nservice; i++)
		rules_hidden(&o, &cfg->policy->service[i], v4);
	rules_icmp(f, "PENSTOCK", queue, v4);
	fprintf(f, "-A PENSTOCK_OUT -m mark --mark %s -j CT --notrack\n", mark);
	rules_icmp(f, "PENSTOCK_OUT", queue, v4);
	if (!v4)
		fputs("-A PENSTOCK_OUT -p ipv6-icmp -m icmp6 --icmpv6-type 137 "
		      "-j DROP\n",
		      f);
	fputs("-A PENSTOCK_Q -j CT --notrack\n"
	      "-A PENSTOCK_Q -p tcp -m tcp ! --tcp-flags ACK ACK "
	      "-j PENSTOCK_SYN\n",
	      f);
	o.chain = "PENSTOCK_Q";
	rules_queues(&o, cfg, v4);
	if (wants_reassembly(cfg->policy))
		fputs("-A PENSTOCK_DEFRAG -m socket --nowildcard -j RETURN\n",
		      f);
	if (fclose(f)) {
		free(*text);
		*text = NULL;
		return -ENOMEM;
	}
	return 0;
}

int rules_plan_init(struct rules_plan *p, const struct config *cfg)
{
	*p = (struct rules_plan){0};
	memcpy(p->tun, cfg->daemon.tun, sizeof(p->tun));
	p->queue = cfg->daemon.queue;
	p->queues = DAEMON_QUEUES(&cfg->daemon);
	for (uint32_t i = 0; i < cfg->policy->nservice; i++)
		p->own_source |= cfg->policy->service[i].source.mode !=
				 SOURCE_CLIENT;
	p->own_source |= host_listens(cfg->policy);
	p->wants_splice = wants_splice(cfg->policy);
	if (p->wants_splice)
		plan_splice(p, &cfg->daemon);
	for (int f = 0; f < RULES_FAMILIES; f++) {
		bool v4 = f == RULES_V4;

		if (!family_is_used(cfg->policy, v4))
			continue;
		if (family_print(&p->text[f], cfg, v4)) {
			rules_plan_fini(p);
			return -ENOMEM;
		}
	}
	return 0;
}

void rules_plan_fini(struct rules_plan *p)
{
	for (int f = 0; f < RULES_FAMILIES; f++) {
		free(p->text[f]);
		p->text[f] = NULL;
	}
}

static void print_sysctls(const struct rules_plan *p,
			  const struct rules_sysctl *s, FILE *out)
{
	for (; s->glob; s++) {
		char path[128];

		if (!rules_sysctl_wanted(p, s))
			continue;
		snprintf(path, sizeof(path), s->glob, p->tun);
		if (strchr(path, '*'))
			fprintf(out,
				"for f in /proc/sys/%s; do\n"
				"\tif [ \"$(cat \"$f\")\" = %s ]; then echo %s "
				">\"$f\"; fi\n"
				"done\n",
				path, s->from, s->to);
		else if (s->from)
			fprintf(out,
				"f=/proc/sys/%s\n"
				"if [ \"$(cat \"$f\")\" = %s ]; then echo %s "
				">\"$f\"; fi\n",
				path, s->from, s->to);
		else
			fprintf(out, "echo %s >/proc/sys/%s\n", s->to, path);
	}
}

static void print_tables(const char *text, const char *cmd, FILE *out)
{
	fprintf(out, "%s-restore --noflush <<'END'\n*raw\n", cmd);
	for (const char *const *c = rules_chains; *c; c++)
		fprintf(out, ":%s - [0:0]\n", *c);
	fprintf(out, "%sCOMMIT\nEND\n", text);
	fprintf(out,
		"%s -t raw -C PREROUTING -j PENSTOCK 2>/dev/null ||\n"
		"\t%s -t raw -A PREROUTING -j PENSTOCK\n"
		"%s -t raw -C OUTPUT -j PENSTOCK_OUT 2>/dev/null ||\n"
		"\t%s -t raw -A OUTPUT -j PENSTOCK_OUT\n",
		cmd, cmd, cmd, cmd);
}

void rules_print(const struct rules_plan *p, const char *conf, FILE *out)
{
	fprintf(out,
		"#!/bin/sh\n"
		"# What `penstockctl rules apply -c %s` does.\n"
		"# It also remembers what was there before, and `penstockctl "
		"rules remove`\n"
		"# puts that back; this script does not.\n"
		"set -e\n\n"
		"# The gateway forwards, does not filter by reverse path, and "
		"sends no redirects.\n",
		conf);
	print_sysctls(p, rules_sysctl_host, out);
	fprintf(out,
		"\n# The device that the daemon's packets leave by.\n"
		"if ! ip link show dev %s >/dev/null 2>&1; then\n"
		"\tip tuntap add dev %s mode tun multi_queue vnet_hdr\n"
		"\tip link set dev %s addrgenmode none\n"
		"fi\n"
		"ip link set dev %s up\n",
		p->tun, p->tun, p->tun, p->tun);
	if (p->text[RULES_V4])
		fprintf(out,
			"# Reverse path filters drop what comes from a device "
			"without an address.\n"
			"ip -4 addr show dev %s | grep -q inet ||\n"
			"\tip addr add " RULES_TUN_ADDR " dev %s scope host\n",
			p->tun, p->tun);
	print_sysctls(p, rules_sysctl_tun, out);
	for (int f = 0; f < RULES_FAMILIES; f++) {
		if (!p->text[f])
			continue;
		fprintf(out, "\n# IPv%d: take the services' packets.\n",
			f == RULES_V4 ? 4 : 6);
		print_tables(p->text[f],
			     f == RULES_V4 ? "iptables" : "ip6tables", out);
	}
}
