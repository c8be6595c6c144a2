/* SPDX-License-Identifier: MIT */
/*
 * What is said of a bad configuration file is to help: what may have been
 * meant, in which words and units.  And files that are none.
 *
 * LINKS: util/log config/config config/keys config/diag config/inidoc
 * LINKS: config/secret policy/% tcp/cfg util/option shield/cfg
 * LINKS: shield/prefix shield/tfo shield/ratelimit shield/assoc util/hash
 * LINKS: fault/% util/record util/region util/slab util/wheel util/word
 * LINKS: config/textfile
 * LINKS: util/address
 */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/config.h"
#include "fault/cfg.h"

#define SVC "[service web]\nlisten = 203.0.113.10:443\n"

static char dir[] = "/tmp/test_config_errors.XXXXXX";
static char path[64], fifo[64];
static char *said;
static struct config *cfg;

static void setup(void)
{
	strcpy(dir + strlen(dir) - 6, "XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/conf", dir);
	snprintf(fifo, sizeof(fifo), "%s/fifo", dir);
	ck_assert_int_eq(mkfifo(fifo, 0600), 0);
}

static void teardown(void)
{
	free(said);
	said = NULL;
	config_free(cfg);
	cfg = NULL;
	unlink(path);
	unlink(fifo);
	rmdir(dir);
}

/* Load the file @name, and keep what was said. */
static int load_file(const char *name)
{
	size_t len;
	FILE *errs;
	int rc;

	config_free(cfg);
	free(said);
	errs = open_memstream(&said, &len);
	rc = config_load(name, &cfg, errs);
	fclose(errs);
	return rc;
}

static int load(const char *text)
{
	FILE *f = fopen(path, "w");

	fputs(text, f);
	fclose(f);
	return load_file(path);
}

/* A FIFO would keep its reader waiting, and /dev/zero has no end. */
START_TEST(special_file_is_refused_at_once)
{
	const char *const file[] = {fifo, "/dev/zero", "/dev/null"};
	char text[200];

	for (size_t i = 0; i < ARRAY_LEN(file); i++) {
		ck_assert_int_eq(load_file(file[i]), -EINVAL);
		ck_assert_ptr_nonnull(strstr(said, "a regular file"));
		snprintf(text, sizeof(text), SVC "deny = @%s\n", file[i]);
		ck_assert_int_eq(load(text), -EINVAL);
		ck_assert_ptr_nonnull(strstr(said, "a regular file"));
		ck_assert_ptr_nonnull(strstr(said, ":3: "));
	}
}
END_TEST

START_TEST(list_file_with_nul_is_refused_with_its_place)
{
	static const char list[] = "192.0.2.1\n198.51.100.0/24 \0 10.0.0.0/8\n";
	char text[200], where[100];
	FILE *f;

	unlink(fifo);
	f = fopen(fifo, "w");
	fwrite(list, 1, sizeof(list) - 1, f);
	fclose(f);
	snprintf(text, sizeof(text), SVC "deny = @%s\n", fifo);
	ck_assert_int_eq(load(text), -EINVAL);
	snprintf(where, sizeof(where), "%s:2: found a NUL byte", fifo);
	ck_assert_msg(strstr(said, where) != NULL, "%s", said);
}
END_TEST

/* Each file, and what its one error must say. */
static const char *const refused[][2] = {
	{"[penstock]\nworkers 2\n",
	 ":2: found \"workers 2\" without \"=\"; allowed: key = value; did you "
	 "mean \"workers = 2\"?\n"},
	{"[service w]\nlisten 203.0.113.10:443\n",
	 "did you mean \"listen = 203.0.113.10:443\"?"},
	{"[service w]\nlisten [2001:db8::1]:443 ; a = b\n",
	 "did you mean \"listen = [2001:db8::1]:443\"?"},
	{"[service w]\nlisten = 203.0.113.10:80, 203.0.113.10:443\n",
	 "(more than one); allowed: one ADDRESS:PORT, and a line \"listen"},
	{"[service w]\nlisten = 203.0.113.10:80 203.0.113.10:443\n",
	 "(more than one)"},
	{SVC "handshake = client_frist\n", "did you mean \"client_first\"?"},
	{SVC "[fault f]\ntype = latncy\n", "did you mean \"latency\"?"},
	{SVC "[fault f]\ntype = latency\nlatency = 5x\n",
	 "allowed: 0 to 10000d (units:"},
	{SVC "[fault f]\ntype = latency\nlatency = 5\nlease = -1\n",
	 "allowed: 0 to 10000d (units:"},
	{SVC "[fault f]\ntype = bandwidth\nburst = 5x\n",
	 "allowed: 0 to 1048576G (suffixes:"},
};

START_TEST(mistake_is_met_with_what_may_be_meant)
{
	ck_assert_int_eq(load(refused[_i][0]), -EINVAL);
	ck_assert_msg(strstr(said, refused[_i][1]) != NULL,
		      "%s\nwanted: %s\ngot: %s", refused[_i][0], refused[_i][1],
		      said);
	ck_assert_ptr_null(strstr(said, "112589990684"));
}
END_TEST

/* The same by a line of the control socket. */
static const char *const lines[][2] = {
	{"x type=latncy",
	 "type: found \"latncy\", allowed: a type (penstockctl "
	 "fault types); did you mean \"latency\"?"},
	{"x type=latency latncy=3", "no such key: latncy (penstockctl fault "
				    "types TYPE); did you mean \"latency\"?"},
	{"x type=latency scope=al",
	 "scope: found \"al\", allowed: new | all; did you mean \"all\"?"},
	{"x type=latency latency=99999999d", "allowed: 0 to 10000d"},
	{"x type=zzzzzz", "(penstockctl fault types)"},
};

START_TEST(fault_line_mistake_is_met_with_what_may_be_meant)
{
	struct fault_spec s;
	char err[1600];

	ck_assert_int_eq(fault_parse_line(lines[_i][0], &s, err, sizeof(err)),
			 -EINVAL);
	ck_assert_msg(strstr(err, lines[_i][1]) != NULL, "wanted: %s\ngot: %s",
		      lines[_i][1], err);
}
END_TEST

/* Who asks for a reload of a bad file must find the daemon. */
START_TEST(control_socket_of_a_bad_file_is_found)
{
	char sock[108];

	load("[penstock]\nno_such_key = 1\ncontrol = /run/x.sock\nworkers 2\n"
	     "[tcp]\ncontrol = /run/wrong.sock\n[service w]\n[\n");
	ck_assert_int_eq(config_control(path, sock, sizeof(sock)), 0);
	ck_assert_str_eq(sock, "/run/x.sock");
	load("[penstock]\nno_such_key = 1\n");
	ck_assert_int_eq(config_control(path, sock, sizeof(sock)), 0);
	ck_assert_str_eq(sock, "/run/penstock/control.sock");
	load("[penstock]\ncontrol =\n");
	ck_assert_int_eq(config_control(path, sock, sizeof(sock)), 0);
	ck_assert_str_eq(sock, "");
	ck_assert_int_eq(config_control(path, sock, 0), -EINVAL);
	ck_assert_int_eq(config_control("/nowhere", sock, sizeof(sock)),
			 -ENOENT);
}
END_TEST

/* White space around a value, colons and comments are no missing "=". */
START_TEST(lines_that_are_right_stay_so)
{
	ck_assert_int_eq(load("[penstock]\nworkers : 2\nqueue=3 ; x y\n"
			      "log_level =\twarn ; a b\n" SVC
			      "deny = 192.0.2.1, 192.0.2.2 ; two words\n"),
			 0);
}
END_TEST

#define SPLICE                                                            \
	"[penstock]\nbpf_interfaces = eth0 eth1\n" SVC "relay = splice\n" \
	"handshake = client_first\n"

/* What the kernel translates keeps its addresses, and has no faults. */
START_TEST(splice_is_refused_where_it_cannot_be)
{
	static const char *const bad[] = {
		SVC "relay = splice\nhandshake = client_first\n",
		"[penstock]\nbpf_interfaces = a\n" SVC "relay = splice\n",
		SPLICE "connect = 203.0.113.11:80\n",
		SPLICE "source = gateway\n",
		SPLICE "[fault f]\ntype = drop\n",
	};

	ck_assert_int_eq(load(SPLICE), 0);
	ck_assert_int_eq(load(bad[_i]), -EINVAL);
	ck_assert_ptr_nonnull(strstr(said, "relay: found splice"));
}
END_TEST

#define IFS17 "a b c d e f g h i j k l m n o p q"
#define DIR108                                                          \
	"/012345678901234567890123456789012345678901234567890123456789" \
	"01234567890123456789012345678901234567890123456"

/* Line, key, what was found and what is allowed. */
static const struct {
	const char *text, *said;
} front_bad[] = {
	{"front = maybe\n",
	 ":2: [penstock] front: found \"maybe\", allowed: off | auto | xdp"},
	{"front = xdp\n",
	 ":2: [penstock] front: found no front_interfaces; "
	 "allowed: those by which clients come, or front = off"},
	{"front_interfaces = eth0\nfront = auto\nfront_interfaces = \n",
	 "front_interfaces"},
	{"front_interfaces = eth0/1\n",
	 ":2: [penstock] front_interfaces: found \"eth0/1\"; allowed: up to 16 "
	 "interface names"},
	{"front_interfaces = sixteen-letters-\n",
	 "allowed: up to 16 interface"},
	{"front_interfaces = " IFS17 "\n", "allowed: up to 16 interface"},
	{"bpf_dir = sys/fs/bpf\n",
	 ":2: [penstock] bpf_dir: found \"sys/fs/bpf\"; allowed: an absolute "
	 "path of at most 107 bytes, on a BPF file system"},
	{"bpf_dir = /\n", "allowed: an absolute path"},
	{"bpf_dir = " DIR108 "\n", "allowed: an absolute path"},
};

START_TEST(front_mistake_is_met_with_what_is_allowed)
{
	char text[512];

	snprintf(text, sizeof(text), "[penstock]\n%s" SVC, front_bad[_i].text);
	ck_assert_int_eq(load(text), -EINVAL);
	ck_assert_msg(strstr(said, front_bad[_i].said) != NULL, "%s", said);
}
END_TEST

/* Blanks and commas, as many as there may be; and what is there by default. */
START_TEST(front_keys_reach_the_daemon)
{
	const struct daemon_cfg *d;

	ck_assert_int_eq(load(SVC), 0);
	ck_assert_int_eq(cfg->daemon.front, FRONT_OFF);
	ck_assert_uint_eq(cfg->daemon.front_ifs.n, 0);
	ck_assert_str_eq(cfg->daemon.bpf_dir, "/sys/fs/bpf/penstock");
	ck_assert_int_eq(
		load("[penstock]\nfront = xdp\nfront_interfaces = "
		     "eth0,  fifteen-letters ,veth1\nbpf_dir = /b/p\n" SVC),
		0);
	d = &cfg->daemon;
	ck_assert_int_eq(d->front, FRONT_XDP);
	ck_assert_uint_eq(d->front_ifs.n, 3);
	ck_assert_str_eq(d->front_ifs.name[0], "eth0");
	ck_assert_str_eq(d->front_ifs.name[1], "fifteen-letters");
	ck_assert_str_eq(d->front_ifs.name[2], "veth1");
	ck_assert_str_eq(d->bpf_dir, "/b/p");
}
END_TEST

/* The choice of log_debug reaches the engines with the policy. */
START_TEST(log_debug_goes_into_the_policy)
{
	ck_assert_int_eq(load(SVC), 0);
	ck_assert_str_eq(cfg->policy->trace.service, "");
	ck_assert_uint_eq(cfg->policy->trace.prefix, 0);
	ck_assert_int_eq(load("[penstock]\nlog_debug = web\n" SVC), 0);
	ck_assert_str_eq(cfg->policy->trace.service, "web");
	ck_assert_int_eq(load("[penstock]\nlog_debug = 2001:db8::/32\n" SVC),
			 0);
	ck_assert_uint_eq(cfg->policy->trace.prefix, 32);
	ck_assert_int_ne(load("[penstock]\nlog_debug = 10.0.0.1/33\n" SVC), 0);
	ck_assert_int_ne(load(SVC "[penstock]\nlog_debug = wep\n"), 0);
	ck_assert_ptr_nonnull(strstr(said, ":4: [penstock] log_debug: found "
					   "\"wep\"; allowed: the name"));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("config_errors");
	TCase *t = tcase_create("config_errors");
	SRunner *r;
	int failed;

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_set_timeout(t, 20);
	tcase_add_test(t, special_file_is_refused_at_once);
	tcase_add_test(t, list_file_with_nul_is_refused_with_its_place);
	tcase_add_loop_test(t, mistake_is_met_with_what_may_be_meant, 0,
			    ARRAY_LEN(refused));
	tcase_add_loop_test(t, fault_line_mistake_is_met_with_what_may_be_meant,
			    0, ARRAY_LEN(lines));
	tcase_add_test(t, control_socket_of_a_bad_file_is_found);
	tcase_add_test(t, lines_that_are_right_stay_so);
	tcase_add_loop_test(t, splice_is_refused_where_it_cannot_be, 0, 5);
	tcase_add_loop_test(t, front_mistake_is_met_with_what_is_allowed, 0,
			    ARRAY_LEN(front_bad));
	tcase_add_test(t, front_keys_reach_the_daemon);
	tcase_add_test(t, log_debug_goes_into_the_policy);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
