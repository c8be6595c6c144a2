/* SPDX-License-Identifier: MIT */
/*
 * toxiproxy's API: routes, toxics as fault lines, hostile requests.
 * LINKS: api/toxiproxy api/toxic util/address
 */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "api/toxiproxy.h"

/* --- a daemon: remembers the lines, and which faults there are --- */

static json_t *faults; /* names */
static char said[4096];
static int batches, refuse_rc;

static json_t *fake_services(void *arg)
{
	(void)arg;
	return json_pack("[{s:s, s:[s], s:s}, {s:s, s:[s, s], s:s}]", "name",
			 "web", "listen", "203.0.113.10:80", "connect", "",
			 "name", "db", "listen", "203.0.113.10:5432",
			 "[2001:db8::10]:5432", "connect", "203.0.113.20:5433");
}

static int fake_list(json_t **result)
{
	const char *name;
	json_t *v;

	*result = json_array();
	json_object_foreach(faults, name, v)
		json_array_append_new(*result,
				      json_pack("{s:s}", "name", name));
	return 0;
}

static int fake_line(const char *line, FILE *errors)
{
	char name[64] = "";
	bool add = !strncmp(line, "add ", 4);

	sscanf(line + 4, "%63s", name);
	if (strlen(name) > 31 ||
	    (json_object_get(faults, name) != NULL) == add) {
		fprintf(errors, "line 1: fault %s: %s\n", name,
			add ? "there is one of this name" : "none");
		return add ? -EEXIST : -EINVAL;
	}
	if (add)
		json_object_set_new(faults, name, json_true());
	else
		json_object_del(faults, name);
	return 0;
}

static int fake_command(void *arg, const char *cmd, const json_t *request,
			json_t **result, FILE *errors)
{
	const json_t *lines = json_object_get(request, "lines"), *l;
	json_t *before;
	size_t i;
	int err = refuse_rc;

	(void)arg;
	if (!strcmp(cmd, "fault-list"))
		return fake_list(result);
	ck_assert_str_eq(cmd, "fault");
	batches++;
	said[0] = '\0';
	before = json_copy(faults);
	json_array_foreach(lines, i, l) {
		if (!err)
			err = fake_line(json_string_value(l), errors);
		strncat(said, json_string_value(l),
			sizeof(said) - strlen(said) - 2);
		strcat(said, "\n");
	}
	if (err) { /* all or none */
		json_decref(faults);
		faults = before;
		return err;
	}
	json_decref(before);
	return 0;
}

static struct control_ops ops = {.command = fake_command,
				 .services = fake_services};
static struct toxi *t;
static json_t *answer;

static void setup(void)
{
	faults = json_object();
	t = toxi_new(&ops);
	batches = refuse_rc = 0;
	said[0] = '\0';
}

static void teardown(void)
{
	json_decref(answer);
	answer = NULL;
	json_decref(faults);
	toxi_free(t);
}

static int ask(unsigned method, const char *path, const char *body)
{
	int status;

	json_decref(answer);
	answer = NULL;
	ck_assert(toxi_owns(path));
	status = toxi_answer(t, method, path, body, body ? strlen(body) : 0,
			     &answer);
	if (status >= 400) {
		ck_assert_int_eq(
			json_integer_value(json_object_get(answer, "status")),
			status);
		ck_assert(json_is_string(json_object_get(answer, "error")));
	}
	ck_assert((status == 204) == !answer);
	return status;
}

static void assert_json(const char *want)
{
	char *text = json_dumps(answer, JSON_COMPACT | JSON_SORT_KEYS);

	ck_assert_str_eq(text, want);
	free(text);
}

static const char *error_text(void)
{
	return json_string_value(json_object_get(answer, "error"));
}

#define TOXICS "/proxies/web/toxics"
#define WEB(enabled, toxics)                                                \
	"{\"enabled\":" enabled ",\"listen\":\"203.0.113.10:80\",\"name\":" \
	"\"web\",\"toxics\":[" toxics "],\"upstream\":\"203.0.113.10:80\"}"
#define DB                                                                    \
	"{\"enabled\":true,\"listen\":\"203.0.113.10:5432\",\"name\":\"db\"," \
	"\"toxics\":[],\"upstream\":\"203.0.113.20:5433\"}"
#define LATENCY                                                              \
	"{\"attributes\":{\"jitter\":0,\"latency\":1000},\"name\":"          \
	"\"latency_downstream\",\"stream\":\"downstream\",\"toxicity\":1.0," \
	"\"type\":\"latency\"}"

/* --- proxies --- */

START_TEST(services_are_listed_as_proxies)
{
	ck_assert_int_eq(ask(TOXI_GET, "/proxies", NULL), 200);
	assert_json("{\"db\":" DB ",\"web\":" WEB("true", "") "}");
	ck_assert_int_eq(ask(TOXI_GET, "/proxies/db", NULL), 200);
	assert_json(DB);
	ck_assert_int_eq(ask(TOXI_GET, "/proxies/none", NULL), 404);
	ck_assert_str_eq(error_text(), "proxy not found");
	ck_assert_int_eq(ask(TOXI_GET, "/version", NULL), 200);
	ck_assert_str_eq(json_string_value(json_object_get(answer, "version")),
			 TOXI_VERSION);
	ck_assert_int_eq(batches, 0);
}
END_TEST

START_TEST(create_of_service_gives_it_again_and_again)
{
	static const char *const bodies[] = {
		"{\"name\":\"web\",\"listen\":\"localhost:0\",\"upstream\":\"x:"
		"1\"}",
		"{\"name\":\"web\",\"upstream\":\"203.0.113.10:80\"}",
		"{\"name\":\"web\",\"listen\":\"127.0.0.1:9999\","
		"\"upstream\":\"[::1]:1\",\"enabled\":null}",
		"{\"name\":\"web\",\"listen\":\"203.0.113.10:80\","
		"\"upstream\":\"0.0.0.0:3\",\"enabled\":true}",
	};

	for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
		ck_assert_int_eq(ask(TOXI_POST, "/proxies", bodies[i]), 201);
		assert_json(WEB("true", ""));
	}
}
END_TEST

START_TEST(create_that_contradicts_or_is_unknown_says_why)
{
	ck_assert_int_eq(ask(TOXI_POST, "/proxies",
			     "{\"name\":\"redis\",\"upstream\":\"a:1\"}"),
			 400);
	ck_assert_ptr_nonnull(strstr(error_text(), "[service redis]"));
	ck_assert_int_eq(ask(TOXI_POST, "/proxies",
			     "{\"name\":\"web\",\"upstream\":\"a:1\","
			     "\"listen\":\"10.0.0.1:80\"}"),
			 409);
	ck_assert_ptr_nonnull(strstr(error_text(), "203.0.113.10:80"));
	ck_assert_int_eq(ask(TOXI_POST, "/proxies",
			     "{\"name\":\"db\",\"upstream\":"
			     "\"203.0.113.20:5432\"}"),
			 409);
	ck_assert_int_eq(ask(TOXI_POST, "/proxies",
			     "{\"name\":\"db\",\"upstream\":"
			     "\"203.0.113.20:5433\",\"listen\":"
			     "\"[2001:db8:0::10]:5432\"}"),
			 201);
	ck_assert_int_eq(ask(TOXI_POST, "/proxies", "{\"name\":\"web\"}"), 400);
	ck_assert_str_eq(error_text(), "missing required field: upstream");
}
END_TEST

/* 200 would say that it was done. */
START_TEST(update_of_an_address_is_refused_unless_it_is_so)
{
	static const struct {
		const char *path, *body;
		int status;
	} rows[] = {
		{"/proxies/web", "{\"upstream\":\"203.0.113.10:80\"}", 200},
		{"/proxies/web", "{\"listen\":\"203.0.113.10:80\"}", 200},
		{"/proxies/web", "{\"listen\":null,\"upstream\":null}", 200},
		{"/proxies/web", "{\"upstream\":\"localhost:8080\"}", 409},
		{"/proxies/web", "{\"upstream\":\"db.example:80\"}", 409},
		{"/proxies/web", "{\"upstream\":\"127.0.0.1:80\"}", 409},
		{"/proxies/web", "{\"upstream\":\"203.0.113.10:81\"}", 409},
		{"/proxies/web", "{\"listen\":\"localhost:80\"}", 409},
		{"/proxies/web", "{\"listen\":\"0.0.0.0:80\"}", 409},
		{"/proxies/web", "{\"listen\":\"203.0.113.10:0\"}", 409},
		{"/proxies/web", "{\"listen\":\":80\",\"enabled\":false}", 409},
		{"/proxies/db", "{\"listen\":\"[2001:db8:0::10]:5432\"}", 200},
		{"/proxies/db", "{\"upstream\":\"203.0.113.20:5433\"}", 200},
		{"/proxies/db", "{\"upstream\":\"203.0.113.10:5432\"}", 409},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const unsigned method = i % 2 ? TOXI_POST : TOXI_PATCH;
		int status = ask(method, rows[i].path, rows[i].body);

		ck_assert_msg(status == rows[i].status, "%s: %d", rows[i].body,
			      status);
		if (status == 409)
			ck_assert_ptr_nonnull(
				strstr(error_text(), "change it there"));
	}
	ck_assert_int_eq(batches, 0);
}
END_TEST

START_TEST(disabled_proxy_refuses_and_closes_until_enabled)
{
	ck_assert_int_eq(ask(TOXI_POST, "/proxies/web", "{\"enabled\":false}"),
			 200);
	assert_json(WEB("false", ""));
	ck_assert_str_eq(
		said, "add web..down service=web stream=downstream toxicity=1 "
		      "scope=all side=client type=refuse with=rst\n"
		      "add web..cut service=web stream=downstream toxicity=1 "
		      "scope=all side=client type=timeout close=fin "
		      "timeout=1ms from=begin\n");
	ck_assert_int_eq(ask(TOXI_PATCH, "/proxies/web", "{\"enabled\":false}"),
			 200);
	ck_assert_int_eq(batches, 1);
	ck_assert_int_eq(ask(TOXI_GET, TOXICS "/.down", NULL), 404);
	ck_assert_int_eq(ask(TOXI_PATCH, "/proxies/web",
			     "{\"enabled\":true,\"listen\":\"\"}"),
			 200);
	assert_json(WEB("true", ""));
	ck_assert_str_eq(said, "del web..down\ndel web..cut\n");
}
END_TEST

START_TEST(populate_takes_all_or_none)
{
	ck_assert_int_eq(ask(TOXI_POST, "/populate",
			     "[{\"name\":\"web\",\"upstream\":\"a:1\"},"
			     "{\"name\":\"db\",\"upstream\":\"b:1\"}]"),
			 201);
	assert_json("{\"proxies\":[" WEB("true", "") "," DB "]}");
	ck_assert_int_eq(ask(TOXI_POST, "/populate",
			     "[{\"name\":\"web\",\"upstream\":\"a:1\","
			     "\"enabled\":false},{\"name\":\"x\","
			     "\"upstream\":\"b:1\"}]"),
			 400);
	ck_assert_int_eq(batches, 0);
	ck_assert_int_eq(ask(TOXI_POST, "/populate", "[]"), 201);
	assert_json("{\"proxies\":[]}");
	ck_assert_int_eq(ask(TOXI_POST, "/populate", "{}"), 400);
}
END_TEST

/* --- toxics --- */

/* The line of each type, without what is common to all. */
START_TEST(toxic_types_become_fault_lines)
{
	static const struct {
		const char *type, *attributes, *line;
	} rows[] = {
		{"latency", "{\"latency\":1000,\"jitter\":50}",
		 "type=latency latency=1000ms jitter=50ms"},
		{"latency", "{\"latency\":7}",
		 "type=latency latency=7ms jitter=0ms"},
		{"bandwidth", "{\"rate\":50}", "type=bandwidth rate=50KB"},
		{"bandwidth", "{}", "type=timeout timeout=0"},
		{"slow_close", "{\"delay\":9}", "type=slow_close delay=9ms"},
		{"timeout", "{\"timeout\":5}",
		 "type=timeout close=fin from=idle timeout=5ms"},
		{"timeout", "{}",
		 "type=timeout close=fin from=idle timeout=0ms"},
		{"slicer",
		 "{\"average_size\":64,\"size_variation\":3,\"delay\":10}",
		 "type=slicer average_size=64 size_variation=3 delay=10us"},
		{"limit_data", "{\"bytes\":1000}",
		 "type=end action=close after=byte:1000"},
		{"reset_peer", "{\"timeout\":20}",
		 "type=timeout close=rst from=data timeout=20ms"},
		{"reset_peer", "{}",
		 "type=timeout close=rst from=data timeout=1us"},
		{"reset_peer", "{\"after\":\"byte:5\"}",
		 "type=end action=reset after=byte:5"},
		{"timeout", "{\"timeout\":5,\"close\":\"rst\"}",
		 "type=timeout from=idle timeout=5ms close=rst"},
		{"limit_data", "{\"bytes\":5,\"sides\":\"one\"}",
		 "type=end action=fin after=byte:5"},
		{"syn_drop", "{\"side\":\"client\",\"scope\":\"new\"}",
		 "type=syn_drop side=client scope=new"},
		{"loss", "{\"percent\":2.5,\"on\":\"data\"}",
		 "type=loss percent=2.5 on=data"},
		{"zero_window", "{\"reopen\":\"never\",\"conn\":\"2,5\"}",
		 "type=zero_window reopen=never conn=2,5"},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char body[400], want[400];

		snprintf(body, sizeof(body),
			 "{\"name\":\"x\",\"type\":\"%s\",\"stream\":"
			 "\"upstream\",\"toxicity\":0.5,\"attributes\":%s}",
			 rows[i].type, rows[i].attributes);
		snprintf(want, sizeof(want),
			 "add web.x service=web stream=upstream "
			 "toxicity=0.5 %s%s%s\n",
			 strstr(rows[i].line, "scope=") ? "" : "scope=all ",
			 strstr(rows[i].line, "side=") ? "" : "side=server ",
			 rows[i].line);
		ck_assert_int_eq(ask(TOXI_POST, TOXICS, body), 200);
		ck_assert_str_eq(said, want);
		ck_assert_int_eq(ask(TOXI_DELETE, TOXICS "/x", NULL), 204);
		ck_assert_str_eq(said, "del web.x\n");
	}
}
END_TEST

START_TEST(toxic_without_name_is_called_by_type_and_stream)
{
	ck_assert_int_eq(ask(TOXI_POST, TOXICS,
			     "{\"type\":\"latency\",\"name\":\"\","
			     "\"attributes\":{\"latency\":1000}}"),
			 200);
	assert_json(LATENCY);
	ck_assert_int_eq(ask(TOXI_GET, TOXICS "/latency_downstream", NULL),
			 200);
	assert_json(LATENCY);
	ck_assert_int_eq(ask(TOXI_POST, TOXICS, "{\"type\":\"latency\"}"), 409);
	ck_assert_str_eq(error_text(), "toxic already exists");
	ck_assert_int_eq(ask(TOXI_GET, TOXICS, NULL), 200);
	assert_json("[" LATENCY "]");
	ck_assert_int_eq(ask(TOXI_GET, "/proxies/web", NULL), 200);
	assert_json(WEB("true", LATENCY));
	ck_assert_int_eq(ask(TOXI_GET, "/proxies/db/toxics", NULL), 200);
	assert_json("[]");
}
END_TEST

START_TEST(toxics_are_listed_upstream_first)
{
	ask(TOXI_POST, TOXICS, "{\"type\":\"latency\",\"name\":\"a\"}");
	ask(TOXI_POST, TOXICS,
	    "{\"type\":\"noop\",\"name\":\"b\",\"stream\":\"upstream\"}");
	ck_assert_int_eq(ask(TOXI_GET, TOXICS, NULL), 200);
	ck_assert_str_eq(json_string_value(json_object_get(
				 json_array_get(answer, 0), "name")),
			 "b");
	ck_assert_uint_eq(json_array_size(answer), 2);
	ck_assert_uint_eq(json_object_size(faults), 1);
}
END_TEST

/* No fault stands for a noop, so nothing else bounds them. */
START_TEST(noops_have_a_bound)
{
	char body[64];
	int n = 0, status;

	do {
		snprintf(body, sizeof(body),
			 "{\"type\":\"noop\",\"name\":\"n%d\"}", n);
		status = ask(TOXI_POST, TOXICS, body);
	} while (status == 200 && ++n < 1000);
	ck_assert_int_eq(status, 400);
	ck_assert_int_eq(n, 64);
	ck_assert_str_eq(error_text(), "at most 64 toxics of type noop");
	ck_assert_int_eq(ask(TOXI_POST, TOXICS, "{\"type\":\"latency\"}"), 200);
	ck_assert_int_eq(ask(TOXI_DELETE, TOXICS "/n7", NULL), 204);
	ck_assert_int_eq(ask(TOXI_POST, TOXICS, body), 200);
}
END_TEST

START_TEST(toxic_update_merges_in_one_batch)
{
	ask(TOXI_POST, TOXICS,
	    "{\"type\":\"latency\",\"name\":\"l\",\"attributes\":"
	    "{\"latency\":5,\"jitter\":2}}");
	batches = 0;
	ck_assert_int_eq(ask(TOXI_POST, TOXICS "/l",
			     "{\"attributes\":{\"latency\":9},\"type\":"
			     "\"ignored\",\"toxicity\":0.25}"),
			 200);
	ck_assert_int_eq(batches, 1);
	ck_assert_str_eq(said,
			 "del web.l\nadd web.l service=web stream=downstream "
			 "toxicity=0.25 scope=all side=client type=latency "
			 "latency=9ms jitter=2ms\n");
	refuse_rc = -EINVAL;
	ck_assert_int_eq(ask(TOXI_PATCH, TOXICS "/l",
			     "{\"attributes\":{\"latency\":10}}"),
			 400);
	refuse_rc = 0;
	ck_assert_int_eq(ask(TOXI_GET, TOXICS "/l", NULL), 200);
	ck_assert_int_eq(
		json_integer_value(json_object_get(
			json_object_get(answer, "attributes"), "latency")),
		9);
	ck_assert_int_eq(ask(TOXI_PATCH, TOXICS "/m", "{}"), 404);
	ck_assert_str_eq(error_text(), "toxic not found");
}
END_TEST

/* Names that a fault cannot bear are hashed; the client sees its own. */
START_TEST(toxic_name_of_any_kind_works)
{
	static const char *const names[] = {
		"a b", "\\u00e9", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "x=y",
		"x\\ndel y"};
	static const char *const paths[] = {
		"a%20b", "%c3%a9", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
		"x=y", "x%0Adel%20y"};

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		char text[200];

		snprintf(text, sizeof(text),
			 "{\"type\":\"latency\",\"name\":\"%s\"}", names[i]);
		ck_assert_int_eq(ask(TOXI_POST, TOXICS, text), 200);
		ck_assert_msg(!strncmp(said, "add toxic-", 10), "%s", said);
		snprintf(text, sizeof(text), TOXICS "/%s", paths[i]);
		ck_assert_int_eq(ask(TOXI_GET, text, NULL), 200);
	}
	ck_assert_uint_eq(json_object_size(faults), ARRAY_LEN(names));
}
END_TEST

START_TEST(toxic_whose_fault_went_is_forgotten)
{
	ask(TOXI_POST, TOXICS, "{\"type\":\"latency\",\"name\":\"a\"}");
	ask(TOXI_POST, TOXICS, "{\"type\":\"loss\",\"name\":\"b\"}");
	ask(TOXI_POST, "/proxies/web", "{\"enabled\":false}");
	json_object_clear(faults);
	ck_assert_int_eq(ask(TOXI_GET, "/proxies/web", NULL), 200);
	assert_json(WEB("true", ""));
}
END_TEST

START_TEST(reset_removes_all_toxics_and_enables)
{
	ask(TOXI_POST, TOXICS, "{\"type\":\"latency\"}");
	ask(TOXI_POST, "/proxies/db/toxics", "{\"type\":\"loss\"}");
	ask(TOXI_POST, "/proxies/db", "{\"enabled\":false}");
	json_object_set_new(faults, "foreign", json_true());
	batches = 0;
	ck_assert_int_eq(ask(TOXI_POST, "/reset", NULL), 204);
	ck_assert_int_eq(batches, 1);
	ck_assert_uint_eq(json_object_size(faults), 1);
	ck_assert_int_eq(ask(TOXI_GET, "/proxies", NULL), 200);
	assert_json("{\"db\":" DB ",\"web\":" WEB("true", "") "}");
}
END_TEST

START_TEST(delete_of_proxy_leaves_the_bare_service)
{
	ask(TOXI_POST, TOXICS, "{\"type\":\"latency\"}");
	ask(TOXI_POST, "/proxies/db/toxics", "{\"type\":\"loss\"}");
	ask(TOXI_POST, "/proxies/web", "{\"enabled\":false}");
	ck_assert_int_eq(ask(TOXI_DELETE, "/proxies/web", NULL), 204);
	ck_assert_int_eq(ask(TOXI_GET, "/proxies/web", NULL), 200);
	assert_json(WEB("true", ""));
	ck_assert_uint_eq(json_object_size(faults), 1);
	ck_assert_int_eq(ask(TOXI_DELETE, "/proxies/none", NULL), 404);
}
END_TEST

/* --- hostile --- */

START_TEST(bodies_that_are_wrong_change_nothing)
{
	static const char *const bodies[] = {
		"",
		"{",
		"null",
		"[]",
		"3",
		"\"x\"",
		"{} x",
		"{\"type\":1}",
		"{\"type\":\"\"}",
		"{\"type\":\"nonsense\"}",
		"{\"type\":\"none\"}",
		"{\"type\":\"latency\",\"name\":7}",
		"{\"type\":\"latency\",\"name\":\"a/b\"}",
		"{\"type\":\"latency\",\"stream\":\"sideways\"}",
		"{\"type\":\"latency\",\"toxicity\":\"1\"}",
		"{\"type\":\"latency\",\"toxicity\":1.5}",
		"{\"type\":\"latency\",\"toxicity\":-1}",
		"{\"type\":\"latency\",\"toxicity\":1e999}",
		"{\"type\":\"latency\",\"attributes\":[]}",
		"{\"type\":\"latency\",\"attributes\":{\"latency\":\"5\"}}",
		"{\"type\":\"latency\",\"attributes\":{\"latency\":1.5}}",
		"{\"type\":\"slicer\",\"x\":99999999999999999999}",
		"{\"type\":\"loss\",\"attributes\":{\"percent\":{}}}",
		"{\"type\":\"loss\",\"attributes\":{\"percent\":\"1 on=x\"}}",
		"{\"type\":\"loss\",\"attributes\":{\"percent\":\"1\\ndel\"}}",
		"{\"type\":\"loss\",\"attributes\":{\"a b\":1}}",
		"{\"type\":\"loss\",\"attributes\":{\"A\":1}}",
		"{\"type\":\"loss\",\"attributes\":{\"service\":\"db\"}}",
		"{\"type\":\"loss\",\"attributes\":{\"\":1}}",
		"\xff",
	};

	for (size_t i = 0; i < ARRAY_LEN(bodies); i++)
		ck_assert_msg(ask(TOXI_POST, TOXICS, bodies[i]) == 400, "%s",
			      bodies[i]);
	ck_assert_int_eq(batches, 0);
	ck_assert_int_eq(ask(TOXI_POST, "/proxies", "[1]"), 400);
	ck_assert_int_eq(ask(TOXI_POST, "/populate", "[1]"), 400);
	ck_assert_int_eq(ask(TOXI_POST, "/proxies/web", "{\"enabled\":1}"),
			 400);
	ck_assert_int_eq(ask(TOXI_POST, "/proxies/web", "{\"listen\":1}"), 400);
}
END_TEST

START_TEST(bodies_deep_and_long_are_refused)
{
	size_t n = 65536;
	char *body = malloc(n + 1), *tail;

	memset(body, '[', n);
	body[n] = '\0';
	ck_assert_int_eq(ask(TOXI_POST, TOXICS, body), 400);
	strcpy(body, "{\"type\":\"loss\",\"attributes\":{\"on\":\"");
	tail = body + strlen(body);
	memset(tail, 'x', 5000);
	strcpy(tail + 5000, "\"}}");
	ck_assert_int_eq(ask(TOXI_POST, TOXICS, body), 400);
	strcpy(body, "{\"type\":\"loss\",\"name\":\"");
	tail = body + strlen(body);
	memset(tail, 'x', 5000);
	strcpy(tail + 5000, "\"}");
	ck_assert_int_eq(ask(TOXI_POST, TOXICS, body), 400);
	ck_assert_int_eq(batches, 0);
	free(body);
}
END_TEST

START_TEST(paths_that_are_wrong_are_404_or_405)
{
	static const struct {
		unsigned method;
		const char *path;
		int status;
	} rows[] = {
		{TOXI_GET, "/proxies/", 200},
		{TOXI_GET, "/proxies/web/x", 404},
		{TOXI_GET, "/proxies/web/x/y", 404},
		{TOXI_GET, "/proxies/web/toxics/a/b", 404},
		{TOXI_GET, "/proxies/web%00x", 404},
		{TOXI_GET, "/proxies/%77eb", 200},
		{TOXI_GET, "/proxies//toxics", 404},
		{TOXI_GET, "/reset", 405},
		{TOXI_GET, "/populate", 405},
		{TOXI_DELETE, "/proxies", 405},
		{TOXI_PATCH, TOXICS, 405},
		{TOXI_POST, "/version", 405},
		{TOXI_GET, "/version/x", 404},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		ck_assert_msg(ask(rows[i].method, rows[i].path, NULL) ==
				      rows[i].status,
			      "%s", rows[i].path);
	ck_assert(!toxi_owns("/"));
	ck_assert(!toxi_owns("/proxiesx"));
	ck_assert(!toxi_owns("/api/proxies"));
	ck_assert(!toxi_owns("proxies"));
}
END_TEST

START_TEST(daemon_that_refuses_is_quoted)
{
	static const struct {
		int rc, status;
	} rows[] = {{-EEXIST, 409},
		    {-EINVAL, 400},
		    {-ENOSYS, 501},
		    {-ENOMEM, 500},
		    {-ENOSPC, 400}};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		refuse_rc = rows[i].rc;
		ck_assert_int_eq(ask(TOXI_POST, TOXICS, "{\"type\":\"loss\"}"),
				 rows[i].status);
		ck_assert_int_eq(ask(TOXI_POST, "/proxies/web",
				     "{\"enabled\":false}"),
				 rows[i].status);
	}
	refuse_rc = 0;
	json_object_set_new(faults, "web.a", json_true());
	ck_assert_int_eq(ask(TOXI_POST, TOXICS,
			     "{\"type\":\"loss\",\"name\":\"a\"}"),
			 409);
	ck_assert_ptr_nonnull(strstr(error_text(), "there is one"));
	ck_assert_int_eq(ask(TOXI_GET, "/proxies/web", NULL), 200);
	assert_json(WEB("true", ""));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("toxiproxy");
	TCase *c = tcase_create("api");
	SRunner *r = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(c, setup, teardown);
	tcase_add_test(c, services_are_listed_as_proxies);
	tcase_add_test(c, create_of_service_gives_it_again_and_again);
	tcase_add_test(c, create_that_contradicts_or_is_unknown_says_why);
	tcase_add_test(c, update_of_an_address_is_refused_unless_it_is_so);
	tcase_add_test(c, disabled_proxy_refuses_and_closes_until_enabled);
	tcase_add_test(c, populate_takes_all_or_none);
	tcase_add_test(c, toxic_types_become_fault_lines);
	tcase_add_test(c, toxic_without_name_is_called_by_type_and_stream);
	tcase_add_test(c, toxics_are_listed_upstream_first);
	tcase_add_test(c, noops_have_a_bound);
	tcase_add_test(c, toxic_update_merges_in_one_batch);
	tcase_add_test(c, toxic_name_of_any_kind_works);
	tcase_add_test(c, toxic_whose_fault_went_is_forgotten);
	tcase_add_test(c, reset_removes_all_toxics_and_enables);
	tcase_add_test(c, delete_of_proxy_leaves_the_bare_service);
	tcase_add_test(c, bodies_that_are_wrong_change_nothing);
	tcase_add_test(c, bodies_deep_and_long_are_refused);
	tcase_add_test(c, paths_that_are_wrong_are_404_or_405);
	tcase_add_test(c, daemon_that_refuses_is_quoted);
	suite_add_tcase(s, c);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
