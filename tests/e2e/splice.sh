# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# splice.sh - relay = splice: connections that the kernel carries
#
# The translator is attached by `rules apply'; its map lives in a BPF file
# system of our own, mounted before any namespace is entered.

SPLICE_BPF=

splice_mount() {
	SPLICE_BPF=$TMP/bpf
	mkdir -p "$SPLICE_BPF"
	mount -t bpf bpf "$SPLICE_BPF" 2>/dev/null
}

# What a veth brings is handled by the CPU that sent it.  While a sender moves
# from one CPU to another, its old packets may wait there and be passed by its
# new ones: ACKs out of order, which a host counts as PAWSEstab, with nothing but
# plain forwarding in between.  One CPU for all keeps the order of the wire.
splice_in_order() {
	local at
	for at in "$NS_C up" "$NS_G cl" "$NS_G sv" "$NS_S up"; do
		# shellcheck disable=SC2086 # a namespace and an interface
		set -- $at
		ip netns exec "$1" sh -c \
			"echo 1 >/sys/class/net/$2/queues/rx-0/rps_cpus"
	done
}

# splice_restart KEY=VALUE...: the gateway begins anew, and splices.
splice_restart() {
	penstock_on || return 0
	modes_restart "handshake = client_first" "relay = splice" \
		"[penstock] bpf_dir = $SPLICE_BPF/p" \
		"[penstock] bpf_interfaces = cl sv" "$@"
}

splice_only() {
	penstock_on || skip "plain forwarding has no relay"
}

# A counter of a namespace's kernel, since it began.
splice_stat() {
	ip netns exec "$1" nstat -asz "$2" | awk -v n="$2" '$1 == n { print $2 }'
}

# What neither host may ever count: then the translation is wrong.
splice_faults() {
	local ns n
	for ns in "$NS_C" "$NS_S"; do
		for n in TcpInCsumErrors TcpExtPAWSEstab TcpExtBeyondWindow; do
			echo "$n=$(splice_stat "$ns" "$n")"
		done
	done
}

# splice_run COMMAND...: it works, the kernel has carried it, and it was right.
splice_run() {
	local before faults
	splice_only
	before=$(counter Spliced)
	faults=$(splice_faults)
	"$@"
	assert_num "connections spliced" "$(counter Spliced)" -gt "$before"
	assert_eq "what the hosts' kernels found wrong" "$faults" \
		"$(splice_faults)"
}

# splice_pair CLIENT-SETTING SERVER-SETTING COMMAND...: under these sysctls.
# A server that lacks something is met once before it is known.
splice_sysctls() {
	local ns=$1 kv
	shift
	for kv in "$@"; do
		kv=${kv//,/ }
		ip netns exec "$ns" sysctl -qw "net.ipv4.${kv%%=*}=${kv#*=}"
	done
}

splice_under() {
	local side=$1 ns=$NS_C back=() kv k
	[ "$side" = server ] && ns=$NS_S
	for kv in $2; do
		k=${kv%%=*}
		back+=("$k=$(ip netns exec "$ns" sysctl -n "net.ipv4.$k" |
			tr '\t' ,)")
	done
	# shellcheck disable=SC2064 # as they are now
	trap "splice_sysctls $ns $(printf '%q ' "${back[@]}")" EXIT
	# shellcheck disable=SC2086 # words on purpose
	splice_sysctls "$ns" $2
	shift 2
	http_ok 5 || fail "no page at all"
	splice_run "$@"
}

# splice_loss PERCENT DIRECTION BYTES, lost on both sides
splice_loss() {
	wire_segments
	loss client "$1"
	loss server "$1"
	splice_run "transfer_$2" http "$3"
}

splice_listed() {
	"$PENSTOCKCTL" -c "$PENSTOCK_CONF" flows | grep -c "spliced(open"
}

splice_are() { [ "$(splice_listed)" = "$1" ]; }

splice_why() {
	"$PENSTOCKCTL" -c "$PENSTOCK_CONF" flows
	"$PENSTOCKCTL" -c "$PENSTOCK_CONF" nstat | grep Splice
}

# A download that goes on while the daemon is killed, and another one comes.
splice_survives() {
	local pid sum
	splice_only
	in_c curl -sS -g --limit-rate 4M --max-time 60 -o "$TMP/got" \
		"http://$URL/f16777216" &
	pid=$!
	poll 10 splice_are 1 || fail "not spliced: $(splice_why)"
	kill -KILL "$PENSTOCK_PID"
	poll 5 pid_gone "$PENSTOCK_PID"
	sleep 0.5
	ip netns exec "$NS_G" "$PENSTOCKD" -c "$PENSTOCK_CONF" \
		>>"$TMP/penstockd.log" 2>&1 </dev/null &
	echo $! >"$TMP/daemon.pid"
	poll 10 http_ok 1 || fail "no page from the next daemon"
	poll 5 splice_are 1 ||
		fail "the next daemon does not know the connection: $(splice_why)"
	wait "$pid" || fail "curl: $?"
	sum=$(sha256sum <"$TMP/got" | cut -d' ' -f1)
	assert_eq "SHA-256 of what arrived" "$(data_sum 16777216)" "$sum"
}

splice_killed() {
	data_sum 16777216 >/dev/null
	EXPECT_DEATH=1 run_case splice_streams_outlive_the_daemon 90 \
		splice_survives
	[ -e "$TMP/daemon.pid" ] || return 0 # the case was not selected
	PENSTOCK_PID=$(cat "$TMP/daemon.pid")
	rm "$TMP/daemon.pid"
	lib_own_pid "$PENSTOCK_PID"
}

# max_per_source = 3: connections that the kernel carries count, in the list,
# too, until they have ended.
splice_counted() {
	local i pid
	splice_only
	for i in 1 2 3; do
		ip netns exec "$NS_C" curl -sg --limit-rate 100K \
			--max-time 60 -o /dev/null "http://$URL/f16777216" &
		pid=$!
		poll 10 splice_are "$i" || fail "listed: $(splice_listed)"
	done
	assert_eq "spliced, of status" 3 "$(penstock_gauge spliced)"
	! http_ok 2 || fail "a fourth connection came in"
	assert_num SourceLimited "$(counter SourceLimited)" -gt 0
	kill "$pid"
	poll 10 splice_are 2 || fail "listed: $(splice_listed)"
	poll 10 http_ok 2 || fail "nobody comes in for the one that ended"
}

# Neither host has the connection of the client's port $1 any more.
splice_is_gone() {
	[ -z "$(in_c ss -Htn "sport = :$1")$(in_s ss -Htn "dport = :$1")" ]
}

# `penstockctl reset' ends what the kernel relays: both hosts are told, and the
# other connection goes on.
splice_reset() {
	local i
	splice_only
	for i in 1 2; do
		ip netns exec "$NS_C" curl -sg --limit-rate 100K \
			--max-time 60 --local-port 1900"$i" -o /dev/null \
			"http://$URL/f16777216" &
	done
	poll 10 splice_are 2 || fail "not spliced: $(splice_why)"
	assert_eq "said" "1 connections reset" \
		"$("$PENSTOCKCTL" -c "$PENSTOCK_CONF" reset "$CLIENT" 19001)"
	poll 10 splice_is_gone 19001 || fail "a host was not told"
	splice_are 1 || fail "listed: $(splice_why)"
	! splice_is_gone 19002 || fail "the other one has ended, too"
	assert_eq "said" "1 connections reset" \
		"$("$PENSTOCKCTL" -c "$PENSTOCK_CONF" reset "$CLIENT")"
	poll 10 splice_is_gone 19002 || fail "a host was not told of the other"
}

flow_is_listed() {
	"$PENSTOCKCTL" -c "$PENSTOCK_CONF" flows | grep -q "server(ESTABLISHED"
}

# The same of a connection that the daemon carries.
splice_reset_terminated() {
	splice_only
	ip netns exec "$NS_C" curl -sg --limit-rate 100K --max-time 60 \
		--local-port 19003 -o /dev/null "http://$URL/f16777216" &
	poll 10 flow_is_listed || fail "no flow is listed"
	"$PENSTOCKCTL" -c "$PENSTOCK_CONF" reset "$CLIENT" 19003 |
		grep -q "^1 connections" || fail "it was not reset"
	poll 10 splice_is_gone 19003 || fail "a host was not told"
}

# Somebody who knows the ends of a connection, but not its numbers, forges all
# kinds of segments of both.  The connection goes on, and when it has ended, that
# is noticed.
splice_forged() {
	local pid kids=()
	splice_only
	in_c curl -sSg --limit-rate 4M --max-time 60 --local-port 19011 \
		-o "$TMP/got" "http://$URL/f16777216" &
	pid=$!
	poll 10 splice_are 1 || fail "not spliced: $(splice_why)"
	in_c /usr/bin/python3 tests/e2e/splice_forge.py "$CLIENT" 19011 \
		"$SERVER" "$PORT_HTTP" &
	kids+=($!)
	in_s /usr/bin/python3 tests/e2e/splice_forge.py "$SERVER" \
		"$PORT_HTTP" "$CLIENT" 19011 &
	kids+=($!)
	wait "${kids[0]}" || fail "nothing was forged by the client"
	wait "${kids[1]}" || fail "nothing was forged by the server"
	wait "$pid" || fail "curl: $?"
	assert_eq "SHA-256 of what arrived" "$(data_sum 16777216)" \
		"$(sha256sum <"$TMP/got" | cut -d' ' -f1)"
	poll 10 splice_are 0 || fail "it counts for ever: $(splice_why)"
}

# The server closes first and holds TIME_WAIT: the client comes back from the
# same port at once, again and again.
splice_reused() {
	local i t0 took
	for i in {1..12}; do
		t0=$(date +%s%N)
		in_c curl -sSfg --max-time 10 --local-port 19999 -o /dev/null \
			-H "Connection: close" "http://$URL/f1024" ||
			fail "connection $i of one port: curl says $?"
		took=$((($(date +%s%N) - t0) / 1000000))
		assert_num "ms that connection $i took" "$took" -lt 3000
	done
}

# Ended connections stay for as long as TIME_WAIT lasts, here a second.
splice_forgotten() {
	poll 20 splice_none_left ||
		fail "still there: $("$PENSTOCKCTL" -c "$PENSTOCK_CONF" flows)"
}

splice_none_left() {
	! "$PENSTOCKCTL" -c "$PENSTOCK_CONF" flows | grep -q spliced
}

# Nobody translates: one line of `rules apply', if it is at fault, and one of
# the daemon say why, all works as with relay = terminate, and it is counted.
splice_missing() {
	splice_only
	if [ -n "$1" ]; then
		grep -q "^splice: .*$1" "$TMP/rules.log" ||
			fail "rules apply said: $(cat "$TMP/rules.log")"
		assert_eq "lines of rules apply" 1 \
			"$(grep -c "^splice: " "$TMP/rules.log")"
	fi
	grep "relay = splice: no translator" "$TMP/penstockd.log" >"$TMP/said"
	assert_eq "lines of the daemon" 1 "$(wc -l <"$TMP/said")"
	grep -q "$2.*connections are terminated" "$TMP/said" ||
		fail "the daemon said: $(cat "$TMP/said")"
	transfer_download http 1048576
	assert_eq "spliced" 0 "$(counter Spliced)"
	assert_num "counted as not spliced" "$(counter SpliceNoRoom)" -gt 0
}

# splice_without NAME CTL DAEMON DIR CTL-SAYS DAEMON-SAYS: the gateway begins
# anew; CTL and DAEMON are commands that run penstockctl and penstockd.
splice_without() {
	local PENSTOCKCTL=$PENSTOCKCTL PENSTOCKD=$PENSTOCKD SPLICE_BPF=$4
	stop_penstockd
	printf '#!/bin/sh\n%s %s "$@"\n' "$2" "$PENSTOCKCTL" >"$TMP/ctl"
	printf '#!/bin/sh\n%s %s "$@"\n' "$3" "$PENSTOCKD" >"$TMP/daemon"
	chmod 755 "$TMP/ctl" "$TMP/daemon"
	PENSTOCKCTL=$TMP/ctl PENSTOCKD=$TMP/daemon
	: >"$TMP/penstockd.log"
	splice_restart
	run_case "$1" 30 splice_missing "${@:5}"
	stop_penstockd
}

splice_without_cases() {
	local poor="exec setpriv --bounding-set=-all,+net_admin,+net_raw"
	mkdir -p "$TMP/nobpf"
	splice_without splice_without_bpf_file_system exec exec "$TMP/nobpf" \
		"is on no BPF file system" "No such file"
	splice_without splice_without_bpf_in_the_kernel "exec $TOOLS/nobpf" \
		"exec $TOOLS/nobpf" "$SPLICE_BPF" "Function not implemented" \
		"Function not implemented"
	splice_without splice_without_rights_to_load "$poor" "$poor" \
		"$SPLICE_BPF" "Operation not permitted" "No such file"
	splice_without splice_without_what_is_pinned exec \
		"rm -rf $SPLICE_BPF/p/splice; exec" "$SPLICE_BPF" "" \
		"No such file"
	splice_without splice_without_rights_to_open exec \
		"chmod 000 $SPLICE_BPF/p/splice/*; $poor" "$SPLICE_BPF" "" \
		"Permission denied"
}

# What `rules remove' leaves is what was there before.
splice_removed() {
	splice_only
	[ ! -e "$SPLICE_BPF/p" ] || fail "left: $(ls -R "$SPLICE_BPF/p")"
	! in_g tc qdisc show | grep clsact || fail "a clsact qdisc is left"
}

splice_cases() {
	local m=1048576 dir side
	splice_mount || {
		echo "# no BPF file system here"
		return
	}
	splice_in_order
	data_file 1024 >/dev/null
	splice_restart "tcp_syncookies = 2" "tcp_timewait_len = 1s"
	for dir in download upload; do
		run_case "splice_cookies_${dir}_is_intact" 60 \
			splice_run "transfer_$dir" http $((16 * m))
		run_case "splice_loss_1_percent_${dir}_is_intact" 90 \
			splice_loss 1 "$dir" $((4 * m))
		run_case "splice_loss_5_percent_${dir}_is_intact" 90 \
			splice_loss 5 "$dir" $m
	done
	run_case splice_path_mtu_is_found 60 splice_run mtu_path download
	for side in client server; do
		run_case "splice_${side}_without_timestamps" 60 splice_under \
			"$side" tcp_timestamps=0 transfer_download http $m
		run_case "splice_${side}_without_sack" 60 splice_under \
			"$side" tcp_sack=0 transfer_download http $m
		run_case "splice_${side}_without_window_scaling" 60 \
			splice_under "$side" tcp_window_scaling=0 \
			transfer_download http $m
		run_case "splice_${side}_wscale_0" 60 splice_under "$side" \
			"tcp_rmem=4096,65535,65535" \
			transfer_upload http $m
	done
	run_case splice_half_close_is_kept 30 splice_run close_pair half $m 1 \
		"rx=$m end=FIN" "rx=0 tx=$m end=FIN"
	run_case splice_server_speaks_first 30 splice_run close_pair early \
		$m 2 "rx=0 tx=$m end=FIN" "rx=$m end=FIN"
	run_case splice_server_rst_reaches_client 30 splice_run close_pair \
		rst 100000 7 "rx=100000 end=RST" "tx=100000 end=ABORTED"
	data_sum 16777216 >/dev/null
	run_case splice_forged_segments_do_no_harm 60 splice_forged
	run_case splice_time_wait_is_no_obstacle 60 splice_run splice_reused
	run_case splice_ended_connections_are_forgotten 40 splice_run \
		splice_get_and_forget
	splice_killed
	splice_restart "tcp_syncookies = 0" "max_per_source = 3"
	run_case splice_counts_for_max_per_source 60 splice_counted
	splice_restart "tcp_syncookies = 0"
	run_case splice_is_reset_by_command 60 splice_reset
	run_case splice_syn_queue_download_is_intact 60 splice_run \
		transfer_download http $((16 * m))
	splice_restart "tcp_syncookies = 2" "[penstock] front = xdp" \
		"[penstock] front_interfaces = cl"
	run_case splice_behind_the_front_is_intact 60 splice_run \
		transfer_download http $m
	stop_penstockd
	TRAFFIC_EARLIER=1 EXPECT_DEATH=1 \
		run_case splice_is_removed_without_a_trace 10 splice_removed
	splice_without_cases
	modes_restart
	run_case splice_terminated_one_is_reset_by_command 60 \
		splice_reset_terminated
	umount "$SPLICE_BPF"
}

splice_get_and_forget() {
	transfer_download http 1024
	splice_forgotten
}
