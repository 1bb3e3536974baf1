/* SPDX-License-Identifier: Apache-2.0 */
/*
 * load_pace — see load_pace.h. Whole seconds and the rest are multiplied apart, so that nothing
 * overflows at the highest rate: 10^9 lines × 10^9 ns is below 2^64.
 */
#include "bench/load_pace.h"

#include "core/base/defs.h"

#define PACE_SECOND_NS UINT64_C(1000000000)

void pace_init(struct pace *pace, uint64_t rate_lines, uint64_t now_mono_ns)
{
    ASSERT(rate_lines <= PACE_RATE_MAX_LINES);
    *pace = (struct pace){.rate_lines = rate_lines, .started_mono_ns = now_mono_ns};
}

uint64_t pace_due_lines(const struct pace *pace, uint64_t now_mono_ns)
{
    if (pace->rate_lines == 0) {
        return UINT64_MAX;
    }
    if (now_mono_ns <= pace->started_mono_ns) {
        return 0;
    }
    const uint64_t elapsed_ns = now_mono_ns - pace->started_mono_ns;
    const uint64_t whole = elapsed_ns / PACE_SECOND_NS * pace->rate_lines;
    return whole + elapsed_ns % PACE_SECOND_NS * pace->rate_lines / PACE_SECOND_NS;
}

uint64_t pace_owed_lines(struct pace *pace, uint64_t sent_lines, uint64_t now_mono_ns)
{
    const uint64_t due = pace_due_lines(pace, now_mono_ns);
    if (due <= sent_lines) {
        return 0;
    }
    const uint64_t owed = due - sent_lines;
    if (pace->rate_lines == 0) {
        return owed;
    }
    const uint64_t behind_max = pace->rate_lines / (PACE_SECOND_NS / PACE_BEHIND_MAX_NS) + 1;
    if (owed <= behind_max) {
        return owed;
    }
    const uint64_t excess = owed - behind_max;
    const uint64_t forgiven_ns = excess / pace->rate_lines * PACE_SECOND_NS +
                                 excess % pace->rate_lines * PACE_SECOND_NS / pace->rate_lines;
    pace->forgiven_ns += forgiven_ns;
    pace->started_mono_ns += forgiven_ns;
    return behind_max;
}
