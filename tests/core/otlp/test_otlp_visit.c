/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of otlp_visit: everything is shown once and in order with what is around it, what is
 * dropped goes with what it leaves empty, and the rest stays byte for byte.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/base/mem.h"
#include "core/otlp/otlp_normal.h"
#include "core/otlp/otlp_visit.h"
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

/* Says what chance says, and remembers what it was shown. */
struct chance {
    struct otlp_visitor visitor;
    struct otlp_random random;
    uint32_t drop_of; /* one of so many is dropped; 0 for none */
    bool adds_attr;
    uint64_t resource_count;
    uint64_t scope_count;
    uint64_t metric_count;
    uint64_t item_count;
};

static enum otlp_verdict draw(struct chance *c)
{
    return c->drop_of != 0 && otlp_random_below(&c->random, c->drop_of) == 0 ? OTLP_DROP
                                                                             : OTLP_KEEP;
}

static void add_attr(struct chance *c, struct otlp_edit *edit, struct slice message,
                     uint32_t number)
{
    struct otlp_attr_list list;
    if (!c->adds_attr || number == 0) {
        return;
    }
    otlp_attr_list_init(&list, &arena);
    assert_int_equal(otlp_attr_list_load(&list, message, number), 0);
    struct otlp_value value = {.kind = OTLP_VALUE_STRING, .bytes = SLICE_LITERAL("added")};
    assert_int_equal(otlp_attr_list_put(&list, SLICE_LITERAL("added.by.test"), value), 0);
    otlp_attr_list_flush(&list, edit);
}

static enum otlp_verdict chance_on_resource(struct otlp_visitor *visitor,
                                            const struct otlp_place *place, struct otlp_edit *edit)
{
    struct chance *c = CONTAINER_OF(visitor, struct chance, visitor);
    c->resource_count++;
    add_attr(c, edit, place->resource.content, OTLP_RESOURCE_ATTRS);
    return draw(c);
}

static enum otlp_verdict chance_on_scope(struct otlp_visitor *visitor,
                                         const struct otlp_place *place, struct otlp_edit *edit)
{
    struct chance *c = CONTAINER_OF(visitor, struct chance, visitor);
    c->scope_count++;
    assert_true(place->group.content.ptr <= place->scope_group.whole.ptr);
    add_attr(c, edit, place->scope.content, OTLP_SCOPE_ATTRS);
    return draw(c);
}

static enum otlp_verdict chance_on_metric(struct otlp_visitor *visitor,
                                          const struct otlp_place *place, struct otlp_edit *edit)
{
    struct chance *c = CONTAINER_OF(visitor, struct chance, visitor);
    (void)edit;
    c->metric_count++;
    assert_int_equal(place->signal, SIGNAL_METRICS);
    return draw(c);
}

static enum otlp_verdict chance_on_item(struct otlp_visitor *visitor,
                                        const struct otlp_place *place, struct otlp_edit *edit)
{
    struct chance *c = CONTAINER_OF(visitor, struct chance, visitor);
    c->item_count++;
    assert_true(place->item_attrs > 0);
    add_attr(c, edit, place->item.content, place->item_attrs);
    return draw(c);
}

static const struct otlp_visitor all_functions = {.on_resource = chance_on_resource,
                                                  .on_scope = chance_on_scope,
                                                  .on_metric = chance_on_metric,
                                                  .on_item = chance_on_item};

static void test_everything_is_shown_and_kept(void **state)
{
    (void)state;
    struct otlp_random r = {.state = 41};
    for (uint32_t round = 0; round < 60; round++) {
        enum signal signal = (enum signal)(round % SIGNAL_COUNT);
        r.is_shuffled = round % 2 == 0;
        r.has_unknown = round % 4 < 2;
        struct slice request = random_request(&r, signal);
        struct otlp_counts counts = {0};
        assert_int_equal(otlp_walk(signal, request, &counts, NULL), 0);
        struct chance c = {.visitor = all_functions};
        struct otlp_edit edit;
        struct otlp_tally tally;
        arena_reset(&arena);
        otlp_edit_init(&edit, &arena, request);
        assert_int_equal(otlp_visit(&c.visitor, signal, &edit, &tally), 0);
        assert_false(otlp_edit_is_changed(&edit));
        assert_int_equal(tally.dropped_count, 0);
        assert_int_equal(c.item_count, counts.item_count);
        assert_int_equal(c.metric_count, counts.metric_count);
        assert_int_equal(c.resource_count, counts.resource_count);
    }
}

/* Drops on all levels, with and without edits; returns how many items went in all. */
static uint64_t check_chance(struct otlp_random *r, enum signal signal, struct chance *c)
{
    struct slice request = random_request(r, signal);
    struct otlp_counts counts = {0};
    struct otlp_counts left = {0};
    struct otlp_edit edit;
    struct otlp_tally tally;
    struct slice out = {0};
    void *memory = NULL;
    assert_int_equal(otlp_walk(signal, request, &counts, NULL), 0);
    arena_reset(&arena);
    otlp_edit_init(&edit, &arena, request);
    assert_int_equal(otlp_visit(&c->visitor, signal, &edit, &tally), 0);
    assert_int_equal(otlp_edit_finish(&edit, &out, &memory), 0);
    assert_int_equal(otlp_walk(signal, out, &left, NULL), 0);
    assert_int_equal(left.item_count, counts.item_count - tally.dropped_count);
    assert_int_equal(left.metric_count, counts.metric_count - tally.dropped_metric_count);
    mem_free(memory);
    return tally.dropped_count;
}

static void test_what_is_dropped_is_counted_on_all_levels(void **state)
{
    (void)state;
    struct otlp_random r = {.state = 42};
    uint64_t dropped_count = 0;
    for (uint32_t round = 0; round < 240; round++) {
        struct chance c = {.visitor = all_functions, .random = {.state = round}};
        c.drop_of = 2 + round % 5;
        c.adds_attr = round % 2 == 0;
        r.is_shuffled = round % 4 < 2;
        if (round % 3 == 1) {
            c.visitor.on_item = NULL;
        } else if (round % 3 == 2) {
            c.visitor.on_scope = NULL;
            c.visitor.on_metric = NULL;
        }
        dropped_count += check_chance(&r, (enum signal)(round / 3 % SIGNAL_COUNT), &c);
    }
    assert_true(dropped_count > 1000);
}

/* What was added everywhere and taken away again leaves what was there before. */
struct eraser {
    struct otlp_visitor visitor;
    uint64_t erased_count;
};

static void erase(struct eraser *eraser, struct otlp_edit *edit, struct slice message,
                  uint32_t number)
{
    struct otlp_attr attr;
    if (number != 0 && otlp_attr_find(message, number, SLICE_LITERAL("added.by.test"), &attr)) {
        otlp_edit_remove(edit, attr.whole);
        eraser->erased_count++;
    }
}

static enum otlp_verdict eraser_on_resource(struct otlp_visitor *visitor,
                                            const struct otlp_place *place, struct otlp_edit *edit)
{
    struct eraser *eraser = CONTAINER_OF(visitor, struct eraser, visitor);
    erase(eraser, edit, place->resource.content, OTLP_RESOURCE_ATTRS);
    return OTLP_KEEP;
}

static enum otlp_verdict eraser_on_scope(struct otlp_visitor *visitor,
                                         const struct otlp_place *place, struct otlp_edit *edit)
{
    struct eraser *eraser = CONTAINER_OF(visitor, struct eraser, visitor);
    erase(eraser, edit, place->scope.content, OTLP_SCOPE_ATTRS);
    return OTLP_KEEP;
}

static enum otlp_verdict eraser_on_item(struct otlp_visitor *visitor,
                                        const struct otlp_place *place, struct otlp_edit *edit)
{
    struct eraser *eraser = CONTAINER_OF(visitor, struct eraser, visitor);
    erase(eraser, edit, place->item.content, place->item_attrs);
    return OTLP_KEEP;
}

static struct slice visited(struct otlp_visitor *visitor, enum signal signal, struct slice request,
                            void **memory)
{
    struct otlp_edit edit;
    struct otlp_tally tally;
    struct slice out = {0};
    arena_reset(&arena);
    otlp_edit_init(&edit, &arena, request);
    assert_int_equal(otlp_visit(visitor, signal, &edit, &tally), 0);
    assert_int_equal(otlp_edit_finish(&edit, &out, memory), 0);
    return out;
}

static void test_what_is_added_and_taken_away_leaves_what_was(void **state)
{
    (void)state;
    struct otlp_random r = {.state = 43, .child_max = 3};
    struct eraser eraser = {.visitor = {.on_resource = eraser_on_resource,
                                        .on_scope = eraser_on_scope,
                                        .on_item = eraser_on_item}};
    for (uint32_t round = 0; round < 120; round++) {
        enum signal signal = (enum signal)(round % SIGNAL_COUNT);
        r.is_shuffled = round % 2 == 0;
        struct slice request = random_request(&r, signal);
        struct chance c = {.visitor = all_functions, .adds_attr = true};
        void *memory = NULL;
        struct slice more = visited(&c.visitor, signal, request, &memory);
        void *less_memory = NULL;
        struct slice less = visited(&eraser.visitor, signal, more, &less_memory);
        /* Resources and scopes that were not there before are there now, and empty. */
        struct chance again = {.visitor = all_functions, .adds_attr = true};
        void *more_memory = NULL;
        struct slice same = visited(&again.visitor, signal, less, &more_memory);
        assert_true(slice_equal(same, more));
        before.len = 0;
        after.len = 0;
        otlp_flat_add(&before, signal, more, &scratch);
        otlp_flat_add(&after, signal, same, &scratch);
        assert_true(slice_equal(otlp_flat_bytes(&before), otlp_flat_bytes(&after)));
        mem_free(memory);
        mem_free(less_memory);
        mem_free(more_memory);
    }
    assert_true(eraser.erased_count > 500);
}

static void test_the_last_item_takes_scope_and_resource_along(void **state)
{
    (void)state;
    /* Two resources; the first has an item, the second has none. */
    static const uint8_t request[] = {0x0A, 0x06, 0x0A, 0x00, 0x12, 0x02, 0x12,
                                      0x00, 0x0A, 0x04, 0x0A, 0x00, 0x12, 0x00};
    struct chance c = {.visitor = {.on_item = chance_on_item}, .drop_of = 1};
    void *memory = NULL;
    struct slice out =
        visited(&c.visitor, SIGNAL_LOGS, slice_of(request, sizeof(request)), &memory);
    assert_int_equal(out.len, 6);
    assert_memory_equal(out.ptr, request + 8, 6);
    mem_free(memory);
}

static enum otlp_verdict pass(struct otlp_visitor *visitor, const struct otlp_place *place,
                              struct otlp_edit *edit)
{
    (void)visitor;
    (void)place;
    (void)edit;
    return OTLP_PASS;
}

static void test_what_is_passed_is_not_entered(void **state)
{
    (void)state;
    struct otlp_random r = {.state = 44};
    struct slice request = random_request(&r, SIGNAL_TRACES);
    struct chance c = {.visitor = {.on_resource = pass, .on_item = chance_on_item}, .drop_of = 1};
    void *memory = NULL;
    struct slice out = visited(&c.visitor, SIGNAL_TRACES, request, &memory);
    assert_int_equal(c.item_count, 0);
    assert_true(slice_equal(out, request));
    mem_free(memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_everything_is_shown_and_kept),
        cmocka_unit_test(test_what_is_dropped_is_counted_on_all_levels),
        cmocka_unit_test(test_what_is_added_and_taken_away_leaves_what_was),
        cmocka_unit_test(test_the_last_item_takes_scope_and_resource_along),
        cmocka_unit_test(test_what_is_passed_is_not_entered),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
