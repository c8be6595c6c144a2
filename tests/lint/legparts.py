#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""legparts.py: does each part of struct leg have the writers that leg.h names?

The table stands in include/tcp/leg.h, a paragraph for each part: its name, and
the files that write it.
"""
import collections
import glob
import os
import re
import sys

HEADER = "include/tcp/leg.h"
ROOMS = ("tcp", "engine", "impair", "splice", "api")
PARTS = {"snd": "leg_snd", "rcv": "leg_rcv", "rtt": "leg_rtt",
         "cc": "leg_cong", "loss": "leg_loss", "tmr": "leg_timers",
         "end": "leg_end", "chrono": "leg_chrono", "tally": "leg_tally"}
HEAD = "Who writes which part"
WRITE = r"(?:\+\+|--|(?:[-+*/%&|^]|<<|>>)?=(?!=))"


def code(text):
    """The text without comments."""
    return re.sub(r"/\*.*?\*/|//[^\n]*", " ", text, flags=re.S)


def written(text):
    """Parts that this source writes to."""
    text, found = code(text), set()
    for part, struct in PARTS.items():
        names = [rf"(?:->|\.){part}\."]
        # a part handed over, or pointed at: writable unless const
        for m in re.finditer(rf"(const )?struct {struct} \*(\w+)", text):
            if not m[1]:
                names.append(rf"\b{m[2]}->")
        for n in names:
            target = rf"(?:{n})(?:\w+(?:\[[^\]]*\])?(?:\.|->)?)+"
            if re.search(rf"{target}\s*{WRITE}", text) or \
               re.search(rf"(?:\+\+|--)(?:[\w\[\]]+(?:->|\.))*{part}\.", text) or \
               re.search(rf"(?:\+\+|--){n}" if n.startswith(r"\b") else r"(?!)",
                         text):
                found.add(part)
    return found


def table(header):
    """part -> the files that the header says write it."""
    said, last = {}, None
    for line in header.partition(HEAD)[2].partition("*/")[0].splitlines():
        m = re.match(r"^ \*  ( *)(\w+)?\s+([\w/ ]+)$", line)
        if m and m[2] in PARTS:
            last = m[2]
            said[last] = set(m[3].split())
        elif last and re.match(r"^ \* {6,}\S", line):
            said[last] |= set(line[3:].split())
        else:
            last = None
    return said


def writers():
    """part -> the files that write it."""
    does = collections.defaultdict(set)
    for room in ROOMS:
        for path in sorted(glob.glob(f"src/{room}/*.[ch]")):
            stem = os.path.splitext(path[len("src/"):])[0]
            with open(path, encoding="utf-8") as f:
                for part in written(f.read()):
                    does[part].add(stem.removeprefix("tcp/"))
    return does


def main():
    """Compare the table with the sources; 1 when they differ."""
    if not os.path.exists(HEADER):
        return 0
    with open(HEADER, encoding="utf-8") as f:
        said = table(f.read())
    does, wrong = writers(), 0
    for part in PARTS:
        for f in sorted(does[part] ^ said.get(part, set())):
            wrong = 1
            if f in does[part]:
                path = f if "/" in f else f"tcp/{f}"
                print(f"src/{path}.c: writes the leg's \"{part}\", which "
                      f"{HEADER} does not say")
            else:
                print(f"{HEADER}: {f} does not write \"{part}\"")
    return wrong


if __name__ == "__main__":
    sys.exit(main())
