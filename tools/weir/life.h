/* SPDX-License-Identifier: Apache-2.0 */
/*
 * life — the running program: threads, signals, reload, the two-phase drain.
 *
 *     RUNNING ──TERM──▶ SETTLING ──quiet, or time──▶ FLUSHING ──drained──▶ DELIVERING ──idle──▶
 * ENDED
 *
 * In SETTLING readiness says no and everything is still read: a load balancer goes on sending for a
 * while. In FLUSHING listeners are closed and open windows flushed; in DELIVERING the exporters
 * finish. Every state but the last ends at the drain deadline at the latest. Main thread only.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/base/timer.h"
#include "core/engine/budget.h"
#include "io/loop.h"
#include "io/worker.h"
#include "tools/weir/books.h"
#include "tools/weir/cli.h"
#include "tools/weir/graph.h"
#include "tools/weir/pulse.h"

struct admin;

#define LIFE_STATES(X)                                                                             \
    X(RUNNING, "running")                                                                          \
    X(SETTLING, "settling")                                                                        \
    X(FLUSHING, "flushing")                                                                        \
    X(DELIVERING, "delivering")                                                                    \
    X(ENDED, "ended")

#define LIFE_STATE_MEMBER(member, text) LIFE_##member,
enum life_state { LIFE_STATES(LIFE_STATE_MEMBER) };
#undef LIFE_STATE_MEMBER

/* Graphs that were replaced and still have something under way. */
#define LIFE_OLD_GRAPHS_MAX 8

struct life {
    const struct cli *cli;
    struct config_inputs inputs;
    struct loop *loop;     /* owned; the main thread's */
    struct worker *shards; /* owned */
    uint32_t shard_count;
    struct worker egress;
    char (*thread_names)[16]; /* owned */
    struct graph *graph;      /* owned; the current one */
    struct graph *old_graphs[LIFE_OLD_GRAPHS_MAX];
    uint32_t old_graph_count;
    struct admin *admin; /* owned */
    struct pulse pulse;
    struct receiver_home home;
    struct budget memory; /* of requests, and of what waits to leave */
    char instance_id[40];
    enum life_state state;
    uint64_t started_unix_ns;
    uint64_t started_mono_ns;
    uint64_t drain_deadline_mono_ns;
    uint64_t settle_until_mono_ns;
    uint64_t quiet_since_mono_ns;
    uint64_t received_before; /* wire total at the last look, for telling silence */
    struct timer tick;
    struct timer trim;
    struct timer refresh;
    struct loop_poll signals;
    int signal_fd;
    struct books_past past; /* of graphs that are gone */
    bool is_reload_wanted;
    uint64_t reload_from_mono_ns; /* not before */
    uint64_t reload_count;
    uint64_t reload_failed_count;
    struct log_limit turn_limit;
    bool is_forced;         /* a second signal: end at once */
    bool is_region_missing; /* likewise: nothing that goes to AWS could ever be signed */
};

/* Runs until a signal ends it. Returns an exit code. */
int life_run(const struct cli *cli);

/* "running", "settling" … */
const char *life_state_text(enum life_state state);

/* Is everything there, and nobody leaving? */
bool life_is_ready(const struct life *life);

/* Datagrams and lines read by all receivers so far. */
uint64_t life_received_total(const struct life *life);
