/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of otlp_split: whatever the limits, the pieces together hold the items of the request, in
 * order, each with what stood around it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>

#include "core/base/fault.h"
#include "core/base/mem.h"
#include "core/otlp/otlp_split.h"
#include "core/otlp/otlp_walk.h"
#include "tests/core/otlp/otlp_flat.h"
#include "tests/core/otlp/otlp_random.h"

#define REQUEST_BYTES_MAX (1 << 22)

static struct arena arena;   /* for what is tested */
static struct arena scratch; /* for the comparison */
static uint8_t *request_memory;
static struct otlp_flat whole;
static struct otlp_flat pieces;

static int setup(void **state)
{
    (void)state;
    request_memory = mem_alloc(REQUEST_BYTES_MAX);
    whole.bytes = mem_alloc(OTLP_FLAT_BYTES_MAX);
    pieces.bytes = mem_alloc(OTLP_FLAT_BYTES_MAX);
    bool is_refused = request_memory == NULL || whole.bytes == NULL || pieces.bytes == NULL;
    return is_refused || arena_init(&arena, 4096, 1 << 26) != 0 ||
                   arena_init(&scratch, 4096, 1 << 28) != 0
               ? -1
               : 0;
}

static int teardown(void **state)
{
    (void)state;
    mem_free(request_memory);
    mem_free(whole.bytes);
    mem_free(pieces.bytes);
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

static void flatten_whole(enum signal signal, struct slice request)
{
    whole.len = 0;
    whole.item_count = 0;
    pieces.len = 0;
    pieces.item_count = 0;
    otlp_flat_add(&whole, signal, request, &scratch);
}

/* A piece is valid, counted right and within its limits. */
static void check_piece(const struct part *piece, const struct otlp_split_limits *limits)
{
    struct otlp_counts counts = {0};
    assert_int_equal(otlp_walk(piece->signal, piece->bytes, &counts, NULL), 0);
    assert_int_equal(counts.item_count, piece->item_count);
    assert_false(counts.is_irregular);
    assert_true(limits->item_max == 0 || piece->item_count <= limits->item_max);
    assert_true(limits->bytes_max == 0 || piece->item_count <= 1 ||
                piece->bytes.len <= limits->bytes_max);
}

/* Splits, checks every piece and compares all of them with the whole. Returns how many. */
static uint32_t check_split(enum signal signal, struct slice request,
                            const struct otlp_split_limits *limits)
{
    struct otlp_split split;
    uint32_t piece_count = 0;
    flatten_whole(signal, request);
    arena_reset(&arena);
    assert_int_equal(otlp_split_init(&split, signal, request, &arena), 0);
    while (!otlp_split_is_done(&split)) {
        struct part piece;
        arena_reset(&arena);
        assert_int_equal(otlp_split_next(&split, &arena, limits, &piece), 0);
        check_piece(&piece, limits);
        otlp_flat_add(&pieces, signal, piece.bytes, &scratch);
        assert_true(piece.item_count > 0 || pieces.item_count == whole.item_count);
        part_fini(&piece);
        piece_count++;
    }
    otlp_split_fini(&split);
    assert_int_equal(pieces.item_count, whole.item_count);
    assert_true(slice_equal(otlp_flat_bytes(&pieces), otlp_flat_bytes(&whole)));
    return piece_count;
}

static void test_pieces_hold_the_items_in_order_at_every_size(void **state)
{
    (void)state;
    struct otlp_random r = {.state = 11, .child_max = 3};
    for (uint32_t round = 0; round < 60; round++) {
        enum signal signal = (enum signal)(round % SIGNAL_COUNT);
        r.is_shuffled = round % 2 == 1;
        r.has_unknown = round % 4 >= 2;
        r.has_duplicates = round % 8 >= 6;
        struct slice request = random_request(&r, signal);
        flatten_whole(signal, request);
        uint64_t item_count = whole.item_count;
        for (uint64_t max = 1; max <= item_count + 1 && max < 40; max++) {
            struct otlp_split_limits limits = {.item_max = max};
            uint32_t piece_count = check_split(signal, request, &limits);
            uint64_t least = (item_count + max - 1) / max;
            assert_true(piece_count >= least);
            assert_true(piece_count <= least + 1); /* one for what has no items */
        }
    }
}

static void test_pieces_keep_below_every_number_of_bytes(void **state)
{
    (void)state;
    struct otlp_random r = {.state = 12, .child_max = 3};
    for (uint32_t round = 0; round < 30; round++) {
        enum signal signal = (enum signal)(round % SIGNAL_COUNT);
        r.is_shuffled = round % 2 == 1;
        struct slice request = random_request(&r, signal);
        for (size_t max = 1; max < 2 * request.len; max = max * 3 / 2 + 1) {
            struct otlp_split_limits limits = {.bytes_max = max, .item_max = round % 3 * 5};
            (void)check_split(signal, request, &limits);
        }
    }
}

static void test_without_limits_there_is_one_piece(void **state)
{
    (void)state;
    struct otlp_random r = {.state = 13};
    struct otlp_split_limits none = {0};
    for (uint32_t round = 0; round < 12; round++) {
        enum signal signal = (enum signal)(round % SIGNAL_COUNT);
        struct slice request = random_request(&r, signal);
        if (request.len == 0) {
            continue;
        }
        struct otlp_split split;
        struct part piece;
        arena_reset(&arena);
        assert_int_equal(otlp_split_init(&split, signal, request, &arena), 0);
        assert_int_equal(otlp_split_next(&split, &arena, &none, &piece), 0);
        assert_true(slice_equal(piece.bytes, request));
        assert_true(otlp_split_is_done(&split));
        part_fini(&piece);
        otlp_split_fini(&split);
        otlp_split_fini(&split);
    }
}

static void test_nothing_is_done_at_once(void **state)
{
    (void)state;
    struct otlp_split split;
    assert_int_equal(otlp_split_init(&split, SIGNAL_LOGS, (struct slice){0}, &arena), 0);
    assert_true(otlp_split_is_done(&split));
    otlp_split_fini(&split);
}

/* The first piece fills up what was begun, later ones are of full size. */
static void test_limits_may_change_from_piece_to_piece(void **state)
{
    (void)state;
    struct otlp_build b;
    struct otlp_split split;
    otlp_build_init(&b, request_memory, REQUEST_BYTES_MAX);
    for (uint32_t i = 10; i > 0; i--) {
        size_t mark = otlp_build_mark(&b);
        otlp_build_varint_field(&b, 0x30, i);
        otlp_build_close(&b, mark, 0x12);
    }
    otlp_build_close(&b, 0, 0x12);
    otlp_build_close(&b, 0, 0x0A);
    arena_reset(&arena);
    assert_int_equal(otlp_split_init(&split, SIGNAL_TRACES, otlp_build_since(&b, 0), &arena), 0);
    static const uint32_t sizes[] = {3, 5, 5};
    static const uint32_t counts[] = {3, 5, 2};
    for (uint32_t i = 0; i < COUNT_OF(sizes); i++) {
        struct otlp_split_limits limits = {.item_max = sizes[i]};
        struct part piece;
        assert_false(otlp_split_is_done(&split));
        assert_int_equal(otlp_split_next(&split, &arena, &limits, &piece), 0);
        assert_int_equal(piece.item_count, counts[i]);
        assert_int_equal(piece.bytes.len, 4 + 4 * counts[i]);
        part_fini(&piece);
    }
    assert_true(otlp_split_is_done(&split));
    otlp_split_fini(&split);
}

/* A sum's temporality stands behind its points; each piece has it. */
static void test_metric_heads_are_repeated(void **state)
{
    (void)state;
    static const uint8_t request[] = {0x0A, 0x17, 0x12, 0x15, 0x12, 0x10, 0x0A, 0x01, 'm',
                                      0x3A, 0x08, 0x0A, 0x00, 0x0A, 0x00, 0x10, 0x02, 0x18,
                                      0x01, 0x1A, 0x01, 's',  0x1A, 0x01, 'r'};
    static const uint8_t expected[] = {0x0A, 0x15, 0x12, 0x13, 0x12, 0x0E, 0x0A, 0x01,
                                       'm',  0x3A, 0x06, 0x0A, 0x00, 0x10, 0x02, 0x18,
                                       0x01, 0x1A, 0x01, 's',  0x1A, 0x01, 'r'};
    uint8_t fixed[sizeof(request)];
    memcpy(fixed, request, sizeof(request));
    fixed[1] = sizeof(request) - 2;
    fixed[3] = sizeof(request) - 4 - 3;
    fixed[5] = 13;
    uint8_t wanted[sizeof(expected)];
    memcpy(wanted, expected, sizeof(expected));
    wanted[1] = sizeof(expected) - 2;
    wanted[3] = sizeof(expected) - 4 - 3;
    wanted[5] = 11;
    struct otlp_split_limits one = {.item_max = 1};
    struct otlp_split split;
    struct otlp_counts counts = {0};
    assert_int_equal(otlp_walk(SIGNAL_METRICS, slice_of(fixed, sizeof(fixed)), &counts, NULL), 0);
    assert_int_equal(counts.item_count, 2);
    arena_reset(&arena);
    assert_int_equal(
        otlp_split_init(&split, SIGNAL_METRICS, slice_of(fixed, sizeof(fixed)), &arena), 0);
    for (uint32_t i = 0; i < 2; i++) {
        struct part piece;
        assert_int_equal(otlp_split_next(&split, &arena, &one, &piece), 0);
        assert_int_equal(piece.bytes.len, sizeof(wanted));
        assert_memory_equal(piece.bytes.ptr, wanted, sizeof(wanted));
        part_fini(&piece);
    }
    assert_true(otlp_split_is_done(&split));
    otlp_split_fini(&split);
}

static void test_refused_memory_deals_nothing_out(void **state)
{
    (void)state;
    struct otlp_random r = {.state = 15};
    struct otlp_split_limits limits = {.item_max = 2};
    struct slice request = random_request(&r, SIGNAL_TRACES);
    struct otlp_split split;
    struct part piece;
    struct arena none;
    assert_int_equal(arena_init(&none, 16, 16), 0);
    arena_reset(&arena);
    assert_int_equal(otlp_split_init(&split, SIGNAL_TRACES, request, &arena), 0);
    assert_int_equal(otlp_split_next(&split, &arena, &limits, &piece), 0);
    struct slice first = piece.bytes;
    assert_int_equal(otlp_split_next(&split, &none, &limits, &(struct part){0}), FAULT_LIMIT);
    arena_reset(&arena); /* its first chunk is enough */
    mem_fail_nth(1);
    assert_int_equal(otlp_split_next(&split, &arena, &limits, &(struct part){0}), -ENOMEM);
    mem_fail_nth(0);
    uint32_t item_count = piece.item_count;
    assert_true(first.len > 0);
    part_fini(&piece);
    while (!otlp_split_is_done(&split)) {
        assert_int_equal(otlp_split_next(&split, &arena, &limits, &piece), 0);
        item_count += piece.item_count;
        part_fini(&piece);
    }
    flatten_whole(SIGNAL_TRACES, request);
    assert_int_equal(item_count, whole.item_count);
    otlp_split_fini(&split);
    arena_fini(&none);
}

/* A shuffled request is brought into regular form first; every allocation on that way may fail. */
static void test_refused_preparation_leaves_nothing_behind(void **state)
{
    (void)state;
    struct otlp_random r = {.state = 16, .is_shuffled = true};
    struct slice request = {0};
    while (request.len < 10000) {
        request = random_request(&r, SIGNAL_METRICS);
    }
    bool is_refused = true;
    for (uint32_t nth = 1; is_refused; nth++) {
        struct otlp_split split;
        struct arena fresh;
        assert_int_equal(arena_init(&fresh, 256, 1 << 26), 0);
        mem_fail_nth(nth);
        int err = otlp_split_init(&split, SIGNAL_METRICS, request, &fresh);
        mem_fail_nth(0);
        is_refused = err != 0;
        assert_true(err == 0 || err == -ENOMEM || err == FAULT_LIMIT);
        assert_int_equal(otlp_split_is_done(&split), is_refused);
        assert_true(is_refused || split.memory != NULL);
        otlp_split_fini(&split);
        arena_fini(&fresh);
        assert_true(nth < 100);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pieces_hold_the_items_in_order_at_every_size),
        cmocka_unit_test(test_pieces_keep_below_every_number_of_bytes),
        cmocka_unit_test(test_without_limits_there_is_one_piece),
        cmocka_unit_test(test_nothing_is_done_at_once),
        cmocka_unit_test(test_limits_may_change_from_piece_to_piece),
        cmocka_unit_test(test_metric_heads_are_repeated),
        cmocka_unit_test(test_refused_memory_deals_nothing_out),
        cmocka_unit_test(test_refused_preparation_leaves_nothing_behind),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
