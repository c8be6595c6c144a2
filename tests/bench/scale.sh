#!/bin/bash
# SPDX-License-Identifier: MIT
#
# scale.sh - what a packet and a connection cost with 1,000 to 1,000,000 of them
#
#   tests/bench/scale.sh [-r ROUNDS] [-s SECONDS] [-o FILE] [FLOWS...]
#
# First through an engine alone, then through a gateway (NFQUEUE, engine,
# verdicts), both by tests/bench/crowd.c: connections chosen at random bring a
# small segment each.  With a million a gateway needs 1.5 GB of memory.  The
# sizes take turns in each round.  The table has medians, and below it what must
# be reached: the median of the ratios of the rounds.
#
#   crowd: clients 10.0.0.0/8 and the server 192.0.2.1, in one program
#     |
#   [ tun crowd0 ]--( penstockd )    one namespace
set -u
cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=tests/bench/crowd.sh
. tests/bench/crowd.sh
: "${BUILD:=build}"
SECS=4 ROUNDS=${BENCH_ROUNDS:-3} OUT=$BUILD/scale.json
while getopts r:s:o:h opt; do
	case $opt in
	r) ROUNDS=$OPTARG ;;
	s) SECS=$OPTARG ;;
	o) OUT=$OPTARG ;;
	*) sed -n '6s/^# *//p' "$0" && exit 2 ;;
	esac
done
shift $((OPTIND - 1))
[ $# -gt 0 ] || set -- 1000 10000 100000 1000000
[ "$(id -u)" = 0 ] || { echo "scale: needs root (network namespaces)" >&2 && exit 1; }

NS=scale$$ TMP=$(mktemp -d) PID=
cleanup() {
	trap - EXIT
	if [ -n "$PID" ]; then
		kill -KILL "$PID" 2>/dev/null
		wait "$PID" 2>/dev/null
	fi
	ip netns del "$NS" 2>/dev/null
	rm -rf "$TMP"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

# gateway FLOWS: a namespace with penstockd and the crowd's TUN.
gateway() {
	crowd_place "$1"
	ip netns exec "$NS" "$BUILD/penstockctl" -s "$TMP/state" -c "$TMP/conf" \
		rules apply >"$TMP/log" 2>&1 || { cat "$TMP/log" >&2 && exit 1; }
	ip netns exec "$NS" "$BUILD/penstockd" -c "$TMP/conf" \
		>>"$TMP/log" 2>&1 </dev/null &
	PID=$!
	for ((i = 0; i < 100; i++)); do
		ip netns exec "$NS" cat /proc/net/netfilter/nfnetlink_queue \
			2>/dev/null | grep -q . && return 0
		sleep 0.1
	done
	cat "$TMP/log" >&2
	exit 1
}

gateway_end() {
	kill -KILL "$PID" 2>/dev/null
	wait "$PID" 2>/dev/null
	PID=
	ip netns del "$NS"
}

# one FLOWS ROUND: an engine alone, then a gateway, as a line of JSON.
one() {
	"$BUILD/tools/crowd" -s "$SECS" "$1" >"$TMP/engine" || exit 1
	gateway "$1"
	ip netns exec "$NS" "$BUILD/tools/crowd" -s "$SECS" -t crowd0 -p "$PID" \
		"$1" >"$TMP/gateway" || { cat "$TMP/log" >&2 && exit 1; }
	gateway_end
	jq -nc --slurpfile e "$TMP/engine" --slurpfile g "$TMP/gateway" \
		"{round: $2, flows: $1, engine: \$e[0], gateway: \$g[0]}" \
		>>"$TMP/all"
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
	def short: . * 100 | round / 100;
	# of all rounds: this size over the smallest
	def ratios($n; f): . as $all | [group_by(.round)[] | sort_by(.flows) |
		(.[0] | f) as $one | .[] | select(.flows == $n) | f / $one];
	def engine: .engine.ns_per_packet;
	def gateway: .gateway.ns_per_packet;
	. as $all | map(.flows) | unique as $sizes |
	"| connections | engine, ns a packet | of the first | gateway, ns a packet | of the first | memory a connection, bytes |",
	"| ---: | ---: | ---: | ---: | ---: | ---: |",
	($sizes[] as $n | ($all | map(select(.flows == $n))) as $own |
	"| \($n) | \($own | map(engine) | median | round) | \($all | ratios($n; engine) | median | short) " +
	"| \($own | map(gateway) | median | round) | \($all | ratios($n; gateway) | median | short) " +
	"| \($own | map(.gateway.rss_bytes_per_flow) | median | round) |"),
	($sizes | [.[0], .[-1]]) as [$few, $many] |
	($all | ratios($many; gateway)) as $r | ($r | median | short) as $m |
	"\nmust show: whole path, \($many) : \($few) connections at most 1.30: \($m) " +
	"(rounds \($r | min | short)-\($r | max | short))  " +
	(if $m <= 1.3 then "reached" else "missed" end)' "$OUT"
