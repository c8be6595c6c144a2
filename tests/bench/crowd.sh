# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# crowd.sh - where tests/bench/crowd.c meets a gateway; sourced.  $NS is the name
# of the namespace to make, $TMP a directory.

# crowd_place FLOWS: a namespace with the crowd's TUN, and a configuration.
crowd_place() {
	ip netns add "$NS" && ip -n "$NS" link set lo up &&
		ip -n "$NS" tuntap add dev crowd0 mode tun &&
		ip -n "$NS" link set crowd0 up txqueuelen 10000 &&
		ip -n "$NS" addr add 10.255.255.1/32 dev crowd0 &&
		ip -n "$NS" route add 10.0.0.0/8 dev crowd0 &&
		ip -n "$NS" route add 192.0.2.0/24 dev crowd0 || exit 1
	cat >"$TMP/conf" <<-END
	[penstock]
	control = $TMP/control.sock
	secret_file = $TMP/secret
	http =
	max_flows = $(($1 + $1 / 4 + 1000))
	max_memory = 1G
	[service crowd]
	listen = 192.0.2.1:80
	handshake = client_first
	tcp_syncookies = 0
	tcp_max_syn_backlog = 65536
	END
}
