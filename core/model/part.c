/* SPDX-License-Identifier: Apache-2.0 */
/*
 * part — wire bytes with an owner.
 */
#include "core/model/part.h"

#include <errno.h>
#include <string.h>

#include "core/base/mem.h"

int part_copy(struct part *out, struct slice bytes, enum signal signal, uint32_t item_count)
{
    *out = (struct part){.encoding = PART_OTLP, .signal = signal, .item_count = item_count};
    if (bytes.len == 0) {
        return 0;
    }
    out->memory = mem_alloc(bytes.len);
    if (out->memory == NULL) {
        *out = (struct part){0};
        return -ENOMEM;
    }
    memcpy(out->memory, bytes.ptr, bytes.len);
    out->bytes = slice_of(out->memory, bytes.len);
    return 0;
}

void part_fini(struct part *part)
{
    mem_free(part->memory);
    *part = (struct part){0};
}
