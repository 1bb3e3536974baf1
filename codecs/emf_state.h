/* SPDX-License-Identifier: Apache-2.0 */
/*
 * emf_state — the encoder's inside, shared by emf.c (life, flush) and emf_intake.c (points).
 */
#pragma once

#include <stdint.h>

#include "codecs/bytes.h"
#include "codecs/emf.h"
#include "codecs/emf_delta.h"
#include "codecs/emf_document.h"
#include "codecs/emf_group.h"
#include "codecs/emf_labels.h"
#include "codecs/emf_place.h"
#include "core/base/arena.h"

/* One thread. */
struct emf {
    struct emf_options options; /* its texts are borrowed */
    uint64_t hash_seed;
    struct emf_tally tally;
    struct emf_delta delta;
    struct emf_writer writer;
    struct emf_groups groups;
    struct arena arena; /* everything between two flushes */
    size_t arena_first_bytes;
    struct bytes scratch;
    struct emf_now now;

    /* The resource, scope and point being read. */
    struct emf_labels resource;         /* all attributes: placeholders look at them */
    struct emf_labels scope;            /* what every point of the scope gets */
    struct emf_labels point;            /* its own attributes */
    struct emf_labels merged;           /* both */
    struct emf_labels quantile;         /* and one more label */
    struct slice space;                 /* the namespace; no pointer: no memory */
    const struct emf_place *place;      /* of the resource; NULL: no memory */
    const struct emf_place *open_place; /* made last for a point */
};
