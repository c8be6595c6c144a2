#!/bin/bash
# SPDX-License-Identifier: MIT
# format.sh - every C file is as clang-format would write it.
set -u
here=$(dirname "$(readlink -f "$0")")

"$here/list.sh" c | xargs -r -d '\n' \
	clang-format --dry-run -Werror 2>&1 |
	sed -n 's/^\([^ ]*:[0-9]*\):[0-9]*: error: .*/\1: not as clang-format writes it (make format)/p' |
	awk -F: '!seen[$1]++'
[ "${PIPESTATUS[1]}" -eq 0 ]
