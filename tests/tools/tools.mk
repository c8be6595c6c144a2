# SPDX-License-Identifier: MIT
.PHONY: states
states: $(BUILD)/tools/states_doc ## write docs/STATES.md from the state table
	$< > docs/STATES.md
