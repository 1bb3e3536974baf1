/* SPDX-License-Identifier: Apache-2.0 */
/*
 * load_run — one measured run: start the server, load it, wait for what it delivers, end it.
 *
 * The story: corpus → sink thread → server → (start probe) → idle → warm-up → clocks start → load →
 * settle → clocks stop → rest → SIGTERM → what arrived, by name.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "bench/load_options.h"
#include "bench/load_send.h"
#include "bench/proc_stat.h"
#include "bench/sink_http.h"
#include "core/base/defs.h"

/* Everything a report needs; zeroed is "nothing happened". */
struct load_result {
    struct proc_sample idle_first; /* around the idle time before the load */
    struct proc_sample idle_last;
    struct proc_sample first; /* around the load and its settling */
    struct proc_sample last;
    struct proc_sample rest;
    uint64_t sending_ns; /* how long the generator took */
    uint64_t forgiven_ns;
    uint64_t sent_lines; /* without the warm-up, as the next two */
    uint64_t sent_datagrams;
    uint64_t sent_bytes;
    uint64_t call_count;
    uint64_t error_count;
    uint64_t warmup_lines;
    double expected_counter_sum; /* with the warm-up, as all that follows */
    double arrived_counter_sum;
    uint64_t expected_observations;
    uint64_t arrived_observations;
    uint64_t wrong_name_count; /* names whose sum or count is not what was sent */
    double lost_lines;         /* from the sums; exact when every counter counts 1 */
    uint64_t kernel_drops;     /* of the server's UDP port; a coalesced run counts once */
    uint64_t gateway_drops;    /* from the server's own metrics */
    uint64_t corpus_lines;
    uint64_t corpus_datagrams;
    uint64_t start_probe_us; /* exec to the first counted datagram; 0: not probed or none counted */
    uint64_t drain_ms;
    int exit_status;
    int last_error; /* of the sender */
    bool has_server;
    bool has_sink;
    bool is_settled; /* everything had arrived before the settle time was over */
};

/*
 * load_run — does what `o` says; without a command it only sends. Prints nothing but mistakes.
 * Returns 0 or negative (the server did not start, nothing could be sent, out of memory).
 */
WEIR_MUST_USE int load_run(const struct load_options *o, const atomic_bool *cancel,
                           struct load_result *out);

/* Reads or makes the corpus `o` asks for, and writes it where a path is given. */
WEIR_MUST_USE int load_run_corpus(const struct load_options *o, struct corpus *corpus);
