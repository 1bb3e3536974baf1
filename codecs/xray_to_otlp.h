/* SPDX-License-Identifier: Apache-2.0 */
/*
 * xray_to_otlp — one X-Ray segment document becomes one OTLP ResourceSpans, as wire bytes.
 *
 * Stands behind the X-Ray receiver where a processor or an exporter wants OTLP. The document is
 * read once into flat tables (xray_segment.h), then its spans are written back to front; no tree of
 * objects is built, and after init nothing is allocated but what `out` grows by. Field by field it
 * does what the Collector's awsxray receiver does; README.md lists where it decides for itself.
 */
#pragma once

#include <stdint.h>

#include "codecs/bytes.h"
#include "core/base/defs.h"
#include "core/base/slice.h"

/* As large as a document may be for X-Ray; no datagram is larger. */
#define XRAY_DOCUMENT_MAX_BYTES 65536
/* Segments inside each other, the outermost included. */
#define XRAY_DEPTH_MAX 200
/* Segments of one document: the shortest valid one takes 51 bytes, so no valid document has more.
 */
#define XRAY_SEGMENTS_MAX 1300
/* Brackets inside each other in one annotation, metadata namespace or unknown member. */
#define XRAY_VALUE_DEPTH_MAX 128
/* Spans of one document; eight times its length, which only escapes of hostile texts come near. */
#define XRAY_SPANS_MAX_BYTES ((size_t)8 * XRAY_DOCUMENT_MAX_BYTES)

/* Reason, label of its counter, words for a log line. All of them refuse the whole document. */
#define XRAY_WHY_LIST(X)                                                                           \
    X(NONE, "none", "valid")                                                                       \
    X(SIZE, "size", "longer than 64 KiB")                                                          \
    X(JSON, "bad_json", "not JSON")                                                                \
    X(NO_OBJECT, "no_object", "not a JSON object")                                                 \
    X(TYPE, "bad_type", "a member has a value of the wrong type")                                  \
    X(NUMBER, "bad_number", "a number is out of range")                                            \
    X(DEPTH, "depth", "nested too deeply")                                                         \
    X(SEGMENTS, "segments", "too many subsegments")                                                \
    X(NO_NAME, "no_name", "a segment without a name")                                              \
    X(NO_ID, "no_id", "a segment without an id")                                                   \
    X(NO_START, "no_start", "a segment without a start time")                                      \
    X(NO_TRACE_ID, "no_trace_id", "a segment without a trace id")                                  \
    X(BAD_ID, "bad_id", "an id that is not 16 hexadecimal digits")                                 \
    X(BAD_TRACE_ID, "bad_trace_id", "a trace id of another form")                                  \
    X(BAD_TIME, "bad_time", "a time before 1970 or past the range of nanoseconds")                 \
    X(BAD_NAMESPACE, "bad_namespace", "a namespace other than aws, remote and local")              \
    X(BAD_SQL_URL, "bad_sql_url", "an SQL URL that does not begin with a scheme")                  \
    X(NO_EXCEPTION_ID, "no_exception_id", "an exception without an id")                            \
    X(SPANS, "spans", "spans longer than 512 KiB")

#define XRAY_WHY_MEMBER(member, label, text) XRAY_WHY_##member,
enum xray_why { XRAY_WHY_LIST(XRAY_WHY_MEMBER) };
#undef XRAY_WHY_MEMBER
#define XRAY_WHY_LIMIT 19 /* one past the last reason */

/* The label and the words of the list; static, never NULL. */
const char *xray_why_label(enum xray_why why);
const char *xray_why_text(enum xray_why why);

/* Its tables and buffers; one thread. About 2.5 MB, of which real documents touch a few pages. */
struct xray_to_otlp;

/* Moves out a translator for one thread. NULL when memory is refused. */
WEIR_MUST_USE struct xray_to_otlp *xray_to_otlp_new(void);

/* NULL is fine. */
void xray_to_otlp_free(struct xray_to_otlp *t);

/*
 * xray_to_otlp_append — appends one `resource_spans` field to `out`, so that what is appended one
 * after another is an ExportTraceServiceRequest.
 *
 *   document     borrowed until the return; of any length
 *   span_count   on 0 how many spans were appended; on FAULT_MALFORMED how many were refused,
 *                at least 1; else 0
 *   why          label of the reason on FAULT_MALFORMED, else NULL; static; a counter's name
 *
 * Returns 0; FAULT_MALFORMED where the document is refused; the sticky error of `out` (FAULT_LIMIT,
 * -ENOMEM) where it has no room, and then bytes_clear makes it usable again. Appends all or
 * nothing.
 */
WEIR_MUST_USE int xray_to_otlp_append(struct xray_to_otlp *t, struct slice document,
                                      struct bytes *out, uint32_t *span_count, const char **why);

/* The reason of the last document; XRAY_WHY_NONE after what was accepted. */
enum xray_why xray_to_otlp_why(const struct xray_to_otlp *t);
