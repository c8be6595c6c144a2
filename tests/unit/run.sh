#!/bin/bash
# SPDX-License-Identifier: MIT
# run.sh BINARY... - run libcheck programs, show what failed, sum up
#
# UNIT_WRAP is put in front of each (valgrind), UNIT_NAME names the last line.
# A program that ends without libcheck's own line counts as one failure.
set -u

passed=0 failed=0
for t in "$@"; do
	# UNIT_WRAP is a command with arguments.
	# shellcheck disable=SC2086
	out=$(${UNIT_WRAP-} "$t" 2>&1 </dev/null)
	rc=$?
	checks=0 bad=0 sums=0
	while read -r c f e; do
		checks=$((checks + c)) bad=$((bad + f + e)) sums=$((sums + 1))
	done < <(sed -nE 's/^[0-9]+%: Checks: ([0-9]+), Failures: ([0-9]+), Errors: ([0-9]+).*/\1 \2 \3/p' <<<"$out")
	if [ "$sums" -eq 0 ] || { [ "$rc" -ne 0 ] && [ "$bad" -eq 0 ]; }; then
		bad=$((bad + 1)) checks=$((checks + 1))
	fi
	if [ "$bad" -gt 0 ]; then
		echo "--- ${t##*/} (exit $rc)"
		printf '%s\n' "$out" | tail -n 60
	fi
	passed=$((passed + checks - bad)) failed=$((failed + bad))
done
echo "${UNIT_NAME:-unit}: $passed passed, $failed failed"
[ "$failed" -eq 0 ]
