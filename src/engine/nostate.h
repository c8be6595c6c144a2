/* SPDX-License-Identifier: MIT */
#include "wire/segment.h"
#define COOKIE_EPOCH_S 60
struct cookie_keys{int x;}; struct cookie_syn{bool ecn;};
static inline void cookie_keys_init(struct cookie_keys*k,const uint8_t*s,int e){(void)k;(void)s;(void)e;}
static inline seq_t cookie_make(const struct cookie_keys*k,const struct segment*s,int64_t w,bool ecn,uint32_t*t){(void)k;(void)s;(void)w;(void)ecn;(void)t;return SEQ(1);}
static inline int cookie_check(const struct cookie_keys*k,const struct segment*s,int64_t w,struct cookie_syn*c){(void)k;(void)s;(void)w;(void)c;return -1;}
static inline void cookie_opts(const struct cookie_syn*c,const struct segment*s,struct tcp_opts*o){(void)c;(void)s;(void)o;}
struct tw_cfg{uint32_t max;}; struct tw_table{int x;};
struct tw_new{struct tuple t; seq_t snd_nxt,rcv_nxt; uint32_t rcv_wnd; bool ts_ok; uint32_t ts_recent,ts_off; uint16_t service;};
static inline int tw_init(struct tw_table*t,struct tw_cfg*c,const uint8_t*s,mono_t n){(void)t;(void)c;(void)s;(void)n;return 0;}
static inline void tw_fini(struct tw_table*t){(void)t;}
static inline int tw_add(struct tw_table*t,struct tw_new*n,mono_t now,int64_t len){(void)t;(void)n;(void)now;(void)len;return 0;}
static inline mono_t tw_deadline(const struct tw_table*t){(void)t;return MONO_NEVER;}
static inline void tw_expire(struct tw_table*t,mono_t n){(void)t;(void)n;}
static inline uint32_t tw_count(const struct tw_table*t){(void)t;return 0;}
static inline uint32_t tw_limit(const struct tw_table*t){(void)t;return 0;}
