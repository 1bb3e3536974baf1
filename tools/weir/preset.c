/* SPDX-License-Identifier: Apache-2.0 */
/*
 * preset — two configurations and the choice between them.
 */
#include "tools/weir/preset.h"

#include <stddef.h>
#include <stdlib.h>

#include "core/base/defs.h"

/* Everything visible at home, nothing sent anywhere. */
static const char local_text[] = "receivers:\n"
                                 "  statsd:\n"
                                 "    aggregation_interval: 10s\n"
                                 "    enable_simple_tags: true\n"
                                 "    is_monotonic_counter: true\n"
                                 "    listeners:\n"
                                 "      - transport: udp\n"
                                 "      - transport: tcp\n"
                                 "  awsxray: {}\n"
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
                                 "      receivers: [otlp, awsxray]\n"
                                 "      processors: [batch]\n"
                                 "      exporters: [debug]\n"
                                 "    logs:\n"
                                 "      receivers: [otlp]\n"
                                 "      processors: [batch]\n"
                                 "      exporters: [debug]\n";

/* What ADOT's ecs-default-config.yaml does. */
static const char aws_text[] = "receivers:\n"
                               "  otlp:\n"
                               "    protocols:\n"
                               "      grpc: {endpoint: '0.0.0.0:4317'}\n"
                               "      http: {endpoint: '0.0.0.0:4318'}\n"
                               "  awsxray: {endpoint: '0.0.0.0:2000', transport: udp}\n"
                               "  statsd: {endpoint: '0.0.0.0:8125', aggregation_interval: 60s}\n"
                               "processors:\n"
                               "  batch/traces: {timeout: 1s, send_batch_size: 50}\n"
                               "  batch/metrics: {timeout: 60s}\n"
                               "exporters:\n"
                               "  awsxray:\n"
                               "  awsemf:\n"
                               "    namespace: ECS/AWSOTel/Application\n"
                               "    log_group_name: /aws/ecs/application/metrics\n"
                               "extensions:\n"
                               "  health_check:\n"
                               "service:\n"
                               "  extensions: [health_check]\n"
                               "  pipelines:\n"
                               "    traces:\n"
                               "      receivers: [otlp, awsxray]\n"
                               "      processors: [batch/traces]\n"
                               "      exporters: [awsxray]\n"
                               "    metrics:\n"
                               "      receivers: [otlp, statsd]\n"
                               "      processors: [batch/metrics]\n"
                               "      exporters: [awsemf]\n";

static bool is_set(const char *name)
{
    const char *value = getenv(name);
    return value != NULL && value[0] != 0;
}

bool preset_is_on_aws(void)
{
    static const char *const credentials[] = {
        "AWS_ACCESS_KEY_ID",
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
        "AWS_WEB_IDENTITY_TOKEN_FILE",
        "AWS_PROFILE",
    };
    if (!is_set("AWS_REGION") && !is_set("AWS_DEFAULT_REGION")) {
        return false;
    }
    for (size_t i = 0; i < COUNT_OF(credentials); i++) {
        if (is_set(credentials[i])) {
            return true;
        }
    }
    return false;
}

const char *preset_default_name(void)
{
    return preset_is_on_aws() ? "embedded default for AWS" : "embedded default";
}

const char *preset_default_text(void)
{
    return preset_is_on_aws() ? aws_text : local_text;
}
