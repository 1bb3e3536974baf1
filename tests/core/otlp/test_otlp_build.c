/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of otlp_build and otlp_point: what is written is read back field by field with protobuf-c's
 * unpacker, and a full buffer still ends in a whole message.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "core/base/fault.h"
#include "core/otlp/otlp_point.h"
#include "core/otlp/proto/metrics.pb-c.h"

typedef Opentelemetry__Proto__Metrics__V1__MetricsData metrics_data;
typedef Opentelemetry__Proto__Metrics__V1__Metric metric_message;
typedef Opentelemetry__Proto__Common__V1__KeyValue key_value;

/* SLICE_LITERAL is no constant expression. */
#define TEXT(text)                                                                                 \
    {                                                                                              \
        .ptr = (const uint8_t *)(text), .len = sizeof(text) - 1                                    \
    }

static const struct attr resource_attrs[] = {
    {.key = TEXT("service.name"), .value = TEXT("weir"), .has_value = true},
};
static const struct otlp_envelope envelope = {
    .resource_attrs = resource_attrs,
    .resource_attr_count = COUNT_OF(resource_attrs),
    .scope_name = TEXT("scope"),
    .scope_version = TEXT("1.2"),
};
static const struct attr point_attrs[] = {
    {.key = TEXT("region"), .value = TEXT("eu-west-1"), .has_value = true},
    {.key = TEXT("bare")},
    {.key = TEXT("code"), .value = TEXT("200"), .has_value = true},
};
static const struct otlp_point point = {
    .start_unix_ns = 111,
    .time_unix_ns = 222,
    .attrs = point_attrs,
    .attr_count = COUNT_OF(point_attrs),
};

static bool is_text(ProtobufCBinaryData data, const char *text)
{
    return slice_is_text(slice_of(data.data, data.len), text);
}

static void assert_point_attrs(size_t count, key_value *const *attrs)
{
    assert_int_equal(count, 3);
    assert_true(is_text(attrs[0]->key, "region"));
    assert_true(is_text(attrs[0]->value->string_value, "eu-west-1"));
    assert_true(is_text(attrs[1]->key, "bare"));
    assert_int_equal(attrs[1]->value->value_case, 1);
    assert_int_equal(attrs[1]->value->string_value.len, 0);
    assert_true(is_text(attrs[2]->value->string_value, "200"));
}

static metrics_data *unpack(struct slice bytes)
{
    metrics_data *data =
        opentelemetry__proto__metrics__v1__metrics_data__unpack(NULL, bytes.len, bytes.ptr);
    assert_non_null(data);
    return data;
}

static void release(metrics_data *data)
{
    opentelemetry__proto__metrics__v1__metrics_data__free_unpacked(data, NULL);
}

static struct otlp_metric metric_of(enum otlp_data data)
{
    return (struct otlp_metric){.name = SLICE_LITERAL("m"),
                                .description = SLICE_LITERAL("words"),
                                .unit = SLICE_LITERAL("ms"),
                                .data = data,
                                .temporality = OTLP_TEMPORALITY_DELTA,
                                .is_monotonic = true};
}

/* The one metric of a finished envelope. */
static metric_message *only_metric(metrics_data *data)
{
    assert_int_equal(data->n_resource_metrics, 1);
    assert_int_equal(data->resource_metrics[0]->n_scope_metrics, 1);
    assert_int_equal(data->resource_metrics[0]->scope_metrics[0]->n_metrics, 1);
    metric_message *metric = data->resource_metrics[0]->scope_metrics[0]->metrics[0];
    assert_true(is_text(metric->name, "m"));
    assert_true(is_text(metric->description, "words"));
    assert_true(is_text(metric->unit, "ms"));
    return metric;
}

static void test_primitives_fill_the_buffer_exactly_and_then_refuse(void **state)
{
    (void)state;
    static const uint64_t values[] = {0, 127, 128, 16383, 16384, UINT32_MAX, UINT64_MAX};
    static const size_t lengths[] = {1, 1, 2, 2, 3, 5, 10};
    uint8_t buf[16];
    for (size_t i = 0; i < COUNT_OF(values); i++) {
        struct otlp_build b;
        otlp_build_init(&b, buf, lengths[i]);
        otlp_build_varint(&b, values[i]);
        assert_int_equal(b.err, 0);
        assert_int_equal(otlp_build_mark(&b), lengths[i]);
        otlp_build_init(&b, buf, lengths[i] - 1);
        otlp_build_varint(&b, values[i]);
        assert_int_equal(b.err, FAULT_LIMIT);
        assert_int_equal(otlp_build_mark(&b), 0);
        otlp_build_rewind(&b, 0);
        assert_int_equal(b.err, 0);
    }
}

static void test_sum_carries_every_field(void **state)
{
    (void)state;
    uint8_t buf[1024];
    struct otlp_build b;
    otlp_build_init(&b, buf, sizeof(buf));
    assert_int_equal(otlp_envelope_begin(&b, &envelope), 0);
    size_t mark = otlp_build_mark(&b);
    otlp_build_number(&b, &point, (struct otlp_number){.i64 = -7, .is_integer = true});
    otlp_build_number(&b, &point, (struct otlp_number){.f64 = 0.0});
    struct otlp_metric metric = metric_of(OTLP_DATA_SUM);
    otlp_build_metric(&b, mark, &metric);
    metrics_data *data = unpack(otlp_envelope_end(&b, &envelope));
    const metric_message *m = only_metric(data);
    assert_int_equal(m->data_case, 7);
    assert_int_equal(m->sum->aggregation_temporality, 1);
    assert_int_equal(m->sum->is_monotonic, 1);
    assert_int_equal(m->sum->n_data_points, 2);
    assert_int_equal(m->sum->data_points[0]->value_case, 4); /* written last, read first */
    assert_true(m->sum->data_points[0]->as_double == 0.0);
    assert_int_equal(m->sum->data_points[1]->as_int, -7);
    assert_int_equal(m->sum->data_points[1]->start_time_unix_nano, 111);
    assert_int_equal(m->sum->data_points[1]->time_unix_nano, 222);
    assert_point_attrs(m->sum->data_points[1]->n_attributes, m->sum->data_points[1]->attributes);
    const Opentelemetry__Proto__Metrics__V1__ResourceMetrics *rm = data->resource_metrics[0];
    assert_int_equal(rm->resource->n_attributes, 1);
    assert_true(is_text(rm->resource->attributes[0]->key, "service.name"));
    assert_true(is_text(rm->resource->attributes[0]->value->string_value, "weir"));
    assert_true(is_text(rm->scope_metrics[0]->scope->name, "scope"));
    assert_true(is_text(rm->scope_metrics[0]->scope->version, "1.2"));
    release(data);
}

static void test_histogram_carries_every_field(void **state)
{
    (void)state;
    uint8_t buf[1024];
    struct otlp_build b;
    static const double bounds[] = {1.5, 2.5};
    static const uint64_t counts[] = {1, 0, 1ull << 40};
    struct otlp_histogram hist = {.count = (1ull << 40) + 1,
                                  .sum = 9.5,
                                  .min = 0.5,
                                  .max = 77,
                                  .has_sum = true,
                                  .has_minmax = true,
                                  .bounds = bounds,
                                  .bound_count = 2,
                                  .counts = counts};
    otlp_build_init(&b, buf, sizeof(buf));
    assert_int_equal(otlp_envelope_begin(&b, &envelope), 0);
    size_t mark = otlp_build_mark(&b);
    otlp_build_histogram(&b, &point, &hist);
    struct otlp_metric metric = metric_of(OTLP_DATA_HISTOGRAM);
    otlp_build_metric(&b, mark, &metric);
    metrics_data *data = unpack(otlp_envelope_end(&b, &envelope));
    const metric_message *m = only_metric(data);
    assert_int_equal(m->data_case, 9);
    assert_int_equal(m->histogram->aggregation_temporality, 1);
    const Opentelemetry__Proto__Metrics__V1__HistogramDataPoint *p = m->histogram->data_points[0];
    assert_int_equal(p->count, hist.count);
    assert_true(p->has_sum && p->sum == 9.5);
    assert_true(p->has_min && p->min == 0.5);
    assert_true(p->has_max && p->max == 77);
    assert_int_equal(p->n_bucket_counts, 3);
    assert_memory_equal(p->bucket_counts, counts, sizeof(counts));
    assert_int_equal(p->n_explicit_bounds, 2);
    assert_memory_equal(p->explicit_bounds, bounds, sizeof(bounds));
    assert_int_equal(p->start_time_unix_nano, 111);
    assert_int_equal(p->time_unix_nano, 222);
    assert_point_attrs(p->n_attributes, p->attributes);
    release(data);
}

static void test_exphist_carries_every_field(void **state)
{
    (void)state;
    uint8_t buf[1024];
    struct otlp_build b;
    static const uint64_t up[] = {1, 300, 1ull << 60};
    static const uint64_t down[] = {4};
    struct otlp_exphist hist = {.count = 12,
                                .sum = -3,
                                .min = -9,
                                .max = 8,
                                .has_sum = true,
                                .has_minmax = true,
                                .scale = -4,
                                .zero_count = 6,
                                .zero_threshold = 0.25,
                                .positive = {.offset = -100, .count = 3, .counts = up},
                                .negative = {.offset = 7, .count = 1, .counts = down}};
    otlp_build_init(&b, buf, sizeof(buf));
    assert_int_equal(otlp_envelope_begin(&b, &envelope), 0);
    size_t mark = otlp_build_mark(&b);
    otlp_build_exphist(&b, &point, &hist);
    struct otlp_metric metric = metric_of(OTLP_DATA_EXPHIST);
    otlp_build_metric(&b, mark, &metric);
    metrics_data *data = unpack(otlp_envelope_end(&b, &envelope));
    const metric_message *m = only_metric(data);
    assert_int_equal(m->data_case, 10);
    const Opentelemetry__Proto__Metrics__V1__ExponentialHistogramDataPoint *p =
        m->exponential_histogram->data_points[0];
    assert_int_equal(m->exponential_histogram->aggregation_temporality, 1);
    assert_int_equal(p->count, 12);
    assert_true(p->sum == -3 && p->min == -9 && p->max == 8 && p->zero_threshold == 0.25);
    assert_int_equal(p->scale, -4);
    assert_int_equal(p->zero_count, 6);
    assert_int_equal(p->positive->offset, -100);
    assert_int_equal(p->positive->n_bucket_counts, 3);
    assert_memory_equal(p->positive->bucket_counts, up, sizeof(up));
    assert_int_equal(p->negative->offset, 7);
    assert_int_equal(p->negative->bucket_counts[0], 4);
    assert_point_attrs(p->n_attributes, p->attributes);
    release(data);
}

static void test_summary_and_gauge_carry_every_field(void **state)
{
    (void)state;
    uint8_t buf[1024];
    struct otlp_build b;
    static const struct otlp_quantile quantiles[] = {{0, 1.5}, {0.5, 2}, {1, 9}};
    struct otlp_summary summary = {
        .count = 5, .sum = 20, .quantiles = quantiles, .quantile_count = COUNT_OF(quantiles)};
    otlp_build_init(&b, buf, sizeof(buf));
    assert_int_equal(otlp_envelope_begin(&b, &envelope), 0);
    size_t mark = otlp_build_mark(&b);
    otlp_build_summary(&b, &point, &summary);
    struct otlp_metric metric = metric_of(OTLP_DATA_SUMMARY);
    otlp_build_metric(&b, mark, &metric);
    metrics_data *data = unpack(otlp_envelope_end(&b, &envelope));
    const Opentelemetry__Proto__Metrics__V1__SummaryDataPoint *p =
        only_metric(data)->summary->data_points[0];
    assert_int_equal(p->count, 5);
    assert_true(p->sum == 20);
    assert_int_equal(p->n_quantile_values, 3);
    assert_true(p->quantile_values[0]->quantile == 0 && p->quantile_values[0]->value == 1.5);
    assert_true(p->quantile_values[2]->quantile == 1 && p->quantile_values[2]->value == 9);
    assert_point_attrs(p->n_attributes, p->attributes);
    release(data);

    otlp_build_init(&b, buf, sizeof(buf));
    assert_int_equal(otlp_envelope_begin(&b, &envelope), 0);
    otlp_build_number(&b, &point, (struct otlp_number){.f64 = 2.5});
    metric = metric_of(OTLP_DATA_GAUGE);
    otlp_build_metric(&b, 0, &metric);
    data = unpack(otlp_envelope_end(&b, &envelope));
    assert_true(only_metric(data)->gauge->data_points[0]->as_double == 2.5);
    release(data);
}

/* Writes counters until none fits, ends the envelope; how many went in. */
static size_t fill(struct otlp_build *b, struct slice *part)
{
    size_t count = 0;
    struct otlp_metric metric = metric_of(OTLP_DATA_SUM);
    if (otlp_envelope_begin(b, &envelope) != 0) {
        *part = (struct slice){0};
        return 0;
    }
    for (;;) {
        size_t mark = otlp_build_mark(b);
        otlp_build_number(b, &point, (struct otlp_number){.f64 = (double)count});
        otlp_build_metric(b, mark, &metric);
        if (b->err != 0) {
            otlp_build_rewind(b, mark);
            break;
        }
        count++;
    }
    *part = otlp_envelope_end(b, &envelope);
    return count;
}

static void test_full_buffer_of_any_size_ends_in_a_whole_message(void **state)
{
    (void)state;
    uint8_t guarded[1024 + 16];
    for (size_t bytes = 0; bytes <= 1024; bytes++) {
        memset(guarded, 0xEE, sizeof(guarded));
        struct otlp_build b;
        otlp_build_init(&b, guarded + 8, bytes);
        struct slice part;
        size_t count = fill(&b, &part);
        for (size_t i = 0; i < 8; i++) {
            assert_int_equal(guarded[i], 0xEE);
            assert_int_equal(guarded[8 + bytes + i], 0xEE);
        }
        if (part.len == 0) {
            assert_true(bytes < 256);
            continue;
        }
        metrics_data *data = unpack(part);
        assert_int_equal(data->resource_metrics[0]->scope_metrics[0]->n_metrics, count);
        release(data);
    }
}

static void test_envelopes_in_one_buffer_concatenate(void **state)
{
    (void)state;
    uint8_t buf[2048];
    struct otlp_build b;
    struct otlp_metric metric = metric_of(OTLP_DATA_SUM);
    otlp_build_init(&b, buf, sizeof(buf));
    for (int i = 0; i < 3; i++) {
        assert_int_equal(otlp_envelope_begin(&b, &envelope), 0);
        size_t mark = otlp_build_mark(&b);
        otlp_build_number(&b, &point, (struct otlp_number){.i64 = i, .is_integer = true});
        otlp_build_metric(&b, mark, &metric);
        (void)otlp_envelope_end(&b, &envelope); /* taken as one below */
    }
    metrics_data *data = unpack(otlp_build_since(&b, 0));
    assert_int_equal(data->n_resource_metrics, 3);
    assert_int_equal(
        data->resource_metrics[0]->scope_metrics[0]->metrics[0]->sum->data_points[0]->as_int, 2);
    release(data);
}

static void test_random_points_round_trip(void **state)
{
    (void)state;
    static uint8_t buf[1 << 16];
    uint64_t seed = 7;
    for (int round = 0; round < 2000; round++) {
        char text[300];
        struct attr attrs[8];
        size_t attr_count = (size_t)(seed >> 60) & 7;
        memset(text, 'a' + (int)(seed >> 40 & 15), sizeof(text));
        for (size_t i = 0; i < attr_count; i++) {
            seed = seed * 6364136223846793005u + 1442695040888963407u;
            attrs[i] = (struct attr){.key = slice_of(text, 1 + (seed >> 33) % 299),
                                     .value = slice_of(text, (seed >> 50) % 300)};
        }
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        struct otlp_point p = {.start_unix_ns = seed >> 3,
                               .time_unix_ns = seed,
                               .attrs = attrs,
                               .attr_count = attr_count};
        struct otlp_number number = {.i64 = (int64_t)(seed * 31), .is_integer = (seed & 64) != 0};
        struct otlp_metric metric = metric_of((seed & 128) != 0 ? OTLP_DATA_SUM : OTLP_DATA_GAUGE);
        struct otlp_build b;
        otlp_build_init(&b, buf, sizeof(buf));
        assert_int_equal(otlp_envelope_begin(&b, &envelope), 0);
        otlp_build_number(&b, &p, number);
        otlp_build_metric(&b, 0, &metric);
        metrics_data *data = unpack(otlp_envelope_end(&b, &envelope));
        const metric_message *m = only_metric(data);
        const Opentelemetry__Proto__Metrics__V1__NumberDataPoint *read =
            metric.data == OTLP_DATA_SUM ? m->sum->data_points[0] : m->gauge->data_points[0];
        assert_int_equal(read->value_case, number.is_integer ? 6 : 4);
        assert_memory_equal(&read->as_int, &number.i64, 8);
        assert_int_equal(read->start_time_unix_nano, p.start_unix_ns);
        assert_int_equal(read->time_unix_nano, p.time_unix_ns);
        assert_int_equal(read->n_attributes, attr_count);
        for (size_t i = 0; i < attr_count; i++) {
            assert_int_equal(read->attributes[i]->key.len, attrs[i].key.len);
            assert_int_equal(read->attributes[i]->value->string_value.len, attrs[i].value.len);
        }
        release(data);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_primitives_fill_the_buffer_exactly_and_then_refuse),
        cmocka_unit_test(test_sum_carries_every_field),
        cmocka_unit_test(test_histogram_carries_every_field),
        cmocka_unit_test(test_exphist_carries_every_field),
        cmocka_unit_test(test_summary_and_gauge_carry_every_field),
        cmocka_unit_test(test_full_buffer_of_any_size_ends_in_a_whole_message),
        cmocka_unit_test(test_envelopes_in_one_buffer_concatenate),
        cmocka_unit_test(test_random_points_round_trip),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
