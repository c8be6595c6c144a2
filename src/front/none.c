/* SPDX-License-Identifier: MIT */
/*
 * Built without libbpf: there is no front, and every function fails.
 */
#include <errno.h>

#include "front/front.h"

int front_attach(const struct front_host *h, FILE *err)
{
	(void)h;
	fputs("front: this penstock was built without libbpf\n", err);
	return -ENOSYS;
}

/* There is nothing to detach. */
int front_detach(const char *dir, FILE *err)
{
	(void)dir;
	(void)err;
	return 0;
}

int front_check(const struct front_host *h, FILE *out)
{
	(void)h;
	fputs("front: this penstock was built without libbpf\n", out);
	return 1;
}

int front_open(struct front **out, const char *dir)
{
	(void)out;
	(void)dir;
	return -ENOSYS;
}

/* Never called, as front_open() always fails. */
bool front_is_current(const struct front *f, const char *dir)
{
	(void)f;
	(void)dir;
	return true;
}

void front_end(struct front *f)
{
	(void)f;
}

void front_close(struct front *f)
{
	(void)f;
}

void front_set_keys(struct front *f, const uint8_t secret[32], int64_t epoch_s)
{
	(void)f;
	(void)secret;
	(void)epoch_s;
}

int front_set_policy(struct front *f, const struct policy *p)
{
	(void)f;
	(void)p;
	return -ENOSYS;
}

const char *front_why_not(const struct service *s)
{
	(void)s;
	return "built without libbpf";
}

void front_offer(struct front *f, uint32_t i, const struct synack_offer *o)
{
	(void)f;
	(void)i;
	(void)o;
}

void front_answer(struct front *f, uint32_t i, bool on)
{
	(void)f;
	(void)i;
	(void)on;
}

void front_renew(struct front *f, mono_t now, int64_t wall_offset_us)
{
	(void)f;
	(void)now;
	(void)wall_offset_us;
}

const struct known *front_known(const struct front *f)
{
	(void)f;
	return NULL;
}

bool front_counter(struct front *f, uint32_t i, uint32_t n, const char **name,
		   const char **help, uint64_t *value)
{
	(void)f;
	(void)i;
	(void)n;
	(void)name;
	(void)help;
	(void)value;
	return false;
}

uint64_t front_cookies(struct front *f, uint32_t i)
{
	(void)f;
	(void)i;
	return 0;
}

void front_attack_counts(struct front *f, uint32_t i, struct attack_counts *c)
{
	(void)f;
	(void)i;
	(void)c;
}
