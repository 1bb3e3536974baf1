/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of exporters/sender in virtual time: queueing, retries, drain, and the books after each.
 *
 * The upstream is a script of results; an attempt stays open until the test answers it. The loop
 * has timers and a clock that moves when told, and nothing else.
 */
#include "exporters/sender.h"

#include <stdarg.h>
#include <stddef.h>

#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/fault.h"
#include "core/base/mem.h"
#include "core/engine/pipeline.h"
#include "exporters/exporter_bounds.h"
#include "io/loop_ops.h"
#include "tests/support/exporter_books.h"

#define S CLOCK_NS_PER_S
#define START_MONO_NS (1000 * S)

/* --- a loop of timers ------------------------------------------------------------------------- */

static struct loop loop;

static int quiet_gather(struct loop *of, uint64_t wait_ns)
{
    (void)of;
    (void)wait_ns;
    return 0;
}

static void keep_clock(struct loop *of)
{
    (void)of;
}

static const struct loop_ops timer_loop_ops = {.gather = quiet_gather, .read_clock = keep_clock};

static void advance(uint64_t ns)
{
    loop_set_clock(&loop, loop_now_mono_ns(&loop) + ns, 0);
    while (loop_turn(&loop, 0) > 0) {
    }
}

/* --- an upstream by hand ---------------------------------------------------------------------- */

struct upstream {
    struct exporter exporter;
    struct sender sender;
    struct pipeline pipeline;
    struct send_slot *open[SENDER_CONSUMERS_MAX]; /* attempts without an answer, oldest first */
    uint32_t open_count;
    uint32_t attempt_count;
    uint32_t cancel_count;
    uint64_t attempt_mono_ns; /* of the last one */
    int send_result;
};

static struct upstream up;

static int upstream_send(struct sender *sender, struct send_slot *slot)
{
    assert_ptr_equal(sender, &up.sender);
    up.attempt_count++;
    up.attempt_mono_ns = loop_now_mono_ns(&loop);
    if (up.send_result == 0) {
        up.open[up.open_count] = slot;
        up.open_count++;
    }
    return up.send_result;
}

static void forget(const struct send_slot *slot)
{
    uint32_t i = 0;
    while (i < up.open_count && up.open[i] != slot) {
        i++;
    }
    assert_true(i < up.open_count);
    up.open_count--;
    memmove(&up.open[i], &up.open[i + 1], (up.open_count - i) * sizeof(up.open[0]));
}

static void upstream_cancel(struct sender *sender, struct send_slot *slot)
{
    (void)sender;
    up.cancel_count++;
    forget(slot);
}

static const struct sender_ops upstream_ops = {.send = upstream_send, .cancel = upstream_cancel};

/* Answers the attempt that is open longest. */
static void answer(struct send_result result)
{
    struct send_slot *slot = up.open[0];
    forget(slot);
    sender_done(slot, &result);
}

static int exporter_submit(struct exporter *exporter, struct batch *batch)
{
    (void)exporter;
    return sender_submit(&up.sender, batch);
}

static const struct exporter_ops exporter_ops_by_hand = {.type = "hand", .submit = exporter_submit};

static struct sender_config config_of(uint32_t consumer_count, uint64_t queue_size)
{
    return (struct sender_config){
        .retry = {.is_enabled = true,
                  .initial_interval_ns = 5 * S,
                  .max_interval_ns = 30 * S,
                  .max_elapsed_ns = 300 * S,
                  .multiplier = 1.5,
                  .randomization_factor = 0.5},
        .is_queue_enabled = true,
        .consumer_count = consumer_count,
        .queue_size_units = queue_size,
        .sizer = QUEUE_REQUESTS,
        .timeout_ns = 30 * S,
    };
}

static void open_with(const struct sender_config *config)
{
    struct exporter *route = &up.exporter;
    memset(&up, 0, sizeof(up));
    up.exporter.ops = &exporter_ops_by_hand;
    up.exporter.id = "hand/test";
    sender_init(&up.sender, &up.exporter, &upstream_ops, config);
    assert_int_equal(sender_open(&up.sender, &loop, 7), 0);
    pipeline_init(&up.pipeline, "metrics", SIGNAL_METRICS, &route, 1);
}

/* Every test ends here: nothing is lost, nothing is kept. */
static void close_and_check(void)
{
    sender_close(&up.sender);
    sender_close(&up.sender);
    pipeline_abandon(&up.pipeline);
    pipeline_fini(&up.pipeline);
    assert_int_equal(counter_read(&up.exporter.stats.items_held), 0);
    assert_int_equal(counter_read(&up.exporter.stats.queue_used), 0);
    assert_int_equal(counter_read(&up.exporter.stats.requests_in_flight), 0);
    assert_books_balance(&up.exporter.stats);
}

static void offer(uint32_t item_count)
{
    struct batch *batch = batch_new(SIGNAL_METRICS, 0);
    struct part part;
    assert_non_null(batch);
    assert_int_equal(part_copy(&part, SLICE_LITERAL("wire"), SIGNAL_METRICS, item_count), 0);
    assert_int_equal(batch_push(batch, &part), 0);
    assert_int_equal(pipeline_submit(&up.pipeline, &batch), 0);
}

static uint64_t stat(const struct counter *counter)
{
    return counter_read(counter);
}
#define STAT_IS(field, value) assert_int_equal(stat(&up.exporter.stats.field), value)

static int setup(void **state)
{
    (void)state;
    memset(&loop, 0, sizeof(loop));
    int err = loop_base_init(&loop, &timer_loop_ops, false);
    loop_set_clock(&loop, START_MONO_NS, 0);
    return err;
}

static int teardown(void **state)
{
    (void)state;
    loop_base_fini(&loop);
    return 0;
}

/* --- queueing --------------------------------------------------------------------------------- */

static void test_submit_sends_from_a_later_turn_and_books_delivery(void **state)
{
    (void)state;
    struct sender_config config = config_of(10, 1000);
    open_with(&config);
    offer(3);
    assert_int_equal(up.attempt_count, 0);
    assert_false(sender_is_idle(&up.sender));
    STAT_IS(items_held, 3);
    advance(0);
    assert_int_equal(up.attempt_count, 1);
    STAT_IS(requests_in_flight, 1);
    answer((struct send_result){.outcome = SEND_ACCEPTED});
    assert_true(sender_is_idle(&up.sender));
    assert_true(pipeline_is_idle(&up.pipeline));
    STAT_IS(items_delivered, 3);
    STAT_IS(requests_sent, 1);
    STAT_IS(requests_retried, 0);
    close_and_check();
}

static void test_an_exporter_may_count_its_requests_itself(void **state)
{
    (void)state;
    struct sender_config config = config_of(10, 1000);
    struct sender_ops ops = upstream_ops;
    ops.counts_requests = true;
    open_with(&config);
    up.sender.ops = &ops;
    offer(1);
    advance(0);
    answer((struct send_result){.outcome = SEND_RETRYABLE});
    advance(60 * S);
    assert_int_equal(up.attempt_count, 2);
    answer((struct send_result){.outcome = SEND_ACCEPTED});
    STAT_IS(requests_sent, 0);
    STAT_IS(requests_retried, 0);
    close_and_check();
}

static void test_no_more_than_num_consumers_are_in_flight(void **state)
{
    (void)state;
    struct sender_config config = config_of(2, 1000);
    open_with(&config);
    for (int i = 0; i < 5; i++) {
        offer(1);
    }
    advance(0);
    assert_int_equal(up.open_count, 2);
    answer((struct send_result){.outcome = SEND_ACCEPTED});
    assert_int_equal(up.open_count, 2);
    assert_int_equal(up.attempt_count, 3);
    while (up.open_count > 0) {
        answer((struct send_result){.outcome = SEND_ACCEPTED});
    }
    STAT_IS(items_delivered, 5);
    close_and_check();
}

static void test_a_full_queue_makes_the_pipeline_hold(void **state)
{
    (void)state;
    struct sender_config config = config_of(1, 2);
    open_with(&config);
    offer(1);
    advance(0);
    offer(1);
    offer(1); /* one in flight and one waiting are two of two */
    assert_true(pipeline_is_holding(&up.pipeline));
    STAT_IS(queue_used, 2);
    STAT_IS(queue_capacity, 2);
    answer((struct send_result){.outcome = SEND_ACCEPTED});
    assert_true(pipeline_retry(&up.pipeline));
    answer((struct send_result){.outcome = SEND_ACCEPTED});
    advance(0);
    answer((struct send_result){.outcome = SEND_ACCEPTED});
    STAT_IS(items_delivered, 3);
    close_and_check();
}

static void test_a_batch_larger_than_the_queue_is_dropped_in_a_later_turn(void **state)
{
    (void)state;
    struct sender_config config = config_of(1, 10);
    config.sizer = QUEUE_ITEMS;
    open_with(&config);
    offer(11);
    assert_false(pipeline_is_holding(&up.pipeline));
    assert_false(sender_is_idle(&up.sender));
    STAT_IS(items_held, 11);
    advance(0);
    assert_int_equal(up.attempt_count, 0);
    STAT_IS(items_dropped_queue_full, 11);
    offer(10);
    advance(0);
    assert_int_equal(up.attempt_count, 1);
    answer((struct send_result){.outcome = SEND_ACCEPTED});
    close_and_check();
}

static void test_without_a_queue_only_what_can_be_sent_is_taken(void **state)
{
    (void)state;
    struct sender_config config = config_of(2, 1000);
    config.is_queue_enabled = false;
    open_with(&config);
    assert_true(up.exporter.blocks_on_overflow);
    offer(1);
    offer(1);
    offer(1);
    assert_true(pipeline_is_holding(&up.pipeline));
    advance(0);
    assert_int_equal(up.open_count, 2);
    answer((struct send_result){.outcome = SEND_ACCEPTED});
    assert_true(pipeline_retry(&up.pipeline));
    advance(0);
    answer((struct send_result){.outcome = SEND_ACCEPTED});
    answer((struct send_result){.outcome = SEND_ACCEPTED});
    close_and_check();
}

/* --- results ---------------------------------------------------------------------------------- */

static void test_partial_success_is_split_in_the_books(void **state)
{
    (void)state;
    struct sender_config config = config_of(1, 10);
    open_with(&config);
    offer(10);
    advance(0);
    answer((struct send_result){
        .outcome = SEND_ACCEPTED, .rejected_items = 4, .reason = SLICE_LITERAL("too old")});
    STAT_IS(items_delivered, 6);
    STAT_IS(items_rejected_partial, 4);
    close_and_check();
}

/* The reasons that the exporter by hand has for its batches. */
static struct rejects reasons(uint64_t too_old, uint64_t expired)
{
    struct rejects rejects = {.count = 0};
    rejects_add(&rejects, &up.exporter.stats.items_rejected_too_old, too_old);
    rejects_add(&rejects, &up.exporter.stats.items_rejected_expired, expired);
    return rejects;
}

static void test_reasons_stand_in_the_books_instead_of_the_whole(void **state)
{
    (void)state;
    struct sender_config config = config_of(1, 10);
    open_with(&config);
    struct rejects known = reasons(2, 1);
    offer(10);
    advance(0);
    up.open[0]->rejects = &known;
    answer((struct send_result){.outcome = SEND_ACCEPTED, .rejected_items = 4});
    STAT_IS(items_rejected_too_old, 2);
    STAT_IS(items_rejected_expired, 1);
    STAT_IS(items_rejected_partial, 1);
    offer(5);
    advance(0);
    assert_null(up.open[0]->rejects); /* of another batch */
    up.open[0]->rejects = &known;
    answer((struct send_result){.outcome = SEND_REJECTED});
    STAT_IS(items_rejected_too_old, 4);
    STAT_IS(items_rejected_expired, 2);
    STAT_IS(items_rejected, 2);
    STAT_IS(items_rejected_partial, 1);
    close_and_check();
}

static void test_what_is_given_up_keeps_the_reasons_of_what_was_refused(void **state)
{
    (void)state;
    struct sender_config config = config_of(1, 10);
    config.retry.is_enabled = false;
    open_with(&config);
    struct rejects known = reasons(2, 0);
    offer(10);
    advance(0);
    up.open[0]->rejects = &known;
    up.open[0]->delivered_items = 5;
    up.open[0]->rejected_items = 3;
    answer((struct send_result){.outcome = SEND_RETRYABLE});
    STAT_IS(items_delivered, 5);
    STAT_IS(items_rejected_too_old, 2);
    STAT_IS(items_rejected_partial, 1);
    STAT_IS(items_dropped_retry, 2);
    close_and_check();
}

static void test_a_permanent_error_is_counted_and_not_repeated(void **state)
{
    (void)state;
    struct sender_config config = config_of(1, 10);
    open_with(&config);
    offer(5);
    advance(0);
    answer((struct send_result){.outcome = SEND_REJECTED, .status = 400});
    advance(3600 * S);
    assert_int_equal(up.attempt_count, 1);
    STAT_IS(items_rejected, 5);
    close_and_check();
}

static void test_a_send_that_cannot_begin_is_judged_by_its_code(void **state)
{
    (void)state;
    struct sender_config config = config_of(1, 10);
    open_with(&config);
    up.send_result = FAULT_UNSUPPORTED;
    offer(1);
    offer(1);
    advance(0);
    STAT_IS(items_rejected, 2);
    up.send_result = -ENOMEM;
    offer(1);
    advance(0);
    assert_int_equal(up.attempt_count, 3);
    up.send_result = 0;
    advance(8 * S);
    assert_int_equal(up.attempt_count, 4);
    answer((struct send_result){.outcome = SEND_ACCEPTED});
    STAT_IS(items_delivered, 1);
    close_and_check();
}

/* --- retries ---------------------------------------------------------------------------------- */

static void fail_once(uint64_t retry_after_ns)
{
    answer((struct send_result){
        .outcome = SEND_RETRYABLE, .status = 503, .retry_after_ns = retry_after_ns});
}

static void test_attempts_are_bounded_where_the_configuration_says_so(void **state)
{
    (void)state;
    struct sender_config config = config_of(1, 10);
    config.attempts_max = 3;
    open_with(&config);
    offer(2);
    advance(0);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(up.open_count, 1);
        fail_once(0);
        advance(60 * S);
    }
    assert_int_equal(up.attempt_count, 3);
    STAT_IS(items_dropped_retry, 2);
    STAT_IS(requests_retried, 2);
    offer(1); /* the next batch has all of them again */
    advance(0);
    fail_once(0);
    advance(60 * S);
    fail_once(0);
    advance(60 * S);
    answer((struct send_result){.outcome = SEND_ACCEPTED});
    STAT_IS(items_delivered, 1);
    close_and_check();
}

/* Moves on in steps until another attempt is made; returns how long that took. */
static uint64_t wait_for_attempt(uint64_t step_ns, uint64_t limit_ns)
{
    uint64_t waited_ns = 0;
    uint32_t before_count = up.attempt_count;
    while (up.attempt_count == before_count && waited_ns < limit_ns) {
        advance(step_ns);
        waited_ns += step_ns;
    }
    return waited_ns;
}

static void test_backoff_keeps_within_its_jitter(void **state)
{
    (void)state;
    static const uint64_t interval_ms[] = {5000, 7500, 11250, 16875, 25312, 30000, 30000};
    struct sender_config config = config_of(1, 10);
    open_with(&config);
    offer(2);
    advance(0);
    for (size_t i = 0; i < COUNT_OF(interval_ms); i++) {
        fail_once(0);
        STAT_IS(items_held, 2);
        STAT_IS(requests_in_flight, 0);
        uint64_t waited_ms = wait_for_attempt(S / 100, 60 * S) / CLOCK_NS_PER_MS;
        assert_in_range(waited_ms, interval_ms[i] / 2, interval_ms[i] * 3 / 2 + 10);
    }
    STAT_IS(requests_retried, COUNT_OF(interval_ms));
    answer((struct send_result){.outcome = SEND_ACCEPTED});
    STAT_IS(items_delivered, 2);
    close_and_check();
}

static void test_max_elapsed_time_ends_the_retries(void **state)
{
    (void)state;
    struct sender_config config = config_of(1, 10);
    open_with(&config);
    offer(9);
    advance(0);
    while (up.open_count > 0) {
        fail_once(0);
        (void)wait_for_attempt(S, 60 * S);
    }
    assert_true(up.attempt_mono_ns <= START_MONO_NS + 300 * S);
    assert_true(up.attempt_mono_ns >= START_MONO_NS + 250 * S);
    STAT_IS(items_dropped_retry, 9);
    close_and_check();
}

static void test_retry_after_is_waited_for(void **state)
{
    (void)state;
    struct sender_config config = config_of(1, 10);
    open_with(&config);
    offer(1);
    advance(0);
    fail_once(60 * S);
    advance(60 * S - 1);
    assert_int_equal(up.attempt_count, 1);
    advance(1);
    assert_int_equal(up.attempt_count, 2);
    answer((struct send_result){.outcome = SEND_ACCEPTED});
    close_and_check();
}

static void test_retries_switched_off_drop_at_the_first_failure(void **state)
{
    (void)state;
    struct sender_config config = config_of(1, 10);
    config.retry.is_enabled = false;
    open_with(&config);
    offer(1);
    advance(0);
    fail_once(0);
    STAT_IS(items_dropped_retry, 1);
    assert_true(sender_is_idle(&up.sender));
    close_and_check();
}

static void test_a_waiting_batch_keeps_its_place_in_hand(void **state)
{
    (void)state;
    struct sender_config config = config_of(1, 10);
    open_with(&config);
    offer(1);
    offer(1);
    advance(0);
    fail_once(0);
    advance(S);
    assert_int_equal(up.attempt_count, 1); /* the second one waits behind the first */
    (void)wait_for_attempt(S, 10 * S);
    answer((struct send_result){.outcome = SEND_ACCEPTED});
    assert_int_equal(up.open_count, 1);
    answer((struct send_result){.outcome = SEND_ACCEPTED});
    close_and_check();
}

/* --- the end ---------------------------------------------------------------------------------- */

static void test_drain_cuts_the_backoff_short_and_goes_on_retrying(void **state)
{
    (void)state;
    struct sender_config config = config_of(2, 10);
    open_with(&config);
    offer(1);
    offer(2);
    offer(4);
    advance(0);
    fail_once(0); /* the first one waits, the second is in flight, the third in the queue */
    assert_int_equal(up.attempt_count, 2);
    sender_drain(&up.sender, loop_now_mono_ns(&loop) + 10 * S);
    advance(0);
    assert_int_equal(up.attempt_count, 3); /* the first one, at once */
    assert_int_equal(sender_attempt_timeout_ns(&up.sender), 10 * S);
    fail_once(0);
    fail_once(0); /* both wait, and not for the five seconds of their configuration */
    assert_in_range(wait_for_attempt(S / 100, 10 * S), S / 2, 3 * S / 2 + S / 100);
    advance(S);
    assert_int_equal(up.attempt_count, 5);
    answer((struct send_result){.outcome = SEND_ACCEPTED});
    assert_int_equal(up.attempt_count, 6); /* the third takes its place */
    answer((struct send_result){.outcome = SEND_ACCEPTED});
    answer((struct send_result){.outcome = SEND_ACCEPTED});
    STAT_IS(items_delivered, 7);
    assert_true(sender_is_idle(&up.sender));
    close_and_check();
}

static void test_a_drain_retries_until_its_deadline(void **state)
{
    (void)state;
    struct sender_config config = config_of(1, 10);
    open_with(&config);
    offer(3);
    offer(5);
    advance(0);
    uint64_t deadline_mono_ns = loop_now_mono_ns(&loop) + 10 * S;
    sender_drain(&up.sender, deadline_mono_ns);
    while (up.open_count > 0) {
        assert_true(loop_now_mono_ns(&loop) < deadline_mono_ns);
        fail_once(0);
        (void)wait_for_attempt(S / 100, 11 * S);
    }
    /* Backoffs of one second at most, and the last attempt shortly before the end. */
    assert_true(up.attempt_count >= 7);
    assert_true(up.attempt_mono_ns > deadline_mono_ns - S);
    advance(S);
    assert_true(sender_is_idle(&up.sender));
    STAT_IS(items_dropped_shutdown, 8);
    STAT_IS(items_dropped_retry, 0);
    close_and_check();
}

static void test_a_drain_keeps_configured_backoffs_that_are_shorter(void **state)
{
    (void)state;
    struct sender_config config = config_of(1, 10);
    config.retry.initial_interval_ns = S / 10;
    config.retry.max_interval_ns = S / 10;
    open_with(&config);
    offer(1);
    advance(0);
    sender_drain(&up.sender, loop_now_mono_ns(&loop) + 10 * S);
    for (int i = 0; i < 5; i++) {
        fail_once(0);
        assert_in_range(wait_for_attempt(S / 1000, S), S / 20, 3 * S / 20 + S / 1000);
    }
    answer((struct send_result){.outcome = SEND_ACCEPTED});
    close_and_check();
}

static void test_a_drain_honours_retry_after_within_its_time_only(void **state)
{
    (void)state;
    struct sender_config config = config_of(1, 10);
    open_with(&config);
    offer(1);
    advance(0);
    sender_drain(&up.sender, loop_now_mono_ns(&loop) + 10 * S);
    fail_once(4 * S);
    advance(4 * S - 1);
    assert_int_equal(up.attempt_count, 1);
    advance(1);
    assert_int_equal(up.attempt_count, 2);
    fail_once(6 * S - 1); /* one moment before the end */
    assert_false(sender_is_idle(&up.sender));
    advance(6 * S - 1);
    assert_int_equal(up.attempt_count, 3);
    fail_once(0); /* no time for another */
    assert_true(sender_is_idle(&up.sender));
    STAT_IS(items_dropped_shutdown, 1);
    close_and_check();
}

static void test_a_drain_gives_up_at_once_what_a_peer_refuses_until_after_it(void **state)
{
    (void)state;
    struct sender_config config = config_of(1, 10);
    open_with(&config);
    offer(1);
    advance(0);
    sender_drain(&up.sender, loop_now_mono_ns(&loop) + 10 * S);
    fail_once(10 * S);
    assert_true(sender_is_idle(&up.sender));
    STAT_IS(items_dropped_shutdown, 1);
    close_and_check();
}

static void test_a_drain_does_not_lift_the_limits_of_retrying(void **state)
{
    (void)state;
    struct sender_config config = config_of(2, 10);
    config.retry.max_elapsed_ns = 3 * S;
    open_with(&config);
    offer(1);
    advance(0);
    sender_drain(&up.sender, loop_now_mono_ns(&loop) + 10 * S);
    while (up.open_count > 0) {
        fail_once(0);
        (void)wait_for_attempt(S / 10, 5 * S);
    }
    assert_true(up.attempt_mono_ns <= START_MONO_NS + 3 * S);
    STAT_IS(items_dropped_retry, 1);
    close_and_check();
    config.retry.is_enabled = false;
    open_with(&config);
    offer(1);
    advance(0);
    sender_drain(&up.sender, loop_now_mono_ns(&loop) + 10 * S);
    fail_once(0);
    STAT_IS(items_dropped_retry, 1);
    close_and_check();
}

static void test_the_drains_deadline_gives_up_what_is_left(void **state)
{
    (void)state;
    struct sender_config config = config_of(1, 10);
    open_with(&config);
    offer(1);
    offer(2);
    advance(0);
    sender_drain(&up.sender, loop_now_mono_ns(&loop) + 10 * S);
    advance(10 * S - 1);
    assert_false(sender_is_idle(&up.sender));
    advance(1);
    assert_true(sender_is_idle(&up.sender));
    assert_int_equal(up.cancel_count, 1);
    STAT_IS(items_dropped_shutdown, 3);
    close_and_check();
}

static void test_a_deadline_that_has_passed_ends_the_drain_at_once(void **state)
{
    (void)state;
    struct sender_config config = config_of(2, 10);
    open_with(&config);
    offer(1);
    offer(2);
    offer(4);
    advance(0);
    sender_drain(&up.sender, loop_now_mono_ns(&loop) + 10 * S);
    fail_once(0); /* 1 waits, 2 is in flight, 4 is in the queue */
    sender_drain(&up.sender, 0);
    assert_true(sender_is_idle(&up.sender));
    assert_true(pipeline_is_idle(&up.pipeline));
    STAT_IS(items_dropped_shutdown, 7);
    assert_int_equal(up.cancel_count, 1);
    advance(20 * S);
    close_and_check();
}

static void test_close_gives_up_in_every_state(void **state)
{
    (void)state;
    struct sender_config config = config_of(2, 10);
    config.sizer = QUEUE_ITEMS;
    open_with(&config);
    offer(1);
    offer(2);
    advance(0);
    fail_once(0); /* 1 waits, 2 is in flight */
    offer(3);
    offer(7); /* does not fit */
    assert_true(pipeline_is_holding(&up.pipeline));
    sender_close(&up.sender);
    STAT_IS(items_dropped_shutdown, 6);
    close_and_check();
    STAT_IS(items_dropped_shutdown, 13);
}

static void test_open_without_memory_can_be_closed(void **state)
{
    (void)state;
    struct sender_config config = config_of(1, 10);
    memset(&up, 0, sizeof(up));
    sender_init(&up.sender, &up.exporter, &upstream_ops, &config);
    mem_fail_nth(1);
    assert_int_equal(sender_open(&up.sender, &loop, 1), -ENOMEM);
    sender_close(&up.sender);
    assert_true(sender_is_idle(&up.sender));
}

static void test_submit_without_memory_takes_nothing(void **state)
{
    (void)state;
    struct sender_config config = config_of(1, 10);
    open_with(&config);
    struct batch batch = {.item_count = 5};
    mem_fail_nth(1);
    assert_int_equal(sender_submit(&up.sender, &batch), -EAGAIN);
    mem_fail_nth(0);
    STAT_IS(items_held, 0);
    advance(0);
    assert_int_equal(up.attempt_count, 0);
    close_and_check();
}

#define TIMED(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TIMED(test_submit_sends_from_a_later_turn_and_books_delivery),
        TIMED(test_an_exporter_may_count_its_requests_itself),
        TIMED(test_no_more_than_num_consumers_are_in_flight),
        TIMED(test_a_full_queue_makes_the_pipeline_hold),
        TIMED(test_a_batch_larger_than_the_queue_is_dropped_in_a_later_turn),
        TIMED(test_without_a_queue_only_what_can_be_sent_is_taken),
        TIMED(test_partial_success_is_split_in_the_books),
        TIMED(test_reasons_stand_in_the_books_instead_of_the_whole),
        TIMED(test_what_is_given_up_keeps_the_reasons_of_what_was_refused),
        TIMED(test_attempts_are_bounded_where_the_configuration_says_so),
        TIMED(test_a_permanent_error_is_counted_and_not_repeated),
        TIMED(test_a_send_that_cannot_begin_is_judged_by_its_code),
        TIMED(test_backoff_keeps_within_its_jitter),
        TIMED(test_max_elapsed_time_ends_the_retries),
        TIMED(test_retry_after_is_waited_for),
        TIMED(test_retries_switched_off_drop_at_the_first_failure),
        TIMED(test_a_waiting_batch_keeps_its_place_in_hand),
        TIMED(test_drain_cuts_the_backoff_short_and_goes_on_retrying),
        TIMED(test_a_drain_retries_until_its_deadline),
        TIMED(test_a_drain_keeps_configured_backoffs_that_are_shorter),
        TIMED(test_a_drain_honours_retry_after_within_its_time_only),
        TIMED(test_a_drain_gives_up_at_once_what_a_peer_refuses_until_after_it),
        TIMED(test_a_drain_does_not_lift_the_limits_of_retrying),
        TIMED(test_the_drains_deadline_gives_up_what_is_left),
        TIMED(test_a_deadline_that_has_passed_ends_the_drain_at_once),
        TIMED(test_close_gives_up_in_every_state),
        TIMED(test_open_without_memory_can_be_closed),
        TIMED(test_submit_without_memory_takes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
