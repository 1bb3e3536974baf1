/* SPDX-License-Identifier: Apache-2.0 */
/*
 * micro_sigv4 — nanoseconds to sign one request whose body is hashed already.
 *
 * `static` is a request with long-lived keys, `token` one with a session token as tasks have them,
 * `body` adds the hash of 64 KiB, and `new_key` derives the signing key each time, which a client
 * does once a day and once for each refresh of its credentials.
 */
#include <stdio.h>
#include <string.h>

#include "bench/micro.h"
#include "codecs/sigv4_sign.h"

#define SIGN_BUDGET_NS 2000
#define OPS_PER_CALL 64
/* Tokens of task roles are between 900 and 1 600 bytes. */
#define TOKEN_BYTES 1200
#define BODY_BYTES 65536
#define NOW_UNIX_S 1767225600

struct sigv4_case {
    struct micro micro;
    struct sigv4_signer signer; /* owned */
    struct sigv4_request request;
    struct sigv4_credentials credentials;
    struct sigv4_scope scope;
    char hash_hex[DIGEST_SHA256_HEX_BYTES];
    struct slice body; /* hashed for each request; empty: never */
    bool has_new_key;
    uint64_t unix_s;
};

static const char host[] = "xray.eu-west-1.amazonaws.com";
static uint8_t token[TOKEN_BYTES];
static uint8_t body[BODY_BYTES];

static void sign_once(struct sigv4_case *c, uint64_t *sum)
{
    struct sigv4_result result;
    if (c->body.len > 0) {
        int err = sigv4_hash_payload(&c->signer, &c->body, 1, c->hash_hex);
        ASSERT(err == 0);
    }
    /* A second on, so that no two requests are the same; a day on for another key. */
    c->unix_s += c->has_new_key ? 86400 : 0;
    int err = sigv4_sign(&c->signer, &c->request, &c->credentials, &c->scope, c->unix_s, &result);
    ASSERT(err == 0);
    *sum += (uint8_t)result.signature_hex[0] + result.authorization.len;
}

static uint64_t sigv4_call(struct micro *micro)
{
    struct sigv4_case *c = CONTAINER_OF(micro, struct sigv4_case, micro);
    uint64_t sum = 0;
    /* A second on for each call; a day on, and so another key, for each request of the last case.
     */
    c->unix_s = c->has_new_key ? NOW_UNIX_S : c->unix_s + 1;
    if (c->unix_s % 86400 == 0) {
        c->unix_s = NOW_UNIX_S; /* stay inside the day of the key */
    }
    for (uint32_t i = 0; i < OPS_PER_CALL; i++) {
        sign_once(c, &sum);
    }
    return sum;
}

static int sigv4_measure(struct sigv4_case *c, const char *name, double budget_ns)
{
    static const struct slice no_body;
    const struct sigv4_header headers[] = {
        {.name = SLICE_LITERAL("Host"), .value = slice_of(host, sizeof(host) - 1)},
        {.name = SLICE_LITERAL("Content-Type"), .value = SLICE_LITERAL("application/json")},
    };
    c->micro = (struct micro){.name = name,
                              .op_count = OPS_PER_CALL,
                              .op_bytes = c->body.len,
                              .budget_ns = budget_ns,
                              .needs_zero_allocs = true,
                              .call = sigv4_call};
    c->request = (struct sigv4_request){
        .method = SLICE_LITERAL("POST"),
        .path = SLICE_LITERAL("/TraceSegments"),
        .headers = headers,
        .header_count = COUNT_OF(headers),
        .payload_hash_hex = slice_of(c->hash_hex, sizeof(c->hash_hex)),
    };
    c->credentials.access_key_id = SLICE_LITERAL("ASIAIOSFODNN7EXAMPLE");
    c->credentials.secret_access_key = SLICE_LITERAL("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY");
    c->scope = (struct sigv4_scope){.region = SLICE_LITERAL("eu-west-1"),
                                    .service = SLICE_LITERAL("xray")};
    c->unix_s = NOW_UNIX_S;
    int err = sigv4_signer_init(&c->signer);
    if (err == 0) {
        err = sigv4_hash_payload(&c->signer, &no_body, 1, c->hash_hex);
    }
    if (err == 0) {
        err = micro_run(&c->micro);
    }
    sigv4_signer_fini(&c->signer);
    return err;
}

int main(void)
{
    static struct sigv4_case plain;
    static struct sigv4_case with_token;
    static struct sigv4_case with_body;
    static struct sigv4_case with_new_key;
    memset(token, 'T', sizeof(token));
    memset(body, 'b', sizeof(body));
    with_token.credentials.session_token = slice_of(token, sizeof(token));
    with_body.credentials.session_token = slice_of(token, sizeof(token));
    with_body.body = slice_of(body, sizeof(body));
    with_new_key.has_new_key = true;
    int err = sigv4_measure(&plain, "sigv4/static", SIGN_BUDGET_NS);
    if (err == 0) {
        err = sigv4_measure(&with_token, "sigv4/token", SIGN_BUDGET_NS);
    }
    if (err == 0) {
        err = sigv4_measure(&with_body, "sigv4/body_64k", 0);
    }
    if (err == 0) {
        err = sigv4_measure(&with_new_key, "sigv4/new_key", 0);
    }
    return err == 0 ? 0 : 1;
}
