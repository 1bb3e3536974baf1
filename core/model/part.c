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
    /* Not zeroed: the allocator would ask the kernel for fresh pages, a fault for every 4 KiB. */
    out->memory = mem_resize(NULL, bytes.len);
    if (out->memory == NULL) {
        *out = (struct part){0};
        return -ENOMEM;
    }
    memcpy(out->memory, bytes.ptr, bytes.len);
    out->bytes = slice_of(out->memory, bytes.len);
    return 0;
}

void part_replace(struct part *part, void *memory, struct slice bytes, uint32_t item_count)
{
    ASSERT(memory == NULL || memory != part->memory);
    mem_free(part->memory);
    part->memory = memory;
    part->bytes = bytes;
    part->item_count = item_count;
}

void part_inherit(struct part *target, struct part *source)
{
    ASSERT(target != source);
    target->charged_bytes += source->charged_bytes;
    source->charged_bytes = 0;
    while (source->claims != NULL) {
        struct part_claim *claim = source->claims;
        source->claims = claim->next;
        claim->next = target->claims;
        target->claims = claim;
    }
}

void part_answer(struct part *part, enum part_fate fate)
{
    while (part->claims != NULL) {
        struct part_claim *claim = part->claims;
        part->claims = claim->next;
        claim->next = NULL;
        claim->answer(claim, fate);
    }
}

void part_fini(struct part *part)
{
    part_answer(part, PART_LOST);
    mem_free(part->memory);
    *part = (struct part){0};
}
