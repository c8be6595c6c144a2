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

# What is left behind by a runner that is interrupted: nothing.
scn_interrupted() {
	local pid
	penstock_on || skip "plain forwarding has no faults"
	printf '%s\n' "add a type=loss percent=1" "add b type=delay time=1ms" \
		"run sleep 25" >"$TMP/int.scn"
	"$PENSTOCKCTL" -S "$TMP/control.sock" scenario run "$TMP/int.scn" \
		>"$TMP/int.out" &
	pid=$!
	poll 5 scn_has_faults 2 || fail "no two faults"
	kill -INT "$pid"
	wait "$pid"
	assert_eq "exit status" 1 $?
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
	run_case scenario_tw_recycle_as_described 30 scn_recycle
	penstock_on && scn_recycle_undo
}
