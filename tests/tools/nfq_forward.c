/* SPDX-License-Identifier: MIT */
/* LINKS: io/nfq io/nfq_open io/nfq_verdict io/tun io/priv io/sandbox io/worker */
/* LINKS: io/egress io/counters util/buf util/region util/slab util/log */
/* LINKS: wire/build wire/csum */
/*
 * nfq_forward - packet I/O without an engine behind it
 *
 * Consumes every TCP packet of the queue and sends it again through the TUN,
 * unchanged: what the way in and the way out cost, and the upper bound of what
 * the daemon can carry.  With -r the other bound: packets with SYN are answered
 * with a SYN-ACK in their verdict, at the least possible cost, all others pass.
 *
 *   nfq_forward [-q QUEUE] [-t TUN] [-m MSS] [-k MARK] [-r]
 *
 * SIGINT or SIGTERM ends it; it then prints the counters.
 */
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "io/nfq.h"
#include "io/worker.h"
#include "wire/build.h"
#include "wire/segment.h"

#define BACKLOG NFQ_BATCH

/**
 * struct fwd - The "engine"
 * @p:    packets of this batch; each holds a reference to its buffer
 * @n:    packets taken
 * @sent: packets pulled
 * @held: of those, the first whose reference is not let go yet
 * @gso_size: payload bytes per IPv4 segment; IPv6 has 20 less
 */
struct fwd {
	struct packet p[BACKLOG];
	int n, sent, held;
	uint16_t gso_size;
};

static void fwd_release(struct fwd *f)
{
	for (; f->held < f->sent; f->held++)
		buf_put(f->p[f->held].buf);
	if (f->held == f->n)
		f->n = f->sent = f->held = 0;
}

static bool is_tcp(const struct packet *pkt)
{
	uint8_t version = pkt->data[0] >> 4;

	if (version == 4)
		return pkt->len >= 40 && pkt->data[9] == IPPROTO_TCP;
	return version == 6 && pkt->len >= 60 && pkt->data[6] == IPPROTO_TCP;
}

static enum io_verdict fwd_input(void *engine, const struct packet *pkt,
				 mono_t now, struct tx *reply)
{
	struct fwd *f = engine;

	(void)now;
	(void)reply;
	fwd_release(f);
	if (!is_tcp(pkt) || f->n == BACKLOG)
		return IO_PASS;
	buf_get(pkt->buf);
	f->p[f->n++] = *pkt;
	return IO_CONSUMED;
}

static uint64_t pseudo_sum(const struct packet *p, uint32_t l4_len)
{
	struct ipaddr src, dst;

	if (p->data[0] >> 4 == 4) {
		src = ipaddr_v4(p->data + 12);
		dst = ipaddr_v4(p->data + 16);
	} else {
		src = ipaddr_v6(p->data + 8);
		dst = ipaddr_v6(p->data + 24);
	}
	return csum_pseudo(&src, &dst, IPPROTO_TCP, l4_len);
}

static void fwd_fill(const struct fwd *f, const struct packet *p, struct tx *tx)
{
	bool v4 = p->data[0] >> 4 == 4;
	uint32_t l4 = v4 ? (p->data[0] & 15u) * 4u : 40u;
	uint32_t hlen = l4 + (p->data[l4 + 12] >> 4) * 4u;

	tx->family = v4 ? 4 : 6;
	tx->l4_off = (uint8_t)l4;
	tx->hdr_len = (uint8_t)hlen;
	tx->payload = p->len - hlen;
	tx->csum_done = false;
	tx->gso_size = (uint16_t)(f->gso_size - (v4 ? 0 : 20));
	tx->niov = tx->payload ? 1 : 0;
	tx->iov[0].iov_base = (void *)(uintptr_t)(p->data + hlen);
	tx->iov[0].iov_len = tx->payload;
	memcpy(tx->hdr, p->data, hlen);
	if (p->csum != PACKET_CSUM_PARTIAL)
		put_be16(tx->hdr + l4 + 16,
			 csum_fold(pseudo_sum(p, p->len - l4)));
}

static int fwd_pull(void *engine, struct tx *tx, int max, mono_t now)
{
	struct fwd *f = engine;
	int i;

	(void)now;
	fwd_release(f);
	for (i = 0; i < max && f->sent < f->n; i++)
		fwd_fill(f, &f->p[f->sent++], &tx[i]);
	return i;
}

/* The cheapest answer: headers turned around, options left as they came. */
static void turn_around(const struct packet *p, struct tx *tx)
{
	bool v4 = p->data[0] >> 4 == 4;
	uint32_t l4 = v4 ? (p->data[0] & 15u) * 4u : 40u;
	uint32_t alen = v4 ? 4 : 16, src = v4 ? 12 : 8;
	const uint8_t *th = p->data + l4;
	uint32_t hlen = l4 + (th[12] >> 4) * 4u;

	memcpy(tx->hdr, p->data, hlen);
	tx->hdr_len = (uint8_t)hlen;
	tx->l4_off = (uint8_t)l4;
	tx->family = v4 ? 4 : 6;
	tx->payload = 0;
	tx->niov = 0;
	tx->csum_done = false;
	memcpy(tx->hdr + src, p->data + src + alen, alen);
	memcpy(tx->hdr + src + alen, p->data + src, alen);
	memcpy(tx->hdr + l4, th + 2, 2);
	memcpy(tx->hdr + l4 + 2, th, 2);
	put_be32(tx->hdr + l4 + 4, 0x50454e53);
	put_be32(tx->hdr + l4 + 8, get_be32(th + 4) + 1);
	tx->hdr[l4 + 13] = TCP_SYN | TCP_ACK;
	put_be16(tx->hdr + l4 + 16, csum_fold(pseudo_sum(p, hlen - l4)));
}

static enum io_verdict reflect_input(void *engine, const struct packet *pkt,
				     mono_t now, struct tx *reply)
{
	uint32_t l4;

	(void)engine;
	(void)now;
	if (!is_tcp(pkt))
		return IO_PASS;
	l4 = pkt->data[0] >> 4 == 4 ? (pkt->data[0] & 15u) * 4u : 40u;
	if ((pkt->data[l4 + 13] & (TCP_SYN | TCP_ACK)) != TCP_SYN)
		return IO_PASS;
	turn_around(pkt, reply);
	return IO_REPLY;
}

static int reflect_pull(void *engine, struct tx *tx, int max, mono_t now)
{
	(void)engine;
	(void)tx;
	(void)max;
	(void)now;
	return 0;
}

static mono_t no_deadline(const void *engine)
{
	(void)engine;
	return MONO_NEVER;
}

static void no_expire(void *engine, mono_t now)
{
	(void)engine;
	(void)now;
}

static void no_expect(const void *engine, const struct packet *const *pkt,
		      int n)
{
	(void)engine;
	(void)pkt;
	(void)n;
}

static const struct io_engine_ops forward_ops = {
	.input = fwd_input,
	.expect = no_expect,
	.pull = fwd_pull,
	.deadline = no_deadline,
	.expire = no_expire,
};

static const struct io_engine_ops reflect_ops = {
	.input = reflect_input,
	.expect = no_expect,
	.pull = reflect_pull,
	.deadline = no_deadline,
	.expire = no_expire,
};

static void print_counters(struct worker *w)
{
	struct io_counters c = {0};
	const char *name;
	struct worker_waiting waiting;
	uint32_t i;
	uint64_t v;

	worker_counters(w, &c, &waiting);
	for (i = 0; (name = io_counter_get(&c, i, &v, NULL)); i++)
		printf("%s %llu\n", name, (unsigned long long)v);
	printf("waiting %u\n", waiting.other);
}

static int run(struct worker_cfg *cfg)
{
	struct worker *w;
	sigset_t set;
	int sig;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	if (worker_new(&w, cfg))
		return 1;
	if (worker_start(w)) {
		worker_free(w);
		return 1;
	}
	puts("ready");
	fflush(stdout);
	sigwait(&set, &sig);
	worker_stop(w);
	print_counters(w);
	worker_free(w);
	return 0;
}

int main(int argc, char **argv)
{
	struct fwd f = {.gso_size = 1448};
	struct buf_pool pool;
	struct worker_cfg cfg = {
		.tun = "fwd0",
		.pool = &pool,
		.ops = &forward_ops,
		.engine = &f,
	};
	int opt, rc;

	while ((opt = getopt(argc, argv, "q:t:m:k:r")) != -1) {
		switch (opt) {
		case 'q':
			cfg.queue = (uint16_t)atoi(optarg);
			break;
		case 't':
			cfg.tun = optarg;
			break;
		case 'm':
			f.gso_size = (uint16_t)atoi(optarg);
			break;
		case 'k':
			cfg.mark = (uint32_t)strtoul(optarg, NULL, 0);
			break;
		case 'r':
			cfg.ops = &reflect_ops;
			break;
		default:
			return 2;
		}
	}
	if (buf_pool_init(&pool, 64u << 20, 2 * WORKER_RX_RESERVE))
		return 1;
	rc = run(&cfg);
	buf_pool_fini(&pool);
	return rc;
}
