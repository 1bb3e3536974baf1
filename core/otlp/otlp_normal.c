/* SPDX-License-Identifier: Apache-2.0 */
/*
 * otlp_normal — see otlp_normal.h. Joining the pieces of a message is joining their bytes: that is
 * what protobuf's rule for repeated sub-messages comes to.
 */
#include "core/otlp/otlp_normal.h"

#include <string.h>

#include "core/base/fault.h"
#include "core/otlp/otlp_build.h"

/* Tag and length around some content. */
#define FIELD_OVERHEAD_BYTES (5 + 10)

static bool is_child(const struct otlp_field *field, uint32_t number)
{
    return field->number == number && field->wire_type == PB_WIRE_BYTES;
}

struct otlp_layout otlp_layout_of(struct slice message, uint32_t child_number,
                                  uint32_t single_number)
{
    struct pb_reader in = pb_reader_of(message);
    struct otlp_layout layout = {.first_child = in.end, .last_end = in.end};
    struct otlp_field field;
    bool has_child = false;
    size_t pending_bytes = 0; /* since the last child */
    while (otlp_field_next(&in, &field)) {
        if (is_child(&field, child_number)) {
            layout.first_child = has_child ? layout.first_child : field.whole.ptr;
            layout.last_end = in.pos;
            layout.between_bytes += has_child ? pending_bytes : 0;
            has_child = true;
            pending_bytes = 0;
            continue;
        }
        pending_bytes += field.whole.len;
        if (is_child(&field, single_number)) {
            layout.single_count++;
            layout.single_bytes += field.content.len;
        }
    }
    return layout;
}

static bool is_tidy(const struct otlp_layout *layout)
{
    return layout->between_bytes == 0 && layout->single_count <= 1;
}

/* Which field holds the scopes of a ResourceX. */
static uint32_t scopes_number(struct slice group)
{
    struct pb_reader in = pb_reader_of(group);
    struct otlp_field field;
    uint32_t number = OTLP_SCOPES;
    while (otlp_field_next(&in, &field)) {
        if (is_child(&field, OTLP_SCOPES)) {
            return OTLP_SCOPES;
        }
        if (is_child(&field, OTLP_OLD_SCOPES)) {
            number = OTLP_OLD_SCOPES;
        }
    }
    return number;
}

/* A metric may hold nothing; then all is well. */
static bool is_metric_regular(struct slice metric)
{
    struct otlp_field data;
    if (!otlp_metric_data(metric, &data)) {
        return true;
    }
    struct pb_reader in = pb_reader_of(metric);
    struct otlp_field field;
    while (otlp_field_next(&in, &field)) {
        if (otlp_is_data(field.number) && field.whole.ptr != data.whole.ptr) {
            return false;
        }
    }
    struct otlp_layout layout = otlp_layout_of(data.content, OTLP_POINTS, 0);
    return is_tidy(&layout);
}

static bool is_scope_regular(enum signal signal, struct slice scope_group)
{
    struct otlp_layout layout = otlp_layout_of(scope_group, OTLP_ITEMS, OTLP_SCOPE);
    if (signal != SIGNAL_METRICS || !is_tidy(&layout)) {
        return is_tidy(&layout);
    }
    struct pb_reader in = pb_reader_of(scope_group);
    struct otlp_field metric;
    while (otlp_child_next(&in, OTLP_ITEMS, &metric)) {
        if (!is_metric_regular(metric.content)) {
            return false;
        }
    }
    return true;
}

static bool is_group_regular(enum signal signal, struct slice group)
{
    struct otlp_layout layout = otlp_layout_of(group, OTLP_SCOPES, OTLP_RESOURCE);
    if (!is_tidy(&layout) || scopes_number(group) != OTLP_SCOPES) {
        return false;
    }
    struct pb_reader in = pb_reader_of(group);
    struct otlp_field scope_group;
    while (otlp_child_next(&in, OTLP_SCOPES, &scope_group)) {
        if (!is_scope_regular(signal, scope_group.content)) {
            return false;
        }
    }
    return true;
}

bool otlp_is_regular(enum signal signal, struct slice request)
{
    struct otlp_layout layout = otlp_layout_of(request, OTLP_RESOURCES, 0);
    if (!is_tidy(&layout)) {
        return false;
    }
    struct pb_reader in = pb_reader_of(request);
    struct otlp_field group;
    while (otlp_child_next(&in, OTLP_RESOURCES, &group)) {
        if (!is_group_regular(signal, group.content)) {
            return false;
        }
    }
    return true;
}

/* One message to be put in order. */
struct tidying {
    struct slice message;
    uint32_t child_number;
    uint32_t single_number;
    struct otlp_layout layout;
};

static bool is_piece(const struct tidying *t, const struct otlp_field *field)
{
    return t->layout.single_count > 1 && is_child(field, t->single_number);
}

static bool is_between(const struct tidying *t, const struct otlp_field *field)
{
    return !is_child(field, t->child_number) && field->whole.ptr > t->layout.first_child &&
           field->whole.ptr < t->layout.last_end;
}

/* The pieces of the Resource or scope as one field, at the front. */
static void join_pieces(struct otlp_edit *e, const struct tidying *t)
{
    size_t room = t->layout.single_bytes + FIELD_OVERHEAD_BYTES;
    uint8_t *memory = arena_alloc(e->arena, room);
    if (memory == NULL) {
        e->err = FAULT_LIMIT;
        return;
    }
    struct otlp_build b;
    otlp_build_init(&b, memory, room);
    uint8_t *target = b.end - t->layout.single_bytes;
    struct pb_reader in = pb_reader_of(t->message);
    struct otlp_field field;
    while (otlp_child_next(&in, t->single_number, &field)) {
        memcpy(target, field.content.ptr, field.content.len);
        target += field.content.len;
    }
    ASSERT(target == b.end);
    b.head = b.end - t->layout.single_bytes;
    otlp_build_close(&b, 0, t->single_number << 3 | PB_WIRE_BYTES);
    ASSERT(b.err == 0);
    otlp_edit_insert(e, t->message.ptr, otlp_build_since(&b, 0));
}

/* What stands between children, in front of the first one. */
static void move_between(struct otlp_edit *e, const struct tidying *t)
{
    uint8_t *memory = arena_alloc(e->arena, t->layout.between_bytes);
    if (memory == NULL) {
        e->err = FAULT_LIMIT;
        return;
    }
    size_t len = 0;
    struct pb_reader in = pb_reader_of(t->message);
    struct otlp_field field;
    while (otlp_field_next(&in, &field)) {
        if (is_between(t, &field) && !is_piece(t, &field)) {
            memcpy(memory + len, field.whole.ptr, field.whole.len);
            len += field.whole.len;
        }
    }
    ASSERT(len <= t->layout.between_bytes);
    otlp_edit_insert(e, t->layout.first_child, slice_of(memory, len));
}

/* Puts the innermost open message in order; its children are for the caller. */
static void tidy(struct otlp_edit *e, struct slice message, uint32_t child_number,
                 uint32_t single_number)
{
    struct tidying t = {.message = message,
                        .child_number = child_number,
                        .single_number = single_number,
                        .layout = otlp_layout_of(message, child_number, single_number)};
    if (is_tidy(&t.layout)) {
        return;
    }
    if (t.layout.single_count > 1) {
        join_pieces(e, &t);
    }
    if (t.layout.between_bytes > 0) {
        move_between(e, &t);
    }
    struct pb_reader in = pb_reader_of(message);
    struct otlp_field field;
    while (otlp_field_next(&in, &field)) {
        if (is_piece(&t, &field) || is_between(&t, &field)) {
            otlp_edit_remove(e, field.whole);
        }
    }
}

static void tidy_metric(struct otlp_edit *e, const struct otlp_field *metric)
{
    struct otlp_field data;
    if (!otlp_metric_data(metric->content, &data)) {
        return;
    }
    otlp_edit_open(e, metric);
    struct pb_reader in = pb_reader_of(metric->content);
    struct otlp_field field;
    while (otlp_field_next(&in, &field)) {
        if (otlp_is_data(field.number) && field.whole.ptr != data.whole.ptr) {
            otlp_edit_remove(e, field.whole);
        }
    }
    otlp_edit_open(e, &data);
    tidy(e, data.content, OTLP_POINTS, 0);
    otlp_edit_close(e);
    otlp_edit_close(e);
}

static void tidy_scope(struct otlp_edit *e, enum signal signal,
                       const struct otlp_field *scope_group)
{
    otlp_edit_open_as(e, scope_group, OTLP_SCOPES);
    tidy(e, scope_group->content, OTLP_ITEMS, OTLP_SCOPE);
    struct pb_reader in = pb_reader_of(scope_group->content);
    struct otlp_field metric;
    while (signal == SIGNAL_METRICS && otlp_child_next(&in, OTLP_ITEMS, &metric)) {
        tidy_metric(e, &metric);
    }
    otlp_edit_close(e);
}

static void tidy_group(struct otlp_edit *e, enum signal signal, const struct otlp_field *group)
{
    uint32_t number = scopes_number(group->content);
    otlp_edit_open(e, group);
    tidy(e, group->content, number, OTLP_RESOURCE);
    struct pb_reader in = pb_reader_of(group->content);
    struct otlp_field scope_group;
    while (otlp_child_next(&in, number, &scope_group)) {
        tidy_scope(e, signal, &scope_group);
    }
    otlp_edit_close(e);
}

int otlp_regularise(struct otlp_edit *edit, enum signal signal)
{
    ASSERT(edit->depth == 0);
    tidy(edit, edit->source, OTLP_RESOURCES, 0);
    struct pb_reader in = pb_reader_of(edit->source);
    struct otlp_field group;
    while (edit->err == 0 && otlp_child_next(&in, OTLP_RESOURCES, &group)) {
        tidy_group(edit, signal, &group);
    }
    return edit->err;
}
