/* SPDX-License-Identifier: MIT */
/*
 * LINKS: util/log config/config config/keys config/diag config/inidoc
 * LINKS: config/secret policy/% tcp/cfg util/option shield/cfg
 * LINKS: shield/prefix shield/tfo shield/ratelimit shield/assoc util/hash
 * LINKS: fault/% util/record util/region util/slab util/wheel util/word
 * LINKS: config/textfile
 * LINKS: util/address
 *
 * "Linux's sysctls keep their defaults": so it is, or help, example file and
 * manual say what Linux's is.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/keys.h"
#include "tcp/cfg.h"
#include "util/types.h"

static char *slurp(const char *path)
{
	char *text = calloc(1, 128 * 1024);
	FILE *f = fopen(path, "r");

	ck_assert_ptr_nonnull(text);
	ck_assert_msg(f != NULL, "%s", path);
	ck_assert_uint_gt(fread(text, 1, 128 * 1024 - 1, f), 0);
	fclose(f);
	return text;
}

/*
 * Defaults of Linux 6.18: Documentation/networking/ip-sysctl.rst and a fresh
 * network namespace; of tcp_congestion_control, what it is built with.
 */
static const struct {
	const char *key, *def;
} linux_default[] = {
	{"ip_local_port_range", "32768 60999"},
	{"tcp_abort_on_overflow", "0"},
	{"tcp_challenge_ack_limit", "2147483647"},
	{"tcp_congestion_control", "cubic"},
	{"tcp_dsack", "1"},
	{"tcp_ecn", "2"},
	{"tcp_fastopen", "1"},
	{"tcp_fastopen_blackhole_timeout_sec", "0"},
	{"tcp_fastopen_key", ""},
	{"tcp_fin_timeout", "60"},
	{"tcp_invalid_ratelimit", "500"},
	{"tcp_keepalive_intvl", "75"},
	{"tcp_keepalive_probes", "9"},
	{"tcp_keepalive_time", "7200"},
	{"tcp_max_orphans", "by memory"},
	{"tcp_max_syn_backlog", "by memory"},
	{"tcp_max_tw_buckets", "by memory"},
	{"tcp_min_snd_mss", "48"},
	{"tcp_notsent_lowat", "4294967295"},
	{"tcp_orphan_retries", "0"},
	{"tcp_retries2", "15"},
	{"tcp_rfc1337", "0"},
	{"tcp_rmem", "4096 131072 33554432"},
	{"tcp_sack", "1"},
	{"tcp_slow_start_after_idle", "1"},
	{"tcp_no_metrics_save", "0"},
	{"tcp_no_ssthresh_metrics_save", "1"},
	{"tcp_syn_retries", "6"},
	{"tcp_synack_retries", "5"},
	{"tcp_syncookies", "1"},
	{"tcp_timestamps", "1"},
	{"tcp_tw_reuse", "2"},
	{"tcp_tw_reuse_delay", "1000"},
	{"tcp_window_scaling", "1"},
	{"tcp_wmem", "4096 16384 4194304"},
	/* what no sysctl of 6.18 is: a socket's option, a constant, history */
	{"tcp_defer_accept", "0"},
	{"tcp_timewait_len", "60"},
	{"tcp_tw_recycle", "0"},
	{"tcp_user_timeout", "0"},
};

static const char *default_of_linux(const char *key)
{
	for (size_t i = 0; i < ARRAY_LEN(linux_default); i++) {
		if (!strcmp(linux_default[i].key, key))
			return linux_default[i].def;
	}
	return NULL;
}

/* The text of the first line of @conf that sets @key; comments included. */
static const char *conf_line(const char *conf, const char *key)
{
	static char line[256];
	const char *p;

	snprintf(line, sizeof(line), "\n; %s =", key);
	p = strstr(conf, line);
	ck_assert_msg(p != NULL, "conf lacks %s", key);
	snprintf(line, sizeof(line), "%.*s", (int)strcspn(p + 1, "\n"), p + 1);
	return line;
}

/* One line of `penstockctl keys': section, name, default, allowed, help. */
static void check_default(char *line, const char *conf, const char *man)
{
	char *col[5], *rest = line, note[80];
	const char *def;
	bool same;

	for (int i = 0; i < 5; i++)
		col[i] = strsep(&rest, "\t");
	if (strncmp(col[1], "tcp_", 4) && strncmp(col[1], "ip_", 3))
		return;
	def = default_of_linux(col[1]);
	ck_assert_msg(def != NULL, "what is Linux's %s?", col[1]);
	same = !strcmp(col[2], def);
	snprintf(note, sizeof(note), "(Linux: %s)", def);
	ck_assert_msg(same || strstr(col[4], note), "help of %s: no %s", col[1],
		      note);
	ck_assert_msg(!same || !strstr(col[4], "Linux: "),
		      "%s is as Linux has it", col[1]);
	ck_assert_msg(same == !strstr(conf_line(conf, col[1]), "(Linux: "),
		      "conf says otherwise of %s", col[1]);
	ck_assert_msg(same == !strstr(man, col[1]),
		      "penstock.conf(5), reasons: %s", col[1]);
}

/* "Defaults as Linux": so it is, or help, example and manual name it. */
START_TEST(defaults_are_those_of_linux_or_named)
{
	char *conf = slurp("conf/penstock.conf"), *keys, *line, *save;
	char *man = slurp("docs/penstock.conf.5"), *reasons;
	size_t len;
	FILE *f = open_memstream(&keys, &len);

	conf_keys_print(f);
	fclose(f);
	reasons = strstr(man, "what Linux's is:");
	ck_assert_ptr_nonnull(reasons);
	*strstr(reasons, ".El") = '\0';
	for (line = strtok_r(keys, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save))
		check_default(line, conf, reasons);
	free(keys);
	free(conf);
	free(man);
}
END_TEST

/* "host": the sysctl's, where we have it; what was chosen here stays. */
START_TEST(congestion_control_follows_the_host)
{
	static const struct {
		const char *host;
		enum tcp_cc_kind kind;
	} at[] = {{"bbr", CC_BBR},	{"cubic", CC_CUBIC},
		  {"reno", CC_NEWRENO}, {"vegas", CC_CUBIC},
		  {"host", CC_CUBIC},	{"", CC_CUBIC},
		  {NULL, CC_CUBIC}};

	for (size_t i = 0; i < ARRAY_LEN(at); i++) {
		struct tcp_cfg c = {.cc = {CC_HOST, CC_NEWRENO}};

		tcp_cc_follow(&c, at[i].host);
		ck_assert_uint_eq(c.cc[0], at[i].kind);
		ck_assert_uint_eq(c.cc[1], CC_NEWRENO);
	}
	ck_assert_str_eq(tcp_cc_name(CC_BBR), "bbr");
}
END_TEST

int main(void)
{
	Suite *s = suite_create("defaults");
	TCase *tc = tcase_create("defaults");
	SRunner *sr;
	int failed;

	tcase_add_test(tc, defaults_are_those_of_linux_or_named);
	tcase_add_test(tc, congestion_control_follows_the_host);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
