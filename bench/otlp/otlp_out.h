/* SPDX-License-Identifier: Apache-2.0 */
/*
 * otlp_out — what one connection of the bench has yet to write: short pieces copied, bodies only
 * referred to, sent together with one call.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "core/base/defs.h"
#include "core/base/slice.h"

#define OTLP_OUT_PIECES_MAX_COUNT 128u
#define OTLP_OUT_COPIES_MAX_BYTES 32768u
/* Beyond this much no further frame is taken on: other connections want their turn. */
#define OTLP_OUT_FULL_BYTES 524288u

/* Zeroed is empty. */
struct otlp_out {
    struct iovec pieces[OTLP_OUT_PIECES_MAX_COUNT];
    uint32_t first; /* the first piece not yet written whole */
    uint32_t count;
    size_t copied_bytes;
    size_t pending_bytes;
    uint8_t copies[OTLP_OUT_COPIES_MAX_BYTES];
};

/* Room for a frame's head, its body, and one more head of at most 16 KiB? */
bool otlp_out_has_room(const struct otlp_out *out);

/* False, and nothing taken, where there is no room. */
WEIR_MUST_USE bool otlp_out_copy(struct otlp_out *out, struct slice bytes);

/* The bytes are borrowed until they are written or the connection ends. False as above. */
WEIR_MUST_USE bool otlp_out_refer(struct otlp_out *out, struct slice bytes);

/*
 * Writes as much as `fd` takes without waiting. 0 when nothing is left, -EAGAIN when the rest has
 * to wait, or -errno.
 */
WEIR_MUST_USE int otlp_out_flush(struct otlp_out *out, int fd);
