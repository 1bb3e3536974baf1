/* SPDX-License-Identifier: Apache-2.0 */
/*
 * xray_exporter — a job of documents per send slot, between the sender and the calls.
 */
#include "exporters/xray_exporter.h"

#include <errno.h>

#include "codecs/xray_trace.h"
#include "core/base/clock.h"
#include "core/base/fault.h"
#include "core/base/mem.h"
#include "core/engine/config.h"
#include "exporters/awsxray_config.h"
#include "exporters/xray_exporter_docs.h"
#include "exporters/xray_exporter_put.h"
#include "exporters/xray_exporter_telemetry.h"
#include "io/loop.h"

struct xray_exporter;

/* What belongs to a send_slot of the same index. */
struct xray_slot {
    struct xray_job job;
    struct xray_docs docs;
    struct xray_exporter *exporter;
    struct send_slot *send; /* borrowed from the sender while under way */
    struct rejects rejects; /* of the batch */
    bool is_filled;
};

struct xray_exporter {
    struct exporter base;
    struct awsxray_config config;
    struct sender sender;
    struct xray_put put;
    struct xray_telemetry telemetry;
    struct aws_client *client; /* owned */
    struct xray_trace *trace;  /* owned */
    struct xray_slot *slots;   /* owned; one per consumer */
    struct timer farewell;     /* looks whether the last record can go */
    uint64_t drain_deadline_mono_ns;
    bool is_parting; /* drains, and the last record is not decided */
};

static struct xray_exporter *exporter_of(struct exporter *base)
{
    return CONTAINER_OF(base, struct xray_exporter, base);
}

/* --- attempts --------------------------------------------------------------------------------- */

static uint64_t at_most(uint64_t value, uint64_t limit)
{
    return value < limit ? value : limit;
}

/* Why items of the batch are refused; what was refused with its request has no reason of its own.
 */
static void list_rejects(struct xray_slot *slot, const struct xray_docs_sum *sum)
{
    struct exporter_stats *stats = &slot->exporter->base.stats;
    slot->rejects.count = 0;
    rejects_add(&slot->rejects, &stats->items_rejected_document_too_large,
                slot->docs.too_large_items);
    rejects_add(&slot->rejects, &stats->items_rejected_trace_time, slot->docs.bad_time_items);
    rejects_add(&slot->rejects, &stats->items_rejected_span_ids, slot->docs.bad_id_items);
    rejects_add(&slot->rejects, &stats->items_rejected_unprocessed,
                sum->rejected_by[XRAY_DOC_UNPROCESSED]);
    rejects_add(&slot->rejects, &stats->items_rejected_request_too_large,
                sum->rejected_by[XRAY_DOC_TOO_LARGE]);
}

/* What is known of the batch, for the case that it is given up. */
static bool publish(struct xray_slot *slot)
{
    struct xray_docs_sum sum;
    uint64_t item_count = slot->send->batch->item_count;
    xray_docs_sum_up(&slot->docs, &sum);
    list_rejects(slot, &sum);
    slot->send->delivered_items = at_most(sum.delivered_items, item_count);
    slot->send->rejected_items =
        at_most(sum.rejected_items, item_count - slot->send->delivered_items);
    return sum.has_retry;
}

static struct slice reason_of(const struct xray_slot *slot)
{
    if (slot->job.reason[0] == '\0' && slot->docs.refused_why != NULL) {
        return slice_of_text(slot->docs.refused_why);
    }
    return slice_of_text(slot->job.reason);
}

static void job_on_done(struct xray_job *job)
{
    struct xray_slot *slot = CONTAINER_OF(job, struct xray_slot, job);
    bool has_retry = publish(slot);
    struct send_result result = {
        .outcome = SEND_ACCEPTED,
        .rejected_items = slot->send->rejected_items,
        .status = job->status,
        .reason = reason_of(slot),
    };
    if (has_retry) {
        result.outcome = SEND_RETRYABLE;
        result.rejected_items = 0;
        result.retry_after_ns = job->retry_after_ms * CLOCK_NS_PER_MS;
    } else if (slot->send->delivered_items == 0 && slot->send->rejected_items > 0) {
        result.outcome = SEND_REJECTED;
        result.rejected_items = 0;
        slot->send->rejected_items = 0; /* the whole of it is refused, and counted as such */
    }
    sender_done(slot->send, &result);
}

static int fill(struct xray_exporter *exporter, struct xray_slot *slot, const struct batch *batch)
{
    int err =
        xray_docs_fill(&slot->docs, batch, exporter->trace, loop_now_unix_ns(exporter->base.loop));
    if (err != 0) {
        return err;
    }
    slot->is_filled = true;
    counter_add(&exporter->base.stats.documents_trimmed, slot->docs.trimmed_count);
    xray_telemetry_count_received(&exporter->telemetry, batch->item_count);
    return 0;
}

static int xray_send(struct sender *sender, struct send_slot *send)
{
    struct xray_exporter *exporter = exporter_of(sender->exporter);
    struct xray_slot *slot = &exporter->slots[send->index];
    slot->is_filled = slot->is_filled && send->attempt_count > 1;
    slot->send = send;
    send->rejects = &slot->rejects;
    if (!slot->is_filled) {
        slot->rejects.count = 0;
        int err = fill(exporter, slot, send->batch);
        if (err != 0) {
            return err;
        }
    }
    if (slot->docs.count == 0) {
        (void)publish(slot);
        send->rejected_items = 0; /* the whole of it is refused, and counted as such */
        return FAULT_MALFORMED;   /* nothing in it could become a document */
    }
    uint64_t timeout_ns = sender_attempt_timeout_ns(sender);
    xray_docs_restart(&slot->docs);
    slot->job.docs = &slot->docs;
    slot->job.on_done = job_on_done;
    slot->job.timeout_ms =
        timeout_ns / CLOCK_NS_PER_MS + (timeout_ns % CLOCK_NS_PER_MS != 0 ? 1 : 0);
    return xray_put_start(&exporter->put, &slot->job);
}

static void xray_cancel(struct sender *sender, struct send_slot *send)
{
    struct xray_exporter *exporter = exporter_of(sender->exporter);
    struct xray_slot *slot = &exporter->slots[send->index];
    xray_put_cancel(&exporter->put, &slot->job);
    (void)publish(slot); /* it is given up */
}

static const struct sender_ops xray_sender_ops = {
    .send = xray_send,
    .cancel = xray_cancel,
    .counts_requests = true,
};

/* --- the ops ---------------------------------------------------------------------------------- */

static int open_slots(struct xray_exporter *exporter)
{
    uint32_t count = exporter->config.sender.consumer_count;
    exporter->slots = mem_alloc_array(count, sizeof(struct xray_slot));
    if (exporter->slots == NULL) {
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < count; i++) {
        exporter->slots[i].exporter = exporter;
        xray_docs_init(&exporter->slots[i].docs);
    }
    return 0;
}

static int open_trace(struct xray_exporter *exporter, uint64_t seed)
{
    const struct awsxray_config *config = &exporter->config;
    struct xray_trace_options options = {
        .indexed_attributes = config->indexed_attributes,
        .indexed_count = config->indexed_count,
        .log_groups = config->log_groups,
        .log_group_count = config->log_group_count,
        .indexes_all = config->indexes_all,
        .checks_trace_time = config->checks_trace_time,
        .seed = seed,
    };
    return xray_trace_new(&options, &exporter->trace);
}

static int open_client(struct xray_exporter *exporter, struct loop *loop)
{
    struct aws_client_options options;
    aws_session_client_options(&exporter->config.session, "xray", &options);
    int err = aws_client_open(loop, &options, &exporter->client);
    if (err != 0) {
        return err;
    }
    /* As many at once as batches in hand; one large batch may use all of them. */
    err = xray_put_init(&exporter->put, loop, exporter->client, &exporter->base.stats,
                        &exporter->telemetry, exporter->config.sender.consumer_count);
    if (err != 0) {
        return err;
    }
    return xray_telemetry_open(&exporter->telemetry, loop, exporter->client,
                               &exporter->config.telemetry, &exporter->base.stats);
}

static int xray_open(struct exporter *base, struct loop *loop)
{
    struct xray_exporter *exporter = exporter_of(base);
    /* Replicas that start together must neither retry together nor make the same ids. */
    uint64_t seed = loop_now_unix_ns(loop) ^ (uint64_t)(uintptr_t)exporter;
    base->loop = loop;
    int err = open_trace(exporter, seed);
    err = err != 0 ? err : open_slots(exporter);
    err = err != 0 ? err : open_client(exporter, loop);
    return err != 0 ? err : sender_open(&exporter->sender, loop, seed);
}

static int xray_submit(struct exporter *base, struct batch *batch)
{
    return sender_submit(&exporter_of(base)->sender, batch);
}

/* The last record counts what became of the last batch: it goes after that, if there is time. */
static void farewell_on_timer(struct timer *timer, uint64_t now_mono_ns)
{
    struct xray_exporter *exporter = CONTAINER_OF(timer, struct xray_exporter, farewell);
    bool is_over = now_mono_ns >= exporter->drain_deadline_mono_ns;
    if (!is_over && sender_is_idle(&exporter->sender)) {
        uint64_t limit_mono_ns = now_mono_ns + XRAY_FAREWELL_MAX_MS * CLOCK_NS_PER_MS;
        xray_telemetry_end(&exporter->telemetry,
                           at_most(exporter->drain_deadline_mono_ns, limit_mono_ns));
        is_over = xray_telemetry_is_idle(&exporter->telemetry);
    }
    exporter->is_parting =
        !is_over && loop_timer_arm(exporter->base.loop, timer,
                                   now_mono_ns + XRAY_FAREWELL_TICK_MS * CLOCK_NS_PER_MS) == 0;
}

static void xray_drain(struct exporter *base, uint64_t deadline_mono_ns)
{
    struct xray_exporter *exporter = exporter_of(base);
    sender_drain(&exporter->sender, deadline_mono_ns);
    exporter->drain_deadline_mono_ns = deadline_mono_ns;
    if (exporter->config.telemetry.is_enabled) {
        farewell_on_timer(&exporter->farewell, loop_now_mono_ns(base->loop));
    }
}

static bool xray_is_idle(const struct exporter *base)
{
    const struct xray_exporter *exporter =
        (const void *)((const char *)base - offsetof(struct xray_exporter, base));
    return sender_is_idle(&exporter->sender) && !exporter->is_parting;
}

static void xray_close(struct exporter *base)
{
    struct xray_exporter *exporter = exporter_of(base);
    sender_close(&exporter->sender);
    if (base->loop != NULL) {
        loop_timer_cancel(base->loop, &exporter->farewell);
    }
    xray_telemetry_close(&exporter->telemetry);
    xray_put_fini(&exporter->put);
    aws_client_close(exporter->client);
    uint32_t count = exporter->slots != NULL ? exporter->config.sender.consumer_count : 0;
    for (uint32_t i = 0; i < count; i++) {
        xray_docs_fini(&exporter->slots[i].docs);
    }
    mem_free(exporter->slots);
    xray_trace_free(exporter->trace);
    awsxray_config_fini(&exporter->config);
    mem_free(exporter);
}

const struct exporter_ops xray_exporter_ops = {
    .type = "awsxray",
    .open = xray_open,
    .submit = xray_submit,
    .drain = xray_drain,
    .is_idle = xray_is_idle,
    .close = xray_close,
};

int xray_exporter_new(struct config_reader *config, const char *id, struct exporter **out)
{
    struct xray_exporter *exporter = mem_alloc(sizeof(*exporter));
    if (exporter == NULL) {
        return -ENOMEM;
    }
    exporter->farewell.on_fire = farewell_on_timer;
    exporter->base = (struct exporter){
        .ops = &xray_exporter_ops,
        .id = id,
        .encodings = PART_ENCODING_BIT(PART_OTLP) | PART_ENCODING_BIT(PART_XRAY),
    };
    int err = awsxray_config_read(config, &exporter->config);
    int finish_err = config_reader_finish(config);
    err = err != 0 ? err : finish_err;
    if (err != 0) {
        awsxray_config_fini(&exporter->config);
        mem_free(exporter);
        return err;
    }
    sender_init(&exporter->sender, &exporter->base, &xray_sender_ops, &exporter->config.sender);
    *out = &exporter->base;
    return 0;
}
