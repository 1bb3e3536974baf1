/* SPDX-License-Identifier: Apache-2.0 */
/*
 * metrics_transform_scope — all transforms, one after the other, over the metrics of one scope.
 *
 * A transform sees what earlier ones left: names, labels, copies. Where no name is one that any
 * transform is about, nothing is touched or even opened. Nothing is remembered from one scope to
 * the next, so parts may be processed anywhere.
 */
#pragma once

#include <stdbool.h>

#include "core/processors/metrics_transform_moved.h"
#include "core/processors/metrics_transform_operation.h"

/* One part on its way through the processor. */
struct transform_run {
    const struct transform_config *config;
    struct arena *arena;
    struct transform_tally tally;
    struct transform_frames frames;
    struct transform_moved *moved;
    struct transform_moved **moved_end; /* where the next one goes */
};

void transform_run_init(struct transform_run *run, const struct transform_config *config,
                        struct arena *arena);

/*
 * transform_scope_apply — transforms the metrics of a ScopeMetrics.
 *
 *   group        the ResourceMetrics around it
 *   edit         whose innermost open message is the scope group
 *   is_emptied   it had metrics and has none any more
 *
 * 0 or FAULT_LIMIT.
 */
WEIR_MUST_USE int transform_scope_apply(struct transform_run *run, const struct otlp_field *group,
                                        const struct otlp_field *scope_group,
                                        struct otlp_edit *edit, bool *is_emptied);
