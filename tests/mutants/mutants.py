#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""mutants.py [-n N] [-j JOBS] [--seeds N] [--only NAME,...] [--build DIR]

Apply the faults of faults.txt one at a time to a copy of the tree, build it,
run the quick tests, and say which faults no test noticed.

What counts as caught: it does not compile, a unit test of the stack fails, the
simulator's regressions, budgets or seeds fail, or a table test does.  Ends
with 1 when fewer than 90 % are caught, 2 when a fault's text is gone.
"""
import argparse
import os
import random
import re
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time

# The tree that is looked at; lint's self-test makes one of its own.
ROOT = os.path.abspath(os.environ.get("MUTANTS_ROOT") or os.path.join(
    os.path.dirname(os.path.abspath(__file__)), "../.."))
LEAST = 90  # percent
CPU_LIMIT = 60  # seconds of CPU for one step: a slow machine is no fault
TEST_LIMIT = 1500  # seconds, for what sleeps for ever
SHELL = ("src/config/", "src/rules/", "src/api/", "src/scenario/")
# Unit tests that can see these.
CONTROL = re.compile(r"^test_(attack|config|control|http|listener|rules|scenario|"
                     r"secret|toxiproxy)")
UNIT = re.compile(r"^test_(?!io_live)")  # which wants namespaces
HOSTILE = re.compile(r"^hostile_(?!alloc)")  # which replaces the allocator
HELPERS = ["unit/rig", "unit/process", "hostile/gate", "check/engine_check"]


class Fault:
    """One small fault: replace old by new in path."""

    def __init__(self, name, path, line):
        self.name, self.path, self.line = name, path, line
        self.old, self.new = [], []

    def apply(self, text):
        """The changed text, or None when the old is not there just once."""
        words = re.findall(r"\w+|[^\w\s]", "\n".join(self.old))
        pattern = r"\s*".join(re.escape(w) for w in words)
        found = list(re.finditer(pattern, text))
        if not words or len(found) != 1:
            return None
        m = found[0]
        return text[:m.start()] + "\n".join(self.new) + text[m.end():]


def read_faults(path):
    """All faults of a file in the form its head describes."""
    faults = []
    with open(path, encoding="utf-8") as f:
        for no, line in enumerate(f, 1):
            line = line.rstrip("\n")
            head = re.match(r"^\[(\w+)\] (\S+)$", line)
            if head:
                faults.append(Fault(*head.groups(), no))
            elif line.startswith("- ") or line == "-":
                faults[-1].old.append(line[2:])
            elif line.startswith("+ ") or line == "+":
                faults[-1].new.append(line[2:])
            elif line and not line.startswith("#"):
                sys.exit(f"{path}:{no}: neither fault nor comment")
    names = [f.name for f in faults]
    for n in set(names):
        if names.count(n) > 1:
            sys.exit(f"{path}: two faults are called {n}")
    return faults


def is_stale(fault):
    """Is its text not in the source exactly once, or is nothing changed?"""
    try:
        with open(os.path.join(ROOT, fault.path), encoding="utf-8") as src:
            text = src.read()
    except FileNotFoundError:
        return True
    return fault.apply(text) in (None, text)


def check(path):
    """Does every fault still apply?  0 or 2; what lint asks."""
    faults = read_faults(path)
    stale = [f for f in faults if is_stale(f)]
    for f in stale:
        print(f"{os.path.relpath(path, ROOT)}:{f.line}: {f.name}: its text "
              f"is not in {f.path} exactly once")
    print(f"mutants: {len(faults)} faults, {len(stale)} stale")
    return 2 if stale else 0


def copy_tree(to):
    """The files git knows of (or all but build/), links for nothing."""
    try:
        out = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True,
                             capture_output=True).stdout
        names = [n for n in out.decode().split("\0") if n]
    except (OSError, subprocess.CalledProcessError):
        names = [os.path.relpath(os.path.join(d, n), ROOT)
                 for d, _, files in os.walk(ROOT) for n in files
                 if not os.path.relpath(d, ROOT).startswith("build")]
    for n in names:
        src = os.path.join(ROOT, n)
        if not os.path.isfile(src):
            continue
        dst = os.path.join(to, n)
        os.makedirs(os.path.dirname(dst), exist_ok=True)
        shutil.copy2(src, dst)


def limit():
    """In the child: an endless loop ends."""
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_LIMIT, CPU_LIMIT + 5))


def run(cmd, cwd):
    """(exit code, last lines of output); a step that hangs is killed."""
    with subprocess.Popen(cmd, cwd=cwd, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True,
                          errors="replace", start_new_session=True,
                          preexec_fn=limit,
                          stdin=subprocess.DEVNULL) as p:
        try:
            out, _ = p.communicate(timeout=TEST_LIMIT)
        except subprocess.TimeoutExpired:
            os.killpg(p.pid, signal.SIGKILL)
            p.communicate()
            return 124, "hangs"
    return p.returncode, out


class Bench:
    """One scratch copy with its own build directory.

    The tests are compiled once; for each fault only the library is built
    again and, one after the other, linked with the tests.
    """

    def __init__(self, top, number, seeds, like=None):
        self.dir = os.path.join(top, f"tree{number}")
        self.build = os.path.join(top, f"build{number}")
        self.seeds = seeds
        for d in self.dir, self.build:
            shutil.rmtree(d, ignore_errors=True)
        if like:
            shutil.copytree(like.dir, self.dir)
            shutil.copytree(like.build, self.build)
        else:
            copy_tree(self.dir)
        self.tests = []
        for folder, names in (("unit", UNIT), ("hostile", HOSTILE)):
            path = os.path.join(self.dir, "tests", folder)
            if os.path.isdir(path):
                self.tests += [(folder, n[:-2])
                               for n in sorted(os.listdir(path))
                               if n.endswith(".c") and names.match(n)]
        self.matrix = os.path.exists(f"{self.dir}/tests/matrix/cells.c")

    def make(self, *targets):
        """make without warnings as errors: a fault may leave things unused."""
        return run(["make", "-s", "JOBS=1", f"BUILD={self.build}",
                    "CFLAGS=-O1 -g -Wno-error", *targets], self.dir)

    def compile(self, source, name):
        """One test's object, from its source in tests/."""
        out = f"{self.build}/objects/{name}.o"
        os.makedirs(os.path.dirname(out), exist_ok=True)
        return run(["gcc", "-std=gnu11", "-w", "-O1", "-fno-strict-aliasing",
                    "-D_GNU_SOURCE", '-DPENSTOCK_VERSION="0"', "-Iinclude",
                    "-Itests", "-Itests/unit", "-Itests/hostile", "-c", "-o",
                    out, f"tests/{source}.c"], self.dir)

    def prepare(self):
        """Compile every test.  (0, "") or what went wrong."""
        todo = [(f"{d}/{n}", n) for d, n in self.tests]
        if self.matrix:
            todo.append(("matrix/cells", "cells"))
        helpers = [(h, h.replace("/", "_")) for h in HELPERS
                   if os.path.exists(f"{self.dir}/tests/{h}.c")]
        for source, name in todo + helpers:
            rc, out = self.compile(source, name)
            if rc:
                return rc, out
        return run(["ar", "rcs", f"{self.build}/objects/helpers.a"]
                   + [f"{self.build}/objects/{n}.o" for _, n in helpers],
                   self.dir)

    def link(self, name):
        """A test's program with the library as it is now."""
        objects = f"{self.build}/objects"
        return run(["gcc", "-pthread", "-o", f"{objects}/{name}",
                    f"{objects}/{name}.o", f"{objects}/helpers.a",
                    f"{self.build}/libpenstock.a", "-lcheck", "-lsubunit",
                    "-lrt", "-lsodium", "-levent", "-levent_pthreads",
                    "-ljansson", "-linih", "-lnetfilter_queue", "-lmnl",
                    "-lseccomp", "-lcap-ng", "-lsystemd", "-lm"], self.dir)

    def linked(self, name):
        """The command that runs a test, or one that says why it cannot."""
        rc, out = self.link(name)
        if rc:
            return ["sh", "-c", 'echo "$1"; exit 1', "sh", out[-300:]]
        return [f"{self.build}/objects/{name}"]

    def order(self, fault):
        """The tests that look at the fault's file first, models last."""
        stem = os.path.basename(fault.path)[:-2] if fault else "-"

        module = fault.path.split("/")[1] if fault else "-"

        def rank(test):
            near = test[1].endswith("_" + stem)
            kin = f"_{module}" in test[1] or f"_{stem.split('_')[0]}" in test[1]
            return ("model" in test[1], not near, not kin, test[1])

        shell = fault and fault.path.startswith(SHELL)
        return sorted((t for t in self.tests
                       if not shell or CONTROL.match(t[1])), key=rank)

    def steps(self, fault=None):
        """(name, command) of the quick tests, what is likely to see first."""
        sim = f"{self.build}/sim/sim"
        objects = f"{self.build}/objects"
        tests = self.order(fault)
        models = [t for t in tests if "model" in t[1]]
        for _, t in tests[:len(tests) - len(models)]:
            yield t, self.linked(t)
        if fault and fault.path.startswith(SHELL):
            return
        if self.matrix:
            self.link("cells")
            yield "matrix", ["sh", "-c", f"{objects}/cells {objects}/cells.txt"
                             " && python3 tests/matrix/fold.py tests/matrix/"
                             f"golden.txt <{objects}/cells.txt"]
        yield "sim --regress", [sim, "--regress", "tests/sim/regress.txt"]
        yield "sim --budget", [sim, "--budget", "tests/sim/budgets.txt"]
        yield "fault-sim", [f"{self.build}/fault/fault_sim", "100", "1"]
        yield "sim", [sim, "--seeds", str(self.seeds), "--failures", "1"]
        for _, t in models:
            yield t, self.linked(t)

    def test(self, fault=None):
        """None, or (which test noticed, what it said)."""
        rc, out = self.make(f"{self.build}/libpenstock.a",
                            f"{self.build}/sim/sim",
                            f"{self.build}/fault/fault_sim")
        if rc:
            return "build", out
        for name, cmd in self.steps(fault):
            rc, out = run(cmd, self.dir)
            if rc:
                return name, out
        return None

    def with_fault(self, fault):
        """Test with @fault in place, and take it out again."""
        path = os.path.join(self.dir, fault.path)
        with open(path, encoding="utf-8") as f:
            text = f.read()
        with open(path, "w", encoding="utf-8") as f:
            f.write(fault.apply(text))
        try:
            return self.test(fault)
        finally:
            with open(path, "w", encoding="utf-8") as f:
                f.write(text)


def reason(out):
    """The line of a test's output that says most."""
    lines = [x.strip() for x in out.splitlines() if x.strip()]
    for pattern in (r"FAILED", r":[FE]:", r"error:|assert", r"not ok"):
        for x in lines:
            if re.search(pattern, x):
                return x[:150]
    return lines[-1][:150] if lines else ""


def worker(bench, todo, done, lock):
    """Take faults off @todo until none is left."""
    while True:
        with lock:
            if not todo:
                return
            fault = todo.pop()
        begin = time.time()
        found = bench.with_fault(fault)
        took = time.time() - begin
        with lock:
            done[fault.name] = found
            if found:
                print(f"caught    {fault.name}: {found[0]}"
                      f" ({took:.0f} s) {reason(found[1])}", flush=True)
            else:
                print(f"SURVIVED  {fault.name} ({fault.path})", flush=True)


def main():
    """Parse the command line and run."""
    p = argparse.ArgumentParser()
    p.add_argument("-n", type=int, default=0, help="a random part of N faults")
    p.add_argument("-j", type=int, default=2)
    p.add_argument("--seeds", type=int, default=1500)
    p.add_argument("--seed", type=int, default=int(time.time()))
    p.add_argument("--only", default="")
    p.add_argument("--build", default=os.path.join(ROOT, "build/mutants"))
    p.add_argument("--check", action="store_true",
                   help="only look whether every fault still applies")
    a = p.parse_args()
    path = os.path.join(ROOT, "tests/mutants/faults.txt")
    rc = check(path)
    if a.check or rc:
        return rc
    faults = read_faults(path)
    if a.only:
        unknown = set(a.only.split(",")) - {f.name for f in faults}
        if unknown:
            print(f"mutants: no fault is called {' or '.join(unknown)}")
            return 2
        faults = [f for f in faults if f.name in a.only.split(",")]
    elif a.n:
        print(f"mutants: {a.n} of {len(faults)} by --seed {a.seed}")
        faults = random.Random(a.seed).sample(faults, min(a.n, len(faults)))
    benches = [Bench(a.build, 0, a.seeds)]
    begin = time.time()
    sane = benches[0].prepare()
    sane = ("build", sane[1]) if sane[0] else benches[0].test()
    if sane:
        print(f"mutants: fails without any fault: {sane[0]}")
        print(sane[1][-3000:])
        return 2
    print(f"mutants: no fault, no failure ({time.time() - begin:.0f} s)",
          flush=True)
    benches += [Bench(a.build, i, a.seeds, benches[0])
                for i in range(1, max(a.j, 1))]
    done, lock, todo = {}, threading.Lock(), list(reversed(faults))
    threads = [threading.Thread(target=worker, args=(b, todo, done, lock))
               for b in benches]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    caught = sum(1 for v in done.values() if v)
    percent = 100 * caught / max(len(done), 1)
    print(f"mutants: {caught} of {len(done)} caught ({percent:.0f} %), "
          f"{len(done) - caught} survived")
    return 0 if percent >= LEAST else 1


if __name__ == "__main__":
    sys.exit(main())
