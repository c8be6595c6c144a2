#!/bin/bash
# SPDX-License-Identifier: MIT
# spdx.sh - the licence stands in the first two lines of every source file.
set -u
here=$(dirname "$(readlink -f "$0")")
bad=0

while read -r f; do
	head -n 2 "$f" | grep -q 'SPDX-License-Identifier: MIT' && continue
	echo "$f:1: SPDX-License-Identifier: MIT is missing"
	bad=1
done < <("$here/list.sh" c; "$here/list.sh" sh; "$here/list.sh" py)
exit $bad
