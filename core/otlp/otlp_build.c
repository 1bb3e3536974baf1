/* SPDX-License-Identifier: Apache-2.0 */
/*
 * otlp_build — writing wire bytes from the end of a buffer towards its beginning.
 *
 * Each write checks its room and leaves the head where it was when there is none; nothing is ever
 * moved. The frame of an envelope is paid for at its beginning by lifting `begin`, so that a full
 * buffer can always be finished. Source: protobuf encoding guide, OTLP metrics.proto.
 */
#include "core/otlp/otlp_build.h"

#include <string.h>

#include "core/base/fault.h"

/* Two varints of a tag and a length around some content. */
#define FIELD_OVERHEAD_BYTES (5 + 10)

enum {
    TAG_RESOURCE_METRICS = 0x0A, /* MetricsData 1 */
    TAG_RESOURCE = 0x0A,         /* ResourceMetrics 1 */
    TAG_SCOPE_METRICS = 0x12,    /* ResourceMetrics 2 */
    TAG_SCOPE = 0x0A,            /* ScopeMetrics 1 */
    TAG_SCOPE_NAME = 0x0A,
    TAG_SCOPE_VERSION = 0x12,
    TAG_RESOURCE_ATTRIBUTE = 0x0A,
    TAG_KEY = 0x0A,          /* KeyValue 1 */
    TAG_VALUE = 0x12,        /* KeyValue 2 */
    TAG_STRING_VALUE = 0x0A, /* AnyValue 1 */
};

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
               "fixed-width fields are copied as they lie");

/* Moves the head down by `len` and returns it; NULL, with the error set, where there is no room. */
static inline uint8_t *take_room(struct otlp_build *b, size_t len)
{
    if (WEIR_UNLIKELY(len > (size_t)(b->head - b->begin))) {
        b->err = FAULT_LIMIT;
        return NULL;
    }
    b->head -= len;
    return b->head;
}

void otlp_build_init(struct otlp_build *b, void *buf, size_t bytes)
{
    uint8_t *begin = buf;
    *b = (struct otlp_build){.begin = begin, .head = begin + bytes, .end = begin + bytes};
}

void otlp_build_rewind(struct otlp_build *b, size_t mark)
{
    ASSERT(mark <= otlp_build_mark(b));
    b->head = b->end - mark;
    b->err = 0;
}

struct slice otlp_build_since(const struct otlp_build *b, size_t mark)
{
    ASSERT(mark <= otlp_build_mark(b));
    return slice_of(b->head, otlp_build_mark(b) - mark);
}

void otlp_build_bytes(struct otlp_build *b, const void *ptr, size_t len)
{
    uint8_t *target = take_room(b, len);
    if (target != NULL && len > 0) {
        memcpy(target, ptr, len);
    }
}

void otlp_build_varint(struct otlp_build *b, uint64_t value)
{
    if (WEIR_LIKELY(value < 0x80)) {
        uint8_t *target = take_room(b, 1);
        if (target != NULL) {
            *target = (uint8_t)value;
        }
        return;
    }
    /* 7 bits a byte: one byte for each begun seven. */
    size_t len = (size_t)(64 - __builtin_clzll(value) + 6) / 7;
    uint8_t *target = take_room(b, len);
    if (target == NULL) {
        return;
    }
    for (size_t i = 0; i + 1 < len; i++) {
        target[i] = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    target[len - 1] = (uint8_t)value;
}

void otlp_build_varint_field(struct otlp_build *b, uint32_t tag, uint64_t value)
{
    otlp_build_varint(b, value);
    otlp_build_varint(b, tag);
}

void otlp_build_sint_field(struct otlp_build *b, uint32_t tag, int64_t value)
{
    uint64_t sign = value < 0 ? UINT64_MAX : 0;
    otlp_build_varint_field(b, tag, ((uint64_t)value << 1) ^ sign);
}

void otlp_build_fixed64_field(struct otlp_build *b, uint32_t tag, uint64_t value)
{
    otlp_build_bytes(b, &value, sizeof(value));
    otlp_build_varint(b, tag);
}

void otlp_build_double_field(struct otlp_build *b, uint32_t tag, double value)
{
    otlp_build_bytes(b, &value, sizeof(value));
    otlp_build_varint(b, tag);
}

void otlp_build_text_field(struct otlp_build *b, uint32_t tag, struct slice text)
{
    otlp_build_bytes(b, text.ptr, text.len);
    otlp_build_varint(b, text.len);
    otlp_build_varint(b, tag);
}

void otlp_build_close(struct otlp_build *b, size_t mark, uint32_t tag)
{
    if (b->err != 0) {
        return; /* the length would be wrong */
    }
    ASSERT(mark <= otlp_build_mark(b));
    otlp_build_varint(b, otlp_build_mark(b) - mark);
    otlp_build_varint(b, tag);
}

void otlp_build_attribute(struct otlp_build *b, uint32_t tag, struct slice key, struct slice value)
{
    size_t mark = otlp_build_mark(b);
    otlp_build_text_field(b, TAG_STRING_VALUE, value);
    otlp_build_close(b, mark, TAG_VALUE);
    otlp_build_text_field(b, TAG_KEY, key);
    otlp_build_close(b, mark, tag);
}

void otlp_build_attributes(struct otlp_build *b, uint32_t tag, const struct attr *attrs,
                           size_t count)
{
    for (size_t i = count; i > 0; i--) {
        otlp_build_attribute(b, tag, attrs[i - 1].key, attrs[i - 1].value);
    }
}

/* What the end of an envelope writes at most. */
static size_t envelope_max_bytes(const struct otlp_envelope *envelope)
{
    size_t bytes =
        6 * (size_t)FIELD_OVERHEAD_BYTES; /* both outer messages, their heads, two texts */
    bytes += envelope->scope_name.len + envelope->scope_version.len;
    for (size_t i = 0; i < envelope->resource_attr_count; i++) {
        const struct attr *attr = &envelope->resource_attrs[i];
        bytes += attr->key.len + attr->value.len + 4 * (size_t)FIELD_OVERHEAD_BYTES;
    }
    return bytes;
}

int otlp_envelope_begin(struct otlp_build *b, const struct otlp_envelope *envelope)
{
    ASSERT(b->reserved_bytes == 0);
    ASSERT(b->err == 0);
    size_t bytes = envelope_max_bytes(envelope);
    if (bytes > (size_t)(b->head - b->begin)) {
        return FAULT_LIMIT;
    }
    b->reserved_bytes = bytes;
    b->begin += bytes;
    b->envelope_mark = otlp_build_mark(b);
    return 0;
}

struct slice otlp_envelope_end(struct otlp_build *b, const struct otlp_envelope *envelope)
{
    ASSERT(b->err == 0);
    ASSERT(b->reserved_bytes > 0);
    size_t mark = b->envelope_mark;
    b->begin -= b->reserved_bytes;
    b->reserved_bytes = 0;

    size_t scope_mark = otlp_build_mark(b);
    if (envelope->scope_version.len > 0) {
        otlp_build_text_field(b, TAG_SCOPE_VERSION, envelope->scope_version);
    }
    if (envelope->scope_name.len > 0) {
        otlp_build_text_field(b, TAG_SCOPE_NAME, envelope->scope_name);
    }
    otlp_build_close(b, scope_mark, TAG_SCOPE);
    otlp_build_close(b, mark, TAG_SCOPE_METRICS);

    size_t resource_mark = otlp_build_mark(b);
    otlp_build_attributes(b, TAG_RESOURCE_ATTRIBUTE, envelope->resource_attrs,
                          envelope->resource_attr_count);
    otlp_build_close(b, resource_mark, TAG_RESOURCE);
    otlp_build_close(b, mark, TAG_RESOURCE_METRICS);
    ASSERT(b->err == 0);
    return otlp_build_since(b, mark);
}
