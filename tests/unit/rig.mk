# What tests of a leg link: the rig, the whole stack and the floors below it.
RIG_TESTS := $(filter test_leg_% test_model_% test_board test_rack test_reasm \
	test_recovery test_cubic test_rtt test_window,$(UNIT))
RIG_OBJ = $(filter $(BUILD)/obj/util/%.o $(BUILD)/obj/wire/%.o \
	$(BUILD)/obj/crash/%.o $(BUILD)/obj/tcp/%.o,$(LIB_OBJ)) \
	$(BUILD)/unit/rig.o

$(BUILD)/unit/rig.o: tests/unit/rig.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(call Q,TEST)$(CC) $(TEST_CFLAGS) -MMD -MP -c -o $@ $<

$(RIG_TESTS:%=$(BUILD)/unit/%): $(RIG_OBJ)

# What tests of handing over link besides.
HANDOVER_TESTS := $(filter test_handover%,$(UNIT))

$(BUILD)/unit/process.o: tests/unit/process.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(call Q,TEST)$(CC) $(TEST_CFLAGS) -MMD -MP -c -o $@ $<

$(HANDOVER_TESTS:%=$(BUILD)/unit/%): $(BUILD)/unit/process.o
$(HANDOVER_TESTS:%=$(BUILD)/unit/%): TEST_LIBS += $(LIB)

-include $(BUILD)/unit/rig.d $(BUILD)/unit/process.d
$(BUILD)/matrix/cells: $(RIG_OBJ)
$(BUILD)/hostile/hostile_leg: $(RIG_OBJ)
