#!/bin/bash
# SPDX-License-Identifier: MIT
# coverage.sh BUILD MAKE JOBS [VAR=VALUE...] -- SUITE... - line and branch coverage
#
# Builds with gcov's counters, runs the suites, reports on src/tcp, src/engine,
# src/impair and src/wire, and fails below 90% of lines or 80% of branches.  The branch
# that a false assertion would take is not asked for.
set -u
build=$1
line_min=${COVERAGE_LINE:-90} branch_min=${COVERAGE_BRANCH:-80}

find "$build" -name '*.gcda' -delete 2>/dev/null
tests/tools/suites.sh "$build" "$2" "$3" CFLAGS='-O0 -g -Wno-error --coverage' "${@:4}" |
	sed -n '/^== sum$/,$p'
rc=${PIPESTATUS[0]}

gcovr --root . --object-directory "$build" "$build/obj" -j 2 \
	--filter 'src/(tcp|engine|impair|wire)/' --exclude-unreachable-branches \
	--exclude-branches-by-pattern '.*\bassert\(.*' \
	--gcov-ignore-parse-errors \
	--json-summary "$build/coverage.json" --txt "$build/lines.txt" \
	--html-details "$build/index.html" || exit 1

jq -r '.files[] | [.filename, .line_percent, .branch_percent] | @tsv' \
	"$build/coverage.json" |
	awk -F'\t' '{ printf "  %-28s lines %5.1f%%  branches %5.1f%%\n", $1, $2, $3 }'
read -r line branch < <(jq -r '"\(.line_percent) \(.branch_percent)"' \
	"$build/coverage.json")
echo "report: $build/index.html"
f=0
awk "BEGIN { exit !($line >= $line_min) }" || f=1
awk "BEGIN { exit !($branch >= $branch_min) }" || f=$((f + 1))
echo "lines $line% (at least $line_min), branches $branch% (at least $branch_min)"
echo "coverage: $((2 - f)) passed, $f failed"
[ "$f" -eq 0 ] && [ "$rc" -eq 0 ]
