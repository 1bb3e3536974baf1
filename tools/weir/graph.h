/* SPDX-License-Identifier: Apache-2.0 */
/*
 * graph — a configuration come alive: receivers, pipelines, exporters, and how one graph follows
 * another.
 *
 * Built aside by the main thread, so that a bad configuration leaves the running graph alone.
 * Opening a graph adopts from its predecessor every component whose settings are the same: sockets,
 * series, queues and pull state live on. What was not adopted is drained and closed with the old
 * graph.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/base/defs.h"
#include "core/engine/component.h"
#include "core/engine/config_report.h"
#include "core/engine/config_tree.h"
#include "core/engine/pipeline.h"
#include "io/auth/authenticator_set.h"
#include "io/receivers/receiver.h"
#include "tools/weir/components.h"
#include "tools/weir/config_source.h"
#include "tools/weir/graph_config.h"
#include "tools/weir/graph_stage.h"

/* A tree and how many components borrow from it. */
struct graph_tree;

/* Owned by one graph at a time; moved when it is adopted. */
struct graph_exporter {
    struct exporter *exporter; /* owned */
    char *id;                  /* owned */
    char *settings;            /* owned; as text, for comparing */
    struct graph_tree *tree;   /* counted */
    uint32_t signals;          /* SIGNAL_BITs that this instance is for */
    bool is_open;
};

/* Likewise; also of an extension that listens, which has no pipelines. */
struct graph_receiver {
    struct receiver *receiver; /* owned */
    char *id;                  /* owned */
    char *settings;            /* owned */
    struct graph_tree *tree;   /* counted */
    bool is_open;
    bool is_started;
    struct pipeline **pipelines; /* owned array; where it sends */
    uint32_t pipeline_count;
};

struct graph {
    struct graph_tree *tree; /* counted */
    struct graph_config config;
    struct slice origin;               /* which sources were read */
    struct graph_exporter **exporters; /* owned; NULL where adopted by a successor */
    uint32_t exporter_count;
    struct graph_receiver **receivers; /* owned; likewise */
    uint32_t receiver_count;
    struct pipeline *pipelines; /* owned */
    struct graph_stage *stages; /* owned; what stands before each pipeline's routes */
    char **pipeline_ids;        /* owned */
    uint32_t pipeline_count;
    struct extension_health_check health;
    bool has_health;
    struct authenticator_set auth; /* owned */
    char *auth_ids[AUTHENTICATORS_MAX];
    struct worker *egress;      /* borrowed from graph_open on */
    struct receiver_home *home; /* borrowed; from graph_open on */
    struct worker_hook hook;
    struct timer batch_timer; /* wakes the egress for the next batch that is due */
    bool is_hooked;
    bool is_flushing; /* egress: nothing more comes, batches need not wait */
    bool is_draining_exporters;
};

/*
 * graph_load — reads, checks and makes all components; touches neither network nor threads.
 *
 *   inputs   borrowed for the call
 *   prints   complaints (and warnings) to stderr
 *
 * 0 moves out a graph; FAULT_CONFIG where the configuration is bad; -ENOMEM. `is_strict`: warnings
 * are errors.
 */
WEIR_MUST_USE int graph_load(const struct config_inputs *inputs, bool is_strict,
                             struct graph **out);

/* The resolved tree, for printing. */
const struct config_node *graph_root(const struct graph *graph);

/*
 * graph_open — binds, opens and connects everything, adopting from `old` (may be NULL) what is
 * equal.
 *
 * 0, or negative after a log line; then the graph must be freed, and `old` is as it was.
 */
WEIR_MUST_USE int graph_open(struct graph *graph, struct graph *old, struct receiver_home *home);

/* About once a second, from the main thread: files that authenticators and receivers read again. */
void graph_refresh(struct graph *graph, uint64_t now_mono_ns);

/* Tells the peers of all receivers to go elsewhere, while everything is still read. */
void graph_send_away(struct graph *graph);

/* Stops the receivers that are left in this graph; `successor` (may be NULL) is the graph that
 * follows. */
void graph_drain_receivers(struct graph *graph, const struct graph *successor);
/* Have they given everything, and has it reached the routes? */
bool graph_receivers_are_drained(struct graph *graph);

/* The least that a memory limiter of a pipeline allows, in bytes; UINT64_MAX where there is none.
 */
uint64_t graph_memory_max_bytes(const struct graph *graph, uint64_t total_bytes);

/* Asks the exporters that are left to finish before the deadline. */
void graph_drain_exporters(struct graph *graph, uint64_t deadline_mono_ns);
/* Nothing held by them, nor in the pipelines. */
bool graph_exporters_are_idle(struct graph *graph);

/* Nothing comes in any more; whatever is held anywhere is given up, and whoever waits is told. */
void graph_abandon(struct graph *graph);

/* Frees everything left; what is not delivered is counted as dropped. NULL is fine. */
void graph_free(struct graph *graph);
