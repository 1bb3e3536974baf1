/* SPDX-License-Identifier: Apache-2.0 */
/*
 * awsemf_tally — two tables, from the encoder's words to the counters of stats.def.
 */
#include "exporters/awsemf_tally.h"

#include <stddef.h>

static struct counter *counter_of_drop(struct exporter_stats *stats, enum emf_drop drop)
{
    switch (drop) {
    case EMF_DROP_NO_VALUE:
        return &stats->emf_no_value;
    case EMF_DROP_INITIAL:
        return &stats->emf_initial;
    case EMF_DROP_NOT_FINITE:
        return &stats->items_rejected_not_finite;
    case EMF_DROP_OUT_OF_RANGE:
        return &stats->items_rejected_out_of_range;
    case EMF_DROP_NAME:
        return &stats->items_rejected_metric_name;
    case EMF_DROP_DUPLICATE:
        return &stats->items_rejected_duplicate;
    case EMF_DROP_LABELS:
        return &stats->items_rejected_labels;
    case EMF_DROP_SERIES_LIMIT:
        return &stats->items_rejected_series_limit;
    case EMF_DROP_TOO_LARGE:
        return &stats->items_rejected_event_too_large;
    case EMF_DROP_MEMORY:
        return &stats->items_rejected_memory;
    }
    return &stats->items_rejected;
}

static struct counter *counter_of_notice(struct exporter_stats *stats, enum emf_notice notice)
{
    switch (notice) {
    case EMF_NOTICE_DIMENSIONS:
        return &stats->emf_dimensions;
    case EMF_NOTICE_LABEL:
        return &stats->emf_label;
    case EMF_NOTICE_SHADOWED:
        return &stats->emf_shadowed;
    case EMF_NOTICE_UNIT:
        return &stats->emf_unit;
    case EMF_NOTICE_LOG_NAME:
        return &stats->emf_log_name;
    case EMF_NOTICE_SPLIT:
        return &stats->emf_split;
    case EMF_NOTICE_PLAIN:
        return &stats->emf_plain;
    }
    return &stats->emf_plain;
}

static bool is_loss(enum emf_drop drop)
{
    return drop != EMF_DROP_INITIAL && drop != EMF_DROP_NO_VALUE;
}

uint64_t awsemf_tally_take(const struct emf_tally *before, const struct emf_tally *after,
                           struct exporter_stats *stats, struct rejects *rejects, const char **why)
{
    uint64_t lost_count = 0;
    for (int i = 0; i < EMF_DROP_COUNT; i++) {
        enum emf_drop drop = (enum emf_drop)i;
        uint64_t point_count = after->drops[i] - before->drops[i];
        if (point_count > 0 && is_loss(drop)) {
            rejects_add(rejects, counter_of_drop(stats, drop), point_count);
            lost_count += point_count;
            *why = emf_drop_label(drop);
        } else {
            counter_add(counter_of_drop(stats, drop), point_count);
        }
    }
    for (int i = 0; i < EMF_NOTICE_COUNT; i++) {
        counter_add(counter_of_notice(stats, (enum emf_notice)i),
                    after->notices[i] - before->notices[i]);
    }
    counter_add(&stats->emf_documents, after->document_count - before->document_count);
    counter_set(&stats->emf_delta_series, after->delta_series_count);
    return lost_count;
}
