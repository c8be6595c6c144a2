/* SPDX-License-Identifier: MIT */
#include "fault/cases.h"

const struct fault_case cases_stream[] = {
	{"latency_downstream",
	 {DOWN},
	 {"a type=latency latency=200 jitter=50 expect=injected>=1"},
	 ""},
	{"bandwidth_upstream",
	 {"c0.up=60000", "c0.down=60000"},
	 {"a type=bandwidth stream=upstream rate=20 expect=injected>=10"},
	 ""},
	{"slicer_slices",
	 {DOWN},
	 {"a type=slicer average_size=500 size_variation=200 delay=2ms "
	  "expect=injected>=20"},
	 ""},
	{"limit_data_ends_there",
	 {DOWN},
	 {"a type=limit_data bytes=20000"},
	 "20002 of 60002 down"},
	{"fin_after_byte",
	 {"c0.up=30000", "c0.down=10"},
	 {"a type=fin stream=upstream after=byte:10000"},
	 "10002 of 30002 up"},
	{"timeout_resets",
	 {DOWN},
	 {"a type=timeout timeout=3s"},
	 "RST from nowhere"},
	{"timeout_released_by_lease",
	 {DOWN},
	 {"a type=timeout timeout=0 lease=4s"},
	 ""},
	{0}};
