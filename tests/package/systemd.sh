#!/bin/bash
# SPDX-License-Identifier: MIT
# systemd.sh DEB - the package under a real systemd.
#
# systemd-nspawn boots this machine's own system, with whatever is written in
# memory only, a network of its own, and one target: tests/package/booted.sh,
# which installs the package and looks how its units live.  The machine itself
# keeps its /run, its packages and its network.
set -u
deb=$(realpath "$1") || exit 2
here=$(dirname "$(readlink -f "$0")")
LIMIT=240 # seconds, for a slow machine

[ "$(id -u)" = 0 ] || {
	echo "systemd: needs root" >&2
	exit 2
}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Everything from here on is in a mount namespace of its own.
inside() {
	mount -t tmpfs tmpfs "$work" || exit 2
	mkdir -p "$work"/{upper,lower,work,root,give} || exit 2
	cp "$deb" "$work/give/penstock.deb"
	cp "$here/booted.sh" "$work/give/"
	mkdir "$work/give/tree"
	cp -r "$here/../../debian" "$work/give/tree/"
	cp "$(dirname "$deb")/deb/debian/changelog" "$work/give/tree/debian/"
	mount --bind / "$work/lower"
	mount -t overlay overlay \
		-o "lowerdir=$work/lower,upperdir=$work/upper,workdir=$work/work" \
		"$work/root" || exit 2
	cat >"$work/root/etc/systemd/system/booted.service" <<-'END'
		[Unit]
		Wants=dbus.service
		After=basic.target dbus.service
		Requires=basic.target
		[Service]
		Type=oneshot
		ExecStart=/bin/bash /give/booted.sh
		ExecStopPost=/bin/systemctl --no-block poweroff --force
		StandardOutput=tty
		StandardError=tty
		TTYPath=/dev/console
	END
	rm -f "$work/root/usr/sbin/policy-rc.d" "$work/root/usr/sbin/penstockd" "$work/root/usr/sbin/penstockctl"
	mkdir -p "$work/root/give"
	mount -t tmpfs tmpfs /run && mkdir -p /run/systemd
	exec timeout "$LIMIT" systemd-nspawn --quiet --register=no --keep-unit \
		--directory="$work/root" --private-network --capability=all \
		--bind="$work/give:/give" --boot \
		systemd.unit=booted.service systemd.show_status=no
}
export -f inside
export work deb here LIMIT
unshare -m --propagation private bash -c inside 2>&1 </dev/null |
	tr -d '\r' >"$work/log"
if ! grep -aqE '^(ok|not ok) - systemd:' "$work/log"; then
	echo "# skip - systemd: it cannot be booted here:" \
		"$(grep -av '^ *$' "$work/log" | tail -n 1)"
	exit 0
fi
grep -aE '^(ok|not ok|#) ' "$work/log"
grep -aqE '^systemd: [0-9]+ passed, [0-9]+ failed' "$work/log" || {
	echo "not ok - systemd: it ended early:"
	tail -n 30 "$work/log" | sed 's/^/# /'
}
