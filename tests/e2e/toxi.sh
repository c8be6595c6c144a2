# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# toxi.sh - toxiproxy's HTTP API: its Node client, unchanged, drives penstock,
# and programs see what they would see behind toxiproxy.  toxi.js has the
# cases.

TOXI_CLIENT_VERSION=4.0.0
TOXI_HTTP=127.0.0.1:8474 # the example's

# The example, with this test's addresses and paths.
toxi_conf() {
	sed "s,^\[penstock\],&\ncontrol = $TMP/control.sock,
		s,^\[penstock\],&\nsecret_file = $TMP/secret\nshutdown_grace = 1s,
		s,^\[penstock\],&\nhttp_token_file = $TMP/http_token,
		s,203\.0\.113\.10:,$URL:," conf/examples/toxiproxy.conf \
		>"$TMP/toxi.conf"
}

toxi_js() {
	penstock_on || skip "plain forwarding has no API"
	npm_need toxiproxy-node-client
	in_g env "TOXI_URL=http://$TOXI_HTTP" "TOXI_CLIENT=$NS_C" \
		"TOXI_WEB=http://$URL" "TOXI_TMP=$TMP" \
		"NODE_PATH=$NPM/node_modules" \
		node tests/e2e/toxi.js "$1" || fail "toxi.js $1"
}

# toxiproxy's own client, in Go, where there is one: Debian has none.
toxi_cli() {
	local t="in_g toxiproxy-cli -h http://$TOXI_HTTP"
	penstock_on || skip "plain forwarding has no API"
	command -v toxiproxy-cli >/dev/null ||
		skip "toxiproxy-cli is not installed"
	$t list | grep -q "^web.*enabled" || fail "list: $($t list)"
	$t toxic add -n slow -t latency -a latency=400 web || fail "add"
	$t inspect web | grep "^slow" | grep -q "latency=400" ||
		fail "inspect: $($t inspect web)"
	toxi_takes -ge 400
	$t toxic update -n slow -a latency=200 web || fail "update"
	toxi_takes -ge 200
	$t toxic delete -n slow web || fail "delete"
	$t toggle web || fail "toggle"
	in_c curl -s -m 10 -o /dev/null "http://$URL/f1024" && fail "not off"
	$t toggle web || fail "toggle"
	in_c curl -s -m 60 -o /dev/null "http://$URL/f1024" || fail "not on"
}

# toxi_takes OP MS: a download.
toxi_takes() {
	local s
	s=$(in_c curl -s -o /dev/null -w '%{time_total}' "http://$URL/f1024") ||
		fail "curl"
	assert_num "download, ms" "$((10#${s/./} / 1000))" "$1" "$2"
}

toxi_case() {
	run_case "toxi_$1" 60 toxi_js "$2"
	penstock_on && "$PENSTOCKCTL" -S "$TMP/control.sock" fault reset
}

toxi_cases() {
	data_file 1024 >/dev/null
	data_file 20000 >/dev/null
	data_file 200000 >/dev/null
	npm_install toxiproxy-node-client "$TOXI_CLIENT_VERSION"
	stop_penstockd
	toxi_conf
	start_penstockd "$TMP/toxi.conf" || die "no gateway to test"
	TRAFFIC_EARLIER=1 toxi_case proxy_calls_answer_as_toxiproxy proxies
	TRAFFIC_EARLIER=1 toxi_case toxic_calls_answer_as_toxiproxy toxics
	toxi_case latency_of_both_streams_adds latency
	toxi_case bandwidth_slows bandwidth
	toxi_case bandwidth_0_holds_until_removed living
	toxi_case limit_data_joins_living_connection joins
	toxi_case bandwidth_update_reaches_living_connection update
	toxi_case slicer_delays_and_keeps_bytes slicer
	toxi_case limit_data_eof_at_exactly_n limit_data
	toxi_case timeout_eof_without_data timeout
	toxi_case timeout_removed_eof timeout_removed
	toxi_case reset_peer_econnreset reset_peer
	toxi_case slow_close_fin_is_late slow_close
	toxi_case disabled_refuses_and_closes down
	toxi_case toxicity_takes_some toxicity
	toxi_case own_types_and_keys_work penstock
	toxi_case browsers_are_refused browsers
	run_case toxi_cli_controls_it 60 toxi_cli
	stop_penstockd
	start_penstockd "$TMP/penstock.conf" || die "no gateway to test"
}
