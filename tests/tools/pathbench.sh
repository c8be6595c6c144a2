#!/bin/bash
# SPDX-License-Identifier: MIT
# pathbench.sh - direct connections, HAProxy and penstock on equal paths
#
# Measures (tests/paths/run.py, which lists the variables), makes the tables
# and, of a whole run, the pictures and the text of docs/PERFORMANCE.md.
#
#   CC=bbr, CC=cubic  only the columns with this congestion control, which then
#                     holds for both kernels and for both legs
#   CELLS='bulk/*/20/*/100'   only these cells (tests/paths/cells.py)
#   MERGE=FILES       results of other runs that the tables take in, too
set -u
cd "$(dirname "$0")/../.." || exit 1
export BUILD=${BUILD:-build}
[ "$(id -u)" -eq 0 ] || { echo "pathbench: needs root" >&2; exit 1; }
[ -x "$BUILD/penstockd" ] || { echo "pathbench: make all first" >&2; exit 1; }
case ${CC-} in
bbr) export ONLY="direct-bbr haproxy-bbr penstock-bbr" ;;
cubic) export ONLY="direct-cubic penstock-cubic" ;;
'') ;;
*) echo "pathbench: CC is bbr or cubic" >&2; exit 1 ;;
esac

/usr/bin/python3 tests/paths/run.py || exit
read -ra files <<<"${MERGE-} $BUILD/paths.json"
publish=()
[ -n "${CELLS-}${ONLY-}${TIME-}" ] || publish=(--publish)
[ "${#publish[@]}" -eq 0 ] ||
	/usr/bin/python3 tests/paths/pictures.py "${files[@]}"
/usr/bin/python3 tests/paths/table.py "${publish[@]}" "${files[@]}"
