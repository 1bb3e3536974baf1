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
#include "io/io_bounds.h"
#include "io/receivers/otlp_grpc.h"
#include "io/receivers/statsd_shard.h"

/* How long those there may take to finish once the receiver drains. */
#define LEAVE_MS 2000
/* How long before that those accepted last have to say what they speak. */
#define PART_MS 1000
/* And before that, with a successor: a handshake's way to the client and back. */
#define HAND_ON_MS 100
#define STOP_TURNS_MAX 10000

/* --- the servers ------------------------------------------------------------------------------ */

static bool front_on_protocol(struct tcp_front *front, enum sniff_kind kind,
                              struct channel *channel, struct slice first)
{
    struct otlp_port *port = CONTAINER_OF(front, struct otlp_port, front);
    if (kind == SNIFF_STATSD) {
        struct statsd_shard *statsd = port->shard->statsd;
        return statsd != NULL && statsd_shard_adopt(statsd, channel, first) == 0;
    }
    if (kind == SNIFF_HTTP2) {
        return h2_server_adopt(&port->h2, channel, first) == 0;
    }
    return http1_server_adopt(&port->http1, channel, first) == 0;
}

static void front_on_closed(struct tcp_front *front)
{
    CONTAINER_OF(front, struct otlp_port, front)->shard->open_count--;
}

static void http1_on_closed(struct http1_server *server)
{
    CONTAINER_OF(server, struct otlp_port, http1)->shard->open_count--;
}

static void h2_on_closed(struct h2_server *server)
{
    CONTAINER_OF(server, struct otlp_port, h2)->shard->open_count--;
}

/* "/package.Service/Method": what gRPC names has a dot in its first segment. */
static bool is_grpc_path(struct slice path)
{
    if (path.len == 0 || path.ptr[0] != '/') {
        return false;
    }
    struct slice rest = slice_from(path, 1);
    size_t service_len = slice_find(rest, '/');
    return service_len < rest.len && slice_find(slice_first(rest, service_len), '.') < service_len;
}

static void h2_on_head(struct h2_server *server, struct h2_stream *stream)
{
    struct otlp_port *port = CONTAINER_OF(server, struct otlp_port, h2);
    struct slice type = {0};
    (void)h2_stream_header(stream, "content-type", &type); /* absent is no gRPC */
    if (grpc_is_content_type(type) || is_grpc_path(h2_stream_path(stream))) {
        grpc_server_take(&port->grpc, stream);
    } else {
        otlp_h2_take(port, stream);
    }
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

static int open_http1(struct otlp_port *port)
{
    const struct otlp_config *config = port->shard->config;
    port->http1 = (struct http1_server){
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
    int err = http1_server_start(&port->http1, port->shard->worker->loop, NULL, 0);
    port->has_http1 = err == 0;
    port->shard->open_count += err == 0 ? 1 : 0;
    return err;
}

static int open_h2(struct otlp_port *port)
{
    struct h2_server_options options = port->shard->config->h2;
    options.connections_max = OTLP_CONNECTIONS_MAX;
    int err = h2_server_init(&port->h2, port->shard->worker->loop, &options, &h2_ops);
    port->has_h2 = err == 0;
    port->shard->open_count += err == 0 ? 1 : 0;
    return err;
}

static int open_front(struct otlp_port *port)
{
    const struct otlp_config *config = port->shard->config;
    bool has_statsd = config->statsd.receiver_id.len > 0;
    port->front = (struct tcp_front){
        .loop = port->shard->worker->loop,
        .stats = &port->shard->stats,
        .name = port->shard->receiver_id,
        .options =
            {
                .protocols = SNIFF_BIT(SNIFF_HTTP1) | SNIFF_BIT(SNIFF_HTTP2) |
                             (has_statsd ? SNIFF_BIT(SNIFF_STATSD) : 0),
                .tls = port->tls,
                .expects_proxy = config->endpoints[port->protocol].expects_proxy,
                .connections_max = OTLP_CONNECTIONS_MAX,
            },
        .on_protocol = front_on_protocol,
        .on_closed = front_on_closed,
    };
    int err = tcp_front_open(&port->front, &port->fd, 1);
    if (err == 0) {
        port->fd = -1; /* moved in */
        port->has_front = true;
        port->shard->open_count++;
    }
    return err;
}

static int open_port(struct otlp_port *port)
{
    otlp_grpc_init(port, port->shard->worker->loop);
    int err = open_http1(port);
    if (err == 0) {
        err = open_h2(port);
    }
    return err == 0 ? open_front(port) : err;
}

/* --- leaving ---------------------------------------------------------------------------------- */

static void abort_servers(struct otlp_shard *shard)
{
    for (uint32_t i = 0; i < OTLP_PROTOCOL_COUNT; i++) {
        if (shard->ports[i].has_http1) {
            http1_server_abort(&shard->ports[i].http1);
        }
        if (shard->ports[i].has_h2) {
            h2_server_abort(&shard->ports[i].h2);
        }
    }
}

static void send_all_away(struct otlp_shard *shard)
{
    for (uint32_t i = 0; i < OTLP_PROTOCOL_COUNT; i++) {
        struct otlp_port *port = &shard->ports[i];
        port->grpc.is_serving = false;
        if (port->has_http1) {
            http1_server_send_away(&port->http1);
        }
        if (port->has_h2) {
            h2_server_send_away(&port->h2);
        }
    }
}

/* Those who were joined may go as soon as this receiver leaves. */
static void leave_others(struct otlp_shard *shard)
{
    shard->statsd = NULL;
    if (shard->asker != NULL) {
        shard->asker->is_open = false;
    }
}

/* The fronts close when their connections have; those close when they are answered. */
static void begin_leaving(struct otlp_shard *shard)
{
    if (shard->state != OTLP_SHARD_RECEIVING && shard->state != OTLP_SHARD_PARTING) {
        return;
    }
    shard->state = OTLP_SHARD_LEAVING;
    shard->is_accepting = false;
    leave_others(shard);
    for (uint32_t i = 0; i < OTLP_PROTOCOL_COUNT; i++) {
        struct otlp_port *port = &shard->ports[i];
        if (port->has_front) {
            tcp_front_stop(&port->front);
        }
        if (port->has_http1) {
            http1_server_stop(&port->http1);
        }
        if (port->has_h2) {
            h2_server_drain(&port->h2);
        }
    }
}

static bool all_have_spoken(const struct otlp_shard *shard)
{
    for (uint32_t i = 0; i < OTLP_PROTOCOL_COUNT; i++) {
        if (shard->ports[i].has_front && !tcp_front_is_quiet(&shard->ports[i].front)) {
            return false;
        }
    }
    return true;
}

static void leave_within(struct otlp_shard *shard, uint64_t time_ms)
{
    struct loop *loop = shard->worker->loop;
    uint64_t deadline_mono_ns = loop_now_mono_ns(loop) + time_ms * CLOCK_NS_PER_MS;
    if (loop_timer_arm(loop, &shard->leave_timer, deadline_mono_ns) != 0) {
        begin_leaving(shard);
        abort_servers(shard);
    }
}

/* Nobody new is let in. Those who were told already that they are connected may ask once. */
static void stop_accepting(struct otlp_shard *shard)
{
    shard->is_accepting = false;
    for (uint32_t i = 0; i < OTLP_PROTOCOL_COUNT; i++) {
        if (shard->ports[i].has_front) {
            tcp_front_stop_accepting(&shard->ports[i].front);
        }
    }
    leave_within(shard, PART_MS);
}

static void begin_parting(struct otlp_shard *shard, bool has_successor)
{
    shard->state = OTLP_SHARD_PARTING;
    leave_others(shard);
    send_all_away(shard);
    for (uint32_t i = 0; i < OTLP_PROTOCOL_COUNT; i++) {
        shard->ports[i].http1.options.is_one_answer = true;
    }
    if (has_successor) {
        shard->is_accepting = true;
        leave_within(shard, HAND_ON_MS);
    } else {
        stop_accepting(shard);
    }
}

/* Parting ends, by time or because nobody is left to wait for. */
static void end_parting(struct otlp_shard *shard)
{
    begin_leaving(shard);
    leave_within(shard, LEAVE_MS);
}

static void shard_on_leave_timer(struct timer *timer, uint64_t now_mono_ns)
{
    (void)now_mono_ns;
    struct otlp_shard *shard = CONTAINER_OF(timer, struct otlp_shard, leave_timer);
    if (shard->is_accepting) {
        stop_accepting(shard);
    } else if (shard->state == OTLP_SHARD_PARTING) {
        end_parting(shard);
    } else {
        abort_servers(shard);
    }
}

/* --- the turn --------------------------------------------------------------------------------- */

/* What has yet to close, or to be answered. */
static uint32_t left_count(const struct otlp_shard *shard)
{
    uint32_t asked_count = shard->asker != NULL ? shard->asker->out_count : 0;
    return shard->open_count + shard->intake.waiting_count + asked_count;
}

static bool shard_on_turn(struct worker_hook *hook, struct worker *worker)
{
    struct otlp_shard *shard = CONTAINER_OF(hook, struct otlp_shard, hook);
    shard->intake.now_unix_ns = loop_now_unix_ns(worker->loop);
    (void)otlp_intake_collect(&shard->intake);
    if (shard->asker != NULL) {
        xray_asker_collect(shard->asker);
    }
    otlp_stats_publish(shard);
    if (shard->intake.has_sent) {
        shard->intake.has_sent = false;
        worker_wake(shard->egress);
    }
    if (shard->state == OTLP_SHARD_PARTING && all_have_spoken(shard)) {
        end_parting(shard);
    }
    if (shard->state == OTLP_SHARD_LEAVING && left_count(shard) == 0) {
        shard->state = OTLP_SHARD_DONE;
        atomic_store_explicit(&shard->is_done, true, memory_order_release);
    }
    return false;
}

/* --- life ------------------------------------------------------------------------------------- */

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
        shard->ports[i] =
            (struct otlp_port){.shard = shard, .protocol = (enum otlp_protocol)i, .fd = -1};
    }
    return otlp_intake_init(&shard->intake, worker->id, home->memory, &shard->stats);
}

void otlp_shard_fini(struct otlp_shard *shard)
{
    for (uint32_t i = 0; i < OTLP_PROTOCOL_COUNT; i++) {
        struct otlp_port *port = &shard->ports[i];
        if (port->fd >= 0) {
            (void)close(port->fd); /* nothing was written to it */
        }
        if (port->has_h2) {
            h2_server_fini(&port->h2);
        }
        *port = (struct otlp_port){.fd = -1};
    }
    otlp_intake_fini(&shard->intake);
}

struct shard_call {
    struct otlp_shard *shard;
    const struct otlp_links *links;
    struct statsd_shard *statsd;
    uint32_t open_count;
    bool has_successor;
    int err;
};

static void connect_on_shard(struct worker *worker, void *argument)
{
    (void)worker;
    const struct shard_call *call = argument;
    struct otlp_shard *shard = call->shard;
    memcpy(shard->intake.routes, call->links->routes, sizeof(shard->intake.routes));
    for (uint32_t i = 0; i < OTLP_PROTOCOL_COUNT; i++) {
        shard->ports[i].auth = call->links->auth[i];
    }
    otlp_grpc_update(shard);
}

void otlp_shard_connect(struct otlp_shard *shard, const struct otlp_links *links)
{
    struct shard_call call = {.shard = shard, .links = links};
    worker_call(shard->worker, &call, connect_on_shard);
}

static void join_on_shard(struct worker *worker, void *argument)
{
    (void)worker;
    const struct shard_call *call = argument;
    call->shard->statsd = call->statsd;
    if (call->shard->asker != NULL) {
        call->shard->asker->is_open = true;
    }
}

void otlp_shard_join(struct otlp_shard *shard, struct statsd_shard *statsd)
{
    struct shard_call call = {.shard = shard, .statsd = statsd};
    worker_call(shard->worker, &call, join_on_shard);
}

static void start_on_shard(struct worker *worker, void *argument)
{
    struct shard_call *call = argument;
    struct otlp_shard *shard = call->shard;
    for (uint32_t i = 0; i < OTLP_PROTOCOL_COUNT && call->err == 0; i++) {
        if (shard->ports[i].fd >= 0) {
            call->err = open_port(&shard->ports[i]);
        }
    }
    otlp_grpc_update(shard);
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
        send_all_away(shard);
    }
}

void otlp_shard_send_away(struct otlp_shard *shard)
{
    worker_call(shard->worker, shard, send_away_on_shard);
}

static void drain_on_shard(struct worker *worker, void *argument)
{
    (void)worker;
    const struct shard_call *call = argument;
    if (call->shard->state == OTLP_SHARD_RECEIVING) {
        begin_parting(call->shard, call->has_successor);
    }
}

void otlp_shard_drain(struct otlp_shard *shard, bool has_successor)
{
    struct shard_call call = {.shard = shard, .has_successor = has_successor};
    worker_call(shard->worker, &call, drain_on_shard);
}

static void halt_on_shard(struct worker *worker, void *argument)
{
    struct otlp_shard *shard = argument;
    if (shard->state == OTLP_SHARD_IDLE) {
        return;
    }
    begin_leaving(shard);
    loop_timer_cancel(worker->loop, &shard->leave_timer);
    if (shard->open_count > 0) {
        abort_servers(shard);
    }
}

void otlp_shard_halt(struct otlp_shard *shard)
{
    worker_call(shard->worker, shard, halt_on_shard);
}

static void stop_on_shard(struct worker *worker, void *argument)
{
    struct shard_call *call = argument;
    struct otlp_shard *shard = call->shard;
    call->open_count = 0;
    if (shard->state == OTLP_SHARD_IDLE) {
        return;
    }
    halt_on_shard(worker, shard);
    call->open_count = left_count(shard);
    if (call->open_count == 0) {
        otlp_stats_publish(shard);
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
