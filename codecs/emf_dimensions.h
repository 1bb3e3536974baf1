/* SPDX-License-Identifier: Apache-2.0 */
/*
 * emf_dimensions — the sets of dimensions of a directive, as JSON.
 *
 * Without declarations: all labels as one set, and the roll-up sets. With them: those of their sets
 * whose labels are all there, and the roll-up sets. OTelLib, the scope, stands in every roll-up set
 * and is never one of its own.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "codecs/bytes.h"
#include "codecs/emf.h"
#include "codecs/emf_group.h"
#include "core/base/defs.h"

struct emf_set;

struct emf_dimensions {
    const struct emf_options *options; /* borrowed */
    struct emf_set *sets;              /* owned */
    uint32_t set_count;
    uint32_t set_max;
    bool has_left_out;                  /* a set had over EMF_SET_DIMENSIONS_MAX names */
    struct bytes text;                  /* owned; what the last write left */
    const struct emf_group *last_group; /* borrowed; whose sets `text` has, NULL for none */
    struct emf_mask last_mask;
};

/* 0 or -ENOMEM; emf_dimensions_fini is safe after either, and twice. */
WEIR_MUST_USE int emf_dimensions_init(struct emf_dimensions *d, const struct emf_options *options);
void emf_dimensions_fini(struct emf_dimensions *d);

/* Before the groups of another batch: what is remembered of the last one is gone. */
void emf_dimensions_begin(struct emf_dimensions *d);

/*
 * Leaves the array of sets in d->text; labels that are no dimensions count as missing.
 *   mask   the declarations of the directive; NULL where none are configured
 * False where no set is left, so there can be no directive. Errors stick in d->text.
 */
bool emf_dimensions_write(struct emf_dimensions *d, const struct emf_group *group,
                          const struct emf_mask *mask);
