/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of core/base/slab: numbers, caps, reuse, trimming, and a random walk with the validator.
 */
#include "core/base/slab.h"

#include <stdarg.h>
#include <stddef.h>

#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/base/fault.h"
#include "core/base/mem.h"

static void test_take_gives_zeroed_objects_up_to_the_cap(void **state)
{
    (void)state;
    struct slab slab;
    assert_int_equal(slab_init(&slab, 40, 65), 0);
    for (uint32_t i = 0; i < 65; i++) {
        uint8_t *object = slab_take(&slab);
        assert_non_null(object);
        assert_int_equal((uintptr_t)object % 16, 0);
        assert_int_equal(slab_index_of(&slab, object), i);
        assert_ptr_equal(slab_at(&slab, i), object);
        memset(object, 0xFF, 40);
    }
    assert_null(slab_take(&slab));
    assert_int_equal(slab_used_count(&slab), 65);
    slab_give(&slab, slab_at(&slab, 7));
    assert_false(slab_is_live(&slab, 7));
    uint8_t *again = slab_take(&slab);
    assert_int_equal(slab_index_of(&slab, again), 7);
    for (size_t i = 0; i < 40; i++) {
        assert_int_equal(again[i], 0);
    }
    assert_null(slab_take(&slab));
    assert_true(slab_is_valid(&slab));
    slab_fini(&slab);
}

static void test_one_object_is_a_slab_too(void **state)
{
    (void)state;
    struct slab slab;
    assert_int_equal(slab_init(&slab, 1, 1), 0);
    void *object = slab_take(&slab);
    assert_non_null(object);
    assert_null(slab_take(&slab));
    slab_give(&slab, object);
    slab_give(&slab, NULL);
    assert_int_equal(slab_used_count(&slab), 0);
    assert_false(slab_is_live(&slab, 1));
    assert_false(slab_is_live(&slab, UINT32_MAX));
    slab_fini(&slab);
    slab_fini(&slab);
}

static void test_largest_count_reserves_without_touching(void **state)
{
    (void)state;
    struct slab slab;
    assert_int_equal(slab_init(&slab, 16, UINT32_MAX), 0);
    assert_int_equal(slab.level_count, 6);
    assert_int_equal(slab_index_of(&slab, slab_take(&slab)), 0);
    assert_int_equal(slab_index_of(&slab, slab_take(&slab)), 1);
    slab_fini(&slab);
    assert_int_equal(slab_init(&slab, SIZE_MAX, 1), FAULT_OVERFLOW);
    assert_int_equal(slab_init(&slab, SIZE_MAX / 4, 8), FAULT_OVERFLOW);
    slab_fini(&slab);
}

static void test_init_without_memory_fails_cleanly(void **state)
{
    (void)state;
    struct slab slab;
    mem_fail_nth(1);
    assert_int_equal(slab_init(&slab, 16, 16), -ENOMEM);
    slab_fini(&slab);
}

static size_t resident_pages(const struct slab *slab, size_t bytes)
{
    static unsigned char pages[4096];
    size_t page_bytes = (size_t)sysconf(_SC_PAGESIZE);
    size_t page_count = bytes / page_bytes;
    assert_true(page_count <= sizeof(pages));
    assert_int_equal(mincore(slab->objects, bytes, pages), 0);
    size_t resident = 0;
    for (size_t i = 0; i < page_count; i++) {
        resident += pages[i] & 1;
    }
    return resident;
}

static void test_trim_hands_free_pages_back_and_keeps_live_ones(void **state)
{
    (void)state;
    const uint32_t count = 16384;
    const size_t bytes = (size_t)count * 256;
    struct slab slab;
    assert_int_equal(slab_init(&slab, 256, count), 0);
    for (uint32_t i = 0; i < count; i++) {
        memset(slab_take(&slab), (int)(i % 251), 256);
    }
    assert_int_equal(resident_pages(&slab, bytes), 1024);
    for (uint32_t i = 0; i < count; i++) {
        if (i % 1000 != 0) {
            slab_give(&slab, slab_at(&slab, i));
        }
    }
    slab_trim(&slab);
    assert_in_range(resident_pages(&slab, bytes), 17, 34);
    for (uint32_t i = 0; i < count; i += 1000) {
        const uint8_t *object = slab_at(&slab, i);
        assert_int_equal(object[0], i % 251);
        assert_int_equal(object[255], i % 251);
    }
    const uint8_t *fresh = slab_take(&slab);
    assert_int_equal(slab_index_of(&slab, fresh), 1);
    assert_int_equal(fresh[255], 0);
    assert_true(slab_is_valid(&slab));
    slab_fini(&slab);
}

static uint64_t next_random(uint64_t *seed)
{
    *seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return *seed >> 33;
}

static void test_random_walk_keeps_the_slab_valid(void **state)
{
    (void)state;
    enum { COUNT = 5000 };
    static uint8_t is_live[COUNT];
    uint64_t seed = 7;
    uint32_t live_count = 0;
    struct slab slab;
    assert_int_equal(slab_init(&slab, 48, COUNT), 0);
    for (int step = 0; step < 100000; step++) {
        /* Fills and drains in turns, so that both ends are reached. */
        bool is_filling = step / 10000 % 2 == 0;
        uint32_t index = (uint32_t)(next_random(&seed) % COUNT);
        if (next_random(&seed) % 10 < (is_filling ? 8 : 2)) {
            uint32_t *object = slab_take(&slab);
            assert_int_equal(object == NULL, live_count == COUNT);
            if (object != NULL) {
                index = slab_index_of(&slab, object);
                assert_int_equal(is_live[index], 0);
                is_live[index] = 1;
                *object = index;
                live_count++;
            }
        } else if (is_live[index] != 0) {
            const uint32_t *object = slab_at(&slab, index);
            assert_int_equal(*object, index);
            slab_give(&slab, slab_at(&slab, index));
            is_live[index] = 0;
            live_count--;
        }
        assert_int_equal(slab_used_count(&slab), live_count);
        if (step % 1000 == 0) {
            slab_trim(&slab);
            assert_true(slab_is_valid(&slab));
        }
    }
    slab_fini(&slab);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_take_gives_zeroed_objects_up_to_the_cap),
        cmocka_unit_test(test_one_object_is_a_slab_too),
        cmocka_unit_test(test_largest_count_reserves_without_touching),
        cmocka_unit_test(test_init_without_memory_fails_cleanly),
        cmocka_unit_test(test_trim_hands_free_pages_back_and_keeps_live_ones),
        cmocka_unit_test(test_random_walk_keeps_the_slab_valid),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
