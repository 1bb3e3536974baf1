/* SPDX-License-Identifier: Apache-2.0 */
/*
 * statsd_receiver — binds, starts, drains and frees the parts, all from the main thread.
 *
 * Every inet endpoint is one reuseport group with a socket per shard, bound in the order of the
 * shards. A Unix socket cannot be shared: it belongs to the first shard.
 */
#include "io/receivers/statsd_receiver.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/fault.h"
#include "core/base/log.h"
#include "core/base/mem.h"
#include "io/receivers/statsd_config.h"
#include "io/receivers/statsd_egress.h"
#include "io/receivers/statsd_shard.h"
#include "io/socket.h"
#include "io/socket_file.h"

struct statsd_receiver {
    struct receiver receiver;
    struct statsd_config config;
    struct receiver_home *home;  /* borrowed; NULL until open */
    struct statsd_shard *shards; /* owned; one per shard */
    uint32_t shard_count;        /* of those that are built */
    struct statsd_egress egress;
    bool has_egress;
    bool is_draining;
    struct socket_file files[STATSD_LISTENERS_MAX]; /* of Unix sockets, by endpoint */
};

static struct statsd_receiver *of(struct receiver *receiver)
{
    return CONTAINER_OF(receiver, struct statsd_receiver, receiver);
}

int statsd_receiver_new(struct config_reader *config, const char *id, struct receiver **out)
{
    struct statsd_receiver *statsd = mem_alloc(sizeof(*statsd));
    if (statsd == NULL) {
        return -ENOMEM;
    }
    int err = statsd_config_read(config, &statsd->config);
    if (err != 0) {
        mem_free(statsd);
        return err;
    }
    statsd->receiver = (struct receiver){
        .ops = &statsd_receiver_ops,
        .id = id,
        .transport = statsd_transport_name(statsd->config.endpoints[0].transport),
    };
    *out = &statsd->receiver;
    return 0;
}

/* --- binding --------------------------------------------------------------------------------- */

static void log_listening(const struct statsd_receiver *statsd,
                          const struct statsd_endpoint *endpoint,
                          const struct socket_report *report)
{
    log_info("listening", LOG_TEXT("receiver", statsd->receiver.id),
             LOG_TEXT("transport", statsd_transport_name(endpoint->transport)),
             LOG_TEXT("endpoint", endpoint->text), LOG_U64("port", socket_port_of(&report->local)));
    if (report->is_buffer_short && !statsd_transport_is_stream(endpoint->transport)) {
        log_warn("receive_buffer_short", LOG_TEXT("receiver", statsd->receiver.id),
                 LOG_U64("wanted_bytes", statsd->config.socket_buffer_bytes),
                 LOG_U64("effective_bytes", report->receive_buffer_bytes),
                 LOG_TEXT("remedy", "sysctl -w net.core.rmem_max=26214400"));
    }
}

static int bind_failed(const struct statsd_receiver *statsd, const struct statsd_endpoint *endpoint,
                       int err, const char *why)
{
    log_error("bind_failed", LOG_TEXT("receiver", statsd->receiver.id),
              LOG_TEXT("transport", statsd_transport_name(endpoint->transport)),
              LOG_TEXT("endpoint", endpoint->text),
              LOG_TEXT("reason", why != NULL ? why : fault_text(err)));
    return err;
}

static enum socket_family family_of(enum statsd_transport transport)
{
    if (transport == STATSD_TRANSPORT_UDP4 || transport == STATSD_TRANSPORT_TCP4) {
        return SOCKET_FAMILY_IPV4;
    }
    if (transport == STATSD_TRANSPORT_UDP6 || transport == STATSD_TRANSPORT_TCP6) {
        return SOCKET_FAMILY_IPV6;
    }
    return SOCKET_FAMILY_ANY;
}

static int bind_path(struct statsd_receiver *statsd, const struct statsd_endpoint *endpoint)
{
    bool is_stream = statsd_transport_is_stream(endpoint->transport);
    const struct socket_options options = {
        .receive_buffer_bytes = (uint32_t)statsd->config.socket_buffer_bytes,
        .permissions = statsd->config.socket_permissions,
    };
    struct socket_report report = {0};
    int fd = socket_file_open(&statsd->files[endpoint - statsd->config.endpoints], endpoint->text,
                              is_stream ? SOCK_STREAM : SOCK_DGRAM, &options, &report);
    if (fd < 0) {
        return bind_failed(statsd, endpoint, fd, NULL);
    }
    statsd_shard_add_listener(&statsd->shards[0], fd, endpoint);
    log_listening(statsd, endpoint, &report);
    return 0;
}

/* What an earlier successor's arrival left behind would send everything to one of ours. */
static void forget_steering(const struct statsd_receiver *statsd, int fd)
{
    int err = socket_group_restore(fd);
    if (err != 0 && err != -ENOENT) {
        log_debug("group_not_restored", LOG_TEXT("receiver", statsd->receiver.id),
                  LOG_FAULT("reason", err));
    }
}

/* A socket per shard at one address; the first one settles a port that the kernel picks. */
static int bind_group(struct statsd_receiver *statsd, const struct statsd_endpoint *endpoint,
                      struct loop_address *address)
{
    bool is_stream = statsd_transport_is_stream(endpoint->transport);
    const struct socket_options options = {
        .family = family_of(endpoint->transport),
        .has_reuseport = true,
        .has_gro = !is_stream,
        .receive_buffer_bytes = is_stream ? 0 : (uint32_t)statsd->config.socket_buffer_bytes,
    };
    for (uint32_t i = 0; i < statsd->shard_count; i++) {
        struct socket_report report = {0};
        int fd = is_stream ? socket_open_tcp(address, &options, &report)
                           : socket_open_udp(address, &options, &report);
        if (fd < 0) {
            return bind_failed(statsd, endpoint, fd, NULL);
        }
        *address = report.local;
        statsd_shard_add_listener(&statsd->shards[i], fd, endpoint);
        if (i == 0) {
            log_listening(statsd, endpoint, &report);
            forget_steering(statsd, fd);
        }
    }
    return 0;
}

static int bind_endpoint(struct statsd_receiver *statsd, const struct statsd_endpoint *endpoint)
{
    if (statsd_transport_is_path(endpoint->transport)) {
        return bind_path(statsd, endpoint);
    }
    struct socket_endpoint where = {.port = endpoint->port};
    bool is_any = endpoint->is_default && statsd->home->binds_any;
    size_t len = strlen(endpoint->host);
    if (len >= sizeof(where.host)) {
        return bind_failed(statsd, endpoint, -ENAMETOOLONG, NULL);
    }
    if (!is_any) {
        memcpy(where.host, endpoint->host, len);
    }
    struct loop_address address;
    const char *why = NULL;
    int err = socket_resolve(&where, family_of(endpoint->transport), &address, &why);
    if (err != 0) {
        return bind_failed(statsd, endpoint, err, why);
    }
    return bind_group(statsd, endpoint, &address);
}

/* --- opening --------------------------------------------------------------------------------- */

static int build_shards(struct statsd_receiver *statsd)
{
    uint32_t count = statsd->home->shard_count;
    statsd->shards = mem_alloc_aligned(WEIR_CACHE_LINE_BYTES, count * sizeof(statsd->shards[0]));
    if (statsd->shards == NULL) {
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < count; i++) {
        int err = statsd_shard_init(&statsd->shards[i], statsd->receiver.id, &statsd->config,
                                    statsd->home, &statsd->home->shards[i]);
        if (err != 0) {
            return err;
        }
        statsd->shard_count++;
    }
    return 0;
}

static int build_egress(struct statsd_receiver *statsd)
{
    struct seal_table **sources = mem_alloc_array(statsd->shard_count, sizeof(sources[0]));
    if (sources == NULL) {
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < statsd->shard_count; i++) {
        sources[i] = &statsd->shards[i].seal;
    }
    int err = statsd_egress_init(&statsd->egress, &statsd->config, statsd->home, sources);
    statsd->has_egress = err == 0;
    mem_free(sources);
    return err;
}

static int build_counters(struct statsd_receiver *statsd)
{
    uint32_t count = statsd->shard_count + 1;
    struct receiver_counters *counters = mem_alloc_array(count, sizeof(counters[0]));
    if (counters == NULL) {
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < statsd->shard_count; i++) {
        counters[i] = (struct receiver_counters){.stats = &statsd->shards[i].stats,
                                                 .thread = statsd->home->shards[i].name};
    }
    counters[statsd->shard_count] = (struct receiver_counters){
        .stats = &statsd->egress.stats, .thread = statsd->home->egress->name};
    statsd->receiver.counters = counters;
    statsd->receiver.counters_count = count;
    return 0;
}

static int statsd_open(struct receiver *receiver, struct receiver_home *home)
{
    struct statsd_receiver *statsd = of(receiver);
    statsd->home = home;
    int err = build_shards(statsd);
    for (uint32_t i = 0; i < statsd->config.endpoint_count && err == 0; i++) {
        err = bind_endpoint(statsd, &statsd->config.endpoints[i]);
    }
    if (err == 0) {
        err = build_egress(statsd);
    }
    if (err == 0) {
        err = build_counters(statsd);
    }
    return err;
}

static void statsd_connect(struct receiver *receiver, struct pipeline *const *pipelines,
                           uint32_t pipeline_count)
{
    statsd_egress_connect(&of(receiver)->egress, pipelines, pipeline_count);
}

static int statsd_start(struct receiver *receiver)
{
    struct statsd_receiver *statsd = of(receiver);
    int err = 0;
    for (uint32_t i = 0; i < statsd->shard_count && err == 0; i++) {
        err = statsd_shard_start(&statsd->shards[i]);
    }
    for (uint32_t i = 0; i < statsd->config.endpoint_count && err == 0; i++) {
        err = socket_file_take(&statsd->files[i]);
    }
    if (err != 0) {
        log_error("start_failed", LOG_TEXT("receiver", receiver->id), LOG_FAULT("reason", err));
    }
    return err;
}

/* --- ending ---------------------------------------------------------------------------------- */

static void statsd_send_away(struct receiver *receiver)
{
    struct statsd_receiver *statsd = of(receiver);
    for (uint32_t i = 0; i < statsd->shard_count; i++) {
        statsd_shard_send_away(&statsd->shards[i]);
    }
}

/* A successor's sockets stand behind ours in each group: what is new goes to the first of them. */
static void leave_groups(struct statsd_receiver *statsd)
{
    const struct statsd_shard *first = &statsd->shards[0];
    for (uint32_t i = 0; i < statsd->config.endpoint_count && i < first->listener_count; i++) {
        const struct statsd_listener *listener = &first->listeners[i];
        if (!listener->is_open || statsd_transport_is_path(listener->endpoint->transport)) {
            continue;
        }
        int fd = listener->is_stream ? listener->stream.listener.fd : listener->dgram.socket.fd;
        /* Where it fails, datagrams for a closing socket are refused, and counted. */
        int err = socket_group_hand_on(fd, statsd->shard_count);
        log_debug("group_left", LOG_TEXT("receiver", statsd->receiver.id), LOG_I64("result", err));
    }
}

static void statsd_drain(struct receiver *receiver, bool has_successor)
{
    struct statsd_receiver *statsd = of(receiver);
    if (statsd->is_draining) {
        return;
    }
    statsd->is_draining = true;
    if (has_successor) {
        leave_groups(statsd);
    }
    for (uint32_t i = 0; i < statsd->shard_count; i++) {
        statsd_shard_drain(&statsd->shards[i], has_successor);
    }
}

static bool statsd_is_drained(const struct receiver *receiver)
{
    const struct statsd_receiver *statsd = (const struct statsd_receiver *)(const void *)receiver;
    for (uint32_t i = 0; i < statsd->shard_count; i++) {
        if (!atomic_load_explicit(&statsd->shards[i].is_done, memory_order_acquire)) {
            return false;
        }
    }
    return atomic_load_explicit(&statsd->egress.is_done, memory_order_acquire);
}

static void statsd_close(struct receiver *receiver)
{
    struct statsd_receiver *statsd = of(receiver);
    for (uint32_t i = 0; i < statsd->shard_count; i++) {
        statsd_shard_stop(&statsd->shards[i]);
    }
    if (statsd->has_egress) {
        statsd_egress_stop(&statsd->egress);
        statsd_egress_fini(&statsd->egress);
    }
    for (uint32_t i = 0; i < statsd->shard_count; i++) {
        statsd_shard_fini(&statsd->shards[i]);
    }
    for (uint32_t i = 0; i < statsd->config.endpoint_count; i++) {
        socket_file_close(&statsd->files[i]);
    }
    mem_free(statsd->shards);
    mem_free(statsd->receiver.counters);
    statsd_config_fini(&statsd->config);
    mem_free(statsd);
}

/* --- looking inside -------------------------------------------------------------------------- */

static const char *statsd_line_reason(uint32_t index)
{
    return index < STATSD_WHY_LIMIT ? statsd_why_label((enum statsd_why)index) : NULL;
}

static int by_series_count(const void *a, const void *b)
{
    const struct receiver_offender *left = a;
    const struct receiver_offender *right = b;
    return (left->series_count < right->series_count) - (left->series_count > right->series_count);
}

struct offenders_call {
    struct statsd_shard *shard;
    struct receiver_offender *out;
    uint32_t max;
    uint32_t count;
};

static void add_offender(struct offenders_call *call, const char *name, size_t len, uint64_t count)
{
    for (uint32_t i = 0; i < call->count; i++) {
        if (strlen(call->out[i].name) == len && memcmp(call->out[i].name, name, len) == 0) {
            call->out[i].series_count += count;
            return;
        }
    }
    if (call->count == call->max) {
        return;
    }
    struct receiver_offender *entry = &call->out[call->count];
    memcpy(entry->name, name, len);
    entry->name[len] = 0;
    entry->series_count = count;
    call->count++;
}

/* On the shard: its table changes under nobody's feet. */
static void read_offenders(struct worker *worker, void *argument)
{
    (void)worker;
    struct offenders_call *call = argument;
    const struct series_table *table = &call->shard->seal.table;
    for (size_t i = 0; i < COUNT_OF(table->offenders); i++) {
        const struct series_offender *offender = &table->offenders[i];
        size_t cap = sizeof(call->out[0].name) - 1;
        if (offender->key_offset != 0) {
            add_offender(call, key_pool_at(&table->keys, offender->key_offset),
                         offender->name_len < cap ? offender->name_len : cap,
                         offender->series_count);
        }
    }
}

#define OFFENDERS_ALL_MAX (4 * SERIES_OFFENDER_COUNT)

static uint32_t statsd_offenders(struct receiver *receiver, struct receiver_offender *out,
                                 uint32_t max)
{
    struct statsd_receiver *statsd = of(receiver);
    struct receiver_offender *all = mem_alloc_array(OFFENDERS_ALL_MAX, sizeof(all[0]));
    if (all == NULL) {
        return 0;
    }
    struct offenders_call call = {.out = all, .max = OFFENDERS_ALL_MAX};
    for (uint32_t i = 0; i < statsd->shard_count; i++) {
        call.shard = &statsd->shards[i];
        worker_call(call.shard->worker, &call, read_offenders);
    }
    qsort(all, call.count, sizeof(all[0]), by_series_count);
    uint32_t count = call.count < max ? call.count : max;
    memcpy(out, all, count * sizeof(out[0]));
    mem_free(all);
    return count;
}

struct statsd_shard *statsd_receiver_shard(struct receiver *receiver, uint32_t shard_index)
{
    struct statsd_receiver *statsd = of(receiver);
    ASSERT(receiver->ops == &statsd_receiver_ops && shard_index < statsd->shard_count);
    return &statsd->shards[shard_index];
}

static uint32_t statsd_places(const struct receiver *receiver, struct receiver_place *out)
{
    _Static_assert(STATSD_LISTENERS_MAX <= RECEIVER_PLACES_MAX, "all of them have room");
    const struct statsd_config *config =
        &((const struct statsd_receiver *)(const void *)receiver)->config; /* its first member */
    uint32_t count = 0;
    for (uint32_t i = 0; i < config->endpoint_count; i++) {
        const struct statsd_endpoint *endpoint = &config->endpoints[i];
        if (!statsd_transport_is_path(endpoint->transport)) {
            out[count] = (struct receiver_place){
                .is_stream = statsd_transport_is_stream(endpoint->transport),
                .host = slice_of_text(endpoint->host),
                .port = endpoint->port,
            };
            count++;
        }
    }
    return count;
}

const struct receiver_ops statsd_receiver_ops = {
    .type = "statsd",
    .places = statsd_places,
    .open = statsd_open,
    .connect = statsd_connect,
    .start = statsd_start,
    .send_away = statsd_send_away,
    .drain = statsd_drain,
    .is_drained = statsd_is_drained,
    .close = statsd_close,
    .line_reason = statsd_line_reason,
    .offenders = statsd_offenders,
};
