#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""One connection whose ends read and write as slowly as a test wants.

why.py serve PORT MODE [rcvbuf=BYTES]
why.py connect HOST PORT MODE [rcvbuf=BYTES]

MODE: flood (write as fast as it goes), drip (1,000 bytes ten times a second),
drink (read as fast as it goes), sip (2,000 bytes ten times a second), rest (do
nothing), send (1,000,000 bytes, then nothing), shut (close for writing, then
nothing).  Both end when the other does, or when they are killed.  The client
prints local=PORT.
"""
import socket
import sys
import time

WRITES = {"flood": (65536, 0), "drip": (1000, 0.1)}
READS = {"drink": (65536, 0), "sip": (2000, 0.1)}


def act(sock, mode):
    if mode == "send":
        sock.sendall(b"x" * 1000000)
    elif mode == "shut":
        sock.shutdown(socket.SHUT_WR)
    size, pause = WRITES.get(mode) or READS.get(mode) or (0, 1)
    while True:
        if mode in WRITES:
            sock.sendall(b"x" * size)
        elif mode in READS and not sock.recv(size):
            return
        time.sleep(pause)


def prepare(family, words):
    sock = socket.socket(family)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if "rcvbuf" in words:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF,
                        int(words["rcvbuf"]))
    return sock


def main():
    where = 3 if sys.argv[1] == "serve" else 4
    words = dict(w.split("=", 1) for w in sys.argv[where + 1:])
    if sys.argv[1] == "serve":
        listener = prepare(socket.AF_INET6, words)
        listener.bind(("::", int(sys.argv[2])))
        listener.listen()
        sock = listener.accept()[0]
    else:
        host = sys.argv[2]
        sock = prepare(socket.AF_INET6 if ":" in host else socket.AF_INET,
                       words)
        sock.connect((host, int(sys.argv[3])))
        print(f"local={sock.getsockname()[1]}", flush=True)
    try:
        act(sock, sys.argv[where])
    except OSError:
        pass


main()
