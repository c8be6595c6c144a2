/* SPDX-License-Identifier: MIT */
/*
 * The dice, and what they model: loss and delay.
 *
 * A value depends only on the key of the fault, the ordinal of the connection,
 * the ordinal of the event and the number of the draw.  So neither the order of
 * connections nor another fault can change it.  Models with memory keep it for
 * each connection.
 *
 * Loss: netem's three.  "state" is the 4-state Markov chain of Salsano et al.
 * (1 good, 2 good in a burst, 3 loss in a burst, 4 single loss); "gemodel" is
 * Gilbert-Elliott with p, r, 1-h and 1-k.
 */
#include <math.h>

#include "internal.h"

static uint64_t mix(uint64_t z)
{
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

uint64_t fault_dice(uint64_t key, uint64_t ordinal, uint64_t event,
		    uint64_t draw)
{
	uint64_t z = mix(key + 0x9e3779b97f4a7c15u);

	z = mix(z + ordinal * 0x9e3779b97f4a7c15u + 1);
	z = mix(z + event * 0xd1342543de82ef95u + 2);
	return mix(z + draw * 0xa0761d6478bd642fu + 3);
}

double fault_unit(uint64_t key, const struct fault_conn *c, uint32_t draw)
{
	return (double)(fault_dice(key, c->ordinal, c->event, draw) >> 11) *
	       0x1.0p-53;
}

/*
 * With probability @rho the value of the last event, otherwise a new one.  So
 * the values keep their distribution, and their autocorrelation is @rho.
 */
static double correlated(const struct fault_spec *f, struct fault_conn *c,
			 uint64_t key, double fresh)
{
	double rho = f->p[FP_CORRELATION].d;

	if (rho > 0 && c->drawn && fault_unit(key, c, 7) < rho)
		return c->last;
	c->drawn = true;
	c->last = fresh;
	return fresh;
}

bool fault_chance(struct fault_ctx *x)
{
	const struct fault_spec *f = &x->f->spec;
	double u = fault_unit(x->f->key, x->c, 0);

	x->f->count[FC_ROLLED]++;
	return correlated(f, x->c, x->f->key, u) < f->p[FP_PERCENT].d;
}

/* of loss: the state of the Markov chain */
struct markov {
	uint8_t state;
};
FAULT_STATE_FITS(struct markov);

/* Gilbert-Elliott: first the state changes, then it decides. */
static bool gemodel_loss(const struct fault_spec *f, struct fault_conn *c,
			 uint64_t key)
{
	double move = fault_unit(key, c, 1), ask = fault_unit(key, c, 2);
	struct markov *m = FAULT_STATE(c, struct markov);
	bool bad = m->state;

	bad = bad ? move >= f->p[FP_R].d : move < f->p[FP_P].d;
	m->state = bad;
	return ask < (bad ? f->p[FP_LOSS_BAD].d : f->p[FP_LOSS_GOOD].d);
}

enum {
	GOOD,
	BURST_GOOD,
	BURST_LOSS,
	SINGLE_LOSS
};

static bool state_loss(const struct fault_spec *f, struct fault_conn *c,
		       uint64_t key)
{
	struct markov *m = FAULT_STATE(c, struct markov);
	double u = fault_unit(key, c, 1);

	switch (m->state) {
	case GOOD:
		if (u < f->p[FP_P14].d)
			m->state = SINGLE_LOSS;
		else if (u < f->p[FP_P14].d + f->p[FP_P13].d)
			m->state = BURST_LOSS;
		break;
	case BURST_GOOD:
		if (u < f->p[FP_P23].d)
			m->state = BURST_LOSS;
		break;
	case BURST_LOSS:
		if (u < f->p[FP_P32].d)
			m->state = BURST_GOOD;
		else if (u < f->p[FP_P32].d + f->p[FP_P31].d)
			m->state = GOOD;
		break;
	default:
		m->state = GOOD;
		break;
	}
	return m->state == BURST_LOSS || m->state == SINGLE_LOSS;
}

bool fault_model_loss(const struct fault_spec *f, struct fault_conn *c,
		      uint64_t key)
{
	switch (f->p[FP_MODEL].i) {
	case FAULT_GEMODEL:
		return gemodel_loss(f, c, key);
	case FAULT_STATE:
		return state_loss(f, c, key);
	default:
		return correlated(f, c, key, fault_unit(key, c, 0)) <
		       f->p[FP_PERCENT].d;
	}
}

/* Normal distribution with mean 0 and standard deviation 1. */
static double normal(double u, double v)
{
	return sqrt(-2 * log(u > 0 ? u : 1e-300)) * cos(2 * M_PI * v);
}

/* Pareto with exponent 3, shifted and scaled to mean 0, deviation 1. */
static double pareto(double u)
{
	return (pow(1 - u, -1.0 / 3) - 1.5) / sqrt(0.75);
}

int64_t fault_model_delay(const struct fault_spec *f, enum fault_param mean,
			  struct fault_conn *c, uint64_t key)
{
	double u = fault_unit(key, c, 3), v = fault_unit(key, c, 4), z, d;

	switch (f->p[FP_DISTRIBUTION].i) {
	case FAULT_NORMAL:
		z = normal(u, v);
		break;
	case FAULT_PARETO:
		z = pareto(u);
		break;
	case FAULT_PARETONORMAL:
		z = normal(u, v) / 4 + pareto(fault_unit(key, c, 5)) * 3 / 4;
		break;
	case FAULT_TABLE:
		z = (double)f->table.value[(uint32_t)(u * f->table.n)] /
		    FAULT_TABLE_UNIT;
		break;
	default:
		z = 2 * u - 1;
		break;
	}
	z = correlated(f, c, key, z);
	d = (double)f->p[mean].i + z * (double)f->p[FP_JITTER].i;
	if (d > (double)FAULT_TIME_MAX)
		return FAULT_TIME_MAX;
	return d > 0 ? (int64_t)d : 0;
}
