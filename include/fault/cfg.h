/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCK_FAULT_CFG_H
#define PENSTOCK_FAULT_CFG_H

/*
 * A fault as it is written: a [fault NAME] section, or a line of the same keys
 * at run time. docs/FAULTS.md describes the keys.
 */
#include "util/option.h"
#include "util/types.h"

#define FAULT_MAX 32 /* faults at once */
#define FAULT_NAME_MAX 31
#define FAULT_LIST_MAX 32
#define FAULT_KEYS_MAX 128
/* 10000 d: the largest value of a key that is a time */
#define FAULT_KEY_TIME_MAX (10000 * INT64_C(86400) * USEC_PER_SEC)
#define FAULT_TABLE_MAX 4096 /* numbers in a distribution file */
#define FAULT_TEXT_MAX 1000  /* all keys of a fault, as text */

enum fault_counter {
	FC_MATCHED, /* events that reached the fault */
	FC_ROLLED,  /* dice thrown */
	FC_INJECTED,
	FC_SUPPRESSED, /* by skip, count, duration, max_active or memory */
	FC_COUNT
};

extern const char *const fault_counter_name[FC_COUNT + 1];

/* Types, one a line: id, name. docs/FAULTS.md describes them. */
#define FAULT_TYPES(X)                              \
	X(NONE, "none")                             \
	X(OBSERVE, "observe")                       \
	X(LOSS, "loss")                             \
	X(DROPLIST, "droplist")                     \
	X(DROP_NTH, "drop_nth")                     \
	X(DROP_RANGE, "drop_range")                 \
	X(DELAY, "delay")                           \
	X(REORDER, "reorder")                       \
	X(DUPLICATE, "duplicate")                   \
	X(CORRUPT, "corrupt")                       \
	X(RATE, "rate")                             \
	X(BLACKHOLE, "blackhole")                   \
	X(SYN_DROP, "syn_drop")                     \
	X(END, "end")                               \
	X(SYN_ACK_DELAY, "syn_ack_delay")           \
	X(SYN_ACK_DROP, "syn_ack_drop")             \
	X(REFUSE, "refuse")                         \
	X(DELUDE, "delude")                         \
	X(TARPIT, "tarpit")                         \
	X(STRIP_OPTION, "strip_option")             \
	X(MSS_CLAMP, "mss_clamp")                   \
	X(ECN, "ecn")                               \
	X(TTL, "ttl")                               \
	X(ZERO_WINDOW, "zero_window")               \
	X(ACK_DELAY, "ack_delay")                   \
	X(ACK_DROP, "ack_drop")                     \
	X(STRETCH_ACK, "stretch_ack")               \
	X(DUP_ACK, "dup_ack")                       \
	X(TINY_SEGMENTS, "tiny_segments")           \
	X(INJECT, "inject")                         \
	X(SLOW_CLOSE, "slow_close")                 \
	X(HALF_CLOSE_STALL, "half_close_stall")     \
	X(FIN_DROP, "fin_drop")                     \
	X(LAST_ACK_DROP, "last_ack_drop")           \
	X(SLICER, "slicer")                         \
	X(TIMEOUT, "timeout")                       \
	X(LATENCY, "latency")                       \
	X(BANDWIDTH, "bandwidth")                   \
	X(PROBE_SWALLOW, "probe_swallow")           \
	X(WINDOW_SHRINK, "window_shrink")           \
	X(SILLY_WINDOW, "silly_window")             \
	X(SACK_RENEGE, "sack_renege")               \
	X(OPTIMISTIC_ACK, "optimistic_ack")         \
	X(COALESCE, "coalesce")                     \
	X(OVERLAP, "overlap")                       \
	X(URGENT, "urgent")                         \
	X(SIMULTANEOUS_CLOSE, "simultaneous_close") \
	X(TIME_WAIT_REPLAY, "time_wait_replay")     \
	X(CORRUPT_STREAM, "corrupt_stream")         \
	X(SLOT, "slot")                             \
	X(MTU_BLACKHOLE, "mtu_blackhole")           \
	X(ICMP, "icmp")                             \
	X(WRONG_SYNACK, "wrong_synack")             \
	X(TFO, "tfo")                               \
	X(SIMOPEN, "simultaneous_open")

enum fault_type {
#define X(id, name) FT_##id,
	FAULT_TYPES(X)
#undef X
	FT_COUNT
};

extern const char *const fault_type_name[FT_COUNT + 1];

/* Parameters of types: id, key, reader (src/fault/keys.c), help. */
#define FAULT_PARAMS(X)                                                      \
	X(PERCENT, "percent", percent, "chance per event")                   \
	X(CORRELATION, "correlation", percent, "with the event before")      \
	X(MODEL, "model", model, "loss model")                               \
	X(P13, "p13", percent, "state model: good to burst loss")            \
	X(P31, "p31", percent, "state model: burst loss to good")            \
	X(P32, "p32", percent, "state model: burst loss to burst good")      \
	X(P23, "p23", percent, "state model: burst good to burst loss")      \
	X(P14, "p14", percent, "state model: good to single loss")           \
	X(P, "p", percent, "gemodel: good to bad")                           \
	X(R, "r", percent, "gemodel: bad to good")                           \
	X(LOSS_BAD, "1-h", percent, "gemodel: loss in the bad state")        \
	X(LOSS_GOOD, "1-k", percent, "gemodel: loss in the good state")      \
	X(INDEX, "index", index, "numbers of segments, from 1")              \
	X(BYTES, "bytes", range, "stream offsets, or a number of bytes")     \
	X(TIMES, "times", count, "how often each byte is dropped")           \
	X(TIME, "time", time, "delay")                                       \
	X(JITTER, "jitter", time, "spread of the delay")                     \
	X(DISTRIBUTION, "distribution", distribution, "of the delay")        \
	X(GAP, "gap", count, "every so many segments only")                  \
	X(COPIES, "copies", count, "additional copies")                      \
	X(SPACING, "spacing", time, "time between copies")                   \
	X(WHERE, "where", where, "what is damaged")                          \
	X(CHECKSUM, "checksum", checksum, "left bad, or fixed")              \
	X(BITS, "bits", count, "bits to flip")                               \
	X(RATE, "rate", rate, "bytes per second; a bare number: KB/s")       \
	X(LIMIT, "limit", size, "queue, bytes")                              \
	X(OVERHEAD, "overhead", count, "bytes added to each packet")         \
	X(BURST, "burst", size, "bytes that may pass at once")               \
	X(HOLE, "hole", time, "length of a black hole; so does on=T")        \
	X(OFF, "off", time, "length of the calm between black holes")        \
	X(REPEAT, "repeat", count, "black holes in all; 0: no end")          \
	X(AFTER, "after", after, "when")                                     \
	X(ACTION, "action", action, "how it ends")                           \
	X(SIDES, "sides", sides, "who is reset")                             \
	X(WITH, "with", with, "how it is refused")                           \
	X(LIST, "list", options, "options taken away")                       \
	X(VALUE, "value", count, "a number")                                 \
	X(MODE, "mode", mode, "what happens to ECN, to Fast Open")           \
	X(REOPEN, "reopen", reopen, "when the window opens again, or never") \
	X(N, "n", count, "how many")                                         \
	X(SIZE, "size", count, "bytes of a segment")                         \
	X(VARIATION, "variation", count, "bytes more or less")               \
	X(KIND, "kind", kind, "of segment")                                  \
	X(DELAY, "delay", time, "delay")                                     \
	X(THEN, "then", then, "what the peer hears afterwards")              \
	X(AVERAGE_SIZE, "average_size", count, "bytes of a slice")           \
	X(SIZE_VARIATION, "size_variation", count, "bytes more or less")     \
	X(TIMEOUT, "timeout", time, "it ends after this; 0: never")          \
	X(CLOSE, "close", close, "how it ends")                              \
	X(FROM, "from", from, "what the time begins with")                   \
	X(LATENCY, "latency", time, "delay of bytes")                        \
	X(BY, "by", size, "bytes of window or sequence space")               \
	X(HOLD, "hold", time, "how long it is held")                         \
	X(FAVOR, "favor", favor, "the copy that is right")                   \
	X(CONTENT, "content", content, "of the copies of a byte")            \
	X(OFFSET, "offset", place, "stream offset, or FIRST-END")            \
	X(MIN, "min", time, "least time between slots")                      \
	X(MAX, "max", time, "most time between slots")                       \
	X(PACKETS, "packets", count, "most segments in a slot")              \
	X(MTU, "mtu", count, "bytes of the largest packet that passes")      \
	X(ICMP, "icmp", icmp, "who is told of it")                           \
	X(QUOTE, "quote", quote, "the sequence number in it")

enum fault_param {
#define X(id, key, reader, help) FP_##id,
	FAULT_PARAMS(X)
#undef X
	FP_COUNT
};

enum fault_side {
	FAULT_CLIENT,
	FAULT_SERVER,
	FAULT_BOTH
};
enum fault_dir {
	FAULT_ANY_DIR,
	FAULT_TO_PEER,
	FAULT_FROM_PEER
};
enum fault_stream {
	FAULT_DOWNSTREAM,
	FAULT_UPSTREAM
};
enum fault_scope {
	FAULT_NEW,
	FAULT_ALL
};
enum fault_on_remove {
	FAULT_RELEASE,
	FAULT_DROP,
	FAULT_RESET
};
enum fault_model {
	FAULT_RANDOM,
	FAULT_STATE,
	FAULT_GEMODEL
};
enum fault_dist {
	FAULT_UNIFORM,
	FAULT_NORMAL,
	FAULT_PARETO,
	FAULT_PARETONORMAL,
	FAULT_TABLE /* from a file */
};
enum fault_with {
	FAULT_WITH_RST,
	FAULT_WITH_ICMP_PORT,
	FAULT_WITH_ICMP_HOST,
	FAULT_WITH_ICMP_ADMIN
};
enum fault_ecn {
	FAULT_ECN_BLEACH,
	FAULT_ECN_CE,
	FAULT_ECN_ECE,
	FAULT_ECN_CWR,
	FAULT_ECN_COUNT
};
/* "mode" of tfo: numbered on from there */
enum fault_tfo {
	FAULT_TFO_BLACKHOLE = FAULT_ECN_COUNT,
	FAULT_TFO_IGNORE_DATA,
	FAULT_TFO_REJECT_COOKIE,
	FAULT_TFO_STALE_COOKIE,
	FAULT_TFO_NO_COOKIE,
	FAULT_MODE_COUNT
};
enum fault_quote {
	FAULT_QUOTE_VALID,
	FAULT_QUOTE_BAD_SEQ
};
enum fault_inject {
	FAULT_RST_EXACT,
	FAULT_RST_INWINDOW,
	FAULT_SYN_INWINDOW,
	FAULT_ACK_OLD,
	FAULT_ACK_FUTURE,
	FAULT_DATA_OOW,
	FAULT_PAWS_OLD,
	FAULT_BADSUM,
	FAULT_NULL,
	FAULT_INJECT_COUNT
};
/* "kind" of probe_swallow and time_wait_replay: numbered on from there */
enum fault_kind {
	FAULT_KIND_KEEPALIVE = FAULT_INJECT_COUNT,
	FAULT_KIND_WINDOW,
	FAULT_KIND_DATA,
	FAULT_KIND_ACK,
	FAULT_KIND_RST,
	FAULT_KIND_SYN,
	FAULT_KIND_COUNT
};
/* "kind" of icmp: numbered on from there */
enum fault_icmp {
	FAULT_ICMP_PTB = FAULT_KIND_COUNT,
	FAULT_ICMP_NET,
	FAULT_ICMP_HOST,
	FAULT_ICMP_PROTO,
	FAULT_ICMP_PORT,
	FAULT_ICMP_ADMIN,
	FAULT_ICMP_COUNT
};
enum fault_favor {
	FAULT_FAVOR_OLD,
	FAULT_FAVOR_NEW
};
enum fault_content {
	FAULT_CONTENT_SAME,
	FAULT_CONTENT_DIFFER
};
/* "action" of end */
enum fault_end {
	FAULT_END_FIN,
	FAULT_END_CLOSE,
	FAULT_END_RESET,
	FAULT_END_VANISH,
	FAULT_END_COUNT
};
enum fault_then {
	FAULT_THEN_RST,
	FAULT_THEN_SILENCE
};
enum fault_close {
	FAULT_CLOSE_RST,
	FAULT_CLOSE_FIN
};
enum fault_from {
	FAULT_FROM_BEGIN,
	FAULT_FROM_DATA,
	FAULT_FROM_IDLE
};
enum fault_sides {
	FAULT_ONE_SIDE,
	FAULT_BOTH_SIDES
};

/* fault_val.i of "where" */
#define FAULT_WHERE_IP BIT(0)
#define FAULT_WHERE_TCP BIT(1)
#define FAULT_WHERE_PAYLOAD BIT(2)

/**
 * enum fault_on - When a fault begins to act on a connection
 *
 * Up to FAULT_ON_STATE the condition is checked for each segment.  From
 * FAULT_ON_BYTE on it arms the fault for the rest of the connection.
 */
enum fault_on {
	FAULT_ON_ALWAYS,
	FAULT_ON_SYN,
	FAULT_ON_SYNACK,
	FAULT_ON_DATA,
	FAULT_ON_FIN,
	FAULT_ON_STATE,
	FAULT_ON_BYTE,
	FAULT_ON_ACKED,
	FAULT_ON_SEGMENT,
	FAULT_ON_IDLE,
	FAULT_ON_TIME,
};

/**
 * struct fault_when - A trigger
 * @on:  enum fault_on
 * @arg: state number, stream offset, ordinal, or microseconds
 */
struct fault_when {
	uint8_t on;
	uint64_t arg;
};

/**
 * struct fault_val - A parameter's value
 * @set: it was given
 * @i:   integer, microseconds, bytes, enum or mask
 * @j:   end of a range, exclusive; enum fault_on of "after"; mask of the
 *       words of "kind", of which @i is the first
 * @d:   probability, 0 to 1
 */
struct fault_val {
	bool set;
	int64_t i, j;
	double d;
};

/**
 * struct fault_net - Address selector
 * @any:    matches everything
 * @prefix: of @addr as a 128-bit address
 */
struct fault_net {
	bool any;
	uint8_t prefix;
	struct ipaddr addr;
};

/**
 * struct fault_table - A distribution from a file, as netem's
 * @n:     how many numbers
 * @value: all equally likely; FAULT_TABLE_UNIT is one jitter
 */
struct fault_table {
	uint32_t n;
	int16_t value[FAULT_TABLE_MAX];
};

#define FAULT_TABLE_UNIT 8192

enum fault_conn_kind {
	FAULT_CONN_ALL,
	FAULT_CONN_LIST,
	FAULT_CONN_FIRST,
	FAULT_CONN_EVERY,
};

/**
 * struct fault_conns - Which connections, by ordinal among those that match
 * @kind: enum fault_conn_kind
 * @n:    entries of @v in use
 * @v:    ordinals, from 1; FIRST and EVERY use one
 */
struct fault_conns {
	uint8_t kind, n;
	uint32_t v[FAULT_LIST_MAX];
};

/**
 * struct fault_ports - A range of ports; 0-65535 matches all
 * @lo: first, host order
 * @hi: last
 */
struct fault_ports {
	uint16_t lo, hi;
};

/**
 * struct fault_expect - What must be true at the end: "injected>=1"
 * @set:     there is an expectation
 * @counter: enum fault_counter
 * @op:      ">=", "<=", "==", "=", ">", "<"
 * @n:       what it is compared with
 */
struct fault_expect {
	bool set;
	uint8_t counter; /* enum fault_counter */
	char op[3];
	uint64_t n;
};

/**
 * struct fault_spec - One fault as configured
 * @name:     of the section
 * @type:     enum fault_type; FT_NONE until the key was read
 * @service:  "" = all
 * @side:     the peer that experiences it
 * @seed:     of its decisions; 0 = the set's
 * @toxicity: share of connections, rolled once per connection
 * @skip:     events to let pass first, per connection
 * @count:    most injections per connection; 0 = no limit
 * @duration_us: from its first event on a connection; 0 = no end
 * @lease_us: it removes itself after this time; 0 = no lease
 * @max_active: connections that carry it at once; 0 = no limit
 * @list:     "index"
 * @table:    "distribution=file:..."
 * @p:        parameters of the type
 * @text:     the keys as given, "key=value key=value"
 */
struct fault_spec {
	char name[FAULT_NAME_MAX + 1];
	uint8_t type;
	char service[FAULT_NAME_MAX + 1];
	uint8_t side, dir, stream, scope, on_remove;
	uint32_t order, seed;
	struct fault_net src, dst;
	struct fault_ports dport;
	struct fault_conns conn;
	struct fault_val toxicity;
	struct fault_when on;
	uint32_t skip, count, max_active;
	int64_t duration_us, lease_us;
	struct fault_expect expect;
	struct fault_val p[FP_COUNT];
	struct fault_conns list;
	struct fault_table table;
	char text[FAULT_TEXT_MAX + 1];
};

/* Keys of [fault NAME]; offsets into struct fault_spec; NULL name at the end.
 */
extern const struct opt_desc fault_options[];

/* Does type @t take the parameter, and must it be given? */
bool fault_type_takes(enum fault_type t, enum fault_param p, bool *needed);
/* Does type @t take this common key?  It takes only one of "stream" and
 * "side". */
bool fault_type_takes_key(enum fault_type t, const char *key);
/* The keys of an example, besides "type"; "" when none is needed. */
const char *fault_type_example(enum fault_type t);
/* How a former type is written now; NULL: there was no such type. */
const char *fault_type_renamed(const char *name);
/* The parameter's row of fault_options. */
const struct opt_desc *fault_param_desc(enum fault_param p);

/* What a key of fault_options allows, as its error says. */
void fault_key_allowed(const struct opt_desc *d, char *out, size_t outlen);

/* Read a whole file.  Return: its bytes and a NUL, owned by the caller; or NULL
 * with *why. */
typedef char *(*fault_read_fn)(const char *path, size_t *len, const char **why);

/* Set the function that reads files named by keys (distribution=file:PATH).
 * Without it such a key is an error. */
void fault_files_by(fault_read_fn read);

/* Set all keys to their defaults, without a name. */
void fault_spec_init(struct fault_spec *s);

/**
 * fault_spec_note() - Remember a key that was read into @s, for
 * fault_print_line()
 * @value: as given; blanks are removed
 * Return: 0, -EINVAL (given twice) or -ENOSPC (more than FAULT_TEXT_MAX in
 *         all), with @err
 */
int fault_spec_note(struct fault_spec *s, const char *key, const char *value,
		    char *err, size_t errlen);

/**
 * fault_spec_value() - The value of a key, or its default
 * Return: false: it has neither
 */
bool fault_spec_value(const struct fault_spec *s, const struct opt_desc *d,
		      char *out, size_t outlen);

/**
 * fault_spec_check() - After all keys were read: does each belong to the type?
 * @err: out: the parameter that does not, and what the type allows
 * Return: 0 or -EINVAL
 */
int fault_spec_check(struct fault_spec *s, char *err, size_t errlen);

/**
 * fault_parse_line() - "NAME type=loss service=web percent=1"
 * @line: words; a first word without '=' is the name, otherwise the type is
 * Return: 0 or -EINVAL with @err
 */
int fault_parse_line(const char *line, struct fault_spec *s, char *err,
		     size_t errlen);

#define FAULT_LINE_MAX (FAULT_NAME_MAX + 1 + FAULT_TEXT_MAX)

/* Print a spec as such a line: the keys that were given, in the order of
 * fault_options.  Equal lines mean equal faults. */
void fault_print_line(const struct fault_spec *s, char *out, size_t outlen);

/* Is the expectation @e true for a counter with value @n? */
bool fault_expect_holds(const struct fault_expect *e, uint64_t n);

#endif
