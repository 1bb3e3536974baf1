/* SPDX-License-Identifier: Apache-2.0 */
/*
 * otlp_config — the settings of one `otlp` receiver: the Collector's keys and defaults.
 *
 * Read once by the main thread, frozen after start, freed with the receiver. Two endpoints at most,
 * `grpc` and `http`; each serves both protocols, because clients mix them up all the time. Beside
 * them `statsd` and `xray` name receivers whose TCP traffic is welcome on the same ports.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "codecs/compress.h"
#include "core/base/arena.h"
#include "core/base/defs.h"
#include "core/base/slice.h"
#include "core/engine/config.h"
#include "core/model/part.h"
#include "io/h2_server.h"
#include "io/io_bounds.h"
#include "io/socket.h"
#include "io/tls_config.h"

enum otlp_protocol {
    OTLP_PROTOCOL_GRPC,
    OTLP_PROTOCOL_HTTP,
};
#define OTLP_PROTOCOL_COUNT 2

/* One listening address. */
struct otlp_endpoint {
    bool is_enabled;
    bool is_default;    /* host and port were not spelled out */
    bool is_path;       /* a Unix socket */
    bool is_shared;     /* of http: grpc has the same address, and one port serves both */
    bool expects_proxy; /* a PROXY header, version 2, is required of everybody */
    enum socket_family family;
    struct slice text; /* as in the configuration */
    struct slice host; /* without brackets; empty: every address */
    uint16_t port;
    struct tls_config tls;
    struct slice authenticator; /* id of the extension; empty: everybody may come in */
};

/* Another receiver that is served on these ports. */
struct otlp_guest {
    struct slice receiver_id; /* empty: none */
    struct config_mark mark;  /* where it is written */
};

struct otlp_cors {
    bool is_enabled;
    bool allows_any_origin;
    bool allows_any_header;
    struct slice origins[OTLP_CORS_MAX];
    uint32_t origin_count;
    struct slice headers[OTLP_CORS_MAX];
    uint32_t header_count;
    struct slice exposed; /* joined by ", "; empty for none */
    uint64_t max_age_s;   /* 0: not sent */
};

struct otlp_header {
    struct slice name;
    struct slice value;
};

struct otlp_config {
    struct otlp_endpoint endpoints[OTLP_PROTOCOL_COUNT];
    struct otlp_guest statsd; /* whose lines come here as well */
    struct otlp_guest xray;   /* whose proxy answers sampling calls */
    struct h2_server_options h2;
    uint32_t message_max_bytes;       /* of gRPC, on the wire and unpacked */
    uint32_t body_max_bytes;          /* of HTTP, likewise */
    struct slice paths[SIGNAL_COUNT]; /* of HTTP */
    struct otlp_cors cors;
    struct otlp_header headers[OTLP_HEADERS_MAX]; /* of every answer over HTTP */
    uint32_t header_count;
    bool takes_kind[COMPRESS_KIND_COUNT]; /* compression_algorithms */
    bool is_keep_alive;
    uint64_t read_timeout_ns; /* of a body; 0: none */
    uint64_t read_header_timeout_ns;
    uint64_t write_timeout_ns;
    uint64_t idle_timeout_ns;
    uint64_t age_max_ns; /* of HTTP/1.1 connections */
    bool has_health;     /* grpc.health.v1.Health */
    bool is_short;       /* memory was short while it was read */
    struct arena texts;  /* owned; of everything above */
};

/* Reads and finishes `r`. 0, FAULT_CONFIG (reported) or -ENOMEM; otlp_config_fini either way. */
WEIR_MUST_USE int otlp_config_read(struct config_reader *r, struct otlp_config *out);

/* Idempotent. */
void otlp_config_fini(struct otlp_config *config);
