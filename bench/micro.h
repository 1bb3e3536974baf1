/* SPDX-License-Identifier: Apache-2.0 */
/*
 * micro — times one small concept: nine runs, the median, and one JSON object per line.
 *
 * A case embeds `struct micro` and does a fixed batch of operations per call; the harness finds out
 * how many calls make a sample of about a millisecond, takes many samples per run, and reports the
 * median of the runs' means with their spread, the p99 over all samples, allocations
 * (core/base/mem) and, where the kernel allows counting them, instructions.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/base/defs.h"

#define MICRO_RUN_COUNT 9

struct micro;

/*
 * Does `micro->op_count` operations and returns something that depends on all of them, so that the
 * compiler cannot leave them out.
 */
typedef uint64_t(micro_call_fn)(struct micro *micro);
/* Brings the case back to its starting state before a run; not timed. */
typedef void(micro_reset_fn)(struct micro *micro);

/* Embedded in the case; zero what is not needed. */
struct micro {
    const char *name;       /* borrowed; [a-z0-9_/] so that it needs no escaping in JSON */
    uint64_t op_count;      /* operations per call, > 0 */
    uint64_t op_bytes;      /* input bytes per operation, 0 where that means nothing */
    double budget_ns;       /* per operation, 0 where none is set */
    bool needs_zero_allocs; /* an allocation while timed fails the case */
    micro_call_fn *call;
    micro_reset_fn *reset; /* may be NULL */
};

/* What nine runs gave; times are per operation. */
struct micro_result {
    double median_ns; /* of the runs' means */
    double least_ns;  /* fastest run */
    double most_ns;   /* slowest run */
    double p99_ns;    /* over all samples of all runs, each a mean over about a millisecond */
    double op_allocs;
    double op_instructions; /* 0 where the kernel does not let us count */
    uint64_t iteration_count;
    uint64_t checksum;
};

/*
 * micro_measure — times `micro`, without printing.
 *
 *   run_ms   length of one run, 1 to 10 000; nine of them and a warm-up are made
 *
 * Returns 0 or -ENOMEM.
 */
WEIR_MUST_USE int micro_measure(struct micro *micro, uint32_t run_ms, struct micro_result *out);

/*
 * micro_run — measures and prints one JSON line to stdout. WEIR_MICRO_RUN_MS sets the length of a
 * run (default 100); WEIR_COMMIT names the commit where the build directory does not know it.
 *
 * Returns 0, -ENOMEM, or -EDOM when the case needs zero allocations and made one. The budget is
 * printed beside the figure and decides nothing here.
 */
WEIR_MUST_USE int micro_run(struct micro *micro);
