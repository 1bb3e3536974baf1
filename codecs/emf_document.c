/* SPDX-License-Identifier: Apache-2.0 */
/*
 * emf_document — see emf_document.h.
 */
#include "codecs/emf_document.h"

#include <errno.h>

#include "codecs/emf_json.h"
#include "codecs/emf_place.h"
#include "core/base/fault.h"
#include "core/base/mem.h"

#define DIRECTIVES_MAX_BYTES (EMF_MESSAGE_MAX_BYTES)

/* Members of the format itself, in the order of their names. */
enum special {
    SPECIAL_DIRECTIVES, /* version 0 */
    SPECIAL_TIME,       /* version 0 */
    SPECIAL_VERSION,
    SPECIAL_AWS, /* version 1 */
    SPECIAL_PROMETHEUS,
};

static const char *const special_names[] = {
    [SPECIAL_DIRECTIVES] = "CloudWatchMetrics",
    [SPECIAL_TIME] = "Timestamp",
    [SPECIAL_VERSION] = "Version",
    [SPECIAL_AWS] = "_aws",
    [SPECIAL_PROMETHEUS] = "prom_metric_type",
};

/* Whether no label and no metric may have that name. */
static bool is_reserved(const struct emf_options *options, bool is_prometheus, enum special special)
{
    switch (special) {
    case SPECIAL_DIRECTIVES:
    case SPECIAL_TIME:
        return options->is_legacy;
    case SPECIAL_VERSION:
        return true;
    case SPECIAL_AWS:
        return !options->is_legacy;
    case SPECIAL_PROMETHEUS:
        return is_prometheus;
    }
    return false;
}

bool emf_name_is_usable(const struct emf_options *options, bool is_prometheus, struct slice name)
{
    for (uint32_t i = 0; i < COUNT_OF(special_names); i++) {
        if (is_reserved(options, is_prometheus, (enum special)i) &&
            slice_is_text(name, special_names[i])) {
            return false;
        }
    }
    return true;
}

int emf_writer_init(struct emf_writer *writer, const struct emf_options *options,
                    uint64_t hash_seed, struct emf_tally *tally)
{
    *writer = (struct emf_writer){.options = options, .tally = tally};
    bytes_init(&writer->message, EMF_MESSAGE_MAX_BYTES);
    bytes_init(&writer->directives, DIRECTIVES_MAX_BYTES);
    bytes_init(&writer->scratch, DIRECTIVES_MAX_BYTES);
    writer->digits = mem_alloc_array(EMF_DIGITS_COUNT, sizeof(writer->digits[0]));
    if (writer->digits == NULL) {
        return -ENOMEM;
    }
    int err = emf_match_init(&writer->match, options, hash_seed);
    return err != 0 ? err : emf_dimensions_init(&writer->dimensions, options);
}

void emf_writer_fini(struct emf_writer *writer)
{
    emf_match_fini(&writer->match);
    emf_dimensions_fini(&writer->dimensions);
    bytes_fini(&writer->message);
    bytes_fini(&writer->directives);
    bytes_fini(&writer->scratch);
    mem_free(writer->digits);
    *writer = (struct emf_writer){0};
}

/* --- labels ----------------------------------------------------------------------------------- */

/* Characters, as far as it matters whether there are more than `max`. */
static bool has_more_chars(struct slice text, size_t max)
{
    if (text.len <= max) {
        return false;
    }
    size_t count = 0;
    for (size_t i = 0; i < text.len; i++) {
        count += (text.ptr[i] & 0xC0) != 0x80 ? 1 : 0;
    }
    return count > max;
}

static bool is_blank(struct slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] > ' ') {
            return false;
        }
    }
    return true;
}

static bool is_inlined(const struct emf_options *options, struct slice name)
{
    for (uint32_t i = 0; i < options->json_label_count; i++) {
        if (slice_equal(options->json_labels[i], name)) {
            return true;
        }
    }
    return false;
}

static bool can_be_dimension(const struct emf_options *options, const struct emf_label *label)
{
    return !is_blank(label->name) && label->name.ptr[0] != ':' && !is_blank(label->value) &&
           !has_more_chars(label->name, EMF_DIMENSION_NAME_MAX_CHARS) &&
           !has_more_chars(label->value, EMF_DIMENSION_VALUE_MAX_CHARS) &&
           !is_inlined(options, label->name);
}

/* Takes out the labels whose names are taken, and finds which of the others are dimensions. */
static void survey_labels(struct emf_writer *writer, struct emf_group *group)
{
    const struct emf_metric *metric = group->first;
    uint32_t kept = 0;
    for (uint32_t i = 0; i < group->label_count; i++) {
        struct emf_label label = group->labels[i];
        while (metric != NULL && slice_compare(metric->name, label.name) < 0) {
            metric = metric->next;
        }
        bool is_taken = metric != NULL && slice_equal(metric->name, label.name);
        if (is_taken ||
            !emf_name_is_usable(writer->options, group->place->is_prometheus, label.name)) {
            writer->tally->notices[EMF_NOTICE_SHADOWED]++;
            continue;
        }
        label.is_dimension = can_be_dimension(writer->options, &label);
        writer->tally->notices[EMF_NOTICE_LABEL] += label.is_dimension ? 0 : 1;
        group->labels[kept] = label;
        kept++;
    }
    group->label_count = kept;
}

/* --- directives ------------------------------------------------------------------------------- */

/* What of a group goes into one document. */
struct slot {
    struct emf_metric *first;
    uint32_t count;
};

static void write_definition(struct json_out *out, const struct emf_metric *metric)
{
    json_out_open(out, '{');
    json_out_key(out, SLICE_LITERAL("Name"));
    json_out_string(out, metric->name);
    json_out_key(out, SLICE_LITERAL("StorageResolution"));
    json_out_u64(out, metric->resolution_s);
    json_out_key(out, SLICE_LITERAL("Unit"));
    json_out_string(out, metric->unit);
    json_out_close(out, '}');
}

/*
 * One directive for the metrics from `metric` on that have the mask of the first, as many as fit.
 * Returns the first that did not, or NULL.
 */
static struct emf_metric *write_directive(struct emf_writer *writer, const struct emf_group *group,
                                          struct emf_metric *metric, uint32_t left,
                                          struct json_out *out)
{
    const struct emf_mask *mask = &metric->mask;
    uint32_t listed = 0;
    json_out_open(out, '{');
    json_out_key(out, SLICE_LITERAL("Dimensions"));
    emf_json_raw(out, bytes_slice(&writer->dimensions.text));
    json_out_key(out, SLICE_LITERAL("Metrics"));
    json_out_open(out, '[');
    for (; left > 0 && listed < EMF_DIRECTIVE_METRICS_MAX; left--, metric = metric->next) {
        if (emf_mask_equal(&metric->mask, mask) && !metric->is_listed) {
            write_definition(out, metric);
            metric->is_listed = true;
            listed++;
        }
    }
    json_out_close(out, ']');
    json_out_key(out, SLICE_LITERAL("Namespace"));
    json_out_string(out, group->place->space);
    json_out_close(out, '}');
    return left > 0 ? metric : NULL;
}

/* All directives of a document, without the brackets around them. */
static void write_directives(struct emf_writer *writer, const struct emf_group *group,
                             struct slot slot)
{
    bool has_declarations = writer->options->declaration_count > 0;
    struct json_out out = json_out_of(&writer->directives);
    bytes_clear(&writer->directives);
    writer->has_left_out = false;
    struct emf_metric *metric = slot.first;
    for (uint32_t left = slot.count; left > 0; left--, metric = metric->next) {
        if (metric->is_listed || (has_declarations && emf_mask_is_empty(&metric->mask))) {
            continue;
        }
        const struct emf_mask *mask = has_declarations ? &metric->mask : NULL;
        bool has_sets = emf_dimensions_write(&writer->dimensions, group, mask);
        writer->has_left_out = writer->has_left_out || writer->dimensions.has_left_out;
        if (!has_sets) {
            metric->is_listed = true; /* nowhere */
            continue;
        }
        (void)write_directive(writer, group, metric, left, &out); /* the loop finds the rest */
    }
}

/* --- one document ----------------------------------------------------------------------------- */

static struct slice prometheus_type(enum otlp_data data)
{
    switch (data) {
    case OTLP_DATA_GAUGE:
        return SLICE_LITERAL("gauge");
    case OTLP_DATA_SUM:
        return SLICE_LITERAL("counter");
    case OTLP_DATA_HISTOGRAM:
        return SLICE_LITERAL("histogram");
    case OTLP_DATA_SUMMARY:
        return SLICE_LITERAL("summary");
    case OTLP_DATA_EXPHIST:
        break;
    }
    return (struct slice){0};
}

static void write_directive_list(struct emf_writer *writer, struct json_out *out)
{
    json_out_key(out, SLICE_LITERAL("CloudWatchMetrics"));
    json_out_open(out, '[');
    emf_json_raw(out, bytes_slice(&writer->directives));
    json_out_close(out, ']');
}

/* Is the member part of this document? */
static bool has_special(const struct emf_writer *writer, const struct emf_group *group,
                        enum special special)
{
    bool has_directive = writer->directives.len > 0;
    switch (special) {
    case SPECIAL_DIRECTIVES:
        return writer->options->is_legacy && has_directive;
    case SPECIAL_TIME:
        return writer->options->is_legacy;
    case SPECIAL_VERSION:
        return writer->options->is_legacy || has_directive;
    case SPECIAL_AWS:
        return !writer->options->is_legacy && has_directive;
    case SPECIAL_PROMETHEUS:
        return group->place->is_prometheus;
    }
    return false;
}

static void write_special(struct emf_writer *writer, const struct emf_group *group,
                          enum special special, struct json_out *out)
{
    if (special == SPECIAL_DIRECTIVES) {
        write_directive_list(writer, out);
        return;
    }
    json_out_key(out, slice_of_text(special_names[special]));
    switch (special) {
    case SPECIAL_DIRECTIVES:
        break;
    case SPECIAL_TIME:
        json_out_u64_text(out, group->time_ms);
        break;
    case SPECIAL_VERSION:
        json_out_string(out, writer->options->is_legacy ? SLICE_LITERAL("0") : SLICE_LITERAL("1"));
        break;
    case SPECIAL_AWS:
        json_out_open(out, '{');
        write_directive_list(writer, out);
        json_out_key(out, SLICE_LITERAL("Timestamp"));
        json_out_u64(out, group->time_ms);
        json_out_close(out, '}');
        break;
    case SPECIAL_PROMETHEUS:
        json_out_string(out, prometheus_type(group->data));
        break;
    }
}

static void write_label(struct emf_writer *writer, const struct emf_label *label,
                        struct json_out *out)
{
    json_out_key(out, label->name);
    if (!is_inlined(writer->options, label->name) || !emf_json_inline(out, label->value)) {
        json_out_string(out, label->value);
    }
}

/* Labels and metrics whose names stand before `limit`; all that are left where it is NULL. */
struct members {
    const struct emf_label *label;
    const struct emf_label *label_limit;
    const struct emf_metric *metric;
    uint32_t metrics_left;
};

static void write_members(struct emf_writer *writer, struct members *m, const char *limit,
                          struct json_out *out)
{
    struct slice bound = slice_of_text(limit);
    while (m->label < m->label_limit || m->metrics_left > 0) {
        bool is_label =
            m->metrics_left == 0 ||
            (m->label < m->label_limit && slice_compare(m->label->name, m->metric->name) < 0);
        struct slice name = is_label ? m->label->name : m->metric->name;
        if (limit != NULL && slice_compare(name, bound) > 0) {
            return;
        }
        if (is_label) {
            write_label(writer, m->label, out);
            m->label++;
            continue;
        }
        json_out_key(out, name);
        emf_value_write(&m->metric->value, writer->digits, out);
        m->metric = m->metric->next;
        m->metrics_left--;
    }
}

/* Leaves the document in writer->message. 0, FAULT_LIMIT (too large) or -ENOMEM. */
static int write_message(struct emf_writer *writer, const struct emf_group *group, struct slot slot)
{
    write_directives(writer, group, slot);
    bytes_clear(&writer->message);
    struct json_out out = json_out_of(&writer->message);
    struct members members = {
        .label = group->labels,
        .label_limit = group->labels + group->label_count,
        .metric = slot.first,
        .metrics_left = slot.count,
    };
    json_out_open(&out, '{');
    for (uint32_t i = 0; i < COUNT_OF(special_names); i++) {
        if (has_special(writer, group, (enum special)i)) {
            write_members(writer, &members, special_names[i], &out);
            write_special(writer, group, (enum special)i, &out);
        }
    }
    write_members(writer, &members, NULL, &out);
    json_out_close(&out, '}');
    int err = writer->message.err;
    err = err != 0 ? err : writer->directives.err;
    return err != 0 ? err : writer->dimensions.text.err;
}

/* --- a group ---------------------------------------------------------------------------------- */

static uint64_t points_of(struct slot slot)
{
    uint64_t count = 0;
    const struct emf_metric *metric = slot.first;
    for (uint32_t i = 0; i < slot.count; i++) {
        count += metric->point_count;
        metric = metric->next;
    }
    return count;
}

static void hand_out(struct emf_writer *writer, const struct emf_group *group, struct slot slot,
                     void *context, emf_document_fn *on_document)
{
    const struct emf_document document = {
        .log_group = group->place->log_group,
        .log_stream = group->place->log_stream,
        .time_ms = group->time_ms,
        .point_count = points_of(slot),
        .message = bytes_slice(&writer->message),
    };
    struct emf_tally *tally = writer->tally;
    tally->encoded_count += document.point_count;
    tally->document_count++;
    tally->notices[EMF_NOTICE_PLAIN] += writer->directives.len == 0 ? 1 : 0;
    tally->notices[EMF_NOTICE_DIMENSIONS] += writer->has_left_out ? 1 : 0;
    on_document(context, &document);
}

static void unlist(struct slot slot)
{
    struct emf_metric *metric = slot.first;
    for (uint32_t i = 0; i < slot.count; i++) {
        metric->is_listed = false;
        metric = metric->next;
    }
}

static struct emf_metric *slot_end(struct slot slot)
{
    struct emf_metric *metric = slot.first;
    for (uint32_t i = 0; i < slot.count; i++) {
        metric = metric->next;
    }
    return metric;
}

/* As many metrics per document as fit; half as many whenever they do not. */
static void write_slots(struct emf_writer *writer, struct emf_group *group, void *context,
                        emf_document_fn *on_document)
{
    uint32_t left = group->metric_count;
    struct slot slot = {.first = group->first, .count = left};
    while (left > 0) {
        slot.count = slot.count < left ? slot.count : left;
        int err = write_message(writer, group, slot);
        if (err == FAULT_LIMIT && slot.count > 1) {
            unlist(slot);
            slot.count = (slot.count + 1) / 2;
            writer->tally->notices[EMF_NOTICE_SPLIT]++;
            continue;
        }
        if (err == 0) {
            hand_out(writer, group, slot, context, on_document);
        } else {
            enum emf_drop drop = err == FAULT_LIMIT ? EMF_DROP_TOO_LARGE : EMF_DROP_MEMORY;
            writer->tally->drops[drop] += points_of(slot);
        }
        left -= slot.count;
        slot.first = slot_end(slot);
    }
}

void emf_writer_begin(struct emf_writer *writer)
{
    emf_dimensions_begin(&writer->dimensions);
}

void emf_writer_write(struct emf_writer *writer, struct emf_group *group, void *context,
                      emf_document_fn *on_document)
{
    ASSERT(group->metric_count > 0);
    writer->tally->drops[EMF_DROP_DUPLICATE] += emf_group_finish(group);
    survey_labels(writer, group);
    if (writer->options->declaration_count > 0) {
        struct emf_mask candidates;
        emf_match_labels(&writer->match, group, &writer->scratch, &candidates);
        for (struct emf_metric *m = group->first; m != NULL; m = m->next) {
            emf_match_name(&writer->match, m->name, &candidates, &m->mask);
        }
    }
    write_slots(writer, group, context, on_document);
}
