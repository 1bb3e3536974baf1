/* SPDX-License-Identifier: Apache-2.0 */
/*
 * metrics_transform_combine — several metrics of one scope become one, told apart by what the
 * groups of the pattern caught in their names.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "core/processors/metrics_transform_operation.h"

/*
 * Can these be one metric: of one kind, unit, temporality and monotony, with the same labels, and
 * no summaries? Lists their points. 0 or FAULT_LIMIT.
 */
WEIR_MUST_USE int transform_can_combine(struct transform_metric *const *metrics, size_t count,
                                        struct arena *arena, bool *out);

/*
 * The points that `t` is about leave `count` > 0 metrics that can be combined for one metric of
 * their own; those with equal labels are merged. 0 or FAULT_LIMIT.
 */
WEIR_MUST_USE int transform_combine(struct transform_metric *const *metrics, size_t count,
                                    const struct transform *t, struct arena *arena,
                                    struct transform_tally *tally, struct transform_metric **out);
