#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""compare.py DIFF SCRIPTS DIFFERENCES [NAME] - both stacks' answers.

The sections of a file of scripts ("# --- title") are played at once, each in
a process and a network namespace of its own; what is above the first one
goes ahead of each.

A difference is a line that only one of them printed; each must be in the
file DIFFERENCES, under a comment that gives its reason.  One that is listed
and no longer occurs fails too, so that the file says what is true today.
"""
import difflib
import re
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor


def sections(path):
    """The texts to play, one a process."""
    with open(path, encoding="utf-8") as f:
        head, *parts = re.split(r"(?m)^(?=# ---)", f.read())
    return [head + p for p in parts] if parts else [head]


def play_text(program, stack, text):
    """The trace of one process."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as f:
        f.write(text)
        f.flush()
        p = subprocess.run([program, stack, f.name], capture_output=True,
                           text=True, check=False, timeout=300)
    if p.returncode:
        print(p.stderr.strip())
        sys.exit(p.returncode)
    return p.stdout


def play(program, stack, scripts):
    """The trace of one stack: a list of lines by script."""
    with ThreadPoolExecutor() as pool:
        texts = list(pool.map(lambda t: play_text(program, stack, t),
                              sections(scripts)))
    out = {}
    for line in "".join(texts).splitlines():
        name, text = line.split(" ", 1)
        out.setdefault(name, []).append(text)
    return out


def differences(name, kernel, penstock):
    """Lines of one script that only one stack has: "NAME k|p LINE"."""
    for d in difflib.ndiff(kernel, penstock):
        if d[:2] == "- ":
            yield f"{name} k {d[2:]}"
        elif d[:2] == "+ ":
            yield f"{name} p {d[2:]}"


def listed(path):
    """The differences that have a reason."""
    out, reason = {}, ""
    with open(path, encoding="utf-8") as f:
        for line in f:
            line = line.rstrip("\n")
            if line.startswith("#"):
                reason = line[1:].strip()
            elif line:
                out[line] = reason
    return out


def main():
    """Play, compare, complain."""
    program, scripts, path = sys.argv[1:4]
    title = sys.argv[-1] if len(sys.argv) > 4 else "diff"
    with open(scripts, encoding="utf-8") as f:
        names = [x.split()[1] for x in f if x.startswith("script ")]
    known = listed(path)
    # What only a slow machine caused does not come again.
    unknown, gone, now = None, list(known), []
    for _ in range(3):
        kernel = play(program, "kernel", scripts)
        engine = play(program, "penstock", scripts)
        now = [d for n in names
               for d in differences(n, kernel.get(n, []), engine.get(n, []))]
        new = [d for d in now if d not in known]
        unknown = new if unknown is None else [d for d in unknown if d in new]
        gone = [d for d in gone if d not in now]
        if not unknown and not gone:
            break
    for d in unknown:
        print(f"not ok - {d}")
    for d in gone:
        print(f"not ok - {path} lists what no longer occurs: {d}")
    same = len(names) - len({d.split()[0] for d in unknown + gone})
    print(f"{title}: {same} passed, {len(names) - same} failed"
          f" ({len(names)} scripts, {len(now)} differences with a reason)")
    return 1 if unknown or gone else 0


if __name__ == "__main__":
    sys.exit(main())
