# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# page.sh - the page on the HTTP address: what it takes to open it, what it
# costs, and what a browser (Debian's Chromium) shows of a flood and of faults.
# page.js has the cases in the browser; their pictures are in build/page-shots.

PLAYWRIGHT_VERSION=1.65.1
PAGE_HTTP=127.0.0.1:9464
PAGE_SHOTS=$BUILD/page-shots

# --- without a browser ------------------------------------------------------------

page_token() { cat "$TMP/http_token"; }

# page_get CODE OPTION... PATH: its body in $TMP/page.body, its headers in
# $TMP/page.head.
page_get() {
	local want=$1 got
	shift
	rm -f "$TMP/page.body"
	got=$(in_g curl -s --max-time 20 --path-as-is -o "$TMP/page.body" \
		-D "$TMP/page.head" -w '%{http_code}' "${@:1:$#-1}" \
		"http://$PAGE_HTTP${!#}")
	assert_eq "${*: -1} (${*:1:$#-1})" "$want" "$got"
}

# The same with the token.
page_get_as_operator() {
	page_get "$1" -H "Authorization: Bearer $(page_token)" "${@:2}"
}

page_head_has() {
	grep -qiE "^$1"$'\r?$' "$TMP/page.head" ||
		fail "no header $1: $(<"$TMP/page.head")"
}

page_files() {
	local f tag
	page_get 200 /
	page_head_has "Content-Type: text/html; charset=utf-8"
	for f in $(grep -oE '(src|href)="/[^"]*' "$TMP/page.body" | cut -d'"' -f2) \
		/page/board.js /page/LICENSE; do
		page_get 200 "$f"
		page_head_has "X-Content-Type-Options: nosniff"
		page_head_has "Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; .*frame-ancestors 'none'"
		page_head_has "Cache-Control: no-cache"
		tag=$(grep -i '^ETag:' "$TMP/page.head" | tr -d '\r' | cut -d' ' -f2)
		page_get 304 -H "If-None-Match: $tag" "$f"
		[ ! -e "$TMP/page.body" ] || fail "304 with a body"
	done
	page_get 200 -I /
	page_head_has "Content-Length: $(wc -c <src/page/index.html)"
	page_get 404 /page/../page.css
	page_get 404 /page/
}

page_token_opens() {
	local p token
	token=$(page_token)
	[[ $token =~ ^[0-9a-f]{64}$ ]] || fail "token: $token"
	assert_eq "its mode" 600 "$(stat -c %a "$TMP/http_token")"
	for p in /metrics /healthz; do
		page_get 200 "$p"
	done
	for p in /api/status /api/counters /api/flows /api/snapshot /api/events \
		/api/faults /api/fault-types /proxies /version; do
		page_get 401 "$p"
		page_head_has 'WWW-Authenticate: Bearer .*'
		page_get 401 -H "Authorization: Bearer ${token%?}" "$p"
		page_get 401 -H "Authorization: Bearer ${token}0" "$p"
		page_get 401 -H "Authorization: Basic $token" "$p"
		page_get 401 -H "Authorization: Bearer " "$p"
		page_get 403 -H "Host: evil.example" \
			-H "Authorization: Bearer $token" "$p"
		[ "$p" = /api/events ] || page_get_as_operator 200 "$p"
	done
	page_get 404 /api/nothing
}

page_methods() {
	local m
	for m in POST DELETE PATCH; do
		page_get_as_operator 405 -X $m /api/status
		page_head_has "Allow: GET, HEAD"
		page_get 405 -X $m /
	done
	page_get_as_operator 501 -X PUT /api/status
	page_get_as_operator 501 -X OPTIONS /api/faults
	page_get_as_operator 405 -X DELETE /api/faults
	page_get_as_operator 405 -I /api/events
	page_get_as_operator 200 -I /api/status
	page_get 401 -X POST -d '{"lines":[]}' /api/faults
}

# page_post CODE BODY [OPTION...]
page_post() {
	page_get_as_operator "$1" -H "Content-Type: application/json" "${@:3}" \
		--data-binary "$2" /api/faults
}

page_changes() {
	page_post 200 '{"lines":["add a type=delay time=1ms"]}'
	page_get_as_operator 200 /api/faults
	assert_eq "the fault" a "$(jq -r '.[0].name' "$TMP/page.body")"
	page_post 200 '{"lines":["add b type=delay time=1ms"],"dry_run":true}'
	assert_eq "hits of a rehearsal" 0 "$(jq .count "$TMP/page.body")"
	page_post 400 '{"lines":["add c type=nonsense"]}'
	jq -e '.ok == false and (.error | test("type"))' "$TMP/page.body" \
		>/dev/null || fail "$(<"$TMP/page.body")"
	for body in '' '{' '[]' '3' '{"lines":3}' '{"cmd":"stop","cmd":"stop"}' \
		'{"lines":["add \u0000"]}'; do
		page_post 400 "$body"
	done
	page_post 400 '{"cmd":"stop"}' # what it is stays ours
	page_get_as_operator 415 -H "Content-Type: text/plain" \
		-d '{"lines":[]}' /api/faults
	head -c 70000 /dev/zero | tr '\0' ' ' >"$TMP/page.big"
	page_post 413 "@$TMP/page.big"
	page_post 200 '{"lines":["del a"]}'
	page_get_as_operator 200 /api/faults
	assert_eq "faults left" '[]' "$(jq -c . "$TMP/page.body")"
}

# page_listen NAME [OPTION...]: follow the events into $TMP/NAME; pid in REPLY.
page_listen() {
	start_in "$NS_G" "$TMP/$1.err" curl -sN --max-time 900 -o "$TMP/$1" \
		-D "$TMP/$1.head" -H "Authorization: Bearer $(page_token)" \
		"${@:2}" "http://$PAGE_HTTP/api/events"
}

page_heard() { [ "$(grep -c '^data: ' "$TMP/$1")" -ge "$2" ]; } 2>/dev/null

page_listeners() {
	local i pids=()
	for i in 1 2 3 4 5 6 7 8; do
		page_listen "events.$i"
		pids+=("$REPLY")
	done
	for i in 1 2 3 4 5 6 7 8; do
		poll 20 page_heard "events.$i" 2 || fail "listener $i hears nothing"
	done
	grep -qi '^Content-Type: text/event-stream' "$TMP/events.1.head" ||
		fail "$(<"$TMP/events.1.head")"
	sed -n 's/^data: //p' "$TMP/events.1" | head -1 |
		jq -e '.status.state == "running" and (.workers_cpu_us | length) > 0' \
			>/dev/null || fail "event: $(head -c 300 "$TMP/events.1")"
	page_get_as_operator 503 /api/events
	# who crowds the other connections does not crowd these out
	for i in $(seq 70); do
		page_get 200 /healthz
	done
	pid_end "${pids[0]}"
	poll 20 page_one_more || fail "no place after one has gone"
	for i in "${pids[@]:1}"; do
		kill -0 "$i" || fail "a listener was disconnected"
		pid_end "$i"
	done
}

page_one_more() {
	page_listen events.9
	poll 5 page_heard events.9 1 && pid_end "$REPLY" && return 0
	pid_end "$REPLY"
	return 1
}

# A listener that never reads, while the other cases run.
page_slow_begin() {
	start_in "$NS_G" "$TMP/slow.err" python3 tests/e2e/page_slow.py \
		"$PAGE_HTTP" "$TMP/http_token"
}

# It costs one event, and not for long.
page_slow() {
	poll 60 grep -q ended "$TMP/slow.err" ||
		fail "the slow one stays: $(<"$TMP/slow.err")"
	grep -q listening "$TMP/slow.err" || fail "it never listened"
	page_get 200 /healthz
}

page_nonsense() {
	local text
	page_listen events.n
	poll 20 page_heard events.n 1 || fail "no event"
	for text in 'GET /api/events' 'GET /api/events HTTP/1.1\r\n\r\n' \
		'GET /api/events HTTP/1.1\r\nAuthorization: Bearer\r\n\r\n' \
		'GET /api/snapshot HTTP/1.1\r\nAuthorization: \xff\x00\r\n\r\n' \
		'POST /api/faults HTTP/1.1\r\nContent-Length: 9\r\n\r\n{' \
		'GET http://evil.example/api/events HTTP/1.1\r\n\r\n' \
		'HEAD / HTTP/1.0\r\n\r\nHEAD / HTTP/1.0\r\n\r\n'; do
		# shellcheck disable=SC2059 # it is a format
		printf "$text" | timeout 5 ip netns exec "$NS_G" socat -t1 - \
			"TCP:$PAGE_HTTP" >/dev/null 2>&1
	done
	# a listener that sends, and one that goes in the middle
	page_get 200 /healthz
	pid_end "$REPLY"
	penstock_alive || fail "penstockd has died"
	page_get_as_operator 200 /api/snapshot
	! grep -a libevent "$TMP/penstockd.log" || fail "libevent complains"
}

# --- with a browser ---------------------------------------------------------------

page_js() {
	skip_in_smoke
	npm_need playwright-core
	mkdir -p "$PAGE_SHOTS"
	in_g env "TMPDIR=$TMP" "PAGE_URL=http://$PAGE_HTTP" "PAGE_TOKEN=$(page_token)" \
		"PAGE_CLIENT=$NS_C" "PAGE_WEB=http://$URL" "PAGE_SERVER=$SERVER" \
		"PAGE_CTL=$PENSTOCKCTL" "PAGE_SOCKET=$TMP/control.sock" \
		"PAGE_SYNFLOOD=$TOOLS/synflood" "PAGE_TMP=$TMP" \
		"PAGE_SHOTS=$(readlink -f "$PAGE_SHOTS")" "PAGE_FAMILY=$FAMILY" \
		"NODE_PATH=$NPM/node_modules" \
		node tests/e2e/page.js "$1" || fail "page.js $1"
}

page_gone_and_back() {
	skip_in_smoke
	page_js lost &
	local pid=$!
	poll 30 test -e "$TMP/page.open" || fail "the page is not open"
	kill -STOP "$PENSTOCK_PID"
	kill -KILL "$PENSTOCK_PID"
	wait "$PENSTOCK_PID" 2>/dev/null
	poll 60 test -e "$TMP/page.lost" || fail "the page says nothing"
	start_penstockd "$TMP/page.conf" || fail "no second daemon"
	wait "$pid" || fail "page.js lost"
}

page_case() {
	run_case "page_$1" "$2" "${@:3}"
	[ -n "${EXPECT_DEATH:-}" ] ||
		"$PENSTOCKCTL" -S "$TMP/control.sock" fault reset
}

page_cases() {
	penstock_on || {
		run_case page_wants_penstock 5 skip "plain forwarding has no page"
		return 0
	}
	npm_install playwright-core "$PLAYWRIGHT_VERSION"
	data_file 1024 >/dev/null
	data_file 20000000 >/dev/null
	stop_penstockd
	[ "$FAMILY" = 4 ] || PAGE_HTTP="[::1]:9464"
	conf_write "$TMP/page.conf" "handshake = client_first" \
		"tcp_syncookies = 2" "[penstock] workers = 2"
	sed -i "s/^http =$/http = $PAGE_HTTP/" "$TMP/page.conf"
	start_penstockd "$TMP/page.conf" || die "no gateway to test"
	# shellcheck disable=SC2034 # case_traffic_check reads it
	TRAFFIC_EARLIER=1
	page_case files_are_served_with_their_policy 20 page_files
	page_case token_opens_all_but_metrics_and_health 30 page_token_opens
	page_case methods_are_judged 20 page_methods
	page_case faults_by_token_only 30 page_changes
	page_case listeners_are_limited_and_kept 60 page_listeners
	page_slow_begin
	page_case nonsense_is_survived 60 page_nonsense
	[ "$FAMILY" = 6 ] ||
		page_case wrong_token_is_refused_and_said 60 page_js wrong
	unset TRAFFIC_EARLIER
	page_case shows_the_flood 120 page_js flood
	TRAFFIC_EARLIER=1 page_case slow_listener_is_dropped 120 page_slow
	[ "$FAMILY" = 6 ] || page_cases_of_one_family
	stop_penstockd
	start_penstockd "$TMP/penstock.conf" || die "no gateway to test"
}

# How the daemon is asked makes no difference to these.
page_cases_of_one_family() {
	page_case fault_added_in_force_removed 60 page_js fault
	page_case by_keyboard_alone 60 page_js keyboard
	EXPECT_DEATH=1 page_case lost_says_so_and_comes_back 90 page_gone_and_back
}
