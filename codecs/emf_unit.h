/* SPDX-License-Identifier: Apache-2.0 */
/*
 * emf_unit — the unit that a metric has in CloudWatch.
 */
#pragma once

#include <stdbool.h>

#include "core/base/slice.h"

struct emf_options;

/*
 * The descriptor's unit where one names the metric and applies, else `unit` translated, else the
 * empty text; *is_unknown where that leaves out something CloudWatch has no word for. Borrows.
 */
struct slice emf_unit_of(const struct emf_options *options, struct slice metric_name,
                         struct slice unit, bool *is_unknown);
