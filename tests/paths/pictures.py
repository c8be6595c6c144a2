#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""pictures.py FILE... - the pictures of docs/PERFORMANCE.md, by gnuplot

From results of run.py to docs/pictures/*.svg: goodput over loss, completion
times, and cwnd and RTT over time for one run of each column.  Their colours are
readable on white and on black; the background is transparent.
"""
import json
import os
import subprocess
import sys

import cells
import stand
import table

OUT = "docs/pictures"
COLOURS = {"direct-cubic": "#b8860b", "direct-bbr": "#d2527f",
           "haproxy-bbr": "#8e7cc3", "penstock-cubic": "#2e9e5b",
           "penstock-bbr": "#3b8edb"}
TITLES = {"direct-cubic": "direct, CUBIC", "direct-bbr": "direct, BBR",
          "haproxy-bbr": "HAProxy, BBR", "penstock-cubic": "penstock, cubic",
          "penstock-bbr": "penstock, bbr"}

BEGIN = """set terminal svg size {w},{h} dynamic font "sans-serif,13" noenhanced
set output "{out}"
set border 3 linecolor "#808080"
set tics nomirror textcolor "#808080"
set grid y linecolor "#808080" linewidth 0.4 dashtype 3
set key textcolor "#808080" reverse Left
set title textcolor "#808080"
set xlabel textcolor "#808080"
set ylabel textcolor "#808080"
set style data linespoints
"""


def block(name, rows):
    return f"${name} << E\n" + "".join(
        " ".join(str(v) for v in r) + "\n" for r in rows) + "E\n"


def draw(name, height, script):
    text = BEGIN.format(w=800, h=height, out=f"{OUT}/{name}.svg") + script
    subprocess.run(["gnuplot"], input=text, text=True, check=True)


def curves(columns, using, style):
    """The plots of columns, each from a block of its own name."""
    return "plot " + ", ".join(
        f"${c.replace('-', '_')} using {using} with {style} linewidth 2 "
        f"linecolor '{COLOURS[c]}' title '{TITLES[c]}'" for c in columns) + "\n"


# --- goodput over loss ---

def goodput(found):
    script = "set multiplot layout 1,2\nset yrange [0:100]\n"
    script += "set xlabel 'loss, %'\nset ylabel 'Mb/s'\nset xrange [-0.2:3.2]\n"
    for rtt in (20, 100):
        columns = []
        for c in stand.COLUMNS:
            rows = []
            for i, pct in enumerate(cells.LOSSES):
                v = found.get(f"bulk/down/{rtt}/{pct}/100", {}).get(c)
                if v:
                    rows.append((i, v["mbit"], pct))
            if rows:
                columns.append(c)
                script += block(c.replace("-", "_"), rows)
        if not columns:
            return
        script += f"set title '{rtt} ms, 100 Mb/s'\n"
        script += "set key {}\n".format(
            "off" if rtt == 20 else "at graph 1,0.75")
        script += curves(columns, "1:2:xtic(3)", "linespoints pointtype 7"
                         " pointsize 0.6")
    draw("goodput", 340, script)


# --- completion times ---

def completion(found):
    script = ("set multiplot layout 2,2\nset style data histograms\n"
              "set style histogram clustered gap 1\n"
              "set style fill solid 0.9 noborder\nset ylabel 'ms'\n"
              "set logscale y\nset yrange [20:*]\nset tics scale 0.5\n")
    for i, (rtt, pct) in enumerate(((20, 0), (20, 1), (100, 0), (100, 1))):
        rows = []
        for size in cells.SIZES:
            of = found.get(f"complete/down/{rtt}/{pct}/100/{size}", {})
            if any(c not in of for c in stand.COLUMNS):
                return
            rows.append([size.upper()]
                        + [of[c]["median_ms"] for c in stand.COLUMNS])
        script += block(f"d{i}", rows)
        script += f"set title '{rtt} ms, {pct} % loss'\n"
        script += f"set key {'top left' if not i else 'off'}\n"
        script += "plot " + ", ".join(
            f"$d{i} using {n + 2}:xtic(1) linecolor '{COLOURS[c]}' "
            f"title '{TITLES[c]}'"
            for n, c in enumerate(stand.COLUMNS)) + "\n"
    draw("completion", 560, script)


# --- one run of each ---

def traces(files, cell):
    found = {}
    for name in files:
        with open(name) as f:
            for r in map(json.loads, f):
                if r["cell"] == cell:
                    found[r["column"]] = r["trace"]
    return found


def over_time(files, cell, name, title):
    found = traces(files, cell)
    columns = [c for c in stand.COLUMNS if found.get(c)]
    if not columns:
        return
    script = "set multiplot layout 2,1\nset xrange [0:12]\n"
    for c in columns:
        script += block(c.replace("-", "_"), (
            (t, round(cwnd / 1000), round(rtt, 1))
            for t, cwnd, rtt in found[c]))
    script += f"set title '{title}'\nset ylabel 'cwnd, KB'\nset key off\n"
    script += "set yrange [0:*]\n"
    script += curves(columns, "1:2", "lines")
    script += "unset title\nset ylabel 'RTT, ms'\nset xlabel 's'\n"
    script += "set key outside bottom center horizontal\n"
    script += curves(columns, "1:3", "lines")
    draw(name, 560, script)


def main(files):
    files = files or [f"{table.BUILD}/paths.json"]
    os.makedirs(OUT, exist_ok=True)
    found = table.load(files)
    goodput(found)
    completion(found)
    over_time(files, "trace/down/20/0/100/queue8", "window",
              "20 ms, 100 Mb/s, a queue of 8 BDP")
    over_time(files, "trace/down/20/1/100", "window-loss",
              "20 ms, 100 Mb/s, 1 % loss")


main(sys.argv[1:])
