/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of core/base/mem: zeroing, overflow, counting, failure on demand, reserved pages.
 */
#include "core/base/mem.h"

#include <stdarg.h>
#include <stddef.h>

#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>
#include <unistd.h>

/* Under the address sanitizer a refused allocation would abort instead of returning NULL. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "allocator_may_return_null=1";
}

static void test_memory_is_zeroed_and_aligned(void **state)
{
    (void)state;
    for (size_t bytes = 1; bytes < 5000; bytes += 97) {
        uint8_t *plain = mem_alloc(bytes);
        uint8_t *aligned = mem_alloc_aligned(64, bytes);
        assert_non_null(plain);
        assert_non_null(aligned);
        assert_int_equal((uintptr_t)plain % 16, 0);
        assert_int_equal((uintptr_t)aligned % 64, 0);
        for (size_t i = 0; i < bytes; i++) {
            assert_int_equal(plain[i] | aligned[i], 0);
        }
        memset(plain, 0xFF, bytes);
        memset(aligned, 0xFF, bytes);
        mem_free(plain);
        mem_free(aligned);
    }
    mem_free(NULL);
}

static void test_overflowing_sizes_are_refused(void **state)
{
    (void)state;
    assert_null(mem_alloc_array(SIZE_MAX / 2, 3));
    assert_null(mem_alloc_aligned(64, SIZE_MAX - 10));
    assert_null(mem_copy_text("x", SIZE_MAX));
    void *none = mem_alloc_array(0, 8);
    assert_non_null(none);
    mem_free(none);
}

static void test_resize_keeps_bytes_and_ownership(void **state)
{
    (void)state;
    char *text = mem_copy_text("weir and more", 4);
    assert_string_equal(text, "weir");
    mem_fail_nth(1);
    assert_null(mem_resize(text, 100));
    assert_string_equal(text, "weir");
    text = mem_resize(text, 5000);
    assert_string_equal(text, "weir");
    mem_free(text);
    char *empty = mem_copy_text(NULL, 0);
    assert_string_equal(empty, "");
    mem_free(empty);
}

static void test_nth_allocation_fails_once(void **state)
{
    (void)state;
    uint64_t before = mem_thread_alloc_count();
    mem_fail_nth(2);
    void *first = mem_alloc(8);
    assert_non_null(first);
    assert_null(mem_alloc(8));
    void *third = mem_alloc(8);
    assert_non_null(third);
    mem_fail_nth(1);
    mem_fail_nth(0);
    void *fourth = mem_alloc(8);
    assert_non_null(fourth);
    assert_int_equal(mem_thread_alloc_count(), before + 4);
    mem_free(first);
    mem_free(third);
    mem_free(fourth);
}

static void test_guard_lets_frees_through(void **state)
{
    (void)state;
    uint64_t before = mem_guard_breach_count();
    void *ptr = mem_alloc(8);
    mem_guard_arm();
    mem_free(ptr);
    mem_guard_disarm();
    mem_guard_disarm();
    assert_int_equal(mem_guard_breach_count(), before);
}

static void test_released_pages_read_as_zero_and_neighbours_stay(void **state)
{
    (void)state;
    size_t page_bytes = (size_t)sysconf(_SC_PAGESIZE);
    uint8_t *ptr = mem_reserve(4 * page_bytes);
    assert_non_null(ptr);
    memset(ptr, 0xEE, 4 * page_bytes);
    mem_release_pages(ptr + 1, 3 * page_bytes); /* whole pages inside: the second and the third */
    assert_int_equal(ptr[page_bytes - 1], 0xEE);
    assert_int_equal(ptr[page_bytes], 0);
    assert_int_equal(ptr[3 * page_bytes - 1], 0);
    assert_int_equal(ptr[3 * page_bytes], 0xEE);
    mem_release_pages(ptr + 3 * page_bytes + 1, page_bytes - 1);
    assert_int_equal(ptr[4 * page_bytes - 1], 0xEE);
    mem_unreserve(ptr, 4 * page_bytes);
    mem_unreserve(NULL, 4096);
    mem_fail_nth(1);
    assert_null(mem_reserve(1));
    mem_trim();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_memory_is_zeroed_and_aligned),
        cmocka_unit_test(test_overflowing_sizes_are_refused),
        cmocka_unit_test(test_resize_keeps_bytes_and_ownership),
        cmocka_unit_test(test_nth_allocation_fails_once),
        cmocka_unit_test(test_guard_lets_frees_through),
        cmocka_unit_test(test_released_pages_read_as_zero_and_neighbours_stay),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
