/* SPDX-License-Identifier: Apache-2.0 */
/*
 * chain — one part after the other through one processor after the other.
 */
#include "core/processors/chain.h"

#include "core/base/bounds.h"
#include "core/base/fault.h"

int chain_init(struct chain *chain, struct processor *const *prototypes, uint32_t count)
{
    *chain = (struct chain){0};
    if (count > CHAIN_PROCESSORS_MAX) {
        return FAULT_LIMIT;
    }
    int err = arena_init(&chain->scratch, CHAIN_SCRATCH_CHUNK_BYTES, CHAIN_SCRATCH_MAX_BYTES);
    if (err != 0) {
        return err;
    }
    for (uint32_t i = 0; i < count; i++) {
        err = prototypes[i]->ops->clone(prototypes[i], &chain->processors[i]);
        if (err != 0) {
            return err;
        }
        chain->count++;
    }
    return 0;
}

void chain_fini(struct chain *chain)
{
    for (uint32_t i = 0; i < chain->count; i++) {
        chain->processors[i]->ops->close(chain->processors[i]);
    }
    arena_fini(&chain->scratch);
    *chain = (struct chain){0};
}

bool chain_process(struct chain *chain, struct part *part, uint64_t now_unix_ns, bool *is_lost)
{
    *is_lost = false;
    ASSERT(chain->count == 0 || part->encoding == PART_OTLP);
    for (uint32_t i = 0; i < chain->count; i++) {
        struct processor *processor = chain->processors[i];
        counter_add(&processor->stats.items_in, part->item_count);
        struct processor_turn turn = {.arena = &chain->scratch, .now_unix_ns = now_unix_ns};
        int err = processor->ops->process(processor, &turn, part);
        arena_reset(&chain->scratch);
        if (err != 0) {
            counter_add(&processor->stats.items_failed, part->item_count);
            *is_lost = true;
            return false;
        }
        counter_add(&processor->stats.items_out, part->item_count);
        if (part->item_count == 0) {
            return false;
        }
    }
    return true;
}
