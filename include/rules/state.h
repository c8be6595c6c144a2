/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCK_RULES_STATE_H
#define PENSTOCK_RULES_STATE_H

/*
 * The state of the host before `rules apply`.
 */
#include "rules/rules.h"
#include "util/types.h"

enum tun_before {
	TUN_ABSENT,
	TUN_DOWN,
	TUN_UP
};

/**
 * struct saved_sysctl - A setting and its value before
 * @path:  below /proc/sys
 * @value: without the newline
 */
struct saved_sysctl {
	char path[128];
	char value[32];
};

/**
 * struct rules_state - The host before the first `rules apply`
 * @found:   it was read from a file: the rules are applied
 * @tun:     the TUN device
 * @tun_before: what kind of device it was
 * @addr_before: it had an IPv4 address
 * @table_before: per family: the raw table existed
 * @bpf_dir: directory of our pinned programs and maps; "": none
 * @sysctl:  settings and their values; owned
 */
struct rules_state {
	bool found;
	char tun[16];
	enum tun_before tun_before;
	bool addr_before;
	bool table_before[RULES_FAMILIES];
	char bpf_dir[108];
	struct saved_sysctl *sysctl;
	uint32_t nsysctl;
};

/* A missing file is no error: then @s->found is false.
 * Return: 0, -EINVAL (malformed) or -errno */
int rules_state_read(struct rules_state *s, const char *path);
/* The name of the file at @path during a removal: then the daemon restores
 * nothing (rules = restore). */
void rules_state_removing(const char *path, char *buf, size_t len);
/* Write it atomically; makes the directory.  Return: 0 or -errno */
int rules_state_write(const struct rules_state *s, const char *path);
void rules_state_fini(struct rules_state *s);

/* Note the values of all settings that `rules apply' may change, directly or as
 * a side effect in the kernel.  Settings that are noted already, and those of a
 * TUN device that we made, are left out. */
int rules_state_note_sysctls(struct rules_state *s);
/* Restore the noted values of settings that still exist, and report failures on
 * stderr.  Return: 0, or the -errno of one of them */
int rules_state_restore_sysctls(const struct rules_state *s);

/* A setting's value without the newline.  @path is below /proc/sys. */
int sysctl_read(const char *path, char *buf, size_t len);
int sysctl_write(const char *path, const char *value);

#endif
