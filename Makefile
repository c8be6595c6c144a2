# SPDX-License-Identifier: MIT
# penstock - `make help` lists the targets
#
# Every src/MODULE/*.c becomes $(BUILD)/obj/MODULE/*.o and a member of
# $(BUILD)/libpenstock.a, with which src/daemon and src/ctl become penstockd
# and penstockctl.  A unit test tests/unit/test_X.c and a tool tests/tools/X.c
# name the few objects they link in a line of their own:
#   LINKS: util/slab wire/parse
# so a test that needs an object above its module shows it.  The suites
# themselves are described by fragments, tests/*/*.mk.
SHELL := /bin/bash
.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
VERSION := 0.1.0
ifeq ($(origin CC),default)
CC := gcc
endif
AR ?= ar
BUILD ?= build
# One spelling, or the dependencies of one would not be those of the other.
override BUILD := $(patsubst $(CURDIR)/%,%,$(abspath $(BUILD)))
# V=1 shows whole commands.
Q = $(if $(V),,@printf '  %-5s %s\n' '$(1)' '$(patsubst $(BUILD)/%,%,$@)';)
JOBS ?= $(shell nproc 2>/dev/null || echo 2)
PYTHON ?= /usr/bin/python3

# Debian packages: what the programs need, what the tests need on top.
DEPS_BUILD := gcc make libc6-dev pkg-config libnetfilter-queue-dev \
	libmnl-dev libevent-dev libinih-dev libjansson-dev libsodium-dev \
	libseccomp-dev libcap-ng-dev libsystemd-dev libncurses-dev
# For the XDP front; without them it is left out.
DEPS_BPF := clang bpftool libbpf-dev
DEPS_TEST := check libsubunit-dev python3 iproute2 iptables keepalived iputils-ping \
	procps ethtool curl jq bc openssl tcpdump tshark iperf3 wrk nginx-light \
	haproxy postgresql socat util-linux valgrind clang clang-tidy \
	clang-format cppcheck shellcheck universal-ctags gcovr mandoc \
	dpkg-dev lintian git prometheus python3-prometheus-client python3-pyte zsh systemd systemd-container \
	autopkgtest podman runc chromium
# For the pictures of `make paths`.
DEPS_PATHS := gnuplot-nox haproxy iproute2 iptables python3 tcpdump
# toxiproxy's client and playwright-core; not where somebody else's nodejs has npm in it.
DEPS_TEST += $(if $(shell command -v npm),,nodejs npm)

PKGS := libnetfilter_queue libmnl libevent libevent_pthreads inih jansson \
	libsodium libseccomp libcap-ng libsystemd ncursesw
LIBS = $(eval LIBS := $$(shell pkg-config --libs $(PKGS)) -lm)$(LIBS)
TEST_LIBS := -lcheck -lsubunit -lrt

CFLAGS ?= -O2 -g
WARN := -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes -Werror
CPPFLAGS += -Iinclude -D_GNU_SOURCE -DPENSTOCK_VERSION='"$(VERSION)"'
# No path of the machine that builds it gets into a program.
HERE := -ffile-prefix-map=$(CURDIR)=.
ALL_CFLAGS = -std=gnu11 $(WARN) -fno-strict-aliasing -pthread $(HERE) $(CFLAGS)
# Tests may mix integer widths freely.
TEST_CFLAGS = $(CPPFLAGS) -Itests $(ALL_CFLAGS) -Wno-conversion
ALL_LDFLAGS = -Wl,--as-needed $(LDFLAGS)

PREFIX ?= /usr/local
sbindir = $(PREFIX)/sbin
mandir = $(PREFIX)/share/man
docdir = $(PREFIX)/share/doc/penstock
datadir = $(PREFIX)/share
unitdir = $(if $(filter /usr,$(PREFIX)),/lib/systemd/system,$(PREFIX)/lib/systemd/system)
sysconfdir = $(if $(filter /usr /usr/local,$(PREFIX)),/etc,$(PREFIX)/etc)

# What is deterministic, and the rest of the library.
STACK := util wire crash tcp shield fault policy engine impair splice view \
	capture handover
MODULES := $(STACK) io front config rules api scenario
# Programs for the kernel need clang, bpftool and libbpf; without them, or with
# BPF=, there are none.
BPF ?= $(shell command -v clang >/dev/null && command -v bpftool >/dev/null && \
	pkg-config --exists libbpf && echo 1)
override BPF := $(BPF)
PKGS += $(if $(BPF),libbpf)
LIB_SRC := $(foreach m,$(MODULES),$(sort $(wildcard src/$(m)/*.c)))
LIB_SRC := $(filter-out $(if $(BPF),src/front/%none.c,src/front/pins.c src/front/%maps.c src/front/%attach.c),$(LIB_SRC))
LIB_OBJ := $(LIB_SRC:src/%.c=$(BUILD)/obj/%.o)
LIB_OBJ += $(BUILD)/obj/api/assets.o
STACK_OBJ := $(filter $(STACK:%=$(BUILD)/obj/%/%),$(LIB_OBJ))
# The engine and its invariants, for tests that drive it.
CHECK_OBJ := $(patsubst tests/%.c,$(BUILD)/%.o,$(wildcard tests/check/*.c))
ENGINE_TEST_OBJ := $(STACK_OBJ) $(CHECK_OBJ)
LIB := $(BUILD)/libpenstock.a
PROGS := $(BUILD)/penstockd $(BUILD)/penstockctl
UNIT := $(patsubst tests/unit/%.c,%,$(sort $(wildcard tests/unit/test_*.c)))
UNIT_BINS := $(UNIT:%=$(BUILD)/unit/%)
TOOLS := $(patsubst tests/tools/%.c,%,$(sort $(wildcard tests/tools/*.c)))
MAN := $(sort $(wildcard docs/*.[1-8] docs/man/*.[1-8]))

# `LINKS: a/b c/%` of a source file, as objects (c/%: all of that module);
# `LINKS: all` is the library.
links_of = $(shell sed -n 's,^.*LINKS: *,,p' $(1) | sed 's,\*/,,')
link_objs = $(if $(filter all,$(1)),$(LIB),$(foreach o,$(1),$(call link_obj,$(o))))
link_obj = $(if $(findstring %,$(1)),$(filter $(BUILD)/obj/$(1).o,$(LIB_OBJ)),$(BUILD)/obj/$(1).o)

.PHONY: all
all: $(LIB) $(PROGS) ## build penstockd and penstockctl

# Objects are rebuilt when compiler or flags change, e.g. a second CC.
FLAGS_NOW = $(CC) $(CPPFLAGS) $(ALL_CFLAGS) $(ALL_LDFLAGS)
.PHONY: FORCE
$(BUILD)/flags: FORCE
	@mkdir -p $(@D)
	@printf '%s\n' '$(subst ','\'',$(FLAGS_NOW))' | cmp -s - $@ || \
		printf '%s\n' '$(subst ','\'',$(FLAGS_NOW))' >$@
# What `make check` and `make demo` build waits for the packages.
ifneq ($(filter check quickcheck demo,$(MAKECMDGOALS)),)
$(BUILD)/flags: | deps
endif

$(BUILD)/obj/%.o: src/%.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(call Q,CC)$(CC) $(CPPFLAGS) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/check/%.o: tests/check/%.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(call Q,TEST)$(CC) $(TEST_CFLAGS) -MMD -MP -c -o $@ $<

# Programs for the kernel, and the skeletons that carry them.
$(BUILD)/bpf/%.bpf.o: src/bpf/%.bpf.c $(wildcard src/bpf/*.h include/front/*layout.h) include/shield/known_layout.h $(BUILD)/flags
	@mkdir -p $(@D)
	$(call Q,BPF)clang -O2 -g $(HERE) -Wall -Wextra -target bpf -mcpu=v3 -ffreestanding -Iinclude \
		-I/usr/include/$(shell gcc -print-multiarch) -c -o $@ $<

$(BUILD)/bpf/%.skel.h: $(BUILD)/bpf/%.bpf.o
	$(call Q,SKEL)bpftool gen skeleton $< name $*_bpf >$@

.SECONDARY: $(foreach p,front splice,$(BUILD)/bpf/$(p).bpf.o $(BUILD)/bpf/$(p).skel.h)
$(BUILD)/obj/front/attach.o: $(BUILD)/bpf/front.skel.h
$(BUILD)/obj/front/splice_attach.o: $(BUILD)/bpf/splice.skel.h
$(BUILD)/obj/front/attach.o $(BUILD)/obj/front/splice_attach.o: \
	private CPPFLAGS += -isystem $(BUILD)/bpf

# The files of the page, in the program.
PAGE_FILES := $(sort $(wildcard src/page/*.html src/page/*.css src/page/*.js src/page/*.svg src/page/uplot/*))
$(BUILD)/page/assets.c: src/page/embed.sh $(PAGE_FILES) $(BUILD)/flags
	@mkdir -p $(@D)
	$(call Q,PAGE)src/page/embed.sh $(PAGE_FILES) >$@

$(BUILD)/obj/api/assets.o: $(BUILD)/page/assets.c
	@mkdir -p $(@D)
	$(call Q,CC)$(CC) $(CPPFLAGS) -Isrc $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

$(LIB): $(LIB_OBJ)
	@rm -f $@
	$(call Q,AR)$(AR) rcsD $@ $^

PARTS_penstockd := src/daemon
PARTS_penstockctl := src/ctl
prog_objs = $(patsubst src/%.c,$(BUILD)/obj/%.o,$(sort $(wildcard $(PARTS_$(1))/*.c)))
define PROG_RULE
$(BUILD)/$(1): $(call prog_objs,$(1)) $(LIB)
	$$(call Q,LINK)$$(CC) $$(ALL_CFLAGS) -o $$@ $$^ $$(ALL_LDFLAGS) $$(LIBS)
endef
$(foreach p,$(PROGS:$(BUILD)/%=%),$(eval $(call PROG_RULE,$(p))))

define UNIT_RULE
$(BUILD)/unit/$(1): tests/unit/$(1).c $(BUILD)/flags $(call link_objs,$(call links_of,tests/unit/$(1).c))
	@mkdir -p $$(@D)
	$$(call Q,TEST)$$(CC) $$(TEST_CFLAGS) -MMD -MP -o $$@ $$(filter %.c %.o %.a,$$^) $$(ALL_LDFLAGS) $$(TEST_LIBS) $$(LIBS)
endef
$(foreach t,$(UNIT),$(eval $(call UNIT_RULE,$(t))))

define TOOL_RULE
$(BUILD)/tools/$(1): tests/tools/$(1).c $(BUILD)/flags $(call link_objs,$(call links_of,tests/tools/$(1).c))
	@mkdir -p $$(@D)
	$$(call Q,TEST)$$(CC) $$(TEST_CFLAGS) -MMD -MP -o $$@ $$(filter %.c %.o %.a,$$^) $$(ALL_LDFLAGS) $$(LIBS)
endef
$(foreach t,$(TOOLS),$(eval $(call TOOL_RULE,$(t))))

.PHONY: tools unit-bins
tools: $(TOOLS:%=$(BUILD)/tools/%) ## build the test tools
unit-bins: $(UNIT_BINS)
# All that the suites run; the fragments add to it.
.PHONY: check-bins
check-bins: unit-bins tools

# --- tests ------------------------------------------------------------------

.PHONY: deps
deps: ## install the Debian packages that are missing (as root)
	@tests/tools/deps.sh $(DEPS_BUILD) $(DEPS_BPF) $(DEPS_TEST)

# The suites of `make check`; what + separates runs side by side (suites.sh).
# CHECK_SEEDS bounds the simulator's part.
SUITES := e2e + unit sim fault-sim matrix hostile bpf diff keys package + lint
# A fixed set of seeds: no run of theirs fails by luck.
CHECK_SEEDS ?= 2000
CHECK_SEED ?= 1
QUICK_SEEDS ?= 200

.PHONY: check quickcheck unit demo
check: deps ## every test; ends with the sum of all suites
	@tests/tools/suites.sh '$(BUILD)' '$(MAKE)' $(JOBS) SEED=$(CHECK_SEED) SEEDS=$(CHECK_SEEDS) -- $(SUITES)

quickcheck: deps ## unit tests, a short simulation and the quick lint
	@tests/tools/suites.sh '$(BUILD)' '$(MAKE)' $(JOBS) SEED=$(CHECK_SEED) SEEDS=$(QUICK_SEEDS) LINT_QUICK=1 -- \
		unit sim fault-sim + lint

unit: $(UNIT_BINS) ## unit tests
	@tests/unit/run.sh $(UNIT_BINS)

demo: deps

-include tests/*/*.mk

# Sanitizers change what gcc thinks of conversions; plain builds judge warnings.
SAN := -O1 -g -Wno-error -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=undefined
ASAN_SUITES ?= e2e + unit sim fault-sim matrix hostile
.PHONY: asan valgrind coverage
# A report of a program that a test started and stopped is found by its file.
# E2E_SMOKE= runs every case.
E2E_SMOKE ?= 1
SAN_REPORT = $(abspath $(BUILD))/asan/reports
asan: ## tests under ASan and UBSan; of e2e the light cases (E2E_SMOKE=: all)
	@rm -rf '$(SAN_REPORT)' && mkdir -p '$(SAN_REPORT)'
	@E2E_SMOKE='$(E2E_SMOKE)' E2E_RSS_SLACK=1024 ASAN_OPTIONS=log_path='$(SAN_REPORT)/r' \
		UBSAN_OPTIONS=print_stacktrace=1:log_path='$(SAN_REPORT)/r' \
		tests/tools/suites.sh '$(BUILD)/asan' '$(MAKE)' $(JOBS) \
		CFLAGS='$(SAN)' SEED=$(CHECK_SEED) SEEDS=$(QUICK_SEEDS) -- $(ASAN_SUITES); rc=$$?; \
	for f in '$(SAN_REPORT)'/*; do \
		test ! -s "$$f" || { echo "asan: $$f"; cat "$$f"; rc=1; }; \
	done; exit $$rc

valgrind: $(UNIT_BINS) ## unit tests under valgrind
	@UNIT_NAME=valgrind UNIT_JOBS=$(JOBS) UNIT_WRAP='valgrind -q --leak-check=full --error-exitcode=99' \
		CK_TIMEOUT_MULTIPLIER=50 tests/unit/run.sh $(UNIT_BINS)

COVERAGE_SUITES ?= unit sim fault-sim matrix hostile
coverage: ## line and branch coverage of src/tcp, src/engine, src/impair, src/wire
	@tests/tools/coverage.sh '$(BUILD)/coverage' '$(MAKE)' $(JOBS) \
		SEED=$(CHECK_SEED) SEEDS=$(CHECK_SEEDS) -- $(COVERAGE_SUITES)

.PHONY: lint format doc paths fairness
lint: all $(BUILD)/tools/states_doc ## all style checks and their self-test (LINT_QUICK=1: no analyzers)
	@BUILD='$(BUILD)' LINT_QUICK='$(LINT_QUICK)' LINT_JOBS='$(JOBS)' tests/lint/run.sh

format: ## clang-format every C file in place
	@tests/lint/list.sh c | xargs clang-format -i

doc: ## man pages as HTML; fails where one is malformed or a symbol lacks its comment
	@mkdir -p $(BUILD)/doc
	@$(PYTHON) tests/lint/kerneldoc.py
	@for m in $(MAN); do \
		mandoc -T lint -W warning "$$m" && \
		mandoc -T html -O style=mandoc.css "$$m" >$(BUILD)/doc/$${m##*/}.html || exit 1; \
	done
	@echo "doc: $(words $(MAN)) pages in $(BUILD)/doc"

.PHONY: linkem-test
linkem-test: $(BUILD)/tools/linkem ## is the link emulator what it says (as root; wants a quiet machine)
	@BUILD='$(BUILD)' tests/tools/linkem_test.sh

paths: all $(BUILD)/tools/linkem ## direct, HAProxy and penstock on emulated paths (CELLS= ONLY= ROUNDS= RESUME=1)
	@tests/tools/deps.sh $(DEPS_PATHS)
	@BUILD='$(BUILD)' tests/tools/pathbench.sh

fairness: all $(BUILD)/tools/linkem ## how penstock's senders and the kernel's share a bottleneck
	@BUILD='$(BUILD)' tests/tools/fairness.sh

# --- installation -----------------------------------------------------------

CONF := $(wildcard conf/penstock.conf)
EXAMPLES := $(shell find conf/examples -type f -name '*.conf' -o -type f -name '*.scn' 2>/dev/null | sort)
UNITS := $(wildcard systemd/*.service)

.PHONY: install uninstall deb clean help
install: all ## install programs, man pages, units and configuration (PREFIX, DESTDIR)
	install -d '$(DESTDIR)$(sbindir)' '$(DESTDIR)$(sysconfdir)/penstock' '$(DESTDIR)$(docdir)'
	install -m 755 $(PROGS) '$(DESTDIR)$(sbindir)'
	$(foreach m,$(MAN),install -D -m 644 $(m) '$(DESTDIR)$(mandir)/man$(subst .,,$(suffix $(m)))/$(notdir $(m))' &&) true
	$(foreach u,$(UNITS),install -d '$(DESTDIR)$(unitdir)' && \
		sed 's,/usr/sbin/,$(sbindir)/,g; s,/etc/penstock/,$(sysconfdir)/penstock/,g' $(u) \
		>'$(DESTDIR)$(unitdir)/$(notdir $(u))' &&) true
	$(foreach c,$(CONF),{ test -e '$(DESTDIR)$(sysconfdir)/penstock/penstock.conf' || \
		install -m 644 $(c) '$(DESTDIR)$(sysconfdir)/penstock/penstock.conf'; } &&) true
	install -m 644 $(wildcard README.md LICENSE) docs/OPERATIONS.md docs/FAULTS.md docs/RECIPES.md '$(DESTDIR)$(docdir)'
	install -D -m 644 conf/completion/penstockctl.bash '$(DESTDIR)$(datadir)/bash-completion/completions/penstockctl'
	install -D -m 644 conf/completion/_penstockctl '$(DESTDIR)$(datadir)/zsh/vendor-completions/_penstockctl'
	install -D -m 644 -t '$(DESTDIR)$(docdir)/examples' conf/prometheus/penstock.rules.yml conf/grafana/penstock.json systemd/penstockd-bpf.conf
	$(foreach e,$(EXAMPLES),install -D -m 644 $(e) '$(DESTDIR)$(docdir)/examples/$(e:conf/examples/%=%)' &&) true

uninstall: ## remove what install put there, but not the configuration
	rm -f $(foreach p,$(PROGS),'$(DESTDIR)$(sbindir)/$(notdir $(p))')
	rm -f $(foreach m,$(MAN),'$(DESTDIR)$(mandir)/man$(subst .,,$(suffix $(m)))/$(notdir $(m))')
	rm -f $(foreach u,$(UNITS),'$(DESTDIR)$(unitdir)/$(notdir $(u))')
	rm -f '$(DESTDIR)$(datadir)/bash-completion/completions/penstockctl' '$(DESTDIR)$(datadir)/zsh/vendor-completions/_penstockctl'
	rm -rf '$(DESTDIR)$(docdir)'

deb: all ## build a Debian package under $(BUILD)
	@tests/tools/mkdeb.sh '$(BUILD)' '$(MAKE)' '$(VERSION)'

clean: ## remove $(BUILD)
	rm -rf '$(BUILD)'

help: ## this list
	@cat $(MAKEFILE_LIST) | sed -n 's/^\([a-z][a-z0-9-]*\):.*## *\(.*\)/\1\t\2/p' | sort | \
		awk -F'\t' '{ printf "  make %-12s %s\n", $$1, $$2 }'

-include $(LIB_OBJ:.o=.d) $(foreach p,$(PROGS:$(BUILD)/%=%),$(patsubst %.o,%.d,$(call prog_objs,$(p))))
-include $(UNIT_BINS:=.d) $(TOOLS:%=$(BUILD)/tools/%.d)
