/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ecs_metrics_config — how often.
 */
#include "io/receivers/ecs_metrics_config.h"

#include "core/base/clock.h"

#define DEFAULT_INTERVAL_NS (20 * CLOCK_NS_PER_S)

int ecs_metrics_config_read(struct config_reader *r, struct ecs_metrics_config *out)
{
    *out = (struct ecs_metrics_config){0};
    (void)config_read_duration_ns(r, "collection_interval", DEFAULT_INTERVAL_NS, &out->interval_ns);
    if (out->interval_ns < ECS_METRICS_INTERVAL_MIN_MS * CLOCK_NS_PER_MS) {
        config_refuse(r, "collection_interval", "collection_interval must be at least %dms",
                      ECS_METRICS_INTERVAL_MIN_MS);
    }
    config_known_unsupported(r, "instance_level_metrics");
    return config_reader_finish(r);
}
