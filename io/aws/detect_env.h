/* SPDX-License-Identifier: Apache-2.0 */
/*
 * detect_env — attributes that the environment spells out: OTEL_RESOURCE_ATTRIBUTES, or
 * OTEL_RESOURCE where that is not set.
 *
 * `key=value,key2=value2`, blanks around either ignored, values percent-encoded. All or nothing: a
 * text that breaks the format gives no attribute. Source: the Collector's env detector.
 */
#pragma once

#include "io/aws/detect_state.h"

/* Of a key, and of a value as written. */
#define DETECT_ENV_TEXT_MAX_BYTES 256

struct detect_env {
    struct detect_state state;
    struct slice text; /* borrowed until it is done */
};

/* `text` as the variable has it; may be empty, and then there is nothing to detect. */
void detect_env_init(struct detect_env *env, const struct resource_detect_plan *plan,
                     struct slice text);
