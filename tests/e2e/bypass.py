#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""
bypass.py - SYNs that a packet filter or a proxy may not see as SYNs

    bypass.py server=ADDRESS port=PORT kind=KIND from=PREFIX [n=500]

To be run in the client's namespace, where PREFIX is routed to and no kernel
owns its addresses.  Each SYN comes from another address of PREFIX, given as
its first bytes: "10.66." or "2001:db8:77:66::".  Prints how many distinct
sources got a SYN-ACK.

Kinds: plain; md5 and ao (options 19 and 29); frag (two fragments, the first
with the whole fixed header) and tiny (the first has eight bytes of TCP); auth
(an authentication header); for IPv6 also hop, dst, route (extension headers that
lead on), left (a routing header with a segment left) and atomic (one fragment
that is the whole).
"""
import os
import random
import select
import socket
import struct
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from rawtcp import SYN, checksum  # noqa: E402

TCP, HOP, ROUTE, FRAG, AUTH, DST = 6, 0, 43, 44, 51, 60
MSS = b"\2\4\5\xb4"
LINUX = MSS + b"\4\2\x08\x0a\0\0\1\0\0\0\0\0\1\3\3\7"
OPTIONS = {
    "md5": MSS + b"\1\1\x13\x12" + b"\x5a" * 16,
    "ao": MSS + b"\x1d\x10\1\1" + b"\x5a" * 12,
}
HEADERS = {
    "hop": (HOP, struct.pack("BB", TCP, 0) + b"\1\4\0\0\0\0"),
    "dst": (DST, struct.pack("BB", TCP, 0) + b"\1\4\0\0\0\0"),
    "route": (ROUTE, struct.pack("BBBB", TCP, 0, 4, 0) + bytes(4)),
    "left": (ROUTE, struct.pack("BBBB", TCP, 2, 4, 1) + bytes(20)),
    "auth": (AUTH, struct.pack("BB", TCP, 4) + bytes(6) + b"\1" * 16),
    "atomic": (FRAG, struct.pack("BBHI", TCP, 0, 0, 77)),
}


def segment(family, src, dst, ports, kind):
    s, d = (socket.inet_pton(family, a) for a in (src, dst))
    opts = OPTIONS.get(kind, LINUX)
    t = struct.pack(">HHIIBBHHH", *ports, 1000, 0,
                    (20 + len(opts)) // 4 << 4, SYN, 64240, 0, 0) + opts
    # An answer larger than the largest fragment would leave in fragments.
    t += bytes(100 if kind == "frag" else 0)
    c = checksum(s + d + struct.pack(">HH", TCP, len(t)) + t)
    return s, d, t[:16] + struct.pack(">H", c) + t[18:]


def cut(t, kind):
    """(offset, more, bytes) of each packet."""
    at = {"frag": 24, "tiny": 8}.get(kind)
    return [(0, 1, t[:at]), (at, 0, t[at:])] if at else [(0, 0, t)]


def packets4(s, d, t, kind, ident):
    proto, auth = HEADERS[kind] if kind == "auth" else (TCP, b"")
    for off, more, part in cut(t, kind):
        part = auth + part
        yield struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(part), ident,
                          more << 13 | off >> 3, 64, proto, 0, s, d) + part


def packets6(s, d, t, kind, ident):
    for off, more, part in cut(t, kind):
        proto, ext = HEADERS.get(kind, (TCP, b""))
        if kind in ("frag", "tiny"):
            proto, ext = FRAG, struct.pack(">BBHI", TCP, 0, off | more, ident)
        yield struct.pack(">IHBB16s16s", 6 << 28, len(ext + part), proto, 64,
                          s, d) + ext + part


def source(prefix, i):
    if ":" in prefix:
        return f"{prefix}{i + 1:x}"
    return f"{prefix}{i >> 8}.{i & 255}"


def answers(inp, v6, sport, wait):
    """Destinations of the SYN-ACKs to our port that come until it is quiet."""
    seen = set()
    while select.select([inp], [], [], wait)[0]:
        ip, addr = inp.recvfrom(70000)
        l4 = 40 if v6 else 20
        if addr[2] == 4 or len(ip) < l4 + 14 or ip[l4 + 13] & 0x12 != 0x12:
            continue
        if ip[l4 + 2:l4 + 4] == sport:
            seen.add(ip[24:40] if v6 else ip[16:20])
    return seen


def main():
    a = dict(x.split("=", 1) for x in sys.argv[1:])
    v6 = ":" in a["server"]
    family = socket.AF_INET6 if v6 else socket.AF_INET
    out = socket.socket(family, socket.SOCK_RAW, socket.IPPROTO_RAW)
    inp = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM,
                        socket.htons(0x86DD if v6 else 0x0800))
    inp.setsockopt(socket.SOL_SOCKET, 33, 8 << 20)  # RCVBUFFORCE
    ports = random.randrange(2000, 60000), int(a["port"])
    sport, seen = struct.pack(">H", ports[0]), set()
    for i in range(int(a.get("n", 500))):
        s, d, t = segment(family, source(a["from"], i), a["server"],
                          ports, a["kind"])
        for p in (packets6 if v6 else packets4)(s, d, t, a["kind"], i + 1):
            out.sendto(p, (a["server"], 0))
        if i % 50 == 49:
            time.sleep(0.01)
            seen |= answers(inp, v6, sport, 0)
    seen |= answers(inp, v6, sport, 0.7)
    print(f"answered={len(seen)}")


if __name__ == "__main__":
    main()
