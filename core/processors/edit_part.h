/* SPDX-License-Identifier: Apache-2.0 */
/*
 * edit_part — what the processors of this folder have in common: one visit over a part, then its
 * bytes are replaced if something changed.
 */
#pragma once

#include <stdint.h>

#include "core/base/defs.h"
#include "core/engine/processor.h"
#include "core/otlp/otlp_visit.h"

/*
 * edit_part — visits `part`, which is PART_OTLP, and applies what the visitor did to it.
 *
 *   turn      lends the arena
 *   dropped   items that went; part->item_count is less by as many
 *   err       of the visitor, looked at behind the visit: where it is not 0, nothing is applied
 *
 * 0; -ENOMEM, FAULT_LIMIT or *err, and then the part is as it was.
 */
WEIR_MUST_USE int edit_part(struct otlp_visitor *visitor, const struct processor_turn *turn,
                            struct part *part, const int *err, uint64_t *dropped);
