/* SPDX-License-Identifier: Apache-2.0 */
/*
 * otlp_receiver — binds, starts, drains and frees the shards' parts, all from the main thread.
 *
 * Every address is one reuseport group with a socket per shard, bound in the order of the shards. A
 * Unix socket cannot be shared: it belongs to the first shard.
 */
#include "io/receivers/otlp_receiver.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/fault.h"
#include "core/base/log.h"
#include "core/base/mem.h"
#include "io/auth/authenticator_set.h"
#include "io/io_bounds.h"
#include "io/receivers/otlp_config.h"
#include "io/receivers/otlp_shard.h"
#include "io/receivers/statsd_receiver.h"
#include "io/receivers/xray_asker.h"
#include "io/receivers/xray_receiver.h"
#include "io/socket.h"
#include "io/socket_file.h"

struct otlp_receiver {
    struct receiver receiver;
    struct otlp_config config;
    struct receiver_home *home;                      /* borrowed; NULL until open */
    struct tls_context *tls[OTLP_PROTOCOL_COUNT];    /* owned */
    struct authenticator *auth[OTLP_PROTOCOL_COUNT]; /* borrowed; see otlp_link */
    struct otlp_shard *shards;                       /* owned; one per shard */
    struct xray_askers askers;                       /* one per shard, where `xray` is written */
    uint32_t shard_count;                            /* of those that are built */
    struct socket_file files[OTLP_PROTOCOL_COUNT];   /* of Unix sockets */
    bool is_draining;
};

static const char *const protocol_names[OTLP_PROTOCOL_COUNT] = {
    [OTLP_PROTOCOL_GRPC] = "grpc",
    [OTLP_PROTOCOL_HTTP] = "http",
};

static const struct receiver_ops otlp_receiver_ops;

static struct otlp_receiver *of(struct receiver *receiver)
{
    return CONTAINER_OF(receiver, struct otlp_receiver, receiver);
}

int otlp_receiver_new(struct config_reader *config, const char *id, struct receiver **out)
{
    struct otlp_receiver *otlp = mem_alloc(sizeof(*otlp));
    if (otlp == NULL) {
        return -ENOMEM;
    }
    int err = otlp_config_read(config, &otlp->config);
    if (err != 0) {
        otlp_config_fini(&otlp->config);
        mem_free(otlp);
        return err;
    }
    otlp->receiver = (struct receiver){
        .ops = &otlp_receiver_ops,
        .id = id,
        .transport = otlp->config.endpoints[OTLP_PROTOCOL_GRPC].is_enabled ? "grpc" : "http",
    };
    *out = &otlp->receiver;
    return 0;
}

/* --- binding ---------------------------------------------------------------------------------- */

static int bind_failed(const struct otlp_receiver *otlp, uint32_t index, int err, const char *why)
{
    log_error("bind_failed", LOG_TEXT("receiver", otlp->receiver.id),
              LOG_TEXT("protocol", protocol_names[index]),
              LOG_SLICE("endpoint", otlp->config.endpoints[index].text),
              LOG_TEXT("reason", why != NULL ? why : fault_text(err)));
    return err;
}

static void log_listening(const struct otlp_receiver *otlp, uint32_t index, uint16_t port)
{
    bool is_shared = otlp->config.endpoints[OTLP_PROTOCOL_HTTP].is_shared;
    log_info("listening", LOG_TEXT("receiver", otlp->receiver.id),
             LOG_TEXT("protocol", is_shared ? "grpc and http" : protocol_names[index]),
             LOG_SLICE("endpoint", otlp->config.endpoints[index].text), LOG_U64("port", port),
             LOG_BOOL("tls", otlp->config.endpoints[index].tls.is_enabled));
}

static int bind_path(struct otlp_receiver *otlp, uint32_t index)
{
    const struct otlp_endpoint *endpoint = &otlp->config.endpoints[index];
    const struct socket_options options = {0};
    char path[SOCKET_PATH_MAX_BYTES + 1];
    memcpy(path, endpoint->text.ptr, endpoint->text.len);
    path[endpoint->text.len] = 0;
    int fd = socket_file_open(&otlp->files[index], path, SOCK_STREAM, &options, NULL);
    if (fd < 0) {
        return bind_failed(otlp, index, fd, NULL);
    }
    otlp->shards[0].ports[index].fd = fd;
    log_listening(otlp, index, 0);
    return 0;
}

/* What an earlier change of receivers left with the group; most have nothing. */
static void forget_steering(const struct otlp_receiver *otlp, int fd)
{
    int err = socket_group_restore(fd);
    if (err != 0 && err != -ENOENT) {
        log_debug("group_not_restored", LOG_TEXT("receiver", otlp->receiver.id),
                  LOG_FAULT("reason", err));
    }
}

static int bind_group(struct otlp_receiver *otlp, uint32_t index)
{
    const struct otlp_endpoint *endpoint = &otlp->config.endpoints[index];
    const struct socket_options options = {.family = endpoint->family, .has_reuseport = true};
    struct socket_endpoint where = {.port = endpoint->port};
    struct loop_address address;
    const char *why = NULL;
    if (endpoint->host.len >= sizeof(where.host)) {
        return bind_failed(otlp, index, -ENAMETOOLONG, NULL);
    }
    if (!(endpoint->is_default && otlp->home->binds_any) && endpoint->host.len > 0) {
        memcpy(where.host, endpoint->host.ptr, endpoint->host.len);
    }
    int err = socket_resolve(&where, endpoint->family, &address, &why);
    if (err != 0) {
        return bind_failed(otlp, index, err, why);
    }
    for (uint32_t i = 0; i < otlp->shard_count; i++) {
        struct socket_report report = {0};
        int fd = socket_open_tcp(&address, &options, &report);
        if (fd < 0) {
            return bind_failed(otlp, index, fd, NULL);
        }
        address = report.local; /* the first one settles a port that the kernel picks */
        otlp->shards[i].ports[index].fd = fd;
        if (i == 0) {
            forget_steering(otlp, fd);
        }
    }
    log_listening(otlp, index, socket_port_of(&address));
    return 0;
}

static int open_tls(struct otlp_receiver *otlp, uint32_t index)
{
    struct otlp_endpoint *endpoint = &otlp->config.endpoints[index];
    char why[TLS_WHY_BYTES];
    if (!endpoint->tls.is_enabled) {
        return 0;
    }
    endpoint->tls.settings.alpn = TLS_ALPN_H2 | TLS_ALPN_HTTP1;
    int err = tls_context_new(&endpoint->tls.settings, &otlp->tls[index], why);
    if (err != 0) {
        log_error("tls_failed", LOG_TEXT("receiver", otlp->receiver.id),
                  LOG_TEXT("protocol", protocol_names[index]), LOG_TEXT("reason", why));
        return err;
    }
    for (uint32_t i = 0; i < otlp->shard_count; i++) {
        otlp->shards[i].ports[index].tls = otlp->tls[index];
    }
    return 0;
}

/* --- opening ---------------------------------------------------------------------------------- */

static int build_shards(struct otlp_receiver *otlp)
{
    uint32_t count = otlp->home->shard_count;
    otlp->shards = mem_alloc_aligned(WEIR_CACHE_LINE_BYTES, count * sizeof(otlp->shards[0]));
    struct receiver_counters *counters = mem_alloc_array(count, sizeof(counters[0]));
    otlp->receiver.counters = counters;
    if (otlp->shards == NULL || counters == NULL) {
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < count; i++) {
        struct worker *worker = &otlp->home->shards[i];
        int err =
            otlp_shard_init(&otlp->shards[i], otlp->receiver.id, &otlp->config, otlp->home, worker);
        otlp->shard_count++;
        if (err != 0) {
            return err;
        }
        counters[i] =
            (struct receiver_counters){.stats = &otlp->shards[i].stats, .thread = worker->name};
    }
    otlp->receiver.counters_count = count;
    return 0;
}

static int build_askers(struct otlp_receiver *otlp)
{
    if (otlp->config.xray.receiver_id.len == 0) {
        return 0;
    }
    int err = xray_askers_init(&otlp->askers, otlp->shard_count, otlp->home->egress);
    for (uint32_t i = 0; i < otlp->shard_count && err == 0; i++) {
        struct otlp_shard *shard = &otlp->shards[i];
        struct xray_asker *asker = &otlp->askers.all[i];
        asker->worker = shard->worker;
        asker->egress = otlp->home->egress;
        asker->memory = otlp->home->memory;
        asker->lease = &shard->intake.lease;
        err = xray_asker_init(asker);
        shard->asker = asker;
    }
    return err;
}

static int otlp_open(struct receiver *receiver, struct receiver_home *home)
{
    struct otlp_receiver *otlp = of(receiver);
    otlp->home = home;
    int err = build_shards(otlp);
    if (err == 0) {
        err = build_askers(otlp);
    }
    for (uint32_t i = 0; i < OTLP_PROTOCOL_COUNT && err == 0; i++) {
        if (!otlp->config.endpoints[i].is_enabled || otlp->config.endpoints[i].is_shared) {
            continue;
        }
        err = open_tls(otlp, i);
        if (err == 0) {
            err = otlp->config.endpoints[i].is_path ? bind_path(otlp, i) : bind_group(otlp, i);
        }
    }
    return err;
}

static bool otlp_link(struct receiver *receiver, const struct authenticator_set *set,
                      struct slice *missing)
{
    struct otlp_receiver *otlp = of(receiver);
    for (uint32_t i = 0; i < OTLP_PROTOCOL_COUNT; i++) {
        struct slice wanted = otlp->config.endpoints[i].authenticator;
        otlp->auth[i] = authenticator_find(set, wanted);
        if (wanted.len > 0 && (otlp->auth[i] == NULL || !authenticator_is_server(otlp->auth[i]))) {
            *missing = wanted;
            return false;
        }
    }
    return true;
}

static uint32_t otlp_references(const struct receiver *receiver, struct receiver_reference *out)
{
    const struct otlp_receiver *otlp = (const struct otlp_receiver *)(const void *)receiver;
    const struct otlp_guest *statsd = &otlp->config.statsd;
    const struct otlp_guest *xray = &otlp->config.xray;
    uint32_t count = 0;
    if (statsd->receiver_id.len > 0) {
        out[count] = (struct receiver_reference){.key = "protocols.statsd.receiver",
                                                 .type = "statsd",
                                                 .id = statsd->receiver_id,
                                                 .mark = statsd->mark};
        count++;
    }
    if (xray->receiver_id.len > 0) {
        out[count] = (struct receiver_reference){.key = "protocols.xray.receiver",
                                                 .type = "awsxray",
                                                 .id = xray->receiver_id,
                                                 .mark = xray->mark};
        count++;
    }
    return count;
}

static void otlp_join(struct receiver *receiver, struct receiver *const *others)
{
    struct otlp_receiver *otlp = of(receiver);
    bool has_statsd = otlp->config.statsd.receiver_id.len > 0;
    if (otlp->config.xray.receiver_id.len > 0) {
        xray_askers_connect(&otlp->askers, xray_receiver_proxy(others[has_statsd ? 1 : 0]));
    }
    for (uint32_t i = 0; i < otlp->shard_count; i++) {
        otlp_shard_join(&otlp->shards[i], has_statsd ? statsd_receiver_shard(others[0], i) : NULL);
    }
}

static void otlp_refresh(struct receiver *receiver, uint64_t now_mono_ns)
{
    struct otlp_receiver *otlp = of(receiver);
    for (uint32_t i = 0; i < OTLP_PROTOCOL_COUNT; i++) {
        char why[TLS_WHY_BYTES];
        int result = otlp->tls[i] == NULL ? 0 : tls_context_reload(otlp->tls[i], now_mono_ns, why);
        if (result > 0) {
            log_info("tls_reloaded", LOG_TEXT("receiver", receiver->id),
                     LOG_TEXT("protocol", protocol_names[i]));
        } else if (result < 0) {
            log_warn("tls_reload_failed", LOG_TEXT("receiver", receiver->id),
                     LOG_TEXT("protocol", protocol_names[i]), LOG_TEXT("reason", why));
        }
    }
}

static void otlp_connect(struct receiver *receiver, struct pipeline *const *pipelines,
                         uint32_t pipeline_count)
{
    struct otlp_receiver *otlp = of(receiver);
    struct otlp_links links = {0};
    for (uint32_t i = 0; i < pipeline_count; i++) {
        struct otlp_routes *own = &links.routes[pipelines[i]->signal];
        ASSERT(own->count < OTLP_PIPELINES_MAX); /* the graph's limit */
        own->pipelines[own->count] = pipelines[i];
        own->count++;
    }
    memcpy(links.auth, otlp->auth, sizeof(links.auth));
    for (uint32_t i = 0; i < otlp->shard_count; i++) {
        otlp_shard_connect(&otlp->shards[i], &links);
    }
}

static int otlp_start(struct receiver *receiver)
{
    struct otlp_receiver *otlp = of(receiver);
    int err = 0;
    for (uint32_t i = 0; i < otlp->shard_count && err == 0; i++) {
        err = otlp_shard_start(&otlp->shards[i]);
    }
    for (uint32_t i = 0; i < OTLP_PROTOCOL_COUNT && err == 0; i++) {
        err = socket_file_take(&otlp->files[i]);
    }
    if (err != 0) {
        log_error("start_failed", LOG_TEXT("receiver", receiver->id), LOG_FAULT("reason", err));
    }
    return err;
}

/* --- ending ----------------------------------------------------------------------------------- */

static void otlp_send_away(struct receiver *receiver)
{
    struct otlp_receiver *otlp = of(receiver);
    for (uint32_t i = 0; i < otlp->shard_count; i++) {
        otlp_shard_send_away(&otlp->shards[i]);
    }
}

/* A successor's listeners stand behind ours in each group: new connections go to the first. */
static void leave_groups(const struct otlp_receiver *otlp)
{
    for (uint32_t i = 0; i < OTLP_PROTOCOL_COUNT; i++) {
        const struct otlp_port *port = &otlp->shards[0].ports[i];
        if (port->has_front) {
            /* Where it fails, one that just begins as its listener closes is reset. */
            int err = socket_group_hand_on(port->front.listeners[0].listener.fd, otlp->shard_count);
            log_debug("group_left", LOG_TEXT("receiver", otlp->receiver.id),
                      LOG_TEXT("protocol", protocol_names[i]), LOG_I64("result", err));
        }
    }
}

static void otlp_drain(struct receiver *receiver, bool has_successor)
{
    struct otlp_receiver *otlp = of(receiver);
    if (otlp->is_draining) {
        return;
    }
    otlp->is_draining = true;
    if (has_successor && otlp->shard_count > 0) {
        leave_groups(otlp);
    }
    for (uint32_t i = 0; i < otlp->shard_count; i++) {
        otlp_shard_drain(&otlp->shards[i], has_successor);
    }
    xray_askers_connect(&otlp->askers, NULL);
}

static void otlp_halt(struct receiver *receiver)
{
    struct otlp_receiver *otlp = of(receiver);
    for (uint32_t i = 0; i < otlp->shard_count; i++) {
        otlp_shard_halt(&otlp->shards[i]);
    }
    xray_askers_connect(&otlp->askers, NULL);
}

static bool otlp_is_drained(const struct receiver *receiver)
{
    const struct otlp_receiver *otlp = (const struct otlp_receiver *)(const void *)receiver;
    for (uint32_t i = 0; i < otlp->shard_count; i++) {
        if (!atomic_load_explicit(&otlp->shards[i].is_done, memory_order_acquire)) {
            return false;
        }
    }
    return true;
}

static void otlp_close(struct receiver *receiver)
{
    struct otlp_receiver *otlp = of(receiver);
    otlp_halt(receiver);
    xray_askers_give_up(&otlp->askers); /* AWS may take longer than there is time */
    for (uint32_t i = 0; i < otlp->shard_count; i++) {
        otlp_shard_stop(&otlp->shards[i]);
    }
    xray_askers_fini(&otlp->askers);
    for (uint32_t i = 0; i < otlp->shard_count; i++) {
        otlp_shard_fini(&otlp->shards[i]);
    }
    for (uint32_t i = 0; i < OTLP_PROTOCOL_COUNT; i++) {
        socket_file_close(&otlp->files[i]);
        tls_context_free(otlp->tls[i]);
    }
    mem_free(otlp->shards);
    mem_free(otlp->receiver.counters);
    otlp_config_fini(&otlp->config);
    mem_free(otlp);
}

static const char *otlp_line_reason(uint32_t index)
{
    (void)index;
    return NULL; /* lines are StatsD's */
}

static uint32_t otlp_offenders(struct receiver *receiver, struct receiver_offender *out,
                               uint32_t max)
{
    (void)receiver;
    (void)out;
    (void)max;
    return 0; /* nothing is aggregated here */
}

static uint32_t otlp_places(const struct receiver *receiver, struct receiver_place *out)
{
    const struct otlp_receiver *otlp =
        (const struct otlp_receiver *)(const void *)receiver; /* its first member */
    uint32_t count = 0;
    for (uint32_t i = 0; i < COUNT_OF(otlp->config.endpoints); i++) {
        const struct otlp_endpoint *endpoint = &otlp->config.endpoints[i];
        if (endpoint->is_enabled && !endpoint->is_path && !endpoint->is_shared) {
            out[count] = (struct receiver_place){
                .is_stream = true, .host = endpoint->host, .port = endpoint->port};
            count++;
        }
    }
    return count;
}

static const struct receiver_ops otlp_receiver_ops = {
    .type = "otlp",
    .places = otlp_places,
    .link = otlp_link,
    .references = otlp_references,
    .join = otlp_join,
    .open = otlp_open,
    .refresh = otlp_refresh,
    .connect = otlp_connect,
    .start = otlp_start,
    .send_away = otlp_send_away,
    .drain = otlp_drain,
    .is_drained = otlp_is_drained,
    .halt = otlp_halt,
    .close = otlp_close,
    .line_reason = otlp_line_reason,
    .offenders = otlp_offenders,
};
