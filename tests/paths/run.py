#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""run.py - direct connections, HAProxy and penstock on equal emulated paths.

Runs the cells of cells.py; stand.py has the path, load.py both ends.  A round
of a cell measures all columns one after another, with the same seed.  Rounds of
different cells run side by side: each has network namespaces of its own.

Results are lines of JSON in $BUILD/paths.json.  table.py and pictures.py make
the tables and the pictures of docs/PERFORMANCE.md from them.

Environment:
  CELLS    names of cells, with * and ?  (all); see cells.py
  ONLY     columns (all): direct-cubic direct-bbr haproxy-bbr penstock-cubic
           penstock-bbr
  ROUNDS   1; the table has medians
  JOBS     places (5), so that what runs side by side on two cores does not
           disturb each other; see weight() in cells.py
  TIME     seconds of a transfer
  MINUTES  nothing begins later than that (600)
  RESUME=1 keeps what paths.json has, and measures the rest
"""
import collections
import fnmatch
import json
import os
import shutil
import signal
import statistics
import sys
import tempfile
import threading
import time

import cells
import stand
import wire

BUILD = os.environ.get("BUILD", "build")
RESULTS = f"{BUILD}/paths.json"
LATE_US = 1000  # a link that late has measured the machine, not the path


def percentile(v, p):
    v = sorted(v)
    return v[min(len(v) - 1, int(len(v) * p))]


def summary(ms):
    return {"n": len(ms), "median_ms": round(statistics.median(ms), 3),
            "p95_ms": round(percentile(ms, 0.95), 3),
            "mean_ms": round(statistics.fmean(ms), 3),
            "least_ms": round(min(ms), 3)}


# --- one column of a cell ---

def kernel_sample(st, n, port):
    """cwnd (bytes) and RTT (ms) of the connection that sends most."""
    out = st.inside(n, "ss", "-Htino", "state", "established", port)
    best = None
    for line in out.splitlines():
        f = dict(w.split(":", 1) for w in line.split() if ":" in w)
        if "cwnd" not in f or "mss" not in f or "rtt" not in f:
            continue
        sent = int(f.get("bytes_sent", 0))
        if best is None or sent > best[0]:
            best = (sent, int(f["cwnd"]) * int(f["mss"]),
                    float(f["rtt"].split("/")[0]))
    return best and best[1:]


def our_sample(st):
    """The same of penstock's client leg."""
    out = json.loads(st.inside(
        "g", f"{BUILD}/penstockctl", "-c", f"{st.tmp}/conf", "-j", "flows"))
    flows = out["flows"] if isinstance(out, dict) else out
    legs = [f["client"] for f in flows if f["client"].get("srtt")]
    leg = max(legs, key=lambda x: x.get("inflight", 0), default=None)
    return leg and (leg["cwnd"], leg["srtt"] / 1e3)


def traced(st, who, run):
    take = {"direct": lambda: kernel_sample(st, "s", "sport = :5201"),
            "haproxy": lambda: kernel_sample(st, "g", "sport = :5201"),
            "penstock": lambda: our_sample(st)}[who]
    sampler = stand.Sampler(take, 0.1)
    sampler.start()
    r = run()
    return {"trace": sampler.stop(), **r}


def captured(st, mbit, t, run):
    """What leaves the gateway for the bottleneck, after STARTUP."""
    file = f"{st.tmp}/wire.pcap"
    p = st.start("g", "tcpdump", "-i", "cl", "-n", "-s", "96", "-B", "65536",
                 "--time-stamp-precision=nano", "-w", file,
                 f"tcp src port {stand.PORT}")
    st.wait_for(p, "tcpdump", lambda: "listening" in st.output(p))
    r = run()
    st.stop([p])
    st.children.remove(p)
    return wire.spacing(file, mbit, t / 2) | r


def measure(st, c, cc, who):
    t = int(os.environ.get("TIME", 0)) or cells.seconds(c)
    kind, way = c["kind"], c["way"]
    if kind == "complete":
        size = c["more"][0]
        r = st.load(cc, "complete", way, cells.SIZES[size], cells.COUNT[size],
                    seconds=600)
        return summary(r["ms"])
    if kind == "delay":
        r = st.load(cc, "pingpong", way, t, seconds=t)
        return summary(r["ms"]) | {"mbit": r["mbit"]}
    if kind == "wire":
        return captured(st, c["rate"], t,
                        lambda: st.load(cc, "bulk", way, t, seconds=t))
    if kind == "trace":
        return traced(st, who,
                      lambda: st.load(cc, "bulk", way, t, seconds=t))
    r = st.load(cc, "bulk", way, t, seconds=t)
    if way == "up":
        r = {"mbit": st.uploaded() * 8e-6 / r["seconds"]}
    return r


def one_column(c, column, seed, name, tmp):
    who, cc = stand.COLUMNS[column]
    with stand.Stand(BUILD, name, tmp) as st:
        st.path(c["path"], seed)
        st.server(cc)
        getattr(st, who)(cc)
        r = measure(st, c, cc, who)
        r["late_us"] = st.late_us()
    if r.get("mbit") is not None:
        r["mbit"] = round(r["mbit"], 3)
    return r


# --- all of them ---

class Results:
    """What has been measured; lines are added at once."""

    def __init__(self, resume):
        self.lock = threading.Lock()
        self.done = set()
        if not resume:
            open(RESULTS, "w").close()
        elif os.path.exists(RESULTS):
            with open(RESULTS) as f:
                self.done = {key(r) for r in map(json.loads, f)
                             if r["late_us"] < LATE_US}

    def add(self, row):
        with self.lock, open(RESULTS, "a") as f:
            f.write(json.dumps(row) + "\n")
        with self.lock:
            v = row.get("mbit", row.get("median_ms"))
            late = "" if row["late_us"] < LATE_US else \
                f"  late by {row['late_us']} us: does not count"
            print(f"{row['cell']:32} {row['round']} {row['column']:15}"
                  f" {v:9.2f}{late}", flush=True)


def key(row):
    return row["cell"], row["column"], row["round"]


class Places:
    """Whoever takes @n of them waits until so many are free, in turn."""

    def __init__(self, n):
        self.all = self.free = n
        self.changed = threading.Condition()
        self.turn = threading.Lock()

    def take(self, n):
        n = min(n, self.all)
        with self.turn, self.changed:
            self.changed.wait_for(lambda: self.free >= n)
            self.free -= n
        return n

    def give(self, n):
        with self.changed:
            self.free += n
            self.changed.notify_all()


def one_round(name, number, columns, results, tag, end):
    c = cells.all_cells()[name]
    ok = True
    for column in columns:
        if (name, column, number) in results.done:
            continue
        if time.monotonic() > end:
            return False
        tmp = tempfile.mkdtemp()
        for last in (False, True):
            try:
                r = one_column(c, column, number, tag, tmp)
            except (stand.Failed, OSError, ValueError, KeyError,
                    stand.subprocess.TimeoutExpired) as e:
                print(f"paths: {name} {column}: {e}", file=sys.stderr)
                ok = False
                break
            if r["late_us"] < LATE_US or last:
                results.add({"cell": name, "column": column, "round": number,
                             **r})
                break
        shutil.rmtree(tmp, ignore_errors=True)
    return ok


def chosen():
    patterns = os.environ.get("CELLS", "*").split()
    return [n for n in cells.all_cells()
            if any(fnmatch.fnmatch(n, p) for p in patterns)]


def in_turn(work):
    """The longest first, and what is small beside what is large."""
    every, count, place = cells.all_cells(), collections.Counter(), {}
    for w in work:
        like = w[0], cells.seconds(every[w[1]]), cells.weight(every[w[1]])
        place[w] = w[0], -like[1], count[like], -like[2]
        count[like] += 1
    work.sort(key=place.get)


def main():
    env = os.environ.get
    columns = (env("ONLY") or " ".join(stand.COLUMNS)).split()
    results = Results(env("RESUME"))
    places = Places(int(env("JOBS", 0)) or 5)
    end = time.monotonic() + 60 * float(env("MINUTES", 600))
    work = [(number + 1, n) for number in range(int(env("ROUNDS", 1)))
            for n in chosen()]
    in_turn(work)
    threads, bad = [], []

    def go(n, number, name, tag):
        try:
            if not one_round(name, number, columns, results, tag, end):
                bad.append(name)
        finally:
            places.give(n)

    for i, (number, name) in enumerate(work):
        n = places.take(cells.weight(cells.all_cells()[name]))
        if time.monotonic() > end:
            bad.append("time is up")
            break
        t = threading.Thread(target=go, args=(
            n, number, name, f"pp{os.getpid()}-{i}"))
        t.start()
        threads.append(t)
    for t in threads:
        while t.is_alive():
            t.join(1)  # so that signals are heard
    if bad:
        sys.exit(f"paths: not measured: {' '.join(sorted(set(bad)))}; "
                 "go on with RESUME=1")


if __name__ == "__main__":
    if os.getuid():
        sys.exit("paths: needs root (network namespaces)")
    for sig in (signal.SIGTERM, signal.SIGINT):
        signal.signal(sig, stand.remove_all)
    main()
