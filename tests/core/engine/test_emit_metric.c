/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of core/engine/emit_metric: every kind of series, decoded again and compared field by
 * field.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/base/regex.h"
#include "core/otlp/pb_decode.h"
#include "tests/support/emit_fixture.h"

typedef Opentelemetry__Proto__Metrics__V1__ExponentialHistogramDataPoint exphist_point;
typedef Opentelemetry__Proto__Metrics__V1__HistogramDataPoint histogram_point;
typedef Opentelemetry__Proto__Metrics__V1__SummaryDataPoint summary_point;

#define AS_INT OPENTELEMETRY__PROTO__METRICS__V1__NUMBER_DATA_POINT__VALUE_AS_INT
#define AS_DOUBLE OPENTELEMETRY__PROTO__METRICS__V1__NUMBER_DATA_POINT__VALUE_AS_DOUBLE
#define METRIC_GAUGE OPENTELEMETRY__PROTO__METRICS__V1__METRIC__DATA_GAUGE
#define METRIC_SUM OPENTELEMETRY__PROTO__METRICS__V1__METRIC__DATA_SUM
#define METRIC_HISTOGRAM OPENTELEMETRY__PROTO__METRICS__V1__METRIC__DATA_HISTOGRAM
#define METRIC_EXPHIST OPENTELEMETRY__PROTO__METRICS__V1__METRIC__DATA_EXPONENTIAL_HISTOGRAM
#define METRIC_SUMMARY OPENTELEMETRY__PROTO__METRICS__V1__METRIC__DATA_SUMMARY
#define DELTA                                                                                      \
    OPENTELEMETRY__PROTO__METRICS__V1__AGGREGATION_TEMPORALITY__AGGREGATION_TEMPORALITY_DELTA

#define TWO_TO_53 9007199254740992.0

static struct emit_fixture fixture;

static struct emit_fixture *fresh(void)
{
    emit_fixture_init(&fixture);
    return &fixture;
}

static void add(struct emit_fixture *f, uint8_t kind, const char *name, double value, double weight)
{
    struct point point = emit_fixture_point(kind, name, value);
    point.weight = weight;
    emit_fixture_add(f, point);
}

/* --- numbers --------------------------------------------------------------------------------- */

static const number_point *only_sum(struct emit_fixture *f, const char *name, bool is_monotonic)
{
    const metric_message *metric = emit_fixture_metric(f, name);
    assert_int_equal(metric->data_case, METRIC_SUM);
    assert_int_equal(metric->sum->aggregation_temporality, DELTA);
    assert_int_equal(metric->sum->is_monotonic, is_monotonic);
    assert_int_equal(metric->sum->n_data_points, 1);
    const number_point *point = metric->sum->data_points[0];
    assert_int_equal(point->start_time_unix_nano, EMIT_FIXTURE_START_NS);
    assert_int_equal(point->time_unix_nano, EMIT_FIXTURE_END_NS);
    return point;
}

static const number_point *only_gauge(struct emit_fixture *f, const char *name)
{
    const metric_message *metric = emit_fixture_metric(f, name);
    assert_int_equal(metric->data_case, METRIC_GAUGE);
    assert_int_equal(metric->gauge->n_data_points, 1);
    const number_point *point = metric->gauge->data_points[0];
    assert_int_equal(point->start_time_unix_nano, 0);
    return point;
}

static void assert_int_sum(struct emit_fixture *f, const char *name, int64_t wanted)
{
    const number_point *point = only_sum(f, name, false);
    assert_int_equal(point->value_case, AS_INT);
    assert_true(point->as_int == wanted);
}

static void assert_double_sum(struct emit_fixture *f, const char *name, double wanted)
{
    const number_point *point = only_sum(f, name, false);
    assert_int_equal(point->value_case, AS_DOUBLE);
    assert_true(point->as_double == wanted);
}

static void test_counters_are_delta_sums_and_whole_ones_integers(void **state)
{
    (void)state;
    struct emit_fixture *f = fresh();
    emit_fixture_open(f, 1);
    add(f, KIND_COUNTER, "scaled", 3000, 1);
    add(f, KIND_COUNTER, "scaled", 20, 4);
    add(f, KIND_COUNTER, "fraction", 3.25, 1);
    add(f, KIND_COUNTER, "negative", -7, 1);
    add(f, KIND_COUNTER, "largest", TWO_TO_53, 1);
    add(f, KIND_COUNTER, "too.large", TWO_TO_53 + 2, 1);
    add(f, KIND_COUNTER, "zero", 0, 1);
    emit_fixture_flush(f);
    assert_int_sum(f, "scaled", 3080);
    assert_double_sum(f, "fraction", 3.25);
    assert_int_sum(f, "negative", -7);
    assert_int_sum(f, "largest", INT64_C(9007199254740992));
    assert_double_sum(f, "too.large", TWO_TO_53 + 2);
    assert_int_sum(f, "zero", 0);
    emit_fixture_close(f);
}

static void test_counter_type_float_makes_doubles_of_whole_sums(void **state)
{
    (void)state;
    struct emit_fixture *f = fresh();
    f->options.counter_type = COUNTER_TYPE_FLOAT;
    emit_fixture_open(f, 1);
    add(f, KIND_COUNTER, "c", 3080, 1);
    emit_fixture_flush(f);
    assert_double_sum(f, "c", 3080);
    emit_fixture_close(f);
}

static void test_monotonic_counters_are_so_whatever_their_sum(void **state)
{
    (void)state;
    struct emit_fixture *f = fresh();
    f->options.is_monotonic = true;
    emit_fixture_open(f, 1);
    add(f, KIND_COUNTER, "up", 2, 1);
    add(f, KIND_COUNTER, "still", 0, 1);
    add(f, KIND_COUNTER, "down", 2, 1);
    add(f, KIND_COUNTER, "down", -3, 1);
    emit_fixture_flush(f);
    assert_true(only_sum(f, "up", true)->as_int == 2);
    assert_true(only_sum(f, "still", true)->as_int == 0);
    assert_true(only_sum(f, "down", true)->as_int == -1);
    emit_fixture_close(f);
}

static void test_gauges_are_doubles_at_the_end_of_the_window(void **state)
{
    (void)state;
    struct emit_fixture *f = fresh();
    emit_fixture_open(f, 1);
    static const double deltas[] = {2, -1};
    add(f, KIND_GAUGE, "g", 500, 1);
    for (size_t i = 0; i < COUNT_OF(deltas); i++) {
        struct point point = emit_fixture_point(KIND_GAUGE, "g", deltas[i]);
        point.is_delta = 1;
        emit_fixture_add(f, point);
    }
    emit_fixture_flush(f);
    const number_point *point = only_gauge(f, "g");
    assert_int_equal(point->value_case, AS_DOUBLE);
    assert_true(point->as_double == 501);
    assert_int_equal(point->time_unix_nano, EMIT_FIXTURE_END_NS);
    emit_fixture_close(f);
}

static void test_sets_are_gauges_of_distinct_members(void **state)
{
    (void)state;
    struct emit_fixture *f = fresh();
    emit_fixture_open(f, 1);
    static const char *const members[] = {"ann", "bob", "ann", "cem", "bob"};
    for (size_t i = 0; i < COUNT_OF(members); i++) {
        struct point point = emit_fixture_point(KIND_SET, "s", 0);
        point.member = slice_of_text(members[i]);
        emit_fixture_add(f, point);
    }
    emit_fixture_flush(f);
    const number_point *point = only_gauge(f, "s");
    assert_int_equal(point->value_case, AS_INT);
    assert_true(point->as_int == 3);
    assert_int_equal(point->time_unix_nano, EMIT_FIXTURE_END_NS);
    emit_fixture_close(f);
}

static void test_samples_are_one_gauge_point_each_with_its_own_time(void **state)
{
    (void)state;
    struct emit_fixture *f = fresh();
    f->aggregate.aggregate_of[KIND_TIMING] = AGGREGATE_SAMPLES;
    emit_fixture_open(f, 1);
    static const double values[] = {5, 7.5, 5, -1};
    for (size_t i = 0; i < COUNT_OF(values); i++) {
        struct point point = emit_fixture_point(KIND_TIMING, "t", values[i]);
        point.tags = SLICE_LITERAL("k:v");
        emit_fixture_add(f, point);
    }
    emit_fixture_flush(f);
    const metric_message *metric = emit_fixture_metric(f, "t");
    assert_int_equal(metric->data_case, METRIC_GAUGE);
    assert_int_equal(metric->gauge->n_data_points, COUNT_OF(values));
    assert_int_equal(f->takers[0].taken[0]->item_count, COUNT_OF(values));
    assert_int_equal(counter_read(&f->stats.points_emitted), COUNT_OF(values));
    uint32_t seen_mask = 0;
    for (size_t i = 0; i < COUNT_OF(values); i++) {
        const number_point *point = metric->gauge->data_points[i];
        uint64_t which = point->time_unix_nano - EMIT_FIXTURE_START_NS - 1;
        assert_true(which < COUNT_OF(values));
        seen_mask |= UINT32_C(1) << which;
        assert_int_equal(point->start_time_unix_nano, 0);
        assert_int_equal(point->value_case, AS_DOUBLE);
        assert_true(point->as_double == values[which]);
        assert_true(
            slice_is_text(emit_fixture_attr(point->attributes, point->n_attributes, "k"), "v"));
    }
    assert_int_equal(seen_mask, 15);
    emit_fixture_close(f);
}

/* --- histograms ------------------------------------------------------------------------------ */

static const exphist_point *only_exphist(struct emit_fixture *f, const char *name)
{
    const metric_message *metric = emit_fixture_metric(f, name);
    assert_int_equal(metric->data_case, METRIC_EXPHIST);
    assert_int_equal(metric->exponential_histogram->aggregation_temporality, DELTA);
    assert_int_equal(metric->exponential_histogram->n_data_points, 1);
    const exphist_point *point = metric->exponential_histogram->data_points[0];
    assert_int_equal(point->start_time_unix_nano, EMIT_FIXTURE_START_NS);
    assert_int_equal(point->time_unix_nano, EMIT_FIXTURE_END_NS);
    assert_true(point->has_sum && point->has_min && point->has_max);
    return point;
}

static void test_exphist_has_the_check_values(void **state)
{
    (void)state;
    struct emit_fixture *f = fresh();
    emit_fixture_open(f, 1);
    for (double value = 1; value <= 8; value *= 2) {
        add(f, KIND_TIMING, "fine", value, 1);
        add(f, KIND_DISTRIBUTION, "coarse", value, 1);
    }
    add(f, KIND_HISTOGRAM, "single", 100, 1);
    add(f, KIND_HISTOGRAM, "wide", 0.001, 1);
    add(f, KIND_HISTOGRAM, "wide", 1000, 1);
    emit_fixture_flush(f);

    const exphist_point *point = only_exphist(f, "fine");
    assert_true(point->count == 4 && point->sum == 15 && point->min == 1 && point->max == 8);
    assert_int_equal(point->scale, 5);
    assert_int_equal(point->zero_count, 0);
    assert_int_equal(point->positive->offset, -1);
    assert_int_equal(point->positive->n_bucket_counts, 97);
    for (int32_t i = 0; i < 97; i++) {
        int32_t index = point->positive->offset + i;
        bool is_hit = index == -1 || index == 31 || index == 63 || index == 95;
        assert_int_equal(point->positive->bucket_counts[i], is_hit ? 1 : 0);
    }

    point = only_exphist(f, "coarse");
    assert_int_equal(point->scale, 0);
    assert_int_equal(point->positive->offset, -1);
    assert_int_equal(point->positive->n_bucket_counts, 4);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(point->positive->bucket_counts[i], 1);
    }

    point = only_exphist(f, "single");
    assert_int_equal(point->scale, 20);
    assert_int_equal(point->positive->offset, 6966588);
    assert_int_equal(point->positive->n_bucket_counts, 1);

    point = only_exphist(f, "wide");
    assert_int_equal(point->scale, 3);
    assert_int_equal(point->positive->offset, -80);
    assert_int_equal(point->positive->n_bucket_counts, 79 + 80 + 1);
    assert_int_equal(point->positive->bucket_counts[0], 1);
    assert_int_equal(point->positive->bucket_counts[159], 1);
    emit_fixture_close(f);
}

static void test_exphist_keeps_signs_zeros_and_whole_weights(void **state)
{
    (void)state;
    struct emit_fixture *f = fresh();
    emit_fixture_open(f, 1);
    add(f, KIND_TIMING, "both", -4, 1);
    add(f, KIND_TIMING, "both", 0, 2);
    add(f, KIND_TIMING, "both", 4, 3.9); /* the Collector cuts the weight */
    add(f, KIND_TIMING, "zeros", 0, 1);
    emit_fixture_flush(f);
    const exphist_point *point = only_exphist(f, "both");
    assert_int_equal(point->count, 6);
    assert_int_equal(point->zero_count, 2);
    assert_true(point->sum == 8 && point->min == -4 && point->max == 4);
    assert_int_equal(point->positive->n_bucket_counts, 1);
    assert_int_equal(point->positive->bucket_counts[0], 3);
    assert_int_equal(point->negative->n_bucket_counts, 1);
    assert_int_equal(point->negative->bucket_counts[0], 1);
    assert_int_equal(point->negative->offset, point->positive->offset);

    point = only_exphist(f, "zeros");
    assert_int_equal(point->count, 1);
    assert_int_equal(point->zero_count, 1);
    assert_int_equal(point->scale, 0);
    assert_true(point->sum == 0 && point->min == 0 && point->max == 0);
    assert_true(point->positive == NULL || point->positive->n_bucket_counts == 0);
    assert_true(point->negative == NULL || point->negative->n_bucket_counts == 0);
    emit_fixture_close(f);
}

static void test_explicit_histogram_counts_bounds_on_their_lower_side(void **state)
{
    (void)state;
    static double bounds[] = {1, 10, 100};
    char why[128];
    struct regex *pattern = NULL;
    assert_int_equal(regex_new(slice_of_text("^http"), &pattern, why, sizeof(why)), 0);
    struct emit_fixture *f = fresh();
    f->aggregate.bounds[0] = (struct aggregate_bounds){.pattern = pattern,
                                                       .bounds = bounds,
                                                       .bounds_count = COUNT_OF(bounds),
                                                       .kind_mask = 1 << KIND_TIMING};
    f->aggregate.bounds_count = 1;
    emit_fixture_open(f, 1);
    static const double values[] = {0.5, 1, 1.5, 10, 10, 100.5};
    for (size_t i = 0; i < COUNT_OF(values); i++) {
        add(f, KIND_TIMING, "http.ms", values[i], 2);
    }
    emit_fixture_flush(f);
    const metric_message *metric = emit_fixture_metric(f, "http.ms");
    assert_int_equal(metric->data_case, METRIC_HISTOGRAM);
    assert_int_equal(metric->histogram->aggregation_temporality, DELTA);
    assert_int_equal(metric->histogram->n_data_points, 1);
    const histogram_point *point = metric->histogram->data_points[0];
    assert_int_equal(point->start_time_unix_nano, EMIT_FIXTURE_START_NS);
    assert_int_equal(point->time_unix_nano, EMIT_FIXTURE_END_NS);
    assert_int_equal(point->count, 12);
    assert_true(point->has_sum && point->sum == 247);
    assert_true(point->has_min && point->min == 0.5);
    assert_true(point->has_max && point->max == 100.5);
    static const uint64_t counts[] = {4, 6, 0, 2};
    assert_int_equal(point->n_explicit_bounds, COUNT_OF(bounds));
    assert_memory_equal(point->explicit_bounds, bounds, sizeof(bounds));
    assert_int_equal(point->n_bucket_counts, COUNT_OF(counts));
    assert_memory_equal(point->bucket_counts, counts, sizeof(counts));
    emit_fixture_close(f);
    regex_free(pattern);
}

static void test_summary_has_the_quantiles_of_its_kind(void **state)
{
    (void)state;
    static const double percentiles[] = {0, 10, 50, 95, 100};
    static const double quantiles[] = {0, 0.1, 0.5, 0.95, 1};
    static const double wanted[] = {1, 1, 3, 9, 9};
    struct emit_fixture *f = fresh();
    f->aggregate.aggregate_of[KIND_HISTOGRAM] = AGGREGATE_SUMMARY;
    f->aggregate.aggregate_of[KIND_TIMING] = AGGREGATE_SUMMARY;
    memcpy(f->options.percentiles[KIND_HISTOGRAM], percentiles, sizeof(percentiles));
    f->options.percentile_count[KIND_HISTOGRAM] = COUNT_OF(percentiles);
    emit_fixture_open(f, 1);
    add(f, KIND_HISTOGRAM, "h", 9, 1);
    add(f, KIND_HISTOGRAM, "h", 1, 1);
    add(f, KIND_HISTOGRAM, "h", 3, 2.5); /* 4.5 in all: the middle and more is 3 */
    add(f, KIND_TIMING, "none", 9, 1);
    emit_fixture_flush(f);
    const metric_message *metric = emit_fixture_metric(f, "h");
    assert_int_equal(metric->data_case, METRIC_SUMMARY);
    assert_int_equal(metric->summary->n_data_points, 1);
    const summary_point *point = metric->summary->data_points[0];
    assert_int_equal(point->start_time_unix_nano, EMIT_FIXTURE_START_NS);
    assert_int_equal(point->time_unix_nano, EMIT_FIXTURE_END_NS);
    assert_int_equal(point->count, 4);
    assert_true(point->sum == 17.5);
    assert_int_equal(point->n_quantile_values, COUNT_OF(percentiles));
    for (size_t i = 0; i < COUNT_OF(percentiles); i++) {
        assert_true(fabs(point->quantile_values[i]->quantile - quantiles[i]) < 1e-12);
        assert_true(point->quantile_values[i]->value == wanted[i]);
    }
    point = emit_fixture_metric(f, "none")->summary->data_points[0];
    assert_int_equal(point->n_quantile_values, 0);
    assert_int_equal(point->count, 1);
    emit_fixture_close(f);
}

/* --- attributes and times -------------------------------------------------------------------- */

static void assert_attr(const number_point *point, const char *key, const char *value)
{
    struct slice found = emit_fixture_attr(point->attributes, point->n_attributes, key);
    assert_true(slice_is_text(found, value));
}

static void test_tags_become_attributes_and_the_last_of_a_key_counts(void **state)
{
    (void)state;
    struct emit_fixture *f = fresh();
    emit_fixture_open(f, 1);
    struct point point = emit_fixture_point(KIND_COUNTER, "dog", 1);
    point.tags = SLICE_LITERAL("env:dev,bare,url:http://x/?a=b,env:prod");
    point.origin = SLICE_LITERAL("83c0a99c0a54");
    emit_fixture_add(f, point);
    point = emit_fixture_point(KIND_COUNTER, "influx", 1);
    point.tags = SLICE_LITERAL("env=dev,zone=a:b");
    point.tag_style = TAG_STYLE_EQUALS;
    emit_fixture_add(f, point);
    emit_fixture_add(f, emit_fixture_point(KIND_COUNTER, "plain", 1));
    emit_fixture_flush(f);
    const number_point *dog = only_sum(f, "dog", false);
    assert_int_equal(dog->n_attributes, 4);
    assert_attr(dog, "env", "prod");
    assert_attr(dog, "bare", "");
    assert_attr(dog, "url", "http://x/?a=b");
    assert_attr(dog, "container.id", "83c0a99c0a54");
    const number_point *influx = only_sum(f, "influx", false);
    assert_int_equal(influx->n_attributes, 2);
    assert_attr(influx, "env", "dev");
    assert_attr(influx, "zone", "a:b");
    assert_int_equal(only_sum(f, "plain", false)->n_attributes, 0);
    emit_fixture_close(f);
}

static void test_our_attributes_win_over_tags_of_the_same_key(void **state)
{
    (void)state;
    struct emit_fixture *f = fresh();
    f->options.adds_metric_type = true;
    emit_fixture_open(f, 1);
    struct point point = emit_fixture_point(KIND_COUNTER, "c", 1);
    point.tags = SLICE_LITERAL("container.id:forged,metric_type:forged");
    point.origin = SLICE_LITERAL("true");
    emit_fixture_add(f, point);
    emit_fixture_flush(f);
    const number_point *sum = only_sum(f, "c", false);
    assert_int_equal(sum->n_attributes, 2);
    assert_attr(sum, "container.id", "true");
    assert_attr(sum, "metric_type", "counter");
    emit_fixture_close(f);
}

/* Most tags a line may have, and both of our own attributes beside them. */
static void test_most_tags_that_fit_all_leave(void **state)
{
    (void)state;
    char tags[STATSD_TAGS_MAX_COUNT * 8];
    size_t len = 0;
    for (uint32_t i = 0; i < STATSD_TAGS_MAX_COUNT; i++) {
        int added = snprintf(tags + len, sizeof(tags) - len, "%sk%u:v", i == 0 ? "" : ",", i);
        assert_true(added > 0 && (size_t)added < sizeof(tags) - len);
        len += (size_t)added;
    }
    struct emit_fixture *f = fresh();
    f->options.adds_metric_type = true;
    emit_fixture_open(f, 1);
    struct point point = emit_fixture_point(KIND_COUNTER, "c", 1);
    point.tags = slice_of(tags, len);
    point.origin = SLICE_LITERAL("id");
    emit_fixture_add(f, point);
    emit_fixture_flush(f);
    const number_point *sum = only_sum(f, "c", false);
    assert_int_equal(sum->n_attributes, STATSD_TAGS_MAX_COUNT + 2);
    assert_attr(sum, "k0", "v");
    assert_attr(sum, "k127", "v");
    assert_attr(sum, "container.id", "id");
    emit_fixture_close(f);
}

static void test_metric_type_names_what_the_client_said(void **state)
{
    (void)state;
    static const char *const names[KIND_LIMIT] = {
        [KIND_COUNTER] = "counter",
        [KIND_GAUGE] = "gauge",
        [KIND_TIMING] = "timing",
        [KIND_HISTOGRAM] = "histogram",
        [KIND_DISTRIBUTION] = "distribution",
        [KIND_SET] = "set",
    };
    struct emit_fixture *f = fresh();
    f->options.adds_metric_type = true;
    emit_fixture_open(f, 1);
    for (uint8_t kind = KIND_COUNTER; kind < KIND_LIMIT; kind++) {
        struct point point = emit_fixture_point(kind, names[kind], 1);
        if (kind == KIND_SET) {
            point.member = SLICE_LITERAL("m");
        }
        emit_fixture_add(f, point);
    }
    emit_fixture_flush(f);
    assert_attr(only_sum(f, "counter", false), "metric_type", "counter");
    assert_attr(only_gauge(f, "gauge"), "metric_type", "gauge");
    assert_attr(only_gauge(f, "set"), "metric_type", "set");
    for (uint8_t kind = KIND_TIMING; kind <= KIND_DISTRIBUTION; kind++) {
        const exphist_point *point = only_exphist(f, names[kind]);
        assert_true(slice_is_text(
            emit_fixture_attr(point->attributes, point->n_attributes, "metric_type"), names[kind]));
    }
    emit_fixture_close(f);
}

static void test_a_time_of_its_own_is_kept_and_has_no_start(void **state)
{
    (void)state;
    static const uint64_t times_ns[] = {UINT64_C(1656581400000000000),
                                        UINT64_C(1656581401000000000)};
    struct emit_fixture *f = fresh();
    emit_fixture_open(f, 1);
    for (size_t i = 0; i < COUNT_OF(times_ns); i++) {
        struct point point = emit_fixture_point(KIND_COUNTER, i == 0 ? "c.first" : "c.second", 5);
        point.time_unix_ns = times_ns[i];
        emit_fixture_add(f, point);
        emit_fixture_add(f, point);
    }
    struct point point = emit_fixture_point(KIND_GAUGE, "g", 2.5);
    point.time_unix_ns = times_ns[0];
    emit_fixture_add(f, point);
    emit_fixture_flush(f);
    for (size_t i = 0; i < COUNT_OF(times_ns); i++) {
        const metric_message *metric = emit_fixture_metric(f, i == 0 ? "c.first" : "c.second");
        const number_point *sum = metric->sum->data_points[0];
        assert_int_equal(sum->start_time_unix_nano, 0);
        assert_int_equal(sum->time_unix_nano, times_ns[i]);
        assert_true(sum->value_case == AS_INT && sum->as_int == 10);
    }
    const number_point *gauge = only_gauge(f, "g");
    assert_int_equal(gauge->time_unix_nano, times_ns[0]);
    assert_true(gauge->as_double == 2.5);
    emit_fixture_close(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_counters_are_delta_sums_and_whole_ones_integers),
        cmocka_unit_test(test_counter_type_float_makes_doubles_of_whole_sums),
        cmocka_unit_test(test_monotonic_counters_are_so_whatever_their_sum),
        cmocka_unit_test(test_gauges_are_doubles_at_the_end_of_the_window),
        cmocka_unit_test(test_sets_are_gauges_of_distinct_members),
        cmocka_unit_test(test_samples_are_one_gauge_point_each_with_its_own_time),
        cmocka_unit_test(test_exphist_has_the_check_values),
        cmocka_unit_test(test_exphist_keeps_signs_zeros_and_whole_weights),
        cmocka_unit_test(test_explicit_histogram_counts_bounds_on_their_lower_side),
        cmocka_unit_test(test_summary_has_the_quantiles_of_its_kind),
        cmocka_unit_test(test_tags_become_attributes_and_the_last_of_a_key_counts),
        cmocka_unit_test(test_our_attributes_win_over_tags_of_the_same_key),
        cmocka_unit_test(test_most_tags_that_fit_all_leave),
        cmocka_unit_test(test_metric_type_names_what_the_client_said),
        cmocka_unit_test(test_a_time_of_its_own_is_kept_and_has_no_start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
