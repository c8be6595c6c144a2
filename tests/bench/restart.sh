#!/bin/bash
# SPDX-License-Identifier: MIT
#
# restart.sh - how long nothing passes while another penstockd takes over
#
#   tests/bench/restart.sh [-r ROUNDS] [-o FILE] [FLOWS...]
#
# Through a gateway with that many connections, none of which carries anything
# but one: it brings a small segment each millisecond (tests/bench/crowd.c).  The
# pause is the longest time that one of them took.  Then each of the connections
# must bring one more.  The table has medians and worst of all rounds, and what
# the two processes say of it.
set -u
cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=tests/bench/crowd.sh
. tests/bench/crowd.sh
: "${BUILD:=build}"
ROUNDS=${BENCH_ROUNDS:-5} OUT=$BUILD/restart.json
while getopts r:o:h opt; do
	case $opt in
	r) ROUNDS=$OPTARG ;;
	o) OUT=$OPTARG ;;
	*) sed -n '6s/^# *//p' "$0" && exit 2 ;;
	esac
done
shift $((OPTIND - 1))
[ $# -gt 0 ] || set -- 1 1000 100000
[ "$(id -u)" = 0 ] || { echo "restart: needs root (network namespaces)" >&2 && exit 1; }

NS=restart$$ TMP=$(mktemp -d) PID='' CROWD=''
cleanup() {
	trap - EXIT
	local p
	for p in $PID $CROWD; do
		kill -KILL "$p" 2>/dev/null
		wait "$p" 2>/dev/null
	done
	ip netns del "$NS" 2>/dev/null
	rm -rf "$TMP"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

die() {
	echo "restart: $*" >&2
	cat "$TMP"/log* >&2
	exit 1
}

# wait_for COMMAND...: for a minute, at most.
wait_for() {
	local i
	for ((i = 0; i < 600; i++)); do
		"$@" && return 0
		sleep 0.1
	done
	die "waited in vain: $*"
}

has_line() { grep -q "$1" "$2"; }
gone() { ! kill -0 "$1" 2>/dev/null; }

# daemon LOG [--takeover]
daemon() {
	ip netns exec "$NS" "$BUILD/penstockd" -c "$TMP/conf" ${2+"$2"} \
		>"$1" 2>&1 </dev/null 3>&- &
	wait_for has_line '^info: ready: ' "$1"
}

# gateway FLOWS: a namespace with penstockd and the crowd's TUN.
gateway() {
	crowd_place "$1"
	ip netns exec "$NS" "$BUILD/penstockctl" -s "$TMP/state" -c "$TMP/conf" \
		rules apply >"$TMP/log.rules" 2>&1 || die "rules"
	daemon "$TMP/log.0"
	PID=$!
}

# ms LOG PATTERN: what a process says that it took
ms() { sed -n "s/.*$2.* \([0-9]*\) ms\$/\1/p" "$1"; }

# one FLOWS ROUND: a takeover, as a line of JSON.
one() {
	local old
	gateway "$1"
	rm -f "$TMP/stop" "$TMP/crowd"
	mkfifo "$TMP/stop"
	ip netns exec "$NS" "$BUILD/tools/crowd" -r -t crowd0 "$1" \
		<"$TMP/stop" >"$TMP/crowd" 2>"$TMP/log.crowd" &
	CROWD=$!
	exec 3>"$TMP/stop"
	wait_for has_line ready "$TMP/crowd"
	old=$PID
	daemon "$TMP/log.1" --takeover
	PID=$!
	wait_for gone "$old"
	exec 3>&-
	wait "$CROWD" || die "connections were lost"
	CROWD=''
	jq -c ". + {round: $2, gave_ms: $(ms "$TMP/log.0" handover:), took_ms: $(
		ms "$TMP/log.1" 'takeover: [0-9]* connections')}" \
		<<<"$(tail -n 1 "$TMP/crowd")" >>"$TMP/all" || die "no numbers"
	kill -KILL "$PID" 2>/dev/null
	wait "$PID" 2>/dev/null
	PID=''
	ip netns del "$NS"
}

for ((r = 0; r < ROUNDS; r++)); do
	for n; do
		one "$n" "$r"
	done
done

jq -s . "$TMP/all" >"$OUT"
jq -r '
	def median: sort | if length % 2 == 1 then .[length / 2 | floor]
		else (.[length / 2 - 1] + .[length / 2]) / 2 end;
	. as $all | map(.flows) | unique as $sizes |
	"| connections | pause, ms: median | worst | the old one says, ms | the new one says, ms |",
	"| ---: | ---: | ---: | ---: | ---: |",
	($sizes[] as $n | ($all | map(select(.flows == $n))) as $own |
	"| \($n) | \($own | map(.pause_ms) | median | round) | \($own | map(.pause_ms) | max | round) " +
	"| \($own | map(.gave_ms) | median | round) | \($own | map(.took_ms) | median | round) |"),
	($all | map(select(.flows == 1000) | .pause_ms) | select(length > 0) | max) as $m |
	"\nmust show: at most 300 ms with 1000 connections, in every round: \($m | round)  " +
	(if $m <= 300 then "reached" else "missed" end)' "$OUT"
