# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# idle.sh - a connection that says nothing for long still works.  It idles
# behind the other cases: begun first, judged last.

: "${IDLE_SECONDS:=70}" # longer than tcp_fin_timeout and TIME_WAIT
IDLE_PID=

idle_cases() {
	ip netns exec "$NS_C" "$PEER" idle "$SERVER" "$PORT_IDLE" "$IDLE_SECONDS" 77 \
		>"$TMP/idle.out" 2>&1 </dev/null &
	IDLE_PID=$!
	lib_own_pid "$IDLE_PID"
	# shellcheck disable=SC2034 # no_flows_left reads it
	IDLE_FLOWS=1
}

idle_over() { pid_gone "$IDLE_PID"; }

idle_verdict() {
	local line
	poll $((IDLE_SECONDS + 20)) idle_over || fail "it never came back"
	line=$(<"$TMP/idle.out")
	assert_fields "$line" rx=2000 tx=2000 end=FIN
	assert_same_addresses "$line" "$(server_line "$line")"
	assert_clean
}

# Called when the family's other cases are through.
idle_end() {
	[ -n "$IDLE_PID" ] || return 0
	# shellcheck disable=SC2034
	IDLE_FLOWS=0
	# its packets may have passed while the other cases ran
	TRAFFIC_EARLIER=1 run_case "idle_${IDLE_SECONDS}s_then_data_arrives" \
		$((IDLE_SECONDS + 30)) idle_verdict
	IDLE_PID=
}
