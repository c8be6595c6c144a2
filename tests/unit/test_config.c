/* SPDX-License-Identifier: MIT */
/*
 * The configuration file: what is read, and what is said of a bad one.
 * LINKS: util/log config/config config/keys config/diag config/inidoc
 * LINKS: policy/% tcp/cfg util/option shield/cfg
 * LINKS: shield/prefix shield/tfo shield/ratelimit shield/assoc util/hash
 * LINKS: fault/% util/record util/region util/slab util/wheel
 * LINKS: util/word config/textfile util/address
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/config.h"
#include "config/keys.h"
#include "config/diag.h"
#include "util/log.h"
#include "util/word.h"

#define SVC "[service web]\nlisten = 203.0.113.10:443\n"

static char dir[] = "/tmp/test_config.XXXXXX";
static char path[64];
static char *said;
static struct config *cfg;

static void setup(void)
{
	strcpy(dir + strlen(dir) - 6, "XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/conf", dir);
	said = NULL;
	cfg = NULL;
}

static void teardown(void)
{
	config_free(cfg);
	free(said);
	unlink(path);
	rmdir(dir);
}

static int load_bytes(const char *text, size_t n)
{
	size_t len;
	FILE *f = fopen(path, "w"), *errs;
	int rc;

	ck_assert_uint_eq(fwrite(text, 1, n, f), n);
	fclose(f);
	config_free(cfg);
	free(said);
	errs = open_memstream(&said, &len);
	rc = config_load(path, &cfg, errs);
	fclose(errs);
	ck_assert_int_eq(rc == 0, cfg != NULL);
	ck_assert_int_eq(rc == 0, len == 0);
	return rc;
}

static int load(const char *text)
{
	return load_bytes(text, strlen(text));
}

/* The errors hold "FILE:LINE: text". */
static void assert_said(int line, const char *text)
{
	char want[1024];

	snprintf(want, sizeof(want), "%s:%d: %s", path, line, text);
	ck_assert_msg(strstr(said, want), "wanted \"%s\" in:\n%s", want, said);
}

static int count_lines(const char *s)
{
	int n = 0;

	for (; *s; s++)
		n += *s == '\n';
	return n;
}

START_TEST(empty_file_gives_defaults)
{
	ck_assert_int_eq(load(""), 0);
	ck_assert_uint_eq(cfg->daemon.workers, 1);
	ck_assert_uint_eq(cfg->daemon.queue, 0);
	ck_assert_uint_eq(cfg->daemon.mark, 0x51000000);
	ck_assert_uint_eq(cfg->daemon.mark_mask, 0xff000000);
	ck_assert_uint_eq(cfg->daemon.max_flows, 100000);
	ck_assert_uint_eq(cfg->daemon.max_tw, 262144);
	ck_assert_uint_eq(cfg->daemon.max_memory, 512u << 20);
	ck_assert_int_eq(cfg->daemon.shutdown_grace, 10000000);
	ck_assert_str_eq(cfg->daemon.tun, "penstock0");
	ck_assert_str_eq(cfg->daemon.secret_file, "/var/lib/penstock/secret");
	ck_assert_str_eq(cfg->daemon.control, "/run/penstock/control.sock");
	ck_assert_str_eq(cfg->daemon.http, "127.0.0.1:9464");
	ck_assert_uint_eq(cfg->daemon.log_level, LOG_INFO);
	ck_assert_uint_eq(cfg->policy->nservice, 0);
}
END_TEST

START_TEST(service_without_keys_gets_kernel_defaults)
{
	const struct service *s;
	const struct tcp_cfg *t;

	ck_assert_int_eq(load(SVC), 0);
	s = &cfg->policy->service[0];
	t = &s->tcp;
	ck_assert_str_eq(s->name, "web");
	ck_assert_uint_eq(s->handshake, HANDSHAKE_AUTO);
	ck_assert_uint_eq(s->unknown, UNKNOWN_RESET);
	ck_assert_uint_eq(s->on_no_server, NO_SERVER_RESET);
	ck_assert_uint_eq(s->close, CLOSE_FIN);
	ck_assert_uint_eq(s->syncookies, 1);
	ck_assert_uint_eq(s->max_syn_backlog, 4096);
	ck_assert_uint_eq(s->connect.port, 0);
	ck_assert_uint_eq(t->synack_retries, 5);
	ck_assert_uint_eq(t->syn_retries, 6);
	ck_assert_uint_eq(t->retries2, 15);
	ck_assert_uint_eq(t->ecn, 2);
	ck_assert_uint_eq(t->challenge_ack_limit, 2147483647);
	ck_assert_uint_eq(t->cc[0], CC_HOST);
	ck_assert_uint_eq(t->cc[1], CC_HOST);
	ck_assert_uint_eq(t->rmem[0], 4096);
	ck_assert_uint_eq(t->rmem[1], 131072);
	ck_assert_uint_eq(t->rmem[2], 33554432);
	ck_assert_uint_eq(t->wmem[2], 33554432);
	ck_assert_uint_eq(t->notsent_lowat, UINT32_MAX);
	ck_assert_int_eq(t->keepalive_time, 7200000000);
	ck_assert_int_eq(t->timewait_len, 60000000);
	ck_assert_int_eq(t->invalid_ratelimit, 500000);
}
END_TEST

START_TEST(tcp_section_after_service_is_inherited)
{
	ck_assert_int_eq(load(SVC "tcp_sack = 0\n"
				  "[service b]\nlisten = 203.0.113.11:80\n"
				  "tcp_retries2 = 3\n"
				  "[tcp]\ntcp_retries2 = 8\n"
				  "tcp_syncookies = 2\n"
				  "tcp_max_tw_buckets = 7\n"
				  "[penstock]\nworkers = 2\n"),
			 0);
	ck_assert_uint_eq(cfg->policy->nservice, 2);
	ck_assert_uint_eq(cfg->policy->service[0].tcp.retries2, 8);
	ck_assert_uint_eq(cfg->policy->service[0].tcp.sack, 0);
	ck_assert_uint_eq(cfg->policy->service[0].syncookies, 2);
	ck_assert_uint_eq(cfg->policy->service[1].tcp.retries2, 3);
	ck_assert_uint_eq(cfg->policy->service[1].tcp.sack, 1);
	ck_assert_uint_eq(cfg->daemon.max_tw, 7);
	ck_assert_uint_eq(cfg->daemon.workers, 2);
}
END_TEST

START_TEST(values_with_comments_and_units_are_read)
{
	ck_assert_int_eq(load("; a comment\n# another\n   ; indented\n\n"
			      "[penstock]  ; behind a section\n"
			      "max_memory = 1G ; behind a value\n"
			      "mark=0x7\n"
			      "control =\n"
			      "http = [::1]:80\n"
			      "shutdown_grace = 250ms\n"
			      "log_level = debug\r\n"
			      "[tcp]\n"
			      "tcp_congestion_control = client:newreno "
			      "server:cubic\n" SVC "connect = 10.0.0.1:8080\n"),
			 0);
	ck_assert_uint_eq(cfg->daemon.max_memory, 1u << 30);
	ck_assert_uint_eq(cfg->daemon.mark, 7);
	ck_assert_uint_eq(cfg->daemon.mark_mask, 0xffffffff);
	ck_assert_str_eq(cfg->daemon.control, "");
	ck_assert_str_eq(cfg->daemon.http, "[::1]:80");
	ck_assert_int_eq(cfg->daemon.shutdown_grace, 250000);
	ck_assert_uint_eq(cfg->daemon.log_level, LOG_DEBUG);
	ck_assert_uint_eq(cfg->policy->service[0].tcp.cc[0], CC_NEWRENO);
	ck_assert_uint_eq(cfg->policy->service[0].tcp.cc[1], CC_CUBIC);
	ck_assert_uint_eq(cfg->policy->service[0].connect.port, 8080);
}
END_TEST

START_TEST(byte_order_mark_is_skipped)
{
	ck_assert_int_eq(load("\xef\xbb\xbf[penstock]\nqueue = 3\n"), 0);
	ck_assert_uint_eq(cfg->daemon.queue, 3);
}
END_TEST

START_TEST(listen_repeated_adds)
{
	ck_assert_int_eq(load(SVC "listen = [2001:db8::10]:443\n"
				  "listen = 203.0.113.10:80\n"),
			 0);
	ck_assert_uint_eq(cfg->policy->service[0].listen.n, 3);
	ck_assert_uint_eq(cfg->policy->service[0].listen.ep[2].port, 80);
}
END_TEST

START_TEST(unknown_section_is_named_with_nearest)
{
	ck_assert_int_eq(load("[penstok]\nworkers = 1\n[servise web]\n[xyz]\n"),
			 -EINVAL);
	assert_said(1, "[penstok]: found an unknown section; allowed: "
		       "penstock, tcp, service NAME, fault NAME; did you mean "
		       "\"penstock\"?");
	assert_said(3, "[servise web]: found an unknown section");
	ck_assert_ptr_nonnull(strstr(said, "did you mean \"service\"?"));
	assert_said(4, "[xyz]: found an unknown section; allowed: penstock, "
		       "tcp, service NAME, fault NAME\n");
	ck_assert_int_eq(count_lines(said), 3);
}
END_TEST

START_TEST(unknown_key_is_named_with_nearest)
{
	ck_assert_int_eq(load("[penstock]\nworker = 1\n[tcp]\n"
			      "tcp_retires2 = 3\nzzz = 1\n"),
			 -EINVAL);
	assert_said(2, "[penstock] worker: found \"worker\"; allowed: a key of "
		       "[penstock] (penstockctl keys); did you mean "
		       "\"workers\"?");
	assert_said(4, "[tcp] tcp_retires2: ");
	ck_assert_ptr_nonnull(strstr(said, "did you mean \"tcp_retries2\"?"));
	assert_said(5, "[tcp] zzz: found \"zzz\"; allowed: a key of [tcp] "
		       "(penstockctl keys)\n");
}
END_TEST

START_TEST(key_of_other_section_is_told_where_it_belongs)
{
	ck_assert_int_eq(load(SVC "workers = 1\ntcp_max_tw_buckets = 1\n"
				  "[tcp]\nlisten = 203.0.113.1:1\n"),
			 -EINVAL);
	assert_said(3, "[service web] workers: found \"workers\"; allowed: a "
		       "key of [service]; this one belongs to [penstock]");
	assert_said(4, "[service web] tcp_max_tw_buckets: ");
	assert_said(6, "[tcp] listen: found \"listen\"; allowed: a key of "
		       "[tcp]; this one belongs to [service]");
}
END_TEST

START_TEST(value_out_of_range_is_refused)
{
	static const struct {
		const char *line, *section;
	} bad[] = {
		{"workers = 0", "penstock"},
		{"workers = 65", "penstock"},
		{"workers = -1", "penstock"},
		{"workers = 1x", "penstock"},
		{"workers =", "penstock"},
		{"queue = 65536", "penstock"},
		{"mark = 0", "penstock"},
		{"mark = 0x100000000", "penstock"},
		{"mark = 1/0", "penstock"},
		{"mark = 3/1", "penstock"},
		{"mark = -1", "penstock"},
		{"mark = 1/2/3", "penstock"},
		{"tun =", "penstock"},
		{"tun = a/b", "penstock"},
		{"tun = ..", "penstock"},
		{"tun = sixteen_letters_", "penstock"},
		{"max_memory = 1K", "penstock"},
		{"log_level = loud", "penstock"},
		{"http = 127.0.0.1", "penstock"},
		{"http = :80", "penstock"},
		{"http = localhost:80", "penstock"},
		{"http = ::1:80", "penstock"},
		{"http = [::1:80", "penstock"},
		{"http = 127.0.0.1:65536", "penstock"},
		{"http = 127.0.0.1:0", "penstock"},
		{"shutdown_grace = 2h", "penstock"},
		{"tcp_syncookies = 3", "tcp"},
		{"tcp_syn_retries = 0", "tcp"},
		{"tcp_ecn = 3", "tcp"},
		{"tcp_min_snd_mss = 47", "tcp"},
		{"tcp_rmem = 1 2", "tcp"},
		{"tcp_rmem = 1 2 3", "tcp"},
		{"tcp_rmem = 4096 8192 4097", "tcp"},
		{"tcp_rmem = 4096 8192 9000 9", "tcp"},
		{"tcp_wmem = -4096 8192 9000", "tcp"},
		{"tcp_wmem = 4096 8192 2000000000", "tcp"},
		{"tcp_congestion_control = reno", "tcp"},
		{"tcp_congestion_control =", "tcp"},
		{"tcp_congestion_control = cubic cubic", "tcp"},
		{"tcp_congestion_control = client:cubic client:cubic", "tcp"},
		{"tcp_congestion_control = peer:cubic", "tcp"},
		{"tcp_timewait_len = 1ms", "tcp"},
		{"handshake = both", "service web"},
		{"unknown =", "service web"},
		{"connect = 10.0.0.1", "service web"},
		{"connect = 10.0.0.0/8:80", "service web"},
		{"connect = 10.0.0.1:*", "service web"},
	};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		char text[256], want[128];
		bool svc = !strcmp(bad[i].section, "service web");

		snprintf(text, sizeof(text), "[%s]\n%s\n%s", bad[i].section,
			 bad[i].line, svc ? "listen = 203.0.113.1:1\n" : "");
		ck_assert_msg(load(text) == -EINVAL, "%s", bad[i].line);
		snprintf(want, sizeof(want), "[%s] %.*s: found \"",
			 bad[i].section, (int)strcspn(bad[i].line, " "),
			 bad[i].line);
		assert_said(2, want);
		ck_assert_ptr_nonnull(strstr(said, "allowed: "));
		ck_assert_int_eq(count_lines(said), 1);
	}
}
END_TEST

START_TEST(key_not_yet_served_is_unknown)
{
	ck_assert_int_eq(load("[penstock]\nno_such_key = 1\n"), -EINVAL);
	assert_said(2, "[penstock] no_such_key: ");
}
END_TEST

/* A line of the greatest length is read whole, one more byte is an error. */
START_TEST(line_too_long_is_refused_with_limit)
{
	char text[512], name[400];
	const char *head = "[penstock]\nsecret_file = ";
	int n = 190 - (int)strlen("secret_file = ");

	memset(name, 'a', sizeof(name));
	name[n] = '\0';
	snprintf(text, sizeof(text), "%s%s\nqueue = 5\n", head, name);
	ck_assert_int_eq(load(text), 0);
	ck_assert_str_eq(cfg->daemon.secret_file, name);
	ck_assert_uint_eq(cfg->daemon.queue, 5);

	snprintf(text, sizeof(text), "%s%sa\n", head, name);
	ck_assert_int_eq(load(text), -EINVAL);
	assert_said(2, "found a line of 191 bytes; allowed: at most 190");

	/* What inih would take for a second key. */
	name[n] = 'a';
	name[300] = '\0';
	snprintf(text, sizeof(text), "%s%squeue = 7\n", head, name);
	ck_assert_int_eq(load(text), -EINVAL);
	ck_assert_int_eq(count_lines(said), 1);
}
END_TEST

START_TEST(names_at_their_limit_are_taken)
{
	ck_assert_int_eq(load("[penstock]\ntun = fifteen_letters\n"
			      "[service a23456789.b23456789-c23456789_d]\n"
			      "listen = 203.0.113.10:65535\n"),
			 0);
	ck_assert_str_eq(cfg->daemon.tun, "fifteen_letters");
	ck_assert_str_eq(cfg->policy->service[0].name,
			 "a23456789.b23456789-c23456789_d");

	ck_assert_int_eq(
		load("[penstock]\ntun = sixteen_letters_\n"
		     "[service a23456789.b23456789-c23456789_d2]\n"
		     "[service a23456789.b23456789.c23456789.d23456789."
		     "e]\n"),
		-EINVAL);
	assert_said(2, "[penstock] tun: found \"sixteen_letters_\"");
	assert_said(3, "[service a23456789.b23456789-c23456789_d2]: found ");
	assert_said(4, "found a section name of 49 bytes; allowed: at most 48");
}
END_TEST

START_TEST(continuation_line_is_refused)
{
	ck_assert_int_eq(load(SVC " listen = 203.0.113.10:80\n\tqueue = 1\n"),
			 -EINVAL);
	assert_said(3, "found white space before \"listen = ");
	assert_said(4, "found white space before \"queue = 1\"");
}
END_TEST

START_TEST(line_of_no_form_is_refused)
{
	ck_assert_int_eq(load("key = 1\n[penstock]\nqueue\n[tcp\n[]\n[ ]\n"
			      "[a ; b]\n[tcp] x\n[service]\n[service a b]\n"
			      "[tcp x]\n"),
			 -EINVAL);
	assert_said(1, "key: found a key before any section");
	assert_said(3, "found \"queue\"; allowed: key = value");
	assert_said(4, "found \"[tcp\"; allowed: [section]");
	assert_said(5, "found no section name");
	assert_said(6, "found no section name");
	assert_said(7, "found no section name");
	assert_said(8, "found \"[tcp] x\"; allowed: [section] and nothing");
	assert_said(9, "[service]: found \"\"; allowed: a name");
	assert_said(10, "[service a b]: found \"a b\"; allowed: a name");
	assert_said(11, "[tcp x]: found \"x\"; allowed: [tcp]");
}
END_TEST

START_TEST(binary_bytes_are_refused_and_never_printed)
{
	static const char text[] =
		"[penstock]\nqueue = 1\0\nworkers = \x1b[2J\n";

	ck_assert_int_eq(load_bytes(text, sizeof(text) - 1), -EINVAL);
	assert_said(2, "found a NUL byte; allowed: text only");
	assert_said(3, "[penstock] workers: found \"\\x1b[2J\"");
	ck_assert_ptr_null(strchr(said, '\x1b'));
}
END_TEST

START_TEST(duplicates_are_refused_with_first_line)
{
	ck_assert_int_eq(load(SVC "close = fin\nclose = rst\n"
				  "[service web]\nlisten = 203.0.113.11:1\n"
				  "[tcp]\n[tcp]\n"),
			 -EINVAL);
	assert_said(4, "[service web] close: found a second time, \"rst\"; "
		       "allowed: once (first in line 3)");
	assert_said(5, "[service web]: found a second time; allowed: once "
		       "(first in line 1)");
	assert_said(8, "[tcp]: found a second time; allowed: once (first in "
		       "line 7)");
	ck_assert_int_eq(count_lines(said), 3);
}
END_TEST

START_TEST(claims_that_overlap_are_refused)
{
	ck_assert_int_eq(load(SVC "listen = 203.0.113.0/24:443\n"
				  "[service b]\nlisten = 203.0.113.10:*\n"
				  "listen = 203.0.113.10:80\n"
				  "[service c]\nlisten = [2001:db8::/32]:443\n"
				  "listen = [2001:db8::1]:443\n"),
			 -EINVAL);
	assert_said(3, "[service web] listen: found an address and port that "
		       "[service web] claims in line 2; allowed: each once");
	assert_said(5, "[service b] listen: found an address and port that "
		       "[service web] claims in line 2");
	assert_said(6, "[service b] listen: found an address and port that "
		       "[service b] claims in line 5");
	assert_said(9, "[service c] listen: found an address and port that "
		       "[service c] claims in line 8");
	ck_assert_int_eq(count_lines(said), 4);
}
END_TEST

START_TEST(claims_side_by_side_are_taken)
{
	ck_assert_int_eq(load(SVC "[service b]\nlisten = 203.0.113.10:80\n"
				  "listen = 203.0.114.0/24:443\n"
				  "[service c]\nlisten = [::/0]:443\n"),
			 0);
}
END_TEST

START_TEST(service_without_listen_is_refused)
{
	ck_assert_int_eq(load("[service a]\n[service b]\nclose = fin\n"),
			 -EINVAL);
	assert_said(1, "[service a]: found no listen; allowed: at least one");
	assert_said(2, "[service b]: found no listen; allowed: at least one");
}
END_TEST

START_TEST(connect_of_other_family_is_refused)
{
	ck_assert_int_eq(load(SVC "connect = [2001:db8::1]:80\n"), -EINVAL);
	assert_said(3, "[service web] connect: found another address family "
		       "than listen in line 2");
}
END_TEST

START_TEST(cookies_always_with_server_first_are_refused)
{
	static const char listen[] = "listen = 203.0.113.1:1\n";
	char text[256];

	snprintf(text, sizeof(text),
		 "[service web]\n%shandshake = server_first\n"
		 "tcp_syncookies = 2\n",
		 listen);
	ck_assert_int_eq(load(text), -EINVAL);
	assert_said(3, "[service web] handshake: found server_first with "
		       "tcp_syncookies = 2; allowed: client_first or auto, as "
		       "a cookie answers the client before the server can");
	/* Inherited, it is as wrong. */
	snprintf(text, sizeof(text),
		 "[service web]\nhandshake = server_first\n%s"
		 "[tcp]\ntcp_syncookies = 2\n",
		 listen);
	ck_assert_int_eq(load(text), -EINVAL);
	assert_said(2, "[service web] handshake: found server_first");
}
END_TEST

START_TEST(cookies_with_other_handshakes_are_taken)
{
	static const char *const good[] = {
		"handshake = client_first\ntcp_syncookies = 2\n",
		"handshake = auto\ntcp_syncookies = 2\n",
		"handshake = server_first\ntcp_syncookies = 1\n",
		"handshake = server_first\ntcp_syncookies = 0\n",
	};

	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		char text[256];

		snprintf(text, sizeof(text),
			 "[service web]\nlisten = 203.0.113.1:1\n%s", good[i]);
		ck_assert_msg(!load(text), "%s", good[i]);
	}
}
END_TEST

START_TEST(queues_beyond_last_are_refused)
{
	ck_assert_int_eq(load("[penstock]\nworkers = 2\nqueue = 65535\n"),
			 -EINVAL);
	assert_said(3, "[penstock] queue: found 65535 with 2 workers; "
		       "allowed: the last queue, queue + 7 * workers - 1, at "
		       "most 65535");
	ck_assert_int_eq(load("[penstock]\nworkers = 2\nqueue = 65523\n"),
			 -EINVAL);
	ck_assert_int_eq(load("[penstock]\nworkers = 2\nqueue = 65522\n" SVC),
			 0);
}
END_TEST

START_TEST(too_many_listens_are_refused)
{
	char text[2048] = "[service web]\n";

	for (int i = 0; i < 17; i++) {
		char line[64];

		snprintf(line, sizeof(line), "listen = 203.0.113.1:%d\n",
			 i + 1);
		strcat(text, line);
	}
	ck_assert_int_eq(load(text), -EINVAL);
	assert_said(18, "[service web] listen: found one more, "
			"\"203.0.113.1:17\"; allowed: at most 16");
}
END_TEST

START_TEST(errors_come_all_at_once_by_line)
{
	int last = 0, n = 0;

	ck_assert_int_eq(load("[service a]\nclose = x\n[penstock]\nqueue = x\n"
			      "[tcp]\ntcp_sack = x\nbla\n"),
			 -EINVAL);
	for (char *p = said; *p; p = strchr(p, '\n') + 1) {
		int line = atoi(p + strlen(path) + 1);

		ck_assert_int_ge(line, last);
		last = line;
		n++;
	}
	ck_assert_int_eq(n, 5);
}
END_TEST

START_TEST(error_flood_is_bounded_and_counted)
{
	size_t n = 250;
	char *text = malloc(n * 3 + 1);

	for (size_t i = 0; i < n; i++)
		memcpy(text + 3 * i, "ab\n", 3);
	text[3 * n] = '\0';
	ck_assert_int_eq(load(text), -EINVAL);
	ck_assert_int_eq(count_lines(said), 101);
	ck_assert_ptr_nonnull(strstr(said, ": 150 more errors\n"));
	free(text);
}
END_TEST

START_TEST(missing_file_is_named)
{
	size_t len;
	FILE *errs = open_memstream(&said, &len);

	ck_assert_int_eq(config_load(path, &cfg, errs), -ENOENT);
	fclose(errs);
	ck_assert_ptr_nonnull(strstr(said, path));
	ck_assert_ptr_nonnull(strstr(said, "cannot be opened"));
}
END_TEST

START_TEST(directory_as_file_is_an_error)
{
	size_t len;
	FILE *errs = open_memstream(&said, &len);

	ck_assert_int_eq(config_load(dir, &cfg, errs), -EISDIR);
	fclose(errs);
	ck_assert_ptr_nonnull(strstr(said, "opened: Is a directory"));
}
END_TEST

START_TEST(distance_counts_typing_errors)
{
	ck_assert_uint_eq(word_distance("", ""), 0);
	ck_assert_uint_eq(word_distance("abc", ""), 3);
	ck_assert_uint_eq(word_distance("", "ab"), 2);
	ck_assert_uint_eq(word_distance("listen", "listen"), 0);
	ck_assert_uint_eq(word_distance("lisen", "listen"), 1);
	ck_assert_uint_eq(word_distance("lisetn", "listen"), 1);
	ck_assert_uint_eq(word_distance("kitten", "sitting"), 3);
	ck_assert(!word_is_near("ab", "xy"));
	ck_assert(word_is_near("colse", "close"));
}
END_TEST

/* Every key has a default that is allowed, a help line and an allowed line. */
START_TEST(keys_table_is_complete)
{
	char *text;
	size_t len;
	int n = 0;
	FILE *f = open_memstream(&text, &len);

	conf_keys_print(f);
	fclose(f);
	for (char *p = text, *end; (end = strchr(p, '\n')); p = end + 1, n++) {
		char *field[5] = {p};

		*end = '\0';
		for (int i = 1; i < 5; i++) {
			field[i] = strchr(field[i - 1], '\t');
			ck_assert_msg(field[i], "%s", p);
			*field[i]++ = '\0';
		}
		ck_assert_msg(field[3][0], "%s: what is allowed?", field[1]);
		ck_assert_msg(field[4][0], "%s: no help", field[1]);
	}
	ck_assert_int_gt(n, 60);
	free(text);
}
END_TEST

/* The whole file, NUL-terminated; from the root of the tree. */
static char *slurp(const char *name)
{
	char *buf = calloc(1, 1 << 18);
	FILE *f = fopen(name, "r");

	ck_assert_msg(f, "%s: run this from the root of the tree", name);
	ck_assert_uint_gt(fread(buf, 1, (1 << 18) - 1, f), 0);
	fclose(f);
	return buf;
}

/* "; key = value" -> "key = value" */
static void uncomment(char *text)
{
	char *p = text, *eq;

	for (; p && *p; p = strchr(p, '\n'), p = p ? p + 1 : p) {
		size_t n = strcspn(p, "\n");

		eq = memchr(p, '=', n);
		if (p[0] != ';' || p[1] != ' ' || !eq ||
		    strspn(p + 2, "abcdefghijklmnopqrstuvwxyz_0123456789") !=
			    (size_t)(eq - p - 3))
			continue;
		memmove(p, p + 2, strlen(p + 2) + 1);
	}
}

/* With every commented key taken in, nothing changes: the file tells the
 * defaults as they are. */
START_TEST(shipped_configuration_tells_true_defaults)
{
	char *text = slurp("conf/penstock.conf");
	struct daemon_cfg daemon;
	struct service web;

	ck_assert_int_eq(load(text), 0);
	daemon = cfg->daemon;
	web = cfg->policy->service[0];
	uncomment(text);
	ck_assert_msg(load(text) == 0, "%s", said);
	ck_assert_mem_eq(&cfg->daemon, &daemon, sizeof(daemon));
	ck_assert_mem_eq(&cfg->policy->service[0], &web, sizeof(web));
	ck_assert_int_eq(load(""), 0);
	ck_assert_mem_eq(&cfg->daemon, &daemon, sizeof(daemon));
	free(text);
}
END_TEST

/* A fault's key is told with the types that take it: "key=" or `key`. */
static void check_fault_key(const char *faults, const char *name)
{
	char given[64], quoted[64];

	snprintf(given, sizeof(given), "%s=", name);
	snprintf(quoted, sizeof(quoted), "`%s`", name);
	ck_assert_msg(strstr(faults, given) || strstr(faults, quoted),
		      "docs/FAULTS.md lacks %s", name);
}

/* Each key stands in the example file and in the manual. */
START_TEST(every_key_is_documented)
{
	char *text = slurp("conf/penstock.conf"), *keys, *line, *save;
	char *man = slurp("docs/penstock.conf.5"), want[128];
	char *faults = slurp("docs/FAULTS.md");
	size_t len;
	FILE *f = open_memstream(&keys, &len);

	conf_keys_print(f);
	fclose(f);
	uncomment(text);
	for (line = strtok_r(keys, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save)) {
		char *name = strchr(line, '\t') + 1;

		*strchr(name, '\t') = '\0';
		if (!strncmp(line, "fault\t", 6)) {
			check_fault_key(faults, name);
			continue;
		}
		snprintf(want, sizeof(want), "\n%s =", name);
		ck_assert_msg(strstr(text, want), "conf lacks %s", name);
		snprintf(want, sizeof(want), "\n.It Cm %s", name);
		ck_assert_msg(strstr(man, want), "manual lacks %s", name);
	}
	free(keys);
	free(text);
	free(man);
	free(faults);
}
END_TEST

static TCase *tcase(Suite *s, const char *name)
{
	TCase *t = tcase_create(name);

	tcase_add_checked_fixture(t, setup, teardown);
	suite_add_tcase(s, t);
	return t;
}

static void add_form(TCase *t)
{
	tcase_add_test(t, empty_file_gives_defaults);
	tcase_add_test(t, service_without_keys_gets_kernel_defaults);
	tcase_add_test(t, tcp_section_after_service_is_inherited);
	tcase_add_test(t, values_with_comments_and_units_are_read);
	tcase_add_test(t, byte_order_mark_is_skipped);
	tcase_add_test(t, listen_repeated_adds);
	tcase_add_test(t, keys_table_is_complete);
	tcase_add_test(t, shipped_configuration_tells_true_defaults);
	tcase_add_test(t, every_key_is_documented);
}

static void add_errors(TCase *t)
{
	tcase_add_test(t, unknown_section_is_named_with_nearest);
	tcase_add_test(t, unknown_key_is_named_with_nearest);
	tcase_add_test(t, key_of_other_section_is_told_where_it_belongs);
	tcase_add_test(t, key_not_yet_served_is_unknown);
	tcase_add_test(t, value_out_of_range_is_refused);
	tcase_add_test(t, line_too_long_is_refused_with_limit);
	tcase_add_test(t, names_at_their_limit_are_taken);
	tcase_add_test(t, continuation_line_is_refused);
	tcase_add_test(t, line_of_no_form_is_refused);
	tcase_add_test(t, binary_bytes_are_refused_and_never_printed);
	tcase_add_test(t, duplicates_are_refused_with_first_line);
	tcase_add_test(t, claims_that_overlap_are_refused);
	tcase_add_test(t, claims_side_by_side_are_taken);
	tcase_add_test(t, service_without_listen_is_refused);
	tcase_add_test(t, connect_of_other_family_is_refused);
	tcase_add_test(t, cookies_always_with_server_first_are_refused);
	tcase_add_test(t, cookies_with_other_handshakes_are_taken);
	tcase_add_test(t, queues_beyond_last_are_refused);
	tcase_add_test(t, too_many_listens_are_refused);
	tcase_add_test(t, errors_come_all_at_once_by_line);
	tcase_add_test(t, error_flood_is_bounded_and_counted);
	tcase_add_test(t, missing_file_is_named);
	tcase_add_test(t, directory_as_file_is_an_error);
	tcase_add_test(t, distance_counts_typing_errors);
}

int main(void)
{
	Suite *s = suite_create("config");
	SRunner *r;
	int failed;

	add_form(tcase(s, "form"));
	add_errors(tcase(s, "errors"));
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
