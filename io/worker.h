/* SPDX-License-Identifier: Apache-2.0 */
/*
 * worker — a thread with a loop: a shard or an egress thread.
 *
 * It turns until it is stopped: run the turn hooks, then the loop. Other threads speak to it by
 * calls (worker_call), which run between two turns, in the order they were made, and wait for their
 * end; only the main thread makes them, at start, reload, drain and stop.
 */
#pragma once

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/base/defs.h"
#include "core/base/log.h"
#include "core/base/mailbox.h"
#include "core/engine/stats.h"
#include "io/loop.h"

struct worker;
struct worker_hook;

/*
 * Once per turn, before the loop waits. Returns true where there is more to do at once: the loop
 * then looks without waiting.
 */
typedef bool(worker_hook_fn)(struct worker_hook *hook, struct worker *worker);

/* Embedded in its owner; borrowed until worker_remove_hook. There may be any number. */
struct worker_hook {
    worker_hook_fn *on_turn;
    struct worker_hook *next; /* the worker's */
};

struct worker_options {
    const char *name; /* borrowed; at most 15 characters: the thread's name */
    uint32_t id;      /* index among its kind */
    struct loop_options loop;
    int cpu; /* pin to it, or -1 */
    /* When it wakes up, whoever has the CPU keeps it until it sleeps or its slice is over. */
    bool yields_cpu;
};

struct worker {
    struct loop *loop; /* owned by the thread */
    const char *name;
    const char *backend_text; /* which I/O and why; static or the loop's */
    uint32_t id;
    int cpu;
    bool yields_cpu;
    int open_fault; /* why the loop could not be opened */
    struct loop_options loop_options;
    struct worker_hook *first_hook; /* borrowed; in the order they came */
    struct worker_hook *last_hook;
    struct mailbox calls; /* from the main thread */
    pthread_t thread;
    bool is_started;
    _Atomic bool is_stopping; /* main writes (release), the worker reads (acquire) */
    sem_t ready; /* by the worker when the loop is open, or not; by main once it woke to stop */
    struct log_limit turn_limit;
    struct worker_stats stats;
};

/*
 * Starts the thread and waits until its loop is open. 0, or what opening the loop or the thread
 * answered; then nothing runs and backend_text says more.
 */
WEIR_MUST_USE int worker_start(struct worker *worker, const struct worker_options *options);

/* Ends the thread and waits for it. Everything in its loop must have been closed. Idempotent. */
void worker_stop(struct worker *worker);

/* What a call does, on the worker's thread. */
typedef void(worker_call_fn)(struct worker *worker, void *argument);

/* Main thread only: runs `fn` on the worker between two turns and returns when it is done. */
void worker_call(struct worker *worker, void *argument, worker_call_fn *fn);

/* On the worker's thread, not from inside a hook. Removing one that is not there is fine. */
void worker_add_hook(struct worker *worker, struct worker_hook *hook);
void worker_remove_hook(struct worker *worker, struct worker_hook *hook);

/* Any thread: the worker's next wait returns at once. */
void worker_wake(struct worker *worker);
