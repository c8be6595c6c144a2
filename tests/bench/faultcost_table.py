#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""faultcost_table.py SAMPLES OUT.json

Samples are lines "ROW METRIC ROUND VALUE".  Each is divided by that of row
`none' in the same round; medians and quartiles of the ratios are printed and
saved.
"""
import json
import statistics
import sys

METRICS = [
    ("bulk_bytes", "one stream, throughput"),
    ("bulk_cpu", "one stream, CPU per byte"),
    ("short_per_s", "short connections per s"),
    ("short_cpu", "short connections, CPU each"),
]


def read_samples(path):
    """{metric: {round: {row: value}}} of a samples file."""
    samples = {}
    with open(path, encoding="ascii") as lines:
        for line in lines:
            row, metric, number, value = line.split()
            rounds = samples.setdefault(metric, {})
            rounds.setdefault(int(number), {})[row] = float(value)
    return samples


def ratios(rounds, row):
    """The row's values over those without a fault, by round."""
    return [r[row] / r["none"] for r in rounds.values() if r["none"]]


def main():
    samples = read_samples(sys.argv[1])
    result = {}
    print(f"{'to none, median (quartiles)':30}{'again':>22}{'idle':>22}")
    for metric, title in METRICS:
        line = f"{title:30}"
        for row in ("again", "idle"):
            r = ratios(samples[metric], row)
            low, mid, high = statistics.quantiles(r, n=4)
            result.setdefault(metric, {})[row] = {"median": mid, "ratios": r}
            line += f"{mid:8.3f} ({low:.3f}-{high:.3f})"
        print(line)
    with open(sys.argv[2], "w", encoding="ascii") as out:
        json.dump(result, out, indent=1)


main()
