/* SPDX-License-Identifier: MIT */
/*
 * The privileges of the daemon: what it has, and how it gives up the rest.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cap-ng.h>

#include "io/priv.h"
#include "util/log.h"

bool priv_has_net_admin(void)
{
	capng_clear(CAPNG_SELECT_BOTH);
	if (capng_get_caps_process())
		return true; /* unknown: let the kernel decide */
	return capng_have_capability(CAPNG_EFFECTIVE, CAP_NET_ADMIN);
}

/* All that systemd left us: nothing to give up, and capset() is not allowed. */
static bool has_nothing_else(void)
{
	capng_clear(CAPNG_SELECT_BOTH);
	if (capng_get_caps_process())
		return false;
	for (unsigned int c = 0; c <= CAP_LAST_CAP; c++) {
		if (c != CAP_NET_ADMIN &&
		    capng_have_capability(CAPNG_PERMITTED, c))
			return false;
	}
	return true;
}

int priv_drop(void)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		log_warn("no_new_privs: %s", strerror(errno));
	if (!priv_has_net_admin() || has_nothing_else())
		return 0;
	capng_clear(CAPNG_SELECT_BOTH);
	capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED,
		     CAP_NET_ADMIN);
	if (capng_apply(CAPNG_SELECT_CAPS)) {
		log_err("cannot drop capabilities");
		return -EPERM;
	}
	return 0;
}

void priv_hide_memory(void)
{
	static const char headers_only[] = "0x10";
	int fd = open("/proc/self/coredump_filter", O_WRONLY | O_CLOEXEC);

	if (fd < 0 && errno == ENOENT) /* this kernel dumps no core at all */
		return;
	if (fd < 0 || write(fd, headers_only, sizeof(headers_only) - 1) < 0)
		log_warn("/proc/self/coredump_filter: %s", strerror(errno));
	if (fd >= 0)
		close(fd);
}

void priv_no_core(void)
{
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0))
		log_warn("PR_SET_DUMPABLE: %s", strerror(errno));
}

void priv_lend(void)
{
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, CAP_NET_ADMIN, 0, 0) ==
	    1)
		return;
	capng_clear(CAPNG_SELECT_BOTH);
	if (capng_get_caps_process() ||
	    !capng_have_capability(CAPNG_PERMITTED, CAP_NET_ADMIN))
		return;
	capng_update(CAPNG_ADD, CAPNG_INHERITABLE, CAP_NET_ADMIN);
	if (!capng_apply(CAPNG_SELECT_CAPS))
		prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_NET_ADMIN, 0,
		      0);
}

int priv_explain_queue(uint16_t queue, int err)
{
	if (err == -EPERM && !priv_has_net_admin()) {
		log_err("queue %u: CAP_NET_ADMIN is missing; start as root or "
			"with AmbientCapabilities=CAP_NET_ADMIN",
			queue);
		return -EPERM;
	}
	if (err == -EPERM || err == -EBUSY) {
		log_err("queue %u: occupied by another process; see the second "
			"column of /proc/net/netfilter/nfnetlink_queue, or "
			"choose another with queue =",
			queue);
		return -EBUSY;
	}
	if (err == -EPROTONOSUPPORT || err == -EINVAL || err == -EOPNOTSUPP) {
		log_err("queue %u: the kernel lacks NFQUEUE (%s); load module "
			"nfnetlink_queue",
			queue, strerror(-err));
		return err;
	}
	log_err("queue %u: %s", queue, strerror(-err));
	return err;
}

static const char *tun_hint(const char *step, int err)
{
	if (strcmp(step, "open") == 0 && (err == -ENOENT || err == -ENODEV))
		return "no /dev/net/tun: load module tun (modprobe tun)";
	if (strcmp(step, "open") == 0)
		return "/dev/net/tun cannot be opened: check its mode and "
		       "DeviceAllow=/dev/net/tun rw";
	if (err == -EPERM && !priv_has_net_admin())
		return "CAP_NET_ADMIN is missing; start as root or with "
		       "AmbientCapabilities=CAP_NET_ADMIN";
	if (err == -EPERM)
		return "the device belongs to another user";
	if (err == -EBUSY)
		return "busy: another process holds the device";
	if (err == -EINVAL)
		return "a device of that name is of another kind; it must be "
		       "made with mode tun, multi_queue, vnet_hdr, no pi";
	if (err == -E2BIG)
		return "more workers than the device has queues";
	return NULL;
}

int priv_explain_tun(const char *name, const char *step, int err)
{
	const char *hint = tun_hint(step, err);

	if (hint)
		log_err("TUN %s: %s (%s: %s)", name, hint, step,
			strerror(-err));
	else
		log_err("TUN %s: %s: %s", name, step, strerror(-err));
	return err;
}
