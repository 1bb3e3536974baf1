/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of tools/weir/graph_prepare: who is asked first, and who finds out by itself.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>

#include "core/engine/processor.h"
#include "tools/weir/graph.h"
#include "tools/weir/graph_prepare.h"

/* A processor with a number; it inherits from those that have the same. */
struct numbered {
    struct processor processor;
    uint32_t number;
    uint32_t prepared_count;
    const struct processor *heir_of;
    bool is_heir_of_sibling;
};

static int prepare_err;

static bool numbered_inherit(struct processor *prototype, const struct processor *elder,
                             bool is_sibling)
{
    struct numbered *self = CONTAINER_OF(prototype, struct numbered, processor);
    const struct numbered *other = (const struct numbered *)(const void *)elder;
    assert_ptr_not_equal(prototype, elder);
    if (self->number != other->number) {
        return false;
    }
    self->heir_of = elder;
    self->is_heir_of_sibling = is_sibling;
    return true;
}

static int numbered_prepare(struct processor *prototype)
{
    CONTAINER_OF(prototype, struct numbered, processor)->prepared_count++;
    return prepare_err;
}

static const struct processor_ops numbered_ops = {
    .type = "numbered",
    .inherit = numbered_inherit,
    .prepare = numbered_prepare,
};
static const struct processor_ops other_ops = {
    .type = "other",
    .inherit = numbered_inherit,
    .prepare = numbered_prepare,
};
static const struct processor_ops plain_ops = {.type = "plain"};

/* A graph of two pipelines with two processors each. */
struct small_graph {
    struct graph graph;
    struct graph_stage stages[2];
    struct numbered processors[4];
};

static struct small_graph now;
static struct small_graph before;

static void fill(struct small_graph *g, const uint32_t numbers[4])
{
    *g = (struct small_graph){.graph = {.stages = g->stages, .pipeline_count = 2}};
    for (uint32_t i = 0; i < 4; i++) {
        g->processors[i] =
            (struct numbered){.processor = {.ops = &numbered_ops}, .number = numbers[i]};
        g->stages[i / 2].prototypes[i % 2] = &g->processors[i].processor;
        g->stages[i / 2].prototype_count++;
    }
}

static int set_up(void **state)
{
    (void)state;
    static const uint32_t numbers[] = {1, 2, 2, 3};
    static const uint32_t older[] = {9, 3, 2, 9};
    fill(&now, numbers);
    fill(&before, older);
    prepare_err = 0;
    return 0;
}

static void test_siblings_share_what_the_first_one_found(void **state)
{
    (void)state;
    assert_int_equal(graph_prepare(&now.graph, NULL), 0);
    assert_int_equal(now.processors[0].prepared_count, 1);
    assert_int_equal(now.processors[1].prepared_count, 1);
    assert_int_equal(now.processors[2].prepared_count, 0);
    assert_int_equal(now.processors[3].prepared_count, 1);
    assert_ptr_equal(now.processors[2].heir_of, &now.processors[1].processor);
    assert_true(now.processors[2].is_heir_of_sibling);
}

static void test_the_running_graph_is_asked_behind_the_siblings(void **state)
{
    (void)state;
    assert_int_equal(graph_prepare(&now.graph, &before.graph), 0);
    assert_int_equal(now.processors[0].prepared_count, 1);
    assert_ptr_equal(now.processors[1].heir_of, &before.processors[2].processor);
    assert_false(now.processors[1].is_heir_of_sibling);
    assert_ptr_equal(now.processors[2].heir_of, &now.processors[1].processor);
    assert_true(now.processors[2].is_heir_of_sibling);
    assert_ptr_equal(now.processors[3].heir_of, &before.processors[1].processor);
    for (uint32_t i = 0; i < 4; i++) {
        assert_int_equal(before.processors[i].prepared_count, 0);
        assert_null(before.processors[i].heir_of);
    }
}

static void test_other_types_are_not_asked(void **state)
{
    (void)state;
    now.processors[1].processor.ops = &other_ops;
    before.processors[2].processor.ops = &plain_ops;
    assert_int_equal(graph_prepare(&now.graph, &before.graph), 0);
    assert_int_equal(now.processors[1].prepared_count, 1);
    assert_int_equal(now.processors[2].prepared_count, 1);
}

static void test_processors_with_nothing_to_find_out_are_passed_over(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 4; i++) {
        now.processors[i].processor.ops = &plain_ops;
    }
    assert_int_equal(graph_prepare(&now.graph, &before.graph), 0);
}

static void test_a_failure_ends_it(void **state)
{
    (void)state;
    prepare_err = -ENOMEM;
    assert_int_equal(graph_prepare(&now.graph, NULL), -ENOMEM);
    assert_int_equal(now.processors[0].prepared_count, 1);
    assert_int_equal(now.processors[1].prepared_count, 0);
    assert_int_equal(now.processors[3].prepared_count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_siblings_share_what_the_first_one_found, set_up),
        cmocka_unit_test_setup(test_the_running_graph_is_asked_behind_the_siblings, set_up),
        cmocka_unit_test_setup(test_other_types_are_not_asked, set_up),
        cmocka_unit_test_setup(test_processors_with_nothing_to_find_out_are_passed_over, set_up),
        cmocka_unit_test_setup(test_a_failure_ends_it, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
