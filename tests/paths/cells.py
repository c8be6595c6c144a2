# SPDX-License-Identifier: MIT
"""cells.py - what is measured: a cell is one measurement on one path.

A cell's name says what it is: KIND/WAY/RTT/LOSS/RATE[/...], in ms, % and Mb/s,
as in bulk/down/20/0.1/100.
"""

RTTS, LOSSES, RATES = (1, 20, 100, 600), (0, 0.1, 1, 3), (10, 100)
WAYS = "down", "up"
SIZES = {"10k": 10_000, "100k": 100_000, "1m": 1_000_000}
COUNT = {"10k": 40, "100k": 40, "1m": 20}

# name: what L1 does besides; of a path of 20 ms or 100 ms and 100 Mb/s
TROUBLE = {
    "shallow": {"queue": 0.1},
    "turns": {"more": ["--turns", "25,5000"]},
    "reorder": {"more": ["--reorder", "2,5"]},
    "ackloss": {"ack_loss": 20},
    "wifi": {"more": ["--slots", "2,8"]},
}


def cell(kind, way, rtt, loss, rate, *more, **path):
    name = "/".join(str(p) for p in (kind, way, rtt, loss, rate, *more))
    return name, {"kind": kind, "way": way, "rtt": rtt, "loss": loss,
                  "rate": rate, "more": more, "more_name": "/".join(more),
                  "path": {"way": way, "rtt": rtt, "loss": loss,
                           "rate": rate, **path}}


def matrix():
    for rate in RATES:
        for rtt in RTTS:
            for loss in LOSSES:
                for way in WAYS:
                    yield cell("bulk", way, rtt, loss, rate)


def others():
    for rtt in (20, 100):
        for loss in (0, 1):
            for size in SIZES:
                yield cell("complete", "down", rtt, loss, 100, size)
                yield cell("complete", "down", rtt, loss, 100, size,
                           "parallel", conf="handshake = parallel")
        for queue in (1, 8):
            for rate in RATES:
                yield cell("delay", "down", rtt, 0, rate, f"queue{queue}",
                           queue=queue)
        for name, path in TROUBLE.items():
            for way in WAYS:
                yield cell("trouble", way, rtt, 0, 100, name, **path)
    for way in WAYS:
        yield cell("veth", way, 0, 0, 0, veth=True)
    for rate in (1, 10, 100, 1000):
        yield cell("wire", "down", 20, 0, rate, queue=8)
    yield cell("fast", "down", 50, 0.1, 1000)
    for rtt in (20, 100):
        yield cell("trace", "down", rtt, 0, 100, "queue8", queue=8)
        yield cell("trace", "down", rtt, 1, 100)


def all_cells():
    return dict([*matrix(), *others()])


def seconds(c):
    """How long a transfer lasts: also 25 round trips of the longest path."""
    if c["kind"] == "veth":
        return 4
    if c["kind"] in ("delay", "trace", "fast"):
        return 12
    if c["more_name"] == "turns":
        return 20
    return max(6, c["rtt"] * 25 // 1000)


def weight(c):
    """How many of the machine's places (five) it takes; see run.py."""
    if c["kind"] in ("veth", "wire", "fast"):
        return 1000  # alone
    if c["kind"] == "complete":
        return 2
    return 1 if c["rate"] <= 10 else 4
