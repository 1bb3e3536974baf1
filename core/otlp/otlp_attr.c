/* SPDX-License-Identifier: Apache-2.0 */
/*
 * otlp_attr — reading and writing of attributes; see otlp_attr.h.
 *
 * Texts are never copied: a value that is set borrows until the edit is finished, and only then its
 * bytes go where they belong.
 */
#include "core/otlp/otlp_attr.h"

#include <string.h>

#include "core/base/fault.h"
#include "core/otlp/otlp_build.h"
#include "core/otlp/otlp_edit.h"

#define LIST_FIRST_CAP 16
/* Tag and length of the field, of the key, of the value and of its member. */
#define ATTR_OVERHEAD_BYTES (4 * (5 + 10))

/* KeyValue and AnyValue. */
enum {
    NUMBER_KEY = 1,
    NUMBER_VALUE = 2,
    NUMBER_STRING = 1,
    NUMBER_BOOL = 2,
    NUMBER_INT = 3,
    NUMBER_DOUBLE = 4,
    NUMBER_ARRAY = 5,
    NUMBER_KVLIST = 6,
    NUMBER_BYTES = 7,
    TAG_KEY = NUMBER_KEY << 3 | PB_WIRE_BYTES,
    TAG_VALUE = NUMBER_VALUE << 3 | PB_WIRE_BYTES,
    TAG_STRING = NUMBER_STRING << 3 | PB_WIRE_BYTES,
    TAG_BOOL = NUMBER_BOOL << 3 | PB_WIRE_VARINT,
    TAG_INT = NUMBER_INT << 3 | PB_WIRE_VARINT,
    TAG_DOUBLE = NUMBER_DOUBLE << 3 | PB_WIRE_FIXED64,
    TAG_ARRAY = NUMBER_ARRAY << 3 | PB_WIRE_BYTES,
    TAG_KVLIST = NUMBER_KVLIST << 3 | PB_WIRE_BYTES,
    TAG_BYTES = NUMBER_BYTES << 3 | PB_WIRE_BYTES,
};

static struct otlp_value bytes_value(enum otlp_value_kind kind, struct slice bytes)
{
    return (struct otlp_value){.kind = kind, .bytes = bytes};
}

static double double_of(uint64_t bits)
{
    double value = 0;
    memcpy(&value, &bits, sizeof(value));
    return value;
}

/* A member of the oneof takes the place of what was there; other fields change nothing. */
static void value_take(struct otlp_value *value, const struct otlp_field *field)
{
    switch (field->number) {
    case NUMBER_STRING:
        *value = bytes_value(OTLP_VALUE_STRING, field->content);
        break;
    case NUMBER_BOOL:
        *value =
            (struct otlp_value){.kind = OTLP_VALUE_BOOL, .boolean = otlp_field_u64(field) != 0};
        break;
    case NUMBER_INT:
        *value =
            (struct otlp_value){.kind = OTLP_VALUE_INT, .integer = (int64_t)otlp_field_u64(field)};
        break;
    case NUMBER_DOUBLE:
        *value = (struct otlp_value){.kind = OTLP_VALUE_DOUBLE,
                                     .number = double_of(otlp_field_u64(field))};
        break;
    case NUMBER_ARRAY:
        *value = bytes_value(OTLP_VALUE_ARRAY, field->content);
        break;
    case NUMBER_KVLIST:
        *value = bytes_value(OTLP_VALUE_KVLIST, field->content);
        break;
    case NUMBER_BYTES:
        *value = bytes_value(OTLP_VALUE_BYTES, field->content);
        break;
    default:
        break;
    }
}

/* Reads the members of `any_value` over what `value` says already. */
static void value_merge(struct otlp_value *value, struct slice any_value)
{
    struct pb_reader in = pb_reader_of(any_value);
    struct otlp_field field;
    while (otlp_field_next(&in, &field)) {
        value_take(value, &field);
    }
}

struct otlp_value otlp_value_read(struct slice any_value)
{
    struct otlp_value value = {.kind = OTLP_VALUE_EMPTY};
    value_merge(&value, any_value);
    return value;
}

struct otlp_attr otlp_attr_read(struct slice key_value)
{
    struct otlp_attr attr = {.value = {.kind = OTLP_VALUE_EMPTY}};
    struct pb_reader in = pb_reader_of(key_value);
    struct otlp_field field;
    while (otlp_field_next(&in, &field)) {
        if (field.number == NUMBER_KEY) {
            attr.key = field.content;
        } else if (field.number == NUMBER_VALUE) {
            value_merge(&attr.value, field.content);
        }
    }
    return attr;
}

bool otlp_attr_next(struct pb_reader *in, uint32_t number, struct otlp_attr *out)
{
    struct otlp_field field;
    if (!otlp_child_next(in, number, &field)) {
        return false;
    }
    *out = otlp_attr_read(field.content);
    out->whole = field.whole;
    return true;
}

bool otlp_attr_find(struct slice message, uint32_t number, struct slice key, struct otlp_attr *out)
{
    struct pb_reader in = pb_reader_of(message);
    struct otlp_attr attr;
    while (otlp_attr_next(&in, number, &attr)) {
        if (slice_equal(attr.key, key)) {
            *out = attr;
            return true;
        }
    }
    return false;
}

bool otlp_value_equal(const struct otlp_value *a, const struct otlp_value *b)
{
    if (a->kind != b->kind) {
        return false;
    }
    switch (a->kind) {
    case OTLP_VALUE_EMPTY:
        return true;
    case OTLP_VALUE_BOOL:
        return a->boolean == b->boolean;
    case OTLP_VALUE_INT:
        return a->integer == b->integer;
    case OTLP_VALUE_DOUBLE:
        return memcmp(&a->number, &b->number, sizeof(a->number)) == 0;
    case OTLP_VALUE_STRING:
    case OTLP_VALUE_ARRAY:
    case OTLP_VALUE_KVLIST:
    case OTLP_VALUE_BYTES:
        return slice_equal(a->bytes, b->bytes);
    }
    return false;
}

static bool has_bytes(enum otlp_value_kind kind)
{
    return kind == OTLP_VALUE_STRING || kind == OTLP_VALUE_ARRAY || kind == OTLP_VALUE_KVLIST ||
           kind == OTLP_VALUE_BYTES;
}

static void build_value(struct otlp_build *b, const struct otlp_value *value)
{
    switch (value->kind) {
    case OTLP_VALUE_EMPTY:
        break;
    case OTLP_VALUE_STRING:
        otlp_build_text_field(b, TAG_STRING, value->bytes);
        break;
    case OTLP_VALUE_BOOL:
        otlp_build_varint_field(b, TAG_BOOL, value->boolean ? 1 : 0);
        break;
    case OTLP_VALUE_INT:
        otlp_build_varint_field(b, TAG_INT, (uint64_t)value->integer);
        break;
    case OTLP_VALUE_DOUBLE:
        otlp_build_double_field(b, TAG_DOUBLE, value->number);
        break;
    case OTLP_VALUE_ARRAY:
        otlp_build_text_field(b, TAG_ARRAY, value->bytes);
        break;
    case OTLP_VALUE_KVLIST:
        otlp_build_text_field(b, TAG_KVLIST, value->bytes);
        break;
    case OTLP_VALUE_BYTES:
        otlp_build_text_field(b, TAG_BYTES, value->bytes);
        break;
    }
}

struct slice otlp_attr_encode(struct arena *arena, uint32_t number, struct slice key,
                              const struct otlp_value *value)
{
    size_t room = has_bytes(value->kind) ? value->bytes.len : 0;
    if (key.len > SIZE_MAX - ATTR_OVERHEAD_BYTES - room) {
        return (struct slice){0};
    }
    room += key.len + ATTR_OVERHEAD_BYTES;
    uint8_t *memory = arena_alloc(arena, room);
    if (memory == NULL) {
        return (struct slice){0};
    }
    struct otlp_build b;
    otlp_build_init(&b, memory, room);
    build_value(&b, value);
    otlp_build_close(&b, 0, TAG_VALUE);
    otlp_build_text_field(&b, TAG_KEY, key);
    otlp_build_close(&b, 0, number << 3 | PB_WIRE_BYTES);
    ASSERT(b.err == 0);
    return otlp_build_since(&b, 0);
}

void otlp_attr_list_init(struct otlp_attr_list *list, struct arena *arena)
{
    *list = (struct otlp_attr_list){.arena = arena};
}

/* Room for one more. */
static int list_grow(struct otlp_attr_list *list)
{
    if (list->count < list->cap) {
        return 0;
    }
    size_t cap = list->cap == 0 ? LIST_FIRST_CAP : 2 * list->cap;
    struct otlp_attr *attrs = arena_alloc_array(list->arena, cap, sizeof(*attrs));
    if (attrs == NULL) {
        return FAULT_LIMIT;
    }
    if (list->count > 0) {
        memcpy(attrs, list->attrs, list->count * sizeof(*attrs));
    }
    list->attrs = attrs;
    list->cap = cap;
    return 0;
}

int otlp_attr_list_load(struct otlp_attr_list *list, struct slice message, uint32_t number)
{
    ASSERT(number > 0);
    list->count = 0;
    list->message = message;
    list->number = number;
    list->is_changed = false;
    struct pb_reader in = pb_reader_of(message);
    struct otlp_attr attr;
    while (otlp_attr_next(&in, number, &attr)) {
        int err = list_grow(list);
        if (err != 0) {
            return err;
        }
        list->attrs[list->count++] = attr;
    }
    return 0;
}

struct otlp_attr *otlp_attr_list_find(const struct otlp_attr_list *list, struct slice key)
{
    for (size_t i = 0; i < list->count; i++) {
        if (!list->attrs[i].is_removed && slice_equal(list->attrs[i].key, key)) {
            return &list->attrs[i];
        }
    }
    return NULL;
}

void otlp_attr_list_set(struct otlp_attr_list *list, struct otlp_attr *attr,
                        struct otlp_value value)
{
    ASSERT(!attr->is_removed);
    if (otlp_value_equal(&attr->value, &value)) {
        return;
    }
    attr->value = value;
    attr->is_changed = true;
    list->is_changed = true;
}

int otlp_attr_list_put(struct otlp_attr_list *list, struct slice key, struct otlp_value value)
{
    struct otlp_attr *attr = otlp_attr_list_find(list, key);
    if (attr != NULL) {
        otlp_attr_list_set(list, attr, value);
        return 0;
    }
    int err = list_grow(list);
    if (err != 0) {
        return err;
    }
    list->attrs[list->count++] = (struct otlp_attr){.key = key, .value = value, .is_changed = true};
    list->is_changed = true;
    return 0;
}

void otlp_attr_list_remove(struct otlp_attr_list *list, struct otlp_attr *attr)
{
    ASSERT(!attr->is_removed);
    attr->is_removed = true;
    list->is_changed = true;
}

static void flush_attr(const struct otlp_attr_list *list, const struct otlp_attr *attr,
                       struct otlp_edit *edit)
{
    bool is_new = attr->whole.len == 0;
    if (attr->is_removed) {
        if (!is_new) {
            otlp_edit_remove(edit, attr->whole);
        }
        return;
    }
    if (!attr->is_changed) {
        return;
    }
    struct slice bytes = otlp_attr_encode(list->arena, list->number, attr->key, &attr->value);
    if (bytes.ptr == NULL) {
        edit->err = FAULT_LIMIT;
        return;
    }
    if (is_new) {
        otlp_edit_insert(edit, list->message.ptr + list->message.len, bytes);
        return;
    }
    otlp_edit_replace(edit, attr->whole, bytes);
}

void otlp_attr_list_flush(struct otlp_attr_list *list, struct otlp_edit *edit)
{
    ASSERT(edit->depth == 0 ||
           edit->frames[edit->depth - 1].field.content.ptr == list->message.ptr);
    if (!list->is_changed) {
        return;
    }
    for (size_t i = 0; i < list->count; i++) {
        flush_attr(list, &list->attrs[i], edit);
    }
    list->is_changed = false;
}
