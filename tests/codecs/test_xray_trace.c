/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of xray_trace: the vectors, which say of each attribute where it ends up; sizes; memory;
 * and random spans, whose documents must be JSON whatever they hold.
 *
 * A vector describes one span in short: `attrs`, `resource`, `events` and `links` are plain JSON
 * that becomes OTLP here. In what is expected, $1, $2 … stand for the ids that were made up, in
 * their order.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "codecs/otlp_json.h"
#include "codecs/xray_trace.h"
#include "codecs/xray_trace_attrs.h"
#include "core/base/fault.h"
#include "core/base/json.h"
#include "core/base/mem.h"
#include "core/otlp/proto/collector_trace.pb-c.h"
#include "tests/support/vectors.h"

#define REQUEST                                                                                    \
    (&opentelemetry__proto__collector__trace__v1__export_trace_service_request__descriptor)

#define SEED 42
#define NOW_UNIX_S UINT64_C(1700000000)
#define TEXT_MAX_BYTES (1 << 20)
#define WIRE_MAX_BYTES (8 << 20)
#define RANDOM_SPANS 3000
#define NAMES_MAX 8

/* --- documents -------------------------------------------------------------------------------- */

struct got {
    struct xray_trace_sink sink;
    json_t *documents; /* a list */
    uint64_t last_index;
    int answer;
};

static int take_document(struct xray_trace_sink *sink, uint64_t span_index, struct slice document)
{
    struct got *got = (struct got *)(void *)sink;
    struct json_reader reader = json_of(document, JSON_UTF8_REFUSE);
    json_error_t error;
    assert_true(document.len <= XRAY_DOCUMENT_MAX_BYTES);
    assert_int_equal(json_next(&reader), JSON_TOKEN_OBJECT_OPEN);
    bool is_whole = json_skip(&reader, JSON_TOKEN_OBJECT_OPEN);
    if (!is_whole || json_next(&reader) != JSON_TOKEN_END) {
        fail_msg("%s at %zu: %.*s", reader.why, reader.why_offset, (int)document.len,
                 (const char *)document.ptr);
    }
    assert_true(span_index >= got->last_index);
    got->last_index = span_index;
    json_t *parsed = json_loadb((const char *)document.ptr, document.len, JSON_ALLOW_NUL, &error);
    if (parsed != NULL) {
        assert_int_equal(json_array_append_new(got->documents, parsed), 0);
    }
    return got->answer;
}

static struct got got_open(void)
{
    return (struct got){.sink.on_document = take_document, .documents = json_array()};
}

static struct xray_trace *new_trace(const struct xray_trace_options *options)
{
    struct xray_trace *t = NULL;
    assert_int_equal(xray_trace_new(options, &t), 0);
    return t;
}

/* --- from plain JSON to OTLP ------------------------------------------------------------------ */

static json_t *attrs_of(json_t *plain);

static json_t *value_of(json_t *plain)
{
    switch (json_typeof(plain)) {
    case JSON_STRING:
        return json_pack("{sO}", "stringValue", plain);
    case JSON_INTEGER:
        return json_pack("{sO}", "intValue", plain);
    case JSON_REAL:
        return json_pack("{sO}", "doubleValue", plain);
    case JSON_TRUE:
    case JSON_FALSE:
        return json_pack("{sO}", "boolValue", plain);
    case JSON_NULL:
        return json_object();
    case JSON_OBJECT:
        if (json_object_get(plain, "$bytes") != NULL) {
            return json_pack("{sO}", "bytesValue", json_object_get(plain, "$bytes"));
        }
        return json_pack("{s{so}}", "kvlistValue", "values", attrs_of(plain));
    case JSON_ARRAY:
        break;
    }
    json_t *values = json_array();
    size_t i = 0;
    json_t *item = NULL;
    json_array_foreach(plain, i, item)
    {
        assert_int_equal(json_array_append_new(values, value_of(item)), 0);
    }
    return json_pack("{s{so}}", "arrayValue", "values", values);
}

static json_t *attrs_of(json_t *plain)
{
    json_t *attrs = json_array();
    const char *key = NULL;
    json_t *value = NULL;
    json_object_foreach(plain, key, value)
    {
        json_t *attr = json_pack("{ssso}", "key", key, "value", value_of(value));
        assert_int_equal(json_array_append_new(attrs, attr), 0);
    }
    return attrs;
}

/* Puts `attributes` in place of the short `attrs` of each event or link. */
static void expand_items(json_t *items)
{
    size_t i = 0;
    json_t *item = NULL;
    json_array_foreach(items, i, item)
    {
        json_t *plain = json_object_get(item, "attrs");
        if (plain != NULL) {
            json_object_set_new(item, "attributes", attrs_of(plain));
            json_object_del(item, "attrs");
        }
    }
}

static void to_wire(json_t *span, json_t *resource, struct bytes *wire)
{
    struct otlp_json_why why = {0};
    json_t *request = json_pack("{s[{s{so}s[{s[o]}]}]}", "resourceSpans", "resource", "attributes",
                                resource, "scopeSpans", "spans", span);
    assert_non_null(request);
    static char dumped[2 * TEXT_MAX_BYTES];
    size_t len = json_dumpb(request, dumped, sizeof(dumped), JSON_COMPACT);
    assert_in_range(len, 1, sizeof(dumped));
    bytes_clear(wire);
    int err = otlp_json_decode(REQUEST, slice_of(dumped, len), wire, &why);
    if (err != 0) {
        fail_msg("%s: %.*s", why.reason, (int)len, dumped);
    }
    json_decref(request);
}

/* --- vectors ---------------------------------------------------------------------------------- */

struct test_case {
    json_t *span;
    json_t *resource;
    struct xray_trace_options options;
    struct slice names[2][NAMES_MAX];
};

static char text[TEXT_MAX_BYTES];

static const char *unescaped(struct slice escaped)
{
    size_t len = vector_unescape(escaped, (uint8_t *)text, sizeof(text) - 1);
    text[len] = '\0';
    return text;
}

static json_t *parse(const struct vector *v, struct slice escaped)
{
    json_error_t error;
    json_t *parsed = json_loads(unescaped(escaped), JSON_DECODE_ANY, &error);
    if (parsed == NULL) {
        fail_msg("%.*s: %s in %s", (int)v->title.len, (const char *)v->title.ptr, error.text, text);
    }
    return parsed;
}

/* Names between commas. */
static size_t split(struct slice list, struct slice *names)
{
    size_t count = 0;
    while (list.len > 0) {
        size_t end = slice_find(list, ',');
        assert_true(count < NAMES_MAX);
        names[count++] = slice_first(list, end);
        list = slice_from(list, end < list.len ? end + 1 : end);
    }
    return count;
}

static void read_option(struct test_case *c, struct slice word, struct slice value)
{
    if (slice_is_text(word, "index_all")) {
        c->options.indexes_all = true;
    } else if (slice_is_text(word, "check_time")) {
        c->options.checks_trace_time = true;
    } else if (slice_is_text(word, "indexed")) {
        c->options.indexed_attributes = c->names[0];
        c->options.indexed_count = split(value, c->names[0]);
    } else if (slice_is_text(word, "log_groups")) {
        c->options.log_groups = c->names[1];
        c->options.log_group_count = split(value, c->names[1]);
    } else {
        fail_msg("no option %.*s", (int)word.len, (const char *)word.ptr);
    }
}

static void set_span(struct test_case *c, const char *key, json_t *value)
{
    assert_int_equal(json_object_set_new(c->span, key, value), 0);
}

/* What describes the span; false for a line that describes what is expected. */
static bool read_line(struct test_case *c, const struct vector *v, const struct vector_line *line)
{
    static const char *const kinds[] = {"none",   "internal", "server",
                                        "client", "producer", "consumer"};
    struct slice key = line->key;
    if (slice_is_text(key, "kind")) {
        for (int i = 0; i < (int)COUNT_OF(kinds); i++) {
            if (slice_is_text(line->text, kinds[i])) {
                set_span(c, "kind", json_integer(i));
            }
        }
    } else if (slice_is_text(key, "attrs")) {
        json_t *plain = parse(v, line->text);
        set_span(c, "attributes", attrs_of(plain));
        json_decref(plain);
    } else if (slice_is_text(key, "resource")) {
        json_t *plain = parse(v, line->text);
        json_decref(c->resource);
        c->resource = attrs_of(plain);
        json_decref(plain);
    } else if (slice_is_text(key, "events") || slice_is_text(key, "links")) {
        json_t *items = parse(v, line->text);
        expand_items(items);
        set_span(c, slice_is_text(key, "events") ? "events" : "links", items);
    } else if (slice_is_text(key, "span")) {
        json_t *members = parse(v, line->text);
        assert_int_equal(json_object_update(c->span, members), 0);
        json_decref(members);
    } else if (slice_is_text(key, "option")) {
        size_t blank = slice_find(line->text, ' ');
        struct slice rest = slice_from(line->text, blank);
        read_option(c, slice_first(line->text, blank), rest.len > 0 ? slice_from(rest, 1) : rest);
    } else {
        return false;
    }
    return true;
}

static uint64_t next_random(uint64_t *state)
{
    *state += UINT64_C(0x9E3779B97F4A7C15);
    uint64_t z = *state;
    z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    return z ^ z >> 31;
}

/* `text`, $n replaced by the n-th id that the translator made. */
static void fill_in_ids(void)
{
    for (char *at = strchr(text, '$'); at != NULL; at = strchr(at + 1, '$')) {
        if (at[1] < '1' || at[1] > '9') {
            continue;
        }
        uint64_t state = SEED;
        uint64_t id = 0;
        char digits[17];
        for (int i = 0; i < at[1] - '0'; i++) {
            id = next_random(&state);
        }
        (void)snprintf(digits, sizeof(digits), "%016llx", (unsigned long long)id);
        memmove(at + 16, at + 2, strlen(at + 2) + 1);
        memcpy(at, digits, 16);
    }
}

/* `name JSON`, or `name` where nothing is expected there; a slash leads inside. */
static void check_member(const struct vector *v, json_t *document, struct slice expected)
{
    char path[256];
    json_error_t error;
    (void)unescaped(expected);
    fill_in_ids();
    size_t len = strcspn(text, " ");
    assert_true(len < sizeof(path));
    memcpy(path, text, len);
    path[len] = '\0';
    json_t *found = document;
    for (char *name = path; name != NULL;) {
        char *slash = strchr(name, '/');
        if (slash != NULL) {
            *slash = '\0';
        }
        found = json_object_get(found, name);
        name = slash == NULL ? NULL : slash + 1;
    }
    json_t *wanted = text[len] == '\0' ? NULL : json_loads(text + len, JSON_DECODE_ANY, &error);
    if (text[len] != '\0' && wanted == NULL) {
        fail_msg("%.*s: %s", (int)v->title.len, (const char *)v->title.ptr, error.text);
    }
    bool is_same = wanted == NULL ? found == NULL : found != NULL && json_equal(wanted, found);
    if (!is_same) {
        char *dump = json_dumps(document, JSON_COMPACT | JSON_SORT_KEYS);
        fail_msg("%.*s: wanted %s in %s", (int)v->title.len, (const char *)v->title.ptr, text,
                 dump);
    }
    json_decref(wanted);
}

static void check_line(const struct vector *v, const struct vector_line *line, json_t *documents,
                       const struct xray_trace_counts *counts)
{
    struct slice key = line->key;
    if (slice_is_text(key, "refused")) {
        assert_int_equal(json_array_size(documents), 0);
        assert_int_equal(counts->bad_id_count, slice_is_text(line->text, "id"));
        assert_int_equal(counts->bad_time_count, slice_is_text(line->text, "time"));
        return;
    }
    if (slice_is_text(key, "documents")) {
        assert_int_equal(json_array_size(documents), line->text.ptr[0] - '0');
        return;
    }
    bool is_second = slice_is_text(key, "has2");
    if (!is_second && !slice_is_text(key, "has")) {
        fail_msg("%.*s: no key %.*s", (int)v->title.len, (const char *)v->title.ptr, (int)key.len,
                 (const char *)key.ptr);
    }
    json_t *document = json_array_get(documents, is_second ? 1 : 0);
    if (document == NULL) {
        fail_msg("%.*s: no document", (int)v->title.len, (const char *)v->title.ptr);
    }
    check_member(v, document, line->text);
}

static void check_vector(const struct vector *v, struct bytes *wire)
{
    struct test_case c = {
        .span = json_pack("{ss ss ss ss ss}", "traceId", "6553f1000102030405060708090a0b0c",
                          "spanId", "1112131415161718", "name", "op", "startTimeUnixNano",
                          "1700000000250000000", "endTimeUnixNano", "1700000001000000000"),
        .resource = json_array(),
        .options = {.seed = SEED},
    };
    bool is_expected[VECTOR_LINES_MAX] = {false};
    struct xray_trace_counts counts = {0};
    struct got got = got_open();
    for (size_t i = 0; i < v->line_count; i++) {
        is_expected[i] = !read_line(&c, v, &v->lines[i]);
    }
    to_wire(c.span, c.resource, wire);
    struct xray_trace *t = new_trace(&c.options);
    assert_int_equal(
        xray_trace_walk(t, bytes_slice(wire), NOW_UNIX_S * 1000000000, &got.sink, &counts), 0);
    assert_int_equal(counts.span_count, 1);
    assert_int_equal(counts.document_count, json_array_size(got.documents));
    for (size_t i = 0; i < v->line_count; i++) {
        if (is_expected[i]) {
            check_line(v, &v->lines[i], got.documents, &counts);
        }
    }
    json_decref(got.documents);
    xray_trace_free(t);
}

static void check_file(const char *path)
{
    struct vectors vectors;
    struct vector v;
    struct bytes wire;
    bytes_init(&wire, WIRE_MAX_BYTES);
    assert_int_equal(vectors_open(&vectors, path), 0);
    while (vectors_next(&vectors, &v)) {
        check_vector(&v, &wire);
    }
    vectors_close(&vectors);
    bytes_fini(&wire);
}

static void test_vectors_become_the_documents_they_say(void **state)
{
    (void)state;
    assert_true(vectors_each_file(WEIR_SOURCE_DIR "/tests/vectors/xray_trace", check_file) >= 5);
}

/* --- sizes ------------------------------------------------------------------------------------ */

/* One span with `len` bytes of text in attribute `key`. */
static void wire_with_text(const char *key, size_t len, struct bytes *wire)
{
    assert_true(len < sizeof(text));
    memset(text, 'x', len);
    text[len] = '\0';
    json_t *span =
        json_pack("{ss ss ss ss s[{sss{ss}}]}", "traceId", "6553f1000102030405060708090a0b0c",
                  "spanId", "1112131415161718", "startTimeUnixNano", "1", "endTimeUnixNano", "2",
                  "attributes", "key", key, "value", "stringValue", text);
    to_wire(span, json_array(), wire);
}

/* What the walk makes of it; the length of its document without the text is *base_len. */
static void walk_text(const char *key, size_t len, struct xray_trace_counts *counts, size_t *count,
                      bool *has_metadata)
{
    struct xray_trace_options options = {.seed = SEED};
    struct got got = got_open();
    struct bytes wire;
    bytes_init(&wire, WIRE_MAX_BYTES);
    wire_with_text(key, len, &wire);
    struct xray_trace *t = new_trace(&options);
    *counts = (struct xray_trace_counts){0};
    assert_int_equal(xray_trace_walk(t, bytes_slice(&wire), 0, &got.sink, counts), 0);
    *count = json_array_size(got.documents);
    *has_metadata = json_object_get(json_array_get(got.documents, 0), "metadata") != NULL;
    json_decref(got.documents);
    xray_trace_free(t);
    bytes_fini(&wire);
}

/* The longest text that passes untouched, by halving. */
static size_t longest(const char *key)
{
    size_t good = 0;
    size_t bad = 2 * XRAY_DOCUMENT_MAX_BYTES;
    while (bad - good > 1) {
        struct xray_trace_counts counts;
        size_t count = 0;
        bool has_metadata = false;
        size_t middle = (good + bad) / 2;
        walk_text(key, middle, &counts, &count, &has_metadata);
        if (counts.trimmed_count + counts.too_large_count == 0) {
            good = middle;
        } else {
            bad = middle;
        }
    }
    return good;
}

static void test_metadata_is_cut_off_one_byte_past_the_limit(void **state)
{
    (void)state;
    struct xray_trace_counts counts;
    size_t count = 0;
    bool has_metadata = false;
    size_t len = longest("big");
    assert_in_range(len, XRAY_DOCUMENT_MAX_BYTES - 400, XRAY_DOCUMENT_MAX_BYTES);
    walk_text("big", len, &counts, &count, &has_metadata);
    assert_int_equal(count, 1);
    assert_true(has_metadata);
    walk_text("big", len + 1, &counts, &count, &has_metadata);
    assert_int_equal(count, 1);
    assert_false(has_metadata);
    assert_int_equal(counts.trimmed_count, 1);
    /* Also where it does not fit what is being written into. */
    walk_text("big", sizeof(text) - 1, &counts, &count, &has_metadata);
    assert_int_equal(count, 1);
    assert_false(has_metadata);
}

static void test_a_document_too_large_without_metadata_is_refused(void **state)
{
    (void)state;
    struct xray_trace_counts counts;
    size_t count = 0;
    bool has_metadata = false;
    size_t len = longest("enduser.id");
    walk_text("enduser.id", len, &counts, &count, &has_metadata);
    assert_int_equal(count, 1);
    walk_text("enduser.id", len + 1, &counts, &count, &has_metadata);
    assert_int_equal(count, 0);
    assert_int_equal(counts.too_large_count, 1);
    assert_int_equal(counts.trimmed_count, 0);
    walk_text("enduser.id", sizeof(text) - 1, &counts, &count, &has_metadata);
    assert_int_equal(counts.too_large_count, 1);
}

/* --- life ------------------------------------------------------------------------------------- */

static void test_every_allocation_may_fail(void **state)
{
    (void)state;
    struct xray_trace_options options = {.seed = SEED};
    struct bytes wire;
    bytes_init(&wire, WIRE_MAX_BYTES);
    wire_with_text("big", 30000, &wire);
    int err = -ENOMEM;
    uint64_t failing = 1;
    for (; err != 0; failing++) {
        struct xray_trace *t = NULL;
        struct xray_trace_counts counts = {0};
        struct got got = got_open();
        mem_fail_nth(failing);
        err = xray_trace_new(&options, &t);
        if (err == 0) {
            err = xray_trace_walk(t, bytes_slice(&wire), 0, &got.sink, &counts);
        }
        mem_fail_nth(0);
        assert_true(err == 0 || err == -ENOMEM);
        assert_int_equal(json_array_size(got.documents), err == 0 ? 1 : 0);
        json_decref(got.documents);
        xray_trace_free(t);
        assert_true(failing < 100);
    }
    assert_true(failing > 4);
    bytes_fini(&wire);
}

static void test_a_sink_that_refuses_ends_the_walk(void **state)
{
    (void)state;
    struct xray_trace_options options = {.seed = SEED};
    struct xray_trace_counts counts = {0};
    struct got got = got_open();
    struct bytes wire;
    bytes_init(&wire, WIRE_MAX_BYTES);
    got.answer = FAULT_LIMIT;
    wire_with_text("a", 1, &wire);
    struct xray_trace *t = new_trace(&options);
    assert_int_equal(xray_trace_walk(t, bytes_slice(&wire), 0, &got.sink, &counts), FAULT_LIMIT);
    xray_trace_free(t);
    bytes_fini(&wire);
    json_decref(got.documents);
}

/* --- random spans ----------------------------------------------------------------------------- */

static uint64_t random_state = 7;

static uint32_t below(uint32_t limit)
{
    return (uint32_t)(next_random(&random_state) % limit);
}

static void put_varint(struct bytes *out, uint64_t value)
{
    while (value >= 0x80) {
        bytes_append_byte(out, (uint8_t)(value | 0x80));
        value >>= 7;
    }
    bytes_append_byte(out, (uint8_t)value);
}

static void put_field(struct bytes *out, uint32_t number, struct slice content)
{
    put_varint(out, number << 3 | 2);
    put_varint(out, content.len);
    bytes_append(out, content.ptr, content.len);
}

#define PYTHON_CHAIN                                                                               \
    "T\n  File \"a\", line 3, in f\n    x\nE: m\n\nDuring handling of the above exception, "       \
    "another exception occurred:\n\nT:\n  File \"b\", line 4, in g\n    y\nE:"

/* Mostly a piece of something that means something, sometimes bytes that mean nothing. */
static void put_random_text(struct bytes *out, uint32_t number)
{
    static const char *const words[] = {
        "LOCAL_ROOT",
        "aws-api",
        "postgresql",
        "RECEIVED",
        "aws",
        "aws_ecs",
        "aws_eks",
        "aws_ec2",
        "aws_elastic_beanstalk",
        "python",
        "java",
        "go",
        "dotnet",
        "nodejs",
        "php",
        "::1",
        "10.0.0.1",
        "jdbc:postgresql://host:5432/db",
        "a&b&&c",
        "arn:aws:logs:r:1:log-group:g:*",
        "{\"a\":{\"b\":[1,2]},\"otel.resource.c\":null}",
        "{",
        "exception",
        "HTTP request failure",
        "x\n\tat a/b.C(D.java:1)\nCaused by: E:\n\tat f(g)\nCaused by: E",
        "\tat (",
        "Caused by:",
        PYTHON_CHAIN,
        "  File \n\nDuring handling of the above exception, another exception occurred:\nE",
        "E\n    at f (native)\n    at a:1:2\n    at (:)",
        "E\n at f() in p:line\n at () in x:",
        "goroutine 1 [running]:\nmain.f()\n\tm.go:17 +0x1d\n:",
        "otel.resource.x",
        "\xC3\xA9t\xC3",
        "",
        ":",
        "\"\\\x01",
    };
    uint8_t noise[12];
    if (below(5) != 0) {
        put_field(out, number, slice_of_text(words[below(COUNT_OF(words))]));
        return;
    }
    size_t len = below(sizeof(noise) + 1);
    for (size_t i = 0; i < len; i++) {
        noise[i] = (uint8_t)next_random(&random_state);
    }
    put_field(out, number, slice_of(noise, len));
}

static const char *const known_names[] = {
#define NAME(name, text) text,
    XRAY_KEY_LIST(NAME)
#undef NAME
};

static void put_random_value(struct bytes *out, uint32_t depth)
{
    struct bytes inner;
    bytes_init(&inner, WIRE_MAX_BYTES);
    uint32_t kind = below(depth > 3 ? 5 : 8);
    uint64_t bits = next_random(&random_state);
    if (kind == 1) {
        put_varint(out, 2 << 3);
        put_varint(out, bits & 1);
    } else if (kind == 2) {
        put_varint(out, 3 << 3);
        put_varint(out, below(2) == 0 ? 400 + below(200) : bits);
    } else if (kind == 3) {
        put_varint(out, 4 << 3 | 1);
        bytes_append(out, &bits, sizeof(bits));
    } else if (kind == 4) {
        put_random_text(out, 7);
    } else if (kind == 5) {
        struct bytes item;
        bytes_init(&item, WIRE_MAX_BYTES);
        for (uint32_t i = below(3); i > 0; i--) {
            bytes_clear(&item);
            put_random_value(&item, depth + 1);
            put_field(&inner, 1, bytes_slice(&item));
        }
        put_field(out, 5, bytes_slice(&inner));
        bytes_fini(&item);
    } else {
        put_random_text(out, 1);
    }
    bytes_fini(&inner);
}

static void put_random_attrs(struct bytes *out, uint32_t number, uint32_t count_max)
{
    struct bytes attr;
    struct bytes value;
    bytes_init(&attr, WIRE_MAX_BYTES);
    bytes_init(&value, WIRE_MAX_BYTES);
    for (uint32_t i = below(count_max + 1); i > 0; i--) {
        bytes_clear(&attr);
        bytes_clear(&value);
        if (below(8) == 0) {
            put_random_text(&attr, 1);
        } else if (below(12) == 0) {
            put_field(&attr, 1, SLICE_LITERAL("aws.xray.metadata.Default"));
        } else {
            put_field(&attr, 1, slice_of_text(known_names[below(COUNT_OF(known_names))]));
        }
        put_random_value(&value, 0);
        put_field(&attr, 2, bytes_slice(&value));
        put_field(out, number, bytes_slice(&attr));
    }
    bytes_fini(&attr);
    bytes_fini(&value);
}

static void put_random_event(struct bytes *out, uint32_t number, uint32_t attrs_number)
{
    struct bytes event;
    bytes_init(&event, WIRE_MAX_BYTES);
    if (attrs_number == 3) {
        put_random_text(&event, 2);
    } else {
        put_field(&event, 1, SLICE_LITERAL("0123456789abcdef"));
        put_field(&event, 2, SLICE_LITERAL("01234567"));
    }
    put_random_attrs(&event, attrs_number, 5);
    put_field(out, number, bytes_slice(&event));
    bytes_fini(&event);
}

static void put_random_span(struct bytes *out)
{
    struct bytes span;
    bytes_init(&span, WIRE_MAX_BYTES);
    put_field(&span, 1, SLICE_LITERAL("0123456789abcdef"));
    put_field(&span, 2, SLICE_LITERAL("01234567"));
    if (below(2) == 0) {
        put_field(&span, 4, SLICE_LITERAL("76543210"));
    }
    put_random_text(&span, 5);
    put_varint(&span, 6 << 3);
    put_varint(&span, below(7));
    uint64_t time = next_random(&random_state);
    put_varint(&span, 7 << 3 | 1);
    bytes_append(&span, &time, sizeof(time));
    put_varint(&span, 8 << 3 | 1);
    bytes_append(&span, &time, sizeof(time));
    put_random_attrs(&span, 9, 25);
    for (uint32_t i = below(3); i > 0; i--) {
        put_random_event(&span, 11, 3);
    }
    for (uint32_t i = below(3); i > 0; i--) {
        put_random_event(&span, 13, 4);
    }
    put_field(&span, 15, below(2) == 0 ? SLICE_LITERAL("\x18\x02") : SLICE_LITERAL("\x12\x01m"));
    put_field(out, 2, bytes_slice(&span));
    bytes_fini(&span);
}

static void make_random_request(struct bytes *wire)
{
    struct bytes scope;
    struct bytes group;
    struct bytes resource;
    bytes_init(&scope, WIRE_MAX_BYTES);
    bytes_init(&group, WIRE_MAX_BYTES);
    bytes_init(&resource, WIRE_MAX_BYTES);
    put_random_attrs(&resource, 1, 12);
    put_random_span(&scope);
    put_field(&group, 1, bytes_slice(&resource));
    put_field(&group, 2, bytes_slice(&scope));
    bytes_clear(wire);
    put_field(wire, 1, bytes_slice(&group));
    bytes_fini(&scope);
    bytes_fini(&group);
    bytes_fini(&resource);
}

static void test_random_spans_become_json(void **state)
{
    (void)state;
    struct slice indexed[] = {SLICE_LITERAL("http.method"), SLICE_LITERAL("otel.resource.host.id")};
    struct slice groups[] = {SLICE_LITERAL("g")};
    struct xray_trace_options options = {.indexed_attributes = indexed,
                                         .indexed_count = COUNT_OF(indexed),
                                         .log_groups = groups,
                                         .log_group_count = COUNT_OF(groups),
                                         .seed = SEED};
    struct bytes wire;
    bytes_init(&wire, WIRE_MAX_BYTES);
    struct xray_trace *t = new_trace(&options);
    struct xray_trace_counts counts = {0};
    struct got got = got_open();
    for (int i = 0; i < RANDOM_SPANS; i++) {
        if (i == RANDOM_SPANS / 2) {
            xray_trace_free(t);
            options.indexes_all = true;
            t = new_trace(&options);
        }
        make_random_request(&wire);
        assert_int_equal(xray_trace_walk(t, bytes_slice(&wire), 0, &got.sink, &counts), 0);
        json_array_clear(got.documents);
    }
    assert_int_equal(counts.span_count, RANDOM_SPANS);
    assert_true(counts.document_count > RANDOM_SPANS - counts.too_large_count);
    xray_trace_free(t);
    json_decref(got.documents);
    bytes_fini(&wire);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors_become_the_documents_they_say),
        cmocka_unit_test(test_metadata_is_cut_off_one_byte_past_the_limit),
        cmocka_unit_test(test_a_document_too_large_without_metadata_is_refused),
        cmocka_unit_test(test_every_allocation_may_fail),
        cmocka_unit_test(test_a_sink_that_refuses_ends_the_walk),
        cmocka_unit_test(test_random_spans_become_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
