/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sender — slots going through their states, and the book of items out.
 *
 * Every batch that was taken leaves through settle(), which counts it, gives its room back and
 * answers the pipeline, in this order, because the batch may be gone afterwards.
 */
#include "exporters/sender.h"

#include <errno.h>

#include "core/base/clock.h"
#include "core/base/fault.h"
#include "core/base/mem.h"
#include "core/engine/pipeline.h"
#include "exporters/exporter_bounds.h"
#include "io/loop.h"

/* In a drain: no backoff longer than this, and no wait for less time than an attempt needs. */
#define DRAIN_BACKOFF_MAX_NS (1 * CLOCK_NS_PER_S)
#define DRAIN_ATTEMPT_MIN_NS (100 * CLOCK_NS_PER_MS)

/* --- the books -------------------------------------------------------------------------------- */

/* When the batch that waits or is in hand for longest was made; 0 for none. */
static uint64_t oldest_mono_ns(const struct sender *sender)
{
    uint64_t oldest = queue_oldest_mono_ns(&sender->queue);
    for (uint32_t i = 0; i < sender->config.consumer_count; i++) {
        const struct batch *batch = sender->slots[i].batch;
        if (batch != NULL && batch->created_mono_ns < oldest) {
            oldest = batch->created_mono_ns;
        }
    }
    return oldest == UINT64_MAX ? 0 : oldest;
}

static void publish_levels(struct sender *sender)
{
    struct exporter_stats *stats = &sender->exporter->stats;
    counter_set(&stats->items_held, sender->held_items);
    counter_set(&stats->queue_used, sender->queue.used_units);
    counter_set(&stats->requests_in_flight, sender->sending_count);
    counter_set(&sender->exporter->oldest_mono_ns, oldest_mono_ns(sender));
}

static void settle(struct sender *sender, struct batch *batch, enum delivery delivery)
{
    ASSERT(sender->held_items >= batch->item_count);
    sender->held_items -= batch->item_count;
    publish_levels(sender);
    pipeline_done(sender->exporter, batch, delivery);
}

static void log_drop(struct sender *sender, const char *message, const char *cause,
                     uint64_t dropped_items, const struct send_result *result)
{
    uint64_t suppressed_count = 0;
    sender->unlogged_dropped_items += dropped_items;
    if (!log_limit_admit(&sender->drop_limit, loop_now_mono_ns(sender->loop), &suppressed_count)) {
        return;
    }
    char sample[LOG_SAMPLE_TEXT_BYTES];
    log_error("export_dropped", LOG_TEXT("exporter", sender->exporter->id),
              LOG_TEXT("message", message), LOG_TEXT("cause", cause),
              LOG_U64("dropped_items", sender->unlogged_dropped_items),
              LOG_U64("status", result->status),
              LOG_TEXT("reason", log_escape_sample(result->reason, sample)),
              LOG_U64("suppressed", suppressed_count));
    sender->unlogged_dropped_items = 0;
}

/* --- the end of a batch ----------------------------------------------------------------------- */

/* The batch leaves the slot and the queue's account; it is still the pipeline's to free. */
static struct batch *release_slot(struct send_slot *slot)
{
    struct sender *sender = slot->sender;
    ASSERT(slot->state != SEND_STATE_IDLE);
    ASSERT(sender->busy_count > 0);
    struct batch *batch = slot->batch;
    loop_timer_cancel(sender->loop, &slot->timer);
    sender->sending_count -= slot->state == SEND_STATE_SENDING ? 1 : 0;
    sender->busy_count--;
    slot->state = SEND_STATE_IDLE;
    slot->batch = NULL;
    queue_settle(&sender->queue, batch);
    return batch;
}

static void log_partial(struct sender *sender, const struct send_result *result)
{
    uint64_t suppressed_count = 0;
    struct log_limit *limit =
        result->rejected_items > 0 ? &sender->partial_limit : &sender->warning_limit;
    if ((result->rejected_items == 0 && result->reason.len == 0) ||
        !log_limit_admit(limit, loop_now_mono_ns(sender->loop), &suppressed_count)) {
        return;
    }
    char sample[LOG_SAMPLE_TEXT_BYTES];
    log_warn("export_partial_success", LOG_TEXT("exporter", sender->exporter->id),
             LOG_U64("rejected_items", result->rejected_items),
             LOG_TEXT("reason", log_escape_sample(result->reason, sample)),
             LOG_U64("suppressed", suppressed_count));
}

static void take_acceptance(struct send_slot *slot, const struct send_result *result)
{
    struct sender *sender = slot->sender;
    struct exporter_stats *stats = &sender->exporter->stats;
    struct batch *batch = release_slot(slot);
    ASSERT(result->rejected_items <= batch->item_count);
    counter_add(&stats->items_delivered, batch->item_count - result->rejected_items);
    rejects_book(slot->rejects, result->rejected_items, &stats->items_rejected_partial);
    log_partial(sender, result);
    settle(sender, batch, DELIVERY_ACCEPTED);
}

/* Why a batch is given up, with its counter and its word. */
static void give_up(struct send_slot *slot, struct counter *counter, const char *cause,
                    const struct send_result *result)
{
    struct sender *sender = slot->sender;
    struct exporter_stats *stats = &sender->exporter->stats;
    struct batch *batch = release_slot(slot);
    ASSERT(slot->delivered_items <= batch->item_count);
    ASSERT(slot->rejected_items <= batch->item_count - slot->delivered_items);
    uint64_t left_items = batch->item_count - slot->delivered_items - slot->rejected_items;
    bool is_refused = counter == &stats->items_rejected;
    counter_add(&stats->items_delivered, slot->delivered_items);
    if (is_refused) {
        rejects_book(slot->rejects, slot->rejected_items + left_items, counter);
    } else {
        rejects_book(slot->rejects, slot->rejected_items, &stats->items_rejected_partial);
        counter_add(counter, left_items);
    }
    log_drop(sender, "Exporting failed. Dropping data.", cause, left_items, result);
    settle(sender, batch, is_refused ? DELIVERY_REJECTED : DELIVERY_LOST);
}

/* --- attempts --------------------------------------------------------------------------------- */

static void log_retry(struct sender *sender, const struct send_result *result, uint64_t wait_ns)
{
    uint64_t suppressed_count = 0;
    if (!log_limit_admit(&sender->retry_limit, loop_now_mono_ns(sender->loop), &suppressed_count)) {
        return;
    }
    char sample[LOG_SAMPLE_TEXT_BYTES];
    log_warn("export_retry", LOG_TEXT("exporter", sender->exporter->id),
             LOG_TEXT("message", "Exporting failed. Will retry the request after interval."),
             LOG_U64("interval_ms", wait_ns / CLOCK_NS_PER_MS), LOG_U64("status", result->status),
             LOG_TEXT("reason", log_escape_sample(result->reason, sample)),
             LOG_U64("suppressed", suppressed_count));
}

/* Has the batch had all the attempts that the configuration gives it? */
static bool is_out_of_attempts(const struct send_slot *slot)
{
    uint32_t attempts_max = slot->sender->config.attempts_max;
    return attempts_max != 0 && slot->attempt_count >= attempts_max;
}

static const char *exhausted_cause(const struct send_slot *slot)
{
    if (is_out_of_attempts(slot)) {
        return "max_retries";
    }
    return slot->sender->config.retry.is_enabled ? "retry_exhausted" : "retry_on_failure is off";
}

static void pause_slot(struct send_slot *slot, uint64_t wait_ns)
{
    struct sender *sender = slot->sender;
    ASSERT(slot->state == SEND_STATE_SENDING);
    slot->state = SEND_STATE_WAITING;
    sender->sending_count--;
    uint64_t deadline_mono_ns = loop_now_mono_ns(sender->loop) + wait_ns;
    if (loop_timer_arm(sender->loop, &slot->timer, deadline_mono_ns) != 0) {
        struct send_result result = {.outcome = SEND_RETRYABLE};
        give_up(slot, &sender->exporter->stats.items_dropped_memory, "memory", &result);
        return;
    }
    publish_levels(sender);
}

/* Until the deadline of the drain; without one, for ever. */
static uint64_t time_left_ns(const struct sender *sender)
{
    if (!sender->is_draining) {
        return UINT64_MAX;
    }
    uint64_t now_mono_ns = loop_now_mono_ns(sender->loop);
    uint64_t deadline_mono_ns = sender->deadline.deadline_mono_ns;
    return deadline_mono_ns > now_mono_ns ? deadline_mono_ns - now_mono_ns : 0;
}

/*
 * A wait that would end after the deadline is cut to half of what is left, so that the last
 * attempts come closer together. A peer that wants to be left alone until then will not be asked
 * again.
 */
static void retry(struct send_slot *slot, const struct send_result *result)
{
    struct sender *sender = slot->sender;
    struct exporter_stats *stats = &sender->exporter->stats;
    uint64_t wait_ns = 0;
    if (is_out_of_attempts(slot) ||
        !retry_next_wait(&slot->retry, &sender->config.retry, loop_now_mono_ns(sender->loop),
                         result->retry_after_ns, &sender->random_state, &wait_ns)) {
        give_up(slot, &stats->items_dropped_retry, exhausted_cause(slot), result);
        return;
    }
    uint64_t left_ns = time_left_ns(sender);
    if (left_ns < DRAIN_ATTEMPT_MIN_NS || result->retry_after_ns >= left_ns) {
        give_up(slot, &stats->items_dropped_shutdown, "shutdown", result);
        return;
    }
    wait_ns = wait_ns < left_ns ? wait_ns : left_ns / 2;
    log_retry(sender, result, wait_ns);
    pause_slot(slot, wait_ns);
}

static void decide(struct send_slot *slot, const struct send_result *result)
{
    switch (result->outcome) {
    case SEND_ACCEPTED:
        take_acceptance(slot, result);
        break;
    case SEND_RETRYABLE:
        retry(slot, result);
        break;
    case SEND_REJECTED:
        give_up(slot, &slot->sender->exporter->stats.items_rejected, "permanent", result);
        break;
    }
}

static void attempt(struct send_slot *slot)
{
    struct sender *sender = slot->sender;
    struct exporter_stats *stats = &sender->exporter->stats;
    uint64_t request_count = sender->ops->counts_requests ? 0 : 1;
    ASSERT(slot->batch != NULL);
    ASSERT(slot->state != SEND_STATE_SENDING);
    slot->state = SEND_STATE_SENDING;
    slot->attempt_count++;
    sender->sending_count++;
    counter_add(&stats->requests_sent, request_count);
    counter_add(&stats->requests_retried, slot->attempt_count > 1 ? request_count : 0);
    publish_levels(sender);
    int err = sender->ops->send(sender, slot);
    if (err != 0) {
        struct send_result result = {
            .outcome = err == -ENOMEM ? SEND_RETRYABLE : SEND_REJECTED,
            .reason = slice_of_text(fault_text(err)),
        };
        decide(slot, &result);
    }
}

/* --- from the queue into the slots ------------------------------------------------------------ */

static struct send_slot *find_idle_slot(struct sender *sender)
{
    for (uint32_t i = 0; i < sender->config.consumer_count; i++) {
        if (sender->slots[i].state == SEND_STATE_IDLE) {
            return &sender->slots[i];
        }
    }
    return NULL;
}

static void begin(struct sender *sender, struct send_slot *slot, struct batch *batch)
{
    slot->batch = batch;
    slot->attempt_count = 0;
    slot->delivered_items = 0;
    slot->rejected_items = 0;
    slot->rejects = NULL;
    sender->busy_count++;
    retry_begin(&slot->retry, &sender->config.retry, loop_now_mono_ns(sender->loop));
    attempt(slot);
}

static void dispatch(struct sender *sender)
{
    while (sender->queue.waiting_count > 0 && sender->busy_count < sender->config.consumer_count) {
        begin(sender, find_idle_slot(sender), queue_take(&sender->queue));
    }
}

static void refuse_oversized(struct sender *sender)
{
    struct batch *batch = queue_take(&sender->oversized);
    while (batch != NULL) {
        struct send_result result = {.reason = slice_of_text("element size too large")};
        queue_settle(&sender->oversized, batch);
        counter_add(&sender->exporter->stats.items_dropped_queue_full, batch->item_count);
        log_drop(sender, "Exporting failed. Rejecting data.", "queue_full", batch->item_count,
                 &result);
        settle(sender, batch, DELIVERY_REJECTED);
        batch = queue_take(&sender->oversized);
    }
}

static void sender_on_kick(struct timer *timer, uint64_t now_mono_ns)
{
    (void)now_mono_ns;
    struct sender *sender = CONTAINER_OF(timer, struct sender, kick);
    refuse_oversized(sender);
    dispatch(sender);
}

static void slot_on_due(struct timer *timer, uint64_t now_mono_ns)
{
    (void)now_mono_ns;
    struct send_slot *slot = CONTAINER_OF(timer, struct send_slot, timer);
    attempt(slot);
    dispatch(slot->sender);
}

void sender_done(struct send_slot *slot, const struct send_result *result)
{
    ASSERT(slot->state == SEND_STATE_SENDING);
    decide(slot, result);
    dispatch(slot->sender);
}

/* --- the end ---------------------------------------------------------------------------------- */

/* Everything in hand and in the queue is lost to the shutdown. */
static void abandon(struct sender *sender)
{
    struct counter *counter = &sender->exporter->stats.items_dropped_shutdown;
    struct send_result result = {.reason = slice_of_text("no time was left")};
    refuse_oversized(sender);
    for (uint32_t i = 0; sender->slots != NULL && i < sender->config.consumer_count; i++) {
        struct send_slot *slot = &sender->slots[i];
        if (slot->state == SEND_STATE_SENDING) {
            sender->ops->cancel(sender, slot);
        }
        if (slot->state != SEND_STATE_IDLE) {
            give_up(slot, counter, "shutdown", &result);
        }
    }
    struct batch *batch = queue_take(&sender->queue);
    while (batch != NULL) {
        queue_settle(&sender->queue, batch);
        counter_add(counter, batch->item_count);
        log_drop(sender, "Exporting failed. Dropping data.", "shutdown", batch->item_count,
                 &result);
        settle(sender, batch, DELIVERY_LOST);
        batch = queue_take(&sender->queue);
    }
}

/* What the rate limit of the log kept back is said at last. */
static void log_left_over_drops(struct sender *sender)
{
    if (sender->unlogged_dropped_items == 0) {
        return;
    }
    log_error("export_dropped", LOG_TEXT("exporter", sender->exporter->id),
              LOG_TEXT("message", "Exporting failed. Dropping data."),
              LOG_U64("dropped_items", sender->unlogged_dropped_items));
    sender->unlogged_dropped_items = 0;
}

static void sender_on_deadline(struct timer *timer, uint64_t now_mono_ns)
{
    (void)now_mono_ns;
    abandon(CONTAINER_OF(timer, struct sender, deadline));
}

/* --- public ----------------------------------------------------------------------------------- */

void sender_init(struct sender *sender, struct exporter *exporter, const struct sender_ops *ops,
                 const struct sender_config *config)
{
    ASSERT(config->consumer_count > 0);
    ASSERT(config->consumer_count <= SENDER_CONSUMERS_MAX);
    *sender = (struct sender){
        .exporter = exporter,
        .ops = ops,
        .config = *config,
        .kick.on_fire = sender_on_kick,
        .deadline.on_fire = sender_on_deadline,
    };
    if (config->is_queue_enabled) {
        queue_init(&sender->queue, (enum queue_sizer)config->sizer, config->queue_size_units);
    } else {
        queue_init(&sender->queue, QUEUE_REQUESTS, config->consumer_count);
    }
    queue_init(&sender->oversized, QUEUE_REQUESTS, UINT64_MAX);
    exporter->blocks_on_overflow = config->blocks_on_overflow || !config->is_queue_enabled;
    exporter->answers_late = !config->is_queue_enabled;
    counter_set(&exporter->stats.queue_capacity, sender->queue.capacity_units);
}

int sender_open(struct sender *sender, struct loop *loop, uint64_t seed)
{
    ASSERT(sender->slots == NULL);
    sender->loop = loop;
    sender->random_state = seed;
    sender->slots = mem_alloc_array(sender->config.consumer_count, sizeof(struct send_slot));
    if (sender->slots == NULL) {
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < sender->config.consumer_count; i++) {
        sender->slots[i] =
            (struct send_slot){.sender = sender, .index = i, .timer.on_fire = slot_on_due};
    }
    return 0;
}

int sender_submit(struct sender *sender, struct batch *batch)
{
    ASSERT(sender->slots != NULL);
    /* First what may be refused memory: afterwards there is no way back. */
    if (loop_timer_arm(sender->loop, &sender->kick, 0) != 0) {
        return -EAGAIN;
    }
    int err = queue_push(&sender->queue, batch);
    if (err == FAULT_LIMIT) {
        /* -EAGAIN would have the pipeline offer it for ever. */
        err = queue_push(&sender->oversized, batch);
    }
    if (err != 0) {
        return -EAGAIN;
    }
    sender->held_items += batch->item_count;
    publish_levels(sender);
    return 0;
}

uint64_t sender_attempt_timeout_ns(const struct sender *sender)
{
    uint64_t timeout_ns = sender->config.timeout_ns;
    if (!sender->is_draining) {
        return timeout_ns;
    }
    uint64_t left_ns = time_left_ns(sender);
    left_ns = left_ns > CLOCK_NS_PER_MS ? left_ns : CLOCK_NS_PER_MS; /* 0 would mean no limit */
    return timeout_ns == 0 || left_ns < timeout_ns ? left_ns : timeout_ns;
}

static uint64_t at_most(uint64_t value, uint64_t limit)
{
    return value < limit ? value : limit;
}

/* There is no time for long backoffs, whatever the configuration or earlier failures made of them.
 */
static void shorten_backoffs(struct sender *sender)
{
    struct retry_config *config = &sender->config.retry;
    config->initial_interval_ns = at_most(config->initial_interval_ns, DRAIN_BACKOFF_MAX_NS);
    config->max_interval_ns = at_most(config->max_interval_ns, DRAIN_BACKOFF_MAX_NS);
    for (uint32_t i = 0; i < sender->config.consumer_count; i++) {
        struct retry *retry = &sender->slots[i].retry;
        retry->interval_ns = at_most(retry->interval_ns, DRAIN_BACKOFF_MAX_NS);
    }
}

void sender_drain(struct sender *sender, uint64_t deadline_mono_ns)
{
    sender->is_draining = true;
    shorten_backoffs(sender);
    bool is_over = deadline_mono_ns <= loop_now_mono_ns(sender->loop);
    if (is_over || loop_timer_arm(sender->loop, &sender->deadline, deadline_mono_ns) != 0) {
        abandon(sender);
        return;
    }
    for (uint32_t i = 0; i < sender->config.consumer_count; i++) {
        if (sender->slots[i].state == SEND_STATE_WAITING) {
            loop_timer_cancel(sender->loop, &sender->slots[i].timer);
            attempt(&sender->slots[i]);
        }
    }
    dispatch(sender);
}

bool sender_is_idle(const struct sender *sender)
{
    return sender->busy_count == 0 && sender->queue.waiting_count == 0 &&
           sender->oversized.waiting_count == 0;
}

void sender_close(struct sender *sender)
{
    if (sender->loop != NULL) {
        abandon(sender);
        log_left_over_drops(sender);
        loop_timer_cancel(sender->loop, &sender->kick);
        loop_timer_cancel(sender->loop, &sender->deadline);
    }
    mem_free(sender->slots);
    queue_fini(&sender->queue);
    queue_fini(&sender->oversized);
    sender->slots = NULL;
    sender->loop = NULL;
}
