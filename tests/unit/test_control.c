/* SPDX-License-Identifier: MIT */
/*
 * The control protocol, its socket, and the HTTP server.
 * LINKS: api/server api/answer api/metrics api/flows api/http api/reply
 * LINKS: api/access api/page api/events api/assets
 * LINKS: api/client api/toxiproxy api/toxic
 * LINKS: api/listener util/log util/address
 */
#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "api/client.h"
#include "api/flows.h"
#include "api/server.h"
#include "unit/fake_daemon.h"

static char dir[] = "/tmp/test_control.XXXXXX";
static char path[64];
static struct event_base *base;
static int stops, reload_rc;
static const char *reload_text;
static uint32_t flows_asked;
static bool http_writes;

/* --- a daemon --- */

static json_t *fake_status(void *arg)
{
	ck_assert_ptr_eq(arg, &stops);
	return json_pack("{s:i, s:s}", "flows", 7, "state", "<running>");
}

static bool fake_metric(void *arg, uint32_t i, struct control_metric *m)
{
	static const struct control_metric list[] = {
		{"TcpActiveOpens", "web", -1, false, "SYNs sent", 12, NULL,
		 NULL, 0},
		{"drop_seq_old", "web", -1, false, NULL, 3, NULL, NULL, 0},
		{"flows", NULL, 0, true, "connections", 5, NULL, NULL, 0},
		{"TcpActiveOpens", "a\"b\\", -1, false, NULL, 1, NULL, NULL, 0},
		{"TCPTimeouts", NULL, -1, false, NULL, 0, NULL, NULL, 0},
		{"flows", NULL, 1, true, "connections", UINT32_MAX + 1ull, NULL,
		 NULL, 0},
		{"up_seconds", NULL, -1, true, "since", 9, "by", "me\n", 0},
		{"rx_bytes", NULL, -1, false, "received", 2, NULL, NULL, 0},
		{"WaitSeconds", "web", -1, false, "waits", 1, "le", "0.5",
		 METRIC_BUCKET},
		{"WaitSeconds", "web", -1, false, "waits", 3, "le", "+Inf",
		 METRIC_BUCKET},
		{"WaitSeconds", "web", -1, false, "waits", 3, NULL, NULL,
		 METRIC_COUNT},
		{"WaitSeconds", "web", -1, false, "waits", 2000007, NULL, NULL,
		 METRIC_SUM},
	};

	(void)arg;
	if (i >= ARRAY_LEN(list))
		return false;
	*m = list[i];
	return true;
}

#define TWO_FLOWS                                                           \
	"[{\"service\":\"one<\",\"serial\":7,\"client\":{\"address\":"      \
	"\"192.0.2.7:1\",\"state\":\"ESTABLISHED\",\"inflight\":5,"         \
	"\"srtt\":250,\"cc\":\"bbr\"},\"server\":{\"address\":\"192.0.2.1:" \
	"80\",\"state\":"                                                   \
	"\"CLOSED\"}},{\"service\":\"two\",\"client\":{\"address\":"        \
	"\"[2001:db8::1]:2\"},\"server\":{\"address\":\"[2001:db8::2]:80\"" \
	"},\"spliced\":{\"state\":\"open\",\"up\":9}}]"

static json_t *fake_flows(void *arg, uint32_t max)
{
	(void)arg;
	flows_asked = max;
	return json_loads(TWO_FLOWS, 0, NULL);
}

static int fake_reload(void *arg, FILE *errors)
{
	(void)arg;
	if (reload_text)
		fputs(reload_text, errors);
	return reload_rc;
}

static void fake_stop(void *arg)
{
	(void)arg;
	stops++;
}

static int fake_command(void *arg, const char *cmd, const json_t *request,
			json_t **result, FILE *errors)
{
	(void)arg;
	if (!strcmp(cmd, "flows")) {
		const char *filter =
			json_string_value(json_object_get(request, "filter"));

		if (strcmp(filter, "dst x & y")) {
			fprintf(errors, "filter \"%s\": none\n", filter);
			return -EINVAL;
		}
		*result = json_array();
		return 0;
	}
	if (strcmp(cmd, "fault"))
		return -ENOSYS;
	if (!json_object_get(request, "name")) {
		fputs("no name", errors);
		return -EINVAL;
	}
	*result = json_string("added");
	return 0;
}

static struct control_ops ops = {
	.arg = &stops,
	.status = fake_status,
	.metric = fake_metric,
	.flows = fake_flows,
	.reload = fake_reload,
	.stop = fake_stop,
	.command = fake_command,
};

static void setup(void)
{
	strcpy(dir + strlen(dir) - 6, "XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/run/sock", dir);
	base = event_base_new();
	ck_assert_ptr_nonnull(base);
	stops = 0;
	reload_rc = 0;
	reload_text = NULL;
	flows_asked = 0;
	http_writes = true;
}

static void teardown(void)
{
	event_base_free(base);
	unlink(path);
	*strrchr(path, '/') = '\0';
	rmdir(path);
	rmdir(dir);
}

/* --- the protocol --- */

/* The answer to @line is exactly @want. */
static void assert_answer(const char *line, const char *want)
{
	json_t *answer = control_answer(&ops, line, strlen(line));
	char *text = json_dumps(answer, JSON_COMPACT);

	ck_assert_str_eq(text, want);
	free(text);
	json_decref(answer);
}

START_TEST(request_known_is_answered)
{
	assert_answer("{\"cmd\":\"ping\"}",
		      "{\"ok\":true,\"result\":\"pong\"}");
	assert_answer("{\"cmd\":\"status\"}",
		      "{\"ok\":true,\"result\":{\"flows\":7,\"state\":"
		      "\"<running>\"}}");
	assert_answer("{\"cmd\":\"flows\"}",
		      "{\"ok\":true,\"result\":" TWO_FLOWS "}");
	ck_assert_uint_eq(flows_asked, CONTROL_FLOWS_MAX);
	assert_answer("{\"cmd\":\"flows\",\"max\":5}",
		      "{\"ok\":true,\"result\":" TWO_FLOWS "}");
	ck_assert_uint_eq(flows_asked, 5);
	assert_answer("{\"cmd\":\"stop\"}", "{\"ok\":true,\"result\":null}");
	ck_assert_int_eq(stops, 1);
}
END_TEST

START_TEST(flow_printed_has_what_it_has)
{
	json_t *flows = json_loads(TWO_FLOWS, 0, NULL);
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	flow_print(json_array_get(flows, 0), f);
	fputc('\n', f);
	flow_print(json_array_get(flows, 1), f);
	fclose(f);
	ck_assert_str_eq(text,
			 "one< 192.0.2.7:1 -> 192.0.2.1:80 client(ESTABLISHED "
			 "inflight=5 srtt=250 cc=bbr) server(CLOSED) serial=7\n"
			 "two [2001:db8::1]:2 -> [2001:db8::2]:80 "
			 "spliced(open up=9)");
	free(text);
	json_decref(flows);
}
END_TEST

START_TEST(flows_with_silly_max_uses_default)
{
	static const char *const silly[] = {"-1",	  "0",	  "\"x\"",
					    "4294967296", "null", "1.5"};

	for (size_t i = 0; i < ARRAY_LEN(silly); i++) {
		char line[64];

		snprintf(line, sizeof(line), "{\"cmd\":\"flows\",\"max\":%s}",
			 silly[i]);
		flows_asked = 0;
		json_decref(control_answer(&ops, line, strlen(line)));
		ck_assert_uint_eq(flows_asked, CONTROL_FLOWS_MAX);
	}
}
END_TEST

START_TEST(reload_refused_gives_every_reason)
{
	assert_answer("{\"cmd\":\"reload\"}", "{\"ok\":true,\"result\":null}");
	reload_rc = -EINVAL;
	reload_text = "f:1: bad\nf:2: worse\n";
	assert_answer("{\"cmd\":\"reload\"}",
		      "{\"ok\":false,\"error\":\"f:1: bad\\nf:2: worse\\n\"}");
	reload_text = NULL;
	assert_answer("{\"cmd\":\"reload\"}",
		      "{\"ok\":false,\"error\":\"Invalid argument\"}");
	reload_text = "\xff\xfe no UTF-8";
	assert_answer("{\"cmd\":\"reload\"}",
		      "{\"ok\":false,\"error\":\"failed\"}");
}
END_TEST

START_TEST(request_other_goes_to_the_daemon)
{
	assert_answer("{\"cmd\":\"fault\",\"name\":\"x\"}",
		      "{\"ok\":true,\"result\":\"added\"}");
	assert_answer("{\"cmd\":\"fault\"}",
		      "{\"ok\":false,\"error\":\"no name\"}");
	assert_answer("{\"cmd\":\"nonsense\"}",
		      "{\"ok\":false,\"error\":\"unknown command\"}");
}
END_TEST

START_TEST(request_malformed_is_refused)
{
	static const char *const bad[] = {"",
					  "{",
					  "[]",
					  "3",
					  "null",
					  "{}",
					  "{\"cmd\":1}",
					  "{\"cmd\":\"ping\"} x",
					  "{\"cmd\":\"a\",\"cmd\":\"ping\"}",
					  "\xff"};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		json_t *a = control_answer(&ops, bad[i], strlen(bad[i]));

		ck_assert(json_is_false(json_object_get(a, "ok")));
		ck_assert(json_is_string(json_object_get(a, "error")));
		json_decref(a);
	}
	ck_assert_int_eq(stops, 0);
}
END_TEST

START_TEST(metrics_text_groups_names_and_escapes_labels)
{
	char *text;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	ck_assert_int_eq(control_metrics_text(&ops, METRICS_PROMETHEUS, f), 0);
	fclose(f);
	ck_assert_str_eq(
		text,
		"# TYPE penstock_drops_total counter\n"
		"penstock_drops_total{service=\"web\",reason=\"seq_old\"} 3\n"
		"# HELP penstock_flows connections\n"
		"# TYPE penstock_flows gauge\n"
		"penstock_flows{worker=\"0\"} 5\n"
		"penstock_flows{worker=\"1\"} 4294967296\n"
		"# HELP penstock_rx_bytes_total received\n"
		"# TYPE penstock_rx_bytes_total counter\n"
		"penstock_rx_bytes_total 2\n"
		"# HELP penstock_tcp_active_opens_total SYNs sent\n"
		"# TYPE penstock_tcp_active_opens_total counter\n"
		"penstock_tcp_active_opens_total{service=\"web\"} 12\n"
		"penstock_tcp_active_opens_total{service=\"a\\\"b\\\\\"} 1\n"
		"# TYPE penstock_tcp_timeouts_total counter\n"
		"penstock_tcp_timeouts_total 0\n"
		"# HELP penstock_up_seconds since\n"
		"# TYPE penstock_up_seconds gauge\n"
		"penstock_up_seconds{by=\"me \"} 9\n"
		"# HELP penstock_wait_seconds waits\n"
		"# TYPE penstock_wait_seconds histogram\n"
		"penstock_wait_seconds_bucket{service=\"web\",le=\"0.5\"} 1\n"
		"penstock_wait_seconds_bucket{service=\"web\",le=\"+Inf\"} 3\n"
		"penstock_wait_seconds_count{service=\"web\"} 3\n"
		"penstock_wait_seconds_sum{service=\"web\"} 2.000007\n");
	free(text);
}
END_TEST

/* OpenMetrics 1.0.0: metadata names the family, units, the end. */
START_TEST(open_metrics_name_families_and_units)
{
	static const char *const want[] = {
		"# HELP penstock_rx_bytes received\n"
		"# TYPE penstock_rx_bytes counter\n"
		"# UNIT penstock_rx_bytes bytes\n"
		"penstock_rx_bytes_total 2\n",
		"# UNIT penstock_up_seconds seconds\n",
		"# TYPE penstock_drops counter\npenstock_drops_total{",
		"# TYPE penstock_wait_seconds histogram\n"
		"# UNIT penstock_wait_seconds seconds\n"
		"penstock_wait_seconds_bucket{"};
	char *text;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	ck_assert_int_eq(control_metrics_text(&ops, METRICS_OPEN, f), 0);
	fclose(f);
	for (size_t i = 0; i < ARRAY_LEN(want); i++)
		ck_assert_ptr_nonnull(strstr(text, want[i]));
	ck_assert_str_eq(text + len - 7, "\n# EOF\n");
	free(text);
}
END_TEST

START_TEST(metrics_json_keeps_names)
{
	json_t *list = control_metrics_json(&ops);
	json_t *one = json_array_get(list, 0), *flows = json_array_get(list, 2);

	ck_assert_uint_eq(json_array_size(list), 8);
	ck_assert_str_eq(json_string_value(json_object_get(one, "name")),
			 "TcpActiveOpens");
	ck_assert_str_eq(json_string_value(json_object_get(one, "service")),
			 "web");
	ck_assert_int_eq(json_integer_value(json_object_get(one, "value")), 12);
	ck_assert_ptr_null(json_object_get(one, "worker"));
	ck_assert(json_is_true(json_object_get(flows, "gauge")));
	ck_assert(json_is_integer(json_object_get(flows, "worker")));
	ck_assert_ptr_null(json_object_get(flows, "service"));
	json_decref(list);
}
END_TEST

/* --- the socket --- */

static struct control_server *server_start(void)
{
	int err;
	struct control_server *s = control_server_new(base, path, &ops, &err);

	ck_assert_msg(s, "%s", strerror(-err));
	return s;
}

static int unix_connect(void)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

	strcpy(sun.sun_path, path);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&sun, sizeof(sun)), 0);
	return fd;
}

static void put(int fd, const char *text)
{
	ck_assert_int_eq(send(fd, text, strlen(text), MSG_NOSIGNAL),
			 (int)strlen(text));
}

#define PONG "{\"ok\":true,\"result\":\"pong\"}\n"

START_TEST(socket_pieces_and_pipelines_are_answered_in_order)
{
	struct control_server *s = server_start();
	char buf[1024];
	bool closed;
	int fd = unix_connect();

	put(fd, "{\"cmd\":");
	event_base_loop(base, EVLOOP_NONBLOCK);
	put(fd, "\"ping\"}\n{\"cmd\":\"no\"}\n{\"cmd\":\"ping\"}\n");
	shutdown(fd, SHUT_WR);
	fake_receive(base, fd, buf, sizeof(buf), NULL, &closed);
	ck_assert(closed);
	ck_assert_str_eq(buf, PONG
			 "{\"ok\":false,\"error\":\"unknown command\"}\n" PONG);
	close(fd);
	control_server_free(s);
}
END_TEST

START_TEST(socket_endless_line_is_refused_and_closed)
{
	struct control_server *s = server_start();
	char *big = malloc(CONTROL_LINE_MAX + 1), buf[256];
	bool closed = false;
	int fd = unix_connect();
	size_t sent = 0;

	memset(big, 'x', CONTROL_LINE_MAX);
	for (int i = 0; i < 2000 && sent < CONTROL_LINE_MAX; i++) {
		ssize_t n = send(fd, big + sent, CONTROL_LINE_MAX - sent,
				 MSG_NOSIGNAL | MSG_DONTWAIT);

		sent += n > 0 ? (size_t)n : 0;
		event_base_loop(base, EVLOOP_NONBLOCK);
	}
	ck_assert_uint_eq(sent, CONTROL_LINE_MAX);
	fake_receive(base, fd, buf, sizeof(buf), NULL, &closed);
	ck_assert(closed);
	ck_assert_str_eq(buf,
			 "{\"ok\":false,\"error\":\"request too long\"}\n");
	close(fd);
	free(big);
	control_server_free(s);
}
END_TEST

START_TEST(socket_client_beyond_limit_is_closed_others_serve)
{
	struct control_server *s = server_start();
	int fd[CONTROL_CLIENTS_MAX + 1];
	char buf[256];
	bool closed;

	for (size_t i = 0; i < ARRAY_LEN(fd); i++) {
		fd[i] = unix_connect();
		event_base_loop(base, EVLOOP_NONBLOCK);
	}
	fake_receive(base, fd[CONTROL_CLIENTS_MAX], buf, sizeof(buf), NULL,
		     &closed);
	ck_assert(closed);
	put(fd[0], "{\"cmd\":\"ping\"}\n");
	fake_receive(base, fd[0], buf, sizeof(buf), "\n", &closed);
	ck_assert_str_eq(buf, PONG);

	/* One leaves, one may come. */
	close(fd[1]);
	event_base_loop(base, EVLOOP_NONBLOCK);
	fd[1] = unix_connect();
	put(fd[1], "{\"cmd\":\"ping\"}\n");
	fake_receive(base, fd[1], buf, sizeof(buf), "\n", &closed);
	ck_assert_str_eq(buf, PONG);
	for (size_t i = 0; i < ARRAY_LEN(fd); i++)
		close(fd[i]);
	control_server_free(s);
}
END_TEST

START_TEST(socket_client_gone_before_answer_is_survived)
{
	struct control_server *s = server_start();
	char buf[256];
	bool closed;
	int fd = unix_connect(), other;

	put(fd, "{\"cmd\":\"ping\"}\n{\"cmd\":\"ping\"}\n");
	close(fd);
	other = unix_connect();
	put(other, "{\"cmd\":\"ping\"}\n");
	fake_receive(base, other, buf, sizeof(buf), "\n", &closed);
	ck_assert_str_eq(buf, PONG);
	close(other);
	control_server_free(s);
}
END_TEST

START_TEST(socket_file_is_guarded_and_removed)
{
	struct control_server *s = server_start();
	struct stat st;
	int err;

	ck_assert_int_eq(lstat(path, &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0660);
	ck_assert_ptr_null(control_server_new(base, path, &ops, &err));
	ck_assert_int_eq(err, -EADDRINUSE);
	control_server_free(s);
	ck_assert_int_eq(lstat(path, &st), -1);
}
END_TEST

START_TEST(socket_file_stale_is_replaced_but_no_other)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	struct control_server *s = server_start();
	int fd, err;
	FILE *f;

	control_server_free(s);
	strcpy(sun.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&sun, sizeof(sun)), 0);
	close(fd); /* as after a crash */
	control_server_free(server_start());

	f = fopen(path, "w");
	fputs("precious", f);
	fclose(f);
	ck_assert_ptr_null(control_server_new(base, path, &ops, &err));
	ck_assert_int_eq(err, -EEXIST);
}
END_TEST

/* --- the client --- */

struct question {
	const char *cmd;
	int rc;
	json_t *answer;
};

static void *ask_thread(void *arg)
{
	struct question *q = arg;
	json_t *request = json_pack("{s:s}", "cmd", q->cmd);

	q->rc = client_ask(path, request, &q->answer);
	json_decref(request);
	event_base_loopbreak(base);
	return NULL;
}

static bool never_metric(void *arg, uint32_t i, struct control_metric *m)
{
	(void)arg;
	*m = (struct control_metric){"Name", "service", -1,   false, NULL,
				     i,	     NULL,	NULL, 0};
	return i < 20000;
}

/* An answer of a megabyte comes whole. */
START_TEST(client_long_answer_arrives_whole)
{
	static const struct timeval tick = {.tv_usec = 1000};
	struct control_server *s = server_start();
	struct question q = {.cmd = "counters"};
	struct control_ops was = ops;
	pthread_t t;

	ops.metric = never_metric;
	pthread_create(&t, NULL, ask_thread, &q);
	for (int i = 0; i < 20000 && pthread_tryjoin_np(t, NULL); i++) {
		event_base_loopexit(base, &tick);
		event_base_dispatch(base);
	}
	ops = was;
	ck_assert_int_eq(q.rc, 0);
	ck_assert_uint_eq(json_array_size(json_object_get(q.answer, "result")),
			  20000);
	json_decref(q.answer);
	control_server_free(s);
}
END_TEST

START_TEST(client_without_daemon_is_told)
{
	json_t *request = json_pack("{s:s}", "cmd", "ping"), *answer;

	ck_assert_int_eq(client_ask(path, request, &answer), -ENOENT);
	ck_assert_ptr_null(answer);
	json_decref(request);
}
END_TEST

static void *mute_server(void *arg)
{
	int fd = accept(*(int *)arg, NULL, NULL);
	char c;

	while (recv(fd, &c, 1, 0) == 1 && c != '\n')
		;
	send(fd, "no JSON\n", 8, MSG_NOSIGNAL);
	close(fd);
	return NULL;
}

START_TEST(client_answer_of_no_json_is_told)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	json_t *request = json_pack("{s:s}", "cmd", "ping"), *answer;
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	pthread_t t;

	control_server_free(server_start()); /* makes the directory */
	strcpy(sun.sun_path, path);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&sun, sizeof(sun)), 0);
	ck_assert_int_eq(listen(fd, 1), 0);
	pthread_create(&t, NULL, mute_server, &fd);
	ck_assert_int_eq(client_ask(path, request, &answer), -EPROTO);
	pthread_join(t, NULL);
	ck_assert_ptr_null(answer);
	json_decref(request);
	close(fd);
}
END_TEST

/* --- HTTP --- */

#define TOKEN "0123456789abcdef"
#define HTTP_NEW(listen, err)                                            \
	control_http_new(base,                                           \
			 &(struct control_http_cfg){(listen), "", TOKEN, \
						    http_writes},        \
			 &ops, (err))

static struct control_http *http_start(uint16_t *port)
{
	struct control_http *h = NULL;
	char listen[32];
	int err;

	for (uint16_t p = 20000; !h && p < 20200; p++) {
		*port = (uint16_t)(p + getpid() % 20000);
		snprintf(listen, sizeof(listen), "127.0.0.1:%u", *port);
		h = HTTP_NEW(listen, &err);
	}
	ck_assert_ptr_nonnull(h);
	return h;
}

/* Send @request, give the whole answer. */
static char *http(uint16_t port, const char *request)
{
	struct sockaddr_in sin = {.sin_family = AF_INET,
				  .sin_port = htons(port),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	char *buf = malloc(1 << 20);
	bool closed;

	ck_assert_int_eq(connect(fd, (struct sockaddr *)&sin, sizeof(sin)), 0);
	put(fd, request);
	fake_receive(base, fd, buf, 1 << 20, NULL, &closed);
	ck_assert(closed);
	close(fd);
	return buf;
}

#define KNOWN "Authorization: Bearer " TOKEN "\r\n"
#define GET(path) "GET " path " HTTP/1.0\r\nHost: localhost\r\n" KNOWN "\r\n"

START_TEST(http_pages_are_served)
{
	static const struct {
		const char *request, *status, *type, *body;
	} rows[] = {
		{GET("/metrics"), "200", "text/plain; version=0.0.4",
		 "penstock_flows{worker=\"0\"} 5\n"},
		{GET("/"), "200", "text/html", "<title>penstock</title>"},
		{GET("/healthz"), "200", "text/plain", "ok\n"},
		{GET("/api/status"), "200", "application/json", "\"flows\": 7"},
		{GET("/api/counters"), "200", "application/json",
		 "\"name\": \"drop_seq_old\""},
		{GET("/api/flows?max=9"), "200", "application/json",
		 "\"srtt\": 250"},
		{GET("/api/flows?filter=dst%20x+%26%20y"), "200",
		 "application/json", "[]"},
		{GET("/api/flows?filter=dst"), "400", "application/json",
		 "filter \\\"dst\\\": none"},
		{GET("/api/flows?filter=%ff"), "500", "", ""},
		{GET("/nothing"), "404", "application/json", ""},
		{GET("/../etc/passwd"), "404", "application/json", ""},
		{"POST /api/status HTTP/1.0\r\n" KNOWN
		 "Content-Length: 0\r\n\r\n",
		 "405", "", ""},
		{"DELETE / HTTP/1.0\r\n\r\n", "405", "", ""},
		{"PUT /proxies HTTP/1.0\r\n\r\n", "501", "", ""},
		{GET("/proxies"), "200", "application/json", "{}"},
		{GET("/proxies/web"), "404", "application/json",
		 "\"error\": \"proxy not found\""},
	};
	uint16_t port;
	struct control_http *h = http_start(&port);

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char *answer = http(port, rows[i].request);

		ck_assert_msg(!strncmp(answer + 9, rows[i].status, 3),
			      "%s gives %s", rows[i].request, answer);
		ck_assert_msg(strstr(answer, rows[i].type), "%s", answer);
		ck_assert_msg(strstr(answer, rows[i].body), "%s", answer);
		free(answer);
	}
	ck_assert_uint_eq(flows_asked, 9);
	ck_assert_int_eq(stops, 0);
	control_http_free(h);
}
END_TEST

#define POST(head, body) "POST /reset HTTP/1.0\r\n" head "\r\n" body

/* What a browser may send on behalf of a page changes nothing. */
START_TEST(http_write_that_may_be_a_browsers_is_refused)
{
	static const struct {
		const char *request, *status, *error;
	} rows[] = {
		{POST("", ""), "204", ""},
		{POST("Host: 192.0.2.1:8474\r\n", ""), "204", ""},
		{POST("Host: [::1]:8474\r\n", ""), "204", ""},
		{POST("Host: localhost:8474\r\n", ""), "204", ""},
		{POST("Host: evil.example:8474\r\n", ""), "403", "Host"},
		{POST("Host: localhost.evil.example\r\n", ""), "403", "Host"},
		{POST("User-Agent: Mozilla/5.0\r\n", ""), "403", "User agent"},
		{POST("User-Agent: axios/1.7\r\n", ""), "204", ""},
		{POST("Origin: http://evil.example\r\n", ""), "403", "pages"},
		{POST("Origin: null\r\n", ""), "403", "pages"},
		{POST("Sec-Fetch-Site: same-site\r\n", ""), "403", "pages"},
		{POST("Content-Type: text/plain\r\nContent-Length: 2\r\n",
		      "{}"),
		 "415", "Content-Type"},
		{POST("Content-Type: text/plain\r\n", ""), "204", ""},
		{POST("Content-Type: application/json; charset=utf-8\r\n"
		      "Content-Length: 2\r\n",
		      "{}"),
		 "204", ""},
		{POST("Content-Length: 2\r\n", "{}"), "204", ""},
		{POST("Content-Length: 1\r\n", "{"), "400", "bad request"},
		{POST("Content-Length: 65537\r\n", "{"), "413", ""},
		{"DELETE /proxies/x HTTP/1.0\r\nOrigin: x\r\n\r\n", "403",
		 "pages"},
	};
	uint16_t port;
	struct control_http *h = http_start(&port);

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char *answer = http(port, rows[i].request);

		ck_assert_msg(!strncmp(answer + 9, rows[i].status, 3) &&
				      strstr(answer, rows[i].error),
			      "%s gives %s", rows[i].request, answer);
		free(answer);
	}
	control_http_free(h);
}
END_TEST

START_TEST(http_without_writes_says_how_to_allow_them)
{
	uint16_t port;
	struct control_http *h;
	char *answer;

	http_writes = false;
	h = http_start(&port);
	answer = http(port, POST("", ""));
	ck_assert_msg(!strncmp(answer + 9, "403", 3), "%s", answer);
	ck_assert_ptr_nonnull(strstr(answer, "http_write = yes"));
	free(answer);
	answer = http(port, GET("/proxies"));
	ck_assert_msg(!strncmp(answer + 9, "200", 3), "%s", answer);
	free(answer);
	control_http_free(h);
}
END_TEST

START_TEST(http_garbage_is_survived)
{
	static const char *const bad[] = {
		"\r\n\r\n\r\n",
		"GET\r\n\r\n",
		"GET / HTTP/9.9\r\n\r\n",
		"GET http://[ HTTP/1.0\r\n\r\n",
		"GET /api/flows?max=%zz&& HTTP/1.0\r\n\r\n",
		"GET /api/flows?max=99999999999999999999 HTTP/1.0\r\n\r\n",
		"\x16\x03\x01\x02",
	};
	uint16_t port;
	struct control_http *h = http_start(&port);
	char *answer;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct sockaddr_in sin = {.sin_family = AF_INET,
					  .sin_port = htons(port),
					  .sin_addr.s_addr =
						  htonl(INADDR_LOOPBACK)};
		int fd = socket(AF_INET, SOCK_STREAM, 0);

		ck_assert_int_eq(
			connect(fd, (struct sockaddr *)&sin, sizeof(sin)), 0);
		put(fd, bad[i]);
		for (int k = 0; k < 20; k++)
			event_base_loop(base, EVLOOP_NONBLOCK);
		close(fd);
	}
	answer = http(port, GET("/healthz"));
	ck_assert_ptr_nonnull(strstr(answer, "200 OK"));
	free(answer);
	control_http_free(h);
}
END_TEST

static TCase *tcase(Suite *s, const char *name)
{
	TCase *t = tcase_create(name);

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_set_timeout(t, 60);
	suite_add_tcase(s, t);
	return t;
}

int main(void)
{
	Suite *s = suite_create("control");
	TCase *t = tcase(s, "protocol");
	SRunner *r;
	int failed;

	tcase_add_test(t, request_known_is_answered);
	tcase_add_test(t, flow_printed_has_what_it_has);
	tcase_add_test(t, flows_with_silly_max_uses_default);
	tcase_add_test(t, reload_refused_gives_every_reason);
	tcase_add_test(t, request_other_goes_to_the_daemon);
	tcase_add_test(t, request_malformed_is_refused);
	tcase_add_test(t, metrics_text_groups_names_and_escapes_labels);
	tcase_add_test(t, open_metrics_name_families_and_units);
	tcase_add_test(t, metrics_json_keeps_names);
	t = tcase(s, "socket");
	tcase_add_test(t, socket_pieces_and_pipelines_are_answered_in_order);
	tcase_add_test(t, socket_endless_line_is_refused_and_closed);
	tcase_add_test(t, socket_client_beyond_limit_is_closed_others_serve);
	tcase_add_test(t, socket_client_gone_before_answer_is_survived);
	tcase_add_test(t, socket_file_is_guarded_and_removed);
	tcase_add_test(t, socket_file_stale_is_replaced_but_no_other);
	tcase_add_test(t, client_long_answer_arrives_whole);
	tcase_add_test(t, client_without_daemon_is_told);
	tcase_add_test(t, client_answer_of_no_json_is_told);
	t = tcase(s, "http");
	tcase_add_test(t, http_pages_are_served);
	tcase_add_test(t, http_write_that_may_be_a_browsers_is_refused);
	tcase_add_test(t, http_without_writes_says_how_to_allow_them);
	tcase_add_test(t, http_garbage_is_survived);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
