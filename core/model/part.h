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
    PART_XRAY, /* segment documents as received */
    PART_EMF,  /* documents as received */
};

struct part {
    struct slice bytes;
    void *memory; /* owned; mem_free'd */
    enum part_encoding encoding;
    enum signal signal;
    uint32_t item_count; /* spans, data points, log records */
};

/* A part that holds a copy of `bytes`. 0 or -ENOMEM, and then nothing is owned. */
WEIR_MUST_USE int part_copy(struct part *out, struct slice bytes, enum signal signal,
                            uint32_t item_count);

/* Frees the memory. Idempotent. */
void part_fini(struct part *part);
