#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""page_slow.py ADDRESS:PORT TOKENFILE: ask for /api/events, and read nothing.

Its receive buffer is small, so what is sent stays at the other end.  Says
"listening", and "ended" once it was disconnected.
"""
import socket
import sys
import time


def main(address, token_file):
    """Ends with 1 if it is not disconnected within minutes."""
    host, port = address.rsplit(":", 1)
    host = host.strip("[]")
    with open(token_file, encoding="ascii") as f:
        token = f.read().strip()
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        s.connect((host, int(port)))
        s.sendall(b"GET /api/events HTTP/1.1\r\nHost: localhost\r\n"
                  b"Authorization: Bearer " + token.encode() + b"\r\n\r\n")
        print("listening", file=sys.stderr, flush=True)
        for _ in range(3000):
            time.sleep(0.1)
            # what the kernel knows of the connection: 1 is ESTABLISHED
            if s.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1) != b"\1":
                print("ended", file=sys.stderr, flush=True)
                return 0
    return 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
