# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# shield.sh - admission: the SYN queue, cookies, a fleet of gateways, floods
#
# What a kernel would hide is done by single segments (rawtcp.py), from
# addresses of 10.0.0.0/8, which the gateway routes to the client's namespace.
# With PENSTOCK=off the keys that are sysctls are set at the server instead: a
# case without shield_only shows that the kernel does the same.

# raw_net A/N: the addresses that rawtcp.py uses for 10.x in this family
raw_net() {
	local a b c n
	[ "$FAMILY" = 6 ] || { echo "$1" && return; }
	[[ $1 != 0.0.0.0/0 ]] || { echo "::/0" && return; }
	IFS='./' read -r _ a b c n <<<"$1"
	printf '2001:db8:77::%x:%x:%x%s\n' "$a" "$b" "$c" "${n:+/$((n * 2 + 64))}"
}

declare -A SHIELD_SYSCTL=() # what the server had before

# raw CASE KEY=VALUE...: sets LINE.
raw() {
	LINE=$(in_c /usr/bin/python3 tests/e2e/rawtcp.py "$@") ||
		fail "rawtcp.py $1"
	echo "$1: $LINE"
}

shield_only() {
	penstock_on || skip "plain forwarding has no such policy"
}

# shield_sysctls KEY=VALUE...: the server's own, for PENSTOCK=off.
shield_sysctls() {
	local k kv
	for k in "${!SHIELD_SYSCTL[@]}"; do
		in_s sysctl -qw "net.ipv4.$k=${SHIELD_SYSCTL[$k]}"
	done
	SHIELD_SYSCTL=()
	for kv in "$@"; do
		k=${kv%% =*}
		[[ $k == tcp_* ]] || continue
		SHIELD_SYSCTL[$k]=$(in_s sysctl -n "net.ipv4.$k") || continue
		in_s sysctl -qw "net.ipv4.$k=${kv#*= }"
	done
} 2>/dev/null

# shield_write KEY=VALUE...: conf_write, and "[tcp] KEY=VALUE" too.
shield_write() {
	local kv tcp=() rest=()
	for kv in "$@"; do
		if [[ $kv == "[tcp] "* ]]; then
			tcp+=("${kv#"[tcp] "}")
		else
			rest+=("$kv")
		fi
	done
	conf_write "$TMP/penstock.conf" "${rest[@]}"
	printf '%s\n' "[tcp]" "${tcp[@]}" >>"$TMP/penstock.conf"
}

# shield_conf KEY=VALUE...: the gateway begins anew with these policies.
shield_conf() {
	in_g ip route replace 10.0.0.0/8 via 198.51.100.2
	in_g ip -6 route replace 2001:db8:77::/48 via 2001:db8:c::2
	in_g ip -6 route replace fd00:bad::/64 via 2001:db8:c::2 # synflood
	if ! penstock_on; then
		shield_sysctls "$@"
		return
	fi
	stop_penstockd
	shield_write "$@"
	start_penstockd "$TMP/penstock.conf" || die "shield: no gateway"
}

# shield_reload KEY=VALUE...: the same by SIGHUP.
shield_reload() {
	local n
	n=$(grep -c "info: reload:" "$TMP/penstockd.log")
	shield_write "$@"
	kill -HUP "$PENSTOCK_PID"
	poll 5 shield_reloaded "$n" || fail "the reload was not taken"
}

shield_reloaded() {
	[ "$(grep -c "info: reload:" "$TMP/penstockd.log")" -gt "$1" ]
}

# counter NAME: of all services together, as penstockctl nstat prints it.
counter() {
	"$PENSTOCKCTL" -c "$PENSTOCK_CONF" nstat -z |
		awk -v n="$1" 'split($1, a, "@") && a[1] == n { s += $2 }
			END { print s + 0 }'
}

# assert_counted NAME: it has counted something since the daemon began.
assert_counted() {
	local n
	penstock_on && [ "${E2E_GAUGES:-on}" = on ] || return 0
	n=$(counter "$1")
	assert_num "counter $1" "$n" -ge "${2:-1}"
}

penstock_rss() { awk '/^VmRSS/{ print $2 }' "/proc/$PENSTOCK_PID/status"; }

# assert_rss KIB: it holds no more.  A sanitizer keeps what was freed for a
# while; E2E_RSS_SLACK says how much.
assert_rss() {
	assert_num "RSS, KiB" "$(penstock_rss)" -le \
		$(($1 + ${E2E_RSS_SLACK:-64}))
}

# A kernel's connection attempt: FIN, ECONNREFUSED, RST or ETIMEDOUT.
connect_end() {
	LINE=$(in_c "$PEER" run --connect-ms "${2:-900}" "$SERVER" "$1" \
		echo 10 1)
	field end "$LINE"
}

# http_ok SECONDS: a kernel client gets a page within so much time.
http_ok() {
	in_c curl -sfg --max-time "$1" -o /dev/null "http://$URL/f1024"
}

# --- SYN queue ----------------------------------------------------------------

# tcp_syncookies = 0: what has no room is dropped.  Linux keeps a quarter of
# the backlog for clients it knows.
shield_queue_full_drops() {
	# shellcheck disable=SC2086 # two words
	raw syns $RAW_HTTP n=60 clean=1
	assert_num answered "$(field answered "$LINE")" -ge 12
	assert_num answered "$(field answered "$LINE")" -le 17
	assert_fields "$LINE" refused=0
	assert_counted TcpExtListenOverflows 40
	http_ok 5 || fail "the queue did not empty"
}

shield_full_queue_sends_cookies() {
	# shellcheck disable=SC2086
	raw syns $RAW_HTTP n=60 clean=1
	assert_fields "$LINE" answered=60
	assert_num "window" "$(field least_window "$LINE")" -gt 1000
	assert_counted TcpExtSyncookiesSent 40
}

shield_every_syn_gets_cookie() {
	local n before
	penstock_on && before=$(penstock_gauge half_open)
	# shellcheck disable=SC2086
	raw syns $RAW_HTTP n=60 clean=1
	assert_fields "$LINE" answered=60
	http_ok 3 || fail "a client does not get in by its cookie"
	penstock_on || return 0
	assert_eq "half-open connections" "$before" \
		"$(penstock_gauge half_open)"
	assert_counted TcpExtSyncookiesSent 61
	assert_counted TcpExtSyncookiesRecv 1
}

# shield_retries TIMES: one SYN, and when its answers come (tenths).
shield_retries() {
	# shellcheck disable=SC2086
	raw synack_times $RAW_HTTP wait=3.6
	assert_fields "$LINE" n="$1"
}

# shield_overflow WANT AGAIN: the ACK that completes a handshake when no flow
# can be had.
shield_overflow() {
	shield_only
	# shellcheck disable=SC2086
	raw overflow $RAW_HTTP wait=1.5 ${3:-}
	assert_fields "$LINE" answer="$1" synack_again="$2"
	[ -z "${3:-}" ] || assert_fields "$LINE" late=True
}

# --- handshake = auto ---------------------------------------------------------

shield_auto_calm_refuses() {
	assert_eq "a refused port looks" ECONNREFUSED \
		"$(connect_end "$PORT_REFUSED")"
}

auto_is_calm() {
	[ "$(connect_end "$PORT_REFUSED")" = ECONNREFUSED ]
}

# Above the mark a cookie answers even for a port that the server refuses;
# below it, and after the hold, the refusal is to be seen again.
shield_auto_under_attack() {
	local end n=0
	shield_only
	# shellcheck disable=SC2086
	raw syns $RAW_HTTP n=60 clean=1
	assert_fields "$LINE" answered=60
	end=$(connect_end "$PORT_REFUSED")
	[[ $end =~ ^(RST|ECONNRESET)$ ]] ||
		fail "cookies ended with the queue, no hysteresis: $end"
	poll 10 auto_is_calm || fail "cookies never end"
	n=$(grep -c . "$TMP/penstockd.log")
	assert_num "log lines" "$n" -lt 2000
	http_ok 3 || fail "calm again, and no page"
}

# --- cookies ------------------------------------------------------------------

# shield_survives WANTED-MSS ARG...: the options outlive a cookie.
shield_survives() {
	local mss=$1
	shield_only
	# shellcheck disable=SC2086
	raw survives $RAW_HTTP mss=1300 "${@:2}"
	assert_fields "$LINE" mss="$mss" sack=1
	assert_num "bytes sent on a window of 100 << 7" \
		"$(field flight "$LINE")" -gt 5000
}

shield_at_once() {
	shield_only
	blackhole server
	# shellcheck disable=SC2086
	raw at_once $RAW_HTTP
	assert_fields "$LINE" acked=14000
	assert_num "SYN-ACK's window" "$(field synack_window "$LINE")" -gt 4000
	assert_num "least window" "$(field least_window "$LINE")" -gt 0
}

shield_forged() {
	local n
	shield_only
	n=$(penstock_gauge flows)
	# shellcheck disable=SC2086
	raw unknown $RAW_HTTP
	assert_fields "$LINE" ack=R data=R
	assert_eq flows "$n" "$(penstock_gauge flows)"
	assert_counted TcpExtSyncookiesFailed 1
}

# A copy of a cookie's ACK opens nothing, and the same numbers do again.
shield_again() {
	shield_only
	# shellcheck disable=SC2086
	raw same_numbers $RAW_HTTP n=20
	assert_fields "$LINE" opened=20 replayed=0
	assert_counted CookieReplays 20
}

# The second segment of the first flight comes first.
shield_overtaken() {
	shield_only
	# shellcheck disable=SC2086
	raw overtaken $RAW_HTTP
	assert_fields "$LINE" reset=0 end=FIN
	assert_num "bytes of the answer" "$(field bytes "$LINE")" -ge 1024
}

# shield_defer: a bare ACK opens nothing at the server before data comes.
shield_defer() {
	shield_only
	# shellcheck disable=SC2086
	raw defer $RAW_HTTP pause=0.5 \
		dialled="ip netns exec $NS_S ss -Htan src $URL:$PORT_HTTP | grep -cE '(ESTAB|RECV).* (10\\.|.2001:db8:77:)'"
	assert_fields "$LINE" early=0 bytes=1 end=FIN
}

# --- a fleet ------------------------------------------------------------------
#
#   client 198.51.101.2 --- 198.51.101.1 gateway B 192.0.2.1 --- 192.0.2.2 server
#
# beside the first gateway.  The server's address, 203.0.113.10, is the same.

fleet_make() {
	local b=${NS_G%-g}b-g
	FLEET_B=$b
	TOPOS+=("${NS_G%-g}b")
	ip netns add "$b"
	ip -n "$b" link set lo up
	ip -n "$b" link add cl type veth peer name up2 netns "$NS_C"
	ip -n "$b" link add sv type veth peer name up2 netns "$NS_S"
	ip -n "$b" addr add 198.51.101.1/24 dev cl
	ip -n "$b" addr add 192.0.2.1/24 dev sv
	in_c ip addr add 198.51.101.2/24 dev up2
	in_s ip addr add 192.0.2.2/24 dev up2
	ip -n "$b" link set cl up
	ip -n "$b" link set sv up
	in_c ip link set up2 up
	in_s ip link set up2 up
	ip -n "$b" route add 203.0.113.10 via 192.0.2.2
	ip -n "$b" route add 10.0.0.0/8 via 198.51.101.2
	ip -n "$b" route add 198.51.100.2 via 198.51.101.2
	in_s sysctl -qw net.ipv4.conf.all.rp_filter=0 \
		net.ipv4.conf.up2.rp_filter=0
	in_c sysctl -qw net.ipv4.conf.all.rp_filter=0 \
		net.ipv4.conf.up2.rp_filter=0
	ip netns exec "$b" sysctl -qw net.ipv4.ip_forward=1
	poll 5 ip netns exec "$b" ping -c1 -W1 203.0.113.10 >/dev/null
}

# fleet_start SECRET: gateway B's daemon, its own control socket.
fleet_start() {
	sed "s|^control = .*|control = $TMP/b.sock|; s|^secret_file = .*|secret_file = $1|" \
		"$TMP/penstock.conf" >"$TMP/b.conf"
	ip netns exec "$FLEET_B" "$PENSTOCKCTL" -s "$TMP/b.state" \
		-c "$TMP/b.conf" rules apply >/dev/null || die "rules of B"
	ip netns exec "$FLEET_B" "$PENSTOCKD" -c "$TMP/b.conf" \
		>>"$TMP/b.log" 2>&1 </dev/null &
	FLEET_PID=$!
	lib_own_pid "$FLEET_PID"
	poll 10 ip netns exec "$FLEET_B" grep -q . \
		/proc/net/netfilter/nfnetlink_queue
}

# Everything of the client 10.x, or of the client's kernel, goes by B now.
fleet_switch() {
	echo "ip -n $NS_C route replace 203.0.113.10 via 198.51.101.1 dev up2 src 198.51.100.2 &&
		ip -n $NS_S route replace 10.0.0.0/8 via 192.0.2.1 &&
		ip -n $NS_S route replace 198.51.100.2 via 192.0.2.1 &&
		ip -n $NS_C route flush cache"
}

fleet_back() {
	in_c ip route del 203.0.113.10
	in_s ip route del 10.0.0.0/8
	in_s ip route del 198.51.100.2
} 2>/dev/null

# fleet_cookie WANT-MSS ARG...: SYN by A, ACK and all the rest by B.
fleet_cookie() {
	shield_only
	trap fleet_back EXIT
	# shellcheck disable=SC2086
	raw survives $RAW_HTTP mss=1300 via="$(fleet_switch)" dev=up2 "${@:2}"
	if [ "$1" = none ]; then
		assert_fields "$LINE" mss=0
		return
	fi
	assert_fields "$LINE" mss="$1" sack=1
	assert_num flight "$(field flight "$LINE")" -gt 5000
}

# A kernel's client: A is cut off after its SYN-ACK, B carries on.
fleet_kernel() {
	local pid
	shield_only
	trap fleet_back EXIT
	# The handshake's ACK and the request do not come to A.
	in_g iptables -t raw -A E2E -i cl -p tcp ! --syn -j DROP
	in_c curl -sfg --max-time 8 -o "$TMP/fleet.out" \
		"http://$URL/f20000" &
	pid=$!
	poll 3 established_in_c || fail "no SYN-ACK by A"
	eval "$(fleet_switch)"
	wait "$pid" || fail "B does not take A's client: curl exits $?"
	assert_eq "SHA-256" "$(data_sum 20000)" \
		"$(sha256sum <"$TMP/fleet.out" | cut -d' ' -f1)"
}

established_in_c() {
	in_c ss -Htan state established "dport = :$PORT_HTTP" | grep -q .
}

fleet_cases() {
	penstock_on && [ "$FAMILY" = 4 ] || return 0 # its links are IPv4's
	fleet_make
	shield_conf "handshake = client_first" "tcp_syncookies = 2"
	fleet_start "$TMP/secret"
	run_case shield_fleet_same_secret_cookie_is_taken 20 fleet_cookie 1288
	run_case shield_fleet_without_timestamps_cookie_is_taken 20 \
		fleet_cookie 1220 ts=0
	run_case shield_fleet_kernel_client_changes_gateway 20 fleet_kernel
	pid_end "$FLEET_PID"
	fleet_start "$TMP/secret.other"
	run_case shield_fleet_other_secret_cookie_is_refused 20 \
		fleet_cookie none
	pid_end "$FLEET_PID"
}

# --- floods -------------------------------------------------------------------

# A million spoofed SYNs answered by cookies: nothing grows.
shield_million() {
	local n=1000000 rss size log out
	shield_only
	[ "${E2E_SMOKE:-0}" != 1 ] || n=50000
	http_ok 3 || fail "no page before"
	# So long that the attack has begun, and was told of: what is done for the
	# first time takes memory once.
	in_c "$TOOLS/synflood" -i up -d "$SERVER" -p "$PORT_HTTP" -n 40000 \
		-r 10000 >/dev/null
	size=$(penstock_gauge half_open)/$(penstock_gauge flows)
	rss=$(penstock_rss)
	log=$(stat -c %s "$TMP/penstockd.log")
	out=$(in_c "$TOOLS/synflood" -i up -d "$SERVER" -p "$PORT_HTTP" \
		-n $n -r 150000 -t 300)
	echo "$out"
	assert_fields "$out" sent=$n
	assert_num "answers" "$(field synacks "$out")" -gt $((n / 20))
	assert_eq "half-open/flows" "$size" \
		"$(penstock_gauge half_open)/$(penstock_gauge flows)"
	assert_rss "$rss"
	assert_num "log bytes" "$(stat -c %s "$TMP/penstockd.log")" -le \
		$((log + 4000)) # where an attack begins and ends
	http_ok 3 || fail "no page after"
}

# Twice what fills the queue (backlog 256, so 256 SYNs in 63 s would do):
# legitimate clients get in at their first SYN.
shield_clients_in_flood() {
	local pid out n bad
	shield_only
	in_c "$TOOLS/synflood" -i up -d "$SERVER" -p "$PORT_HTTP" -r 2000 \
		-n 100000 -t 4 >"$TMP/flood.out" &
	pid=$!
	poll 3 flood_is_felt || fail "no cookies in a flood"
	out=$(in_c "$TOOLS/shortconn" -a "$CLIENT" -c 4 -t 2 -x 1024 \
		"$SERVER" "$PORT_HTTP" /keep/f1024)
	echo "$out"
	wait "$pid"
	n=$(jq .connections <<<"$out")
	bad=$(jq '.errors + .stalls' <<<"$out")
	assert_num connections "$n" -ge 20
	# where the machine pauses, all four clients do
	assert_num "failed or retried of $n" $((bad * 100)) -le $((n + 400))
}

flood_is_felt() { [ "$(counter TcpExtSyncookiesSent)" -gt 0 ]; }

shield_cases() {
	local small="tcp_max_syn_backlog = 16" cf="handshake = client_first"
	data_file 1024 >/dev/null
	data_file 20000 >/dev/null
	shield_conf "$cf" "tcp_syncookies = 0" "$small"
	run_case shield_syncookies_0_full_queue_drops 20 \
		shield_queue_full_drops
	shield_conf "$cf" "tcp_syncookies = 1" "$small"
	run_case shield_syncookies_1_full_queue_sends_cookies 20 \
		shield_full_queue_sends_cookies
	shield_conf "$cf" "tcp_syncookies = 2" "$small"
	run_case shield_syncookies_2_every_syn_gets_cookie 20 \
		shield_every_syn_gets_cookie
	run_case shield_cookie_with_timestamps_keeps_options 20 \
		shield_survives 1288
	run_case shield_cookie_without_timestamps_keeps_options 20 \
		shield_survives 1220 ts=0
	run_case shield_cookie_silent_server_window_stays_open 20 \
		shield_at_once
	run_case shield_cookie_forged_ack_is_refused 20 shield_forged
	run_case shield_cookie_copied_opens_nothing_same_numbers_do 20 \
		shield_again
	run_case shield_cookie_first_flight_out_of_order 20 shield_overtaken
	run_case shield_million_spoofed_syns_nothing_grows 90 shield_million
	shield_conf "$cf" "tcp_syncookies = 0" "tcp_synack_retries = 1"
	run_case shield_synack_retries_1_two_answers 20 shield_retries 2
	shield_conf "$cf" "tcp_syncookies = 0" "[penstock] max_flows = 1"
	run_case shield_abort_on_overflow_0_handshake_is_tried_again 20 \
		shield_overflow none SA free=1
	shield_conf "$cf" "tcp_syncookies = 0" "[penstock] max_flows = 1" \
		"tcp_abort_on_overflow = 1"
	run_case shield_abort_on_overflow_1_resets 20 shield_overflow R none
	shield_conf "$cf" "tcp_syncookies = 0" "tcp_defer_accept = 3"
	run_case shield_defer_accept_dials_with_the_data 20 shield_defer
	shield_conf "handshake = auto" "$small" "syn_hold = 1s"
	run_case shield_auto_calm_refused_port_is_refused 20 \
		shield_auto_calm_refuses
	run_case shield_auto_under_attack_cookies_and_back 40 \
		shield_auto_under_attack
	shield_conf "handshake = parallel"
	run_case shield_parallel_silent_server_client_is_answered 20 \
		shield_at_once
	shield_conf "handshake = auto" "tcp_max_syn_backlog = 256"
	run_case shield_flood_clients_get_in_at_first_syn 40 \
		shield_clients_in_flood
	fleet_cases
	shield_conf "handshake = server_first"
}
