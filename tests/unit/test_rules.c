/* SPDX-License-Identifier: MIT */
/*
 * The rules that a configuration asks for, and what remembers the host before.
 * LINKS: util/log rules/plan rules/state config/config config/keys
 * LINKS: rules/host config/diag config/inidoc rules/run policy/%
 * LINKS: tcp/cfg util/option shield/cfg shield/prefix shield/tfo
 * LINKS: shield/ratelimit shield/assoc util/hash fault/% util/record
 * LINKS: util/region util/slab
 * LINKS: util/wheel util/word config/textfile util/address
 */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "rules/rules.h"
#include "rules/state.h"
#include "rules/run.h"

static char dir[] = "/tmp/test_rules.XXXXXX";
static char path[64];
static struct rules_plan plan;

static void setup(void)
{
	strcpy(dir + strlen(dir) - 6, "XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/file", dir);
}

static void teardown(void)
{
	rules_plan_fini(&plan);
	unlink(path);
	rmdir(dir);
}

static void plan_for(const char *text)
{
	struct config *cfg;
	FILE *f = fopen(path, "w");

	fputs(text, f);
	fclose(f);
	ck_assert_int_eq(config_load(path, &cfg, stderr), 0);
	rules_plan_fini(&plan);
	ck_assert_int_eq(rules_plan_init(&plan, cfg), 0);
	config_free(cfg);
}

#define OURS(tun)                                  \
	"-A PENSTOCK -i " tun " -j CT --notrack\n" \
	"-A PENSTOCK -i " tun " -j RETURN\n"
#define OUT6(type)                                                   \
	"-A PENSTOCK_OUT -p ipv6-icmp -m icmp6 --icmpv6-type " #type \
	" -j NFQUEUE --queue-balance 8:11 --queue-bypass\n"
#define REDIRECT                                                      \
	"-A PENSTOCK_OUT -p ipv6-icmp -m icmp6 --icmpv6-type 137 -j " \
	"DROP\n"
#define DEFRAG "-A PENSTOCK_DEFRAG -m socket --nowildcard -j RETURN\n"
#define SYN                                                     \
	"-A PENSTOCK_Q -p tcp -m tcp ! --tcp-flags ACK ACK -j " \
	"PENSTOCK_SYN\n"
#define AUTH4 " -p ah -j PENSTOCK_Q\n"
#define AUTH " -m ipv6header --header ah --soft -j PENSTOCK_Q\n"
#define FROM " -m addrtype ! --dst-type LOCAL -j PENSTOCK_Q\n"

START_TEST(service_v4_takes_both_directions)
{
	plan_for("[service a]\nlisten = 203.0.113.10:443\n");
	ck_assert_ptr_null(plan.text[RULES_V6]);
	ck_assert_str_eq(plan.tun, "penstock0");
	ck_assert_str_eq(
		plan.text[RULES_V4],
		OURS("penstock0") "-A PENSTOCK -d 203.0.113.10/32 -p tcp -m "
				  "tcp "
				  "--dport 443 -j PENSTOCK_Q\n"
				  "-A PENSTOCK -s 203.0.113.10/32 -p tcp -m "
				  "tcp "
				  "--sport 443" FROM
				  "-A PENSTOCK -d 203.0.113.10/32" AUTH4
				  "-A PENSTOCK -s 203.0.113.10/32" AUTH4
				  "-A PENSTOCK -p icmp -m "
				  "icmp --icmp-type 3 -j "
				  "NFQUEUE --queue-num 0 --queue-bypass\n"
				  "-A PENSTOCK -p icmp -m icmp --icmp-type 11 "
				  "-j NFQUEUE --queue-num 0 --queue-bypass\n"
				  "-A PENSTOCK_OUT -m mark --mark "
				  "0x51000000/0xff000000 -j CT --notrack\n"
				  "-A PENSTOCK_OUT -p icmp -m icmp "
				  "--icmp-type 3 -j NFQUEUE --queue-num 0 "
				  "--queue-bypass\n"
				  "-A PENSTOCK_OUT -p icmp -m icmp "
				  "--icmp-type 11 -j NFQUEUE --queue-num 0 "
				  "--queue-bypass\n"
				  "-A PENSTOCK_Q -j CT --notrack\n" SYN
				  "-A PENSTOCK_Q -j NFQUEUE --queue-num "
				  "0\n"
				  "-A PENSTOCK_SYN -j NFQUEUE "
				  "--queue-balance 1:6\n" DEFRAG);
}
END_TEST

START_TEST(service_v6_with_workers_balances_queues)
{
	plan_for("[service a]\nlisten = [2001:db8::10]:443\n"
		 "[penstock]\nworkers = 4\nqueue = 8\ntun = t7\nmark = 0x9\n");
	ck_assert_ptr_null(plan.text[RULES_V4]);
	ck_assert_str_eq(
		plan.text[RULES_V6],
		OURS("t7") "-A PENSTOCK -d 2001:db8::10/128 -p tcp -m tcp "
			   "--dport 443 -j PENSTOCK_Q\n"
			   "-A PENSTOCK -s 2001:db8::10/128 -p tcp -m tcp "
			   "--sport 443" FROM
			   "-A PENSTOCK -d 2001:db8::10/128" AUTH
			   "-A PENSTOCK -s 2001:db8::10/128" AUTH
			   "-A PENSTOCK -p ipv6-icmp -m icmp6 --icmpv6-type 1 "
			   "-j NFQUEUE --queue-balance 8:11 --queue-bypass\n"
			   "-A PENSTOCK -p ipv6-icmp -m icmp6 --icmpv6-type 2 "
			   "-j NFQUEUE --queue-balance 8:11 --queue-bypass\n"
			   "-A PENSTOCK -p ipv6-icmp -m icmp6 --icmpv6-type 3 "
			   "-j NFQUEUE --queue-balance 8:11 --queue-bypass\n"
			   "-A PENSTOCK_OUT -m mark --mark 0x9 -j CT "
			   "--notrack\n" OUT6(1) OUT6(2) OUT6(3) REDIRECT
		"-A PENSTOCK_Q -j CT --notrack\n" SYN
		"-A PENSTOCK_Q -j NFQUEUE "
		"--queue-balance 8:11\n"
		"-A PENSTOCK_SYN -j NFQUEUE "
		"--queue-balance 12:35\n" DEFRAG);
}
END_TEST

#define WORKERS "[penstock]\nworkers = 4\nqueue = 8\n"

/* Of @n queues, that of a packet: nfqueue_hash() of the kernel. */
static uint32_t balanced(uint32_t hash, uint32_t n)
{
	return (uint32_t)((uint64_t)hash * n >> 32);
}

/* The SYN of a connection and all else of it: which worker reads it? */
START_TEST(workers_syn_queues_are_those_of_the_same_addresses)
{
	struct daemon_cfg d = {.queue = 8, .workers = (uint32_t)_i};
	uint32_t all = d.workers * SYN_QUEUES;

	for (uint64_t h = 0; h <= UINT32_MAX; h += 4000037) {
		uint32_t worker = balanced((uint32_t)h, d.workers);
		uint32_t q =
			daemon_syn_queue(&d, 0) + balanced((uint32_t)h, all);

		ck_assert_uint_eq(daemon_queue(&d, worker),
				  daemon_queue(&d, 0) + worker);
		ck_assert_uint_ge(q, daemon_syn_queue(&d, worker));
		ck_assert_uint_lt(q, daemon_syn_queue(&d, worker) + SYN_QUEUES);
	}
	ck_assert_uint_eq(daemon_queue(&d, 0), d.queue);
	ck_assert_uint_eq(daemon_syn_queue(&d, 0), d.queue + d.workers);
	ck_assert_uint_eq(daemon_syn_queue(&d, d.workers),
			  d.queue + DAEMON_QUEUES(&d));
}
END_TEST

/* What is in PENSTOCK_Q behind its first rules. */
static void assert_queues(const char *own)
{
	const char *p = strstr(plan.text[RULES_V4], SYN);
	char want[2048];

	snprintf(want, sizeof(want),
		 "%s-A PENSTOCK_Q -j NFQUEUE --queue-balance 8:11\n"
		 "-A PENSTOCK_SYN -j NFQUEUE --queue-balance 12:35\n" DEFRAG,
		 own);
	ck_assert_ptr_nonnull(p);
	ck_assert_str_eq(p + strlen(SYN), want);
}

/* What its server sends comes by another pair of addresses: workers know. */
START_TEST(other_server_with_workers_is_shared)
{
	plan_for("[service a]\nlisten = 10.0.0.1:80\nconnect = 10.0.0.2:81\n"
		 "[service c]\nlisten = 10.0.0.4:80\n" WORKERS);
	assert_queues("");
}
END_TEST

#define OWN "-A PENSTOCK_Q -s 10.0.0.1/32 -d 10.0.0.9/32 -p tcp -m tcp "

START_TEST(own_source_with_workers_each_has_its_ports)
{
	plan_for("[service a]\nlisten = 10.0.0.1:80\nsource = 10.0.0.9\n"
		 "ip_local_port_range = 5000 5009\n" WORKERS);
	assert_queues(
		OWN
		"--sport 80 --dport 5000:5001 -j NFQUEUE --queue-num 8\n" OWN
		"--sport 80 --dport 5002:5004 -j NFQUEUE --queue-num 9\n" OWN
		"--sport 80 --dport 5005:5006 -j NFQUEUE --queue-num 10\n" OWN
		"--sport 80 --dport 5007:5009 -j NFQUEUE --queue-num 11\n");
}
END_TEST

START_TEST(own_source_with_more_workers_than_ports_shares_them)
{
	plan_for("[service a]\nlisten = 10.0.0.1:80\nsource = 10.0.0.9\n"
		 "ip_local_port_range = 5000 5001\n" WORKERS);
	assert_queues(OWN
		      "--sport 80 --dport 5000 -j NFQUEUE --queue-num 9\n" OWN
		      "--sport 80 --dport 5001 -j NFQUEUE --queue-num 11\n");
}
END_TEST

START_TEST(other_server_with_one_worker_has_its_queue)
{
	const char *p;

	plan_for("[service a]\nlisten = 10.0.0.1:80\nconnect = "
		 "10.0.0.2:81\n");
	p = strstr(plan.text[RULES_V4], SYN);
	ck_assert_ptr_nonnull(p);
	ck_assert_str_eq(
		p + strlen(SYN),
		"-A PENSTOCK_Q -j NFQUEUE --queue-num 0\n"
		"-A PENSTOCK_SYN -j NFQUEUE --queue-balance 1:6\n" DEFRAG);
}
END_TEST

/* One service is enough: the kernel reassembles for all or for none. */
START_TEST(reassembly_is_switched_on_where_a_service_asks)
{
	plan_for("[service a]\nlisten = 10.0.0.1:80\nfragments = drop\n"
		 "[service b]\nlisten = 10.0.0.2:80\nfragments = pass\n");
	ck_assert_ptr_null(strstr(plan.text[RULES_V4], "PENSTOCK_DEFRAG"));
	plan_for("[service a]\nlisten = 10.0.0.1:80\nfragments = drop\n"
		 "[service b]\nlisten = 10.0.0.2:80\n");
	ck_assert_ptr_nonnull(strstr(plan.text[RULES_V4], DEFRAG));
}
END_TEST

/* Both directions, by address alone: the port is behind the header. */
START_TEST(authentication_headers_go_by_address)
{
	plan_for("[service a]\nlisten = [2001:db8::10]:443\n"
		 "listen = [2001:db8::10]:80\nlisten = 10.0.0.1:80\n"
		 "[service b]\nlisten = [2001:db8:5::/48]:*\n"
		 "connect = [2001:db8::99]:80\n");
	ck_assert_ptr_nonnull(strstr(plan.text[RULES_V6],
				     "-A PENSTOCK -d 2001:db8::10/128" AUTH
				     "-A PENSTOCK -s 2001:db8::10/128" AUTH
				     "-A PENSTOCK -d 2001:db8:5::/48" AUTH
				     "-A PENSTOCK -s 2001:db8::99/128" AUTH));
	ck_assert_ptr_nonnull(strstr(plan.text[RULES_V4],
				     "-A PENSTOCK -d 10.0.0.1/32" AUTH4
				     "-A PENSTOCK -s 10.0.0.1/32" AUTH4));
	ck_assert_ptr_null(strstr(plan.text[RULES_V4], "ipv6header"));
}
END_TEST

START_TEST(prefixes_and_all_ports_leave_matches_out)
{
	plan_for("[service a]\nlisten = 203.0.113.0/24:*\n"
		 "[service b]\nlisten = [::/0]:25\n");
	ck_assert_ptr_nonnull(strstr(plan.text[RULES_V4],
				     "-A PENSTOCK -d 203.0.113.0/24 -p tcp "
				     "-j PENSTOCK_Q\n"
				     "-A PENSTOCK -s 203.0.113.0/24 -p "
				     "tcp" FROM));
	ck_assert_ptr_nonnull(
		strstr(plan.text[RULES_V6],
		       "-A PENSTOCK -p tcp -m tcp --dport 25 -j "
		       "PENSTOCK_Q\n"
		       "-A PENSTOCK -p tcp -m tcp --sport 25" FROM));
}
END_TEST

static int count(const char *text, const char *what)
{
	int n = 0;

	for (; (text = strstr(text, what)); text++)
		n++;
	return n;
}

START_TEST(connect_elsewhere_takes_from_there_once)
{
	plan_for("[service a]\nlisten = 203.0.113.10:80\n"
		 "listen = 203.0.113.11:80\nconnect = 10.0.0.1:8080\n"
		 "[service b]\nlisten = 203.0.113.12:80\n"
		 "connect = 10.0.0.1:8080\n");
	ck_assert_int_eq(count(plan.text[RULES_V4], "--dport 80 "), 3);
	ck_assert_int_eq(
		count(plan.text[RULES_V4],
		      "-s 10.0.0.1/32 -p tcp -m tcp --sport 8080" FROM),
		1);
	ck_assert_int_eq(count(plan.text[RULES_V4], "--sport"), 1);
}
END_TEST

START_TEST(source_of_ours_takes_its_range_of_ports)
{
	plan_for("[tcp]\nip_local_port_range = 50000 50999\n"
		 "[service a]\nlisten = 203.0.113.10:80\n"
		 "source = gateway\n"
		 "[service a6]\nlisten = [2001:db8::10]:80\n"
		 "source = gateway\n"
		 "[service b]\nlisten = 203.0.113.11:*\n"
		 "source = 203.0.113.1\nip_local_port_range = 7 7\n");
	ck_assert(plan.own_source);
	ck_assert_ptr_nonnull(strstr(plan.text[RULES_V4],
				     "-A PENSTOCK -s 203.0.113.10/32 -p tcp -m "
				     "tcp --sport 80 --dport 50000:50999 -j "
				     "PENSTOCK_Q\n"));
	ck_assert_ptr_nonnull(strstr(plan.text[RULES_V6],
				     "-A PENSTOCK -s 2001:db8::10/128 -p tcp "
				     "-m tcp --sport 80 --dport 50000:50999 -j "
				     "PENSTOCK_Q\n"));
	ck_assert_ptr_nonnull(strstr(plan.text[RULES_V4],
				     "-A PENSTOCK -s 203.0.113.11/32 -d "
				     "203.0.113.1/32 -p tcp -m tcp --dport 7 "
				     "-j PENSTOCK_Q\n"));
	ck_assert_ptr_null(strstr(plan.text[RULES_V4], "addrtype"));
	plan_for("[service a]\nlisten = 203.0.113.10:80\n");
	ck_assert(!plan.own_source);
}
END_TEST

START_TEST(no_service_needs_no_rules)
{
	plan_for("");
	ck_assert_ptr_null(plan.text[RULES_V4]);
	ck_assert_ptr_null(plan.text[RULES_V6]);
}
END_TEST

START_TEST(script_has_only_the_families_in_use)
{
	char *text;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	plan_for("[service a]\nlisten = [2001:db8::10]:443\n");
	rules_print(&plan, "x.conf", f);
	fclose(f);
	ck_assert_int_eq(strncmp(text, "#!/bin/sh\n", 10), 0);
	ck_assert_ptr_null(strstr(text, "ipv4/conf"));
	ck_assert_ptr_null(strstr(text, "\niptables"));
	ck_assert_ptr_nonnull(strstr(text, "\nip6tables-restore --noflush"));
	ck_assert_ptr_nonnull(strstr(text, plan.text[RULES_V6]));
	ck_assert_ptr_nonnull(
		strstr(text, ">/proc/sys/net/ipv6/conf/penstock0/forwarding"));
	free(text);
}
END_TEST

START_TEST(state_written_is_read_back)
{
	struct saved_sysctl v[] = {{"net/ipv4/ip_forward", "0"},
				   {"net/ipv4/conf/a.b/rp_filter", "2"}};
	struct rules_state a = {.tun = "t0",
				.addr_before = true,
				.tun_before = TUN_DOWN,
				.table_before = {false, true},
				.sysctl = v,
				.nsysctl = 2},
			   b;

	ck_assert_int_eq(rules_state_write(&a, path), 0);
	ck_assert_int_eq(rules_state_read(&b, path), 0);
	ck_assert(b.found);
	ck_assert_str_eq(b.tun, "t0");
	ck_assert_int_eq(b.tun_before, TUN_DOWN);
	ck_assert(b.addr_before);
	ck_assert(!b.table_before[RULES_V4]);
	ck_assert(b.table_before[RULES_V6]);
	ck_assert_uint_eq(b.nsysctl, 2);
	ck_assert_str_eq(b.sysctl[1].path, v[1].path);
	ck_assert_str_eq(b.sysctl[1].value, "2");
	rules_state_fini(&b);
}
END_TEST

/* What a removal that failed has left. */
START_TEST(state_of_a_broken_removal_is_found)
{
	struct rules_state s = {.tun = "t0"};
	char other[80];

	ck_assert_int_eq(rules_state_write(&s, path), 0);
	rules_state_removing(path, other, sizeof(other));
	ck_assert_int_eq(rename(path, other), 0);
	ck_assert_int_eq(rules_state_read(&s, path), 0);
	ck_assert(s.found);
	ck_assert_str_eq(s.tun, "t0");
	ck_assert_int_eq(rules_state_write(&s, path), 0);
	ck_assert_int_ne(access(other, F_OK), 0);
	rules_state_fini(&s);
}
END_TEST

START_TEST(early_demux_is_off_for_any_family)
{
	const struct rules_sysctl *s = rules_sysctl_host;

	while (s->glob && !strstr(s->glob, "ip_early_demux"))
		s++;
	ck_assert_ptr_nonnull(s->glob);
	ck_assert_str_eq(s->to, "0");
	plan_for("[service a]\nlisten = [2001:db8::10]:443\n");
	ck_assert(rules_sysctl_wanted(&plan, s));
	plan_for("[service a]\nlisten = 192.0.2.1:443\n");
	ck_assert(rules_sysctl_wanted(&plan, s));
	plan_for("");
	ck_assert(!rules_sysctl_wanted(&plan, s));
}
END_TEST

START_TEST(state_missing_is_not_found)
{
	struct rules_state s;

	ck_assert_int_eq(rules_state_read(&s, path), 0);
	ck_assert(!s.found);
	rules_state_fini(&s);
}
END_TEST

/* What is in the file is written to /proc/sys by root. */
START_TEST(state_malformed_is_refused)
{
	static const char *const bad[] = {
		"",
		"something else\n",
		"penstock-rules 1\nfoo\n",
		"penstock-rules 1\ntun t0 sideways\n",
		"penstock-rules 1\ntable 2 present\n",
		"penstock-rules 1\nsysctl kernel/core_pattern |x\n",
		"penstock-rules 1\nsysctl net/../kernel/core_pattern |x\n",
	};
	struct rules_state s;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		FILE *f = fopen(path, "w");

		fputs(bad[i], f);
		fclose(f);
		ck_assert_msg(rules_state_read(&s, path) == -EINVAL, "%s",
			      bad[i]);
		ck_assert(!s.found);
		rules_state_fini(&s);
	}
}
END_TEST

START_TEST(command_takes_input_gives_output_and_status)
{
	const char *cat[] = {"cat", NULL};
	const char *fail[] = {"sh", "-c", "echo out; exit 3", NULL};
	const char *none[] = {"/nonexistent/program", NULL};
	size_t n = 300000;
	int rc;
	char *big = malloc(n + 1), *out;

	memset(big, 'x', n);
	big[n] = '\0';
	ck_assert_int_eq(run_cmd(cat, big, &out, false), 0);
	ck_assert_str_eq(out, big);
	free(out);
	free(big);
	ck_assert_int_eq(run_cmd(fail, NULL, &out, true), 3);
	ck_assert_str_eq(out, "out\n");
	free(out);
	/* 127 where vfork() is none, as under valgrind: posix_spawn(3) */
	rc = run_cmd(none, NULL, NULL, true);
	ck_assert(rc == -ENOENT || rc == 127);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("rules");
	TCase *t = tcase_create("rules");
	SRunner *r;
	int failed;

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, service_v4_takes_both_directions);
	tcase_add_test(t, service_v6_with_workers_balances_queues);
	tcase_add_loop_test(
		t, workers_syn_queues_are_those_of_the_same_addresses, 1, 9);
	tcase_add_test(t, other_server_with_workers_is_shared);
	tcase_add_test(t, own_source_with_workers_each_has_its_ports);
	tcase_add_test(t, own_source_with_more_workers_than_ports_shares_them);
	tcase_add_test(t, other_server_with_one_worker_has_its_queue);
	tcase_add_test(t, reassembly_is_switched_on_where_a_service_asks);
	tcase_add_test(t, authentication_headers_go_by_address);
	tcase_add_test(t, prefixes_and_all_ports_leave_matches_out);
	tcase_add_test(t, connect_elsewhere_takes_from_there_once);
	tcase_add_test(t, source_of_ours_takes_its_range_of_ports);
	tcase_add_test(t, no_service_needs_no_rules);
	tcase_add_test(t, script_has_only_the_families_in_use);
	tcase_add_test(t, state_written_is_read_back);
	tcase_add_test(t, state_of_a_broken_removal_is_found);
	tcase_add_test(t, early_demux_is_off_for_any_family);
	tcase_add_test(t, state_missing_is_not_found);
	tcase_add_test(t, state_malformed_is_refused);
	tcase_add_test(t, command_takes_input_gives_output_and_status);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
