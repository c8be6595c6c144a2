# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# shield_source.sh - the server sees the gateway, or an address of its own
#
# shield.sh has the helpers.

# source_conf SOURCE4 SOURCE6 KEY=VALUE...: a service for each family.
source_conf() {
	local p
	[ -z "$PENSTOCK_PID" ] || stop_penstockd
	conf_write "$TMP/penstock.conf"
	{
		sed '/^\[service/,$d' "$TMP/penstock.conf"
		echo "[service four]"
		for p in $SERVICE_PORTS; do
			echo "listen = 203.0.113.10:$p"
		done
		printf '%s\n' "source = $1" "${@:3}"
		echo "[service six]"
		for p in $SERVICE_PORTS; do
			echo "listen = [2001:db8::10]:$p"
		done
		printf '%s\n' "source = $2" "${@:3}"
	} >"$TMP/source.conf"
	mv "$TMP/source.conf" "$TMP/penstock.conf"
}

# source_seen ADDRESS LOW HIGH: what the server sees as its client.
source_seen() {
	local line port
	shield_only
	peer_run echo 100000 3
	# shellcheck disable=SC2153 # set by peer_run
	assert_fields "$LINE" rx=100000 bad=- end=FIN
	line=$(tail -n 1 "$TMP/peer.log")
	echo "server: $line"
	assert_fields "$line" bad=- end=FIN
	port=$(field remote "$line")
	assert_eq "the client's address" "$1" "${port%:*}"
	port=${port##*:}
	assert_num "its port" "$port" -ge "$2"
	assert_num "its port" "$port" -le "$3"
	assert_counted FlowsOpened
}

# Many at once, on few ports: as many as ports are there get through.
source_many() {
	local n i pids=()
	shield_only
	for ((i = 0; i < 40; i++)); do
		in_c curl -sfg --max-time 10 -o /dev/null \
			"http://$URL/f20000" &
		pids+=($!)
	done
	n=0
	for i in "${pids[@]}"; do
		wait "$i" && n=$((n + 1))
	done
	assert_eq "requests answered" 40 "$n"
	assert_eq "sockets of the gateway's own" "" \
		"$(in_g ss -Htan state established "dport = :$PORT_HTTP")"
}

# The host's own connections to the same server go by the kernel.
source_own() {
	shield_only
	in_g curl -sfg --max-time 3 --local-port 20000-20100 -o /dev/null \
		"http://$URL/f1024" || fail "the gateway's own connection"
	http_ok 3 || fail "and a client's"
}

# source_connect SERVICE: the client addresses one port, another one answers, and
# the address that is then in TIME_WAIT belongs to SERVICE.
source_connect() {
	local line
	shield_only
	LINE=$(in_c "$PEER" run "$SERVER" "$PORT_DYING" echo 1000 3)
	assert_fields "$LINE" rx=1000 bad=- end=FIN \
		remote="$URL:$PORT_DYING"
	line=$(tail -n 1 "$TMP/peer.log")
	assert_fields "$line" bad=- end=FIN local="$URL:$PORT_PEER"
	poll 5 source_waits || fail "$(source_tw)"
	assert_eq "service of what waits" "$1" \
		"$(source_tw | jq -r "map(.service) | unique | .[]")"
}
source_tw() {
	"$PENSTOCKCTL" -c "$PENSTOCK_CONF" -j tw "dst $SERVER and dport = :$PORT_PEER"
}
source_waits() { [ "$(source_tw | jq length)" -gt 0 ]; }

# source_refused TEXT LINE...: a start with this service is refused.
source_refused() {
	shield_only
	{
		sed '/^\[service/,$d' "$TMP/penstock.conf"
		printf '%s\n' "[service x]" "${@:2}"
	} >"$TMP/bad.conf"
	in_g timeout 5 "$PENSTOCKD" -c "$TMP/bad.conf" >"$TMP/bad.log" 2>&1
	assert_eq "exit code" 2 "$?"
	grep -qF -- "$1" "$TMP/bad.log" || fail "$(<"$TMP/bad.log")"
}

shield_source_cases() {
	penstock_on || return 0
	in_g ip addr add 203.0.113.50/24 dev sv
	in_g ip addr add 2001:db8::50/64 dev sv nodad preferred_lft 0
	data_file 1024 >/dev/null
	data_file 20000 >/dev/null
	source_conf gateway gateway "ip_local_port_range = 40000 40100"
	start_penstockd "$TMP/penstock.conf" || die "source: no gateway"
	run_case source_gateway_is_what_the_server_sees 20 \
		source_seen 203.0.113.1 40000 40100
	run_case source_gateway_many_at_once 30 source_many
	run_case source_gateway_own_connections_pass 20 source_own
	family_use 6
	run_case source_gateway_is_what_the_server_sees 20 \
		source_seen "[2001:db8::1]" 40000 40100
	source_conf 203.0.113.50 2001:db8::50 "handshake = client_first"
	start_penstockd "$TMP/penstock.conf" || die "source: no gateway"
	run_case source_address_is_what_the_server_sees 20 \
		source_seen "[2001:db8::50]" 32768 60999
	family_use 4
	run_case source_address_is_what_the_server_sees 20 \
		source_seen 203.0.113.50 32768 60999
	# the two sides' packets are of different queues by their addresses
	source_conf gateway gateway
	sed -i "s/^\[penstock\]/&\nworkers = 8/" "$TMP/penstock.conf"
	start_penstockd "$TMP/penstock.conf" || die "source: no gateway"
	run_case source_gateway_eight_workers_all_answered 30 source_many
	source_conf client client
	stop_penstockd
	sed -i "s/^listen = 203.*:$PORT_DYING/&\nconnect = 203.0.113.10:$PORT_PEER/
		s/^listen = .2001.*:$PORT_DYING/&\nconnect = [2001:db8::10]:$PORT_PEER/" \
		"$TMP/penstock.conf"
	start_penstockd "$TMP/penstock.conf" || die "source: no gateway"
	run_case connect_another_port_answers 20 source_connect four
	family_use 6
	run_case connect_another_port_answers 20 source_connect six
	family_use 4
	EXPECT_DEATH=1 run_case source_gateway_without_route_is_refused 20 \
		source_refused "no way to 192.0.2.200" \
		"listen = 203.0.113.10:80" "connect = 192.0.2.200:80" \
		"source = gateway"
	EXPECT_DEATH=1 run_case source_gateway_two_ways_is_refused 20 \
		source_refused "both 203.0.113.1 and 198.51.100.1" \
		"listen = 203.0.113.10:80" "listen = 198.51.100.77:80" \
		"source = gateway"
	EXPECT_DEATH=1 run_case source_gateway_two_families_is_refused 20 \
		source_refused "servers of both families" \
		"listen = 203.0.113.10:80" "listen = [2001:db8::10]:80" \
		"source = gateway"
	EXPECT_DEATH=1 run_case source_address_other_family_is_refused 20 \
		source_refused "servers of the other family" \
		"listen = 203.0.113.10:80" "source = 2001:db8::50"
	stop_penstockd
	in_g ip addr del 203.0.113.50/24 dev sv
	in_g ip addr del 2001:db8::50/64 dev sv
}
