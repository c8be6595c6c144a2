#!/bin/bash
# SPDX-License-Identifier: MIT
# docs.sh - what is written from tables agrees with them, and man pages are
# well formed.  $LINT_BIN is where the programs were built.
set -u
bin=${LINT_BIN:-build}
bad=0

if [ -e docs/STATES.md ]; then
	"$bin/tools/states_doc" | cmp -s - docs/STATES.md || {
		echo "docs/STATES.md:1: differs from the state table (make states)"
		bad=1
	}
fi
if [ -e docs/man-keys.sh ]; then
	docs/man-keys.sh --check "$bin/penstockctl" >/dev/null 2>&1 || {
		echo "docs/penstock.conf.5:1: keys differ (docs/man-keys.sh)"
		bad=1
	}
fi
if [ -e docs/FAULTS.md ]; then
	for t in $("$bin/penstockctl" fault types | sed -n 's/^type=\([a-z_0-9]*\).*/\1/p'); do
		grep -qF "**\`$t\`**" docs/FAULTS.md && continue
		echo "docs/FAULTS.md:1: $t: the fault type has no entry"
		bad=1
	done
fi
for m in docs/*.[1-8]; do
	[ -e "$m" ] || continue
	mandoc -T lint -W warning "$m" | sed -E 's/^mandoc: //; s/^([^:]*:[0-9]+):[0-9]+:/\1:/'
	[ "${PIPESTATUS[0]}" -eq 0 ] || bad=1
done
exit $bad
