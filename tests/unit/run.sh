#!/bin/bash
# SPDX-License-Identifier: MIT
# run.sh BINARY... - run libcheck programs, show what failed, sum up
#
# UNIT_WRAP is put in front of each (valgrind), UNIT_NAME names the last line,
# UNIT_JOBS run at once.  A program that ends without libcheck's own line
# counts as one failure.
set -u

# run.sh --one BINARY, from below: its result goes to $UNIT_OUT
if [ "${1-}" = --one ]; then
	name=${2##*/}
	# UNIT_WRAP is a command with arguments.
	# shellcheck disable=SC2086
	${UNIT_WRAP-} "$2" >"$UNIT_OUT/$name.out" 2>&1 </dev/null
	echo $? >"$UNIT_OUT/$name.rc"
	exit 0
fi

UNIT_OUT=$(mktemp -d)
export UNIT_OUT
trap 'rm -rf "$UNIT_OUT"' EXIT
[ $# -eq 0 ] || printf '%s\0' "$@" | xargs -0 -n 1 -P "${UNIT_JOBS:-1}" "$0" --one

passed=0 failed=0
for t in "$@"; do
	name=${t##*/}
	rc=$(cat "$UNIT_OUT/$name.rc" 2>/dev/null || echo none)
	read -r checks bad sums < <(sed -nE \
		's/^[0-9]+%: Checks: ([0-9]+), Failures: ([0-9]+), Errors: ([0-9]+).*/\1 \2 \3/p' \
		"$UNIT_OUT/$name.out" |
		awk '{ c += $1; b += $2 + $3 } END { print c + 0, b + 0, NR }')
	if [ "$sums" -eq 0 ] || { [ "$rc" != 0 ] && [ "$bad" -eq 0 ]; }; then
		bad=$((bad + 1)) checks=$((checks + 1))
	fi
	if [ "$bad" -gt 0 ]; then
		echo "--- $name (exit $rc)"
		tail -n 60 "$UNIT_OUT/$name.out"
	fi
	passed=$((passed + checks - bad)) failed=$((failed + bad))
done
echo "${UNIT_NAME:-unit}: $passed passed, $failed failed"
[ "$failed" -eq 0 ]
