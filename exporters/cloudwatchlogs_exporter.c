/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cloudwatchlogs_exporter — one job of aws_logs.h per send slot, filled by log_event.h.
 */
#include "exporters/cloudwatchlogs_exporter.h"

#include <errno.h>

#include "codecs/log_event.h"
#include "core/base/clock.h"
#include "core/base/fault.h"
#include "core/base/mem.h"
#include "core/engine/config.h"
#include "core/model/documents.h"
#include "exporters/aws_logs.h"
#include "exporters/cloudwatchlogs_config.h"
#include "exporters/sender_exporter.h"
#include "io/loop.h"

struct cloudwatchlogs_exporter;

/* What belongs to a send_slot of the same index. */
struct cloudwatchlogs_slot {
    struct aws_logs_job job;
    struct send_slot *send; /* borrowed from the sender while under way */
};

struct cloudwatchlogs_exporter {
    struct sender_exporter common; /* first: see sender_exporter.h */
    struct cloudwatchlogs_config config;
    struct aws_logs logs;
    struct log_events events;
    struct cloudwatchlogs_slot *slots; /* owned; one per consumer */
};

static struct cloudwatchlogs_exporter *exporter_of(struct exporter *base)
{
    return CONTAINER_OF(base, struct cloudwatchlogs_exporter, common.base);
}

/* --- from parts to events --------------------------------------------------------------------- */

/* One item that cannot become an event, and the counter of the reason. */
static void refuse_one(struct aws_logs_job *job, struct counter *counter, const char *why)
{
    struct rejects rejects = {.count = 0};
    rejects_add(&rejects, counter, 1);
    aws_logs_job_refuse(job, 1, &rejects, why);
}

static int take_event(void *context, const struct log_event *event)
{
    struct aws_logs_job *job = context;
    struct aws_logs_record record = {
        .group = event->log_group,
        .stream = event->log_stream,
        .time_ms = event->time_ms,
        .message = event->message,
        .item_count = 1,
    };
    int err = aws_logs_job_add(job, &record);
    if (err == FAULT_MALFORMED) {
        refuse_one(job, &job->logs->stats->items_rejected_log_name,
                   "no name of a log group or stream");
        return 0;
    }
    return err;
}

static int take_documents(struct cloudwatchlogs_exporter *exporter, struct aws_logs_job *job,
                          const struct part *part)
{
    uint64_t now_unix_ns = loop_now_unix_ns(exporter->common.base.loop);
    struct documents_reader reader = documents_reader_of(part->bytes);
    struct slice document;
    while (documents_next(&reader, &document)) {
        int err = log_events_route(&exporter->events, document, now_unix_ns, job, take_event);
        if (err == FAULT_MALFORMED) {
            refuse_one(job, &job->logs->stats->items_rejected_malformed,
                       "a document that is no JSON object");
        } else if (err != 0) {
            return err;
        }
    }
    return reader.err;
}

static int fill(struct cloudwatchlogs_exporter *exporter, struct aws_logs_job *job,
                const struct batch *batch)
{
    uint64_t now_unix_ns = loop_now_unix_ns(exporter->common.base.loop);
    for (uint32_t i = 0; i < batch->part_count; i++) {
        const struct part *part = &batch->parts[i];
        int err = FAULT_UNSUPPORTED;
        switch (part->encoding) {
        case PART_OTLP:
            err = part->signal != SIGNAL_LOGS ? FAULT_UNSUPPORTED
                                              : log_events_write(&exporter->events, part->bytes,
                                                                 now_unix_ns, job, take_event);
            break;
        case PART_EMF:
            err = take_documents(exporter, job, part);
            break;
        case PART_XRAY:
            break;
        }
        if (err != 0) {
            return err;
        }
    }
    return 0;
}

/* --- sending ---------------------------------------------------------------------------------- */

static void job_on_done(struct aws_logs_job *job, const struct send_result *result)
{
    struct cloudwatchlogs_slot *slot = CONTAINER_OF(job, struct cloudwatchlogs_slot, job);
    struct send_slot *send = slot->send;
    if (result->outcome != SEND_RETRYABLE) {
        slot->send = NULL;
    }
    aws_logs_job_settle(job, send, result);
}

static int cloudwatchlogs_send(struct sender *sender, struct send_slot *send)
{
    struct cloudwatchlogs_exporter *exporter = exporter_of(sender->exporter);
    struct cloudwatchlogs_slot *slot = &exporter->slots[send->index];
    send->rejects = &slot->job.rejects;
    if (send->attempt_count == 1 || slot->send != send) {
        aws_logs_job_clear(&slot->job);
        slot->send = NULL;
        int err = fill(exporter, &slot->job, send->batch);
        if (err != 0) {
            return err;
        }
        slot->send = send;
    }
    uint64_t timeout_ns = sender_attempt_timeout_ns(sender);
    return aws_logs_job_start(&slot->job, timeout_ns / CLOCK_NS_PER_MS +
                                              (timeout_ns % CLOCK_NS_PER_MS != 0 ? 1 : 0));
}

static void cloudwatchlogs_cancel(struct sender *sender, struct send_slot *send)
{
    struct cloudwatchlogs_exporter *exporter = exporter_of(sender->exporter);
    struct aws_logs_job *job = &exporter->slots[send->index].job;
    aws_logs_job_cancel(job);
    aws_logs_job_report(job, send);
}

static const struct sender_ops cloudwatchlogs_sender_ops = {
    .send = cloudwatchlogs_send,
    .cancel = cloudwatchlogs_cancel,
    .counts_requests = true,
};

/* --- the ops ---------------------------------------------------------------------------------- */

static int open_logs(struct cloudwatchlogs_exporter *exporter, struct loop *loop, uint64_t seed)
{
    const struct cloudwatchlogs_config *config = &exporter->config;
    struct aws_logs_options options = {
        .group = &config->group,
        .limit_max = config->session.worker_count,
        .hash_seed = seed,
        .stats = &exporter->common.base.stats,
    };
    aws_session_client_options(&config->session, "logs", &options.client);
    return aws_logs_open(&exporter->logs, loop, &options);
}

static int open_slots(struct cloudwatchlogs_exporter *exporter)
{
    uint32_t count = exporter->config.sender.consumer_count;
    exporter->slots = mem_alloc_array(count, sizeof(struct cloudwatchlogs_slot));
    if (exporter->slots == NULL) {
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < count; i++) {
        aws_logs_job_init(&exporter->slots[i].job, &exporter->logs, job_on_done);
    }
    return 0;
}

static int cloudwatchlogs_open(struct exporter *base, struct loop *loop)
{
    struct cloudwatchlogs_exporter *exporter = exporter_of(base);
    /* Replicas that start together must not retry together; an address and a clock differ. */
    uint64_t seed = loop_now_unix_ns(loop) ^ (uint64_t)(uintptr_t)exporter;
    struct log_event_options options = {
        .group_pattern = exporter->config.log_group_name,
        .stream_pattern = exporter->config.log_stream_name,
        .is_raw = exporter->config.is_raw,
    };
    base->loop = loop;
    log_events_init(&exporter->events, &options);
    int err = open_logs(exporter, loop, seed);
    err = err != 0 ? err : open_slots(exporter);
    return err != 0 ? err : sender_open(&exporter->common.sender, loop, seed);
}

static void cloudwatchlogs_close(struct exporter *base)
{
    struct cloudwatchlogs_exporter *exporter = exporter_of(base);
    sender_close(&exporter->common.sender);
    uint32_t count = exporter->slots != NULL ? exporter->config.sender.consumer_count : 0;
    for (uint32_t i = 0; i < count; i++) {
        aws_logs_job_fini(&exporter->slots[i].job);
    }
    mem_free(exporter->slots);
    aws_logs_close(&exporter->logs);
    log_events_fini(&exporter->events);
    cloudwatchlogs_config_fini(&exporter->config);
    mem_free(exporter);
}

const struct exporter_ops cloudwatchlogs_exporter_ops = {
    .type = "awscloudwatchlogs",
    .open = cloudwatchlogs_open,
    .submit = sender_exporter_submit,
    .drain = sender_exporter_drain,
    .is_idle = sender_exporter_is_idle,
    .close = cloudwatchlogs_close,
};

int cloudwatchlogs_exporter_new(struct config_reader *config, const char *id, struct exporter **out)
{
    struct cloudwatchlogs_exporter *exporter = mem_alloc(sizeof(*exporter));
    if (exporter == NULL) {
        return -ENOMEM;
    }
    exporter->common.base = (struct exporter){
        .ops = &cloudwatchlogs_exporter_ops,
        .id = id,
        .encodings = PART_ENCODING_BIT(PART_OTLP) | PART_ENCODING_BIT(PART_EMF),
    };
    int err = cloudwatchlogs_config_read(config, &exporter->config);
    int finish_err = config_reader_finish(config);
    err = err != 0 ? err : finish_err;
    if (err != 0) {
        cloudwatchlogs_config_fini(&exporter->config);
        mem_free(exporter);
        return err;
    }
    sender_init(&exporter->common.sender, &exporter->common.base, &cloudwatchlogs_sender_ops,
                &exporter->config.sender);
    *out = &exporter->common.base;
    return 0;
}
