/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCKCTL_LAB_H
#define PENSTOCKCTL_LAB_H

/*
 * What the files of `penstockctl lab' share: lab.c runs it, labnet.c has the
 * network, labconf.c the configuration.
 */
#include "penstockctl.h"

#define LAB_TEXT 64 /* of a name or a path */

struct policy;

/**
 * struct lab - One lab
 * @client, @gateway, @server: names of the namespaces
 * @dir:    directory of its files
 * @conf:   configuration of the daemon; @socket: its control socket
 */
struct lab {
	char client[LAB_TEXT], gateway[LAB_TEXT], server[LAB_TEXT];
	char dir[LAB_TEXT], conf[LAB_TEXT + 16], socket[LAB_TEXT + 16];
};

/* labnet.c.  False after the reason was printed. */
bool lab_network_make(const struct lab *l, const struct policy *p);
/* Also ends every process in the namespaces.  What was not made is no error. */
bool lab_network_end(const struct lab *l);

/**
 * lab_config_make() - Write the lab's configuration
 * @path: of the one to start from; NULL: a service for every port of the server
 * @out:  out: as read from the file that was written; owned by the caller
 * Return: false after the reason was printed
 */
bool lab_config_make(const struct lab *l, const char *path,
		     struct config **out);

#endif
