# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# proof.sh - who has not proven its address gets no connection
#
# Where the server is asked first a spoofed SYN reaches it, as it would without
# a gateway; but its handshake must never be completed by us.  The server is a
# kernel's: what `ss' calls established is what its programs would be given.

# spoofed_sockets STATE: of the server's, whose client is none of ours.
spoofed_sockets() {
	in_s ss -Htn state "$1" "( sport = :$PORT_HTTP )" |
		grep -cE '10\.[0-9]+\.[0-9]+\.[0-9]+|fd00:bad:'
}

# The most that were seen at once while PID lives: "established half-open".
proof_watch() {
	local n est=0 half=0
	while kill -0 "$1" 2>/dev/null; do
		n=$(spoofed_sockets established)
		[ "$n" -le "$est" ] || est=$n
		n=$(spoofed_sockets syn-recv)
		[ "$n" -le "$half" ] || half=$n
		sleep 0.2
	done
	echo "$est $half"
}

# proof_flood RATE SECONDS: sets EST and HALF, the most at once at the server.
proof_flood() {
	local pid
	in_c "$TOOLS/synflood" -i up -d "$SERVER" -p "$PORT_HTTP" -r "$1" \
		-n $(($1 * $2)) -t $(($2 + 20)) >"$TMP/flood.out" &
	pid=$!
	read -r EST HALF < <(proof_watch "$pid")
	wait "$pid"
	echo "$(cat "$TMP/flood.out"); at the server: $EST established, $HALF" \
		"half-open at most"
}

# Too slow for any limit: each SYN is asked of the server.
proof_low_rate() {
	shield_only
	proof_flood 40 4
	assert_eq "connections of nobody at the server" 0 "$EST"
	assert_num "SYNs that the server knows of" "$HALF" -ge 80
	http_ok 3 || fail "no page after"
}

# Beyond the queue: cookies, and a client of flesh and blood gets in.
proof_high_rate() {
	local before
	shield_only
	before=$(counter TcpExtSyncookiesSent)
	proof_flood 20000 3
	assert_eq "connections of nobody at the server" 0 "$EST"
	assert_num "half-open at the server" "$HALF" -le 300
	assert_num "cookies" "$(counter TcpExtSyncookiesSent)" -gt "$before"
	http_ok 3 || fail "the service is shut after the flood"
}

# proof_count STATE: a command that counts rawtcp.py's sockets at the server.
proof_count() {
	echo "ip netns exec $NS_S ss -Htn state $1 '( sport = :$PORT_HTTP )' |
		grep -cE '10\\.|2001:db8:77:'"
}

# The server sends its SYN-ACK again and again until the client has answered.
proof_late_ack() {
	shield_only
	raw late_ack "server=$SERVER" "port=$PORT_HTTP" pause=2.5 \
		half="$(proof_count syn-recv)" \
		established="$(proof_count established)"
	assert_fields "$LINE" half=1 early=0 late=1 end=FIN
	assert_num "bytes of the answer" "$(field bytes "$LINE")" -ge 1024
}

# It has given up meanwhile: the client is told.
proof_too_late() {
	local before
	shield_only
	before=$(in_s sysctl -n net.ipv4.tcp_synack_retries)
	in_s sysctl -qw net.ipv4.tcp_synack_retries=0
	raw late_ack "server=$SERVER" "port=$PORT_HTTP" pause=2.5 \
		half="$(proof_count syn-recv)" \
		established="$(proof_count established)"
	in_s sysctl -qw "net.ipv4.tcp_synack_retries=$before"
	assert_fields "$LINE" half=0 early=0 late=0 end=RST
}

proof_conf() {
	shield_conf "handshake = $1" "tcp_max_syn_backlog = 256"
}

proof_cases() {
	data_file 1024 >/dev/null
	in_g ip -6 route replace fd00:bad::/64 via 2001:db8:c::2
	proof_conf auto
	run_case proof_auto_late_ack_server_waits 20 proof_late_ack
	run_case proof_auto_too_late_client_is_reset 20 proof_too_late
	run_case proof_auto_slow_flood_opens_nothing 30 proof_low_rate
	run_case proof_auto_fast_flood_opens_nothing 60 proof_high_rate
	proof_conf server_first
	run_case proof_server_first_late_ack_server_waits 20 proof_late_ack
	run_case proof_server_first_too_late_client_is_reset 20 proof_too_late
	run_case proof_server_first_slow_flood_opens_nothing 30 proof_low_rate
	run_case proof_server_first_fast_flood_opens_nothing 60 proof_high_rate
	proof_conf parallel
	run_case proof_parallel_late_ack_server_waits 20 proof_late_ack
	run_case proof_parallel_slow_flood_opens_nothing 30 proof_low_rate
	shield_conf "handshake = server_first"
}
