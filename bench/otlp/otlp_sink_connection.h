/* SPDX-License-Identifier: Apache-2.0 */
/*
 * otlp_sink_connection — what the two protocols of the sink share. Sink thread.
 */
#pragma once

#include <nghttp2/nghttp2.h>
#include <stdbool.h>
#include <stdint.h>

#include "bench/otlp/otlp_out.h"
#include "bench/otlp/otlp_sink.h"
#include "core/base/defs.h"
#include "core/base/slice.h"

#define OTLP_SINK_ENCODING_MAX_BYTES 16u
#define OTLP_SINK_RECEIVE_BYTES 262144u

enum otlp_sink_protocol {
    OTLP_SINK_PROTOCOL_UNKNOWN, /* nothing has arrived yet */
    OTLP_SINK_PROTOCOL_H2,
    OTLP_SINK_PROTOCOL_HTTP1,
};

/* One HTTP/2 request; goes back to the sink's list with its memory. */
struct otlp_sink_stream {
    struct otlp_sink_stream *next;            /* in the list of all */
    struct otlp_sink_stream *next_free;       /* in the list of free ones */
    const struct otlp_sink_connection *owner; /* NULL while it is free */
    uint8_t *bytes;                           /* owned */
    size_t used;
    size_t capacity;
    enum signal signal;
    char encoding[OTLP_SINK_ENCODING_MAX_BYTES]; /* terminated */
};

struct otlp_sink_connection {
    struct otlp_sink *sink;
    nghttp2_session *session; /* owned; HTTP/2 only */
    uint8_t *bytes;           /* owned; HTTP/1.1 only: one request at a time */
    size_t used;
    size_t capacity;
    uint64_t generation;
    uint32_t index;
    int fd;
    enum otlp_sink_protocol protocol;
    bool is_awaiting_room; /* the socket took not everything */
    bool is_held;          /* HTTP/1.1: an answer waits, and the next request with it */
    bool is_continued;     /* HTTP/1.1: 100 Continue was sent */
    struct otlp_out out;
};

enum otlp_sink_verdict {
    OTLP_SINK_VERDICT_GOOD,
    OTLP_SINK_VERDICT_BAD,
    OTLP_SINK_VERDICT_LATER, /* otlp_sink_x_answer will be called, or never */
};

/*
 * otlp_sink_take — one whole request: counted, and judged. `encoding` as in the header, `body`
 * borrowed until return. `stream_id` is 0 for HTTP/1.1.
 */
enum otlp_sink_verdict otlp_sink_take(struct otlp_sink_connection *c, int32_t stream_id,
                                      enum signal signal, struct slice encoding, struct slice body);

/* Which signal a path is about; traces where it says nothing. */
enum signal otlp_sink_signal_of(struct slice path);

/* HTTP/2. Each returns 0, or negative to end the connection. */
WEIR_MUST_USE int otlp_sink_h2_open(struct otlp_sink_connection *c);
WEIR_MUST_USE int otlp_sink_h2_receive(struct otlp_sink_connection *c, struct slice bytes);
WEIR_MUST_USE int otlp_sink_h2_answer(struct otlp_sink_connection *c, int32_t stream_id,
                                      bool is_good);
/* Moves what the session has to say into c->out, as far as there is room. */
WEIR_MUST_USE int otlp_sink_h2_gather(struct otlp_sink_connection *c);
void otlp_sink_h2_close(struct otlp_sink_connection *c);

/* HTTP/1.1. `bytes` is what arrived. As above. */
WEIR_MUST_USE int otlp_sink_http_receive(struct otlp_sink_connection *c, struct slice bytes);
WEIR_MUST_USE int otlp_sink_http_answer(struct otlp_sink_connection *c, bool is_good);

/* Makes room for `more` bytes behind `used` in a buffer that grows by doubling. 0 or negative. */
WEIR_MUST_USE int otlp_sink_make_room(uint8_t **bytes, size_t *capacity, size_t used, size_t more);
