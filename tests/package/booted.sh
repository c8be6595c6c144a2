#!/bin/bash
# SPDX-License-Identifier: MIT
# booted.sh - run by systemd.sh in its container, as the one thing booted.
set -u
export PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C
passed=0 failed=0

# verdict NAME COMMAND...: one case.
verdict() {
	local name=$1 out
	shift
	if out=$("$@" 2>&1); then
		passed=$((passed + 1))
		echo "ok - systemd: $name"
	else
		failed=$((failed + 1))
		printf '%s\n' "$out" | sed 's/^/# /' | tail -n 20
		journalctl --no-pager -q -n 12 -o cat -u penstockd.service -u penstock-rules.service | sed "s,^,# ,"
		echo "not ok - systemd: $name"
	fi
}

# until_true SECONDS COMMAND...
until_true() {
	local i
	for ((i = 0; i < $1 * 5; i++)); do
		"${@:2}" >/dev/null 2>&1 && return 0
		sleep 0.2
	done
	return 1
}

main_pid() { systemctl show -P MainPID penstockd.service; }

installs() {
	dpkg -i --force-confnew /give/penstock.deb || return 1
	cat >/etc/penstock/penstock.conf <<-'END'
		[penstock]
		queue = 7
		[service web]
		listen = 203.0.113.10:80
	END
}

starts() {
	# as udev has it; this one is the container's own
	mkdir -p /dev/net && rm -f /dev/net/tun &&
		mknod -m 666 /dev/net/tun c 10 200 || return 1
	ip link set lo up
	ip link add sv type veth peer name sv2
	ip link set sv2 up
	ip addr add 203.0.113.1/24 dev sv
	ip link set sv up
	systemctl start penstockd.service &&
		systemctl is-active penstockd.service penstock-rules.service
}

is_confined() {
	local pid status
	pid=$(main_pid)
	status=$(cat "/proc/$pid/status") || return 1
	echo "$status" | grep -E '^(Uid|Cap|NoNew|Seccomp)'
	[ "$(awk '/^Uid:/ { print $2 }' <<<"$status")" -ne 0 ] &&
		grep -q '^NoNewPrivs:.1$' <<<"$status" &&
		grep -q '^Seccomp:.2$' <<<"$status" &&
		grep -qx 00000010 "/proc/$pid/coredump_filter" &&
		[ "$(awk '/^CapEff:/ { print $2 }' <<<"$status")" = \
			0000000000001000 ]
}

doctor_is_content() {
	penstockctl doctor
	[ $? -le 1 ] && penstockctl -j doctor |
		jq -e '[.[] | select(.level == "bad")] == []'
}

reloads() {
	systemctl reload penstockd.service || return 1
	echo nonsense >>/etc/penstock/penstock.conf
	systemctl reload penstockd.service && return 1
	sed -i '/^nonsense$/d' /etc/penstock/penstock.conf
	systemctl reload penstockd.service && penstockctl status
}

# runs_anew PID: another process is ready.
runs_anew() {
	systemctl is-active penstockd.service && [ "$(main_pid)" != "$1" ]
}

kept() { systemctl show -P NFileDescriptorStore penstockd.service; }
keeps() { [ "$(kept)" = "$1" ]; }

# A client that only waits, and a download: both are reset, and so are their
# servers.
crash_tells_both_ends() {
	local before rc
	rm -f /tmp/held /tmp/held.end /tmp/big
	ip netns exec c bash -c 'exec 3<>/dev/tcp/203.0.113.10/80
		: >/tmp/held; read -r -t 100 -u 3; echo $? >/tmp/held.end' &
	ip netns exec c curl -s --limit-rate 2M -o /tmp/big \
		http://203.0.113.10/big &
	until_true 20 test -e /tmp/held && until_true 20 downloading || return 1
	before=$(main_pid)
	kill -9 "$before"
	wait $!
	rc=$?
	[ $rc = 56 ] || { echo "curl: $rc"; return 1; }
	until_true 40 test -e /tmp/held.end && until_true 20 no_connections ||
		return 1
	grep -qx 1 /tmp/held.end && runs_anew "$before" &&
		until_true 20 crash_is_logged && keeps 9
}

no_connections() {
	[ -z "$(ip netns exec s ss -Htn state established)" ]
}

crash_is_logged() {
	journalctl --no-pager -q -o cat -u penstockd.service |
		grep -q 'crash: found 2 conn.* 2 reset on both sides'
}

# What comes while no process runs waits, and is answered.
crash_keeps_queued_packets() {
	local before
	before=$(main_pid)
	kill -9 "$before"
	ip netns exec c curl -s -r 0-999 -o /tmp/some \
		http://203.0.113.10/big || return 1
	cmp -n 1000 /tmp/some /srv/www/big && runs_anew "$before" &&
		[ "$(awk '{ n += $6 + $7 } END { print n }' \
			/proc/net/netfilter/nfnetlink_queue)" = 0 ]
}

restarts_after_a_crash() {
	local before
	before=$(main_pid)
	[ "$before" != 0 ] && kill -9 "$before" || return 1
	until_true 40 runs_anew "$before" && penstockctl status
}

# A client and a server, and a download through a restart.
hosts_come_up() {
	local n
	for n in c s; do
		ip netns add $n && ip -n $n link set lo up || return 1
	done
	ip link add cl type veth peer name h netns c
	ip link set sv2 netns s name h
	ip addr add 198.51.100.1/24 dev cl
	ip link set cl up
	ip -n c addr add 198.51.100.2/24 dev h
	ip -n s addr add 203.0.113.10/24 dev h
	ip -n c link set dev h up
	ip -n s link set dev h up
	ip -n c route add default via 198.51.100.1
	ip -n s route add default via 203.0.113.1
	mkdir -p /srv/www && head -c 300M /dev/urandom >/srv/www/big
	(cd /srv/www && exec ip netns exec s python3 -m http.server 80) \
		>/dev/null 2>&1 &
	until_true 20 ip netns exec s curl -s http://127.0.0.1/
}

downloading() { [ "$(stat -c %s /tmp/big 2>/dev/null || echo 0)" -gt 1000000 ]; }

restart_keeps_connections() {
	local pid before i
	hosts_come_up || return 1
	systemctl reset-failed penstockd.service # so many starts are a failure
	ip netns exec c curl -s --limit-rate 30M -o /tmp/big \
		http://203.0.113.10/big &
	pid=$!
	until_true 20 downloading || return 1
	for i in 1 2 3; do
		before=$(main_pid)
		systemctl restart penstockd.service || return 1
		[ "$(main_pid)" != "$before" ] || return 1
		kill -0 $pid || { echo "the download is over"; return 1; }
	done
	wait $pid || { echo "curl: $?"; return 1; }
	cmp /tmp/big /srv/www/big &&
		journalctl --no-pager -q -o cat -u penstockd.service |
		grep -c 'takeover: [1-9][0-9]* connections of' | grep -qx 3
}

takeovers() {
	journalctl --no-pager -q -o cat -u penstockd.service |
		grep -c 'takeover: '
}

# What one process has left is for the next one only.
stop_keeps_nothing() {
	local before
	before=$(takeovers)
	systemctl stop penstockd.service || return 1
	[ "$(kept)" = 0 ] || { echo "systemd keeps $(kept)"; return 1; }
	systemctl start penstockd.service || return 1
	# queues, TUN, journal: for the process after a crash
	until_true 20 keeps 9 || { echo "systemd keeps $(kept)"; return 1; }
	[ "$(takeovers)" = "$before" ] || return 1
	systemctl reset-failed penstockd.service # so many starts are a failure
}

bad_file_is_not_tried_again() {
	echo nonsense >>/etc/penstock/penstock.conf
	systemctl restart penstockd.service && return 1
	sleep 3
	[ "$(systemctl show -P NRestarts penstockd.service)" -le 1 ] ||
		return 1
	sed -i '/^nonsense$/d' /etc/penstock/penstock.conf
	systemctl reset-failed penstockd.service
	systemctl start penstockd.service
}

# debian/tests, as Debian's own machines run them.
own_tests_pass() {
	cd / && autopkgtest -B /give/tree/ -- null # 0: none failed or skipped
}

answers_on_loopback_only() {
	curl -sf http://127.0.0.1:9464/healthz &&
		curl -sf -H "Authorization: Bearer $(</var/lib/penstock/http_token)" \
			http://127.0.0.1:9464/api/status &&
		! curl -sf http://127.0.0.1:9464/api/status
}

exposure() {
	local u most=14
	for u in penstockd.service penstock-rules.service; do
		systemd-analyze --no-pager security "$u" | tail -n 1
		systemd-analyze security --threshold=$most "$u" >/dev/null ||
			return 1
		most=23
	done
}

upgrades() {
	dpkg -i --force-confold /give/penstock.deb &&
		until_true 40 systemctl is-active penstockd.service
}

goes() {
	dpkg -r penstock || return 1
	until_true 40 test ! -e /sys/class/net/penstock0 || return 1
	! iptables-save -t raw | grep PENSTOCK && dpkg -P penstock &&
		[ ! -e /etc/penstock ]
}

verdict "the package installs" installs
verdict "the daemon starts, and the rules before it" starts
verdict "it has no root, one capability, seccomp" is_confined
verdict "penstockctl doctor finds nothing in the way" doctor_is_content
verdict "it answers on loopback" answers_on_loopback_only
verdict "its autopkgtest passes" own_tests_pass
systemctl reset-failed penstockd.service # so many starts are a failure
systemctl start penstockd.service
verdict "a reload works, a bad file makes it fail" reloads
verdict "a restart keeps connections" restart_keeps_connections
verdict "a stop ends them, and a start begins anew" stop_keeps_nothing
systemctl reset-failed penstockd.service # a quick host has had too many
verdict "after kill -9 both ends are told" crash_tells_both_ends
verdict "after kill -9 packets have waited" crash_keeps_queued_packets
verdict "it is started again after kill -9" restarts_after_a_crash
verdict "a bad file is not tried again" bad_file_is_not_tried_again
verdict "an upgrade leaves it running" upgrades
verdict "systemd-analyze security finds 1.4 or less, and 2.3 for the rules" exposure
verdict "removed and purged it leaves nothing" goes
echo "systemd: $passed passed, $failed failed"
