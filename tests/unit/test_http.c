/* SPDX-License-Identifier: MIT */
/*
 * The HTTP server: its token, who may ask what, the files of the page, and its
 * events.
 * test_control.c has what its addresses answer.
 * LINKS: api/http api/reply api/access api/page api/events api/assets
 * LINKS: api/answer api/metrics api/toxiproxy api/toxic
 * LINKS: api/listener util/log util/address config/secret
 */
#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../src/api/http.h"
#include "config/secret.h"
#include "unit/fake_daemon.h"

#define TOKEN "0123456789abcdef"
#define KNOWN "Authorization: Bearer " TOKEN "\r\n"
#define ROOM (1 << 20)
#define TURN_MS 2

static struct event_base *base;
static struct control_http *h;
static uint16_t port;
static char buf[ROOM];
static bool writes;
static int stall_us, snapshots, changes;

/* --- a daemon --- */

static json_t *fake_flows(void *arg, uint32_t max)
{
	(void)arg;
	(void)max;
	return json_array();
}

static int fake_command(void *arg, const char *cmd, const json_t *request,
			json_t **result, FILE *errors)
{
	(void)arg;
	if (!strcmp(cmd, "snapshot")) {
		*result = json_pack("{s:i, s:i}", "n", ++snapshots, "stall_us",
				    stall_us);
		return 0;
	}
	if (!strcmp(cmd, "fault-list")) {
		*result = json_array();
		return 0;
	}
	if (strcmp(cmd, "fault"))
		return -ENOSYS;
	if (!json_is_array(json_object_get(request, "lines"))) {
		fputs("lines: none", errors);
		return -EINVAL;
	}
	changes++;
	*result = json_object();
	return 0;
}

static const struct control_ops ops = {
	.status = fake_running,
	.metric = fake_no_metric,
	.flows = fake_flows,
	.reload = fake_reloaded,
	.stop = fake_stop_nothing,
	.command = fake_command,
};

static void start(void)
{
	char listen[32];
	int err;

	for (uint16_t p = 20000; !h && p < 20200; p++) {
		const struct control_http_cfg cfg = {listen, "gw.example",
						     TOKEN, writes};

		port = (uint16_t)(p + getpid() % 20000);
		snprintf(listen, sizeof(listen), "127.0.0.1:%u", port);
		h = control_http_new(base, &cfg, &ops, &err);
	}
	ck_assert_ptr_nonnull(h);
}

START_TEST(address_taken_or_wrong_is_an_error)
{
	static const char *const bad[] = {"127.0.0.1", "203.0.113.77:9", ""};
	struct control_http_cfg cfg = {"", "", TOKEN, true};
	char again[32];
	int err;

	start();
	snprintf(again, sizeof(again), "127.0.0.1:%u", port);
	cfg.listen = again;
	ck_assert_ptr_null(control_http_new(base, &cfg, &ops, &err));
	ck_assert_int_lt(err, 0);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		cfg.listen = bad[i];
		ck_assert_ptr_null(control_http_new(base, &cfg, &ops, &err));
		ck_assert_int_lt(err, 0);
	}
}
END_TEST

static void setup(void)
{
	base = event_base_new();
	h = NULL;
	writes = false;
	stall_us = snapshots = changes = 0;
}

static void teardown(void)
{
	control_http_free(h);
	event_base_free(base);
}

/* --- a client --- */

static int ask(const char *request)
{
	struct sockaddr_in sin = {.sin_family = AF_INET,
				  .sin_port = htons(port),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	ck_assert_int_eq(connect(fd, (struct sockaddr *)&sin, sizeof(sin)), 0);
	ck_assert_int_eq(send(fd, request, strlen(request), MSG_NOSIGNAL),
			 (int)strlen(request));
	return fd;
}

static void turn(int ms)
{
	for (; ms > 0; ms -= TURN_MS) {
		event_base_loop(base, EVLOOP_NONBLOCK);
		poll(NULL, 0, TURN_MS);
	}
}

/* Into buf. */
static void receive(int fd, const char *until, bool *closed)
{
	fake_receive(base, fd, buf, ROOM, until, closed);
}

/* The whole answer, in buf; its status. */
static int status_of(const char *request)
{
	int fd = ask(request);
	bool closed;

	receive(fd, NULL, &closed);
	close(fd);
	ck_assert_msg(closed, "%s is not answered: %s", request, buf);
	return atoi(buf + 9);
}

#define REQUEST(method, path, headers) \
	method " " path " HTTP/1.0\r\nHost: localhost\r\n" headers "\r\n"
#define CHANGE(headers, len, body)                                            \
	REQUEST("POST", "/api/faults", headers "Content-Length: " len "\r\n") \
	body
#define NO_LINES "{\"lines\":[]}"

/* --- what connections leave behind --- */

/* Its descriptor is closed, and the next one has the same number. */
START_TEST(closed_connection_takes_nothing_of_the_next)
{
	static const uint8_t sent[18000];
	struct bufferevent *next;
	int fd, pair[2];
	bool closed;

	start();
	fd = ask("GET /healthz HTTP/1.0\r\n\r\n");
	receive(fd, NULL, &closed);
	ck_assert(closed);
	ck_assert_int_eq(
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
	next = bufferevent_socket_new(base, pair[0], 0);
	bufferevent_enable(next, EV_READ | EV_WRITE);
	bufferevent_write(next, "x", 1);
	ck_assert_int_eq(send(pair[1], sent, sizeof(sent), 0), sizeof(sent));
	turn(100);
	ck_assert_uint_eq(evbuffer_get_length(bufferevent_get_input(next)),
			  sizeof(sent));
	bufferevent_free(next);
	close(pair[0]);
	close(pair[1]);
	close(fd);
}
END_TEST

/* Who does not read the answer may send no more than sockets hold. */
START_TEST(client_that_only_sends_has_a_bound)
{
	static const char big[] = "GET /page/uPlot.iife.min.js HTTP/1.1\r\n"
				  "Host: localhost\r\n\r\n";
	static const uint8_t junk[65536];
	const int small = 2304, mss = 536;
	struct sockaddr_in sin;
	size_t sent = 0;
	int fd;

	start();
	sin = (struct sockaddr_in){.sin_family = AF_INET,
				   .sin_port = htons(port),
				   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	fd = socket(AF_INET, SOCK_STREAM, 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	setsockopt(fd, IPPROTO_TCP, TCP_MAXSEG, &mss, sizeof(mss));
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&sin, sizeof(sin)), 0);
	ck_assert_int_gt(send(fd, big, sizeof(big) - 1, MSG_NOSIGNAL), 0);
	turn(100);
	for (int i = 0; i < 3000; i++) {
		ssize_t n = send(fd, junk, sizeof(junk),
				 MSG_DONTWAIT | MSG_NOSIGNAL);

		sent += n > 0 ? (size_t)n : 0;
		event_base_loop(base, EVLOOP_NONBLOCK);
	}
	ck_assert_uint_gt(sent, 0);
	ck_assert_uint_lt(sent, 64 << 20);
	close(fd);
}
END_TEST

/* --- who may ask --- */

START_TEST(without_token_only_metrics_health_and_files)
{
	static const char *const open[] = {"/", "/metrics", "/healthz",
					   "/page/page.css", "/page/LICENSE"};
	static const char *const shut[] = {"/api/status",      "/api/counters",
					   "/api/flows",       "/api/snapshot",
					   "/api/events",      "/api/faults",
					   "/api/fault-types", "/proxies",
					   "/version"};
	static const char *const wrong[] = {
		"",
		"Authorization: Bearer\r\n",
		"Authorization: Bearer \r\n",
		"Authorization: Bearer 0123456789abcde\r\n",
		"Authorization: Bearer 0123456789abcdeF\r\n",
		"Authorization: Bearer 0123456789abcdef0\r\n",
		"Authorization: Basic " TOKEN "\r\n",
		"Authorization: " TOKEN "\r\n",
		"Cookie: " TOKEN "\r\n",
	};
	char request[512];

	start();
	for (size_t i = 0; i < ARRAY_LEN(open); i++) {
		snprintf(request, sizeof(request), "GET %s HTTP/1.0\r\n\r\n",
			 open[i]);
		ck_assert_msg(status_of(request) == 200, "%s: %s", open[i],
			      buf);
	}
	for (size_t i = 0; i < ARRAY_LEN(shut); i++) {
		for (size_t k = 0; k < ARRAY_LEN(wrong); k++) {
			snprintf(request, sizeof(request),
				 "GET %s HTTP/1.0\r\n%s\r\n", shut[i],
				 wrong[k]);
			ck_assert_msg(status_of(request) == 401, "%s, %s: %s",
				      shut[i], wrong[k], buf);
			ck_assert_ptr_nonnull(
				strstr(buf, "WWW-Authenticate: Bearer"));
		}
	}
	ck_assert_int_eq(snapshots, 0);
}
END_TEST

/* The token, and nothing else, lets a browser make changes. */
START_TEST(with_token_pages_may_make_changes)
{
	static const char browser[] =
		"Origin: http://localhost\r\nSec-Fetch-Site: same-origin\r\n"
		"User-Agent: Mozilla/5.0\r\n";
	char request[512];

	start();
	ck_assert_int_eq(status_of(CHANGE("", "12", NO_LINES)), 401);
	ck_assert_int_eq(status_of(CHANGE(KNOWN, "12", NO_LINES)), 200);
	snprintf(request, sizeof(request),
		 "POST /api/faults HTTP/1.0\r\n%s" KNOWN
		 "Content-Length: 12\r\n\r\n{\"lines\":[]}",
		 browser);
	ck_assert_int_eq(status_of(request), 200);
	ck_assert_int_eq(changes, 2);
	ck_assert_int_eq(status_of(CHANGE(KNOWN "Content-Type: text/plain\r\n",
					  "12", NO_LINES)),
			 415);
	ck_assert_int_eq(changes, 2);
	/* toxiproxy's API as well, without http_write */
	snprintf(request, sizeof(request), "POST /reset HTTP/1.0\r\n%s\r\n",
		 browser);
	ck_assert_int_eq(status_of(request), 403);
	snprintf(request, sizeof(request),
		 "POST /reset HTTP/1.0\r\n%s" KNOWN "\r\n", browser);
	ck_assert_int_eq(status_of(request), 204);
}
END_TEST

START_TEST(http_write_opens_toxiproxys_api_alone)
{
	writes = true;
	start();
	ck_assert_int_eq(status_of(REQUEST("GET", "/proxies", "")), 200);
	ck_assert_int_eq(status_of(REQUEST("GET", "/version", "")), 200);
	ck_assert_int_eq(status_of(REQUEST("GET", "/api/status", "")), 401);
	ck_assert_int_eq(status_of(REQUEST("GET", "/api/faults", "")), 401);
	ck_assert_int_eq(status_of(REQUEST("POST", "/api/faults", "")), 401);
}
END_TEST

START_TEST(host_of_others_is_refused_even_with_token)
{
	start();
	ck_assert_int_eq(status_of("GET /api/status HTTP/1.0\r\n" KNOWN
				   "Host: evil.example\r\n\r\n"),
			 403);
	ck_assert_int_eq(status_of("GET / HTTP/1.0\r\n"
				   "Host: evil.example\r\n\r\n"),
			 403);
	ck_assert_int_eq(status_of("GET /api/status HTTP/1.0\r\n" KNOWN
				   "Host: gw.example:9464\r\n\r\n"),
			 200);
}
END_TEST

/* A client sends what it has read in the file. */
START_TEST(token_is_what_the_file_has)
{
	static const char digits[] = "0123456789abcdef0123456789ABCDEF"
				     "FEDCBA9876543210fedcba9876543210";
	char path[] = "/tmp/test_http.XXXXXX", token[TOKEN_LEN + 1] = "";
	FILE *f = fdopen(mkstemp(path), "w");

	ck_assert_ptr_nonnull(f);
	fprintf(f, "%s\n", digits);
	fclose(f);
	ck_assert_int_eq(token_load(path, token, stderr), SECRET_READ);
	ck_assert_str_eq(token, digits);
	unlink(path);
}
END_TEST

/* The file is one like that of the secret (test_secret.c). */
START_TEST(token_file_is_made_kept_and_not_for_others)
{
	char path[] = "/tmp/test_http.XXXXXX", a[TOKEN_LEN + 1] = "",
	     b[TOKEN_LEN + 1] = "";
	FILE *said = fmemopen(buf, ROOM, "w");
	struct stat st;

	close(mkstemp(path));
	unlink(path);
	ck_assert_int_eq(token_load(path, a, said), SECRET_MADE);
	ck_assert_uint_eq(strspn(a, "0123456789abcdef"), TOKEN_LEN);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0600);
	ck_assert_int_eq(token_load(path, b, said), SECRET_READ);
	ck_assert_str_eq(a, b);
	chmod(path, 0640);
	ck_assert_int_eq(token_load(path, b, said), -EPERM);
	fclose(said);
	ck_assert_msg(!strncmp(buf, "http_token_file /tmp/", 21), "%s", buf);
	ck_assert_int_eq(token_load("", b, stderr), SECRET_EPHEMERAL);
	ck_assert_str_ne(a, b);
	unlink(path);
}
END_TEST

/* --- answers --- */

START_TEST(methods_that_do_not_fit_are_told_which_do)
{
	static const struct {
		const char *request;
		int status;
		const char *says;
	} rows[] = {
		{REQUEST("POST", "/", ""), 405, "Allow: GET, HEAD\r\n"},
		{REQUEST("DELETE", "/metrics", ""), 405, "Allow: GET, HEAD\r"},
		{REQUEST("PATCH", "/api/flows", KNOWN), 405, "Allow: GET, HE"},
		{REQUEST("DELETE", "/api/faults", KNOWN), 405,
		 "Allow: GET, HEAD, POST\r\n"},
		{REQUEST("HEAD", "/api/events", KNOWN), 405, ""},
		{REQUEST("POST", "/api/faults", KNOWN), 400, ""},
	};

	start();
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		ck_assert_msg(status_of(rows[i].request) == rows[i].status,
			      "%s: %s", rows[i].request, buf);
		ck_assert_msg(strstr(buf, rows[i].says), "%s", buf);
	}
	ck_assert_int_eq(status_of(CHANGE(KNOWN, "2", "[]")), 400);
	ck_assert_int_eq(status_of(CHANGE(KNOWN, "2", "{}")), 400);
	ck_assert_int_eq(changes, 0);
}
END_TEST

START_TEST(files_have_their_policy_and_are_not_sent_twice)
{
	static const char *const headers[] = {
		"Content-Security-Policy: default-src 'none'; script",
		"script-src 'self'; style-src 'self'; connect-src 'self'; ",
		"frame-ancestors 'none'",
		"X-Content-Type-Options: nosniff\r\n",
		"Cache-Control: no-cache\r\n",
		"Content-Type: text/javascript",
	};
	char request[256], tag[64];
	const char *at;

	start();
	ck_assert_int_eq(status_of(REQUEST("GET", "/page/main.js", "")), 200);
	for (size_t i = 0; i < ARRAY_LEN(headers); i++)
		ck_assert_msg(strstr(buf, headers[i]), "%s", buf);
	at = strstr(buf, "ETag: ");
	ck_assert_ptr_nonnull(at);
	snprintf(tag, sizeof(tag), "%.*s", (int)strcspn(at + 6, "\r"), at + 6);
	snprintf(request, sizeof(request),
		 "GET /page/main.js HTTP/1.0\r\nIf-None-Match: %s\r\n\r\n",
		 tag);
	ck_assert_int_eq(status_of(request), 304);
	ck_assert_str_eq(strstr(buf, "\r\n\r\n"), "\r\n\r\n");
	ck_assert_int_eq(status_of("GET /page/main.js HTTP/1.0\r\n"
				   "If-None-Match: \"other\"\r\n\r\n"),
			 200);
	ck_assert_int_eq(status_of(REQUEST("HEAD", "/page/main.js", "")), 200);
	ck_assert_str_eq(strstr(buf, "\r\n\r\n"), "\r\n\r\n");
	ck_assert_ptr_null(strstr(buf, "Content-Length: 0\r"));
}
END_TEST

/* No file asks for anything from elsewhere. */
START_TEST(files_name_nothing_elsewhere)
{
	for (const struct asset *a = assets; a->path; a++) {
		const char *text = (const char *)a->data;
		const char *at = memmem(text, a->len, "://", 3);

		for (; at; at = memmem(at + 3, (size_t)(text + a->len - at - 3),
				       "://", 3))
			ck_assert_msg(!strncmp(at - 5, "https://github.com/lee",
					       22) ||
					      !strncmp(at, "://www.w3.org/",
						       14),
				      "%s: %.40s", a->path, at);
		ck_assert_ptr_null(memmem(text, a->len, "innerHTML", 9));
		ck_assert_ptr_null(memmem(text, a->len, "<style", 6));
	}
}
END_TEST

/* --- events --- */

#define LISTEN "GET /api/events HTTP/1.1\r\nHost: localhost\r\n" KNOWN "\r\n"

START_TEST(events_follow_each_other_while_somebody_listens)
{
	bool closed;
	int fd, n;

	start();
	turn(300);
	ck_assert_int_eq(snapshots, 0);
	fd = ask(LISTEN);
	receive(fd, "data: {\"n\":2,\"stall_us\":0}\n\n", &closed);
	ck_assert(!closed);
	ck_assert_ptr_nonnull(strstr(buf, "text/event-stream"));
	ck_assert_ptr_nonnull(strstr(buf, "data: {\"n\":1,"));
	close(fd);
	turn(1200);
	n = snapshots;
	turn(1500);
	ck_assert_int_eq(snapshots, n);
}
END_TEST

/* A snapshot that is dear is made seldom; a comment comes instead. */
START_TEST(events_dear_are_rare_and_comments_tell_of_life)
{
	bool closed;
	int fd;

	stall_us = 1000000;
	start();
	fd = ask(LISTEN);
	receive(fd, "\n:\n\n", &closed);
	ck_assert(!closed);
	ck_assert_ptr_nonnull(strstr(buf, "\r\n:\n\n"));
	close(fd);
}
END_TEST

START_TEST(events_ninth_listener_is_refused_until_one_goes)
{
	int fd[CONTROL_EVENTS_MAX];
	bool closed;

	start();
	for (int i = 0; i < CONTROL_EVENTS_MAX; i++) {
		fd[i] = ask(LISTEN);
		receive(fd[i], "data: ", &closed);
		ck_assert_msg(!closed, "listener %d", i);
	}
	ck_assert_int_eq(status_of(REQUEST("GET", "/api/events", KNOWN)), 503);
	close(fd[3]);
	turn(50);
	fd[3] = ask(LISTEN);
	receive(fd[3], "data: ", &closed);
	ck_assert(!closed);
	/* the server may end before its listeners: teardown() */
	for (int i = 1; i < CONTROL_EVENTS_MAX; i++)
		close(fd[i]);
}
END_TEST

/* All other connections together do not make it go. */
START_TEST(events_listener_is_not_crowded_out)
{
	int crowd[CONTROL_HTTP_MAX + 8], fd;
	bool closed;

	start();
	fd = ask(LISTEN);
	receive(fd, "data: ", &closed);
	turn(1100);
	for (size_t i = 0; i < ARRAY_LEN(crowd); i++) {
		crowd[i] = ask("");
		turn(TURN_MS);
	}
	turn(1500);
	snapshots = 1000;
	receive(fd, "data: {\"n\":1001,", &closed);
	ck_assert_msg(!closed, "%s", buf);
	ck_assert_ptr_nonnull(strstr(buf, "\"n\":1001,"));
	for (size_t i = 0; i < ARRAY_LEN(crowd); i++)
		close(crowd[i]);
	close(fd);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("http");
	TCase *t = tcase_create("http");
	SRunner *r;
	int failed;

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_set_timeout(t, 120);
	tcase_add_test(t, address_taken_or_wrong_is_an_error);
	tcase_add_test(t, closed_connection_takes_nothing_of_the_next);
	tcase_add_test(t, client_that_only_sends_has_a_bound);
	tcase_add_test(t, without_token_only_metrics_health_and_files);
	tcase_add_test(t, with_token_pages_may_make_changes);
	tcase_add_test(t, http_write_opens_toxiproxys_api_alone);
	tcase_add_test(t, host_of_others_is_refused_even_with_token);
	tcase_add_test(t, token_file_is_made_kept_and_not_for_others);
	tcase_add_test(t, token_is_what_the_file_has);
	tcase_add_test(t, methods_that_do_not_fit_are_told_which_do);
	tcase_add_test(t, files_have_their_policy_and_are_not_sent_twice);
	tcase_add_test(t, files_name_nothing_elsewhere);
	tcase_add_test(t, events_follow_each_other_while_somebody_listens);
	tcase_add_test(t, events_dear_are_rare_and_comments_tell_of_life);
	tcase_add_test(t, events_ninth_listener_is_refused_until_one_goes);
	tcase_add_test(t, events_listener_is_not_crowded_out);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
