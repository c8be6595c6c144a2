#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""
keys.py - docs/KEYS.md has an entry for each key of a service, and each entry
names tests that are there.

$LINT_BIN is where penstockctl was built; a tree without the table is none of
our business.
"""
import os
import re
import subprocess
import sys

TABLE = "docs/KEYS.md"
SCRIPTS = "tests/diff/keys.txt"


def known_keys():
    """Keys of [tcp] and [service], from the program's own tables."""
    ctl = os.path.join(os.environ.get("LINT_BIN", "build"), "penstockctl")
    out = subprocess.run([ctl, "keys"], capture_output=True, text=True,
                         check=True).stdout
    rows = [line.split("\t") for line in out.splitlines()]
    return {r[1] for r in rows if r[0] in ("tcp", "service")}


def has_test(ref):
    """Is "file:name" a test?  Comments do not count."""
    name, _, case = ref.partition(":")
    if name == "keys":
        path, pattern = SCRIPTS, rf"^script {case}$"
    elif name.endswith(".c"):
        suite = "hostile" if name.startswith("hostile_") else "unit"
        path, pattern = f"tests/{suite}/{name}", rf"tcase_add_test\(\s*\w+,\s*{case}\)"
    else:
        path, pattern = f"tests/e2e/{name}", rf"^[^#]*\brun_case {case}\b"
    try:
        with open(path, encoding="utf-8") as f:
            return re.search(pattern, f.read(), re.M) is not None
    except FileNotFoundError:
        return False


def complaints():
    """What is wrong, with line numbers."""
    seen = set()
    with open(TABLE, encoding="utf-8") as f:
        text = f.read()
    keys = known_keys()
    for m in re.finditer(r"^- \*\*`(\w+)`\*\*:(.*?)(?=\n\n|\Z)", text, re.M | re.S):
        n = text.count("\n", 0, m.start()) + 1
        refs = re.findall(r"`([\w.]+:\w+)`", m[2])
        if m[1] in seen or m[1] not in keys:
            yield n, f"{m[1]}: no such key, or twice"
        seen.add(m[1])
        if not refs:
            yield n, f"{m[1]}: no test"
        for r in refs:
            if not has_test(r):
                yield n, f"{m[1]}: no such test: {r}"
    for k in sorted(keys - seen):
        yield 1, f"{k}: the key has no entry"


def main():
    """Complain."""
    if not os.path.exists(TABLE):
        return 0
    bad = list(complaints())
    for n, what in bad:
        print(f"{TABLE}:{n}: {what}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
