# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# capture.sh - what `penstockctl capture' writes, read by tshark.

capture_ctl() { "$PENSTOCKCTL" -S "$TMP/control.sock" "$@"; }

# capture_start OPTION...: in the background; CAPTURE_PID.  Its file begins when
# the daemon captures.
capture_start() {
	penstock_on || skip "nobody to capture"
	rm -f "$TMP/cap" "$TMP/cap.err"
	"$PENSTOCKCTL" -S "$TMP/control.sock" capture "$@" -w "$TMP/cap" \
		2>"$TMP/cap.err" &
	CAPTURE_PID=$!
	poll 10 test -s "$TMP/cap" || fail "no capture: $(<"$TMP/cap.err")"
}

# The rest is in the file when it ends.
capture_wait() {
	poll 20 pid_gone "$CAPTURE_PID" || fail "the capture does not end"
	wait "$CAPTURE_PID" || fail "capture: exit $?: $(<"$TMP/cap.err")"
}

capture_stop() {
	kill -INT "$CAPTURE_PID"
	capture_wait
}

# capture_read FILTER FIELD...: the fields of the packets, tab separated.
capture_read() {
	local filter=$1 f args=()
	shift
	for f in "$@"; do args+=(-e "$f"); done
	tshark -n -r "$TMP/cap" -Y "$filter" -T fields "${args[@]}" \
		2>"$TMP/tshark.err" || fail "tshark: $(<"$TMP/tshark.err")"
}

# capture_has FILTER: at least one packet.
capture_has() {
	capture_read "$1" frame.number | grep -q . || {
		capture_read tcp frame.interface_name tcp.flags.str tcp.len \
			frame.comment
		fail "no packet with $1"
	}
}

capture_get() {
	in_c curl -sfg -o /dev/null --max-time 30 "$@" ||
		fail "curl: exit $?"
}

# The two sides of one request: who it was, which way, what was decided.
capture_handshake() {
	local n
	capture_start
	capture_get "http://$URL/f20000"
	capture_stop
	n=$(capture_read "frame" frame.number | wc -l)
	assert_eq "said" "$n packets captured, 0 lost" "$(<"$TMP/cap.err")"
	n="frame.interface_name == client && tcp.srcport != $PORT_HTTP"
	capture_has "$n && tcp.flags == 2 && frame.comment == \"answered with a SYN cookie\""
	capture_has "$n && tcp.flags.syn == 0 && frame.comment contains \"cookie ok, opens a connection\""
	capture_has "$n && frame.comment == accepted"
	n="frame.interface_name == client && tcp.srcport == $PORT_HTTP"
	capture_has "$n && tcp.flags == 0x12 && frame.comment == \"SYN cookie\""
	capture_has "$n && tcp.len > 0 && frame.comment == sent"
	n="frame.interface_name == server && tcp.dstport == $PORT_HTTP"
	capture_has "$n && tcp.flags.syn == 1 && frame.comment == dial"
	capture_has "$n && tcp.len > 0 && frame.comment == sent && frame.packet_flags_direction == 2"
	n="frame.interface_name == server && tcp.srcport == $PORT_HTTP"
	capture_has "$n && tcp.len > 0 && frame.comment == accepted && frame.packet_flags_direction == 1"
	# each side apart, as the manual says: one connection with its numbers
	tshark -r "$TMP/cap" -Y "frame.interface_id == 0" -w "$TMP/cap.side" \
		2>/dev/null || fail "tshark does not write"
	n=$(tshark -r "$TMP/cap.side" -T fields -e tcp.stream 2>/dev/null |
		sort -u | wc -l)
	assert_eq "connections of the client side" 1 "$n"
	n=$(tshark -r "$TMP/cap.side" -Y "tcp.len > 0" -T fields -e tcp.seq |
		sort -n | head -1) 2>/dev/null
	assert_eq "first number of the client side" 1 "$n"
}

# What is refused has its reason.
capture_drops() {
	capture_start src 10.0.0.0/8 or src 2001:db8:77::/48
	raw capture "server=$SERVER" "port=$PORT_HTTP"
	assert_fields "$LINE" synack=1
	capture_stop
	capture_has 'frame.comment contains "drop paws" && frame.interface_name == client'
	capture_has 'frame.comment contains "drop cookie_bad" || frame.comment contains "drop no_flow"'
	capture_has 'frame.comment contains "out of order, kept"'
}

# A lost segment either way has the number of the fault's report, and the
# segment that was lost is there.
capture_faults() {
	local id
	capture_start
	capture_ctl fault add up type=droplist index=2 dir=from_peer
	capture_ctl fault add down type=droplist index=3 dir=to_peer
	capture_get "http://$URL/f20000"
	capture_stop
	for f in "up " "down , not sent"; do
		id=$(capture_ctl -j fault report "${f%% *}" |
			jq 'first(.. | objects | select(.action == "drop")).id')
		capture_has "frame.comment contains \"fault ${f%% *}: drop #$id${f#* }\""
	done
	capture_has 'frame.comment contains retransmission && frame.packet_flags_direction == 2'
	capture_ctl fault reset
}

# Number, time and size are limited.
capture_limits() {
	capture_start -n 5
	capture_get "http://$URL/f20000"
	capture_wait
	assert_eq "packets" 5 "$(capture_read frame frame.number | wc -l)"
	grep -q "^5 packets captured" "$TMP/cap.err" || fail "$(<"$TMP/cap.err")"
	capture_start --seconds 1
	capture_wait
	capture_start --snaplen 60
	capture_get "http://$URL/f20000"
	capture_stop
	capture_has "frame.len > 1000 && frame.cap_len == 60"
	assert_eq "longer ones" "" "$(capture_read "frame.cap_len > 60" frame.len)"
}

# Only one at a time; one whose client was killed is none.
capture_alone() {
	local rc
	capture_start
	capture_ctl capture -w "$TMP/cap2" 2>"$TMP/cap2.err"
	rc=$?
	assert_eq "exit status of the second" 2 "$rc"
	grep -q "one runs already" "$TMP/cap2.err" || fail "$(<"$TMP/cap2.err")"
	kill -KILL "$CAPTURE_PID"
	wait "$CAPTURE_PID"
	poll 10 capture_possible || fail "it goes on without its client"
	capture_ctl capture -w "$TMP/cap2" src nonsense 2>"$TMP/cap2.err"
	assert_eq "exit status with a bad filter" 2 $?
	capture_ctl capture 2>"$TMP/cap2.err"
	assert_eq "exit status without a file" 2 $?
	capture_ctl ask '{"cmd":"capture","snaplen":0}' 2>"$TMP/cap2.err"
	assert_eq "exit status of a bad limit" 2 $?
}
capture_possible() {
	timeout 20 "$PENSTOCKCTL" -S "$TMP/control.sock" capture --seconds 1 \
		-w "$TMP/cap2" 2>/dev/null
}

# What the filter does not mean is not there.
capture_filter() {
	capture_start "dport = $PORT_HTTPS"
	capture_get "http://$URL/f1024"
	capture_get -k "https://$URL/f1024"
	capture_stop
	capture_has "tcp.port == $PORT_HTTPS && frame.interface_name == client"
	capture_has "tcp.port == $PORT_HTTPS && frame.interface_name == server"
	assert_eq "of the other port" "" \
		"$(capture_read "tcp.port == $PORT_HTTP" frame.number)"
}

# A client that does not read costs packets of the capture, counted in its last
# blocks, and no byte of the connection.
capture_slow_reader() {
	local n=$((48 << 20))
	penstock_on || skip "nobody to capture"
	data_sum "$n" >/dev/null
	rm -f "$TMP/cap" "$TMP/cap.fifo"
	mkfifo "$TMP/cap.fifo"
	"$PENSTOCKCTL" -S "$TMP/control.sock" capture -w - >"$TMP/cap.fifo" \
		2>"$TMP/cap.err" &
	CAPTURE_PID=$!
	exec 9<"$TMP/cap.fifo"
	dd bs=1 count=28 <&9 >"$TMP/cap" 2>/dev/null # it has begun
	assert_eq "the file" "$(data_sum "$n")" "$(in_c curl -sfg \
		--max-time 200 "http://$URL/f$n" | sha256sum | cut -d' ' -f1)"
	cat <&9 >>"$TMP/cap" &
	capture_stop
	wait
	grep -Eq " [1-9][0-9]* lost$" "$TMP/cap.err" ||
		fail "nothing lost: $(<"$TMP/cap.err")"
	assert_eq "lost, in the file" \
		"$(sed 's/.*, \(.*\) lost/\1/' "$TMP/cap.err")" \
		"$(python3 tests/e2e/pcapng_lost.py "$TMP/cap")"
}

# A reload while it runs: the service has another place in the file.
capture_reload() {
	local conf
	capture_start service e2e
	conf=$(<"$PENSTOCK_CONF")
	printf '%s\n' "${conf/"[service e2e]"/"[service first]
listen = 203.0.113.11:81
[service e2e]"}" >"$PENSTOCK_CONF"
	capture_ctl reload # the host has no rules for it
	capture_get "http://$URL/f1024"
	capture_stop
	printf '%s\n' "$conf" >"$PENSTOCK_CONF"
	capture_ctl reload || fail "reload: exit $?"
	capture_has 'frame.comment contains "cookie ok" && frame.interface_name == client'
}

capture_cases() {
	local n
	for n in 1024 20000; do data_file "$n" >/dev/null; done
	shield_conf "handshake = client_first" "tcp_syncookies = 2"
	run_case capture_handshake_has_both_sides 30 capture_handshake
	run_case capture_refused_segments_have_reasons 30 capture_drops
	run_case capture_faults_are_named 30 capture_faults
	run_case capture_limits_hold 40 capture_limits
	TRAFFIC_EARLIER=1 run_case capture_second_is_refused 40 capture_alone
	run_case capture_filter_chooses 30 capture_filter
	run_case capture_slow_reader_loses_and_says_so 100 capture_slow_reader
	run_case capture_follows_a_reload 30 capture_reload
	shield_conf "handshake = server_first"
}
