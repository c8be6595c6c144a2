#!/bin/bash
# SPDX-License-Identifier: MIT
# capture_test.sh SIM - does tshark understand what `sim --pcapng` writes?
set -u

sim=$1 passed=0 failed=0
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

# is NAME GOT WANT
is() {
	if [ "$2" = "$3" ]; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
		echo "not ok - capture: $1 is '$2', not '$3'"
	fi
}

# read_it FILTER: frames that match
read_it() {
	tshark -n -o tcp.check_checksum:TRUE -o ip.check_checksum:TRUE \
		-r "$dir/run" -Y "$1" 2>"$dir/err" | wc -l
}

# The plan's links neither lose nor damage: all that is sent arrives, sound.
"$sim" --plain --trace --seed 1 --pcapng "$dir/run" c0.up=60000 >"$dir/trace"
is "exit status of a run" $? 0
packets=$(grep -cE '^ +[0-9.]+ [CES] (snd|rcv|fwd|frg|cut) ' "$dir/trace")
is "frames of $packets traced" "$(read_it frame)" "$packets"
is "a trace of some length" "$((packets > 20))" 1
is "bad checksums" "$(read_it 'tcp.checksum.status == 0')" 0
is "malformed frames" "$(read_it _ws.malformed)" 0
is "complaints of tshark" "$(grep -cv 'Running as user' "$dir/err")" 0
is "sent by the client" "$(read_it \
	'frame.interface_name == "client" && frame.packet_flags_direction == 2')" \
	"$(grep -c ' C snd ' "$dir/trace")"
is "received by the server" "$(read_it \
	'frame.interface_name == "server" && frame.packet_flags_direction == 1')" \
	"$(grep -c ' S rcv ' "$dir/trace")"

# What became of a packet stands beside it.
"$sim" --plain --trace --seed 1 --pcapng "$dir/run" heal_s=60 \
	l0.loss_pm=400 c0.up=60000 >"$dir/trace"
is "lost packets" "$(read_it 'frame.comment contains "lost"')" \
	"$(grep -c ' lost' "$dir/trace")"
is "some of them" "$(grep -q ' lost' "$dir/trace" && echo yes)" yes

"$sim" --plain --seed 1 --pcapng "$dir/none/run" >/dev/null 2>&1
is "exit status without a directory" $? 2

echo "sim: capture, $passed passed, $failed failed"
[ "$failed" -eq 0 ]
