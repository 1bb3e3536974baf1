/* SPDX-License-Identifier: Apache-2.0 */
/*
 * grpc_details — google.rpc.Status with a RetryInfo: the content of grpc-status-details-bin.
 *
 * Written and read by hand, because it is four small messages deep and nothing is allocated.
 * Source: google/rpc/status.proto, error_details.proto; protobuf encoding guide.
 */
#include <string.h>

#include "core/base/bounds.h"
#include "core/base/clock.h"
#include "core/base/fault.h"
#include "core/otlp/pb_wire.h"
#include "io/grpc.h"

#define TAG_STATUS_CODE 0x08
#define TAG_STATUS_MESSAGE 0x12
#define TAG_STATUS_DETAILS 0x1a
#define TAG_ANY_TYPE_URL 0x0a
#define TAG_ANY_VALUE 0x12
#define TAG_RETRY_DELAY 0x0a
#define TAG_DURATION_SECONDS 0x08
#define TAG_DURATION_NANOS 0x10
#define RETRY_INFO_TYPE_URL "type.googleapis.com/google.rpc.RetryInfo"

/* A varint of ten bytes and one of five, each with its tag. */
#define DURATION_MAX_BYTES 17

struct writer {
    uint8_t *out;
    size_t len;
    size_t cap;
    bool is_full;
};

static void put_bytes(struct writer *w, struct slice bytes)
{
    if (w->is_full || bytes.len > w->cap - w->len) {
        w->is_full = true;
        return;
    }
    if (bytes.len > 0) {
        memcpy(w->out + w->len, bytes.ptr, bytes.len);
        w->len += bytes.len;
    }
}

static void put_varint(struct writer *w, uint64_t value)
{
    uint8_t bytes[PB_VARINT_MAX_BYTES];
    size_t len = 0;
    while (value >= 0x80) {
        bytes[len++] = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    bytes[len++] = (uint8_t)value;
    put_bytes(w, slice_of(bytes, len));
}

static void put_number(struct writer *w, uint8_t tag, uint64_t value)
{
    if (value != 0) {
        put_bytes(w, slice_of(&tag, 1));
        put_varint(w, value);
    }
}

static void put_field(struct writer *w, uint8_t tag, struct slice bytes)
{
    put_bytes(w, slice_of(&tag, 1));
    put_varint(w, bytes.len);
    put_bytes(w, bytes);
}

static void put_retry_info(struct writer *w, uint64_t delay_ns)
{
    uint8_t duration_bytes[DURATION_MAX_BYTES];
    struct writer duration = {.out = duration_bytes, .cap = sizeof(duration_bytes)};
    put_number(&duration, TAG_DURATION_SECONDS, delay_ns / CLOCK_NS_PER_S);
    put_number(&duration, TAG_DURATION_NANOS, delay_ns % CLOCK_NS_PER_S);
    uint8_t info_bytes[DURATION_MAX_BYTES + 2];
    struct writer info = {.out = info_bytes, .cap = sizeof(info_bytes)};
    put_field(&info, TAG_RETRY_DELAY, slice_of(duration.out, duration.len));
    uint8_t any_bytes[sizeof(info_bytes) + sizeof(RETRY_INFO_TYPE_URL) + 4];
    struct writer any = {.out = any_bytes, .cap = sizeof(any_bytes)};
    put_field(&any, TAG_ANY_TYPE_URL, SLICE_LITERAL(RETRY_INFO_TYPE_URL));
    put_field(&any, TAG_ANY_VALUE, slice_of(info.out, info.len));
    ASSERT(!duration.is_full && !info.is_full && !any.is_full);
    put_field(w, TAG_STATUS_DETAILS, slice_of(any.out, any.len));
}

size_t grpc_details_encode(const struct grpc_details *details, uint8_t *out, size_t cap)
{
    struct writer w = {.out = out, .cap = cap};
    put_number(&w, TAG_STATUS_CODE, details->status);
    if (details->text.len > 0) {
        put_field(&w, TAG_STATUS_MESSAGE, details->text);
    }
    if (details->retry_delay_ns != GRPC_NO_RETRY_DELAY) {
        put_retry_info(&w, details->retry_delay_ns);
    }
    return w.is_full ? 0 : w.len;
}

/* --- reading ---------------------------------------------------------------------------------- */

/* One field of a message: numbers and bytes are kept, anything else is stepped over. */
struct field {
    uint8_t tag; /* of field numbers up to 15; 0 for what was stepped over */
    uint64_t number;
    struct slice bytes;
};

static int read_field(struct pb_reader *in, struct field *out)
{
    *out = (struct field){0};
    uint32_t number = 0;
    uint32_t wire_type = 0;
    int err = pb_read_tag(in, &number, &wire_type);
    if (err != 0) {
        return err;
    }
    bool is_known = number < 16;
    if (is_known && wire_type == PB_WIRE_VARINT) {
        out->tag = (uint8_t)(number << 3 | wire_type);
        return pb_read_varint(in, &out->number);
    }
    if (is_known && wire_type == PB_WIRE_BYTES) {
        out->tag = (uint8_t)(number << 3 | wire_type);
        return pb_read_bytes(in, &out->bytes);
    }
    return pb_skip_field(in, number, wire_type, PB_DEPTH_MAX);
}

/* Negative delays count as none, those beyond the type's end as its end. */
static int read_duration(struct slice bytes, uint64_t *out_ns)
{
    struct pb_reader in = pb_reader_of(bytes);
    uint64_t seconds = 0;
    uint64_t nanos = 0;
    while (in.pos != in.end) {
        struct field field;
        int err = read_field(&in, &field);
        if (err != 0) {
            return err;
        }
        if (field.tag == TAG_DURATION_SECONDS) {
            seconds = field.number;
        } else if (field.tag == TAG_DURATION_NANOS) {
            nanos = field.number;
        }
    }
    bool is_negative = seconds > INT64_MAX || nanos > INT32_MAX;
    uint64_t seconds_max = GRPC_NO_RETRY_DELAY / CLOCK_NS_PER_S - 4;
    seconds = seconds < seconds_max ? seconds : seconds_max;
    *out_ns = is_negative ? 0 : seconds * CLOCK_NS_PER_S + nanos;
    return 0;
}

static int read_retry_info(struct slice bytes, uint64_t *out_ns)
{
    struct pb_reader in = pb_reader_of(bytes);
    *out_ns = 0;
    while (in.pos != in.end) {
        struct field field;
        int err = read_field(&in, &field);
        if (err == 0 && field.tag == TAG_RETRY_DELAY) {
            err = read_duration(field.bytes, out_ns);
        }
        if (err != 0) {
            return err;
        }
    }
    return 0;
}

static int read_any(struct slice bytes, struct grpc_details *out)
{
    struct pb_reader in = pb_reader_of(bytes);
    struct slice type_url = {0};
    struct slice value = {0};
    while (in.pos != in.end) {
        struct field field;
        int err = read_field(&in, &field);
        if (err != 0) {
            return err;
        }
        if (field.tag == TAG_ANY_TYPE_URL) {
            type_url = field.bytes;
        } else if (field.tag == TAG_ANY_VALUE) {
            value = field.bytes;
        }
    }
    if (!slice_is_text(type_url, RETRY_INFO_TYPE_URL)) {
        return 0;
    }
    return read_retry_info(value, &out->retry_delay_ns);
}

int grpc_details_decode(struct slice bytes, struct grpc_details *out)
{
    struct pb_reader in = pb_reader_of(bytes);
    struct grpc_details details = {.retry_delay_ns = GRPC_NO_RETRY_DELAY};
    while (in.pos != in.end) {
        struct field field;
        int err = read_field(&in, &field);
        if (err != 0) {
            return err == FAULT_TRUNCATED ? FAULT_TRUNCATED : FAULT_MALFORMED;
        }
        if (field.tag == TAG_STATUS_CODE) {
            details.status = (uint32_t)field.number;
        } else if (field.tag == TAG_STATUS_MESSAGE) {
            details.text = field.bytes;
        } else if (field.tag == TAG_STATUS_DETAILS && read_any(field.bytes, &details) != 0) {
            return FAULT_MALFORMED;
        }
    }
    *out = details;
    return 0;
}
