#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""flood_table.py SAMPLES OUT.json FAMILY ROUNDS SECONDS PEER...

The flood bench's table and JSON: table.py with other rows, and below it what
each row must show, with a verdict.
"""
import statistics

import table

table.METRICS = [
    ("flood_sent_per_s", "SYNs sent per s", True),
    ("flood_synacks_per_s", "SYN-ACKs per s", True),
    ("flood_of_reflector", "  of the reflector's", True),
    ("flood_cpu_us_per_synack", "  CPU us per SYN-ACK", False),
    ("flood_cpu_us_per_syn", "  CPU us per SYN", False),
    ("proxy_flood_cpu_us_per_syn", "  of it the process", False),
    ("flood_answered_pct", "  answered, %", True),
    ("bulk_calm_gbps", "one stream, calm, Gb/s", True),
    ("bulk_gbps", "  in the flood", True),
    ("bulk_kept", "  kept", True),
    ("keep_calm_per_s", "kept-alive requests, calm", True),
    ("keep_per_s", "  in the flood", True),
    ("keep_kept", "  kept", True),
    ("keep_p99_ms", "  p99, ms", False),
    ("keep_failed", "  failed", False),
    ("calm_per_s", "newcomers per s, calm", True),
    ("calm_p99_ms", "  p99, ms", False),
    ("flood_per_s", "  in the flood, per s", True),
    ("flood_failed_pct", "  failed, %", False),
    ("flood_first_syn_pct", "  at the first SYN, %", True),
    ("flood_stalls", "  that took over 0.9 s", False),
    ("flood_p50_ms", "  p50, ms", False),
    ("flood_p99_ms", "  p99, ms", False),
    ("flood_max_ms", "  the last one, ms", False),
    ("equal_per_s", "newcomers at one rate, /s", True),
    ("equal_failed_pct", "  failed, %", False),
    ("equal_stalls", "  that took over 0.9 s", False),
    ("equal_p50_ms", "  p50, ms", False),
    ("equal_p99_ms", "  p99, ms", False),
    ("equal_max_ms", "  the last one, ms", False),
    ("tw_fresh_per_s", "4-tuples fresh, conn/s", True),
    ("tw_again_per_s", "in server's TIME_WAIT", True),
    ("tw_kept", "  of the fresh ones' rate", True),
    ("tw_stalls", "  stalls and failures", False),
    ("rss_growth_kib", "RSS growth, KiB", False),
]

LEAST, MOST = "at least", "at most"

# peer, what, metric, another peer over which it is a ratio, bound
MUST = [
    ("penstock", "one stream in the flood, of calm",
     "bulk_kept", None, LEAST, 0.5),
    ("penstock", "kept-alive requests in the flood, of calm",
     "keep_kept", None, LEAST, 0.5),
    ("penstock", "newcomers that failed, %",
     "flood_failed_pct", None, MOST, 0),
    ("penstock", "newcomers at one rate that failed, %",
     "equal_failed_pct", None, MOST, 0),
]
for _peer in ("front", "spliced"):
    MUST += [
        (_peer, "one stream in the flood, of SYNPROXY's",
         "bulk_gbps", "synproxy", LEAST, 0.8),
        (_peer, "newcomers that failed, %",
         "flood_failed_pct", None, MOST, 0),
        (_peer, "newcomers that took over 0.9 s",
         "flood_stalls", None, MOST, 0),
        (_peer, "newcomers' p99 (16 at a time), of SYNPROXY's",
         "flood_p99_ms", "synproxy", MOST, 1),
        (_peer, "newcomers' p99 (at one rate), of SYNPROXY's",
         "equal_p99_ms", "synproxy", MOST, 1),
        (_peer, "SYN-ACKs a second, of SYNPROXY's",
         "flood_synacks_per_s", "synproxy", LEAST, 1.4),
    ]


def judge(samples):
    """The rows of MUST that were measured, each with its figures."""
    rows = []
    for peer, what, metric, over, sense, bound in MUST:
        ours = samples.get(metric, {}).get(peer)
        theirs = samples.get(metric, {}).get(over)
        if not ours or (over and not theirs):
            continue
        # what never may happen may not happen in one round of many
        value = max(ours) if bound == 0 else statistics.median(ours)
        rounds = ours
        if over:
            value /= statistics.median(theirs)
            rounds = [a / b for a, b in zip(ours, theirs) if b]
        met = value >= bound if sense == LEAST else value <= bound
        rows.append({"peer": peer, "what": what, "value": value,
                     "rounds": [min(rounds), max(rounds)],
                     "sense": sense, "bound": bound, "met": met})
    return rows


def print_verdicts(samples):
    rows = judge(samples)
    if not rows:
        return {}
    print(f"{'must show':58}{'is':>7}  {'rounds':13}{'bound':15}verdict")
    for r in rows:
        spread = "..".join(f"{v:.2f}" for v in r["rounds"])
        bound = f"{r['sense']} {r['bound']}"
        print(f"{r['peer'] + ':':10}{r['what']:48}{r['value']:7.2f}"
              f"  {spread:13}{bound:15}{'met' if r['met'] else 'MISSED'}")
    return {"must": rows}


if __name__ == "__main__":
    table.main(print_verdicts)
