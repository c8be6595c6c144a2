/* SPDX-License-Identifier: MIT */
/*
 * toxiproxy's HTTP API.
 *
 * The daemon knows services and faults.  Which faults are toxics is kept here,
 * in one list.  A fault may be removed by others (its lease ends, or an
 * operator removes it), so each request begins by forgetting toxics whose fault
 * is gone.  Every change is one batch of fault lines: it is made as a whole, on
 * all workers, or not at all.
 *
 * A disabled proxy is two faults: one refuses SYNs, the other closes living
 * connections.
 */
#include <netinet/in.h>
#include <errno.h>
#include <event2/http.h>
#include <stdarg.h>
#include <stdlib.h>

#include "api/toxiproxy.h"
#include "toxi.h"
#include "util/address.h"

#define DEPTH_MAX 4
#define NOOPS_MAX 64 /* that have no fault, of which there are few */
#define DOWN ".down" /* hidden toxics */
#define CUT ".cut"

struct toxi {
	const struct control_ops *ops;
	struct toxic *toxics;
};

/**
 * struct call - One request
 * @services: the daemon's, owned
 * @service:  the one that the path names; borrowed from @services
 * @body:     owned, or NULL
 * @part:     decoded segments of the path, owned
 * @answer:   out
 */
struct call {
	struct toxi *t;
	json_t *services, *service, *body, *answer;
	char *part[DEPTH_MAX];
	int depth;
};

json_t *toxi_error(int status, const char *text)
{
	json_t *e = json_pack("{s:s, s:i}", "error", text, "status", status);

	/* jansson refuses text that is no UTF-8 */
	return e ? e
		 : json_pack("{s:s, s:i}", "error", "failed", "status", status);
}

__attribute__((format(printf, 3, 4))) static int
fail(struct call *c, int status, const char *fmt, ...)
{
	char text[2048];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	json_decref(c->answer);
	c->answer = toxi_error(status, text);
	return status;
}

/* --- the list of toxics --- */

static const char *service_name(const json_t *service)
{
	const char *name = json_string_value(json_object_get(service, "name"));

	return name ? name : "";
}

static struct toxic **toxic_find(struct toxi *t, const char *service,
				 const char *name, bool hidden)
{
	struct toxic **p = &t->toxics;

	while (*p && (strcmp((*p)->service, service) != 0 ||
		      strcmp((*p)->name, name) != 0 || (*p)->hidden != hidden))
		p = &(*p)->next;
	return p;
}

static void toxic_append(struct toxi *t, struct toxic *x)
{
	struct toxic **p = &t->toxics;

	while (*p)
		p = &(*p)->next;
	x->next = NULL;
	*p = x;
}

static bool noops_full(const struct toxi *t)
{
	uint32_t n = 0;

	for (const struct toxic *x = t->toxics; x; x = x->next)
		n += !*x->fault;
	return n >= NOOPS_MAX;
}

static bool fault_exists(const json_t *faults, const char *name)
{
	const json_t *f;
	size_t i;

	json_array_foreach(faults, i, f) {
		const char *n = json_string_value(json_object_get(f, "name"));

		if (n && !strcmp(n, name))
			return true;
	}
	return false;
}

/* Forget the toxics whose fault is gone. */
static void toxics_check(struct toxi *t)
{
	json_t *ask, *faults = NULL;
	struct toxic **p = &t->toxics, *x;
	int err;

	if (!*p || !t->ops->command)
		return;
	ask = json_pack("{s:s}", "cmd", "fault-list");
	err = t->ops->command(t->ops->arg, "fault-list", ask, &faults, stderr);
	while ((x = *p)) {
		if (err || !*x->fault || fault_exists(faults, x->fault)) {
			p = &x->next;
			continue;
		}
		*p = x->next;
		toxic_free(x);
	}
	json_decref(faults);
	json_decref(ask);
}

/* --- changes: batches of fault lines --- */

static void lines_del(json_t *lines, const struct toxic *x)
{
	if (*x->fault)
		json_array_append_new(lines, json_sprintf("del %s", x->fault));
}

static bool lines_add(struct call *c, json_t *lines, const struct toxic *x)
{
	char why[300];
	char *line;

	if (!*x->fault)
		return true;
	line = toxic_line(x, why, sizeof(why));
	if (!line) {
		fail(c, 400, "bad request body: %s", why);
		return false;
	}
	json_array_append_new(lines, json_sprintf("add %s", line));
	free(line);
	return true;
}

/* @said: the daemon's message; NULL: no memory */
static int batch_failed(struct call *c, int err, const char *said)
{
	const char *why = said && *said ? said : strerror(-err);
	int n = (int)strlen(why);

	while (n && why[n - 1] == '\n')
		n--;
	if (err == -ENOSYS)
		return fail(c, 501, "this daemon has no faults");
	if (err == -ENOMEM)
		return fail(c, 500, "out of memory");
	return fail(c, err == -EEXIST ? 409 : 400, "bad request body: %.*s", n,
		    why);
}

/* Takes @lines over.  Return: 0, or the status of what went wrong */
static int batch_run(struct call *c, json_t *lines)
{
	const struct control_ops *ops = c->t->ops;
	json_t *ask, *result = NULL;
	char *said = NULL;
	size_t len;
	FILE *errors;
	int err = -ENOSYS, status = 0;

	if (!json_array_size(lines)) {
		json_decref(lines);
		return 0;
	}
	ask = json_pack("{s:s, s:o}", "cmd", "fault", "lines", lines);
	errors = open_memstream(&said, &len);
	if (!ask || !errors)
		err = -ENOMEM;
	else if (ops->command)
		err = ops->command(ops->arg, "fault", ask, &result, errors);
	if (errors)
		fclose(errors);
	if (err)
		status = batch_failed(c, err, said);
	json_decref(ask);
	json_decref(result);
	free(said);
	return status;
}

/* --- proxies --- */

static bool proxy_enabled(struct toxi *t, const char *service)
{
	return !*toxic_find(t, service, DOWN, true);
}

/* The toxics of one direction; toxiproxy lists upstream first. */
static void put_toxics(const struct call *c, json_t *list, const char *service,
		       bool upstream)
{
	for (const struct toxic *x = c->t->toxics; x; x = x->next)
		if (!x->hidden && x->upstream == upstream &&
		    !strcmp(x->service, service))
			json_array_append_new(list, toxic_json(x));
}

static json_t *toxics_json(const struct call *c, const char *service)
{
	json_t *list = json_array();

	put_toxics(c, list, service, true);
	put_toxics(c, list, service, false);
	return list;
}

static const char *service_listen(const json_t *service)
{
	const char *l = json_string_value(
		json_array_get(json_object_get(service, "listen"), 0));

	return l ? l : "";
}

static json_t *proxy_json(const struct call *c, const json_t *service)
{
	const char *name = service_name(service);
	const char *listen = service_listen(service);
	const char *to = json_string_value(json_object_get(service, "connect"));

	return json_pack("{s:s, s:s, s:s, s:b, s:o}", "name", name, "listen",
			 listen, "upstream", to && *to ? to : listen, "enabled",
			 proxy_enabled(c->t, name), "toxics",
			 toxics_json(c, name));
}

static json_t *service_find(const struct call *c, const char *name)
{
	json_t *s;
	size_t i;

	json_array_foreach(c->services, i, s) {
		if (!strcmp(service_name(s), name))
			return s;
	}
	return NULL;
}

/* A numeric address and port; false: a name, or nothing to compare. */
static bool machine_parse(const char *text, struct ipaddr *addr, unsigned *port)
{
	const char *colon = strrchr(text, ':');
	char host[64];
	size_t n = colon ? (size_t)(colon - text) : sizeof(host);

	if (n >= sizeof(host))
		return false;
	if (*text == '[' && n >= 2 && text[n - 1] == ']') {
		text++;
		n -= 2;
	}
	memcpy(host, text, n);
	host[n] = '\0';
	*port = (unsigned)strtoul(colon + 1, NULL, 10);
	if (!address_parse(host, addr))
		return false;
	if (ipaddr_is_v4(addr)) /* the unspecified address, and this machine */
		return addr->b[12] && addr->b[12] != 127;
	return memcmp(addr->b, &in6addr_any, 16) != 0 &&
	       memcmp(addr->b, &in6addr_loopback, 16) != 0;
}

/*
 * Is the address @given by a client compatible with one of @own?  Only an
 * address of another machine is not.
 */
static bool address_agrees(const json_t *own, const char *given)
{
	struct ipaddr want, have;
	unsigned want_port, have_port;
	const json_t *o;
	size_t i;

	if (!given || !machine_parse(given, &want, &want_port))
		return true;
	json_array_foreach(own, i, o) {
		if (!machine_parse(json_string_value(o), &have, &have_port) ||
		    (ipaddr_eq(&want, &have) &&
		     (want_port == have_port || !want_port)))
			return true;
	}
	return false;
}

static bool get_text(const json_t *body, const char *key, const char **out)
{
	const json_t *v = json_object_get(body, key);

	*out = json_string_value(v);
	return !v || json_is_null(v) || *out;
}

/* Is @given one of @own?  True if nothing was given. */
static bool address_stays(const json_t *own, const char *given)
{
	struct ipaddr want, have;
	unsigned want_port, have_port;
	const json_t *o;
	bool numeric;
	size_t i;

	if (!given || !*given)
		return true;
	numeric = machine_parse(given, &want, &want_port);
	json_array_foreach(own, i, o) {
		const char *text = json_string_value(o);

		if (!strcmp(text, given) ||
		    (numeric && machine_parse(text, &have, &have_port) &&
		     ipaddr_eq(&want, &have) && want_port == have_port))
			return true;
	}
	return false;
}

/*
 * Check that what a client says about a proxy agrees with the service.  Return:
 * 0 or an HTTP status
 * @stays: the proxy exists already; then another address would be a change,
 *         which is refused.  A new proxy may have a name or a loopback address,
 *         by which the client means its own machine.
 */
static int proxy_agrees(struct call *c, const json_t *service,
			const json_t *want,
			bool (*stays)(const json_t *own, const char *given))
{
	const json_t *listens = json_object_get(service, "listen");
	const char *to = json_string_value(json_object_get(service, "connect"));
	const char *name = service_name(service), *listen, *upstream;
	const json_t *on = json_object_get(want, "enabled");
	json_t *own;
	bool agrees;

	if (!get_text(want, "listen", &listen) ||
	    !get_text(want, "upstream", &upstream) ||
	    (on && !json_is_boolean(on) && !json_is_null(on)))
		return fail(c, 400,
			    "bad request body: listen, upstream: "
			    "strings; enabled: true or false");
	if (!stays(listens, listen))
		return fail(c, 409,
			    "[service %s] of the configuration listens on %s, "
			    "not on %.200s; change it there",
			    name, service_listen(service), listen);
	own = to && *to ? json_pack("[s]", to) : json_deep_copy(listens);
	agrees = stays(own, upstream);
	json_decref(own);
	if (!agrees)
		return fail(c, 409,
			    "[service %s] of the configuration connects to "
			    "%s, not to %.200s; change it there",
			    name, to && *to ? to : service_listen(service),
			    upstream);
	return 0;
}

static int unknown_service(struct call *c, const char *name)
{
	return fail(c, 400,
		    "proxies are services of the configuration file: add a "
		    "section [service %.64s] with listen = ADDRESS:PORT to it "
		    "and reload",
		    name);
}

static struct toxic *hidden_new(const char *service, const char *name,
				const char *json)
{
	json_t *body = json_loads(json, 0, NULL);
	struct toxic *x;
	char why[64];

	json_object_set_new(body, "name", json_string(name));
	x = toxic_new(service, body, why, sizeof(why));
	if (x)
		x->hidden = true;
	json_decref(body);
	return x;
}

static int proxy_disable(struct call *c, const char *service)
{
	struct toxic *down = hidden_new(service, DOWN,
					"{\"type\":\"refuse\",\"attributes\":"
					"{\"with\":\"rst\"}}");
	/* 1 ms: a timeout of 0 would never end */
	struct toxic *cut = hidden_new(service, CUT,
				       "{\"type\":\"timeout\",\"attributes\":"
				       "{\"timeout\":1,\"from\":\"begin\"}}");
	json_t *lines = json_array();
	int rc = 0;

	if (!down || !cut)
		rc = fail(c, 500, "out of memory");
	else if (lines_add(c, lines, down) && lines_add(c, lines, cut))
		rc = batch_run(c, json_incref(lines));
	json_decref(lines);
	if (rc) {
		toxic_free(down);
		toxic_free(cut);
		return rc;
	}
	toxic_append(c->t, down);
	toxic_append(c->t, cut);
	return 0;
}

/* Remove the toxics of @service (NULL: of all services) and its hidden ones, or
 * only the hidden ones. */
static int toxics_remove(struct call *c, const char *service, bool hidden_only)
{
	struct toxic **p = &c->t->toxics, *x;
	json_t *lines = json_array();
	int rc;

	for (x = *p; x; x = x->next)
		if ((!service || !strcmp(x->service, service)) &&
		    (x->hidden || !hidden_only))
			lines_del(lines, x);
	rc = batch_run(c, lines);
	while (!rc && (x = *p)) {
		if ((service && strcmp(x->service, service) != 0) ||
		    (!x->hidden && hidden_only)) {
			p = &x->next;
			continue;
		}
		*p = x->next;
		toxic_free(x);
	}
	return rc;
}

/* Set "enabled" as in @want, if it is there. */
static int proxy_set(struct call *c, const json_t *service, const json_t *want)
{
	const json_t *on = json_object_get(want, "enabled");
	const char *name = service_name(service);

	if (!json_is_boolean(on) ||
	    json_is_true(on) == proxy_enabled(c->t, name))
		return 0;
	return json_is_true(on) ? toxics_remove(c, name, true)
				: proxy_disable(c, name);
}

/* --- requests --- */

static int version_get(struct call *c)
{
	c->answer = json_pack("{s:s, s:s}", "version", TOXI_VERSION, "penstock",
			      PENSTOCK_VERSION);
	return 200;
}

static int reset_post(struct call *c)
{
	int rc = toxics_remove(c, NULL, false);

	return rc ? rc : 204;
}

static int proxies_get(struct call *c)
{
	json_t *s;
	size_t i;

	c->answer = json_object();
	json_array_foreach(c->services, i, s) {
		json_object_set_new(c->answer, service_name(s),
				    proxy_json(c, s));
	}
	return 200;
}

/* Check a wanted proxy.  Return: 0 with its service in *out, or an HTTP
 * status. */
static int proxy_wanted(struct call *c, const json_t *want, json_t **out)
{
	const char *name, *upstream;

	if (!json_is_object(want) || !get_text(want, "name", &name) ||
	    !get_text(want, "upstream", &upstream))
		return fail(c, 400,
			    "bad request body: name, upstream: "
			    "strings");
	if (!name || !*name)
		return fail(c, 400, "missing required field: name");
	if (!upstream || !*upstream)
		return fail(c, 400, "missing required field: upstream");
	*out = service_find(c, name);
	if (!*out)
		return unknown_service(c, name);
	return proxy_agrees(c, *out, want, address_agrees);
}

static int proxies_post(struct call *c)
{
	json_t *service;
	int rc = proxy_wanted(c, c->body, &service);

	if (!rc)
		rc = proxy_set(c, service, c->body);
	if (rc)
		return rc;
	c->answer = proxy_json(c, service);
	return 201;
}

/* All are checked before one is changed. */
static int populate_post(struct call *c)
{
	json_t *want, *service = NULL, *list;
	size_t i;
	int rc = 0;

	if (!json_is_array(c->body))
		return fail(c, 400, "bad request body: a list of proxies");
	json_array_foreach(c->body, i, want) {
		rc = proxy_wanted(c, want, &service);
		if (rc)
			return rc;
	}
	list = json_array();
	json_array_foreach(c->body, i, want) {
		rc = proxy_wanted(c, want, &service);
		if (!rc)
			rc = proxy_set(c, service, want);
		if (rc)
			break;
		json_array_append_new(list, proxy_json(c, service));
	}
	if (rc)
		json_object_set(c->answer, "proxies", list);
	else
		c->answer = json_pack("{s:O}", "proxies", list);
	json_decref(list);
	return rc ? rc : 201;
}

static int proxy_get(struct call *c)
{
	c->answer = proxy_json(c, c->service);
	return 200;
}

static int proxy_post(struct call *c)
{
	int rc;

	if (!json_is_object(c->body))
		return fail(c, 400, "bad request body: an object");
	rc = proxy_agrees(c, c->service, c->body, address_stays);
	if (!rc)
		rc = proxy_set(c, c->service, c->body);
	return rc ? rc : proxy_get(c);
}

/* The service remains, as the configuration says. */
static int proxy_delete(struct call *c)
{
	int rc = toxics_remove(c, c->part[1], false);

	return rc ? rc : 204;
}

static int toxics_get(struct call *c)
{
	c->answer = toxics_json(c, c->part[1]);
	return 200;
}

static int toxics_post(struct call *c)
{
	json_t *lines;
	struct toxic *x;
	char why[300];
	int rc;

	if (!json_is_object(c->body))
		return fail(c, 400, "bad request body: an object");
	x = toxic_new(c->part[1], c->body, why, sizeof(why));
	if (!x)
		return fail(c, 400, "bad request body: %s", why);
	if (*toxic_find(c->t, x->service, x->name, false)) {
		toxic_free(x);
		return fail(c, 409, "toxic already exists");
	}
	if (!*x->fault && noops_full(c->t)) {
		toxic_free(x);
		return fail(c, 400, "at most %d toxics of type noop",
			    NOOPS_MAX);
	}
	lines = json_array();
	rc = lines_add(c, lines, x) ? batch_run(c, json_incref(lines)) : 400;
	json_decref(lines);
	if (rc) {
		toxic_free(x);
		return rc;
	}
	toxic_append(c->t, x);
	c->answer = toxic_json(x);
	return 200;
}

static struct toxic **toxic_named(struct call *c)
{
	struct toxic **p = toxic_find(c->t, c->part[1], c->part[3], false);

	if (!*p)
		fail(c, 404, "toxic not found");
	return p;
}

static int toxic_get(struct call *c)
{
	const struct toxic *x = *toxic_named(c);

	if (!x)
		return 404;
	c->answer = toxic_json(x);
	return 200;
}

static int toxic_post(struct call *c)
{
	struct toxic **p = toxic_named(c), *old = *p, *x;
	json_t *lines;
	char why[300];
	int rc;

	if (!old)
		return 404;
	if (!json_is_object(c->body))
		return fail(c, 400, "bad request body: an object");
	x = toxic_update(old, c->body, why, sizeof(why));
	if (!x)
		return fail(c, 400, "bad request body: %s", why);
	lines = json_array();
	lines_del(lines, old);
	rc = lines_add(c, lines, x) ? batch_run(c, json_incref(lines)) : 400;
	json_decref(lines);
	if (rc) {
		toxic_free(x);
		return rc;
	}
	x->next = old->next;
	*p = x;
	toxic_free(old);
	c->answer = toxic_json(x);
	return 200;
}

static int toxic_delete(struct call *c)
{
	struct toxic **p = toxic_named(c), *x = *p;
	json_t *lines;
	int rc;

	if (!x)
		return 404;
	lines = json_array();
	lines_del(lines, x);
	rc = batch_run(c, lines);
	if (rc)
		return rc;
	*p = x->next;
	toxic_free(x);
	return 204;
}

/* --- routes --- */

static const struct {
	const char *first, *third;
	int depth;
	unsigned methods;
	int (*fn)(struct call *c);
} routes[] = {
	{"version", NULL, 1, TOXI_GET, version_get},
	{"reset", NULL, 1, TOXI_POST, reset_post},
	{"populate", NULL, 1, TOXI_POST, populate_post},
	{"proxies", NULL, 1, TOXI_GET, proxies_get},
	{"proxies", NULL, 1, TOXI_POST, proxies_post},
	{"proxies", NULL, 2, TOXI_GET, proxy_get},
	{"proxies", NULL, 2, TOXI_POST | TOXI_PATCH, proxy_post},
	{"proxies", NULL, 2, TOXI_DELETE, proxy_delete},
	{"proxies", "toxics", 3, TOXI_GET, toxics_get},
	{"proxies", "toxics", 3, TOXI_POST, toxics_post},
	{"proxies", "toxics", 4, TOXI_GET, toxic_get},
	{"proxies", "toxics", 4, TOXI_POST | TOXI_PATCH, toxic_post},
	{"proxies", "toxics", 4, TOXI_DELETE, toxic_delete},
};

static bool part_is(const struct call *c, int i, const char *want)
{
	return !want || (c->part[i] && !strcmp(c->part[i], want));
}

static int route(struct call *c, unsigned method)
{
	bool known = false;

	for (size_t i = 0; i < ARRAY_LEN(routes); i++) {
		if (c->depth != routes[i].depth ||
		    !part_is(c, 0, routes[i].first) ||
		    !part_is(c, 2, routes[i].third))
			continue;
		known = true;
		if (!(routes[i].methods & method))
			continue;
		if (c->depth == 1)
			return routes[i].fn(c);
		c->service = service_find(c, c->part[1]);
		return c->service ? routes[i].fn(c)
				  : fail(c, 404, "proxy not found");
	}
	return known ? fail(c, 405, "method not allowed")
		     : fail(c, 404, "no such page");
}

/* Segments of the path, decoded one by one: a name may hold "%2F". */
static bool path_split(struct call *c, const char *path)
{
	while (*path == '/') {
		size_t n = strcspn(++path, "/"), len;
		char *raw;

		if (!n && !path[n])
			break; /* a slash at the end */
		if (c->depth == DEPTH_MAX)
			return false;
		raw = strndup(path, n);
		c->part[c->depth] = raw ? evhttp_uridecode(raw, 0, &len) : NULL;
		free(raw);
		if (!c->part[c->depth])
			return false;
		if (strlen(c->part[c->depth++]) != len)
			return false; /* %00 */
		path += n;
	}
	return c->depth > 0;
}

bool toxi_owns(const char *path)
{
	size_t n = strcspn(path + (*path == '/'), "/");

	for (size_t i = 0; *path == '/' && i < ARRAY_LEN(routes); i++)
		if (strlen(routes[i].first) == n &&
		    !memcmp(path + 1, routes[i].first, n))
			return true;
	return false;
}

static int answer_parsed(struct call *c, unsigned method, const char *path)
{
	const struct control_ops *ops = c->t->ops;

	if (!path_split(c, path))
		return fail(c, 404, "no such page");
	c->services = ops->services ? ops->services(ops->arg) : json_array();
	toxics_check(c->t);
	return route(c, method);
}

int toxi_answer(struct toxi *t, unsigned method, const char *path,
		const char *body, size_t len, json_t **answer)
{
	struct call c = {.t = t};
	json_error_t why;
	int status;

	if (len)
		c.body = json_loadb(body, len, 0, &why);
	if (len && !c.body)
		status = fail(&c, 400, "bad request body: %s", why.text);
	else
		status = answer_parsed(&c, method, path);
	if (status == 204) {
		json_decref(c.answer);
		c.answer = NULL;
	} else if (!c.answer) {
		status = fail(&c, 500, "out of memory");
	}
	for (int i = 0; i < c.depth; i++)
		free(c.part[i]);
	json_decref(c.services);
	json_decref(c.body);
	*answer = c.answer;
	return status;
}

struct toxi *toxi_new(const struct control_ops *ops)
{
	struct toxi *t = calloc(1, sizeof(*t));

	if (t)
		t->ops = ops;
	return t;
}

void toxi_free(struct toxi *t)
{
	struct toxic *x, *next;

	for (x = t ? t->toxics : NULL; x; x = next) {
		next = x->next;
		toxic_free(x);
	}
	free(t);
}
