/* SPDX-License-Identifier: Apache-2.0 */
/*
 * emf_match — which declarations of the configuration want a metric.
 *
 * Regular expressions are slow beside everything else here, and the texts they look at are few: the
 * answers are remembered in a table of fixed size, by the key of the text.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "codecs/bytes.h"
#include "codecs/emf.h"
#include "codecs/emf_group.h"
#include "core/base/defs.h"

struct emf_memo;

struct emf_match {
    const struct emf_options *options; /* borrowed */
    struct emf_memo *memo;             /* owned; NULL where nothing is declared */
    uint64_t hash_seed;
};

/* 0 or -ENOMEM; emf_match_fini is safe after either, and twice. */
WEIR_MUST_USE int emf_match_init(struct emf_match *match, const struct emf_options *options,
                                 uint64_t hash_seed);
void emf_match_fini(struct emf_match *match);

/* Those without label matchers, and those one of whose matchers fits. `scratch` is overwritten. */
void emf_match_labels(struct emf_match *match, const struct emf_group *group, struct bytes *scratch,
                      struct emf_mask *out);

/* Of `candidates` those with a selector that fits the name of a metric. */
void emf_match_name(struct emf_match *match, struct slice name, const struct emf_mask *candidates,
                    struct emf_mask *out);

static inline bool emf_mask_has(const struct emf_mask *mask, uint32_t index)
{
    return (mask->words[index / 64] >> (index % 64) & 1) != 0;
}

bool emf_mask_is_empty(const struct emf_mask *mask);
bool emf_mask_equal(const struct emf_mask *a, const struct emf_mask *b);
