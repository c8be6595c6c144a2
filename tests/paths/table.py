#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""table.py FILE... - the tables of docs/PERFORMANCE.md from results of run.py

Several files are merged; of two results of the same round the later counts.
Writes $BUILD/paths.csv and $BUILD/paths.md, and, with --publish, what stands
between the marks <!-- paths --> and <!-- /paths --> of docs/PERFORMANCE.md.
Exits with 1 where a figure is missed.
"""
import csv
import json
import os
import re
import statistics
import sys

import cells
import stand

BUILD = os.environ.get("BUILD", "build")
DOC = "docs/PERFORMANCE.md"
# C is CUBIC, B is BBR
NAMES = {"direct-cubic": "direct C", "direct-bbr": "direct B",
         "haproxy-bbr": "HAProxy B", "penstock-cubic": "penstock C",
         "penstock-bbr": "penstock B"}
LATE_US = 1000


def load(files):
    """{cell: {column: {what: median of its rounds}}}"""
    rows = {}
    for name in files:
        with open(name) as f:
            for r in map(json.loads, f):
                if r["late_us"] < LATE_US:
                    rows[r["cell"], r["column"], r["round"]] = r
    found = {}
    for (cell, column, _), r in rows.items():
        of = found.setdefault(cell, {}).setdefault(column, {})
        for k, v in r.items():
            if isinstance(v, (int, float)):
                of.setdefault(k, []).append(v)
    return {c: {col: {k: statistics.median(v) for k, v in of.items()}
                for col, of in cols.items()} for c, cols in found.items()}


def ratio(found, cell, a, b, what="mbit", base=0.0):
    """None where one of the two was not measured."""
    try:
        x, y = found[cell][a][what] - base, found[cell][b][what] - base
    except KeyError:
        return None
    return x / max(y, 1e-9)


def ratios(found, kind, a, b, what="mbit", wanted=lambda c: True):
    """[(ratio, cell)] of all cells of that kind, the worst first."""
    everything = cells.all_cells()
    r = []
    for cell, c in everything.items():
        if cell not in found or c["kind"] != kind or not wanted(c):
            continue
        base = c["rtt"] if kind == "delay" else 0.0
        v = ratio(found, cell, a, b, what, base)
        if v is not None:
            r.append((v, cell))
    return sorted(r)


# --- what must be shown ---

def is_parallel(c):
    return "parallel" in c["more"]


def no_loss(c):
    return c["loss"] == 0 and not is_parallel(c)


def loss(c):
    return c["loss"] > 0 and not is_parallel(c)


def no_loss_parallel(c):
    return c["loss"] == 0 and is_parallel(c)


def loss_parallel(c):
    return c["loss"] > 0 and is_parallel(c)


def queue8(c):
    return c["more_name"] == "queue8"


def every(c):
    return True


# text, kind, ours, theirs, what, which cells, at least, median at least
AT_LEAST = (
    ("Mb/s, penstock B : direct B", "bulk", "penstock-bbr", "direct-bbr",
     "mbit", every, 0.95, 1.1),
    ("Mb/s, penstock B : HAProxy B", "bulk", "penstock-bbr", "haproxy-bbr",
     "mbit", every, 0.97, 1.0),
    ("Mb/s, penstock C : direct C", "bulk", "penstock-cubic", "direct-cubic",
     "mbit", every, 0.95, None),
    ("1 Gb/s, penstock B : direct B", "fast", "penstock-bbr", "direct-bbr",
     "mbit", every, 0.9, None),
    ("trouble, penstock B : direct B", "trouble", "penstock-bbr",
     "direct-bbr", "mbit", every, 0.95, None),
    ("trouble, penstock C : direct C", "trouble", "penstock-cubic",
     "direct-cubic", "mbit", every, 0.95, None),
)
# text, kind, ours, theirs, what, which cells, at most
AT_MOST = (
    ("time, no loss, penstock B : direct B", "complete", "penstock-bbr",
     "direct-bbr", "median_ms", no_loss, 1.05),
    ("time, loss, penstock B : direct B", "complete", "penstock-bbr",
     "direct-bbr", "median_ms", loss, 1.0),
    ("time, no loss, penstock C : direct C", "complete",
     "penstock-cubic", "direct-cubic", "median_ms", no_loss, 1.05),
    ("time, loss, penstock C : direct C", "complete", "penstock-cubic",
     "direct-cubic", "median_ms", loss, 1.0),
    ("the same, no loss, parallel", "complete", "penstock-bbr",
     "direct-bbr", "median_ms", no_loss_parallel, 1.05),
    ("the same, loss, parallel", "complete", "penstock-bbr",
     "direct-bbr", "median_ms", loss_parallel, 1.0),
    ("delay, 8 BDP, penstock B : direct B", "delay", "penstock-bbr",
     "direct-bbr", "median_ms", queue8, 1.1),
)


def verdicts(found):
    """Rows of the first table, and whether all are shown."""
    out, fine = [], True
    for text, kind, a, b, what, which, least, middle in AT_LEAST:
        r = ratios(found, kind, a, b, what, which)
        if not r:
            continue
        median = statistics.median(v for v, _ in r)
        missed = sum(v < least for v, _ in r)
        ok = not missed and (middle is None or median >= middle)
        want = f"{least}" + (f", median {middle}" if middle else "")
        out.append((text, len(r), want, *r[0], median, missed, ok))
        fine &= ok
    for text, kind, a, b, what, which, most in AT_MOST:
        r = ratios(found, kind, a, b, what, which)
        if not r:
            continue
        missed = sum(v > most for v, _ in r)
        out.append((text, len(r), f"at most {most}", *r[-1],
                    statistics.median(v for v, _ in r), missed, not missed))
        fine &= not missed
    return out, fine


def verdict_table(rows):
    yield "| measure | cells | wanted | worst | where | median | missed | |"
    yield "| --- | ---: | --- | ---: | --- | ---: | ---: | --- |"
    for text, n, want, worst, where, median, missed, ok in rows:
        yield (f"| {text} | {n} | {want} | {worst:.2f} | `{where}` |"
               f" {median:.2f} | {missed} | {'shown' if ok else '**missed**'}"
               " |")


# --- the figures ---

def number(v):
    if v is None:
        return ""
    return f"{v:.0f}" if v >= 100 else f"{v:.1f}" if v >= 10 else f"{v:.2f}"


PAIRS = (("penstock-bbr", "direct-bbr"), ("penstock-bbr", "haproxy-bbr"),
         ("penstock-cubic", "direct-cubic"))


def matrix_row(found, name):
    of = found.get(name, {})
    return " | ".join(
        [number(of.get(c, {}).get("mbit")) for c in stand.COLUMNS]
        + [number(ratio(found, name, *p)) for p in PAIRS])


def matrix_table(found, way):
    rows = [(name, c) for name, c in cells.all_cells().items()
            if c["kind"] == "bulk" and c["way"] == way and name in found]
    if rows:
        yield (f"| {way}: Mb/s | RTT ms | loss % | "
               + " | ".join(NAMES.values())
               + " | B : D | B : H | C : D |")
        yield "| " + "---: | " * (6 + len(NAMES))
    for name, c in rows:
        yield (f"| {c['rate']} | {c['rtt']} | {c['loss']} | "
               + matrix_row(found, name) + " |")


def times(v):
    if "burst" in v:
        return f"{number(v['burst'])} ({number(v['burst_p95'])})"
    if "median_ms" not in v:
        return number(v.get("mbit"))
    return f"{number(v['median_ms'])} ({number(v['p95_ms'])})"


def other_table(found, kind, title):
    rows = [n for n, c in cells.all_cells().items()
            if c["kind"] == kind and n in found]
    if not rows:
        return
    yield f"| {title} | " + " | ".join(NAMES.values()) + " |"
    yield "| --- | " + "---: | " * len(NAMES)
    for name in rows:
        yield (f"| `{name.split('/', 1)[1]}` | "
               + " | ".join(times(found[name].get(c, {})) for c in NAMES)
               + " |")


OTHERS = (
    ("complete", "ms: median (95th percentile)"),
    ("delay", "ms of a ping-pong: median (95th percentile)"),
    ("trouble", "Mb/s"),
    ("wire", "segments in a burst: median (95th percentile)"),
    ("fast", "Mb/s at 1 Gb/s"),
    ("veth", "Mb/s, no emulated link"),
)


def report(found):
    rows, fine = verdicts(found)
    parts = ["\n".join(verdict_table(rows))]
    parts += ["\n".join(matrix_table(found, way)) for way in cells.WAYS]
    parts += ["\n".join(other_table(found, *o)) for o in OTHERS]
    text = "\n\n".join(p for p in parts if p.count("\n") > 1) + "\n"
    return re.sub(r" +$", "", text, flags=re.M), fine


def write_csv(found, path):
    with open(path, "w", newline="") as f:
        w = csv.writer(f)
        w.writerow(["cell", "column", "mbit", "median_ms", "p95_ms"])
        for name, columns in found.items():
            for column, v in columns.items():
                w.writerow([name, column] + [v.get(k, "") for k in
                                             ("mbit", "median_ms", "p95_ms")])


def publish(text):
    with open(DOC) as f:
        doc = f.read()
    doc = re.sub(r"(<!-- paths -->\n).*?(\n<!-- /paths -->)",
                 lambda m: m[1] + "\n" + text + m[2], doc, flags=re.S)
    with open(DOC, "w") as f:
        f.write(doc)


def main(argv):
    files = [a for a in argv if not a.startswith("--")]
    found = load(files or [f"{BUILD}/paths.json"])
    text, fine = report(found)
    write_csv(found, f"{BUILD}/paths.csv")
    with open(f"{BUILD}/paths.md", "w") as f:
        f.write(text)
    print(text)
    if "--publish" in argv:
        publish(text)
    sys.exit(not fine)


if __name__ == "__main__":
    main(sys.argv[1:])
