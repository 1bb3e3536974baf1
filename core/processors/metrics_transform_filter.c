/* SPDX-License-Identifier: Apache-2.0 */
/*
 * metrics_transform_filter — names and labels matched, templates of names filled in.
 *
 * Templates follow Go's regexp.Expand: $name takes as many letters, digits and underscores as there
 * are, a group that does not exist is the empty text, and a dollar that begins nothing is a dollar.
 */
#include "core/processors/metrics_transform_filter.h"

#include <string.h>

#include "core/base/fault.h"
#include "core/base/number.h"
#include "core/base/regex.h"

bool transform_filter_has_name(const struct transform *t, struct slice name)
{
    return t->pattern == NULL ? slice_equal(t->include, name) : regex_matches(t->pattern, name);
}

struct slice transform_filter_text(const struct otlp_value *value)
{
    return value->kind == OTLP_VALUE_STRING ? value->bytes : (struct slice){0};
}

bool transform_filter_has_labels(const struct transform *t, const struct otlp_attr_list *labels)
{
    for (const struct transform_pair *one = t->labels; one != NULL; one = one->next) {
        const struct otlp_attr *attr = otlp_attr_list_find(labels, one->key);
        struct slice text = attr == NULL ? (struct slice){0} : transform_filter_text(&attr->value);
        bool is_match = one->pattern == NULL ? slice_equal(one->value, text)
                                             : regex_matches(one->pattern, text);
        if (!is_match) {
            return false;
        }
    }
    return true;
}

uint32_t transform_filter_groups(const struct transform *t, struct slice name,
                                 struct slice groups[TRANSFORM_GROUPS_MAX])
{
    ASSERT(t->group_count <= TRANSFORM_GROUPS_MAX);
    if (t->pattern == NULL || !regex_captures(t->pattern, name, groups, t->group_count)) {
        return 0;
    }
    return t->group_count;
}

/* --- templates -------------------------------------------------------------------------------- */

/* A template that is being filled in. */
struct filling {
    const struct transform *t;
    struct slice groups[TRANSFORM_GROUPS_MAX];
    uint32_t group_count;
    struct slice rest;
};

static bool is_word(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

static bool is_number(struct slice name, uint64_t *out)
{
    bool has_leading_zero = name.len > 1 && name.ptr[0] == '0';
    return !has_leading_zero && number_parse_u64(name, out) == 0;
}

/* What the group of that number or name caught. */
static struct slice group_named(const struct filling *f, struct slice name)
{
    uint64_t number = 0;
    if (is_number(name, &number)) {
        return number < f->group_count ? f->groups[number] : (struct slice){0};
    }
    for (uint32_t i = 1; i < f->group_count; i++) {
        if (slice_equal(regex_group_name(f->t->pattern, i + 1), name)) {
            return f->groups[i];
        }
    }
    return (struct slice){0};
}

/* f->rest begins with a dollar: what it stands for. */
static struct slice take_group(struct filling *f)
{
    struct slice rest = f->rest;
    if (rest.len > 1 && rest.ptr[1] == '$') {
        f->rest = slice_from(rest, 2);
        return slice_first(rest, 1);
    }
    bool has_brace = rest.len > 1 && rest.ptr[1] == '{';
    size_t first = has_brace ? 2 : 1;
    size_t limit = first;
    while (limit < rest.len && is_word(rest.ptr[limit])) {
        limit++;
    }
    bool is_closed = !has_brace || (limit < rest.len && rest.ptr[limit] == '}');
    if (limit == first || !is_closed) {
        f->rest = slice_from(rest, 1);
        return slice_first(rest, 1);
    }
    f->rest = slice_from(rest, has_brace ? limit + 1 : limit);
    return group_named(f, slice_of(rest.ptr + first, limit - first));
}

/* The next piece of what is left of the template. False at its end. */
static bool next_piece(struct filling *f, struct slice *out)
{
    if (f->rest.len == 0) {
        return false;
    }
    size_t dollar = slice_find(f->rest, '$');
    if (dollar == 0) {
        *out = take_group(f);
        return true;
    }
    *out = slice_first(f->rest, dollar);
    f->rest = slice_from(f->rest, dollar);
    return true;
}

int transform_filter_new_name(const struct transform *t, struct slice name, struct arena *arena,
                              struct slice *out)
{
    struct filling f = {.t = t, .rest = t->new_name};
    struct slice piece;
    size_t len = 0;
    *out = t->new_name;
    if (t->pattern == NULL || slice_find(t->new_name, '$') == t->new_name.len) {
        return 0;
    }
    f.group_count = transform_filter_groups(t, name, f.groups);
    while (next_piece(&f, &piece)) {
        len += piece.len; /* pieces of a template of a few hundred bytes: no overflow */
    }
    if (len == 0) {
        return 0;
    }
    uint8_t *copy = arena_alloc(arena, len);
    if (copy == NULL) {
        return FAULT_LIMIT;
    }
    *out = slice_of(copy, len);
    f.rest = t->new_name;
    while (next_piece(&f, &piece)) {
        if (piece.len > 0) {
            memcpy(copy, piece.ptr, piece.len);
            copy += piece.len;
        }
    }
    ASSERT(copy == out->ptr + out->len);
    return 0;
}
