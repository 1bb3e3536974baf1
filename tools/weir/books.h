/* SPDX-License-Identifier: Apache-2.0 */
/*
 * books — the three books of a graph, added up over threads, and whether they balance.
 *
 * Read while the writers go on, so a live book may be off by what is between two counters; at rest
 * it is exact. Units: wire in datagrams or lines of a stream, items in samples and refused lines,
 * out in data points.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/engine/stats.h"
#include "tools/weir/graph.h"

struct books {
    struct receiver_stats in;  /* sums over all receivers and shards */
    uint64_t items_invalid;    /* all reasons */
    uint64_t items_accepted;   /* folded + forwarded + filtered */
    struct exporter_stats out; /* sums over all exporters */
    uint64_t items_rejected;   /* all reasons */
    uint64_t items_dropped;    /* all reasons */
    bool wire_is_balanced;
    bool items_are_balanced;
    bool out_is_balanced;
};

/* Sums over what former graphs had and no successor took over. */
struct books_past {
    struct receiver_stats in;
    struct exporter_stats out;
};

/* One receiver's counters over all its threads. */
void books_sum_receiver(const struct receiver *receiver, struct receiver_stats *sum);

/* One instance's counters on top of `sum`. */
void books_add_processor(const struct processor *processor, struct processor_stats *sum);

/* All refused lines and samples of such a sum. */
uint64_t books_invalid(const struct receiver_stats *sum);

/* The counters of a graph that is about to be freed go into `past`. */
void books_retire(const struct graph *graph, struct books_past *past);

/* Everything since start: the graph, and what was before it. */
void books_read(const struct graph *graph, const struct books_past *past, struct books *books);

/* One log line, a warning where a book does not balance. */
void books_log(const struct graph *graph, const struct books_past *past, const char *event);
