/* SPDX-License-Identifier: MIT */
/*
 * Plans: drawing one from a seed, reading and printing its fields.
 */
#include "sim/plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/policy.h"
#include "util/prng.h"

struct field {
	const char *name;
	size_t offset;
	int64_t simple;
};

#define FIELD_G(n, s) {#n, offsetof(struct plan, n), s},
#define FIELD_L(n, s) {#n, offsetof(struct link_plan, n), s},
#define FIELD_C(n, s) {#n, offsetof(struct conn_plan, n), s},
#define FIELD_S(n, s) {#n, offsetof(struct side_plan, n), s},

static const struct field fields_global[] = {PLAN_GLOBAL(FIELD_G)};
static const struct field fields_link[] = {PLAN_LINK(FIELD_L)};
static const struct field fields_conn[] = {PLAN_CONN(FIELD_C)};
static const struct field fields_side[] = {PLAN_SIDE(FIELD_S)};

static int64_t *field_at(void *base, const struct field *f, int64_t *simple)
{
	*simple = f->simple;
	return (int64_t *)(void *)((char *)base + f->offset);
}

int64_t *plan_field(struct plan *p, uint32_t i, char *name, size_t namelen,
		    int64_t *simple)
{
	const uint32_t ng = ARRAY_LEN(fields_global);
	const uint32_t nl = ARRAY_LEN(fields_link);
	const uint32_t nc = ARRAY_LEN(fields_conn);
	const uint32_t ns = ARRAY_LEN(fields_side);
	struct conn_plan *c;
	uint32_t k;

	if (i < ng) {
		snprintf(name, namelen, "%s", fields_global[i].name);
		return field_at(p, &fields_global[i], simple);
	}
	i -= ng;
	if (i < nl * LINKS) {
		snprintf(name, namelen, "l%u.%s", i / nl,
			 fields_link[i % nl].name);
		return field_at(&p->link[i / nl], &fields_link[i % nl], simple);
	}
	i -= nl * LINKS;
	k = i / (nc + 2 * ns);
	i %= nc + 2 * ns;
	if (k >= PLAN_CONNS)
		return NULL;
	c = &p->conn[k];
	if (i < nc) {
		snprintf(name, namelen, "c%u.%s", k, fields_conn[i].name);
		return field_at(c, &fields_conn[i], simple);
	}
	i -= nc;
	snprintf(name, namelen, "c%u.%c.%s", k, i < ns ? 'c' : 's',
		 fields_side[i % ns].name);
	return field_at(i < ns ? &c->client : &c->server_side,
			&fields_side[i % ns], simple);
}

int plan_set(struct plan *p, const char *assignment)
{
	const char *eq = strchr(assignment, '=');
	char name[40], *end;
	int64_t *v, simple;

	if (!eq)
		return -1;
	for (uint32_t i = 0;
	     (v = plan_field(p, i, name, sizeof(name), &simple)); i++) {
		if (strlen(name) != (size_t)(eq - assignment) ||
		    memcmp(name, assignment, strlen(name)) != 0)
			continue;
		*v = strtoll(eq + 1, &end, 10);
		return *end ? -1 : 0;
	}
	return -1;
}

void plan_describe(const struct plan *p, char *out, size_t outlen)
{
	struct plan q = *p;
	char name[40];
	int64_t *v, simple;
	size_t k = 0;

	out[0] = 0;
	for (uint32_t i = 0;
	     (v = plan_field(&q, i, name, sizeof(name), &simple)); i++) {
		if (name[0] == 'c' && name[1] >= '0' && name[1] <= '9' &&
		    atoi(name + 1) >= p->nconn)
			continue;
		if (*v != simple && k < outlen)
			k += (size_t)snprintf(out + k, outlen - k, " %s=%ld",
					      name, (long)*v);
	}
}

/* The next engine has no room, or its secret ends half-open connections. */
static bool plan_loses_by_renewal(const struct plan *p)
{
	return p->renew_ms &&
	       (p->renew_flows < p->nconn + 2 ||
		(p->flood_pps && p->renew_flows < p->max_flows) ||
		(p->renew_secret &&
		 (!server_answers_first(p) || p->syncookies)));
}

bool plan_is_tight(const struct plan *p)
{
	return p->max_flows < p->nconn + 2 || p->backlog < p->nconn + 2 ||
	       p->max_tw < p->nconn + 2 || p->pool_kb < 4096 ||
	       p->reset_all_ms || plan_loses_by_renewal(p) ||
	       (p->flood_pps && p->max_flows < 512);
}

bool conn_is_troubled(const struct conn_plan *c)
{
	const struct side_plan *a = &c->client;
	const struct side_plan *b = &c->server_side;

	return a->abort_ms || a->abort_rx || a->die_ms || b->abort_ms ||
	       b->abort_rx || b->die_ms;
}

bool server_answers_first(const struct plan *p)
{
	return p->server_first == HANDSHAKE_SERVER_FIRST ||
	       (p->server_first == HANDSHAKE_AUTO && !p->syncookies);
}

/* One of several values. */
#define PICK(r, ...)                                                \
	({                                                          \
		static const int64_t pick_[] = {__VA_ARGS__};       \
		pick_[prng_below((r), (uint32_t)ARRAY_LEN(pick_))]; \
	})

static bool chance(struct prng *r, uint32_t percent)
{
	return prng_below(r, 100) < percent;
}

static int64_t upto(struct prng *r, uint32_t max)
{
	return prng_below(r, max + 1);
}

static void gen_global(struct plan *p, struct prng *r)
{
	p->family = chance(r, 70) ? 4 : 6;
	p->server_first = chance(r, 50);
	p->syncookies = chance(r, 30) ? 2 : 0;
	if (p->syncookies == 0 && chance(r, 15))
		p->syncookies = 1;
	if (p->syncookies) /* a cookie answers before the server does */
		p->server_first = chance(r, 25) ? HANDSHAKE_AUTO : 0;
	else if (p->server_first && chance(r, 20))
		p->server_first = HANDSHAKE_AUTO;
	else if (p->server_first && p->seed % 3 == 0)
		p->server_first = HANDSHAKE_PARALLEL;
	p->unknown = upto(r, 2);
	p->on_no_server = chance(r, 25);
	p->sack = chance(r, 75);
	p->dsack = chance(r, 70);
	p->ts = chance(r, 75);
	p->ws = chance(r, 75);
	p->ecn = PICK(r, 0, 1, 2, 2);
	p->cc_client = upto(r, CC_KINDS - 1);
	p->cc_server = upto(r, CC_KINDS - 1);
	p->max_flows = chance(r, 5) ? 1 + upto(r, 3) : 64;
	p->max_tw = chance(r, 5) ? 1 + upto(r, 3) : 64;
	p->backlog = chance(r, 5) ? 1 + upto(r, 3) : 64;
	p->pool_kb = chance(r, 6) ? 200 + upto(r, 2000) : 65536;
	p->rmem_kb = PICK(r, 6144, 6144, 256, 16);
	p->wmem_kb = PICK(r, 4096, 4096, 256, 16);
	p->syn_retries = PICK(r, 6, 6, 6, 8);
	p->synack_retries = PICK(r, 5, 5, 6);
	p->retries2 = PICK(r, 15, 15, 10);
	p->orphan_retries = PICK(r, 0, 0, 8, 12);
	p->fin_timeout_s = PICK(r, 60, 60, 120);
	p->timewait_s = PICK(r, 60, 60, 5);
	p->keepalive_s = PICK(r, 7200, 60, 600);
	p->ss_after_idle = chance(r, 80);
	p->rfc1337 = chance(r, 75);
	p->ratelimit_ms = PICK(r, 500, 500, 100);
	p->alt_connect = chance(r, 20);
	p->batch_us = chance(r, 40) ? upto(r, 500) : 0;
	p->pull_max = PICK(r, 64, 1, 3);
	p->late_us = chance(r, 30) ? upto(r, 20000) : 0;
	p->whole_gso = chance(r, 30);
	p->csum_mix = chance(r, 50);
	p->trunc_pm = chance(r, 5) ? 20 : 0;
	p->reset_all_ms = chance(r, 2) ? 1 + upto(r, 3000) : 0;
	p->start_us = chance(r, 30) ? 1 + upto(r, 5000000) : 1000000;
}

static void gen_link(struct link_plan *l, struct prng *r, uint32_t harsh)
{
	l->delay_us = PICK(r, 50, 500, 5000, 20000, 100000);
	if (chance(r, 10 + 10 * harsh))
		l->jitter_us = upto(r, (uint32_t)PICK(r, 500, 5000, 200000));
	if (chance(r, 15 * harsh))
		l->loss_pm = PICK(r, 5, 20, 50, 150, 400);
	if (chance(r, 7 * harsh)) {
		l->burst_pm = PICK(r, 5, 20);
		l->burst_len = 2 + upto(r, 15);
	}
	if (chance(r, 10 * harsh))
		l->dup_pm = PICK(r, 10, 100, 500);
	if (chance(r, 8 * harsh))
		l->corrupt_pm = PICK(r, 10, 50, 200);
	if (chance(r, 15))
		l->rate_kbs = PICK(r, 20, 200, 2000);
	if (chance(r, 5 * harsh)) {
		l->black_at_ms = 1 + upto(r, 2000);
		l->black_ms = upto(r, 8000);
	}
	if (chance(r, 5 * harsh)) {
		l->hold_at_ms = 1 + upto(r, 2000);
		l->hold_ms = upto(r, 3000);
	}
}

static int64_t gen_size(struct prng *r)
{
	uint32_t k = prng_below(r, 100);

	if (k < 12)
		return 0;
	if (k < 45)
		return 1 + upto(r, 2000);
	if (k < 80)
		return 1 + upto(r, 30000);
	if (k < 97)
		return 1 + upto(r, 200000);
	return 1 + upto(r, 1500000);
}

static void gen_reader(struct side_plan *s, struct prng *r, int64_t rx)
{
	if (chance(r, 10) && rx) {
		s->read_chunk = 1 + rx / (1 + upto(r, 40));
		s->read_gap_ms = 1 + upto(r, 300);
	}
	if (chance(r, 8) && rx) {
		s->stop_at = 1 + upto(r, (uint32_t)rx - 1);
		s->stop_ms = 1 + upto(r, (uint32_t)PICK(r, 500, 10000, 90000));
	}
	/* a small window only where it does not make a million segments */
	if (chance(r, 25))
		s->rcvbuf = 1 + rx / (1 + upto(r, 60));
}

static void gen_side(struct side_plan *s, struct prng *r, int64_t tx,
		     int64_t rx)
{
	int64_t most = tx > rx ? tx : rx;

	s->mss = PICK(r, 1460, 1460, 1440, 8960, 536, 0);
	if (chance(r, 12))
		s->mss = most < 20000 ? 88 + upto(r, 400) : 400 + upto(r, 8600);
	s->ws = chance(r, 70) ? upto(r, 10) : -1;
	s->sack = chance(r, 75);
	s->dsack = chance(r, 50);
	s->ts = chance(r, 70);
	s->rcvbuf = PICK(r, 65535, 65535, 200000, 30000, 5000, 1000000);
	s->cwnd = PICK(r, 64, 64, 10, 2, 500);
	s->gso = chance(r, 30) ? upto(r, 65000) : 0;
	s->seg_rand = chance(r, 12) && tx < 50000;
	s->wnd_floor = chance(r, 50);
	s->probe_old = chance(r, 50);
	s->delack_ms = chance(r, 60) ? PICK(r, 40, 1, 200) : 0;
	gen_reader(s, r, rx);
	if (chance(r, 15) && tx) {
		s->tx_chunk = 1 + tx / (1 + upto(r, 60));
		s->tx_gap_ms = 1 + upto(r, (uint32_t)PICK(r, 5, 100, 2000));
	}
	/* a scale that leaves no window would never let a byte in */
	while (s->ws > 0 && s->rcvbuf >> s->ws < 4)
		s->ws--;
	s->timewait_s = PICK(r, 60, 60, 1);
	s->keepalive_s = PICK(r, 120, 120, 20);
	s->oow_ms = PICK(r, 500, 500, 1);
	s->iss_high = chance(r, 20);
	s->iss_random = chance(r, 20);
	if (chance(r, 3))
		s->abort_ms = 1 + upto(r, (uint32_t)PICK(r, 20, 300, 5000));
	if (chance(r, 3) && rx)
		s->abort_rx = 1 + upto(r, (uint32_t)rx - 1);
	if (chance(r, 3))
		s->die_ms = 1 + upto(r, (uint32_t)PICK(r, 20, 300, 5000));
}

static void gen_conn(struct plan *p, struct conn_plan *c, struct prng *r)
{
	c->start_ms = chance(r, 50) ? 0 : upto(r, 5000);
	c->host = upto(r, 2);
	c->port = chance(r, 40) ? 0 : upto(r, 20);
	c->up = gen_size(r);
	c->down = gen_size(r);
	c->server = chance(r, 92)   ? SERVER_ACCEPT
		    : chance(r, 60) ? SERVER_REFUSE
				    : SERVER_SILENT;
	gen_side(&c->client, r, c->up, c->down);
	gen_side(&c->server_side, r, c->down, c->up);
	c->client.close = PICK(r, 0, 1, 2);
	/* who waits for the other's end must not be waited for */
	c->server_side.close = c->client.close == 1 ? PICK(r, 0, 2)
						    : PICK(r, 0, 1, 2);
	if (chance(r, 30) && c->up)
		c->server_side.tx_after_rx = 1 + upto(r, (uint32_t)c->up - 1);
	else if (chance(r, 15) && c->down)
		c->client.tx_after_rx = 1 + upto(r, (uint32_t)c->down - 1);
	/*
	 * A cookie leaves nothing behind: when the client's ACK is lost and it
	 * waits for the server to speak, both wait.  Let it speak first.
	 */
	if (p->syncookies) {
		c->up = c->up ? c->up : 1;
		c->client.tx_after_rx = 0;
		c->client.tx_chunk = 0;
	}
}

/*
 * With cookies the segment after the client's first proves nothing: when it
 * arrives alone it is a segment of no connection, and a RST would be the
 * answer that policy asks for.
 */
static bool may_disorder(const struct link_plan *l, const struct plan *p)
{
	return l->loss_pm || l->burst_pm || l->corrupt_pm || l->jitter_us ||
	       l->black_ms || l->rate_kbs || p->trunc_pm;
}

/* Strangers: spoofed SYNs, blind segments, forged ICMP; and the operator. */
static void gen_attacks(struct plan *p, struct prng *r)
{
	if (chance(r, p->syncookies ? 50 : 5)) {
		p->flood_pps = PICK(r, 20, 100, 1000);
		p->flood_ms = 500 + upto(r, 6000);
		p->max_flows = p->max_flows < 64 ? p->max_flows : 512;
	}
	if (chance(r, 12))
		p->blind_pm = PICK(r, 10, 100, 500);
	if (chance(r, 8))
		p->icmp_pm = PICK(r, 10, 100);
	if (chance(r, 10))
		p->uto_ms = 200000 + upto(r, 300000);
	if (chance(r, 10))
		p->reload_ms = 1 + upto(r, 3000);
}

/* A path that marks instead of dropping, or takes smaller packets only. */
static void gen_path(struct plan *p, int i, struct prng *r)
{
	struct link_plan *l = &p->link[i];

	if (chance(r, 15))
		l->ce_pm = PICK(r, 5, 50, 500);
	if ((i != L_EC && i != L_ES) || !chance(r, 6))
		return;
	l->mtu_at_ms = upto(r, 2000);
	l->mtu_icmp = chance(r, 60);
	l->mtu = p->family == 6 || !l->mtu_icmp ? 1280 : 576;
	l->mtu += upto(r, 200);
}

/* A burst, a thin phase, and all the rest at once. */
static void gen_thin(struct side_plan *s, struct prng *r, int64_t tx)
{
	if (!chance(r, 8) || tx < 20000 || s->tx_chunk)
		return;
	s->tx_first = tx / 4;
	s->tx_chunk = 1 + upto(r, 300);
	s->tx_thin = s->tx_first + s->tx_chunk * (1 + upto(r, 40));
	s->tx_gap_ms = 1 + upto(r, (uint32_t)PICK(r, 200, 2000, 20000));
}

static void gen_marks(struct side_plan *s, struct prng *r, int64_t tx)
{
	s->ecn = chance(r, 50);
	if (chance(r, 6) && tx)
		s->urg_at = 1 + upto(r, (uint32_t)tx - 1);
	if (chance(r, 4))
		s->renege_ms = 1 + upto(r, 3000);
}

void plan_plain(struct plan *p, uint64_t seed)
{
	char name[40];
	int64_t *v, simple;

	memset(p, 0, sizeof(*p));
	p->seed = seed;
	for (uint32_t i = 0;
	     (v = plan_field(p, i, name, sizeof(name), &simple)); i++)
		*v = simple;
}

/* relay = splice: it is then for the peers to bear what third parties do, and
 * these are not made for it. */
static void make_spliced(struct plan *p, struct prng *r)
{
	p->splice = 1;
	p->map_full_pc = chance(r, 10) ? 50 : 0;
	p->server_first = HANDSHAKE_CLIENT_FIRST;
	p->alt_connect = 0;
	p->reset_all_ms = 0;
	p->blind_pm = p->icmp_pm = 0;
	for (int i = 0; i < LINKS; i++)
		if (!p->link[i].mtu_icmp)
			p->link[i].mtu = 0;
	for (int i = 0; i < p->nconn; i++) {
		struct conn_plan *c = &p->conn[i];

		/* nobody here cuts what a host's card would have cut */
		if (p->link[L_ES].mtu || p->link[L_EC].mtu)
			c->client.gso = c->server_side.gso = 0;
		/* and nobody stands in for a TIME_WAIT that was cut short */
		c->client.timewait_s = c->server_side.timewait_s = 60;
		if (chance(r, 20)) /* sides that do not agree */
			continue;
		c->server_side.ts = c->client.ts;
		c->server_side.sack = c->client.sack;
		if (c->client.ws >= 0 && c->server_side.ws < 0)
			c->server_side.ws = 3;
		else if (c->client.ws < 0)
			c->server_side.ws = -1;
		c->server_side.mss = 1460;
		c->server_side.rcvbuf = c->server_side.rcvbuf > 65535
						? c->server_side.rcvbuf
						: 65535;
	}
}

/* The process is replaced by another, with other limits. */
static void gen_renewal(struct plan *p, struct prng *r)
{
	p->renew_ms = 1 + upto(r, (uint32_t)PICK(r, 20, 300, 3000, 30000));
	p->renew_n = PICK(r, 1, 1, 3, 20);
	p->renew_flows = chance(r, 5) ? 1 + upto(r, 3)
				      : p->max_flows + upto(r, 64);
	p->renew_secret = chance(r, 30);
}

void plan_from_seed(struct plan *p, uint64_t seed)
{
	struct prng r;
	uint32_t harsh, small;

	plan_plain(p, seed);
	/* neighbouring seeds must not give one sequence, shifted by one */
	prng_seed(&r, seed ^ 0x70656e73746f636bu);
	prng_seed(&r, prng_u64(&r));
	gen_global(p, &r);
	small = prng_below(&r, 100);
	p->nconn = small < 60	? 1
		   : small < 90 ? 1 + upto(&r, 3)
				: 1 + upto(&r, PLAN_CONNS - 1);
	harsh = chance(&r, 25) ? 0 : 1 + (uint32_t)upto(&r, 2);
	for (int i = 0; i < LINKS; i++)
		gen_link(&p->link[i], &r, harsh);
	p->heal_s = 1 + upto(&r, p->syncookies ? 12 : 20);
	if (p->syncookies && may_disorder(&p->link[L_CE], p))
		p->unknown = UNKNOWN_DROP;
	for (int i = 0; i < p->nconn; i++)
		gen_conn(p, &p->conn[i], &r);
	gen_attacks(p, &r);
	for (int i = 0; i < LINKS; i++)
		gen_path(p, i, &r);
	for (int i = 0; i < p->nconn; i++) {
		gen_marks(&p->conn[i].client, &r, p->conn[i].up);
		gen_marks(&p->conn[i].server_side, &r, p->conn[i].down);
		/* two ends in TIME_WAIT, whose segments are passed on, answer
		 * each other as often as they allow themselves to */
		if (p->unknown == UNKNOWN_PASS)
			p->conn[i].client.oow_ms =
				p->conn[i].server_side.oow_ms = 500;
	}
	for (int i = 0; i < p->nconn && !p->syncookies; i++) {
		gen_thin(&p->conn[i].client, &r, p->conn[i].up);
		gen_thin(&p->conn[i].server_side, &r, p->conn[i].down);
	}
	if (chance(&r, 12))
		make_spliced(p, &r);
	else if (chance(&r, 20))
		gen_renewal(p, &r);
}
