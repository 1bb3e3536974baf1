/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of core/processors/metrics_transform_merge, through the processor: which points fall
 * together, and what becomes of their values.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/processors/metrics_transform_processor.h"
#include "tests/core/processors/processor_rig.h"

enum { GAUGE = 5, SUM = 7, HISTOGRAM = 9, EXPHIST = 10, SUMMARY = 11 };

#define DELTA field_varint(2, 1)
#define CUMULATIVE field_varint(2, 2)

static struct rig rig;

/* The configuration of one operation on metric m. */
static void open_rig(const char *operation)
{
    char config[1024];
    (void)snprintf(config, sizeof(config),
                   "{transforms: [{include: m, action: update, operations: [%s]}]}", operation);
    rig_open(&rig, metrics_transform_processor_new, SIGNAL_METRICS, config);
}

static void open_aggregation(const char *type)
{
    char operation[256];
    (void)snprintf(operation, sizeof(operation),
                   "{action: aggregate_labels, label_set: [k], aggregation_type: '%s'}", type);
    open_rig(operation);
}

/* Closes the rig; `merged` points must have become part of others. */
static void close_rig(uint64_t merged)
{
    assert_int_equal(counter_read(&rig.processor->stats.items_aggregated), merged);
    rig_close(&rig);
}

static void check(uint32_t data, struct slice before, struct slice after)
{
    rig_check(&rig, request_of(NOTHING, metric_of("m", data, before)),
              request_of(NOTHING, metric_of("m", data, after)));
}

/* A number's point with label k, label `other` where it is not NULL, and times. */
static struct slice point(const char *k, const char *other, uint64_t start, struct slice value)
{
    return field_message(1, JOIN(other == NULL ? NOTHING : attr_text(7, "other", other),
                                 attr_text(7, "k", k), field_fixed64(2, start),
                                 field_fixed64(3, 50), value));
}

static struct slice i64(int64_t value)
{
    return field_fixed64(6, (uint64_t)value);
}

static struct slice f64(double value)
{
    return field_double(4, value);
}

/* --- numbers ---------------------------------------------------------------------------------- */

static void test_integers_are_reduced_as_integers(void **state)
{
    (void)state;
    static const struct {
        const char *type;
        int64_t of_four;
        int64_t of_one;
    } rows[] = {{"sum", 13, 9},   {"mean", 3, 9},  {"min", -4, 9}, {"max", 12, 9},
                {"median", 2, 9}, {"count", 4, 1}, {"", 5, 9}};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        open_aggregation(rows[i].type);
        check(GAUGE,
              JOIN(point("a", "1", 10, i64(5)), point("b", "1", 10, i64(9)),
                   point("a", "2", 10, i64(-4)), point("a", "3", 10, i64(12)),
                   point("a", "4", 10, i64(0))),
              JOIN(point("a", NULL, 10, i64(rows[i].of_four)),
                   point("b", NULL, 10, i64(rows[i].of_one))));
        close_rig(3);
    }
}

static void test_doubles_are_reduced_as_doubles(void **state)
{
    (void)state;
    static const struct {
        const char *type;
        double of_three;
    } rows[] = {{"sum", 4.5},     {"mean", 1.5}, {"min", -2.25}, {"max", 4},
                {"median", 2.75}, {"count", 3},  {"", 2.75}};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        open_aggregation(rows[i].type);
        check(GAUGE,
              JOIN(point("a", "1", 10, f64(2.75)), point("a", "2", 10, i64(4)),
                   point("a", "3", 10, f64(-2.25))),
              point("a", NULL, 10, f64(rows[i].of_three)));
        close_rig(2);
    }
}

static void test_the_ends_of_the_range_hold(void **state)
{
    (void)state;
    open_aggregation("sum");
    check(GAUGE, JOIN(point("a", "1", 1, i64(INT64_MAX)), point("a", "2", 1, i64(1))),
          point("a", NULL, 1, i64(INT64_MAX)));
    check(GAUGE, JOIN(point("a", "1", 1, i64(INT64_MIN)), point("a", "2", 1, i64(-1))),
          point("a", NULL, 1, i64(INT64_MIN)));
    check(GAUGE, JOIN(point("a", "1", 1, i64(1)), point("a", "2", 1, f64(NAN))),
          point("a", NULL, 1, i64(1)));
    close_rig(3);
    open_aggregation("median");
    check(GAUGE, JOIN(point("a", "1", 1, i64(INT64_MAX)), point("a", "2", 1, i64(INT64_MAX - 2))),
          point("a", NULL, 1, i64(INT64_MAX - 1)));
    close_rig(1);
    open_aggregation("max");
    check(GAUGE, JOIN(point("a", "1", 1, f64(3)), point("a", "2", 1, f64(NAN))),
          point("a", NULL, 1, f64(NAN)));
    close_rig(1);
}

static void test_a_point_without_a_value_takes_no_part(void **state)
{
    (void)state;
    open_aggregation("mean");
    struct slice no_value = field_varint(8, 1); /* the flag that says so */
    check(GAUGE,
          JOIN(point("a", "1", 10, no_value), point("a", "2", 20, i64(4)),
               point("a", "3", 30, i64(6)), point("b", "1", 10, no_value),
               point("b", "2", 10, no_value)),
          JOIN(field_message(1, JOIN(attr_text(7, "k", "a"), field_fixed64(2, 10),
                                     field_fixed64(3, 50), i64(5))),
               point("b", NULL, 10, no_value)));
    close_rig(3);
}

/* --- which fall together ---------------------------------------------------------------------- */

static void test_starts_tell_deltas_apart_and_others_not(void **state)
{
    (void)state;
    open_aggregation("sum");
    struct slice points =
        JOIN(point("a", "1", 10, i64(1)), point("a", "2", 10, i64(2)), point("a", "3", 7, i64(4)));
    check(SUM, JOIN(points, DELTA),
          JOIN(point("a", NULL, 10, i64(3)), point("a", NULL, 7, i64(4)), DELTA));
    check(SUM, JOIN(points, CUMULATIVE), JOIN(point("a", NULL, 7, i64(7)), CUMULATIVE));
    check(GAUGE, points, point("a", NULL, 7, i64(7)));
    close_rig(5);
}

static struct slice timed(uint64_t time, int64_t value)
{
    return field_message(1, JOIN(field_fixed64(3, time), i64(value)));
}

static void test_times_tell_points_apart(void **state)
{
    (void)state;
    open_aggregation("sum");
    check(GAUGE, JOIN(timed(1, 1), timed(2, 2), timed(1, 4), timed(3, 8)),
          JOIN(timed(1, 5), timed(2, 2), timed(3, 8)));
    close_rig(1);
}

static void test_labels_are_compared_without_their_order_and_with_their_types(void **state)
{
    (void)state;
    open_rig("{action: aggregate_labels, label_set: [a, b, c], aggregation_type: sum}");
    struct slice a = attr_text(7, "a", "1");
    struct slice a_int = attr_int(7, "a", 1);
    struct slice b = attr_value(7, "b", field_message(5, field_message(1, field_text(1, "x"))));
    struct slice c = attr_bool(7, "c", true);
    check(GAUGE,
          JOIN(field_message(1, JOIN(a, b, i64(1))), field_message(1, JOIN(b, a, i64(2))),
               field_message(1, JOIN(b, a_int, i64(4))), field_message(1, JOIN(a, c, i64(8))),
               field_message(1, JOIN(a, b, c, i64(16))), field_message(1, JOIN(c, a, i64(32)))),
          JOIN(field_message(1, JOIN(a, b, i64(3))), field_message(1, JOIN(b, a_int, i64(4))),
               field_message(1, JOIN(a, c, i64(40))), field_message(1, JOIN(a, b, c, i64(16)))));
    close_rig(2);
}

static void test_without_a_label_set_all_labels_go(void **state)
{
    (void)state;
    open_rig("{action: aggregate_labels, aggregation_type: sum}");
    check(GAUGE, JOIN(point("a", "1", 10, i64(1)), point("b", "2", 10, i64(2))),
          field_message(1, JOIN(field_fixed64(2, 10), field_fixed64(3, 50), i64(3))));
    close_rig(1);
}

static void test_values_of_a_label_are_joined(void **state)
{
    (void)state;
    open_rig("{action: aggregate_label_values, label: k, aggregated_values: [user, system],"
             " new_value: 'used {{version}}', aggregation_type: sum}");
    check(GAUGE,
          JOIN(point("user", NULL, 10, i64(1)), point("idle", NULL, 10, i64(2)),
               point("system", NULL, 10, i64(4)), point("system", "x", 10, i64(8)),
               point("idle", NULL, 10, i64(16))),
          JOIN(point("used " WEIR_VERSION, NULL, 10, i64(5)), point("idle", NULL, 10, i64(18)),
               point("used " WEIR_VERSION, "x", 10, i64(8))));
    close_rig(2);
}

static void test_exemplars_of_all_stay(void **state)
{
    (void)state;
    open_rig("{action: aggregate_labels, label_set: [j, k], aggregation_type: sum},"
             "{action: aggregate_labels, label_set: [], aggregation_type: sum}");
    struct slice points[3];
    struct slice exemplars[3];
    for (size_t i = 0; i < COUNT_OF(points); i++) {
        exemplars[i] = field_message(5, field_fixed64(2, i + 1));
        points[i] = field_message(1, JOIN(attr_int(7, "j", i == 2), i64(1), exemplars[i]));
    }
    check(GAUGE, join_slices(points, COUNT_OF(points)),
          field_message(1, JOIN(i64(3), join_slices(exemplars, COUNT_OF(exemplars)))));
    close_rig(2);
}

/* --- histograms ------------------------------------------------------------------------------- */

static struct slice packed_u64(uint32_t number, const uint64_t *values, size_t count)
{
    return field_message(number, slice_of(values, count * sizeof(values[0])));
}

#define COUNTS(...) packed_u64(6, (const uint64_t[]){__VA_ARGS__}, 3)
#define BOUNDS(...) field_message(7, slice_of((const double[]){__VA_ARGS__}, 16))

static struct slice hist(struct slice labels, uint64_t count, double sum, double min, double max)
{
    return JOIN(labels, field_fixed64(2, 10), field_fixed64(3, 50), field_fixed64(4, count),
                field_double(5, sum), field_double(11, min), field_double(12, max));
}

static void test_histograms_are_added_up(void **state)
{
    (void)state;
    open_aggregation("mean"); /* whatever it says */
    struct slice x = attr_text(9, "other", "x");
    struct slice exemplars[] = {field_message(8, field_double(3, 1)),
                                field_message(8, field_double(3, 2))};
    struct slice bounds = BOUNDS(1, 5);
    struct slice other_bounds = BOUNDS(1, 6);
    struct slice before = JOIN(
        field_message(1, JOIN(hist(x, 3, 9, 1, 6), COUNTS(1, 1, 1), bounds, exemplars[0])),
        field_message(1, JOIN(hist(x, 2, 4, 0.5, 3), COUNTS(1, 1, 0), other_bounds)),
        field_message(1, JOIN(hist(NOTHING, 4, 3, 0.5, 2), COUNTS(3, 1, 0), bounds, exemplars[1])),
        field_message(1, JOIN(hist(x, 0, 0, -7, 70), COUNTS(0, 0, 0), bounds)));
    struct slice after =
        JOIN(field_message(1, JOIN(hist(NOTHING, 7, 12, 0.5, 6), COUNTS(4, 2, 1), bounds,
                                   exemplars[0], exemplars[1])),
             field_message(1, JOIN(hist(NOTHING, 2, 4, 0.5, 3), COUNTS(1, 1, 0), other_bounds)));
    check(HISTOGRAM, JOIN(before, DELTA), JOIN(after, DELTA));
    close_rig(2);
}

static void test_a_histogram_without_sum_stays_apart(void **state)
{
    (void)state;
    open_aggregation("sum");
    struct slice with_sum = field_message(1, JOIN(field_fixed64(4, 1), field_double(5, 2)));
    struct slice without = field_message(1, field_fixed64(4, 1));
    check(
        HISTOGRAM, JOIN(with_sum, without, with_sum, CUMULATIVE),
        JOIN(field_message(1, JOIN(field_fixed64(4, 2), field_double(5, 4))), without, CUMULATIVE));
    close_rig(1);
}

static struct slice side(uint32_t number, uint64_t offset_zigzag, const char *counts)
{
    return field_message(
        number, JOIN(field_varint(1, offset_zigzag), field_message(2, slice_of_text(counts))));
}

static struct slice exphist(uint64_t scale_zigzag, uint64_t count, struct slice sides)
{
    return JOIN(field_fixed64(3, 50), field_fixed64(4, count), field_double(5, (double)count),
                field_varint(6, scale_zigzag), field_fixed64(7, 1), sides);
}

static void test_exponential_histograms_of_one_scale_are_added_up(void **state)
{
    (void)state;
    open_aggregation("sum");
    struct slice x = attr_text(1, "other", "x");
    struct slice before =
        JOIN(field_message(1, JOIN(x, exphist(4, 4, side(8, 3, "\1\2")))),
             field_message(1, JOIN(x, exphist(6, 4, side(8, 3, "\1\2")))),
             field_message(1, JOIN(exphist(4, 9, JOIN(side(8, 3, "\1\1\5"), side(9, 0, "\1"))))),
             field_message(1, JOIN(x, exphist(4, 4, side(8, 5, "\1\2")))));
    struct slice after =
        JOIN(field_message(1, JOIN(field_fixed64(3, 50), field_fixed64(4, 13), field_double(5, 13),
                                   field_varint(6, 4), field_fixed64(7, 2), side(8, 3, "\2\3\5"),
                                   side(9, 0, "\1"))),
             field_message(1, exphist(6, 4, side(8, 3, "\1\2"))),
             field_message(1, exphist(4, 4, side(8, 5, "\1\2"))));
    check(EXPHIST, JOIN(before, DELTA), JOIN(after, DELTA));
    close_rig(1);
}

static void test_summaries_stay_as_they_are(void **state)
{
    (void)state;
    open_aggregation("sum");
    struct slice summary =
        metric_of("m", SUMMARY,
                  JOIN(field_message(1, JOIN(attr_text(7, "x", "1"), field_fixed64(4, 1))),
                       field_message(1, JOIN(attr_text(7, "x", "2"), field_fixed64(4, 1)))));
    struct slice request = request_of(NOTHING, summary);
    assert_true(slice_equal(rig_run(&rig, request), request));
    close_rig(0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_integers_are_reduced_as_integers),
        cmocka_unit_test(test_doubles_are_reduced_as_doubles),
        cmocka_unit_test(test_the_ends_of_the_range_hold),
        cmocka_unit_test(test_a_point_without_a_value_takes_no_part),
        cmocka_unit_test(test_starts_tell_deltas_apart_and_others_not),
        cmocka_unit_test(test_times_tell_points_apart),
        cmocka_unit_test(test_labels_are_compared_without_their_order_and_with_their_types),
        cmocka_unit_test(test_without_a_label_set_all_labels_go),
        cmocka_unit_test(test_values_of_a_label_are_joined),
        cmocka_unit_test(test_exemplars_of_all_stay),
        cmocka_unit_test(test_histograms_are_added_up),
        cmocka_unit_test(test_a_histogram_without_sum_stays_apart),
        cmocka_unit_test(test_exponential_histograms_of_one_scale_are_added_up),
        cmocka_unit_test(test_summaries_stay_as_they_are),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
