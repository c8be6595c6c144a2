#!/bin/bash
# SPDX-License-Identifier: MIT
# tidy.sh - clang-tidy with the tree's .clang-tidy.
#
# A file that passed is not looked at again until it, a header it includes,
# the flags or the settings change: its key is the hash of all of these, and
# an empty file of that name under $BUILD/lint/tidy says "passed".
set -u
here=$(dirname "$(readlink -f "$0")")
cache=${BUILD:-build}/lint/tidy
flags=(-std=gnu11 -Iinclude -Itests -isystem "${LINT_BIN:-build}/bpf"
	-D_GNU_SOURCE
	"-DPENSTOCK_VERSION=\"lint\"" -Wall -Wextra)

key_of()
{
	{
		clang-tidy --version
		printf '%s ' "${flags[@]}"
		cat .clang-tidy tests/.clang-tidy 2>/dev/null
		clang "${flags[@]}" -MM -MT x "$1" 2>/dev/null |
			tr -d '\\\n' | sed 's/^x://' | xargs -r cat
	} | sha256sum | cut -d' ' -f1
}

check()
{
	local key

	key=$(key_of "$1")
	[ ! -e "$cache/$key" ] || return 0
	if out=$(clang-tidy -quiet -warnings-as-errors='*' "$1" -- \
		"${flags[@]}" 2>&1); then
		: >"$cache/$key"
		return 0
	fi
	# *.skel.h is bpftool's
	out=$(grep -E '(error|warning):' <<<"$out" | sed "s,^$PWD/,," |
		grep -v 'Error while processing')
	if [ -n "$out" ] && ! grep -qv '\.skel\.h:' <<<"$out"; then
		: >"$cache/$key"
		return 0
	fi
	grep -v '\.skel\.h:' <<<"$out"
	return 1
}

mkdir -p "$cache"
# One file: called by ourselves, below.
if [ $# -gt 0 ]; then
	check "$1"
	exit
fi
"$here/list.sh" src | grep -vE '^tests/fuzz/' |
	BUILD=${BUILD:-build} xargs -r -d '\n' -n 1 -P "${LINT_JOBS:-2}" "$0"
