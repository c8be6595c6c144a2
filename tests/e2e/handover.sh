# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2153 # LINE is set by peer_run
#
# handover.sh - a new penstockd goes on with the connections of the running one

HANDOVER_N=0

# handover_start: a new daemon takes over; its log is handover.N.
# PENSTOCK_PID is still the old one's; REPLY the new one's.
handover_start() {
	HANDOVER_N=$((HANDOVER_N + 1))
	DAEMON_LOG=$TMP/handover.$HANDOVER_N
	: >"$DAEMON_LOG"
	ip netns exec "$NS_G" "$PENSTOCKD" -c "$DAEMON_CONF" --takeover \
		>>"$DAEMON_LOG" 2>&1 </dev/null &
	REPLY=$!
}

handover_up_or_dead() {
	pid_gone "$REPLY" || daemon_log_has '^info: ready: '
}

# handover_again: the next daemon takes over, and the last one ends with 0.
handover_again() {
	handover_start
	poll 30 handover_up_or_dead
	daemon_log_has '^info: ready: ' || {
		cat "$DAEMON_LOG"
		fail "nothing was taken over"
	}
	daemon_gone 30
	PENSTOCK_PID=$REPLY
	grep -h 'takeover:' "$DAEMON_LOG"
}

# handover_times N: N takeovers, one after the other.
handover_times() {
	local i
	for ((i = 0; i < $1; i++)); do
		handover_again
	done
}

# A download that goes on through three takeovers.
handover_download() {
	local n=$((1 << 30)) pid
	daemon_begin
	in_c "$PEER" run "$SERVER" "$PORT_PEER" send $n 5 >"$TMP/out" 2>&1 &
	pid=$!
	poll 5 established_in "$NS_S" || fail "not connected"
	handover_times 3
	kill -0 "$pid" || fail "it was over before: $(<"$TMP/out")"
	wait "$pid"
	LINE=$(<"$TMP/out")
	echo "$LINE"
	assert_fields "$LINE" bad=- rx=$n end=FIN
	assert_clean
	daemon_end
}

handover_many() {
	daemon_begin "[penstock] max_flows = 20000"
	load_begin "$1" "$2"
	handover_times "$3"
	load_end 120
	assert_clean 20
	daemon_end
}

# handover_other [CHANGE]: the next file has other keys, and CHANGE is done to
# the host; the one after it is as before.
handover_other() {
	local change=$1
	shift
	daemon_begin
	load_begin 10 30
	$change
	daemon_conf "$@"
	rules_apply "$DAEMON_CONF" || fail "rules apply"
	handover_again
	peer_run echo 100000 3
	assert_fields "$LINE" bad=- rx=100000 end=FIN
	daemon_conf
	rules_apply "$DAEMON_CONF" || fail "rules apply"
	handover_again
	load_end 120
	peer_run echo 100000 3
	assert_fields "$LINE" bad=- rx=100000 end=FIN
	assert_clean 20
	daemon_end
}

# The rules follow afterwards.
handover_fewer_workers() {
	daemon_begin "[penstock] workers = 3"
	load_begin 10 30
	daemon_conf "[penstock] workers = 2"
	handover_again
	rules_apply "$DAEMON_CONF" || fail "rules apply"
	load_end 120
	peer_run echo 100000 3
	assert_fields "$LINE" bad=- rx=100000 end=FIN
	assert_clean 20
	daemon_end
}

handover_new_secret() { rm -f "$TMP/secret"; }

# What has no place in the new file is reset on both sides, at once.
handover_gone_or_denied() {
	local pid
	daemon_begin
	in_c /usr/bin/python3 tests/e2e/hold.py "$SERVER" "$PORT_PEER" 60 \
		>"$TMP/held" &
	pid=$!
	poll 5 established_in "$NS_S" || fail "not connected"
	daemon_conf "$1"
	handover_again
	daemon_log_has "warn: takeover: 1 connections are reset: $2" ||
		fail "it does not say why"
	poll 10 pid_gone "$pid" || fail "the client was not told"
	assert_fields "$(<"$TMP/held")" end=ECONNRESET
	poll 10 no_sockets_left || fail "the server was not told"
	daemon_end
}

# There is room for two of five.
handover_no_room() {
	local i
	daemon_begin
	for i in 1 2 3 4 5; do
		in_c /usr/bin/python3 tests/e2e/hold.py "$SERVER" \
			"$PORT_PEER" 15 >"$TMP/held.$i" &
	done
	poll 5 handover_has_flows 5 || fail "not connected"
	daemon_conf "[penstock] max_flows = 2"
	handover_again
	daemon_log_has "warn: takeover: 3 connections are reset: no room" ||
		fail "it does not say why"
	wait_all_held
	assert_eq "told" 3 "$(cat "$TMP"/held.* | grep -c end=ECONNRESET)"
	assert_eq "gone on" 2 "$(cat "$TMP"/held.* | grep -c end=OPEN)"
	assert_clean 20
	daemon_end
}

handover_has_flows() { [ "$(penstock_gauge flows)" = "$1" ]; }
wait_all_held() {
	poll 30 held_all || fail "the clients do not end"
}
held_all() { [ "$(cat "$TMP"/held.[1-5] | grep -c end=)" = 5 ]; }

# handover_half_open KEY=VALUE...: the client's ACK comes to the next daemon.
handover_half_open() {
	local pid ts=$1
	shift
	daemon_begin "$@"
	in_g ip route replace 10.0.0.0/8 via 198.51.100.2
	in_g ip -6 route replace 2001:db8:77::/48 via 2001:db8:c::2
	data_file 1024 >/dev/null
	rm -f "$TMP/go"
	# shellcheck disable=SC2086 # words
	in_c /usr/bin/python3 tests/e2e/rawtcp.py across $RAW_HTTP ts="$ts" \
		go="$TMP/go" >"$TMP/half" 2>&1 &
	pid=$!
	poll 10 grep -q open "$TMP/half" || fail "$(<"$TMP/half")"
	handover_times 2
	: >"$TMP/go"
	wait "$pid"
	LINE=$(tail -n 1 "$TMP/half")
	assert_num "bytes of <$LINE>" "$(field bytes "$LINE")" -ge 1024
	daemon_end
}

handover_time_wait() {
	local before
	daemon_begin
	peer_run echo 1000 3
	peer_run early 1000 3
	poll 5 handover_has_tw || fail "no TIME_WAIT"
	before=$(penstock_gauge time_wait)
	handover_times 2
	assert_eq "TIME_WAIT" "$before" "$(penstock_gauge time_wait)"
	daemon_end
}

handover_has_tw() { [ "$(penstock_gauge time_wait)" -gt 0 ]; }

# handover_fault NAME COUNTER
handover_fault() {
	ctl -j fault list | jq ".[] | select(.name == \"$1\") | .$2"
}

# Faults of the file and those added by hand go on, with what they have counted,
# on a transfer whose bytes they hold; and what is drained stays so.
handover_faults() {
	local n=16000000 pid before name
	penstock_on || skip "plain forwarding has no daemon"
	daemon_conf
	printf '\n[fault filed]\ntype = observe\n' >>"$DAEMON_CONF"
	daemon_up
	ctl fault add slow type=bandwidth rate=500 || fail "no fault"
	ctl fault add late type=latency latency=300 || fail "no fault"
	ctl fault add lossy type=loss percent=1 side=both lease=1h ||
		fail "no fault"
	in_c "$PEER" run "$SERVER" "$PORT_PEER" send $n 5 >"$TMP/out" 2>&1 &
	pid=$!
	poll 10 handover_acts || fail "no fault acts: $(ctl fault list)"
	before=$(handover_fault filed matched)
	handover_times 3
	kill -0 "$pid" || fail "it was over before: $(<"$TMP/out")"
	for name in filed slow late lossy; do
		assert_eq "connections of $name" 1 "$(handover_fault $name conns)"
		assert_eq "$name acts" 1 "$(handover_fault $name active)"
	done
	assert_num "segments before" "$(handover_fault filed matched)" -ge \
		"$before"
	assert_num "lease" "$(handover_fault lossy lease_left_ms)" -lt 3600000
	ctl drain e2e --timeout=1 >/dev/null
	handover_again
	assert_eq "drained" '["e2e"]' "$(ctl -j status | jq -c .drained)"
	ctl fault reset
	wait "$pid"
	LINE=$(<"$TMP/out")
	echo "$LINE"
	assert_fields "$LINE" bad=- rx=$n end=FIN
	assert_clean 20
	daemon_end
}

handover_acts() { [ "$(handover_fault late injected)" -gt 0 ]; }

# --- when it does not work ---------------------------------------------------

handover_refused() {
	local want=$1 pattern=$2 rc
	handover_start
	wait "$REPLY"
	rc=$?
	cat "$DAEMON_LOG"
	assert_eq "exit code" "$want" "$rc"
	daemon_log_has "$pattern" || fail "it does not say: $pattern"
}

handover_nobody() {
	penstock_on || skip "plain forwarding has no daemon"
	daemon_conf
	rules_apply "$DAEMON_CONF" || fail "rules apply"
	handover_refused 1 "^error: takeover: .* is a penstockd running"
	daemon_queue_is_free || fail "it has bound the queue"
	[ ! -e "$TMP/control.sock.takeover" ] || fail "its socket is left"
}

# A file with an error: nothing is asked for, and the old one goes on.
handover_bad_file() {
	daemon_begin
	load_begin 5 5
	daemon_conf "no_such_key = 1"
	handover_refused 2 "no_such_key: "
	penstock_alive || fail "the old one is gone"
	daemon_conf
	load_end 120
	handover_again
	daemon_end
}

# One that cannot open what it needs besides lets the old one go on.
handover_cannot_run() {
	daemon_begin
	load_begin 5 5
	daemon_conf "[penstock] tun = cl" # is no TUN device
	handover_refused 1 "the other penstockd goes on"
	penstock_alive || fail "the old one is gone"
	daemon_conf
	load_end 120
	handover_again
	daemon_end
}

# handover_killed: the new one is killed at a random time of the takeover.
handover_killed() {
	local i old=$PENSTOCK_PID
	daemon_begin
	for i in 0 5 10 15 20 30 40; do
		old=$PENSTOCK_PID
		handover_start
		sleep "$(printf '0.%03d' "$i")"
		kill -KILL "$REPLY"
		wait "$REPLY" 2>/dev/null
		poll 15 handover_settled "$old" ||
			fail "the old one neither goes on nor ends"
		pid_gone "$old" && daemon_up
	done
	peer_run echo 100000 3
	assert_fields "$LINE" bad=- rx=100000 end=FIN
	daemon_end
}

# The old one answers again, or has ended.
handover_settled() {
	pid_gone "$1" || [ "$(ctl ask '{"cmd":"ping"}' 2>/dev/null)" = '"pong"' ]
}

# A daemon that does not know the command: of a version before.
handover_too_old() {
	local pid
	penstock_on || skip "plain forwarding has no daemon"
	daemon_conf
	rules_apply "$DAEMON_CONF" || fail "rules apply"
	in_g /usr/bin/python3 - "$TMP/control.sock" <<-'END' &
		import socket, sys
		s = socket.socket(socket.AF_UNIX)
		s.bind(sys.argv[1])
		s.listen()
		c = s.accept()[0]
		c.recv(4096)
		c.send(b'{"ok":false,"error":"unknown command"}\n')
		c.recv(1)
	END
	pid=$!
	poll 5 test -S "$TMP/control.sock"
	handover_refused 1 "refuses: it is too old to hand over"
	kill "$pid" 2>/dev/null
	rm -f "$TMP/control.sock"
}

handover_sigterm_stops() {
	daemon_begin grace=600s
	load_begin 2 2
	kill -TERM "$PENSTOCK_PID"
	poll 5 daemon_log_has "stop: no new connections"
	handover_refused 1 "refuses: this penstockd is stopping"
	penstock_alive || fail "the old one is gone"
	load_end 120
	daemon_gone 15
}

handover_case() {
	local name=$1 seconds=$2
	shift 2
	run_case "handover_$name" "$seconds" "$@"
}

handover_cases() {
	penstock_on || return 0
	stop_penstockd
	DAEMON_CONF=$TMP/daemon.conf
	DAEMON_LOG=$TMP/daemon.log
	# shellcheck disable=SC2034 # case_gateway_check reads it
	EXPECT_DEATH=1
	handover_case download_goes_on 60 handover_download
	if [ -n "${E2E_HEAVY:-}" ]; then
		handover_case transfers_and_idle_go_on_20_times 600 \
			handover_many 200 1000 20
	else
		handover_case transfers_and_idle_go_on_20_times 180 \
			handover_many 30 100 20
	fi
	handover_case other_max_flows 90 handover_other : \
		"[penstock] max_flows = 500"
	handover_case other_secret 90 handover_other handover_new_secret
	handover_case other_policy 90 handover_other : "handshake = client_first" \
		"tcp_congestion_control = bbr" "tcp_sack = 0" \
		"tcp_rmem = 4096 65536 262144"
	handover_case more_workers 90 handover_other : "[penstock] workers = 3"
	handover_case fewer_workers 90 handover_fewer_workers
	handover_case service_gone_resets_both 60 handover_gone_or_denied \
		"-$PORT_PEER" "no service has their address"
	handover_case client_denied_resets_both 60 handover_gone_or_denied \
		"deny = $CLIENT" "their client is denied"
	handover_case no_room_resets_the_rest 90 handover_no_room
	handover_case half_open_in_queue_goes_on 60 handover_half_open 1 \
		"handshake = client_first" "tcp_syncookies = 0"
	handover_case half_open_by_cookie_goes_on 60 handover_half_open 1 \
		"handshake = client_first" "tcp_syncookies = 2"
	handover_case half_open_at_server_goes_on 60 handover_half_open 0 \
		"handshake = server_first"
	handover_case time_wait_goes_on 60 handover_time_wait
	handover_case faults_and_drained_services_go_on 90 handover_faults
	handover_case nobody_to_take_over_from_exits_1 30 handover_nobody
	handover_case bad_file_leaves_the_old_one 60 handover_bad_file
	handover_case cannot_run_leaves_the_old_one 60 handover_cannot_run
	handover_case new_one_killed_old_one_goes_on 120 handover_killed
	handover_case too_old_is_said 30 handover_too_old
	handover_case stopping_refuses 60 handover_sigterm_stops
	rules_remove "$DAEMON_CONF" >/dev/null 2>&1
	unset EXPECT_DEATH
}
