/* SPDX-License-Identifier: Apache-2.0 */
/*
 * otlp_random — see otlp_random.h. Written backwards, as otlp_build wants it; recursion ends with
 * `depth`, which is the test's own.
 */
#include "tests/core/otlp/otlp_random.h"

#include <string.h>

#include "core/otlp/pb_wire.h"
#include "core/otlp/proto/collector_logs.pb-c.h"
#include "core/otlp/proto/collector_metrics.pb-c.h"
#include "core/otlp/proto/collector_trace.pb-c.h"

#define TRACES_REQUEST                                                                             \
    (&opentelemetry__proto__collector__trace__v1__export_trace_service_request__descriptor)
#define METRICS_REQUEST                                                                            \
    (&opentelemetry__proto__collector__metrics__v1__export_metrics_service_request__descriptor)
#define LOGS_REQUEST                                                                               \
    (&opentelemetry__proto__collector__logs__v1__export_logs_service_request__descriptor)

#define REQUEST_DEPTH 10
#define OLD_SCOPES 1000
#define UNKNOWN_NUMBER 200

uint32_t otlp_random_below(struct otlp_random *r, uint32_t limit)
{
    r->state = r->state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(r->state >> 33) % limit;
}

const ProtobufCMessageDescriptor *otlp_random_descriptor(enum signal signal)
{
    switch (signal) {
    case SIGNAL_TRACES:
        return TRACES_REQUEST;
    case SIGNAL_METRICS:
        return METRICS_REQUEST;
    case SIGNAL_LOGS:
        return LOGS_REQUEST;
    }
    return NULL;
}

static uint32_t wire_type_of(ProtobufCType type)
{
    switch ((int)type) {
    case PROTOBUF_C_TYPE_FIXED32:
        return PB_WIRE_FIXED32;
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_DOUBLE:
        return PB_WIRE_FIXED64;
    case PROTOBUF_C_TYPE_BYTES:
    case PROTOBUF_C_TYPE_MESSAGE:
        return PB_WIRE_BYTES;
    default:
        return PB_WIRE_VARINT;
    }
}

static void put_scalar(struct otlp_random *r, struct otlp_build *b, uint32_t wire_type)
{
    uint64_t value =
        (uint64_t)otlp_random_below(r, UINT32_MAX) << 32 | otlp_random_below(r, UINT32_MAX);
    value >>= otlp_random_below(r, 64);
    if (wire_type == PB_WIRE_VARINT) {
        otlp_build_varint(b, value);
    } else {
        otlp_build_bytes(b, &value, wire_type == PB_WIRE_FIXED64 ? 8 : 4);
    }
}

static bool ends_with(const char *name, const char *end)
{
    size_t name_len = strlen(name);
    size_t end_len = strlen(end);
    return name_len >= end_len && strcmp(name + name_len - end_len, end) == 0;
}

static void put_text(struct otlp_random *r, struct otlp_build *b, const char *name)
{
    static const char text[] = "borrowed text, long enough that now and then its length takes a "
                               "second byte, as that of a stack trace or of a statement would; "
                               "this is seldom so here.";
    size_t len = otlp_random_below(r, otlp_random_below(r, 12) == 0 ? sizeof(text) : 14);
    if (ends_with(name, "trace_id")) {
        len = otlp_random_below(r, 4) == 0 ? 0 : 16;
    } else if (ends_with(name, "span_id")) {
        len = otlp_random_below(r, 4) == 0 ? 0 : 8;
    }
    otlp_build_bytes(b, text, len);
}

static void put_unknown(struct otlp_random *r, struct otlp_build *b)
{
    uint32_t number = UNKNOWN_NUMBER + otlp_random_below(r, 3);
    if (otlp_random_below(r, 3) > 0) {
        otlp_build_varint_field(b, number << 3, otlp_random_below(r, 1000));
        return;
    }
    otlp_build_varint(b, number << 3 | PB_WIRE_GROUP_END);
    if (otlp_random_below(r, 2) == 0) {
        otlp_build_text_field(b, 1 << 3 | PB_WIRE_BYTES, SLICE_LITERAL("inside"));
    }
    otlp_build_varint(b, number << 3 | PB_WIRE_GROUP_START);
}

static void put_message(struct otlp_random *r, struct otlp_build *b,
                        const ProtobufCMessageDescriptor *d, uint32_t depth);

static void put_field(struct otlp_random *r, struct otlp_build *b,
                      const ProtobufCFieldDescriptor *field, uint32_t depth)
{
    uint32_t wire_type = wire_type_of(field->type);
    uint32_t number = field->id;
    size_t mark = otlp_build_mark(b);
    bool can_pack = (field->flags & PROTOBUF_C_FIELD_FLAG_PACKED) != 0;
    if (field->type == PROTOBUF_C_TYPE_MESSAGE) {
        put_message(r, b, field->descriptor, depth - 1);
        bool is_scopes = strncmp(field->name, "scope_", 6) == 0;
        number =
            is_scopes && r->has_old_scopes && otlp_random_below(r, 3) == 0 ? OLD_SCOPES : number;
    } else if (field->type == PROTOBUF_C_TYPE_BYTES) {
        put_text(r, b, field->name);
    } else if (can_pack && otlp_random_below(r, 2) == 0) {
        for (uint32_t i = otlp_random_below(r, 5); i > 0; i--) {
            put_scalar(r, b, wire_type);
        }
        wire_type = PB_WIRE_BYTES;
    } else {
        put_scalar(r, b, wire_type);
        otlp_build_varint(b, number << 3 | wire_type);
        return;
    }
    otlp_build_close(b, mark, number << 3 | PB_WIRE_BYTES);
}

/* What makes up a request comes often, so that there is something in it. */
static uint32_t times_of(struct otlp_random *r, const ProtobufCFieldDescriptor *field)
{
    static const char *const often[] = {"resource_spans", "resource_metrics", "resource_logs",
                                        "scope_spans",    "scope_metrics",    "scope_logs",
                                        "spans",          "metrics",          "log_records",
                                        "data_points",    "attributes"};
    for (uint32_t i = 0; i < COUNT_OF(often); i++) {
        if (strcmp(field->name, often[i]) == 0) {
            return otlp_random_below(r, r->child_max == 0 ? 5 : r->child_max + 1);
        }
    }
    if (field->label == PROTOBUF_C_LABEL_REPEATED) {
        return otlp_random_below(r, 4) == 0 ? 1 + otlp_random_below(r, 2) : 0;
    }
    return otlp_random_below(r, 2);
}

static void put_message(struct otlp_random *r, struct otlp_build *b,
                        const ProtobufCMessageDescriptor *d, uint32_t depth)
{
    bool has_oneof = false;
    uint32_t start = r->is_shuffled ? otlp_random_below(r, d->n_fields) : 0;
    /* Shuffled fields come in two rounds, so that those of a kind do not all stand together. */
    uint32_t round_count = r->is_shuffled ? 2 : 1;
    for (uint32_t i = round_count * d->n_fields; i > 0; i--) {
        const ProtobufCFieldDescriptor *field = &d->fields[(i - 1 + start) % d->n_fields];
        bool is_message = field->type == PROTOBUF_C_TYPE_MESSAGE;
        bool is_oneof = (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0;
        bool is_single = field->label != PROTOBUF_C_LABEL_REPEATED && (is_message || is_oneof);
        bool is_second = i <= d->n_fields && round_count == 2;
        if ((is_message && depth == 0) ||
            (!r->has_duplicates && ((is_single && is_second) || (is_oneof && has_oneof)))) {
            continue;
        }
        for (uint32_t n = times_of(r, field); n > 0; n--) {
            put_field(r, b, field, depth);
            has_oneof |= is_oneof;
        }
        if (r->has_unknown && otlp_random_below(r, 24) == 0) {
            put_unknown(r, b);
        }
    }
}

struct slice otlp_random_request(struct otlp_random *r, enum signal signal, struct otlp_build *b)
{
    size_t mark = otlp_build_mark(b);
    put_message(r, b, otlp_random_descriptor(signal), REQUEST_DEPTH);
    ASSERT(b->err == 0);
    return otlp_build_since(b, mark);
}
