/* SPDX-License-Identifier: Apache-2.0 */
/*
 * xray_shard — bursts to the intake, and what it gathered to the egress once per turn.
 */
#include "io/receivers/xray_shard.h"

#include <string.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/log.h"

/* A successor took over the address: late datagrams are read for so long. */
#define LEAVE_GROUP_MS 200
/* Turns given to the socket to close when a receiver is torn down: about two seconds. */
#define STOP_TURNS_MAX 2000

/* --- the route ------------------------------------------------------------------------------- */

static void shard_on_burst(struct dgram *dgram, const struct slice *segments, size_t count)
{
    struct xray_shard *shard = CONTAINER_OF(dgram, struct xray_shard, dgram);
    shard->intake.now_unix_ns = loop_now_unix_ns(shard->worker->loop);
    shard->intake.now_mono_ns = loop_now_mono_ns(shard->worker->loop);
    for (size_t i = 0; i < count; i++) {
        xray_intake_take(&shard->intake, segments[i]);
    }
}

/* Sends what was gathered. */
static void flush(struct xray_shard *shard)
{
    xray_intake_flush(&shard->intake);
    if (shard->intake.has_sent) {
        shard->intake.has_sent = false;
        worker_wake(shard->egress);
    }
}

static bool shard_on_turn(struct worker_hook *hook, struct worker *worker)
{
    (void)worker;
    struct xray_shard *shard = CONTAINER_OF(hook, struct xray_shard, hook);
    flush(shard);
    if (shard->state == XRAY_SHARD_LEAVING && !shard->is_open) {
        shard->state = XRAY_SHARD_DONE;
        atomic_store_explicit(&shard->is_done, true, memory_order_release);
    }
    return false;
}

/* --- the socket ------------------------------------------------------------------------------ */

static void shard_on_dgram_closed(struct dgram *dgram)
{
    struct xray_shard *shard = CONTAINER_OF(dgram, struct xray_shard, dgram);
    ASSERT(shard->is_open);
    shard->is_open = false;
}

static void shard_on_dgram_fault(struct dgram *dgram, int fault)
{
    const struct xray_shard *shard = CONTAINER_OF(dgram, struct xray_shard, dgram);
    log_error("receive_failed", LOG_TEXT("receiver", shard->receiver_id),
              LOG_TEXT("thread", shard->worker->name), LOG_FAULT("reason", fault));
}

static int open_socket(struct xray_shard *shard)
{
    if (shard->fd < 0) {
        return 0;
    }
    shard->dgram = (struct dgram){
        .loop = shard->worker->loop,
        .stats = &shard->stats,
        .on_burst = shard_on_burst,
        .on_fault = shard_on_dgram_fault,
        .on_closed = shard_on_dgram_closed,
    };
    int err = dgram_open(&shard->dgram, shard->fd);
    if (err == 0) {
        shard->fd = -1; /* moved in */
        shard->is_open = true;
    }
    return err;
}

/* --- life ------------------------------------------------------------------------------------ */

int xray_shard_init(struct xray_shard *shard, const char *receiver_id,
                    const struct receiver_home *home, struct worker *worker)
{
    const struct xray_intake_options options = {
        .shard_id = worker->id,
        .receiver_id = receiver_id,
        .thread = worker->name,
        .memory = home->memory,
        .stats = &shard->stats,
    };
    memset(shard, 0, sizeof(*shard));
    shard->hook.on_turn = shard_on_turn;
    shard->worker = worker;
    shard->egress = home->egress;
    shard->receiver_id = receiver_id;
    shard->fd = -1;
    return xray_intake_init(&shard->intake, &options);
}

void xray_shard_fini(struct xray_shard *shard)
{
    ASSERT(!shard->is_open);
    if (shard->fd >= 0) {
        (void)close(shard->fd); /* nothing was written to it */
        shard->fd = -1;
    }
    xray_intake_fini(&shard->intake);
}

void xray_shard_add_socket(struct xray_shard *shard, int fd)
{
    ASSERT(shard->fd < 0);
    ASSERT(fd >= 0);
    shard->fd = fd;
}

struct shard_call {
    struct xray_shard *shard;
    struct pipeline *const *pipelines;
    uint32_t pipeline_count;
    bool has_successor;
    int err;
};

static void connect_on_shard(struct worker *worker, void *argument)
{
    (void)worker;
    const struct shard_call *call = argument;
    flush(call->shard); /* to the pipelines it was gathered for */
    xray_intake_connect(&call->shard->intake, call->pipelines, call->pipeline_count);
}

void xray_shard_connect(struct xray_shard *shard, struct pipeline *const *pipelines,
                        uint32_t pipeline_count)
{
    struct shard_call call = {
        .shard = shard, .pipelines = pipelines, .pipeline_count = pipeline_count};
    worker_call(shard->worker, &call, connect_on_shard);
}

static void start_on_shard(struct worker *worker, void *argument)
{
    struct shard_call *call = argument;
    struct xray_shard *shard = call->shard;
    worker_add_hook(worker, &shard->hook);
    shard->state = XRAY_SHARD_RECEIVING;
    call->err = open_socket(shard);
}

int xray_shard_start(struct xray_shard *shard)
{
    struct shard_call call = {.shard = shard};
    worker_call(shard->worker, &call, start_on_shard);
    return call.err;
}

static void drain_on_shard(struct worker *worker, void *argument)
{
    (void)worker;
    const struct shard_call *call = argument;
    struct xray_shard *shard = call->shard;
    if (shard->state != XRAY_SHARD_RECEIVING) {
        return;
    }
    shard->state = XRAY_SHARD_LEAVING;
    if (shard->is_open) {
        dgram_close(&shard->dgram, call->has_successor ? LEAVE_GROUP_MS * CLOCK_NS_PER_MS : 0);
    }
}

void xray_shard_drain(struct xray_shard *shard, bool has_successor)
{
    struct shard_call call = {.shard = shard, .has_successor = has_successor};
    worker_call(shard->worker, &call, drain_on_shard);
}

static void stop_on_shard(struct worker *worker, void *argument)
{
    struct xray_shard *shard = argument;
    if (shard->state == XRAY_SHARD_IDLE) {
        return;
    }
    if (shard->is_open) {
        dgram_close(&shard->dgram, 0);
    }
    /* Closing takes a few turns; nothing of the loop may refer to this memory afterwards. */
    for (uint32_t i = 0; i < STOP_TURNS_MAX && shard->is_open; i++) {
        if (loop_turn(worker->loop, CLOCK_NS_PER_MS) < 0) {
            break;
        }
    }
    ASSERT(!shard->is_open);
    flush(shard);
    worker_remove_hook(worker, &shard->hook);
    shard->state = XRAY_SHARD_IDLE;
}

void xray_shard_stop(struct xray_shard *shard)
{
    worker_call(shard->worker, shard, stop_on_shard);
}
