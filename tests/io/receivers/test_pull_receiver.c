/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of io/receivers/pull_receiver: a source on a real egress thread that pushes known points;
 * cycles, a full pipeline, the outbox at its limit and one past it, draining, closing at any step,
 * refused memory; on every backend.
 */
#include "tests/support/loop_fixture.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "core/base/mem.h"
#include "io/receivers/pull_receiver.h"
#include "tests/support/otlp_stubs.h"

#define POINTS 3 /* of every push */
#define INTERVAL_NS (2 * CLOCK_NS_PER_MS)
#define PATIENCE_NS (20 * CLOCK_NS_PER_S)

enum event { EVENT_CHECK, EVENT_OPEN, EVENT_START, EVENT_STOP, EVENT_FREE, EVENT_LIMIT };

static struct source {
    struct pull_receiver pull;
    uint32_t events[EVENT_LIMIT];
    uint64_t cycle_count;
    uint64_t pushes_per_cycle;
    uint64_t cycles_max;       /* later ones push nothing */
    uint64_t extra_push_count; /* by the test itself */
    uint64_t refused_count;
    size_t push_bytes;
    int check_err;
    int open_err;
} source;

static struct rig {
    struct worker egress;
    struct receiver_home home;
    struct stub_exporter exporter;
    struct pipeline pipeline;
    struct pipeline *list[1];
    struct worker_hook hook;
    bool answers; /* the egress thread's: everything taken is answered in the next turn */
} rig;

/* --- the source ------------------------------------------------------------------------------- */

static struct source *source_of(struct pull_receiver *pull)
{
    return CONTAINER_OF(pull, struct source, pull);
}

static int source_check(struct pull_receiver *pull, const struct receiver_home *home)
{
    assert_ptr_equal(home, &rig.home);
    source_of(pull)->events[EVENT_CHECK]++;
    return source_of(pull)->check_err;
}

static int source_open(struct pull_receiver *pull, struct loop *loop)
{
    assert_non_null(loop);
    source_of(pull)->events[EVENT_OPEN]++;
    return source_of(pull)->open_err;
}

static void source_start(struct pull_receiver *pull)
{
    source_of(pull)->events[EVENT_START]++;
}

static void source_collect(struct pull_receiver *pull, uint64_t now_mono_ns)
{
    static uint8_t bytes[PULL_OUTBOX_BYTES_MAX / 4];
    struct source *self = source_of(pull);
    assert_true(now_mono_ns > 0);
    self->cycle_count++;
    for (uint64_t i = 0; i < self->pushes_per_cycle && self->cycle_count <= self->cycles_max; i++) {
        int err = pull_push(pull, slice_of(bytes, self->push_bytes), POINTS);
        self->refused_count += err != 0;
    }
}

static void source_stop(struct pull_receiver *pull)
{
    source_of(pull)->events[EVENT_STOP]++;
}

static void source_free(struct pull_receiver *pull)
{
    source_of(pull)->events[EVENT_FREE]++;
}

static const struct pull_ops source_ops = {
    .type = "source",
    .check = source_check,
    .open = source_open,
    .start = source_start,
    .collect = source_collect,
    .stop = source_stop,
    .free = source_free,
};

/* --- the rig ---------------------------------------------------------------------------------- */

static bool rig_on_turn(struct worker_hook *hook, struct worker *worker)
{
    (void)hook;
    (void)worker;
    if (rig.answers) {
        stub_exporter_answer_all(&rig.exporter, DELIVERY_ACCEPTED);
        (void)pipeline_retry(&rig.pipeline);
    }
    return false;
}

static void add_hook(struct worker *worker, void *argument)
{
    worker_add_hook(worker, argument);
}

static void remove_hook(struct worker *worker, void *argument)
{
    worker_remove_hook(worker, argument);
}

static void set_room(struct worker *worker, void *argument)
{
    (void)worker;
    rig.exporter.room = *(const uint32_t *)argument;
}

static void rig_prepare(uint64_t pushes_per_cycle)
{
    const struct worker_options options = {
        .name = "egress-0", .loop = {.backend = loop_fixture_backend}, .cpu = -1};
    memset(&rig, 0, sizeof(rig));
    memset(&source, 0, sizeof(source));
    stub_exporter_init(&rig.exporter, STUB_TAKEN_MAX, false);
    rig.exporter.exporter.blocks_on_overflow = true;
    struct exporter *routes[] = {&rig.exporter.exporter};
    pipeline_init(&rig.pipeline, "metrics", SIGNAL_METRICS, routes, 1);
    rig.list[0] = &rig.pipeline;
    assert_int_equal(worker_start(&rig.egress, &options), 0);
    rig.home = (struct receiver_home){.egress = &rig.egress};
    rig.answers = true;
    rig.hook.on_turn = rig_on_turn;
    worker_call(&rig.egress, &rig.hook, add_hook);
    pull_receiver_init(&source.pull, &source_ops, "source/a", "http", INTERVAL_NS);
    source.pushes_per_cycle = pushes_per_cycle;
    source.push_bytes = 10;
    source.cycles_max = UINT64_MAX;
}

static struct receiver *receiver(void)
{
    return &source.pull.receiver;
}

static void rig_start(void)
{
    assert_int_equal(receiver()->ops->open(receiver(), &rig.home), 0);
    receiver()->ops->connect(receiver(), rig.list, 1);
    assert_int_equal(receiver()->ops->start(receiver()), 0);
}

static uint64_t count(const struct counter *counter)
{
    return counter_read(counter);
}

static void await(const struct counter *counter, uint64_t least)
{
    uint64_t deadline_mono_ns = clock_mono_ns() + PATIENCE_NS;
    while (count(counter) < least && clock_mono_ns() < deadline_mono_ns) {
        (void)usleep(500);
    }
    assert_true(count(counter) >= least);
}

static void await_drained(void)
{
    uint64_t deadline_mono_ns = clock_mono_ns() + PATIENCE_NS;
    receiver()->ops->drain(receiver(), false);
    while (!receiver()->ops->is_drained(receiver()) && clock_mono_ns() < deadline_mono_ns) {
        worker_wake(&rig.egress);
        (void)usleep(500);
    }
    assert_true(receiver()->ops->is_drained(receiver()));
}

/* Closes; every point that was pushed is in the books once. */
static void rig_close(void)
{
    const struct receiver_stats *stats = &source.pull.stats;
    receiver()->ops->close(receiver());
    assert_int_equal(source.events[EVENT_FREE], 1);
    worker_call(&rig.egress, &rig.hook, remove_hook);
    worker_stop(&rig.egress);
    stub_exporter_answer_all(&rig.exporter, DELIVERY_ACCEPTED);
    pipeline_abandon(&rig.pipeline);
    stub_exporter_answer_all(&rig.exporter, DELIVERY_ACCEPTED);
    pipeline_fini(&rig.pipeline);
    uint64_t invalid = 0;
    for (uint32_t i = 0; i < STATS_LINE_REASON_MAX; i++) {
        invalid += count(&stats->line_reasons[i]);
    }
    assert_int_equal(count(&stats->items_decoded), count(&stats->items_forwarded) + invalid);
    assert_int_equal(count(&stats->items_forwarded), count(&stats->accepted_points));
    uint64_t cycles =
        source.cycle_count < source.cycles_max ? source.cycle_count : source.cycles_max;
    uint64_t push_count = cycles * source.pushes_per_cycle + source.extra_push_count;
    assert_int_equal(count(&stats->items_decoded), push_count * POINTS);
}

/* --- tests ------------------------------------------------------------------------------------ */

static void test_cycles_push_until_the_drain(void **state)
{
    (void)state;
    rig_prepare(4);
    rig_start();
    await(&source.pull.stats.points_emitted, 50 * 4 * POINTS);
    await_drained();
    uint64_t cycles = source.cycle_count;
    (void)usleep(5000);
    assert_int_equal(source.cycle_count, cycles);
    assert_int_equal(source.events[EVENT_CHECK], 1);
    assert_int_equal(source.events[EVENT_OPEN], 1);
    assert_int_equal(source.events[EVENT_START], 1);
    assert_int_equal(source.events[EVENT_STOP], 1);
    assert_int_equal(source.refused_count, 0);
    rig_close();
    assert_int_equal(rig.exporter.items_seen, cycles * 4 * POINTS);
    assert_int_equal(source.events[EVENT_STOP], 1);
}

/* The pipeline holds one batch, the spread one part: so many more wait, and one past it does not.
 */
static void test_outbox_at_its_limit_and_one_past_it(void **state)
{
    (void)state;
    uint32_t room = 0;
    rig_prepare(PULL_OUTBOX_PARTS_MAX + 1);
    source.cycles_max = 1;
    rig.exporter.room = room;
    rig_start();
    await(&source.pull.stats.line_reasons[PULL_WHY_QUEUE_FULL], POINTS);
    receiver()->ops->drain(receiver(), false);
    (void)usleep(2000);
    assert_false(receiver()->ops->is_drained(receiver()));
    room = STUB_TAKEN_MAX;
    worker_call(&rig.egress, &room, set_room);
    await_drained();
    assert_int_equal(source.refused_count, 1);
    assert_int_equal(count(&source.pull.stats.line_reasons[PULL_WHY_QUEUE_FULL]), POINTS);
    rig_close();
    assert_int_equal(rig.exporter.items_seen, PULL_OUTBOX_PARTS_MAX * POINTS);
}

static void test_outbox_is_bounded_in_bytes(void **state)
{
    (void)state;
    rig_prepare(5);
    source.cycles_max = 1;
    source.push_bytes = PULL_OUTBOX_BYTES_MAX / 4;
    rig_start();
    await(&source.pull.stats.points_emitted, 4 * POINTS);
    await_drained();
    assert_int_equal(source.refused_count, 1);
    rig_close();
    assert_int_equal(rig.exporter.items_seen, 4 * POINTS);
}

static void test_closing_gives_up_what_waits(void **state)
{
    (void)state;
    rig_prepare(10);
    source.cycles_max = 1;
    rig.exporter.room = 0;
    rig_start();
    await(&source.pull.stats.items_forwarded, POINTS);
    rig_close();
    /* One part is with the pipeline; the one that came next waited for it, and so did the rest. */
    assert_int_equal(rig.exporter.items_seen, 0);
    assert_int_equal(count(&source.pull.stats.items_forwarded), POINTS);
    assert_int_equal(count(&source.pull.stats.line_reasons[PULL_WHY_SHUTDOWN]), 9 * POINTS);
}

static void test_closing_at_every_step(void **state)
{
    (void)state;
    rig_prepare(1);
    rig_close(); /* never opened */
    assert_int_equal(source.events[EVENT_STOP], 0);

    rig_prepare(1);
    source.check_err = -EINVAL;
    assert_int_equal(receiver()->ops->open(receiver(), &rig.home), -EINVAL);
    rig_close();
    assert_int_equal(source.events[EVENT_OPEN], 0);

    rig_prepare(1);
    source.open_err = -ENOMEM;
    assert_int_equal(receiver()->ops->open(receiver(), &rig.home), -ENOMEM);
    rig_close();
    assert_int_equal(source.events[EVENT_STOP], 1);

    rig_prepare(1);
    assert_int_equal(receiver()->ops->open(receiver(), &rig.home), 0);
    assert_true(receiver()->ops->is_drained(receiver())); /* nothing was started */
    rig_close();
    assert_int_equal(source.events[EVENT_STOP], 1);
}

static void test_reasons_have_labels(void **state)
{
    (void)state;
    rig_prepare(0);
    assert_string_equal(receiver()->ops->line_reason(PULL_WHY_QUEUE_FULL), "queue_full");
    assert_string_equal(receiver()->ops->line_reason(PULL_WHY_MEMORY), "memory_limit");
    assert_string_equal(receiver()->ops->line_reason(PULL_WHY_SHUTDOWN), "shutdown");
    assert_null(receiver()->ops->line_reason(PULL_WHY_LIMIT));
    rig_close();
}

static void push_without_memory(struct worker *worker, void *argument)
{
    (void)worker;
    (void)argument;
    mem_fail_nth(1);
    source.refused_count += pull_push(&source.pull, slice_of_text("bytes"), POINTS) == -ENOMEM;
    mem_fail_nth(0);
    assert_int_equal(pull_push(&source.pull, (struct slice){0}, 0), 0);
}

static void test_refused_memory_is_counted(void **state)
{
    (void)state;
    rig_prepare(1);
    source.cycles_max = 0;
    rig_start();
    worker_call(&rig.egress, NULL, push_without_memory);
    assert_int_equal(source.refused_count, 1);
    assert_int_equal(count(&source.pull.stats.line_reasons[PULL_WHY_MEMORY]), POINTS);
    source.extra_push_count = 1;
    await_drained();
    rig_close();
}

static int run(const char *name)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cycles_push_until_the_drain),
        cmocka_unit_test(test_outbox_at_its_limit_and_one_past_it),
        cmocka_unit_test(test_outbox_is_bounded_in_bytes),
        cmocka_unit_test(test_closing_gives_up_what_waits),
        cmocka_unit_test(test_closing_at_every_step),
        cmocka_unit_test(test_reasons_have_labels),
        cmocka_unit_test(test_refused_memory_is_counted),
    };
    return cmocka_run_group_tests_name(name, tests, NULL, NULL);
}

int main(void)
{
    return loop_fixture_main(run);
}
