#!/bin/bash
# SPDX-License-Identifier: MIT
# mutants.sh - each fault of tests/mutants/faults.txt still applies.
set -u
here=$(dirname "$(readlink -f "$0")")
[ -e tests/mutants/faults.txt ] || exit 0
MUTANTS_ROOT=$PWD exec /usr/bin/python3 "$here/../mutants/mutants.py" --check
