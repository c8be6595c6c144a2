/* SPDX-License-Identifier: MIT */
/*
 * Peers of known behaviour, measured: the simulator's hosts retry a SYN after
 * 1, 3, 7 s, double their RTO, probe and keep alive at the times of the plan.
 */
#include "fault/cases.h"

#define STEP(ms) "{\"n\":1,\"min\":" ms ",\"mean\":" ms ",\"max\":" ms "}"

const struct fault_case cases_profile[] = {
	{"observed_connection_is_undisturbed",
	 {DOWN},
	 {"a type=observe side=both expect=injected==0"},
	 ""},
	{"syn_retries_measured", {DOWN}, {"a type=syn_drop count=3"}, ""},
	{"syn_ack_retries_measured",
	 {DOWN},
	 {"a type=syn_ack_drop side=server count=3",
	  "b type=syn_drop side=server skip=1"},
	 ""},
	{"timeouts_measured",
	 {"c0.up=100", "c0.down=0", "c0.c.tx_chunk=50", "c0.c.tx_gap_ms=500"},
	 {"a type=drop_range bytes=50-100 times=4 dir=from_peer"},
	 ""},
	{"fast_retransmission_is_no_timeout",
	 {"c0.up=60000", "c0.down=10"},
	 {"a type=droplist index=6 dir=from_peer expect=injected==1"},
	 ""},
	{"window_probes_measured",
	 {"c0.up=200000", "c0.down=10"},
	 {"a type=zero_window on=byte:20000 reopen=6s"},
	 ""},
	{"window_probes_of_the_tarpit_measured",
	 {"c0.up=5000", "c0.down=0", "c0.c.die_ms=6000"},
	 {"a type=tarpit"},
	 ""},
	{"keepalives_answered_measured",
	 {"c0.up=100", "c0.down=2000", "c0.c.keepalive_s=20",
	  "c0.s.tx_chunk=1000", "c0.s.tx_gap_ms=50000"},
	 {"a type=observe"},
	 ""},
	{"keepalives_unanswered_measured",
	 {"c0.up=100", "c0.down=1000", "c0.c.keepalive_s=20",
	  "c0.s.tx_chunk=900", "c0.s.tx_gap_ms=500000"},
	 {"a type=blackhole on=time:10s dir=to_peer"},
	 "timed out"},
	{"end_measured",
	 {"c0.up=60000", "c0.down=100"},
	 {"a type=end action=vanish on=byte:20000 side=both then=silence"},
	 "timed out"},
	{0}};

/* What came of a fault with one kind of reaction, right as often as @ok. */
#define PEER(kind, n, ok) \
	"\"peer\":{\"" kind "\":" n "},\"ok\":" ok ",\"wrong\":0,"

const struct fault_measure measures[] = {
	{"syn_drop_twice_client_retries", {PEER("retransmit", "2", "0")}},
	{"drop_range_twice", {PEER("dup-ack", "2", "0")}},
	{"reset_at_byte_cuts_there", {PEER("silence", "1", "0")}},
	{"inject_rst_exact_ends_it", {PEER("rst", "1", "1")}},
	{"wrong_synack_reset_and_tried_again", {PEER("rst", "2", "2")}},
	{"simultaneous_open_works", {PEER("syn-ack", "1", "1")}},
	{"time_wait_replay_data", {PEER("ack", "1", "1")}},
	{"time_wait_replay_ack", {PEER("ack", "1", "1")}},
	{"time_wait_replay_rst", {PEER("silence", "1", "1")}},
	{"time_wait_replay_syn_at_server", {PEER("ack", "1", "1")}},
	{"observed_connection_is_undisturbed",
	 {"\"side\":\"client\",\"conns\":1,\"rtt_ms\":" STEP("2.000"),
	  "\"side\":\"server\",\"conns\":1,\"rtt_ms\":" STEP("2.000")}},
	{"syn_retries_measured",
	 {"\"syn_ms\":[" STEP("1000.000") "," STEP("2000.000") "," STEP(
		 "4000.000") "]"}},
	{"syn_ack_retries_measured",
	 {"\"syn_ack_ms\":[" STEP("1000.000") "," STEP("2000.000") "," STEP(
		 "4000.000") "]"}},
	{"timeouts_measured",
	 {"\"rto_ms\":[" STEP("200.000") "," STEP("400.000") "," STEP(
		 "800.000") "," STEP("1600.000") "]"}},
	{"fast_retransmission_is_no_timeout", {"\"syn_ms\":[],\"rto_ms\":[],"}},
	{"window_probes_measured",
	 {"\"window_probe_ms\":[" STEP("198.000") "," STEP("400.000") "," STEP(
		 "800.000") "," STEP("1600.000") "]"}},
	{"window_probes_of_the_tarpit_measured",
	 {"\"window_probe_ms\":[" STEP("1000.000") "," STEP("2000.000") "]"}},
	{"keepalives_answered_measured",
	 {"\"idle_ms\":{\"n\":2,\"min\":20000.000,\"mean\":20001.000,"
	  "\"max\":20002.000},\"interval_ms\":null,\"count\":1}"}},
	{"keepalives_unanswered_measured",
	 {"\"idle_ms\":" STEP("20000.000") ",\"interval_ms\":{\"n\":4,\"min\":"
					   "5000.000,\"mean\":5000.000,\"max"
					   "\":5000.000},\"count\":5}",
	  "\"silence_ms\":" STEP("20000.000")}},
	{"end_measured",
	 {"\"rto_ms\":[" STEP("202.000") "," STEP("400.000") ",",
	  "\"silence_ms\":" STEP("402202.000")}},
	{0}};
