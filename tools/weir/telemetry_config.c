/* SPDX-License-Identifier: Apache-2.0 */
/*
 * telemetry_config — service.telemetry, key by key.
 */
#include "tools/weir/telemetry_config.h"

#define SELF_METRICS_PORT 8888

static void read_logs(struct graph_telemetry *out, struct config_reader *telemetry)
{
    /* The Collector's logger takes either case, and has levels above error that we do not. */
    static const char *const levels[] = {"debug", "info",  "warn",   "error", "DEBUG", "INFO",
                                         "WARN",  "ERROR", "dpanic", "panic", "fatal"};
    static const enum graph_log_level meanings[] = {
        GRAPH_LOG_DEBUG, GRAPH_LOG_INFO,  GRAPH_LOG_WARN,  GRAPH_LOG_ERROR,
        GRAPH_LOG_DEBUG, GRAPH_LOG_INFO,  GRAPH_LOG_WARN,  GRAPH_LOG_ERROR,
        GRAPH_LOG_ERROR, GRAPH_LOG_ERROR, GRAPH_LOG_ERROR,
    };
    static const char *const encodings[] = {"console", "json"};
    static const char *const unsupported[] = {
        "development",  "disable_caller",     "disable_stacktrace", "sampling",
        "output_paths", "error_output_paths", "initial_fields",     "processors",
    };
    _Static_assert(COUNT_OF(levels) == COUNT_OF(meanings), "each level means something");
    struct config_reader r;
    (void)config_open_section(telemetry, "logs", &r); /* absent reads as defaults */
    uint32_t index;
    out->has_log_level = config_read_enum(&r, "level", CONFIG_WORDS(levels), 1, &index);
    out->log_level = meanings[index];
    out->has_log_encoding = config_read_enum(&r, "encoding", CONFIG_WORDS(encodings), 0, &index);
    out->is_log_json = index == 1;
    for (size_t i = 0; i < COUNT_OF(unsupported); i++) {
        config_known_unsupported(&r, unsupported[i]);
    }
    (void)config_reader_finish(&r); /* the report has it */
}

/* Keys whose other value is not there yet. */
static void read_only_true(struct config_reader *r, const char *key)
{
    bool value;
    (void)config_read_bool(r, key, true, &value);
    if (!value) {
        config_refuse(r, key, "%s.%s: false is known but not supported yet", r->path, key);
    }
}

static void read_prometheus(struct graph_telemetry *out, struct config_reader *exporter)
{
    struct config_reader r;
    uint32_t port;
    (void)config_open_section(exporter, "prometheus", &r);
    if (!r.is_present) {
        (void)config_require(exporter, "prometheus");
    }
    out->is_metrics_host_default = !config_read_text(&r, "host", "localhost", &out->metrics_host);
    (void)config_read_u32(&r, "port", SELF_METRICS_PORT, UINT16_MAX, &port);
    out->metrics_port = (uint16_t)port;
    config_check_port(&r, "port", out->metrics_port, SELF_METRICS_PORT);
    read_only_true(&r, "without_scope_info");
    read_only_true(&r, "without_units");
    read_only_true(&r, "without_type_suffix");
    config_known_unsupported(&r, "with_resource_constant_labels");
    config_known_unsupported(&r, "translation_strategy");
    (void)config_reader_finish(&r);
}

static void read_reader(struct graph_telemetry *out, struct config_reader *reader)
{
    struct config_reader pull;
    struct config_reader exporter;
    config_known_unsupported(reader, "periodic");
    if (config_open_section(reader, "pull", &pull)) {
        (void)config_open_section(&pull, "exporter", &exporter);
        read_prometheus(out, &exporter);
        (void)config_reader_finish(&exporter);
    }
    (void)config_reader_finish(&pull);
}

static void read_metrics(struct graph_telemetry *out, struct config_reader *telemetry)
{
    static const char *const levels[] = {"none", "basic", "normal", "detailed"};
    struct config_reader r;
    struct config_reader reader;
    uint32_t level;
    (void)config_open_section(telemetry, "metrics", &r);
    (void)config_read_enum(&r, "level", CONFIG_WORDS(levels), 2, &level);
    out->is_metrics_on = level != 0;
    struct config_items items = config_open_list(&r, "readers");
    uint32_t count = 0;
    while (config_next_section(&items, &reader)) {
        count++;
        read_reader(out, &reader);
        (void)config_reader_finish(&reader);
        if (count == 2) {
            config_error(r.report, items.mark, NULL, "a second reader is not supported yet");
        }
    }
    if (items.is_present && count == 0 && out->is_metrics_on) {
        config_refuse(&r, "readers", "%s.readers must name a reader unless the level is none",
                      r.path);
    }
    config_known_unsupported(&r, "views");
    if (config_has(&r, "address")) {
        (void)config_reader_ask(&r, "address");
        config_refuse(&r, "address",
                      "%s.address is no longer known; write "
                      "readers: [{pull: {exporter: {prometheus: {host, port}}}}]",
                      r.path);
    }
    (void)config_reader_finish(&r);
}

void telemetry_config_read(struct graph_telemetry *out, struct config_reader *service)
{
    *out = (struct graph_telemetry){
        .is_metrics_on = true,
        .metrics_host = SLICE_LITERAL("localhost"),
        .metrics_port = SELF_METRICS_PORT,
        .is_metrics_host_default = true,
    };
    struct config_reader r;
    (void)config_open_section(service, "telemetry", &r);
    read_logs(out, &r);
    read_metrics(out, &r);
    config_known_unsupported(&r, "traces");
    config_known_unsupported(&r, "resource");
    (void)config_reader_finish(&r); /* the report has it */
}
