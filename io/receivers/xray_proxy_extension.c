/* SPDX-License-Identifier: Apache-2.0 */
/*
 * xray_proxy_extension — one port, and the face of a receiver around it. Main thread.
 */
#include "io/receivers/xray_proxy_extension.h"

#include <errno.h>

#include "core/base/log.h"
#include "core/base/mem.h"
#include "io/receivers/xray_config.h"
#include "io/receivers/xray_proxy_port.h"

struct xray_proxy_extension {
    struct receiver receiver;
    struct xray_config config;
    struct receiver_counters counters;
    struct xray_proxy_port port;
};

static const struct receiver_ops extension_ops;

static struct xray_proxy_extension *of(struct receiver *receiver)
{
    return CONTAINER_OF(receiver, struct xray_proxy_extension, receiver);
}

int xray_proxy_extension_new(struct config_reader *config, const char *id, struct receiver **out)
{
    struct xray_proxy_extension *extension = mem_alloc(sizeof(*extension));
    if (extension == NULL) {
        return -ENOMEM;
    }
    int err = xray_config_read_proxy(config, &extension->config);
    if (err != 0) {
        xray_config_fini(&extension->config);
        mem_free(extension);
        return err;
    }
    extension->receiver = (struct receiver){.ops = &extension_ops, .id = id, .transport = "tcp"};
    *out = &extension->receiver;
    return 0;
}

/* --- life ------------------------------------------------------------------------------------- */

static int extension_open(struct receiver *receiver, struct receiver_home *home)
{
    struct xray_proxy_extension *extension = of(receiver);
    extension->counters =
        (struct receiver_counters){.stats = &extension->port.stats, .thread = home->egress->name};
    receiver->counters = &extension->counters;
    receiver->counters_count = 1;
    return xray_proxy_port_bind(&extension->port, receiver->id, &extension->config.proxy, home);
}

static void extension_connect(struct receiver *receiver, struct pipeline *const *pipelines,
                              uint32_t pipeline_count)
{
    (void)receiver;
    (void)pipelines;
    ASSERT(pipeline_count == 0); /* pipelines name receivers only */
}

static int extension_start(struct receiver *receiver)
{
    int err = xray_proxy_port_start(&of(receiver)->port);
    if (err != 0) {
        log_error("start_failed", LOG_TEXT("extension", receiver->id), LOG_FAULT("reason", err));
    }
    return err;
}

static void extension_send_away(struct receiver *receiver)
{
    xray_proxy_port_send_away(&of(receiver)->port);
}

static void extension_drain(struct receiver *receiver, bool has_successor)
{
    (void)has_successor; /* its listener stands beside ours, and takes what ours does not */
    xray_proxy_port_drain(&of(receiver)->port);
}

static bool extension_is_drained(const struct receiver *receiver)
{
    const struct xray_proxy_extension *extension =
        (const struct xray_proxy_extension *)(const void *)receiver;
    return xray_proxy_port_is_done(&extension->port);
}

static void extension_close(struct receiver *receiver)
{
    struct xray_proxy_extension *extension = of(receiver);
    xray_proxy_port_stop(&extension->port);
    xray_config_fini(&extension->config);
    mem_free(extension);
}

/* --- looking inside --------------------------------------------------------------------------- */

static const char *extension_line_reason(uint32_t index)
{
    (void)index;
    return NULL; /* there are no lines */
}

static uint32_t extension_offenders(struct receiver *receiver, struct receiver_offender *out,
                                    uint32_t max)
{
    (void)receiver;
    (void)out;
    (void)max;
    return 0; /* nor series */
}

static uint32_t extension_places(const struct receiver *receiver, struct receiver_place *out)
{
    const struct xray_config *config =
        &((const struct xray_proxy_extension *)(const void *)receiver)->config; /* first member */
    out[0] = xray_endpoint_place(&config->proxy.endpoint, true);
    return 1;
}

static const struct receiver_ops extension_ops = {
    .type = "awsproxy",
    .places = extension_places,
    .open = extension_open,
    .connect = extension_connect,
    .start = extension_start,
    .send_away = extension_send_away,
    .drain = extension_drain,
    .is_drained = extension_is_drained,
    .close = extension_close,
    .line_reason = extension_line_reason,
    .offenders = extension_offenders,
};
