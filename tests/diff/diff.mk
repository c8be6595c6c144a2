# The same segments to Linux and to penstock's engine: `make diff` (as root).
DIFF_SRC := $(wildcard tests/diff/*.c) tests/sim/spkt.c
DIFF_LIB = $(STACK_OBJ)

$(BUILD)/diff/diff: $(DIFF_SRC) tests/diff/backend.h $(DIFF_LIB)
	@mkdir -p $(@D)
	$(call Q,TEST)$(CC) $(TEST_CFLAGS) -o $@ $(filter %.c %.o,$^) $(ALL_LDFLAGS) -lsodium -lm

.PHONY: diff
diff: $(BUILD)/diff/diff ## the same segments to the kernel's stack and to penstock's
	@tests/diff/selftest.sh
	@$(PYTHON) tests/diff/compare.py $< tests/diff/scripts.txt tests/diff/differences.txt

.PHONY: keys
keys: $(BUILD)/diff/diff ## each key that Linux has, too, shows the kernel's effect
	@$(PYTHON) tests/diff/compare.py $< tests/diff/keys.txt tests/diff/keys_differences.txt keys

check-bins: $(BUILD)/diff/diff
