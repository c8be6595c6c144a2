# SPDX-License-Identifier: MIT
"""judge.py - what a soak has to show.  Pure: records in, complaints out.

A connection is a line of traffic.py's.  An event is a dict: name, loses (may
connections be lost by it? or a tuple: with these numbers of errors), begin and
over.  A sample is what was measured when
nothing was going on: its tables (of `penstockctl status'), rss_kib,
descriptors and threads.
"""
import re
import statistics

# Empty, when no connection is left.
EMPTY = ("flows", "half_open", "time_wait", "mem_held", "reassembly_nodes",
         "spliced", "queue_waiting", "syn_waiting")
# What may be at another level, but has to stay there (memory that was used once
# remains the process's, within max_memory and the size of the tables): the median of the last
# quarter of the samples is at most that of the first, and so much more.
FLAT = {"rss_kib": 24576, "descriptors": 2, "threads": 0, "timers": 16,
        "sources": 64}
# One process may grow by so much from its first idle sample to its last one.
LIFE = {"rss_kib": 49152, "descriptors": 2, "threads": 0}
SKEW = 0.5  # seconds: clocks are read a little before and after


def wrong_bytes(connections):
    return [f"wrong bytes: {c['kind']} IPv{c['family']} {c['service']} port "
            f"{c['port']}: {c['why']}"
            for c in connections if c["end"] == "wrong"]


def explained_by(c, events):
    """The event that may have ended it, or None."""
    for e in events:
        may = e["loses"]
        if isinstance(may, tuple):
            may = c["errno"] in may
        if may and c["begin"] <= e["over"] + SKEW and \
                c["over"] >= e["begin"] - SKEW:
            return e["name"]
    return None


def unexplained(connections, events):
    return [f"lost, and no event explains it: {c['kind']} IPv{c['family']} "
            f"{c['service']} port {c['port']}: {c['why']} after "
            f"{c['over'] - c['begin']:.1f} s"
            for c in connections
            if c["end"] == "lost" and not explained_by(c, events)]


def not_empty(sample):
    return [f"idle, but {k} is {sample[k]}" for k in EMPTY if sample.get(k)]


def quarters(values):
    n = max(1, len(values) // 4)
    return statistics.median(values[:n]), statistics.median(values[-n:])


def not_flat(samples):
    """Over the whole run, and over each process's life."""
    out = []
    for key, bound in FLAT.items():
        values = [s[key] for s in samples if key in s]
        if len(values) < 2:
            continue
        first, last = quarters(values)
        if last > first + bound:
            out.append(f"{key} grew from {first:g} to {last:g}, by more than "
                       f"{bound}")
    lives = {}
    for s in samples:
        lives.setdefault(s["pid"], []).append(s)
    for pid, life in lives.items():
        for key, bound in LIFE.items():
            grown = life[-1][key] - life[0][key]
            if grown > bound:
                out.append(f"{key} of process {pid} grew by {grown} in "
                           f"{len(life)} phases, by more than {bound}")
    return out


def gone_back(counters):
    """Counters of one process never fall.  counters: (pid, {name: value})."""
    out, last = [], {}
    for pid, now in counters:
        before = last.get(pid, {})
        out += [f"{k} fell from {before[k]} to {v}" for k, v in now.items()
                if v < before.get(k, v)]
        last[pid] = now
    return out


def not_expected(lines, events):
    """Errors and warnings of the log that no event explains."""
    known = [p for e in events for p in e["log"]]
    return [f"log: {text}" for text in lines
            if re.match("(error|warn): ", text) and
            not any(re.search(p, text) for p in known)]
