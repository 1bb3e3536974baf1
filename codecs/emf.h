/* SPDX-License-Identifier: Apache-2.0 */
/*
 * emf — OTLP metrics become CloudWatch embedded metric documents.
 *
 *     err = emf_new(&options, &emf);
 *     for each part of a batch:
 *         emf_add_part(emf, part.bytes, now);
 *     emf_flush(emf, context, on_document);
 *
 * Points with the same labels, time and destination share a document, across all parts added since
 * the last flush. Only the running values of cumulative series outlive a flush. Never writes what
 * CloudWatch refuses: what does not fit is split, kept as a field only, or dropped and counted.
 * Source: CloudWatch "Embedded metric format specification"; behaviour of the Collector's awsemf.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/defs.h"
#include "core/base/slice.h"

struct emf;
struct regex;

/* A log event: 1 MiB, of which 26 bytes are the service's own. */
#define EMF_MESSAGE_MAX_BYTES (1024 * 1024 - 26)
#define EMF_DIRECTIVE_METRICS_MAX 100
#define EMF_SET_DIMENSIONS_MAX 30
#define EMF_VALUES_MAX 100
#define EMF_DIMENSION_NAME_MAX_CHARS 250
#define EMF_DIMENSION_VALUE_MAX_CHARS 1024
#define EMF_METRIC_NAME_MAX_CHARS 1024
#define EMF_LOG_NAME_MAX_BYTES 512
/* Declared sets longer than this are dropped when the configuration is read. */
#define EMF_DECLARED_DIMENSIONS_MAX 10
#define EMF_DECLARATIONS_MAX 256
/* Labels of one point, those of its resource included. */
#define EMF_LABELS_MAX 1024
/* Running values of cumulative series: 40 bytes each, in 2^21 slots at most: 84 MB. */
#define EMF_DELTA_SERIES_MAX 1000000
/* An hour is many times the export interval of any SDK. */
#define EMF_DELTA_IDLE_MIN_NS (3600 * UINT64_C(1000000000))

enum emf_rollup {
    EMF_ROLLUP_ZERO_AND_SINGLE,
    EMF_ROLLUP_SINGLE,
    EMF_ROLLUP_NONE,
};

/* Sorted bytewise, without duplicates, at most EMF_DECLARED_DIMENSIONS_MAX. */
struct emf_dimension_set {
    const struct slice *names;
    uint32_t name_count;
};

/* Matches where `regex` matches the values of the labels `names`, joined with `separator`. */
struct emf_label_matcher {
    const struct slice *names;
    uint32_t name_count;
    struct slice separator;
    const struct regex *regex;
};

struct emf_declaration {
    const struct emf_dimension_set *sets;
    uint32_t set_count;
    const struct regex *const *selectors; /* of metric names; one is enough */
    uint32_t selector_count;
    const struct emf_label_matcher *matchers; /* none, or one is enough */
    uint32_t matcher_count;
};

struct emf_descriptor {
    struct slice metric_name;
    struct slice unit; /* one of CloudWatch's, see emf_unit_is_known */
    bool overwrites;   /* also a unit that the metric brings itself */
};

/* Everything in it is borrowed until emf_free. */
struct emf_options {
    struct slice namespace;       /* empty: from the resource */
    struct slice log_group_name;  /* empty: /metrics/<namespace>; placeholders as {TaskId} */
    struct slice log_stream_name; /* empty: default_stream; placeholders likewise */
    struct slice default_stream;  /* "otel-stream-…", not empty */
    enum emf_rollup rollup;
    const struct emf_declaration *declarations; /* at most EMF_DECLARATIONS_MAX */
    uint32_t declaration_count;
    const struct emf_descriptor *descriptors;
    uint32_t descriptor_count;
    const struct slice *json_labels; /* their values are JSON to be inlined */
    uint32_t json_label_count;
    bool copies_resource;      /* resource attributes become labels */
    bool leaves_service_out;   /* but for service.name, .namespace and .instance.id */
    bool has_detailed_metrics; /* summaries as separate points */
    bool retains_initial;      /* the first value of a cumulative series is sent as it is */
    bool is_legacy;            /* version "0" */
    uint64_t delta_idle_ns;    /* a series so long unseen is forgotten; ≥ EMF_DELTA_IDLE_MIN_NS */
    uint32_t delta_series_max; /* 1 … EMF_DELTA_SERIES_MAX */
};

/* Why a point is in no document; X(name, label of the counter, sentence). */
#define EMF_DROP_LIST(X)                                                                           \
    X(EMF_DROP_NO_VALUE, "no_recorded_value", "the point says that its series has ended")          \
    X(EMF_DROP_INITIAL, "initial_value", "the first value of a cumulative series has no delta")    \
    X(EMF_DROP_NOT_FINITE, "not_finite", "a value is NaN or infinite")                             \
    X(EMF_DROP_OUT_OF_RANGE, "out_of_range", "a value is beyond 2^360")                            \
    X(EMF_DROP_NAME, "metric_name", "the name is empty, too long or one of the format's own")      \
    X(EMF_DROP_DUPLICATE, "duplicate_metric", "the same metric stands in the document already")    \
    X(EMF_DROP_LABELS, "too_many_labels", "the point has more labels than fit")                    \
    X(EMF_DROP_SERIES_LIMIT, "delta_series_limit", "no room for another cumulative series")        \
    X(EMF_DROP_TOO_LARGE, "event_too_large", "labels and one metric alone pass the event size")    \
    X(EMF_DROP_MEMORY, "memory", "the batch is larger than the encoder's memory")

#define EMF_DROP_MEMBER(name, label, text) name,
enum emf_drop { EMF_DROP_LIST(EMF_DROP_MEMBER) };
#undef EMF_DROP_MEMBER

#define EMF_DROP_ONE(name, label, text) +1
#define EMF_DROP_COUNT (0 EMF_DROP_LIST(EMF_DROP_ONE))

/* What was changed so that CloudWatch takes the rest; nothing is lost but what the sentence says.
 */
#define EMF_NOTICE_LIST(X)                                                                         \
    X(EMF_NOTICE_DIMENSIONS, "dimensions_limit", "a set of over 30 dimensions was left out")       \
    X(EMF_NOTICE_LABEL, "label_not_a_dimension", "a label CloudWatch refuses stayed a mere field") \
    X(EMF_NOTICE_SHADOWED, "label_shadowed", "a label with a name taken by the document went")     \
    X(EMF_NOTICE_UNIT, "unknown_unit", "a unit that CloudWatch does not know was left out")        \
    X(EMF_NOTICE_LOG_NAME, "log_name_changed",                                                     \
      "characters of a log group or stream were replaced")                                         \
    X(EMF_NOTICE_SPLIT, "documents_split", "a document beyond the event size became several")      \
    X(EMF_NOTICE_PLAIN, "no_directive", "a document has no directive: a plain log event")

#define EMF_NOTICE_MEMBER(name, label, text) name,
enum emf_notice { EMF_NOTICE_LIST(EMF_NOTICE_MEMBER) };
#undef EMF_NOTICE_MEMBER

#define EMF_NOTICE_ONE(name, label, text) +1
#define EMF_NOTICE_COUNT (0 EMF_NOTICE_LIST(EMF_NOTICE_ONE))

/* Labels of the counters and sentences for people; static. */
const char *emf_drop_label(enum emf_drop drop);
const char *emf_drop_text(enum emf_drop drop);
const char *emf_notice_label(enum emf_notice notice);
const char *emf_notice_text(enum emf_notice notice);

/*
 * Totals since emf_new. After a flush, point_count = document points + the sum of drops: each point
 * is booked once, also where it became several metrics or documents.
 */
struct emf_tally {
    uint64_t point_count;    /* read */
    uint64_t encoded_count;  /* points in documents handed out */
    uint64_t document_count; /* handed out */
    uint64_t drops[EMF_DROP_COUNT];
    uint64_t notices[EMF_NOTICE_COUNT];
    uint64_t delta_series_count; /* a level: running values kept now */
};

/* One log event. Borrowed until the callback returns. */
struct emf_document {
    struct slice log_group;
    struct slice log_stream;
    uint64_t time_ms;     /* Unix time */
    uint64_t point_count; /* data points that are booked as delivered with it; may be 0 */
    struct slice message; /* JSON, one line, at most EMF_MESSAGE_MAX_BYTES */
};

/* Called from within emf_flush, once per document. */
typedef void(emf_document_fn)(void *context, const struct emf_document *document);

struct emf_now {
    uint64_t unix_ns; /* stands in for points without a time */
    uint64_t mono_ns; /* ages the running values */
};

/* 0 or -ENOMEM; moves out on 0, else *out is NULL. `hash_seed` is random, one per process. */
WEIR_MUST_USE int emf_new(const struct emf_options *options, uint64_t hash_seed, struct emf **out);

/* NULL is fine. Points not flushed are gone, with no counter. */
void emf_free(struct emf *emf);

/*
 * emf_add_part — takes the points of one ExportMetricsServiceRequest.
 *
 *   request   accepted by otlp_walk, and regular (otlp_normal.h); borrowed until emf_flush returns
 *
 * Whatever cannot be sent is in the tally. Allocates only while batches, documents and the number
 * of cumulative series still grow.
 */
void emf_add_part(struct emf *emf, struct slice request, struct emf_now now);

/* Hands out the documents of all parts added, in the order of their first points, and forgets. */
void emf_flush(struct emf *emf, void *context, emf_document_fn *on_document);

/* Borrowed from emf; changes with each call above. */
const struct emf_tally *emf_tally_of(const struct emf *emf);

/* Is it one of the 27 units of CloudWatch? Case matters; empty is not one of them. */
bool emf_unit_is_known(struct slice unit);
