/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sink_inflate — undoes the Content-Encoding of a request: identity, gzip or zstd.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "core/base/defs.h"
#include "core/base/slice.h"

#define SINK_INFLATED_MAX_BYTES (512u << 20)

/* Grows as needed and is reused from request to request; zeroed is valid. */
struct sink_inflate_buffer {
    uint8_t *bytes; /* owned */
    size_t capacity;
};

void sink_inflate_fini(struct sink_inflate_buffer *buffer);

/*
 * sink_inflate — `encoding` as in the header, empty for identity. `*out` borrows from `body` or
 * from `buffer` until the next call. 0, FAULT_UNSUPPORTED, FAULT_MALFORMED, FAULT_LIMIT or -ENOMEM.
 */
WEIR_MUST_USE int sink_inflate(struct sink_inflate_buffer *buffer, struct slice encoding,
                               struct slice body, struct slice *out);
