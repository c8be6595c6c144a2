# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# lanes.sh - SYNs have queues of their own: what overflows them touches nothing
# else, and they are those of the worker that has the rest of the connection
#
# shield.sh has the helpers.

# server_bytes SECONDS: what the server sends meanwhile.
server_bytes() {
	local stat=/sys/class/net/up/statistics/tx_bytes n
	n=$(in_s cat $stat)
	sleep "$1"
	echo $(($(in_s cat $stat) - n))
}

# The generator has a core of its own where there are two, as the network has.
lanes_pin() {
	LANES_PIN=
	[ "$(nproc)" -ge 2 ] || return 0
	LANES_PIN="taskset -c 0"
	taskset -acp "1-$(($(nproc) - 1))" "$PENSTOCK_PID" >/dev/null
	taskset -cp "1-$(($(nproc) - 1))" "$BASHPID" >/dev/null
}

# Some queue is full.
# shellcheck disable=SC2016 # awk's own
lanes_overflow() {
	in_g awk '$6 > 0 { n++ } END { exit !n }' \
		/proc/net/netfilter/nfnetlink_queue
}

# A flood at full speed, and a daemon that for a while does nothing, so that it
# is too much wherever this runs.  An established transfer goes on, without a
# packet lost on its way to the daemon, and newcomers get in, all of them.
lanes_full_flood() {
	local bulk flood calm kept i=0 pid pids=()
	shield_only
	lanes_pin
	ip netns exec "$NS_C" "$PEER" run "$SERVER" "$PORT_PEER" \
		send $((64 << 30)) 9 >/dev/null 2>&1 &
	bulk=$!
	poll 5 established_in "$NS_S" || fail "not connected"
	calm=$(server_bytes 2)
	# shellcheck disable=SC2086 # words
	ip netns exec "$NS_C" $LANES_PIN "$TOOLS/synflood" -i up -d "$SERVER" \
		-p "$PORT_HTTP" -r 0 -n 1000000000 -t 80 >"$TMP/flood.out" &
	flood=$!
	poll 3 flood_is_felt || fail "no cookies in a flood"
	kill -STOP "$PENSTOCK_PID"
	poll 20 lanes_overflow || i=slow
	kill -CONT "$PENSTOCK_PID"
	[ "$i" != slow ] || fail "the flood fills no queue in 20 s"
	kept=$(server_bytes 2)
	for ((i = 0; i < 12; i++)); do
		http_ok 75 &
		pids+=($!)
	done
	for pid in "${pids[@]}"; do
		wait "$pid" || fail "a newcomer failed"
	done
	kill -0 $flood || fail "the flood was over before"
	kill $flood $bulk
	wait $flood $bulk 2>/dev/null
	echo "bytes in 2 s: $calm, in the flood $kept;" \
		"SYNs lost: $(counter syn_dropped)"
	assert_num "bytes in calm" "$calm" -gt 1000000
	assert_eq "lost of the others" 0 "$(counter queue_dropped)"
	# the generator takes processor time, too, more or less of it
	assert_num "kept of $calm" $((kept * 50)) -ge "$calm"
	assert_clean 20
}

# As far as rules can tell: what bears no ACK is never of a connection, but for
# SYNs and a RST that answers.
lanes_without_ack() {
	local kind n
	shield_only
	for kind in syn rst xmas; do
		n=$(counter syn_packets)
		in_c "$TOOLS/synflood" -i up -d "$SERVER" -p "$PORT_HTTP" \
			-k $kind -n 500 -r 20000 -t 10 >/dev/null
		poll 5 counted syn_packets $((n + 500)) ||
			fail "$kind: $(($(counter syn_packets) - n)) of 500"
	done
	n=$(counter syn_packets)
	in_c "$TOOLS/synflood" -i up -d "$SERVER" -p "$PORT_HTTP" \
		-k ack -n 500 -r 20000 -t 10 >/dev/null
	poll 5 counted rx_packets $((n + 500)) || fail "the ACKs did not come"
	assert_eq "ACKs among the SYNs" "$n" "$(counter syn_packets)"
}

counted() { [ "$(counter "$1")" -ge "$2" ]; }

# 24 more addresses of the client's, in ADDRESSES; lanes_forget takes them away.
lanes_addresses() {
	local a i
	ADDRESSES=
	for ((i = 0; i < 24; i++)); do
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

lanes_forget() { in_c ip "-$FAMILY" addr flush dev up to "$(lanes_net)"; }

# Three workers.  One that saw the SYN alone, or the rest alone, would answer
# by a RST or not at all.
lanes_workers() {
	local out
	shield_only
	lanes_addresses
	out=$(in_c "$TOOLS/shortconn" -a "$ADDRESSES" -c 8 -t 2 -x 1024 \
		"$SERVER" "$PORT_HTTP" /keep/f1024)
	echo "$out"
	lanes_forget
	assert_num connections "$(jq .connections <<<"$out")" -ge 24
	assert_eq errors 0 "$(jq .errors <<<"$out")"
	assert_num "SYNs" "$(counter syn_packets)" -ge \
		"$(jq .connections <<<"$out")"
	assert_num "workers that had some" "$(lanes_busy_workers)" -ge 2
}

lanes_net() {
	[ "$FAMILY" = 4 ] && echo 198.51.100.96/27 || echo 2001:db8:c::100/120
}

# Column 8 is the number of the last packet; queues 0, 1, 2 are the workers'.
# shellcheck disable=SC2016 # awk's own
lanes_busy_workers() {
	in_g awk '$1 < 3 && $8 > 0 { n++ } END { print n + 0 }' \
		/proc/net/netfilter/nfnetlink_queue
}

lanes_cases() {
	local cf="handshake = client_first"
	data_file 1024 >/dev/null
	shield_conf "$cf" "tcp_syncookies = 2" "unknown = drop"
	run_case lanes_full_flood_costs_established_nothing 120 \
		lanes_full_flood
	shield_conf "$cf" "tcp_syncookies = 2" "unknown = drop"
	run_case lanes_segments_without_ack_are_with_the_syns 40 \
		lanes_without_ack
	shield_conf "handshake = server_first" "tcp_syncookies = 0" \
		"[penstock] workers = 3"
	run_case lanes_three_workers_each_has_its_syns 40 lanes_workers
	shield_conf "handshake = server_first"
}
