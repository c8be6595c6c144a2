/* SPDX-License-Identifier: MIT */
/*
 * Checks what would keep penstock from working on this host.
 *
 * Each look_ function asks the kernel, or a program of the host, and reports
 * what it found.  They are independent, so that one problem does not hide
 * another.
 */
#include "rules/doctor.h"

#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timex.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "rules/run.h"
#include "util/address.h"

#define QUEUES "/proc/net/netfilter/nfnetlink_queue"
#define BPF_FS_MAGIC 0xcafe4a11
#define BPF_FS "/sys/fs/bpf"
#define LINE 512

/**
 * struct look - What the checks share
 * @alive: the daemon answers
 */
struct look {
	const struct config *cfg;
	const struct rules_plan *plan;
	bool alive;
	doctor_fn fn;
	void *arg;
};

__attribute__((format(printf, 5, 6))) static void
report(const struct look *d, enum doctor_level level, const char *check,
       const char *mend, const char *fmt, ...)
{
	struct doctor_finding f = {.level = level, .check = check};
	char text[LINE];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	f.text = text;
	f.mend = mend;
	d->fn(d->arg, &f);
}

/* One number from a file; false when there is none. */
static bool number_from(const char *path, long *out)
{
	FILE *f = fopen(path, "re");
	char line[32], *end = line;

	if (f && fgets(line, sizeof(line), f))
		*out = strtol(line, &end, 10);
	if (f)
		fclose(f);
	return end != line;
}

static bool has_program(const char *name)
{
	static const char *const dirs[] = {"/usr/sbin", "/sbin", "/usr/bin",
					   "/bin"};
	char path[64];

	for (size_t i = 0; i < ARRAY_LEN(dirs); i++) {
		snprintf(path, sizeof(path), "%s/%s", dirs[i], name);
		if (!access(path, X_OK))
			return true;
	}
	return false;
}

static void look_programs(const struct look *d)
{
	static const struct {
		const char *name, *package;
	} need[] = {{"iptables", "iptables"},
		    {"ip6tables", "iptables"},
		    {"ip", "iproute2"}};
	char mend[64];
	int missing = 0;

	for (size_t i = 0; i < ARRAY_LEN(need); i++) {
		if (has_program(need[i].name))
			continue;
		snprintf(mend, sizeof(mend), "apt-get install %s",
			 need[i].package);
		report(d, DOCTOR_BAD, "programs", mend, "%s is not installed",
		       need[i].name);
		missing++;
	}
	if (!missing)
		report(d, DOCTOR_GOOD, "programs", NULL,
		       "iptables and ip are installed");
}

static void look_tun(const struct look *d)
{
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
	struct stat st;

	if (fd < 0) {
		report(d, DOCTOR_BAD, "tun",
		       errno == ENOENT ? "modprobe tun" : NULL,
		       "/dev/net/tun: %s", strerror(errno));
		return;
	}
	if (!fstat(fd, &st) && (st.st_mode & 0666) != 0666)
		report(d, DOCTOR_WARN, "tun", "chmod 666 /dev/net/tun",
		       "/dev/net/tun has mode %03o: under systemd the daemon "
		       "is a user of its own, who cannot open it",
		       st.st_mode & 0777);
	else
		report(d, DOCTOR_GOOD, "tun", NULL, "/dev/net/tun opens");
	close(fd);
}

/* --- queues --- */

/* The numbers of a line.  Return: how many */
static int numbers_of(const char *line, unsigned long *out, int max)
{
	int n = 0;

	for (char *end; n < max; n++, line = end) {
		out[n] = strtoul(line, &end, 10);
		if (end == line)
			break;
	}
	return n;
}

/* Has each queue of the plan a reader?  In *dropped: packets that found it
 * full. */
static uint32_t queues_bound(const struct rules_plan *p, unsigned long *dropped)
{
	/* queue, port, waiting, mode, range, full, user, id, 1 */
	unsigned long v[7];
	FILE *f = fopen(QUEUES, "re");
	char line[LINE];
	uint32_t n = 0;

	*dropped = 0;
	while (f && fgets(line, sizeof(line), f)) {
		if (numbers_of(line, v, 7) < 7 || v[0] < p->queue ||
		    v[0] - p->queue >= p->queues)
			continue;
		*dropped += v[5] + v[6];
		n++;
	}
	if (f)
		fclose(f);
	return n;
}

static void look_queues(const struct look *d)
{
	const struct rules_plan *p = d->plan;
	unsigned long dropped;
	uint32_t n;

	if (access(QUEUES, R_OK)) {
		report(d, DOCTOR_BAD, "queues", "modprobe nfnetlink_queue",
		       "the kernel has no NFQUEUE here");
		return;
	}
	n = queues_bound(p, &dropped);
	if (n == p->queues && d->alive)
		report(d, DOCTOR_GOOD, "queues", NULL,
		       "the daemon reads all %u queues", n);
	else if (n && !d->alive)
		report(d, DOCTOR_BAD, "queues", NULL,
		       "%u of the queues %u to %u are read, but no penstockd "
		       "answers: another program has them, or it hangs",
		       n, p->queue, p->queue + p->queues - 1);
	else
		report(d, DOCTOR_BAD, "queues", "systemctl start penstockd",
		       "%u of %u queues have no reader: with the rules in "
		       "place, packets of the services are dropped",
		       p->queues - n, p->queues);
	if (dropped)
		report(d, DOCTOR_WARN, "queues", NULL,
		       "%lu packets found a queue full since the daemon began",
		       dropped);
}

/* --- rules --- */

static void look_rules(const struct look *d)
{
	char *text = NULL;
	size_t len;
	FILE *m = open_memstream(&text, &len);
	int n;

	if (!m)
		return;
	n = rules_check(d->plan, m);
	fclose(m);
	if (n > 0)
		report(d, DOCTOR_BAD, "rules", "penstockctl rules apply",
		       "%d differences (see penstockctl rules check); the "
		       "first: %.*s",
		       n, (int)strcspn(text, "\n"), text);
	else if (!n)
		report(d, DOCTOR_GOOD, "rules", NULL,
		       "packet rules, TUN device and sysctls are as the "
		       "configuration wants them");
	else
		report(d, DOCTOR_BAD, "rules", NULL, "cannot be read: %s",
		       strerror(-n));
	free(text);
}

/* With a policy of DROP, are there rules for what the daemon sends? */
static void look_forward(const struct look *d, const char *program)
{
	const struct daemon_cfg *c = &d->cfg->daemon;
	const char *argv[] = {program, "-S", "FORWARD", NULL};
	char tun[32], mark[48], mend[LINE];
	char *text = NULL;

	if (run_cmd(argv, NULL, &text, true)) {
		free(text);
		return;
	}
	snprintf(tun, sizeof(tun), "-i %s ", c->tun);
	snprintf(mark, sizeof(mark), "--mark 0x%x/0x%x", c->mark, c->mark_mask);
	snprintf(mend, sizeof(mend),
		 "%s -A FORWARD -i %s -j ACCEPT && %s -A FORWARD -m mark "
		 "--mark 0x%x/0x%x -j ACCEPT",
		 program, c->tun, program, c->mark, c->mark_mask);
	if (strncmp(text, "-P FORWARD ACCEPT", 17) &&
	    (!strstr(text, tun) || !strstr(text, mark)))
		report(d, DOCTOR_BAD, "forward", mend,
		       "%s: FORWARD drops by default, and has no rules for "
		       "what the daemon sends",
		       program);
	else
		report(d, DOCTOR_GOOD, "forward", NULL,
		       "%s: FORWARD lets the daemon's packets through",
		       program);
	free(text);
}

static void look_forwards(const struct look *d)
{
	if (d->plan->text[RULES_V4])
		look_forward(d, "iptables");
	if (d->plan->text[RULES_V6])
		look_forward(d, "ip6tables");
}

/* A flowtable forwards known connections before any rule sees their packets. */
static void look_flowtables(const struct look *d)
{
	const char *argv[] = {"nft", "list", "flowtables", NULL};
	char *text = NULL;

	if (!has_program("nft"))
		return;
	if (!run_cmd(argv, NULL, &text, true) && strstr(text, "flowtable "))
		report(d, DOCTOR_BAD, "flowtables", "nft list flowtables",
		       "a flowtable carries established connections past the "
		       "daemon: take the services out of its rules");
	else
		report(d, DOCTOR_GOOD, "flowtables", NULL, "there are none");
	free(text);
}

/* --- routes --- */

static void look_route(const struct look *d, const struct service *s,
		       const struct endpoint *ep)
{
	char addr[ADDRESS_TEXT_MAX];
	const char *argv[] = {"ip", "route", "get", addr, NULL};
	char *text = NULL;

	if (ep->prefix != 128)
		return; /* a network: its hosts are not known */
	address_print(&ep->addr, addr);
	if (run_cmd(argv, NULL, &text, true) || strstr(text, "unreachable"))
		report(d, DOCTOR_BAD, "routes", NULL,
		       "service %s: no route to %s: ip route get %s", s->name,
		       addr, addr);
	else if (strstr(text, d->plan->tun))
		report(d, DOCTOR_BAD, "routes", NULL,
		       "service %s: the route to %s leads into %s", s->name,
		       addr, d->plan->tun);
	free(text);
}

static void look_routes(const struct look *d)
{
	const struct policy *p = d->cfg->policy;

	for (uint32_t i = 0; i < p->nservice; i++) {
		const struct service *s = &p->service[i];

		if (s->connect.port)
			look_route(d, s, &s->connect);
		for (uint32_t k = 0; !s->connect.port && k < s->listen.n; k++)
			look_route(d, s, &s->listen.ep[k]);
	}
}

/* --- devices --- */

static bool has_lro(int fd, const char *name)
{
	struct ethtool_value v = {.cmd = ETHTOOL_GFLAGS};
	struct ifreq r = {.ifr_data = (char *)&v};

	snprintf(r.ifr_name, sizeof(r.ifr_name), "%s", name);
	return !ioctl(fd, SIOCETHTOOL, &r) && v.data & ETH_FLAG_LRO;
}

/* Large receive offload makes segments that cannot be forwarded. */
static void look_offloads(const struct look *d)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), n = 0;
	struct ifaddrs *all = NULL;
	char mend[64];

	if (fd < 0 || getifaddrs(&all)) {
		if (fd >= 0)
			close(fd);
		return;
	}
	for (const struct ifaddrs *a = all; a; a = a->ifa_next) {
		if (!a->ifa_addr || a->ifa_addr->sa_family != AF_PACKET ||
		    !has_lro(fd, a->ifa_name))
			continue;
		snprintf(mend, sizeof(mend), "ethtool -K %s lro off",
			 a->ifa_name);
		report(d, DOCTOR_BAD, "offloads", mend,
		       "%s: large receive offload is on", a->ifa_name);
		n++;
	}
	if (!n)
		report(d, DOCTOR_GOOD, "offloads", NULL,
		       "no device has large receive offload on");
	freeifaddrs(all);
	close(fd);
}

/* Packets of services are not tracked, but all others of the gateway are. */
static void look_conntrack(const struct look *d)
{
	long n, max;

	if (!number_from("/proc/sys/net/netfilter/nf_conntrack_count", &n) ||
	    !number_from("/proc/sys/net/netfilter/nf_conntrack_max", &max) ||
	    max <= 0)
		return;
	if (n > max / 10 * 9)
		report(d, DOCTOR_WARN, "conntrack",
		       "sysctl -w net.netfilter.nf_conntrack_max=N",
		       "%ld of %ld entries are taken; the services' packets "
		       "need none, but other traffic is dropped when it is "
		       "full",
		       n, max);
	else
		report(d, DOCTOR_GOOD, "conntrack", NULL,
		       "%ld of %ld entries are taken", n, max);
}

/* --- programs of the kernel, secrets, time --- */

static bool wants_bpf(const struct look *d)
{
	return d->cfg->daemon.front != FRONT_OFF || d->plan->wants_splice;
}

static void look_bpf(const struct look *d)
{
	struct statfs fs;

	if (!wants_bpf(d))
		return;
	if (statfs(BPF_FS, &fs) || (uint32_t)fs.f_type != BPF_FS_MAGIC)
		report(d, DOCTOR_WARN, "bpf", "mount -t bpf bpf " BPF_FS,
		       "no BPF file system at " BPF_FS
		       ": front and relay stay with the daemon");
	else
		report(d, DOCTOR_GOOD, "bpf", NULL,
		       "a BPF file system is mounted");
}

static void look_secret(const struct look *d)
{
	const char *path = d->cfg->daemon.secret_file;
	char mend[320];
	struct stat st;

	if (!*path)
		return;
	if (stat(path, &st)) {
		report(d, errno == ENOENT ? DOCTOR_WARN : DOCTOR_BAD, "secret",
		       NULL, "%s: %s: the daemon makes one when it starts",
		       path, strerror(errno));
		return;
	}
	snprintf(mend, sizeof(mend), "chmod 600 %s", path);
	if (st.st_mode & 077)
		report(d, DOCTOR_BAD, "secret", mend,
		       "%s can be read by others: who has it forges cookies",
		       path);
	else
		report(d, DOCTOR_GOOD, "secret", NULL, "%s is private", path);
}

/* Gateways with one secret must agree on the epoch of their cookies. */
static void look_clock(const struct look *d)
{
	struct timex t = {0};

	if (adjtimex(&t) == TIME_ERROR || t.status & STA_UNSYNC)
		report(d, DOCTOR_WARN, "clock", "timedatectl set-ntp true",
		       "not synchronised: gateways that share a secret need "
		       "the same time");
	else
		report(d, DOCTOR_GOOD, "clock", NULL, "synchronised");
}

static void look_daemon(const struct look *d)
{
	const char *path = d->cfg->daemon.control;

	if (!*path)
		report(d, DOCTOR_WARN, "daemon", NULL,
		       "no control socket: it cannot be asked");
	else if (d->alive)
		report(d, DOCTOR_GOOD, "daemon", NULL, "answers at %s", path);
	else
		report(d, DOCTOR_BAD, "daemon", "systemctl start penstockd",
		       "does not answer at %s", path);
}

void doctor_look(const struct config *cfg, const struct rules_plan *plan,
		 bool alive, doctor_fn fn, void *arg)
{
	static void (*const looks[])(const struct look *d) = {
		look_programs, look_tun,       look_rules,  look_daemon,
		look_queues,   look_forwards,  look_routes, look_flowtables,
		look_offloads, look_conntrack, look_bpf,    look_secret,
		look_clock,
	};
	const struct look d = {cfg, plan, alive, fn, arg};

	for (size_t i = 0; i < ARRAY_LEN(looks); i++)
		looks[i](&d);
}
