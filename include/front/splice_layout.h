/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCK_FRONT_SPLICE_LAYOUT_H
#define PENSTOCK_FRONT_SPLICE_LAYOUT_H

/*
 * What the relay in the kernel and the daemon share: the layout of its maps.
 */

#define SPLICE_FLOWS 262144 /* directions: two a connection */

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

/**
 * struct splice_dir - How the segments of a direction are changed
 * @dseq:    added to the sequence number
 * @dack:    added to the acknowledgment number and to SACK blocks
 * @dtsval:  added to the timestamp
 * @dtsecr:  added to its echo
 * @shl, @shr: the window is shifted left, then right, and at most 65535
 * @ts:      timestamps were agreed on
 * @seen:    out: SPLICE_FIN at the end of the stream; SPLICE_RST: a RST that
 *           the other side accepts
 * @from_client: this is the direction from client to server
 * @open:    also translate what does not come through the TUN
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
	__u8 from_client, open, pad[2];
	__u64 last_ns, packets, bytes;
};

#endif
