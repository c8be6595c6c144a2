/* SPDX-License-Identifier: MIT */
/*
 * Writes docs/STATES.md from the stack's own transition table, so that the
 * picture cannot differ from the code.
 *
 * LINKS: tcp/state
 */
#include <stdio.h>

#include "tcp/state.h"

static bool closes_all(enum tcp_event why)
{
	return why == TE_RCV_RST || why == TE_ABORT || why == TE_TIMEOUT;
}

static void diagram(void)
{
	enum tcp_state from, to;
	enum tcp_event why;

	puts("```mermaid\nstateDiagram-v2");
	for (uint32_t i = 0; tcp_transition_at(i, &from, &to, &why); i++) {
		if (closes_all(why))
			continue; /* from everywhere: said below */
		printf("    %s --> %s: %s\n", tcp_state_name[from],
		       tcp_state_name[to], tcp_event_name[why]);
	}
	puts("```");
}

static void matrix(void)
{
	puts("| from | to, on event |\n| --- | --- |");
	for (int f = 0; f < TS_COUNT; f++) {
		enum tcp_state from, to;
		enum tcp_event why;
		const char *sep = "";

		printf("| %s | ", tcp_state_name[f]);
		for (uint32_t i = 0; tcp_transition_at(i, &from, &to, &why);
		     i++) {
			if ((int)from != f || closes_all(why))
				continue;
			printf("%s%s on %s", sep, tcp_state_name[to],
			       tcp_event_name[why]);
			sep = ", ";
		}
		puts(" |");
	}
}

int main(void)
{
	puts("# The states of a leg\n\n"
	     "`make states` writes this page from the table in "
	     "`src/tcp/state.c`. `make lint`\nfails when the two differ. "
	     "`leg_set_state()` is the only function that writes the\nstate "
	     "of a leg, and asserts each transition against the same table.\n");
	diagram();
	puts("\nRCV_RST, ABORT and TIMEOUT lead to CLOSED from every other "
	     "state. The transition\nfrom CLOSED to SYN_RECEIVED happens when "
	     "a SYN cookie comes back, or the answer to\nan entry of the SYN "
	     "queue: until then no leg is stored. ACCEPT means that the\n"
	     "SYN-ACK may be sent. With `handshake = server_first` a leg "
	     "holds the client's SYN\nand waits in LISTEN until the server "
	     "has answered.\n\n"
	     "The same as a table, without RCV_RST, ABORT and TIMEOUT:\n");
	matrix();
	puts("\nThe client leg acts as the server, the server leg as the "
	     "client. A leg in\nTIME_WAIT that has sent its last ACK becomes "
	     "an entry of the TIME_WAIT table\n(`src/shield/timewait.c`), and "
	     "the flow's memory is free again.\n\nWhat ends each closing "
	     "state:\n\n"
	     "| state | ends by |\n| --- | --- |\n"
	     "| FIN_WAIT_1 | the ACK of our FIN, or the limit `tcp_retries2` "
	     "|\n"
	     "| CLOSING, LAST_ACK | the ACK of our FIN, or "
	     "the limit `tcp_orphan_retries` |\n"
	     "| FIN_WAIT_2, other leg is read | the peer's FIN, or keepalive "
	     "that begins after `tcp_fin_timeout` |\n"
	     "| FIN_WAIT_2, nobody reads | the peer's FIN, or "
	     "`tcp_fin_timeout` |\n"
	     "| CLOSE_WAIT | the other leg's FIN, or keepalive that begins "
	     "after `tcp_fin_timeout` |\n"
	     "| TIME_WAIT | `tcp_timewait_len` |");
	return 0;
}
