/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCK_TESTS_FRONT_RIG_H
#define PENSTOCK_TESTS_FRONT_RIG_H

/*
 * The XDP front and an engine with the same secret, side by side in a network
 * namespace of their own.  There is one service, RAW_SPORT of raw_s4 and
 * raw_s6, under cookies.  Nothing is attached: the program runs by
 * bpf_prog_test_run, as if packets came by a device d0, which leads back to
 * every address but those behind d2 (203.0.113.0/24).  There are two programs,
 * for XDP and for traffic control; the verdicts of both are given as XDP's.
 */
#include <linux/bpf.h>

#include "front/layout.h"
#include "engine/engine.h"
#include "shield/known.h"
#include "util/prng.h"
#include "unit/wire_pkt.h"

#define RIG_EPOCH_S 60

/**
 * struct rig - The two sides
 * @prog: for XDP, and for traffic control
 * @skb:  which of them is asked
 */
struct rig {
	struct bpf_object *obj;
	int prog[2], ifindex;
	bool skb;
	struct front_state *state;
	struct front_service *service;
	struct known known;
	struct engine *engine;
	struct service *svc;
	struct buf_pool pool;
	struct engine_cfg cfg;
};

/* All of it, from the object file @file.  A machine or a kernel that cannot
 * says why, and the exit status is 77; other failures end with 2. */
void rig_make(struct rig *r, const char *file);
/* The epochs' keys.  To be called before each of their seconds ends. */
void rig_keys_renew(struct rig *r);

mono_t rig_clock(void);
int64_t rig_epoch(const struct rig *r);
int rig_map(const struct rig *r, const char *name);

/* What the engine answers, and how long that is; 0: nothing. */
uint32_t rig_ask_engine(struct rig *r, const struct raw *p,
			enum packet_csum csum, uint8_t *out, enum verdict *v);
/* What the front does, with a whole frame in @out. */
int rig_ask_front(struct rig *r, const struct raw *p, uint8_t *out,
		  uint32_t *len);
/* The same of a frame that is there already. */
int rig_ask_frame(struct rig *r, const void *frame, uint32_t n, uint8_t *out,
		  uint32_t *len);
/* The address of d0. */
extern const uint8_t rig_mac[6];

#define RIG_OUT_MAX 70000

#endif
