/* SPDX-License-Identifier: Apache-2.0 */
/*
 * retry — backoff arithmetic and its configuration.
 *
 * Randomness is SplitMix64: jitter only has to keep senders apart that failed together.
 */
#include "exporters/retry.h"

#include "core/base/clock.h"
#include "core/engine/config.h"

/* The longest wait that is computed: 2^62 ns is 146 years, and a double below 2^63. */
#define WAIT_MAX_NS (UINT64_C(1) << 62)

void retry_config_read(struct config_reader *r, uint64_t default_initial_ns,
                       struct retry_config *out)
{
    struct config_reader s;
    out->is_enabled = config_open_optional(r, "retry_on_failure", true, &s);
    config_read_duration_ns(&s, "initial_interval", default_initial_ns, &out->initial_interval_ns);
    config_read_duration_ns(&s, "max_interval", 30 * CLOCK_NS_PER_S, &out->max_interval_ns);
    config_read_duration_ns(&s, "max_elapsed_time", 300 * CLOCK_NS_PER_S, &out->max_elapsed_ns);
    config_read_f64(&s, "multiplier", 1.5, &out->multiplier);
    config_read_f64(&s, "randomization_factor", 0.5, &out->randomization_factor);
    if (out->multiplier < 0) {
        config_refuse(&s, "multiplier", "multiplier must not be negative");
        out->multiplier = 1.5;
    }
    if (out->randomization_factor < 0 || out->randomization_factor > 1) {
        config_refuse(&s, "randomization_factor", "randomization_factor must be between 0 and 1");
        out->randomization_factor = 0.5;
    }
    if (out->is_enabled && out->max_elapsed_ns != 0) {
        if (out->max_elapsed_ns < out->initial_interval_ns) {
            config_refuse(&s, "max_elapsed_time",
                          "max_elapsed_time must not be less than initial_interval");
        }
        if (out->max_elapsed_ns < out->max_interval_ns) {
            config_refuse(&s, "max_elapsed_time",
                          "max_elapsed_time must not be less than max_interval");
        }
    }
    (void)config_reader_finish(&s); /* the parent's finish knows */
}

void retry_begin(struct retry *retry, const struct retry_config *config, uint64_t now_mono_ns)
{
    *retry = (struct retry){
        .interval_ns = config->initial_interval_ns,
        .started_mono_ns = now_mono_ns,
    };
}

/* Uniform in [0, 1). */
static double draw(uint64_t *state)
{
    *state += UINT64_C(0x9E3779B97F4A7C15);
    uint64_t mixed = *state;
    mixed = (mixed ^ (mixed >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    mixed = (mixed ^ (mixed >> 27)) * UINT64_C(0x94D049BB133111EB);
    mixed ^= mixed >> 31;
    return (double)(mixed >> 11) * 0x1p-53;
}

static uint64_t cap_ns(double ns)
{
    return ns < (double)WAIT_MAX_NS ? (uint64_t)ns : WAIT_MAX_NS;
}

bool retry_next_wait(struct retry *retry, const struct retry_config *config, uint64_t now_mono_ns,
                     uint64_t hint_ns, uint64_t *random_state, uint64_t *wait_ns)
{
    ASSERT(now_mono_ns >= retry->started_mono_ns);
    if (!config->is_enabled) {
        return false;
    }
    double spread = config->randomization_factor * (2 * draw(random_state) - 1);
    uint64_t wait = cap_ns((double)retry->interval_ns * (1 + spread));
    wait = wait < hint_ns ? hint_ns : wait;
    uint64_t grown_ns = cap_ns((double)retry->interval_ns * config->multiplier);
    retry->interval_ns = grown_ns < config->max_interval_ns ? grown_ns : config->max_interval_ns;
    uint64_t elapsed_ns = now_mono_ns - retry->started_mono_ns;
    bool is_limited = config->max_elapsed_ns != 0;
    if (is_limited &&
        (elapsed_ns > config->max_elapsed_ns || wait > config->max_elapsed_ns - elapsed_ns)) {
        return false;
    }
    *wait_ns = wait < WAIT_MAX_NS ? wait : WAIT_MAX_NS;
    return true;
}
