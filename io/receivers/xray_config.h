/* SPDX-License-Identifier: Apache-2.0 */
/*
 * xray_config — the settings of one `awsxray` receiver, or of one `awsproxy` extension: the
 * Collector's keys and defaults, ours beside them.
 *
 * Read once by the main thread, frozen after start, freed with their owner. Two addresses: one for
 * the datagrams of the SDKs, one for the proxy that signs their sampling calls.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/base/arena.h"
#include "core/base/defs.h"
#include "core/engine/config.h"
#include "io/receivers/receiver.h"

struct xray_endpoint {
    const char *text; /* as in the configuration */
    const char *host; /* without brackets; empty: every address */
    uint16_t port;
    bool is_default; /* host and port were not spelled out */
};

/* `proxy_server`, or all of `awsproxy`. Texts are never NULL; empty means not set. */
struct xray_proxy_config {
    struct xray_endpoint endpoint;
    const char *proxy_address; /* the way out; empty: as the environment says */
    const char *region;
    const char *role_arn;
    const char *aws_endpoint; /* in place of the region's host */
    const char *service_name; /* always "xray" */
    bool is_insecure;         /* upstream certificates are not verified */
    bool is_local_mode;       /* no region from metadata */
    bool allows_all_paths;    /* beside the two sampling calls */
    uint64_t rules_cache_ns;  /* how long an answer of GetSamplingRules is shared; 0: never */
};

struct xray_config {
    struct xray_endpoint endpoint;
    uint64_t socket_buffer_bytes; /* SO_RCVBUF wished for */
    struct xray_proxy_config proxy;
    bool is_short;      /* memory was short while it was read */
    struct arena texts; /* owned; of everything above */
};

/* Reads and finishes `r`. 0, FAULT_CONFIG (reported) or -ENOMEM; xray_config_fini either way. */
WEIR_MUST_USE int xray_config_read(struct config_reader *r, struct xray_config *out);

/*
 * Likewise, where the keys of `proxy_server` are the whole section; only out->proxy is filled, and
 * the rest is zero.
 */
WEIR_MUST_USE int xray_config_read_proxy(struct config_reader *r, struct xray_config *out);

/* Idempotent. */
void xray_config_fini(struct xray_config *config);

/* The host borrows from the settings. */
struct receiver_place xray_endpoint_place(const struct xray_endpoint *endpoint, bool is_stream);
