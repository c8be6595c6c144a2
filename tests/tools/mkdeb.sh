#!/bin/bash
# SPDX-License-Identifier: MIT
# mkdeb.sh BUILD MAKE VERSION - a Debian package of what `make install` installs
#
# What it depends on is asked of dpkg-shlibdeps, so it is true for the machine
# that builds it.
set -eu
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

# dpkg-shlibdeps wants a source package to stand in
printf 'Source: penstock\n\nPackage: penstock\nArchitecture: any\n' \
	>"$work/debian/control"
depends=$(cd "$work" && dpkg-shlibdeps -O penstock/usr/sbin/* |
	sed -n 's/^shlibs:Depends=//p')

cat >"$tree/DEBIAN/control" <<END
Package: penstock
Version: $version
Architecture: $arch
Maintainer: penstock <root@localhost>
Section: net
Priority: optional
Depends: $depends, iptables, iproute2
Installed-Size: $(du -sk "$tree" | cut -f1)
Description: TCP middlebox on netfilter queues
 penstockd terminates the TCP connections of chosen services on a gateway and
 re-originates them towards the servers, both sides keeping their addresses
 and ports.
END
(cd "$tree" && find etc -type f 2>/dev/null | sed 's,^,/,') \
	>"$tree/DEBIAN/conffiles"
cat >"$tree/DEBIAN/postinst" <<'END'
#!/bin/sh
set -e
if [ -d /run/systemd/system ]; then
	systemctl daemon-reload || true
fi
END
cat >"$tree/DEBIAN/prerm" <<'END'
#!/bin/sh
set -e
if [ "$1" = remove ] && [ -d /run/systemd/system ]; then
	systemctl stop penstockd.service penstock-rules.service || true
fi
END
chmod 755 "$tree/DEBIAN/postinst" "$tree/DEBIAN/prerm"

deb=$build/penstock_${version}_$arch.deb
dpkg-deb --root-owner-group --build "$tree" "$deb" >/dev/null
echo "${deb#"$root"/}"
