/* SPDX-License-Identifier: MIT */
/*
 * The timer of a flow's faults.
 */
#include "internal.h"

void timer_arm(struct impair *im, struct flow *f)
{
	struct impair_flow *sf = impaired(f);
	mono_t wake = fault_flow_wake(&im->set, sf->w);

	wake = mono_earlier(wake, sf->again);
	wake = mono_earlier(wake, fault_react_wake(sf->w));
	wake = mono_earlier(wake, sf->transit[0].wake);
	wake = mono_earlier(wake, sf->transit[1].wake);
	if (mono_is_set(wake))
		wheel_arm(&im->set.wheel, &sf->w->timer, wake);
	else
		wheel_cancel(&im->set.wheel, &sf->w->timer);
}

/* What a fault held back may be sent now: ACK, window, FIN. */
void timer_ask_again(struct flow *f)
{
	for (int i = 0; i < 2; i++)
		if (f->leg[i].state >= TS_ESTABLISHED &&
		    f->leg[i].state != TS_TIME_WAIT)
			f->leg[i].rcv.owed = ACK_NOW;
}
