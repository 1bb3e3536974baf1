/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of core/processors/metrics_transform_scope, through the processor: metrics are copied,
 * combined, and moved to resources of their own.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/base/mem.h"
#include "core/processors/metrics_transform_processor.h"
#include "tests/core/processors/transform_rig.h"

static struct rig rig;

static struct slice chain_before(void)
{
    return JOIN(one("a"), one("b"), one("c"));
}

/* --- insert ----------------------------------------------------------------------------------- */

static struct slice insert_after(void)
{
    struct slice tagged = int_point(label("k", "v"), 1);
    return JOIN(one("a"), one("b"), one("c"), gauge("a.copy", tagged), gauge("b.copy", tagged),
                gauge("a.copy.copy", tagged));
}

static void test_copies_stand_behind_and_are_seen_by_later_transforms(void **state)
{
    (void)state;
    check_transforms(&rig,
                     "{include: '^(a|b)$', match_type: regexp, action: insert, new_name: '$1.copy',"
                     " operations: [{action: add_label, new_label: k, new_value: v}]},"
                     " {include: a.copy, action: insert, new_name: a.copy.copy}",
                     chain_before, insert_after, 3);
}

/* What changes after the copy was made changes one of the two only. */
static struct slice apart_before(void)
{
    return gauge("m", JOIN(int_point(label("a", "x"), 1), int_point(label("a", "y"), 2)));
}

static struct slice apart_after(void)
{
    return JOIN(gauge("m", JOIN(int_point(label("b", "1"), 1), int_point(label("b", "y"), 2))),
                gauge("n", JOIN(int_point(label("b", "2"), 10), int_point(label("b", "y"), 20))));
}

static void test_copy_and_original_change_apart(void **state)
{
    (void)state;
    check_transforms(&rig,
                     "{include: m, action: update, operations: [{action: update_label, label: a,"
                     " new_label: b}]}, {include: m, action: insert, new_name: n},"
                     " {include: m, action: update, operations: [{action: update_label, label: b,"
                     " value_actions: [{value: x, new_value: '1'}]}]},"
                     " {include: n, action: update, operations: [{action: update_label, label: b,"
                     " value_actions: [{value: x, new_value: '2'}]},"
                     " {action: experimental_scale_value, experimental_scale: 10}]}",
                     apart_before, apart_after, 2);
}

/* --- combine ---------------------------------------------------------------------------------- */

static struct slice requests_before(void)
{
    return JOIN(gauge("total GET requests", int_point(label("host", "a"), 1)), one("other"),
                gauge("total POST requests",
                      JOIN(int_point(label("host", "a"), 2), int_point(label("host", "b"), 3))),
                gauge("total  requests", int_point(label("host", "c"), 4)));
}

static struct slice requests_after(void)
{
    struct slice get = label("method", "get");
    struct slice post = label("method", "post");
    return JOIN(one("other"), gauge("requests", JOIN(int_point(JOIN(label("host", "a"), get), 1),
                                                     int_point(JOIN(label("host", "a"), post), 2),
                                                     int_point(JOIN(label("host", "b"), post), 3),
                                                     int_point(label("host", "c"), 4))));
}

static struct slice summed_after(void)
{
    return JOIN(one("other"), gauge("requests", JOIN(int_point(label("host", "a"), 30),
                                                     int_point(label("host", "b"), 30),
                                                     int_point(label("host", "c"), 40))));
}

static struct slice numbered_after(void)
{
    struct slice get = label("$1", "GET");
    return JOIN(one("other"),
                gauge("total POST requests",
                      JOIN(int_point(label("host", "a"), 2), int_point(label("host", "b"), 3))),
                gauge("total  requests", int_point(label("host", "c"), 4)),
                gauge("requests", int_point(JOIN(label("host", "a"), get), 1)));
}

static void test_metrics_are_combined(void **state)
{
    (void)state;
    check_transforms(
        &rig,
        "{include: '^total (?P<method>.*) requests$', match_type: regexp, action: combine,"
        " new_name: requests, submatch_case: lower}",
        requests_before, requests_after, 5);
    check_transforms(&rig,
                     "{include: '^total .* requests$', match_type: regexp, action: combine,"
                     " new_name: requests, aggregation_type: sum, operations:"
                     " [{action: experimental_scale_value, experimental_scale: 10}]}",
                     requests_before, summed_after, 5);
    check_transforms(&rig,
                     "{include: '^total (G.*) requests$', match_type: regexp, action: combine,"
                     " new_name: requests, aggregation_type: sum}",
                     requests_before, numbered_after, 5);
}

static struct slice half_before(void)
{
    return JOIN(gauge("m.a", JOIN(int_point(label("k", "x"), 1), int_point(label("k", "y"), 2))),
                gauge("m.b", int_point(label("k", "x"), 4)));
}

static struct slice half_after(void)
{
    return JOIN(gauge("m.a", int_point(label("k", "y"), 2)),
                gauge("m", int_point(label("k", "x"), 5)));
}

static void test_points_that_do_not_match_stay_where_they_are(void **state)
{
    (void)state;
    check_transforms(&rig,
                     "{include: '^m\\.', match_type: regexp, experimental_match_labels: {k: x},"
                     " action: combine, new_name: m, aggregation_type: sum}",
                     half_before, half_after, 3);
}

static struct slice sum_of(const char *name, uint64_t temporality, uint64_t monotonic)
{
    return metric_of(
        name, SUM,
        JOIN(int_point(NOTHING, 1), field_varint(2, temporality), field_varint(3, monotonic)));
}

static void test_what_differs_is_not_combined(void **state)
{
    (void)state;
    rig_open(&rig, metrics_transform_processor_new, SIGNAL_METRICS,
             "{transforms: [{include: '^m', match_type: regexp, action: combine, new_name: x,"
             " aggregation_type: sum}]}");
    struct slice with_unit = item_of(
        JOIN(field_text(1, "m2"), field_text(3, "s"), field_message(GAUGE, int_point(NOTHING, 1))));
    struct slice labelled = gauge("m2", int_point(label("a", "x"), 1));
    struct slice summary = metric_of("m2", SUMMARY, field_message(1, NOTHING));
    struct slice pairs[] = {
        JOIN(one("m1"), with_unit),
        JOIN(one("m1"), labelled),
        JOIN(gauge("m1", int_point(label("b", "x"), 1)), labelled),
        JOIN(summary, summary),
        JOIN(sum_of("m1", 1, 1), sum_of("m2", 2, 1)),
        JOIN(sum_of("m1", 1, 1), sum_of("m2", 1, 0)),
        JOIN(sum_of("m1", 1, 1), one("m2")),
    };
    for (size_t i = 0; i < COUNT_OF(pairs); i++) {
        struct slice request = request_of(NOTHING, pairs[i]);
        assert_true(slice_equal(rig_run(&rig, request), request));
        assert_int_equal(counter_read(&rig.processor->stats.items_uncombined), 2 * (i + 1));
    }
    rig_close(&rig);
}

/* --- group ------------------------------------------------------------------------------------ */

static struct slice scope_of(const char *name, struct slice metrics)
{
    return field_message(
        2, JOIN(field_message(1, field_text(1, name)), metrics, field_text(3, "scope schema")));
}

static struct slice group_of(struct slice resource_attrs, struct slice scopes)
{
    return field_message(
        1, JOIN(field_message(1, resource_attrs), scopes, field_text(3, "resource schema")));
}

static void test_metrics_move_to_a_resource_of_their_own(void **state)
{
    (void)state;
    rig_open(&rig, metrics_transform_processor_new, SIGNAL_METRICS,
             "{transforms: [{include: '^pod', match_type: regexp, action: group,"
             " group_resource_labels: {type: pod, source: kubelet}},"
             " {include: gone, action: group, group_resource_labels: {never: seen}},"
             " {include: pod.a, action: update, new_name: too late}]}");
    struct slice attrs = JOIN(attr_text(1, "type", "host"), attr_int(1, "n", 1));
    struct slice moved_attrs =
        JOIN(attr_text(1, "type", "pod"), attr_int(1, "n", 1), attr_text(1, "source", "kubelet"));
    struct slice before =
        JOIN(group_of(attrs, JOIN(scope_of("s", JOIN(one("pod.a"), one("host"), one("pod.b"))),
                                  scope_of("t", one("pod.c")), scope_of("u", one("host")))),
             group_of(attrs, scope_of("v", one("pod.d"))));
    struct slice after =
        JOIN(group_of(attrs, JOIN(scope_of("s", one("host")), scope_of("u", one("host")))),
             group_of(moved_attrs, scope_of("s", JOIN(one("pod.a"), one("pod.b")))),
             group_of(moved_attrs, scope_of("t", one("pod.c"))),
             group_of(moved_attrs, scope_of("v", one("pod.d"))));
    rig_check(&rig, before, after);
    check_transform_books(&rig, 6);
    rig_close(&rig);
}

static void test_a_resource_comes_into_being_and_points_are_chosen(void **state)
{
    (void)state;
    rig_open(&rig, metrics_transform_processor_new, SIGNAL_METRICS,
             "{transforms: [{include: m, experimental_match_labels: {k: x}, action: group,"
             " group_resource_labels: {type: x}}]}");
    struct slice before = request_of(
        NOTHING, gauge("m", JOIN(int_point(label("k", "x"), 1), int_point(label("k", "y"), 2))));
    struct slice after =
        JOIN(request_of(NOTHING, gauge("m", int_point(label("k", "y"), 2))),
             request_of(attr_text(1, "type", "x"), gauge("m", int_point(label("k", "x"), 1))));
    rig_check(&rig, before, after);
    check_transform_books(&rig, 2);
    rig_close(&rig);
}

/* What one transform made of several metrics the next one takes like any other. */
static void test_what_was_combined_is_combined_copied_and_moved(void **state)
{
    (void)state;
    rig_open(&rig, metrics_transform_processor_new, SIGNAL_METRICS,
             "{transforms: [{include: '^a(.)', match_type: regexp, action: combine, new_name: x,"
             " aggregation_type: sum, operations: [{action: experimental_scale_value,"
             " experimental_scale: 10}]},"
             " {include: '^(x|b)$', match_type: regexp, action: update, operations:"
             " [{action: add_label, new_label: $1, new_value: b}]},"
             " {include: x, action: insert, new_name: copy, operations:"
             " [{action: aggregate_labels, label_set: [], aggregation_type: sum}]},"
             " {include: x|b, match_type: regexp, action: combine, new_name: y},"
             " {include: y, experimental_match_labels: {$1: '2'}, action: group,"
             " group_resource_labels: {moved: 'yes'}}]}");
    struct slice before =
        JOIN(gauge("a1", int_point(NOTHING, 1)), gauge("a2", int_point(NOTHING, 2)),
             gauge("b", int_point(NOTHING, 3)));
    struct slice left =
        gauge("y", JOIN(int_point(label("$1", "b"), 3), int_point(label("$1", "1"), 10)));
    rig_check(&rig, request_of(NOTHING, before),
              JOIN(request_of(NOTHING, JOIN(gauge("copy", int_point(NOTHING, 30)), left)),
                   request_of(attr_text(1, "moved", "yes"),
                              gauge("y", int_point(label("$1", "2"), 20)))));
    check_transform_books(&rig, 3);
    rig_close(&rig);
}

/* A part is as it was where memory is refused. */
static void test_a_refused_allocation_leaves_the_part(void **state)
{
    (void)state;
    int err = -1;
    for (uint64_t nth = 1; err != 0; nth++) {
        rig_open(&rig, metrics_transform_processor_new, SIGNAL_METRICS,
                 "{transforms: [{include: '^total (.*) requests', match_type: regexp,"
                 " action: combine, new_name: x, aggregation_type: sum},"
                 " {include: x, action: group, group_resource_labels: {a: b}}]}");
        struct slice request = request_of(NOTHING, requests_before());
        struct processor_turn turn = {.arena = &rig.scratch, .now_unix_ns = 1};
        assert_int_equal(part_copy(&rig.part, request, SIGNAL_METRICS, 5), 0);
        mem_fail_nth(nth);
        err = rig.processor->ops->process(rig.processor, &turn, &rig.part);
        mem_fail_nth(0);
        assert_true(err == 0 || slice_equal(rig.part.bytes, request));
        assert_int_equal(rig.part.item_count, 5);
        rig_close(&rig);
        assert_true(nth < 1000);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_copies_stand_behind_and_are_seen_by_later_transforms),
        cmocka_unit_test(test_copy_and_original_change_apart),
        cmocka_unit_test(test_metrics_are_combined),
        cmocka_unit_test(test_points_that_do_not_match_stay_where_they_are),
        cmocka_unit_test(test_what_differs_is_not_combined),
        cmocka_unit_test(test_metrics_move_to_a_resource_of_their_own),
        cmocka_unit_test(test_a_resource_comes_into_being_and_points_are_chosen),
        cmocka_unit_test(test_what_was_combined_is_combined_copied_and_moved),
        cmocka_unit_test(test_a_refused_allocation_leaves_the_part),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
