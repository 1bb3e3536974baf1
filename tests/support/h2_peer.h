/* SPDX-License-Identifier: Apache-2.0 */
/*
 * h2_peer — the other end of an HTTP/2 connection, frame by frame, for tests of servers.
 *
 * Sends whatever a test likes, right or wrong, and writes down what comes back, one line per frame:
 *
 *     SETTINGS 3=100 4=1048576     WINDOW_UPDATE 0 4128769        PING ACK 6162636465666768
 *     HEADERS 1 END :status=200 content-type=application/grpc     DATA 1 END 0000000000
 *     RST_STREAM 1 NO_ERROR        GOAWAY 2147483647 NO_ERROR x   CLOSED
 */
#pragma once

#include <nghttp2/nghttp2.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/slice.h"
#include "io/h2_server.h"
#include "io/loop.h"

#define H2_PEER_LOG_BYTES 262144
#define H2_PEER_IN_BYTES 65536
/* Payloads up to this size are written out as hexadecimal digits, others as their length. */
#define H2_PEER_SHOWN_BYTES 64

enum {
    H2_PEER_END_STREAM = 0x1,
    H2_PEER_ACK = 0x1,
    H2_PEER_END_HEADERS = 0x4,
    H2_PEER_PADDED = 0x8,
    H2_PEER_PRIORITY = 0x20,
};

struct h2_peer {
    int fd;
    struct loop *loop;
    nghttp2_hd_inflater *inflater;
    bool is_reading; /* false: what the server sends stays in the socket */
    bool is_closed;
    uint64_t data_bytes;   /* of all DATA received */
    uint64_t credit_bytes; /* of WINDOW_UPDATEs of stream 0 */
    uint64_t frame_count;
    uint8_t in[H2_PEER_IN_BYTES];
    size_t in_len;
    char log[H2_PEER_LOG_BYTES];
    size_t log_len;
};

/* A socket pair whose other end the server adopts. Fails the test where that is refused. */
void h2_peer_open(struct h2_peer *peer, struct loop *loop, struct h2_server *server);
void h2_peer_close(struct h2_peer *peer);

/* Sends bytes, turning the loop while the socket is full. */
void h2_peer_send(struct h2_peer *peer, const void *bytes, size_t len);
/* The preface and empty SETTINGS. */
void h2_peer_greet(struct h2_peer *peer);
void h2_peer_frame(struct h2_peer *peer, uint8_t type, uint8_t flags, uint32_t stream_id,
                   struct slice payload);

/* "name: value\n" lines as literal fields without indexing; returns the length. */
size_t h2_peer_encode(const char *lines, uint8_t *out, size_t cap);
/* One HEADERS frame with END_HEADERS. */
void h2_peer_headers(struct h2_peer *peer, uint32_t stream_id, uint8_t flags, const char *lines);

/* One turn; reads what is there. */
void h2_peer_turn(struct h2_peer *peer);
/* Turns for so long. */
void h2_peer_run(struct h2_peer *peer, uint64_t duration_ns);
/* Turns until the log holds `text`; false when it does not come. */
bool h2_peer_await(struct h2_peer *peer, const char *text);
/* The same; fails the test, showing the log. */
void h2_peer_expect(struct h2_peer *peer, const char *text);
bool h2_peer_has(const struct h2_peer *peer, const char *text);
/* Of lines that begin so. */
size_t h2_peer_count(const struct h2_peer *peer, const char *text);
void h2_peer_clear(struct h2_peer *peer);
