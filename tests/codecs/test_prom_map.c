/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of prom_map and prom_key: against a plain array, under random puts and removals.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "codecs/prom_map.h"
#include "core/base/mem.h"

#define ITEMS 500
#define STEPS 20000

static int items[ITEMS];
static bool is_in[ITEMS];
static struct prom_map map;
static uint64_t random_state = 7;

static uint32_t random_below(uint32_t limit)
{
    random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(random_state >> 33) % limit;
}

/* Few homes, so that items crowd; the last ones wrap around the end. */
static struct prom_key key_of(uint32_t index)
{
    return (struct prom_key){.low = UINT32_MAX - index % 19, .high = index};
}

static void check_all(void)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < ITEMS; i++) {
        void *expected = is_in[i] ? &items[i] : NULL;
        assert_ptr_equal(prom_map_find(&map, key_of(i)), expected);
        count += is_in[i] ? 1 : 0;
    }
    assert_int_equal(map.item_count, count);
}

static void test_map_finds_what_is_in_it(void **state)
{
    (void)state;
    check_all();
    for (uint32_t step = 0; step < STEPS; step++) {
        uint32_t i = random_below(ITEMS);
        if (is_in[i]) {
            prom_map_remove(&map, key_of(i));
        } else {
            assert_int_equal(prom_map_put(&map, key_of(i), &items[i]), 0);
        }
        is_in[i] = !is_in[i];
        if (step % 500 == 0) {
            check_all();
        }
    }
    check_all();
    prom_map_remove(&map, (struct prom_key){.low = 1, .high = 1});
    check_all();
    prom_map_clear(&map);
    memset(is_in, 0, sizeof(is_in));
    check_all();
    prom_map_fini(&map);
    prom_map_fini(&map);
    prom_map_remove(&map, key_of(1));
    check_all();
}

static void test_removing_slot_by_slot_leaves_nothing(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < ITEMS; i++) {
        assert_int_equal(prom_map_put(&map, key_of(i), &items[i]), 0);
    }
    uint32_t slot = 0;
    while (slot < map.slot_count) {
        if (map.slots[slot].item != NULL) {
            prom_map_remove_at(&map, slot); /* and look at it again */
        } else {
            slot++;
        }
    }
    assert_int_equal(map.item_count, 0);
    prom_map_fini(&map);
}

static void test_put_survives_refused_memory(void **state)
{
    (void)state;
    mem_fail_nth(1);
    assert_int_equal(prom_map_put(&map, key_of(0), &items[0]), -ENOMEM);
    mem_fail_nth(0);
    assert_null(prom_map_find(&map, key_of(0)));
    uint32_t i = 0;
    int err = 0;
    while (err == 0) {
        mem_fail_nth(i == 0 ? 0 : 1);
        err = prom_map_put(&map, key_of(i), &items[i]);
        mem_fail_nth(0);
        i += err == 0 ? 1 : 0;
    }
    assert_int_equal(err, -ENOMEM);
    assert_true(i > 40);
    assert_ptr_equal(prom_map_find(&map, key_of(i - 1)), &items[i - 1]);
    prom_map_fini(&map);
}

static struct prom_key key_of_texts(uint64_t seed, const struct slice *texts, size_t count)
{
    struct prom_key_maker maker;
    prom_key_begin(&maker, seed, (struct prom_key){0});
    for (size_t i = 0; i < count; i++) {
        prom_key_add(&maker, texts[i]);
    }
    return prom_key_end(&maker);
}

static void test_keys_tell_rows_apart(void **state)
{
    static uint8_t text[3 * PROM_KEY_BUFFER_BYTES];
    const struct slice a[] = {SLICE_LITERAL("ab"), SLICE_LITERAL("c")};
    const struct slice b[] = {SLICE_LITERAL("a"), SLICE_LITERAL("bc")};
    (void)state;
    assert_true(prom_key_equal(key_of_texts(1, a, 2), key_of_texts(1, a, 2)));
    assert_false(prom_key_equal(key_of_texts(1, a, 2), key_of_texts(2, a, 2)));
    assert_false(prom_key_equal(key_of_texts(1, a, 2), key_of_texts(1, b, 2)));
    assert_false(prom_key_equal(key_of_texts(1, a, 2), key_of_texts(1, a, 1)));
    /* Long texts, and rows of many, count to their last byte. */
    const struct slice long_text = slice_of(text, sizeof(text));
    struct prom_key before = key_of_texts(1, &long_text, 1);
    text[sizeof(text) - 1] ^= 1;
    assert_false(prom_key_equal(before, key_of_texts(1, &long_text, 1)));
    static struct slice row[1000];
    for (size_t i = 0; i < 1000; i++) {
        row[i] = slice_of(text + i, 20);
    }
    before = key_of_texts(1, row, 1000);
    row[0].len--;
    assert_false(prom_key_equal(before, key_of_texts(1, row, 1000)));
    row[0].len++;
    assert_true(prom_key_equal(before, key_of_texts(1, row, 1000)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_map_finds_what_is_in_it),
        cmocka_unit_test(test_removing_slot_by_slot_leaves_nothing),
        cmocka_unit_test(test_put_survives_refused_memory),
        cmocka_unit_test(test_keys_tell_rows_apart),
    };
    return cmocka_run_group_tests_name("prom_map", tests, NULL, NULL);
}
