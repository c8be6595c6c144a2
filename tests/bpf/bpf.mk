# SPDX-License-Identifier: MIT
# The programs for the kernel, run by it (bpf_prog_test_run) beside the engine.
# As root; says so where the kernel, the rights or the tools are missing.
BPF_SYNS ?= 1000000
BPF_TESTS := front_equal front_rules splice_equal splice_map

define BPF_RULE
$(BUILD)/bpf/$(1): tests/bpf/$(1).c tests/bpf/front_rig.c tests/bpf/front_rig.h $(LIB)
	@mkdir -p $$(@D)
	$$(call Q,TEST)$$(CC) $$(TEST_CFLAGS) -o $$@ $$(filter %.c %.a,$$^) $$(ALL_LDFLAGS) $$(LIBS)
endef
$(if $(BPF),$(foreach t,$(BPF_TESTS),$(eval $(call BPF_RULE,$(t)))))

bpf_bins := $(if $(BPF),$(BPF_TESTS:%=$(BUILD)/bpf/%) $(BUILD)/bpf/front.bpf.o $(BUILD)/bpf/splice.bpf.o)
check-bins: $(bpf_bins)

.PHONY: bpf
bpf: $(bpf_bins) ## programs for the kernel beside the engine (BPF_SYNS=N)
	@tests/bpf/run.sh '$(if $(BPF),$(BUILD)/bpf)' $(BPF_SYNS)
