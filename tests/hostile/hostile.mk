# Hostile input, one named test for each row of the list.
HOSTILE := $(patsubst tests/hostile/%.c,$(BUILD)/hostile/%,$(wildcard tests/hostile/hostile_*.c))
.PHONY: hostile
hostile: $(HOSTILE) ## hostile input: reasons, bounded work, bounded memory
	@UNIT_NAME=hostile tests/unit/run.sh $(HOSTILE)

$(HOSTILE): $(BUILD)/hostile/%: tests/hostile/%.c
	@mkdir -p $(@D)
	$(call Q,TEST)$(CC) $(TEST_CFLAGS) -MMD -MP -o $@ $(filter %.c %.o %.a,$^) $(ALL_LDFLAGS) $(TEST_LIBS) $(LIBS)

check-bins: $(HOSTILE)

-include $(HOSTILE:=.d)

$(BUILD)/hostile/gate.o: tests/hostile/gate.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(call Q,TEST)$(CC) $(TEST_CFLAGS) -MMD -MP -c -o $@ $<

$(addprefix $(BUILD)/hostile/hostile_,alloc bypass cookie engine entry front proof reload shares wait): $(BUILD)/hostile/gate.o \
	$(ENGINE_TEST_OBJ)

comma := ,
# All that the engine asks of the allocator is counted.
$(BUILD)/hostile/hostile_alloc: private ALL_LDFLAGS += $(patsubst %,-Wl$(comma)--wrap=%,malloc \
	calloc realloc reallocarray mmap engine_input engine_pull engine_expire)

-include $(BUILD)/hostile/gate.d
