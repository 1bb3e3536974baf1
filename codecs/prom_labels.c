/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prom_labels — collected as offsets, sorted by name and source, written once.
 *
 * A finish goes through the sorted labels in runs of one name; what a run is worth is decided in
 * one place for both forms.
 */
#include "codecs/prom_labels.h"

#include <string.h>

#include "codecs/otlp_plain.h"
#include "codecs/prom_name.h"
#include "codecs/prom_text.h"
#include "codecs/prom_write_wire.h"
#include "core/base/fault.h"
#include "core/otlp/pb_decode.h"

void prom_labels_init(struct prom_labels *labels)
{
    labels->count = 0;
    bytes_init(&labels->text, PROM_LABELS_MAX_BYTES);
    bytes_init(&labels->joined, PROM_LABELS_MAX_BYTES);
    bytes_init(&labels->result, PROM_LABELS_MAX_BYTES);
}

void prom_labels_fini(struct prom_labels *labels)
{
    bytes_fini(&labels->text);
    bytes_fini(&labels->joined);
    bytes_fini(&labels->result);
    labels->count = 0;
}

struct prom_labels_mark prom_labels_mark(const struct prom_labels *labels)
{
    return (struct prom_labels_mark){
        .count = labels->count,
        .text_bytes = labels->text.len,
        .err = labels->text.err, /* a set without its job must not pass for one that never had it */
    };
}

void prom_labels_rewind(struct prom_labels *labels, struct prom_labels_mark mark)
{
    ASSERT(mark.count <= labels->count);
    ASSERT(mark.text_bytes <= labels->text.len);
    labels->count = mark.count;
    labels->text.len = mark.text_bytes;
    labels->text.err = mark.err;
}

/* --- collecting ------------------------------------------------------------------------------- */

/* Opens a label; its value is appended to the text, then end_label is called. NULL: no room. */
static struct prom_label *begin_label(struct prom_labels *labels, enum prom_label_source source,
                                      struct slice name)
{
    if (labels->count == PROM_LABELS_MAX_COUNT) {
        labels->text.err = FAULT_LIMIT;
    }
    if (labels->text.err != 0) {
        return NULL;
    }
    struct prom_label *label = &labels->labels[labels->count++];
    label->source = source;
    label->name_offset = (uint32_t)labels->text.len;
    prom_name_label(&labels->text, name);
    label->value_offset = (uint32_t)labels->text.len;
    label->name_len = label->value_offset - label->name_offset;
    return label;
}

static void end_label(struct prom_labels *labels, struct prom_label *label)
{
    label->value_len = (uint32_t)labels->text.len - label->value_offset;
}

void prom_labels_add(struct prom_labels *labels, enum prom_label_source source, struct slice name,
                     struct slice value)
{
    struct prom_label *label = begin_label(labels, source, name);
    if (label != NULL) {
        bytes_append(&labels->text, value.ptr, value.len);
        end_label(labels, label);
    }
}

void prom_labels_add_value(struct prom_labels *labels, enum prom_label_source source,
                           struct slice name,
                           const struct Opentelemetry__Proto__Common__V1__AnyValue *value,
                           struct arena *arena)
{
    struct prom_label *label = begin_label(labels, source, name);
    if (label != NULL) {
        otlp_plain_value(&labels->text, value, arena);
        end_label(labels, label);
    }
}

void prom_labels_add_attributes(struct prom_labels *labels, enum prom_label_source source,
                                struct Opentelemetry__Proto__Common__V1__KeyValue *const *pairs,
                                size_t count, struct arena *arena)
{
    for (size_t i = 0; i < count && labels->text.err == 0; i++) {
        prom_labels_add_value(labels, source, pb_slice(pairs[i]->key), pairs[i]->value, arena);
    }
}

/* --- sorting ---------------------------------------------------------------------------------- */

static struct slice name_of(const struct prom_labels *labels, uint32_t index)
{
    static const struct {
        const char *name;
        const char *shown;
    } taken[] = {
        [PROM_RESERVED_NONE] = {"", ""},
        [PROM_RESERVED_LE] = {"le", "exported_le"},
        [PROM_RESERVED_QUANTILE] = {"quantile", "exported_quantile"},
    };
    const struct prom_label *label = &labels->labels[index];
    struct slice name = slice_of(labels->text.ptr + label->name_offset, label->name_len);
    bool is_taken =
        labels->reserved != PROM_RESERVED_NONE && slice_is_text(name, taken[labels->reserved].name);
    return is_taken ? slice_of_text(taken[labels->reserved].shown) : name;
}

static struct slice value_of(const struct prom_labels *labels, uint32_t index)
{
    const struct prom_label *label = &labels->labels[index];
    return slice_of(labels->text.ptr + label->value_offset, label->value_len);
}

size_t prom_labels_characters(const struct prom_labels *labels)
{
    size_t count = 0;
    for (size_t i = 0; i < labels->text.len; i++) {
        count += (labels->text.ptr[i] & 0xC0) != 0x80 ? 1 : 0; /* not a continuation */
    }
    return count;
}

/* By name, then source, then place; the last so that joined values keep their order. */
static bool is_before(const struct prom_labels *labels, uint16_t a, uint16_t b)
{
    int order = slice_compare(name_of(labels, a), name_of(labels, b));
    if (order != 0) {
        return order < 0;
    }
    enum prom_label_source source_a = labels->labels[a].source;
    enum prom_label_source source_b = labels->labels[b].source;
    return source_a != source_b ? source_a < source_b : a < b;
}

/* Insertion: labels are few, and mostly sorted by their client already. */
static void sort(struct prom_labels *labels)
{
    for (uint32_t i = 0; i < labels->count; i++) {
        uint32_t at = i;
        while (at > 0 && is_before(labels, (uint16_t)i, labels->order[at - 1])) {
            labels->order[at] = labels->order[at - 1];
            at--;
        }
        labels->order[at] = (uint16_t)i;
    }
}

/* --- finishing -------------------------------------------------------------------------------- */

/* Labels of one name, of which only those of the nearest source count. */
struct run {
    struct slice name;
    struct slice value; /* empty: the label is left out */
};

/* One more value of a run. Borrows the first one, puts further ones together. */
static void join_value(struct prom_labels *labels, struct run *run, struct slice value)
{
    struct bytes *joined = &labels->joined;
    if (run->value.len == 0) {
        run->value = value;
        return;
    }
    if (joined->len == 0) {
        bytes_append(joined, run->value.ptr, run->value.len);
    }
    bytes_append_byte(joined, ';');
    bytes_append(joined, value.ptr, value.len);
    run->value = bytes_slice(joined);
}

/* The run that begins at `first` of the order. Returns where it ends. */
static uint32_t take_run(struct prom_labels *labels, uint32_t first, struct run *run)
{
    enum prom_label_source nearest = labels->labels[labels->order[first]].source;
    *run = (struct run){.name = name_of(labels, labels->order[first])};
    bytes_clear(&labels->joined);
    uint32_t i = first;
    for (; i < labels->count && slice_equal(name_of(labels, labels->order[i]), run->name); i++) {
        struct slice value = value_of(labels, labels->order[i]);
        if (labels->labels[labels->order[i]].source == nearest && value.len > 0) {
            join_value(labels, run, value);
        }
    }
    return i;
}

static int begin_finish(struct prom_labels *labels, enum prom_reserved reserved)
{
    bytes_clear(&labels->result);
    labels->reserved = reserved;
    if (labels->text.err == 0) {
        sort(labels);
    }
    return labels->text.err;
}

static int end_finish(const struct prom_labels *labels)
{
    return labels->joined.err != 0 ? labels->joined.err : labels->result.err;
}

int prom_labels_finish(struct prom_labels *labels, enum prom_reserved reserved, struct slice *out)
{
    struct bytes *result = &labels->result;
    int err = begin_finish(labels, reserved);
    for (uint32_t i = 0; err == 0 && i < labels->count;) {
        struct run run;
        i = take_run(labels, i, &run);
        if (run.value.len > 0) {
            bytes_append(result, ",", result->len > 0 ? 1 : 0);
            bytes_append(result, run.name.ptr, run.name.len);
            bytes_append(result, "=\"", 2);
            prom_text_escape(result, run.value);
            bytes_append_byte(result, '"');
        }
        err = end_finish(labels);
    }
    *out = bytes_slice(result);
    return err;
}

/* A value that has to be mended moves into the scratch text, behind what may stand there. */
static struct slice well_formed(struct prom_labels *labels, struct slice value)
{
    if (slice_is_utf8(value)) {
        return value;
    }
    struct bytes *joined = &labels->joined;
    /* A joined value would move while it is read: room for the worst case is made first. */
    bool is_joined = value.ptr == joined->ptr;
    int err = bytes_reserve(joined, value.len * 3);
    if (err != 0) {
        joined->err = err;
        return (struct slice){0};
    }
    value.ptr = is_joined ? joined->ptr : value.ptr;
    size_t start = joined->len;
    prom_text_mend(joined, value);
    return slice_from(bytes_slice(joined), start);
}

int prom_labels_finish_wire(struct prom_labels *labels, enum prom_reserved reserved,
                            struct prom_labels_wire *out)
{
    static const char *const reserved_names[] = {
        [PROM_RESERVED_NONE] = "__name__", /* unused: the same place will do */
        [PROM_RESERVED_LE] = "le",
        [PROM_RESERVED_QUANTILE] = "quantile",
    };
    struct bytes *result = &labels->result;
    struct slice reserved_name = slice_of_text(reserved_names[reserved]);
    int err = begin_finish(labels, reserved);
    *out = (struct prom_labels_wire){0};
    for (uint32_t i = 0; err == 0 && i < labels->count;) {
        struct run run;
        i = take_run(labels, i, &run);
        if (run.value.len > 0) {
            prom_wire_label(result, run.name, well_formed(labels, run.value));
        }
        bool is_below_name = slice_compare(run.name, SLICE_LITERAL("__name__")) < 0;
        bool is_below_reserved = slice_compare(run.name, reserved_name) < 0;
        out->name_at = is_below_name ? result->len : out->name_at;
        out->reserved_at = is_below_reserved ? result->len : out->reserved_at;
        err = end_finish(labels);
    }
    out->bytes = bytes_slice(result);
    return err;
}
