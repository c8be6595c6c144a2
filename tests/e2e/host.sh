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
	unset EXPECT_DEATH
	shield_conf "handshake = auto"
}
