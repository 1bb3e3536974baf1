/* SPDX-License-Identifier: Apache-2.0 */
/*
 * memory_limiter — keys, then two subtractions.
 */
#include "core/processors/memory_limiter.h"

#include "core/base/clock.h"
#include "core/engine/config.h"

#define MIB (UINT64_C(1) << 20)
#define PERCENT_MAX 100
/* The spike where none is given, per cent of the limit. */
#define SPIKE_DEFAULT_PERCENT 20

/* Pauses of a garbage collector that is not here; 0 switches the longest ones off. */
static void read_gc_intervals(struct config_reader *config)
{
    uint64_t min_soft_ns = 0;
    uint64_t min_hard_ns = 0;
    uint64_t max_soft_ns = 0;
    uint64_t max_hard_ns = 0;
    uint64_t max_default_ns = 30 * CLOCK_NS_PER_S;
    (void)config_read_duration_ns(config, "min_gc_interval_when_soft_limited", 10 * CLOCK_NS_PER_S,
                                  &min_soft_ns);
    (void)config_read_duration_ns(config, "min_gc_interval_when_hard_limited", 0, &min_hard_ns);
    (void)config_read_duration_ns(config, "max_gc_interval_when_soft_limited", max_default_ns,
                                  &max_soft_ns);
    (void)config_read_duration_ns(config, "max_gc_interval_when_hard_limited", max_default_ns,
                                  &max_hard_ns);
    if (min_soft_ns < min_hard_ns) {
        config_refuse(config, "min_gc_interval_when_hard_limited",
                      "it must not be longer than min_gc_interval_when_soft_limited");
    }
    if (max_soft_ns != 0 && max_hard_ns != 0 && max_soft_ns < max_hard_ns) {
        config_refuse(config, "max_gc_interval_when_hard_limited",
                      "it must not be longer than max_gc_interval_when_soft_limited");
    }
    if (max_soft_ns != 0 && max_soft_ns < min_soft_ns) {
        config_refuse(config, "max_gc_interval_when_soft_limited",
                      "it must not be shorter than min_gc_interval_when_soft_limited");
    }
    if (max_hard_ns != 0 && max_hard_ns < min_hard_ns) {
        config_refuse(config, "max_gc_interval_when_hard_limited",
                      "it must not be shorter than min_gc_interval_when_hard_limited");
    }
}

static void check_mib(struct config_reader *config, const struct memory_limiter_config *out)
{
    if (out->spike_limit_mib >= out->limit_mib) {
        config_refuse(config, "spike_limit_mib", "spike_limit_mib must be smaller than limit_mib");
    }
}

static void check_percent(struct config_reader *config, const struct memory_limiter_config *out)
{
    if (out->limit_percent == 0) {
        config_refuse(config, "limit_mib", "limit_mib or limit_percentage must be above 0");
        return;
    }
    if (out->spike_limit_percent >= out->limit_percent) {
        config_refuse(config, "spike_limit_percentage",
                      "spike_limit_percentage must be smaller than limit_percentage");
    }
}

int memory_limiter_config_read(struct config_reader *config, struct memory_limiter_config *out)
{
    *out = (struct memory_limiter_config){0};
    uint64_t check_interval_ns = 0;
    (void)config_read_duration_ns(config, "check_interval", 0, &check_interval_ns);
    if (check_interval_ns == 0) {
        config_refuse(config, "check_interval", "check_interval must be above 0, such as 1s");
    }
    (void)config_read_u32(config, "limit_mib", 0, UINT32_MAX, &out->limit_mib);
    (void)config_read_u32(config, "spike_limit_mib", 0, UINT32_MAX, &out->spike_limit_mib);
    (void)config_read_u32(config, "limit_percentage", 0, PERCENT_MAX, &out->limit_percent);
    (void)config_read_u32(config, "spike_limit_percentage", 0, PERCENT_MAX,
                          &out->spike_limit_percent);
    read_gc_intervals(config);
    if (out->limit_mib > 0) {
        check_mib(config, out);
    } else {
        check_percent(config, out);
    }
    return config_reader_finish(config);
}

bool memory_limiter_needs_total(const struct memory_limiter_config *config)
{
    return config->limit_mib == 0;
}

/* `percent` of `bytes`, without an overflow on the way. */
static uint64_t percent_of(uint64_t bytes, uint32_t percent)
{
    return bytes / PERCENT_MAX * percent + bytes % PERCENT_MAX * percent / PERCENT_MAX;
}

uint64_t memory_limiter_soft_bytes(const struct memory_limiter_config *config, uint64_t total_bytes)
{
    uint64_t limit_bytes = config->limit_mib * MIB;
    uint64_t spike_bytes = config->spike_limit_mib * MIB;
    if (memory_limiter_needs_total(config)) {
        limit_bytes = percent_of(total_bytes, config->limit_percent);
        spike_bytes = percent_of(total_bytes, config->spike_limit_percent);
    }
    if (spike_bytes == 0) {
        spike_bytes = percent_of(limit_bytes, SPIKE_DEFAULT_PERCENT);
    }
    ASSERT(spike_bytes <= limit_bytes);
    return limit_bytes - spike_bytes;
}
