/* SPDX-License-Identifier: Apache-2.0 */
/*
 * debug_text — OTLP as text for people: the output of the debug exporter.
 *
 * Two spellings, those of the Collector's debug exporter: `normal`, about one line per item, and
 * `detailed`, every field on a line of its own. Pure: bytes in, text out. One difference on
 * purpose: in `normal`, buckets of exponential histograms are labelled with their upper bounds.
 */
#pragma once

#include <stddef.h>

#include "codecs/bytes.h"
#include "core/base/arena.h"
#include "core/base/defs.h"
#include "core/base/slice.h"
#include "core/model/part.h"

enum debug_verbosity {
    DEBUG_BASIC, /* counts only, no text */
    DEBUG_NORMAL,
    DEBUG_DETAILED,
};

/* What one request holds. */
struct debug_counts {
    size_t resource_count;
    size_t metric_count; /* metrics only */
    size_t item_count;   /* data points, spans or log records */
};

/*
 * debug_text_encode — counts a request and appends its text.
 *
 *   wire     an export request of `signal`; borrowed
 *   arena    scratch for the decoded tree; the caller resets it
 *   counts   filled on 0
 *   out      appended to; on a failure its content is worthless
 *
 * Bytes of text fields go out as they came. Returns 0, what pb_decode says about `wire`, or
 * out->err (FAULT_LIMIT, -ENOMEM).
 */
WEIR_MUST_USE int debug_text_encode(enum signal signal, enum debug_verbosity verbosity,
                                    struct slice wire, struct arena *arena,
                                    struct debug_counts *counts, struct bytes *out);
