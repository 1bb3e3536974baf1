/* SPDX-License-Identifier: Apache-2.0 */
/*
 * awsemf_exporter — one encoder for all batches, because the deltas of a series need its past; one
 * job of aws_logs.h, or one block of lines, per send slot.
 */
#include "exporters/awsemf_exporter.h"

#include <errno.h>
#include <unistd.h>

#include "codecs/emf.h"
#include "core/base/clock.h"
#include "core/base/fault.h"
#include "core/base/mem.h"
#include "core/engine/config.h"
#include "exporters/aws_logs.h"
#include "exporters/aws_session.h"
#include "exporters/awsemf_config.h"
#include "exporters/awsemf_lines.h"
#include "exporters/awsemf_tally.h"
#include "exporters/sender_exporter.h"
#include "io/loop.h"

struct awsemf_exporter;

/* What belongs to a send_slot of the same index; a job or a block is used, never both. */
struct awsemf_slot {
    struct aws_logs_job job;
    struct awsemf_block block;
    struct awsemf_exporter *exporter;
    struct send_slot *send;  /* borrowed from the sender while under way */
    uint64_t rejected_items; /* points that are in no document, and should be */
    struct rejects rejects;  /* why they are not */
    const char *reason;      /* static; the last one */
};

struct awsemf_exporter {
    struct sender_exporter common; /* first: see sender_exporter.h */
    struct awsemf_config config;
    struct aws_session_config session;
    struct sender_config sender_config;
    struct aws_logs logs;
    struct awsemf_lines lines;
    struct emf *emf;           /* owned */
    struct awsemf_slot *slots; /* owned; one per consumer */
};

static struct awsemf_exporter *exporter_of(struct exporter *base)
{
    return CONTAINER_OF(base, struct awsemf_exporter, common.base);
}

/* --- from parts to documents ------------------------------------------------------------------ */

/* A document found no room. The series have moved on: there is no second chance to make it. */
static void lose(struct awsemf_slot *slot, uint64_t point_count)
{
    slot->rejected_items += point_count;
    slot->reason = "memory";
    rejects_add(&slot->rejects, &slot->exporter->common.base.stats.items_rejected_memory,
                point_count);
}

static void take_event(void *context, const struct emf_document *document)
{
    struct awsemf_slot *slot = context;
    uint64_t points = document->point_count;
    struct aws_logs_record record = {
        .group = document->log_group,
        .stream = document->log_stream,
        .time_ms = document->time_ms,
        .message = document->message,
        .item_count = points < UINT32_MAX ? (uint32_t)points : UINT32_MAX,
    };
    if (aws_logs_job_add(&slot->job, &record) != 0) {
        lose(slot, points);
    }
}

static void take_line(void *context, const struct emf_document *document)
{
    struct awsemf_slot *slot = context;
    struct bytes *text = &slot->block.text;
    size_t before_bytes = text->len;
    bytes_append(text, document->message.ptr, document->message.len);
    bytes_append_byte(text, '\n');
    if (text->err != 0) {
        text->len = before_bytes;
        text->err = 0; /* the lines before are whole */
        lose(slot, document->point_count);
    }
}

static void encode(struct awsemf_exporter *exporter, struct awsemf_slot *slot,
                   const struct batch *batch)
{
    struct loop *loop = exporter->common.base.loop;
    struct emf_tally before = *emf_tally_of(exporter->emf);
    struct emf_now now = {
        .unix_ns = loop_now_unix_ns(loop),
        .mono_ns = loop_now_mono_ns(loop),
    };
    for (uint32_t i = 0; i < batch->part_count; i++) {
        emf_add_part(exporter->emf, batch->parts[i].bytes, now);
    }
    emf_flush(exporter->emf, slot, exporter->config.is_stdout ? take_line : take_event);
    slot->rejected_items +=
        awsemf_tally_take(&before, emf_tally_of(exporter->emf), &exporter->common.base.stats,
                          &slot->rejects, &slot->reason);
}

static bool is_encodable(const struct batch *batch)
{
    for (uint32_t i = 0; i < batch->part_count; i++) {
        if (batch->parts[i].encoding != PART_OTLP || batch->parts[i].signal != SIGNAL_METRICS) {
            return false;
        }
    }
    return true;
}

static int fill(struct awsemf_exporter *exporter, struct awsemf_slot *slot,
                const struct batch *batch)
{
    if (!is_encodable(batch)) {
        return FAULT_UNSUPPORTED;
    }
    slot->rejected_items = 0;
    slot->rejects.count = 0;
    slot->reason = NULL;
    if (exporter->config.is_stdout) {
        bytes_clear(&slot->block.text);
        slot->block.written_bytes = 0;
        encode(exporter, slot, batch);
        return 0;
    }
    aws_logs_job_clear(&slot->job);
    encode(exporter, slot, batch);
    if (slot->rejected_items > 0) {
        aws_logs_job_refuse(&slot->job, slot->rejected_items, &slot->rejects, slot->reason);
    }
    return 0;
}

/* --- sending ---------------------------------------------------------------------------------- */

static void job_on_done(struct aws_logs_job *job, const struct send_result *result)
{
    struct awsemf_slot *slot = CONTAINER_OF(job, struct awsemf_slot, job);
    aws_logs_job_settle(job, slot->send, result);
}

static void block_on_done(struct awsemf_block *block, int err)
{
    struct awsemf_slot *slot = CONTAINER_OF(block, struct awsemf_slot, block);
    uint64_t item_count = slot->send->batch->item_count;
    struct send_result result = {
        .outcome = SEND_RETRYABLE,
        .reason = slice_of_text(fault_text(err)),
    };
    if (err == 0) {
        bool has_lines = block->text.len > 0;
        uint64_t rejected = slot->rejected_items < item_count ? slot->rejected_items : item_count;
        result = (struct send_result){
            .outcome = !has_lines && rejected > 0 ? SEND_REJECTED : SEND_ACCEPTED,
            .rejected_items = rejected,
            .reason = slice_of_text(slot->reason != NULL ? slot->reason : ""),
        };
        counter_add(&slot->exporter->common.base.stats.request_bytes, block->text.len);
    }
    sender_done(slot->send, &result);
}

static int awsemf_send(struct sender *sender, struct send_slot *send)
{
    struct awsemf_exporter *exporter = exporter_of(sender->exporter);
    struct awsemf_slot *slot = &exporter->slots[send->index];
    slot->send = send;
    send->rejects = exporter->config.is_stdout ? &slot->rejects : &slot->job.rejects;
    if (send->attempt_count == 1) {
        int err = fill(exporter, slot, send->batch);
        if (err != 0) {
            return err;
        }
    }
    if (exporter->config.is_stdout) {
        counter_add(&exporter->common.base.stats.requests_sent, 1);
        return awsemf_lines_write(&exporter->lines, &slot->block);
    }
    uint64_t timeout_ns = sender_attempt_timeout_ns(sender);
    return aws_logs_job_start(&slot->job, timeout_ns / CLOCK_NS_PER_MS +
                                              (timeout_ns % CLOCK_NS_PER_MS != 0 ? 1 : 0));
}

static void awsemf_cancel(struct sender *sender, struct send_slot *send)
{
    struct awsemf_exporter *exporter = exporter_of(sender->exporter);
    struct awsemf_slot *slot = &exporter->slots[send->index];
    if (exporter->config.is_stdout) {
        awsemf_lines_cancel(&exporter->lines, &slot->block);
    } else {
        aws_logs_job_cancel(&slot->job);
        aws_logs_job_report(&slot->job, send);
    }
}

static const struct sender_ops awsemf_sender_ops = {
    .send = awsemf_send,
    .cancel = awsemf_cancel,
    .counts_requests = true,
};

/* --- the ops ---------------------------------------------------------------------------------- */

static int open_logs(struct awsemf_exporter *exporter, struct loop *loop, uint64_t seed)
{
    struct aws_logs_options options = {
        .group = &exporter->config.group,
        .limit_max = exporter->session.worker_count,
        .says_emf = true,
        .hash_seed = seed,
        .stats = &exporter->common.base.stats,
    };
    if (exporter->config.is_stdout) {
        awsemf_lines_init(&exporter->lines, loop, STDOUT_FILENO);
        return 0;
    }
    aws_session_client_options(&exporter->session, "logs", &options.client);
    return aws_logs_open(&exporter->logs, loop, &options);
}

static int open_slots(struct awsemf_exporter *exporter)
{
    uint32_t count = exporter->sender_config.consumer_count;
    exporter->slots = mem_alloc_array(count, sizeof(struct awsemf_slot));
    if (exporter->slots == NULL) {
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < count; i++) {
        struct awsemf_slot *slot = &exporter->slots[i];
        slot->exporter = exporter;
        slot->block.on_done = block_on_done;
        bytes_init(&slot->block.text, AWS_LOGS_TEXT_MAX_BYTES);
        aws_logs_job_init(&slot->job, &exporter->logs, job_on_done);
    }
    return 0;
}

static int awsemf_open(struct exporter *base, struct loop *loop)
{
    struct awsemf_exporter *exporter = exporter_of(base);
    /* Replicas that start together must not retry together; an address and a clock differ. */
    uint64_t seed = loop_now_unix_ns(loop) ^ (uint64_t)(uintptr_t)exporter;
    base->loop = loop;
    int err = emf_new(&exporter->config.emf, seed, &exporter->emf);
    err = err != 0 ? err : open_logs(exporter, loop, seed);
    err = err != 0 ? err : open_slots(exporter);
    return err != 0 ? err : sender_open(&exporter->common.sender, loop, seed);
}

static void free_exporter(struct awsemf_exporter *exporter)
{
    awsemf_config_fini(&exporter->config);
    mem_free(exporter);
}

static void awsemf_close(struct exporter *base)
{
    struct awsemf_exporter *exporter = exporter_of(base);
    sender_close(&exporter->common.sender);
    uint32_t count = exporter->slots != NULL ? exporter->sender_config.consumer_count : 0;
    for (uint32_t i = 0; i < count; i++) {
        aws_logs_job_fini(&exporter->slots[i].job);
        bytes_fini(&exporter->slots[i].block.text);
    }
    mem_free(exporter->slots);
    aws_logs_close(&exporter->logs);
    emf_free(exporter->emf);
    free_exporter(exporter);
}

const struct exporter_ops awsemf_exporter_ops = {
    .type = "awsemf",
    .open = awsemf_open,
    .submit = sender_exporter_submit,
    .drain = sender_exporter_drain,
    .is_idle = sender_exporter_is_idle,
    .close = awsemf_close,
};

int awsemf_exporter_new(struct config_reader *config, const char *id, struct exporter **out)
{
    struct awsemf_exporter *exporter = mem_alloc(sizeof(*exporter));
    if (exporter == NULL) {
        return -ENOMEM;
    }
    exporter->common.base = (struct exporter){.ops = &awsemf_exporter_ops, .id = id};
    int err = awsemf_config_read(config, &exporter->config);
    int session_err = aws_session_config_read(config, &exporter->config.texts, &exporter->session);
    aws_session_sender_read(config, &exporter->session, &exporter->sender_config);
    int finish_err = config_reader_finish(config);
    err = err != 0 ? err : session_err;
    err = err != 0 ? err : finish_err;
    if (err != 0) {
        free_exporter(exporter);
        return err;
    }
    sender_init(&exporter->common.sender, &exporter->common.base, &awsemf_sender_ops,
                &exporter->sender_config);
    *out = &exporter->common.base;
    return 0;
}
