/* SPDX-License-Identifier: Apache-2.0 */
/*
 * otlp_walk — is this an export request, and how much is in it? One pass, nothing is allocated.
 *
 * Stands behind every OTLP receiver: what the walk accepts becomes a part as it is, and everything
 * behind it (otlp_visit, otlp_split, pb_decode) relies on that. It accepts what the Collector's
 * decoder accepts, and properly skipped groups on top: invalid UTF-8, unknown fields and unknown
 * enum numbers pass; a known field of another wire type, an id of another length or any bytes that
 * do not add up refuse the whole request. Source: protobuf encoding guide, OTLP 1.x.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/base/defs.h"
#include "core/base/slice.h"
#include "core/model/part.h"

/* Reason, fault, words for a log line or an answer. */
#define OTLP_WHY_LIST(X)                                                                           \
    X(OTLP_WHY_NONE, 0, "valid")                                                                   \
    X(OTLP_WHY_TRUNCATED, FAULT_TRUNCATED, "a field is longer than the message around it")         \
    X(OTLP_WHY_PACKED, FAULT_TRUNCATED, "a packed list ends inside an element")                    \
    X(OTLP_WHY_VARINT, FAULT_MALFORMED, "a varint has more than 10 bytes")                         \
    X(OTLP_WHY_NUMBER, FAULT_MALFORMED, "a field number is out of range")                          \
    X(OTLP_WHY_WIRE_UNKNOWN, FAULT_MALFORMED, "a wire type does not exist")                        \
    X(OTLP_WHY_WIRE_TYPE, FAULT_MALFORMED, "a known field has the wrong wire type")                \
    X(OTLP_WHY_TRACE_ID, FAULT_MALFORMED, "a trace id is neither 16 bytes long nor empty")         \
    X(OTLP_WHY_SPAN_ID, FAULT_MALFORMED, "a span id is neither 8 bytes long nor empty")            \
    X(OTLP_WHY_GROUP, FAULT_MALFORMED, "a group does not end as it began")                         \
    X(OTLP_WHY_GROUP_DEPTH, FAULT_LIMIT, "groups are nested too deep")                             \
    X(OTLP_WHY_DEPTH, FAULT_LIMIT, "messages are nested too deep")

#define OTLP_WHY_MEMBER(name, fault, text) name,
enum otlp_why { OTLP_WHY_LIST(OTLP_WHY_MEMBER) };
#undef OTLP_WHY_MEMBER

#define OTLP_WHY_ONE(name, fault, text) +1
#define OTLP_WHY_COUNT (0 OTLP_WHY_LIST(OTLP_WHY_ONE))

/* The words of the list; static, never NULL. */
const char *otlp_why_text(enum otlp_why why);

struct otlp_counts {
    uint64_t item_count;     /* spans, log records, data points */
    uint32_t resource_count; /* ResourceSpans, ResourceMetrics, ResourceLogs */
    uint32_t metric_count;   /* of SIGNAL_METRICS, else 0 */
    /*
     * The request is valid, but spelled as no sender should: a Resource or scope in pieces, data
     * that later data of the same metric overrides, or scopes in field 1000, as before OTLP 0.15.
     * All of it is counted as decoders understand it, but nothing else here reads it: give such a
     * part to otlp_regularise first (otlp_normal.h).
     */
    bool is_irregular;
};

/*
 * otlp_walk — validates the protobuf form of an Export…ServiceRequest and counts.
 *
 *   request   borrowed; empty is a valid request of nothing
 *   out       filled on 0 only
 *   why       may be NULL; OTLP_WHY_NONE on 0
 *
 * Of a metric that brings several kinds of data the last one counts, as for all decoders. Messages
 * may stand PB_DEPTH_MAX deep, the request included, as in pb_decode.
 *
 * Returns 0, or the fault that stands beside the reason in OTLP_WHY_LIST: FAULT_TRUNCATED,
 * FAULT_MALFORMED or FAULT_LIMIT.
 */
WEIR_MUST_USE int otlp_walk(enum signal signal, struct slice request, struct otlp_counts *out,
                            enum otlp_why *why);
