# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# toxi.sh - toxiproxy's HTTP API: its Node client, unchanged, drives penstock,
# and programs see what they would see behind toxiproxy.  toxi.js has the
# cases.

TOXI_CLIENT_VERSION=4.0.0
TOXI_HTTP=127.0.0.1:8474 # the example's
TOXI_NPM=

# The example, with this test's addresses and paths.
toxi_conf() {
	sed "s,^\[penstock\],&\ncontrol = $TMP/control.sock,
		s,^\[penstock\],&\nsecret_file = $TMP/secret\nshutdown_grace = 1s,
		s,203\.0\.113\.10:,$URL:," conf/examples/toxiproxy.conf \
		>"$TMP/toxi.conf"
}

toxi_installed() {
	[ -d "$TOXI_NPM/node_modules/toxiproxy-node-client" ]
}

# Only a machine without a network is excused.
toxi_missing() {
	grep -qE 'E(AI_AGAIN|NOTFOUND|CONNREFUSED|NETUNREACH|TIMEDOUT)' \
		"$TMP/npm.log" && skip "npm reaches no registry"
	cat "$TMP/npm.log"
	fail "npm does not install toxiproxy-node-client"
}

# The client, once a build; from npm's registry.
toxi_install() {
	TOXI_NPM=$(readlink -f "$BUILD")/npm
	mkdir -p "$TOXI_NPM"
	# the other address family's run may be at it
	exec 9>"$TOXI_NPM/lock"
	flock 9
	toxi_installed || timeout 120 npm install --prefix "$TOXI_NPM" \
		--no-audit --no-fund --ignore-scripts \
		"toxiproxy-node-client@$TOXI_CLIENT_VERSION" \
		>"$TMP/npm.log" 2>&1 9>&-
	exec 9>&-
}

toxi_js() {
	penstock_on || skip "plain forwarding has no API"
	toxi_installed || toxi_missing
	in_g env "TOXI_URL=http://$TOXI_HTTP" "TOXI_CLIENT=$NS_C" \
		"TOXI_WEB=http://$URL" "TOXI_TMP=$TMP" \
		"NODE_PATH=$TOXI_NPM/node_modules" \
		node tests/e2e/toxi.js "$1" || fail "toxi.js $1"
}

toxi_case() {
	run_case "toxi_$1" 60 toxi_js "$2"
	penstock_on && "$PENSTOCKCTL" -S "$TMP/control.sock" fault reset
}

toxi_cases() {
	data_file 1024 >/dev/null
	data_file 20000 >/dev/null
	data_file 200000 >/dev/null
	toxi_install
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
	stop_penstockd
	start_penstockd "$TMP/penstock.conf" || die "no gateway to test"
}
