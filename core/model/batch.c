/* SPDX-License-Identifier: Apache-2.0 */
/*
 * batch — a growing list of parts.
 */
#include "core/model/batch.h"

#include <errno.h>

#include "core/base/mem.h"

struct batch *batch_new(enum signal signal, uint64_t now_mono_ns)
{
    struct batch *batch = mem_alloc(sizeof(*batch));
    if (batch != NULL) {
        *batch = (struct batch){.signal = signal, .created_mono_ns = now_mono_ns};
    }
    return batch;
}

int batch_push(struct batch *batch, struct part *part)
{
    ASSERT(part->signal == batch->signal);
    if (batch->part_count == batch->part_capacity) {
        uint32_t capacity = batch->part_capacity == 0 ? 1 : batch->part_capacity * 2;
        struct part *parts = mem_resize(batch->parts, (size_t)capacity * sizeof(parts[0]));
        if (parts == NULL) {
            return -ENOMEM;
        }
        batch->parts = parts;
        batch->part_capacity = capacity;
    }
    batch->parts[batch->part_count] = *part;
    batch->part_count++;
    batch->item_count += part->item_count;
    batch->bytes += part->bytes.len;
    batch->charged_bytes += part->charged_bytes;
    *part = (struct part){0};
    return 0;
}

void batch_free(struct batch *batch)
{
    if (batch == NULL) {
        return;
    }
    ASSERT(batch->routes_open == 0);
    for (uint32_t i = 0; i < batch->part_count; i++) {
        part_fini(&batch->parts[i]);
    }
    mem_free(batch->parts);
    mem_free(batch);
}
