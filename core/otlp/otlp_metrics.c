/* SPDX-License-Identifier: Apache-2.0 */
/*
 * otlp_metrics — the fields of a request, and the five kinds of points.
 */
#include "core/otlp/otlp_metrics.h"

#include "core/otlp/pb_decode.h"
#include "core/otlp/pb_wire.h"

/* MetricsData.resource_metrics */
#define RESOURCE_METRICS_FIELD 1

static int show_one(struct slice bytes, struct arena *arena, void *owner, otlp_metrics_fn *show)
{
    ProtobufCMessage *message = NULL;
    arena_reset(arena);
    int err = pb_decode(&opentelemetry__proto__metrics__v1__resource_metrics__descriptor, bytes,
                        arena, NULL, &message);
    if (err == 0) {
        show(owner, (const struct OTLP_METRICS(ResourceMetrics) *)(const void *)message);
    }
    return err;
}

int otlp_metrics_each(struct slice request, struct arena *arena, void *owner, otlp_metrics_fn *show)
{
    struct pb_reader in = pb_reader_of(request);
    int err = 0;
    while (err == 0 && in.pos != in.end) {
        uint32_t number = 0;
        uint32_t wire_type = 0;
        struct slice field;
        err = pb_read_tag(&in, &number, &wire_type);
        if (err == 0 && number == RESOURCE_METRICS_FIELD && wire_type == PB_WIRE_BYTES) {
            err = pb_read_bytes(&in, &field);
            err = err == 0 ? show_one(field, arena, owner, show) : err;
        } else if (err == 0) {
            err = pb_skip_field(&in, number, wire_type, PB_DEPTH_MAX);
        }
    }
    return err;
}

#define HEAD_OF(point)                                                                             \
    ((struct otlp_point_head){.attributes = (point)->attributes,                                   \
                              .attribute_count = (point)->n_attributes,                            \
                              .time_unix_ns = (point)->time_unix_nano,                             \
                              .flags = (point)->flags})

struct otlp_point_head otlp_point_head_at(const struct OTLP_METRICS(Metric) * metric, size_t index)
{
    switch ((int)metric->data_case) { /* wire values */
    case OPENTELEMETRY__PROTO__METRICS__V1__METRIC__DATA_GAUGE:
        return HEAD_OF(metric->gauge->data_points[index]);
    case OPENTELEMETRY__PROTO__METRICS__V1__METRIC__DATA_SUM:
        return HEAD_OF(metric->sum->data_points[index]);
    case OPENTELEMETRY__PROTO__METRICS__V1__METRIC__DATA_HISTOGRAM:
        return HEAD_OF(metric->histogram->data_points[index]);
    case OPENTELEMETRY__PROTO__METRICS__V1__METRIC__DATA_EXPONENTIAL_HISTOGRAM:
        return HEAD_OF(metric->exponential_histogram->data_points[index]);
    case OPENTELEMETRY__PROTO__METRICS__V1__METRIC__DATA_SUMMARY:
        return HEAD_OF(metric->summary->data_points[index]);
    default:
        return (struct otlp_point_head){0};
    }
}
