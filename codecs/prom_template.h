/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prom_template — replacements with references to what an expression caught: "$1", "${1}",
 * "${name}", and "$$" for a dollar sign.
 *
 * A name is the longest run of letters, digits and '_', so "$1x" asks for a group named "1x". What
 * no group is called stands for nothing; a dollar sign that begins no reference stands for itself.
 * Source: Go, regexp.Expand, which Prometheus uses.
 */
#pragma once

#include <stdbool.h>

#include "core/base/arena.h"
#include "core/base/defs.h"
#include "core/base/regex.h"
#include "core/base/slice.h"

/* What was caught. Borrows. */
struct prom_match {
    const struct regex *regex;  /* whose names groups have; NULL: they have none */
    struct slice whole;         /* "$0" */
    const struct slice *groups; /* groups[i] is "$(i + 1)" */
    uint32_t group_count;
};

/* Does the text refer to nothing, so that it stands for itself? */
bool prom_template_is_plain(struct slice text);

/*
 * What `text` stands for. Lives in `arena`, or is a part of `text` or of the match. 0, or
 * FAULT_LIMIT where the arena has no room.
 */
WEIR_MUST_USE int prom_template_expand(struct slice text, const struct prom_match *match,
                                       struct arena *arena, struct slice *out);
