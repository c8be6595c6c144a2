/* SPDX-License-Identifier: MIT */
/*
 * The fate of a packet is known only after it was sent, so each packet waits
 * here until the next one comes.
 */
#include "sim/capture.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/pcapng.h"

static const char places[] = "CES";

struct capture {
	FILE *f;
	const char *path;
	struct spkt *held;
	struct pcapng_packet head; /* of @held */
	char comment[100];
};

struct capture *capture_open(const char *path)
{
	struct capture *c = calloc(1, sizeof(*c));

	if (!c)
		abort();
	c->path = path;
	c->f = fopen(path, "w");
	if (!c->f) {
		perror(path);
		free(c);
		return NULL;
	}
	pcapng_begin(c->f, "penstock simulator");
	pcapng_interface(c->f, "client");
	pcapng_interface(c->f, "engine");
	pcapng_interface(c->f, "server");
	return c;
}

static void let_go(struct capture *c)
{
	if (!c->held)
		return;
	c->head.data = c->held->data;
	c->head.len = c->head.full_len = c->held->len;
	c->head.comment = c->comment[0] ? c->comment : NULL;
	pcapng_packet(c->f, &c->head);
	free(c->held);
	c->held = NULL;
	c->comment[0] = '\0';
}

static void remark(struct capture *c, const char *text)
{
	size_t n = strlen(c->comment);

	snprintf(c->comment + n, sizeof(c->comment) - n, "%s%s", n ? ", " : "",
		 text);
}

static enum pcapng_dir direction(const char *what)
{
	if (!strcmp(what, "rcv") || !strcmp(what, "cut"))
		return PCAPNG_IN;
	return PCAPNG_OUT;
}

void capture_trace(struct capture *c, const char *what, const struct spkt *pkt,
		   int64_t us)
{
	const char *at = strchr(places, what[0]);

	if (!pkt) {
		if (c->held)
			remark(c, what + strspn(what, " "));
		return;
	}
	let_go(c);
	c->held = spkt_dup(pkt);
	c->head = (struct pcapng_packet){
		.interface = at ? (uint32_t)(at - places) : 1,
		.us = us,
		.dir = direction(what + 2),
	};
	if (strcmp(what + 2, "snd") && strcmp(what + 2, "rcv"))
		remark(c, what);
	/* Offload: the checksum is filled in where the packet leaves. */
	if (c->held->csum == SCSUM_PARTIAL)
		spkt_finish_csum(c->held);
}

int capture_close(struct capture *c)
{
	int bad;

	let_go(c);
	bad = ferror(c->f);
	bad |= fclose(c->f);
	if (bad)
		fprintf(stderr, "%s: %s\n", c->path, strerror(errno));
	free(c);
	return bad ? -1 : 0;
}
