#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""soak.py BUILD [--minutes N] [--seed N] [--load N] [--events N]
        [--only EVENT,...] [--bpf]

Phases of half a minute: traffic, and events in a random order that the seed
decides, until all of them had their turn; then again.  Between phases there is
no traffic: tables have to become empty, and memory, descriptors and threads to
be as they were.  The first and the last phase have no events.

The exit status is 0 if no byte was wrong, no connection was lost but by an
event that may lose some, nothing leaked, no counter fell, the log holds no
error that no event explains, and penstockd lived.
"""
import argparse
import collections
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time

import judge
from events import EVENTS
from memory import Group
from stand import Failed, Stand, poll

TRAFFIC = 22  # seconds of each phase
SHOWN = 8     # complaints of a kind
TALK = ("conf", "fault")  # groups whose events ask the daemon


def say(text):
    print(f"soak: {text}", flush=True)


class Soak:
    def __init__(self, stand, args):
        self.st, self.args = stand, args
        self.rng = random.Random(args.seed)
        self.deck = []
        self.events, self.connections = [], []
        self.samples, self.counters, self.complaints = [], [], []
        self.begin = time.monotonic()
        self.phase = 0

    def names(self):
        if self.args.only:
            return self.args.only.split(",")
        return sorted(n for n in EVENTS
                      if n != "memory_short" or self.st.group)

    def deal(self, n):
        """The next events, all of which come before one comes twice."""
        while len(self.deck) < n:
            more = self.names()
            self.rng.shuffle(more)
            self.deck += more
        hand, self.deck = self.deck[:n], self.deck[n:]
        return hand

    def complain(self, texts):
        for text in texts[:SHOWN]:
            say(f"WRONG: {text}")
        if len(texts) > SHOWN:
            say(f"WRONG: {len(texts) - SHOWN} more of the kind")
        self.complaints += texts

    # --- one phase ---

    def step(self, rec):
        """Go on with an event: when it wants to again, or None."""
        try:
            return time.monotonic() + next(rec["generator"])
        except StopIteration:
            rec["over"] = time.monotonic()
            return None

    def open_event(self, name, load):
        e = EVENTS[name]
        rec = {"name": name, "loses": e["loses"], "log": e["log"],
               "group": e["group"], "begin": time.monotonic(),
               "over": float("inf"), "process": load}
        rec["generator"] = e["run"](self.st, self.rng, rec)
        self.events.append(rec)
        say(f"  {time.monotonic() - self.begin:6.1f} s  {name}")
        return rec

    def steps(self, running):
        """What is due, but nothing is asked of a daemon that may be away."""
        away = "daemon" in {r["group"] for r, _ in running}
        for r, at in running:
            if at > time.monotonic() or (away and r["group"] in TALK):
                yield r, at
            else:
                yield r, self.step(r)

    def look(self, running):
        """A sample of the counters, if it can answer."""
        if "daemon" in {r["group"] for r, _ in running}:
            return
        self.st.alive()
        self.counters.append((self.st.daemon.pid, self.st.counters()))

    def play(self, names, load):
        """The events, each at its time, and not two of a group at once."""
        now = time.monotonic()
        waiting = sorted((now + self.rng.uniform(1, TRAFFIC - 6), n)
                         for n in names)
        running, next_look = [], now
        while waiting or running or load.poll() is None:
            now = time.monotonic()
            busy = {r["group"] for r, _ in running}
            for item in [w for w in waiting if w[0] <= now]:
                group = EVENTS[item[1]]["group"]
                if group in busy or (group in TALK and "daemon" in busy):
                    continue
                waiting.remove(item)
                busy.add(group)
                running.append((self.open_event(item[1], load), now))
            running = [x for x in list(self.steps(running)) if x[1]]
            if now >= next_look:
                self.look(running)
                next_look = now + 1.5
            time.sleep(0.02)

    def empty(self):
        self.st.alive()
        s = self.st.status()
        return not any(s.get(k) for k in judge.EMPTY)

    def rest(self):
        """No traffic: everything becomes empty, and is measured."""
        try:
            poll(30, "every table is empty", self.empty)
        except Failed:
            pass  # the sample says what is not
        time.sleep(1)
        s = self.st.sample()
        self.samples.append(s)
        self.complain(judge.not_empty(s))
        return s

    def one_phase(self, names):
        out = f"load.{self.phase}"
        say(f"phase {self.phase}: {' '.join(names) or 'no events'}")
        load = self.st.start_load(self.rng.randint(1, 1 << 30), TRAFFIC,
                                  self.args.load, out)
        self.st.loaded = lambda: load.poll() is None
        since = len(self.events)
        self.play(names, load)
        if load.returncode:
            raise Failed(f"the load: exit status {load.returncode}")
        with open(f"{self.st.tmp}/{out}", encoding="ascii") as f:
            got = [json.loads(line) for line in f]
        mine = self.events[since:]
        self.complain(judge.wrong_bytes(got))
        self.complain(judge.unexplained(got, mine))
        s = self.rest()
        self.complain(judge.not_expected(self.st.new_log(), mine))
        self.complain(judge.gone_back(self.counters))
        self.counters = []
        self.connections += [dict(c, by=judge.explained_by(c, mine))
                             for c in got]
        lost = sum(c["end"] == "lost" for c in got)
        say(f"  {len(got)} connections, {lost} lost; idle: "
            f"{s['rss_kib']} KiB, {s['descriptors']} descriptors, "
            f"{s['timers']} timers, {s['sources']} sources")
        self.phase += 1

    # --- all of them ---

    def run(self):
        end = self.begin + self.args.minutes * 60
        self.one_phase([])
        longest = TRAFFIC
        while time.monotonic() + 2 * longest < end or self.phase < 2:
            begin = time.monotonic()
            self.one_phase(self.deal(self.args.events))
            longest = max(longest, time.monotonic() - begin)
        self.one_phase([])
        self.complain(judge.not_flat(self.samples))

    def report(self):
        c = self.connections
        lost = [x for x in c if x["end"] == "lost"]
        by = collections.Counter(x["by"] for x in lost if x["by"])
        done = collections.Counter(e["name"] for e in self.events)
        first, last = self.samples[:1], self.samples[-1:]
        say("")
        say(f"seed {self.args.seed}, {time.monotonic() - self.begin:.0f} s, "
            f"{self.phase} phases, {sum(done.values())} events")
        say(f"connections: {len(c)}, "
            f"{sum(x['bytes'] for x in c) / 1e6:.0f} MB checked, "
            f"{sum(x['family'] == 6 for x in c)} by IPv6, "
            f"{sum(x['service'] == 'tls' for x in c)} with TLS")
        say(f"wrong: {sum(x['end'] == 'wrong' for x in c)}; lost: {len(lost)}"
            + "".join(f", {n} by {name}" for name, n in by.most_common()))
        say("events: " + ", ".join(f"{n} {k}" for k, n in done.most_common()))
        for a, b in zip(first, last):
            say("idle, first and last: " + ", ".join(
                f"{k} {a[k]} {b[k]}" for k in judge.FLAT))
        for text in self.complaints[:4 * SHOWN]:
            say(f"WRONG: {text}")
        say(f"{len(self.complaints)} complaints: "
            f"{'FAILED' if self.complaints else 'passed'}")


def arguments():
    p = argparse.ArgumentParser()
    p.add_argument("build")
    p.add_argument("--minutes", type=float, default=20)
    p.add_argument("--seed", type=int, default=int(time.time()))
    p.add_argument("--load", type=int, default=8)
    p.add_argument("--events", type=int, default=4, help="of a phase")
    p.add_argument("--only", help="these events only")
    p.add_argument("--bpf", action="store_true",
                   help="one service is relayed by the kernel, with a front")
    return p.parse_args()


def interrupted(*_):
    raise Failed("interrupted")


def keep(st, build):
    """What a failure is looked for in."""
    kept = f"{build}/soak/last"
    shutil.rmtree(kept, ignore_errors=True)
    shutil.copytree(st.tmp, kept, ignore=shutil.ignore_patterns(
        "*.sock", "small", "bpf", "*.pcapng"))
    say(f"logs are in {kept}")


def main():
    args = arguments()
    for sig in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(sig, interrupted)
    tmp = tempfile.mkdtemp(prefix="soak.", dir="/tmp")
    os.chmod(tmp, 0o755)
    st = Stand(args.build, tmp, args.bpf)
    group = Group(os.path.basename(tmp))
    soak = Soak(st, args)
    say(f"seed {args.seed} (SEED={args.seed} repeats the schedule)")
    if group.why:
        say(f"no memory_short: {group.why}")
    else:
        st.group = group
    if not st.can_take_over:
        say("this penstockd cannot --takeover: a restart loses connections")
    try:
        st.raise_all()
        soak.run()
    except (Failed, OSError, AssertionError) as e:
        soak.complain([str(e)])
    finally:
        if soak.samples:
            soak.report()
        if soak.complaints:
            keep(st, args.build)
        st.remove()
        shutil.rmtree(tmp, ignore_errors=True)
    return 1 if soak.complaints else 0


if __name__ == "__main__":
    sys.exit(main())
