/* SPDX-License-Identifier: MIT */
/*
 * Writes pcapng in the host's byte order, which the section header shows.
 *
 * A block is: type, total length, body, total length again.  Options follow the
 * body: code, length, value; values and data are padded to four bytes.
 */
#include <errno.h>

#include "util/pcapng.h"

#define BLOCK_SECTION 0x0a0d0d0au
#define BLOCK_INTERFACE 1u
#define BLOCK_STATISTICS 5u
#define BLOCK_PACKET 6u
#define BYTE_ORDER_MAGIC 0x1a2b3c4du
#define LINKTYPE_RAW 101u /* a bare IPv4 or IPv6 packet */
#define OPT_COMMENT 1u
#define OPT_APPLICATION 4u
#define OPT_IF_NAME 2u
#define OPT_PACKET_FLAGS 2u
#define OPT_IF_RECEIVED 4u
#define OPT_IF_DROPPED 5u
#define BLOCK_FRAME 12u /* type and both lengths */

static uint32_t padded(size_t n)
{
	return (uint32_t)((n + 3) & ~(size_t)3);
}

static void put32(FILE *f, uint32_t v)
{
	fwrite(&v, sizeof(v), 1, f);
}

static void put_padded(FILE *f, const void *p, size_t n)
{
	static const uint8_t zero[4];

	fwrite(p, 1, n, f);
	fwrite(zero, 1, padded(n) - n, f);
}

static size_t text_len(const char *s)
{
	size_t n = s ? strlen(s) : 0;

	return n < UINT16_MAX ? n : UINT16_MAX;
}

/* Bytes of an option of @n bytes; 0: the option is left out. */
static uint32_t opt_size(size_t n)
{
	return n ? 4 + padded(n) : 0;
}

static void put_opt(FILE *f, uint16_t code, const void *p, size_t n)
{
	const uint16_t head[2] = {code, (uint16_t)n};

	if (!n)
		return;
	fwrite(head, sizeof(head), 1, f);
	put_padded(f, p, n);
}

static int status(FILE *f)
{
	return ferror(f) ? -EIO : 0;
}

int pcapng_begin(FILE *f, const char *app)
{
	const uint16_t version[2] = {1, 0};
	size_t n = text_len(app);
	uint32_t total = BLOCK_FRAME + 16 + opt_size(n) + 4;

	put32(f, BLOCK_SECTION);
	put32(f, total);
	put32(f, BYTE_ORDER_MAGIC);
	fwrite(version, sizeof(version), 1, f);
	put32(f, UINT32_MAX); /* the section's length is not known */
	put32(f, UINT32_MAX);
	put_opt(f, OPT_APPLICATION, app, n);
	put32(f, 0); /* end of options */
	put32(f, total);
	return status(f);
}

int pcapng_interface(FILE *f, const char *name)
{
	size_t n = text_len(name);
	uint32_t total = BLOCK_FRAME + 8 + opt_size(n) + 4;

	put32(f, BLOCK_INTERFACE);
	put32(f, total);
	put32(f, LINKTYPE_RAW);
	put32(f, 0); /* no limit of the captured length */
	put_opt(f, OPT_IF_NAME, name, n);
	put32(f, 0);
	put32(f, total);
	return status(f);
}

int pcapng_packet(FILE *f, const struct pcapng_packet *p)
{
	uint64_t us = (uint64_t)p->us;
	uint32_t flags = (uint32_t)p->dir;
	size_t n = text_len(p->comment);
	uint32_t total = BLOCK_FRAME + 20 + padded(p->len) + opt_size(n) +
			 opt_size(sizeof(flags)) + 4;

	put32(f, BLOCK_PACKET);
	put32(f, total);
	put32(f, p->interface);
	put32(f, (uint32_t)(us >> 32));
	put32(f, (uint32_t)us);
	put32(f, p->len);
	put32(f, p->full_len);
	put_padded(f, p->data, p->len);
	put_opt(f, OPT_COMMENT, p->comment, n);
	put_opt(f, OPT_PACKET_FLAGS, &flags, sizeof(flags));
	put32(f, 0);
	put32(f, total);
	return status(f);
}

int pcapng_statistics(FILE *f, uint32_t interface, int64_t us,
		      uint64_t received, uint64_t lost)
{
	uint64_t t = (uint64_t)us;
	uint32_t total = BLOCK_FRAME + 12 + 2 * opt_size(sizeof(lost)) + 4;

	put32(f, BLOCK_STATISTICS);
	put32(f, total);
	put32(f, interface);
	put32(f, (uint32_t)(t >> 32));
	put32(f, (uint32_t)t);
	put_opt(f, OPT_IF_RECEIVED, &received, sizeof(received));
	put_opt(f, OPT_IF_DROPPED, &lost, sizeof(lost));
	put32(f, 0);
	put32(f, total);
	return status(f);
}
