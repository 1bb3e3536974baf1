/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sampler — whether one span or log record is taken, and what it then says about its sampling.
 *
 * Knows no wire format: the processor fills a sample from an item and writes the answer back.
 * Settings are frozen after sampler_init. Source: the Collector's probabilistic_sampler and
 * OpenTelemetry's consistent probability sampling.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/base/slice.h"

enum sampler_mode {
    SAMPLER_HASH_SEED,    /* a hash of trace id or attribute, 14 bits */
    SAMPLER_PROPORTIONAL, /* takes its share of what earlier samplers left */
    SAMPLER_EQUALIZING,   /* brings everything down to one probability */
    SAMPLER_NEVER,        /* 0 per cent, or what rounds to it */
};

struct sampler_options {
    enum sampler_mode mode; /* never SAMPLER_NEVER */
    float percent;          /* ≥ 0; above 100 counts as 100 */
    uint32_t hash_seed;
    uint32_t digit_count; /* precision of thresholds */
    bool fails_closed;    /* what cannot be judged goes instead of passing */
    bool uses_trace_id;   /* false: hash_seed looks at the source alone */
};

struct sampler {
    enum sampler_mode mode;
    uint32_t hash_seed;
    uint32_t digit_count;
    bool fails_closed;
    bool uses_trace_id;
    double ratio;       /* proportional */
    uint64_t threshold; /* the others */
};

/* What an item brings. Borrows. */
struct sample {
    bool is_malformed;  /* its tracestate or sampling attributes cannot be read */
    bool has_explicit;  /* says its randomness in so many words */
    bool has_threshold; /* was sampled before */
    bool has_priority;  /* its own threshold stands in for the decision */
    uint64_t explicit_bits;
    uint64_t threshold;
    uint64_t priority_threshold;
    struct slice trace_id; /* 16 bytes, or empty where there is none or it is all zeros */
    struct slice source;   /* bytes to hash where the trace id is not to be had */
};

struct sample_answer {
    bool is_taken;
    bool sets_randomness; /* the item is to say randomness_bits */
    bool sets_threshold;  /* the item is to say threshold; false: it keeps what it says */
    uint64_t randomness_bits;
    uint64_t threshold;
};

void sampler_init(struct sampler *sampler, const struct sampler_options *options);

struct sample_answer sampler_decide(const struct sampler *sampler, const struct sample *sample);
