/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sink_head — the request line and the few headers of HTTP/1.1 that the sink needs.
 *
 * Follows RFC 9112 as far as exporters go: Content-Length bodies; chunked ones are refused.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/defs.h"
#include "core/base/fault.h"
#include "core/base/slice.h"

#define SINK_HEAD_MAX_BYTES 65536u

/* Slices borrow from the parsed bytes. */
struct sink_head {
    struct slice path;
    struct slice content_type;
    struct slice content_encoding;
    uint64_t body_bytes;
    size_t head_bytes; /* with the empty line */
    bool wants_close;
    bool expects_continue;
};

/* `out` is filled on PARSE_DONE. PARSE_BAD: not a POST, a broken line, a length that is none. */
WEIR_MUST_USE enum parse sink_head_parse(struct slice bytes, struct sink_head *out);
