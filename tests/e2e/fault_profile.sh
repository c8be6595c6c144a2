# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# fault_profile.sh - what penstock measures of a Linux kernel is what that
# kernel does: SYN retries, timeouts, window probes, keepalives, when it gives
# up, and its answers to forged segments.
#
# fault.sh has the helpers.  What is measured is the time between two packets, and
# on a loaded machine either may be late: so bounds are wide on both sides.

profile_ctl() { "$PENSTOCKCTL" -S "$TMP/control.sock" profile "$@"; }

# profile_get SIDE EXPRESSION: of the peer's profile, jq's answer.
profile_get() {
	local peer=$CLIENT
	[ "$1" = server ] && peer=$SERVER
	profile_ctl -j | jq -r --arg p "$peer" --arg s "$1" \
		".[] | select(.peer == \$p and .side == \$s) | $2"
}

# hold PORT SECONDS WORD...: a client's connection, in the background.
HOLDS=()
hold() {
	in_c /usr/bin/python3 tests/e2e/hold.py "$SERVER" "$1" "$2" "${@:3}" \
		>>"$TMP/hold.out" 2>&1 &
	HOLDS+=("$!")
}

holds_over() {
	local p
	for p in "${HOLDS[@]}"; do
		pid_gone "$p" || return 1
	done
}

# A server that accepts and says nothing, on PORT_DYING.
silent_server() {
	in_s /usr/bin/python3 tests/e2e/hold.py serve "$PORT_DYING" "$1" &
	poll 5 listening "$PORT_DYING" || fail "no silent server"
}

# profile_reports N: the answer of the daemon with the reports from N on.
profile_reports() {
	"$PENSTOCKCTL" -S "$TMP/control.sock" ask \
		"{\"cmd\":\"fault-reports\",\"since\":$1}" | jq '.result // .'
}

# profile_begin LINE...: these faults, and nothing measured yet.
profile_begin() {
	fault_begin "$@"
	: >"$TMP/hold.out"
	profile_ctl reset >/dev/null
	SINCE=$(profile_reports 9007199254740992 | jq .next)
}

# profile_has SIDE EXPRESSION: it is true by now.
profile_has() { [ "$(profile_get "$1" "$2")" = true ]; }

# assert_ms WHAT SIDE EXPRESSION WANT...: milliseconds, one or several.
assert_ms() {
	local what=$1 got want
	mapfile -t got < <(profile_get "$2" "$3")
	echo "$what: ${got[*]}, want ${*:4}"
	for want in "${@:4}"; do
		assert_num "$what" "${got[0]%.*}" -ge $((want * 3 / 4))
		assert_num "$what" "${got[0]%.*}" -le $((want * 3 / 2 + 50))
		got=("${got[@]:1}")
	done
}

# assert_doubles WHAT SIDE EXPRESSION LEAST TIMES: milliseconds from LEAST on,
# which double so often.  How long the first is depends on round trips, and so
# on the machine.
assert_doubles() {
	local what=$1 got i
	mapfile -t got < <(profile_get "$2" "$3")
	echo "$what: ${got[*]}, want $4 or more, doubled $5 times"
	assert_num "$what" "${got[0]%.*}" -ge $(($4 * 3 / 4))
	for ((i = 1; i <= $5; i++)); do
		assert_num "$what" "${got[i]%.*}" -ge \
			$((${got[i - 1]%.*} * 15 / 10))
		assert_num "$what" "${got[i]%.*}" -le \
			$((${got[i - 1]%.*} * 25 / 10 + 50))
	done
}

profile_kernel_as_usual() {
	in_c sysctl -qw net.ipv4.tcp_keepalive_time=7200 \
		net.ipv4.tcp_keepalive_intvl=75 net.ipv4.tcp_keepalive_probes=9
	in_c sysctl -qw net.ipv4.tcp_syn_linear_timeouts=4 2>/dev/null
}

# Each decision's answer comes after it, and once.
assert_reports_paired() {
	profile_reports "$SINCE" | jq -e '.lines | reduce .[] as $l
			({open: {}, bad: 0, n: 0};
			if $l.id then .open[$l.id | tostring] = 1
			elif .open[$l.re | tostring] == 1 then
				.open[$l.re | tostring] = 2 | .n += 1
			else .bad += 1 end) | .bad == 0 and .n >= 15' \
		>/dev/null || fail "reports do not pair"
}

# All at one time, each on a port of its own: what peers send is lost, or what
# they hear (with a wrong checksum, in the case of keepalives).
profile_timers() {
	local all
	profile_begin "syn type=syn_drop dport=$PORT_HTTP" \
		"rto type=loss dport=$PORT_HTTPS dir=from_peer on=data" \
		"idle type=corrupt where=tcp dport=$PORT_PEER dir=to_peer on=time:1s" \
		"shut type=tarpit dport=$PORT_IDLE" \
		"sa type=syn_ack_drop side=server dport=$PORT_DYING" \
		"sb type=syn_drop side=server skip=1 dport=$PORT_DYING"
	trap profile_kernel_as_usual EXIT
	in_c sysctl -qw net.ipv4.tcp_keepalive_time=2 \
		net.ipv4.tcp_keepalive_intvl=1 net.ipv4.tcp_keepalive_probes=3
	in_c sysctl -qw net.ipv4.tcp_syn_linear_timeouts=0 2>/dev/null
	silent_server 90
	hold "$PORT_HTTPS" 90 send=hello after=0.2
	hold "$PORT_IDLE" 90 send=hello after=0.2
	hold "$PORT_PEER" 90 keepalive
	hold "$PORT_HTTP" 90
	hold "$PORT_DYING" 90
	all='(.syn_ms | length) >= 3 and (.rto_ms | length) >= 4 and
		(.window_probe_ms | length) >= 4 and .gives_up.rst_ms != null'
	poll 15 profile_has client "$all" || profile_ctl
	poll 5 profile_has server '(.syn_ack_ms | length) >= 3' || profile_ctl
	profile_ctl
	assert_ms "SYN retries" client '.syn_ms[].mean' 1000 2000 4000
	assert_ms "SYN-ACK retries" server '.syn_ack_ms[].mean' 1000 2000 4000
	# the first is a tail loss probe
	assert_doubles "timeouts" client '.rto_ms[1:][].mean' 200 2
	assert_doubles "window probes" client '.window_probe_ms[1:][].mean' \
		400 2
	assert_ms "idle" client '.keepalive.idle_ms.mean' 2000
	assert_ms "keepalives" client '.keepalive.interval_ms.mean' 1000
	assert_eq "keepalives in a row" 3 "$(profile_get client .keepalive.count)"
	assert_ms "it gives up" client '.gives_up.rst_ms.min' 3000
	assert_reports_paired
	poll 5 grep -q "end=ETIMEDOUT" "$TMP/hold.out" ||
		fail "the program knows nothing of it: $(<"$TMP/hold.out")"
}

# Since 6.5 the first retries of a SYN are not backed off.
profile_linear_syns() {
	penstock_on || skip "plain forwarding has no faults"
	in_c sysctl -qw net.ipv4.tcp_syn_linear_timeouts=2 2>/dev/null ||
		skip "the kernel has no linear SYN timeouts"
	trap profile_kernel_as_usual EXIT
	profile_begin "syn type=syn_drop"
	hold "$PORT_HTTP" 60
	poll 8 profile_has client '(.syn_ms | length) >= 4' || profile_ctl
	assert_ms "SYN retries" client '.syn_ms[].mean' 1000 1000 1000 2000
}

# assert_forged SIDE KIND REACTION: as declared.
assert_forged() {
	assert_eq "answer to $2" "true $3" "$(profile_get "$1" \
		".inject[\"$2\"] | \"\(.ok >= 1) \(.last)\"")"
}

forged_all() {
	profile_has client '(.inject | length) == 9' &&
		profile_has server '(.inject | length) == 9'
}

forged_injected() {
	[ "$(fault_count x injected)" = 1 ] &&
		[ "$(fault_count y injected)" = 1 ]
}

# forged KIND: one into a connection to each side's kernel
forged() {
	fault_begin "x type=inject kind=$1 on=data dport=$PORT_HTTP" \
		"y type=inject kind=$1 on=data side=server dport=$PORT_DYING"
	hold "$PORT_HTTP" 3 get=100
	hold "$PORT_DYING" 3 send=hello
	poll 5 forged_injected || fail "$1 was not injected"
}

# The kinds that a side has never answered as declared.
forged_missing() {
	local side
	for side in client server; do
		profile_get $side '.inject | to_entries[] |
			select(.value.ok == 0) | .key'
	done
}

# Of both kernels: the declared answer to each kind, a connection for each.  On a
# slow machine data may overtake what was forged in front of it: once more then.
profile_forged() {
	local side kind
	profile_begin
	data_file 100 >/dev/null
	silent_server 120
	for kind in rst-exact rst-inwindow syn-inwindow ack-old ack-future \
		data-oow paws-old badsum null; do
		forged "$kind"
	done
	poll 5 forged_all
	profile_ctl
	for kind in $(forged_missing); do
		forged "$kind"
		poll 5 holds_over
		profile_ctl
	done
	cat "$TMP/hold.out"
	for side in client server; do
		assert_forged $side rst-exact rst
		for kind in rst-inwindow syn-inwindow ack-old; do
			assert_forged $side $kind challenge-ack
		done
		for kind in ack-future data-oow paws-old; do
			assert_forged $side $kind ack
		done
		for kind in badsum null; do
			assert_forged $side $kind silence
		done
	done
	poll 5 holds_over || fail "connections that do not end"
	assert_num "programs that were reset, one by way of the server" \
		"$(grep -c end=ECONNRESET "$TMP/hold.out")" -ge 2
}

answered_as_declared() {
	[ "$(fault_ctl list -j | jq -c "[.[] | [.ok, .wrong]] | unique")" = \
		"[[1,0]]" ]
}

# Of other types that forge: each once, and on a connection of its own.
profile_declared() {
	local i n=0 kinds=(data ack syn rst) lines=()
	for i in "${kinds[@]}"; do
		n=$((n + 1))
		lines+=("again$n type=time_wait_replay kind=$i delay=300ms conn=$n dport=$PORT_HTTP")
	done
	data_file 100 >/dev/null
	profile_begin "${lines[@]}" \
		"wrong type=wrong_synack count=1 dport=$PORT_HTTPS" \
		"open type=simultaneous_open dport=$PORT_PEER"
	hold "$PORT_HTTPS" 3
	hold "$PORT_PEER" 2
	for i in "${kinds[@]}"; do
		hold "$PORT_HTTP" 0.5 get=100 close
		poll 5 pid_gone "${HOLDS[-1]}" || fail "it does not end"
	done
	poll 10 answered_as_declared
	fault_ctl list
	answered_as_declared || fail "not answered as declared"
	fault_ctl report | tee "$TMP/report"
	grep -qE "wrong +1 client to_peer .* rst after .*, as expected" \
		"$TMP/report" || fail "no such line in the report"
	assert_eq "lines about again1" 1 \
		"$(fault_ctl report again1 | wc -l)"
	poll 5 holds_over || fail "connections that do not end"
}

# Who is only watched behaves as ever, and is known afterwards.
profile_observe() {
	local n=1048576
	profile_begin "x type=observe side=both"
	data_sum $n >/dev/null
	fault_curl 10 $n || fail "curl: exit $?"
	assert_eq "SHA-256" "$(data_sum $n)" "$(sha256sum <"$TMP/got" |
		cut -d' ' -f1)"
	assert_num matched "$(fault_count x matched)" -ge 10
	assert_eq injected 0 "$(fault_count x injected)"
	profile_ctl
	for side in client server; do
		assert_eq "$side" "1 1 0 0 0" "$(profile_get $side '"\(.conns) \(
			.rtt_ms.n) \((.syn_ms // .syn_ack_ms) | length) \(
			.window_probe_ms | length) \(.inject | length)"')"
	done
}

fault_profile_cases() {
	fault_case profile_timers_of_linux_are_linuxs 40 profile_timers
	fault_case profile_linear_syn_timeouts_are_linear 20 profile_linear_syns
	fault_case profile_forged_segments_are_answered_as_declared 40 \
		profile_forged
	fault_case profile_other_forged_segments_are_answered_as_declared 30 \
		profile_declared
	fault_case profile_observed_transfer_is_undisturbed 20 profile_observe
}
