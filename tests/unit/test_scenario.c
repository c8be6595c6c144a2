/* SPDX-License-Identifier: MIT */
/*
 * Scenarios: what is read, what is refused and how, what conditions are true
 * of a picture, and a run against a daemon that is played here.
 *
 * LINKS: all
 */
#include <check.h>
#include <errno.h>
#include <glob.h>
#include <stdlib.h>
#include <unistd.h>

#include "scenario/scenario.h"

static struct scenario *scn;
static char *said;
static size_t said_len;

static int parse_with(const char *text, const char *const *set, uint32_t nset)
{
	FILE *f = open_memstream(&said, &said_len);
	int rc = scenario_parse(text, "x.scn", set, nset, &scn, f);

	fclose(f);
	return rc;
}

static int parse(const char *text)
{
	return parse_with(text, NULL, 0);
}

static void good(const char *text)
{
	int rc = parse(text);

	ck_assert_msg(!rc, "%s", said);
	ck_assert_str_eq(said, "");
}

static void teardown(void)
{
	scenario_free(scn);
	free(said);
	scn = NULL;
	said = NULL;
}

/* --- reading --- */

START_TEST(file_with_every_statement_read)
{
	static const struct {
		uint32_t line;
		uint8_t verb;
		const char *arg;
	} want[] = {
		{4, SCN_DO_FAULT, "add hole type=blackhole on=2s"},
		{5, SCN_DO_RUN, "curl -s http://a/ # by the shell"},
		{6, SCN_DO_RUN, "sleep 1"},
		{8, SCN_DO_FAULT, "del hole"},
		{9, SCN_DO_FAULT, "lease hole 5s"},
		{10, SCN_DO_FAULT, "reset"},
		{11, SCN_DO_EXPECT, NULL},
	};

	good("# a comment\n"
	     "timeout 90s   # for all\n"
	     "\n"
	     "add hole type=blackhole on=2s # comment\n"
	     "run & curl -s http://a/ # by the shell\n"
	     "run sleep\\\n 1\n"
	     "at 2s del hole\n"
	     "  at +500ms\tlease hole 5s\n"
	     "when fault hole injected>=1 reset\n"
	     "expect exit 0\n");
	ck_assert_int_eq(scn->timeout_us, 90 * USEC_PER_SEC);
	ck_assert_uint_eq(scn->n, ARRAY_LEN(want));
	for (uint32_t i = 0; i < scn->n; i++) {
		const struct scn_step *s = &scn->step[i];

		ck_assert_uint_eq(s->line, want[i].line);
		ck_assert_uint_eq(s->verb, want[i].verb);
		if (want[i].arg)
			ck_assert_str_eq(s->arg, want[i].arg);
	}
	ck_assert(scn->step[0].adds && !scn->step[0].removes);
	ck_assert_str_eq(scn->step[0].fault, "hole");
	ck_assert(scn->step[1].background && !scn->step[2].background);
	ck_assert(scn->step[3].timed && !scn->step[3].relative);
	ck_assert_int_eq(scn->step[3].at_us, 2 * USEC_PER_SEC);
	ck_assert(scn->step[4].timed && scn->step[4].relative);
	ck_assert_int_eq(scn->step[4].at_us, 500 * USEC_PER_MSEC);
	ck_assert(scn->step[5].waits && scn->step[5].removes);
	ck_assert_int_eq(scn->step[6].within_us, -1);
}
END_TEST

START_TEST(expect_of_each_kind_read)
{
	const struct scn_cond *c;

	good("expect conn 1 state client:LAST_ACK,CLOSING within 5s for 3s\n"
	     "expect conn any state ESTABLISHED\n"
	     "expect conn 2 gone for 1s within 2s\n"
	     "expect fault hole injected >= 3 within 10s\n"
	     "expect counter TCPTimeouts@web>=2\n"
	     "expect report fault=hole peer=rst len>100 count>=2\n"
	     "expect flows == 0 within 0\n"
	     "expect flows server:CLOSE_WAIT >= 5\n"
	     "expect exit != 0\n"
	     "expect sh ss -Htn | grep -q \"for 3 \" within 4s for 2s\n");
	c = &scn->step[0].expect;
	ck_assert_uint_eq(c->kind, SCN_CONN);
	ck_assert_uint_eq(c->ordinal, 1);
	ck_assert_uint_eq(c->side, SCN_CLIENT);
	ck_assert_uint_eq(c->states, BIT(9) | BIT(8));
	ck_assert_int_eq(scn->step[0].within_us, 5 * USEC_PER_SEC);
	ck_assert_int_eq(scn->step[0].for_us, 3 * USEC_PER_SEC);
	ck_assert_uint_eq(scn->step[1].expect.ordinal, 0);
	ck_assert_int_eq(scn->step[1].within_us, SCN_WITHIN_US);
	ck_assert(scn->step[2].expect.gone);
	ck_assert_int_eq(scn->step[2].within_us, 2 * USEC_PER_SEC);
	ck_assert_int_eq(scn->step[2].for_us, USEC_PER_SEC);
	c = &scn->step[3].expect;
	ck_assert_str_eq(c->name, "hole");
	ck_assert_str_eq(c->part, "injected");
	ck_assert_uint_eq(c->op, SCN_GE);
	ck_assert_int_eq(c->n, 3);
	c = &scn->step[4].expect;
	ck_assert_str_eq(c->name, "TCPTimeouts");
	ck_assert_str_eq(c->part, "web");
	c = &scn->step[5].expect;
	ck_assert_uint_eq(c->nmatch, 3);
	ck_assert_str_eq(c->match[1].key, "peer");
	ck_assert_str_eq(c->match[1].value, "rst");
	ck_assert_uint_eq(c->match[2].op, SCN_GT);
	ck_assert_int_eq(c->n, 2);
	ck_assert_int_eq(scn->step[6].within_us, 0);
	ck_assert_uint_eq(scn->step[7].expect.side, SCN_SERVER);
	ck_assert_uint_eq(scn->step[8].expect.op, SCN_NE);
	c = &scn->step[9].expect;
	ck_assert_str_eq(c->command, "ss -Htn | grep -q \"for 3 \"");
	ck_assert_int_eq(scn->step[9].for_us, 2 * USEC_PER_SEC);
	ck_assert(scn->has_conn && scn->has_report);
}
END_TEST

START_TEST(variables_replaced_command_line_wins)
{
	const char *set[] = {"SERVER=10.0.0.1", "EMPTY="};

	ck_assert_int_eq(parse_with("set SERVER=a.example\n"
				    "set PORT=80 # of it\n"
				    "set URL=http://${SERVER}:${PORT}/\n"
				    "run ${EMPTY}curl ${URL} $x $${y}\n",
				    set, 2),
			 0);
	ck_assert_str_eq(scn->step[0].arg, "curl http://10.0.0.1:80/ $x ${y}");
}
END_TEST

/* Each text, and what its one error must say. */
static const char *const refused[][2] = {
	{"expct exit 0", "x.scn:1: found \"expct\", allowed: at TIME"},
	{"expct exit 0", "; did you mean \"expect\"?"},
	{"expect cuonter X == 1", "; did you mean \"counter\"?"},
	{"expect exit 0 wthin 3s", "; did you mean \"within\"?"},
	{"\n\nat soon reset", "x.scn:3: found \"soon\", allowed: 0 to 1d"},
	{"at 2s", "x.scn:1: found the end of the line, allowed: add NAME"},
	{"at 2s set A=b", "found \"set\", allowed: add NAME"},
	{"add x percent=1", "needs a type"},
	{"add x type=loss latency=3", "type loss does not take"},
	{"add x type=los", "found \"los\""},
	{"del", "allowed: the name of a fault"},
	{"del a b", "found \"b\", allowed: the end of the line"},
	{"lease a", "allowed: a time"},
	{"reset all", "found \"all\", allowed: the end of the line"},
	{"run", "allowed: a command"},
	{"run & ", "allowed: a command"},
	{"expect", "allowed: conn N|any state S"},
	{"expect conn x gone", "found \"x\", allowed: a number"},
	{"expect conn 0 gone", "found \"0\", allowed: a connection's number"},
	{"expect conn 1", "allowed: state S, gone"},
	{"expect conn any gone", "found \"gone\", allowed: state S"},
	{"expect conn 1 state FIN_WAIT",
	 "found \"FIN_WAIT\", allowed: [client"},
	{"expect fault a broken>=1", "allowed: matched rolled injected"},
	{"expect fault a injected 1", "allowed: == != >= <= > <"},
	{"expect fault a injected>=x", "found \"x\", allowed: a number"},
	{"expect counter >= 1", "found \">=\", allowed: a counter"},
	{"expect report", "allowed: KEY=VALUE"},
	{"expect report a=1 b=1 c=1 d=1 e=1 f=1 g=1 h=1 i=1", "8 keys"},
	{"expect flows", "allowed: == != >= <= > <"},
	{"expect exit 0 wthin 3s", "found \"wthin\", allowed: within TIME"},
	{"expect exit 0 within", "found \"within\", allowed: within TIME"},
	{"expect exit 0 within 5x", "found \"5x\", allowed: 0 to 1d"},
	{"expect sh", "allowed: a command"},
	{"when sh true reset", "found \"sh\", allowed: conn N"},
	{"when flows>=1", "allowed: add NAME"},
	{"run x\ntimeout 5s", "x.scn:2: found \"timeout\" behind a step"},
	{"timeout 5s 6s\nreset", "found \"6s\", allowed: the end"},
	{"set =b\nreset", "found \"=b\", allowed: NAME=VALUE"},
	{"run ${NONE}", "found \"${NONE}\", allowed: a variable"},
	{"set A=b\nrun ${A", "found \"${A\", allowed: a variable"},
	{"# nothing\n", "x.scn: no step in it"},
};

START_TEST(line_that_is_wrong_refused_with_what_is_allowed)
{
	ck_assert_int_eq(parse(refused[_i][0]), -EINVAL);
	ck_assert_msg(strstr(said, refused[_i][1]) != NULL, "%s:\n%swanted: %s",
		      refused[_i][0], said, refused[_i][1]);
	ck_assert_ptr_eq(strchr(said, '\n'), said + strlen(said) - 1);
	ck_assert_ptr_null(scn);
}
END_TEST

START_TEST(errors_all_at_once_in_order)
{
	const char *set[] = {"noequals"};

	ck_assert_int_eq(parse_with("jump\nat x reset\nreset\ndel\n", set, 1),
			 -EINVAL);
	ck_assert_ptr_nonnull(strstr(said, "x.scn: --set: found \"noequals\""));
	ck_assert_ptr_nonnull(strstr(said, "\nx.scn:1: "));
	ck_assert_ptr_nonnull(strstr(said, "\nx.scn:2: "));
	ck_assert_ptr_null(strstr(said, "\nx.scn:3: "));
	ck_assert_ptr_nonnull(strstr(said, "\nx.scn:4: "));
}
END_TEST

START_TEST(line_number_after_joined_lines_is_of_the_file)
{
	ck_assert_int_eq(parse("run a \\\n b \\\n c\njump\n"), -EINVAL);
	ck_assert_ptr_nonnull(strstr(said, "x.scn:4: found \"jump\""));
}
END_TEST

/* The tests are run from the root of the sources. */
START_TEST(examples_all_read)
{
	glob_t g;

	ck_assert_int_eq(glob("conf/examples/*.scn", 0, NULL, &g), 0);
	ck_assert_uint_ge(g.gl_pathc, 10);
	for (size_t i = 0; i < g.gl_pathc; i++) {
		char text[20000];
		FILE *f = fopen(g.gl_pathv[i], "r");
		size_t n = fread(text, 1, sizeof(text) - 1, f);

		text[n] = '\0';
		fclose(f);
		good(text);
		ck_assert_uint_ge(scn->n, 4);
		teardown();
	}
	globfree(&g);
}
END_TEST

/* Whatever the bytes: an answer, and no memory lost. */
START_TEST(text_cut_anywhere_never_breaks)
{
	static const char text[] =
		"set A=b\ntimeout 5s\nat +1s add x type=loss percent=1\n"
		"when conn 1 state client:ESTABLISHED within 2s del x\n"
		"run & ${A} \\\n$${c}\nexpect report a=b count>=2 within 1s\n"
		"expect sh true within 1s for 2s\n";
	char cut[sizeof(text)];

	for (size_t i = 0; i < sizeof(text); i++) {
		memcpy(cut, text, sizeof(text));
		cut[i] = '\0';
		parse(cut);
		teardown();
		memcpy(cut, text, sizeof(text) - 1);
		cut[i % (sizeof(text) - 1)] = (char)(i * 37 + 1);
		parse(cut);
		teardown();
	}
}
END_TEST

/* --- judging --- */

static const char flows_text[] =
	"[{\"service\":\"client\",\"serial\":8,"
	"\"client\":{\"address\":\"198.51.100.2:1\",\"state\":\"FIN_WAIT_2\"},"
	"\"server\":{\"state\":\"CLOSE_WAIT\",\"inflight\":0}},"
	"{\"serial\":6,\"client\":{\"state\":\"ESTABLISHED\"},"
	"\"server\":{\"state\":\"ESTABLISHED\"}},"
	"{\"serial\":4,\"client\":{\"state\":\"FIN_WAIT_1\"},"
	"\"server\":{\"state\":\"CLOSED\"}}]";
static const char base_text[] =
	"[{\"name\":\"FlowsOpened\",\"value\":5},"
	"{\"name\":\"TcpExtTCPTimeouts\",\"service\":\"web\",\"value\":10},"
	"{\"name\":\"half_open\",\"gauge\":true,\"value\":4}]";
static const char counters_text[] =
	"[{\"name\":\"FlowsOpened\",\"value\":8},"
	"{\"name\":\"TcpExtTCPTimeouts\",\"service\":\"web\",\"value\":13},"
	"{\"name\":\"TcpExtTCPTimeouts\",\"service\":\"sql\",\"value\":2},"
	"{\"name\":\"half_open\",\"gauge\":true,\"value\":7}]";
static const char faults_text[] =
	"[{\"name\":\"hole\",\"matched\":9,\"rolled\":8,\"injected\":7,"
	"\"suppressed\":6,\"active\":1}]";
static const char reports_text[] =
	"[{\"fault\":\"hole\",\"action\":\"drop\",\"off\":4380,\"ok\":true},"
	"{\"fault\":\"hole\",\"action\":\"drop\",\"off\":5840},"
	"{\"fault\":\"cut\",\"peer\":\"rst\"}]";

/* Conditions, what they are of the picture above, and what is seen. */
static const struct {
	const char *cond;
	enum scn_truth truth;
	const char *seen;
} judged[] = {
	{"conn 1 state ESTABLISHED", SCN_YES, "client:ESTABLISHED"},
	{"conn 1 state CLOSING,ESTABLISHED", SCN_YES, ""},
	{"conn 1 state LAST_ACK", SCN_NO, "client:ESTABLISHED server:ESTAB"},
	{"conn 1 gone", SCN_NO, ""},
	{"conn 2 gone", SCN_YES, "gone"},
	{"conn 2 state ESTABLISHED", SCN_NEVER, "gone"},
	{"conn 2 state CLOSED", SCN_YES, "gone"},
	{"conn 3 state FIN_WAIT_2", SCN_YES, ""},
	{"conn 3 state server:FIN_WAIT_2", SCN_NO, ""},
	{"conn 3 state client:FIN_WAIT_2", SCN_YES, ""},
	{"conn 3 state server:CLOSE_WAIT", SCN_YES, ""},
	{"conn 4 state ESTABLISHED", SCN_NO, "3 connections so far"},
	{"conn 4 gone", SCN_NO, "3 connections so far"},
	{"conn any state CLOSE_WAIT", SCN_YES, ""},
	{"conn any state FIN_WAIT_1", SCN_NO, ""},
	{"flows == 3", SCN_YES, "3"},
	{"flows FIN_WAIT_1 == 1", SCN_YES, "1"},
	{"flows client:ESTABLISHED,FIN_WAIT_2 >= 3", SCN_NO, "2"},
	{"flows < 3", SCN_NO, "3"},
	{"counter TCPTimeouts@web >= 3", SCN_YES, "3"},
	{"counter TCPTimeouts@web > 3", SCN_NO, "3"},
	{"counter TcpExtTCPTimeouts == 5", SCN_YES, "5"},
	{"counter TCPTimeouts@ssh == 0", SCN_NEVER, "no counter"},
	{"counter half_open == 7", SCN_YES, "7"},
	{"counter Nothing == 0", SCN_NEVER, "no counter"},
	{"fault hole matched==9", SCN_YES, "9"},
	{"fault hole rolled==8", SCN_YES, "8"},
	{"fault hole injected != 7", SCN_NO, "7"},
	{"fault hole suppressed<=6", SCN_YES, "6"},
	{"fault hole active>1", SCN_NO, "1"},
	{"fault none injected==0", SCN_NO, "no fault"},
	{"report fault=hole", SCN_YES, "2 of 3"},
	{"report fault=hole count==1", SCN_NO, "2 of 3"},
	{"report fault=hole off>=5000 count==1", SCN_YES, "1 of 3"},
	{"report fault!=hole peer=rst", SCN_YES, "1 of 3"},
	{"report fault=hole peer=rst", SCN_NO, "0 of 3"},
	{"report fault=hole ok=true count==1", SCN_YES, "1 of 3"},
	{"report off=4380x", SCN_NO, "0 of 3"},
};

static enum scn_truth judge(const char *cond, struct scn_view *v, char *seen,
			    size_t len)
{
	char line[200];

	snprintf(line, sizeof(line), "expect %s\n", cond);
	good(line);
	return scenario_judge(&scn->step[0].expect, v, seen, len);
}

START_TEST(condition_of_a_picture_judged)
{
	json_t *flows = json_loads(flows_text, 0, NULL);
	json_t *base = json_loads(base_text, 0, NULL);
	json_t *counters = json_loads(counters_text, 0, NULL);
	json_t *faults = json_loads(faults_text, 0, NULL);
	json_t *reports = json_loads(reports_text, 0, NULL);
	struct scn_view v = {.flows = flows,
			     .faults = faults,
			     .counters = counters,
			     .base = base,
			     .reports = reports};
	char seen[200] = "";

	ck_assert(flows && base && counters && faults && reports);
	ck_assert_msg(judge(judged[_i].cond, &v, seen, sizeof(seen)) ==
			      judged[_i].truth,
		      "%s: %s", judged[_i].cond, seen);
	ck_assert_msg(strstr(seen, judged[_i].seen) != NULL, "%s: %s",
		      judged[_i].cond, seen);
	json_decref(flows);
	json_decref(base);
	json_decref(counters);
	json_decref(faults);
	json_decref(reports);
}
END_TEST

START_TEST(exit_before_and_after_the_command_judged)
{
	struct scn_view v = {0};
	char seen[100];

	ck_assert_int_eq(judge("exit 0", &v, seen, sizeof(seen)), SCN_NEVER);
	v.ran = true;
	teardown();
	ck_assert_int_eq(judge("exit 56", &v, seen, sizeof(seen)), SCN_NO);
	v.exited = true;
	v.status = 56;
	teardown();
	ck_assert_int_eq(judge("exit 56", &v, seen, sizeof(seen)), SCN_YES);
	teardown();
	ck_assert_int_eq(judge("exit 0", &v, seen, sizeof(seen)), SCN_NEVER);
	ck_assert_str_eq(seen, "exit 56");
	teardown();
	ck_assert_int_eq(judge("exit > 0", &v, seen, sizeof(seen)), SCN_YES);
}
END_TEST

START_TEST(answer_of_wrong_shape_is_not_true)
{
	json_t *odd = json_loads("[1, null, {\"name\": 3}, [], \"x\","
				 "{\"name\":\"hole\"}]",
				 0, NULL);
	struct scn_view v = {odd,   odd,   odd, odd, odd, false,
			     false, false, 0,	0,   0};
	char seen[200];

	for (size_t i = 0; i < ARRAY_LEN(judged); i++) {
		judge(judged[i].cond, &v, seen, sizeof(seen));
		teardown();
	}
	ck_assert_int_eq(judge("conn 1 state ESTABLISHED", &v, seen,
			       sizeof(seen)),
			 SCN_NO);
	json_decref(odd);
}
END_TEST

/* --- running --- */

/* The daemon that is played: it notes the fault lines, and says no to one
 * called "bad". */
static char asked[4000];
static int dead_after, workers, flips;
/* Reports: @old ones before the scenario, then @fresh ones, of which the ring
 * has lost the first @gone. */
static json_int_t old, fresh, gone;
static bool begun;
static json_int_t timeouts;
static volatile sig_atomic_t stop;

#define REPORTS_OF_AN_ANSWER 1000

static json_t *play_reports(json_int_t since)
{
	const json_int_t end = begun ? old + fresh : old;
	json_int_t lost = 0;
	json_t *lines = json_array();

	if (since > end)
		since = end;
	if (begun && since < gone) {
		lost = gone - since;
		since = gone;
	}
	for (int n = 0; since < end && n < REPORTS_OF_AN_ANSWER; n++, since++)
		json_array_append_new(lines,
				      json_pack("{s:s}", "peer",
						since < old ? "fin" : "rst"));
	begun = true;
	return json_pack("{s:I,s:I,s:o}", "next", since, "lost", lost, "lines",
			 lines);
}

static json_t *play(const char *cmd, const json_t *request)
{
	const json_t *lines = json_object_get(request, "lines");
	json_t *line;
	size_t i;

	if (!strcmp(cmd, "status"))
		return json_pack("{s:i}", "workers", workers);
	if (!strcmp(cmd, "counters"))
		return json_pack("[{s:s,s:I}]", "name", "TcpExtTCPTimeouts",
				 "value", timeouts++);
	if (!strcmp(cmd, "flows"))
		return json_array();
	if (!strcmp(cmd, "fault-list"))
		return json_pack("[{s:s,s:i},{s:s,s:i}]", "name", "a",
				 "injected", 1, "name", "flips", "injected",
				 flips++ & 1);
	if (!strcmp(cmd, "fault-reports"))
		return play_reports(
			json_integer_value(json_object_get(request, "since")));
	json_array_foreach(lines, i, line) {
		strcat(asked, json_string_value(line));
		strcat(asked, "; ");
	}
	return json_null();
}

static int fake_ask(void *arg, const json_t *request, json_t **answer)
{
	const char *cmd = json_string_value(json_object_get(request, "cmd"));
	const char *line = json_string_value(
		json_array_get(json_object_get(request, "lines"), 0));

	*(int *)arg += 1;
	if (dead_after && *(int *)arg > dead_after)
		return -ECONNREFUSED;
	if (line && !strncmp(line, "add bad", 7))
		*answer = json_pack("{s:b,s:s}", "ok", 0, "error",
				    "line 1: there is a fault of this name\n");
	else
		*answer = json_pack("{s:b,s:o}", "ok", 1, "result",
				    play(cmd, request));
	return 0;
}

static void run_setup(void)
{
	*asked = '\0';
	dead_after = 0;
	workers = 1;
	timeouts = 3;
	stop = 0;
	old = gone = 0;
	fresh = 1;
	begun = false;
}

static enum scn_result run_as(const char *text, bool json, bool keep)
{
	struct scn_run r = {.ask = fake_ask,
			    .json = json,
			    .keep = keep,
			    .file = "x.scn",
			    .stop = &stop};
	int asks = 0;
	enum scn_result rc;

	good(text);
	free(said);
	r.arg = &asks;
	r.out = open_memstream(&said, &said_len);
	rc = scenario_run(scn, &r);
	fclose(r.out);
	return rc;
}

static enum scn_result run(const char *text)
{
	return run_as(text, false, false);
}

static void told(const char *what)
{
	ck_assert_msg(strstr(said, what) != NULL, "%s\nlacks: %s", said, what);
}

START_TEST(run_steps_done_in_order_and_faults_removed)
{
	ck_assert_int_eq(run("add a type=loss percent=1 lease=9s\n"
			     "add b type=delay time=1\n"
			     "at +1ms lease a 5s\n"
			     "run exit 7\nexpect exit 7\n"
			     "when fault a injected>=1 del b\n"
			     "expect flows == 0 for 50ms\n"
			     "expect counter TCPTimeouts>=4\n"
			     "expect report peer=rst\n"
			     "expect sh test -d / && ! test -d /none\n"),
			 SCN_HELD);
	told("x.scn: held: 10 of 10 steps");
	ck_assert_msg(strstr(asked, "add a type=loss percent=1 lease=9s; "
				    "add b type=delay time=1; lease b "),
		      "%s", asked);
	ck_assert_msg(strstr(asked, "lease a 5s; del b; del a; "), "%s", asked);
}
END_TEST

/* What peers did to somebody else's test proves nothing of this one. */
START_TEST(run_reports_are_those_since_it_began)
{
	old = 4096;
	fresh = 2500;
	ck_assert_int_eq(run("expect report peer=rst count==2500\n"
			     "expect report peer=fin count==0\n"),
			 SCN_HELD);
	told("# 2500 of 2500 reports");
	teardown();
	run_setup();
	old = 3;
	ck_assert_int_eq(run("expect report peer=fin within 30ms\n"),
			 SCN_FAILED);
	told("# 0 of 1 reports");
}
END_TEST

/* Conditions, with reports lost. */
static const struct {
	const char *cond;
	enum scn_result result;
} lossy[] = {
	{"expect report peer=rst count>=2\n", SCN_HELD},
	{"expect report peer=rst count>1\n", SCN_HELD},
	{"expect report peer=rst count==2\n", SCN_FAILED},
	{"expect report peer=rst count<=2\n", SCN_FAILED},
	{"expect report peer=fin count==0\n", SCN_FAILED},
	{"expect report peer=rst count!=3\n", SCN_FAILED},
	{"expect report peer=rst count>=3\n", SCN_FAILED},
};

START_TEST(run_with_reports_lost_is_not_held_by_luck)
{
	old = 10;
	fresh = 7;
	gone = 15;
	ck_assert_int_eq(run(lossy[_i].cond), lossy[_i].result);
	told(lossy[_i].result == SCN_HELD ? "# 2 of 2 reports"
					  : "but 5 more are lost");
}
END_TEST

START_TEST(run_keep_leaves_faults)
{
	ck_assert_int_eq(run_as("add a type=loss percent=1\n", false, true),
			 SCN_HELD);
	ck_assert_str_eq(asked, "add a type=loss percent=1; ");
}
END_TEST

START_TEST(run_reset_leaves_nothing_to_remove)
{
	ck_assert_int_eq(run("add a type=loss percent=1 lease=9s\nreset\n"),
			 SCN_HELD);
	ck_assert_str_eq(asked, "add a type=loss percent=1 lease=9s; reset; ");
}
END_TEST

/* Each scenario that fails, and what is told of it. */
static const char *const failing[][2] = {
	{"expect flows == 1 within 30ms\nreset\n",
	 "FAILED  x.scn:1: expect flows == 1 within 30ms  # 0\n"},
	{"expect flows == 1 within 30ms\nreset\n", "- not run x.scn:2: reset"},
	{"run exit 3\nexpect exit 0\n", "expect exit 0  # exit 3"},
	{"run kill -9 $$\nexpect exit 0\n", "# exit 137"},
	{"expect sh exit 4 within 20ms\n", "# exit 4"},
	{"add bad type=loss percent=1\n", "# line 1: there is a fault"},
	{"timeout 1s\nrun sleep 30\n", "# it still runs; timeout"},
	{"timeout 100ms\nat 5s reset\n", "FAILED  x.scn:2: at 5s reset"},
	{"timeout 1s\nwhen flows==3 reset\n", "# 0; timeout"},
	{"timeout 1s\nexpect flows == 0 for 5s\n", "# 0; timeout"},
	{"expect fault flips injected==1 within 200ms for 90ms\n", "# 0\n"},
	{"timeout 1s\nexpect sh sleep 30\n", "# it still runs; timeout"},
};

START_TEST(run_step_that_fails_ends_it)
{
	ck_assert_int_eq(run(failing[_i][0]), SCN_FAILED);
	told(failing[_i][1]);
	told("x.scn: failed");
	ck_assert_ptr_null(strstr(asked, "reset"));
}
END_TEST

START_TEST(run_as_json_is_one_object)
{
	json_t *o, *steps, *step;

	ck_assert_int_eq(run_as("run true\nexpect exit 1\nreset\n", true,
				false),
			 SCN_FAILED);
	o = json_loads(said, 0, NULL);
	ck_assert_ptr_nonnull(o);
	steps = json_object_get(o, "steps");
	ck_assert_uint_eq(json_array_size(steps), 3);
	step = json_array_get(steps, 1);
	ck_assert_str_eq(json_string_value(json_object_get(step, "verdict")),
			 "FAILED");
	ck_assert_int_eq(json_integer_value(json_object_get(step, "line")), 2);
	ck_assert_str_eq(json_string_value(json_object_get(step, "detail")),
			 "exit 0");
	ck_assert_str_eq(json_string_value(json_object_get(o, "result")),
			 "failed");
	json_decref(o);
}
END_TEST

/* When step @i of the JSON report was done, microseconds. */
static json_int_t done_at(const json_t *report, size_t i)
{
	return json_integer_value(json_object_get(
		json_array_get(json_object_get(report, "steps"), i), "t_us"));
}

START_TEST(run_at_relative_counts_from_the_step_before)
{
	json_t *o;

	ck_assert_int_eq(run_as("at 100ms run sleep 0.2\nat +100ms reset\n"
				"at 10ms reset\n",
				true, false),
			 SCN_HELD);
	o = json_loads(said, 0, NULL);
	ck_assert_int_ge(done_at(o, 0), 300000);
	ck_assert_int_ge(done_at(o, 1), 400000);
	json_decref(o);
}
END_TEST

START_TEST(run_without_daemon_said_so)
{
	dead_after = -1;
	ck_assert_int_eq(run("run false\n"), SCN_NO_DAEMON);
	told("x.scn: no daemon, no answer of penstockd: Connection refused");
}
END_TEST

START_TEST(run_daemon_that_dies_fails)
{
	dead_after = 3;
	ck_assert_int_eq(run("expect flows == 1\n"), SCN_FAILED);
	told("# no answer of penstockd: Connection refused");
}
END_TEST

START_TEST(run_interrupted_cleans_up)
{
	stop = 1;
	ck_assert_int_eq(run("run sleep 30\n"), SCN_FAILED);
	told("failed, interrupted: 0 of 1 steps");
}
END_TEST

/* SIGALRM plays the operator's SIGINT. */
static void on_alarm(int sig)
{
	(void)sig;
	stop = 1;
}

START_TEST(run_interrupted_while_it_waits_cleans_up)
{
	signal(SIGALRM, on_alarm);
	ualarm(700000, 0);
	ck_assert_int_eq(run("add a type=loss percent=1 lease=9s\n"
			     "run & sleep 30\nexpect exit 0\n"),
			 SCN_FAILED);
	told("# it still runs; interrupted");
	ck_assert_str_eq(asked, "add a type=loss percent=1 lease=9s; del a; ");
}
END_TEST

START_TEST(run_ordinal_with_several_workers_refused)
{
	workers = 2;
	ck_assert_int_eq(run("expect conn 1 gone\n"), SCN_FAILED);
	told("\"conn N\" needs workers = 1, penstockd has 2");
	teardown();
	ck_assert_int_eq(run("expect flows == 0\n"), SCN_HELD);
}
END_TEST

static bool still_runs(const char *cmdline)
{
	FILE *f = fopen(cmdline, "r");
	bool runs = f && fgetc(f) != EOF;

	if (f)
		fclose(f);
	return runs;
}

START_TEST(run_command_that_is_left_is_ended)
{
	char path[] = "/tmp/scenarioXXXXXX", text[200], pid[32] = "";
	int fd = mkstemp(path);
	FILE *f;

	ck_assert_int_ge(fd, 0);
	snprintf(text, sizeof(text),
		 "run & sleep 60 & echo $! >%s; wait\n"
		 "expect sh test -s %s\n",
		 path, path);
	ck_assert_int_eq(run(text), SCN_HELD);
	f = fdopen(fd, "r");
	ck_assert_ptr_nonnull(fgets(pid, sizeof(pid), f));
	fclose(f);
	unlink(path);
	snprintf(text, sizeof(text), "/proc/%d/cmdline", atoi(pid));
	/* The kernel ends it soon; as an orphan it may stay a zombie. */
	for (int i = 0; i < 500 && still_runs(text); i++)
		usleep(10000);
	ck_assert(!still_runs(text));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("scenario");
	TCase *read = tcase_create("read"), *see = tcase_create("judge");
	TCase *go = tcase_create("run");
	SRunner *sr;
	int failed;

	tcase_add_checked_fixture(read, NULL, teardown);
	tcase_add_test(read, file_with_every_statement_read);
	tcase_add_test(read, expect_of_each_kind_read);
	tcase_add_test(read, variables_replaced_command_line_wins);
	tcase_add_loop_test(read,
			    line_that_is_wrong_refused_with_what_is_allowed, 0,
			    ARRAY_LEN(refused));
	tcase_add_test(read, errors_all_at_once_in_order);
	tcase_add_test(read, line_number_after_joined_lines_is_of_the_file);
	tcase_add_test(read, examples_all_read);
	tcase_add_test(read, text_cut_anywhere_never_breaks);
	suite_add_tcase(s, read);
	tcase_add_checked_fixture(see, NULL, teardown);
	tcase_add_loop_test(see, condition_of_a_picture_judged, 0,
			    ARRAY_LEN(judged));
	tcase_add_test(see, exit_before_and_after_the_command_judged);
	tcase_add_test(see, answer_of_wrong_shape_is_not_true);
	suite_add_tcase(s, see);
	tcase_add_checked_fixture(go, run_setup, teardown);
	tcase_set_timeout(go, 30);
	tcase_add_test(go, run_steps_done_in_order_and_faults_removed);
	tcase_add_test(go, run_reports_are_those_since_it_began);
	tcase_add_loop_test(go, run_with_reports_lost_is_not_held_by_luck, 0,
			    ARRAY_LEN(lossy));
	tcase_add_test(go, run_keep_leaves_faults);
	tcase_add_test(go, run_reset_leaves_nothing_to_remove);
	tcase_add_loop_test(go, run_step_that_fails_ends_it, 0,
			    ARRAY_LEN(failing));
	tcase_add_test(go, run_as_json_is_one_object);
	tcase_add_test(go, run_at_relative_counts_from_the_step_before);
	tcase_add_test(go, run_without_daemon_said_so);
	tcase_add_test(go, run_daemon_that_dies_fails);
	tcase_add_test(go, run_interrupted_cleans_up);
	tcase_add_test(go, run_interrupted_while_it_waits_cleans_up);
	tcase_add_test(go, run_ordinal_with_several_workers_refused);
	tcase_add_test(go, run_command_that_is_left_is_ended);
	suite_add_tcase(s, go);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
