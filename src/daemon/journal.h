/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCKD_JOURNAL_H
#define PENSTOCKD_JOURNAL_H

/*
 * The journal's names clash with those of util/log.h: they meet here.
 */

/* Send a line of the connection log to the journal: each member of the object
 * as a field, "by": "client" as PENSTOCK_BY=client, and a MESSAGE in short. */
void journal_send(const char *json);

#endif
