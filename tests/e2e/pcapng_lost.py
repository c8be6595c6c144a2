#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""pcapng_lost.py FILE - packets lost, by its statistics blocks

tshark has no field for them.  Every block must be whole.
"""
import struct
import sys


def options(body):
    while body:
        code, size = struct.unpack("=HH", body[:4])
        yield code, body[4:4 + size]
        body = body[4 + (size + 3) // 4 * 4:]


def main():
    with open(sys.argv[1], "rb") as f:
        data = f.read()
    at = lost = statistics = 0
    while at < len(data):
        kind, size = struct.unpack("=II", data[at:at + 8])
        end = data[at + size - 4:at + size]
        assert end == struct.pack("=I", size), f"a block at {at}"
        if kind == 5:
            statistics += 1
            for code, value in options(data[at + 20:at + size - 4]):
                if code == 5:
                    lost += struct.unpack("=Q", value)[0]
        at += size
    assert statistics == 2, "a block for each interface"
    print(lost)


main()
