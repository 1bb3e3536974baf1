/* SPDX-License-Identifier: Apache-2.0 */
/*
 * otlp_schema — what may stand behind which tag in which message of an export request.
 *
 * One row per message type, one byte per tag up to field number 31, so that the walk needs a single
 * load to know what to do with a field. Compared in its test with the descriptors that protoc-c
 * makes of core/otlp/proto. Source: OTLP 1.x.
 */
#pragma once

#include <stdint.h>

/* Rows, in the order the walk relies on: what it counts stands behind what it does not. */
enum otlp_type {
    OTLP_TYPE_ANY_VALUE,
    OTLP_TYPE_ARRAY_VALUE,
    OTLP_TYPE_KVLIST,
    OTLP_TYPE_KEY_VALUE,
    OTLP_TYPE_ENTITY_REF,
    OTLP_TYPE_EVENT,
    OTLP_TYPE_LINK,
    OTLP_TYPE_STATUS,
    OTLP_TYPE_EXEMPLAR,
    OTLP_TYPE_BUCKETS,
    OTLP_TYPE_QUANTILE,
    OTLP_TYPE_SPAN, /* from here on counted */
    OTLP_TYPE_LOG_RECORD,
    OTLP_TYPE_NUMBER_POINT,
    OTLP_TYPE_HISTOGRAM_POINT,
    OTLP_TYPE_EXPHIST_POINT,
    OTLP_TYPE_SUMMARY_POINT,
    OTLP_TYPE_GAUGE,
    OTLP_TYPE_SUM,
    OTLP_TYPE_HISTOGRAM,
    OTLP_TYPE_EXPHIST,
    OTLP_TYPE_SUMMARY,
    OTLP_TYPE_METRIC,
    OTLP_TYPE_SCOPE_SPANS,
    OTLP_TYPE_SCOPE_METRICS,
    OTLP_TYPE_SCOPE_LOGS,
    OTLP_TYPE_RESOURCE_SPANS,
    OTLP_TYPE_RESOURCE_METRICS,
    OTLP_TYPE_RESOURCE_LOGS,
    OTLP_TYPE_SCOPE,
    OTLP_TYPE_RESOURCE,
    OTLP_TYPE_TRACES_REQUEST,
    OTLP_TYPE_METRICS_REQUEST,
    OTLP_TYPE_LOGS_REQUEST,
    OTLP_TYPE_COUNT,
};

#define OTLP_TYPE_FIRST_COUNTED OTLP_TYPE_SPAN

/* What to do behind a tag. */
enum otlp_action {
    OTLP_ACTION_ODD, /* unknown, or known with another wire type */
    OTLP_ACTION_VARINT,
    OTLP_ACTION_FIXED64,
    OTLP_ACTION_FIXED32,
    OTLP_ACTION_BYTES,
    OTLP_ACTION_TRACE_ID,
    OTLP_ACTION_SPAN_ID,
    OTLP_ACTION_PACKED_VARINT,
    OTLP_ACTION_PACKED_FIXED64,
    OTLP_ACTION_MESSAGE, /* + enum otlp_type: go into it */
};

/* Tags of fields 1 … 31 are below this. */
#define OTLP_SCHEMA_TAGS 256

extern const uint8_t otlp_schema[OTLP_TYPE_COUNT][OTLP_SCHEMA_TAGS];
