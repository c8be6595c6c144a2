#!/bin/bash
# SPDX-License-Identifier: MIT
#
# scale.sh - what a packet and a connection cost with 1,000 to 1,000,000 of them
#
#   tests/bench/scale.sh [-s SECONDS] [-o FILE] [FLOWS...]
#
# First through an engine alone, then through a gateway (NFQUEUE, engine,
# verdicts), both by tests/bench/crowd.c: connections chosen at random bring a
# small segment each.  With a million a gateway needs 1.5 GB of memory.
#
#   crowd: clients 10.0.0.0/8 and the server 192.0.2.1, in one program
#     |
#   [ tun crowd0 ]--( penstockd )    one namespace
set -u
cd "$(dirname "$0")/../.." || exit 1
: "${BUILD:=build}"
SECS=4 OUT=$BUILD/scale.json
while getopts s:o:h opt; do
	case $opt in
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
	ip netns add "$NS" && ip -n "$NS" link set lo up &&
		ip -n "$NS" tuntap add dev crowd0 mode tun &&
		ip -n "$NS" link set crowd0 up txqueuelen 10000 &&
		ip -n "$NS" addr add 10.255.255.1/32 dev crowd0 &&
		ip -n "$NS" route add 10.0.0.0/8 dev crowd0 &&
		ip -n "$NS" route add 192.0.2.0/24 dev crowd0 || exit 1
	cat >"$TMP/conf" <<-END
	[penstock]
	control = $TMP/control.sock
	secret_file = $TMP/secret
	http =
	max_flows = $(($1 + $1 / 4 + 1000))
	max_memory = 1G
	[service crowd]
	listen = 192.0.2.1:80
	handshake = client_first
	tcp_syncookies = 0
	tcp_max_syn_backlog = 65536
	END
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

for n; do
	"$BUILD/tools/crowd" -s "$SECS" "$n" >"$TMP/engine.$n" || exit 1
	gateway "$n"
	ip netns exec "$NS" "$BUILD/tools/crowd" -s "$SECS" -t crowd0 -p "$PID" \
		"$n" >"$TMP/gateway.$n" || { cat "$TMP/log" >&2 && exit 1; }
	gateway_end
done

# Everything of one run, and ratios to the smallest crowd.
for n; do cat "$TMP/engine.$n"; done >"$TMP/engine"
for n; do cat "$TMP/gateway.$n"; done >"$TMP/gateway"
jq -n --slurpfile e "$TMP/engine" --slurpfile g "$TMP/gateway" \
	'[range($e | length) as $i | {flows: $e[$i].flows, engine: $e[$i], gateway: $g[$i]}]' \
	>"$OUT"
jq -r '
	def r(a; b): a / b * 100 | round / 100;
	"| connections | engine, ns a packet | of the first | gateway, ns a packet | of the first | memory a connection, bytes |",
	"| ---: | ---: | ---: | ---: | ---: | ---: |",
	(.[0] as $a | .[] |
	"| \(.flows) | \(.engine.ns_per_packet) | \(r(.engine.ns_per_packet; $a.engine.ns_per_packet)) " +
	"| \(.gateway.ns_per_packet) | \(r(.gateway.ns_per_packet; $a.gateway.ns_per_packet)) " +
	"| \(.gateway.rss_bytes_per_flow) |")' "$OUT"
