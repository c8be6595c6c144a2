/* SPDX-License-Identifier: MIT */
/*
 * One line for each state change of a leg, for log_level = debug.
 *
 * A line names the flow by its service, its serial number and the addresses
 * that the client sees.  So one search finds both legs of a flow.
 */
#include <inttypes.h>

#include "internal.h"
#include "util/address.h"
#include "util/log.h"

void flow_trace(struct leg *l, enum tcp_state to, enum tcp_event why)
{
	const struct flow *f = leg_flow(l);
	const struct tuple *t = &f->leg[LEG_CLIENT].t;
	char client[ADDRESS_TEXT_MAX], server[ADDRESS_TEXT_MAX];
	const char *service = flow_service(f);

	if (!trace_wants(&f->svc->engine->set->policy->trace, service,
			 &t->remote, &t->local))
		return;
	log_dbg("%s serial=%" PRIu64 " %s -> %s: %s leg %s -> %s on %s",
		service, flow_serial(f->svc->engine, f),
		address_print_port(&t->remote, t->rport, client),
		address_print_port(&t->local, t->lport, server),
		l->side == LEG_CLIENT ? "client" : "server",
		tcp_state_name[l->state], tcp_state_name[to],
		tcp_event_name[why]);
}
