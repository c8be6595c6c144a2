# Faults in the simulator: `make fault-sim [FAULT_SEEDS=N] [SEED=first]`.  The
# simulator's hosts and network, with faults put into the engine as it is made.
# SEED is sim.mk's: by hand a fresh range each time.
FAULT_SEEDS ?= 400
FAULT_SIM_SRC := $(wildcard tests/fault/*.c)
FAULT_SIM_OBJ := $(FAULT_SIM_SRC:tests/%.c=$(BUILD)/%.o) \
	$(filter-out %/sim.o,$(patsubst tests/%.c,$(BUILD)/%.o,$(wildcard tests/sim/*.c)))

$(BUILD)/fault/%.o: tests/fault/%.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) -Itests $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/fault/fault_sim: $(FAULT_SIM_OBJ) \
		$(ENGINE_TEST_OBJ)
	$(CC) $(ALL_CFLAGS) -o $@ $^ -lsodium -lm \
		-Wl,--wrap=engine_new,--wrap=engine_free,--wrap=engine_pull,--wrap=tap_check,--wrap=peer_input,--wrap=judge_outcomes

.PHONY: fault-sim
fault-sim: $(BUILD)/fault/fault_sim ## faults in the simulator
	$< $(FAULT_SEEDS) $(SEED) || \
		{ echo 'again: make fault-sim SEED=$(SEED) FAULT_SEEDS=$(FAULT_SEEDS)'; exit 1; }

check-bins: $(BUILD)/fault/fault_sim

-include $(FAULT_SIM_SRC:tests/%.c=$(BUILD)/%.d)
