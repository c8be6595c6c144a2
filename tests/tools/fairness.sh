#!/bin/bash
# SPDX-License-Identifier: MIT
# fairness.sh - how senders share a bottleneck: ours, the kernel's, and both
#
#   server        gateway                    router            clients
#  [ .113.10 ]--[ penstockd ]==( L1 )==[          ]==( A )==[ 198.51.100.10 ]
#                                      [          ]==( B )==[ 198.51.100.20 ]
#
# L1 is an emulated link (linkem) with the rate and the queue.  A and B have the
# rest of the round-trip times.  Two groups of streams come from the server: one
# to A, one to B.  A group that is penstock's is taken at the gateway, so that
# penstock sends it into L1.  A group of the kernel's is forwarded, and the
# server sends it.  All begin within a second; the first OMIT seconds do not
# count.
#
# Each row has two groups, the rates of their streams, Jain's index of them, and
# the ratio of this index to that of the kernel's own senders in the same
# set-up.  Below LEAST (0.95) the row fails, and so does the script.  As rates
# differ from run to run, a row is the median of ROUNDS.
#
# Environment, each a list: PAIRS (two of kb, kc: the kernel's BBR, CUBIC; pb,
# pc: penstock's), FLOWS (of both groups together), RTTS (ms, A:B); RATE (Mb/s),
# QUEUE (bandwidth-delay products of 40 ms), TIME, OMIT (s), ROUNDS, LEAST.
# MINUTES (30) bounds the whole; RESUME=1 keeps what $BUILD/fairness.json has.
#
# The table goes to $BUILD/fairness.md.
set -u
cd "$(dirname "$0")/../.." || exit 1
BUILD=${BUILD:-build}
PAIRS=${PAIRS:-kb:kb pb:kb pb:pb kc:kc pc:kc pc:pc kb:kc pb:pc}
FLOWS=${FLOWS:-2 10}
RTTS=${RTTS:-40:40 20:80}
RATE=${RATE:-50}
QUEUE=${QUEUE:-2}
TIME=${TIME:-20}
OMIT=${OMIT:-20}
ROUNDS=${ROUNDS:-1}
LEAST=${LEAST:-0.95}
MINUTES=${MINUTES:-30}
linkem=$BUILD/tools/linkem
id=fn$$
g=$id-g s=$id-s r=$id-r a=$id-a b=$id-b
tmp=$(mktemp -d)
pids=()
daemon=''

end()
{
	[ -n "$1" ] || return 0
	kill "$1" 2>/dev/null
	wait "$1" 2>/dev/null
}

down()
{
	local p

	end "$daemon"
	daemon=''
	for p in "${pids[@]}"; do
		end "$p"
	done
	pids=()
	for p in $g $s $r $a $b; do
		ip netns del "$p" 2>/dev/null
	done
}

cleanup()
{
	down
	rm -rf "$tmp"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

fail()
{
	echo "fairness: $*" >&2
	exit 1
}

# wait_for WHAT COMMAND... - at most 10 s
wait_for()
{
	local what=$1 _

	shift
	for _ in $(seq 200); do
		"$@" >/dev/null 2>&1 && return
		sleep 0.05
	done
	fail "$what"
}

# link_up NAME OPTION...
link_up()
{
	local name=$1

	shift
	"$linkem" --rt "$@" >"$tmp/$name.out" 2>"$tmp/$name.err" &
	pids+=($!)
	wait_for "$name did not come up" grep -q ready "$tmp/$name.out"
}

# topology RTT_A RTT_B SEED
topology()
{
	local n queue da db

	for n in $g $s $r $a $b; do
		ip netns add "$n" || exit 1
		ip -n "$n" link set lo up
		ip netns exec "$n" sysctl -qw net.ipv4.ip_forward=1 \
			net.ipv4.conf.all.rp_filter=0 \
			net.ipv4.conf.default.rp_filter=0
	done
	queue=$(awk "BEGIN { print int($QUEUE * 40 * $RATE * 125) }")
	da=$(awk "BEGIN { print $1 / 2 }")
	db=$(awk "BEGIN { print $2 / 2 }")
	link_up L1 --a $g:cl --b $r:up --rate "$RATE" --queue "${queue}B" \
		--seed "$3"
	link_up A --a $r:a --b $a:up --delay "$da" --seed "$3"
	link_up B --a $r:b --b $b:up --delay "$db" --seed "$3"
	ip -n $g link add sv type veth peer name up netns $s
	ip -n $g addr add 203.0.113.1/24 dev sv
	ip -n $g link set dev sv up
	ip -n $s addr add 203.0.113.10/24 dev up
	ip -n $s link set dev up up
	ip -n $s route add default via 203.0.113.1
	ip -n $g addr add 192.0.2.1/32 dev cl
	ip -n $g route add 198.51.100.0/24 dev cl
	ip -n $r route add default dev up
	ip -n $r route add 198.51.100.10 dev a
	ip -n $r route add 198.51.100.20 dev b
	ip -n $a addr add 198.51.100.10/32 dev up
	ip -n $a route add default dev up
	ip -n $b addr add 198.51.100.20/32 dev up
	ip -n $b route add default dev up
}

listens()
{
	ip netns exec $s ss -Hltn "sport = :$1" | grep -q .
}

cc_of()
{
	case $1 in
	?b) echo bbr ;;
	?c) echo cubic ;;
	*) fail "a group is one of kb, kc, pb, pc, not $1" ;;
	esac
}

diverts()
{
	ip netns exec $g cat /proc/net/netfilter/nfnetlink_queue | grep -q .
}

# penstock_up KIND_A KIND_B - the groups that are penstock's
penstock_up()
{
	local port=5201 kind

	printf '[penstock]\nsecret_file = %s\ncontrol = %s\nhttp =\n' \
		"$tmp/secret" "$tmp/control.sock" >"$tmp/conf"
	for kind in "$@"; do
		[ "${kind#p}" = "$kind" ] ||
			printf '[service s%s]\nlisten = 203.0.113.10:%s\ntcp_congestion_control = %s\n' \
				$port $port "$(cc_of "$kind")" >>"$tmp/conf"
		port=$((port + 1))
	done
	grep -q service "$tmp/conf" || return 0
	ip netns exec $g "$BUILD/penstockctl" rules apply -c "$tmp/conf" \
		>"$tmp/rules.log" 2>&1 || fail "rules: $(cat "$tmp/rules.log")"
	ip netns exec $g "$BUILD/penstockd" -c "$tmp/conf" \
		>"$tmp/daemon.log" 2>&1 &
	daemon=$!
	wait_for "penstockd: $(cat "$tmp/daemon.log")" diverts
}

# group NS PORT KIND FLOWS - its streams' rates to $tmp/PORT.json
group()
{
	timeout $((TIME + OMIT + 60)) ip netns exec "$1" iperf3 \
		-c 203.0.113.10 -p "$2" -R -J -C "$(cc_of "$3")" -P "$4" \
		-O "$OMIT" -t "$TIME" >"$tmp/$2.json" 2>/dev/null
}

# run KIND_A KIND_B FLOWS RTT_A RTT_B SEED - prints the rates: A's, /, B's
run()
{
	local port half=$(($3 / 2)) first

	topology "$4" "$5" "$6"
	for port in 5201 5202; do
		ip netns exec $s iperf3 -s -p $port >/dev/null 2>&1 &
		pids+=($!)
		wait_for "iperf3 did not start" listens $port
	done
	penstock_up "$1" "$2"
	group $a 5201 "$1" $half &
	first=$!
	group $b 5202 "$2" $half
	wait $first
	for port in 5201 5202; do
		jq -r '[.end.streams[].receiver.bits_per_second / 1e6 * 100 |
			round / 100] | join(" ")' "$tmp/$port.json" \
			>"$tmp/$port.mbit" 2>/dev/null
	done
	down
	echo "$(cat "$tmp/5201.mbit") / $(cat "$tmp/5202.mbit")"
}

# jain RATE... - its index; "/" is passed over
jain()
{
	tr ' ' '\n' <<<"$*" | awk '$1 != "/" && NF { n++; t += $1; q += $1 * $1 }
		END { printf "%.4f", q ? t * t / (n * q) : 0 }'
}

# known KIND_A KIND_B FLOWS RTT_A RTT_B - the index of a row of fairness.json
known()
{
	jq -r --arg a "$1" --arg b "$2" --argjson f "$3" --argjson x "$4" \
		--argjson y "$5" --argjson n "$ROUNDS" 'select(.a == $a and
		.b == $b and .flows == $f and .rtt_a == $x and .rtt_b == $y and
		.rounds == $n) | "\(.jain) \(.mbit_a) \(.mbit_b)"' \
		"$BUILD/fairness.json" | tail -n 1
}

# measure KIND_A KIND_B FLOWS RTT_A RTT_B - "jain mbit_a mbit_b" to $tmp/row
measure()
{
	local i rates

	known "$@" >"$tmp/row"
	[ ! -s "$tmp/row" ] || return 0
	[ "$SECONDS" -lt $((MINUTES * 60)) ] || return 1
	for i in $(seq "$ROUNDS"); do
		rates=$(run "$@" "$i") || exit 1
		# shellcheck disable=SC2086 # a list
		echo "$(jain $rates) $(awk -F/ '{ n = split($1, x, " ")
			m = split($2, y, " ")
			for (i in x) p += x[i]
			for (i in y) q += y[i]
			printf "%.2f %.2f", p / (n ? n : 1), q / (m ? m : 1) }' \
			<<<"$rates")"
	done | sort -g >"$tmp/rounds"
	sed -n "$(((ROUNDS + 1) / 2))p" "$tmp/rounds" >"$tmp/row"
	read -r j x y <"$tmp/row"
	printf '{"a":"%s","b":"%s","flows":%s,"rtt_a":%s,"rtt_b":%s,"jain":%s,"mbit_a":%s,"mbit_b":%s,"rounds":%s}\n' \
		"$@" "$j" "$x" "$y" "$ROUNDS" >>"$BUILD/fairness.json"
}

long()
{
	sed 's/kb/kernel BBR/; s/kc/kernel CUBIC/; s/pb/penstock BBR/
		s/pc/penstock CUBIC/' <<<"$1"
}

# The kernel's own pair in the same set-up.
reference()
{
	tr p k <<<"$1"
}

# row KIND_A KIND_B FLOWS RTT_A RTT_B
row()
{
	local j x y base verdict

	measure "$(reference "$1")" "$(reference "$2")" "$3" "$4" "$5" || return
	read -r base _ <"$tmp/row"
	measure "$@" || return
	read -r j x y <"$tmp/row"
	verdict=$(awk "BEGIN { r = $base > 0 ? $j / $base : 0
		printf \"%.3f | %s\", r, (r >= $LEAST ? \"ok\" : \"FAIL\") }")
	[ "${verdict#*FAIL}" = "$verdict" ] || echo "$*" >>"$tmp/failed"
	echo "| $(long "$1") | $(long "$2") | $3 | $4:$5 | $x | $y | $j | $verdict |"
}

table()
{
	local pair rtt flows

	echo "| A | B | streams | RTT ms | A Mb/s each | B Mb/s each | Jain | to the kernel's | |"
	echo "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | --- |"
	for flows in $FLOWS; do
		for rtt in $RTTS; do
			for pair in $PAIRS; do
				row "${pair%:*}" "${pair#*:}" "$flows" \
					"${rtt%:*}" "${rtt#*:}" || late=1
			done
		done
	done
}

[ "$(id -u)" -eq 0 ] || fail "needs root (network namespaces)"
[ -x "$BUILD/penstockd" ] || fail "make all first"
[ -x "$linkem" ] || fail "no $linkem"
[ -n "${RESUME-}" ] || : >"$BUILD/fairness.json"
touch "$BUILD/fairness.json"
late=''
table >"$BUILD/fairness.md"
cat "$BUILD/fairness.md"
[ -z "$late" ] || fail "time is up; go on with RESUME=1"
[ ! -s "$tmp/failed" ] || fail "less fair than the kernel: $(tr '\n' ';' <"$tmp/failed")"
