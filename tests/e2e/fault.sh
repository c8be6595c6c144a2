# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2153 # LINE is set by peer_run
#
# fault.sh - what real peers make of each fault: their kernels' counters and
# socket states, what their programs are told, and the unharmed other side.
#
# Faults come and go at run time on the one daemon.  A case begins with
# `fault_begin LINE...': exactly these faults, and both kernels' counters are
# remembered.  `fault_case' takes the faults away when it is over.

# shellcheck source=tests/e2e/fault_flow.sh
. tests/e2e/fault_flow.sh

# fault_ctl WORD...: penstockctl fault, by the running daemon's socket.
fault_ctl() { "$PENSTOCKCTL" -S "$TMP/control.sock" fault "$@"; }

fault_nstat() { ip netns exec "$1" nstat -asz 2>/dev/null; }

fault_begin() {
	local l
	penstock_on || skip "plain forwarding has no faults"
	{
		echo reset
		for l in "$@"; do echo "add $l"; done
	} | fault_ctl batch || fail "faults were refused: $*"
	fault_nstat "$NS_C" >"$TMP/nstat.client"
	fault_nstat "$NS_S" >"$TMP/nstat.server"
}

# fault_count NAME COUNTER
fault_count() {
	fault_ctl list -j | jq ".[] | select(.name == \"$1\") | .$2"
}

# fault_grown SIDE NAME: by how much a counter of that side's kernel has grown.
fault_grown() {
	local ns=$NS_C
	[ "$1" = server ] && ns=$NS_S
	{
		cat "$TMP/nstat.$1"
		fault_nstat "$ns"
	} | awk -v name="$2" '$1 == name { if (!seen++) first = $2; last = $2 }
		END { print seen ? last - first : "no such counter" }'
}

# grew SIDE NAME OP N, e.g. fault_grew client TcpRetransSegs -ge 1
fault_grew() { assert_num "$2 of the $1's kernel" "$(fault_grown "$1" "$2")" "$3" "$4"; }

fault_has_grown() {
	[ "$(fault_grown "$1" "$2")" -ge "$3" ]
}

injected() { assert_num "injected by x" "$(fault_count x injected)" "$@"; }

fault_case() {
	run_case "$@"
	penstock_on && fault_ctl reset
}

# fault_intact VERB N [SERVER-FIELD...]: one connection, whole on both ends.
fault_intact() {
	local verb=$1 n=$2 line
	shift 2
	peer_run "$verb" "$n" 5
	line=$(server_line "$LINE")
	echo "client: $LINE"
	echo "server: $line"
	assert_fields "$LINE" bad=- end=FIN
	assert_fields "$line" bad=- end=FIN
	case $verb in
	send) assert_fields "$LINE" rx="$n" ;;
	sink) assert_fields "$line" rx="$n" ;;
	esac
	injected -ge 1
}

# In the background: fault_bg VERB N; its line comes to $TMP/bg.
fault_bg() {
	ip netns exec "$NS_C" "$PEER" run --stall-ms 60000 "$SERVER" \
		"$PORT_PEER" "$1" "$2" 5 >"$TMP/bg" 2>&1 &
	BG=$!
	lib_own_pid "$BG"
}

fault_bg_end() {
	poll 20 pid_gone "$BG" || fail "the client never ended"
	LINE=$(<"$TMP/bg")
	echo "client: $LINE"
}

# socket_is SIDE TEXT: a socket of PORT_PEER whose line in ss has TEXT
socket_is() {
	local ns=$NS_C way=dport
	[ "$1" = server ] && ns=$NS_S way=sport
	ip netns exec "$ns" ss -Htanoi state all "$way = :$PORT_PEER" |
		paste -sd' ' | grep -qE "$2"
}

fault_kill_bg() {
	kill -KILL "$BG"
	fault_ctl reset
	assert_clean 20
}

elapsed_since() { echo $(((${EPOCHREALTIME/./} - $1) / 1000)); }

# --- segments -------------------------------------------------------------

# A client without SACK repairs what was lost by duplicate ACKs.  Those that
# ride on the echo, or whose window has moved, it does not count: its timer
# does it then.
fault_loss_no_sack() {
	in_c sysctl -qw net.ipv4.tcp_sack=0
	trap 'in_c sysctl -qw net.ipv4.tcp_sack=1' EXIT
	fault_begin "x type=loss percent=2 side=client dir=from_peer seed=3"
	wire_segments
	fault_intact echo $((2 * m))
	fault_grew client TcpExtTCPRenoRecovery -gt \
		"$(fault_grown client TcpExtTCPTimeouts)"
}

fault_curl() {
	in_c curl -sS --max-time "$1" -o "$TMP/got" "http://$URL/f$2"
}

# A program's download is what was sent.
fault_download() {
	local n=1048576
	fault_begin "$@"
	data_sum $n >/dev/null
	fault_curl 25 $n || fail "curl: exit $?"
	assert_eq "SHA-256" "$(data_sum $n)" "$(sha256sum <"$TMP/got" |
		cut -d' ' -f1)"
	injected -ge 1
}

# The server's kernel has sent nothing again that was lost.  What came twice, and
# tail loss probes, are no harm: a busy machine is enough for them.
fault_server_unharmed() {
	fault_grew server TcpRetransSegs -le \
		$(($(fault_grown server TcpExtTCPLossProbes) +
			$(fault_grown server TcpExtTCPDSACKRecvSegs)))
}

# fault_counted LINE VERB N SIDE COUNTER OP COUNT: whole, and the kernel of
# SIDE counted; the other side's retransmitted nothing.
fault_counted() {
	fault_begin "$1"
	fault_intact "$2" "$3"
	fault_grew "$4" "$5" "$6" "$7"
	[ "$4" = server ] || fault_server_unharmed
}

fault_droplist() {
	fault_begin "x type=droplist index=3,4 dir=from_peer on=data"
	wire_segments
	fault_intact sink 100000
	injected -eq 2
	fault_grew client TcpRetransSegs -ge 2
	fault_server_unharmed
}

# fault_slow LINE VERB N MILLISECONDS: whole, and not sooner.
fault_slow() {
	local t0
	fault_begin "$1"
	t0=${EPOCHREALTIME/./}
	fault_intact "$2" "$3"
	assert_num milliseconds "$(elapsed_since "$t0")" -ge "$4"
}

fault_delay() {
	local t
	fault_begin "x type=delay time=100ms dir=to_peer"
	data_file 1000 >/dev/null
	t=$(in_c curl -sS -o /dev/null --max-time 20 \
		-w '%{time_connect}' "http://$URL/f1000")
	assert_num "milliseconds of connect()" \
		"$(awk "BEGIN { print int($t * 1000) }")" -ge 100
	injected -ge 2
}

fault_corrupt_fixed() {
	fault_begin \
		"x type=corrupt percent=5 where=payload checksum=fix dir=to_peer"
	wire_segments
	peer_run send 1000000 5
	echo "$LINE"
	assert_fields "$LINE" rx=1000000 end=FIN
	[ "$(field bad "$LINE")" != - ] || fail "no byte is wrong"
	fault_grew client TcpInCsumErrors -eq 0
}

# Both kernels give up early here, so that it can be waited for.
fault_few_retries() {
	in_c sysctl -qw net.ipv4.tcp_retries2="$1"
}

# What a kernel does until it gives up depends on what it holds: with data in
# flight its RTO repeats it, with none and a closed window it probes.
fault_gives_up() {
	local tries
	fault_begin "$1"
	fault_few_retries 2
	peer_run duplex 100000000 5
	fault_few_retries 15
	echo "$LINE"
	assert_fields "$LINE" end=ETIMEDOUT
	tries=$(($(fault_grown client TcpExtTCPTimeouts) +
		$(fault_grown client TcpExtTCPWinProbe)))
	assert_num "RTOs and probes" "$tries" -ge 2
	fault_grew client TcpExtTCPAbortOnTimeout -eq 1
	fault_ctl reset
	assert_clean 20
}

fault_ecn() {
	local marks=IpExtInCEPkts
	[ "$FAMILY" = 6 ] && marks=Ip6InCEPkts
	in_c sysctl -qw net.ipv4.tcp_ecn=1
	fault_begin "x type=ecn mode=ce percent=20 dir=to_peer"
	fault_intact send 1000000
	in_c sysctl -qw net.ipv4.tcp_ecn=2
	fault_grew client $marks -ge 1
}

# The gateway's own forwarding takes one away.
fault_ttl() {
	local match=(ttl --ttl-eq 7) n
	[ "$FAMILY" = 6 ] && match=(hl --hl-eq 7)
	in_c "$IPT" -A INPUT -p tcp -m "${match[@]}"
	fault_begin "x type=ttl value=8 dir=to_peer"
	fault_intact send 100000
	n=$(in_c "$IPT" -vS INPUT | sed -n 's/.* -c \([0-9]*\) .*/\1/p' |
		tail -1)
	assert_num "packets that came with TTL 7" "${n:-0}" -ge 3
}

fault_segment_cases() {
	local m=1048576
	fault_case fault_loss_download_is_intact 30 fault_download \
		"x type=loss percent=5"
	fault_case fault_loss_peer_retransmits 30 fault_counted \
		"x type=loss percent=5 dir=from_peer seed=1" sink $((2 * m)) \
		client TcpRetransSegs -ge 1
	fault_case fault_loss_of_server_side_server_retransmits 30 \
		fault_counted \
		"x type=loss percent=5 side=server dir=from_peer seed=1" \
		send $((2 * m)) server TcpRetransSegs -ge 1
	fault_case fault_droplist_two_segments_retransmitted 30 fault_droplist
	fault_case fault_drop_range_twice_peer_times_out 30 fault_counted \
		"x type=drop_range bytes=3000-4000 times=2 dir=from_peer" \
		sink 200000 client TcpRetransSegs -ge 2
	fault_case fault_delay_makes_connect_slow 30 fault_delay
	fault_case fault_reorder_queues_out_of_order 30 fault_counted \
		"x type=reorder percent=20 time=10ms dir=to_peer on=data" \
		send $m client TcpExtTCPOFOQueue -ge 1
	fault_case fault_loss_no_sack_duplicates_are_counted 40 \
		fault_loss_no_sack
	fault_case fault_duplicate_draws_dsack 30 fault_counted \
		"x type=duplicate percent=20 dir=to_peer on=data" send $m \
		client TcpExtTCPDSACKOldSent -ge 1
	fault_case fault_corrupt_header_is_dropped_by_the_kernel 30 \
		fault_counted \
		"x type=corrupt percent=2 where=tcp,payload dir=to_peer" \
		send $m client TcpInCsumErrors -ge 1
	fault_case fault_corrupt_with_good_checksum_reaches_the_program 30 \
		fault_corrupt_fixed
	fault_case fault_rate_2mbit_takes_its_time 30 fault_slow \
		"x type=rate rate=2mbit dir=to_peer" send 300000 900
	fault_case fault_blackhole_over_then_goes_on 30 fault_counted \
		"x type=blackhole hole=600ms on=byte:50000" sink 500000 \
		client TcpExtTCPTimeouts -ge 1
	fault_case fault_blackhole_for_ever_peer_gives_up 40 fault_gives_up \
		"x type=blackhole on=byte:20000"
	fault_case fault_ecn_marks_reach_the_kernel 30 fault_ecn
	fault_case fault_ttl_is_set 30 fault_ttl
}

# --- handshake ------------------------------------------------------------

fault_syn_retry() {
	fault_begin "$1"
	fault_intact send 10000
	fault_grew client TcpExtTCPSynRetrans -ge 1
}

# The server's own SYN-ACK or ours to it is late; the client just waits.
fault_syn_drop_server() {
	fault_begin "x type=syn_drop count=1 side=server"
	fault_intact send 10000
	injected -eq 1
	fault_server_unharmed
}

# fault_refused WITH ERROR-OF-IPv4 ERROR-OF-IPv6
fault_refused() {
	local want=$2
	[ "$FAMILY" = 6 ] && want=$3
	fault_begin "x type=refuse with=$1"
	LINE=$(in_c "$PEER" run --connect-ms 5000 "$SERVER" "$PORT_PEER" \
		send 10 5)
	assert_fields "$LINE" end="$want"
	injected -ge 1
	fault_grew server TcpPassiveOpens -eq 0
}

fault_deluded() {
	fault_begin "x type=delude"
	peer_run send 1000 5
	case $(field end "$LINE") in
	RST | ECONNRESET) ;; # the latter when it came before the first look
	*) fail "want a reset: $LINE" ;;
	esac
	fault_grew client TcpAttemptFails -eq 0
	fault_grew server TcpPassiveOpens -eq 0
}

fault_tarpit() {
	fault_begin "x type=tarpit"
	fault_bg sink 1000000
	poll 10 socket_is client "(ESTAB|FIN-WAIT-1).*timer:\(persist" ||
		fail "no persist timer: $(in_c ss -tanoi)"
	fault_grew server TcpPassiveOpens -eq 0
	kill -KILL $BG
	in_c ss -K "dport = :$PORT_PEER" >/dev/null 2>&1
	fault_ctl reset
	poll 20 no_sockets_left || fail "sockets are left"
}

# What the client's kernel agreed on, and what the server's did.
fault_strip_option() {
	fault_begin "x type=strip_option list=sack,ts,ws"
	ip netns exec "$NS_C" "$PEER" idle "$SERVER" "$PORT_PEER" 60 5 \
		>/dev/null 2>&1 &
	BG=$!
	lib_own_pid "$BG"
	poll 10 socket_is server "ESTAB" || fail "not connected"
	socket_is client " (ts|sack|wscale:[0-9])" &&
		fail "the client's options: $(in_c ss -tinH)"
	socket_is server " ts " || fail "the server's are gone, too"
	socket_is server " sack " || fail "the server's are gone, too"
	injected -ge 1
	fault_kill_bg
}

fault_mss_clamp() {
	fault_begin "x type=mss_clamp value=600 side=both"
	wire_segments
	fault_intact send 200000
	fault_grew client TcpInSegs -ge 330
	fault_intact sink 200000
	fault_grew server TcpInSegs -ge 330
}

fault_handshake_cases() {
	fault_case fault_syn_drop_client_retries 30 fault_syn_retry \
		"x type=syn_drop count=1"
	fault_case fault_syn_drop_of_server_side_is_repaired_by_us 30 \
		fault_syn_drop_server
	fault_case fault_syn_ack_delay_client_retries 30 fault_syn_retry \
		"x type=syn_ack_delay time=1300ms"
	fault_case fault_syn_ack_drop_client_retries 30 fault_syn_retry \
		"x type=syn_ack_drop count=2"
	fault_case fault_refuse_rst_gives_econnrefused 30 fault_refused rst \
		ECONNREFUSED ECONNREFUSED
	fault_case fault_refuse_icmp_port_gives_econnrefused 30 fault_refused \
		icmp-port ECONNREFUSED ECONNREFUSED
	fault_case fault_refuse_icmp_host_gives_ehostunreach 30 fault_refused \
		icmp-host EHOSTUNREACH EHOSTUNREACH
	fault_case fault_refuse_icmp_admin_gives_its_error 30 fault_refused \
		icmp-admin EHOSTUNREACH EACCES
	fault_case fault_delude_connects_then_resets 30 fault_deluded
	fault_case fault_tarpit_leaves_client_probing 30 fault_tarpit
	fault_case fault_strip_option_of_one_side 30 fault_strip_option
	fault_case fault_mss_clamp_makes_small_segments 30 fault_mss_clamp
}
