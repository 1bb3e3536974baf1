/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What was lost, what came twice and what nobody sent are told apart.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "bench/xray/xray_ledger.h"
#include "core/base/mem.h"

#define SEED 7
#define LIMIT 130

static void arrive(struct xray_ledger *ledger, uint64_t seed, uint64_t sequence)
{
    struct xray_ident ident;
    xray_ident_of(seed, sequence, &ident);
    xray_ledger_take(ledger, &ident);
}

static void test_an_identity_leads_back_to_its_number(void **state)
{
    (void)state;
    static const uint64_t sequences[] = {
        0, 1, 511, 512, XRAY_LEDGER_MAX_COUNT - 1, IDENT_SEQUENCE_MAX - 1};
    for (size_t i = 0; i < COUNT_OF(sequences); i++) {
        struct xray_ident ident;
        xray_ident_of(SEED, sequences[i], &ident);
        assert_int_equal(xray_ident_sequence(SEED, &ident), sequences[i]);
        assert_int_not_equal(xray_ident_sequence(SEED + 1, &ident), sequences[i]);
    }
}

static void test_an_identity_changed_on_the_way_is_nobodys(void **state)
{
    (void)state;
    struct xray_ident ident;
    xray_ident_of(SEED, 42, &ident);
    ident.trace_digits[XRAY_TRACE_DIGITS_BYTES - 1] ^= 1;
    assert_true(xray_ident_sequence(SEED, &ident) == UINT64_MAX);
    xray_ident_of(SEED, 42, &ident);
    ident.segment_id[0] = 'G';
    assert_true(xray_ident_sequence(SEED, &ident) == UINT64_MAX);
}

static void test_all_that_were_sent_and_came_once_balance(void **state)
{
    (void)state;
    struct xray_ledger ledger;
    assert_int_equal(xray_ledger_init(&ledger, SEED, LIMIT), 0);
    for (uint64_t i = LIMIT; i > 0; i--) {
        arrive(&ledger, SEED, i - 1);
    }
    assert_int_equal(xray_ledger_arrivals(&ledger), LIMIT);
    const struct xray_balance balance = xray_ledger_balance(&ledger, LIMIT);
    assert_int_equal(balance.sent_items, LIMIT);
    assert_int_equal(balance.arrived_items, LIMIT);
    assert_int_equal(balance.lost_items, 0);
    assert_int_equal(balance.duplicate_items, 0);
    assert_int_equal(balance.stranger_items, 0);
    assert_true(balance.digest_matches);
    xray_ledger_fini(&ledger);
}

static void test_a_copy_of_one_does_not_make_up_for_another(void **state)
{
    (void)state;
    struct xray_ledger ledger;
    assert_int_equal(xray_ledger_init(&ledger, SEED, LIMIT), 0);
    arrive(&ledger, SEED, 0);
    arrive(&ledger, SEED, 64);
    arrive(&ledger, SEED, 64);
    arrive(&ledger, SEED, 64);
    const struct xray_balance balance = xray_ledger_balance(&ledger, 65);
    assert_int_equal(balance.arrived_items, 2);
    assert_int_equal(balance.lost_items, 63);
    assert_int_equal(balance.duplicate_items, 2);
    assert_true(balance.digest_matches);
    xray_ledger_fini(&ledger);
}

static void test_what_was_not_sent_is_a_stranger(void **state)
{
    (void)state;
    struct xray_ledger ledger;
    assert_int_equal(xray_ledger_init(&ledger, SEED, LIMIT), 0);
    arrive(&ledger, SEED, 0);
    arrive(&ledger, SEED, LIMIT - 1); /* a number, but beyond what left */
    arrive(&ledger, SEED, LIMIT);     /* one past the limit */
    arrive(&ledger, SEED + 1, 1);
    const struct xray_balance balance = xray_ledger_balance(&ledger, 2);
    assert_int_equal(balance.arrived_items, 1);
    assert_int_equal(balance.lost_items, 1);
    assert_int_equal(balance.stranger_items, 3);
    assert_false(balance.digest_matches);
    xray_ledger_fini(&ledger);
}

static void test_without_memory_there_is_no_ledger(void **state)
{
    (void)state;
    struct xray_ledger ledger;
    mem_fail_nth(1);
    assert_true(xray_ledger_init(&ledger, SEED, LIMIT) < 0);
    mem_fail_nth(0);
    xray_ledger_fini(&ledger);
    xray_ledger_fini(&ledger);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_identity_leads_back_to_its_number),
        cmocka_unit_test(test_an_identity_changed_on_the_way_is_nobodys),
        cmocka_unit_test(test_all_that_were_sent_and_came_once_balance),
        cmocka_unit_test(test_a_copy_of_one_does_not_make_up_for_another),
        cmocka_unit_test(test_what_was_not_sent_is_a_stranger),
        cmocka_unit_test(test_without_memory_there_is_no_ledger),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
