#!/bin/bash
# SPDX-License-Identifier: MIT
#
# faultcost.sh - what a fault costs the connections that it does not concern
#
#   tests/bench/faultcost.sh [-r ROUNDS] [-t SECONDS] [-o FILE]
#
# First instructions, which no other load of the machine changes: a stream, and
# short connections, in the simulator, with and without a fault whose selectors
# match none of them.  Counted are the engine's verbs alone, so a share of what
# penstockd does.
#
# Then real gateways, for which the machine must be quiet.  Three gateways, each with namespaces of its own: `none' has no fault, `again'
# has none either (what it differs by is noise), `idle' has one whose selectors
# match no connection.  A round is one stream, then short connections, on each
# in turn, beginning with another one each time.  Per round a gateway's numbers
# are divided by those of `none'; the table shows the median of these ratios
# and their quartiles.  CPU is penstockd's own.
set -u
cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=tests/e2e/lib.sh
. tests/e2e/lib.sh

ROUNDS=${FAULTCOST_ROUNDS:-9} SECS=${BENCH_SECONDS:-2} OUT=$BUILD/faultcost.json
while getopts r:t:o:h opt; do
	case $opt in
	r) ROUNDS=$OPTARG ;;
	t) SECS=$OPTARG ;;
	o) OUT=$OPTARG ;;
	*) sed -n '6s/^# *//p' "$0" && exit 2 ;;
	esac
done

ROWS=(none again idle)
declare -A ROW_PID=() TUPLE=()
N_ADDR=32 HZ=$(getconf CLK_TCK)

cost_row() {
	local i fault=()
	topo_make "cost$$$1"
	ADDRESSES=
	for ((i = 0; i < N_ADDR; i++)); do
		in_c ip addr add "198.51.100.$((100 + i))/24" dev up
		ADDRESSES+=198.51.100.$((100 + i)),
	done
	ADDRESSES=${ADDRESSES%,}
	start_nginx
	start_in "$NS_S" "$TMP/iperf.log" iperf3 -s -p "$PORT_IPERF"
	poll 5 listening "$PORT_IPERF" || die "iperf3 does not listen"
	[ "$1" = idle ] && fault=("[fault idle]" "type = loss" "percent = 50"
		"src = 192.0.2.1")
	conf_write "$TMP/cost.conf" "handshake = server_first" "${fault[@]}"
	sed -i "s/^control = .*/control =/" "$TMP/cost.conf"
	start_penstockd "$TMP/cost.conf" || exit 1
	rm -f "$TMP/rules.state" # of this gateway; the next one has none
	ROW_PID[$1]=$PENSTOCK_PID TUPLE[$1]=0
}

# Time of a row's penstockd so far, in clock ticks.
cost_cpu() {
	sed 's/.*) //' "/proc/${ROW_PID[$1]}/stat" | awk '{ print $12 + $13 }'
}

# cost_record ROW METRIC VALUE
cost_record() { echo "$1 $2 $ROUND $3" >>"$TMP/samples"; }

# cost_per ROW METRIC CPU-BEFORE UNITS
cost_per() {
	cost_record "$1" "$2" \
		"$(awk "BEGIN { print ($(cost_cpu "$1") - $3) / $HZ / $4 }")"
}

cost_bulk() {
	local cpu out=$TMP/iperf.json
	cpu=$(cost_cpu "$1")
	in_c iperf3 -J -c "$SERVER" -p "$PORT_IPERF" -t "$SECS" >"$out" ||
		return 1
	cost_record "$1" bulk_bytes "$(jq .end.sum_received.bits_per_second \
		"$out")"
	cost_per "$1" bulk_cpu "$cpu" "$(jq .end.sum_received.bytes "$out")"
}

cost_short() {
	local cpu out=$TMP/short.json
	cpu=$(cost_cpu "$1")
	in_c "$TOOLS/shortconn" -a "$ADDRESSES" -o "${TUPLE[$1]}" -x 1024 \
		-t "$SECS" "$SERVER" "$PORT_HTTP" /keep/f1024 >"$out" || return 1
	TUPLE[$1]=$(jq .next "$out")
	cost_record "$1" short_per_s "$(jq .per_second "$out")"
	cost_per "$1" short_cpu "$cpu" "$(jq .connections "$out")"
}

# cost_count WHAT [LINE]: instructions of the engine's verbs.
cost_count() {
	local log=$TMP/callgrind.log
	valgrind --tool=callgrind --callgrind-out-file=/dev/null \
		--toggle-collect=engine_input --toggle-collect=engine_pull \
		--toggle-collect=engine_expire "$TOOLS/faultcost" "$@" \
		>"$log" 2>&1 || die "valgrind: $(tail -n 3 "$log")"
	sed -n 's/.*Collected : *//p' "$log"
}

cost_instructions() {
	local none idle
	none=$(cost_count "$1")
	idle=$(cost_count "$1" "idle type=loss percent=50 src=192.0.2.99")
	printf '%-30s%12d%12d %+.2f %%\n' "$2" "$none" "$idle" \
		"$(awk "BEGIN { print ($idle / $none - 1) * 100 }")"
}

lib_init
printf '%-30s%12s%12s\n' "instructions of the engine" none idle
cost_instructions bulk "streams of 2 MB"
cost_instructions short "160 short connections"
family_use 4
data_file 1024 >/dev/null
for row in "${ROWS[@]}"; do
	cost_row "$row"
done
for ((ROUND = 0; ROUND < ROUNDS; ROUND++)); do
	for ((i = 0; i < ${#ROWS[@]}; i++)); do
		row=${ROWS[(i + ROUND) % ${#ROWS[@]}]}
		topo_use "cost$$$row"
		cost_bulk "$row" || die "$row: one stream failed"
		cost_short "$row" || die "$row: short connections failed"
	done
done
mkdir -p "$(dirname "$OUT")"
/usr/bin/python3 tests/bench/faultcost_table.py "$TMP/samples" "$OUT"
