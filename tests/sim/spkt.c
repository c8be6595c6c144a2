/* SPDX-License-Identifier: MIT */
/*
 * The simulator's own packet builder and parser, independent of src/wire.
 */
#include "sim/spkt.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void w16(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static void w32(uint8_t *p, uint32_t v)
{
	w16(p, v >> 16);
	w16(p + 2, v);
}

static uint16_t r16(const uint8_t *p)
{
	return (uint16_t)(p[0] * 256 + p[1]);
}

static uint32_t r32(const uint8_t *p)
{
	return (uint32_t)r16(p) * 65536u + r16(p + 2);
}

struct spkt *spkt_new(uint32_t len)
{
	struct spkt *p = malloc(sizeof(*p) + len);

	if (!p)
		abort();
	p->origin = NULL;
	p->len = len;
	p->corrupt = false;
	p->csum = SCSUM_FULL;
	return p;
}

struct spkt *spkt_dup(const struct spkt *p)
{
	struct spkt *q = spkt_new(p->len);

	memcpy(q, p, sizeof(*p) + p->len);
	return q;
}

/* Folded one's complement sum, not inverted. */
uint16_t spkt_sum(const void *v, size_t len, uint32_t sum)
{
	const uint8_t *p = v;
	uint64_t s = sum;

	for (; len > 1; len -= 2, p += 2)
		s += (uint32_t)p[0] << 8 | p[1];
	if (len)
		s += (uint32_t)p[0] << 8;
	while (s >> 16)
		s = (s & 0xffff) + (s >> 16);
	return (uint16_t)s;
}

static uint16_t pseudo(const struct sseg *s, uint32_t tcplen)
{
	size_t alen = s->family == 4 ? 4 : 16;
	uint32_t sum = spkt_sum(s->src.ip, alen, 6 + tcplen);

	return spkt_sum(s->dst.ip, alen, sum);
}

uint32_t spkt_optlen(const struct sseg *s)
{
	uint32_t n = 0;

	n += s->mss ? 4 : 0;
	n += s->ws >= 0 ? 3 : 0;
	n += s->sackok ? 2 : 0;
	n += s->has_ts ? 10 : 0;
	n += s->nsack ? 2 + 8 * (uint32_t)s->nsack : 0;
	n += s->tfo_kind ? 2u + s->tfo_len : 0;
	n += s->tfo_kind == 254 ? 2 : 0;
	return (n + 3) & ~3u;
}

static uint8_t *put_tfo(uint8_t *o, const struct sseg *s)
{
	bool exp = s->tfo_kind == 254;

	*o++ = s->tfo_kind;
	*o++ = (uint8_t)(2 + (exp ? 2 : 0) + s->tfo_len);
	if (exp) {
		w16(o, 0xf989);
		o += 2;
	}
	memcpy(o, s->tfo, s->tfo_len);
	return o + s->tfo_len;
}

/* Deliberately not in Linux's order: nobody may depend on it. */
static void put_opts(uint8_t *o, uint32_t optlen, const struct sseg *s)
{
	uint8_t *end = o + optlen;

	if (s->mss) {
		w16(o, 0x0204);
		w16(o + 2, s->mss);
		o += 4;
	}
	if (s->ws >= 0) {
		w16(o, 0x0303);
		o[2] = (uint8_t)s->ws;
		o += 3;
	}
	if (s->sackok) {
		w16(o, 0x0402);
		o += 2;
	}
	if (s->has_ts) {
		w16(o, 0x080a);
		w32(o + 2, s->tsval);
		w32(o + 6, s->tsecr);
		o += 10;
	}
	if (s->nsack) {
		w16(o, 0x0500u + 2 + 8 * (uint32_t)s->nsack);
		o += 2;
		for (int i = 0; i < s->nsack; i++, o += 8) {
			w32(o, s->sack[i][0]);
			w32(o + 4, s->sack[i][1]);
		}
	}
	if (s->tfo_kind)
		o = put_tfo(o, s);
	while (o < end)
		*o++ = 1;
}

static void put_ip(uint8_t *d, const struct sseg *s, uint32_t tcplen)
{
	if (s->family == 4) {
		memset(d, 0, 20);
		d[0] = 0x45;
		d[1] = s->ecn;
		w16(d + 2, 20 + tcplen);
		d[6] = 0x40;
		d[8] = 64;
		d[9] = 6;
		memcpy(d + 12, s->src.ip, 4);
		memcpy(d + 16, s->dst.ip, 4);
		w16(d + 10, (uint16_t)~spkt_sum(d, 20, 0));
		return;
	}
	memset(d, 0, 40);
	d[0] = 0x60;
	d[1] = (uint8_t)(s->ecn << 4);
	w16(d + 4, tcplen);
	d[6] = 6;
	d[7] = 64;
	memcpy(d + 8, s->src.ip, 16);
	memcpy(d + 24, s->dst.ip, 16);
}

struct spkt *spkt_build(const struct sseg *s, const uint8_t *data)
{
	uint32_t optlen = spkt_optlen(s), iph = s->family == 4 ? 20 : 40;
	uint32_t tcplen = 20 + optlen + s->len;
	struct spkt *p = spkt_new(iph + tcplen);
	uint8_t *t = p->data + iph;

	put_ip(p->data, s, tcplen);
	memset(t, 0, 20);
	w16(t, s->src.port);
	w16(t + 2, s->dst.port);
	w32(t + 4, s->seq);
	w32(t + 8, s->ack);
	t[12] = (uint8_t)((20 + optlen) / 4 << 4);
	t[13] = (uint8_t)s->flags;
	w16(t + 14, s->wnd);
	w16(t + 18, s->urg);
	put_opts(t + 20, optlen, s);
	if (s->len)
		memcpy(t + 20 + optlen, data, s->len);
	w16(t + 16, (uint16_t)~spkt_sum(t, tcplen, pseudo(s, tcplen)));
	return p;
}

static void get_tfo(const uint8_t *o, struct sseg *s)
{
	int skip = *o == 254 ? 4 : 2;

	if (o[1] < skip || o[1] - skip > 16 ||
	    (*o == 254 && r16(o + 2) != 0xf989))
		return;
	s->tfo_kind = *o;
	s->tfo_len = (uint8_t)(o[1] - skip);
	memcpy(s->tfo, o + skip, s->tfo_len);
}

static const char *get_opts(const uint8_t *o, const uint8_t *end,
			    struct sseg *s)
{
	while (o < end && *o != 0) {
		if (*o == 1) {
			o++;
			continue;
		}
		if (end - o < 2 || o[1] < 2 || o[1] > end - o)
			return "option length";
		if (*o == 2 && o[1] == 4) {
			s->mss = r16(o + 2);
		} else if (*o == 3 && o[1] == 3) {
			s->ws = o[2];
		} else if (*o == 4 && o[1] == 2) {
			s->sackok = true;
		} else if (*o == 8 && o[1] == 10) {
			s->has_ts = true;
			s->tsval = r32(o + 2);
			s->tsecr = r32(o + 6);
		} else if (*o == 5 && o[1] >= 10 && o[1] <= 34 &&
			   (o[1] - 2) % 8 == 0) {
			s->nsack = (o[1] - 2) / 8;
			for (int i = 0; i < s->nsack; i++) {
				s->sack[i][0] = r32(o + 2 + 8 * i);
				s->sack[i][1] = r32(o + 6 + 8 * i);
			}
		} else if (*o == 34 || *o == 254) {
			get_tfo(o, s);
		} else if (*o == 2 || *o == 3 || *o == 4 || *o == 8 ||
			   *o == 5) {
			return "option of a wrong size";
		}
		o += o[1];
	}
	return NULL;
}

/* The IP header: its length, or 0 when it is not TCP, or -1. */
static int parse_ip(const struct spkt *p, struct sseg *s, const char **why)
{
	const uint8_t *d = p->data;

	if (p->len >= 40 && d[0] >> 4 == 6) {
		s->family = 6;
		s->iplen = 40u + r16(d + 4);
		s->ecn = d[1] >> 4 & 3;
		memcpy(s->src.ip, d + 8, 16);
		memcpy(s->dst.ip, d + 24, 16);
		s->df = true;
		if (d[6] != 6)
			return 0;
		*why = "IPv6 length";
		return s->iplen == p->len ? 40 : -1;
	}
	*why = "IPv4 header";
	if (p->len < 20 || d[0] != 0x45)
		return -1;
	s->family = 4;
	s->iplen = r16(d + 2);
	s->ecn = d[1] & 3;
	memcpy(s->src.ip, d + 12, 4);
	memcpy(s->dst.ip, d + 16, 4);
	s->df = d[6] & 0x40;
	*why = "IPv4 total length";
	if (s->iplen != p->len)
		return -1;
	*why = "IPv4 checksum";
	if (spkt_sum(d, 20, 0) != 0xffff)
		return -1;
	*why = "IPv4 fragment";
	if ((r16(d + 6) & 0xbfff) != 0)
		return -1;
	return d[9] == 6 ? 20 : 0;
}

int spkt_parse(const struct spkt *p, struct sseg *s, const char **why)
{
	const uint8_t *t;
	uint32_t tcplen, hl;
	int iph;

	memset(s, 0, sizeof(*s));
	s->ws = -1;
	iph = parse_ip(p, s, why);
	if (iph <= 0)
		return iph < 0 ? -1 : 1;
	t = p->data + iph;
	tcplen = p->len - (uint32_t)iph;
	*why = "TCP header length";
	if (tcplen < 20)
		return -1;
	hl = (uint32_t)(t[12] >> 4) * 4;
	if (hl < 20 || hl > tcplen)
		return -1;
	*why = "TCP checksum";
	if (p->csum == SCSUM_PARTIAL) {
		if (r16(t + 16) != pseudo(s, tcplen))
			return -1;
	} else if (spkt_sum(t, tcplen, pseudo(s, tcplen)) != 0xffff) {
		return -1;
	}
	s->src.port = r16(t);
	s->dst.port = r16(t + 2);
	s->seq = r32(t + 4);
	s->ack = r32(t + 8);
	s->flags = (uint16_t)((t[12] & 1) << 8 | t[13]);
	s->wnd = r16(t + 14);
	s->urg = r16(t + 18);
	s->data = t + hl;
	s->len = tcplen - hl;
	s->optlen = hl - 20;
	*why = get_opts(t + 20, t + hl, s);
	return *why ? -1 : 0;
}

bool spkt_parse_icmp(const struct spkt *p, struct sseg *quoted, uint32_t *mtu)
{
	bool v4 = p->data[0] >> 4 == 4;
	uint32_t iph = v4 ? 20 : 40, len = p->len - iph;
	const uint8_t *i = p->data + iph, *q = i + 8;
	uint32_t sum = 0;

	memset(quoted, 0, sizeof(*quoted));
	if (p->len < 2 * iph + 16 || (v4 ? p->data[9] != 1 : p->data[6] != 58))
		return false;
	if (v4 ? q[0] != 0x45 || q[9] != 6 : q[0] >> 4 != 6 || q[6] != 6)
		return false;
	if (!v4)
		sum = spkt_sum(p->data + 8, 32, 58 + len);
	if (spkt_sum(i, len, sum) != 0xffff)
		return false;
	memcpy(quoted->src.ip, q + (v4 ? 12 : 8), v4 ? 4 : 16);
	memcpy(quoted->dst.ip, q + (v4 ? 16 : 24), v4 ? 4 : 16);
	/* it goes to who sent what it quotes */
	if (memcmp(quoted->src.ip, p->data + (v4 ? 16 : 24), v4 ? 4 : 16) != 0)
		return false;
	quoted->src.port = r16(q + iph);
	quoted->dst.port = r16(q + iph + 2);
	quoted->seq = r32(q + iph + 4);
	quoted->family = v4 ? 4 : 6;
	*mtu = 0;
	if (v4 && i[0] == 3 && i[1] == 4)
		*mtu = r16(i + 6);
	if (!v4 && i[0] == 2)
		*mtu = r32(i + 4);
	return true;
}

void spkt_mark_ce(struct spkt *p)
{
	uint8_t *d = p->data;

	if (d[0] >> 4 == 6) {
		if (d[1] & 0x30)
			d[1] |= IP_CE << 4;
	} else if (d[1] & 3) {
		d[1] |= IP_CE;
		w16(d + 10, 0);
		w16(d + 10, (uint16_t)~spkt_sum(d, 20, 0));
	}
}

struct spkt *spkt_icmp(const struct spkt *p, uint8_t code, uint16_t mtu,
		       uint32_t shift)
{
	bool v4 = p->data[0] >> 4 == 4;
	uint32_t iph = v4 ? 20 : 40, quote = iph + 20;
	struct spkt *e = spkt_new(iph + 8 + quote);
	uint8_t *d = e->data, *i = d + iph;
	struct sseg s = {.family = v4 ? 4 : 6};
	uint32_t sum = 0;

	memset(d, 0, e->len);
	memcpy(i + 8, p->data, quote);
	w32(i + 8 + iph + 4, r32(i + 8 + iph + 4) + shift);
	/* a router of its own, towards the packet's sender */
	memcpy(s.dst.ip, p->data + (v4 ? 12 : 8), v4 ? 4 : 16);
	memcpy(s.src.ip, s.dst.ip, 16);
	s.src.ip[v4 ? 3 : 15] = 254;
	put_ip(d, &s, 8 + quote);
	if (v4) {
		d[9] = 1;
		w16(d + 10, 0);
		w16(d + 10, (uint16_t)~spkt_sum(d, 20, 0));
		i[0] = 3;
		i[1] = code;
		w16(i + 6, mtu);
	} else {
		d[6] = 58;
		i[0] = code == 4 ? 2 : 1;
		i[1] = code == 4 ? 0 : 4;
		if (code == 4)
			w32(i + 4, mtu);
		sum = spkt_sum(d + 8, 32, 58 + 8 + quote);
	}
	w16(i + 2, (uint16_t)~spkt_sum(i, 8 + quote, sum));
	return e;
}

void spkt_finish_csum(struct spkt *p)
{
	uint32_t iph = p->data[0] >> 4 == 4 ? 20 : 40;
	uint8_t *t = p->data + iph;

	if (p->csum != SCSUM_PARTIAL)
		return;
	w16(t + 16, (uint16_t)~spkt_sum(t, p->len - iph, 0));
	p->csum = SCSUM_FULL;
}

void spkt_spoil_csum(struct spkt *p)
{
	struct sseg s;
	const char *why;
	uint32_t iph = p->data[0] >> 4 == 4 ? 20 : 40;

	if (spkt_parse(p, &s, &why))
		return;
	w16(p->data + iph + 16, pseudo(&s, p->len - iph));
	p->csum = SCSUM_PARTIAL;
}

void spkt_recut(struct spkt *p, uint32_t l4_off, uint32_t seq, bool first,
		bool last)
{
	uint8_t *d = p->data, *t = d + l4_off;
	uint32_t tcplen = p->len - l4_off;
	struct sseg s = {.family = d[0] >> 4};

	if (s.family == 4) {
		w16(d + 2, p->len);
		w16(d + 10, 0);
		w16(d + 10, (uint16_t)~spkt_sum(d, 20, 0));
		memcpy(s.src.ip, d + 12, 4);
		memcpy(s.dst.ip, d + 16, 4);
	} else {
		w16(d + 4, tcplen);
		memcpy(s.src.ip, d + 8, 16);
		memcpy(s.dst.ip, d + 24, 16);
	}
	w32(t + 4, seq);
	if (!last)
		t[13] &= (uint8_t) ~(F_FIN | F_PSH);
	if (!first)
		t[13] &= 0x7f; /* CWR */
	w16(t + 16, 0);
	w16(t + 16, (uint16_t)~spkt_sum(t, tcplen, pseudo(&s, tcplen)));
	p->csum = SCSUM_FULL;
}

static int print_opts(const struct sseg *s, char *out, size_t n)
{
	int k = 0;

	out[0] = 0;
	if (s->mss)
		k += snprintf(out + k, n - (size_t)k, " mss %u", s->mss);
	if (s->ws >= 0)
		k += snprintf(out + k, n - (size_t)k, " ws %d", s->ws);
	if (s->sackok)
		k += snprintf(out + k, n - (size_t)k, " sackOK");
	if (s->has_ts)
		k += snprintf(out + k, n - (size_t)k, " ts %u/%u", s->tsval,
			      s->tsecr);
	for (int i = 0; i < s->nsack; i++)
		k += snprintf(out + k, n - (size_t)k, " sack %u-%u",
			      s->sack[i][0], s->sack[i][1]);
	return k;
}

void spkt_print(const struct spkt *p, char *out, size_t outlen)
{
	struct sseg s;
	const char *why;
	char opts[200], fl[12];
	int k = 0, rc = spkt_parse(p, &s, &why);

	if (rc) {
		snprintf(out, outlen, "%s, %u bytes: %s",
			 rc > 0 ? "not TCP" : "malformed", p->len,
			 rc > 0 ? "" : why);
		return;
	}
	for (int i = 0; i < 8; i++)
		if (s.flags & 1 << i)
			fl[k++] = "FSRP.UEW"[i];
	fl[k] = 0;
	print_opts(&s, opts, sizeof(opts));
	snprintf(out, outlen, "%u > %u [%s] seq %u len %u ack %u win %u%s",
		 s.src.port, s.dst.port, fl, s.seq, s.len, s.ack, s.wnd, opts);
}
