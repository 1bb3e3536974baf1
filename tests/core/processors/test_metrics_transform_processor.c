/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of core/processors/metrics_transform_processor: names, labels and values change; what no
 * transform is about stays byte for byte; the configuration is judged; the books balance.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "core/base/bounds.h"
#include "core/base/fault.h"
#include "core/base/mem.h"
#include "core/processors/metrics_transform_processor.h"
#include "tests/core/processors/transform_rig.h"

static struct rig rig;

/* --- untouched -------------------------------------------------------------------------------- */

static void test_what_no_transform_is_about_keeps_its_memory(void **state)
{
    (void)state;
    rig_open(&rig, metrics_transform_processor_new, SIGNAL_METRICS,
             "{transforms: [{include: a, action: update, new_name: b},"
             " {include: '^x\\.', match_type: regexp, action: combine, new_name: c},"
             " {include: y, action: group, group_resource_labels: {k: v}},"
             " {include: aa, action: insert, new_name: z}]}");
    struct slice request = JOIN(request_of(NOTHING, JOIN(one("A"), one("ab"), one("ba"))),
                                request_of(attr_text(1, "k", "v"), NOTHING));
    (void)rig_process(&rig, request);
    assert_true(rig.part.bytes.ptr == rig.part.memory);
    assert_true(slice_equal(rig.part.bytes, request));
    check_transform_books(&rig, 3);
    rig_close(&rig);
}

static void test_nothing_to_do_is_fine(void **state)
{
    (void)state;
    rig_open(&rig, metrics_transform_processor_new, SIGNAL_METRICS, "{}");
    struct slice request = request_of(NOTHING, one("a"));
    assert_true(slice_equal(rig_run(&rig, request), request));
    assert_int_equal(rig_run(&rig, NOTHING).len, 0);
    rig_close(&rig);
}

/* Only what changes is spelled anew: unknown fields, odd order and other metrics stay. */
static void test_a_rename_moves_no_other_byte(void **state)
{
    (void)state;
    rig_open(&rig, metrics_transform_processor_new, SIGNAL_METRICS,
             "{transforms: [{include: old, action: update, new_name: renamed}]}");
    struct slice unknown = field_varint(3000, 7);
    struct slice points =
        field_message(SUM, JOIN(field_varint(2, 2), int_point(unknown, 4), unknown));
    struct slice metadata = attr_text(12, "origin", "sdk");
    struct slice other = item_of(JOIN(unknown, field_text(1, "other"), points));
    struct slice before = item_of(JOIN(points, field_text(1, "old"), unknown, metadata));
    struct slice after = item_of(JOIN(points, field_text(1, "renamed"), unknown, metadata));
    struct slice out = rig_run(&rig, request_of(NOTHING, JOIN(other, before, other)));
    assert_true(slice_equal(out, request_of(NOTHING, JOIN(other, after, other))));
    rig_close(&rig);
}

/* --- names ------------------------------------------------------------------------------------ */

/* What `template` makes of `name` under `pattern`. */
static void check_name(const char *pattern, const char *template, const char *name,
                       const char *expected)
{
    char config[512];
    (void)snprintf(config, sizeof(config),
                   "{transforms: [{include: '%s', match_type: regexp, action: update,"
                   " new_name: '%s'}]}",
                   pattern, template);
    rig_open(&rig, metrics_transform_processor_new, SIGNAL_METRICS, config);
    rig_check(&rig, request_of(NOTHING, one(name)), request_of(NOTHING, one(expected)));
    rig_close(&rig);
}

static void test_groups_are_put_into_names(void **state)
{
    (void)state;
    check_name("^system\\.(.*)\\.(.*)$", "host.${2}.$1", "system.cpu.load", "host.load.cpu");
    check_name("^a(?P<rest>.*)$", "b${rest}.$rest", "a.c", "b.c..c");
    check_name("^(a)(x)?(b)$", "<$2>$3$1", "ab", "<>ba");
    check_name("b", "$0-$0", "abc", "b-b");
    check_name("a|bc", "x${0}y$0y", "abc", "xay");
    check_name("(?i)ABC", "${0}d", "abc", "abcd");
    check_name("^a", "$$1 $", "ab", "$1 $");
    check_name("^(a)", "${1", "ab", "${1");
    check_name("^(a)", "${}$-", "ab", "${}$-");
    check_name("^(a)", "[$1x][$9][$01]", "ab", "[][][]");
    check_name("^(a)", "$7", "ab", "$7"); /* nothing is left, so the template itself */
    check_name("^(a)", "fixed", "ab", "fixed");
    check_name("^b", "never", "ab", "ab");
}

static void test_a_name_without_a_pattern_is_taken_as_it_is(void **state)
{
    (void)state;
    rig_open(&rig, metrics_transform_processor_new, SIGNAL_METRICS,
             "{transforms: [{include: 'a.b', match_type: strict, action: update,"
             " new_name: '$1x'}]}");
    rig_check(&rig, request_of(NOTHING, JOIN(one("a.b"), one("axb"))),
              request_of(NOTHING, JOIN(one("$1x"), one("axb"))));
    rig_close(&rig);
}

static struct slice chain_before(void)
{
    return JOIN(one("a"), one("b"), one("c"));
}

static struct slice chain_after(void)
{
    return JOIN(one("c"), one("c"), one("d"));
}

static void test_later_transforms_see_what_earlier_ones_left(void **state)
{
    (void)state;
    check_transforms(
        &rig,
        "{include: c, action: update, new_name: d}, {include: a, action: update, new_name: b},"
        " {include: b, action: update, new_name: c}",
        chain_before, chain_after, 3);
}

/* --- labels ----------------------------------------------------------------------------------- */

static struct slice labels_before(void)
{
    return gauge("m", JOIN(int_point(JOIN(label("state", "idle"), label("core", "0")), 1),
                           int_point(JOIN(label("state", "busy"), attr_int(7, "core", 0)), 2),
                           int_point(NOTHING, 3)));
}

static struct slice added_after(void)
{
    struct slice v = label("version", "weir " WEIR_VERSION);
    return gauge("m", JOIN(int_point(JOIN(label("state", "idle"), label("core", "0"), v), 1),
                           int_point(JOIN(label("state", "busy"), attr_int(7, "core", 0), v), 2),
                           int_point(v, 3)));
}

static struct slice renamed_after(void)
{
    return gauge("m", JOIN(int_point(JOIN(label("cpu", "-"), label("core", "0")), 1),
                           int_point(JOIN(label("cpu", "busy"), attr_int(7, "core", 0)), 2),
                           int_point(NOTHING, 3)));
}

static struct slice overwritten_after(void)
{
    return gauge("m", JOIN(int_point(label("core", "idle"), 1), int_point(label("core", "busy"), 2),
                           int_point(NOTHING, 3)));
}

static struct slice deleted_after(void)
{
    return gauge("m", JOIN(int_point(JOIN(label("state", "busy"), attr_int(7, "core", 0)), 2),
                           int_point(NOTHING, 3)));
}

static void test_labels_are_added_renamed_and_deleted(void **state)
{
    (void)state;
    check_transforms(&rig,
                     "{include: m, action: update, operations: ["
                     "{action: add_label, new_label: version, new_value: 'weir {{version}}'},"
                     "{action: add_label, new_label: version, new_value: second}]}",
                     labels_before, added_after, 3);
    check_transforms(
        &rig,
        "{include: m, action: update, operations: [{action: update_label, label: state,"
        " new_label: cpu, value_actions: [{value: idle, new_value: gone},"
        " {value: idle, new_value: '-'}, {value: '0', new_value: x}]}]}",
        labels_before, renamed_after, 3);
    check_transforms(
        &rig,
        "{include: m, action: update, operations: [{action: update_label, label: state,"
        " new_label: core}]}",
        labels_before, overwritten_after, 3);
    check_transforms(
        &rig,
        "{include: m, action: update, operations: [{action: delete_label_value, label: state,"
        " label_value: idle}, {action: delete_label_value, label: core, label_value: ''}]}",
        labels_before, deleted_after, 3);
}

/* `a`, and before and behind it 2^16 times the label that it is renamed to. */
static struct slice many_before(void)
{
    struct slice many = label("b", "");
    for (int i = 0; i < 16; i++) {
        many = JOIN(many, many);
    }
    return gauge("m", int_point(JOIN(many, label("a", "kept"), many, label("c", "0")), 1));
}

static struct slice many_after(void)
{
    return gauge("m", int_point(JOIN(label("b", "kept"), label("c", "0")), 1));
}

static void test_a_label_may_stand_there_very_often(void **state)
{
    (void)state;
    check_transforms(&rig,
                     "{include: m, action: update, operations: [{action: update_label, label: a,"
                     " new_label: b}]}",
                     many_before, many_after, 1);
}

static struct slice nothing(void)
{
    return NOTHING;
}

static void test_a_metric_that_lost_its_last_point_goes(void **state)
{
    (void)state;
    rig_open(&rig, metrics_transform_processor_new, SIGNAL_METRICS,
             "{transforms: [{include: m, action: update, operations:"
             " [{action: delete_label_value, label: a, label_value: x}]}]}");
    struct slice gone = gauge("m", int_point(label("a", "x"), 1));
    rig_check(&rig, request_of(NOTHING, JOIN(gone, one("n"))), request_of(NOTHING, one("n")));
    assert_int_equal(rig_run(&rig, request_of(NOTHING, gone)).len, 0);
    assert_int_equal(counter_read(&rig.processor->stats.items_filtered), 2);
    /* One that had none before stays. */
    struct slice empty = metric_of("m", GAUGE, NOTHING);
    assert_true(slice_equal(rig_run(&rig, request_of(NOTHING, empty)), request_of(NOTHING, empty)));
    rig_close(&rig);
    check_transforms(&rig,
                     "{include: m, action: insert, new_name: n, operations:"
                     " [{action: delete_label_value, label: a, label_value: x}]}",
                     nothing, nothing, 0);
}

/* --- labels to match -------------------------------------------------------------------------- */

static struct slice matched_before(void)
{
    return JOIN(
        gauge("m", JOIN(int_point(label("pod", "web-1"), 1), int_point(label("pod", "db"), 2),
                        int_point(NOTHING, 3), int_point(attr_int(7, "pod", 5), 4))),
        gauge("n", int_point(label("pod", "db"), 5)));
}

static struct slice scaled_after(void)
{
    return JOIN(
        gauge("m", JOIN(int_point(label("pod", "web-1"), 10), int_point(label("pod", "db"), 2),
                        int_point(NOTHING, 3), int_point(attr_int(7, "pod", 5), 4))),
        gauge("n", int_point(label("pod", "db"), 5)));
}

static struct slice inserted_after(void)
{
    return JOIN(matched_before(), gauge("web", int_point(label("pod", "web-1"), 1)));
}

static struct slice absent_after(void)
{
    return JOIN(matched_before(),
                gauge("rest", JOIN(int_point(NOTHING, 3), int_point(attr_int(7, "pod", 5), 4))));
}

static struct slice whole_after(void)
{
    return JOIN(
        gauge("m", JOIN(int_point(label("pod", "web-1"), 1), int_point(label("pod", "db"), 2),
                        int_point(NOTHING, 3), int_point(attr_int(7, "pod", 5), 4))),
        gauge("k", int_point(label("pod", "db"), 5)));
}

static void test_labels_choose_points(void **state)
{
    (void)state;
    /* Of a metric of which only some points match, names and labels to add are not touched. */
    check_transforms(
        &rig,
        "{include: 'm|n', match_type: regexp, experimental_match_labels: {pod: '^web-'},"
        " action: update, new_name: x, operations:"
        " [{action: experimental_scale_value, experimental_scale: 10},"
        "  {action: add_label, new_label: a, new_value: b},"
        "  {action: delete_label_value, label: pod, label_value: db},"
        "  {action: aggregate_labels, label_set: [], aggregation_type: sum}]}",
        matched_before, scaled_after, 5);
    check_transforms(
        &rig,
        "{include: m, experimental_match_labels: {pod: web-1}, action: insert, new_name: web}",
        matched_before, inserted_after, 5);
    check_transforms(
        &rig, "{include: m, experimental_match_labels: {pod: ''}, action: insert, new_name: rest}",
        matched_before, absent_after, 5);
    check_transforms(&rig,
                     "{include: '.', match_type: regexp, experimental_match_labels: {pod: '^db$'},"
                     " action: update, new_name: k}",
                     matched_before, whole_after, 5);
}

/* --- values ----------------------------------------------------------------------------------- */

static struct slice values_before(void)
{
    return JOIN(gauge("m", JOIN(int_point(NOTHING, 7), double_point(NOTHING, -2.9),
                                field_message(1, field_varint(8, 1)), double_point(NOTHING, 1e300),
                                int_point(NOTHING, INT64_MIN))),
                metric_of("m", SUMMARY, field_message(1, field_double(5, 2))));
}

static struct slice toggled_after(void)
{
    return JOIN(gauge("m", JOIN(double_point(NOTHING, 7), int_point(NOTHING, -2),
                                field_message(1, field_varint(8, 1)), int_point(NOTHING, INT64_MAX),
                                double_point(NOTHING, -0x1p63))),
                metric_of("m", SUMMARY, field_message(1, field_double(5, 2))));
}

static struct slice times_after(void)
{
    return JOIN(gauge("m", JOIN(int_point(NOTHING, 17), double_point(NOTHING, -7.25),
                                field_message(1, field_varint(8, 1)),
                                double_point(NOTHING, 2.5e300), int_point(NOTHING, INT64_MIN))),
                metric_of("m", SUMMARY, field_message(1, field_double(5, 2))));
}

static void test_values_are_toggled_and_scaled(void **state)
{
    (void)state;
    check_transforms(
        &rig, "{include: m, action: update, operations: [{action: toggle_scalar_data_type}]}",
        values_before, toggled_after, 6);
    check_transforms(&rig,
                     "{include: m, action: update, operations: [{action: experimental_scale_value,"
                     " experimental_scale: 2.5}]}",
                     values_before, times_after, 6);
}

/* A histogram of two bounds; `factor` multiplies all that is a value. */
static struct slice histogram(double factor)
{
    struct slice exemplars =
        JOIN(field_message(8, JOIN(field_double(3, 1.5 * factor), field_fixed64(2, 9))),
             field_message(8, field_fixed64(6, (uint64_t)(int64_t)(3 * factor))),
             field_message(8, field_fixed64(2, 11)));
    struct slice bounds = field_message(
        7, JOIN(slice_of(&(double){1 * factor}, 8), slice_of(&(double){2 * factor}, 8)));
    struct slice counts =
        field_message(6, JOIN(slice_of(&(uint64_t){1}, 8), slice_of(&(uint64_t){0}, 8),
                              slice_of(&(uint64_t){2}, 8)));
    struct slice scalars = JOIN(field_fixed64(4, 3), field_double(5, 8 * factor),
                                field_double(11, 0.5 * factor), field_double(12, 5 * factor));
    return metric_of("h", HISTOGRAM, field_message(1, JOIN(scalars, counts, bounds, exemplars)));
}

static struct slice histogram_before(void)
{
    return histogram(1);
}

static struct slice histogram_after(void)
{
    return histogram(1000);
}

static void test_histograms_are_scaled_with_bounds_and_exemplars(void **state)
{
    (void)state;
    check_transforms(&rig,
                     "{include: h, action: update, operations: [{action: experimental_scale_value,"
                     " experimental_scale: 1000}, {action: toggle_scalar_data_type}]}",
                     histogram_before, histogram_after, 1);
}

/* --- clones, limits, configuration ------------------------------------------------------------ */

static void test_clones_share_the_configuration(void **state)
{
    (void)state;
    rig_open(&rig, metrics_transform_processor_new, SIGNAL_METRICS,
             "{transforms: [{include: '(.)', match_type: regexp, action: insert,"
             " new_name: 'x$1'}]}");
    struct processor *prototype = rig.processor;
    assert_int_equal(prototype->ops->clone(prototype, &rig.processor), 0);
    rig_check(&rig, request_of(NOTHING, one("a")), request_of(NOTHING, JOIN(one("a"), one("xa"))));
    assert_int_equal(counter_read(&rig.processor->stats.items_added), 1);
    assert_int_equal(counter_read(&prototype->stats.items_added), 0);
    rig.processor->ops->close(rig.processor);
    rig.processor = prototype;
    rig_close(&rig);
}

static void test_copies_of_copies_end_at_the_limit_of_memory(void **state)
{
    (void)state;
    static const char again[] = "{include: '.', match_type: regexp, action: insert, new_name: x},";
    char config[8192];
    int len = snprintf(config, sizeof(config), "{transforms: [");
    for (int i = 0; i < 40; i++) {
        len += snprintf(config + len, sizeof(config) - (size_t)len, "%s", again);
    }
    (void)snprintf(config + len, sizeof(config) - (size_t)len, "]}");
    rig_open(&rig, metrics_transform_processor_new, SIGNAL_METRICS, config);
    struct slice request = request_of(NOTHING, one("a"));
    assert_int_equal(rig_process(&rig, request), FAULT_LIMIT);
    assert_true(slice_equal(rig.part.bytes, request));
    assert_int_equal(rig.part.item_count, 1);
    assert_int_equal(counter_read(&rig.processor->stats.items_added), 0);
    rig_close(&rig);
}

static void check_refused(const char *transform, const char *words)
{
    char config[4096];
    (void)snprintf(config, sizeof(config), "{transforms: [%s]}", transform);
    rig_check_refused(metrics_transform_processor_new, SIGNAL_METRICS, config, words);
}

static void test_configuration_is_judged(void **state)
{
    (void)state;
    rig_check_refused(metrics_transform_processor_new, SIGNAL_TRACES, "{}", "takes metrics");
    rig_check_refused(metrics_transform_processor_new, SIGNAL_METRICS, "{transform: []}",
                      "unknown key");
    check_refused("{action: update}", "include");
    check_refused("{include: a}", "action");
    check_refused("{include: a, action: upsert}", "must be one of update, insert, combine, group");
    check_refused("{include: a, action: update, match_type: glob}", "match_type");
    check_refused("{include: '(', match_type: regexp, action: update}", "not a regular expression");
    check_refused("{include: 'a)(b', match_type: regexp, action: update}",
                  "not a regular expression");
    check_refused("{include: a, match_type: regexp, action: update,"
                  " experimental_match_labels: {a: '['}}",
                  "not a regular expression");
    check_refused("{include: a, action: insert}", "needs 'new_name'");
    check_refused("{include: a, action: combine}", "needs 'new_name'");
    check_refused("{include: a, action: group}", "needs 'group_resource_labels'");
    check_refused("{include: a, action: combine, new_name: b, aggregation_type: average}",
                  "aggregation_type");
    check_refused("{include: a, action: combine, new_name: b, submatch_case: title}",
                  "submatch_case");
    check_refused("{include: a, action: update, operations: [{}]}", "action");
    check_refused("{include: a, action: update, operations: [{action: add}]}", "action");
    check_refused("{include: a, action: update, operations: [{action: update_label}]}",
                  "needs 'label'");
    check_refused("{include: a, action: update, operations: [{action: add_label, new_value: b}]}",
                  "needs 'new_label'");
    check_refused("{include: a, action: update, operations: [{action: add_label, new_label: b}]}",
                  "needs 'new_value'");
    check_refused("{include: a, action: update, operations: [{action: experimental_scale_value}]}",
                  "experimental_scale");
    check_refused("{include: a, action: update, operations: [{action: aggregate_labels,"
                  " label_set: [], aggregation_type: p99}]}",
                  "aggregation_type");
    check_refused("{include: a, action: update, operations: [{action: update_label, label: b,"
                  " value_actions: [{old: c}]}]}",
                  "unknown key");
}

#define LABEL_TOO_MANY                                                                             \
    "{transforms: [{include: a, action: update, operations:"                                       \
    " [{action: toggle_scalar_data_type, label: b}]}]}"

static void test_what_has_no_effect_is_warned_of(void **state)
{
    (void)state;
    static const char *const configs[] = {
        "{transforms: [{include: a, action: update, aggregation_type: sum}]}",
        "{transforms: [{include: a, action: insert, new_name: b, submatch_case: lower}]}",
        "{transforms: [{include: a, action: update, group_resource_labels: {a: b}}]}",
        "{transforms: [{include: a, action: group, group_resource_labels: {a: b}, new_name: b}]}",
        LABEL_TOO_MANY,
    };
    for (size_t i = 0; i < COUNT_OF(configs); i++) {
        rig_init(&rig);
        assert_int_equal(rig_try(&rig, metrics_transform_processor_new, SIGNAL_METRICS, configs[i]),
                         0);
        assert_non_null(strstr(config_fixture_printed(&rig.config), "has no use for"));
        rig_close(&rig);
    }
}

/* The whole match is a group too. */
static void test_groups_of_a_pattern_are_bounded(void **state)
{
    (void)state;
    char config[1024];
    char pattern[4 * TRANSFORM_GROUPS_MAX];
    for (size_t i = 0; i < sizeof(pattern); i++) {
        pattern[i] = "(a)"[i % 3];
    }
    pattern[3 * (TRANSFORM_GROUPS_MAX - 1)] = '\0';
    (void)snprintf(config, sizeof(config),
                   "{include: '%s', match_type: regexp, action: update, new_name: x$1}", pattern);
    check_transforms(&rig, config, nothing, nothing, 0);
    (void)snprintf(config, sizeof(config), "{include: '%s(b)', match_type: regexp, action: update}",
                   pattern);
    check_refused(config, "at most 63 groups");
}

#define FULL_CONFIG                                                                                \
    "{transforms: [{include: '^m(.*)', match_type: regexp, experimental_match_labels: {k: '.'},"   \
    " action: combine, new_name: x, aggregation_type: mean, submatch_case: upper, operations:"     \
    " [{action: add_label, new_label: a, new_value: '{{version}}'},"                               \
    "  {action: update_label, label: a, value_actions: [{value: b, new_value: c}]},"               \
    "  {action: aggregate_labels, label_set: [k]}]},"                                              \
    " {include: a, action: group, group_resource_labels: {a: b}}]}"

static void test_every_refused_allocation_is_survived(void **state)
{
    (void)state;
    int err = -1;
    for (uint64_t nth = 1; err != 0; nth++) {
        struct config_reader reader;
        rig_init(&rig);
        rig_reader(&rig, FULL_CONFIG, &reader);
        mem_fail_nth(nth);
        err = metrics_transform_processor_new(&reader, "test", SIGNAL_METRICS, &rig.processor);
        mem_fail_nth(0);
        assert_true(err == 0 || rig.processor == NULL);
        rig_close(&rig);
        assert_true(nth < 1000);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_no_transform_is_about_keeps_its_memory),
        cmocka_unit_test(test_nothing_to_do_is_fine),
        cmocka_unit_test(test_a_rename_moves_no_other_byte),
        cmocka_unit_test(test_groups_are_put_into_names),
        cmocka_unit_test(test_a_name_without_a_pattern_is_taken_as_it_is),
        cmocka_unit_test(test_later_transforms_see_what_earlier_ones_left),
        cmocka_unit_test(test_labels_are_added_renamed_and_deleted),
        cmocka_unit_test(test_a_label_may_stand_there_very_often),
        cmocka_unit_test(test_a_metric_that_lost_its_last_point_goes),
        cmocka_unit_test(test_labels_choose_points),
        cmocka_unit_test(test_values_are_toggled_and_scaled),
        cmocka_unit_test(test_histograms_are_scaled_with_bounds_and_exemplars),
        cmocka_unit_test(test_clones_share_the_configuration),
        cmocka_unit_test(test_copies_of_copies_end_at_the_limit_of_memory),
        cmocka_unit_test(test_configuration_is_judged),
        cmocka_unit_test(test_what_has_no_effect_is_warned_of),
        cmocka_unit_test(test_groups_of_a_pattern_are_bounded),
        cmocka_unit_test(test_every_refused_allocation_is_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
