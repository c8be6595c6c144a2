# SPDX-License-Identifier: MIT
"""wire.py - how evenly a sender spaces its segments, as seen on the wire.

A capture of what leaves for a bottleneck is played into the queue of a link
that is a little faster than the bottleneck.  A sender that spaces each segment
finds this queue empty; a burst of n segments leaves n in it.  So the figures are
in segments, and no threshold says what a burst is.
"""
import statistics
import struct

FASTER = 1.3  # BBR probes with 1.25 of what it believes to be the rate


def packets(path):
    """(seconds, bytes of payload) of each TCP packet with payload."""
    with open(path, "rb") as f:
        data = f.read()
    magic, = struct.unpack_from("<I", data)
    unit = 1e-9 if magic == 0xa1b23c4d else 1e-6
    kind, = struct.unpack_from("<I", data, 20)
    frame = 14 if kind == 1 else 0  # Ethernet, or a TUN device's bare IP
    at, found = 24, []
    while at + 16 <= len(data):
        sec, frac, kept, _ = struct.unpack_from("<IIII", data, at)
        ip = at + 16 + frame
        at += 16 + kept
        if kept < frame + 40:
            continue
        whole, = struct.unpack_from(">H", data, ip + 2)
        head = (data[ip] & 15) * 4
        head += (data[ip + head + 12] >> 4) * 4
        if whole > head:
            found.append((sec + frac * unit, whole - head))
    return found


def spacing(path, mbit, since):
    """Figures of the capture from @since seconds after its first packet."""
    seen = packets(path)
    seen = [p for p in seen if p[0] >= seen[0][0] + since]
    mss = min(1448, max(n for _, n in seen))
    drain, queue, last, depth = mbit * FASTER / 8e-6, 0, 0, []
    for t, n in seen:
        queue = max(0, queue - (t - last) * drain) + n
        depth += [queue / mss] * -(-n // mss)
        last = t
    depth.sort()
    return {"burst": round(statistics.median(depth), 1),
            "burst_p95": round(depth[int(len(depth) * 0.95)], 1),
            "burst_max": round(depth[-1], 1)}
