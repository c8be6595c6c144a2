/* SPDX-License-Identifier: MIT */
/*
 * systemd's store of descriptors: what it keeps for the next process.
 */
#include <errno.h>

#include <systemd/sd-daemon.h>

#include "io/pass.h"
#include "penstockd.h"

/* systemd must not look after it: a socket that has lost a packet would seem
 * broken. */
int store_fd(const char *what, const char *name, int fd)
{
	char text[PASS_TEXT];
	int err;

	snprintf(text, sizeof(text), "FDSTORE=1\nFDPOLL=0\nFDNAME=%s%s", what,
		 name);
	err = sd_pid_notify_with_fds(0, 0, text, &fd, 1);
	return err < 0 ? err : err ? 0 : -ENOTCONN;
}

int store_worker(const struct worker *w)
{
	struct worker_fds fds;
	char number[8];
	int err;

	worker_fds(w, &fds);
	err = store_fd(STORED_TUN, fds.name, fds.tun);
	for (uint32_t i = 0; i < fds.n && !err; i++) {
		snprintf(number, sizeof(number), "%u", fds.queue[i]);
		err = store_fd(STORED_QUEUE, number, fds.nfq[i]);
	}
	return err;
}
