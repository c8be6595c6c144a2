#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""junit.py FILE NAME=RESULT... - is it JUnit's XML, with these cases?

RESULT is held, failed or error.  Prints the messages of those that failed.
"""
import sys
import xml.etree.ElementTree as tree


def result_of(case):
    if case.find("error") is not None:
        return "error"
    return "held" if case.find("failure") is None else "failed"


def main():
    want = [w.rsplit("=", 1) for w in sys.argv[2:]]
    top = tree.parse(sys.argv[1]).getroot()
    suites = top.findall("testsuite")
    assert top.tag == "testsuites" and len(suites) == 1, "one suite"
    suite = suites[0]
    cases = suite.findall("testcase")
    got = [[c.get("name"), result_of(c)] for c in cases]
    assert got == want, f"want {want}, got {got}"
    for at in (top, suite):
        for count, result in (("tests", None), ("failures", "failed"),
                              ("errors", "error")):
            n = sum(r == result or result is None for _, r in got)
            assert int(at.get(count)) == n, f"{count} of {at.tag}"
        float(at.get("time"))
    for case in cases:
        assert case.get("classname") and float(case.get("time")) >= 0
        for bad in case.findall("failure") + case.findall("error"):
            assert bad.get("message"), "a reason"
            print(bad.get("message"))


main()
