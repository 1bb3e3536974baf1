/* SPDX-License-Identifier: Apache-2.0 */
/*
 * part — a run of wire bytes in a declared encoding, with its counts.
 *
 * OTLP wire bytes are the language of the house: a part of PART_OTLP is one or more whole
 * ResourceMetrics, ResourceSpans or ResourceLogs fields, which together are a valid export request.
 * A part owns its memory and does not change once it is made.
 */
#pragma once

#include <stdint.h>

#include "core/base/defs.h"
#include "core/base/slice.h"

enum signal {
    SIGNAL_TRACES,
    SIGNAL_METRICS,
    SIGNAL_LOGS,
};
#define SIGNAL_COUNT 3

enum part_encoding {
    PART_OTLP,
    PART_XRAY, /* segment documents as received, laid out as in core/model/documents.h */
    PART_EMF,  /* documents as received, likewise */
};

/* Encodings as a set: bits of what an exporter or a pipeline takes. */
#define PART_ENCODING_BIT(encoding) (UINT32_C(1) << (encoding))

/* What became of the bytes that somebody waits for. The worst of several counts, in this order. */
enum part_fate {
    PART_ACCEPTED, /* every route has them, or keeps them */
    PART_REJECTED, /* refused for good */
    PART_LOST,     /* given up; the same bytes may be sent again */
};

struct part_claim;

/* From the thread that has the part, once. */
typedef void(part_answer_fn)(struct part_claim *claim, enum part_fate fate);

/* Somebody waits for the fate of a part. Embedded in its owner; borrowed until it is answered. */
struct part_claim {
    part_answer_fn *answer;
    struct part_claim *next; /* the part's list */
};

struct part {
    struct slice bytes;
    void *memory; /* owned; mem_free'd */
    enum part_encoding encoding;
    enum signal signal;
    uint32_t item_count;       /* spans, data points, log records; documents where not OTLP */
    uint64_t charged_bytes;    /* of the memory budget, to be returned when the part ends */
    struct part_claim *claims; /* borrowed, a list; they go where the bytes go */
};

/* A part that holds a copy of `bytes`. 0 or -ENOMEM, and then nothing is owned. */
WEIR_MUST_USE int part_copy(struct part *out, struct slice bytes, enum signal signal,
                            uint32_t item_count);

/* Other bytes take the place of the part's own, which are freed. `memory` moves in. */
void part_replace(struct part *part, void *memory, struct slice bytes, uint32_t item_count);

/* What goes along with the bytes of `source` goes to `target`: its charge and its claims. */
void part_inherit(struct part *target, struct part *source);

/* Tells everybody who waits for the part, once; nobody waits for it afterwards. */
void part_answer(struct part *part, enum part_fate fate);

/* Frees the memory; who still waits is told PART_LOST. The charge is the caller's to return.
 * Idempotent. */
void part_fini(struct part *part);
