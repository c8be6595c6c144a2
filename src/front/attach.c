/* SPDX-License-Identifier: MIT */
/*
 * The front, penstockctl's part: load, pin, attach.
 *
 * The directory has the maps, by their names, and a link for each interface,
 * link-NAME.  A pinned link keeps its program attached; removing its file
 * detaches it.  Existing maps are used again, so that a daemon that has them
 * open continues to work.  Only if their layout has changed are they made
 * again, and the daemon must be restarted.
 *
 * The group may read and write what is pinned: the daemon's unit has no user of
 * its own, but the group root.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/ethtool.h>
#include <linux/if_link.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <front.skel.h>

#include "front/front.h"
#include "pins.h"

#define LINK_PREFIX "link-"
#define TCX_INGRESS \
	((enum bpf_attach_type)46) /* newer than Debian 12's bpf.h */

static void pin_path(char *buf, size_t len, const char *dir, const char *a,
		     const char *b)
{
	snprintf(buf, len, "%s/front/%s%s", dir, a, b);
}

/* --- the directory --- */

static bool is_wanted(const struct front_host *h, const char *ifname)
{
	for (uint32_t i = 0; h && i < h->n; i++)
		if (!strcmp(h->ifname[i], ifname))
			return true;
	return false;
}

/* Remove what is pinned: links of interfaces that are not in @keep or, without
 * @keep, everything.  Links are removed first: then nothing uses the maps. */
static int unpin(const char *dir, const struct front_host *keep)
{
	const size_t n = strlen(LINK_PREFIX);
	char path[PATH_MAX];
	struct dirent *e;
	int rc = 0;

	for (int maps = 0; maps < (keep ? 1 : 2); maps++) {
		DIR *d;

		pin_path(path, sizeof(path), dir, "", "");
		d = opendir(path);

		if (!d)
			return errno == ENOENT ? 0 : -errno;
		while ((e = readdir(d))) {
			bool link = !strncmp(e->d_name, LINK_PREFIX, n);

			if (e->d_name[0] == '.' || link == (maps == 1) ||
			    (link && is_wanted(keep, e->d_name + n)))
				continue;
			pin_path(path, sizeof(path), dir, e->d_name, "");
			if (unlink(path))
				rc = -errno;
		}
		closedir(d);
	}
	return rc;
}

int front_detach(const char *dir, FILE *err)
{
	int rc = unpin(dir, NULL);
	char path[PATH_MAX];

	pin_path(path, sizeof(path), dir, "", "");
	if (!rc && rmdir(path) && errno != ENOENT)
		rc = -errno;
	rmdir(dir); /* fails if something else is pinned there */
	return rc ? pins_say(err, "front", rc, "%s", path) : 0;
}

/* --- loading --- */

/* The translator's map, so that both know the same connections. */
static int share_flows(const char *dir, struct front_bpf *o)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/splice/flows", dir);
	if (access(path, F_OK))
		return bpf_map__set_max_entries(o->maps.flows, 1);
	return bpf_map__set_pin_path(o->maps.flows, path);
}

static int load(const char *dir, struct front_bpf **out)
{
	struct front_bpf *o = front_bpf__open();
	char path[PATH_MAX];
	struct bpf_map *m;
	int rc = o ? share_flows(dir, o) : -errno;

	bpf_object__for_each_map(m, o ? o->obj : NULL)
	{
		/* constants of the program are not shared */
		if (rc || m == o->maps.flows || strchr(bpf_map__name(m), '.'))
			continue;
		pin_path(path, sizeof(path), dir, bpf_map__name(m), "");
		rc = bpf_map__set_pin_path(m, path);
	}
	if (!rc)
		rc = front_bpf__load(o);
	if (rc) {
		front_bpf__destroy(o);
		return rc;
	}
	bpf_object__for_each_map(m, o->obj)
	{
		const char *pin = bpf_map__pin_path(m);

		if (pin && chmod(pin, PINS_MODE))
			rc = -errno;
	}
	*out = o;
	return rc;
}

/* --- interfaces --- */

/* The driver's name; "" if it has none. */
static void driver_of(const char *ifname, char *out, size_t len)
{
	struct ethtool_drvinfo info = {.cmd = ETHTOOL_GDRVINFO};
	struct ifreq r = {.ifr_data = (void *)&info};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	out[0] = '\0';
	if (fd < 0)
		return;
	snprintf(r.ifr_name, sizeof(r.ifr_name), "%s", ifname);
	if (ioctl(fd, SIOCETHTOOL, &r) == 0)
		snprintf(out, len, "%s", info.driver);
	close(fd);
}

/* In the order of speed: by the driver, at the ingress of traffic control
 * (Linux 6.6), in generic mode. */
static int link_new(const struct front_bpf *o, unsigned int ifindex,
		    const char *ifname)
{
	LIBBPF_OPTS(bpf_link_create_opts, x, .flags = XDP_FLAGS_DRV_MODE);
	int xdp = bpf_program__fd(o->progs.penstock_front);
	int tc = bpf_program__fd(o->progs.penstock_front_tc);
	char driver[32];
	int fd = -1;

	driver_of(ifname, driver, sizeof(driver));
	if (strcmp(driver, "veth"))
		fd = bpf_link_create(xdp, (int)ifindex, BPF_XDP, &x);
	if (fd < 0)
		fd = bpf_link_create(tc, (int)ifindex, TCX_INGRESS, NULL);
	if (fd >= 0)
		return fd;
	x.flags = XDP_FLAGS_SKB_MODE;
	return bpf_link_create(xdp, (int)ifindex, BPF_XDP, &x);
}

/* Put the program into the link that is there already, whichever it is. */
static bool link_renew(const struct front_bpf *o, int fd)
{
	int xdp = bpf_program__fd(o->progs.penstock_front);
	int tc = bpf_program__fd(o->progs.penstock_front_tc);

	return bpf_link_update(fd, xdp, NULL) == 0 ||
	       bpf_link_update(fd, tc, NULL) == 0;
}

static int attach_one(const char *dir, const struct front_bpf *o,
		      const char *ifname, FILE *err)
{
	unsigned int ifindex = if_nametoindex(ifname);
	char path[PATH_MAX];
	int fd, rc = 0;

	if (!ifindex)
		return pins_say(err, "front", -ENODEV, "interface %s", ifname);
	pin_path(path, sizeof(path), dir, LINK_PREFIX, ifname);
	fd = bpf_obj_get(path);
	if (fd >= 0 && link_renew(o, fd)) {
		close(fd);
		return 0;
	}
	if (fd >= 0) { /* the interface may be another one */
		close(fd);
		unlink(path);
	}
	fd = link_new(o, ifindex, ifname);
	if (fd < 0)
		return pins_say(err, "front", fd,
				"interface %s: another XDP program there?",
				ifname);
	if (bpf_obj_pin(fd, path) || chmod(path, PINS_MODE))
		rc = pins_say(err, "front", -errno, "%s", path);
	close(fd);
	return rc;
}

int front_attach(const struct front_host *h, FILE *err)
{
	struct front_bpf *o = NULL;
	int rc = pins_make_dir(h->dir, "front", err);

	if (rc)
		return rc;
	libbpf_set_print(pins_quiet);
	rc = load(h->dir, &o);
	if (rc == -EINVAL) { /* pinned by another version */
		unpin(h->dir, NULL);
		rc = load(h->dir, &o);
	}
	if (rc) {
		pins_say(err, "front", rc, "the program cannot be loaded");
		goto err_detach;
	}
	for (uint32_t i = 0; i < h->n && !rc; i++)
		rc = attach_one(h->dir, o, h->ifname[i], err);
	front_bpf__destroy(o);
	if (!rc)
		rc = unpin(h->dir, h);
	if (!rc)
		return 0;

err_detach:
	front_detach(h->dir, err);
	return rc;
}

int front_check(const struct front_host *h, FILE *out)
{
	char path[PATH_MAX];
	int missing = 0;

	for (uint32_t i = 0; i < h->n; i++) {
		pin_path(path, sizeof(path), h->dir, LINK_PREFIX, h->ifname[i]);
		if (access(path, F_OK) == 0)
			continue;
		fprintf(out, "front: not attached to %s\n", h->ifname[i]);
		missing++;
	}
	return missing;
}
