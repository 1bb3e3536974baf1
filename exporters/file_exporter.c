/* SPDX-License-Identifier: Apache-2.0 */
/*
 * file_exporter — encodes what is offered into one buffer and writes that out in runs of records.
 *
 * The buffer is written when it holds FILE_WRITE_BYTES or when the flush interval is over. A write
 * that fails is tried again from the byte it stopped at; what is given up in the end is cut off at
 * the last whole record. Source: the Collector's file exporter.
 */
#include "exporters/file_exporter.h"

#include <errno.h>
#include <string.h>
#include <sys/uio.h>

#include "codecs/bytes.h"
#include "codecs/otlp_json.h"
#include "core/base/arena.h"
#include "core/base/clock.h"
#include "core/base/fault.h"
#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/engine/config.h"
#include "core/otlp/proto/collector_logs.pb-c.h"
#include "core/otlp/proto/collector_metrics.pb-c.h"
#include "core/otlp/proto/collector_trace.pb-c.h"
#include "exporters/answers.h"
#include "exporters/exporter_bounds.h"
#include "exporters/file_config.h"
#include "io/loop.h"

#define FRAME_BYTES 4
#define RECORDS_FIRST_COUNT 64

_Static_assert(RECORD_MAX_BYTES <= UINT32_MAX, "the length of a record has four bytes");

static const ProtobufCMessageDescriptor *const request_descriptors[SIGNAL_COUNT] = {
    [SIGNAL_TRACES] =
        &opentelemetry__proto__collector__trace__v1__export_trace_service_request__descriptor,
    [SIGNAL_METRICS] =
        &opentelemetry__proto__collector__metrics__v1__export_metrics_service_request__descriptor,
    [SIGNAL_LOGS] =
        &opentelemetry__proto__collector__logs__v1__export_logs_service_request__descriptor,
};

/* One batch in the buffer. */
struct file_record {
    size_t end_offset; /* one past its last byte in `pending` */
    uint64_t item_count;
};

struct file_exporter {
    struct exporter base;
    struct file_config config; /* its target options moved into `target` */
    struct file_target target;
    struct answers answers;
    struct timer answer_timer;
    struct timer flush_timer;
    struct arena arena;
    struct bytes wire;           /* parts of one batch, put together */
    struct bytes text;           /* its JSON */
    struct bytes squeezed;       /* its compressed form */
    struct bytes pending;        /* records that are not written yet */
    size_t written_offset;       /* bytes of `pending` that are */
    struct file_record *records; /* owned */
    size_t record_count;
    size_t record_capacity;
    size_t record_index; /* first one that is not written whole */
    uint64_t held_items;
    bool is_failing; /* the last write failed; only the timer tries again */
    struct log_limit log_limit;
};

static struct file_exporter *exporter_of(struct exporter *base)
{
    return CONTAINER_OF(base, struct file_exporter, base);
}

static void hold_items(struct file_exporter *exporter, uint64_t held_items)
{
    exporter->held_items = held_items;
    counter_set(&exporter->base.stats.items_held, held_items);
}

/* --- encoding -------------------------------------------------------------------------------- */

/* All parts as one request; borrows from the batch or from exporter->wire. 0 or negative. */
static int gather_wire(struct file_exporter *exporter, const struct batch *batch, struct slice *out)
{
    if (batch->part_count == 1) {
        *out = batch->parts[0].bytes;
        return 0;
    }
    bytes_clear(&exporter->wire);
    for (uint32_t i = 0; i < batch->part_count; i++) {
        bytes_append(&exporter->wire, batch->parts[i].bytes.ptr, batch->parts[i].bytes.len);
    }
    *out = bytes_slice(&exporter->wire);
    return exporter->wire.err;
}

/* The record's body in its format, compressed or not. 0 or negative. */
static int encode_body(struct file_exporter *exporter, const struct batch *batch, struct slice *out)
{
    int err = gather_wire(exporter, batch, out);
    if (err == 0 && exporter->config.format == FILE_FORMAT_JSON) {
        bytes_clear(&exporter->text);
        arena_reset(&exporter->arena);
        err = otlp_json_encode(request_descriptors[batch->signal], *out, &exporter->arena,
                               &exporter->text);
        *out = bytes_slice(&exporter->text);
    }
    if (err == 0 && exporter->config.compression != COMPRESS_NONE) {
        struct bytes *squeezed = &exporter->squeezed;
        /* An iovec cannot be const, but compress_iov only reads. */
        struct iovec iov = {.iov_len = out->len};
        memcpy(&iov.iov_base, &out->ptr, sizeof(iov.iov_base));
        bytes_clear(squeezed);
        err = compress_iov(exporter->config.compression, &iov, 1, squeezed);
        *out = bytes_slice(squeezed);
    }
    return err;
}

/* Room for one record more. 0 or -ENOMEM. */
static int reserve_record(struct file_exporter *exporter)
{
    if (exporter->record_count < exporter->record_capacity) {
        return 0;
    }
    size_t capacity =
        exporter->record_capacity == 0 ? RECORDS_FIRST_COUNT : exporter->record_capacity * 2;
    struct file_record *records =
        mem_resize(exporter->records, capacity * sizeof(*exporter->records));
    if (records == NULL) {
        return -ENOMEM;
    }
    exporter->records = records;
    exporter->record_capacity = capacity;
    return 0;
}

/* Appends one record to the buffer. 0, or negative with nothing changed. */
static int push_record(struct file_exporter *exporter, const struct batch *batch)
{
    struct slice body;
    int err = encode_body(exporter, batch, &body);
    err = err == 0 ? reserve_record(exporter) : err;
    err = err == 0 ? bytes_reserve(&exporter->pending, body.len + FRAME_BYTES) : err;
    if (err != 0) {
        return err;
    }
    bool is_line = exporter->config.format == FILE_FORMAT_JSON &&
                   exporter->config.compression == COMPRESS_NONE;
    for (int shift = 24; !is_line && shift >= 0; shift -= 8) {
        bytes_append_byte(&exporter->pending, (uint8_t)(body.len >> shift));
    }
    bytes_append(&exporter->pending, body.ptr, body.len);
    if (is_line) {
        bytes_append_byte(&exporter->pending, '\n');
    }
    ASSERT(exporter->pending.err == 0);
    exporter->records[exporter->record_count] =
        (struct file_record){.end_offset = exporter->pending.len, .item_count = batch->item_count};
    exporter->record_count++;
    hold_items(exporter, exporter->held_items + batch->item_count);
    return 0;
}

/* --- writing --------------------------------------------------------------------------------- */

static size_t record_start(const struct file_exporter *exporter, size_t index)
{
    return index == 0 ? 0 : exporter->records[index - 1].end_offset;
}

/* Where to write to in one go: the next record, and those behind it that the file has room for. */
static size_t run_end(const struct file_exporter *exporter)
{
    uint64_t room = file_target_room_bytes(&exporter->target);
    size_t end = exporter->records[exporter->record_index].end_offset;
    for (size_t i = exporter->record_index + 1; i < exporter->record_count; i++) {
        if (exporter->records[i].end_offset - exporter->written_offset > room) {
            break;
        }
        end = exporter->records[i].end_offset;
    }
    return end;
}

/* Is a new file due before the next record? Not inside one, and not for an empty file. */
static bool is_rotation_due(const struct file_exporter *exporter)
{
    size_t start = record_start(exporter, exporter->record_index);
    size_t end = exporter->records[exporter->record_index].end_offset;
    return exporter->written_offset == start && exporter->target.used_bytes > 0 &&
           end - start > file_target_room_bytes(&exporter->target);
}

/* Takes note of `written` bytes more. */
static void settle_written(struct file_exporter *exporter, size_t written)
{
    exporter->written_offset += written;
    counter_add(&exporter->base.stats.request_bytes, written);
    ASSERT(exporter->written_offset <= exporter->pending.len);
    while (exporter->record_index < exporter->record_count &&
           exporter->records[exporter->record_index].end_offset <= exporter->written_offset) {
        uint64_t item_count = exporter->records[exporter->record_index].item_count;
        counter_add(&exporter->base.stats.items_delivered, item_count);
        counter_add(&exporter->base.stats.requests_sent, 1);
        hold_items(exporter, exporter->held_items - item_count);
        exporter->record_index++;
    }
}

/* One step towards an empty buffer. 0 or -errno. */
static int write_some(struct file_exporter *exporter)
{
    if (exporter->target.fd < 0) {
        return file_target_open(&exporter->target);
    }
    if (is_rotation_due(exporter)) {
        return file_target_rotate(&exporter->target, loop_now_unix_ns(exporter->base.loop));
    }
    size_t written = 0;
    struct slice run = slice_of(exporter->pending.ptr + exporter->written_offset,
                                run_end(exporter) - exporter->written_offset);
    int err = file_target_write(&exporter->target, run, &written);
    if (err == 0) {
        settle_written(exporter, written);
    }
    return err == -EINTR ? 0 : err;
}

static void forget_records(struct file_exporter *exporter)
{
    bytes_clear(&exporter->pending);
    exporter->written_offset = 0;
    exporter->record_count = 0;
    exporter->record_index = 0;
    ASSERT(exporter->held_items == 0);
}

static void report_failure(struct file_exporter *exporter, int err)
{
    uint64_t suppressed_count = 0;
    if (log_limit_admit(&exporter->log_limit, loop_now_mono_ns(exporter->base.loop),
                        &suppressed_count)) {
        log_warn("file_write_failed", LOG_TEXT("exporter", exporter->base.id),
                 LOG_TEXT("path", exporter->target.options.path), LOG_TEXT("error", strerror(-err)),
                 LOG_U64("held_items", exporter->held_items),
                 LOG_U64("suppressed", suppressed_count));
    }
}

/* Writes all there is. 0, or -errno with the rest kept for another try. */
static int flush_records(struct file_exporter *exporter)
{
    int err = 0;
    while (err == 0 && exporter->record_index < exporter->record_count) {
        err = write_some(exporter);
    }
    exporter->is_failing = err != 0;
    if (err != 0) {
        report_failure(exporter, err);
        return err;
    }
    forget_records(exporter);
    loop_timer_cancel(exporter->base.loop, &exporter->flush_timer);
    return 0;
}

/* What is left is lost: counted, and no half record stays in the file. */
static void give_up_records(struct file_exporter *exporter)
{
    file_target_cut(&exporter->target,
                    exporter->written_offset - record_start(exporter, exporter->record_index));
    counter_add(&exporter->base.stats.items_dropped_shutdown, exporter->held_items);
    hold_items(exporter, 0);
    forget_records(exporter);
}

/* --- timers ---------------------------------------------------------------------------------- */

/* Writes; on a failure the flush timer tries again after FILE_RETRY_MS. */
static void flush_or_retry(struct file_exporter *exporter, uint64_t now_mono_ns)
{
    if (flush_records(exporter) == 0) {
        return;
    }
    if (loop_timer_arm(exporter->base.loop, &exporter->flush_timer,
                       now_mono_ns + FILE_RETRY_MS * CLOCK_NS_PER_MS) != 0) {
        return; /* without memory; the next batch arms it */
    }
}

static void flush_on_fire(struct timer *timer, uint64_t now_mono_ns)
{
    struct file_exporter *exporter = CONTAINER_OF(timer, struct file_exporter, flush_timer);
    if (exporter->is_failing) {
        counter_add(&exporter->base.stats.requests_retried, 1);
    }
    flush_or_retry(exporter, now_mono_ns);
}

static void answer_on_fire(struct timer *timer, uint64_t now_mono_ns)
{
    struct file_exporter *exporter = CONTAINER_OF(timer, struct file_exporter, answer_timer);
    answers_give(&exporter->answers, &exporter->base);
    if (exporter->pending.len >= FILE_WRITE_BYTES && !exporter->is_failing) {
        flush_or_retry(exporter, now_mono_ns);
    }
}

/* The next turn answers, the flush interval writes. 0 or -ENOMEM. */
static int arm_timers(struct file_exporter *exporter)
{
    struct loop *loop = exporter->base.loop;
    uint64_t now_mono_ns = loop_now_mono_ns(loop);
    int err = loop_timer_arm(loop, &exporter->answer_timer, now_mono_ns);
    if (err == 0 && !timer_is_armed(&exporter->flush_timer)) {
        err = loop_timer_arm(loop, &exporter->flush_timer,
                             now_mono_ns + exporter->config.flush_interval_ns);
    }
    return err;
}

/* --- ops ------------------------------------------------------------------------------------- */

static int file_open(struct exporter *base, struct loop *loop)
{
    struct file_exporter *exporter = exporter_of(base);
    base->loop = loop;
    int err = arena_init(&exporter->arena, RECORD_ARENA_CHUNK_BYTES, RECORD_ARENA_MAX_BYTES);
    if (err != 0) {
        return err;
    }
    err = file_target_open(&exporter->target);
    if (err != 0) {
        log_error("file_open_failed", LOG_TEXT("exporter", base->id),
                  LOG_TEXT("path", exporter->target.options.path),
                  LOG_TEXT("error", strerror(-err)));
    }
    return err;
}

static int file_submit(struct exporter *base, struct batch *batch)
{
    struct file_exporter *exporter = exporter_of(base);
    if (answers_is_full(&exporter->answers) || exporter->pending.len >= FILE_PENDING_MAX_BYTES ||
        arm_timers(exporter) != 0) {
        return -EAGAIN;
    }
    int err = push_record(exporter, batch);
    if (err == -ENOMEM) {
        return -EAGAIN;
    }
    if (err != 0) {
        counter_add(&base->stats.items_rejected, batch->item_count);
    }
    answers_push(&exporter->answers, batch, err == 0 ? DELIVERY_ACCEPTED : DELIVERY_REJECTED);
    return 0;
}

static void file_drain(struct exporter *base, uint64_t deadline_mono_ns)
{
    (void)deadline_mono_ns; /* one attempt, now */
    struct file_exporter *exporter = exporter_of(base);
    if (flush_records(exporter) != 0) {
        give_up_records(exporter);
        loop_timer_cancel(base->loop, &exporter->flush_timer);
    }
}

static bool file_is_idle(const struct exporter *base)
{
    const struct file_exporter *exporter =
        (const struct file_exporter *)((const char *)base - offsetof(struct file_exporter, base));
    return exporter->answers.count == 0 && exporter->record_count == 0;
}

static void file_close(struct exporter *base)
{
    struct file_exporter *exporter = exporter_of(base);
    if (base->loop != NULL) {
        file_drain(base, 0);
        loop_timer_cancel(base->loop, &exporter->answer_timer);
        answers_give(&exporter->answers, base);
    }
    file_target_close(&exporter->target);
    bytes_fini(&exporter->wire);
    bytes_fini(&exporter->text);
    bytes_fini(&exporter->squeezed);
    bytes_fini(&exporter->pending);
    arena_fini(&exporter->arena);
    mem_free(exporter->records);
    mem_free(exporter);
}

const struct exporter_ops file_exporter_ops = {
    .type = "file",
    .open = file_open,
    .submit = file_submit,
    .drain = file_drain,
    .is_idle = file_is_idle,
    .close = file_close,
};

int file_exporter_new(struct config_reader *config, const char *id, struct exporter **out)
{
    struct file_config read;
    int err = file_config_read(config, &read);
    int finish_err = config_reader_finish(config);
    err = err != 0 ? err : finish_err;
    struct file_exporter *exporter = err == 0 ? mem_alloc(sizeof(*exporter)) : NULL;
    if (exporter == NULL) {
        mem_free(read.target.path);
        return err != 0 ? err : -ENOMEM;
    }
    exporter->base = (struct exporter){.ops = &file_exporter_ops, .id = id};
    exporter->config = read;
    exporter->target = (struct file_target){.options = read.target, .fd = -1};
    exporter->config.target = (struct file_target_options){0};
    exporter->answer_timer.on_fire = answer_on_fire;
    exporter->flush_timer.on_fire = flush_on_fire;
    bytes_init(&exporter->wire, RECORD_MAX_BYTES);
    bytes_init(&exporter->text, RECORD_MAX_BYTES);
    bytes_init(&exporter->squeezed, RECORD_MAX_BYTES);
    bytes_init(&exporter->pending, FILE_PENDING_MAX_BYTES + RECORD_MAX_BYTES + FRAME_BYTES);
    *out = &exporter->base;
    return 0;
}
