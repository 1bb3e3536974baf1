/* SPDX-License-Identifier: Apache-2.0 */
/*
 * xray_exporter_codes — a table of names beside the rows of stats.def.
 */
#include "exporters/xray_exporter_codes.h"

#include <stddef.h>

struct code {
    const char *name;
    size_t offset; /* of its counter in struct exporter_stats */
};

static const struct code codes[] = {
    {"InvalidId", offsetof(struct exporter_stats, unprocessed_invalid_id)},
    {"InvalidName", offsetof(struct exporter_stats, unprocessed_invalid_name)},
    {"InvalidSegment", offsetof(struct exporter_stats, unprocessed_invalid_segment)},
    {"InvalidTraceId", offsetof(struct exporter_stats, unprocessed_invalid_trace_id)},
    {"MissingEndTime", offsetof(struct exporter_stats, unprocessed_missing_end_time)},
    {"MissingId", offsetof(struct exporter_stats, unprocessed_missing_id)},
    {"MissingName", offsetof(struct exporter_stats, unprocessed_missing_name)},
    {"MissingStartTime", offsetof(struct exporter_stats, unprocessed_missing_start_time)},
    {"MissingTraceId", offsetof(struct exporter_stats, unprocessed_missing_trace_id)},
    {"ParseError", offsetof(struct exporter_stats, unprocessed_parse_error)},
};

void xray_codes_count(struct exporter_stats *stats, const struct xray_unprocessed *entry)
{
    struct slice code = slice_of(entry->code, entry->code_len);
    struct counter *counter =
        entry->can_succeed ? &stats->unprocessed_retryable : &stats->unprocessed_other;
    for (size_t i = 0; i < COUNT_OF(codes); i++) {
        if (slice_is_text(code, codes[i].name)) {
            counter = (struct counter *)(void *)((char *)stats + codes[i].offset);
        }
    }
    counter_add(counter, 1);
}
