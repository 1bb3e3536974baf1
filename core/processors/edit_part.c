/* SPDX-License-Identifier: Apache-2.0 */
/*
 * edit_part — visit, look, apply.
 */
#include "core/processors/edit_part.h"

int edit_part(struct otlp_visitor *visitor, const struct processor_turn *turn, struct part *part,
              const int *err, uint64_t *dropped)
{
    struct otlp_edit edit;
    struct otlp_tally tally = {0};
    ASSERT(part->encoding == PART_OTLP);
    *dropped = 0;
    otlp_edit_init(&edit, turn->arena, part->bytes);
    int result = otlp_visit(visitor, part->signal, &edit, &tally);
    result = result == 0 ? *err : result;
    if (result != 0) {
        return result;
    }
    ASSERT(tally.dropped_count <= part->item_count);
    uint32_t item_count = part->item_count - (uint32_t)tally.dropped_count;
    result = otlp_edit_apply(&edit, part, item_count);
    if (result == 0) {
        *dropped = tally.dropped_count;
    }
    return result;
}
