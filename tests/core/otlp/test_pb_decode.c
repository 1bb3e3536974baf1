/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of pb_decode: what the contract says case by case, and protobuf-c's own unpacker as an
 * oracle on random and on damaged messages.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "core/base/fault.h"
#include "core/otlp/otlp_build.h"
#include "core/otlp/pb_decode.h"
#include "core/otlp/pb_wire.h"
#include "core/otlp/proto/collector_logs.pb-c.h"
#include "core/otlp/proto/collector_metrics.pb-c.h"
#include "core/otlp/proto/collector_trace.pb-c.h"
#include "core/otlp/proto/rpc_status.pb-c.h"

#define SPAN_DESCRIPTOR (&opentelemetry__proto__trace__v1__span__descriptor)
#define VALUE_DESCRIPTOR (&opentelemetry__proto__common__v1__any_value__descriptor)
#define HISTOGRAM_DESCRIPTOR (&opentelemetry__proto__metrics__v1__histogram_data_point__descriptor)
#define BUCKETS_DESCRIPTOR                                                                         \
    (&opentelemetry__proto__metrics__v1__exponential_histogram_data_point__buckets__descriptor)
#define TRACE_REQUEST_DESCRIPTOR                                                                   \
    (&opentelemetry__proto__collector__trace__v1__export_trace_service_request__descriptor)

typedef Opentelemetry__Proto__Trace__V1__Span span_message;
typedef Opentelemetry__Proto__Common__V1__AnyValue value_message;
typedef Opentelemetry__Proto__Metrics__V1__HistogramDataPoint histogram_message;
typedef Opentelemetry__Proto__Metrics__V1__ExponentialHistogramDataPoint__Buckets buckets_message;
typedef Opentelemetry__Proto__Collector__Trace__V1__ExportTraceServiceRequest trace_request;

static struct arena arena;

static int setup(void **state)
{
    (void)state;
    return arena_init(&arena, 4096, 1 << 24);
}

static int teardown(void **state)
{
    (void)state;
    arena_fini(&arena);
    return 0;
}

static int decode(const ProtobufCMessageDescriptor *d, struct slice bytes, void *out)
{
    ProtobufCMessage **message = out;
    return pb_decode(d, bytes, &arena, NULL, message);
}

static void test_empty_input_is_an_empty_message(void **state)
{
    (void)state;
    span_message *span = NULL;
    assert_int_equal(decode(SPAN_DESCRIPTOR, (struct slice){0}, &span), 0);
    assert_ptr_equal(span->base.descriptor, SPAN_DESCRIPTOR);
    assert_int_equal(span->n_attributes, 0);
    assert_int_equal(span->has_name, 0);
    assert_null(span->status);
}

static const uint8_t one_span[] = {
    0x0A, 0x4F, 0x0A, 0x15, 0x0A, 0x13, 0x0A, 0x0C, 's',  'e',  'r',  'v',  'i',  'c',
    'e',  '.',  'n',  'a',  'm',  'e',  0x12, 0x03, 0x0A, 0x01, 'a',  0x12, 0x36, 0x12,
    0x34, 0x0A, 0x10, 1,    2,    3,    4,    5,    6,    7,    8,    9,    10,   11,
    12,   13,   14,   15,   16,   0x12, 0x08, 1,    2,    3,    4,    5,    6,    7,
    8,    0x2A, 0x02, 'o',  'p',  0x30, 0x02, 0x39, 0x00, 0x00, 0x2A, 0x36, 0xFE, 0x9C,
    0x97, 0x17, 0x41, 0x40, 0x42, 0x39, 0x36, 0xFE, 0x9C, 0x97, 0x17};

static void test_request_decodes_and_its_text_borrows_from_the_input(void **state)
{
    (void)state;
    trace_request *request = NULL;
    struct slice bytes = slice_of(one_span, sizeof(one_span));
    assert_int_equal(decode(TRACE_REQUEST_DESCRIPTOR, bytes, &request), 0);
    assert_int_equal(request->n_resource_spans, 1);
    assert_int_equal(request->resource_spans[0]->resource->n_attributes, 1);
    assert_int_equal(request->resource_spans[0]->scope_spans[0]->n_spans, 1);
    const span_message *span = request->resource_spans[0]->scope_spans[0]->spans[0];
    assert_true(slice_is_text(pb_slice(span->name), "op"));
    assert_true(span->name.data > one_span && span->name.data < one_span + sizeof(one_span));
    assert_int_equal(span->kind, 2);
    assert_int_equal(span->start_time_unix_nano, 1700000000000000000);
    assert_int_equal(span->end_time_unix_nano, 1700000000001000000);
    assert_int_equal(span->trace_id.len, 16);
}

static void test_every_cut_of_a_request_is_refused_or_whole(void **state)
{
    (void)state;
    for (size_t len = 1; len < sizeof(one_span); len++) {
        trace_request *request = NULL;
        assert_int_equal(decode(TRACE_REQUEST_DESCRIPTOR, slice_of(one_span, len), &request),
                         FAULT_TRUNCATED);
        assert_null(request);
    }
}

static void test_packed_and_single_elements_mix_in_order(void **state)
{
    (void)state;
    static const uint8_t bytes[] = {0x12, 0x03, 0x01, 0xAC, 0x02,       /* packed 1, 300 */
                                    0x10, 0x05,                         /* single 5 */
                                    0x12, 0x00, 0x12, 0x01, 0x07, 0x08, /* none, 7, offset… */
                                    0x03};                              /* … -2 */
    buckets_message *buckets = NULL;
    assert_int_equal(decode(BUCKETS_DESCRIPTOR, slice_of(bytes, sizeof(bytes)), &buckets), 0);
    assert_int_equal(buckets->n_bucket_counts, 4);
    assert_int_equal(buckets->bucket_counts[0], 1);
    assert_int_equal(buckets->bucket_counts[1], 300);
    assert_int_equal(buckets->bucket_counts[2], 5);
    assert_int_equal(buckets->bucket_counts[3], 7);
    assert_int_equal(buckets->offset, -2);
}

static void test_bad_packed_runs_are_refused(void **state)
{
    (void)state;
    static const uint8_t seven[] = {0x32, 0x07, 1, 2, 3, 4, 5, 6, 7};
    static const uint8_t open_end[] = {0x12, 0x02, 0x01, 0x80};
    histogram_message *point = NULL;
    buckets_message *buckets = NULL;
    assert_int_equal(decode(HISTOGRAM_DESCRIPTOR, slice_of(seven, sizeof(seven)), &point),
                     FAULT_TRUNCATED);
    assert_int_equal(decode(BUCKETS_DESCRIPTOR, slice_of(open_end, sizeof(open_end)), &buckets),
                     FAULT_TRUNCATED);
}

static void test_last_member_of_a_oneof_wins(void **state)
{
    (void)state;
    static const uint8_t bytes[] = {0x0A, 0x01, 'x',  0x18, 0xFF, 0xFF, 0xFF,
                                    0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x01};
    static const uint8_t off[] = {0x18, 0x05, 0x10, 0x00};
    value_message *value = NULL;
    assert_int_equal(decode(VALUE_DESCRIPTOR, slice_of(bytes, sizeof(bytes)), &value), 0);
    assert_int_equal(value->value_case, 3);
    assert_int_equal(value->int_value, -1);
    assert_int_equal(decode(VALUE_DESCRIPTOR, slice_of(off, sizeof(off)), &value), 0);
    assert_int_equal(value->value_case, 2);
    assert_int_equal(value->bool_value, 0);
}

static void test_sub_message_given_twice_is_merged(void **state)
{
    (void)state;
    /* resource {attribute {key "a"}} resource {attribute {key "b"}, dropped 3} */
    static const uint8_t bytes[] = {0x0A, 0x05, 0x0A, 0x03, 0x0A, 0x01, 'a',  0x0A,
                                    0x07, 0x0A, 0x03, 0x0A, 0x01, 'b',  0x10, 0x03};
    Opentelemetry__Proto__Trace__V1__ResourceSpans *spans = NULL;
    assert_int_equal(decode(&opentelemetry__proto__trace__v1__resource_spans__descriptor,
                            slice_of(bytes, sizeof(bytes)), &spans),
                     0);
    assert_int_equal(spans->resource->n_attributes, 2);
    assert_true(slice_is_text(pb_slice(spans->resource->attributes[0]->key), "a"));
    assert_true(slice_is_text(pb_slice(spans->resource->attributes[1]->key), "b"));
    assert_int_equal(spans->resource->dropped_attributes_count, 3);
}

static void test_unknown_fields_and_groups_are_stepped_over(void **state)
{
    (void)state;
    static const uint8_t bytes[] = {0xA3, 0x06,                   /* group 100 */
                                    0x08, 0x01, 0xAB, 0x06,       /* with 1: 1 and group 101 */
                                    0x12, 0x01, 'z',  0xAC, 0x06, /* … that holds text and ends */
                                    0xA4, 0x06,                   /* end of 100 */
                                    0x2A, 0x01, 'n',              /* name */
                                    0xC5, 0x3E, 1,    2,    3,    4};
    span_message *span = NULL;
    assert_int_equal(decode(SPAN_DESCRIPTOR, slice_of(bytes, sizeof(bytes)), &span), 0);
    assert_true(slice_is_text(pb_slice(span->name), "n"));
    static const uint8_t crossed[] = {0xA3, 0x06, 0xAC, 0x06};
    static const uint8_t lone_end[] = {0xA4, 0x06};
    assert_int_equal(decode(SPAN_DESCRIPTOR, slice_of(crossed, sizeof(crossed)), &span),
                     FAULT_MALFORMED);
    assert_int_equal(decode(SPAN_DESCRIPTOR, slice_of(lone_end, sizeof(lone_end)), &span),
                     FAULT_MALFORMED);
}

static void test_groups_nest_to_the_limit_and_not_beyond(void **state)
{
    (void)state;
    uint8_t bytes[4 * (PB_DEPTH_MAX + 1)];
    for (size_t depth = PB_DEPTH_MAX; depth <= PB_DEPTH_MAX + 1; depth++) {
        for (size_t i = 0; i < depth; i++) {
            bytes[2 * i] = 0xA3;
            bytes[2 * (depth + i)] = 0xA4;
            bytes[2 * i + 1] = bytes[2 * (depth + i) + 1] = 0x06;
        }
        span_message *span = NULL;
        assert_int_equal(decode(SPAN_DESCRIPTOR, slice_of(bytes, 4 * depth), &span),
                         depth <= PB_DEPTH_MAX ? 0 : FAULT_LIMIT);
    }
}

static void test_messages_nest_to_the_limit_and_not_beyond(void **state)
{
    (void)state;
    /* AnyValue {array {AnyValue {array …}}}: an odd number of messages with a value innermost. */
    uint8_t buf[1024];
    for (uint32_t pairs = 31; pairs <= 32; pairs++) {
        struct otlp_build b;
        otlp_build_init(&b, buf, sizeof(buf));
        for (uint32_t i = 0; i < pairs; i++) {
            otlp_build_close(&b, 0, 0x0A);
            otlp_build_close(&b, 0, 0x2A);
        }
        value_message *value = NULL;
        int err = decode(VALUE_DESCRIPTOR, otlp_build_since(&b, 0), &value);
        assert_int_equal(err, 2 * pairs + 1 <= PB_DEPTH_MAX ? 0 : FAULT_LIMIT);
    }
    struct pb_limits limits = {.depth_max = 2};
    static const uint8_t two[] = {0x2A, 0x00};
    static const uint8_t three[] = {0x2A, 0x02, 0x0A, 0x00};
    ProtobufCMessage *out = NULL;
    assert_int_equal(pb_decode(VALUE_DESCRIPTOR, slice_of(two, sizeof(two)), &arena, &limits, &out),
                     0);
    assert_int_equal(
        pb_decode(VALUE_DESCRIPTOR, slice_of(three, sizeof(three)), &arena, &limits, &out),
        FAULT_LIMIT);
}

static void test_malformed_bytes_are_refused(void **state)
{
    (void)state;
    static const struct {
        uint8_t bytes[16];
        size_t len;
        int err;
    } cases[] = {
        {{0x02, 0x00}, 2, FAULT_MALFORMED},                         /* field number 0 */
        {{0x0E}, 1, FAULT_MALFORMED},                               /* wire type 6 */
        {{0x2D, 1, 2, 3, 4}, 5, FAULT_MALFORMED},                   /* name as fixed32 */
        {{0x80, 0x80, 0x80, 0x80, 0x80, 0x01}, 6, FAULT_MALFORMED}, /* number over 29 bits */
        {{0x30, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x01},
         12,
         FAULT_MALFORMED},            /* a varint of 11 bytes */
        {{0x2A}, 1, FAULT_TRUNCATED}, /* no length */
        {{0x2A, 0x02, 'a'}, 3, FAULT_TRUNCATED},
        {{0x2A, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x01}, 11, FAULT_TRUNCATED},
        {{0x39, 1, 2, 3, 4, 5, 6, 7}, 8, FAULT_TRUNCATED},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        span_message *span = NULL;
        assert_int_equal(decode(SPAN_DESCRIPTOR, slice_of(cases[i].bytes, cases[i].len), &span),
                         cases[i].err);
    }
}

static void test_arena_at_its_cap_is_a_limit(void **state)
{
    (void)state;
    struct arena small;
    uint8_t bytes[400];
    for (size_t i = 0; i < sizeof(bytes); i += 2) {
        bytes[i] = 0x4A; /* an empty attribute: two bytes become a whole struct */
        bytes[i + 1] = 0;
    }
    assert_int_equal(arena_init(&small, 1024, 4096), 0);
    ProtobufCMessage *out = NULL;
    assert_int_equal(pb_decode(SPAN_DESCRIPTOR, slice_of(bytes, sizeof(bytes)), &small, NULL, &out),
                     FAULT_LIMIT);
    assert_null(out);
    arena_fini(&small);
}

/* --- the oracle ------------------------------------------------------------------------------ */

static uint64_t random_state;

static uint32_t random_below(uint32_t limit)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(random_state >> 33) % limit;
}

static const uint32_t wire_types[] = {
    [PROTOBUF_C_TYPE_SFIXED32] = 5, [PROTOBUF_C_TYPE_FIXED32] = 5, [PROTOBUF_C_TYPE_FLOAT] = 5,
    [PROTOBUF_C_TYPE_SFIXED64] = 1, [PROTOBUF_C_TYPE_FIXED64] = 1, [PROTOBUF_C_TYPE_DOUBLE] = 1,
    [PROTOBUF_C_TYPE_STRING] = 2,   [PROTOBUF_C_TYPE_BYTES] = 2,   [PROTOBUF_C_TYPE_MESSAGE] = 2,
};

static void put_random_scalar(struct otlp_build *b, uint32_t wire_type)
{
    uint64_t value = (uint64_t)random_below(UINT32_MAX) << 32 | random_below(UINT32_MAX);
    value >>= random_below(64);
    if (wire_type == PB_WIRE_VARINT) {
        otlp_build_varint(b, value);
    } else {
        otlp_build_bytes(b, &value, wire_type == PB_WIRE_FIXED64 ? 8 : 4);
    }
}

/*
 * Fields in any order, some twice, some unknown. Sub-messages come once: protobuf-c's merge loses
 * zeros and empty text. Recursion ends with `depth`.
 */
static void put_random_message(struct otlp_build *b, const ProtobufCMessageDescriptor *d,
                               uint32_t depth)
{
    uint32_t used = 0;
    for (uint32_t n = random_below(8); n > 0; n--) {
        if (random_below(16) == 0) {
            otlp_build_varint_field(b, 200 << 3, random_below(1000));
            continue;
        }
        uint32_t index = random_below(d->n_fields);
        const ProtobufCFieldDescriptor *field = &d->fields[index];
        uint32_t wire_type = wire_types[field->type];
        size_t mark = otlp_build_mark(b);
        bool is_packed = (field->flags & PROTOBUF_C_FIELD_FLAG_PACKED) != 0 && random_below(2) == 0;
        if (field->type == PROTOBUF_C_TYPE_MESSAGE) {
            bool is_used = field->label != PROTOBUF_C_LABEL_REPEATED && (used >> index & 1) != 0;
            if (depth == 0 || is_used) {
                continue;
            }
            used |= 1u << index;
            put_random_message(b, field->descriptor, depth - 1);
        } else if (wire_type == PB_WIRE_BYTES) {
            otlp_build_bytes(b, "borrowed text", random_below(14));
        }
        if (is_packed) {
            for (uint32_t i = random_below(5); i > 0; i--) {
                put_random_scalar(b, wire_type);
            }
        }
        if (is_packed || wire_type == PB_WIRE_BYTES) {
            otlp_build_close(b, mark, field->id << 3 | PB_WIRE_BYTES);
        } else {
            put_random_scalar(b, wire_type);
            otlp_build_varint(b, field->id << 3 | wire_type);
        }
    }
}

static void assert_same_message(const ProtobufCMessage *ours, const ProtobufCMessage *theirs);

static void assert_same_value(const ProtobufCFieldDescriptor *field, const uint8_t *ours,
                              const uint8_t *theirs)
{
    if (field->type == PROTOBUF_C_TYPE_MESSAGE) {
        const ProtobufCMessage *a = *(ProtobufCMessage *const *)(const void *)ours;
        const ProtobufCMessage *b = *(ProtobufCMessage *const *)(const void *)theirs;
        assert_true((a == NULL) == (b == NULL));
        if (a != NULL) {
            assert_same_message(a, b);
        }
    } else if (field->type == PROTOBUF_C_TYPE_BYTES) {
        const ProtobufCBinaryData *a = (const void *)ours;
        const ProtobufCBinaryData *b = (const void *)theirs;
        assert_true(slice_equal(pb_slice(*a), pb_slice(*b)));
    } else if (wire_types[field->type] == PB_WIRE_FIXED64 || field->type == PROTOBUF_C_TYPE_INT64 ||
               field->type == PROTOBUF_C_TYPE_UINT64) {
        assert_memory_equal(ours, theirs, 8);
    } else {
        assert_memory_equal(ours, theirs, 4);
    }
}

static size_t value_bytes(const ProtobufCFieldDescriptor *field)
{
    switch ((int)field->type) {
    case PROTOBUF_C_TYPE_BYTES:
        return sizeof(ProtobufCBinaryData);
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_DOUBLE:
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_MESSAGE:
        return 8;
    default:
        return 4;
    }
}

static void assert_same_message(const ProtobufCMessage *ours, const ProtobufCMessage *theirs)
{
    assert_ptr_equal(ours->descriptor, theirs->descriptor);
    const uint8_t *a = (const uint8_t *)ours;
    const uint8_t *b = (const uint8_t *)theirs;
    for (uint32_t i = 0; i < ours->descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &ours->descriptor->fields[i];
        if (field->label == PROTOBUF_C_LABEL_REPEATED) {
            size_t count = *(const size_t *)(const void *)(a + field->quantifier_offset);
            assert_int_equal(count, *(const size_t *)(const void *)(b + field->quantifier_offset));
            const uint8_t *x = *(uint8_t *const *)(const void *)(a + field->offset);
            const uint8_t *y = *(uint8_t *const *)(const void *)(b + field->offset);
            for (size_t k = 0; k < count; k++) {
                assert_same_value(field, x + k * value_bytes(field), y + k * value_bytes(field));
            }
            continue;
        }
        bool is_oneof = (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0;
        if (is_oneof || field->type != PROTOBUF_C_TYPE_MESSAGE) {
            uint32_t has = *(const uint32_t *)(const void *)(a + field->quantifier_offset);
            assert_int_equal(has, *(const uint32_t *)(const void *)(b + field->quantifier_offset));
            if (is_oneof ? has != field->id : has == 0) {
                continue;
            }
        }
        assert_same_value(field, a + field->offset, b + field->offset);
    }
}

static const ProtobufCMessageDescriptor *const roots[] = {
    TRACE_REQUEST_DESCRIPTOR,
    &opentelemetry__proto__collector__metrics__v1__export_metrics_service_request__descriptor,
    &opentelemetry__proto__collector__logs__v1__export_logs_service_request__descriptor,
    &opentelemetry__proto__collector__logs__v1__export_logs_service_response__descriptor,
    &google__rpc__status__descriptor,
    &google__rpc__retry_info__descriptor,
    SPAN_DESCRIPTOR,
    HISTOGRAM_DESCRIPTOR,
    VALUE_DESCRIPTOR,
};

static void test_random_messages_decode_as_protobuf_c_does(void **state)
{
    (void)state;
    static uint8_t buf[1 << 18];
    random_state = 1;
    for (uint32_t round = 0; round < 4000; round++) {
        const ProtobufCMessageDescriptor *d = roots[round % COUNT_OF(roots)];
        struct otlp_build b;
        otlp_build_init(&b, buf, sizeof(buf));
        put_random_message(&b, d, 8);
        struct slice bytes = otlp_build_since(&b, 0);
        assert_int_equal(b.err, 0);
        arena_reset(&arena);
        ProtobufCMessage *ours = NULL;
        assert_int_equal(decode(d, bytes, &ours), 0);
        ProtobufCMessage *theirs = protobuf_c_message_unpack(d, NULL, bytes.len, bytes.ptr);
        assert_non_null(theirs);
        assert_same_message(ours, theirs);
        protobuf_c_message_free_unpacked(theirs, NULL);
    }
}

static void test_damaged_messages_are_refused_or_decode_as_protobuf_c_does(void **state)
{
    (void)state;
    static uint8_t buf[1 << 18];
    random_state = 2;
    uint32_t both = 0;
    for (uint32_t round = 0; round < 20000; round++) {
        const ProtobufCMessageDescriptor *d = roots[round % COUNT_OF(roots)];
        struct otlp_build b;
        otlp_build_init(&b, buf, sizeof(buf));
        put_random_message(&b, d, 4);
        struct slice bytes = otlp_build_since(&b, 0);
        for (uint32_t n = 1 + random_below(4); n > 0 && bytes.len > 0; n--) {
            b.head[random_below((uint32_t)bytes.len)] = (uint8_t)random_below(256);
        }
        arena_reset(&arena);
        ProtobufCMessage *ours = NULL;
        int err = decode(d, bytes, &ours);
        ProtobufCMessage *theirs = protobuf_c_message_unpack(d, NULL, bytes.len, bytes.ptr);
        if (err == 0 && theirs != NULL) {
            assert_same_message(ours, theirs);
            both++;
        }
        if (theirs != NULL) {
            protobuf_c_message_free_unpacked(theirs, NULL);
        }
    }
    assert_true(both > 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty_input_is_an_empty_message),
        cmocka_unit_test(test_request_decodes_and_its_text_borrows_from_the_input),
        cmocka_unit_test(test_every_cut_of_a_request_is_refused_or_whole),
        cmocka_unit_test(test_packed_and_single_elements_mix_in_order),
        cmocka_unit_test(test_bad_packed_runs_are_refused),
        cmocka_unit_test(test_last_member_of_a_oneof_wins),
        cmocka_unit_test(test_sub_message_given_twice_is_merged),
        cmocka_unit_test(test_unknown_fields_and_groups_are_stepped_over),
        cmocka_unit_test(test_groups_nest_to_the_limit_and_not_beyond),
        cmocka_unit_test(test_messages_nest_to_the_limit_and_not_beyond),
        cmocka_unit_test(test_malformed_bytes_are_refused),
        cmocka_unit_test(test_arena_at_its_cap_is_a_limit),
        cmocka_unit_test(test_random_messages_decode_as_protobuf_c_does),
        cmocka_unit_test(test_damaged_messages_are_refused_or_decode_as_protobuf_c_does),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
