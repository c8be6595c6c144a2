# The simulator: `make sim [SEEDS=N] [SEED=first]`
SIM_SRC := $(wildcard tests/sim/*.c)
SIM_OBJ := $(SIM_SRC:tests/%.c=$(BUILD)/%.o)
SIM_LIB := $(filter-out $(BUILD)/obj/io/% $(BUILD)/obj/control/%,$(LIB_OBJ))
SEEDS ?= 20000
SEED ?= 1

$(BUILD)/sim/%.o: tests/sim/%.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) -Itests $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/sim/sim: $(SIM_OBJ) $(SIM_LIB)
	$(CC) $(ALL_CFLAGS) -o $@ $^ -lsodium -lm

.PHONY: sim
sim: $(BUILD)/sim/sim ## the stack in a simulated network (SEEDS=N, SEED=first)
	$< --direct --seeds 2000
	$< --regress tests/sim/regress.txt
	$< --budget tests/sim/budgets.txt
	$< --seeds $(SEEDS) --seed $(SEED)
	@tests/sim/capture_test.sh $<

-include $(SIM_OBJ:.o=.d)
