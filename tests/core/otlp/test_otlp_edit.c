/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of otlp_edit: splices come out where they belong, lengths fit at every level, and nothing
 * changed is nothing done.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>

#include "core/base/fault.h"
#include "core/base/mem.h"
#include "core/otlp/otlp_build.h"
#include "core/otlp/otlp_edit.h"

static struct arena arena;

static int setup(void **state)
{
    (void)state;
    return arena_init(&arena, 65536, 1 << 22);
}

static int teardown(void **state)
{
    (void)state;
    arena_fini(&arena);
    return 0;
}

/* Finishes and compares. */
static void assert_result(struct otlp_edit *e, const void *expected, size_t len)
{
    struct slice out = {0};
    void *memory = NULL;
    assert_int_equal(otlp_edit_finish(e, &out, &memory), 0);
    assert_int_equal(out.len, len);
    assert_memory_equal(out.ptr == NULL ? expected : out.ptr, expected, len);
    assert_ptr_equal(memory, out.ptr);
    mem_free(memory);
}

/* A field 1 {field 2 "abc"} and a field 3 "z". */
static const uint8_t nest[] = {0x0A, 0x05, 0x12, 0x03, 'a', 'b', 'c', 0x1A, 0x01, 'z'};

static struct otlp_field field_at(struct slice message, uint32_t number)
{
    struct otlp_field field;
    assert_true(otlp_field_find(message, number, &field));
    return field;
}

static struct slice nest_bytes(void)
{
    return slice_of(nest, sizeof(nest));
}

static void test_nothing_done_changes_nothing(void **state)
{
    (void)state;
    struct otlp_edit e;
    struct otlp_field outer = field_at(nest_bytes(), 1);
    otlp_edit_init(&e, &arena, nest_bytes());
    otlp_edit_open(&e, &outer);
    otlp_edit_replace(&e, (struct slice){.ptr = outer.content.ptr}, (struct slice){0});
    otlp_edit_close(&e);
    assert_false(otlp_edit_is_changed(&e));
    assert_result(&e, nest, sizeof(nest));
}

static void test_a_text_that_grows_lengthens_what_is_around_it(void **state)
{
    (void)state;
    static const uint8_t expected[] = {0x0A, 0x07, 0x12, 0x05, 'h',  'e',
                                       'l',  'l',  'o',  0x1A, 0x01, 'z'};
    struct otlp_edit e;
    struct otlp_field outer = field_at(nest_bytes(), 1);
    struct otlp_field inner = field_at(outer.content, 2);
    otlp_edit_init(&e, &arena, nest_bytes());
    otlp_edit_open(&e, &outer);
    otlp_edit_open(&e, &inner);
    otlp_edit_replace(&e, inner.content, SLICE_LITERAL("hello"));
    otlp_edit_close(&e);
    otlp_edit_close(&e);
    assert_true(otlp_edit_is_changed(&e));
    assert_result(&e, expected, sizeof(expected));
}

static void test_lengths_take_a_second_byte_and_give_it_back(void **state)
{
    (void)state;
    static uint8_t text[300];
    struct otlp_edit e;
    struct otlp_field outer = field_at(nest_bytes(), 1);
    otlp_edit_init(&e, &arena, nest_bytes());
    otlp_edit_open(&e, &outer);
    otlp_edit_insert(&e, outer.content.ptr + outer.content.len, slice_of(text, sizeof(text)));
    otlp_edit_close(&e);
    struct slice out = {0};
    void *memory = NULL;
    assert_int_equal(otlp_edit_finish(&e, &out, &memory), 0);
    assert_int_equal(out.len, sizeof(nest) + sizeof(text) + 1);
    assert_int_equal(out.ptr[1], (305 & 0x7F) | 0x80);
    assert_int_equal(out.ptr[2], 305 >> 7);

    struct otlp_field large = {.number = 1,
                               .wire_type = PB_WIRE_BYTES,
                               .whole = slice_of(out.ptr, 3 + 305),
                               .content = slice_of(out.ptr + 3, 305)};
    struct otlp_edit back;
    otlp_edit_init(&back, &arena, out);
    otlp_edit_open(&back, &large);
    otlp_edit_remove(&back, slice_of(large.content.ptr + 5, 300));
    otlp_edit_close(&back);
    assert_result(&back, nest, sizeof(nest));
    mem_free(memory);
}

static void test_dropped_messages_take_their_changes_along(void **state)
{
    (void)state;
    struct otlp_edit e;
    struct otlp_field outer = field_at(nest_bytes(), 1);
    otlp_edit_init(&e, &arena, nest_bytes());
    otlp_edit_open(&e, &outer);
    otlp_edit_insert(&e, outer.content.ptr, SLICE_LITERAL("never seen"));
    otlp_edit_remove(&e, slice_of(outer.content.ptr + 2, 1));
    otlp_edit_close_dropped(&e);
    assert_result(&e, nest + 7, 3);
}

static void test_undone_messages_are_as_they_were(void **state)
{
    (void)state;
    struct otlp_edit e;
    struct otlp_field outer = field_at(nest_bytes(), 1);
    otlp_edit_init(&e, &arena, nest_bytes());
    otlp_edit_open(&e, &outer);
    otlp_edit_remove(&e, outer.content);
    otlp_edit_close_undone(&e);
    assert_false(otlp_edit_is_changed(&e));
}

static void test_everything_may_go(void **state)
{
    (void)state;
    struct otlp_edit e;
    struct slice out = slice_of("x", 1);
    void *memory = &e;
    otlp_edit_init(&e, &arena, nest_bytes());
    otlp_edit_remove(&e, field_at(nest_bytes(), 1).whole);
    otlp_edit_remove(&e, field_at(nest_bytes(), 3).whole);
    assert_int_equal(e.splice_count, 1); /* they stand side by side */
    assert_int_equal(otlp_edit_finish(&e, &out, &memory), 0);
    assert_int_equal(out.len, 0);
    assert_null(memory);
}

/* A field of no bytes at the beginning of a message becomes one when something goes into it. */
static void test_absent_messages_come_into_being(void **state)
{
    (void)state;
    static const uint8_t expected[] = {0x0A, 0x09, 0x2A, 0x02, 'n',  'e',  0x12,
                                       0x03, 'a',  'b',  'c',  0x1A, 0x01, 'z'};
    struct otlp_edit e;
    struct otlp_field absent;
    struct otlp_field outer = field_at(nest_bytes(), 1);
    assert_false(otlp_field_find(outer.content, 5, &absent));
    for (uint32_t is_used = 0; is_used < 2; is_used++) {
        otlp_edit_init(&e, &arena, nest_bytes());
        otlp_edit_open(&e, &outer);
        otlp_edit_open(&e, &absent);
        if (is_used == 1) {
            otlp_edit_insert(&e, absent.content.ptr, SLICE_LITERAL("n"));
            otlp_edit_insert(&e, absent.content.ptr, SLICE_LITERAL("e"));
        }
        otlp_edit_close(&e);
        otlp_edit_close(&e);
        assert_int_equal(otlp_edit_is_changed(&e), is_used == 1);
    }
    assert_result(&e, expected, sizeof(expected));
    otlp_edit_init(&e, &arena, nest_bytes());
    otlp_edit_open(&e, &outer);
    otlp_edit_open(&e, &absent);
    otlp_edit_insert(&e, absent.content.ptr, SLICE_LITERAL("gone"));
    otlp_edit_close_dropped(&e);
    otlp_edit_close(&e);
    assert_false(otlp_edit_is_changed(&e));
}

static void test_messages_may_get_another_number(void **state)
{
    (void)state;
    static const uint8_t expected[] = {0xC2, 0x3E, 0x05, 0x12, 0x03, 'a',
                                       'b',  'c',  0x1A, 0x01, 'z'};
    struct otlp_edit e;
    struct otlp_field outer = field_at(nest_bytes(), 1);
    otlp_edit_init(&e, &arena, nest_bytes());
    otlp_edit_open_as(&e, &outer, 1000);
    otlp_edit_close(&e);
    assert_result(&e, expected, sizeof(expected));
}

/* Changes may be made in any order; at one place, insertions come first and in theirs. */
static void test_changes_out_of_order_are_put_in_order(void **state)
{
    (void)state;
    struct slice source = SLICE_LITERAL("0123456789abcdefghijklmnopqrstuvwxyz");
    uint64_t seed = 31;
    for (uint32_t round = 0; round < 200; round++) {
        /* Slot i is source[i]; each gets at most one change, in a random order of slots. */
        char expected[256];
        size_t expected_len = 0;
        uint8_t kinds[36] = {0};
        struct otlp_edit e;
        arena_reset(&arena);
        otlp_edit_init(&e, &arena, source);
        for (uint32_t n = 0; n < 40; n++) {
            seed = seed * 6364136223846793005u + 1442695040888963407u;
            uint32_t slot = (uint32_t)(seed >> 33) % 36;
            if (kinds[slot] != 0) {
                continue;
            }
            kinds[slot] = (uint8_t)(1 + (seed >> 50) % 3);
            struct slice old = slice_of(source.ptr + slot, 1);
            if (kinds[slot] == 1) {
                otlp_edit_remove(&e, old);
            } else if (kinds[slot] == 2) {
                otlp_edit_replace(&e, old, SLICE_LITERAL("<>"));
            } else {
                otlp_edit_insert(&e, old.ptr, SLICE_LITERAL("+"));
                otlp_edit_remove(&e, old);
                otlp_edit_insert(&e, old.ptr, SLICE_LITERAL("-"));
            }
        }
        for (uint32_t slot = 0; slot < 36; slot++) {
            static const char *const texts[] = {NULL, "", "<>", "+-"};
            const char *text = texts[kinds[slot]];
            size_t len = text == NULL ? 1 : strlen(text);
            memcpy(expected + expected_len, text == NULL ? (const char *)source.ptr + slot : text,
                   len);
            expected_len += len;
        }
        assert_result(&e, expected, expected_len);
    }
}

static void test_apply_gives_the_part_new_memory_or_leaves_it(void **state)
{
    (void)state;
    struct part part;
    struct otlp_edit e;
    assert_int_equal(part_copy(&part, nest_bytes(), SIGNAL_TRACES, 7), 0);
    const uint8_t *old = part.bytes.ptr;
    otlp_edit_init(&e, &arena, part.bytes);
    assert_int_equal(otlp_edit_apply(&e, &part, 5), 0);
    assert_ptr_equal(part.bytes.ptr, old);

    otlp_edit_remove(&e, slice_of(old + 7, 3));
    mem_fail_nth(1);
    assert_int_equal(otlp_edit_apply(&e, &part, 5), -ENOMEM);
    mem_fail_nth(0);
    assert_ptr_equal(part.bytes.ptr, old);
    assert_int_equal(part.item_count, 7);
    assert_int_equal(otlp_edit_apply(&e, &part, 5), 0);
    assert_int_equal(part.item_count, 5);
    assert_int_equal(part.bytes.len, 7);
    part_fini(&part);
}

static void test_a_full_arena_is_a_limit_that_sticks(void **state)
{
    (void)state;
    struct arena small;
    struct slice out = {0};
    void *memory = NULL;
    assert_int_equal(arena_init(&small, 16, 64 * sizeof(struct otlp_splice) + 16), 0);
    struct otlp_field outer = field_at(nest_bytes(), 1);
    struct otlp_edit e;
    otlp_edit_init(&e, &small, nest_bytes());
    otlp_edit_open(&e, &outer);
    for (uint32_t i = 0; i < 70; i++) {
        otlp_edit_insert(&e, outer.content.ptr, SLICE_LITERAL("x"));
    }
    otlp_edit_close(&e);
    assert_int_equal(e.err, FAULT_LIMIT);
    otlp_edit_open(&e, &outer);
    otlp_edit_close_dropped(&e);
    assert_int_equal(otlp_edit_finish(&e, &out, &memory), FAULT_LIMIT);
    assert_null(memory);
    arena_fini(&small);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_done_changes_nothing),
        cmocka_unit_test(test_a_text_that_grows_lengthens_what_is_around_it),
        cmocka_unit_test(test_lengths_take_a_second_byte_and_give_it_back),
        cmocka_unit_test(test_dropped_messages_take_their_changes_along),
        cmocka_unit_test(test_undone_messages_are_as_they_were),
        cmocka_unit_test(test_everything_may_go),
        cmocka_unit_test(test_absent_messages_come_into_being),
        cmocka_unit_test(test_messages_may_get_another_number),
        cmocka_unit_test(test_changes_out_of_order_are_put_in_order),
        cmocka_unit_test(test_apply_gives_the_part_new_memory_or_leaves_it),
        cmocka_unit_test(test_a_full_arena_is_a_limit_that_sticks),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
