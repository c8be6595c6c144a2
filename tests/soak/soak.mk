# The soak: hours, or minutes, of everything at once, as root.
# MINUTES=20 SEED=N (the time, if not given) SOAK_LOAD=8 connections at a time
MINUTES ?= 20
SOAK_LOAD ?= 8

$(BUILD)/soak/clockstep.so: tests/soak/clockstep.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(call Q,TEST)$(CC) $(TEST_CFLAGS) -fPIC -shared -o $@ $< -ldl

check-bins: $(BUILD)/soak/clockstep.so

.PHONY: soak
soak: all $(BUILD)/tools/synflood $(BUILD)/soak/clockstep.so ## MINUTES=20 of mixed traffic, faults, restarts, crashes: nothing lost, wrong or leaked
	@unshare --mount --pid --fork --kill-child --mount-proc \
		$(PYTHON) -B tests/soak/soak.py '$(BUILD)' --minutes '$(MINUTES)' \
		--load '$(SOAK_LOAD)' $(if $(SEED),--seed '$(SEED)') $(SOAK_ARGS)
