/* SPDX-License-Identifier: Apache-2.0 */
/*
 * xray_trace — spans of an OTLP part become X-Ray segment documents.
 *
 * A span is one document; one that AWS Application Signals marks as the local root of an outgoing
 * call is two. Names, http, sql, aws, cause, annotations and metadata are those of the Collector's
 * `awsxray` exporter. Buffers are kept and used again, so that a span costs no allocation once the
 * largest has been seen. One thread at a time.
 * Source: AWS X-Ray Developer Guide, "Segment documents"; OpenTelemetry semantic conventions, old
 * and stable.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/defs.h"
#include "core/base/slice.h"

/* X-Ray refuses larger ones. */
#define XRAY_DOCUMENT_MAX_BYTES 65536
/* A document before its metadata is cut off: what an intermediate may grow to. */
#define XRAY_DOCUMENT_WORK_MAX_BYTES (1024 * 1024)
/* Attributes of one span or resource; further ones are left out: with so many the document is over
 * its limit and loses its metadata anyway. 16 Ki × 64 bytes = 1 MiB. */
#define XRAY_ATTRS_MAX_COUNT 16384
/* What a trace id may be off when its time is checked. */
#define XRAY_TRACE_AGE_MAX_S (28 * 24 * 3600)
#define XRAY_TRACE_FUTURE_MAX_S (5 * 60)

struct xray_trace;

/* All slices and lists are borrowed for the translator's life. */
struct xray_trace_options {
    const struct slice *indexed_attributes; /* become annotations: `otel.resource.x` for x */
    size_t indexed_count;
    const struct slice *log_groups; /* names, where the resource has none of its own */
    size_t log_group_count;
    bool indexes_all;
    bool checks_trace_time; /* refuses trace ids whose first four bytes are no time of late */
    uint64_t seed;          /* of the ids made here */
};

/* 0 or -ENOMEM; moves out on 0. */
WEIR_MUST_USE int xray_trace_new(const struct xray_trace_options *options, struct xray_trace **out);

/* NULL is fine. */
void xray_trace_free(struct xray_trace *trace);

/* Spans = documented + refused by reason. */
struct xray_trace_counts {
    uint64_t span_count;
    uint64_t document_count;
    uint64_t bad_id_count;    /* spans without a trace id or a span id */
    uint64_t bad_time_count;  /* their trace id, or a link's, failed the check of its time */
    uint64_t too_large_count; /* even without metadata */
    uint64_t trimmed_count;   /* documents, not spans: sent without their metadata */
};

struct xray_trace_sink;

/*
 * One document, readable until return; `span_index` is what counts->span_count was before its span,
 * so that the two documents of one span share it. Anything but 0 ends the walk.
 */
typedef int(xray_trace_document_fn)(struct xray_trace_sink *sink, uint64_t span_index,
                                    struct slice document);

/* Embedded in who takes the documents. */
struct xray_trace_sink {
    xray_trace_document_fn *on_document;
};

/*
 * xray_trace_walk — all spans of a request that otlp_walk accepted, in order.
 *
 *   now_unix_ns   for checks_trace_time
 *   counts        added to
 *
 * Returns 0, -ENOMEM, or what the sink returned; the counts are worthless after anything but 0.
 */
WEIR_MUST_USE int xray_trace_walk(struct xray_trace *trace, struct slice request,
                                  uint64_t now_unix_ns, struct xray_trace_sink *sink,
                                  struct xray_trace_counts *counts);
