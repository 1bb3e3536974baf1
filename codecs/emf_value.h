/* SPDX-License-Identifier: Apache-2.0 */
/*
 * emf_value — what a metric is worth in a document: a number, a set of statistics, or values with
 * how often each came.
 *
 * An exponential histogram becomes one value per bucket that is not empty, in the middle between
 * its bounds; beyond EMF_VALUES_MAX of them it is cut into several pieces, each for a document of
 * its own, whose counts add up to the whole.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "codecs/emf_point.h"
#include "codecs/json_out.h"
#include "core/base/arena.h"
#include "core/base/defs.h"
#include "core/otlp/otlp_point.h"

enum emf_value_kind {
    EMF_VALUE_NUMBER,
    EMF_VALUE_STATS,
    EMF_VALUE_BUCKETS,
};

struct emf_stats {
    double min;
    double max;
    double sum;
    uint64_t count;
};

/* Bounds in the order of the number line; those of zero are zeros. */
struct emf_bucket {
    double low;
    double high;
    uint64_t count;
};

struct emf_value {
    enum emf_value_kind kind;
    uint32_t bucket_count; /* at most EMF_VALUES_MAX */
    union {
        struct otlp_number number;
        struct emf_stats stats;
    };
    const struct emf_bucket *buckets; /* borrowed from the arena */
};

/* All buckets of a point that are not empty, from the highest value to the lowest. */
struct emf_buckets {
    const struct emf_bucket *items; /* in the arena */
    uint32_t count;
};

/* What CloudWatch takes: finite and within ±2^360. */
bool emf_is_finite(double value);
bool emf_is_in_range(double value);

/*
 * emf_buckets_read — the buckets of an exponential histogram's point. 0; FAULT_LIMIT where the
 * arena is full; FAULT_OVERFLOW for a bucket out of range.
 */
WEIR_MUST_USE int emf_buckets_read(const struct emf_point *point, struct arena *arena,
                                   struct emf_buckets *out);

/* Into how many pieces it is cut, at least one. */
uint32_t emf_buckets_piece_count(const struct emf_buckets *buckets);

/*
 * Piece `index` as a value. The first has the sum, and the point's maximum; the last has its
 * minimum; between them stand the bounds of the buckets. So they do where the point knows neither.
 */
struct emf_value emf_buckets_piece(const struct emf_buckets *buckets, const struct emf_point *point,
                                   uint32_t index);

/*
 * The digits of the middles of buckets. They are long, so that finding them takes longer than all
 * the rest, and few: the same buckets come back in every histogram.
 */
#define EMF_DIGITS_COUNT 2048 /* a power of two; 40 bytes each */
struct emf_digits {
    uint64_t bits; /* of the double */
    uint8_t len;   /* 0: free */
    char text[31];
};

/*
 * Writes it as a member's value.
 *   digits   EMF_DIGITS_COUNT of them, zeros at first; changed
 */
void emf_value_write(const struct emf_value *value, struct emf_digits *digits,
                     struct json_out *out);
