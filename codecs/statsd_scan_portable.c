/* SPDX-License-Identifier: Apache-2.0 */
/*
 * statsd_scan_portable — the variants of statsd_scan where no instruction set of its own is known.
 */
#include "codecs/statsd_scan.h"

static const struct statsd_scan scalar = {.name = "scalar", .lines = statsd_scan_scalar};

const struct statsd_scan *statsd_scan_at(size_t index)
{
    return index == 0 ? &scalar : NULL;
}
