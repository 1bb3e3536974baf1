/* SPDX-License-Identifier: Apache-2.0 */
/*
 * h2 — what both roles of HTTP/2 share: metered memory, options, words for codes, gathered output.
 *
 * nghttp2 keeps the protocol's state and never touches a socket. It allocates through a meter with
 * a cap per connection, and what it wants to say is gathered into one send per turn. Floor of
 * h2_server and h2_client; lives on its loop's thread. Sources: RFC 9113, RFC 7541.
 */
#pragma once

#include <nghttp2/nghttp2.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "core/base/defs.h"
#include "core/base/slice.h"
#include "io/io_bounds.h"

/* Error codes of RST_STREAM and GOAWAY, RFC 9113 section 7. Wire values; others may arrive. */
enum h2_code {
    H2_CODE_NO_ERROR = 0x0,
    H2_CODE_PROTOCOL_ERROR = 0x1,
    H2_CODE_INTERNAL_ERROR = 0x2,
    H2_CODE_FLOW_CONTROL_ERROR = 0x3,
    H2_CODE_SETTINGS_TIMEOUT = 0x4,
    H2_CODE_STREAM_CLOSED = 0x5,
    H2_CODE_FRAME_SIZE_ERROR = 0x6,
    H2_CODE_REFUSED_STREAM = 0x7,
    H2_CODE_CANCEL = 0x8,
    H2_CODE_COMPRESSION_ERROR = 0x9,
    H2_CODE_CONNECT_ERROR = 0xa,
    H2_CODE_ENHANCE_YOUR_CALM = 0xb,
    H2_CODE_INADEQUATE_SECURITY = 0xc,
    H2_CODE_HTTP_1_1_REQUIRED = 0xd,
};

/* "PROTOCOL_ERROR" and the like; "unknown code" for others. Static. */
const char *h2_code_text(uint32_t code);

/* One header field; both slices borrow as their giver says. Names are lower case. */
struct h2_field {
    struct slice name;
    struct slice value;
};

/* A field as nghttp2 takes it; it copies unless told otherwise. */
nghttp2_nv h2_nv(struct slice name, struct slice value);

/* --- memory ----------------------------------------------------------------------------------- */

/*
 * The meter of one connection; embedded in its owner, which outlives the session. Loop-local.
 *
 * nghttp2 frees some blocks twice when an allocation fails in the wrong place, so its hooks refuse
 * nothing. Instead the owner looks at h2_memory_is_full before each frame and ends the connection:
 * what one frame can take beyond the cap is its own size and a few hundred bytes.
 */
struct h2_memory {
    size_t used_bytes;
    size_t max_bytes; /* set by the owner */
};

bool h2_memory_is_full(const struct h2_memory *memory);

/* Not zeroed, aligned to 16; NULL beyond the cap or when there is none. `bytes` may be 0. */
WEIR_MUST_USE void *h2_memory_alloc(struct h2_memory *memory, size_t bytes);
/* As realloc: moves `ptr` (may be NULL); on NULL `ptr` is untouched. */
WEIR_MUST_USE void *h2_memory_resize(struct h2_memory *memory, void *ptr, size_t bytes);
/* NULL is fine. */
void h2_memory_free(struct h2_memory *memory, void *ptr);

/* The hooks for nghttp2_session_*_new3; `memory` is borrowed until the session is deleted. */
nghttp2_mem h2_memory_hooks(struct h2_memory *memory);

/* --- options ---------------------------------------------------------------------------------- */

/*
 * h2_option_new — the options of every session of ours: no automatic window update (consuming bytes
 * is the owner's word, see nghttp2_session_consume), no closed streams kept, bounded queues of
 * acknowledgements and header fragments. The caller may set more, and frees it with
 * nghttp2_option_del. 0 or -ENOMEM.
 */
WEIR_MUST_USE int h2_option_new(nghttp2_option **out);

/* 0 for what is not negative, -ENOMEM, FAULT_LIMIT (a flood), FAULT_MALFORMED or FAULT_LIBRARY. */
int h2_fault(int library_code);

/* --- output ----------------------------------------------------------------------------------- */

/* One run of bytes: in the buffer from an offset on, or referred to. */
struct h2_out_segment {
    const uint8_t *referred; /* borrowed until h2_out_reset; NULL: in the buffer */
    size_t offset;
    size_t len;
};

/*
 * What a connection wants to say in one send: small frames copied, large bodies referred to.
 * Zeroed but for `memory` it is valid and empty.
 */
struct h2_out {
    struct h2_memory *memory; /* borrowed */
    uint8_t *buffer;          /* owned */
    size_t buffer_len;
    size_t buffer_capacity_bytes;
    size_t total_bytes; /* of all segments */
    uint32_t segment_count;
    struct h2_out_segment segments[LOOP_STREAM_IOV_MAX];
};

/* Copies; 0, -ENOMEM, or -EAGAIN where the segments are used up. */
WEIR_MUST_USE int h2_out_append(struct h2_out *out, struct slice bytes);

/* Refers; `bytes` are borrowed until h2_out_reset. 0, or -EAGAIN where the segments are used up. */
WEIR_MUST_USE int h2_out_refer(struct h2_out *out, struct slice bytes);

/* Has it room for a frame's head and a referred body? For nghttp2's send_data callback. */
bool h2_out_has_room(const struct h2_out *out);

/*
 * Moves frames of `session` into `out` until there are no more, or H2_OUT_MAX_BYTES are reached (by
 * at most one frame more). Callbacks of the session may append and refer meanwhile. 0, or as
 * h2_fault.
 */
WEIR_MUST_USE int h2_out_gather(struct h2_out *out, nghttp2_session *session);

/* Fills `iov` (LOOP_STREAM_IOV_MAX entries) and returns how many; valid until the next append. */
size_t h2_out_iov(const struct h2_out *out, struct iovec *iov);

/* Empty again, after the send is done; its buffer is given back. Also the fini. */
void h2_out_reset(struct h2_out *out);
