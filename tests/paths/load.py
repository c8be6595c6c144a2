#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""load.py - both ends of a measured transfer.

    load.py serve PORT CC FILE        the server, one process a connection
    load.py bulk ADDRESS PORT CC DIR SECONDS
    load.py complete ADDRESS PORT CC DIR BYTES COUNT
    load.py pingpong ADDRESS PORT CC DIR SECONDS

CC is the congestion control of the sockets.  DIR is `down' (the server sends)
or `up'.  A client prints one JSON object:

  bulk      {"mbit": goodput from the SYN on}.  Of an upload the server says how
            much arrived: it appends the number to FILE.
  complete  {"ms": [time from the SYN to the last byte, of each transfer]}.  Of
            an upload, to the byte by which the server confirms the last one.
  pingpong  {"ms": [round trip of each small message], "mbit": goodput of the
            stream beside it}.  The first fifth is left out: it is slow start.

A connection begins with 64 bytes that say what is wanted.
"""
import json
import os
import signal
import socket
import sys
import time

BLOCK = bytes(1 << 18)
ORDER = 64


def with_cc(s, cc):
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, cc.encode())
    return s


def read_all(s, n):
    got = b""
    while len(got) < n:
        part = s.recv(n - len(got))
        if not part:
            raise EOFError
        got += part
    return got


def send_until(s, end, total=None):
    """Sends for a time, or so many bytes.

    The other side, whose time is the same, may be the first to end.
    """
    sent = 0
    while time.monotonic() < end and (total is None or sent < total):
        s.settimeout(max(0.01, end - time.monotonic()))
        try:
            sent += s.send(BLOCK if total is None else BLOCK[:total - sent])
        except (TimeoutError, BlockingIOError):
            break
        except (ConnectionResetError, BrokenPipeError):
            if time.monotonic() < end - 0.1:
                raise
            break


def receive_until(s, end):
    """Returns how many bytes came until then."""
    buf = bytearray(len(BLOCK))
    got = 0
    while (left := end - time.monotonic()) > 0:
        s.settimeout(left)
        try:
            n = s.recv_into(buf)
        except TimeoutError:
            break
        if not n:
            break
        got += n
    return got


# --- server ---

def serve_one(s, file):
    what, amount, end = read_all(s, ORDER).decode().split()
    amount, end = int(amount), float(end)
    if what == "down" and amount:
        send_until(s, time.monotonic() + 600, amount)
    elif what == "down":
        send_until(s, end)
    elif what == "up" and amount:
        read_all(s, amount)
        s.send(b".")
    elif what == "up":
        got = receive_until(s, end)
        with open(file, "a") as f:
            f.write(f"{got}\n")
        os._exit(0)
    elif what == "echo":
        while data := s.recv(ORDER):
            s.send(data)


def serve(port, cc, file):
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    lst = with_cc(socket.socket(), cc)
    lst.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    lst.bind(("0.0.0.0", int(port)))
    lst.listen(64)
    print("ready", flush=True)
    while True:
        s, _ = lst.accept()
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if os.fork() == 0:
            lst.close()
            try:
                serve_one(s, file)
            except (OSError, EOFError):
                pass
            os._exit(0)
        s.close()


# --- clients ---

def order(what, amount=0, end=0.0):
    return f"{what} {amount} {end:.6f}".encode().ljust(ORDER)


def connect(to, cc):
    s = with_cc(socket.socket(), cc)
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    s.settimeout(60)
    s.connect(to)
    return s


def bulk(to, cc, way, seconds):
    begin = time.monotonic()
    end = begin + seconds
    s = connect(to, cc)
    s.send(order(way, 0, end))
    if way == "down":
        return {"mbit": receive_until(s, end) * 8e-6 / seconds}
    send_until(s, end)
    s.close()
    return {"mbit": None, "seconds": seconds}


def complete(to, cc, way, size, count):
    ms = []
    for _ in range(count):
        begin = time.monotonic()
        with connect(to, cc) as s:
            s.send(order(way, size))
            if way == "up":
                s.settimeout(120)
                s.sendall(bytes(size))
                read_all(s, 1)
            else:
                read_all(s, size)
        ms.append((time.monotonic() - begin) * 1e3)
    return {"ms": ms}


def pingpong(to, cc, way, seconds):
    begin = time.monotonic()
    r, w = os.pipe()
    if os.fork() == 0:
        os.write(w, json.dumps(bulk(to, cc, way, seconds)).encode())
        os._exit(0)
    s = connect(to, cc)
    s.send(order("echo"))
    ms = []
    while (now := time.monotonic()) < begin + seconds:
        s.send(bytes(ORDER))
        read_all(s, ORDER)
        took = time.monotonic() - now
        if now > begin + seconds / 5:
            ms.append(took * 1e3)
        time.sleep(max(0.002, 0.01 - took))
    s.close()
    os.wait()
    return {"ms": ms} | json.loads(os.read(r, 4096))


def main(what, *arg):
    if what == "serve":
        serve(*arg)
    to, cc, way = (arg[0], int(arg[1])), arg[2], arg[3]
    run = {"bulk": bulk, "complete": complete, "pingpong": pingpong}[what]
    number = [int(a) if what == "complete" else float(a) for a in arg[4:]]
    print(json.dumps(run(to, cc, way, *number)), flush=True)
    os._exit(0)


main(*sys.argv[1:])
