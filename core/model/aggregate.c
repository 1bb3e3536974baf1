/* SPDX-License-Identifier: Apache-2.0 */
/*
 * aggregate — one add and one give per aggregate, in a table indexed by it.
 *
 * Counters are scaled by their weight as a fraction; what counts whole observations (histograms)
 * takes the truncated weight, as the Collector's receiver does; the summary keeps the fraction.
 */
#include "core/model/aggregate.h"

#include <errno.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "core/base/regex.h"
#include "core/model/exphist.h"
#include "core/model/histogram.h"
#include "core/model/samples.h"
#include "core/model/set.h"
#include "core/model/sketch_pool.h"
#include "core/model/summary.h"

uint32_t aggregate_find_bounds(const struct aggregate_config *config, enum kind kind,
                               struct slice name)
{
    for (uint32_t i = 0; i < config->bounds_count; i++) {
        const struct aggregate_bounds *entry = &config->bounds[i];
        if ((entry->kind_mask >> kind & 1) != 0 && regex_matches(entry->pattern, name)) {
            return i + 1;
        }
    }
    return 0;
}

enum aggregate aggregate_of(const struct aggregate_config *config, enum kind kind,
                            uint32_t bounds_index)
{
    ASSERT(kind < KIND_LIMIT && bounds_index <= config->bounds_count);
    return bounds_index != 0 ? AGGREGATE_HISTOGRAM : config->aggregate_of[kind];
}

/* What one add may need, beside the value it changes. */
struct add {
    const struct point *point;
    const struct aggregate_context *context;
    uint32_t bounds_index;
};

typedef int(aggregate_add_fn)(union aggregate_value *value, const struct add *add);

static int add_sum(union aggregate_value *value, const struct add *add)
{
    value->sum += add->point->value * add->point->weight;
    return 0;
}

static int add_gauge(union aggregate_value *value, const struct add *add)
{
    if (value->gauge == NULL) {
        value->gauge = sketch_pool_take(add->context->pool, sizeof(struct gauge));
    }
    struct gauge *gauge = value->gauge;
    if (gauge == NULL) {
        return -ENOMEM;
    }
    if (add->point->is_delta != 0) {
        gauge->delta += add->point->value;
        gauge->delta_unix_ns = add->context->now_unix_ns;
        return 0;
    }
    *gauge = (struct gauge){
        .absolute = add->point->value,
        .absolute_unix_ns = add->context->now_unix_ns,
    };
    return 0;
}

static int add_set(union aggregate_value *value, const struct add *add)
{
    if (value->set == NULL) {
        value->set = set_new(add->context->pool);
    }
    if (value->set == NULL) {
        return -ENOMEM;
    }
    struct slice member = add->point->member;
    uint64_t hash = XXH3_64bits_withSeed(member.ptr, member.len, add->context->hash_seed);
    return set_add(value->set, add->context->pool, hash);
}

static int add_exphist(union aggregate_value *value, const struct add *add)
{
    struct sketch_pool *pool = add->context->pool;
    if (value->exphist == NULL) {
        uint32_t max_size = add->context->config->exphist_max_size[add->point->kind];
        value->exphist = exphist_new(pool, max_size);
    }
    if (value->exphist == NULL) {
        return -ENOMEM;
    }
    return exphist_add(value->exphist, pool, add->point->value, (uint64_t)add->point->weight);
}

static int add_histogram(union aggregate_value *value, const struct add *add)
{
    if (value->histogram == NULL) {
        ASSERT(add->bounds_index > 0);
        const struct aggregate_bounds *entry = &add->context->config->bounds[add->bounds_index - 1];
        value->histogram = histogram_new(add->context->pool, entry->bounds, entry->bounds_count);
    }
    if (value->histogram == NULL) {
        return -ENOMEM;
    }
    return histogram_add(value->histogram, add->point->value, (uint64_t)add->point->weight);
}

static int add_summary(union aggregate_value *value, const struct add *add)
{
    if (value->summary == NULL) {
        value->summary = summary_new(add->context->pool);
    }
    if (value->summary == NULL) {
        return -ENOMEM;
    }
    return summary_add(value->summary, add->context->pool, add->point->value, add->point->weight);
}

static int add_samples(union aggregate_value *value, const struct add *add)
{
    if (value->samples == NULL) {
        value->samples = samples_new(add->context->pool);
    }
    if (value->samples == NULL) {
        return -ENOMEM;
    }
    struct sample sample = {
        .value = add->point->value,
        .weight = add->point->weight,
        .time_unix_ns = add->context->now_unix_ns,
    };
    return samples_add(value->samples, add->context->pool, sample);
}

static aggregate_add_fn *const add_of[] = {
    [AGGREGATE_SUM] = add_sum,
    [AGGREGATE_GAUGE] = add_gauge,
    [AGGREGATE_SET] = add_set,
    [AGGREGATE_EXPHIST] = add_exphist,
    [AGGREGATE_HISTOGRAM] = add_histogram,
    [AGGREGATE_SUMMARY] = add_summary,
    [AGGREGATE_SAMPLES] = add_samples,
};

int aggregate_add(enum aggregate aggregate, union aggregate_value *value, const struct point *point,
                  uint32_t bounds_index, const struct aggregate_context *context)
{
    ASSERT(aggregate > AGGREGATE_NONE && aggregate < COUNT_OF(add_of));
    struct add add = {.point = point, .context = context, .bounds_index = bounds_index};
    return add_of[aggregate](value, &add);
}

void aggregate_give(enum aggregate aggregate, union aggregate_value *value,
                    struct sketch_pool *pool)
{
    switch (aggregate) {
    case AGGREGATE_NONE:
    case AGGREGATE_SUM:
        break;
    case AGGREGATE_GAUGE:
        sketch_pool_give(pool, value->gauge, sizeof(struct gauge));
        break;
    case AGGREGATE_SET:
        set_give(value->set, pool);
        break;
    case AGGREGATE_EXPHIST:
        exphist_give(value->exphist, pool);
        break;
    case AGGREGATE_HISTOGRAM:
        histogram_give(value->histogram, pool);
        break;
    case AGGREGATE_SUMMARY:
        summary_give(value->summary, pool);
        break;
    case AGGREGATE_SAMPLES:
        samples_give(value->samples, pool);
        break;
    }
    value->object = NULL;
}
