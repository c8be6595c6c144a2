#!/bin/bash
# SPDX-License-Identifier: MIT
# run.sh DIRECTORY SYNS - run the programs for the kernel beside the engine
#
# DIRECTORY is where they were built; empty: they were not.  Where the kernel or
# the rights are missing each test says so and counts as passed: it has nothing
# to judge.
set -u

dir=$1 syns=$2
pass=0 fail=0

skip()
{
	echo "# skipped: $1"
	pass=$((pass + 1))
}

# one NAME ARGUMENT... - run a test and count it
one()
{
	local name=$1 rc
	shift

	"$dir/$name" "$dir/${name%%_*}.bpf.o" "$@"
	rc=$?
	case $rc in
	0) pass=$((pass + 1)) ;;
	77) skip "$name: this kernel or this user cannot run it" ;;
	*) echo "not ok - $name ($rc)" && fail=$((fail + 1)) ;;
	esac
}

if [ -z "$dir" ]; then
	skip "built without BPF: clang, bpftool or libbpf-dev is missing, or BPF="
elif [ "$(id -u)" != 0 ]; then
	skip "not root"
else
	one front_rules tests/fuzz/corpus/parse
	one front_equal "$syns"
	one splice_equal $((syns / 10))
	one splice_map
fi
echo "bpf: $pass passed, $fail failed"
[ "$fail" -eq 0 ]
