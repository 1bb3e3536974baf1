/* SPDX-License-Identifier: Apache-2.0 */
/*
 * digest — SHA-256 of bytes, with or without a key; OpenSSL's algorithm is looked up once instead
 * of for each call.
 *
 * One thread at a time. Source: FIPS 180-4; HMAC: RFC 2104.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "core/base/defs.h"
#include "core/base/slice.h"

#define DIGEST_SHA256_BYTES 32
#define DIGEST_SHA256_HEX_BYTES 64

struct evp_md_st;
struct evp_md_ctx_st;

struct digest {
    struct evp_md_st *algorithm;   /* owned */
    struct evp_md_ctx_st *context; /* owned */
};

/* 0, -ENOMEM, or FAULT_LIBRARY where the algorithm is not to be had. */
WEIR_MUST_USE int digest_init(struct digest *digest);

/* Idempotent; leaves zeros. */
void digest_fini(struct digest *digest);

/* The hash of `bytes` into `out`. 0 or FAULT_LIBRARY, and then `out` is not to be used. */
WEIR_MUST_USE int digest_sha256(struct digest *digest, struct slice bytes,
                                uint8_t out[DIGEST_SHA256_BYTES]);

/* As digest_sha256, spelled in lower-case hexadecimal without a terminator. */
WEIR_MUST_USE int digest_sha256_hex(struct digest *digest, struct slice bytes,
                                    char out[DIGEST_SHA256_HEX_BYTES]);

/* The hash of `piece_count` pieces as if they were one text. As digest_sha256. */
WEIR_MUST_USE int digest_sha256_pieces(struct digest *digest, const struct slice *pieces,
                                       size_t piece_count, uint8_t out[DIGEST_SHA256_BYTES]);

/*
 * digest_hmac_sha256 — the authentication code of `bytes` under `key`, which may have any length.
 *
 *   out   may be where `key` or `bytes` stand; 32 bytes
 *
 * 0 or FAULT_LIBRARY, and then `out` is not to be used. Leaves no copy of the key behind.
 */
WEIR_MUST_USE int digest_hmac_sha256(struct digest *digest, struct slice key, struct slice bytes,
                                     uint8_t out[DIGEST_SHA256_BYTES]);

/* A hash in lower-case hexadecimal, without a terminator. */
void digest_format_hex(const uint8_t hash[DIGEST_SHA256_BYTES], char out[DIGEST_SHA256_HEX_BYTES]);
