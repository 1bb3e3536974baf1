/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http1 — the head of an HTTP/1.1 request, out of bytes that arrive as they please.
 *
 * Strict on purpose: where two readers could see two different requests, the answer is PARSE_BAD
 * with a reason that maps to a status. Nothing is copied: a finished head holds offsets into the
 * caller's buffer, which may have moved between the calls. Sources: RFC 9110, RFC 9112.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/defs.h"
#include "core/base/fault.h"
#include "core/base/slice.h"
#include "io/io_bounds.h"

/* Every reason for which a request is refused: name, status, words for the body of the answer. */
#define HTTP1_WHYS(X)                                                                              \
    X(NONE, 200, "fine")                                                                           \
    X(REQUEST_LINE, 400, "malformed request line")                                                 \
    X(TARGET, 400, "malformed request target")                                                     \
    X(TARGET_LONG, 414, "request target too long")                                                 \
    X(VERSION, 505, "HTTP version not supported")                                                  \
    X(LINE_END, 400, "line not ended by CR LF")                                                    \
    X(HEADER, 400, "malformed header field")                                                       \
    X(FOLDED, 400, "folded header field")                                                          \
    X(HEAD_LONG, 431, "request head too long")                                                     \
    X(HEADERS_MANY, 431, "too many header fields")                                                 \
    X(HOST, 400, "one Host header field is needed")                                                \
    X(LENGTH, 400, "malformed or repeated Content-Length")                                         \
    X(FRAMING, 400, "ambiguous length of the body")                                                \
    X(CODING, 501, "transfer coding not supported")                                                \
    X(EXPECT, 417, "expectation not supported")                                                    \
    X(CHUNK, 400, "malformed chunk")                                                               \
    X(TRAILER_LONG, 431, "trailer too long")

#define HTTP1_WHY_MEMBER(name, status, text) HTTP1_WHY_##name,
enum http1_why { HTTP1_WHYS(HTTP1_WHY_MEMBER) };
#undef HTTP1_WHY_MEMBER

/* 400, 414, 417, 431, 501 or 505; 200 for NONE. */
uint32_t http1_why_status(enum http1_why why);
/* A static phrase in lower case. */
const char *http1_why_text(enum http1_why why);

/* --- heads ------------------------------------------------------------------------------------ */

enum http1_framing {
    HTTP1_FRAMING_NONE, /* no body */
    HTTP1_FRAMING_LENGTH,
    HTTP1_FRAMING_CHUNKED,
};

/* A run of bytes of the head; HTTP1_HEAD_MAX_BYTES fits 16 bits. */
struct http1_span {
    uint16_t offset;
    uint16_t len;
};

struct http1_field {
    struct http1_span name;
    struct http1_span value; /* without blanks around it */
};

/* Zeroed is ready for the first byte. After PARSE_DONE the accessors below work. */
struct http1_head {
    const uint8_t *base; /* borrowed: what the last call was given */
    uint32_t head_bytes; /* up to and with the empty line */
    uint32_t header_count;
    enum http1_framing framing;
    uint32_t minor_version;  /* of HTTP/1.x: 0 or 1 */
    uint64_t content_length; /* with HTTP1_FRAMING_LENGTH */
    bool is_keep_alive;      /* what the client asks for; the default of its version otherwise */
    bool expects_continue;
    struct http1_span method;
    struct http1_span target;
    struct http1_field headers[HTTP1_HEADERS_MAX];
    /* Where the scan stands. */
    uint32_t scanned_bytes; /* no line ends before here, but at line_start */
    uint32_t line_start;
    uint32_t seen; /* bits: which of the fields that may stand once were met */
    bool has_request_line;
};

/*
 * http1_head_parse — reads on where the last call stopped.
 *
 *   bytes  all of the request so far, from its first byte; may lie elsewhere than last time, and go
 *          on beyond the head. Borrowed while the accessors are in use.
 *   why    filled only on PARSE_BAD
 *
 * PARSE_DONE sets head->head_bytes; PARSE_MORE wants more bytes than these; after PARSE_BAD the
 * connection has no next request. One empty line before the request is passed over. Limits:
 * HTTP1_HEAD_MAX_BYTES and HTTP1_HEADERS_MAX.
 */
WEIR_MUST_USE enum parse http1_head_parse(struct http1_head *head, struct slice bytes,
                                          enum http1_why *why);

/* Tells a finished head that its bytes were moved to `base`. */
static inline void http1_head_rebase(struct http1_head *head, const uint8_t *base)
{
    head->base = base;
}

/* Of a finished head; borrow from its bytes. */
struct slice http1_head_method(const struct http1_head *head);
struct slice http1_head_target(const struct http1_head *head);
/* The target without query and, in absolute form, without scheme and authority; never empty. */
struct slice http1_head_path(const struct http1_head *head);
/* What stands behind the first '?', without it; empty where there is none. */
struct slice http1_head_query(const struct http1_head *head);
/* Name and value of header `index` < header_count. */
struct slice http1_head_name_at(const struct http1_head *head, uint32_t index);
struct slice http1_head_value_at(const struct http1_head *head, uint32_t index);
/* The first header of that name in any case; false where there is none. */
bool http1_head_find(const struct http1_head *head, const char *name, struct slice *value);

/* Are the two equal but for the case of ASCII letters? */
bool http1_text_equal(struct slice a, struct slice b);

/*
 * http1_next_element — the next element of a comma-separated field value, without blanks around it
 * and never empty; false at the end. `rest` starts as the value and shrinks.
 */
bool http1_next_element(struct slice *rest, struct slice *out);
