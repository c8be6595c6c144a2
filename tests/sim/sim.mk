# The simulator: `make sim [SEEDS=N] [SEED=first]`.  By hand it takes seeds that
# nobody has played yet and says which; `make check` has a fixed set of its own.
SIM_SRC := $(wildcard tests/sim/*.c)
SIM_OBJ := $(SIM_SRC:tests/%.c=$(BUILD)/%.o)
SIM_LIB := $(ENGINE_TEST_OBJ)
SEEDS ?= 20000
SEED ?= $(eval SEED := $(shell od -An -N4 -tu4 /dev/urandom | tr -d ' '))$(SEED)
# The hosts without penstock between them, which tests the simulator itself.
DIRECT_SEEDS ?= 500

$(BUILD)/sim/%.o: tests/sim/%.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) -Itests $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/sim/sim: $(SIM_OBJ) $(SIM_LIB)
	$(CC) $(ALL_CFLAGS) -o $@ $^ -lsodium -lm

.PHONY: sim
sim: $(BUILD)/sim/sim ## the stack in a simulated network (SEEDS=N, SEED=first)
	$< --direct --seeds $(DIRECT_SEEDS) --seed $$(($(SEED) + $(SEEDS)))
	$< --regress tests/sim/regress.txt
	$< --budget tests/sim/budgets.txt
	$< --seeds $(SEEDS) --seed $(SEED) || \
		{ echo 'again: make sim SEED=$(SEED) SEEDS=$(SEEDS)'; exit 1; }
	@tests/sim/capture_test.sh $<

.PHONY: budgets
budgets: $(BUILD)/sim/sim ## measure tests/sim/budgets.txt and write its bounds anew
	@$(PYTHON) tests/sim/budgets.py $< tests/sim/budgets.txt
	@git --no-pager diff --stat tests/sim/budgets.txt

check-bins: $(BUILD)/sim/sim

-include $(SIM_OBJ:.o=.d)
