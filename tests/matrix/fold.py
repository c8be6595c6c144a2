#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""fold.py [--update] GOLDEN <cells - the state matrix as a readable table.

Reads one line a cell (see cells.c) and folds cells of equal outcome into rows,
in the order in which RFC 9293, 3.10.7 looks at a segment: sequence number,
RST, SYN, ACK, text, FIN, URG.  The folding loses nothing: each cell that wire
lets through is in exactly one row.  The rows are compared with GOLDEN, whose
last column is a review by hand; --update writes GOLDEN anew and keeps the
reviews of rows that are still there.
"""
import sys

DIMS = ("seq", "rst", "syn", "ack", "text", "fin", "urg")
ORDER = ("below", "irs", "repeat", "at", "inside", "above")
REFUSED = "refused by wire"
URGENT = ", urgent mark"
HEAD = """\
# What each segment does in each state.  Made by `make matrix-update` from the
# engine itself, reviewed by hand against RFC 9293, 3.10.7; `make matrix` says
# where the two differ.  Read a row as: in STATE, a segment at this sequence
# position (against RCV.NXT and the window), with these flags and this
# acknowledgment (against SND.UNA and SND.NXT), does that.
#
# seq:  below the window; irs = the SYN's own number; repeat = the segment ends
#       at RCV.NXT, as what was received last (a RST without text: one
#       before RCV.NXT); at RCV.NXT; inside; above
# ack:  none = no ACK bit, old < SND.UNA, una = SND.UNA, valid = SND.NXT,
#       future > SND.NXT
# text: 20 bytes.  neither = neither RST nor SYN; rows that name text or FIN
#       have neither too.  [URG: ...] = this too when URG (5 bytes ahead) is set
#
# SYN with FIN, SYN with RST, FIN with RST, and none of SYN, ACK, RST, FIN: no
# state has a use for them, wire refuses them everywhere (drop flags) and sends
# nothing.  They are left out below.
"""


def unify(a, b):
    """Two subtables as one where they do not contradict, else None.
    A leaf is an outcome; REFUSED agrees with everything."""
    if isinstance(b, str):
        a, b = b, a
    if isinstance(a, str):
        if a == REFUSED:
            return b
        if isinstance(b, str):
            return a if b in (a, REFUSED) else None
        out = {k: unify(a, v) for k, v in b.items()}
        return None if None in out.values() else out
    out = {}
    for k in a:
        if k not in b:
            out[k] = a[k]
            continue
        out[k] = unify(a[k], b[k])
        if out[k] is None:
            return None
    for k in b:
        out.setdefault(k, b[k])
    return out


def table(cells, depth=0):
    """cells: list of (key tuple, outcome) -> nested dicts by dimension."""
    if depth == len(DIMS):
        return cells[0][1]
    out = {}
    for key, outcome in cells:
        out.setdefault(key[depth], []).append((key, outcome))
    order = sorted(out, key=ORDER.index) if depth == 0 else out
    return {k: table(out[k], depth + 1) for k in order}


def only(t):
    """The one outcome of a subtable, REFUSED aside; None when several."""
    if isinstance(t, str):
        return t
    got = {only(v) for v in t.values()} - {REFUSED}
    if not got:
        return REFUSED
    return got.pop() if len(got) == 1 and None not in got else None


def mark(t, depth):
    """Where URG adds the urgent mark and nothing else: one outcome."""
    if isinstance(t, str):
        return t
    if depth < len(DIMS) - 1:
        return {k: mark(v, depth + 1) for k, v in t.items()}
    a, b = t.get("0"), t.get("1")
    if a and b and b != a and b.replace(URGENT, "") == a:
        return a + " [URG: urgent mark]"
    return t


def rows(t, depth=0, path=()):
    one = only(t)
    if one == REFUSED:
        return
    if one is not None:
        yield path + ("*",) * (len(DIMS) - depth), one
        return
    groups = []
    for k, sub in t.items():
        if only(sub) == REFUSED:
            continue
        for g in groups:
            u = unify(g[1], sub)
            if u is not None:
                g[0].append(k)
                g[1] = u
                break
        else:
            groups.append([[k], sub])
    for names, sub in groups:
        name = "*" if len(groups) == 1 else ",".join(names)
        yield from rows(sub, depth + 1, path + (name,))


def describe(path):
    seq, rst, syn, ack, text, fin, urg = path
    flags = []
    for value, name in ((rst, "RST"), (syn, "SYN"), (text, "text"),
                        (fin, "FIN"), (urg, "URG")):
        if value == "1":
            flags.append(name)
        elif value == "0" and name not in ("RST", "SYN"):
            flags.append("no " + name)
    if rst == "0" and syn == "*":
        flags.insert(0, "no RST")
    elif rst == syn == "0" and not flags:
        flags.append("neither")
    return seq, " ".join(flags) or "*", ack


def make(lines):
    states = {}
    n = 0
    for line in lines:
        f = line.rstrip("\n").split(" ", 8)
        key = (f[1], f[2], f[3], f[4], f[5], f[6], f[7])
        states.setdefault(f[0], []).append((key, f[8]))
        n += 1
    out = []
    for state, cells in states.items():
        for path, outcome in rows(mark(table(cells), 0)):
            out.append((state,) + describe(path) + (outcome,))
    return out, n


def read(path):
    got = {}
    try:
        with open(path, encoding="utf-8") as f:
            for line in f:
                if line.startswith("#") or not line.strip():
                    continue
                col = [c.strip() for c in line.rstrip("\n").split("|")]
                got[tuple(col[:5])] = col[5] if len(col) > 5 else ""
    except FileNotFoundError:
        pass
    return got


def write(path, table_rows, old):
    width = [max(len(r[i]) for r in table_rows) for i in range(5)]
    with open(path, "w", encoding="utf-8") as f:
        f.write(HEAD)
        state = None
        for r in table_rows:
            if r[0] != state:
                f.write("\n")
                state = r[0]
            left = " | ".join(c.ljust(w) for c, w in zip(r, width))
            f.write(f"{left} | {old.get(r, '')}".rstrip() + "\n")


def main():
    update = sys.argv[1] == "--update"
    path = sys.argv[-1]
    now, n = make(sys.stdin)
    old = read(path)
    if len(set(now)) != len(now):
        print("matrix: two rows with one description")
        return 1
    if update:
        write(path, now, old)
        return 0
    bad = 0
    for r in now:
        if r not in old:
            bad += 1
            print("not ok - new:  " + " | ".join(r))
        elif not old[r]:
            bad += 1
            print("not ok - not reviewed:  " + " | ".join(r))
        elif "to be mended" in old[r]:
            bad += 1
            print("not ok - known to be wrong:  " + " | ".join(r))
    for r in old:
        if r not in now:
            bad += 1
            print("not ok - gone: " + " | ".join(r))
    print(f"# {n} cells in {len(now)} rows")
    print(f"matrix: {max(len(now) - bad, 0)} passed, {bad} failed")
    return 1 if bad else 0


sys.exit(main())
