#!/bin/bash
# SPDX-License-Identifier: MIT
#
# run.sh - the end-to-end tests: real kernels, penstockd on the gateway
#
#   tests/e2e/run.sh [-f 4|6] [group...]
#
# Environment: BUILD (build), PENSTOCK=off (plain forwarding instead, which
# validates the cases), E2E_HEAVY=1 (also the slowest cases), E2E_SMOKE=1 (no
# heavy case, for builds with sanitizers), E2E_CASE='pattern*' (only these
# cases), PENSTOCKD, PENSTOCKCTL, TOOLS.
set -u
cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=tests/e2e/lib.sh
. tests/e2e/lib.sh

GROUPS_ALL="idle transfer close failure loss mtu apps fault fault_seg
	fault_xfer fault_profile fault_conf why sight capture paths modes
	splice proof shield lanes workers front bypass host shield_tfo shield_tw shield_limits shield_source
	shares lab recipes toxi page daemon handover gateways crash rules scenario connlog"
FAMILIES="4 6"

# Groups that restart the daemon, so no idle connection may be open; and one
# that has a topology of its own.
RESTARTS='^(modes|capture|recipes|splice|proof|lanes|workers|front|bypass|host|shares|toxi|page|daemon|handover|gateways|crash|shield.*|fault_conf|connlog)$'
APART='^rules$'
# These try both families themselves, so once is enough.
BOTH='^(shield_tfo|shield_source|recipes)$'

usage() {
	sed -n '5s/^# *//p' "$0"
	echo "groups: $GROUPS_ALL"
	exit 2
}

LIST=
while getopts f:lh opt; do
	case $opt in
	f) FAMILIES=$OPTARG ;;
	l) LIST=1 ;; # "FAMILY GROUP" of all, for families.sh
	*) usage ;;
	esac
done
shift $((OPTIND - 1))

for g in ${GROUPS_ALL/rules/}; do
	# shellcheck disable=SC1090 # one of ours
	[ -e "tests/e2e/$g.sh" ] && . "tests/e2e/$g.sh" && continue
	GROUPS_ALL=${GROUPS_ALL/$g/}
done
if [ -n "$LIST" ]; then
	for g in $GROUPS_ALL; do
		echo "4 $g"
		[[ $g =~ $APART || $g =~ $BOTH ]] || echo "6 $g"
	done
	exit 0
fi
SELECTED=${*:-$GROUPS_ALL}
for g in $SELECTED; do
	[ "$g" = rules ] || declare -F "${g}_cases" >/dev/null || usage
done

# The rules have a test and a topology of their own; its sum joins ours.
rules_group() {
	local line
	tests/e2e/rules.sh >"$TMP/rules.out" 2>&1 </dev/null
	sed 's/^/# /' "$TMP/rules.out"
	line=$(grep -aE '^rules: [0-9]+ passed, [0-9]+ failed' "$TMP/rules.out")
	if [[ $line =~ ([0-9]+)\ passed,\ ([0-9]+)\ failed ]]; then
		N_OK=$((N_OK + BASH_REMATCH[1]))
		N_FAILED=$((N_FAILED + BASH_REMATCH[2]))
	else
		N_FAILED=$((N_FAILED + 1))
		FAILED_NAMES+=("rules.sh gave no result")
	fi
}

# What the groups before have taught the kernels and penstock about the paths
# (reordering, windows, servers without Fast Open) is no concern of the next.
forget_paths() {
	in_c ip tcp_metrics flush
	in_s ip tcp_metrics flush
	penstock_on && "$PENSTOCKCTL" -S "$TMP/control.sock" paths flush
} >/dev/null 2>&1

# run_group NAME: its cases.  A group without one would pass for ever.
run_group() {
	local before=$N_CASE
	forget_paths
	"${1}_cases"
	[ "$1" = idle ] || [ -n "${E2E_CASE:-}" ] ||
		[ "$N_CASE" -gt "$before" ] || empty_group "$1"
}

empty_group() {
	N_FAILED=$((N_FAILED + 1))
	FAILED_NAMES+=("group $1 (IPv$FAMILY) has no case")
}

# In a function, so that the script is read whole before it runs.
main() {
	lib_init
	topo_make "e2e$$"
	start_nginx
	start_peer_server
	conf_write "$TMP/penstock.conf" "handshake = server_first" \
		"tcp_fastopen = 3"
	start_penstockd "$TMP/penstock.conf" || die "no gateway to test"

	for f in $FAMILIES; do
		family_use "$f"
		for g in $SELECTED; do
			[[ $g =~ $RESTARTS || $g =~ $APART ]] || run_group "$g"
		done
		idle_end
	done
	for f in $FAMILIES; do
		family_use "$f"
		for g in $SELECTED; do
			[[ $f == 6 && $g =~ $BOTH ]] && continue
			[[ $g =~ $RESTARTS ]] && run_group "$g"
		done
	done
	family_use 4
	# It tries both families, whatever is asked for.
	[[ $SELECTED == *rules* ]] && penstock_on &&
		rules_group
	cases_summary
}

main
exit
