/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCK_API_FAULTS_H
#define PENSTOCK_API_FAULTS_H

/*
 * Faults as JSON, for the answers to commands about faults.
 */
#include <jansson.h>

#include "fault/sum.h"

/* [{"name", "type", "line", "spec": {}, ...}, ...], owned by the caller; NULL:
 * no memory. */
json_t *faults_json(const struct fault_sum *f, uint32_t n);

/* {"fault": "NAME", "client": "ADDRESS", "server": "ADDRESS"}; @t is of the
 * client leg. */
json_t *fault_hit_json(const char *fault, const struct tuple *t);

/* {"types": [{"name", "example", "keys": [{"name", "help", "allowed",
 * "needed"}], "common": [names]}], "common": [keys]}, owned by the caller. */
json_t *fault_types_json(void);

#endif
