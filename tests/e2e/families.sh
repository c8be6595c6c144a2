#!/bin/bash
# SPDX-License-Identifier: MIT
#
# families.sh - run.sh for both address families at once: their namespaces do
# not know each other, and most of a case is waiting
#
#   tests/e2e/families.sh [group...]
set -u
cd "$(dirname "$0")/../.." || exit 1
log=$(mktemp)
trap 'rm -f "$log"' EXIT

tests/e2e/run.sh -f 6 "$@" >"$log" 2>&1 </dev/null &
six=$!
trap 'kill "$six" 2>/dev/null; wait "$six"; rm -f "$log"' EXIT
trap 'exit 130' INT TERM HUP
tests/e2e/run.sh -f 4 "$@"
rc=$?
wait "$six" || rc=1
trap 'rm -f "$log"' EXIT
cat "$log"
exit "$rc"
