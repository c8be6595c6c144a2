/* SPDX-License-Identifier: MIT */
/*
 * The daemon's side of the relay in the kernel, with the program itself: who
 * counts, until when, what a lost event does, and who owns what is there.
 *
 *   splice_map FILE
 *
 * The maps are pinned in a BPF file system of our own.
 */
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "front/splice.h"
#include "front/splice_layout.h"
#include "unit/wire_pkt.h"
#include "wire/segment.h"

#define MANY 6000u /* connections: more ends than the ring holds */
#define CROWD 50000
#define IDLE_S 300

static const uint8_t server_ip[4] = {203, 0, 113, 10};
static const uint8_t client_ip[4] = {198, 51, 100, 2};

static struct policy *policy;
static struct splice_map *map;
static char dir[] = "/tmp/penstock-bpf.XXXXXX";
static int prog, flows, failures;
static uint32_t mark_in; /* of the next segments */

static void die(const char *what)
{
	fprintf(stderr, "splice_map: %s: %s\n", what, strerror(errno));
	exit(2);
}

static void want(const char *what, int64_t is, int64_t least, int64_t most)
{
	if (is >= least && is <= most)
		return;
	printf("not ok - %s: %ld, not %ld..%ld\n", what, (long)is, (long)least,
	       (long)most);
	failures++;
}

static mono_t clock_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (mono_t){ts.tv_sec * USEC_PER_SEC + ts.tv_nsec / 1000};
}

/* --- set up --- */

static void pin(struct bpf_object *o, const char *name)
{
	char path[64];

	snprintf(path, sizeof(path), "%s/splice/%s", dir, name);
	if (bpf_map__pin(bpf_object__find_map_by_name(o, name), path))
		die(path);
}

/* Return: false where this kernel or this user cannot */
static bool set_up(const char *file)
{
	struct bpf_object *o = bpf_object__open_file(file, NULL);
	char path[64];

	if (o && bpf_object__load(o) && (errno == EPERM || errno == ENOSYS))
		return false;
	if (!o)
		die(file);
	prog = bpf_program__fd(
		bpf_object__find_program_by_name(o, "penstock_splice"));
	flows = bpf_object__find_map_fd_by_name(o, "flows");
	if (!mkdtemp(dir) || unshare(CLONE_NEWNS) ||
	    mount("", "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("bpf", dir, "bpf", 0, NULL))
		return false;
	snprintf(path, sizeof(path), "%s/splice", dir);
	if (mkdir(path, 0700))
		die(path);
	pin(o, "flows");
	pin(o, "ends");
	return true;
}

static void make_policy(void)
{
	struct service *s;

	policy = policy_new(1);
	s = &policy->service[0];
	opt_defaults(service_options, s);
	opt_defaults(tcp_options, &s->tcp);
	strcpy(s->name, "web");
	s->listen.n = 1;
	s->listen.ep[0] = (struct endpoint){ipaddr_v4(server_ip), 128, 80};
	s->relay = RELAY_SPLICE;
	s->idle_timeout = IDLE_S * USEC_PER_SEC;
}

static void start(void)
{
	errno = -splice_map_open(&map, dir, 1, 1, policy);
	if (errno)
		die("splice_map_open");
}

/* --- connections --- */

static struct tuple conn(uint32_t i)
{
	return (struct tuple){.local = ipaddr_v4(server_ip),
			      .remote = ipaddr_v4(client_ip),
			      .lport = 80,
			      .rport = (uint16_t)(1024 + i)};
}

static int install(uint32_t i)
{
	struct splice_pair p = {
		.client = conn(i),
		.service = "web",
		.up = {.from_client = true, .nxt = SEQ(100), .acked = SEQ(200)},
		.down = {.nxt = SEQ(200), .acked = SEQ(100)}};

	return splice_map_ops.install(map, &p);
}

static uint32_t counted(void)
{
	const struct ipaddr a = ipaddr_v4(client_ip);
	uint32_t all, n;

	n = splice_map_ops.count(map, "web", &a, &all);
	want("of the one client and of all", n, all, all);
	return n;
}

/* A segment comes in.  Return: the verdict */
static uint32_t segment(uint32_t i, bool up, uint16_t flags, uint32_t seq,
			uint32_t ack)
{
	struct __sk_buff skb = {.mark = mark_in};
	static uint8_t in[200], out[200];
	static struct raw r;
	const struct tuple t = conn(i);

	LIBBPF_OPTS(bpf_test_run_opts, o, .data_in = in, .data_out = out,
		    .data_size_out = sizeof(out), .ctx_in = &skb,
		    .ctx_size_in = sizeof(skb));
	raw_tcp(&r, 4, flags, NULL, 0, 0);
	memcpy(r.d + 12, up ? client_ip : server_ip, 4);
	memcpy(r.d + 16, up ? server_ip : client_ip, 4);
	put_be16(r.d + r.l4, up ? t.rport : t.lport);
	put_be16(r.d + r.l4 + 2, up ? t.lport : t.rport);
	put_be32(r.d + r.l4 + 4, seq);
	put_be32(r.d + r.l4 + 8, ack);
	in[12] = 0x08;
	memcpy(in + ETH_HLEN, r.d, r.len);
	o.data_size_in = ETH_HLEN + r.len;
	if (bpf_prog_test_run_opts(prog, &o))
		die("bpf_prog_test_run");
	return o.retval;
}

/* Both sides close; what they say needs no change of numbers here. */
static void finish(uint32_t i)
{
	segment(i, true, TCP_ACK | TCP_FIN, 100, 200);
	segment(i, false, TCP_ACK | TCP_FIN, 200, 101);
	segment(i, true, TCP_ACK, 101, 201);
}

static bool there(uint32_t i)
{
	struct tuple t = conn(i);
	struct splice_found f;

	return splice_map_ops.find(map, &t, &f);
}

/* --- what is tested --- */

static void end_is_told_at_once(void)
{
	install(0);
	want("counted", counted(), 1, 1);
	segment(0, true, TCP_ACK | TCP_FIN, 100, 200);
	segment(0, false, TCP_ACK | TCP_FIN, 200, 101);
	splice_map_ends(map);
	want("counted while the last ACK is missing", counted(), 1, 1);
	segment(0, true, TCP_ACK, 101, 201);
	splice_map_ends(map);
	want("counted at the end", counted(), 0, 0);
	want("still there", there(0), 1, 1);
	install(1);
	segment(1, false, TCP_RST, 777, 0);
	splice_map_ends(map);
	want("counted after a RST that nobody takes", counted(), 1, 1);
	segment(1, false, TCP_RST, 200, 0);
	splice_map_ends(map);
	want("counted after one that is taken", counted(), 0, 0);
}

/* What the program knows of the client's direction. */
static void want_up(const char *what, uint32_t i, uint32_t nxt, uint32_t acked)
{
	struct tuple t = conn(i);
	struct splice_found f = {0};

	want(what, splice_map_ops.find(map, &t, &f), 1, 1);
	want(what, f.dir.nxt.v, nxt, nxt);
	want(what, f.dir.acked.v, acked, acked);
}

/* Whoever knows the addresses, but not the numbers, changes nothing. */
static void forged_numbers_change_nothing(void)
{
	const uint32_t far = 1 << 20;
	struct tuple t = conn(7);

	install(7);
	segment(7, true, TCP_ACK | TCP_FIN, 100 + far, 200);
	want_up("after a FIN beyond the window", 7, 100, 200);
	segment(7, true, TCP_ACK, 100, 200 + far);
	want_up("after an ACK of what cannot have been sent", 7, 100, 200);
	segment(7, true, TCP_FIN, 100, 200);
	want_up("after a FIN without ACK", 7, 100, 200);
	segment(7, false, TCP_ACK, 200, 100); /* opens the window */
	segment(7, true, TCP_ACK | TCP_FIN, 150, 200);
	want_up("after a FIN in the window", 7, 151, 200);
	finish(7);
	splice_map_ends(map);
	want("counted after the genuine FINs", counted(), 0, 0);
	splice_map_ops.remove(map, &t);
}

/* The client has closed, and the server has said that it knows. */
static void acknowledged_fin_stands(void)
{
	struct tuple t = conn(10);

	install(10);
	segment(10, true, TCP_ACK | TCP_FIN, 100, 200);
	segment(10, false, TCP_ACK, 200, 101);
	segment(10, true, TCP_ACK | TCP_FIN, 130, 200); /* forged */
	segment(10, false, TCP_ACK | TCP_FIN, 200, 101);
	splice_map_ends(map);
	want("counted while the server may send", counted(), 1, 1);
	segment(10, true, TCP_ACK, 101, 201);
	splice_map_ends(map);
	want("counted when both have closed", counted(), 0, 0);
	splice_map_ops.remove(map, &t);
}

/* It might count as ended, and yet go on, if the server never saw the RST. */
static void who_has_reset_is_silent(void)
{
	struct tuple t = conn(8);

	install(8);
	want("before", segment(8, true, TCP_ACK, 100, 200), TC_ACT_OK,
	     TC_ACT_OK);
	segment(8, true, TCP_RST, 100, 0);
	want("after it", segment(8, true, TCP_ACK, 100, 200), TC_ACT_SHOT,
	     TC_ACT_SHOT);
	want("one more RST", segment(8, true, TCP_RST, 100, 0), TC_ACT_OK,
	     TC_ACT_OK);
	want("the other side", segment(8, false, TCP_ACK, 200, 100), TC_ACT_OK,
	     TC_ACT_OK);
	splice_map_ends(map);
	want("counted", counted(), 0, 0);
	splice_map_ops.remove(map, &t);
}

/* A VLAN above an interface shows it the same packet again. */
static void translated_one_is_left_alone(void)
{
	struct tuple t = conn(9);

	install(9);
	mark_in = 1;
	segment(9, true, TCP_ACK | TCP_FIN, 100, 200);
	want_up("a packet with our mark", 9, 100, 200);
	mark_in = 0;
	segment(9, true, TCP_ACK | TCP_FIN, 100, 200);
	want_up("one without", 9, 101, 200);
	splice_map_ops.remove(map, &t);
}

/* The ports are in use again before the daemon has read what was told. */
static void end_of_the_last_does_not_end_the_next(void)
{
	struct tuple t = conn(2);

	install(2);
	finish(2);
	splice_map_ops.remove(map, &t);
	install(2);
	splice_map_ends(map);
	want("counted, of the same addresses", counted(), 1, 1);
	splice_map_ops.remove(map, &t);
	want("counted after remove", counted(), 0, 0);
}

static void lost_events_are_made_good(void)
{
	for (uint32_t i = 0; i < MANY; i++)
		install(i);
	want("counted", counted(), MANY, MANY);
	for (uint32_t i = 0; i < MANY; i++)
		finish(i);
	splice_map_ends(map);
	want("whose end found no room", counted(), 1, MANY - 1);
	splice_map_walk(map, policy, clock_now());
	want("after a walk", counted(), 0, 0);
	want("of many, still there", there(MANY - 1), 1, 1);
}

static void ended_ones_are_forgotten(void)
{
	mono_t now = clock_now();

	splice_map_walk(map, policy, mono_add(now, 50 * USEC_PER_SEC));
	want("there before TIME_WAIT is over", there(MANY - 1), 1, 1);
	splice_map_walk(map, policy, mono_add(now, 70 * USEC_PER_SEC));
	want("there when it is over", there(MANY - 1), 0, 0);
}

static void idle_ones_are_forgotten(void)
{
	mono_t now = clock_now();

	install(3);
	splice_map_walk(map, policy,
			mono_add(now, (IDLE_S - 10) * USEC_PER_SEC));
	want("there before idle_timeout", there(3), 1, 1);
	splice_map_walk(map, policy,
			mono_add(now, (IDLE_S + 10) * USEC_PER_SEC));
	want("there behind it", there(3), 0, 0);
	want("counted behind it", counted(), 0, 0);
}

static void next_daemon_owns_them(void)
{
	struct tuple t = conn(5);

	install(4);
	install(5);
	install(6);
	finish(5);
	splice_map_close(map);
	finish(6);
	start();
	want("counted by the next daemon", counted(), 1, 1);
	want("found by it", there(4) && there(5) && there(6), 1, 1);
	splice_map_ends(map); /* told to nobody while there was none */
	want("counted once", counted(), 1, 1);
	splice_map_ops.remove(map, &t);
	install(5);
	want("counted with a new one", counted(), 2, 2);
}

/* So many that buckets of the map have several each. */
static void next_daemon_owns_all_of_many(void)
{
	for (uint32_t i = 0; i < CROWD; i++)
		install(i);
	want("counted, of a crowd", counted(), CROWD, CROWD);
	splice_map_close(map);
	start();
	want("counted by the next daemon", counted(), CROWD, CROWD);
	finish(CROWD / 2);
	splice_map_ends(map);
	want("when one has ended", counted(), CROWD - 1, CROWD - 1);
	for (int i = 0; i < 2 * CROWD / 16384 + 2; i++)
		splice_map_walk(map, policy,
				mono_add(clock_now(),
					 (IDLE_S + 10) * USEC_PER_SEC));
	want("counted when all were idle", counted(), 0, 0);
}

int main(int argc, char **argv)
{
	libbpf_set_print(NULL);
	if (argc < 2 || !set_up(argv[1]))
		return 77;
	make_policy();
	start();
	end_is_told_at_once();
	end_of_the_last_does_not_end_the_next();
	forged_numbers_change_nothing();
	acknowledged_fin_stands();
	who_has_reset_is_silent();
	translated_one_is_left_alone();
	lost_events_are_made_good();
	ended_ones_are_forgotten();
	idle_ones_are_forgotten();
	next_daemon_owns_them();
	next_daemon_owns_all_of_many();
	splice_map_close(map);
	policy_put(policy);
	umount(dir);
	rmdir(dir);
	printf("splice_map: %d failed\n", failures);
	return failures != 0;
}
