/* SPDX-License-Identifier: Apache-2.0 */
/*
 * xray_put — the bodies of PutTraceSegments and PutTelemetryRecords, and what they answer.
 *
 * Documents go as strings inside an array. Each is escaped once, behind a comma of its own, and
 * stays where it is: any choice of them is a body of a few pieces, without copying, so that those
 * that are to be sent again are sent as they were.
 * Source: AWS X-Ray API Reference, PutTraceSegments, PutTelemetryRecords.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "codecs/bytes.h"
#include "core/base/defs.h"
#include "core/base/slice.h"

#define XRAY_PUT_SEGMENTS_PATH "/TraceSegments"
#define XRAY_PUT_TELEMETRY_PATH "/TelemetryRecords"

/* Documents of one request. */
#define XRAY_PUT_DOCUMENTS_MAX 50
/* A request's body, about; a document that is larger by itself goes alone. X-Ray publishes no
 * limit. */
#define XRAY_PUT_BODY_MAX_BYTES (1024 * 1024)
/* Before and behind the documents. */
#define XRAY_PUT_HEAD SLICE_LITERAL("{\"TraceSegmentDocuments\":[")
#define XRAY_PUT_TAIL SLICE_LITERAL("]}")

/* Appends the document as a string behind a comma; bytes that are no UTF-8 become U+FFFD. Errors
 * stick in `out`. */
void xray_put_append(struct bytes *out, struct slice document);

/*
 * Writes the id of a document that xray_put_append wrote, escapes and all, to `id`: the value of
 * its own member `id`, not of a subsegment's. False where it has none that is a plain text of at
 * most `cap` bytes.
 */
bool xray_put_find_id(struct slice appended, char *id, size_t cap, size_t *len);

/* --- answers ---------------------------------------------------------------------------------- */

#define XRAY_UNPROCESSED_TEXT_MAX_BYTES 128

/* One entry of UnprocessedTraceSegments; texts are cut to their room. */
struct xray_unprocessed {
    char id[XRAY_UNPROCESSED_TEXT_MAX_BYTES];
    size_t id_len; /* 0: the service does not say which */
    char code[XRAY_UNPROCESSED_TEXT_MAX_BYTES];
    size_t code_len;
    char message[XRAY_UNPROCESSED_TEXT_MAX_BYTES];
    size_t message_len;
    bool can_succeed; /* throttled, or the service failed: worth another attempt */
};

/*
 * xray_put_read_answer — the entries of an answer's body, at most `cap` of them.
 *
 *   body   borrowed; anything. Empty, or without entries: all were taken
 *
 * Returns how many there are, also beyond `cap`; what follows a fault in the body is not read.
 */
size_t xray_put_read_answer(struct slice body, struct xray_unprocessed *entries, size_t cap);

/* May a document with this ErrorCode be taken the next time? */
bool xray_put_can_succeed(struct slice code);

/* --- telemetry -------------------------------------------------------------------------------- */

/* Records of one PutTelemetryRecords. */
#define XRAY_TELEMETRY_RECORDS_MAX 10

/* What happened in one interval. */
struct xray_telemetry_record {
    uint64_t time_unix_ns;
    uint64_t received_count;
    uint64_t sent_count;
    uint64_t spillover_count;
    uint64_t rejected_count;
    uint64_t timeout_count;
    uint64_t connection_refused_count;
    uint64_t http_4xx_count;
    uint64_t http_5xx_count;
    uint64_t unknown_host_count;
    uint64_t other_count;
};

/* Who reports; empty texts are left out. */
struct xray_telemetry_source {
    struct slice instance_id;
    struct slice hostname;
    struct slice resource_arn;
};

/* Appends a whole body. Errors stick in `out`. */
void xray_put_telemetry(struct bytes *out, const struct xray_telemetry_source *source,
                        const struct xray_telemetry_record *records, size_t count);
