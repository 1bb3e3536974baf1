/* SPDX-License-Identifier: Apache-2.0 */
/*
 * emf_labels — see emf_labels.h.
 *
 * Most points have fewer than ten labels, most of them in order already, so a shell sort does
 * hardly more than look.
 */
#include "codecs/emf_labels.h"

#include <errno.h>

#include "codecs/emf.h"
#include "core/base/fault.h"
#include "core/base/mem.h"
#include "core/base/number.h"
#include "core/processors/value_text.h"

int emf_labels_init(struct emf_labels *labels)
{
    *labels = (struct emf_labels){0};
    labels->items = mem_alloc_array(EMF_LABELS_MAX, sizeof(labels->items[0]));
    return labels->items != NULL ? 0 : -ENOMEM;
}

void emf_labels_fini(struct emf_labels *labels)
{
    mem_free(labels->items);
    *labels = (struct emf_labels){0};
}

void emf_labels_clear(struct emf_labels *labels)
{
    labels->count = 0;
    labels->resolution_s = 0;
    labels->err = 0;
}

void emf_labels_add(struct emf_labels *labels, struct slice name, struct slice value)
{
    if (labels->count == EMF_LABELS_MAX) {
        labels->err = labels->err != 0 ? labels->err : FAULT_LIMIT;
        return;
    }
    labels->items[labels->count] =
        (struct emf_label){.name = name, .value = value, .order = labels->count};
    labels->count++;
}

/* CloudWatch knows two resolutions; anything else is the usual one. */
static uint32_t resolution_of(struct slice text)
{
    int64_t seconds = 0;
    int err = number_parse_i64(text, &seconds);
    return err == 0 && seconds == 1 ? 1 : EMF_RESOLUTION_DEFAULT_S;
}

void emf_labels_add_attr(struct emf_labels *labels, const struct otlp_attr *attr,
                         struct arena *arena)
{
    struct slice text;
    int err = value_text(&attr->value, arena, &text);
    if (err != 0) {
        labels->err = FAULT_OVERFLOW;
        return;
    }
    if (WEIR_UNLIKELY(attr->key.len == EMF_LABEL_RESOLUTION.len &&
                      slice_equal(attr->key, EMF_LABEL_RESOLUTION))) {
        labels->resolution_s = resolution_of(text);
        return;
    }
    emf_labels_add(labels, attr->key, text);
}

/* Does `a` stand before `b`? Of one name the later one comes first. */
static bool is_before(const struct emf_label *a, const struct emf_label *b)
{
    int order = slice_compare(a->name, b->name);
    return order != 0 ? order < 0 : a->order > b->order;
}

static void sort_with_gap(struct emf_label *items, uint32_t count, uint32_t gap)
{
    for (uint32_t i = gap; i < count; i++) {
        if (!is_before(&items[i], &items[i - gap])) {
            continue;
        }
        struct emf_label moving = items[i];
        uint32_t at = i;
        while (at >= gap && is_before(&moving, &items[at - gap])) {
            items[at] = items[at - gap];
            at -= gap;
        }
        items[at] = moving;
    }
}

void emf_labels_finish(struct emf_labels *labels)
{
    static const uint32_t gaps[] = {301, 132, 57, 23, 10, 4, 1};
    for (size_t i = 0; i < COUNT_OF(gaps); i++) {
        if (gaps[i] == 1 || gaps[i] * 3 < labels->count) {
            sort_with_gap(labels->items, labels->count, gaps[i]);
        }
    }
    uint32_t kept = 0;
    for (uint32_t i = 0; i < labels->count; i++) {
        bool is_repeated =
            kept > 0 && slice_equal(labels->items[kept - 1].name, labels->items[i].name);
        if (!is_repeated) {
            labels->items[kept] = labels->items[i];
            kept++;
        }
    }
    labels->count = kept;
}

void emf_labels_merge(struct emf_labels *out, const struct emf_labels *under,
                      const struct emf_labels *over)
{
    ASSERT(out != under);
    ASSERT(out != over);
    emf_labels_clear(out);
    out->err = under->err != 0 ? under->err : over->err;
    out->resolution_s = over->resolution_s != 0 ? over->resolution_s : under->resolution_s;
    uint32_t i = 0;
    uint32_t j = 0;
    while (i < under->count || j < over->count) {
        int order = 0;
        if (i == under->count || j == over->count) {
            order = i == under->count ? 1 : -1;
        } else {
            order = slice_compare(under->items[i].name, over->items[j].name);
        }
        const struct emf_label *next = order < 0 ? &under->items[i] : &over->items[j];
        i += order <= 0 ? 1 : 0;
        j += order >= 0 ? 1 : 0;
        emf_labels_add(out, next->name, next->value);
    }
}

const struct emf_label *emf_label_find(const struct emf_label *labels, uint32_t count,
                                       struct slice name)
{
    uint32_t first = 0;
    uint32_t limit = count;
    while (first < limit) {
        uint32_t middle = first + (limit - first) / 2;
        int order = slice_compare(labels[middle].name, name);
        if (order == 0) {
            return &labels[middle];
        }
        if (order < 0) {
            first = middle + 1;
        } else {
            limit = middle;
        }
    }
    return NULL;
}

/* A text and its length, so that no two lists of texts become the same bytes. */
static void append_text(struct bytes *scratch, struct slice text)
{
    uint32_t len = (uint32_t)text.len;
    bytes_append(scratch, &len, sizeof(len));
    bytes_append(scratch, text.ptr, text.len);
}

struct emf_key emf_labels_key(const struct emf_labels *labels, uint64_t seed, struct bytes *scratch)
{
    bytes_clear(scratch);
    for (uint32_t i = 0; i < labels->count; i++) {
        append_text(scratch, labels->items[i].name);
        append_text(scratch, labels->items[i].value);
    }
    return emf_key_of(bytes_slice(scratch), seed);
}
