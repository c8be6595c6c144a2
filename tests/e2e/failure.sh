# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2153 # LINE is set by peer_run
#
# failure.sh - refused, black-holed, killed: each end learns what it would
# learn on a direct connection

failure_refused() {
	local line
	line=$(in_c "$PEER" run --connect-ms 3000 "$SERVER" "$PORT_REFUSED" \
		echo 10 1)
	assert_fields "$line" end=ECONNREFUSED
	assert_clean
}

# No SYN-ACK while the server is silent (ETIME: our own patience ended).
failure_blackhole_connect() {
	blackhole server
	peer_run --connect-ms 2500 echo 10 1
	assert_fields "$LINE" end=ETIME rx=0
	lift
	assert_clean 30
}

# later SECONDS COMMAND...: in the background; the case's end ends it.
later() {
	(
		sleep "$1"
		"${@:2}"
	) &
}

failure_blackhole_connect_recovers() {
	local line
	blackhole server
	later 1.5 lift
	peer_run --connect-ms 20000 echo 100000 2
	line=$(server_line "$LINE")
	assert_fields "$LINE" rx=100000 bad=- end=FIN
	assert_same_addresses "$LINE" "$line"
	assert_clean
}

# failure_blackhole_transfer SIDE: 2 s of silence in mid-transfer.
failure_blackhole_transfer() {
	local n=$((64 << 20)) line
	later 0.1 blackhole "$1"
	later 2 lift
	peer_run slow 800 3 # the reader's pause: the silence strikes inside
	line=$(server_line "$LINE")
	assert_fields "$LINE" bad=- tx=33554432 end=FIN
	assert_fields "$line" bad=- rx=33554432 end=FIN
	peer_run duplex "$n" 4
	assert_fields "$LINE" bad=- rx="$n" tx="$n" end=FIN
	assert_clean 20
}

# A connection whose client leaves no line (it was killed): the server's.
failure_killed_client() {
	local want=$1 port line before
	shift
	before=$(wc -l <"$TMP/peer.log")
	peer_run "$@"
	assert_eq "the killed client's line" "" "$LINE"
	poll 15 server_log_beyond "$before" ||
		fail "the server never saw the client's death"
	line=$(tail -n 1 "$TMP/peer.log")
	echo "server: $line"
	assert_fields "$line" bad=- end="$want"
	port=$(field remote "$line")
	case $port in
	"$CLIENT":* | "[$CLIENT]":*) ;;
	*) fail "the server saw $port, not $CLIENT" ;;
	esac
	assert_clean
}

server_log_beyond() {
	[ "$(wc -l <"$TMP/peer.log")" -gt "$1" ]
}

# The dead server's kernel sends what was written, then FIN: at least N.
failure_killed_sender() {
	peer_run die $((8 << 20)) 6
	echo "client: $LINE"
	assert_fields "$LINE" bad=- end=FIN
	assert_num "bytes received" "$(field rx "$LINE")" -ge $((8 << 20))
	assert_clean
}

# It had unread data, so its kernel resets.
failure_killed_receiver() {
	peer_run dierx $((8 << 20)) 7
	echo "client: $LINE"
	assert_fields "$LINE" end=RST
	assert_num "bytes sent" "$(field tx "$LINE")" -ge $((8 << 20))
	assert_clean
}

# A whole server dies with its listener while it sends: FIN or RST, and soon;
# the next client is refused.
failure_killed_server() {
	local pid out=$TMP/dying.out line
	ip netns exec "$NS_S" "$PEER" serve "$TMP/dying.log" "$PORT_DYING" &
	pid=$!
	poll 5 listening "$PORT_DYING"
	in_c "$PEER" run "$SERVER" "$PORT_DYING" rst $((256 << 20)) 8 \
		>"$out" 2>&1
	line=$(<"$out")
	assert_fields "$line" bad=- rx=$((256 << 20)) end=RST
	kill -KILL "$pid"
	wait "$pid" 2>/dev/null
	line=$(in_c "$PEER" run --connect-ms 3000 "$SERVER" "$PORT_DYING" \
		echo 1 1)
	assert_fields "$line" end=ECONNREFUSED
	assert_clean
}

failure_cases() {
	local g=$((1 << 30))
	run_case failure_refused_port_is_refused 20 failure_refused
	run_case failure_silent_server_no_answer 60 failure_blackhole_connect
	run_case failure_silent_server_returns_connects 60 \
		failure_blackhole_connect_recovers
	run_case failure_server_silent_in_transfer_recovers 60 \
		failure_blackhole_transfer server
	run_case failure_client_silent_in_transfer_recovers 60 \
		failure_blackhole_transfer client
	run_case failure_client_killed_in_download_resets_server 30 \
		failure_killed_client RST --kill-rx $((8 << 20)) send $g 5
	run_case failure_client_killed_in_upload_ends_server 30 \
		failure_killed_client FIN --kill-tx $((8 << 20)) sink $g 6
	run_case failure_server_killed_in_download_ends_client 30 \
		failure_killed_sender
	run_case failure_server_killed_in_upload_resets_client 30 \
		failure_killed_receiver
	run_case failure_server_gone_then_refused 30 failure_killed_server
}
