# penstock - see `make help`
#
# Every src/MODULE/*.c becomes build/obj/MODULE/*.o.  A unit test
# tests/unit/test_X.c names the few objects it links in a line of its own:
#   LINKS: util/slab wire/parse
# so a test that needs an object above its module shows it.
SHELL := /bin/bash
VERSION := 0.1.0
CC ?= gcc
BUILD ?= build
PKGS := libnetfilter_queue libmnl libevent libevent_pthreads inih jansson \
	libsodium libseccomp libcap-ng libsystemd
CFLAGS ?= -O2 -g
WARN := -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes -Werror
CPPFLAGS += -Iinclude -D_GNU_SOURCE -DPENSTOCK_VERSION='"$(VERSION)"'
ALL_CFLAGS = -std=gnu11 $(WARN) -fno-strict-aliasing -pthread $(CFLAGS)

MODULES := util wire tcp shield fault engine io control
LIB_SRC := $(foreach m,$(MODULES),$(wildcard src/$(m)/*.c))
LIB_OBJ := $(LIB_SRC:src/%.c=$(BUILD)/obj/%.o)
UNIT := $(patsubst tests/unit/%.c,%,$(wildcard tests/unit/test_*.c))

unit_links = $(shell sed -n 's/^.*LINKS: *//p' tests/unit/$(1).c | sed 's,\*/,,')

.PHONY: all unit clean
all: $(LIB_OBJ)

$(BUILD)/obj/%.o: src/%.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

define UNIT_RULE
$(BUILD)/unit/$(1): tests/unit/$(1).c $(addprefix $(BUILD)/obj/,$(addsuffix .o,$(call unit_links,$(1))))
	@mkdir -p $$(@D)
	$(CC) $(CPPFLAGS) -Itests $(ALL_CFLAGS) -Wno-conversion -MMD -MP -o $$@ $$(filter %.c %.o,$$^) -lcheck -lsubunit -lsodium -lm -lrt
endef
$(foreach t,$(UNIT),$(eval $(call UNIT_RULE,$(t))))

unit: $(addprefix $(BUILD)/unit/,$(UNIT))
	@for t in $^; do $$t || exit 1; done

clean:
	rm -rf $(BUILD)

-include $(LIB_OBJ:.o=.d)
