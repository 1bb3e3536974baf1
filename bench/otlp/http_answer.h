/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http_answer — the head of an HTTP/1.1 answer, as far as a sender of requests needs it.
 *
 * Follows RFC 9112; bodies have a Content-Length, chunked ones are refused.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/defs.h"
#include "core/base/fault.h"
#include "core/base/slice.h"

struct http_answer {
    uint32_t status;
    size_t head_bytes; /* with the empty line */
    size_t body_bytes;
    bool wants_close;
};

/* `out` is filled on PARSE_DONE. PARSE_BAD: no status line, no usable length, or chunked. */
WEIR_MUST_USE enum parse http_answer_parse(struct slice bytes, struct http_answer *out);
