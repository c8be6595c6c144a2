#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""budgets.py SIM FILE - measure the budgets of a file and write their bounds.

Each metric that a line bounds gets what is measured today, MARGIN to either
side; a line without any gets those of DEFAULT, and what is 0 stays exactly 0.
The simulator is deterministic, so the margin is for changes that are nobody's
business.  Read the difference (git diff) before you keep it: each change of a
budget is a change of the stack, for a reason that the commit has to name.
"""
import re
import subprocess
import sys

MARGIN = 0.02
METRICS = ("done_ms", "end_s", "data_kb", "retx_kb", "acks", "flight_kb",
           "wait_kb", "pkts")
DEFAULT = ("done_ms", "retx_kb", "acks", "pkts")


def measure(sim, path):
    """{name: {metric: value}}"""
    out = subprocess.run([sim, "--budget", path, "--trace"], text=True,
                         capture_output=True, check=False).stdout
    return {line.split()[0]: dict(
        (k, float(v)) for k, v in re.findall(r" (\w+)=([0-9.]+)", line))
            for line in out.splitlines() if " done_ms=" in line}


def bounds(value):
    """LO..HI around a value, with two decimals.  Whole numbers are printed
    rounded to two decimals, so half of the last is added."""
    if not value:
        return "0..0"
    slack = value * MARGIN + 0.005
    return f"{max(value - slack, 0.01):.2f}..{value + slack:.2f}"


def rewrite(line, today):
    """A budget's line with today's bounds."""
    name, runs, *words = line.split()
    named = [m for m in METRICS if any(w.startswith(m + "=") for w in words)]
    rest = [w for w in words if w.split("=")[0] not in METRICS]
    new = [f"{m}={bounds(today[name][m])}" for m in named or DEFAULT]
    return " ".join([name, runs, *new, *rest]) + "\n"


def main():
    """Measure, then write the file anew."""
    sim, path = sys.argv[1:]
    today = measure(sim, path)
    with open(path, encoding="utf-8") as f:
        lines = f.readlines()
    missing = [x.split()[0] for x in lines if x.strip() and x[0] != "#"
               and x.split()[0] not in ("base", *today)]
    if missing:
        sys.exit(f"{path}: not measured: {' '.join(missing)}")
    with open(path, "w", encoding="utf-8") as f:
        for x in lines:
            keep = not x.strip() or x[0] == "#" or x.startswith("base ")
            f.write(x if keep else rewrite(x, today))


if __name__ == "__main__":
    main()
