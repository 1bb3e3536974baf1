/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http_stub — a scripted HTTP/1.1 server on loopback, in threads of its own.
 *
 * Answers its n-th request with the n-th line of the script, and the last line for ever after;
 * keeps what it was sent. One thread per connection; at most HTTP_STUB_CONNECTIONS_MAX in its life.
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/slice.h"

#define HTTP_STUB_CONNECTIONS_MAX 64
#define HTTP_STUB_REQUESTS_MAX 256
#define HTTP_STUB_URL_BYTES 64

struct ssl_ctx_st;

/* One answer. Zero is "200 OK" without a body. */
struct http_stub_answer {
    uint32_t status;     /* 0 means 200 */
    const char *headers; /* further lines, each with its \r\n; NULL for none */
    const void *body;
    size_t body_len;
    uint32_t delay_ms; /* before the answer */
    bool is_held;      /* the answer waits for http_stub_release, or for the end */
    bool hangs_up;     /* closes the connection instead */
};

struct http_stub_request {
    char method[16];
    char target[256];
    char *head; /* owned; header lines, NUL-terminated */
    uint8_t *body;
    size_t body_len;
    uint32_t connection_index;
};

/* Answers in the place of the script: which one, in the connection's thread, under the lock. */
typedef struct http_stub_answer(http_stub_choose_fn)(void *owner,
                                                     const struct http_stub_request *request);

struct http_stub_options {
    const struct http_stub_answer *script; /* borrowed; at least one */
    size_t script_len;
    struct ssl_ctx_st *tls;      /* borrowed; NULL for plain HTTP */
    uint16_t port;               /* 0: the kernel picks */
    http_stub_choose_fn *choose; /* NULL for the script; what it answers is copied at once */
    void *owner;                 /* of choose */
};

struct http_stub {
    struct http_stub_options options;
    uint16_t port;
    char url[HTTP_STUB_URL_BYTES]; /* http://127.0.0.1:PORT */
    int listen_fd;
    int stop_fd; /* readable once the stub stops */
    int hold_fd; /* a semaphore of answers that may go */
    pthread_t acceptor;
    pthread_t threads[HTTP_STUB_CONNECTIONS_MAX];
    size_t connection_count;
    pthread_mutex_t mutex; /* guards what follows */
    struct http_stub_request requests[HTTP_STUB_REQUESTS_MAX];
    size_t request_count;
};

/* Listens and begins to answer; what cannot be done fails the test at hand. */
void http_stub_start(struct http_stub *stub, const struct http_stub_options *options);

/* Closes everything, joins all threads, frees. */
void http_stub_stop(struct http_stub *stub);

/* Lets one held answer go, of now or later. */
void http_stub_release(struct http_stub *stub);

size_t http_stub_request_count(struct http_stub *stub);

/* The request of that index, which must have come; valid until stop. */
const struct http_stub_request *http_stub_request(struct http_stub *stub, size_t index);

/* The value of a header, or the empty slice; `name` in any case. */
struct slice http_stub_header(const struct http_stub_request *request, const char *name);

/* A port of loopback where nobody listens at the moment. */
uint16_t http_stub_free_port(void);

/*
 * The same, and nobody else is given it: connections are refused until a stub starts on it. Returns
 * the descriptor that holds it, for the caller to close.
 */
int http_stub_hold_port(uint16_t *out_port);
