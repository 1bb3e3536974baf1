/* SPDX-License-Identifier: Apache-2.0 */
/*
 * answers — a short list, taken as a whole before the first answer is given.
 *
 * So that whatever an answer leads to may push the next one.
 */
#include "exporters/answers.h"

#include "core/engine/pipeline.h"
#include "exporters/exporter_bounds.h"

void answers_push(struct answers *answers, struct batch *batch, enum delivery delivery)
{
    ASSERT(batch != NULL);
    ASSERT(answers->count < ANSWERS_MAX);
    answers->slots[answers->count] = (struct answer){.batch = batch, .delivery = delivery};
    answers->count++;
}

void answers_give(struct answers *answers, struct exporter *exporter)
{
    ASSERT(answers->count <= ANSWERS_MAX);
    struct answers taken = *answers;
    answers->count = 0;
    for (uint32_t i = 0; i < taken.count; i++) {
        pipeline_done(exporter, taken.slots[i].batch, taken.slots[i].delivery);
    }
}
