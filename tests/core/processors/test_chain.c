/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of core/processors/chain: order, what ends a part's way, clones that fail.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>

#include "core/base/bounds.h"
#include "core/base/fault.h"
#include "core/base/mem.h"
#include "core/processors/chain.h"
#include "tests/support/otlp_stubs.h"

#define LINKS 3

struct fixture {
    struct stub_plan plans[LINKS];
    struct stub_processor stubs[LINKS];
    struct processor *prototypes[LINKS];
    struct chain chain;
};

static void prepare(struct fixture *f)
{
    *f = (struct fixture){.chain = {.count = 0}};
    for (uint32_t i = 0; i < LINKS; i++) {
        stub_processor_init(&f->stubs[i], &f->plans[i]);
        f->prototypes[i] = &f->stubs[i].processor;
    }
}

static void open_fixture(struct fixture *f)
{
    prepare(f);
    assert_int_equal(chain_init(&f->chain, f->prototypes, LINKS), 0);
    assert_int_equal(f->chain.count, LINKS);
}

static void close_fixture(struct fixture *f)
{
    chain_fini(&f->chain);
    chain_fini(&f->chain);
    for (uint32_t i = 0; i < LINKS; i++) {
        assert_int_equal(f->plans[i].open_count, 0);
    }
}

static struct part part_of(uint32_t item_count)
{
    struct part part;
    assert_int_equal(part_copy(&part, SLICE_LITERAL("x"), SIGNAL_LOGS, item_count), 0);
    return part;
}

static void test_part_goes_through_all(void **state)
{
    (void)state;
    struct fixture f;
    bool is_lost = true;
    open_fixture(&f);
    struct part part = part_of(3);
    assert_true(chain_process(&f.chain, &part, 77, &is_lost));
    assert_false(is_lost);
    assert_int_equal(part.item_count, 3);
    for (uint32_t i = 0; i < LINKS; i++) {
        assert_int_equal(f.plans[i].seen_count, 1);
        assert_int_equal(f.plans[i].now_unix_ns, 77);
    }
    part_fini(&part);
    close_fixture(&f);
}

static void test_empty_chain_lets_everything_through(void **state)
{
    (void)state;
    struct chain chain;
    bool is_lost = true;
    assert_int_equal(chain_init(&chain, NULL, 0), 0);
    struct part part = part_of(1);
    assert_true(chain_process(&chain, &part, 0, &is_lost));
    assert_false(is_lost);
    part_fini(&part);
    chain_fini(&chain);
}

static void test_what_one_takes_out_the_next_does_not_see(void **state)
{
    (void)state;
    struct fixture f;
    bool is_lost = true;
    open_fixture(&f);
    f.plans[1].drops_all = true;
    struct part part = part_of(3);
    assert_false(chain_process(&f.chain, &part, 0, &is_lost));
    assert_false(is_lost);
    assert_int_equal(f.plans[1].seen_count, 1);
    assert_int_equal(f.plans[2].seen_count, 0);
    assert_int_equal(counter_read(&f.chain.processors[1]->stats.items_filtered), 3);
    assert_int_equal(counter_read(&f.chain.processors[1]->stats.items_failed), 0);
    part_fini(&part);
    close_fixture(&f);
}

static void test_refused_memory_loses_the_part_and_counts_it(void **state)
{
    (void)state;
    static const int errors[] = {-ENOMEM, FAULT_LIMIT};
    for (size_t i = 0; i < COUNT_OF(errors); i++) {
        struct fixture f;
        bool is_lost = false;
        open_fixture(&f);
        f.plans[1].err = errors[i];
        struct part part = part_of(5);
        assert_false(chain_process(&f.chain, &part, 0, &is_lost));
        assert_true(is_lost);
        assert_int_equal(part.item_count, 5); /* as it was */
        assert_int_equal(f.plans[2].seen_count, 0);
        assert_int_equal(counter_read(&f.chain.processors[1]->stats.items_failed), 5);
        assert_int_equal(counter_read(&f.chain.processors[0]->stats.items_failed), 0);
        part_fini(&part);
        close_fixture(&f);
    }
}

static void test_scratch_is_fresh_for_each_processor(void **state)
{
    (void)state;
    struct fixture f;
    bool is_lost = true;
    open_fixture(&f);
    for (uint32_t i = 0; i < LINKS; i++) {
        f.plans[i].arena_bytes = CHAIN_SCRATCH_CHUNK_BYTES / 2 + 1;
    }
    for (uint32_t k = 0; k < 10; k++) {
        struct part part = part_of(1);
        assert_true(chain_process(&f.chain, &part, 0, &is_lost));
        assert_int_equal(arena_used_bytes(&f.chain.scratch), 0);
        part_fini(&part);
    }
    close_fixture(&f);
}

static void test_as_many_as_fit_and_one_more(void **state)
{
    (void)state;
    struct fixture f;
    struct processor *prototypes[CHAIN_PROCESSORS_MAX + 1];
    prepare(&f);
    for (uint32_t i = 0; i <= CHAIN_PROCESSORS_MAX; i++) {
        prototypes[i] = f.prototypes[0];
    }
    assert_int_equal(chain_init(&f.chain, prototypes, CHAIN_PROCESSORS_MAX + 1), FAULT_LIMIT);
    chain_fini(&f.chain);
    assert_int_equal(chain_init(&f.chain, prototypes, CHAIN_PROCESSORS_MAX), 0);
    assert_int_equal(f.plans[0].open_count, CHAIN_PROCESSORS_MAX);
    close_fixture(&f);
}

static void test_clone_that_fails_leaves_no_other_behind(void **state)
{
    (void)state;
    struct fixture f;
    prepare(&f);
    f.plans[2].clone_err = -ENOMEM;
    assert_int_equal(chain_init(&f.chain, f.prototypes, LINKS), -ENOMEM);
    assert_int_equal(f.plans[0].open_count, 1);
    close_fixture(&f);
    for (uint64_t nth = 1; nth < 100; nth++) {
        prepare(&f);
        mem_fail_nth(nth);
        int err = chain_init(&f.chain, f.prototypes, LINKS);
        mem_fail_nth(0);
        close_fixture(&f);
        if (err == 0) {
            assert_true(nth > LINKS);
            return;
        }
        assert_int_equal(err, -ENOMEM);
    }
    fail();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_part_goes_through_all),
        cmocka_unit_test(test_empty_chain_lets_everything_through),
        cmocka_unit_test(test_what_one_takes_out_the_next_does_not_see),
        cmocka_unit_test(test_refused_memory_loses_the_part_and_counts_it),
        cmocka_unit_test(test_scratch_is_fresh_for_each_processor),
        cmocka_unit_test(test_as_many_as_fit_and_one_more),
        cmocka_unit_test(test_clone_that_fails_leaves_no_other_behind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
