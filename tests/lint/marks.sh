#!/bin/bash
# SPDX-License-Identifier: MIT
# marks.sh - nothing unfinished is left behind a mark.
set -u
here=$(dirname "$(readlink -f "$0")")

# Spelled so that this file does not find itself.
"$here/list.sh" text | grep -v '^tests/lint/' |
	xargs -r -d '\n' grep -nEH '\b(T[O]DO|F[I]XME|X[X]X)\b'
[ "${PIPESTATUS[2]}" -ne 0 ]
