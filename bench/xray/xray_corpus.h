/* SPDX-License-Identifier: Apache-2.0 */
/*
 * xray_corpus — the datagrams of an X-Ray load: a header line and a segment document each.
 *
 * Made once, the same for the same seed but for their times; all of one length, so that they can
 * leave in segmented sends. What an SDK makes anew for each segment, its id and the digits of its
 * trace id, is overwritten in place before a datagram leaves: no two on the wire are the same.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "bench/load_corpus.h"
#include "bench/load_send.h"
#include "core/base/defs.h"
#include "core/base/slice.h"

/* No fewer than one call sends: it would overwrite what it has not yet sent. */
#define XRAY_CORPUS_BODIES_MIN_COUNT 64u
#define XRAY_CORPUS_BODIES_MAX_COUNT 16384u
#define XRAY_CORPUS_SEGMENT_MIN_BYTES 896u
#define XRAY_CORPUS_SEGMENT_MAX_BYTES 60000u

struct xray_corpus_options {
    uint64_t seed;
    uint32_t body_count;
    uint32_t segment_bytes; /* of a datagram, header line included */
};

/* Where a document's digits stand, from the datagram's beginning. */
struct xray_corpus_place {
    uint32_t segment_id_offset;
    uint32_t trace_digits_offset;
};

struct xray_corpus {
    struct corpus datagrams;          /* owned; one line each, numbered as they are sent */
    struct load_stamp stamp;          /* for the sender of `datagrams` */
    struct xray_corpus_place *places; /* owned; one per datagram */
    struct xray_corpus_options options;
};

/* 512 bodies of 1024 bytes. */
struct xray_corpus_options xray_corpus_default_options(void);

/*
 * xray_corpus_build — makes the datagrams; their segments start at `now_unix_s`. `c` must be zeroed
 * and stay where it is; xray_corpus_fini is due in any case. 0, -EINVAL (out of bounds) or -ENOMEM.
 */
WEIR_MUST_USE int xray_corpus_build(struct xray_corpus *c,
                                    const struct xray_corpus_options *options, uint64_t now_unix_s);

/* Idempotent; leaves zeros. */
void xray_corpus_fini(struct xray_corpus *c);

/* One datagram as it stands; borrows until the next stamp. */
struct slice xray_corpus_datagram(const struct xray_corpus *c, uint32_t index);
