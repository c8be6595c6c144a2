# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# host.sh - the daemon and the host that it stands on: addresses of its own,
# sockets that others left, rules that somebody takes away

# Clients address the gateway itself, at port 8080; the server is another host.
host_own_address() {
	local addr=198.51.100.1 url=198.51.100.1 to=$SERVER
	[ "$FAMILY" = 4 ] || addr=2001:db8:c::1 url='[2001:db8:c::1]'
	[ "$FAMILY" = 4 ] || to=[$SERVER]
	data_file 1048576 >/dev/null
	conf_write "$TMP/penstock.conf"
	printf '[service own]\nlisten = %s:8080\nconnect = %s:80\n' "$url" \
		"$to" >>"$TMP/penstock.conf"
	start_penstockd "$TMP/penstock.conf" || fail "no gateway"
	in_c curl -sfg --max-time 10 -o "$TMP/got" \
		"http://$url:8080/f1048576" || fail "no connection to $addr"
	assert_eq "what came" "$(data_sum 1048576)" \
		"$(sha256sum <"$TMP/got" | cut -d' ' -f1)"
}

# host_time_wait PORT: a transparent proxy's socket of the connection from that
# port of the client is left in TIME_WAIT here.
host_time_wait() {
	in_g ip addr add "$SERVER/$((FAMILY == 4 ? 32 : 128))" dev lo
	in_g /usr/bin/python3 - "$SERVER" <<-'END' &
		import socket, sys
		s = socket.socket(socket.AF_INET6 if ":" in sys.argv[1]
		                  else socket.AF_INET)
		s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
		s.bind((sys.argv[1], 80))
		s.listen()
		s.settimeout(10)
		c = s.accept()[0]
		c.shutdown(socket.SHUT_WR)
		while c.recv(65536):
		    pass
		c.close()
	END
	poll 5 host_listens || fail "no proxy"
	in_c curl -sg --max-time 2 --local-port "$1" "http://$URL/" >/dev/null
	wait $!
	in_g ip addr del "$SERVER/$((FAMILY == 4 ? 32 : 128))" dev lo
	in_g ss -Htan state time-wait | grep -q ":$1" || fail "no TIME_WAIT"
}

host_listens() { in_g ss -Htln "sport = :80" | grep -q .; }

host_page() {
	in_c curl -sfg --max-time 3 --local-port "$1" -o /dev/null \
		"http://$URL/f1024"
}

# Early demultiplexing would give our packets to the old socket.
host_others_time_wait() {
	data_file 1024 >/dev/null
	host_time_wait 33333
	host_time_wait 33334
	conf_write "$TMP/penstock.conf" "handshake = client_first"
	start_penstockd "$TMP/penstock.conf" || fail "no gateway"
	host_page 33333 || fail "a socket that another proxy left is in the way"
	in_g sysctl -qw net.ipv4.ip_early_demux=1
	host_page 33334 && fail "the old socket is not in the way: no test"
	return 0
}

# --- rules that are not there ------------------------------------------------

HOST_PORTS="80 443"

# host_conf KEY=VALUE...: only some ports, and the state where it belongs.
host_conf() {
	SERVICE_PORTS=$HOST_PORTS conf_write "$TMP/penstock.conf" "$@"
	mkdir -p "$TMP/run"
	chmod 777 "$TMP/run"
	sed -i "s|^control = .*|control = $TMP/run/sock|
		s|^secret_file = .*|secret_file =|" "$TMP/penstock.conf"
}

host_apply() { in_g "$PENSTOCKCTL" -c "$TMP/penstock.conf" rules apply; }

# host_daemon COMMAND...: rules, and the daemon behind that command.
host_daemon() {
	# shellcheck disable=SC2034 # penstock_gauge reads it
	PENSTOCK_CONF=$TMP/penstock.conf
	host_apply || fail "rules apply"
	: >"$TMP/host.log"
	ip netns exec "$NS_G" "$@" "$PENSTOCKD" -c "$TMP/penstock.conf" \
		>>"$TMP/host.log" 2>&1 </dev/null &
	PENSTOCK_PID=$!
	poll 10 host_says 'info: rules: as ' || {
		cat "$TMP/host.log"
		fail "the daemon did not look"
	}
}

host_says() { grep -qE "$1" "$TMP/host.log"; }

# host_rules WORD: what the daemon thinks of them.
host_rules() {
	"$PENSTOCKCTL" -c "$TMP/penstock.conf" status |
		grep -qE "^rules +$1\$"
}

host_rules_end() {
	kill -TERM "$PENSTOCK_PID"
	wait "$PENSTOCK_PID"
	in_g "$PENSTOCKCTL" rules remove || fail "rules remove"
	PENSTOCK_PID=
}

host_watch_tells() {
	host_conf
	host_daemon "$@"
	host_rules ok || fail "rules are applied, and status says not so"
	assert_eq "metric" 1 "$(counter rules_ok)"
	in_g "$IPT" -t raw -F PENSTOCK
	poll 10 host_rules differ || fail "nobody noticed"
	assert_eq "metric" 0 "$(counter rules_ok)"
	host_says 'warn: rules: .*tables: missing: -A PENSTOCK ' ||
		fail "the log does not say what is missing"
	host_apply
	poll 10 host_rules ok || fail "it is not seen that all is well again"
	host_rules_end
}

# A new listen without `rules apply' is told in every way.
host_reload_tells() {
	local rc
	host_conf
	host_daemon
	HOST_PORTS="80 443 5201" host_conf
	"$PENSTOCKCTL" -c "$TMP/penstock.conf" reload 2>"$TMP/err"
	rc=$?
	cat "$TMP/err"
	assert_eq "exit code of reload" 1 "$rc"
	grep -q "missing: .*--dport 5201" "$TMP/err" || fail "it says not what"
	host_says 'warn: rules: .*--dport 5201' || fail "the log says nothing"
	assert_eq "metric" 0 "$(counter rules_ok)"
	host_apply
	"$PENSTOCKCTL" -c "$TMP/penstock.conf" reload ||
		fail "reload fails with rules applied"
	assert_eq "metric" 1 "$(counter rules_ok)"
	host_rules_end
}

host_restore_restores() {
	host_conf "[penstock] rules = restore"
	host_daemon "$@"
	in_g "$IPT" -t raw -F
	in_g "$IPT" -t raw -X PENSTOCK
	poll 15 host_says 'our chains were put back' || fail "not put back"
	poll 10 host_rules ok || fail "and yet they differ"
	in_g "$PENSTOCKCTL" -c "$TMP/penstock.conf" rules check ||
		fail "the host is not as it should be"
	# What the operator takes away stays away.
	in_g "$PENSTOCKCTL" rules remove || fail "rules remove"
	sleep 3
	in_g "$IPT-save" | grep -q PENSTOCK && fail "put back after remove"
	kill -TERM "$PENSTOCK_PID"
	wait "$PENSTOCK_PID"
	PENSTOCK_PID=
}

host_off_is_silent() {
	host_conf
	host_daemon
	host_conf "[penstock] rules = off"
	in_g "$IPT" -t raw -F PENSTOCK
	"$PENSTOCKCTL" -c "$TMP/penstock.conf" reload || fail "reload"
	host_rules off || fail "status"
	host_rules_end
}

# As systemd starts it: no root, capabilities handed down.  The TUN device may be
# closed to others here; the daemon gives up what opens it.
host_unprivileged() {
	"$1" setpriv --reuid 65534 --regid 65534 --clear-groups \
		--inh-caps -all,+net_admin,+net_raw,+dac_override \
		--ambient-caps +net_admin,+net_raw,+dac_override
}

# Each case has a daemon of its own.
host_case() {
	"$1"
	stop_penstockd
}

host_cases() {
	penstock_on || return 0
	# shellcheck disable=SC2034 # for run_case
	EXPECT_DEATH=1
	stop_penstockd
	run_case host_own_address_is_a_service 30 host_case host_own_address
	run_case host_time_wait_of_others_is_not_in_the_way 40 \
		host_case host_others_time_wait
	run_case host_rules_watch_tells 60 host_watch_tells
	run_case host_rules_reload_tells 60 host_reload_tells
	run_case host_rules_restore_restores 60 host_restore_restores
	run_case host_rules_watch_needs_no_root 60 \
		host_unprivileged host_watch_tells
	run_case host_rules_restore_needs_no_root 60 \
		host_unprivileged host_restore_restores
	run_case host_rules_off_is_silent 60 host_off_is_silent
	unset EXPECT_DEATH
	shield_conf "handshake = auto"
}
