#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""table.py SAMPLES OUT.json FAMILY ROUNDS SECONDS PEER...

Medians of the samples (lines "PEER METRIC VALUE ROUND"), printed as a table
with ratios, and saved as JSON with every sample.  Then the rows that the relay
in the kernel must reach: a ratio is the median of those of the rounds, as the
rows of one round were measured one right after the other.
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
    ("restart_first_s", "kill -9: the first page, s", False),
    ("restart_last_s", "  the last of 15, s", False),
    ("restart_failed", "  pages that failed", False),
    ("restart_streams_ended", "  relayed streams that ended", False),
    ("rss_mib", "RSS, MiB", False),
    ("rss_peak_mib", "  peak", False),
]

# What splice must reach: title, metric, at least (or at most), over this peer
# (None: the value itself counts)
LEAST, MOST = "at least", "at most"
MUST = [
    ("kept-alive requests, of plain forwarding", "keep_per_s", LEAST, 0.9,
     "plain"),
    ("eight streams, of plain forwarding", "bulk8_gbps", LEAST, 0.95,
     "plain"),
    ("one stream up, of plain forwarding", "bulk1_gbps", LEAST, 0.9, "plain"),
    ("one stream down, of plain forwarding", "bulk1_down_gbps", LEAST, 0.9,
     "plain"),
    ("the server holds TIME_WAIT, of fresh", "tw_to_fresh", LEAST, 0.9, None),
    ("restart: streams that ended", "restart_streams_ended", MOST, 0, None),
    ("restart: new connections, s", "restart_last_s", MOST, 1, None),
]


def read_samples(path):
    """{metric: {peer: {round: value}}} of a samples file."""
    samples = {}
    with open(path, encoding="ascii") as lines:
        for line in lines:
            peer, metric, value, number = line.split()
            by_peer = samples.setdefault(metric, {})
            by_peer.setdefault(peer, {})[int(number)] = float(value)
    return samples


def of_rounds(samples, metric, over):
    """What splice has, one value a round; over another peer: ratios."""
    ours = samples.get(metric, {}).get("splice", {})
    if over is None:
        return sorted(ours.values())
    theirs = samples.get(metric, {}).get(over, {})
    return sorted(v / theirs[r] for r, v in ours.items() if theirs.get(r))


def judge(samples, family):
    """What can be judged, as objects."""
    rows = []
    for title, metric, sense, bound, over in MUST:
        values = of_rounds(samples, metric, over)
        if not values:
            continue
        median = round(statistics.median(values), 3)
        reached = median >= bound if sense == LEAST else median <= bound
        rows.append({"row": f"splice, IPv{family}: {title}", "sense": sense,
                     "bound": bound, "median": median, "rounds": values,
                     "reached": reached})
    return rows


def print_verdicts(rows):
    """One line for each row that must be reached."""
    if not rows:
        return
    print(f"\n{'must show':54} {'bound':>13} {'median':>6} {'rounds':>12}")
    for r in rows:
        print(f"{r['row']:54} {r['sense']:>8} {r['bound']:4.2f} "
              f"{r['median']:6.2f} {r['rounds'][0]:6.2f}-"
              f"{r['rounds'][-1]:.2f}  "
              f"{'reached' if r['reached'] else 'missed'}")


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
    medians = {m: {p: statistics.median(v.values())
                   for p, v in by_peer.items()}
               for m, by_peer in samples.items()}
    print(f"IPv{family}, {rounds} rounds of {seconds} s each, medians, "
          f"{os.cpu_count()} CPUs, Linux {os.uname().release}; "
          "p/x = penstock over x, s/x = splice over x")
    print_table(medians, peers)
    if more:
        added = more({m: {p: list(v.values()) for p, v in by.items()}
                      for m, by in samples.items()})
    else:
        added = {"must": judge(samples, family)}
        print_verdicts(added["must"])
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
