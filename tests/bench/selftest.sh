#!/bin/bash
# SPDX-License-Identifier: MIT
# selftest.sh - what the flood bench says of figures that are known: a row is
# judged by its median, but what must never happen by the worst round
set -u
cd "$(dirname "$0")" || exit 1
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

cat >"$tmp/samples" <<END
synproxy flood_synacks_per_s 100 0
synproxy flood_synacks_per_s 120 1
synproxy flood_p99_ms 4 0
penstock bulk_kept 0.45 0
penstock bulk_kept 0.56 1
penstock keep_kept 0.4 0
front flood_synacks_per_s 150 0
front flood_synacks_per_s 150 1
front flood_failed_pct 0 0
front flood_failed_pct 0.1 1
front flood_p99_ms 4 0
spliced flood_synacks_per_s 160 0
spliced flood_p99_ms 4.1 0
END
/usr/bin/python3 -B flood_table.py "$tmp/samples" "$tmp/flood.json" \
	4 2 1 synproxy penstock front spliced >"$tmp/table"

rc=0
# try WHAT PATTERN: the table has this line once
try()
{
	if [ "$(grep -cE "$2" "$tmp/table")" = 1 ]; then
		echo "ok - bench selftest: $1"
	else
		echo "not ok - bench selftest: $1: not there: $2"
		rc=1
	fi
}
try "a median above its bound" "^penstock: +one stream.* at least 0.5 +met"
try "a median below" "^penstock: +kept-alive.* at least 0.5 +MISSED"
try "one bad round" "^front: +newcomers that failed.* at most 0 +MISSED"
try "a ratio at its bound" "^front: +newcomers' p99.* at most 1 +met"
try "a ratio above it" "^spliced: +newcomers' p99.* at most 1 +MISSED"
try "a ratio below its bound" "^front: +SYN-ACKs.* 1.36 .* 1.4 +MISSED"
try "one above it" "^spliced: +SYN-ACKs.* 1.45 .* 1.4 +met"
if grep -E "^front: .*one stream" "$tmp/table"; then
	echo "not ok - bench selftest: judged what was not measured"
	rc=1
fi
if [ "$(jq '.must | length' "$tmp/flood.json")" != 7 ]; then
	echo "not ok - bench selftest: seven verdicts saved"
	rc=1
fi
exit $rc
