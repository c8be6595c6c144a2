#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Many connections that wait for their end.

crash.py serve PORT N READY SECONDS
crash.py connect HOST PORT FROM N READY SECONDS

One side of N connections, on each of which the client sends some bytes and the
server returns them.  FROM: the clients' addresses, with commas.  Creates READY when all are there.  Waits for their ends,
SECONDS at most.  The last line: n=N reset=N fin=N other=N open=N last=SECONDS,
where the last is the time since boot of the last end.
"""
import resource
import select
import socket
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


def serve(port, n):
    listener = socket.socket(socket.AF_INET6)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("::", port))
    listener.listen(4096)
    held = []
    for _ in range(n):
        sock = listener.accept()[0]
        first = exactly(sock, 6)
        sock.sendall(first + exactly(sock, int(first) % 97))
        held.append(sock)
    return held


def connect(host, port, clients, n):
    held = []
    for i in range(n):
        sock = socket.create_connection(
            (host, port), timeout=60,
            source_address=(clients[i % len(clients)], 0))
        sock.sendall(text(i))
        assert exactly(sock, len(text(i))) == text(i)
        held.append(sock)
    return held


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
        held = serve(int(sys.argv[2]), n)
    else:
        held = connect(sys.argv[2], int(sys.argv[3]),
                       sys.argv[4].split(","), n)
    with open(ready, "w", encoding="ascii"):
        pass
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
