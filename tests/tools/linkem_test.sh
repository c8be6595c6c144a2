#!/bin/bash
# SPDX-License-Identifier: MIT
# linkem_test.sh - is the link emulator what it says?
#
#   [ A 10.77.0.1 ]--tun--( linkem )--tun--[ B 10.77.0.2 ]
#
# Round-trip time, rate, loss and queue are measured with ping and iperf3, the
# decisions are compared between runs.  Bounds are wide enough for a busy
# machine where time is measured, and 4 sigma where chance is.
set -u
cd "$(dirname "$0")/../.." || exit 1
linkem=${BUILD:-build}/tools/linkem
tmp=$(mktemp -d)
a=lka$$ b=lkb$$
pid='' iperf=''
passed=0 failed=0

cleanup()
{
	[ -z "$pid" ] || kill "$pid" 2>/dev/null
	[ -z "$iperf" ] || kill "$iperf" 2>/dev/null
	ip netns del $a 2>/dev/null
	ip netns del $b 2>/dev/null
	rm -rf "$tmp"
}
trap cleanup EXIT

ok()
{
	local name=$1
	shift
	if "$@"; then
		echo "ok - linkem $name"
		passed=$((passed + 1))
	else
		echo "not ok - linkem $name: $*"
		failed=$((failed + 1))
	fi
}

# within VALUE LOW HIGH
within()
{
	awk -v v="$1" -v l="$2" -v h="$3" \
		'BEGIN { exit !(v != "" && v >= l && v <= h) }'
}

# counted EXPRESSION - of the counters
counted()
{
	jq -e "$1" "$tmp/json" >/dev/null
}

# up OPTION... - the link with addresses
up()
{
	mkfifo "$tmp/fifo"
	"$linkem" --a $a:lk0 --b $b:lk0 "$@" >"$tmp/fifo" 2>"$tmp/err" &
	pid=$!
	exec 3<"$tmp/fifo"
	rm "$tmp/fifo"
	read -r -t 10 line <&3 || { cat "$tmp/err"; exit 1; }
	[ "$line" = ready ] || exit 1
	ip -n $a addr add 10.77.0.1/30 dev lk0
	ip -n $b addr add 10.77.0.2/30 dev lk0
}

# down - ends it; its counters are left in $tmp/json
down()
{
	kill "$pid"
	cat <&3 >"$tmp/json"
	wait "$pid"
	exec 3<&-
	pid=''
}

# rtt - smallest round-trip time of five, ms
rtt()
{
	ip netns exec $a ping -q -n -c 5 -i 0.2 10.77.0.2 |
		sed -n 's,^rtt .* = \([0-9.]*\)/.*,\1,p'
}

ip netns add $a && ip netns add $b || exit 1
ip -n $a link set lo up
ip -n $b link set lo up

up --delay 10
ok rtt_delay10_is20ms within "$(rtt)" 20 22
down
up --ab --delay 30 --ba --delay 5
ok rtt_delay_per_direction_adds within "$(rtt)" 35 37
down
up --delay 5 --jitter 20
ok rtt_jitter_only_adds within "$(rtt)" 10 51
down

# Sets mbit to the goodput of four seconds; the server stays until goodput_ends.
goodput() {
	ip netns exec $b iperf3 -s >/dev/null 2>&1 &
	iperf=$!
	for _ in $(seq 100); do
		ip netns exec $b ss -Hltn 'sport = :5201' | grep -q . && break
		sleep 0.1
	done
	mbit=$(ip netns exec $a iperf3 -c 10.77.0.2 -t 4 -J 2>/dev/null |
		jq '.end.sum_received.bits_per_second / 1e6')
}
goodput_ends() {
	kill "$iperf"
	wait "$iperf" 2>/dev/null
	iperf=''
}

up --delay 10 --rate 20 --queue 100
goodput
ip netns exec $a iperf3 -c 10.77.0.2 -u -b 30M -l 1400 -t 2 >/dev/null 2>&1
goodput_ends
down
# 1448 of 1500 bytes are payload: 19.3 Mb/s at most
ok goodput_rate20_is19 within "$mbit" 16.5 19.35
# 30 Mb/s of 1428 bytes for two seconds, and 20 Mb/s drain: a third is lost
ok queue_overloaded_drops_tail \
	within "$(jq .ab.queue_dropped "$tmp/json")" 1000 2800
ok queue_100packets_never_over \
	within "$(jq .ab.queue_max_bytes "$tmp/json")" 140000 150000

# 20 and 5 Mb/s by turns, half a second each: 12.5 on average
up --delay 5 --rate 20 --turns 5,500 --queue 100
goodput
goodput_ends
down
ok goodput_turns_20_and_5_is12 within "$mbit" 9.5 12.6

# A packet after silence begins a slot, and waits for its end.
up --delay 5 --ab --slots 30
ok rtt_slot_30ms_alone_is40 within "$(rtt)" 40 43
# Of 500 in a row, each finds another part of a slot still before it.
avg=$(ip netns exec $a ping -q -n -i 0.002 -c 500 10.77.0.2 |
	sed -n 's,^rtt .* = [^/]*/\([0-9.]*\)/.*,\1,p')
ok rtt_slot_30ms_in_a_row_is25 within "$avg" 21 29
down

# 4000 echoes; each way loses 5%, so 4 sigma are 55 packets.
up --loss 5 --seed 42 --trace "$tmp/one"
ip netns exec $a ping -q -n -f -c 4000 -W 1 10.77.0.2 >/dev/null
down
ok loss_5percent_of_4000_is200 within "$(jq .ab.lost "$tmp/json")" 145 255
ok loss_counters_balance \
	counted '.ab.in == .ab.out + .ab.lost + .ab.on_the_wire'

# The traced run's decisions are those that the seed alone gives.
"$linkem" --decide 4000 --loss 5 --seed 42 >"$tmp/two"
grep '^ab' "$tmp/one" | head -n 3500 >"$tmp/one.ab"
grep '^ab' "$tmp/two" | head -n 3500 >"$tmp/two.ab"
ok decisions_same_seed_repeat cmp -s "$tmp/one.ab" "$tmp/two.ab"
"$linkem" --decide 4000 --loss 5 --seed 43 | grep '^ab' | head -n 3500 \
	>"$tmp/two.ab"
ok decisions_other_seed_differ \
	test "$(cmp -s "$tmp/one.ab" "$tmp/two.ab"; echo $?)" -eq 1

# Enter 1%, leave 25%: 3.85% of packets are lost, in runs of 4 on average.
"$linkem" --decide 200000 --burst 1,25 | grep '^ab' >"$tmp/burst"
read -r pct run < <(awk '/burst/ { n++; if (!was) runs++; was = 1; next }
	{ was = 0 } END { print 100 * n / NR, n / runs }' "$tmp/burst")
ok burst_gilbert_loss_is3.85percent within "$pct" 3.5 4.2
ok burst_gilbert_mean_run_is4 within "$run" 3.8 4.2

up --delay 5 --reorder 10,3 --dup 2
ip netns exec $a ping -q -n -i 0.002 -c 500 10.77.0.2 >/dev/null
down
ok reorder_10percent_holds within "$(jq .ab.reordered "$tmp/json")" 20 80
ok dup_delivers_twice \
	counted '.ab.dup > 0 and .ab.out + .ab.on_the_wire == .ab.in + .ab.dup'
"$linkem" --loss 101 --decide 1 2>/dev/null
ok option_out_of_range_refused test $? -eq 2
"$linkem" --turns 5 --decide 1 2>/dev/null
ok option_turns_without_time_refused test $? -eq 2

echo "linkem: $passed passed, $failed failed"
[ "$failed" -eq 0 ]
