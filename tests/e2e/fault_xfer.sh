# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2153 # LINE is set by peer_run
#
# fault_xfer.sh - what kernels make of faults of transfers, ends and streams
#
# fault.sh has the helpers.  The client's kernel experiences the fault; its
# sysctls are of its own namespace, and set back after each case.

XFER_SYSCTLS="tcp_keepalive_time=7200 tcp_keepalive_intvl=75
	tcp_keepalive_probes=9 tcp_retries2=15 tcp_rfc1337=0"

xfer_sysctls() {
	local s
	for s in "$@"; do
		in_c sysctl -qw "net.ipv4.$s"
	done
}

# xfer_case NAME SECONDS FUNCTION ARG...
xfer_case() {
	fault_case "$@"
	# shellcheck disable=SC2086 # words on purpose
	xfer_sysctls $XFER_SYSCTLS
}

xfer_program() {
	LINE=$(in_c /usr/bin/python3 tests/e2e/fault_xfer.py "$@") ||
		fail "fault_xfer.py: $LINE"
	echo "program: $LINE"
}

# kernel_count NAMESPACE NAME: of nstat.
kernel_count() {
	ip netns exec "$1" nstat -asz "$2" | awk -v n="$2" '$1 == n { print $2 }'
}

# grown NAMESPACE NAME BEFORE LEAST
grown() {
	local now
	now=$(kernel_count "$1" "$2")
	echo "$2: $3 -> $now"
	[ $((now - $3)) -ge "$4" ]
}

xfer_capture() {
	: >"$TMP/wire"
	: >"$TMP/wire.err"
	in_c tcpdump -nn -U -l -tt -s 128 -i up "tcp port $PORT_PEER" \
		>"$TMP/wire" 2>"$TMP/wire.err" &
	CAPTURE=$!
	poll 5 grep -q "listening on" "$TMP/wire.err" || fail "no capture"
}

captured_end() { grep -c 'Flags \[F' "$TMP/wire" | grep -qvx '[01]'; }

# What the capture shows; sets WIRE.
xfer_wire() {
	poll 5 captured_end || fail "no end of the connection was captured"
	kill "$CAPTURE"
	wait "$CAPTURE" 2>/dev/null
	WIRE=$(/usr/bin/python3 tests/e2e/fault_xfer.py wire <"$TMP/wire")
	echo "wire: $WIRE"
}

# xfer_intact VERB N: one connection, and both ends have every byte.
xfer_intact() {
	local line
	peer_run "$1" "$2" 21
	line=$(server_line "$LINE")
	echo "client: $LINE"
	echo "server: $line"
	assert_fields "$LINE" bad=- end=FIN
	assert_fields "$line" bad=- end=FIN
	case $1 in
	sink) assert_fields "$line" "rx=$2" ;;
	*) assert_fields "$LINE" "rx=$2" ;;
	esac
	assert_num injected "$(fault_count x injected)" -ge "${3:-1}"
}

# --- probes ---------------------------------------------------------------

xfer_keepalive() {
	fault_begin "x type=probe_swallow kind=$1"
	xfer_sysctls tcp_keepalive_time=1 tcp_keepalive_intvl=1 \
		tcp_keepalive_probes=2
	xfer_program keepalive "$SERVER" "$PORT_PEER" 5
	assert_fields "$LINE" "end=$2"
	assert_clean
}

# The window is shut, and its probes meet nobody.
xfer_window_probe() {
	fault_begin "z type=zero_window" "x type=probe_swallow kind=window"
	xfer_sysctls tcp_retries2=3
	peer_run sink 3000000 22
	echo "client: $LINE"
	assert_fields "$LINE" end=ETIMEDOUT
	assert_num injected "$(fault_count x injected)" -ge 3
	fault_ctl reset # the window update meets no socket
	assert_clean
}

# --- windows --------------------------------------------------------------

xfer_shrink() {
	local before
	fault_begin "x type=window_shrink by=1M hold=20ms count=6 on=byte:100000"
	before=$(kernel_count "$NS_C" TcpRetransSegs)
	wire_segments
	xfer_capture
	xfer_intact sink 4000000 2
	xfer_wire
	assert_num "edges taken back" "$(field retreats "$WIRE")" -ge 2
	assert_num "bytes of it" "$(field most "$WIRE")" -ge 30000
	grown "$NS_C" TcpRetransSegs "$before" 1 ||
		fail "what was under way was not sent again"
	assert_clean
}

# xfer_rmem [KIB]: the most that penstock offers, and so its window scale.  None:
# the default.
xfer_rmem() {
	local n
	n=$(grep -c "info: reload:" "$TMP/penstockd.log")
	sed -i '/^tcp_rmem = /d' "$TMP/penstock.conf"
	[ -z "${1:-}" ] || sed -i \
		"/^\[service e2e\]/a tcp_rmem = 4096 131072 $(($1 * 1024))" \
		"$TMP/penstock.conf"
	kill -HUP "$PENSTOCK_PID"
	poll 5 shield_reloaded "$n" || die "tcp_rmem: the reload was not taken"
}

# The kernel avoids silly windows: less than a segment leaves by its persist
# timer only.  After two seconds the window is what it should be.
xfer_silly() {
	fault_begin "x type=silly_window size=200 duration=2s"
	wire_segments
	xfer_capture
	xfer_intact sink 300000
	xfer_wire
	assert_num "small windows" "$(field small "$WIRE")" -ge 2
	assert_num "edges taken back" "$(field retreats "$WIRE")" -eq 0
	assert_num "small segments" "$(field tiny "$WIRE")" -ge 2
	assert_num "ms before one" "$(field slow_ms "$WIRE")" -ge 150
	assert_clean
}

# --- acknowledgments ------------------------------------------------------

xfer_renege() {
	local before
	fault_begin "x type=sack_renege count=2"
	before=$(kernel_count "$NS_C" TcpExtTCPSACKReneging)
	wire_segments
	xfer_intact sink 4000000
	grown "$NS_C" TcpExtTCPSACKReneging "$before" 1 ||
		fail "the kernel did not see SACK taken back"
	assert_clean
}

# The server's kernel sends, and experiences it.
xfer_renege_server() {
	local before
	fault_begin "x type=sack_renege side=server"
	before=$(kernel_count "$NS_S" TcpExtTCPSACKReneging)
	wire_segments
	xfer_intact send 4000000
	grown "$NS_S" TcpExtTCPSACKReneging "$before" 1 ||
		fail "the kernel did not see SACK taken back"
	assert_clean
}

xfer_optimistic() {
	fault_begin "x type=optimistic_ack by=$1"
	wire_segments
	xfer_intact sink 4000000 10
	assert_clean
}

# What is lost and acknowledged is never sent again.  The segment behind it is
# what makes us acknowledge, so as many bytes have been sent for sure.  It is a
# segment with data: the peer also acknowledges what it reads, and the loss of an
# ACK stops nothing.
xfer_optimistic_loss() {
	local before line
	fault_begin "x type=optimistic_ack by=2000" \
		"d type=droplist index=100 dir=from_peer on=data"
	before=$(kernel_count "$NS_C" TcpRetransSegs)
	wire_segments
	peer_run --stall-ms 3000 echo 4000000 23
	echo "client: $LINE"
	assert_fields "$LINE" end=STALLED bad=-
	assert_num "bytes read" "$(field rx "$LINE")" -lt 4000000
	assert_num "lost" "$(fault_count d injected)" -eq 1
	fault_begin "r type=end action=reset after=time:1ms sides=both scope=all"
	poll 10 no_sockets_left || fail "sockets are left"
	echo "retransmitted: $before -> $(kernel_count "$NS_C" TcpRetransSegs)"
}

# --- segments -------------------------------------------------------------

xfer_coalesce() {
	[ -z "$1" ] || fault_begin "x type=coalesce hold=$1"
	xfer_program small "$SERVER" "$PORT_PEER" 30
	assert_fields "$LINE" got=30 end=FIN
	[ -z "$1" ] || assert_num reads "$(field reads "$LINE")" -le 6
	[ -n "$1" ] || assert_num reads "$(field reads "$LINE")" -ge 10
	assert_clean
}

xfer_overlap() {
	local before
	fault_begin "x type=overlap size=100 $1"
	before=$(kernel_count "$NS_C" TcpExtTCPDSACKOldSent)
	xfer_intact send 1000000 100
	grown "$NS_C" TcpExtTCPDSACKOldSent "$before" 100 ||
		fail "the kernel saw no overlap"
	assert_clean
}

# The first copy counts for this kernel, and the second one was right.
xfer_overlap_wrong() {
	fault_begin "x type=overlap size=100 content=differ favor=new"
	peer_run send 1000000 24
	echo "client: $LINE"
	assert_fields "$LINE" rx=1000000 end=FIN
	[ "$(field bad "$LINE")" != - ] || fail "the right copy was read"
	assert_clean
}

xfer_urgent() {
	fault_begin "x type=urgent offset=1000"
	xfer_program urgent "$SERVER" "$PORT_PEER" 2000
	assert_fields "$LINE" inline=1999 signals=1
	[ "$(field byte "$LINE")" != - ] || fail "no byte by MSG_OOB"
	assert_clean
}

# --- ends -----------------------------------------------------------------

# closing NAMESPACE PORT
closing() {
	ip netns exec "$1" ss -Htan state closing \
		"( sport = :$2 or dport = :$2 )" | grep -q .
}

# xfer_closing VERB SIDE: who closes first is in CLOSING, then in TIME_WAIT.
xfer_closing() {
	local port ns=$NS_C
	[ "$2" = server ] && ns=$NS_S
	fault_begin "x type=simultaneous_close delay=2s side=$2"
	in_c "$PEER" run "$SERVER" "$PORT_PEER" >"$TMP/crossing" \
		"$1" 1000 25 &
	poll 5 closing "$ns" "$PORT_PEER" || fail "nobody was in CLOSING"
	poll 10 grep -q end=FIN "$TMP/crossing" || fail "no end"
	poll 5 no_sockets_left || fail "sockets are left"
	port=$(field local "$(cat "$TMP/crossing")")
	assert_eq "TIME_WAIT at the $2" 1 "$(time_waits "$ns" "${port##*:}")"
}

in_time_wait() { [ "$(time_waits "$KEEPER" "$1")" = 1 ]; }
not_in_time_wait() { [ "$(time_waits "$KEEPER" "$1")" = 0 ]; }
KEEPER=

# xfer_replay KIND RFC1337 STAYS: the client closes first, and is spoken to
# in TIME_WAIT.  What it answers meets no connection, and is reset.
xfer_replay() {
	local port
	KEEPER=$NS_C
	fault_begin "x type=time_wait_replay kind=$1 delay=700ms"
	xfer_sysctls "tcp_rfc1337=$2"
	xfer_capture
	peer_run sink 1000 26
	assert_fields "$LINE" end=FIN
	port=$(field local "$LINE")
	port=${port##*:}
	in_time_wait "$port" || fail "no TIME_WAIT at the client"
	poll 5 replayed "$port" || fail "nothing was replayed"
	if [ "$3" = ends ]; then
		poll 5 not_in_time_wait "$port" || fail "TIME_WAIT goes on"
		return 0
	fi
	if [ "$1" != rst ]; then # of an ACK, and of the RST that it met
		poll 5 answered "$port" || fail "no answer to it"
	fi
	in_time_wait "$port" || fail "TIME_WAIT has ended"
}

xfer_replay_server() {
	local port
	KEEPER=$NS_S
	fault_begin "x type=time_wait_replay kind=rst delay=700ms side=server"
	peer_run send 1000 29
	assert_fields "$LINE" end=FIN
	port=$(field local "$LINE")
	port=${port##*:}
	in_time_wait "$port" || fail "no TIME_WAIT at the server"
	poll 5 not_in_time_wait "$port" || fail "TIME_WAIT goes on"
}

# The packets after the client's last one of the connection, by sender.
after_the_end() {
	awk '/Flags \[F/ { n = NR }
		{ l[NR] = $0 }
		END { for (i = n + 2; i <= NR; i++) print l[i] }' "$TMP/wire" |
		grep -E "$2"
}
replayed() { after_the_end "$1" "\.$PORT_PEER > .*\.$1:" | grep -q .; }
answered() {
	after_the_end "$1" "\.$1 > .*\.$PORT_PEER: Flags \[\.\]" | grep -q . &&
		after_the_end "$1" "\.$PORT_PEER > .*\.$1: Flags \[R" |
		grep -q .
}

# --- streams --------------------------------------------------------------

xfer_corrupt() {
	fault_begin "x type=corrupt_stream offset=5000"
	peer_run send 100000 27
	echo "client: $LINE"
	assert_fields "$LINE" rx=100000 bad=5000 end=FIN
	assert_clean
}

xfer_corrupt_upstream() {
	local line
	fault_begin "x type=corrupt_stream stream=upstream offset=70000"
	peer_run sink 100000 28
	line=$(server_line "$LINE")
	echo "server: $line"
	# the first line, which the server reads by itself, is of the stream
	assert_fields "$line" rx=100000 end=FIN bad=$((70000 - 15))
	assert_clean
}

fault_xfer_cases() {
	xfer_case probe_swallow_keepalive_client_gives_up 20 \
		xfer_keepalive keepalive ETIMEDOUT
	xfer_case probe_swallow_window_keepalive_is_answered 20 \
		xfer_keepalive window ALIVE
	xfer_case probe_swallow_window_client_gives_up 30 xfer_window_probe
	xfer_case window_shrink_is_survived 30 xfer_shrink
	# by the default scale a window has steps of a whole KiB, none of them silly
	xfer_rmem 6144
	xfer_case silly_window_is_avoided 30 xfer_silly
	xfer_rmem
	xfer_case sack_renege_is_seen_and_survived 30 xfer_renege
	xfer_case sack_renege_server_sees_it 30 xfer_renege_server
	xfer_case optimistic_ack_bytes_intact 30 xfer_optimistic 1460
	xfer_case optimistic_ack_of_the_unsent_is_ignored 30 \
		xfer_optimistic 1000000000
	xfer_case optimistic_ack_and_loss_stalls 30 xfer_optimistic_loss
	xfer_case coalesce_joins_small_writes 20 xfer_coalesce 300ms
	xfer_case coalesce_not_there_small_writes_stay_so 20 xfer_coalesce ""
	xfer_case overlap_same_is_trimmed 30 xfer_overlap content=same
	xfer_case overlap_first_copy_right_bytes_intact 30 xfer_overlap \
		"content=differ favor=old"
	xfer_case overlap_first_copy_wrong_is_read 30 xfer_overlap_wrong
	xfer_case urgent_byte_is_out_of_band 20 xfer_urgent
	xfer_case simultaneous_close_client_in_closing 30 xfer_closing sink \
		client
	xfer_case simultaneous_close_server_in_closing 30 xfer_closing send \
		server
	xfer_case time_wait_replay_rst_ends_it 20 xfer_replay rst 0 ends
	xfer_case time_wait_replay_rst_rfc1337_stays 20 xfer_replay rst 1 stays
	xfer_case time_wait_replay_rst_at_server_ends_it 20 xfer_replay_server
	xfer_case time_wait_replay_data_answer_is_reset 20 \
		xfer_replay data 0 ends
	xfer_case time_wait_replay_data_rfc1337_stays 20 \
		xfer_replay data 1 stays
	xfer_case time_wait_replay_ack_rfc1337_stays 20 \
		xfer_replay ack 1 stays
	xfer_case time_wait_replay_syn_rfc1337_stays 20 \
		xfer_replay syn 1 stays
	xfer_case corrupt_stream_program_reads_it 20 xfer_corrupt
	xfer_case corrupt_stream_upstream_server_reads_it 20 \
		xfer_corrupt_upstream
}
