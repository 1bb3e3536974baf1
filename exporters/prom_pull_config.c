/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prom_pull_config — reads the section, copies what must outlive it.
 *
 * Source: the Collector's prometheus exporter, config.go and README.
 */
#include "exporters/prom_pull_config.h"

#include <errno.h>

#include "core/base/clock.h"
#include "core/base/fault.h"
#include "core/engine/config.h"
#include "exporters/prom_naming.h"

#define DEFAULT_ENDPOINT "localhost:8889"
#define USUAL_PORT 8889
#define TEXTS_FIRST_BYTES 512
#define TEXTS_MAX_BYTES (1024 * 1024)

static int copy(struct prom_pull_config *out, struct slice *text)
{
    *text = arena_copy(&out->texts, *text);
    return text->ptr != NULL ? 0 : -ENOMEM;
}

static int read_const_labels(struct config_reader *r, struct prom_pull_config *out)
{
    struct config_items items = config_open_map(r, "const_labels");
    struct prom_const_label label;
    while (config_next_pair(&items, &label.name, &label.value)) {
        if (out->intake.const_label_count == PROM_CONST_LABELS_MAX_COUNT) {
            config_refuse(r, "const_labels", "has more than %d labels",
                          PROM_CONST_LABELS_MAX_COUNT);
            return FAULT_CONFIG;
        }
        if (copy(out, &label.name) != 0 || copy(out, &label.value) != 0) {
            return -ENOMEM;
        }
        out->intake.const_labels[out->intake.const_label_count++] = label;
    }
    return 0;
}

/* The Collector's other keys of this exporter and of its HTTP server. */
static void read_unsupported(struct config_reader *r)
{
    static const char *const keys[] = {
        "tls",
        "auth",
        "cors",
        "middlewares",
        "max_request_body_size",
        "include_metadata",
        "response_headers",
        "compression_algorithms",
        "read_timeout",
        "read_header_timeout",
        "write_timeout",
        "idle_timeout",
        "keep_alives_enabled",
        "transport",
        "sending_queue",
        "retry_on_failure",
        "timeout",
    };
    for (size_t i = 0; i < COUNT_OF(keys); i++) {
        config_known_unsupported(r, keys[i]);
    }
}

int prom_pull_config_read(struct config_reader *r, struct prom_pull_config *out)
{
    *out = (struct prom_pull_config){0};
    int err = arena_init(&out->texts, TEXTS_FIRST_BYTES, TEXTS_MAX_BYTES);
    if (err != 0) {
        return err;
    }
    config_read_endpoint(r, "endpoint", DEFAULT_ENDPOINT, &out->endpoint);
    config_check_port(r, "endpoint", out->endpoint.port, USUAL_PORT);
    config_read_text(r, "namespace", NULL, &out->intake.namespace);
    err = copy(out, &out->intake.namespace);
    int host_err = copy(out, &out->endpoint.host);
    int labels_err = read_const_labels(r, out);
    config_read_bool(r, "send_timestamps", false, &out->has_timestamps);
    config_read_duration_ns(r, "metric_expiration", 300 * CLOCK_NS_PER_S, &out->expiration_ns);
    if (out->expiration_ns == 0) {
        config_refuse(r, "metric_expiration", "must be above 0: no metric would ever be shown");
    }
    config_read_bool(r, "enable_open_metrics", false, &out->has_openmetrics);
    bool has_no_scope = false;
    config_read_bool(r, "without_scope_info", false, &has_no_scope);
    out->intake.has_scope_labels = !has_no_scope;
    struct config_reader conversion;
    (void)config_open_section(r, "resource_to_telemetry_conversion", &conversion);
    config_read_bool(&conversion, "enabled", false, &out->intake.has_resource_labels);
    config_known_unsupported(&conversion, "exclude_service_attributes");
    int conversion_err = config_reader_finish(&conversion);
    prom_naming_read(r, &out->intake.has_suffixes);
    read_unsupported(r);
    if (err != 0 || host_err != 0) {
        return -ENOMEM;
    }
    return labels_err != 0 ? labels_err : conversion_err;
}

void prom_pull_config_fini(struct prom_pull_config *config)
{
    arena_fini(&config->texts);
    *config = (struct prom_pull_config){0};
}
