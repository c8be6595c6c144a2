#!/bin/bash
# SPDX-License-Identifier: MIT
# run.sh - every style check, then the proof that each of them can fail.
# LINT_QUICK=1 leaves out the two slow analyzers.
set -u
export LINT_BIN=${LINT_BIN:-$(readlink -f "${BUILD:-build}")}
here=$(dirname "$(readlink -f "$0")")
cd "$here/../.." || exit 1
checks=(includes.py circles.py size.sh spdx.sh marks.sh markdown.py kerneldoc.py format.sh
	shellcheck.sh docs.sh hostile.py keys.py legparts.py mutants.sh)
[ -n "${LINT_QUICK-}" ] || checks+=(cppcheck.sh tidy.sh)
passed=0 failed=0

for c in "${checks[@]}"; do
	begin=$SECONDS
	if out=$("$here/$c" 2>&1); then
		passed=$((passed + 1))
		echo "ok - lint ${c%.*} ($((SECONDS - begin)) s)"
	else
		failed=$((failed + 1))
		printf '%s\n' "$out"
		echo "not ok - lint ${c%.*}: $(grep -c . <<<"$out") findings"
	fi
done

while read -r line; do
	echo "$line"
	case $line in
	"ok "*) passed=$((passed + 1)) ;;
	"not ok "*) failed=$((failed + 1)) ;;
	esac
done < <(
	"$here/selftest.sh" "${checks[@]}"
	"$here/../bench/selftest.sh"
	"$here/../soak/selftest.py"
)

echo "lint: $passed passed, $failed failed"
[ "$failed" -eq 0 ]
