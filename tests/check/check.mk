# The engine's invariants (Makefile: CHECK_OBJ), where a unit test wants them.
$(BUILD)/unit/test_fault_engine: $(CHECK_OBJ)

-include $(CHECK_OBJ:.o=.d)
