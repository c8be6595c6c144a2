# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# haproxy.sh - HAProxy as a transparent proxy (TPROXY both ways, splice): the
# same job as ours, by the kernel's own TCP.  Sourced after lib.sh.

HAPROXY_PORT=5000 # where TPROXY delivers

haproxy_conf() {
	cat <<-END
	global
	    nbthread 1
	    maxconn 4000
	defaults
	    mode tcp
	    timeout connect 5s
	    timeout client 60s
	    timeout server 60s
	    option splice-auto
	listen transparent
	    bind 0.0.0.0:$HAPROXY_PORT transparent
	    bind [::]:$HAPROXY_PORT transparent v6only
	    source 0.0.0.0 usesrc client
	    server origin *
	END
}

# haproxy_rules PORT...: to the proxy what clients send there; and what the
# servers answer, since its sockets bear the clients' addresses.
haproxy_rules() {
	local t p
	for t in iptables ip6tables; do
		in_g $t -t mangle -N DIVERT
		in_g $t -t mangle -A DIVERT -j MARK --set-mark 1
		in_g $t -t mangle -A DIVERT -j ACCEPT
		in_g $t -t mangle -A PREROUTING -p tcp -m socket \
			--transparent -j DIVERT
		for p in "$@"; do
			in_g $t -t mangle -A PREROUTING -i cl -p tcp \
				--dport "$p" -j TPROXY --tproxy-mark 1 \
				--on-port $HAPROXY_PORT
		done
	done
	in_g ip rule add fwmark 1 lookup 100
	in_g ip -6 rule add fwmark 1 lookup 100
	in_g ip route add local default dev lo table 100
	in_g ip -6 route add local default dev lo table 100
}

haproxy_listens() {
	in_g ss -Htln "sport = :$HAPROXY_PORT" | grep -q .
}

# start_haproxy PORT...: in the gateway; pid in REPLY.
start_haproxy() {
	haproxy_conf >"$TMP/haproxy.cfg"
	haproxy_rules "$@"
	start_in "$NS_G" "$TMP/haproxy.log" haproxy -db -f "$TMP/haproxy.cfg"
	poll 5 haproxy_listens || {
		cat "$TMP/haproxy.log" >&2
		die "haproxy does not listen"
	}
}
