/* SPDX-License-Identifier: MIT */
/*
 * The configuration: read at the start, and again on SIGHUP or by command.
 */
#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include <systemd/sd-daemon.h>

#include "penstockd.h"
#include "rules/host.h"
#include "rules/source.h"

#define MEMORY_MIN (16ull << 20) /* of one worker: its ring and some flows */

int daemon_load(const char *path, struct config **out, FILE *errors)
{
	struct config *c;
	int err = config_load(path, &c, errors);

	if (err)
		return err;
	if (c->daemon.max_memory / c->daemon.workers < MEMORY_MIN) {
		fprintf(errors,
			"%s: [penstock] max_memory: %llu bytes for %u workers; "
			"allowed: 16M or more for each\n",
			path, (unsigned long long)c->daemon.max_memory,
			c->daemon.workers);
		config_free(c);
		return -EINVAL;
	}
	err = host_judge(c->policy, path, errors);
	if (err) {
		config_free(c);
		return err;
	}
	host_follow(c->policy);
	*out = c;
	return 0;
}

int daemon_load_to_run(const char *path, struct config **out, FILE *errors)
{
	int err = daemon_load(path, out, errors);

	if (!err)
		err = source_resolve((*out)->policy, path, errors);
	if (err) {
		config_free(*out);
		*out = NULL;
	}
	return err;
}

void daemon_warn_harm(const struct policy *p)
{
	if (!p->nservice)
		log_warn("no service: nothing is taken");
	for (uint32_t i = 0; i < p->nservice; i++) {
		if (p->service[i].shield.tw_recycle)
			log_warn("service %s: tcp_tw_recycle = 1 shuts out "
				 "clients that share an address (NAT)",
				 p->service[i].name);
	}
}

/* Warn of keys that a reload cannot change; they keep their values. */
static void warn_restart(const struct daemon_cfg *old,
			 const struct daemon_cfg *new)
{
	static const char line[] = "reload: %s takes effect at a restart";

	if (old->workers != new->workers || old->queue != new->queue)
		log_warn(line, "workers, queue");
	if (old->mark != new->mark || strcmp(old->tun, new->tun) != 0)
		log_warn(line, "mark, tun");
	if (old->max_flows != new->max_flows || old->max_tw != new->max_tw ||
	    old->max_memory != new->max_memory)
		log_warn(line, "max_flows, max_memory, tcp_max_tw_buckets");
	if (strcmp(old->secret_file, new->secret_file) != 0 ||
	    old->secret_rotate != new->secret_rotate)
		log_warn(line, "secret_file, secret_rotate");
	if (strcmp(old->control, new->control) != 0 ||
	    strcmp(old->http, new->http) != 0 ||
	    old->http_write != new->http_write ||
	    strcmp(old->http_names, new->http_names) != 0 ||
	    strcmp(old->http_token_file, new->http_token_file) != 0)
		log_warn(line, "control, http, http_names, http_token_file, "
			       "http_write");
	if (strcmp(old->fault_log, new->fault_log) != 0)
		log_warn(line, "fault_log");
}

/* The keys of [penstock] that a reload changes. */
static void adopt_daemon_cfg(struct daemon_cfg *now,
			     const struct daemon_cfg *new)
{
	warn_restart(now, new);
	now->shutdown_grace = new->shutdown_grace;
	now->log_level = new->log_level;
	now->log_debug = new->log_debug; /* used by the policy */
	now->rules = new->rules;
	now->front = new->front;
	now->front_ifs = new->front_ifs;
	memcpy(now->bpf_dir, new->bpf_dir, sizeof(now->bpf_dir));
	memcpy(now->connection_log, new->connection_log,
	       sizeof(now->connection_log));
	log_set_level(now->log_level);
}

/* Faults first: only they can be refused. */
static int adopt_config(struct daemon *d, struct config *c, FILE *errors)
{
	int err = faults_adopt(d, c, errors);

	if (err) {
		config_free(c);
		return err;
	}
	adopt_daemon_cfg(&d->cfg->daemon, &c->daemon);
	units_set_policy(d, c->policy);
	c->daemon = d->cfg->daemon;
	config_free(d->cfg);
	d->cfg = c;
	daemon_warn_harm(c->policy);
	log_info("reload: %u services from %s", c->policy->nservice, d->path);
	connlog_open(d, c->daemon.connection_log);
	xdp_follow(d);
	rules_look(d);
	return 0;
}

/* Log the errors of a bad file, and pass them on. */
static void report_errors(struct daemon *d, char *text, FILE *errors)
{
	char *line, *rest = text;

	if (errors)
		fputs(text, errors);
	while ((line = strsep(&rest, "\n"))) {
		if (*line)
			log_err("reload: %s", line);
	}
	log_err("reload: %s has errors, nothing was changed", d->path);
}

int daemon_reload(struct daemon *d, FILE *errors)
{
	struct config *c = NULL;
	char *text = NULL;
	size_t len;
	FILE *mem;
	int err;

	if (mono_is_set(d->stop_by)) {
		if (errors)
			fputs("stopping: nothing is reloaded any more\n",
			      errors);
		return -ESHUTDOWN;
	}
	mem = open_memstream(&text, &len);
	if (!mem)
		return -ENOMEM;
	sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%lld",
		   (long long)worker_clock().us);
	err = daemon_load_to_run(d->path, &c, mem);
	if (!err)
		err = adopt_config(d, c, mem);
	fclose(mem);
	d->reload_failed = err != 0;
	if (err) {
		report_errors(d, text, errors);
		sd_notify(0, "READY=1\nSTATUS=Running; last reload failed");
	} else {
		d->loaded_s = (int64_t)time(NULL);
		sd_notify(0, "READY=1\nSTATUS=Running");
	}
	free(text);
	return err;
}
