/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sigv4_sign — a request becomes an Authorization header: AWS Signature Version 4.
 *
 * Codec between whoever speaks to AWS and the HTTP client. It is told the time and the credentials,
 * signs every header it is given, and refuses what it cannot sign faithfully; a refused request
 * must not be sent. Owns its buffers, made once, and the signing key of the last scope.
 * Not for S3, whose paths are spelled otherwise. One thread at a time.
 * Source: AWS Signature Version 4, "Create a signed request"; RFC 2104, RFC 3986.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "codecs/bytes.h"
#include "core/base/defs.h"
#include "core/base/digest.h"
#include "core/base/slice.h"

/* Headers of one request, those that the signer adds included. */
#define SIGV4_HEADERS_MAX 64
/* Parameters of one query; X-Ray's have none, STS's stand in the body. */
#define SIGV4_QUERY_PAIRS_MAX 128
/* One request in its canonical form. Session tokens are about 1.5 KiB, limits of peers 8 to 16. */
#define SIGV4_CANONICAL_MAX_BYTES 16384
/* Access keys have 16 to 128 characters, secrets 40, the longest region has 17. */
#define SIGV4_ACCESS_KEY_MAX_BYTES 128
#define SIGV4_SECRET_MAX_BYTES 256
#define SIGV4_REGION_MAX_BYTES 64
#define SIGV4_SERVICE_MAX_BYTES 64
/* "20150830T123600Z" */
#define SIGV4_AMZ_DATE_BYTES 16
#define SIGV4_DATE_BYTES 8

struct sigv4_header {
    struct slice name; /* any case */
    struct slice value;
};

/* What is to be signed, as it will be sent; borrowed for the call. */
struct sigv4_request {
    struct slice method; /* as sent, upper case by custom */
    struct slice path;   /* as sent; "" is "/"; a percent sign in it is encoded once more */
    struct slice query;  /* as sent, without the question mark; may be empty */
    /*
     * Every one of them is signed. `host` is required; `x-amz-date`, `x-amz-security-token` and
     * `authorization` are the signer's and refused. Equal names are joined in this order.
     */
    const struct sigv4_header *headers;
    size_t header_count;
    struct slice payload_hash_hex; /* SHA-256 of the body as sent; 64 lower-case digits */
    bool is_path_normalised;       /* dot segments and empty ones are resolved before signing */
};

struct sigv4_credentials {
    struct slice access_key_id;
    struct slice secret_access_key;
    struct slice session_token; /* empty where there is none */
};

struct sigv4_scope {
    struct slice region;
    struct slice service; /* the signing name: "xray", "logs" */
};

/* What was signed. Slices borrow from the signer until its next call. */
struct sigv4_result {
    char amz_date[SIGV4_AMZ_DATE_BYTES + 1]; /* value of X-Amz-Date */
    struct slice authorization;              /* value of Authorization; a NUL follows it */
    /* The stages, for tests and for the log of a refused signature. */
    struct slice canonical_request;
    struct slice string_to_sign;
    char canonical_hash_hex[DIGEST_SHA256_HEX_BYTES];
    char signature_hex[DIGEST_SHA256_HEX_BYTES];
};

/* The signing key and what it was made of: access key, secret, date, region, service. */
struct sigv4_key {
    uint8_t identity[SIGV4_ACCESS_KEY_MAX_BYTES + SIGV4_SECRET_MAX_BYTES + SIGV4_DATE_BYTES +
                     SIGV4_REGION_MAX_BYTES + SIGV4_SERVICE_MAX_BYTES];
    size_t identity_lens[5];
    uint8_t signing[DIGEST_SHA256_BYTES];
    bool is_made;
};

struct sigv4_signer {
    struct digest digest;   /* owned */
    struct bytes canonical; /* owned */
    struct bytes work;      /* owned; what is sorted before it is canonical */
    struct bytes text;      /* owned; scope, string to sign, authorization */
    struct sigv4_key key;   /* wiped when it changes */
    uint64_t key_derive_count;
    uint64_t amz_date_unix_s; /* what the text below stands for, unless it is empty */
    char amz_date[SIGV4_AMZ_DATE_BYTES + 1];
};

/* 0, -ENOMEM or FAULT_LIBRARY; all memory that signing needs is taken here. */
WEIR_MUST_USE int sigv4_signer_init(struct sigv4_signer *signer);

/* Wipes the key. Idempotent; leaves zeros. */
void sigv4_signer_fini(struct sigv4_signer *signer);

/*
 * sigv4_sign — signs one request. The caller then sends the headers it gave and, beside them,
 * X-Amz-Date (out->amz_date), X-Amz-Security-Token (the token, unless empty) and Authorization.
 *
 *   unix_s   the time to sign, corrected for a known clock skew
 *   out      filled only on 0
 *
 * A header value may be folded (a line break before blanks and text); it must hold no other
 * control character. Blanks at its ends go, runs of them become one.
 *
 * Returns 0; FAULT_MALFORMED for what is no request or no credentials (bad method, path, header,
 * escape in the query or payload hash, no host, an empty key); FAULT_LIMIT for what exceeds a
 * limit above; FAULT_OVERFLOW for a time that is no date; FAULT_LIBRARY.
 */
WEIR_MUST_USE int sigv4_sign(struct sigv4_signer *signer, const struct sigv4_request *request,
                             const struct sigv4_credentials *credentials,
                             const struct sigv4_scope *scope, uint64_t unix_s,
                             struct sigv4_result *out);

/* The hash of a body for sigv4_request.payload_hash_hex. 0 or FAULT_LIBRARY. */
WEIR_MUST_USE int sigv4_hash_payload(struct sigv4_signer *signer, const struct slice *pieces,
                                     size_t piece_count, char out[DIGEST_SHA256_HEX_BYTES]);
