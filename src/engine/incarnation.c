/* SPDX-License-Identifier: MIT */
#include "internal.h"
bool tw_admit(struct engine *e, const struct segment *s, mono_t now,
	      struct tx *reply, seq_t *iss, enum verdict *v)
{
	(void)e;(void)s;(void)now;(void)reply;(void)iss;(void)v;
	return false;
}
bool tw_dial(struct engine *e, struct leg *l, mono_t now, seq_t *iss,
	     uint32_t *ts_off)
{
	(void)e;(void)l;(void)now;(void)iss;(void)ts_off;
	return true;
}
