# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# scenario.sh - the scenarios of conf/examples, run as a user would.  What they
# expect of the peers' kernels they ask themselves, with ss and nstat.

# scn_run STATUS FILE [OPTION...]: `scenario run' must exit with STATUS.
scn_run() {
	local want=$1 file=$2 rc
	shift 2
	penstock_on || skip "plain forwarding has no faults"
	"$PENSTOCKCTL" -S "$TMP/control.sock" scenario run "$file" \
		--set ON_CLIENT="ip netns exec $NS_C" \
		--set ON_SERVER="ip netns exec $NS_S" \
		--set SERVER="$SERVER" "$@"
	rc=$?
	assert_eq "exit status of $file" "$want" "$rc"
}

scn_faults() {
	"$PENSTOCKCTL" -S "$TMP/control.sock" ask '{"cmd":"fault-list"}' |
		jq length
}

# scn_example NAME [PATH-OF-URL [OPTION...]]
scn_example() {
	scn_run 0 "conf/examples/$1.scn" --set URL="http://$URL/${2:-f1024}" \
		"${@:3}"
	assert_eq "faults left" 0 "$(scn_faults)"
}

# scn_case NAME SECONDS ARG...: conf/examples/NAME.scn
scn_case() {
	run_case "scenario_${1//-/_}_as_described" "$2" \
		scn_example "$1" "${@:3}"
}

scn_syn_retries() {
	local before
	before=$(in_c nstat -asz TcpExtTCPTimeouts | awk 'NR == 2 { print $2 }')
	in_c sysctl -qw net.ipv4.tcp_syn_retries=2
	trap 'in_c sysctl -qw net.ipv4.tcp_syn_retries=6' EXIT
	scn_example syn-retries
	assert_num "TCPTimeouts of the client" \
		"$(in_c nstat -asz TcpExtTCPTimeouts |
			awk 'NR == 2 { print $2 }')" -ge $((before + 2))
}

# Its kernel obeys the RST in TIME_WAIT, or does not.
scn_assassination() {
	in_c sysctl -qw net.ipv4.tcp_rfc1337="$1"
	trap 'in_c sysctl -qw net.ipv4.tcp_rfc1337=0' EXIT
	scn_example time-wait-assassination f1024 --set NOT="$2" \
		--set LOCAL=$((19000 + RANDOM % 900))
}

# scn_reload KEY...: the configuration with these keys, taken by SIGHUP.
scn_reload() {
	local n
	n=$(grep -c "info: reload:" "$TMP/penstockd.log")
	conf_write "$PENSTOCK_CONF" "handshake = server_first" "$@"
	kill -HUP "$PENSTOCK_PID"
	poll 5 scn_reloaded "$n" || fail "the reload was not taken"
}
scn_reloaded() {
	[ "$(grep -c "info: reload:" "$TMP/penstockd.log")" -gt "$1" ]
}

# tcp_tw_recycle = 1, and a second host behind the client's address.
scn_recycle() {
	local nat=(POSTROUTING -s 198.51.100.3 -j SNAT --to-source "$CLIENT")
	penstock_on || skip "no kernel has it any more"
	"$PENSTOCKCTL" -t -c conf/examples/tw-recycle.conf ||
		fail "the example is no configuration"
	scn_reload "tcp_tw_recycle = 1"
	in_c ip addr add 198.51.100.3/24 dev up
	in_c iptables -t nat -A "${nat[@]}"
	scn_example tw-recycle f1024 \
		--set ON_HOST_1="ip netns exec $NS_C" \
		--set ON_HOST_2="ip netns exec $NS_C" \
		--set FROM_HOST_2="--interface 198.51.100.3"
}

scn_recycle_undo() {
	in_c iptables -t nat -F
	in_c ip addr del 198.51.100.3/24 dev up
	scn_reload
}

scn_pmtu() {
	wire_segments
	scn_example pmtu-blackhole up/scn
}

# Nothing is disturbed: a scenario that holds only because it looks for nothing
# would hold here, too.
scn_without_fault() {
	sed -i '/^add/d; /^del/d; /expect fault/d' "$1"
	sed -i 's/within [0-9]*s/within 1s/' "$1"
	scn_run 1 "$1" --set URL="http://$URL/f1024"
}

scn_each_without_fault() {
	local f
	penstock_on || skip "plain forwarding has no faults"
	for f in last-ack fin-wait-2 close-wait reset-at-byte \
		simultaneous-close simultaneous-open; do
		cp "conf/examples/$f.scn" "$TMP/$f.scn"
		scn_without_fault "$TMP/$f.scn"
	done
}

# scn_interrupt FAULTS PATH: a run of PATH is interrupted once so many faults are
# in force.  What it said is in int.out.
scn_interrupt() {
	local pid
	"$PENSTOCKCTL" -S "$TMP/control.sock" scenario run "$2" \
		>"$TMP/int.out" &
	pid=$!
	poll 5 scn_has_faults "$1" || fail "faults: $(scn_faults), not $1"
	kill -INT "$pid"
	wait "$pid"
	assert_eq "exit status" 1 $?
}

# What is left behind by a runner that is interrupted: nothing.
scn_interrupted() {
	penstock_on || skip "plain forwarding has no faults"
	printf '%s\n' "add a type=loss percent=1" "add b type=delay time=1ms" \
		"run sleep 25" >"$TMP/int.scn"
	scn_interrupt 2 "$TMP/int.scn"
	grep -q "failed, interrupted" "$TMP/int.out" ||
		fail "not said: $(<"$TMP/int.out")"
	assert_eq "faults left" 0 "$(scn_faults)"
}
scn_has_faults() { [ "$(scn_faults)" = "$1" ]; }

# One that is killed leaves faults, but with a lease.
scn_killed() {
	local pid
	penstock_on || skip "plain forwarding has no faults"
	printf '%s\n' "timeout 5s" "add a type=loss percent=1" "run sleep 25" \
		>"$TMP/kill.scn"
	"$PENSTOCKCTL" -S "$TMP/control.sock" scenario run "$TMP/kill.scn" &
	pid=$!
	poll 5 scn_has_faults 1 || fail "no fault"
	kill -KILL "$pid"
	wait "$pid"
	assert_eq "faults left" 1 "$(scn_faults)"
	poll 15 scn_has_faults 0 || fail "its lease does not end"
}

# keep, JSON, and the exit statuses for a bad file and without a daemon.
scn_options() {
	local out
	penstock_on || skip "plain forwarding has no faults"
	echo "add a type=loss percent=1" >"$TMP/opt.scn"
	scn_run 0 "$TMP/opt.scn" --keep
	assert_eq "faults kept" 1 "$(scn_faults)"
	out=$(scn_run 1 "$TMP/opt.scn" --json) # it is there already
	assert_eq "verdict in JSON" FAILED "$(jq -r .steps[0].verdict <<<"$out")"
	"$PENSTOCKCTL" -S "$TMP/control.sock" fault del a
	printf 'expect flos == 0\nat x reset\n' >"$TMP/opt.scn"
	scn_run 2 "$TMP/opt.scn" 2>"$TMP/opt.err"
	assert_eq "errors" 2 "$(grep -c "opt.scn:[12]: found" "$TMP/opt.err")"
	echo reset >"$TMP/opt.scn"
	"$PENSTOCKCTL" scenario check "$TMP/opt.scn" || fail "check: exit $?"
	"$PENSTOCKCTL" -S "$TMP/none.sock" scenario run "$TMP/opt.scn"
	assert_eq "exit status without a daemon" 3 $?
}

# Several files and a directory, side by side: one of them cannot be read and
# one fails, and neither keeps the others from running.
scn_batch_files() {
	local d=$TMP/batch
	penstock_on || skip "plain forwarding has no faults"
	rm -rf "$d" "$d.one.scn"
	mkdir "$d"
	echo 'expect sh true' >"$d/a.scn"
	echo 'expect flos == 0' >"$d/b.scn"
	printf '%s\n' 'run printf "<\\001&>" >&2; exit 3' 'expect exit 0' \
		>"$d/c.scn"
	echo 'no scenario' >"$d/README"
	echo 'expect flows >= 0' >"$d.one.scn"
}

# batch_run OPTION...: `scenario run' of all of them; sets RC.
batch_run() {
	timeout 100 "$PENSTOCKCTL" -S "$TMP/control.sock" scenario run \
		"$TMP/batch" "$TMP/batch.one.scn" "$@" \
		>"$TMP/batch.out" 2>"$TMP/batch.err"
	RC=$?
}

scn_batch() {
	scn_batch_files
	batch_run --junit "$TMP/batch.xml"
	assert_eq "exit status, the file's" 2 "$RC"
	python3 tests/e2e/junit.py "$TMP/batch.xml" \
		"$TMP/batch/a.scn=held" "$TMP/batch/b.scn=error" \
		"$TMP/batch/c.scn=failed" "$TMP/batch.one.scn=held" \
		>"$TMP/batch.said" || fail "the XML: $(<"$TMP/batch.said")"
	grep -q "line 2: expected: exit 0; came: exit 3" "$TMP/batch.said" ||
		fail "no expectation in it: $(<"$TMP/batch.said")"
	assert_eq "said by whom" "expected: exit 0, came: exit 3" \
		"$(sed -n 's/^  *\(expected: .*\)/\1,/p; s/^  *came:  */came: /p' \
			"$TMP/batch.out" | paste -sd ' ')"
	grep -q "b.scn:1: found \"flos" "$TMP/batch.err" ||
		fail "the mistake is not named: $(<"$TMP/batch.err")"
	rm "$TMP/batch/b.scn"
	batch_run -j
	assert_eq "exit status, the expectation's" 1 "$RC"
	assert_eq "results in JSON" "held failed held" \
		"$(jq -r '[.[].result] | join(" ")' "$TMP/batch.out")"
	rm "$TMP/batch/c.scn"
	batch_run --tap
	assert_eq "exit status, all held" 0 "$RC"
	assert_eq "points" 2 "$(grep -c '^ok [12] - ' "$TMP/batch.out")"
	assert_eq "plan" 1 "$(grep -c '^1\.\.2$' "$TMP/batch.out")"
	mkdir -p "$TMP/empty"
	"$PENSTOCKCTL" -S "$TMP/control.sock" scenario run "$TMP/empty"
	assert_eq "exit status of an empty directory" 2 $?
}

# Two that touch different services wait for each other, so they end only if
# they run side by side; two of one service must not meet.
scn_jobs() {
	local d=$TMP/jobs s
	penstock_on || skip "plain forwarding has no faults"
	rm -rf "$d"
	mkdir "$d"
	for s in a b; do
		printf '%s\n' "services $s" "timeout 100s" "run touch $d/$s" \
			"expect sh test -e $d/a -a -e $d/b within 80s" \
			>"$d/$s.scn"
	done
	"$PENSTOCKCTL" -S "$TMP/control.sock" scenario run --jobs 2 "$d" ||
		fail "services apart did not run side by side"
	rm "$d"/*
	for s in a b; do
		printf '%s\n' "services same" "timeout 100s" \
			"run mkdir $d/busy" "expect exit 0" "run sleep 0.3" \
			"run rmdir $d/busy" "expect exit 0" >"$d/$s.scn"
	done
	"$PENSTOCKCTL" -S "$TMP/control.sock" scenario run --jobs 2 "$d" ||
		fail "one service, two scenarios at once"
}

# An interrupted batch: what runs cleans up, the rest does not begin.
scn_batch_interrupted() {
	local d=$TMP/int
	penstock_on || skip "plain forwarding has no faults"
	rm -rf "$d"
	mkdir "$d"
	printf '%s\n' "add a type=loss percent=1" "run sleep 50" >"$d/a.scn"
	echo "run touch $d/begun" >"$d/b.scn"
	scn_interrupt 1 "$d"
	assert_eq "interrupted" 2 "$(grep -c ": failed, interrupted" "$TMP/int.out")"
	[ ! -e "$d/begun" ] || fail "the second one began"
	assert_eq "faults left" 0 "$(scn_faults)"
}

scenario_cases() {
	data_file 1024 >/dev/null
	data_file 20000 >/dev/null
	scn_case last-ack 30
	scn_case reset-at-byte 20 f20000
	scn_case zero-window 40 up/scn
	[ "$FAMILY" = 4 ] || return 0
	scn_case fin-wait-2 30
	scn_case close-wait 30
	run_case scenario_syn_retries_as_described 30 scn_syn_retries
	scn_case simultaneous-open 30
	scn_case simultaneous-close 30
	run_case scenario_time_wait_assassinated_as_described 30 \
		scn_assassination 0 "!"
	run_case scenario_time_wait_rfc1337_stays_as_described 30 \
		scn_assassination 1 ""
	scn_case sack-renege 30 up/scn
	scn_case tfo-blackhole 30
	run_case scenario_pmtu_blackhole_as_described 60 scn_pmtu
	run_case scenario_without_its_faults_fails 60 scn_each_without_fault
	TRAFFIC_EARLIER=1 run_case scenario_interrupted_removes_faults 20 scn_interrupted
	TRAFFIC_EARLIER=1 run_case scenario_killed_faults_have_a_lease 30 \
		scn_killed
	TRAFFIC_EARLIER=1 run_case scenario_options_and_exit_statuses 20 scn_options
	TRAFFIC_EARLIER=1 run_case scenario_batch_reports_each_file 60 scn_batch
	TRAFFIC_EARLIER=1 run_case scenario_jobs_only_if_services_differ 60 \
		scn_jobs
	TRAFFIC_EARLIER=1 run_case scenario_batch_interrupted_cleans_up 30 \
		scn_batch_interrupted
	run_case scenario_tw_recycle_as_described 30 scn_recycle
	penstock_on && scn_recycle_undo
}
