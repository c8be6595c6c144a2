#!/bin/bash
# SPDX-License-Identifier: MIT
#
# families.sh - run.sh for each group and each address family, several at once:
# their namespaces do not know each other, and most of a case is waiting
#
#   tests/e2e/families.sh [group...]
#
# Environment: run.sh's, and E2E_JOBS, how many run at once (4).  What a run
# printed appears when it is over; the last line is the sum.
set -u
cd "$(dirname "$0")/../.." || exit 1

# What takes longest begins first, or all would wait for it at the end.
FIRST="loss fault_xfer fault scenario shield idle shield_tfo fault_profile
	fault_seg toxi daemon shield_limits"

# runs [group...]: "FAMILY GROUP..." a line.  The idle connection has company:
# it is to be idle while others are not.
runs() {
	local g all
	all=$(tests/e2e/run.sh -l)
	for g in "$@"; do
		grep -q "^4 $g\$" <<<"$all" || return 1
	done
	# rules.sh knows no E2E_CASE
	[ $# -gt 0 ] || [ -z "${E2E_CASE:-}" ] || all=$(grep -v rules <<<"$all")
	# shellcheck disable=SC2046,SC2086 # words
	[ $# -gt 0 ] || set -- $FIRST $(cut -d' ' -f2 <<<"$all")
	printf '%s\n' "$@" | awk '!seen[$0]++' | while read -r g; do
		[[ $g =~ ^(transfer|close)$ && " $* " == *" idle "* ]] && continue
		grep "^[46] $g\$" <<<"$all" | sed 's/idle/idle transfer close/'
	done
}

# one DIR FAMILY GROUP...: a run, shown when it is over.
one() {
	local dir=$1 family=$2 out rc
	shift 2
	out=$(mktemp "$dir/run.XXXXXX")
	E2E_PART=1 tests/e2e/run.sh -f "$family" "$@" >"$out" 2>&1 </dev/null
	rc=$?
	(
		flock 9
		echo "# $* (IPv$family)"
		grep -v '^e2e: ' "$out"
	) 9>"$dir/lock"
	sed -n 's/^e2e: \([0-9]*\) passed, \([0-9]*\) failed/\1 \2/p' "$out" |
		grep . >"$out.sum" || echo "0 1" >"$out.sum"
	[ "$rc" = 0 ] || [[ $(<"$out.sum") != *" 0" ]] || echo "0 1" >"$out.sum"
}

if [ "${1-}" = --one ]; then
	shift
	# shellcheck disable=SC2086 # words
	one $1
	exit 0
fi

dir=$(mktemp -d)
if ! runs "$@" >"$dir/runs"; then
	rm -rf "$dir"
	exec tests/e2e/run.sh -h
fi
setsid -w xargs -a "$dir/runs" -P "${E2E_JOBS:-4}" -d '\n' -I '{}' \
	"$0" --one "$dir {}" &
pool=$!
trap 'kill -TERM -- "-$pool" 2>/dev/null; wait "$pool"; rm -rf "$dir"' EXIT
trap 'exit 130' INT TERM HUP
wait "$pool"
trap 'rm -rf "$dir"' EXIT
read -r n passed failed < <(cat "$dir"/*.sum |
	awk '{ p += $1; f += $2 } END { print NR, p + 0, f + 0 }')
[ "$n" = "$(grep -c . "$dir/runs")" ] || failed=$((failed + 1))
if [ "$((passed + failed))" = 0 ]; then
	echo "not ok - no case is called ${E2E_CASE:-anything}"
	failed=1
fi
echo "e2e: $passed passed, $failed failed"
[ "$failed" = 0 ]
