#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""hostile.py - docs/HOSTILE.md and the tests named row_NN_* tell of each other.

Every row of the table has a test, and the number of every test is a row.
"""
import pathlib
import re
import sys

DOC = pathlib.Path("docs/HOSTILE.md")
ROW = re.compile(r"^\| (\d+) \|")
TEST = re.compile(r"\brow_(\d+)_\w+")


def main():
    if not DOC.exists():
        return 0
    rows = {}
    for no, line in enumerate(DOC.read_text().splitlines(), 1):
        m = ROW.match(line)
        if m:
            rows[int(m[1])] = no
    bad, tested = [], set()
    for path in sorted(pathlib.Path("tests").rglob("*.c")):
        for no, line in enumerate(path.read_text().splitlines(), 1):
            if not line.startswith("START_TEST("):
                continue
            for m in TEST.finditer(line):
                tested.add(int(m[1]))
                if int(m[1]) not in rows:
                    bad.append(f"{path}:{no}: {DOC} has no row {int(m[1])}")
    bad += [f"{DOC}:{no}: no test is named row_{row:02d}_*"
            for row, no in rows.items() if row not in tested]
    print("\n".join(bad), end="\n" if bad else "")
    return 1 if bad else 0


sys.exit(main())
