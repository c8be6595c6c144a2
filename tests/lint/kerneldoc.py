#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Public symbols are documented where they are declared.

For every header below include/: a struct with a body is preceded by a
kernel-doc block that bears its name; a function by a kernel-doc block that
bears its name, or by a comment of its own, or it stands in a run of
declarations that begins with one.  What a block says of parameters must be
true: each @name is a parameter (a member) of what it describes.  A static
inline of up to eight lines may speak for itself, and so may names whose
meaning the style fixes: _init and _fini in place, _free owned, _get and _put
counted.
"""
import os
import re
import subprocess
import sys

FIELDS = ["ctags", "--language-force=C", "--kinds-C=psf", "--fields=+neSsZ",
          "--excmd=number", "-f", "-", "--sort=no"]


def tags(path):
    out = subprocess.run(FIELDS + [path], capture_output=True, text=True,
                         check=True).stdout
    for line in out.splitlines():
        if line.startswith("!"):
            continue
        col = line.split("\t")
        ext = dict(c.split(":", 1) for c in col[4:] if ":" in c)
        ext["name"], ext["kind"] = col[0], col[3]
        ext["line"] = int(ext["line"])
        ext["end"] = int(ext.get("end", ext["line"]))
        yield ext


def first_line(lines, no):
    """The line (from 1) on which the declaration named on line @no begins."""
    while no > 1 and lines[no - 2].strip() and not re.search(
            r"[;{}]\s*(/\*.*\*/)?\s*$|\*/\s*$|^\s*#", lines[no - 2]):
        no -= 1
    return no


def comment_above(lines, no):
    """Lines of the comment that ends just above line @no, or None."""
    i = no - 2
    if i < 0 or not lines[i].rstrip().endswith("*/"):
        return None
    end = i
    while i >= 0 and "/*" not in lines[i]:
        i -= 1
    if lines[i].split("/*")[0].strip():
        return None     # a remark at the end of another declaration
    return lines[i:end + 1]


def run_has_comment(lines, no):
    """Whether the unbroken run of declarations above @no begins with one."""
    while no > 1 and lines[no - 2].strip():
        if comment_above(lines, no):
            return True
        no -= 1
    return False


def block_errors(tag, doc, lines):
    text = "\n".join(doc)
    name, struct = tag["name"], tag["kind"] == "struct"
    m = re.search(r"^\s*(?:/\*)?\*+\s*(struct )?(\w+)(\(\))? - ", text, re.M)
    if not m:
        return ["kernel-doc block without `name - what it is'"]
    if m.group(2) != name or bool(m.group(1)) != struct:
        return [f"kernel-doc block describes {m.group(2)}"]
    body = "\n".join(lines[tag["line"] - 1:tag["end"] + 12])
    if not struct:
        body = re.split(r"[;{]", body)[0]
    bad = []
    for who in re.findall(r"^\s*\*\s*@([\w, @.]+):", text, re.M):
        for p in re.findall(r"\w+", who):
            if not re.search(rf"\b{p}\b", body):
                bad.append(f"@{p} is not in {name}")
    return bad


def check(path):
    with open(path, encoding="utf-8") as f:
        lines = f.read().split("\n")
    for tag in tags(path):
        if tag["kind"] in ("s", "p", "f"):
            tag["kind"] = {"s": "struct", "p": "prototype", "f": "function"}[
                tag["kind"]]
        if "scope" in tag or "struct" in tag or "union" in tag:
            continue
        if tag["name"].startswith("__anon"):
            continue
        no = first_line(lines, tag["line"])
        doc = comment_above(lines, no)
        if doc and doc[0].lstrip().startswith("/**"):
            for what in block_errors(tag, doc, lines):
                yield tag["line"], what
        elif tag["kind"] == "struct":
            yield tag["line"], f"struct {tag['name']} has no kernel-doc block"
        elif tag["name"].endswith(("_init", "_fini", "_free", "_get", "_put")):
            continue
        elif tag["kind"] == "function" and tag["end"] - tag["line"] < 8:
            continue
        elif not doc and not run_has_comment(lines, no) and \
                "/*" not in lines[tag["line"] - 1]:
            yield tag["line"], f"{tag['name']}() has no comment"


def main():
    n = 0
    for folder, _, names in os.walk("include"):
        for name in sorted(names):
            if not name.endswith(".h"):
                continue
            path = os.path.join(folder, name)
            for line, what in check(path):
                print(f"{path}:{line}: {what}")
                n += 1
    return 1 if n else 0


sys.exit(main())
