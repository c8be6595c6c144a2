#!/bin/sh
# SPDX-License-Identifier: MIT
#
# man-keys.sh - bring the list of keys in penstock.conf(5) up to date
#
#   docs/man-keys.sh [--check] [PENSTOCKCTL]
#
# The list between the two marks is made from the tables the program itself
# uses.  --check changes nothing and fails when the page is out of date.
set -eu
page=$(dirname "$0")/penstock.conf.5
check=
if [ "${1:-}" = --check ]; then
	check=1
	shift
fi
ctl=${1:-build/penstockctl}
new=$(mktemp)
trap 'rm -f "$new"' EXIT

keys() {
	"$ctl" keys | awk -F '\t' '
	function esc(s) { gsub(/\\/, "\\e", s); gsub(/-/, "\\-", s); return s }
	function sentence(s) {
		s = toupper(substr(s, 1, 1)) substr(s, 2)
		return s ~ /[.]$/ ? s : s "."
	}
	# The keys of faults are by type: penstockctl fault types.
	$1 == "fault" { next }
	# Keys of [tcp] may stand in a service too: told once, in the text.
	$1 == "tcp" { seen[$2] = 1 }
	$1 == "service" && seen[$2] { next }
	$1 != section {
		if (section)
			print ".El"
		print ".Ss Section " $1 ": the keys"
		print ".Bl -tag -width Ds"
		section = $1
	}
	{
		def = $3 == "" ? "" : " Ns \" = " esc($3) "\""
		print ".It Cm " esc($2) def
		print esc(sentence($5))
		print ".br"
		print "Allowed: " esc($4) "."
	}
	END { if (section) print ".El" }' |
		fold -s -w 78 | sed 's/ *$//'
}

{
	sed '/^\.\\" keys begin/q' "$page"
	keys
	sed -n '/^\.\\" keys end/,$p' "$page"
} >"$new"
if cmp -s "$new" "$page"; then
	exit 0
fi
if [ -n "$check" ]; then
	diff -u "$page" "$new" || true
	echo "$page: out of date; run docs/man-keys.sh" >&2
	exit 1
fi
cat "$new" >"$page"
