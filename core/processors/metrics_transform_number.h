/* SPDX-License-Identifier: Apache-2.0 */
/*
 * metrics_transform_number — arithmetic on the values of gauges and sums: integers stay integers,
 * and stop at the ends of their range where the Collector's would wrap.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "core/processors/metrics_transform_metric.h"

/* The value as the other type; fractions are cut off, NaN is 0. None stays none. */
struct transform_number transform_number_toggle(struct transform_number value);

/* The value multiplied, of the same type. */
struct transform_number transform_number_scale(struct transform_number value, double factor);

/*
 * `count` > 0 values become one of the type of the first one; all have a value. The values are
 * scratch: the median sorts them. A NaN among them makes sum, mean, min and max NaN; for the median
 * it is less than every number.
 */
struct transform_number transform_number_reduce(struct transform_number *values, size_t count,
                                                enum transform_aggregation how);
