#!/bin/bash
# SPDX-License-Identifier: MIT
#
# tw_kernel.sh - our TIME_WAIT does what the kernel's does
#
#   tests/e2e/tw_kernel.sh         (as root; a namespace of its own)
#
#   namespace penstock-tw-PID
#   tw_kernel, 10.9.7.1 ---- tun tw0 ---- 10.9.7.2 the kernel's listener
set -eu
cd "$(dirname "$0")/../.."

NS=penstock-tw-$$
TMP=$(mktemp -d)

# shellcheck disable=SC2317 # called by the trap
cleanup() {
	ip netns del "$NS" 2>/dev/null || true
	rm -rf "$TMP"
}
trap cleanup EXIT

${CC:-cc} -std=gnu11 -D_GNU_SOURCE -Iinclude -o "$TMP/tw_kernel" \
	tests/e2e/tw_kernel.c src/shield/timewait.c src/shield/hindex.c \
	src/shield/known.c src/shield/owners.c \
	src/util/hash.c src/util/region.c src/util/slab.c src/wire/*.c -lsodium

ip netns add "$NS"
ip -n "$NS" tuntap add dev tw0 mode tun
ip -n "$NS" addr add 10.9.7.2/24 dev tw0
ip -n "$NS" link set tw0 up
ip netns exec "$NS" "$TMP/tw_kernel" tw0 10.9.7.1 10.9.7.2
