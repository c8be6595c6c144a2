# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2153 # LINE is set by peer_run
#
# fault.sh - what peers' kernels and programs make of each fault.  Faults come
# and go at run time on the one daemon; each case begins and ends without any.

# fault_ctl WORD...: penstockctl fault, by the running daemon's socket.
fault_ctl() { "$PENSTOCKCTL" -S "$TMP/control.sock" fault "$@"; }

# fault_begin LINE...: exactly these faults, in one step.
fault_begin() {
	local l
	penstock_on || skip "plain forwarding has no faults"
	{
		echo reset
		for l in "$@"; do echo "add $l"; done
	} | fault_ctl batch || fail "faults were refused: $*"
}

# fault_count NAME COUNTER
fault_count() {
	fault_ctl list -j | jq ".[] | select(.name == \"$1\") | .$2"
}

# fault_case NAME SECONDS FUNCTION ARG...: a case; its faults go afterwards.
fault_case() {
	run_case "$@"
	penstock_on && fault_ctl reset
}

fault_curl() {
	in_c curl -sS --max-time "$1" -o "$TMP/got" "http://$URL/f$2"
}

# Loss and latency: the program reads what was sent, in spite of them.
fault_bytes_intact() {
	local n=1048576
	fault_begin "$@"
	data_sum $n >/dev/null
	fault_curl 25 $n || fail "curl: exit $?"
	assert_eq "SHA-256" "$(data_sum $n)" "$(sha256sum <"$TMP/got" |
		cut -d' ' -f1)"
	assert_num injected "$(fault_count x injected)" -ge 1
}

fault_reset_after_bytes() {
	local n=1048576 rc
	fault_begin "x type=reset_peer after=byte:50000"
	data_file $n >/dev/null
	fault_curl 10 $n 2>"$TMP/curl.err"
	rc=$?
	cat "$TMP/curl.err"
	assert_eq "curl's exit code (56: failure in receiving)" 56 $rc
	grep -q "reset by peer" "$TMP/curl.err" || fail "no ECONNRESET"
	assert_num injected "$(fault_count x injected)" -eq 1
}

fault_cases() {
	fault_case fault_loss_bytes_intact 30 fault_bytes_intact \
		"x type=loss percent=5"
	fault_case fault_latency_bytes_intact 30 fault_bytes_intact \
		"x type=latency latency=50 jitter=10"
	fault_case fault_reset_peer_after_bytes_gives_econnreset 30 \
		fault_reset_after_bytes
}
