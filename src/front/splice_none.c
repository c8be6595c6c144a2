/* SPDX-License-Identifier: MIT */
/*
 * Built without libbpf: there is no translator, and every function fails.
 */
#include <errno.h>

#include "front/splice.h"

const struct splice_ops splice_map_ops;

int splice_attach(const struct splice_host *h, FILE *err)
{
	(void)h;
	fputs("splice: this penstock was built without libbpf\n", err);
	return -ENOSYS;
}

/* There is nothing to detach. */
int splice_detach(const char *dir, FILE *err)
{
	(void)dir;
	(void)err;
	return 0;
}

int splice_check(const struct splice_host *h, FILE *out)
{
	(void)h;
	fputs("splice: this penstock was built without libbpf\n", out);
	return 1;
}

int splice_map_open(struct splice_map **out, const char *dir, uint32_t mark,
		    uint32_t mask, const struct policy *p)
{
	(void)p;
	(void)out;
	(void)dir;
	(void)mark;
	(void)mask;
	return -ENOSYS;
}

void splice_map_close(struct splice_map *m)
{
	(void)m;
}

void splice_map_walk(struct splice_map *m, const struct policy *p, mono_t now)
{
	(void)m;
	(void)p;
	(void)now;
}

int splice_map_ends_fd(const struct splice_map *m)
{
	(void)m;
	return -1;
}

void splice_map_ends(struct splice_map *m)
{
	(void)m;
}

uint32_t splice_map_of(struct splice_map *m, const struct ipaddr *client,
		       uint16_t port, struct tuple *t, uint32_t max)
{
	(void)m;
	(void)client;
	(void)port;
	(void)t;
	(void)max;
	return 0;
}

uint32_t splice_map_count(struct splice_map *m)
{
	(void)m;
	return 0;
}

void splice_map_list(struct splice_map *m, const struct policy *p, mono_t now,
		     uint32_t max, splice_flow_fn fn, void *arg)
{
	(void)m;
	(void)p;
	(void)now;
	(void)max;
	(void)fn;
	(void)arg;
}
