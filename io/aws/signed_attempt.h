/* SPDX-License-Identifier: Apache-2.0 */
/*
 * signed_attempt — a request and a set of keys become one HTTP request, ready to be started.
 *
 * Serves the client and STS. Owns the bytes of URL and header lines, reused from one attempt to the
 * next and wiped at the end.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "codecs/bytes.h"
#include "codecs/sigv4_sign.h"
#include "core/base/defs.h"
#include "core/base/slice.h"
#include "io/aws/endpoint.h"
#include "io/aws/signed_request.h"
#include "io/http_client.h"

/* URL, lines of the caller's, and a session token of CREDENTIAL_TOKEN_MAX_BYTES. */
#define SIGNED_ATTEMPT_MAX_BYTES 32768

/* Where the values of an answer's headers stand in http_result.headers. */
enum signed_wanted {
    SIGNED_WANTED_ERROR_TYPE,
    SIGNED_WANTED_REQUEST_ID,
    SIGNED_WANTED_DATE,
    SIGNED_WANTED_RETRY_AFTER, /* milliseconds */
    SIGNED_WANTED_COUNT,
};

/* What is signed for, with what, when. Borrowed for the call. */
struct signed_terms {
    const struct aws_endpoint *endpoint;
    const struct sigv4_credentials *keys;
    struct slice region;
    struct slice service;
    uint64_t unix_s;
};

/* Zeroed is ready. */
struct signed_attempt {
    struct bytes text;    /* owned: URL and header lines, each with a NUL */
    struct slice *pieces; /* owned: the body's, for hashing */
    size_t piece_capacity;
    const char *lines[AWS_HEADERS_MAX];
};

/* What cannot be sent, whoever signs it: FAULT_LIMIT or FAULT_MALFORMED; else 0. */
WEIR_MUST_USE int signed_attempt_check(const struct aws_request *request);

/*
 * signed_attempt_prepare — fills `http` but for timeout, callback and the size of the answer.
 *
 *   request   has passed signed_attempt_check; borrowed until the attempt is over
 *
 * 0, -ENOMEM, or as sigv4_sign.
 */
WEIR_MUST_USE int signed_attempt_prepare(struct signed_attempt *attempt,
                                         struct sigv4_signer *signer,
                                         const struct aws_request *request,
                                         const struct signed_terms *terms,
                                         struct http_request *http);

/* Wipes and frees; leaves zeros. Idempotent. */
void signed_attempt_fini(struct signed_attempt *attempt);
