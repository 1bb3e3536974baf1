/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prom_write_config — reads the section, copies what must outlive it.
 *
 * Source: the Collector's prometheus remote write exporter, config.go, factory.go and README.
 */
#include "exporters/prom_write_config.h"

#include <errno.h>

#include "core/base/clock.h"
#include "core/engine/config.h"
#include "exporters/exporter_auth.h"
#include "exporters/exporter_bounds.h"
#include "exporters/http_client_config.h"
#include "exporters/prom_naming.h"

#define TEXTS_CHUNK_BYTES 4096
#define TEXTS_MAX_BYTES CONFIG_VALUE_MAX_BYTES
#define TIMEOUT_DEFAULT_NS (5 * CLOCK_NS_PER_S)
#define RETRY_INITIAL_DEFAULT_NS (50 * CLOCK_NS_PER_MS)
#define QUEUE_SIZE_DEFAULT 10000
#define PARALLEL_DEFAULT 5
#define BATCH_BYTES_DEFAULT 3000000

/* Keeps a copy of what was read; a text that is not there becomes the empty one. */
static int keep(struct prom_write_config *out, struct slice *text)
{
    *text = arena_copy(&out->texts, *text);
    return text->ptr != NULL ? 0 : -ENOMEM;
}

/* --- where to --------------------------------------------------------------------------------- */

static int read_endpoint(struct config_reader *r, struct prom_write_config *out)
{
    struct slice text = {0};
    if (!config_require(r, "endpoint") || !config_read_text(r, "endpoint", NULL, &text)) {
        return 0;
    }
    out->url = http_text_copy(&out->texts, text);
    if (out->url == NULL) {
        return -ENOMEM;
    }
    if (slice_find(text, 0) != text.len || !http_url_is_valid(out->url)) {
        config_refuse(r, "endpoint",
                      "endpoint must be a URL such as http://localhost:9090/api/v1/write");
    }
    return 0;
}

static int read_headers(struct config_reader *r, struct prom_write_config *out)
{
    static const struct {
        const char *name;
        const char *value;
    } own[] = {
        {"Content-Encoding", "snappy"},
        {"Content-Type", "application/x-protobuf"},
        {"X-Prometheus-Remote-Write-Version", "0.1.0"},
        {"User-Agent", "weir/" WEIR_VERSION},
    };
    static const char *const reserved[] = {"Content-Encoding", "Content-Type",
                                           "X-Prometheus-Remote-Write-Version", "User-Agent", NULL};
    /* Room for those, and for the authenticator's. */
    int err = http_headers_read(r, &out->texts, COUNT_OF(own) + 1, reserved, &out->headers);
    for (size_t i = 0; err == 0 && i < COUNT_OF(own); i++) {
        err = http_headers_add(&out->headers, &out->texts, slice_of_text(own[i].name),
                               slice_of_text(own[i].value));
    }
    return err;
}

/* --- how -------------------------------------------------------------------------------------- */

/* One batch at a time, so that its samples cannot overtake those of the batch before. */
static void read_queue(struct config_reader *r, struct prom_write_config *out)
{
    struct config_reader s;
    struct sender_config *sender = &out->sender;
    uint32_t consumer_count = 0;
    sender->consumer_count = 1;
    sender->sizer = QUEUE_REQUESTS;
    sender->is_queue_enabled = config_open_optional(r, "remote_write_queue", true, &s);
    config_read_u64(&s, "queue_size", QUEUE_SIZE_DEFAULT, &sender->queue_size_units);
    config_read_u32(&s, "num_consumers", PARALLEL_DEFAULT, SENDER_CONSUMERS_MAX, &consumer_count);
    if (sender->queue_size_units == 0) {
        if (sender->is_queue_enabled) {
            config_refuse(&s, "queue_size", "a 0 size queue will drop all the data");
        }
        sender->queue_size_units = QUEUE_SIZE_DEFAULT;
    }
    if (consumer_count == 0) {
        config_refuse(&s, "num_consumers", "num_consumers must be positive");
    }
    (void)config_reader_finish(&s); /* the parent's finish knows */
    bool is_given = config_read_u32(r, "max_batch_request_parallelism", consumer_count,
                                    SENDER_CONSUMERS_MAX, &out->parallel_requests);
    if (is_given && out->parallel_requests == 0) {
        config_refuse(r, "max_batch_request_parallelism",
                      "max_batch_request_parallelism can't be set to below 1");
    }
}

static void read_sending(struct config_reader *r, struct prom_write_config *out)
{
    config_read_duration_ns(r, "timeout", TIMEOUT_DEFAULT_NS, &out->sender.timeout_ns);
    read_queue(r, out);
    retry_config_read(r, RETRY_INITIAL_DEFAULT_NS, &out->sender.retry);
    uint64_t batch_bytes = 0;
    config_read_u64(r, "max_batch_size_bytes", BATCH_BYTES_DEFAULT, &batch_bytes);
    if (batch_bytes == 0) {
        config_refuse(r, "max_batch_size_bytes", "max_batch_size_bytes must be greater than 0");
    }
    out->write.request_max_bytes = (size_t)batch_bytes;
}

/* --- what ------------------------------------------------------------------------------------- */

static int read_external_labels(struct config_reader *r, struct prom_write_config *out)
{
    struct config_items items = config_open_map(r, "external_labels");
    struct prom_write_label label;
    while (config_next_pair(&items, &label.name, &label.value)) {
        if (label.name.len == 0 || label.value.len == 0) {
            config_refuse(r, "external_labels",
                          "external labels must not have an empty name or "
                          "value");
            continue;
        }
        if (out->write.external_label_count == PROM_WRITE_LABELS_MAX) {
            config_refuse(r, "external_labels", "has more than %d labels", PROM_WRITE_LABELS_MAX);
            return 0;
        }
        if (keep(out, &label.name) != 0 || keep(out, &label.value) != 0) {
            return -ENOMEM;
        }
        out->labels[out->write.external_label_count++] = label;
    }
    out->write.external_labels = out->labels;
    return 0;
}

static int read_translation(struct config_reader *r, struct prom_write_config *out)
{
    struct config_reader s;
    struct prom_write_options *write = &out->write;
    config_read_text(r, "namespace", NULL, &write->namespace);
    int err = keep(out, &write->namespace);
    prom_naming_read(r, &write->has_suffixes);
    config_read_bool(r, "send_metadata", false, &write->has_metadata);
    bool has_no_scope = false;
    config_read_bool(r, "disable_scope_info", false, &has_no_scope);
    write->has_scope_labels = !has_no_scope;
    (void)config_open_section(r, "target_info", &s);
    config_read_bool(&s, "enabled", true, &write->has_target_info);
    (void)config_reader_finish(&s); /* the parent's finish knows */
    (void)config_open_section(r, "resource_to_telemetry_conversion", &s);
    config_read_bool(&s, "enabled", false, &write->has_resource_labels);
    config_read_bool(&s, "exclude_service_attributes", false, &write->leaves_out_service_attrs);
    config_known_unsupported(&s, "included");
    config_known_unsupported(&s, "excluded");
    (void)config_reader_finish(&s);
    int labels_err = read_external_labels(r, out);
    return err != 0 ? err : labels_err;
}

/* The version of the protocol, and its compression, are what they are. */
static void read_protocol(struct config_reader *r)
{
    static const char *const messages[] = {"prometheus.WriteRequest",
                                           "io.prometheus.write.v2.Request"};
    uint32_t message = 0;
    config_read_enum(r, "protobuf_message", CONFIG_WORDS(messages), 0, &message);
    if (message != 0) {
        config_refuse(r, "protobuf_message", "'%s' is not supported yet", messages[message]);
    }
    struct slice compression;
    if (config_read_text(r, "compression", NULL, &compression) && compression.len > 0 &&
        !slice_is_text(compression, "snappy")) {
        config_refuse(r, "compression", "compression type must be snappy");
    }
}

/* The Collector's other keys of this exporter and of its HTTP client. */
static void refuse_unsupported(struct config_reader *r)
{
    static const char *const keys[] = {
        "wal",
        "http",
        "resource_constant_labels",
        "compression_params",
        "cookies",
        "disable_keep_alives",
        "force_attempt_http2",
        "http2_ping_timeout",
        "http2_read_idle_timeout",
        "idle_conn_timeout",
        "max_conns_per_host",
        "max_idle_conns",
        "max_idle_conns_per_host",
        "middlewares",
        "read_buffer_size",
        "write_buffer_size",
    };
    for (size_t i = 0; i < COUNT_OF(keys); i++) {
        config_known_unsupported(r, keys[i]);
    }
}

/* --- public ----------------------------------------------------------------------------------- */

int prom_write_config_read(struct config_reader *r, struct prom_write_config *out)
{
    *out = (struct prom_write_config){0};
    int err = arena_init(&out->texts, TEXTS_CHUNK_BYTES, TEXTS_MAX_BYTES);
    if (err != 0) {
        return err;
    }
    err = read_endpoint(r, out);
    err = err != 0 ? err : read_headers(r, out);
    err = err != 0 ? err : http_client_config_read(r, &out->texts, &out->client);
    err = err != 0 ? err : exporter_auth_read(r, &out->texts, &out->authenticator_id);
    err = err != 0 ? err : read_translation(r, out);
    read_sending(r, out);
    read_protocol(r);
    refuse_unsupported(r);
    return err;
}

void prom_write_config_fini(struct prom_write_config *config)
{
    arena_fini(&config->texts);
    *config = (struct prom_write_config){0};
}
