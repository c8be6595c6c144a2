#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""
fastopen.py - the kernel's own Fast Open, as client and as server

    fastopen.py serve PORT           echo; the queue of Fast Open is open
    fastopen.py serve-plain PORT     echo, without Fast Open
    fastopen.py connect HOST PORT TEXT    by TCP_FASTOPEN_CONNECT
    fastopen.py plain HOST PORT TEXT      by an ordinary handshake

The client sends TEXT and waits for its echo and the FIN.  One line:
echo=TEXT syn_data=0|1 ms=N (from connect() to the first byte).
"""
import socket
import sys
import time

TCPI_OPT_SYN_DATA = 32


def serve(port, fast):
    s = socket.socket(socket.AF_INET6)
    s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(("::", port))
    if fast:
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_FASTOPEN, 64)
    s.listen(64)
    while True:
        c, _ = s.accept()
        c.settimeout(10)
        try:
            got = c.recv(65536)
            while got:
                c.sendall(got)
                if got.endswith(b"\n"):
                    break
                got = c.recv(65536)
        except OSError as e:
            print(e, flush=True)
        c.close()


def connect(host, port, text, fast):
    s = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    s.settimeout(15)
    if fast:
        s.setsockopt(socket.IPPROTO_TCP, 30, 1)  # TCP_FASTOPEN_CONNECT
    t0 = time.monotonic()
    s.connect((host, port))
    s.sendall(text.encode() + b"\n")
    got = s.recv(65536)
    ms = (time.monotonic() - t0) * 1000
    info = s.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 192)
    while True:
        more = s.recv(65536)
        if not more:
            break
        got += more
    print(f"echo={got.decode().strip()} "
          f"syn_data={int(bool(info[5] & TCPI_OPT_SYN_DATA))} ms={ms:.0f}")


def main():
    verb = sys.argv[1]
    if verb.startswith("serve"):
        serve(int(sys.argv[2]), verb == "serve")
    else:
        connect(sys.argv[2], int(sys.argv[3]), sys.argv[4], verb == "connect")


main()
