/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of core/engine/lane: order, fullness, indexes that wrap, two threads.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <sched.h>

#include "core/base/mem.h"
#include "core/engine/lane.h"

#define CAPACITY 8
#define STRESS_PARTS 100000

static struct part part_of(uint32_t item_count)
{
    struct part part;
    assert_int_equal(part_copy(&part, slice_of_text("bytes"), SIGNAL_LOGS, item_count), 0);
    return part;
}

static void push(struct lane *lane, uint32_t item_count)
{
    struct part part = part_of(item_count);
    lane_push(lane, &part);
    assert_null(part.memory);
    assert_int_equal(part.item_count, 0);
}

static void take(struct lane *lane, uint32_t item_count)
{
    struct part *part = lane_peek(lane);
    assert_non_null(part);
    assert_ptr_equal(lane_peek(lane), part); /* it stays until it is popped */
    assert_int_equal(part->item_count, item_count);
    assert_true(slice_is_text(part->bytes, "bytes"));
    part_fini(part);
    lane_pop(lane);
}

static void test_parts_come_out_in_their_order(void **state)
{
    (void)state;
    struct lane lane;
    assert_int_equal(lane_init(&lane, CAPACITY), 0);
    assert_true(lane_is_empty(&lane));
    assert_null(lane_peek(&lane));
    assert_int_equal(lane_room(&lane), CAPACITY);
    push(&lane, 1);
    push(&lane, 2);
    assert_false(lane_is_empty(&lane));
    assert_int_equal(lane_room(&lane), CAPACITY - 2);
    take(&lane, 1);
    push(&lane, 3);
    take(&lane, 2);
    take(&lane, 3);
    assert_null(lane_peek(&lane));
    assert_true(lane_is_empty(&lane));
    lane_fini(&lane);
}

static void test_full_lane_has_no_room_until_one_is_popped(void **state)
{
    (void)state;
    struct lane lane;
    assert_int_equal(lane_init(&lane, CAPACITY), 0);
    for (uint32_t i = 0; i < CAPACITY; i++) {
        assert_int_equal(lane_room(&lane), CAPACITY - i);
        push(&lane, i);
    }
    assert_int_equal(lane_room(&lane), 0);
    assert_non_null(lane_peek(&lane));
    assert_int_equal(lane_room(&lane), 0); /* looking is not taking */
    take(&lane, 0);
    assert_int_equal(lane_room(&lane), 1);
    push(&lane, CAPACITY);
    assert_int_equal(lane_room(&lane), 0);
    for (uint32_t i = 1; i <= CAPACITY; i++) {
        take(&lane, i);
    }
    lane_fini(&lane);
}

static void test_smallest_lane_holds_one(void **state)
{
    (void)state;
    struct lane lane;
    assert_int_equal(lane_init(&lane, 1), 0);
    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal(lane_room(&lane), 1);
        push(&lane, i);
        assert_int_equal(lane_room(&lane), 0);
        take(&lane, i);
    }
    lane_fini(&lane);
}

static void test_indexes_wrap_with_their_type(void **state)
{
    (void)state;
    struct lane lane;
    assert_int_equal(lane_init(&lane, CAPACITY), 0);
    uint32_t start = UINT32_MAX - 2;
    atomic_store(&lane.head, start);
    atomic_store(&lane.tail, start);
    lane.head_seen = start;
    lane.tail_seen = start;
    for (uint32_t i = 0; i < CAPACITY; i++) {
        assert_int_equal(lane_room(&lane), CAPACITY - i);
        push(&lane, i);
    }
    assert_int_equal(lane_room(&lane), 0);
    for (uint32_t i = 0; i < CAPACITY; i++) {
        take(&lane, i);
    }
    assert_true(lane_is_empty(&lane));
    assert_int_equal(lane_room(&lane), CAPACITY);
    lane_fini(&lane);
}

struct waiting {
    struct part_claim claim;
    uint32_t answer_count;
    enum part_fate fate;
};

static void on_answer(struct part_claim *claim, enum part_fate fate)
{
    struct waiting *waiting = CONTAINER_OF(claim, struct waiting, claim);
    waiting->answer_count++;
    waiting->fate = fate;
}

static void test_claims_cross_and_end_with_the_lane(void **state)
{
    (void)state;
    struct lane lane;
    struct waiting waiting = {.claim = {.answer = on_answer}};
    assert_int_equal(lane_init(&lane, CAPACITY), 0);
    struct part part = part_of(1);
    part.claims = &waiting.claim;
    part.charged_bytes = 5;
    assert_int_equal(lane_room(&lane), CAPACITY);
    lane_push(&lane, &part);
    assert_null(part.claims);
    assert_int_equal(part.charged_bytes, 0);
    assert_int_equal(lane_peek(&lane)->charged_bytes, 5);
    assert_int_equal(waiting.answer_count, 0);
    lane_fini(&lane);
    assert_int_equal(waiting.answer_count, 1);
    assert_int_equal(waiting.fate, PART_LOST);
    lane_fini(&lane);
    assert_int_equal(waiting.answer_count, 1);
}

static void test_memory_refused(void **state)
{
    (void)state;
    struct lane lane;
    mem_fail_nth(1);
    assert_int_equal(lane_init(&lane, CAPACITY), -ENOMEM);
    mem_fail_nth(0);
    lane_fini(&lane);
}

/* One thread pushes numbered parts as there is room, the other one checks their order. */
static void *produce(void *argument)
{
    struct lane *lane = argument;
    uint32_t sent = 0;
    while (sent < STRESS_PARTS) {
        uint32_t room = lane_room(lane);
        if (room == 0) {
            (void)sched_yield();
        }
        for (uint32_t i = 0; i < room && sent < STRESS_PARTS; i++) {
            struct part part = {.item_count = sent, .charged_bytes = ~(uint64_t)sent};
            lane_push(lane, &part);
            sent++;
        }
    }
    return NULL;
}

static void test_two_threads_lose_and_swap_nothing(void **state)
{
    (void)state;
    struct lane lane;
    pthread_t thread;
    uint32_t wrong_count = 0;
    uint32_t taken = 0;
    assert_int_equal(lane_init(&lane, CAPACITY), 0);
    assert_int_equal(pthread_create(&thread, NULL, produce, &lane), 0);
    while (taken < STRESS_PARTS) {
        struct part *part = lane_peek(&lane);
        if (part == NULL) {
            (void)sched_yield();
            continue;
        }
        bool is_right = part->item_count == taken && part->charged_bytes == ~(uint64_t)taken;
        wrong_count += is_right ? 0 : 1;
        taken++;
        lane_pop(&lane);
    }
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(wrong_count, 0);
    assert_true(lane_is_empty(&lane));
    lane_fini(&lane);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parts_come_out_in_their_order),
        cmocka_unit_test(test_full_lane_has_no_room_until_one_is_popped),
        cmocka_unit_test(test_smallest_lane_holds_one),
        cmocka_unit_test(test_indexes_wrap_with_their_type),
        cmocka_unit_test(test_claims_cross_and_end_with_the_lane),
        cmocka_unit_test(test_memory_refused),
        cmocka_unit_test(test_two_threads_lose_and_swap_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
