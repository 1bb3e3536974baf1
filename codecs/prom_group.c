/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prom_group — sorting, and the arithmetic that must hold: counts are whole, do not decrease, and
 * the last of them is the count of all.
 */
#include "codecs/prom_group.h"

#include <math.h>
#include <stdlib.h>

/* 2^64: a count below it fits. */
#define COUNT_LIMIT 18446744073709551616.0

struct pair {
    double boundary;
    double value;
    uint32_t index; /* on the page */
};

static int compare_pairs(const void *a, const void *b)
{
    const struct pair *left = a;
    const struct pair *right = b;
    if (left->boundary != right->boundary) {
        return left->boundary < right->boundary ? -1 : 1;
    }
    return left->index < right->index ? -1 : 1;
}

static bool is_sorted(const struct pair *pairs, uint32_t count)
{
    for (uint32_t i = 1; i < count; i++) {
        if (pairs[i - 1].boundary >= pairs[i].boundary) {
            return false;
        }
    }
    return true;
}

/* The bounds of the page in an array, in order. NULL without room. */
static struct pair *gather(const struct prom_group *group, struct arena *arena)
{
    struct pair *pairs = arena_alloc_array(arena, group->bound_count, sizeof(*pairs));
    if (pairs == NULL) {
        return NULL;
    }
    uint32_t at = group->bound_count;
    for (const struct prom_bound *bound = group->bounds; bound != NULL; bound = bound->next) {
        at--;
        pairs[at] = (struct pair){.boundary = bound->boundary, .value = bound->value, .index = at};
    }
    ASSERT(at == 0);
    if (!is_sorted(pairs, group->bound_count)) {
        qsort(pairs, group->bound_count, sizeof(*pairs), compare_pairs);
    }
    return pairs;
}

/* Of a boundary that stands twice, the first counts. */
static bool settle_bounds(struct prom_group *group, struct arena *arena)
{
    const struct pair *pairs = gather(group, arena);
    double *boundaries = arena_alloc_array(arena, group->bound_count, sizeof(*boundaries));
    double *values = arena_alloc_array(arena, group->bound_count, sizeof(*values));
    if (pairs == NULL || boundaries == NULL || values == NULL) {
        return false;
    }
    bool is_histogram = group->family->shape == PROM_SHAPE_HISTOGRAM;
    uint32_t count = 0;
    for (uint32_t i = 0; i < group->bound_count; i++) {
        bool is_last = is_histogram && isinf(pairs[i].boundary) && pairs[i].boundary > 0;
        bool is_again = count > 0 && boundaries[count - 1] == pairs[i].boundary;
        if (!is_last && !is_again) {
            boundaries[count] = pairs[i].boundary;
            values[count] = pairs[i].value;
            count++;
        }
    }
    group->boundaries = boundaries;
    group->values = values;
    group->bound_count = count;
    return true;
}

static bool has_good_buckets(const struct prom_group *group)
{
    double previous = 0;
    for (uint32_t i = 0; i < group->bound_count; i++) {
        /* Written so that NaN fails. */
        if (!(group->values[i] >= previous)) {
            return false;
        }
        previous = group->values[i];
    }
    return group->count >= previous;
}

enum prom_drop prom_group_settle(struct prom_group *group, struct arena *arena)
{
    enum prom_shape shape = group->family->shape;
    if (shape == PROM_SHAPE_GAUGE || shape == PROM_SHAPE_SUM) {
        return group->has_value ? PROM_DROP_COUNT : PROM_DROP_INCOMPLETE;
    }
    if (!group->has_count) {
        return PROM_DROP_INCOMPLETE;
    }
    if (!settle_bounds(group, arena)) {
        return PROM_DROP_TOO_LARGE;
    }
    bool is_count = group->count >= 0 && group->count < COUNT_LIMIT;
    if (!is_count || (shape == PROM_SHAPE_HISTOGRAM && !has_good_buckets(group))) {
        return PROM_DROP_BUCKETS;
    }
    return PROM_DROP_COUNT;
}
