/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of exporters/queue: order, the three sizers, the bound with what is in flight.
 */
#include "exporters/queue.h"

#include <stdarg.h>
#include <stddef.h>

#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>

#include "core/base/fault.h"
#include "core/base/mem.h"

static void test_take_gives_back_in_order_across_growth_and_wrap(void **state)
{
    (void)state;
    struct batch batches[100] = {{0}};
    struct queue queue;
    size_t pushed_count = 0;
    size_t taken_count = 0;
    queue_init(&queue, QUEUE_REQUESTS, 1000);
    /* Two in, one out, so that the ring is wrapped whenever it grows. */
    while (pushed_count < 100) {
        assert_int_equal(queue_push(&queue, &batches[pushed_count++]), 0);
        assert_int_equal(queue_push(&queue, &batches[pushed_count++]), 0);
        assert_ptr_equal(queue_take(&queue), &batches[taken_count++]);
    }
    while (taken_count < 100) {
        assert_ptr_equal(queue_take(&queue), &batches[taken_count++]);
    }
    assert_null(queue_take(&queue));
    assert_int_equal(queue.used_units, 100); /* all of them in flight */
    queue_fini(&queue);
    queue_fini(&queue);
}

static void test_oldest_is_the_first_that_waits(void **state)
{
    (void)state;
    struct batch a = {.created_mono_ns = 7};
    struct batch b = {.created_mono_ns = 9};
    struct queue queue;
    queue_init(&queue, QUEUE_REQUESTS, 2);
    assert_true(queue_oldest_mono_ns(&queue) == UINT64_MAX);
    assert_int_equal(queue_push(&queue, &a), 0);
    assert_int_equal(queue_push(&queue, &b), 0);
    assert_int_equal(queue_oldest_mono_ns(&queue), 7);
    assert_ptr_equal(queue_take(&queue), &a);
    assert_int_equal(queue_oldest_mono_ns(&queue), 9);
    assert_ptr_equal(queue_take(&queue), &b);
    assert_true(queue_oldest_mono_ns(&queue) == UINT64_MAX);
    queue_fini(&queue);
}

static void test_push_counts_what_is_in_flight(void **state)
{
    (void)state;
    struct batch a = {0};
    struct batch b = {0};
    struct batch c = {0};
    struct queue queue;
    queue_init(&queue, QUEUE_REQUESTS, 2);
    assert_int_equal(queue_push(&queue, &a), 0);
    assert_int_equal(queue_push(&queue, &b), 0);
    assert_int_equal(queue_push(&queue, &c), -EAGAIN);
    assert_ptr_equal(queue_take(&queue), &a);
    assert_int_equal(queue_push(&queue, &c), -EAGAIN);
    queue_settle(&queue, &a);
    assert_int_equal(queue_push(&queue, &c), 0);
    assert_int_equal(queue.used_units, 2);
    queue_fini(&queue);
}

static void test_sizer_items_fills_to_the_limit_and_not_one_past(void **state)
{
    (void)state;
    struct batch six = {.item_count = 6, .bytes = 1};
    struct batch four = {.item_count = 4, .bytes = 1};
    struct batch one = {.item_count = 1};
    struct batch eleven = {.item_count = 11};
    struct queue queue;
    queue_init(&queue, QUEUE_ITEMS, 10);
    assert_int_equal(queue_push(&queue, &eleven), FAULT_LIMIT);
    assert_int_equal(queue_push(&queue, &six), 0);
    assert_int_equal(queue_push(&queue, &four), 0);
    assert_int_equal(queue_push(&queue, &one), -EAGAIN);
    assert_int_equal(queue.used_units, 10);
    queue_fini(&queue);
}

static void test_sizer_bytes_weighs_bytes_and_empty_batches_weigh_one(void **state)
{
    (void)state;
    struct batch large = {.item_count = 1, .bytes = 1000};
    struct batch larger = {.item_count = 1, .bytes = 1001};
    struct batch empty = {0};
    struct queue queue;
    queue_init(&queue, QUEUE_BYTES, 1000);
    assert_int_equal(queue_cost(&queue, &large), 1000);
    assert_int_equal(queue_cost(&queue, &empty), 1);
    assert_int_equal(queue_push(&queue, &larger), FAULT_LIMIT);
    assert_int_equal(queue_push(&queue, &large), 0);
    assert_int_equal(queue_push(&queue, &empty), -EAGAIN);
    queue_fini(&queue);
}

static void test_push_without_memory_changes_nothing(void **state)
{
    (void)state;
    struct batch batch = {.item_count = 1};
    struct queue queue;
    queue_init(&queue, QUEUE_ITEMS, 10);
    mem_fail_nth(1);
    assert_int_equal(queue_push(&queue, &batch), -ENOMEM);
    assert_int_equal(queue.used_units, 0);
    assert_int_equal(queue_push(&queue, &batch), 0);
    assert_ptr_equal(queue_take(&queue), &batch);
    queue_fini(&queue);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_take_gives_back_in_order_across_growth_and_wrap),
        cmocka_unit_test(test_oldest_is_the_first_that_waits),
        cmocka_unit_test(test_push_counts_what_is_in_flight),
        cmocka_unit_test(test_sizer_items_fills_to_the_limit_and_not_one_past),
        cmocka_unit_test(test_sizer_bytes_weighs_bytes_and_empty_batches_weigh_one),
        cmocka_unit_test(test_push_without_memory_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
