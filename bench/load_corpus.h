/* SPDX-License-Identifier: Apache-2.0 */
/*
 * load_corpus — the StatsD datagrams of one load, made in memory before the first is sent.
 *
 * A corpus is a pure function of its options, seed included: the same options give the same bytes.
 * Each line's value is fixed, so what a number of passes must add up to is known by metric name.
 * Datagrams lie back to back, each line ending in a newline, so that a stream sends a run of them
 * as it is and a datagram socket leaves the last newline out.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "bench/totals.h"
#include "core/base/defs.h"
#include "core/base/slice.h"

#define CORPUS_SERIES_MAX_COUNT 2000000u
#define CORPUS_TAGS_MAX_COUNT 16u
#define CORPUS_LINE_MAX_BYTES 1024u
/* What a UDP datagram over IPv4 can carry. */
#define CORPUS_DATAGRAM_MAX_BYTES 65507u
/* One digit, for the reason that samples have three. */
#define CORPUS_VALUE_MAX 9u
#define CORPUS_MAX_BYTES (1024u << 20)
/* Small tables are walked several times, each time in another order, up to this many lines. */
#define CORPUS_LINES_MIN_COUNT 32768u
/* Others this often, where they fit: the first walk decides in which order series are born, and
 * most of a pass should meet them in another one. */
#define CORPUS_WALKS_COUNT 4u
#define CORPUS_WALKS_MAX_BYTES (320u << 20)

enum corpus_kind {
    CORPUS_KIND_COUNTER,
    CORPUS_KIND_GAUGE,
    CORPUS_KIND_TIMING,
    CORPUS_KIND_HISTOGRAM,
    CORPUS_KIND_DISTRIBUTION,
    CORPUS_KIND_SET,
};
#define CORPUS_KIND_COUNT 6

struct corpus_options {
    uint64_t seed;
    uint32_t series_count;               /* 1 to CORPUS_SERIES_MAX_COUNT */
    uint32_t tag_count;                  /* 0 to CORPUS_TAGS_MAX_COUNT */
    uint32_t line_bytes;                 /* without newline; names are padded; 0: no padding */
    uint32_t lines_per_datagram;         /* 0: as many as fit into datagram_bytes */
    uint32_t datagram_bytes;             /* payload limit */
    uint32_t value_max;                  /* counters count 1 to value_max per line */
    uint32_t weights[CORPUS_KIND_COUNT]; /* share of each kind among the series */
};

struct corpus_line {
    uint32_t name_index; /* into corpus.names */
    uint32_t value;
    uint8_t kind; /* enum corpus_kind */
};

struct corpus_datagram {
    uint32_t offset; /* into corpus.bytes */
    uint32_t len;    /* with the last newline */
    uint32_t line_first;
    uint32_t line_count;
};

struct corpus {
    uint8_t *bytes;                    /* owned */
    struct corpus_line *lines;         /* owned */
    struct corpus_datagram *datagrams; /* owned */
    struct totals names;               /* owned; its sums are those of one pass */
    uint64_t bytes_used;
    uint64_t bytes_capacity;
    uint32_t line_count;
    uint32_t line_capacity;
    uint32_t datagram_count;
    uint32_t datagram_capacity;
};

/* Where a sender stands: whole passes sent, and datagrams of the pass under way. */
struct corpus_position {
    uint64_t pass_count;
    uint32_t datagram_index;
};

/* One counters-only, untagged load of 10 000 series in packed 1432-byte datagrams. */
struct corpus_options corpus_default_options(void);

/*
 * corpus_build — makes the datagrams. `c` must be zeroed; corpus_fini is due in any case.
 * Returns 0, -EINVAL (options out of bounds), -ENOMEM or FAULT_LIMIT (more than CORPUS_MAX_BYTES).
 */
WEIR_MUST_USE int corpus_build(struct corpus *c, const struct corpus_options *options);

/* Idempotent; leaves zeros. */
void corpus_fini(struct corpus *c);

/*
 * The two steps of filling a corpus from elsewhere: append one line (without newline; borrowed) to
 * the datagram under way, then close it. 0, -ENOMEM or FAULT_LIMIT.
 */
WEIR_MUST_USE int corpus_add_line(struct corpus *c, struct slice text, struct slice name,
                                  struct corpus_line line);
WEIR_MUST_USE int corpus_end_datagram(struct corpus *c);

/*
 * corpus_expect — what must have arrived when everything up to `position` was sent from the start.
 * Fills `out` (zeroed by the caller; totals_fini is due) with counter sums and observation counts
 * by name. Returns 0 or -ENOMEM.
 */
WEIR_MUST_USE int corpus_expect(const struct corpus *c, struct corpus_position position,
                                struct totals *out);

/* Lines sent up to `position`. */
uint64_t corpus_lines_until(const struct corpus *c, struct corpus_position position);
