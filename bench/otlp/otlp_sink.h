/* SPDX-License-Identifier: Apache-2.0 */
/*
 * otlp_sink — takes OTLP over gRPC and HTTP/1.1 on one port, and counts what arrives.
 *
 * Requests are answered with success at once, or after a delay, or, for a while, not as they should
 * be. With a corpus every item is entered into a ledger; without one bodies are thrown away, which
 * makes it the floor. One thread; ledger and latencies are read after it has ended, the atomics at
 * any time.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "bench/otlp/latency.h"
#include "bench/otlp/otlp_ledger.h"
#include "bench/sink_inflate.h"
#include "core/base/defs.h"

#define OTLP_SINK_CONNECTIONS_MAX_COUNT 256u
#define OTLP_SINK_REQUEST_MAX_BYTES (256u << 20)
#define OTLP_SINK_HELD_MAX_COUNT 4096u
#define OTLP_SINK_PHASES_MAX_COUNT 3u

enum otlp_sink_trouble {
    OTLP_SINK_TROUBLE_CLOSE,  /* the port is closed and connections are cut, as if it had died */
    OTLP_SINK_TROUBLE_REFUSE, /* 503 and UNAVAILABLE */
    OTLP_SINK_TROUBLE_HANG,   /* everything is read and nothing answered */
};

struct otlp_sink_options {
    const char *address;                      /* loopback host:port; port 0 lets the kernel pick */
    const struct otlp_corpus_options *corpus; /* borrowed until fini; NULL: nothing is counted */
    /* Borrowed until fini; a ring of OTLP_SENT_RING_COUNT per body; NULL: no latencies. */
    const _Atomic uint64_t *sent_mono_ns;
    const atomic_bool *cancel; /* borrowed; ends the sink as otlp_sink_stop does; may be NULL */
    /*
     * On one CPU with a generator that has a schedule to keep, the sink lets it go first. Not where
     * that one never rests: the sink would be what limits.
     */
    bool yields_cpu;
    enum otlp_sink_trouble trouble;
    uint64_t trouble_at_ms;  /* after otlp_sink_start_clock */
    uint64_t trouble_for_ms; /* 0: no trouble */
    uint64_t delay_ms;       /* of each answer */
};

struct otlp_sink_connection;
struct otlp_sink_stream;

/* An answer that waits for its time. */
struct otlp_sink_held {
    uint64_t due_mono_ns;
    uint64_t generation; /* of the connection: it may be gone by then */
    uint32_t connection_index;
    int32_t stream_id;
    bool is_good;
};

struct otlp_sink {
    struct otlp_sink_options options;
    struct otlp_sink_connection *connections[OTLP_SINK_CONNECTIONS_MAX_COUNT]; /* owned or NULL */
    struct otlp_sink_stream *streams;      /* owned list of all there are */
    struct otlp_sink_stream *free_streams; /* borrowed; those of them that are free */
    struct otlp_sink_held *held;           /* owned ring */
    uint32_t held_first;
    uint32_t held_count;
    struct otlp_ledger ledger;
    struct sink_inflate_buffer inflated;
    struct latency *delivery; /* owned; one per phase: from sending a body to its first item */
    uint8_t *received;        /* owned; one receive */
    uint64_t generation;
    uint64_t refused_count;
    uint64_t bad_count; /* requests that could not be read */
    int epoll_fd;
    int listen_fd;
    uint16_t port;
    bool is_in_trouble;
    /* Written by the sink thread (relaxed), read by anyone. */
    _Atomic uint64_t request_count;
    _Atomic uint64_t body_bytes;
    _Atomic uint64_t item_count;
    /* Written by anyone (relaxed), read by the sink thread within 20 ms. */
    _Atomic uint64_t clock_start_mono_ns;
    _Atomic uint32_t phase;
    atomic_bool is_stopping;
};

/* Listens. 0 or negative; otlp_sink_fini is due in any case. */
WEIR_MUST_USE int otlp_sink_init(struct otlp_sink *sink, const struct otlp_sink_options *options);
void otlp_sink_fini(struct otlp_sink *sink);

/* Serves until otlp_sink_stop. The calling thread becomes the sink thread. */
void otlp_sink_run(struct otlp_sink *sink);
void otlp_sink_stop(struct otlp_sink *sink);

/* From now on the time until the trouble counts. */
void otlp_sink_start_clock(struct otlp_sink *sink);
