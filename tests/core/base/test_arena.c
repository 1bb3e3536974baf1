/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of core/base/arena: caps, alignment, reset, refusal.
 */
#include "core/base/arena.h"

#include <stdarg.h>
#include <stddef.h>

#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "core/base/bounds.h"
#include "core/base/mem.h"

static void test_alloc_is_aligned_and_does_not_overlap(void **state)
{
    (void)state;
    struct arena arena;
    assert_int_equal(arena_init(&arena, 100, 1 << 20), 0);
    uint8_t *blocks[200];
    for (size_t i = 0; i < 200; i++) {
        blocks[i] = arena_alloc(&arena, i);
        assert_non_null(blocks[i]);
        assert_int_equal((uintptr_t)blocks[i] % 16, 0);
        memset(blocks[i], (int)i, i);
    }
    for (size_t i = 0; i < 200; i++) {
        for (size_t j = 0; j < i; j++) {
            assert_int_equal(blocks[i][j], (uint8_t)i);
        }
    }
    arena_fini(&arena);
}

static void test_alloc_refuses_past_the_cap(void **state)
{
    (void)state;
    struct arena arena;
    assert_int_equal(arena_init(&arena, 64, 160), 0);
    assert_non_null(arena_alloc(&arena, 128));
    assert_null(arena_alloc(&arena, 33));
    assert_non_null(arena_alloc(&arena, 17)); /* counts as 32: exactly the cap */
    assert_int_equal(arena_used_bytes(&arena), 160);
    assert_null(arena_alloc(&arena, 1));
    assert_null(arena_alloc(&arena, 0));
    assert_int_equal(arena_used_bytes(&arena), 160);
    arena_fini(&arena);
}

static void test_cap_that_is_no_multiple_of_the_alignment_holds(void **state)
{
    (void)state;
    struct arena arena;
    assert_int_equal(arena_init(&arena, 64, 24), 0);
    assert_null(arena_alloc(&arena, 20)); /* counts as 32 */
    assert_non_null(arena_alloc(&arena, 16));
    assert_null(arena_alloc(&arena, 8));
    arena_fini(&arena);
}

static void test_alloc_survives_sizes_that_would_wrap(void **state)
{
    (void)state;
    struct arena arena;
    assert_int_equal(arena_init(&arena, 64, SIZE_MAX), 0);
    assert_non_null(arena_alloc(&arena, 1));
    assert_null(arena_alloc(&arena, SIZE_MAX));
    assert_null(arena_alloc(&arena, SIZE_MAX - 15));
    assert_null(arena_alloc_array(&arena, SIZE_MAX / 2, 3));
    assert_non_null(arena_alloc_array(&arena, 3, 5));
    assert_int_equal(arena_used_bytes(&arena), 32);
    arena_fini(&arena);
    assert_int_equal(arena_init(&arena, SIZE_MAX, SIZE_MAX), -ENOMEM);
    arena_fini(&arena);
}

static void test_large_requests_leave_the_current_chunk_in_use(void **state)
{
    (void)state;
    struct arena arena;
    assert_int_equal(arena_init(&arena, 1024, 1 << 24), 0);
    uint8_t *before = arena_alloc(&arena, 16);
    assert_non_null(arena_alloc(&arena, ARENA_CHUNK_MAX_BYTES * 3));
    uint8_t *after = arena_alloc(&arena, 16);
    assert_ptr_equal(after, before + 16);
    arena_fini(&arena);
}

static void test_reset_equals_a_fresh_arena(void **state)
{
    (void)state;
    struct arena used;
    struct arena fresh;
    assert_int_equal(arena_init(&used, 200, 1 << 20), 0);
    assert_int_equal(arena_init(&fresh, 200, 1 << 20), 0);
    struct arena_chunk *first = used.first;
    for (int i = 0; i < 1000; i++) {
        assert_non_null(arena_alloc(&used, 300));
    }
    arena_reset(&used);
    assert_ptr_equal(used.first, first);
    assert_null(used.later);
    assert_int_equal(used.next - (uint8_t *)used.first, fresh.next - (uint8_t *)fresh.first);
    assert_int_equal(used.room_bytes, fresh.room_bytes);
    assert_int_equal(used.used_bytes, fresh.used_bytes);
    assert_int_equal(used.max_bytes, fresh.max_bytes);
    assert_int_equal(used.first_chunk_bytes, fresh.first_chunk_bytes);
    assert_int_equal(used.chunk_bytes, fresh.chunk_bytes);
    uint64_t before = mem_thread_alloc_count();
    assert_non_null(arena_alloc(&used, 200));
    assert_int_equal(mem_thread_alloc_count(), before);
    arena_fini(&used);
    arena_fini(&fresh);
}

static void test_copy_tells_empty_from_refused(void **state)
{
    (void)state;
    struct arena arena;
    assert_int_equal(arena_init(&arena, 64, 32), 0);
    struct slice copy = arena_copy(&arena, SLICE_LITERAL("weir"));
    assert_true(slice_is_text(copy, "weir"));
    struct slice empty = arena_copy(&arena, (struct slice){0});
    assert_non_null(empty.ptr);
    assert_int_equal(empty.len, 0);
    assert_null(arena_copy(&arena, SLICE_LITERAL("x")).ptr);
    arena_fini(&arena);
}

static void test_refused_memory_leaves_the_arena_usable(void **state)
{
    (void)state;
    struct arena arena;
    mem_fail_nth(1);
    assert_int_equal(arena_init(&arena, 64, 4096), -ENOMEM);
    arena_fini(&arena);
    assert_int_equal(arena_init(&arena, 64, 4096), 0);
    assert_non_null(arena_alloc(&arena, 64));
    mem_fail_nth(1);
    assert_null(arena_alloc(&arena, 16));
    mem_fail_nth(1);
    assert_null(arena_alloc(&arena, 2048));
    assert_int_equal(arena_used_bytes(&arena), 64);
    assert_non_null(arena_alloc(&arena, 2048));
    arena_fini(&arena);
    arena_fini(&arena);
    assert_null(arena_alloc(&arena, 1)); /* zeros are an arena that refuses */
    arena_reset(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_alloc_is_aligned_and_does_not_overlap),
        cmocka_unit_test(test_alloc_refuses_past_the_cap),
        cmocka_unit_test(test_cap_that_is_no_multiple_of_the_alignment_holds),
        cmocka_unit_test(test_alloc_survives_sizes_that_would_wrap),
        cmocka_unit_test(test_large_requests_leave_the_current_chunk_in_use),
        cmocka_unit_test(test_reset_equals_a_fresh_arena),
        cmocka_unit_test(test_copy_tells_empty_from_refused),
        cmocka_unit_test(test_refused_memory_leaves_the_arena_usable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
