# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# paths.sh - what a connection leaves for the next one to the same host: as
# much, and in the same cases, as the kernels at both ends leave for themselves
# (`ip tcp_metrics').

paths_ctl() { "$PENSTOCKCTL" -S "$TMP/control.sock" "$@"; }

paths_begin() {
	penstock_on || skip "plain forwarding remembers nothing"
	paths_ctl paths flush
	in_c ip tcp_metrics flush 2>/dev/null
	in_s ip tcp_metrics flush 2>/dev/null
}

# paths_known ADDRESS FIELD: the path memory has it.
paths_known() {
	paths_ctl -j paths "$1" | jq -e ".[0].$2 > 0" >/dev/null
}

# The kernel of that namespace knows a round trip to that address.
paths_kernel_knows() {
	ip netns exec "$1" ip tcp_metrics show "$2" 2>/dev/null | grep -q rtt
}

paths_all_know() {
	paths_known "$CLIENT" rtt_us && paths_known "$SERVER" rtt_us &&
		paths_kernel_knows "$NS_C" "$SERVER" &&
		paths_kernel_knows "$NS_S" "$CLIENT"
}

paths_tell() {
	paths_ctl paths
	in_c ip tcp_metrics show
	in_s ip tcp_metrics show
}

# Nobody remembers the other end.
paths_none_know() {
	paths_tell
	assert_eq "path memory" "[]" "$(paths_ctl -j paths | jq -c .)"
	paths_kernel_knows "$NS_C" "$SERVER" && fail "the client knows the server"
	paths_kernel_knows "$NS_S" "$CLIENT" && fail "the server knows the client"
	return 0
}

paths_closed() {
	paths_begin
	peer_run send 200000 5
	assert_fields "$LINE" rx=200000 end=FIN
	poll 10 paths_all_know || {
		paths_tell
		fail "somebody has learnt nothing"
	}
	paths_known "$CLIENT" cwnd || fail "no window"
	paths_ctl paths "$CLIENT" | grep -q "^$CLIENT age [0-9]*s rtt [0-9.]*ms " ||
		fail "$(paths_ctl paths "$CLIENT")"
	paths_ctl paths del "$CLIENT"
	paths_known "$CLIENT" rtt_us && fail "still there"
	paths_known "$SERVER" rtt_us || fail "gone as well"
	assert_clean
}

# The server resets in mid-stream.
paths_reset() {
	paths_begin
	peer_run rst 200000 5
	assert_clean
	paths_none_know
}

paths_not_saved() {
	paths_begin
	in_c sysctl -qw net.ipv4.tcp_no_metrics_save=1
	in_s sysctl -qw net.ipv4.tcp_no_metrics_save=1
	conf_write "$TMP/penstock.conf" "handshake = server_first" \
		"tcp_fastopen = 3" "tcp_no_metrics_save = 1"
	paths_ctl reload || fail "reload"
	peer_run send 200000 5
	assert_clean
	paths_none_know
}

paths_saved_again() {
	in_c sysctl -qw net.ipv4.tcp_no_metrics_save=0
	in_s sysctl -qw net.ipv4.tcp_no_metrics_save=0
	conf_write "$TMP/penstock.conf" "handshake = server_first" \
		"tcp_fastopen = 3"
	paths_ctl reload
}

# "Too big" messages that the gateway's kernel has sent.
paths_too_bigs() {
	in_g nstat -asz IcmpOutDestUnreachs Icmp6OutPktTooBigs |
		awk '/^Icmp/{ n += $2 } END { print n + 0 }'
}

# The second connection needs no message to know that the path is narrow.
paths_mtu() {
	local first
	paths_begin
	route_mtu 1280
	peer_run send 1000000 5
	assert_fields "$LINE" rx=1000000 end=FIN
	assert_clean
	poll 10 paths_known "$CLIENT" mtu || fail "$(paths_ctl paths)"
	assert_eq "MTU" 1280 "$(paths_ctl -j paths "$CLIENT" | jq '.[0].mtu')"
	first=$(paths_too_bigs)
	peer_run send 1000000 5
	assert_fields "$LINE" rx=1000000 end=FIN
	assert_eq "too big messages of the second connection" 0 \
		"$(($(paths_too_bigs) - first))"
	assert_clean
}

paths_cases() {
	run_case paths_connection_closed_in_order_is_remembered 30 paths_closed
	run_case paths_connection_reset_is_not 30 paths_reset
	run_case paths_mtu_of_the_first_serves_the_second 30 paths_mtu
	run_case paths_no_metrics_save_leaves_nothing 30 paths_not_saved
	penstock_on && paths_saved_again >/dev/null
}
