# SPDX-License-Identifier: MIT
# End-to-end tests and the demonstration: as root, in network namespaces of
# their own.  FAMILY=4|6 and GROUP="transfer close" select.

E2E_GROUPS = $(GROUP)

$(BUILD)/tools/peer: tests/e2e/peer.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(call Q,TEST)$(CC) $(CPPFLAGS) $(ALL_CFLAGS) -o $@ $<

check-bins: $(addprefix $(BUILD)/tools/,peer synflood shortconn linkem nobpf)

.PHONY: e2e
e2e: all $(BUILD)/tools/peer $(BUILD)/tools/synflood $(BUILD)/tools/shortconn $(BUILD)/tools/linkem $(BUILD)/tools/nobpf $(BUILD)/soak/clockstep.so ## end to end: real kernels, penstockd between
	@BUILD='$(BUILD)' tests/e2e/$(if $(FAMILY),run.sh -f $(FAMILY),families.sh) $(E2E_GROUPS)

demo: all $(BUILD)/tools/peer $(BUILD)/tools/synflood $(BUILD)/tools/shortconn ## see it work, in namespaces
	@BUILD='$(BUILD)' tests/demo.sh
