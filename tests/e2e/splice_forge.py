#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""
splice_forge.py SOURCE SPORT DESTINATION DPORT - segments of somebody else

Sends, as if from SOURCE, what somebody can forge who knows the addresses and
ports of a connection, but not its numbers: SYNs, RSTs, FINs, data and ACKs with
timestamps, fragments, and ICMP errors that quote such segments.
"""
import random
import socket
import struct
import sys

from rawtcp import ACK, FIN, MOD, PSH, RST, SYN, Wire, checksum, opt_bytes

TIMES = 500


def icmp_error(wire, src, dst, quoted, kind):
    """An error about @quoted, which @dst has sent to @src."""
    if wire.v6:
        kind, code, rest = ((2, 0, 1280), (1, 4, 0))[kind]
    else:
        kind, code, rest = ((3, 4, 600), (3, 3, 0))[kind]
    body = struct.pack(">BBHI", kind, code, 0, rest) + quoted
    s, d = (socket.inet_pton(wire.family, a) for a in (src, dst))
    pseudo = s + d + struct.pack(">II", len(body), 58) if wire.v6 else b""
    body = body[:2] + struct.pack(">H", checksum(pseudo + body)) + body[4:]
    if wire.v6:
        head = struct.pack(">IHBB16s16s", 6 << 28, len(body), 58, 64, s, d)
    else:
        head = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(body), 0, 0, 64,
                           1, 0, s, d)
    wire.out.sendto(head + body, (dst, 0))


def quote(wire, src, sport, dst, dport, seq):
    """The header of a segment from @src to @dst."""
    s, d = (socket.inet_pton(wire.family, a) for a in (src, dst))
    tcp = struct.pack(">HHIIBBHHH", sport, dport, seq, 0, 0x50, ACK, 500, 0, 0)
    if wire.v6:
        return struct.pack(">IHBB16s16s", 6 << 28, 1000, 6, 60, s, d) + tcp
    return struct.pack(">BBHHHBBH4s4s", 0x45, 0, 1000, 0, 0x4000, 60, 6, 0, s,
                       d) + tcp


def fragment(wire, src, sport, dst, dport, seq):
    """The second piece of a segment whose first one never comes."""
    s, d = (socket.inet_pton(wire.family, a) for a in (src, dst))
    tcp = struct.pack(">HHIIBBHHH", sport, dport, seq, 0, 0x50, ACK, 500, 0, 0)
    if wire.v6:
        body = struct.pack(">BBHI", 6, 0, 8, seq) + tcp
        head = struct.pack(">IHBB16s16s", 6 << 28, len(body), 44, 64, s, d)
    else:
        body = tcp
        head = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(body),
                           seq & 0xFFFF, 1, 64, 6, 0, s, d)
    wire.out.sendto(head + body, (dst, 0))


def main():
    src, sport, dst, dport = sys.argv[1:5]
    sport, dport = int(sport), int(dport)
    wire = Wire(v6=":" in src)
    for i in range(TIMES):
        def any_number():
            return random.randrange(MOD)

        ends = (src, sport, dst, dport)
        times = opt_bytes(ts=(any_number(), any_number()))
        if i % 10 == 0:
            wire.send(*ends, SYN, any_number(), opts=opt_bytes(mss=1460))
            wire.send(*ends, SYN | ACK, any_number(), any_number())
        wire.send(*ends, RST, any_number())
        wire.send(*ends, RST | ACK, any_number(), any_number())
        wire.send(*ends, FIN | ACK, any_number(), any_number(), times)
        wire.send(*ends, PSH | ACK, any_number(), any_number(), times,
                  b"forged")
        wire.send(*ends, ACK, any_number(), any_number(), times)
        fragment(wire, *ends, any_number())
        icmp_error(wire, src, dst, quote(wire, dst, dport, src, sport,
                                         any_number()), i & 1)


if __name__ == "__main__":
    main()
