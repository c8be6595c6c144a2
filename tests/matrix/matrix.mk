# Every segment in every state, against the reviewed table golden.txt.
.PHONY: matrix matrix-update
matrix: $(BUILD)/matrix/cells ## the state matrix against its reviewed table
	@$< $(BUILD)/matrix/cells.txt >$(BUILD)/matrix/log || { cat $(BUILD)/matrix/log; exit 1; }
	@$(PYTHON) tests/matrix/fold.py tests/matrix/golden.txt <$(BUILD)/matrix/cells.txt

matrix-update: $(BUILD)/matrix/cells
	@$< $(BUILD)/matrix/cells.txt >$(BUILD)/matrix/log || { cat $(BUILD)/matrix/log; exit 1; }
	@$(PYTHON) tests/matrix/fold.py --update tests/matrix/golden.txt <$(BUILD)/matrix/cells.txt

check-bins: $(BUILD)/matrix/cells

$(BUILD)/matrix/cells: tests/matrix/cells.c tests/unit/rig.h
	@mkdir -p $(@D)
	$(call Q,TEST)$(CC) $(TEST_CFLAGS) -o $@ $(filter %.c %.o,$^) $(ALL_LDFLAGS) $(TEST_LIBS) $(LIBS)
