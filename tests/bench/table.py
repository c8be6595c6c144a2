#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""table.py SAMPLES OUT.json FAMILY ROUNDS SECONDS PEER...

Medians of the samples (lines "PEER METRIC VALUE"), printed as a table with
the ratios penstock is judged by, and saved as JSON with every sample.
"""
import json
import os
import statistics
import sys

OURS = ("penstock", "splice")

# name, title, is more better?
METRICS = [
    ("bulk1_gbps", "one stream up, Gb/s", True),
    ("bulk1_down_gbps", "one stream down, Gb/s", True),
    ("bulk8_gbps", "eight streams up, Gb/s", True),
    ("bulk1_cpu_s_per_gb", "  CPU s per GB, one up", False),
    ("bulk1_down_cpu_s_per_gb", "  CPU s per GB, one down", False),
    ("bulk8_cpu_s_per_gb", "  CPU s per GB, eight", False),
    ("proxy_bulk1_cpu_s_per_gb", "  of it the process", False),
    ("short_per_s", "short connections per s", True),
    ("short_p50_ms", "  p50, ms", False),
    ("short_p99_ms", "  p99, ms", False),
    ("short_cpu_us_per_conn", "  CPU us per connection", False),
    ("proxy_short_cpu_us_per_conn", "  of it the process", False),
    ("short_errors", "  errors", False),
    ("short_stalls", "  stalls over 0.9 s", False),
    ("tw_per_s", "the server holds TIME_WAIT", True),
    ("tw_to_fresh", "  to fresh", True),
    ("tw_p99_ms", "  p99, ms", False),
    ("tw_errors", "  errors", False),
    ("tw_stalls", "  stalls over 0.9 s", False),
    ("keep_per_s", "kept-alive requests per s", True),
    ("keep_p50_ms", "  p50, ms", False),
    ("keep_p99_ms", "  p99, ms", False),
    ("keep_cpu_us_per_req", "  CPU us per request", False),
    ("keep_errors", "  errors", False),
    ("spliced_share", "spliced, of all connections", True),
    ("rss_mib", "RSS, MiB", False),
    ("rss_peak_mib", "  peak", False),
]


def read_samples(path):
    """{metric: {peer: [values]}} of a samples file."""
    samples = {}
    with open(path, encoding="ascii") as lines:
        for line in lines:
            peer, metric, value = line.split()
            by_peer = samples.setdefault(metric, {})
            by_peer.setdefault(peer, []).append(float(value))
    return samples


def pairs(peers):
    """What is compared: each of ours with each of the others."""
    return [(a, b) for a in OURS if a in peers
            for b in peers if b not in OURS]


def ratio(medians, metric, one, over):
    """A peer's median over another's, or None."""
    ours = medians.get(metric, {}).get(one)
    theirs = medians.get(metric, {}).get(over)
    if ours is None or not theirs:
        return None
    return ours / theirs


def cell(value):
    """A number in nine columns, with as many digits as mean something."""
    if value is None:
        return "        -"
    digits = 0 if value >= 1000 else 1 if value >= 100 else 2
    if 0 < value < 1:
        digits = 3
    return f"{value:9.{digits}f}"


def print_table(medians, peers):
    head = "".join(f" {p:>9}" for p in peers)
    head += "".join(f" {a[0] + '/' + b:>9}" for a, b in pairs(peers))
    print(f"{'':26}{head}")
    for metric, title, _ in METRICS:
        if metric not in medians:
            continue
        row = "".join(" " + cell(medians[metric].get(p)) for p in peers)
        row += "".join(" " + cell(ratio(medians, metric, a, b))
                       for a, b in pairs(peers))
        print(f"{title:26}{row}")


def main(more=None):
    """Print and save; @more prints below the table and adds to the JSON."""
    path, out, family, rounds, seconds = sys.argv[1:6]
    peers = sys.argv[6:]
    samples = read_samples(path)
    medians = {m: {p: statistics.median(v) for p, v in by_peer.items()}
               for m, by_peer in samples.items()}
    print(f"IPv{family}, {rounds} rounds of {seconds} s each, medians, "
          f"{os.cpu_count()} CPUs, Linux {os.uname().release}; "
          "p/x = penstock over x, s/x = splice over x")
    print_table(medians, peers)
    added = more(samples) if more else {}
    ratios = {m: {f"{a}/{b}": ratio(medians, m, a, b)
                  for a, b in pairs(peers)} for m in medians}
    with open(out, "w", encoding="ascii") as f:
        json.dump({"family": int(family), "rounds": int(rounds),
                   "seconds": float(seconds), "cpus": os.cpu_count(),
                   "kernel": os.uname().release, "peers": peers,
                   "more_is_better": {m: b for m, _, b in METRICS},
                   "medians": medians, "ratios": ratios,
                   "samples": samples, **added}, f, indent=1, sort_keys=True)
    print(f"saved: {out}")


if __name__ == "__main__":
    main()
