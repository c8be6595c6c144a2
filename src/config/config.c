/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation
 *
 * First the file is split into sections and keys without meaning (inidoc).
 * Then the sections are applied in the order of inheritance, not of the file:
 * defaults, [penstock], [tcp] into a template service, each [service] into a
 * copy of that template, and each [fault].  The modules' tables say what a key
 * is, where its value goes and what is allowed (keys).  Finally the whole
 * policy is checked for conflicts between keys: services with the same address
 * and port, a service without listen.
 *
 * Errors are gathered (diag), so that all errors of a file are reported at
 * once.  A configuration is returned only if there were none.
 */
#include "config/config.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>

#include "config/diag.h"
#include "config/inidoc.h"
#include "config/keys.h"
#include "config/textfile.h"
#include "util/word.h"

#define KEYS_MAX 512 /* keys that one section may have, all tables */

/**
 * struct loader - The state of loading a file
 * @kind:  per section of the file: enum conf_section, or -1 (skipped)
 * @title: per section: its NAME
 * @tmpl:  the service that [tcp] describes
 * @services: sections that become services
 * @faults: sections that become faults
 * @sect:  per service: its section
 * @listen_line: per service: the lines of its listens
 */
struct loader {
	struct diag diag;
	struct inidoc doc;
	int *kind;
	const char **title;
	struct config *cfg;
	struct service tmpl;
	uint32_t services, faults;
	uint32_t *sect;
	uint32_t (*listen_line)[SERVICE_LISTENS_MAX];
};

static void err_unknown_section(struct loader *l, uint32_t i)
{
	const struct inidoc_section *s = &l->doc.section[i];
	const char *near = NULL;
	char word[INIDOC_SECTION_MAX + 1];

	snprintf(word, sizeof(word), "%.*s", (int)strcspn(s->name, " \t"),
		 s->name);
	for (int k = 0; k < CONF_SECTIONS && !near; k++) {
		if (word_is_near(word, conf_section_name[k]))
			near = conf_section_name[k];
	}
	diag_add(&l->diag, s->line,
		 "[%s]: found an unknown section; allowed: penstock, tcp, "
		 "service NAME, fault NAME%s%s%s",
		 s->name, near ? "; did you mean \"" : "", near ? near : "",
		 near ? "\"?" : "");
}

static bool title_is_good(const char *title)
{
	size_t n = 0;

	for (; title[n]; n++) {
		if (!isalnum((unsigned char)title[n]) &&
		    !strchr("_-.", title[n]))
			return false;
	}
	return n >= 1 && n <= SERVICE_NAME_MAX;
}

/* An earlier section of the same kind and name, or NULL. */
static const struct inidoc_section *section_before(const struct loader *l,
						   uint32_t i)
{
	for (uint32_t j = 0; j < i; j++) {
		if (l->kind[j] == l->kind[i] &&
		    !strcmp(l->title[j], l->title[i]))
			return &l->doc.section[j];
	}
	return NULL;
}

/* Find the kind of section @i; -1 when it cannot be used. */
static int section_classify(struct loader *l, uint32_t i)
{
	const struct inidoc_section *s = &l->doc.section[i], *before;
	int kind = conf_section_find(s->name, &l->title[i]);

	if (kind < 0) {
		err_unknown_section(l, i);
		return -1;
	}
	l->kind[i] = kind;
	if (!conf_section_is_titled((enum conf_section)kind)) {
		if (*l->title[i])
			diag_add(&l->diag, s->line,
				 "[%s]: found \"%s\"; allowed: [%s], which "
				 "takes no name",
				 s->name, l->title[i], conf_section_name[kind]);
	} else if (!title_is_good(l->title[i])) {
		diag_add(&l->diag, s->line,
			 "[%s]: found \"%s\"; allowed: a name, 1..%d of "
			 "letters, digits, - _ and .",
			 s->name, l->title[i], SERVICE_NAME_MAX);
	}
	before = section_before(l, i);
	if (before)
		diag_add(&l->diag, s->line,
			 "[%s]: found a second time; allowed: once (first in "
			 "line %u)",
			 s->name, before->line);
	return kind;
}

static int sections_classify(struct loader *l)
{
	uint32_t n = l->doc.nsection;

	l->kind = calloc(n + 1, sizeof(*l->kind));
	l->title = calloc(n + 1, sizeof(*l->title));
	if (!l->kind || !l->title)
		return -ENOMEM;
	for (uint32_t i = 0; i < n; i++) {
		l->kind[i] = -1;
		l->kind[i] = section_classify(l, i);
		if (l->kind[i] == CONF_SERVICE && l->services++ == SERVICES_MAX)
			diag_add(&l->diag, l->doc.section[i].line,
				 "[%s]: found one more service; allowed: at "
				 "most %d",
				 l->doc.section[i].name, SERVICES_MAX);
		if (l->kind[i] == CONF_FAULT)
			l->faults++;
	}
	return 0;
}

static void err_unknown_key(struct loader *l, uint32_t sect,
			    const struct inidoc_key *key)
{
	enum conf_section kind = (enum conf_section)l->kind[sect];
	const char *near = conf_key_nearest(kind, key->name);
	int other = conf_key_elsewhere(kind, key->name);
	const char *name = l->doc.section[sect].name;

	if (other >= 0)
		diag_add(&l->diag, key->line,
			 "[%s] %s: found \"%s\"; allowed: a key of [%s]; this "
			 "one belongs to [%s]",
			 name, key->name, key->name, conf_section_name[kind],
			 conf_section_name[other]);
	else
		diag_add(&l->diag, key->line,
			 "[%s] %s: found \"%s\"; allowed: a key of [%s] "
			 "(penstockctl keys)%s%s%s",
			 name, key->name, key->name, conf_section_name[kind],
			 near ? "; did you mean \"" : "", near ? near : "",
			 near ? "\"?" : "");
}

struct seen {
	const struct opt_desc *desc[KEYS_MAX];
	uint32_t line[KEYS_MAX];
	uint32_t n;
};

/* The line that set @d before in this section, or 0; notes it otherwise. */
static uint32_t seen_before(struct seen *s, const struct opt_desc *d,
			    uint32_t line)
{
	for (uint32_t i = 0; i < s->n; i++) {
		if (s->desc[i] == d)
			return s->line[i];
	}
	if (s->n < KEYS_MAX) {
		s->desc[s->n] = d;
		s->line[s->n++] = line;
	}
	return 0;
}

/* A key adds at most one listen: the last one has no line yet. */
static void note_listen(struct loader *l, const struct service *s,
			uint32_t line)
{
	uint32_t *at;

	if (!s || s == &l->tmpl || !s->listen.n)
		return;
	at = &l->listen_line[s - l->cfg->policy->service][s->listen.n - 1];
	if (!*at)
		*at = line;
}

/* Read the value of one key, and report what is wrong with it. */
static void key_apply(struct loader *l, const struct inidoc_key *key,
		      const struct conf_key *k, void *const bases[CONF_BASES])
{
	const char *name = l->doc.section[key->section].name;
	struct fault_spec *f = bases[CONF_IN_FAULT];
	char err[DIAG_TEXT_MAX];

	if (opt_parse(k->desc, conf_key_base(k, bases), key->value, err,
		      sizeof(err))) {
		diag_add(&l->diag, key->line, "[%s] %s: %s", name, key->name,
			 err);
		return;
	}
	if (f && fault_spec_note(f, key->name, key->value, err, sizeof(err)))
		diag_add(&l->diag, key->line, "[%s] %s", name, err);
	note_listen(l, bases[CONF_IN_SERVICE], key->line);
}

/* Apply every key of section @sect to the structs in @bases. */
static void section_apply(struct loader *l, uint32_t sect,
			  void *const bases[CONF_BASES])
{
	enum conf_section kind = (enum conf_section)l->kind[sect];
	const char *name = l->doc.section[sect].name;
	struct seen seen = {.n = 0};

	for (uint32_t i = 0; i < l->doc.nkey; i++) {
		const struct inidoc_key *key = &l->doc.key[i];
		struct conf_key k;
		uint32_t before;

		if (key->section != sect)
			continue;
		k = conf_key_find(kind, key->name);
		if (!k.row) {
			err_unknown_key(l, sect, key);
			continue;
		}
		before = seen_before(&seen, k.desc, key->line);
		if (before && !k.desc->repeat) {
			diag_add(&l->diag, key->line,
				 "[%s] %s: found a second time, \"%s\"; "
				 "allowed: once (first in line %u)",
				 name, key->name, key->value, before);
			continue;
		}
		key_apply(l, key, &k, bases);
	}
}

static void sections_apply(struct loader *l, enum conf_section kind,
			   void *const bases[CONF_BASES])
{
	for (uint32_t i = 0; i < l->doc.nsection; i++) {
		if (l->kind[i] == (int)kind)
			section_apply(l, i, bases);
	}
}

static void services_apply(struct loader *l)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < l->doc.nsection; i++) {
		struct service *s;
		void *bases[CONF_BASES] = {&l->cfg->daemon, NULL};

		if (l->kind[i] != CONF_SERVICE)
			continue;
		l->sect[n] = i;
		s = &l->cfg->policy->service[n++];
		*s = l->tmpl;
		snprintf(s->name, sizeof(s->name), "%s", l->title[i]);
		bases[CONF_IN_SERVICE] = s;
		section_apply(l, i, bases);
	}
}

/* The line of the first key @name of section @sect, or the section's. */
static uint32_t key_line(const struct loader *l, uint32_t sect,
			 const char *name)
{
	for (uint32_t i = 0; i < l->doc.nkey; i++) {
		const struct inidoc_key *key = &l->doc.key[i];

		if (key->section == sect && !strcmp(key->name, name))
			return key->line;
	}
	return sect < l->doc.nsection ? l->doc.section[sect].line : 0;
}

static bool key_is_there(const struct loader *l, uint32_t sect,
			 const char *name)
{
	return key_line(l, sect, name) != l->doc.section[sect].line;
}

/* Two prefixes overlap when the shorter covers the longer one's address. */
static bool endpoints_overlap(const struct endpoint *a,
			      const struct endpoint *b)
{
	struct endpoint any_port = a->prefix < b->prefix ? *a : *b;
	const struct endpoint *longer = a->prefix < b->prefix ? b : a;

	if (a->port && b->port && a->port != b->port)
		return false;
	any_port.port = 0;
	return endpoint_matches(&any_port, &longer->addr, 0);
}

/* Look among the listens before (@svc, @ep) for one that overlaps it. */
static void check_overlap(struct loader *l, uint32_t svc, uint32_t ep)
{
	const struct policy *p = l->cfg->policy;
	const struct endpoint *mine = &p->service[svc].listen.ep[ep];
	uint32_t sect = l->sect[svc];

	for (uint32_t i = 0; i <= svc; i++) {
		uint32_t n = i == svc ? ep : p->service[i].listen.n;

		for (uint32_t j = 0; j < n; j++) {
			uint32_t other = l->sect[i];

			if (!endpoints_overlap(&p->service[i].listen.ep[j],
					       mine))
				continue;
			diag_add(&l->diag, l->listen_line[svc][ep],
				 "[%s] listen: found an address and port that "
				 "[%s] claims in line %u; allowed: each once",
				 l->doc.section[sect].name,
				 l->doc.section[other].name,
				 l->listen_line[i][j]);
			return;
		}
	}
}

static char *read_file(const char *path, size_t *len, const char **why,
		       void *arg)
{
	(void)arg;
	return textfile_read(path, len, why);
}

/* Admission: do its keys agree, and what do the address lists say? */
static void check_shield(struct loader *l, uint32_t svc)
{
	struct service *s = &l->cfg->policy->service[svc];
	uint32_t sect = l->sect[svc];
	const char *name = l->doc.section[sect].name;
	char err[DIAG_TEXT_MAX];

	if (shield_cfg_check(&s->shield, err, sizeof(err)))
		diag_add(&l->diag, l->doc.section[sect].line, "[%s]: %s", name,
			 err);
	if (shield_access_new(&s->shield, read_file, NULL, &s->shield.access,
			      err, sizeof(err)))
		diag_add(&l->diag,
			 key_line(l, sect,
				  key_is_there(l, sect, "allow") ? "allow"
								 : "deny"),
			 "[%s]: %s", name, err);
}

/* A cookie answers the client before the server is asked. */
static void check_handshake(struct loader *l, uint32_t svc)
{
	const struct service *s = &l->cfg->policy->service[svc];
	uint32_t sect = l->sect[svc];

	if (s->handshake != HANDSHAKE_SERVER_FIRST || s->syncookies != 2)
		return;
	diag_add(&l->diag, key_line(l, sect, "handshake"),
		 "[%s] handshake: found server_first with tcp_syncookies = 2; "
		 "allowed: client_first or auto, as a cookie answers the "
		 "client before the server can, or tcp_syncookies = 0 or 1",
		 l->doc.section[sect].name);
}

static bool has_fault(const struct loader *l, const char *service)
{
	for (uint32_t i = 0; i < l->cfg->nfault; i++) {
		const char *of = l->cfg->fault[i].service;

		if (!*of || !strcmp(of, service))
			return true;
	}
	return false;
}

/* With relay = splice the kernel only translates: addresses must stay the same,
 * the client must be admitted before the server is asked, and there can be no
 * faults. */
static void check_relay(struct loader *l, uint32_t svc)
{
	const struct service *s = &l->cfg->policy->service[svc];
	uint32_t sect = l->sect[svc];
	const char *found = NULL;

	if (s->relay != RELAY_SPLICE)
		return;
	if (s->handshake != HANDSHAKE_CLIENT_FIRST)
		found = "splice, and handshake is not client_first";
	else if (s->connect.port)
		found = "splice with connect";
	else if (s->source.mode != SOURCE_CLIENT)
		found = "splice with source";
	else if (has_fault(l, s->name))
		found = "splice with a fault";
	else if (!l->cfg->daemon.bpf_interfaces[0])
		found = "splice without [penstock] bpf_interfaces";
	if (found)
		diag_add(&l->diag, key_line(l, sect, "relay"),
			 "[%s] relay: found %s; allowed: terminate, or splice "
			 "with handshake = client_first and bpf_interfaces, "
			 "without connect, source and faults",
			 l->doc.section[sect].name, found);
}

static void check_service(struct loader *l, uint32_t svc)
{
	const struct service *s = &l->cfg->policy->service[svc];
	uint32_t sect = l->sect[svc];
	const char *name = l->doc.section[sect].name;

	/* a listen that was refused has its error already */
	if (!s->listen.n && !key_is_there(l, sect, "listen"))
		diag_add(&l->diag, l->doc.section[sect].line,
			 "[%s]: found no listen; allowed: at least one", name);
	for (uint32_t i = 0; i < s->listen.n; i++) {
		if (s->connect.port &&
		    ipaddr_is_v4(&s->connect.addr) !=
			    ipaddr_is_v4(&s->listen.ep[i].addr))
			diag_add(&l->diag, key_line(l, sect, "connect"),
				 "[%s] connect: found another address family "
				 "than listen in line %u; allowed: the same, "
				 "as the client's address is kept",
				 name, l->listen_line[svc][i]);
		check_overlap(l, svc, i);
	}
}

/* Checks for a source other than the client: there is only one address. */
static void check_source(struct loader *l, uint32_t svc)
{
	const struct service *s = &l->cfg->policy->service[svc];
	const struct endpoint *to = s->connect.port ? &s->connect
						    : s->listen.ep;
	uint32_t n = s->connect.port ? 1 : s->listen.n;
	const struct ipaddr *ours = s->source.mode == SOURCE_ADDRESS
					    ? &s->source.addr
					    : &to[0].addr;
	uint32_t sect = l->sect[svc];

	if (s->source.mode == SOURCE_CLIENT)
		return;
	for (uint32_t i = 0; i < n; i++) {
		if (ipaddr_is_v4(ours) == ipaddr_is_v4(&to[i].addr))
			continue;
		diag_add(&l->diag, key_line(l, sect, "source"),
			 "[%s] source: found one address for servers of %s; "
			 "allowed: the server's address family, and a service "
			 "for each",
			 l->doc.section[sect].name,
			 s->source.mode == SOURCE_ADDRESS ? "the other family"
							  : "both families");
		return;
	}
}

uint16_t daemon_queue(const struct daemon_cfg *d, uint32_t i)
{
	return (uint16_t)(d->queue + i);
}

uint16_t daemon_syn_queue(const struct daemon_cfg *d, uint32_t i)
{
	return (uint16_t)(d->queue + d->workers + i * SYN_QUEUES);
}

static void check_daemon(struct loader *l)
{
	const struct daemon_cfg *d = &l->cfg->daemon;
	uint32_t sect = 0;

	while (sect < l->doc.nsection && l->kind[sect] != CONF_PENSTOCK)
		sect++;
	if (d->front != FRONT_OFF && !d->front_ifs.n)
		diag_add(&l->diag, key_line(l, sect, "front"),
			 "[penstock] front: found no front_interfaces; "
			 "allowed: those by which clients come, or front = "
			 "off");
	if (d->queue + DAEMON_QUEUES(d) <= 65536)
		return;
	diag_add(&l->diag, key_line(l, sect, "queue"),
		 "[penstock] queue: found %u with %u workers; allowed: the "
		 "last queue, queue + %u * workers - 1, at most 65535",
		 d->queue, d->workers, 1 + SYN_QUEUES);
}

static bool service_exists(const struct policy *p, const char *name)
{
	for (uint32_t i = 0; i < p->nservice; i++) {
		if (!strcmp(p->service[i].name, name))
			return true;
	}
	return false;
}

/* log_debug is stored in the policy, which the engines get. */
static void check_trace(struct loader *l)
{
	const struct trace *t = &l->cfg->daemon.log_debug;
	uint32_t sect = 0;

	l->cfg->policy->trace = *t;
	if (!t->service[0] || service_exists(l->cfg->policy, t->service))
		return;
	while (sect < l->doc.nsection && l->kind[sect] != CONF_PENSTOCK)
		sect++;
	diag_add(&l->diag, key_line(l, sect, "log_debug"),
		 "[penstock] log_debug: found \"%s\"; allowed: the name of a "
		 "[service NAME] of this file, an address or a prefix",
		 t->service);
}

/* Checks of a fault as a whole. */
static void check_fault(struct loader *l, uint32_t sect, struct fault_spec *f,
			bool keys_good)
{
	const char *name = l->doc.section[sect].name;
	char err[DIAG_TEXT_MAX];

	if (f->service[0] && !service_exists(l->cfg->policy, f->service))
		diag_add(&l->diag, key_line(l, sect, "service"),
			 "[%s] service: found \"%s\"; allowed: the name of a "
			 "[service NAME] of this file, or empty: all",
			 name, f->service);
	/* a parameter that was refused is not missing as well */
	if (keys_good && fault_spec_check(f, err, sizeof(err)))
		diag_add(&l->diag, l->doc.section[sect].line, "[%s]: %s", name,
			 err);
}

static void faults_apply(struct loader *l)
{
	for (uint32_t i = 0; i < l->doc.nsection; i++) {
		struct fault_spec *f = &l->cfg->fault[l->cfg->nfault];
		void *bases[CONF_BASES] = {[CONF_IN_FAULT] = f};
		uint32_t errors = l->diag.n;

		if (l->kind[i] != CONF_FAULT)
			continue;
		if (l->cfg->nfault++ == FAULT_MAX)
			diag_add(&l->diag, l->doc.section[i].line,
				 "[%s]: found more than %d faults; allowed: "
				 "%d",
				 l->doc.section[i].name, FAULT_MAX, FAULT_MAX);
		fault_spec_init(f);
		snprintf(f->name, sizeof(f->name), "%s", l->title[i]);
		section_apply(l, i, bases);
		check_fault(l, i, f, l->diag.n == errors);
	}
}

static int loader_build(struct loader *l)
{
	void *bases[CONF_BASES] = {NULL, &l->tmpl};
	int err = sections_classify(l);

	if (err)
		return err;
	l->cfg = calloc(1, sizeof(*l->cfg));
	if (!l->cfg)
		return -ENOMEM;
	l->cfg->policy = policy_new(l->services);
	l->sect = calloc(l->services + 1, sizeof(*l->sect));
	l->listen_line = calloc(l->services + 1, sizeof(*l->listen_line));
	l->cfg->fault = calloc(l->faults + 1, sizeof(*l->cfg->fault));
	if (!l->cfg->policy || !l->sect || !l->listen_line || !l->cfg->fault)
		return -ENOMEM;
	bases[CONF_IN_DAEMON] = &l->cfg->daemon;
	for (int s = 0; s < CONF_FAULT; s++)
		conf_defaults((enum conf_section)s, bases);
	sections_apply(l, CONF_PENSTOCK, bases);
	sections_apply(l, CONF_TCP, bases);
	services_apply(l);
	faults_apply(l);
	check_daemon(l);
	check_trace(l);
	for (uint32_t i = 0; i < l->services; i++) {
		check_service(l, i);
		check_handshake(l, i);
		check_source(l, i);
		check_relay(l, i);
		check_shield(l, i);
	}
	return 0;
}

static int loader_run(struct loader *l, const char *path)
{
	const char *why;
	int err;
	FILE *f = textfile_open(path, &err, &why);

	if (!f) {
		diag_add(&l->diag, 0, "cannot be opened: %s", why);
		return err;
	}
	err = inidoc_read(f, &l->doc, &l->diag);
	fclose(f);
	if (err) {
		diag_add(&l->diag, 0, "cannot be read: %s", strerror(-err));
		return err;
	}
	err = loader_build(l);
	return err ? err : l->diag.n ? -EINVAL : 0;
}

int config_load(const char *path, struct config **out, FILE *errors)
{
	struct loader *l = calloc(1, sizeof(*l));
	int err;

	*out = NULL;
	if (!l)
		return -ENOMEM;
	l->diag.file = path;
	err = loader_run(l, path);
	diag_print(&l->diag, errors);
	if (!err) {
		*out = l->cfg;
		l->cfg = NULL;
	}
	config_free(l->cfg);
	inidoc_fini(&l->doc);
	free(l->kind);
	free(l->title);
	free(l->sect);
	free(l->listen_line);
	free(l);
	return err;
}

/* The last one counts.  A file with two is invalid, but this may still be the
 * right socket. */
static const char *control_of(const struct inidoc *doc)
{
	const struct conf_key k = conf_key_find(CONF_PENSTOCK, "control");
	const char *found = k.desc->def;

	for (uint32_t i = 0; i < doc->nkey; i++) {
		const char *sect = doc->section[doc->key[i].section].name;

		if (!strcmp(sect, conf_section_name[CONF_PENSTOCK]) &&
		    !strcmp(doc->key[i].name, "control"))
			found = doc->key[i].value;
	}
	return found;
}

int config_control(const char *path, char *out, size_t room)
{
	struct diag *d = calloc(1, sizeof(*d));
	struct inidoc doc = {0};
	const char *why;
	int err = -ENOMEM;
	FILE *f = d ? textfile_open(path, &err, &why) : NULL;

	if (f)
		err = inidoc_read(f, &doc, d);
	if (f && !err &&
	    snprintf(out, room, "%s", control_of(&doc)) >= (int)room)
		err = -EINVAL;
	if (f)
		fclose(f);
	inidoc_fini(&doc);
	free(d);
	return err;
}

void config_free(struct config *c)
{
	if (!c)
		return;
	policy_put(c->policy);
	free(c->fault);
	free(c);
}
