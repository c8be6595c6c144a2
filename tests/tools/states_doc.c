/* SPDX-License-Identifier: MIT */
/*
 * Writes docs/STATES.md from the stack's own transition table, so that the
 * picture cannot differ from the code.
 *
 * LINKS: tcp/state
 */
#include <stdio.h>

#include "tcp/state.h"

static void diagram(void)
{
	enum tcp_state from, to;
	enum tcp_event why;

	puts("```mermaid\nstateDiagram-v2");
	for (uint32_t i = 0; tcp_transition_at(i, &from, &to, &why); i++) {
		if (why == TE_RCV_RST || why == TE_ABORT || why == TE_TIMEOUT)
			continue; /* from everywhere: said below */
		printf("    %s --> %s: %s\n", tcp_state_name[from],
		       tcp_state_name[to], tcp_event_name[why]);
	}
	puts("```");
}

static void matrix(void)
{
	puts("| from \\\\ to | events |\n| --- | --- |");
	for (int f = 0; f < TS_COUNT; f++) {
		enum tcp_state from, to;
		enum tcp_event why;

		printf("| %s |", tcp_state_name[f]);
		for (uint32_t i = 0; tcp_transition_at(i, &from, &to, &why);
		     i++) {
			if ((int)from == f)
				printf(" %s on %s;", tcp_state_name[to],
				       tcp_event_name[why]);
		}
		puts(" |");
	}
}

int main(void)
{
	puts("# The states of a leg\n\n"
	     "Made by `make states` from the table in `src/tcp/state.c`; "
	     "`make lint` fails when\nthis page and the table differ. "
	     "`leg_set_state()` is the only writer of a leg's\nstate and "
	     "asserts each transition against the same table.\n");
	diagram();
	puts("\nRCV_RST, ABORT and TIMEOUT lead to CLOSED from every state but "
	     "CLOSED itself.\nCLOSED to SYN_RECEIVED is the return of a SYN "
	     "cookie or of an entry of the SYN\nqueue: the state that was "
	     "never stored. ACCEPT means that the SYN-ACK may go out:\nwith "
	     "`handshake = server_first` a leg waits in LISTEN, holding the "
	     "client's SYN,\nuntil the server has answered.\n");
	matrix();
	puts("\nThe client leg plays the server, the server leg plays the "
	     "client. A leg in\nTIME_WAIT that has sent its last ACK becomes "
	     "an entry of the TIME_WAIT table\n(`src/shield/timewait.c`), and "
	     "the flow's memory is free again.\n\nWhat ends each closing "
	     "state:\n\n"
	     "| state | ends by |\n| --- | --- |\n"
	     "| FIN_WAIT_1, CLOSING, LAST_ACK | the ACK of our FIN, or the "
	     "retransmission limit (`tcp_retries2`; `tcp_orphan_retries` for "
	     "CLOSING and LAST_ACK) |\n"
	     "| FIN_WAIT_2 | the peer's FIN; keepalive that begins after "
	     "`tcp_fin_timeout` while the other leg is read; "
	     "`tcp_fin_timeout` once nobody reads |\n"
	     "| CLOSE_WAIT | the other leg's FIN; keepalive that begins after "
	     "`tcp_fin_timeout` |\n"
	     "| TIME_WAIT | `tcp_timewait_len` |");
	return 0;
}
