# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# bypass.sh - nothing walks past the shield in disguise
#
# bypass.py sends 500 SYNs of a kind, half of them from a prefix in `deny'.
# The server's namespace counts every TCP SYN that comes from those prefixes,
# after its own reassembly, in whatever headers.

# bypass_prefix BYTE: addresses of the family under it, as bypass.py takes them.
bypass_prefix() {
	if [ "$FAMILY" = 4 ]; then echo "10.$1."; else echo "2001:db8:77:$1::"; fi
}

# bypass_net BYTE: the same as a prefix of a list or a rule.
bypass_net() {
	if [ "$FAMILY" = 4 ]; then
		echo "10.$1.0.0/16"
	else
		echo "2001:db8:77:$1::/64"
	fi
}

# bypass_conf KEY=VALUE...: a gateway with these, and 66 denied.
bypass_conf() {
	shield_conf "handshake = client_first" "deny = $(bypass_net 66)" "$@"
}

# Count what comes to the server from both prefixes: `packets' of any kind, or
# `syns', which its own reassembly may have completed.
bypass_count_begin() {
	local b
	in_s "$IPT" -t raw -F PREROUTING
	in_s "$IPT" -F INPUT
	for b in 66 77; do
		in_s "$IPT" -t raw -A PREROUTING -s "$(bypass_net "$b")"
		in_s "$IPT" -A INPUT -s "$(bypass_net "$b")" -p tcp --syn
	done
}

# bypass_reached packets|syns BYTE
bypass_reached() {
	local line
	line="-A PREROUTING -s $(bypass_net "$2")\$"
	[ "$1" = packets ] ||
		line="-A INPUT -s $(bypass_net "$2") -p tcp -m tcp --tcp-flags"
	in_s "$IPT-save" -c | grep -E -- "$line" |
		sed 's/^\[\([0-9]*\):.*/\1/'
}

# bypass_send KIND BYTE: sets LINE.
bypass_send() {
	LINE=$(in_c /usr/bin/python3 tests/e2e/bypass.py server="$SERVER" \
		port="$PORT_HTTP" kind="$1" from="$(bypass_prefix "$2")" \
		n=250) || fail "bypass.py $1"
	echo "$1 from $2: $LINE; at the server" \
		"$(bypass_reached packets "$2") packets," \
		"$(bypass_reached syns "$2") SYNs"
}

# bypass_case WHAT ANSWERED PASSED KIND...: of 250 denied SYNs none may come to
# the server; of 250 others, so many are answered and so many come.
bypass_case() {
	local what=$1 answered=$2 passed=$3 kind
	shift 3
	for kind in "$@"; do
		bypass_count_begin
		bypass_send "$kind" 66
		assert_fields "$LINE" answered=0
		assert_eq "denied $kind at the server" 0 \
			"$(bypass_reached "$what" 66)"
		bypass_send "$kind" 77
		assert_fields "$LINE" answered="$answered"
		assert_eq "$kind at the server" "$passed" \
			"$(bypass_reached "$what" 77)"
	done
	http_ok 5 || fail "an honest client is shut out"
}

bypass_cases() {
	penstock_on || return 0
	data_file 1024 >/dev/null
	bypass_conf
	run_case bypass_signed_syns_are_dropped 30 \
		bypass_case packets 0 0 md5 ao
	run_case bypass_fragmented_syns_are_answered_by_the_gateway 30 \
		bypass_case packets 250 0 plain frag
	# The kernel takes no first fragment of IPv6 without a whole TCP header.
	run_case bypass_syns_in_tiny_fragments_reach_nobody 30 \
		bypass_case packets $((FAMILY == 4 ? 250 : 0)) 0 tiny
	run_case bypass_authentication_headers_are_dropped 30 \
		bypass_case packets 0 0 auth
	if [ "$FAMILY" = 6 ]; then
		run_case bypass_headers_hide_no_syn 30 \
			bypass_case packets 250 0 hop dst route atomic
		run_case bypass_segments_left_are_dropped 30 \
			bypass_case packets 0 0 left
	fi
	bypass_conf "signed = pass" "fragments = drop"
	run_case bypass_signed_pass_lets_all_but_denied_through 30 \
		bypass_case syns 0 250 md5 ao
	run_case bypass_signed_pass_lets_authentication_headers_through 30 \
		bypass_case packets 0 250 auth
	run_case bypass_fragments_drop_lets_no_syn_through 30 \
		bypass_case syns 0 0 frag tiny
	bypass_conf "fragments = pass"
	run_case bypass_fragments_pass_lets_all_but_denied_through 30 \
		bypass_case syns 0 250 frag
	shield_conf "handshake = auto"
}
