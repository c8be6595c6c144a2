# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# lab.sh - `penstockctl lab': a network of its own for one command.  None of it
# uses the topology of the other groups.

# lab_run OPTION... -- COMMAND...: sets RC; output in $TMP/lab.out and lab.err.
lab_run() {
	local pid
	penstock_on || skip "it brings its own penstockd"
	"$PENSTOCKCTL" lab "$@" >"$TMP/lab.out" 2>"$TMP/lab.err" &
	pid=$!
	wait "$pid"
	RC=$?
	cat "$TMP/lab.err"
	lab_gone "$pid" || fail "something is left of lab $pid"
}

# shellcheck disable=SC2016 # its own $
# A server that tells each client its address.
LAB_SERVER='exec socat -6 TCP-LISTEN:80,reuseaddr,fork,ipv6only=0 "SYSTEM:echo \$SOCAT_PEERADDR"'

# lab_gone PID: nothing is left of the lab of that process.
lab_gone() {
	! ip netns list | grep "^lab$1-" && ! pgrep -af "lab$1[.-]" &&
		! ls -d "/tmp/penstock-lab$1".* 2>/dev/null
}

lab_reports() {
	local addr=203.0.113.10 want='[0000:0000:0000:0000:0000:ffff:c633:6402]'
	[ "$FAMILY" = 4 ] ||
		addr='[2001:db8::10]' want='[2001:0db8:000c:0000:0000:0000:0000:0002]'
	# shellcheck disable=SC2016 # its own $
	lab_run --server "$LAB_SERVER" -- sh -c "$PENSTOCKCTL"' fault add twice type=duplicate count=2 on=data
		socat -u TCP:'"$addr"':80 -; exit 3'
	assert_eq "exit status, the command's" 3 "$RC"
	assert_eq "the server sees" "$want" "$(<"$TMP/lab.out")"
	grep -q "^lab: exit status 3, 1 connections, [0-9]* segments" \
		"$TMP/lab.err" || fail "no report"
	grep -q "^lab: fault twice acted [12] times" "$TMP/lab.err" ||
		fail "no fault in the report"
}

# Each waits for the other: both run, or neither ends.
lab_two() {
	local d=$TMP/labs i pid=()
	penstock_on || skip "it brings its own penstockd"
	mkdir -p "$d"
	for i in a b; do
		# shellcheck disable=SC2016 # its own $
		"$PENSTOCKCTL" lab --server "$LAB_SERVER" -- sh -c '
			touch $0/$1; n=0
			until [ -e $0/a -a -e $0/b ]; do
				sleep 0.1; n=$((n + 1)); [ $n -lt 900 ] || exit 9
			done
			socat -u TCP:203.0.113.10:80 - >/dev/null' \
			"$d" "$i" 2>"$d/$i.err" &
		pid+=($!)
	done
	for i in "${pid[@]}"; do
		wait "$i" || fail "exit $?: $(cat "$d"/*.err)"
		lab_gone "$i" || fail "something is left of lab $i"
	done
}

# lab_signal SIGNAL STATUS
lab_signal() {
	local pid nap=300.$RANDOM
	penstock_on || skip "it brings its own penstockd"
	rm -f "$TMP/lab.up"
	"$PENSTOCKCTL" lab --server "$LAB_SERVER" -- sh -c \
		"touch $TMP/lab.up; sleep $nap & wait" 2>"$TMP/lab.err" &
	pid=$!
	poll 60 test -e "$TMP/lab.up" || fail "no lab: $(<"$TMP/lab.err")"
	kill "-$1" "$pid"
	poll 30 pid_gone "$pid" || fail "it does not end"
	wait "$pid"
	assert_eq "exit status" "$2" $?
	lab_gone "$pid" || fail "something is left of lab $pid"
	poll 5 lab_no_process "sleep $nap" || fail "the command goes on"
}

lab_no_process() { ! pgrep -f "^$1$"; }

lab_ends_with_its_signal() {
	lab_signal TERM 143
	lab_signal HUP 129
}

# What cannot be made is removed as far as it was made.
lab_failures() {
	lab_run -- no-such-command
	assert_eq "exit status of a command that is not there" 127 "$RC"
	lab_run --server "exit 1" -- true
	assert_eq "exit status without the server" 125 "$RC"
	grep -q "the server does not listen" "$TMP/lab.err" || fail "not said"
	printf '[service a]\nlisten = nonsense\n' >"$TMP/lab.conf"
	lab_run -c "$TMP/lab.conf" -- true
	assert_eq "exit status with a bad file" 125 "$RC"
	grep -q "nonsense" "$TMP/lab.err" || fail "not said"
	lab_run
	assert_eq "exit status without a command" 2 "$RC"
}

# The user's own file: addresses of its own, and of the gateway.
lab_own_file() {
	cat >"$TMP/lab.conf" <<-END
		[penstock]
		control = /nonexistent/socket
		workers = 2
		[service far]
		listen = 192.0.2.7:8080
		connect = 192.0.2.77:80
		source = gateway
		[service near]
		listen = 192.0.2.9:80
	END
	# shellcheck disable=SC2016 # its own $
	lab_run -c "$TMP/lab.conf" --server "$LAB_SERVER" -- sh -c '
		for a in 192.0.2.7:8080 192.0.2.9:80; do
			socat -u TCP:$a -
		done; '"$PENSTOCKCTL"' -j status | jq .workers'
	assert_eq "exit status" 0 "$RC"
	assert_eq "the server sees gateway, client" \
		"[0000:0000:0000:0000:0000:ffff:cb00:7101] [0000:0000:0000:0000:0000:ffff:c633:6402] 2" \
		"$(paste -sd' ' "$TMP/lab.out")"
}

# --- the examples that bring what they need: side by side, each in a lab ---

LAB_EXAMPLES="accept-queue-full deferred-accept syn-backoff paws
	keepalive-half-dead linger paws-without"

# The one that is not there is another one without its fault: it must not hold.
lab_example_file() {
	if [ "$1" = paws-without ]; then
		sed '/^add/,/[^\\]$/d; /expect fault/d; /expect report/d' \
			conf/examples/paws.scn >"$TMP/paws-without.scn"
		echo "$TMP/paws-without.scn"
	else
		echo "conf/examples/$1.scn"
	fi
}

lab_example_case() { echo "lab_example_${1//-/_}_as_described"; }

# Begin those that E2E_CASE selects, and wait for all.
lab_examples_run() {
	local n i pid=() name=()
	for n in $LAB_EXAMPLES; do
		# shellcheck disable=SC2053 # a pattern
		[[ $(lab_example_case "$n") == ${E2E_CASE:-*} ]] || continue
		# shellcheck disable=SC2016 # the lab's own $
		"$PENSTOCKCTL" lab --server \
			"exec python3 -m http.server -b 203.0.113.10 -d conf 80" \
			-- sh -c 'sysctl -qw net.ipv4.tcp_syn_retries=5
			sysctl -qw net.ipv4.tcp_syn_linear_timeouts=0 2>/dev/null
			exec "$0" scenario run "$1" \
			--set ON_SERVER="ip netns exec $PENSTOCK_SERVER_NS"' \
			"$PENSTOCKCTL" "$(lab_example_file "$n")" \
			>"$TMP/example.$n" 2>&1 </dev/null &
		pid+=($!) name+=("$n")
		lib_own_pid $!
	done
	for i in "${!pid[@]}"; do
		wait "${pid[i]}"
		echo $? >"$TMP/example.${name[i]}.rc"
	done
}

lab_example() {
	cat "$TMP/example.$1"
	assert_eq "exit status" "$2" "$(<"$TMP/example.$1.rc")"
	[ "$2" = 0 ] || grep -q "FAILED.*PAWSEstab" "$TMP/example.$1" ||
		fail "it does not look at the kernel"
}

lab_examples() {
	local n
	penstock_on || return 0
	lab_examples_run
	for n in $LAB_EXAMPLES; do
		run_case "$(lab_example_case "$n")" 10 lab_example "$n" \
			"$([ "$n" = paws-without ] && echo 1 || echo 0)"
	done
}

lab_cases() {
	# shellcheck disable=SC2034 # for run_case
	local TRAFFIC_EARLIER=1 # there is no packet for the others' daemon
	run_case lab_command_status_and_report 60 lab_reports
	[ "$FAMILY" = 4 ] || return 0
	run_case lab_two_at_once 60 lab_two
	run_case lab_signal_removes_everything 100 lab_ends_with_its_signal
	run_case lab_failure_removes_everything 60 lab_failures
	run_case lab_with_a_file_has_its_addresses 60 lab_own_file
	lab_examples
}
