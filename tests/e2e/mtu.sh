# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# mtu.sh - a narrow link on one side, known to its ends or only to the gateway

mtu_transfer() {
	local side=$1 dir=$2
	link_mtu "$side" 1280
	"transfer_$dir" http 10485760
}

# "Too big" messages that the gateway's kernel has sent.
too_bigs() {
	in_g nstat -asz IcmpOutDestUnreachs Icmp6OutPktTooBigs |
		awk '/^Icmp/{ n += $2 } END { print n + 0 }'
}

mtu_path() {
	local before
	before=$(too_bigs)
	route_mtu 1280
	"transfer_$1" http 10485760
	assert_num "too big messages" "$(($(too_bigs) - before))" -gt 0
}

# Narrower than segments get: routers cut them, where the version lets them.
mtu_narrow() {
	route_mtu 296
	transfer_download http 1048576
}

mtu_cases() {
	local side dir
	for side in client server; do
		for dir in download upload; do
			run_case "mtu_small_${side}_side_${dir}_is_intact" 30 \
				mtu_transfer "$side" "$dir"
		done
	done
	run_case mtu_path_narrower_than_link_download_is_intact 30 \
		mtu_path download
	[ "$FAMILY" = 6 ] ||
		run_case mtu_path_of_296_bytes_download_is_intact 30 mtu_narrow
}
