/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http1_chunks — the body of a chunked message, piece by piece, out of bytes that arrive as they
 * please.
 *
 * Nothing is copied: pieces borrow from the input. Reasons for refusal are those of http1.h.
 * Source: RFC 9112 section 7.1.
 */
#pragma once

#include <stdint.h>

#include "core/base/defs.h"
#include "core/base/fault.h"
#include "core/base/slice.h"
#include "io/http1.h"
#include "io/io_bounds.h"

enum http1_chunk_state {
    HTTP1_CHUNK_SIZE,
    HTTP1_CHUNK_EXTENSION,
    HTTP1_CHUNK_SIZE_LF,
    HTTP1_CHUNK_DATA,
    HTTP1_CHUNK_DATA_CR,
    HTTP1_CHUNK_DATA_LF,
    HTTP1_CHUNK_TRAILER,
    HTTP1_CHUNK_TRAILER_LF,
    HTTP1_CHUNK_END,
};

/* Zeroed is ready for the first byte of a chunked body. */
struct http1_chunks {
    enum http1_chunk_state state;
    uint64_t remaining_bytes; /* of the chunk under way */
    uint32_t digit_count;
    uint32_t line_bytes;    /* of the line under way */
    uint32_t trailer_bytes; /* of all trailer lines */
};

/*
 * http1_chunks_decode — takes bytes off `in` up to the next piece of the body.
 *
 *   in     borrowed; what was taken is cut off its front
 *   data   the next piece, borrowed from `in`; may be empty with MORE and DONE
 *   why    filled only on PARSE_BAD
 *
 * PARSE_DONE: the body is complete, `in` starts behind it. PARSE_MORE with bytes left in `in` means
 * call again. Extensions and trailers are passed over; their limit is HTTP1_CHUNK_LINE_MAX_BYTES a
 * line, HTTP1_TRAILER_MAX_BYTES in all.
 */
WEIR_MUST_USE enum parse http1_chunks_decode(struct http1_chunks *chunks, struct slice *in,
                                             struct slice *data, enum http1_why *why);
