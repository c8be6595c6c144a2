#!/bin/bash
# SPDX-License-Identifier: MIT
# cppcheck.sh - warnings, performance and portability; each suppression is
# justified in cppcheck.suppress.  Results are kept under $BUILD between runs.
set -u
here=$(dirname "$(readlink -f "$0")")
cache=${BUILD:-build}/lint/cppcheck
mkdir -p "$cache"
list=$(mktemp)
trap 'rm -f "$list"' EXIT
"$here/list.sh" src | grep -E '^(src|tests/tools)/' >"$list"
[ -s "$list" ] || exit 0

grep -vE '^(#|$)' "$here/cppcheck.suppress" >"$cache/suppress"
cppcheck --quiet -j "${LINT_JOBS:-2}" --std=c11 --language=c \
	--enable=warning,performance,portability --inline-suppr \
	--suppressions-list="$cache/suppress" --cppcheck-build-dir="$cache" \
	--template='{file}:{line}: {id}: {message}' --error-exitcode=1 \
	--library=posix --library=gnu --library="$here/jansson.cfg" \
	--library="$here/libbpf.cfg" -D_GNU_SOURCE \
	-Iinclude --file-list="$list" 2>&1
