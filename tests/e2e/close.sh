# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2153 # LINE is set by peer_run
#
# close.sh - how connections end: FIN as FIN, RST as RST, half-close stays
# half-closed, and nothing is left behind

# close_pair VERB N SEED CLIENT-FIELDS SERVER-FIELDS [OPTION...]
# Runs one connection; both field lists are words NAME=VALUE.
close_pair() {
	local verb=$1 n=$2 seed=$3 cf=$4 sf=$5 line
	shift 5
	peer_run "$@" "$verb" "$n" "$seed"
	line=$(server_line "$LINE")
	echo "client: $LINE"
	echo "server: $line"
	# shellcheck disable=SC2086 # words on purpose
	assert_fields "$LINE" bad=- $cf
	# shellcheck disable=SC2086 # words on purpose
	assert_fields "$line" bad=- $sf
	assert_same_addresses "$LINE" "$line"
	assert_clean
}

time_waits() {
	ip netns exec "$1" ss -Htan state time-wait \
		"( sport = :$2 or dport = :$2 )" | wc -l
}

# Who closes first keeps TIME_WAIT, as on a direct connection.
# close_time_wait VERB WHO
close_time_wait() {
	local port keeper=$NS_C other=$NS_S
	peer_run "$1" 1000 11
	assert_fields "$LINE" end=FIN
	port=$(field local "$LINE")
	port=${port##*:}
	[ "$2" = server ] && keeper=$NS_S other=$NS_C
	assert_eq "TIME_WAIT at the $2" 1 "$(time_waits "$keeper" "$port")"
	assert_eq "TIME_WAIT at the other end" 0 "$(time_waits "$other" "$port")"
	assert_clean
}

# The reader sleeps: the sender must be held back, then get through.
close_zero_window() {
	local line
	peer_run slow 1500 12
	line=$(server_line "$LINE")
	assert_fields "$LINE" bad=- tx=33554432 end=FIN
	assert_fields "$line" bad=- rx=33554432 end=FIN
	assert_clean
}

# An empty connection: the client opens and closes without a byte.
close_empty() {
	local line
	peer_run half 0 13
	line=$(server_line "$LINE")
	assert_fields "$LINE" rx=0 tx=0 end=FIN
	assert_fields "$line" rx=0 tx=0 end=FIN
	assert_clean
}

close_cases() {
	local m=10485760
	run_case close_client_fin_then_answer_arrives 30 close_pair half $m 1 \
		"rx=$m end=FIN" "rx=0 tx=$m end=FIN"
	run_case close_server_fin_first_upload_continues 30 close_pair early \
		$m 2 "rx=0 tx=$m end=FIN" "rx=$m end=FIN"
	run_case close_full_duplex_is_intact 60 close_pair duplex \
		$((20 * m)) 3 "rx=$((20 * m)) tx=$((20 * m)) end=FIN" \
		"rx=$((20 * m)) tx=$((20 * m)) end=FIN"
	run_case close_echo_is_intact 60 close_pair echo $m 4 \
		"rx=$m tx=$m end=FIN" "rx=$m tx=$m end=FIN"
	run_case close_server_first_fin_reaches_client 30 close_pair send \
		100000 5 "rx=100000 end=FIN" "tx=100000 end=FIN"
	run_case close_client_first_fin_reaches_server 30 close_pair sink \
		100000 6 "tx=100000 end=FIN" "rx=100000 end=FIN"
	run_case close_server_rst_reaches_client 30 close_pair rst \
		100000 7 "rx=100000 end=RST" "tx=100000 end=ABORTED"
	run_case close_client_rst_reaches_server 30 close_pair sink \
		100000 8 "end=ABORTED" "rx=100000 end=RST" --rst-tx 100000
	run_case close_without_data_leaves_nothing 30 close_empty
	run_case close_by_client_time_wait_at_client 30 close_time_wait sink \
		client
	run_case close_by_server_time_wait_at_server 30 close_time_wait send \
		server
	run_case close_after_zero_window_is_intact 60 close_zero_window
}
