/* SPDX-License-Identifier: Apache-2.0 */
/*
 * admin_metrics — the self-metrics page, made from stats.def and a few numbers of the process.
 *
 * Rows of one metric stand together in stats.def, so that its HELP and TYPE are written once.
 * Counters of a receiver are summed over its threads: the books are the receiver's, not the
 * shard's.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "core/base/clock.h"
#include "tools/weir/admin.h"
#include "tools/weir/admin_page.h"
#include "tools/weir/books.h"
#include "tools/weir/process_info.h"

#define LINE_BYTES 512

WEIR_PRINTF(2, 3)
static void put(struct bytes *out, const char *format, ...)
{
    char line[LINE_BYTES];
    va_list args;
    va_start(args, format);
    int len = vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    if (len > 0) {
        bytes_append(out, line, (size_t)len < sizeof(line) ? (size_t)len : sizeof(line) - 1);
    }
}

static void put_head(struct bytes *out, const char *metric, enum stats_kind kind, const char *help)
{
    put(out, "# HELP %s %s\n", metric, help);
    put(out, "# TYPE %s %s\n", metric, kind == STATS_COUNTER ? "counter" : "gauge");
}

static void put_sample(struct bytes *out, const char *metric, const char *labels,
                       const char *more_labels, uint64_t value)
{
    const char *comma = labels[0] != 0 && more_labels[0] != 0 ? "," : "";
    put(out, "%s{%s%s%s} %llu\n", metric, labels, comma, more_labels, (unsigned long long)value);
}

/* An instance of a scope and the labels that tell it from the others. */
struct instance {
    const void *stats;
    uint32_t signals; /* of an exporter */
    char labels[256];
};

#define INSTANCES_MAX 128

struct instances {
    struct instance items[INSTANCES_MAX];
    uint32_t count;
    struct receiver_stats sums[INSTANCES_MAX];
    struct processor_stats processor_sums[INSTANCES_MAX];
};

/* The next place, or NULL where the page is full: a bound of the page, not of the books. */
static struct instance *add_instance(struct instances *list, const void *stats)
{
    if (list->count == INSTANCES_MAX) {
        return NULL;
    }
    struct instance *instance = &list->items[list->count];
    instance->stats = stats;
    list->count++;
    return instance;
}

static void collect_receivers(const struct graph *graph, struct instances *list)
{
    for (uint32_t i = 0; i < graph->receiver_count; i++) {
        const struct graph_receiver *entry = graph->receivers[i];
        struct receiver_stats *sum = &list->sums[list->count];
        struct instance *instance = entry == NULL ? NULL : add_instance(list, sum);
        if (instance == NULL) {
            continue;
        }
        books_sum_receiver(entry->receiver, sum);
        (void)snprintf(instance->labels, sizeof(instance->labels),
                       "receiver=\"%s\",transport=\"%s\"", entry->id, entry->receiver->transport);
    }
}

/* An exporter that is shared by several signals counts them together. */
static const char *data_type_of(uint32_t signals)
{
    switch (signals) {
    case SIGNAL_BIT(SIGNAL_TRACES):
        return "traces";
    case SIGNAL_BIT(SIGNAL_METRICS):
        return "metrics";
    case SIGNAL_BIT(SIGNAL_LOGS):
        return "logs";
    default:
        return "all";
    }
}

static void collect_exporters(const struct graph *graph, struct instances *list)
{
    for (uint32_t i = 0; i < graph->exporter_count; i++) {
        const struct graph_exporter *entry = graph->exporters[i];
        struct instance *instance =
            entry == NULL ? NULL : add_instance(list, &entry->exporter->stats);
        if (instance != NULL) {
            instance->signals = entry->signals;
            (void)snprintf(instance->labels, sizeof(instance->labels),
                           "exporter=\"%s\",data_type=\"%s\"", entry->id,
                           data_type_of(entry->signals));
        }
    }
}

/* The instances of one processor of one pipeline: on every shard, and at the egress. */
static void sum_processor(const struct graph_stage *stage, uint32_t index,
                          struct processor_stats *sum)
{
    for (uint32_t i = 0; i < stage->shard_count && index < stage->leading_count; i++) {
        books_add_processor(stage->shard_halves[i].chain.processors[index], sum);
    }
    if (stage->has_half && index < stage->leading_count) {
        books_add_processor(stage->half.leading.processors[index], sum);
    } else if (stage->has_half) {
        books_add_processor(stage->half.behind.processors[index - stage->leading_count], sum);
    }
}

static void collect_processors(const struct graph *graph, struct instances *list)
{
    static const char *const signals[SIGNAL_COUNT] = {"traces", "metrics", "logs"};
    for (uint32_t i = 0; i < graph->pipeline_count; i++) {
        const struct graph_stage *stage = &graph->stages[i];
        for (uint32_t j = 0; j < stage->prototype_count; j++) {
            struct processor_stats *sum = &list->processor_sums[list->count];
            struct instance *instance = add_instance(list, sum);
            if (instance == NULL) {
                return;
            }
            sum_processor(stage, j, sum);
            (void)snprintf(instance->labels, sizeof(instance->labels),
                           "processor=\"%s\",otel_signal=\"%s\",pipeline=\"%s\"", stage->ids[j],
                           signals[stage->pipeline->signal], graph->pipeline_ids[i]);
        }
    }
}

static void collect_workers(const struct life *life, struct instances *list)
{
    for (uint32_t i = 0; i <= life->shard_count; i++) {
        const struct worker *worker = i < life->shard_count ? &life->shards[i] : &life->egress;
        struct instance *instance = add_instance(list, &worker->stats);
        if (instance != NULL) {
            (void)snprintf(instance->labels, sizeof(instance->labels), "thread=\"%s\"",
                           worker->name);
        }
    }
}

/* weir_items_invalid by the codec's reasons, beside those of stats.def. */
static void put_line_reasons(struct bytes *out, const struct graph *graph,
                             const struct instances *list)
{
    char labels[128];
    for (uint32_t i = 0; i < list->count; i++) {
        const struct receiver *receiver = graph->receivers[i]->receiver;
        for (uint32_t j = 0; j < STATS_LINE_REASON_MAX; j++) {
            const char *reason = receiver->ops->line_reason(j);
            if (reason == NULL) {
                break;
            }
            (void)snprintf(labels, sizeof(labels), "reason=\"line_%s\"", reason);
            put_sample(out, "weir_items_invalid", list->items[i].labels, labels,
                       counter_read(&list->sums[i].line_reasons[j]));
        }
    }
}

/* All rows of one metric, from `first` on; returns the row after them. */
static size_t put_metric(struct bytes *out, const struct stats_row *rows, size_t count,
                         size_t first, const struct instances *list)
{
    size_t i = first;
    put_head(out, rows[first].metric, rows[first].kind, rows[first].help);
    while (i < count && rows[i].scope == rows[first].scope &&
           strcmp(rows[i].metric, rows[first].metric) == 0) {
        for (uint32_t j = 0; j < list->count; j++) {
            put_sample(out, rows[i].metric, list->items[j].labels, rows[i].labels,
                       stats_read(&rows[i], list->items[j].stats));
        }
        i++;
    }
    return i;
}

static void put_scope(struct bytes *out, enum stats_scope scope, const struct graph *graph,
                      const struct instances *list)
{
    size_t count;
    const struct stats_row *rows = stats_rows(&count);
    size_t i = 0;
    while (i < count) {
        if (rows[i].scope != scope) {
            i++;
            continue;
        }
        const char *metric = rows[i].metric;
        i = put_metric(out, rows, count, i, list);
        if (strcmp(metric, "weir_items_invalid") == 0) {
            put_line_reasons(out, graph, list);
        }
    }
}

/* The Collector's names for what the books say. */
static void put_collector_receivers(struct bytes *out, const struct instances *list)
{
    put_head(out, "otelcol_receiver_accepted_metric_points", STATS_COUNTER,
             "Items that entered the pipeline.");
    for (uint32_t i = 0; i < list->count; i++) {
        const struct receiver_stats *sum = list->items[i].stats;
        put_sample(out, "otelcol_receiver_accepted_metric_points", list->items[i].labels, "",
                   counter_read(&sum->items_folded) + counter_read(&sum->items_filtered) +
                       counter_read(&sum->accepted_points));
    }
    put_head(out, "otelcol_receiver_refused_metric_points", STATS_COUNTER,
             "Items that could not enter the pipeline.");
    for (uint32_t i = 0; i < list->count; i++) {
        put_sample(out, "otelcol_receiver_refused_metric_points", list->items[i].labels, "",
                   books_invalid(list->items[i].stats) +
                       counter_read(
                           &((const struct receiver_stats *)list->items[i].stats)->refused_points));
    }
}

/* What the Collector counts of an exporter, by the kind of its items. */
struct exporter_metric {
    const char *name; /* before the items' word */
    const char *help;
    uint64_t (*read)(const struct exporter_stats *stats);
};

static uint64_t read_sent(const struct exporter_stats *stats)
{
    return counter_read(&stats->items_delivered);
}

static uint64_t read_failed(const struct exporter_stats *stats)
{
    return stats_sum(STATS_EXPORTER, "weir_items_rejected", stats) +
           counter_read(&stats->items_dropped_retry) + counter_read(&stats->items_dropped_shutdown);
}

static uint64_t read_not_queued(const struct exporter_stats *stats)
{
    return counter_read(&stats->items_dropped_queue_full);
}

static const struct exporter_metric exporter_metrics[] = {
    {"otelcol_exporter_sent_", "Items that the upstream accepted.", read_sent},
    {"otelcol_exporter_send_failed_", "Items given up after sending failed.", read_failed},
    {"otelcol_exporter_enqueue_failed_", "Items that found no room in the queue.", read_not_queued},
};

static void put_exporter_metric(struct bytes *out, const struct exporter_metric *metric,
                                enum signal signal, const struct instances *list)
{
    static const char *const words[SIGNAL_COUNT] = {"spans", "metric_points", "log_records"};
    char name[96];
    bool has_head = false;
    (void)snprintf(name, sizeof(name), "%s%s", metric->name, words[signal]);
    for (uint32_t i = 0; i < list->count; i++) {
        uint32_t signals = list->items[i].signals;
        bool is_single = (signals & (signals - 1)) == 0;
        if ((is_single && (signals & SIGNAL_BIT(signal)) == 0) ||
            (!is_single && signal != SIGNAL_METRICS)) {
            continue;
        }
        if (!has_head) {
            put_head(out, name, STATS_COUNTER, metric->help);
            has_head = true;
        }
        put_sample(out, name, list->items[i].labels, "", metric->read(list->items[i].stats));
    }
}

static void put_collector_exporters(struct bytes *out, const struct instances *list)
{
    for (size_t i = 0; i < COUNT_OF(exporter_metrics); i++) {
        for (uint32_t j = 0; j < SIGNAL_COUNT; j++) {
            put_exporter_metric(out, &exporter_metrics[i], (enum signal)j, list);
        }
    }
}

/* What made batches leave; the counters are the batcher's own. */
struct batch_metric {
    const char *name;
    const char *help;
    size_t offset; /* of the counter in struct batcher */
};

static const struct batch_metric batch_metrics[] = {
    {"otelcol_processor_batch_batch_size_trigger_send", "Batches that left because of their size.",
     offsetof(struct batcher, sent_by_size)},
    {"otelcol_processor_batch_timeout_trigger_send", "Batches that left because of their age.",
     offsetof(struct batcher, sent_by_timeout)},
    {"weir_processor_batch_oversized", "Batches that could not be cut for want of memory.",
     offsetof(struct batcher, sent_oversized)},
};

static void put_batches(struct bytes *out, const struct graph *graph)
{
    for (size_t i = 0; i < COUNT_OF(batch_metrics); i++) {
        bool has_head = false;
        for (uint32_t j = 0; j < graph->pipeline_count; j++) {
            const struct egress_half *half = &graph->stages[j].half;
            if (!half->has_batcher) {
                continue;
            }
            if (!has_head) {
                put_head(out, batch_metrics[i].name, STATS_COUNTER, batch_metrics[i].help);
                has_head = true;
            }
            const struct counter *counter =
                (const struct counter *)(const void *)((const char *)&half->batcher +
                                                       batch_metrics[i].offset);
            put(out, "%s{processor=\"batch\",pipeline=\"%s\"} %llu\n", batch_metrics[i].name,
                graph->pipeline_ids[j], (unsigned long long)counter_read(counter));
        }
    }
}

/* Whoever is refused here takes this gateway for ill. */
static void put_health(struct bytes *out, const struct life *life)
{
    static const char metric[] = "weir_health_check_refused";
    struct admin_refusals refusals;
    if (!admin_health_refusals(life->admin, &refusals)) {
        return;
    }
    put_head(out, metric, STATS_COUNTER,
             "Connections to the health check that got no answer, by reason.");
    put_sample(out, metric, "reason=\"no_room\"", "", refusals.no_room_count);
    put_sample(out, metric, "reason=\"accept_failed\"", "", refusals.accept_failed_count);
    put_sample(out, metric, "reason=\"unknown_protocol\"", "", refusals.unknown_count);
}

static void put_process(struct bytes *out, const struct life *life)
{
    struct rusage usage;
    uint64_t uptime_ns = clock_mono_ns() - life->started_mono_ns;
    double cpu_seconds = 0;
    if (getrusage(RUSAGE_SELF, &usage) == 0) {
        cpu_seconds = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                      (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
    }
    put_head(out, "otelcol_process_uptime", STATS_COUNTER, "Seconds since the start.");
    put(out, "otelcol_process_uptime %.3f\n", (double)uptime_ns / 1e9);
    put_head(out, "otelcol_process_cpu_seconds", STATS_COUNTER, "CPU time, user and system.");
    put(out, "otelcol_process_cpu_seconds %.6f\n", cpu_seconds);
    put_head(out, "otelcol_process_memory_rss", STATS_GAUGE, "Resident memory in bytes.");
    put(out, "otelcol_process_memory_rss %llu\n", (unsigned long long)process_resident_bytes());
    put_head(out, "weir_telemetry_held_bytes", STATS_GAUGE,
             "Bytes of requests and of what waits to leave that are charged, in whole blocks.");
    put(out, "weir_telemetry_held_bytes %llu\n", (unsigned long long)budget_leased(&life->memory));
    put_head(out, "weir_telemetry_max_bytes", STATS_GAUGE, "From there on requests are refused.");
    put(out, "weir_telemetry_max_bytes %llu\n", (unsigned long long)budget_max(&life->memory));
    put_head(out, "weir_reloads", STATS_COUNTER, "Reloads, by result.");
    put_sample(out, "weir_reloads", "result=\"ok\"", "", life->reload_count);
    put_sample(out, "weir_reloads", "result=\"failed\"", "", life->reload_failed_count);
    put_head(out, "weir_ready", STATS_GAUGE, "1 while weir is ready.");
    put(out, "weir_ready %d\n", life_is_ready(life) ? 1 : 0);
    put_head(out, "weir_build_info", STATS_GAUGE, "Always 1.");
    put_sample(out, "weir_build_info", "version=\"" WEIR_VERSION "\"", "", 1);
}

void admin_page_metrics(const struct life *life, struct bytes *out)
{
    /* Main thread only, and too large for its stack. */
    static struct instances list;
    memset(&list, 0, sizeof(list));
    collect_receivers(life->graph, &list);
    put_scope(out, STATS_RECEIVER, life->graph, &list);
    put_collector_receivers(out, &list);
    memset(&list, 0, sizeof(list));
    collect_exporters(life->graph, &list);
    put_scope(out, STATS_EXPORTER, life->graph, &list);
    put_collector_exporters(out, &list);
    memset(&list, 0, sizeof(list));
    collect_processors(life->graph, &list);
    put_scope(out, STATS_PROCESSOR, life->graph, &list);
    put_batches(out, life->graph);
    memset(&list, 0, sizeof(list));
    collect_workers(life, &list);
    put_scope(out, STATS_WORKER, life->graph, &list);
    put_health(out, life);
    put_process(out, life);
}
