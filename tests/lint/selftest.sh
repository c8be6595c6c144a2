#!/bin/bash
# SPDX-License-Identifier: MIT
# selftest.sh CHECK... - prove that each check can fail.
#
# Makes a small clean tree on which every check must pass, then plants one
# violation at a time and expects just that check to find it, in the file
# where it was planted.
set -u
here=$(dirname "$(readlink -f "$0")")
root=$(dirname "$(dirname "$here")")
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
export BUILD=$tmp/out

clean_tree()
{
	rm -rf "$tmp/tree" "$BUILD"
	mkdir -p "$tmp/tree"/{src/{util,wire,tcp,engine,io,config},include/{util,wire,engine,io},tests/unit}
	cd "$tmp/tree" || exit 1
	cp "$root/.clang-format" "$root/.clang-tidy" .
	cat >include/util/one.h <<'END'
/* SPDX-License-Identifier: MIT */
#ifndef ONE_H
#define ONE_H

/**
 * struct one - A number
 * @n: the number
 */
struct one {
	int n;
};

/**
 * one_add() - Add to it
 * @o: the number
 * @n: what to add
 * Return: the sum
 */
int one_add(struct one *o, int n);

#endif
END
	cat >src/util/one.c <<'END'
/* SPDX-License-Identifier: MIT */
/* Adds to a number. */
#include "util/one.h"

int one_add(struct one *o, int n)
{
	o->n += n;
	return o->n;
}
END
	printf '#!/bin/sh\n# SPDX-License-Identifier: MIT\necho ok\n' >tests/ok.sh
	for m in wire engine io; do
		printf '/* SPDX-License-Identifier: MIT */\n' >include/$m/$m.h
	done
}

# expect CHECK FILE WHAT - CHECK must fail and name FILE
expect()
{
	local out

	if out=$("$here/$1" 2>&1); then
		echo "not ok - lint selftest ${1%.*}: missed $3"
	elif ! grep -q "^$2:" <<<"$out"; then
		echo "not ok - lint selftest ${1%.*}: $3 found elsewhere: $out"
	else
		echo "ok - lint selftest ${1%.*} finds $3"
	fi
}

# accept CHECK WHAT - CHECK must pass
accept()
{
	local out

	if out=$("$here/$1" 2>&1); then
		echo "ok - lint selftest ${1%.*} accepts $2"
	else
		echo "not ok - lint selftest ${1%.*}: $2: $out"
	fi
}

# c FILE - a C file from standard input, with its licence
c()
{
	{ echo '/* SPDX-License-Identifier: MIT */'; cat; } >"$1"
}

plant_includes()
{
	echo '#include "wire/wire.h"' | c src/util/up.c
	expect "$1" src/util/up.c "an upward include"
	clean_tree
	echo '#include "engine/engine.h"' | c src/io/side.c
	expect "$1" src/io/side.c "io including engine"
	clean_tree
	echo '#include "io/io.h"' | c include/engine/side.h
	expect "$1" include/engine/side.h "engine including io"
	clean_tree
	echo '#include "fault/cfg.h"' | c src/engine/wing.c
	expect "$1" src/engine/wing.c "engine including fault"
	clean_tree
	echo '#include "splice/splice.h"' | c src/engine/wing.c
	expect "$1" src/engine/wing.c "engine including splice"
	clean_tree
	echo '#include "wire/wire.h"' | c src/config/side.c
	expect "$1" src/config/side.c "config including wire"
	clean_tree
	printf 'long now(void)\n{\n\treturn time(0);\n}\n' | c src/tcp/clock.c
	expect "$1" src/tcp/clock.c "a clock read in tcp"
	clean_tree
	printf 'int n(void)\n{\n\treturn !fopen("/x", "r");\n}\n' |
		c src/tcp/file.c
	expect "$1" src/tcp/file.c "a file opened in tcp"
}

plant_legparts()
{
	mkdir -p include/tcp
	printf ' * Who writes which part:\n *\n *   snd   ack\n */\n' |
		c include/tcp/leg.h
	printf 'void f(struct leg *l)\n{\n\tl->snd.nxt++;\n}\n' |
		c src/tcp/ack.c
	accept "$1" "a part with its writer"
	printf 'void f(struct leg_snd *s)\n{\n\ts->nxt = s->una;\n}\n' |
		c src/tcp/more.c
	expect "$1" src/tcp/more.c "a writer that the table does not name"
	printf 'bool f(struct leg *l)\n{\n\treturn l->snd.nxt == 1;\n}\n' |
		c src/tcp/ack.c
	expect "$1" include/tcp/leg.h "a writer that does not write"
}

# An object for each, as the build leaves it: $LINT_BIN/obj.
# The planted table is to hold the backquotes.
# shellcheck disable=SC2016
plant_circles()
{
	local LINT_BIN=$tmp/bin

	export LINT_BIN
	mkdir -p "$tmp/bin/obj/util" docs
	printf 'int b(int n);\nint a(int n)\n{\n\treturn n ? b(n - 1) : 0;\n}\n' |
		c src/util/a.c
	printf 'int a(int n);\nint b(int n)\n{\n\treturn n ? a(n - 1) : 0;\n}\n' |
		c src/util/b.c
	for o in a b one; do
		cc -Iinclude -c -o "$tmp/bin/obj/util/$o.o" src/util/$o.c
	done
	expect "$1" src/util/a.c "two files that call each other"
	printf '## Circles of files\n\n- %s:\n  so\n' \
		'`util/a.c`, `util/b.c`' >docs/ARCHITECTURE.md
	accept "$1" "a circle that is named"
	rm "$tmp/bin/obj/util/b.o"
	expect "$1" docs/ARCHITECTURE.md "a circle that is gone"
}

plant_size()
{
	{
		printf 'int f(int n)\n{\n'
		yes $'\tn++;' | head -n 67
		printf '\treturn n;\n}\n'
	} | c src/util/long.c
	expect "$1" src/util/long.c "a function of 71 lines"
	clean_tree
	{
		printf 'START_TEST(noun_condition_result)\n{\n'
		yes $'\tn++;' | head -n 68
		printf '}\nEND_TEST\n'
	} | c tests/unit/test_long.c
	expect "$1" tests/unit/test_long.c "a test of 71 lines"
	clean_tree
	yes '' | head -n 900 | c src/util/high.c
	expect "$1" src/util/high.c "a file of 901 lines"
	clean_tree
	for f in a b c d; do
		yes '' | head -n 749 | c src/engine/$f.c
	done
	accept "$1" "an engine of 3,000 lines"
	echo >>src/engine/d.c
	expect "$1" src/engine "an engine of 3,001 lines"
}

plant_spdx()
{
	echo 'int x;' >src/util/bare.c
	expect "$1" src/util/bare.c "a file without licence"
	clean_tree
	sed -i '1s,.*,// SPDX-License-Identifier: MIT,' src/util/one.c
	expect "$1" src/util/one.c "the licence in another form"
	clean_tree
	sed -i 2d src/util/one.c
	expect "$1" src/util/one.c "a file that does not say what it is for"
	clean_tree
	echo '/* ---- life ---- */' >>src/util/one.c
	expect "$1" src/util/one.c "a separator of another form"
	sed -i '$s/----/---/g' src/util/one.c
	accept "$1" "a separator of the one form"
}

plant_markdown()
{
	printf '%0121d\n' 0 >wide.md
	expect "$1" wide.md "a line of 121 columns"
	# Columns are characters, not bytes.
	printf '\342\200\240%.0s' {1..120} >wide.md
	accept "$1" "120 characters of three bytes"
}

plant_marks()
{
	printf '/* TO%s: later */\n' DO | c src/util/later.c
	expect "$1" src/util/later.c "unfinished work"
}

plant_kerneldoc()
{
	printf '\nint two(int n);\n' | c include/util/two.h
	expect "$1" include/util/two.h "an undocumented function"
	printf '\nstruct two {\n\tint n;\n};\n' | c include/util/two.h
	expect "$1" include/util/two.h "an undocumented struct"
	printf '\n/**\n * two() - Two\n * @m: gone\n */\nint two(int n);\n' |
		c include/util/two.h
	expect "$1" include/util/two.h "a parameter that is gone"
	printf '\n/**\n * two() - Two\n */\nint three(int n);\n' |
		c include/util/two.h
	expect "$1" include/util/two.h "a block about something else"
}

plant_docs()
{
	mkdir -p docs
	echo '# The states of no leg' >docs/STATES.md
	expect "$1" docs/STATES.md "a state table that changed"
	clean_tree
	mkdir -p docs
	printf '.Dd x\n.Dt X 8\n.Os\n.Sh NAME\n.Nm x\n.Nd x\n.Xy z\n' \
		>docs/x.8
	expect "$1" docs/x.8 "an unknown macro in a man page"
	clean_tree
	mkdir -p docs
	cp "$root/docs/man-keys.sh" docs
	sed '/^\.It Cm listen/d' "$root/docs/penstock.conf.5" \
		>docs/penstock.conf.5
	expect "$1" docs/penstock.conf.5 "a key that the man page lacks"
	clean_tree
	mkdir -p docs
	# shellcheck disable=SC2016 # backticks of Markdown
	sed 's/^- \*\*`delay`\*\*/- delay/' "$root/docs/FAULTS.md" \
		>docs/FAULTS.md
	expect "$1" docs/FAULTS.md "a fault type without an entry"
}

plant_hostile()
{
	mkdir -p docs
	printf '| 1 | noise | dropped |\n' >docs/HOSTILE.md
	expect "$1" docs/HOSTILE.md "a hostile input without a test"
	printf 'START_TEST(row_01_noise_is_dropped)\n' | c tests/unit/test_row.c
	accept "$1" "a row with its test"
	printf 'START_TEST(row_02_more_noise_is_dropped)\n' |
		c tests/unit/test_more.c
	expect "$1" tests/unit/test_more.c "a test without its row"
}

# The planted table is to hold the backquotes.
# shellcheck disable=SC2016
plant_keys()
{
	mkdir -p docs
	cp -r "$root/tests/unit" "$root/tests/hostile" "$root/tests/e2e" \
		"$root/tests/diff" tests
	sed '/^- [*][*]`tcp_sack`/,/^$/d' "$root/docs/KEYS.md" >docs/KEYS.md
	expect "$1" docs/KEYS.md "a key without an entry"
	sed 's/keys:sack_0`/keys:sack_9`/' "$root/docs/KEYS.md" >docs/KEYS.md
	expect "$1" docs/KEYS.md "a test that is not there"
	cp "$root/docs/KEYS.md" docs
	accept "$1" "the table as it is"
}

plant_mutants()
{
	mkdir -p tests/mutants
	printf '[added_twice] src/util/one.c\n- o->n += n;\n+ o->n += 2 * n;\n' \
		>tests/mutants/faults.txt
	accept "$1" "a fault that applies"
	sed -i 's/+=/-=/' src/util/one.c
	expect "$1" tests/mutants/faults.txt "a fault whose text is gone"
	printf 'int two(int n);\nint two(int n)\n{\n\to->n += n;\n\to->n += n;\n}\n' |
		c src/util/one.c
	expect "$1" tests/mutants/faults.txt "a fault whose text is there twice"
	rm src/util/one.c
	expect "$1" tests/mutants/faults.txt "a fault whose file is gone"
}

plant_format()
{
	printf 'int  x;\n' | c src/util/odd.c
	expect "$1" src/util/odd.c "odd spacing"
}

# The planted scripts are to hold the dollar signs.
# shellcheck disable=SC2016
plant_shellcheck()
{
	printf '#!/bin/sh\n# SPDX-License-Identifier: MIT\nrm -r $1\n' \
		>tests/bad.sh
	expect "$1" tests/bad.sh "an unquoted variable"
	clean_tree
	mkdir .ci
	printf '#!/bin/bash\ncd $1\n' >.ci/run
	expect "$1" .ci/run "a script known by its first line"
}

plant_cppcheck()
{
	printf 'int f(void)\n{\n\tint a[2] = { 0, 1 };\n\treturn a[2];\n}\n' |
		c src/util/bad.c
	expect "$1" src/util/bad.c "an index out of bounds"
}

plant_tidy()
{
	printf '#include <string.h>\nint f(char *s, int n);\nint f(char *s, int n)\n{\n\tif (n > 2);\n\t\treturn (int)strlen(s);\n\treturn 0;\n}\n' |
		c src/util/bad.c
	expect "$1" src/util/bad.c "a stray semicolon"
	printf 'int f(int *p);\nint f(int *p)\n{\n\tif (p)\n\t\treturn 1;\n\treturn *p;\n}\n' |
		c src/util/bad.c
	expect "$1" src/util/bad.c "a null pointer read"
	printf 'int f(int n);\nint f(int n)\n{\n\tif (n > 1) {\n\t\twhile (n--) {\n\t\t\tif (n == 7) {\n\t\t\t\tif (n & 2) {\n\t\t\t\t\tn = 0;\n\t\t\t\t}\n\t\t\t}\n\t\t}\n\t}\n\treturn n;\n}\n' |
		c src/util/bad.c
	expect "$1" src/util/bad.c "nesting of four"
	clean_tree
	printf 'int f(int n);\nint f(int n)\n{\n\tif (n > 1) {\n\t\twhile (n--) {\n\t\t\tif (n == 7) {\n\t\t\t\tn = 0;\n\t\t\t}\n\t\t}\n\t}\n\treturn n;\n}\n' |
		c src/util/good.c
	accept "$1" "nesting of three"
}

for check; do
	clean_tree
	if out=$("$here/$check" 2>&1); then
		echo "ok - lint selftest ${check%.*} passes a clean tree"
	else
		echo "not ok - lint selftest ${check%.*}: clean tree: $out"
	fi
	"plant_${check%.*}" "$check"
done
