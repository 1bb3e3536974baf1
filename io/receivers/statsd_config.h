/* SPDX-License-Identifier: Apache-2.0 */
/*
 * statsd_config — the settings of one `statsd` receiver: the Collector's keys and defaults, ours
 * beside them.
 *
 * Read once by the main thread, frozen after start, freed with the receiver.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "codecs/statsd_line.h"
#include "core/base/defs.h"
#include "core/base/slice.h"
#include "core/engine/config.h"
#include "core/engine/emit.h"
#include "core/engine/merge.h"
#include "core/model/aggregate.h"

enum statsd_transport {
    STATSD_TRANSPORT_UDP,
    STATSD_TRANSPORT_UDP4,
    STATSD_TRANSPORT_UDP6,
    STATSD_TRANSPORT_TCP,
    STATSD_TRANSPORT_TCP4,
    STATSD_TRANSPORT_TCP6,
    STATSD_TRANSPORT_UNIXGRAM,
    STATSD_TRANSPORT_UNIX,       /* stream, lines end with LF */
    STATSD_TRANSPORT_UNIXSTREAM, /* DogStatsD's stream: each packet behind its length */
};

#define STATSD_LISTENERS_MAX 8

struct statsd_endpoint {
    enum statsd_transport transport;
    char *text; /* owned; host:port or a path */
    char *host; /* owned; NULL for paths */
    uint16_t port;
    bool is_default; /* host and port were not spelled out */
};

struct statsd_config {
    struct statsd_endpoint endpoints[STATSD_LISTENERS_MAX];
    uint32_t endpoint_count;
    uint32_t socket_permissions;  /* mode bits of a unix socket */
    uint64_t socket_buffer_bytes; /* SO_RCVBUF wished for */
    uint64_t interval_ns;
    uint64_t counter_expiry_ns;
    uint64_t gauge_expiry_ns;
    uint32_t cardinality_limit;     /* series of the receiver, and on each shard */
    uint64_t connection_max_age_ns; /* 0: for ever */
    uint32_t connection_max_count;
    char *replica_attribute; /* owned; empty: none */
    struct statsd_options line;
    struct aggregate_config aggregate; /* owns its patterns and bounds */
    struct emit_options emit;          /* without resource attributes, which the receiver adds */
    enum gauge_base gauge_base;
};

/*
 * Reads and finishes `r`. 0: `out` is filled and must be given to statsd_config_fini; FAULT_CONFIG:
 * the report has the errors and nothing is owned; -ENOMEM.
 */
WEIR_MUST_USE int statsd_config_read(struct config_reader *r, struct statsd_config *out);

/* Frees what it owns. Idempotent. */
void statsd_config_fini(struct statsd_config *config);

/* "udp", "unixgram" … as in the configuration. */
const char *statsd_transport_name(enum statsd_transport transport);

static inline bool statsd_transport_is_stream(enum statsd_transport transport)
{
    return (transport >= STATSD_TRANSPORT_TCP && transport <= STATSD_TRANSPORT_TCP6) ||
           transport >= STATSD_TRANSPORT_UNIX;
}

static inline bool statsd_transport_is_path(enum statsd_transport transport)
{
    return transport >= STATSD_TRANSPORT_UNIXGRAM;
}
