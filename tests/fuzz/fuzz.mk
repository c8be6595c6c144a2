# Fuzzing with libFuzzer: `make fuzz [SECONDS=N]`, N seconds for each target.
# A finding leaves build/fuzz/TARGET.crash-*; replay it by giving the file to
# build/fuzz/TARGET.
FUZZ := parse segments ini cookie control toxi scenario state journal
FUZZ_FLAGS := -O1 -g -fsanitize=fuzzer,address,undefined \
	-fno-sanitize-recover=undefined
fuzz_mods := $(STACK)
fuzz_src := $(foreach m,$(fuzz_mods),$(wildcard src/$(m)/*.c))
fuzz_src_parse := $(wildcard src/util/*.c src/wire/*.c)
fuzz_src_segments := $(fuzz_src) tests/sim/spkt.c $(wildcard tests/check/*.c)
fuzz_src_state := $(fuzz_src) $(wildcard tests/check/*.c)
fuzz_src_journal := $(wildcard src/util/*.c src/wire/*.c src/crash/*.c)
fuzz_src_cookie := $(wildcard src/util/*.c) src/shield/cookie.c src/shield/tfo.c
fuzz_src_control := $(wildcard src/util/*.c) src/api/answer.c src/api/metrics.c
fuzz_src_toxi := $(fuzz_src) src/api/toxiproxy.c src/api/toxic.c
fuzz_src_scenario := $(fuzz_src) src/config/diag.c \
	$(addprefix src/scenario/,scenario.c word.c vars.c cond.c judge.c)
fuzz_src_filter := $(wildcard src/util/*.c) src/view/filter.c
FUZZ += filter
fuzz_src_ini := $(fuzz_src) $(wildcard src/config/*.c)
FUZZ_LIBS = -lsodium -lm $(shell pkg-config --libs $(PKGS))
fuzz_hdr := $(wildcard include/*/*.h src/*/*.h)
SECONDS ?= 30

define FUZZ_RULE
$(BUILD)/fuzz/$(1): tests/fuzz/fuzz_$(1).c $(fuzz_src_$(1)) $(fuzz_hdr)
	@mkdir -p $$(@D)
	clang $(CPPFLAGS) -Itests -std=gnu11 -fno-strict-aliasing -pthread \
		$(FUZZ_FLAGS) -o $$@ $$(filter %.c,$$^) $(FUZZ_LIBS)
endef
$(foreach t,$(FUZZ),$(eval $(call FUZZ_RULE,$(t))))

.PHONY: fuzz fuzz-replay
fuzz: $(FUZZ:%=$(BUILD)/fuzz/%) ## fuzz every target for SECONDS=30
	@for t in $(FUZZ); do \
		mkdir -p $(BUILD)/fuzz/$$t.corpus; \
		$(BUILD)/fuzz/$$t -max_total_time=$(SECONDS) -timeout=10 \
			-artifact_prefix=$(BUILD)/fuzz/$$t. -verbosity=0 \
			-print_final_stats=1 $(BUILD)/fuzz/$$t.corpus \
			tests/fuzz/corpus/$$t || exit 1; \
	done

fuzz-replay: $(FUZZ:%=$(BUILD)/fuzz/%) ## run the committed corpus once
	@for t in $(FUZZ); do \
		$(BUILD)/fuzz/$$t -runs=0 tests/fuzz/corpus/$$t || exit 1; \
	done
