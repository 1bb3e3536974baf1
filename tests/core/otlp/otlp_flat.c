/* SPDX-License-Identifier: Apache-2.0 */
/*
 * otlp_flat — see otlp_flat.h. Recursion is as deep as a request has levels.
 */
#include "tests/core/otlp/otlp_flat.h"

#include "core/otlp/otlp_field.h"
#include "core/otlp/pb_decode.h"
#include "tests/core/otlp/otlp_random.h"

struct flattening {
    struct otlp_flat *flat;
    struct arena *arena;
    uint32_t item_level;
    struct slice heads[8]; /* of the levels around the item */
};

struct children {
    size_t *count;
    ProtobufCMessage **messages;
};

static void *member_at(ProtobufCMessage *message, size_t offset)
{
    return (uint8_t *)message + offset;
}

static struct children repeated_field(ProtobufCMessage *message, uint32_t number)
{
    const ProtobufCFieldDescriptor *field =
        protobuf_c_message_descriptor_get_field(message->descriptor, number);
    ASSERT(field != NULL);
    return (struct children){
        .count = member_at(message, field->quantifier_offset),
        .messages = *(ProtobufCMessage ***)member_at(message, field->offset),
    };
}

/* The points of a metric, whatever holds them. */
static struct children metric_points(ProtobufCMessage *metric)
{
    static size_t none;
    for (uint32_t i = 0; i < metric->descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &metric->descriptor->fields[i];
        bool is_oneof = (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0;
        if (is_oneof && *(uint32_t *)member_at(metric, field->quantifier_offset) == field->id) {
            ProtobufCMessage *data = *(ProtobufCMessage **)member_at(metric, field->offset);
            return repeated_field(data, OTLP_POINTS);
        }
    }
    none = 0;
    return (struct children){.count = &none};
}

static struct slice pack(struct flattening *f, const ProtobufCMessage *message)
{
    size_t len = protobuf_c_message_get_packed_size(message);
    uint8_t *bytes = arena_alloc(f->arena, len);
    ASSERT(bytes != NULL);
    ASSERT(protobuf_c_message_pack(message, bytes) == len);
    return slice_of(bytes, len);
}

static void put(struct otlp_flat *flat, struct slice bytes)
{
    uint32_t len = (uint32_t)bytes.len;
    ASSERT(bytes.len + sizeof(len) <= OTLP_FLAT_BYTES_MAX - flat->len);
    memcpy(flat->bytes + flat->len, &len, sizeof(len));
    flat->len += sizeof(len);
    if (len > 0) {
        memcpy(flat->bytes + flat->len, bytes.ptr, len);
        flat->len += len;
    }
}

static void flatten(struct flattening *f, ProtobufCMessage *message, uint32_t level)
{
    static const uint32_t numbers[] = {OTLP_RESOURCES, OTLP_SCOPES, OTLP_ITEMS};
    if (level == f->item_level) {
        for (uint32_t i = 0; i < level; i++) {
            put(f->flat, f->heads[i]);
        }
        put(f->flat, pack(f, message));
        f->flat->item_count++;
        return;
    }
    struct children children =
        level == 3 ? metric_points(message) : repeated_field(message, numbers[level]);
    size_t count = *children.count;
    *children.count = 0;
    f->heads[level] = pack(f, message);
    *children.count = count;
    for (size_t i = 0; i < count; i++) {
        flatten(f, children.messages[i], level + 1);
    }
}

void otlp_flat_add(struct otlp_flat *flat, enum signal signal, struct slice request,
                   struct arena *arena)
{
    struct flattening f = {
        .flat = flat, .arena = arena, .item_level = signal == SIGNAL_METRICS ? 4 : 3};
    ProtobufCMessage *message = NULL;
    arena_reset(arena);
    int err = pb_decode(otlp_random_descriptor(signal), request, arena, NULL, &message);
    ASSERT(err == 0);
    flatten(&f, message, 0);
}
