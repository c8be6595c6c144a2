#!/bin/bash
# SPDX-License-Identifier: MIT
# suites.sh BUILD MAKE JOBS [VAR=VALUE...] -- SUITE... - run suites and sum up
#
# Each suite is a make target that prints `NAME: [...,] N passed, M failed`, once
# or for each of its parts.  A suite
# that ends badly without such a line, or with "0 failed", counts as a failure
# of its own: silence is never success.  The closing lines are one per suite
# and their sum, `check: N passed, M failed`.
set -u

build=$1 make=$2 jobs=$3
shift 3
vars=()
while [ "$1" != -- ]; do
	vars+=("$1")
	shift
done
shift

logs=$build/suites
mkdir -p "$logs"
lines=()
passed=0 failed=0

# run NAME TARGET... - one suite, shown and kept in a log
run()
{
	local name=$1 log=$logs/$1.log begin=$SECONDS rc p f
	shift

	echo "== $name"
	"$make" --no-print-directory BUILD="$build" "${vars[@]}" "$@" \
		2>&1 </dev/null | tee "$log"
	rc=${PIPESTATUS[0]}
	read -r p f < <(sed -nE \
		"s/^$name: (.*, )?([0-9]+) passed, ([0-9]+) failed.*/\\2 \\3/p" \
		"$log" | awk '{ p += $1; f += $2 } END { print p + 0, f + 0 }')
	# A build has no count of its own.
	[ "$name$rc" != build0 ] || p=1
	[ "$rc" -eq 0 ] || [ "$f" -gt 0 ] || f=1
	[ "$((p + f))" -gt 0 ] || f=1
	passed=$((passed + p)) failed=$((failed + f))
	lines+=("$name: $p passed, $f failed ($((SECONDS - begin)) s)")
}

# Objects come first, in parallel; a suite's own output then stays readable.
run build -j"$jobs" all unit-bins
for s in "$@"; do
	run "$s" "$s"
done

echo "== sum"
printf '%s\n' "${lines[@]}"
echo "check: $passed passed, $failed failed"
[ "$failed" -eq 0 ]
