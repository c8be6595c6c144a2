# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# shield_tfo.sh - Fast Open: kernel clients and servers, and single segments
#
# shield.sh has the helpers.

TFO_KEY_A=00112233-44556677-8899aabb-ccddeeff
TFO_KEY_B=01234567-89abcdef-02468ace-13579bdf
TFO_PORT=$PORT_DYING # where a server with Fast Open listens
TFO_PLAIN=$PORT_REFUSED # and one without

# tfo_forget: no kernel remembers a cookie, and none keeps Fast Open off.
tfo_forget() {
	in_c ip tcp_metrics flush
	in_c sysctl -qw net.ipv4.tcp_fastopen=3 \
		net.ipv4.tcp_fastopen_blackhole_timeout_sec=0
	in_s sysctl -qw net.ipv4.tcp_fastopen=3
} >/dev/null 2>&1

# tfo_capture NAMESPACE DEVICE PORT: SYNs, as text, from now on.
tfo_capture() {
	: >"$TMP/syns"
	: >"$TMP/syns.err" # the last capture's must not be taken for ours
	ip netns exec "$1" tcpdump -nn -U -l -i "$2" \
		"tcp dst port $3 and (tcp[tcpflags] & (tcp-syn|tcp-ack)) = tcp-syn or (ip6 and tcp dst port $3)" \
		>"$TMP/syns" 2>"$TMP/syns.err" &
	poll 5 grep -q "listening on" "$TMP/syns.err" || fail "no capture"
}

# How many of the captured SYNs carried data.
syns_with_data() {
	grep -E 'Flags \[S\]' "$TMP/syns" | grep -cvE 'length 0(:|$)'
}

syns_seen() {
	[ "$(grep -cE 'Flags \[S\]' "$TMP/syns")" -ge "$1" ]
}

# Two servers that echo, with Fast Open and without.
tfo_servers_start() {
	start_in "$NS_S" "$TMP/tfo.err" /usr/bin/python3 \
		tests/e2e/fastopen.py serve "$TFO_PORT"
	TFO_PIDS=$REPLY
	start_in "$NS_S" "$TMP/tfo.err" /usr/bin/python3 \
		tests/e2e/fastopen.py serve-plain "$TFO_PLAIN"
	TFO_PIDS+=" $REPLY"
	poll 5 listening "$TFO_PORT" || die "fastopen.py does not listen"
	poll 5 listening "$TFO_PLAIN" || die "fastopen.py does not listen"
}

tfo_servers_end() {
	local p
	for p in $TFO_PIDS; do
		pid_end "$p"
	done
}

# tfo_client PORT TEXT: TCP_FASTOPEN_CONNECT; sets LINE.
tfo_client() {
	LINE=$(in_c /usr/bin/python3 tests/e2e/fastopen.py "${3:-connect}" \
		"$SERVER" "$1" "$2") || fail "fastopen.py: $LINE"
	echo "client: $LINE"
}

# The server has no Fast Open; the client gets it all the same.
tfo_curl() {
	local i
	shield_only
	tfo_forget
	tfo_capture "$NS_C" up "$PORT_HTTP"
	for i in 1 2; do
		in_c curl -sSfg --tcp-fastopen --max-time 5 -o "$TMP/tfo.out" \
			"http://$URL/f20000" || fail "request $i"
		assert_eq "SHA-256 of $i" "$(data_sum 20000)" \
			"$(sha256sum <"$TMP/tfo.out" | cut -d' ' -f1)"
	done
	poll 5 syns_seen 2 || fail "no two SYNs: $(<"$TMP/syns")"
	assert_eq "SYNs with data" 1 "$(syns_with_data)"
	assert_counted TcpExtTCPFastOpenCookieReqd
	assert_counted TcpExtTCPFastOpenPassive
}

# Kernel client, kernel server with Fast Open: data in the SYN on both sides.
tfo_both() {
	local i
	tfo_forget
	tfo_client "$TFO_PORT" first
	tfo_client "$TFO_PORT" second
	tfo_capture "$NS_S" up "$TFO_PORT"
	for i in third fourth; do
		tfo_client "$TFO_PORT" "$i"
		assert_fields "$LINE" echo="$i" syn_data=1
	done
	poll 5 syns_seen 2 || fail "no two SYNs: $(<"$TMP/syns")"
	assert_eq "SYNs with data at the server" 2 "$(syns_with_data)"
	assert_counted TcpExtTCPFastOpenActive 2
	assert_counted TcpExtTCPFastOpenPassive 2
}

# What still ends when its link goes would stay in the client's kernel for long.
tfo_far_is_idle() { ! in_c ss -Htan src 10.77.0.2 | grep -qv ^TIME-WAIT; }

# tfo_rtt PORT: emulated round trip of 200 ms between client and gateway.  The
# best of each kind counts: a busy machine adds to some, but takes from none.
tfo_rtt() {
	local plain=100000 fast=100000 i ms
	skip_in_smoke
	[ "$1" = "$TFO_PORT" ] || shield_only
	[ "$FAMILY" = 4 ] || skip "IPv4 link"
	: >"$TMP/linkem.out"
	start_in "$NS_G" "$TMP/linkem.out" "$TOOLS/linkem" \
		--a "$NS_C:far" --b "$NS_G:far" --delay 100
	poll 5 grep -q ready "$TMP/linkem.out" || fail "no link"
	in_c ip addr add 10.77.0.2/24 dev far
	in_g ip addr add 10.77.0.1/24 dev far
	in_c ip route replace 203.0.113.10/32 via 10.77.0.1 dev far
	trap 'in_c ip route del 203.0.113.10/32; pid_end '"$REPLY" EXIT
	tfo_forget
	tfo_client "$1" ask # a cookie
	for i in {1..10}; do
		tfo_client "$1" "f$i"
		assert_fields "$LINE" echo="f$i" syn_data=1
		ms=$(field ms "$LINE")
		[ "$ms" -lt "$fast" ] && fast=$ms
		tfo_client "$1" "p$i" plain
		ms=$(field ms "$LINE")
		[ "$ms" -lt "$plain" ] && plain=$ms
		[ "$fast" -gt $((plain - 150)) ] || break
	done
	assert_num "ms without Fast Open" "$plain" -ge 398
	assert_num "ms with Fast Open: one round trip less" \
		"$fast" -le $((plain - 150))
	poll 5 tfo_far_is_idle || fail "connections over the link do not end"
}

# tfo_segments ARG...: single segments: ask, then data in the SYN; delivered
# once; answered before the handshake is complete.
tfo_segments() {
	local port=$PORT_HTTP
	penstock_on || port=$TFO_PORT # its kernel is the reference
	raw fastopen server="$SERVER" port="$port" "$@"
	assert_fields "$LINE" taken=1 once=1 end=FIN
	assert_eq "cookie's length" 16 "$(field asked "$LINE" | wc -c |
		awk '{ print $1 - 1 }')"
	raw fastopen server="$SERVER" port="$port" early=1 "$@"
	assert_fields "$LINE" taken=1 early=1
}

tfo_bad_cookie() {
	local port=$PORT_HTTP
	penstock_on || port=$TFO_PORT # its kernel is the reference
	raw fastopen server="$SERVER" port="$port" cookie=0011223344556677
	assert_fields "$LINE" taken=0 once=1 end=FIN
	[ "$(field renew "$LINE")" != none ] || fail "no new cookie is offered"
	assert_counted TcpExtTCPFastOpenPassiveFail
}

# Key A; then B with A as backup; then B alone.
tfo_rotation() {
	local c base=("handshake = client_first" "tcp_fastopen = 3")
	shield_only
	# shellcheck disable=SC2086
	raw fastopen $RAW_HTTP src=10.3.3.3 only=1
	c=$(field asked "$LINE")
	shield_reload "${base[@]}" "tcp_fastopen_key = $TFO_KEY_B,$TFO_KEY_A"
	# shellcheck disable=SC2086
	raw fastopen $RAW_HTTP src=10.3.3.3 cookie="$c"
	assert_fields "$LINE" taken=1 end=FIN
	[ "$(field renew "$LINE")" != none ] || fail "the cookie is not renewed"
	shield_reload "${base[@]}" "tcp_fastopen_key = $TFO_KEY_B"
	# shellcheck disable=SC2086
	raw fastopen $RAW_HTTP src=10.3.3.3 cookie="$c"
	assert_fields "$LINE" taken=0 once=1 end=FIN
	c=$(field renew "$LINE")
	# shellcheck disable=SC2086
	raw fastopen $RAW_HTTP src=10.3.3.3 cookie="$c"
	assert_fields "$LINE" taken=1 renew=none
}

# The kernel's own cookie, under the same key, opens at the gateway.
tfo_kernel_cookie() {
	shield_only
	echo "the kernel's cookie: $TFO_KERNELS"
	[[ $TFO_KERNELS =~ ^[0-9a-f]{16}$ ]] || fail "that is none"
	# shellcheck disable=SC2086
	raw fastopen $RAW_HTTP src=10.3.3.3 cookie="$TFO_KERNELS"
	assert_fields "$LINE" taken=1 renew=none
}

# tfo_kernel_asked KEY: what the server's kernel gives when nobody is between.
tfo_kernel_asked() {
	in_s sysctl -qw net.ipv4.tcp_fastopen_key="$1"
	TFO_KERNELS=$(in_c /usr/bin/python3 tests/e2e/rawtcp.py fastopen \
		server=203.0.113.10 port="$TFO_PORT" src=10.3.3.3 only=1)
	TFO_KERNELS=${TFO_KERNELS#asked=}
}

# tcp_fastopen = 1: none towards clients, as in the kernel.
tfo_off() {
	# shellcheck disable=SC2086
	raw fastopen $RAW_HTTP
	assert_fields "$LINE" asked=none taken=0 once=1 end=FIN
}

# In a flood a cookie of the other kind answers; the data comes again.
tfo_flood() {
	local c
	shield_only
	# shellcheck disable=SC2086
	raw fastopen $RAW_HTTP src=10.3.3.3 only=1
	c=$(field asked "$LINE")
	# shellcheck disable=SC2086
	raw syns $RAW_HTTP n=60 clean=1
	assert_fields "$LINE" answered=60
	# shellcheck disable=SC2086
	raw fastopen $RAW_HTTP src=10.3.3.3 cookie="$c"
	assert_fields "$LINE" taken=0 once=1 end=FIN
}

# A path to the server that swallows SYNs with data: nothing is lost, and
# Fast Open is left alone.
tfo_blackhole() {
	local i
	shield_only
	[ "$FAMILY" = 4 ] || skip "once is enough"
	tfo_forget
	tfo_client "$TFO_PORT" one # the gateway learns the server's cookie
	tfo_client "$TFO_PORT" two
	in_s iptables -A INPUT -p tcp --syn --dport "$TFO_PORT" \
		-m length --length 64:1500 -m tcp --tcp-option 34 -j DROP
	for i in three four; do
		tfo_client "$TFO_PORT" "$i"
		assert_fields "$LINE" echo="$i"
	done
	tfo_capture "$NS_S" up "$TFO_PORT"
	tfo_client "$TFO_PORT" five
	assert_fields "$LINE" echo=five
	poll 5 syns_seen 1
	assert_eq "SYNs with data after two losses" 0 "$(syns_with_data)"
	assert_counted TcpExtTCPFastOpenActiveFail 2
	in_s iptables -F INPUT
	"$PENSTOCKCTL" -c "$PENSTOCK_CONF" paths flush || fail "paths flush"
	tfo_client "$TFO_PORT" six # asks for a cookie again
	tfo_client "$TFO_PORT" seven
	assert_fields "$LINE" echo=seven
	poll 5 syns_seen 3
	assert_eq "SYNs with data after paths flush" 1 "$(syns_with_data)"
}

# tfo_timeout DATA: a connection whose SYN was lost twice; whether the next one
# takes data along, tcp_fastopen_blackhole_timeout_sec says.
tfo_timeout() {
	shield_only
	tfo_forget
	tfo_client "$TFO_PORT" one
	tfo_client "$TFO_PORT" two
	in_s iptables -A INPUT -p tcp --syn --dport "$TFO_PORT" -j DROP
	later 1.5 in_s iptables -F INPUT
	tfo_client "$TFO_PORT" three
	assert_fields "$LINE" echo=three
	assert_num "ms, of two lost SYNs" "$(field ms "$LINE")" -ge 2900
	tfo_capture "$NS_S" up "$TFO_PORT"
	tfo_client "$TFO_PORT" four
	assert_fields "$LINE" echo=four
	poll 5 syns_seen 1
	assert_eq "SYNs with data" "$1" "$(syns_with_data)"
}

# tfo_conf KEY=VALUE...: with Fast Open towards clients, which is off by default.
tfo_conf() {
	shield_conf "tcp_fastopen = 3" "$@"
}

shield_tfo_cases() {
	data_file 1024 >/dev/null
	data_file 20000 >/dev/null
	tfo_servers_start
	tfo_conf "handshake = client_first"
	run_case tfo_curl_server_without_gets_data_in_syn 20 tfo_curl
	run_case tfo_server_with_data_in_both_syns 20 tfo_both
	run_case tfo_server_without_saves_one_round_trip 30 tfo_rtt "$TFO_PLAIN"
	run_case tfo_server_with_saves_one_round_trip 30 tfo_rtt "$TFO_PORT"
	run_case tfo_syn_data_is_delivered_once_and_early 20 tfo_segments
	run_case tfo_experimental_option_is_answered 20 tfo_segments exp=1
	run_case tfo_invalid_cookie_ordinary_handshake 20 tfo_bad_cookie
	family_use 6
	run_case tfo_syn_data_is_delivered_once_and_early 20 tfo_segments
	run_case tfo_experimental_option_is_answered 20 tfo_segments exp=1
	run_case tfo_invalid_cookie_ordinary_handshake 20 tfo_bad_cookie
	family_use 4
	tfo_conf "handshake = server_first"
	run_case tfo_server_first_syn_data_is_delivered_once 20 tfo_segments
	run_case tfo_server_first_experimental_is_answered 20 \
		tfo_segments exp=1
	tfo_conf "handshake = auto"
	run_case tfo_auto_experimental_is_answered 20 tfo_segments exp=1
	run_case tfo_auto_curl_gets_data_in_syn 20 tfo_curl
	run_case tfo_auto_server_with_data_in_both_syns 20 tfo_both
	family_use 6
	run_case tfo_curl_server_without_gets_data_in_syn 20 tfo_curl
	run_case tfo_server_with_data_in_both_syns 20 tfo_both
	family_use 4
	tfo_conf "handshake = client_first" "tcp_fastopen_key = $TFO_KEY_A"
	run_case tfo_key_rotation_old_key_while_backup 20 tfo_rotation
	stop_penstockd
	tfo_kernel_asked "$TFO_KEY_A"
	tfo_conf "handshake = client_first" "tcp_fastopen_key = $TFO_KEY_A"
	run_case tfo_kernel_cookie_same_key_opens 20 tfo_kernel_cookie
	shield_conf "handshake = client_first" "tcp_fastopen = 1"
	run_case tfo_off_towards_clients_no_cookie 20 tfo_off
	tfo_conf "handshake = client_first" "tcp_max_syn_backlog = 16"
	run_case tfo_flood_cookies_instead 20 tfo_flood
	tfo_conf "handshake = client_first"
	run_case tfo_path_swallows_syn_data_falls_back 30 tfo_blackhole
	tfo_conf "handshake = client_first"
	run_case tfo_blackhole_timeout_0_goes_on 30 tfo_timeout 1
	tfo_conf "handshake = client_first" \
		"tcp_fastopen_blackhole_timeout_sec = 60"
	run_case tfo_blackhole_timeout_60_stops 30 tfo_timeout 0
	tfo_servers_end
}
