/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of otlp_walk: what is refused and why, what is counted, and two decoders as oracles on
 * random and on damaged requests.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/base/bounds.h"
#include "core/base/fault.h"
#include "core/base/mem.h"
#include "core/otlp/otlp_field.h"
#include "core/otlp/otlp_schema.h"
#include "core/otlp/otlp_walk.h"
#include "core/otlp/pb_decode.h"
#include "core/otlp/proto/collector_logs.pb-c.h"
#include "core/otlp/proto/collector_metrics.pb-c.h"
#include "core/otlp/proto/collector_trace.pb-c.h"
#include "tests/core/otlp/otlp_random.h"
#include "tests/support/vectors.h"

#define REQUEST_BYTES_MAX (1 << 22)
#define VECTOR_BYTES_MAX 4096

static struct arena arena;
static uint8_t *request_memory;

static int setup(void **state)
{
    (void)state;
    request_memory = mem_alloc(REQUEST_BYTES_MAX);
    return request_memory == NULL ? -1 : arena_init(&arena, 65536, 1 << 28);
}

static int teardown(void **state)
{
    (void)state;
    mem_free(request_memory);
    arena_fini(&arena);
    return 0;
}

static struct slice random_request(struct otlp_random *r, enum signal signal)
{
    struct otlp_build b;
    otlp_build_init(&b, request_memory, REQUEST_BYTES_MAX);
    return otlp_random_request(r, signal, &b);
}

/* --- counts, as a decoder's structs have them ------------------------------------------------- */

static struct otlp_counts count_traces(const ProtobufCMessage *message)
{
    const Opentelemetry__Proto__Collector__Trace__V1__ExportTraceServiceRequest *request =
        (const void *)message;
    struct otlp_counts counts = {.resource_count = (uint32_t)request->n_resource_spans};
    for (size_t i = 0; i < request->n_resource_spans; i++) {
        for (size_t k = 0; k < request->resource_spans[i]->n_scope_spans; k++) {
            counts.item_count += request->resource_spans[i]->scope_spans[k]->n_spans;
        }
    }
    return counts;
}

static size_t count_points(const Opentelemetry__Proto__Metrics__V1__Metric *metric)
{
    switch ((int)metric->data_case) {
    case OTLP_DATA_GAUGE:
        return metric->gauge->n_data_points;
    case OTLP_DATA_SUM:
        return metric->sum->n_data_points;
    case OTLP_DATA_HISTOGRAM:
        return metric->histogram->n_data_points;
    case OTLP_DATA_EXPHIST:
        return metric->exponential_histogram->n_data_points;
    case OTLP_DATA_SUMMARY:
        return metric->summary->n_data_points;
    default:
        return 0;
    }
}

static struct otlp_counts count_metrics(const ProtobufCMessage *message)
{
    const Opentelemetry__Proto__Collector__Metrics__V1__ExportMetricsServiceRequest *request =
        (const void *)message;
    struct otlp_counts counts = {.resource_count = (uint32_t)request->n_resource_metrics};
    for (size_t i = 0; i < request->n_resource_metrics; i++) {
        const Opentelemetry__Proto__Metrics__V1__ResourceMetrics *group =
            request->resource_metrics[i];
        for (size_t k = 0; k < group->n_scope_metrics; k++) {
            counts.metric_count += (uint32_t)group->scope_metrics[k]->n_metrics;
            for (size_t m = 0; m < group->scope_metrics[k]->n_metrics; m++) {
                counts.item_count += count_points(group->scope_metrics[k]->metrics[m]);
            }
        }
    }
    return counts;
}

static struct otlp_counts count_logs(const ProtobufCMessage *message)
{
    const Opentelemetry__Proto__Collector__Logs__V1__ExportLogsServiceRequest *request =
        (const void *)message;
    struct otlp_counts counts = {.resource_count = (uint32_t)request->n_resource_logs};
    for (size_t i = 0; i < request->n_resource_logs; i++) {
        for (size_t k = 0; k < request->resource_logs[i]->n_scope_logs; k++) {
            counts.item_count += request->resource_logs[i]->scope_logs[k]->n_log_records;
        }
    }
    return counts;
}

static struct otlp_counts count_decoded(enum signal signal, const ProtobufCMessage *message)
{
    switch (signal) {
    case SIGNAL_TRACES:
        return count_traces(message);
    case SIGNAL_METRICS:
        return count_metrics(message);
    case SIGNAL_LOGS:
        return count_logs(message);
    }
    return (struct otlp_counts){0};
}

static void assert_same_counts(const struct otlp_counts *a, const struct otlp_counts *b)
{
    assert_int_equal(a->item_count, b->item_count);
    assert_int_equal(a->resource_count, b->resource_count);
    assert_int_equal(a->metric_count, b->metric_count);
}

/* --- random requests -------------------------------------------------------------------------- */

/* Counts as both decoders do. */
static void check_valid(enum signal signal, struct slice bytes, bool is_plain)
{
    const ProtobufCMessageDescriptor *d = otlp_random_descriptor(signal);
    struct otlp_counts counts = {0};
    enum otlp_why why = OTLP_WHY_COUNT;
    assert_int_equal(otlp_walk(signal, bytes, &counts, &why), 0);
    assert_int_equal(why, OTLP_WHY_NONE);
    arena_reset(&arena);
    ProtobufCMessage *message = NULL;
    assert_int_equal(pb_decode(d, bytes, &arena, NULL, &message), 0);
    struct otlp_counts ours = count_decoded(signal, message);
    assert_same_counts(&counts, &ours);
    if (!is_plain) {
        return;
    }
    assert_false(counts.is_irregular);
    message = protobuf_c_message_unpack(d, NULL, bytes.len, bytes.ptr);
    assert_non_null(message);
    struct otlp_counts theirs = count_decoded(signal, message);
    assert_same_counts(&counts, &theirs);
    protobuf_c_message_free_unpacked(message, NULL);
}

static void test_random_requests_count_as_decoders_count(void **state)
{
    (void)state;
    struct otlp_random r = {.state = 1};
    for (uint32_t round = 0; round < 600; round++) {
        enum signal signal = (enum signal)(round % SIGNAL_COUNT);
        r.is_shuffled = round % 2 == 0;
        r.has_unknown = round % 4 >= 2;
        r.has_duplicates = round % 8 >= 6;
        check_valid(signal, random_request(&r, signal), round % 4 < 2);
    }
}

static void test_every_cut_of_a_random_request_is_refused_or_whole(void **state)
{
    (void)state;
    for (uint32_t seed = 1; seed <= 12; seed++) {
        struct otlp_random r = {.state = seed, .is_shuffled = true, .has_unknown = true};
        enum signal signal = (enum signal)(seed % SIGNAL_COUNT);
        struct slice bytes = random_request(&r, signal);
        for (size_t len = 0; len < bytes.len && len < 4000; len++) {
            struct otlp_counts counts = {0};
            ProtobufCMessage *message = NULL;
            arena_reset(&arena);
            int err = otlp_walk(signal, slice_first(bytes, len), &counts, NULL);
            assert_int_equal(err, pb_decode(otlp_random_descriptor(signal), slice_first(bytes, len),
                                            &arena, NULL, &message));
            assert_true(err == 0 || err == FAULT_TRUNCATED);
        }
    }
}

/* Which refusals another decoder need not share. */
static bool is_of_otlp(enum otlp_why why)
{
    return why == OTLP_WHY_TRACE_ID || why == OTLP_WHY_SPAN_ID;
}

static void test_damaged_requests_are_refused_as_pb_decode_refuses(void **state)
{
    (void)state;
    struct otlp_random r = {.state = 2, .is_shuffled = true, .child_max = 1};
    uint32_t valid_count = 0;
    uint32_t seen[OTLP_WHY_COUNT] = {0};
    for (uint32_t round = 0; round < 20000; round++) {
        enum signal signal = (enum signal)(round % SIGNAL_COUNT);
        r.has_unknown = round % 5 == 0;
        struct slice bytes = random_request(&r, signal);
        for (uint32_t n = otlp_random_below(&r, 4); n > 0 && bytes.len > 0; n--) {
            size_t at = REQUEST_BYTES_MAX - 1 - otlp_random_below(&r, (uint32_t)bytes.len);
            request_memory[at] = (uint8_t)otlp_random_below(&r, 256);
        }
        struct otlp_counts counts = {0};
        enum otlp_why why = OTLP_WHY_NONE;
        ProtobufCMessage *message = NULL;
        arena_reset(&arena);
        int err = otlp_walk(signal, bytes, &counts, &why);
        int decode_err = pb_decode(otlp_random_descriptor(signal), bytes, &arena, NULL, &message);
        seen[why]++;
        assert_int_equal(err == 0, why == OTLP_WHY_NONE);
        assert_true(is_of_otlp(why) ? err != 0 : (err == 0) == (decode_err == 0));
        if (err == 0) {
            struct otlp_counts decoded = count_decoded(signal, message);
            assert_true(counts.is_irregular || counts.item_count == decoded.item_count);
            valid_count++;
        }
    }
    assert_true(valid_count > 1000);
    assert_true(seen[OTLP_WHY_TRUNCATED] > 100);
    assert_true(seen[OTLP_WHY_WIRE_TYPE] > 100);
    assert_true(seen[OTLP_WHY_SPAN_ID] > 0);
}

static void test_nothing_is_read_behind_the_end(void **state)
{
    (void)state;
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    uint8_t *pages =
        mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(pages != MAP_FAILED);
    assert_int_equal(mprotect(pages + page, page, PROT_NONE), 0);
    struct otlp_random r = {.state = 3, .is_shuffled = true, .has_unknown = true};
    for (uint32_t round = 0; round < 30; round++) {
        enum signal signal = (enum signal)(round % SIGNAL_COUNT);
        struct slice bytes = random_request(&r, signal);
        size_t max = bytes.len < page ? bytes.len : page;
        for (size_t len = 0; len <= max; len++) {
            struct otlp_counts counts = {0};
            uint8_t *at = pages + page - len;
            memcpy(at, bytes.ptr, len);
            int err = otlp_walk(signal, slice_of(at, len), &counts, NULL);
            assert_true(err == 0 || err == FAULT_TRUNCATED);
        }
    }
    (void)munmap(pages, 2 * page); /* nothing left to test */
}

/* --- the schema ------------------------------------------------------------------------------- */

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

/* Is what the table has for a tag what the descriptor says? */
static void check_entry(const ProtobufCMessageDescriptor *d, uint32_t tag, uint32_t action)
{
    const ProtobufCFieldDescriptor *field = protobuf_c_message_descriptor_get_field(d, tag >> 3);
    uint32_t wire_type = tag & 7;
    bool is_scalar = field != NULL && wire_type_of(field->type) != PB_WIRE_BYTES;
    bool is_packed = is_scalar && field->label == PROTOBUF_C_LABEL_REPEATED && wire_type == 2;
    if (field == NULL || (wire_type != wire_type_of(field->type) && !is_packed)) {
        assert_int_equal(action, OTLP_ACTION_ODD);
    } else if (is_packed) {
        assert_int_equal(action, wire_type_of(field->type) == PB_WIRE_VARINT
                                     ? OTLP_ACTION_PACKED_VARINT
                                     : OTLP_ACTION_PACKED_FIXED64);
    } else if (field->type == PROTOBUF_C_TYPE_BYTES) {
        bool is_trace_id = strstr(field->name, "trace_id") != NULL;
        bool is_span_id = strstr(field->name, "span_id") != NULL;
        assert_int_equal(action, is_trace_id  ? OTLP_ACTION_TRACE_ID
                                 : is_span_id ? OTLP_ACTION_SPAN_ID
                                              : OTLP_ACTION_BYTES);
    } else if (is_scalar) {
        static const uint32_t actions[] = {[PB_WIRE_VARINT] = OTLP_ACTION_VARINT,
                                           [PB_WIRE_FIXED64] = OTLP_ACTION_FIXED64,
                                           [PB_WIRE_FIXED32] = OTLP_ACTION_FIXED32};
        assert_int_equal(action, actions[wire_type]);
    } else {
        assert_true(action >= OTLP_ACTION_MESSAGE);
    }
}

/* Compares a row with a descriptor and returns the rows it leads to by way of `types`. */
static void check_row(uint32_t type, const ProtobufCMessageDescriptor *d,
                      const ProtobufCMessageDescriptor **types)
{
    for (uint32_t tag = 0; tag < OTLP_SCHEMA_TAGS; tag++) {
        uint32_t action = otlp_schema[type][tag];
        check_entry(d, tag, action);
        if (action >= OTLP_ACTION_MESSAGE) {
            const ProtobufCFieldDescriptor *field =
                protobuf_c_message_descriptor_get_field(d, tag >> 3);
            uint32_t inner = action - OTLP_ACTION_MESSAGE;
            assert_true(inner < OTLP_TYPE_COUNT);
            assert_true(types[inner] == NULL || types[inner] == field->descriptor);
            types[inner] = field->descriptor;
        }
    }
}

static void test_schema_is_that_of_the_descriptors(void **state)
{
    (void)state;
    const ProtobufCMessageDescriptor *types[OTLP_TYPE_COUNT] = {NULL};
    bool done[OTLP_TYPE_COUNT] = {false};
    for (uint32_t i = 0; i < SIGNAL_COUNT; i++) {
        types[OTLP_TYPE_TRACES_REQUEST + i] = otlp_random_descriptor((enum signal)i);
    }
    for (uint32_t round = 0; round < OTLP_TYPE_COUNT; round++) {
        for (uint32_t type = 0; type < OTLP_TYPE_COUNT; type++) {
            if (types[type] != NULL && !done[type]) {
                check_row(type, types[type], types);
                done[type] = true;
            }
        }
    }
    for (uint32_t type = 0; type < OTLP_TYPE_COUNT; type++) {
        assert_true(done[type]);
    }
}

/* --- limits ----------------------------------------------------------------------------------- */

/* A log record whose body is an array in an array, `depth` messages in all. */
static struct slice nested_body(struct otlp_build *b, uint32_t depth)
{
    for (uint32_t level = depth; level > 5; level--) {
        /* Request, ResourceLogs, ScopeLogs, LogRecord, AnyValue, ArrayValue, AnyValue … */
        otlp_build_close(b, 0, level % 2 == 0 ? 0x2A : 0x0A);
    }
    otlp_build_close(b, 0, 0x2A);
    otlp_build_close(b, 0, 0x12);
    otlp_build_close(b, 0, 0x12);
    otlp_build_close(b, 0, 0x0A);
    return otlp_build_since(b, 0);
}

static void test_messages_nest_to_the_limit_and_not_beyond(void **state)
{
    (void)state;
    struct otlp_counts counts = {0};
    enum otlp_why why = OTLP_WHY_NONE;
    struct otlp_build b;
    otlp_build_init(&b, request_memory, REQUEST_BYTES_MAX);
    struct slice deep = nested_body(&b, PB_DEPTH_MAX);
    assert_int_equal(otlp_walk(SIGNAL_LOGS, deep, &counts, &why), 0);
    assert_int_equal(counts.item_count, 1);
    otlp_build_init(&b, request_memory, REQUEST_BYTES_MAX);
    struct slice deeper = nested_body(&b, PB_DEPTH_MAX + 1);
    assert_int_equal(otlp_walk(SIGNAL_LOGS, deeper, &counts, &why), FAULT_LIMIT);
    assert_int_equal(why, OTLP_WHY_DEPTH);
    otlp_build_init(&b, request_memory, REQUEST_BYTES_MAX);
    struct slice abyss = nested_body(&b, 100001);
    assert_int_equal(otlp_walk(SIGNAL_LOGS, abyss, &counts, &why), FAULT_LIMIT);
}

/* Usual attributes are stepped over without opening their messages; the limit holds for them too.
 */
static void test_usual_attributes_respect_the_limit(void **state)
{
    (void)state;
    const ProtobufCMessageDescriptor *d = otlp_random_descriptor(SIGNAL_LOGS);
    for (uint32_t lists = 15; lists <= 20; lists++) {
        struct otlp_build b;
        struct otlp_counts counts = {0};
        ProtobufCMessage *message = NULL;
        otlp_build_init(&b, request_memory, REQUEST_BYTES_MAX);
        otlp_build_attribute(&b, 0x0A, SLICE_LITERAL("k"), SLICE_LITERAL("v"));
        for (uint32_t i = 1; i < lists; i++) { /* AnyValue of a list, in a KeyValue */
            otlp_build_close(&b, 0, 0x32);
            otlp_build_close(&b, 0, 0x12);
            otlp_build_close(&b, 0, 0x0A);
        }
        otlp_build_close(&b, 0, 0x32);
        struct slice request = nested_body(&b, 5);
        arena_reset(&arena);
        int err = otlp_walk(SIGNAL_LOGS, request, &counts, NULL);
        assert_int_equal(err, pb_decode(d, request, &arena, NULL, &message));
        assert_int_equal(err, lists < 20 ? 0 : FAULT_LIMIT);
    }
}

static void test_reasons_have_words(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < OTLP_WHY_COUNT; i++) {
        assert_true(strlen(otlp_why_text((enum otlp_why)i)) > 0);
    }
}

/* --- vectors ---------------------------------------------------------------------------------- */

static enum otlp_why why_of_name(struct slice name)
{
#define WHY_NAME(why, fault, text) #why,
    static const char *const names[] = {OTLP_WHY_LIST(WHY_NAME)};
#undef WHY_NAME
    for (uint32_t i = 0; i < COUNT_OF(names); i++) {
        if (slice_is_text(name, names[i] + strlen("OTLP_WHY_"))) {
            return (enum otlp_why)i;
        }
    }
    fail_msg("unknown reason");
    return OTLP_WHY_NONE;
}

static bool vector_get(const struct vector *vector, const char *key, struct slice *out)
{
    for (size_t i = 0; i < vector->line_count; i++) {
        if (slice_is_text(vector->lines[i].key, key)) {
            *out = vector->lines[i].text;
            return true;
        }
    }
    return false;
}

static enum signal vector_signal(const struct vector *vector)
{
    struct slice text = {0};
    if (!vector_get(vector, "signal", &text) || slice_is_text(text, "traces")) {
        return SIGNAL_TRACES;
    }
    return slice_is_text(text, "metrics") ? SIGNAL_METRICS : SIGNAL_LOGS;
}

static void check_vector(const struct vector *vector)
{
    uint8_t bytes[VECTOR_BYTES_MAX];
    struct slice text = {0};
    enum signal signal = vector_signal(vector);
    assert_true(vector_get(vector, "in", &text));
    struct slice request = slice_of(bytes, vector_unescape(text, bytes, sizeof(bytes)));
    struct otlp_counts counts = {0};
    enum otlp_why why = OTLP_WHY_NONE;
    assert_true(vector_get(vector, "walk", &text));
    struct slice expected = text;
    int err = otlp_walk(signal, request, &counts, &why);
    assert_int_equal(why, why_of_name(expected));
    assert_int_equal(err == 0, why == OTLP_WHY_NONE);
    if (vector_get(vector, "items", &text)) {
        assert_int_equal(counts.item_count, text.ptr[0] - '0');
    }
    assert_int_equal(counts.is_irregular, vector_get(vector, "irregular", &text));

    /* Where another decoder judges otherwise, the vector says so. */
    const ProtobufCMessageDescriptor *d = otlp_random_descriptor(signal);
    ProtobufCMessage *message = NULL;
    arena_reset(&arena);
    bool differs = vector_get(vector, "pb_decode", &text);
    int decode_err = pb_decode(d, request, &arena, NULL, &message);
    assert_int_equal(decode_err == 0, differs ? err != 0 : err == 0);
    differs = vector_get(vector, "protobuf-c", &text);
    message = protobuf_c_message_unpack(d, NULL, request.len, request.ptr);
    assert_int_equal(message != NULL, differs ? err != 0 : err == 0);
    if (message != NULL) {
        protobuf_c_message_free_unpacked(message, NULL);
    }
}

static void test_vectors(void **state)
{
    (void)state;
    struct vectors vectors;
    struct vector vector;
    uint32_t count = 0;
    assert_int_equal(vectors_open(&vectors, WEIR_SOURCE_DIR "/tests/vectors/otlp/walk.vec"), 0);
    while (vectors_next(&vectors, &vector)) {
        print_message("%.*s\n", (int)vector.title.len, (const char *)vector.title.ptr);
        check_vector(&vector);
        count++;
    }
    vectors_close(&vectors);
    assert_true(count > 30);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_requests_count_as_decoders_count),
        cmocka_unit_test(test_every_cut_of_a_random_request_is_refused_or_whole),
        cmocka_unit_test(test_damaged_requests_are_refused_as_pb_decode_refuses),
        cmocka_unit_test(test_nothing_is_read_behind_the_end),
        cmocka_unit_test(test_schema_is_that_of_the_descriptors),
        cmocka_unit_test(test_messages_nest_to_the_limit_and_not_beyond),
        cmocka_unit_test(test_usual_attributes_respect_the_limit),
        cmocka_unit_test(test_reasons_have_words),
        cmocka_unit_test(test_vectors),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
