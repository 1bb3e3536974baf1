/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sink_http — a small HTTP/1.1 server that takes OTLP metrics and adds them up.
 *
 * POST /v1/metrics with protobuf (identity, gzip, zstd) is decoded and counted; other paths are
 * answered with 404. Connections are kept alive. On demand it refuses the first requests with 503
 * and Retry-After, and holds answers back. One thread; the totals are read after it has ended, the
 * atomics at any time.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "bench/sink_inflate.h"
#include "bench/sink_otlp.h"
#include "bench/totals.h"
#include "core/base/defs.h"

#define SINK_CONNECTIONS_MAX_COUNT 64u
#define SINK_REQUEST_MAX_BYTES (256u << 20)

struct sink_options {
    const char *address; /* loopback host:port; port 0 lets the kernel pick */
    uint64_t refuse_count;
    uint64_t retry_after_s;
    uint64_t delay_ms;
    uint64_t until_idle_s; /* 0: until sink_stop */
};

struct sink_connection {
    int fd;         /* -1 while the slot is free */
    uint8_t *bytes; /* owned */
    size_t used;
    size_t capacity;
    uint64_t answer_mono_ns; /* 0: none held back */
    bool is_continued;       /* 100 Continue was sent for the request under way */
};

struct sink {
    struct sink_options options;
    struct sink_connection connections[SINK_CONNECTIONS_MAX_COUNT];
    struct totals totals;      /* sink thread */
    struct sink_counts counts; /* sink thread */
    struct sink_inflate_buffer inflated;
    uint64_t refused_count; /* sink thread */
    uint64_t bad_count;     /* sink thread; what could not be decoded */
    uint64_t last_mono_ns;  /* sink thread; of the last request */
    int listen_fd;
    uint16_t port;
    /* Written by the sink thread (relaxed), read by anyone. */
    _Atomic uint64_t request_count;
    _Atomic uint64_t body_bytes;
    _Atomic double counter_sum;
    _Atomic uint64_t histogram_count;
    /* Written by anyone (relaxed), read by the sink thread within 100 ms. */
    atomic_bool is_stopping;
};

/* Listens. 0 or negative; sink_fini is due in any case. */
WEIR_MUST_USE int sink_init(struct sink *sink, const struct sink_options *options);
void sink_fini(struct sink *sink);

/* Serves until sink_stop or silence. The calling thread becomes the sink thread. */
void sink_run(struct sink *sink);
void sink_stop(struct sink *sink);

/* One JSON object, one line, to stdout; `with_names` adds the table by metric name. */
void sink_print(const struct sink *sink, bool with_names);
