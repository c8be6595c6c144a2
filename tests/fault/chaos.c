/* SPDX-License-Identifier: MIT */
/*
 * Faults that come and go at random while connections run.
 *
 * The linker hands engine_pull() to us: before it, now and then, faults are
 * added to living connections, removed, leased, replaced in one step, or a
 * batch is refused and must have changed nothing.  Each fault has a lease, and
 * none outlives the first seconds; so
 *
 *   CHAOS_MENDED: faults that hold back all they can, for ever if nobody took
 *   them away: once they are gone each connection must end as if they had
 *   never been;
 *   CHAOS_ROUGH: all types with values from one end to the other of what is
 *   taken: connections may end as they like, the engine has to stay sane.
 */
#include "fault/chaos.h"

#include <stdlib.h>

#include "fault/told.h"
#include "sim/world.h"

#define CHAOS_US (5 * USEC_PER_SEC)
#define LINE_MAX 300

int __real_engine_pull(struct engine *e, struct tx *tx, int max, mono_t now);
int __wrap_engine_pull(struct engine *e, struct tx *tx, int max, mono_t now);

static struct {
	enum chaos_mode mode;
	struct prng r;
	mono_t until, next;
	const char *wrong;
} chaos;

/* What is no more once the fault is removed. */
static const char *const mended[] = {
	"type=loss percent=60",
	"type=delay time=1h",
	"type=delay time=30ms jitter=30ms distribution=pareto",
	"type=reorder percent=30 time=1h",
	"type=duplicate percent=30 copies=3 spacing=20ms",
	"type=corrupt percent=20 bits=2 where=ip,tcp dir=from_peer",
	"type=corrupt percent=40 bits=4 dir=from_peer",
	"type=rate rate=8bit limit=100M",
	"type=rate rate=300KB limit=30K",
	"type=slot min=1h",
	"type=slot min=2ms max=9ms packets=2",
	"type=blackhole",
	"type=latency latency=1h",
	"type=latency latency=80 jitter=80 stream=upstream",
	"type=bandwidth rate=1B",
	"type=bandwidth rate=1B stream=upstream",
	"type=slicer average_size=100 delay=1h",
	"type=slicer average_size=1 size_variation=400 stream=upstream",
	"type=timeout timeout=0",
	"type=timeout timeout=0 stream=upstream",
	"type=zero_window",
	"type=zero_window reopen=1h",
	"type=ack_delay time=1h",
	"type=ack_drop",
	"type=stretch_ack n=4000000000",
	"type=dup_ack n=5",
	"type=tiny_segments size=1 delay=1h",
	"type=tiny_segments size=200 variation=4000000000",
	"type=window_shrink by=1G hold=1h",
	"type=window_shrink by=3000 hold=1ms",
	"type=silly_window size=1",
	"type=silly_window size=4294967295",
	"type=sack_renege count=9",
	"type=coalesce hold=1h",
	"type=overlap size=1",
	"type=overlap size=4000000000",
	"type=slow_close delay=1h",
	"type=half_close_stall",
	"type=fin_drop",
	"type=last_ack_drop",
	"type=simultaneous_close delay=300ms",
	"type=probe_swallow",
	"type=syn_drop",
	"type=syn_ack_drop",
	"type=syn_ack_delay time=4s",
	"type=mss_clamp value=1",
	"type=mss_clamp value=88",
	"type=strip_option list=sack,ts,ws,mss",
	"type=inject kind=data-oow count=50 percent=20",
	"type=inject kind=ack-future count=50 percent=20",
	"type=inject kind=paws-old count=50 percent=20",
	"type=mtu_blackhole mtu=1280",
	"type=mtu_blackhole mtu=300 icmp=ptb",
	"type=icmp kind=unreach-port count=20",
	"type=ecn mode=bleach",
	"type=wrong_synack count=2",
	"type=simultaneous_open",
	"type=observe",
};

/* What else there is: RSTs, ends, other bytes. */
static const char *const rough[] = {
	"type=corrupt percent=20 bits=3 checksum=fix where=payload",
	"type=end action=reset after=byte:900",
	"type=end action=reset after=acked:2000 sides=both",
	"type=end action=reset after=time:700",
	"type=end action=fin after=byte:700 stream=upstream",
	"type=end action=fin after=byte:0",
	"type=end action=vanish after=byte:1000 then=silence",
	"type=end action=vanish after=time:1s then=rst",
	"type=end action=fin after=byte:1000",
	"type=end action=close after=byte:0 stream=upstream",
	"type=timeout timeout=300 close=fin",
	"type=timeout timeout=1s from=idle",
	"type=timeout timeout=100 from=data stream=upstream",
	"type=corrupt_stream percent=50 bits=4000000000",
	"type=optimistic_ack by=1G",
	"type=optimistic_ack",
	"type=urgent offset=1000",
	"type=overlap size=50 content=differ favor=new",
	"type=time_wait_replay kind=data delay=1ms",
	"type=time_wait_replay kind=rst delay=0",
	"type=time_wait_replay kind=syn delay=1s",
	"type=inject kind=rst-exact percent=5",
	"type=inject kind=rst-inwindow percent=20",
	"type=inject kind=syn-inwindow percent=20",
	"type=refuse with=icmp-admin percent=50",
	"type=refuse",
	"type=delude",
	"type=tarpit",
	"type=tfo mode=blackhole",
	"type=tfo mode=ignore-data",
	"type=ttl value=255",
	"type=duplicate copies=9 dir=from_peer spacing=1h",
	"type=delay time=35000h jitter=35000h distribution=pareto",
	"type=rate rate=1000000MB burst=1000000G overhead=4294967295",
};

void chaos_begin(enum chaos_mode mode, uint64_t seed)
{
	memset(&chaos, 0, sizeof(chaos));
	chaos.mode = mode;
	prng_seed(&chaos.r, seed);
}

const char *chaos_end(void)
{
	chaos.mode = CHAOS_OFF;
	return chaos.wrong;
}

bool chaos_matters(const char *why)
{
	static const char *const engine[] = {"engine_check", "engine_pull",
					     "time stands still",
					     "engine never rests"};

	for (size_t i = 0; i < ARRAY_LEN(engine); i++)
		if (strstr(why, engine[i]))
			return true;
	return false;
}

static uint32_t roll(uint32_t n)
{
	return prng_below(&chaos.r, n);
}

static const char *any_type(void)
{
	uint32_t n = ARRAY_LEN(mended);

	if (chaos.mode == CHAOS_ROUGH)
		n += ARRAY_LEN(rough);
	n = roll(n);
	return n < ARRAY_LEN(mended) ? mended[n] : rough[n - ARRAY_LEN(mended)];
}

static void any_add(char *out, mono_t now)
{
	static const char *const side[] = {"client", "server", "both"};
	static const char *const gone[] = {"release", "drop", "reset"};
	static const char *const more[] = {"",
					   " toxicity=0.5",
					   " skip=3",
					   " count=20",
					   " duration=900ms",
					   " max_active=1",
					   " conn=every:2"};
	const char *type = any_type(), *extra = more[roll(ARRAY_LEN(more))];
	int64_t left = mono_sub(chaos.until, now);
	bool stream = strstr(type, "stream") != NULL;

	if (strstr(extra, "count") && strstr(type, "count"))
		extra = "";
	snprintf(out, LINE_MAX,
		 "add c%u %s side=%s scope=%s on_remove=%s order=%u "
		 "lease=%ldus%s",
		 roll(8), type, stream ? "client" : side[roll(3)],
		 roll(4) ? "all" : "new",
		 chaos.mode == CHAOS_ROUGH ? gone[roll(3)] : gone[0], roll(3),
		 1 + (long)(prng_u32(&chaos.r) % (uint64_t)left), extra);
}

static void any_change(char *out, mono_t now)
{
	switch (roll(8)) {
	case 0:
	case 1:
		snprintf(out, LINE_MAX, "del c%u", roll(8));
		return;
	case 2:
		snprintf(out, LINE_MAX, "lease c%u %uus", roll(8),
			 1 + roll(300000));
		return;
	case 3:
		snprintf(out, LINE_MAX, "%s", roll(4) ? "del c0" : "reset");
		return;
	default:
		any_add(out, now);
	}
}

/* One that is refused has changed nothing. */
static void change(struct engine *e, mono_t now)
{
	static char text[4][LINE_MAX], before[20000], after[20000];
	const char *line[4];
	uint32_t n = 1 + roll(4);
	char err[700] = "";

	for (uint32_t i = 0; i < n; i++) {
		any_change(text[i], now);
		line[i] = text[i];
	}
	told_change(e, NULL, 0, now, err, sizeof(err));
	told_list(e, before, sizeof(before));
	if (!told_change(e, line, n, now, err, sizeof(err)))
		return;
	told_list(e, after, sizeof(after));
	if (strcmp(before, after) != 0)
		chaos.wrong = "a refused batch changed something";
	if (!strstr(err, "no such fault") && !strstr(err, "of this name")) {
		fprintf(stderr, "chaos: %s\n", err);
		chaos.wrong = "a batch was refused for no reason";
	}
}

int __wrap_engine_pull(struct engine *e, struct tx *tx, int max, mono_t now)
{
	if (chaos.mode && !mono_is_set(chaos.until))
		chaos.until = mono_add(now, CHAOS_US);
	if (chaos.mode && mono_before(now, chaos.until) &&
	    !mono_before(now, chaos.next)) {
		change(e, now);
		chaos.next = mono_add(now, roll(150000));
	}
	return __real_engine_pull(e, tx, max, now);
}
