/* SPDX-License-Identifier: Apache-2.0 */
/*
 * container_insight_config — key by key.
 *
 * The orchestrator's default is the Collector's, which is not supported: it has to be written.
 */
#include "io/receivers/container_insight_config.h"

#include "core/base/clock.h"

#define DEFAULT_INTERVAL_NS (60 * CLOCK_NS_PER_S)
/* Looking more often would tell of little but the looking. */
#define INTERVAL_MIN_NS (100 * CLOCK_NS_PER_MS)

enum orchestrator {
    ORCHESTRATOR_EKS,
    ORCHESTRATOR_ECS,
};

/* Of pods, leaders and clusters of Kubernetes: checked, and without effect on ECS. */
static void read_without_effect(struct config_reader *r)
{
    static const char *const flags[] = {"prefer_full_pod_name", "add_full_pod_name_metric_label",
                                        "add_container_name_metric_label",
                                        "leader_lock_using_config_map_only"};
    static const char *const texts[] = {"cluster_name", "leader_lock_name"};
    bool flag;
    struct slice text;
    (void)config_read_bool(r, "add_service_as_attribute", true, &flag);
    for (size_t i = 0; i < COUNT_OF(flags); i++) {
        (void)config_read_bool(r, flags[i], false, &flag);
    }
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        (void)config_read_text(r, texts[i], NULL, &text);
    }
}

int container_insight_config_read(struct config_reader *r, struct container_insight_config *out)
{
    static const char *const orchestrators[] = {
        [ORCHESTRATOR_EKS] = "eks", [ORCHESTRATOR_ECS] = "ecs"};
    static const char *const unsupported[] = {"collection_role",
                                              "enable_control_plane_metrics",
                                              "accelerated_compute_metrics",
                                              "kube_config_path",
                                              "host_ip",
                                              "host_name",
                                              "run_on_systemd",
                                              "local_mode",
                                              "middleware"};
    uint32_t orchestrator = ORCHESTRATOR_EKS;
    *out = (struct container_insight_config){0};
    (void)config_read_duration_ns(r, "collection_interval", DEFAULT_INTERVAL_NS, &out->interval_ns);
    if (out->interval_ns < INTERVAL_MIN_NS) {
        config_refuse(r, "collection_interval", "collection_interval must be at least 100ms");
        out->interval_ns = DEFAULT_INTERVAL_NS;
    }
    uint32_t error_count = r->report->error_count;
    (void)config_read_enum(r, "container_orchestrator", CONFIG_WORDS(orchestrators),
                           ORCHESTRATOR_EKS, &orchestrator);
    if (r->report->error_count == error_count && orchestrator == ORCHESTRATOR_EKS) {
        config_refuse(
            r, "container_orchestrator",
            "only 'ecs' is supported; 'eks', which is also what stands for an absent key, "
            "is not");
    }
    read_without_effect(r);
    for (size_t i = 0; i < COUNT_OF(unsupported); i++) {
        config_known_unsupported(r, unsupported[i]);
    }
    return config_reader_finish(r);
}
