# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2153 # LINE is set by peer_run
#
# fault_conf.sh - faults of the configuration: from the start, over a reload, in
# the log, at the end; and what changes at run time promise with two workers.
# Each case starts a daemon of its own (daemon.sh has the means).

# fc_names: the faults there are, in order
fc_names() { fault_ctl list -j | jq -r '.[].name' | paste -sd' '; }

fc_reload() {
	daemon_conf "$@"
	ctl reload
}

# fc_connect N: as many connections, one after the other; each must be whole.
fc_connect() {
	local i
	for ((i = 0; i < $1; i++)); do
		peer_run echo 100 "$i"
		assert_fields "$LINE" bad=- rx=100 end=FIN
	done
}

fc_starts_with_faults() {
	daemon_begin "[fault slow]" "type = latency" "latency = 300ms" \
		"[fault dup]" "type = duplicate" "on = synack"
	assert_eq names "slow dup" "$(fc_names)"
	local t0=${EPOCHREALTIME/./}
	fc_connect 1
	assert_num "microseconds for one answer" \
		$((${EPOCHREALTIME/./} - t0)) -ge 300000
	assert_num injected "$(fault_count slow injected)" -ge 1
	daemon_end
}

fc_reload_replaces() {
	daemon_begin "[fault same]" "type = duplicate" "on = synack" \
		"[fault other]" "type = loss" "percent = 0" \
		"[fault gone]" "type = loss" "percent = 0"
	fault_ctl add mine type=loss percent=0 || fail "add"
	fc_connect 2
	assert_eq "before" 2 "$(fault_count same matched)"
	fc_reload "[fault same]" "type = duplicate" "on = synack" \
		"[fault other]" "type = loss" "percent = 0.5" \
		"[fault more]" "type = ttl" "value = 64" || fail "reload"
	assert_eq names "mine more other same" \
		"$(fc_names | tr ' ' '\n' | sort | paste -sd' ')"
	assert_eq "counted on" 2 "$(fault_count same matched)"
	fault_ctl list | grep -q '^other type=loss percent=0.5$' ||
		fail "the changed one is not changed"
	fc_reload "[fault mine]" "type = loss" "percent = 1" 2>"$TMP/said" &&
		fail "a name that is taken is no error"
	grep -q '\[fault mine\]: there is a fault of this name' "$TMP/said" ||
		fail "it says: $(<"$TMP/said")"
	assert_eq "after a refused reload" 4 "$(fc_names | wc -w)"
	fc_reload || fail "reload"
	assert_eq names mine "$(fc_names)"
	daemon_end
}

fc_bad_file_changes_nothing() {
	daemon_begin "[fault a]" "type = loss" "percent = 0"
	fc_reload "[fault b]" "type = lose" "[fault c]" "type = loss" \
		"percent = 300" "[fault d]" "service = nowhere" \
		"type = ttl" "value = 64" 2>"$TMP/said" && fail "no error"
	cat "$TMP/said"
	assert_eq "errors" 3 "$(grep -c 'daemon.conf:[0-9]*: \[fault ' "$TMP/said")"
	grep -q '\] type: found "lose".*did you mean "loss"?' "$TMP/said" ||
		fail "no nearest type"
	assert_eq names a "$(fc_names)"
	daemon_end
}

# fc_decisions SEED: what was decided on 24 connections, one word each
fc_decisions() {
	daemon_begin "[penstock] fault_log = $TMP/faults.$1" "[fault half]" \
		"type = duplicate" "percent = 50" "on = synack" "seed = $1"
	fc_connect 24
	daemon_end
	jq -r 'select(.fault == "half" and .action) |
		"\(.conn):\(.event):\(.action)"' "$TMP/faults.$1" | paste -sd' '
	rm "$TMP/faults.$1"
}

fc_same_seed() {
	local one two other
	penstock_on || skip "plain forwarding has no daemon"
	one=$(fc_decisions 7) || fail "run 1: $one"
	two=$(fc_decisions 7) || fail "run 2: $two"
	other=$(fc_decisions 8) || fail "run 3: $other"
	printf '%s\n' "$one" "$two" "$other"
	assert_num "decisions" "$(wc -w <<<"$one")" -ge 4
	assert_eq "the same seed" "$one" "$two"
	[ "$one" != "$other" ] || fail "another seed decides alike"
}

# As the unit starts it: no user id, only capabilities, which are dropped to what
# verdicts need before the first decision is written.
fc_log_without_root() {
	local caps=+net_admin,+net_raw dir=$TMP/faultlog
	penstock_on || skip "plain forwarding has no daemon"
	mkdir -p "$dir"
	chown nobody "$dir"
	chmod o+x "$TMP"
	daemon_conf "[penstock] fault_log = $dir/log" \
		"[fault x]" "type = duplicate" "on = synack"
	sed -i "s,^control = .*,control = $dir/control.sock,
		s,^secret_file = .*,secret_file =,
		s,^http_token_file = .*,http_token_file =," "$DAEMON_CONF"
	# systemd-udevd makes the device anybody's; elsewhere this does, in a
	# mount namespace of the daemon's own.
	# shellcheck disable=SC2016 # the inner shell's own
	daemon_up unshare -m sh -c 'mount -t tmpfs none /dev/net &&
		mknod -m 666 /dev/net/tun c 10 200 && exec "$@"' sh \
		setpriv --reuid=nobody --regid=0 --clear-groups \
		--inh-caps=-all,$caps --ambient-caps=-all,$caps \
		--bounding-set=-all,$caps
	fc_connect 2
	kill -TERM "$PENSTOCK_PID"
	daemon_gone 15
	assert_eq "lines" 2 "$(grep -c '"fault":"x".*"action"' "$dir/log")"
	assert_eq "owner" nobody "$(stat -c %U "$dir/log")"
	rm -r "$dir"
}

# A disk that is full ends the log and nothing else.
fc_log_full() {
	local n
	daemon_begin "[penstock] fault_log = /dev/full" "[fault x]" \
		"type = duplicate" "on = synack"
	fc_connect 2
	poll 5 daemon_log_has "fault_log: No space left on device" ||
		fail "no line about it"
	fc_connect 2
	assert_eq "injected" 4 "$(fault_count x injected)"
	n=$(grep -c "fault_log:" "$DAEMON_LOG")
	assert_eq "lines about it" 1 "$n"
	daemon_end
}

fc_log_impossible() {
	penstock_on || skip "plain forwarding has no daemon"
	daemon_conf "[penstock] fault_log = $TMP/nowhere/log"
	rules_apply "$DAEMON_CONF" || fail "rules apply"
	daemon_refuses 1 "^error: fault_log $TMP/nowhere/log: No such file" \
		"$PENSTOCKD" -c "$DAEMON_CONF"
}

# fc_expect STATUS EXPECT PATTERN
fc_expect() {
	daemon_begin "[fault x]" "type = duplicate" "on = synack" "expect = $2"
	fc_connect 2
	kill -TERM "$PENSTOCK_PID"
	poll 15 pid_gone "$PENSTOCK_PID" || fail "penstockd does not stop"
	wait "$PENSTOCK_PID"
	assert_eq "exit status" "$1" $?
	daemon_log_has "$3" || fail "no line about it"
}

# The lease is over long before the end; what was expected is judged still.
fc_expect_of_the_past() {
	daemon_begin "[penstock] workers = 2" "[fault x]" "type = duplicate" \
		"on = synack" "lease = 100ms" "expect = injected>=1"
	poll 5 fc_lease_is_over || fail "it did not go"
	kill -TERM "$PENSTOCK_PID"
	poll 15 pid_gone "$PENSTOCK_PID" || fail "penstockd does not stop"
	wait "$PENSTOCK_PID"
	assert_eq "exit status" 3 $?
	daemon_log_has "fault x: expected injected>=1, it is 0" ||
		fail "no line about it"
}

# With two workers a batch happens on both, or on none.
fc_two_workers() {
	local i
	daemon_begin "[penstock] workers = 2"
	printf '%s\n' "add a type=duplicate on=synack" "" "add a type=loss" |
		fault_ctl batch 2>"$TMP/said" && fail "a bad batch was taken"
	grep -q '^line 3: a: there is a fault of this name' "$TMP/said" ||
		fail "it says: $(<"$TMP/said")"
	assert_eq names "" "$(fc_names)"
	printf '%s\n' "add b type=lose" "del c" "add d type=loss colour=1" |
		fault_ctl batch 2>"$TMP/said" && fail "a bad batch was taken"
	assert_eq "wrong lines told" 2 "$(grep -c '^line [13]: ' "$TMP/said")"
	fault_ctl add a type=duplicate on=synack || fail "add"
	fc_connect 12
	assert_eq "counters of all workers" "12 12" \
		"$(fault_count a conns) $(fault_count a injected)"
	fault_ctl add b type=loss service=none 2>"$TMP/said" &&
		fail "no such service"
	grep -q '^service: found "none", allowed: e2e' "$TMP/said" ||
		fail "it says: $(<"$TMP/said")"
	daemon_end
}

fc_lease_is_over() { [ -z "$(fc_names)" ]; }

fc_lease() {
	daemon_begin
	fault_ctl add x type=loss percent=0 lease=300ms || fail "add"
	fault_ctl lease x 1h || fail "lease"
	assert_num "lease" "$(fault_count x lease_left_ms)" -gt 3000000
	fault_ctl lease x 100ms || fail "lease"
	poll 5 fc_lease_is_over || fail "it did not go"
	fault_ctl lease x 1s 2>/dev/null && fail "it can still be renewed"
	daemon_end
}

# scope=new, the default, does nothing to a connection that lives: both the dry
# run and the fault say so.
fc_living_is_not_new() {
	local note="1 living connections match, but scope=new"
	assert_eq "hits of scope=new" "0 connections" \
		"$(fault_ctl --dry-run add x type=loss dport="$PORT_PEER" \
			2>"$TMP/note")"
	grep -qF "$note" "$TMP/note" || fail "dry run: $(<"$TMP/note")"
	fault_ctl add x type=loss dport="$PORT_PEER" 2>"$TMP/note" ||
		fail "not added"
	grep -qF "$note" "$TMP/note" || fail "add: $(<"$TMP/note")"
	fault_ctl del x
}

fc_dry_run() {
	local pid
	daemon_begin
	assert_eq "without connections" "0 connections" \
		"$(fault_ctl --dry-run add x type=loss)"
	ip netns exec "$NS_C" "$PEER" run "$SERVER" "$PORT_PEER" send \
		$((8 << 30)) 9 >/dev/null 2>&1 &
	pid=$!
	lib_own_pid $pid
	poll 5 established_in "$NS_S" || fail "not connected"
	fault_ctl --dry-run add x type=loss dport="$PORT_PEER" scope=all \
		>"$TMP/said" 2>"$TMP/note"
	cat "$TMP/said" "$TMP/note"
	grep -q '^1 connections$' "$TMP/said" || fail "not counted"
	grep -qF "$URL:$PORT_PEER" "$TMP/said" || fail "not listed"
	[ ! -s "$TMP/note" ] || fail "a note where there is nothing to say"
	assert_eq "of another port" "0 connections" \
		"$(fault_ctl --dry-run add x type=loss dport=1 scope=all)"
	fc_living_is_not_new
	assert_eq names "" "$(fc_names)"
	kill -KILL $pid
	daemon_end
}

fc_watch_has() { grep -q '"fault":"x"' "$TMP/watch"; }

fc_watch() {
	daemon_begin
	: >"$TMP/watch"
	"$PENSTOCKCTL" -S "$TMP/control.sock" fault watch >"$TMP/watch" &
	lib_own_pid $!
	fault_ctl add x type=duplicate on=synack
	# the first connections may come before its first question
	poll 10 fc_watched || fail "nothing is told"
	jq -e 'select(.fault == "x" and .type == "duplicate")' \
		"$TMP/watch" >/dev/null || fail "no JSON"
	daemon_end
}

fc_watched() {
	peer_run echo 10 1
	fc_watch_has
}

fault_conf_cases() {
	# shellcheck disable=SC2034 # daemon.sh reads them
	DAEMON_CONF=$TMP/daemon.conf DAEMON_LOG=$TMP/daemon.log
	penstock_on && stop_penstockd
	# shellcheck disable=SC2034 # case_gateway_check reads it
	EXPECT_DEATH=1
	run_case fault_conf_faults_of_the_file_act_from_the_start 30 \
		fc_starts_with_faults
	run_case fault_conf_reload_replaces_what_changed 30 fc_reload_replaces
	run_case fault_conf_bad_file_changes_nothing 30 \
		fc_bad_file_changes_nothing
	run_case fault_conf_same_seed_same_decisions 60 fc_same_seed
	run_case fault_conf_log_is_written_without_root 30 fc_log_without_root
	run_case fault_conf_log_that_cannot_be_is_told 30 fc_log_impossible
	run_case fault_conf_log_on_a_full_disk_ends_alone 30 fc_log_full
	run_case fault_conf_expectation_broken_exits_3 30 fc_expect 3 \
		"injected>=3" "fault x: expected injected>=3, it is 2"
	run_case fault_conf_expectation_held_exits_0 30 fc_expect 0 \
		"injected==2" "^info: stopped"
	TRAFFIC_EARLIER=1 run_case fault_conf_expectation_outlives_its_lease \
		30 fc_expect_of_the_past
	run_case fault_conf_batch_reaches_both_workers_or_none 30 fc_two_workers
	run_case fault_conf_lease_renewed_then_over 30 fc_lease
	run_case fault_conf_dry_run_lists_connections 30 fc_dry_run
	run_case fault_conf_watch_tells_decisions 30 fc_watch
	penstock_on && rules_remove "$DAEMON_CONF" >/dev/null 2>&1
	unset EXPECT_DEATH
}
