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

# sight_mirror: this connection's sockets as both peers' own ss has them, seen
# from the other side: STATE LOCAL PEER.
sight_mirror() {
	local ns
	for ns in "$NS_C" "$NS_S"; do
		ip netns exec "$ns" ss -Htn \
			"( sport = :$SIGHT_PORT or dport = :$SIGHT_PORT )" |
			awk '{ print $1, $5, $4 }'
	done | sed -E 's/\[::ffff:([0-9.]*)\]/\1/g' |
		sed 's/^CLOSE-WAIT/x/; s/^FIN-WAIT-2/CLOSE-WAIT/; s/^x/FIN-WAIT-2/' |
		sort
}

# The same by penstockctl: the legs are what the peers speak to.
sight_legs() {
	sight_ctl ss -Hn "src $SIGHT_FLOW" | awk '{ print $1, $4, $5 }' | sort
}

sight_agree() {
	[ "$(sight_legs)" = "$(sight_mirror)" ] &&
		[ "$(sight_legs | grep -c "^$1 ")" = "$2" ]
}

sight_ss_states() {
	sight_open rest rest
	poll 10 sight_agree ESTAB 2 ||
		fail "ESTAB: $(sight_legs) but $(sight_mirror)"
	sight_ctl ss -n "$SIGHT_FLOW" | head -1 |
		grep -Eq '^State  *Recv-Q Send-Q  *Local Address:Port  *Peer Address:Port$' ||
		fail "no columns: $(sight_ctl ss -n "$SIGHT_FLOW")"
	assert_eq "service names" "$PORT_DYING" "$(sight_ctl ss -H "$SIGHT_FLOW" |
		awk 'NR == 1 { sub(/.*:/, "", $4); print $4 }')"
	why_end
	why_connect rest shut
	SIGHT_FLOW=$WHY_FLOW SIGHT_PORT=${WHY_FLOW##*:}
	poll 10 sight_agree CLOSE-WAIT 1 ||
		fail "half closed: $(sight_legs) but $(sight_mirror)"
	sight_chosen 1 "state close-wait and state fin-wait-2"
	why_end
}

# sight_words: the words of `ss -i' before each value, one a line.
sight_words() {
	tr -s '[:blank:]' '\n' | sed -nE 's/^([a-z_]+):.*/\1/p; /^(send|pacing_rate|app_limited|ts|sack)$/p' |
		sort -u
}

# sight_value NAME LEG: NAME:VALUE in that leg's line of ss -i.
sight_value() {
	sight_ctl ss -Hine "$SIGHT_FLOW" | tr '\n' '~' | sed 's/~\t/ /g' |
		tr '~' '\n' | grep " leg:$2 " |
		grep -oE " $1:[^ ]*" | cut -d: -f2
}

# sight_peer NAME NAMESPACE: the same of a peer's own socket.
sight_peer() {
	ip netns exec "$2" ss -Htin \
		"( sport = :$SIGHT_PORT or dport = :$SIGHT_PORT )" |
		grep -oE " $1:[^ ]*" | cut -d: -f2
}

# The server has sent a million bytes, and all have been acknowledged.
sight_million() {
	[ "$(sight_value bytes_acked client)" = 1000000 ] &&
		[ "$(sight_value bytes_received server)" = 1000000 ]
}

# So they have by the peers' own sockets: an ACK may be late.
sight_peers_agree() {
	[ "$(sight_peer bytes_received "$NS_C")" = 1000000 ] &&
		[ "$(sight_peer bytes_acked "$NS_S")" = 1000000 ]
}

sight_ss_words() {
	local ours theirs w swapped
	sight_open send drink
	poll 20 sight_million || fail "$(sight_ctl ss -in "$SIGHT_FLOW")"
	poll 10 sight_peers_agree || fail "the peers have other sums"
	ours=$(sight_ctl ss -Htino "$SIGHT_FLOW" | sight_words)
	theirs=$(for w in "$NS_C" "$NS_S"; do
		ip netns exec "$w" ss -Htino \
			"( sport = :$SIGHT_PORT or dport = :$SIGHT_PORT )"
	done | sight_words)
	for w in ts sack wscale rto rtt mss pmtu rcvmss advmss cwnd bytes_sent \
		bytes_acked bytes_received segs_out segs_in send lastsnd \
		lastrcv lastack pacing_rate app_limited minrtt snd_wnd; do
		grep -qx "$w" <<<"$theirs" || fail "ss itself has no $w: $theirs"
		grep -qx "$w" <<<"$ours" || fail "no $w: $ours"
	done
	# and nothing that ss would never say
	for w in $(comm -23 <(echo "$ours") <(echo "$theirs")) busy; do
		# Debian 12's ss is older than this one
		[ "$w" = rcv_wnd ] || grep -aq " $w:" "$(command -v ss)" ||
			fail "ss knows no $w"
		[[ $w =~ ^(timer|busy|ssthresh|retrans|bytes_retrans|lost|sacked|unacked|rwnd_limited|sndbuf_limited|rcv_wnd|rcv_ooopack)$ ]] ||
			fail "ss has no word $w"
	done
	swapped=$(sight_peer wscale "$NS_C" | sed -E 's/(.*),(.*)/\2,\1/')
	assert_eq "window scales of the client leg" "$swapped" \
		"$(sight_value wscale client)"
	assert_eq "service and faults" e2e "$(sight_value service client)"
	why_end
}

# A reader that never reads: what penstock holds is in its queues, and the
# closed window is probed.
sight_full() {
	sight_of flows | jq -e '.[0] | .client.info.send_q > 0 and
		.server.info.recv_q > 0 and .client.info.snd_wnd < 1000 and
		.client.info.timer.name == "persist"'
} >/dev/null

sight_ss_queues() {
	sight_open flood rest
	poll 20 sight_full || fail "$(sight_ctl ss -nio "$SIGHT_FLOW")"
	sight_ctl ss -Hno "src $SIGHT_FLOW" |
		grep -q " timer:(persist,[0-9.a-z]*,[0-9]*)" ||
		fail "no timer: $(sight_ctl ss -Hno "$SIGHT_FLOW")"
	why_end
}

# Age and idle time pass, what a fault does is named, a refused segment has its
# reason.
sight_objects() {
	local before
	sight_open rest rest
	before=$(sight_of flows | jq '.[0].idle_ms')
	poll 10 sight_older "$before" || fail "$(sight_of flows)"
	assert_eq "no faults" null "$(sight_of flows | jq -c '.[0].faults')"
	sight_ctl fault add slowly type=delay time=1ms scope=all >/dev/null ||
		fail "no fault"
	assert_eq "its fault" '"slowly"' "$(sight_of flows | jq -c '.[0].faults')"
	sight_ctl ss -He "$SIGHT_FLOW" | grep -q ' faults:(slowly)' ||
		fail "ss -e: $(sight_ctl ss -He "$SIGHT_FLOW")"
	sight_ctl fault del slowly >/dev/null
	why_end
}

sight_older() {
	sight_of flows | jq -e --argjson b "$1" '.[0] | .idle_ms > $b and
		.age_ms >= .idle_ms and .client.info.lastrcv_ms > 0'
} >/dev/null

sight_gone() {
	! ip netns exec "$1" ss -Htn \
		"( sport = :$SIGHT_PORT or dport = :$SIGHT_PORT )" | grep -q .
}

# Both hosts are told; an empty filter is no filter; another's is not touched.
sight_kill() {
	sight_open
	sight_ctl kill 2>"$TMP/sight.err" && fail "everything was killed"
	grep -q -- --all "$TMP/sight.err" || fail "$(<"$TMP/sight.err")"
	sight_ctl kill src "$SIGHT_FLOW" dport 1 | grep -qx "0 connections killed" ||
		fail "another one was meant"
	sight_chosen 1 "$SIGHT_FLOW"
	sight_ctl kill "src $SIGHT_FLOW" >"$TMP/sight.out" || fail "not killed"
	grep -qx "1 connections killed" "$TMP/sight.out" ||
		fail "$(<"$TMP/sight.out")"
	poll 10 sight_gone "$NS_C" || fail "the client was not told"
	poll 10 sight_gone "$NS_S" || fail "the server was not told"
	why_end
}

# sight_established: how many client legs are.
sight_established() { sight_ctl -j states | jq '.client.ESTABLISHED // 0'; }

sight_states() {
	local before
	penstock_on || skip "nobody to ask"
	before=$(sight_established)
	sight_open
	assert_eq "one more" $((before + 1)) "$(sight_established)"
	sight_ctl states | grep -q "^TCP:   [0-9]* (estab $((before + 1)), " ||
		fail "$(sight_ctl states)"
	sight_ctl states | grep -Eq "^ESTABLISHED  *$((before + 1)) " ||
		fail "$(sight_ctl states)"
	why_end
	assert_eq "and gone" "$before" "$(sight_established)"
}

# The client closes first, so penstock does towards the server.
sight_tw() {
	local port
	penstock_on || skip "nobody to ask"
	port=$(in_c curl -s -o /dev/null -w '%{local_port}' "http://$URL/")
	poll 10 sight_waits "$port" || fail "$(sight_ctl tw)"
	sight_ctl tw "src $CLIENT sport $port" |
		grep -Eq "^e2e .*:$port -> .*:80 [0-9]+[.][0-9]{3}s$" ||
		fail "$(sight_ctl tw "sport $port")"
	assert_eq "those of a stranger" 0 \
		"$(sight_ctl -j tw "sport $port and not dst $SERVER" | jq length)"
}

sight_waits() {
	sight_ctl -j tw "dst $SERVER dport = :80 sport = $1" |
		jq -e --arg p ":$1" 'length == 1 and .[0].left_ms > 0 and
			(.[0].local | endswith($p))'
} >/dev/null

sight_refused() {
	in_c curl -s --max-time 20 -o /dev/null "http://$URL/"
	[ $? = 7 ]
}

# A drained service refuses newcomers as it refuses what it does not know; who
# is there stays, until killed; then the command ends by itself.
sight_drain() {
	local rc before=${IDLE_FLOWS:-0}
	sight_open
	sight_ctl drain nobody 2>/dev/null && fail "an unknown service"
	sight_ctl drain e2e --timeout=1 >"$TMP/sight.out"
	rc=$?
	assert_eq "exit with connections left" 1 "$rc"
	grep -qx "e2e is drained, $((before + 1)) connections left" \
		"$TMP/sight.out" || fail "$(<"$TMP/sight.out")"
	assert_eq "in the status" '["e2e"]' "$(sight_ctl -j status | jq -c .drained)"
	sight_refused || fail "a newcomer was taken"
	sight_chosen 1 "$SIGHT_FLOW"
	sight_ctl reload >/dev/null
	sight_refused || fail "taken after a reload"
	(sleep 1 && sight_ctl kill "$SIGHT_FLOW") &
	sight_ctl drain e2e --timeout=$((before ? 3 : 60)) >"$TMP/sight.out"
	assert_eq "exit in the end" "$((before != 0))" "$?"
	sight_ctl drain e2e --undo | grep -qx "e2e takes connections again" ||
		fail "not undone"
	in_c curl -s --max-time 20 -o /dev/null "http://$URL/" ||
		fail "not taken again"
	why_end
}

sight_drain_case() {
	run_case sight_drain_refuses_newcomers_until_undone 60 sight_drain
	! penstock_on || sight_ctl drain e2e --undo >/dev/null
}

# sight_screen COLS ROWS KEYS [FILTER...]: top on a terminal of that size.
sight_screen() {
	/usr/bin/python3 tests/e2e/sight_top.py "$1" "$2" "$3" "$PENSTOCKCTL" \
		-S "$TMP/control.sock" top -d 0.2 "${@:4}" >"$TMP/screen" ||
		fail "top: $(<"$TMP/screen")"
}

sight_shows() {
	grep -qE "$1" "$TMP/screen" || fail "no $1: $(<"$TMP/screen")"
}

# The head, the connection, sorting, filtering and leaving, at two sizes; no
# line is wider than the terminal, so each row begins with its own word.
sight_top() {
	local end w
	sight_open flood rest
	end=$CLIENT:$SIGHT_PORT
	[ "$FAMILY" = 4 ] || end="\\[$CLIENT\\]:$SIGHT_PORT"
	# the reader's window is full
	sight_screen 120 24 "=$end.* rwnd [0-9]+%|?|q" "$SIGHT_FLOW"
	sight_shows "^penstock [0-9.]+, up [0-9:]+, rules "
	sight_shows "^Flows: [0-9]+, spliced 0, half open [0-9]+, timewait "
	sight_shows "^Flood: cookies .*/s, proven .*/s, .* attacked: nobody"
	sight_shows "^Lanes: SYN .*/s, waiting 0, lost 0/s; other "
	sight_shows "^Sort: why  Filter: .*$SIGHT_PORT"
	sight_shows "^CLIENT  *SERVER  *RTT.ms. RETRANS BYTES LIMIT"
	sight_shows "^w r t b: sort  f: filter  q: quit"
	sight_screen 80 24 "=^CLIENT|r|=Sort: retransmissions|t|=Sort: round trip|b|=Sort: bytes|w|=Sort: why|?|q"
	sight_shows "^Sort: why  Filter: none"
	# typed in: half a filter is an error, a whole one is obeyed
	sight_screen 80 24 "=^CLIENT|fdst\\n|=^filter .dst.: ADDRESS|fdport 1\\n|=^Sort: why  Filter: dport 1|?|q"
	grep -q ":$SIGHT_PORT " "$TMP/screen" && fail "not filtered"
	sight_screen 40 10 "=rwnd|?|q" "$SIGHT_FLOW"
	assert_eq "rows" 10 "$(grep -c '' "$TMP/screen")"
	for w in penstock Flows: Flood: Lanes: Bytes: Sort: CLIENT; do
		sight_shows "^$w "
	done
	why_end
}

# For scripts: as often as asked, no terminal, an error as exit code.
sight_top_batch() {
	sight_open
	sight_ctl top -b -n 2 -d 0.1 "$SIGHT_FLOW" </dev/null \
		>"$TMP/screen" || fail "batch"
	assert_eq "pages" 2 "$(grep -c '^penstock ' "$TMP/screen")"
	assert_eq "our connection" 2 "$(grep -c ":$SIGHT_PORT " "$TMP/screen")"
	sight_ctl top -b "not" 2>"$TMP/sight.err" && fail "half a filter"
	grep -q 'filter "not": .* is expected at the end' "$TMP/sight.err" ||
		fail "$(<"$TMP/sight.err")"
	why_end
}

sight_cases() {
	run_case sight_filters_choose 30 sight_filters
	run_case sight_ss_states_are_the_peers 30 sight_ss_states
	run_case sight_ss_words_are_the_kernels 40 sight_ss_words
	run_case sight_ss_queues_and_timers 40 sight_ss_queues
	run_case sight_kill_tells_both_hosts 30 sight_kill
	run_case sight_states_count 30 sight_states
	run_case sight_tw_lists_time_wait 30 sight_tw
	run_case sight_top_on_terminals_of_two_sizes 90 sight_top
	run_case sight_top_in_batches 30 sight_top_batch
	sight_drain_case
	fault_case sight_objects_age_and_name_faults 30 sight_objects
}
