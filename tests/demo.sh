#!/bin/bash
# SPDX-License-Identifier: MIT
#
# demo.sh - penstock at work between a client and a server, in three network
# namespaces; nothing of the machine's own network is touched.  The
# addresses are those of conf/penstock.conf.
#
#   1. transfers through conf/penstock.conf as it stands
#   2. a SYN flood, with the service as a shield
#   3. a faulty link: one in twenty of the client's packets is lost
#   4. faults put into connections at run time
set -u
cd "$(dirname "$0")/.." || exit 1
# shellcheck source=tests/e2e/lib.sh
. tests/e2e/lib.sh

FAILED=0
FLOOD_SECONDS=4

say() { printf '\n== %s\n' "$*"; }
row() { printf '   %-34s %s\n' "$1" "$2"; }

# verdict NAME WANT GOT
verdict() {
	if [ "$2" = "$3" ]; then
		row "$1" "intact"
	else
		row "$1" "WRONG: want $2, got $3"
		FAILED=$((FAILED + 1))
	fi
}

# The configuration as it stands, but for where a demonstration may write;
# further arguments are keys for its service.
demo_conf() {
	sed "s|^\[penstock\]|&\ncontrol = $TMP/control.sock\nsecret_file = $TMP/secret\nhttp_token_file = $TMP/http_token\nshutdown_grace = 1s|" \
		conf/penstock.conf >"$TMP/penstock.conf"
	[ $# = 0 ] || printf '%s\n' "$@" >>"$TMP/penstock.conf"
}

demo_start() {
	start_penstockd "$TMP/penstock.conf" || exit 1
	row "penstockd" "process $PENSTOCK_PID, $(demo_rss) KiB resident"
}

demo_rss() { awk '/^VmRSS/{ print $2 }' "/proc/$PENSTOCK_PID/status"; }

demo_topology() {
	say "client, gateway and server: three namespaces"
	sed -n '/client namespace  /,/^$/s/^#/  /p' tests/e2e/lib.sh |
		sed '/^ *$/,$d'
	topo_make "demo$$"
	start_nginx
}

# The last request, as the server logged it.
demo_server_view() {
	poll 5 grep -q "^$1 " "$TMP/nginx.log"
	grep "^$1 " "$TMP/nginx.log" | tail -1 | awk '{ print $2 " port " $3 }'
}

# demo_transfer SCHEME BYTES: down and up, with SHA-256 compared.
demo_transfer() {
	local scheme=$1 n=$2 id=demo$RANDOM$RANDOM got speed
	data_sum "$n" >/dev/null
	in_c curl -sS -k -g --max-time 120 -H "X-Case: $id" \
		-w "%{stderr}%{speed_download} %{local_ip} port %{local_port}" \
		"$scheme://$URL/f$n" 2>"$TMP/view" | sha256sum >"$TMP/sum"
	read -r speed view <"$TMP/view"
	verdict "IPv$FAMILY $scheme down, $((n >> 20)) MiB" \
		"$(data_sum "$n")" "$(cut -d' ' -f1 "$TMP/sum")"
	got=$TMP/www/up/$id
	: >"$got"
	in_c curl -sS -k -g --max-time 120 -H "Expect:" -o /dev/null \
		-T "$(data_file "$n")" "$scheme://$URL/up/$id"
	verdict "IPv$FAMILY $scheme up, $((n >> 20)) MiB" \
		"$(data_sum "$n")" "$(sha256sum <"$got" | cut -d' ' -f1)"
	rm -f "$got"
	row "  speed down" "$((${speed%.*} / 125000)) Mb/s"
	row "  the client is" "$view"
	row "  the server sees" "$(demo_server_view "$id")"
}

demo_transfers() {
	local f before
	say "1. transfers, conf/penstock.conf as it stands"
	demo_conf
	demo_start
	before=$(queue_sequence)
	for f in 4 6; do
		family_use "$f"
		demo_transfer http $((64 << 20))
		demo_transfer https $((16 << 20))
	done
	row "packets through penstockd" "$(($(queue_sequence) - before))"
	stop_penstockd
}

# Legitimate short connections, while the flood runs or not.
demo_clients() {
	in_c "$TOOLS/shortconn" -a "$CLIENT" -c 8 -t "$1" -o "$2" -x 1024 \
		"$SERVER" "$PORT_HTTP" /keep/f1024 >"$TMP/clients"
	row "$3" "$(jq -r '"\(.connections) connections, \(.errors) failed, " +
		"p99 \(.p99_us / 1000) ms"' "$TMP/clients")"
}

demo_flood() {
	local rss
	say "2. a SYN flood, with the service as a shield: cookies"
	demo_conf "handshake = client_first" "tcp_syncookies = 2"
	demo_start
	in_g ip route replace 10.0.0.0/8 via 198.51.100.2
	family_use 4
	data_file 1024 >/dev/null
	demo_clients 2 0 "2 s of calm"
	rss=$(demo_rss)
	in_c "$TOOLS/synflood" -i up -d "$SERVER" -p "$PORT_HTTP" \
		-r 50000 -n 10000000 -t "$FLOOD_SECONDS" >"$TMP/flood" &
	demo_clients $((FLOOD_SECONDS - 1)) 20000 \
		"$((FLOOD_SECONDS - 1)) s within the flood"
	wait $!
	row "the flood, spoofed" "$(field sent "$(<"$TMP/flood")") SYNs, \
$(field synacks "$(<"$TMP/flood")") answered"
	row "penstockd has grown by" "$(($(demo_rss) - rss)) KiB"
	row "half-open at the server" "$(in_s ss -Htan state syn-recv | wc -l)"
	stop_penstockd
}

demo_link() {
	say "3. a faulty link: one in twenty of the client's packets is lost"
	demo_conf
	demo_start
	family_use 4
	wire_segments
	loss client 5
	demo_transfer http 1048576
	topo_heal
	stop_penstockd
}

demo_ctl() { "$PENSTOCKCTL" -S "$TMP/control.sock" fault "$@"; }

demo_time() {
	in_c curl -sS -o /dev/null -w '%{time_total} s' "http://$URL/f1024"
}

demo_faults() {
	local said code=0
	say "4. faults, put into connections at run time"
	demo_conf
	demo_start
	data_file 1024 >/dev/null
	row "a page of 1 KiB takes" "$(demo_time)"
	demo_ctl add slow type=latency latency=300 || FAILED=$((FAILED + 1))
	row "  with type=latency latency=300" "$(demo_time)"
	demo_ctl batch <<-END || FAILED=$((FAILED + 1))
		reset
		add lossy type=loss percent=5 side=both
	END
	demo_transfer http 1048576
	row "  segments dropped on purpose" "$(demo_ctl list -j | jq '.[0].injected')"
	demo_ctl batch <<-END || FAILED=$((FAILED + 1))
		reset
		add cut type=end action=reset after=byte:100000
	END
	said=$(in_c curl -sS -o "$TMP/cut" "http://$URL/f1048576" 2>&1) || code=$?
	row "reset after 100000 bytes: curl" "exit $code, ${said#curl: }"
	[ "$code" = 56 ] || FAILED=$((FAILED + 1))
	stop_penstockd
}

lib_init
[ -x "$PENSTOCKD" ] || die "no $PENSTOCKD: make"
"$PENSTOCKD" -t -c conf/penstock.conf || die "conf/penstock.conf is not valid"
demo_topology
demo_transfers
demo_flood
demo_link
demo_faults
if [ "$RULES_BEFORE" = "$(gateway_state)" ]; then
	say "the gateway's rules and settings are as they were before"
else
	say "the gateway's rules and settings are NOT as they were before"
	FAILED=$((FAILED + 1))
fi
[ "$FAILED" = 0 ]
