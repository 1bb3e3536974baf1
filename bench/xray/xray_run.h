/* SPDX-License-Identifier: Apache-2.0 */
/*
 * xray_run — one measured run: start sink and server, send segments, wait for what it delivers.
 *
 * The story: corpus → sink thread → server, with credentials and the sink's URL in its environment
 * → warm-up → clocks start → load → what arrives is waited for → clocks stop → SIGTERM → which
 * segments came, number by number.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "bench/proc_stat.h"
#include "bench/xray/xray_ledger.h"
#include "bench/xray/xray_options.h"
#include "core/base/defs.h"

/* Everything a report needs. Zeroed is "nothing happened". */
struct xray_result {
    struct proc_sample first; /* the load begins */
    struct proc_sample main_end;
    struct proc_sample last;     /* everything has arrived */
    struct xray_balance balance; /* of the whole run, warm-up included */
    uint64_t sent_items;         /* the same */
    uint64_t warmup_items;       /* of them: before the clocks started */
    uint64_t arrived_first;      /* at each of the three samples */
    uint64_t arrived_main_end;
    uint64_t arrived_last;
    uint64_t sending_ns;
    uint64_t forgiven_ns;
    uint64_t bench_cpu_ns; /* of this process, during the load */
    uint64_t sent_bytes;   /* as the next three, warm-up included */
    uint64_t call_count;
    uint64_t error_count;
    uint64_t kernel_drops; /* of the server's sockets; exact without segmented sends */
    uint64_t booked_items; /* given up or refused, by the server's own counters */
    uint64_t sink_requests;
    uint64_t sink_other_requests;
    uint64_t sink_bad_requests;
    uint64_t sink_bad_documents;
    uint64_t sink_unsigned_requests;
    uint64_t sink_body_bytes;
    uint64_t sink_broken_connections;
    uint64_t drain_ms;
    int exit_status;
    int last_error; /* of a send */
    bool has_server;
    bool has_sink;
    bool is_settled; /* everything that the kernel took has arrived */
};

/*
 * xray_run — does what `o` says; without a command it only sends. Prints nothing but mistakes.
 * Returns 0 or negative.
 */
WEIR_MUST_USE int xray_run(const struct xray_options *o, const atomic_bool *cancel,
                           struct xray_result *out);

/* A sink alone, until `cancel`; one JSON line at the end. 0 or negative. */
WEIR_MUST_USE int xray_run_sink(const struct xray_options *o, const atomic_bool *cancel);
