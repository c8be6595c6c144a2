#!/bin/bash
# SPDX-License-Identifier: MIT
#
# tfo_cookie.sh - our Fast Open cookies are the kernel's
#
#   tests/e2e/tfo_cookie.sh        (as root; a namespace of its own)
#
#   namespace penstock-tfo-PID
#   lo  10.9.8.1 client -----> 10.9.8.2 server    the kernel on both sides;
#       fd00:9:8::1     -----> fd00:9:8::2        its SYN-ACK is read on lo
set -eu
cd "$(dirname "$0")/../.."

NS=penstock-tfo-$$
KEY=00112233-44556677-8899aabb-ccddeeff
BACKUP=00000001-00000002-00000003-00000004
TMP=$(mktemp -d)

# shellcheck disable=SC2317 # called by the trap
cleanup() {
	ip netns del "$NS" 2>/dev/null || true
	rm -rf "$TMP"
}
trap cleanup EXIT

${CC:-cc} -std=gnu11 -D_GNU_SOURCE -Iinclude -o "$TMP/tfo_cookie" \
	tests/e2e/tfo_cookie.c src/shield/tfo.c src/util/hash.c -lsodium

ip netns add "$NS"
ip -n "$NS" link set lo up
ip -n "$NS" addr add 10.9.8.1/32 dev lo
ip -n "$NS" addr add 10.9.8.2/32 dev lo
ip -n "$NS" addr add fd00:9:8::1/128 dev lo nodad
ip -n "$NS" addr add fd00:9:8::2/128 dev lo nodad
ip netns exec "$NS" sysctl -qw net.ipv4.tcp_fastopen=3

failed=0
for key in "$KEY" "$BACKUP,$KEY"; do
	ip netns exec "$NS" sysctl -qw net.ipv4.tcp_fastopen_key="$key"
	for pair in "10.9.8.1 10.9.8.2" "fd00:9:8::1 fd00:9:8::2"; do
		# shellcheck disable=SC2086 # two addresses
		if ip netns exec "$NS" "$TMP/tfo_cookie" "$key" $pair; then
			echo "ok: $pair"
		else
			echo "FAILED: $pair under $key"
			failed=1
		fi
		# the kernel caches the cookie: forget it
		ip -n "$NS" tcp_metrics flush >/dev/null 2>&1 || true
	done
done
exit $failed
