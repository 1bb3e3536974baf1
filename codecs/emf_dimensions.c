/* SPDX-License-Identifier: Apache-2.0 */
/*
 * emf_dimensions — see emf_dimensions.h.
 *
 * A set is a few indexes into the sorted labels, so equal sets are equal bytes and stay sorted when
 * they are written.
 */
#include "codecs/emf_dimensions.h"

#include <errno.h>
#include <string.h>

#include "codecs/emf_match.h"
#include "codecs/json_out.h"
#include "core/base/mem.h"

/* Names of up to EMF_LABELS_MAX labels in sets of their own, escaped at worst to six times that. */
#define TEXT_MAX_BYTES (16 * 1024 * 1024)

struct emf_set {
    uint16_t count;
    uint16_t indexes[EMF_SET_DIMENSIONS_MAX];
};
_Static_assert(EMF_LABELS_MAX <= UINT16_MAX, "indexes are 16 bits wide");

int emf_dimensions_init(struct emf_dimensions *d, const struct emf_options *options)
{
    *d = (struct emf_dimensions){.options = options};
    bytes_init(&d->text, TEXT_MAX_BYTES);
    uint32_t declared_count = 0;
    for (uint32_t i = 0; i < options->declaration_count; i++) {
        declared_count += options->declarations[i].set_count;
    }
    /* One set per label, one of all, one of none, and what is declared. */
    d->set_max = EMF_LABELS_MAX + 2 + declared_count;
    d->sets = mem_alloc_array(d->set_max, sizeof(d->sets[0]));
    return d->sets != NULL ? 0 : -ENOMEM;
}

void emf_dimensions_fini(struct emf_dimensions *d)
{
    mem_free(d->sets);
    bytes_fini(&d->text);
    *d = (struct emf_dimensions){0};
}

static bool set_equal(const struct emf_set *a, const struct emf_set *b)
{
    return a->count == b->count &&
           memcmp(a->indexes, b->indexes, a->count * sizeof(a->indexes[0])) == 0;
}

/* Adds a set, unless one of the first `known_count` is the same. */
static void add_set(struct emf_dimensions *d, const struct emf_set *set, uint32_t known_count)
{
    for (uint32_t i = 0; i < known_count; i++) {
        if (set_equal(&d->sets[i], set)) {
            return;
        }
    }
    ASSERT(d->set_count < d->set_max);
    d->sets[d->set_count] = *set;
    d->set_count++;
}

/* The labels at hand: which one is the scope, and how many others are dimensions. */
struct survey {
    uint32_t scope_index; /* the label count where there is none */
    uint32_t other_count;
};

static struct survey survey_of(const struct emf_group *group)
{
    struct survey s = {.scope_index = group->label_count};
    for (uint32_t i = 0; i < group->label_count; i++) {
        if (!group->labels[i].is_dimension) {
            continue;
        }
        if (slice_equal(group->labels[i].name, EMF_LABEL_SCOPE)) {
            s.scope_index = i;
        } else {
            s.other_count++;
        }
    }
    return s;
}

/* All labels, where they are not too many. */
static void add_full_set(struct emf_dimensions *d, const struct emf_group *group)
{
    struct emf_set set = {0};
    for (uint32_t i = 0; i < group->label_count; i++) {
        if (!group->labels[i].is_dimension) {
            continue;
        }
        if (set.count == EMF_SET_DIMENSIONS_MAX) {
            d->has_left_out = true;
            return;
        }
        set.indexes[set.count] = (uint16_t)i;
        set.count++;
    }
    add_set(d, &set, 0);
}

/* Roll-up sets differ from one another; declared ones may be the same. */
static void add_rollups(struct emf_dimensions *d, const struct emf_group *group,
                        const struct survey *survey)
{
    uint32_t known_count = d->set_count;
    bool has_scope = survey->scope_index < group->label_count;
    struct emf_set none = {.count = has_scope ? 1 : 0, .indexes = {(uint16_t)survey->scope_index}};
    if (d->options->rollup == EMF_ROLLUP_NONE) {
        return;
    }
    if (d->options->rollup == EMF_ROLLUP_ZERO_AND_SINGLE && survey->other_count > 0) {
        add_set(d, &none, known_count);
    }
    for (uint32_t i = 0; i < group->label_count; i++) {
        if (!group->labels[i].is_dimension || i == survey->scope_index) {
            continue;
        }
        struct emf_set set = none;
        uint32_t at = has_scope && survey->scope_index < i ? 1 : 0;
        set.indexes[1] = set.indexes[0];
        set.indexes[at] = (uint16_t)i;
        set.count++;
        add_set(d, &set, known_count);
    }
}

/* The set as indexes. False where one of its names is no dimension here. */
static bool find_declared(const struct emf_group *group, const struct emf_dimension_set *declared,
                          struct emf_set *out)
{
    ASSERT(declared->name_count <= EMF_SET_DIMENSIONS_MAX);
    out->count = 0;
    for (uint32_t i = 0; i < declared->name_count; i++) {
        const struct emf_label *label =
            emf_label_find(group->labels, group->label_count, declared->names[i]);
        if (label == NULL || !label->is_dimension) {
            return false;
        }
        out->indexes[out->count] = (uint16_t)(label - group->labels);
        out->count++;
    }
    return true;
}

static void add_declared(struct emf_dimensions *d, const struct emf_group *group,
                         const struct emf_declaration *declaration)
{
    for (uint32_t i = 0; i < declaration->set_count; i++) {
        struct emf_set set = {0};
        if (find_declared(group, &declaration->sets[i], &set)) {
            add_set(d, &set, d->set_count);
        }
    }
}

static void collect(struct emf_dimensions *d, const struct emf_group *group,
                    const struct emf_mask *mask)
{
    struct survey survey = survey_of(group);
    bool has_rollup = d->options->rollup != EMF_ROLLUP_NONE && survey.other_count > 0;
    if (mask == NULL) {
        if (!has_rollup || survey.other_count > 1) {
            add_full_set(d, group);
        }
    } else {
        for (uint32_t i = 0; i < d->options->declaration_count; i++) {
            if (emf_mask_has(mask, i)) {
                add_declared(d, group, &d->options->declarations[i]);
            }
        }
    }
    add_rollups(d, group, &survey);
}

void emf_dimensions_begin(struct emf_dimensions *d)
{
    d->last_group = NULL;
}

/* Neighbours mostly have labels of the same names, and then the same sets. */
static bool is_same_again(const struct emf_dimensions *d, const struct emf_group *group,
                          const struct emf_mask *mask)
{
    const struct emf_group *last = d->last_group;
    if (last == NULL || d->text.err != 0 || last->label_count != group->label_count ||
        (mask != NULL && !emf_mask_equal(mask, &d->last_mask))) {
        return false;
    }
    for (uint32_t i = 0; i < group->label_count; i++) {
        if (last->labels[i].is_dimension != group->labels[i].is_dimension ||
            !slice_equal(last->labels[i].name, group->labels[i].name)) {
            return false;
        }
    }
    return true;
}

bool emf_dimensions_write(struct emf_dimensions *d, const struct emf_group *group,
                          const struct emf_mask *mask)
{
    if (is_same_again(d, group, mask)) {
        return d->set_count > 0;
    }
    d->last_group = group;
    d->last_mask = mask != NULL ? *mask : (struct emf_mask){0};
    d->set_count = 0;
    d->has_left_out = false;
    bytes_clear(&d->text);
    collect(d, group, mask);
    struct json_out out = json_out_of(&d->text);
    json_out_open(&out, '[');
    for (uint32_t i = 0; i < d->set_count; i++) {
        json_out_open(&out, '[');
        for (uint32_t j = 0; j < d->sets[i].count; j++) {
            json_out_string(&out, group->labels[d->sets[i].indexes[j]].name);
        }
        json_out_close(&out, ']');
    }
    json_out_close(&out, ']');
    return d->set_count > 0;
}
