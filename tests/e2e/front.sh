# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# front.sh - the XDP front on veth (at the ingress of traffic control)
#
# The program itself is tested by `make bpf'; here are attaching, the daemon,
# and real clients.  The BPF file system is one of our own: `ip netns exec'
# mounts /sys anew.

# A page, a pause, and another by the same connection.
FRONT_TWO_PAGES='
import http.client, os, sys, time

c = http.client.HTTPConnection(sys.argv[1], 80, timeout=30)
for i in range(2):
    c.request("GET", "/keep/f1024")
    assert len(c.getresponse().read()) == 1024
    c.auto_open = 0
    while not os.path.exists(sys.argv[2]):
        time.sleep(0.1)
'

front_here() {
	shield_only
	[ -d "$TMP/bpf" ] || skip "no BPF file system here, or built without BPF"
}

# front_conf MODE KEY=VALUE...: the gateway begins anew with a front.
front_conf() {
	local calm=ready
	[[ $1 != xdp && $* != *"tcp_syncookies = 2"* ]] || calm=answering
	shield_conf "handshake = client_first" "[penstock] front = $1" \
		"[penstock] front_interfaces = cl" \
		"[penstock] bpf_dir = $TMP/bpf/e2e" "${@:2}"
	[ ! -d "$TMP/bpf" ] || poll 4 front_is "$calm" ||
		echo "front: $(front_word), not $calm"
}

front_word() {
	"$PENSTOCKCTL" -c "$PENSTOCK_CONF" -j status | jq -r .front
}

front_is() { [ "$(front_word)" = "$1" ]; }

# Every plain SYN is answered there, none by the daemon; and clients get in.
front_answers() {
	front_here
	# shellcheck disable=SC2086 # two words
	raw syns $RAW_HTTP n=60
	assert_fields "$LINE" answered=60
	assert_num "window" "$(field least_window "$LINE")" -gt 1000
	assert_counted FrontSynAcks 60
	assert_eq "cookies of the daemon" 0 "$(counter TcpExtSyncookiesSent)"
	http_ok 3 || fail "a client does not get in"
	assert_counted TcpExtSyncookiesRecv 1
	assert_eq front_ready 1 "$(counter front_ready)"
	assert_eq front_answering 1 "$(counter front_answering)"
}

# What the SYN offered outlives the front's cookie as it does the daemon's.
front_options() {
	front_here
	# shellcheck disable=SC2086
	raw survives $RAW_HTTP mss=1300
	assert_fields "$LINE" mss=1288 sack=1
	assert_num flight "$(field flight "$LINE")" -gt 5000
}

# XDP's generic mode would copy each packet of it.
front_transfer() {
	local sum kernel
	front_here
	IFS=.- read -ra kernel < <(uname -r)
	[ $((kernel[0] * 100 + kernel[1])) -lt 606 ] ||
		! in_g ip link show cl | grep xdpgeneric ||
		fail "the front is in generic mode"
	sum=$(in_c curl -sfg --max-time 20 "http://$URL/f20000" | sha256sum)
	assert_eq SHA-256 "$(data_sum 20000)" "${sum%% *}"
}

# A kernel's client that asks for Fast Open, and its first data in the SYN.
front_fastopen() {
	local before
	front_here
	before=$(counter FrontHard)
	in_c sysctl -qw net.ipv4.tcp_fastopen=1
	for _ in 1 2; do
		in_c curl -sfg --tcp-fastopen --max-time 5 -o /dev/null \
			"http://$URL/f1024" || fail "no page by Fast Open"
	done
	assert_num "SYNs left to the daemon" "$(counter FrontHard)" -gt \
		"$before"
}

# A tuple that has a flow, or had one a moment ago, is the daemon's.
front_same_tuple() {
	front_here
	# shellcheck disable=SC2086
	raw same_numbers $RAW_HTTP n=20
	assert_fields "$LINE" opened=20 replayed=0
	assert_counted FrontKnown 20
}

front_time_wait() {
	front_here
	# shellcheck disable=SC2086
	raw tw_reopen $RAW_HTTP
	assert_fields "$LINE" second=SA above=1 end=FIN bytes=1
}

# Strangers are dropped there.  Nobody's first data is: a thousand clients, the
# handshake's ACK and the request at one time.
front_strangers() {
	local out
	front_here
	# shellcheck disable=SC2086
	raw unknown $RAW_HTTP
	assert_fields "$LINE" ack=none data=none fin=none
	assert_counted FrontUnknown 4
	out=$(in_c "$TOOLS/shortconn" -a "$CLIENT" -c 8 -t 2 -x 1024 \
		"$SERVER" "$PORT_HTTP" /f1024)
	echo "$out"
	assert_num connections "$(jq .connections <<<"$out")" -gt 50
	assert_eq failed 0 "$(jq '.failed // .errors // 0' <<<"$out")"
}

front_lists() {
	front_here
	# shellcheck disable=SC2086
	raw syns $RAW_HTTP n=10 net=1
	assert_fields "$LINE" answered=0
	assert_counted FrontDenied 10
	# shellcheck disable=SC2086
	raw syns $RAW_HTTP n=10 net=2
	assert_fields "$LINE" answered=10
	http_ok 3 || fail "no page for who is in no list"
}

# A reload changes the lists; counters and clients stay.
front_reload() {
	local before
	front_here
	before=$(counter FrontSynAcks)
	shield_reload "handshake = client_first" "[penstock] front = xdp" \
		"[penstock] front_interfaces = cl" \
		"[penstock] bpf_dir = $TMP/bpf/e2e" "deny = $(raw_net 10.2.0.0/16)"
	poll 4 front_is answering || fail "the daemon says $(front_word)"
	# shellcheck disable=SC2086
	raw syns $RAW_HTTP n=10 net=2
	assert_fields "$LINE" answered=0
	# shellcheck disable=SC2086
	raw syns $RAW_HTTP n=10 net=1
	assert_fields "$LINE" answered=10
	assert_num "SYNs answered" "$(counter FrontSynAcks)" -ge $((before + 10))
	http_ok 3 || fail "no page after the reload"
}

# Under attack: the file is changed, `rules apply', reload; nothing ends.
front_switched_on() {
	local held
	front_here
	assert_eq "the front" off "$(front_word)"
	rm -f "$TMP/go"
	in_c /usr/bin/python3 -c "$FRONT_TWO_PAGES" "$SERVER" "$TMP/go" &
	held=$!
	poll 5 front_has_flow || fail "not connected"
	shield_write "handshake = client_first" "[penstock] front = xdp" \
		"[penstock] front_interfaces = cl" \
		"[penstock] bpf_dir = $TMP/bpf/e2e" "unknown = drop"
	ctl_in_gateway "$PENSTOCK_CONF" rules apply || fail "rules apply"
	"$PENSTOCKCTL" -c "$PENSTOCK_CONF" reload || fail "reload"
	poll 5 front_is answering || fail "the daemon says $(front_word)"
	http_ok 10 || fail "no page by the front"
	assert_counted FrontSynAcks 1
	touch "$TMP/go"
	wait $held || fail "a connection that was there before ended"
}

# Routing leads back to 10.9/16 by the other link: not the front's to answer.
front_other_way() {
	local before
	front_here
	before=$(counter FrontHard)
	in_g ip route replace 10.9.0.0/16 via 203.0.113.10
	in_g ip -6 route replace 2001:db8:77::9:0:0/96 via 2001:db8::10
	# shellcheck disable=SC2086
	raw syns $RAW_HTTP n=5 net=9
	in_g ip route del 10.9.0.0/16
	in_g ip -6 route del 2001:db8:77::9:0:0/96
	assert_num "SYNs left to the daemon" "$(counter FrontHard)" -ge \
		$((before + 5))
}

# A flood is answered, and told of; the daemon hardly sees it.
front_flood() {
	local out
	front_here
	out=$(in_c "$TOOLS/synflood" -i up -d "$SERVER" -p "$PORT_HTTP" \
		-r 50000 -n 200000 -t 20)
	echo "$out"
	assert_num answers "$(field synacks "$out")" -gt 150000
	assert_num "cookies of the daemon" "$(counter TcpExtSyncookiesSent)" \
		-lt 20000
	grep "attack on e2e begins.*answered by XDP" "$TMP/penstockd.log" ||
		fail "the attack was not told of"
	http_ok 3 || fail "no page after the flood"
}

# auto: not in calm; in a flood; and not when it is over.
front_auto() {
	local pid
	front_here
	http_ok 3 || fail "no page in calm"
	assert_eq "answers in calm" 0 "$(counter FrontSynAcks)"
	in_c "$TOOLS/synflood" -i up -d "$SERVER" -p "$PORT_HTTP" -r 3000 \
		-n 100000 -t 5 >"$TMP/flood.out" &
	pid=$!
	poll 4 front_is answering || fail "it is $(front_word) in a flood"
	http_ok 3 || fail "no page in the flood"
	sleep 1
	assert_counted FrontSynAcks 1000
	wait "$pid"
	poll 20 front_is ready || fail "it is $(front_word) after the flood"
	http_ok 3 || fail "no page after the flood"
}

# A daemon that was killed: soon packets go the way they went without a front.
front_killed() {
	local pid
	front_here
	kill -KILL "$PENSTOCK_PID"
	# shellcheck disable=SC2086
	raw syns $RAW_HTTP n=10 net=1
	sleep 4
	# shellcheck disable=SC2086
	raw syns $RAW_HTTP n=10 net=2
	assert_fields "$LINE" answered=0
	ip netns exec "$NS_G" "$PENSTOCKD" -c "$PENSTOCK_CONF" \
		>"$TMP/again.log" 2>&1 &
	pid=$!
	poll 3 http_ok 1 || fail "no page after the restart"
	kill -TERM "$pid"
	wait "$pid"
}

# Attached, detached and attached again while the daemon runs.
front_attached_late() {
	front_here
	"$PENSTOCKCTL" -c "$PENSTOCK_CONF" -s "$TMP/x" rules print |
		grep -q "XDP front" || fail "rules print says nothing of it"
	ctl_in_gateway "$PENSTOCK_CONF" rules check ||
		fail "rules check finds a difference"
	rm -r "$TMP/bpf/e2e"
	ctl_in_gateway "$PENSTOCK_CONF" rules check &&
		fail "rules check misses that it is detached"
	poll 4 front_is missing || fail "the daemon says $(front_word)"
	http_ok 3 || fail "no page without it"
	ctl_in_gateway "$PENSTOCK_CONF" rules apply ||
		fail "it cannot be attached again"
	poll 4 front_is answering || fail "the daemon says $(front_word) again"
	http_ok 3 || fail "no page with it again"
	assert_counted FrontSynAcks 1
}

# Killed and begun again at once, while the program still answers for the dead
# one.  From the moment the new one is ready clients need not ask twice.
front_restarted() {
	local n before
	front_here
	kill -KILL "$PENSTOCK_PID"
	poll 5 pid_gone "$PENSTOCK_PID" || fail "it cannot be killed"
	before=$(wc -l <"$TMP/penstockd.log")
	front_begin_again
	assert_eq "the front, once the daemon speaks" answering "$(front_word)"
	in_c nstat -n
	for n in 1 2 3 4 5; do
		http_ok 10 || fail "no page after the restart ($n)"
	done
	# a machine that stands still for a second makes one
	assert_num "SYNs that were sent again" \
		"$(in_c nstat -s -a -z TcpExtTCPSynRetrans |
			awk '/Syn/ { print $2 + 0 }')" -lt 4
	poll 5 front_is answering || fail "the daemon says $(front_word)"
	n=$(counter FrontSynAcks)
	http_ok 10 || fail "no page by the front"
	assert_num "SYNs answered there" "$(counter FrontSynAcks)" -gt "$n"
	tail -n "+$((before + 1))" "$TMP/penstockd.log" >"$TMP/again.log"
	assert_eq "lines about the front" 1 \
		"$(grep -c "front: " "$TMP/again.log")"
	pid_end "$AGAIN"
}

# The daemon alone, as systemd starts it: what is attached is there already.
front_begin_again() {
	in_g "$PENSTOCKD" -c "$PENSTOCK_CONF" >>"$TMP/penstockd.log" 2>&1 &
	AGAIN=$!
	poll 10 front_answers_control || fail "it does not start again"
}

front_answers_control() { [ -n "$(front_word 2>/dev/null)" ]; }

# Of three workers each admits clients whom the one program has answered.
front_workers() {
	local out n
	front_here
	lanes_addresses
	out=$(in_c "$TOOLS/shortconn" -a "$ADDRESSES" -c 8 -t 2 -x 1024 \
		"$SERVER" "$PORT_HTTP" /keep/f1024)
	lanes_forget
	echo "$out"
	n=$(jq .connections <<<"$out")
	assert_num connections "$n" -ge 24
	assert_eq errors 0 "$(jq .errors <<<"$out")"
	# the filter takes some strangers for clients that the daemon knows, and
	# before Linux 6.3 the first of each address may be the daemon's
	assert_num "answered there" "$(counter FrontSynAcks)" -ge $((n * 8 / 10))
	assert_num "cookies that came back" \
		"$(counter TcpExtSyncookiesRecv)" -ge $((n * 8 / 10))
	assert_num "workers that had some" "$(lanes_busy_workers)" -ge 2
}

# relay = splice: what the server agrees to is learnt from the first connection;
# then the program answers for it.  What the kernel relays is no stranger's,
# though the daemon has forgotten it, or was killed and begun again.  (For the
# first five seconds nothing of a new connection is a stranger's.)
front_spliced() {
	local held
	front_here
	# shellcheck disable=SC2086
	raw syns $RAW_HTTP n=5 net=3
	assert_eq "answered before it is known" 0 "$(counter FrontSynAcks)"
	http_ok 10 || fail "no page by the daemon"
	poll 5 front_is answering || fail "the daemon says $(front_word)"
	http_ok 10 || fail "no page by the front"
	assert_counted FrontSynAcks 1
	assert_counted Spliced 2
	rm -f "$TMP/go"
	in_c /usr/bin/python3 -c "$FRONT_TWO_PAGES" "$SERVER" "$TMP/go" &
	held=$!
	poll 5 front_has_spliced 3 || fail "the connection is not spliced"
	# shellcheck disable=SC2086
	raw unknown $RAW_HTTP
	assert_fields "$LINE" ack=none data=none fin=none
	assert_counted FrontUnknown 4
	kill -KILL "$PENSTOCK_PID"
	poll 5 pid_gone "$PENSTOCK_PID" || fail "it cannot be killed"
	front_begin_again
	sleep 6
	touch "$TMP/go"
	wait $held || fail "the connection did not go on"
	http_ok 10 || fail "no page after the restart"
	pid_end "$AGAIN"
}

front_has_flow() { [ "$(penstock_gauge flows)" -ge 1 ]; }
front_has_spliced() { [ "$(counter Spliced)" -ge "$1" ]; }

# of_service COUNTER SERVICE
of_service() {
	"$PENSTOCKCTL" -c "$PENSTOCK_CONF" nstat -z |
		awk -v n="$1@$2" '$1 == n { print $2 }'
}

# One service may be answered there, two may not; each gets its answers.
front_mixed() {
	front_here
	grep -q "SYNs of service limited stay with the daemon: rate_limit" \
		"$TMP/penstockd.log" || fail "nothing is said of rate_limit"
	grep -q "SYNs of service plain stay with the daemon: tcp_syncookies" \
		"$TMP/penstockd.log" || fail "nothing is said of tcp_syncookies"
	poll 4 front_is answering || fail "the daemon says $(front_word)"
	# shellcheck disable=SC2086
	raw syns $RAW_HTTP n=20 net=1
	assert_fields "$LINE" answered=20
	raw syns server="$SERVER" port=8080 n=20 net=2
	assert_fields "$LINE" answered=20
	assert_eq "the first's, there" 20 "$(of_service FrontSynAcks e2e)"
	assert_eq "the first's, here" 0 \
		"$(of_service TcpExtSyncookiesSent e2e)"
	assert_eq "the second's, there" 0 "$(of_service FrontSynAcks limited)"
	assert_eq "the second's, here" 20 \
		"$(of_service TcpExtSyncookiesSent limited)"
	in_c curl -sg --max-time 10 -o /dev/null "http://$URL:8443/"
	assert_eq "the third's server refuses" 7 $?
	assert_eq "the third's, there" 0 "$(of_service FrontSynAcks plain)"
}

# There is no front: one line each of `rules apply' and the daemon, which name
# the cause, and all works.
front_without() {
	shield_only
	! grep -q "built without libbpf" "$TMP/rules.log" ||
		set -- "$1" 1 "built without libbpf" "this kernel or .* no BPF"
	assert_eq "lines of rules apply" "$2" \
		"$(grep -c "front: " "$TMP/rules.log")"
	[ "$2" = 0 ] || grep -q "front: .*$3" "$TMP/rules.log" ||
		fail "rules apply said: $(cat "$TMP/rules.log")"
	tail -n +"$1" "$TMP/penstockd.log" | grep "front: " >"$TMP/said"
	assert_eq "lines of the daemon" 1 "$(wc -l <"$TMP/said")"
	grep -q "front: no XDP program at .*: $4; every SYN comes to" \
		"$TMP/said" || fail "the daemon said: $(cat "$TMP/said")"
	assert_eq "the front" missing "$(front_word)"
	"$PENSTOCKCTL" -c "$PENSTOCK_CONF" nstat -z | grep "^front_ready .*0" ||
		fail "no metric says that it is missing"
	http_ok 10 || fail "no page"
	# shellcheck disable=SC2086
	raw syns $RAW_HTTP n=60
	assert_fields "$LINE" answered=60
	assert_counted TcpExtSyncookiesSent 60
}

# without NAME CTL DAEMON DIR LINES CTL-SAYS DAEMON-SAYS: the gateway begins
# anew; CTL and DAEMON are commands that run penstockctl and penstockd.
without() {
	local from PENSTOCKCTL=$PENSTOCKCTL PENSTOCKD=$PENSTOCKD
	printf '#!/bin/sh\n%s %s "$@"\n' "$2" "$PENSTOCKCTL" >"$TMP/ctl"
	printf '#!/bin/sh\n%s %s "$@"\n' "$3" "$PENSTOCKD" >"$TMP/daemon"
	chmod 755 "$TMP/ctl" "$TMP/daemon"
	PENSTOCKCTL=$TMP/ctl PENSTOCKD=$TMP/daemon
	from=$(($(wc -l <"$TMP/penstockd.log") + 1))
	shield_conf "handshake = client_first" "[penstock] front = xdp" \
		"[penstock] front_interfaces = cl" \
		"[penstock] bpf_dir = $4" "tcp_syncookies = 2"
	sleep 1.2 # a second look of the daemon, of which it says nothing
	run_case "$1" 20 front_without "$from" "${@:5}"
}

# Is there a BPF file system, and a front in this build?  A program that the
# kernel refuses is no reason to leave the cases out.
front_mount() {
	mkdir -p "$TMP/bpf"
	mount -t bpf bpf "$TMP/bpf" 2>/dev/null || {
		rmdir "$TMP/bpf"
		return
	}
	front_conf xdp
	grep -Eq "built without libbpf|Operation not permitted" \
		"$TMP/rules.log" || return 0
	umount "$TMP/bpf"
	rmdir "$TMP/bpf"
}

front_without_cases() {
	local poor="exec setpriv --bounding-set=-all,+net_admin,+net_raw"
	mkdir -p "$TMP/no"
	without front_without_bpf_file_system exec exec "$TMP/no/bpf" 1 \
		"is on no BPF file system" ".*has attached none"
	without front_without_a_pinned_program exec \
		"rm -rf $TMP/bpf/e2e; exec" "$TMP/bpf/e2e" 0 "" \
		".*has attached none"
	[ -d "$TMP/bpf" ] || return 0
	without front_without_bpf_in_the_kernel "exec $TOOLS/nobpf" \
		"exec $TOOLS/nobpf" "$TMP/bpf/e2e" 1 \
		"Function not implemented" "this kernel or this penstock has no BPF"
	without front_without_rights_to_load "$poor" "$poor" "$TMP/bpf/e2e" 1 \
		"Operation not permitted" ".*has attached none"
	without front_without_rights_to_open exec \
		"chmod 000 $TMP/bpf/e2e/front/*; $poor" "$TMP/bpf/e2e" 0 "" \
		"what is pinned may not be opened by this user"
}

FRONT_MIXED=("tcp_syncookies = 2" "[service limited]"
	"listen = 203.0.113.10:8080" "listen = [2001:db8::10]:8080"
	"handshake = client_first" "tcp_syncookies = 2"
	"rate_limit = 100000/s" "[service plain]"
	"listen = 203.0.113.10:8443" "listen = [2001:db8::10]:8443"
	"handshake = server_first" "tcp_syncookies = 0")

front_cases() {
	penstock_on || return 0
	data_file 1024 >/dev/null
	data_file 20000 >/dev/null
	front_mount
	run_case front_answers_every_plain_syn 20 front_answers
	run_case front_cookie_keeps_the_options 20 front_options
	run_case front_transfer_is_whole 30 front_transfer
	run_case front_leaves_fast_open 20 front_fastopen
	run_case front_leaves_a_tuple_with_the_same_numbers 20 front_same_tuple
	run_case front_leaves_time_wait 20 front_time_wait
	run_case front_leaves_another_way_back 20 front_other_way
	run_case front_attached_while_the_daemon_runs 30 front_attached_late
	run_case front_flood_is_answered_there 60 front_flood
	EXPECT_DEATH=1 run_case front_daemon_killed_all_passes 30 front_killed
	shield_conf "handshake = client_first"
	run_case front_switched_on_by_a_reload 60 front_switched_on
	front_conf xdp "unknown = drop"
	run_case front_drops_strangers_and_nobody_else 30 front_strangers
	front_conf xdp "deny = $(raw_net 10.1.0.0/16)"
	run_case front_keeps_the_lists 20 front_lists
	run_case front_follows_a_reload 30 front_reload
	front_conf auto "tcp_max_syn_backlog = 256" "syn_hold = 1s" \
		"tcp_synack_retries = 1"
	run_case front_auto_while_cookies_are_sent 60 front_auto
	front_conf xdp "[penstock] workers = 3" "unknown = drop"
	run_case front_serves_several_workers 40 front_workers
	EXPECT_DEATH=1 run_case front_daemon_killed_and_begun_again 30 \
		front_restarted
	shield_conf "handshake = client_first" "tcp_syncookies = 2" \
		"relay = splice" "unknown = drop" "[penstock] front = xdp" \
		"[penstock] front_interfaces = cl" \
		"[penstock] bpf_interfaces = cl sv" \
		"[penstock] bpf_dir = $TMP/bpf/e2e"
	EXPECT_DEATH=1 run_case front_answers_for_the_relay_in_the_kernel 60 \
		front_spliced
	front_conf auto "${FRONT_MIXED[@]}"
	run_case front_auto_leaves_services_that_may_not 30 front_mixed
	front_without_cases
	shield_conf "handshake = server_first"
	! mountpoint -q "$TMP/bpf" || umount "$TMP/bpf"
}
