/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prom_write_wire — the messages of Prometheus remote write 1.0, as bytes.
 *
 * The leaves that series are put together from: labels, samples, exemplars, native histograms and
 * metadata, each appended to a buffer whose errors stick. Sources: Prometheus "Remote-Write 1.0",
 * prompb/remote.proto and prompb/types.proto.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "codecs/bytes.h"
#include "core/base/arena.h"
#include "core/base/defs.h"
#include "core/base/slice.h"
#include "core/otlp/proto/metrics.pb-c.h"

/* A NaN whose bits say that the series has ended; every other NaN is a value. */
#define PROM_STALE_BITS UINT64_C(0x7FF0000000000002)

/* Tags of the length-delimited fields that others close: number << 3 | 2. */
enum prom_wire_tag {
    PROM_TAG_REQUEST_SERIES = 0x0A,   /* WriteRequest 1 */
    PROM_TAG_REQUEST_METADATA = 0x1A, /* WriteRequest 3 */
};

/* The type of a metric in its metadata. */
enum prom_meta_type {
    PROM_META_COUNTER = 1,
    PROM_META_GAUGE = 2,
    PROM_META_HISTOGRAM = 3,
    PROM_META_SUMMARY = 5,
};

/* Bytes of the varint that says `value`. */
size_t prom_wire_varint_bytes(uint64_t value);

/* A tag and the length of what the caller appends next. */
void prom_wire_head(struct bytes *out, uint32_t tag, uint64_t len);

/* TimeSeries 1, and the same in an Exemplar. `value` is well-formed UTF-8. */
void prom_wire_label(struct bytes *out, struct slice name, struct slice value);

/* A label whose value is two texts in a row. */
void prom_wire_label_joined(struct bytes *out, struct slice name, struct slice first,
                            struct slice second);

/* TimeSeries 2: the bits of a double, and Unix time. */
void prom_wire_sample(struct bytes *out, uint64_t value_bits, int64_t time_ms);

/* TimeSeries 3; `labels` are label fields. */
void prom_wire_exemplar(struct bytes *out, struct slice labels, double value, int64_t time_ms);

/* TimeSeries 4 of a histogram that has ended. */
void prom_wire_stale_histogram(struct bytes *out, int64_t time_ms);

/*
 * prom_wire_histogram — TimeSeries 4: a native histogram of the same buckets.
 *
 *   arena   scratch; freed by the caller's reset
 *
 * Finer buckets than schema 8 are merged. Returns 0; FAULT_UNSUPPORTED where they are coarser than
 * schema -4; FAULT_MALFORMED where the counts of the buckets do not add up to the point's, which
 * Prometheus would refuse with the whole request; -ENOMEM. Errors of `out` stick there as well.
 */
WEIR_MUST_USE int prom_wire_histogram(
    struct bytes *out,
    const struct Opentelemetry__Proto__Metrics__V1__ExponentialHistogramDataPoint *point,
    int64_t time_ms, struct arena *arena);

/* The content of a MetricMetadata. Texts are well-formed UTF-8; empty ones are left out. */
struct prom_wire_metadata {
    enum prom_meta_type type;
    struct slice name;
    struct slice help;
    struct slice unit;
};
void prom_wire_metadata(struct bytes *out, const struct prom_wire_metadata *metadata);

/* Digits without an exponent however many that takes, "0.00001"; NaN, +Inf, -Inf. */
void prom_wire_decimal(struct bytes *out, double value);
