/* SPDX-License-Identifier: Apache-2.0 */
/*
 * metrics_transform_filter — which metrics and points a transform is about, and what its pattern
 * makes of a name.
 *
 * Pure functions over a frozen transform. As in the Collector a pattern may match anywhere in a
 * name, and labels are matched as text: what has no such label, or one that is no text, counts as
 * the empty text.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/base/arena.h"
#include "core/base/bounds.h"
#include "core/base/defs.h"
#include "core/base/slice.h"
#include "core/otlp/otlp_attr.h"
#include "core/processors/metrics_transform_config.h"

/* Is a metric of that name one of those that the transform is about? */
bool transform_filter_has_name(const struct transform *t, struct slice name);

/* Do the labels of a point match? True where the transform asks for none. */
bool transform_filter_has_labels(const struct transform *t, const struct otlp_attr_list *labels);

/* The text of a value; the empty text where it is no text. */
struct slice transform_filter_text(const struct otlp_value *value);

/*
 * The new name of a metric of that name, which the transform is about: $1, ${1} and ${group} of the
 * template stand for what the groups of the pattern caught, $$ for one dollar. Where that leaves
 * nothing, and without a pattern, the template itself. Borrows from the transform or the arena. 0
 * or FAULT_LIMIT.
 */
WEIR_MUST_USE int transform_filter_new_name(const struct transform *t, struct slice name,
                                            struct arena *arena, struct slice *out);

/*
 * What the groups of the pattern caught in `name`, the whole match first; parts of the name.
 * Returns how many there are, 0 without a pattern.
 */
uint32_t transform_filter_groups(const struct transform *t, struct slice name,
                                 struct slice groups[TRANSFORM_GROUPS_MAX]);
