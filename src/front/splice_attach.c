/* SPDX-License-Identifier: MIT */
/*
 * penstockctl's side of relay = splice: load, pin, attach.
 *
 * DIR/splice has the two maps, the two programs, and two notes for each
 * interface, which are further pins of the program: tc-NAME says that it is
 * attached there, and qdisc-NAME that we made the clsact qdisc.  Filters belong
 * to interfaces and need no process; the notes say which ones we may remove.
 * Our filters have a priority of their own, so that others can be before or
 * after them.
 *
 * The group may read and write the map: the daemon's unit has no user of its
 * own, but the group root.
 */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <net/if.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <splice.skel.h>

#include "front/splice.h"
#include "pins.h"

#define TC_PRIORITY 0x5053
#define TC_HANDLE 1
#define TC_NOTE "tc-"
#define QDISC_NOTE "qdisc-"

static const char *const map_names[] = {"flows", "ends"};

static struct bpf_map *map_of(const struct splice_bpf *o, size_t i)
{
	return i ? o->maps.ends : o->maps.flows;
}

static void pin_path(char *buf, const char *dir, const char *a, const char *b)
{
	snprintf(buf, PATH_MAX, "%s/splice/%s%s", dir, a, b);
}

/* --- the directory --- */

static bool has_note(const char *dir, const char *kind, const char *ifname)
{
	char path[PATH_MAX];

	pin_path(path, dir, kind, ifname);
	return access(path, F_OK) == 0;
}

static int make_note(const char *dir, const char *kind, const char *ifname,
		     int prog)
{
	char path[PATH_MAX];

	pin_path(path, dir, kind, ifname);
	if (bpf_obj_pin(prog, path) && errno != EEXIST)
		return -errno;
	return 0;
}

static void drop_note(const char *dir, const char *kind, const char *ifname)
{
	char path[PATH_MAX];

	pin_path(path, dir, kind, ifname);
	unlink(path);
}

/* --- interfaces --- */

static int attach_one(const char *dir, const char *ifname, int prog, FILE *err)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)if_nametoindex(ifname),
		    .attach_point = BPF_TC_INGRESS);
	LIBBPF_OPTS(bpf_tc_opts, o, .prog_fd = prog, .handle = TC_HANDLE,
		    .priority = TC_PRIORITY, .flags = BPF_TC_F_REPLACE);
	int rc;

	if (!hook.ifindex)
		return pins_say(err, "splice", -ENODEV, "interface %s", ifname);
	rc = bpf_tc_hook_create(&hook);
	if (!rc)
		rc = make_note(dir, QDISC_NOTE, ifname, prog);
	else if (rc == -EEXIST)
		rc = 0;
	if (!rc)
		rc = make_note(dir, TC_NOTE, ifname, prog);
	if (!rc)
		rc = bpf_tc_attach(&hook, &o);
	return rc ? pins_say(err, "splice", rc, "interface %s", ifname) : 0;
}

static void detach_one(const char *dir, const char *ifname)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)if_nametoindex(ifname),
		    .attach_point = BPF_TC_INGRESS);
	LIBBPF_OPTS(bpf_tc_opts, o, .handle = TC_HANDLE,
		    .priority = TC_PRIORITY);

	if (hook.ifindex) {
		bpf_tc_detach(&hook, &o);
		hook.attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS;
		if (has_note(dir, QDISC_NOTE, ifname))
			bpf_tc_hook_destroy(&hook);
	}
	drop_note(dir, QDISC_NOTE, ifname);
	drop_note(dir, TC_NOTE, ifname);
}

static bool is_wanted(const struct splice_host *h, const char *ifname)
{
	if (!strcmp(h->tun, ifname))
		return true;
	for (uint32_t i = 0; i < h->n; i++)
		if (!strcmp(h->ifname[i], ifname))
			return true;
	return false;
}

/* Detach from interfaces that are not in @keep; NULL: from all. */
static int detach_others(const char *dir, const struct splice_host *keep)
{
	const size_t n = strlen(TC_NOTE);
	char path[PATH_MAX], name[16];
	struct dirent *e;
	DIR *d;

	pin_path(path, dir, "", "");
	d = opendir(path);
	if (!d)
		return errno == ENOENT ? 0 : -errno;
	while ((e = readdir(d))) {
		if (strncmp(e->d_name, TC_NOTE, n))
			continue;
		snprintf(name, sizeof(name), "%.15s", e->d_name + n);
		if (!keep || !is_wanted(keep, name))
			detach_one(dir, name);
	}
	closedir(d);
	return 0;
}

int splice_detach(const char *dir, FILE *err)
{
	char path[PATH_MAX];
	int rc;

	libbpf_set_print(pins_quiet);
	rc = detach_others(dir, NULL);
	for (size_t i = 0; i < ARRAY_LEN(map_names); i++) {
		pin_path(path, dir, map_names[i], "");
		if (unlink(path) && errno != ENOENT)
			rc = -errno;
	}
	pin_path(path, dir, "", "");
	if (rmdir(path) && errno != ENOENT)
		rc = -errno;
	rmdir(dir); /* fails if something else is pinned there */
	return rc ? pins_say(err, "splice", rc, "%s", path) : 0;
}

/* --- loading --- */

static int load(const char *dir, struct splice_bpf **out)
{
	struct splice_bpf *o = splice_bpf__open();
	char path[PATH_MAX];
	int rc = o ? 0 : -errno;

	for (size_t i = 0; i < ARRAY_LEN(map_names) && !rc; i++) {
		pin_path(path, dir, map_names[i], "");
		rc = bpf_map__set_pin_path(map_of(o, i), path);
	}
	if (!rc)
		rc = splice_bpf__load(o);
	for (size_t i = 0; i < ARRAY_LEN(map_names) && !rc; i++) {
		pin_path(path, dir, map_names[i], "");
		if (chmod(path, PINS_MODE))
			rc = -errno;
	}
	if (rc)
		splice_bpf__destroy(o);
	else
		*out = o;
	return rc;
}

int splice_attach(const struct splice_host *h, FILE *err)
{
	struct splice_bpf *o = NULL;
	int rc = pins_make_dir(h->dir, "splice", err);

	if (rc)
		return rc;
	libbpf_set_print(pins_quiet);
	rc = load(h->dir, &o);
	if (rc == -EINVAL) { /* pinned by another version */
		splice_detach(h->dir, err);
		rc = pins_make_dir(h->dir, "splice", err);
		if (!rc)
			rc = load(h->dir, &o);
	}
	if (rc) {
		pins_say(err, "splice", rc, "the programs cannot be loaded");
		goto err_detach;
	}
	rc = attach_one(h->dir, h->tun,
			bpf_program__fd(o->progs.penstock_splice_tun), err);
	for (uint32_t i = 0; i < h->n && !rc; i++)
		rc = attach_one(h->dir, h->ifname[i],
				bpf_program__fd(o->progs.penstock_splice), err);
	splice_bpf__destroy(o);
	if (!rc)
		rc = detach_others(h->dir, h);
	if (!rc)
		return 0;

err_detach:
	splice_detach(h->dir, err);
	return rc;
}

static bool is_attached(const char *ifname)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)if_nametoindex(ifname),
		    .attach_point = BPF_TC_INGRESS);
	LIBBPF_OPTS(bpf_tc_opts, o, .handle = TC_HANDLE,
		    .priority = TC_PRIORITY);

	return hook.ifindex && bpf_tc_query(&hook, &o) == 0;
}

int splice_check(const struct splice_host *h, FILE *out)
{
	int missing = 0;

	libbpf_set_print(pins_quiet);
	for (uint32_t i = 0; i <= h->n; i++) {
		const char *name = i < h->n ? h->ifname[i] : h->tun;

		if (is_attached(name))
			continue;
		fprintf(out, "splice: not attached to %s\n", name);
		missing++;
	}
	return missing;
}
