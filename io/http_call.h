/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http_call — one transfer of http_client: its curl handle, where it stands in the request's body,
 * and what it kept of the answer.
 *
 * Internal to the client. A call serves one request after another; its handle is reset in between.
 */
#pragma once

#include <curl/curl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/defs.h"
#include "io/http_client.h"

struct http_call {
    CURL *easy;                   /* owned */
    struct curl_slist *headers;   /* owned */
    struct http_request *request; /* borrowed while under way */
    size_t body_index;            /* iovec being read */
    size_t body_offset;           /* into it */
    uint8_t *response;            /* owned */
    size_t response_len;
    size_t response_capacity; /* charged to `memory` */
    struct lease *memory;     /* borrowed; NULL: nothing is charged */
    bool is_response_cut;
    uint32_t repeat_count; /* times the body was begun anew */
    int read_fault;        /* memory refused for the answer, -ENOMEM, or its lease FAULT_LIMIT */
    char error[CURL_ERROR_SIZE];
    struct http_call *next;
    struct http_call *prev;
};

/* NULL when memory is refused. */
WEIR_MUST_USE struct http_call *http_call_new(void);

/* NULL is fine. Not while the handle is in a multi handle. */
void http_call_free(struct http_call *call);

/* Forgets the request and the answer; keeps the handle and its caches. */
void http_call_clear(struct http_call *call);

/* Sets a cleared call up for `request`, which it borrows. 0, -ENOMEM or FAULT_LIBRARY. */
WEIR_MUST_USE int http_call_prepare(struct http_call *call,
                                    const struct http_client_options *options,
                                    struct http_request *request);

/* What the transfer that ended with `code` brought; `out` borrows from the call. */
void http_call_read_result(struct http_call *call, CURLcode code, struct http_result *out);
