/* SPDX-License-Identifier: MIT */
/*
 * When to acknowledge (RFC 1122 4.2.3.2, RFC 5681 4.2, RFC 5961 7).
 *
 * At once: every second full-sized segment, anything out of order, the first
 * segments of a connection and those after a loss.  Otherwise within 40 ms.
 * Answers to segments outside the window are rate-limited per leg, so that two
 * ends that disagree cannot answer each other endlessly.
 */
#include "internal.h"

void acker_now(struct leg_rcv *rcv)
{
	rcv->owed = ACK_NOW;
}

void acker_owe(struct leg *l, mono_t now)
{
	if (l->rcv.owed == ACK_NOW)
		return;
	if (l->rcv.quickack || l->rcv.unacked > l->rcv.mss) {
		l->rcv.owed = ACK_NOW;
		return;
	}
	if (l->rcv.owed == ACK_NONE) {
		l->rcv.owed = ACK_DELAYED;
		l->tmr.ack = mono_add(now, DELACK_US);
	}
}

static bool limited(uint32_t *last, const struct leg *l, mono_t now)
{
	uint32_t ms = ms_clock(now);
	uint32_t interval =
		(uint32_t)(l->cfg->invalid_ratelimit / USEC_PER_MSEC);

	if (*last && ms - *last < interval)
		return true;
	*last = ms;
	return false;
}

bool acker_allows(struct leg *l, enum tcp_counter skipped, mono_t now)
{
	if (!limited(&l->tmr.oow_ms, l, now))
		return true;
	leg_count(l, skipped);
	return false;
}

bool acker_out_of_window(struct leg *l, enum tcp_counter skipped, mono_t now)
{
	if (!acker_allows(l, skipped, now))
		return false;
	acker_now(&l->rcv);
	return true;
}

/* RFC 5961, 7: a budget per leg and second, never a global one. */
bool acker_challenge(struct leg *l, mono_t now)
{
	uint32_t sec = sec_clock(now);

	if (!acker_allows(l, CNT_TcpExtTCPACKSkippedChallenge, now))
		return false;
	if (l->tmr.challenge_s != sec) {
		l->tmr.challenge_s = sec;
		l->tmr.challenge_count = 0;
	}
	if (l->tmr.challenge_count >= l->cfg->challenge_ack_limit)
		return false;
	l->tmr.challenge_count++;
	leg_count(l, CNT_TcpExtTCPChallengeACK);
	acker_now(&l->rcv);
	return true;
}

/* A segment that carries an ACK has been sent. */
void acker_sent(struct leg *l)
{
	if (l->rcv.quickack && l->rcv.unacked)
		l->rcv.quickack--;
	l->rcv.owed = ACK_NONE;
	l->tmr.ack = MONO_UNSET;
	l->rcv.unacked = 0;
	l->rcv.acked = l->rcv.nxt;
}
