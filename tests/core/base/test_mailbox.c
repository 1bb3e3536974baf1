/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of core/base/mailbox: order, fullness, and two threads with a million messages.
 */
#include "core/base/mailbox.h"

#include <stdarg.h>
#include <stddef.h>

#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <sched.h>

#include "core/base/mem.h"

static void test_push_refuses_when_full_and_keeps_ownership(void **state)
{
    (void)state;
    int things[5] = {0};
    struct mailbox box;
    assert_int_equal(mailbox_init(&box, 4), 0);
    assert_null(mailbox_take(&box));
    for (int i = 0; i < 4; i++) {
        void *message = &things[i];
        assert_true(mailbox_try_push(&box, &message));
        assert_null(message);
    }
    void *refused = &things[4];
    assert_false(mailbox_try_push(&box, &refused));
    assert_ptr_equal(refused, &things[4]);
    assert_int_equal(mailbox_count(&box), 4);
    assert_ptr_equal(mailbox_take(&box), &things[0]);
    assert_true(mailbox_try_push(&box, &refused));
    for (int i = 1; i < 5; i++) {
        assert_ptr_equal(mailbox_take(&box), &things[i]);
    }
    assert_null(mailbox_take(&box));
    mailbox_fini(&box);
    mailbox_fini(&box);
}

static void test_indexes_may_wrap(void **state)
{
    (void)state;
    int things[2] = {0};
    struct mailbox box;
    assert_int_equal(mailbox_init(&box, 2), 0);
    atomic_store(&box.head, UINT32_MAX);
    atomic_store(&box.tail, UINT32_MAX);
    box.head_seen = UINT32_MAX;
    box.tail_seen = UINT32_MAX;
    for (int i = 0; i < 2; i++) {
        void *message = &things[i];
        assert_true(mailbox_try_push(&box, &message));
    }
    void *refused = &things[0];
    assert_false(mailbox_try_push(&box, &refused));
    assert_int_equal(mailbox_count(&box), 2);
    assert_ptr_equal(mailbox_take(&box), &things[0]);
    assert_ptr_equal(mailbox_take(&box), &things[1]);
    assert_null(mailbox_take(&box));
    mailbox_fini(&box);
}

static void test_init_without_memory_fails_cleanly(void **state)
{
    (void)state;
    struct mailbox box;
    mem_fail_nth(1);
    assert_int_equal(mailbox_init(&box, 8), -ENOMEM);
    mailbox_fini(&box);
}

#define MESSAGE_COUNT 1000000
#define RING_COUNT 256

static uint64_t messages[2 * RING_COUNT];

/* Each message is written before it is pushed, so the sanitizer sees whether the hand-over holds.
 */
static void *produce(void *context)
{
    struct mailbox *box = context;
    for (uint64_t i = 0; i < MESSAGE_COUNT; i++) {
        void *message = &messages[i % COUNT_OF(messages)];
        messages[i % COUNT_OF(messages)] = i;
        while (!mailbox_try_push(box, &message)) {
            sched_yield();
        }
    }
    return NULL;
}

static void test_two_threads_see_every_message_in_order(void **state)
{
    (void)state;
    static struct mailbox box;
    pthread_t producer;
    /* Twice as many messages as slots: one is overwritten only after it and its follower were
     * taken. */
    assert_int_equal(mailbox_init(&box, RING_COUNT), 0);
    assert_int_equal(pthread_create(&producer, NULL, produce, &box), 0);
    uint64_t wrong_count = 0;
    for (uint64_t i = 0; i < MESSAGE_COUNT; i++) {
        const uint64_t *message = mailbox_take(&box);
        while (message == NULL) {
            sched_yield();
            message = mailbox_take(&box);
        }
        wrong_count += *message != i;
        assert_in_range(mailbox_count(&box), 0, RING_COUNT);
    }
    assert_int_equal(pthread_join(producer, NULL), 0);
    assert_int_equal(wrong_count, 0);
    assert_null(mailbox_take(&box));
    mailbox_fini(&box);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_push_refuses_when_full_and_keeps_ownership),
        cmocka_unit_test(test_indexes_may_wrap),
        cmocka_unit_test(test_init_without_memory_fails_cleanly),
        cmocka_unit_test(test_two_threads_see_every_message_in_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
