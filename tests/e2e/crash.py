#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Many connections that wait for their end.

crash.py serve PORT N READY SECONDS
crash.py connect HOST PORT FROM N READY SECONDS
crash.py renew HOST PORT FROM N READY SECONDS

One side of N connections, on each of which the client sends some bytes and the
server returns them.  FROM: the clients' addresses, with commas.  Creates READY
when all are there.  Waits for their ends, SECONDS at most.  The last line: n=N
reset=N fin=N other=N open=N last=SECONDS, where the last is the time since boot
of the last end.

renew waits until READY is gone, closes all connections, and opens them anew
from the same ports.  The last line: n=N renewed=N last=SECONDS.
"""
import concurrent.futures
import os
import resource
import select
import socket
import struct
import sys
import time


def now():
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def exactly(sock, n):
    data = b""
    while len(data) < n:
        part = sock.recv(n - len(data))
        if not part:
            raise EOFError
        data += part
    return data


def text(i):
    return b"%6d" % i + b"x" * (i % 97)


def serve(port, n, seconds):
    listener = socket.socket(socket.AF_INET6)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("::", port))
    listener.listen(4096)
    listener.settimeout(seconds)
    held = []
    for _ in range(n):
        sock = listener.accept()[0]
        sock.settimeout(None)
        first = exactly(sock, 6)
        sock.sendall(first + exactly(sock, int(first) % 97))
        held.append(sock)
    return held


def connect_one(to, i, source):
    sock = socket.create_connection(to, timeout=60, source_address=source)
    sock.sendall(text(i))
    assert exactly(sock, len(text(i))) == text(i)
    return sock


def connect(host, port, clients, n):
    return [connect_one((host, port), i, (clients[i % len(clients)], 0))
            for i in range(n)]


def renew_one(i, sock, to, source):
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                    struct.pack("ii", 1, 0))
    sock.close()
    try:
        return connect_one(to, i, source)
    except (OSError, EOFError):
        return None


def renew(held, ready, seconds):
    to = [sock.getpeername()[:2] for sock in held]
    source = [sock.getsockname()[:2] for sock in held]
    until = now() + seconds
    while os.path.exists(ready) and now() < until:
        time.sleep(0.05)
    with concurrent.futures.ThreadPoolExecutor(len(held)) as pool:
        held = list(pool.map(renew_one, range(len(held)), held, to,
                             source))
    print(f"n={len(held)} renewed={sum(map(bool, held))} last={now():.3f}")


def end_of(sock):
    try:
        return "open" if sock.recv(1 << 16) else "fin"
    except ConnectionResetError:
        return "reset"
    except OSError:
        return "other"


def main():
    n, ready, seconds = int(sys.argv[-3]), sys.argv[-2], float(sys.argv[-1])
    if sys.argv[1] == "serve":
        held = serve(int(sys.argv[2]), n, seconds)
    else:
        held = connect(sys.argv[2], int(sys.argv[3]),
                       sys.argv[4].split(","), n)
    with open(ready, "w", encoding="ascii"):
        pass
    if sys.argv[1] == "renew":
        renew(held, ready, seconds)
        return
    poller, count, last = select.epoll(), {}, 0.0
    by_fd = {sock.fileno(): sock for sock in held}
    for fd in by_fd:
        poller.register(fd, select.EPOLLIN)
    until = now() + seconds
    while by_fd and now() < until:
        for fd, _ in poller.poll(until - now() if until > now() else 0):
            how = end_of(by_fd[fd])
            if how == "open":
                continue
            count[how] = count.get(how, 0) + 1
            last = now()
            poller.unregister(fd)
            del by_fd[fd]
    print(f"n={n} reset={count.get('reset', 0)} fin={count.get('fin', 0)} "
          f"other={count.get('other', 0)} open={len(by_fd)} last={last:.3f}")


HARD = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (HARD, HARD))
main()
