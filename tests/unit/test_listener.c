/* SPDX-License-Identifier: MIT */
/*
 * Listening sockets when there is no room: connections without end, a process
 * without descriptors.  And whom the HTTP server answers to.
 * LINKS: api/server api/answer api/metrics api/flows api/http api/reply
 * LINKS: api/access api/page api/events api/assets
 * LINKS: api/client api/toxiproxy api/toxic
 * LINKS: api/listener util/log util/address
 */
#include <arpa/inet.h>
#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "api/listener.h"
#include "api/server.h"
#include "unit/fake_daemon.h"

#define CROWD (2 * CONTROL_HTTP_MAX)

static struct event_base *base;
static int lines; /* logged */
static char last_line[512];

static json_t *fake_flows(void *arg, uint32_t max)
{
	(void)arg;
	(void)max;
	return json_pack("[{s:s}]", "service", "secret addresses");
}

static const struct control_ops ops = {
	.status = fake_running,
	.metric = fake_no_metric,
	.flows = fake_flows,
	.reload = fake_reloaded,
	.stop = fake_stop_nothing,
};

static void on_line(enum log_level lvl, const char *line)
{
	(void)lvl;
	lines++;
	snprintf(last_line, sizeof(last_line), "%s", line);
}

static void setup(void)
{
	base = event_base_new();
	ck_assert_ptr_nonnull(base);
	lines = 0;
	log_set_sink(on_line);
}

static void teardown(void)
{
	event_base_free(base);
}

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* Run the loop for @ms.  Return: how often it turned */
static int turn(int64_t ms)
{
	static const struct timeval most = {.tv_usec = 5000};
	const int64_t end = now_ms() + ms;
	int n = 0;

	for (; now_ms() < end; n++) {
		event_base_loopexit(base, &most);
		event_base_loop(base, EVLOOP_ONCE);
	}
	return n;
}

#define TOKEN "token"

static struct control_http *http_start(const char *names, uint16_t *port)
{
	struct control_http *h = NULL;
	char listen[32];
	const struct control_http_cfg cfg = {listen, names, TOKEN, true};
	int err;

	for (uint16_t p = 20000; !h && p < 20200; p++) {
		*port = (uint16_t)(p + getpid() % 20000);
		snprintf(listen, sizeof(listen), "127.0.0.1:%u", *port);
		h = control_http_new(base, &cfg, &ops, &err);
	}
	ck_assert_ptr_nonnull(h);
	return h;
}

static int http_connect(uint16_t port)
{
	struct sockaddr_in sin = {.sin_family = AF_INET,
				  .sin_port = htons(port),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

	ck_assert_int_ge(fd, 0);
	if (connect(fd, (struct sockaddr *)&sin, sizeof(sin)))
		ck_assert_int_eq(errno, EINPROGRESS);
	return fd;
}

/* What comes back within @ms, NUL behind it.  Return: bytes */
static size_t ask(int fd, const char *request, char *buf, size_t room,
		  int64_t ms)
{
	const int64_t end = now_ms() + ms;
	size_t len = 0;

	ck_assert_int_eq(send(fd, request, strlen(request), MSG_NOSIGNAL),
			 (ssize_t)strlen(request));
	while (now_ms() < end) {
		ssize_t n = recv(fd, buf + len, room - 1 - len, 0);

		if (n == 0 || (n < 0 && errno != EAGAIN))
			break;
		len += n > 0 ? (size_t)n : 0;
		turn(1);
	}
	buf[len] = '\0';
	return len;
}

static int descriptors(void)
{
	DIR *d = opendir("/proc/self/fd");
	int n = 0;

	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

#define GET "GET /healthz HTTP/1.0\r\n\r\n"

/* As many as there is room for take a descriptor, few lines are logged, and who
 * comes after them is served although none of them goes. */
START_TEST(http_crowd_is_limited_and_keeps_nobody_out)
{
	int fd[CROWD], before, took, late;
	struct control_http *h;
	char buf[1024];
	uint16_t port;

	h = http_start("", &port);
	before = descriptors();
	for (int i = 0; i < CROWD; i++) {
		fd[i] = http_connect(port);
		turn(1);
		took = descriptors() - before - (i + 1);
		ck_assert_int_le(took, CONTROL_HTTP_MAX);
	}
	turn(3 * LISTENER_REST_MS);
	took = descriptors() - before - CROWD;
	ck_assert_int_ge(took, CONTROL_HTTP_MAX / 2);
	ck_assert_int_le(took, CONTROL_HTTP_MAX);
	ck_assert_int_le(lines, 1);

	late = http_connect(port);
	ck_assert_uint_gt(ask(late, GET, buf, sizeof(buf), 8000), 0);
	ck_assert_ptr_nonnull(strstr(buf, "200 OK"));
	close(late);
	for (int i = 0; i < CROWD; i++)
		close(fd[i]);
	control_http_free(h);
}
END_TEST

/* Descriptors that the process may still open: none. */
static rlim_t descriptors_forbid(void)
{
	struct rlimit r;
	rlim_t was;
	int fd = open("/dev/null", O_RDONLY);

	close(fd);
	getrlimit(RLIMIT_NOFILE, &r);
	was = r.rlim_cur;
	r.rlim_cur = (rlim_t)fd;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &r), 0);
	return was;
}

static void descriptors_allow(rlim_t max)
{
	struct rlimit r;

	getrlimit(RLIMIT_NOFILE, &r);
	r.rlim_cur = max;
	setrlimit(RLIMIT_NOFILE, &r);
}

/* The loop rests, the log has one line, and afterwards all is well. */
static void assert_rests(int fd, const char *request, const char *want)
{
	const rlim_t was = descriptors_forbid();
	char buf[1024];
	int turns = turn(5 * LISTENER_REST_MS);

	descriptors_allow(was);
	ck_assert_int_le(turns, 5 * LISTENER_REST_MS); /* 5 ms each, roughly */
	ck_assert_int_eq(lines, 1);
	ck_assert_ptr_nonnull(strstr(last_line, "Too many open files"));
	ask(fd, request, buf, sizeof(buf), 2000);
	ck_assert_msg(strstr(buf, want) != NULL, "%s", buf);
}

START_TEST(http_without_descriptors_rests)
{
	uint16_t port;
	struct control_http *h = http_start("", &port);
	int fd = http_connect(port);

	assert_rests(fd, GET, "200 OK");
	close(fd);
	control_http_free(h);
}
END_TEST

START_TEST(socket_without_descriptors_rests)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	struct control_server *s;
	int fd, err;

	snprintf(sun.sun_path, sizeof(sun.sun_path), "/tmp/test_listener.%d",
		 getpid());
	s = control_server_new(base, sun.sun_path, &ops, &err);
	ck_assert_ptr_nonnull(s);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&sun, sizeof(sun)), 0);
	assert_rests(fd, "{\"cmd\":\"ping\"}\n", "pong");
	close(fd);
	control_server_free(s);
}
END_TEST

/* DNS rebinding: to the browser the answer would be the page's own server's. */
START_TEST(http_is_read_by_names_of_ours_only)
{
	static const struct {
		const char *host, *status;
	} rows[] = {
		{"127.0.0.1:9464", "200"},
		{"192.0.2.1", "200"},
		{"[2001:db8::1]:9464", "200"},
		{"localhost:9464", "200"},
		{"LocalHost", "200"},
		{"gw.example:9464", "200"},
		{"GW.example.", "200"},
		{"metrics.example", "200"},
		{"evil.example:9464", "403"},
		{"w.example", "403"},
		{"gw.example.evil.test", "403"},
		{"gw.exampl", "403"},
		{"127.0.0.1.evil.test", "403"},
		{"localhost.evil.test", "403"},
		{"gw.example metrics", "403"},
		{"", "403"},
	};
	static const char *const path[] = {"/api/flows", "/metrics", "/",
					   "/proxies"};
	char request[256], buf[4096];
	struct control_http *h;
	uint16_t port;

	h = http_start(" gw.example\tmetrics.example ", &port);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		int fd = http_connect(port);

		snprintf(request, sizeof(request),
			 "GET %s HTTP/1.0\r\nAuthorization: Bearer " TOKEN
			 "\r\nHost: %s\r\n\r\n",
			 path[i % ARRAY_LEN(path)], rows[i].host);
		ask(fd, request, buf, sizeof(buf), 2000);
		ck_assert_msg(!strncmp(buf + 9, rows[i].status, 3), "%s: %s",
			      rows[i].host, buf);
		ck_assert(rows[i].status[0] == '2' || !strstr(buf, "secret"));
		close(fd);
	}
	control_http_free(h);
}
END_TEST

/* More than it takes ends the connection; the answer, @status, may be lost to a
 * RST because of what was not read. */
static void assert_too_much(uint16_t port, const char *head, size_t more,
			    const char *status)
{
	char buf[4096], *text = malloc(strlen(head) + more + 8);
	int fd = http_connect(port);
	size_t n = (size_t)sprintf(text, "%s", head);

	memset(text + n, 'a', more);
	strcpy(text + n + more, "\r\n\r\n");
	fcntl(fd, F_SETFL, 0); /* one send() sends all */
	ask(fd, text, buf, sizeof(buf), 0);
	fcntl(fd, F_SETFL, O_NONBLOCK);
	ask(fd, "", buf, sizeof(buf), 8000);
	ck_assert_msg(!*buf || !strncmp(buf + 9, status, 3), "%s", buf);
	if (recv(fd, buf, 1, 0))
		ck_assert_int_ne(errno, EAGAIN);
	close(fd);
	free(text);
}

START_TEST(http_long_header_and_body_are_refused)
{
	struct control_http *h;
	char buf[1024];
	uint16_t port;
	int fd;

	h = http_start("", &port);
	assert_too_much(port, "GET /healthz HTTP/1.0\r\nX: ", 20000, "400");
	assert_too_much(port,
			"POST /populate HTTP/1.0\r\nHost: localhost\r\n"
			"Content-Length: 70004\r\n\r\n",
			70000, "413");
	fd = http_connect(port);
	ask(fd, GET, buf, sizeof(buf), 8000);
	ck_assert_ptr_nonnull(strstr(buf, "200 OK"));
	close(fd);
	control_http_free(h);
}
END_TEST

/* Half a request and no more. */
START_TEST(http_silence_ends_the_connection)
{
	struct control_http *h;
	char buf[1024];
	int64_t begin;
	uint16_t port;
	int fd;

	h = http_start("", &port);
	fd = http_connect(port);
	turn(10);
	begin = now_ms();
	ask(fd, "GET /healthz HT", buf, sizeof(buf), 60000);
	ck_assert_int_lt(now_ms() - begin, 59000);
	ck_assert_int_ge(now_ms() - begin, 5000);
	close(fd);
	control_http_free(h);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("listener");
	TCase *t = tcase_create("listener");
	SRunner *r;
	int failed;

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_set_timeout(t, 100);
	tcase_add_test(t, http_crowd_is_limited_and_keeps_nobody_out);
	tcase_add_test(t, http_without_descriptors_rests);
	tcase_add_test(t, socket_without_descriptors_rests);
	tcase_add_test(t, http_long_header_and_body_are_refused);
	tcase_add_test(t, http_silence_ends_the_connection);
	tcase_add_test(t, http_is_read_by_names_of_ours_only);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
