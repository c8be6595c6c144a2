#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""markdown.py - lines of Markdown are at most 120 columns wide.

So a table can be read in an editor.  What does not fit a table is a list.
"""
import pathlib
import subprocess
import sys

WIDTH = 120


def pages():
    """The pages of the tree, as lint's other checks list it."""
    lister = pathlib.Path(__file__).with_name("list.sh")
    out = subprocess.run([lister, "text"], capture_output=True, text=True,
                         check=True).stdout
    return [p for p in out.splitlines() if p.endswith(".md")]


def main():
    bad = 0
    for page in pages():
        with open(page, encoding="utf-8") as f:
            for no, line in enumerate(f, 1):
                columns = len(line.rstrip("\n"))
                if columns > WIDTH:
                    print(f"{page}:{no}: {columns} columns, at most {WIDTH}")
                    bad = 1
    return bad


sys.exit(main())
