# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# loss.sh - random loss on either side or both; the stream stays whole, in
# finite time.  A packet on these links may be an unsegmented one of up to
# 64 KiB, so that one loss takes many segments at once; the cases named
# `segments' lose single segments, as on a real wire.

# loss_transfer SIDES PERCENT DIRECTION BYTES [COMMAND]
loss_transfer() {
	local side
	${5:-:}
	for side in ${1//+/ }; do
		loss "$side" "$2"
	done
	data_sum "$4" >/dev/null
	"transfer_$3" http "$4"
}

loss_cases() {
	local side dir m=$((1 << 20)) g=$((1 << 30))
	for side in client server; do
		for dir in download upload; do
			run_case "loss_10_percent_${side}_${dir}_16MiB_is_intact" \
				120 loss_transfer "$side" 10 "$dir" $((16 * m))
			run_case "loss_10_percent_segments_${side}_${dir}_1MiB_is_intact" \
				120 loss_transfer "$side" 10 "$dir" $m \
				wire_segments
		done
	done
	for dir in download upload; do
		run_case "loss_1_percent_both_sides_${dir}_1GiB_is_intact" 300 \
			transfer_heavy loss_transfer client+server 1 "$dir" $g
	done
	for side in client server; do
		run_case "loss_10_percent_segments_${side}_16MiB_is_intact" \
			290 loss_heavy "$side" 10 download $((16 * m)) \
			wire_segments
	done
}

loss_heavy() {
	[ "${E2E_HEAVY:-0}" = 1 ] || skip "about a minute; E2E_HEAVY=1 runs it"
	loss_transfer "$@"
}
