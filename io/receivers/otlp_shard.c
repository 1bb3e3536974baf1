/* SPDX-License-Identifier: Apache-2.0 */
/*
 * otlp_shard — opening, serving, leaving.
 */
#include "io/receivers/otlp_shard.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/fault.h"
#include "core/base/log.h"
#include "io/receivers/otlp_grpc.h"

/* How long those there may take to finish once the receiver drains. */
#define LEAVE_MS 2000
#define STOP_TURNS_MAX 10000

/* --- the servers ------------------------------------------------------------------------------ */

static bool front_on_protocol(struct tcp_front *front, enum sniff_kind kind,
                              struct channel *channel, struct slice first)
{
    uint32_t index = front->name[0] == 'g' ? OTLP_PROTOCOL_GRPC : OTLP_PROTOCOL_HTTP;
    struct otlp_shard *shard = CONTAINER_OF(front, struct otlp_shard, fronts[index]);
    if (kind == SNIFF_HTTP2) {
        return h2_server_adopt(&shard->h2, channel, first) == 0;
    }
    return http1_server_adopt(&shard->http1, channel, first) == 0;
}

static void front_on_closed(struct tcp_front *front)
{
    uint32_t index = front->name[0] == 'g' ? OTLP_PROTOCOL_GRPC : OTLP_PROTOCOL_HTTP;
    struct otlp_shard *shard = CONTAINER_OF(front, struct otlp_shard, fronts[index]);
    shard->open_count--;
}

static void http1_on_closed(struct http1_server *server)
{
    CONTAINER_OF(server, struct otlp_shard, http1)->open_count--;
}

static void h2_on_closed(struct h2_server *server)
{
    CONTAINER_OF(server, struct otlp_shard, h2)->open_count--;
}

/* Without gRPC's content type it is HTTP, except where the path is one of gRPC's: a mistake that is
 * to be answered in gRPC's words. */
static void h2_on_head(struct h2_server *server, struct h2_stream *stream)
{
    struct otlp_shard *shard = CONTAINER_OF(server, struct otlp_shard, h2);
    struct slice type = {0};
    bool is_grpc = h2_stream_header(stream, "content-type", &type) && grpc_is_content_type(type);
    bool is_preflight = slice_is_text(h2_stream_method(stream), "OPTIONS");
    if (is_grpc || (!is_preflight && otlp_grpc_is_path(h2_stream_path(stream)))) {
        grpc_server_take(&shard->grpc, stream);
        return;
    }
    otlp_h2_take(shard, stream);
}

static const struct h2_server_ops h2_ops = {
    .on_head = h2_on_head,
    .on_closed = h2_on_closed,
};

static uint32_t ms_of(uint64_t ns)
{
    uint64_t ms = ns / CLOCK_NS_PER_MS;
    return ms > UINT32_MAX ? UINT32_MAX : (uint32_t)ms;
}

static int open_http1(struct otlp_shard *shard)
{
    const struct otlp_config *config = shard->config;
    shard->http1 = (struct http1_server){
        .on_request = otlp_http1_on_request,
        .on_closed = http1_on_closed,
        .on_admit = otlp_http1_on_admit,
        .on_refuse = otlp_http1_on_refuse,
        .on_charge = otlp_http1_on_charge,
        .on_release = otlp_http1_on_release,
        .options =
            {
                .connections_max = OTLP_CONNECTIONS_MAX,
                .body_max_bytes = config->body_max_bytes,
                .too_large_status = OTLP_HTTP1_TOO_LARGE,
                .head_timeout_ms = ms_of(config->read_header_timeout_ns),
                .body_timeout_ms = ms_of(config->read_timeout_ns),
                .send_timeout_ms = ms_of(config->write_timeout_ns),
                .idle_timeout_ms = config->idle_timeout_ns != 0 ? ms_of(config->idle_timeout_ns)
                                                                : OTLP_IDLE_TIMEOUT_MS,
                .age_max_ms = config->age_max_ns / CLOCK_NS_PER_MS,
                .is_one_answer = !config->is_keep_alive,
            },
    };
    int err = http1_server_start(&shard->http1, shard->worker->loop, NULL, 0);
    shard->open_count += err == 0 ? 1 : 0;
    return err;
}

static int open_h2(struct otlp_shard *shard)
{
    struct h2_server_options options = shard->config->h2;
    options.connections_max = OTLP_CONNECTIONS_MAX;
    int err = h2_server_init(&shard->h2, shard->worker->loop, &options, &h2_ops);
    shard->has_h2 = err == 0;
    shard->open_count += err == 0 ? 1 : 0;
    return err;
}

static int open_front(struct otlp_shard *shard, uint32_t index)
{
    struct tcp_front *front = &shard->fronts[index];
    *front = (struct tcp_front){
        .loop = shard->worker->loop,
        .stats = &shard->stats,
        .name = index == OTLP_PROTOCOL_GRPC ? "grpc" : "http",
        .options =
            {
                .protocols = SNIFF_BIT(SNIFF_HTTP1) | SNIFF_BIT(SNIFF_HTTP2),
                .tls = shard->tls[index],
                .connections_max = OTLP_CONNECTIONS_MAX,
            },
        .on_protocol = front_on_protocol,
        .on_closed = front_on_closed,
    };
    int err = tcp_front_open(front, &shard->fds[index], 1);
    if (err == 0) {
        shard->fds[index] = -1; /* moved in */
        shard->open_count++;
    } else {
        *front = (struct tcp_front){0}; /* nothing of it runs: it is not there to be stopped */
    }
    return err;
}

/* --- the turn --------------------------------------------------------------------------------- */

static bool shard_on_turn(struct worker_hook *hook, struct worker *worker)
{
    struct otlp_shard *shard = CONTAINER_OF(hook, struct otlp_shard, hook);
    shard->intake.now_unix_ns = loop_now_unix_ns(worker->loop);
    (void)otlp_intake_collect(&shard->intake);
    if (shard->intake.has_sent) {
        shard->intake.has_sent = false;
        worker_wake(shard->egress);
    }
    if (shard->state == OTLP_SHARD_LEAVING && shard->open_count == 0 &&
        shard->intake.waiting_count == 0) {
        shard->state = OTLP_SHARD_DONE;
        atomic_store_explicit(&shard->is_done, true, memory_order_release);
    }
    return false;
}

/* --- life ------------------------------------------------------------------------------------- */

static void shard_on_leave_timer(struct timer *timer, uint64_t now_mono_ns)
{
    (void)now_mono_ns;
    struct otlp_shard *shard = CONTAINER_OF(timer, struct otlp_shard, leave_timer);
    http1_server_abort(&shard->http1);
    if (shard->has_h2) {
        h2_server_abort(&shard->h2);
    }
}

int otlp_shard_init(struct otlp_shard *shard, const char *receiver_id,
                    const struct otlp_config *config, const struct receiver_home *home,
                    struct worker *worker)
{
    memset(shard, 0, sizeof(*shard));
    shard->hook.on_turn = shard_on_turn;
    shard->worker = worker;
    shard->egress = home->egress;
    shard->config = config;
    shard->receiver_id = receiver_id;
    shard->leave_timer.on_fire = shard_on_leave_timer;
    for (uint32_t i = 0; i < OTLP_PROTOCOL_COUNT; i++) {
        shard->fds[i] = -1;
    }
    return otlp_intake_init(&shard->intake, worker->id, home->memory, &shard->stats);
}

void otlp_shard_fini(struct otlp_shard *shard)
{
    for (uint32_t i = 0; i < OTLP_PROTOCOL_COUNT; i++) {
        if (shard->fds[i] >= 0) {
            (void)close(shard->fds[i]); /* nothing was written to it */
        }
        shard->fds[i] = -1;
    }
    if (shard->has_h2) {
        h2_server_fini(&shard->h2);
    }
    shard->has_h2 = false;
    otlp_intake_fini(&shard->intake);
}

struct shard_call {
    struct otlp_shard *shard;
    const struct otlp_routes *routes;
    uint32_t open_count;
    int err;
};

static void connect_on_shard(struct worker *worker, void *argument)
{
    (void)worker;
    const struct shard_call *call = argument;
    memcpy(call->shard->intake.routes, call->routes, sizeof(call->shard->intake.routes));
    otlp_grpc_update(call->shard);
}

void otlp_shard_connect(struct otlp_shard *shard, const struct otlp_routes routes[SIGNAL_COUNT])
{
    struct shard_call call = {.shard = shard, .routes = routes};
    worker_call(shard->worker, &call, connect_on_shard);
}

static void start_on_shard(struct worker *worker, void *argument)
{
    struct shard_call *call = argument;
    struct otlp_shard *shard = call->shard;
    otlp_grpc_init(shard, worker->loop);
    call->err = open_http1(shard);
    if (call->err == 0) {
        call->err = open_h2(shard);
    }
    for (uint32_t i = 0; i < OTLP_PROTOCOL_COUNT && call->err == 0; i++) {
        if (shard->fds[i] >= 0) {
            call->err = open_front(shard, i);
        }
    }
    shard->intake.now_unix_ns = loop_now_unix_ns(worker->loop);
    worker_add_hook(worker, &shard->hook);
    shard->state = OTLP_SHARD_RECEIVING;
}

int otlp_shard_start(struct otlp_shard *shard)
{
    struct shard_call call = {.shard = shard};
    worker_call(shard->worker, &call, start_on_shard);
    return call.err;
}

static void send_away_on_shard(struct worker *worker, void *argument)
{
    (void)worker;
    struct otlp_shard *shard = argument;
    if (shard->state == OTLP_SHARD_RECEIVING) {
        shard->grpc.is_serving = false;
        http1_server_send_away(&shard->http1);
        if (shard->has_h2) {
            h2_server_send_away(&shard->h2);
        }
    }
}

void otlp_shard_send_away(struct otlp_shard *shard)
{
    worker_call(shard->worker, shard, send_away_on_shard);
}

/* The fronts close when their connections have; those close when they are answered. */
static void begin_leaving(struct otlp_shard *shard)
{
    if (shard->state != OTLP_SHARD_RECEIVING) {
        return;
    }
    shard->state = OTLP_SHARD_LEAVING;
    for (uint32_t i = 0; i < OTLP_PROTOCOL_COUNT; i++) {
        if (shard->fronts[i].loop != NULL) {
            tcp_front_stop(&shard->fronts[i]);
        }
    }
    http1_server_stop(&shard->http1);
    if (shard->has_h2) {
        h2_server_drain(&shard->h2);
    }
}

static void drain_on_shard(struct worker *worker, void *argument)
{
    struct otlp_shard *shard = argument;
    if (shard->state != OTLP_SHARD_RECEIVING) {
        return;
    }
    begin_leaving(shard);
    uint64_t deadline = loop_now_mono_ns(worker->loop) + LEAVE_MS * CLOCK_NS_PER_MS;
    if (loop_timer_arm(worker->loop, &shard->leave_timer, deadline) != 0) {
        shard_on_leave_timer(&shard->leave_timer, deadline);
    }
}

void otlp_shard_drain(struct otlp_shard *shard)
{
    worker_call(shard->worker, shard, drain_on_shard);
}

static void stop_on_shard(struct worker *worker, void *argument)
{
    struct shard_call *call = argument;
    struct otlp_shard *shard = call->shard;
    call->open_count = 0;
    if (shard->state == OTLP_SHARD_IDLE) {
        return;
    }
    begin_leaving(shard);
    loop_timer_cancel(worker->loop, &shard->leave_timer);
    if (shard->open_count > 0) {
        shard_on_leave_timer(&shard->leave_timer, 0);
    }
    call->open_count = shard->open_count + shard->intake.waiting_count;
    if (call->open_count == 0) {
        worker_remove_hook(worker, &shard->hook);
        shard->state = OTLP_SHARD_IDLE;
    }
}

void otlp_shard_stop(struct otlp_shard *shard)
{
    struct shard_call call = {.shard = shard, .open_count = 1};
    for (uint32_t i = 0; i < STOP_TURNS_MAX && call.open_count > 0; i++) {
        worker_call(shard->worker, &call, stop_on_shard);
    }
    ASSERT(call.open_count == 0); /* what is aborted closes within a few turns */
}
