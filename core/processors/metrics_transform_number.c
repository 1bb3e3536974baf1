/* SPDX-License-Identifier: Apache-2.0 */
/*
 * metrics_transform_number — a reduction for each type, so that no integer ever passes through a
 * double.
 */
#include "core/processors/metrics_transform_number.h"

#include <math.h>
#include <stdlib.h>

/* 2^63: the first double that no int64_t can hold. */
#define INT64_LIMIT 9223372036854775808.0

static int64_t int_of_double(double value)
{
    if (isnan(value)) {
        return 0;
    }
    if (value >= INT64_LIMIT) {
        return INT64_MAX;
    }
    return value < -INT64_LIMIT ? INT64_MIN : (int64_t)value;
}

static int64_t int_of(const struct transform_number *value)
{
    return value->kind == TRANSFORM_INT ? value->integer : int_of_double(value->number);
}

static double double_of(const struct transform_number *value)
{
    return value->kind == TRANSFORM_INT ? (double)value->integer : value->number;
}

static struct transform_number make_int(int64_t value)
{
    return (struct transform_number){.kind = TRANSFORM_INT, .integer = value};
}

static struct transform_number make_double(double value)
{
    return (struct transform_number){.kind = TRANSFORM_DOUBLE, .number = value};
}

struct transform_number transform_number_toggle(struct transform_number value)
{
    switch (value.kind) {
    case TRANSFORM_INT:
        return make_double((double)value.integer);
    case TRANSFORM_DOUBLE:
        return make_int(int_of_double(value.number));
    case TRANSFORM_NO_NUMBER:
        break;
    }
    return value;
}

struct transform_number transform_number_scale(struct transform_number value, double factor)
{
    switch (value.kind) {
    case TRANSFORM_INT:
        return make_int(int_of_double((double)value.integer * factor));
    case TRANSFORM_DOUBLE:
        return make_double(value.number * factor);
    case TRANSFORM_NO_NUMBER:
        break;
    }
    return value;
}

/* --- integers --------------------------------------------------------------------------------- */

static int64_t add_ints(int64_t a, int64_t b)
{
    int64_t sum = 0;
    if (!__builtin_add_overflow(a, b, &sum)) {
        return sum;
    }
    return a < 0 ? INT64_MIN : INT64_MAX;
}

static int compare_ints(const void *left, const void *right)
{
    int64_t a = int_of(left);
    int64_t b = int_of(right);
    return (a > b) - (a < b);
}

static int64_t median_int(struct transform_number *values, size_t count)
{
    qsort(values, count, sizeof(values[0]), compare_ints);
    int64_t upper = int_of(&values[count / 2]);
    if (count % 2 != 0) {
        return upper;
    }
    int64_t lower = int_of(&values[count / 2 - 1]);
    int64_t sum = 0;
    if (!__builtin_add_overflow(lower, upper, &sum)) {
        return sum / 2;
    }
    return lower / 2 + upper / 2 + (lower % 2 + upper % 2) / 2; /* both of one sign */
}

static int64_t fold_int(int64_t a, int64_t b, enum transform_aggregation how)
{
    if (how == TRANSFORM_MIN) {
        return b < a ? b : a;
    }
    if (how == TRANSFORM_MAX) {
        return b > a ? b : a;
    }
    return add_ints(a, b);
}

static int64_t reduce_ints(struct transform_number *values, size_t count,
                           enum transform_aggregation how)
{
    if (how == TRANSFORM_COUNT) {
        return (int64_t)count;
    }
    if (how == TRANSFORM_MEDIAN) {
        return median_int(values, count);
    }
    int64_t result = int_of(&values[0]);
    for (size_t i = 1; i < count; i++) {
        result = fold_int(result, int_of(&values[i]), how);
    }
    return how == TRANSFORM_MEAN ? result / (int64_t)count : result;
}

/* --- doubles ---------------------------------------------------------------------------------- */

static int compare_doubles(const void *left, const void *right)
{
    double a = double_of(left);
    double b = double_of(right);
    if (isnan(a) || isnan(b)) {
        return (isnan(b) != 0) - (isnan(a) != 0);
    }
    return (a > b) - (a < b);
}

static double median_double(struct transform_number *values, size_t count)
{
    qsort(values, count, sizeof(values[0]), compare_doubles);
    double upper = double_of(&values[count / 2]);
    return count % 2 != 0 ? upper : (double_of(&values[count / 2 - 1]) + upper) / 2;
}

static double fold_double(double a, double b, enum transform_aggregation how)
{
    if (how != TRANSFORM_MIN && how != TRANSFORM_MAX) {
        return a + b;
    }
    if (isnan(a) || isnan(b)) {
        return NAN;
    }
    bool takes_b = how == TRANSFORM_MIN ? b < a : b > a;
    return takes_b ? b : a;
}

static double reduce_doubles(struct transform_number *values, size_t count,
                             enum transform_aggregation how)
{
    if (how == TRANSFORM_COUNT) {
        return (double)count;
    }
    if (how == TRANSFORM_MEDIAN) {
        return median_double(values, count);
    }
    double result = double_of(&values[0]);
    for (size_t i = 1; i < count; i++) {
        result = fold_double(result, double_of(&values[i]), how);
    }
    return how == TRANSFORM_MEAN ? result / (double)count : result;
}

struct transform_number transform_number_reduce(struct transform_number *values, size_t count,
                                                enum transform_aggregation how)
{
    ASSERT(count > 0);
    ASSERT(values[0].kind != TRANSFORM_NO_NUMBER);
    if (how == TRANSFORM_FIRST) {
        return values[0];
    }
    if (values[0].kind == TRANSFORM_INT) {
        return make_int(reduce_ints(values, count, how));
    }
    return make_double(reduce_doubles(values, count, how));
}
