#!/bin/bash
# SPDX-License-Identifier: MIT
# spdx.sh - how files begin: the licence stands in the first two lines of every
# source file, in C always in the same form, and a .c file goes on with a
# comment that says what it is for.  Separators in C have one form, too.
set -u
here=$(dirname "$(readlink -f "$0")")
bad=0

says()
{
	echo "$1:$2"
	bad=1
}

while read -r f; do
	head -n 2 "$f" | grep -q 'SPDX-License-Identifier: MIT' ||
		says "$f" "1: SPDX-License-Identifier: MIT is missing"
done < <("$here/list.sh" sh; "$here/list.sh" py)

while read -r f; do
	{ read -r first; read -r second; } <"$f"
	[[ $first =~ ^/\*\ SPDX-License-Identifier:\ MIT.*\*/$ ]] ||
		says "$f" "1: want /* SPDX-License-Identifier: MIT */"
	[[ $f != *.c || $second == /\** ]] ||
		says "$f" "2: want a comment that says what the file is for"
	while IFS=: read -r n _; do
		says "$f" "$n: a separator is /* --- what follows --- */"
	done < <(grep -nE '^/\* ?---.*\*/$' "$f" |
		grep -vE ':/\* --- [^-].*[^-] --- \*/$')
done < <("$here/list.sh" c)
exit $bad
