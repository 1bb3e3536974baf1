/* SPDX-License-Identifier: Apache-2.0 */
/*
 * statsd_scan_x86 — which variants of statsd_scan an x86-64 processor can run. Asked each time,
 * because the answer is two loads from a table the C runtime filled at start; nothing is cached.
 */
#include "codecs/statsd_scan.h"

static const struct statsd_scan avx512 = {.name = "avx512", .lines = statsd_scan_avx512};
static const struct statsd_scan avx2 = {.name = "avx2", .lines = statsd_scan_avx2};
static const struct statsd_scan scalar = {.name = "scalar", .lines = statsd_scan_scalar};

const struct statsd_scan *statsd_scan_at(size_t index)
{
    bool has_bmi = __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2");
    const struct statsd_scan *found[3];
    size_t count = 0;
    if (has_bmi && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw")) {
        found[count++] = &avx512;
    }
    if (has_bmi && __builtin_cpu_supports("avx2")) {
        found[count++] = &avx2;
    }
    found[count++] = &scalar;
    return index < count ? found[index] : NULL;
}
