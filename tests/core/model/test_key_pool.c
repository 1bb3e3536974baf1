/* SPDX-License-Identifier: Apache-2.0 */
/* Keys by size class: no overlap, reuse after release, memory that comes back, the cap. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/mem.h"
#include "core/model/key_pool.h"
#include "tests/core/model/sketch_random.h"

#define POOL_BYTES (4 * 1024 * 1024)
#define KEY_COUNT 5000

struct kept {
    uint32_t offset;
    uint16_t bytes;
    uint8_t fill;
};

static bool is_intact(const struct key_pool *pool, const struct kept *kept)
{
    const uint8_t *ptr = key_pool_at(pool, kept->offset);
    for (size_t i = 0; i < kept->bytes; i++) {
        if (ptr[i] != kept->fill) {
            return false;
        }
    }
    return true;
}

static void keep(struct key_pool *pool, struct kept *kept, uint64_t random)
{
    kept->bytes = (uint16_t)(1 + random % 300);
    kept->fill = (uint8_t)(random >> 32);
    kept->offset = key_pool_take(pool, kept->bytes);
    assert_int_not_equal(kept->offset, 0);
    memset(key_pool_at(pool, kept->offset), kept->fill, kept->bytes);
}

static void test_keys_keep_their_bytes_through_churn(void **state)
{
    (void)state;
    static struct kept kept[KEY_COUNT];
    struct key_pool pool;
    struct sketch_random random = {.state = 7};
    assert_int_equal(key_pool_init(&pool, POOL_BYTES), 0);
    for (size_t i = 0; i < KEY_COUNT; i++) {
        keep(&pool, &kept[i], random_u64(&random));
    }
    for (size_t round = 0; round < 20 * KEY_COUNT; round++) {
        struct kept *victim = &kept[random_u64(&random) % KEY_COUNT];
        assert_true(is_intact(&pool, victim));
        key_pool_give(&pool, victim->offset, victim->bytes);
        keep(&pool, victim, random_u64(&random));
    }
    for (size_t i = 0; i < KEY_COUNT; i++) {
        assert_true(is_intact(&pool, &kept[i]));
        key_pool_give(&pool, kept[i].offset, kept[i].bytes);
    }
    assert_int_equal(pool.used_bytes, 0);
    key_pool_fini(&pool);
}

static void test_churn_does_not_grow_the_pool(void **state)
{
    (void)state;
    struct key_pool pool;
    assert_int_equal(key_pool_init(&pool, POOL_BYTES), 0);
    uint32_t survivor = key_pool_take(&pool, 40);
    for (size_t i = 0; i < 1000000; i++) {
        uint32_t offset = key_pool_take(&pool, 40);
        assert_int_not_equal(offset, 0);
        key_pool_give(&pool, offset, 40);
    }
    assert_true(pool.chunk_limit <= 2);
    key_pool_give(&pool, survivor, 40);
    key_pool_fini(&pool);
}

static void test_full_pool_refuses_and_recovers(void **state)
{
    (void)state;
    struct key_pool pool;
    uint32_t offsets[64];
    size_t count = 0;
    assert_int_equal(key_pool_init(&pool, 2 * KEY_POOL_CHUNK_BYTES), 0);
    uint32_t offset = key_pool_take(&pool, KEY_POOL_CHUNK_BYTES / 4);
    while (offset != 0) {
        offsets[count] = offset;
        count++;
        offset = key_pool_take(&pool, KEY_POOL_CHUNK_BYTES / 4);
    }
    assert_true(count >= 4);
    assert_int_equal(key_pool_take(&pool, KEY_POOL_CHUNK_BYTES / 4), 0);
    key_pool_give(&pool, offsets[0], KEY_POOL_CHUNK_BYTES / 4);
    assert_int_not_equal(key_pool_take(&pool, KEY_POOL_CHUNK_BYTES / 4), 0);
    key_pool_fini(&pool);
}

static void test_chunk_serves_another_class_once_empty(void **state)
{
    (void)state;
    struct key_pool pool;
    assert_int_equal(key_pool_init(&pool, KEY_POOL_CHUNK_BYTES), 0);
    uint32_t small = key_pool_take(&pool, 16);
    assert_int_equal(key_pool_take(&pool, 64), 0);
    key_pool_give(&pool, small, 16);
    assert_int_not_equal(key_pool_take(&pool, 64), 0);
    key_pool_fini(&pool);
}

static void test_init_survives_each_refusal(void **state)
{
    (void)state;
    for (uint64_t nth = 1; nth <= 2; nth++) {
        struct key_pool pool;
        mem_fail_nth(nth);
        assert_int_not_equal(key_pool_init(&pool, POOL_BYTES), 0);
        mem_fail_nth(0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keys_keep_their_bytes_through_churn),
        cmocka_unit_test(test_churn_does_not_grow_the_pool),
        cmocka_unit_test(test_full_pool_refuses_and_recovers),
        cmocka_unit_test(test_chunk_serves_another_class_once_empty),
        cmocka_unit_test(test_init_survives_each_refusal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
