# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# connlog.sh - the connection log, and the histograms, which count the same
# ends.  Each case starts a daemon of its own (daemon.sh).

# connlog_has JQ-CONDITION [FILE]: a line of the log is so.
connlog_has() {
	jq -es "map(select($1)) | length > 0" "${2:-$TMP/conn.log}"
} >/dev/null 2>&1

# connlog_get BYTES: fetch that much; the client's port in PORT.
connlog_get() {
	data_file "$1" >/dev/null
	PORT=$(in_c curl -s -o /dev/null -w '%{local_port}' \
		"http://$URL/f$1") || fail "curl"
}

# What ended how, with its bytes and times.
connlog_file() {
	local at
	daemon_begin "[penstock] connection_log = $TMP/conn.log"
	connlog_get 300000
	at="(.client | endswith(\":$PORT\")) and .server == \"$URL:80\""
	poll 10 connlog_has "$at and .service == \"e2e\" and .how == \"closed\"
		and .by == \"both\" and .down > 300000 and .down < 310000
		and .up > 50 and .up < 1000 and .duration_ms >= 0
		and .client_rtt_us > 0 and (now - .end | fabs) < 600" ||
		fail "$(<"$TMP/conn.log")"
	in_c curl -s --max-time 20 -o /dev/null "http://$URL:$PORT_REFUSED/"
	poll 10 connlog_has ".how == \"refused\" and .by == \"server\"" ||
		fail "no refusal: $(<"$TMP/conn.log")"
	why_connect rest rest
	ctl kill "$WHY_FLOW" | grep -q '^1 ' || fail "not killed"
	poll 10 connlog_has ".client == \"$WHY_FLOW\" and .how == \"aborted\"
		and .by == \"penstock\"" || fail "no kill: $(<"$TMP/conn.log")"
	kill -KILL "$WHY_SERVER" "$WHY_CLIENT" 2>/dev/null
	in_c /usr/bin/python3 -c '
import socket, struct, sys
s = socket.create_connection((sys.argv[1], int(sys.argv[2])))
s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
s.close()' "$SERVER" 80 || fail "no client that resets"
	poll 10 connlog_has ".how == \"reset\" and .by == \"client\"" ||
		fail "no reset: $(<"$TMP/conn.log")"
	assert_eq "one line each" "$(nstat_of ConnectionLogLines)" \
		"$(grep -c . "$TMP/conn.log")"
	assert_eq "flows and lines" "$(nstat_of FlowsClosed)" \
		"$(grep -c . "$TMP/conn.log")"
	assert_eq "lost" 0 "$(nstat_of ConnectionLogLost)"
	daemon_end
}

# logrotate moves the file away, and SIGHUP makes a new one.
connlog_rotate() {
	daemon_begin "[penstock] connection_log = $TMP/conn.log"
	connlog_get 1000
	poll 10 connlog_has "(.client | endswith(\":$PORT\"))" || fail "no line"
	mv "$TMP/conn.log" "$TMP/conn.log.1"
	kill -HUP "$PENSTOCK_PID"
	poll 10 test -e "$TMP/conn.log" || fail "no new file"
	connlog_get 1000
	poll 10 connlog_has "(.client | endswith(\":$PORT\"))" ||
		fail "no line in the new file"
	assert_eq "lines of the old file" 1 "$(grep -c . "$TMP/conn.log.1")"
	# and off again, by a reload
	sed -i '/^connection_log/d' "$DAEMON_CONF"
	kill -HUP "$PENSTOCK_PID"
	poll 10 connlog_is_off || fail "not off"
	connlog_get 1000
	poll 10 connlog_closed 3 || fail "three connections"
	assert_eq "lines once it is off" 1 "$(grep -c . "$TMP/conn.log")"
	daemon_end
}

connlog_is_off() { [ "$(grep -c 'info: reload:' "$DAEMON_LOG")" = 2 ]; }
connlog_closed() { [ "$(nstat_of FlowsClosed)" = "$1" ]; }

# A file that cannot be opened: no start, and a reload without a log.
connlog_bad_file() {
	penstock_on || skip "plain forwarding has no daemon"
	daemon_conf "[penstock] connection_log = $TMP/nowhere/conn.log"
	rules_apply "$DAEMON_CONF" || fail "rules apply"
	daemon_exec "$PENSTOCKD" -c "$DAEMON_CONF" && fail "it started"
	daemon_log_has "connection_log $TMP/nowhere/conn.log: No such file" ||
		fail "$(<"$DAEMON_LOG")"
	daemon_begin
	sed -i "s,^http = ,connection_log = $TMP/nowhere/conn.log\n&," \
		"$DAEMON_CONF"
	kill -HUP "$PENSTOCK_PID"
	poll 10 daemon_log_has "connection_log $TMP/nowhere/conn.log: No such" ||
		fail "$(<"$DAEMON_LOG")"
	connlog_get 1000
	daemon_end
}

# The journal gets fields: a socket of our own stands where it listens, in a
# mount namespace of the daemon's.
connlog_journal() {
	daemon_begin "[penstock] connection_log = journal"
	daemon_end
	# shellcheck disable=SC2016 # the inner shell's
	daemon_up unshare -m sh -c 'mount -t tmpfs none /run/systemd 2>/dev/null ||
		{ mount -t tmpfs none /run && mkdir /run/systemd; }
		mkdir -p /run/systemd/journal
		/usr/bin/python3 -c "
import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(\"/run/systemd/journal/socket\")
print(\"bound\", flush=True)
while True:
    sys.stdout.buffer.write(s.recv(65536) + b\"\n\")
    sys.stdout.flush()
" >"$0" &
		echo $! >"$0.pid"
		until grep -q bound "$0"; do sleep 0.05; done
		exec "$@"' "$TMP/journal.out"
	connlog_get 1000
	poll 10 grep -qE "^PENSTOCK_CLIENT=.*:$PORT$" "$TMP/journal.out" ||
		fail "$(<"$TMP/journal.out")"
	for f in MESSAGE=e2e PENSTOCK_SERVICE=e2e PENSTOCK_HOW=closed \
		PENSTOCK_BY=both PENSTOCK_DURATION_MS=[0-9] \
		PENSTOCK_DOWN=1[0-9][0-9][0-9] PENSTOCK_END=[0-9]*[.]; do
		grep -q "^$f" "$TMP/journal.out" ||
			fail "no $f: $(<"$TMP/journal.out")"
	done
	kill -KILL "$(<"$TMP/journal.out.pid")"
	daemon_end
}

# The clock is set while the daemon runs: it follows within ten seconds.
connlog_clock() {
	penstock_on || skip "plain forwarding has no daemon"
	! sanitized || skip "sanitizers have to be loaded first"
	daemon_conf "[penstock] connection_log = $TMP/conn.log"
	head -c 8 /dev/zero >"$TMP/clock"
	daemon_up env "LD_PRELOAD=$BUILD/soak/clockstep.so" \
		"CLOCKSTEP_FILE=$TMP/clock"
	connlog_get 1000
	poll 10 connlog_has "(now - .end | fabs) < 600" || fail "no line"
	# 10^12 us: eleven days
	printf '\x00\x10\xa5\xd4\xe8' |
		dd of="$TMP/clock" conv=notrunc status=none
	poll 15 connlog_later || fail "$(tail -n 1 "$TMP/conn.log")"
	daemon_end
}

connlog_later() {
	connlog_get 1000
	connlog_has "(.end - now - 1e6 | fabs) < 600"
}

# connlog_hist NAME: the count of a histogram of the service.
connlog_hist() {
	in_g curl -sf "http://$HTTP/metrics" |
		sed -n "s/^penstock_$1{service=\"e2e\"} //p"
}

connlog_hist_is() { [ "$(connlog_hist "$1")" = "$2" ]; }

connlog_histograms() {
	daemon_begin
	for _ in 1 2 3; do
		connlog_get 100000
	done
	poll 10 connlog_hist_is flow_duration_seconds_count 3 ||
		fail "durations: $(connlog_hist flow_duration_seconds_count)"
	assert_eq "handshakes" 3 "$(connlog_hist handshake_seconds_count)"
	assert_num "round trips" "$(connlog_hist client_rtt_seconds_count)" -gt 3
	assert_num "round trips" "$(connlog_hist server_rtt_seconds_count)" -ge 3
	in_g curl -sf "http://$HTTP/metrics" |
		grep -qxF 'penstock_flow_duration_seconds_bucket{service="e2e",le="+Inf"} 3' ||
		fail "no last bucket"
	connlog_hist flow_duration_seconds_sum | grep -qE '^[0-9]+[.][0-9]{6}$' ||
		fail "sum: $(connlog_hist flow_duration_seconds_sum)"
	ctl nstat -z | grep -q Duration && fail "nstat has histograms"
	test ! -e "$TMP/conn.log" || fail "a log that nobody asked for"
	daemon_end
}

connlog_case() {
	rm -f "$TMP"/conn.log*
	run_case "$@"
}

connlog_cases() {
	penstock_on && stop_penstockd
	DAEMON_CONF=$TMP/daemon.conf DAEMON_LOG=$TMP/daemon.log
	# shellcheck disable=SC2034 # case_gateway_check reads it
	EXPECT_DEATH=1
	connlog_case connlog_lines_tell_how_connections_ended 60 connlog_file
	connlog_case connlog_reopened_on_sighup 40 connlog_rotate
	connlog_case connlog_follows_the_clock 60 connlog_clock
	connlog_case connlog_that_cannot_be_opened 30 connlog_bad_file
	connlog_case connlog_journal_has_fields 40 connlog_journal
	connlog_case connlog_histograms_count_connections 40 connlog_histograms
	penstock_on && rules_remove "$DAEMON_CONF" >/dev/null 2>&1
	unset EXPECT_DEATH
}
