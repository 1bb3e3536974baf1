/* SPDX-License-Identifier: Apache-2.0 */
/*
 * otlp_http — OTLP/HTTP: which requests are taken, and what each is told, over HTTP/1.1 and HTTP/2.
 *
 * Judging a head and wording an answer are the same for both versions and stand in otlp_http.c; the
 * callbacks of http1_server are in otlp_http1.c, those of h2 streams in otlp_h2.c. The order of the
 * checks is the Collector's, as far as it shows. Source: OTLP specification, OTLP/HTTP.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "codecs/compress.h"
#include "core/base/defs.h"
#include "core/base/slice.h"
#include "io/h2_server.h"
#include "io/http1_server.h"
#include "io/receivers/otlp_config.h"
#include "io/receivers/otlp_verdict.h"

struct otlp_port;

/* What matters of a head; all borrowed. Absent headers are empty. */
struct otlp_http_head {
    struct slice method;
    struct slice path; /* without the query */
    struct slice query;
    struct slice content_type;
    struct slice content_encoding;
    struct slice origin;
    struct slice credentials;  /* the authenticator's header */
    struct slice cors_method;  /* Access-Control-Request-Method */
    struct slice cors_headers; /* Access-Control-Request-Headers */
};

/* A request that is welcome. */
struct otlp_http_plan {
    enum signal signal;
    enum compress_kind kind;
    bool is_json;
    bool is_sampling; /* a call for the sampling proxy; the signal means nothing */
};

/* An answer in HTTP's terms. */
struct otlp_http_answer {
    uint32_t status;
    uint32_t retry_after_s;   /* 0: none */
    const char *content_type; /* static; NULL for none */
    const char *challenge;    /* of WWW-Authenticate, static; NULL but beside a 401 */
    struct slice body;        /* borrowed from `text`, static, or the caller's */
    char text[OTLP_VERDICT_TEXT_BYTES * 6 + 256]; /* any byte may be "\\u0000" in JSON */
};

/* Headers beside those: CORS, and what the configuration adds. `add` is called for each. */
typedef void(otlp_http_header_fn)(void *target, struct slice name, struct slice value);

/*
 * otlp_http_judge — may this request bring its body?
 *
 * True: `plan` is filled. False: `answer` is what it is told.
 */
bool otlp_http_judge(const struct otlp_port *port, const struct otlp_http_head *head,
                     struct otlp_http_plan *plan, struct otlp_http_answer *answer);

/* Is a body of so many bytes too large for a sampling call? `answer` says so, where it is. */
bool otlp_http_is_too_large(const struct otlp_http_plan *plan, uint64_t bytes,
                            struct otlp_http_answer *answer);

/* The header that the port's authenticator looks at; NULL without one. */
const char *otlp_http_credentials(const struct otlp_port *port);

/* The answer to a verdict, in the request's encoding. */
void otlp_http_word(const struct otlp_verdict *verdict, enum signal signal, bool is_json,
                    struct otlp_http_answer *answer);

/* The further headers of any answer to a request with this head. */
void otlp_http_add_headers(const struct otlp_config *config, const struct otlp_http_head *head,
                           void *target, otlp_http_header_fn *add);

/* --- otlp_http1.c ----------------------------------------------------------------------------- */

/* What the server calls a body that is too large; the client is told 400, as by the Collector. */
#define OTLP_HTTP1_TOO_LARGE 413

/* The callbacks of a port's http1_server (CONTAINER_OF struct otlp_port). */
bool otlp_http1_on_admit(struct http1_server *server, struct http1_exchange *exchange,
                         struct http1_refusal *refusal);
void otlp_http1_on_refuse(struct http1_server *server, struct http1_exchange *exchange,
                          struct http1_refusal *refusal);
bool otlp_http1_on_charge(struct http1_server *server, uint64_t bytes);
void otlp_http1_on_release(struct http1_server *server, uint64_t bytes);
void otlp_http1_on_request(struct http1_server *server, struct http1_exchange *exchange);

/* --- otlp_h2.c -------------------------------------------------------------------------------- */

/* A stream that does not speak gRPC. */
void otlp_h2_take(struct otlp_port *port, struct h2_stream *stream);
