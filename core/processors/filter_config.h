/* SPDX-License-Identifier: Apache-2.0 */
/*
 * filter_config — what a filter processor drops, as its configuration says it: per signal an
 * include and an exclude, or lists of conditions.
 */
#pragma once

#include "core/base/arena.h"
#include "core/base/defs.h"
#include "core/model/part.h"
#include "core/processors/condition.h"
#include "core/processors/match.h"

struct config_reader;

/* Of one signal. Frozen after reading. */
struct filter_rules {
    struct match_rules include;
    struct match_rules exclude;
    struct condition *conditions[CONDITION_CONTEXT_COUNT]; /* lists; in the arena */
    bool has_conditions;
};

struct filter_config {
    struct arena memory; /* owned; what the rules point to */
    struct filter_rules rules[SIGNAL_COUNT];
};

/*
 * Reads all keys, of all signals, since one section may serve pipelines of several; does not finish
 * the reader. 0 or -ENOMEM; filter_config_fini is due in either case.
 */
WEIR_MUST_USE int filter_config_read(struct filter_config *out, struct config_reader *config);

/* Idempotent; fine on zeros. */
void filter_config_fini(struct filter_config *config);
