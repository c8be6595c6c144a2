#!/bin/bash
# SPDX-License-Identifier: MIT
# embed.sh FILE... - the files of the page as C, for src/api/page.c
#
# index.html is served as /, any other as /page/NAME.
set -eu

type_of()
{
	case $1 in
	*.html) echo "text/html; charset=utf-8" ;;
	*.css) echo "text/css; charset=utf-8" ;;
	*.js) echo "text/javascript; charset=utf-8" ;;
	*.svg) echo "image/svg+xml" ;;
	*.txt | */LICENSE) echo "text/plain; charset=utf-8" ;;
	*)
		echo "embed.sh: $1: of what type is that?" >&2
		exit 1
		;;
	esac
}

path_of()
{
	case $1 in
	*/index.html) echo / ;;
	*) echo "/page/${1##*/}" ;;
	esac
}

printf '/* Made by src/page/embed.sh. */\n#include "api/http.h"\n\n'
n=0
for f; do
	printf 'static const unsigned char file%d[] = {\n' "$n"
	od -An -v -tu1 -w16 "$f" | sed -E 's/ +([0-9]+)/\1,/g'
	printf '};\n\n'
	n=$((n + 1))
done
printf 'const struct asset assets[] = {\n'
n=0
for f; do
	type=$(type_of "$f")
	sum=$(sha256sum <"$f")
	printf '\t{"%s", "%s", "\\"%s\\"",\n\t file%d, sizeof(file%d)},\n' \
		"$(path_of "$f")" "$type" "${sum:0:32}" "$n" "$n"
	n=$((n + 1))
done
printf '\t{.path = NULL},\n};\n'
