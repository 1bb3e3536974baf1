/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of core/base/timer: order, budget, cancelling, and a walk against a plain list.
 */
#include "core/base/timer.h"

#include <stdarg.h>
#include <stddef.h>

#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>

#include "core/base/mem.h"

enum { TIMER_COUNT = 200 };

struct entry {
    struct timer timer; /* first, so that a timer is its entry */
    uint64_t deadline;  /* what the list believes */
    bool is_armed;
    uint64_t fired_count;
};

static struct timer_heap heap;
static struct entry entries[TIMER_COUNT];
static uint64_t last_fired_deadline;

static void on_fire(struct timer *timer, uint64_t now_mono_ns)
{
    struct entry *entry = CONTAINER_OF(timer, struct entry, timer);
    assert_false(timer_is_armed(timer));
    assert_true(entry->is_armed);
    assert_true(entry->deadline <= now_mono_ns);
    assert_true(entry->deadline >= last_fired_deadline);
    last_fired_deadline = entry->deadline;
    entry->is_armed = false;
    entry->fired_count++;
}

static uint64_t list_next(void)
{
    uint64_t next = UINT64_MAX;
    for (size_t i = 0; i < TIMER_COUNT; i++) {
        if (entries[i].is_armed && entries[i].deadline < next) {
            next = entries[i].deadline;
        }
    }
    return next;
}

static uint32_t list_due(uint64_t now)
{
    uint32_t due = 0;
    for (size_t i = 0; i < TIMER_COUNT; i++) {
        due += entries[i].is_armed && entries[i].deadline <= now;
    }
    return due;
}

static void arm(struct entry *entry, uint64_t deadline)
{
    entry->timer.on_fire = on_fire;
    entry->deadline = deadline;
    entry->is_armed = true;
    assert_int_equal(timer_arm(&heap, &entry->timer, deadline), 0);
}

static void test_heap_agrees_with_a_list(void **state)
{
    (void)state;
    uint64_t seed = 11;
    uint64_t now = 1;
    assert_int_equal(timer_heap_init(&heap, 4), 0);
    for (int step = 0; step < 20000; step++) {
        seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        struct entry *entry = &entries[(seed >> 40) % TIMER_COUNT];
        uint64_t choice = (seed >> 33) % 16;
        if (choice < 10) {
            arm(entry, now + (seed >> 50) % 512);
        } else if (choice < 14) {
            timer_cancel(&heap, &entry->timer);
            entry->is_armed = false;
        } else {
            now += (seed >> 50) % 128;
            uint32_t due = list_due(now);
            uint32_t budget = (uint32_t)(seed >> 36) % 8;
            last_fired_deadline = 0;
            assert_int_equal(timer_run(&heap, now, budget), due < budget ? due : budget);
        }
        assert_true(timer_heap_is_valid(&heap));
        assert_true(timer_next_mono_ns(&heap) == list_next());
        assert_int_equal(timer_is_armed(&entry->timer), entry->is_armed);
    }
    timer_heap_fini(&heap);
    for (size_t i = 0; i < TIMER_COUNT; i++) {
        assert_false(timer_is_armed(&entries[i].timer));
    }
    timer_heap_fini(&heap);
}

static uint32_t rearm_count;

static void on_fire_rearm(struct timer *timer, uint64_t now_mono_ns)
{
    rearm_count++;
    assert_int_equal(timer_arm(&heap, timer, now_mono_ns - 1), 0);
}

static void test_rearming_for_the_past_waits_for_the_next_run(void **state)
{
    (void)state;
    struct timer timer = {.on_fire = on_fire_rearm};
    rearm_count = 0;
    assert_int_equal(timer_heap_init(&heap, 1), 0);
    assert_int_equal(timer_arm(&heap, &timer, 10), 0);
    assert_int_equal(timer_run(&heap, 9, 64), 0);
    assert_int_equal(timer_run(&heap, 10, 64), 1);
    assert_int_equal(timer_run(&heap, 11, 64), 1);
    assert_int_equal(rearm_count, 2);
    assert_true(timer_is_armed(&timer));
    timer_heap_fini(&heap);
}

static void test_refused_memory_is_reported(void **state)
{
    (void)state;
    struct timer timers[2] = {{.on_fire = on_fire}, {.on_fire = on_fire}};
    mem_fail_nth(1);
    assert_int_equal(timer_heap_init(&heap, 1), -ENOMEM);
    timer_heap_fini(&heap);
    assert_int_equal(timer_heap_init(&heap, 1), 0);
    assert_int_equal(timer_arm(&heap, &timers[0], 5), 0);
    mem_fail_nth(1);
    assert_int_equal(timer_arm(&heap, &timers[1], 4), -ENOMEM);
    assert_false(timer_is_armed(&timers[1]));
    assert_true(timer_next_mono_ns(&heap) == 5);
    timer_cancel(&heap, &timers[0]);
    timer_cancel(&heap, &timers[0]);
    assert_true(timer_next_mono_ns(&heap) == UINT64_MAX);
    timer_heap_fini(&heap);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_heap_agrees_with_a_list),
        cmocka_unit_test(test_rearming_for_the_past_waits_for_the_next_run),
        cmocka_unit_test(test_refused_memory_is_reported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
