#!/bin/bash
# SPDX-License-Identifier: MIT
# size.sh - no function over 70 lines, no file over 900, no engine over 3,000.
# A function's lines are counted from its name to its closing brace.
set -u
here=$(dirname "$(readlink -f "$0")")
bad=0

while read -r f; do
	n=$(wc -l <"$f")
	if [ "$n" -gt 900 ]; then
		echo "$f:1: $n lines; a file has at most 900"
		bad=1
	fi
done < <("$here/list.sh" c; "$here/list.sh" sh; "$here/list.sh" py)

# What faults, translators and tests need of it is elsewhere, and stays there.
n=$(cat src/engine/*.[ch] 2>/dev/null | wc -l)
if [ "$n" -gt 3000 ]; then
	echo "src/engine:1: $n lines; the engine has at most 3000"
	bad=1
fi

long=$("$here/list.sh" c | ctags -L - --language-force=C --kinds-C=f \
	-D 'START_TEST(name)=void name(void)' -D END_TEST= \
	--fields=+ne -f - 2>/dev/null |
	awk -F'\t' '{
		start = end = 0
		for (i = 4; i <= NF; i++) {
			if ($i ~ /^line:/) start = substr($i, 6)
			if ($i ~ /^end:/) end = substr($i, 5)
		}
		if (end - start + 1 > 70)
			printf "%s:%d: %s() has %d lines; at most 70\n",
				$2, start, $1, end - start + 1
	}')
if [ -n "$long" ]; then
	printf '%s\n' "$long"
	bad=1
fi
exit $bad
