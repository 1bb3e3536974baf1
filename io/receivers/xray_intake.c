/* SPDX-License-Identifier: Apache-2.0 */
/*
 * xray_intake — one copy out of the datagram, one into the part.
 *
 * What is gathered stays in buffers of the shard and is copied once more when it crosses: a part
 * has exactly its bytes then, and a turn makes one allocation for each pipeline.
 */
#include "io/receivers/xray_intake.h"

#include <errno.h>

#include "core/base/fault.h"
#include "core/model/documents.h"
#include "core/processors/shard_half.h"

_Static_assert(XRAY_REASON_COUNT <= STATS_LINE_REASON_MAX, "each reason has a counter");
_Static_assert(XRAY_DATAGRAM_MAX_BYTES < XRAY_GATHER_BYTES, "a document fits an empty lot");

int xray_intake_init(struct xray_intake *intake, const struct xray_intake_options *options)
{
    *intake = (struct xray_intake){
        .shard_id = options->shard_id,
        .receiver_id = options->receiver_id,
        .thread = options->thread,
        .documents = {.encoding = PART_XRAY},
        .spans = {.encoding = PART_OTLP},
        .lease = {.budget = options->memory},
        .stats = options->stats,
    };
    bytes_init(&intake->documents.bytes, XRAY_GATHER_BYTES);
    /* It crosses when it has more than that, and the next document may be as large as they come. */
    bytes_init(&intake->spans.bytes, XRAY_GATHER_BYTES + XRAY_SPANS_MAX_BYTES);
    intake->translator = xray_to_otlp_new();
    int err = intake->translator == NULL ? -ENOMEM : 0;
    return err == 0 ? bytes_reserve_exact(&intake->documents.bytes, XRAY_GATHER_BYTES) : err;
}

void xray_intake_fini(struct xray_intake *intake)
{
    ASSERT(intake->documents.item_count == 0);
    ASSERT(intake->spans.item_count == 0);
    bytes_fini(&intake->documents.bytes);
    bytes_fini(&intake->spans.bytes);
    xray_to_otlp_free(intake->translator);
    if (intake->lease.budget != NULL) {
        lease_fini(&intake->lease);
    }
    *intake = (struct xray_intake){0};
}

static void lot_add_pipeline(struct xray_lot *lot, struct pipeline *pipeline)
{
    ASSERT(lot->pipeline_count < OTLP_PIPELINES_MAX); /* the graph's limit */
    lot->pipelines[lot->pipeline_count] = pipeline;
    lot->pipeline_count++;
}

void xray_intake_connect(struct xray_intake *intake, struct pipeline *const *pipelines,
                         uint32_t pipeline_count)
{
    ASSERT(intake->documents.item_count == 0);
    ASSERT(intake->spans.item_count == 0);
    intake->documents.pipeline_count = 0;
    intake->spans.pipeline_count = 0;
    for (uint32_t i = 0; i < pipeline_count; i++) {
        ASSERT(pipelines[i]->signal == SIGNAL_TRACES);
        bool is_taken_raw = pipeline_takes(pipelines[i], PART_XRAY);
        lot_add_pipeline(is_taken_raw ? &intake->documents : &intake->spans, pipelines[i]);
    }
}

const char *xray_intake_reason(uint32_t index)
{
    if (index < XRAY_REASON_DOCUMENT) {
        return xray_datagram_why_label((enum xray_datagram_why)(index - XRAY_REASON_DATAGRAM + 1));
    }
    if (index < XRAY_REASON_QUEUE_FULL) {
        return xray_why_label((enum xray_why)(index - XRAY_REASON_DOCUMENT + 1));
    }
    return index == XRAY_REASON_QUEUE_FULL ? "queue_full" : NULL;
}

/* --- out ---------------------------------------------------------------------------------------
 */

/* What became of a lot at one pipeline, the better first. */
enum lot_fate {
    LOT_SENT,
    LOT_NO_ROOM,
    LOT_NO_MEMORY,
};

/* Through the shard half and across. What its processors leave out is in their book. */
static enum lot_fate send_lot(struct xray_intake *intake, const struct xray_lot *lot,
                              const struct pipeline *pipeline)
{
    struct shard_half *half = &pipeline->shard_halves[intake->shard_id];
    struct slice bytes = bytes_slice(&lot->bytes);
    struct part part;
    bool is_lost = false;
    if (lane_room(&half->lane) == 0) {
        return LOT_NO_ROOM;
    }
    if (!lease_take(&intake->lease, bytes.len)) {
        return LOT_NO_MEMORY;
    }
    if (part_copy(&part, bytes, SIGNAL_TRACES, lot->item_count) != 0) {
        lease_give(&intake->lease, bytes.len);
        return LOT_NO_MEMORY;
    }
    part.encoding = lot->encoding;
    part.charged_bytes = bytes.len;
    if (!chain_process(&half->chain, &part, intake->now_unix_ns, &is_lost)) {
        lease_give(&intake->lease, part.charged_bytes);
        part_fini(&part);
        return LOT_SENT;
    }
    lane_push(&half->lane, &part);
    intake->has_sent = true;
    return LOT_SENT;
}

/* In the book of items a lot is in as soon as one pipeline has it. */
static void book_lot(struct xray_intake *intake, uint64_t item_count, enum lot_fate best)
{
    struct receiver_stats *stats = intake->stats;
    counter_add(&stats->items_decoded, item_count);
    switch (best) {
    case LOT_SENT:
        counter_add(&stats->items_forwarded, item_count);
        counter_add(&stats->accepted_spans, item_count);
        return;
    case LOT_NO_ROOM:
        counter_add(&stats->line_reasons[XRAY_REASON_QUEUE_FULL], item_count);
        return;
    case LOT_NO_MEMORY:
        counter_add(&stats->invalid_memory, item_count);
        return;
    }
}

static void flush_lot(struct xray_intake *intake, struct xray_lot *lot, bool is_booked)
{
    enum lot_fate best = LOT_NO_MEMORY;
    if (lot->item_count == 0) {
        return;
    }
    for (uint32_t i = 0; i < lot->pipeline_count; i++) {
        enum lot_fate fate = send_lot(intake, lot, lot->pipelines[i]);
        best = fate < best ? fate : best;
        /* Each pipeline that lost its share counts, whatever the others did. */
        counter_add(&intake->stats->refused_spans, fate == LOT_SENT ? 0 : lot->item_count);
    }
    if (is_booked) {
        book_lot(intake, lot->item_count, best);
    }
    lot->item_count = 0;
    bytes_clear(&lot->bytes);
}

static void flush_spans(struct xray_intake *intake)
{
    flush_lot(intake, &intake->spans, true);
}

/* Documents that are translated, too, are booked as spans only. */
static void flush_documents(struct xray_intake *intake)
{
    flush_lot(intake, &intake->documents, intake->spans.pipeline_count == 0);
}

void xray_intake_flush(struct xray_intake *intake)
{
    flush_documents(intake);
    flush_spans(intake);
}

/* --- in ----------------------------------------------------------------------------------------
 */

/* A sample for people, at most one per reason in LOG_LIMIT_INTERVAL_MS. */
static void log_refused(struct xray_intake *intake, uint32_t reason, const char *words,
                        struct slice bytes)
{
    uint64_t suppressed_count = 0;
    if (!log_limit_admit(&intake->limits[reason], intake->now_mono_ns, &suppressed_count)) {
        return;
    }
    char sample[LOG_SAMPLE_TEXT_BYTES];
    log_warn("segment_refused", LOG_TEXT("receiver", intake->receiver_id),
             LOG_TEXT("thread", intake->thread), LOG_TEXT("reason", xray_intake_reason(reason)),
             LOG_TEXT("why", words), LOG_TEXT("sample", log_escape_sample(bytes, sample)),
             LOG_U64("suppressed", suppressed_count));
}

static void refuse(struct xray_intake *intake, uint32_t reason, uint32_t item_count)
{
    counter_add(&intake->stats->items_decoded, item_count);
    counter_add(&intake->stats->line_reasons[reason], item_count);
    counter_add(&intake->stats->refused_spans, item_count);
}

static void gather(struct xray_intake *intake, struct slice document)
{
    struct xray_lot *lot = &intake->documents;
    if (documents_size_bytes(document.len) > lot->bytes.capacity_bytes - lot->bytes.len) {
        flush_documents(intake);
    }
    documents_append(lot->bytes.ptr, lot->bytes.capacity_bytes, &lot->bytes.len, document);
    lot->item_count++;
}

/* The translation found no memory for its output; what it holds is whole. */
static void give_up_document(struct xray_intake *intake)
{
    flush_spans(intake);
    bytes_clear(&intake->spans.bytes);
    counter_add(&intake->stats->items_decoded, 1);
    counter_add(&intake->stats->invalid_memory, 1);
    counter_add(&intake->stats->refused_spans, 1);
}

static void translate(struct xray_intake *intake, struct slice document)
{
    struct xray_lot *lot = &intake->spans;
    uint32_t span_count = 0;
    const char *label = NULL;
    int err = xray_to_otlp_append(intake->translator, document, &lot->bytes, &span_count, &label);
    if (err == FAULT_MALFORMED) {
        enum xray_why why = xray_to_otlp_why(intake->translator);
        uint32_t reason = XRAY_REASON_DOCUMENT + (uint32_t)why - 1;
        refuse(intake, reason, span_count);
        log_refused(intake, reason, xray_why_text(why), document);
        return;
    }
    if (err != 0) {
        give_up_document(intake);
        return;
    }
    lot->item_count += span_count;
    if (lot->bytes.len >= XRAY_GATHER_BYTES) {
        flush_spans(intake);
    }
}

void xray_intake_take(struct xray_intake *intake, struct slice datagram)
{
    struct slice document;
    enum xray_datagram_why why = XRAY_DATAGRAM_WHY_NONE;
    ASSERT(datagram.len <= XRAY_DATAGRAM_MAX_BYTES);
    if (xray_datagram_read(datagram, &document, &why) != 0) {
        uint32_t reason = XRAY_REASON_DATAGRAM + (uint32_t)why - 1;
        refuse(intake, reason, 1);
        log_refused(intake, reason, xray_datagram_why_text(why), datagram);
        return;
    }
    if (intake->documents.pipeline_count > 0) {
        gather(intake, document);
    }
    if (intake->spans.pipeline_count > 0) {
        translate(intake, document);
    }
}
