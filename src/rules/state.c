/* SPDX-License-Identifier: MIT */
/*
 * The state file: what the host was before `rules apply`, so that `rules
 * remove` can restore it.
 */
#include "rules/state.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71
#endif

#define STATE_DIR "/run/penstock-rules"
#define STATE_MAGIC "penstock-rules 1"
#define PROC_SYS "/proc/sys/"

/*
 * Settings that are changed directly, or that the kernel changes when
 * ip_forward or a conf/all/forwarding is written (inet_forward_change()).
 */
static const char *const noted_globs[] = {
	"net/ipv4/ip_forward",
	"net/ipv4/ip_early_demux",
	"net/ipv4/conf/*/forwarding",
	"net/ipv4/conf/*/accept_redirects",
	"net/ipv4/conf/*/accept_local",
	"net/ipv4/conf/*/rp_filter",
	"net/ipv4/conf/*/send_redirects",
	"net/ipv6/conf/*/forwarding",
};

static const char *const before_name[] = {
	[TUN_ABSENT] = "absent",
	[TUN_DOWN] = "down",
	[TUN_UP] = "up",
};

int rules_state_path(char *buf, size_t len)
{
	uint64_t cookie = 0;
	socklen_t n = sizeof(cookie);
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int err = 0;

	if (fd < 0)
		return -errno;
	if (getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &n))
		err = -errno;
	close(fd);
	snprintf(buf, len, STATE_DIR "/%llx", (unsigned long long)cookie);
	return err;
}

int sysctl_read(const char *path, char *buf, size_t len)
{
	char full[192];
	ssize_t n;
	int fd;

	snprintf(full, sizeof(full), PROC_SYS "%s", path);
	fd = open(full, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	n = read(fd, buf, len - 1);
	close(fd);
	if (n < 0)
		return -EIO;
	buf[n] = '\0';
	buf[strcspn(buf, "\n")] = '\0';
	return 0;
}

int sysctl_write(const char *path, const char *value)
{
	char full[192];
	size_t n = strlen(value);
	int fd, err = 0;

	snprintf(full, sizeof(full), PROC_SYS "%s", path);
	fd = open(full, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (write(fd, value, n) != (ssize_t)n)
		err = -errno;
	close(fd);
	return err;
}

static int add_sysctl(struct rules_state *s, const char *path,
		      const char *value)
{
	struct saved_sysctl *p;

	if (strlen(path) >= sizeof(p->path) ||
	    strlen(value) >= sizeof(p->value))
		return -EINVAL;
	p = realloc(s->sysctl, (s->nsysctl + 1) * sizeof(*p));
	if (!p)
		return -ENOMEM;
	s->sysctl = p;
	p += s->nsysctl++;
	strcpy(p->path, path);
	strcpy(p->value, value);
	return 0;
}

static bool is_noted(const struct rules_state *s, const char *path)
{
	for (uint32_t i = 0; i < s->nsysctl; i++) {
		if (!strcmp(s->sysctl[i].path, path))
			return true;
	}
	return false;
}

/* The settings of a device that we made disappear with it. */
static bool is_of_our_tun(const struct rules_state *s, const char *path)
{
	char part[24];

	snprintf(part, sizeof(part), "/%s/", s->tun);
	return s->tun_before == TUN_ABSENT && strstr(path, part);
}

static int note_glob(struct rules_state *s, const char *pattern)
{
	char full[128], value[32];
	glob_t g;
	int err = 0;

	snprintf(full, sizeof(full), PROC_SYS "%s", pattern);
	if (glob(full, 0, NULL, &g))
		return 0; /* the host does not have this family */
	for (size_t i = 0; i < g.gl_pathc && !err; i++) {
		const char *path = g.gl_pathv[i] + strlen(PROC_SYS);

		if (is_noted(s, path) || is_of_our_tun(s, path))
			continue;
		if (!sysctl_read(path, value, sizeof(value)))
			err = add_sysctl(s, path, value);
	}
	globfree(&g);
	return err;
}

int rules_state_note_sysctls(struct rules_state *s)
{
	int err = 0;

	for (size_t i = 0; i < ARRAY_LEN(noted_globs) && !err; i++)
		err = note_glob(s, noted_globs[i]);
	return err;
}

/* Return: 0, or -errno when the value could not be restored. */
static int restore_one(const struct saved_sysctl *v)
{
	char now[32];
	int err;

	if (sysctl_read(v->path, now, sizeof(now)) || !strcmp(now, v->value))
		return 0;
	err = sysctl_write(v->path, v->value);
	if (err || sysctl_read(v->path, now, sizeof(now)))
		return err;
	return strcmp(now, v->value) ? -EINVAL : 0;
}

/* In the notes ip_forward and "all" come before the interfaces.  A second pass
 * restores what the kernel has changed as a side effect. */
int rules_state_restore_sysctls(const struct rules_state *s)
{
	int err = 0;

	for (int pass = 0; pass < 2; pass++) {
		for (uint32_t i = 0; i < s->nsysctl; i++) {
			const struct saved_sysctl *v = &s->sysctl[i];
			int rc = restore_one(v);

			if (!rc || !pass)
				continue;
			fprintf(stderr, PROC_SYS "%s: not put back to %s: %s\n",
				v->path, v->value, strerror(-rc));
			err = rc;
		}
	}
	return err;
}

static int parse_line(struct rules_state *s, const char *line)
{
	char path[128], value[32], word[16];

	if (sscanf(line, "tun %15s %15s", s->tun, word) == 2) {
		for (size_t i = 0; i < ARRAY_LEN(before_name); i++) {
			if (strcmp(word, before_name[i]))
				continue;
			s->tun_before = (enum tun_before)i;
			return 0;
		}
		return -EINVAL;
	}
	if (sscanf(line, "bpf %107[^\n]", s->bpf_dir) == 1)
		return 0;
	if (!strcmp(line, "address\n")) {
		s->addr_before = true;
		return 0;
	}
	for (int f = 0; f < RULES_FAMILIES; f++) {
		snprintf(path, sizeof(path), "table %d present\n", f);
		s->table_before[f] |= !strcmp(line, path);
		snprintf(value, sizeof(value), "table %d absent\n", f);
		if (!strcmp(line, path) || !strcmp(line, value))
			return 0;
	}
	if (sscanf(line, "sysctl %127s %31[^\n]", path, value) == 2 &&
	    !strncmp(path, "net/", 4) && !strstr(path, ".."))
		return add_sysctl(s, path, value);
	return -EINVAL;
}

void rules_state_removing(const char *path, char *buf, size_t len)
{
	snprintf(buf, len, "%s.removing", path);
}

/* An interrupted removal has left it under the other name. */
static FILE *state_open(const char *path)
{
	FILE *f = fopen(path, "re");
	char other[272];

	if (f || errno != ENOENT)
		return f;
	rules_state_removing(path, other, sizeof(other));
	return fopen(other, "re");
}

int rules_state_read(struct rules_state *s, const char *path)
{
	FILE *f = state_open(path);
	char line[256];
	int err = 0;

	*s = (struct rules_state){0};
	if (!f)
		return errno == ENOENT ? 0 : -errno;
	if (!fgets(line, sizeof(line), f) || strcmp(line, STATE_MAGIC "\n"))
		err = -EINVAL;
	while (!err && fgets(line, sizeof(line), f))
		err = parse_line(s, line);
	fclose(f);
	s->found = !err;
	if (err)
		fprintf(stderr, "%s: not a state file of ours\n", path);
	return err;
}

static void state_print(const struct rules_state *s, FILE *f)
{
	fprintf(f, STATE_MAGIC "\ntun %s %s\n", s->tun,
		before_name[s->tun_before]);
	if (s->addr_before)
		fputs("address\n", f);
	if (s->bpf_dir[0])
		fprintf(f, "bpf %s\n", s->bpf_dir);
	for (int i = 0; i < RULES_FAMILIES; i++)
		fprintf(f, "table %d %s\n", i,
			s->table_before[i] ? "present" : "absent");
	for (uint32_t i = 0; i < s->nsysctl; i++)
		fprintf(f, "sysctl %s %s\n", s->sysctl[i].path,
			s->sysctl[i].value);
}

static void make_parent(const char *path)
{
	char dir[256];
	char *slash;

	snprintf(dir, sizeof(dir), "%s", path);
	slash = strrchr(dir, '/');
	if (!slash || slash == dir)
		return;
	*slash = '\0';
	mkdir(dir, 0700);
	if (!strcmp(dir, STATE_DIR)) /* the daemon looks for it */
		chmod(dir, 0711);
}

int rules_state_write(const struct rules_state *s, const char *path)
{
	char tmp[272], old[272];
	FILE *f;

	make_parent(path);
	snprintf(tmp, sizeof(tmp), "%s.new", path);
	f = fopen(tmp, "we");
	if (!f)
		goto err_print;
	state_print(s, f);
	if (fflush(f) | ferror(f) | fclose(f))
		goto err_print;
	rules_state_removing(path, old, sizeof(old));
	if (!rename(tmp, path)) {
		unlink(old);
		return 0;
	}

err_print:
	fprintf(stderr, "%s: %s\n", path, strerror(errno));
	return errno ? -errno : -EIO;
}

void rules_state_fini(struct rules_state *s)
{
	free(s->sysctl);
	s->sysctl = NULL;
	s->nsysctl = 0;
}
