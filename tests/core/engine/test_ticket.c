/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of core/engine/ticket: none, one and many claims, the worst fate, both orders of answering
 * and closing, and claims answered on another thread.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <sched.h>

#include "core/base/mem.h"
#include "core/engine/lane.h"
#include "core/engine/ticket.h"

#define CLAIMS 4
#define STRESS_TICKETS 20000
#define STRESS_OPEN 64 /* tickets waiting at a time, each with two claims */

struct owner {
    struct ticket ticket;
    uint32_t done_count;
    enum part_fate fate;
    struct ticket_claim claims[CLAIMS];
};

static void on_done(struct ticket *ticket, enum part_fate fate)
{
    struct owner *owner = CONTAINER_OF(ticket, struct owner, ticket);
    owner->done_count++;
    owner->fate = fate;
}

static struct ticket_returns returns;

static void open_owner(struct owner *owner)
{
    *owner = (struct owner){.fate = PART_LOST};
    ticket_open(&owner->ticket, on_done);
}

static int open_returns(void **state)
{
    (void)state;
    return ticket_returns_init(&returns, CLAIMS);
}

static int close_returns(void **state)
{
    (void)state;
    ticket_returns_fini(&returns);
    ticket_returns_fini(&returns);
    return 0;
}

static void test_ticket_without_claims_ends_when_it_is_closed(void **state)
{
    (void)state;
    struct owner owner;
    open_owner(&owner);
    assert_int_equal(ticket_collect(&returns), 0);
    assert_int_equal(owner.done_count, 0);
    ticket_close(&owner.ticket, PART_ACCEPTED);
    assert_int_equal(owner.done_count, 1);
    assert_int_equal(owner.fate, PART_ACCEPTED);
    open_owner(&owner);
    ticket_close(&owner.ticket, PART_LOST);
    assert_int_equal(owner.fate, PART_LOST);
}

static void test_answer_after_closing_ends_it_when_collected(void **state)
{
    (void)state;
    struct owner owner;
    struct part part = {0};
    open_owner(&owner);
    ticket_claim_hand_out(&owner.ticket, &returns, &owner.claims[0], &part);
    ticket_close(&owner.ticket, PART_ACCEPTED);
    assert_int_equal(ticket_collect(&returns), 0);
    part_answer(&part, PART_REJECTED);
    part_answer(&part, PART_ACCEPTED); /* nobody waits any more */
    assert_int_equal(owner.done_count, 0);
    assert_int_equal(ticket_collect(&returns), 1);
    assert_int_equal(owner.done_count, 1);
    assert_int_equal(owner.fate, PART_REJECTED);
    assert_int_equal(ticket_collect(&returns), 0);
}

static void test_answer_before_closing_waits_for_it(void **state)
{
    (void)state;
    struct owner owner;
    struct part part = {0};
    open_owner(&owner);
    ticket_claim_hand_out(&owner.ticket, &returns, &owner.claims[0], &part);
    part_answer(&part, PART_LOST);
    assert_int_equal(ticket_collect(&returns), 1);
    assert_int_equal(owner.done_count, 0);
    ticket_close(&owner.ticket, PART_ACCEPTED);
    assert_int_equal(owner.done_count, 1);
    assert_int_equal(owner.fate, PART_LOST);
}

static void test_worst_of_many_counts_in_any_order(void **state)
{
    (void)state;
    static const struct {
        enum part_fate fates[3];
        enum part_fate own;
        enum part_fate worst;
    } cases[] = {
        {{PART_ACCEPTED, PART_ACCEPTED, PART_ACCEPTED}, PART_ACCEPTED, PART_ACCEPTED},
        {{PART_ACCEPTED, PART_REJECTED, PART_ACCEPTED}, PART_ACCEPTED, PART_REJECTED},
        {{PART_LOST, PART_REJECTED, PART_ACCEPTED}, PART_ACCEPTED, PART_LOST},
        {{PART_ACCEPTED, PART_REJECTED, PART_LOST}, PART_ACCEPTED, PART_LOST},
        {{PART_REJECTED, PART_ACCEPTED, PART_ACCEPTED}, PART_LOST, PART_LOST},
        {{PART_ACCEPTED, PART_ACCEPTED, PART_ACCEPTED}, PART_REJECTED, PART_REJECTED},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct owner owner;
        struct part parts[3] = {{.item_count = 0}};
        open_owner(&owner);
        for (size_t k = 0; k < 3; k++) {
            ticket_claim_hand_out(&owner.ticket, &returns, &owner.claims[k], &parts[k]);
        }
        part_answer(&parts[2], cases[i].fates[2]);
        assert_int_equal(ticket_collect(&returns), 1);
        ticket_close(&owner.ticket, cases[i].own);
        part_answer(&parts[0], cases[i].fates[0]);
        assert_int_equal(owner.done_count, 0);
        part_answer(&parts[1], cases[i].fates[1]);
        assert_int_equal(ticket_collect(&returns), 2);
        assert_int_equal(owner.done_count, 1);
        assert_int_equal(owner.fate, cases[i].worst);
    }
}

static void test_claims_of_two_tickets_on_one_part(void **state)
{
    (void)state;
    struct owner a;
    struct owner b;
    struct part part = {0};
    open_owner(&a);
    open_owner(&b);
    ticket_claim_hand_out(&a.ticket, &returns, &a.claims[0], &part);
    ticket_claim_hand_out(&b.ticket, &returns, &b.claims[0], &part);
    ticket_close(&a.ticket, PART_ACCEPTED);
    ticket_close(&b.ticket, PART_REJECTED);
    part_answer(&part, PART_ACCEPTED);
    assert_int_equal(ticket_collect(&returns), 2);
    assert_int_equal(a.done_count + b.done_count, 2);
    assert_int_equal(a.fate, PART_ACCEPTED);
    assert_int_equal(b.fate, PART_REJECTED);
}

static void test_room_is_for_claims_that_are_not_home(void **state)
{
    (void)state;
    struct owner owner;
    struct part parts[CLAIMS] = {{.item_count = 0}};
    open_owner(&owner);
    assert_true(ticket_returns_have_room(&returns, CLAIMS));
    assert_false(ticket_returns_have_room(&returns, CLAIMS + 1));
    for (size_t i = 0; i < CLAIMS; i++) {
        ticket_claim_hand_out(&owner.ticket, &returns, &owner.claims[i], &parts[i]);
    }
    assert_true(ticket_returns_have_room(&returns, 0));
    assert_false(ticket_returns_have_room(&returns, 1));
    ticket_close(&owner.ticket, PART_ACCEPTED);
    part_answer(&parts[1], PART_ACCEPTED);
    assert_false(ticket_returns_have_room(&returns, 1)); /* answered, but not home */
    assert_int_equal(ticket_collect(&returns), 1);
    assert_true(ticket_returns_have_room(&returns, 1));
    for (size_t i = 0; i < CLAIMS; i++) {
        part_answer(&parts[i], PART_ACCEPTED); /* every claim that is out has its place */
    }
    assert_int_equal(ticket_collect(&returns), CLAIMS - 1);
    assert_int_equal(owner.done_count, 1);
}

static void test_freed_part_answers_lost(void **state)
{
    (void)state;
    struct owner owner;
    struct part part = {0};
    open_owner(&owner);
    ticket_claim_hand_out(&owner.ticket, &returns, &owner.claims[0], &part);
    ticket_close(&owner.ticket, PART_ACCEPTED);
    part_fini(&part);
    assert_int_equal(ticket_collect(&returns), 1);
    assert_int_equal(owner.fate, PART_LOST);
}

static void test_memory_refused(void **state)
{
    (void)state;
    struct ticket_returns own;
    mem_fail_nth(1);
    assert_int_equal(ticket_returns_init(&own, CLAIMS), -ENOMEM);
    mem_fail_nth(0);
    ticket_returns_fini(&own);
}

/* --- two threads ------------------------------------------------------------------------------ */

static struct lane lane;
static _Atomic bool is_over;

/* The egress: answers every part, the fate by its number. */
static void *answer_all(void *argument)
{
    (void)argument;
    bool was_over = false;
    struct part *part = NULL;
    while (part != NULL || !was_over) {
        if (part != NULL) {
            part_answer(part, (enum part_fate)(part->item_count % 3));
            part_fini(part);
            lane_pop(&lane);
        } else {
            (void)sched_yield();
        }
        was_over = atomic_load(&is_over); /* first: nothing is pushed after it */
        part = lane_peek(&lane);
    }
    return NULL;
}

static void send_two(struct owner *owner, uint32_t number)
{
    for (uint32_t k = 0; k < 2; k++) {
        struct part part = {.item_count = k == 0 ? number : 0};
        while (lane_room(&lane) == 0) {
            (void)sched_yield();
        }
        ticket_claim_hand_out(&owner->ticket, &returns, &owner->claims[k], &part);
        lane_push(&lane, &part);
    }
    ticket_close(&owner->ticket, PART_ACCEPTED);
}

static void test_answers_come_home_from_another_thread(void **state)
{
    (void)state;
    static struct owner owners[STRESS_OPEN];
    pthread_t thread;
    uint32_t wrong_count = 0;
    ticket_returns_fini(&returns);
    assert_int_equal(ticket_returns_init(&returns, 2 * STRESS_OPEN), 0);
    assert_int_equal(lane_init(&lane, 32), 0);
    atomic_store(&is_over, false);
    assert_int_equal(pthread_create(&thread, NULL, answer_all, NULL), 0);
    for (uint32_t number = 0; number < STRESS_TICKETS; number++) {
        struct owner *owner = &owners[number % STRESS_OPEN];
        while (number >= STRESS_OPEN && owner->done_count == 0) {
            if (ticket_collect(&returns) == 0) {
                (void)sched_yield();
            }
        }
        bool was_right =
            number < STRESS_OPEN ||
            (owner->done_count == 1 && owner->fate == (enum part_fate)((number - STRESS_OPEN) % 3));
        wrong_count += was_right ? 0 : 1;
        open_owner(owner);
        send_two(owner, number);
    }
    atomic_store(&is_over, true);
    assert_int_equal(pthread_join(thread, NULL), 0);
    (void)ticket_collect(&returns);
    assert_int_equal(wrong_count, 0);
    assert_int_equal(returns.claim_count, 0);
    lane_fini(&lane);
}

#define TICKET_TEST(function) cmocka_unit_test_setup_teardown(function, open_returns, close_returns)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TICKET_TEST(test_ticket_without_claims_ends_when_it_is_closed),
        TICKET_TEST(test_answer_after_closing_ends_it_when_collected),
        TICKET_TEST(test_answer_before_closing_waits_for_it),
        TICKET_TEST(test_worst_of_many_counts_in_any_order),
        TICKET_TEST(test_claims_of_two_tickets_on_one_part),
        TICKET_TEST(test_room_is_for_claims_that_are_not_home),
        TICKET_TEST(test_freed_part_answers_lost),
        cmocka_unit_test(test_memory_refused),
        TICKET_TEST(test_answers_come_home_from_another_thread),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
