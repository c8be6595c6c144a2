#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""names.py METRICS RULES DASHBOARD OUT: do alerts and dashboard hold together?

METRICS is what /metrics answers.  Every metric that the two files name must be
there; the dashboard must have the shape that Grafana reads (schema 37: unique
ids, panels within the grid, a refId a target).  Writes the dashboard's
expressions to OUT as recording rules, for promtool to parse.
"""
import json
import re
import sys

NAME = re.compile(r"\bpenstock_[a-z0-9_]+")
GRID = 24  # columns


def exprs(dash):
    """(panel, expression) of all targets; what is wrong is asserted."""
    ids = [p["id"] for p in dash["panels"]]
    assert len(set(ids)) == len(ids), "two panels have one id"
    for p in dash["panels"]:
        g = p["gridPos"]
        assert g["x"] + g["w"] <= GRID, f"{p['title']}: beyond the grid"
        refs = [t["refId"] for t in p.get("targets", [])]
        assert len(set(refs)) == len(refs), f"{p['title']}: refId twice"
        assert refs or p["type"] == "row", f"{p['title']}: shows nothing"
        for t in p.get("targets", []):
            yield p["title"], t["expr"]


def main(metrics, rules, dashboard, out):
    """Ends with 1 where a name is not a metric."""
    with open(metrics, encoding="utf-8") as f:
        known = {m[0] for m in map(NAME.match, f) if m}
    with open(dashboard, encoding="utf-8") as f:
        dash = json.load(f)
    assert dash["schemaVersion"] == 37 and dash["uid"] and dash["title"]
    found = list(exprs(dash))
    wrong = 0
    with open(rules, encoding="utf-8") as f:
        named = [("alerts", line) for line in f]
    for var in dash["templating"]["list"]:
        named.append((var["name"], var.get("query", "")))
    for where, text in named + found:
        for name in set(NAME.findall(text)) - known:
            print(f"{where}: no metric {name}")
            wrong = 1
    with open(out, "w", encoding="utf-8") as f:
        f.write("groups:\n- name: dashboard\n  rules:\n")
        for i, (_, e) in enumerate(found):
            e = e.replace("$__rate_interval", "1m")
            f.write(f"  - record: panel_{i}\n    expr: {json.dumps(e)}\n")
    print(f"{len(found)} expressions, {len(known)} metrics")
    return wrong


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
