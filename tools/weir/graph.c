/* SPDX-License-Identifier: Apache-2.0 */
/*
 * graph — opening, adopting, draining and closing.
 *
 * Order of opening: receivers bind, exporters open, pipelines connect, receivers start. Exporters
 * and pipelines belong to the egress thread, so they are touched by worker_call only.
 */
#include "tools/weir/graph.h"

#include <errno.h>
#include <string.h>

#include "core/base/fault.h"
#include "core/base/log.h"
#include "core/base/mem.h"
#include "tools/weir/graph_build.h"

/* --- adopting -------------------------------------------------------------------------------- */

/* The old exporter with the same id and settings; NULL where there is none. */
static struct graph_exporter **find_exporter(struct graph *old, const struct graph_exporter *wanted)
{
    for (uint32_t i = 0; old != NULL && i < old->exporter_count; i++) {
        struct graph_exporter *candidate = old->exporters[i];
        if (candidate != NULL && strcmp(candidate->id, wanted->id) == 0 &&
            strcmp(candidate->settings, wanted->settings) == 0) {
            return &old->exporters[i];
        }
    }
    return NULL;
}

static struct graph_receiver **find_receiver(struct graph *old, const struct graph_receiver *wanted)
{
    for (uint32_t i = 0; old != NULL && i < old->receiver_count; i++) {
        struct graph_receiver *candidate = old->receivers[i];
        if (candidate != NULL && strcmp(candidate->id, wanted->id) == 0 &&
            strcmp(candidate->settings, wanted->settings) == 0) {
            return &old->receivers[i];
        }
    }
    return NULL;
}

/* The new pipelines were made with the exporters of this graph: the adopted one takes the place. */
static void replace_route(struct graph *graph, const struct exporter *from, struct exporter *to)
{
    for (uint32_t i = 0; i < graph->pipeline_count; i++) {
        struct pipeline *pipeline = &graph->pipelines[i];
        for (uint32_t j = 0; j < pipeline->route_count; j++) {
            if (pipeline->routes[j] == from) {
                pipeline->routes[j] = to;
            }
        }
    }
}

static void adopt_exporters(struct graph *graph, struct graph *old)
{
    for (uint32_t i = 0; i < graph->exporter_count; i++) {
        struct graph_exporter **found = find_exporter(old, graph->exporters[i]);
        if (found == NULL) {
            continue;
        }
        struct graph_exporter *fresh = graph->exporters[i];
        replace_route(graph, fresh->exporter, (*found)->exporter);
        graph->exporters[i] = *found;
        *found = NULL;
        graph_exporter_free(fresh);
    }
}

static void adopt_receivers(struct graph *graph, struct graph *old)
{
    for (uint32_t i = 0; i < graph->receiver_count; i++) {
        struct graph_receiver **found = find_receiver(old, graph->receivers[i]);
        if (found == NULL) {
            continue;
        }
        struct graph_receiver *fresh = graph->receivers[i];
        struct graph_receiver *adopted = *found;
        struct pipeline **pipelines = adopted->pipelines;
        adopted->pipelines = fresh->pipelines;
        adopted->pipeline_count = fresh->pipeline_count;
        /* The old array is read by the egress thread until it is connected anew. */
        graph->receivers[i] = adopted;
        *found = NULL;
        adopted->receiver->ops->connect(adopted->receiver, adopted->pipelines,
                                        adopted->pipeline_count);
        fresh->pipelines = pipelines;
        graph_receiver_free(fresh);
    }
}

/* --- opening --------------------------------------------------------------------------------- */

static int open_receivers(struct graph *graph, struct graph *old, struct receiver_home *home)
{
    for (uint32_t i = 0; i < graph->receiver_count; i++) {
        struct graph_receiver *entry = graph->receivers[i];
        if (find_receiver(old, entry) != NULL) {
            continue;
        }
        int err = entry->receiver->ops->open(entry->receiver, home);
        entry->is_open = true; /* close is safe after a failed open */
        if (err != 0) {
            return err;
        }
    }
    return 0;
}

struct open_call {
    struct graph *graph;
    struct graph *old;
    int err;
};

static void open_exporters(struct worker *worker, void *argument)
{
    struct open_call *call = argument;
    for (uint32_t i = 0; i < call->graph->exporter_count && call->err == 0; i++) {
        struct graph_exporter *entry = call->graph->exporters[i];
        if (find_exporter(call->old, entry) != NULL) {
            continue;
        }
        call->err = entry->exporter->ops->open(entry->exporter, worker->loop);
        entry->exporter->loop = worker->loop;
        entry->is_open = true;
        if (call->err != 0) {
            log_error("exporter_open_failed", LOG_TEXT("exporter", entry->id),
                      LOG_FAULT("reason", call->err));
        }
    }
}

/* Every turn of the egress thread: held batches are offered again. */
static bool retry_pipelines(struct worker_hook *hook, struct worker *worker)
{
    (void)worker;
    struct graph *graph = CONTAINER_OF(hook, struct graph, retry_hook);
    for (uint32_t i = 0; i < graph->pipeline_count; i++) {
        (void)pipeline_retry(&graph->pipelines[i]);
    }
    return false;
}

static void add_hook(struct worker *worker, void *argument)
{
    struct graph *graph = argument;
    graph->retry_hook.on_turn = retry_pipelines;
    worker_add_hook(worker, &graph->retry_hook);
    graph->is_hooked = true;
}

static void adopt_on_egress(struct worker *worker, void *argument)
{
    (void)worker;
    struct open_call *call = argument;
    adopt_exporters(call->graph, call->old);
}

static int start_receivers(struct graph *graph)
{
    for (uint32_t i = 0; i < graph->receiver_count; i++) {
        struct graph_receiver *entry = graph->receivers[i];
        if (entry->is_started) {
            continue;
        }
        entry->receiver->ops->connect(entry->receiver, entry->pipelines, entry->pipeline_count);
        int err = entry->receiver->ops->start(entry->receiver);
        if (err != 0) {
            return err;
        }
        entry->is_started = true;
    }
    return 0;
}

int graph_open(struct graph *graph, struct graph *old, struct receiver_home *home)
{
    graph->egress = home->egress;
    int err = open_receivers(graph, old, home);
    if (err != 0) {
        return err;
    }
    struct open_call call = {.graph = graph, .old = old};
    worker_call(graph->egress, &call, open_exporters);
    if (call.err != 0) {
        return call.err;
    }
    /* From here on nothing of the old graph can be given back. */
    worker_call(graph->egress, &call, adopt_on_egress);
    worker_call(graph->egress, graph, add_hook);
    adopt_receivers(graph, old);
    return start_receivers(graph);
}

/* --- draining -------------------------------------------------------------------------------- */

void graph_send_away(struct graph *graph)
{
    for (uint32_t i = 0; i < graph->receiver_count; i++) {
        struct receiver *receiver = graph->receivers[i]->receiver;
        receiver->ops->send_away(receiver);
    }
}

/* Does `successor` have a receiver of this id, which then took over the addresses? */
static bool has_receiver(const struct graph *successor, const char *id)
{
    for (uint32_t i = 0; successor != NULL && i < successor->receiver_count; i++) {
        if (strcmp(successor->receivers[i]->id, id) == 0) {
            return true;
        }
    }
    return false;
}

void graph_drain_receivers(struct graph *graph, const struct graph *successor)
{
    for (uint32_t i = 0; i < graph->receiver_count; i++) {
        const struct graph_receiver *entry = graph->receivers[i];
        if (entry != NULL) {
            entry->receiver->ops->drain(entry->receiver, has_receiver(successor, entry->id));
        }
    }
}

bool graph_receivers_are_drained(const struct graph *graph)
{
    for (uint32_t i = 0; i < graph->receiver_count; i++) {
        const struct graph_receiver *entry = graph->receivers[i];
        if (entry != NULL && !entry->receiver->ops->is_drained(entry->receiver)) {
            return false;
        }
    }
    return true;
}

struct drain_call {
    struct graph *graph;
    uint64_t deadline_mono_ns;
    bool is_idle;
};

static void drain_exporters(struct worker *worker, void *argument)
{
    (void)worker;
    const struct drain_call *call = argument;
    for (uint32_t i = 0; i < call->graph->exporter_count; i++) {
        struct graph_exporter *entry = call->graph->exporters[i];
        if (entry != NULL && entry->is_open) {
            entry->exporter->ops->drain(entry->exporter, call->deadline_mono_ns);
        }
    }
}

void graph_drain_exporters(struct graph *graph, uint64_t deadline_mono_ns)
{
    struct drain_call call = {.graph = graph, .deadline_mono_ns = deadline_mono_ns};
    worker_call(graph->egress, &call, drain_exporters);
}

static void check_idle(struct worker *worker, void *argument)
{
    (void)worker;
    struct drain_call *call = argument;
    call->is_idle = true;
    for (uint32_t i = 0; i < call->graph->exporter_count; i++) {
        struct graph_exporter *entry = call->graph->exporters[i];
        if (entry != NULL && entry->is_open && !entry->exporter->ops->is_idle(entry->exporter)) {
            call->is_idle = false;
        }
    }
    for (uint32_t i = 0; i < call->graph->pipeline_count; i++) {
        call->is_idle = call->is_idle && pipeline_is_idle(&call->graph->pipelines[i]);
    }
}

bool graph_exporters_are_idle(struct graph *graph)
{
    struct drain_call call = {.graph = graph};
    worker_call(graph->egress, &call, check_idle);
    return call.is_idle;
}

/* --- closing --------------------------------------------------------------------------------- */

static void abandon_on_egress(struct worker *worker, void *argument)
{
    (void)worker;
    struct graph *graph = argument;
    for (uint32_t i = 0; i < graph->pipeline_count; i++) {
        pipeline_abandon(&graph->pipelines[i]);
    }
}

void graph_abandon(struct graph *graph)
{
    if (graph->egress != NULL) {
        worker_call(graph->egress, graph, abandon_on_egress);
    }
}

static void close_on_egress(struct worker *worker, void *argument)
{
    struct graph *graph = argument;
    abandon_on_egress(worker, graph);
    if (graph->is_hooked) {
        worker_remove_hook(worker, &graph->retry_hook);
        graph->is_hooked = false;
    }
    for (uint32_t i = 0; i < graph->exporter_count; i++) {
        struct graph_exporter *entry = graph->exporters[i];
        if (entry != NULL && entry->is_open) {
            entry->exporter->ops->close(entry->exporter);
            entry->exporter = NULL;
        }
    }
    for (uint32_t i = 0; i < graph->pipeline_count; i++) {
        pipeline_fini(&graph->pipelines[i]);
    }
}

void graph_free(struct graph *graph)
{
    if (graph == NULL) {
        return;
    }
    for (uint32_t i = 0; i < graph->receiver_count; i++) {
        graph_receiver_free(graph->receivers[i]);
    }
    if (graph->egress != NULL) {
        worker_call(graph->egress, graph, close_on_egress);
    }
    graph_parts_free(graph);
}
