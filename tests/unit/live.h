/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCK_TESTS_LIVE_H
#define PENSTOCK_TESTS_LIVE_H

/*
 * Tests against the running kernel: a network namespace for each, which ends
 * with its process, and what was logged last.  Needs root and iptables.
 */
#include <arpa/inet.h>
#include <check.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "util/log.h"

#define QUEUE 7

static char last_log[1024];

static inline void keep_log(enum log_level lvl, const char *line)
{
	(void)lvl;
	snprintf(last_log, sizeof(last_log), "%s", line);
}

static inline void shell(const char *cmd)
{
	ck_assert_msg(system(cmd) == 0, "%s", cmd);
}

static inline void live_setup(void)
{
	ck_assert_int_eq(unshare(CLONE_NEWNET), 0);
	shell("ip link set lo up");
	last_log[0] = '\0';
	log_set_sink(keep_log);
}

/* What comes by lo and matches goes to the queue. */
static inline void divert(const char *match)
{
	char cmd[256];

	snprintf(cmd, sizeof(cmd),
		 "iptables -w -t raw -A PREROUTING -i lo %s -j NFQUEUE "
		 "--queue-num %d",
		 match, QUEUE);
	shell(cmd);
}

/* @n datagrams of @len bytes, to port 9. */
static inline void send_udp(int n, size_t len)
{
	static const uint8_t payload[2000];
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(9)};
	int i, s = socket(AF_INET, SOCK_DGRAM, 0);

	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	for (i = 0; i < n; i++)
		ck_assert_int_eq(sendto(s, payload, len, 0, (void *)&to,
					sizeof(to)),
				 (ssize_t)len);
	close(s);
}

static inline int live_run(const char *name, TCase *t)
{
	Suite *s = suite_create(name);
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_set_timeout(t, 30);
	suite_add_tcase(s, t);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

#endif
