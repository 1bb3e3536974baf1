/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sampler — randomness, then a threshold, then a comparison.
 */
#include "core/processors/sampler.h"

#include "core/base/defs.h"
#include "core/processors/sampling.h"

#define PERCENT_MAX 100.0F

/* What the decision works with. */
struct judgement {
    bool has_failed; /* cannot be judged: fails_closed decides */
    bool is_written; /* the item may be told its sampling */
    bool clears;     /* what it says of its threshold is wrong */
    bool sets_randomness;
    uint64_t randomness;
};

void sampler_init(struct sampler *sampler, const struct sampler_options *options)
{
    ASSERT(options->mode != SAMPLER_NEVER);
    ASSERT(options->percent >= 0);
    float percent = options->percent > PERCENT_MAX ? PERCENT_MAX : options->percent;
    double ratio = (double)percent / (double)PERCENT_MAX;
    double ratio_min = sampling_probability(SAMPLING_NEVER - 1);
    *sampler = (struct sampler){
        .mode = options->mode,
        .hash_seed = options->hash_seed,
        .digit_count = options->digit_count,
        .fails_closed = options->fails_closed,
        .uses_trace_id = options->uses_trace_id,
        .ratio = ratio < ratio_min ? ratio_min : ratio,
        .threshold = SAMPLING_NEVER,
    };
    if (options->mode == SAMPLER_HASH_SEED) {
        sampler->threshold = sampling_hash_threshold(percent);
    } else {
        bool is_fine =
            sampling_threshold(sampler->ratio, options->digit_count, &sampler->threshold);
        ASSERT(is_fine);
    }
    if (percent <= 0 || sampler->threshold == SAMPLING_NEVER) {
        sampler->mode = SAMPLER_NEVER;
        sampler->threshold = SAMPLING_NEVER;
    }
}

/* The hash ignores what earlier samplers said, so it must not meddle with items that say it. */
static struct judgement judge_hash(const struct sampler *sampler, const struct sample *sample)
{
    bool has_trace_id = sampler->uses_trace_id && sample->trace_id.len > 0;
    struct slice source = has_trace_id ? sample->trace_id : sample->source;
    bool is_used = sample->has_explicit || sample->has_threshold;
    struct judgement j = {
        .has_failed = sample->is_malformed || is_used || source.len == 0,
        .is_written = !sample->is_malformed && !is_used,
        .randomness = SAMPLING_RANDOMNESS_MAX,
    };
    if (source.len > 0) {
        j.randomness = sampling_hash_randomness(sampler->hash_seed, source);
        j.sets_randomness = true;
    }
    return j;
}

static struct judgement judge_consistent(const struct sample *sample)
{
    struct judgement j = {
        .is_written = !sample->is_malformed,
        .randomness = SAMPLING_RANDOMNESS_MAX,
    };
    if (sample->is_malformed) {
        j.has_failed = true;
    } else if (sample->has_explicit) {
        j.randomness = sample->explicit_bits;
    } else if (sample->trace_id.len > 0) {
        j.randomness = sampling_trace_randomness(sample->trace_id);
    } else {
        j.has_failed = true;
    }
    /* A threshold that would not have let this item through is not its own. */
    if (!j.has_failed && sample->has_threshold && j.randomness < sample->threshold) {
        j.has_failed = true;
        j.clears = true;
    }
    return j;
}

static struct judgement judge(const struct sampler *sampler, const struct sample *sample)
{
    switch (sampler->mode) {
    case SAMPLER_HASH_SEED:
        return judge_hash(sampler, sample);
    case SAMPLER_PROPORTIONAL:
    case SAMPLER_EQUALIZING:
        return judge_consistent(sample);
    case SAMPLER_NEVER:
        break;
    }
    /* Nothing is compared; a priority may still let the item through. */
    return (struct judgement){.has_failed = sample->is_malformed,
                              .is_written = !sample->is_malformed,
                              .randomness = SAMPLING_RANDOMNESS_MAX};
}

/* The threshold that the sampler itself asks for. */
static uint64_t choose_threshold(const struct sampler *sampler, const struct sample *sample)
{
    uint64_t threshold = sampler->threshold;
    switch (sampler->mode) {
    case SAMPLER_PROPORTIONAL:
        if (!sample->has_threshold) {
            return threshold;
        }
        /* A product too small to be written takes nothing. */
        return sampling_threshold(sampling_probability(sample->threshold) * sampler->ratio,
                                  sampler->digit_count, &threshold)
                   ? threshold
                   : SAMPLING_NEVER;
    case SAMPLER_EQUALIZING:
        return sample->has_threshold && sample->threshold > threshold ? sample->threshold
                                                                      : threshold;
    case SAMPLER_HASH_SEED:
    case SAMPLER_NEVER:
        break;
    }
    return threshold;
}

struct sample_answer sampler_decide(const struct sampler *sampler, const struct sample *sample)
{
    struct judgement j = judge(sampler, sample);
    uint64_t threshold = sampler->fails_closed ? SAMPLING_NEVER : SAMPLING_ALWAYS;
    if (sample->has_priority) {
        threshold = sample->priority_threshold;
    } else if (!j.has_failed) {
        threshold = choose_threshold(sampler, sample);
    }
    /* Sampling again never makes an item stand for fewer than it stood for. */
    bool keeps = sample->has_threshold && !j.clears && sample->threshold > threshold;
    struct sample_answer answer = {
        .is_taken = j.randomness >= threshold,
        .sets_randomness = j.is_written && j.sets_randomness,
        .sets_threshold = j.is_written && !keeps,
        .randomness_bits = j.randomness,
        .threshold = threshold,
    };
    ASSERT(!answer.is_taken || threshold < SAMPLING_NEVER);
    return answer;
}
