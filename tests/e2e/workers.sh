# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# workers.sh - several workers do what one does: a packet that comes to the
# wrong one finds its connection
#
# Many addresses of the client, so that the workers share them.  shield.sh has
# the helpers.

WORKERS_CLIENTS=16

# The client's address number I.
workers_client() {
	if [ "$FAMILY" = 4 ]; then
		echo "198.51.100.$((100 + $1))"
	else
		printf '2001:db8:c::1%02x\n' "$1"
	fi
}

# workers_addresses add|del: those of the clients, one of the gateway's own, and
# the second one of the server.
workers_addresses() {
	local i len=24 more=
	[ "$FAMILY" = 4 ] || len=64 more="nodad preferred_lft 0"
	[ "$1" = add ] || more=
	# shellcheck disable=SC2086 # words, or none
	{
		for ((i = 0; i < WORKERS_CLIENTS; i++)); do
			in_c ip addr "$1" "$(workers_client "$i")/$len" dev up $more
		done
		in_g ip addr "$1" "$(workers_own)/$len" dev sv $more
		in_s ip addr "$1" "$(workers_to)/$len" dev up $more
	}
}

# Several addresses of the client get a file each, and all get it whole.
workers_fetch() {
	local port=$1 bytes=$2 i pids=() bad=0
	data_sum "$bytes" >/dev/null
	for ((i = 0; i < WORKERS_CLIENTS; i++)); do
		in_c curl -sfg --max-time 200 --interface "$(workers_client "$i")" \
			"http://$URL:$port/f$bytes" | sha256sum |
			grep -q "$(data_sum "$bytes")" &
		pids+=($!)
	done
	for i in "${pids[@]}"; do
		wait "$i" || bad=$((bad + 1))
	done
	assert_eq "transfers that were not whole" 0 "$bad"
}

# Of the queues 0 to 7, those that got packets.
# shellcheck disable=SC2016 # awk's own
workers_busy() {
	in_g awk '$1 < 8 && $8 > 0 { n++ } END { print n + 0 }' \
		/proc/net/netfilter/nfnetlink_queue
}

# Of the 8 workers, those that got SYNs: each has 6 queues for them, above 7.
# shellcheck disable=SC2016 # awk's own
workers_asked() {
	in_g awk '$1 > 7 && $8 > 0 { w[int(($1 - 8) / 6)] }
		END { print length(w) }' /proc/net/netfilter/nfnetlink_queue
}

# No packet is nobody's.  But what a worker that had to wait has sent again is
# answered twice, and the first answer may end the connection.
workers_know_all() {
	assert_num "packets of nobody" "$(counter UnknownReset)" -le \
		"$(counter TcpRetransSegs)"
}

# The gateway's own kernel says that packets do not fit: of its addresses, and
# so to any worker.
workers_mtu() {
	local before
	shield_only
	before=$(too_bigs)
	route_mtu 1280
	workers_fetch "$PORT_HTTP" 300000
	assert_num "too big messages" "$(($(too_bigs) - before))" -gt 0
	assert_num "given to the worker of the connection" \
		"$(counter PacketsStrayed)" -gt 0
	workers_know_all
	assert_counted verdict_moved
	assert_clean
}

# connect: the server's packets have another pair of addresses.
workers_connect() {
	shield_only
	workers_fetch "$PORT_DYING" 300000
	assert_counted FlowsOpened
	workers_know_all
	assert_num "workers with packets" "$(workers_busy)" -ge 3
	assert_num "packets from the server to another worker" \
		"$(counter PacketsStrayed)" -gt 0
	assert_clean
}

# source: the rules know the worker by its ports.
workers_source() {
	shield_only
	workers_fetch "$PORT_HTTP" 300000
	assert_num "workers with packets" "$(workers_busy)" -ge 3
	assert_eq "packets to another worker" 0 "$(counter PacketsStrayed)"
	workers_know_all
	assert_clean
}

# workers_answered [-1] N: all addresses ask for a file at once (-1: the first N
# one after the other), and keep their connections: so many are answered.  What
# is beyond the limit is refused, or hears nothing.
workers_answered() {
	local i a=()
	for ((i = 0; i < WORKERS_CLIENTS; i++)); do
		a+=("$(workers_client "$i")")
	done
	in_c /usr/bin/python3 tests/e2e/answered.py "$@" "$SERVER" \
		"$PORT_HTTP" "${a[@]}"
}

# workers_limit [-1] N [COUNTER]: N of 16 are answered, whichever workers they
# meet.  All of them ask; which N are answered, and so whose queue of the others
# has packets, is luck.
workers_limit() {
	local turn=()
	[ "$1" != -1 ] || { turn=(-1) && shift; }
	shield_only
	assert_eq "clients that were answered" "$1" \
		"$(workers_answered "${turn[@]}" "$1")"
	assert_num "workers with SYNs" "$(workers_asked)" -ge 3
	[ $# = 1 ] || assert_counted "$2"
	assert_clean
}

workers_cases() {
	local hs="handshake = server_first" w="[penstock] workers = 8"
	penstock_on || return 0
	workers_addresses add
	shield_conf "$hs" "$w"
	run_case workers_path_mtu_is_found_by_all 60 workers_mtu
	workers_service "connect = $(workers_server):$PORT_HTTP"
	run_case workers_connect_is_shared_by_all 60 workers_connect
	workers_service "source = $(workers_own)"
	run_case workers_source_is_shared_by_all 60 workers_source
	shield_conf "$hs" "$w" "rate_limit = 5/h per 24/64"
	run_case workers_count_a_rate_together 60 workers_limit 5 RateLimited
	shield_conf "$hs" "$w" "[penstock] max_flows = 12"
	# IPv6 addresses here are all one source, which leaves others a ninth.
	# Only who is proven is charged, so of SYNs that come at once all could
	# find places.
	if [ "$FAMILY" = 6 ]; then
		run_case workers_count_max_flows_together 60 workers_limit -1 11
	else
		run_case workers_count_max_flows_together 60 workers_limit 12
	fi
	if [ "$FAMILY" = 6 ]; then # a source is a /64
		shield_conf "$hs" "$w" "max_per_source = 5"
		run_case workers_count_a_source_together 60 \
			workers_limit 5 SourceLimited
	fi
	workers_addresses del
	shield_conf "$hs"
}

workers_server() { [ "$FAMILY" = 4 ] && echo 203.0.113.11 || echo "[2001:db8::11]"; }
workers_to() { workers_server | tr -d '[]'; }
workers_own() { [ "$FAMILY" = 4 ] && echo 203.0.113.50 || echo 2001:db8::50; }

# workers_service LINE: one service of this family, on two ports, with LINE.
workers_service() {
	stop_penstockd
	conf_write "$TMP/penstock.conf" "handshake = server_first" \
		"[penstock] workers = 8"
	sed -i "/^listen/d" "$TMP/penstock.conf"
	printf '%s\n' "listen = $URL:$PORT_HTTP" "listen = $URL:$PORT_DYING" \
		"$1" >>"$TMP/penstock.conf"
	start_penstockd "$TMP/penstock.conf" || die "workers: no gateway"
}
