# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# lib.sh - namespaces, programs and assertions of the end-to-end tests
#
#   client namespace          gateway namespace          server namespace
#  +------------------+   +----------------------+   +-------------------+
#  |  up 198.51.100.2 |---| cl 198.51.100.1      |   |                   |
#  |     2001:db8:c::2|   |    2001:db8:c::1     |   |                   |
#  |                  |   |       penstockd      |   |                   |
#  |                  |   | sv 203.0.113.1       |---| up 203.0.113.10   |
#  |                  |   |    2001:db8::1       |   |    2001:db8::10   |
#  +------------------+   +----------------------+   +-------------------+
#
# Every interface is born inside these namespaces: the machine's own network
# is never touched.  The caller's EXIT trap is lib_cleanup: it ends what was
# started (by process id) and removes the namespaces.
#
# PENSTOCK=off runs everything over plain kernel forwarding.  Each case must
# pass that way too: that validates the case before it judges penstock.

: "${BUILD:=build}"
: "${PENSTOCK:=on}"
: "${PENSTOCKD:=$BUILD/penstockd}"
: "${PENSTOCKCTL:=$BUILD/penstockctl}"
TOOLS=${TOOLS:-$BUILD/tools}
PEER=$TOOLS/peer
export LC_ALL=C

# Addresses of the family at test; family_use sets them.
# shellcheck disable=SC2034 # for the cases
FAMILY=4
CLIENT=198.51.100.2 SERVER=203.0.113.10 URL=203.0.113.10 IPT=iptables

# Ports of the service addresses.
LINE=        # what peer_run printed
PORT_HTTP=80 PORT_HTTPS=443 PORT_IPERF=5201 PORT_SQL=5432
PORT_PEER=7000 PORT_IDLE=7001 PORT_REFUSED=7002 PORT_DYING=7003
SERVICE_PORTS="$PORT_HTTP $PORT_HTTPS $PORT_IPERF $PORT_SQL
	$PORT_PEER $PORT_IDLE $PORT_REFUSED $PORT_DYING"

TMP=
TOPOS=()      # prefixes of the topologies that exist
LIB_PIDS=()   # what lib_cleanup ends
NS_C='' NS_G='' NS_S=''
PENSTOCK_PID='' PENSTOCK_CONF=''

# --- life and death -------------------------------------------------------

lib_init() {
	[ "$(id -u)" = 0 ] || die "needs root (network namespaces)"
	local base=/tmp
	# 1 GiB files come and go: memory is kinder than a disk.
	if [ "$(df --output=avail -k /dev/shm 2>/dev/null | tail -1)" -gt \
		4000000 ]; then
		base=/dev/shm
	fi 2>/dev/null
	TMP=$(mktemp -d "$base/penstock-e2e.XXXXXX")
	chmod 755 "$TMP"
	LIB_MAIN=$BASHPID
	trap lib_cleanup EXIT
	trap 'exit 130' INT TERM HUP PIPE
}

die() {
	echo "e2e: $*" >&2
	exit 1
}

# Remember a process that lib_cleanup shall end.
lib_own_pid() {
	LIB_PIDS+=("$1")
}

pid_gone() { ! kill -0 "$1" 2>/dev/null; }

# pid_end PID: end it, and wait until it is gone.
pid_end() {
	kill -TERM "$1" 2>/dev/null || return 0
	poll 5 pid_gone "$1" && return 0
	kill -KILL "$1" 2>/dev/null
	poll 5 pid_gone "$1" || :
}

lib_cleanup() {
	local rc=$? p n
	[ "$BASHPID" = "$LIB_MAIN" ] || exit "$rc" # a child hit too early
	trap - EXIT
	trap '' INT TERM HUP PIPE
	for p in "${LIB_PIDS[@]}"; do
		kill -TERM "$p" 2>/dev/null
	done
	for p in "${LIB_PIDS[@]}"; do
		pid_end "$p"
	done
	for p in "${TOPOS[@]}"; do
		for n in c g s; do
			ns_remove "$p-$n"
		done
	done
	! mountpoint -q "$TMP/bpf" || umount "$TMP/bpf"
	[ -n "$TMP" ] && rm -rf "$TMP"
	exit "$rc"
}

# Remove a namespace of ours and whatever still runs inside.
ns_remove() {
	local pids
	pids=$(ip netns pids "$1" 2>/dev/null) || return 0
	# shellcheck disable=SC2086 # a list of numbers
	[ -n "$pids" ] && kill -KILL $pids 2>/dev/null
	ip netns del "$1" 2>/dev/null
	return 0
}

# All bounds of time are those of a quiet machine, and only end what hangs.
# They are stretched by as much as a machine may be slow.
SLOW=4

# poll SECONDS COMMAND...: until it succeeds; fails when time is up.
poll() {
	local end=$((SECONDS + SLOW * $1 + 1))
	shift
	until "$@"; do
		[ "$SECONDS" -lt "$end" ] || return 1
		sleep 0.05
	done
}

# --- topology -------------------------------------------------------------

in_c() { ip netns exec "$NS_C" "$@"; }
in_g() { ip netns exec "$NS_G" "$@"; }
in_s() { ip netns exec "$NS_S" "$@"; }

# topo_use PREFIX: in_c, in_g and in_s now mean this topology.
topo_use() {
	NS_C=$1-c NS_G=$1-g NS_S=$1-s
}

topo_addresses() {
	in_c ip addr add 198.51.100.2/24 dev up
	in_c ip addr add 2001:db8:c::2/64 dev up nodad
	in_g ip addr add 198.51.100.1/24 dev cl
	in_g ip addr add 2001:db8:c::1/64 dev cl nodad
	in_g ip addr add 203.0.113.1/24 dev sv
	in_g ip addr add 2001:db8::1/64 dev sv nodad
	in_s ip addr add 203.0.113.10/24 dev up
	in_s ip addr add 2001:db8::10/64 dev up nodad
	in_c ip link set dev up up
	in_g ip link set cl up
	in_g ip link set sv up
	in_s ip link set dev up up
	in_c ip route add default via 198.51.100.1
	in_c ip -6 route add default via 2001:db8:c::1
	in_s ip route add default via 203.0.113.1
	in_s ip -6 route add default via 2001:db8::1
}

# topo_make PREFIX: three namespaces, and use them.
topo_make() {
	local n
	TOPOS+=("$1")
	topo_use "$1"
	for n in "$NS_C" "$NS_G" "$NS_S"; do
		ip netns add "$n" || die "cannot add namespace $n"
		ip netns exec "$n" ip link set lo up
		ip netns exec "$n" sysctl -qw net.ipv6.conf.all.accept_dad=0 \
			net.ipv6.conf.default.accept_dad=0
	done
	ip -n "$NS_G" link add cl type veth peer name up netns "$NS_C"
	ip -n "$NS_G" link add sv type veth peer name up netns "$NS_S"
	topo_addresses
	in_g sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
	# Ends left over by tests shall not linger for minutes.
	for n in "$NS_C" "$NS_S"; do
		ip netns exec "$n" sysctl -qw net.ipv4.tcp_fin_timeout=5 \
			net.ipv4.ip_local_port_range="20000 60999" \
			net.core.somaxconn=8192
	done
	in_g iptables -t raw -N E2E
	in_g iptables -t raw -I PREROUTING -j E2E
	in_g ip6tables -t raw -N E2E
	in_g ip6tables -t raw -I PREROUTING -j E2E
	poll 5 topo_ready || die "the topology $1 does not carry packets"
}

topo_ready() {
	in_c ping -c1 -W1 203.0.113.10 >/dev/null 2>&1 &&
		in_c ping -c1 -W1 2001:db8::10 >/dev/null 2>&1
}

# shellcheck disable=SC2034 # for the cases
family_use() {
	FAMILY=$1
	if [ "$1" = 4 ]; then
		CLIENT=198.51.100.2 SERVER=203.0.113.10
		URL=$SERVER IPT=iptables
	else
		CLIENT=2001:db8:c::2 SERVER=2001:db8::10
		URL=[$SERVER] IPT=ip6tables
	fi
	RAW_HTTP="server=$SERVER port=$PORT_HTTP" # for rawtcp.py
}

# --- impairments ----------------------------------------------------------
# They last until the case ends: run_case calls topo_heal.

# loss SIDE PERCENT: random loss on that side's link, both directions.  What
# comes from the peer is dropped where it enters the gateway, ahead of all
# else: dropping it in the peer's own OUTPUT would be an error that its TCP
# sees at once, and no loss.
loss() {
	local p ns=$NS_C dev=cl
	[ "$1" = server ] && ns=$NS_S dev=sv
	p=$(printf '0.%02d' "$2")
	ip netns exec "$ns" "$IPT" -A INPUT -p tcp -m statistic \
		--mode random --probability "$p" -j DROP
	in_g "$IPT" -t raw -A E2E -i "$dev" -p tcp -m statistic \
		--mode random --probability "$p" -j DROP
}

# all_links OPTION...: `ip link set' on the four ends of both links.
all_links() {
	ip -n "$NS_C" link set dev up "$@"
	ip -n "$NS_G" link set dev cl "$@"
	ip -n "$NS_G" link set dev sv "$@"
	ip -n "$NS_S" link set dev up "$@"
}

# Without this a packet on a link may be one of 64 KiB; with it, it is a
# segment, as on a real wire.
wire_segments() { all_links gso_max_segs 1; }

# blackhole SIDE: nothing reaches that peer, nothing comes from it.
blackhole() {
	local ns=$NS_C dev=cl
	[ "$1" = server ] && ns=$NS_S dev=sv
	ip netns exec "$ns" "$IPT" -A INPUT -p tcp -j DROP
	in_g "$IPT" -t raw -A E2E -i "$dev" -p tcp -j DROP
}

# link_mtu SIDE BYTES: both ends of that link.
link_mtu() {
	local ns=$NS_C dev=cl
	[ "$1" = server ] && ns=$NS_S dev=sv
	ip -n "$ns" link set dev up mtu "$2"
	ip -n "$NS_G" link set dev "$dev" mtu "$2"
}

# route_mtu BYTES: only the gateway knows that its way to the client is
# narrow; the ends must learn it (path MTU discovery).
route_mtu() {
	if [ "$FAMILY" = 4 ]; then
		in_g ip route replace 198.51.100.0/24 dev cl \
			src 198.51.100.1 mtu lock "$1"
	else
		in_g ip -6 route replace 2001:db8:c::/64 dev cl metric 256 \
			mtu lock "$1"
	fi
}

lift() {
	in_g "$IPT" -t raw -F E2E
	in_c "$IPT" -F INPUT
	in_s "$IPT" -F INPUT
}

# Undo all of the above.
topo_heal() {
	local n
	lift
	all_links mtu 1500 gso_max_segs 65535
	in_g ip route replace 198.51.100.0/24 dev cl src 198.51.100.1
	in_g ip -6 route replace 2001:db8:c::/64 dev cl metric 256
	for n in "$NS_C" "$NS_S" "$NS_G"; do # learned path MTUs
		ip -n "$n" route flush cache
		ip -n "$n" -6 route flush cache
	done
	# and those that penstockd has learnt
	timeout 5 "$PENSTOCKCTL" -S "$TMP/control.sock" paths flush >&2
} 2>/dev/null

# --- penstockd ------------------------------------------------------------

penstock_on() { [ "$PENSTOCK" != off ]; }

# conf_write FILE KEY=VALUE...: a configuration that takes all service ports.
# Keys may be prefixed by a section: "tcp_sack = 0", "[penstock] workers = 2".
conf_write() {
	local file=$1 p kv
	shift
	{
		echo "[penstock]"
		echo "control = $TMP/control.sock"
		echo "secret_file = $TMP/secret"
		echo "http_token_file = $TMP/http_token"
		echo "http ="
		echo "shutdown_grace = 1s"
		for kv in "$@"; do
			[[ $kv == "[penstock] "* ]] &&
				echo "${kv#"[penstock] "}"
		done
		echo "[service e2e]"
		for p in $SERVICE_PORTS; do
			echo "listen = 203.0.113.10:$p"
			echo "listen = [2001:db8::10]:$p"
		done
		for kv in "$@"; do
			[[ $kv == "[penstock] "* ]] || echo "$kv"
		done
	} >"$file"
}

# rules_apply CONF / rules_remove CONF, inside the gateway.
rules_apply() { ctl_in_gateway "$1" rules apply; }
rules_remove() { ctl_in_gateway "$1" rules remove; }
ctl_in_gateway() {
	in_g "$PENSTOCKCTL" -s "$TMP/rules.state" -c "$1" "${@:2}"
}

# What `rules apply' may change, as text; run_case's own chain included.
gateway_state() {
	in_g iptables-save | sed 's/^#.*//; s/\[[0-9:]*\]//'
	in_g ip6tables-save | sed 's/^#.*//; s/\[[0-9:]*\]//'
	in_g ip -o link | sed 's/^[0-9]*: //' | cut -d' ' -f1 | sort
	in_g sysctl net.ipv4.ip_forward net.ipv6.conf.all.forwarding \
		net.ipv4.conf.all.rp_filter net.ipv4.conf.cl.rp_filter \
		net.ipv4.conf.all.send_redirects
} 2>/dev/null

penstock_ready() {
	pid_gone "$PENSTOCK_PID" && return 0
	in_g cat /proc/net/netfilter/nfnetlink_queue 2>/dev/null | grep -q .
}

penstock_alive() {
	kill -0 "$PENSTOCK_PID" 2>/dev/null
}

# start_penstockd CONF: rules, daemon, and wait until it takes packets.
start_penstockd() {
	penstock_on || return 0
	[ -n "${RULES_BEFORE:-}" ] || RULES_BEFORE=$(gateway_state)
	PENSTOCK_CONF=$1
	rules_apply "$1" >"$TMP/rules.log" 2>&1 || {
		cat "$TMP/rules.log" >&2
		return 1
	}
	ip netns exec "$NS_G" "$PENSTOCKD" -c "$1" \
		>>"$TMP/penstockd.log" 2>&1 </dev/null &
	PENSTOCK_PID=$!
	lib_own_pid "$PENSTOCK_PID"
	poll 10 penstock_ready
	penstock_alive && return 0
	echo "penstockd did not start:" >&2
	tail -n 20 "$TMP/penstockd.log" >&2
	return 1
}

stop_penstockd() {
	penstock_on || return 0
	[ -n "$PENSTOCK_PID" ] || return 0
	pid_end "$PENSTOCK_PID"
	PENSTOCK_PID=
	rules_remove "$PENSTOCK_CONF" >/dev/null 2>&1
	return 0
}

# penstock_gauge NAME: a number from `penstockctl status'.
penstock_gauge() {
	"$PENSTOCKCTL" -j -c "$PENSTOCK_CONF" status 2>/dev/null |
		grep -o "\"$1\": *[0-9]*" | head -1 | grep -o '[0-9]*$'
}

# --- servers --------------------------------------------------------------

# start_in NAMESPACE LOG COMMAND...: in the background, owned; pid in REPLY.
start_in() {
	local ns=$1 log=$2
	shift 2
	ip netns exec "$ns" "$@" >>"$log" 2>&1 </dev/null &
	REPLY=$!
	lib_own_pid "$REPLY"
}

listening() {
	in_s ss -Htln "sport = :$1" | grep -q .
}

start_peer_server() {
	start_in "$NS_S" "$TMP/peer.err" "$PEER" serve "$TMP/peer.log" \
		"$PORT_PEER" "$PORT_IDLE"
	poll 5 listening "$PORT_PEER" || die "peer serve does not listen"
}

nginx_conf() {
	cat <<-END
	daemon off;
	worker_processes 1;
	user root;
	pid $TMP/nginx.pid;
	error_log $TMP/nginx.err;
	events { worker_connections 8192; }
	http {
	    log_format view '\$http_x_case \$remote_addr \$remote_port'
	        ' \$server_addr \$server_port \$status \$body_bytes_sent';
	    access_log $TMP/nginx.log view;
	    client_body_temp_path $TMP/body;
	    proxy_temp_path $TMP/proxy;
	    fastcgi_temp_path $TMP/fastcgi;
	    uwsgi_temp_path $TMP/uwsgi;
	    scgi_temp_path $TMP/scgi;
	    sendfile on;
	    tcp_nopush on;
	    keepalive_requests 1000000;
	    client_max_body_size 2g;
	    ssl_certificate $TMP/cert.pem;
	    ssl_certificate_key $TMP/key.pem;
	    server {
	        listen 80 backlog=4096;
	        listen [::]:80 backlog=4096;
	        listen 443 ssl;
	        listen [::]:443 ssl;
	        root $TMP/www;
	        location / { }
	        location /keep/ { access_log off; alias $TMP/www/; }
	        location /up/ { dav_methods PUT DELETE; }
	    }
	}
	END
}

start_nginx() {
	mkdir -p "$TMP/www/up" "$TMP/body"
	chmod -R a+rwX "$TMP/www"
	[ -e "$TMP/key.pem" ] || openssl req -x509 -newkey ec \
		-pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 \
		-subj /CN=penstock.example -keyout "$TMP/key.pem" \
		-out "$TMP/cert.pem" 2>/dev/null
	nginx_conf >"$TMP/nginx.conf"
	start_in "$NS_S" "$TMP/nginx.err" nginx -c "$TMP/nginx.conf" \
		-e "$TMP/nginx.err"
	poll 10 listening 443 || {
		cat "$TMP/nginx.err" >&2
		die "nginx does not listen"
	}
}

# data_file BYTES: the path of a file of that many pseudo-random bytes.
data_file() {
	local f=$TMP/www/f$1
	if [ ! -e "$f" ]; then
		mkdir -p "$TMP/www"
		head -c "$1" /dev/zero | openssl enc -aes-128-ctr -nosalt \
			-K 00112233445566778899aabbccddeeff \
			-iv 0000000000000000000000000000$(($1 % 90 + 10)) \
			>"$f.part" 2>/dev/null
		mv "$f.part" "$f"
		chmod a+r "$f"
	fi
	echo "$f"
}

# data_sum BYTES: its SHA-256, computed once.
data_sum() {
	local f
	f=$(data_file "$1")
	[ -e "$f.sha256" ] || sha256sum <"$f" | cut -d' ' -f1 >"$f.sha256"
	cat "$f.sha256"
}

# --- packages of npm ----------------------------------------------------------

NPM=$(readlink -f "$BUILD")/npm # once a build

npm_has() { [ -d "$NPM/node_modules/$1" ]; }

# npm_install PACKAGE VERSION, from npm's registry.
npm_install() {
	mkdir -p "$NPM"
	# the other address family's run may be at it
	exec 9>"$NPM/lock"
	flock 9
	npm_has "$1" || timeout 120 npm install --prefix "$NPM" \
		--no-audit --no-fund --ignore-scripts "$1@$2" \
		>"$TMP/npm.log" 2>&1 9>&-
	exec 9>&-
}

# npm_need PACKAGE: only a machine without a network is excused.
npm_need() {
	npm_has "$1" && return 0
	grep -qE 'E(AI_AGAIN|NOTFOUND|CONNREFUSED|NETUNREACH|TIMEDOUT)' \
		"$TMP/npm.log" && skip "npm reaches no registry"
	cat "$TMP/npm.log"
	fail "npm does not install $1"
}

# --- assertions -----------------------------------------------------------
# All of them end the case (a subshell) on failure.

fail() {
	echo "FAILED: $*"
	exit 1
}

# In a smoke run (with sanitizers, say) leave the heaviest out.
skip_in_smoke() {
	[ "${E2E_SMOKE:-0}" != 1 ] || skip "not in a smoke run"
}

sanitized() { ldd "$PENSTOCKD" | grep -qE 'lib(a|ub)san'; }

skip() {
	echo "$*"
	exit 77
}

# assert_eq WHAT WANT GOT
assert_eq() {
	[ "$2" = "$3" ] || fail "$1: want '$2', got '$3'"
}

# assert_num WHAT LEFT OP RIGHT, e.g. assert_num received "$n" -ge 10
assert_num() {
	[[ $2 =~ ^[0-9]+$ ]] || fail "$1: not a number: '$2'"
	# shellcheck disable=SC1073,SC1072,SC1009 # $3 is the operator
	test "$2" "$3" "$4" || fail "$1: want $3 $4, got $2"
}

# field NAME LINE: the value of NAME=... in a line of peer's.
field() {
	local w
	for w in $2; do
		[ "${w%%=*}" = "$1" ] && echo "${w#*=}" && return 0
	done
	return 1
}

# assert_fields LINE NAME=VALUE...
assert_fields() {
	local line=$1 kv
	shift
	for kv in "$@"; do
		assert_eq "${kv%%=*} of <$line>" "${kv#*=}" \
			"$(field "${kv%%=*}" "$line")"
	done
}

# The server's log line of the connection whose client line is $1.  A client's
# port may have been used before, towards another port.
server_line() {
	local ends
	ends="local=$(field remote "$1") remote=$(field local "$1") "
	poll 10 grep -qF "$ends" "$TMP/peer.log" ||
		fail "the server never reported the connection: $ends"
	grep -F "$ends" "$TMP/peer.log" | tail -1
}

# Both ends agree on addresses and ports: <client line> <server line>
assert_same_addresses() {
	local c=$1 s=$2
	assert_eq "the server's idea of the client" \
		"$(field local "$c")" "$(field remote "$s")"
	assert_eq "the client's idea of the server" \
		"$(field remote "$c")" "$(field local "$s")"
	case $(field remote "$s") in
	"$CLIENT":* | "[$CLIENT]":*) ;;
	*) fail "the server sees $(field remote "$s"), not $CLIENT" ;;
	esac
}

# peer_run OPTION... VERB N SEED: client to the peer server; sets LINE.
peer_run() {
	local n=$#
	# shellcheck disable=SC2034 # for the cases
	LINE=$(in_c "$PEER" run "${@:1:n-3}" "$SERVER" "$PORT_PEER" \
		"${@:n-2}")
}

# Sockets beyond LISTEN and TIME-WAIT in a namespace, the idle test's aside.
sockets_left() {
	ip netns exec "$1" ss -Htan \
		"not ( sport = :$PORT_IDLE or dport = :$PORT_IDLE )" |
		grep -Ev '^(LISTEN|TIME-WAIT)'
}

no_sockets_left() {
	! sockets_left "$NS_C" && ! sockets_left "$NS_S"
} >/dev/null

# The idle connection is the only one that may be open between cases.
no_flows_left() {
	[ "$(penstock_gauge flows)" -le "${IDLE_FLOWS:-0}" ] 2>/dev/null &&
		[ "$(penstock_gauge mem_held)" = 0 ]
} 2>/dev/null

assert_clean() {
	poll "${1:-10}" no_sockets_left || {
		sockets_left "$NS_C"
		sockets_left "$NS_S"
		fail "connections are left in a kernel"
	}
	penstock_on && [ "${E2E_GAUGES:-on}" = on ] || return 0
	poll "${1:-10}" no_flows_left || {
		"$PENSTOCKCTL" -c "$PENSTOCK_CONF" flows 2>&1 | head -20
		fail "left in penstockd: $(penstock_gauge flows) flows," \
			"$(penstock_gauge mem_held) bytes"
	}
}

# --- load that goes on ------------------------------------------------------

# load_begin TRANSFERS IDLE: connections in the background, all connected.
load_begin() {
	rm -f "$TMP/ready" "$TMP/stop"
	data_file 1024 >/dev/null
	data_file $((4 << 20)) >/dev/null
	ip netns exec "$NS_C" tests/e2e/handover.py "$SERVER" "$PORT_HTTP" \
		"f$((4 << 20))" "$(data_sum $((4 << 20)))" "$1" "$2" \
		"$TMP/ready" "$TMP/stop" >"$TMP/load" 2>&1 &
	LOAD_PID=$!
	poll 30 test -e "$TMP/ready" || fail "not connected: $(<"$TMP/load")"
}

# load_end SECONDS: they end in time, and nothing was lost.
load_end() {
	: >"$TMP/stop"
	poll "$1" pid_gone "$LOAD_PID" || fail "the load does not end"
	LINE=$(<"$TMP/load")
	echo "$LINE"
	assert_fields "$LINE" wrong=0 lost=0 idle_lost=0
	assert_num "downloads" "$(field downloads "$LINE")" -gt 0
}

# --- cases ----------------------------------------------------------------

N_CASE=0 N_OK=0 N_FAILED=0 N_SKIPPED=0 FAILED_NAMES=()

# Between cases the gateway must be alive; a dead one fails the case and is
# started again, so that the next case is judged by itself.
case_gateway_check() {
	penstock_on && [ -z "${EXPECT_DEATH:-}" ] || return 0
	penstock_alive && return 0
	echo "penstockd has died; its last words:"
	tail -n 30 "$TMP/penstockd.log"
	start_penstockd "$PENSTOCK_CONF"
	return 1
}

# shellcheck disable=SC2016 # awk's own $8
# How many packets penstockd's queues have been given so far.
queue_sequence() {
	penstock_on || return 0
	in_g awk '{ n += $8 } END { print n + 0 }' \
		/proc/net/netfilter/nfnetlink_queue 2>/dev/null
}

# A case that passed without penstockd having seen a packet proves nothing.
case_traffic_check() {
	penstock_on && [ "$2" = 0 ] &&
		[ -z "${EXPECT_DEATH:-}${TRAFFIC_EARLIER:-}" ] || return 0
	[ "$1" != "$(queue_sequence)" ] && return 0
	echo "no packet of this case came to penstockd"
	return 1
}

# run_case NAME SECONDS FUNCTION ARG...: in a subshell and a process group of
# its own, ended after SECONDS.
run_case() {
	local name="$1 (IPv$FAMILY)" limit=$((SLOW * $2)) log=$TMP/case.log rc pid dog t0 seq
	# shellcheck disable=SC2053 # a pattern
	[[ $1 == ${E2E_CASE:-*} ]] || return 0
	shift 2
	seq=$(queue_sequence)
	N_CASE=$((N_CASE + 1))
	t0=$(date +%s%N)
	set -m
	(
		trap - EXIT INT TERM HUP PIPE
		"$@"
	) >"$log" 2>&1 </dev/null &
	pid=$!
	(
		sleep "$limit"
		echo "TIMEOUT after $limit s" >>"$log"
		kill -KILL -- "-$pid"
	) >/dev/null 2>&1 &
	dog=$!
	set +m
	wait "$pid" 2>/dev/null
	rc=$?
	kill -KILL -- "-$dog" 2>/dev/null
	wait "$dog" 2>/dev/null
	kill -KILL -- "-$pid" 2>/dev/null # what the case left running
	topo_heal
	case_traffic_check "$seq" "$rc" >>"$log" 2>&1 || rc=1
	case_gateway_check >>"$log" 2>&1 || rc=1
	case_report "$name" "$rc" $((($(date +%s%N) - t0) / 1000000))
}

case_report() {
	case $2 in
	0)
		N_OK=$((N_OK + 1))
		echo "ok $N_CASE - $1 # $3 ms"
		;;
	77)
		N_SKIPPED=$((N_SKIPPED + 1))
		echo "ok $N_CASE - $1 # SKIP $(tail -1 "$TMP/case.log")"
		;;
	*)
		N_FAILED=$((N_FAILED + 1))
		FAILED_NAMES+=("$1")
		echo "not ok $N_CASE - $1 # $3 ms"
		tail -n 40 "$TMP/case.log" | sed 's/^/#   /'
		;;
	esac
}

# The last lines: what failed, what was left out, the sum.
cases_summary() {
	local n
	for n in "${FAILED_NAMES[@]}"; do
		echo "# failed: $n"
	done
	[ "$N_SKIPPED" = 0 ] || echo "# left out: $N_SKIPPED"
	if [ "$((N_CASE + N_OK + N_FAILED))" = 0 ] && [ -z "${E2E_PART:-}" ]; then
		echo "# failed: no case is called ${E2E_CASE:-anything}"
		N_FAILED=1
	fi
	echo "e2e: $N_OK passed, $N_FAILED failed"
	[ "$N_FAILED" = 0 ]
}
