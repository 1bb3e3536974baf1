/* SPDX-License-Identifier: Apache-2.0 */
/*
 * transform_rig — see transform_rig.h.
 */
#include "tests/core/processors/transform_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>

#include "core/processors/metrics_transform_processor.h"

#define CONFIG_BYTES 2048

struct slice label(const char *key, const char *text)
{
    return attr_text(NUMBER_LABELS, key, text);
}

struct slice int_point(struct slice labels, int64_t value)
{
    return field_message(1, JOIN(labels, field_fixed64(3, 100), field_fixed64(6, (uint64_t)value)));
}

struct slice double_point(struct slice labels, double value)
{
    return field_message(1, JOIN(labels, field_fixed64(3, 100), field_double(4, value)));
}

struct slice gauge(const char *name, struct slice points)
{
    return metric_of(name, GAUGE, points);
}

struct slice one(const char *name)
{
    return gauge(name, int_point(NOTHING, 1));
}

void check_transform_books(const struct rig *rig, uint32_t in_count)
{
    const struct processor_stats *stats = &rig->processor->stats;
    uint64_t added = counter_read(&stats->items_added);
    uint64_t gone = counter_read(&stats->items_filtered) + counter_read(&stats->items_aggregated);
    assert_int_equal(in_count + added, rig->part.item_count + gone);
}

void check_transforms(struct rig *rig, const char *transforms, metrics_fn *before,
                      metrics_fn *after, uint32_t count)
{
    char config[CONFIG_BYTES];
    (void)snprintf(config, sizeof(config), "{transforms: [%s]}", transforms);
    rig_open(rig, metrics_transform_processor_new, SIGNAL_METRICS, config);
    struct slice resource = attr_text(1, "service.name", "shop");
    rig_check(rig, request_of(resource, before()), request_of(resource, after()));
    check_transform_books(rig, count);
    rig_close(rig);
}
