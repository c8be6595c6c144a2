#!/bin/bash
# SPDX-License-Identifier: MIT
# selftest.sh - prove that compare.py can fail: stacks made of echo
set -u
cd "$(dirname "$0")" || exit 1
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
passed=0 failed=0

# Both say "same"; the kernel says what stands in the file k.
cat >"$tmp/stacks" <<'END'
#!/bin/sh
echo "one 1: same"
[ "$1" = penstock ] || cat "${0%/*}/k"
END
chmod +x "$tmp/stacks"
printf '# --- all\nscript one\n' >"$tmp/scripts"

# try RC KERNEL LISTED WHAT
try()
{
	local rc
	printf '%s' "$2" >"$tmp/k"
	printf '%s' "$3" >"$tmp/listed"
	./compare.py "$tmp/stacks" "$tmp/scripts" "$tmp/listed" \
		>"$tmp/out" 2>&1
	rc=$?
	if [ "$rc" = "$1" ]; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
		echo "not ok - diff selftest: $4: exit $rc"
		cat "$tmp/out"
	fi
}

more=$'one 2: more\n'
listed=$'# so it is\none k 2: more\n'
try 0 "" "" "no difference"
try 1 "$more" "" "a difference that is not listed"
try 0 "$more" "$listed" "a difference with a reason"
try 1 "" "$listed" "a listed difference that no longer occurs"
echo "diff: selftest, $passed passed, $failed failed"
[ "$failed" -eq 0 ]
