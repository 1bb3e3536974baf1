/* SPDX-License-Identifier: Apache-2.0 */
/*
 * worker — the thread function, its hooks, and calls from the main thread.
 */
#include "io/worker.h"

#include <errno.h>
#include <sched.h>

#include "core/base/clock.h"
#include "core/base/mem.h"

#define CALLS_MAX 16

/* Lives on the caller's stack until `done` is posted. */
struct call {
    worker_call_fn *fn;
    void *argument;
    sem_t done;
};

static void sem_wait_fully(sem_t *sem)
{
    while (sem_wait(sem) != 0) {
        ASSERT(errno == EINTR);
    }
}

static void run_calls(struct worker *worker)
{
    struct call *call = mailbox_take(&worker->calls);
    while (call != NULL) {
        call->fn(worker, call->argument);
        (void)sem_post(&call->done); /* cannot overflow: posted once */
        call = mailbox_take(&worker->calls);
    }
}

static bool run_hooks(struct worker *worker)
{
    bool has_more = false;
    for (struct worker_hook *hook = worker->first_hook; hook != NULL; hook = hook->next) {
        has_more = hook->on_turn(hook, worker) || has_more;
    }
    return has_more;
}

static void pin(const struct worker *worker)
{
    if (worker->cpu < 0) {
        return;
    }
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET((size_t)worker->cpu, &set);
    /* A thread that cannot be pinned works as well, only less evenly. */
    (void)pthread_setaffinity_np(pthread_self(), sizeof(set), &set);
}

/* A batch thread has the same share as any other; all it lacks is the right to preempt. */
static void choose_policy(const struct worker *worker)
{
    const struct sched_param none = {0};
    if (worker->yields_cpu) {
        /* Where it is refused, others wait now and then while this thread sends. */
        (void)sched_setscheduler(0, SCHED_BATCH, &none);
    }
}

static void publish(struct worker *worker)
{
    struct loop_stats stats;
    loop_stats_read(worker->loop, &stats);
    counter_set(&worker->stats.turns, stats.turn_count);
    counter_set(&worker->stats.completions, stats.completion_count);
    counter_set(&worker->stats.stalls, stats.stall_count);
    counter_set(&worker->stats.route_allocations, mem_guard_breach_count());
}

/* One turn; a wait that fails is tried again, and said. */
static void turn(struct worker *worker, uint64_t wait_max_ns)
{
    int handled = loop_turn(worker->loop, wait_max_ns);
    uint64_t suppressed_count;
    if (handled < 0 && handled != -EINTR &&
        log_limit_admit(&worker->turn_limit, clock_mono_ns(), &suppressed_count)) {
        log_error("wait_failed", LOG_TEXT("thread", worker->name), LOG_FAULT("reason", handled));
    }
}

static void *worker_main(void *argument)
{
    struct worker *worker = argument;
    pin(worker);
    choose_policy(worker);
    worker->open_fault = loop_open(&worker->loop_options, &worker->loop, &worker->backend_text);
    (void)sem_post(&worker->ready);
    if (worker->open_fault != 0) {
        return NULL;
    }
    while (!atomic_load_explicit(&worker->is_stopping, memory_order_acquire)) {
        run_calls(worker);
        bool has_more = run_hooks(worker);
        turn(worker, has_more ? 0 : UINT64_MAX);
        publish(worker);
    }
    run_calls(worker);
    loop_settle(worker->loop);
    /* Whoever stops it may still be waking this loop. */
    sem_wait_fully(&worker->ready);
    loop_close(worker->loop);
    worker->loop = NULL;
    return NULL;
}

int worker_start(struct worker *worker, const struct worker_options *options)
{
    *worker = (struct worker){
        .name = options->name,
        .id = options->id,
        .cpu = options->cpu,
        .yields_cpu = options->yields_cpu,
        .loop_options = options->loop,
        .backend_text = "",
    };
    int err = mailbox_init(&worker->calls, CALLS_MAX);
    if (err != 0) {
        return err;
    }
    if (sem_init(&worker->ready, 0, 0) != 0) {
        err = -errno;
        mailbox_fini(&worker->calls);
        return err;
    }
    err = -pthread_create(&worker->thread, NULL, worker_main, worker);
    if (err == 0) {
        /* The name is for people; a thread without one runs as well. */
        (void)pthread_setname_np(worker->thread, worker->name);
        worker->is_started = true;
        sem_wait_fully(&worker->ready);
        err = worker->open_fault;
    }
    if (err != 0) {
        worker_stop(worker);
    }
    return err;
}

void worker_stop(struct worker *worker)
{
    if (worker->is_started) {
        atomic_store_explicit(&worker->is_stopping, true, memory_order_release);
        if (worker->open_fault == 0) {
            loop_wake(worker->loop);
            (void)sem_post(&worker->ready); /* cannot overflow: posted once */
        }
        int err = pthread_join(worker->thread, NULL);
        ASSERT(err == 0);
        worker->is_started = false;
        (void)sem_destroy(&worker->ready);
    }
    mailbox_fini(&worker->calls);
}

void worker_call(struct worker *worker, void *argument, worker_call_fn *fn)
{
    struct call call = {.fn = fn, .argument = argument};
    int err = sem_init(&call.done, 0, 0);
    ASSERT(err == 0);
    void *message = &call;
    bool is_pushed = mailbox_try_push(&worker->calls, &message);
    /* Each call is waited for, so there is never more than one inside. */
    ASSERT(is_pushed);
    loop_wake(worker->loop);
    sem_wait_fully(&call.done);
    (void)sem_destroy(&call.done);
}

void worker_add_hook(struct worker *worker, struct worker_hook *hook)
{
    ASSERT(hook->on_turn != NULL && hook != worker->last_hook);
    hook->next = NULL;
    if (worker->last_hook != NULL) {
        worker->last_hook->next = hook;
    } else {
        worker->first_hook = hook;
    }
    worker->last_hook = hook;
}

void worker_remove_hook(struct worker *worker, struct worker_hook *hook)
{
    struct worker_hook *before = NULL;
    struct worker_hook *at = worker->first_hook;
    while (at != NULL && at != hook) {
        before = at;
        at = at->next;
    }
    if (at == NULL) {
        return;
    }
    if (before != NULL) {
        before->next = at->next;
    } else {
        worker->first_hook = at->next;
    }
    worker->last_hook = worker->last_hook == at ? before : worker->last_hook;
}

void worker_wake(struct worker *worker)
{
    loop_wake(worker->loop);
}
