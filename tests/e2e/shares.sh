# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# shares.sh - one host takes what all need, and another keeps its rate
#
# The attacker (hog.py) has an address of its own: two hosts of one IPv6 /64
# are one source.  Each case measures the honest client alone first, so that
# the machine's speed does not matter.  shield.sh has the helpers.

# The attacker's address; and whether a kernel owns it.
shares_source() {
	SOURCE=10.66.0.1
	[ "$FAMILY" = 4 ] || SOURCE=2001:db8:77:66::1
}
shares_own() { in_c ip addr add "$SOURCE" dev lo; }
shares_disown() { in_c ip addr del "$SOURCE" dev lo; } 2>/dev/null

# hog CASE PORT CONNECTIONS LEAST [ARG...]: in the background, until it holds
# at least LEAST; pid in HOG.
hog() {
	local case=$1 port=$2 n=$3 least=$4
	shift 4
	: >"$TMP/hog.out" # the last one's must not be taken for ours
	in_c /usr/bin/python3 tests/e2e/hog.py "$case" "$SERVER" "$port" \
		"$SOURCE" "$n" 300 "$@" >"$TMP/hog.out" 2>&1 &
	HOG=$!
	poll 60 grep -q held= "$TMP/hog.out" || fail "hog: $(<"$TMP/hog.out")"
	echo "hog: $(<"$TMP/hog.out")"
	assert_num "connections of the hog" "$(field held "$(<"$TMP/hog.out")")" \
		-ge "$least"
}

hog_end() {
	kill "$HOG" 2>/dev/null
	wait "$HOG" 2>/dev/null
	shares_disown
	return 0
}

# ms COMMAND...: how long it takes, in MS.
ms() {
	local t0
	t0=$(date +%s%N)
	"$@"
	MS=$((($(date +%s%N) - t0) / 1000000))
}

# Half of the rate, and three seconds for what a busy machine does: without
# shares it takes twenty.
assert_half_rate() {
	echo "alone $1 ms, beside the hog $2 ms"
	assert_num "time beside the hog, ms" "$2" -le $((2 * $1 + 3000))
}

shares_upload() {
	peer_run sink "$1" 21
	assert_fields "$LINE" bad=-
}

shares_islands() {
	local alone
	shares_source
	wire_segments
	loss client 2
	ms shares_upload 4000000
	alone=$MS
	topo_heal
	hog islands "$PORT_PEER" 150 130
	wire_segments
	loss client 2
	ms shares_upload 4000000
	assert_half_rate "$alone" "$MS"
	hog_end
}

shares_download() {
	in_c curl -sSfg --max-time 100 -o /dev/null "http://$URL/f10485760" ||
		fail "the download broke"
}

shares_stall() {
	local alone
	shares_source
	shares_own
	wire_segments
	ms shares_download
	alone=$MS
	hog stall "$PORT_HTTP" 130 100 10485760
	sleep 1
	ms shares_download
	assert_half_rate "$alone" "$MS"
	hog_end
}

# Newcomers find a place, whatever one host holds.
shares_idle() {
	local i
	shares_source
	shares_own
	hog idle "$PORT_PEER" 200 50
	for i in 1 2 3 4 5; do
		http_ok 5 || fail "no page for newcomer $i"
	done
	hog_end
}

shares_max_per_source() {
	shares_source
	shares_own
	hog idle "$PORT_PEER" 20 5
	assert_fields "$(<"$TMP/hog.out")" held=5
	http_ok 5 || fail "no page for another host"
	assert_counted SourceLimited 15
	hog_end
}

shares_idle_timeout() {
	shares_source
	shares_own
	hog idle "$PORT_PEER" 5 5
	poll 10 gauge_is flows 0 || fail "idle connections live on"
	assert_counted IdleClosed 5
	hog_end
}

# The server closes, and its kernel forgets the socket after its
# tcp_fin_timeout (5 s here); the client closes nothing.
shares_server_gone() {
	in_s /usr/bin/python3 -c "
import socket
s = socket.create_server(('', $PORT_REFUSED), family=socket.AF_INET6,
                         dualstack_ipv6=True)
s.accept()[0].close()" &
	poll 5 listening "$PORT_REFUSED" || fail "no server"
	in_c /usr/bin/python3 -c "
import socket, time
s = socket.create_connection(('$SERVER', $PORT_REFUSED))
time.sleep(60)" &
	HOG=$!
	poll 5 gauge_is flows 1 || fail "no connection"
	poll 25 gauge_is flows 0 || fail "the flow outlives its server"
	kill "$HOG"
	wait "$HOG" 2>/dev/null
	return 0
}

shares_cases() {
	data_file 1024 >/dev/null
	data_file 10485760 >/dev/null
	shield_conf "[penstock] max_flows = 200"
	run_case shares_islands_of_one_host_leave_half_of_an_upload 100 \
		shares_islands
	shield_conf "[penstock] max_memory = 16M"
	run_case shares_stalled_downloads_leave_half_of_a_download 100 \
		shares_stall
	shield_conf "[penstock] max_flows = 100"
	run_case shares_idle_connections_leave_places 60 shares_idle
	shield_conf "max_per_source = 5"
	run_case shares_max_per_source_bounds_one_host 60 \
		shares_max_per_source
	shield_conf "idle_timeout = 2"
	run_case shares_idle_timeout_ends_idle_ones 60 shares_idle_timeout
	shield_conf "tcp_fin_timeout = 7"
	run_case shares_server_that_is_gone_frees_the_flow 60 \
		shares_server_gone
}
