/* SPDX-License-Identifier: Apache-2.0 */
/*
 * detect_rig — plans made by hand, and what was detected as text that can be compared.
 */
#pragma once

#include "core/base/defs.h"
#include "core/processors/resource_detect_plan.h"
#include "core/processors/resource_detected.h"

#define DETECT_RIG_TEXT_BYTES 2048

/* A plan of these detectors that wants everything, with the usual settings. */
struct resource_detect_plan detect_rig_plan(const enum detector *detectors, uint32_t count);
#define PLAN(...)                                                                                  \
    detect_rig_plan((const enum detector[]){__VA_ARGS__},                                          \
                    (uint32_t)COUNT_OF(((const enum detector[]){__VA_ARGS__})))

/* "text", or "a|b|c" for a list, or "(none)"; borrows until the next call. */
const char *detect_rig_text(const struct resource_detected *detected, const char *key);
