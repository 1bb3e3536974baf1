/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prom_scrape_job — key by key, with Prometheus' defaults. What is not there yet is refused by
 * name, the other ways of discovery among it.
 */
#include "io/receivers/prom_scrape_job.h"

#include <stdio.h>
#include <string.h>

#include "codecs/prom_relabel.h"
#include "core/base/clock.h"
#include "io/receivers/prom_scrape_relabel.h"
#include "io/receivers/prom_scrape_units.h"

#define ACCEPT_MAX_BYTES 512
#define SHOWN(text) (int)(text).len, (const char *)(text).ptr

static uint32_t child_count(struct config_reader *r, const char *key)
{
    const struct config_node *node = config_reader_ask(r, key);
    return node != NULL ? node->child_count : 0;
}

/* --- scalars ---------------------------------------------------------------------------------- */

/* The scalar as it is written, a number too; false where there is none. */
static bool read_scalar(struct config_reader *r, const char *key, const char *wanted,
                        struct slice *out)
{
    const struct config_node *node = config_reader_ask(r, key);
    if (node != NULL && node->kind != CONFIG_SCALAR) {
        config_complain_type(r->report, node, r->path, key, wanted);
        return false;
    }
    *out = node != NULL ? node->text : slice_of(NULL, 0);
    return node != NULL;
}

/* Absent, or written as zero, which means the same to Prometheus: `fallback`. */
static uint64_t read_duration(struct config_reader *r, const char *key, uint64_t fallback)
{
    struct slice text;
    uint64_t duration_ns = 0;
    if (!read_scalar(r, key, "a duration", &text)) {
        return fallback;
    }
    if (prom_duration_parse(text, &duration_ns) != 0) {
        config_refuse(r, key, "%s must be a duration such as '30s' or '1m30s'", key);
        return fallback;
    }
    return duration_ns == 0 ? fallback : duration_ns;
}

static uint64_t read_size(struct config_reader *r, const char *key, uint64_t fallback)
{
    struct slice text;
    uint64_t bytes = 0;
    if (!read_scalar(r, key, "a size", &text)) {
        return fallback;
    }
    if (prom_size_parse(text, &bytes) != 0) {
        config_refuse(r, key, "%s must be a size with its unit, such as '10MB'", key);
        return fallback;
    }
    return bytes == 0 ? fallback : bytes;
}

static uint32_t read_count(struct config_reader *r, const char *key, uint32_t fallback)
{
    uint32_t count = 0;
    (void)config_read_u32(r, key, 0, UINT32_MAX, &count);
    return count == 0 ? fallback : count;
}

static void read_limits(struct config_reader *r, const struct prom_limits *fallback,
                        struct prom_limits *out)
{
    out->body_bytes = read_size(r, "body_size_limit", fallback->body_bytes);
    out->samples = read_count(r, "sample_limit", fallback->samples);
    out->targets = read_count(r, "target_limit", fallback->targets);
    out->labels = read_count(r, "label_limit", fallback->labels);
    out->label_name_bytes = read_count(r, "label_name_length_limit", fallback->label_name_bytes);
    out->label_value_bytes = read_count(r, "label_value_length_limit", fallback->label_value_bytes);
}

static void read_times(struct config_reader *r, const struct prom_global *fallback,
                       uint64_t *interval_ns, uint64_t *timeout_ns)
{
    *interval_ns = read_duration(r, "scrape_interval", fallback->interval_ns);
    uint64_t usual_ns = fallback->timeout_ns < *interval_ns ? fallback->timeout_ns : *interval_ns;
    *timeout_ns = read_duration(r, "scrape_timeout", usual_ns);
    if (*timeout_ns > *interval_ns) {
        config_refuse(r, "scrape_timeout", "scrape_timeout is greater than scrape_interval");
        *timeout_ns = *interval_ns;
    }
    if (*interval_ns < CLOCK_NS_PER_MS || *timeout_ns < CLOCK_NS_PER_MS) {
        config_refuse(r, "scrape_interval", "a millisecond is the least");
        *interval_ns = *timeout_ns = CLOCK_NS_PER_S;
    }
}

/* A key whose only supported value is its default, false. */
static void refuse_true(struct config_reader *r, const char *key)
{
    bool is_on = false;
    (void)config_read_bool(r, key, false, &is_on);
    if (is_on) {
        config_refuse(r, key, "%s: true is known but not supported yet", key);
    }
}

/* Native histograms come as protobuf only, which nobody asks for here. */
static void refuse_native(struct config_reader *r)
{
    refuse_true(r, "scrape_native_histograms");
    refuse_true(r, "convert_classic_histograms_to_nhcb");
    refuse_true(r, "always_scrape_classic_histograms");
    config_known_unsupported(r, "scrape_failure_log_file");
}

/* A number that Prometheus' own page needs. */
static void ignore_dropped(struct config_reader *r)
{
    uint32_t count;
    if (config_read_u32(r, "keep_dropped_targets", 0, UINT32_MAX, &count)) {
        config_caution(r, "keep_dropped_targets", "has no effect: dropped targets are not kept");
    }
}

/* --- what is asked for ------------------------------------------------------------------------ */

static const char *const protocol_names[PROM_PROTOCOL_COUNT] = {
    [PROM_PROTOCOL_OPENMETRICS_1] = "OpenMetricsText1.0.0",
    [PROM_PROTOCOL_OPENMETRICS_0] = "OpenMetricsText0.0.1",
    [PROM_PROTOCOL_TEXT_1] = "PrometheusText1.0.0",
    [PROM_PROTOCOL_TEXT_0] = "PrometheusText0.0.4",
};

/* False after a complaint. */
static bool find_protocol(struct config_reader *r, const char *key, struct slice text,
                          enum prom_protocol *out)
{
    for (uint32_t i = 0; i < PROM_PROTOCOL_COUNT; i++) {
        if (slice_is_text(text, protocol_names[i])) {
            *out = (enum prom_protocol)i;
            return true;
        }
    }
    if (slice_is_text(text, "PrometheusProto")) {
        config_refuse(r, key, "PrometheusProto is known but not supported yet");
        return false;
    }
    config_refuse(r, key,
                  "'%.*s' is none of OpenMetricsText1.0.0, OpenMetricsText0.0.1, "
                  "PrometheusText1.0.0, PrometheusText0.0.4",
                  SHOWN(text));
    return false;
}

static void add_protocol(struct config_reader *r, struct prom_protocols *out,
                         enum prom_protocol protocol)
{
    for (uint32_t i = 0; i < out->count; i++) {
        if (out->list[i] == protocol) {
            config_refuse(r, "scrape_protocols", "%s stands there twice", protocol_names[protocol]);
            return;
        }
    }
    out->list[out->count] = protocol;
    out->count++;
}

static struct prom_protocols read_protocols(struct config_reader *r,
                                            const struct prom_protocols *fallback)
{
    struct prom_protocols read = {.count = 0};
    struct config_items items = config_open_list(r, "scrape_protocols");
    struct slice text;
    if (!items.is_present) {
        return *fallback;
    }
    while (config_next_text(&items, &text)) {
        enum prom_protocol protocol;
        if (find_protocol(r, "scrape_protocols", text, &protocol)) {
            add_protocol(r, &read, protocol);
        }
    }
    if (items.seen_count == 0) {
        config_refuse(r, "scrape_protocols", "scrape_protocols must name at least one");
    }
    return read;
}

/* Of the names that come back: how a target that has others than [a-zA-Z0-9_:] is to spell them. */
static const char *read_escaping(struct config_reader *r, const char *fallback)
{
    static const char *const schemes[] = {"utf8"};
    static const char *const escapings[] = {"allow-utf-8", "underscores", "dots", "values"};
    uint32_t scheme;
    uint32_t escaping;
    struct slice text;
    if (config_read_text(r, "metric_name_validation_scheme", NULL, &text) &&
        slice_is_text(text, "legacy")) {
        config_refuse(r, "metric_name_validation_scheme",
                      "'legacy' is known but not supported yet");
    } else {
        (void)config_read_enum(r, "metric_name_validation_scheme", CONFIG_WORDS(schemes), 0,
                               &scheme);
    }
    bool is_written =
        config_read_enum(r, "metric_name_escaping_scheme", CONFIG_WORDS(escapings), 0, &escaping);
    return is_written ? escapings[escaping] : fallback;
}

/* As Prometheus sends it: weights fall from 0.6, "anything" comes last. */
static const char *format_accept(struct prom_texts *texts, const struct prom_protocols *protocols,
                                 const char *escaping)
{
    static const struct {
        const char *type;
        bool has_escaping;
    } types[PROM_PROTOCOL_COUNT] = {
        [PROM_PROTOCOL_OPENMETRICS_1] = {"application/openmetrics-text;version=1.0.0", true},
        [PROM_PROTOCOL_OPENMETRICS_0] = {"application/openmetrics-text;version=0.0.1", false},
        [PROM_PROTOCOL_TEXT_1] = {"text/plain;version=1.0.0", true},
        [PROM_PROTOCOL_TEXT_0] = {"text/plain;version=0.0.4", false},
    };
    char line[ACCEPT_MAX_BYTES];
    int len = snprintf(line, sizeof(line), "Accept: ");
    uint32_t weight = 6;
    for (uint32_t i = 0; i < protocols->count; i++) {
        bool has_escaping = types[protocols->list[i]].has_escaping;
        len += snprintf(line + len, sizeof(line) - (size_t)len, "%s%s%s;q=0.%u,",
                        types[protocols->list[i]].type, has_escaping ? ";escaping=" : "",
                        has_escaping ? escaping : "", weight);
        weight--;
    }
    len += snprintf(line + len, sizeof(line) - (size_t)len, "*/*;q=0.%u", weight);
    ASSERT((size_t)len < sizeof(line));
    return prom_texts_keep(texts, slice_of(line, (size_t)len));
}

static void read_format(struct config_reader *r, const struct prom_global *global,
                        struct prom_texts *texts, struct prom_job *out)
{
    struct prom_protocols protocols = read_protocols(r, &global->protocols);
    out->accept = format_accept(texts, &protocols, read_escaping(r, global->escaping));
    struct slice text;
    enum prom_protocol fallback = PROM_PROTOCOL_TEXT_0;
    if (config_read_text(r, "fallback_scrape_protocol", NULL, &text) && text.len > 0) {
        (void)find_protocol(r, "fallback_scrape_protocol", text, &fallback);
    }
    out->is_fallback_openmetrics =
        fallback == PROM_PROTOCOL_OPENMETRICS_1 || fallback == PROM_PROTOCOL_OPENMETRICS_0;
    (void)config_read_bool(r, "enable_compression", true, &out->is_compressed);
}

/* --- global ----------------------------------------------------------------------------------- */

void prom_global_init(struct prom_global *global)
{
    *global = (struct prom_global){
        .interval_ns = 60 * CLOCK_NS_PER_S,
        .timeout_ns = 10 * CLOCK_NS_PER_S,
        .protocols = {.list = {PROM_PROTOCOL_OPENMETRICS_1, PROM_PROTOCOL_OPENMETRICS_0,
                               PROM_PROTOCOL_TEXT_1, PROM_PROTOCOL_TEXT_0},
                      .count = PROM_PROTOCOL_COUNT},
        .escaping = "allow-utf-8",
    };
}

/* A map of label names and values. */
static struct label *read_labels(struct config_reader *r, const char *key, struct prom_texts *texts,
                                 uint32_t *count)
{
    struct label *labels = prom_texts_array(texts, child_count(r, key), sizeof(struct label));
    struct config_items items = config_open_map(r, key);
    struct slice name;
    struct slice value;
    *count = 0;
    while (labels != NULL && config_next_pair(&items, &name, &value)) {
        if (*count == PROM_GROUP_LABELS_MAX) {
            config_refuse(r, key, "at most %d labels", PROM_GROUP_LABELS_MAX);
            break;
        }
        if (name.len == 0 || !slice_is_utf8(name) || !slice_is_utf8(value)) {
            config_refuse(r, key, "'%.*s' is no label, or its value is not UTF-8", SHOWN(name));
            continue;
        }
        labels[*count].name = slice_of(prom_texts_keep(texts, name), name.len);
        labels[*count].value = slice_of(prom_texts_keep(texts, value), value.len);
        (*count)++;
    }
    return labels;
}

void prom_global_read(struct config_reader *r, struct prom_texts *texts, struct prom_global *out)
{
    struct prom_global fallback;
    struct slice text;
    prom_global_init(&fallback);
    *out = fallback;
    read_times(r, &fallback, &out->interval_ns, &out->timeout_ns);
    read_limits(r, &fallback.limits, &out->limits);
    out->protocols = read_protocols(r, &fallback.protocols);
    out->escaping = read_escaping(r, fallback.escaping);
    out->external_labels = read_labels(r, "external_labels", texts, &out->external_label_count);
    (void)config_read_bool(r, "extra_scrape_metrics", false, &out->reports_extra);
    refuse_native(r);
    ignore_dropped(r);
    if (config_read_text(r, "evaluation_interval", NULL, &text)) {
        config_caution(r, "evaluation_interval", "has no effect: there are no rules here");
    }
    config_known_unsupported(r, "rule_query_offset");
    config_known_unsupported(r, "query_log_file");
    (void)config_reader_finish(r); /* the parent's finish knows */
}

/* --- whom to ask ------------------------------------------------------------------------------ */

static void read_static_group(struct config_reader *r, struct prom_texts *texts,
                              struct prom_groups *groups)
{
    struct prom_group *group = prom_texts_array(texts, 1, sizeof(*group));
    struct slice *targets = prom_texts_array(texts, child_count(r, "targets"), sizeof(*targets));
    struct config_items items = config_open_list(r, "targets");
    struct slice text;
    if (items.scalar != NULL) {
        config_refuse(r, "targets", "targets must be a list");
        items.scalar = NULL;
    }
    while (group != NULL && targets != NULL && config_next_text(&items, &text)) {
        targets[group->target_count] = slice_of(prom_texts_keep(texts, text), text.len);
        group->target_count++;
    }
    uint32_t label_count = 0;
    struct label *labels = read_labels(r, "labels", texts, &label_count);
    if (group != NULL) {
        group->targets = targets;
        group->labels = labels;
        group->label_count = label_count;
        prom_groups_append(groups, group);
    }
    (void)config_reader_finish(r); /* the parent's finish knows */
}

static void read_static(struct config_reader *r, struct prom_texts *texts,
                        struct prom_groups *groups)
{
    struct config_items items = config_open_list(r, "static_configs");
    struct config_reader section;
    while (config_next_section(&items, &section)) {
        read_static_group(&section, texts, groups);
    }
}

/* A URL instead of host:port is a slip; rules might still make sense of it. */
static void check_addresses(struct config_reader *r, const struct prom_job *job)
{
    if (config_has(r, "relabel_configs")) {
        return;
    }
    for (const struct prom_group *group = job->groups.first; group != NULL; group = group->next) {
        for (uint32_t i = 0; i < group->target_count; i++) {
            struct slice target = group->targets[i];
            if (target.len == 0 || slice_find(target, '/') < target.len) {
                config_refuse(r, "static_configs", "'%.*s' is no host:port", SHOWN(target));
            }
        }
    }
}

/* The name may have one '*', in its last part, and ends in .json, .yml or .yaml. */
static bool is_pattern(struct slice text)
{
    static const char *const endings[] = {".json", ".yml", ".yaml", ".JSON", ".YML", ".YAML"};
    bool has_ending = false;
    for (size_t i = 0; i < COUNT_OF(endings); i++) {
        size_t len = strlen(endings[i]);
        has_ending = has_ending || (text.len > len &&
                                    slice_is_text(slice_from(text, text.len - len), endings[i]));
    }
    size_t star = slice_find(text, '*');
    struct slice rest = slice_from(text, star < text.len ? star + 1 : star);
    bool is_last = slice_find(rest, '/') == rest.len && slice_find(rest, '*') == rest.len;
    return has_ending && is_last && slice_find(text, 0) == text.len;
}

static void read_file_sd(struct config_reader *r, struct prom_texts *texts,
                         struct prom_file_sd *out)
{
    uint32_t capacity = child_count(r, "files");
    out->patterns = prom_texts_array(texts, capacity, sizeof(out->patterns[0]));
    struct config_items items = config_open_list(r, "files");
    struct slice text;
    while (out->patterns != NULL && items.scalar == NULL && config_next_text(&items, &text)) {
        if (!is_pattern(text)) {
            config_refuse(r, "files", "'%.*s' is no name of a .json, .yml or .yaml file",
                          SHOWN(text));
        }
        out->patterns[out->pattern_count] = prom_texts_keep(texts, text);
        out->pattern_count++;
    }
    if (out->pattern_count == 0) {
        config_refuse(r, "files", "files must be a list of at least one name");
    }
    out->refresh_ns = read_duration(r, "refresh_interval", 5 * 60 * CLOCK_NS_PER_S);
    (void)config_reader_finish(r); /* the parent's finish knows */
}

static void read_file_sds(struct config_reader *r, struct prom_texts *texts, struct prom_job *out)
{
    uint32_t capacity = child_count(r, "file_sd_configs");
    out->file_sds = prom_texts_array(texts, capacity, sizeof(out->file_sds[0]));
    struct config_items items = config_open_list(r, "file_sd_configs");
    struct config_reader section;
    while (out->file_sds != NULL && config_next_section(&items, &section)) {
        read_file_sd(&section, texts, &out->file_sds[out->file_sd_count]);
        out->file_sd_count++;
    }
}

static void refuse_other_discoveries(struct config_reader *r)
{
    static const char *const keys[] = {
        "aws_sd_configs",          "azure_sd_configs",      "consul_sd_configs",
        "digitalocean_sd_configs", "dns_sd_configs",        "docker_sd_configs",
        "dockerswarm_sd_configs",  "ec2_sd_configs",        "eureka_sd_configs",
        "gce_sd_configs",          "hetzner_sd_configs",    "http_sd_configs",
        "ionos_sd_configs",        "kubernetes_sd_configs", "kuma_sd_configs",
        "lightsail_sd_configs",    "linode_sd_configs",     "marathon_sd_configs",
        "nerve_sd_configs",        "nomad_sd_configs",      "openstack_sd_configs",
        "ovhcloud_sd_configs",     "puppetdb_sd_configs",   "scaleway_sd_configs",
        "serverset_sd_configs",    "stackit_sd_configs",    "triton_sd_configs",
        "uyuni_sd_configs",        "vultr_sd_configs",
    };
    for (size_t i = 0; i < COUNT_OF(keys); i++) {
        config_known_unsupported(r, keys[i]);
    }
}

/* --- the page --------------------------------------------------------------------------------- */

static void read_values(struct config_reader *r, const struct config_node *node,
                        struct prom_texts *texts, struct prom_param *out)
{
    if (node->kind != CONFIG_LIST || node->child_count == 0) {
        config_refuse(r, "params", "the values of '%.*s' must be a list", SHOWN(node->key));
        return;
    }
    out->values = prom_texts_array(texts, node->child_count, sizeof(out->values[0]));
    for (const struct config_node *at = node->first; out->values != NULL && at != NULL;
         at = at->next) {
        struct slice text;
        if (!config_node_text(at, &text)) {
            config_refuse(r, "params", "a value of '%.*s' is no text", SHOWN(node->key));
            text = slice_of(NULL, 0);
        }
        out->values[out->value_count] = prom_texts_keep(texts, text);
        out->value_count++;
    }
}

static void read_params(struct config_reader *r, struct prom_texts *texts, struct prom_job *out)
{
    const struct config_node *node = config_reader_ask(r, "params");
    if (node == NULL) {
        return;
    }
    if (node->kind != CONFIG_MAP) {
        config_refuse(r, "params", "params must be a map of lists");
        return;
    }
    out->params = prom_texts_array(texts, node->child_count, sizeof(out->params[0]));
    for (const struct config_node *at = node->first; out->params != NULL && at != NULL;
         at = at->next) {
        struct prom_param *param = &out->params[out->param_count];
        param->name = prom_texts_keep(texts, at->key);
        read_values(r, at, texts, param);
        out->param_count += param->value_count > 0 ? 1 : 0;
    }
}

static void read_place(struct config_reader *r, struct prom_texts *texts, struct prom_job *out)
{
    static const char *const schemes[] = {"http", "https"};
    struct slice path;
    uint32_t scheme;
    (void)config_read_text(r, "metrics_path", "/metrics", &path);
    out->metrics_path = path.len > 0 ? prom_texts_keep(texts, path) : "/metrics";
    (void)config_read_enum(r, "scheme", CONFIG_WORDS(schemes), 0, &scheme);
    out->scheme = schemes[scheme];
    read_params(r, texts, out);
}

static void read_rest(struct config_reader *r, struct prom_job *out)
{
    (void)config_read_bool(r, "honor_labels", false, &out->honors_labels);
    (void)config_read_bool(r, "honor_timestamps", true, &out->honors_timestamps);
    (void)config_read_bool(r, "track_timestamps_staleness", false, &out->tracks_timestamps);
    refuse_native(r);
    refuse_true(r, "scrape_classic_histograms");
    config_known_unsupported(r, "native_histogram_bucket_limit");
    config_known_unsupported(r, "native_histogram_min_bucket_factor");
    ignore_dropped(r);
    refuse_other_discoveries(r);
}

void prom_job_read(struct config_reader *r, const struct prom_global *global,
                   struct prom_texts *texts, struct prom_job *out)
{
    *out = (struct prom_job){.reports_extra = global->reports_extra};
    (void)config_require(r, "job_name");
    out->name = prom_texts_read(r, texts, "job_name");
    read_times(r, global, &out->interval_ns, &out->timeout_ns);
    read_limits(r, &global->limits, &out->limits);
    read_place(r, texts, out);
    read_format(r, global, texts, out);
    prom_scrape_http_read(r, texts, &out->http);
    read_static(r, texts, &out->groups);
    check_addresses(r, out);
    read_file_sds(r, texts, out);
    prom_scrape_relabel_read(r, "relabel_configs", texts, &out->relabel);
    prom_scrape_relabel_read(r, "metric_relabel_configs", texts, &out->metric_relabel);
    (void)config_read_bool(r, "extra_scrape_metrics", global->reports_extra, &out->reports_extra);
    read_rest(r, out);
    (void)config_reader_finish(r); /* the parent's finish knows */
}

void prom_job_fini(struct prom_job *job)
{
    prom_relabel_free(job->relabel);
    prom_relabel_free(job->metric_relabel);
    *job = (struct prom_job){0};
}
