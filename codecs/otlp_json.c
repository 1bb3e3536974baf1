/* SPDX-License-Identifier: Apache-2.0 */
/*
 * otlp_json — a decoded message, walked by its descriptor, becomes OTLP/JSON.
 *
 * The walk has its own stack, one frame per open object. Source: OTLP specification, "JSON Protobuf
 * Encoding"; protobuf's JSON mapping.
 */
#include "codecs/otlp_json.h"

#include <stdbool.h>
#include <string.h>

#include "codecs/json_out.h"
#include "codecs/otlp_json_field.h"
#include "core/base/bounds.h"
#include "core/otlp/pb_decode.h"

struct frame {
    const ProtobufCMessage *message;
    uint32_t field_index;
    size_t element_index; /* of the array under way */
};

struct encoder {
    struct json_out out;
    uint32_t depth;
    struct frame frames[PB_DEPTH_MAX];
};

static void put_field_name(struct json_out *out, const char *name)
{
    char camel[OTLP_JSON_NAME_MAX_BYTES];
    json_out_key(out, slice_of(camel, otlp_json_camel(name, camel)));
}

static void put_byte_field(struct json_out *out, const char *name, struct slice bytes)
{
    switch (otlp_json_spelling_of(name)) {
    case OTLP_JSON_TEXT:
        json_out_string(out, bytes);
        break;
    case OTLP_JSON_TRACE_ID:
    case OTLP_JSON_SPAN_ID:
        json_out_hex(out, bytes);
        break;
    case OTLP_JSON_BASE64:
        json_out_base64(out, bytes);
        break;
    }
}

static uint64_t load_u64(const void *ptr)
{
    uint64_t value;
    memcpy(&value, ptr, sizeof(value));
    return value;
}

static uint32_t load_u32(const void *ptr)
{
    uint32_t value;
    memcpy(&value, ptr, sizeof(value));
    return value;
}

/* Anything but a message. */
static void put_value(struct json_out *out, const ProtobufCFieldDescriptor *field, const void *ptr)
{
    double f64;
    float f32;
    ProtobufCBinaryData data;
    switch (field->type) {
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_SFIXED32:
    case PROTOBUF_C_TYPE_ENUM:
        json_out_i64(out, (int32_t)load_u32(ptr));
        break;
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_FIXED32:
        json_out_u64(out, load_u32(ptr));
        break;
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
        json_out_i64_text(out, (int64_t)load_u64(ptr));
        break;
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
        json_out_u64_text(out, load_u64(ptr));
        break;
    case PROTOBUF_C_TYPE_FLOAT:
        memcpy(&f32, ptr, sizeof(f32));
        json_out_f64(out, (double)f32);
        break;
    case PROTOBUF_C_TYPE_DOUBLE:
        memcpy(&f64, ptr, sizeof(f64));
        json_out_f64(out, f64);
        break;
    case PROTOBUF_C_TYPE_BOOL:
        json_out_bool(out, load_u32(ptr) != 0);
        break;
    case PROTOBUF_C_TYPE_BYTES:
        memcpy(&data, ptr, sizeof(data));
        put_byte_field(out, field->name, pb_slice(data));
        break;
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_MESSAGE:
        ASSERT(field->type == PROTOBUF_C_TYPE_BYTES); /* not in this schema, not here */
        break;
    }
}

static size_t element_bytes(ProtobufCType type)
{
    switch (type) {
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_DOUBLE:
        return sizeof(uint64_t);
    case PROTOBUF_C_TYPE_BYTES:
        return sizeof(ProtobufCBinaryData);
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_MESSAGE:
        return sizeof(void *);
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_SFIXED32:
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_FIXED32:
    case PROTOBUF_C_TYPE_FLOAT:
    case PROTOBUF_C_TYPE_ENUM:
    case PROTOBUF_C_TYPE_BOOL:
        break;
    }
    return sizeof(uint32_t);
}

static bool is_present(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field)
{
    const uint8_t *base = (const uint8_t *)message;
    if ((field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0) {
        return load_u32(base + field->quantifier_offset) == field->id;
    }
    if (field->type == PROTOBUF_C_TYPE_MESSAGE) {
        const void *child;
        memcpy(&child, base + field->offset, sizeof(child));
        return child != NULL;
    }
    if (load_u32(base + field->quantifier_offset) == 0) {
        return false;
    }
    ProtobufCBinaryData data = {.len = 1};
    if (field->type == PROTOBUF_C_TYPE_BYTES) {
        memcpy(&data, base + field->offset, sizeof(data));
    }
    return data.len > 0;
}

static void push_message(struct encoder *e, const void *pointer_to_message)
{
    ASSERT(e->depth < PB_DEPTH_MAX); /* pb_decode counted the same levels */
    struct frame f = {0};
    memcpy(&f.message, pointer_to_message, sizeof(f.message));
    e->frames[e->depth++] = f;
    json_out_open(&e->out, '{');
}

/* A member or an element; an object opens a frame. */
static void put_any(struct encoder *e, const ProtobufCFieldDescriptor *field, const void *ptr)
{
    if (field->type == PROTOBUF_C_TYPE_MESSAGE) {
        push_message(e, ptr);
    } else {
        put_value(&e->out, field, ptr);
    }
}

static void step_single(struct encoder *e, struct frame *f, const ProtobufCFieldDescriptor *field)
{
    f->field_index++;
    if (is_present(f->message, field)) {
        put_field_name(&e->out, field->name);
        put_any(e, field, (const uint8_t *)f->message + field->offset);
    }
}

static void step_array(struct encoder *e, struct frame *f, const ProtobufCFieldDescriptor *field)
{
    const uint8_t *base = (const uint8_t *)f->message;
    size_t count;
    const uint8_t *elements;
    memcpy(&count, base + field->quantifier_offset, sizeof(count));
    memcpy(&elements, base + field->offset, sizeof(elements));
    if (count > 0 && f->element_index == 0) {
        put_field_name(&e->out, field->name);
        json_out_open(&e->out, '[');
    }
    if (f->element_index < count) {
        size_t index = f->element_index++;
        put_any(e, field, elements + index * element_bytes(field->type));
        return;
    }
    if (count > 0) {
        json_out_close(&e->out, ']');
    }
    f->element_index = 0;
    f->field_index++;
}

/* One member, one element, or the end of an object. */
static void step(struct encoder *e)
{
    struct frame *f = &e->frames[e->depth - 1];
    if (f->field_index == f->message->descriptor->n_fields) {
        json_out_close(&e->out, '}');
        e->depth--;
        return;
    }
    const ProtobufCFieldDescriptor *field = &f->message->descriptor->fields[f->field_index];
    if (field->label == PROTOBUF_C_LABEL_REPEATED) {
        step_array(e, f, field);
    } else {
        step_single(e, f, field);
    }
}

int otlp_json_encode(const ProtobufCMessageDescriptor *descriptor, struct slice wire,
                     struct arena *arena, struct bytes *out)
{
    ProtobufCMessage *message = NULL;
    int err = pb_decode(descriptor, wire, arena, NULL, &message);
    if (err != 0) {
        return err;
    }
    struct encoder e;
    e.out = json_out_of(out);
    e.depth = 0;
    push_message(&e, &message);
    while (e.depth > 0 && out->err == 0) {
        step(&e);
    }
    return out->err;
}
