/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of io/helper: jobs are done elsewhere and come back here, or are discarded once.
 */
#include "io/helper.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>

#include "core/base/mem.h"
#include "tests/support/loop_fixture.h"

#define JOBS_MAX 32

struct test_job {
    struct helper_job job;
    uint32_t number;
    pthread_t worked_on;
    sem_t *gate; /* NULL: does not wait */
};

static pthread_t test_thread;
static uint64_t done_count;
static uint32_t done_numbers[JOBS_MAX];
static _Atomic uint32_t worked_count;
static _Atomic uint32_t discarded_count;
static struct helper_port *closed_by_done;

static struct test_job *job_of(struct helper_job *job)
{
    return CONTAINER_OF(job, struct test_job, job);
}

static void job_work(struct helper_job *job)
{
    struct test_job *t = job_of(job);
    t->worked_on = pthread_self();
    (void)atomic_fetch_add(&worked_count, 1);
    while (t->gate != NULL && sem_wait(t->gate) != 0) {
    }
}

static void job_on_done(struct helper_job *job)
{
    struct test_job *t = job_of(job);
    assert_true(pthread_equal(pthread_self(), test_thread) != 0);
    assert_true(pthread_equal(t->worked_on, test_thread) == 0);
    done_numbers[done_count] = t->number;
    done_count++;
    mem_free(t);
    if (closed_by_done != NULL) {
        helper_port_close(closed_by_done);
        closed_by_done = NULL;
    }
}

static void job_discard(struct helper_job *job)
{
    (void)atomic_fetch_add(&discarded_count, 1);
    mem_free(job_of(job));
}

static const struct helper_job_ops job_ops = {
    .work = job_work,
    .on_done = job_on_done,
    .discard = job_discard,
};

static void reset(void)
{
    test_thread = pthread_self();
    done_count = 0;
    atomic_store(&worked_count, 0);
    atomic_store(&discarded_count, 0);
}

static void submit(struct helper_port *port, uint32_t number, sem_t *gate)
{
    struct test_job *t = mem_alloc(sizeof(*t));
    assert_non_null(t);
    *t = (struct test_job){.job.ops = &job_ops, .number = number, .gate = gate};
    helper_submit(port, &t->job);
}

static void until(struct loop *loop, const _Atomic uint32_t *count, uint32_t wanted)
{
    uint64_t deadline_mono_ns = clock_mono_ns() + LOOP_FIXTURE_PATIENCE_NS;
    while (atomic_load(count) < wanted && clock_mono_ns() < deadline_mono_ns) {
        assert_true(loop_turn(loop, CLOCK_NS_PER_MS) >= 0);
    }
    assert_int_equal(atomic_load(count), wanted);
}

static void test_jobs_come_back_in_order_on_their_thread(void **state)
{
    struct loop *loop = *state;
    struct helper_port *port = NULL;
    reset();
    assert_int_equal(helper_port_open(loop, &port), 0);
    for (uint32_t i = 0; i < JOBS_MAX; i++) {
        submit(port, i, NULL);
    }
    assert_int_equal(done_count, 0);
    uint64_t deadline_mono_ns = clock_mono_ns() + LOOP_FIXTURE_PATIENCE_NS;
    while (done_count < JOBS_MAX && clock_mono_ns() < deadline_mono_ns) {
        assert_true(loop_turn(loop, CLOCK_NS_PER_MS) >= 0);
    }
    assert_int_equal(done_count, JOBS_MAX);
    for (uint32_t i = 0; i < JOBS_MAX; i++) {
        assert_int_equal(done_numbers[i], i);
    }
    helper_port_close(port);
    loop_fixture_run(loop, CLOCK_NS_PER_MS);
    assert_int_equal(atomic_load(&discarded_count), 0);
}

static void test_closing_discards_what_is_not_done(void **state)
{
    struct loop *loop = *state;
    struct helper_port *port = NULL;
    struct helper_port *other = NULL;
    sem_t gate;
    reset();
    assert_int_equal(sem_init(&gate, 0, 0), 0);
    assert_int_equal(helper_port_open(loop, &port), 0);
    assert_int_equal(helper_port_open(loop, &other), 0);
    submit(port, 0, &gate); /* at work, and stuck */
    until(loop, &worked_count, 1);
    submit(port, 1, NULL); /* waits */
    submit(other, 2, NULL);
    helper_port_close(port); /* does not wait for the stuck one */
    assert_int_equal(atomic_load(&discarded_count), 1);
    assert_int_equal(sem_post(&gate), 0);
    loop_fixture_until(loop, &done_count);
    assert_int_equal(done_numbers[0], 2);
    until(loop, &discarded_count, 2);
    helper_port_close(other);
    loop_fixture_run(loop, CLOCK_NS_PER_MS);
    assert_int_equal(done_count, 1);
    (void)sem_destroy(&gate);
}

static void test_a_job_done_but_not_told_is_discarded(void **state)
{
    struct loop *loop = *state;
    struct helper_port *port = NULL;
    reset();
    assert_int_equal(helper_port_open(loop, &port), 0);
    submit(port, 0, NULL);
    submit(port, 1, NULL);
    closed_by_done = port; /* by the first one's callback */
    loop_fixture_until(loop, &done_count);
    until(loop, &discarded_count, 1);
    loop_fixture_run(loop, CLOCK_NS_PER_MS);
    assert_int_equal(done_count, 1);
}

static void test_the_helper_starts_again_after_its_last_port(void **state)
{
    struct loop *loop = *state;
    for (uint32_t i = 0; i < 20; i++) {
        struct helper_port *port = NULL;
        reset();
        assert_int_equal(helper_port_open(loop, &port), 0);
        submit(port, i, NULL);
        loop_fixture_until(loop, &done_count);
        helper_port_close(port);
        assert_true(loop_turn(loop, 0) >= 0);
    }
    loop_fixture_run(loop, CLOCK_NS_PER_MS);
}

static void test_open_fails_cleanly_at_every_allocation(void **state)
{
    struct loop *loop = *state;
    int err = -ENOMEM;
    for (uint64_t nth = 1; err != 0; nth++) {
        struct helper_port *port = NULL;
        assert_true(nth < 20);
        mem_fail_nth(nth);
        err = helper_port_open(loop, &port);
        mem_fail_nth(0);
        assert_true((err == 0) == (port != NULL));
        helper_port_close(port);
    }
    helper_port_close(NULL);
    loop_fixture_run(loop, CLOCK_NS_PER_MS);
}

static int run(const char *name)
{
    const struct CMUnitTest tests[] = {
        LOOP_TEST(test_jobs_come_back_in_order_on_their_thread),
        LOOP_TEST(test_closing_discards_what_is_not_done),
        LOOP_TEST(test_a_job_done_but_not_told_is_discarded),
        LOOP_TEST(test_the_helper_starts_again_after_its_last_port),
        LOOP_TEST(test_open_fails_cleanly_at_every_allocation),
    };
    return cmocka_run_group_tests_name(name, tests, NULL, NULL);
}

int main(void)
{
    return loop_fixture_main(run);
}
