/* SPDX-License-Identifier: Apache-2.0 */
/*
 * books — sums over instances, by the rows of stats.def.
 */
#include "tools/weir/books.h"

#include <string.h>

#include "core/base/log.h"

/* Of an instance that is gone, levels mean nothing. */
enum books_part {
    BOOKS_ALL,
    BOOKS_COUNTERS,
};

/* Adds every counter of `scope` in `instance` to the same one in `sum`. */
static void add_rows(enum stats_scope scope, enum books_part part, void *sum, const void *instance)
{
    size_t count;
    const struct stats_row *rows = stats_rows(&count);
    for (size_t i = 0; i < count; i++) {
        if (rows[i].scope == scope && (part == BOOKS_ALL || rows[i].kind == STATS_COUNTER)) {
            struct counter *counter = (struct counter *)(void *)((char *)sum + rows[i].offset);
            counter_add(counter, stats_read(&rows[i], instance));
        }
    }
}

static void add_receiver_stats(enum books_part part, const struct receiver_stats *stats,
                               struct receiver_stats *sum)
{
    add_rows(STATS_RECEIVER, part, sum, stats);
    for (uint32_t i = 0; i < STATS_LINE_REASON_MAX; i++) {
        counter_add(&sum->line_reasons[i], counter_read(&stats->line_reasons[i]));
    }
}

static void add_receiver(enum books_part part, const struct receiver *receiver,
                         struct receiver_stats *sum)
{
    for (uint32_t i = 0; i < receiver->counters_count; i++) {
        add_receiver_stats(part, receiver->counters[i].stats, sum);
    }
}

void books_sum_receiver(const struct receiver *receiver, struct receiver_stats *sum)
{
    add_receiver(BOOKS_ALL, receiver, sum);
}

void books_add_processor(const struct processor *processor, struct processor_stats *sum)
{
    add_rows(STATS_PROCESSOR, BOOKS_ALL, sum, &processor->stats);
}

uint64_t books_invalid(const struct receiver_stats *sum)
{
    uint64_t total = counter_read(&sum->invalid_bare_tag) +
                     counter_read(&sum->invalid_observer_limit) +
                     counter_read(&sum->invalid_memory);
    for (uint32_t i = 0; i < STATS_LINE_REASON_MAX; i++) {
        total += counter_read(&sum->line_reasons[i]);
    }
    return total;
}

/* What is still in the graph, and not with a successor. */
static void add_graph(enum books_part part, const struct graph *graph, struct receiver_stats *in,
                      struct exporter_stats *out)
{
    for (uint32_t i = 0; i < graph->receiver_count; i++) {
        if (graph->receivers[i] != NULL) {
            add_receiver(part, graph->receivers[i]->receiver, in);
        }
    }
    for (uint32_t i = 0; i < graph->exporter_count; i++) {
        if (graph->exporters[i] != NULL) {
            add_rows(STATS_EXPORTER, part, out, &graph->exporters[i]->exporter->stats);
        }
    }
}

void books_retire(const struct graph *graph, struct books_past *past)
{
    add_graph(BOOKS_COUNTERS, graph, &past->in, &past->out);
}

void books_read(const struct graph *graph, const struct books_past *past, struct books *books)
{
    memset(books, 0, sizeof(*books));
    add_receiver_stats(BOOKS_COUNTERS, &past->in, &books->in);
    add_rows(STATS_EXPORTER, BOOKS_COUNTERS, &books->out, &past->out);
    add_graph(BOOKS_ALL, graph, &books->in, &books->out);
    const struct receiver_stats *in = &books->in;
    const struct exporter_stats *out = &books->out;
    books->items_invalid = books_invalid(in);
    books->items_accepted = counter_read(&in->items_folded) + counter_read(&in->items_forwarded) +
                            counter_read(&in->items_filtered);
    books->wire_is_balanced = counter_read(&in->wire_received) ==
                              counter_read(&in->wire_parsed) + counter_read(&in->wire_refused) +
                                  counter_read(&in->wire_dropped_truncated) +
                                  counter_read(&in->wire_dropped_too_long) +
                                  counter_read(&in->wire_dropped_invalid);
    books->items_are_balanced =
        counter_read(&in->items_decoded) == books->items_accepted + books->items_invalid;
    books->items_rejected = stats_sum(STATS_EXPORTER, "weir_items_rejected", out);
    books->items_dropped = stats_sum(STATS_EXPORTER, "weir_items_dropped", out);
    books->out_is_balanced = counter_read(&out->items_offered) ==
                             counter_read(&out->items_delivered) + books->items_rejected +
                                 books->items_dropped + counter_read(&out->items_held);
}

void books_log(const struct graph *graph, const struct books_past *past, const char *event)
{
    struct books books;
    books_read(graph, past, &books);
    const struct receiver_stats *in = &books.in;
    const struct exporter_stats *out = &books.out;
    bool is_balanced = books.wire_is_balanced && books.items_are_balanced && books.out_is_balanced;
    LOG_AT(is_balanced ? LOG_LEVEL_INFO : LOG_LEVEL_WARN, event, LOG_BOOL("balanced", is_balanced),
           LOG_U64("wire_received", counter_read(&in->wire_received)),
           LOG_U64("wire_parsed", counter_read(&in->wire_parsed)),
           LOG_U64("wire_refused", counter_read(&in->wire_refused)),
           LOG_U64("wire_dropped", counter_read(&in->wire_dropped_truncated) +
                                       counter_read(&in->wire_dropped_too_long) +
                                       counter_read(&in->wire_dropped_invalid)),
           LOG_U64("kernel_dropped_at_least", counter_read(&in->kernel_dropped)),
           LOG_U64("unread_at_close", counter_read(&in->unread_at_close)),
           LOG_U64("items_decoded", counter_read(&in->items_decoded)),
           LOG_U64("items_folded", counter_read(&in->items_folded)),
           LOG_U64("items_forwarded", counter_read(&in->items_forwarded)),
           LOG_U64("items_filtered", counter_read(&in->items_filtered)),
           LOG_U64("items_invalid", books.items_invalid),
           LOG_U64("points_emitted", counter_read(&in->points_emitted)),
           LOG_U64("items_offered", counter_read(&out->items_offered)),
           LOG_U64("items_delivered", counter_read(&out->items_delivered)),
           LOG_U64("items_rejected", books.items_rejected),
           LOG_U64("items_dropped", books.items_dropped),
           LOG_U64("items_held", counter_read(&out->items_held)));
}
