#!/bin/bash
# SPDX-License-Identifier: MIT
#
# bench.sh - plain kernel forwarding, HAProxy (TPROXY, splice), penstock and
# penstock with relay = splice, side by side in one run
#
#   tests/bench/bench.sh [-f 4|6] [-r ROUNDS] [-t SECONDS] [-o FILE] [peer...]
#
# Each peer has three namespaces of its own (client, gateway, server), with
# the same servers.  The peers take turns at each measurement, so that what else
# the machine does concerns all of them, and each round begins with another one.
# The table shows medians.  One thread each for HAProxy and penstockd.
# CPU seconds are the whole machine's: a proxy's work in softirq counts.
#
# Short connections come over fresh 4-tuples, and then over some that the server
# still holds in TIME_WAIT; "to fresh" compares both of the same round.  Peer
# `splice' needs libbpf and a BPF file system, and is left out without them.
# What it must reach is printed last, each row with its verdict: the medians of
# the ratios of the rounds.  The exit code does not depend on it.
set -u
cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=tests/e2e/lib.sh
. tests/e2e/lib.sh
# shellcheck source=tests/bench/haproxy.sh
. tests/bench/haproxy.sh

ROUNDS=${BENCH_ROUNDS:-5} SECS=${BENCH_SECONDS:-2} OUT=$BUILD/bench.json
BENCH_FAMILY=4
while getopts f:r:t:o:h opt; do
	case $opt in
	f) BENCH_FAMILY=$OPTARG ;;
	r) ROUNDS=$OPTARG ;;
	t) SECS=$OPTARG ;;
	o) OUT=$OPTARG ;;
	*) sed -n '7s/^# *//p' "$0" && exit 2 ;;
	esac
done
shift $((OPTIND - 1))
PEERS=("$@")
[ $# -gt 0 ] || PEERS=(plain haproxy penstock splice)

declare -A PROXY_PID=() TUPLE=() FRESH=()
TW_TUPLES=1000
N_ADDR=64 # client addresses, so that 4-tuples do not run out

# --- set up ---------------------------------------------------------------

# More client addresses, and the list in ADDRESSES.
bench_addresses() {
	local i a
	ADDRESSES=
	for ((i = 0; i < N_ADDR; i++)); do
		if [ "$FAMILY" = 4 ]; then
			a=198.51.100.$((100 + i))
			in_c ip addr add "$a/24" dev up
		else
			a=2001:db8:c::1$(printf %02x "$i")
			in_c ip addr add "$a/64" dev up nodad
		fi
		ADDRESSES+=$a,
	done
	ADDRESSES=${ADDRESSES%,}
}

# bench_peer NAME: its topology, servers and proxy.
bench_peer() {
	topo_make "bench$$$1"
	bench_addresses
	start_nginx
	start_in "$NS_S" "$TMP/iperf.log" iperf3 -s -p "$PORT_IPERF"
	poll 5 listening "$PORT_IPERF"
	case $1 in
	haproxy)
		start_haproxy "$PORT_HTTP" "$PORT_IPERF"
		PROXY_PID[$1]=$REPLY
		;;
	penstock) bench_penstockd "$1" "handshake = server_first" ;;
	splice)
		bench_penstockd "$1" "handshake = client_first" \
			"tcp_syncookies = 2" "relay = splice" \
			"[penstock] bpf_dir = $TMP/bpf/bench" \
			"[penstock] bpf_interfaces = cl sv"
		;;
	esac
	TUPLE[$1]=$TW_TUPLES
}

# bench_penstockd PEER KEY=VALUE...: a daemon with all its files apart.
bench_penstockd() {
	local TMP=$TMP/$1
	mkdir "$TMP"
	conf_write "$TMP/conf" "${@:2}"
	start_penstockd "$TMP/conf" || exit 1
	PROXY_PID[$1]=$PENSTOCK_PID
}

# Is there what `splice' needs?  A BPF file system of our own, as `ip netns
# exec' mounts /sys anew.
bench_can_splice() {
	mkdir -p "$TMP/bpf"
	mount -t bpf bpf "$TMP/bpf" 2>/dev/null
}

bench_use() {
	topo_use "bench$$$1"
}

# --- measuring ------------------------------------------------------------

# record PEER METRIC VALUE
record() {
	echo "$1 $2 $3 $ROUND" >>"$TMP/samples"
}

# Busy CPU time of the machine so far, in clock ticks.
cpu_machine() {
	awk '/^cpu /{ print $2 + $3 + $4 + $7 + $8; exit }' /proc/stat
}

# User and system time of a peer's proxy so far, in clock ticks.
cpu_proxy() {
	local pid=${PROXY_PID[$1]:-}
	[ -n "$pid" ] || { echo 0 && return; }
	sed 's/.*) //' "/proc/$pid/stat" | awk '{ print $12 + $13 }'
}

cpu_begin() {
	CPU_M=$(cpu_machine)
	CPU_P=$(cpu_proxy "$1")
}

# cpu_end PEER NAME UNITS: CPU seconds per unit, of machine and proxy.
cpu_end() {
	local m p hz
	m=$(($(cpu_machine) - CPU_M))
	p=$(($(cpu_proxy "$1") - CPU_P))
	hz=$(getconf CLK_TCK)
	record "$1" "$2" "$(awk "BEGIN { print $m / $hz / $3 }")"
	record "$1" "proxy_$2" "$(awk "BEGIN { print $p / $hz / $3 }")"
}

# bench_bulk PEER NAME IPERF-OPTION...
bench_bulk() {
	local peer=$1 name=$2 bits bytes
	shift 2
	cpu_begin "$peer"
	in_c iperf3 -J -c "$SERVER" -p "$PORT_IPERF" -t "$SECS" "$@" \
		>"$TMP/iperf.json" || return 1
	bits=$(jq .end.sum_received.bits_per_second "$TMP/iperf.json")
	bytes=$(jq .end.sum_received.bytes "$TMP/iperf.json")
	record "$peer" "${name}_gbps" "$(awk "BEGIN { print $bits / 1e9 }")"
	cpu_end "$peer" "${name}_cpu_s_per_gb" "($bytes / 1e9)"
}

# bench_short PEER: 1 KiB objects, 64 at a time, fresh 4-tuples.
bench_short() {
	local out=$TMP/short.json
	cpu_begin "$1"
	in_c "$TOOLS/shortconn" -a "$ADDRESSES" -o "${TUPLE[$1]}" -x 1024 \
		-t "$SECS" "$SERVER" "$PORT_HTTP" /keep/f1024 >"$out" || return 1
	cpu_end "$1" short_cpu_us_per_conn \
		"($(jq .connections "$out") / 1e6)"
	TUPLE[$1]=$(jq .next "$out")
	FRESH[$1]=$(jq .per_second "$out")
	record "$1" short_per_s "${FRESH[$1]}"
	record "$1" short_p50_ms "$(jq '.p50_us / 1000' "$out")"
	record "$1" short_p99_ms "$(jq '.p99_us / 1000' "$out")"
	record "$1" short_errors "$(jq .errors "$out")"
	record "$1" short_stalls "$(jq .stalls "$out")"
}

# bench_tw PEER: the same few 4-tuples again and again.  The server closed them,
# so its kernel holds them; the first run makes sure that it holds all.
bench_tw() {
	local out=$TMP/tw.json i
	for i in 1 2; do
		in_c "$TOOLS/shortconn" -a "$ADDRESSES" -o 0 -w "$TW_TUPLES" \
			-x 1024 -t "$SECS" "$SERVER" "$PORT_HTTP" /keep/f1024 \
			>"$out" || return 1
	done
	record "$1" tw_per_s "$(jq .per_second "$out")"
	record "$1" tw_to_fresh "$(jq ".per_second / ${FRESH[$1]}" "$out")"
	record "$1" tw_p99_ms "$(jq '.p99_us / 1000' "$out")"
	record "$1" tw_errors "$(jq .errors "$out")"
	record "$1" tw_stalls "$(jq .stalls "$out")"
}

# Connections that the kernel carried, of all that were opened: 1 is all.
bench_spliced() {
	[ "$1" = splice ] || return 0
	"$PENSTOCKCTL" -c "$TMP/splice/conf" nstat |
		awk '/^Spliced@/ { s = $2 }
			/^FlowsOpened / { o = $2 }
			END { print s / o }' >"$TMP/share"
	record "$1" spliced_share "$(cat "$TMP/share")"
}

# to_ms TEXT: wrk's 1.23ms, 456us, 1.02s.
to_ms() {
	awk -v t="$1" 'BEGIN { f = t ~ /us$/ ? 0.001 : t ~ /ms$/ ? 1 : 1000
		print (t + 0) * f }'
}

bench_keep() {
	local out=$TMP/wrk.out
	cpu_begin "$1"
	in_c wrk -t1 -c64 -d"${SECS}s" --latency \
		"http://$URL:$PORT_HTTP/keep/f1024" >"$out" || return 1
	cpu_end "$1" keep_cpu_us_per_req \
		"($(grep -o '[0-9]* requests in' "$out" | cut -d' ' -f1) / 1e6)"
	record "$1" keep_per_s "$(awk '/^Requests\/sec/{ print $2 }' "$out")"
	record "$1" keep_p50_ms "$(to_ms "$(awk '$1 == "50%"{ print $2 }' "$out")")"
	record "$1" keep_p99_ms "$(to_ms "$(awk '$1 == "99%"{ print $2 }' "$out")")"
	record "$1" keep_errors "$(grep -c 'Socket errors' "$out")"
}

# --- kill -9 and a restart ------------------------------------------------

# A page, asked for anew: when it came, in ms since T0.
bench_page() {
	in_c curl -sg --max-time 10 -o /dev/null "http://$URL/keep/f1024" &&
		echo $((($(date +%s%N) - T0) / 1000000)) >>"$TMP/pages"
}

# By the count: a list would be full of connections that have ended.
bench_relayed() {
	"$PENSTOCKCTL" -c "$1" status |
		awk '$1 == "spliced" { n = $2 } END { exit !(n > 0) }'
}

# bench_killed CONF: a download that the kernel relays goes on while the daemon
# is killed and another one comes; from then on somebody connects every 20 ms.
bench_killed() {
	local pid i sum kids=()
	in_c curl -sg --limit-rate 4M --max-time 60 -o "$TMP/got" \
		"http://$URL/f8388608" &
	pid=$!
	poll 5 bench_relayed "$1" || return 1
	kill -KILL "${PROXY_PID[splice]}"
	wait "${PROXY_PID[splice]}" 2>/dev/null
	: >"$TMP/pages"
	T0=$(date +%s%N)
	ip netns exec "$NS_G" "$PENSTOCKD" -c "$1" \
		>>"$TMP/splice/penstockd.log" 2>&1 </dev/null &
	PROXY_PID[splice]=$!
	lib_own_pid $!
	for i in {1..15}; do
		bench_page &
		kids+=($!)
		sleep 0.02
	done
	wait "${kids[@]}"
	record splice restart_first_s \
		"$(sort -n "$TMP/pages" | awk 'NR == 1 { print $1 / 1000 }')"
	record splice restart_last_s \
		"$(sort -n "$TMP/pages" | awk 'END { print $1 / 1000 }')"
	record splice restart_failed $((15 - $(wc -l <"$TMP/pages")))
	wait "$pid" || echo "bench: the relayed download: curl says $?" >&2
	sum=$(sha256sum <"$TMP/got" | cut -d' ' -f1)
	record splice restart_streams_ended \
		"$([ "$sum" = "$(data_sum 8388608)" ]; echo $?)"
}

# With the front as well, which the peer does not have so far.
bench_restarts() {
	local conf=$TMP/splice/conf
	bench_use splice
	data_sum 8388608 >/dev/null
	sed -i '/^\[penstock\]/a front = xdp\nfront_interfaces = cl' "$conf"
	rules_apply "$conf" >/dev/null 2>&1 || return 1
	for ((ROUND = 0; ROUND <= ROUNDS; ROUND++)); do
		# the first one only makes the front known to the daemon
		bench_killed "$conf" || return 1
		poll 10 bench_fronted "$conf" || return 1
		[ "$ROUND" != 0 ] || sed -i '/ restart_/d' "$TMP/samples"
	done
}

bench_fronted() {
	"$PENSTOCKCTL" -c "$1" nstat | grep -q '^front_answering.* [1-9]'
}

bench_rss() {
	local pid=${PROXY_PID[$1]:-}
	[ -n "$pid" ] || return 0
	record "$1" rss_mib "$(awk '/^VmRSS/{ print $2 / 1024 }' \
		"/proc/$pid/status")"
	record "$1" rss_peak_mib "$(awk '/^VmHWM/{ print $2 / 1024 }' \
		"/proc/$pid/status")"
}

# bench_measure PEER FUNCTION ARG...: bench_FUNCTION PEER ARG...
bench_measure() {
	bench_use "$1"
	"bench_$2" "$1" "${@:3}" || {
		echo "bench: $2 of $1 failed" >&2
		FAILURES=$((FAILURES + 1))
	}
}

# bench_turns FUNCTION ARG...: for each peer, another one first in each round.
bench_turns() {
	local i n=${#PEERS[@]}
	for ((i = 0; i < n; i++)); do
		bench_measure "${PEERS[(i + ROUND) % n]}" "$@"
	done
}

bench_round() {
	bench_turns bulk bulk1
	bench_turns bulk bulk1_down -R
	bench_turns bulk bulk8 -P8
	bench_turns keep
	bench_turns short
	bench_turns tw
	bench_turns spliced
	bench_turns rss
}

# --- the run --------------------------------------------------------------

lib_init
family_use "$BENCH_FAMILY"
FAILURES=0
data_file 1024 >/dev/null
[[ ${PEERS[*]} != *splice* ]] || bench_can_splice || {
	echo "bench: no BPF file system here: without splice" >&2
	PEERS=("${PEERS[@]/splice/}")
	read -ra PEERS <<<"${PEERS[*]}"
}
[ -x "$PENSTOCKD" ] || die "no $PENSTOCKD"
for p in "${PEERS[@]}"; do
	bench_peer "$p"
done
for ((ROUND = 0; ROUND < ROUNDS; ROUND++)); do
	echo "round $((ROUND + 1)) of $ROUNDS" >&2
	bench_round
done
if [[ ${PEERS[*]} == *splice* ]]; then
	echo "restarts" >&2
	bench_restarts || {
		echo "bench: restarts failed" >&2
		FAILURES=$((FAILURES + 1))
	}
fi
mkdir -p "$(dirname "$OUT")"
/usr/bin/python3 tests/bench/table.py "$TMP/samples" "$OUT" \
	"$BENCH_FAMILY" "$ROUNDS" "$SECS" "${PEERS[@]}"
[ "$FAILURES" = 0 ]
