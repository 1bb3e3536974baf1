/* SPDX-License-Identifier: Apache-2.0 */
/*
 * otlp_json_wire — pieces of the protobuf wire format, and lengths that are known late.
 *
 * Source: protobuf encoding guide.
 */
#include "codecs/otlp_json_wire.h"

#include <string.h>

#include "core/base/bounds.h"
#include "core/base/fault.h"

#define ONE_BYTE_VARINT_MAX 127
/* Lengths that stand around each other: messages, and a packed run innermost. */
#define OPEN_MAX (PB_DEPTH_MAX + 1)

struct note {
    uint32_t offset; /* of the length byte, from where the output begins */
    uint32_t len;
};

static size_t varint_bytes(uint64_t value)
{
    uint32_t bits = 64 - (uint32_t)__builtin_clzll(value | 1);
    return (bits + 6) / 7;
}

size_t otlp_json_put_varint(uint8_t *out, uint64_t value)
{
    size_t len = 0;
    while (value > ONE_BYTE_VARINT_MAX) {
        out[len++] = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    out[len++] = (uint8_t)value;
    return len;
}

enum pb_wire_type otlp_json_wire_type(ProtobufCType type)
{
    switch (type) {
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_BOOL:
    case PROTOBUF_C_TYPE_ENUM:
        return PB_WIRE_VARINT;
    case PROTOBUF_C_TYPE_SFIXED32:
    case PROTOBUF_C_TYPE_FIXED32:
    case PROTOBUF_C_TYPE_FLOAT:
        return PB_WIRE_FIXED32;
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_DOUBLE:
        return PB_WIRE_FIXED64;
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_BYTES:
    case PROTOBUF_C_TYPE_MESSAGE:
        break;
    }
    return PB_WIRE_BYTES;
}

size_t otlp_json_put_tag(uint8_t *out, const ProtobufCFieldDescriptor *field,
                         enum pb_wire_type wire_type)
{
    return otlp_json_put_varint(out, (uint64_t)field->id << 3 | wire_type);
}

size_t otlp_json_put_scalar(uint8_t *out, enum pb_wire_type wire_type, uint64_t wire)
{
    ASSERT(wire_type != PB_WIRE_BYTES);
    if (wire_type == PB_WIRE_VARINT) {
        return otlp_json_put_varint(out, wire);
    }
    size_t len = wire_type == PB_WIRE_FIXED64 ? 8 : 4;
    for (size_t i = 0; i < len; i++) {
        out[i] = (uint8_t)(wire >> (8 * i));
    }
    return len;
}

size_t otlp_json_note_count(const struct otlp_json_wire *wire)
{
    return wire->notes.len / sizeof(struct note);
}

static struct note note_at(const struct otlp_json_wire *wire, size_t index)
{
    ASSERT(index < otlp_json_note_count(wire));
    struct note note;
    memcpy(&note, wire->notes.ptr + index * sizeof(note), sizeof(note));
    return note;
}

int otlp_json_close_length(struct otlp_json_wire *wire, size_t body_first, size_t len,
                           size_t *extra_bytes)
{
    ASSERT(body_first > wire->base);
    if (len <= ONE_BYTE_VARINT_MAX) {
        wire->out->ptr[body_first - 1] = (uint8_t)len;
        return 0;
    }
    size_t offset = body_first - 1 - wire->base;
    if (len > UINT32_MAX || offset > UINT32_MAX) {
        return FAULT_LIMIT;
    }
    struct note note = {.offset = (uint32_t)offset, .len = (uint32_t)len};
    bytes_append(&wire->notes, &note, sizeof(note));
    *extra_bytes += varint_bytes(len) - 1;
    return wire->notes.err;
}

void otlp_json_cut(struct otlp_json_wire *wire, size_t first, size_t limit, size_t note_first,
                   size_t note_limit)
{
    ASSERT(first <= limit);
    ASSERT(limit <= wire->out->len);
    size_t count = otlp_json_note_count(wire);
    ASSERT(note_limit <= count);
    memmove(wire->out->ptr + first, wire->out->ptr + limit, wire->out->len - limit);
    wire->out->len -= limit - first;
    for (size_t i = note_limit; i < count; i++) {
        struct note note = note_at(wire, i);
        note.offset -= (uint32_t)(limit - first);
        size_t index = note_first + (i - note_limit);
        memcpy(wire->notes.ptr + index * sizeof(note), &note, sizeof(note));
    }
    wire->notes.len -= (note_limit - note_first) * sizeof(struct note);
}

/* The walk from the back: what stands right of `source` already stands right of `target`. */
struct widening {
    uint8_t *start; /* of the output */
    size_t source;
    size_t target;
};

static void widen_one(struct widening *w, struct note note)
{
    size_t body_first = (size_t)note.offset + 1;
    ASSERT(w->source >= body_first);
    size_t moved = w->source - body_first;
    w->target -= moved;
    memmove(w->start + w->target, w->start + body_first, moved);
    w->target -= varint_bytes(note.len);
    (void)otlp_json_put_varint(w->start + w->target, note.len); /* as long as said */
    w->source = note.offset;
    ASSERT(w->target >= w->source);
}

int otlp_json_widen(struct otlp_json_wire *wire, size_t extra_bytes)
{
    size_t left = otlp_json_note_count(wire);
    int err = bytes_reserve(wire->out, extra_bytes);
    if (err != 0 || left == 0) {
        return err;
    }
    size_t len = wire->out->len - wire->base;
    struct widening w = {
        .start = wire->out->ptr + wire->base, .source = len, .target = len + extra_bytes};
    /* Read backwards, a message comes before those inside it: it waits until they had their turn.
     */
    struct note waiting[OPEN_MAX];
    uint32_t waiting_count = 0;
    while (left > 0 || waiting_count > 0) {
        struct note next = left > 0 ? note_at(wire, left - 1) : (struct note){0};
        if (waiting_count > 0 && (left == 0 || next.offset < waiting[waiting_count - 1].offset)) {
            waiting_count--;
            widen_one(&w, waiting[waiting_count]);
            continue;
        }
        ASSERT(waiting_count < OPEN_MAX);
        waiting[waiting_count++] = next;
        left--;
    }
    ASSERT(w.source == w.target);
    wire->out->len += extra_bytes;
    return 0;
}
