/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of io/worker: start and stop, calls in their order on the worker's thread, hooks, wakes;
 * on both backends. Meant to be run under the thread sanitizer too.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/mem.h"
#include "io/worker.h"

#define SKIPPED 77
#define PATIENCE_NS (10 * CLOCK_NS_PER_S)
#define CALLS 2000
#define POLLS 700 /* connections of a client whose owner has many targets */
#define HOOKS 300 /* a reload of many receivers has that many for a while */
#define RESTARTS 200
#define WAKERS 4
#define WAKES 1000

static enum loop_backend backend;

static struct worker_options options_now(void)
{
    return (struct worker_options){
        .name = "test-worker", .id = 3, .loop = {.backend = backend}, .cpu = -1};
}

static void start(struct worker *worker)
{
    struct worker_options options = options_now();
    assert_int_equal(worker_start(worker, &options), 0);
}

/* A hook that counts its turns and says there is more as often as it is told to. */
struct counting_hook {
    struct worker_hook hook;
    _Atomic uint64_t turn_count;
    _Atomic uint64_t more_count;
};

static bool count_turn(struct worker_hook *hook, struct worker *worker)
{
    (void)worker;
    struct counting_hook *counting = CONTAINER_OF(hook, struct counting_hook, hook);
    atomic_fetch_add(&counting->turn_count, 1);
    uint64_t more_count = atomic_load(&counting->more_count);
    if (more_count == 0) {
        return false;
    }
    atomic_store(&counting->more_count, more_count - 1);
    return true;
}

static void add_hook(struct worker *worker, void *argument)
{
    worker_add_hook(worker, argument);
}

static void remove_hook(struct worker *worker, void *argument)
{
    worker_remove_hook(worker, argument);
}

static void do_nothing(struct worker *worker, void *argument)
{
    (void)worker;
    (void)argument;
}

static void wait_for(_Atomic uint64_t *value, uint64_t wanted)
{
    uint64_t deadline_mono_ns = clock_mono_ns() + PATIENCE_NS;
    while (atomic_load(value) < wanted && clock_mono_ns() < deadline_mono_ns) {
        (void)usleep(100);
    }
    assert_true(atomic_load(value) >= wanted);
}

/* --- start and stop -------------------------------------------------------------------------- */

static void read_thread_name(struct worker *worker, void *argument)
{
    (void)worker;
    (void)pthread_getname_np(pthread_self(), argument, 16);
}

static void test_start_opens_a_loop_of_the_wanted_backend(void **state)
{
    (void)state;
    static struct worker worker;
    char name[16] = "";
    start(&worker);
    assert_int_equal(loop_backend_of(worker.loop), backend);
    assert_true(strlen(worker.backend_text) > 0);
    assert_int_equal(worker.id, 3);
    assert_int_equal(worker.open_fault, 0);
    worker_call(&worker, name, read_thread_name);
    assert_string_equal(name, "test-worker");
    worker_stop(&worker);
    assert_null(worker.loop);
    worker_stop(&worker);
}

/* A busy worker may see the end before the stopper has woken it. */
static void test_a_busy_worker_may_be_stopped_and_started_at_any_time(void **state)
{
    (void)state;
    static struct worker worker;
    for (uint32_t i = 0; i < RESTARTS; i++) {
        struct counting_hook busy = {.hook = {.on_turn = count_turn}, .more_count = UINT64_MAX};
        start(&worker);
        if (i % 2 == 0) {
            worker_call(&worker, &busy.hook, add_hook);
        }
        worker_stop(&worker);
        assert_null(worker.loop);
    }
}

static struct loop_poll watched[POLLS];
static uint32_t unwatched_count; /* of the worker's thread, then ours */

static void on_ready(struct loop_poll *poll, uint32_t events)
{
    (void)poll;
    (void)events;
}

static void on_unwatched(struct loop_poll *poll)
{
    (void)poll;
    unwatched_count++;
}

static void watch_many(struct worker *worker, void *argument)
{
    (void)argument;
    for (uint32_t i = 0; i < POLLS; i++) {
        watched[i] = (struct loop_poll){
            .fd = socket(AF_INET, SOCK_DGRAM, 0), .on_ready = on_ready, .on_closed = on_unwatched};
        assert_true(watched[i].fd >= 0);
        assert_int_equal(loop_poll_watch(worker->loop, &watched[i], LOOP_POLL_READ), 0);
    }
}

static void unwatch_all(struct worker *worker, void *argument)
{
    (void)argument;
    for (uint32_t i = 0; i < POLLS; i++) {
        loop_poll_stop(worker->loop, &watched[i]);
        (void)close(watched[i].fd);
    }
}

/* However many turns it takes, everything that was stopped has closed before the loop does. */
static void test_what_was_stopped_last_closes_before_the_loop(void **state)
{
    (void)state;
    static struct worker worker;
    for (uint32_t i = 0; i < 20; i++) {
        unwatched_count = 0;
        start(&worker);
        worker_call(&worker, NULL, watch_many);
        worker_call(&worker, NULL, do_nothing);
        worker_call(&worker, NULL, unwatch_all);
        worker_stop(&worker);
        assert_int_equal(unwatched_count, POLLS);
    }
}

static void test_start_without_memory_leaves_nothing(void **state)
{
    (void)state;
    static struct worker worker;
    struct worker_options options = options_now();
    mem_fail_nth(1);
    assert_int_equal(worker_start(&worker, &options), -ENOMEM);
    mem_fail_nth(0);
    assert_false(worker.is_started);
    start(&worker);
    worker_stop(&worker);
}

static void read_cpu(struct worker *worker, void *argument)
{
    (void)worker;
    *(int *)argument = sched_getcpu();
}

static void test_pinning_to_a_cpu_holds_and_to_none_does_no_harm(void **state)
{
    (void)state;
    static struct worker worker;
    cpu_set_t set;
    CPU_ZERO(&set);
    assert_int_equal(sched_getaffinity(0, sizeof(set), &set), 0);
    int last_cpu = CPU_SETSIZE - 1;
    while (!CPU_ISSET((size_t)last_cpu, &set)) {
        last_cpu--;
    }
    struct worker_options options = options_now();
    int cpu = -1;
    options.cpu = last_cpu;
    assert_int_equal(worker_start(&worker, &options), 0);
    worker_call(&worker, &cpu, read_cpu);
    assert_int_equal(cpu, last_cpu);
    worker_stop(&worker);

    options.cpu = CPU_SETSIZE - 1; /* no machine of ours has it */
    assert_int_equal(worker_start(&worker, &options), 0);
    worker_call(&worker, &cpu, read_cpu);
    assert_true(cpu >= 0 && cpu < CPU_SETSIZE - 1);
    worker_stop(&worker);
}

static void read_policy(struct worker *worker, void *argument)
{
    (void)worker;
    *(int *)argument = sched_getscheduler(0);
}

static void test_who_yields_the_cpu_has_the_batch_policy(void **state)
{
    (void)state;
    static struct worker worker;
    static const int policies[] = {[false] = SCHED_OTHER, [true] = SCHED_BATCH};
    for (int yields_cpu = 0; yields_cpu < 2; yields_cpu++) {
        struct worker_options options = options_now();
        int policy = -1;
        options.yields_cpu = yields_cpu != 0;
        assert_int_equal(worker_start(&worker, &options), 0);
        worker_call(&worker, &policy, read_policy);
        worker_stop(&worker);
        assert_int_equal(policy, policies[yields_cpu]);
    }
    assert_int_equal(sched_getscheduler(0), SCHED_OTHER);
}

/* --- calls ----------------------------------------------------------------------------------- */

/* Plain fields on purpose: a call must order them for both threads. */
struct record {
    uint32_t calls[CALLS];
    uint32_t call_count;
    uint32_t next;
    pthread_t thread;
    uint32_t elsewhere_count;
};

static void record_call(struct worker *worker, void *argument)
{
    struct record *record = argument;
    if (record->call_count == 0) {
        record->thread = pthread_self();
    }
    if (pthread_equal(record->thread, pthread_self()) == 0 ||
        pthread_equal(worker->thread, pthread_self()) == 0) {
        record->elsewhere_count++;
    }
    record->calls[record->call_count] = record->next;
    record->call_count++;
}

static void make_calls(struct worker *worker)
{
    static struct record record;
    memset(&record, 0, sizeof(record));
    for (uint32_t i = 0; i < CALLS; i++) {
        record.next = i;
        worker_call(worker, &record, record_call);
        assert_int_equal(record.call_count, i + 1);
    }
    for (uint32_t i = 0; i < CALLS; i++) {
        assert_int_equal(record.calls[i], i);
    }
    assert_int_equal(record.elsewhere_count, 0);
    assert_int_equal(pthread_equal(record.thread, pthread_self()), 0);
}

static void test_calls_run_in_order_on_the_workers_thread(void **state)
{
    (void)state;
    static struct worker worker;
    start(&worker);
    make_calls(&worker);
    worker_stop(&worker);
}

static void test_calls_are_not_held_up_by_a_hook_that_always_has_more(void **state)
{
    (void)state;
    static struct worker worker;
    struct counting_hook busy = {.hook = {.on_turn = count_turn}, .more_count = UINT64_MAX};
    start(&worker);
    worker_call(&worker, &busy.hook, add_hook);
    make_calls(&worker);
    worker_call(&worker, &busy.hook, remove_hook);
    assert_true(atomic_load(&busy.turn_count) > 0);
    worker_stop(&worker);
}

/* --- hooks and wakes ------------------------------------------------------------------------- */

static void test_hook_runs_while_it_has_more_and_then_only_when_woken(void **state)
{
    (void)state;
    static struct worker worker;
    struct counting_hook counting = {.hook = {.on_turn = count_turn}, .more_count = 100};
    start(&worker);
    worker_call(&worker, &counting.hook, add_hook);
    wait_for(&counting.turn_count, 101); /* nobody woke it in between */
    assert_int_equal(atomic_load(&counting.more_count), 0);
    for (uint32_t i = 0; i < 20; i++) {
        uint64_t before = atomic_load(&counting.turn_count);
        worker_wake(&worker);
        wait_for(&counting.turn_count, before + 1);
    }
    /* Once the wakes that are still under way have come through, an idle worker sleeps. */
    bool is_quiet = false;
    for (uint32_t i = 0; i < 20 && !is_quiet; i++) {
        uint64_t before = atomic_load(&counting.turn_count);
        (void)usleep(50000);
        is_quiet = atomic_load(&counting.turn_count) == before;
    }
    assert_true(is_quiet);
    worker_call(&worker, &counting.hook, remove_hook);
    uint64_t last = atomic_load(&counting.turn_count);
    worker_call(&worker, NULL, do_nothing);
    assert_int_equal(atomic_load(&counting.turn_count), last);
    worker_stop(&worker);
    assert_true(counter_read(&worker.stats.turns) >= 100);
    assert_int_equal(counter_read(&worker.stats.route_allocations), 0);
}

/* Hooks that note the order in which they run, as far as there is room. */
struct ordered_hooks;

struct ordered_hook {
    struct worker_hook hook;
    uint32_t index;
    struct ordered_hooks *all;
};

struct ordered_hooks {
    struct ordered_hook hooks[HOOKS];
    uint32_t order[HOOKS];
    uint32_t order_count;
    _Atomic uint64_t round_count; /* runs of the last hook */
};

static bool note_order(struct worker_hook *hook, struct worker *worker)
{
    (void)worker;
    struct ordered_hook *ordered = CONTAINER_OF(hook, struct ordered_hook, hook);
    struct ordered_hooks *all = ordered->all;
    if (all->order_count < HOOKS) {
        all->order[all->order_count] = ordered->index;
        all->order_count++;
    }
    if (ordered->index == HOOKS - 1) {
        atomic_fetch_add(&all->round_count, 1);
    }
    return false;
}

static void add_all(struct worker *worker, void *argument)
{
    struct ordered_hooks *all = argument;
    for (uint32_t i = 0; i < HOOKS; i++) {
        all->hooks[i] =
            (struct ordered_hook){.hook = {.on_turn = note_order}, .index = i, .all = all};
        worker_add_hook(worker, &all->hooks[i].hook);
    }
}

static void restart_order(struct worker *worker, void *argument)
{
    (void)worker;
    struct ordered_hooks *all = argument;
    all->order_count = 0;
    atomic_store(&all->round_count, 0);
}

static void test_many_hooks_run_in_the_order_they_came(void **state)
{
    (void)state;
    static struct worker worker;
    static struct ordered_hooks all;
    memset(&all, 0, sizeof(all));
    start(&worker);
    worker_call(&worker, &all, add_all);
    wait_for(&all.round_count, 1);
    for (uint32_t i = 0; i < HOOKS; i++) {
        assert_int_equal(all.order[i], i);
    }
    worker_call(&worker, &all.hooks[5].hook, remove_hook);
    worker_call(&worker, &all.hooks[5].hook, remove_hook); /* not there any more */
    worker_call(&worker, &all, restart_order);
    worker_wake(&worker);
    wait_for(&all.round_count, 1);
    worker_stop(&worker);
    assert_true(all.order_count >= HOOKS - 1);
    for (uint32_t i = 0; i + 1 < HOOKS; i++) {
        assert_int_equal(all.order[i], i < 5 ? i : i + 1);
    }
}

/* The ends of the list too: who comes after both were taken out is the only one. */
static void test_hooks_at_the_ends_are_removed(void **state)
{
    (void)state;
    static struct worker worker;
    struct counting_hook hooks[3] = {{.hook = {.on_turn = count_turn}},
                                     {.hook = {.on_turn = count_turn}},
                                     {.hook = {.on_turn = count_turn}}};
    start(&worker);
    worker_call(&worker, &hooks[0].hook, add_hook);
    worker_call(&worker, &hooks[1].hook, add_hook);
    worker_call(&worker, &hooks[1].hook, remove_hook); /* the last */
    worker_call(&worker, &hooks[2].hook, add_hook);
    worker_call(&worker, &hooks[0].hook, remove_hook); /* the first */
    uint64_t gone_count = atomic_load(&hooks[0].turn_count) + atomic_load(&hooks[1].turn_count);
    uint64_t before = atomic_load(&hooks[2].turn_count);
    worker_wake(&worker);
    wait_for(&hooks[2].turn_count, before + 1);
    assert_int_equal(atomic_load(&hooks[0].turn_count) + atomic_load(&hooks[1].turn_count),
                     gone_count);
    worker_call(&worker, &hooks[2].hook, remove_hook); /* the only one */
    before = atomic_load(&hooks[1].turn_count);
    worker_call(&worker, &hooks[1].hook, add_hook);
    worker_wake(&worker);
    wait_for(&hooks[1].turn_count, before + 1);
    worker_call(&worker, &hooks[1].hook, remove_hook);
    worker_stop(&worker);
}

static void *wake_often(void *argument)
{
    for (uint32_t i = 0; i < WAKES; i++) {
        worker_wake(argument);
    }
    return NULL;
}

static void test_any_thread_may_wake(void **state)
{
    (void)state;
    static struct worker worker;
    struct counting_hook counting = {.hook = {.on_turn = count_turn}};
    pthread_t threads[WAKERS];
    start(&worker);
    worker_call(&worker, &counting.hook, add_hook);
    for (uint32_t i = 0; i < WAKERS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, wake_often, &worker), 0);
    }
    for (uint32_t i = 0; i < WAKERS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    uint64_t before = atomic_load(&counting.turn_count);
    worker_wake(&worker);
    wait_for(&counting.turn_count, before + 1);
    worker_stop(&worker);
}

static int run(const char *name)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_start_opens_a_loop_of_the_wanted_backend),
        cmocka_unit_test(test_a_busy_worker_may_be_stopped_and_started_at_any_time),
        cmocka_unit_test(test_what_was_stopped_last_closes_before_the_loop),
        cmocka_unit_test(test_start_without_memory_leaves_nothing),
        cmocka_unit_test(test_pinning_to_a_cpu_holds_and_to_none_does_no_harm),
        cmocka_unit_test(test_who_yields_the_cpu_has_the_batch_policy),
        cmocka_unit_test(test_calls_run_in_order_on_the_workers_thread),
        cmocka_unit_test(test_calls_are_not_held_up_by_a_hook_that_always_has_more),
        cmocka_unit_test(test_hook_runs_while_it_has_more_and_then_only_when_woken),
        cmocka_unit_test(test_many_hooks_run_in_the_order_they_came),
        cmocka_unit_test(test_hooks_at_the_ends_are_removed),
        cmocka_unit_test(test_any_thread_may_wake),
    };
    return cmocka_run_group_tests_name(name, tests, NULL, NULL);
}

/* Whether this machine lets a loop of `backend` be opened. */
static bool is_there(void)
{
    const struct loop_options options = {.backend = backend};
    struct loop *loop = NULL;
    if (loop_open(&options, &loop, NULL) != 0) {
        return false;
    }
    loop_close(loop);
    return true;
}

int main(void)
{
    backend = LOOP_BACKEND_EPOLL;
    int failed_count = run("epoll");
    backend = LOOP_BACKEND_URING;
    if (!is_there()) {
        (void)printf("SKIP backend io_uring\n");
        return failed_count != 0 ? failed_count : SKIPPED;
    }
    return failed_count + run("io_uring");
}
