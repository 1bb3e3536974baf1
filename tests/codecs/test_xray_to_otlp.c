/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of xray_to_otlp: the vectors, every prefix and thousands of mutations of them, limits, and
 * outputs without room. Whatever is accepted has to pass the walk that guards every OTLP receiver.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "codecs/json_out.h"
#include "codecs/xray_to_otlp.h"
#include "core/base/arena.h"
#include "core/base/fault.h"
#include "core/base/mem.h"
#include "core/base/number.h"
#include "core/otlp/otlp_walk.h"
#include "core/otlp/pb_decode.h"
#include "core/otlp/proto/collector_trace.pb-c.h"
#include "tests/support/vectors.h"

#define TEXT_MAX_BYTES (1 << 18)
#define OUT_MAX_BYTES (1 << 22)
#define ARENA_MAX_BYTES (1 << 24)
#define MUTATIONS_PER_VECTOR 2000
#define BASE                                                                                       \
    "{\"name\":\"n\",\"id\":\"0102030405060708\","                                                 \
    "\"trace_id\":\"1-5759e988-bd862e3fe1be46a994272793\",\"start_time\":1"

typedef Opentelemetry__Proto__Collector__Trace__V1__ExportTraceServiceRequest request_message;
typedef Opentelemetry__Proto__Trace__V1__ResourceSpans resource_message;
typedef Opentelemetry__Proto__Trace__V1__Span span_message;
typedef Opentelemetry__Proto__Common__V1__KeyValue attr_message;
typedef Opentelemetry__Proto__Common__V1__AnyValue value_message;

static struct xray_to_otlp *translator;
static struct arena arena;
static struct bytes out;
static struct bytes text; /* what is rendered */
static uint8_t unescaped[TEXT_MAX_BYTES];
static uint8_t document[2 * XRAY_DOCUMENT_MAX_BYTES];

static int setup(void **state)
{
    (void)state;
    translator = xray_to_otlp_new();
    bytes_init(&out, OUT_MAX_BYTES);
    bytes_init(&text, OUT_MAX_BYTES);
    return translator == NULL ? -1 : arena_init(&arena, 65536, ARENA_MAX_BYTES);
}

static int teardown(void **state)
{
    (void)state;
    xray_to_otlp_free(translator);
    arena_fini(&arena);
    bytes_fini(&out);
    bytes_fini(&text);
    return 0;
}

/* --- one translation -------------------------------------------------------------------------- */

/*
 * Translates a copy of its exact length, so that a sanitizer sees what is read past it, and holds
 * the answer against its contract. True when it was accepted; `out` has the spans then.
 */
static bool translate(struct slice json, uint32_t *span_count, const char **why)
{
    uint8_t *copy = mem_alloc(json.len == 0 ? 1 : json.len);
    assert_non_null(copy);
    if (json.len > 0) {
        memcpy(copy, json.ptr, json.len);
    }
    bytes_clear(&out);
    int err = xray_to_otlp_append(translator, slice_of(copy, json.len), &out, span_count, why);
    mem_free(copy);
    assert_true(*span_count > 0);
    if (err != 0) {
        assert_int_equal(err, FAULT_MALFORMED);
        assert_string_equal(*why, xray_why_label(xray_to_otlp_why(translator)));
        assert_int_equal(out.len, 0);
        return false;
    }
    struct otlp_counts counts = {0};
    assert_null(*why);
    assert_int_equal(xray_to_otlp_why(translator), XRAY_WHY_NONE);
    assert_int_equal(otlp_walk(SIGNAL_TRACES, bytes_slice(&out), &counts, NULL), 0);
    assert_int_equal(counts.item_count, *span_count);
    assert_int_equal(counts.resource_count, 1);
    assert_false(counts.is_irregular);
    return true;
}

static resource_message *decode_spans(void)
{
    ProtobufCMessage *message = NULL;
    arena_reset(&arena);
    assert_int_equal(
        pb_decode(
            &opentelemetry__proto__collector__trace__v1__export_trace_service_request__descriptor,
            bytes_slice(&out), &arena, NULL, &message),
        0);
    request_message *request = (request_message *)message;
    assert_int_equal(request->n_resource_spans, 1);
    assert_int_equal(request->resource_spans[0]->n_scope_spans, 1);
    return request->resource_spans[0];
}

/* --- rendering -------------------------------------------------------------------------------- */

static void render(const char *words)
{
    bytes_append(&text, words, strlen(words));
}

static void render_bytes(ProtobufCBinaryData field)
{
    bytes_append(&text, field.data, field.len);
}

static void render_hex(ProtobufCBinaryData field)
{
    for (size_t i = 0; i < field.len; i++) {
        char pair[3];
        (void)snprintf(pair, sizeof(pair), "%02x", field.data[i]); /* always two */
        render(pair);
    }
}

static void render_i64(int64_t value)
{
    char buf[NUMBER_TEXT_MAX_BYTES];
    bytes_append(&text, buf, number_format_i64(value, buf, sizeof(buf)));
}

/* A double without a fraction shows that it is one. */
static void render_f64(double value)
{
    char buf[NUMBER_TEXT_MAX_BYTES];
    size_t len = number_format_f64(value, buf, sizeof(buf));
    bytes_append(&text, buf, len);
    if (memchr(buf, '.', len) == NULL && memchr(buf, 'e', len) == NULL) {
        render(".0");
    }
}

static void render_value(const value_message *value, bool is_element)
{
    switch ((int)value->value_case) {
    case OPENTELEMETRY__PROTO__COMMON__V1__ANY_VALUE__VALUE_STRING_VALUE:
        assert_true(slice_is_utf8(pb_slice(value->string_value)));
        render("\"");
        render_bytes(value->string_value);
        render("\"");
        break;
    case OPENTELEMETRY__PROTO__COMMON__V1__ANY_VALUE__VALUE_BOOL_VALUE:
        render(value->bool_value ? "true" : "false");
        break;
    case OPENTELEMETRY__PROTO__COMMON__V1__ANY_VALUE__VALUE_INT_VALUE:
        render_i64(value->int_value);
        break;
    case OPENTELEMETRY__PROTO__COMMON__V1__ANY_VALUE__VALUE_DOUBLE_VALUE:
        render_f64(value->double_value);
        break;
    case OPENTELEMETRY__PROTO__COMMON__V1__ANY_VALUE__VALUE_ARRAY_VALUE:
        assert_false(is_element);
        render("[");
        for (size_t i = 0; i < value->array_value->n_values; i++) {
            render(i > 0 ? "," : "");
            render_value(value->array_value->values[i], true);
        }
        render("]");
        break;
    default:
        fail_msg("a value of another kind");
    }
}

static void render_attrs(attr_message *const *attrs, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        render(i > 0 ? " " : "");
        render_bytes(attrs[i]->key);
        render("=");
        render_value(attrs[i]->value, false);
        for (size_t k = 0; k < i; k++) {
            assert_false(slice_equal(pb_slice(attrs[i]->key), pb_slice(attrs[k]->key)));
        }
    }
}

static void render_ids(const span_message *span)
{
    assert_int_equal(span->trace_id.len, 16);
    assert_int_equal(span->span_id.len, 8);
    render_hex(span->trace_id);
    render(" ");
    render_hex(span->span_id);
    render(span->has_parent_span_id ? " " : "");
    render_hex(span->parent_span_id);
}

static void render_u64(uint64_t value)
{
    char buf[NUMBER_TEXT_MAX_BYTES];
    bytes_append(&text, buf, number_format_u64(value, buf, sizeof(buf)));
}

static void render_times(const span_message *span)
{
    render_u64(span->start_time_unix_nano);
    render(span->has_end_time_unix_nano ? " " : "");
    if (span->has_end_time_unix_nano) {
        render_u64(span->end_time_unix_nano);
    }
}

static void render_kind(const span_message *span)
{
    static const char *const kinds[] = {"", "internal", "server", "client"};
    assert_in_range(span->kind, 1, 3);
    render(kinds[span->kind]);
}

static void render_status(const span_message *span)
{
    if (span->status == NULL) {
        render("unset");
        return;
    }
    assert_int_equal(span->status->code, 2);
    render("error");
    if (span->status->has_message) {
        render(" \"");
        render_bytes(span->status->message);
        render("\"");
    }
}

static void render_events(const span_message *span)
{
    for (size_t i = 0; i < span->n_events; i++) {
        render(i > 0 ? " " : "");
        render_bytes(span->events[i]->name);
        assert_false(span->events[i]->has_time_unix_nano);
        render("{");
        render_attrs(span->events[i]->attributes, span->events[i]->n_attributes);
        render("}");
    }
}

/* Renders what `key` asks for of a span; false where it asks for something else. */
static bool render_part(struct slice key, const span_message *span)
{
    if (slice_is_text(key, "name")) {
        render_bytes(span->name);
    } else if (slice_is_text(key, "ids")) {
        render_ids(span);
    } else if (slice_is_text(key, "times")) {
        render_times(span);
    } else if (slice_is_text(key, "kind")) {
        render_kind(span);
    } else if (slice_is_text(key, "status")) {
        render_status(span);
    } else if (slice_is_text(key, "attrs")) {
        render_attrs(span->attributes, span->n_attributes);
    } else if (slice_is_text(key, "events")) {
        render_events(span);
    } else {
        return false;
    }
    return true;
}

/* --- vectors ---------------------------------------------------------------------------------- */

static size_t make_document(const struct vector_line *line)
{
    if (slice_is_text(line->key, "in")) {
        return vector_unescape(line->text, document, sizeof(document));
    }
    assert_true(slice_is_text(line->key, "with"));
    size_t len = sizeof(BASE) - 1;
    memcpy(document, BASE ",", len + 1);
    len++;
    len += vector_unescape(line->text, document + len, sizeof(document) - len);
    document[len] = '}';
    return len + 1;
}

static uint64_t number_of(struct slice digits)
{
    uint64_t value = 0;
    assert_int_equal(number_parse_u64(digits, &value), 0);
    return value;
}

static void check_text(const struct vector *v, const struct vector_line *line)
{
    size_t len = vector_unescape(line->text, unescaped, sizeof(unescaped));
    if (!slice_equal(bytes_slice(&text), slice_of(unescaped, len))) {
        fail_msg("%.*s: %.*s: %.*s", (int)v->title.len, (const char *)v->title.ptr,
                 (int)line->key.len, (const char *)line->key.ptr, (int)text.len,
                 (const char *)text.ptr);
    }
}

static void check_refusal(const struct vector *v, uint32_t span_count, const char *why)
{
    assert_true(v->line_count <= 3);
    for (size_t i = 1; i < v->line_count; i++) {
        const struct vector_line *line = &v->lines[i];
        if (slice_is_text(line->key, "spans")) {
            assert_int_equal(span_count, number_of(line->text));
            continue;
        }
        if (!slice_is_text(line->key, "bad") || !slice_is_text(line->text, why)) {
            fail_msg("%.*s: refused: %s", (int)v->title.len, (const char *)v->title.ptr, why);
        }
    }
}

static void check_spans(const struct vector *v, uint32_t span_count)
{
    resource_message *spans = decode_spans();
    size_t at = 0;
    for (size_t i = 1; i < v->line_count; i++) {
        const struct vector_line *line = &v->lines[i];
        bytes_clear(&text);
        if (slice_is_text(line->key, "spans")) {
            assert_int_equal(span_count, number_of(line->text));
        } else if (slice_is_text(line->key, "at")) {
            at = number_of(line->text);
        } else if (slice_is_text(line->key, "resource")) {
            render_attrs(spans->resource->attributes, spans->resource->n_attributes);
            check_text(v, line);
        } else {
            assert_true(at < span_count);
            if (!render_part(line->key, spans->scope_spans[0]->spans[at])) {
                fail_msg("%.*s: accepted", (int)v->title.len, (const char *)v->title.ptr);
            }
            check_text(v, line);
        }
    }
}

static void check_case(const struct vector *v)
{
    uint32_t span_count = 0;
    const char *why = NULL;
    assert_true(v->line_count > 1);
    size_t len = make_document(&v->lines[0]);
    if (translate(slice_of(document, len), &span_count, &why)) {
        check_spans(v, span_count);
    } else {
        check_refusal(v, span_count, why);
    }
}

static void each_case(const char *path, void (*on_case)(const struct vector *v))
{
    struct vectors vectors;
    struct vector v;
    assert_int_equal(vectors_open(&vectors, path), 0);
    while (vectors_next(&vectors, &v)) {
        on_case(&v);
    }
    vectors_close(&vectors);
}

static void check_file(const char *path)
{
    each_case(path, check_case);
}

static void test_vectors_translate_as_they_say(void **state)
{
    (void)state;
    assert_int_equal(vectors_each_file(WEIR_SOURCE_DIR "/tests/vectors/xray", check_file), 5);
}

/* --- prefixes and mutations ------------------------------------------------------------------- */

static uint64_t seed = 1;

static uint32_t random_below(uint32_t limit)
{
    seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)((seed >> 33) % limit);
}

static bool is_accepted(struct slice json)
{
    uint32_t span_count = 0;
    const char *why = NULL;
    return translate(json, &span_count, &why);
}

static void cut_case(const struct vector *v)
{
    size_t len = make_document(&v->lines[0]);
    bool is_whole = is_accepted(slice_of(document, len));
    size_t step = len > 4096 ? len / 512 : 1;
    for (size_t cut = 0; cut < len; cut += step) {
        bool is_good = is_accepted(slice_of(document, cut));
        /* Only blanks may be missing. */
        assert_true(!is_good || (is_whole && document[cut] <= ' '));
    }
}

static void cut_file(const char *path)
{
    each_case(path, cut_case);
}

static void test_every_prefix_is_refused(void **state)
{
    (void)state;
    assert_true(vectors_each_file(WEIR_SOURCE_DIR "/tests/vectors/xray", cut_file) > 0);
}

/* Changes, drops, doubles or swaps a few bytes; keeps `len` or shortens it. */
static size_t mutate(size_t len)
{
    static const char bytes[] = "\"\\{}[],:0123456789eE.-+ntfu\x00\x1F\x7F\x80\xE2\xED\xFF ";
    for (uint32_t i = 1 + random_below(3); i > 0 && len > 1; i--) {
        uint32_t at = random_below((uint32_t)len);
        uint32_t other = random_below((uint32_t)len);
        uint32_t run = random_below((uint32_t)(len - (at > other ? at : other)));
        switch (random_below(4)) {
        case 0:
            document[at] = (uint8_t)bytes[random_below(sizeof(bytes) - 1)];
            break;
        case 1:
            document[at] = (uint8_t)(document[at] ^ 1u << random_below(8));
            break;
        case 2:
            memmove(document + at, document + at + 1, len - at - 1);
            len--;
            break;
        default:
            memmove(document + at, document + other, run % 64);
            break;
        }
    }
    return len;
}

static void mutate_case(const struct vector *v)
{
    uint32_t count = MUTATIONS_PER_VECTOR;
    for (uint32_t i = 0; i < count; i++) {
        size_t len = make_document(&v->lines[0]);
        count = len > 4096 ? 5 : MUTATIONS_PER_VECTOR;
        (void)is_accepted(slice_of(document, mutate(len))); /* either is fine, if it is sound */
    }
}

static void mutate_file(const char *path)
{
    each_case(path, mutate_case);
}

static void test_mutations_never_break_the_output(void **state)
{
    (void)state;
    assert_true(vectors_each_file(WEIR_SOURCE_DIR "/tests/vectors/xray", mutate_file) > 0);
}

/* --- limits ----------------------------------------------------------------------------------- */

static size_t append(size_t len, const char *words)
{
    size_t words_len = strlen(words);
    assert_true(words_len <= sizeof(document) - len);
    memcpy(document + len, words, words_len);
    return len + words_len;
}

static void expect(size_t len, enum xray_why expected, uint32_t expected_count)
{
    uint32_t span_count = 0;
    const char *why = NULL;
    bool is_good = translate(slice_of(document, len), &span_count, &why);
    assert_string_equal(is_good ? "none" : why, xray_why_label(expected));
    assert_int_equal(span_count, expected_count);
}

static void test_a_document_may_have_64_kib(void **state)
{
    (void)state;
    size_t head = append(0, BASE ",\"user\":\"");
    size_t tail = 2;
    memset(document + head, 'u', sizeof(document) - head);
    memcpy(document + XRAY_DOCUMENT_MAX_BYTES - tail, "\"}", tail);
    expect(XRAY_DOCUMENT_MAX_BYTES, XRAY_WHY_NONE, 1);
    memset(document + head, 'u', sizeof(document) - head);
    memcpy(document + XRAY_DOCUMENT_MAX_BYTES + 1 - tail, "\"}", tail);
    expect(XRAY_DOCUMENT_MAX_BYTES + 1, XRAY_WHY_SIZE, 1);
}

static size_t make_nested(uint32_t depth)
{
    size_t len = append(0, BASE);
    for (uint32_t i = 1; i < depth; i++) {
        len = append(len, ",\"subsegments\":[{\"name\":\"s\",\"id\":\"0102030405060708\","
                          "\"start_time\":1");
    }
    for (uint32_t i = 1; i < depth; i++) {
        len = append(len, "}]");
    }
    return append(len, "}");
}

static void test_segments_nest_to_the_limit(void **state)
{
    (void)state;
    expect(make_nested(XRAY_DEPTH_MAX), XRAY_WHY_NONE, XRAY_DEPTH_MAX);
    expect(make_nested(XRAY_DEPTH_MAX + 1), XRAY_WHY_DEPTH, 1);
}

static size_t make_wide(uint32_t count, const char *subsegment)
{
    size_t len = append(0, BASE ",\"subsegments\":[");
    for (uint32_t i = 1; i < count; i++) {
        len = append(len, i > 1 ? "," : "");
        len = append(len, subsegment);
    }
    return append(len, "]}");
}

static void test_no_valid_document_has_too_many_segments(void **state)
{
    (void)state;
    static const char shortest[] = "{\"name\":\"\",\"id\":\"0102030405060708\",\"start_time\":0}";
    uint32_t most = (XRAY_DOCUMENT_MAX_BYTES - (uint32_t)sizeof(BASE)) / (uint32_t)sizeof(shortest);
    assert_true(most < XRAY_SEGMENTS_MAX);
    expect(make_wide(most, shortest), XRAY_WHY_NONE, most);
    expect(make_wide(XRAY_SEGMENTS_MAX, "{}"), XRAY_WHY_NO_NAME, XRAY_SEGMENTS_MAX);
    expect(make_wide(XRAY_SEGMENTS_MAX + 1, "{}"), XRAY_WHY_SEGMENTS, 1);
    expect(make_wide(XRAY_SEGMENTS_MAX + 1, "null"), XRAY_WHY_SEGMENTS, 1);
}

static size_t make_brackets(const char *member, uint32_t depth)
{
    size_t len = append(0, BASE);
    len = append(len, member);
    for (uint32_t i = 0; i < depth; i++) {
        len = append(len, "[");
    }
    for (uint32_t i = 0; i < depth; i++) {
        len = append(len, "]");
    }
    return len;
}

static void test_values_nest_to_the_limit(void **state)
{
    (void)state;
    uint32_t inner = XRAY_VALUE_DEPTH_MAX - 2; /* inside metadata and a namespace */
    expect(append(make_brackets(",\"unknown\":", XRAY_VALUE_DEPTH_MAX), "}"), XRAY_WHY_NONE, 1);
    expect(append(make_brackets(",\"unknown\":", XRAY_VALUE_DEPTH_MAX + 1), "}"), XRAY_WHY_DEPTH,
           1);
    expect(append(make_brackets(",\"metadata\":{\"a\":{\"b\":", inner), "}}}"), XRAY_WHY_NONE, 1);
    expect(append(make_brackets(",\"metadata\":{\"a\":{\"b\":", inner + 1), "}}}"), XRAY_WHY_DEPTH,
           1);
}

/* Documents of 64 KiB that are nothing but small pieces: each table meets its worst case. */
static void test_tables_have_room_for_every_document(void **state)
{
    (void)state;
    static const struct {
        const char *head;
        const char *piece;
        const char *tail;
        enum xray_why why;
    } rows[] = {
        {",\"metadata\":{\"a\":{\"b\":[1", ",1", "]}}}", XRAY_WHY_NONE},
        {",\"metadata\":{\"a\":{\"b\":[[]", ",[]", "]}}}", XRAY_WHY_NONE},
        {",\"metadata\":{\"a\":{\"b\":[1e20", ",1e20", "]}}}", XRAY_WHY_NONE},
        {",\"metadata\":{\"a\":{\"b\":\"<", "<", "\"}}}", XRAY_WHY_NONE},
        {",\"metadata\":{\"a\":{\"b\":\"\xFF", "\xFF", "\"}}}", XRAY_WHY_NONE},
        {",\"metadata\":{\"\":{}", ",\"\":{}", "}}", XRAY_WHY_NONE},
        {",\"annotations\":{\"\":1", ",\"\":1", "}}", XRAY_WHY_NONE},
        {",\"annotations\":{\"\\u0061\":1", ",\"\\u0061\":1", "}}", XRAY_WHY_NONE},
        {",\"aws\":{\"cloudwatch_logs\":[{}", ",{}", "]}}", XRAY_WHY_NONE},
        {",\"aws\":{\"cloudwatch_logs\":[{\"arn\":\"\"}", ",{\"arn\":\"\"}", "]}}", XRAY_WHY_NONE},
        {",\"cause\":{\"exceptions\":[{\"id\":\"\"}", ",{\"id\":\"\"}", "]}}", XRAY_WHY_NONE},
        {",\"cause\":{\"exceptions\":[{}", ",{}", "]}}", XRAY_WHY_NO_EXCEPTION_ID},
        {",\"cause\":{\"exceptions\":[{\"id\":\"\",\"stack\":[{}", ",{}", "]}]}}", XRAY_WHY_NONE},
        {",\"links\":[{\"attributes\":{\"a\":[1", ",1", "]}}]}", XRAY_WHY_NONE},
        {",\"precursor_ids\":[\"\"", ",\"\"", "]}", XRAY_WHY_NONE},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        size_t len = append(append(0, BASE), rows[i].head);
        size_t tail_len = strlen(rows[i].tail);
        while (len + strlen(rows[i].piece) + tail_len <= XRAY_DOCUMENT_MAX_BYTES) {
            len = append(len, rows[i].piece);
        }
        expect(append(len, rows[i].tail), rows[i].why, 1);
    }
}

/* Names in falling and in stirred order, more than are sorted by insertion; each comes out once. */
static void test_many_annotations_come_out_sorted(void **state)
{
    (void)state;
    enum { ANNOTATION_COUNT = 1000 };
    size_t len = append(append(0, BASE), ",\"annotations\":{");
    for (uint32_t i = 0; i < 2 * ANNOTATION_COUNT; i++) {
        char member[32];
        uint32_t number = i * 7919 % ANNOTATION_COUNT;
        (void)snprintf(member, sizeof(member), "%s\"a%04u\":%u", i > 0 ? "," : "", number, i);
        len = append(len, member);
    }
    expect(append(len, "}}"), XRAY_WHY_NONE, 1);
    const span_message *span = decode_spans()->scope_spans[0]->spans[0];
    assert_int_equal(span->n_attributes, ANNOTATION_COUNT + 1);
    for (uint32_t i = 0; i < ANNOTATION_COUNT; i++) {
        char name[16];
        (void)snprintf(name, sizeof(name), "a%04u", i); /* always fits */
        assert_true(slice_is_text(pb_slice(span->attributes[i]->key), name));
        double value = span->attributes[i]->value->double_value;
        assert_true(value >= ANNOTATION_COUNT); /* the last of the name */
        assert_int_equal((uint32_t)value * 7919 % ANNOTATION_COUNT, i);
    }
}

/* --- outputs and memory ----------------------------------------------------------------------- */

static void test_appends_behind_what_is_there(void **state)
{
    (void)state;
    uint32_t span_count = 0;
    const char *why = NULL;
    size_t len = make_wide(3, "{\"name\":\"s\",\"id\":\"0102030405060708\",\"start_time\":1}");
    bytes_clear(&out);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(
            xray_to_otlp_append(translator, slice_of(document, len), &out, &span_count, &why), 0);
        size_t before = out.len;
        assert_int_equal(
            xray_to_otlp_append(translator, SLICE_LITERAL("{}"), &out, &span_count, &why),
            FAULT_MALFORMED);
        assert_string_equal(why, "no_name");
        assert_int_equal(out.len, before);
        assert_int_equal(out.err, 0);
    }
    struct otlp_counts counts = {0};
    assert_int_equal(otlp_walk(SIGNAL_TRACES, bytes_slice(&out), &counts, NULL), 0);
    assert_int_equal(counts.resource_count, 4);
    assert_int_equal(counts.item_count, 12);
}

static void test_an_output_without_room_takes_nothing(void **state)
{
    (void)state;
    struct bytes small;
    uint32_t span_count = 0;
    const char *why = NULL;
    struct slice json = slice_of(document, append(0, BASE "}"));
    assert_true(translate(json, &span_count, &why));
    bytes_init(&small, out.len - 1);
    assert_int_equal(xray_to_otlp_append(translator, json, &small, &span_count, &why), FAULT_LIMIT);
    assert_int_equal(small.len, 0);
    assert_int_equal(span_count, 0);
    assert_null(why);
    bytes_fini(&small);
    bytes_init(&small, out.len);
    assert_int_equal(xray_to_otlp_append(translator, json, &small, &span_count, &why), 0);
    assert_int_equal(span_count, 1);
    bytes_fini(&small);
}

static void test_new_survives_each_failed_allocation(void **state)
{
    (void)state;
    struct xray_to_otlp *t = NULL;
    uint32_t nth = 1;
    for (; t == NULL && nth < 20; nth++) {
        mem_fail_nth(nth);
        t = xray_to_otlp_new();
        mem_fail_nth(0);
    }
    assert_non_null(t);
    assert_true(nth > 5);
    xray_to_otlp_free(t);
    xray_to_otlp_free(NULL);
}

static void test_reasons_have_labels_and_words(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < XRAY_WHY_LIMIT; i++) {
        assert_true(strlen(xray_why_label((enum xray_why)i)) > 3);
        assert_true(strlen(xray_why_text((enum xray_why)i)) > 3);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors_translate_as_they_say),
        cmocka_unit_test(test_every_prefix_is_refused),
        cmocka_unit_test(test_mutations_never_break_the_output),
        cmocka_unit_test(test_a_document_may_have_64_kib),
        cmocka_unit_test(test_segments_nest_to_the_limit),
        cmocka_unit_test(test_no_valid_document_has_too_many_segments),
        cmocka_unit_test(test_values_nest_to_the_limit),
        cmocka_unit_test(test_tables_have_room_for_every_document),
        cmocka_unit_test(test_many_annotations_come_out_sorted),
        cmocka_unit_test(test_appends_behind_what_is_there),
        cmocka_unit_test(test_an_output_without_room_takes_nothing),
        cmocka_unit_test(test_new_survives_each_failed_allocation),
        cmocka_unit_test(test_reasons_have_labels_and_words),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
