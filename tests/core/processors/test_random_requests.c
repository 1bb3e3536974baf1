/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Properties of core/processors over requests made of chance: an edit of the bytes equals an edit
 * of the decoded structs; what a filter keeps and what its opposite keeps are the whole; sampling
 * twice is sampling once; batches hold what was pushed, in order.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "core/base/digest.h"
#include "core/base/mem.h"
#include "core/base/regex.h"
#include "core/otlp/otlp_walk.h"
#include "core/otlp/pb_decode.h"
#include "core/otlp/proto/collector_logs.pb-c.h"
#include "core/otlp/proto/collector_metrics.pb-c.h"
#include "core/otlp/proto/collector_trace.pb-c.h"
#include "core/processors/attributes_processor.h"
#include "core/processors/batch.h"
#include "core/processors/filter_processor.h"
#include "core/processors/probabilistic_sampler_processor.h"
#include "core/processors/resource_processor.h"
#include "tests/core/otlp/otlp_flat.h"
#include "tests/core/otlp/otlp_random.h"
#include "tests/core/processors/processor_rig.h"

#define ROUNDS 60
#define REQUEST_BYTES (4 << 20)

typedef Opentelemetry__Proto__Common__V1__KeyValue KeyValue;
typedef Opentelemetry__Proto__Common__V1__AnyValue AnyValue;

static struct rig rig;
static uint8_t request_buffer[REQUEST_BYTES];

static struct slice make_request(struct otlp_random *r, enum signal signal)
{
    struct otlp_build b;
    otlp_build_init(&b, request_buffer, sizeof(request_buffer));
    struct slice request = otlp_random_request(r, signal, &b);
    assert_int_equal(b.err, 0);
    return request;
}

static struct otlp_random chance(uint64_t seed)
{
    return (struct otlp_random){
        .state = seed * 77 + 1, .is_shuffled = seed % 2 == 1, .has_unknown = seed % 3 == 0};
}

/* --- edits of structs, the slow way ------------------------------------------------------------
 */

#define DELETED "^borrowed t"
#define HASHED "rro"

struct oracle {
    struct regex *deleted;
    struct regex *hashed;
    struct digest digest;
    struct arena *memory;
    bool is_idle; /* edits nothing, but leaves out what edits leave out */
};

static AnyValue *text_of(struct oracle *o, const void *ptr, size_t len)
{
    AnyValue *value = arena_alloc(o->memory, sizeof(*value));
    uint8_t *copy = arena_alloc(o->memory, len);
    assert_non_null(value);
    assert_non_null(copy);
    opentelemetry__proto__common__v1__any_value__init(value);
    if (len > 0) {
        memcpy(copy, ptr, len);
    }
    value->value_case = OPENTELEMETRY__PROTO__COMMON__V1__ANY_VALUE__VALUE_STRING_VALUE;
    value->string_value = (ProtobufCBinaryData){.len = len, .data = copy};
    return value;
}

static AnyValue *hash_of(struct oracle *o, const AnyValue *value)
{
    uint8_t bytes[8];
    struct slice input = slice_of(bytes, 8);
    int kind = value == NULL ? 0 : (int)value->value_case;
    if (kind == OPENTELEMETRY__PROTO__COMMON__V1__ANY_VALUE__VALUE_STRING_VALUE) {
        input = pb_slice(value->string_value);
    } else if (kind == OPENTELEMETRY__PROTO__COMMON__V1__ANY_VALUE__VALUE_BOOL_VALUE) {
        bytes[0] = value->bool_value != 0;
        input.len = 1;
    } else if (kind == OPENTELEMETRY__PROTO__COMMON__V1__ANY_VALUE__VALUE_INT_VALUE) {
        memcpy(bytes, &value->int_value, 8); /* little-endian, as all machines of the tests are */
    } else if (kind == OPENTELEMETRY__PROTO__COMMON__V1__ANY_VALUE__VALUE_DOUBLE_VALUE) {
        memcpy(bytes, &value->double_value, 8);
    } else {
        input.len = 0;
    }
    char hex[DIGEST_SHA256_HEX_BYTES];
    if (input.len == 0) {
        return text_of(o, "", 0);
    }
    assert_int_equal(digest_sha256_hex(&o->digest, input, hex), 0);
    return text_of(o, hex, sizeof(hex));
}

/* delete DELETED, hash HASHED, upsert added="yes". */
static void edit_attrs(struct oracle *o, size_t *count, KeyValue ***attrs)
{
    KeyValue **kept = arena_alloc_array(o->memory, *count + 1, sizeof(KeyValue *));
    assert_non_null(kept);
    size_t n = 0;
    bool has_added = false;
    for (size_t i = 0; i < *count; i++) {
        KeyValue *attr = (*attrs)[i];
        attr->has_key_strindex = false; /* of profiles; gone where a value is written anew */
        if (o->is_idle) {
            continue;
        }
        struct slice key = attr->has_key ? pb_slice(attr->key) : (struct slice){0};
        if (regex_matches(o->deleted, key)) {
            continue;
        }
        if (regex_matches(o->hashed, key)) {
            attr->value = hash_of(o, attr->value);
        }
        if (!has_added && slice_is_text(key, "Added")) {
            attr->value = text_of(o, "yes", 3);
            has_added = true;
        }
        kept[n] = attr;
        n++;
    }
    if (o->is_idle) {
        return;
    }
    if (!has_added) {
        KeyValue *attr = arena_alloc(o->memory, sizeof(*attr));
        assert_non_null(attr);
        opentelemetry__proto__common__v1__key_value__init(attr);
        attr->has_key = true;
        attr->key = text_of(o, "Added", 5)->string_value;
        attr->value = text_of(o, "yes", 3);
        kept[n] = attr;
        n++;
    }
    *attrs = kept;
    *count = n;
}

static void edit_metric(struct oracle *o, Opentelemetry__Proto__Metrics__V1__Metric *m)
{
    size_t i;
    switch ((int)m->data_case) {
    case OPENTELEMETRY__PROTO__METRICS__V1__METRIC__DATA_GAUGE:
        for (i = 0; i < m->gauge->n_data_points; i++) {
            edit_attrs(o, &m->gauge->data_points[i]->n_attributes,
                       &m->gauge->data_points[i]->attributes);
        }
        break;
    case OPENTELEMETRY__PROTO__METRICS__V1__METRIC__DATA_SUM:
        for (i = 0; i < m->sum->n_data_points; i++) {
            edit_attrs(o, &m->sum->data_points[i]->n_attributes,
                       &m->sum->data_points[i]->attributes);
        }
        break;
    case OPENTELEMETRY__PROTO__METRICS__V1__METRIC__DATA_HISTOGRAM:
        for (i = 0; i < m->histogram->n_data_points; i++) {
            edit_attrs(o, &m->histogram->data_points[i]->n_attributes,
                       &m->histogram->data_points[i]->attributes);
        }
        break;
    case OPENTELEMETRY__PROTO__METRICS__V1__METRIC__DATA_EXPONENTIAL_HISTOGRAM:
        for (i = 0; i < m->exponential_histogram->n_data_points; i++) {
            edit_attrs(o, &m->exponential_histogram->data_points[i]->n_attributes,
                       &m->exponential_histogram->data_points[i]->attributes);
        }
        break;
    case OPENTELEMETRY__PROTO__METRICS__V1__METRIC__DATA_SUMMARY:
        for (i = 0; i < m->summary->n_data_points; i++) {
            edit_attrs(o, &m->summary->data_points[i]->n_attributes,
                       &m->summary->data_points[i]->attributes);
        }
        break;
    default:
        break;
    }
}

static void edit_traces(struct oracle *o, ProtobufCMessage *message)
{
    Opentelemetry__Proto__Collector__Trace__V1__ExportTraceServiceRequest *request =
        (void *)message;
    for (size_t i = 0; i < request->n_resource_spans; i++) {
        for (size_t j = 0; j < request->resource_spans[i]->n_scope_spans; j++) {
            Opentelemetry__Proto__Trace__V1__ScopeSpans *scope =
                request->resource_spans[i]->scope_spans[j];
            for (size_t k = 0; k < scope->n_spans; k++) {
                edit_attrs(o, &scope->spans[k]->n_attributes, &scope->spans[k]->attributes);
            }
        }
    }
}

static void edit_logs(struct oracle *o, ProtobufCMessage *message)
{
    Opentelemetry__Proto__Collector__Logs__V1__ExportLogsServiceRequest *request = (void *)message;
    for (size_t i = 0; i < request->n_resource_logs; i++) {
        for (size_t j = 0; j < request->resource_logs[i]->n_scope_logs; j++) {
            Opentelemetry__Proto__Logs__V1__ScopeLogs *scope =
                request->resource_logs[i]->scope_logs[j];
            for (size_t k = 0; k < scope->n_log_records; k++) {
                edit_attrs(o, &scope->log_records[k]->n_attributes,
                           &scope->log_records[k]->attributes);
            }
        }
    }
}

static void edit_metrics(struct oracle *o, ProtobufCMessage *message)
{
    Opentelemetry__Proto__Collector__Metrics__V1__ExportMetricsServiceRequest *request =
        (void *)message;
    for (size_t i = 0; i < request->n_resource_metrics; i++) {
        for (size_t j = 0; j < request->resource_metrics[i]->n_scope_metrics; j++) {
            Opentelemetry__Proto__Metrics__V1__ScopeMetrics *scope =
                request->resource_metrics[i]->scope_metrics[j];
            for (size_t k = 0; k < scope->n_metrics; k++) {
                edit_metric(o, scope->metrics[k]);
            }
        }
    }
}

/* Every resource, which comes into being where there is none. */
static void edit_resources(struct oracle *o, ProtobufCMessage *message)
{
    Opentelemetry__Proto__Collector__Trace__V1__ExportTraceServiceRequest *request =
        (void *)message;
    for (size_t i = 0; i < request->n_resource_spans; i++) {
        Opentelemetry__Proto__Resource__V1__Resource *resource =
            request->resource_spans[i]->resource;
        if (resource == NULL) {
            resource = arena_alloc(o->memory, sizeof(*resource));
            assert_non_null(resource);
            opentelemetry__proto__resource__v1__resource__init(resource);
            request->resource_spans[i]->resource = resource;
        }
        edit_attrs(o, &resource->n_attributes, &resource->attributes);
    }
}

/* Packed by protobuf-c, in the rig's memory. */
static struct slice pack(const ProtobufCMessage *message)
{
    size_t len = protobuf_c_message_get_packed_size(message);
    uint8_t *buf = arena_alloc(&rig.memory, len);
    assert_non_null(buf);
    assert_int_equal(protobuf_c_message_pack(message, buf), len);
    return slice_of(buf, len);
}

static ProtobufCMessage *decode(enum signal signal, struct slice request)
{
    ProtobufCMessage *message = NULL;
    int err = pb_decode(otlp_random_descriptor(signal), request, &rig.memory, NULL, &message);
    assert_int_equal(err, 0);
    return message;
}

typedef void(oracle_fn)(struct oracle *o, ProtobufCMessage *message);

#define ACTIONS                                                                                    \
    "[{pattern: '" DELETED "', action: delete}, {pattern: '" HASHED "', action: hash},"            \
    " {key: Added, value: 'yes', action: upsert}]"

static void check_edits(processor_new_fn *fn, enum signal signal, const char *config,
                        oracle_fn *edit)
{
    char why[128];
    for (uint64_t seed = 0; seed < ROUNDS; seed++) {
        struct oracle o = {.memory = &rig.memory};
        struct otlp_random r = chance(seed);
        rig_open(&rig, fn, signal, config);
        assert_int_equal(regex_new(slice_of_text(DELETED), &o.deleted, why, sizeof(why)), 0);
        assert_int_equal(regex_new(slice_of_text(HASHED), &o.hashed, why, sizeof(why)), 0);
        assert_int_equal(digest_init(&o.digest), 0);
        struct slice request = make_request(&r, signal);
        struct slice out = rig_run(&rig, request);
        ProtobufCMessage *message = decode(signal, request);
        edit(&o, message);
        struct slice expected = pack(message);
        message = decode(signal, out);
        o.is_idle = true;
        edit(&o, message);
        struct slice actual = pack(message);
        assert_int_equal(actual.len, expected.len);
        assert_memory_equal(actual.ptr, expected.ptr, expected.len);
        digest_fini(&o.digest);
        regex_free(o.deleted);
        regex_free(o.hashed);
        rig_close(&rig);
    }
}

static void test_edited_bytes_equal_edited_structs(void **state)
{
    (void)state;
    const char *config = "{actions: " ACTIONS "}";
    check_edits(attributes_processor_new, SIGNAL_TRACES, config, edit_traces);
    check_edits(attributes_processor_new, SIGNAL_METRICS, config, edit_metrics);
    check_edits(attributes_processor_new, SIGNAL_LOGS, config, edit_logs);
    check_edits(resource_processor_new, SIGNAL_TRACES, "{attributes: " ACTIONS "}", edit_resources);
}

/* --- opposites ---------------------------------------------------------------------------------
 */

/* Items of `request` after a filter with `config`; the bytes too. */
static uint64_t filter_count(enum signal signal, const char *config, struct slice request,
                             struct slice *out)
{
    struct rig other;
    rig_open(&other, filter_processor_new, signal, config);
    struct slice bytes = rig_run(&other, request);
    uint64_t count = other.part.item_count;
    uint8_t *copy = mem_alloc(bytes.len + 1);
    assert_non_null(copy);
    if (bytes.len > 0) {
        memcpy(copy, bytes.ptr, bytes.len);
    }
    *out = slice_of(copy, bytes.len);
    rig_close(&other);
    return count;
}

static void check_opposites(enum signal signal, const char *kept, const char *dropped)
{
    uint64_t total = 0;
    uint64_t kept_total = 0;
    for (uint64_t seed = 0; seed < ROUNDS; seed++) {
        struct otlp_random r = chance(seed);
        struct otlp_counts counts;
        struct slice a;
        struct slice b;
        struct slice again;
        struct slice request = make_request(&r, signal);
        assert_int_equal(otlp_walk(signal, request, &counts, NULL), 0);
        uint64_t kept_count = filter_count(signal, kept, request, &a);
        uint64_t dropped_count = filter_count(signal, dropped, request, &b);
        assert_int_equal(kept_count + dropped_count, counts.item_count);
        assert_int_equal(filter_count(signal, dropped, a, &again), 0);
        mem_free((void *)(uintptr_t)again.ptr);
        assert_int_equal(filter_count(signal, kept, a, &again), kept_count);
        assert_true(slice_equal(a, again));
        mem_free((void *)(uintptr_t)a.ptr);
        mem_free((void *)(uintptr_t)b.ptr);
        mem_free((void *)(uintptr_t)again.ptr);
        total += counts.item_count;
        kept_total += kept_count;
    }
    assert_true(kept_total > 0 && kept_total < total);
}

static void test_a_filter_and_its_opposite_are_the_whole(void **state)
{
    (void)state;
    check_opposites(SIGNAL_TRACES,
                    "{spans: {include: {match_type: regexp, span_names: ['^borr']}}}",
                    "{spans: {exclude: {match_type: regexp, span_names: ['^borr']}}}");
    check_opposites(SIGNAL_TRACES, "{traces: {span: ['kind < 3 or IsMatch(name, \"wed\")']}}",
                    "{traces: {span: ['not (kind < 3 or IsMatch(name, \"wed\"))']}}");
    check_opposites(SIGNAL_METRICS,
                    "{metrics: {include: {match_type: regexp, metric_names: ['wed']}}}",
                    "{metrics: {exclude: {match_type: regexp, metric_names: ['wed']}}}");
    check_opposites(SIGNAL_LOGS, "{logs: {log_record: ['severity_number >= 9']}}",
                    "{logs: {log_record: ['severity_number < 9']}}");
}

static void test_sampling_twice_is_sampling_once(void **state)
{
    (void)state;
    static const char *const modes[] = {
        "{mode: equalizing, sampling_percentage: 50, fail_closed: false}",
        "{mode: equalizing, sampling_percentage: 30}",
        "{mode: proportional, sampling_percentage: 100}",
    };
    for (uint64_t seed = 0; seed < ROUNDS; seed++) {
        enum signal signal = seed % 2 == 0 ? SIGNAL_TRACES : SIGNAL_LOGS;
        struct otlp_random r = chance(seed);
        rig_open(&rig, probabilistic_sampler_processor_new, signal, modes[seed % 3]);
        struct slice once = rig_run(&rig, make_request(&r, signal));
        once = JOIN(once);
        uint32_t count = rig.part.item_count;
        struct slice twice = rig_run(&rig, once);
        assert_int_equal(rig.part.item_count, count);
        assert_true(slice_equal(twice, once));
        rig_close(&rig);
    }
}

/* --- batches ------------------------------------------------------------------------------------
 */

static void add_flat(struct otlp_flat *flat, enum signal signal, struct slice request)
{
    arena_reset(&rig.scratch);
    otlp_flat_add(flat, signal, request, &rig.scratch);
}

/* Takes what is due, and adds it to `out`. */
static void drain(struct batcher *b, bool force, struct otlp_flat *out)
{
    uint64_t max = b->config.send_batch_max_size;
    struct batch *batch = batcher_take(b, 1, force);
    while (batch != NULL) {
        assert_true(max == 0 || batch->item_count <= max);
        for (uint32_t i = 0; i < batch->part_count; i++) {
            add_flat(out, b->signal, batch->parts[i].bytes);
        }
        batch_free(batch);
        batch = batcher_take(b, 1, force);
    }
}

static void push_random(struct batcher *b, struct otlp_random *r, struct otlp_flat *in)
{
    struct otlp_counts counts;
    struct part part;
    struct slice request = make_request(r, b->signal);
    assert_int_equal(otlp_walk(b->signal, request, &counts, NULL), 0);
    add_flat(in, b->signal, request);
    assert_int_equal(part_copy(&part, request, b->signal, (uint32_t)counts.item_count), 0);
    assert_int_equal(batcher_push(b, &part, 1), 0);
}

static void test_batches_hold_what_was_pushed_in_order(void **state)
{
    (void)state;
    struct otlp_flat in = {.bytes = mem_reserve(OTLP_FLAT_BYTES_MAX)};
    struct otlp_flat out = {.bytes = mem_reserve(OTLP_FLAT_BYTES_MAX)};
    for (uint64_t seed = 0; seed < ROUNDS; seed++) {
        struct otlp_random r = chance(seed);
        struct batch_config config = {.send_batch_size = 7, .timeout_ns = 1};
        config.send_batch_max_size = seed % 4 == 0 ? 0 : 7 + otlp_random_below(&r, 20);
        struct batcher b;
        rig_init(&rig);
        in = (struct otlp_flat){.bytes = in.bytes};
        out = (struct otlp_flat){.bytes = out.bytes};
        int err = batcher_init(&b, &config, (enum signal)(seed % SIGNAL_COUNT), NULL);
        assert_int_equal(err, 0);
        for (uint32_t i = 0; i < 12; i++) {
            push_random(&b, &r, &in);
            drain(&b, i == 11, &out);
        }
        assert_int_equal(in.item_count, out.item_count);
        assert_int_equal(in.len, out.len);
        assert_memory_equal(in.bytes, out.bytes, in.len);
        batcher_fini(&b);
        rig_close(&rig);
    }
    mem_unreserve(in.bytes, OTLP_FLAT_BYTES_MAX);
    mem_unreserve(out.bytes, OTLP_FLAT_BYTES_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_edited_bytes_equal_edited_structs),
        cmocka_unit_test(test_a_filter_and_its_opposite_are_the_whole),
        cmocka_unit_test(test_sampling_twice_is_sampling_once),
        cmocka_unit_test(test_batches_hold_what_was_pushed_in_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
