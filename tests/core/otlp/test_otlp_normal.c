/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of otlp_normal: regular requests stay as they are, others become regular and say the same.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/base/mem.h"
#include "core/otlp/otlp_normal.h"
#include "core/otlp/otlp_walk.h"
#include "tests/core/otlp/otlp_flat.h"
#include "tests/core/otlp/otlp_random.h"

#define REQUEST_BYTES_MAX (1 << 22)

static struct arena arena;
static struct arena scratch;
static uint8_t *request_memory;
static struct otlp_flat before;
static struct otlp_flat after;

static int setup(void **state)
{
    (void)state;
    request_memory = mem_alloc(REQUEST_BYTES_MAX);
    before.bytes = mem_alloc(OTLP_FLAT_BYTES_MAX);
    after.bytes = mem_alloc(OTLP_FLAT_BYTES_MAX);
    bool is_refused = request_memory == NULL || before.bytes == NULL || after.bytes == NULL;
    return is_refused || arena_init(&arena, 4096, 1 << 26) != 0 ||
                   arena_init(&scratch, 4096, 1 << 28) != 0
               ? -1
               : 0;
}

static int teardown(void **state)
{
    (void)state;
    mem_free(request_memory);
    mem_free(before.bytes);
    mem_free(after.bytes);
    arena_fini(&arena);
    arena_fini(&scratch);
    return 0;
}

static struct slice random_request(struct otlp_random *r, enum signal signal)
{
    struct otlp_build b;
    otlp_build_init(&b, request_memory, REQUEST_BYTES_MAX);
    return otlp_random_request(r, signal, &b);
}

/* The request in regular form; *memory is for mem_free. */
static struct slice regularise(enum signal signal, struct slice request, void **memory)
{
    struct otlp_edit edit;
    struct slice out;
    arena_reset(&arena);
    otlp_edit_init(&edit, &arena, request);
    assert_int_equal(otlp_regularise(&edit, signal), 0);
    assert_int_equal(otlp_edit_finish(&edit, &out, memory), 0);
    return out;
}

static void test_what_sdks_send_is_regular(void **state)
{
    (void)state;
    struct otlp_random r = {.state = 21, .has_unknown = false};
    for (uint32_t round = 0; round < 60; round++) {
        enum signal signal = (enum signal)(round % SIGNAL_COUNT);
        struct slice request = random_request(&r, signal);
        struct otlp_edit edit;
        assert_true(otlp_is_regular(signal, request));
        arena_reset(&arena);
        otlp_edit_init(&edit, &arena, request);
        assert_int_equal(otlp_regularise(&edit, signal), 0);
        assert_false(otlp_edit_is_changed(&edit));
    }
}

static void test_anything_becomes_regular_and_says_the_same(void **state)
{
    (void)state;
    struct otlp_random r = {.state = 22, .is_shuffled = true, .child_max = 3};
    uint32_t changed_count = 0;
    for (uint32_t round = 0; round < 300; round++) {
        enum signal signal = (enum signal)(round % SIGNAL_COUNT);
        r.has_unknown = round % 2 == 0;
        r.has_duplicates = round % 4 >= 2;
        struct slice request = random_request(&r, signal);
        changed_count += otlp_is_regular(signal, request) ? 0 : 1;
        void *memory = NULL;
        struct slice regular = regularise(signal, request, &memory);
        assert_true(otlp_is_regular(signal, regular));
        before.len = 0;
        after.len = 0;
        otlp_flat_add(&before, signal, request, &scratch);
        otlp_flat_add(&after, signal, regular, &scratch);
        assert_true(slice_equal(otlp_flat_bytes(&before), otlp_flat_bytes(&after)));
        mem_free(memory);
    }
    assert_true(changed_count > 100);
}

static void test_old_scopes_become_scopes_where_there_are_no_others(void **state)
{
    (void)state;
    struct otlp_random r = {.state = 23, .has_old_scopes = true, .child_max = 3};
    uint32_t old_count = 0;
    for (uint32_t round = 0; round < 300; round++) {
        enum signal signal = (enum signal)(round % SIGNAL_COUNT);
        r.is_shuffled = round % 2 == 0;
        struct slice request = random_request(&r, signal);
        struct otlp_counts counts = {0};
        struct otlp_counts regular_counts = {0};
        assert_int_equal(otlp_walk(signal, request, &counts, NULL), 0);
        void *memory = NULL;
        struct slice regular = regularise(signal, request, &memory);
        assert_int_equal(otlp_walk(signal, regular, &regular_counts, NULL), 0);
        assert_false(regular_counts.is_irregular);
        assert_int_equal(regular_counts.item_count, counts.item_count);
        assert_int_equal(regular_counts.metric_count, counts.metric_count);
        assert_int_equal(regular_counts.resource_count, counts.resource_count);
        after.len = 0;
        after.item_count = 0;
        otlp_flat_add(&after, signal, regular, &scratch);
        assert_int_equal(after.item_count, counts.item_count);
        old_count += counts.is_irregular ? 1 : 0;
        mem_free(memory);
    }
    assert_true(old_count > 20);
}

static void test_pieces_of_a_resource_are_joined(void **state)
{
    (void)state;
    static const uint8_t request[] = {0x0A, 0x0E, 0x12, 0x02, 0x12, 0x00, 0x0A, 0x02,
                                      0x10, 0x01, 0x0A, 0x04, 0x10, 0x02, 0x10, 0x03};
    static const uint8_t expected[] = {0x0A, 0x0C, 0x0A, 0x06, 0x10, 0x01, 0x10,
                                       0x02, 0x10, 0x03, 0x12, 0x02, 0x12, 0x00};
    void *memory = NULL;
    struct slice out = regularise(SIGNAL_TRACES, slice_of(request, sizeof(request)), &memory);
    assert_int_equal(out.len, sizeof(expected));
    assert_memory_equal(out.ptr, expected, sizeof(expected));
    mem_free(memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_sdks_send_is_regular),
        cmocka_unit_test(test_anything_becomes_regular_and_says_the_same),
        cmocka_unit_test(test_old_scopes_become_scopes_where_there_are_no_others),
        cmocka_unit_test(test_pieces_of_a_resource_are_joined),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
