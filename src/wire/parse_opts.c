/* SPDX-License-Identifier: MIT */
/*
 * TCP options.
 *
 * An option whose length is wrong for its kind is skipped.  One whose length
 * breaks the list ends it: what came before counts, in a SYN too, as in Linux.
 * Options that only a SYN may carry are left out of other segments and SACK
 * blocks out of SYNs.  Of a repeated option the last counts.  An MSS of zero is
 * none, as in Linux.
 */
#include "internal.h"

static void read_sack(const uint8_t *p, uint32_t len, struct tcp_opts *o)
{
	struct sack_block b;

	if (len < TCPOLEN_SACK_BASE + TCPOLEN_SACK_BLOCK ||
	    (len - TCPOLEN_SACK_BASE) % TCPOLEN_SACK_BLOCK != 0)
		return;
	o->nsack = 0;
	for (uint32_t i = TCPOLEN_SACK_BASE; i < len; i += TCPOLEN_SACK_BLOCK) {
		b.start = SEQ(get_be32(p + i));
		b.end = SEQ(get_be32(p + i + 4));
		if (seq_lt(b.start, b.end) && o->nsack < SACK_BLOCKS_MAX)
			o->sack[o->nsack++] = b;
	}
}

/*
 * A Fast Open cookie of @len bytes; @has names the kind that carries it.  A
 * cookie of an impossible length takes back what a former option said; one of
 * an odd length is not even that (RFC 7413, 4.1.1).
 */
static void read_tfo(const uint8_t *cookie, uint32_t len, uint8_t has,
		     struct tcp_opts *o)
{
	if (len & 1)
		return;
	o->has &= (uint8_t) ~(OPT_HAS_TFO | OPT_HAS_TFO_EXP);
	o->tfo_len = 0;
	if (len != 0 && (len < TFO_COOKIE_MIN || len > TFO_COOKIE_MAX))
		return;
	o->has |= has;
	o->tfo_len = (uint8_t)len;
	memcpy(o->tfo, cookie, len);
}

/* Options that only a SYN may carry. */
static void read_syn_option(const uint8_t *p, uint32_t len, struct tcp_opts *o)
{
	switch (p[0]) {
	case TCPOPT_MSS:
		if (len != TCPOLEN_MSS || get_be16(p + 2) == 0)
			break;
		o->has |= OPT_HAS_MSS;
		o->mss = get_be16(p + 2);
		break;
	case TCPOPT_WSCALE:
		if (len != TCPOLEN_WSCALE)
			break;
		o->has |= OPT_HAS_WSCALE;
		o->wscale = p[2];
		break;
	case TCPOPT_SACKOK:
		if (len == TCPOLEN_SACKOK)
			o->has |= OPT_HAS_SACKOK;
		break;
	case TCPOPT_TFO:
		read_tfo(p + TCPOLEN_TFO_BASE, len - TCPOLEN_TFO_BASE,
			 OPT_HAS_TFO, o);
		break;
	case TCPOPT_EXP:
		if (len >= TCPOLEN_EXP_TFO_BASE &&
		    get_be16(p + 2) == TCPOPT_EXP_TFO)
			read_tfo(p + TCPOLEN_EXP_TFO_BASE,
				 len - TCPOLEN_EXP_TFO_BASE, OPT_HAS_TFO_EXP,
				 o);
		break;
	default:
		break;
	}
}

/* One option of @len bytes, kind and length included; 2 <= len <= 40. */
static void read_option(const uint8_t *p, uint32_t len, bool syn,
			struct tcp_opts *o)
{
	switch (p[0]) {
	case TCPOPT_TS:
		if (len != TCPOLEN_TS)
			break;
		o->has |= OPT_HAS_TS;
		o->tsval = get_be32(p + 2);
		o->tsecr = get_be32(p + 6);
		break;
	case TCPOPT_SACK:
		if (!syn)
			read_sack(p, len, o);
		break;
	case TCPOPT_UTO:
		if (len != TCPOLEN_UTO)
			break;
		o->has |= OPT_HAS_UTO;
		o->uto = get_be16(p + 2);
		break;
	case TCPOPT_MD5:
		if (len == TCPOLEN_MD5)
			o->has |= OPT_HAS_SIGNED;
		break;
	case TCPOPT_AO:
		if (len >= TCPOLEN_AO_MIN)
			o->has |= OPT_HAS_SIGNED;
		break;
	default:
		if (syn)
			read_syn_option(p, len, o);
		break;
	}
}

void tcp_opts_parse(const uint8_t *p, uint32_t len, bool syn,
		    struct tcp_opts *o)
{
	uint32_t olen;

	memset(o, 0, sizeof(*o));
	while (len > 0 && p[0] != TCPOPT_EOL) {
		if (p[0] == TCPOPT_NOP) {
			p++;
			len--;
			continue;
		}
		if (len < 2 || p[1] < 2 || p[1] > len)
			return;
		olen = p[1];
		read_option(p, olen, syn, o);
		p += olen;
		len -= olen;
	}
}
