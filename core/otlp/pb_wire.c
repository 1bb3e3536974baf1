/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pb_wire — varints, tags and fields to step over, on bytes from strangers.
 *
 * Every advance is checked against what remains, by subtraction. Source: protobuf encoding guide.
 */
#include "core/otlp/pb_wire.h"

#include "core/base/bounds.h"
#include "core/base/fault.h"

int pb_read_long_varint(struct pb_reader *in, uint64_t *out)
{
    uint64_t value = 0;
    const uint8_t *pos = in->pos;
    for (uint32_t i = 0; i < PB_VARINT_MAX_BYTES; i++) {
        if (pos == in->end) {
            return FAULT_TRUNCATED;
        }
        uint8_t byte = *pos++;
        value |= (uint64_t)(byte & 0x7F) << (7 * i);
        if (byte < 0x80) {
            in->pos = pos;
            *out = value;
            return 0;
        }
    }
    return FAULT_MALFORMED;
}

int pb_read_tag(struct pb_reader *in, uint32_t *number, uint32_t *wire_type)
{
    uint64_t tag = 0;
    int err = pb_read_varint(in, &tag);
    if (err != 0) {
        return err;
    }
    if (tag >> 3 == 0 || tag >> 3 > PB_FIELD_NUMBER_MAX || (tag & 7) > PB_WIRE_FIXED32) {
        return FAULT_MALFORMED;
    }
    *number = (uint32_t)(tag >> 3);
    *wire_type = (uint32_t)(tag & 7);
    return 0;
}

int pb_read_bytes(struct pb_reader *in, struct slice *out)
{
    uint64_t len = 0;
    int err = pb_read_varint(in, &len);
    if (err != 0) {
        return err;
    }
    if (len > (uint64_t)(in->end - in->pos)) {
        return FAULT_TRUNCATED;
    }
    *out = slice_of(in->pos, (size_t)len);
    in->pos += len;
    return 0;
}

static uint32_t load32(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

int pb_read_fixed32(struct pb_reader *in, uint32_t *out)
{
    if (in->end - in->pos < 4) {
        return FAULT_TRUNCATED;
    }
    *out = load32(in->pos);
    in->pos += 4;
    return 0;
}

int pb_read_fixed64(struct pb_reader *in, uint64_t *out)
{
    if (in->end - in->pos < 8) {
        return FAULT_TRUNCATED;
    }
    *out = (uint64_t)load32(in->pos + 4) << 32 | load32(in->pos);
    in->pos += 8;
    return 0;
}

/* Everything but groups. */
static int skip_plain_value(struct pb_reader *in, uint32_t wire_type)
{
    uint64_t ignored64 = 0;
    uint32_t ignored32 = 0;
    struct slice ignored;
    switch (wire_type) {
    case PB_WIRE_VARINT:
        return pb_read_varint(in, &ignored64);
    case PB_WIRE_FIXED64:
        return pb_read_fixed64(in, &ignored64);
    case PB_WIRE_BYTES:
        return pb_read_bytes(in, &ignored);
    case PB_WIRE_FIXED32:
        return pb_read_fixed32(in, &ignored32);
    default:
        return FAULT_MALFORMED; /* a group end without its start */
    }
}

static int skip_group(struct pb_reader *in, uint32_t number, uint32_t depth_max)
{
    uint32_t open_numbers[PB_DEPTH_MAX];
    uint32_t depth = 1;
    open_numbers[0] = number;
    while (depth > 0) {
        uint32_t wire_type = 0;
        int err = pb_read_tag(in, &number, &wire_type);
        if (err != 0) {
            return err;
        }
        if (wire_type == PB_WIRE_GROUP_START) {
            if (depth == depth_max) {
                return FAULT_LIMIT;
            }
            open_numbers[depth++] = number;
        } else if (wire_type == PB_WIRE_GROUP_END) {
            depth--;
            err = open_numbers[depth] == number ? 0 : FAULT_MALFORMED;
        } else {
            err = skip_plain_value(in, wire_type);
        }
        if (err != 0) {
            return err;
        }
    }
    return 0;
}

int pb_skip_field(struct pb_reader *in, uint32_t number, uint32_t wire_type, uint32_t depth_max)
{
    ASSERT(depth_max >= 1);
    ASSERT(depth_max <= PB_DEPTH_MAX);
    if (wire_type == PB_WIRE_GROUP_START) {
        return skip_group(in, number, depth_max);
    }
    return skip_plain_value(in, wire_type);
}
