# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# modes.sh - the same promises under other policies: client_first, cookies,
# short patience; and the daemon's own end

modes_need_penstock() {
	penstock_on || skip "plain forwarding has no modes"
}

# modes_restart KEY=VALUE...: the gateway begins anew with other policies.
modes_restart() {
	penstock_on || return 0
	stop_penstockd
	conf_write "$TMP/penstock.conf" "$@"
	start_penstockd "$TMP/penstock.conf"
}

# client_first has answered already: the refusal comes as a RST after it.
modes_refused() {
	local line
	modes_need_penstock
	line=$(in_c "$PEER" run --connect-ms 3000 "$SERVER" "$PORT_REFUSED" \
		echo 10 1)
	case $(field end "$line") in
	# ENOTCONN: it came before the program had shut its side down
	RST | ECONNRESET | ECONNREFUSED | ENOTCONN) ;;
	*) fail "want RST: $line" ;;
	esac
	assert_clean
}

modes_transfers() {
	modes_need_penstock
	"$@"
}

# The client is silenced in mid-download and never returns: penstockd gives
# up on it and frees the server, too.
modes_client_vanishes() {
	local pid before line
	modes_need_penstock
	before=$(wc -l <"$TMP/peer.log")
	ip netns exec "$NS_C" "$PEER" run "$SERVER" "$PORT_PEER" send $((8 << 30)) 9 \
		>/dev/null 2>&1 &
	pid=$!
	poll 5 established_in "$NS_S" || fail "not connected"
	blackhole client
	kill -KILL "$pid"
	wait "$pid" 2>/dev/null
	poll 40 server_log_beyond "$before" ||
		fail "the server was never told that its client is gone"
	line=$(tail -n 1 "$TMP/peer.log")
	echo "server: $line"
	assert_fields "$line" bad=-
	[ "$(field end "$line")" != FIN ] || fail "a cut stream ended by FIN"
	lift # the client's kernel is back, with a FIN of no known flow
	assert_clean 40
}

established_in() {
	ip netns exec "$1" ss -Htan state established \
		"sport = :$PORT_PEER" | grep -q .
}

# SIGTERM in mid-transfer, with a grace too short for it: both ends are told.
modes_stop() {
	local pid before
	modes_need_penstock
	before=$(wc -l <"$TMP/peer.log")
	ip netns exec "$NS_C" "$PEER" run "$SERVER" "$PORT_PEER" \
		send $((64 << 30)) 9 >"$TMP/stop.out" 2>&1 &
	pid=$!
	poll 5 established_in "$NS_S" || fail "not connected"
	kill -TERM "$PENSTOCK_PID"
	wait "$pid"
	poll 20 server_log_beyond "$before" || fail "the server hangs"
	assert_fields "$(<"$TMP/stop.out")" bad=- end=RST
	assert_fields "$(tail -n 1 "$TMP/peer.log")" bad=- end=RST
	poll 10 penstock_gone || fail "penstockd does not stop"
}

penstock_gone() { ! penstock_alive; }

# modes_stopped EXIT-CODE: what `wait' said, and the rules' exact removal.
modes_stopped() {
	modes_need_penstock
	assert_eq "exit code of penstockd" 0 "$1"
	rules_remove "$PENSTOCK_CONF" || fail "rules remove"
	assert_eq "what the gateway had before" "$RULES_BEFORE" \
		"$(gateway_state)"
}

modes_common() {
	run_case "modes_$1_download_10MiB_is_intact" 30 modes_transfers \
		transfer_download http 10485760
	run_case "modes_$1_upload_10MiB_is_intact" 30 modes_transfers \
		transfer_upload http 10485760
	run_case "modes_$1_thousand_at_once_all_succeed" 90 modes_transfers \
		transfer_many 1000 1024
	run_case "modes_$1_refused_port_resets" 20 modes_refused
	run_case "modes_$1_client_fin_then_answer_arrives" 30 \
		modes_transfers close_pair half 1000000 1 \
		"rx=1000000 end=FIN" "rx=0 tx=1000000 end=FIN"
	run_case "modes_$1_loss_10_percent_download_is_intact" 120 \
		modes_transfers loss_transfer client 10 download 1048576
}

modes_cases() {
	modes_restart "handshake = client_first" "tcp_syncookies = 0"
	modes_common client_first
	modes_restart "handshake = client_first" "tcp_syncookies = 2"
	modes_common cookies
	modes_restart "handshake = client_first" "tcp_syncookies = 2" \
		"tcp_timestamps = 0" "tcp_sack = 0" "tcp_window_scaling = 0"
	run_case modes_bare_tcp_download_10MiB_is_intact 60 modes_transfers \
		transfer_download http 10485760
	run_case modes_bare_tcp_upload_10MiB_is_intact 60 modes_transfers \
		transfer_upload http 10485760
	modes_restart "handshake = server_first" "[penstock] workers = 2"
	run_case modes_two_workers_duplex_is_intact 60 modes_transfers \
		close_pair duplex 52428800 3 \
		"rx=52428800 tx=52428800 end=FIN" \
		"rx=52428800 tx=52428800 end=FIN"
	run_case modes_two_workers_thousand_at_once_all_succeed 90 \
		modes_transfers transfer_many 1000 1024
	modes_restart "handshake = server_first" "tcp_retries2 = 4"
	run_case modes_client_vanishes_server_is_freed 90 \
		modes_client_vanishes
	modes_restart "handshake = server_first"
	# shellcheck disable=SC2034 # case_gateway_check reads it
	EXPECT_DEATH=1
	run_case modes_sigterm_in_transfer_resets_both 40 modes_stop
	if penstock_on; then
		wait "$PENSTOCK_PID"
		run_case modes_sigterm_exit_is_clean 20 modes_stopped $?
		PENSTOCK_PID=
	fi
	unset EXPECT_DEATH
}
