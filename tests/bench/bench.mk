# SPDX-License-Identifier: MIT
# The bench: plain forwarding, HAProxy and penstock in one run, as root.
# BENCH_ROUNDS=5 BENCH_SECONDS=2 FAMILY=4

$(BUILD)/tools/shortconn: tests/bench/shortconn.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(call Q,TEST)$(CC) $(CPPFLAGS) $(ALL_CFLAGS) -o $@ $<

.PHONY: bench
bench: all $(BUILD)/tools/shortconn ## table against plain forwarding and HAProxy
	@BUILD='$(BUILD)' tests/bench/bench.sh $(if $(FAMILY),-f $(FAMILY))
