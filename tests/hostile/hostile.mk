# Hostile input, one named test for each row of the list.
HOSTILE := $(patsubst tests/hostile/%.c,$(BUILD)/hostile/%,$(wildcard tests/hostile/hostile_*.c))
.PHONY: hostile
hostile: $(HOSTILE) ## hostile input: reasons, bounded work, bounded memory
	@UNIT_NAME=hostile tests/unit/run.sh $(HOSTILE)

$(HOSTILE): $(BUILD)/hostile/%: tests/hostile/%.c
	@mkdir -p $(@D)
	$(call Q,TEST)$(CC) $(TEST_CFLAGS) -MMD -MP -o $@ $(filter %.c %.o %.a,$^) $(ALL_LDFLAGS) $(TEST_LIBS) $(LIBS)

-include $(HOSTILE:=.d)

$(BUILD)/hostile/gate.o: tests/hostile/gate.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(call Q,TEST)$(CC) $(TEST_CFLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/hostile/hostile_engine: $(BUILD)/hostile/gate.o \
	$(filter-out $(BUILD)/obj/io/% $(BUILD)/obj/control/%,$(LIB_OBJ))

-include $(BUILD)/hostile/gate.d
