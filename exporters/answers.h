/* SPDX-License-Identifier: Apache-2.0 */
/*
 * answers — batches that an exporter is done with and answers in the next turn.
 *
 * pipeline_done must not be called from inside submit. Exporters that copy what they need out of a
 * batch at once put it here and give the answers from a timer. Egress-local.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/engine/component.h"
#include "exporters/exporter_bounds.h"

struct answer {
    struct batch *batch; /* shared with its pipeline until the answer */
    enum delivery delivery;
};

/* Zeroed is empty. */
struct answers {
    struct answer slots[ANSWERS_MAX];
    uint32_t count;
};

/* No room for another batch? */
static inline bool answers_is_full(const struct answers *answers)
{
    return answers->count == ANSWERS_MAX;
}

/* Keeps one; there must be room. */
void answers_push(struct answers *answers, struct batch *batch, enum delivery delivery);

/* Gives all of them on behalf of `exporter`, oldest first; not from inside submit. */
void answers_give(struct answers *answers, struct exporter *exporter);
