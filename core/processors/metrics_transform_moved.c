/* SPDX-License-Identifier: Apache-2.0 */
/*
 * metrics_transform_moved — a frame from an edit of the resource, a scope from an edit of the
 * scope, put together.
 */
#include "core/processors/metrics_transform_moved.h"

#include "core/base/fault.h"
#include "core/otlp/otlp_build.h"

/* A tag and a length. */
#define PREFIX_MAX_BYTES (5 + 10)

/* --- frames ----------------------------------------------------------------------------------- */

static void write_resource(const struct transform *t, struct slice group, struct otlp_edit *edit)
{
    struct otlp_field resource;
    struct otlp_attr_list list;
    (void)otlp_field_find(group, OTLP_RESOURCE, &resource);
    otlp_edit_open(edit, &resource);
    otlp_attr_list_init(&list, edit->arena);
    int err = otlp_attr_list_load(&list, resource.content, OTLP_RESOURCE_ATTRS);
    const struct transform_pair *one = t->resource_labels;
    for (; err == 0 && one != NULL; one = one->next) {
        struct otlp_value value = {.kind = OTLP_VALUE_STRING, .bytes = one->value};
        err = otlp_attr_list_put(&list, one->key, value);
    }
    if (err == 0) {
        otlp_attr_list_flush(&list, edit);
    } else {
        edit->err = err;
    }
    otlp_edit_close(edit);
}

static int make_frame(const struct transform *t, const struct otlp_field *group,
                      struct arena *arena, struct transform_frame *out)
{
    struct otlp_edit edit;
    struct otlp_splice room[TRANSFORM_SPLICES];
    struct otlp_field field;
    struct slice bytes = {0};
    struct pb_reader in = pb_reader_of(group->content);
    transform_edit_init(&edit, arena, group->whole, room);
    otlp_edit_open(&edit, group);
    write_resource(t, group->content, &edit);
    while (otlp_child_next(&in, OTLP_SCOPES, &field)) {
        otlp_edit_remove(&edit, field.whole);
    }
    otlp_edit_close(&edit);
    int err = transform_edit_finish(&edit, &bytes);
    if (err != 0) {
        return err;
    }
    in = pb_reader_of(bytes);
    bool is_there = otlp_child_next(&in, OTLP_RESOURCES, &field);
    ASSERT(is_there);
    *out = (struct transform_frame){.t = t, .fields = field.content};
    return 0;
}

const struct transform_frame *transform_frame_find(struct transform_frames *frames,
                                                   const struct transform *t,
                                                   const struct otlp_field *group,
                                                   struct arena *arena)
{
    if (frames->group != group->whole.ptr) {
        *frames = (struct transform_frames){.group = group->whole.ptr};
    }
    struct transform_frame *frame = frames->first;
    while (frame != NULL && frame->t != t) {
        frame = frame->next;
    }
    if (frame != NULL) {
        return frame;
    }
    frame = arena_alloc(arena, sizeof(*frame));
    if (frame == NULL || make_frame(t, group, arena, frame) != 0) {
        return NULL;
    }
    frame->next = frames->first;
    frames->first = frame;
    return frame;
}

/* --- resources of their own ------------------------------------------------------------------- */

/* The scope with the metrics that moved in place of its own. */
static int encode_scope(const struct transform_moved *moved, struct arena *arena, struct slice *out)
{
    struct otlp_edit edit;
    struct otlp_splice room[TRANSFORM_SPLICES];
    struct otlp_field metric;
    struct pb_reader in = pb_reader_of(moved->scope_group.content);
    const uint8_t *end = in.pos;
    transform_edit_init(&edit, arena, moved->scope_group.whole, room);
    otlp_edit_open(&edit, &moved->scope_group);
    while (otlp_child_next(&in, OTLP_ITEMS, &metric)) {
        otlp_edit_remove(&edit, metric.whole);
        end = in.pos;
    }
    int err = transform_metric_insert_copies(moved->metrics, end, &edit);
    otlp_edit_close(&edit);
    return err == 0 ? transform_edit_finish(&edit, out) : err;
}

int transform_moved_encode(const struct transform_moved *moved, struct arena *arena,
                           struct slice *out)
{
    struct slice scope = {0};
    struct slice fields = moved->frame->fields;
    int err = encode_scope(moved, arena, &scope);
    size_t room = scope.len + fields.len + PREFIX_MAX_BYTES; /* both are in memory */
    uint8_t *memory = err == 0 ? arena_alloc(arena, room) : NULL;
    if (memory == NULL) {
        return FAULT_LIMIT;
    }
    struct otlp_build b;
    otlp_build_init(&b, memory, room);
    otlp_build_bytes(&b, scope.ptr, scope.len);
    otlp_build_bytes(&b, fields.ptr, fields.len);
    otlp_build_close(&b, 0, OTLP_RESOURCES << 3 | PB_WIRE_BYTES);
    ASSERT(b.err == 0);
    *out = otlp_build_since(&b, 0);
    return 0;
}
