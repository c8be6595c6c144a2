# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2153 # LINE is set by peer_run
#
# fault_seg.sh - what kernels make of faults of segments and of the handshake.
# fault.sh has the means; shield_tfo.sh those of Fast Open.

# seg_nstat NAMESPACE COUNTER...: the sum, from the namespace's beginning
seg_nstat() {
	ip netns exec "$1" nstat -asz "${@:2}" |
		awk '/^[TI]/{ n += $2 } END { print n + 0 }'
}

# seg_capture: the client's packets of the peer service, as text, from now on
seg_capture() {
	: >"$TMP/seg"
	: >"$TMP/seg.err"
	in_c tcpdump -nn -U -l -i up "$IPP and tcp port $PORT_PEER" \
		>"$TMP/seg" 2>"$TMP/seg.err" &
	poll 5 grep -q "listening on" "$TMP/seg.err" || fail "no capture"
}

# seg_sent TO|FROM FLAGS: captured packets to, or from, the server
seg_sent() {
	local end=".$PORT_PEER"
	[ "$1" = TO ] && end="> [^ ]*$end:" || end="[^ ]*$end >"
	grep -c "$end.*Flags \\[$2\\]" "$TMP/seg"
}

# seg_path_mtu: what the client's kernel knows of its path; 0: nothing special
seg_path_mtu() {
	in_c ip route get "$SERVER" | grep -o 'mtu [0-9]*' | head -1 |
		grep -o '[0-9]*' || echo 0
}

seg_echo() {
	peer_run echo "$1" 7
	assert_fields "$LINE" bad=- rx="$1" end=FIN
}

# At most four segments a slot, a slot every 20 ms.
seg_slot() {
	local t0=${EPOCHREALTIME/./}
	wire_segments
	fault_begin "x type=slot min=20ms packets=4"
	seg_echo 65536
	# 65536 bytes are 46 segments at least: twelve slots
	assert_num "microseconds" $((${EPOCHREALTIME/./} - t0)) -ge 220000
	assert_num injected "$(fault_count x injected)" -ge 46
}

# The daemon reads the table; what is wrong with it is told.
seg_delay_table() {
	local t0 us
	echo "8192 -8192" >"$TMP/two.dist"
	echo "8192 many" >"$TMP/bad.dist"
	chmod a+r "$TMP"/*.dist
	fault_begin "x type=delay time=60ms jitter=20ms \
		distribution=file:$TMP/two.dist on=synack"
	t0=${EPOCHREALTIME/./}
	seg_echo 10
	us=$((${EPOCHREALTIME/./} - t0))
	assert_num "microseconds" "$us" -ge 40000
	assert_eq injected 1 "$(fault_count x injected)"
	fault_ctl add y type=delay time=1ms \
		"distribution=file:$TMP/bad.dist" 2>"$TMP/said" &&
		fail "a bad table was taken"
	grep -q 'bad.dist": allowed: numbers from' "$TMP/said" ||
		fail "it says: $(<"$TMP/said")"
}

# seg_mtu_told GLUED: the kernel lowers its path MTU, the upload arrives
seg_mtu_told() {
	[ "$1" = glued ] || wire_segments
	fault_begin "x type=mtu_blackhole mtu=1300 icmp=ptb"
	assert_eq "path MTU before" 0 "$(seg_path_mtu)"
	transfer_upload http 300000
	assert_eq "path MTU after" 1300 "$(seg_path_mtu)"
	assert_num injected "$(fault_count x injected)" -ge 1
}

# The server's kernel is the one that is told.
seg_mtu_server_told() {
	wire_segments
	fault_begin "x type=mtu_blackhole mtu=1300 side=server icmp=ptb"
	transfer_download http 300000
	in_s ip route get "$CLIENT" | grep -q 'mtu 1300' ||
		fail "the server does not know: $(in_s ip route get "$CLIENT")"
}

# Nobody says why: the client's kernel probes (RFC 4821), if it may.
seg_mtu_silent() {
	wire_segments
	in_c sysctl -qw net.ipv4.tcp_mtu_probing=1 net.ipv4.tcp_retries1=2
	trap 'in_c sysctl -qw net.ipv4.tcp_mtu_probing=0 \
		net.ipv4.tcp_retries1=3' EXIT
	fault_begin "x type=mtu_blackhole mtu=1300 dir=from_peer"
	transfer_upload http 100000
	assert_num injected "$(fault_count x injected)" -ge 2
	assert_eq "path MTU" 0 "$(seg_path_mtu)"
}

# And our own side, towards the client.
seg_mtu_we_probe() {
	local before
	fault_begin "x type=mtu_blackhole mtu=1300 dir=to_peer"
	before=$(counter TcpExtTCPMTUPFail)
	transfer_download http 100000
	assert_num "black holes found" \
		$(($(counter TcpExtTCPMTUPFail) - before)) -ge 1
}

ICMP_IN="IcmpInDestUnreachs Icmp6InDestUnreachs"

# seg_icmp_soft KIND: an established connection takes no harm
seg_icmp_soft() {
	local before
	# shellcheck disable=SC2086
	before=$(seg_nstat "$NS_C" $ICMP_IN)
	fault_begin "x type=icmp kind=$1 on=data count=3"
	seg_echo 300000
	# shellcheck disable=SC2086
	assert_eq "errors that the client's kernel took" 3 \
		$(($(seg_nstat "$NS_C" $ICMP_IN) - before))
	assert_eq injected 3 "$(fault_count x injected)"
}

# On a SYN it is the end of connect(), with the error of the ICMP.
seg_icmp_connect() {
	fault_begin "x type=icmp kind=$1 on=syn"
	in_c /usr/bin/python3 -c '
import socket, sys
s = socket.socket(socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET)
s.settimeout(5)
try:
    s.connect((sys.argv[1], int(sys.argv[2])))
    print("connected")
except OSError as e:
    print(e.errno)' "$SERVER" "$PORT_PEER" >"$TMP/errno"
	assert_eq "errno of connect()" "$2" "$(<"$TMP/errno")"
}

seg_icmp_ptb() {
	fault_begin "x type=icmp kind=ptb mtu=1290 on=data"
	seg_echo 100000
	assert_eq "path MTU" 1290 "$(seg_path_mtu)"
}

# RFC 5927: a quote that is not of what is in flight counts for nothing.
seg_icmp_bad_quote() {
	local before
	before=$(seg_nstat "$NS_C" TcpExtOutOfWindowIcmps)
	fault_begin "x type=icmp kind=ptb mtu=1290 quote=bad-seq on=data count=4"
	seg_echo 100000
	assert_eq "path MTU" 0 "$(seg_path_mtu)"
	assert_eq "ICMP out of the window" 4 \
		$(($(seg_nstat "$NS_C" TcpExtOutOfWindowIcmps) - before))
}

# The client resets what it did not ask for, and tries again.
seg_wrong_synack() {
	seg_capture
	fault_begin "x type=wrong_synack count=1"
	seg_echo 1000
	assert_eq injected 1 "$(fault_count x injected)"
	poll 5 seg_sees FROM 'F\.\|FP\.' || fail "no FIN: $(<"$TMP/seg")"
	assert_eq "RST from the client" 1 "$(seg_sent TO R)"
	assert_num "SYNs from the client" "$(seg_sent TO S)" -ge 2
}

seg_sees() { [ "$(seg_sent "$1" "$2")" -ge 1 ]; }

# The same towards the server: its kernel sees our RST, then our next SYN.
seg_wrong_synack_server() {
	fault_begin "x type=wrong_synack side=server count=1"
	seg_echo 1000
	assert_eq injected 1 "$(fault_count x injected)"
}

# A SYN answers the client's SYN: its kernel answers SYN-ACK.
seg_simultaneous_open() {
	seg_capture
	fault_begin "x type=simultaneous_open"
	seg_echo 200000
	assert_eq injected 1 "$(fault_count x injected)"
	poll 5 seg_sees FROM 'F\.\|FP\.' || fail "no FIN: $(<"$TMP/seg")"
	assert_eq "SYN-ACKs from the server" 0 "$(seg_sent FROM 'S\.')"
	assert_eq "SYNs from the server" 1 "$(seg_sent FROM S)"
	assert_eq "SYN-ACKs from the client" 1 "$(seg_sent TO 'S\.')"
}

# The state in between, held for a while.
seg_simultaneous_syn_recv() {
	local pid
	fault_begin "x type=simultaneous_open" \
		"y type=delay dir=from_peer time=2s on=synack"
	in_c "$PEER" run "$SERVER" "$PORT_PEER" echo 100 1 >"$TMP/seg.out" &
	pid=$!
	poll 5 seg_syn_recv || fail "never in SYN-RECV: $(in_c ss -tan)"
	wait "$pid"
	assert_fields "$(<"$TMP/seg.out")" bad=- rx=100 end=FIN
}
seg_syn_recv() { in_c ss -Htan state syn-recv | grep -q ":$PORT_PEER"; }

# --- Fast Open ---

TFO_FAILS=TcpExtTCPFastOpenActiveFail

# seg_tfo_begin FAULT...: the client's kernel has a cookie, and uses it
seg_tfo_begin() {
	tfo_forget
	fault_begin
	tfo_servers_start
	trap tfo_servers_end EXIT
	tfo_client "$TFO_PORT" ask
	tfo_client "$TFO_PORT" used
	assert_fields "$LINE" echo=used syn_data=1
	FAILS=$(seg_nstat "$NS_C" $TFO_FAILS)
	fault_begin "$@"
}

seg_tfo_fails() {
	echo $(($(seg_nstat "$NS_C" $TFO_FAILS) - FAILS))
}

# seg_tfo_falls_back MODE: the data goes again after the handshake
seg_tfo_falls_back() {
	seg_tfo_begin "x type=tfo mode=$1"
	tfo_client "$TFO_PORT" again
	assert_fields "$LINE" echo=again syn_data=0
	assert_eq "failures that the kernel counts" 1 "$(seg_tfo_fails)"
	assert_eq injected 1 "$(fault_count x injected)"
}

# Three time-outs: the kernel turns Fast Open off for a while.
seg_tfo_blackhole() {
	local before
	seg_tfo_begin "x type=tfo mode=blackhole count=3"
	in_c sysctl -qw net.ipv4.tcp_fastopen_blackhole_timeout_sec=600
	before=$(seg_nstat "$NS_C" TcpExtTCPFastOpenBlackhole)
	tfo_client "$TFO_PORT" held
	assert_fields "$LINE" echo=held syn_data=0
	assert_eq injected 3 "$(fault_count x injected)"
	assert_eq "black holes that the kernel counts" 1 \
		$(($(seg_nstat "$NS_C" TcpExtTCPFastOpenBlackhole) - before))
	tfo_client "$TFO_PORT" off
	assert_fields "$LINE" echo=off syn_data=0
	in_c sysctl -qw net.ipv4.tcp_fastopen_blackhole_timeout_sec=0
}

# seg_tfo_server MODE: towards the server it is our own side that falls back,
# and a kernel that judges its cookie.
seg_tfo_server() {
	local before
	seg_tfo_begin "x type=tfo mode=$1 side=server"
	before=$(counter TcpExtTCPFastOpenActiveFail)
	tfo_client "$TFO_PORT" again
	assert_fields "$LINE" echo=again syn_data=1
	assert_eq "failures that we count" 1 \
		$(($(counter TcpExtTCPFastOpenActiveFail) - before))
	assert_eq injected 1 "$(fault_count x injected)"
}

# The cookie that it gets is refused the next time.
seg_tfo_stale() {
	seg_tfo_begin "x type=tfo mode=stale-cookie"
	tfo_forget
	tfo_client "$TFO_PORT" ask
	assert_eq injected 1 "$(fault_count x injected)"
	tfo_client "$TFO_PORT" stale
	assert_fields "$LINE" echo=stale syn_data=0
	assert_eq "failures that the kernel counts" 1 "$(seg_tfo_fails)"
}

seg_has_cookie() { in_c ip tcp_metrics show | grep -q fo_cookie; }

seg_tfo_no_cookie() {
	seg_tfo_begin "x type=tfo mode=no-cookie"
	seg_has_cookie || fail "no cookie to begin with"
	tfo_forget
	tfo_client "$TFO_PORT" ask
	tfo_client "$TFO_PORT" plain
	assert_fields "$LINE" echo=plain syn_data=0
	seg_has_cookie && fail "the kernel has a cookie"
	assert_num injected "$(fault_count x injected)" -ge 1
}

fault_seg_cases() {
	local m
	IPP=ip
	[ "$FAMILY" = 6 ] && IPP=ip6
	fault_case fault_slot_bounds_the_rate 20 seg_slot
	fault_case fault_delay_by_table_of_a_file 20 seg_delay_table
	fault_case fault_mtu_blackhole_client_told_lowers_path_mtu 20 \
		seg_mtu_told single
	fault_case fault_mtu_blackhole_glued_segments_arrive 20 \
		seg_mtu_told glued
	fault_case fault_mtu_blackhole_server_told_lowers_path_mtu 20 \
		seg_mtu_server_told
	fault_case fault_mtu_blackhole_silent_client_probes 30 seg_mtu_silent
	fault_case fault_mtu_blackhole_silent_we_come_down 30 seg_mtu_we_probe
	for m in unreach-host unreach-port unreach-admin; do
		fault_case "fault_icmp_${m}_established_goes_on" 20 \
			seg_icmp_soft "$m"
	done
	fault_case fault_icmp_unreach_host_on_syn_ends_connect 20 \
		seg_icmp_connect unreach-host 113
	fault_case fault_icmp_unreach_port_on_syn_ends_connect 20 \
		seg_icmp_connect unreach-port 111
	fault_case fault_icmp_ptb_lowers_path_mtu 20 seg_icmp_ptb
	fault_case fault_icmp_ptb_bad_quote_ignored 20 seg_icmp_bad_quote
	fault_case fault_wrong_synack_reset_and_retried 20 seg_wrong_synack
	fault_case fault_wrong_synack_to_us_retried 20 seg_wrong_synack_server
	fault_case fault_simultaneous_open_works 20 seg_simultaneous_open
	fault_case fault_simultaneous_open_client_in_syn_recv 20 \
		seg_simultaneous_syn_recv
	for m in ignore-data reject-cookie blackhole; do
		fault_case "fault_tfo_${m}_falls_back" 20 seg_tfo_falls_back "$m"
	done
	for m in ignore-data reject-cookie; do
		fault_case "fault_tfo_${m}_to_server_we_fall_back" 20 \
			seg_tfo_server "$m"
	done
	fault_case fault_tfo_blackhole_thrice_turned_off 30 seg_tfo_blackhole
	fault_case fault_tfo_stale_cookie_refused_next_time 20 seg_tfo_stale
	fault_case fault_tfo_no_cookie_never_used 20 seg_tfo_no_cookie
}
