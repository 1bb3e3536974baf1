/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prom_labels — collected as offsets, sorted by name and source, written once.
 *
 * Source: OpenTelemetry "Prometheus and OpenMetrics compatibility".
 */
#include "exporters/prom_labels.h"

#include <string.h>

#include "codecs/prom_name.h"
#include "codecs/prom_text.h"
#include "core/base/fault.h"
#include "core/otlp/pb_decode.h"
#include "exporters/debug_value.h"
#include "exporters/exporter_bounds.h"

void prom_labels_init(struct prom_labels *labels)
{
    labels->count = 0;
    bytes_init(&labels->text, PROM_LABELS_MAX_BYTES);
    bytes_init(&labels->result, PROM_LABELS_MAX_BYTES);
}

void prom_labels_fini(struct prom_labels *labels)
{
    bytes_fini(&labels->text);
    bytes_fini(&labels->result);
    labels->count = 0;
}

struct prom_labels_mark prom_labels_mark(const struct prom_labels *labels)
{
    return (struct prom_labels_mark){.count = labels->count, .text_bytes = labels->text.len};
}

void prom_labels_rewind(struct prom_labels *labels, struct prom_labels_mark mark)
{
    ASSERT(mark.count <= labels->count);
    ASSERT(mark.text_bytes <= labels->text.len);
    labels->count = mark.count;
    labels->text.len = mark.text_bytes;
    labels->text.err = 0;
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

void prom_labels_add_attributes(struct prom_labels *labels, enum prom_label_source source,
                                struct Opentelemetry__Proto__Common__V1__KeyValue *const *pairs,
                                size_t count, struct arena *arena)
{
    for (size_t i = 0; i < count; i++) {
        struct prom_label *label = begin_label(labels, source, pb_slice(pairs[i]->key));
        if (label == NULL) {
            return;
        }
        struct debug_text text = {.out = &labels->text, .arena = arena};
        debug_put_plain(&text, pairs[i]->value);
        end_label(labels, label);
    }
}

/* --- finishing -------------------------------------------------------------------------------- */

static struct slice name_of(const struct prom_labels *labels, uint32_t index)
{
    const struct prom_label *label = &labels->labels[index];
    return slice_of(labels->text.ptr + label->name_offset, label->name_len);
}

static struct slice value_of(const struct prom_labels *labels, uint32_t index)
{
    const struct prom_label *label = &labels->labels[index];
    return slice_of(labels->text.ptr + label->value_offset, label->value_len);
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

/* The run of one name from `first` on; only its nearest source counts. Returns where it ends. */
static uint32_t put_run(struct prom_labels *labels, uint32_t first, const char *reserved)
{
    struct bytes *out = &labels->result;
    uint16_t head = labels->order[first];
    struct slice name = name_of(labels, head);
    size_t start = out->len;
    if (out->len > 0) {
        bytes_append_byte(out, ',');
    }
    if (reserved != NULL && slice_is_text(name, reserved)) {
        bytes_append(out, "exported_", 9);
    }
    bytes_append(out, name.ptr, name.len);
    bytes_append(out, "=\"", 2);
    bool has_value = false;
    uint32_t i = first;
    for (; i < labels->count && slice_equal(name_of(labels, labels->order[i]), name); i++) {
        struct slice value = value_of(labels, labels->order[i]);
        if (labels->labels[labels->order[i]].source != labels->labels[head].source ||
            value.len == 0) {
            continue;
        }
        if (has_value) {
            bytes_append_byte(out, ';');
        }
        prom_text_escape(out, value);
        has_value = true;
    }
    bytes_append_byte(out, '"');
    if (!has_value && out->err == 0) {
        out->len = start;
    }
    return i;
}

int prom_labels_finish(struct prom_labels *labels, const char *reserved, struct slice *out)
{
    bytes_clear(&labels->result);
    if (labels->text.err != 0) {
        return labels->text.err;
    }
    sort(labels);
    for (uint32_t i = 0; i < labels->count;) {
        i = put_run(labels, i, reserved);
    }
    *out = bytes_slice(&labels->result);
    return labels->result.err;
}
