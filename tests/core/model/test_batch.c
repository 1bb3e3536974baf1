/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of core/model/batch: parts move in with their counts and charges, or not at all.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>

#include "core/base/mem.h"
#include "core/model/batch.h"

#define PARTS 100

static struct part part_of(uint32_t item_count, uint64_t charged_bytes)
{
    struct part part;
    assert_int_equal(part_copy(&part, SLICE_LITERAL("12345"), SIGNAL_LOGS, item_count), 0);
    part.charged_bytes = charged_bytes;
    return part;
}

static void test_parts_move_in_and_add_up(void **state)
{
    (void)state;
    struct batch *batch = batch_new(SIGNAL_LOGS, 42);
    assert_non_null(batch);
    assert_int_equal(batch->created_mono_ns, 42);
    assert_int_equal(batch->signal, SIGNAL_LOGS);
    for (uint32_t i = 0; i < PARTS; i++) {
        struct part part = part_of(i, 2);
        assert_int_equal(batch_push(batch, &part), 0);
        assert_null(part.memory);
        assert_int_equal(part.charged_bytes, 0);
    }
    assert_int_equal(batch->part_count, PARTS);
    assert_int_equal(batch->item_count, PARTS * (PARTS - 1) / 2);
    assert_int_equal(batch->bytes, PARTS * 5);
    assert_int_equal(batch->charged_bytes, PARTS * 2);
    for (uint32_t i = 0; i < PARTS; i++) {
        assert_int_equal(batch->parts[i].item_count, i); /* in their order */
        assert_true(slice_is_text(batch->parts[i].bytes, "12345"));
    }
    batch_free(batch);
    batch_free(NULL);
}

static void test_refused_memory_moves_nothing(void **state)
{
    (void)state;
    mem_fail_nth(1);
    assert_null(batch_new(SIGNAL_LOGS, 0));
    mem_fail_nth(0);
    struct batch *batch = batch_new(SIGNAL_LOGS, 0);
    assert_non_null(batch);
    struct part part = part_of(3, 9);
    mem_fail_nth(1);
    assert_int_equal(batch_push(batch, &part), -ENOMEM);
    mem_fail_nth(0);
    assert_non_null(part.memory);
    assert_int_equal(part.charged_bytes, 9);
    assert_int_equal(batch->part_count, 0);
    assert_int_equal(batch->item_count, 0);
    assert_int_equal(batch->charged_bytes, 0);
    assert_int_equal(batch_push(batch, &part), 0);
    assert_int_equal(batch->item_count, 3);
    batch_free(batch);
}

static enum part_fate fate;
static uint32_t answer_count;

static void on_answer(struct part_claim *claim, enum part_fate told)
{
    (void)claim;
    fate = told;
    answer_count++;
}

static void test_freed_batch_tells_who_waits(void **state)
{
    (void)state;
    struct part_claim claim = {.answer = on_answer};
    struct batch *batch = batch_new(SIGNAL_LOGS, 0);
    assert_non_null(batch);
    struct part part = part_of(1, 0);
    part.claims = &claim;
    answer_count = 0;
    assert_int_equal(batch_push(batch, &part), 0);
    assert_int_equal(answer_count, 0);
    batch_free(batch);
    assert_int_equal(answer_count, 1);
    assert_int_equal(fate, PART_LOST);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parts_move_in_and_add_up),
        cmocka_unit_test(test_refused_memory_moves_nothing),
        cmocka_unit_test(test_freed_batch_tells_who_waits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
