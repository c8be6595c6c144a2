#!/bin/bash
# SPDX-License-Identifier: MIT
# package.sh BUILD MAKE VERSION - the Debian package, judged by lintian and
# by what it leaves behind.
#
# dpkg works in a root directory of its own, whose maintainer scripts run with
# DPKG_ROOT: the machine's own packages and units are not touched.
set -u
build=$1 make=$2 version=$3
deb=$build/penstock_${version}_$(dpkg --print-architecture).deb
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
passed=0 failed=0
units="penstockd.service penstock-rules.service"

# verdict NAME RC: one case.
verdict() {
	if [ "$2" -eq 0 ]; then
		passed=$((passed + 1))
		echo "ok - package $1"
	else
		failed=$((failed + 1))
		echo "not ok - package $1"
	fi
}

# A root in which dpkg knows of no package.
fresh() {
	rm -rf "$root"
	mkdir -p "$root"/var/lib/dpkg/{info,updates}
	: >"$root/var/lib/dpkg/status"
	: >"$root/var/lib/dpkg/available"
}

# Its dependencies are the machine's.
in_root() {
	dpkg --root="$root" --force-script-chrootless --force-depends \
		--force-confold "$@" >"$root/dpkg.out" 2>&1 && return 0
	cat "$root/dpkg.out"
	return 1
}

installed() {
	[ -x "$root/usr/sbin/penstockd" ] && [ -x "$root/usr/sbin/penstockctl" ] &&
		[ -f "$root/etc/penstock/penstock.conf" ] &&
		[ -f "$root/lib/systemd/system/penstockd.service" ]
}

# What an operator and the running daemon add.
live() {
	local u wants=$root/etc/systemd/system/multi-user.target.wants
	mkdir -p "$wants" "$root"/var/{lib,log}/private/penstock
	for u in $units; do
		ln -s "/lib/systemd/system/$u" "$wants/$u"
	done
	echo secret >"$root/var/lib/private/penstock/secret"
	echo line >"$root/var/log/private/penstock/faults.log"
	ln -s private/penstock "$root/var/lib/penstock"
	ln -s private/penstock "$root/var/log/penstock"
	echo "; mine" >>"$root/etc/penstock/penstock.conf"
}

links() { find "$root/etc/systemd" -name 'penstock*' 2>/dev/null | wc -l; }

kept() {
	grep -qx "; mine" "$root/etc/penstock/penstock.conf" &&
		[ "$(cat "$root/var/lib/penstock/secret")" = secret ]
}

# Of penstock, but what dpkg itself remembers.
left() {
	find "$root" -path "$root/var/lib/dpkg" -prune -o -name '*penstock*' -print
}

case_lintian() {
	local out
	out=$(lintian --fail-on error,warning --tag-display-limit 0 "$deb" \
		2>/dev/null)
	local rc=$?
	[ $rc -eq 0 ] || printf '%s\n' "$out"
	return $rc
}

# The licence of what is vendored is told, and goes along in the program.
case_copyright() {
	dpkg-deb --fsys-tarfile "$deb" |
		tar -xO ./usr/share/doc/penstock/copyright |
		grep -A1 '^Files: src/page/uplot/' | grep -q 'Leon Sorokin'
}

case_install() {
	fresh
	in_root -i "$deb" && installed
}

case_upgrade() {
	case_install || return 1
	live
	in_root -i "$deb" && installed && kept && [ "$(links)" -eq 2 ]
}

case_remove() {
	case_install || return 1
	live
	in_root -r penstock && kept && [ ! -e "$root/usr/sbin/penstockd" ] ||
		return 1
	[ "$(links)" -eq 0 ] || { left; return 1; }
}

case_purge() {
	case_remove || return 1
	in_root -P penstock || return 1
	[ -z "$(left)" ] || { left; return 1; }
}

case_purge_at_once() {
	case_install || return 1
	live
	in_root -P penstock || return 1
	[ -z "$(left)" ] || { left; return 1; }
}

# complete LINE WANTED...: what the shell is offered at the end of the line.
complete() {
	local line=$1 got
	shift
	got=$(PATH=$root/usr/sbin:$PATH bash -c '
		. "$1/usr/share/bash-completion/completions/penstockctl"
		read -ra COMP_WORDS <<<"$2"
		[ "${2: -1}" != " " ] || COMP_WORDS+=("")
		COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
		_penstockctl
		echo "${COMPREPLY[*]}"' - "$root" "$line")
	[ "$got" = "$*" ] || {
		echo "\"$line\": want \"$*\", got \"$got\""
		return 1
	}
}

case_completion() {
	case_install || return 1
	complete "penstockctl doc" doctor &&
		complete "penstockctl -c /x rules re" remove &&
		complete "penstockctl scenario " check run &&
		complete "penstockctl --dr" --dry-run &&
		complete "penstockctl fault add x type = bandw" bandwidth &&
		zsh -n "$root/usr/share/zsh/vendor-completions/_penstockctl"
}

# Elsewhere, by somebody with other habits: the same package.
case_reproducible() {
	local there=$root/some/other/place name=${deb##*/}
	fresh
	mkdir -p "$there"
	tar -c --exclude=./build --exclude="./$build" --exclude=./.git . |
		tar -x -C "$there"
	(cd "$there" && umask 077 && LC_ALL=C.UTF-8 LANG=C.UTF-8 \
		TZ=Asia/Tokyo HOME=/nonexistent "$make" -s -j"$(nproc)" \
		--no-print-directory BUILD=build deb) >"$root/again.log" 2>&1 ||
		{ tail -n 20 "$root/again.log"; return 1; }
	cmp "$deb" "$there/build/$name" && return 0
	diffoscope --max-report-size 4000 "$deb" "$there/build/$name" \
		2>/dev/null
	return 1
}

SOURCE_DATE_EPOCH=$(git log -1 --format=%ct 2>/dev/null ||
	stat -c %Y debian/control)
export SOURCE_DATE_EPOCH
"$make" --no-print-directory -s BUILD="$build" deb >/dev/null
verdict "is built" $?
case_lintian
verdict "has nothing that lintian complains of" $?
case_copyright
verdict "names the licence of uPlot" $?
case_install
verdict "installs what it has" $?
case_upgrade
verdict "upgraded keeps units enabled, configuration and secret" $?
case_remove
verdict "removed leaves no link, keeps configuration and secret" $?
case_purge
verdict "purged leaves nothing" $?
case_purge_at_once
verdict "purged at once leaves nothing" $?
case_completion
verdict "completes commands, options and fault types" $?
case_reproducible
verdict "built again elsewhere is the same to the byte" $?
while read -r line; do
	echo "$line"
	case $line in
	"ok "*) passed=$((passed + 1)) ;;
	"not ok "*) failed=$((failed + 1)) ;;
	esac
done < <(tests/package/systemd.sh "$deb")
echo "package: $passed passed, $failed failed"
[ "$failed" -eq 0 ]
