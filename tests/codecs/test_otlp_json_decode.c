/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of otlp_json_decode: the vectors, limits, and random messages of every type that have to
 * survive the way to JSON and back.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <math.h>
#include <string.h>

#include "codecs/otlp_json.h"
#include "core/base/fault.h"
#include "core/base/mem.h"
#include "core/base/number.h"
#include "core/otlp/pb_decode.h"
#include "core/otlp/proto/collector_logs.pb-c.h"
#include "core/otlp/proto/collector_metrics.pb-c.h"
#include "core/otlp/proto/collector_trace.pb-c.h"
#include "core/otlp/proto/rpc_status.pb-c.h"
#include "tests/support/vectors.h"

#define TEXT_MAX_BYTES (1 << 18)
#define OUT_MAX_BYTES (1 << 20)
#define ARENA_MAX_BYTES (1 << 24)
#define RANDOM_MESSAGES 4000
#define RANDOM_DEPTH_MAX 9
#define RANDOM_MESSAGE_MAX_BYTES 40000

#define VALUE opentelemetry__proto__common__v1__any_value__descriptor
#define SPAN opentelemetry__proto__trace__v1__span__descriptor

static const struct {
    const char *name;
    const ProtobufCMessageDescriptor *descriptor;
} messages[] = {
    {"traces",
     &opentelemetry__proto__collector__trace__v1__export_trace_service_request__descriptor},
    {"metrics",
     &opentelemetry__proto__collector__metrics__v1__export_metrics_service_request__descriptor},
    {"logs", &opentelemetry__proto__collector__logs__v1__export_logs_service_request__descriptor},
    {"value", &VALUE},
    {"array", &opentelemetry__proto__common__v1__array_value__descriptor},
    {"span", &SPAN},
    {"metric", &opentelemetry__proto__metrics__v1__metric__descriptor},
    {"histogram", &opentelemetry__proto__metrics__v1__histogram_data_point__descriptor},
    {"buckets",
     &opentelemetry__proto__metrics__v1__exponential_histogram_data_point__buckets__descriptor},
    {"resource", &opentelemetry__proto__resource__v1__resource__descriptor},
    {"log", &opentelemetry__proto__logs__v1__log_record__descriptor},
    /* Below, only random ones; what these hold is all there is. */
    {"", &opentelemetry__proto__trace__v1__traces_data__descriptor},
    {"", &opentelemetry__proto__metrics__v1__metrics_data__descriptor},
    {"", &opentelemetry__proto__logs__v1__logs_data__descriptor},
    {"", &opentelemetry__proto__metrics__v1__exponential_histogram_data_point__descriptor},
    {"", &opentelemetry__proto__metrics__v1__summary_data_point__descriptor},
    {"", &opentelemetry__proto__metrics__v1__exemplar__descriptor},
    {"", &opentelemetry__proto__collector__trace__v1__export_trace_service_response__descriptor},
    {"",
     &opentelemetry__proto__collector__metrics__v1__export_metrics_service_response__descriptor},
    {"", &opentelemetry__proto__collector__logs__v1__export_logs_service_response__descriptor},
    {"", &google__rpc__status__descriptor},
    {"", &google__rpc__retry_info__descriptor},
};

static struct arena arena;
static struct bytes out;
static uint8_t text[TEXT_MAX_BYTES];

static int setup(void **state)
{
    (void)state;
    bytes_init(&out, OUT_MAX_BYTES);
    return arena_init(&arena, 65536, ARENA_MAX_BYTES);
}

static int teardown(void **state)
{
    (void)state;
    arena_fini(&arena);
    bytes_fini(&out);
    return 0;
}

/* --- vectors ---------------------------------------------------------------------------------- */

static const ProtobufCMessageDescriptor *descriptor_of(struct slice name)
{
    for (size_t i = 0; i < COUNT_OF(messages); i++) {
        if (name.len > 0 && slice_is_text(name, messages[i].name)) {
            return messages[i].descriptor;
        }
    }
    fail_msg("no message called %.*s", (int)name.len, (const char *)name.ptr);
    return NULL;
}

static void check_text(const struct vector *v, struct slice got, struct slice expected)
{
    size_t len = vector_unescape(expected, text, sizeof(text));
    if (!slice_equal(got, slice_of(text, len))) {
        fail_msg("%.*s: %.*s", (int)v->title.len, (const char *)v->title.ptr, (int)got.len,
                 (const char *)got.ptr);
    }
}

static void check_hex(const struct vector *v, struct slice got, struct slice expected)
{
    static const char digits[] = "0123456789abcdef";
    uint8_t hex[4096];
    assert_true(got.len <= sizeof(hex) / 2);
    for (size_t i = 0; i < got.len; i++) {
        hex[2 * i] = (uint8_t)digits[got.ptr[i] >> 4];
        hex[2 * i + 1] = (uint8_t)digits[got.ptr[i] & 15];
    }
    check_text(v, slice_of(hex, 2 * got.len), expected);
}

static void check_json(const struct vector *v, const ProtobufCMessageDescriptor *d,
                       struct slice expected)
{
    struct bytes json;
    bytes_init(&json, OUT_MAX_BYTES);
    arena_reset(&arena);
    assert_int_equal(otlp_json_encode(d, bytes_slice(&out), &arena, &json), 0);
    check_text(v, bytes_slice(&json), expected);
    bytes_fini(&json);
}

static void check_case(const struct vector *v)
{
    const ProtobufCMessageDescriptor *d = NULL;
    struct otlp_json_why why = {0};
    int err = 0;
    for (size_t i = 0; i < v->line_count; i++) {
        struct slice key = v->lines[i].key;
        struct slice value = v->lines[i].text;
        if (slice_is_text(key, "message")) {
            d = descriptor_of(value);
        } else if (slice_is_text(key, "in")) {
            bytes_clear(&out);
            size_t len = vector_unescape(value, text, sizeof(text));
            err = otlp_json_decode(d, slice_of(text, len), &out, &why);
        } else if (slice_is_text(key, "bad")) {
            char sentence[OTLP_JSON_WHY_MAX_BYTES];
            assert_int_equal(err, FAULT_MALFORMED);
            check_text(v, slice_of(sentence, otlp_json_why_text(&why, sentence)), value);
            assert_int_equal(out.len, 0);
        } else {
            if (err != 0) {
                fail_msg("%.*s: refused", (int)v->title.len, (const char *)v->title.ptr);
            }
            assert_null(why.reason);
            if (slice_is_text(key, "wire")) {
                check_hex(v, bytes_slice(&out), value);
            } else {
                check_json(v, d, value);
            }
        }
    }
}

static void check_file(const char *path)
{
    struct vectors vectors;
    struct vector v;
    assert_int_equal(vectors_open(&vectors, path), 0);
    while (vectors_next(&vectors, &v)) {
        check_case(&v);
    }
    vectors_close(&vectors);
}

static void test_vectors_decode_as_they_say(void **state)
{
    (void)state;
    assert_int_equal(vectors_each_file(WEIR_SOURCE_DIR "/tests/vectors/otlp_json", check_file), 2);
}

/* --- random messages -------------------------------------------------------------------------- */

static uint64_t seed;

static uint32_t random_below(uint32_t limit)
{
    seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)((seed >> 33) % limit);
}

static uint64_t random_u64(void)
{
    uint64_t high = random_below(UINT32_MAX);
    uint64_t value = high << 32 | random_below(UINT32_MAX);
    return random_below(2) == 0 ? value : value >> random_below(64); /* small ones too */
}

static void put_varint(struct bytes *to, uint64_t value)
{
    while (value >= 0x80) {
        bytes_append_byte(to, (uint8_t)(value | 0x80));
        value >>= 7;
    }
    bytes_append_byte(to, (uint8_t)value);
}

static void put_run(struct bytes *to, struct slice run)
{
    put_varint(to, run.len);
    bytes_append(to, run.ptr, run.len);
}

static uint64_t random_double_bits(void)
{
    static const double some[] = {
        0.0, -0.0, 1, -1, 0.1, 1e300, 5e-324, (double)INFINITY, -(double)INFINITY, (double)NAN};
    double value = some[random_below(COUNT_OF(some))];
    uint64_t bits = random_u64();
    if (random_below(3) == 0 || (bits >> 52 & 0x7FF) == 0x7FF) {
        memcpy(&bits, &value, sizeof(bits)); /* JSON knows one NaN only */
    }
    return bits;
}

static uint64_t random_bits(ProtobufCType type)
{
    switch (type) {
    case PROTOBUF_C_TYPE_BOOL:
        return random_below(2);
    case PROTOBUF_C_TYPE_DOUBLE:
        return random_double_bits();
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_ENUM:
        return (uint64_t)(int64_t)(int32_t)random_u64();
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_FIXED32:
    case PROTOBUF_C_TYPE_SFIXED32:
        return (uint32_t)random_u64();
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
        break;
    case PROTOBUF_C_TYPE_FLOAT: /* not in this schema, or no number */
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_BYTES:
    case PROTOBUF_C_TYPE_MESSAGE:
        fail();
    }
    return random_u64();
}

static uint32_t wire_type_of(ProtobufCType type)
{
    switch (type) {
    case PROTOBUF_C_TYPE_DOUBLE:
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_SFIXED64:
        return 1;
    case PROTOBUF_C_TYPE_FLOAT:
    case PROTOBUF_C_TYPE_FIXED32:
    case PROTOBUF_C_TYPE_SFIXED32:
        return 5;
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_BYTES:
    case PROTOBUF_C_TYPE_MESSAGE:
        return 2;
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_BOOL:
    case PROTOBUF_C_TYPE_ENUM:
        break;
    }
    return 0;
}

static void put_random_number(struct bytes *to, ProtobufCType type)
{
    uint64_t bits = random_bits(type);
    if (wire_type_of(type) == 0) {
        put_varint(to, bits);
        return;
    }
    size_t len = wire_type_of(type) == 1 ? 8 : 4;
    for (size_t i = 0; i < len; i++) {
        bytes_append_byte(to, (uint8_t)(bits >> (8 * i)));
    }
}

/* Text with everything that has to be escaped, or the right number of bytes for an id. */
static void put_random_bytes(struct bytes *to, const char *name)
{
    static const char *const pieces[] = {"a",           "\"",           "\\",
                                         "\n",          "\x01",         "/",
                                         "\xC3\xA9",    "\xE2\x82\xAC", "\xF0\x9F\x98\x80",
                                         "service.name"};
    struct bytes value;
    bytes_init(&value, 65536);
    bool is_trace_id = strcmp(name, "trace_id") == 0;
    if (is_trace_id || strcmp(name, "span_id") == 0 || strcmp(name, "parent_span_id") == 0) {
        for (size_t i = 0; i < (is_trace_id ? 16 : 8); i++) {
            bytes_append_byte(&value, (uint8_t)random_below(256));
        }
    } else if (strcmp(name, "bytes_value") == 0 || strcmp(name, "value") == 0) {
        for (uint32_t left = 1 + random_below(40); left > 0; left--) {
            bytes_append_byte(&value, (uint8_t)random_below(256));
        }
    } else {
        for (uint32_t left = 1 + random_below(random_below(10) == 0 ? 300 : 10); left > 0; left--) {
            const char *piece = pieces[random_below(COUNT_OF(pieces))];
            bytes_append(&value, piece, strlen(piece));
        }
    }
    put_run(to, bytes_slice(&value));
    bytes_fini(&value);
}

/* Some fields of the message, some of them often. Recursive: the depth is ours. */
static void put_random_message(struct bytes *to, const ProtobufCMessageDescriptor *d,
                               uint32_t depth_left)
{
    for (uint32_t i = 0; i < d->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &d->fields[i];
        bool is_repeated = field->label == PROTOBUF_C_LABEL_REPEATED;
        bool is_message = field->type == PROTOBUF_C_TYPE_MESSAGE;
        uint32_t count = is_repeated ? random_below(4) : random_below(2);
        if ((is_message && depth_left == 0) || to->len > RANDOM_MESSAGE_MAX_BYTES) {
            continue;
        }
        for (; count > 0; count--) {
            struct bytes value;
            put_varint(to, (uint64_t)field->id << 3 | wire_type_of(field->type));
            bytes_init(&value, OUT_MAX_BYTES);
            if (is_message) {
                put_random_message(&value, field->descriptor, depth_left - 1);
                put_run(to, bytes_slice(&value));
            } else if (field->type == PROTOBUF_C_TYPE_BYTES) {
                put_random_bytes(to, field->name);
            } else {
                put_random_number(to, field->type);
            }
            bytes_fini(&value);
        }
    }
}

/* The message as protobuf-c packs it: fields in order, the last of each, unions resolved. */
static void pack_again(const ProtobufCMessageDescriptor *d, struct slice wire, struct bytes *packed)
{
    ProtobufCMessage *message = NULL;
    assert_int_equal(pb_decode(d, wire, &arena, NULL, &message), 0);
    size_t len = protobuf_c_message_get_packed_size(message);
    bytes_clear(packed);
    assert_int_equal(bytes_reserve(packed, len + 1), 0);
    packed->len = protobuf_c_message_pack(message, packed->ptr);
    assert_int_equal(packed->len, len);
}

static void test_random_messages_survive_json(void **state)
{
    (void)state;
    struct bytes wire;
    struct bytes json;
    struct bytes packed;
    struct bytes packed_again;
    bytes_init(&wire, OUT_MAX_BYTES);
    bytes_init(&json, 8 * OUT_MAX_BYTES);
    bytes_init(&packed, OUT_MAX_BYTES);
    bytes_init(&packed_again, OUT_MAX_BYTES);
    seed = 42;
    for (size_t i = 0; i < RANDOM_MESSAGES; i++) {
        const ProtobufCMessageDescriptor *d = messages[i % COUNT_OF(messages)].descriptor;
        bytes_clear(&wire);
        bytes_clear(&json);
        bytes_clear(&out);
        arena_reset(&arena);
        put_random_message(&wire, d, random_below(RANDOM_DEPTH_MAX));
        assert_int_equal(wire.err, 0);
        pack_again(d, bytes_slice(&wire), &packed);
        assert_int_equal(otlp_json_encode(d, bytes_slice(&wire), &arena, &json), 0);
        assert_int_equal(otlp_json_decode(d, bytes_slice(&json), &out, NULL), 0);
        pack_again(d, bytes_slice(&out), &packed_again);
        if (!slice_equal(bytes_slice(&packed), bytes_slice(&packed_again))) {
            fail_msg("message %zu (%s): %.*s", i, d->name, (int)json.len, (const char *)json.ptr);
        }
    }
    bytes_fini(&wire);
    bytes_fini(&json);
    bytes_fini(&packed);
    bytes_fini(&packed_again);
}

/* --- limits ----------------------------------------------------------------------------------- */

static size_t nest_values(struct bytes *json, uint32_t list_count)
{
    bytes_clear(json);
    for (uint32_t i = 0; i < list_count; i++) {
        bytes_append(json, "{\"arrayValue\":{\"values\":[", 25);
    }
    bytes_append(json, "{\"intValue\":1}", 14);
    for (uint32_t i = 0; i < list_count; i++) {
        bytes_append(json, "]}}", 3);
    }
    return json->len;
}

static void test_messages_nest_as_deep_as_they_decode(void **state)
{
    (void)state;
    struct bytes json;
    struct otlp_json_why why;
    ProtobufCMessage *message = NULL;
    bytes_init(&json, OUT_MAX_BYTES);
    arena_reset(&arena);
    bytes_clear(&out);
    /* A value and, for each list around it, two messages more. */
    nest_values(&json, (PB_DEPTH_MAX - 1) / 2);
    assert_int_equal(otlp_json_decode(&VALUE, bytes_slice(&json), &out, &why), 0);
    assert_int_equal(pb_decode(&VALUE, bytes_slice(&out), &arena, NULL, &message), 0);
    nest_values(&json, (PB_DEPTH_MAX - 1) / 2 + 1);
    bytes_clear(&out);
    assert_int_equal(otlp_json_decode(&VALUE, bytes_slice(&json), &out, &why), FAULT_MALFORMED);
    assert_string_equal(why.reason, "nested too deeply");
    assert_int_equal(out.len, 0);
    bytes_fini(&json);
}

static void test_unknown_members_nest_as_deep_as_json_does(void **state)
{
    (void)state;
    struct bytes json;
    bytes_init(&json, OUT_MAX_BYTES);
    for (size_t depth = JSON_DEPTH_MAX - 1; depth <= JSON_DEPTH_MAX; depth++) {
        struct otlp_json_why why;
        bytes_clear(&json);
        bytes_clear(&out);
        bytes_append(&json, "{\"x\":", 5);
        for (size_t i = 0; i < depth; i++) {
            bytes_append_byte(&json, '[');
        }
        for (size_t i = 0; i < depth; i++) {
            bytes_append_byte(&json, ']');
        }
        bytes_append_byte(&json, '}');
        int expected = depth < JSON_DEPTH_MAX ? 0 : FAULT_MALFORMED;
        assert_int_equal(otlp_json_decode(&SPAN, bytes_slice(&json), &out, &why), expected);
    }
    bytes_fini(&json);
}

static void test_output_is_appended_up_to_its_bound(void **state)
{
    (void)state;
    struct slice json = SLICE_LITERAL(
        "{\"name\":\"0123456789012345678901234567890123456789012345678901234567890123456789012345"
        "67890123456789\",\"status\":{\"message\":\"01234567890123456789012345678901234567890123456"
        "789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456"
        "7890123456789\"},\"links\":[{\"traceState\":\"\\u0041\"}]}");
    struct bytes bounded;
    struct otlp_json_why why;
    bytes_init(&bounded, OUT_MAX_BYTES);
    bytes_append(&bounded, "head", 4);
    assert_int_equal(otlp_json_decode(&SPAN, json, &bounded, &why), 0);
    assert_memory_equal(bounded.ptr, "head", 4);
    size_t len = bounded.len;
    bytes_fini(&bounded);
    for (size_t max = 0; max < len + 3; max++) {
        bytes_init(&bounded, max);
        bytes_append(&bounded, "head", 4);
        bounded.err = 0;
        size_t before = bounded.len;
        int err = otlp_json_decode(&SPAN, json, &bounded, &why);
        assert_int_equal(err, max < len ? FAULT_LIMIT : 0);
        assert_true(err == 0 || strcmp(why.reason, "the request is too large") == 0);
        assert_int_equal(bounded.len, err == 0 ? len : before);
        assert_true(bounded.capacity_bytes <= max);
        bytes_fini(&bounded);
    }
}

static void test_refused_memory_is_reported(void **state)
{
    (void)state;
    struct bytes json;
    bytes_init(&json, OUT_MAX_BYTES);
    bytes_append(&json, "{\"status\":{\"message\":\"", 22);
    for (size_t i = 0; i < 5000; i++) {
        bytes_append_byte(&json, 'x');
    }
    bytes_append(&json, "\"}}", 3);
    int err = -ENOMEM;
    uint64_t nth = 0;
    while (err == -ENOMEM) {
        struct bytes fresh;
        bytes_init(&fresh, OUT_MAX_BYTES);
        mem_fail_nth(++nth);
        err = otlp_json_decode(&SPAN, bytes_slice(&json), &fresh, NULL);
        mem_fail_nth(0);
        assert_true(err == 0 || fresh.len == 0);
        bytes_fini(&fresh);
    }
    assert_int_equal(err, 0);
    assert_true(nth > 2);
    bytes_fini(&json);
}

static void test_every_prefix_and_every_flip_is_survived(void **state)
{
    (void)state;
    static const char json[] =
        "{\"resourceSpans\":[{\"resource\":{\"attributes\":[{\"key\":\"a\\u0062\",\"value\":{"
        "\"doubleValue\":-1.5e3}}]},\"scopeSpans\":[{\"spans\":[{\"traceId\":"
        "\"0102030405060708090a0b0c0d0e0f10\",\"kind\":\"SPAN_KIND_SERVER\",\"flags\":1}]}]}]}";
    uint8_t copy[sizeof(json)];
    for (size_t len = 0; len < sizeof(json) - 1; len++) {
        uint8_t *exact = mem_alloc(len + 1);
        assert_non_null(exact);
        memcpy(exact, json, len);
        bytes_clear(&out);
        assert_int_equal(otlp_json_decode(messages[0].descriptor, slice_of(exact, len), &out, NULL),
                         FAULT_MALFORMED);
        mem_free(exact);
    }
    for (size_t i = 0; i < sizeof(json) - 1; i++) {
        for (uint32_t bit = 0; bit < 8; bit++) {
            memcpy(copy, json, sizeof(json));
            copy[i] ^= (uint8_t)(1u << bit);
            bytes_clear(&out);
            int err = otlp_json_decode(messages[0].descriptor, slice_of(copy, sizeof(json) - 1),
                                       &out, NULL);
            assert_true(err == 0 || err == FAULT_MALFORMED);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors_decode_as_they_say),
        cmocka_unit_test(test_random_messages_survive_json),
        cmocka_unit_test(test_messages_nest_as_deep_as_they_decode),
        cmocka_unit_test(test_unknown_members_nest_as_deep_as_json_does),
        cmocka_unit_test(test_output_is_appended_up_to_its_bound),
        cmocka_unit_test(test_refused_memory_is_reported),
        cmocka_unit_test(test_every_prefix_and_every_flip_is_survived),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
