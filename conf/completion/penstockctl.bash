# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2207 # words have no blanks
#
# Completion for bash.  What there is comes from penstockctl itself.

_penstockctl_words() { # COMMAND: the words that --help has behind it
	penstockctl --help 2>/dev/null | awk -v cmd="$1" '
		/^  -/ && cmd == "-" {
			for (i = 1; i <= NF && i < 3; i++)
				if ($i ~ /^-/) { sub(/,$/, "", $i); print $i }
		}
		/^  [a-z]/ && cmd == "" { print $1 }
		/^  [a-z]/ && $1 == cmd {
			n = split($0, part, "|")
			for (k = 1; k <= n; k++) {
				m = split(part[k], w, " ")
				at = k == 1 ? 2 : 1
				if (m >= at && w[at] ~ /^[a-z]+$/) print w[at]
			}
		}' | sort -u
}

_penstockctl() {
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}
	local i cmd="" words=""

	COMPREPLY=()
	for ((i = 1; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		-[cSsn]) i=$((i + 1)) ;;
		-*) ;;
		*)
			cmd=${COMP_WORDS[i]}
			break
			;;
		esac
	done
	case $prev in
	-c | -S | -s | check | batch)
		[ "$prev $cmd" = "check rules" ] ||
			COMPREPLY=($(compgen -f -- "$cur"))
		return
		;;
	run) COMPREPLY=($(compgen -f -- "$cur")) && return ;;
	esac
	# readline splits words at "=", too
	[ "$cur" != = ] || { prev="=" cur=""; }
	[ "$prev" != = ] || prev=${COMP_WORDS[COMP_CWORD - 2]}=
	case $cmd:$prev:$cur in
	*:-*) words=$(_penstockctl_words -) ;;
	fault:type=:*)
		words=$(penstockctl fault types 2>/dev/null |
			sed 's/^type=//; s/ .*//')
		;;
	fault:del:* | fault:report:* | fault:lease:*)
		words=$(penstockctl -j fault list 2>/dev/null |
			sed -n 's/^ *"name": "\([^"]*\)".*/\1/p')
		;;
	*:"$cmd":*) words=$(_penstockctl_words "$cmd") ;;
	:*) words=$(_penstockctl_words "") ;;
	esac
	COMPREPLY=($(compgen -W "$words" -- "$cur"))
}
complete -F _penstockctl penstockctl
