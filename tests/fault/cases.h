/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCK_TESTS_FAULT_CASES_H
#define PENSTOCK_TESTS_FAULT_CASES_H

/*
 * Scenarios of fault_sim.c, by the groups of docs/FAULTS.md.
 */
#define LINES_MAX 8

/**
 * struct fault_case - One scenario
 * @plan:  settings of a plain plan
 * @fault: with "expect=" for its counters
 * @fails: what the judge must complain of ("" = nothing: all bytes came)
 */
struct fault_case {
	const char *name, *plan[10], *fault[LINES_MAX], *fails;
};

/* A plain download. */
#define DOWN "c0.up=100", "c0.down=60000"

/* Each ends with a case without a name. */
extern const struct fault_case cases_segment[], cases_handshake[],
	cases_transfer[], cases_close[], cases_stream[], cases_profile[];

/**
 * struct fault_measure - What a case must have measured
 * @name: of the case
 * @what: all of these are in the peers' profiles or the list of faults
 */
struct fault_measure {
	const char *name, *what[4];
};

/* Ends with one without a name. */
extern const struct fault_measure measures[];

#endif
