/* SPDX-License-Identifier: Apache-2.0 */
/*
 * debug_exporter — one buffer of text, written to every output piece by piece.
 *
 * Standard output is shared with others, so it cannot be made non-blocking; each piece is small
 * enough for a pipe that says it is ready. Items count as delivered when all outputs have their
 * text, and as dropped where one of them is broken. Source: the Collector's debug exporter.
 */
#include "exporters/debug_exporter.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "codecs/bytes.h"
#include "core/base/arena.h"
#include "core/base/clock.h"
#include "core/base/fault.h"
#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/engine/config.h"
#include "exporters/answers.h"
#include "exporters/debug_text.h"
#include "exporters/exporter_bounds.h"
#include "exporters/line_piece.h"
#include "io/loop.h"

#define OUTPUT_MODE 0644
#define SUMMARY_MAX_BYTES 256
/* Pieces of LINE_PIECE_MAX_BYTES for one output in one turn: 1 MiB. */
#define PIECES_PER_TURN 256

/* What a summary calls things. */
struct signal_words {
    const char *title;
    const char *resources;
    const char *metrics; /* NULL but for metrics */
    const char *items;
};

static const struct signal_words words_of[SIGNAL_COUNT] = {
    [SIGNAL_TRACES] = {.title = "Traces", .resources = "resource spans", .items = "spans"},
    [SIGNAL_METRICS] = {.title = "Metrics",
                        .resources = "resource metrics",
                        .metrics = "metrics",
                        .items = "data points"},
    [SIGNAL_LOGS] = {.title = "Logs", .resources = "resource logs", .items = "log records"},
};

struct debug_output {
    char *path; /* owned; "stdout", "stderr" or a file */
    int fd;     /* -1 before open */
    bool is_own_fd;
    size_t written_offset; /* bytes of the text that went */
};

struct debug_exporter {
    struct exporter base;
    enum debug_verbosity verbosity;
    bool uses_logger;
    uint32_t sampling_initial;
    uint32_t sampling_thereafter;
    struct debug_output outputs[DEBUG_OUTPUTS_MAX];
    uint32_t output_count;
    struct answers answers;
    struct timer timer;
    struct arena arena;
    struct bytes wire;  /* parts of one batch, put together */
    struct bytes block; /* text of one batch */
    struct bytes text;  /* what the outputs have yet to take */
    bool has_lost_text; /* an output refused part of `text` for good */
    uint64_t held_items;
    uint64_t tick_start_mono_ns; /* of the second that sampling counts in */
    uint64_t tick_count;         /* batches in it */
    uint64_t give_up_mono_ns;    /* 0, or when a drain ends */
    struct log_limit log_limit;
};

static struct debug_exporter *exporter_of(struct exporter *base)
{
    return CONTAINER_OF(base, struct debug_exporter, base);
}

static void hold_items(struct debug_exporter *exporter, uint64_t held_items)
{
    exporter->held_items = held_items;
    counter_set(&exporter->base.stats.items_held, held_items);
}

/* --- outputs --------------------------------------------------------------------------------- */

static int open_output(struct debug_output *output)
{
    if (strcmp(output->path, "stdout") == 0 || strcmp(output->path, "stderr") == 0) {
        output->fd = strcmp(output->path, "stdout") == 0 ? STDOUT_FILENO : STDERR_FILENO;
        return 0;
    }
    output->fd =
        open(output->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NONBLOCK, OUTPUT_MODE);
    output->is_own_fd = output->fd >= 0;
    return output->fd >= 0 ? 0 : -errno;
}

/* Writes what the output takes without waiting. 0 or -errno; -EAGAIN where it stands still. */
static int write_output(struct debug_output *output, struct slice text)
{
    for (uint32_t i = 0; i < PIECES_PER_TURN && output->written_offset < text.len; i++) {
        struct pollfd ready = {.fd = output->fd, .events = POLLOUT};
        if (poll(&ready, 1, 0) == 0) {
            return -EAGAIN;
        }
        struct slice left = slice_from(text, output->written_offset);
        ssize_t n = write(output->fd, left.ptr, line_piece_bytes(left));
        if (n < 0 && errno != EINTR) {
            return -errno;
        }
        output->written_offset += n > 0 ? (size_t)n : 0;
    }
    return output->written_offset < text.len ? -EAGAIN : 0;
}

static void report_failure(struct debug_exporter *exporter, const struct debug_output *output,
                           int err)
{
    uint64_t suppressed_count = 0;
    if (log_limit_admit(&exporter->log_limit, loop_now_mono_ns(exporter->base.loop),
                        &suppressed_count)) {
        log_warn("debug_write_failed", LOG_TEXT("exporter", exporter->base.id),
                 LOG_TEXT("path", output->path), LOG_TEXT("error", strerror(-err)),
                 LOG_U64("suppressed", suppressed_count));
    }
}

/* Every output has its text, or never will. */
static void settle_text(struct debug_exporter *exporter)
{
    struct exporter_stats *stats = &exporter->base.stats;
    counter_add(exporter->has_lost_text ? &stats->items_dropped_retry : &stats->items_delivered,
                exporter->held_items);
    counter_add(&stats->request_bytes, exporter->has_lost_text ? 0 : exporter->text.len);
    hold_items(exporter, 0);
    exporter->has_lost_text = false;
    bytes_clear(&exporter->text);
    for (uint32_t i = 0; i < exporter->output_count; i++) {
        exporter->outputs[i].written_offset = 0;
    }
}

/* True when nothing is left. */
static bool write_outputs(struct debug_exporter *exporter)
{
    bool is_waiting = false;
    for (uint32_t i = 0; i < exporter->output_count; i++) {
        struct debug_output *output = &exporter->outputs[i];
        int err = write_output(output, bytes_slice(&exporter->text));
        if (err == -EAGAIN) {
            is_waiting = true;
        } else if (err != 0) {
            report_failure(exporter, output, err);
            exporter->has_lost_text = true;
            output->written_offset = exporter->text.len;
        }
    }
    if (!is_waiting) {
        settle_text(exporter);
    }
    return !is_waiting;
}

static void give_up_text(struct debug_exporter *exporter)
{
    counter_add(&exporter->base.stats.items_dropped_shutdown, exporter->held_items);
    hold_items(exporter, 0);
    settle_text(exporter);
}

/* --- batches --------------------------------------------------------------------------------- */

/* The first so many of each second, then every so many-th. */
static bool is_sampled(struct debug_exporter *exporter, uint64_t now_mono_ns)
{
    if (now_mono_ns - exporter->tick_start_mono_ns >= CLOCK_NS_PER_S) {
        exporter->tick_start_mono_ns = now_mono_ns;
        exporter->tick_count = 0;
    }
    exporter->tick_count++;
    if (exporter->tick_count <= exporter->sampling_initial) {
        return true;
    }
    uint64_t beyond = exporter->tick_count - exporter->sampling_initial;
    return exporter->sampling_thereafter != 0 && beyond % exporter->sampling_thereafter == 0;
}

static void log_summary(const struct debug_exporter *exporter, const struct signal_words *words,
                        const struct debug_counts *counts)
{
    if (words->metrics != NULL) {
        log_info(words->title, LOG_TEXT("exporter", exporter->base.id),
                 LOG_U64(words->resources, counts->resource_count),
                 LOG_U64(words->metrics, counts->metric_count),
                 LOG_U64(words->items, counts->item_count));
        return;
    }
    log_info(words->title, LOG_TEXT("exporter", exporter->base.id),
             LOG_U64(words->resources, counts->resource_count),
             LOG_U64(words->items, counts->item_count));
}

/* Time, level, title and counts with tabs between them. Returns the length. */
static size_t format_summary(const struct signal_words *words, const struct debug_counts *counts,
                             uint64_t now_unix_ns, char *out)
{
    char when[CLOCK_RFC3339_BYTES];
    char metrics[64] = "";
    size_t when_len = clock_format_rfc3339(now_unix_ns, when, sizeof(when));
    ASSERT(when_len > 0);
    if (words->metrics != NULL) {
        (void)snprintf(metrics, sizeof(metrics), "\"%s\": %zu, ", words->metrics,
                       counts->metric_count); /* a word and 20 digits */
    }
    int len = snprintf(out, SUMMARY_MAX_BYTES, "%s\tinfo\t%s\t{\"%s\": %zu, %s\"%s\": %zu}\n", when,
                       words->title, words->resources, counts->resource_count, metrics,
                       words->items, counts->item_count);
    ASSERT(len > 0 && len < SUMMARY_MAX_BYTES);
    return (size_t)len;
}

static int gather_wire(struct debug_exporter *exporter, const struct batch *batch,
                       struct slice *out)
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

/* Logs or appends what is to be seen of a batch. 0, or negative with nothing shown. */
static int show_batch(struct debug_exporter *exporter, const struct batch *batch)
{
    struct slice wire;
    struct debug_counts counts;
    const struct signal_words *words = &words_of[batch->signal];
    bytes_clear(&exporter->block);
    arena_reset(&exporter->arena);
    int err = gather_wire(exporter, batch, &wire);
    if (err == 0) {
        err = debug_text_encode(batch->signal, exporter->verbosity, wire, &exporter->arena, &counts,
                                &exporter->block);
    }
    if (err == 0) {
        err = bytes_reserve(&exporter->text, exporter->block.len + SUMMARY_MAX_BYTES);
    }
    if (err != 0) {
        return err;
    }
    if (exporter->uses_logger) {
        log_summary(exporter, words, &counts);
    } else {
        char summary[SUMMARY_MAX_BYTES];
        size_t len = format_summary(words, &counts, loop_now_unix_ns(exporter->base.loop), summary);
        bytes_append(&exporter->text, summary, len);
    }
    bytes_append(&exporter->text, exporter->block.ptr, exporter->block.len);
    return 0;
}

/* --- ops ------------------------------------------------------------------------------------- */

static void debug_on_fire(struct timer *timer, uint64_t now_mono_ns)
{
    struct debug_exporter *exporter = CONTAINER_OF(timer, struct debug_exporter, timer);
    answers_give(&exporter->answers, &exporter->base);
    if (write_outputs(exporter)) {
        return;
    }
    uint64_t retry_mono_ns = now_mono_ns + DEBUG_RETRY_MS * CLOCK_NS_PER_MS;
    if (exporter->give_up_mono_ns != 0 && retry_mono_ns > exporter->give_up_mono_ns) {
        give_up_text(exporter);
        return;
    }
    if (loop_timer_arm(exporter->base.loop, timer, retry_mono_ns) != 0) {
        return; /* without memory; the next batch arms it */
    }
}

static int debug_open(struct exporter *base, struct loop *loop)
{
    struct debug_exporter *exporter = exporter_of(base);
    base->loop = loop;
    int err = arena_init(&exporter->arena, RECORD_ARENA_CHUNK_BYTES, RECORD_ARENA_MAX_BYTES);
    for (uint32_t i = 0; err == 0 && i < exporter->output_count; i++) {
        err = open_output(&exporter->outputs[i]);
        if (err != 0) {
            log_error("debug_open_failed", LOG_TEXT("exporter", base->id),
                      LOG_TEXT("path", exporter->outputs[i].path),
                      LOG_TEXT("error", strerror(-err)));
        }
    }
    return err;
}

static int debug_submit(struct exporter *base, struct batch *batch)
{
    struct debug_exporter *exporter = exporter_of(base);
    uint64_t now_mono_ns = loop_now_mono_ns(base->loop);
    if (answers_is_full(&exporter->answers) || exporter->text.len >= DEBUG_PENDING_MAX_BYTES ||
        loop_timer_arm(base->loop, &exporter->timer, now_mono_ns) != 0) {
        return -EAGAIN;
    }
    int err = is_sampled(exporter, now_mono_ns) ? show_batch(exporter, batch) : 0;
    if (err == -ENOMEM) {
        exporter->tick_count--; /* it will be offered again */
        return -EAGAIN;
    }
    if (err == 0) {
        hold_items(exporter, exporter->held_items + batch->item_count);
    } else {
        counter_add(&base->stats.items_rejected, batch->item_count);
    }
    answers_push(&exporter->answers, batch, err == 0 ? DELIVERY_ACCEPTED : DELIVERY_REJECTED);
    return 0;
}

static void debug_drain(struct exporter *base, uint64_t deadline_mono_ns)
{
    struct debug_exporter *exporter = exporter_of(base);
    exporter->give_up_mono_ns = deadline_mono_ns; /* the timer goes on until then */
}

static bool debug_is_idle(const struct exporter *base)
{
    const struct debug_exporter *exporter =
        (const struct debug_exporter *)((const char *)base - offsetof(struct debug_exporter, base));
    return exporter->answers.count == 0 && exporter->held_items == 0;
}

/* Writes as long as it moves, an output takes 1 MiB at a time, and gives up the rest. */
static void finish_text(struct debug_exporter *exporter)
{
    size_t left = SIZE_MAX;
    while (exporter->text.len > 0 && !write_outputs(exporter)) {
        size_t now_left = 0;
        for (uint32_t i = 0; i < exporter->output_count; i++) {
            now_left += exporter->text.len - exporter->outputs[i].written_offset;
        }
        if (now_left >= left) {
            give_up_text(exporter);
            return;
        }
        left = now_left;
    }
    settle_text(exporter);
}

static void debug_close(struct exporter *base)
{
    struct debug_exporter *exporter = exporter_of(base);
    if (base->loop != NULL) {
        finish_text(exporter);
        loop_timer_cancel(base->loop, &exporter->timer);
        answers_give(&exporter->answers, base);
    }
    for (uint32_t i = 0; i < exporter->output_count; i++) {
        if (exporter->outputs[i].is_own_fd) {
            (void)close(exporter->outputs[i].fd); /* what close could report, write has */
        }
        mem_free(exporter->outputs[i].path);
    }
    arena_fini(&exporter->arena);
    bytes_fini(&exporter->wire);
    bytes_fini(&exporter->block);
    bytes_fini(&exporter->text);
    mem_free(exporter);
}

const struct exporter_ops debug_exporter_ops = {
    .type = "debug",
    .open = debug_open,
    .submit = debug_submit,
    .drain = debug_drain,
    .is_idle = debug_is_idle,
    .close = debug_close,
};

/* --- configuration --------------------------------------------------------------------------- */

static int add_output(struct debug_exporter *exporter, struct slice path)
{
    struct debug_output *output = &exporter->outputs[exporter->output_count];
    *output = (struct debug_output){.path = mem_copy_text(path.ptr, path.len), .fd = -1};
    if (output->path == NULL) {
        return -ENOMEM;
    }
    exporter->output_count++;
    return 0;
}

/* 0 or -ENOMEM. */
static int read_outputs(struct config_reader *config, struct debug_exporter *exporter)
{
    struct config_items items = config_open_list(config, "output_paths");
    struct slice path;
    int err = 0;
    while (err == 0 && config_next_text(&items, &path)) {
        if (exporter->output_count == DEBUG_OUTPUTS_MAX) {
            config_refuse(config, "output_paths", "more than %d outputs", DEBUG_OUTPUTS_MAX);
            return 0;
        }
        err = add_output(exporter, path);
    }
    if (items.is_present && exporter->uses_logger) {
        config_refuse(config, "output_paths", "output_paths needs use_internal_logger: false");
    }
    if (err == 0 && exporter->output_count == 0) {
        err = add_output(exporter,
                         exporter->uses_logger ? SLICE_LITERAL("stderr") : SLICE_LITERAL("stdout"));
    }
    return err;
}

static int read_config(struct config_reader *config, struct debug_exporter *exporter)
{
    static const char *const verbosity_words[] = {
        [DEBUG_BASIC] = "basic", [DEBUG_NORMAL] = "normal", [DEBUG_DETAILED] = "detailed"};
    uint32_t verbosity = DEBUG_BASIC;
    (void)config_read_enum(config, "verbosity", CONFIG_WORDS(verbosity_words), DEBUG_BASIC,
                           &verbosity);
    (void)config_read_u32(config, "sampling_initial", 2, UINT32_MAX, &exporter->sampling_initial);
    (void)config_read_u32(config, "sampling_thereafter", 1, UINT32_MAX,
                          &exporter->sampling_thereafter);
    (void)config_read_bool(config, "use_internal_logger", true, &exporter->uses_logger);
    config_known_unsupported(config, "sending_queue");
    exporter->verbosity = (enum debug_verbosity)verbosity;
    int err = read_outputs(config, exporter);
    int finish_err = config_reader_finish(config);
    return err != 0 ? err : finish_err;
}

int debug_exporter_new(struct config_reader *config, const char *id, struct exporter **out)
{
    struct debug_exporter *exporter = mem_alloc(sizeof(*exporter));
    if (exporter == NULL) {
        return -ENOMEM;
    }
    exporter->base = (struct exporter){.ops = &debug_exporter_ops, .id = id};
    exporter->timer.on_fire = debug_on_fire;
    bytes_init(&exporter->wire, RECORD_MAX_BYTES);
    bytes_init(&exporter->block, RECORD_MAX_BYTES);
    bytes_init(&exporter->text, DEBUG_PENDING_MAX_BYTES + RECORD_MAX_BYTES + SUMMARY_MAX_BYTES);
    int err = read_config(config, exporter);
    if (err != 0) {
        debug_close(&exporter->base);
        return err;
    }
    *out = &exporter->base;
    return 0;
}
