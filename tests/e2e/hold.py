#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Hold one TCP connection, as programs do, and say how it ended.

hold.py HOST PORT SECONDS [keepalive] [get=N] [send=TEXT] [after=SECONDS] [close]
hold.py serve PORT SECONDS

Connects, asks nginx for /fN (get=N) or sends TEXT, after so many seconds, and
reads until SECONDS are over; then it resets the connection, or closes it when
told so.  The last line: rx=BYTES end=OPEN|FIN|ERRNO local=PORT.  With
serve: a server that accepts and says nothing.
"""
import errno
import select
import socket
import struct
import sys
import time


def name(error):
    return errno.errorcode.get(error.errno, "TIMEOUT")


def request(host, words):
    if "get" in words:
        return f"GET /f{words['get']} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()
    return words.get("send", "").encode()


def serve(port, seconds):
    sock = socket.socket(socket.AF_INET6)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(("::", port))
    sock.listen()
    sock.settimeout(0.1)
    until = time.monotonic() + seconds
    held = []
    while time.monotonic() < until:
        try:
            held.append(sock.accept()[0])
        except TimeoutError:
            pass


def main():
    if sys.argv[1] == "serve":
        serve(int(sys.argv[2]), float(sys.argv[3]))
        return
    host, port, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
    words = dict((w.split("=", 1) + ["1"])[:2] for w in sys.argv[4:])
    until = time.monotonic() + seconds
    received, end, local = 0, "OPEN", 0
    try:
        sock = socket.create_connection((host, port), timeout=seconds)
        local = sock.getsockname()[1]
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                        struct.pack("ii", "close" not in words, 0))
        if "keepalive" in words:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        time.sleep(float(words.get("after", "0")))
        sock.sendall(request(host, words))
        while end == "OPEN" and time.monotonic() < until:
            if not select.select([sock], [], [], 0.1)[0]:
                continue
            data = sock.recv(65536)
            received += len(data)
            if not data:
                end = "FIN"
    except OSError as error:
        end = name(error)
    print(f"rx={received} end={end} local={local}", flush=True)


main()
