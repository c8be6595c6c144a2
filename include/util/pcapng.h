/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCK_UTIL_PCAPNG_H
#define PENSTOCK_UTIL_PCAPNG_H

/*
 * Packets in a file that Wireshark and tshark read: pcapng (draft-ietf-opsawg-
 * pcapng).  One section; interfaces carry bare IP packets; times are
 * microseconds; each packet may have a comment.
 */
#include <stdio.h>

#include "util/types.h"

/* Direction of a packet, as seen by the interface (epb_flags). */
enum pcapng_dir {
	PCAPNG_UNKNOWN,
	PCAPNG_IN,
	PCAPNG_OUT
};

/**
 * struct pcapng_packet - One packet, with its comment
 * @interface: number of its interface, from 0 in the order of
 *             pcapng_interface()
 * @us:        time, microseconds; the caller chooses the epoch
 * @dir:       enum pcapng_dir
 * @data:      the IP packet, @len bytes; borrowed
 * @full_len:  its length before it was cut; at least @len
 * @comment:   text, or NULL
 */
struct pcapng_packet {
	uint32_t interface;
	int64_t us;
	enum pcapng_dir dir;
	const void *data;
	uint32_t len, full_len;
	const char *comment;
};

/**
 * pcapng_begin() - Write the section header
 * @f:   borrowed; buffered, so check ferror() or fclose() in the end
 * @app: program that writes it
 * Return: 0, or -EIO when the stream has failed
 */
int pcapng_begin(FILE *f, const char *app);

/* Write the next interface's description, named @name.  As pcapng_begin(). */
int pcapng_interface(FILE *f, const char *name);

/**
 * pcapng_statistics() - Write what was captured at an interface so far
 * @interface: its number
 * @us:        the present time
 * @received:  packets, those lost included
 * @lost:      for want of room
 *
 * As pcapng_begin().
 */
int pcapng_statistics(FILE *f, uint32_t interface, int64_t us,
		      uint64_t received, uint64_t lost);

/* Write a packet.  As pcapng_begin(). */
int pcapng_packet(FILE *f, const struct pcapng_packet *p);

#endif
