# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# gateways.sh - two gateways: connections go from one to the other
#
#      client                 gateways                  server
#  +------------+   cl  +------------------+ sv   +-------------+
#  |  up    .2 -+---+---| a  .3  penstockd |--+---+- up     .10 |
#  |       ::2  |   |   +------------------+  |   |       ::10  |
#  +------------+   |   +------------------+  |   +-------------+
#                   +---| b  .4  penstockd |--+
#                       +------------------+
#   198.51.100.0/24  2001:db8:c::/64       203.0.113.0/24  2001:db8::/64
#
# Each network is a set of macvlans, which reach one another as in a switch.
# Both sides have .1 and ::1 as their gateway, which keepalived gives to a or b.

GW_DIR=	# what belongs to one gateway: $GW_DIR/a, $GW_DIR/b
NS_X=	# a host behind the router, for ECMP
declare -A GW_NS GW_PID GW_KEEP

in_gw() { ip netns exec "${GW_NS[$1]}" "${@:2}"; }
gw_ctl() { "$PENSTOCKCTL" -S "$GW_DIR/$1/control.sock" "${@:2}"; }

# --- topology ----------------------------------------------------------------

gw_host() {
	local ns=$1 net4=$2 net6=$3 host=$4
	ip netns add "$ns" || die "cannot add namespace $ns"
	ip netns exec "$ns" sysctl -qw net.ipv6.conf.all.accept_dad=0 \
		net.ipv6.conf.default.accept_dad=0 \
		net.ipv4.tcp_fin_timeout=5
	ip -n "$ns" link set lo up
	ip -n "$ns" link add lan type veth peer name lan.end
	ip -n "$ns" link set lan up arp off addrgenmode none
	ip -n "$ns" link set lan.end up arp off addrgenmode none
	ip -n "$ns" link add link lan name up type macvlan mode bridge
	ip -n "$ns" addr add "$net4.$host/24" dev up
	ip -n "$ns" addr add "$net6::$host/64" dev up nodad
	ip -n "$ns" link set dev up up
	ip -n "$ns" route add default via "$net4.1"
	ip -n "$ns" -6 route add default via "$net6::1"
}

# gw_link GATEWAY DEVICE NAMESPACE ADDRESS...: to the network over there.
gw_link() {
	local ns=${GW_NS[$1]} dev=$2 to=$3
	ip -n "$to" link add link lan name "$dev" netns "$ns" \
		type macvlan mode bridge
	ip -n "$ns" addr add "$4" dev "$dev"
	ip -n "$ns" addr add "$5" dev "$dev" nodad
	ip -n "$ns" link set "$dev" up
}

gw_topo() {
	local gw n
	TOPOS+=("$1" "$1b")
	NS_C=$1-c NS_S=$1-s
	GW_NS=([a]=$1-g [b]=$1b-g)
	gw_host "$NS_C" 198.51.100 2001:db8:c 2
	gw_host "$NS_S" 203.0.113 2001:db8 10
	n=3
	for gw in a b; do
		mkdir -p "$GW_DIR/$gw"
		ip netns add "${GW_NS[$gw]}" || die "cannot add a namespace"
		ip -n "${GW_NS[$gw]}" link set lo up
		in_gw $gw sysctl -qw net.ipv4.ip_forward=1 \
			net.ipv6.conf.all.forwarding=1 \
			net.ipv6.conf.all.accept_dad=0 \
			net.ipv6.conf.default.accept_dad=0
		gw_link $gw cl "$NS_C" 198.51.100.$n/24 2001:db8:c::$n/64
		gw_link $gw sv "$NS_S" 203.0.113.$n/24 2001:db8::$n/64
		n=$((n + 1))
	done
}

# gw_take GATEWAY|nobody: the virtual addresses by hand, where no keepalived runs.
gw_take() {
	local gw
	for gw in a b; do
		in_gw $gw ip addr del 198.51.100.1/24 dev cl
		in_gw $gw ip addr del 203.0.113.1/24 dev sv
		in_gw $gw ip addr del 2001:db8:c::1/64 dev cl
		in_gw $gw ip addr del 2001:db8::1/64 dev sv
	done 2>/dev/null
	[ "$1" = nobody ] && return
	in_gw "$1" ip addr add 198.51.100.1/24 dev cl
	in_gw "$1" ip addr add 203.0.113.1/24 dev sv
	in_gw "$1" ip addr add 2001:db8:c::1/64 dev cl nodad
	in_gw "$1" ip addr add 2001:db8::1/64 dev sv nodad
	# what keepalived does by gratuitous ARP
	ip -n "$NS_C" neigh flush dev up
	ip -n "$NS_S" neigh flush dev up
} >/dev/null

# --- daemons -----------------------------------------------------------------

# gw_conf GATEWAY KEY=VALUE...
gw_conf() {
	local dir=$GW_DIR/$1
	shift
	conf_write "$dir/penstock.conf" "$@"
	sed -i "s,^control = .*,control = $dir/control.sock," \
		"$dir/penstock.conf"
	[[ " $* " == *" source = "* ]] || return 0
	if [ "$FAMILY" = 4 ]; then # its service is of one family
		sed -i '/^listen = \[/d' "$dir/penstock.conf"
	else
		sed -i '/^listen = [0-9]/d' "$dir/penstock.conf"
	fi
}

# gw_up GATEWAY [OPTION]: rules and daemon.
gw_up() {
	local gw=$1 dir=$GW_DIR/$1
	in_gw "$gw" "$PENSTOCKCTL" -s "$dir/rules.state" \
		-c "$dir/penstock.conf" rules apply >"$dir/rules.log" 2>&1 ||
		fail "rules apply: $(<"$dir/rules.log")"
	: >"$dir/log"
	ip netns exec "${GW_NS[$gw]}" "$PENSTOCKD" -c "$dir/penstock.conf" \
		"${@:2}" >>"$dir/log" 2>&1 </dev/null &
	GW_PID[$gw]=$!
	poll 20 gw_up_or_dead "$gw"
	gw_says "$gw" '^info: ready: ' || {
		cat "$dir/log"
		fail "penstockd of $gw did not start"
	}
}

gw_says() { grep -qE "$2" "$GW_DIR/$1/log"; }
gw_up_or_dead() {
	pid_gone "${GW_PID[$1]}" || gw_says "$1" '^info: ready: '
}

gw_gauge() {
	gw_ctl "$1" -j status | grep -o "\"$2\": *[0-9]*" | head -1 |
		grep -o '[0-9]*$'
}
gw_has_flows() { [ "$(gw_gauge "$1" flows)" = "$2" ]; }
gw_is() { [ "$(gw_ctl "$1" ready)" = "$2" ]; }

# gw_begin KEY=VALUE...: both, and a has the addresses.
gw_begin() {
	local gw
	penstock_on || skip "plain forwarding has no daemon"
	for gw in a b; do
		gw_conf $gw "$@"
		gw_up $gw
	done
	gw_take a
	poll 20 gw_carries || fail "no way to the server"
}

gw_carries() {
	in_c ping -c1 -W1 203.0.113.10 >/dev/null 2>&1 &&
		in_c ping -c1 -W1 2001:db8::10 >/dev/null 2>&1
}

# gw_end: both end well, and nothing is left.  What one has handed over it keeps
# for a while, and lets go of when it stops.
gw_end() {
	local gw
	poll 20 no_sockets_left || {
		sockets_left "$NS_C"
		sockets_left "$NS_S"
		fail "connections are left in a kernel"
	}
	for gw in a b; do
		gw_is $gw "handed over" || poll 20 gw_has_flows $gw 0 || {
			gw_ctl $gw flows
			fail "connections are left in $gw"
		}
		kill -TERM "${GW_PID[$gw]}"
		poll 15 pid_gone "${GW_PID[$gw]}" || fail "$gw does not stop"
		wait "${GW_PID[$gw]}"
		assert_eq "exit code of $gw" 0 $?
	done
}

# --- load --------------------------------------------------------------------

# gw_move FROM TO: by a pipe, and then the addresses.
gw_move() {
	gw_ctl "$1" handover | gw_ctl "$2" takeover
	assert_eq "exit codes" "0 0" "${PIPESTATUS[*]}"
	gw_take "$2"
}

# gw_still_works GATEWAY: the load, and new connections.
gw_still_works() {
	load_end 60
	peer_run echo 100000 3
	assert_fields "$LINE" bad=- rx=100000 end=FIN
}

gw_nginx() {
	nginx_conf | sed 's/nginx\.\(pid\|err\|log\)/gw-nginx.\1/' \
		>"$TMP/gw-nginx.conf"
	start_in "$NS_S" "$TMP/gw-nginx.err" nginx -c "$TMP/gw-nginx.conf" \
		-e "$TMP/gw-nginx.err"
	poll 10 listening 443 || die "nginx does not listen"
}

# --- planned moves -----------------------------------------------------------

# A download that goes on at the other gateway.
gw_download() {
	local n=$((256 << 20)) pid
	gw_begin
	in_c "$PEER" run "$SERVER" "$PORT_PEER" send $n 5 >"$TMP/out" 2>&1 &
	pid=$!
	poll 10 gw_has_flows a 1 || fail "not connected"
	gw_move a b
	kill -0 "$pid" || fail "it was over before: $(<"$TMP/out")"
	wait "$pid"
	LINE=$(<"$TMP/out")
	echo "$LINE"
	assert_fields "$LINE" bad=- rx=$n end=FIN
	gw_end
}

# There and back, with workers of another number; what comes back replaces what
# went.  Faults go along, and are no more each time.
gw_there_and_back() {
	local i
	gw_begin
	gw_conf b "[penstock] workers = 2"
	gw_restart b
	gw_ctl a fault add late type=latency latency=20 || fail "no fault"
	load_begin 20 50
	for i in 1 2; do
		gw_move a b
		gw_move b a
	done
	assert_eq "faults" 1 "$(gw_ctl a -j fault list | grep -c '"name": "late"')"
	gw_still_works
	gw_end
}

# gw_restart GATEWAY: the next process goes on.
gw_restart() {
	local old=${GW_PID[$1]}
	gw_up "$1" --takeover
	poll 20 pid_gone "$old" || fail "the old process does not end"
}

# A restart on either side, before and after a move.
gw_restarts() {
	gw_begin
	load_begin 10 20
	gw_restart a
	gw_move a b
	gw_restart b
	gw_still_works
	"$PENSTOCKD" -c "$GW_DIR/a/penstock.conf" --takeover \
		>"$TMP/refused" 2>&1 && fail "a took over what went to b"
	grep -q "go to or come from another gateway" "$TMP/refused" ||
		fail "$(<"$TMP/refused")"
	gw_end
}

# A crash of the gateway that has handed over: its next process does not tell
# the peers of connections that are not its own any more.
gw_crash_after() {
	gw_begin
	load_begin 10 20
	gw_move a b
	kill -KILL "${GW_PID[a]}"
	wait "${GW_PID[a]}" 2>/dev/null
	gw_up a
	assert_eq "peers to tell" 0 "$(gw_gauge a crash_untold)"
	gw_still_works
	gw_end
}

# By a command, which succeeds or fails.
gw_command() {
	gw_begin
	load_begin 10 20
	gw_ctl a handover -- false 2>"$TMP/err"
	assert_eq "exit code" 2 $?
	grep -q "the connections go on here" "$TMP/err" || fail "$(<"$TMP/err")"
	gw_is a running || fail "a does not go on"
	gw_ctl a --timeout=1 handover -- sleep 20 2>"$TMP/err"
	assert_eq "exit code of what takes too long" 2 $?
	gw_is a running || fail "a does not go on"
	gw_ctl a handover -- "$PENSTOCKCTL" -S "$GW_DIR/b/control.sock" takeover
	assert_eq "exit code" 0 $?
	gw_is a "handed over" || fail "a goes on"
	gw_take b
	gw_still_works
	gw_end
}

# The other side cannot read it, which a pipe does not tell.
gw_undo() {
	gw_begin
	load_begin 10 20
	gw_ctl a handover | false
	gw_ctl a handover | cat >/dev/null
	gw_is a "handed over" || fail "a goes on"
	gw_ctl a handover --undo || fail "no undo"
	gw_is a running || fail "a does not go on"
	gw_ctl a handover --undo 2>/dev/null && fail "undone twice"
	gw_still_works
	gw_end
}

# The reader goes away in the middle: too much for a pipe's buffer.
gw_broken_pipe() {
	gw_begin
	load_begin 20 20
	(
		set -o pipefail
		gw_ctl a handover 2>"$TMP/err" | head -c 1000 >/dev/null
	) && fail "it does not notice"
	grep -q "the connections go on here" "$TMP/err" || fail "$(<"$TMP/err")"
	gw_is a running || fail "a does not go on"
	gw_still_works
	gw_end
}

# gw_refuses FILE PATTERN: b takes none of it.
gw_refuses() {
	gw_ctl b takeover <"$1" >"$TMP/err" 2>&1
	assert_eq "exit code for $1" 2 $?
	grep -q "$2" "$TMP/err" || fail "$1: $(<"$TMP/err")"
	gw_has_flows b 0 || fail "$1: b has connections"
}

gw_bad_states() {
	local f=$TMP/state n
	gw_begin
	load_begin 5 10
	gw_ctl a handover >/dev/null 2>&1 && fail "it writes to nowhere"
	gw_ctl a handover >"$f" || fail "no state"
	gw_ctl a handover --undo || fail "no undo"
	n=$(stat -c %s "$f")
	: >"$TMP/empty"
	head -c 5000 "$(data_file 1048576)" >"$TMP/noise"
	head -c $((n - 1)) "$f" >"$TMP/short"
	head -c $((n / 2)) "$f" >"$TMP/half"
	cat "$f" "$TMP/noise" >"$TMP/long"
	cp "$f" "$TMP/version" # of the header's first field
	printf '\7' | dd of="$TMP/version" bs=1 seek=21 conv=notrunc 2>/dev/null
	gw_refuses "$TMP/empty" "nothing has come"
	for n in noise short half long; do
		gw_refuses "$TMP/$n" "no whole state of a penstockd"
	done
	gw_refuses "$TMP/version" "has format 7 of penstockd [0-9.]*; format 1"
	gw_still_works
	gw_end
}

# gw_endless: b ends what has no end.
gw_endless() {
	gw_begin "[penstock] max_memory = 16M" "[penstock] max_flows = 100"
	gw_ctl b takeover </dev/zero >"$TMP/err" 2>&1
	assert_eq "exit code" 2 $?
	grep -q "more than has room here" "$TMP/err" || fail "$(<"$TMP/err")"
	peer_run echo 100000 3
	gw_end
}

# What is here already is kept; what has no room is reset on both sides.
gw_no_room() {
	local i pids=()
	gw_begin
	gw_conf b "[penstock] max_flows = 2"
	gw_restart b
	for i in 1 2 3 4 5; do
		ip netns exec "$NS_C" /usr/bin/python3 tests/e2e/hold.py \
			"$SERVER" "$PORT_PEER" 600 >"$TMP/held.$i" &
		pids+=($!)
	done
	poll 10 gw_has_flows a 5 || fail "not connected"
	gw_move a b
	gw_says b "warn: takeover: 3 connections are reset: no room" ||
		fail "b does not say it"
	poll 30 gw_told 3 || fail "the clients were not told"
	poll 30 gw_connected 2 || fail "the server was not told"
	gw_has_flows b 2 || fail "two do not go on"
	kill -TERM "${pids[@]}" 2>/dev/null
	gw_end
}
gw_told() { [ "$(cat "$TMP"/held.* | grep -c end=ECONNRESET)" = "$1" ]; }
gw_connected() {
	[ "$(in_s ss -Htn state established | wc -l)" = "$1" ]
}

# A state comes to a gateway that has these connections.
gw_conflict() {
	gw_begin
	load_begin 5 10
	gw_ctl a handover >"$TMP/state" || fail "no state"
	gw_ctl a handover --undo || fail "no undo"
	gw_ctl a takeover <"$TMP/state" >"$TMP/out" 2>&1 || fail "refused"
	grep -q "^0 connections go on here" "$TMP/out" || fail "$(<"$TMP/out")"
	grep -q "^15 do not: their addresses are in use here" "$TMP/out" ||
		fail "$(<"$TMP/out")"
	gw_still_works
	gw_end
}

# When the time of --undo is over, a forgets them, and takes new ones.
gw_forgets() {
	gw_begin
	load_begin 5 10
	gw_ctl a --timeout=1 handover | gw_ctl b takeover
	gw_take b
	poll 10 gw_is a running || fail "a does not come back"
	assert_eq "connections of a" 0 "$(gw_gauge a flows)"
	gw_still_works
	gw_take a
	peer_run echo 100000 3
	assert_fields "$LINE" bad=- rx=100000 end=FIN
	gw_end
}

# --- keepalived --------------------------------------------------------------

# gw_unkept GATEWAY: the keepalived of a case that failed is gone, also its child.
gw_unkept() {
	local file
	for file in "$GW_DIR/$1"/{keepalived,vrrp}.pid; do
		[ -s "$file" ] && grep -qsx keepalived "/proc/$(<"$file")/comm" && return 1
	done
	return 0
}

# gw_keep GATEWAY PRIORITY: the example, with the paths of this test.
gw_keep() {
	local dir=$GW_DIR/$1
	poll 10 gw_unkept "$1" || fail "an earlier keepalived of $1 does not end"
	sed "s,/usr/sbin/penstockctl,$(realpath "$PENSTOCKCTL") -S $dir/control.sock,
		s,priority .*,priority $2,
		/enable_script_security/d" \
		conf/examples/keepalived/keepalived.conf >"$dir/keepalived.conf"
	start_in "${GW_NS[$1]}" "$dir/keepalived.log" keepalived --dont-fork \
		--vrrp --log-console -f "$dir/keepalived.conf" \
		-p "$dir/keepalived.pid" -r "$dir/vrrp.pid"
	GW_KEEP[$1]=$REPLY
}

gw_has_address() {
	in_gw "$1" ip -4 -o addr show dev sv | grep -qF 203.0.113.1/ &&
		in_gw "$1" ip -6 -o addr show dev sv | grep -qF 2001:db8::1/
}

# gw_kept: both with keepalived, and a has the addresses.
gw_kept() {
	gw_begin
	gw_take nobody
	gw_keep a 150
	poll 20 gw_has_address a || fail "a: $(<"$GW_DIR/a/keepalived.log")"
	gw_keep b 100
	poll 20 gw_carries || fail "no way to the server"
}

gw_kept_end() {
	local gw
	for gw in a b; do
		pid_end "${GW_KEEP[$gw]}"
	done
}

gw_probe() {
	rm -f "$TMP/probed"
	in_c tests/e2e/probe.py "$SERVER" "$PORT_PEER" "$TMP/probed" \
		>"$TMP/probe" 2>&1 &
	PROBE_PID=$!
	poll 20 grep -q up "$TMP/probe" || fail "no connection comes up"
}

gw_now() { cut -d' ' -f1 /proc/uptime; }

# gw_gap WHAT SINCE: from then on until a connection comes up that was begun when
# WHAT was over; 3 s are promised on a quiet machine.
gw_gap() {
	local over
	over=$(awk '{ printf "%.2f", $1 + 0.01 }' /proc/uptime) # rounded down
	poll 10 gw_first_up "$over" "$2" || fail "no new connection after $1"
	echo "$1: a new connection after $REPLY ms"
	: >"$TMP/probed"
	poll 10 pid_gone "$PROBE_PID"
	assert_num "ms" "$REPLY" -lt $((3000 * SLOW))
}

# gw_first_up OVER SINCE: the first that was begun at OVER or later, in ms.
gw_first_up() {
	REPLY=$(awk -v over="$1" -v since="$2" '$1 == "up" && $2 >= over {
		printf "%d", ($2 - since) * 1000; exit }' "$TMP/probe")
	[ -n "$REPLY" ]
}

# A host that fails: it is gone from both networks, and with all its programs.
gw_host_fails() {
	local since
	gw_kept
	gw_probe
	since=$(gw_now)
	in_gw a ip link set cl down
	in_gw a ip link set sv down
	kill -KILL "${GW_KEEP[a]}" "${GW_PID[a]}"
	poll 10 pid_gone "${GW_PID[a]}" || fail "penstockd does not end"
	gw_gap "the host has failed" "$since"
	gw_has_address b || fail "b does not have the addresses"
	gw_kept_end
}

gw_daemon_fails() {
	local since
	gw_kept
	gw_probe
	since=$(gw_now)
	kill -KILL "${GW_PID[a]}"
	# what it still took is no new connection
	poll 10 pid_gone "${GW_PID[a]}" || fail "penstockd does not end"
	gw_gap "penstockd has failed" "$since"
	gw_has_address b || fail "b does not have the addresses"
	gw_has_address a && fail "a keeps the addresses"
	gw_kept_end
}

# One command: the connections go, and the addresses follow.
gw_kept_move() {
	gw_kept
	load_begin 10 20
	gw_probe
	gw_ctl a handover -- "$PENSTOCKCTL" -S "$GW_DIR/b/control.sock" takeover
	assert_eq "exit code" 0 $?
	gw_gap "the connections were handed over" "$(gw_now)"
	poll 20 gw_has_address b || fail "b does not have the addresses"
	gw_still_works
	gw_kept_end
	gw_end
}

# --- ECMP --------------------------------------------------------------------
# The client's namespace is the router: it has both gateways as next hops, and
# who connects is a host behind it.

# gw_next_hops GATEWAY...: what the router has towards the servers.
gw_next_hops() {
	local gw v4=() v6=()
	for gw in "$@"; do
		gw=$([ "$gw" = a ] && echo 3 || echo 4)
		v4+=(nexthop via "198.51.100.$gw")
		v6+=(nexthop via "2001:db8:c::$gw")
	done
	in_c ip route replace 203.0.113.0/24 "${v4[@]}"
	in_c ip -6 route del 2001:db8::/64 2>/dev/null
	in_c ip -6 route add 2001:db8::/64 "${v6[@]}"
}

# gw_behind PREFIX4 PREFIX6: these networks are behind the router.
gw_behind() {
	local gw
	for gw in a b; do
		in_gw $gw ip route replace "$1" via 198.51.100.2
		in_gw $gw ip -6 route replace "$2" via 2001:db8:c::2
	done
}

# A host behind the router, in NS_X.
gw_customer() {
	NS_X=$1x-c
	TOPOS+=("$1x")
	ip netns add "$NS_X"
	ip -n "$NS_X" link set lo up
	ip -n "$NS_C" link add x type veth peer name up netns "$NS_X"
	in_c sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 \
		net.ipv4.fib_multipath_hash_policy=1 \
		net.ipv6.fib_multipath_hash_policy=1
	in_c ip addr add 192.0.2.1/24 dev x
	in_c ip -6 addr add 2001:db8:e::1/64 dev x nodad
	in_c ip link set x up
	ip -n "$NS_X" addr add 192.0.2.2/24 dev up
	ip -n "$NS_X" addr add 2001:db8:e::2/64 dev up nodad
	ip -n "$NS_X" link set dev up up
	ip -n "$NS_X" route add default via 192.0.2.1
	ip -n "$NS_X" -6 route add default via 2001:db8:e::1
	gw_behind 192.0.2.0/24 2001:db8:e::/64
}

# gw_across KEY=VALUE...: the SYN goes through a, the ACK through b.
gw_across() {
	local pid
	gw_begin "handshake = client_first" "tcp_syncookies = 2" "$@"
	gw_take nobody
	gw_behind 10.0.0.0/8 2001:db8:77::/48
	data_file 1024 >/dev/null
	gw_next_hops a
	rm -f "$TMP/go"
	# shellcheck disable=SC2086 # words
	in_c /usr/bin/python3 tests/e2e/rawtcp.py across $RAW_HTTP ts=1 \
		go="$TMP/go" >"$TMP/half" 2>&1 &
	pid=$!
	poll 10 grep -q open "$TMP/half" || fail "$(<"$TMP/half")"
	gw_next_hops b
	: >"$TMP/go"
	wait "$pid"
	LINE=$(tail -n 1 "$TMP/half")
	assert_num "bytes of <$LINE>" "$(field bytes "$LINE")" -ge 1024
	gw_ecmp_end
}

gw_ecmp_end() {
	in_c ip route del 203.0.113.0/24
	in_c ip -6 route del 2001:db8::/64
	gw_end
}

# gw_spread: connections through both, each by one of them.
gw_spread() {
	local a b
	gw_take nobody
	gw_next_hops a b
	rm -f "$TMP/ready" "$TMP/stop"
	ip netns exec "$NS_X" tests/e2e/handover.py "$SERVER" "$PORT_HTTP" \
		"f$((4 << 20))" "$(data_sum $((4 << 20)))" 10 40 \
		"$TMP/ready" "$TMP/stop" >"$TMP/load" 2>&1 &
	# shellcheck disable=SC2034 # of load_end
	LOAD_PID=$!
	poll 30 test -e "$TMP/ready" || fail "not connected: $(<"$TMP/load")"
	a=$(gw_gauge a flows) b=$(gw_gauge b flows)
	echo "$a connections by a, $b by b"
	assert_eq "connections" 50 $((a + b))
	assert_num "by a" "$a" -gt 0
	assert_num "by b" "$b" -gt 0
	load_end 60
	gw_ecmp_end
}

# Servers answer the gateway that has asked.
gw_spread_source() {
	gw_begin "source = gateway"
	gw_spread
}

# Servers see the clients' addresses, and return by the gateway from which a
# connection came: they know it by its MAC address.
gw_spread_marks() {
	local gw n=3 ipt mac
	gw_begin
	for gw in a b; do
		mac=$(in_gw $gw cat /sys/class/net/sv/address)
		for ipt in iptables ip6tables; do
			in_s $ipt -t mangle -A PREROUTING -m mac \
				--mac-source "$mac" -j CONNMARK --set-mark $n
		done
		in_s ip rule add fwmark $n lookup 10$n
		in_s ip route add default via 203.0.113.$n table 10$n
		in_s ip -6 rule add fwmark $n lookup 10$n
		in_s ip -6 route add default via 2001:db8::$n table 10$n
		n=$((n + 1))
	done
	in_s iptables -t mangle -A OUTPUT -j CONNMARK --restore-mark
	in_s ip6tables -t mangle -A OUTPUT -j CONNMARK --restore-mark
	gw_spread
	for ipt in iptables ip6tables; do
		in_s $ipt -t mangle -F
	done
}

# --- all ---------------------------------------------------------------------

gateways_case() {
	run_case "gateways_$1" "$2" "${@:3}"
}

gateways_moves() {
	gateways_case download_goes_on 60 gw_download
	gateways_case there_and_back 60 gw_there_and_back
	[ "$FAMILY" = 4 ] || return 0
	gateways_case restarts_before_and_after 60 gw_restarts
	gateways_case crash_after_a_move_tells_nobody 60 gw_crash_after
	gateways_case command_decides 60 gw_command
	gateways_case undo_goes_on 60 gw_undo
	gateways_case broken_pipe_goes_on 60 gw_broken_pipe
	gateways_case bad_states_are_refused 60 gw_bad_states
	gateways_case endless_state_is_ended 60 gw_endless
	gateways_case no_room_resets_the_rest 60 gw_no_room
	gateways_case conflict_keeps_what_is_here 60 gw_conflict
	gateways_case handed_over_is_forgotten 60 gw_forgets
}

gateways_cases() {
	local c=$NS_C s=$NS_S topo=gw${BASHPID}f$FAMILY
	penstock_on || return 0
	GW_DIR=$TMP/gateways
	gw_topo "$topo"
	start_peer_server
	gw_nginx
	# shellcheck disable=SC2034 # case_gateway_check reads it
	EXPECT_DEATH=1
	gateways_moves
	gw_customer "$topo"
	gateways_case ecmp_ack_by_the_other_gateway 60 gw_across \
		"source = gateway"
	gateways_case ecmp_source_gateway 60 gw_spread_source
	gateways_case ecmp_servers_return_by_marks 60 gw_spread_marks
	gateways_case keepalived_planned_move 60 gw_kept_move
	gateways_case keepalived_daemon_fails 60 gw_daemon_fails
	gateways_case keepalived_host_fails 60 gw_host_fails
	unset EXPECT_DEATH
	NS_C=$c NS_S=$s
}
