#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The include graph: arrows go down only.

handover -> impair -> engine, fault; splice, view -> engine; engine -> policy ->
shield, tcp -> wire -> util; tcp -> crash -> wire; io -> wire, util; rules,
scenario -> config -> util and the headers that publish option tables; api ->
util; front -> policy, shield, tcp, and what is asked of a translator; bpf ->
the layout of front's maps.
The engine knows neither faults nor translators: impair and splice hook
themselves in.  io and engine never meet: the daemon joins them.  penstockctl
knows nothing of packets.  Siblings of one floor do not know each other.
What is deterministic (wire, crash, tcp, shield, fault, policy, engine, impair,
splice, view, handover) calls no clock, no random device, no file and no descriptor either.
"""
import os
import re
import sys

DOWN = {
    "util": set(),
    "wire": {"util"},
    "crash": {"wire", "util"},
    "tcp": {"crash", "wire", "util"},
    "shield": {"wire", "util"},
    "fault": {"wire", "util"},
    "policy": {"shield", "tcp", "util"},
    "engine": {"policy", "shield", "tcp", "wire", "util"},
    "impair": {"engine", "policy", "fault", "tcp", "wire", "util"},
    "splice": {"engine", "policy", "tcp", "wire", "util"},
    "view": {"engine", "policy", "shield", "tcp", "wire", "util"},
    "capture": {"engine", "impair", "view", "policy", "tcp", "wire", "util"},
    "handover": {"engine", "impair", "policy", "fault", "shield", "tcp", "wire",
                 "util"},
    "io": {"wire", "util"},
    "front": {"policy", "shield", "tcp", "util"},
    "bpf": {"front", "shield"},
    "config": {"util"},
    "rules": {"config", "front", "util"},
    "api": {"util"},
    "scenario": {"config", "util"},
    "daemon": {"config", "rules", "front", "api", "io", "impair", "splice",
               "view", "capture", "handover", "crash",
               "engine", "policy", "fault", "shield", "util"},
    "ctl": {"config", "rules", "front", "api", "scenario", "util"},
}
# Option tables and what they configure: all that these may know of others.
TABLES = {"config": {"tcp/cfg.h", "shield/cfg.h", "fault/cfg.h",
                     "policy/policy.h"},
          "rules": {"policy/policy.h"},
          "api": {"fault/cfg.h", "fault/sum.h"},
          "scenario": {"fault/cfg.h"},
          "ctl": {"fault/cfg.h"},
          "daemon": {"tcp/why.h", "tcp/stats.h"},
          # the library's headers
          "front": {"bpf/bpf.h", "bpf/libbpf.h", "splice/splice.h"}}
PURE = {"wire", "crash", "tcp", "shield", "fault", "policy", "engine",
        "impair", "splice", "view", "capture", "handover"}
IMPURE = re.compile(
    r"(?<![\w.>])(clock_gettime|gettimeofday|time|getrandom|randombytes\w*|"
    r"s?rand|s?random|arc4random\w*|socket|sendto|sendmsg|sendmmsg|recvfrom|"
    r"recvmsg|recvmmsg|f?open|freopen|fdopen|opendir|[lf]?stat|read|write|"
    r"writev|ioctl|usleep|nanosleep|sleep|clock_nanosleep|pthread_create|event_\w+|mnl_\w+)\s*\(")
INCLUDE = re.compile(r'^\s*#\s*include\s+["<]([^">]+)[">]')


def module_of(path):
    parts = path.split(os.sep)
    if len(parts) >= 3 and parts[0] in ("src", "include"):
        return parts[1]
    return None


def strip_comments(text):
    def blank(m):
        return re.sub(r"[^\n]", " ", m.group(0))
    return re.sub(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"', blank, text,
                  flags=re.S)


def check(path):
    bad = []
    mod = module_of(path)
    with open(path, encoding="utf-8", errors="replace") as f:
        text = f.read()
    if mod not in DOWN:
        bad.append((1, f"unknown module {mod}: give it a floor in includes.py"))
        return bad
    for no, line in enumerate(text.split("\n"), 1):
        m = INCLUDE.match(line)
        if not m:
            continue
        to = m.group(1).split("/")[0] if "/" in m.group(1) else mod
        if ".." in m.group(1):
            bad.append((no, f"{m.group(1)}: includes are relative to include/"))
        if to not in DOWN or to == mod or to in DOWN[mod]:
            continue
        if m.group(1) in TABLES.get(mod, ()):
            continue
        bad.append((no, f"{mod} must not include {m.group(1)}"))
    if mod in PURE:
        for no, line in enumerate(strip_comments(text).split("\n"), 1):
            m = IMPURE.search(line)
            if m:
                bad.append((no, f"{mod} is sans-IO but calls {m.group(1)}()"))
    return bad


def main():
    n = 0
    for top in ("src", "include"):
        for folder, _, names in os.walk(top):
            for name in sorted(names):
                path = os.path.join(folder, name)
                if not name.endswith((".c", ".h")) or not module_of(path):
                    continue
                for line, what in check(path):
                    print(f"{path}:{line}: {what}")
                    n += 1
    return 1 if n else 0


sys.exit(main())
