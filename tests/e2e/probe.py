#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""How long no new connection comes up.

probe.py HOST PORT STOP

Begins a connection every 50 ms, each of which may take a second; prints
"up TIME" for each that a server has accepted, where TIME is when it was begun
(seconds, as in /proc/uptime).  Ends when STOP exists.
"""
import asyncio
import os
import sys
import time

EVERY, PATIENCE = 0.05, 1.0


async def probe(host, port):
    begun = time.clock_gettime(time.CLOCK_BOOTTIME)
    try:
        _, writer = await asyncio.wait_for(
            asyncio.open_connection(host, port), PATIENCE)
        print(f"up {begun:.3f}", flush=True)
        writer.close()
        await asyncio.wait_for(writer.wait_closed(), PATIENCE)
    except (OSError, asyncio.TimeoutError):
        pass


async def main():
    host, port, stop = sys.argv[1:]
    tasks = set()
    while not os.path.exists(stop):
        task = asyncio.create_task(probe(host, int(port)))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        await asyncio.sleep(EVERY)


asyncio.run(main())
