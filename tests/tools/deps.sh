#!/bin/bash
# SPDX-License-Identifier: MIT
# deps.sh PACKAGE... - install the Debian packages that are missing.
#
# Says nothing and touches nothing when all are there.  Services that come with
# a package (nginx, haproxy, postgresql) are not started: the tests start their
# own, inside network namespaces.
set -eu

missing=()
for p in "$@"; do
	status=$(dpkg-query -W -f '${db:Status-Status}\n' "$p" 2>/dev/null |
		head -n 1 || true)
	[ "$status" = installed ] || missing+=("$p")
done
[ "${#missing[@]}" -gt 0 ] || exit 0

echo "deps: installing ${missing[*]}"
if [ "$(id -u)" -ne 0 ]; then
	echo "deps: not root; run: sudo apt-get install ${missing[*]}" >&2
	exit 1
fi

policy=/usr/sbin/policy-rc.d
if [ ! -e $policy ]; then
	trap 'rm -f $policy' EXIT
	printf '#!/bin/sh\nexit 101\n' >$policy
	chmod 755 $policy
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update -q >/dev/null
apt-get install -q -y --no-install-recommends "${missing[@]}" </dev/null \
	>/tmp/penstock-deps.$$ 2>&1 || {
	tail -n 30 /tmp/penstock-deps.$$ >&2
	rm -f /tmp/penstock-deps.$$
	exit 1
}
rm -f /tmp/penstock-deps.$$
