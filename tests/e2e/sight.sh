# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# sight.sh - what penstockctl shows of connections between real kernels, and
# which of them a filter means.

sight_ctl() { "$PENSTOCKCTL" -S "$TMP/control.sock" "$@"; }

# sight_open [SERVER-MODE CLIENT-MODE]: a connection; SIGHT_FLOW is its client,
# as penstockctl prints it, SIGHT_PORT the client's port.
sight_open() {
	penstock_on || skip "nobody to ask"
	why_connect "${1:-rest}" "${2:-rest}"
	SIGHT_FLOW=$WHY_FLOW SIGHT_PORT=${WHY_FLOW##*:}
	poll 10 sight_state ESTABLISHED ESTABLISHED ||
		fail "not established: $(sight_ctl flows)"
}

# sight_of WORD...: what a command returns of this connection, as JSON.
sight_of() {
	sight_ctl -j "$@" | jq -c --arg c "$SIGHT_FLOW" \
		'[.[] | select((.client | .address? // .) == $c)]'
}

# sight_state CLIENT-LEG SERVER-LEG: its states are these.
sight_state() {
	sight_of flows | jq -e --arg c "$1" --arg s "$2" \
		'.[0] | .client.state == $c and .server.state == $s'
} >/dev/null 2>&1

# sight_chosen COUNT FILTER...: so many of our connection, for flows and why.
sight_chosen() {
	local n=$1 cmd
	shift
	for cmd in flows why; do
		assert_eq "$cmd $*" "$n" "$(sight_of "$cmd" "$@" | jq length)"
	done
}

sight_filters() {
	local f net=198.51.100.0/24 other=192.0.2.0/24
	sight_open
	[ "$FAMILY" = 4 ] || net=2001:db8:c::/64 other=2001:db8:d::/64
	for f in "" "$SIGHT_FLOW" "$CLIENT" "$SERVER" "e2e" "service e2e" \
		"src $CLIENT" "dst $SERVER" "src $net" "dst != $CLIENT" \
		"dport = :$PORT_DYING" "sport $SIGHT_PORT" \
		"state established" "state connected exclude time-wait" \
		"src $SIGHT_FLOW and dst $URL:$PORT_DYING" \
		"state syn-sent or (dport >= 7000 and not dport > 7003)" \
		"src $net sport = $SIGHT_PORT"; do
		sight_chosen 1 "$f"
	done
	for f in "src $SERVER" "dst $CLIENT" "src $other" "not src $net" \
		"dport != $PORT_DYING" "service nobody" "state time-wait" \
		"spliced" "not e2e" "src $SIGHT_FLOW and not dst $SERVER"; do
		sight_chosen 0 "$f"
	done
	# as separate words, too
	sight_chosen 1 src "$CLIENT" sport = "$SIGHT_PORT"
	f=$(sight_of flows "$SIGHT_FLOW" | jq '.[0].serial')
	sight_chosen 1 "serial=$f"
	sight_chosen 0 "serial > $f"
	sight_ctl flows "src $SIGHT_FLOW or" 2>"$TMP/sight.err" &&
		fail "half a filter was taken"
	grep -q "filter \"src .*\": a service, ADDRESS, .* is expected at the end" \
		"$TMP/sight.err" || fail "$(<"$TMP/sight.err")"
	why_end
}

sight_cases() {
	run_case sight_filters_choose 30 sight_filters
}
