# SPDX-License-Identifier: MIT
"""answered.py [-1] WANT SERVER PORT ADDRESS... - who is answered?

From each address at once a connection and a request for /f1024; all are kept
open.  -1: until WANT were answered, one begins when the one before was.  Prints
how many were answered: when it is WANT, two seconds later, and after a minute
at the latest.
"""
import select
import socket
import struct
import sys
import time

REQUEST = b"GET /f1024 HTTP/1.1\r\nHost: x\r\n\r\n"


def begin(address, server, port):
    """A socket on its way to the server."""
    s = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                 struct.pack("ii", 1, 0))  # nothing is left of it
    s.bind((address, 0))
    s.setblocking(False)
    s.connect_ex((server, port))
    return s


def step(s, poll):
    """Something happened: 1 when it is the answer."""
    if s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
        poll.unregister(s)
        return 0
    try:
        if s.recv(2048):
            poll.unregister(s)
            return 1
        poll.unregister(s)
    except BlockingIOError:
        s.send(REQUEST)
        poll.modify(s, select.POLLIN)
    except OSError:
        poll.unregister(s)
    return 0


def main():
    """Parse the command line and run."""
    args = [a for a in sys.argv[1:] if a != "-1"]
    want, server, port = int(args[0]), args[1], int(args[2])
    waiting = args[3:]
    in_turn = "-1" in sys.argv
    poll = select.poll()
    socks = {}
    answered, end = 0, time.monotonic() + 60
    while time.monotonic() < end:
        turn = answered == len(socks)
        while waiting and (turn or not in_turn or answered >= want):
            s = begin(waiting.pop(0), server, port)
            socks[s.fileno()] = s
            poll.register(s, select.POLLOUT)
            turn = False
        for fd, _ in poll.poll(200):
            answered += step(socks[fd], poll)
        if answered >= want:
            end = min(end, time.monotonic() + 2)
    print(answered)


main()
