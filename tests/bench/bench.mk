# SPDX-License-Identifier: MIT
# The bench: plain forwarding, HAProxy and penstock in one run, as root.
# BENCH_ROUNDS=5 BENCH_SECONDS=2 FAMILY=4 FLOOD_RATE=0 (as fast as it goes)

FLOOD_TOOLS = $(BUILD)/tools/shortconn $(BUILD)/tools/synflood \
	$(BUILD)/tools/nfq_forward

$(BUILD)/tools/shortconn: tests/bench/shortconn.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(call Q,TEST)$(CC) $(CPPFLAGS) $(ALL_CFLAGS) -o $@ $<

$(BUILD)/tools/crowd: tests/bench/crowd.c $(LIB)
	@mkdir -p $(@D)
	$(call Q,TEST)$(CC) $(TEST_CFLAGS) -o $@ $^ $(ALL_LDFLAGS) $(LIBS)

.PHONY: bench bench-flood bench-fault bench-restart bench-scale
ifdef SCALE
bench: bench-scale
else
bench: all $(BUILD)/tools/shortconn ## table against plain forwarding and HAProxy; floods
	@BUILD='$(BUILD)' tests/bench/bench.sh $(if $(FAMILY),-f $(FAMILY))
	@$(MAKE) --no-print-directory BUILD='$(BUILD)' bench-flood
	@$(MAKE) --no-print-directory BUILD='$(BUILD)' bench-fault
	@$(MAKE) --no-print-directory BUILD='$(BUILD)' bench-restart
endif

$(BUILD)/tools/faultcost: tests/bench/faultcost.c \
		$(patsubst tests/%.c,$(BUILD)/%.o,$(filter-out %/sim.c,$(wildcard tests/sim/*.c))) \
		$(ENGINE_TEST_OBJ)
	@mkdir -p $(@D)
	$(call Q,TEST)$(CC) $(TEST_CFLAGS) -o $@ $(filter %.c %.o,$^) \
		-lsodium -lm -Wl,--wrap=engine_new

bench-fault: all $(BUILD)/tools/shortconn $(BUILD)/tools/faultcost ## what a fault costs connections that it does not concern
	@BUILD='$(BUILD)' tests/bench/faultcost.sh

bench-flood: all $(FLOOD_TOOLS) ## SYN floods at full speed: what legitimate clients keep, beside SYNPROXY
	@BUILD='$(BUILD)' FAMILY='$(FAMILY)' tests/bench/flood.sh

bench-scale: all $(BUILD)/tools/crowd ## cost of a packet and of a connection with 1,000 to 1,000,000 (make bench SCALE=1)
	@BUILD='$(BUILD)' tests/bench/scale.sh

bench-restart: all $(BUILD)/tools/crowd ## how long nothing passes while another penstockd takes over
	@BUILD='$(BUILD)' tests/bench/restart.sh
