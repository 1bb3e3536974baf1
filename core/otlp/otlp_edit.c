/* SPDX-License-Identifier: Apache-2.0 */
/*
 * otlp_edit — a list of splices, and one pass that writes what they leave.
 *
 * The list grows at its end only, so what was done inside a message can be taken back by cutting
 * it off. A message that opens keeps a splice for its length, filled when it closes and only where
 * its content changed in size. Changes come nearly always in the order of the bytes; where not, the
 * list is sorted before it is written.
 */
#include "core/otlp/otlp_edit.h"

#include <errno.h>
#include <string.h>

#include "core/base/fault.h"
#include "core/base/mem.h"
#include "core/otlp/otlp_build.h"

#define SPLICES_FIRST_CAP 64
/* A tag and a length. */
#define PREFIX_MAX_BYTES (5 + 10)

void otlp_edit_init(struct otlp_edit *e, struct arena *arena, struct slice source)
{
    e->arena = arena;
    e->source = source;
    e->splices = NULL;
    e->splice_count = 0;
    e->splice_cap = 0;
    e->added_bytes = 0;
    e->removed_bytes = 0;
    e->depth = 0;
    e->is_unsorted = false;
    e->err = 0; /* the frames are filled as they open */
}

static size_t offset_of(const struct otlp_edit *e, const uint8_t *at)
{
    if (e->source.len == 0) {
        return 0;
    }
    size_t offset = (size_t)(at - e->source.ptr);
    ASSERT(offset <= e->source.len);
    return offset;
}

static bool grow(struct otlp_edit *e)
{
    if (e->splice_count < e->splice_cap) {
        return true;
    }
    size_t cap = e->splice_cap == 0 ? SPLICES_FIRST_CAP : 2 * e->splice_cap;
    struct otlp_splice *splices = arena_alloc_array(e->arena, cap, sizeof(*splices));
    if (splices == NULL) {
        e->err = FAULT_LIMIT;
        return false;
    }
    if (e->splice_count > 0) {
        memcpy(splices, e->splices, e->splice_count * sizeof(*splices));
    }
    e->splices = splices;
    e->splice_cap = cap;
    return true;
}

/* At one place, insertions come first. */
static bool is_before(const struct otlp_splice *a, const struct otlp_splice *b)
{
    if (a->offset != b->offset) {
        return a->offset < b->offset;
    }
    return a->removed_bytes == 0 && b->removed_bytes > 0;
}

/* Puts a splice at the end of the list. */
static void add_splice(struct otlp_edit *e, struct otlp_splice splice)
{
    if (e->err != 0 || !grow(e)) {
        return;
    }
    if (e->splice_count > 0 && is_before(&splice, &e->splices[e->splice_count - 1])) {
        e->is_unsorted = true;
    }
    e->splices[e->splice_count++] = splice;
}

/* What goes in a row goes in one splice. */
static bool try_extend(struct otlp_edit *e, size_t offset, size_t bytes)
{
    if (e->splice_count == 0) {
        return false;
    }
    struct otlp_splice *last = &e->splices[e->splice_count - 1];
    bool is_removal = last->removed_bytes > 0 && last->with.len == 0;
    if (!is_removal || last->offset + last->removed_bytes != offset) {
        return false;
    }
    last->removed_bytes += bytes;
    return true;
}

void otlp_edit_replace(struct otlp_edit *e, struct slice old, struct slice with)
{
    size_t offset = offset_of(e, old.ptr);
    ASSERT(old.len <= e->source.len - offset);
    if (e->err != 0 || (old.len == 0 && with.len == 0)) {
        return;
    }
    e->added_bytes += with.len;
    e->removed_bytes += old.len;
    if (with.len > 0 || !try_extend(e, offset, old.len)) {
        add_splice(e,
                   (struct otlp_splice){.offset = offset, .removed_bytes = old.len, .with = with});
    }
}

void otlp_edit_remove(struct otlp_edit *e, struct slice old)
{
    otlp_edit_replace(e, old, (struct slice){0});
}

void otlp_edit_insert(struct otlp_edit *e, const uint8_t *at, struct slice with)
{
    otlp_edit_replace(e, slice_of(at, 0), with);
}

void otlp_edit_open_as(struct otlp_edit *e, const struct otlp_field *field, uint32_t number)
{
    ASSERT(e->depth < OTLP_EDIT_DEPTH_MAX);
    ASSERT(field->wire_type == PB_WIRE_BYTES);
    struct otlp_edit_frame *frame = &e->frames[e->depth++];
    frame->field = *field;
    frame->number = number;
    frame->splice_index = e->splice_count;
    frame->outer_added_bytes = e->added_bytes;
    frame->outer_removed_bytes = e->removed_bytes;
    e->added_bytes = 0;
    e->removed_bytes = 0;
    add_splice(e, (struct otlp_splice){.offset = offset_of(e, field->whole.ptr)});
}

void otlp_edit_open(struct otlp_edit *e, const struct otlp_field *field)
{
    otlp_edit_open_as(e, field, field->number);
}

/* Leaves the innermost message and goes on with the books of what is around it. */
static const struct otlp_edit_frame *pop(struct otlp_edit *e)
{
    ASSERT(e->depth > 0);
    const struct otlp_edit_frame *frame = &e->frames[--e->depth];
    e->added_bytes = frame->outer_added_bytes;
    e->removed_bytes = frame->outer_removed_bytes;
    return frame;
}

/* The tag and the length of a message that has `len` bytes now. */
static struct slice make_prefix(struct otlp_edit *e, uint32_t number, size_t len)
{
    uint8_t *memory = arena_alloc(e->arena, PREFIX_MAX_BYTES);
    if (memory == NULL) {
        e->err = FAULT_LIMIT;
        return (struct slice){0};
    }
    struct otlp_build b;
    otlp_build_init(&b, memory, PREFIX_MAX_BYTES);
    otlp_build_varint(&b, len);
    otlp_build_varint(&b, number << 3 | PB_WIRE_BYTES);
    ASSERT(b.err == 0);
    return otlp_build_since(&b, 0);
}

void otlp_edit_close(struct otlp_edit *e)
{
    size_t added_bytes = e->added_bytes;
    size_t removed_bytes = e->removed_bytes;
    const struct otlp_edit_frame *frame = pop(e);
    const struct otlp_field *field = &frame->field;
    ASSERT(removed_bytes <= field->content.len);
    if (e->err != 0) {
        return;
    }
    e->added_bytes += added_bytes;
    e->removed_bytes += removed_bytes;
    if (added_bytes != removed_bytes || frame->number != field->number) {
        struct otlp_splice *kept = &e->splices[frame->splice_index];
        kept->with =
            make_prefix(e, frame->number, field->content.len - removed_bytes + added_bytes);
        kept->removed_bytes = field->whole.len - field->content.len;
        e->added_bytes += kept->with.len;
        e->removed_bytes += kept->removed_bytes;
    } else if (e->splice_count == frame->splice_index + 1) {
        e->splice_count = frame->splice_index;
    }
}

void otlp_edit_close_undone(struct otlp_edit *e)
{
    const struct otlp_edit_frame *frame = pop(e);
    if (e->err == 0) {
        e->splice_count = frame->splice_index;
    }
}

void otlp_edit_close_dropped(struct otlp_edit *e)
{
    otlp_edit_close_undone(e);
    otlp_edit_remove(e, e->frames[e->depth].field.whole);
}

bool otlp_edit_is_changed(const struct otlp_edit *e)
{
    ASSERT(e->depth == 0);
    return e->splice_count > 0;
}

/* Merges the sorted runs [0, half) and [half, count) of `from` into `to`, the first one first. */
static void merge_runs(const struct otlp_splice *from, size_t half, size_t count,
                       struct otlp_splice *to)
{
    size_t left = 0;
    size_t right = half;
    for (size_t i = 0; i < count; i++) {
        bool is_right = left == half || (right < count && is_before(&from[right], &from[left]));
        to[i] = is_right ? from[right++] : from[left++];
    }
}

static int sort_splices(struct otlp_edit *e)
{
    size_t count = e->splice_count;
    struct otlp_splice *from = e->splices;
    struct otlp_splice *to = arena_alloc_array(e->arena, count, sizeof(*to));
    if (to == NULL) {
        return FAULT_LIMIT;
    }
    for (size_t half = 1; half < count; half *= 2) {
        for (size_t begin = 0; begin < count; begin += 2 * half) {
            size_t rest = count - begin;
            merge_runs(from + begin, half < rest ? half : rest, 2 * half < rest ? 2 * half : rest,
                       to + begin);
        }
        struct otlp_splice *merged = to;
        to = from;
        from = merged;
    }
    e->splices = from;
    e->splice_cap = count;
    e->is_unsorted = false;
    return 0;
}

/* Writes the edited source, of exactly `len` bytes. */
static void write_out(const struct otlp_edit *e, uint8_t *target, size_t len)
{
    const uint8_t *target_end = target + len;
    size_t done = 0;
    for (size_t i = 0; i < e->splice_count; i++) {
        const struct otlp_splice *splice = &e->splices[i];
        ASSERT(splice->offset >= done);
        size_t run = splice->offset - done;
        ASSERT(run + splice->with.len <= (size_t)(target_end - target));
        if (run > 0) {
            memcpy(target, e->source.ptr + done, run);
            target += run;
        }
        if (splice->with.len > 0) {
            memcpy(target, splice->with.ptr, splice->with.len);
            target += splice->with.len;
        }
        done = splice->offset + splice->removed_bytes;
    }
    size_t rest = e->source.len - done;
    ASSERT(rest == (size_t)(target_end - target));
    if (rest > 0) {
        memcpy(target, e->source.ptr + done, rest);
    }
}

int otlp_edit_finish(struct otlp_edit *e, struct slice *out, void **memory)
{
    ASSERT(e->depth == 0);
    ASSERT(e->err != 0 || e->removed_bytes <= e->source.len);
    if (e->err == 0 && e->is_unsorted) {
        e->err = sort_splices(e);
    }
    if (e->err != 0) {
        return e->err;
    }
    size_t len = e->source.len - e->removed_bytes + e->added_bytes;
    *memory = NULL;
    *out = (struct slice){0};
    if (len == 0) {
        return 0;
    }
    uint8_t *bytes = mem_resize(NULL, len); /* written from end to end, so not zeroed before */
    if (bytes == NULL) {
        return -ENOMEM;
    }
    write_out(e, bytes, len);
    *memory = bytes;
    *out = slice_of(bytes, len);
    return 0;
}

int otlp_edit_apply(struct otlp_edit *e, struct part *part, uint32_t item_count)
{
    ASSERT(part->bytes.ptr == e->source.ptr);
    ASSERT(part->bytes.len == e->source.len);
    if (e->err != 0 || !otlp_edit_is_changed(e)) {
        return e->err;
    }
    struct slice bytes = {0};
    void *memory = NULL;
    int err = otlp_edit_finish(e, &bytes, &memory);
    if (err != 0) {
        return err;
    }
    part_replace(part, memory, bytes, item_count);
    return 0;
}
