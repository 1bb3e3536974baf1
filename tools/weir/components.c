/* SPDX-License-Identifier: Apache-2.0 */
/*
 * components — the tables of types.
 */
#include "tools/weir/components.h"

#include "core/processors/attributes_processor.h"
#include "core/processors/filter_processor.h"
#include "core/processors/metrics_transform_processor.h"
#include "core/processors/probabilistic_sampler_processor.h"
#include "core/processors/resource_detection_processor.h"
#include "core/processors/resource_processor.h"
#include "exporters/awsemf_exporter.h"
#include "exporters/cloudwatchlogs_exporter.h"
#include "exporters/debug_exporter.h"
#include "exporters/file_exporter.h"
#include "exporters/nop_exporter.h"
#include "exporters/otlp_grpc_exporter.h"
#include "exporters/otlp_http_exporter.h"
#include "exporters/prom_pull_exporter.h"
#include "exporters/prom_write_exporter.h"
#include "exporters/xray_exporter.h"
#include "io/aws/metadata.h"
#include "io/receivers/container_insight_receiver.h"
#include "io/receivers/ecs_metrics_receiver.h"
#include "io/receivers/otlp_receiver.h"
#include "io/receivers/prom_scrape_receiver.h"
#include "io/receivers/statsd_receiver.h"
#include "io/receivers/xray_proxy_extension.h"
#include "io/receivers/xray_receiver.h"

static const struct receiver_type receiver_types[] = {
    {"awscontainerinsightreceiver", container_insight_receiver_new, SIGNAL_BIT(SIGNAL_METRICS)},
    {"awsecscontainermetrics", ecs_metrics_receiver_new, SIGNAL_BIT(SIGNAL_METRICS)},
    {"awsxray", xray_receiver_new, SIGNAL_BIT(SIGNAL_TRACES)},
    {"otlp", otlp_receiver_new, SIGNALS_ALL},
    {"prometheus", prom_scrape_receiver_new, SIGNAL_BIT(SIGNAL_METRICS)},
    {"statsd", statsd_receiver_new, SIGNAL_BIT(SIGNAL_METRICS)},
};

/* Extensions with a port of their own; they make no signal. */
static const struct receiver_type listening_extension_types[] = {
    {"awsproxy", xray_proxy_extension_new, 0},
};

/* The detectors speak HTTP, which processors do not. */
static int resource_detection_new(struct config_reader *config, const char *id, enum signal signal,
                                  struct processor **out)
{
    return resource_detection_processor_new(config, id, signal, metadata_detect, out);
}

/* `batch` and `memory_limiter` are no processors of this kind: tools/weir/graph_stage.c. */
static const struct processor_type processor_types[] = {
    {"attributes", attributes_processor_new},
    {"filter", filter_processor_new},
    {"metrics_transform", metrics_transform_processor_new},
    {"metricstransform", metrics_transform_processor_new},
    {"probabilistic_sampler", probabilistic_sampler_processor_new},
    {"resource", resource_processor_new},
    {"resource_detection", resource_detection_new},
    {"resourcedetection", resource_detection_new},
};

static const struct exporter_type exporter_types[] = {
    {"awscloudwatchlogs", cloudwatchlogs_exporter_new, SIGNAL_BIT(SIGNAL_LOGS), false},
    {"awsemf", awsemf_exporter_new, SIGNAL_BIT(SIGNAL_METRICS), false},
    {"awsxray", xray_exporter_new, SIGNAL_BIT(SIGNAL_TRACES), false},
    {"debug", debug_exporter_new, SIGNALS_ALL, false},
    {"file", file_exporter_new, SIGNALS_ALL, true},
    {"nop", nop_exporter_new, SIGNALS_ALL, false},
    {"otlp", otlp_grpc_exporter_new, SIGNALS_ALL, false},
    {"otlp_grpc", otlp_grpc_exporter_new, SIGNALS_ALL, false},
    {"otlphttp", otlp_http_exporter_new, SIGNALS_ALL, false},
    {"otlp_http", otlp_http_exporter_new, SIGNALS_ALL, false},
    {"prometheus", prom_pull_exporter_new, SIGNAL_BIT(SIGNAL_METRICS), true},
    {"prometheus_remote_write", prom_write_exporter_new, SIGNAL_BIT(SIGNAL_METRICS), false},
    {"prometheusremotewrite", prom_write_exporter_new, SIGNAL_BIT(SIGNAL_METRICS), false},
};

static const char *const known_receivers[] = {"awscontainerinsightreceiver",
                                              "awsecscontainermetrics",
                                              "awsxray",
                                              "otlp",
                                              "prometheus",
                                              "statsd",
                                              NULL};
static const char *const known_processors[] = {"attributes",
                                               "batch",
                                               "filter",
                                               "memory_limiter",
                                               "metrics_transform",
                                               "metricstransform",
                                               "probabilistic_sampler",
                                               "resource",
                                               "resource_detection",
                                               "resourcedetection",
                                               NULL};
static const char *const known_exporters[] = {"awscloudwatchlogs",
                                              "awsemf",
                                              "awsxray",
                                              "debug",
                                              "file",
                                              "nop",
                                              "otlp",
                                              "otlp_grpc",
                                              "otlphttp",
                                              "otlp_http",
                                              "prometheus",
                                              "prometheus_remote_write",
                                              "prometheusremotewrite",
                                              NULL};
static const char *const known_extensions[] = {"awsproxy",     "basicauth", "bearertokenauth",
                                               "health_check", "sigv4auth", NULL};

static const char *const planned_receivers[] = {NULL};
static const char *const planned_processors[] = {
    "span",        "metricsgeneration", "cumulativetodelta",
    "deltatorate", "groupbytrace",      "tail_sampling",
    NULL,
};
static const char *const planned_exporters[] = {
    "load_balancing",
    "loadbalancing",
    NULL,
};
static const char *const planned_extensions[] = {"file_storage", "zpages", "pprof", NULL};

static const struct graph_types types = {
    .known =
        {
            [GRAPH_RECEIVER] = known_receivers,
            [GRAPH_PROCESSOR] = known_processors,
            [GRAPH_EXPORTER] = known_exporters,
            [GRAPH_EXTENSION] = known_extensions,
        },
    .planned =
        {
            [GRAPH_RECEIVER] = planned_receivers,
            [GRAPH_PROCESSOR] = planned_processors,
            [GRAPH_EXPORTER] = planned_exporters,
            [GRAPH_EXTENSION] = planned_extensions,
        },
};

const struct receiver_type *components_find_receiver(struct slice type)
{
    for (size_t i = 0; i < COUNT_OF(receiver_types); i++) {
        if (slice_is_text(type, receiver_types[i].type)) {
            return &receiver_types[i];
        }
    }
    return NULL;
}

const struct receiver_type *components_find_listening_extension(struct slice type)
{
    for (size_t i = 0; i < COUNT_OF(listening_extension_types); i++) {
        if (slice_is_text(type, listening_extension_types[i].type)) {
            return &listening_extension_types[i];
        }
    }
    return NULL;
}

const struct processor_type *components_find_processor(struct slice type)
{
    for (size_t i = 0; i < COUNT_OF(processor_types); i++) {
        if (slice_is_text(type, processor_types[i].type)) {
            return &processor_types[i];
        }
    }
    return NULL;
}

const struct exporter_type *components_find_exporter(struct slice type)
{
    for (size_t i = 0; i < COUNT_OF(exporter_types); i++) {
        if (slice_is_text(type, exporter_types[i].type)) {
            return &exporter_types[i];
        }
    }
    return NULL;
}

const struct graph_types *components_types(void)
{
    return &types;
}

int extension_health_check_read(struct config_reader *config, struct extension_health_check *out)
{
    *out = (struct extension_health_check){0};
    (void)config_read_endpoint(config, "endpoint", "localhost:13133", &out->endpoint);
    (void)config_read_text(config, "path", "/", &out->path);
    config_known_unsupported(config, "tls");
    config_known_unsupported(config, "response_body");
    config_known_unsupported(config, "check_collector_pipeline");
    if (out->path.len == 0 || out->path.ptr[0] != '/') {
        config_refuse(config, "path", "a path begins with '/'");
    }
    return config_reader_finish(config);
}
