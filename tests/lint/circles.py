#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""No circle of files, except those that docs/ARCHITECTURE.md names.

Who calls whom is read from the objects of the build ($LINT_BIN/obj): a file
needs another when it uses a symbol that the other defines.  Calls through
pointers (hooks, behaviour, tables of functions) are not seen, and not meant.
The list under "## Circles of files" has an item for each circle that is left:
its files, a colon, and why.  An item whose files no longer form one circle is
wrong, too.
"""
import os
import re
import subprocess
import sys

PAGE = "docs/ARCHITECTURE.md"
HEADING = "## Circles of files"
OBJ = os.path.join(os.environ.get("LINT_BIN", "build"), "obj")


def objects():
    """Objects whose source is here, without the suffix."""
    for folder, _, names in os.walk(OBJ):
        for name in names:
            rel = os.path.relpath(os.path.join(folder, name), OBJ)
            if name.endswith(".o") and os.path.exists(f"src/{rel[:-2]}.c"):
                yield rel[:-2]


def graph(files):
    """File -> files whose symbols it uses."""
    where, wants = {}, {f: set() for f in files}
    paths = [os.path.join(OBJ, f + ".o") for f in files]
    out = subprocess.run(["nm", "-A", "-P"] + paths, capture_output=True,
                         text=True, check=True).stdout if paths else ""
    for line in out.splitlines():
        path, name, kind = line.split()[:3]
        f = os.path.relpath(path[:-1], OBJ)[:-2]
        if kind == "U":
            wants[f].add(name)
        elif kind.isupper():
            where[name] = f
    return {f: {where[s] for s in wants[f] if s in where} - {f} for f in files}


def circles(needs):
    """Sets of files that need one another."""
    def reach(f):
        seen, todo = set(), [f]
        while todo:
            for n in needs[todo.pop()] - seen:
                seen.add(n)
                todo.append(n)
        return seen
    far = {f: reach(f) for f in needs}
    return {frozenset(g for g in far[f] if f in far[g])
            for f in needs if f in far[f]}


def named():
    """Circles of the list: files, and the line."""
    if not os.path.exists(PAGE):
        return
    with open(PAGE, encoding="utf-8") as f:
        text = f.read()
    m = re.search(rf"^{HEADING}$(.*?)(?=^## |\Z)", text, re.M | re.S)
    for item in re.finditer(r"^- ([^:]*):", m[1], re.M) if m else []:
        files = re.findall(r"`([\w/]+)\.c`", item[1])
        if files:
            yield frozenset(files), \
                text.count("\n", 0, m.start(1) + item.start()) + 1


def main():
    """Complain."""
    found, listed = circles(graph(list(objects()))), dict(named())
    for c in sorted(found - set(listed), key=min):
        print(f"src/{min(c)}.c:1: a circle of files: {' '.join(sorted(c))}")
    for c in sorted(set(listed) - found, key=min):
        print(f"{PAGE}:{listed[c]}: no such circle: {' '.join(sorted(c))}")
    return 1 if found ^ set(listed) else 0


if __name__ == "__main__":
    sys.exit(main())
