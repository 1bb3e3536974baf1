/* SPDX-License-Identifier: Apache-2.0 */
/*
 * batch — parts with one destination, on their way from a pipeline to its exporters.
 *
 * A batch is fanned out to several routes, which share its bytes: it counts how many have yet to
 * answer and goes when the last one did. Egress-local: only the thread of its pipeline touches the
 * counts. Parts are sent with one iovec each; nobody edits them.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "core/base/defs.h"
#include "core/model/part.h"

struct pipeline;

#define BATCH_ROUTES_MAX 32

struct batch {
    struct part *parts; /* owned, and their memory with them */
    uint32_t part_count;
    uint32_t part_capacity;
    enum signal signal;
    uint64_t item_count;
    uint64_t bytes;            /* of all parts */
    uint64_t charged_bytes;    /* likewise, of the memory budget */
    uint64_t created_mono_ns;  /* for the age of a queue */
    struct pipeline *pipeline; /* borrowed; where the answers go */
    uint32_t routes_wanted;    /* bit per route that has yet to take or refuse it */
    uint32_t routes_open;      /* bit per route that took it and has not answered */
    uint8_t fate;              /* enum part_fate; the worst answer so far */
};

/* An empty batch; NULL when memory is refused. */
WEIR_MUST_USE struct batch *batch_new(enum signal signal, uint64_t now_mono_ns);

/* Moves *part in and zeroes it. 0 or -ENOMEM, and then nothing moved. */
WEIR_MUST_USE int batch_push(struct batch *batch, struct part *part);

/* NULL is fine. No route may hold it. */
void batch_free(struct batch *batch);
