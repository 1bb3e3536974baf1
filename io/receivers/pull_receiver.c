/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pull_receiver — the face towards the main thread, the outbox, and the clock of the cycles.
 *
 * Cycles keep to a grid that begins with the start: one that is late does not move the next.
 */
#include "io/receivers/pull_receiver.h"

#include <errno.h>

#include "core/base/fault.h"
#include "core/base/log.h"
#include "core/base/mem.h"
#include "io/loop.h"

static struct pull_receiver *of(struct receiver *receiver)
{
    return CONTAINER_OF(receiver, struct pull_receiver, receiver);
}

/* --- the books -------------------------------------------------------------------------------- */

void pull_refuse(struct pull_receiver *pull, uint32_t reason, uint64_t item_count)
{
    ASSERT(reason < STATS_LINE_REASON_MAX);
    counter_add(&pull->stats.items_decoded, item_count);
    counter_add(&pull->stats.line_reasons[reason], item_count);
    counter_add(&pull->stats.refused_points, item_count);
}

/* --- the outbox ------------------------------------------------------------------------------- */

static void take_next(struct pull_receiver *pull)
{
    struct part *part = &pull->outbox[pull->outbox_first];
    pull->outbox_bytes -= part->bytes.len;
    pull->outbox_first = (pull->outbox_first + 1) % PULL_OUTBOX_PARTS_MAX;
    pull->outbox_count--;
    spread_begin(&pull->spread, part);
}

/* In the books once every pipeline has it: until then it may still be given up. */
static bool hand_on(struct pull_receiver *pull, uint64_t now_mono_ns)
{
    uint64_t item_count = spread_waiting_items(&pull->spread);
    if (!spread_turn(&pull->spread, now_mono_ns)) {
        return false;
    }
    counter_add(&pull->stats.items_decoded, item_count);
    counter_add(&pull->stats.items_forwarded, item_count);
    counter_add(&pull->stats.accepted_points, item_count);
    return true;
}

/* Hands on what waits; false while the pipelines have no room. */
static bool deliver(struct pull_receiver *pull)
{
    uint64_t now_mono_ns = loop_now_mono_ns(pull->loop);
    bool has_room = hand_on(pull, now_mono_ns);
    while (has_room && pull->outbox_count > 0) {
        take_next(pull);
        has_room = hand_on(pull, now_mono_ns);
    }
    return has_room;
}

static int complain(struct pull_receiver *pull, enum pull_why why, int err, uint64_t item_count)
{
    pull_refuse(pull, why, item_count);
    uint64_t suppressed_count = 0;
    if (log_limit_admit(&pull->complaints, loop_now_mono_ns(pull->loop), &suppressed_count)) {
        log_warn("points_refused", LOG_TEXT("receiver", pull->receiver.id),
                 LOG_TEXT("reason", pull_reason(why)), LOG_U64("points", item_count),
                 LOG_U64("more", suppressed_count));
    }
    return err;
}

int pull_push(struct pull_receiver *pull, struct slice bytes, uint32_t item_count)
{
    ASSERT(!pull->is_ending);
    if (bytes.len == 0) {
        ASSERT(item_count == 0);
        return 0;
    }
    bool is_full = pull->outbox_count == PULL_OUTBOX_PARTS_MAX ||
                   bytes.len > PULL_OUTBOX_BYTES_MAX - pull->outbox_bytes;
    if (is_full) {
        return complain(pull, PULL_WHY_QUEUE_FULL, -EAGAIN, item_count);
    }
    struct part part;
    if (part_copy(&part, bytes, SIGNAL_METRICS, item_count) != 0) {
        return complain(pull, PULL_WHY_MEMORY, -ENOMEM, item_count);
    }
    uint32_t at = (pull->outbox_first + pull->outbox_count) % PULL_OUTBOX_PARTS_MAX;
    pull->outbox[at] = part;
    pull->outbox_count++;
    pull->outbox_bytes += bytes.len;
    return 0; /* the hook of this or the next turn hands it on */
}

static void give_up_outbox(struct pull_receiver *pull)
{
    if (!spread_is_idle(&pull->spread)) {
        pull_refuse(pull, PULL_WHY_SHUTDOWN, spread_waiting_items(&pull->spread));
    }
    while (pull->outbox_count > 0) {
        struct part *part = &pull->outbox[pull->outbox_first];
        pull_refuse(pull, PULL_WHY_SHUTDOWN, part->item_count);
        part_fini(part);
        pull->outbox_first = (pull->outbox_first + 1) % PULL_OUTBOX_PARTS_MAX;
        pull->outbox_count--;
    }
    spread_fini(&pull->spread);
}

/* --- cycles ----------------------------------------------------------------------------------- */

static void arm_next(struct pull_receiver *pull, uint64_t deadline_mono_ns)
{
    int err = loop_timer_arm(pull->loop, &pull->timer, deadline_mono_ns);
    if (err != 0) {
        log_error("cycles_stopped", LOG_TEXT("receiver", pull->receiver.id),
                  LOG_FAULT("reason", err));
    }
}

static void on_timer(struct timer *timer, uint64_t now_mono_ns)
{
    struct pull_receiver *pull = CONTAINER_OF(timer, struct pull_receiver, timer);
    uint64_t passed_ns = now_mono_ns - timer->deadline_mono_ns;
    uint64_t behind_ns = passed_ns - passed_ns % pull->interval_ns;
    arm_next(pull, timer->deadline_mono_ns + behind_ns + pull->interval_ns);
    pull->ops->collect(pull, now_mono_ns);
}

/* --- on the egress thread --------------------------------------------------------------------- */

static bool pull_on_turn(struct worker_hook *hook, struct worker *worker)
{
    (void)worker;
    struct pull_receiver *pull = CONTAINER_OF(hook, struct pull_receiver, hook);
    if (deliver(pull) && pull->is_ending) {
        atomic_store_explicit(&pull->is_done, true, memory_order_release);
    }
    return false;
}

struct pull_call {
    struct pull_receiver *pull;
    struct pipeline *const *pipelines;
    uint32_t pipeline_count;
    int err;
};

static void open_on_egress(struct worker *worker, void *argument)
{
    struct pull_call *call = argument;
    struct pull_receiver *pull = call->pull;
    pull->loop = worker->loop;
    pull->is_open = true;
    call->err = pull->ops->open(pull, worker->loop);
}

static void connect_on_egress(struct worker *worker, void *argument)
{
    const struct pull_call *call = argument;
    (void)worker;
    spread_connect(&call->pull->spread, call->pipelines, call->pipeline_count);
}

static void start_on_egress(struct worker *worker, void *argument)
{
    struct pull_receiver *pull = argument;
    pull->hook = (struct worker_hook){.on_turn = pull_on_turn};
    worker_add_hook(worker, &pull->hook);
    pull->is_hooked = true;
    if (pull->ops->start != NULL) {
        pull->ops->start(pull);
    }
    if (pull->interval_ns > 0) {
        pull->timer.on_fire = on_timer;
        arm_next(pull, loop_now_mono_ns(pull->loop));
    }
}

static void end_source(struct pull_receiver *pull)
{
    pull->is_ending = true;
    if (pull->is_open) {
        loop_timer_cancel(pull->loop, &pull->timer);
        pull->ops->stop(pull);
        pull->is_open = false;
    }
}

static void drain_on_egress(struct worker *worker, void *argument)
{
    (void)worker;
    end_source(argument);
}

static void stop_on_egress(struct worker *worker, void *argument)
{
    struct pull_receiver *pull = argument;
    end_source(pull);
    if (pull->is_hooked) {
        worker_remove_hook(worker, &pull->hook);
        pull->is_hooked = false;
    }
    give_up_outbox(pull);
}

/* --- from the main thread --------------------------------------------------------------------- */

static int pull_open(struct receiver *receiver, struct receiver_home *home)
{
    struct pull_receiver *pull = of(receiver);
    struct pull_call call = {.pull = pull};
    if (pull->ops->check != NULL) {
        int err = pull->ops->check(pull, home);
        if (err != 0) {
            return err;
        }
    }
    pull->outbox = mem_alloc_array(PULL_OUTBOX_PARTS_MAX, sizeof(pull->outbox[0]));
    if (pull->outbox == NULL) {
        return -ENOMEM;
    }
    pull->home = home;
    pull->counters =
        (struct receiver_counters){.stats = &pull->stats, .thread = home->egress->name};
    receiver->counters = &pull->counters;
    receiver->counters_count = 1;
    worker_call(home->egress, &call, open_on_egress);
    return call.err;
}

static void pull_connect(struct receiver *receiver, struct pipeline *const *pipelines,
                         uint32_t pipeline_count)
{
    struct pull_receiver *pull = of(receiver);
    struct pull_call call = {
        .pull = pull, .pipelines = pipelines, .pipeline_count = pipeline_count};
    worker_call(pull->home->egress, &call, connect_on_egress);
}

static int pull_start(struct receiver *receiver)
{
    struct pull_receiver *pull = of(receiver);
    worker_call(pull->home->egress, pull, start_on_egress);
    return 0;
}

static void pull_send_away(struct receiver *receiver)
{
    (void)receiver; /* nobody came */
}

static void pull_drain(struct receiver *receiver, bool has_successor)
{
    struct pull_receiver *pull = of(receiver);
    (void)has_successor;
    worker_call(pull->home->egress, pull, drain_on_egress);
}

static bool pull_is_drained(const struct receiver *receiver)
{
    const struct pull_receiver *pull = (const struct pull_receiver *)(const void *)receiver;
    return !pull->is_hooked || atomic_load_explicit(&pull->is_done, memory_order_acquire);
}

static void pull_close(struct receiver *receiver)
{
    struct pull_receiver *pull = of(receiver);
    if (pull->home != NULL) {
        worker_call(pull->home->egress, pull, stop_on_egress);
    }
    mem_free(pull->outbox);
    pull->ops->free(pull);
}

const char *pull_reason(uint32_t index)
{
    static const char *const reasons[] = {
        [PULL_WHY_QUEUE_FULL] = "queue_full",
        [PULL_WHY_MEMORY] = "memory_limit",
        [PULL_WHY_SHUTDOWN] = "shutdown",
    };
    return index < COUNT_OF(reasons) ? reasons[index] : NULL;
}

static uint32_t pull_offenders(struct receiver *receiver, struct receiver_offender *out,
                               uint32_t max)
{
    (void)receiver;
    (void)out;
    (void)max;
    return 0; /* nothing is aggregated here */
}

void pull_receiver_init(struct pull_receiver *pull, const struct pull_ops *ops, const char *id,
                        const char *transport, uint64_t interval_ns)
{
    *pull = (struct pull_receiver){
        .receiver = {.id = id, .transport = transport},
        .ops = ops,
        .interval_ns = interval_ns,
        .face =
            {
                .type = ops->type,
                .open = pull_open,
                .connect = pull_connect,
                .start = pull_start,
                .send_away = pull_send_away,
                .drain = pull_drain,
                .is_drained = pull_is_drained,
                .close = pull_close,
                .line_reason = ops->reason != NULL ? ops->reason : pull_reason,
                .offenders = pull_offenders,
            },
    };
    spread_init(&pull->spread, &pull->stats);
    pull->receiver.ops = &pull->face;
}
