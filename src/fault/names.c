/* SPDX-License-Identifier: MIT */
/*
 * The names of the enums of faults, as they are written and reported.
 */
#include "internal.h"

const char *const fault_type_name[FT_COUNT + 1] = {
#define X(id, name) name,
	FAULT_TYPES(X)
#undef X
};

const char *const fault_counter_name[FC_COUNT + 1] = {
	"matched", "rolled", "injected", "suppressed", NULL};

const char *const fault_reaction_name[FR_COUNT + 1] = {
#define X(id, name) name,
	FAULT_REACTIONS(X)
#undef X
};

/* of all types; enum fault_ecn, then enum fault_tfo */
const char *const fault_mode_name[] = {"bleach",	"ce",
				       "ece",		"cwr",
				       "blackhole",	"ignore-data",
				       "reject-cookie", "stale-cookie",
				       "no-cookie",	NULL};
static_assert(ARRAY_LEN(fault_mode_name) == FAULT_MODE_COUNT + 1,
	      "a word a mode");

/* of all types; enum fault_inject, then fault_kind, fault_icmp */
const char *const fault_inject_name[] = {"rst-exact",	  "rst-inwindow",
					 "syn-inwindow",  "ack-old",
					 "ack-future",	  "data-oow",
					 "paws-old",	  "badsum",
					 "null",	  "keepalive",
					 "window",	  "data",
					 "ack",		  "rst",
					 "syn",		  "ptb",
					 "unreach-net",	  "unreach-host",
					 "unreach-proto", "unreach-port",
					 "unreach-admin", NULL};
static_assert(ARRAY_LEN(fault_inject_name) == FAULT_ICMP_COUNT + 1,
	      "a word a kind");
