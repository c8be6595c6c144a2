# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2153 # LINE is set by peer_run
#
# crash.sh - after a kill -9 of penstockd the next one tells both ends

PORT_CRASH=$PORT_DYING

# crash_hold N: N connections, both sides of them in the background.
crash_hold() {
	rm -f "$TMP"/ready.[cs]
	in_s tests/e2e/crash.py serve "$PORT_CRASH" "$1" "$TMP/ready.s" 120 \
		>"$TMP/ends.s" 2>&1 &
	poll 10 listening "$PORT_CRASH" || fail "the server does not listen"
	in_c tests/e2e/crash.py "${CRASH_DO:-connect}" "$SERVER" "$PORT_CRASH" \
		"${CRASH_FROM:-$CLIENT}" "$1" "$TMP/ready.c" 120 >"$TMP/ends.c" 2>&1 &
	poll 30 crash_held || fail "not connected: $(cat "$TMP"/ends.[cs])"
}

crash_held() { [ -e "$TMP/ready.c" ] && [ -e "$TMP/ready.s" ]; }

# crash_kill: the daemon is gone, and its peers do not know.
crash_kill() {
	kill -KILL "$PENSTOCK_PID"
	wait "$PENSTOCK_PID" 2>/dev/null
}

boot_time() { cut -d' ' -f1 /proc/uptime; }

# crash_told N: both sides of all are reset; prints how soon after BEGAN.
crash_told() {
	local side line
	poll 60 crash_ended || fail "not told: $(cat "$TMP"/ends.[cs])"
	for side in c s; do
		line=$(tail -n 1 "$TMP/ends.$side")
		echo "$side: $line, $(bc <<<"$(field last "$line") - $BEGAN") s" \
			"after the start"
		assert_fields "$line" n="$1" reset="$1" open=0
	done
}

crash_ended() {
	grep -q last= "$TMP/ends.c" && grep -q last= "$TMP/ends.s"
}

# crash_logged N M: N were found, M of them reset on both sides.
crash_logged() {
	poll 30 daemon_log_has "crash: found $1 connections of a crashed penst.*: $2 reset on both sides" ||
		fail "it does not say so: $(<"$DAEMON_LOG")"
}

# crash_again N: the next daemon tells both ends of N.
crash_again() {
	BEGAN=$(boot_time)
	daemon_up
	crash_told "$1"
	crash_logged "$1" "$1"
	assert_eq "CrashResets" $((2 * $1)) "$(crash_count CrashResets)"
	assert_clean 30
	daemon_end
	[ ! -e "$TMP/control.sock.journal" ] || fail "its journal is left"
}

crash_count() { ctl nstat | awk -v n="$1" '$1 == n { print $2 }'; }

crash_many() {
	daemon_begin "[penstock] max_flows = 5000" "${@:2}"
	crash_hold "$1"
	assert_eq "mode of the journal" 600 \
		"$(stat -c %a "$TMP/control.sock.journal")"
	crash_kill
	crash_again "$1"
}

# crash_workers_up LINE...: several workers, another server, many clients
crash_workers_up() {
	local other='\[' i
	[ "$FAMILY" = 4 ] || other=203
	CRASH_FROM=$(workers_client 0)
	for ((i = 1; i < WORKERS_CLIENTS; i++)); do
		CRASH_FROM+=,$(workers_client "$i")
	done
	daemon_conf "[penstock] workers = 4" "[penstock] max_memory = 128M" \
		"connect = $(workers_server):$PORT_CRASH" "$@"
	sed -i "/^listen = $other/d" "$DAEMON_CONF" # of one family
	daemon_up
}

# The server sees another client at another address.
crash_workers() {
	crash_workers_up "source = $(workers_own)"
	crash_hold 200
	crash_kill
	crash_again 200
}

# Clients take their ports again before the server is told.  Its answers may
# reach another worker than the one that has the new connection.
crash_renewed() {
	local n=$WORKERS_CLIENTS before
	crash_workers_up "[penstock] crash_probe_rate = 1"
	CRASH_DO=renew crash_hold "$n"
	crash_kill
	in_s tests/e2e/crash.py serve "$PORT_CRASH" "$n" "$TMP/renewed.s" 120 \
		>"$TMP/renewed.ends" 2>&1 &
	poll 10 listening "$PORT_CRASH" || fail "the server does not listen"
	daemon_up
	before=$(crash_syns_again)
	rm -f "$TMP/ready.c"
	poll 90 grep -q renewed= "$TMP/ends.c" || fail "$(<"$TMP/ends.c")"
	cat "$TMP/ends.c"
	assert_fields "$(tail -n 1 "$TMP/ends.c")" n="$n" renewed="$n"
	# The first SYN meets the old connection at the server.
	assert_num "SYNs sent again" $(($(crash_syns_again) - before)) -le \
		$((2 * n))
	daemon_end
}

crash_syns_again() {
	in_c nstat -asz TcpExtTCPSynRetrans |
		awk '/SynRetrans/ { print int($2) }'
}

# The next one has another number of workers, and less room.
crash_other_limits() {
	daemon_begin "[penstock] workers = 2"
	crash_hold 100
	crash_kill
	daemon_conf "[penstock] max_flows = 20"
	crash_again 100
}

# It dies again while it tells them, some of them for the second time.
crash_twice() {
	daemon_begin "[penstock] crash_probe_rate = 10"
	crash_hold 100
	crash_kill
	daemon_up
	poll 30 crash_some_are_told || fail "nobody is told"
	crash_kill
	daemon_conf
	BEGAN=$(boot_time)
	daemon_up
	crash_told 100
	poll 30 daemon_log_has "crash: found [1-9][0-9]* conn.* on both sides" ||
		fail "it does not say so: $(<"$DAEMON_LOG")"
	assert_clean 30
	daemon_end
}

crash_some_are_told() { [ "$(crash_count CrashResets)" -ge 10 ]; }

# One side does not answer any more: it is asked some times, and forgotten.
crash_silent() {
	daemon_begin
	crash_hold 5
	crash_kill
	blackhole client
	daemon_up
	poll 30 daemon_log_has "crash: found 5 conn.* 0 reset on both sides, 5 forg" ||
		fail "it does not say so: $(<"$DAEMON_LOG")"
	poll 10 grep -q "reset=5 " "$TMP/ends.s" || fail "$(<"$TMP/ends.s")"
	assert_eq "CrashForgotten" 5 "$(crash_count CrashForgotten)"
	daemon_end
}

# crash_from_client STATE KEY=VALUE...: a client is in that STATE, and the server
# does not answer until the daemon is gone.  The next one forgets or resets it.
crash_from_client() {
	local state=$1 pid
	daemon_begin "${@:2}"
	blackhole server
	in_c "$PEER" run --connect-ms 60000 "$SERVER" "$PORT_PEER" echo 1000 1 \
		>"$TMP/out" 2>&1 &
	pid=$!
	poll 10 crash_client_is "$state" || fail "not in $state"
	poll 10 handover_has_flows 1 || fail "no flow"
	crash_kill
	lift
	daemon_up
	daemon_log_has "crash: telling the peers of 1 conn" || fail "$(<"$DAEMON_LOG")"
	wait "$pid"
	LINE=$(<"$TMP/out")
	echo "$LINE"
}

crash_client_is() {
	in_c ss -Htan "dport = :$PORT_PEER" | grep -q "^$1 "
}

# It gets through, with its next SYN.
crash_syn_sent() {
	crash_from_client SYN-SENT "handshake = server_first"
	assert_fields "$LINE" rx=1000 bad=- end=FIN
	assert_clean 30
	daemon_end
}

# It has sent all, and its FIN.
crash_fin_wait() {
	crash_from_client FIN-WAIT-2 "handshake = client_first" \
		"tcp_syncookies = 0"
	assert_fields "$LINE" rx=0 end=RST
	peer_run echo 1000 3
	assert_fields "$LINE" bad=- rx=1000 end=FIN
	assert_clean 30
	daemon_end
}

# After an end in order there is nobody to tell.
crash_none() {
	daemon_begin
	peer_run echo 1000 3
	daemon_end
	[ ! -e "$TMP/control.sock.journal" ] || fail "its journal is left"
	daemon_up
	! daemon_log_has crash: || fail "$(<"$DAEMON_LOG")"
	handover_again
	! daemon_log_has crash: || fail "$(<"$DAEMON_LOG")"
	[ -e "$TMP/control.sock.journal" ] || fail "no journal"
	daemon_end
	[ ! -e "$TMP/control.sock.journal" ] || fail "its journal is left"
}

# crash_refused PATTERN COMMAND...: a journal that COMMAND has made is not read.
crash_refused() {
	local j=$TMP/control.sock.journal
	penstock_on || skip "plain forwarding has no daemon"
	"${@:2}" "$j"
	daemon_begin
	daemon_log_has "^warn: crash: the journal $j is not read: $1" ||
		fail "it does not say why: $(<"$DAEMON_LOG")"
	! daemon_log_has "^info: crash:" || fail "$(<"$DAEMON_LOG")"
	peer_run echo 1000 3
	assert_fields "$LINE" bad=- rx=1000 end=FIN
	daemon_end
	[ ! -e "$j" ] || fail "it is left"
}

crash_garbage() { (umask 77 && head -c 100000 /dev/urandom >"$1"); }
crash_short() { (umask 77 && echo x >"$1"); }
crash_fifo() { mkfifo -m 600 "$1"; }
crash_link() { ln -s /etc/passwd "$1"; }
crash_version() {
	(umask 77 && { printf 'penstkJ\n\377' && head -c 100000 /dev/zero; } >"$1")
}
crash_open_to_others() { crash_version "$1" && chmod 666 "$1"; }

# With a rate of 0 nobody is asked.
crash_off() {
	daemon_begin "[penstock] crash_probe_rate = 0"
	crash_hold 3
	crash_kill
	daemon_up
	daemon_log_has "crash: found 3 conn.* crash_probe_rate = 0" ||
		fail "it does not say so: $(<"$DAEMON_LOG")"
	assert_eq "CrashProbes" "" "$(crash_count CrashProbes)"
	daemon_end
}

# --- where descriptors are kept -----------------------------------------------

# crash_kept_begin KEY=VALUE...: the daemon runs under fdstore.py, whose pid is
# PENSTOCK_PID.
crash_kept_begin() {
	penstock_on || skip "plain forwarding has no daemon"
	KEPT=$TMP/kept
	mkdir -p "$KEPT"
	rm -f "$KEPT"/*
	daemon_conf "$@"
	daemon_up tests/e2e/fdstore.py "$KEPT"
	poll 10 crash_kept journal || fail "no journal: $(<"$KEPT/stored")"
}

crash_kept() { grep -q "penstock-$1" "$KEPT/stored"; }

# crash_kept_kill: the daemon is gone, and is not started before it is let go.
crash_kept_kill() {
	local pid
	pid=$(<"$KEPT/pid")
	: >"$KEPT/hold"
	kill -KILL "$pid"
	poll 10 crash_is_zombie_or_gone "$pid" || fail "it is not gone"
}

crash_is_zombie_or_gone() {
	pid_gone "$1" || grep -q "^State:.*Z" "/proc/$1/status"
}

crash_let_go() {
	: >"$DAEMON_LOG"
	BEGAN=$(boot_time)
	rm "$KEPT/hold"
	poll 20 daemon_log_has '^info: ready: ' || fail "it is not ready again"
}

crash_kept_many() {
	crash_kept_begin "[penstock] max_flows = 5000" "${@:2}"
	crash_hold "$1"
	crash_kept_kill
	crash_let_go
	crash_told "$1"
	crash_logged "$1" "$1"
	assert_eq "journals" 1 "$(grep -c penstock-journal "$KEPT/stored")"
	[ ! -e "$TMP/control.sock.journal" ] || fail "there is a file, too"
	assert_clean 30
	daemon_end
}

# The Nth column of all queues, summed.
queue_column() {
	in_g awk "{ n += \$$1 } END { print n + 0 }" \
		/proc/net/netfilter/nfnetlink_queue
}
queue_waits() { [ "$(queue_column 3)" -ge "$1" ]; }

# What arrives while no process runs waits, and is answered by the next one.
crash_queued() {
	local waiting i
	crash_kept_begin "handshake = client_first"
	crash_kept_kill
	for ((i = 0; i < 40; i++)); do
		in_c "$PEER" run "$SERVER" "$PORT_PEER" echo 1000 "$i" \
			>"$TMP/queued.$i" 2>&1 &
	done
	poll 20 queue_waits 40 || fail "only $(queue_column 3) packets wait"
	crash_let_go
	poll 30 crash_all_queued || fail "$(cat "$TMP"/queued.*)"
	waiting=$(ctl nstat | awk '$1 == "rx_packets" { print $2 }')
	assert_num "packets that it got" "$waiting" -ge 40
	assert_eq "queue_dropped" 0 "$(queue_column 6)"
	assert_eq "user_dropped" 0 "$(queue_column 7)"
	poll 10 queue_is_empty || fail "packets still wait"
	rm -f "$TMP"/queued.*
	daemon_end
}

crash_all_queued() {
	[ "$(cat "$TMP"/queued.* | grep -c 'end=FIN')" = 40 ]
}
queue_is_empty() { [ "$(queue_column 3)" = 0 ]; }

crash_case() {
	local name=$1 seconds=$2
	shift 2
	run_case "crash_$name" "$seconds" "$@"
}

crash_cases() {
	penstock_on || return 0
	stop_penstockd
	DAEMON_CONF=$TMP/daemon.conf
	DAEMON_LOG=$TMP/daemon.log
	# shellcheck disable=SC2034 # case_gateway_check reads it
	EXPECT_DEATH=1
	crash_case both_ends_of_300_are_told 120 crash_many 300
	workers_addresses add
	crash_case of_several_workers_behind_connect_are_told 120 crash_workers
	crash_case ports_are_used_again_behind_connect 150 crash_renewed
	workers_addresses del
	crash_case next_one_has_other_limits 120 crash_other_limits
	crash_case twice_tells_the_rest 120 crash_twice
	crash_case silent_peers_are_forgotten 120 crash_silent
	crash_case client_in_syn_sent_gets_through 120 crash_syn_sent
	crash_case client_in_fin_wait_2_is_told 120 crash_fin_wait
	crash_case end_in_order_leaves_nothing 60 crash_none
	crash_case garbage_is_refused 60 crash_refused "it is damaged" crash_garbage
	crash_case short_file_is_refused 60 crash_refused "it is damaged" crash_short
	crash_case pipe_is_refused 60 crash_refused "it is damaged" crash_fifo
	crash_case link_is_refused 60 crash_refused "Too many" crash_link
	crash_case other_version_is_refused 60 crash_refused \
		"it is of another version" crash_version
	crash_case file_of_others_is_refused 60 crash_refused \
		"others can write it" crash_open_to_others
	crash_case rate_0_tells_nobody 60 crash_off
	crash_case kept_descriptors_both_ends_are_told 120 crash_kept_many 300
	crash_case kept_queue_loses_nothing 120 crash_queued
	rules_remove "$DAEMON_CONF" >/dev/null 2>&1
	unset EXPECT_DEATH
}
