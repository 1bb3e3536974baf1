/* SPDX-License-Identifier: Apache-2.0 */
/*
 * xray_receiver — binds, starts, drains and frees the shards' parts, all from the main thread.
 *
 * The address is one reuseport group with a socket per shard, bound in the order of the shards. A
 * document goes to a pipeline as it came, or as spans, as the pipeline wants it.
 */
#include "io/receivers/xray_receiver.h"

#include <errno.h>
#include <string.h>

#include "core/base/fault.h"
#include "core/base/log.h"
#include "core/base/mem.h"
#include "io/receivers/xray_config.h"
#include "io/receivers/xray_proxy_port.h"
#include "io/receivers/xray_shard.h"
#include "io/socket.h"

struct xray_receiver {
    struct receiver receiver;
    struct xray_config config;
    struct receiver_home *home; /* borrowed; NULL until open */
    struct xray_shard *shards;  /* owned; one per shard */
    uint32_t shard_count;       /* of those that are built */
    struct xray_proxy_port proxy;
    bool is_draining;
};

static const struct receiver_ops xray_receiver_ops;

static struct xray_receiver *of(struct receiver *receiver)
{
    return CONTAINER_OF(receiver, struct xray_receiver, receiver);
}

int xray_receiver_new(struct config_reader *config, const char *id, struct receiver **out)
{
    struct xray_receiver *xray = mem_alloc(sizeof(*xray));
    if (xray == NULL) {
        return -ENOMEM;
    }
    int err = xray_config_read(config, &xray->config);
    if (err != 0) {
        xray_config_fini(&xray->config);
        mem_free(xray);
        return err;
    }
    xray->receiver = (struct receiver){.ops = &xray_receiver_ops, .id = id, .transport = "udp"};
    *out = &xray->receiver;
    return 0;
}

/* --- binding --------------------------------------------------------------------------------- */

static int bind_failed(const struct xray_receiver *xray, int err, const char *why)
{
    log_error("bind_failed", LOG_TEXT("receiver", xray->receiver.id), LOG_TEXT("transport", "udp"),
              LOG_TEXT("endpoint", xray->config.endpoint.text),
              LOG_TEXT("reason", why != NULL ? why : fault_text(err)));
    return err;
}

static void log_listening(const struct xray_receiver *xray, const struct socket_report *report)
{
    log_info("listening", LOG_TEXT("receiver", xray->receiver.id), LOG_TEXT("transport", "udp"),
             LOG_TEXT("endpoint", xray->config.endpoint.text),
             LOG_U64("port", socket_port_of(&report->local)));
    if (report->is_buffer_short) {
        log_warn("receive_buffer_short", LOG_TEXT("receiver", xray->receiver.id),
                 LOG_U64("wanted_bytes", xray->config.socket_buffer_bytes),
                 LOG_U64("effective_bytes", report->receive_buffer_bytes),
                 LOG_TEXT("remedy", "sysctl -w net.core.rmem_max=26214400"));
    }
}

static int resolve(const struct xray_receiver *xray, struct loop_address *address)
{
    const struct xray_endpoint *endpoint = &xray->config.endpoint;
    struct socket_endpoint where = {.port = endpoint->port};
    const char *why = NULL;
    size_t len = strlen(endpoint->host);
    if (len >= sizeof(where.host)) {
        return bind_failed(xray, -ENAMETOOLONG, NULL);
    }
    if (!(endpoint->is_default && xray->home->binds_any)) {
        memcpy(where.host, endpoint->host, len);
    }
    int err = socket_resolve(&where, SOCKET_FAMILY_ANY, address, &why);
    return err == 0 ? 0 : bind_failed(xray, err, why);
}

/* What an earlier change of receivers left with the group; most have nothing. */
static void forget_steering(const struct xray_receiver *xray, int fd)
{
    int err = socket_group_restore(fd);
    if (err != 0 && err != -ENOENT) {
        log_debug("group_not_restored", LOG_TEXT("receiver", xray->receiver.id),
                  LOG_FAULT("reason", err));
    }
}

/* A socket per shard at one address; the first one settles a port that the kernel picks. */
static int bind_group(struct xray_receiver *xray)
{
    const struct socket_options options = {
        .has_reuseport = true,
        .has_gro = true,
        .receive_buffer_bytes = (uint32_t)xray->config.socket_buffer_bytes,
    };
    struct loop_address address;
    int err = resolve(xray, &address);
    if (err != 0) {
        return err;
    }
    for (uint32_t i = 0; i < xray->shard_count; i++) {
        struct socket_report report = {0};
        int fd = socket_open_udp(&address, &options, &report);
        if (fd < 0) {
            return bind_failed(xray, fd, NULL);
        }
        address = report.local;
        xray_shard_add_socket(&xray->shards[i], fd);
        if (i == 0) {
            log_listening(xray, &report);
            forget_steering(xray, fd);
        }
    }
    return 0;
}

/* --- opening --------------------------------------------------------------------------------- */

static int build_shards(struct xray_receiver *xray)
{
    uint32_t count = xray->home->shard_count;
    struct receiver_counters *counters = mem_alloc_array(count + 1, sizeof(counters[0]));
    xray->receiver.counters = counters;
    xray->shards = mem_alloc_aligned(WEIR_CACHE_LINE_BYTES, count * sizeof(xray->shards[0]));
    if (xray->shards == NULL || counters == NULL) {
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < count; i++) {
        struct worker *worker = &xray->home->shards[i];
        int err = xray_shard_init(&xray->shards[i], xray->receiver.id, xray->home, worker);
        xray->shard_count++;
        if (err != 0) {
            return err;
        }
        counters[i] =
            (struct receiver_counters){.stats = &xray->shards[i].stats, .thread = worker->name};
    }
    counters[count] =
        (struct receiver_counters){.stats = &xray->proxy.stats, .thread = xray->home->egress->name};
    xray->receiver.counters_count = count + 1;
    return 0;
}

static int xray_open(struct receiver *receiver, struct receiver_home *home)
{
    struct xray_receiver *xray = of(receiver);
    xray->home = home;
    int err = build_shards(xray);
    if (err == 0) {
        err = bind_group(xray);
    }
    return err == 0 ? xray_proxy_port_bind(&xray->proxy, receiver->id, &xray->config.proxy, home)
                    : err;
}

static void xray_connect(struct receiver *receiver, struct pipeline *const *pipelines,
                         uint32_t pipeline_count)
{
    struct xray_receiver *xray = of(receiver);
    for (uint32_t i = 0; i < xray->shard_count; i++) {
        xray_shard_connect(&xray->shards[i], pipelines, pipeline_count);
    }
}

static int xray_start(struct receiver *receiver)
{
    struct xray_receiver *xray = of(receiver);
    int err = 0;
    for (uint32_t i = 0; i < xray->shard_count && err == 0; i++) {
        err = xray_shard_start(&xray->shards[i]);
    }
    if (err == 0) {
        err = xray_proxy_port_start(&xray->proxy);
    }
    if (err != 0) {
        log_error("start_failed", LOG_TEXT("receiver", receiver->id), LOG_FAULT("reason", err));
    }
    return err;
}

/* --- ending ---------------------------------------------------------------------------------- */

static void xray_send_away(struct receiver *receiver)
{
    xray_proxy_port_send_away(&of(receiver)->proxy); /* over UDP nobody can be told */
}

/* A successor's sockets stand behind ours in the group: new datagrams go to the first of them. */
static void leave_group(const struct xray_receiver *xray)
{
    if (xray->shards[0].is_open) {
        /* Where it fails, datagrams for a closing socket are refused, and counted. */
        int err = socket_group_hand_on(xray->shards[0].dgram.socket.fd, xray->shard_count);
        log_debug("group_left", LOG_TEXT("receiver", xray->receiver.id), LOG_I64("result", err));
    }
}

static void xray_drain(struct receiver *receiver, bool has_successor)
{
    struct xray_receiver *xray = of(receiver);
    if (xray->is_draining) {
        return;
    }
    xray->is_draining = true;
    if (has_successor && xray->shard_count > 0) {
        leave_group(xray);
    }
    for (uint32_t i = 0; i < xray->shard_count; i++) {
        xray_shard_drain(&xray->shards[i], has_successor);
    }
    xray_proxy_port_drain(&xray->proxy);
}

static bool xray_is_drained(const struct receiver *receiver)
{
    const struct xray_receiver *xray = (const struct xray_receiver *)(const void *)receiver;
    for (uint32_t i = 0; i < xray->shard_count; i++) {
        if (!atomic_load_explicit(&xray->shards[i].is_done, memory_order_acquire)) {
            return false;
        }
    }
    return xray_proxy_port_is_done(&xray->proxy);
}

static void xray_close(struct receiver *receiver)
{
    struct xray_receiver *xray = of(receiver);
    xray_proxy_port_stop(&xray->proxy);
    for (uint32_t i = 0; i < xray->shard_count; i++) {
        xray_shard_stop(&xray->shards[i]);
    }
    for (uint32_t i = 0; i < xray->shard_count; i++) {
        xray_shard_fini(&xray->shards[i]);
    }
    mem_free(xray->shards);
    mem_free(xray->receiver.counters);
    xray_config_fini(&xray->config);
    mem_free(xray);
}

/* --- looking inside -------------------------------------------------------------------------- */

static uint32_t xray_offenders(struct receiver *receiver, struct receiver_offender *out,
                               uint32_t max)
{
    (void)receiver;
    (void)out;
    (void)max;
    return 0; /* nothing is aggregated here */
}

struct xray_proxy *xray_receiver_proxy(struct receiver *receiver)
{
    ASSERT(receiver->ops == &xray_receiver_ops);
    return &of(receiver)->proxy.proxy;
}

static uint32_t xray_places(const struct receiver *receiver, struct receiver_place *out)
{
    const struct xray_config *config =
        &((const struct xray_receiver *)(const void *)receiver)->config; /* its first member */
    out[0] = xray_endpoint_place(&config->endpoint, false);
    out[1] = xray_endpoint_place(&config->proxy.endpoint, true);
    return 2;
}

static const struct receiver_ops xray_receiver_ops = {
    .type = "awsxray",
    .places = xray_places,
    .open = xray_open,
    .connect = xray_connect,
    .start = xray_start,
    .send_away = xray_send_away,
    .drain = xray_drain,
    .is_drained = xray_is_drained,
    .close = xray_close,
    .line_reason = xray_intake_reason,
    .offenders = xray_offenders,
};
