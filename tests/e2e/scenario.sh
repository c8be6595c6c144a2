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
	scn_example syn-retries
	in_c sysctl -qw net.ipv4.tcp_syn_retries=6
	assert_num "TCPTimeouts of the client" \
		"$(in_c nstat -asz TcpExtTCPTimeouts |
			awk 'NR == 2 { print $2 }')" -ge $((before + 2))
}

# Its kernel obeys the RST in TIME_WAIT, or does not.
scn_assassination() {
	in_c sysctl -qw net.ipv4.tcp_rfc1337="$1"
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

scenario_cases() {
	data_file 1024 >/dev/null
	data_file 20000 >/dev/null
	scn_case last-ack 30
	scn_case fin-wait-2 30
	scn_case close-wait 30
	scn_case reset-at-byte 20 f20000
	scn_case zero-window 40 up/scn
	run_case scenario_syn_retries_as_described 30 scn_syn_retries
	scn_case simultaneous-close 30
	run_case scenario_time_wait_assassinated_as_described 30 \
		scn_assassination 0 "!"
	run_case scenario_time_wait_rfc1337_stays_as_described 30 \
		scn_assassination 1 ""
	scn_case sack-renege 30 up/scn
	if [ "$FAMILY" = 4 ]; then
		run_case scenario_tw_recycle_as_described 30 scn_recycle
		penstock_on && scn_recycle_undo
	fi
}
