/* SPDX-License-Identifier: MIT */
/*
 * Memory is reserved at start, never per packet: 100,000 packets of every kind
 * make the engine ask for none.
 *
 * The linker puts the functions below in the place of the allocator's, and
 * around the engine's verbs (hostile.mk): what is asked for within them counts.
 */
#include <stdlib.h>
#include <sys/mman.h>

#include "gate.h"

#define POOL (64u << 20)
#define PACKETS 100000u
#define SEC INT64_C(1000000)

static struct gate g;
static bool within; /* a verb of the engine */
static uint64_t asked;
static struct prng rng;

#define WRAP(name, params, args)           \
	void *__real_##name params;        \
	void *__wrap_##name params;        \
	void *__wrap_##name params         \
	{                                  \
		asked += within;           \
		return __real_##name args; \
	}

WRAP(malloc, (size_t n), (n))
WRAP(calloc, (size_t n, size_t size), (n, size))
WRAP(realloc, (void *p, size_t n), (p, n))
WRAP(reallocarray, (void *p, size_t n, size_t size), (p, n, size))
WRAP(mmap, (void *at, size_t len, int prot, int flags, int fd, off_t off),
     (at, len, prot, flags, fd, off))

enum verdict __real_engine_input(struct engine *e, const struct packet *pkt,
				 mono_t now, struct tx *reply);
enum verdict __wrap_engine_input(struct engine *e, const struct packet *pkt,
				 mono_t now, struct tx *reply);
int __real_engine_pull(struct engine *e, struct tx *tx, int max, mono_t now);
int __wrap_engine_pull(struct engine *e, struct tx *tx, int max, mono_t now);
void __real_engine_expire(struct engine *e, mono_t now);
void __wrap_engine_expire(struct engine *e, mono_t now);

enum verdict __wrap_engine_input(struct engine *e, const struct packet *pkt,
				 mono_t now, struct tx *reply)
{
	enum verdict v;

	within = true;
	v = __real_engine_input(e, pkt, now, reply);
	within = false;
	return v;
}

int __wrap_engine_pull(struct engine *e, struct tx *tx, int max, mono_t now)
{
	int n;

	within = true;
	n = __real_engine_pull(e, tx, max, now);
	within = false;
	return n;
}

void __wrap_engine_expire(struct engine *e, mono_t now)
{
	within = true;
	__real_engine_expire(e, now);
	within = false;
}

static void setup(void)
{
	prng_seed(&rng, 1);
	gate_init(&g, POOL);
}

static void teardown(void)
{
	gate_fini(&g);
}

/* Packets that went in. */
static uint64_t went_in(void)
{
	return gate_counter(&g, "PacketsIn");
}

/* What the engine sent so far, as cumulative ACKs of its peers. */
static void acknowledge(struct conn *c)
{
	uint64_t n = g.ntx < GATE_TX_MAX ? g.ntx : GATE_TX_MAX;

	for (uint64_t i = 0; i < n; i++) {
		const struct segment *s = &g.tx[i];
		seq_t *ack = s->t.lport == 443 ? &c->sack : &c->cack;

		if (seq_eq(s->seq, *ack))
			*ack = seq_add(s->seq, s->data.len);
	}
	g.ntx = 0;
	gate_from_client(&g, c, 0);
	gate_from_server(&g, c, 0, 0);
}

/* Data both ways, one in eight segments late: holes, SACK, recovery. */
static void transfer(struct conn *c, uint32_t rounds)
{
	for (uint32_t i = 0; i < rounds; i++) {
		uint32_t len = 1 + prng_below(&rng, 3000);
		seq_t hole = c->sseq;

		gate_from_client(&g, c, len);
		if (prng_below(&rng, 8) == 0) {
			c->sseq = seq_add(hole, len);
			gate_from_server(&g, c, 1000, 0);
			c->sseq = hole;
			gate_from_server(&g, c, len, 0);
			c->sseq = seq_add(c->sseq, 1000);
		} else {
			gate_from_server(&g, c, len, 0);
		}
		if (prng_below(&rng, 8)) /* else its peers' ACKs are lost */
			acknowledge(c);
		gate_run(&g, SEC / 50);
	}
}

/* Ends by RST, or by FIN from the server and what follows of itself. */
static void end(struct conn *c)
{
	struct hdr_spec h = {.seq = c->cseq, .ack = c->cack, .flags = TCP_RST};

	if (prng_below(&rng, 2))
		gate_from_server(&g, c, 0, TCP_FIN);
	gate_send(&g, &c->t, &h, 0);
	gate_run(&g, SEC);
}

static void flood(uint32_t n)
{
	static const uint16_t flags[] = {TCP_SYN, TCP_ACK, TCP_FIN | TCP_ACK,
					 TCP_RST, TCP_SYN | TCP_ACK};

	for (uint32_t i = 0; i < n; i++) {
		struct tuple t = gate_client(1000 + prng_below(&rng, 400000));
		struct hdr_spec h = {.seq = SEQ(prng_u32(&rng)),
				     .ack = SEQ(prng_u32(&rng)),
				     .wnd = 1000,
				     .flags = flags[i % ARRAY_LEN(flags)]};

		gate_send(&g, &t, &h, 0);
	}
	g.ntx = 0;
}

static void run_until(uint64_t packets)
{
	struct conn c;

	for (uint32_t n = 0; went_in() < packets; n++) {
		gate_connect(&g, &c, n % 900);
		transfer(&c, 40);
		end(&c);
		flood(20);
	}
}

START_TEST(packets_of_all_kinds_ask_for_no_memory)
{
	g.svc->max_syn_backlog = 64;
	gate_start(&g);
	g.unchecked = true;
	run_until(PACKETS);
	ck_assert_uint_eq(asked, 0);
	ck_assert_uint_gt(gate_counter(&g, "TcpRetransSegs"), 100);
	ck_assert_uint_gt(gate_counter(&g, "TcpExtSyncookiesSent"), 100);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("alloc");
	TCase *tc = tcase_create("alloc");
	SRunner *sr;
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, packets_of_all_kinds_ask_for_no_memory);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
