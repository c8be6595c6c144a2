# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# why.sh - `penstockctl why' names what limits a connection between real
# kernels.  The verdict is about shares of time within one connection, so a slow
# machine changes none of them.  A case ends as soon as the verdict has come.

# why_ctl WORD...: penstockctl, by the running daemon's socket.
why_ctl() { "$PENSTOCKCTL" -S "$TMP/control.sock" "$@"; }

# The verdict about the connection of this case: an object of JSON.
why_ask() { why_ctl -j why "$WHY_FLOW" | jq -c '.[0]'; }

# why_says LIMIT SIDE: that is the verdict, for most of a second at least.
why_says() {
	why_ask | jq -e --arg limit "$1" --arg side "$2" '.limit == $limit and
		.side == $side and .percent >= 60 and .total_ms >= 1000'
} >/dev/null

# why_counts FIELD: it is not 0.
why_counts() { why_ask | jq -e ".$1 > 0"; } >/dev/null

# why_connect SERVER-MODE CLIENT-MODE [rcvbuf=N]: begin; both have that buffer.
why_connect() {
	ip netns exec "$NS_S" /usr/bin/python3 tests/e2e/why.py serve \
		"$PORT_DYING" "$1" "${@:3}" &
	WHY_SERVER=$!
	poll 5 listening "$PORT_DYING" || fail "no server"
	: >"$TMP/why.out" # the last one's must not be taken for ours
	ip netns exec "$NS_C" /usr/bin/python3 tests/e2e/why.py connect \
		"$SERVER" "$PORT_DYING" "$2" "${@:3}" >"$TMP/why.out" &
	WHY_CLIENT=$!
	poll 10 grep -q local= "$TMP/why.out" || fail "no connection"
	WHY_FLOW=$CLIENT:$(field local "$(<"$TMP/why.out")")
	[ "$FAMILY" = 4 ] ||
		WHY_FLOW="[$CLIENT]:$(field local "$(<"$TMP/why.out")")"
}

why_end() {
	kill -KILL "$WHY_SERVER" "$WHY_CLIENT" 2>/dev/null
	wait "$WHY_SERVER" "$WHY_CLIENT" 2>/dev/null
	lift
	assert_clean 20
}

# why_is LIMIT SIDE SERVER-MODE CLIENT-MODE [rcvbuf=N]
why_is() {
	penstock_on || skip "nobody to ask"
	why_connect "${@:3}"
	poll 15 why_says "$1" "$2" || fail "want $1 of $2, got $(why_ask)"
	why_ctl why "$WHY_FLOW"
}

why_case() {
	why_is "$@"
	why_end
}

# why_lossy SIDE LIMIT WHOSE COUNT: the server sends, and that side's path
# loses, which COUNT tells of.
why_lossy() {
	penstock_on || skip "nobody to ask"
	wire_segments
	loss "$1" 10
	why_is "$2" "$3" flood drink
	poll 15 why_counts "$4" || fail "no $4: $(why_ask)"
	why_end
}

# why_reload NAME: the congestion control of the connections from now on.  What
# loss costs CUBIC depends on the path alone; BBR goes on sending, and then the
# machine's speed decides what limits it.
why_reload() {
	local n conf=$TMP/penstock.conf
	penstock_on || return 0
	n=$(grep -c "info: reload:" "$TMP/penstockd.log")
	sed -i '/^tcp_congestion_control = /d' "$conf"
	sed -i "/^\[service e2e\]/a tcp_congestion_control = $1" "$conf"
	kill -HUP "$PENSTOCK_PID"
	poll 5 shield_reloaded "$n" || die "why: the reload was not taken"
}

# Faults are of penstock's own doing; one of the segments only makes the path
# longer.
why_faulty() {
	penstock_on || skip "nobody to ask"
	fault_begin "x type=$1"
	why_case "${@:2}"
}

# The times add up to how long the connection has been there, and the metrics
# of the service tell of them.
why_adds_up() {
	local before
	penstock_on || skip "nobody to ask"
	before=$(why_seconds ClientAppLimited ClientIdle)
	why_connect drip drink
	poll 10 why_says app server || fail "got $(why_ask)"
	poll 20 why_counted "$before" || fail "nothing in the metrics"
	why_ask | jq -e '.total_ms == (.client_leg | .idle_ms + .app_ms +
		.rwnd_ms + .cwnd_ms + .pacing_ms + .buffer_ms)' >/dev/null ||
		fail "the times do not add up: $(why_ask)"
	why_ctl flows | grep -F " $WHY_FLOW -> " | grep -q 'client([A-Z_]* .*idle_ms=' ||
		fail "flows: $(why_ctl flows)"
	why_end
}

# why_seconds NAME...: the sum of these metrics of the service
why_seconds() {
	local n sum=0
	for n in "$@"; do
		sum=$((sum + $(why_ctl nstat -z | awk -v n="${n}Seconds@e2e" \
			'$1 == n { print $2 }')))
	done
	echo "$sum"
}

# why_counted BEFORE: it has grown by more than a second, the unit.
why_counted() {
	[ "$(why_seconds ClientAppLimited ClientIdle)" -gt $(($1 + 1)) ]
}

why_refuses() {
	penstock_on || skip "nobody to ask"
	why_ctl why 1.2.3.4:nine 2>"$TMP/why.err" &&
		fail "a bad filter was taken"
	grep -q 'filter "1.2.3.4:nine": a service, ADDRESS' "$TMP/why.err" ||
		fail "$(<"$TMP/why.err")"
	assert_eq "connections of a stranger" "[]" \
		"$(why_ctl -j why 192.0.2.77 | jq -c .)"
}

why_cases() {
	run_case why_slow_writer_server 30 why_case app server drip drink
	run_case why_slow_writer_client 30 why_case app client drink drip
	run_case why_slow_reader_client 30 why_case rwnd client flood sip \
		rcvbuf=8192
	run_case why_slow_reader_server 30 why_case rwnd server sip flood \
		rcvbuf=8192
	fault_case why_small_window_of_a_long_path 30 why_faulty \
		"delay time=50ms side=client dir=from_peer" rwnd client flood \
		drink rcvbuf=8192
	why_reload cubic
	run_case why_loss_towards_the_client 30 why_lossy client cwnd client \
		client_leg.resent
	run_case why_loss_on_the_servers_path 30 why_lossy server app server \
		server_leg.hole_ms
	why_reload host
	fault_case why_bandwidth_of_a_fault 30 why_faulty \
		"bandwidth rate=100" buffer penstock flood drink
	run_case why_times_add_up 30 why_adds_up
	TRAFFIC_EARLIER=1 run_case why_bad_filter_is_refused 10 why_refuses
}
