/* SPDX-License-Identifier: Apache-2.0 */
/*
 * region — which AWS region is meant, as far as texts can say.
 *
 * The order is that of the settings: the exporter's own, AWS_REGION, AWS_DEFAULT_REGION, the
 * profile, the task's ARN, the instance's identity document. Whoever owns a loop asks for the last
 * two; here they are only read. Owns nothing.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "core/base/defs.h"
#include "core/base/slice.h"

/* Longest region today: "ap-southeast-2" with 14; a label of a host name has 63 at most. */
#define AWS_REGION_MAX_BYTES 63

enum aws_region_source {
    AWS_REGION_UNKNOWN,
    AWS_REGION_SETTING,
    AWS_REGION_ENV,
    AWS_REGION_ENV_DEFAULT,
    AWS_REGION_PROFILE,
    AWS_REGION_TASK,
    AWS_REGION_INSTANCE,
};

struct aws_region {
    char text[AWS_REGION_MAX_BYTES + 1]; /* NUL-terminated; "" while unknown */
    enum aws_region_source source;
};

/* Where a region may be written down; empty means not there. Borrowed for the call. */
struct aws_region_texts {
    struct slice setting;
    struct slice env_region;         /* AWS_REGION */
    struct slice env_default_region; /* AWS_DEFAULT_REGION */
    struct slice profile;            /* `region` of the selected profile */
};

/* One or more of a-z, 0-9 and '-', at most AWS_REGION_MAX_BYTES: it becomes part of a host name. */
bool aws_region_is_valid(struct slice text);

/* What to call the source in a log line; static. */
const char *aws_region_source_name(enum aws_region_source source);

/*
 * aws_region_choose — the first text that is not empty.
 *
 * Returns 0; -ENOENT when all are empty; FAULT_MALFORMED when the first one is no region. It is not
 * skipped then, because sending elsewhere than asked is worse than not starting; out->source names
 * the culprit and out->text is empty.
 */
WEIR_MUST_USE int aws_region_choose(const struct aws_region_texts *texts, struct aws_region *out);

/* The fourth field of an ARN, such as a task's. 0 or FAULT_MALFORMED, and then out is unknown. */
WEIR_MUST_USE int aws_region_from_arn(struct slice arn, struct aws_region *out);

/* Member `TaskARN` of the task metadata endpoint's answer (JSON). As aws_region_from_arn. */
WEIR_MUST_USE int aws_region_from_task(struct slice json, struct aws_region *out);

/* Member `region` of the instance identity document (JSON). As aws_region_from_arn. */
WEIR_MUST_USE int aws_region_from_instance(struct slice json, struct aws_region *out);
