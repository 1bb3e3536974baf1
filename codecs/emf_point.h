/* SPDX-License-Identifier: Apache-2.0 */
/*
 * emf_point — one data point of any kind, read from its wire bytes in one pass.
 *
 * Buckets and quantiles stay bytes until they are needed.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "codecs/emf_labels.h"
#include "core/base/arena.h"
#include "core/base/slice.h"
#include "core/otlp/otlp_point.h"
#include "core/otlp/pb_wire.h"

/* Zero where the point does not say. */
struct emf_point {
    uint64_t time_unix_ns;
    bool has_no_value; /* flag: the series has ended */
    bool has_number;
    struct otlp_number number; /* gauges and sums */
    uint64_t count;
    double sum;
    double min;
    double max;
    bool has_min;
    bool has_max;
    int32_t scale;
    uint64_t zero_count;
    struct slice positive; /* content of Buckets */
    struct slice negative;
};

/* Fills `out`, which borrows, and adds the attributes to `labels`. */
void emf_point_read(enum otlp_data data, struct slice content, struct emf_point *out,
                    struct emf_labels *labels, struct arena *arena);

/* The quantiles of a summary's point, one after another. False at the end. */
bool emf_point_next_quantile(struct pb_reader *in, struct otlp_quantile *out);
