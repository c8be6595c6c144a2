#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""traffic.py - connections whose every byte is known.

traffic.py serve CERT KEY           on the ports of PORTS, until killed
traffic.py load SEED SECONDS N OUT  N connections at a time, for so long

A client's line says what it wants of the server, then both do it:

  D n seed   the server sends n bytes of the stream `seed'
  U n seed   the client sends them, the server answers with their SHA-256
  X n seed   both at once; the server's stream is seed + 1

Any number of them, one after the other, on one connection.  A client compares
the SHA-256 of what it got with that of what it should have got.  A server never
ends a connection with FIN before the client did, unless all is said; so a FIN
that comes early is a byte that is wrong.

`load' writes one line of JSON to OUT for each connection: what it was, when it
began and ended (CLOCK_MONOTONIC), its bytes, and how it ended: ok, lost (a RST,
or nothing for PATIENCE) or wrong.
"""
import hashlib
import json
import random
import socket
import socketserver
import ssl
import struct
import sys
import threading
import time

PORTS = {"plain": 7000, "tls": 7443}
SERVERS = {4: "203.0.113.10", 6: "2001:db8::10"}
TCP_CLOSE = 7
PATIENCE = 40  # seconds without a byte
BLOCK = 1 << 22
CHUNK = 1 << 16
POOL = random.Random(7).randbytes(BLOCK) * 2


class Wrong(Exception):
    """What arrived is not what was sent."""


def stream(seed, n):
    """The n bytes of a stream, in pieces."""
    at = seed * 40503 % BLOCK
    while n:
        size = min(n, CHUNK)
        yield memoryview(POOL)[at:at + size]
        at, n = (at + size) % BLOCK, n - size


def digest(seed, n):
    h = hashlib.sha256()
    for piece in stream(seed, n):
        h.update(piece)
    return h.hexdigest()


def send_stream(sock, seed, n):
    for piece in stream(seed, n):
        sock.sendall(piece)


def ended(sock, what):
    """By a FIN, or by a RST, which TLS does not tell apart."""
    state = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0]
    if state == TCP_CLOSE:
        raise ConnectionResetError(what)
    raise Wrong(what)


def take(sock, n, rest=None):
    """The SHA-256 of the next n bytes; `rest' seconds are slept now and
    then."""
    h, left, until_rest = hashlib.sha256(), n, n // 4
    while left:
        data = sock.recv(min(left, CHUNK))
        if not data:
            ended(sock, f"FIN {left} bytes early")
        h.update(data)
        left -= len(data)
        if rest and n - left > until_rest:
            until_rest += n // 4
            time.sleep(rest)
    return h.hexdigest()


def abort(sock):
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                    struct.pack("ii", 1, 0))
    sock.close()


# --- the server ---

def line_of(sock):
    line = b""
    while not line.endswith(b"\n"):
        data = sock.recv(1)
        if not data:
            return None
        line += data
    verb, n, seed = line.split()
    return verb.decode(), int(n), int(seed)


def obey(sock, verb, n, seed):
    if verb == "D":
        send_stream(sock, seed, n)
    elif verb == "U":
        sock.sendall(take(sock, n).encode())
    else:
        t = threading.Thread(target=quietly,
                             args=(send_stream, sock, seed + 1, n))
        t.start()
        got = take(sock, n)
        t.join()
        sock.sendall(got.encode())


def quietly(f, *args):
    try:
        f(*args)
    except (OSError, ValueError):
        pass  # whoever reads this socket learns it


class Handler(socketserver.BaseRequestHandler):
    def handle(self):
        sock = self.request
        try:
            sock.settimeout(3 * PATIENCE)
            if self.server.tls:
                sock = self.server.tls.wrap_socket(sock, server_side=True)
            while True:
                order = line_of(sock)
                if not order:
                    return
                obey(sock, *order)
        except (OSError, ValueError, Wrong):
            abort(sock)


class Server(socketserver.ThreadingTCPServer):
    address_family = socket.AF_INET6
    allow_reuse_address = daemon_threads = True
    request_queue_size = 1024
    tls = None

    def handle_error(self, *_):
        pass


def serve(cert, key):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    for name, port in PORTS.items():
        s = Server(("::", port), Handler)
        s.tls = context if name == "tls" else None
        threading.Thread(target=s.serve_forever, daemon=True).start()
    print("ready", flush=True)
    threading.Event().wait()


# --- the client ---

def ask(sock, verb, n, seed):
    sock.sendall(f"{verb} {n} {seed}\n".encode())


def compare(got, want):
    if got != want:
        raise Wrong(f"SHA-256 {got} instead of {want}")


def download(sock, n, seed, rest=None):
    ask(sock, "D", n, seed)
    compare(take(sock, n, rest), digest(seed, n))
    return n


def told(sock, seed, n):
    """The digest that the server sends is that of what it was sent."""
    got = b""
    while len(got) < 64:
        data = sock.recv(64 - len(got))
        if not data:
            ended(sock, "FIN within the digest")
        got += data
    compare(got.decode(), digest(seed, n))


def upload(sock, n, seed):
    ask(sock, "U", n, seed)
    send_stream(sock, seed, n)
    told(sock, seed, n)
    return n


def both(sock, n, seed):
    ask(sock, "X", n, seed)
    t = threading.Thread(target=quietly, args=(send_stream, sock, seed, n))
    t.start()
    try:
        compare(take(sock, n), digest(seed + 1, n))
        told(sock, seed, n)
    finally:
        quietly(sock.settimeout, 0.1)
        t.join()
    return 2 * n


def many(sock, rng, times, pause, size):
    done = 0
    for _ in range(times):
        n = rng.randint(1, size)
        done += (download if rng.random() < 0.7 else upload)(
            sock, n, rng.randint(0, 1 << 20))
        time.sleep(rng.random() * pause)
    return done


def half_close(sock, n, seed):
    """All is asked for, the client has said FIN, and the answer still comes."""
    ask(sock, "D", n, seed)
    sock.shutdown(socket.SHUT_WR)
    compare(take(sock, n), digest(seed, n))
    if sock.recv(1):
        raise Wrong("more than there is")
    return n


# name: its share, what it does
KINDS = {
    "short": (40, lambda s, r, a: download(s, r.randint(1, 4096), a)),
    "down": (10, lambda s, r, a: download(s, r.randint(1, 3 << 20), a)),
    "up": (10, lambda s, r, a: upload(s, r.randint(1, 3 << 20), a)),
    "both": (6, lambda s, r, a: both(s, r.randint(1, 1 << 20), a)),
    "kept": (10, lambda s, r, a: many(s, r, 20, 0.2, 30000)),
    "idle": (6, lambda s, r, a: many(s, r, 2, 12, 1000)),
    "slow": (6, lambda s, r, a: download(s, r.randint(1, 1 << 20), a, 0.5)),
    "half": (6, lambda s, r, a: half_close(s, r.randint(1, 200000), a)),
}
NO_TLS = ("half",)  # and no two threads on one TLS connection
NO_TLS += ("both",)


def connect(family, service):
    sock = socket.socket(socket.AF_INET if family == 4 else socket.AF_INET6)
    sock.settimeout(PATIENCE)
    try:
        sock.connect((SERVERS[family], PORTS[service]))
        if service == "tls":
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
            return context.wrap_socket(sock)
    except Exception:
        sock.close()
        raise
    return sock


def verdict(e):
    """An error of TLS is wrong bytes, unless it only met an end too early."""
    if isinstance(e, ssl.SSLError) and not isinstance(e, ssl.SSLEOFError):
        return "wrong"
    return "lost"


def one(rng):
    """One connection, and what became of it."""
    kind = rng.choices(list(KINDS), [k[0] for k in KINDS.values()])[0]
    family = rng.choice((4, 6))
    service = "plain" if kind in NO_TLS else rng.choice(("plain", "tls"))
    r = {"kind": kind, "family": family, "service": service, "bytes": 0,
         "port": 0, "begin": time.monotonic(), "end": "ok", "why": "",
         "errno": 0}
    sock = None
    try:
        sock = connect(family, service)
        r["port"] = sock.getsockname()[1]
        r["bytes"] = KINDS[kind][1](sock, rng, rng.randint(0, 1 << 20))
        sock.close()
    except Wrong as e:
        r["end"], r["why"] = "wrong", repr(e)
    except OSError as e:
        r["end"], r["why"], r["errno"] = verdict(e), repr(e), e.errno
        time.sleep(0.2)  # the next may meet the same at once
    if sock and r["end"] != "ok":
        quietly(abort, sock)
    r["over"] = time.monotonic()
    return r


def worker(seed, until, out, lock):
    rng = random.Random(seed)
    while time.monotonic() < until:
        line = json.dumps(one(rng))
        with lock:
            out.write(line + "\n")


def load(seed, seconds, n, path):
    until, lock = time.monotonic() + float(seconds), threading.Lock()
    with open(path, "w", encoding="ascii") as out:
        threads = [threading.Thread(target=worker,
                                    args=(f"{seed}.{i}", until, out, lock))
                   for i in range(int(n))]
        for t in threads:
            t.start()
        for t in threads:
            t.join()


if __name__ == "__main__":
    {"serve": serve, "load": load}[sys.argv[1]](*sys.argv[2:])
