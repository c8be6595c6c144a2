# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# shield_limits.sh - rates, lists, tables that are full, floods of all kinds
#
# shield.sh has the helpers.

# limits WANT... -- CASE ARG...: a case of rawtcp.py on the HTTP port.
limits() {
	shield_only
	tw "$@"
}

limits_rate() {
	shield_only
	# shellcheck disable=SC2086 # two words
	raw burst $RAW_HTTP n=20 src=10.4.4.4 ack=1
	assert_num "within the burst" "$(field ok "$LINE")" -ge 5
	assert_num "above the burst" "$(field ok "$LINE")" -le 9
	assert_fields "$LINE" refused=0
	# shellcheck disable=SC2086
	raw burst $RAW_HTTP n=5 src=10.4.4.5 ack=1
	assert_fields "$LINE" ok=5
	assert_counted RateLimited 10
}

# Neighbours of one /24 share a bucket when the key says so.
limits_rate_prefix() {
	shield_only
	# shellcheck disable=SC2086
	raw burst $RAW_HTTP n=5 src=10.4.4.4 ack=1
	assert_fields "$LINE" ok=5
	# shellcheck disable=SC2086
	raw burst $RAW_HTTP n=3 src=10.4.4.200
	assert_fields "$LINE" ok=0 silent=3
	# shellcheck disable=SC2086
	raw burst $RAW_HTTP n=3 src=10.4.5.4 ack=1
	assert_fields "$LINE" ok=3
}

# SYNs in somebody's name cost him nothing: only who has answered counts.
limits_rate_spoofed() {
	shield_only
	# shellcheck disable=SC2086
	raw burst $RAW_HTTP n=40 src=10.4.6.4
	assert_fields "$LINE" ok=40
	# shellcheck disable=SC2086
	raw burst $RAW_HTTP n=3 src=10.4.6.4 ack=1
	assert_fields "$LINE" ok=3
}

# A client that brought a cookie back is beyond the limits for a while.
limits_validated() {
	shield_only
	# shellcheck disable=SC2086
	raw burst $RAW_HTTP n=20 src=10.4.4.4 ack=1
	assert_fields "$LINE" ok=20
	local i
	for i in 5 6 7; do # his neighbours, one bucket with him
		# shellcheck disable=SC2086
		raw burst $RAW_HTTP n=1 src=10.4.4.$i ack=1
	done
	# shellcheck disable=SC2086
	raw burst $RAW_HTTP n=5 src=10.4.4.4
	assert_fields "$LINE" ok=5
	# shellcheck disable=SC2086
	raw burst $RAW_HTTP n=5 src=10.4.4.8
	assert_fields "$LINE" ok=0
	# validated_for has an end
	poll 10 limits_silent 10.4.4.4 || fail "still beyond the limits"
}

# limits_silent ADDRESS: a SYN of it has no answer.
limits_silent() {
	# shellcheck disable=SC2086
	raw burst $RAW_HTTP n=1 src="$1"
	[ "$(field silent "$LINE")" = 1 ]
}

limits_deny() {
	shield_only
	limits answer=none -- syn src=10.9.1.1 wait=0.3
	assert_counted Denied
	limits answer=SA -- syn src=10.9.8.1
	limits answer=SA -- syn src=10.8.1.1
	printf '%s\n' "# a list" "$(raw_net 10.8.0.0/16)" >"$TMP/deny.list"
	shield_reload "handshake = client_first" "deny = @$TMP/deny.list"
	limits answer=SA -- syn src=10.9.1.1
	limits answer=none -- syn src=10.8.1.1 wait=0.3
	printf '%s\n' "$(raw_net 10.8.0.0/33)" >"$TMP/deny.list"
	kill -HUP "$PENSTOCK_PID"
	poll 5 grep -q "nothing was changed" "$TMP/penstockd.log" ||
		fail "a bad list was taken"
	limits answer=none -- syn src=10.8.1.1 wait=0.3
}

limits_status() { "$PENSTOCKCTL" -j -c "$PENSTOCK_CONF" status | jq -r "$1"; }

limits_log_has() { grep -q "$1" "$TMP/penstockd.log"; }

# A flood of cookies and a source that is denied: the log says once that it
# begins and once that it is over, and meanwhile status and metrics have it.
limits_attack() {
	local pid src=10.9.1.1
	[ "$FAMILY" = 4 ] || src=2001:db8:77::/64 # whose hosts count as one
	shield_only
	http_ok 3 || fail "no page before"
	assert_eq "before" 0/0 \
		"$(counter under_attack)/$(limits_status '.attacks | length')"
	in_c "$TOOLS/synflood" -i up -d "$SERVER" -p "$PORT_HTTP" -r 2000 \
		-n 20000 -t 10 >"$TMP/flood.out" &
	pid=$!
	lib_own_pid $pid
	# shellcheck disable=SC2086
	raw burst $RAW_HTTP n=20 src=10.9.1.1 wait=0.1
	assert_fields "$LINE" ok=0
	poll 8 limits_log_has "^warn: attack on e2e begins: " ||
		fail "the log has no word of it"
	assert_eq "in the metrics" 1 "$(counter under_attack)"
	limits_status '.attacks, .refused_sources'
	assert_eq "in the status" e2e "$(limits_status '.attacks[0].service')"
	assert_num "rate" "$(limits_status '.attacks[0].rate')" -gt 0
	assert_eq "the source" false "$(limits_status \
		'.refused_sources[] | select(.source == "'$src'") | .proven')"
	assert_eq "spoofed sources that are proven" 0 "$(limits_status \
		'[.refused_sources[] | select(.proven)] | length')"
	wait $pid
	poll 25 limits_log_has "^warn: attack on e2e is over after [0-9]* s: " ||
		fail "the log does not say that it is over"
	grep "attack on" "$TMP/penstockd.log"
	assert_eq "lines" 2 "$(grep -c "attack on" "$TMP/penstockd.log")"
	assert_eq "after" 0/0/1 "$(counter under_attack)/$(limits_status \
		'.attacks | length')/$(counter Attacks)"
}

limits_allow() {
	limits answer=SA -- syn src=10.9.1.1
	limits answer=none -- syn src=10.9.1.2 wait=0.3
	limits answer=none -- syn src=10.8.1.1 wait=0.3
}

# limits_hold SYN-ANSWER RESETS [SECONDS]: two flows are the limit, and both do
# not read for SECONDS.  A SYN, which anybody can forge, ends none of them; a
# client that completes its handshake (when SECONDS are given) does end one.
limits_hold() {
	local pid
	: >"$TMP/hold.out"
	shield_only
	# shellcheck disable=SC2086
	in_c /usr/bin/python3 tests/e2e/rawtcp.py hold $RAW_HTTP n=2 win=20 \
		wait="${3:-5}" >"$TMP/hold.out" &
	pid=$!
	poll 3 grep -q open=2 "$TMP/hold.out" || fail "no two connections"
	poll 3 holds_two || fail "two flows are not held"
	# shellcheck disable=SC2086
	raw syn $RAW_HTTP wait=0.3
	assert_eq "flows after the SYN" 2 "$(penstock_gauge flows)"
	if [ -n "${3:-}" ]; then
		http_ok 4 || fail "no page for the newcomer"
		assert_counted EvictedSlow 1
	fi
	wait "$pid"
	assert_fields "$LINE" answer="$1"
	assert_fields "$(tail -n 1 "$TMP/hold.out")" resets="$2"
}

holds_two() {
	[ "$(penstock_gauge flows)" = 2 ]
}

# Readers that do not read: what they hold stays below max_memory, and a
# newcomer gets a page.
limits_memory() {
	local pid held most=0
	shield_only
	# shellcheck disable=SC2086
	in_c /usr/bin/python3 tests/e2e/rawtcp.py hold $RAW_HTTP n=60 win=30 \
		wait=2.5 size=1048576 >"$TMP/hold.out" &
	pid=$!
	poll 5 grep -q open= "$TMP/hold.out" || fail "no connections"
	http_ok 10 || fail "no page while slow readers hold memory"
	while kill -0 "$pid" 2>/dev/null; do
		held=$(penstock_gauge mem_held)
		[ "${held:-0}" -gt "$most" ] && most=$held
	done
	echo "held at most $most bytes"
	assert_num "memory held" "$most" -gt 2000000
	assert_num "memory held" "$most" -le $((16 << 20))
	poll 10 http_ok 5 || fail "no page afterwards"
}

# limits_orphan ANSWER: the server is done, the client takes nothing.
limits_orphan() {
	shield_only
	# shellcheck disable=SC2086
	raw orphan $RAW_HTTP
	assert_fields "$LINE" answer="$1"
}

gauge_is() { [ "$(penstock_gauge "$1")" = "$2" ]; }

# flood KIND N: sets LINE.
flood() {
	LINE=$(in_c "$TOOLS/synflood" -i up -d "$SERVER" -p "$PORT_HTTP" \
		-k "$1" -n "$2" -r 100000 -t 30)
	echo "$LINE"
	assert_fields "$LINE" sent="$2" synacks=0
}

# CPU of all threads of penstockd, ns.
penstock_cpu() {
	cat "/proc/$PENSTOCK_PID"/task/*/schedstat |
		awk '{ n += $1 } END { printf "%.0f\n", n }'
}

# limits_flood KIND: alone it leaves nothing behind and a packet costs no more
# CPU than a few RSTs of no connection do, which are dropped at once; and a
# transfer comes through another one.
limits_flood() {
	local pid rss state cpu n=30000
	shield_only
	[ "${E2E_SMOKE:-0}" != 1 ] || n=10000
	flood "$1" 5000
	rss=$(penstock_rss)
	state=$(penstock_gauge half_open)/$(penstock_gauge time_wait)
	cpu=$(penstock_cpu)
	flood "$1" "$n"
	cpu=$((($(penstock_cpu) - cpu) / n))
	echo "CPU: $cpu ns a packet"
	[ "$1" != rst ] || echo "$cpu" >"$TMP/flood.ns"
	assert_num "CPU of a packet, ns" "$cpu" -le \
		$((5 * $(<"$TMP/flood.ns")))
	assert_rss $((rss + 256))
	assert_eq "half-open/TIME_WAIT" "$state" \
		"$(penstock_gauge half_open)/$(penstock_gauge time_wait)"
	in_c curl -sSfg --max-time 60 --limit-rate 30M -o "$TMP/flood.got" \
		"http://$URL/f10485760" &
	pid=$!
	flood "$1" "$n"
	wait "$pid" || fail "the transfer broke: curl exits $?"
	assert_eq "SHA-256" "$(data_sum 10485760)" \
		"$(sha256sum <"$TMP/flood.got" | cut -d' ' -f1)"
	poll 3 gauge_is flows 0 || fail "$(penstock_gauge flows) flows"
	http_ok 3 || fail "no page after"
}

shield_limits_cases() {
	local cf="handshake = client_first" k
	data_file 1024 >/dev/null
	data_file 1048576 >/dev/null
	data_sum 10485760 >/dev/null
	shield_conf "$cf" "rate_limit = 1/s burst 5 per 32/128"
	run_case limits_rate_beyond_burst_is_dropped 20 limits_rate
	shield_conf "$cf" "rate_limit = 1/m burst 5 per 24/112"
	run_case limits_rate_prefix_shares_one_bucket 20 limits_rate_prefix
	shield_conf "$cf" "rate_limit = 1/m burst 3"
	run_case limits_rate_spoofed_syns_shut_nobody_out 30 \
		limits_rate_spoofed
	shield_conf "$cf" "tcp_syncookies = 2" \
		"rate_limit = 1/m burst 3 per 24/64" "validated_for = 8s"
	run_case limits_validated_client_skips_them_for_a_while 20 \
		limits_validated
	shield_conf "$cf" "deny = $(raw_net 10.9.0.0/16)" \
		"allow = $(raw_net 10.9.8.0/24) $(raw_net 0.0.0.0/0)"
	run_case limits_deny_and_file_and_reload 20 limits_deny
	shield_conf "$cf" "tcp_syncookies = 2" "deny = $(raw_net 10.9.0.0/16)"
	run_case limits_attack_is_told_in_log_status_and_metrics 60 \
		limits_attack
	shield_conf "$cf" "allow = $(raw_net 10.9.1.1)"
	run_case limits_allow_shuts_all_others_out 20 limits_allow
	shield_conf "$cf" "unknown = reset"
	run_case limits_unknown_reset 20 limits \
		ack=R fin=R rst=none synack=R data=R null=none -- unknown
	shield_conf "$cf" "unknown = drop"
	run_case limits_unknown_drop 20 limits \
		ack=none fin=none rst=none synack=none data=none null=none \
		-- unknown
	shield_conf "$cf" "unknown = pass"
	run_case limits_unknown_pass_server_answers 20 limits \
		ack=R fin=R rst=none synack=R data=R null=none -- unknown
	shield_conf "$cf" "on_no_server = reset"
	run_case limits_on_no_server_reset 20 limits_no_server AR
	shield_conf "$cf" "on_no_server = drop"
	run_case limits_on_no_server_drop 20 limits_no_server none
	shield_conf "$cf" "close = rst"
	run_case limits_close_rst_leaves_no_time_wait 20 limits_close_rst
	shield_conf "$cf" "[penstock] max_flows = 2" "on_limit = refuse"
	run_case limits_on_limit_refuse 20 limits_hold AR 0
	shield_conf "$cf" "[penstock] max_flows = 2" "on_limit = drop"
	run_case limits_on_limit_drop 20 limits_hold none 0
	shield_conf "$cf" "[penstock] max_flows = 2" \
		"on_limit = evict_slowest"
	run_case limits_on_limit_evict_slowest 20 limits_hold SA 1 4
	shield_conf "$cf" "[penstock] max_memory = 16M" \
		"on_limit = evict_slowest"
	run_case limits_max_memory_slow_readers_stay_below 20 limits_memory
	shield_conf "$cf" "tcp_max_orphans = 0"
	run_case limits_max_orphans_0_resets 20 limits_orphan AR
	shield_conf "$cf" "tcp_max_orphans = 10"
	run_case limits_max_orphans_10_goes_on_sending 20 limits_orphan data
	shield_conf "handshake = auto"
	for k in rst ack fin synack xmas frag; do
		# the generator's fragments are IPv4's
		[ "$k$FAMILY" != frag6 ] || continue
		run_case "limits_flood_${k}_leaves_nothing" 60 limits_flood "$k"
	done
}

# close = rst: both sides have closed, the last FIN goes on as RST, and no
# kernel keeps the 4-tuple.
# Nothing of the client's port is left in either kernel.
port_is_gone() {
	[ -z "$(in_c ss -Htan "sport = :$1")$(in_s ss -Htan "dport = :$1")" ]
}

limits_close_rst() {
	local port verb
	shield_only
	for verb in sink send; do
		peer_run "$verb" 1000 11
		assert_fields "$LINE" bad=-
		port=$(field local "$LINE")
		port=${port##*:}
		assert_eq "TIME_WAIT at the client" 0 \
			"$(time_waits "$NS_C" "$port")"
		assert_eq "TIME_WAIT at the server" 0 \
			"$(time_waits "$NS_S" "$port")"
		poll 5 port_is_gone "$port" || fail "port $port is not gone"
	done
}

# limits_no_server ANSWER: to a client whose server refuses.
limits_no_server() {
	shield_only
	raw no_server server="$SERVER" port="$PORT_REFUSED" wait=0.6
	assert_fields "$LINE" answer="$1"
}
