/* SPDX-License-Identifier: Apache-2.0 */
/*
 * processor — what a processor is to a pipeline: parts in, the same or edited parts out.
 *
 * A processor that looks at one item at a time runs on the shards and, for what is born at the
 * egress, there too; each thread has an instance of its own (`clone`). One that remembers other
 * data (batch) stands at the egress only and is no processor in this sense (core/processors/
 * batch.h). Registered by a row in the table of tools/weir/components.c.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/base/arena.h"
#include "core/base/defs.h"
#include "core/engine/stats.h"
#include "core/model/part.h"

struct processor;

/* What a thread lends to its processors for one part. */
struct processor_turn {
    struct arena *arena; /* scratch; reset by the caller after each part */
    uint64_t now_unix_ns;
};

struct processor_ops {
    const char *type; /* config key: "attributes" */
    /*
     * Edits one part: replaces its bytes, memory and item_count where something changes, and leaves
     * it alone otherwise. item_count 0 afterwards: nothing is left of it, and the caller drops it.
     * What was taken out or added is counted in processor->stats by the processor itself, items in
     * and out by the caller. PART_OTLP only.
     *
     * 0; -ENOMEM or FAULT_LIMIT, and then the part is as it was. The bytes are valid OTLP: they
     * were walked before.
     */
    int (*process)(struct processor *processor, struct processor_turn *turn, struct part *part);
    /*
     * Optional, with `prepare`. On the main thread, before anything flows: takes over what `elder`,
     * of the same type, found out when it was prepared. `is_sibling`: it stands in the same graph,
     * else in the one that runs. True where nothing is left to be found out; `elder` must not
     * notice.
     */
    bool (*inherit)(struct processor *prototype, const struct processor *elder, bool is_sibling);
    /*
     * Optional. Once, on the main thread, before anything flows: finds out what the settings leave
     * open, and may block for as long as they allow. Clones made before see the result. 0 or
     * -ENOMEM.
     */
    int (*prepare)(struct processor *prototype);
    /* An instance for another thread; borrows the settings of `prototype`, which outlives it. */
    int (*clone)(const struct processor *prototype, struct processor **out);
    /* Frees it. Once. */
    void (*close)(struct processor *processor);
};

/* Embedded first in every processor. */
struct processor {
    const struct processor_ops *ops;
    const char *id; /* as in the configuration; owned by the graph */
    enum signal signal;
    struct processor_stats stats; /* of this instance; its thread writes */
};
