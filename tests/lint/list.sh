#!/bin/bash
# SPDX-License-Identifier: MIT
# list.sh c|src|sh|py|text - the files of the current tree that lint looks at,
# one a line: C sources and headers, those under src only, shell scripts,
# Python scripts, everything that people wrote.
set -u

all()
{
	if [ -e .git ]; then
		git ls-files -co --exclude-standard | while read -r f; do
			[ ! -f "$f" ] || echo "$f"
		done
	else
		find . -name build -prune -o -type f -printf '%P\n'
	fi | sort -u
}

# Scripts by name or by their first line.
shebang()
{
	while read -r f; do
		case $f in
		*"$1") echo "$f" ;;
		*.c | *.h | *.md | *.conf | *.mk) ;;
		*) head -c 80 "$f" | head -n 1 |
			grep -aqE "^#!.*/(env )?$2" && echo "$f" ;;
		esac
	done
}

case $1 in
c) all | grep -E '^(src|include|tests)/.*\.[ch]$' ;;
src) all | grep -E '^(src|tests)/.*\.c$' ;;
sh) all | shebang .sh '(ba)?sh' ;;
py) all | shebang .py 'python3?' ;;
text) all | grep -E '(\.([ch]|sh|py|mk|md|conf|service|[1-8])|^Makefile|^\.ci/run)$' ;;
*) exit 2 ;;
esac
exit 0
