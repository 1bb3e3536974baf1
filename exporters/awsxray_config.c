/* SPDX-License-Identifier: Apache-2.0 */
/*
 * awsxray_config — lists of names, and who the telemetry says it comes from.
 */
#include "exporters/awsxray_config.h"

#include <errno.h>
#include <unistd.h>

#include "core/base/bounds.h"
#include "core/engine/config.h"
#include "exporters/exporter_bounds.h"

#define TEXTS_CHUNK_BYTES 4096
#define TEXTS_MAX_BYTES CONFIG_VALUE_MAX_BYTES
#define HOSTNAME_MAX_BYTES 256

/* A list of texts, copied. */
static int read_list(struct config_reader *r, const char *key, struct arena *texts,
                     const struct slice **out, size_t *count)
{
    struct config_items items = config_open_list(r, key);
    struct slice text;
    struct slice *list = NULL;
    *out = NULL;
    *count = 0;
    while (config_next_text(&items, &text)) {
        if (*count == XRAY_NAMES_MAX) {
            config_refuse(r, key, "%s must not have more than %d names", key, XRAY_NAMES_MAX);
            return 0;
        }
        if (list == NULL) {
            list = arena_alloc_array(texts, XRAY_NAMES_MAX, sizeof(list[0]));
        }
        struct slice copy = list == NULL ? (struct slice){0} : arena_copy(texts, text);
        if (copy.ptr == NULL) {
            return -ENOMEM;
        }
        list[*count] = copy;
        *count += 1;
    }
    *out = list;
    return 0;
}

static int read_text(struct config_reader *r, const char *key, struct arena *texts,
                     struct slice *out)
{
    struct slice text;
    *out = (struct slice){0};
    if (!config_read_text(r, key, NULL, &text)) {
        return 0;
    }
    *out = arena_copy(texts, text);
    return out->ptr == NULL ? -ENOMEM : 0;
}

/* This machine's name, where the metadata is asked for and no name is written. */
static int find_hostname(struct arena *texts, struct slice *out)
{
    char name[HOSTNAME_MAX_BYTES] = "";
    if (gethostname(name, sizeof(name) - 1) != 0) {
        return 0; /* it reports without one */
    }
    *out = arena_copy(texts, slice_of_text(name));
    return out->ptr == NULL ? -ENOMEM : 0;
}

static int read_telemetry(struct config_reader *r, struct awsxray_config *out)
{
    struct config_reader s;
    struct xray_telemetry_config *telemetry = &out->telemetry;
    bool has_metadata = false;
    (void)config_open_section(r, "telemetry", &s); /* absent is off */
    config_read_bool(&s, "enabled", false, &telemetry->is_enabled);
    config_read_bool(&s, "include_metadata", false, &has_metadata);
    int err = read_text(&s, "hostname", &out->texts, &telemetry->source.hostname);
    int next_err = read_text(&s, "instance_id", &out->texts, &telemetry->source.instance_id);
    err = err != 0 ? err : next_err;
    next_err = read_text(&s, "resource_arn", &out->texts, &telemetry->source.resource_arn);
    err = err != 0 ? err : next_err;
    config_known_unsupported(&s, "contributors");
    if (telemetry->source.resource_arn.len == 0) {
        telemetry->source.resource_arn = slice_of_text(out->session.resource_arn);
    }
    if (err == 0 && has_metadata && telemetry->source.hostname.len == 0) {
        err = find_hostname(&out->texts, &telemetry->source.hostname);
    }
    (void)config_reader_finish(&s); /* the parent's finish knows */
    return err;
}

int awsxray_config_read(struct config_reader *r, struct awsxray_config *out)
{
    *out = (struct awsxray_config){0};
    bool skips_validation = true;
    int err = arena_init(&out->texts, TEXTS_CHUNK_BYTES, TEXTS_MAX_BYTES);
    if (err != 0) {
        return err;
    }
    err = aws_session_config_read(r, &out->texts, &out->session);
    aws_session_sender_read(r, &out->session, &out->sender);
    int next_err = read_list(r, "indexed_attributes", &out->texts, &out->indexed_attributes,
                             &out->indexed_count);
    err = err != 0 ? err : next_err;
    next_err = read_list(r, "aws_log_groups", &out->texts, &out->log_groups, &out->log_group_count);
    err = err != 0 ? err : next_err;
    config_read_bool(r, "index_all_attributes", false, &out->indexes_all);
    config_read_bool(r, "skip_timestamp_validation", true, &skips_validation);
    out->checks_trace_time = !skips_validation;
    next_err = read_telemetry(r, out);
    err = err != 0 ? err : next_err;
    config_known_unsupported(r, "middleware");
    config_known_unsupported(r, "transit_spans_in_otlp_format");
    return err;
}

void awsxray_config_fini(struct awsxray_config *config)
{
    arena_fini(&config->texts);
    *config = (struct awsxray_config){0};
}
