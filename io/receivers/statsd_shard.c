/* SPDX-License-Identifier: Apache-2.0 */
/*
 * statsd_shard — from bursts to series, and the shard's half of the windows.
 */
#include "io/receivers/statsd_shard.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/fault.h"
#include "core/base/log.h"
#include "core/base/mem.h"

#define KEY_MAX_BYTES (UINT64_C(4) * 1024 * 1024 * 1024)
/* A successor took over the address: late datagrams are read for so long. */
#define LEAVE_GROUP_MS 200
/* The same for connections that were half made when those behind them began to go there. */
#define HAND_ON_STREAMS_MS 100
/* What connections had sent is read for so long before they are closed. */
#define LEAVE_STREAMS_MS 250
/* Series stay in the table for at least this many windows without a point. */
#define IDLE_WINDOWS_MIN 2
/* Series that a table takes from its budget at once. */
#define SERIES_LEASE_COUNT 1024
/* What the log calls the ports of other receivers that lines may come on. */
static char shared_port_text[] = "shared port";
static const struct statsd_endpoint shared_port = {
    .transport = STATSD_TRANSPORT_TCP,
    .text = shared_port_text,
};
/* Turns given to sockets to close when a receiver is torn down: about two seconds. */
#define STOP_TURNS_MAX 2000

_Static_assert(STATSD_WHY_LIMIT <= STATS_LINE_REASON_MAX, "each reason has a counter");

/* --- the route ------------------------------------------------------------------------------- */

/* A sample for people, at most one per listener and reason in LOG_LIMIT_INTERVAL_MS. */
static void log_refused(struct statsd_shard *shard, enum statsd_why why, struct slice bytes)
{
    uint64_t suppressed_count = 0;
    struct statsd_listener *listener = shard->decoding;
    if (!log_limit_admit(&listener->refused_limits[why], loop_now_mono_ns(shard->worker->loop),
                         &suppressed_count)) {
        return;
    }
    char sample[LOG_SAMPLE_TEXT_BYTES];
    log_warn("line_refused", LOG_TEXT("receiver", shard->receiver_id),
             LOG_TEXT("transport", statsd_transport_name(listener->endpoint->transport)),
             LOG_TEXT("endpoint", listener->endpoint->text),
             LOG_TEXT("thread", shard->worker->name), LOG_TEXT("reason", statsd_why_label(why)),
             LOG_TEXT("sample", log_escape_sample(bytes, sample)),
             LOG_U64("suppressed", suppressed_count));
}

static void shard_on_bad(struct statsd_sink *sink, enum statsd_why why, struct slice line)
{
    log_refused(CONTAINER_OF(sink, struct statsd_shard, sink), why, line);
}

/* Some of these points have tags that no series may be born with. */
static void sample_bad_tags(struct statsd_shard *shard)
{
    for (uint32_t i = 0; i < shard->sink.point_count; i++) {
        const struct point *point = &shard->points[i];
        enum statsd_why why;
        if (point->tags.len > 0 && !statsd_tags_are_valid(&shard->config->line, point->tags,
                                                          (enum tag_style)point->tag_style, &why)) {
            log_refused(shard, why, point->tags);
        }
    }
}

static void shard_on_points(struct statsd_sink *sink)
{
    struct statsd_shard *shard = CONTAINER_OF(sink, struct statsd_shard, sink);
    uint64_t bad_tags_before = counter_read(&shard->stats.invalid_bare_tag);
    shard_ingest(&shard->seal, sink->points, sink->point_count,
                 loop_now_unix_ns(shard->worker->loop), &shard->stats);
    if (WEIR_UNLIKELY(counter_read(&shard->stats.invalid_bare_tag) != bad_tags_before)) {
        sample_bad_tags(shard);
    }
}

/* Moves what the decoder counted into the books; nothing to do for a burst of good lines. */
static void book_lines(struct statsd_shard *shard)
{
    const struct statsd_counts *now = &shard->sink.counts;
    struct statsd_counts *before = &shard->booked;
    uint64_t odd_now = now->line_count - now->metric_count + now->rate_out_of_range_count +
                       now->weight_capped_count;
    uint64_t odd_before = before->line_count - before->metric_count +
                          before->rate_out_of_range_count + before->weight_capped_count;
    if (WEIR_UNLIKELY(odd_now != odd_before)) {
        for (uint32_t i = 0; i < STATSD_WHY_LIMIT; i++) {
            uint64_t count = now->invalid_count[i] - before->invalid_count[i];
            counter_add(&shard->stats.line_reasons[i], count);
            counter_add(&shard->stats.items_decoded, count);
        }
        counter_set(&shard->stats.events, now->event_count);
        counter_set(&shard->stats.service_checks, now->check_count);
        counter_set(&shard->stats.rate_out_of_range, now->rate_out_of_range_count);
        counter_set(&shard->stats.rate_capped, now->weight_capped_count);
    }
    *before = *now;
}

static void shard_on_burst(struct dgram *dgram, const struct slice *segments, size_t count)
{
    struct statsd_listener *listener = CONTAINER_OF(dgram, struct statsd_listener, dgram);
    struct statsd_shard *shard = listener->shard;
    shard->decoding = listener;
    for (size_t i = 0; i < count; i++) {
        statsd_decode(&shard->config->line, segments[i], &shard->sink);
    }
    statsd_flush(&shard->sink);
    book_lines(shard);
}

static void shard_on_lines(struct stream *stream, struct slice lines)
{
    struct statsd_listener *listener = CONTAINER_OF(stream, struct statsd_listener, stream);
    struct statsd_shard *shard = listener->shard;
    shard->decoding = listener;
    uint64_t line_count_before = shard->sink.counts.line_count;
    statsd_decode(&shard->config->line, lines, &shard->sink);
    statsd_flush(&shard->sink);
    uint64_t line_count = shard->sink.counts.line_count - line_count_before;
    counter_add(&shard->stats.wire_received, line_count);
    counter_add(&shard->stats.wire_parsed, line_count);
    book_lines(shard);
}

static bool tags_are_valid_simple(struct slice tags, enum tag_style style)
{
    static const struct statsd_options options = {.simple_tags = true};
    enum statsd_why why;
    return statsd_tags_are_valid(&options, tags, style, &why);
}

static bool tags_are_valid_strict(struct slice tags, enum tag_style style)
{
    static const struct statsd_options options = {.simple_tags = false};
    enum statsd_why why;
    return statsd_tags_are_valid(&options, tags, style, &why);
}

/* --- sockets --------------------------------------------------------------------------------- */

static void listener_closed(struct statsd_listener *listener)
{
    struct statsd_shard *shard = listener->shard;
    ASSERT(listener->is_open && shard->open_count > 0);
    listener->is_open = false;
    shard->open_count--;
}

static void shard_on_dgram_closed(struct dgram *dgram)
{
    listener_closed(CONTAINER_OF(dgram, struct statsd_listener, dgram));
}

static void shard_on_stream_closed(struct stream *stream)
{
    listener_closed(CONTAINER_OF(stream, struct statsd_listener, stream));
}

static void shard_on_dgram_fault(struct dgram *dgram, int fault)
{
    const struct statsd_listener *listener = CONTAINER_OF(dgram, struct statsd_listener, dgram);
    log_error("receive_failed", LOG_TEXT("thread", listener->shard->worker->name),
              LOG_FAULT("reason", fault));
}

static void shard_on_stream_fault(struct stream *stream, int fault)
{
    const struct statsd_listener *listener = CONTAINER_OF(stream, struct statsd_listener, stream);
    log_warn("accept_failed", LOG_TEXT("thread", listener->shard->worker->name),
             LOG_FAULT("reason", fault));
}

static int open_dgram(struct statsd_shard *shard, struct statsd_listener *listener)
{
    listener->dgram = (struct dgram){
        .loop = shard->worker->loop,
        .stats = &shard->stats,
        .on_burst = shard_on_burst,
        .on_fault = shard_on_dgram_fault,
        .on_closed = shard_on_dgram_closed,
    };
    return dgram_open(&listener->dgram, listener->fd);
}

static enum stream_framing framing_of(enum statsd_transport transport)
{
    return transport == STATSD_TRANSPORT_UNIXSTREAM ? STREAM_FRAMING_LENGTH
                                                    : STREAM_FRAMING_NEWLINE;
}

static int open_stream(struct statsd_shard *shard, struct statsd_listener *listener)
{
    listener->stream = (struct stream){
        .loop = shard->worker->loop,
        .stats = &shard->stats,
        .options =
            {
                .framing = framing_of(listener->endpoint->transport),
                .line_max_bytes = STATSD_LINE_MAX_BYTES,
                .connections_max = shard->config->connection_max_count,
                .age_max_ms = shard->config->connection_max_age_ns / CLOCK_NS_PER_MS,
            },
        .on_lines = shard_on_lines,
        .on_fault = shard_on_stream_fault,
        .on_closed = shard_on_stream_closed,
    };
    return stream_open(&listener->stream, listener->fd);
}

static int open_listener(struct statsd_shard *shard, struct statsd_listener *listener)
{
    int err = listener->is_stream ? open_stream(shard, listener) : open_dgram(shard, listener);
    if (err == 0) {
        listener->fd = -1; /* moved in */
        listener->is_open = true;
        shard->open_count++;
    }
    return err;
}

int statsd_shard_adopt(struct statsd_shard *shard, struct channel *channel,
                       struct slice first_bytes)
{
    if (shard->state != STATSD_SHARD_RECEIVING) {
        return FAULT_CLOSED;
    }
    /* Opened with the first of them, so that nobody else pays for its sweeps. */
    struct statsd_listener *guests = shard->guests;
    int err = guests->is_open ? 0 : open_listener(shard, guests);
    return err == 0 ? stream_adopt(&guests->stream, channel, first_bytes) : err;
}

/* Does `act` to every stream that is open. */
static void for_each_stream(struct statsd_shard *shard, void (*act)(struct stream *stream))
{
    for (uint32_t i = 0; i < shard->listener_count; i++) {
        struct statsd_listener *listener = &shard->listeners[i];
        if (listener->is_open && listener->is_stream) {
            act(&listener->stream);
        }
    }
}

static void close_dgrams(struct statsd_shard *shard)
{
    uint64_t drain_ns = shard->has_successor ? LEAVE_GROUP_MS * CLOCK_NS_PER_MS : 0;
    for (uint32_t i = 0; i < shard->listener_count; i++) {
        struct statsd_listener *listener = &shard->listeners[i];
        if (listener->is_open && !listener->is_stream) {
            dgram_close(&listener->dgram, drain_ns);
        }
    }
}

static void leave_within(struct statsd_shard *shard, uint64_t time_ms)
{
    struct loop *loop = shard->worker->loop;
    uint64_t deadline_mono_ns = loop_now_mono_ns(loop) + time_ms * CLOCK_NS_PER_MS;
    if (loop_timer_arm(loop, &shard->leave_timer, deadline_mono_ns) != 0) {
        for_each_stream(shard, stream_close);
    }
}

static void drain_streams(struct statsd_shard *shard)
{
    shard->is_handing_on = false;
    for_each_stream(shard, stream_drain);
    leave_within(shard, LEAVE_STREAMS_MS);
}

static void shard_on_leave_timer(struct timer *timer, uint64_t now_mono_ns)
{
    (void)now_mono_ns;
    struct statsd_shard *shard = CONTAINER_OF(timer, struct statsd_shard, leave_timer);
    if (shard->is_handing_on) {
        drain_streams(shard);
    } else {
        for_each_stream(shard, stream_close);
    }
}

/* --- windows --------------------------------------------------------------------------------- */

static void shard_on_window_timer(struct timer *timer, uint64_t now_mono_ns)
{
    /* Its only use is to wake the loop: the hook looks at the clock. */
    (void)timer;
    (void)now_mono_ns;
}

static void publish(struct statsd_shard *shard)
{
    counter_set(&shard->stats.series_live, shard->seal.table.live_count);
    counter_set(&shard->stats.sketch_bytes, sketch_pool_used_bytes(&shard->shard.pool));
    counter_set(&shard->stats.clock_steps, shard->seal.clock_step_count);
}

static void advance(struct statsd_shard *shard)
{
    if (shard->state == STATSD_SHARD_LEAVING && shard->open_count == 0) {
        shard->state = STATSD_SHARD_SEALING;
        seal_finish(&shard->seal);
    }
    if (shard->state == STATSD_SHARD_SEALING && seal_is_done(&shard->seal)) {
        shard->state = STATSD_SHARD_DONE;
        atomic_store_explicit(&shard->is_done, true, memory_order_release);
    }
}

static bool shard_on_turn(struct worker_hook *hook, struct worker *worker)
{
    struct statsd_shard *shard = CONTAINER_OF(hook, struct statsd_shard, hook);
    if (shard->state == STATSD_SHARD_DONE) {
        return false;
    }
    uint64_t now_unix_ns = loop_now_unix_ns(worker->loop);
    uint64_t now_mono_ns = loop_now_mono_ns(worker->loop);
    advance(shard);
    bool has_more = seal_turn(&shard->seal, now_unix_ns, now_mono_ns);
    if (mailbox_count(&shard->seal.sealed) > 0) {
        worker_wake(shard->egress);
    }
    publish(shard);
    /* The last slice may just have come home, and nobody wakes this thread for that again. */
    advance(shard);
    uint64_t next_mono_ns = seal_next_mono_ns(&shard->seal, now_unix_ns, now_mono_ns);
    if (!timer_is_armed(&shard->window_timer) ||
        shard->window_timer.deadline_mono_ns != next_mono_ns) {
        int err = loop_timer_arm(worker->loop, &shard->window_timer, next_mono_ns);
        /* Without its timer the loop still turns with the next datagram. */
        has_more = has_more || err != 0;
    }
    return has_more;
}

/* --- life ------------------------------------------------------------------------------------ */

/* Windows a series may be silent: long enough for its repeats. */
static uint32_t idle_windows(const struct statsd_config *config)
{
    uint64_t longest_ns = config->counter_expiry_ns > config->gauge_expiry_ns
                              ? config->counter_expiry_ns
                              : config->gauge_expiry_ns;
    uint64_t windows = longest_ns / config->interval_ns + 1;
    if (windows < IDLE_WINDOWS_MIN) {
        return IDLE_WINDOWS_MIN;
    }
    return windows < UINT16_MAX ? (uint32_t)windows : UINT16_MAX;
}

int statsd_shard_init(struct statsd_shard *shard, const char *receiver_id,
                      const struct statsd_config *config, const struct receiver_home *home,
                      struct worker *worker)
{
    memset(shard, 0, sizeof(*shard));
    shard->hook.on_turn = shard_on_turn;
    shard->worker = worker;
    shard->egress = home->egress;
    shard->config = config;
    shard->receiver_id = receiver_id;
    shard->window_timer.on_fire = shard_on_window_timer;
    shard->leave_timer.on_fire = shard_on_leave_timer;
    shard->sink.points = shard->points;
    shard->sink.point_cap = POINT_BURST_MAX;
    shard->sink.on_points = shard_on_points;
    shard->sink.on_bad = shard_on_bad;
    int err = shard_init(&shard->shard, worker->id, home->sketch_max_bytes);
    if (err != 0) {
        return err;
    }
    budget_init(&shard->series_budget, config->cardinality_limit);
    const struct seal_options options = {
        .series =
            {
                .series_max = config->cardinality_limit,
                .key_max_bytes = KEY_MAX_BYTES,
                .hash_seed = home->hash_seed,
                .config = &config->aggregate,
                .pool = &shard->shard.pool,
                .tags_are_valid =
                    config->line.simple_tags ? tags_are_valid_simple : tags_are_valid_strict,
            },
        .series_budget = &shard->series_budget,
        .lease_block_count = SERIES_LEASE_COUNT,
        .interval_ns = config->interval_ns,
        .idle_window_max = idle_windows(config),
    };
    err = seal_table_init(&shard->seal, &options, clock_unix_ns(), clock_mono_ns());
    if (err != 0) {
        shard_fini(&shard->shard);
    }
    return err;
}

void statsd_shard_fini(struct statsd_shard *shard)
{
    for (uint32_t i = 0; i < shard->listener_count; i++) {
        if (shard->listeners[i].fd >= 0) {
            (void)close(shard->listeners[i].fd); /* nothing was written to it */
        }
    }
    shard->listener_count = 0;
    seal_table_fini(&shard->seal);
    shard_fini(&shard->shard);
}

void statsd_shard_add_listener(struct statsd_shard *shard, int fd,
                               const struct statsd_endpoint *endpoint)
{
    ASSERT(shard->listener_count < STATSD_LISTENERS_MAX && fd >= 0);
    shard->listeners[shard->listener_count] =
        (struct statsd_listener){.shard = shard,
                                 .endpoint = endpoint,
                                 .fd = fd,
                                 .is_stream = statsd_transport_is_stream(endpoint->transport)};
    shard->listener_count++;
}

struct shard_call {
    struct statsd_shard *shard;
    bool has_successor;
    int err;
};

/* Connections from the ports of other receivers: a listener without a socket. */
static void add_guests(struct statsd_shard *shard)
{
    shard->guests = &shard->listeners[shard->listener_count];
    *shard->guests = (struct statsd_listener){
        .shard = shard, .endpoint = &shared_port, .fd = -1, .is_stream = true};
    shard->listener_count++;
}

static void start_on_shard(struct worker *worker, void *argument)
{
    struct shard_call *call = argument;
    struct statsd_shard *shard = call->shard;
    worker_add_hook(worker, &shard->hook);
    shard->state = STATSD_SHARD_RECEIVING;
    for (uint32_t i = 0; i < shard->listener_count && call->err == 0; i++) {
        call->err = open_listener(shard, &shard->listeners[i]);
    }
    add_guests(shard);
}

int statsd_shard_start(struct statsd_shard *shard)
{
    struct shard_call call = {.shard = shard};
    worker_call(shard->worker, &call, start_on_shard);
    return call.err;
}

static void send_away_on_shard(struct worker *worker, void *argument)
{
    (void)worker;
    for_each_stream(argument, stream_send_away);
}

void statsd_shard_send_away(struct statsd_shard *shard)
{
    worker_call(shard->worker, shard, send_away_on_shard);
}

static void drain_on_shard(struct worker *worker, void *argument)
{
    (void)worker;
    const struct shard_call *call = argument;
    struct statsd_shard *shard = call->shard;
    if (shard->state != STATSD_SHARD_RECEIVING) {
        return;
    }
    shard->state = STATSD_SHARD_LEAVING;
    shard->has_successor = call->has_successor;
    close_dgrams(shard);
    if (shard->has_successor) {
        shard->is_handing_on = true;
        for_each_stream(shard, stream_send_away);
        leave_within(shard, HAND_ON_STREAMS_MS);
    } else {
        drain_streams(shard);
    }
}

void statsd_shard_drain(struct statsd_shard *shard, bool has_successor)
{
    struct shard_call call = {.shard = shard, .has_successor = has_successor};
    worker_call(shard->worker, &call, drain_on_shard);
}

static void stop_on_shard(struct worker *worker, void *argument)
{
    struct statsd_shard *shard = argument;
    if (shard->state == STATSD_SHARD_IDLE) {
        return;
    }
    for (uint32_t i = 0; i < shard->listener_count; i++) {
        struct statsd_listener *listener = &shard->listeners[i];
        if (listener->is_open && listener->is_stream) {
            stream_close(&listener->stream);
        } else if (listener->is_open) {
            dgram_close(&listener->dgram, 0);
        }
    }
    loop_timer_cancel(worker->loop, &shard->leave_timer);
    /* Closing takes a few turns; nothing of the loop may refer to this memory afterwards. */
    for (uint32_t i = 0; i < STOP_TURNS_MAX && shard->open_count > 0; i++) {
        if (loop_turn(worker->loop, CLOCK_NS_PER_MS) < 0) {
            break;
        }
    }
    ASSERT(shard->open_count == 0);
    loop_timer_cancel(worker->loop, &shard->window_timer);
    worker_remove_hook(worker, &shard->hook);
    shard->state = STATSD_SHARD_IDLE;
}

void statsd_shard_stop(struct statsd_shard *shard)
{
    worker_call(shard->worker, shard, stop_on_shard);
}
