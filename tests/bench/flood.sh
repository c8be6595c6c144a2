#!/bin/bash
# SPDX-License-Identifier: MIT
#
# flood.sh - SYN floods: who answers how many, and who still gets in
#
#   tests/bench/flood.sh [-r ROUNDS] [-t SECONDS] [-o FILE] [row...]
#
# Rows, each with three namespaces of its own (client, gateway, server):
#   drop       the gateway drops all SYNs at once: the generator's own limit
#   kernel     plain forwarding to a listening socket, tcp_syncookies = 2
#   synproxy   the kernel's SYNPROXY on the gateway
#   reflector  an NFQUEUE reader that turns each SYN into a SYN-ACK, no logic
#   penstock   tcp_syncookies = 2, one worker
#   auto       handshake = auto, cookies when the SYN queue (4096) fills: a
#              flood of FLOOD_RATE fills it many times in its 63 s
#
# A round of a row: a flood as fast as it goes (SYN-ACKs per second, CPU);
# short connections in calm and in a flood of FLOOD_RATE; one stream in calm
# and in that flood; short connections over fresh 4-tuples, then over some
# that the server still holds in TIME_WAIT.  Rows take turns; the table shows
# medians.  CPU is the whole machine's, the generator included: compare rows
# with `drop'.  What a flood leaves of the CPU is what it does not use when it
# is alone, at FLOOD_RATE, in the same round; a stream could have calm x that.
# (Only where the machine is quiet: nothing else may take a tenth of its CPU.)
# The ratio to the reflector is of the same round, too.
set -u
cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=tests/e2e/lib.sh
. tests/e2e/lib.sh

ROUNDS=${BENCH_ROUNDS:-3} SECS=${BENCH_SECONDS:-2}
OUT=$BUILD/flood.json FLOOD_RATE=${FLOOD_RATE:-20000}
while getopts r:t:o:h opt; do
	case $opt in
	r) ROUNDS=$OPTARG ;;
	t) SECS=$OPTARG ;;
	o) OUT=$OPTARG ;;
	*) sed -n '6s/^# *//p' "$0" && exit 2 ;;
	esac
done
shift $((OPTIND - 1))
ROWS=("$@")
[ $# -gt 0 ] || ROWS=(drop kernel synproxy reflector penstock auto)

declare -A ROW_PID=() TUPLE=() ACKS=()
N_ADDR=32 TW_TUPLES=1000
FLOOD_PID=

# --- rows ---------------------------------------------------------------------

row_addresses() {
	local i
	ADDRESSES=
	for ((i = 0; i < N_ADDR; i++)); do
		in_c ip addr add "198.51.100.$((100 + i))/24" dev up
		ADDRESSES+=198.51.100.$((100 + i)),
	done
	ADDRESSES=${ADDRESSES%,}
}

row_kernel() {
	in_s sysctl -qw net.ipv4.tcp_syncookies=2
}

row_synproxy() {
	in_g sysctl -qw net.netfilter.nf_conntrack_tcp_loose=0 \
		net.ipv4.tcp_timestamps=1
	in_g iptables -t raw -A PREROUTING -i cl -p tcp --syn \
		-d "$SERVER" --dport "$PORT_HTTP" -j CT --notrack
	in_g iptables -A FORWARD -i cl -p tcp -d "$SERVER" \
		--dport "$PORT_HTTP" -m conntrack --ctstate INVALID,UNTRACKED \
		-j SYNPROXY --sack-perm --timestamp --wscale 7 --mss 1460
	in_g iptables -A FORWARD -m conntrack --ctstate INVALID -j DROP
	in_g sysctl -qw net.netfilter.nf_conntrack_max=1000000 2>/dev/null
}

row_reflector() {
	in_g ip tuntap add dev penstock0 mode tun multi_queue vnet_hdr
	in_g ip link set penstock0 up
	in_g iptables -t raw -A PREROUTING -i cl -p tcp -d "$SERVER" \
		--dport "$PORT_HTTP" -j NFQUEUE --queue-num 0
	start_in "$NS_G" "$TMP/reflect.log" "$TOOLS/nfq_forward" -r \
		-q 0 -t penstock0
	ROW_PID[reflector]=$REPLY
	poll 5 in_g grep -q . /proc/net/netfilter/nfnetlink_queue
}

row_penstock() {
	conf_write "$TMP/flood.conf" "handshake = client_first" \
		"tcp_syncookies = 2"
	start_penstockd "$TMP/flood.conf" || exit 1
	ROW_PID[penstock]=$PENSTOCK_PID
}

row_auto() {
	local TMP=$TMP/auto # a control socket and a log of its own
	mkdir -p "$TMP"
	conf_write "$TMP/flood_auto.conf" "handshake = auto"
	start_penstockd "$TMP/flood_auto.conf" || exit 1
	ROW_PID[auto]=$PENSTOCK_PID
}

row_drop() {
	in_g iptables -t raw -A PREROUTING -p tcp --syn -d "$SERVER" \
		--dport "$PORT_HTTP" -j DROP
}

# Whose clients get in?
row_serves() { [ "$1" != drop ] && [ "$1" != reflector ]; }

row_make() {
	topo_make "flood$$$1"
	in_g ip route add 10.0.0.0/8 via 198.51.100.2
	row_addresses
	start_nginx
	start_in "$NS_S" "$TMP/iperf.log" iperf3 -s -p "$PORT_IPERF"
	poll 5 listening "$PORT_IPERF"
	"row_$1"
	TUPLE[$1]=0
}

# --- measuring ----------------------------------------------------------------

record() { echo "$1 $2 $3" >>"$TMP/samples"; }
calc() { awk "BEGIN { print $* }"; }

cpu_machine() {
	awk '/^cpu /{ print $2 + $3 + $4 + $7 + $8; exit }' /proc/stat
}

cpu_row() {
	local pid=${ROW_PID[$1]:-}
	[ -n "$pid" ] || { echo 0 && return; }
	sed 's/.*) //' "/proc/$pid/stat" | awk '{ print $12 + $13 }'
}

rss_row() {
	local pid=${ROW_PID[$1]:-}
	[ -n "$pid" ] || { echo 0 && return; }
	awk '/^VmRSS/{ print $2 }' "/proc/$pid/status"
}

# flood SECONDS RATE SEED: sets LINE
flood() {
	LINE=$(in_c "$TOOLS/synflood" -i up -d "$SERVER" -p "$PORT_HTTP" \
		-n 1000000000 -t "$1" -r "$2" -s "$3")
}

bench_flood() {
	local m p us sent acks rss
	flood 0.2 0 99 || return 1
	rss=$(rss_row "$1")
	m=$(cpu_machine) p=$(cpu_row "$1")
	flood "$SECS" 0 "$2" || return 1
	us=$((1000000 / $(getconf CLK_TCK)))
	m=$((($(cpu_machine) - m) * us)) p=$((($(cpu_row "$1") - p) * us))
	sent=$(field sent "$LINE") acks=$(field synacks "$LINE")
	record "$1" flood_sent_per_s "$(field rate "$LINE")"
	record "$1" flood_cpu_us_per_syn "$(calc "$m / $sent")"
	record "$1" proxy_flood_cpu_us_per_syn "$(calc "$p / $sent")"
	[ "$1" = drop ] && return 0
	record "$1" flood_synacks_per_s \
		"$(calc "$acks / $(field seconds "$LINE")")"
	record "$1" flood_answered_pct "$(calc "100 * $acks / $sent")"
	ACKS[$1]=$(calc "$acks / $(field seconds "$LINE")")
	[ "$acks" -gt 0 ] &&
		record "$1" flood_cpu_us_per_synack "$(calc "$m / $acks")"
	record "$1" rss_growth_kib $(($(rss_row "$1") - rss))
}

# short PEER OPTION...: shortconn's JSON in $TMP/short
short() {
	local peer=$1
	shift
	in_c "$TOOLS/shortconn" -a "$ADDRESSES" -o "${TUPLE[$peer]}" -c 16 \
		-x 1024 "$@" "$SERVER" "$PORT_HTTP" /keep/f1024 \
		>"$TMP/short"
	TUPLE[$peer]=$(jq .next "$TMP/short")
	[ "$(jq .connections "$TMP/short")" -gt 0 ]
}

flood_begin() {
	in_c "$TOOLS/synflood" -i up -d "$SERVER" -p "$PORT_HTTP" \
		-n 1000000000 -t $((SECS + 1)) -r "$FLOOD_RATE" -s "$1" \
		>/dev/null &
	FLOOD_PID=$!
	sleep 0.3 # into the flood
}

flood_end() {
	kill "$FLOOD_PID" 2>/dev/null
	wait "$FLOOD_PID" 2>/dev/null
}

bench_legit() {
	row_serves "$1" || return 0
	short "$1" -t "$SECS" || return 1
	record "$1" legit_calm_per_s "$(jq .per_second "$TMP/short")"
	flood_begin "$2"
	short "$1" -t "$SECS"
	flood_end
	record "$1" legit_per_s "$(jq .per_second "$TMP/short")"
	record "$1" legit_success_pct "$(jq '100 * .connections /
		([.connections + .errors, 1] | max)' "$TMP/short")"
	record "$1" legit_first_syn_pct "$(jq '100 * (.connections - .stalls) /
		([.connections + .errors, 1] | max)' "$TMP/short")"
	record "$1" legit_p50_ms "$(jq '.p50_us / 1000' "$TMP/short")"
	record "$1" legit_p99_ms "$(jq '.p99_us / 1000' "$TMP/short")"
}

gbps() {
	in_c iperf3 -J -c "$SERVER" -p "$PORT_IPERF" -t "$SECS" |
		jq '.end.sum_received.bits_per_second / 1e9'
}

bench_bulk() {
	local calm kept share
	row_serves "$1" || return 0
	share=$(flood_share "$1" "$2") || share=
	calm=$(gbps)
	flood_begin "$2"
	kept=$(gbps)
	flood_end
	record "$1" bulk_calm_gbps "$calm"
	record "$1" bulk_gbps "$kept"
	record "$1" bulk_kept_pct "$(calc "100 * $kept / $calm")"
	[ -n "$share" ] || return 0
	record "$1" flood_cpu_share_pct "$(calc "100 * $share")"
	record "$1" bulk_of_left_pct \
		"$(calc "100 * $kept / ($calm * (1 - $share))")"
}

# The part of the machine's CPU that is in use, over a second.
cpu_share() {
	local m t
	m=$(cpu_machine) t=$(date +%s%N)
	sleep 1
	m=$(($(cpu_machine) - m)) t=$(($(date +%s%N) - t))
	calc "$m / $(getconf CLK_TCK) / ($t / 1e9) / $(nproc)"
}

# flood_share ROW SEED: the part that a flood alone takes; fails where that
# cannot be told from what else runs.
flood_share() {
	local idle
	idle=$(cpu_share)
	[ "$(calc "$idle < 0.1")" = 1 ] || return 1
	flood_begin "$2"
	calc "$(cpu_share) - $idle"
	flood_end
	return 0
}

# The same 4-tuples over and over: those that the server still holds.
bench_tw() {
	local fresh again first
	row_serves "$1" || return 0
	short "$1" -t "$SECS" || return 1
	fresh=$(jq .per_second "$TMP/short")
	first=${TUPLE[$1]}
	short "$1" -t "$SECS" -w $TW_TUPLES
	TUPLE[$1]=$first
	short "$1" -t "$SECS" -w $TW_TUPLES # none answers: 0 per second
	TUPLE[$1]=$((first + TW_TUPLES))
	again=$(jq .per_second "$TMP/short")
	record "$1" tw_fresh_per_s "$fresh"
	record "$1" tw_again_per_s "$again"
	record "$1" tw_kept "$(calc "$again / ($fresh + 0.001)")"
	record "$1" tw_stalls "$(jq '.stalls + .errors' "$TMP/short")"
}

bench_round() {
	local what
	topo_use "flood$$$1"
	for what in flood legit bulk tw; do
		"bench_$what" "$1" "$2" || {
			echo "flood: $what of $1 failed" >&2
			FAILURES=$((FAILURES + 1))
		}
	done
}

# --- the run ------------------------------------------------------------------

lib_init
family_use 4
FAILURES=0
data_file 1024 >/dev/null
for row in "${ROWS[@]}"; do
	row_make "$row"
done
for ((r = 0; r < ROUNDS; r++)); do
	for ((i = 0; i < ${#ROWS[@]}; i++)); do
		row=${ROWS[(i + r) % ${#ROWS[@]}]}
		echo "round $((r + 1)) of $ROUNDS: $row" >&2
		bench_round "$row" $((r * 16 + i + 1))
	done
	for row in "${ROWS[@]}"; do
		[ -n "${ACKS[$row]:-}" ] && [ -n "${ACKS[reflector]:-}" ] &&
			record "$row" flood_of_reflector \
				"$(calc "${ACKS[$row]} / ${ACKS[reflector]}")"
	done
done
mkdir -p "$(dirname "$OUT")"
/usr/bin/python3 tests/bench/flood_table.py "$TMP/samples" "$OUT" 4 \
	"$ROUNDS" "$SECS" "${ROWS[@]}"
[ "$FAILURES" = 0 ]
