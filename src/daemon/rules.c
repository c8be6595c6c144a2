/* SPDX-License-Identifier: MIT */
/*
 * Watches the packet rules that send packets to the daemon.
 *
 * Without the rules, traffic goes to the servers unshielded and the daemon
 * would not notice.  The kernel reports every change of nftables.  A change of
 * a table raw is followed by a look after a second.  There is also a look each
 * minute, for what nobody reports: sysctls, the TUN device, the legacy form of
 * iptables.  A look is `penstockctl rules check`, done in the main thread.
 *
 * With rules = restore our chains are restored, unless `rules remove' has
 * removed them: then the file that `rules apply' writes is gone.
 */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "rules/nft.h"
#include "rules/rules.h"
#include "rules/state.h"
#include "io/priv.h"
#include "penstockd.h"

#define LOOK_SOON_US \
	USEC_PER_SEC /* wait after a change for others that belong to it */
#define LOOK_US (60 * USEC_PER_SEC)
#define RESTORE_US (10 * USEC_PER_SEC) /* at most this often */
#define LINES_LOGGED 5

enum rules_seen {
	RULES_UNKNOWN,
	RULES_OK,
	RULES_DIFFER
};

/**
 * struct rules_watch - What is known about the host's rules
 * @nft:   reports changes; NULL: nobody reports them
 * @seen:  result of the last look
 * @text:  the differences found then, one a line; owned
 * @restored: when our chains were last restored
 */
struct rules_watch {
	struct nft_watch *nft;
	struct event *ev_nft, *ev_look;
	enum rules_seen seen;
	char *text;
	mono_t restored;
};

static void look_in(struct rules_watch *w, int64_t us)
{
	const struct timeval tv = {us / USEC_PER_SEC, us % USEC_PER_SEC};

	evtimer_add(w->ev_look, &tv);
}

/* May the daemon restore the rules? */
static bool may_restore(const struct daemon *d)
{
	char path[256];

	return d->cfg->daemon.rules == RULES_RESTORE &&
	       !rules_state_path(path, sizeof(path)) && !access(path, F_OK);
}

static void log_lines(const char *text)
{
	int n = 0;

	for (const char *p = text; *p; p += strcspn(p, "\n"), p += *p == '\n') {
		if (++n <= LINES_LOGGED)
			log_warn("rules: %.*s", (int)strcspn(p, "\n"), p);
	}
	if (n > LINES_LOGGED)
		log_warn("rules: and %d more", n - LINES_LOGGED);
}

/* Log a line for each transition, and the differences if they are new. */
static void tell(struct daemon *d, enum rules_seen seen, char *text)
{
	struct rules_watch *w = d->rules;
	bool news = seen != w->seen || strcmp(text, w->text ? w->text : "");

	if (seen == RULES_DIFFER && news) {
		log_warn("rules: the host's are not those of %s; packets may "
			 "pass the daemon by until `penstockctl rules apply'",
			 d->path);
		log_lines(text);
	} else if (seen == RULES_OK && news) {
		log_info("rules: as %s says", d->path);
	} else if (seen == RULES_UNKNOWN && news) {
		log_warn("rules: cannot be looked at, so nobody watches them");
	}
	w->seen = seen;
	free(w->text);
	w->text = text;
}

/* Return: the differences, as text for free(); NULL: the rules cannot be
 * read. */
static char *look(const struct rules_plan *plan)
{
	char *text = NULL;
	size_t len;
	FILE *m = open_memstream(&text, &len);
	int n;

	if (!m)
		return NULL;
	n = rules_check(plan, m);
	if (!fclose(m) && n >= 0)
		return text;
	free(text);
	return NULL;
}

static void restore(struct daemon *d, const struct rules_plan *plan)
{
	mono_t now = worker_clock();
	struct rules_watch *w = d->rules;

	if (mono_is_set(w->restored) && mono_sub(now, w->restored) < RESTORE_US)
		return;
	w->restored = now;
	if (rules_restore(plan))
		log_err("rules: cannot be put back");
	else
		log_warn("rules: our chains were put back");
}

void rules_look(struct daemon *d)
{
	struct rules_watch *w = d->rules;
	struct rules_plan plan;
	char *text;

	if (!w || d->cfg->daemon.rules == RULES_OFF)
		return;
	if (rules_plan_init(&plan, d->cfg))
		return;
	text = look(&plan);
	if (text && *text && may_restore(d)) {
		tell(d, RULES_DIFFER, text);
		restore(d, &plan);
		text = look(&plan);
	}
	rules_plan_fini(&plan);
	if (text)
		tell(d, *text ? RULES_DIFFER : RULES_OK, text);
	else
		tell(d, RULES_UNKNOWN, strdup(""));
	look_in(w, LOOK_US);
}

static void on_look(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	rules_look(arg);
}

static void on_nft(evutil_socket_t fd, short what, void *arg)
{
	struct daemon *d = arg;

	(void)fd;
	(void)what;
	if (nft_watch_read(d->rules->nft, "raw") &&
	    d->cfg->daemon.rules != RULES_OFF)
		look_in(d->rules, LOOK_SOON_US);
}

int rules_watch_start(struct daemon *d)
{
	struct rules_watch *w = calloc(1, sizeof(*w));

	if (!w)
		return -ENOMEM;
	d->rules = w;
	w->ev_look = evtimer_new(d->base, on_look, d);
	if (!w->ev_look)
		return -ENOMEM;
	if (d->cfg->daemon.rules != RULES_OFF)
		priv_lend();
	w->nft = nft_watch_open();
	if (w->nft) {
		w->ev_nft = event_new(d->base, nft_watch_fd(w->nft),
				      EV_READ | EV_PERSIST, on_nft, d);
		if (!w->ev_nft || event_add(w->ev_nft, NULL))
			return -ENOMEM;
	}
	rules_look(d);
	return 0;
}

void rules_watch_free(struct daemon *d)
{
	struct rules_watch *w = d->rules;

	if (!w)
		return;
	if (w->ev_nft)
		event_free(w->ev_nft);
	if (w->ev_look)
		event_free(w->ev_look);
	nft_watch_close(w->nft);
	free(w->text);
	free(w);
	d->rules = NULL;
}

int rules_ok(const struct daemon *d)
{
	if (!d->rules || d->cfg->daemon.rules == RULES_OFF ||
	    d->rules->seen == RULES_UNKNOWN)
		return -1;
	return d->rules->seen == RULES_OK;
}

const char *rules_word(const struct daemon *d)
{
	if (d->cfg->daemon.rules == RULES_OFF)
		return "off";
	return rules_ok(d) < 0 ? "unknown" : rules_ok(d) ? "ok" : "differ";
}

const char *rules_differences(const struct daemon *d)
{
	return d->rules && d->rules->text && rules_ok(d) == 0 ? d->rules->text
							      : "";
}
