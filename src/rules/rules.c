/* SPDX-License-Identifier: MIT */
/*
 * Apply, remove and check a plan.
 *
 * Before the first change, the state of the host is written to a state file.  A
 * second apply finds that file and does not change it, so remove always
 * restores the host as it was before the first.  The chains of a family are
 * replaced by one iptables-restore, which the kernel commits as a whole.
 */
#include "rules/rules.h"

#include <errno.h>
#include <glob.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "rules/nft.h"
#include "rules/state.h"
#include "rules/run.h"

#define PROC_SYS "/proc/sys/"

static const struct {
	const char *save, *restore;
} tool[RULES_FAMILIES] = {
	[RULES_V4] = {"iptables-save", "iptables-restore"},
	[RULES_V6] = {"ip6tables-save", "ip6tables-restore"},
};

/* The jumps to our chains. */
static const struct {
	const char *hook, *line;
} jumps[] = {
	{"PREROUTING", "-A PREROUTING -j PENSTOCK"},
	{"OUTPUT", "-A OUTPUT -j PENSTOCK_OUT"},
};

/* Run a program, and report it if it fails.  Return: 0 or -errno */
static int run_loud(const char *const argv[], const char *input)
{
	int rc = run_cmd(argv, input, NULL, false);

	if (!rc)
		return 0;
	if (rc < 0)
		fprintf(stderr, "%s: %s\n", argv[0], strerror(-rc));
	else
		fprintf(stderr, "%s: failed with status %d\n", argv[0], rc);
	return rc < 0 ? rc : -EIO;
}

/* How often the table's text has exactly this line. */
static uint32_t count_line(const char *text, const char *line)
{
	size_t n = strlen(line);
	uint32_t count = 0;

	for (const char *p = text; (p = strstr(p, line)); p += n) {
		if ((p == text || p[-1] == '\n') &&
		    (p[n] == '\n' || p[n] == '\0'))
			count++;
	}
	return count;
}

static bool has_chain(const char *text, const char *chain)
{
	char head[48];

	snprintf(head, sizeof(head), "\n:%s ", chain);
	return strstr(text, head);
}

/* Reduce the text to the table raw, from "*raw" to "COMMIT", or to "". */
static void table_cut(char *text)
{
	char *from = strstr(text, "*raw\n"), *to;

	if (!from) {
		*text = '\0';
		return;
	}
	to = strstr(from, "COMMIT\n");
	if (to)
		to[strlen("COMMIT\n")] = '\0';
	memmove(text, from, strlen(from) + 1);
}

/* The raw table as text, for free(); "" when there is none. (Asking for it by
 * name would create it.) */
static int table_read(enum rules_family f, char **text, bool quiet)
{
	const char *argv[] = {tool[f].save, NULL};
	int rc = run_cmd(argv, NULL, text, quiet);

	if (!rc) {
		table_cut(*text);
		return 0;
	}
	free(*text);
	*text = NULL;
	if (!quiet)
		fprintf(stderr, "%s: %s\n", argv[0],
			rc < 0 ? strerror(-rc) : "failed");
	return rc < 0 ? rc : -EIO;
}

static int table_restore(enum rules_family f, const char *text)
{
	const char *argv[] = {tool[f].restore, "--noflush", NULL};

	return run_loud(argv, text);
}

/* On a host without the socket match nothing is reassembled.  Then the daemon
 * drops the fragments that it gets, and the other rules still work. */
static void defrag_apply(enum rules_family f, const char *lines)
{
	char *text;

	if (!lines ||
	    asprintf(&text, "*raw\n:PENSTOCK_DEFRAG - [0:0]\n%sCOMMIT\n",
		     lines) < 0)
		return;
	if (table_restore(f, text))
		fprintf(stderr,
			"IPv%d: this kernel has no match of sockets "
			"(xt_socket), so fragments are not reassembled, but "
			"dropped; fragments = drop says the same\n",
			f == RULES_V4 ? 4 : 6);
	free(text);
}

static int tables_apply(const struct rules_plan *p, enum rules_family f)
{
	const char *defrag = strstr(p->text[f], "-A PENSTOCK_DEFRAG");
	char *now, *text = NULL;
	size_t len;
	FILE *m;
	int err = table_read(f, &now, false);

	if (err)
		return err;
	m = open_memstream(&text, &len);
	if (!m) {
		free(now);
		return -ENOMEM;
	}
	fputs("*raw\n", m);
	for (const char *const *c = rules_chains; *c; c++)
		fprintf(m, ":%s - [0:0]\n", *c);
	fwrite(p->text[f], 1,
	       defrag ? (size_t)(defrag - p->text[f]) : strlen(p->text[f]), m);
	for (size_t i = 0; i < ARRAY_LEN(jumps); i++) {
		if (!count_line(now, jumps[i].line))
			fprintf(m, "%s\n", jumps[i].line);
	}
	fputs("COMMIT\n", m);
	err = fclose(m) ? -ENOMEM : table_restore(f, text);
	if (!err)
		defrag_apply(f, defrag);
	free(text);
	free(now);
	return err;
}

/* Is there nothing but the chains that iptables makes itself, with policy
 * ACCEPT? */
static bool table_is_empty(const char *text)
{
	static const char *const hooks[] = {":PREROUTING ACCEPT ",
					    ":OUTPUT ACCEPT "};
	const char *p = text;

	while (p && *p) {
		bool mine = *p == '#' || *p == '*' || *p == '\n' ||
			    !strncmp(p, "COMMIT\n", 7);

		for (size_t i = 0; i < ARRAY_LEN(hooks); i++)
			mine |= !strncmp(p, hooks[i], strlen(hooks[i]));
		if (!mine)
			return false;
		p = strchr(p, '\n');
		if (p)
			p++;
	}
	return true;
}

static int chains_remove(enum rules_family f, const char *now)
{
	char *text = NULL;
	size_t len;
	FILE *m = open_memstream(&text, &len);
	int err;

	if (!m)
		return -ENOMEM;
	fputs("*raw\n", m);
	for (size_t i = 0; i < ARRAY_LEN(jumps); i++) {
		for (uint32_t n = count_line(now, jumps[i].line); n; n--)
			fprintf(m, "-D%s\n", jumps[i].line + 2);
	}
	for (const char *const *c = rules_chains; *c; c++) {
		if (has_chain(now, *c))
			fprintf(m, "-F %s\n", *c);
	}
	for (const char *const *c = rules_chains; *c; c++) {
		if (has_chain(now, *c))
			fprintf(m, "-X %s\n", *c);
	}
	fputs("COMMIT\n", m);
	err = fclose(m) ? -ENOMEM : table_restore(f, text);
	free(text);
	return err;
}

/* Remove our chains, and the table if it did not exist before. */
static int tables_remove(enum rules_family f, bool table_before)
{
	char *now;
	bool ours = false;
	int err = 0;

	if (table_read(f, &now, true))
		return 0; /* the host does not have this family */
	for (const char *const *c = rules_chains; *c; c++)
		ours |= has_chain(now, *c);
	if (ours)
		err = chains_remove(f, now);
	free(now);
	if (err || !ours || table_before || table_read(f, &now, true))
		return err;
	if (table_is_empty(now))
		err = nft_table_delete(f == RULES_V4, "raw");
	free(now);
	if (!err || err == -ENOENT)
		return 0;
	fprintf(stderr, "IPv%d: table raw: %s\n", f == RULES_V4 ? 4 : 6,
		strerror(-err));
	return err;
}

static enum tun_before tun_look(const char *name)
{
	struct ifreq ifr = {0};
	enum tun_before what = TUN_ABSENT;
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return TUN_ABSENT;
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
	if (!ioctl(fd, SIOCGIFFLAGS, &ifr))
		what = ifr.ifr_flags & IFF_UP ? TUN_UP : TUN_DOWN;
	close(fd);
	return what;
}

static bool tun_has_addr(const char *name)
{
	struct ifaddrs *list, *i;
	bool found = false;

	if (getifaddrs(&list))
		return false;
	for (i = list; i && !found; i = i->ifa_next)
		found = i->ifa_addr && i->ifa_addr->sa_family == AF_INET &&
			!strcmp(i->ifa_name, name);
	freeifaddrs(list);
	return found;
}

/* @verb: "add" or "del".  Scope host, so that it is never used as a source
 *        address. */
static int tun_addr(const char *name, const char *verb)
{
	const char *argv[] = {"ip",	      "addr", verb,
			      RULES_TUN_ADDR, "dev",  name,
			      "scope",	      "host", NULL};

	return run_loud(argv, NULL);
}

static int tun_set(const char *name, const char *key, const char *value)
{
	const char *argv[] = {"ip", "link", "set", "dev",
			      name, key,    value, NULL};

	return run_loud(argv, NULL);
}

static int tun_make(const char *name)
{
	const char *add[] = {"ip",   "tuntap", "add",	      "dev",	  name,
			     "mode", "tun",    "multi_queue", "vnet_hdr", NULL};
	int err = run_loud(add, NULL);

	return err ? err : tun_set(name, "addrgenmode", "none");
}

static int tun_apply(const struct rules_plan *p)
{
	enum tun_before what = tun_look(p->tun);
	int err = 0;

	if (what == TUN_ABSENT)
		err = tun_make(p->tun);
	if (!err && what != TUN_UP)
		err = tun_set(p->tun, "up", NULL);
	if (!err && p->text[RULES_V4] && !tun_has_addr(p->tun))
		err = tun_addr(p->tun, "add");
	return err;
}

static int tun_remove(const struct rules_state *s)
{
	const char *del[] = {"ip", "link", "delete", "dev", s->tun, NULL};
	enum tun_before what = tun_look(s->tun);
	int err = 0, rc;

	if (what == TUN_ABSENT)
		return 0;
	if (s->tun_before == TUN_ABSENT)
		return run_loud(del, NULL);
	if (!s->addr_before && tun_has_addr(s->tun))
		err = tun_addr(s->tun, "del");
	if (s->tun_before == TUN_DOWN && what == TUN_UP) {
		rc = tun_set(s->tun, "down", NULL);
		err = err ? err : rc;
	}
	return err;
}

typedef int (*sysctl_fn)(const char *path, const struct rules_sysctl *want,
			 void *arg);

/* Call @fn for each setting of @list that does not have its value. */
static int sysctls_walk(const struct rules_plan *p,
			const struct rules_sysctl *list, sysctl_fn fn,
			void *arg)
{
	int err = 0;

	for (; list->glob && !err; list++) {
		char full[128] = PROC_SYS, now[32];
		size_t n = strlen(PROC_SYS);
		glob_t g;

		if (!rules_sysctl_wanted(p, list))
			continue;
		snprintf(full + n, sizeof(full) - n, list->glob, p->tun);
		if (glob(full, 0, NULL, &g))
			continue;
		for (size_t i = 0; i < g.gl_pathc && !err; i++) {
			const char *path = g.gl_pathv[i] + n;

			if (sysctl_read(path, now, sizeof(now)) ||
			    !strcmp(now, list->to) ||
			    (list->from && strcmp(now, list->from)))
				continue;
			err = fn(path, list, arg);
		}
		globfree(&g);
	}
	return err;
}

static int sysctl_set(const char *path, const struct rules_sysctl *want,
		      void *arg)
{
	int err = sysctl_write(path, want->to);

	(void)arg;
	if (err)
		fprintf(stderr, PROC_SYS "%s: %s\n", path, strerror(-err));
	return err;
}

/* Note what is there now, if the state does not have it yet. */
static int state_note(struct rules_state *s, const struct rules_plan *p,
		      const char *path)
{
	char *now;
	int err;

	if (s->found && strcmp(s->tun, p->tun)) {
		err = tun_remove(s);
		if (err)
			return err;
	}
	if (!s->found || strcmp(s->tun, p->tun)) {
		memcpy(s->tun, p->tun, sizeof(s->tun));
		s->tun_before = tun_look(p->tun);
		s->addr_before = tun_has_addr(p->tun);
	}
	for (int f = 0; f < RULES_FAMILIES && !s->found; f++) {
		if (table_read((enum rules_family)f, &now, true))
			continue;
		s->table_before[f] = *now;
		free(now);
	}
	snprintf(s->bpf_dir, sizeof(s->bpf_dir), "%s", p->splice.dir);
	err = rules_state_note_sysctls(s);
	return err ? err : rules_state_write(s, path);
}

/* If it is not available that is no error: the services are terminated then,
 * which is logged. */
static void splice_apply(const struct rules_plan *p, const char *before)
{
	if (*before && (!p->wants_splice || strcmp(before, p->splice.dir)))
		splice_detach(before, stderr);
	if (p->wants_splice && splice_attach(&p->splice, stderr))
		fputs("relay = splice: not to be had, connections are "
		      "terminated\n",
		      stderr);
}

static int plan_apply(const struct rules_plan *p, const struct rules_state *s)
{
	int err = sysctls_walk(p, rules_sysctl_host, sysctl_set, NULL);

	if (!err)
		err = tun_apply(p);
	if (!err)
		err = sysctls_walk(p, rules_sysctl_tun, sysctl_set, NULL);
	for (int f = 0; f < RULES_FAMILIES && !err; f++) {
		if (p->text[f])
			err = tables_apply(p, (enum rules_family)f);
		else
			err = tables_remove((enum rules_family)f,
					    s->table_before[f]);
	}
	return err;
}

int rules_restore(const struct rules_plan *p)
{
	int err = 0;

	for (int f = 0; f < RULES_FAMILIES && !err; f++) {
		if (p->text[f])
			err = tables_apply(p, (enum rules_family)f);
	}
	return err;
}

int rules_apply(const struct rules_plan *p, const char *state)
{
	struct rules_state s;
	char path[256], bpf_dir[sizeof(s.bpf_dir)];
	int err = 0;

	if (!state)
		err = rules_state_path(path, sizeof(path));
	if (err)
		return err;
	state = state ? state : path;
	err = rules_state_read(&s, state);
	memcpy(bpf_dir, s.bpf_dir, sizeof(bpf_dir));
	if (!err)
		err = state_note(&s, p, state);
	if (!err) {
		err = plan_apply(p, &s);
		if (!err)
			splice_apply(p, bpf_dir);
		if (err && !s.found)
			rules_remove(state);
	}
	rules_state_fini(&s);
	return err;
}

int rules_remove(const char *state)
{
	struct rules_state s;
	char path[256], removing[272];
	int err = 0, rc;

	if (!state)
		err = rules_state_path(path, sizeof(path));
	if (err)
		return err;
	state = state ? state : path;
	rules_state_removing(state, removing, sizeof(removing));
	rename(state, removing); /* it need not exist */
	err = rules_state_read(&s, state);
	if (err)
		goto out;
	for (int f = 0; f < RULES_FAMILIES; f++) {
		rc = tables_remove((enum rules_family)f,
				   !s.found || s.table_before[f]);
		err = err ? err : rc;
	}
	if (!s.found)
		goto out;
	if (s.bpf_dir[0]) {
		rc = splice_detach(s.bpf_dir, stderr);
		err = err ? err : rc;
	}
	rc = tun_remove(&s);
	err = err ? err : rc;
	rc = rules_state_restore_sysctls(&s);
	err = err ? err : rc;
	if (!err)
		unlink(removing);
	else
		fprintf(stderr,
			"not all is undone: %s keeps what was there before, "
			"for another `rules remove'\n",
			removing);
out:
	rules_state_fini(&s);
	return err;
}

struct check {
	FILE *out;
	int found;
};

static int sysctl_differs(const char *path, const struct rules_sysctl *want,
			  void *arg)
{
	struct check *c = arg;
	char now[32] = "";

	sysctl_read(path, now, sizeof(now));
	fprintf(c->out, "sysctl %s: found %s; wanted %s\n", path, now,
		want->to);
	c->found++;
	return 0;
}

/* Every line of @text that begins with "-A PENSTOCK" and is not in @in. */
static int lines_missing(const char *text, const char *in, const char *what,
			 FILE *out)
{
	char line[512];
	int n = 0;

	for (const char *p = text; p && *p; p = strchr(p, '\n')) {
		p += *p == '\n';
		if (strncmp(p, "-A PENSTOCK", 11))
			continue;
		snprintf(line, sizeof(line), "%.*s", (int)strcspn(p, "\n"), p);
		if (count_line(in, line) >= count_line(text, line))
			continue;
		fprintf(out, "%s %s\n", what, line);
		n++;
	}
	return n;
}

/* The lines of one chain, for free(). */
static char *chain_lines(const char *text, const char *chain)
{
	char head[48], *buf;
	size_t len;
	FILE *m = open_memstream(&buf, &len);

	if (!m)
		return NULL;
	snprintf(head, sizeof(head), "-A %s ", chain);
	for (const char *p = text; p && *p; p = strchr(p, '\n')) {
		p += *p == '\n';
		if (!strncmp(p, head, strlen(head)))
			fprintf(m, "%.*s\n", (int)strcspn(p, "\n"), p);
	}
	return fclose(m) ? NULL : buf;
}

static int order_differs(const char *want, const char *now, const char *name,
			 FILE *out)
{
	int n = 0;

	for (const char *const *c = rules_chains; *c; c++) {
		char *a = chain_lines(want, *c), *b = chain_lines(now, *c);

		if (a && b && strcmp(a, b)) {
			fprintf(out, "%s: order of %s differs\n", name, *c);
			n++;
		}
		free(a);
		free(b);
	}
	return n;
}

static int table_check(const char *want, enum rules_family f, FILE *out)
{
	const char *name = f == RULES_V4 ? "iptables" : "ip6tables";
	char missing[32], extra[32], *now;
	int n = 0, err = table_read(f, &now, !*want);

	if (err)
		return *want ? err : 0;
	snprintf(missing, sizeof(missing), "%s: missing:", name);
	snprintf(extra, sizeof(extra), "%s: unexpected:", name);
	for (size_t i = 0; i < ARRAY_LEN(jumps); i++) {
		if (!*want || count_line(now, jumps[i].line) == 1)
			continue;
		fprintf(out, "%s: wanted once: %s\n", name, jumps[i].line);
		n++;
	}
	n += lines_missing(want, now, missing, out);
	n += lines_missing(now, want, extra, out);
	if (!n)
		n += order_differs(want, now, name, out);
	free(now);
	return n;
}

static int tun_check(const struct rules_plan *p, FILE *out)
{
	enum tun_before what = tun_look(p->tun);

	if (what != TUN_UP) {
		fprintf(out, "tun %s: found %s; wanted up\n", p->tun,
			what == TUN_DOWN ? "down" : "none");
		return 1;
	}
	if (!p->text[RULES_V4] || tun_has_addr(p->tun))
		return 0;
	fprintf(out,
		"tun %s: found no IPv4 address; wanted " RULES_TUN_ADDR "\n",
		p->tun);
	return 1;
}

int rules_check(const struct rules_plan *p, FILE *out)
{
	struct check c = {.out = out};

	c.found = tun_check(p, out);
	if (p->wants_splice)
		c.found += splice_check(&p->splice, out);
	sysctls_walk(p, rules_sysctl_host, sysctl_differs, &c);
	sysctls_walk(p, rules_sysctl_tun, sysctl_differs, &c);
	for (int f = 0; f < RULES_FAMILIES; f++) {
		int n = table_check(p->text[f] ? p->text[f] : "",
				    (enum rules_family)f, out);

		if (n < 0)
			return n;
		c.found += n;
	}
	return c.found;
}
