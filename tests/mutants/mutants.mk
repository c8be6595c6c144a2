# Mutation check: `make mutants [N=how many, at random] [ONLY=name,name]`
N ?= 0
ONLY ?=

.PHONY: mutants
mutants: ## apply small faults one at a time; the quick tests must notice
	@$(PYTHON) tests/mutants/mutants.py --build '$(abspath $(BUILD))/mutants' \
		-j $(JOBS) -n $(N) --only '$(ONLY)'
