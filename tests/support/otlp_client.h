/* SPDX-License-Identifier: Apache-2.0 */
/*
 * otlp_client — clients of an OTLP receiver for tests: HTTP/1.1 by hand, HTTP/2 by nghttp2.
 *
 * Blocking, on the test's own thread; what does not come within five seconds fails the test.
 */
#pragma once

#include <nghttp2/nghttp2.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/slice.h"

#define OTLP_CLIENT_STREAMS 8

struct otlp_answer {
    uint32_t status;
    char head[8192]; /* "name: value\n" in lower case, trailers behind the headers */
    uint8_t body[65536];
    size_t body_len;
    bool is_trailers_only; /* HTTP/2: the first header block ended the stream */
    bool is_over;
    bool is_reset; /* HTTP/2: by RST_STREAM before an answer was whole */
    uint32_t reset_code;
};

/* The value of a header, or the empty slice. */
struct slice otlp_answer_field(const struct otlp_answer *answer, const char *name);
bool otlp_answer_body_is(const struct otlp_answer *answer, const void *bytes, size_t len);
bool otlp_answer_has(const struct otlp_answer *answer, const char *words); /* in its body */

/* Connects to 127.0.0.1:port, or to a path. */
int otlp_client_connect(uint16_t port);
int otlp_client_connect_path(const char *path);
/* Has the peer closed the connection, within five seconds? */
bool otlp_client_is_closed(int fd);

/* --- HTTP/1.1 --------------------------------------------------------------------------------- */

void otlp_client_send(int fd, const void *bytes, size_t len);
/*
 * Sends one request with its Content-Length.
 *   line     "POST /v1/traces"
 *   headers  "Name: value\r\n" each
 */
void otlp_client_ask(int fd, const char *line, const char *headers, struct slice body);
void otlp_client_read(int fd, struct otlp_answer *out);

/* --- HTTP/2 ----------------------------------------------------------------------------------- */

struct otlp_h2_stream {
    int32_t id;
    struct slice body; /* borrowed until it is sent */
    bool is_cut;       /* the end of the body never comes */
    struct otlp_answer answer;
};

struct otlp_h2_client {
    int fd;
    nghttp2_session *session;
    struct otlp_h2_stream streams[OTLP_CLIENT_STREAMS];
    uint32_t stream_count;
    bool is_goaway;
};

void otlp_h2_open(struct otlp_h2_client *client, uint16_t port);
void otlp_h2_close(struct otlp_h2_client *client);

/*
 * Starts a request and sends what can be sent.
 *   lines   "name: value\n" each, pseudo-headers first
 * Returns the stream.
 */
struct otlp_h2_stream *otlp_h2_start(struct otlp_h2_client *client, const char *lines,
                                     struct slice body, bool is_cut);
/* Until the stream is over. */
const struct otlp_answer *otlp_h2_wait(struct otlp_h2_client *client,
                                       struct otlp_h2_stream *stream);
/* Both. */
const struct otlp_answer *otlp_h2_ask(struct otlp_h2_client *client, const char *lines,
                                      struct slice body);
void otlp_h2_reset(struct otlp_h2_client *client, const struct otlp_h2_stream *stream);
