# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2153 # LINE is set by peer_run
#
# transfer.sh - bytes arrive whole, both ways, of every size; both ends see
# each other's true addresses

# curl_view CASE-ID: compare curl's idea of the connection (in $TMP/view) with
# nginx's.
curl_view() {
	local id=$1 code lip lport rip rport line
	read -r code lip lport rip rport <"$TMP/view"
	poll 10 grep -q "^$id " "$TMP/nginx.log" ||
		fail "nginx never logged the request"
	line=$(grep "^$id " "$TMP/nginx.log" | tail -1)
	# shellcheck disable=SC2086 # words on purpose
	set -- $line
	assert_eq "client's address, seen by the server" "$lip" "$2"
	assert_eq "client's port, seen by the server" "$lport" "$3"
	assert_eq "client's address" "$CLIENT" "$lip"
	assert_eq "server's address, seen by the client" "$4" "$rip"
	assert_eq "server's port, seen by the client" "$5" "$rport"
	assert_eq "status" "$6" "$code"
}

CURL_VIEW='%{http_code} %{local_ip} %{local_port} %{remote_ip} %{remote_port}\n'

# transfer_download SCHEME BYTES [CURL-OPTION...]
transfer_download() {
	local scheme=$1 bytes=$2 id=get-$BASHPID sum
	shift 2
	data_file "$bytes" >/dev/null
	in_c curl -sS -k -g --max-time 460 -H "X-Case: $id" \
		-w "%{stderr}$CURL_VIEW" "$@" \
		"$scheme://$URL/f$bytes" 2>"$TMP/view" |
		sha256sum | cut -d' ' -f1 >"$TMP/sum"
	sum=$(<"$TMP/sum")
	assert_eq "SHA-256 of what arrived" "$(data_sum "$bytes")" "$sum"
	curl_view "$id"
	assert_clean
}

# transfer_upload SCHEME BYTES [CURL-OPTION...]
transfer_upload() {
	local scheme=$1 bytes=$2 id=put-$BASHPID
	local got=$TMP/www/up/$id
	shift 2
	in_c curl -sS -k -g --max-time 460 -H "X-Case: $id" -H "Expect:" \
		-o /dev/null -w "$CURL_VIEW" -T "$(data_file "$bytes")" "$@" \
		"$scheme://$URL/up/$id" >"$TMP/view" || fail "curl: $?"
	assert_eq "SHA-256 of what arrived" "$(data_sum "$bytes")" \
		"$(sha256sum <"$got" | cut -d' ' -f1)"
	rm -f "$got"
	curl_view "$id"
	assert_clean
}

# transfer_many COUNT SIZE: all connected at the same time.
transfer_many() {
	local out
	out=$(in_c "$PEER" many "$SERVER" "$PORT_PEER" "$1" "$2") ||
		fail "peer many: $out"
	assert_eq "connections" "connected=$1 ok=$1 of=$1" "$out"
	assert_clean 20
}

transfer_heavy() {
	skip_in_smoke
	"$@"
}

# What the daemon answers leaves by the interface that the question came by.
# The gateway's kernel takes that for a detour, which a neighbour could avoid.
# Redirects would send it past the gateway, or nowhere.
redirects_in() {
	local n
	for n in "$NS_C" "$NS_S"; do
		ip netns exec "$n" nstat -asz | awk '
			$1 == "Icmp6InRedirects" || $1 == "IcmpInRedirects" {
				n += $2 }
			END { print n + 0 }'
	done | paste -sd+ | bc
}

transfer_no_redirects() {
	local i before
	before=$(redirects_in)
	for i in {1..20}; do
		peer_run echo 20000 "$i"
		assert_fields "$LINE" bad=- end=FIN
	done
	assert_eq "redirects" 0 $(($(redirects_in) - before))
}

transfer_cases() {
	run_case transfer_draws_no_redirects 30 transfer_no_redirects
	local size
	for size in 0 1 1460 65536 10485760; do
		run_case "transfer_download_${size}_is_intact" 60 \
			transfer_download http "$size"
		run_case "transfer_upload_${size}_is_intact" 60 \
			transfer_upload http "$size"
	done
	run_case transfer_download_1GiB_is_intact 120 \
		transfer_heavy transfer_download http 1073741824
	run_case transfer_upload_1GiB_is_intact 120 \
		transfer_heavy transfer_upload http 1073741824
	run_case transfer_thousand_at_once_all_succeed 90 \
		transfer_many 1000 1024
}
