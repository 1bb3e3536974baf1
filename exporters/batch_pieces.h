/* SPDX-License-Identifier: Apache-2.0 */
/*
 * batch_pieces — the body of a request as pieces where they lie: the parts of a batch, or one body
 * made of them.
 *
 * A list that is used again for later batches. Borrows from the parts, or from the body. Egress-
 * local; zeroed is an empty list.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "core/base/defs.h"
#include "core/base/slice.h"

struct batch;

struct batch_pieces {
    struct iovec *items; /* owned array; nobody writes where they point */
    size_t count;
    size_t capacity;
};

/*
 * The parts of `batch`, one piece each; there is room for one where it has none. 0; -ENOMEM;
 * FAULT_UNSUPPORTED for a part that is not PART_OTLP.
 */
WEIR_MUST_USE int batch_pieces_list(struct batch_pieces *pieces, const struct batch *batch);

/* One piece in place of those that were listed before. */
void batch_pieces_replace(struct batch_pieces *pieces, struct slice body);

/* Bytes of all of them. */
uint64_t batch_pieces_bytes(const struct batch_pieces *pieces);

/* Idempotent. */
void batch_pieces_fini(struct batch_pieces *pieces);
