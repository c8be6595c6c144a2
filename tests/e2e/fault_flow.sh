# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2153 # LINE is set by peer_run
#
# fault_flow.sh - the other half of fault.sh: faults of running connections, of
# their end, and of the bytes between them

# --- transfer -------------------------------------------------------------

fault_zero_window() {
	fault_begin "x type=zero_window on=byte:100000 reopen=1500ms"
	fault_bg sink 4000000
	poll 10 socket_is client "timer:\(persist" || fail "no persist timer"
	fault_bg_end
	assert_fields "$LINE" tx=4000000 end=FIN
	assert_fields "$(server_line "$LINE")" rx=4000000 bad=- end=FIN
	fault_grew client TcpExtTCPWinProbe -ge 1
}

# With one ACK for eight segments the sender hears far fewer; the segments come
# one by one, as a burst is acknowledged as one in any case.
fault_stretch_ack() {
	fault_begin "x type=stretch_ack n=8" \
		"slow type=rate rate=20mbit dir=from_peer"
	wire_segments
	fault_intact sink 500000
	fault_grew client TcpInSegs -le $((500000 / 1448 / 4))
}

# Segment by segment, so that there is a later ACK that repairs it.  Where the
# last one of a burst is lost it takes an RTO, which doubles each time that its
# answer is lost too: with one in two that may last for minutes.
fault_ack_drop() {
	fault_begin "x type=ack_drop percent=20" \
		"slow type=rate rate=20mbit dir=from_peer"
	wire_segments
	fault_intact sink 1000000
	fault_server_unharmed
}

fault_dup_ack() {
	local n
	fault_begin "x type=dup_ack n=3"
	fault_intact sink 1000000
	n=$(fault_count x injected)
	fault_grew client TcpInSegs -ge $((3 * n))
}

# fault_injected KIND COUNTER: a correct peer counts it and goes on.
fault_injected() {
	fault_begin "x type=inject kind=$1 count=3 on=byte:100000 dir=to_peer"
	fault_intact send 1000000
	[ -z "${2:-}" ] || fault_grew client "$2" -ge 1
}

fault_injected_rst() {
	local line
	fault_begin "x type=inject kind=rst-exact on=byte:100000 dir=to_peer"
	peer_run send 10000000 5
	echo "$LINE"
	assert_fields "$LINE" bad=- end=RST
	fault_grew client TcpEstabResets -ge 1
	line=$(server_line "$LINE")
	assert_fields "$line" bad=-
	assert_clean 20
}

fault_transfer_cases() {
	local m=1048576
	fault_case fault_zero_window_peer_probes_then_goes_on 30 \
		fault_zero_window
	fault_case fault_ack_delay_slows_the_start 30 fault_slow \
		"x type=ack_delay time=100ms" sink $m 300
	fault_case fault_ack_drop_is_repaired 30 fault_ack_drop
	fault_case fault_stretch_ack_client_hears_few 30 fault_stretch_ack
	fault_case fault_dup_ack_client_hears_more 30 fault_dup_ack
	fault_case fault_tiny_segments_come_as_such 30 fault_counted \
		"x type=tiny_segments size=100" send 50000 client \
		TcpInSegs -ge 500
	fault_case fault_inject_rst_exact_resets 30 fault_injected_rst
	fault_case fault_inject_rst_in_window_is_challenged 30 fault_injected \
		rst-inwindow TcpExtTCPChallengeACK
	fault_case fault_inject_syn_in_window_is_challenged 30 fault_injected \
		syn-inwindow TcpExtTCPSYNChallenge
	fault_case fault_inject_old_timestamp_is_dropped 30 fault_injected \
		paws-old TcpExtPAWSEstab
	fault_case fault_inject_bad_checksum_is_dropped 30 fault_injected \
		badsum TcpInCsumErrors
	for m in ack-old ack-future data-oow null; do
		fault_case "fault_inject_${m//-/_}_does_no_harm" 30 \
			fault_injected $m
	done
}

# --- close ----------------------------------------------------------------

fault_reset_after_bytes() {
	local n=1048576 rc
	fault_begin "x type=end action=reset after=byte:50000"
	data_file $n >/dev/null
	fault_curl 10 $n 2>"$TMP/curl.err"
	rc=$?
	cat "$TMP/curl.err"
	assert_eq "curl's exit code (56: failure in receiving)" 56 $rc
	grep -q "reset by peer" "$TMP/curl.err" || fail "no ECONNRESET"
	injected -eq 1
	peer_run send $n 5
	assert_fields "$LINE" bad=- rx=50000 end=RST
	assert_fields "$(server_line "$LINE")" bad=- end=FIN
	assert_clean 20
}

# fault_ended LINE SERVER-END: the client's stream ends after 1000 bytes.
fault_ended() {
	fault_begin "$1"
	peer_run send 200000 5
	echo "$LINE"
	assert_fields "$LINE" bad=- rx=1000 end=FIN
	assert_fields "$(server_line "$LINE")" bad=- end="$2"
	injected -ge 1
	assert_clean 20
}

# Our FIN is late: the client, which closed first, waits in FIN-WAIT-2.
fault_fin_wait_2() {
	fault_begin "$1"
	fault_bg sink 1000
	poll 10 socket_is client "FIN-WAIT-2" || fail "no FIN-WAIT-2"
	[ "$2" != stays ] || fault_ctl del x
	fault_bg_end
	assert_fields "$LINE" end=FIN
	assert_fields "$(server_line "$LINE")" rx=1000 bad=- end=FIN
	assert_clean
}

fault_last_ack() {
	fault_begin "x type=last_ack_drop"
	peer_run send 1000 5
	assert_fields "$LINE" rx=1000 end=FIN
	poll 10 socket_is client "LAST-ACK" || fail "no LAST-ACK"
	poll 10 fault_has_grown client TcpRetransSegs 2 ||
		fail "its FIN is not retransmitted"
	assert_fields "$(server_line "$LINE")" tx=1000 bad=- end=FIN
	fault_ctl del x
	assert_clean 20
}

fault_vanish_rst() {
	fault_begin "x type=end action=vanish after=byte:50000 then=rst"
	peer_run duplex 100000000 5
	echo "$LINE"
	case $(field end "$LINE") in
	RST | EPIPE) ;;
	*) fail "want a reset" ;;
	esac
	injected -ge 1
	fault_ctl reset
}

# The server reads nothing: the client has no data in flight, and probes a
# window that stays closed.  Then nobody answers its probes any more.
fault_vanish_while_probed() {
	fault_begin
	fault_bg slow 600000
	poll 20 socket_is client "timer:\(persist.* backoff:[3-9]" ||
		fail "no window that stays closed: $(in_c ss -tanoi)"
	fault_few_retries 2
	trap 'fault_few_retries 15' EXIT
	fault_nstat "$NS_C" >"$TMP/nstat.client"
	fault_ctl add x type=end action=vanish then=silence scope=all
	fault_bg_end
	assert_fields "$LINE" end=ETIMEDOUT
	fault_grew client TcpExtTCPTimeouts -eq 0
	fault_grew client TcpExtTCPWinProbe -ge 2
	fault_grew client TcpExtTCPAbortOnTimeout -eq 1
	fault_ctl reset
	# It never reads, and nobody tells it.
	kill -KILL "$(in_s ss -Htnp state established "sport = :$PORT_PEER" |
		grep -o 'pid=[0-9]*' | cut -d= -f2)"
	assert_clean 20
}

fault_close_cases() {
	fault_case fault_reset_peer_after_bytes_gives_econnreset 30 \
		fault_reset_after_bytes
	fault_case fault_fin_ends_the_stream_early 30 fault_ended \
		"x type=end action=fin stream=downstream after=byte:1000" FIN
	fault_case fault_slow_close_leaves_fin_wait_2_for_a_while 30 \
		fault_fin_wait_2 "x type=slow_close delay=1s" ends
	fault_case fault_half_close_stall_until_it_is_removed 30 \
		fault_fin_wait_2 "x type=half_close_stall" stays
	fault_case fault_fin_drop_peer_repeats_its_fin 30 fault_counted \
		"x type=fin_drop count=1 dir=from_peer" sink 1000 client \
		TcpRetransSegs -ge 1
	fault_case fault_last_ack_drop_leaves_last_ack 30 fault_last_ack
	fault_case fault_vanish_then_rst 30 fault_vanish_rst
	fault_case fault_vanish_then_silence_peer_gives_up 40 fault_gives_up \
		"x type=end action=vanish after=byte:50000 then=silence"
	fault_case fault_vanish_while_probed_peer_gives_up 40 \
		fault_vanish_while_probed
}

# --- stream ---------------------------------------------------------------

fault_timeout() {
	local t0
	fault_begin "x type=timeout timeout=500"
	t0=${EPOCHREALTIME/./}
	peer_run send 1000 5
	assert_num milliseconds "$(elapsed_since "$t0")" -ge 450
	assert_fields "$LINE" rx=0 end=RST
	assert_fields "$(server_line "$LINE")" end=RST
	assert_clean 20
}

# Of 101 connections one is cut; the others are whole.
fault_one_of_many() {
	local out n
	fault_begin "x type=end action=reset after=byte:5000 conn=41"
	out=$(for n in {1..101}; do echo "$n"; done |
		in_c xargs -P 8 -I{} "$PEER" run "$SERVER" "$PORT_PEER" send \
			20000 {})
	grep -v ' rx=20000 .* bad=- end=FIN' <<<"$out"
	assert_eq "connections" 101 "$(fault_count x conns)"
	assert_eq "whole" 100 "$(grep -c ' rx=20000 .* bad=- end=FIN' <<<"$out")"
	assert_eq "cut" 1 "$(grep -c ' rx=5000 .* bad=- end=RST' <<<"$out")"
}

fault_stream_cases() {
	fault_case fault_latency_download_is_late_and_intact 30 fault_slow \
		"x type=latency latency=300" send 10000 300
	fault_case fault_bandwidth_takes_its_time 30 fault_slow \
		"x type=bandwidth rate=200" send 200000 800
	fault_case fault_slicer_makes_many_segments 30 fault_counted \
		"x type=slicer average_size=500 size_variation=0 delay=1ms" \
		send 50000 client TcpInSegs -ge 50
	fault_case fault_limit_data_ends_the_stream 30 fault_ended \
		"x type=end action=fin after=byte:1000" FIN
	fault_case fault_timeout_resets_both_without_data 30 fault_timeout
	fault_case fault_of_one_connection_spares_the_others 30 \
		fault_one_of_many
}

fault_cases() {
	fault_segment_cases
	fault_handshake_cases
	fault_transfer_cases
	fault_close_cases
	fault_stream_cases
}
