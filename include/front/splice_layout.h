/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCK_FRONT_SPLICE_LAYOUT_H
#define PENSTOCK_FRONT_SPLICE_LAYOUT_H

/*
 * What the relay in the kernel and the daemon share: the layout of its maps.
 */

#define SPLICE_FLOWS 262144 /* directions: two a connection */
#define SPLICE_RING 262144  /* bytes: some 5,000 ends that wait */

/**
 * struct splice_key - A direction of a connection, by the addresses of its
 * packets
 * Addresses are IPv4-mapped, ports in network order.
 */
struct splice_key {
	__u8 saddr[16], daddr[16];
	__u16 sport, dport;
};

/* splice_dir.seen */
#define SPLICE_FIN 1
#define SPLICE_RST 4
#define SPLICE_OVER 8

/**
 * struct splice_dir - How the segments of a direction are changed
 * @dseq:    added to the sequence number
 * @dack:    added to the acknowledgment number and to SACK blocks
 * @dtsval:  added to the timestamp
 * @dtsecr:  added to its echo
 * @shl, @shr: the window is shifted left, then right, and at most 65535
 * @ts:      timestamps were agreed on
 * @seen:    out: SPLICE_FIN at the end of the stream; SPLICE_RST: a RST that
 *           the other side accepts; SPLICE_OVER: the connection has ended (set
 *           in both directions)
 * @from_client: this is the direction from client to server
 * @told:    out, in the client's direction: the daemon was told of the end
 * @held:    how many packets are still to come through the TUN.  Until then the
 *           host's own packets are left to the daemon
 * @serial:  number of the connection, the same in both directions
 * @mark:    firewall mark of translated packets, in the bits of @mask
 * @nxt:     out: highest sequence number plus length
 * @acked:   out: last acknowledgment number
 * @newest_ts: out: highest timestamp
 * @mss:     for the daemon
 * @wnd:     out: last window field
 * @last_ns: out: CLOCK_MONOTONIC of the last segment
 * @packets, @bytes: out
 *
 * Numbers that are marked out are those after the translation.  They are
 * written without locks, and read by the daemon.
 */
struct splice_dir {
	__u32 dseq, dack, dtsval, dtsecr;
	__u8 shl, shr, ts, seen;
	__u32 mark, mask;
	__u32 nxt, acked, newest_ts;
	__u16 mss, wnd;
	__u8 from_client, told, held, pad;
	__u32 serial;
	__u64 last_ns, packets, bytes;
};

/**
 * struct splice_end - In the ring: a connection has ended
 * @key:    of the client's direction
 * @serial: of the connection
 * Told once, or not at all when the ring is full; SPLICE_OVER stays.
 */
struct splice_end {
	struct splice_key key;
	__u32 serial;
};

#endif
