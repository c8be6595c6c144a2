#!/bin/bash
# SPDX-License-Identifier: MIT
# pathbench.sh - the kernel's direct connection against penstock on equal paths
#
#   client             gateway                  server
#  [ 198.51.100.2 ]==( L1 )==[ penstockd ]==( L2 )==[ 203.0.113.10 ]
#
# L1 and L2 are emulated links (linkem).  L1, the client's, has the rate, the
# queue and the loss, in both directions; the round-trip time is shared out
# between L1 and L2 (SHARE percent on L1).  The server sends for a fixed time,
# the client counts what arrived.  "direct" is the kernel's forwarding over the
# same links.  Both meet the same seeds, one right after the other.
#
# One table goes to $BUILD/paths.md and, as JSON lines, to $BUILD/paths.json;
# with a docs/PERFORMANCE.md that has the marks <!-- paths --> and
# <!-- /paths -->, the text between them is replaced.
#
# Environment, each a list: RTTS (ms) LOSSES (%) RATES (Mb/s); ROUNDS (median
# of so many, each with its own seed), SHARE (50), TIME (seconds per transfer;
# by default 6 or 25 round trips, whatever is more), CC (the congestion control
# of the kernels, which iperf3 sets at both ends, and of penstock: cubic, bbr or
# reno), PENSTOCK=off: direct only, HAPROXY=on: HAProxy (TPROXY, splice) too,
# both of its halves with the gateway's congestion control, which is CC then.
#
# MINUTES (30) bounds the whole: no row begins later.  RESUME=1 keeps the rows
# that $BUILD/paths.json has and measures the others.
set -u
cd "$(dirname "$0")/../.." || exit 1
BUILD=${BUILD:-build}
part=${RTTS-}${LOSSES-}${RATES-}
RTTS=${RTTS:-1 20 100 600}
LOSSES=${LOSSES:-0 0.1 1 3}
RATES=${RATES:-10 100}
ROUNDS=${ROUNDS:-1}
SHARE=${SHARE:-50}
CC=${CC:-cubic}
MINUTES=${MINUTES:-30}
PENSTOCK=${PENSTOCK:-on}
HAPROXY=${HAPROXY:-off}
# shellcheck source=tests/bench/haproxy.sh
. tests/bench/haproxy.sh
linkem=$BUILD/tools/linkem
id=pb$$
c=$id-c g=$id-g s=$id-s
tmp=$(mktemp -d)
links=()
iperf='' daemon='' haproxy=''

end()
{
	[ -n "$1" ] || return 0
	kill "$1" 2>/dev/null
	wait "$1" 2>/dev/null
}

cleanup()
{
	local p

	end "$daemon"
	end "$haproxy"
	end "$iperf"
	for p in "${links[@]}"; do
		end "$p"
	done
	for p in $c $g $s; do
		ip netns del "$p" 2>/dev/null
	done
	rm -rf "$tmp"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

fail()
{
	echo "pathbench: $*" >&2
	exit 1
}

# link_up NAME OPTION... - one linkem, ready
link_up()
{
	local name=$1
	shift

	: >"$tmp/$name.out" # no "ready" of the last one
	"$linkem" --rt "$@" >"$tmp/$name.out" 2>"$tmp/$name.err" &
	links+=($!)
	for _ in $(seq 100); do
		grep -q ready "$tmp/$name.out" && return
		sleep 0.05
	done
	fail "$name: $(cat "$tmp/$name.err")"
}

links_down()
{
	local p

	for p in "${links[@]}"; do
		end "$p"
	done
	links=()
}

# topology RTT LOSS RATE SEED
topology()
{
	local d1 d2 queue

	d1=$(awk "BEGIN { print $1 * $SHARE / 200 }")
	d2=$(awk "BEGIN { print $1 * (100 - $SHARE) / 200 }")
	# one bandwidth-delay product, at least 100 full packets
	queue=$(awk "BEGIN { q = $1 * $3 * 125; print int(q > 150000 ? q : 150000) }")
	link_up L1 --a $c:up --b $g:cl --delay "$d1" --rate "$3" \
		--queue "${queue}B" --loss "$2" --seed "$4"
	link_up L2 --a $g:sv --b $s:up --delay "$d2" --seed "$4"
	ip -n $c addr add 198.51.100.2/24 dev up
	ip -n $c route add default dev up
	ip -n $g addr add 198.51.100.1/24 dev cl
	ip -n $g addr add 203.0.113.1/24 dev sv
	ip -n $s addr add 203.0.113.10/24 dev up
	ip -n $s route add default dev up
}

# Namespaces are made anew for each transfer: no route metrics are remembered.
namespaces()
{
	local n

	for n in $c $g $s; do
		ip netns del "$n" 2>/dev/null
		ip netns add "$n" || exit 1
		ip -n "$n" link set lo up
		ip netns exec "$n" sysctl -qw net.ipv4.conf.all.rp_filter=0 \
			net.ipv4.conf.default.rp_filter=0
	done
	ip netns exec $g sysctl -qw net.ipv4.ip_forward=1
}

server()
{
	ip netns exec $s iperf3 -s >"$tmp/iperf.log" 2>&1 &
	iperf=$!
	for _ in $(seq 100); do
		ip netns exec $s ss -Hltn 'sport = :5201' | grep -q . && return
		sleep 0.05
	done
	fail "iperf3 did not start"
}

penstock_up()
{
	cat >"$tmp/conf" <<END
[penstock]
secret_file = $tmp/secret
control = $tmp/control.sock
http =

[service iperf]
listen = 203.0.113.10:5201
tcp_congestion_control = ${CC/#reno/newreno}
END
	ip netns exec $g "$BUILD/penstockctl" rules apply -c "$tmp/conf" \
		>"$tmp/rules.log" 2>&1 || fail "rules: $(cat "$tmp/rules.log")"
	ip netns exec $g "$BUILD/penstockd" -c "$tmp/conf" \
		>"$tmp/daemon.log" 2>&1 &
	daemon=$!
	for _ in $(seq 100); do
		kill -0 $daemon 2>/dev/null || break
		ip netns exec $g cat /proc/net/netfilter/nfnetlink_queue |
			grep -q . && return
		sleep 0.05
	done
	fail "penstockd: $(cat "$tmp/daemon.log")"
}

penstock_down()
{
	end "$daemon"
	daemon=''
	ip netns exec $g "$BUILD/penstockctl" rules remove -c "$tmp/conf" \
		>>"$tmp/rules.log" 2>&1
}

in_g()
{
	ip netns exec $g "$@"
}

haproxy_up()
{
	in_g sysctl -qw net.ipv4.tcp_congestion_control="$CC" ||
		fail "this host lets no namespace use $CC: see" \
			"net.ipv4.tcp_allowed_congestion_control"
	haproxy_rules 5201
	haproxy_conf >"$tmp/haproxy.cfg"
	in_g haproxy -db -f "$tmp/haproxy.cfg" >"$tmp/haproxy.log" 2>&1 &
	haproxy=$!
	for _ in $(seq 100); do
		haproxy_listens && return
		sleep 0.05
	done
	fail "haproxy: $(cat "$tmp/haproxy.log")"
}

# Its rules go with the namespace.
haproxy_down()
{
	end "$haproxy"
	haproxy=''
}

direct_up()
{
	:
}

direct_down()
{
	:
}

# transfer WHICH RTT LOSS RATE SEED - prints Mb/s, 0 when nothing came
transfer()
{
	local t mbit

	t=${TIME:-$(awk "BEGIN { t = $2 * 25 / 1000; print int(t > 6 ? t : 6) }")}
	namespaces
	topology "$2" "$3" "$4" "$5"
	server
	"$1_up"
	timeout $((t + 60)) ip netns exec $c iperf3 -c 203.0.113.10 -R -J -C "$CC" \
		-t "$t" >"$tmp/iperf.json" 2>/dev/null
	mbit=$(jq -r '(.end.sum_received.bits_per_second // 0) / 1e6 * 1000 |
		round / 1000' "$tmp/iperf.json" 2>/dev/null)
	"$1_down"
	end "$iperf"
	iperf=''
	links_down
	late "$1 $2 $3 $4"
	echo "${mbit:-0}" >"$tmp/mbit"
}

# A link that could not keep time makes a row worthless: say so.
late()
{
	local us

	us=$(cat "$tmp"/L?.out | grep -v ready |
		jq -s 'map(.ab.late_us_avg, .ba.late_us_avg) | max // 0 | round')
	[ "${us:-0}" -lt 1000 ] ||
		echo "pathbench: $1: deliveries $us us late on average" >&2
}

median()
{
	tr ' ' '\n' <<<"$*" | sort -g | awk '{ v[NR] = $1 }
		END { print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'
}

# known RTT LOSS RATE - "direct penstock haproxy" of a row that paths.json has
known()
{
	jq -r --argjson t "$1" --argjson l "$2" --argjson r "$3" --argjson n \
		"$ROUNDS" --argjson s "$SHARE" --arg c "$CC" 'select(.rtt_ms == $t and
		.loss_pct == $l and .rate_mbit == $r and .rounds == $n and
		.share_pct == $s and .cc == $c) |
		"\(.direct_mbit) \(.penstock_mbit) \(.haproxy_mbit)"' \
		"$BUILD/paths.json" | tail -n 1
}

# ratios DIRECT PENSTOCK HAPROXY - the columns of a row
ratios()
{
	awk -v d="$1" -v p="$2" -v h="$3" -v with="$HAPROXY" 'BEGIN {
		if (with == "on")
			printf "%.2f | %.2f | %.2f | %.2f | %.2f", d, h, p,
				(d > 0 ? p / d : 0), (h > 0 ? p / h : 0)
		else
			printf "%.2f | %.2f | %.2f", d, p, (d > 0 ? p / d : 0) }'
}

# row RTT LOSS RATE - its columns to $tmp/row; fails when it is late
row()
{
	local i d=() p=() h=() dm pm hm

	read -r dm pm hm < <(known "$@") &&
		ratios "$dm" "$pm" "$hm" >"$tmp/row" && return
	[ "$SECONDS" -lt $((MINUTES * 60)) ] || return
	for i in $(seq "$ROUNDS"); do
		transfer direct "$1" "$2" "$3" "$i"
		d+=("$(cat "$tmp/mbit")")
		[ "$HAPROXY" = off ] || transfer haproxy "$1" "$2" "$3" "$i"
		[ "$HAPROXY" = off ] || h+=("$(cat "$tmp/mbit")")
		[ "$PENSTOCK" = on ] || continue
		transfer penstock "$1" "$2" "$3" "$i"
		p+=("$(cat "$tmp/mbit")")
	done
	dm=$(median "${d[@]}")
	pm=$(median "${p[@]:-0}")
	hm=$(median "${h[@]:-0}")
	printf '{"rtt_ms":%s,"loss_pct":%s,"rate_mbit":%s,"share_pct":%s,"cc":"%s","direct_mbit":%s,"penstock_mbit":%s,"haproxy_mbit":%s,"rounds":%s}\n' \
		"$1" "$2" "$3" "$SHARE" "$CC" "$dm" "$pm" "$hm" "$ROUNDS" \
		>>"$BUILD/paths.json"
	ratios "$dm" "$pm" "$hm" >"$tmp/row"
}

table()
{
	local rtt loss rate

	if [ "$HAPROXY" = on ]; then
		echo "| RTT ms | loss % | rate Mb/s | direct Mb/s | HAProxy Mb/s | penstock Mb/s | to direct | to HAProxy |"
		echo "| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"
	else
		echo "| RTT ms | loss % | rate Mb/s | direct Mb/s | penstock Mb/s | ratio |"
		echo "| ---: | ---: | ---: | ---: | ---: | ---: |"
	fi
	for rate in $RATES; do
		for rtt in $RTTS; do
			for loss in $LOSSES; do
				row "$rtt" "$loss" "$rate" || continue
				echo "| $rtt | $loss | $rate | $(cat "$tmp/row") |"
			done
		done
	done
}

# The table takes its place in the document.
publish()
{
	local doc=docs/PERFORMANCE.md

	grep -q '<!-- paths -->' $doc 2>/dev/null || return 0
	awk -v table="$BUILD/paths.md" '
		/<!-- paths -->/ { print; print ""; while ((getline l < table) > 0) print l
			print ""; skip = 1 }
		/<!-- \/paths -->/ { skip = 0 }
		!skip' $doc >"$tmp/doc" && cat "$tmp/doc" >$doc
}

[ "$(id -u)" -eq 0 ] || fail "needs root (network namespaces)"
[ "$PENSTOCK" = off ] || [ -x "$BUILD/penstockd" ] || fail "make all first"
[ -n "${RESUME-}" ] || : >"$BUILD/paths.json"
touch "$BUILD/paths.json"
table | tee "$BUILD/paths.md"
rows=$(($(wc -w <<<"$RTTS") * $(wc -w <<<"$LOSSES") * $(wc -w <<<"$RATES")))
[ "$(grep -c '^| [0-9]' "$BUILD/paths.md")" = "$rows" ] ||
	fail "time is up; go on with RESUME=1"
[ "$PENSTOCK" = off ] || [ "$CC$HAPROXY" != cubicoff ] || [ -n "$part" ] ||
	publish
