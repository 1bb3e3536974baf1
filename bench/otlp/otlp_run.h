/* SPDX-License-Identifier: Apache-2.0 */
/*
 * otlp_run — one measured run: start sinks and server, load it, wait for what it delivers, end it.
 *
 * The story: corpus → sink threads → server → warm-up → clocks start → load → clocks stop →
 * (second phase) → answers and deliveries are waited for → SIGTERM → what arrived, item by item.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "bench/otlp/otlp_load.h"
#include "bench/otlp/otlp_options.h"
#include "bench/otlp/otlp_sink.h"
#include "bench/proc_stat.h"
#include "core/base/defs.h"

enum otlp_phase_name {
    OTLP_PHASE_WARMUP,
    OTLP_PHASE_MAIN,
    OTLP_PHASE_AFTER,
    OTLP_PHASE_DRAIN, /* nothing new; answers are waited for */
};
#define OTLP_PHASE_COUNT 4

/* Everything a report needs; large, so never on a stack. Zeroed is "nothing happened". */
struct otlp_result {
    struct otlp_tally tallies[OTLP_PHASE_COUNT];
    struct latency deliveries[OTLP_SINK_PHASES_MAX_COUNT]; /* by phase; from the sink */
    uint64_t arrived_items[OTLP_PHASE_COUNT + 1]; /* at each phase's beginning, and at the end */
    struct proc_sample first;                     /* around the main phase */
    struct proc_sample main_end;
    struct proc_sample last; /* everything has arrived */
    struct otlp_balance balance;
    uint64_t bench_cpu_ns; /* of this process, in the main phase */
    uint64_t corpus_plain_bytes;
    uint64_t corpus_wire_bytes;
    double mean_item_bytes;
    uint64_t sink_requests;
    uint64_t sink_refused_requests;
    uint64_t sink_bad_requests;
    uint64_t second_requests; /* of the second sink */
    uint64_t connect_error_count;
    uint64_t broken_count;
    uint64_t gateway_drops; /* from the server's own metrics */
    uint64_t drain_ms;
    int exit_status;
    int last_error; /* of a connection */
    bool has_server;
    bool has_sink;
    bool is_settled;
};

/*
 * otlp_run — does what `o` says; without a command it only sends. Prints nothing but mistakes.
 * Returns 0 or negative.
 */
WEIR_MUST_USE int otlp_run(const struct otlp_options *o, const atomic_bool *cancel,
                           struct otlp_result *out);

/* A sink alone, until `cancel`; one JSON line at the end. 0 or negative. */
WEIR_MUST_USE int otlp_run_sink(const struct otlp_options *o, const atomic_bool *cancel);
