/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pb_decode — a walk over bytes and descriptors at once, with its own stack.
 *
 * One frame per open message. The first repeated field that a message shows makes its frame count
 * the rest of that message, so that each array is allocated once and exactly. Layouts follow
 * protobuf-c 1.4: a quantifier (has_, n_ or the oneof's case) and a member at offsets that the
 * field descriptor names.
 */
#include "core/otlp/pb_decode.h"

#include <stdbool.h>
#include <string.h>

#include "core/base/fault.h"
#include "core/otlp/pb_wire.h"

struct frame {
    const ProtobufCMessageDescriptor *descriptor;
    ProtobufCMessage *message;
    struct pb_reader in;
    uint32_t hint_index; /* of the field that probably comes next */
    bool is_counted;     /* arrays have room for all that follows in this message */
};

struct decoder {
    struct arena *arena;
    uint32_t depth_max;
    uint32_t depth;
    struct frame frames[PB_DEPTH_MAX];
};

static void *member_of(const struct frame *f, const ProtobufCFieldDescriptor *field)
{
    return (uint8_t *)f->message + field->offset;
}

static void *quantifier_of(const struct frame *f, const ProtobufCFieldDescriptor *field)
{
    return (uint8_t *)f->message + field->quantifier_offset;
}

/* How each type lies in the generated struct and on the wire; read for each field, so a table. */
static const struct {
    uint8_t element_bytes;
    uint8_t wire_type;
} layouts[] = {
    [PROTOBUF_C_TYPE_INT32] = {sizeof(int32_t), PB_WIRE_VARINT},
    [PROTOBUF_C_TYPE_SINT32] = {sizeof(int32_t), PB_WIRE_VARINT},
    [PROTOBUF_C_TYPE_SFIXED32] = {sizeof(int32_t), PB_WIRE_FIXED32},
    [PROTOBUF_C_TYPE_INT64] = {sizeof(int64_t), PB_WIRE_VARINT},
    [PROTOBUF_C_TYPE_SINT64] = {sizeof(int64_t), PB_WIRE_VARINT},
    [PROTOBUF_C_TYPE_SFIXED64] = {sizeof(int64_t), PB_WIRE_FIXED64},
    [PROTOBUF_C_TYPE_UINT32] = {sizeof(uint32_t), PB_WIRE_VARINT},
    [PROTOBUF_C_TYPE_FIXED32] = {sizeof(uint32_t), PB_WIRE_FIXED32},
    [PROTOBUF_C_TYPE_UINT64] = {sizeof(uint64_t), PB_WIRE_VARINT},
    [PROTOBUF_C_TYPE_FIXED64] = {sizeof(uint64_t), PB_WIRE_FIXED64},
    [PROTOBUF_C_TYPE_FLOAT] = {sizeof(float), PB_WIRE_FIXED32},
    [PROTOBUF_C_TYPE_DOUBLE] = {sizeof(double), PB_WIRE_FIXED64},
    [PROTOBUF_C_TYPE_BOOL] = {sizeof(protobuf_c_boolean), PB_WIRE_VARINT},
    [PROTOBUF_C_TYPE_ENUM] = {sizeof(uint32_t), PB_WIRE_VARINT},
    [PROTOBUF_C_TYPE_STRING] = {sizeof(void *), PB_WIRE_BYTES}, /* not in this schema */
    [PROTOBUF_C_TYPE_BYTES] = {sizeof(ProtobufCBinaryData), PB_WIRE_BYTES},
    [PROTOBUF_C_TYPE_MESSAGE] = {sizeof(void *), PB_WIRE_BYTES},
};

static size_t element_bytes(ProtobufCType type)
{
    return layouts[type].element_bytes;
}

static uint32_t wire_type_of(ProtobufCType type)
{
    return layouts[type].wire_type;
}

/* Stores a scalar as its type wants it; `wire` is the varint or the fixed-width bits. */
static void store_scalar(ProtobufCType type, void *target, uint64_t wire)
{
    uint64_t value = wire;
    if (type == PROTOBUF_C_TYPE_SINT32) {
        value = (uint32_t)wire;
    }
    if (type == PROTOBUF_C_TYPE_SINT32 || type == PROTOBUF_C_TYPE_SINT64) {
        value = (value >> 1) ^ (0 - (value & 1));
    } else if (type == PROTOBUF_C_TYPE_BOOL) {
        value = wire != 0 ? 1 : 0;
    }
    if (element_bytes(type) == sizeof(uint64_t)) {
        memcpy(target, &value, sizeof(value));
        return;
    }
    uint32_t narrow = (uint32_t)value;
    memcpy(target, &narrow, sizeof(narrow));
}

/* Reads one scalar in the wire form of its type. */
static int read_scalar(struct pb_reader *in, ProtobufCType type, void *target)
{
    uint64_t wire = 0;
    uint32_t narrow = 0;
    int err = 0;
    switch (wire_type_of(type)) {
    case PB_WIRE_VARINT:
        err = pb_read_varint(in, &wire);
        break;
    case PB_WIRE_FIXED64:
        err = pb_read_fixed64(in, &wire);
        break;
    default:
        err = pb_read_fixed32(in, &narrow);
        wire = narrow;
        break;
    }
    if (err == 0) {
        store_scalar(type, target, wire);
    }
    return err;
}

static bool is_scalar(ProtobufCType type)
{
    return wire_type_of(type) != PB_WIRE_BYTES;
}

/* The next number is nearly always the hinted one or a little further: fields mostly ascend. */
static const ProtobufCFieldDescriptor *find_field(struct frame *f, uint32_t number)
{
    const ProtobufCMessageDescriptor *d = f->descriptor;
    for (uint32_t i = f->hint_index; i < d->n_fields && d->fields[i].id <= number; i++) {
        if (d->fields[i].id == number) {
            f->hint_index = i;
            return &d->fields[i];
        }
    }
    for (uint32_t i = 0; i < f->hint_index && i < d->n_fields; i++) {
        if (d->fields[i].id == number) {
            f->hint_index = i;
            return &d->fields[i];
        }
    }
    return NULL;
}

/* How many elements a packed run holds. 0 or a fault. */
static int count_packed(ProtobufCType type, struct slice run, size_t *count)
{
    *count = 0;
    if (wire_type_of(type) != PB_WIRE_VARINT) {
        *count = run.len / element_bytes(type);
        return run.len % element_bytes(type) == 0 ? 0 : FAULT_TRUNCATED;
    }
    for (size_t i = 0; i < run.len; i++) {
        *count += run.ptr[i] < 0x80 ? 1 : 0;
    }
    return 0;
}

/* Steps over one field and adds the elements it brings to `counts`. */
static int count_field(struct decoder *d, struct frame *f, size_t *counts)
{
    uint32_t number = 0;
    uint32_t wire_type = 0;
    int err = pb_read_tag(&f->in, &number, &wire_type);
    if (err != 0) {
        return err;
    }
    const ProtobufCFieldDescriptor *field = find_field(f, number);
    if (field == NULL || field->label != PROTOBUF_C_LABEL_REPEATED) {
        return pb_skip_field(&f->in, number, wire_type, d->depth_max);
    }
    size_t added = 1;
    if (is_scalar(field->type) && wire_type == PB_WIRE_BYTES) {
        struct slice run = {0};
        err = pb_read_bytes(&f->in, &run);
        if (err == 0) {
            err = count_packed(field->type, run, &added);
        }
    } else {
        err = pb_skip_field(&f->in, number, wire_type, d->depth_max);
    }
    counts[f->hint_index] += added;
    return err;
}

/* Room for `added` more elements behind those an earlier piece of the same message brought. */
static int extend_array(struct arena *arena, const struct frame *f,
                        const ProtobufCFieldDescriptor *field, size_t added)
{
    size_t size = element_bytes(field->type);
    size_t *count = quantifier_of(f, field);
    void **member = member_of(f, field);
    /* A count never exceeds the input's length, so the sum cannot wrap. */
    void *elements = arena_alloc_array(arena, *count + added, size);
    if (elements == NULL) {
        return FAULT_LIMIT;
    }
    if (*count > 0) {
        memcpy(elements, *member, *count * size);
    }
    *member = elements;
    return 0;
}

/* Allocates the arrays for what stands in the message from `rest` on. */
static int count_arrays(struct decoder *d, const struct frame *f, struct pb_reader rest)
{
    size_t counts[PB_FIELDS_MAX] = {0};
    struct frame probe = *f;
    probe.in = rest;
    probe.hint_index = 0;
    while (probe.in.pos != probe.in.end) {
        int err = count_field(d, &probe, counts);
        if (err != 0) {
            return err;
        }
    }
    for (uint32_t i = 0; i < f->descriptor->n_fields; i++) {
        if (counts[i] == 0) {
            continue;
        }
        int err = extend_array(d->arena, f, &f->descriptor->fields[i], counts[i]);
        if (err != 0) {
            return err;
        }
    }
    return 0;
}

/* Opens a frame for `bytes`, to be read into `message`. */
static int push_frame(struct decoder *d, const ProtobufCMessageDescriptor *descriptor,
                      ProtobufCMessage *message, struct slice bytes)
{
    ASSERT(descriptor->n_fields <= PB_FIELDS_MAX);
    if (d->depth == d->depth_max) {
        return FAULT_LIMIT;
    }
    d->frames[d->depth++] =
        (struct frame){.descriptor = descriptor, .message = message, .in = pb_reader_of(bytes)};
    return 0;
}

static ProtobufCMessage *new_message(struct arena *arena,
                                     const ProtobufCMessageDescriptor *descriptor)
{
    ProtobufCMessage *message = arena_alloc(arena, descriptor->sizeof_message);
    if (message != NULL) {
        descriptor->message_init(message);
    }
    return message;
}

/* A text, bytes or message value into its place; a message opens a frame. */
static int take_bytes(struct decoder *d, const ProtobufCFieldDescriptor *field, void *target,
                      bool is_fresh)
{
    struct slice value = {0};
    int err = pb_read_bytes(&d->frames[d->depth - 1].in, &value);
    if (err != 0) {
        return err;
    }
    if (field->type == PROTOBUF_C_TYPE_BYTES) {
        /* protobuf-c's struct has no const; the contract forbids writing. */
        ProtobufCBinaryData data = {.len = value.len, .data = (uint8_t *)(uintptr_t)value.ptr};
        memcpy(target, &data, sizeof(data));
        return 0;
    }
    ProtobufCMessage **slot = target;
    if (is_fresh || *slot == NULL) {
        *slot = new_message(d->arena, field->descriptor);
    }
    if (*slot == NULL) {
        return FAULT_LIMIT;
    }
    return push_frame(d, field->descriptor, *slot, value);
}

static int take_packed(struct frame *f, const ProtobufCFieldDescriptor *field)
{
    struct slice run = {0};
    int err = pb_read_bytes(&f->in, &run);
    size_t *count = quantifier_of(f, field);
    uint8_t **elements = member_of(f, field);
    struct pb_reader in = pb_reader_of(run);
    if (err == 0 && run.len > 0 && *elements == NULL) {
        return FAULT_TRUNCATED; /* no element of it is whole, so no room was made */
    }
    while (err == 0 && in.pos != in.end) {
        err = read_scalar(&in, field->type, *elements + *count * element_bytes(field->type));
        *count += 1;
    }
    return err;
}

/* The arrays have room: count_arrays saw the same bytes. */
static int take_repeated(struct decoder *d, struct frame *f, const ProtobufCFieldDescriptor *field,
                         uint32_t wire_type)
{
    if (is_scalar(field->type) && wire_type == PB_WIRE_BYTES) {
        return take_packed(f, field);
    }
    size_t *count = quantifier_of(f, field);
    uint8_t **elements = member_of(f, field);
    void *target = *elements + *count * element_bytes(field->type);
    *count += 1;
    if (is_scalar(field->type)) {
        return read_scalar(&f->in, field->type, target);
    }
    return take_bytes(d, field, target, true);
}

static int take_single(struct decoder *d, struct frame *f, const ProtobufCFieldDescriptor *field)
{
    bool is_oneof = (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0;
    if (is_oneof) {
        uint32_t number = field->id;
        memcpy(quantifier_of(f, field), &number, sizeof(number));
    } else if (field->type != PROTOBUF_C_TYPE_MESSAGE) {
        protobuf_c_boolean has = 1;
        memcpy(quantifier_of(f, field), &has, sizeof(has));
    }
    if (is_scalar(field->type)) {
        return read_scalar(&f->in, field->type, member_of(f, field));
    }
    return take_bytes(d, field, member_of(f, field), is_oneof);
}

/* Reads one field of the innermost open message. */
static int decode_field(struct decoder *d)
{
    struct frame *f = &d->frames[d->depth - 1];
    /* Only the position: a copy of the reader would load 16 bytes of which 8 were just stored. */
    const uint8_t *before = f->in.pos;
    uint32_t number = 0;
    uint32_t wire_type = 0;
    int err = pb_read_tag(&f->in, &number, &wire_type);
    if (err != 0) {
        return err;
    }
    const ProtobufCFieldDescriptor *field = find_field(f, number);
    if (field == NULL) {
        return pb_skip_field(&f->in, number, wire_type, d->depth_max);
    }
    bool is_repeated = field->label == PROTOBUF_C_LABEL_REPEATED;
    bool is_packed = is_repeated && is_scalar(field->type) && wire_type == PB_WIRE_BYTES;
    if (wire_type != wire_type_of(field->type) && !is_packed) {
        return FAULT_MALFORMED;
    }
    if (!is_repeated) {
        return take_single(d, f, field);
    }
    if (!f->is_counted) {
        f->is_counted = true;
        err = count_arrays(d, f, (struct pb_reader){.pos = before, .end = f->in.end});
    }
    return err != 0 ? err : take_repeated(d, f, field, wire_type);
}

int pb_decode(const ProtobufCMessageDescriptor *descriptor, struct slice bytes, struct arena *arena,
              const struct pb_limits *limits, ProtobufCMessage **out)
{
    struct decoder d; /* its frames are filled as they open; 4 KiB are not cleared in vain */
    d.arena = arena;
    d.depth = 0;
    d.depth_max = limits == NULL ? PB_DEPTH_MAX : limits->depth_max;
    ASSERT(d.depth_max >= 1);
    ASSERT(d.depth_max <= PB_DEPTH_MAX);

    ProtobufCMessage *root = new_message(arena, descriptor);
    if (root == NULL) {
        return FAULT_LIMIT;
    }
    int err = push_frame(&d, descriptor, root, bytes);
    while (err == 0 && d.depth > 0) {
        struct frame *f = &d.frames[d.depth - 1];
        if (f->in.pos == f->in.end) {
            d.depth--;
        } else {
            err = decode_field(&d);
        }
    }
    if (err == 0) {
        *out = root;
    }
    return err;
}
