/* SPDX-License-Identifier: Apache-2.0 */
/*
 * preset — everything visible at home, nothing sent anywhere.
 */
#include "tools/weir/preset.h"

const char *preset_default_name(void)
{
    return "embedded default";
}

const char *preset_default_text(void)
{
    return "receivers:\n"
           "  statsd:\n"
           "    aggregation_interval: 10s\n"
           "    enable_simple_tags: true\n"
           "    is_monotonic_counter: true\n"
           "    listeners:\n"
           "      - transport: udp\n"
           "      - transport: tcp\n"
           "  otlp:\n"
           "    protocols: {grpc: {}, http: {}}\n"
           "processors:\n"
           "  batch: {}\n"
           "exporters:\n"
           "  prometheus:\n"
           "    without_scope_info: true\n"
           "  debug: {}\n"
           "extensions:\n"
           "  health_check: {}\n"
           "service:\n"
           "  extensions: [health_check]\n"
           "  pipelines:\n"
           "    metrics:\n"
           "      receivers: [statsd, otlp]\n"
           "      exporters: [prometheus]\n"
           "    traces:\n"
           "      receivers: [otlp]\n"
           "      processors: [batch]\n"
           "      exporters: [debug]\n"
           "    logs:\n"
           "      receivers: [otlp]\n"
           "      processors: [batch]\n"
           "      exporters: [debug]\n";
}
