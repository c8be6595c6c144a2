#!/bin/bash
# SPDX-License-Identifier: MIT
#
# rules.sh - `penstockctl rules` in network namespaces
#
#   client namespace        gateway namespace        server namespace
#  +-----------------+   +--------------------+   +------------------+
#  | eth 198.51.100.2|---| cl 198.51.100.1    |   |                  |
#  |    2001:db8:c::2|   |    2001:db8:c::1   |   |                  |
#  |                 |   | sv 203.0.113.1     |---| eth 203.0.113.10 |
#  |                 |   |    2001:db8::1     |   |    2001:db8::10  |
#  +-----------------+   +--------------------+   +------------------+
#
# What the host says of itself (rules, sysctls, links) is compared before and
# after: `remove` must lead back to the letter.  No daemon runs here: what
# goes to the queue is dropped, and the rules' counters show that it did.
set -u
: "${BUILD:=build}"
CTL=${PENSTOCKCTL:-$BUILD/penstockctl}
CTL=$(realpath "$CTL") || exit 2
export LC_ALL=C
NS=rules$$
TMP=$(mktemp -d /tmp/penstock-rules.XXXXXX)
STATE=$TMP/state
PASSED=0 FAILED=0
PIDS=()

cleanup() {
	local n p
	trap - EXIT
	for p in "${PIDS[@]}"; do
		kill "$p" 2>/dev/null
	done
	for n in c g s; do
		ip netns del "$NS-$n" 2>/dev/null
	done
	rm -rf "$TMP"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

[ "$(id -u)" = 0 ] || {
	echo "rules: needs root (network namespaces)" >&2
	exit 2
}

in_c() { ip netns exec "$NS-c" "$@"; }
in_g() { ip netns exec "$NS-g" "$@"; }
in_s() { ip netns exec "$NS-s" "$@"; }
ctl() { in_g "$CTL" -s "$STATE" "$@"; }

fail() {
	echo "  $*"
	CASE_OK=0
}

# run_case FUNCTION: in a fresh gateway.
run_case() {
	CASE_OK=1 LEFT=
	topo_make
	"$1" >"$TMP/case.log" 2>&1
	topo_end
	[ -z "$LEFT" ] || fail "left behind:$LEFT" >>"$TMP/case.log"
	if [ "$CASE_OK" = 1 ]; then
		PASSED=$((PASSED + 1))
		echo "ok $((PASSED + FAILED)) - $1"
	else
		FAILED=$((FAILED + 1))
		echo "not ok $((PASSED + FAILED)) - $1"
		sed 's/^/  | /' "$TMP/case.log"
	fi
}

topo_make() {
	local n
	rm -f "$STATE" "$STATE.removing"
	for n in c g s; do
		ip netns add "$NS-$n"
		ip -n "$NS-$n" link set lo up
		ip netns exec "$NS-$n" sysctl -qw net.ipv6.conf.all.accept_dad=0 \
			net.ipv6.conf.default.accept_dad=0
	done
	ip -n "$NS-g" link add cl address 02:00:00:00:00:01 type veth \
		peer name eth netns "$NS-c"
	ip -n "$NS-g" link add sv address 02:00:00:00:00:02 type veth \
		peer name eth netns "$NS-s"
	# Nothing shall come up by itself between two snapshots.
	in_c ip link set dev eth addrgenmode none up
	in_s ip link set dev eth addrgenmode none up
	in_g ip link set dev cl addrgenmode none up
	in_g ip link set dev sv addrgenmode none up
	in_c ip addr add 198.51.100.2/24 dev eth
	in_c ip addr add 2001:db8:c::2/64 dev eth nodad
	in_g ip addr add 198.51.100.1/24 dev cl
	in_g ip addr add 2001:db8:c::1/64 dev cl nodad
	in_g ip addr add 203.0.113.1/24 dev sv
	in_g ip addr add 2001:db8::1/64 dev sv nodad
	in_s ip addr add 203.0.113.10/24 dev eth
	in_s ip addr add 2001:db8::10/64 dev eth nodad
	in_c ip route add default via 198.51.100.1
	in_c ip -6 route add default via 2001:db8:c::1
	in_s ip route add default via 203.0.113.1
	in_s ip -6 route add default via 2001:db8::1
	for n in cl sv; do
		poll "$n carries" in_g grep -q up "/sys/class/net/$n/operstate"
	done
	for n in 198.51.100.2 2001:db8:c::2 203.0.113.10 2001:db8::10; do
		poll "ping $n" in_g ping -c1 -W1 "$n"
	done
	poll "ping" in_c ping -c1 -W1 2001:db8:c::1
	poll "ping" in_s ping -c1 -W1 2001:db8::1
}

# poll NAME COMMAND...: until it succeeds, at most 5 s.
poll() {
	local i what=$1
	shift
	for ((i = 0; i < 50; i++)); do
		"$@" >/dev/null 2>&1 && return
		sleep 0.1
	done
	fail "$what: never"
}

topo_end() {
	local n p
	for p in "${PIDS[@]}"; do
		kill "$p" 2>/dev/null
		wait "$p" 2>/dev/null
	done
	PIDS=()
	for n in c g s; do
		p=$(ip netns pids "$NS-$n")
		# shellcheck disable=SC2086 # a list
		[ -z "$p" ] || { LEFT+=" $p" && kill $p; }
		ip netns del "$NS-$n"
	done
}

# snapshot FILE: all that `apply` may touch.
snapshot() {
	{
		in_g iptables-save | sed '/^#/d; s/ \[[0-9:]*\]$//'
		in_g ip6tables-save | sed '/^#/d; s/ \[[0-9:]*\]$//'
		# A device that was up once keeps its default qdisc.
		in_g ip -o -4 addr show
		in_g ip -o link show | sed 's/ qdisc [a-z]*//; s/ qlen.*//'
		in_g ip route show table all | sort
		in_g ip -6 route show table all | sed 's/ expires.*//' | sort
		in_g sysctl -a -r '^net\.ipv[46]\.(conf|ip_forward|ip_early_demux)' 2>/dev/null |
			sort
	} >"$1"
}

assert_same() {
	diff "$1" "$2" || fail "$3"
}

assert_rc() {
	local want=$1 rc
	shift
	"$@"
	rc=$?
	[ "$rc" = "$want" ] || fail "$* exits $rc, wanted $want"
}

assert_check() {
	local rc
	ctl -c "$CONF" rules check >"$TMP/check"
	rc=$?
	cat "$TMP/check"
	[ "$rc" = "$1" ] || fail "check exits $rc, wanted $1"
}

# assert_reported PATTERN: check finds exactly this one difference.
assert_reported() {
	assert_check 1
	[ "$(grep -vc '^note: ' "$TMP/check")" = 1 ] || fail "wanted one difference"
	grep -qE "$1" "$TMP/check" || fail "wanted $1"
}

CONF=$TMP/both.conf
cat >"$TMP/both.conf" <<'END'
[service web]
listen = 203.0.113.10:443
listen = [2001:db8::10]:443
END
cat >"$TMP/v4.conf" <<'END'
[service web]
listen = 203.0.113.10:443
END
cat >"$TMP/v6.conf" <<'END'
[service web]
listen = [2001:db8::10]:443
END
cat >"$TMP/own.conf" <<'END'
[service web]
listen = 203.0.113.10:443
source = gateway
ip_local_port_range = 50000 50999
[service web6]
listen = [2001:db8::10]:443
source = gateway
ip_local_port_range = 50000 50999
[service b]
listen = 203.0.113.11:443
source = 203.0.113.1
[service c]
listen = [2001:db8::11]:443
source = 2001:db8::1
END
cat >"$TMP/wide.conf" <<'END'
[penstock]
workers = 4
queue = 100
tun = shield-7
mark = 0x10/0xf0
[service all]
listen = 203.0.113.0/24:*
listen = 10.0.0.0/8:25
listen = [2001:db8:a::/48]:143
[service any]
listen = [::/0]:22
[service host]
listen = [2001:db8:b::1]:443
listen = 192.0.2.7:*
[service vip]
listen = 192.0.2.1:80
listen = 192.0.2.1:81
connect = 192.0.2.99:8080
END

# --- cases ------------------------------------------------------------------

print_changes_nothing() {
	snapshot "$TMP/a"
	assert_rc 0 ctl -c "$CONF" rules print
	snapshot "$TMP/b"
	assert_same "$TMP/a" "$TMP/b" "print changed something"
	[ ! -e "$STATE" ] || fail "print left a state file"
}

printed_script_does_what_apply_does() {
	ctl -c "$CONF" rules print >"$TMP/script"
	if command -v shellcheck >/dev/null; then
		assert_rc 0 shellcheck "$TMP/script"
	fi
	assert_check 1
	assert_rc 0 in_g sh "$TMP/script"
	assert_check 0
	snapshot "$TMP/a"
	assert_rc 0 in_g sh "$TMP/script"
	snapshot "$TMP/b"
	assert_same "$TMP/a" "$TMP/b" "a second run changed something"
	topo_end
	topo_make
	assert_rc 0 ctl -c "$CONF" rules apply
	snapshot "$TMP/b"
	assert_same "$TMP/a" "$TMP/b" "script and apply differ"
}

apply_twice_is_apply_once() {
	assert_rc 0 ctl -c "$CONF" rules apply
	snapshot "$TMP/a"
	cp "$STATE" "$TMP/state.1"
	assert_rc 0 ctl -c "$CONF" rules apply
	snapshot "$TMP/b"
	assert_same "$TMP/a" "$TMP/b" "the second apply changed something"
	assert_same "$TMP/state.1" "$STATE" "the second apply forgot the host"
	assert_check 0
}

# round_trip CONF...: apply each, then remove once.
round_trip() {
	snapshot "$TMP/before"
	for CONF in "$@"; do
		assert_rc 0 ctl -c "$CONF" rules apply
		assert_check 0
	done
	CONF=$TMP/both.conf
	assert_rc 0 ctl rules remove
	snapshot "$TMP/after"
	assert_same "$TMP/before" "$TMP/after" "remove did not lead back"
	if [ -e "$STATE" ] || [ -e "$STATE.removing" ]; then
		fail "remove left its state file"
	fi
}

remove_restores_bare_host() {
	round_trip "$TMP/both.conf"
}

remove_restores_after_v4_only() {
	CONF=$TMP/v4.conf
	ctl -c "$CONF" rules apply
	in_g ip6tables-save | grep -q . && fail "IPv6 was touched"
	[ "$(in_g sysctl -n net.ipv6.conf.all.forwarding)" = 0 ] ||
		fail "IPv6 forwarding was touched"
	assert_rc 0 ctl rules remove
	round_trip "$TMP/v4.conf"
}

remove_restores_after_v6_only() {
	CONF=$TMP/v6.conf
	ctl -c "$CONF" rules apply
	in_g iptables-save | grep -q . && fail "IPv4 was touched"
	[ "$(in_g sysctl -n net.ipv4.ip_forward)" = 0 ] ||
		fail "IPv4 forwarding was touched"
	assert_rc 0 ctl rules remove
	round_trip "$TMP/v6.conf"
}

remove_restores_after_prefixes_ports_workers() {
	round_trip "$TMP/wide.conf"
}

remove_restores_after_changes_of_configuration() {
	round_trip "$TMP/v4.conf" "$TMP/wide.conf" "$TMP/v6.conf" \
		"$TMP/both.conf" "$TMP/v4.conf"
}

# A host with rules, strict filters and a device of its own.
remove_restores_lived_in_host() {
	in_g iptables -t raw -N MINE
	in_g iptables -t raw -A MINE -s 192.0.2.66 -j DROP
	in_g iptables -t raw -A PREROUTING -j MINE
	in_g iptables -t raw -A OUTPUT -d 192.0.2.66 -j DROP
	in_g iptables -t nat -A POSTROUTING -o sv -j MASQUERADE
	in_g ip6tables -A INPUT -s 2001:db8:bad::/48 -j DROP
	in_g sysctl -qw net.ipv4.conf.all.accept_redirects=0 \
		net.ipv4.conf.cl.accept_redirects=0 \
		net.ipv4.conf.all.rp_filter=1 net.ipv4.conf.cl.rp_filter=1 \
		net.ipv4.conf.sv.rp_filter=0 \
		net.ipv4.conf.cl.send_redirects=0 \
		net.ipv4.conf.sv.forwarding=1 \
		net.ipv6.conf.cl.forwarding=1
	in_g ip tuntap add dev penstock0 mode tun multi_queue vnet_hdr
	in_g ip link set penstock0 addrgenmode none
	round_trip "$TMP/both.conf"
}

remove_restores_forwarding_gateway() {
	in_g sysctl -qw net.ipv4.ip_forward=1 \
		net.ipv6.conf.all.forwarding=1 \
		net.ipv4.conf.cl.forwarding=0 \
		net.ipv4.conf.all.send_redirects=0
	round_trip "$TMP/both.conf"
}

remove_without_state_takes_chains_only() {
	ctl -c "$CONF" rules apply
	rm "$STATE"
	assert_rc 0 ctl rules remove
	in_g iptables-save | grep PENSTOCK && fail "chains are left"
	in_g ip6tables-save | grep PENSTOCK && fail "chains are left"
	assert_rc 0 ctl rules remove
}

failed_apply_is_undone() {
	mkdir -p "$TMP/bin"
	printf '#!/bin/sh\necho no luck >&2\nexit 4\n' >"$TMP/bin/ip6tables-restore"
	chmod +x "$TMP/bin/ip6tables-restore"
	snapshot "$TMP/before"
	PATH=$TMP/bin:$PATH assert_rc 2 ctl -c "$CONF" rules apply
	snapshot "$TMP/after"
	assert_same "$TMP/before" "$TMP/after" "a half remained"
	assert_rc 0 ctl -c "$CONF" rules apply
	assert_check 0
}

# A kernel without xt_socket: the other rules stand, and it is told.
apply_without_reassembly_warns_and_stands() {
	local real
	real=$(command -v iptables-restore)
	mkdir -p "$TMP/no-socket"
	cat >"$TMP/no-socket/iptables-restore" <<-END
		#!/bin/sh
		text=\$(cat)
		case \$text in *"-m socket"*) exit 2 ;; esac
		echo "\$text" | exec $real "\$@"
	END
	chmod +x "$TMP/no-socket/iptables-restore"
	PATH=$TMP/no-socket:$PATH assert_rc 0 ctl -c "$CONF" rules apply \
		2>"$TMP/err"
	cat "$TMP/err"
	grep -q 'IPv4: .* fragments = drop' "$TMP/err" || fail "it is not told"
	in_g iptables-save | grep -q -- "-A PENSTOCK_Q -j NFQUEUE" ||
		fail "the other rules are missing"
	assert_reported '^iptables: missing: -A PENSTOCK_DEFRAG '
	assert_rc 0 ctl rules remove
}

# A setting that cannot be written is not forgotten.
failed_remove_keeps_what_was_there() {
	snapshot "$TMP/before"
	assert_rc 0 ctl -c "$CONF" rules apply
	# shellcheck disable=SC2016 # for the inner shell
	in_g sh -c 'f=/proc/sys/net/ipv4/ip_early_demux
		mount --bind $f $f && mount -o remount,bind,ro $f &&
		exec "$0" "$@"' "$CTL" -s "$STATE" rules remove 2>"$TMP/err"
	[ $? = 2 ] || fail "a failed remove does not exit with 2"
	cat "$TMP/err"
	grep -q "^/proc/sys/net/ipv4/ip_early_demux: not put back to 1: " \
		"$TMP/err" || fail "it is not told what failed"
	grep -q "another .rules remove" "$TMP/err" || fail "no advice"
	assert_rc 0 ctl rules remove
	snapshot "$TMP/after"
	assert_same "$TMP/before" "$TMP/after" "the second remove does not"
	[ ! -e "$STATE.removing" ] || fail "the state file is left"
}

check_notes_what_is_in_the_way() {
	assert_rc 0 ctl -c "$CONF" rules apply
	in_g iptables -P FORWARD DROP
	assert_check 0
	grep -q '^note: iptables: the policy of FORWARD is DROP' "$TMP/check" ||
		fail "FORWARD is not noted"
	grep -q '^note: ip6tables' "$TMP/check" && fail "IPv6 has no such policy"
	grep -q '^note: queue 0 and 6 more: no daemon' "$TMP/check" || fail "no daemon"
}

# A server on this very host answers past the daemon.
server_on_this_host_is_refused() {
	local l other
	for l in 198.51.100.1:80 '[2001:db8:c::1]:80'; do
		other=192.0.2.1:80
		[[ $l == *]* ]] && other='[2001:db8:9::1]:80'
		printf '[service x]\nlisten = %s\n' "$l" >"$TMP/bad.conf"
		assert_rc 2 ctl -c "$TMP/bad.conf" rules apply 2>"$TMP/err"
		grep -q 'listen: found .* named by connect$' "$TMP/err" ||
			fail "$(cat "$TMP/err")"
		assert_rc 2 ctl -t -c "$TMP/bad.conf"
		printf '[service x]\nlisten = %s\nconnect = %s\n' "$other" \
			"$l" >"$TMP/bad.conf"
		assert_rc 2 ctl -t -c "$TMP/bad.conf" 2>"$TMP/err"
		grep -q 'connect: found .* another host$' "$TMP/err" ||
			fail "$(cat "$TMP/err")"
	done
}

listen_of_this_host_is_restored() {
	printf '[service x]\nlisten = 198.51.100.1:80\nconnect = %s\n' \
		203.0.113.10:80 >"$TMP/here.conf"
	CONF=$TMP/here.conf
	ctl -c "$CONF" rules apply
	[ "$(in_g sysctl -n net.ipv4.conf.all.accept_local)" = 1 ] ||
		fail "accept_local is not set"
	[ "$(in_g sysctl -n net.ipv4.ip_early_demux)" = 0 ] ||
		fail "ip_early_demux is not 0"
	ctl rules remove
	round_trip "$TMP/here.conf"
}

bad_configuration_changes_nothing() {
	printf '[service x]\nlisten = 1\n' >"$TMP/bad.conf"
	snapshot "$TMP/before"
	assert_rc 2 ctl -c "$TMP/bad.conf" rules apply
	assert_rc 2 ctl -c "$TMP/bad.conf" rules print
	snapshot "$TMP/after"
	assert_same "$TMP/before" "$TMP/after" "something changed"
}

check_names_each_difference() {
	ctl -c "$CONF" rules apply
	assert_check 0
	in_g iptables -t raw -D PENSTOCK -p icmp -m icmp --icmp-type 11 \
		-j NFQUEUE --queue-num 0 --queue-bypass
	assert_reported '^iptables: missing: .*--icmp-type 11 '
	ctl -c "$CONF" rules apply
	in_g ip6tables -t raw -A PENSTOCK -p udp -j DROP
	assert_reported '^ip6tables: unexpected: -A PENSTOCK -p udp -j DROP$'
	ctl -c "$CONF" rules apply
	in_g iptables -t raw -D PENSTOCK 1
	in_g iptables -t raw -A PENSTOCK -i penstock0 -j CT --notrack
	assert_reported '^iptables: order of PENSTOCK differs$'
	ctl -c "$CONF" rules apply
	in_g iptables -t raw -D PREROUTING -j PENSTOCK
	assert_reported '^iptables: wanted once: -A PREROUTING -j PENSTOCK$'
	ctl -c "$CONF" rules apply
	in_g sysctl -qw net.ipv4.conf.cl.rp_filter=1
	assert_reported 'conf/cl/rp_filter: found 1; wanted 2$'
	ctl -c "$CONF" rules apply
	in_g ip addr flush dev penstock0
	assert_reported '^tun penstock0: found no IPv4 address; '
	ctl -c "$CONF" rules apply
	in_g ip link set penstock0 down
	assert_reported '^tun penstock0: found down; wanted up$'
	ctl -c "$CONF" rules apply
	assert_check 0
}

# packets COMMAND PATTERN: the counter of the first rule that matches.
packets() {
	in_g "$1-save" -t raw -c | grep -F -- "$2" | head -1 |
		sed 's/^\[\([0-9]*\):.*/\1/'
}

# assert_counted COMMAND PATTERN: the rule has met packets.
assert_counted() {
	local n
	n=$(packets "$1" "$2")
	[ "${n:-0}" -gt 0 ] || fail "$1: no packet met $2"
}

assert_not_counted() {
	local n
	n=$(packets "$1" "$2")
	[ "${n:-x}" = 0 ] || fail "$1: ${n:-no} packets met $2"
}

# tcp_try NS ADDRESS PORT: does a connection come about within a second?
tcp_try() {
	# shellcheck disable=SC2016 # for the inner shell
	ip netns exec "$NS-$1" timeout 1 bash -c \
		'exec 3<>"/dev/tcp/$0/$1"' "$2" "$3" 2>/dev/null
}

# start_in NS COMMAND...: in the background.  Not by in_c or in_s: of a function
# $! is the shell, which would leave the program behind.
start_in() {
	ip netns exec "$NS-$1" "${@:2}" &
	PIDS+=($!)
}

# Listen on a port of the server and wait until it answers there.
listen_start() {
	start_in s socat "TCP6-LISTEN:$1,fork,reuseaddr" SYSTEM:true
	poll "listen on $1" tcp_try s 203.0.113.10 "$1"
}

service_packets_go_to_the_queue_and_others_pass() {
	listen_start 443
	listen_start 80
	ctl -c "$CONF" rules apply
	tcp_try c 203.0.113.10 80 || fail "port 80 is no service, and is cut off"
	tcp_try c 2001:db8::10 80 || fail "port 80 is no service (IPv6)"
	assert_not_counted iptables "-A PENSTOCK_Q -j CT"
	assert_not_counted ip6tables "-A PENSTOCK_Q -j CT"
	tcp_try c 203.0.113.10 443 && fail "went past the queue"
	tcp_try c 2001:db8::10 443 && fail "went past the queue (IPv6)"
	assert_not_counted iptables "-A PENSTOCK_Q -j NFQUEUE"
	assert_not_counted ip6tables "-A PENSTOCK_Q -j NFQUEUE"
	assert_counted iptables "--dport 443"
	assert_counted iptables "-A PENSTOCK_Q -j CT --notrack"
	assert_counted iptables "-A PENSTOCK_SYN -j NFQUEUE"
	assert_counted ip6tables "--dport 443"
	assert_counted ip6tables "-A PENSTOCK_SYN -j NFQUEUE"
}

# From the server's port: port 443 speaks first here.
server_packets_go_to_the_queue() {
	start_in c socat TCP6-LISTEN:5000,fork SYSTEM:true
	poll "listen on 5000" tcp_try c 198.51.100.2 5000
	ctl -c "$CONF" rules apply
	in_s timeout 1 socat -u /dev/null \
		TCP4:198.51.100.2:5000,sourceport=443 && fail "went past"
	in_s timeout 1 socat -u /dev/null \
		'TCP6:[2001:db8:c::2]:5000,sourceport=443' && fail "went past"
	assert_counted iptables "--sport 443"
	assert_counted ip6tables "--sport 443"
}

gateway_own_connections_pass() {
	listen_start 443
	ctl -c "$CONF" rules apply
	tcp_try g 203.0.113.10 443 || fail "the gateway is cut off from 443"
	tcp_try g 2001:db8::10 443 || fail "the same with IPv6"
	assert_not_counted iptables "-A PENSTOCK_Q -j CT"
	assert_not_counted ip6tables "-A PENSTOCK_Q -j CT"
}

# A port nobody listens on, UDP: the server answers "port unreachable".
icmp_errors_pass_when_no_daemon_runs() {
	ctl -c "$CONF" rules apply
	in_c timeout 2 socat - UDP4:203.0.113.10:9 <<<x 2>&1 |
		grep -q refused || fail "no ICMP error came through"
	in_c timeout 2 socat - 'UDP6:[2001:db8::10]:9' <<<x 2>&1 |
		grep -q refused || fail "no ICMPv6 error came through"
	assert_counted iptables "--icmp-type 3"
	assert_counted ip6tables "--icmpv6-type 1"
}

# tun_write [ADDRESS4 ADDRESS6]: a RST (which nobody answers) to and one from
# the service, out of the TUN device; the former from these addresses.
tun_write() {
	in_g /usr/bin/python3 - "$@" <<'END'
import fcntl, os, socket, struct, sys
own = sys.argv[1:] or ["198.51.100.2", "2001:db8:c::2"]
IFF_TUN, IFF_NO_PI, IFF_VNET_HDR, IFF_MULTI_QUEUE = 1, 0x1000, 0x4000, 0x100
tun = os.open("/dev/net/tun", os.O_RDWR)
fcntl.ioctl(tun, 0x400454ca, struct.pack("16sH22x", b"penstock0",
            IFF_TUN | IFF_NO_PI | IFF_VNET_HDR | IFF_MULTI_QUEUE))

def total(b):
    s = sum(struct.unpack(">%dH" % (len(b) // 2), b))
    while s >> 16:
        s = (s & 0xffff) + (s >> 16)
    return s

def rst(family, src, dst, sport, dport):
    a, b = socket.inet_pton(family, src), socket.inet_pton(family, dst)
    tcp = struct.pack(">HHIIHHHH", sport, dport, 1, 0, 0x5004, 1000, 0, 0)
    pseudo = a + b + struct.pack(">II", len(tcp), 6)
    c = 0xffff ^ total(pseudo + tcp)
    tcp = tcp[:16] + struct.pack(">H", c) + tcp[18:]
    if family == socket.AF_INET6:
        return struct.pack(">IHBB", 6 << 28, len(tcp), 6, 64) + a + b + tcp
    ip = struct.pack(">BBHHHBBH", 0x45, 0, 40, 0, 0, 64, 6, 0) + a + b
    ip = ip[:10] + struct.pack(">H", 0xffff ^ total(ip)) + ip[12:]
    return ip + tcp

for f, o, c, s in ((socket.AF_INET, own[0], "198.51.100.2", "203.0.113.10"),
                   (socket.AF_INET6, own[1], "2001:db8:c::2", "2001:db8::10")):
    os.write(tun, bytes(10) + rst(f, o, s, 50123, 443))
    os.write(tun, bytes(10) + rst(f, s, c, 443, 1234))
END
}

# segments NS: how many TCP segments the kernel there has received.
segments() {
	# shellcheck disable=SC2016 # for awk
	ip netns exec "$NS-$1" awk '/^Tcp: [0-9]/ { print $11 }' /proc/net/snmp
}

# assert_segments NS: one TCP segment of each family came, forwarded under its
# foreign source address.
assert_segments() {
	local n
	n=$(segments "$1")
	[ "$n" = 2 ] || fail "$n TCP segments came to $1, wanted 2"
}

# The gateway finds no way, and says so itself.
gateway_own_icmp_errors_are_queued_and_pass() {
	ctl -c "$CONF" rules apply
	in_g ip route add unreachable 192.0.2.9
	in_g ip -6 route add unreachable 2001:db8:9::9
	in_c ping -c1 -W2 192.0.2.9 | grep -qi unreachable ||
		fail "no ICMP error came"
	in_c ping -c1 -W2 2001:db8:9::9 | grep -qi 'unreachable\|no route' ||
		fail "no ICMPv6 error came"
	assert_counted iptables "-A PENSTOCK_OUT -p icmp -m icmp --icmp-type 3"
	assert_counted ip6tables \
		"-A PENSTOCK_OUT -p ipv6-icmp -m icmp6 --icmpv6-type 1"
	assert_not_counted iptables "-A PENSTOCK -p icmp -m icmp --icmp-type 3"
}

packets_from_the_tun_are_not_queued_again() {
	ctl -c "$CONF" rules apply
	assert_rc 0 tun_write
	for t in iptables ip6tables; do
		assert_counted $t "-A PENSTOCK -i penstock0 -j CT --notrack"
		assert_counted $t "-A PENSTOCK -i penstock0 -j RETURN"
		assert_not_counted $t "-A PENSTOCK_Q -j CT"
	done
	assert_segments c
	assert_segments s
}

# A filter may drop what comes from a device without an address, even when it
# is a loose one.
packets_from_the_tun_pass_reverse_path_filters() {
	in_g sysctl -qw net.ipv4.conf.all.rp_filter="$1" \
		net.ipv4.conf.default.rp_filter="$1" \
		net.ipv4.conf.cl.rp_filter="$1" net.ipv4.conf.sv.rp_filter="$1"
	snapshot "$TMP/before"
	assert_rc 0 ctl -c "$CONF" rules apply
	assert_check 0
	assert_rc 0 tun_write
	assert_segments c
	assert_segments s
	assert_rc 0 ctl rules remove
	snapshot "$TMP/after"
	assert_same "$TMP/before" "$TMP/after" "remove did not lead back"
}

packets_from_the_tun_pass_strict_filters() {
	packets_from_the_tun_pass_reverse_path_filters 1
}

packets_from_the_tun_pass_loose_filters() {
	packets_from_the_tun_pass_reverse_path_filters 2
}

# As systemd's defaults have it: "all" is 0, every other is 2.
packets_from_the_tun_pass_filters_of_interfaces() {
	in_g sysctl -qw net.ipv4.conf.default.rp_filter=2 \
		net.ipv4.conf.cl.rp_filter=2 net.ipv4.conf.sv.rp_filter=2
	assert_rc 0 ctl -c "$CONF" rules apply
	assert_rc 0 tun_write
	assert_segments c
	assert_segments s
}

# source = gateway: what goes to the server bears an address of this host, and
# the answers come to it.  Its own connections use other ports.
source_of_ours_goes_out_and_comes_back() {
	listen_start 443
	in_g sysctl -qw net.ipv4.ip_local_port_range="20000 20999" \
		net.ipv4.conf.all.rp_filter=1
	CONF=$TMP/own.conf
	assert_rc 0 ctl -c "$CONF" rules apply
	assert_check 0
	n=$(segments s)
	assert_rc 0 tun_write 203.0.113.1 2001:db8::1
	[ "$(segments s)" = $((n + 2)) ] || fail "they did not come to s"
	assert_not_counted iptables "-A PENSTOCK_Q -j CT"
	tcp_try g 203.0.113.10 443 || fail "the gateway is cut off from 443"
	tcp_try g 2001:db8::10 443 || fail "the same with IPv6"
	in_g sysctl -qw net.ipv4.ip_local_port_range="50000 50999"
	tcp_try g 203.0.113.10 443 && fail "answers go past the queue"
	tcp_try g 2001:db8::10 443 && fail "the same with IPv6"
	assert_counted iptables "--sport 443 --dport 50000:50999"
	assert_counted ip6tables "--sport 443 --dport 50000:50999"
	assert_rc 0 ctl rules remove
	round_trip "$TMP/own.conf"
	round_trip "$TMP/own.conf" "$TMP/both.conf"
}

state_of_each_namespace_is_apart() {
	printf '[service x]\nlisten = 192.0.2.9:443\n' >"$TMP/else.conf"
	CONF=$TMP/else.conf
	assert_rc 0 in_g "$CTL" -c "$CONF" rules apply
	assert_rc 0 in_s "$CTL" -c "$CONF" rules apply
	assert_rc 0 in_g "$CTL" rules remove
	in_g iptables-save | grep -q PENSTOCK && fail "rules are left"
	in_s "$CTL" -c "$CONF" rules check || fail "the other one was touched"
	assert_rc 0 in_s "$CTL" rules remove
	CONF=$TMP/both.conf
}

for c in print_changes_nothing \
	printed_script_does_what_apply_does \
	apply_twice_is_apply_once \
	remove_restores_bare_host \
	remove_restores_after_v4_only \
	remove_restores_after_v6_only \
	remove_restores_after_prefixes_ports_workers \
	remove_restores_after_changes_of_configuration \
	remove_restores_lived_in_host \
	remove_restores_forwarding_gateway \
	remove_without_state_takes_chains_only \
	failed_apply_is_undone \
	apply_without_reassembly_warns_and_stands \
	failed_remove_keeps_what_was_there \
	check_notes_what_is_in_the_way \
	server_on_this_host_is_refused \
	listen_of_this_host_is_restored \
	bad_configuration_changes_nothing \
	check_names_each_difference \
	service_packets_go_to_the_queue_and_others_pass \
	server_packets_go_to_the_queue \
	gateway_own_connections_pass \
	icmp_errors_pass_when_no_daemon_runs \
	gateway_own_icmp_errors_are_queued_and_pass \
	packets_from_the_tun_are_not_queued_again \
	packets_from_the_tun_pass_strict_filters \
	packets_from_the_tun_pass_loose_filters \
	packets_from_the_tun_pass_filters_of_interfaces \
	source_of_ours_goes_out_and_comes_back \
	state_of_each_namespace_is_apart; do
	run_case "$c"
done
echo "rules: $PASSED passed, $FAILED failed"
[ "$FAILED" = 0 ]
