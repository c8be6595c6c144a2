# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2153 # LINE is set by peer_run
#
# daemon.sh - penstockd as a process: how it starts or says why it cannot,
# what it answers, how it reloads, and what is left when it stops.  Each case
# starts a daemon of its own.

DAEMON_CONF=
DAEMON_LOG=
HTTP=127.0.0.1:9464

# daemon_conf KEY=VALUE...: conf_write, with HTTP; "-PORT" leaves a port out,
# "grace=T" is the grace of a stop.
daemon_conf() {
	local kv keys=() ports=$SERVICE_PORTS grace=1s
	for kv in "$@"; do
		case $kv in
		-*) ports=${ports/"${kv#-}"/} ;;
		grace=*) grace=${kv#*=} ;;
		*) keys+=("$kv") ;;
		esac
	done
	SERVICE_PORTS=$ports conf_write "$DAEMON_CONF" "${keys[@]}"
	sed -i "s/^shutdown_grace = .*/shutdown_grace = $grace/" "$DAEMON_CONF"
	sed -i "s/^http =$/http = $HTTP/" "$DAEMON_CONF"
}

# daemon_exec COMMAND...: inside the gateway, as the only process of the log.
daemon_exec() {
	ip netns exec "$NS_G" "$@" >"$DAEMON_LOG" 2>&1 </dev/null
}

daemon_log_has() { grep -qE "$1" "$DAEMON_LOG"; }

# daemon_up [COMMAND...]: rules and daemon; PENSTOCK_PID is its pid.
daemon_up() {
	rules_apply "$DAEMON_CONF" || fail "rules apply"
	# shellcheck disable=SC2034 # penstock_gauge reads it
	PENSTOCK_CONF=$DAEMON_CONF
	: >"$DAEMON_LOG"
	ip netns exec "$NS_G" "$@" "$PENSTOCKD" -c "$DAEMON_CONF" \
		>>"$DAEMON_LOG" 2>&1 </dev/null &
	PENSTOCK_PID=$!
	poll 10 daemon_up_or_dead
	penstock_alive || {
		cat "$DAEMON_LOG"
		fail "penstockd did not start"
	}
}

daemon_up_or_dead() {
	pid_gone "$PENSTOCK_PID" || daemon_log_has '^info: ready: '
}

# daemon_begin KEY=VALUE...: the case's first line.
daemon_begin() {
	penstock_on || skip "plain forwarding has no daemon"
	daemon_conf "$@"
	daemon_up
}

# daemon_gone SECONDS: it ends by itself, with exit code 0.
daemon_gone() {
	poll "$1" pid_gone "$PENSTOCK_PID" || fail "penstockd does not stop"
	wait "$PENSTOCK_PID"
	assert_eq "exit code" 0 $?
}

# daemon_end: stop, and nothing of the daemon is left.
daemon_end() {
	kill -TERM "$PENSTOCK_PID"
	daemon_gone 15
	[ ! -e "$TMP/control.sock" ] || fail "the control socket is left"
	daemon_queue_is_free || fail "the queue is still bound"
}

daemon_queue_is_free() {
	! in_g grep -q . /proc/net/netfilter/nfnetlink_queue
}

# By the socket, as the configuration may be a bad one just then.
ctl() { "$PENSTOCKCTL" -S "$TMP/control.sock" "$@"; }

# daemon_refuses CODE PATTERN COMMAND...: penstockd (at the command's end) says
# one line and exits.
daemon_refuses() {
	local want=$1 pattern=$2 rc
	shift 2
	daemon_exec timeout 10 "$@"
	rc=$?
	cat "$DAEMON_LOG"
	assert_eq "exit code" "$want" "$rc"
	daemon_log_has "$pattern" || fail "it does not say: $pattern"
	assert_eq "lines" 1 "$(grep -vc '^warn: ' "$DAEMON_LOG")"
}

# --- it starts, or says why not -----------------------------------------------

daemon_usage() {
	local out
	penstock_on || skip "plain forwarding has no daemon"
	out=$("$PENSTOCKD" --help) || fail "--help exits $?"
	for w in --config --test SIGHUP SIGTERM SIGUSR1; do
		[[ $out == *$w* ]] || fail "--help does not name $w"
	done
	[[ $("$PENSTOCKD" --version) =~ ^penstockd\ [0-9.]+$ ]] ||
		fail "--version"
	"$PENSTOCKD" --no-such-option 2>"$DAEMON_LOG"
	assert_eq "exit code of a bad option" 2 $?
	daemon_log_has "^usage: " || fail "no usage"
	"$PENSTOCKD" surplus 2>/dev/null
	assert_eq "exit code of a surplus word" 2 $?
	daemon_ctl_usage
}

# A wrong call says what is wrong with it, not only how it is done.
daemon_ctl_usage() {
	local call says out
	while IFS='|' read -r call says; do
		# shellcheck disable=SC2086 # words
		out=$("$PENSTOCKCTL" $call 2>&1 >/dev/null)
		assert_eq "exit code of: $call" 2 $?
		[[ $out == *"$says"* ]] || fail "$call: $out"
		[ "$(wc -l <<<"$out")" -le 2 ] || fail "$call: long: $out"
	done <<-'END'
		|no command
		nonsense|unknown command "nonsense"
		staus|unknown command "staus"; did you mean "status"?
		rules|rules takes print
		rules nonsense|unknown rules command "nonsense"
		rules chek|did you mean "check"?
		fault lst|unknown fault command "lst"; did you mean "list"?
		fault types latncy|unknown type "latncy"; did you mean "latency"?
		scenario rn x|did you mean "run"?
		fault|fault takes add
		fault lease|words for this
		scenario run|takes run or check, and files or directories
		-t status|-t takes no command
		-n 0 flows|-n takes
		-S /nowhere/sock status|no penstockd runs there
	END
	[[ $("$PENSTOCKCTL" --version) =~ ^penstockctl\ [0-9.]+$ ]] ||
		fail "penstockctl --version"
}

daemon_bad_file() {
	penstock_on || skip "plain forwarding has no daemon"
	daemon_refuses 2 "/nowhere.conf: cannot be opened: No such file" \
		"$PENSTOCKD" -c "$TMP/nowhere.conf"
	daemon_conf "no_such_key = 1"
	daemon_refuses 2 "daemon.conf:[0-9]+: \[service e2e\] no_such_key: " \
		"$PENSTOCKD" -c "$DAEMON_CONF"
	daemon_refuses 2 "daemon.conf:[0-9]+: \[service e2e\] no_such_key: " \
		"$PENSTOCKD" -t -c "$DAEMON_CONF"
	daemon_conf "[penstock] max_memory = 17M" "[penstock] workers = 2"
	daemon_refuses 2 "max_memory: .*allowed: 16M or more for each" \
		"$PENSTOCKD" -t -c "$DAEMON_CONF"
	daemon_conf
	"$PENSTOCKD" -t -c "$DAEMON_CONF" || fail "-t exits $? for a good file"
	daemon_queue_is_free || fail "-t binds the queue"
	echo "[penstock]" >"$TMP/empty.conf"
	"$PENSTOCKD" -t -c "$TMP/empty.conf" 2>"$TMP/said" ||
		fail "-t exits $? for a file without a service"
	"$PENSTOCKCTL" -t -c "$TMP/empty.conf" 2>>"$TMP/said" ||
		fail "penstockctl -t exits $? for a file without a service"
	assert_eq "warnings" 2 "$(grep -c '^warn.*: no service' "$TMP/said")"
}

daemon_no_capability() {
	local bare="setpriv --bounding-set -all --inh-caps -all"
	penstock_on || skip "plain forwarding has no daemon"
	daemon_conf
	rules_remove "$DAEMON_CONF"
	# shellcheck disable=SC2086 # words
	daemon_refuses 1 "^error: TUN penstock0: CAP_NET_ADMIN is missing" \
		$bare "$PENSTOCKD" -c "$DAEMON_CONF"
	# With the device there, the queue is what it may not have.
	rules_apply "$DAEMON_CONF" || fail "rules apply"
	# shellcheck disable=SC2086 # words
	daemon_refuses 1 "^error: queue 0: CAP_NET_ADMIN is missing" \
		$bare "$PENSTOCKD" -c "$DAEMON_CONF"
}

daemon_occupied() {
	daemon_begin
	sed "s,^control = .*,control = $TMP/other.sock,; s,^http = .*,http =," \
		"$DAEMON_CONF" >"$TMP/other.conf"
	DAEMON_LOG=$TMP/other.log
	daemon_refuses 1 "^error: queue 0: occupied by another process" \
		"$PENSTOCKD" -c "$TMP/other.conf"
	[ ! -e "$TMP/other.sock" ] || fail "its control socket is left"
	daemon_refuses 1 "^error: control .*: another penstockd answers there" \
		"$PENSTOCKD" -c "$DAEMON_CONF"
	sed -i "s/^http =$/http = $HTTP/" "$TMP/other.conf"
	daemon_refuses 1 "^error: http $HTTP: Address already in use" \
		"$PENSTOCKD" -c "$TMP/other.conf"
	DAEMON_LOG=$TMP/daemon.log
	assert_eq "the first one" '"pong"' "$(ctl ask '{"cmd":"ping"}')"
	peer_run echo 100000 3
	assert_fields "$LINE" bad=- rx=100000 end=FIN
	daemon_end
}

daemon_paths() {
	penstock_on || skip "plain forwarding has no daemon"
	daemon_conf
	sed -i 's,^control = .*,control = /proc/nowhere/c.sock,' "$DAEMON_CONF"
	daemon_refuses 1 "^error: control /proc/nowhere/c.sock: No such file" \
		"$PENSTOCKD" -c "$DAEMON_CONF"
	: >"$TMP/a-file"
	sed -i "s,^control = .*,control = $TMP/a-file," "$DAEMON_CONF"
	daemon_refuses 1 "^error: control .*/a-file: File exists" \
		"$PENSTOCKD" -c "$DAEMON_CONF"
	[ -e "$TMP/a-file" ] || fail "a file that is none of ours was removed"
	daemon_conf
	printf 'short\n' >"$TMP/bad-secret"
	chmod 600 "$TMP/bad-secret"
	sed -i "s,^secret_file = .*,secret_file = $TMP/bad-secret," \
		"$DAEMON_CONF"
	daemon_refuses 1 "^secret_file .*/bad-secret: found something else" \
		"$PENSTOCKD" -c "$DAEMON_CONF"
	daemon_refuses 2 "^secret_file .*/bad-secret: found something else" \
		"$PENSTOCKD" -t -c "$DAEMON_CONF"
}

daemon_no_tun() {
	penstock_on || skip "plain forwarding has no daemon"
	daemon_conf
	daemon_refuses 1 "^error: TUN penstock0: no /dev/net/tun: load module" \
		unshare -m sh -c "mount -t tmpfs none /dev/net &&
			exec '$PENSTOCKD' -c '$DAEMON_CONF'"
	rules_remove "$DAEMON_CONF"
	in_g ip link add penstock0 type veth
	DAEMON_LOG=$TMP/other.log
	(daemon_refuses 1 "^error: TUN penstock0: a device of that name" \
		"$PENSTOCKD" -c "$DAEMON_CONF")
	rc=$?
	in_g ip link del penstock0
	assert_eq "the refusal" 0 "$rc"
}

# Without `rules apply' there is no device: it makes one that goes with it.
daemon_makes_tun() {
	penstock_on || skip "plain forwarding has no daemon"
	daemon_conf
	rules_remove "$DAEMON_CONF"
	: >"$DAEMON_LOG"
	ip netns exec "$NS_G" "$PENSTOCKD" -c "$DAEMON_CONF" \
		>>"$DAEMON_LOG" 2>&1 </dev/null &
	PENSTOCK_PID=$!
	poll 10 daemon_up_or_dead
	in_g ip link show dev penstock0 up | grep -q penstock0 ||
		fail "no TUN device that is up"
	daemon_end
	in_g ip link show dev penstock0 2>/dev/null && fail "the TUN is left"
	return 0
}

# CAP_NET_ADMIN remains, and nothing else.
daemon_drops() {
	local status
	daemon_begin
	status=$(<"/proc/$PENSTOCK_PID/status")
	[[ $status =~ CapEff:[[:space:]]*0*1000[[:space:]] ]] ||
		fail "$(grep ^Cap <<<"$status")"
	[[ $status =~ NoNewPrivs:[[:space:]]*1 ]] || fail "no_new_privs is off"
	for t in "/proc/$PENSTOCK_PID/task/"*; do
		assert_eq "capabilities of $(<"$t/comm")" \
			"$(grep ^CapEff "/proc/$PENSTOCK_PID/status")" \
			"$(grep ^CapEff "$t/status")"
	done
	daemon_end
}

# Keys and payload get into no file.
daemon_core() {
	local dir=$TMP/core
	penstock_on || skip "plain forwarding has no daemon"
	! sanitized || skip "sanitizers make no cores"
	[[ $(</proc/sys/kernel/core_pattern) =~ ^[a-z.%]+$ ]] ||
		skip "cores go to $(</proc/sys/kernel/core_pattern)"
	rm -rf "$dir" && mkdir "$dir"
	daemon_conf
	PENSTOCKD=$(realpath "$PENSTOCKD")
	# shellcheck disable=SC2016 # the inner shell's
	daemon_up sh -c 'ulimit -c unlimited && cd "$0" && exec "$@"' "$dir"
	assert_eq "coredump_filter" 00000010 \
		"$(<"/proc/$PENSTOCK_PID/coredump_filter")"
	kill -ABRT "$PENSTOCK_PID"
	poll 10 pid_gone "$PENSTOCK_PID" || fail "it lives"
	assert_eq "cores" "" "$(ls "$dir")"
	(cd "$dir" && ulimit -c unlimited && exec sh -c 'kill -ABRT $$')
	[ -n "$(ls "$dir")" ] || skip "nobody can have a core here"
}

# --- it answers ---------------------------------------------------------------

# status_is EXPRESSION VALUE: of the daemon's status, as jq finds it.
status_is() {
	assert_eq "status $1" "$2" "$(ctl -j status | jq -r "$1")"
}

daemon_status() {
	local pid
	daemon_begin "[penstock] workers = 2" "[penstock] max_flows = 1000"
	ip netns exec "$NS_C" "$PEER" idle "$SERVER" "$PORT_IDLE" 60 5 \
		>/dev/null 2>&1 &
	pid=$!
	poll 5 daemon_flows_are 1 || fail "no flow"
	status_is .state running
	status_is .pid "$PENSTOCK_PID"
	status_is .workers 2
	status_is .flows_max 1000
	status_is .services[0] e2e
	status_is .half_open 0
	status_is .mem_held 0
	status_is .mem_limit $((512 << 20))
	assert_eq "flows" 1 "$(ctl flows | grep -c .)"
	ctl flows | grep -qF "e2e $(daemon_host "$CLIENT"):" ||
		fail "flows: $(ctl flows)"
	assert_eq "flows -j" "e2e ESTABLISHED ESTABLISHED" "$(ctl -j flows |
		jq -r '.[0] | .service + " " + .client.state + " " + .server.state')"
	assert_eq "flows, at most 0 or more" 1 "$(ctl -n 1 flows | wc -l)"
	kill -KILL "$pid"
	poll 5 daemon_flows_are 0 || fail "the flow stays: $(ctl flows)"
	daemon_end
}

daemon_flows_are() { [ "$(ctl -j status | jq .flows)" = "$1" ]; }

# What the host uses holds where the configuration does not choose.
daemon_cc_of_host() {
	in_g sysctl -qw net.ipv4.tcp_congestion_control=reno
	daemon_begin
	daemon_talk 1
	ctl flows | grep -q 'client(.* cc=newreno) server(.* cc=newreno)' ||
		fail "$(ctl flows)"
	daemon_talk_ends
	daemon_end
	daemon_conf "tcp_congestion_control = client:bbr"
	assert_eq "in force" \
		"service e2e: tcp_congestion_control client:bbr server:newreno" \
		"$(in_g "$PENSTOCKD" -t -v -c "$DAEMON_CONF")"
}

daemon_host() {
	if [ "$FAMILY" = 6 ]; then echo "[$1]"; else echo "$1"; fi
}

# nstat_of NAME: from `penstockctl nstat'.
nstat_of() { ctl nstat -z | awk -v n="$1" '$1 == n { print $2 }'; }

daemon_counters() {
	local n out
	daemon_begin "[penstock] workers = 2"
	assert_eq "before" 0 "$(nstat_of TcpPassiveOpens@e2e)"
	for n in 1 2 3 4 5; do
		peer_run echo 100000 "$n"
		assert_fields "$LINE" rx=100000 bad=- end=FIN
	done
	assert_eq "passive opens" 5 "$(nstat_of TcpPassiveOpens@e2e)"
	assert_eq "active opens" 5 "$(nstat_of TcpActiveOpens@e2e)"
	assert_num "rx_packets" "$(nstat_of rx_packets)" -ge 100
	assert_num "rx_bytes" "$(nstat_of rx_bytes)" -ge 1000000
	assert_eq "loss" 0 "$(nstat_of queue_dropped)"
	ctl nstat | grep -q ' 0 *$' && fail "a counter that is 0 without -z"
	out=$(in_g curl -sf "http://$HTTP/metrics")
	grep -qxF 'penstock_tcp_passive_opens_total{service="e2e"} 5' \
		<<<"$out" || fail "metrics: $(grep passive <<<"$out")"
	grep -qxF '# TYPE penstock_flows gauge' <<<"$out" || fail "no gauge"
	grep -qxF "penstock_rx_bytes_total $(nstat_of rx_bytes)" <<<"$out" ||
		fail "metrics and nstat differ"
	: >"$TMP/usr1"
	kill -USR1 "$PENSTOCK_PID"
	poll 5 daemon_log_has '^TcpPassiveOpens@e2e +5 *$' ||
		fail "SIGUSR1 prints nothing"
	daemon_end
}

# A name that begins as the kernel's counters do is the name of one.  Linux had
# PAWSPassive as long as it had tcp_tw_recycle.
daemon_nstat_names() {
	daemon_begin
	in_g nstat -asz | awk '/^Tcp/ { print $1 }' | sort >"$TMP/kernel.names"
	assert_num "names of the kernel" "$(grep -c . "$TMP/kernel.names")" \
		-gt 80
	ctl nstat -z | awk '/^Tcp/ { sub(/@.*/, "", $1); print $1 }' |
		sort -u >"$TMP/our.names"
	assert_num "names of ours" "$(grep -c . "$TMP/our.names")" -gt 50
	assert_eq "names that are no kernel's" TcpExtPAWSPassive \
		"$(comm -13 "$TMP/kernel.names" "$TMP/our.names")"
	daemon_end
}

# The parsers of Prometheus read both forms; promtool also wants a HELP for each.
daemon_metrics_parsers() {
	daemon_begin
	in_g curl -sf "http://$HTTP/metrics" >"$TMP/metrics" || fail "curl"
	promtool check metrics <"$TMP/metrics" || fail "promtool"
	in_g curl -sf -H 'Accept: application/openmetrics-text; version=1.0.0' \
		"http://$HTTP/metrics" >"$TMP/metrics" || fail "curl"
	assert_eq "families with a unit" "yes" "$(/usr/bin/python3 -c '
import sys
from prometheus_client.openmetrics import parser
found = list(parser.text_fd_to_metric_families(sys.stdin))
assert len(found) > 100, len(found)
assert all(f.documentation for f in found)
print("yes" if any(f.unit == "bytes" for f in found) else "no")
' <"$TMP/metrics")"
	in_g curl -sf "http://$HTTP/metrics" |
		grep -qE '^penstock_build_info\{version="[^"]+"\} 1$' ||
		fail "no build_info"
	assert_eq "reload" 1 "$(nstat_of config_last_reload_successful)"
	echo nonsense >>"$DAEMON_CONF"
	ctl reload && fail "nonsense was taken"
	assert_eq "reload" 0 "$(nstat_of config_last_reload_successful)"
	daemon_end
}

# doctor EXIT_CODE [CHECK TEXT]: what it finds in the way.
doctor() {
	local rc
	in_g "$PENSTOCKCTL" -S "$TMP/control.sock" -c "$DAEMON_CONF" doctor \
		>"$TMP/doctor" 2>&1
	rc=$?
	cat "$TMP/doctor"
	assert_eq "exit code" "$1" "$rc"
	[ $# = 1 ] || grep -qE "^bad +$2 .*$3" "$TMP/doctor" ||
		fail "not found: $2: $3"
}

# doctor_mends CHECK: the command that it names, done.
doctor_mends() {
	local how
	how=$(grep -A1 -E "^bad +$1 " "$TMP/doctor" |
		sed -n 's/^ *mend: //p')
	[ -n "$how" ] || fail "$1: no command that mends it"
	in_g sh -c "$how" || fail "$1: $how"
}

# Each thing in the way is named, the command mends it, and nothing is named
# that is not in the way.
daemon_doctor() {
	local tables=iptables dst="$SERVER/32"
	[ "$FAMILY" = 4 ] || tables=ip6tables dst="$SERVER/128"
	daemon_begin
	doctor 0
	in_g $tables -P FORWARD DROP
	doctor 1 forward "$tables: FORWARD drops"
	doctor_mends forward
	doctor 0
	in_g $tables -F FORWARD
	in_g $tables -P FORWARD ACCEPT
	in_g $tables -t raw -F PENSTOCK_Q
	doctor 1 rules "differences"
	rules_apply "$DAEMON_CONF"
	doctor 0
	in_g ip route add blackhole "$dst"
	doctor 1 routes "no route to $SERVER"
	in_g ip route del blackhole "$dst"
	chmod 644 "$TMP/secret"
	doctor 1 secret "can be read by others"
	doctor_mends secret
	doctor 0
	daemon_end
	doctor 1 daemon "does not answer"
	doctor 1 queues "have no reader"
}

has_metric() { [ -n "$(nstat_of "$1")" ]; }

# What the alerts and the dashboard name is there, and they do what they say.
daemon_alerts() {
	daemon_begin
	poll 10 has_metric rules_ok || fail "rules_ok is not known"
	poll 10 has_metric under_attack@e2e || fail "nobody watches for attacks"
	in_g curl -sf "http://$HTTP/metrics" >"$TMP/metrics" || fail "curl"
	/usr/bin/python3 tests/prometheus/names.py "$TMP/metrics" \
		conf/prometheus/penstock.rules.yml \
		conf/grafana/penstock.json "$TMP/panels.yml" ||
		fail "names"
	promtool check rules "$TMP/panels.yml" || fail "expressions"
	promtool test rules tests/prometheus/penstock.test.yml ||
		fail "alerts"
	daemon_end
}

# Every line of /metrics is a comment or NAME{LABELS} NUMBER, and the samples
# of a name stand together behind their one TYPE.
daemon_metrics_form() {
	daemon_begin
	in_g curl -sf "http://$HTTP/metrics" >"$TMP/metrics" || fail "curl"
	assert_num "lines" "$(grep -c . "$TMP/metrics")" -gt 100
	grep -vE '^# (HELP|TYPE) penstock_[a-z0-9_]+ [[:print:]]+$' \
		"$TMP/metrics" | grep -vE \
		'^penstock_[a-z0-9_]+(\{([a-z]+="[^"]*",?)+\})? [0-9]+$' |
		grep -vE '^penstock_[a-z_]+_seconds_sum\{[^}]*\} [0-9]+\.[0-9]{6}$' &&
		fail "malformed"
	assert_eq "names with two TYPE lines" "" \
		"$(grep '^# TYPE' "$TMP/metrics" | sort | uniq -d)"
	assert_eq "samples twice" "" "$(grep -v '^#' "$TMP/metrics" |
		sed 's/ [0-9]*$//' | sort | uniq -d)"
	assert_eq "types of names apart" "" "$(awk '
		/^# TYPE/ { if (seen[$3]++) print $3; now = $3; hist = $4 == "histogram"; next }
		/^#/ { next }
		{ sub(/[{ ].*/, "") }
		hist { if (!sub(/_(bucket|sum|count)$/, "")) print }
		$0 != now' "$TMP/metrics")"
	daemon_end
}

http_code() {
	in_g curl -s -o "$TMP/body" -w '%{http_code}' "$@"
}

daemon_http() {
	local u key
	daemon_begin
	key="Authorization: Bearer $(<"$TMP/http_token")"
	for u in / /metrics /healthz /api/status /api/counters "/api/flows?max=3"; do
		assert_eq "GET $u" 200 "$(http_code -H "$key" "http://$HTTP$u")"
	done
	assert_eq "GET /nowhere" 404 "$(http_code "http://$HTTP/nowhere")"
	u=$(http_code -H "$key" -X POST "http://$HTTP/api/status")
	assert_num "POST" "$u" -ge 400
	assert_eq "api/status" running "$(in_g curl -s -H "$key" \
		"http://$HTTP/api/status" | jq -r .state)"
	daemon_end
}

# Whatever a client sends: an answer or an end, and the daemon goes on.
daemon_nonsense() {
	local out
	daemon_begin
	assert_eq ping '"pong"' "$(ctl ask '{"cmd":"ping"}')"
	out=$(ctl ask '{"cmd":"no such"}' 2>&1)
	assert_eq "unknown command" "2 unknown command" "$? $out"
	out=$(printf 'nonsense\n{"cmd":1}\n{}\n[]\n{"cmd":"ping"}\n' |
		timeout 10 socat -t5 - "UNIX-CONNECT:$TMP/control.sock")
	assert_eq "answers" 5 "$(grep -c . <<<"$out")"
	assert_eq "errors" 4 "$(grep -c '"ok":false' <<<"$out")"
	head -c 1000000 /dev/zero | timeout 10 socat -t5 - \
		"UNIX-CONNECT:$TMP/control.sock" >"$TMP/body" 2>/dev/null
	head -c 1000000 /dev/urandom | timeout 10 in_g socat -t5 - \
		"TCP:$HTTP" >"$TMP/body" 2>/dev/null
	penstock_alive || fail "penstockd died"
	assert_eq ping '"pong"' "$(ctl ask '{"cmd":"ping"}')"
	daemon_end
}

# --- it reloads ---------------------------------------------------------------

# scales PORT: the client's kernel scales windows of its connection there.
scales() {
	in_c ss -Htin state established "dport = :$1" | grep -q ' wscale:'
}

# A connection that speaks now and SECONDS later; its pid in PID.
daemon_talk() {
	ip netns exec "$NS_C" "$PEER" idle "$SERVER" "$PORT_IDLE" "$1" 7 \
		>"$TMP/talk.out" 2>&1 &
	PID=$!
	poll 5 daemon_flows_are 1 || fail "no flow"
}

daemon_talk_ends() {
	local line
	wait "$PID"
	line=$(<"$TMP/talk.out")
	assert_fields "$line" bad=- rx=2000 tx=2000 end=FIN
	line=$(server_line "$line")
	assert_fields "$line" bad=- rx=2000 tx=2000 end=FIN
}

daemon_hup() { kill -HUP "$PENSTOCK_PID"; }
daemon_ctl_reload() { ctl reload; }

# A second connection, which ends when the server has paused; its pid in PID2.
daemon_talk_new() {
	ip netns exec "$NS_C" "$PEER" run "$SERVER" "$PORT_PEER" slow 2000 3 \
		>"$TMP/new.out" 2>&1 &
	PID2=$!
	poll 5 daemon_flows_are 2 || fail "no new flow"
	poll 5 established_in "$NS_S" || fail "not connected"
}

daemon_talk_new_ends() {
	wait "$PID2"
	assert_fields "$(<"$TMP/new.out")" bad=- end=FIN
}

# Policies show in what the client's kernel agrees on with the daemon.
# $1: how to reload.
daemon_reload_good() {
	daemon_begin "handshake = client_first" "tcp_window_scaling = 1"
	daemon_talk 3
	poll 5 scales "$PORT_IDLE" || fail "no scaled windows before"
	daemon_conf "handshake = client_first" "tcp_window_scaling = 0" \
		"[penstock] max_flows = 1000" "[penstock] log_level = debug" \
		"[penstock] http_write = yes"
	"$1" || fail "$1 exits $?"
	poll 5 daemon_log_has "^info: reload: 1 services from " ||
		fail "nothing logged"
	daemon_log_has "^warn: reload: max_flows, .* at a restart" ||
		fail "no word of what a reload cannot change"
	daemon_log_has "^warn: reload: .*http_write .* at a restart" ||
		fail "no word of http_write"
	daemon_talk_new
	scales "$PORT_PEER" && fail "the new flow has the old policy"
	scales "$PORT_IDLE" || fail "the running flow changed"
	daemon_talk_new_ends
	daemon_talk_ends
	daemon_end
}

# $1: log_debug.  One connection that begins after a reload to it.
daemon_log_debug_is() {
	daemon_begin
	daemon_conf "[penstock] log_level = debug" "[penstock] log_debug = $1"
	ctl reload || fail "reload exits $?"
	ip netns exec "$NS_C" "$PEER" run "$SERVER" "$PORT_PEER" echo 1000 1 \
		>/dev/null || fail "no connection"
}

daemon_log_debug() {
	penstock_on || skip "plain forwarding has no daemon"
	daemon_log_debug_is "$SERVER"
	daemon_log_has "^debug: e2e serial=.*: server leg " ||
		fail "the flow is not reported by its address"
	daemon_end
	daemon_log_debug_is 192.0.2.99
	daemon_log_has "^debug: e2e" && fail "another address is reported"
	daemon_end
}

daemon_reload_bad() {
	local out
	daemon_begin "tcp_window_scaling = 1"
	daemon_talk 3
	daemon_conf "tcp_timestamps = 7" "tcp_window_scaling = 0" \
		"no_such_key = 1" "[penstock] log_level = error"
	kill -HUP "$PENSTOCK_PID"
	poll 5 daemon_log_has "^error: reload: .*nothing was changed" ||
		fail "SIGHUP: no refusal is logged"
	daemon_log_has "^error: reload: .*daemon.conf:[0-9]+: .*no_such_key" ||
		fail "SIGHUP: the reason is not logged"
	out=$(ctl reload 2>&1)
	assert_eq "exit code of reload" 2 $?
	grep -q "daemon.conf:[0-9]*: .*tcp_timestamps: " <<<"$out" ||
		fail "reload does not say: $out"
	grep -q "daemon.conf:[0-9]*: .*no_such_key: " <<<"$out" ||
		fail "reload does not say all: $out"
	daemon_reload_bad_by_file
	daemon_talk_new
	scales "$PORT_PEER" || fail "the new flow has the bad file's policy"
	daemon_talk_new_ends
	daemon_talk_ends
	rm "$DAEMON_CONF"
	ctl reload 2>/dev/null
	assert_eq "exit code without the file" 2 $?
	status_is .state running
	daemon_end
}

# Who names the bad file finds the socket in it all the same: the daemon logs
# what is wrong, and the caller learns it.  So does systemctl reload.
daemon_reload_bad_by_file() {
	local cmd
	: >"$DAEMON_LOG"
	"$PENSTOCKCTL" -c "$DAEMON_CONF" reload 2>/dev/null
	assert_eq "exit code of reload by the file" 2 $?
	daemon_log_has "^error: reload: .*daemon.conf:[0-9]+: .*no_such_key" ||
		fail "penstockctl: the reason is not logged"
	cmd=$(sed -n 's,^ExecReload=/usr/sbin/penstockctl ,,p' \
		systemd/penstockd.service)
	[ -n "$cmd" ] || fail "the unit reloads by something else"
	: >"$DAEMON_LOG"
	# shellcheck disable=SC2086 # words
	"$PENSTOCKCTL" ${cmd//\/etc\/penstock\/penstock.conf/"$DAEMON_CONF"} \
		2>/dev/null
	assert_eq "exit code of the unit's reload" 2 $?
	daemon_log_has "no_such_key" || fail "systemd: it is not logged"
}

# A service that goes: its connection ends as it began, a new one is passed
# on unchanged, to a server that answers it itself.
daemon_reload_removes() {
	local n
	daemon_begin
	daemon_talk 3
	daemon_conf "-$PORT_PEER" "-$PORT_IDLE"
	ctl reload 2>"$TMP/err" # taken, but its rules are there still
	assert_eq "exit code of reload" 1 $?
	grep -q "unexpected: .*--dport $PORT_PEER " "$TMP/err" ||
		fail "reload does not say what is there too much"
	n=$(nstat_of TcpPassiveOpens@e2e)
	peer_run echo 100000 9
	assert_fields "$LINE" bad=- rx=100000 end=FIN
	assert_eq "flows made" "$n" "$(nstat_of TcpPassiveOpens@e2e)"
	assert_num "passed on" "$(nstat_of verdict_accept)" -gt 0
	daemon_talk_ends
	daemon_end
}

# --- it stops -----------------------------------------------------------------

# What runs may end within the grace; then nothing waits for the grace's end.
daemon_drains() {
	local before
	daemon_begin grace=60s
	daemon_talk 3
	kill -TERM "$PENSTOCK_PID"
	poll 5 daemon_log_has "stop: no new connections; 1 have 60000 ms" ||
		fail "no word of stopping"
	assert_eq "state" stopping "$(ctl -j status | jq -r .state)"
	ctl reload 2>"$TMP/body" && fail "it reloads while it stops"
	before=$(wc -l <"$TMP/peer.log")
	peer_run --connect-ms 1500 echo 10 1
	[ "$(field end "$LINE")" != FIN ] || fail "a new connection was taken"
	assert_eq "connections at the server" "$before" \
		"$(wc -l <"$TMP/peer.log")"
	daemon_talk_ends
	daemon_gone 15
	assert_eq "resets" 0 "$(grep -c 'connections are reset' "$DAEMON_LOG")"
}

# $1: what ends it early.
daemon_resets() {
	local before
	daemon_begin "grace=$2"
	before=$(wc -l <"$TMP/peer.log")
	ip netns exec "$NS_C" "$PEER" run "$SERVER" "$PORT_PEER" \
		send $((64 << 30)) 9 >"$TMP/talk.out" 2>&1 &
	PID=$!
	poll 5 established_in "$NS_S" || fail "not connected"
	kill -TERM "$PENSTOCK_PID"
	"$1"
	wait "$PID"
	poll 20 server_log_beyond "$before" || fail "the server hangs"
	assert_fields "$(<"$TMP/talk.out")" bad=- end=RST
	assert_fields "$(tail -n 1 "$TMP/peer.log")" bad=- end=RST
	daemon_gone 10
	daemon_log_has "stop: 1 connections are reset" || fail "nothing logged"
}

daemon_waits() { :; }
daemon_term_again() {
	poll 5 daemon_log_has "stop: no new connections" || fail "no word"
	kill -TERM "$PENSTOCK_PID"
}
daemon_stop_again() {
	poll 5 daemon_log_has "stop: no new connections" || fail "no word"
	ctl stop || fail "the second stop exits $?"
}

daemon_ctl_stop() {
	daemon_begin
	"$PENSTOCKCTL" -c "$DAEMON_CONF" stop || fail "stop exits $?"
	daemon_gone 10
	[ ! -e "$TMP/control.sock" ] || fail "the control socket is left"
}

# Nothing of rules and daemon remains, to the letter.
daemon_leaves_nothing() {
	local before
	penstock_on || skip "plain forwarding has no daemon"
	daemon_conf
	rules_remove "$DAEMON_CONF"
	before=$(gateway_state)
	daemon_up
	peer_run echo 100000 3
	assert_fields "$LINE" bad=- rx=100000 end=FIN
	[ "$before" != "$(gateway_state)" ] || fail "the comparison is blind"
	daemon_end
	rules_remove "$DAEMON_CONF" || fail "rules remove"
	assert_eq "what the gateway had before" "$before" "$(gateway_state)"
	rules_apply "$DAEMON_CONF"
}

# Killed, it leaves its socket; the next one takes its place, and resets what
# the dead one's peers still send.
daemon_killed() {
	daemon_begin
	daemon_talk 2
	kill -KILL "$PENSTOCK_PID"
	wait "$PENSTOCK_PID" 2>/dev/null
	[ -e "$TMP/control.sock" ] || fail "this shows nothing"
	daemon_up
	wait "$PID"
	assert_fields "$(<"$TMP/talk.out")" bad=- end=RST
	peer_run echo 100000 4
	assert_fields "$LINE" bad=- rx=100000 end=FIN
	daemon_end
}

notified() { grep -q "$1" "$TMP/notified"; }

daemon_notifies() {
	penstock_on || skip "plain forwarding has no daemon"
	: >"$TMP/notified"
	rm -f "$TMP/notify.sock"
	socat -u "UNIX-RECV:$TMP/notify.sock" "OPEN:$TMP/notified,append" &
	poll 5 test -S "$TMP/notify.sock" || fail "socat"
	daemon_conf
	daemon_up env "NOTIFY_SOCKET=$TMP/notify.sock" WATCHDOG_USEC=200000
	poll 5 notified READY=1 || fail "no READY=1"
	poll 5 notified WATCHDOG=1 || fail "no WATCHDOG=1"
	kill -HUP "$PENSTOCK_PID"
	poll 5 notified RELOADING=1 || fail "no RELOADING=1"
	kill -TERM "$PENSTOCK_PID"
	poll 5 notified STOPPING=1 || fail "no STOPPING=1"
	daemon_gone 10
}

# Without its device it can send nothing: it ends, to be started again.
daemon_tun_removed() {
	daemon_begin
	rules_remove "$DAEMON_CONF" || fail "rules remove"
	poll 10 pid_gone "$PENSTOCK_PID" || fail "penstockd goes on"
	wait "$PENSTOCK_PID"
	assert_eq "exit code" 1 $?
	daemon_log_has "^error: worker 0: TUN penstock0 was removed" ||
		fail "it does not say why: $(<"$DAEMON_LOG")"
}

daemon_case() {
	local name=$1
	shift
	run_case "daemon_$name" 60 "$@"
}

daemon_start_cases() {
	daemon_case usage_is_told daemon_usage
	daemon_case bad_file_exits_2 daemon_bad_file
	daemon_case without_capability_says_so daemon_no_capability
	daemon_case occupied_queue_socket_port_are_named daemon_occupied
	daemon_case unusable_paths_are_named daemon_paths
	daemon_case missing_tun_driver_is_named daemon_no_tun
	daemon_case missing_tun_device_is_made_and_goes daemon_makes_tun
	daemon_case running_keeps_one_capability daemon_drops
	daemon_case ends_without_a_core daemon_core
}

daemon_answer_cases() {
	daemon_case status_and_flows_tell_the_truth daemon_status
	daemon_case counters_agree_everywhere daemon_counters
	daemon_case nstat_names_are_the_kernels daemon_nstat_names
	daemon_case metrics_are_well_formed daemon_metrics_form
	daemon_case metrics_satisfy_their_parsers daemon_metrics_parsers
	daemon_case alerts_and_dashboard_name_what_there_is daemon_alerts
	daemon_case doctor_names_what_is_in_the_way daemon_doctor
	daemon_case http_reads_only daemon_http
	daemon_case cc_of_host daemon_cc_of_host
	daemon_case nonsense_is_survived daemon_nonsense
}

daemon_policy_cases() {
	daemon_case sighup_new_flows_new_policy daemon_reload_good daemon_hup
	daemon_case ctl_reload_new_flows_new_policy daemon_reload_good \
		daemon_ctl_reload
	daemon_case log_debug_limits_what_is_reported daemon_log_debug
	daemon_case bad_reload_keeps_old_policy daemon_reload_bad
	daemon_case reload_removes_service_flow_stays daemon_reload_removes
}

daemon_stop_cases() {
	daemon_case sigterm_lets_flows_end daemon_drains
	daemon_case sigterm_grace_over_resets_both daemon_resets \
		daemon_waits 1s
	daemon_case second_sigterm_resets_both daemon_resets \
		daemon_term_again 600s
	daemon_case second_stop_is_answered_and_resets_both daemon_resets \
		daemon_stop_again 600s
	daemon_case ctl_stop_is_answered daemon_ctl_stop
	daemon_case stop_leaves_nothing daemon_leaves_nothing
	daemon_case killed_then_started_resets_and_serves daemon_killed
	daemon_case systemd_is_told daemon_notifies
	daemon_case tun_removed_exits_1 daemon_tun_removed
}

daemon_cases() {
	penstock_on && stop_penstockd
	DAEMON_CONF=$TMP/daemon.conf DAEMON_LOG=$TMP/daemon.log
	# shellcheck disable=SC2034 # case_gateway_check reads it
	EXPECT_DEATH=1
	daemon_start_cases
	daemon_answer_cases
	daemon_policy_cases
	daemon_stop_cases
	penstock_on && rules_remove "$DAEMON_CONF" >/dev/null 2>&1
	unset EXPECT_DEATH
}
