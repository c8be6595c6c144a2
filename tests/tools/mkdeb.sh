#!/bin/bash
# SPDX-License-Identifier: MIT
# mkdeb.sh BUILD MAKE VERSION - a Debian package of what `make install` installs
#
# What it depends on is asked of dpkg-shlibdeps, so it is true for the machine
# that builds it.  The same sources give the same package, byte for byte, whenever
# and wherever it is built: times are those of the last commit, or
# SOURCE_DATE_EPOCH.
set -eu
umask 022
export LC_ALL=C TZ=UTC
build=$1 make=$2 version=$3
root=$(pwd)
arch=$(dpkg --print-architecture)
work=$build/deb
tree=$work/penstock
rm -rf "$work"
mkdir -p "$tree/DEBIAN" "$work/debian"

"$make" --no-print-directory -s BUILD="$build" PREFIX=/usr DESTDIR="$tree" install >/dev/null
find "$tree/usr/share/man" -type f -exec gzip -9n {} + 2>/dev/null || true
strip --strip-unneeded "$tree"/usr/sbin/*

when=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null ||
	stat -c %Y debian/control)}
export SOURCE_DATE_EPOCH=$when
# As devscripts know the maintainer: who builds it for others sets them.
maintainer="${DEBFULLNAME:-penstock maintainers} <${DEBEMAIL:-maintainers@penstock.invalid}>"
sed "s/^Maintainer: .*/Maintainer: $maintainer/" debian/control \
	>"$work/debian/control"
printf 'penstock (%s) unstable; urgency=medium\n\n  * %s\n\n -- %s  %s\n' \
	"$version" "Built from the sources of version $version." \
	"$maintainer" "$(date -R -d "@$when")" >"$work/debian/changelog"
doc=$tree/usr/share/doc/penstock
gzip -9n <"$work/debian/changelog" >"$doc/changelog.gz"
{
	printf '%s\n' \
		'Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/' \
		'Upstream-Name: penstock' '' 'Files: *' \
		"Copyright: $(sed -n 's/^Copyright (c) //p' LICENSE)" \
		'License: Expat'
	sed -n '/^Permission/,$p' LICENSE | sed 's/^$/./; s/^/ /'
	# vendored, and built into penstockd
	printf '%s\n' '' 'Files: src/page/uplot/*' \
		"Copyright: $(sed -n 's/^Copyright (c) //p' src/page/uplot/LICENSE)" \
		'License: Expat' \
		'Comment: uPlot, https://github.com/leeoniya/uPlot'
} >"$doc/copyright"
rm -f "$doc/LICENSE"

(cd "$tree" && find etc -type f 2>/dev/null | sed 's,^,/,' | sort) \
	>"$tree/DEBIAN/conffiles"
# $DPKG_ROOT: dpkg --root, whose host is none of ours to touch.
cat >"$tree/DEBIAN/postinst" <<'END'
#!/bin/sh
set -e
if [ -z "${DPKG_ROOT:-}" ] && [ -d /run/systemd/system ]; then
	systemctl daemon-reload || true
fi
END
cat >"$tree/DEBIAN/prerm" <<'END'
#!/bin/sh
set -e
if [ "$1" = remove ] && [ -z "${DPKG_ROOT:-}" ] && [ -d /run/systemd/system ]; then
	deb-systemd-invoke stop penstockd.service penstock-rules.service || true
fi
END
# What an operator enabled or masked is a link to a unit that is no more.  The
# secret and the logs stay until purge, as the configuration does.
cat >"$tree/DEBIAN/postrm" <<'END'
#!/bin/sh
set -e
root=${DPKG_ROOT:-}
if [ "$1" = remove ] || [ "$1" = purge ]; then
	for unit in penstockd.service penstock-rules.service; do
		rm -f "$root/etc/systemd/system/$unit" \
			"$root"/etc/systemd/system/*.wants/"$unit" \
			"$root"/etc/systemd/system/*.requires/"$unit"
	done
	if [ -z "$root" ] && [ -d /run/systemd/system ]; then
		systemctl daemon-reload || true
	fi
fi
if [ "$1" = purge ]; then
	for kind in lib log cache; do
		rm -rf "$root/var/$kind/penstock" "$root/var/$kind/private/penstock"
	done
	rm -rf "$root/etc/systemd/system/penstockd.service.d" \
		"$root/etc/systemd/system/penstock-rules.service.d"
	rmdir "$root/etc/penstock" 2>/dev/null || true
fi
END
chmod 755 "$tree/DEBIAN"/{postinst,prerm,postrm}

(cd "$work" && dpkg-shlibdeps -Tsubstvars penstock/usr/sbin/* &&
	dpkg-gencontrol -ppenstock -Ppenstock -Tsubstvars -fdebian/files)

deb=$build/penstock_${version}_$arch.deb
dpkg-deb --root-owner-group --build "$tree" "$deb" >/dev/null
echo "${deb#"$root"/}"
