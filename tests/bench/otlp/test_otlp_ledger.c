/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is missing, what came twice and what nobody knows are told apart.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "bench/otlp/otlp_count.h"
#include "bench/otlp/otlp_ledger.h"

#define BODIES 3
#define ITEMS 10

struct fixture {
    struct otlp_corpus corpus;
    struct otlp_ledger ledger;
    struct otlp_fate fates[BODIES];
};

static void fixture_open(struct fixture *f, uint64_t ledger_seed)
{
    struct otlp_corpus_options options = otlp_corpus_default_options();
    options.body_count = BODIES;
    options.item_count = ITEMS;
    *f = (struct fixture){0};
    assert_int_equal(otlp_corpus_build(&f->corpus, &options), 0);
    options.seed = ledger_seed;
    assert_int_equal(otlp_ledger_init(&f->ledger, &options), 0);
}

static void fixture_arrive(struct fixture *f, uint32_t body_index, int times)
{
    struct otlp_count_bodies bodies;
    for (int i = 0; i < times; i++) {
        assert_int_equal(otlp_count_request(SIGNAL_TRACES, otlp_corpus_body(&f->corpus, body_index),
                                            &f->ledger, &bodies),
                         0);
    }
}

static struct otlp_balance fixture_close(struct fixture *f)
{
    const struct otlp_balance balance = otlp_ledger_balance(&f->ledger, &f->corpus, f->fates);
    otlp_ledger_fini(&f->ledger);
    otlp_corpus_fini(&f->corpus);
    return balance;
}

static void test_what_was_acknowledged_and_came_balances(void **state)
{
    (void)state;
    struct fixture f;
    fixture_open(&f, 1);
    f.fates[0].acked_count = 2;
    f.fates[2].acked_count = 1;
    fixture_arrive(&f, 0, 2);
    fixture_arrive(&f, 2, 1);
    const struct otlp_balance balance = fixture_close(&f);
    assert_int_equal(balance.acked_items, 3 * ITEMS);
    assert_int_equal(balance.arrived_items, 3 * ITEMS);
    assert_int_equal(balance.lost_items, 0);
    assert_int_equal(balance.duplicate_items, 0);
    assert_true(balance.digest_matches);
}

static void test_a_loss_is_not_made_good_by_another_body(void **state)
{
    (void)state;
    struct fixture f;
    fixture_open(&f, 1);
    f.fates[0].acked_count = 2;
    f.fates[1].acked_count = 2;
    fixture_arrive(&f, 0, 1);
    fixture_arrive(&f, 1, 3);
    const struct otlp_balance balance = fixture_close(&f);
    assert_int_equal(balance.arrived_items, balance.acked_items);
    assert_int_equal(balance.lost_items, ITEMS);
    assert_int_equal(balance.duplicate_items, ITEMS);
    assert_false(balance.digest_matches);
}

static void test_an_unanswered_sending_may_arrive_once(void **state)
{
    (void)state;
    struct fixture f;
    fixture_open(&f, 1);
    f.fates[0] = (struct otlp_fate){.acked_count = 1, .uncertain_count = 1};
    fixture_arrive(&f, 0, 3);
    const struct otlp_balance balance = fixture_close(&f);
    assert_int_equal(balance.unacked_items, ITEMS);
    assert_int_equal(balance.duplicate_items, ITEMS);
    assert_int_equal(balance.lost_items, 0);
}

static void test_another_corpus_is_strange(void **state)
{
    (void)state;
    struct fixture f;
    fixture_open(&f, 2);
    fixture_arrive(&f, 0, 1);
    const struct otlp_balance balance = fixture_close(&f);
    assert_int_equal(balance.stranger_items, ITEMS);
    assert_int_equal(balance.arrived_items, ITEMS);
    assert_int_equal(balance.duplicate_items, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_was_acknowledged_and_came_balances),
        cmocka_unit_test(test_a_loss_is_not_made_good_by_another_body),
        cmocka_unit_test(test_an_unanswered_sending_may_arrive_once),
        cmocka_unit_test(test_another_corpus_is_strange),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
