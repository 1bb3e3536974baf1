/* SPDX-License-Identifier: Apache-2.0 */
/*
 * awsemf_config — the section becomes the encoder's options.
 *
 * Source: the Collector's awsemf exporter, config.go and README.
 */
#include "exporters/awsemf_config.h"

#include <errno.h>
#include <stdio.h>
#include <sys/random.h>

#include "core/base/bounds.h"
#include "core/base/clock.h"
#include "core/engine/config.h"
#include "exporters/awsemf_declarations.h"

#define TEXTS_CHUNK_BYTES 4096
#define TEXTS_MAX_BYTES (16 * 1024 * 1024)
#define DESCRIPTORS_MAX 4096
#define JSON_LABELS_MAX 64
#define EXPIRATION_DEFAULT_NS (3600 * CLOCK_NS_PER_S)
_Static_assert(EXPIRATION_DEFAULT_NS >= EMF_DELTA_IDLE_MIN_NS, "the default must be allowed");

#define STREAM_NAME_BYTES sizeof("otel-stream-00000000-0000-4000-8000-000000000000")

static int copy(struct arena *texts, struct slice *text)
{
    *text = arena_copy(texts, *text);
    return text->ptr != NULL ? 0 : -ENOMEM;
}

/* One stream per process, the same after a reload. */
static struct slice process_stream(void)
{
    static char name[STREAM_NAME_BYTES];
    uint8_t b[16] = {0};
    if (name[0] == '\0') {
        (void)getrandom(b, sizeof(b), 0); /* a few bytes never fail once the kernel is up */
        b[6] = (uint8_t)((b[6] & 0x0F) | 0x40);
        b[8] = (uint8_t)((b[8] & 0x3F) | 0x80);
        (void)snprintf(name, sizeof(name),
                       "otel-stream-%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x"
                       "%02x%02x",
                       b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11],
                       b[12], b[13], b[14], b[15]);
    }
    return slice_of_text(name);
}

static int read_names(struct config_reader *r, struct awsemf_config *out)
{
    struct emf_options *emf = &out->emf;
    config_read_text(r, "namespace", NULL, &emf->namespace);
    config_read_text(r, "log_group_name", NULL, &emf->log_group_name);
    config_read_text(r, "log_stream_name", NULL, &emf->log_stream_name);
    emf->default_stream = process_stream();
    if (slice_has_prefix(emf->namespace, SLICE_LITERAL("AWS/"))) {
        config_caution(r, "namespace", "namespaces that begin with AWS/ are CloudWatch's own");
    }
    int err = copy(&out->texts, &emf->namespace);
    err = err != 0 ? err : copy(&out->texts, &emf->log_group_name);
    return err != 0 ? err : copy(&out->texts, &emf->log_stream_name);
}

static void read_choices(struct config_reader *r, struct awsemf_config *out)
{
    static const char *const rollups[] = {
        [EMF_ROLLUP_ZERO_AND_SINGLE] = "ZeroAndSingleDimensionRollup",
        [EMF_ROLLUP_SINGLE] = "SingleDimensionRollupOnly",
        [EMF_ROLLUP_NONE] = "NoDimensionRollup",
    };
    static const char *const destinations[] = {"cloudwatch", "stdout"};
    static const char *const versions[] = {"0", "1"};
    uint32_t index = 0;
    config_read_enum(r, "dimension_rollup_option", CONFIG_WORDS(rollups),
                     EMF_ROLLUP_ZERO_AND_SINGLE, &index);
    out->emf.rollup = (enum emf_rollup)index;
    config_read_enum(r, "output_destination", CONFIG_WORDS(destinations), 0, &index);
    out->is_stdout = index == 1;
    config_read_enum(r, "version", CONFIG_WORDS(versions), 1, &index);
    out->emf.is_legacy = index == 0;
    config_read_bool(r, "detailed_metrics", false, &out->emf.has_detailed_metrics);
    config_read_bool(r, "retain_initial_value_of_delta_metric", false, &out->emf.retains_initial);
    bool is_eks = false;
    config_read_bool(r, "eks_fargate_container_insights_enabled", false, &is_eks);
    if (is_eks) {
        config_known_unsupported(r, "eks_fargate_container_insights_enabled");
    }
}

static void read_conversion(struct config_reader *r, struct awsemf_config *out)
{
    struct config_reader s;
    (void)config_open_section(r, "resource_to_telemetry_conversion", &s);
    config_read_bool(&s, "enabled", false, &out->emf.copies_resource);
    config_read_bool(&s, "exclude_service_attributes", false, &out->emf.leaves_service_out);
    (void)config_reader_finish(&s); /* the parent's finish knows */
}

static void read_delta(struct config_reader *r, struct awsemf_config *out)
{
    config_read_duration_ns(r, "cumulative_expiration", EXPIRATION_DEFAULT_NS,
                            &out->emf.delta_idle_ns);
    if (out->emf.delta_idle_ns < EMF_DELTA_IDLE_MIN_NS) {
        config_refuse(r, "cumulative_expiration",
                      "cumulative_expiration must be at least 1h: what is forgotten between two "
                      "exports is missing in CloudWatch");
        out->emf.delta_idle_ns = EXPIRATION_DEFAULT_NS;
    }
    config_read_u32(r, "cumulative_series_limit", EMF_DELTA_SERIES_MAX, EMF_DELTA_SERIES_MAX,
                    &out->emf.delta_series_max);
    if (out->emf.delta_series_max == 0) {
        config_refuse(r, "cumulative_series_limit", "cumulative_series_limit must be positive");
        out->emf.delta_series_max = EMF_DELTA_SERIES_MAX;
    }
}

static int read_json_labels(struct config_reader *r, struct awsemf_config *out)
{
    struct config_items items = config_open_list(r, "parse_json_encoded_attr_values");
    struct slice *labels = arena_alloc_array(&out->texts, JSON_LABELS_MAX, sizeof(labels[0]));
    struct slice name;
    if (labels == NULL) {
        return -ENOMEM;
    }
    out->emf.json_labels = labels;
    while (config_next_text(&items, &name)) {
        if (out->emf.json_label_count == JSON_LABELS_MAX) {
            config_refuse(r, "parse_json_encoded_attr_values", "at most %d attributes fit",
                          JSON_LABELS_MAX);
            return 0;
        }
        if (copy(&out->texts, &name) != 0) {
            return -ENOMEM;
        }
        labels[out->emf.json_label_count] = name;
        out->emf.json_label_count++;
    }
    return 0;
}

/* --- descriptors ------------------------------------------------------------------------------ */

/* False, with a warning, for one that says nothing CloudWatch understands. */
static bool read_descriptor(struct config_reader *r, struct emf_descriptor *out)
{
    *out = (struct emf_descriptor){0};
    config_read_text(r, "metric_name", NULL, &out->metric_name);
    config_read_text(r, "unit", NULL, &out->unit);
    config_read_bool(r, "overwrite", false, &out->overwrites);
    if (config_reader_finish(r) != 0) {
        return false;
    }
    if (out->metric_name.len == 0) {
        config_warn(r->report, r->mark, NULL, "%s has no metric_name and is left out", r->path);
        return false;
    }
    if (!emf_unit_is_known(out->unit)) {
        config_caution(r, "unit",
                       "%s is left out: CloudWatch has no unit of that name, see StandardUnit in "
                       "its API",
                       r->path);
        return false;
    }
    return true;
}

static int read_descriptors(struct config_reader *r, struct awsemf_config *out)
{
    struct config_items items = config_open_list(r, "metric_descriptors");
    const struct config_node *node = config_reader_ask(r, "metric_descriptors");
    struct config_reader section;
    uint32_t count = node != NULL ? node->child_count : 0;
    if (count > DESCRIPTORS_MAX) {
        config_refuse(r, "metric_descriptors", "at most %d descriptors fit", DESCRIPTORS_MAX);
        return 0;
    }
    struct emf_descriptor *descriptors =
        arena_alloc_array(&out->texts, count, sizeof(descriptors[0]));
    if (descriptors == NULL) {
        return -ENOMEM;
    }
    out->emf.descriptors = descriptors;
    while (config_next_section(&items, &section)) {
        struct emf_descriptor one;
        if (!read_descriptor(&section, &one)) {
            continue;
        }
        if (copy(&out->texts, &one.metric_name) != 0 || copy(&out->texts, &one.unit) != 0) {
            return -ENOMEM;
        }
        ASSERT(out->emf.descriptor_count < count);
        descriptors[out->emf.descriptor_count] = one;
        out->emf.descriptor_count++;
    }
    return 0;
}

/* --- public ----------------------------------------------------------------------------------- */

static void check_class(struct config_reader *r, const struct awsemf_config *config)
{
    const char *group_class = config->group.group_class;
    if (group_class != NULL && strcmp(group_class, "STANDARD") != 0) {
        config_caution(r, "log_group_class",
                       "CloudWatch makes metrics only from groups of class STANDARD");
    }
}

int awsemf_config_read(struct config_reader *r, struct awsemf_config *out)
{
    *out = (struct awsemf_config){0};
    int err = arena_init(&out->texts, TEXTS_CHUNK_BYTES, TEXTS_MAX_BYTES);
    if (err != 0) {
        return err;
    }
    err = read_names(r, out);
    read_choices(r, out);
    read_conversion(r, out);
    read_delta(r, out);
    err = err != 0 ? err : read_json_labels(r, out);
    err = err != 0 ? err : read_descriptors(r, out);
    err = err != 0 ? err : awsemf_declarations_read(r, out);
    err = err != 0 ? err : aws_logs_group_config_read(r, &out->texts, &out->group);
    check_class(r, out);
    return err;
}

void awsemf_config_fini(struct awsemf_config *config)
{
    awsemf_declarations_fini(config);
    arena_fini(&config->texts);
    *config = (struct awsemf_config){0};
}
