/* SPDX-License-Identifier: Apache-2.0 */
/*
 * batch_pieces — a growing array of iovecs.
 */
#include "exporters/batch_pieces.h"

#include <errno.h>

#include "core/base/fault.h"
#include "core/base/mem.h"
#include "core/model/batch.h"

/* An iovec has no const; nobody writes there. */
static struct iovec piece_of(struct slice bytes)
{
    union {
        const void *bytes;
        void *base;
    } address = {.bytes = bytes.ptr};
    return (struct iovec){.iov_base = address.base, .iov_len = bytes.len};
}

static int reserve(struct batch_pieces *pieces, size_t count)
{
    if (count <= pieces->capacity) {
        return 0;
    }
    struct iovec *grown = mem_resize(pieces->items, count * sizeof(grown[0]));
    if (grown == NULL) {
        return -ENOMEM;
    }
    pieces->items = grown;
    pieces->capacity = count;
    return 0;
}

int batch_pieces_list(struct batch_pieces *pieces, const struct batch *batch)
{
    int err = reserve(pieces, batch->part_count > 0 ? batch->part_count : 1);
    if (err != 0) {
        return err;
    }
    for (uint32_t i = 0; i < batch->part_count; i++) {
        if (batch->parts[i].encoding != PART_OTLP) {
            return FAULT_UNSUPPORTED;
        }
        pieces->items[i] = piece_of(batch->parts[i].bytes);
    }
    pieces->count = batch->part_count;
    return 0;
}

void batch_pieces_replace(struct batch_pieces *pieces, struct slice body)
{
    ASSERT(pieces->capacity > 0);
    pieces->items[0] = piece_of(body);
    pieces->count = 1;
}

uint64_t batch_pieces_bytes(const struct batch_pieces *pieces)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < pieces->count; i++) {
        bytes += pieces->items[i].iov_len;
    }
    return bytes;
}

void batch_pieces_fini(struct batch_pieces *pieces)
{
    mem_free(pieces->items);
    *pieces = (struct batch_pieces){0};
}
