/* SPDX-License-Identifier: Apache-2.0 */
/*
 * metrics_transform_hist — the numbers of a histogram's point, explicit or exponential: read,
 * scaled, added up, written.
 *
 * A value is never changed once it is made, so that copies of a point may share it; each function
 * gives a new one, in the arena. Source: opentelemetry.proto.metrics.v1.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/arena.h"
#include "core/base/defs.h"
#include "core/base/slice.h"
#include "core/otlp/otlp_field.h"

/* Buckets in a row; one side of an exponential histogram, or all of an explicit one. */
struct transform_buckets {
    const uint64_t *counts;
    size_t count;
    int32_t offset;  /* exponential */
    bool is_present; /* exponential: the side was sent, perhaps empty */
};

struct transform_hist {
    uint64_t count;
    double sum;
    double min;
    double max;
    bool has_sum;
    bool has_min;
    bool has_max;
    uint32_t flags;
    double exemplar_scale; /* exemplars are to be multiplied with it when they are written */
    /* explicit */
    const double *bounds;
    size_t bound_count;
    struct transform_buckets buckets;
    /* exponential */
    int32_t scale;
    uint64_t zero_count;
    double zero_threshold;
    struct transform_buckets positive;
    struct transform_buckets negative;
};

/*
 * Reads the content of a point of `data`, OTLP_DATA_HISTOGRAM or OTLP_DATA_EXPHIST. 0 or
 * FAULT_LIMIT.
 */
WEIR_MUST_USE int transform_hist_read(struct slice point, enum otlp_data data, struct arena *arena,
                                      const struct transform_hist **out);

/* An explicit one with all its values multiplied, bounds and exemplars too. 0 or FAULT_LIMIT. */
WEIR_MUST_USE int transform_hist_scale(const struct transform_hist *hist, double factor,
                                       struct arena *arena, const struct transform_hist **out);

/* Beside equal labels and times: what must be equal so that two can be added up, as bytes. */
size_t transform_hist_key_bytes(const struct transform_hist *hist);
/* Writes it; returns where it ends. */
uint8_t *transform_hist_key(const struct transform_hist *hist, uint8_t *out);

/*
 * The sum of `count` > 0 of one key; min and max are those of the ones that are not empty.
 * Exemplars are the caller's. 0 or FAULT_LIMIT.
 */
WEIR_MUST_USE int transform_hist_add(const struct transform_hist *const *hists, size_t count,
                                     struct arena *arena, const struct transform_hist **out);

/* Is field `number` of a point of `data` one of those that transform_hist_encode writes? */
bool transform_hist_owns(enum otlp_data data, uint32_t number);

/* The fields of a point that hold its numbers. Its ptr is NULL where the arena refuses. */
WEIR_MUST_USE struct slice transform_hist_encode(const struct transform_hist *hist,
                                                 enum otlp_data data, struct arena *arena);
