/* SPDX-License-Identifier: Apache-2.0 */
/*
 * metrics_transform_point — one data point: what it says, and what of it is written anew.
 *
 * A field that changes goes from where it stood, and comes back behind all others: order has no
 * meaning between fields of different numbers. See metrics_transform_metric.h.
 */
#include <string.h>

#include "core/base/fault.h"
#include "core/base/mem.h"
#include "core/otlp/otlp_build.h"
#include "core/processors/metrics_transform_metric.h"
#include "core/processors/metrics_transform_number.h"

enum {
    POINT_START = 2,
    POINT_TIME = 3,
    NUMBER_DOUBLE = 4,
    NUMBER_INT = 6,
    EXEMPLAR_DOUBLE = 3,
    EXEMPLAR_INT = 6,
};

/* A tag and a fixed64. */
#define FIXED64_FIELD_BYTES 9

static uint32_t exemplar_number(enum otlp_data data)
{
    switch (data) {
    case OTLP_DATA_GAUGE:
    case OTLP_DATA_SUM:
        return 5;
    case OTLP_DATA_HISTOGRAM:
        return 8;
    case OTLP_DATA_EXPHIST:
        return 11;
    case OTLP_DATA_SUMMARY:
        break;
    }
    return 0;
}

/* --- reading ---------------------------------------------------------------------------------- */

int transform_point_load(struct transform_point *point, enum otlp_data data, struct arena *arena)
{
    uint32_t number = otlp_item_attrs(SIGNAL_METRICS, data);
    struct pb_reader in = pb_reader_of(point->field.content);
    struct otlp_field field;
    size_t cap = 1; /* for a label that is added */
    if (point->has_labels) {
        return 0;
    }
    while (otlp_child_next(&in, number, &field)) {
        cap++;
    }
    otlp_attr_list_init(&point->labels, arena);
    point->labels.attrs = arena_alloc_array(arena, cap, sizeof(point->labels.attrs[0]));
    if (point->labels.attrs == NULL) {
        return FAULT_LIMIT;
    }
    point->labels.cap = cap;
    int err = otlp_attr_list_load(&point->labels, point->field.content, number);
    point->has_labels = err == 0;
    return err;
}

static double double_of(uint64_t bits)
{
    double value = 0;
    memcpy(&value, &bits, sizeof(value));
    return value;
}

/* The member of the oneof that counts, which is the last one. */
static struct transform_number read_number(struct slice message, uint32_t double_number,
                                           uint32_t int_number)
{
    struct transform_number value = {.kind = TRANSFORM_NO_NUMBER};
    struct pb_reader in = pb_reader_of(message);
    struct otlp_field field;
    while (otlp_field_next(&in, &field)) {
        if (field.number == double_number) {
            value = (struct transform_number){.kind = TRANSFORM_DOUBLE,
                                              .number = double_of(otlp_field_u64(&field))};
        } else if (field.number == int_number) {
            value = (struct transform_number){.kind = TRANSFORM_INT,
                                              .integer = (int64_t)otlp_field_u64(&field)};
        }
    }
    return value;
}

struct transform_number transform_point_number(const struct transform_point *point)
{
    if ((point->changes & TRANSFORM_CHANGED_VALUE) != 0) {
        return point->value;
    }
    return read_number(point->field.content, NUMBER_DOUBLE, NUMBER_INT);
}

void transform_point_set_number(struct transform_point *point, struct transform_number value)
{
    point->value = value;
    point->changes |= TRANSFORM_CHANGED_VALUE;
}

static uint64_t read_fixed64(const struct transform_point *point, uint32_t number)
{
    struct otlp_field field;
    return otlp_field_find(point->field.content, number, &field) ? otlp_field_u64(&field) : 0;
}

uint64_t transform_point_start(const struct transform_point *point)
{
    bool is_changed = (point->changes & TRANSFORM_CHANGED_START) != 0;
    return is_changed ? point->start_unix_ns : read_fixed64(point, POINT_START);
}

void transform_point_set_start(struct transform_point *point, uint64_t start_unix_ns)
{
    point->start_unix_ns = start_unix_ns;
    point->changes |= TRANSFORM_CHANGED_START;
}

uint64_t transform_point_time(const struct transform_point *point)
{
    return read_fixed64(point, POINT_TIME);
}

int transform_point_hist(const struct transform_point *point, enum otlp_data data,
                         struct arena *arena, const struct transform_hist **out)
{
    if ((point->changes & TRANSFORM_CHANGED_HIST) != 0) {
        *out = point->hist;
        return 0;
    }
    return transform_hist_read(point->field.content, data, arena, out);
}

void transform_point_set_hist(struct transform_point *point, const struct transform_hist *hist)
{
    point->hist = hist;
    point->changes |= TRANSFORM_CHANGED_HIST;
}

/* --- absorbing -------------------------------------------------------------------------------- */

static double exemplar_scale(const struct transform_point *point)
{
    return (point->changes & TRANSFORM_CHANGED_HIST) != 0 ? point->hist->exemplar_scale : 1;
}

/* Lists may be shared with copies of the point, so a list only grows at its beginning. */
static int absorb_one(struct transform_point *point, struct slice content, double scale,
                      struct arena *arena)
{
    struct transform_absorbed *absorbed = arena_alloc(arena, sizeof(*absorbed));
    if (absorbed == NULL) {
        return FAULT_LIMIT;
    }
    *absorbed = (struct transform_absorbed){
        .next = point->absorbed, .point = content, .exemplar_scale = scale};
    point->absorbed = absorbed;
    return 0;
}

/* What was absorbed, in the order it was; NULL where the arena refuses. */
static const struct transform_absorbed **list_absorbed(const struct transform_point *point,
                                                       struct arena *arena, size_t *count)
{
    const struct transform_absorbed *one = NULL;
    *count = 0;
    for (one = point->absorbed; one != NULL; one = one->next) {
        *count += 1;
    }
    const struct transform_absorbed **list = arena_alloc_array(arena, *count, sizeof(list[0]));
    size_t i = *count;
    for (one = point->absorbed; list != NULL && one != NULL; one = one->next) {
        i--;
        list[i] = one;
    }
    return list;
}

int transform_point_absorb(struct transform_point *point, struct transform_point *other,
                           struct arena *arena)
{
    size_t count = 0;
    ASSERT(!other->is_removed);
    other->is_removed = true;
    int err = absorb_one(point, other->field.content, exemplar_scale(other), arena);
    if (err != 0 || other->absorbed == NULL) {
        return err;
    }
    const struct transform_absorbed **inner = list_absorbed(other, arena, &count);
    err = inner == NULL ? FAULT_LIMIT : 0;
    for (size_t i = 0; err == 0 && i < count; i++) {
        err = absorb_one(point, inner[i]->point, inner[i]->exemplar_scale, arena);
    }
    return err;
}

/* --- writing ---------------------------------------------------------------------------------- */

void transform_edit_init(struct otlp_edit *edit, struct arena *arena, struct slice source,
                         struct otlp_splice room[TRANSFORM_SPLICES])
{
    otlp_edit_init(edit, arena, source);
    edit->splices = room;
    edit->splice_cap = TRANSFORM_SPLICES;
}

int transform_edit_finish(struct otlp_edit *edit, struct slice *out)
{
    struct slice bytes;
    void *memory = NULL;
    if (otlp_edit_finish(edit, &bytes, &memory) != 0) {
        return FAULT_LIMIT;
    }
    *out = arena_copy(edit->arena, bytes);
    mem_free(memory);
    return out->ptr == NULL ? FAULT_LIMIT : 0;
}

static void insert_at_end(struct otlp_edit *edit, struct slice message, struct slice field)
{
    if (field.ptr == NULL) {
        edit->err = FAULT_LIMIT;
        return;
    }
    otlp_edit_insert(edit, message.ptr + message.len, field);
}

static struct slice fixed64_field(struct arena *arena, uint32_t number, const void *value)
{
    uint8_t *memory = arena_alloc(arena, FIXED64_FIELD_BYTES);
    uint64_t bits = 0;
    if (memory == NULL) {
        return (struct slice){0};
    }
    struct otlp_build b;
    memcpy(&bits, value, sizeof(bits));
    otlp_build_init(&b, memory, FIXED64_FIELD_BYTES);
    otlp_build_fixed64_field(&b, number << 3 | PB_WIRE_FIXED64, bits);
    ASSERT(b.err == 0);
    return otlp_build_since(&b, 0);
}

/* The number as a member of a oneof with these two. */
static struct slice number_field(struct arena *arena, const struct transform_number *value,
                                 uint32_t double_number, uint32_t int_number)
{
    if (value->kind == TRANSFORM_INT) {
        return fixed64_field(arena, int_number, &value->integer);
    }
    return fixed64_field(arena, double_number, &value->number);
}

/* An exemplar with its value multiplied. Its ptr is NULL where the arena refuses. */
static struct slice scale_exemplar(const struct otlp_field *exemplar, double scale,
                                   struct arena *arena)
{
    struct transform_number value = read_number(exemplar->content, EXEMPLAR_DOUBLE, EXEMPLAR_INT);
    if (scale == 1 || value.kind == TRANSFORM_NO_NUMBER) {
        return exemplar->whole;
    }
    struct otlp_edit edit;
    struct otlp_splice room[TRANSFORM_SPLICES];
    struct pb_reader in = pb_reader_of(exemplar->content);
    struct otlp_field field;
    struct slice out = {0};
    value = transform_number_scale(value, scale);
    transform_edit_init(&edit, arena, exemplar->whole, room);
    otlp_edit_open(&edit, exemplar);
    while (otlp_field_next(&in, &field)) {
        if (field.number == EXEMPLAR_DOUBLE || field.number == EXEMPLAR_INT) {
            otlp_edit_remove(&edit, field.whole);
        }
    }
    insert_at_end(&edit, exemplar->content,
                  number_field(arena, &value, EXEMPLAR_DOUBLE, EXEMPLAR_INT));
    otlp_edit_close(&edit);
    return transform_edit_finish(&edit, &out) == 0 ? out : (struct slice){0};
}

/* Puts the exemplars in `content` at the end of `message`, the open one. */
static void insert_exemplars(struct otlp_edit *edit, struct slice message, struct slice content,
                             uint32_t number, double scale)
{
    struct pb_reader in = pb_reader_of(content);
    struct otlp_field exemplar;
    while (edit->err == 0 && otlp_child_next(&in, number, &exemplar)) {
        insert_at_end(edit, message, scale_exemplar(&exemplar, scale, edit->arena));
    }
}

/* Does that field of the point go, because it comes back with another value? */
static bool is_replaced(const struct transform_point *point, enum otlp_data data, uint32_t number)
{
    bool is_value = number == NUMBER_DOUBLE || number == NUMBER_INT;
    if ((point->changes & TRANSFORM_CHANGED_START) != 0 && number == POINT_START) {
        return true;
    }
    if ((point->changes & TRANSFORM_CHANGED_VALUE) != 0 && is_value) {
        return true;
    }
    if ((point->changes & TRANSFORM_CHANGED_HIST) == 0) {
        return false;
    }
    bool is_exemplar = number == exemplar_number(data);
    return transform_hist_owns(data, number) || (is_exemplar && exemplar_scale(point) != 1);
}

static void write_changes(const struct transform_point *point, enum otlp_data data,
                          struct otlp_edit *edit)
{
    struct slice content = point->field.content;
    struct pb_reader in = pb_reader_of(content);
    struct otlp_field field;
    while (otlp_field_next(&in, &field)) {
        if (is_replaced(point, data, field.number)) {
            otlp_edit_remove(edit, field.whole);
        }
    }
    if ((point->changes & TRANSFORM_CHANGED_START) != 0) {
        insert_at_end(edit, content,
                      fixed64_field(edit->arena, POINT_START, &point->start_unix_ns));
    }
    if ((point->changes & TRANSFORM_CHANGED_VALUE) != 0) {
        insert_at_end(edit, content,
                      number_field(edit->arena, &point->value, NUMBER_DOUBLE, NUMBER_INT));
    }
    if ((point->changes & TRANSFORM_CHANGED_HIST) != 0) {
        insert_at_end(edit, content, transform_hist_encode(point->hist, data, edit->arena));
        if (exemplar_scale(point) != 1) {
            insert_exemplars(edit, content, content, exemplar_number(data), exemplar_scale(point));
        }
    }
}

/* Exemplars of the points that became part of this one. */
static void write_absorbed(const struct transform_point *point, enum otlp_data data,
                           struct otlp_edit *edit)
{
    size_t count = 0;
    const struct transform_absorbed **list = list_absorbed(point, edit->arena, &count);
    if (list == NULL) {
        edit->err = FAULT_LIMIT;
        return;
    }
    for (size_t i = 0; i < count; i++) {
        insert_exemplars(edit, point->field.content, list[i]->point, exemplar_number(data),
                         list[i]->exemplar_scale);
    }
}

void transform_point_write(struct transform_point *point, enum otlp_data data,
                           struct otlp_edit *edit)
{
    ASSERT(!point->is_removed);
    bool has_new_labels = point->has_labels && point->labels.is_changed;
    if (!has_new_labels && point->changes == 0 && point->absorbed == NULL) {
        return;
    }
    otlp_edit_open(edit, &point->field);
    if (has_new_labels) {
        otlp_attr_list_flush(&point->labels, edit);
    }
    if (point->changes != 0) {
        write_changes(point, data, edit);
    }
    if (point->absorbed != NULL) {
        write_absorbed(point, data, edit);
    }
    otlp_edit_close(edit);
}
