#!/bin/bash
# SPDX-License-Identifier: MIT
# suites.sh BUILD MAKE JOBS [VAR=VALUE...] -- SUITE... [+ SUITE...] - run suites
# and sum up
#
# What `+' separates runs side by side: what mostly waits beside what computes.
# The first of them has the machine to itself where it wants it; the others are
# nice.  A suite's output appears whole, when it is over.
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
rm -f "$logs"/*.sum

# run NAME TARGET... - one suite, kept in a log and shown; its sum in a file
run()
{
	local name=$1 log=$logs/$1.log begin=$SECONDS rc p f
	shift

	"$make" --no-print-directory BUILD="$build" "${vars[@]}" "$@" \
		>"$log" 2>&1 </dev/null
	rc=$?
	read -r p f < <(sed -nE \
		"s/^$name: (.*, )?([0-9]+) passed, ([0-9]+) failed.*/\\2 \\3/p" \
		"$log" | awk '{ p += $1; f += $2 } END { print p + 0, f + 0 }')
	# A build has no count of its own.
	[ "$name$rc" != build0 ] || p=1
	[ "$rc" -eq 0 ] || [ "$f" -gt 0 ] || f=1
	[ "$((p + f))" -gt 0 ] || f=1
	echo "$p $f $((SECONDS - begin))" >"$logs/$name.sum"
	(
		flock 9
		echo "== $name"
		cat "$log"
	) 9>"$logs/lock"
}

# lane NICE SUITE... - one after the other
lane()
{
	local s
	renice -n "$1" "$BASHPID" >/dev/null
	shift
	for s in "$@"; do
		run "$s" "$s"
	done
}

# All is built first, in parallel: what runs side by side must not build.
[ $# -eq 0 ] || run build -j"$jobs" all check-bins
words=() nice=0 lanes=()
# What was started ends with us, by its process groups.
ended()
{
	trap "" INT TERM HUP
	for s in "${lanes[@]}"; do
		kill -TERM -- "-$s"
	done 2>/dev/null
	wait
	exit 130
}
trap ended INT TERM HUP
set -m
for s in "$@" +; do
	if [ "$s" != + ]; then
		words+=("$s")
		continue
	fi
	lane "$nice" "${words[@]}" &
	lanes+=($!)
	words=() nice=5
done
set +m
wait

echo "== sum"
passed=0 failed=0
for s in build "$@"; do
	[ "$s" != + ] || continue
	read -r p f took <"$logs/$s.sum" || p=0 f=1 took=0
	echo "$s: $p passed, $f failed ($took s)"
	passed=$((passed + p)) failed=$((failed + f))
done
echo "check: $passed passed, $failed failed"
[ "$failed" -eq 0 ]
