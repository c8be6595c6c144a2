#!/bin/bash
# SPDX-License-Identifier: MIT
#
# flood.sh - SYN floods at full speed: what legitimate clients keep
#
#   tests/bench/flood.sh [-f 4|6] [-r ROUNDS] [-t SECONDS] [-o FILE]
#                        [-m MEASURE,...] [row...]
#
# Rows, each with three namespaces of its own (client, gateway, server):
#   drop       the gateway drops all SYNs at once: the generator's own limit
#   synproxy   the kernel's SYNPROXY on the gateway
#   reflector  an NFQUEUE reader that turns each SYN into a SYN-ACK, no logic
#   penstock   tcp_syncookies = 2, one worker: the lanes alone
#   front      the same with the XDP front (veth: at the ingress of tc)
#   spliced    the front and relay = splice
# and, when they are named:
#   kernel     plain forwarding to a listening socket, tcp_syncookies = 2
#   auto       handshake = auto, cookies when the SYN queue fills
#
# The generator has the first CPU for itself, as fast as it goes (FLOOD_RATE
# bounds it); all else has the others: the daemon, the servers and the clients.
# What a veth brings is handled by the CPU that sent it, so the kernel's part of
# receiving the flood is the generator's, for all rows alike.
#
# A round of a row, in calm and then in a flood:
#   one established stream, from the client to the server
#   16 kept-alive connections, one request after the other on each
#   16 newcomers at a time, a request each.  The flood lasts until the last of
#   them is through or has given up, after 20 s
#   newcomers at one rate (NEWCOMER_RATE), in the flood alone: a row whose
#   newcomers stall has the same load as the others
# and at last, in calm, short connections over fresh 4-tuples, then over some
# that the server still holds in TIME_WAIT.  Rows take turns; the table shows
# medians.  "kept" compares with calm in the same round.  Below the table stands
# what the rows must show, and whether they did.
set -u
cd "$(dirname "$0")/../.." || exit 1
BENCH_FAMILY=${FAMILY:-4} # lib.sh has a FAMILY of its own
# shellcheck source=tests/e2e/lib.sh
. tests/e2e/lib.sh

ROUNDS=${BENCH_ROUNDS:-5} SECS=${BENCH_SECONDS:-2}
OUT=$BUILD/flood.json FLOOD_RATE=${FLOOD_RATE:-0}
NEWCOMER_RATE=${NEWCOMER_RATE:-1000}
MEASURES="flood bulk keep newcomers equal tw"
while getopts f:r:t:o:m:h opt; do
	case $opt in
	f) BENCH_FAMILY=$OPTARG ;;
	r) ROUNDS=$OPTARG ;;
	t) SECS=$OPTARG ;;
	o) OUT=$OPTARG ;;
	m) MEASURES=${OPTARG//,/ } ;;
	*) sed -n '6,7s/^# *//p' "$0" && exit 2 ;;
	esac
done
shift $((OPTIND - 1))
ROWS=("$@")
[ $# -gt 0 ] || ROWS=(drop synproxy reflector penstock front spliced)

declare -A ROW_PID=() TUPLE=() ACKS=()
N_ADDR=32 TW_TUPLES=1000 NEWCOMER_LIMIT=20
FLOOD_PID='' MOUNTED=()

# --- rows ---------------------------------------------------------------------

row_addresses() {
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

# Answers to the flood's sources go where they came from.
row_routes() {
	in_g ip route add 10.0.0.0/8 via 198.51.100.2
	in_g ip -6 route add fd00:bad::/64 via 2001:db8:c::2
}

row_kernel() {
	in_s sysctl -qw net.ipv4.tcp_syncookies=2
}

row_synproxy() {
	in_g sysctl -qw net.netfilter.nf_conntrack_tcp_loose=0 \
		net.ipv4.tcp_timestamps=1
	in_g "$IPT" -t raw -A PREROUTING -i cl -p tcp --syn \
		-d "$SERVER" --dport "$PORT_HTTP" -j CT --notrack
	in_g "$IPT" -A FORWARD -i cl -p tcp -d "$SERVER" \
		--dport "$PORT_HTTP" -m conntrack --ctstate INVALID,UNTRACKED \
		-j SYNPROXY --sack-perm --timestamp --wscale 7 --mss 1440
	in_g "$IPT" -A FORWARD -m conntrack --ctstate INVALID -j DROP
	in_g sysctl -qw net.netfilter.nf_conntrack_max=1000000 2>/dev/null
}

row_reflector() {
	in_g ip tuntap add dev penstock0 mode tun multi_queue vnet_hdr
	in_g ip link set penstock0 up
	in_g "$IPT" -t raw -A PREROUTING -i cl -p tcp -d "$SERVER" \
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

# The BPF file system is one of our own: `ip netns exec' mounts /sys anew.
row_front() { row_with_front front; }
row_spliced() {
	row_with_front spliced "relay = splice" \
		"[penstock] bpf_interfaces = cl sv"
}

row_with_front() {
	local row=$1 TMP=$TMP/$1
	shift
	mkdir -p "$TMP/bpf"
	mount -t bpf bpf "$TMP/bpf" || exit 1
	MOUNTED+=("$TMP/bpf")
	conf_write "$TMP/flood.conf" "handshake = client_first" \
		"tcp_syncookies = 2" "unknown = drop" "[penstock] front = xdp" \
		"[penstock] front_interfaces = cl" \
		"[penstock] bpf_dir = $TMP/bpf/flood" "$@"
	start_penstockd "$TMP/flood.conf" || exit 1
	poll 5 grep -q "front: the XDP program" "$TMP/penstockd.log" || {
		cat "$TMP/rules.log" "$TMP/penstockd.log" >&2
		exit 1
	}
	ROW_PID[$row]=$PENSTOCK_PID
}

row_auto() {
	local TMP=$TMP/auto # a control socket and a log of its own
	mkdir -p "$TMP"
	conf_write "$TMP/flood_auto.conf" "handshake = auto"
	start_penstockd "$TMP/flood_auto.conf" || exit 1
	ROW_PID[auto]=$PENSTOCK_PID
}

row_drop() {
	in_g "$IPT" -t raw -A PREROUTING -p tcp --syn -d "$SERVER" \
		--dport "$PORT_HTTP" -j DROP
}

# Whose clients get in?
row_serves() { [ "$1" != drop ] && [ "$1" != reflector ]; }

row_make() {
	topo_make "flood$$$1"
	row_routes
	row_addresses
	start_nginx
	start_in "$NS_S" "$TMP/iperf.log" iperf3 -s -p "$PORT_IPERF"
	poll 5 listening "$PORT_IPERF"
	"row_$1"
	TUPLE[$1]=0
	# a first connection: the front answers for a spliced service once one
	# has shown what its server agrees to
	row_serves "$1" || return 0
	poll 5 in_c curl -sfg --max-time 5 -o /dev/null \
		"http://$URL/keep/f1024" || {
		echo "flood: no page by row $1" >&2
		exit 1
	}
}

# --- measuring ----------------------------------------------------------------

# record ROW METRIC VALUE: in round $r
record() { echo "$1 $2 $3 $r" >>"$TMP/samples"; }
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

# The generator's CPU is the first one, and nobody else's.
GENERATOR=()
pin() {
	[ "$(nproc)" -gt 1 ] || {
		echo "flood: one CPU: the generator shares it" >&2
		return
	}
	GENERATOR=(taskset -c 0)
	taskset -cp "1-$(($(nproc --all) - 1))" $$ >/dev/null
}

# flood_begin SECONDS SEED: at most so long; sets FLOOD_PID.
flood_begin() {
	ip netns exec "$NS_C" "${GENERATOR[@]}" "$TOOLS/synflood" -i up \
		-d "$SERVER" -p "$PORT_HTTP" -n 1000000000 -t "$1" \
		-r "$FLOOD_RATE" -s "$2" >"$TMP/flood.out" &
	FLOOD_PID=$!
}

flood_end() {
	kill "$FLOOD_PID" 2>/dev/null
	wait "$FLOOD_PID" 2>/dev/null
}

bench_flood() {
	local m p us sent acks rss line
	flood_begin 0.2 99
	wait "$FLOOD_PID" || return 1
	rss=$(rss_row "$1")
	m=$(cpu_machine) p=$(cpu_row "$1")
	flood_begin "$SECS" "$2"
	wait "$FLOOD_PID" || return 1
	line=$(<"$TMP/flood.out")
	us=$((1000000 / $(getconf CLK_TCK)))
	m=$((($(cpu_machine) - m) * us)) p=$((($(cpu_row "$1") - p) * us))
	sent=$(field sent "$line") acks=$(field synacks "$line")
	record "$1" flood_sent_per_s "$(field rate "$line")"
	record "$1" flood_cpu_us_per_syn "$(calc "$m / $sent")"
	record "$1" proxy_flood_cpu_us_per_syn "$(calc "$p / $sent")"
	[ "$1" = drop ] && return 0
	ACKS[$1]=$(calc "$acks / $(field seconds "$line")")
	record "$1" flood_synacks_per_s "${ACKS[$1]}"
	record "$1" flood_answered_pct "$(calc "100 * $acks / $sent")"
	[ "$acks" -gt 0 ] &&
		record "$1" flood_cpu_us_per_synack "$(calc "$m / $acks")"
	record "$1" rss_growth_kib $(($(rss_row "$1") - rss))
}

# short ROW OPTION...: shortconn's JSON in $TMP/short
short() {
	local row=$1
	shift
	in_c "$TOOLS/shortconn" -a "$ADDRESSES" -o "${TUPLE[$row]}" -c 16 \
		-x 1024 "$@" "$SERVER" "$PORT_HTTP" /keep/f1024 \
		>"$TMP/short"
	TUPLE[$row]=$(jq .next "$TMP/short")
	[ "$(jq .connections "$TMP/short")" -gt 0 ]
}

# Of newcomers that all failed no time is known: that is worse than any.
newcomers() {
	record "$1" "$2_per_s" "$(jq .per_second "$TMP/short")"
	record "$1" "$2_failed_pct" "$(jq '100 * .errors /
		([.connections + .errors, 1] | max)' "$TMP/short")"
	record "$1" "$2_stalls" "$(jq .stalls "$TMP/short")"
	record "$1" "$2_first_syn_pct" "$(jq '100 * (.connections - .stalls) /
		([.connections + .errors, 1] | max) | [., 0] | max' \
		"$TMP/short")"
	for q in p50 p99 max; do
		record "$1" "$2_${q}_ms" "$(jq "if .connections > 0
			then .${q}_us / 1000 else 1e3 * $NEWCOMER_LIMIT end" \
			"$TMP/short")"
	done
}

bench_newcomers() {
	row_serves "$1" || return 0
	short "$1" -t "$SECS" || return 1
	newcomers "$1" calm
	flood_begin $((SECS + NEWCOMER_LIMIT + 5)) "$2"
	sleep 0.3
	short "$1" -t "$SECS"
	flood_end
	newcomers "$1" flood
}

# Nobody has less load because his newcomers wait.
bench_equal() {
	row_serves "$1" || return 0
	flood_begin $((SECS + NEWCOMER_LIMIT + 5)) "$2"
	sleep 0.3
	short "$1" -c 4000 -r "$NEWCOMER_RATE" -t "$SECS"
	flood_end
	newcomers "$1" equal
}

# Begun in calm; the first second, in which the flood begins, does not count.
bench_keep() {
	local calm kept
	row_serves "$1" || return 0
	short "$1" -k -t "$SECS" || return 1
	calm=$(jq .per_second "$TMP/short")
	( # a subshell of its own has no part in TUPLE
		sleep 0.5
		flood_begin $((SECS + 1)) "$2"
		wait "$FLOOD_PID"
	) &
	short "$1" -k -b 1 -t "$SECS"
	wait $!
	kept=$(jq .per_second "$TMP/short")
	record "$1" keep_calm_per_s "$calm"
	record "$1" keep_per_s "$kept"
	record "$1" keep_kept "$(calc "$kept / $calm")"
	record "$1" keep_p99_ms "$(jq '.p99_us / 1000' "$TMP/short")"
	record "$1" keep_failed "$(jq .errors "$TMP/short")"
}

gbps() {
	in_c iperf3 -J -c "$SERVER" -p "$PORT_IPERF" -t "$SECS" "$@" |
		jq '.end.sum_received.bits_per_second / 1e9'
}

bench_bulk() {
	local calm kept
	row_serves "$1" || return 0
	calm=$(gbps)
	(
		sleep 0.5
		flood_begin $((SECS + 1)) "$2"
		wait "$FLOOD_PID"
	) &
	kept=$(gbps -O 1)
	wait $!
	record "$1" bulk_calm_gbps "$calm"
	record "$1" bulk_gbps "$kept"
	record "$1" bulk_kept "$(calc "$kept / $calm")"
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
	for what in $MEASURES; do
		"bench_$what" "$1" "$2" || {
			echo "flood: $what of $1 failed" >&2
			FAILURES=$((FAILURES + 1))
		}
	done
}

# --- the run ------------------------------------------------------------------

flood_cleanup() {
	local m
	for m in "${MOUNTED[@]}"; do
		umount "$m"
	done
	lib_cleanup
}

lib_init
trap flood_cleanup EXIT
family_use "$BENCH_FAMILY"
pin
FAILURES=0
data_file 1024 >/dev/null
for row in "${ROWS[@]}"; do
	row_make "$row"
done
sleep 1.5 # within a second each front has its offers
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
/usr/bin/python3 tests/bench/flood_table.py "$TMP/samples" "$OUT" \
	"$BENCH_FAMILY" "$ROUNDS" "$SECS" "${ROWS[@]}"
[ "$FAILURES" = 0 ]
