/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_sketch_pool — classes, cap, zeroing, reuse and trimming of the pool of sketch blocks.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/mem.h"
#include "core/model/sketch_pool.h"
#include "tests/core/model/sketch_random.h"

#define CAP_BYTES ((size_t)4 << 20)

static void test_class_rounds_up_to_powers_of_two(void **state)
{
    (void)state;
    assert_int_equal(sketch_pool_class_bytes(1), 64);
    assert_int_equal(sketch_pool_class_bytes(64), 64);
    assert_int_equal(sketch_pool_class_bytes(65), 128);
    assert_int_equal(sketch_pool_class_bytes(128), 128);
    assert_int_equal(sketch_pool_class_bytes(129), 256);
    assert_int_equal(sketch_pool_class_bytes(128 * 1024 + 1), 256 * 1024);
    assert_int_equal(sketch_pool_class_bytes(256 * 1024), 256 * 1024);
}

static void test_take_returns_zeroed_aligned_blocks_again_and_again(void **state)
{
    (void)state;
    struct sketch_pool pool;
    assert_int_equal(sketch_pool_init(&pool, CAP_BYTES), 0);
    static const uint8_t zeros[SKETCH_POOL_BLOCK_MAX_BYTES];
    for (uint32_t round = 0; round < 3; round++) {
        for (size_t bytes = 64; bytes <= SKETCH_POOL_BLOCK_MAX_BYTES; bytes *= 2) {
            void *block = sketch_pool_take(&pool, bytes);
            assert_non_null(block);
            assert_int_equal((uintptr_t)block % 64, 0);
            assert_memory_equal(block, zeros, bytes);
            memset(block, 0xa5, bytes);
            assert_true(sketch_pool_is_valid(&pool));
            sketch_pool_give(&pool, block, bytes);
            assert_true(sketch_pool_is_valid(&pool));
        }
    }
    assert_int_equal(sketch_pool_used_bytes(&pool), 0);
    sketch_pool_give(&pool, NULL, 64);
    sketch_pool_fini(&pool);
    sketch_pool_fini(&pool);
}

static void test_take_refuses_past_the_cap_and_recovers(void **state)
{
    (void)state;
    struct sketch_pool pool;
    assert_int_equal(sketch_pool_init(&pool, 256), 0);
    void *first = sketch_pool_take(&pool, 128);
    void *second = sketch_pool_take(&pool, 64);
    assert_non_null(first);
    assert_non_null(second);
    assert_null(sketch_pool_take(&pool, 65)); /* 192 used, 128 more would be 320 */
    void *third = sketch_pool_take(&pool, 64);
    assert_non_null(third);
    assert_null(sketch_pool_take(&pool, 1));
    assert_int_equal(sketch_pool_used_bytes(&pool), 256);
    sketch_pool_give(&pool, third, 64);
    third = sketch_pool_take(&pool, 1);
    assert_non_null(third);
    assert_true(sketch_pool_is_valid(&pool));
    sketch_pool_fini(&pool);
}

static void test_zeroed_pool_refuses(void **state)
{
    (void)state;
    struct sketch_pool pool = {0};
    assert_null(sketch_pool_take(&pool, 64));
    assert_int_equal(sketch_pool_trim(&pool), 0);
    sketch_pool_fini(&pool);
}

static void test_init_survives_each_failing_reservation(void **state)
{
    (void)state;
    for (uint64_t nth = 1; nth <= 2; nth++) {
        struct sketch_pool pool;
        mem_fail_nth(nth);
        assert_int_equal(sketch_pool_init(&pool, CAP_BYTES), -ENOMEM);
        mem_fail_nth(0);
        assert_null(pool.region);
        assert_null(pool.chunks);
        sketch_pool_fini(&pool);
    }
}

static void test_trim_lets_half_of_the_quiet_chunks_go(void **state)
{
    (void)state;
    struct sketch_pool pool;
    assert_int_equal(sketch_pool_init(&pool, CAP_BYTES), 0);
    void *blocks[8];
    for (uint32_t i = 0; i < 8; i++) {
        blocks[i] = sketch_pool_take(&pool, SKETCH_POOL_BLOCK_MAX_BYTES);
        assert_non_null(blocks[i]);
        memset(blocks[i], 1, SKETCH_POOL_BLOCK_MAX_BYTES);
    }
    for (uint32_t i = 0; i < 8; i++) {
        sketch_pool_give(&pool, blocks[i], SKETCH_POOL_BLOCK_MAX_BYTES);
    }
    /* They were busy since the last trim, so this one only starts to watch them. */
    assert_int_equal(sketch_pool_trim(&pool), 0);
    assert_int_equal(sketch_pool_trim(&pool), 4 * SKETCH_POOL_CHUNK_BYTES);
    assert_int_equal(sketch_pool_trim(&pool), 2 * SKETCH_POOL_CHUNK_BYTES);
    assert_true(sketch_pool_is_valid(&pool));
    /* What came back clean or dirty is zero alike. */
    for (uint32_t i = 0; i < 8; i++) {
        uint8_t *block = sketch_pool_take(&pool, SKETCH_POOL_BLOCK_MAX_BYTES);
        assert_non_null(block);
        assert_int_equal(block[0], 0);
        assert_int_equal(block[SKETCH_POOL_BLOCK_MAX_BYTES - 1], 0);
    }
    assert_int_equal(pool.fresh_index, 8);
    sketch_pool_fini(&pool);
}

static void test_no_allocation_after_init(void **state)
{
    (void)state;
    struct sketch_pool pool;
    assert_int_equal(sketch_pool_init(&pool, CAP_BYTES), 0);
    uint64_t before = mem_thread_alloc_count();
    for (uint32_t i = 0; i < 1000; i++) {
        assert_non_null(sketch_pool_take(&pool, 64 + i));
    }
    assert_int_equal(mem_thread_alloc_count(), before);
    sketch_pool_fini(&pool);
}

struct held {
    uint8_t *ptr;
    size_t bytes;
    uint8_t mark;
};

static void check_and_give(struct sketch_pool *pool, struct held *held)
{
    for (size_t i = 0; i < held->bytes; i++) {
        assert_int_equal(held->ptr[i], held->mark);
    }
    sketch_pool_give(pool, held->ptr, held->bytes);
    held->ptr = NULL;
}

static void test_random_takes_and_gives_never_overlap(void **state)
{
    (void)state;
    struct sketch_random r = {.state = 7};
    struct sketch_pool pool;
    assert_int_equal(sketch_pool_init(&pool, CAP_BYTES), 0);
    static struct held held[512];
    memset(held, 0, sizeof(held));
    for (uint32_t i = 0; i < 20000; i++) {
        struct held *h = &held[random_below(&r, COUNT_OF(held))];
        if (h->ptr != NULL) {
            check_and_give(&pool, h);
        } else {
            h->bytes = 1 + (random_u64(&r) & (((size_t)64 << random_below(&r, 9)) - 1));
            h->mark = (uint8_t)(1 + random_below(&r, 255));
            h->ptr = sketch_pool_take(&pool, h->bytes);
            if (h->ptr != NULL) {
                assert_int_equal(h->ptr[0], 0);
                assert_int_equal(h->ptr[h->bytes - 1], 0);
                memset(h->ptr, h->mark, h->bytes);
            }
        }
        if (i % 1000 == 0) {
            (void)sketch_pool_trim(&pool); /* how much went is not the question here */
            assert_true(sketch_pool_is_valid(&pool));
        }
    }
    for (uint32_t i = 0; i < COUNT_OF(held); i++) {
        if (held[i].ptr != NULL) {
            check_and_give(&pool, &held[i]);
        }
    }
    assert_int_equal(sketch_pool_used_bytes(&pool), 0);
    assert_true(sketch_pool_is_valid(&pool));
    sketch_pool_fini(&pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_class_rounds_up_to_powers_of_two),
        cmocka_unit_test(test_take_returns_zeroed_aligned_blocks_again_and_again),
        cmocka_unit_test(test_take_refuses_past_the_cap_and_recovers),
        cmocka_unit_test(test_zeroed_pool_refuses),
        cmocka_unit_test(test_init_survives_each_failing_reservation),
        cmocka_unit_test(test_trim_lets_half_of_the_quiet_chunks_go),
        cmocka_unit_test(test_no_allocation_after_init),
        cmocka_unit_test(test_random_takes_and_gives_never_overlap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
