/* SPDX-License-Identifier: Apache-2.0 */
/*
 * summary — values kept one by one until there are too many, then folded.
 *
 * Whatever may be refused is built aside first; a summary changes only when nothing can fail any
 * more.
 */
#include "core/model/summary.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#include "core/base/bounds.h"

/* Above this a double has no fractions and a histogram's count could overflow. */
#define WEIGHT_MAX 0x1p53

_Static_assert(SUMMARY_SAMPLES_MAX * sizeof(struct summary_sample) <= SKETCH_POOL_BLOCK_MAX_BYTES,
               "a full list must fit one block");

static size_t samples_bytes(uint32_t count)
{
    return count * sizeof(struct summary_sample);
}

struct summary *summary_new(struct sketch_pool *pool)
{
    return sketch_pool_take(pool, sizeof(struct summary));
}

static void give_samples(struct summary *summary, struct sketch_pool *pool)
{
    sketch_pool_give(pool, summary->samples, samples_bytes(summary->capacity_count));
    summary->samples = NULL;
    summary->sample_count = 0;
    summary->capacity_count = 0;
}

void summary_give(struct summary *summary, struct sketch_pool *pool)
{
    if (summary == NULL) {
        return;
    }
    give_samples(summary, pool);
    exphist_give(summary->folded, pool);
    sketch_pool_give(pool, summary, sizeof(*summary));
}

/* Room for `count` samples in all; 0 or -ENOMEM, and then nothing changed. */
static int reserve(struct summary *summary, struct sketch_pool *pool, uint32_t count)
{
    if (count <= summary->capacity_count) {
        return 0;
    }
    size_t held_bytes = sketch_pool_class_bytes(samples_bytes(count));
    struct summary_sample *samples = sketch_pool_take(pool, held_bytes);
    if (samples == NULL) {
        return -ENOMEM;
    }
    if (summary->sample_count > 0) {
        memcpy(samples, summary->samples, samples_bytes(summary->sample_count));
    }
    sketch_pool_give(pool, summary->samples, samples_bytes(summary->capacity_count));
    summary->samples = samples;
    summary->capacity_count = (uint32_t)(held_bytes / sizeof(struct summary_sample));
    return 0;
}

/* Half up, and at least 1: each value is rounded by itself, so no order shows. */
static uint64_t whole_weight(double weight)
{
    return weight < 1 ? 1 : (uint64_t)round(weight);
}

static int pour_samples(struct exphist *hist, struct sketch_pool *pool,
                        const struct summary_sample *samples, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        int err = exphist_add(hist, pool, samples[i].value, whole_weight(samples[i].weight));
        if (err != 0) {
            return err;
        }
    }
    return 0;
}

/*
 * Folds what `target` and `source` hold into one histogram, which moves out by *out. 0 or a code of
 * exphist, and then nothing is left behind.
 */
static int fold_both(const struct summary *target, const struct summary *source,
                     struct sketch_pool *pool, struct exphist **out)
{
    struct exphist *hist = exphist_new(pool, SUMMARY_FOLDED_BUCKETS_MAX);
    if (hist == NULL) {
        return -ENOMEM;
    }
    int err = pour_samples(hist, pool, target->samples, target->sample_count);
    if (err == 0) {
        err = pour_samples(hist, pool, source->samples, source->sample_count);
    }
    if (err == 0 && target->folded != NULL) {
        err = exphist_merge(hist, pool, target->folded);
    }
    if (err == 0 && source->folded != NULL) {
        err = exphist_merge(hist, pool, source->folded);
    }
    if (err != 0) {
        exphist_give(hist, pool);
        return err;
    }
    *out = hist;
    return 0;
}

static bool fits_as_samples(const struct summary *target, const struct summary *source)
{
    return target->folded == NULL && source->folded == NULL &&
           source->sample_count <= SUMMARY_SAMPLES_MAX - target->sample_count;
}

static int append_samples(struct summary *target, struct sketch_pool *pool,
                          const struct summary *source)
{
    int err = reserve(target, pool, target->sample_count + source->sample_count);
    if (err != 0) {
        return err;
    }
    memcpy(target->samples + target->sample_count, source->samples,
           samples_bytes(source->sample_count));
    target->sample_count += source->sample_count;
    return 0;
}

static int append_folded(struct summary *target, struct sketch_pool *pool,
                         const struct summary *source)
{
    struct exphist *folded = NULL;
    int err = fold_both(target, source, pool, &folded);
    if (err != 0) {
        return err;
    }
    give_samples(target, pool);
    exphist_give(target->folded, pool);
    target->folded = folded;
    return 0;
}

int summary_merge(struct summary *target, struct sketch_pool *target_pool,
                  const struct summary *source)
{
    ASSERT(target != source);
    if (summary_is_empty(source)) {
        return 0;
    }
    int err = fits_as_samples(target, source) ? append_samples(target, target_pool, source)
                                              : append_folded(target, target_pool, source);
    if (err != 0) {
        return err;
    }
    bool was_empty = target->count.high == 0;
    target->min = was_empty || source->min < target->min ? source->min : target->min;
    target->max = was_empty || source->max > target->max ? source->max : target->max;
    total_merge(&target->count, source->count);
    total_merge(&target->sum, source->sum);
    target->is_sorted = false;
    return 0;
}

int summary_add(struct summary *summary, struct sketch_pool *pool, double value, double weight)
{
    if (!isfinite(value) || !(weight > 0) || weight > WEIGHT_MAX) {
        return -EINVAL;
    }
    struct summary_sample sample = {.value = value, .weight = weight};
    int err = 0;
    if (summary->folded != NULL) {
        err = exphist_add(summary->folded, pool, value, whole_weight(weight));
    } else if (summary->sample_count == SUMMARY_SAMPLES_MAX) {
        err =
            append_folded(summary, pool, &(struct summary){.samples = &sample, .sample_count = 1});
    } else {
        err = reserve(summary, pool, summary->sample_count + 1);
    }
    if (err != 0) {
        return err;
    }
    if (summary->folded == NULL) {
        summary->samples[summary->sample_count] = sample;
        summary->sample_count++;
    }
    bool was_empty = summary->count.high == 0;
    summary->min = was_empty || value < summary->min ? value : summary->min;
    summary->max = was_empty || value > summary->max ? value : summary->max;
    total_add(&summary->count, weight);
    total_add(&summary->sum, value * weight);
    summary->is_sorted = false;
    return 0;
}

bool summary_is_empty(const struct summary *summary)
{
    return summary->sample_count == 0 && summary->folded == NULL;
}

double summary_count(const struct summary *summary)
{
    return total_value(summary->count);
}

double summary_sum(const struct summary *summary)
{
    return total_value(summary->sum);
}

/* By value, then by weight: equal values add up in the same order whatever order they came in. */
static bool is_before(struct summary_sample a, struct summary_sample b)
{
    return a.value < b.value || (a.value == b.value && a.weight < b.weight);
}

static void sift_down(struct summary_sample *samples, uint32_t root, uint32_t count)
{
    struct summary_sample moving = samples[root];
    uint32_t child = 2 * root + 1;
    while (child < count) {
        if (child + 1 < count && is_before(samples[child], samples[child + 1])) {
            child++;
        }
        if (!is_before(moving, samples[child])) {
            break;
        }
        samples[root] = samples[child];
        root = child;
        child = 2 * root + 1;
    }
    samples[root] = moving;
}

void summary_sort(struct summary *summary)
{
    /* A heap sort: in place and without the worst case of a quick sort; libc's may allocate. */
    struct summary_sample *samples = summary->samples;
    uint32_t count = summary->sample_count;
    for (uint32_t i = count / 2; i > 0; i--) {
        sift_down(samples, i - 1, count);
    }
    for (uint32_t last = count; last > 1; last--) {
        struct summary_sample highest = samples[0];
        samples[0] = samples[last - 1];
        samples[last - 1] = highest;
        sift_down(samples, 0, last - 1);
    }
    summary->is_sorted = true;
}

double summary_quantile(const struct summary *summary, double q)
{
    ASSERT(q >= 0);
    ASSERT(q <= 1);
    ASSERT(summary->is_sorted || summary_is_empty(summary));
    if (summary->folded != NULL) {
        return exphist_quantile(summary->folded, q);
    }
    if (q == 0 || summary->sample_count == 0) {
        return summary->min;
    }
    double target = q * summary_count(summary);
    struct total seen = {0};
    for (uint32_t i = 0; i < summary->sample_count; i++) {
        total_add(&seen, summary->samples[i].weight);
        if (total_value(seen) >= target) {
            return summary->samples[i].value;
        }
    }
    return summary->max;
}

bool summary_is_valid(const struct summary *summary)
{
    if (summary->folded != NULL) {
        return summary->samples == NULL && summary->sample_count == 0 &&
               exphist_is_valid(summary->folded) && summary->folded->min == summary->min &&
               summary->folded->max == summary->max;
    }
    struct total count = {0};
    for (uint32_t i = 0; i < summary->sample_count; i++) {
        double value = summary->samples[i].value;
        if (value < summary->min || value > summary->max) {
            return false;
        }
        total_add(&count, summary->samples[i].weight);
    }
    return summary->sample_count <= summary->capacity_count &&
           summary->sample_count <= SUMMARY_SAMPLES_MAX && summary->min <= summary->max &&
           fabs(total_value(count) - summary_count(summary)) <= summary_count(summary) * 1e-12;
}
