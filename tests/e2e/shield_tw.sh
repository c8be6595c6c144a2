# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# shield_tw.sh - TIME_WAIT: what ends it, what reopens it, what stays out
#
# shield.sh has the helpers.  With PENSTOCK=off the server's kernel, which has
# closed first, is what a case is tried on.

# tw WANT... -- CASE ARG...: a case of rawtcp.py on the HTTP port.
tw() {
	local want=()
	while [ "$1" != -- ]; do
		want+=("$1")
		shift
	done
	# shellcheck disable=SC2086 # two words
	raw "$2" $RAW_HTTP "${@:3}"
	assert_fields "$LINE" "${want[@]}"
}

tw_only() {
	shield_only
	tw "$@"
	[ -z "${TW_COUNTED:-}" ] || assert_counted "$TW_COUNTED"
}

# tcp_tw_recycle, and the warning that it deserves.
tw_recycled() {
	tw_only "$@"
	grep -q "warn: .*tcp_tw_recycle" "$TMP/penstockd.log" ||
		fail "no warning at start"
}

# The 4-tuple again: answered at the first SYN, above the old sequence space,
# and no byte of the old connection gets into the new one: nginx would not
# take "OLDGET" for a request.
tw_reopened() {
	tw second=SA bytes=1 end=FIN "$@"
	[ -z "${TW_ABOVE:-}" ] || assert_fields "$LINE" above=1
	# a SYN or SYN-ACK that was lost costs a second
	assert_num "ms until the SYN-ACK" "$(field ms "$LINE")" -lt 950
}

# tw_server_holds: few 4-tuples over and over; the server's kernel holds
# each in TIME_WAIT.  No connection may wait for a SYN's retransmission.
tw_server_holds() {
	local out n
	out=$(in_c "$TOOLS/shortconn" -a "$CLIENT" -c 8 -w 200 -t 5 -x 1024 \
		"$SERVER" "$PORT_HTTP" /keep/f1024)
	echo "$out"
	n=$(jq .connections <<<"$out")
	assert_num "connections on 200 4-tuples" "$n" -gt 220
	assert_eq errors 0 "$(jq .errors <<<"$out")"
	assert_eq "stalls of a second" 0 "$(jq .stalls <<<"$out")"
	assert_num "4-tuples that the server held" \
		"$(in_s ss -Htan state time-wait "sport = :$PORT_HTTP" |
			grep -c "$CLIENT")" -gt 50
}

# tw_strangers RFC1337: nothing stands in the path; the client's own kernel
# leaves 2000 4-tuples in TIME_WAIT at the server.  Between cases.
tw_strangers() {
	stop_penstockd
	in_s sysctl -qw net.ipv4.tcp_rfc1337=0
	in_c "$TOOLS/shortconn" -a "$CLIENT" -c 32 -w 2000 -t 1 -x 1024 \
		"$SERVER" "$PORT_HTTP" /keep/f1024 >"$TMP/direct.json"
	in_s sysctl -qw net.ipv4.tcp_rfc1337="$1"
}

# Then penstock comes, and dials into each of them: numbers of another stack
# than its own.  They may not wait for a SYN's retransmission.  Of the thousands
# that follow, one in a thousand may, as a busy machine loses a packet now and
# then; when the dial stalls, it is nearly every one.
tw_after_strangers() {
	local out
	echo "direct: $(<"$TMP/direct.json")"
	assert_num "4-tuples that the server held" \
		"$(in_s ss -Htan state time-wait "sport = :$PORT_HTTP" |
			grep -c "$CLIENT")" -gt 100
	out=$(in_c "$TOOLS/shortconn" -a "$CLIENT" -c 32 -w 2000 -t 2 -x 1024 \
		"$SERVER" "$PORT_HTTP" /keep/f1024)
	echo "then:   $out"
	assert_num connections "$(jq .connections <<<"$out")" -gt 100
	assert_num "errors and stalls of a second, in a thousand" \
		"$(jq '(.errors + .stalls) * 1000 / .connections | floor' \
			<<<"$out")" -le 1
}

# tw_reuse LOW HIGH ARG...: the client closes first, so we hold TIME_WAIT
# towards the server: the same 4-tuple is answered LOW ms after the FIN at the
# earliest, and HIGH ms after its SYN at the latest.
tw_reuse() {
	shield_only
	# shellcheck disable=SC2086
	raw tw_client_closes $RAW_HTTP "${@:3}"
	assert_fields "$LINE" second=SA
	assert_num "ms from the FIN to the SYN-ACK" \
		"$(field since "$LINE")" -ge "$1"
	assert_num "ms until the SYN-ACK" "$(field ms "$LINE")" -le "$2"
}

shield_tw_cases() {
	local cf="handshake = client_first" sf="handshake = server_first"
	local calm="tcp_syncookies = 0" rfc1337
	data_file 1024 >/dev/null
	shield_conf "$cf" "$calm" "tcp_rfc1337 = 1"
	TW_ABOVE=1 run_case tw_newer_syn_reopens_above 20 \
		tw_reopened -- tw_reopen
	TW_ABOVE=1 run_case tw_newer_syn_without_timestamps_reopens 20 \
		tw_reopened -- tw_reopen ts=0
	TW_ABOVE=1 run_case tw_older_seq_newer_timestamp_reopens 20 \
		tw_reopened -- tw_reopen seq=older
	run_case tw_older_syn_is_answered_by_ack 20 \
		tw second=A -- tw_reopen seq=older dts=-50
	run_case tw_older_syn_without_timestamps_is_answered_by_ack 20 \
		tw second=A -- tw_reopen seq=older ts=0
	run_case tw_rfc1337_1_rst_leaves_it 20 tw answer=A -- tw_rst
	run_case tw_recycle_0_two_hosts_behind_nat 20 \
		tw second=SA -- nat
	run_case tw_server_holds_tuple_connects_at_first_syn 20 tw_server_holds
	shield_conf "$sf"
	TW_ABOVE=1 run_case tw_server_first_newer_syn_reopens_above 20 \
		tw_reopened -- tw_reopen
	run_case tw_server_first_holds_tuple_connects_at_first_syn 20 \
		tw_server_holds
	for rfc1337 in 0 1; do
		tw_strangers "$rfc1337"
		shield_conf "$cf"
		run_case "tw_strangers_time_wait_rfc1337_$rfc1337" 30 \
			tw_after_strangers
	done
	in_s sysctl -qw net.ipv4.tcp_rfc1337=0
	shield_conf "$cf" "tcp_syncookies = 2"
	run_case tw_cookie_newer_syn_reopens 20 tw_reopened -- tw_reopen
	shield_conf "$cf" "$calm" "tcp_rfc1337 = 0"
	run_case tw_rfc1337_0_rst_ends_it 20 tw answer=R -- tw_rst
	shield_conf "$cf" "$calm" "tcp_timewait_len = 1s" \
		"tcp_invalid_ratelimit = 0"
	run_case tw_len_1_repeated_fin_begins_anew_then_ends 20 \
		tw_only answers=A,A,R -- tw_fin after=0.7,0.5,1.5
	shield_conf "$cf" "$calm" "[tcp] tcp_max_tw_buckets = 2"
	TW_COUNTED=TcpExtTCPTimeWaitOverflow \
	run_case tw_max_buckets_destroy_keeps_the_oldest 20 \
		tw_only answers=A,A,R,R -- tw_fill n=4
	shield_conf "$cf" "$calm" "[tcp] tcp_max_tw_buckets = 2" \
		"tw_overflow = evict_oldest"
	run_case tw_max_buckets_evict_keeps_the_newest 20 \
		tw_only answers=R,R,A,A -- tw_fill n=4
	shield_conf "$cf" "$calm" "max_time_wait = 2"
	run_case tw_max_time_wait_bounds_the_service 20 \
		tw_only answers=A,A,R,R -- tw_fill n=4
	shield_conf "$cf" "$calm" "tcp_tw_recycle = 1"
	TW_COUNTED=TcpExtPAWSPassive \
	run_case tw_recycle_1_shuts_out_the_second_host_behind_nat 20 \
		tw_recycled second=none -- nat
	shield_conf "$sf" "tcp_tw_reuse = 0" "tcp_timewait_len = 2s"
	run_case tw_reuse_0_waits_for_the_end 20 tw_reuse 1990 5000
	shield_conf "$sf" "tcp_tw_reuse = 1"
	run_case tw_reuse_1_waits_for_the_delay 20 tw_reuse 990 3000
	shield_conf "$sf" "tcp_tw_reuse = 1" "tcp_tw_reuse_delay = 1"
	run_case tw_reuse_1_short_delay_is_at_once 20 tw_reuse 0 950
	shield_conf "$sf" "tcp_tw_reuse = 1" "tcp_tw_reuse_delay = 1" \
		"tcp_timestamps = 0" "tcp_timewait_len = 2s"
	run_case tw_reuse_1_without_timestamps_waits 20 tw_reuse 1990 5000
	shield_conf "$sf" "tcp_tw_reuse = 2" "tcp_timewait_len = 2s"
	run_case tw_reuse_2_not_on_loopback_waits 20 tw_reuse 1990 5000
}
