#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""
fault_xfer.py - programs of fault_xfer.sh, and what a capture shows

    fault_xfer.py keepalive HOST PORT SECONDS   SO_KEEPALIVE on an idle one
    fault_xfer.py small HOST PORT COUNT         small writes, echoed: reads
    fault_xfer.py urgent HOST PORT N            N bytes with one urgent byte
    fault_xfer.py wire < tcpdump                what was sent to the client

Each prints one line of NAME=VALUE.  The server is `peer serve'.
"""
import errno
import fcntl
import os
import re
import select
import signal
import socket
import sys
import time


def connect(host, port, line):
    s = socket.create_connection((host, int(port)), 10)
    s.settimeout(None)
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    s.sendall(line.encode())
    return s


def keepalive(host, port, seconds):
    """Nothing is to be read; how does recv() end within this time?"""
    s = connect(host, port, "sink 0 1\n")
    s.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    s.settimeout(float(seconds))
    try:
        end = "FIN" if not s.recv(1) else "DATA"
    except TimeoutError as e:
        end = "ETIMEDOUT" if e.errno == errno.ETIMEDOUT else "ALIVE"
    except OSError as e:
        end = errno.errorcode[e.errno]
    print(f"end={end}")


def small(host, port, count):
    """COUNT bytes, one a write; how many reads bring them back?"""
    s = connect(host, port, "echo 0 1\n")
    got, reads, first = 0, 0, time.monotonic()
    for _ in range(int(count)):
        s.sendall(b"x")
        time.sleep(0.005)
        while select.select([s], [], [], 0)[0]:
            got += len(s.recv(100))
            reads += 1
    while got < int(count):
        data = s.recv(100)
        if not data:
            break
        got += len(data)
        reads += 1
    s.shutdown(socket.SHUT_WR)
    end = "FIN" if not s.recv(1) else "DATA"
    ms = int((time.monotonic() - first) * 1000)
    print(f"got={got} reads={reads} ms={ms} end={end}")


def urgent(host, port, n):
    """A byte comes by SIGURG and MSG_OOB, the others by recv()."""
    oob = []

    def on_urg(*_):
        try:
            oob.append(s.recv(1, socket.MSG_OOB))
        except OSError:
            pass

    s = socket.create_connection((host, int(port)), 10)
    s.settimeout(None)
    signal.signal(signal.SIGURG, on_urg)
    fcntl.fcntl(s, fcntl.F_SETOWN, os.getpid())
    s.sendall(f"send {n} 1\n".encode())
    got = 0
    while True:
        data = s.recv(65536)
        if not data:
            break
        got += len(data)
    byte = oob[0].hex() if oob and oob[0] else "-"
    print(f"inline={got} signals={len(oob)} byte={byte}")


SEGMENT = re.compile(
    r"^(?P<t>[\d.]+) IP6? (?P<src>\S+) > (?P<dst>[^:]*\S+): "
    r"Flags \[(?P<f>[^\]]*)\]"
    r"(?:, cksum [^,]*)?"
    r"(?:, seq (?P<seq>\d+)(?::(?P<end>\d+))?)?"
    r"(?:, ack (?P<ack>\d+))?"
    r"(?:, win (?P<win>\d+))?"
    r"(?P<rest>.*), length (?P<len>\d+)")


def segments(lines):
    for line in lines:
        m = SEGMENT.match(line)
        if m:
            yield m


class Wire:
    """The client's view of one connection: port CLIENT talks to the server."""

    def __init__(self):
        self.scale, self.edge, self.sent = 0, None, 0
        self.retreats = self.most = self.early = self.small = 0
        self.tiny = self.late = 0
        self.slow_ms, self.last, self.server = 0, None, None
        self.fin_at = None

    def to_client(self, m):
        ws = re.search(r"wscale (\d+)", m["rest"])
        if "S" in m["f"]:
            self.scale = int(ws[1]) if ws else 0
            return
        if not m["ack"] or not m["win"] or "R" in m["f"]:
            return
        wnd = int(m["win"]) << self.scale
        edge = int(m["ack"]) + wnd
        if self.edge is not None and edge < self.edge:
            self.retreats += 1
            self.most = max(self.most, self.edge - edge)
        self.edge = edge
        self.small += 0 < wnd < 1000
        self.early += int(m["ack"]) > self.sent + 2

    def from_client(self, m):
        if "S" in m["f"] or not m["end"]:
            return
        n, t = int(m["len"]), float(m["t"])
        if 0 < n < 1000 and self.last:
            self.tiny += 1
            self.slow_ms = max(self.slow_ms, int((t - self.last) * 1000))
        self.last = t
        self.sent = max(self.sent, int(m["end"]))


def wire():
    w, server = Wire(), None
    for m in segments(sys.stdin):
        if server is None:
            server = m["dst"]  # of the first, which is a SYN
        if m["dst"] == server:
            w.from_client(m)
        else:
            w.to_client(m)
    print(f"retreats={w.retreats} most={w.most} small={w.small} "
          f"tiny={w.tiny} slow_ms={w.slow_ms} early={w.early}")


def main(argv):
    {"keepalive": keepalive, "small": small, "urgent": urgent,
     "wire": wire}[argv[1]](*argv[2:])


main(sys.argv)
