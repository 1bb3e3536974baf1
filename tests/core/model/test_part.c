/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of core/model/part: copies, other bytes in their place, claims told once, what goes along.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>

#include "core/base/mem.h"
#include "core/model/part.h"

struct waiting {
    struct part_claim claim;
    uint32_t answer_count;
    enum part_fate fate;
};

static void on_answer(struct part_claim *claim, enum part_fate fate)
{
    struct waiting *waiting = CONTAINER_OF(claim, struct waiting, claim);
    assert_null(claim->next);
    waiting->answer_count++;
    waiting->fate = fate;
}

static struct waiting *wait_for(struct part *part, struct waiting *waiting)
{
    *waiting = (struct waiting){.claim = {.answer = on_answer, .next = part->claims}};
    part->claims = &waiting->claim;
    return waiting;
}

static void test_copy_is_its_own(void **state)
{
    (void)state;
    char text[] = "span";
    struct part part;
    assert_int_equal(part_copy(&part, slice_of_text(text), SIGNAL_TRACES, 7), 0);
    text[0] = 'X';
    assert_true(slice_is_text(part.bytes, "span"));
    assert_int_equal(part.encoding, PART_OTLP);
    assert_int_equal(part.signal, SIGNAL_TRACES);
    assert_int_equal(part.item_count, 7);
    assert_int_equal(part.charged_bytes, 0);
    assert_null(part.claims);
    part_fini(&part);
    part_fini(&part);
    assert_null(part.memory);
    assert_int_equal(part.bytes.len, 0);
}

static void test_copy_of_nothing_owns_nothing(void **state)
{
    (void)state;
    struct part part;
    assert_int_equal(part_copy(&part, (struct slice){0}, SIGNAL_LOGS, 0), 0);
    assert_null(part.memory);
    assert_int_equal(part.signal, SIGNAL_LOGS);
    part_fini(&part);
}

static void test_copy_without_memory_leaves_zeros(void **state)
{
    (void)state;
    struct part part = {.item_count = 9};
    mem_fail_nth(1);
    assert_int_equal(part_copy(&part, SLICE_LITERAL("x"), SIGNAL_LOGS, 1), -ENOMEM);
    mem_fail_nth(0);
    assert_null(part.memory);
    assert_int_equal(part.item_count, 0);
    part_fini(&part);
}

static void test_replacing_keeps_claims_and_charge(void **state)
{
    (void)state;
    struct part part;
    struct waiting waiting;
    assert_int_equal(part_copy(&part, SLICE_LITERAL("before"), SIGNAL_LOGS, 2), 0);
    part.charged_bytes = 6;
    (void)wait_for(&part, &waiting);
    char *memory = mem_copy_text("after", 5);
    assert_non_null(memory);
    part_replace(&part, memory, slice_of(memory, 5), 1);
    assert_true(slice_is_text(part.bytes, "after"));
    assert_int_equal(part.item_count, 1);
    assert_int_equal(part.charged_bytes, 6);
    assert_int_equal(waiting.answer_count, 0);
    part_replace(&part, NULL, (struct slice){0}, 0);
    assert_int_equal(part.bytes.len, 0);
    part_fini(&part);
    assert_int_equal(waiting.answer_count, 1);
    assert_int_equal(waiting.fate, PART_LOST);
}

static void test_everybody_who_waits_is_told_once(void **state)
{
    (void)state;
    struct part part = {0};
    struct waiting waiting[3];
    for (size_t i = 0; i < 3; i++) {
        (void)wait_for(&part, &waiting[i]);
    }
    part_answer(&part, PART_REJECTED);
    part_answer(&part, PART_LOST);
    part_fini(&part);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(waiting[i].answer_count, 1);
        assert_int_equal(waiting[i].fate, PART_REJECTED);
    }
}

static void test_inheriting_moves_claims_and_charge(void **state)
{
    (void)state;
    struct part source = {.charged_bytes = 10, .item_count = 3};
    struct part target = {.charged_bytes = 4, .item_count = 5};
    struct waiting of_target;
    struct waiting of_source[2];
    (void)wait_for(&target, &of_target);
    (void)wait_for(&source, &of_source[0]);
    (void)wait_for(&source, &of_source[1]);
    part_inherit(&target, &source);
    assert_int_equal(target.charged_bytes, 14);
    assert_int_equal(source.charged_bytes, 0);
    assert_int_equal(target.item_count, 5);
    assert_null(source.claims);
    part_fini(&source);
    assert_int_equal(of_source[0].answer_count + of_source[1].answer_count, 0);
    part_answer(&target, PART_ACCEPTED);
    assert_int_equal(of_source[0].answer_count, 1);
    assert_int_equal(of_source[1].answer_count, 1);
    assert_int_equal(of_target.answer_count, 1);
    assert_int_equal(of_source[1].fate, PART_ACCEPTED);
    part_inherit(&target, &source); /* of nothing, nothing */
    assert_int_equal(target.charged_bytes, 14);
    assert_null(target.claims);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_copy_is_its_own),
        cmocka_unit_test(test_copy_of_nothing_owns_nothing),
        cmocka_unit_test(test_copy_without_memory_leaves_zeros),
        cmocka_unit_test(test_replacing_keeps_claims_and_charge),
        cmocka_unit_test(test_everybody_who_waits_is_told_once),
        cmocka_unit_test(test_inheriting_moves_claims_and_charge),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
