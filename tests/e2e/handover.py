#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Connections that must not notice that penstockd is replaced.

handover.py HOST PORT FILE SHA256 TRANSFERS IDLE READY STOP

Makes IDLE connections that ask for a small file once, and TRANSFERS connections
that download FILE again and again.  Creates READY when all of them are
connected.  When STOP exists, the downloads end with the file at hand, and each
idle connection asks once more.  One line: downloads=N wrong=N lost=N idle=N
idle_lost=N pause_ms=N, where the pause is the longest time in which no byte of
any download arrived.
"""
import asyncio
import hashlib
import os
import resource
import sys
import time

SMALL = "f1024"
PATIENCE = 120


class Sum:
    def __init__(self):
        self.downloads = self.wrong = self.lost = self.idle_lost = 0
        self.pause, self.last, self.connected = 0.0, None, 0

    def arrived(self):
        now = time.monotonic()
        if self.last:
            self.pause = max(self.pause, now - self.last)
        self.last = now


def request(host, name):
    return f"GET /keep/{name} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()


async def reply(reader, total=None):
    """The length of a reply and its SHA-256."""
    head = await reader.readuntil(b"\r\n\r\n")
    left = int(head.lower().split(b"content-length:")[1].split()[0])
    size, h = left, hashlib.sha256()
    while left:
        data = await reader.read(min(left, 1 << 16))
        if not data:
            raise EOFError
        if total:
            total.arrived()
        h.update(data)
        left -= len(data)
    return size, h.hexdigest()


async def download(total, host, port, name, want, stop):
    try:
        reader, writer = await asyncio.open_connection(host, port)
        total.connected += 1
        while True:
            writer.write(request(host, name))
            _, got = await asyncio.wait_for(reply(reader, total), PATIENCE)
            total.downloads += 1
            total.wrong += got != want
            if os.path.exists(stop):
                break
        writer.close()
    except (OSError, EOFError, asyncio.IncompleteReadError,
            asyncio.TimeoutError):
        total.lost += 1


async def idle(total, host, port, stop):
    try:
        reader, writer = await asyncio.open_connection(host, port)
        for again in (False, True):
            writer.write(request(host, SMALL))
            await asyncio.wait_for(reply(reader), PATIENCE)
            if again:
                break
            total.connected += 1
            while not os.path.exists(stop):
                await asyncio.sleep(0.5)
        writer.close()
    except (OSError, EOFError, asyncio.IncompleteReadError,
            asyncio.TimeoutError):
        total.idle_lost += 1


async def main():
    host, port, name, want, n, quiet, ready, stop = sys.argv[1:]
    total, n, quiet = Sum(), int(n), int(quiet)
    tasks = [asyncio.create_task(idle(total, host, port, stop))
             for _ in range(quiet)]
    while total.connected + total.idle_lost < quiet:
        await asyncio.sleep(0.05)
    tasks += [asyncio.create_task(download(total, host, port, name, want, stop))
              for _ in range(n)]
    while total.connected + total.idle_lost + total.lost < n + quiet:
        await asyncio.sleep(0.05)
    with open(ready, "w", encoding="ascii"):
        total.last, total.pause = None, 0.0
    await asyncio.gather(*tasks)
    print(f"downloads={total.downloads} wrong={total.wrong} "
          f"lost={total.lost} idle={quiet} idle_lost={total.idle_lost} "
          f"pause_ms={int(total.pause * 1000)}")


HARD = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (HARD, HARD))
asyncio.run(main())
