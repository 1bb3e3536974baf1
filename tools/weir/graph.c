/* SPDX-License-Identifier: Apache-2.0 */
/*
 * graph — opening, adopting, draining and closing.
 *
 * Order of opening: receivers bind, processors prepare, exporters open, pipelines connect,
 * receivers start. Exporters and pipelines belong to the egress thread, so they are touched by
 * worker_call only.
 */
#include "tools/weir/graph.h"

#include <errno.h>
#include <string.h>

#include "core/base/fault.h"
#include "core/base/log.h"
#include "core/base/mem.h"
#include "tools/weir/graph_auth.h"
#include "tools/weir/graph_build.h"
#include "tools/weir/graph_links.h"
#include "tools/weir/graph_prepare.h"

/* --- adopting -------------------------------------------------------------------------------- */

/* The old exporter with the same id and settings; NULL where there is none. */
static struct graph_exporter **find_exporter(struct graph *old, const struct graph_exporter *wanted)
{
    for (uint32_t i = 0; old != NULL && i < old->exporter_count; i++) {
        struct graph_exporter *candidate = old->exporters[i];
        if (candidate != NULL && strcmp(candidate->id, wanted->id) == 0 &&
            strcmp(candidate->settings, wanted->settings) == 0 &&
            candidate->signals == wanted->signals) {
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
        graph_auth_link_adopted(graph, graph->exporters[i]->exporter);
        graph_exporter_free(fresh);
    }
}

/* The fresh one of equal settings was linked with success, so this one is. */
static void link_adopted(const struct graph *graph, struct receiver *receiver)
{
    struct slice missing;
    if (receiver->ops->link != NULL) {
        bool is_linked = receiver->ops->link(receiver, &graph->auth, &missing);
        ASSERT(is_linked);
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
        link_adopted(graph, adopted->receiver);
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

/* Will the new graph keep this exporter of the old one? */
static bool is_adopted(const struct graph *graph, struct graph *old,
                       struct graph_exporter *const *entry)
{
    for (uint32_t i = 0; i < graph->exporter_count; i++) {
        if (find_exporter(old, graph->exporters[i]) == entry) {
            return true;
        }
    }
    return false;
}

/* What only one can have, an address, goes to the first new exporter that wants it. */
static void offer_to_heirs(struct graph *graph, struct graph *old, const struct exporter *leaving)
{
    for (uint32_t i = 0; i < graph->exporter_count; i++) {
        struct graph_exporter *fresh = graph->exporters[i];
        bool is_new = find_exporter(old, fresh) == NULL;
        if (is_new && fresh->exporter->ops == leaving->ops &&
            leaving->ops->take_over(fresh->exporter, leaving)) {
            return;
        }
    }
}

static void hand_over(struct graph *graph, struct graph *old)
{
    for (uint32_t i = 0; old != NULL && i < old->exporter_count; i++) {
        const struct graph_exporter *entry = old->exporters[i];
        if (entry != NULL && entry->is_open && entry->exporter->ops->take_over != NULL &&
            !is_adopted(graph, old, &old->exporters[i])) {
            offer_to_heirs(graph, old, entry->exporter);
        }
    }
}

struct open_call {
    struct graph *graph;
    struct graph *old;
    int err;
};

static void open_exporters(struct worker *worker, void *argument)
{
    struct open_call *call = argument;
    hand_over(call->graph, call->old);
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

static void graph_on_batch_timer(struct timer *timer, uint64_t now_mono_ns)
{
    /* Its only use is to wake the loop: the hook looks at the batches. */
    (void)timer;
    (void)now_mono_ns;
}

/* Shards whose requests wait are told that answers are on their way. */
static void wake_answered(struct graph *graph)
{
    bool has_answered = false;
    for (uint32_t i = 0; i < graph->pipeline_count; i++) {
        has_answered = has_answered || graph->pipelines[i].has_answered;
        graph->pipelines[i].has_answered = false;
    }
    for (uint32_t i = 0; has_answered && i < graph->home->shard_count; i++) {
        worker_wake(&graph->home->shards[i]);
    }
}

static void arm_batch_timer(struct graph *graph, struct worker *worker)
{
    uint64_t next_mono_ns = UINT64_MAX;
    for (uint32_t i = 0; i < graph->pipeline_count; i++) {
        uint64_t own_mono_ns = egress_half_next_mono_ns(&graph->stages[i].half);
        next_mono_ns = own_mono_ns < next_mono_ns ? own_mono_ns : next_mono_ns;
    }
    if (next_mono_ns == UINT64_MAX) {
        loop_timer_cancel(worker->loop, &graph->batch_timer);
    } else if (!timer_is_armed(&graph->batch_timer) ||
               graph->batch_timer.deadline_mono_ns != next_mono_ns) {
        int err = loop_timer_arm(worker->loop, &graph->batch_timer, next_mono_ns);
        /* Without its timer a batch leaves with the next turn, whatever brings it. */
        if (err != 0) {
            log_debug("batch_timer_refused", LOG_FAULT("reason", err));
        }
    }
}

/* Every turn of the egress thread: lanes are read, due batches leave, held ones are offered again.
 */
static bool graph_on_turn(struct worker_hook *hook, struct worker *worker)
{
    struct graph *graph = CONTAINER_OF(hook, struct graph, hook);
    uint64_t now_mono_ns = loop_now_mono_ns(worker->loop);
    uint64_t now_unix_ns = loop_now_unix_ns(worker->loop);
    bool has_more = false;
    for (uint32_t i = 0; i < graph->pipeline_count; i++) {
        has_more =
            graph_stage_turn(&graph->stages[i], now_mono_ns, now_unix_ns, graph->is_flushing) ||
            has_more;
    }
    wake_answered(graph);
    arm_batch_timer(graph, worker);
    return has_more;
}

static void add_hook(struct worker *worker, void *argument)
{
    struct graph *graph = argument;
    graph->hook.on_turn = graph_on_turn;
    graph->batch_timer.on_fire = graph_on_batch_timer;
    worker_add_hook(worker, &graph->hook);
    graph->is_hooked = true;
}

static int open_stages(struct graph *graph)
{
    int err = 0;
    for (uint32_t i = 0; i < graph->pipeline_count && err == 0; i++) {
        err = graph_stage_open(&graph->stages[i], &graph->pipelines[i], graph->home->shard_count,
                               graph->home->memory);
    }
    return err;
}

static void adopt_on_egress(struct worker *worker, void *argument)
{
    (void)worker;
    struct open_call *call = argument;
    adopt_exporters(call->graph, call->old);
}

/* Those that name others, or those that do not. */
static int start_some(struct graph *graph, bool names_others)
{
    for (uint32_t i = 0; i < graph->receiver_count; i++) {
        struct graph_receiver *entry = graph->receivers[i];
        if (entry->is_started || graph_names_others(entry) != names_others) {
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

static int start_receivers(struct graph *graph)
{
    int err = start_some(graph, false);
    if (err != 0) {
        return err;
    }
    graph_join_receivers(graph);
    return start_some(graph, true);
}

int graph_open(struct graph *graph, struct graph *old, struct receiver_home *home)
{
    graph->egress = home->egress;
    graph->home = home;
    int err = open_stages(graph);
    /*
     * Preparing may take seconds. At start sockets are bound before, so that what comes meanwhile
     * waits in them; on a reload new ones must not lie unread beside those that are read.
     */
    if (err == 0 && old != NULL) {
        err = graph_prepare(graph, old);
    }
    if (err == 0) {
        err = open_receivers(graph, old, home);
    }
    if (err == 0 && old == NULL) {
        err = graph_prepare(graph, NULL);
    }
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

void graph_refresh(struct graph *graph, uint64_t now_mono_ns)
{
    for (uint32_t i = 0; i < graph->auth.count; i++) {
        char why[AUTH_WHY_BYTES];
        if (authenticator_reload(graph->auth.authenticators[i], why) < 0) {
            log_warn("credentials_reload_failed", LOG_TEXT("extension", graph->auth.ids[i]),
                     LOG_TEXT("reason", why));
        }
    }
    for (uint32_t i = 0; i < graph->receiver_count; i++) {
        const struct graph_receiver *entry = graph->receivers[i];
        if (entry != NULL && entry->is_started && entry->receiver->ops->refresh != NULL) {
            entry->receiver->ops->refresh(entry->receiver, now_mono_ns);
        }
    }
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

static void drain_some(struct graph *graph, const struct graph *successor, bool names_others)
{
    for (uint32_t i = 0; i < graph->receiver_count; i++) {
        const struct graph_receiver *entry = graph->receivers[i];
        if (entry != NULL && graph_names_others(entry) == names_others) {
            entry->receiver->ops->drain(entry->receiver, has_receiver(successor, entry->id));
        }
    }
}

void graph_drain_receivers(struct graph *graph, const struct graph *successor)
{
    drain_some(graph, successor, true); /* before the others, which they may refer to until then */
    drain_some(graph, successor, false);
}

struct flush_call {
    struct graph *graph;
    bool is_flushed;
};

static void flush_on_egress(struct worker *worker, void *argument)
{
    (void)worker;
    struct flush_call *call = argument;
    call->graph->is_flushing = true;
    call->is_flushed = true;
    for (uint32_t i = 0; i < call->graph->pipeline_count; i++) {
        call->is_flushed = call->is_flushed && graph_stage_is_empty(&call->graph->stages[i]);
    }
}

bool graph_receivers_are_drained(struct graph *graph)
{
    for (uint32_t i = 0; i < graph->receiver_count; i++) {
        const struct graph_receiver *entry = graph->receivers[i];
        if (entry != NULL && !entry->receiver->ops->is_drained(entry->receiver)) {
            return false;
        }
    }
    struct flush_call call = {.graph = graph};
    worker_call(graph->egress, &call, flush_on_egress);
    return call.is_flushed;
}

uint64_t graph_memory_max_bytes(const struct graph *graph, uint64_t total_bytes)
{
    uint64_t max_bytes = UINT64_MAX;
    for (uint32_t i = 0; i < graph->pipeline_count; i++) {
        if (graph->stages[i].has_limiter) {
            uint64_t own_bytes = memory_limiter_soft_bytes(&graph->stages[i].limiter, total_bytes);
            max_bytes = own_bytes < max_bytes ? own_bytes : max_bytes;
        }
    }
    return max_bytes;
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

static void abandon_pipelines(struct graph *graph)
{
    for (uint32_t i = 0; i < graph->pipeline_count; i++) {
        pipeline_abandon(&graph->pipelines[i]);
    }
}

static void abandon_on_egress(struct worker *worker, void *argument)
{
    struct graph *graph = argument;
    for (uint32_t i = 0; i < graph->pipeline_count && graph->is_hooked; i++) {
        graph_stage_give_up(&graph->stages[i]);
    }
    abandon_pipelines(graph);
    /* Only where it was opened to its end. The deadline is long past. */
    if (graph->is_hooked) {
        struct drain_call call = {.graph = graph, .deadline_mono_ns = 1};
        drain_exporters(worker, &call);
    }
}

void graph_abandon(struct graph *graph)
{
    for (uint32_t i = 0; i < graph->receiver_count; i++) {
        const struct graph_receiver *entry = graph->receivers[i];
        if (entry != NULL && entry->is_started && entry->receiver->ops->halt != NULL) {
            entry->receiver->ops->halt(entry->receiver);
        }
    }
    if (graph->egress != NULL) {
        worker_call(graph->egress, graph, abandon_on_egress);
    }
}

static void close_on_egress(struct worker *worker, void *argument)
{
    struct graph *graph = argument;
    abandon_pipelines(graph);
    if (graph->is_hooked) {
        worker_remove_hook(worker, &graph->hook);
        loop_timer_cancel(worker->loop, &graph->batch_timer);
        graph->is_hooked = false;
    }
    for (uint32_t i = 0; i < graph->pipeline_count; i++) {
        graph_stage_close(&graph->stages[i]);
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

static void free_receivers(struct graph *graph)
{
    for (uint32_t i = 0; i < graph->receiver_count; i++) {
        if (graph->receivers[i] != NULL && graph_names_others(graph->receivers[i])) {
            graph_receiver_free(graph->receivers[i]);
            graph->receivers[i] = NULL;
        }
    }
    for (uint32_t i = 0; i < graph->receiver_count; i++) {
        graph_receiver_free(graph->receivers[i]);
    }
}

void graph_free(struct graph *graph)
{
    if (graph == NULL) {
        return;
    }
    free_receivers(graph);
    if (graph->egress != NULL) {
        worker_call(graph->egress, graph, close_on_egress);
    }
    graph_parts_free(graph);
}
